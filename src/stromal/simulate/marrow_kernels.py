"""The marrow of virtual participants: sixteen states and how they change in a day.

Counts are in 10*9/L, haemoglobin in g/L, times in days. Donor output and niche capacity are 1 in
health. See `parameters.yaml` for every number and its source.

Participants go in blocks of `LANES`: one row a state, one column (lane) a participant, so that the
processor works on several at once. Every lane is computed by the same operations in the same order,
wherever it stands and whoever its neighbours are. Inner loops see a block as one row of numbers
with distances known to the compiler, and divide by `numpy.divide`, which does not stop at 0: else
they would not be made into vectors.
"""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from stromal.core.jit import kernel

__all__ = [
    "ANC",
    "CAPACITY",
    "HB",
    "HB_TRANSFUSED",
    "LANES",
    "OUTPUT",
    "PLATELETS",
    "PLATELETS_TRANSFUSED",
    "RATES",
    "STATES",
    "SUPPORT",
    "Marrow",
    "State",
    "change",
    "healthy",
    "run_day",
    "set_rates",
    "set_today",
]

State: TypeAlias = npt.NDArray[np.float64]
Table: TypeAlias = npt.NDArray[np.float64]

LANES = 32
"""Participants in a block."""
STATES = 16
OUTPUT, CAPACITY, SUPPORT = 0, 1, 2
_T1, _T2, _T3, ANC = 3, 4, 5, 6
_K1, _K2, _K3, PLATELETS, PLATELETS_TRANSFUSED = 7, 8, 9, 10, 11
_E1, _E2, HB, HB_TRANSFUSED = 12, 13, 14, 15

RATES = 27
_EXPANSION, _LOSS, _REPAIR, _REPAIRED, _MSC_EFFECT, _MSC_DECAY = 0, 1, 2, 3, 4, 5
_ANC_HEALTHY, _ANC_TRANSIT, _ANC_TURNOVER, _ANC_MOST, _ANC_SLOPE = 6, 7, 8, 9, 10
_PLATELET_TRANSIT, _PLATELET_AGE, _PLATELET_LOSS, _PLATELET_MADE = 11, 12, 13, 14
_PLATELET_MOST, _PLATELET_SLOPE = 15, 16
_HB_HEALTHY, _HB_TRANSIT, _HB_TURNOVER, _HB_FADE, _HB_MOST, _HB_SLOPE = 17, 18, 19, 20, 21, 22
_STEP, _WORN, _ANC_TODAY, _PLATELETS_TODAY = 23, 24, 25, 26
"""Rows of the rates of a block: 23 that stay the same, and what acts today."""


class Marrow(NamedTuple):
    """Rates and set points of one participant.

    `expansion`, `loss`: growth of donor output toward the niche's capacity, and what wears it (a
    day); `repair`, `repaired`: how fast the niche recovers and how far; `msc_effect`, `msc_decay`:
    what MSC support adds to the repair, and how fast the support fades (a day). `anc_healthy`,
    `anc_transit`, `anc_turnover`, `anc_drive`, and likewise for platelets and haemoglobin: the
    healthy count, rate of each transit compartment (a day), turnover (a day), and how strongly
    production rises as the count falls. `platelet_life` (days) and `platelet_loss` (10*9/L a day):
    the longest life, and the fixed loss to the vessels. `red_cell_life`, `transfused_life` (days).
    """

    expansion: float
    loss: float
    repair: float
    repaired: float
    msc_effect: float
    msc_decay: float
    anc_healthy: float
    anc_transit: float
    anc_turnover: float
    anc_drive: float
    platelets_healthy: float
    platelet_transit: float
    platelet_life: float
    platelet_loss: float
    platelet_drive: float
    hb_healthy: float
    hb_transit: float
    red_cell_life: float
    transfused_life: float
    hb_drive: float


_FASTEST_LOSS = 2.0
"""What a niche that cannot carry a graft takes of its output at most, a day."""
_HALF_LOSS = 5.0
"""Platelets (10*9/L) at which half of the fixed loss is met: below, there are fewer to lose."""


@kernel
def healthy(m: Marrow, state: State) -> None:
    """Fill a state with that of a healthy marrow, in which nothing changes."""
    state[:] = 1.0
    state[SUPPORT] = 0.0
    state[ANC] = m.anc_healthy
    state[PLATELETS] = m.platelets_healthy
    state[PLATELETS_TRANSFUSED] = 0.0
    state[HB] = m.hb_healthy
    state[HB_TRANSFUSED] = 0.0


