"""From files to sheets of text cells: which files there are, and their structure."""

from __future__ import annotations

import csv
import io
import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import polars as pl
from polars.exceptions import PolarsError

from stromal.core import Fault
from stromal.records.sheet import LINE, Sheet, close_to, one_of, quoted
from stromal.records.tables import Table

__all__ = ["ABOUT_FILE", "RECORDS_FOLDER", "find_files", "read_sheet"]

RECORDS_FOLDER = "records"
ABOUT_FILE = "about.yaml"
_READ = (".csv", ".parquet")
_PLAIN = (pl.String, pl.Date, pl.Time, pl.Null, pl.Categorical, pl.Enum)
_CONTROL = {code: None for code in range(32) if code not in (9, 10, 13)}


def find_files(folder: Path, tables: Mapping[str, Table]) -> tuple[dict[str, Path], list[Fault]]:
    """Find each table's file in a records folder.

    A CSV or Parquet file that is no table, a table in another format, and one table in two files
    are faults. Other files and folders (notes, scripts, hidden files) are left alone.
    """
    found: dict[str, Path] = {}
    faults: list[Fault] = []
    for file in sorted(folder.iterdir()):
        name, shown = file.stem, f"{RECORDS_FOLDER}/{file.name}"
        if file.name.startswith("."):
            continue
        if name in tables and file.exists() and not (file.is_file() or file.is_dir()):
            faults.append(
                Fault(shown, 0, "", "no regular file", "a CSV or Parquet file",
                      "Put the file itself here.")
            )  # fmt: skip
        elif file.suffix.lower() not in _READ or file.is_dir():
            if file.name.split(".")[0] in tables:
                faults.append(
                    Fault(shown, 0, "", f"{quoted(file.name)} is no CSV or Parquet file",
                          f"`{file.name.split('.')[0]}.csv` or `.parquet`",
                          "Save it as CSV in UTF-8, or move it out of this folder.")
                )  # fmt: skip
        elif name not in tables:
            close = close_to(name, tables)
            remedy = (
                f"Did you mean `{close}{file.suffix}`?" if close else "Move it out of this folder."
            )
            faults.append(
                Fault(shown, 0, "", f"{quoted(name)} is not a table", one_of(list(tables)), remedy)
            )
        elif name in found:
            faults.append(
                Fault(shown, 0, "", f"{quoted(name)} stands here twice, as {found[name].name} too",
                      "one file a table", "Remove one of the two.")
            )  # fmt: skip
        else:
            found[name] = file
    return found, faults


def read_sheet(table: Table, file: Path | None) -> Sheet:
    """Read one table's file into text cells with line numbers, and check its structure.

    1. A CSV file is UTF-8 (a byte-order mark is passed over), separated by commas, quoted by `"`.
       Blanks around a cell are not part of it; an empty cell is null. Empty lines are passed over.
    2. A Parquet file's values are written as text in full precision, so that one path of checks
       reads both; its row n counts as line n + 1.
    3. Faults: bytes that are not UTF-8, NUL, another separator, no header, a header that stands
       again, two columns of one name, a column without a name, a row with more or fewer cells than
       the header, a row of nothing but empty cells, a column that must be there and is not.
    """
    if file is None:
        empty = pl.DataFrame(schema={LINE: pl.Int64})
        return Sheet(table, f"{RECORDS_FOLDER}/{table.name}.csv", empty, present=False)
    sheet = Sheet(
        table, f"{RECORDS_FOLDER}/{file.name}", pl.DataFrame(schema={LINE: pl.Int64}), present=True
    )
    raw = (
        _parquet_cells(file, sheet)
        if file.suffix.lower() == ".parquet"
        else _csv_cells(file, sheet)
    )
    if raw is None:
        return _unread(sheet)
    sheet.raw = raw
    sheet.typed = raw.select(LINE)
    _refuse_empty_rows(sheet)
    _refuse_missing_columns(sheet)
    return sheet


def _unread(sheet: Sheet) -> Sheet:
    """Leave a sheet without rows: its file is refused as a whole."""
    sheet.present = False
    return sheet


@dataclass(frozen=True)
class _Split:
    """Text split into cells: each row's first line, number of cells, and the cells by position."""

    lines: pl.Series
    counts: pl.Series
    columns: list[pl.Series]


