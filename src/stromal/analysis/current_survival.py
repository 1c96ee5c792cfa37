"""Current GVHD-free, relapse-free survival: alive and well now, whatever has come and gone.

A linear combination of Kaplan-Meier curves, which asks nothing of the process (no Markov property),
with a band over time and tests of two groups. GVHD-free, relapse-free survival itself (GRFS), which
ends with the first GVHD, is a time to an event: derive it as a composite and use Kaplan-Meier.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from stromal.analysis.differences import split_frame, subtract_each
from stromal.analysis.distributions import check_confidence, normal_quantile
from stromal.analysis.estimate import Comparison, Contrast, Curve, Estimate, estimate_at
from stromal.analysis.intervals import Floats, bound_probability
from stromal.analysis.multistate import follow_current_state
from stromal.core import UsageError
from stromal.endpoints.outcome import StateHistory

__all__ = [
    "CurrentStates",
    "band_current_survival",
    "compare_current_curves",
    "compare_current_survival",
    "compare_current_time",
    "estimate_current_survival",
]

_METHOD = "current survival"
_VARIANCE = "infinitesimal jackknife"
_SUPREMUM = "supremum test of current survival (wild bootstrap)"
_TIE = 1e-8
_CHUNK = 250  # draws at once: keeps the matrix of draws small
_DRAWS = (100, 100_000)


@dataclass(frozen=True)
class CurrentStates:
    """What the states of a history mean for the present.

    Parameters
    ----------
    free
        States of being alive and well: never affected, or recovered.
    active
        States that come and go, such as active GVHD.
    failed
        States that end it for good, such as relapse and death.
    """

    free: tuple[str, ...]
    active: tuple[str, ...]
    failed: tuple[str, ...]


def estimate_current_survival(
    history: StateHistory, *, states: CurrentStates, confidence: float
) -> Curve:
    """Estimate the probability to be alive and well at present.

    1. Each participant's k-th time is the day of the k-th change between free and active, or of
       failure if that comes first; without either it is censored with the observation. Who begins
       active has the first change on day 0.
    2. S_k is the Kaplan-Meier curve of the k-th times: the probability of fewer than k changes
       and no failure. The estimate is S_1 + (S_3 - S_2) + (S_5 - S_4) + ..., over as many changes
       as anybody has had: never active, or recovered once, twice, ...
    3. The variance is the sum over participants of their squared influence on the sum, which
       holds the covariances of the curves; for a single curve it is Greenwood's.
    4. The limits are plain, cut to [0, 1].
    5. The estimate ends where one of the curves ends above 0: once nobody is observed who was never
       active, how many would still be so is not known, however long others are observed.

    It estimates the same probability as the states `free` together in `estimate_occupation`, and
    without censoring is the same number: the proportion who are free now. With censoring they
    differ a little: Aalen and Johansen's uses all who are in a state on a day, whichever way they
    came, and stays within [0, 1]; this one may leave it where few are left.

    Parameters
    ----------
    history
        Of one group, observed from day 0.
    states
        What each state means.
    confidence
        Coverage of the pointwise limits.

    Returns
    -------
    Curve
        In its frame `at_risk` counts those observed without failure, `events` changes between free
        and active on the day, `competing` failures, `event_free` is the probability of no failure.

    Raises
    ------
    UsageError
        A state stands under none or several of the three, somebody leaves a failed state or begins
        in one, or is not observed from day 0, or there is nobody.

    References
    ----------
    BMC Med Res Methodol 2022, 10.1186/s12874-022-01771-x; Klein et al. (2000).
    """
    check_confidence(confidence)
    return _curve(_combine(_times(history, states)), confidence)


def band_current_survival(
    history: StateHistory,
    *,
    states: CurrentStates,
    first: float,
    last: float,
    confidence: float,
    draws: int,
    seed: int,
) -> pl.DataFrame:
    """Give limits that hold the whole curve between two days at once.

    1. Each draw multiplies the participants' influences by independent standard normal numbers and
       adds them up (wild bootstrap): a path as the error of the estimate may be.
    2. The critical value is the quantile of the largest |path| / standard error from `first` to
       `last`; the band is the estimate plus and minus it times the standard error, cut to [0, 1].
    3. Days without a standard error, and days after the last observation, are left out.

    Parameters
    ----------
    history, states
        As in `estimate_current_survival`.
    first, last
        Days between which the band holds. Early days with hardly an event make any band wide.
    confidence
        Coverage of the whole band.
    draws, seed
        How many draws, and of which stream; the same seed gives the same band.

    Returns
    -------
    polars.DataFrame
        `day`, `estimate`, `standard_error`, `low`, `high`, `critical_value`: the curve as it stands
        on `first`, and its later steps.

    Raises
    ------
    UsageError
        The days are not in order, nothing varies between them, draws are fewer than 100 or more
        than 100,000, or as in `estimate_current_survival`.

    References
    ----------
    Vilsmeier et al. (2025), who multiply the increments of the counting processes.
    """
    check_confidence(confidence)
    combined = _combine(_times(history, states))
    error = np.sqrt((combined.influence**2).sum(axis=0))
    window, days = _window(combined.grid, first, last, combined.last_day)
    window = window[error[window] > 0]
    if window.size == 0:
        raise UsageError(f"nothing varies between days {first:g} and {last:g}: there is no band")
    paths = combined.influence[:, window] / error[window]
    highest = _suprema([paths], draws, seed)
    critical = float(np.quantile(highest, confidence))
    value, half = combined.value[window], critical * error[window]
    return pl.DataFrame(
        {
            "day": np.maximum(combined.grid[window], days[0]),
            "estimate": value,
            "standard_error": error[window],
            "low": np.clip(value - half, 0, 1),
            "high": np.clip(value + half, 0, 1),
        }
    ).with_columns(critical_value=pl.lit(critical))


def compare_current_survival(
    history: StateHistory,
    *,
    states: CurrentStates,
    by: str = "arm",
    days: tuple[float, ...],
    confidence: float,
    reference: str | None = None,
) -> list[Contrast]:
    """Compare current survival of groups on given days: other minus reference, with Wald's p.

    Raises
    ------
    UsageError
        The groups cannot be compared, or as in `estimate_current_survival`.
    """
    read = {
        label: estimate_at(
            estimate_current_survival(part, states=states, confidence=confidence), days
        )
        for label, part in _split(history, by).items()
    }
    return subtract_each("difference of current survival", read, reference)


def compare_current_time(
    history: StateHistory,
    *,
    states: CurrentStates,
    by: str = "arm",
    until: float,
    confidence: float,
    reference: str | None = None,
) -> list[Contrast]:
    """Compare the mean time alive and well up to a day: the area between the curves.

    1. The area under the curve of a group from day 0 to `until` is the mean time; its variance is
       the sum of squared influences on it.
    2. The difference, other minus reference, has the sum of the variances, normal limits and p. It
       is the two-sample test over time with weight 1.
    3. Where observation ends before `until` with somebody not failed it is `None`.

    Raises
    ------
    UsageError
        `until` is not positive, or as in `compare_current_survival`.
    """
    check_confidence(confidence)
    if not (math.isfinite(until) and until > 0):
        raise UsageError(f"until is {until}; give a positive number of days")
    means = {
        label: (_mean_time(_combine(_times(part, states)), until, confidence),)
        for label, part in _split(history, by).items()
    }
    return subtract_each("difference of the mean time alive and well", means, reference)


def compare_current_curves(
    history: StateHistory,
    *,
    states: CurrentStates,
    by: str = "arm",
    first: float,
    last: float,
    draws: int,
    seed: int,
) -> Comparison:
    """Compare current survival of two groups over all days from a first to a last one.

    1. The statistic is the largest |difference| / standard error of the difference.
    2. Its p is the share of wild bootstrap draws, as in `band_current_survival`, in which the same
       is as large, the observed one counted among them.

    Raises
    ------
    UsageError
        There are not two groups, or as in `band_current_survival`.
    """
    parts = _split(history, by)
    if len(parts) != 2:
        raise UsageError(f"column {by!r} has {len(parts)} groups; this test compares two")
    times = {label: _times(part, states) for label, part in parts.items()}
    grid = np.unique(np.concatenate([one.days.ravel() for one in times.values()]))
    a, b = (_combine(one, grid) for one in times.values())
    error = np.sqrt((a.influence**2).sum(axis=0) + (b.influence**2).sum(axis=0))
    window, _ = _window(grid, first, last, min(a.last_day, b.last_day))
    window = window[error[window] > 0]
    groups = pl.DataFrame(
        {
            "group": list(parts),
            "n": [one.influence.shape[0] for one in (a, b)],
            "events": [int(one.counts[:, 1:3].sum()) for one in (a, b)],
        }
    )
    if window.size == 0:
        note = f"not computable: nothing varies between days {first:g} and {last:g}"
        return Comparison(_SUPREMUM, None, None, None, groups, note)
    spread = error[window]
    observed = float((np.abs(a.value - b.value)[window] / spread).max())
    highest = _suprema(
        [a.influence[:, window] / spread, b.influence[:, window] / spread], draws, seed
    )
    p = (1 + int((highest >= observed).sum())) / (1 + draws)
    note = (
        f"largest standardised difference {observed:.6g} between days {first:g} and {last:g}; "
        f"{draws} draws, seed {seed}"
    )
    return Comparison(_SUPREMUM, None, None, p, groups, note)


@dataclass(frozen=True)
class _Times:
    """The k-th times of each participant (rows), the last column that of failure."""

    days: Floats
    seen: NDArray[np.bool_]
    changes: Floats  # days of all changes between free and active


@dataclass(frozen=True)
class _Combined:
    """The combination of curves on its grid of days, with each participant's influence."""

    grid: Floats
    value: Floats
    influence: Floats
    alive: Floats
    counts: NDArray[np.int64]
    last_day: float


