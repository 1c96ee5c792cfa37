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
    height: Values,
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
        if day[i] > within:
            break
        if np.isnan(height[i]):
            continue
        if below[i] == 1:
            under += 1
            over = 0
        else:
            over += 1
            if over >= run and under >= run:
                break
        if height[i] <= lowest:
            lowest = height[i]
            nadir = i
    return nadir


@kernel
def find_nadirs(
    offsets: Ints, day: Days, height: Values, below: Statuses, run: int, within: int
) -> Ints:
    """Find the row of each participant's nadir in sorted days; see `nadir_of`."""
    nadir = np.full(offsets.size - 1, -1, dtype=np.int64)
    for p in range(offsets.size - 1):
        nadir[p] = nadir_of(day, height, below, offsets[p], offsets[p + 1], run, within)
    return nadir


@kernel
def _never_below(
    p: int,
    day: Days,
    height: Values,
    rows: int,
    within: int,
    anchor: int,
    g: int,
    g_end: int,
    given: Days,
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
    for other in range(g, g_end):
        if 0 <= given[other] - anchor <= within:
            nadirs.transfused[p] = 1


@kernel
def _exact_event(
    anchor: int,
    last: int,
    begin: int,
    end: int,
    day: Days,
    count: Values,
    lower: float,
    values: int,
    span: int,
    gap: int,
    within: int,
    run: int,
    stop: int,
) -> tuple[int, int, int, int]:
    """Find the event of a participant of whom nothing but exact counts is recorded.

    The same steps as `nadir_of`, `first_run_of` and `low_of`, on the counts where they stand:
    a day fails or meets the rule, and nothing is missing.

    Returns
    -------
    tuple
        Rows of the nadir (-1: the search began at the anchor), of the first and of the last count
        of the run (-1 where there is no event, or a fall below the rule was not seen), and the
        earliest day a run could have begun.
    """
    while begin < end and day[begin] < anchor:
        begin += 1
    nadir = -1
    start = anchor
    if within >= 0:
        under, over = 0, 0
        lowest = np.inf
        latest = anchor + min(within, last)
        for i in range(begin, end):
            if day[i] > latest:
                break
            if count[i] < lower:
                under += 1
                over = 0
            else:
                over += 1
                if over >= run and under >= run:
                    break
            if count[i] <= lowest:
                lowest = count[i]
                nadir = i
        if nadir < 0 or lowest >= lower:
            return -1, -1, -1, NONE
        start = day[nadir] + 1
        begin = nadir + 1
    low = start
    in_row, first = 0, -1
    for i in range(begin, end):
        today = day[i]
        if today > anchor + last:
            break
        if count[i] < lower:
            in_row = 0
            if low <= today <= low + span:
                low = today + 1
            continue
        if in_row > 0 and gap > 0 and today - day[i - 1] > gap:
            in_row = 0
        if in_row == 0:
            if today > anchor + stop:
                break
            first = i
        in_row += 1
        if in_row >= values and today - day[first] >= span:
            return nadir, first, i, _low_after(low, i + 1, end, day, count, lower, span) - anchor
    return -1, -1, -1, NONE


@kernel
def _low_after(
    low: int, begin: int, end: int, day: Days, count: Values, lower: float, span: int
) -> int:
    """Go on after the run: failing counts may still stand within the days of an early run."""
    for i in range(begin, end):
        if day[i] > low + span:
            break
        if count[i] < lower:
            low = day[i] + 1
    return low


@kernel
def _search_filled(
    p: int,
    day: Days,
    status: Statuses,
    drawn: Statuses,
    source: Ints,
    rows: int,
    start: int,
    stop: int,
    values: int,
    span: int,
    gap: int,
    found: Found,
) -> None:
    """Search the days of one participant that stand in the scratch area."""
    first, last = first_run_of(day, status, 0, rows, start, stop, values, span, gap, False)
    if first < 0:
        search_without_event(
            p, day, status, drawn, source, 0, rows, start, stop, values, span, gap, found
        )
        return
    found.first[p] = first
    found.last[p] = last
    found.event[p] = day[first]
    found.run_end[p] = day[last]
    found.low[p] = low_of(day, status, 0, rows, start, stop, span)
    high, _ = first_run_of(day, status, 0, rows, start, stop, values, span, gap, True)
    if high >= 0:
        found.high[p] = day[high]


@kernel
def recover_all(  # noqa: PLR0915
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
    values, span, gap = code
    lower, upper, shadow = bounds
    count_from, count_day, low, high = counts
    other_from, other_day, leucocytes = others
    planned_from, planned_day = planned
    given_from, given_day = given
    unlogged_from, unlogged_day = unlogged
    day, status, height, below, drawn, source, covered, unknown = room
    event, run_end, first_row, last_row, day_high, day_low = found[:6]
    nadir_day, nadir_height, nadir_below = nadirs[:3]
    sources = np.empty(participants * values + 64, dtype=np.int64)
    offsets = np.zeros(participants + 1, dtype=np.int64)
    filled = 0
    exact = low is high and upper == np.inf and lower > -np.inf
    for p in range(participants):
        anchor = anchors[p]
        offsets[p + 1] = filled
        if anchor == NONE:
            continue
        if (
            exact
            and other_from[p] == other_from[p + 1]
            and planned_from[p] == planned_from[p + 1]
            and given_from[p] == given_from[p + 1]
            and unlogged_from[p] == unlogged_from[p + 1]
        ):
            nadir, first, end, earliest = _exact_event(
                anchor, last[p], count_from[p], count_from[p + 1], count_day, low, lower,
                values, span, gap, within, run, stop,
            )  # fmt: skip
            if first >= 0:
                if nadir >= 0:
                    nadir_day[p] = count_day[nadir] - anchor
                    nadir_height[p] = low[nadir]
                    nadir_below[p] = 1
                event[p] = count_day[first] - anchor
                run_end[p] = count_day[end] - anchor
                first_row[p], last_row[p] = first, end
                day_high[p] = event[p]
                day_low[p] = earliest
                if filled + end - first + 1 > sources.size:
                    sources = _grown(sources, filled + end - first + 1)
                for i in range(first, end + 1):
                    sources[filled] = i
                    filled += 1
                offsets[p + 1] = filled
                continue
        rows = fill_days(
            anchor, last[p],
            count_from[p], count_from[p + 1], count_day, low, high,
            other_from[p], other_from[p + 1], other_day, leucocytes,
            planned_from[p], planned_from[p + 1], planned_day,
            given_from[p], given_from[p + 1], given_day,
            unlogged_from[p], unlogged_from[p + 1], unlogged_day,
            lower, upper, shadow,
            0, day, status, height, below, drawn, source, covered, unknown,
        )  # fmt: skip
        start = 0
        if within >= 0:
            start = NO_START
            nadir = nadir_of(day, height, below, 0, rows, run, within)
            if nadir >= 0:
                nadir_day[p] = day[nadir]
                nadir_height[p] = height[nadir]
                nadir_below[p] = below[nadir]
                start = day[nadir] + 1
                if below[nadir] == 0:
                    _never_below(
                        p, day, height, rows, within, anchor,
                        given_from[p], given_from[p + 1], given_day, nadirs,
                    )  # fmt: skip
                    if nadirs.transfused[p] == 0:
                        start = NO_START
        _search_filled(p, day, status, drawn, source, rows, start, stop, values, span, gap, found)
        if filled + rows > sources.size:
            sources = _grown(sources, filled + rows)
        if first_row[p] >= 0:
            for i in range(first_row[p], last_row[p] + 1):
                if status[i] == PASS:
                    sources[filled] = source[i]
                    filled += 1
        offsets[p + 1] = filled
    return sources[:filled], offsets


@kernel
def _grown(sources: Ints, needed: int) -> Ints:
    """Give a larger array with the same beginning."""
    grown = np.empty(max(needed, 2 * sources.size), dtype=np.int64)
    grown[: sources.size] = sources
    return grown
