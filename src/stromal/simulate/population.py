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
)
from stromal.simulate.parameters import NAMES, Parameter, marrow_of, parameters
from stromal.simulate.stream_kernels import key_table, normal_table

__all__ = ["Niche", "Population", "draw_population", "hazards_of", "site_of"]

_PURPOSE = 16
"""Numbers drawn once for each participant: one a parameter; under the next purpose, the niche."""


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
    keys = key_table(seed, biology, np.asarray(participants, dtype=np.int64))
    spread = normal_table(keys, 0, _PURPOSE, len(values))
    drawn = {name: one.drawn(spread[:, place]) for place, (name, one) in enumerate(values.items())}
    niches = normal_table(keys, 0, _PURPOSE + 1, 2)
    repair = niche.repair * np.exp(niche.repair_spread * niches[:, 1])
    marrow = marrow_of(
        {name: drawn[name] for name in NAMES},
        repair=repair, repaired=np.ones_like(repair),
        msc_effect=np.full_like(repair, niche.msc_effect),
        msc_decay=np.full_like(repair, niche.msc_decay),
    )  # fmt: skip
    states = np.zeros((len(keys), STATES))
    states[:, OUTPUT] = drawn["graft_output"]
    capacity = niche.capacity * np.exp(niche.capacity_spread * niches[:, 0])
    states[:, CAPACITY] = np.minimum(capacity, 1.0)
    states[:, ANC] = drawn["anc_at_start"]
    states[:, PLATELETS] = drawn["platelets_at_start"]
    states[:, HB] = drawn["hb_at_start"]
    return Population(keys, np.column_stack(marrow), states)


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