def _times(history: StateHistory, states: CurrentStates) -> _Times:
    """Read each participant's k-th times from the histories."""
    kinds = _kinds(states)
    if history.frame.is_empty():
        raise UsageError("there are no participants: current survival needs at least one")
    frame = follow_current_state(history).with_columns(pl.col("start", "stop").cast(pl.Float64))
    frame = frame.with_columns(stop=pl.Series(_join_ties(frame["stop"].to_numpy())))
    unknown = sorted({*frame["now"], *frame["entered"].drop_nulls()} - set(kinds))
    if unknown:
        raise UsageError(f"the states {', '.join(unknown)} are neither free, active nor failed")
    frame = frame.with_columns(
        now=pl.col("now").replace_strict(kinds, return_dtype=pl.String),
        entered=pl.col("entered").replace_strict(kinds, default=None, return_dtype=pl.String),
    )
    if (frame["now"] == "failed").any():
        who = frame.filter(pl.col("now") == "failed")["participant_id"][0]
        raise UsageError(
            f"participant {who} is observed after a failed state, which ends it for good: end the "
            "history there, or call the state active if it comes and goes"
        )
    people = frame.group_by("participant_id", maintain_order=True).agg(
        begins=pl.col("start").first(), first=pl.col("now").first(), end=pl.col("stop").last()
    )
    late = people.filter(pl.col("begins") != 0)
    if not late.is_empty():
        raise UsageError(
            f"participant {late['participant_id'][0]} is observed from day {late['begins'][0]:g}: "
            "how often GVHD came and went before is not known; current survival needs everybody "
            "from day 0, or use `estimate_occupation`"
        )
    moves = _changes(frame, people)
    width = int(moves["number"].max() or 0) + 1  # pyright: ignore[reportArgumentType]
    failed = frame.filter(pl.col("entered") == "failed")["participant_id"]
    fails = people["participant_id"].is_in(failed.to_list()).to_numpy()
    days = np.repeat(people["end"].to_numpy()[:, None], width, axis=1)
    seen = np.repeat(fails[:, None], width, axis=1)
    row, column = moves["row"].to_numpy(), moves["number"].to_numpy() - 1
    days[row, column], seen[row, column] = moves["day"].to_numpy(), True
    return _Times(days, seen, moves["day"].to_numpy())


