"""Every neutrophil recovery of the library on the Liao 2021 episodes, as a table.

`PYTHONPATH=tests python -m support.liao_library` prints the table of docs/validation/liao2021.md.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

from stromal.endpoints import derive
from stromal.protocol import read_protocol
from stromal.protocol.library import definitions
from stromal.records import read_records
from support.liao import PROTOCOL, import_liao

__all__ = ["derive_library", "neutrophil_definitions", "tabulate_library"]

Row = tuple[str, int | None, int | None, int | None]


def neutrophil_definitions() -> dict[str, dict[str, Any]]:
    """Give the recoveries of neutrophils in the library, by name.

    The record holds no drugs: what asks for days without one is not among them.
    """
    return {
        name: content
        for name, (family, content) in definitions().items()
        if family == "recovery" and content["analyte"] == "ANC" and "without_drug" not in content
    }


def derive_library(folder: Path) -> dict[tuple[str, str], Row]:
    """Derive every episode by every definition: {(definition, episode): status, day, low, high}."""
    import_liao(folder)
    begin, end = PROTOCOL.index("endpoints:"), PROTOCOL.index("analysis_sets:")
    endpoints = "endpoints:\n" + "".join(
        f"  d{number}: {{label: {name}, recovery: {{definition: {name}}}, from: transplant,\n"
        f"       competing: []}}\n"
        for number, name in enumerate(neutrophil_definitions())
    )
    text = (PROTOCOL[:begin] + endpoints + PROTOCOL[end:]) % "not stated"
    (folder / "protocol.yaml").write_text(text, encoding="utf-8")
    protocol = read_protocol(folder)
    rows = derive(protocol, read_records(folder, protocol)).iter_rows(named=True)
    return {
        (row["definition"], row["participant_id"]): (
            row["status"], row["day"], row["day_low"], row["day_high"],
        )
        for row in rows
    }  # fmt: skip


def tabulate_library(found: dict[tuple[str, str], Row]) -> str:
    """Write the table: a row an episode, a column a definition."""
    names = list(dict.fromkeys(name for name, _ in found))
    episodes = list(dict.fromkeys(episode for _, episode in found))
    head = ["| episode | " + " | ".join(f"`{name}`" for name in names) + " |"]
    rule = ["|---" * (len(names) + 1) + "|"]
    rows = [
        f"| {episode} | " + " | ".join(_cell(found[name, episode]) for name in names) + " |"
        for episode in episodes
    ]
    return "\n".join(head + rule + rows)


def _cell(row: Row) -> str:
    """Write a status with its day, and the bounds where they are another day."""
    status, day, low, high = row
    shown = "" if status == "event" else status.replace("_", " ")
    shown += "" if day is None else f" {day}"
    if (low, high) not in {(day, day), (None, None)}:
        shown += f" ({'–' if low is None else low} to {'–' if high is None else high})"
    return shown.strip()


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as place:
        sys.stdout.write(tabulate_library(derive_library(Path(place))) + "\n")
