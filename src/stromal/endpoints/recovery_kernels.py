"""The kernel of recovery: counts and transfusions in, the day of recovery out, in one pass.

One participant at a time: the days are put together in a small scratch area, then searched, so that
counts are read from memory once. Where nothing but exact counts is recorded (no transfusion, no
missing draw, no hole) the scratch area holds the verdicts only.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from stromal.core.jit import kernel
from stromal.endpoints.days_kernels import (
    NONE,
    PASS,
    Bounds,
    Counts,
    DayList,
    Days,
    Ints,
    Others,
    Room,
    Statuses,
    Values,
    fill_days,
)
from stromal.endpoints.kernels import (
    Found,
    RunCode,
    first_run_of,
    low_of,
    search_without_event,
)

__all__ = ["NO_START", "Nadirs", "find_nadirs", "nadir_of", "recover_all", "room_for_nadirs"]

NO_START = 2_000_000
"""A first day that no run can have: participants who are not searched."""


class Nadirs(NamedTuple):
    """Each participant's nadir: its day (`NONE` without), its count, 1 where that fails the rule.

    `gap`: of those whose nadir is not below, the most days in a row without a count of the days
    searched; `counted`: their last day with a count; `transfused`: 1 where the product of the rule
    was given on a day searched.
    """

    day: Days
    height: Values
    below: Statuses
    gap: Days
    counted: Days
    transfused: Statuses


def room_for_nadirs(participants: int) -> Nadirs:
    """Make room for so many participants, without nadir."""
    return Nadirs(
        np.full(participants, NONE, dtype=np.int32),
        np.full(participants, np.nan),
        np.zeros(participants, dtype=np.int8),
        np.zeros(participants, dtype=np.int32),
        np.full(participants, NONE, dtype=np.int32),
        np.zeros(participants, dtype=np.int8),
    )


@kernel
def nadir_of(
    day: Days,
    base: int,
    shift: int,
    height: Values,
    height_base: int,
    below: Statuses,
    begin: int,
    end: int,
    run: int,
    within: int,
) -> int:
    """Find one participant's nadir: the row of the last of the lowest counts up to `within`.

    Where `run` counts under the threshold were followed by `run` counts in a row at or above it,
    what falls afterwards is a loss after recovery, and is not looked at. -1 without a count.
    """
    under = 0
    over = 0
    nadir = -1
    lowest = np.inf
    for i in range(begin, end):
        if day[base + i] - shift > within:
            break
        value = height[height_base + i]
        if np.isnan(value):
            continue
        if below[i] == 1:
            under += 1
            over = 0
        else:
            over += 1
            if over >= run and under >= run:
                break
        if value <= lowest:
            lowest = value
            nadir = i
    return nadir


@kernel
def find_nadirs(
    offsets: Ints, day: Days, height: Values, below: Statuses, run: int, within: int
) -> Ints:
    """Find the row of each participant's nadir in sorted days; see `nadir_of`."""
    nadir = np.full(offsets.size - 1, -1, dtype=np.int64)
    for p in range(offsets.size - 1):
        nadir[p] = nadir_of(day, 0, 0, height, 0, below, offsets[p], offsets[p + 1], run, within)
    return nadir


@kernel
def _never_below(
    p: int,
    anchor: int,
    day: Days,
    height: Values,
    rows: int,
    within: int,
    given: DayList,
    nadirs: Nadirs,
) -> None:
    """Note how close the counts lie that never fell, and whether a transfusion was given."""
    before = -1
    gap = 0
    for i in range(rows):
        if np.isnan(height[i]):
            continue
        nadirs.counted[p] = day[i]
        if day[i] <= within:
            gap = max(gap, day[i] - before - 1)
            before = day[i]
    nadirs.gap[p] = max(gap, within - before)
    for g in range(given.offsets[p], given.offsets[p + 1]):
        if 0 <= given.day[g] - anchor <= within:
            nadirs.transfused[p] = 1


@kernel
def _is_plain(p: int, others: Others, planned: DayList, given: DayList, unlogged: DayList) -> bool:
    """Say whether nothing but counts stands in one participant's days."""
    return (
        others.offsets[p] == others.offsets[p + 1]
        and planned.offsets[p] == planned.offsets[p + 1]
        and given.offsets[p] == given.offsets[p + 1]
        and unlogged.offsets[p] == unlogged.offsets[p + 1]
    )


