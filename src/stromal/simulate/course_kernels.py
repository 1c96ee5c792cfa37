"""The course of virtual participants: marrow, blood, site and events, day by day.

A day goes: MSC act; blood is drawn (or the draw is missed) and counted with the laboratory's noise;
the site transfuses and gives growth factors by what it saw; death, relapse, loss, infection and
spells strike; the marrow runs on to the next day. What the site never saw it never acts on.
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
    State,
    Today,
    run_day,
)
from stromal.simulate.stream_kernels import Word, four_uniforms, three_normals, uniform

__all__ = [
    "ENDED",
    "GCSF",
    "INFECTED_UNTIL",
    "MEMORY",
    "MOST_SPELLS",
    "NEVER",
    "RISE",
    "SPELL_UNTIL",
    "TPO",
    "Cohort",
    "Course",
    "Hazards",
    "Site",
    "Spells",
    "live",
    "room_for_course",
]

Table: TypeAlias = npt.NDArray[np.float64]
Flags: TypeAlias = npt.NDArray[np.int8]
Days: TypeAlias = npt.NDArray[np.int32]

NEVER = -(2**30)
_BLOOD, _MISSED, _EVENTS, _SPELLS = 1, 2, 3, 4

MOST_SPELLS = 8
RISE, _LAST_ANC, _LAST_PLATELETS, INFECTED_UNTIL, _DRUGS, ENDED = 0, 1, 2, 3, 4, 5
SPELL_UNTIL = 6
MEMORY = SPELL_UNTIL + MOST_SPELLS
"""What is carried from day to day beside the marrow: columns of a cohort's `memory`."""
_UNDER_WAY, _RELAPSED, _OVER = 0.0, 1.0, 2.0
GCSF, TPO = 1, 2
"""Growth factors, as bits of `Course.drugs`."""


class Cohort(NamedTuple):
    """Participants, one row each.

    `keys`: two words (`stream_kernels.key_of`). `marrows`: the fields of `Marrow`. `states`: the
    marrow's states, and `memory` what site and events remember; both are left as they are at the
    end, so that a course can be resumed. `immune`: what immune attack adds to the loss of output (a
    day), the share of it that treatment relieves in the end, how fast (a day), and the day on which
    treatment begins.
    """

    keys: npt.NDArray[np.uint64]
    marrows: Table
    states: Table
    memory: Table
    immune: Table


