"""Whether a proportional-hazards model has a maximum, or a coefficient runs off to infinity."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from scipy import optimize  # pyright: ignore[reportMissingTypeStubs]

from stromal.analysis.intervals import Floats

__all__ = ["NO_ERROR", "RiskSets", "infinite_direction", "is_suspect", "standard_errors"]

_optimize = cast("Any", optimize)

_SUSPECT = 4.0  # standard deviations' worth of a coefficient or its error; a hazard ratio of 55
_TIE = 1e-9
_ROUNDS = 500
_NOTHING = 1e-14  # of the model's variance: what rounding leaves of a robust variance of zero

NO_ERROR = (
    "no standard error: the robust variance is zero, since all participants (or clusters) count "
    "alike at the events"
)


@dataclass(frozen=True)
class RiskSets:
    """Who was at risk at which events.

    Parameters
    ----------
    stop, event, columns
        Times, whether the event was then, covariates.
    start
        Beginnings of the periods, or `None`.
    strata
        Codes, or `None`.
    exact
        Whether ties are broken by the exact likelihood, which compares events on one day with
        those who stay but not with one another.
    """

    stop: Floats
    event: NDArray[np.bool_]
    columns: Floats
    start: Floats | None = None
    strata: NDArray[np.int64] | None = None
    exact: bool = False


def is_suspect(columns: Floats, coefficient: Floats, model_covariance: Floats) -> bool:
    """Say whether a fit looks as if it had no maximum, so that `infinite_direction` must tell.

    A fit stops when the likelihood has stopped to grow. Along a direction without a maximum it is
    then flat, so the standard error (times the covariate's standard deviation) is huge.
    """
    spread = columns.std(axis=0)
    with np.errstate(invalid="ignore"):
        error = np.sqrt(np.diag(model_covariance))
    numbers = np.concatenate((coefficient * spread, error * spread))
    return not np.isfinite(numbers).all() or bool((np.abs(numbers) > _SUSPECT).any())


def standard_errors(covariance: Floats, model_covariance: Floats) -> Floats:
    """Give standard errors; NaN where the robust variance is zero, which is no certainty."""
    variance, usual = np.diag(covariance), np.diag(model_covariance)
    return np.sqrt(np.where(variance > _NOTHING * usual, variance, np.nan))


def infinite_direction(sets: RiskSets) -> Floats | None:
    """Find a direction in which the partial likelihood grows for ever.

    1. There is one if and only if a combination of the covariates is, at every event, as large in
       whoever has the event as in anybody at risk, and once larger (Bryson and Johnson 1981;
       Heinze and Schemper 2001).
    2. A linear program looks for it: it begins with few of the comparisons and adds those that
       its answer violates, until none is violated.

    Returns
    -------
    array or None
        A direction, or `None` where the likelihood has a maximum.

    References
    ----------
    Bryson MC, Johnson ME (1981), The incidence of monotone likelihood in the Cox model,
    Technometrics 23(4):381-383.
    """
    spread = sets.columns.std(axis=0)
    scaled = sets.columns / np.where(spread > 0, spread, 1.0)
    events = _event_groups(sets)
    gain = np.zeros(scaled.shape[1])
    for happened, compared in events:
        if compared.any():
            gain += scaled[happened].mean(axis=0) - scaled[compared].mean(axis=0)
    rows: list[Floats] = []
    for _ in range(_ROUNDS):
        direction = _best(gain, rows, scaled.shape[1])
        violated = _violations(scaled, events, direction)
        if not violated:
            found = float(gain @ direction) > _TIE * max(1, len(events))
            return np.where(np.abs(direction) > _TIE, direction, 0.0) if found else None
        rows += violated
    return None


def _event_groups(sets: RiskSets) -> list[tuple[NDArray[np.bool_], NDArray[np.bool_]]]:
    """List for each day of events who had one and with whom they are compared."""
    strata = np.zeros(sets.stop.size, dtype=np.int64) if sets.strata is None else sets.strata
    groups: list[tuple[NDArray[np.bool_], NDArray[np.bool_]]] = []
    for stratum in np.unique(strata[sets.event]):
        mine = strata == stratum
        for day in np.unique(sets.stop[mine & sets.event]):
            at_risk = mine & (sets.stop >= day)
            if sets.start is not None:
                at_risk &= sets.start < day
            happened = mine & sets.event & (sets.stop == day)
            groups.append((happened, at_risk & ~happened if sets.exact else at_risk))
    return groups


def _best(gain: Floats, rows: list[Floats], width: int) -> Floats:
    """Maximise the gain in the box, under the comparisons so far."""
    if not rows:
        return np.sign(gain)
    found = _optimize.linprog(
        -gain,
        A_ub=-np.array(rows),
        b_ub=np.zeros(len(rows)),
        bounds=[(-1.0, 1.0)] * width,
        method="highs",
    )
    return np.asarray(found.x, dtype=np.float64)


def _violations(
    scaled: Floats, events: list[tuple[NDArray[np.bool_], NDArray[np.bool_]]], direction: Floats
) -> list[Floats]:
    """Give the comparisons that a direction violates most, one a day of events."""
    score = scaled @ direction
    rows: list[Floats] = []
    for happened, compared in events:
        if not compared.any():
            continue
        least = int(np.flatnonzero(happened)[np.argmin(score[happened])])
        most = int(np.flatnonzero(compared)[np.argmax(score[compared])])
        if score[most] > score[least] + _TIE:
            rows.append(scaled[least] - scaled[most])
    return rows