def _join_ties(days: Floats) -> Floats:
    """Give days that differ by less than 1e-8 of the mean day the first of them."""
    distinct = np.unique(days)
    new = np.diff(distinct, prepend=-np.inf) > _TIE * float(distinct.mean())
    return distinct[new][np.cumsum(new) - 1][np.searchsorted(distinct, days)]


def _kinds(states: CurrentStates) -> dict[str, str]:
    """Give what each state means."""
    kinds: dict[str, str] = {}
    for kind in ("free", "active", "failed"):
        for state in getattr(states, kind):
            if state in kinds:
                raise UsageError(f"the state {state!r} is called {kinds[state]} and {kind}")
            kinds[state] = kind
    if not (states.free and states.active):
        raise UsageError("name at least one free and one active state")
    return kinds


def _changes(frame: pl.DataFrame, people: pl.DataFrame) -> pl.DataFrame:
    """Give the changes between free and active: the participant's row, number and day."""
    moved = frame.filter(pl.col("entered").is_in(["free", "active"])).filter(
        pl.col("entered") != pl.col("now")
    )
    begun = people.filter(pl.col("first") == "active").select("participant_id", day=pl.lit(0.0))
    both = pl.concat([begun, moved.select("participant_id", day="stop")])
    rows = people.select("participant_id").with_row_index("row")
    return (
        both.sort("participant_id", "day")
        .with_columns(number=pl.int_range(1, pl.len() + 1).over("participant_id"))
        .join(rows, on="participant_id", how="left")
    )


