"""Rates of events over the time observed, and the time spent in a state."""

from __future__ import annotations

from dataclasses import dataclass

from stromal.analysis.distributions import check_confidence, gamma_quantile
from stromal.core import UsageError

__all__ = ["Rate", "TimeInState", "estimate_rate"]


@dataclass(frozen=True)
class Rate:
    """Events of a group over the days on which it was observed.

    Parameters
    ----------
    events, exposure_days
        Events on observed days, and these days, of all participants together; `None` where a
        reconstruction does not determine them.
    n
        Participants with at least one observed day.
    per
        The days to which the rate refers, such as 30.
    value, low, high
        The rate and its limits; `None` where there is no exposure, or no interval was asked for.
    confidence, interval
        Coverage and construction of the interval; empty without one.
    method
        What was estimated.
    note
        What a reader must know.
    """

    events: int | None
    exposure_days: int | None
    n: int
    per: int
    value: float | None
    low: float | None
    high: float | None
    confidence: float | None
    interval: str = ""
    method: str = "events over exposure"
    note: str = ""


@dataclass(frozen=True)
class TimeInState:
    """Days of a group in a state, of those of which it is known whether it held.

    Parameters
    ----------
    first, last
        The days looked at, both included, from the state's anchor.
    n
        Participants of whom at least one day is known.
    days, known_days
        Days in the state, and days of which it is known whether it held, of all together.
    """

    first: int
    last: int
    n: int
    days: int
    known_days: int


def estimate_rate(
    events: int, exposure_days: int, *, n: int, per: int, confidence: float | None = None
) -> Rate:
    """Estimate the rate of events of a group.

    1. The rate is `events` / `exposure_days` x `per`: of the group, not the mean of the
       participants' rates.
    2. With `confidence` its limits are the exact ones of a Poisson count x over the exposure: half
       the quantiles of chi-square with 2 x and 2 x + 2 degrees of freedom, which are those of gamma
       distributions of shape x and x + 1. Of no event the lower limit is 0.
    3. Without exposure there is no rate, and no 0.

    The interval takes every event for independent of every other: it ignores that participants
    differ and that whoever had one event may be likelier to have the next, and is then too narrow.

    Parameters
    ----------
    events, exposure_days
        Of all participants together, both on observed days.
    n
        Participants with at least one observed day.
    per
        Days to which the rate refers.
    confidence
        Coverage of the interval; none is given without it.

    Raises
    ------
    UsageError
        A count is negative, `per` is not positive, events lie outside the exposure, or the
        confidence is no proportion.

    References
    ----------
    Garwood (1936).

    Examples
    --------
    >>> rate = estimate_rate(3, 90, n=2, per=30, confidence=0.95)
    >>> round(rate.value, 3), round(rate.low, 3), round(rate.high, 3)
    (1.0, 0.206, 2.922)
    """
    if events < 0 or exposure_days < 0 or per < 1:
        raise UsageError(
            f"a rate is of counts from 0 on, per 1 day or more; got {events} events, "
            f"{exposure_days} days, per {per}"
        )
    if events and not exposure_days:
        raise UsageError(f"{events} events on no observed day; count those on observed days")
    if confidence is not None:
        check_confidence(confidence)
    if not exposure_days:
        note = "no day was observed, so there is no rate"
        return Rate(events, 0, n, per, None, None, None, confidence, note=note)
    scale = per / exposure_days
    low, high = None, None
    if confidence is not None:
        tail = (1 - confidence) / 2
        low = gamma_quantile(events, tail) * scale if events else 0.0
        high = gamma_quantile(events + 1, 1 - tail) * scale
    return Rate(
        events, exposure_days, n, per, events * scale, low, high, confidence,
        interval="" if confidence is None else "exact Poisson",
        note="" if confidence is None else "the interval ignores that participants differ",
    )  # fmt: skip
