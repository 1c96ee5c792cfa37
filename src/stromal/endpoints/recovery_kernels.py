"""The kernel of recovery: counts and transfusions in, the day of recovery out, in one pass.

One participant at a time: the days are put together in a small scratch area, then searched, so that
counts are read from memory once. Where nothing but exact counts and transfusions is recorded (no
missing draw, no bound, no hole in the log) and there is an event, the same steps read the counts
where they stand; the property tests hold the two ways together.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from stromal.core.jit import kernel
from stromal.endpoints.days_kernels import (
    NO_START,
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

__all__ = ["Nadirs", "nadir_of", "recover_all", "room_for_nadirs"]


class Nadirs(NamedTuple):
    """Each participant's nadir: its day (`NONE` without), its count, 1 where that fails the rule.

    `source`: the record of the count (see `Room.source`). `gap`: of those whose nadir is not below,
    the most days in a row without a count of the days searched; `counted`: their last day with a
    count; `transfused`: 1 where the product of the rule was given on a day searched.
    """

    day: Days
    height: Values
    below: Statuses
    source: Ints
    gap: Days
    counted: Days
    transfused: Statuses


def room_for_nadirs(participants: int) -> Nadirs:
    """Make room for so many participants, without nadir."""
    return Nadirs(
        np.full(participants, NONE, dtype=np.int32),
        np.full(participants, np.nan),
        np.zeros(participants, dtype=np.int8),
        np.full(participants, -1, dtype=np.int64),
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
def _exact_nadir(
    begin: int, end: int, day: Days, count: Values, lower: float, latest: int, run: int
) -> int:
    """Find the nadir of exact counts where they stand; -1 where none is below the rule."""
    under, over = 0, 0
    nadir = -1
    lowest = np.inf
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
    return nadir if lowest < lower else -1


@kernel
def _exact_run(
    begin: int,
    end: int,
    day: Days,
    count: Values,
    lower: float,
    start: int,
    stop: int,
    limit: int,
    values: int,
    span: int,
    gap: int,
    g: int,
    g_end: int,
    given: Days,
    shadow: int,
) -> tuple[int, int, int]:
    """Find the first run of exact counts where they stand, as `first_run_of` does in filled days.

    A transfusion covers its day and the `shadow - 1` days after it: a count on them fails, and a
    run ends on them also where nothing was counted. Gives the first and the last row (-1 where
    there is none), and the earliest day a run could have begun as far as counts tell.
    """
    while g < g_end and given[g] + shadow <= start:
        g += 1
    in_row, first = 0, -1
    low = start
    for i in range(begin, end):
        today = day[i]
        if today > limit:
            break
        covered = False
        while g < g_end and given[g] <= today:
            in_row = 0
            if given[g] + shadow > today:
                covered = True
                break
            g += 1
        if covered or count[i] < lower:
            in_row = 0
            if low <= today <= low + span:
                low = today + 1
            continue
        if in_row > 0 and gap > 0 and today - day[i - 1] > gap:
            in_row = 0
        if in_row == 0:
            if today > stop:
                break
            first = i
        in_row += 1
        if in_row >= values and today - day[first] >= span:
            return first, i, low  # the run reaches past the days that `low` needs
    return -1, -1, low


@kernel
def _exact_low(
    low: int,
    i: int,
    end: int,
    day: Days,
    count: Values,
    lower: float,
    limit: int,
    span: int,
    g: int,
    g_end: int,
    given: Days,
    shadow: int,
) -> int:
    """Find the earliest day a run could have begun, from `low` on, as `low_of` does."""
    while True:
        while i < end and (day[i] < low or count[i] >= lower):
            i += 1
        while g < g_end and given[g] + shadow <= low:
            g += 1
        failing = day[i] if i < end else limit + 1
        covered = max(given[g], low) if g < g_end else limit + 1
        if min(failing, covered) > min(low + span, limit):
            return low
        low = min(given[g] + shadow, limit + 1) if covered <= failing else failing + 1


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
    lower, upper, shadow, told = bounds
    count_from, count_day, low, high = counts
    other_from, other_day, leucocytes = others
    planned_from, planned_day = planned
    given_from, given_day = given
    unlogged_from, unlogged_day = unlogged
    day, status, height, below, drawn, source, covered, unknown = room
    event, run_end, first_row, last_row, day_high, day_low = found[:6]
    nadir_day, nadir_height, nadir_below, nadir_source = nadirs[:4]
    sources = np.empty(participants * values + 64, dtype=np.int64)
    offsets = np.zeros(participants + 1, dtype=np.int64)
    filled = 0
    exact = low is high and upper == np.inf and lower > -np.inf
    for p in range(participants):
        anchor = anchors[p]
        offsets[p + 1] = filled
        if anchor == NONE:
            continue
        begin, end = count_from[p], count_from[p + 1]
        g, g_end = given_from[p], given_from[p + 1]
        first, final, earliest, nadir, start = -1, -1, -1, -1, anchor
        limit = anchor + last[p]
        if (
            exact
            and other_from[p] == other_from[p + 1]
            and planned_from[p] == planned_from[p + 1]
            and unlogged_from[p] == unlogged_from[p + 1]
        ):
            while begin < end and count_day[begin] < anchor:
                begin += 1
            if within >= 0:
                latest = min(limit, anchor + within)
                nadir = _exact_nadir(begin, end, count_day, low, lower, latest, run)
            if nadir >= 0:
                begin = nadir + 1
                start = count_day[nadir] + 1
            if within < 0 or nadir >= 0:
                first, final, earliest = _exact_run(
                    begin, end, count_day, low, lower, start, anchor + stop, limit,
                    values, span, gap, g, g_end, given_day, shadow,
                )  # fmt: skip
        if first >= 0:
            if nadir >= 0:
                nadir_day[p] = count_day[nadir] - anchor
                nadir_height[p] = low[nadir]
                nadir_below[p] = 1
                nadir_source[p] = nadir
            event[p] = count_day[first] - anchor
            run_end[p] = count_day[final] - anchor
            first_row[p], last_row[p] = first, final
            day_high[p] = event[p]
            if g < g_end:
                earliest = _exact_low(
                    start, begin, end, count_day, low, lower, limit, span,
                    g, g_end, given_day, shadow,
                )  # fmt: skip
            day_low[p] = earliest - anchor
            if filled + final - first + 1 > sources.size:
                sources = _grown(sources, filled + final - first + 1)
            for i in range(first, final + 1):
                sources[filled] = i
                filled += 1
            offsets[p + 1] = filled
            continue
        rows = fill_days(
            anchor, last[p],
            count_from[p], end, count_day, low, high,
            other_from[p], other_from[p + 1], other_day, leucocytes,
            planned_from[p], planned_from[p + 1], planned_day,
            g, g_end, given_day,
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
                nadir_source[p] = source[nadir]
                start = day[nadir] + 1
                if below[nadir] == 0:
                    _never_below(
                        p, day, height, rows, within, anchor,
                        g, g_end, given_day, nadirs,
                    )  # fmt: skip
                    if nadirs.transfused[p] == 0 or not told:
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
