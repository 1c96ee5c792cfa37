"""Virtual participants drawn from the parameters and a scenario."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import numpy as np
import numpy.typing as npt
from pydantic import Field

from stromal.protocol.fields import Model, Text
from stromal.simulate.course_kernels import Hazards, Site
from stromal.simulate.marrow_kernels import (
    ANC,
    CAPACITY,
    HB,
    OUTPUT,
    PLATELETS,
    STATES,
    Marrow,
)
from stromal.simulate.parameters import NAMES, Parameter, marrow_of, parameters
from stromal.simulate.stream_kernels import key_of, normal

__all__ = ["Niche", "Population", "draw_population", "hazards_of", "site_of"]

_PURPOSE = 16
"""Numbers from here on, one a parameter, are drawn once for each participant."""


class Niche(Model):
    """What a scenario assumes of the niche and of MSC: nobody has measured it.

    `capacity`, with its `spread` (of the logarithm, cut off at 1), is the niche's share of health
    on the day of transplantation; `repair` its self-repair a day, with a spread; `msc_effect` what
    10*6 cells a kg add to the repair while all of their support lasts; `msc_decay` how fast it
    fades.
    """

    text: Annotated[Text, Field(description="what the scenario assumes, in words")]
    capacity: Annotated[float, Field(gt=0, le=1)]
    capacity_spread: Annotated[float, Field(ge=0, le=3)]
    repair: Annotated[float, Field(ge=0, le=1)]
    repair_spread: Annotated[float, Field(ge=0, le=3)]
    msc_effect: Annotated[float, Field(ge=0, le=10)]
    msc_decay: Annotated[float, Field(gt=0, le=10)]


@dataclass(frozen=True)
class Population:
    """Participants as the kernels take them: two words of key, a `Marrow`, a state."""

    keys: npt.NDArray[np.uint64]
    marrows: npt.NDArray[np.float64]
    states: npt.NDArray[np.float64]


def draw_population(
    seed: int,
    biology: int,
    participants: Sequence[int],
    niche: Niche,
    values: dict[str, Parameter] | None = None,
) -> Population:
    """Draw participants on the day of transplantation.

    1. Each number of a participant comes from the seed, the biology, the participant and the
       parameter's place in the file alone: any participant can be made again by itself.
    2. Values are log-normal around the parameter; the niche's capacity is at most 1.

    Parameters
    ----------
    seed, biology
        Whole numbers from 0; another biology is another population under the same seed.
    participants
        Numbers of participants, from 0.
    niche
        The scenario.
    values
        The parameters; those of the file where absent.
    """
    values = parameters() if values is None else values
    numbers = {name: place for place, name in enumerate(values)}
    size = len(participants)
    keys = np.array([key_of(seed, biology, p) for p in participants], np.uint64).reshape(size, 2)
    marrows = np.empty((size, len(Marrow._fields)))
    states = np.zeros((size, STATES))
    for row, key in enumerate(keys):

        def drawn(name: str, key: npt.NDArray[np.uint64] = key) -> float:
            parameter = values[name]
            if parameter.spread == 0:
                return parameter.value
            return parameter.drawn(normal(key[0], key[1], 0, _PURPOSE, numbers[name]))

        capacity = niche.capacity * np.exp(
            niche.capacity_spread * normal(key[0], key[1], 0, _PURPOSE + 1, 0)
        )
        repair = niche.repair * np.exp(
            niche.repair_spread * normal(key[0], key[1], 0, _PURPOSE + 1, 1)
        )
        marrows[row] = marrow_of(
            {name: drawn(name) for name in NAMES},
            repair=float(repair), repaired=1.0,
            msc_effect=niche.msc_effect, msc_decay=niche.msc_decay,
        )  # fmt: skip
        states[row, OUTPUT] = drawn("graft_output")
        states[row, CAPACITY] = min(float(capacity), 1.0)
        states[row, ANC] = drawn("anc_at_start")
        states[row, PLATELETS] = drawn("platelets_at_start")
        states[row, HB] = drawn("hb_at_start")
    return Population(keys, marrows, states)


def site_of(
    *, missed: float, missed_when_well: float, values: dict[str, Parameter] | None = None
) -> Site:
    """Make a site from the parameters and from how often it misses a planned draw.

    A participant is well while the last counts seen are at or above 0.5 (neutrophils) and 20
    (platelets, both 10*9/L).
    """
    values = parameters() if values is None else values
    own = {name: values[name].value for name in Site._fields if name in values}
    return Site(
        missed=missed, missed_when_well=missed_when_well, well_anc=0.5, well_platelets=20.0, **own
    )


def hazards_of(values: dict[str, Parameter] | None = None) -> Hazards:
    """Make the hazards from the parameters."""
    values = parameters() if values is None else values
    own = {name: values[name].value for name in Hazards._fields}
    return Hazards(**(own | {"infection_days": int(own["infection_days"])}))  # type: ignore[arg-type]
