"""Intervals for Kaplan-Meier that keep their coverage when few are at risk: the beta product."""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np
import polars as pl

from stromal.analysis.distributions import beta_quantiles, check_confidence
from stromal.analysis.estimate import Curve
from stromal.analysis.intervals import Floats
from stromal.analysis.kaplan_meier import estimate_survival
from stromal.core import UsageError
from stromal.endpoints.outcome import TimeToEvent

__all__ = ["BetaProductMethod", "bound_survival"]

BetaProductMethod = Literal["method of moments", "monte carlo"]

_MOST = 50_000_000  # random numbers held at once

_Limits = tuple[Floats, Floats, Floats]  # lower on the day, lower after it, upper


def bound_survival(
    outcomes: TimeToEvent,
    *,
    confidence: float,
    method: BetaProductMethod,
    draws: int | None = None,
    seed: int | None = None,
) -> Curve:
    """Estimate survival by Kaplan-Meier with the pointwise intervals of the beta product.

    1. The estimate and its standard error are those of `estimate_survival`.
    2. A day with d events among Y at risk multiplies survival by a beta variable with shapes
       Y - d + 1 and d. The upper limit, from that day to before the next with an event, is the
       upper quantile of the product so far; before the first event it is 1.
    3. The next event would come among those still at risk, Y' of them. The lower limit is the
       lower quantile of the product so far times a beta variable with shapes Y' and 1, so it also
       falls when someone is censored; it is 0 once nobody is at risk. On a day itself those
       censored on it are still at risk (`low_on_day`, which `estimate_at` reads on that day); after
       it they are not (`low`).
    4. `method of moments` takes for the product the beta distribution with its mean and variance;
       `monte carlo` the quantiles of `draws` products of random numbers.
    5. Without censoring the product is a beta variable, and the limits are those of Clopper and
       Pearson for the participants still without event, on every day.

    Ties: days are grouped as they were recorded. Events of one day happened in any order within
    it, and who is censored on a day was under observation to its end. So where all who are left
    are censored on one day, as at the end of a trial, the limits of that day are Clopper and
    Pearson's. The R package bpcp gives on the day of an event the lower limit of
    just before it, which is higher; the limits between events are the same.

    Parameters
    ----------
    outcomes
        Times to an event without competing events, entries or case weights, of one group.
    confidence
        Coverage of the pointwise interval; without censoring at least that.
    method
        It has no default: the protocol names it.
    draws, seed
        Products to draw, and where the random numbers begin; for `monte carlo` only.

    Returns
    -------
    Curve
        With a row for day 0 where nobody leaves on it: the lower limit is below 1 from the
        beginning.

    Raises
    ------
    UsageError
        Competing events, entries or weights; the method is not known; draws and seed do not fit
        it, or ask for more than 50 million random numbers.

    References
    ----------
    Fay, Brittain and Proschan (2013).

    Examples
    --------
    >>> outcomes = TimeToEvent(
    ...     pl.DataFrame(
    ...         {
    ...             "participant_id": ["P1", "P2", "P3"],
    ...             "day": [10, 20, 30],
    ...             "status": ["event", "censored", "event"],
    ...         }
    ...     )
    ... )
    >>> curve = bound_survival(outcomes, confidence=0.95, method="method of moments")
    >>> [round(value, 3) for value in curve.frame["low"]]
    [0.292, 0.094, 0.02, 0.0]
    """
    _check(outcomes, method, draws, seed)
    check_confidence(confidence)
    curve = estimate_survival(outcomes, interval="plain", confidence=confidence)
    frame = _from_day_zero(curve.frame)
    at_risk = frame["at_risk"].to_numpy().astype(np.float64)
    events = frame["events"].to_numpy().astype(np.float64)
    if draws is None or seed is None:
        on_day, low, high = _by_moments(at_risk, events, confidence)
    else:
        on_day, low, high = _by_drawing(at_risk, events, confidence, draws, seed)
    how = method if draws is None else f"{method} ({draws} draws, seed {seed})"
    return Curve(
        method=curve.method,
        variance=curve.variance,
        interval=f"beta product, {how}",
        confidence=confidence,
        n=curve.n,
        events=curve.events,
        frame=frame.with_columns(
            low=pl.Series(low), high=pl.Series(high), low_on_day=pl.Series(on_day)
        ),
        last_day=curve.last_day,
    )


