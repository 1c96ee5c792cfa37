"""Kernels for times to an event: arrays in, arrays out, one pass over sorted days.

What a curve does on one day stands in a `step_` of its own, which the batches of trials take too.
Statuses are the codes below, and words everywhere else; on one day events come before censoring.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from stromal.analysis.intervals import Floats
from stromal.core.jit import inlined, kernel

__all__ = [
    "CENSORED",
    "COMPETING",
    "EVENT",
    "INCIDENCE_STATE",
    "Codes",
    "follow_incidence",
    "follow_survival",
    "follow_weighted",
    "step_incidence",
    "step_survival",
    "tabulate_days",
    "tabulate_entered",
    "tied_variance",
    "without_rounding",
]

Codes: TypeAlias = NDArray[np.int64]

CENSORED, EVENT, COMPETING = 0, 1, 2

INCIDENCE_STATE = 10  # event-free, incidence, three sums for each variance, their two peaks
ROUNDING = 1e-14  # of the largest variance; p (1 - p) / n itself never falls below 4 / n^2 of it


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
    return tabulate_entered(day, status, np.zeros(0, dtype=np.float64))


@kernel
def tabulate_entered(day: Floats, status: Codes, late: Floats) -> tuple[Floats, Codes]:
    """Count as `tabulate_days` does, where some enter late: they are at risk after that day.

    Parameters
    ----------
    day, status
        One group, sorted by day.
    late
        Days of entry, sorted, of all who are not at risk from the beginning.
    """
    n = day.size
    days = np.empty(n, dtype=np.float64)
    counts = np.zeros((n, 4), dtype=np.int64)
    m, j = -1, 0
    for i in range(n):
        if m < 0 or day[i] != days[m]:
            m += 1
            days[m] = day[i]
            while j < late.size and late[j] < day[i]:
                j += 1
            counts[m, 0] = n - i - (late.size - j)
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
    state = np.zeros(2, dtype=np.float64)
    state[0] = 1.0
    for i in range(m):
        step_survival(float(counts[i, 0]), float(counts[i, 1]), state)
        survival[i], total[i] = state[0], state[1]
    return survival, total


@inlined
def step_survival(at_risk: float, died: float, state: Floats) -> None:
    """Take survival and Greenwood's sum over a day with `died` events among those at risk."""
    if died > 0:
        state[0] *= (at_risk - died) / at_risk
        if died < at_risk:
            state[1] += died / (at_risk * (at_risk - died))
        else:
            state[1] = np.inf


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
    a S / S(u), so v grows by a^2 c - 2 a b; nothing is divided by a small S. What rounding leaves
    of a variance that fell back to 0 is 0.
    """
    m = counts.shape[0]
    event_free = np.empty(m, dtype=np.float64)
    incidence = np.empty(m, dtype=np.float64)
    cmprsk = np.empty(m, dtype=np.float64)
    greenwood = np.empty(m, dtype=np.float64)
    state = np.zeros(INCIDENCE_STATE, dtype=np.float64)
    state[0] = 1.0
    for i in range(m):
        step_incidence(float(counts[i, 0]), float(counts[i, 1]), float(counts[i, 2]), state)
        event_free[i], incidence[i] = state[0], state[1]
        cmprsk[i] = without_rounding(state[2], state[8])
        greenwood[i] = without_rounding(state[5], state[9])
    return event_free, incidence, cmprsk, greenwood


@inlined
def step_incidence(y: float, d1: float, d2: float, state: Floats) -> None:
    """Take incidence, its two variances and their peaks over a day; see `follow_incidence`."""
    d = d1 + d2
    if d > 0:
        s = state[0]
        a, stay = d1 / y, (y - d) / y
        unit = (s / y) * (s / y)
        q1, q2 = unit * tied_variance(d1, y), unit * tied_variance(d2, y)
        v, b, c = state[2], state[3], state[4]
        v += a * (a * c - 2 * b)
        b = stay * (b - a * c)
        c = stay * stay * c
        state[2], state[3], state[4] = v + q1, b + q1, c + (q1 + q2)
        v, b, c = state[5], state[6], state[7]
        v += a * (a * c - 2 * b)
        b = stay * (b - a * c)
        c = stay * stay * c
        state[5] = v + unit * d1 * (y - d1) / y
        state[6] = b + unit * d1 * (y - d) / y
        state[7] = c + unit * d * (y - d) / y
        state[1] += s * a
        state[0] = s * stay
        state[8], state[9] = max(state[8], state[2]), max(state[9], state[5])


@inlined
def without_rounding(variance: float, peak: float) -> float:
    """Give a variance, or 0 where it is only what rounding left of its peak."""
    return variance if variance > ROUNDING * peak else 0.0


@kernel
def follow_weighted(
    day: Floats, status: Codes, weight: Floats, entry: Floats, order: Codes
) -> Floats:
    """Follow incidence and its infinitesimal jackknife with case weights and late entries.

    The variance is the sum over participants of (w D)^2, where D is the derivative of the
    estimate in the participant's weight w. With Y the weight at risk, d1 that of events, d of all
    events on the day, a = d1 / Y: D of the incidence grows by a B + S (1[event] - a) / Y, and B,
    that of the event-free probability, becomes (1 - d / Y) B - S (1[any event] - d / Y) / Y, where
    what is divided by Y concerns only who is at risk. The sums of w^2 D^2, w^2 D B and w^2 B^2
    follow from those over who is at risk; D and B of who leaves are known from what four running
    integrals were on the day of entry and are now.

    Parameters
    ----------
    day, status, weight, entry
        One group, sorted by day; `entry` is -1 for who is at risk from the beginning.
    order
        Who enters when: places of the participants, sorted by entry.

    Returns
    -------
    array
        Columns for the distinct days, rows: day, weight at risk just before it, weight of the
        events on it, event-free probability and incidence after it, and their two variances.
    """
    n = day.size
    curve = np.empty((7, n))
    left = np.zeros(n + 1)  # weight of who leaves here or later; of who enters here or later
    later = np.zeros(n + 1)
    for i in range(n - 1, -1, -1):
        left[i] = left[i + 1] + weight[i]
        later[i] = later[i + 1] + weight[order[i]]
    begun = np.zeros((n, 4))
    now = np.zeros(4)  # integrals: hazard of survival, d1 term, mixed term, incidence
    total, active = np.zeros(3), np.zeros(3)
    s, peak = 1.0, np.sum(weight**2) / max(left[0], 1e-300) ** 2  # about 1 / n
    i, j, m, staying = 0, 0, 0, 0
    while i < n:
        while j < n and entry[order[j]] < day[i]:
            begun[order[j]] = now
            active[2] += weight[order[j]] ** 2
            staying += 1
            j += 1
        stop, d1, d, happened = i, 0.0, 0.0, 0
        while stop < n and day[stop] == day[i]:
            d1 += weight[stop] if status[stop] == EVENT else 0.0
            d += weight[stop] if status[stop] != CENSORED else 0.0
            happened += status[stop] != CENSORED
            stop += 1
        y = left[i] - later[j]
        a = d1 / y
        stay = 0.0 if happened == staying else (y - d) / y
        p, q = -s * a / y, s * (1 - stay) / y
        _carry(a, stay, p, q, total, active)
        for k in range(i, stop):
            was = begun[k]
            own = s * (now[0] - was[0])
            moved = (now[2] - was[2]) - (now[1] - was[1]) - was[0] * (now[3] - was[3])
            jump = s / y if status[k] == EVENT else 0.0
            fall = s / y if status[k] != CENSORED else 0.0
            moved, own = moved + a * own + p, stay * own + q
            _leave(weight[k], moved, own, jump, fall, total, active)
        now[1] += s * a / y
        now[2] += s * a * now[0]
        now[3] += s * a
        if stay > 0:
            now[0] += d / (y * y * stay)
        s *= stay
        staying -= stop - i
        peak = max(peak, total[0])
        curve[0, m], curve[1, m], curve[2, m] = day[i], y, d1
        curve[3, m], curve[4, m] = s, now[3]
        curve[5, m] = max(total[2], 0.0) if s > 0 else 0.0
        curve[6, m] = without_rounding(total[0], 100 * peak)  # weights round coarser
        i, m = stop, m + 1
    return curve[:, :m]


@inlined
def _carry(a: float, stay: float, p: float, q: float, total: Floats, active: Floats) -> None:
    """Take the sums over all, and over who is at risk, over a day: D + a B + p, stay B + q."""
    total[0] += a * (2 * total[1] + a * total[2])
    total[1] = stay * (total[1] + a * total[2])
    total[2] *= stay * stay
    active[0] += a * active[1]
    active[1] *= stay
    total[0] += p * (2 * active[0] + p * active[2])
    total[1] += p * active[1] + q * active[0] + p * q * active[2]
    total[2] += q * (2 * active[1] + q * active[2])
    active[0] += p * active[2]
    active[1] += q * active[2]


@inlined
def _leave(
    weight: float,
    moved: float,
    own: float,
    jump: float,
    fall: float,
    total: Floats,
    active: Floats,
) -> None:
    """Take a participant out of the sums over who is at risk, and add what the own event moves."""
    square = weight * weight
    active[0] -= square * moved
    active[1] -= square * own
    active[2] -= square
    total[0] += square * jump * (2 * moved + jump)
    total[1] += square * (jump * own - fall * moved - jump * fall)
    total[2] += square * fall * (fall - 2 * own)


@inlined
def tied_variance(d: float, y: float) -> float:
    """Give the hypergeometric variance of d events among y, of which the last is certain."""
    return d * (y - d) / (y - 1) if y > 1 else d
