"""Kernels for times to an event: arrays in, arrays out, one pass over sorted days.

They serve one registry of a million participants and many small trials alike: the comparisons
take `starts`, where each segment of participants begins, and give one result a segment. The
segments are strata of one trial (add the results) or trials of a simulation (keep them apart).
Statuses are the codes below, and words everywhere else; on one day events come before censoring.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from stromal.analysis.intervals import Floats
from stromal.core.jit import kernel

__all__ = [
    "CENSORED",
    "COMPETING",
    "EVENT",
    "Codes",
    "follow_incidence",
    "follow_survival",
    "score_gray",
    "score_logrank",
    "tabulate_days",
]

Codes: TypeAlias = NDArray[np.int64]

CENSORED, EVENT, COMPETING = 0, 1, 2


@kernel
def tabulate_days(day: Floats, status: Codes) -> tuple[Floats, Codes]:
    """Count, on each distinct day, who is at risk, has an event, a competing event, is censored.

    Parameters
    ----------
    day, status
        One group, sorted by day.

    Returns
    -------
    days
        The distinct days.
    counts
        One row a day: at risk just before it, events, competing events, censored.
    """
    n = day.size
    days = np.empty(n, dtype=np.float64)
    counts = np.zeros((n, 4), dtype=np.int64)
    m = -1
    for i in range(n):
        if m < 0 or day[i] != days[m]:
            m += 1
            days[m] = day[i]
            counts[m, 0] = n - i
        if status[i] == EVENT:
            counts[m, 1] += 1
        elif status[i] == COMPETING:
            counts[m, 2] += 1
        else:
            counts[m, 3] += 1
    return days[: m + 1], counts[: m + 1]


@kernel
def follow_survival(counts: Codes) -> tuple[Floats, Floats]:
    """Give the Kaplan-Meier estimate and Greenwood's sum of d / (Y (Y - d)) after each day.

    The sum is infinite once everybody at risk has had the event.
    """
    m = counts.shape[0]
    survival = np.empty(m, dtype=np.float64)
    total = np.empty(m, dtype=np.float64)
    s, g = 1.0, 0.0
    for i in range(m):
        at_risk, died = counts[i, 0], counts[i, 1]
        if died > 0:
            s *= (at_risk - died) / at_risk
            g = g + died / (at_risk * float(at_risk - died)) if died < at_risk else np.inf
        survival[i], total[i] = s, g
    return survival, total


@kernel
def follow_incidence(counts: Codes) -> tuple[Floats, Floats, Floats, Floats]:
    """Give event-free probability, Aalen-Johansen incidence and its two variances after each day.

    With Y at risk, d1 events and d2 competing events on day u, S the event-free probability and
    F the incidence, an error in the increment of d1 / Y on day u moves F(t) by S(u-) w1, one in
    d2 / Y by S(u-) w2, where w1 = 1 - (F(t) - F(u)) / S(u) and w2 = w1 - 1. The variance is the
    sum over u of (S(u-) / Y)^2 w' C w, with C the covariance of (d1, d2) given Y:

    - cmprsk's: the two causes uncorrelated, each with variance d (Y - d) / (Y - 1), the
      hypergeometric correction of ties of d (d itself where Y is 1);
    - Greenwood's: multinomial, d (Y - d) / Y and covariance -d1 d2 / Y.

    Both sums follow F with three running numbers: v = sum w'Cw, b = S sum 1'Cw / S(u),
    c = S^2 sum 1'C1 / S(u)^2, each with the factor (S(u-) / Y)^2. When F grows by a S, w falls by
    a S / S(u), so v grows by a^2 c - 2 a b; nothing is divided by a small S.
    """
    m = counts.shape[0]
    event_free = np.empty(m, dtype=np.float64)
    incidence = np.empty(m, dtype=np.float64)
    cmprsk = np.empty(m, dtype=np.float64)
    greenwood = np.empty(m, dtype=np.float64)
    s, f = 1.0, 0.0
    v1, b1, c1 = 0.0, 0.0, 0.0
    v2, b2, c2 = 0.0, 0.0, 0.0
    for i in range(m):
        y, d1, d2 = float(counts[i, 0]), float(counts[i, 1]), float(counts[i, 2])
        d = d1 + d2
        if d > 0:
            a, stay = d1 / y, (y - d) / y
            unit = (s / y) ** 2
            v1 += a * (a * c1 - 2 * b1)
            b1 = stay * (b1 - a * c1)
            c1 = stay * stay * c1
            q1, q2 = unit * _tied_variance(d1, y), unit * _tied_variance(d2, y)
            v1 += q1
            b1 += q1
            c1 += q1 + q2
            v2 += a * (a * c2 - 2 * b2)
            b2 = stay * (b2 - a * c2)
            c2 = stay * stay * c2
            v2 += unit * d1 * (y - d1) / y
            b2 += unit * d1 * (y - d) / y
            c2 += unit * d * (y - d) / y
            f += s * a
            s *= stay
        event_free[i], incidence[i] = s, f
        cmprsk[i], greenwood[i] = max(v1, 0.0), max(v2, 0.0)
    return event_free, incidence, cmprsk, greenwood


@kernel
def score_logrank(
    day: Floats, status: Codes, group: Codes, starts: Codes, n_groups: int
) -> tuple[Floats, Floats, Floats]:
    """Give observed and expected events and their covariance, for each segment.

    On a day with d events among Y at risk, group k with Y_k at risk expects d Y_k / Y, and the
    covariance of k and l is hypergeometric: d (Y - d) / (Y - 1) * Y_k / Y * (1[k=l] - Y_l / Y).
    A competing event counts as censored.

    Parameters
    ----------
    day, status, group
        Sorted by day within each segment; `group` counts from 0.
    starts
        Where each segment begins, and the number of participants.
    n_groups
        Number of groups.

    Returns
    -------
    observed, expected
        Segments by groups.
    covariance
        Segments by groups by groups.
    """
    segments = starts.size - 1
    observed = np.zeros((segments, n_groups), dtype=np.float64)
    expected = np.zeros((segments, n_groups), dtype=np.float64)
    covariance = np.zeros((segments, n_groups, n_groups), dtype=np.float64)
    tally = np.zeros((3, n_groups), dtype=np.float64)
    at_risk = np.zeros(n_groups, dtype=np.float64)
    for segment in range(segments):
        i, stop = starts[segment], starts[segment + 1]
        _count_groups(group, i, stop, at_risk)
        while i < stop:
            i = _take_day(day, status, group, i, stop, tally)
            d, y = tally[0].sum(), at_risk.sum()
            observed[segment] += tally[0]
            spread = d * (y - d) / (y - 1) if y > 1 else 0.0
            for k in range(n_groups):
                share = at_risk[k] / y
                expected[segment, k] += d * share
                covariance[segment, k, k] += spread * share
                for j in range(n_groups):
                    covariance[segment, k, j] -= spread * share * at_risk[j] / y
            at_risk -= tally[2]
    return observed, expected, covariance


@kernel
def score_gray(
    day: Floats, status: Codes, group: Codes, starts: Codes, n_groups: int
) -> tuple[Floats, Floats, Floats]:
    """Give observed and expected events and the covariance of their difference, by segment.

    Gray's test with weight 1 (rho 0). With Y_k at risk in group k, S_k its Kaplan-Meier estimate
    of freedom from any event and F_k its Aalen-Johansen incidence, all just before the day,
    h_k = Y_k / S_k. Of d events on the day, group k expects d R_k / R with R_k = h_k (1 - F_k).

    The covariance is Gray's, under equality of the incidences. F0 grows by d / h. An event in
    group r moves the score of k by h_k (1[k=r] - h_r / h) at once, and from then on, through the
    estimate of F_r, by (1 - (1 - F0) / S_r) times the growth of C_kr, the integral of
    h_k (1[k=r] - h_r / h) d / (h (1 - F0)); a competing event in r by -(1 - F0) / S_r times it.
    The variance of the events in r is S_r d / (h Y_r) with the correction
    1 - (d - 1) / (h S_r - 1) of ties, that of d2 competing events (S_r / Y_r)^2 d2 with the
    correction (Y_r - d2) / (Y_r - 1). As in `follow_incidence` the sums are kept up to date
    while C grows, so one pass suffices.

    Parameters and results are those of `score_logrank`.
    """
    segments = starts.size - 1
    observed = np.zeros((segments, n_groups), dtype=np.float64)
    expected = np.zeros((segments, n_groups), dtype=np.float64)
    covariance = np.zeros((segments, n_groups, n_groups), dtype=np.float64)
    tally = np.zeros((3, n_groups), dtype=np.float64)
    state = np.zeros((4, n_groups), dtype=np.float64)
    at_risk, free, after, incidence = state[0], state[1], state[2], state[3]
    pull = np.zeros((n_groups, n_groups), dtype=np.float64)
    cross = np.zeros((n_groups, n_groups), dtype=np.float64)
    square = np.zeros(n_groups, dtype=np.float64)
    for segment in range(segments):
        i, stop = starts[segment], starts[segment + 1]
        _count_groups(group, i, stop, at_risk)
        free[:], incidence[:], cross[:], square[:], pooled = 1.0, 0.0, 0.0, 0.0, 0.0
        sums = (cross, square, covariance[segment])
        while i < stop:
            i = _take_day(day, status, group, i, stop, tally)
            d = tally[0].sum()
            observed[segment] += tally[0]
            _expect(d, state, expected[segment])
            for r in range(n_groups):
                left = at_risk[r] - tally[0, r] - tally[1, r]
                after[r] = free[r] * left / at_risk[r] if at_risk[r] > 0 else free[r]
            if (at_risk > 0).sum() > 1:  # with one group left nothing more varies
                h = _pull_groups(state, pull)
                if d > 0:
                    _grow(d / (h * (1 - pooled)) if pooled != 1 else np.nan, pull, sums)
                pooled += d / h
                _spread_events(d, h, pooled, state, pull, sums)
                _spread_competing(pooled, state, tally[1], square)
            for r in range(n_groups):
                if at_risk[r] > 0:
                    incidence[r] += free[r] * tally[0, r] / at_risk[r]
            free[:] = after
            at_risk -= tally[2]
    return observed, expected, covariance


@kernel
def _tied_variance(d: float, y: float) -> float:
    """Give the hypergeometric variance of d events among y, of which the last is certain."""
    return d * (y - d) / (y - 1) if y > 1 else d


@kernel
def _count_groups(group: Codes, start: int, stop: int, at_risk: Floats) -> None:
    """Count each group's participants of a segment into `at_risk`."""
    at_risk[:] = 0.0
    for i in range(start, stop):
        at_risk[group[i]] += 1.0


