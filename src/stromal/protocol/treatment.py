"""What is given: products, doses, schedules of infusions, background drugs, arms."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag, model_validator

from stromal.core import Quantity
from stromal.protocol.fields import CellDose, Duration, Model, Name, NotStated, Text, Window
from stromal.protocol.tagged import key_of

__all__ = [
    "Arm",
    "BackgroundDrug",
    "Dose",
    "FixedDose",
    "InfusionPlan",
    "PerKilogramDose",
    "Product",
    "RangeDose",
    "Times",
    "TroughTarget",
    "UnstatedDose",
]

Tissue = Literal[
    "bone marrow", "umbilical cord", "cord blood", "adipose", "placenta", "none", "not stated"
]
Relation = Literal[
    "haematopoietic donor", "related", "third party", "autologous", "not applicable", "not stated"
]


class Product(Model):
    """A cellular product or the placebo that is infused in its place."""

    cells: Text
    tissue: Tissue
    donor: Relation
    hla_matched: Literal["yes", "no", "not stated", "not applicable"] = "not stated"
    passage: Annotated[int, Field(ge=0)] | tuple[int, int] | NotStated = "not stated"
    placebo: bool = False
    marketed: Annotated[
        Literal["yes", "no", "not stated"], Field(description="authorised for the market")
    ] = "not stated"
    as_written: Annotated[
        Text | None, Field(description="the product in the source's words, for consistency checks")
    ] = None


def _above_zero(**doses: Quantity | None) -> None:
    """Refuse a dose of no cells or fewer."""
    for key, dose in doses.items():
        if dose is not None and dose.value <= 0:
            raise ValueError(
                f"`{key}` is above 0; got '{dose}'. An infusion without cells has the dose "
                "{none: TEXT}"
            )


class PerKilogramDose(Model):
    """Cells per kilogram, of a stated weight, with an optional cap on the total."""

    per_kg: CellDose
    weight: Literal["actual", "at screening", "at infusion", "not stated"] = "not stated"
    cap: CellDose | None = None

    @model_validator(mode="after")
    def _dimensions(self) -> PerKilogramDose:
        if self.per_kg.dimension != "cells per mass":
            raise ValueError(f"`per_kg` needs cells per kg, such as '1e6 /kg'; got '{self.per_kg}'")
        _above_zero(per_kg=self.per_kg, cap=self.cap)
        if self.cap is not None and self.cap.dimension != "cells":
            raise ValueError(f"`cap` is a number of cells, such as '1e8'; got '{self.cap}'")
        return self


class FixedDose(Model):
    """The same number of cells for everyone."""

    fixed: CellDose
    volume: Text | None = None

    @model_validator(mode="after")
    def _dimension(self) -> FixedDose:
        if self.fixed.dimension != "cells":
            raise ValueError(f"`fixed` is a number of cells, such as '3e7'; got '{self.fixed}'")
        _above_zero(fixed=self.fixed)
        return self


class RangeDose(Model):
    """Cells per kilogram that varied, as delivered; the planned dose is not one number."""

    range_per_kg: tuple[CellDose, CellDose]
    reason: Text | None = None


class UnstatedDose(Model):
    """No dose of cells (placebo), or none that the source tells."""

    none: Text


_DOSES = ("per_kg", "fixed", "range_per_kg", "none")


def _dose_tag(value: Any) -> str | None:  # noqa: ANN401
    return key_of(value, _DOSES)


Dose = Annotated[
    Annotated[PerKilogramDose, Tag("per_kg")]
    | Annotated[FixedDose, Tag("fixed")]
    | Annotated[RangeDose, Tag("range_per_kg")]
    | Annotated[UnstatedDose, Tag("none")],
    Discriminator(
        _dose_tag,
        custom_error_type="dose_kind",
        custom_error_message=f"a dose has exactly one of the keys {', '.join(_DOSES)}",
    ),
]


class Times(Model):
    """A number of infusions that may vary between two bounds."""

    from_: Annotated[int, Field(alias="from", ge=1, le=1000)]
    to: Annotated[int, Field(ge=1, le=1000)]

    @model_validator(mode="after")
    def _ordered(self) -> Times:
        if self.to < self.from_:
            raise ValueError("`to` is smaller than `from`")
        return self


class InfusionPlan(Model):
    """Infusions of one product: dose, first, interval, number, window.

    Infusion k is due `(k - 1) * every` days after the first; the first is due `first_after` the
    anchor `first`. With a window, an infusion is on time within it and late after it.
    """

    product: Name
    dose: Dose
    route: Text = "intravenous"
    first: Name
    first_after: Duration = 0
    every: Duration | NotStated | None = None
    times: Annotated[int, Field(ge=1, le=1000)] | Times | NotStated
    window: Window | NotStated
    assumed: Annotated[list[Name], Field(description="ids of assumptions it rests on")] = []

    @model_validator(mode="after")
    def _interval_where_repeated(self) -> InfusionPlan:
        repeated = isinstance(self.times, Times) or (isinstance(self.times, int) and self.times > 1)
        if repeated and self.every is None:
            raise ValueError("repeated infusions need `every`, such as '7 d' (or 'not stated')")
        if isinstance(self.every, int) and self.every < 1:
            raise ValueError(f"`every` is at least 1 d; got '{int(self.every)} d'")
        return self


class TroughTarget(Model):
    """A window for a drug's trough level; `as_printed` keeps what the source wrote."""

    low: float
    high: float
    unit: Text
    as_printed: Text | None = None


class BackgroundDrug(Model):
    """A drug given beside the cells, or instead of them in a control arm."""

    drug: Text
    dose: Text | NotStated
    from_: Annotated[Name | NotStated, Field(alias="from")]
    start: Duration = 0
    for_: Annotated[Duration | NotStated, Field(alias="for")]
    trough: TroughTarget | None = None
    role: Literal["immunosuppression", "conditioning", "supportive", "conventional"] = "supportive"
    assumed: Annotated[list[Name], Field(description="ids of assumptions it rests on")] = []


class Arm(Model):
    """A planned sequence of treatment."""

    label: Text
    role: Literal["experimental", "active control", "placebo", "control"]
    participants: Annotated[int | None, Field(ge=1)] = None
    infuse: list[InfusionPlan] = []
    background: list[BackgroundDrug] = []
