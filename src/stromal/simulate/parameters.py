"""Parameters of the virtual participant: a documented file, and marrows drawn from it."""

from __future__ import annotations

import functools
import math
from importlib.resources import as_file, files
from typing import Annotated, Any, Literal, TypeAlias, cast

import numpy as np
from pydantic import Field, TypeAdapter, ValidationError, model_validator

from stromal.core import Fault, ProtocolError, Source
from stromal.protocol.fields import Model, Text
from stromal.protocol.yaml_reading import read_yaml
from stromal.simulate.marrow_kernels import Marrow

Numbers: TypeAlias = Any
"""A number, or an array with one a participant."""

__all__ = ["NAMES", "Parameter", "marrow_of", "parameters"]


class Parameter(Model):
    """One number, its spread between participants, its unit, and what stands behind it.

    `status`: `published` (read at `source`), `start` (an untuned start value) or `assumed`
    (stromal's choice). `spread` is the coefficient of variation of a log-normal distribution whose
    median is `value`.
    """

    value: Annotated[float, Field(ge=0, allow_inf_nan=False)]
    spread: Annotated[float, Field(ge=0, le=3)]
    unit: Text
    status: Literal["published", "start", "assumed"]
    meaning: Text
    source: Source | None = None

    @model_validator(mode="after")
    def _sourced(self) -> Parameter:
        if (self.status == "published") != (self.source is not None):
            raise ValueError("a published number has its source, and no other has one")
        return self

    @property
    def sigma(self) -> float:
        """Standard deviation of the logarithm."""
        return math.sqrt(math.log1p(self.spread**2))

    def drawn(self, standard_normal: Numbers) -> Numbers:
        """Give participants' values for their standard normal numbers."""
        return self.value * np.exp(self.sigma * standard_normal)


@functools.cache
def parameters() -> dict[str, Parameter]:
    """Read the parameters, in the order of the file.

    Raises
    ------
    ProtocolError
        The file is faulty.
    """
    with as_file(files("stromal.simulate") / "parameters.yaml") as path:
        content = cast("dict[str, object]", read_yaml(path, name="parameters.yaml").data)
    try:
        return TypeAdapter(dict[str, Parameter]).validate_python(content)
    except ValidationError as error:
        raise ProtocolError(
            [Fault("parameters.yaml", 0, "", str(error), "parameters", "Mend the file.")]
        ) from error


NAMES = (
    "expansion",
    "wear",
    "anc_healthy",
    "anc_maturation",
    "anc_turnover",
    "anc_drive",
    "platelets_healthy",
    "platelet_maturation",
    "platelet_life",
    "platelet_loss",
    "platelet_drive",
    "hb_healthy",
    "hb_maturation",
    "red_cell_life",
    "transfused_life",
    "hb_drive",
)
"""Parameters that make a marrow; what the niche does stands in a trial's scenario."""


def marrow_of(
    values: dict[str, Numbers],
    *,
    repair: Numbers,
    repaired: Numbers,
    msc_effect: Numbers,
    msc_decay: Numbers,
) -> Marrow:
    """Make marrows from values of the parameters and from what a scenario says of the niche.

    One number a field makes one marrow, one array a field as many.

    A maturation of T days through n compartments is a rate of n / T a day in each.
    """
    return Marrow(
        expansion=values["expansion"],
        loss=values["wear"],
        repair=repair,
        repaired=repaired,
        msc_effect=msc_effect,
        msc_decay=msc_decay,
        anc_healthy=values["anc_healthy"],
        anc_transit=3 / values["anc_maturation"],
        anc_turnover=values["anc_turnover"],
        anc_drive=values["anc_drive"],
        platelets_healthy=values["platelets_healthy"],
        platelet_transit=3 / values["platelet_maturation"],
        platelet_life=values["platelet_life"],
        platelet_loss=values["platelet_loss"],
        platelet_drive=values["platelet_drive"],
        hb_healthy=values["hb_healthy"],
        hb_transit=2 / values["hb_maturation"],
        red_cell_life=values["red_cell_life"],
        transfused_life=values["transfused_life"],
        hb_drive=values["hb_drive"],
    )
