"""Cumulative incidence by Aalen-Johansen, with either of its two variances."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import numpy as np
import polars as pl

from stromal.analysis.distributions import check_confidence
from stromal.analysis.estimate import Curve, tabulate_curve
from stromal.analysis.intervals import (
    INCIDENCE_INTERVALS,
    Floats,
    IncidenceInterval,
    bound_probability,
)
from stromal.analysis.ordered import cause_words, order_times
from stromal.analysis.survival_kernels import follow_incidence, tabulate_entered
from stromal.analysis.weighted import follow_weights
from stromal.core import UsageError
from stromal.endpoints.outcome import TimeToEvent

__all__ = ["IncidenceVariance", "estimate_incidence", "estimate_incidences"]

IncidenceVariance = Literal["cmprsk", "greenwood", "infinitesimal jackknife"]

_VARIANCES: Mapping[str, str] = {
    "cmprsk": "cmprsk (Gray-Aalen)",
    "greenwood": "Greenwood-type (infinitesimal jackknife)",
    "infinitesimal jackknife": "infinitesimal jackknife",
}


def estimate_incidence(
    outcomes: TimeToEvent,
    *,
    variance: IncidenceVariance,
    interval: IncidenceInterval,
    confidence: float,
    of: str = "event",
) -> Curve:
    """Estimate the probability that the event has happened, where another may forestall it.

    1. On each day with d1 events among the Y participants observed until then or longer, the
       incidence grows by S d1 / Y, where S is the probability of no event of any kind before the
       day, by Kaplan-Meier on events and competing events together. Who is censored on a day is
       at risk on it; with the column `entry` a participant is at risk from the day after it.
    2. `variance="cmprsk"`: Aalen's and Gray's, the causes uncorrelated, ties corrected as in
       the R package cmprsk. `variance="greenwood"`: the multinomial one, equal to the
       infinitesimal jackknife, as in the R packages survival and etm. At 62 participants an arm
       they differ by about 2 %, so a result always names its own. `variance="infinitesimal
       jackknife"`: the sum over participants of the square of weight times derivative of F in it.
       Without late entries and weights it is Greenwood's; with late entries the two differ a
       little. Case weights (the column `case_weight`) have this one alone.
    3. `linear` limits are the estimate plus and minus, cut to [0, 1]; `log-log` is built on
       log(-log F), `log` on log F, `complementary log-log` on log(-log(1 - F)), `logit` on
       log(F / (1 - F)), `arcsine` on arcsin(sqrt F). At 0 only `linear` has limits, without width.
    4. After the last observation nothing is estimable, unless everybody has had an event of one
       kind or the other.

    Parameters
    ----------
    outcomes
        Times to an event with competing events, of one group; `split_outcomes` gives the groups.
        Days that differ by less than 1e-8 of the mean day are one day.
    variance, interval
        They have no default: the protocol names them.
    confidence
        Coverage of the pointwise interval, such as 0.95.
    of
        `event`, `competing` for the incidence of the competing events, or a word of the column
        `cause`; all other causes compete with it.

    Returns
    -------
    Curve
        One row for each distinct day. The column `events` counts what `of` names, `competing` all
        that competes with it. Case weights add `weight_at_risk` and `weight_of_events`.

    Raises
    ------
    UsageError
        The variance, the interval, the cause or the confidence is not known, or case weights come
        with another variance than the infinitesimal jackknife.

    References
    ----------
    Aalen and Johansen (1978); Aalen (1978) and Gray (1988) for cmprsk's variance; Allignol,
    Schumacher and Beyersmann (2010) for Greenwood's.
    """
    _check_choices(outcomes, variance, interval)
    check_confidence(confidence)
    ordered = order_times(outcomes, of=of)
    days, counts = tabulate_entered(ordered.day, ordered.status, ordered.late)
    extra: dict[str, Floats] = {}
    if variance == "infinitesimal jackknife":
        weighted = follow_weights(ordered)
        event_free, incidence, error = weighted.event_free, weighted.incidence, weighted.error
        extra = weighted.columns if "case_weight" in outcomes.frame.columns else {}
    else:
        event_free, incidence, cmprsk, greenwood = follow_incidence(counts)
        error = np.sqrt(cmprsk if variance == "cmprsk" else greenwood)
    low, high = bound_probability(incidence, error, interval=interval, confidence=confidence)
    estimated = {"event_free": event_free, "estimate": incidence, "standard_error": error}
    frame = tabulate_curve(days, counts, {**estimated, "low": low, "high": high, **extra})
    return Curve(
        method="Aalen-Johansen",
        variance=_named(variance, outcomes),
        interval=interval,
        confidence=confidence,
        n=len(outcomes.frame),
        events=int(counts[:, 1].sum()),
        frame=frame,
        last_day=float(days[-1]) if days.size else None,
    )


def estimate_incidences(
    outcomes: TimeToEvent,
    *,
    variance: IncidenceVariance,
    interval: IncidenceInterval,
    confidence: float,
) -> dict[str, Curve]:
    """Estimate the incidence of every cause; with the event-free probability they sum to one.

    1. The causes are the words of the column `cause` of those with an event or a competing event;
       who has none there, or where there is no such column, counts under the word of the status.
    2. Each is estimated as `estimate_incidence` does, all others competing with it.

    Returns
    -------
    dict of Curve
        By cause, in sorted order; empty where nothing happened to anybody.

    Raises
    ------
    UsageError
        As in `estimate_incidence`.
    """
    _check_choices(outcomes, variance, interval)
    causes = cause_words(outcomes.frame)
    curves: dict[str, Curve] = {}
    for cause in sorted(causes.drop_nulls().unique()):
        word = (
            pl.when(causes == cause)
            .then(pl.lit("event"))
            .when(causes.is_not_null())
            .then(pl.lit("competing"))
            .otherwise(pl.lit("censored"))
        )
        curves[cause] = estimate_incidence(
            TimeToEvent(outcomes.frame.with_columns(status=word)),
            variance=variance,
            interval=interval,
            confidence=confidence,
        )
    return curves


def _check_choices(outcomes: TimeToEvent, variance: str, interval: str) -> None:
    """Refuse a variance or an interval that is not known, or that weights cannot have."""
    if variance not in _VARIANCES:
        raise UsageError(
            f"variance {variance!r} is not known; choose one of {', '.join(_VARIANCES)}"
        )
    if variance != "infinitesimal jackknife" and "case_weight" in outcomes.frame.columns:
        raise UsageError(
            f"variance {variance!r} counts participants and has no case weights; with the column "
            "case_weight ask for 'infinitesimal jackknife'"
        )
    if interval not in INCIDENCE_INTERVALS:
        raise UsageError(
            f"interval {interval!r} is not one for an incidence; "
            f"choose one of {', '.join(INCIDENCE_INTERVALS)}"
        )


def _named(variance: str, outcomes: TimeToEvent) -> str:
    """Name the variance: with late entries Greenwood's is no longer the infinitesimal jackknife."""
    late = "entry" in outcomes.frame.columns and outcomes.frame["entry"].cast(pl.Float64).max() != 0
    return "Greenwood-type" if variance == "greenwood" and late else _VARIANCES[variance]
