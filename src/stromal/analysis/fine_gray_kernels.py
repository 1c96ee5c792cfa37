"""Sums of the subdistribution-hazard model, each in one pass over the days.

Everything is by distinct day (0, 1, ...) and by group of equal censoring. `stays` is G(t-), the
censoring survival just before a day, one row a group. Someone with a competing event on day T stays
at risk on a later day t with the weight G(t-) / G(T-).
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from stromal.analysis.intervals import Floats
from stromal.core.jit import kernel

__all__ = ["censoring_survival", "likelihood", "robust_middle", "subdistribution_sums"]

Codes: TypeAlias = NDArray[np.int64]


@kernel
def censoring_survival(place: Codes, status: Codes, group: Codes, n_days: int) -> Floats:
    """Estimate for each group the survival of censoring just before each day.

    Who leaves by an event on a day is still at risk of being censored on it. After a group's last
    day it is 0.
    """
    n_groups = 1
    for i in range(group.size):
        n_groups = max(n_groups, group[i] + 1)
    leaving = np.zeros((n_groups, n_days))
    censored = np.zeros((n_groups, n_days))
    for i in range(place.size):
        leaving[group[i], place[i]] += 1
        if status[i] == 0:
            censored[group[i], place[i]] += 1
    stays = np.zeros((n_groups, n_days))
    for k in range(n_groups):
        at_risk, value = leaving[k].sum(), 1.0
        for day in range(n_days):
            if at_risk <= 0:
                break
            stays[k, day] = value
            value *= 1 - censored[k, day] / at_risk
            at_risk -= leaving[k, day]
    return stays


@kernel
def subdistribution_sums(
    columns: Floats,
    risk: Floats,
    place: Codes,
    status: Codes,
    group: Codes,
    stays: Floats,
) -> tuple[Floats, Floats, Floats]:
    """Sum the weighted risks, risks x covariates, and risks x covariates squared at each day."""
    n, width = columns.shape
    n_groups, n_days = stays.shape
    zero = np.zeros(n_days)
    first = np.zeros((n_days, width))
    second = np.zeros((n_days, width, width))
    late_zero = np.zeros((n_groups, n_days))
    late_first = np.zeros((n_groups, n_days, width))
    late_second = np.zeros((n_groups, n_days, width, width))
    for i in range(n):
        day, k, r = place[i], group[i], risk[i]
        zero[day] += r
        for a in range(width):
            ra = r * columns[i, a]
            first[day, a] += ra
            for b in range(a + 1):
                second[day, a, b] += ra * columns[i, b]
        if status[i] == 2:
            w = r / stays[k, day]
            late_zero[k, day] += w
            for a in range(width):
                wa = w * columns[i, a]
                late_first[k, day, a] += wa
                for b in range(a + 1):
                    late_second[k, day, a, b] += wa * columns[i, b]
    for day in range(n_days - 2, -1, -1):
        zero[day] += zero[day + 1]
        first[day] += first[day + 1]
        second[day] += second[day + 1]
    for k in range(n_groups):
        sum_zero = 0.0
        sum_first = np.zeros(width)
        sum_second = np.zeros((width, width))
        for day in range(n_days):
            g = stays[k, day]
            zero[day] += g * sum_zero
            for a in range(width):
                first[day, a] += g * sum_first[a]
                sum_first[a] += late_first[k, day, a]
                for b in range(a + 1):
                    second[day, a, b] += g * sum_second[a, b]
                    sum_second[a, b] += late_second[k, day, a, b]
            sum_zero += late_zero[k, day]
    return zero, first, second


@kernel
def likelihood(
    columns: Floats,
    coefficient: Floats,
    place: Codes,
    status: Codes,
    group: Codes,
    stays: Floats,
) -> tuple[float, Floats, Floats]:
    """Give the log partial likelihood (Breslow's ties), its gradient and its information."""
    n, width = columns.shape
    n_days = stays.shape[1]
    score = columns @ coefficient
    top = score.max()
    zero, first, second = subdistribution_sums(
        columns, np.exp(score - top), place, status, group, stays
    )
    events = np.zeros(n_days)
    value = 0.0
    gradient = np.zeros(width)
    information = np.zeros((width, width))
    for i in range(n):
        if status[i] == 1:
            events[place[i]] += 1
            value += score[i] - top
            gradient += columns[i]
    for day in range(n_days):
        if events[day] > 0:
            value -= events[day] * np.log(zero[day])
            for a in range(width):
                mean = first[day, a] / zero[day]
                gradient[a] -= events[day] * mean
                for b in range(a + 1):
                    more = second[day, a, b] / zero[day] - mean * first[day, b] / zero[day]
                    information[a, b] += events[day] * more
    for a in range(width):
        for b in range(a):
            information[b, a] = information[a, b]
    return value, gradient, information


@kernel
def _own_terms(
    columns: Floats,
    risk: Floats,
    place: Codes,
    status: Codes,
    group: Codes,
    stays: Floats,
    mean: Floats,
    growth: Floats,
) -> Floats:
    """Integrate (covariate - mean) x weight over each participant's martingale."""
    n, width = columns.shape
    n_groups, n_days = stays.shape
    until = np.zeros((n_days, width + 1))
    after = np.zeros((n_groups, n_days + 1, width + 1))
    total = np.zeros(width + 1)
    for day in range(n_days):
        total[0] += growth[day]
        total[1:] += growth[day] * mean[day]
        until[day] = total
    for k in range(n_groups):
        for day in range(n_days - 1, -1, -1):
            g = stays[k, day] * growth[day]
            after[k, day, 0] = after[k, day + 1, 0] + g
            for a in range(width):
                after[k, day, a + 1] = after[k, day + 1, a + 1] + g * mean[day, a]
    terms = np.zeros((n, width))
    for i in range(n):
        day, k = place[i], group[i]
        for a in range(width):
            x = columns[i, a]
            expected = x * until[day, 0] - until[day, a + 1]
            if status[i] == 2:
                later = x * after[k, day + 1, 0] - after[k, day + 1, a + 1]
                expected += later / stays[k, day]
            terms[i, a] = -risk[i] * expected
            if status[i] == 1:
                terms[i, a] += x - mean[day, a]
    return terms


@kernel
def _censoring_terms(
    columns: Floats,
    risk: Floats,
    place: Codes,
    status: Codes,
    group: Codes,
    stays: Floats,
    mean: Floats,
    zero: Floats,
    terms: Floats,
) -> None:
    """Add to each participant's terms what estimating the censoring survival costs."""
    n, width = columns.shape
    n_groups, n_days = stays.shape
    events = np.zeros((n_groups, n_days))
    censored = np.zeros((n_groups, n_days))
    at_risk = np.zeros((n_groups, n_days))
    late = np.zeros((n_groups, n_days, width + 1))
    for i in range(n):
        day, k = place[i], group[i]
        at_risk[k, day] += 1
        if status[i] == 0:
            censored[k, day] += 1
        elif status[i] == 1:
            events[k, day] += 1
        else:
            w = risk[i] / stays[k, day]
            late[k, day, 0] += w
            for a in range(width):
                late[k, day, a + 1] += w * columns[i, a]
    pull = np.zeros((n_groups, n_days, width))
    spent = np.zeros((n_groups, n_days, width))
    ahead = np.zeros((n_days + 1, width + 1))
    for k in range(n_groups):
        for day in range(n_days - 1, -1, -1):
            if day + 1 < n_days:
                at_risk[k, day] += at_risk[k, day + 1]
            g = stays[k, day] * events[k, day] / zero[day] if events[k, day] > 0 else 0.0
            ahead[day, 0] = ahead[day + 1, 0] + g
            for a in range(width):
                ahead[day, a + 1] = ahead[day + 1, a + 1] + g * mean[day, a]
        before = np.zeros(width + 1)
        total = np.zeros(width)
        for day in range(n_days):
            if at_risk[k, day] > 0:
                for a in range(width):
                    q = before[a + 1] * ahead[day, 0] - before[0] * ahead[day, a + 1]
                    pull[k, day, a] = q / at_risk[k, day]
                    total[a] += pull[k, day, a] * censored[k, day] / at_risk[k, day]
            spent[k, day] = total
            before += late[k, day]
    for i in range(n):
        day, k = place[i], group[i]
        for a in range(width):
            terms[i, a] -= spent[k, day, a]
            if status[i] == 0:
                terms[i, a] += pull[k, day, a]


@kernel
def robust_middle(
    columns: Floats,
    coefficient: Floats,
    place: Codes,
    status: Codes,
    group: Codes,
    stays: Floats,
) -> tuple[Floats, Floats]:
    """Give the middle of the sandwich variance, and each day's growth of the baseline hazard."""
    width = columns.shape[1]
    n_days = stays.shape[1]
    score = columns @ coefficient
    top = score.max()
    risk = np.exp(score - top)
    zero, first, _ = subdistribution_sums(columns, risk, place, status, group, stays)
    growth = np.zeros(n_days)
    for i in range(place.size):
        if status[i] == 1:
            growth[place[i]] += 1 / zero[place[i]]
    mean = np.zeros((n_days, width))
    for day in range(n_days):
        if zero[day] > 0:
            mean[day] = first[day] / zero[day]
    terms = _own_terms(columns, risk, place, status, group, stays, mean, growth)
    _censoring_terms(columns, risk, place, status, group, stays, mean, zero, terms)
    return terms.T @ terms, growth * np.exp(-top)
