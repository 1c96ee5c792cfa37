"""Medians and ranges, of measured values and of follow-up."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from stromal.analysis.distributions import check_confidence
from stromal.analysis.estimate import Estimate
from stromal.analysis.intervals import SurvivalInterval
from stromal.analysis.kaplan_meier import estimate_quantile, estimate_survival
from stromal.core import UsageError
from stromal.endpoints.outcome import TimeToEvent

__all__ = ["Summary", "estimate_potential_follow_up", "summarize_follow_up", "summarize_values"]


@dataclass(frozen=True)
class Summary:
    """A series of numbers in brief.

    Parameters
    ----------
    n, missing
        Numbers there (`None` where a reconstruction does not determine it), and numbers missing.
    median, low, high, lower_quartile, upper_quartile, mean
        Median, range, quartiles and mean of those there; `None` where there are none.
    method
        What was summarised and how, as a report names it.
    """

    n: int | None
    missing: int
    median: float | None
    low: float | None
    high: float | None
    lower_quartile: float | None
    upper_quartile: float | None
    method: str
    mean: float | None = None


def summarize_values(values: Iterable[float | None]) -> Summary:
    """Give number, median, range and quartiles of a series.

    1. Missing values are counted and left out.
    2. The median of an even number of values is the mean of the middle two.
    3. The quartiles interpolate between the ordered values x_1 ... x_n at the place
       1 + (n - 1) / 4 and 1 + 3 (n - 1) / 4 (definition 7 of Hyndman and Fan; other programs
       use other definitions, which differ in small series).

    Raises
    ------
    UsageError
        A value is NaN or infinite: a missing value is `None`.

    References
    ----------
    Hyndman and Fan (1996).

    Examples
    --------
    >>> s = summarize_values([2.7, 1.3, None, 4.5])
    >>> s.n, s.missing, s.median, s.low, s.high
    (3, 1, 2.7, 1.3, 4.5)
    """
    listed = list(values)
    there = np.array([value for value in listed if value is not None], dtype=np.float64)
    if not np.isfinite(there).all():
        raise UsageError("a value to summarise is not a finite number; a missing one is None")
    numbers: list[float | None] = [None] * 5
    if there.size:
        numbers = [float(q) for q in np.quantile(there, [0.5, 0, 1, 0.25, 0.75])]
    return Summary(
        there.size,
        len(listed) - there.size,
        *numbers,
        method="median, range, quartiles",
        mean=float(there.mean()) if there.size else None,
    )


def summarize_follow_up(outcomes: TimeToEvent) -> Summary:
    """Give median and range of the observed follow-up among all participants.

    The follow-up of a participant ends with the event, with a competing event or with censoring,
    whichever it was: early deaths shorten it. `estimate_potential_follow_up` asks how long
    participants would have been followed without them.
    """
    observed = summarize_values(outcomes.frame["day"].cast(pl.Float64).to_list())
    return replace(observed, method="observed follow-up among all participants")


def estimate_potential_follow_up(
    outcomes: TimeToEvent, *, interval: SurvivalInterval, confidence: float
) -> Estimate:
    """Estimate the median potential follow-up by the reverse Kaplan-Meier method.

    1. Censoring becomes the event, and events and competing events become censoring; on one day
       those with an event still count among those at risk of being censored.
    2. The median of this curve and its interval are those of `estimate_quantile`.

    Parameters
    ----------
    outcomes
        Times to an event; competing events are allowed, they end observation as events do.
    interval, confidence
        As in `estimate_survival`.

    References
    ----------
    Schemper and Smith (1996).
    """
    check_confidence(confidence)
    exchanged = {"event": "censored", "competing": "censored", "censored": "event"}
    status = pl.col("status").cast(pl.String).replace_strict(exchanged, return_dtype=pl.String)
    reverse = TimeToEvent(outcomes.frame.with_columns(status))
    curve = estimate_survival(reverse, interval=interval, confidence=confidence)
    curve = replace(curve, method="reverse Kaplan-Meier")
    return estimate_quantile(curve, 0.5)
