"""The largest of several weighted log-rank statistics, and its probability."""

from __future__ import annotations

import math
from typing import Any, cast

import numpy as np
import polars as pl
from scipy import special  # pyright: ignore[reportMissingTypeStubs]

from stromal.analysis.estimate import Comparison
from stromal.analysis.intervals import Floats
from stromal.analysis.logrank import score_weighted_logrank
from stromal.core import UsageError
from stromal.endpoints.outcome import TimeToEvent

__all__ = ["compare_max_combo", "score_weighted_survival"]

_special = cast("Any", special)
_POINTS = 2**20  # of the quadrature: p is right to 1e-6
_ROUNDING = 1e-8
_RANK = 1e-10  # of the largest pivot: below it a statistic is a combination of the others

Weights = tuple[tuple[float, float], ...]


def compare_max_combo(
    outcomes: TimeToEvent,
    *,
    by: str = "arm",
    weights: Weights,
    strata: tuple[str, ...] = (),
) -> Comparison:
    """Compare two groups by the largest of several weighted log-rank statistics.

    1. Each weight (rho, gamma) gives a log-rank statistic with the weight
       S(t-)^rho (1 - S(t-))^gamma of Fleming and Harrington, S being the Kaplan-Meier estimate of
       both groups together (`score_weighted_survival`): (0, 0) is the log-rank test, (0, 1) looks
       late, (1, 0) early.
    2. The statistic is the largest absolute Z among them. Together they are normal with the
       correlations that the events give, so looking at all of them costs no level.
    3. p is the probability, under equality, that any |Z| is as large: an integral over the normal
       distribution, by a fixed rule of a million points, to 1e-6.

    Parameters
    ----------
    outcomes
        Times to an event without competing events, with the column `by` of two groups.
    by
        Column of the groups.
    weights
        Pairs (rho, gamma), not negative. They have no default: the protocol names them, before
        the data are seen.
    strata
        Columns whose combinations are the strata.

    Returns
    -------
    Comparison
        `statistic` is the largest |Z| (not a chi-square), `df` is `None`; the note gives every Z,
        positive where the second group (in sorted order) has more events than expected.

    Raises
    ------
    UsageError
        There are not two groups, a weight is negative or stands twice, a participant has a
        competing event, or the outcomes have case weights.

    References
    ----------
    Fleming and Harrington (1991); Lee (2007).
    """
    score, covariance = score_weighted_survival(outcomes, by=by, weights=weights, strata=strata)
    groups = _count_groups(outcomes, by)
    variance = covariance.diagonal()
    used = variance > 0
    if not used.any():
        note = "not computable: at no event were both groups at risk with a weight"
        return Comparison("max-combo test", None, None, None, groups, note, strata)
    z = score[used] / np.sqrt(variance[used])
    correlation = covariance[np.ix_(used, used)] / np.sqrt(np.outer(variance[used], variance[used]))
    largest = float(np.abs(z).max())
    kept = [weight for weight, use in zip(weights, used, strict=True) if use]
    note = "Z " + ", ".join(
        f"({rho:g}, {gamma:g}) {value:.4f}" for (rho, gamma), value in zip(kept, z, strict=True)
    )
    p_value = 1 - _probability_inside(correlation, largest)
    return Comparison(
        "max-combo test", largest, None, min(max(p_value, 0.0), 1.0), groups, note, strata
    )


