"""Survival compared between groups by the log-rank test and its weighted kin."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from stromal.analysis.estimate import Comparison
from stromal.analysis.intervals import Floats
from stromal.analysis.kaplan_meier import check_no_competing
from stromal.analysis.ordered import Grouped, group_times
from stromal.analysis.score_kernels import score_fleming_harrington
from stromal.analysis.scores import compare_scores
from stromal.core import UsageError
from stromal.endpoints.outcome import TimeToEvent

__all__ = ["WeightedScores", "compare_survival", "score_weighted_logrank"]


@dataclass(frozen=True)
class WeightedScores:
    """Weighted observed and expected events of groups, for several weights at once.

    Parameters
    ----------
    grouped
        The participants compared; `grouped.labels` names the groups.
    weights
        Rho and gamma of each weight.
    observed, expected
        Weights by groups. The score is their difference.
    covariance
        Of the scores: weights by weights by groups by groups.
    """

    grouped: Grouped
    weights: tuple[tuple[float, float], ...]
    observed: Floats
    expected: Floats
    covariance: Floats


def compare_survival(
    outcomes: TimeToEvent,
    *,
    by: str = "arm",
    strata: tuple[str, ...] = (),
    weight: tuple[float, float] = (0.0, 0.0),
) -> Comparison:
    """Compare times to an event between groups by the log-rank test or a Fleming-Harrington one.

    1. On each day with d events among Y at risk, a group with Y_k at risk expects d Y_k / Y of
       them. Who is censored on a day is at risk on it; who entered late is at risk from the day
       after `entry`.
    2. The covariance of the differences is hypergeometric, with the correction (Y - d) / (Y - 1)
       of ties.
    3. With `weight=(rho, gamma)` each day counts S^rho (1 - S)^gamma, where S is the Kaplan-Meier
       estimate of all groups together (of the stratum) just before the day. (0, 0) is the log-rank
       test; (1, 0) weighs early days more (Peto's and Prentice's Wilcoxon test), (0, 1) late ones.
    4. With strata, observed, expected and covariance are found in each stratum and added.
    5. Chi-square has as many degrees of freedom as the covariance has rank: groups less one,
       fewer where a group had left before the first event, which the note tells.
    6. With one group, without events, or where everybody left has the event at once, nothing is
       computable; the note says why.

    Parameters
    ----------
    outcomes
        Times to an event without competing events, with the column `by` and those of `strata`.
    by
        Column of the groups.
    strata
        Columns whose combinations are the strata.
    weight
        Rho and gamma.

    Returns
    -------
    Comparison
        `groups` has `events` and those `expected`; with a weight other than (0, 0) the weighted
        `observed` and `expected` events, and the note names the weight.

    Raises
    ------
    UsageError
        A participant has a competing event, a column is missing or has missing values, rho or
        gamma is negative, or the outcomes have case weights.

    References
    ----------
    Mantel (1966); Harrington and Fleming (1982).
    """
    scores = score_weighted_logrank(outcomes, by=by, strata=strata, weights=(weight,))
    rho, gamma = weight
    plain = rho == 0 and gamma == 0
    return compare_scores(
        "log-rank test" if plain else "Fleming-Harrington test",
        scores.grouped,
        (scores.observed[0], scores.expected[0], scores.covariance[0, 0]),
        strata=strata,
        weight="" if plain else f"weight S(t-)^{rho:g} (1 - S(t-))^{gamma:g}, S of all groups",
    )


def score_weighted_logrank(
    outcomes: TimeToEvent,
    *,
    by: str,
    weights: tuple[tuple[float, float], ...],
    strata: tuple[str, ...] = (),
) -> WeightedScores:
    """Give the scores of several Fleming-Harrington weights with their joint covariance.

    The rule, the refusals and the meaning of a weight are those of `compare_survival`; strata are
    added. With two groups, `observed - expected` of the first group and `covariance[..., 0, 0]`
    are the U and V of a combination of tests.
    """
    check_no_competing(outcomes, "the log-rank test")
    if "case_weight" in outcomes.frame.columns:
        raise UsageError(
            "the log-rank test has no case weights: its covariance counts participants. Fit a Cox "
            "model with robust errors, or leave the column case_weight out"
        )
    powers = np.array(weights, dtype=np.float64).reshape(-1, 2)
    if not (np.isfinite(powers).all() and (powers >= 0).all()):
        raise UsageError(
            f"the weights {weights} are not all two numbers from 0 on; give rho and gamma, "
            "such as (0, 0) for the log-rank test"
        )
    grouped = group_times(outcomes, by=by, strata=strata)
    observed, expected, covariance = score_fleming_harrington(
        grouped.day,
        grouped.status,
        grouped.group,
        grouped.starts,
        grouped.late,
        powers,
        len(grouped.labels),
    )
    return WeightedScores(
        grouped, weights, observed.sum(axis=0), expected.sum(axis=0), covariance.sum(axis=0)
    )