class Site(NamedTuple):
    """What the site measures and what it does with it.

    `missed` and `missed_when_well`: chance that a planned draw is missed, and what is added while
    the last counts seen were at or above `well_anc` and `well_platelets`. `anc_noise`,
    `platelet_noise`, `hb_noise`: coefficients of variation of a count. Platelets are given at or
    below `platelet_trigger` (`platelet_trigger_infected` during infection; `outpatient_rise` higher
    from day `outpatient_from`) and raise the count by `platelet_rise`, times what the participant's
    refractoriness leaves; red cells below `hb_trigger`, `red_cell_units` of them, each raising
    haemoglobin by `hb_rise`. A draw takes the share `blood_drawn` of the haemoglobin, bleeding
    `bleeding` / (1 + (platelets / `bleeding_platelets`)^2) of it a day. G-CSF is given from day `gcsf_from` while neutrophils seen are below
    `gcsf_below`, until they reach `gcsf_until`, and multiplies their production by `gcsf_boost`; a
    thrombopoietin receptor agonist likewise. `drop_out`: chance a day to be lost to follow-up.
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
    outpatient_from: float
    outpatient_rise: float
    platelet_rise: float
    hb_trigger: float
    red_cell_units: float
    hb_rise: float
    blood_drawn: float
    bleeding: float
    bleeding_platelets: float
    gcsf_from: float
    gcsf_below: float
    gcsf_until: float
    gcsf_boost: float
    tpo_from: float
    tpo_below: float
    tpo_until: float
    tpo_boost: float
    drop_out: float


class Hazards(NamedTuple):
    """Chances a day.

    Infection: `infection` + `infection_neutropenic` / (1 + (ANC / `infection_anc`)^2), for
    `infection_days`. Death: `death`, and while infected `death_infected` +
    `death_neutropenic` / (1 + (ANC / `death_anc`)^2) more. Relapse: `relapse`; death after it:
    `death_relapsed`.
    """

    infection: float
    infection_neutropenic: float
    infection_anc: float
    infection_days: float
    death: float
    death_infected: float
    death_neutropenic: float
    death_anc: float
    relapse: float
    death_relapsed: float


class Spells(NamedTuple):
    """What else befalls participants, one entry a kind: GVHD, a virus, a drug that suppresses.

    A spell begins with `rate` (a day) from day `begin` to day `end`, at full MSC support with
    `msc_ratio` times that rate; it lasts `lasts` days, in which it adds `wear` to the loss of
    output and `danger` to the chance of death (both a day). `again` is 1 where it can come back.
    """

    rate: Table
    begin: Table
    end: Table
    lasts: Table
    wear: Table
    danger: Table
    msc_ratio: Table
    again: Table


class Course(NamedTuple):
    """What happened: one row a participant, one column a day; NaN where blood was not drawn.

    `anc`, `platelets`, `hb`: what the laboratory reported. `true_anc`, `true_platelets`, `true_hb`:
    what was in the blood when it was, or would have been, drawn. `platelets_given`, `red_cells`:
    units; `infected`: 1 on days of infection; `drugs`: bits `GCSF` and `TPO`; `onset`: bit k on the
    day on which spell k began. `death`, `relapse`, `left` (lost to follow-up): days, `NEVER` where
    it did not happen. Nothing is recorded after death or loss; after relapse, death alone.
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
    drugs: Flags
    onset: npt.NDArray[np.int16]
    death: Days
    relapse: Days
    left: Days


def room_for_course(participants: int, days: int) -> Course:
    """Make room for a course in which nothing has happened yet."""

    def table() -> Table:
        return np.full((participants, days), np.nan)

    def flags() -> Flags:
        return np.zeros((participants, days), dtype=np.int8)

    def never() -> Days:
        return np.full(participants, NEVER, dtype=np.int32)

    return Course(
        table(), table(), table(), table(), table(), table(), flags(), flags(), flags(), flags(),
        np.zeros((participants, days), dtype=np.int16), never(), never(), never(),
    )  # fmt: skip


@kernel
def _reported(value: float, variation: float, number: float, digits: float) -> float:
    """Give a count as a laboratory reports it: log-normal around the true one, and rounded."""
    if variation > 0.0:
        sigma = math.sqrt(math.log(1.0 + variation * variation))
        value *= math.exp(sigma * number - 0.5 * sigma * sigma)
    return math.floor(value * digits + 0.5) / digits if digits > 0.0 else value


@kernel
def _count_blood(
    k0: Word, k1: Word, day: int, site: Site, anc: float, platelets: float, hb: float
) -> tuple[float, float, float]:
    """Give the counts as the laboratory reports them; whole where it has noise, else exact."""
    one, two, three = three_normals(k0, k1, day, _BLOOD, 0)
    return (
        _reported(anc, site.anc_noise, one, 100.0 if site.anc_noise > 0.0 else 0.0),
        _reported(platelets, site.platelet_noise, two, 1.0 if site.platelet_noise > 0.0 else 0.0),
        _reported(hb, site.hb_noise, three, 1.0 if site.hb_noise > 0.0 else 0.0),
    )


@kernel
def _is_drawn(k0: Word, k1: Word, day: int, site: Site, memory: State) -> bool:
    """Say whether a planned draw is taken."""
    chance = site.missed
    if memory[_LAST_ANC] >= site.well_anc and memory[_LAST_PLATELETS] >= site.well_platelets:
        chance += site.missed_when_well
    return chance <= 0.0 or uniform(k0, k1, day, _MISSED, 0) >= chance