@kernel
def _take_day(day: Floats, status: Codes, group: Codes, i: int, stop: int, tally: Floats) -> int:
    """Tally a day's events, competing events and all who leave; give where the next day begins."""
    tally[:] = 0.0
    today = day[i]
    while i < stop and day[i] == today:
        k = group[i]
        tally[2, k] += 1.0
        if status[i] == EVENT:
            tally[0, k] += 1.0
        elif status[i] == COMPETING:
            tally[1, k] += 1.0
        i += 1
    return i


@kernel
def _expect(d: float, state: Floats, expected: Floats) -> None:
    """Share d events between the groups in proportion to R_k."""
    at_risk, free, incidence = state[0], state[1], state[3]
    total = 0.0
    for k in range(at_risk.size):
        if at_risk[k] > 0:
            total += at_risk[k] * (1 - incidence[k]) / free[k]
    for k in range(at_risk.size):
        if at_risk[k] > 0:
            expected[k] += d * at_risk[k] * (1 - incidence[k]) / free[k] / total


@kernel
def _pull_groups(state: Floats, pull: Floats) -> float:
    """Fill `pull` with h_k (1[k=r] - h_r / h) and give h."""
    at_risk, free = state[0], state[1]
    n_groups = at_risk.size
    pull[:] = 0.0
    h = 0.0
    for k in range(n_groups):
        if at_risk[k] > 0:
            pull[k, k] = at_risk[k] / free[k]
            h += pull[k, k]
    for k in range(n_groups):
        for r in range(n_groups):
            if r != k:
                pull[k, r] = -pull[k, k] * pull[r, r] / h
    for k in range(n_groups):
        pull[k, k] *= 1 - pull[k, k] / h
    return h


