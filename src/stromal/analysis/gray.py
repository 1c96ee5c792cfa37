"""Cumulative incidence compared between groups by Gray's test."""

from __future__ import annotations

from stromal.analysis.estimate import Comparison
from stromal.analysis.ordered import group_times
from stromal.analysis.score_kernels import score_gray
from stromal.analysis.scores import compare_scores
from stromal.core import UsageError
from stromal.endpoints.outcome import TimeToEvent

__all__ = ["compare_incidence"]


def compare_incidence(
    outcomes: TimeToEvent,
    *,
    of: str = "event",
    by: str = "arm",
    strata: tuple[str, ...] = (),
    rho: float = 0.0,
) -> Comparison:
    """Compare cumulative incidences between groups by Gray's test.

    1. On each day with d events, a group expects a share of them in proportion to
       R_k = Y_k (1 - F_k) / S_k: those at risk, and of those who had a competing event the part
       that would still be under observation. F_k is the group's incidence and S_k its
       probability of no event of any kind, both before the day.
    2. A day counts (1 - F)^rho, with F the incidence before it under equality: with `rho=0` all
       days count the same, with a larger one the early days more.
    3. The covariance is the one under equality of the incidences, with corrections of ties as in
       the R package cmprsk.
    4. With strata, observed, expected and covariance are found in each stratum and added.
    5. Degrees of freedom and what is not computable are as in `compare_survival`.

    Parameters
    ----------
    outcomes
        Times to an event with competing events, with the column `by` and those of `strata`.
    of
        `event`, `competing` to compare the incidence of the competing events, or a word of the
        column `cause`; all other causes compete with it.
    by
        Column of the groups.
    strata
        Columns whose combinations are the strata.
    rho
        Power of the weight.

    Returns
    -------
    Comparison
        `groups` has `events` and those `expected`; with a rho other than 0 the weighted `observed`
        and `expected` events, and the note names the weight.

    Raises
    ------
    UsageError
        A column is missing or has missing values, the cause is not known, rho is negative, or the
        outcomes have entries or case weights.

    References
    ----------
    Gray (1988).
    """
    for column, what in (("entry", "late entries"), ("case_weight", "case weights")):
        if column in outcomes.frame.columns:
            raise UsageError(
                f"Gray's test has no theory for {what} (column {column}); compare the incidences "
                "at a fixed day, fit a Cox model of the cause, or leave the column out"
            )
    if not 0 <= rho < float("inf"):
        raise UsageError(f"rho is {rho}; give a number from 0 on, 0 for a weight of 1")
    grouped = group_times(outcomes, by=by, strata=strata, of=of)
    observed, expected, covariance = score_gray(
        grouped.day, grouped.status, grouped.group, grouped.starts, len(grouped.labels), float(rho)
    )
    scores = (observed.sum(axis=0), expected.sum(axis=0), covariance.sum(axis=0))
    weight = f"weight (1 - F(t-))^{rho:g}, F of all groups" if rho else ""
    return compare_scores("Gray's test", grouped, scores, strata=strata, weight=weight)
