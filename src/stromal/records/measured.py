"""Counts: numbers and bounds, conversion of their units, and the limits of what is plausible."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import polars as pl

from stromal.core import UnitError, convert_value
from stromal.core.units import dimension_of
from stromal.protocol.rules import ANALYTE_UNITS
from stromal.records.cells import why_not_a_number
from stromal.records.sheet import Said, Sheet, quoted

__all__ = ["PLAUSIBLE", "Limits", "read_values"]

_VALUE = r"^([<>]?)\s*([+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)$"


@dataclass(frozen=True)
class Limits:
    """Limits of a count in the analyte's unit; `least` is for counts other than zero."""

    least: float
    most: float
    zero: bool = True


PLAUSIBLE: Mapping[str, Limits] = MappingProxyType(
    {
        "ANC": Limits(0.001, 100),
        "WBC": Limits(0.001, 1000),
        "ALC": Limits(0.001, 1000),
        "PLT": Limits(0.5, 3000),
        "ARC": Limits(0.01, 1000),
        "Hb": Limits(20, 250, zero=False),
    }
)
"""Counts outside these limits are taken to be in another unit and refused.

The limits are stromal's own choice, not a source's: wide enough for marrow failure, leukaemia and
thrombocythaemia, and narrow enough that a haemoglobin in g/dL, neutrophils per microlitre or
platelets per microlitre under the label of another unit fall outside. A true value outside them is
kept where its row says `verified: yes`.
"""


def read_values(sheet: Sheet) -> None:
    """Read the values of the measurements table.

    1. A value is a number that is not negative, or a bound: `<` or `>` and such a number.
    2. It is converted into the unit of its analyte (`stromal.protocol.rules.ANALYTE_UNITS`).
    3. A number has `low` = `high` = `value`; a bound has no `value`, `censored` says which it is,
       and the count lies between `low` and `high` ("<0.1": 0 to 0.1; ">10": 10 to infinity).
    4. `as_read` keeps value and unit as they came.
    5. Refused: what is neither number nor bound, a negative count, `<0` (below no count there can
       be one), a unit that is unknown or of another dimension, and a number outside `PLAUSIBLE`
       unless the row says `verified: yes`.
    """
    cells = sheet.cells("value")
    parts = pl.DataFrame({"cell": cells}).select(
        bound=pl.col("cell").str.extract(_VALUE, 1),
        number=pl.col("cell").str.extract(_VALUE, 2).cast(pl.Float64, strict=False),
    )
    bound, number = parts["bound"], parts["number"]
    sheet.refuse(
        cells.is_not_null() & number.is_null(), "value", lambda cell, _row: _say_value(cell)
    )
    sheet.refuse(
        number.is_infinite(), "value",
        lambda cell, _row: (f"{quoted(cell)} is too large", "a number, such as 0.5",
                            "Correct the number."),
    )  # fmt: skip
    sheet.refuse(
        number < 0, "value",
        lambda cell, _row: (f"{quoted(cell)} is negative", "a count of 0 or more",
                            "Correct the value."),
    )  # fmt: skip
    nothing = (bound == "<") & (number == 0)
    sheet.refuse(
        nothing, "value",
        lambda cell, _row: (f"{quoted(cell)} is below zero", "`<` and the limit of detection",
                            "Write the limit, such as <0.1, or 0 where none was seen."),
    )  # fmt: skip
    sound = number.is_finite() & (number >= 0) & ~nothing
    number = number.abs().set(~sound.fill_null(value=False), None)
    converted = _convert(sheet, number)
    converted = _plausible(sheet, converted, bound)
    _keep(sheet, converted, bound)


def _say_value(cell: str) -> Said:
    """Tell why a cell is neither a number nor a bound."""
    expected = "a number, or a bound such as <0.1"
    if cell[:1] in "≤≥" or cell[:2] in {"<=", ">="}:
        return (f"{quoted(cell)} is not a bound that stromal knows", expected,
                "Write `<` or `>` and the limit of the method.")  # fmt: skip
    found, _, remedy = why_not_a_number(cell)
    if cell[:1] in "<>":
        if "comma" not in found:
            found = f"{quoted(cell)} is not a bound"
            remedy = "Write `<` or `>` and one number."
        return found, expected, remedy
    if "Leave empty" in remedy or any(letter.isalpha() for letter in cell):
        remedy = "Remove the row where nothing was measured, or write the number or bound alone."
    return found, expected, remedy


