"""From text cells to typed columns: dates, numbers, words, names. A cell is read or refused."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import polars as pl

from stromal.records.sheet import LINE, Said, Sheet, close_to, one_of, quoted
from stromal.records.tables import Column

__all__ = [
    "FIRST_YEAR",
    "LONGEST",
    "NUMBER",
    "carry_along",
    "read_columns",
    "read_date",
    "read_day",
    "why_not_a_number",
]

NUMBER = r"^[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?$"
FIRST_YEAR = 1900
LONGEST = 36_525
"""Days (100 years): a `day` beyond is a date written as a number, or stands for never."""
_ISO = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$"
_TIME = r"^([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9])?$"


def read_columns(sheet: Sheet, names: Mapping[str, Sequence[str]]) -> None:
    """Read every column of the sheet's table, in the order of its declaration.

    Parameters
    ----------
    sheet
        Whose typed columns and faults are filled.
    names
        What the protocol declares, by kind, for columns that name it.
    """
    for column in sheet.table.columns:
        if column.needed:
            _refuse_blanks(sheet, column.name)
        series = _read_column(sheet, column, names)
        sheet.typed = sheet.typed.with_columns(series.alias(column.name))
    either = sheet.table.either
    if either and sheet.height:
        blank = pl.all_horizontal(sheet.cells(name).is_null() for name in either)
        text = " or ".join(f"`{name}`" for name in either)
        sheet.refuse(
            pl.select(blank)[:, 0], either[0],
            lambda _cell, _row: ("an empty cell", text, f"Give {text}."),
        )  # fmt: skip


def _refuse_blanks(sheet: Sheet, name: str) -> None:
    """Refuse empty cells of a column that the file has and that every row must fill."""
    if name in sheet.raw.columns:
        sheet.refuse(
            sheet.cells(name).is_null(), name,
            lambda _cell, _row: ("an empty cell", f"`{name}` in every row",
                                 "Fill it, or remove the row."),
        )  # fmt: skip


def _read_column(sheet: Sheet, column: Column, names: Mapping[str, Sequence[str]]) -> pl.Series:  # noqa: PLR0911
    """Read one column by its kind."""
    if column.name not in sheet.raw.columns:
        return sheet.nothing(column.name, column.dtype)
    if column.kind == "text":
        return sheet.cells(column.name)
    if column.kind == "list":
        return _read_list(sheet.cells(column.name))
    if column.kind == "date":
        return read_date(sheet, column.name)
    if column.kind == "time":
        return _read_time(sheet, column.name)
    if column.kind in {"integer", "number"}:
        return _read_number(sheet, column)
    if column.of is not None:
        return _read_word(sheet, column.name, names[column.of], _KINDS[column.of])
    if column.kind == "yes_no":
        return _read_word(sheet, column.name, ("yes", "no"), "yes or no")
    return _read_word(sheet, column.name, column.words, column.hint)


def _read_time(sheet: Sheet, name: str) -> pl.Series:
    """Read a column of times of day."""
    cells = sheet.cells(name)
    wrong = ~cells.str.contains(_TIME)
    sheet.refuse(
        wrong,
        name,
        lambda cell, _row: (
            f"{quoted(cell)} is not a time of day",
            "HH:MM or HH:MM:SS",
            "Write hours and minutes of 24 hours, such as 08:30.",
        ),
    )
    return cells.set(wrong.fill_null(value=False), None)


_KINDS = {
    "product": "a product of the protocol",
    "arm": "an arm of the protocol",
    "endpoint": "an endpoint of the protocol",
    "criterion": "a criterion of the protocol",
    "table": "a dated table",
}


def _read_word(sheet: Sheet, name: str, words: Sequence[str], what: str) -> pl.Series:
    """Read a column that holds one of some words, exactly as they are written."""
    cells = sheet.cells(name)
    wrong = ~cells.is_in(list(words)) & cells.is_not_null()
    sheet.refuse(wrong, name, lambda cell, _row: _say_word(cell, words, what))
    return cells.set(wrong.fill_null(value=False), None)


def _say_word(cell: str, words: Sequence[str], what: str) -> Said:
    """Tell that a word is not known, and which may be meant."""
    close = close_to(cell, words)
    declared = what.endswith("of the protocol")
    remedy = "Declare it in the protocol, or correct the cell." if declared else "Use one of these."
    if close:
        remedy = f"Did you mean `{close}`?"
    expected = one_of(words) if words else "none: the protocol declares none"
    return f"{quoted(cell)} is not {what}", expected, remedy


def _read_list(cells: pl.Series) -> pl.Series:
    """Split texts at semicolons; an empty cell stays null (not recorded)."""
    parts = pl.col("cells").str.split(";").list.eval(pl.element().str.strip_chars())
    return (
        pl.DataFrame({"cells": cells})
        .select(parts.list.eval(pl.element().filter(pl.element() != "")))
        .to_series()
        .cast(pl.List(pl.String))
    )


def read_date(sheet: Sheet, name: str) -> pl.Series:
    """Read a column of ISO 8601 dates; what is ambiguous, impossible or has a time is refused."""
    if name not in sheet.raw.columns:
        return sheet.nothing(name, pl.Date())
    cells = sheet.cells(name)
    dates = cells.str.to_date("%Y-%m-%d", strict=False)
    dates = dates.set(~cells.str.contains(_ISO).fill_null(value=False), None)
    early = (dates.dt.year() < FIRST_YEAR).fill_null(value=False)
    dates = dates.set(early, None)
    sheet.refuse(cells.is_not_null() & dates.is_null(), name, lambda cell, _row: _say_date(cell))
    return dates


def _say_date(cell: str) -> Said:
    """Tell why a cell is not a date."""
    series = pl.Series([cell])
    expected = "a date as YYYY-MM-DD"
    if series.str.contains(r"^[0-9]{1,2}[/.\-][0-9]{1,2}[/.\-][0-9]{2,4}$")[0]:
        return (f"{quoted(cell)} could be two dates", expected,
                "Write year-month-day, such as 2024-02-01.")  # fmt: skip
    if series.str.contains(_ISO)[0]:
        if int(cell[:4]) < FIRST_YEAR and series.str.to_date(strict=False)[0] is not None:
            return (f"{quoted(cell)} is before {FIRST_YEAR}", expected, "Correct the year.")
        return (f"{quoted(cell)} is not in the calendar", expected, "Correct the date.")
    if series.str.contains(r"^[0-9]{4}-[0-9]{2}-[0-9]{2}[T ]")[0]:
        return (f"{quoted(cell)} has a time of day", expected,
                "Keep the date here; a time goes into a column `time`.")  # fmt: skip
    return (f"{quoted(cell)} is not a date", expected,
            "Write year-month-day, or use the day column where only the day is known.")  # fmt: skip


def read_day(sheet: Sheet, name: str) -> pl.Series:
    """Read a column of whole days from day zero (negative before it)."""
    if name not in sheet.raw.columns:
        return sheet.nothing(name, pl.Int32())
    day = Column(name, "integer", low=-LONGEST, high=LONGEST,
                 hint="a number of days from day zero, not a date; what never happened has no day "
                      "(an adjudication then has a status such as censored)")  # fmt: skip
    return _read_number(sheet, day)


def _read_number(sheet: Sheet, column: Column) -> pl.Series:
    """Read a column of numbers within limits."""
    cells = sheet.cells(column.name)
    shaped = cells.str.contains(NUMBER)
    sheet.refuse(
        ~shaped, column.name,
        lambda cell, _row: why_not_a_number(cell),
    )  # fmt: skip
    values = cells.set(~shaped.fill_null(value=False), None).cast(pl.Float64, strict=False)
    wrong = values.is_infinite()
    sheet.refuse(wrong, column.name, lambda cell, _row: _too_large(cell))
    values = values.set(wrong.fill_null(value=False), None)
    if column.kind == "integer":
        broken = values != values.round(0)
        what = "a day" if column.name == "day" or column.name.endswith("_day") else "it"
        sheet.refuse(
            broken, column.name,
            lambda cell, _row: (f"{quoted(cell)} is not a whole number", "a whole number",
                                f"Write {what} without a fraction."),
        )  # fmt: skip
        values = values.set(broken.fill_null(value=False), None)
    values = _within(sheet, column, values)
    return values.cast(column.dtype)


def _within(sheet: Sheet, column: Column, values: pl.Series) -> pl.Series:
    """Refuse numbers outside the limits of their column."""
    low = column.low if column.low is not None else float("-inf")
    high = column.high if column.high is not None else float("inf")
    outside = (values < low) | (values > high)
    if column.zero:
        outside &= values != 0
    limits = f"{_plain(low)} to {_plain(high)}" + (", or 0" if column.zero and low > 0 else "")
    remedy = f"Write {column.hint}." if column.hint else "Correct the number."
    sheet.refuse(
        outside, column.name,
        lambda cell, _row: (f"{quoted(cell)} is out of range", limits, remedy),
    )  # fmt: skip
    return values.set(outside.fill_null(value=False), None)


def why_not_a_number(cell: str) -> Said:
    """Tell why a cell is not a number."""
    series = pl.Series([cell])
    expected = "a number, such as 0.5"
    if series.str.contains(r"^[+\-<>]?\s*[0-9]+,[0-9]+$")[0]:
        return (f"{quoted(cell)} has a comma", expected,
                "Write a decimal point and no thousands separator.")  # fmt: skip
    if series.str.contains(r"^[<>≤≥]")[0]:
        return (
            f"{quoted(cell)} is a bound",
            expected,
            "Give the number itself, or leave it empty.",
        )
    if cell.casefold() in {
        "na",
        "n/a",
        "nan",
        "null",
        "none",
        "nd",
        ".",
        "-",
        "unknown",
        "missing",
    }:
        return (f"{quoted(cell)} is not a number", expected, "Leave empty what is not known.")
    return (f"{quoted(cell)} is not a number", expected,
            "Write digits with a decimal point, without unit or blanks.")  # fmt: skip


def _too_large(cell: str) -> Said:
    """Tell that a number is larger than any that can be kept."""
    return f"{quoted(cell)} is too large", "a number, such as 0.5", "Correct the number."


def _plain(number: float) -> str:
    """Write a limit shortly."""
    return f"{number:,.0f}" if float(number).is_integer() and abs(number) < 1e6 else f"{number:g}"


def carry_along(sheet: Sheet) -> list[pl.Series]:
    """Give the columns that stromal does not read, as whole numbers, numbers or text.

    A column is numeric where every cell that is not empty is a number written without leading
    zeros; otherwise it stays text as it came.
    """
    known = {LINE, *sheet.table.known, *sheet.table.schema}
    return [_typed_alike(sheet.raw[name]) for name in sheet.raw.columns if name not in known]


def _typed_alike(cells: pl.Series) -> pl.Series:
    """Give a column the narrowest type that holds all its cells unchanged."""
    filled = cells.drop_nulls()
    if filled.is_empty() or filled.str.contains(r"^[+-]?0[0-9]").any():
        return cells
    if not filled.str.contains(NUMBER).all():
        return cells
    if filled.str.contains(r"^-?[0-9]{1,18}$").all():
        return cells.cast(pl.Int64)
    numbers = cells.cast(pl.Float64, strict=False)
    return cells if numbers.is_infinite().any() else numbers
