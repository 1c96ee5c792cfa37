"""The marrow of a virtual participant: sixteen states and how they change in a day.

Counts are in 10*9/L, haemoglobin in g/L, times in days. Donor output and niche capacity are 1 in
health. See `parameters.yaml` for every number and its source.
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
    "OUTPUT",
    "PLATELETS",
    "PLATELETS_TRANSFUSED",
    "STATES",
    "SUPPORT",
    "Marrow",
    "State",
    "Today",
    "change",
    "healthy",
    "run_day",
]

State: TypeAlias = npt.NDArray[np.float64]

STATES = 16
OUTPUT, CAPACITY, SUPPORT = 0, 1, 2
_T1, _T2, _T3, ANC = 3, 4, 5, 6
_K1, _K2, _K3, PLATELETS, PLATELETS_TRANSFUSED = 7, 8, 9, 10, 11
_E1, _E2, HB, HB_TRANSFUSED = 12, 13, 14, 15


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


class Today(NamedTuple):
    """What acts on a marrow on one day.

    `wear`: loss of output beside the marrow's own (a day), of spells and of the immune system;
    `anc_boost`, `platelet_boost`: what growth factors multiply production by.
    """

    wear: float
    anc_boost: float
    platelet_boost: float


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
def change(m: Marrow, today: Today, x: State, out: State) -> None:
    """Fill `out` with the change of every state, a day.

    Production of each lineage is the donor output times a bounded drive: at a count of 0 it is
    1 + drive times, at the healthy count once what health makes. Transfused cells count in the
    drive: they suppress production.
    """
    output = x[OUTPUT]
    growth = m.expansion * (1.0 - output / x[CAPACITY])
    out[OUTPUT] = (growth - m.loss - today.wear) * output
    out[CAPACITY] = m.repair * (m.repaired - x[CAPACITY]) + m.msc_effect * x[SUPPORT] * (
        1.0 - x[CAPACITY]
    )
    out[SUPPORT] = -m.msc_decay * x[SUPPORT]

    made = (
        today.anc_boost
        * output
        * (1.0 + m.anc_drive)
        / (1.0 + m.anc_drive * x[ANC] / m.anc_healthy)
    )
    out[_T1] = m.anc_transit * (made - x[_T1])
    out[_T2] = m.anc_transit * (x[_T1] - x[_T2])
    out[_T3] = m.anc_transit * (x[_T2] - x[_T3])
    out[ANC] = m.anc_turnover * (m.anc_healthy * x[_T3] - x[ANC])

    platelets = x[PLATELETS] + x[PLATELETS_TRANSFUSED]
    made = (
        today.platelet_boost
        * output
        * (1.0 + m.platelet_drive)
        / (1.0 + m.platelet_drive * platelets / m.platelets_healthy)
    )
    out[_K1] = m.platelet_transit * (made - x[_K1])
    out[_K2] = m.platelet_transit * (x[_K1] - x[_K2])
    out[_K3] = m.platelet_transit * (x[_K2] - x[_K3])
    gone = 1.0 / m.platelet_life + m.platelet_loss / (platelets + _HALF_LOSS)
    normal = 1.0 / m.platelet_life + m.platelet_loss / (m.platelets_healthy + _HALF_LOSS)
    out[PLATELETS] = normal * m.platelets_healthy * x[_K3] - gone * x[PLATELETS]
    out[PLATELETS_TRANSFUSED] = -gone * x[PLATELETS_TRANSFUSED]

    haemoglobin = x[HB] + x[HB_TRANSFUSED]
    made = output * (1.0 + m.hb_drive) / (1.0 + m.hb_drive * haemoglobin / m.hb_healthy)
    out[_E1] = m.hb_transit * (made - x[_E1])
    out[_E2] = m.hb_transit * (x[_E1] - x[_E2])
    out[HB] = (m.hb_healthy * x[_E2] - x[HB]) / m.red_cell_life
    out[HB_TRANSFUSED] = -x[HB_TRANSFUSED] / m.transfused_life


@kernel
def run_day(m: Marrow, today: Today, x: State, steps: int, work: State) -> None:
    """Carry a state on by one day: fourth-order Runge-Kutta in so many steps.

    `work` is scratch of 5 rows of `STATES`. Two steps a day stay within 1 % of an exact solution
    after transplantation (see the tests), well below the laboratory's own variation.
    """
    h = 1.0 / steps
    one, two, three, four, at = work[0], work[1], work[2], work[3], work[4]
    for _ in range(steps):
        change(m, today, x, one)
        for i in range(STATES):
            at[i] = x[i] + 0.5 * h * one[i]
        change(m, today, at, two)
        for i in range(STATES):
            at[i] = x[i] + 0.5 * h * two[i]
        change(m, today, at, three)
        for i in range(STATES):
            at[i] = x[i] + h * three[i]
        change(m, today, at, four)
        for i in range(STATES):
            x[i] += h / 6.0 * (one[i] + 2.0 * two[i] + 2.0 * three[i] + four[i])
