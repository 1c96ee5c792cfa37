"""The command `definitions`."""

from __future__ import annotations

from rich.markup import escape
from rich.table import Table

from stromal.terminal import out

__all__ = ["print_comparison"]


def print_comparison(first: str, second: str) -> None:
    """Say how two definitions differ."""
    from stromal.protocol.comparison import compare_definitions
    from stromal.protocol.library import definitions as library

    differences = compare_definitions(first, second)
    if differences:
        table = Table("They differ in", escape(first), escape(second))
        for difference in differences:
            table.add_row(*map(escape, difference))
        out.print(table)
    else:
        out.print(f"The rules of {first} and {second} are the same.", highlight=False)
    for name in (first, second):
        left = library()[name][1].get("leaves_open")
        if left:
            out.print(f"{name} leaves open: {escape(str(left))}", highlight=False)
