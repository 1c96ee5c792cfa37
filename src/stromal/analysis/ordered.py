"""Times to an event as the arrays that the kernels read, sorted by day."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from stromal.analysis.frames import count_missing
from stromal.analysis.intervals import Floats
from stromal.analysis.sort_kernels import join_ties, order_of
from stromal.analysis.survival_kernels import CENSORED, COMPETING, EVENT, Codes
from stromal.core import UsageError
from stromal.endpoints.outcome import TimeToEvent

__all__ = [
    "Grouped",
    "Ordered",
    "cause_words",
    "code_status",
    "days_as_keys",
    "group_times",
    "order_times",
    "split_outcomes",
]


_FEW = 8  # levels that are compared one by one sooner than looked up


@dataclass(frozen=True)
class Ordered:
    """Participants of one group, sorted by day.

    Parameters
    ----------
    day, status
        One element a participant.
    late
        Days of entry, sorted; none where everybody is at risk from the beginning.
    entry, weight
        Of each participant, in the order of `day`; -1 and 1 where the outcomes have none.
    """

    day: Floats
    status: Codes
    late: Floats
    entry: Floats
    weight: Floats


@dataclass(frozen=True)
class Grouped:
    """Participants of several groups, sorted by stratum and day.

    Parameters
    ----------
    day, status, group
        One element a participant; `group` counts from 0.
    starts
        Where each stratum begins, and the number of participants at the end.
    labels
        The groups, in sorted order.
    late
        Days of entry and groups, sorted by stratum and entry, and where each stratum begins; none
        where everybody is at risk from the beginning.
    """

    day: Floats
    status: Codes
    group: Codes
    starts: Codes
    labels: tuple[str, ...]
    late: tuple[Floats, Codes, Codes]


def order_times(outcomes: TimeToEvent, *, of: str = "event") -> Ordered:
    """Give days, coded statuses, entries and weights, sorted by day.

    Days that differ by less than 1e-8 of the mean day are one day: an event after 0.1 + 0.2 days
    and one after 0.3 days are tied, whatever the last digit of a floating number says. The same
    holds of a day and a day of entry.

    Raises
    ------
    UsageError
        The cause is not known, or a participant enters so shortly before the day that they are
        one.
    """
    frame = outcomes.frame
    status = code_status(frame, of)
    day, order, entry, late = _sorted_days(frame)
    weight = np.ones(day.size)
    if "case_weight" in frame.columns:
        weight = frame["case_weight"].cast(pl.Float64).to_numpy()[order]
    return Ordered(day, status[order], late, entry, weight)


def group_times(
    outcomes: TimeToEvent, *, by: str, strata: tuple[str, ...], of: str = "event"
) -> Grouped:
    """Give the arrays of a comparison between the groups of the column `by`.

    Ties are joined over all participants, so that groups and strata share their days.

    Raises
    ------
    UsageError
        A column is not there or has missing values, or as in `order_times`.
    """
    frame = outcomes.frame
    for column in (by, *strata):
        _check_column(frame, column)
    status = code_status(frame, of)
    day, order, entry, late = _sorted_days(frame)
    labels, group = _code(frame.select(by))
    if not strata and not late.size:
        nobody = (late, np.empty(0, np.int64), np.zeros(2, np.int64))
        return Grouped(day, status[order], group[order], np.array([0, day.size]), labels, nobody)
    group, status = group[order], status[order]
    combined, segment = (
        _code(frame.select(strata)) if strata else (("",), np.zeros(day.size, dtype=np.int64))
    )
    segment, segments = segment[order], max(len(combined), 1)
    places = order_of(segment.copy())
    starts = _starts(segment, segments)
    enter = np.empty(0, dtype=np.int64)
    if late.size:
        enter = order_of(days_as_keys(entry))
        enter = enter[order_of(segment[enter])]
    entered = (entry[enter], group[enter], _starts(segment[enter], segments))
    return Grouped(day[places], status[places], group[places], starts, labels, entered)


def code_status(frame: pl.DataFrame, of: str) -> Codes:
    """Give each status as a code of the kernels, `of` being the event.

    `event` and `competing` are the words of the column `status`; another word is one of its causes,
    and all other causes compete with it.

    Raises
    ------
    UsageError
        The cause is not among those of the outcomes.
    """
    if of in {"event", "competing"}:
        other = "competing" if of == "event" else "event"
        chosen, against = frame["status"] == of, frame["status"] == other
    else:
        words = cause_words(frame)
        known = sorted(str(word) for word in words.drop_nulls().unique())
        if of not in known:
            raise UsageError(
                f"cause {of!r} is not known; choose event, competing"
                + (f" or one of the causes {', '.join(known)}" if known else "")
            )
        chosen = (words == of).fill_null(value=False)
        against = words.is_not_null() & ~chosen
    codes = np.where(chosen.to_numpy(), EVENT, CENSORED)
    return np.where(against.to_numpy(), COMPETING, codes) if against.any() else codes


def cause_words(frame: pl.DataFrame) -> pl.Series:
    """Give what happened to each participant: the cause, the status where it has none, or null."""
    happened = pl.col("status").cast(pl.String) != "censored"
    word = pl.col("status").cast(pl.String)
    if "cause" in frame.columns:
        word = pl.coalesce(pl.col("cause").cast(pl.String), word)
    return frame.select(pl.when(happened).then(word).alias("cause"))["cause"]


def days_as_keys(day: Floats) -> Codes:
    """Give whole numbers in the order of days that are not negative: the days, or their bits."""
    if (day < 2**53).all():
        whole = day.astype(np.int64)
        if (whole == day).all():
            return whole
    return (day + 0.0).view(np.int64)  # no sign on a zero


def split_outcomes(outcomes: TimeToEvent, *, by: str = "arm") -> dict[str, TimeToEvent]:
    """Give the outcomes of each group of the column `by`, in sorted order of the groups.

    Raises
    ------
    UsageError
        The column is not there or has missing values.
    """
    _check_column(outcomes.frame, by)
    parts = outcomes.frame.sort(by, maintain_order=True).partition_by(by, maintain_order=True)
    return {str(part[by][0]): TimeToEvent(part) for part in parts}


def _check_column(frame: pl.DataFrame, column: str) -> None:
    """Refuse a grouping column that is not there, or not for everybody."""
    if column not in frame.columns:
        raise UsageError(f"times to an event have no column {column!r} to compare by")
    if frame[column].dtype.is_nested():
        raise UsageError(f"column {column!r} holds lists; groups are one value a participant")
    missing = count_missing(frame[column])
    if missing:
        raise UsageError(
            f"{missing} participants have no {column!r}; "
            "leave them out of the analysis set or say to which they belong"
        )


def _sorted_days(frame: pl.DataFrame) -> tuple[Floats, Codes, Floats, Floats]:
    """Give joined days, the places they come from, and entries in that order and sorted."""
    day = frame["day"].cast(pl.Float64).to_numpy()
    order = order_of(days_as_keys(day))
    day = day[order]
    if "entry" not in frame.columns:
        join_ties(day, np.empty(0))
        return day, order, np.full(day.size, -1.0), np.empty(0)
    entry = np.maximum(frame["entry"].cast(pl.Float64).to_numpy()[order], 0.0)
    enter = order_of(days_as_keys(entry))
    late = entry[enter]
    join_ties(day, late)
    entry[enter] = late
    if (entry >= day).any():
        raise UsageError(
            "an entry is so near to its day that they are one: nobody is under observation for no "
            "time; leave such participants out"
        )
    return day, order, entry, late


def _starts(segment: Codes, segments: int) -> Codes:
    """Give where each segment begins once sorted, and the number of all."""
    sizes = np.bincount(segment, minlength=segments)
    return np.concatenate(([0], np.cumsum(sizes))).astype(np.int64)


def _code(columns: pl.DataFrame) -> tuple[tuple[str, ...], Codes]:
    """Give the distinct rows, in sorted order, labels and numbers."""
    if columns.width == 1:
        column = columns.to_series()
        distinct = column.unique().sort()
        if distinct.len() <= _FEW:
            codes = np.zeros(column.len(), dtype=np.int64)
            for number in range(1, distinct.len()):
                codes += number * (column == distinct[number]).to_numpy()
            return tuple(str(value) for value in distinct), codes
    levels = columns.unique().sort(columns.columns)
    codes = columns.join(
        levels.with_row_index("__code__"), on=columns.columns, how="left", maintain_order="left"
    )["__code__"]
    labels = tuple(", ".join(str(value) for value in row) for row in levels.rows())
    return labels, codes.to_numpy().astype(np.int64)
