"""Days in order, and days that are one: kernels for one data set and for batches of trials."""

from __future__ import annotations

import numpy as np

from stromal.analysis.intervals import Floats
from stromal.analysis.survival_kernels import Codes
from stromal.core.jit import kernel

__all__ = ["join_ties", "order_of", "sort_keys"]

_TIE = 1e-8  # of the mean day
_BITS = 8
_BUCKETS = 1 << _BITS


@kernel
def sort_keys(keys: Codes, carried: Codes, spare_keys: Codes, spare_carried: Codes) -> None:
    """Sort keys that are not negative, in place, and carry a number along with each.

    Digit by digit from the lowest in which keys differ to the highest; equal keys keep their order.
    The spare arrays are room of the same size.
    """
    n = keys.size
    differ = np.int64(0)
    for i in range(1, n):
        differ |= keys[i] ^ keys[0]
    begin = np.empty(_BUCKETS + 1, dtype=np.int64)
    shift = 0
    while shift < 64 and differ >> shift:
        if (differ >> shift) & (_BUCKETS - 1) == 0:
            shift += _BITS
            continue
        begin[:] = 0
        for i in range(n):
            begin[((keys[i] >> shift) & (_BUCKETS - 1)) + 1] += 1
        for b in range(_BUCKETS):
            begin[b + 1] += begin[b]
        for i in range(n):
            b = (keys[i] >> shift) & (_BUCKETS - 1)
            spare_keys[begin[b]] = keys[i]
            spare_carried[begin[b]] = carried[i]
            begin[b] += 1
        keys[:] = spare_keys
        carried[:] = spare_carried
        shift += _BITS


@kernel
def order_of(keys: Codes) -> Codes:
    """Give the places of the keys in rising order; the keys are sorted too."""
    order = np.arange(keys.size)
    sort_keys(keys, order, np.empty_like(keys), np.empty_like(order))
    return order


@kernel
def join_ties(day: Floats, entry: Floats) -> None:
    """Give each run of nearly equal days the first of them, in place.

    Parameters
    ----------
    day
        Sorted; nearly equal are days that follow each other by at most 1e-8 of their mean.
    entry
        Sorted days of entry, none where everybody is at risk from the beginning; an entry near a
        day is that day.
    """
    total = 0.0
    for i in range(day.size):
        total += day[i]
    near = _TIE * (total / day.size) if day.size else 0.0
    i, j = 0, 0
    first, before = -1.0, -np.inf
    while i < day.size or j < entry.size:
        from_day = j >= entry.size or (i < day.size and day[i] <= entry[j])
        today = day[i] if from_day else entry[j]
        if today - before > near:
            first = today
        before = today
        if from_day:
            day[i] = first
            i += 1
        else:
            entry[j] = first
            j += 1
