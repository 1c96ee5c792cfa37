"""Restricted mean survival time: the days free of the event up to a day, on average."""

from __future__ import annotations

import math
from itertools import starmap

import numpy as np

from stromal.analysis.distributions import check_confidence, chi_square_tail, normal_quantile
from stromal.analysis.estimate import Contrast, Curve, Estimate
from stromal.analysis.intervals import Floats
from stromal.analysis.kaplan_meier import estimate_survival
from stromal.analysis.ordered import split_outcomes
from stromal.core import UsageError
from stromal.endpoints.outcome import TimeToEvent

__all__ = ["compare_restricted_means", "estimate_restricted_mean"]

_METHOD = "restricted mean survival time"
_TEST = "Wald test of restricted means"


def estimate_restricted_mean(outcomes: TimeToEvent, *, until: float, confidence: float) -> Estimate:
    """Estimate the mean number of days without the event, of the first `until` days.

    1. The mean is the area under the Kaplan-Meier curve from day 0 to day `until`.
    2. Its variance is the sum over the days u < `until` with d events among Y at risk of
       A(u)^2 d / (Y (Y - d)), with A(u) the area from u to `until` (Greenwood's, as in survmean
       of the R package survival). Where Y = d the curve is 0 from there on and adds nothing.
    3. The limits are the mean plus and minus the normal quantile times the standard error, cut
       to [0, `until`].
    4. A curve that ends above 0 before `until` does not determine the area: the estimate is
       `None`, and the note says how far the curve goes. It is not drawn on at its last height.

    Parameters
    ----------
    outcomes
        Times to an event without competing events, of one group; an `entry` is honoured.
    until
        The day, or the number in whatever unit the times have. It has no default: the area
        depends on it, so the protocol names it.
    confidence
        Coverage of the interval, such as 0.95.

    Returns
    -------
    Estimate
        In days; `day` is `until`.

    Raises
    ------
    UsageError
        `until` is not positive and finite, a participant has a competing event, or the outcomes
        have case weights.

    References
    ----------
    Irwin (1949); Royston and Parmar (2013); Greenwood (1926).
    """
    curve = _curve(outcomes, until, confidence)
    mean, variance, note = _area(curve, until)
    error = None if variance is None else math.sqrt(variance)
    low = high = None
    if mean is not None and error is not None:
        half = normal_quantile(confidence) * error
        low, high = max(mean - half, 0.0), min(mean + half, until)
    return Estimate(
        method=_METHOD,
        value=mean,
        standard_error=error,
        low=low,
        high=high,
        confidence=confidence,
        interval="plain",
        n=curve.n,
        events=curve.events,
        variance="Greenwood",
        day=until,
        note=note,
    )


def compare_restricted_means(
    outcomes: TimeToEvent,
    *,
    by: str = "arm",
    until: float,
    confidence: float,
    reference: str | None = None,
) -> list[Contrast]:
    """Compare restricted mean survival times of groups, as difference and as ratio.

    1. Each group's mean and variance are those of `estimate_restricted_mean`.
    2. The difference has the sum of the two variances; its limits and its p are normal.
    3. The ratio is built on its logarithm, of which the variance is the sum of variance / mean^2;
       `standard_error` is that of the logarithm, and the p is of log ratio 0.
    4. Where a group's mean is not estimable, or nothing varies, numbers are `None` with the
       reason.

    Parameters
    ----------
    outcomes
        Times to an event with the column `by`.
    by
        Column of the groups.
    until, confidence
        As in `estimate_restricted_mean`.
    reference
        The group that every other is compared with: other minus reference, other divided by
        reference. Without one it is the first in sorted order.

    Returns
    -------
    list of Contrast
        For each other group, in sorted order, the difference and then the ratio.

    Raises
    ------
    UsageError
        There are fewer than two groups, `reference` is none of them, or as in
        `estimate_restricted_mean`.

    References
    ----------
    Royston and Parmar (2013).
    """
    parts = split_outcomes(outcomes, by=by)
    labels = tuple(parts)
    base = reference if reference is not None else (labels[0] if labels else "")
    if len(labels) < 2 or base not in labels:
        raise UsageError(
            f"column {by!r} has the groups {', '.join(labels) or 'none'}; two or more are "
            f"compared, and the reference ({base or 'none'}) is one of them"
        )
    means = {
        label: estimate_restricted_mean(part, until=until, confidence=confidence)
        for label, part in parts.items()
    }
    pairs = [(other, base) for other in labels if other != base]
    contrasts: list[Contrast] = []
    for other, _ in pairs:
        both = (other, means[other]), (base, means[base])
        contrasts += list(starmap(_contrast, ((False, *both), (True, *both))))
    return contrasts


