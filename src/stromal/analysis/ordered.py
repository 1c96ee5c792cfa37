"""Times to an event as the arrays that the kernels read, sorted by day."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from stromal.analysis.intervals import Floats
from stromal.analysis.survival_kernels import CENSORED, COMPETING, EVENT, Codes
from stromal.core import UsageError
from stromal.endpoints.outcome import TIME_STATUSES, TimeToEvent

__all__ = [
    "Grouped",
    "group_times",
    "order_times",
    "split_outcomes",
]

_TIE = 1e-8


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
    """

    day: Floats
    status: Codes
    group: Codes
    starts: Codes
    labels: tuple[str, ...]


def order_times(outcomes: TimeToEvent) -> tuple[Floats, Codes]:
    """Give days and coded statuses, sorted by day.

    Days that differ by less than 1e-8 of the mean day are one day: an event after 0.1 + 0.2 days
    and one after 0.3 days are tied, whatever the last digit of a floating number says.

    Raises
    ------
    UsageError
        A day is not a finite number, or a status is missing.
    """
    day, status = _columns(outcomes.frame)
    order = np.argsort(day, kind="stable")
    return _join_ties(day[order]), status[order]


def group_times(outcomes: TimeToEvent, *, by: str, strata: tuple[str, ...]) -> Grouped:
    """Give the arrays of a comparison between the groups of the column `by`.

    Ties are joined over all participants, so that groups and strata share their days.

    Raises
    ------
    UsageError
        A column is not there or has missing values, a day is not a finite number.
    """
    frame = outcomes.frame
    for column in (by, *strata):
        _check_column(frame, column)
    day, status = _columns(frame)
    labels, group = _code(frame.select(by))
    segment = _code(frame.select(strata))[1] if strata else np.zeros(day.size, dtype=np.int64)
    order = np.argsort(day, kind="stable")
    day[order] = _join_ties(day[order])
    order = np.lexsort((day, segment))
    sizes = np.bincount(segment) if day.size else np.zeros(1, dtype=np.int64)
    starts = np.concatenate(([0], np.cumsum(sizes))).astype(np.int64)
    return Grouped(day[order], status[order], group[order], starts, labels)


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
    if frame[column].is_null().any():
        raise UsageError(
            f"{frame[column].null_count()} participants have no {column!r}; "
            "leave them out of the analysis set or say to which they belong"
        )


def _columns(frame: pl.DataFrame) -> tuple[Floats, Codes]:
    """Give days and coded statuses as arrays of their own, in the order of the frame."""
    day = frame["day"].cast(pl.Float64).to_numpy().astype(np.float64, copy=True)
    if not np.isfinite(day).all():
        raise UsageError("a time to an event is not a finite number; every day needs a value")
    if frame["status"].is_null().any():
        raise UsageError(f"a status is missing; give one of {', '.join(TIME_STATUSES)}")
    words = {"censored": CENSORED, "event": EVENT, "competing": COMPETING}
    status = frame["status"].cast(pl.String).replace_strict(words, return_dtype=pl.Int64)
    return day, status.to_numpy().astype(np.int64)


def _join_ties(day: Floats) -> Floats:
    """Give each run of nearly equal sorted days the first of them."""
    if day.size < 2:
        return day
    new = np.concatenate(([True], np.diff(day) > _TIE * day.mean()))
    return day[np.flatnonzero(new)[np.cumsum(new) - 1]]


def _code(columns: pl.DataFrame) -> tuple[tuple[str, ...], Codes]:
    """Give the distinct rows, in sorted order, labels and numbers."""
    levels = columns.unique().sort(columns.columns)
    codes = columns.join(
        levels.with_row_index("__code__"), on=columns.columns, how="left", maintain_order="left"
    )["__code__"]
    labels = tuple(", ".join(str(value) for value in row) for row in levels.rows())
    return labels, codes.to_numpy().astype(np.int64)