@kernel
def set_rates(m: Marrow, rates: Table, lane: int) -> None:
    """Put a participant's marrow into a lane of a block's rates."""
    rates[_EXPANSION, lane], rates[_LOSS, lane] = m.expansion, m.loss
    rates[_REPAIR, lane], rates[_REPAIRED, lane] = m.repair, m.repaired
    rates[_MSC_EFFECT, lane], rates[_MSC_DECAY, lane] = m.msc_effect, m.msc_decay
    rates[_ANC_HEALTHY, lane], rates[_ANC_TRANSIT, lane] = m.anc_healthy, m.anc_transit
    rates[_ANC_TURNOVER, lane] = m.anc_turnover
    rates[_ANC_MOST, lane] = 1.0 + m.anc_drive
    rates[_ANC_SLOPE, lane] = m.anc_drive / m.anc_healthy
    age = 1.0 / m.platelet_life
    normal = age + m.platelet_loss / (m.platelets_healthy + _HALF_LOSS)
    rates[_PLATELET_TRANSIT, lane], rates[_PLATELET_AGE, lane] = m.platelet_transit, age
    rates[_PLATELET_LOSS, lane] = m.platelet_loss
    rates[_PLATELET_MADE, lane] = normal * m.platelets_healthy
    rates[_PLATELET_MOST, lane] = 1.0 + m.platelet_drive
    rates[_PLATELET_SLOPE, lane] = m.platelet_drive / m.platelets_healthy
    rates[_HB_HEALTHY, lane], rates[_HB_TRANSIT, lane] = m.hb_healthy, m.hb_transit
    rates[_HB_TURNOVER, lane] = 1.0 / m.red_cell_life
    rates[_HB_FADE, lane] = 1.0 / m.transfused_life
    rates[_HB_MOST, lane] = 1.0 + m.hb_drive
    rates[_HB_SLOPE, lane] = m.hb_drive / m.hb_healthy


@kernel
def set_today(
    rates: Table, lane: int, step: float, wear: float, anc_boost: float, platelet_boost: float
) -> None:
    """Say what acts on a marrow today.

    `step` (days) is 0 where it stands still. `wear`: loss of output beside the marrow's own (a
    day), of spells and of the immune system; the boosts: what growth factors multiply production
    by.
    """
    rates[_STEP, lane], rates[_WORN, lane] = step, rates[_LOSS, lane] + wear
    rates[_ANC_TODAY, lane] = anc_boost * rates[_ANC_MOST, lane]
    rates[_PLATELETS_TODAY, lane] = platelet_boost * rates[_PLATELET_MOST, lane]