@kernel
def _recover_plain(
    p: int,
    anchor: int,
    last: int,
    counts: Counts,
    bounds: Bounds,
    code: RunCode,
    within: int,
    run: int,
    stop: int,
    room: Room,
    found: Found,
    nadirs: Nadirs,
) -> bool:
    """Search exact counts where they stand; say whether they gave an event."""
    base, top = counts.offsets[p], counts.offsets[p + 1]
    while base < top and counts.day[base] < anchor:
        base += 1
    while top > base and counts.day[top - 1] - anchor > last:
        top -= 1
    rows = top - base
    for i in range(rows):
        value = counts.low[base + i]
        passes = value > bounds.lower or (value == bounds.lower and not bounds.lower_strict)
        room.status[i] = passes
        room.below[i] = not passes
    start = 0
    begin = 0
    if within >= 0:
        nadir = nadir_of(
            counts.day, base, anchor, counts.low, base, room.below, 0, rows, run, within
        )
        if nadir < 0 or room.below[nadir] == 0:
            return False
        nadirs.day[p] = counts.day[base + nadir] - anchor
        nadirs.height[p] = counts.low[base + nadir]
        nadirs.below[p] = 1
        start = nadirs.day[p] + 1
        begin = nadir + 1
    first, end = first_run_of(
        counts.day, base, anchor, room.status, begin, rows, start, stop, code, False
    )
    if first < 0:
        return False
    found.first[p] = base + first
    found.last[p] = base + end
    found.event[p] = counts.day[base + first] - anchor
    found.run_end[p] = counts.day[base + end] - anchor
    found.high[p] = found.event[p]
    found.low[p] = low_of(
        counts.day, base, anchor, room.status, begin, rows, start, stop, code.span
    )
    return True


@kernel
def _recover_one(
    p: int,
    anchor: int,
    counted: int,
    code: RunCode,
    within: int,
    run: int,
    stop: int,
    given: DayList,
    room: Room,
    found: Found,
    nadirs: Nadirs,
) -> None:
    """Search the days of one participant that stand in the scratch area."""
    day, status = room.day, room.status
    start = 0
    if within >= 0:
        nadir = nadir_of(day, 0, 0, room.height, 0, room.below, 0, counted, run, within)
        start = NO_START
        if nadir >= 0:
            nadirs.day[p] = day[nadir]
            nadirs.height[p] = room.height[nadir]
            nadirs.below[p] = room.below[nadir]
            start = day[nadir] + 1
            if room.below[nadir] == 0:
                _never_below(p, anchor, day, room.height, counted, within, given, nadirs)
                if nadirs.transfused[p] == 0:
                    start = NO_START
    first, last = first_run_of(day, 0, 0, status, 0, counted, start, stop, code, False)
    if first < 0:
        search_without_event(
            p, day, status, room.drawn, room.source, 0, counted, start, stop, code, found
        )
        return
    found.event[p] = day[first]
    found.run_end[p] = day[last]
    found.low[p] = low_of(day, 0, 0, status, 0, counted, start, stop, code.span)
    high, _ = first_run_of(day, 0, 0, status, 0, counted, start, stop, code, True)
    if high >= 0:
        found.high[p] = day[high]
    found.first[p] = first
    found.last[p] = last


@kernel
def recover_all(
    anchors: Days,
    last: Days,
    counts: Counts,
    others: Others,
    planned: DayList,
    given: DayList,
    unlogged: DayList,
    bounds: Bounds,
    code: RunCode,
    within: int,
    run: int,
    stop: int,
    room: Room,
    found: Found,
    nadirs: Nadirs,
) -> tuple[Ints, Ints]:
    """Find every participant's recovery; fill `found` and `nadirs`.

    Parameters
    ----------
    anchors, last
        Day of each participant's anchor (`NONE`: not searched), and the last day read from it.
    within
        The nadir is looked for up to this day; -1 where the search begins at the anchor.
    run
        So many low counts, then high ones in a row, end the search for the nadir.
    stop
        Last day on which a run may begin.
    room
        Scratch for the participant with the most rows.

    Returns
    -------
    tuple of arrays
        The sources of the passing counts of every run (see `Room.source`), one participant after
        the other, and where each participant's begin.
    """
    participants = anchors.size
    sources = np.empty(participants * code.values + 64, dtype=np.int64)
    offsets = np.zeros(participants + 1, dtype=np.int64)
    filled = 0
    exact = counts.censored.size == 0 and bounds.upper == np.inf and bounds.lower > -np.inf
    for p in range(participants):
        anchor = anchors[p]
        if anchor != NONE:
            plain = exact and _is_plain(p, others, planned, given, unlogged)
            if plain and _recover_plain(
                p, anchor, last[p], counts, bounds, code, within, run, stop, room, found, nadirs
            ):
                rows = found.last[p] - found.first[p] + 1
                if filled + rows > sources.size:
                    sources = _grown(sources, filled + rows)
                for i in range(found.first[p], found.last[p] + 1):
                    sources[filled] = i
                    filled += 1
            else:
                rows = fill_days(
                    p, anchor, last[p], counts, others, planned, given, unlogged, bounds, room, 0
                )
                _recover_one(p, anchor, rows, code, within, run, stop, given, room, found, nadirs)
                if filled + rows > sources.size:
                    sources = _grown(sources, filled + rows)
                if found.first[p] >= 0:
                    for i in range(found.first[p], found.last[p] + 1):
                        if room.status[i] == PASS:
                            sources[filled] = room.source[i]
                            filled += 1
        offsets[p + 1] = filled
    return sources[:filled], offsets


@kernel
def _grown(sources: Ints, needed: int) -> Ints:
    """Give a larger array with the same beginning."""
    grown = np.empty(max(needed, 2 * sources.size), dtype=np.int64)
    grown[: sources.size] = sources
    return grown
