"""From counts and transfusions to the days of one participant and what each of them says.

Arrays are sorted by participant and day; `offsets[p]:offsets[p + 1]` are the rows of participant
`p`, one a day. Days count from day zero of the study; what is filled counts from the anchor.
"""

from __future__ import annotations

from typing import Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from stromal.core.jit import kernel

__all__ = [
    "FAIL",
    "FIRST_DAY",
    "LAST_DAY",
    "NONE",
    "NO_START",
    "PASS",
    "UNKNOWN",
    "UNLOGGED",
    "Bounds",
    "Counts",
    "DayList",
    "Days",
    "Ints",
    "Others",
    "Room",
    "Statuses",
    "Values",
    "compare",
    "fill_all",
    "fill_days",
    "room_for",
]

FAIL, PASS, UNKNOWN, UNLOGGED = 0, 1, 2, 3
NONE = -1_000_000
"""No day."""
FIRST_DAY, LAST_DAY = -1_000_000, 1_000_000
"""Before, and after, every day that a record holds: no limit."""
NO_START = 2_000_000
"""A first day that no run can have: participants who are not searched."""
_FAR = 2_000_000_000
_Number: TypeAlias = Any
"""An element of an array, which the type checker takes for an array."""

Ints: TypeAlias = npt.NDArray[np.int64]
Days: TypeAlias = npt.NDArray[np.int32]
Statuses: TypeAlias = npt.NDArray[np.int8]
Values: TypeAlias = npt.NDArray[np.float64]


class Counts(NamedTuple):
    """Counts of one analyte: the lowest of each day, as the closed interval within which it lies.

    "<0.1" ends just below 0.1. Where every count is exact `high` is `low`, the same array.
    """

    offsets: Ints
    day: Days
    low: Values
    high: Values


class Others(NamedTuple):
    """Days on which another analyte of the blood was measured, with the leucocytes of that day.

    `high` is the lowest upper end of the day's leucocytes, NaN where they were not measured or
    bound nothing.
    """

    offsets: Ints
    day: Days
    high: Values


class DayList(NamedTuple):
    """Days of each participant, sorted."""

    offsets: Ints
    day: Days


class Bounds(NamedTuple):
    """A rule on one count, compiled to a closed interval; no bound is minus or plus infinity.

    `shadow` is the number of days, from the transfusion on, that a transfusion covers; 0 where the
    rule does not ask. `told` says that a transfusion shows a fall that no count showed.
    """

    lower: float
    upper: float
    shadow: int
    told: bool = True


class Room(NamedTuple):
    """Rows to fill, one a day.

    `height` is the count (NaN where the row has none), `below` 1 where the count itself fails,
    `drawn` 1 where blood was counted, `source` the index of the count, or -2 - i for row i of the
    other days where the leucocytes decided, -1 where no count did; `given` the transfusion that
    covers the day, `NONE` where none does; `unlogged` 1 where transfusions are not known.
    """

    day: Days
    status: Statuses
    height: Values
    below: Statuses
    drawn: Statuses
    source: Ints
    given: Days
    unlogged: Statuses


def room_for(rows: int) -> Room:
    """Make room for so many rows."""
    return Room(
        np.empty(rows, np.int32), np.empty(rows, np.int8), np.empty(rows, np.float64),
        np.empty(rows, np.int8), np.empty(rows, np.int8), np.empty(rows, np.int64),
        np.empty(rows, np.int32), np.empty(rows, np.int8),
    )  # fmt: skip


@kernel
def compare(low: _Number, high: _Number, lower: float, upper: float) -> int:
    """Say whether a count that lies from `low` to `high` lies from `lower` to `upper`."""
    if low >= lower and high <= upper:
        return PASS
    if high < lower or low > upper:
        return FAIL
    return UNKNOWN


@kernel
def _by_leucocytes(high: _Number, lower: float, upper: float) -> int:
    """Say what the leucocytes, which the count never exceeds, settle."""
    if lower > -np.inf:
        return FAIL if high < lower else UNKNOWN
    return PASS if high <= upper else UNKNOWN


