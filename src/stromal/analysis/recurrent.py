"""Events that recur: how many a participant has by a day, on average, when death ends them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from stromal.analysis.differences import split_frame, subtract_each
from stromal.analysis.distributions import check_confidence, chi_square_tail, normal_quantile
from stromal.analysis.estimate import (
    Comparison,
    Contrast,
    Curve,
    estimate_at,
    tabulate_curve,
)
from stromal.analysis.intervals import Floats
from stromal.analysis.recurrent_kernels import count_periods, follow_mean, sum_influence
from stromal.analysis.survival_kernels import CENSORED, COMPETING, EVENT, Codes
from stromal.core import UsageError
from stromal.endpoints.outcome import CountingProcess

__all__ = [
    "MeanVariance",
    "Terminal",
    "compare_mean_curves",
    "compare_mean_events",
    "estimate_mean_events",
]

Terminal = Literal["ghosh-lin", "none"]
MeanVariance = Literal["infinitesimal jackknife", "Ghosh-Lin"]

_METHODS = {"ghosh-lin": "Ghosh-Lin mean number of events", "none": "mean cumulative function"}
_MEASURE = "difference of mean numbers of events"
_DIFFERENCE = "Wald test of mean numbers of events"
_TEST = "log-rank-type test of mean numbers of events"
_TIE = 1e-8
_CODES = {"censored": CENSORED, "event": EVENT, "competing": COMPETING}


def estimate_mean_events(
    process: CountingProcess,
    *,
    terminal: Terminal,
    confidence: float,
    variance: MeanVariance = "infinitesimal jackknife",
) -> Curve:
    """Estimate the mean number of events of a participant by each day.

    1. On a day u with d events among Y under observation the mean grows by S(u-) d / Y, with S the
       Kaplan-Meier probability to be free of the terminal event (Ghosh and Lin 2000). Who has died
       has no more events, and is not taken for censored.
    2. `terminal="none"` is the mean cumulative function, sum of d / Y, of processes that nothing
       ends; a terminal event is then refused.
    3. The variance is the sum over participants of their squared influence. `infinitesimal
       jackknife` is the derivative of the estimate by each participant's weight: without terminal
       events the robust variance of the mean cumulative function, without censoring that of a mean
       of counts. `Ghosh-Lin` is as published: Y stands in place of Y - t on days with t terminal
       events. They differ by the order of 1/n, only with terminal events.
    4. The limits are those of log mean, mean * exp(+-z se / mean). They are not defined before the
       first event.
    5. An event and a participant's terminal event cannot share a day, and several events of one
       day are one, since periods have a length: count days with an event, or give them fractions.

    Parameters
    ----------
    process
        Periods of one group; `competing` is the terminal event. Entry after day 0 and gaps are
        allowed: who is not observed is not at risk, which supposes that who is away, or not yet
        there, has events as those who are observed.
    terminal
        What ends the process; no default, for it is what the number means.
    confidence
        Coverage of the limits, such as 0.95.
    variance
        As above.

    Returns
    -------
    Curve
        `estimate` is a mean number, not a probability; `events` counts all events of all
        participants, `competing` terminal ones, `censored` the periods that end in nothing where no
        other follows at once, `event_free` is S.

    Raises
    ------
    UsageError
        There are terminal events and `terminal` is `none`, there are case weights, or the
        confidence or a word is unknown.

    References
    ----------
    Ghosh and Lin (2000); Lawless and Nadeau (1995).
    """
    check_confidence(confidence)
    _check_words(process, terminal, variance)
    periods = _arrange(process.frame)
    counts, mean, alive = _follow(periods)
    squares = _squares(periods, counts, alive, np.ones(mean.size), variance)
    error = np.sqrt(squares)
    low, high = _bounds(mean, error, confidence)
    columns = {"event_free": alive, "estimate": mean, "standard_error": error}
    return Curve(
        method=_METHODS[terminal],
        variance=variance,
        interval="log",
        confidence=confidence,
        n=process.frame["participant_id"].n_unique(),
        events=int(counts[:, 1].sum()),
        frame=tabulate_curve(periods.grid, counts, {**columns, "low": low, "high": high}),
        last_day=float(periods.grid[-1]) if periods.grid.size else None,
    )


def compare_mean_events(
    process: CountingProcess,
    *,
    by: str = "arm",
    days: tuple[float, ...],
    terminal: Terminal,
    confidence: float,
    reference: str | None = None,
) -> list[Contrast]:
    """Compare the mean numbers of events of groups on given days.

    1. The means and their infinitesimal jackknife variances are those of `estimate_mean_events`.
    2. The difference is normal, with the sum of the variances; the p is Wald's, of no difference.
    3. Where a group is not observed until the day, or nothing varies, numbers are `None`.

    Parameters
    ----------
    process
        Periods with the column `by`, one value a participant.
    by
        Column of the groups.
    days
        Days of the comparison. They have no default: the protocol names them.
    terminal, confidence
        As in `estimate_mean_events`.
    reference
        The group that every other is compared with; the first in sorted order without one.

    Returns
    -------
    list of Contrast
        Other group minus reference, by group and then by day.

    Raises
    ------
    UsageError
        There are fewer than two groups, a participant stands in two, `reference` is none of them,
        or as in `estimate_mean_events`.

    References
    ----------
    Ghosh and Lin (2000).
    """
    read = {
        label: estimate_at(
            estimate_mean_events(part, terminal=terminal, confidence=confidence), days
        )
        for label, part in _split(process, by).items()
    }
    return subtract_each(_MEASURE, read, reference, test=_DIFFERENCE)


def compare_mean_curves(
    process: CountingProcess, *, by: str = "arm", until: float, terminal: Terminal
) -> Comparison:
    """Compare the mean numbers of events of two groups over all days to a last one.

    1. The score is the sum to day `until` of W (dm1 - dm2), with m the two means of
       `estimate_mean_events` and W = Y1 Y2 / (Y1 + Y2) of those under observation.
    2. Its variance is the sum over all participants of their squared influence on it
       (infinitesimal jackknife); chi-square has one degree of freedom.
    3. Without terminal events the score is the log-rank numerator of events that recur, with a
       robust variance. With them it compares the means, death included: an arm in which more die
       early may have fewer events for that alone, so report survival beside it.

    Parameters
    ----------
    process, by, terminal
        As in `compare_mean_events`; two groups.
    until
        Last day that counts.

    Raises
    ------
    UsageError
        There are not two groups, `until` is not positive, or as in `estimate_mean_events`.

    References
    ----------
    Ghosh and Lin (2000); Lawless and Nadeau (1995).
    """
    if not (until > 0 and math.isfinite(until)):
        raise UsageError(f"until is {until}; give a positive number of days from the anchor")
    parts = _split(process, by)
    if len(parts) != 2:
        raise UsageError(
            f"column {by!r} has the groups {', '.join(parts)}; this test compares two: choose a "
            "pair, or compare means on a day"
        )
    _check_words(process, terminal, "infinitesimal jackknife")
    grid = _arrange(process.frame).grid
    arranged = [_arrange(part.frame, grid) for part in parts.values()]
    followed = [_follow(periods) for periods in arranged]
    y1, y2 = (counts[:, 0].astype(np.float64) for counts, _, _ in followed)
    both = y1 + y2
    weight = np.divide(y1 * y2, both, out=np.zeros_like(both), where=both > 0) * (grid <= until)
    growth = [np.diff(mean, prepend=0.0) for _, mean, _ in followed]
    score = float((weight * (growth[0] - growth[1])).sum())
    spread = sum(
        float(_squares(periods, counts, alive, weight, "infinitesimal jackknife")[-1])
        for periods, (counts, _, alive) in zip(arranged, followed, strict=True)
    )
    return _tested(parts, followed, score, spread, grid <= until)


@dataclass(frozen=True)
class _Periods:
    """Periods on a grid of days, sorted by participant and start."""

    grid: Floats
    first: Codes
    last: Codes
    status: Codes
    who: Codes


def _arrange(frame: pl.DataFrame, grid: Floats | None = None) -> _Periods:
    """Put periods on the grid of the distinct days on which one ends (ties joined)."""
    ordered = frame.sort("participant_id", "start")
    start, stop = (ordered[name].cast(pl.Float64).to_numpy() for name in ("start", "stop"))
    if grid is None:
        days = np.unique(stop)
        new = np.concatenate(([True], np.diff(days) > _TIE * days.mean())) if days.size else days
        grid = days[new.astype(bool)]
    slack = _TIE * float(grid.mean()) if grid.size else 0.0
    return _Periods(
        grid=grid,
        first=np.searchsorted(grid, start + slack, side="right").astype(np.int64),
        last=(np.searchsorted(grid, stop + slack, side="right") - 1).astype(np.int64),
        status=ordered["status"].replace_strict(_CODES, return_dtype=pl.Int64).to_numpy(),
        who=(ordered["participant_id"].rle_id().cast(pl.Int64)).to_numpy(),
    )


def _follow(periods: _Periods) -> tuple[Codes, Floats, Floats]:
    """Give the counts of each day, the mean and the survival."""
    counts = count_periods(periods.first, periods.last, periods.status, periods.grid.size)
    mean, alive = follow_mean(counts)
    return counts, mean, alive


def _squares(
    periods: _Periods, counts: Codes, alive: Floats, weight: Floats, variance: MeanVariance
) -> Floats:
    """Give the sum of squared influences on each day."""
    return sum_influence(
        periods.first,
        periods.last,
        periods.status,
        periods.who,
        counts,
        alive,
        weight,
        variance == "infinitesimal jackknife",
    )


def _bounds(mean: Floats, error: Floats, confidence: float) -> tuple[Floats, Floats]:
    """Give the limits on the log scale; NaN where the mean is 0."""
    with np.errstate(divide="ignore", invalid="ignore"):
        factor = np.where(mean > 0, np.exp(normal_quantile(confidence) * error / mean), np.nan)
    return mean / factor, mean * factor


def _check_words(process: CountingProcess, terminal: str, variance: str) -> None:
    """Refuse unknown words, weights, and terminal events that would be taken for censoring."""
    if terminal not in _METHODS:
        raise UsageError(f"terminal is {terminal!r}; choose `ghosh-lin` or `none`")
    if variance not in {"infinitesimal jackknife", "Ghosh-Lin"}:
        raise UsageError(
            f"variance is {variance!r}; choose `infinitesimal jackknife` or `Ghosh-Lin`"
        )
    if "case_weight" in process.frame.columns:
        raise UsageError(
            "a mean number of events takes no case weights; give the periods without them"
        )
    ended = int((process.frame["status"] == "competing").sum())
    if terminal == "none" and ended:
        raise UsageError(
            f"{ended} terminal events are not censoring: the mean cumulative function would "
            "count the events of the dead as if they lived on; use terminal='ghosh-lin'"
        )


def _split(process: CountingProcess, by: str) -> dict[str, CountingProcess]:
    """Give the periods of each group, in sorted order."""
    parts = split_frame(process.frame, by, what="periods")
    return {label: CountingProcess(part) for label, part in parts.items()}


def _tested(
    parts: dict[str, CountingProcess],
    followed: list[tuple[Codes, Floats, Floats]],
    score: float,
    spread: float,
    counted: NDArray[np.bool_],
) -> Comparison:
    """Give the test of two curves."""
    rows = [
        {
            "group": label,
            "n": part.frame["participant_id"].n_unique(),
            "events": int(counts[counted, 1].sum()),
            "mean": float(mean[counted][-1]) if counted.any() else 0.0,
        }
        for (label, part), (counts, mean, _) in zip(parts.items(), followed, strict=True)
    ]
    groups = pl.DataFrame(rows)
    if spread <= 0:
        note = "not computable: nothing varies while both groups are under observation"
        return Comparison(_TEST, None, None, None, groups, note)
    statistic = score**2 / spread
    note = "weight Y1 Y2 / (Y1 + Y2); infinitesimal jackknife variance"
    return Comparison(_TEST, statistic, 1, chi_square_tail(statistic, 1), groups, note)
