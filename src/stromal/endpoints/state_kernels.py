"""Kernels of states: the days on which a rule could be met, and the change between two rules.

A chance is a stretch of days `early` to `late` on each of which something may begin, shown `length`
days later. Rows are sorted by participant and day; `offsets[p]:offsets[p + 1]` are those of `p`.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from stromal.core.jit import kernel
from stromal.endpoints.kernels import FAIL, NONE, PASS, UNLOGGED, Days, Ints

__all__ = ["OPEN", "absences", "alternate", "first_within", "runs_from"]

OPEN = -2

Statuses: TypeAlias = npt.NDArray[np.int8]


@kernel
def runs_from(offsets: Ints, day: Days, status: Statuses, run: int, span: int, gap: int) -> Ints:
    """Find for every row the row at which a run that begins on it is complete.

    1. Only a passing row begins a run. A failing or unlogged row ends it; an unknown one is passed
       over; with `gap` > 0 so does a passing row more than `gap` days after the one before it.
    2. A run is complete at its first row with at least `run` passing rows and `span` days.

    Returns
    -------
    array
        The index of the completing row; -1 where there is none; `OPEN` where the rows end, or an
        unlogged row stands, before a failing row or a gap has ended the run.
    """
    complete = np.full(day.size, -1, dtype=np.int64)
    passing = np.empty(day.size, dtype=np.int64)
    for p in range(offsets.size - 1):
        head = 0
        tail = 0
        for i in range(offsets[p], offsets[p + 1]):
            if status[i] == FAIL:
                head = tail
            elif status[i] == UNLOGGED:
                complete[passing[head:tail]] = OPEN
                head = tail
            elif status[i] == PASS:
                if head < tail and gap > 0 and day[i] - day[passing[tail - 1]] > gap:
                    head = tail
                passing[tail] = i
                tail += 1
                while head < tail and tail - head >= run and day[i] - day[passing[head]] >= span:
                    complete[passing[head]] = i
                    head += 1
        complete[passing[head:tail]] = OPEN
    return complete


@kernel
def first_within(offsets: Ints, day: Days, amount: Ints, needed: int, within: int) -> Ints:
    """Find for every row the first row by which `needed` has come together, from that row on.

    The rows from it to the one found lie within `within` days, the first day included; -1 where
    that is not reached.
    """
    found = np.full(day.size, -1, dtype=np.int64)
    for p in range(offsets.size - 1):
        total = 0
        end = offsets[p]
        for i in range(offsets[p], offsets[p + 1]):
            while end < offsets[p + 1] and total < needed:
                total += amount[end]
                end += 1
            if total >= needed and day[end - 1] - day[i] < within:
                found[i] = end - 1
            total -= amount[i]
    return found


@kernel
def alternate(
    begin_offsets: Ints,
    begin_early: Days,
    begin_late: Days,
    begin_length: Days,
    end_offsets: Ints,
    end_early: Days,
    end_late: Days,
    end_length: Days,
    start: Days,
    stop: Days,
) -> tuple[Ints, Days, Days, Days, Days]:
    """Alternate between what begins a state and what ends it, for all participants.

    1. An onset is the first chance to begin on or after `start`, at the latest on `stop`.
    2. Its end is the first chance to end after the day that showed the onset.
    3. The next onset comes after the day that showed the end; and so on. Without an end the state
       stays open and nothing more is looked for.

    Returns
    -------
    tuple of arrays
        One element an episode: participant, day of onset, day that showed it, day of the end and
        day that showed it; the last two are `NONE` while it is open.
    """
    participants = begin_offsets.size - 1
    size = 0
    who = np.empty(0, dtype=np.int64)
    days = np.empty((4, 0), dtype=np.int32)
    for fill in range(2):
        if fill == 1:
            who = np.empty(size, dtype=np.int64)
            days = np.empty((4, size), dtype=np.int32)
        size = 0
        for p in range(participants):
            b = begin_offsets[p]
            e = end_offsets[p]
            cursor = start[p]
            while True:
                while b < begin_offsets[p + 1] and begin_late[b] < cursor:
                    b += 1
                if b == begin_offsets[p + 1]:
                    break
                onset = max(begin_early[b], cursor)
                if onset > stop[p]:
                    break
                shown = onset + begin_length[b]
                while e < end_offsets[p + 1] and end_late[e] <= shown:
                    e += 1
                ended = e < end_offsets[p + 1]
                to = NONE
                cursor = NONE
                if ended:
                    to = max(end_early[e], shown + 1)
                    cursor = to + end_length[e]
                if fill == 1:
                    who[size] = p
                    days[0, size] = onset
                    days[1, size] = shown
                    days[2, size] = to
                    days[3, size] = cursor
                size += 1
                if not ended:
                    break
                cursor += 1
    return who, days[0], days[1], days[2], days[3]


@kernel
def absences(  # noqa: PLR0915
    episode_offsets: Ints,
    onset: Days,
    to: Days,
    span_offsets: Ints,
    span_from: Days,
    span_to: Days,
    waiting_offsets: Ints,
    waiting: Days,
    end_offsets: Ints,
    end_early: Days,
    end_late: Days,
    start: Days,
    stop: Days,
) -> tuple[Ints, Days, Days]:
    """Find the stretches of days on which a state is known not to hold.

    1. Absence begins on `start` (or with the first span, where `start` is not in one) and on the
       day on which an episode ended.
    2. It lasts to the day before the next onset, to `stop`, to the end of the span of days that are
       known, or to the day before a day on which something unseen may have begun (`waiting`).
    3. From there on nothing is known until the next onset, or until the first chance to end: had
       the state begun unseen, it would have ended then.

    Returns
    -------
    tuple of arrays
        One element a stretch: participant, first and last day.
    """
    size = 0
    who = np.empty(0, dtype=np.int64)
    low_days = np.empty(0, dtype=np.int32)
    high_days = np.empty(0, dtype=np.int32)
    for fill in range(2):
        if fill == 1:
            who = np.empty(size, dtype=np.int64)
            low_days = np.empty(size, dtype=np.int32)
            high_days = np.empty(size, dtype=np.int32)
        size = 0
        for p in range(episode_offsets.size - 1):
            s = span_offsets[p]
            w = waiting_offsets[p]
            e = end_offsets[p]
            k = episode_offsets[p]
            low = start[p]
            first = True
            while True:
                high = stop[p]
                if k < episode_offsets[p + 1]:
                    high = min(high, onset[k] - 1)
                while low <= high:
                    while s < span_offsets[p + 1] and span_to[s] < low:
                        s += 1
                    if s == span_offsets[p + 1]:
                        break
                    if first and span_from[s] > low:
                        low = span_from[s]
                    first = False
                    limit = low - 1
                    if span_from[s] <= low:
                        limit = min(high, span_to[s])
                        while w < waiting_offsets[p + 1] and waiting[w] < low:
                            w += 1
                        if w < waiting_offsets[p + 1]:
                            limit = min(limit, waiting[w] - 1)
                    if limit >= low:
                        if fill == 1:
                            who[size] = p
                            low_days[size] = low
                            high_days[size] = limit
                        size += 1
                    while e < end_offsets[p + 1] and end_late[e] <= limit + 1:
                        e += 1
                    if limit >= high or e == end_offsets[p + 1]:
                        break
                    low = max(end_early[e], limit + 2)
                if k == episode_offsets[p + 1] or to[k] == NONE:
                    break
                low = to[k]
                first = False
                k += 1
    return who, low_days, high_days
