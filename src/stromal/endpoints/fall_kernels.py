"""Every run of a series, not the first alone: which rows begin one, and where it is complete."""

from __future__ import annotations

import numpy as np

from stromal.core.jit import kernel
from stromal.endpoints.days_kernels import PASS, UNKNOWN, Days, Ints, Statuses

__all__ = ["qualifying_begins"]


@kernel
def qualifying_begins(
    offsets: Ints,
    day: Days,
    status: Statuses,
    start: Days,
    stop: Days,
    run: int,
    span: int,
    gap: int,
) -> Ints:
    """Find every row with which a qualifying run begins.

    A row from `start` to `stop` begins a run where it and the passing rows after it, with no
    failing or unlogged row between them and none more than `gap` days (where `gap` > 0) after the
    one before it, are at least `run` rows over at least `span` days. Unknown rows are passed over.

    Returns
    -------
    array
        For each row the index of the first row at which its run qualifies; -1 where none does.
    """
    ends = np.full(day.size, -1, dtype=np.int64)
    for p in range(offsets.size - 1):
        for i in range(offsets[p], offsets[p + 1]):
            if status[i] != PASS or day[i] < start[p] or day[i] > stop[p]:
                continue
            count = 0
            before = i
            for j in range(i, offsets[p + 1]):
                if status[j] == UNKNOWN:
                    continue
                if status[j] != PASS or (gap > 0 and day[j] - day[before] > gap):
                    break
                count += 1
                before = j
                if count >= run and day[j] - day[i] >= span:
                    ends[i] = j
                    break
    return ends