def _combine(times: _Times, grid: Floats | None = None) -> _Combined:
    """Add up the curves, and each participant's influence on them, as far as all are known."""
    n, width = times.days.shape
    used = range(width if width % 2 else width - 1)
    last_day = min(_known_until(times.days[:, k], times.seen[:, k]) for k in used)
    last_day = min(last_day, float(times.days.max()))
    if grid is None:
        grid = np.unique(times.days)
        grid = grid[grid <= last_day]
    value, influence = np.zeros(grid.size), np.zeros((n, grid.size))
    for k in used:
        sign = 1.0 if k % 2 == 0 else -1.0
        curve, slope = _kaplan_meier(times.days[:, k], times.seen[:, k], grid)
        value += sign * curve
        influence += sign * slope
    end, failed = times.days[:, -1], times.seen[:, -1]
    at_risk = n - np.searchsorted(np.sort(end), grid, side="left")
    lists = (times.changes, end[failed], end[~failed])
    counts = np.stack([at_risk, *(_count(days, grid) for days in lists)], axis=1)
    alive, _ = _kaplan_meier(end, failed, grid)
    return _Combined(grid, value, influence, alive, counts, last_day)


def _known_until(days: Floats, seen: NDArray[np.bool_]) -> float:
    """Give the day to which a Kaplan-Meier curve is known: for ever where it ends at 0."""
    last = float(days.max())
    return last if not seen[days == last].all() else math.inf


def _kaplan_meier(days: Floats, seen: NDArray[np.bool_], grid: Floats) -> tuple[Floats, Floats]:
    """Give a Kaplan-Meier curve and each participant's influence on it, on a grid of days."""
    at_risk = days.size - np.searchsorted(np.sort(days), grid, side="left")
    events = _count(days[seen], grid)
    left = at_risk - events
    stay: Floats = np.divide(left, at_risk, out=np.ones(grid.size), where=at_risk > 0)
    curve: Floats = np.cumprod(stay, dtype=np.float64)
    ok = (left > 0) & (at_risk > 0)
    jump = np.divide(1.0, left, out=np.zeros(grid.size), where=ok)
    grows: Floats = np.divide(events * jump, at_risk, out=np.zeros(grid.size), where=ok)
    drift = np.cumsum(grows)
    place = np.searchsorted(grid, days)
    steps = np.arange(grid.size)
    drifted = drift[np.minimum(steps, place[:, None])]
    own = jump[np.minimum(place, grid.size - 1)]
    jumped = np.where(seen[:, None] & (steps >= place[:, None]), own[:, None], 0.0)
    return curve, -curve * (jumped - drifted)


