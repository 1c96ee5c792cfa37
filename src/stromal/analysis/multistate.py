"""States over time: the probability to be in each, the mean time in it, and who moved where."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from stromal.analysis.differences import split_frame, subtract_each
from stromal.analysis.distributions import check_confidence, normal_quantile
from stromal.analysis.estimate import Contrast, Curve, Estimate, estimate_at
from stromal.analysis.intervals import Floats, bound_probability
from stromal.analysis.survival_library import OccupationFit, follow_states
from stromal.core import UsageError
from stromal.endpoints.outcome import StateHistory

__all__ = [
    "INITIAL_STATE",
    "OccupationInterval",
    "compare_occupation",
    "compare_time_in_state",
    "count_transitions",
    "estimate_occupation",
    "estimate_time_in_state",
    "follow_current_state",
]

OccupationInterval = Literal["plain", "log", "log-log", "logit", "arcsine"]

INITIAL_STATE = "initial"
"""Name of the state in which all begin where the history has no column `state`."""

_METHOD = "state occupation"
_TIME = "mean time in state"
_VARIANCE = "infinitesimal jackknife"
_ROUNDING = 1e-12


def follow_current_state(history: StateHistory) -> pl.DataFrame:
    """Give the periods of a history, each with the state `now` that it is spent in.

    1. A participant is in `state` (of the first period; the state `initial` where the column is
       absent) until another is entered, and in that one from then on.
    2. Entering the state one is in is no transition: `entered` is then null.

    Returns
    -------
    polars.DataFrame
        `participant_id`, `start`, `stop`, `now`, `entered`, and the other columns, by participant
        and start.

    Raises
    ------
    UsageError
        The first period of a participant has no `state`.
    """
    frame = history.frame.sort("participant_id", "start", maintain_order=True)
    if "state" not in frame.columns:
        frame = frame.with_columns(state=pl.lit(INITIAL_STATE))
    first = pl.col("state").cast(pl.String).first().over("participant_id")
    before = pl.col("entered").cast(pl.String).shift(1).forward_fill().over("participant_id")
    frame = frame.with_columns(now=pl.coalesce(before, first)).drop("state")
    lost = frame.filter(pl.col("now").is_null())
    if not lost.is_empty():
        raise UsageError(
            f"participant {lost['participant_id'][0]} has no state at the first period; say in "
            "which state the observation begins"
        )
    moved = pl.when(pl.col("entered") != pl.col("now")).then(pl.col("entered").cast(pl.String))
    return frame.with_columns(entered=moved)


def estimate_occupation(
    history: StateHistory,
    *,
    interval: OccupationInterval,
    confidence: float,
    start: float | None = None,
) -> dict[str, Curve]:
    """Estimate the probability to be in each state over time.

    1. The initial probabilities are the proportions of those under observation on the first day
       (day 0, or `start`).
    2. On each later day the probabilities move by the transitions out of each state, among those
       observed in it just before (Aalen and Johansen). States may be left and entered again.
    3. As probabilities of states, not of paths, they are right without the Markov property (Datta
       and Satten 2001), where censoring and late entry have nothing to do with the states.
    4. The variance is the infinitesimal jackknife over participants, that of the initial
       probabilities included.
    5. With `start` the past is left out: periods until then, and transitions on that day itself,
       only say in which state each participant is. Days stay as they are.

    Parameters
    ----------
    history
        Of one group.
    interval, confidence
        Construction and coverage of the pointwise limits.
    start
        First day, where it is not day 0.

    Returns
    -------
    dict
        A curve for each state, in sorted order; together they are 1 on every day. In its frame
        `at_risk` counts those under observation in any state that can be left, `in_state` those in
        this one, `events` who enters it on the day, `competing` who enters another, `censored` who
        leaves observation, `event_free` is the probability of all states in which somebody was
        observed.

    Raises
    ------
    UsageError
        Nobody is under observation on the first day, a participant has no first state, or the
        interval is not known.

    References
    ----------
    Aalen and Johansen (1978); Datta and Satten (2001).
    """
    check_confidence(confidence)
    return _curves(_follow(history, start), interval, confidence)


def estimate_time_in_state(
    history: StateHistory, *, until: float, confidence: float, start: float | None = None
) -> dict[str, Estimate]:
    """Estimate the mean time spent in each state up to a day.

    1. It is the area under the curve of `estimate_occupation` from the first day to `until`: the
       restricted mean time in response, in remission, with transfusions, dead. A participant who
       comes and goes spends all stays together.
    2. The standard error is the infinitesimal jackknife of the area. The limits are plain, cut to
       the time there is.
    3. Where observation ends before `until`, with somebody in a state that can be left, the
       area is not determined: numbers are `None` with the reason.

    Parameters
    ----------
    history
        Of one group. For a time in several states together (any response) give them one name.
    until
        Last day; no default, since the mean depends on it.
    confidence, start
        As in `estimate_occupation`.

    Returns
    -------
    dict
        An estimate for each state, in sorted order; together the values are the whole time.

    Raises
    ------
    UsageError
        `until` is not after the first day, or as in `estimate_occupation`.
    """
    check_confidence(confidence)
    origin = 0.0 if start is None else float(start)
    _check_until(until, origin)
    return _means(_follow(history, start, until=until), until, confidence)


def compare_occupation(
    history: StateHistory,
    *,
    of: str,
    by: str = "arm",
    days: tuple[float, ...],
    confidence: float,
    reference: str | None = None,
) -> list[Contrast]:
    """Compare the probability of a state between groups on given days: other minus reference.

    Parameters
    ----------
    history
        With the column `by`, one value a participant.
    of
        The state.
    by, reference
        Column of the groups, and the one that others are compared with (the first without it).
    days, confidence
        Days of the comparison, and coverage.

    Raises
    ------
    UsageError
        `of` is no state of any group, the groups cannot be compared, or as in
        `estimate_occupation`.
    """
    check_confidence(confidence)
    read = {
        label: estimate_at(_curves(followed, "plain", confidence)[of], days)
        for label, followed in _follow_each(history, of, by).items()
    }
    return subtract_each(f"difference of the probability of {of}", read, reference)


def compare_time_in_state(
    history: StateHistory,
    *,
    of: str,
    by: str = "arm",
    until: float,
    confidence: float,
    reference: str | None = None,
) -> list[Contrast]:
    """Compare the mean time in a state up to a day between groups: other minus reference.

    Parameters and errors as in `compare_occupation` and `estimate_time_in_state`.
    """
    check_confidence(confidence)
    _check_until(until, 0.0)
    means = {
        label: (_means(followed, until, confidence)[of],)
        for label, followed in _follow_each(history, of, by, until).items()
    }
    return subtract_each(f"difference of the mean time in {of}", means, reference)


def count_transitions(history: StateHistory) -> pl.DataFrame:
    """Count who moved from which state to which.

    Returns
    -------
    polars.DataFrame
        `from`, `to` (null: nothing further was seen), `transitions`, `participants` (different
        ones), `time_in_from` (days that all participants were observed in `from`, together).
    """
    frame = follow_current_state(history)
    last = pl.col("participant_id").ne(pl.col("participant_id").shift(-1)).fill_null(value=True)
    time = frame.group_by("now").agg(time_in_from=(pl.col("stop") - pl.col("start")).sum())
    stays_on = pl.col("entered").is_null() & ~last
    ended_in = frame.filter(last & pl.col("entered").is_not_null()).select(
        "participant_id", now="entered", entered=pl.lit(None, dtype=pl.String)
    )
    moves = pl.concat(
        [frame.filter(~stays_on).select("participant_id", "now", "entered"), ended_in]
    )
    return (
        moves.group_by("now", "entered")
        .agg(transitions=pl.len().cast(pl.Int64), participants=pl.col("participant_id").n_unique())
        .join(time, on="now", how="left")
        .with_columns(pl.col("time_in_from").fill_null(0), pl.col("participants").cast(pl.Int64))
        .rename({"now": "from", "entered": "to"})
        .sort("from", "to", nulls_last=True)
    )


@dataclass(frozen=True)
class _Followed:
    """Probabilities of states with what a curve counts beside them."""

    states: tuple[str, ...]
    fit: OccupationFit
    origin: float
    n: int
    begin: NDArray[np.int64]  # who is in each state on the first day
    leaves: Floats  # who leaves observation on each day, in any state
    at_risk: Floats  # who is under observation in a state that can be left
    open: NDArray[np.bool_]  # the states in which somebody was observed
    last_day: float

    def left(self, row: int) -> float:
        """Probability of the states that can be left, after so many rows."""
        held = self.fit.probability[row - 1] if row else self.fit.initial
        total = float(held[self.open].sum())
        return total if total > _ROUNDING else 0.0


def _follow(
    history: StateHistory,
    start: float | None,
    *,
    until: float | None = None,
    known: tuple[str, ...] = (),
) -> _Followed:
    """Leave out what is before the first day, and estimate."""
    origin = 0.0 if start is None else float(start)
    frame = follow_current_state(history).filter(pl.col("stop") > origin)
    frame = frame.with_columns(start=pl.max_horizontal("start", pl.lit(origin)).cast(pl.Float64))
    if not (frame["start"] == origin).any():
        raise UsageError(
            f"nobody is under observation on day {origin:g}, the first day; give `start` a day "
            "on which the state of participants is known"
        )
    states = tuple(sorted({*frame["now"], *frame["entered"].drop_nulls(), *known}))
    codes = {state: i + 1 for i, state in enumerate(states)}
    columns = {
        "person": frame["participant_id"].rank("dense").cast(pl.Int64).to_numpy(),
        "start": frame["start"].cast(pl.Float64).to_numpy(),
        "stop": frame["stop"].cast(pl.Float64).to_numpy(),
        "now": frame["now"].replace_strict(codes, return_dtype=pl.Int64).to_numpy(),
        "entered": frame["entered"]
        .replace_strict(codes, default=None, return_dtype=pl.Int64)
        .fill_null(0)
        .to_numpy(),
    }
    last = float(frame["stop"].max())  # pyright: ignore[reportArgumentType]
    end = last if until is None else until
    if (columns["entered"] > 0).any():
        fit = follow_states(columns, states=len(states), origin=origin, until=end)
    else:
        fit = _nothing_happens(columns, len(states), origin, end)
    inside = np.isin(np.arange(1, len(states) + 1), columns["now"])
    first = columns["now"][columns["start"] == origin] - 1
    return _Followed(
        states=states,
        fit=fit,
        origin=origin,
        n=frame["participant_id"].n_unique(),
        begin=np.bincount(first, minlength=len(states)),
        leaves=_leaves(columns, fit.time),
        at_risk=fit.at_risk.sum(axis=1),
        open=inside,
        last_day=last,
    )


def _leaves(columns: dict[str, NDArray[Any]], time: Floats) -> Floats:
    """Count who leaves observation on each day without a transition."""
    person, stop = columns["person"], columns["stop"]
    last = np.append(person[1:] != person[:-1], True) & (columns["entered"] == 0)
    slack = 1e-8 * float(time.mean())
    place = np.searchsorted(time, stop[last] + slack, side="right") - 1
    return np.bincount(place, minlength=time.size).astype(np.float64)


def _nothing_happens(
    columns: dict[str, NDArray[Any]], states: int, origin: float, until: float
) -> OccupationFit:
    """Give the proportions on the first day, which stay."""
    start, stop, now = columns["start"], columns["stop"], columns["now"]
    first = now[start == origin]
    initial = np.bincount(first - 1, minlength=states) / first.size
    error = np.sqrt(initial * (1 - initial) / first.size)
    time = np.unique(stop)
    inside = (start < time[:, None]) & (stop >= time[:, None])
    at_risk = np.stack([(inside & (now == code + 1)).sum(axis=1) for code in range(states)], axis=1)
    whole = np.ones((time.size, 1))
    return OccupationFit(
        time=time,
        at_risk=at_risk.astype(np.float64),
        entries=np.zeros((time.size, states)),
        probability=whole * initial,
        error=whole * error,
        initial=initial,
        initial_error=error,
        mean=initial * (until - origin),
        mean_error=error * (until - origin),
    )


def _curve(followed: _Followed, i: int, interval: str, confidence: float) -> Curve:
    """Give the curve of one state, its first row the first day."""
    fit = followed.fit
    p = np.concatenate(([fit.initial[i]], fit.probability[:, i]))
    error = np.concatenate(([fit.initial_error[i]], fit.error[:, i]))
    p = np.where(np.abs(p) < _ROUNDING, 0.0, p)
    low, high = bound_probability(p, error, interval=interval, confidence=confidence)
    total = fit.entries.sum(axis=1)

    def whole(first: float, rest: Floats) -> NDArray[np.int64]:
        return np.round(np.concatenate(([first], rest))).astype(np.int64)

    frame = pl.DataFrame(
        {
            "day": np.concatenate(([followed.origin], fit.time)),
            "at_risk": whole(followed.begin.sum(), followed.at_risk),
            "in_state": whole(followed.begin[i], fit.at_risk[:, i]),
            "events": whole(0, fit.entries[:, i]),
            "competing": whole(0, total - fit.entries[:, i]),
            "censored": whole(0, followed.leaves),
            "event_free": [followed.left(row) for row in range(fit.time.size + 1)],
            "estimate": p,
            "standard_error": error,
            "low": low,
            "high": high,
        }
    ).with_columns(pl.col("standard_error", "low", "high").fill_nan(None))
    return Curve(
        method=_METHOD,
        variance=_VARIANCE,
        interval=interval,
        confidence=confidence,
        n=followed.n,
        events=int(fit.entries[:, i].sum()),
        frame=frame,
        last_day=followed.last_day,
    )


def _means(followed: _Followed, until: float, confidence: float) -> dict[str, Estimate]:
    """Give the mean time in each state."""
    span, half = until - followed.origin, normal_quantile(confidence)
    open_end = followed.last_day < until and followed.left(followed.fit.time.size) > 0
    note = f"not estimable: the last observation is on day {followed.last_day:g}"
    found: dict[str, Estimate] = {}
    for i, state in enumerate(followed.states):
        value, error = float(followed.fit.mean[i]), float(followed.fit.mean_error[i])
        numbers = (value, error, max(value - half * error, 0.0), min(value + half * error, span))
        found[state] = Estimate(
            _TIME,
            *((None,) * 4 if open_end else numbers),
            confidence=confidence,
            interval="plain",
            n=followed.n,
            events=int(followed.fit.entries[:, i].sum()),
            variance=_VARIANCE,
            day=until,
            note=note if open_end else "",
        )
    return found


def _curves(followed: _Followed, interval: str, confidence: float) -> dict[str, Curve]:
    """Give the curve of each state."""
    return {
        state: _curve(followed, i, interval, confidence) for i, state in enumerate(followed.states)
    }


def _check_until(until: float, origin: float) -> None:
    """Refuse a last day that is none."""
    if not (math.isfinite(until) and until > origin):
        raise UsageError(f"until is {until}; give a day after the first, {origin:g}")


def _follow_each(
    history: StateHistory, of: str, by: str, until: float | None = None
) -> dict[str, _Followed]:
    """Follow each group; a state that a group never sees has probability 0 there."""
    parts = split_frame(history.frame, by, what="histories")
    frame = follow_current_state(history)
    known = tuple(sorted({*frame["now"], *frame["entered"].drop_nulls()}))
    if of not in known:
        raise UsageError(f"{of!r} is none of the states {', '.join(known)}")
    return {
        label: _follow(StateHistory(part), None, until=until, known=known)
        for label, part in parts.items()
    }
