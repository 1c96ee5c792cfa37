"""Kernels that compare groups: observed and expected events, their covariance, chi-square.

They serve one registry of a million participants and many small trials alike: they take `starts`,
where each segment of participants begins, and give one result a segment. The segments are strata
of one trial (add the results) or trials of a simulation (keep them apart).
"""

from __future__ import annotations

import numpy as np

from stromal.analysis.intervals import Floats
from stromal.analysis.survival_kernels import COMPETING, EVENT, Codes, tied_variance
from stromal.core.jit import inlined, kernel

__all__ = ["score_fleming_harrington", "score_gray", "score_logrank", "solve_scores"]

_Y, _S, _AFTER, _F, _H = range(5)  # at risk, event-free before and after, incidence, h
_ZERO = 1e-9  # of the largest: below it a variance or a pivot is rounding


@kernel
def score_fleming_harrington(
    day: Floats,
    status: Codes,
    group: Codes,
    starts: Codes,
    late: tuple[Floats, Codes, Codes],
    powers: Floats,
    n_groups: int,
) -> tuple[Floats, Floats, Floats]:
    """Give weighted observed and expected events and their joint covariance, for each segment.

    On a day with d events among Y at risk, group k with Y_k at risk expects d Y_k / Y, and the
    covariance of k and l is hypergeometric: d (Y - d) / (Y - 1) * Y_k / Y * (1[k=l] - Y_l / Y).
    Each is multiplied by the weights S^rho (1 - S)^gamma, with S the Kaplan-Meier estimate of the
    whole segment before the day. A competing event counts as censored. At risk on a day is who
    entered before it and leaves on it or later.

    Parameters
    ----------
    day, status, group
        Sorted by day within each segment; `group` counts from 0.
    starts
        Where each segment begins, and the number of participants.
    late
        Who is not at risk from the beginning: day of entry and group, sorted by day within each
        segment, and where each segment begins.
    powers
        One row a weight: rho and gamma.
    n_groups
        Number of groups.

    Returns
    -------
    observed, expected
        Segments by weights by groups.
    covariance
        Segments by weights by weights by groups by groups.
    """
    segments, weights = starts.size - 1, powers.shape[0]
    observed = np.zeros((segments, weights, n_groups), dtype=np.float64)
    expected = np.zeros((segments, weights, n_groups), dtype=np.float64)
    covariance = np.zeros((segments, weights, weights, n_groups, n_groups), dtype=np.float64)
    tally = np.zeros((3, n_groups), dtype=np.float64)
    at_risk = np.zeros(n_groups, dtype=np.float64)
    weight = np.zeros(weights, dtype=np.float64)
    entry, entered, late_starts = late
    for segment in range(segments):
        i, stop = starts[segment], starts[segment + 1]
        j, last = late_starts[segment], late_starts[segment + 1]
        _count_groups(group, i, stop, at_risk)
        for m in range(j, last):
            at_risk[entered[m]] -= 1.0
        survival = 1.0
        while i < stop:
            while j < last and entry[j] < day[i]:
                at_risk[entered[j]] += 1.0
                j += 1
            i = _take_day(day, status, group, i, stop, tally)
            d, y = 0.0, 0.0
            for k in range(n_groups):
                d += tally[0, k]
                y += at_risk[k]
            if d > 0:
                _weigh(survival, powers, weight)
                spread = d * (y - d) / (y - 1) if y > 1 else 0.0
                for w in range(weights):
                    for k in range(n_groups):
                        observed[segment, w, k] += weight[w] * tally[0, k]
                        expected[segment, w, k] += weight[w] * (d * (at_risk[k] / y))
                    for v in range(weights):
                        both = weight[w] * weight[v] * spread
                        for k in range(n_groups):
                            share = both * (at_risk[k] / y)
                            covariance[segment, w, v, k, k] += share
                            for m in range(n_groups):
                                covariance[segment, w, v, k, m] -= share * (at_risk[m] / y)
                survival *= (y - d) / y
            for k in range(n_groups):
                at_risk[k] -= tally[2, k]
    return observed, expected, covariance