def _check(outcomes: TimeToEvent, method: str, draws: int | None, seed: int | None) -> None:
    """Refuse what the interval has no theory for, and draws that do not fit the method."""
    for column, what in (("entry", "late entries"), ("case_weight", "case weights")):
        if column in outcomes.frame.columns:
            raise UsageError(
                f"the beta product interval has no theory for {what} (column {column}); use "
                "estimate_survival, or leave the column out"
            )
    if method not in get_args(BetaProductMethod):
        known = ", ".join(get_args(BetaProductMethod))
        raise UsageError(f"method {method!r} is not known; choose one of {known}")
    given = draws is not None and seed is not None
    if (method == "monte carlo") != given or (draws is None) != (seed is None):
        raise UsageError(
            "draws and seed belong to the method `monte carlo`, which needs both; got "
            f"method={method!r}, draws={draws}, seed={seed}"
        )
    if draws is not None and (draws < 100 or draws * outcomes.frame.height > _MOST):
        raise UsageError(
            f"{draws} draws for {outcomes.frame.height} participants: give 100 or more, and at "
            f"most {_MOST:,} for all participants together, or take the method of moments"
        )


def _from_day_zero(frame: pl.DataFrame) -> pl.DataFrame:
    """Put a row for day 0 before the others where nobody leaves on it."""
    if frame.is_empty() or frame["day"][0] == 0:
        return frame
    values = {"day": 0.0, "at_risk": frame["at_risk"][0], "event_free": 1.0, "estimate": 1.0}
    first = {column: values.get(column, 0) for column in frame.columns}
    return pl.concat([pl.DataFrame([first], schema=frame.schema), frame])


def _by_moments(at_risk: Floats, events: Floats, confidence: float) -> _Limits:
    """Give limits from the beta distribution with the mean and the variance of the product."""
    tail = (1 - confidence) / 2
    log_mean, spread = _moments(at_risk - events + 1, events)
    mean, spread = np.cumsum(log_mean), np.cumsum(spread)
    high = _quantile(mean, spread, 1 - tail)
    lows: list[Floats] = []
    for left in _left(at_risk, events):
        next_mean, next_spread = _moments(np.maximum(left, 1.0), np.ones(left.size))
        low = _quantile(mean + next_mean, spread + next_spread, tail)
        lows.append(np.where(left > 0, low, 0.0))
    return lows[0], lows[1], high


def _left(at_risk: Floats, events: Floats) -> tuple[Floats, Floats]:
    """Give those still at risk at the end of each day, and once those censored on it have gone."""
    return at_risk - events, np.append(at_risk[1:], 0.0)


def _moments(a: Floats, b: Floats) -> tuple[Floats, Floats]:
    """Give the logarithms of a beta variable's mean, and of its second moment by mean squared."""
    return np.log(a / (a + b)), np.log1p(b / (a * (a + b + 1)))


def _quantile(log_mean: Floats, log_ratio: Floats, probability: float) -> Floats:
    """Give the quantile of the beta distribution with these moments; 1 where nothing varies."""
    ratio = np.expm1(log_ratio)
    varies = ratio > 0
    mean = np.exp(log_mean)
    scale = (-np.expm1(log_mean) - mean * ratio) / np.where(varies, ratio, 1.0)
    a = np.where(varies, scale, 1.0)
    b = np.where(varies, scale * -np.expm1(log_mean) / mean, 1.0)
    return np.where(varies, beta_quantiles(a, b, probability), 1.0)


def _by_drawing(
    at_risk: Floats, events: Floats, confidence: float, draws: int, seed: int
) -> _Limits:
    """Give limits from quantiles of products of random numbers."""
    tail = (1 - confidence) / 2
    random = np.random.default_rng(seed)
    happened = events > 0
    a, b = (at_risk - events + 1)[happened], events[happened]
    product = np.ones((draws, a.size + 1))
    product[:, 1:] = random.beta(a, b, size=(draws, a.size)).cumprod(axis=1)
    so_far = np.cumsum(happened)
    high = np.quantile(product, 1 - tail, axis=0)[so_far]
    lows: list[Floats] = []
    uniform = random.random(size=(draws, at_risk.size))
    for left in _left(at_risk, events):
        after = uniform ** (1 / np.maximum(left, 1.0))  # beta with shapes `left` and 1
        low = np.quantile(product[:, so_far] * after, tail, axis=0)
        lows.append(np.where(left > 0, low, 0.0))
    return lows[0], lows[1], np.where(so_far > 0, high, 1.0)
