"""Quantities with UCUM units, and their conversion.

Only the units that blood counts, doses and times of a trial are written in are known; any other
unit is refused rather than guessed. Units of one dimension convert by a factor; two dimensions
never convert into each other, so `g/L` of a count is an error.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from stromal.core.errors import UnitError

__all__ = ["Quantity", "convert_value", "days_of", "dimension_of", "parse_quantity"]

_FACTORS: dict[str, dict[str, float]] = {
    # number of cells per volume, in 10*9/L
    "cells per volume": {
        "10*9/L": 1.0,
        "10*3/uL": 1.0,
        "10*6/mL": 1.0,
        "10*12/L": 1e3,
        "10*6/uL": 1e3,
        "10*6/L": 1e-3,
        "/uL": 1e-3,
        "/mm3": 1e-3,
        "10*3/mL": 1e-3,
        "/mL": 1e-6,
        "/L": 1e-9,
    },
    # mass per volume, in g/L
    "mass per volume": {
        "g/L": 1.0,
        "g/dL": 10.0,
        "mg/dL": 1e-2,
        "mg/L": 1e-3,
        "ug/mL": 1e-3,
        "ug/L": 1e-6,
        "ng/mL": 1e-6,
    },
    "substance per volume": {"mmol/L": 1.0, "umol/L": 1e-3},
    "time": {"d": 1.0, "wk": 7.0, "mo": 30.4375, "a": 365.25, "h": 1 / 24, "min": 1 / 1440},
    "mass": {"kg": 1.0, "g": 1e-3, "mg": 1e-6, "ug": 1e-9},
    "volume": {"L": 1.0, "mL": 1e-3, "uL": 1e-6},
    "cells": {"1": 1.0, "10*6": 1e6, "10*7": 1e7, "10*8": 1e8, "10*9": 1e9},
    "cells per mass": {"/kg": 1.0, "10*6/kg": 1e6, "10*7/kg": 1e7, "10*8/kg": 1e8},
    "mass per mass": {"mg/kg": 1.0, "ug/kg": 1e-3, "g/kg": 1e3},
    "mass per mass per time": {"mg/kg/d": 1.0, "ug/kg/d": 1e-3},
    "mass per area": {"mg/m2": 1.0, "g/m2": 1e3},
    "fraction": {"%": 1.0},
    "temperature": {"Cel": 1.0},
    "per cent of normal": {"[ULN]": 1.0},
}
_SPELLINGS = {
    "10^9/L": "10*9/L",
    "10^9/l": "10*9/L",
    "10*9/l": "10*9/L",
    "10e9/L": "10*9/L",
    "x10^9/L": "10*9/L",
    "x10*9/L": "10*9/L",
    "G/L": "10*9/L",
    "Giga/L": "10*9/L",
    "10^3/uL": "10*3/uL",
    "K/uL": "10*3/uL",
    "k/uL": "10*3/uL",
    "K/mm3": "10*3/uL",
    "10^6/L": "10*6/L",
    "10^12/L": "10*12/L",
    "cells/uL": "/uL",
    "#/uL": "/uL",
    "#/CU MM": "/uL",
    "cells/mm3": "/mm3",
    "cells/kg": "/kg",
    "g/dl": "g/dL",
    "g/l": "g/L",
    "mg/dl": "mg/dL",
    "10^6/kg": "10*6/kg",
    "cells": "1",
    "percent": "%",
    "d.": "d",
}
_DIMENSION = {unit: name for name, units in _FACTORS.items() for unit in units}
_LITRE = re.compile(r"(?<=/)([umd]?)l$")
"""UCUM writes the litre as l or as L."""
_NUMBER = r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?"
_QUANTITY = re.compile(rf"\s*({_NUMBER})(?:\s*(\S.*?))?\s*")


def _canonical(unit: str) -> str:
    plain = unit.strip().replace("µ", "u").replace("μ", "u").replace("×", "x")
    plain = _LITRE.sub(r"\1L", _SPELLINGS.get(plain, plain))
    plain = _SPELLINGS.get(plain, plain)
    if plain not in _DIMENSION:
        raise UnitError(
            f"unit {unit!r} is not known; write a UCUM unit such as 10*9/L, /uL, g/L, g/dL, d, wk, "
            "mo, a, kg, /kg or mg/kg"
        )
    return plain


def dimension_of(unit: str) -> str:
    """Name the dimension of a unit, such as `cells per volume`.

    Examples
    --------
    >>> dimension_of("10*9/L"), dimension_of("g/dL")
    ('cells per volume', 'mass per volume')
    """
    return _DIMENSION[_canonical(unit)]


def convert_value(value: float, unit: str, to: str) -> float:
    """Convert a value between two units of one dimension.

    Raises
    ------
    UnitError
        A unit is not known, or the two are of different dimensions.

    Examples
    --------
    >>> convert_value(500, "/uL", "10*9/L")
    0.5
    >>> convert_value(8, "g/dL", "g/L")
    80.0
    """
    source, target = _canonical(unit), _canonical(to)
    if _DIMENSION[source] != _DIMENSION[target]:
        raise UnitError(
            f"{unit!r} is a unit of {_DIMENSION[source]}, {to!r} of {_DIMENSION[target]}; "
            "one does not convert into the other"
        )
    factors = _FACTORS[_DIMENSION[source]]
    return _exact(value, factors[source], factors[target])


def _exact(value: float, source: float, target: float) -> float:
    """Multiply or divide so that round decimal values stay round (500 /uL is exactly 0.5)."""
    if source == target:
        return float(value)
    ratio = source / target
    if ratio >= 1:
        return float(value) * (round(ratio) if math.isclose(ratio, round(ratio)) else ratio)
    inverse = target / source
    return float(value) / (round(inverse) if math.isclose(inverse, round(inverse)) else inverse)


@dataclass(frozen=True)
class Quantity:
    """A number and its UCUM unit.

    Parameters
    ----------
    value
        The number, in `unit`.
    unit
        A known UCUM unit; `1` for a plain number.
    """

    value: float
    unit: str

    def to(self, unit: str) -> float:
        """Give the number in another unit of the same dimension."""
        return convert_value(self.value, self.unit, unit)

    @property
    def dimension(self) -> str:
        """The dimension of the unit."""
        return dimension_of(self.unit)

    def __str__(self) -> str:
        number = f"{self.value:g}"
        return number if self.unit == "1" else f"{number} {self.unit}"


def parse_quantity(text: str | float) -> Quantity:
    """Read a number with its unit, such as `0.5 10*9/L`, `8 wk` or `1e6 /kg`.

    Raises
    ------
    UnitError
        The text is not a number with a known unit, or the number is not finite.

    Examples
    --------
    >>> parse_quantity("0.5 10*9/L")
    Quantity(value=0.5, unit='10*9/L')
    """
    match = _QUANTITY.fullmatch(str(text))
    if match is None:
        raise UnitError(f"{text!r} is not a number with a unit, such as '0.5 10*9/L' or '8 wk'")
    value = float(match[1])
    if not math.isfinite(value):
        raise UnitError(f"{text!r} is not a finite number")
    return Quantity(value, _canonical(match[2]) if match[2] else "1")


def days_of(duration: Quantity) -> int:
    """Give a duration in whole days: weeks of 7, months of 30.4375, years of 365.25 days (UCUM).

    A duration that is not a whole number of days is rounded half up: 6 mo is 183 days, 4 a is
    1461 days.

    Raises
    ------
    UnitError
        The quantity is not a time.

    Examples
    --------
    >>> days_of(parse_quantity("8 wk")), days_of(parse_quantity("6 mo"))
    (56, 183)
    """
    if duration.dimension != "time":
        raise UnitError(f"{duration} is not a time; write days, such as '14 d', or wk, mo, a")
    return math.floor(duration.to("d") + 0.5)
