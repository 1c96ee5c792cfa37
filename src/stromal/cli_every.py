"""The command `derive --every`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.markup import escape

from stromal.terminal import out, print_frame, stamped, write

if TYPE_CHECKING:
    from stromal.endpoints import Context
    from stromal.protocol import Protocol
    from stromal.records import TrialRecords

__all__ = ["derive_every_command"]


def derive_every_command(
    protocol: Protocol,
    records: TrialRecords,
    context: Context,
    endpoint: str,
    output: Path | None,
) -> None:
    """Derive a recovery under every definition of its kind, and show what the choice moves."""
    import polars as pl

    from stromal.endpoints.multiverse import derive_every, summarize_every

    rows = derive_every(context, endpoint)
    write(stamped(rows, protocol, records), output)
    told = pl.when(pl.col("day").is_null()).then("status").otherwise(
        pl.format("{} {}", "status", "day")
    )  # fmt: skip
    wide = (
        rows.select("participant_id", "definition", told=told.str.replace_all("_", " "))
        .pivot("definition", index="participant_id", values="told")
        .sort("participant_id", maintain_order=True)
    )
    label = protocol.endpoints[endpoint].label
    print_frame(wide, f"{label}: status and day under each definition", records.about.data)
    out.print("What the choice of definition moves:", style="bold", highlight=False)
    own = str(rows["definition"].first())
    for row in summarize_every(rows).iter_rows(named=True):
        out.print(escape(_choice_said(row, own)), highlight=False)


def _choice_said(row: dict[str, Any], own: str) -> str:
    """Say what one definition gives, and how far it is from the protocol's own."""
    statuses = ("event", "competing", "censored", "not_applicable", "not_evaluable")
    counts = ", ".join(f"{word.replace('_', ' ')} {row[word]}" for word in statuses)
    days = ""
    if row["median_day"] is not None:
        days = f"; median day {row['median_day']:g} ({row['first_day']} to {row['last_day']})"
    moved = "the protocol's own"
    if row["definition"] != own:
        moved = (
            f"against {own}: another status {row['other_status']}, another day {row['other_day']}"
        )
    return f"  {row['definition']}: {counts}{days}; {moved}."