def _curve(outcomes: TimeToEvent, until: float, confidence: float) -> Curve:
    """Check what is asked and give the Kaplan-Meier curve."""
    if not (until > 0 and math.isfinite(until)):
        raise UsageError(f"until is {until}; give a positive number of days from the anchor")
    check_confidence(confidence)
    if "case_weight" in outcomes.frame.columns:
        raise UsageError(
            "a restricted mean with case weights has no Greenwood variance; leave the weights "
            "out, or compare weighted survival on a day"
        )
    return estimate_survival(outcomes, interval="plain", confidence=confidence)


def _area(curve: Curve, until: float) -> tuple[float | None, float | None, str]:
    """Give the area under a curve up to a day, its variance, or why there is none."""
    if curve.last_day is None:
        return None, None, "not estimable: no participants"
    if curve.last_day < until and curve.frame["estimate"][-1] > 0:
        note = (
            f"not estimable: the curve ends on day {curve.last_day:g}, before day {until:g}; "
            "choose a day that it reaches"
        )
        return None, None, note
    frame = curve.frame.filter(curve.frame["day"] < until)
    columns = ("day", "at_risk", "events", "estimate")
    day, at_risk, events, height = (frame[name].cast(float).to_numpy() for name in columns)
    pieces = np.concatenate(([1.0], height)) * np.diff(np.concatenate(([0.0], day, [until])))
    later = np.cumsum(pieces[::-1])[::-1][1:]
    variance = float((later**2 * _increments(at_risk, events)).sum())
    note = "" if variance > 0 else "nothing varies before that day: the interval has no width"
    return float(pieces.sum()), variance, note


def _increments(at_risk: Floats, events: Floats) -> Floats:
    """Give Greenwood's d / (Y (Y - d)), and 0 where the curve is 0 from there on."""
    left = at_risk - events
    return np.divide(events, at_risk * left, out=np.zeros_like(events), where=left > 0)


def _contrast(
    ratio: bool,
    one: tuple[str, Estimate],
    two: tuple[str, Estimate],
) -> Contrast:
    """Give the difference or the ratio of two means."""
    (first, a), (second, b) = one, two
    measure = "ratio of restricted means" if ratio else "difference of restricted means"
    numbers, p, note = _numbers(a, b, ratio=ratio)
    value, error, low, high = numbers
    estimate = Estimate(
        method=_METHOD,
        value=value,
        standard_error=error,
        low=low,
        high=high,
        confidence=a.confidence,
        interval="log" if ratio else "plain",
        n=a.n + b.n,
        events=(a.events or 0) + (b.events or 0),
        variance="Greenwood",
        day=a.day,
        note="; ".join(filter(None, (note, _SCALE if ratio and value is not None else ""))),
    )
    return Contrast(measure, first, second, estimate, p, _TEST)


_SCALE = "the standard error is that of the logarithm of the ratio"


def _numbers(
    a: Estimate, b: Estimate, *, ratio: bool
) -> tuple[tuple[float | None, ...], float | None, str]:
    """Give value, standard error and limits, p, and why a number is missing."""
    if a.value is None or b.value is None:
        return (None,) * 4, None, (a if a.value is None else b).note
    errors = (a.standard_error or 0.0, b.standard_error or 0.0)
    if ratio and not (a.value > 0 and b.value > 0):
        return (None,) * 4, None, "not computable: a mean is 0"
    center = math.log(a.value / b.value) if ratio else a.value - b.value
    if ratio:
        errors = (errors[0] / a.value, errors[1] / b.value)
    error = math.hypot(*errors)
    half = normal_quantile(a.confidence) * error
    limits = (center, center - half, center + half)
    value, low, high = map(math.exp, limits) if ratio else limits
    if error == 0:
        return (value, 0.0, low, high), None, "nothing varies before that day: no p"
    return (value, error, low, high), chi_square_tail((center / error) ** 2, 1), ""
