"""Writing to the terminal and to files: what every command shares."""

from __future__ import annotations

import unicodedata
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape
from rich.status import Status
from rich.table import Table

from stromal.core import UsageError

if TYPE_CHECKING:
    import polars as pl

    from stromal.protocol import Protocol
    from stromal.records import TrialRecords

__all__ = [
    "cannot_write",
    "err",
    "make_folder",
    "out",
    "print_frame",
    "safe",
    "save",
    "show_cell",
    "stamp",
    "stamped",
    "working",
    "write",
]

_MOST_ROWS = 200
out = Console()
"""Where results are printed."""
err = Console(stderr=True)
"""Where mistakes are told."""


def working(what: str) -> Status:
    """Show on a terminal that something is under way, and why it is slow the first time."""
    from stromal.core.jit import cache_folder

    once = "" if cache_folder().is_dir() else " (compiling once, up to half a minute)"
    return err.status(f"{what} ...{once}")


def stamp(data: str | None) -> None:
    """Say what kind of data follows, where nobody observed them."""
    if data not in {None, "observed"}:
        out.print(f"[bold white on dark_red] {str(data).upper()} DATA [/]", highlight=False)


def stamped(frame: pl.DataFrame, protocol: Protocol, records: TrialRecords) -> pl.DataFrame:
    """Add the kind of data and the protocol's version to rows that leave stromal."""
    import polars as pl

    from stromal.protocol import protocol_version

    return frame.with_columns(
        data=pl.lit(records.about.data), protocol_version=pl.lit(protocol_version(protocol))
    )


def print_frame(frame: pl.DataFrame, title: str, data: str | None) -> None:
    """Print a table; empty cells stay empty."""
    marked = f"  [bold white on dark_red] {str(data).upper()} DATA [/]" if data not in {
        None, "observed"} else ""  # fmt: skip
    table = Table(title=f"{safe(title)}{marked}", title_justify="left", title_style="bold")
    for column in frame.columns:
        number = frame[column].dtype.is_numeric()
        table.add_column(
            column.replace("_", " "), justify="right" if number else "left", overflow="fold"
        )
    for row in frame.head(_MOST_ROWS).iter_rows():
        table.add_row(*(safe(show_cell(value)) for value in row))
    out.print(table)
    if frame.height > _MOST_ROWS:
        rest = frame.height - _MOST_ROWS
        out.print(f"... and {rest:,} more rows; -o FILE writes all of them.", highlight=False)


def show_cell(value: object) -> str:
    """Show one value shortly."""
    if value is None:
        return ""
    if isinstance(value, list):
        return ", ".join(map(str, value))  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:g}" if isinstance(value, float) else str(value)


def write(frame: pl.DataFrame, output: Path | None) -> None:
    """Write a table by its suffix."""
    if output is None:
        return
    from stromal.records.writing import write_table

    make_folder(output)
    write_table(frame, output)
    out.print(f"Wrote {safe(str(output))}", highlight=False)


def make_folder(path: Path) -> None:
    """Make the folder of a file that is to be written."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise cannot_write(path, error) from error


def cannot_write(path: Path, error: OSError) -> UsageError:
    """Say why a file cannot be written."""
    return UsageError(
        f"cannot write `{path}` ({error.strerror or error}); name a file in a folder that you may "
        "write to"
    )


def save(path: Path, text: str) -> None:
    """Write a text file and say so."""
    make_folder(path)
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise cannot_write(path, error) from error
    out.print(f"Wrote {safe(str(path))}", highlight=False)


def safe(text: str) -> str:
    """Escape markup, and make control characters visible that would act on the terminal."""
    shown = (
        repr(char)[1:-1] if unicodedata.category(char)[0] == "C" and char != "\n" else char
        for char in text
    )
    return escape("".join(shown))
