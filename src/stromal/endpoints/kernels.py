"""Kernels over series of (day, status), one slice of the arrays a participant.

Arrays are sorted by participant and day; `offsets[p]:offsets[p + 1]` are the rows of participant
`p`. A status is `PASS`, `FAIL`, `UNKNOWN` (a draw that is missing or tells nothing) or `UNLOGGED`
(nobody knows whether a transfusion that the rule asks about was given: no run is said to go on
over such a day, and none is said to have failed on it).
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from stromal.core.jit import kernel

__all__ = [
    "FAIL",
    "NONE",
    "PASS",
    "UNKNOWN",
    "UNLOGGED",
    "earliest_possible",
    "find_nadir",
    "first_run",
    "last_begin",
    "run_ending_within",
]

FAIL, PASS, UNKNOWN, UNLOGGED = 0, 1, 2, 3
NONE = -1_000_000

Ints: TypeAlias = npt.NDArray[np.int64]
Days: TypeAlias = npt.NDArray[np.int32]
Statuses: TypeAlias = npt.NDArray[np.int8]
Values: TypeAlias = npt.NDArray[np.float64]


@kernel
def first_run(
    offsets: Ints,
    day: Days,
    status: Statuses,
    start: Days,
    stop: Days,
    run: int,
    span: int,
    gap: int,
    against: bool,
) -> tuple[Ints, Ints]:
    """Find each participant's first qualifying run.

    1. Rows before `start` are passed over; a run begins at the latest on `stop`.
    2. A failing or unlogged row ends a run. An unknown row is passed over, or (`against`) ends it
       too.
    3. With `gap` > 0 a row more than `gap` days after the one before it begins a new run.
    4. A run qualifies at its first row with at least `run` passing rows and `span` days.

    Returns
    -------
    tuple of arrays
        Index of the first and of the last row of the run; -1 where there is none.
    """
    participants = offsets.size - 1
    first = np.full(participants, -1, dtype=np.int64)
    last = np.full(participants, -1, dtype=np.int64)
    for p in range(participants):
        count = 0
        begin = -1
        before = -1
        for i in range(offsets[p], offsets[p + 1]):
            if day[i] < start[p]:
                continue
            if status[i] == UNKNOWN and not against:
                continue
            if status[i] != PASS:
                count = 0
                continue
            if count > 0 and gap > 0 and day[i] - day[before] > gap:
                count = 0
            if count == 0:
                if day[i] > stop[p]:
                    break
                begin = i
            count += 1
            before = i
            if count >= run and day[i] - day[begin] >= span:
                first[p] = begin
                last[p] = i
                break
    return first, last


@kernel
def earliest_possible(
    offsets: Ints, day: Days, status: Statuses, start: Days, stop: Days, span: int
) -> Days:
    """Find the earliest day a run could have begun, every day without a failing row in its favour.

    The day is the first from `start` to `stop` on which none of the days up to `span` later has a
    failing row; `NONE` where there is no such day.
    """
    participants = offsets.size - 1
    found = np.full(participants, NONE, dtype=np.int32)
    for p in range(participants):
        candidate = start[p]
        for i in range(offsets[p], offsets[p + 1]):
            if status[i] != FAIL or day[i] < candidate:
                continue
            if day[i] > candidate + span:
                break
            candidate = day[i] + 1
        if candidate <= stop[p]:
            found[p] = candidate
    return found


@kernel
def last_begin(
    offsets: Ints, day: Days, status: Statuses, run: int, span: int, gap: int
) -> tuple[Days, Ints]:
    """Find the last day on which a run that the telling rows could show might have begun.

    Telling rows are the passing and the failing ones: what they said is left aside, only the days
    on which they stand count. Unknown rows are passed over; an unlogged row ends a run.

    Returns
    -------
    tuple of arrays
        The day, `NONE` where the rows could show no run; and 1 where there are `run` telling rows
        and `span` days from the first to the last of them, so that only gaps stood against a run.
    """
    participants = offsets.size - 1
    found = np.full(participants, NONE, dtype=np.int32)
    enough = np.zeros(participants, dtype=np.int64)
    for p in range(participants):
        count = 0
        end = 0
        after = 0
        told = 0
        last = 0
        for i in range(offsets[p + 1] - 1, offsets[p] - 1, -1):
            if status[i] == UNLOGGED:
                count = 0
            if status[i] != PASS and status[i] != FAIL:
                continue
            if told == 0:
                last = day[i]
            told += 1
            if told >= run and last - day[i] >= span:
                enough[p] = 1
            if count > 0 and gap > 0 and after - day[i] > gap:
                count = 0
            if count == 0:
                end = day[i]
            count += 1
            after = day[i]
            if count >= run and end - day[i] >= span:
                found[p] = day[i]
                break
    return found, enough


@kernel
def find_nadir(
    offsets: Ints,
    day: Days,
    height: Values,
    below: Statuses,
    run: int,
    within: int,
) -> tuple[Ints, Ints]:
    """Find each participant's nadir: the last of the lowest counts of days 0 to `within`.

    `height` is the count (NaN where the row has none); `below` is 1 under the threshold, 0 at or
    above it. Where `run` counts under the threshold were already followed by `run` counts in a row
    at or above it, what falls afterwards is a loss after recovery: the nadir is then sought before
    those counts only.

    Returns
    -------
    tuple of arrays
        Index of the nadir's row, -1 where no count stands in the days searched; and index of the
        row where the search stopped early, -1 where it did not.
    """
    participants = offsets.size - 1
    nadir = np.full(participants, -1, dtype=np.int64)
    limit = np.full(participants, -1, dtype=np.int64)
    for p in range(participants):
        under = 0
        over = 0
        begin = -1
        for i in range(offsets[p], offsets[p + 1]):
            if day[i] < 0 or np.isnan(height[i]):
                continue
            if below[i] == 1:
                under += 1
                over = 0
            else:
                if over == 0:
                    begin = i
                over += 1
                if over >= run and under >= run:
                    limit[p] = begin
                    break
        lowest = np.inf
        for i in range(offsets[p], offsets[p + 1]):
            if day[i] < 0 or np.isnan(height[i]):
                continue
            if day[i] > within or (limit[p] >= 0 and i >= limit[p]):
                break
            if height[i] <= lowest:
                lowest = height[i]
                nadir[p] = i
    return nadir, limit


@kernel
def run_ending_within(
    offsets: Ints,
    day: Days,
    status: Statuses,
    low: Days,
    high: Days,
    run: int,
    span: int,
    gap: int,
) -> tuple[Ints, Ints, Ints]:
    """Find the last qualifying run whose last row lies on the days `low` to `high`.

    Rows after `high` are not read. The run is counted back from its last row to its first.

    Returns
    -------
    tuple of arrays
        Index of the first and of the last row of the run, -1 where there is none; and 1 where the
        rows leave open that one exists (no failing row on the days `span` up to some day of the
        window), 0 where they exclude it.
    """
    participants = offsets.size - 1
    first = np.full(participants, -1, dtype=np.int64)
    last = np.full(participants, -1, dtype=np.int64)
    possible = np.zeros(participants, dtype=np.int64)
    for p in range(participants):
        count = 0
        begin = -1
        before = -1
        end = low[p]
        for i in range(offsets[p], offsets[p + 1]):
            if day[i] > high[p]:
                break
            if status[i] == FAIL:
                count = 0
                if end - span <= day[i] <= end:
                    end = day[i] + span + 1
                continue
            if status[i] == UNLOGGED:
                count = 0
            if status[i] != PASS:
                continue
            if count > 0 and gap > 0 and day[i] - day[before] > gap:
                count = 0
            if count == 0:
                begin = i
            count += 1
            before = i
            if count >= run and day[i] - day[begin] >= span and day[i] >= low[p]:
                first[p] = begin
                last[p] = i
        possible[p] = 1 if end <= high[p] else 0
    return first, last, possible