def _count(days: Floats, grid: Floats) -> NDArray[np.int64]:
    """Count on each day of the grid; later days are not counted."""
    place = np.searchsorted(grid, days)
    return np.bincount(place, minlength=grid.size)[: grid.size].astype(np.int64)


def _curve(combined: _Combined, confidence: float) -> Curve:
    """Give the curve; a first row says how it begins."""
    value, counts, alive = combined.value, combined.counts, combined.alive
    error = np.sqrt((combined.influence**2).sum(axis=0))
    day = combined.grid
    if day[0] > 0:
        day, value, error, alive = (
            np.concatenate(([first], rest))
            for first, rest in ((0.0, day), (1.0, value), (0.0, error), (1.0, alive))
        )
        counts = np.vstack([[combined.influence.shape[0], 0, 0, 0], counts])
    low, high = bound_probability(value, error, interval="plain", confidence=confidence)
    names = ("at_risk", "events", "competing", "censored")
    frame = pl.DataFrame(
        {
            "day": day,
            **{name: counts[:, i] for i, name in enumerate(names)},
            "event_free": alive,
            "estimate": value,
            "standard_error": error,
            "low": low,
            "high": high,
        }
    )
    return Curve(
        method=_METHOD,
        variance=_VARIANCE,
        interval="plain",
        confidence=confidence,
        n=combined.influence.shape[0],
        events=int(counts[:, 1:3].sum()),
        frame=frame,
        last_day=combined.last_day,
    )


def _mean_time(combined: _Combined, until: float, confidence: float) -> Estimate:
    """Give the area under the curve from day 0 to a day."""
    edges = np.minimum(np.concatenate(([0.0], combined.grid, [np.inf])), until)
    length = np.diff(edges)
    value = float(length[0] + (length[1:] * combined.value).sum())
    error = float(np.sqrt(((combined.influence * length[1:]).sum(axis=1) ** 2).sum()))
    half = normal_quantile(confidence) * error
    known = combined.last_day >= until or combined.alive[-1] == 0
    numbers = (value, error, max(value - half, 0.0), min(value + half, until))
    return Estimate(
        "mean time alive and well",
        *(numbers if known else (None,) * 4),
        confidence=confidence,
        interval="plain",
        n=combined.influence.shape[0],
        events=int(combined.counts[:, 1:3].sum()),
        variance=_VARIANCE,
        day=until,
        note=""
        if known
        else f"not estimable: the last observation is on day {combined.last_day:g}",
    )


def _window(
    grid: Floats, first: float, last: float, end: float
) -> tuple[NDArray[np.int64], tuple[float, float]]:
    """Give the places of the grid that stand from a first to a last day."""
    if not (0 <= first < last and math.isfinite(last)):
        raise UsageError(f"the days {first} and {last} are not in order; give 0 <= first < last")
    begin = max(int(np.searchsorted(grid, first, side="right")) - 1, 0)
    stop = int(np.searchsorted(grid, min(last, end), side="right"))
    return np.arange(begin, stop), (first, last)


def _suprema(paths: list[Floats], draws: int, seed: int) -> Floats:
    """Give the largest absolute value of each wild bootstrap path."""
    low, high = _DRAWS
    if not low <= draws <= high:
        raise UsageError(f"draws is {draws}; give {low} to {high:,}")
    stream = np.random.default_rng(seed)
    highest: list[Floats] = []
    for begin in range(0, draws, _CHUNK):
        size = min(_CHUNK, draws - begin)
        drawn = sum(stream.standard_normal((size, path.shape[0])) @ path for path in paths)
        highest.append(np.abs(drawn).max(axis=1))
    return np.concatenate(highest)


def _split(history: StateHistory, by: str) -> dict[str, StateHistory]:
    """Give the histories of each group, in sorted order."""
    parts = split_frame(history.frame, by, what="histories")
    return {label: StateHistory(part) for label, part in parts.items()}
