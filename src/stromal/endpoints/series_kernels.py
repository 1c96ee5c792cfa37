"""Kernels that put the days of several counts, and of what supports them, together."""

from __future__ import annotations

import numpy as np

from stromal.core.jit import kernel
from stromal.endpoints.days_kernels import (
    FAIL,
    PASS,
    UNKNOWN,
    UNLOGGED,
    Days,
    Ints,
    Statuses,
)

__all__ = ["find_days", "merge_days"]

_FAR = 2_000_000_000


@kernel
def merge_days(
    starts: Ints,
    day: Days,
    status: Statuses,
    drawn: Statuses,
    counted: Statuses,
    lines: int,
    needed: int,
    out_day: Days,
    out_status: Statuses,
    out_drawn: Statuses,
    out_counted: Statuses,
) -> Ints:
    """Merge the days of several parts of a rule; give the offsets of the participants.

    1. A day has a row where one of the parts has one.
    2. It meets the rule where `needed` parts do, fails where fewer than `needed` of the `lines` do
       not fail, and is unlogged where one of them is; otherwise it is unknown.
    3. Blood was drawn where a part says so; the counts of the parts are added up.

    The parts stand one after the other; `starts[k, p]` and `starts[k, p + 1]` bound the rows of
    participant `p` in part `k`.
    """
    parts, people = starts.shape[0], starts.shape[1] - 1
    offsets = np.zeros(people + 1, dtype=np.int64)
    at = np.zeros(parts, dtype=np.int64)
    row = 0
    for p in range(people):
        for k in range(parts):
            at[k] = starts[k, p]
        while True:
            today = _FAR
            for k in range(parts):
                if at[k] < starts[k, p + 1]:
                    today = min(today, day[at[k]])
            if today == _FAR:
                break
            passing, failing, unlogged, bled, counts = 0, 0, 0, 0, 0
            for k in range(parts):
                i = at[k]
                if i == starts[k, p + 1] or day[i] != today:
                    continue
                passing += status[i] == PASS
                failing += status[i] == FAIL
                unlogged += status[i] == UNLOGGED
                bled |= drawn[i]
                counts += counted[i]
                at[k] += 1
            verdict = UNLOGGED if unlogged > 0 else UNKNOWN
            if passing >= needed:
                verdict = PASS
            elif lines - failing < needed:
                verdict = FAIL
            out_day[row] = today
            out_status[row] = verdict
            out_drawn[row] = bled
            out_counted[row] = counts
            row += 1
        offsets[p + 1] = row
    return offsets


@kernel
def find_days(offsets: Ints, day: Days, p: Ints, wanted: Days) -> Ints:
    """Find the row of a participant and day, for many of them; -1 where there is none."""
    found = np.full(p.size, -1, dtype=np.int64)
    for n in range(p.size):
        i, high = offsets[p[n]], offsets[p[n] + 1]
        end = high
        while i < high:
            middle = (i + high) // 2
            if day[middle] < wanted[n]:
                i = middle + 1
            else:
                high = middle
        if i < end and day[i] == wanted[n]:
            found[n] = i
    return found