@kernel
def score_logrank(
    day: Floats, status: Codes, group: Codes, starts: Codes, n_groups: int
) -> tuple[Floats, Floats, Floats]:
    """Give observed and expected events and their covariance, for each segment, weighted by 1.

    Parameters are those of `score_fleming_harrington`, with everybody at risk from the beginning.

    Returns
    -------
    observed, expected
        Segments by groups.
    covariance
        Segments by groups by groups.
    """
    nobody = (
        np.zeros(0, dtype=np.float64),
        np.zeros(0, dtype=np.int64),
        np.zeros(starts.size, dtype=np.int64),
    )
    observed, expected, covariance = score_fleming_harrington(
        day, status, group, starts, nobody, np.zeros((1, 2)), n_groups
    )
    return observed[:, 0], expected[:, 0], covariance[:, 0, 0]


@kernel
def score_gray(
    day: Floats, status: Codes, group: Codes, starts: Codes, n_groups: int, rho: float
) -> tuple[Floats, Floats, Floats]:
    """Give observed and expected events and the covariance of their difference, by segment.

    Gray's test with weight (1 - F0)^rho, F0 the incidence before the day under equality. With Y_k
    at risk in group k, S_k its Kaplan-Meier estimate of freedom from any event and F_k its
    Aalen-Johansen incidence, all just before the day, h_k = Y_k / S_k. Of d events on the day,
    group k expects d R_k / R with R_k = h_k (1 - F_k); observed and expected are multiplied by the
    weight.

    The covariance is Gray's, under equality of the incidences. F0 grows by d / h. An event in
    group r moves the score of k by h_k (1[k=r] - h_r / h) at once, and from then on, through the
    estimate of F_r, by (1 - (1 - F0) / S_r) times the growth of C_kr, the integral of
    h_k (1[k=r] - h_r / h) d / (h (1 - F0)); a competing event in r by -(1 - F0) / S_r times it.
    The variance of the events in r is S_r d / (h Y_r) with the correction
    1 - (d - 1) / (h S_r - 1) of ties, that of d2 competing events (S_r / Y_r)^2 d2 with the
    correction (Y_r - d2) / (Y_r - 1). As in `follow_incidence` the sums are kept up to date
    while C grows, so one pass suffices.

    Jump and growth too are multiplied by the weight of their day.

    Parameters and results are those of `score_logrank`; `rho` is 0 for a weight of 1.
    """
    segments = starts.size - 1
    observed = np.zeros((segments, n_groups), dtype=np.float64)
    expected = np.zeros((segments, n_groups), dtype=np.float64)
    covariance = np.zeros((segments, n_groups, n_groups), dtype=np.float64)
    tally = np.zeros((3, n_groups), dtype=np.float64)
    state = np.zeros((5, n_groups), dtype=np.float64)
    at_risk = state[_Y]
    pull = np.zeros((n_groups, n_groups), dtype=np.float64)
    cross = np.zeros((n_groups, n_groups), dtype=np.float64)
    square = np.zeros(n_groups, dtype=np.float64)
    for segment in range(segments):
        i, stop = starts[segment], starts[segment + 1]
        _count_groups(group, i, stop, at_risk)
        state[_S], state[_F], cross[:], square[:], pooled = 1.0, 0.0, 0.0, 0.0, 0.0
        while i < stop:
            i = _take_day(day, status, group, i, stop, tally)
            d, others, several = 0.0, 0.0, 0
            for k in range(n_groups):
                d += tally[0, k]
                others += tally[1, k]
                several += state[_Y, k] > 0
            if d == 0 and others == 0:
                for k in range(n_groups):
                    state[_Y, k] -= tally[2, k]
                continue
            weight = (1 - pooled) ** rho if rho != 0 else 1.0
            h = _expect(d, weight, state, expected, segment) if d > 0 else 0.0
            for r in range(n_groups):
                observed[segment, r] += weight * tally[0, r]
                left = state[_Y, r] - tally[0, r] - tally[1, r]
                state[_AFTER, r] = state[_S, r]
                if left < state[_Y, r]:
                    state[_AFTER, r] = state[_S, r] * left / state[_Y, r]
            if several > 1:  # with one group left nothing more varies
                if d > 0:
                    _pull_groups(weight, h, state, pull)
                    growth = d / (h * (1 - pooled)) if pooled != 1 else np.nan
                    _grow(growth, pull, cross, square, covariance, segment)
                    pooled += d / h
                    _spread_events(d, h, pooled, state, pull, cross, square, covariance, segment)
                if others > 0:
                    _spread_competing(pooled, state, tally, square)
            for r in range(n_groups):
                if tally[0, r] > 0:
                    state[_F, r] += state[_S, r] * tally[0, r] / state[_Y, r]
                state[_S, r] = state[_AFTER, r]
                state[_Y, r] -= tally[2, r]
        for k in range(n_groups):
            for j in range(k):
                covariance[segment, k, j] = covariance[segment, j, k]
    return observed, expected, covariance


