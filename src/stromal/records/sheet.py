"""A table while it is being read: the cells as they came, the typed columns, and the faults."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from stromal.core import Fault
from stromal.records.tables import Table

__all__ = ["LINE", "TOLD", "Said", "Sheet", "close_to", "one_of", "quoted"]

LINE = "\x1fline"
"""Column of line numbers; no header can hold it, because control characters are refused."""
TOLD = 20
"""Rows with the same fault that are told one by one; the others share one message."""
_RANGES = 12
_ABBREVIATED = 0.6

Said = tuple[str, str, str]
Row = dict[str, Any]


@dataclass
class Sheet:
    """One table's file on its way in.

    Parameters
    ----------
    table
        What the table should be.
    file
        Its name as faults tell it, such as `records/measurements.csv`.
    raw
        Every cell as text (null where it is empty), with the column `LINE`.
    typed
        The columns that were read so far, in the same rows as `raw`.
    faults
        What is wrong with it.
    present
        Whether a file was found and could be read.
    partial
        Whether some of its rows could not be read: what is not there may be among them.
    """

    table: Table
    file: str
    raw: pl.DataFrame
    typed: pl.DataFrame = field(init=False)
    faults: list[Fault] = field(default_factory=list[Fault])
    present: bool = True
    partial: bool = False

    def __post_init__(self) -> None:
        self.typed = self.raw.select(LINE)

    @property
    def height(self) -> int:
        """Number of rows."""
        return self.raw.height

    def cells(self, column: str) -> pl.Series:
        """Give the cells of a column as they came; nulls where the file has no such column."""
        if column in self.raw.columns:
            return self.raw[column]
        return self.nothing(column, pl.String())

    def nothing(self, column: str, dtype: pl.DataType) -> pl.Series:
        """Give a column without any value."""
        return pl.Series(column, [None], dtype=dtype).new_from_index(0, self.height)

    def refuse(
        self, where: pl.Series | pl.Expr, column: str, say: Callable[[str, Row], Said]
    ) -> None:
        """Add a fault for every row that `where` marks.

        The first `TOLD` rows are told one by one, in the order of their lines; those beyond share
        one message that lists their lines.

        Parameters
        ----------
        where
            True where a row is refused: a series, or an expression on the typed columns.
        column
            The column that is at fault.
        say
            Makes (what came, what was expected, the remedy) from the cell and the typed row.
        """
        if not self.height:
            return
        mask = (
            self.typed.select(where.alias("mask"))["mask"] if isinstance(where, pl.Expr) else where
        )
        mask = mask.fill_null(value=False)
        if not mask.any():
            return
        rows = self.typed.with_columns(self.cells(column).alias("\x1fcell")).filter(mask).sort(LINE)
        for row in rows.head(TOLD).iter_rows(named=True):
            found, expected, remedy = say(row["\x1fcell"] or "", row)
            self.faults.append(Fault(self.file, row[LINE], column, found, expected, remedy))
        rest = rows[LINE][TOLD:].to_list()
        if rest:
            first = say(rows["\x1fcell"][TOLD] or "", rows.row(TOLD, named=True))
            more = f"{len(rest):,} more row{'s' * (len(rest) > 1)} with this kind of fault"
            found = f"{more} (line{'s' * (len(rest) > 1)} {_ranges(rest)}); the first: {first[0]}"
            self.faults.append(Fault(self.file, rest[0], column, found, first[1], first[2]))

    def fault(
        self, found: str, expected: str, remedy: str, *, line: int = 0, column: str = ""
    ) -> None:
        """Add one fault of the file as a whole, or of one line."""
        self.faults.append(Fault(self.file, line, column, found, expected, remedy))


def quoted(cell: object, length: int = 60) -> str:
    """Show a cell in backquotes: shortened, and with control characters made visible."""
    text = str(cell)
    shown = "".join(char if char.isprintable() else repr(char)[1:-1] for char in text)
    return f"`{shown if len(shown) <= length else shown[: length - 3] + '...'}`"


def close_to(name: str, known: Iterable[str], cutoff: float = 0.6) -> str:
    """Give the known name that is nearest to a misspelt one, or nothing.

    Names that differ by capitals, blanks and signs alone are nearest (all that a `cutoff` of 1
    finds); then, for an abbreviation, the only known name that begins with it.
    """
    by_shape = {_shape(word): word for word in known}
    if _shape(name) in by_shape:
        return by_shape[_shape(name)]
    begun = [word for shape, word in by_shape.items() if shape.startswith(_shape(name) or "\x1f")]
    if len(begun) == 1 and cutoff <= _ABBREVIATED:
        return begun[0]
    close = difflib.get_close_matches(_shape(name), list(by_shape), 1, cutoff)
    return by_shape[close[0]] if close else ""


def one_of(words: Sequence[str]) -> str:
    """List words for a message."""
    return f"one of: {', '.join(words)}" if len(words) != 1 else f"`{words[0]}`"


def _shape(name: str) -> str:
    """Reduce a name to what matters when it is compared with others: letters and digits."""
    return "".join(char for char in name.casefold() if char.isalnum())


def _ranges(lines: Sequence[int]) -> str:
    """Write line numbers shortly: `3 to 17, 20`."""
    spans: list[list[int]] = []
    for line in lines:
        if spans and line == spans[-1][1] + 1:
            spans[-1][1] = line
        else:
            spans.append([line, line])
    told = [str(a) if a == b else f"{a} to {b}" for a, b in spans[:_RANGES]]
    beyond = f", and on to line {spans[-1][1]}" if len(spans) > _RANGES else ""
    return ", ".join(told) + beyond
