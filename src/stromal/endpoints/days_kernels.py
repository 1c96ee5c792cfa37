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
    "NONE",
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
_FAR = 2_000_000_000
_Number: TypeAlias = Any
"""An element of an array, which the type checker takes for an array."""

Ints: TypeAlias = npt.NDArray[np.int64]
Days: TypeAlias = npt.NDArray[np.int32]
Statuses: TypeAlias = npt.NDArray[np.int8]
Values: TypeAlias = npt.NDArray[np.float64]


class Counts(NamedTuple):
    """Counts of one analyte: the lowest of each day, as the bounds within which it lies.

    `censored` is 1 for "<" (strictly below `high`), 2 for ">" (strictly above `low`), else 0; it is
    empty, and `high` is `low`, where every count is exact.
    """

    offsets: Ints
    day: Days
    low: Values
    high: Values
    censored: Statuses


class Others(NamedTuple):
    """Days on which another analyte of the blood was measured, with the leucocytes of that day.

    `high` is the lowest upper bound of the day's leucocytes (NaN where they were not measured) and
    `under` 1 where they are strictly below it. Empty `high` where leucocytes bound nothing.
    """

    offsets: Ints
    day: Days
    high: Values
    under: Statuses


class DayList(NamedTuple):
    """Days of each participant, sorted."""

    offsets: Ints
    day: Days


class Bounds(NamedTuple):
    """A rule on one count, compiled: no bound is minus or plus infinity.

    `shadow` is the number of days, from the transfusion on, that a transfusion covers; 0 where the
    rule does not ask.
    """

    lower: float
    lower_strict: bool
    upper: float
    upper_strict: bool
    shadow: int


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
def compare(low: _Number, high: _Number, censored: _Number, bounds: Bounds) -> int:
    """Say whether a count, or the bounds within which it lies, meets a rule."""
    if low > bounds.lower or (low == bounds.lower and (not bounds.lower_strict or censored == 2)):
        if high < bounds.upper or (
            high == bounds.upper and (not bounds.upper_strict or censored == 1)
        ):
            return PASS
    elif high < bounds.lower or (high == bounds.lower and (bounds.lower_strict or censored == 1)):
        return FAIL
    if low > bounds.upper or (low == bounds.upper and (bounds.upper_strict or censored == 2)):
        return FAIL
    return UNKNOWN


@kernel
def _by_leucocytes(high: _Number, under: _Number, bounds: Bounds) -> int:
    """Say what the leucocytes, which the count never exceeds, settle."""
    if np.isnan(high):
        return UNKNOWN
    if bounds.lower > -np.inf:
        short = high < bounds.lower or (
            high == bounds.lower and (bounds.lower_strict or under == 1)
        )
        return FAIL if short else UNKNOWN
    within = high < bounds.upper or (
        high == bounds.upper and (not bounds.upper_strict or under == 1)
    )
    return PASS if within else UNKNOWN


@kernel
def fill_days(  # noqa: PLR0915  (one merge of five sorted lists)
    p: int,
    anchor: int,
    last: int,
    counts: Counts,
    others: Others,
    planned: DayList,
    given: DayList,
    unlogged: DayList,
    bounds: Bounds,
    room: Room,
    at: int,
) -> int:
    """Fill one participant's days from the anchor (day 0) to `last`; give the number of rows.

    1. A day has a row where a count or another analyte was measured, a draw was planned, a
       transfusion covers it, or transfusions are not known.
    2. Covered by a transfusion: `FAIL`, whatever was counted.
    3. Transfusions not known: `UNLOGGED`, unless the count fails.
    4. A count: `PASS`, `FAIL`, or `UNKNOWN` where a bound leaves it open; where the leucocytes of
       the day settle what the count leaves open, or was not measured, theirs.
    5. Otherwise `UNKNOWN`.
    """
    i, i_end = counts.offsets[p], counts.offsets[p + 1]
    j, j_end = others.offsets[p], others.offsets[p + 1]
    k, k_end = planned.offsets[p], planned.offsets[p + 1]
    g, g_end = given.offsets[p], given.offsets[p + 1]
    u, u_end = unlogged.offsets[p], unlogged.offsets[p + 1]
    exact = counts.censored.size == 0
    bounded = others.high.size > 0
    row = at
    day = anchor
    end = last + anchor
    while True:
        while i < i_end and counts.day[i] < day:
            i += 1
        while j < j_end and others.day[j] < day:
            j += 1
        while k < k_end and planned.day[k] < day:
            k += 1
        while u < u_end and unlogged.day[u] < day:
            u += 1
        while g < g_end and given.day[g] + bounds.shadow <= day:
            g += 1
        counted = counts.day[i] if i < i_end else _FAR
        other = others.day[j] if j < j_end else _FAR
        covered = max(given.day[g], day) if g < g_end else _FAR
        unknown = unlogged.day[u] if u < u_end else _FAR
        day = min(counted, other, covered, unknown, planned.day[k] if k < k_end else _FAR)
        if day > end:
            break
        status = UNKNOWN
        height = np.nan
        source = -1
        if counted == day:
            censored = 0 if exact else counts.censored[i]
            status = compare(counts.low[i], counts.high[i], censored, bounds)
            source = i
            if status != UNKNOWN:
                height = counts.high[i] if counts.high[i] < np.inf else counts.low[i]
        if status == UNKNOWN and other == day and bounded:
            settled = _by_leucocytes(others.high[j], others.under[j], bounds)
            if settled != UNKNOWN:
                status = settled
                source = -2 - j
                height = others.high[j]
        room.day[row] = day - anchor
        room.height[row] = height
        room.below[row] = status == FAIL
        room.drawn[row] = day in (counted, other)
        room.source[row] = source
        room.unlogged[row] = 0
        room.given[row] = NONE
        if unknown == day and status != FAIL:
            status = UNLOGGED
            room.unlogged[row] = 1
        if covered == day:
            latest = g
            while latest + 1 < g_end and given.day[latest + 1] <= day:
                latest += 1
            room.given[row] = given.day[latest] - anchor
            room.unlogged[row] = 0
            status = FAIL
        room.status[row] = status
        row += 1
        day += 1
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
    for p in range(anchors.size):
        rows = 0
        if anchors[p] != NONE:
            rows = fill_days(
                p, anchors[p], last[p], counts, others, planned, given, unlogged, bounds, room,
                offsets[p],
            )  # fmt: skip
        offsets[p + 1] = offsets[p] + rows
    return offsets