@kernel
def solve_scores(difference: Floats, covariance: Floats) -> tuple[Floats, Codes]:
    """Give chi-square and its degrees of freedom, for each segment.

    The statistic is the difference squared in the inverse of its covariance, found by Cholesky's
    factors of the correlation with the largest pivot first. Pivots end where what is left of the
    variances is rounding: their number, the rank, is the degrees of freedom.

    Parameters
    ----------
    difference
        Observed less expected, segments by groups.
    covariance
        Segments by groups by groups.

    Returns
    -------
    statistic
        NaN where there is none.
    df
        0 where no variance is positive, -1 where a score or the covariance is not finite, -2 where
        the covariance is not positive.
    """
    segments, n_groups = difference.shape
    statistic = np.full(segments, np.nan)
    df = np.zeros(segments, dtype=np.int64)
    left = np.zeros((n_groups, n_groups), dtype=np.float64)
    z = np.zeros(n_groups, dtype=np.float64)
    for segment in range(segments):
        df[segment] = _standardize(difference[segment], covariance[segment], left, z)
        if df[segment] < 1:
            continue
        total, rank = 0.0, 0
        for _ in range(n_groups):
            p = 0
            for k in range(1, n_groups):
                if left[k, k] > left[p, p]:
                    p = k
            if left[p, p] <= _ZERO:
                break
            total += z[p] * z[p] / left[p, p]
            rank += 1
            for k in range(n_groups):
                if k != p:
                    slope = left[k, p] / left[p, p]
                    z[k] -= slope * z[p]
                    for j in range(n_groups):
                        if j != p:
                            left[k, j] -= slope * left[p, j]
            left[p, :] = 0.0
            left[:, p] = 0.0
        if np.abs(left).max() > _ZERO:
            df[segment] = -2
        else:
            statistic[segment], df[segment] = total, rank
    return statistic, df


@kernel
def _standardize(difference: Floats, covariance: Floats, left: Floats, z: Floats) -> int:
    """Turn a difference and its covariance into standard errors and correlations.

    Gives 1, or the code of `solve_scores` for what cannot be used; groups without variance are
    left out.
    """
    n_groups = difference.size
    peak = 0.0
    for k in range(n_groups):
        if not np.isfinite(difference[k]):
            return -1
        for j in range(n_groups):
            if not np.isfinite(covariance[k, j]):
                return -1
        peak = max(peak, covariance[k, k])
    if peak <= 0:
        return 0
    for k in range(n_groups):
        own = covariance[k, k]
        z[k] = difference[k] / np.sqrt(own) if own > _ZERO * peak else 0.0
        for j in range(n_groups):
            other = covariance[j, j]
            used = own > _ZERO * peak and other > _ZERO * peak
            left[k, j] = covariance[k, j] / np.sqrt(own * other) if used else 0.0
    return 1


@inlined
def _weigh(survival: float, powers: Floats, weight: Floats) -> None:
    """Give the weights of a day; 0 to the power of 0 is 1."""
    for w in range(weight.size):
        weight[w] = 1.0
        if powers[w, 0] != 0:
            weight[w] = survival ** powers[w, 0]
        if powers[w, 1] != 0:
            weight[w] *= (1 - survival) ** powers[w, 1]


