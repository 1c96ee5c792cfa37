"""The small types that protocol files are made of: quantities, durations, windows, names."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    StringConstraints,
    WithJsonSchema,
)

from stromal.core import Quantity, UnitError, parse_quantity
from stromal.core.units import days_of

__all__ = [
    "CellDose",
    "Concentration",
    "Duration",
    "Measure",
    "Model",
    "Name",
    "NotStated",
    "Text",
    "Window",
]


class Model(BaseModel):
    """A part of a protocol: frozen, and without keys that the language does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


def _quantity_of(*dimensions: str, example: str) -> Any:  # noqa: ANN401 (an annotation)
    """Make a validator that reads a quantity of one of the named dimensions."""

    def read(value: object) -> Quantity:
        if isinstance(value, Quantity):
            return value
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            raise ValueError(f"expected a number with a unit, such as '{example}'")  # noqa: TRY004
        try:
            quantity = parse_quantity(value)
        except UnitError as error:
            raise ValueError(str(error)) from error
        if dimensions and quantity.dimension not in dimensions:
            got = "no unit" if quantity.unit == "1" else f"a unit of {quantity.dimension}"
            raise ValueError(
                f"expected {' or '.join(dimensions)}, such as '{example}'; '{value}' has {got}"
            )
        return quantity

    return BeforeValidator(read)


def _as_days(value: object) -> int:
    """Read a duration as whole days; a bare integer is refused because its unit is missing."""
    if isinstance(value, _Days):
        return value
    if isinstance(value, str):
        try:
            days = days_of(parse_quantity(value))
        except UnitError as error:
            raise ValueError(str(error)) from error
        if abs(days) > _MOST_DAYS:
            raise ValueError(f"expected a time of at most 200 years; got '{value}'")
        return _Days(days)
    raise ValueError(f"expected a time with its unit, such as '14 d' or '8 wk'; got {value!r}")


_MOST_DAYS = 200 * 366


class _Days(int):
    """A whole number of days that was written with its unit."""


_STRING = WithJsonSchema({"type": "string"})
Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]
Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z][A-Za-z0-9_]*$")]
NotStated = Literal["not stated"]

Duration = Annotated[
    int,
    BeforeValidator(_as_days),
    PlainSerializer(lambda days: f"{int(days)} d", return_type=str),
    WithJsonSchema({"type": "string", "examples": ["14 d", "8 wk", "6 mo", "4 a"]}),
]
Window = Annotated[tuple[Duration, Duration], Field(description="[earliest, latest], inclusive")]
Concentration = Annotated[
    Quantity,
    _quantity_of("cells per volume", "mass per volume", "fraction", example="0.5 10*9/L"),
    PlainSerializer(str, return_type=str),
    _STRING,
]
CellDose = Annotated[
    Quantity,
    _quantity_of("cells per mass", "cells", example="1e6 /kg"),
    PlainSerializer(str, return_type=str),
    WithJsonSchema({"type": ["string", "number"]}),
]
Measure = Annotated[
    Quantity,
    _quantity_of(example="60 or 18 a"),
    PlainSerializer(str, return_type=str),
    WithJsonSchema({"type": ["string", "number"]}),
]
