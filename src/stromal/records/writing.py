"""Writing tables for people and programs: CSV, Parquet or JSON by the suffix of the file."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from stromal.core import UsageError

__all__ = ["SUFFIXES", "write_table"]

SUFFIXES = (".csv", ".parquet", ".json")
_FORMULA = r"^[=+\-@\t\r]"


def write_table(frame: pl.DataFrame, path: Path) -> None:
    """Write a table to a file.

    1. `.csv`: UTF-8 with a header; lists joined by semicolons. A text (or a column's name) that
       begins with `=`, `+`, `-`, `@`, a tab or a carriage return is given an apostrophe in front,
       so that no spreadsheet takes it for a formula; numbers are written as they are.
    2. `.parquet`: types and lists as they are.
    3. `.json`: a list of objects, one a row; a number that is not finite becomes null.

    Parameters
    ----------
    frame
        The table.
    path
        The file; an existing one is replaced. Nothing is left behind where writing fails.

    Raises
    ------
    UsageError
        The suffix is none of these, or the file cannot be written.
    """
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise UsageError(
            f"cannot write {path.name!r}: the suffix says the format and is one of "
            f"{', '.join(SUFFIXES)}"
        )
    partial = path.with_name(f".{path.name}.part")
    try:
        if suffix == ".csv":
            _without_formulas(frame).write_csv(partial)
        elif suffix == ".parquet":
            frame.write_parquet(partial)
        else:
            _finite(frame).write_json(partial)
        partial.replace(path)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise UsageError(
            f"cannot write {str(path)!r} ({error.strerror or error}); "
            "name a file in a folder that exists and that you may write to"
        ) from error


def _without_formulas(frame: pl.DataFrame) -> pl.DataFrame:
    """Join lists, and put an apostrophe before texts that a spreadsheet would run."""
    columns: list[pl.Series] = []
    for series in frame.get_columns():
        dtype, cells = series.dtype, series
        if isinstance(dtype, pl.List):
            cells = cells.cast(pl.List(pl.String)).list.join(";")
        elif isinstance(dtype, pl.Categorical | pl.Enum):
            cells = cells.cast(pl.String)
        if cells.dtype == pl.String:
            cells = _guarded(cells)
        columns.append(cells)
    names = _guarded(pl.Series(frame.columns, dtype=pl.String))
    return pl.DataFrame([series.alias(name) for series, name in zip(columns, names, strict=True)])


def _guarded(cells: pl.Series) -> pl.Series:
    """Put an apostrophe before texts that begin like a formula."""
    danger = cells.str.contains(_FORMULA)
    return pl.select(
        pl.when(danger).then(pl.format("'{}", cells)).otherwise(cells).alias(cells.name)
    ).to_series()


def _finite(frame: pl.DataFrame) -> pl.DataFrame:
    """Make numbers that are not finite null, which is all that JSON can say."""
    return frame.with_columns(
        pl.when(pl.col(name).is_finite()).then(pl.col(name)).alias(name)
        for name, dtype in frame.schema.items()
        if dtype.is_float()
    )