def _convert(sheet: Sheet, number: pl.Series) -> pl.Series:
    """Convert numbers to the analyte's unit; refuse units that do not belong to it."""
    keys = pl.DataFrame({"analyte": sheet.typed["analyte"], "unit": sheet.typed["unit"]})
    pairs = keys.unique(maintain_order=True).drop_nulls()
    factors: list[tuple[str, str, float | None, float | None]] = []
    told: dict[tuple[str, str], Said] = {}
    for analyte, unit in pairs.iter_rows():
        target = ANALYTE_UNITS[analyte]
        try:
            times, over = convert_value(1, unit, target), convert_value(1, target, unit)
        except UnitError as error:
            told[analyte, unit] = _say_unit(analyte, unit, error)
            factors.append((analyte, unit, None, None))
        else:
            # multiply or divide by the one of the two that is whole, as convert_value does
            factors.append((analyte, unit, *((times, 1.0) if times >= 1 else (1.0, over))))
    table = pl.DataFrame(
        factors,
        schema={"analyte": pl.String, "unit": pl.String, "times": pl.Float64, "over": pl.Float64},
        orient="row",
    )
    joined = keys.join(table, on=["analyte", "unit"], how="left", maintain_order="left")
    known = keys.select(pl.all_horizontal(pl.all().is_not_null()))[:, 0]
    sheet.refuse(
        known & joined["times"].is_null(), "unit",
        lambda _cell, row: told[row["analyte"], row["unit"]],
    )  # fmt: skip
    return number * joined["times"] / joined["over"]


def _say_unit(analyte: str, unit: str, error: UnitError) -> Said:
    """Tell why a unit does not belong to an analyte."""
    target = ANALYTE_UNITS[analyte]
    expected = f"{target} for {analyte}, or a unit that converts into it"
    try:
        dimension = dimension_of(unit)
    except UnitError:
        return f"the unit {quoted(unit)} is not known", expected, "Write the unit in UCUM."
    del error
    return (f"{quoted(unit)} measures {dimension}", expected,
            "Correct the unit or the analyte.")  # fmt: skip


def _plausible(sheet: Sheet, value: pl.Series, bound: pl.Series) -> pl.Series:
    """Refuse numbers that only make sense in another unit."""
    analyte = sheet.typed["analyte"]
    limits = pl.DataFrame(
        [(name, item.least, item.most, item.zero) for name, item in PLAUSIBLE.items()],
        schema=["analyte", "least", "most", "zero"],
        orient="row",
    )
    rows = pl.DataFrame({"analyte": analyte, "value": value, "bound": bound}).join(
        limits, on="analyte", how="left", maintain_order="left"
    )
    low = pl.col("value") < pl.col("least")
    wrong = rows.select(
        (pl.col("value") > pl.col("most"))
        | ((pl.col("bound") == "") & low & ((pl.col("value") > 0) | ~pl.col("zero")))
    )[:, 0]
    wrong &= (sheet.typed["verified"] != "yes").fill_null(value=True)
    sheet.refuse(
        wrong, "value", lambda cell, row: _say_implausible(cell, row["analyte"], row["unit"])
    )
    return value.set(wrong.fill_null(value=False), None)


def _say_implausible(cell: str, analyte: str, unit: str) -> Said:
    """Tell that a count only makes sense in another unit."""
    limits, target = PLAUSIBLE[analyte], ANALYTE_UNITS[analyte]
    zero = "0 or " if limits.zero else ""
    return (
        f"{quoted(cell)} {unit} makes no sense as {analyte}",
        f"{zero}{limits.least:g} to {limits.most:g} {target}",
        "Correct the value or its unit; if the laboratory confirms it, add `verified` with yes.",
    )


def _keep(sheet: Sheet, value: pl.Series, bound: pl.Series) -> None:
    """Put value, bounds and the text as read among the typed columns."""
    is_low, is_high = bound == ">", bound == "<"
    none = (is_low | is_high).fill_null(value=False)
    texts = pl.DataFrame({"v": sheet.cells("value"), "u": sheet.cells("unit")})
    sheet.typed = sheet.typed.with_columns(
        value.set(none, None).alias("value"),
        value.set(is_high.fill_null(value=False), 0.0).alias("low"),
        value.set(is_low.fill_null(value=False), math.inf).alias("high"),
        bound.set(~none, None).alias("censored"),
        texts.select(pl.concat_str("v", "u", separator=" "))[:, 0].alias("as_read"),
    )