@kernel
def _grow(growth: float, pull: Floats, sums: tuple[Floats, Floats, Floats]) -> None:
    """Let C grow by `growth` times `pull`, and bring the sums up to date."""
    cross, square, covariance = sums
    n_groups = square.size
    for r in range(n_groups):
        for k in range(n_groups):
            more = growth * pull[k, r]
            for j in range(n_groups):
                other = growth * pull[j, r]
                covariance[k, j] += more * cross[j, r] + other * cross[k, r]
                covariance[k, j] += more * other * square[r]
        for k in range(n_groups):
            cross[k, r] += growth * pull[k, r] * square[r]


@kernel
def _spread_events(
    d: float,
    h: float,
    pooled: float,
    state: Floats,
    pull: Floats,
    sums: tuple[Floats, Floats, Floats],
) -> None:
    """Add the variance of a day's d events under equality to the sums."""
    cross, square, covariance = sums
    at_risk, free, after = state[0], state[1], state[2]
    n_groups = at_risk.size
    for r in range(n_groups):
        if d > 0 and at_risk[r] > 0:
            ties = 1 - (d - 1) / (h * free[r] - 1) if d > 1 else 1.0
            unit = ties * free[r] * d / (h * at_risk[r])
            later = 1 - (1 - pooled) / after[r] if after[r] > 0 else 0.0
            for k in range(n_groups):
                for j in range(n_groups):
                    covariance[k, j] += unit * pull[k, r] * pull[j, r]
                cross[k, r] += unit * later * pull[k, r]
            square[r] += unit * later * later


@kernel
def _spread_competing(pooled: float, state: Floats, competing: Floats, square: Floats) -> None:
    """Add the variance of a day's competing events to the sums."""
    at_risk, free, after = state[0], state[1], state[2]
    for r in range(at_risk.size):
        if competing[r] > 0 and after[r] > 0:
            unit = (free[r] / at_risk[r]) ** 2 * _tied_variance(competing[r], at_risk[r])
            later = (1 - pooled) / after[r]
            square[r] += unit * later * later