@kernel
def fill_days(  # noqa: PLR0915  (one merge of five sorted lists)
    anchor: int,
    last: int,
    i: int,
    i_end: int,
    count_day: Days,
    low: Values,
    high: Values,
    j: int,
    j_end: int,
    other_day: Days,
    leucocytes: Values,
    k: int,
    k_end: int,
    planned_day: Days,
    g: int,
    g_end: int,
    given_day: Days,
    u: int,
    u_end: int,
    unlogged_day: Days,
    lower: float,
    upper: float,
    shadow: int,
    at: int,
    day: Days,
    status: Statuses,
    height: Values,
    below: Statuses,
    drawn: Statuses,
    source: Ints,
    given: Days,
    unlogged: Statuses,
) -> int:
    """Fill one participant's days from the anchor (day 0) to `last`; give the number of rows.

    1. A day has a row where a count or another analyte was measured, a draw was planned, a
       transfusion covers it, or transfusions are not known.
    2. Covered by a transfusion: `FAIL`, whatever was counted.
    3. Transfusions not known: `UNLOGGED`, unless the count fails.
    4. A count: `PASS`, `FAIL`, or `UNKNOWN` where a bound leaves it open; where the leucocytes of
       the day settle what the count leaves open, or was not measured, theirs.
    5. Otherwise `UNKNOWN`.

    The lists stand one by one and not in tuples: counting the references to a tuple's arrays for
    every participant took three times as long as the work itself.
    """
    row = at
    today = anchor
    end = last + anchor
    while True:
        while i < i_end and count_day[i] < today:
            i += 1
        while j < j_end and other_day[j] < today:
            j += 1
        while k < k_end and planned_day[k] < today:
            k += 1
        while u < u_end and unlogged_day[u] < today:
            u += 1
        while g < g_end and given_day[g] + shadow <= today:
            g += 1
        counted = count_day[i] if i < i_end else _FAR
        other = other_day[j] if j < j_end else _FAR
        covered = max(given_day[g], today) if g < g_end else _FAR
        unknown = unlogged_day[u] if u < u_end else _FAR
        today = min(counted, other, covered, unknown, planned_day[k] if k < k_end else _FAR)
        if today > end:
            break
        verdict = UNKNOWN
        number = np.nan
        index = -1
        if counted == today:
            verdict = compare(low[i], high[i], lower, upper)
            index = i
            if verdict != UNKNOWN:
                number = high[i] if high[i] < np.inf else low[i]
        if verdict == UNKNOWN and other == today:
            settled = _by_leucocytes(leucocytes[j], lower, upper)
            if settled != UNKNOWN:
                verdict = settled
                index = -2 - j
                number = leucocytes[j]
        day[row] = today - anchor
        height[row] = number
        below[row] = verdict == FAIL
        drawn[row] = counted == today or other == today  # noqa: PLR1714
        source[row] = index
        unlogged[row] = 0
        given[row] = NONE
        if unknown == today and verdict != FAIL:
            verdict = UNLOGGED
            unlogged[row] = 1
        if covered == today:
            latest = g
            while latest + 1 < g_end and given_day[latest + 1] <= today:
                latest += 1
            given[row] = given_day[latest] - anchor
            unlogged[row] = 0
            verdict = FAIL
        status[row] = verdict
        row += 1
        today += 1
    return row - at


@kernel
def fill_all(
    anchors: Days,
    last: Days,
    counts: Counts,
    others: Others,
    planned: DayList,
    given: DayList,
    unlogged: DayList,
    bounds: Bounds,
    room: Room,
) -> Ints:
    """Fill the days of all participants, one after the other; give their offsets.

    Participants whose anchor is `NONE` have no rows.
    """
    offsets = np.zeros(anchors.size + 1, dtype=np.int64)
    count_from, count_day, low, high = counts
    other_from, other_day, leucocytes = others
    planned_from, planned_day = planned
    given_from, given_day = given
    unlogged_from, unlogged_day = unlogged
    day, status, height, below, drawn, source, covered, unknown = room
    for p in range(anchors.size):
        rows = 0
        if anchors[p] != NONE:
            rows = fill_days(
                anchors[p], last[p],
                count_from[p], count_from[p + 1], count_day, low, high,
                other_from[p], other_from[p + 1], other_day, leucocytes,
                planned_from[p], planned_from[p + 1], planned_day,
                given_from[p], given_from[p + 1], given_day,
                unlogged_from[p], unlogged_from[p + 1], unlogged_day,
                bounds.lower, bounds.upper, bounds.shadow,
                offsets[p], day, status, height, below, drawn, source, covered, unknown,
            )  # fmt: skip
        offsets[p + 1] = offsets[p] + rows
    return offsets
