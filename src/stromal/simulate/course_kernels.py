"""The course of virtual participants: marrow, blood, site and events, day by day.

A day goes: MSC are given; blood is drawn (or the draw is missed) and counted with the laboratory's
noise; the site transfuses by what it saw; infection, death and relapse strike; the marrow runs on
to the next day. What the site never saw it never acts on.
"""

from __future__ import annotations

import math
from typing import NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from stromal.core.jit import kernel
from stromal.simulate.marrow_kernels import (
    ANC,
    HB,
    HB_TRANSFUSED,
    PLATELETS,
    PLATELETS_TRANSFUSED,
    STATES,
    SUPPORT,
    Marrow,
    run_day,
)
from stromal.simulate.stream_kernels import normals, uniform

__all__ = ["NEVER", "Course", "Hazards", "Site", "live", "room_for_course"]

Table: TypeAlias = npt.NDArray[np.float64]
Flags: TypeAlias = npt.NDArray[np.int8]
Days: TypeAlias = npt.NDArray[np.int32]

NEVER = -1
_BLOOD, _MISSED, _INFECTION, _DEATH, _RELAPSE, _REFRACTORY = 1, 2, 3, 4, 5, 6


class Site(NamedTuple):
    """What the site measures and what it does with it.

    `missed` and `missed_when_well`: chance that a planned draw is missed, and what is added while
    the last counts seen were at or above `well_anc` and `well_platelets`. `anc_noise`,
    `platelet_noise`, `hb_noise`: coefficients of variation of a count. Platelets are given at or
    below `platelet_trigger` (`platelet_trigger_infected` during infection) and raise the count by
    `platelet_rise`, times `refractory_factor` in the `refractory` share; red cells below
    `hb_trigger`, `red_cell_units` of them, each raising haemoglobin by `hb_rise`.
    """

    missed: float
    missed_when_well: float
    well_anc: float
    well_platelets: float
    anc_noise: float
    platelet_noise: float
    hb_noise: float
    platelet_trigger: float
    platelet_trigger_infected: float
    platelet_rise: float
    refractory: float
    refractory_factor: float
    hb_trigger: float
    red_cell_units: float
    hb_rise: float


class Hazards(NamedTuple):
    """Chances a day.

    Infection: `infection` + `infection_neutropenic` / (1 + (ANC / `infection_anc`)^2), for
    `infection_days`. Death: `death`, and while infected `death_infected` +
    `death_neutropenic` / (1 + (ANC / `death_anc`)^2) more. Relapse: `relapse`.
    """

    infection: float
    infection_neutropenic: float
    infection_anc: float
    infection_days: int
    death: float
    death_infected: float
    death_neutropenic: float
    death_anc: float
    relapse: float


class Course(NamedTuple):
    """What happened: one row a participant, one column a day; NaN where blood was not drawn.

    `anc`, `platelets`, `hb`: what the laboratory reported. `true_anc`, `true_platelets`, `true_hb`:
    what was in the blood when it was, or would have been, drawn. `platelets_given`, `red_cells`:
    units; `infected`: 1 on days of infection; `death`, `relapse`: days, `NEVER` where it did not
    happen. After death, and after relapse, nothing is recorded.
    """

    anc: Table
    platelets: Table
    hb: Table
    true_anc: Table
    true_platelets: Table
    true_hb: Table
    platelets_given: Flags
    red_cells: Flags
    infected: Flags
    death: Days
    relapse: Days


def room_for_course(participants: int, days: int) -> Course:
    """Make room for a course in which nothing has happened yet."""

    def table() -> Table:
        return np.full((participants, days), np.nan)

    def flags() -> Flags:
        return np.zeros((participants, days), dtype=np.int8)

    return Course(
        table(), table(), table(), table(), table(), table(), flags(), flags(), flags(),
        np.full(participants, NEVER, dtype=np.int32), np.full(participants, NEVER, dtype=np.int32),
    )  # fmt: skip


