"""Kernels that search the days of participants for runs of counts.

A day's status is `PASS`, `FAIL`, `UNKNOWN` (a draw that is missing or tells nothing) or `UNLOGGED`
(nobody knows whether a transfusion that the rule asks about was given: no run is said to go on
over such a day, and none is said to have failed on it). Arrays are sorted by participant and day;
`offsets[p]:offsets[p + 1]` are the rows of participant `p`. Functions named `..._of` search the
rows `begin` to `end - 1` of one participant.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from stromal.core.jit import kernel
from stromal.endpoints.days_kernels import (
    FAIL,
    NONE,
    PASS,
    UNKNOWN,
    UNLOGGED,
    Days,
    Ints,
    Statuses,
)

__all__ = [
    "FAIL",
    "NONE",
    "PASS",
    "UNKNOWN",
    "UNLOGGED",
    "Found",
    "RunCode",
    "first_run",
    "first_run_of",
    "low_of",
    "room_for_found",
    "run_ending_within",
    "search_runs",
    "search_without_event",
]


class RunCode(NamedTuple):
    """A run rule, compiled: values, days from first to last, largest gap (0: none)."""

    values: int
    span: int
    gap: int


class Found(NamedTuple):
    """What a search finds, one row a participant; days from the anchor, `NONE` where there is none.

    `event`, `run_end`: first and last day of the first run, `first`, `last` its first and last row
    (-1 without). `high`: first day of the run with missing draws against it. `low`: earliest day a
    run could have begun. Where there is no event: `could`, the last day on which a run that the
    telling rows could show might have begun, and `enough`, 1 where only gaps stood against a run,
    `UNLOGGED` where days did of which transfusions are not known;
    `seen` and `stretch`, the last day with a telling count and the longest run of such days;
    `drawn`, the last day on which blood was counted.
    """

    event: Days
    run_end: Days
    first: Ints
    last: Ints
    high: Days
    low: Days
    could: Days
    enough: Statuses
    seen: Days
    stretch: Days
    drawn: Days


def room_for_found(participants: int) -> Found:
    """Make room for so many participants, nothing found."""

    def days() -> Days:
        return np.full(participants, NONE, dtype=np.int32)

    def rows() -> Ints:
        return np.full(participants, -1, dtype=np.int64)

    return Found(
        days(), days(), rows(), rows(), days(), days(), days(),
        np.zeros(participants, dtype=np.int8), days(), np.zeros(participants, dtype=np.int32),
        days(),
    )  # fmt: skip


@kernel
def first_run_of(
    day: Days,
    status: Statuses,
    begin: int,
    end: int,
    start: int,
    stop: int,
    values: int,
    span: int,
    gap: int,
    against: bool,
) -> tuple[int, int]:
    """Find the first qualifying run of one participant; see `first_run`."""
    count = 0
    first = -1
    before = 0
    first_day = 0
    for i in range(begin, end):
        if status[i] != PASS:
            if status[i] != UNKNOWN or against:
                count = 0
            continue
        today = day[i]
        if today < start:
            continue
        if count > 0 and gap > 0 and today - before > gap:
            count = 0
        if count == 0:
            if today > stop:
                break
            first = i
            first_day = today
        count += 1
        before = today
        if count >= values and today - first_day >= span:
            return first, i
    return -1, -1


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
        first[p], last[p] = first_run_of(
            day, status, offsets[p], offsets[p + 1], start[p], stop[p], run, span, gap, against
        )
    return first, last


@kernel
def low_of(
    day: Days,
    status: Statuses,
    begin: int,
    end: int,
    start: int,
    stop: int,
    span: int,
) -> int:
    """Find the earliest day a run could have begun, all days without a failing row in its favour.

    The day is the first from `start` to `stop` on which none of the days up to `span` later has a
    failing row; `NONE` where there is no such day.
    """
    candidate = start
    for i in range(begin, end):
        if status[i] != FAIL:
            continue
        today = day[i]
        if today < candidate:
            continue
        if today > candidate + span:
            break
        candidate = today + 1
    return candidate if candidate <= stop else NONE


@kernel
def _last_begin_of(
    day: Days,
    status: Statuses,
    source: Ints,
    begin: int,
    end: int,
    values: int,
    span: int,
    gap: int,
) -> tuple[int, int]:
    """Find the last day on which a run that the telling rows could show might have begun.

    Telling rows are those with a count that passes or fails: what they said is left aside, only the
    days on which they stand count. Unknown rows, and transfusions alone, are passed over; an
    unlogged row ends a run. The second answer is `UNLOGGED` where such a row stood against a run,
    else 1 where there are enough telling rows over enough days, so that only gaps did.
    """
    found = NONE
    enough = 0
    unlogged = False
    count = 0
    last_of_run = 0
    after = 0
    told = 0
    last = 0
    for i in range(end - 1, begin - 1, -1):
        if status[i] == UNLOGGED:
            count = 0
            unlogged = unlogged or told > 0 or source[i] != -1
        if source[i] == -1 or (status[i] != PASS and status[i] != FAIL):
            continue
        if told == 0:
            last = day[i]
        told += 1
        if told >= values and last - day[i] >= span:
            enough = 1
        if count > 0 and gap > 0 and after - day[i] > gap:
            count = 0
        if count == 0:
            last_of_run = day[i]
        count += 1
        after = day[i]
        if count >= values and last_of_run - day[i] >= span:
            found = day[i]
            break
    return found, UNLOGGED if unlogged and found == NONE else enough


@kernel
def _look_at(
    p: int,
    day: Days,
    status: Statuses,
    drawn: Statuses,
    source: Ints,
    begin: int,
    end: int,
    found: Found,
) -> None:
    """Note until when counts tell something, on how many days in a row, and the last draw."""
    stretch = 0
    before = NONE
    for i in range(begin, end):
        if drawn[i] == 1:
            found.drawn[p] = day[i]
        if source[i] == -1 or (status[i] != PASS and status[i] != FAIL):
            continue
        stretch = stretch + 1 if day[i] == before + 1 else 1
        before = day[i]
        found.seen[p] = day[i]
        found.stretch[p] = max(found.stretch[p], stretch)


@kernel
def search_without_event(
    p: int,
    day: Days,
    status: Statuses,
    drawn: Statuses,
    source: Ints,
    begin: int,
    end: int,
    start: int,
    stop: int,
    values: int,
    span: int,
    gap: int,
    found: Found,
) -> None:
    """Say of a participant without a run what was seen, and when one could still have begun."""
    _look_at(p, day, status, drawn, source, begin, end, found)
    complete = min(stop, found.drawn[p] - span)
    found.low[p] = low_of(day, status, begin, end, start, complete, span)
    found.could[p], found.enough[p] = _last_begin_of(
        day, status, source, begin, end, values, span, gap
    )


@kernel
def search_runs(
    offsets: Ints,
    day: Days,
    status: Statuses,
    drawn: Statuses,
    source: Ints,
    start: Days,
    stop: Days,
    code: RunCode,
    found: Found,
) -> None:
    """Search every participant's days for the first run, its bounds, and what was seen.

    `source` is -1 on days without a count. Fills `found`; see `Found` and `first_run`.
    """
    values, span, gap = code
    for p in range(offsets.size - 1):
        begin, end = offsets[p], offsets[p + 1]
        first, last = first_run_of(
            day, status, begin, end, start[p], stop[p], values, span, gap, False
        )
        if first < 0:
            search_without_event(
                p, day, status, drawn, source, begin, end, start[p], stop[p], values, span, gap,
                found,
            )  # fmt: skip
            continue
        found.first[p] = first
        found.last[p] = last
        found.event[p] = day[first]
        found.run_end[p] = day[last]
        found.low[p] = low_of(day, status, begin, end, start[p], stop[p], span)
        high, _ = first_run_of(day, status, begin, end, start[p], stop[p], values, span, gap, True)
        if high >= 0:
            found.high[p] = day[high]


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