@kernel
def _lose_blood(x: State, share: float) -> None:
    """Take a share of the haemoglobin, own and transfused."""
    x[HB] *= 1.0 - share
    x[HB_TRANSFUSED] *= 1.0 - share


@kernel
def _act(
    site: Site, day: int, memory: State, x: State, anc: float, platelets: float, hb: float
) -> tuple[int, int]:
    """Let the site act on what it saw; give the units of platelets and of red cells."""
    infected = day <= memory[INFECTED_UNTIL]
    trigger = site.platelet_trigger_infected if infected else site.platelet_trigger
    if day >= site.outpatient_from:
        trigger += site.outpatient_rise
    given, units = 0, 0
    if platelets <= trigger:
        x[PLATELETS_TRANSFUSED] += site.platelet_rise * memory[RISE]
        given = 1
    if hb < site.hb_trigger:
        x[HB_TRANSFUSED] += site.red_cell_units * site.hb_rise
        units = int(site.red_cell_units)
    drugs = int(memory[_DRUGS])
    gcsf, tpo = drugs & GCSF, drugs & TPO
    if anc >= site.gcsf_until:
        gcsf = 0
    elif day >= site.gcsf_from and anc < site.gcsf_below:
        gcsf = GCSF
    if platelets >= site.tpo_until:
        tpo = 0
    elif day >= site.tpo_from and platelets < site.tpo_below:
        tpo = TPO
    memory[_DRUGS] = gcsf | tpo
    memory[_LAST_ANC], memory[_LAST_PLATELETS] = anc, platelets
    return given, units


@kernel
def _danger(hazards: Hazards, spells: Spells, memory: State, day: int, anc: float) -> float:
    """Give the chance of death on a day."""
    danger = hazards.death
    if memory[ENDED] == _RELAPSED:
        return danger + hazards.death_relapsed
    if day <= memory[INFECTED_UNTIL]:
        low = anc / hazards.death_anc
        danger += hazards.death_infected + hazards.death_neutropenic / (1.0 + low * low)
    for k in range(spells.rate.size):
        if day <= memory[SPELL_UNTIL + k]:
            danger += spells.danger[k]
    return danger


@kernel
def _begin_spells(
    k0: Word, k1: Word, day: int, spells: Spells, memory: State, support: float
) -> int:
    """Let spells begin; give them as bits. Those that have no second time never end up here."""
    begun = 0
    many = spells.rate.size
    for first in range(0, many, 4):
        drawn = four_uniforms(k0, k1, day, _SPELLS, first)
        for k in range(first, min(first + 4, many)):
            until = memory[SPELL_UNTIL + k]
            once = spells.again[k] == 0.0 and until != NEVER
            if once or day <= until or day < spells.begin[k] or day > spells.end[k]:
                continue
            chance = spells.rate[k]
            if spells.msc_ratio[k] != 1.0 and support > 0.0:
                chance *= spells.msc_ratio[k] ** min(support, 1.0)
            if drawn[k - first] < chance:
                memory[SPELL_UNTIL + k] = day + spells.lasts[k]
                begun |= 1 << k
    return begun


@kernel
def _today(cohort: Cohort, p: int, day: int, site: Site, spells: Spells, memory: State) -> Today:
    """Say what acts on a participant's marrow today."""
    wear = 0.0
    for k in range(spells.rate.size):
        if day <= memory[SPELL_UNTIL + k]:
            wear += spells.wear[k]
    immune = cohort.immune[p, 0]
    if immune > 0.0:
        since = day - cohort.immune[p, 3]
        if since > 0.0:
            immune *= 1.0 - cohort.immune[p, 1] * (1.0 - math.exp(-cohort.immune[p, 2] * since))
        wear += immune
    drugs = int(memory[_DRUGS])
    return Today(
        wear,
        site.gcsf_boost if drugs & GCSF else 1.0,
        site.tpo_boost if drugs & TPO else 1.0,
    )


