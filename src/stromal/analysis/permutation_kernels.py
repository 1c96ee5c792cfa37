"""Kernels for permutation tests: arrangements of group labels, and a statistic for each."""

from __future__ import annotations

import numpy as np

from stromal.analysis.intervals import Floats
from stromal.analysis.score_kernels import score_gray, score_logrank, solve_scores
from stromal.analysis.survival_kernels import Codes
from stromal.core.jit import inlined, kernel

__all__ = [
    "arrange_next",
    "follow_gray",
    "follow_linear",
    "follow_logrank",
]


@kernel
def arrange_next(group: Codes, starts: Codes, arrangements: Codes) -> None:
    """Write the present arrangement and those that follow it, in lexicographic order.

    Within each segment labels stand sorted at first. The last segment turns fastest; once it has
    shown all its arrangements it begins anew and the one before it goes on.

    Parameters
    ----------
    group
        The present arrangement; it is moved on.
    starts
        Where each segment begins, and the number of participants.
    arrangements
        Filled, one row an arrangement; after the last of all comes the first again.
    """
    for row in range(arrangements.shape[0]):
        arrangements[row] = group
        segment = starts.size - 2
        while segment >= 0 and not _advance(group, starts[segment], starts[segment + 1]):
            segment -= 1


@inlined
def _advance(group: Codes, start: int, stop: int) -> bool:
    """Go to the next arrangement of a segment; from the last one back to the first."""
    i = stop - 2
    while i >= start and group[i] >= group[i + 1]:
        i -= 1
    if i >= start:
        j = stop - 1
        while group[j] <= group[i]:
            j -= 1
        group[i], group[j] = group[j], group[i]
    low, high = i + 1, stop - 1
    if i < start:
        low = start
    while low < high:
        group[low], group[high] = group[high], group[low]
        low += 1
        high -= 1
    return i >= start


@kernel
def follow_logrank(
    day: Floats, status: Codes, arrangements: Codes, starts: Codes, n_groups: int
) -> Floats:
    """Give Mantel's chi-square of each arrangement; NaN where there is none."""
    difference = np.empty((arrangements.shape[0], n_groups))
    covariance = np.empty((arrangements.shape[0], n_groups, n_groups))
    for row in range(arrangements.shape[0]):
        observed, expected, spread = score_logrank(day, status, arrangements[row], starts, n_groups)
        difference[row] = observed.sum(axis=0) - expected.sum(axis=0)
        covariance[row] = spread.sum(axis=0)
    return solve_scores(difference, covariance)[0]


@kernel
def follow_gray(
    day: Floats, status: Codes, arrangements: Codes, starts: Codes, n_groups: int, rho: float
) -> Floats:
    """Give Gray's chi-square of each arrangement; NaN where there is none."""
    difference = np.empty((arrangements.shape[0], n_groups))
    covariance = np.empty((arrangements.shape[0], n_groups, n_groups))
    for row in range(arrangements.shape[0]):
        observed, expected, spread = score_gray(
            day, status, arrangements[row], starts, n_groups, rho
        )
        difference[row] = observed.sum(axis=0) - expected.sum(axis=0)
        covariance[row] = spread.sum(axis=0)
    return solve_scores(difference, covariance)[0]


@kernel
def follow_linear(score: Floats, arrangements: Codes, inverse: Floats) -> Floats:
    """Give the chi-square of the groups' sums of scores for each arrangement.

    Parameters
    ----------
    score
        Of each participant, less the mean of the segment.
    arrangements
        One row an arrangement.
    inverse
        Inverse of the covariance of the sums over all arrangements, groups by groups.
    """
    statistic = np.empty(arrangements.shape[0])
    total = np.empty(inverse.shape[0])
    for row in range(arrangements.shape[0]):
        total[:] = 0.0
        for i in range(score.size):
            total[arrangements[row, i]] += score[i]
        square = 0.0
        for k in range(total.size):
            for j in range(total.size):
                square += total[k] * inverse[k, j] * total[j]
        statistic[row] = square
    return statistic