@inlined
def _count_groups(group: Codes, start: int, stop: int, at_risk: Floats) -> None:
    """Count each group's participants of a segment into `at_risk`."""
    at_risk[:] = 0.0
    for i in range(start, stop):
        at_risk[group[i]] += 1.0


@inlined
def _take_day(day: Floats, status: Codes, group: Codes, i: int, stop: int, tally: Floats) -> int:
    """Tally a day's events, competing events and all who leave; give where the next day begins."""
    tally[:] = 0.0
    today = day[i]
    while i < stop and day[i] == today:
        k = group[i]
        tally[2, k] += 1.0
        if status[i] == EVENT:
            tally[0, k] += 1.0
        elif status[i] == COMPETING:
            tally[1, k] += 1.0
        i += 1
    return i


@inlined
def _expect(d: float, weight: float, state: Floats, expected: Floats, segment: int) -> float:
    """Share d events, weighted, in proportion to R_k; leave h_k in the state and give h."""
    n_groups = state.shape[1]
    h, total = 0.0, 0.0
    for k in range(n_groups):
        state[_H, k] = state[_Y, k] / state[_S, k] if state[_Y, k] > 0 else 0.0
        h += state[_H, k]
        total += state[_H, k] * (1 - state[_F, k])
    for k in range(n_groups):
        expected[segment, k] += weight * (d * (state[_H, k] * (1 - state[_F, k]) / total))
    return h


@inlined
def _pull_groups(weight: float, h: float, state: Floats, pull: Floats) -> None:
    """Fill `pull` with the weighted h_k (1[k=r] - h_r / h)."""
    n_groups = state.shape[1]
    for k in range(n_groups):
        share = weight * state[_H, k] / h
        for r in range(n_groups):
            pull[k, r] = -share * state[_H, r]
        pull[k, k] = share * (h - state[_H, k])


@inlined
def _grow(
    growth: float, pull: Floats, cross: Floats, square: Floats, covariance: Floats, segment: int
) -> None:
    """Let C grow by `growth` times `pull`, and bring the sums up to date."""
    n_groups = square.size
    for k in range(n_groups):
        for j in range(k, n_groups):
            more = 0.0
            for r in range(n_groups):
                one, other = growth * pull[k, r], growth * pull[j, r]
                more += one * cross[j, r] + other * cross[k, r] + one * other * square[r]
            covariance[segment, k, j] += more
    for k in range(n_groups):
        for r in range(n_groups):
            cross[k, r] += growth * pull[k, r] * square[r]


@inlined
def _spread_events(
    d: float,
    h: float,
    pooled: float,
    state: Floats,
    pull: Floats,
    cross: Floats,
    square: Floats,
    covariance: Floats,
    segment: int,
) -> None:
    """Add the variance of a day's d events under equality to the sums."""
    n_groups = square.size
    for r in range(n_groups):
        if state[_Y, r] > 0:
            ties = 1 - (d - 1) / (h * state[_S, r] - 1) if d > 1 else 1.0
            unit = ties * state[_S, r] * d / (h * state[_Y, r])
            later = 1 - (1 - pooled) / state[_AFTER, r] if state[_AFTER, r] > 0 else 0.0
            for k in range(n_groups):
                for j in range(k, n_groups):
                    covariance[segment, k, j] += unit * pull[k, r] * pull[j, r]
                cross[k, r] += unit * later * pull[k, r]
            square[r] += unit * later * later


@inlined
def _spread_competing(pooled: float, state: Floats, tally: Floats, square: Floats) -> None:
    """Add the variance of a day's competing events to the sums."""
    for r in range(square.size):
        if tally[1, r] > 0 and state[_AFTER, r] > 0:
            spread = tied_variance(tally[1, r], state[_Y, r])
            later = (1 - pooled) / state[_AFTER, r] * (state[_S, r] / state[_Y, r])
            square[r] += spread * later * later