@kernel
def live(
    cohort: Cohort,
    planned: Flags,
    doses: Table,
    first: Days,
    until: Days,
    site: Site,
    hazards: Hazards,
    spells: Spells,
    steps: int,
    course: Course,
) -> None:
    """Let participants live from day `first` to day `until`; fill `course`, leave their states.

    Parameters
    ----------
    cohort
        The participants; their states and memory are changed to those at the end.
    planned
        Not 0 on days on which blood is planned to be drawn: one row a participant, the first column
        is that participant's day `first`.
    doses
        MSC that begin to act on each day, in 10*6 cells a kg.
    first, until
        The first day that each participant lives, and the first one that they do not live any more.
        A course that is resumed draws the numbers that it would have drawn.
    steps
        Steps of integration a day.
    """
    work = np.empty((5, STATES))
    for p in range(cohort.states.shape[0]):
        k0, k1 = cohort.keys[p, 0], cohort.keys[p, 1]
        r = cohort.marrows[p]
        m = Marrow(
            r[0], r[1], r[2], r[3], r[4], r[5], r[6], r[7], r[8], r[9], r[10], r[11], r[12], r[13],
            r[14], r[15], r[16], r[17], r[18], r[19],
        )  # fmt: skip
        x, memory = cohort.states[p], cohort.memory[p]
        for d in range(min(planned.shape[1], until[p] - first[p])):
            if memory[ENDED] == _OVER:
                break
            day = int(first[p]) + d
            x[SUPPORT] += doses[p, d]
            anc, platelets = x[ANC], x[PLATELETS] + x[PLATELETS_TRANSFUSED]
            hb = x[HB] + x[HB_TRANSFUSED]
            u_death, u_relapse, u_infection, u_left = four_uniforms(k0, k1, day, _EVENTS, 0)
            relapsed = memory[ENDED] == _RELAPSED
            if not relapsed:
                course.true_anc[p, d] = anc
                course.true_platelets[p, d] = platelets
                course.true_hb[p, d] = hb
                course.infected[p, d] = day <= memory[INFECTED_UNTIL]
                if planned[p, d] != 0 and _is_drawn(k0, k1, day, site, memory):
                    seen_anc, seen, seen_hb = _count_blood(k0, k1, day, site, anc, platelets, hb)
                    course.anc[p, d], course.platelets[p, d] = seen_anc, seen
                    course.hb[p, d] = seen_hb
                    _lose_blood(x, site.blood_drawn)
                    given, units = _act(site, day, memory, x, seen_anc, seen, seen_hb)
                    course.platelets_given[p, d], course.red_cells[p, d] = given, units
                course.drugs[p, d] = int(memory[_DRUGS])
            if u_death < _danger(hazards, spells, memory, day, anc):
                course.death[p] = day
                memory[ENDED] = _OVER
                break
            if u_left < site.drop_out:
                course.left[p] = day
                memory[ENDED] = _OVER
                break
            if relapsed:
                continue
            if u_relapse < hazards.relapse:
                course.relapse[p] = day
                memory[ENDED] = _RELAPSED
                continue
            if day > memory[INFECTED_UNTIL]:
                low = anc / hazards.infection_anc
                chance = hazards.infection + hazards.infection_neutropenic / (1.0 + low * low)
                if u_infection < chance:
                    memory[INFECTED_UNTIL] = day + hazards.infection_days
            if spells.rate.size > 0:
                course.onset[p, d] = _begin_spells(k0, k1, day, spells, memory, x[SUPPORT])
            low = platelets / site.bleeding_platelets
            _lose_blood(x, site.bleeding / (1.0 + low * low))
            run_day(m, _today(cohort, p, day, site, spells, memory), x, steps, work)
