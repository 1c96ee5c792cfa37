"""What an analysis hands on: numbers that name their method, their interval and their source.

A number that cannot be estimated is `None`, never NaN, and the note says why. Numbers keep full
precision; the report rounds them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from stromal.analysis.intervals import bound_probability
from stromal.analysis.method_sources import METHOD_SOURCES
from stromal.core import Source, UsageError

__all__ = [
    "Comparison",
    "Contrast",
    "Curve",
    "Estimate",
    "citations",
    "count_at_risk",
    "estimate_at",
    "tabulate_curve",
]

_FROM_ZERO = ("Aalen-Johansen", "mean cumulative function", "Ghosh-Lin mean number of events")
_BOTH_WAYS = (*_FROM_ZERO[1:], "state occupation", "current survival")
_SAME_DAY = 1e-9  # relative: a day asked for as 0.3 finds the event recorded at 0.1 + 0.2


@dataclass(frozen=True)
class Estimate:
    """One number with its interval.

    Parameters
    ----------
    method
        How the value was estimated; a key of `METHOD_SOURCES`.
    value, standard_error, low, high
        The estimate, its standard error and its confidence limits; `None` where they cannot be
        estimated.
    confidence
        Coverage of the interval, such as 0.95.
    interval
        Construction of the interval, and the scale it was built on.
    n, events
        Participants analysed, and those with the event (whenever it was); `events` is `None` where
        a reconstruction does not determine it.
    variance
        Estimator of the variance, where the method has several or the interval rests on one.
    day
        The day the value belongs to, counted from the endpoint's anchor.
    at_risk
        Participants at risk just before that day.
    note
        What a reader must know: why a number is missing, or an interval degenerate.
    """

    method: str
    value: float | None
    standard_error: float | None
    low: float | None
    high: float | None
    confidence: float
    interval: str
    n: int
    events: int | None
    variance: str = ""
    day: float | None = None
    at_risk: int | None = None
    note: str = ""

    @property
    def interval_text(self) -> str:
        """The interval as a report names it, such as `95 % interval, log-log, Greenwood`."""
        parts = [f"{100 * self.confidence:g} % interval", self.interval]
        if self.variance and not self.interval.startswith("beta product"):
            parts.append(f"{self.variance} variance")
        return ", ".join(parts)


@dataclass(frozen=True)
class Curve:
    """A step function of the day, estimated on one group of participants.

    Parameters
    ----------
    method
        `Kaplan-Meier`, `Aalen-Johansen`, `Ghosh-Lin mean number of events` and others; a key of
        `METHOD_SOURCES`. A mean number where the method says so, else a
        probability.
    variance, interval, confidence
        Estimator of the variance, construction and coverage of the pointwise intervals.
    n, events
        Participants, and those with the event.
    frame
        One row for each distinct day, in order: `day`, `at_risk` (just before the day), `events`,
        `competing`, `censored` (on the day), `event_free` (probability that nothing has happened
        by the end of the day), `estimate`, `standard_error`, `low`, `high`. Null where it cannot
        be estimated. A beta product interval has `low_on_day` too: the lower limit while those
        censored on the day are still under observation.
    last_day
        Day of the last observation; `None` without participants. What lies after it is not
        estimable unless everybody has had an event.
    """

    method: str
    variance: str
    interval: str
    confidence: float
    n: int
    events: int
    frame: pl.DataFrame
    last_day: float | None


@dataclass(frozen=True)
class Comparison:
    """A test between groups.

    Parameters
    ----------
    method
        The test; a key of `METHOD_SOURCES`.
    statistic, df
        Chi-square and its degrees of freedom; `None` for an exact test or where not computable.
    p_value
        Two-sided; `None` where the test cannot be computed.
    groups
        One row a group, in the order compared: `group`, `n`, `events`, and for a test of times
        `expected` events under equality.
    note
        Why a test cannot be computed, or what limits it.
    strata
        Columns the test was stratified by.
    """

    method: str
    statistic: float | None
    df: int | None
    p_value: float | None
    groups: pl.DataFrame
    note: str = ""
    strata: tuple[str, ...] = ()


@dataclass(frozen=True)
class Contrast:
    """A difference or a ratio between two groups.

    Parameters
    ----------
    measure
        What it is, such as `difference of proportions` or `ratio of restricted means`.
    first, second
        The groups: the first minus the second, or divided by it.
    estimate
        The number with its interval.
    p_value
        Two-sided, of no difference; `None` where none is given.
    test
        The test that gave it.
    """

    measure: str
    first: str
    second: str
    estimate: Estimate
    p_value: float | None = None
    test: str = ""


def tabulate_curve(
    days: npt.NDArray[np.float64],
    counts: npt.NDArray[np.int64],
    estimated: Mapping[str, npt.NDArray[np.float64]],
) -> pl.DataFrame:
    """Give the frame of a `Curve`: days, counts of the day, what was estimated; NaN becomes null.

    Parameters
    ----------
    days, counts
        What `tabulate_days` gives: at risk, events, competing events, censored.
    estimated
        The columns from `event_free` on, one value a day.
    """
    names = ("at_risk", "events", "competing", "censored")
    columns = {name: counts[:, i] for i, name in enumerate(names)}
    frame = pl.DataFrame({"day": days, **columns, **estimated})
    return frame.with_columns(pl.col("standard_error", "low", "high").fill_nan(None))


def estimate_at(curve: Curve, days: tuple[float, ...]) -> tuple[Estimate, ...]:
    """Read a curve on given days.

    1. The value on a day is that of the last step on or before it; before the first
       observation a survival is 1 and an incidence 0, without error.
    2. After the last observation nothing is estimable, unless everybody has had an event by
       then: the curve stays where it ended.
    3. An interval that has no width because nothing has happened yet, or that its
       transformation does not define (log-log at 0 and 1), is told in the note.

    Parameters
    ----------
    curve
        A Kaplan-Meier or Aalen-Johansen curve.
    days
        Days from the endpoint's anchor, not negative.

    Returns
    -------
    tuple of Estimate
        One for each day, in the order given, with the number at risk.

    Raises
    ------
    UsageError
        A day is negative.
    """
    if any(not day >= 0 for day in days):
        raise UsageError(f"days {days} are not all days from the anchor on; give 0 or later")
    at_risk = count_at_risk(curve, days)
    return tuple(_read(curve, float(day), n) for day, n in zip(days, at_risk, strict=True))


def count_at_risk(curve: Curve, days: tuple[float, ...]) -> tuple[int, ...]:
    """Count the participants at risk just before given days: those observed until then or longer.

    Who has an event or is censored on the day itself still counts.
    """
    day, at_risk = curve.frame["day"], curve.frame["at_risk"]
    places = [int((day < asked * (1 - _SAME_DAY)).sum()) for asked in days]
    return tuple(int(at_risk[place]) if place < len(at_risk) else 0 for place in places)


def citations(result: Estimate | Curve | Comparison) -> tuple[Source, ...]:
    """Give the sources of the method, the variance and the interval that made a result."""
    names = [result.method]
    if not isinstance(result, Comparison):
        names += [result.variance, *result.interval.split(", ")]
    return tuple(METHOD_SOURCES[name] for name in names if name in METHOD_SOURCES)


def _read(curve: Curve, day: float, at_risk: int) -> Estimate:
    """Read a curve on one day."""
    frame = curve.frame
    if curve.last_day is None:
        return _estimate(curve, day, at_risk, (None,) * 4, "not estimable: no participants")
    if at_risk == 0 and frame["event_free"][-1] > 0:
        note = f"not estimable: the last observation is on day {curve.last_day:g}"
        return _estimate(curve, day, at_risk, (None,) * 4, note)
    steps = int((frame["day"] <= day * (1 + _SAME_DAY)).sum())
    if steps == 0:
        return _estimate(curve, day, at_risk, *_before_first(curve))
    row = frame.row(steps - 1, named=True)
    low = row["low_on_day"] if "low_on_day" in row and at_risk == row["at_risk"] else row["low"]
    numbers = (row["estimate"], row["standard_error"], low, row["high"])
    return _estimate(curve, day, at_risk, numbers, _explain(*numbers, curve=curve))


def _before_first(curve: Curve) -> tuple[tuple[float | None, ...], str]:
    """Give the numbers of a curve before its first step."""
    value = 0.0 if curve.method in _FROM_ZERO else 1.0
    low, high = bound_probability(
        np.array([value]), np.zeros(1), interval=curve.interval, confidence=curve.confidence
    )
    bounds = (None, None) if np.isnan(low[0]) else (float(low[0]), float(high[0]))
    return (value, 0.0, *bounds), _NOTHING_YET


_NOTHING_YET = "no event yet: the interval has no width or is not defined"


def _explain(
    value: float, error: float | None, low: float | None, high: float | None, *, curve: Curve
) -> str:
    """Tell why a number beside the value is missing or degenerate."""
    if value == (0.0 if curve.method in _FROM_ZERO else 1.0):
        return "" if curve.interval.startswith("beta product") else _NOTHING_YET
    if not error and curve.method in _BOTH_WAYS:
        return "nothing varies up to that day: the interval has no width or is not defined"
    if not error:
        return "everybody at risk has had an event: the standard error is not defined or zero"
    if low is None or high is None:
        return "the interval is not defined at this value"
    return ""


def _estimate(
    curve: Curve,
    day: float,
    at_risk: int,
    numbers: tuple[float | None, ...],
    note: str,
) -> Estimate:
    value, error, low, high = numbers
    return Estimate(
        method=curve.method,
        value=value,
        standard_error=error,
        low=low,
        high=high,
        confidence=curve.confidence,
        interval=curve.interval,
        n=curve.n,
        events=curve.events,
        variance=curve.variance,
        day=day,
        at_risk=at_risk,
        note=note,
    )