@kernel
def _noisy(value: float, variation: float, number: float) -> float:
    """Give a count with the laboratory's noise, log-normal with the true count as its mean."""
    sigma = math.sqrt(math.log(1.0 + variation * variation))
    return value * math.exp(sigma * number - 0.5 * sigma * sigma)


@kernel
def live(  # noqa: PLR0915  (one day after the other, as the module says)
    keys: npt.NDArray[np.uint64],
    marrows: Table,
    states: Table,
    planned: Flags,
    doses: Table,
    first_day: int,
    site: Site,
    hazards: Hazards,
    steps: int,
    course: Course,
) -> None:
    """Let participants live through the days of `planned`; fill `course`, and leave their states.

    Parameters
    ----------
    keys
        Two words a participant, see `stream_kernels.key_of`.
    marrows
        One row a participant: the fields of `Marrow`.
    states
        One row a participant, `STATES` columns; changed to the state at the end.
    planned
        1 on days on which blood is planned to be drawn, one row a participant.
    doses
        MSC given on each day, in 10*6 cells a kg.
    first_day
        The day of the first column, for the random numbers: a course that is resumed draws the
        numbers it would have drawn.
    steps
        Steps of integration a day.
    """
    work = np.empty((5, STATES))
    for p in range(states.shape[0]):
        k0, k1 = keys[p, 0], keys[p, 1]
        r = marrows[p]
        m = Marrow(
            r[0], r[1], r[2], r[3], r[4], r[5], r[6], r[7], r[8], r[9], r[10], r[11], r[12], r[13],
            r[14], r[15], r[16], r[17], r[18], r[19],
        )  # fmt: skip
        x = states[p]
        rise = site.platelet_rise
        if uniform(k0, k1, 0, _REFRACTORY, 0) < site.refractory:
            rise *= site.refractory_factor
        last_anc, last_platelets = 0.0, 0.0
        infected_until = -1
        for d in range(planned.shape[1]):
            day = first_day + d
            x[SUPPORT] += doses[p, d]
            anc, platelets = x[ANC], x[PLATELETS] + x[PLATELETS_TRANSFUSED]
            hb = x[HB] + x[HB_TRANSFUSED]
            course.true_anc[p, d] = anc
            course.true_platelets[p, d] = platelets
            course.true_hb[p, d] = hb
            infected = d <= infected_until
            course.infected[p, d] = infected
            if planned[p, d] == 1:
                chance = site.missed
                if last_anc >= site.well_anc and last_platelets >= site.well_platelets:
                    chance += site.missed_when_well
                if uniform(k0, k1, day, _MISSED, 0) >= chance:
                    one, two = normals(k0, k1, day, _BLOOD, 0)
                    three, _ = normals(k0, k1, day, _BLOOD, 1)
                    last_anc = _noisy(anc, site.anc_noise, one)
                    last_platelets = _noisy(platelets, site.platelet_noise, two)
                    seen_hb = _noisy(hb, site.hb_noise, three)
                    course.anc[p, d] = last_anc
                    course.platelets[p, d] = last_platelets
                    course.hb[p, d] = seen_hb
                    trigger = site.platelet_trigger_infected if infected else site.platelet_trigger
                    if last_platelets <= trigger:
                        x[PLATELETS_TRANSFUSED] += rise
                        course.platelets_given[p, d] = 1
                    if seen_hb < site.hb_trigger:
                        x[HB_TRANSFUSED] += site.red_cell_units * site.hb_rise
                        course.red_cells[p, d] = int(site.red_cell_units)
            danger = hazards.death
            if infected:
                low = anc / hazards.death_anc
                danger += hazards.death_infected + hazards.death_neutropenic / (1.0 + low * low)
            if uniform(k0, k1, day, _DEATH, 0) < danger:
                course.death[p] = day
                break
            if uniform(k0, k1, day, _RELAPSE, 0) < hazards.relapse:
                course.relapse[p] = day
                break
            if not infected:
                low = anc / hazards.infection_anc
                chance = hazards.infection + hazards.infection_neutropenic / (1.0 + low * low)
                if uniform(k0, k1, day, _INFECTION, 0) < chance:
                    infected_until = d + hazards.infection_days
            run_day(m, x, steps, work)
