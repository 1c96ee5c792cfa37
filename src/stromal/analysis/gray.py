"""Cumulative incidence compared between groups by Gray's test."""

from __future__ import annotations

from stromal.analysis.cumulative_incidence import Cause, select_cause
from stromal.analysis.estimate import Comparison
from stromal.analysis.ordered import group_times
from stromal.analysis.scores import compare_scores
from stromal.analysis.survival_kernels import score_gray
from stromal.endpoints.outcome import TimeToEvent

__all__ = ["compare_incidence"]


def compare_incidence(
    outcomes: TimeToEvent,
    *,
    of: Cause = "event",
    by: str = "arm",
    strata: tuple[str, ...] = (),
) -> Comparison:
    """Compare cumulative incidences between groups by Gray's test.

    1. On each day with d events, a group expects a share of them in proportion to
       R_k = Y_k (1 - F_k) / S_k: those at risk, and of those who had a competing event the part
       that would still be under observation. F_k is the group's incidence and S_k its
       probability of no event of any kind, both before the day.
    2. The weight is 1 on every day (Gray's rho is 0).
    3. The covariance is the one under equality of the incidences, with corrections of ties as in
       the R package cmprsk.
    4. With strata, observed, expected and covariance are found in each stratum and added.
    5. Degrees of freedom and what is not computable are as in `compare_survival`.

    Parameters
    ----------
    outcomes
        Times to an event with competing events, with the column `by` and those of `strata`.
    of
        `event`, or `competing` to compare the incidence of the competing events.
    by
        Column of the groups.
    strata
        Columns whose combinations are the strata.

    Returns
    -------
    Comparison
        `groups` has observed (`events`) and `expected` events.

    Raises
    ------
    UsageError
        A column is missing or has missing values.

    References
    ----------
    Gray (1988).
    """
    chosen = select_cause(outcomes, of)
    grouped = group_times(chosen, by=by, strata=strata)
    scores = score_gray(
        grouped.day, grouped.status, grouped.group, grouped.starts, len(grouped.labels)
    )
    return compare_scores("Gray's test", grouped, scores, strata=strata)
