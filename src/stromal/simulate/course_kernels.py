"""The course of virtual participants: marrow, blood, site and events, day by day.

A day goes: MSC act; blood is drawn (or the draw is missed) and counted with the laboratory's noise;
the site transfuses and gives growth factors by what it saw; death, relapse, loss, infection and
spells strike; the marrow runs on to the next day. What the site never saw it never acts on.

Participants go in blocks (`marrow_kernels.LANES`), day by day together; nobody's numbers depend on
who else is in the block.
"""

from __future__ import annotations

import math
from typing import NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from stromal.core.jit import inlined, kernel
from stromal.simulate.marrow_kernels import (
    ANC,
    HB,
    HB_TRANSFUSED,
    LANES,
    PLATELETS,
    PLATELETS_TRANSFUSED,
    RATES,
    STATES,
    SUPPORT,
    Marrow,
    State,
    run_day,
    set_rates,
    set_today,
)
from stromal.simulate.stream_kernels import Word, four_uniforms, three_normals, uniform

__all__ = [
    "ENDED",
    "GCSF",
    "INFECTED_UNTIL",
    "INFECTION",
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
Noise: TypeAlias = tuple[float, float, float]
"""One number each for neutrophils, platelets and haemoglobin."""

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
INFECTION = 1 << MOST_SPELLS
"""The first day of an infection, as a bit of `Course.onset`: above those of the spells."""


_RATE, _BEGIN, _END, _LASTS, _WEAR, _DANGER, _MSC_RATIO, _AGAIN = 0, 1, 2, 3, 4, 5, 6, 7
"""Columns of a table of spells."""
_ANC, _PLATELETS, _HB, _TRUE_ANC, _TRUE_PLATELETS, _TRUE_HB = 0, 1, 2, 3, 4, 5
_GIVEN, _UNITS, _INFECTED, _ON_DRUGS, _ONSET, _DIED, _RELAPSE, _LEFT = 6, 7, 8, 9, 10, 11, 12, 13
_BOOK = 14
"""What is written down of a day: rows of a block's book."""


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
    `bleeding` / (1 + (platelets / `bleeding_platelets`)^2) of it a day. G-CSF is given from day
    `gcsf_from` while neutrophils seen are below `gcsf_below`, until they reach `gcsf_until`, and
    multiplies their production by `gcsf_boost`; a thrombopoietin receptor agonist likewise.
    `drop_out`: chance a day to be lost to follow-up.
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
    day on which spell k began, `INFECTION` on the first day of one. `death`, `relapse`, `left`
    (lost to follow-up): days, `NEVER` where it did not happen. Nothing is recorded after death or
    loss; after relapse, death alone.
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


@inlined
def _sigma(variation: float) -> float:
    """Give the standard deviation of the logarithm for a coefficient of variation."""
    return math.sqrt(math.log(1.0 + variation * variation))


@inlined
def _reported(value: float, sigma: float, number: float, digits: float) -> float:
    """Give a count as a laboratory reports it: log-normal around the true one, and rounded."""
    if sigma == 0.0:
        return value
    return (
        math.floor(value * math.exp(sigma * number - 0.5 * sigma * sigma) * digits + 0.5) / digits
    )


@inlined
def _count_blood(
    k0: Word, k1: Word, day: int, noise: Noise, anc: float, platelets: float, hb: float
) -> Noise:
    """Give the counts as the laboratory reports them; rounded where it has noise, else exact."""
    if noise[0] == noise[1] == noise[2] == 0.0:
        return anc, platelets, hb
    one, two, three = three_normals(k0, k1, day, _BLOOD, 0)
    return (
        _reported(anc, noise[0], one, 100.0),
        _reported(platelets, noise[1], two, 1.0),
        _reported(hb, noise[2], three, 1.0),
    )


@inlined
def _is_drawn(k0: Word, k1: Word, day: int, site: Site, memory: Table, b: int) -> bool:
    """Say whether a planned draw is taken."""
    chance = site.missed
    if memory[_LAST_ANC, b] >= site.well_anc and memory[_LAST_PLATELETS, b] >= site.well_platelets:
        chance += site.missed_when_well
    return chance <= 0.0 or uniform(k0, k1, day, _MISSED, 0) >= chance


@inlined
def _lose_blood(x: Table, b: int, share: float) -> None:
    """Take a share of the haemoglobin, own and transfused."""
    x[HB, b] *= 1.0 - share
    x[HB_TRANSFUSED, b] *= 1.0 - share


@inlined
def _act(
    site: Site, day: int, memory: Table, x: Table, b: int, anc: float, platelets: float, hb: float
) -> tuple[int, int]:
    """Let the site act on what it saw; give the units of platelets and of red cells."""
    infected = day <= memory[INFECTED_UNTIL, b]
    trigger = site.platelet_trigger_infected if infected else site.platelet_trigger
    if day >= site.outpatient_from:
        trigger += site.outpatient_rise
    given, units = 0, 0
    if platelets <= trigger:
        x[PLATELETS_TRANSFUSED, b] += site.platelet_rise * memory[RISE, b]
        given = 1
    if hb < site.hb_trigger:
        x[HB_TRANSFUSED, b] += site.red_cell_units * site.hb_rise
        units = int(site.red_cell_units)
    drugs = int(memory[_DRUGS, b])
    gcsf, tpo = drugs & GCSF, drugs & TPO
    if anc >= site.gcsf_until:
        gcsf = 0
    elif day >= site.gcsf_from and anc < site.gcsf_below:
        gcsf = GCSF
    if platelets >= site.tpo_until:
        tpo = 0
    elif day >= site.tpo_from and platelets < site.tpo_below:
        tpo = TPO
    memory[_DRUGS, b] = gcsf | tpo
    memory[_LAST_ANC, b], memory[_LAST_PLATELETS, b] = anc, platelets
    return given, units


@inlined
def _danger(hazards: Hazards, spells: Table, memory: Table, b: int, day: int, anc: float) -> float:
    """Give the chance of death on a day."""
    danger = hazards.death
    if memory[ENDED, b] == _RELAPSED:
        return danger + hazards.death_relapsed
    if day <= memory[INFECTED_UNTIL, b]:
        low = anc / hazards.death_anc
        danger += hazards.death_infected + hazards.death_neutropenic / (1.0 + low * low)
    for k in range(spells.shape[0]):
        if day <= memory[SPELL_UNTIL + k, b]:
            danger += spells[k, _DANGER]
    return danger


@kernel
def _begin_spells(
    k0: Word, k1: Word, day: int, spells: Table, memory: Table, b: int, support: float
) -> int:
    """Let spells begin; give them as bits. Those that have no second time never end up here."""
    begun = 0
    many = spells.shape[0]
    for first in range(0, many, 4):
        drawn = four_uniforms(k0, k1, day, _SPELLS, first)
        for k in range(first, min(first + 4, many)):
            until = memory[SPELL_UNTIL + k, b]
            once = spells[k, _AGAIN] == 0.0 and until != NEVER
            if once or day <= until or day < spells[k, _BEGIN] or day > spells[k, _END]:
                continue
            chance = spells[k, _RATE]
            if spells[k, _MSC_RATIO] != 1.0 and support > 0.0:
                chance *= spells[k, _MSC_RATIO] ** min(support, 1.0)
            if drawn[k - first] < chance:
                memory[SPELL_UNTIL + k, b] = day + spells[k, _LASTS]
                begun |= 1 << k
    return begun


@inlined
def _wear(spells: Table, immune: Table, p: int, memory: Table, b: int, day: int) -> float:
    """Give the loss of output today, of spells and of immune attack."""
    wear = 0.0
    for k in range(spells.shape[0]):
        if day < memory[SPELL_UNTIL + k, b]:
            wear += spells[k, _WEAR]
    attack = immune[p, 0]
    if attack > 0.0:
        since = day - immune[p, 3]
        if since > 0.0:
            attack *= 1.0 - immune[p, 1] * (1.0 - math.exp(-immune[p, 2] * since))
        wear += attack
    return wear


@kernel
def _marrow(r: State) -> Marrow:
    """Give a row of a cohort's marrows as one."""
    return Marrow(
        r[0], r[1], r[2], r[3], r[4], r[5], r[6], r[7], r[8], r[9], r[10], r[11], r[12], r[13],
        r[14], r[15], r[16], r[17], r[18], r[19],
    )  # fmt: skip


@inlined
def _visit(
    k0: Word, k1: Word, day: int, planned: int, site: Site, noise: Noise, infection_days: float,
    memory: Table, x: Table, book: Table, b: int,
) -> None:  # fmt: skip
    """Draw blood if that is planned, let the site act on it, and write the day down."""
    anc, platelets = x[ANC, b], x[PLATELETS, b] + x[PLATELETS_TRANSFUSED, b]
    hb = x[HB, b] + x[HB_TRANSFUSED, b]
    book[_TRUE_ANC, b], book[_TRUE_PLATELETS, b], book[_TRUE_HB, b] = anc, platelets, hb
    book[_INFECTED, b] = day <= memory[INFECTED_UNTIL, b]
    if day == memory[INFECTED_UNTIL, b] - infection_days + 1:
        book[_ONSET, b] = INFECTION
    if planned != 0 and _is_drawn(k0, k1, day, site, memory, b):
        seen_anc, seen, seen_hb = _count_blood(k0, k1, day, noise, anc, platelets, hb)
        book[_ANC, b], book[_PLATELETS, b], book[_HB, b] = seen_anc, seen, seen_hb
        _lose_blood(x, b, site.blood_drawn)
        book[_GIVEN, b], book[_UNITS, b] = _act(site, day, memory, x, b, seen_anc, seen, seen_hb)
    book[_ON_DRUGS, b] = memory[_DRUGS, b]


@inlined
def _befall(
    k0: Word, k1: Word, day: int, platelets: float, site: Site, hazards: Hazards, spells: Table,
    memory: Table, x: Table, book: Table, b: int,
) -> bool:  # fmt: skip
    """Let death, loss, relapse, infection, spells and bleeding strike; say if the marrow runs on.

    `platelets`: those of the morning, before any transfusion.
    """
    u_death, u_relapse, u_infection, u_left = four_uniforms(k0, k1, day, _EVENTS, 0)
    end = -1
    if u_death < _danger(hazards, spells, memory, b, day, x[ANC, b]):
        memory[ENDED, b], end = _OVER, _DIED
    elif u_left < site.drop_out:
        memory[ENDED, b], end = _OVER, _LEFT
    elif memory[ENDED, b] == _RELAPSED:
        return False
    elif u_relapse < hazards.relapse:
        memory[ENDED, b], end = _RELAPSED, _RELAPSE
    if end >= 0:
        book[end, b] = 1.0
        return False
    if day > memory[INFECTED_UNTIL, b]:
        low = x[ANC, b] / hazards.infection_anc
        chance = hazards.infection + hazards.infection_neutropenic / (1.0 + low * low)
        if u_infection < chance:
            memory[INFECTED_UNTIL, b] = day + hazards.infection_days
    if spells.shape[0] > 0:
        book[_ONSET, b] += _begin_spells(k0, k1, day, spells, memory, b, x[SUPPORT, b])
    low = platelets / site.bleeding_platelets
    _lose_blood(x, b, site.bleeding / (1.0 + low * low))
    return True


@kernel
def _write_down(book: Table, begin: int, lanes: int, d: int, first: Days, course: Course) -> None:
    """Put a day of a block into the course."""
    for b in range(lanes):
        p = begin + b
        course.anc[p, d], course.true_anc[p, d] = book[_ANC, b], book[_TRUE_ANC, b]
        course.platelets[p, d], course.hb[p, d] = book[_PLATELETS, b], book[_HB, b]
        course.true_platelets[p, d] = book[_TRUE_PLATELETS, b]
        course.true_hb[p, d] = book[_TRUE_HB, b]
        course.platelets_given[p, d], course.red_cells[p, d] = book[_GIVEN, b], book[_UNITS, b]
        course.infected[p, d], course.drugs[p, d] = book[_INFECTED, b], book[_ON_DRUGS, b]
        course.onset[p, d] = book[_ONSET, b]
        if book[_DIED, b] > 0.0:
            course.death[p] = first[p] + d
        if book[_RELAPSE, b] > 0.0:
            course.relapse[p] = first[p] + d
        if book[_LEFT, b] > 0.0:
            course.left[p] = first[p] + d


@kernel
def _live_together(
    cohort: Cohort, begin: int, planned: Flags, doses: Table, first: Days, until: Days, site: Site,
    hazards: Hazards, spells: Table, steps: int, course: Course,
) -> None:  # fmt: skip
    """Let the block of participants that begins with row `begin` live, all of them day by day."""
    lanes = min(LANES, cohort.states.shape[0] - begin)
    rates, x, work = np.ones((RATES, LANES)), np.ones((STATES, LANES)), np.ones((5, STATES, LANES))
    memory, book = np.empty((MEMORY, LANES)), np.empty((_BOOK, LANES))
    noise = (_sigma(site.anc_noise), _sigma(site.platelet_noise), _sigma(site.hb_noise))
    longest = 0
    for b in range(lanes):
        x[:, b], memory[:, b] = cohort.states[begin + b], cohort.memory[begin + b]
        set_rates(_marrow(cohort.marrows[begin + b]), rates, b)
        longest = max(longest, until[begin + b] - first[begin + b])
    for d in range(min(planned.shape[1], longest)):
        there = False
        book[:_GIVEN], book[_GIVEN:] = np.nan, 0.0
        for b in range(lanes):
            p = begin + b
            k0, k1, day = cohort.keys[p, 0], cohort.keys[p, 1], first[p] + d
            runs = False
            if day < until[p] and memory[ENDED, b] != _OVER:
                there = True
                x[SUPPORT, b] += doses[p, d]
                platelets = x[PLATELETS, b] + x[PLATELETS_TRANSFUSED, b]
                if memory[ENDED, b] != _RELAPSED:
                    _visit(k0, k1, day, planned[p, d], site, noise, hazards.infection_days,
                           memory, x, book, b)  # fmt: skip
                runs = _befall(k0, k1, day, platelets, site, hazards, spells, memory, x, book, b)
            if runs:
                drugs = int(memory[_DRUGS, b])
                set_today(
                    rates, b, 1.0 / steps, _wear(spells, cohort.immune, p, memory, b, day),
                    site.gcsf_boost if drugs & GCSF else 1.0,
                    site.tpo_boost if drugs & TPO else 1.0,
                )  # fmt: skip
            else:
                set_today(rates, b, 0.0, 0.0, 1.0, 1.0)
        if not there:
            break
        _write_down(book, begin, lanes, d, first, course)
        run_day(rates, x, lanes, steps, work)
    for b in range(lanes):
        cohort.states[begin + b], cohort.memory[begin + b] = x[:, b], memory[:, b]


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
    table = np.empty((spells.rate.size, len(spells)))
    for k in range(spells.rate.size):
        table[k] = (
            spells.rate[k], spells.begin[k], spells.end[k], spells.lasts[k], spells.wear[k],
            spells.danger[k], spells.msc_ratio[k], spells.again[k],
        )  # fmt: skip
    for begin in range(0, cohort.states.shape[0], LANES):
        _live_together(
            cohort, begin, planned, doses, first, until, site, hazards, table, steps, course
        )