def _csv_cells(file: Path, sheet: Sheet) -> pl.DataFrame | None:
    """Read the cells of a CSV file, or tell why it cannot be read."""
    text = _text_of(file, sheet)
    if text is None:
        return None
    split = _split_quoted(text, sheet) if '"' in text else _split_plain(text)
    if split.lines.is_empty():
        sheet.fault("an empty file", "a header line", "Remove the file, or write the header.")
        return None
    width = split.counts[0]
    header = [(column[0] or "").strip() for column in split.columns[:width]]
    if not _header_is_sound(header, sheet, split.lines[0]):
        return None
    _refuse_ragged(split, width, sheet)
    whole = (split.counts == width) & (split.lines != split.lines[0])
    cells = pl.DataFrame(
        {LINE: split.lines}
        | {
            name: column.str.strip_chars()
            for name, column in zip(header, split.columns[:width], strict=True)
        }
    ).filter(whole)
    cells = cells.with_columns(
        pl.when(pl.col(name) != "").then(pl.col(name)).alias(name) for name in header
    )
    return _without_repeated_header(cells, header, sheet)


def _text_of(file: Path, sheet: Sheet) -> str | None:
    """Decode a text file, or tell on which line it is not text."""
    try:
        data = file.read_bytes()
    except OSError as error:
        sheet.fault(f"cannot be read ({error.strerror})", "a CSV file", "Check the file.")
        return None
    nul = data.find(b"\x00")
    if nul >= 0:
        sheet.fault("a NUL byte", "text", "Save the file as CSV in UTF-8.",
                    line=_line_of(data, nul))  # fmt: skip
        return None
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        sheet.fault(f"byte 0x{data[error.start]:02x} is not UTF-8", "UTF-8 text",
                    "Save the file as CSV in UTF-8.", line=_line_of(data, error.start))  # fmt: skip
        return None
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _line_of(data: bytes, position: int) -> int:
    """Give the line on which a byte stands."""
    return data[:position].count(b"\n") + 1


def _split_plain(text: str) -> _Split:
    """Split text without quotes into lines and cells."""
    lines = pl.Series("line", text.split("\n"), dtype=pl.String)
    numbers = pl.int_range(1, lines.len() + 1, dtype=pl.Int64, eager=True)
    filled = lines.str.strip_chars() != ""
    rows = lines.filter(filled).str.split(",")
    counts = rows.list.len()
    widest = counts[0] if len(counts) else 0
    columns = [rows.list.get(i, null_on_oob=True) for i in range(widest)]
    return _Split(numbers.filter(filled), counts, columns)


def _split_quoted(text: str, sheet: Sheet) -> _Split:
    """Split text with quotes; a row's number is that of the line on which it begins."""
    csv.field_size_limit(max(csv.field_size_limit(), len(text) + 1))
    reader = csv.reader(io.StringIO(text, newline=""), strict=True, skipinitialspace=True)
    numbers: list[int] = []
    rows: list[list[str]] = []
    begins = 1
    try:
        for cells in reader:
            if len(cells) > 1 or any(cell.strip() for cell in cells):
                numbers.append(begins)
                rows.append(cells)
            begins = reader.line_num + 1
    except csv.Error as error:
        sheet.partial = True
        sheet.fault(f"the quotes are broken ({error})", 'a quoted cell that ends with `"`',
                    'Close the quote, and write a quote inside a cell twice (`""`).',
                    line=begins)  # fmt: skip
    width = len(rows[0]) if rows else 0
    counts = pl.Series("counts", [len(row) for row in rows], dtype=pl.UInt32)
    cut = rows if (counts <= width).all() else [row[:width] for row in rows]
    columns = [pl.Series(column, dtype=pl.String) for column in itertools.zip_longest(*cut)]
    return _Split(pl.Series("line", numbers, dtype=pl.Int64), counts, columns)


def _header_is_sound(header: list[str], sheet: Sheet, line: int) -> bool:
    """Check the header; a file whose header is faulty is not read further."""
    before = len(sheet.faults)
    first = header[0] if header else ""
    other = next((mark for mark in (";", "\t", "|") if len(header) == 1 and mark in first), None)
    if other is not None:
        names = {";": "semicolons", "\t": "tabs", "|": "bars"}[other]
        sheet.fault(f"cells separated by {names}", "cells separated by commas",
                    "Save the file as CSV with commas.", line=line)  # fmt: skip
        return False
    seen: set[str] = set()
    for position, name in enumerate(header, 1):
        if not name:
            sheet.fault(f"column {position} has no name", "a name for every column",
                        "Name the column, or remove it.", line=line)  # fmt: skip
        elif name != name.translate(_CONTROL):
            sheet.fault(f"the name {quoted(name)} has a control character", "plain text",
                        "Type the name anew.", line=line)  # fmt: skip
        elif name in seen:
            sheet.fault("this column stands here twice", "each column once",
                        "Remove or rename one of the two.", line=line, column=name)  # fmt: skip
        seen.add(name)
    return len(sheet.faults) == before


