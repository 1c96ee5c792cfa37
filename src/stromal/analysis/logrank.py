"""Survival compared between groups by the log-rank test."""

from __future__ import annotations

from stromal.analysis.estimate import Comparison
from stromal.analysis.kaplan_meier import check_no_competing
from stromal.analysis.ordered import group_times
from stromal.analysis.scores import compare_scores
from stromal.analysis.survival_kernels import score_logrank
from stromal.endpoints.outcome import TimeToEvent

__all__ = ["compare_survival"]


def compare_survival(
    outcomes: TimeToEvent, *, by: str = "arm", strata: tuple[str, ...] = ()
) -> Comparison:
    """Compare times to an event between groups by the log-rank test.

    1. On each day with d events among Y at risk, a group with Y_k at risk expects d Y_k / Y of
       them. Who is censored on a day is at risk on it.
    2. The covariance of the differences is hypergeometric, with the correction (Y - d) / (Y - 1)
       of ties.
    3. With strata, observed, expected and covariance are found in each stratum and added.
    4. Chi-square has as many degrees of freedom as the covariance has rank: groups less one,
       fewer where a group had left before the first event, which the note tells.
    5. With one group, without events, or where everybody left has the event at once, nothing is
       computable; the note says why.

    Parameters
    ----------
    outcomes
        Times to an event without competing events, with the column `by` and those of `strata`.
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
        A participant has a competing event, or a column is missing or has missing values.

    References
    ----------
    Mantel (1966).
    """
    check_no_competing(outcomes, "the log-rank test")
    grouped = group_times(outcomes, by=by, strata=strata)
    scores = score_logrank(
        grouped.day, grouped.status, grouped.group, grouped.starts, len(grouped.labels)
    )
    return compare_scores("log-rank test", grouped, scores, strata=strata)
