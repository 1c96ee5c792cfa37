"""The command `derive --every`: one outcome under every definition of the library."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from rich.box import SIMPLE_HEAD
from rich.table import Table

from stromal.core import UsageError
from stromal.terminal import (
    cannot_write,
    make_folder,
    out,
    print_frame,
    safe,
    save,
    stamp,
    stamped,
    write,
)

if TYPE_CHECKING:
    import polars as pl

    from stromal.endpoints import Context
    from stromal.endpoints.multiverse import Multiverse
    from stromal.protocol import Protocol
    from stromal.records import TrialRecords

__all__ = ["derive_every_command"]

_PICTURES = (".html", ".svg", ".png")
_MOST_PARTICIPANTS = 30


def derive_every_command(
    study: tuple[Protocol, TrialRecords, Context],
    name: str,
    output: Path | None,
    *,
    anchor: str | None,
    unverified: bool,
) -> None:
    """Derive an outcome under every definition; show and write what the choice moves."""
    import polars as pl

    from stromal.endpoints.multiverse import derive_every
    from stromal.report.multiverse_tables import tabulate_rows

    protocol, records, context = study
    if records["participants"].is_empty():
        out.print("Nothing to derive: there are no participants.", highlight=False)
        return
    found = derive_every(context, name, anchor=anchor, unverified=unverified)
    if output is not None and output.suffix.lower() in _PICTURES:
        _draw(found, protocol, records, output)
    elif output is not None:
        rows = pl.concat([tabulate_rows(multiverse) for multiverse in found])
        write(stamped(rows, protocol, records), output)
    for multiverse in found:
        _show(multiverse, records.about.data)


def _draw(found: list[Multiverse], protocol: Protocol, records: TrialRecords, output: Path) -> None:
    """Write the figure or the page."""
    from stromal.protocol import protocol_version
    from stromal.report.multiverse import draw_multiverse, render_multiverse

    version = protocol_version(protocol)
    data = records.about.data
    if output.suffix.lower() == ".html":
        save(output, render_multiverse(found, protocol, data=data, version=version))
        return
    if len(found) > 1:
        names = ", ".join(multiverse.endpoint for multiverse in found)
        raise UsageError(
            f"a picture shows one endpoint, and the outcome has {names}, which count from "
            "different moments; name one of them after --every, or write .html"
        )
    kind = output.suffix.lower().removeprefix(".")
    picture = draw_multiverse(found[0], data=data, version=version, kind=kind)
    make_folder(output)
    try:
        output.write_bytes(picture)
    except OSError as error:
        raise cannot_write(output, error) from error
    out.print(f"Wrote {safe(str(output))}", highlight=False)


def _show(multiverse: Multiverse, data: str | None) -> None:
    """Print the totals, what is not derived, and the participants that differ."""
    from stromal.report.multiverse_tables import (
        tabulate_levels,
        tabulate_times,
        tabulate_transitions,
        underived,
        unjudged,
    )

    title = f"{multiverse.label} under every definition"
    if multiverse.levels:
        print_frame(tabulate_levels(multiverse), title, data)
    else:
        stamp(data)
        _print_times(tabulate_times(multiverse), title)
    against = (
        f"* the protocol's own definition ({safe(multiverse.endpoint)}), which the others are "
        "compared with."
        if multiverse.own is not None
        else "* the first definition that can be derived, which the others are compared with; the "
        "protocol has none of its own."
    )
    out.print(against, highlight=False)
    if multiverse.levels:
        moved = tabulate_transitions(multiverse)
        if not moved.is_empty():
            print_frame(moved, "Who gets another level", None)
    for name, said in unjudged(multiverse):
        out.print(f"{safe(name)}: nobody can be judged. {safe(said)}.", highlight=False)
    for rival in multiverse.rivals:
        if rival.remark:
            out.print(f"{safe(rival.name)}: {safe(rival.remark)}.", highlight=False)
    missing = underived(multiverse)
    if missing:
        table = Table("Not derived", "Why", title_justify="left")
        for name, reason in missing:
            table.add_row(safe(name), safe(reason))
        out.print(table)
    _show_participants(multiverse, data)


def _print_times(totals: pl.DataFrame, title: str) -> None:
    """Print the totals of a time to an event, narrow enough for 80 columns."""
    short = {"competing": "comp.", "censored": "cens.", "not applicable": "n.a.",
             "not evaluable": "n.e."}  # fmt: skip
    statuses = [name for name in ("event", *short) if name in totals.columns]
    table = Table(title=f"[bold]{safe(title)}[/]", title_justify="left", title_style="none",
                  box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))  # fmt: skip
    table.add_column("definition", overflow="fold", min_width=18, no_wrap=True)
    for name in statuses:
        table.add_column(short.get(name, name), justify="right")
    table.add_column("median (range)", no_wrap=True)
    table.add_column("against *")
    for row in totals.iter_rows(named=True):
        moved = [
            f"{row[name]} {name}".replace("other ", "")
            for name in ("other status", "earlier", "later")
            if row[name] is not None and row[name] > 0
        ]
        most = f", most {row['largest shift']}" if row["largest shift"] else ""
        same = "" if row["other status"] is None else "the same"
        told = f"{', '.join(moved)}{most}" if moved else same
        table.add_row(safe(row["definition"]), *(str(row[name]) for name in statuses),
                      row["median day (range)"], told)  # fmt: skip
    out.print(table)
    words = ", ".join(f"{short[name]} {name}" for name in statuses if name in short)
    out.print(f"{words}; median and range of the days of the event.", style="dim", highlight=False)


def _show_participants(multiverse: Multiverse, data: str | None) -> None:
    """Print the participants that differ, and how many do not."""
    from stromal.report.multiverse_tables import tabulate_participants, unjudged

    size = multiverse.rows["participant_id"].n_unique()
    rows: pl.DataFrame = tabulate_participants(multiverse)
    names = rows["participant"].unique(maintain_order=True)
    same = size - names.len()
    if data == "reconstruction":
        out.print(
            f"{names.len()} of {size} participants differ; they are not listed, because those of a "
            "reconstruction are nobody's.",
            highlight=False,
        )
        return
    if rows.is_empty():
        some = " that can judge somebody" if unjudged(multiverse) else ""
        said = f"All {size} participants are the same under every definition{some}."
        out.print(said, highlight=False)
        return
    shown = rows.filter(rows["participant"].is_in(names.head(_MOST_PARTICIPANTS).implode()))
    print_frame(shown, "Who differs", None)
    if names.len() > _MOST_PARTICIPANTS:
        rest = names.len() - _MOST_PARTICIPANTS
        out.print(f"... and {rest} more who differ; -o FILE.csv writes all.", highlight=False)
    out.print(f"{same} of {size} participants are the same throughout.", highlight=False)
