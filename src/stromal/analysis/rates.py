"""Rates of events over the time observed, and the time spent in a state."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from stromal.analysis.distributions import (
    binomial_two_sided,
    check_confidence,
    gamma_quantile,
)
from stromal.analysis.estimate import Contrast, Estimate
from stromal.analysis.proportions import estimate_proportion
from stromal.core import UsageError

__all__ = ["Rate", "TimeInState", "compare_rates", "estimate_rate"]


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


def compare_rates(counts: Mapping[str, tuple[int, float]], *, confidence: float) -> Contrast:
    """Compare the rates of events of two groups, given how many events there were in all.

    1. The value is the ratio of the rates, the first over the second.
    2. Under a ratio r, of the x1 + x2 events each belongs to the first group with probability
       r t1 / (r t1 + t2), where t1 and t2 are the exposures. The limits are the ratios at
       Clopper and Pearson's limits of that probability; that of no event in the first group is 0.
    3. p is two-sided: the probability, under a ratio of 1, of all divisions of the events that are
       no more probable than the observed one. It and the interval, whose tails are equal, can
       differ in what they say of a ratio of 1.
    4. Without an event in the second group the ratio and its upper limit are infinite: they are
       `None`, and the note says so. Without any event nothing is estimable.

    Each event is taken for independent of every other (`estimate_rate`): where a few participants
    have most of the events, p is too small; `fit_event_rates` allows for it.

    Parameters
    ----------
    counts
        For each of the two groups its events and its exposure, in any one unit.
    confidence
        Coverage of the interval, at least that.

    Returns
    -------
    Contrast
        The estimate's `n` and `events` are the events of both groups: they are what is divided.

    Raises
    ------
    UsageError
        There are not two groups, a count is negative or fractional, an exposure is not positive
        and finite, or the confidence is no proportion.

    References
    ----------
    Przyborowski and Wilenski (1940); Clopper and Pearson (1934).

    Examples
    --------
    >>> contrast = compare_rates({"msc": (11, 800), "control": (21, 3011)}, confidence=0.95)
    >>> round(contrast.estimate.value, 3), round(contrast.p_value, 4)
    (1.971, 0.0797)
    """
    check_confidence(confidence)
    _check_rates(counts)
    (first, (x1, t1)), (second, (x2, t2)) = counts.items()
    total, per = x1 + x2, t2 / t1
    value = low = high = p_value = None
    note = "not estimable: no events"
    if total:
        share = estimate_proportion(x1, total, interval="clopper-pearson", confidence=confidence)
        p_value = binomial_two_sided(x1, total, t1 / (t1 + t2))
        low = _odds(share.low) * per
        note = f"no events in {second}: the ratio has no upper limit"
        if x2:
            value, high = x1 / x2 * per, _odds(share.high) * per
            note = "events are taken for independent: participants who differ make it too narrow"
    estimate = Estimate(
        method="ratio of Poisson rates",
        value=value,
        standard_error=None,
        low=low,
        high=high,
        confidence=confidence,
        interval="exact conditional",
        n=total,
        events=total,
        note=note,
    )
    return Contrast("ratio of rates", first, second, estimate, p_value, "exact conditional test")


def _check_rates(counts: Mapping[str, tuple[int, float]]) -> None:
    """Refuse what are not the events and exposures of two groups."""
    if len(counts) != 2:
        raise UsageError(f"two groups are compared; got {len(counts)}: {', '.join(counts)}")
    for group, (events, exposure) in counts.items():
        if int(events) != events or events < 0 or not 0 < exposure < float("inf"):
            raise UsageError(
                f"{group}: {events} events over {exposure}; give a whole number from 0 on and an "
                "exposure above 0"
            )


def _odds(p: float | None) -> float:
    """Give p / (1 - p) of a limit below 1."""
    return (p or 0.0) / (1 - (p or 0.0))