@kernel
def change(rates: Table, states: Table, lanes: int, slopes: Table) -> None:
    """Fill `slopes` with the change of every state of the first `lanes` participants, a day.

    Production of each lineage is the donor output times a bounded drive: at a count of 0 it is
    1 + drive times, at the healthy count once what health makes. Transfused cells count in the
    drive: they suppress production. Output far above the niche's capacity is lost at most
    `_FASTEST_LOSS` a day, which steps of half a day can follow.
    """
    r, x, out = rates.reshape(-1), states.reshape(-1), slopes.reshape(-1)
    for b in range(min(lanes, LANES)):
        output, capacity, support = x[b], x[CAPACITY * LANES + b], x[SUPPORT * LANES + b]
        growth = r[_EXPANSION * LANES + b] * (1.0 - np.divide(output, capacity))
        growth = growth if growth > -_FASTEST_LOSS else -_FASTEST_LOSS  # noqa: FURB136 (a select)
        out[b] = (growth - r[_WORN * LANES + b]) * output
        out[CAPACITY * LANES + b] = r[_REPAIR * LANES + b] * (
            r[_REPAIRED * LANES + b] - capacity
        ) + r[_MSC_EFFECT * LANES + b] * support * (1.0 - capacity)
        out[SUPPORT * LANES + b] = -r[_MSC_DECAY * LANES + b] * support

        anc, rate = x[ANC * LANES + b], r[_ANC_TRANSIT * LANES + b]
        t1, t2, t3 = x[_T1 * LANES + b], x[_T2 * LANES + b], x[_T3 * LANES + b]
        made = np.divide(output * r[_ANC_TODAY * LANES + b], 1.0 + r[_ANC_SLOPE * LANES + b] * anc)
        out[_T1 * LANES + b] = rate * (made - t1)
        out[_T2 * LANES + b] = rate * (t1 - t2)
        out[_T3 * LANES + b] = rate * (t2 - t3)
        out[ANC * LANES + b] = r[_ANC_TURNOVER * LANES + b] * (
            r[_ANC_HEALTHY * LANES + b] * t3 - anc
        )

        own, given = x[PLATELETS * LANES + b], x[PLATELETS_TRANSFUSED * LANES + b]
        rate = r[_PLATELET_TRANSIT * LANES + b]
        t1, t2, t3 = x[_K1 * LANES + b], x[_K2 * LANES + b], x[_K3 * LANES + b]
        drive = 1.0 + r[_PLATELET_SLOPE * LANES + b] * (own + given)
        made = np.divide(output * r[_PLATELETS_TODAY * LANES + b], drive)
        gone = r[_PLATELET_AGE * LANES + b]
        gone += np.divide(r[_PLATELET_LOSS * LANES + b], own + given + _HALF_LOSS)
        out[_K1 * LANES + b] = rate * (made - t1)
        out[_K2 * LANES + b] = rate * (t1 - t2)
        out[_K3 * LANES + b] = rate * (t2 - t3)
        out[PLATELETS * LANES + b] = r[_PLATELET_MADE * LANES + b] * t3 - gone * own
        out[PLATELETS_TRANSFUSED * LANES + b] = -gone * given

        own, given = x[HB * LANES + b], x[HB_TRANSFUSED * LANES + b]
        rate = r[_HB_TRANSIT * LANES + b]
        t1, t2 = x[_E1 * LANES + b], x[_E2 * LANES + b]
        drive = 1.0 + r[_HB_SLOPE * LANES + b] * (own + given)
        made = np.divide(output * r[_HB_MOST * LANES + b], drive)
        out[_E1 * LANES + b] = rate * (made - t1)
        out[_E2 * LANES + b] = rate * (t1 - t2)
        out[HB * LANES + b] = r[_HB_TURNOVER * LANES + b] * (r[_HB_HEALTHY * LANES + b] * t2 - own)
        out[HB_TRANSFUSED * LANES + b] = -r[_HB_FADE * LANES + b] * given


@kernel
def _moved(
    rates: Table, states: Table, part: float, slopes: Table, lanes: int, reached: Table
) -> None:
    """Fill `reached` with where a part of today's step along `slopes` leads."""
    r, x, slope, at = (
        rates.reshape(-1), states.reshape(-1), slopes.reshape(-1), reached.reshape(-1)
    )  # fmt: skip
    for s in range(STATES):
        for b in range(min(lanes, LANES)):
            i = s * LANES + b
            at[i] = x[i] + part * r[_STEP * LANES + b] * slope[i]


@kernel
def _advance(rates: Table, states: Table, work: Table, lanes: int) -> None:
    """Advance states by today's step along the weighted mean of four slopes."""
    r, x, slopes = rates.reshape(-1), states.reshape(-1), work.reshape(-1)
    size = STATES * LANES
    for s in range(STATES):
        for b in range(min(lanes, LANES)):
            i = s * LANES + b
            middle = slopes[size + i] + slopes[2 * size + i]
            x[i] += r[_STEP * LANES + b] / 6.0 * (slopes[i] + 2.0 * middle + slopes[3 * size + i])


@kernel
def run_day(rates: Table, states: Table, lanes: int, steps: int, work: Table) -> None:
    """Carry the first `lanes` participants of a block on by one day, in so many steps.

    Fourth-order Runge-Kutta. `work` is scratch of 5 blocks. Two steps a day stay within 1 % of an
    exact solution after transplantation (see the tests), well below the laboratory's own variation.
    """
    one, two, three, four, at = work[0], work[1], work[2], work[3], work[4]
    for _ in range(steps):
        change(rates, states, lanes, one)
        _moved(rates, states, 0.5, one, lanes, at)
        change(rates, at, lanes, two)
        _moved(rates, states, 0.5, two, lanes, at)
        change(rates, at, lanes, three)
        _moved(rates, states, 1.0, three, lanes, at)
        change(rates, at, lanes, four)
        _advance(rates, states, work, lanes)
