"""Survival by Kaplan-Meier, with Greenwood's standard error, and its quantiles."""

from __future__ import annotations

import numpy as np
import polars as pl

from stromal.analysis.distributions import check_confidence
from stromal.analysis.estimate import Curve, Estimate, tabulate_curve
from stromal.analysis.intervals import (
    SURVIVAL_INTERVALS,
    Floats,
    SurvivalInterval,
    bound_probability,
)
from stromal.analysis.ordered import order_times
from stromal.analysis.survival_kernels import follow_survival, tabulate_entered
from stromal.analysis.weighted import follow_weights
from stromal.core import UsageError
from stromal.endpoints.outcome import TimeToEvent

__all__ = ["check_no_competing", "estimate_quantile", "estimate_survival"]

_LEVEL = float(np.sqrt(np.finfo(np.float64).eps))  # a curve this close to a level is on it


def estimate_survival(
    outcomes: TimeToEvent, *, interval: SurvivalInterval, confidence: float
) -> Curve:
    """Estimate the probability that no event has happened, by day.

    1. On each day with d events among the Y participants observed until then or longer, the
       estimate falls by the factor 1 - d / Y. Who is censored on a day is at risk on it.
    2. With the column `entry` a participant is at risk from the day after it. Where the few who
       are at risk early all have the event, the estimate is 0 from then on, whoever enters later.
    3. The standard error is Greenwood's: S sqrt(sum of d / (Y (Y - d))). Once S is 0 it is not
       defined.
    4. With the column `case_weight` numbers are sums of weights, and the standard error is the
       infinitesimal jackknife: the root of the sum, over participants, of the square of weight
       times derivative of S in it. It does not change when all weights are multiplied.
    5. The interval is built on the scale that `interval` names (`bound_probability` lists them)
       and cut to [0, 1]. Before the first event it has no width (`arcsine`: no limits).

    Parameters
    ----------
    outcomes
        Times to an event without competing events, of one group; `split_outcomes` gives the
        groups. Days that differ by less than 1e-8 of the mean day are one day.
    interval
        It has no default: the protocol names it.
    confidence
        Coverage of the pointwise interval, such as 0.95.

    Returns
    -------
    Curve
        One row for each distinct day, those with censoring alone among them. Numbers of
        participants stay counts; with case weights `weight_at_risk` and `weight_of_events` are
        added.

    Raises
    ------
    UsageError
        A participant has a competing event; the interval or the confidence is not known.

    References
    ----------
    Kaplan and Meier (1958); Greenwood (1926); Jaeckel (1972) for the infinitesimal jackknife;
    Borgan and Liestol (1990) for log-log.

    Examples
    --------
    >>> import polars as pl
    >>> outcomes = TimeToEvent(
    ...     pl.DataFrame(
    ...         {
    ...             "participant_id": ["P1", "P2", "P3"],
    ...             "day": [10, 20, 30],
    ...             "status": ["event", "censored", "event"],
    ...         }
    ...     )
    ... )
    >>> curve = estimate_survival(outcomes, interval="log-log", confidence=0.95)
    >>> [round(value, 3) for value in curve.frame["estimate"]]
    [0.667, 0.667, 0.0]
    """
    check_no_competing(outcomes, "Kaplan-Meier")
    if interval not in SURVIVAL_INTERVALS:
        raise UsageError(
            f"interval {interval!r} is not one for a survival curve; "
            f"choose one of {', '.join(SURVIVAL_INTERVALS)}"
        )
    check_confidence(confidence)
    ordered = order_times(outcomes)
    days, counts = tabulate_entered(ordered.day, ordered.status, ordered.late)
    extra: dict[str, Floats] = {}
    if "case_weight" in outcomes.frame.columns:
        weighted = follow_weights(ordered)
        survival, error, extra = weighted.event_free, weighted.error_free, weighted.columns
    else:
        survival, total = follow_survival(counts)
        error = np.where(survival > 0, survival, np.nan) * np.sqrt(total)
    low, high = bound_probability(survival, error, interval=interval, confidence=confidence)
    estimated = {"event_free": survival, "estimate": survival, "standard_error": error}
    frame = tabulate_curve(days, counts, {**estimated, "low": low, "high": high, **extra})
    return Curve(
        method="Kaplan-Meier",
        variance="infinitesimal jackknife" if extra else "Greenwood",
        interval=interval,
        confidence=confidence,
        n=len(outcomes.frame),
        events=int(counts[:, 1].sum()),
        frame=frame,
        last_day=float(days[-1]) if days.size else None,
    )


def estimate_quantile(curve: Curve, probability: float) -> Estimate:
    """Estimate the day by which a proportion of participants has had the event.

    1. The day is the first on which survival is at or below 1 - probability. Where the curve is
       level at exactly that height (to 1.5e-8) it is the middle of the level stretch, which ends
       at the next fall, or at the last observation where there is none.
    2. The limits are the days, by the same rule, on which the lower and the upper limit of
       survival cross that height (Brookmeyer and Crowley, on the scale of the curve's interval).
       A limit that never crosses is `None`: the interval is open on that side.

    Parameters
    ----------
    curve
        A survival curve of `estimate_survival`.
    probability
        0.5 for the median.

    Returns
    -------
    Estimate
        Days from the anchor; no standard error. `None` where survival stays above.

    Raises
    ------
    UsageError
        The probability is not between 0 and 1, or the curve is an incidence.

    References
    ----------
    Brookmeyer and Crowley (1982).
    """
    if not 0 < probability < 1:
        raise UsageError(f"probability is {probability}; give a number between 0 and 1, as 0.5")
    if curve.method == "Aalen-Johansen":
        raise UsageError("a quantile is read from a survival curve, not from an incidence")
    days = curve.frame["day"].to_numpy()
    height = 1 - probability
    value, low, high = (
        _crossing(days, curve.frame[name].cast(pl.Float64).to_numpy(), height)
        for name in ("estimate", "low", "high")
    )
    note = ""
    if curve.last_day is None:
        note = "not estimable: no participants"
    elif value is None:
        note = (
            f"not reached: survival is {curve.frame['estimate'][-1]:.3g} "
            f"at the last observation, day {curve.last_day:g}"
        )
    elif high is None:
        note = "the interval has no upper limit: the upper limit of survival stays above"
    return Estimate(
        method=curve.method,
        value=value,
        standard_error=None,
        low=low,
        high=high,
        confidence=curve.confidence,
        interval=f"Brookmeyer-Crowley, {curve.interval}",
        n=curve.n,
        events=curve.events,
        variance=curve.variance,
        note=note,
    )


def check_no_competing(outcomes: TimeToEvent, method: str) -> None:
    """Refuse competing events, which are not censoring.

    Raises
    ------
    UsageError
        A participant has a competing event.
    """
    n = int((outcomes.frame["status"] == "competing").sum())
    if n:
        raise UsageError(
            f"{method} cannot take the {n} competing events: they are not censoring. Use the "
            "cumulative incidence with Gray's test, or an endpoint that counts them as events"
        )


def _crossing(days: Floats, level: Floats, height: float) -> float | None:
    """Give the day on which a falling step function reaches a height."""
    reached = np.flatnonzero(level <= height + _LEVEL)
    if reached.size == 0:
        return None
    first = reached[0]
    below = np.flatnonzero(level < height - _LEVEL)
    if below.size and below[0] <= first:
        return float(days[first])
    end = below[0] if below.size else days.size - 1
    return float((days[first] + days[end]) / 2)
