"""Kernels for events that recur: the mean number of events with death ending them, one pass a day.

Arrays describe periods of observation, sorted by participant and start: `first` and `last` are
places on the grid of distinct days (the period holds every day of the grid from the one to the
other), `status` is what ended it, `who` numbers the participants from 0.
"""

from __future__ import annotations

import numpy as np

from stromal.analysis.intervals import Floats
from stromal.analysis.survival_kernels import COMPETING, EVENT, Codes
from stromal.core.jit import kernel

__all__ = ["count_periods", "follow_mean", "sum_influence"]


@kernel
def count_periods(first: Codes, last: Codes, status: Codes, days: int) -> Codes:
    """Count on each day of the grid: at risk, events, terminal events, periods ended in nothing."""
    counts = np.zeros((days, 4), dtype=np.int64)
    for i in range(first.size):
        if first[i] > last[i]:
            continue
        counts[first[i], 0] += 1
        if last[i] + 1 < days:
            counts[last[i] + 1, 0] -= 1
        if status[i] == EVENT:
            counts[last[i], 1] += 1
        elif status[i] == COMPETING:
            counts[last[i], 2] += 1
        else:
            counts[last[i], 3] += 1
    for u in range(1, days):
        counts[u, 0] += counts[u - 1, 0]
    return counts


@kernel
def follow_mean(counts: Codes) -> tuple[Floats, Floats]:
    """Give on each day the mean number of events, sum of S(u-) d / Y, and the survival S(u)."""
    days = counts.shape[0]
    mean, alive = np.zeros(days), np.ones(days)
    total, left = 0.0, 1.0
    for u in range(days):
        if counts[u, 0] > 0:
            total += left * counts[u, 1] / counts[u, 0]
            left *= 1.0 - counts[u, 2] / counts[u, 0]
        mean[u], alive[u] = total, left
    return mean, alive


@kernel
def sum_influence(
    first: Codes,
    last: Codes,
    status: Codes,
    who: Codes,
    counts: Codes,
    alive: Floats,
    weight: Floats,
    exact: bool,
) -> Floats:
    """Give on each day the sum over participants of their squared influence on a weighted mean.

    The mean is the sum to that day of weight(u) dmu(u). A participant's influence grows on day u by
    weight(u) [S(u-) (dN_i - Y_i d / Y) / Y - dmu(u) D_i(u-)], with D_i the sum of
    (dT_i - Y_i t / Y) / (Y - t) of terminal events t (`exact`), or with Y in place of Y - t.
    """
    days = counts.shape[0]
    squares = np.zeros(days)
    i = 0
    while i < first.size:
        person, drift, total = who[i], 0.0, 0.0
        for u in range(days):
            while i < first.size and who[i] == person and last[i] < u:
                i += 1
            inside = i < first.size and who[i] == person and first[i] <= u
            at_risk = counts[u, 0]
            if at_risk > 0:
                before = alive[u - 1] if u > 0 else 1.0
                rate = counts[u, 1] / at_risk
                growth = -before * rate * drift
                if inside:
                    own = 1.0 if last[i] == u and status[i] == EVENT else 0.0
                    growth += before * (own - rate) / at_risk
                    left = at_risk - counts[u, 2] if exact else at_risk
                    if left > 0:
                        ended = 1.0 if last[i] == u and status[i] == COMPETING else 0.0
                        drift += (ended - counts[u, 2] / at_risk) / left
                total += weight[u] * growth
            squares[u] += total * total
        while i < first.size and who[i] == person:
            i += 1
    return squares