def _refuse_ragged(split: _Split, width: int, sheet: Sheet) -> None:
    """Refuse rows with more or fewer cells than the header has columns."""
    ragged = split.counts != width
    if not ragged.any():
        return
    part = Sheet(sheet.table, sheet.file, pl.DataFrame({LINE: split.lines, "cells": split.counts}))
    part.typed = part.raw
    part.refuse(
        ragged,
        "",
        lambda _, row: (
            f"{row['cells']} cells",
            f"{width}, as in the header",
            "Quote a cell that holds a comma, and leave no cell out."
            if row["cells"] > width
            else "Leave an empty cell between commas where nothing is known.",
        ),
    )
    sheet.faults.extend(part.faults)
    sheet.partial = True


def _without_repeated_header(cells: pl.DataFrame, header: list[str], sheet: Sheet) -> pl.DataFrame:
    """Refuse rows that repeat the header, as files that were joined have them."""
    again = cells.select(pl.all_horizontal(pl.col(name) == name for name in header))
    repeated = again.to_series().fill_null(value=False)
    for line in cells[LINE].filter(repeated):
        sheet.fault(
            "the header stands here again", "a row of values", "Remove the line.", line=line
        )
    return cells.filter(~repeated)


def _parquet_cells(file: Path, sheet: Sheet) -> pl.DataFrame | None:
    """Read a Parquet file and write its values as text."""
    try:
        frame = pl.read_parquet(file)
    except (PolarsError, OSError) as error:
        sheet.fault(f"not a Parquet file ({str(error).splitlines()[0][:80]})", "a Parquet file",
                    "Write the file anew.")  # fmt: skip
        return None
    columns: list[pl.Series] = []
    for series in frame.get_columns():
        name = series.name.strip()
        cells = _as_text(series)
        if cells is None:
            sheet.fault(f"a column of type {series.dtype}", "text, numbers, dates or truth values",
                        "Write the column as text.", column=name)  # fmt: skip
            continue
        cells = cells.str.strip_chars()
        columns.append(cells.set(cells == "", None).alias(name))
    if not _header_is_sound([series.name for series in columns], sheet, 1):
        return None
    lines = pl.int_range(2, frame.height + 2, dtype=pl.Int64, eager=True).alias(LINE)
    return pl.DataFrame([lines, *columns])


def _as_text(series: pl.Series) -> pl.Series | None:
    """Write a column of any plain type as text; None where the type is not plain."""
    dtype = series.dtype
    if dtype == pl.Boolean:
        words = pl.when(series).then(pl.lit("yes")).otherwise(pl.lit("no"))
        return pl.select(pl.when(series.is_not_null()).then(words))[:, 0].alias(series.name)
    if isinstance(dtype, pl.Datetime):
        midnight = (series.dt.time() == pl.time(0)) | series.is_null()
        if pl.select(midnight)[:, 0].all():
            return series.dt.date().cast(pl.String)
        return series.cast(pl.String)
    if isinstance(dtype, pl.List) and dtype.inner == pl.String:
        return series.list.join(";")
    if dtype.is_numeric() or isinstance(dtype, _PLAIN):
        return series.cast(pl.String)
    return None


def _refuse_empty_rows(sheet: Sheet) -> None:
    """Refuse rows whose cells are all empty."""
    names = [name for name in sheet.raw.columns if name != LINE]
    if not names or not sheet.height:
        return
    empty = sheet.raw.select(pl.all_horizontal(pl.col(names).is_null())).to_series()
    sheet.refuse(
        empty, "", lambda _cell, _row: ("a row of empty cells", "a record", "Remove the line.")
    )
    sheet.raw = sheet.raw.filter(~empty)
    sheet.typed = sheet.raw.select(LINE)


def _refuse_missing_columns(sheet: Sheet) -> None:
    """Refuse a file without a column that its table needs, naming a column that may be meant."""
    table, header = sheet.table, [name for name in sheet.raw.columns if name != LINE]
    others = [name for name in header if name not in table.known]
    for column in table.columns:
        if column.needed and column.name not in header:
            close = close_to(column.name, others)
            remedy = f"Rename `{close}`." if close else f"Add the column `{column.name}`."
            sheet.partial = True
            sheet.fault("the column is missing", f"`{column.name}` in the header", remedy,
                        line=1, column=column.name)  # fmt: skip
    for name in header:
        if name in table.kept and name not in table.known:
            sheet.fault("a name that stromal gives to a column of its own", "another name",
                        f"Rename it, such as `{name}_recorded`.", line=1, column=name)  # fmt: skip
    for moment in table.moments:
        if moment.needed and moment.date not in header and moment.day not in header:
            sheet.fault("the column is missing", f"`{moment.date}` or `{moment.day}` in the header",
                        f"Add `{moment.date}` (YYYY-MM-DD) or `{moment.day}` (whole days from day "
                        "zero).", line=1, column=moment.date)  # fmt: skip
