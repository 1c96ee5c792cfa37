"""Virtual participants drawn from the parameters and from what a scenario assumes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from stromal.core import UsageError
from stromal.simulate.assumptions import MOST_SPELLS, Effect, Immune, Override, SitePlan, Spell
from stromal.simulate.course_kernels import (
    INFECTED_UNTIL,
    MEMORY,
    NEVER,
    RISE,
    SPELL_UNTIL,
    Cohort,
    Hazards,
    Site,
    Spells,
)
from stromal.simulate.marrow_kernels import ANC, CAPACITY, HB, OUTPUT, PLATELETS, STATES, Marrow
from stromal.simulate.parameters import NAMES, Parameter, marrow_of, parameters
from stromal.simulate.stream_kernels import key_table, normal_table, uniform_table

__all__ = [
    "check_marrows",
    "draw_cohort",
    "hazards_of",
    "overridden",
    "site_of",
    "spells_of",
    "with_effect",
]

_VALUES, _SHARES, _IMMUNE, _RESPONDS = 16, 17, 18, 19
"""Purposes of the numbers drawn once for each participant."""
_NEVER_DAY = 1e9
_EFFECT = Marrow._fields.index("msc_effect")
_DECAY = Marrow._fields.index("msc_decay")
_LEAST_OUTPUT = 0.002
_DIVISORS = {
    "anc_healthy", "anc_maturation", "platelets_healthy", "platelet_maturation", "platelet_life",
    "hb_healthy", "hb_maturation", "red_cell_life", "transfused_life", "infection_anc",
    "death_anc", "bleeding_platelets",
}  # fmt: skip
_SAME_IN_ALL = {
    *Site._fields, *Hazards._fields, "niche_damaged", "refractory", "refractory_factor",
}  # fmt: skip


def overridden(
    overrides: Mapping[str, Override], values: Mapping[str, Parameter] | None = None
) -> dict[str, Parameter]:
    """Give the parameters with some values or spreads replaced.

    Raises
    ------
    UsageError
        A name is no parameter, a time or count to be divided by is 0, or a spread is given to what
        is the same in everybody.
    """
    found = dict(parameters() if values is None else values)
    for name, change in overrides.items():
        if name not in found:
            raise UsageError(
                f"`{name}` is no parameter of the virtual participant; there are: "
                f"{', '.join(found)}"
            )
        if change.value == 0 and name in _DIVISORS:
            raise UsageError(f"the parameter `{name}` is above 0; got 0. Give another value")
        if change.spread and name in _SAME_IN_ALL:
            raise UsageError(
                f"the parameter `{name}` is the same in all participants; leave its `spread` out"
            )
        new = {key: value for key, value in change.model_dump().items() if value is not None}
        found[name] = found[name].model_copy(update=new)
    return found


def draw_cohort(
    seed: int,
    biology: int,
    participants: Sequence[int] | npt.NDArray[np.int64],
    values: Mapping[str, Parameter] | None = None,
    immune: Immune | None = None,
) -> Cohort:
    """Draw participants on the day on which their course begins, before any MSC.

    1. Each number of a participant comes from the seed, the biology, the participant and the
       parameter's place in the file alone: any participant can be made again by itself.
    2. Values are log-normal around the parameter; the niche's capacity is at most 1. A share of
       participants has a damaged niche, a share is refractory to platelets.
    3. Under immune attack the output begins where growth and wear are in balance.

    Parameters
    ----------
    seed, biology
        Whole numbers from 0; another biology is another population under the same seed.
    participants
        Numbers of participants, from 0.
    values
        The parameters; those of the file where absent.
    immune
        Immune attack on the marrow; none where absent.
    """
    values = parameters() if values is None else values
    keys = key_table(seed, biology, np.asarray(participants, dtype=np.int64))
    spread = normal_table(keys, 0, _VALUES, len(values))
    drawn: dict[str, npt.NDArray[np.float64]] = {
        name: one.drawn(spread[:, place]) for place, (name, one) in enumerate(values.items())
    }
    shares = uniform_table(keys, 0, _SHARES, 2)
    nothing = np.zeros(len(keys))
    marrow = marrow_of({name: drawn[name] for name in NAMES},
                       repair=drawn["niche_repair"], repaired=nothing + 1.0,
                       msc_effect=nothing, msc_decay=nothing + 0.1)  # fmt: skip
    damaged = shares[:, 0] < values["niche_damaged"].value
    capacity = np.where(damaged, drawn["damaged_capacity"], drawn["niche_capacity"])
    memory = np.zeros((len(keys), MEMORY))
    memory[:, RISE] = np.where(
        shares[:, 1] < values["refractory"].value, values["refractory_factor"].value, 1.0
    )
    memory[:, INFECTED_UNTIL] = NEVER
    memory[:, SPELL_UNTIL:] = NEVER
    states = np.zeros((len(keys), STATES))
    states[:, CAPACITY] = np.minimum(capacity, 1.0)
    states[:, OUTPUT] = drawn["graft_output"]
    states[:, ANC] = drawn["anc_at_start"]
    states[:, PLATELETS] = drawn["platelets_at_start"]
    states[:, HB] = drawn["hb_at_start"]
    attack = _attacked(keys, immune)
    if immune is not None:
        balance = 1.0 - (attack[:, 0] + drawn["wear"]) / drawn["expansion"]
        states[:, OUTPUT] = np.maximum(states[:, CAPACITY] * balance, _LEAST_OUTPUT)
    return Cohort(keys, np.column_stack(marrow), states, memory, attack)


def _attacked(keys: npt.NDArray[np.uint64], immune: Immune | None) -> npt.NDArray[np.float64]:
    """Draw the immune attack on each participant; see `Cohort.immune`."""
    found = np.zeros((len(keys), 4))
    found[:, 3] = _NEVER_DAY
    if immune is None:
        return found
    sigma = np.sqrt(np.log1p(immune.spread**2))
    found[:, 0] = immune.wear * np.exp(sigma * normal_table(keys, 0, _IMMUNE, 1)[:, 0])
    responds = uniform_table(keys, 1, _IMMUNE, 1)[:, 0] < immune.responders
    found[:, 1] = np.where(responds, immune.relieved, 0.0)
    found[:, 2] = immune.speed
    if immune.treated is not None:
        found[:, 3] = immune.treated
    return found


def check_marrows(cohort: Cohort) -> None:
    """Refuse participants whose marrow ran away in the integration.

    Raises
    ------
    UsageError
        A state is no finite number: a parameter is too fast for steps of half a day.
    """
    lost = ~np.isfinite(cohort.states).all(axis=1)
    if lost.any():
        raise UsageError(
            f"the counts of {int(lost.sum())} of {lost.size} virtual participants grew beyond all "
            "bounds: with these `parameters` (or this effect of MSC) the marrow changes too fast "
            "for steps of half a day. Give values and spreads nearer to those of the parameter file"
        )


def with_effect(cohort: Cohort, effect: Effect) -> Cohort:
    """Give participants the effect that MSC are assumed to have in them.

    Whether a participant responds comes from their own numbers.
    """
    responds = uniform_table(cohort.keys, 0, _RESPONDS, 1)[:, 0] < effect.responders
    marrows = cohort.marrows.copy()
    marrows[:, _EFFECT] = np.where(responds, effect.effect, 0.0)
    marrows[:, _DECAY] = effect.decay
    return cohort._replace(marrows=marrows)


def site_of(plan: SitePlan, values: Mapping[str, Parameter] | None = None) -> Site:
    """Make a site from the parameters and from what a scenario assumes of it.

    A participant is well while the last counts seen are at or above 0.5 (neutrophils) and 20
    (platelets, both 10*9/L). G-CSF and thrombopoietin receptor agonists are not given where the
    scenario does not say so.
    """
    values = parameters() if values is None else values
    own = {name: values[name].value for name in Site._fields if name in values}
    factors: dict[str, float] = {}
    for name, factor in (("gcsf", plan.gcsf), ("tpo", plan.tpo)):
        factors[f"{name}_from"] = _NEVER_DAY if factor is None else float(factor.start)
        factors[f"{name}_below"] = 0.0 if factor is None else factor.below
        factors[f"{name}_until"] = 0.0 if factor is None else factor.until
    outside = plan.outpatient_from
    return Site(
        **own, **factors,
        missed=plan.missed, missed_when_well=plan.missed_when_well, well_anc=0.5,
        well_platelets=20.0, drop_out=plan.drop_out, outpatient_rise=plan.outpatient_rise,
        outpatient_from=_NEVER_DAY if outside is None else float(outside),
    )  # fmt: skip


def hazards_of(values: Mapping[str, Parameter] | None = None) -> Hazards:
    """Make the hazards from the parameters."""
    values = parameters() if values is None else values
    return Hazards(**{name: values[name].value for name in Hazards._fields})


def spells_of(spells: Sequence[Spell]) -> Spells:
    """Make the spells for the kernels.

    Raises
    ------
    UsageError
        There are more than the kernels have room for.
    """
    if len(spells) > MOST_SPELLS:
        raise UsageError(f"a scenario has at most {MOST_SPELLS} spells; got {len(spells)}")

    def column(values: list[Any]) -> npt.NDArray[np.float64]:
        return np.array(values, dtype=np.float64)

    return Spells(
        rate=column([spell.rate for spell in spells]),
        begin=column([spell.start for spell in spells]),
        end=column([spell.until for spell in spells]),
        lasts=column([spell.lasting for spell in spells]),
        wear=column([spell.wear for spell in spells]),
        danger=column([spell.danger for spell in spells]),
        msc_ratio=column([spell.msc_ratio for spell in spells]),
        again=column([spell.again for spell in spells]),
    )
