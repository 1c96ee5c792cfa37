"""Survival of groups compared on one day."""

from __future__ import annotations

import numpy as np
import polars as pl

from stromal.analysis.distributions import chi_square_tail
from stromal.analysis.estimate import Comparison, Estimate, estimate_at
from stromal.analysis.intervals import SURVIVAL_INTERVALS, Floats, SurvivalInterval
from stromal.analysis.kaplan_meier import estimate_survival
from stromal.analysis.ordered import split_outcomes
from stromal.core import UsageError
from stromal.endpoints.outcome import TimeToEvent

__all__ = ["compare_at_day"]

_METHOD = "comparison at a fixed day"


def compare_at_day(
    outcomes: TimeToEvent, *, by: str = "arm", day: float, scale: SurvivalInterval
) -> Comparison:
    """Compare the survival of groups on one day, chosen before the data are seen.

    1. Each group's survival S on the day is Kaplan-Meier's, with Greenwood's variance V.
    2. They are compared on a scale g, where g(S) has the variance g'(S)^2 V: `plain` S itself
       (the naive test), `log` log S, `log-log` log(-log S), `arcsine` arcsin(sqrt S), `logit`
       log(S / (1 - S)). The source finds `log-log` and `arcsine` closest to their level where
       groups are small, `plain` too often significant.
    3. Chi-square is the sum of w (g(S) - mean)^2 with w = 1 / variance and the mean weighted by
       w, on groups - 1 degrees of freedom; for two groups the squared difference over the sum of
       the variances.
    4. A group whose curve has ended by the day, or in which nothing or everything has happened,
       has no variance: nothing is computable, and the note says why.

    Parameters
    ----------
    outcomes
        Times to an event without competing events, with the column `by`.
    by
        Column of the groups.
    day, scale
        They have no default: the protocol names them.

    Returns
    -------
    Comparison
        `groups` has each group's `n`, `events` (whenever they were), `survival` and
        `standard_error` on the day.

    Raises
    ------
    UsageError
        The scale is not known, the day is negative, a participant has a competing event, or a
        group is missing.

    References
    ----------
    Klein, Logan, Harhoff and Andersen (2007).
    """
    if scale not in SURVIVAL_INTERVALS:
        raise UsageError(
            f"scale {scale!r} is not known; choose one of {', '.join(SURVIVAL_INTERVALS)}"
        )
    found = {
        label: estimate_at(estimate_survival(part, interval="plain", confidence=0.95), (day,))[0]
        for label, part in split_outcomes(outcomes, by=by).items()
    }
    groups = pl.DataFrame(
        {
            "group": list(found),
            "n": [e.n for e in found.values()],
            "events": [e.events for e in found.values()],
            "survival": [e.value for e in found.values()],
            "standard_error": [e.standard_error for e in found.values()],
        },
        schema_overrides={"group": pl.String, "survival": pl.Float64, "standard_error": pl.Float64},
    )
    method = f"{_METHOD}, {scale}"
    note = _reason(found)
    if note:
        return Comparison(method, None, None, None, groups, note)
    survival = np.array([e.value for e in found.values()], dtype=np.float64)
    error = np.array([e.standard_error for e in found.values()], dtype=np.float64)
    value, slope = _transform(survival, scale)
    weight = 1 / (slope * error) ** 2
    mean = (weight * value).sum() / weight.sum()
    statistic, df = float((weight * (value - mean) ** 2).sum()), len(found) - 1
    return Comparison(method, statistic, df, chi_square_tail(statistic, df), groups)


def _reason(found: dict[str, Estimate]) -> str:
    """Say why the groups cannot be compared, if they cannot."""
    if len(found) < 2:
        return f"not computable: {len(found)} group, two or more are compared"
    for label, e in found.items():
        if e.value is None:
            return f"not computable: in {label} survival is {e.note}"
        if not e.standard_error:
            return (
                f"not computable: in {label} survival is {e.value:g} on the day, without a "
                "variance; compare the whole curves instead"
            )
    return ""


def _transform(survival: Floats, scale: SurvivalInterval) -> tuple[Floats, Floats]:
    """Give g(S) and g'(S)."""
    if scale == "plain":
        return survival, np.ones_like(survival)
    if scale == "log":
        return np.log(survival), 1 / survival
    if scale == "log-log":
        return np.log(-np.log(survival)), 1 / (survival * np.log(survival))
    if scale == "arcsine":
        return np.arcsin(np.sqrt(survival)), 1 / (2 * np.sqrt(survival * (1 - survival)))
    return np.log(survival / (1 - survival)), 1 / (survival * (1 - survival))