def score_weighted_survival(
    outcomes: TimeToEvent,
    *,
    by: str = "arm",
    weights: Weights,
    strata: tuple[str, ...] = (),
) -> tuple[Floats, Floats]:
    """Give weighted log-rank scores of the second of two groups, and their joint covariance.

    1. On a day with d events among Y at risk, of whom d1 and Y1 are of the second group, the score
       of a weight grows by w (d1 - d Y1 / Y), the covariance of weights v and w by
       v w d (Y1 / Y)(1 - Y1 / Y)(Y - d) / (Y - 1).
    2. w is S^rho (1 - S)^gamma, with S the Kaplan-Meier estimate of both groups just before. With
       strata, S is each stratum's own, and scores and covariances are added.

    Parameters, and what is raised, are those of `compare_max_combo`; an `entry` is honoured.

    Returns
    -------
    score, covariance
        One element a weight, and weights by weights.
    """
    if not weights or len(set(weights)) < len(weights):
        raise UsageError(
            f"weights are {weights}; give pairs (rho, gamma) of numbers from 0 on, each once, "
            "such as (0, 0), (0, 1), (1, 0)"
        )
    scores = score_weighted_logrank(outcomes, by=by, strata=strata, weights=weights)
    if len(scores.grouped.labels) != 2:
        raise UsageError(
            f"the max-combo test compares two groups; column {by!r} has "
            f"{len(scores.grouped.labels)}"
        )
    return (scores.observed - scores.expected)[:, 1], scores.covariance[:, :, 1, 1]


def _count_groups(outcomes: TimeToEvent, by: str) -> pl.DataFrame:
    """Count participants and events of each group."""
    happened = (pl.col("status") == "event").sum().cast(pl.Int64).alias("events")
    return (
        outcomes.frame.group_by(pl.col(by).cast(pl.String).alias("group"))
        .agg(pl.len().cast(pl.Int64).alias("n"), happened)
        .sort("group")
    )


def _probability_inside(correlation: Floats, limit: float) -> float:
    """Give the probability that all of several correlated normal numbers lie within a limit.

    The numbers are written as combinations of as many independent ones as the correlation has
    rank (a Cholesky factor with pivots). These are drawn one after the other, each where the
    numbers before it allow it, along a Kronecker lattice in place of chance; of the last one the
    probability is known (Genz 1992).
    """
    factor = _factor(correlation)
    rank = factor.shape[1]
    drawn = np.empty((rank, _POINTS if rank > 1 else 1))
    points = _lattice(rank - 1)
    last = rank - 1 - np.argmax(np.abs(factor[:, ::-1]) > _ROUNDING, axis=1)
    probability = np.ones(drawn.shape[1])
    for i in range(rank):
        low, high = np.full(drawn.shape[1], -np.inf), np.full(drawn.shape[1], np.inf)
        for row in factor[last == i]:
            fixed = row[:i] @ drawn[:i]
            ends = np.sort(np.stack([-limit - fixed, limit - fixed]) / row[i], axis=0)
            low, high = np.maximum(low, ends[0]), np.minimum(high, ends[1])
        below, above = _special.ndtr(low), _special.ndtr(high)
        width = np.maximum(above - below, 0.0)
        probability *= width
        if i < rank - 1:
            drawn[i] = _special.ndtri(below + points[i] * width)
    return float(probability.mean())


def _factor(correlation: Floats) -> Floats:
    """Give a Cholesky factor with pivots, of as many columns as the rank; rows are reordered."""
    left = correlation.copy()
    order = list(range(len(left)))
    columns: list[Floats] = []
    for i in range(len(left)):
        pivot = max(order[i:], key=lambda k: left[k, k])
        if left[pivot, pivot] <= _RANK:
            break
        place = order.index(pivot)
        order[i], order[place] = order[place], order[i]
        column = left[:, pivot] / math.sqrt(left[pivot, pivot])
        columns.append(column)
        left = left - np.outer(column, column)
    return np.stack(columns, axis=1)[order]


def _lattice(dimensions: int) -> Floats:
    """Give evenly spread points of the unit cube: multiples of powers of the golden ratio's kin."""
    root = 2.0
    for _ in range(60):
        root = (1 + root) ** (1 / (dimensions + 1))
    steps = root ** -np.arange(1.0, dimensions + 1)
    points = np.arange(1.0, _POINTS + 1)
    saw = (0.5 + steps[:, None] * points) % 1
    return 1 - np.abs(2 * saw - 1)  # folded, so that the two ends of each axis meet
