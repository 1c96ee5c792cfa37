"""One stretch of a batch of trials: sorted, its arms followed, its arms compared.

What is done on one day of a curve, a tie, a score and a chi-square are those of one data set.
"""

from __future__ import annotations

import numpy as np

from stromal.analysis.intervals import Floats
from stromal.analysis.score_kernels import score_fleming_harrington, score_gray, solve_scores
from stromal.analysis.sort_kernels import join_ties, sort_keys
from stromal.analysis.survival_kernels import (
    COMPETING,
    EVENT,
    INCIDENCE_STATE,
    Codes,
    step_incidence,
    step_survival,
    without_rounding,
)
from stromal.core.jit import kernel

__all__ = ["analyze_stretch", "read_arm"]

_SAME_DAY = 1e-9  # relative: a day asked for as 0.3 finds the event recorded at 0.1 + 0.2


@kernel
def analyze_stretch(
    rows: tuple[Floats, Codes, Codes, Codes],
    starts: Codes,
    asked: Floats,
    plan: tuple[int, bool, Floats, float],
    curves: Floats,
    tests: Floats,
    differences: Floats,
) -> None:
    """Analyze trials that follow each other.

    Parameters
    ----------
    rows
        Days, the days as keys, coded statuses and arms of the whole batch, in any order within a
        trial.
    starts
        Where each trial of the stretch begins, and where the last one ends.
    asked
        Days on which curves are read, rising.
    plan
        Number of arms, whether a competing event is an event to survival and the log-rank test,
        rho and gamma of its weight (one row), and rho of Gray's test.
    curves
        Filled: trials by arms by asked days by the six numbers of `read_arm`.
    tests
        Filled: trials by chi-square and degrees of freedom of the log-rank test, the same of
        Gray's; NaN and 0 where not computable.
    differences
        Filled: trials by the two tests by arms; events observed less those expected.
    """
    n_arms, joined, powers, rho = plan
    first, trials = starts[0], starts.size - 1
    size = starts[trials] - first
    day = np.empty(size, dtype=np.float64)
    status = np.empty(size, dtype=np.int64)
    either = np.empty(size, dtype=np.int64)
    arm = np.empty(size, dtype=np.int64)
    local = starts - first
    room = 0
    for trial in range(trials):
        room = max(room, starts[trial + 1] - starts[trial])
    spare = np.empty((4, room), dtype=np.int64)
    arm_day = np.empty(room, dtype=np.float64)
    arm_status = np.empty(room, dtype=np.int64)
    no_entry = np.empty(0, dtype=np.float64)
    for trial in range(trials):
        i, n = local[trial], local[trial + 1] - local[trial]
        keys, place = spare[0, :n], spare[1, :n]
        for k in range(n):
            keys[k], place[k] = rows[1][starts[trial] + k], starts[trial] + k
        sort_keys(keys, place, spare[2, :n], spare[3, :n])
        for k in range(n):
            day[i + k] = rows[0][place[k]]
            status[i + k] = rows[2][place[k]]
            arm[i + k] = rows[3][place[k]]
            happened = joined and status[i + k] == COMPETING
            either[i + k] = EVENT if happened else status[i + k]
        if asked.size:
            for a in range(n_arms):
                m = 0
                for k in range(i, i + n):
                    if arm[k] == a:
                        arm_day[m], arm_status[m] = day[k], status[k]
                        m += 1
                join_ties(arm_day[:m], no_entry)
                read_arm(arm_day[:m], arm_status[:m], asked, joined, curves[trial, a])
        join_ties(day[i : i + n], no_entry)
    nobody = (no_entry, np.empty(0, dtype=np.int64), np.zeros(trials + 1, dtype=np.int64))
    observed, expected, spread = score_fleming_harrington(
        day, either, arm, local, nobody, powers, n_arms
    )
    _fill(observed[:, 0] - expected[:, 0], spread[:, 0, 0], tests[:, :2], differences[:, 0])
    observed, expected, covariance = score_gray(day, status, arm, local, n_arms, rho)
    _fill(observed - expected, covariance, tests[:, 2:], differences[:, 1])


@kernel
def _fill(difference: Floats, covariance: Floats, tests: Floats, differences: Floats) -> None:
    """Write chi-square, degrees of freedom and the differences they are of."""
    differences[:] = difference
    statistic, df = solve_scores(difference, covariance)
    for trial in range(df.size):
        tests[trial, 0], tests[trial, 1] = statistic[trial], max(df[trial], 0)


@kernel
def read_arm(day: Floats, status: Codes, asked: Floats, joined: bool, read: Floats) -> None:
    """Read the curves of one arm on the days asked for, as `estimate_at` reads a curve.

    Parameters
    ----------
    day, status
        Sorted and joined.
    asked
        Rising.
    joined
        Whether a competing event is an event to survival; otherwise it censors.
    read
        Filled: one row a day asked for, with the number at risk, survival and its standard error,
        incidence and its standard errors by cmprsk's and by Greenwood's variance. NaN where not
        estimable.
    """
    n = day.size
    survival = np.zeros(2, dtype=np.float64)
    state = np.zeros(INCIDENCE_STATE, dtype=np.float64)
    survival[0] = state[0] = 1.0
    q, i = 0, 0
    while q < asked.size:
        if i < n and day[i] <= asked[q] * (1 + _SAME_DAY):
            y, d1, d2, today = float(n - i), 0.0, 0.0, day[i]
            while i < n and day[i] == today:
                d1 += status[i] == EVENT
                d2 += status[i] == COMPETING
                i += 1
            step_survival(y, d1 + d2 if joined else d1, survival)
            step_incidence(y, d1, d2, state)
            continue
        s = survival[0]
        read[q, 1] = s
        read[q, 2] = s * np.sqrt(survival[1]) if s > 0 else np.nan
        read[q, 3] = state[1]
        read[q, 4] = np.sqrt(without_rounding(state[2], state[8]))
        read[q, 5] = np.sqrt(without_rounding(state[5], state[9]))
        left = n - i
        while left < n and day[n - left - 1] >= asked[q] * (1 - _SAME_DAY):
            left += 1
        read[q, 0] = left
        if left == 0:
            if s > 0 or n == 0:
                read[q, 1:3] = np.nan
            if state[0] > 0 or n == 0:
                read[q, 3:6] = np.nan
        q += 1
