"""What one row says of another: participants, record ids, events that lead to events."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from stromal.protocol import Protocol
from stromal.records.sheet import LINE, Said, Sheet, close_to, one_of, quoted
from stromal.records.tables import event_names, levels_of
from stromal.records.trial_records import About

__all__ = ["check_references", "name_records"]


def name_records(sheet: Sheet) -> None:
    """Give a record without `record_id` the name `<table>:<line>`; refuse one that stands twice."""
    if "record_id" not in sheet.typed.columns:
        return
    made = pl.format("{}:{}", pl.lit(sheet.table.name), LINE)
    sheet.typed = sheet.typed.with_columns(pl.coalesce("record_id", made).alias("record_id"))
    _refuse_again(sheet, ("record_id",))


def check_references(protocol: Protocol, sheets: Mapping[str, Sheet], about: About) -> None:
    """Refuse rows that refer to nothing, and rows that cannot stand beside another.

    1. A participant stands once in the participants table, a lot of a product once in the lots.
    2. Every other table's participant stands in the participants table.
    3. `leads_to` is the `record_id` of another event of the same participant.
    4. A participant dies once.
    5. An adjudicated level is one of the endpoint's levels or grades; a time to event has a
       status, and an endpoint with levels none of `event`, `competing`, `censored`.
    6. No agent is both related and not related to an event.
    7. An event that the protocol counts on (or a death) is written exactly so, capitals and signs
       included: `Death` would not be counted.
    8. In a reconstruction every participant's id begins with `R-`.
    """
    people = sheets["participants"]
    _refuse_again(people, ("participant_id",))
    _refuse_again(sheets["lots"], ("product", "lot"), at="lot")
    enrolled = people.typed["participant_id"].drop_nulls().unique()
    for sheet in sheets.values():
        if sheet.table.of_participants and sheet.present:
            _refuse_strangers(sheet, enrolled, people)
    _refuse_other_spellings(sheets["events"], event_names(protocol))
    _check_events(sheets["events"])
    _check_adjudications(sheets["adjudications"], protocol)
    if about.data == "reconstruction":
        people.refuse(
            ~pl.col("participant_id").str.starts_with("R-"), "participant_id",
            lambda cell, _row: (f"{quoted(cell)} in a reconstruction", "an id that begins `R-`",
                                "Rename the participants, so that nobody takes them for people."),
        )  # fmt: skip


def _refuse_again(sheet: Sheet, key: tuple[str, ...], at: str = "") -> None:
    """Refuse the second and further rows of one key, naming the line of the first."""
    first = pl.col(LINE).min().over(key)
    whole = pl.all_horizontal(pl.col(name).is_not_null() for name in key)
    before = sheet.typed
    sheet.typed = before.with_columns(first.alias("\x1ffirst"))
    sheet.refuse(
        whole & (pl.col(LINE) != pl.col("\x1ffirst")), at or key[0],
        lambda _cell, row: (f"{quoted(row[at or key[0]])} stands here again",
                           f"each once (first on line {row[chr(31) + 'first']})",
                           "Remove one of the two rows, or give it its own name."),
    )  # fmt: skip
    sheet.typed = before


def _refuse_strangers(sheet: Sheet, enrolled: pl.Series, people: Sheet) -> None:
    """Refuse rows of participants whom nobody enrolled."""
    if not people.present:
        if sheet.height and not people.faults:
            people.fault("the file is missing", "the participants whom other tables tell of",
                         "Write it with a row for each participant.")  # fmt: skip
        return
    if people.partial:
        return
    names: list[str] = enrolled.to_list()
    sheet.refuse(
        ~pl.col("participant_id").is_in(enrolled.implode()),
        "participant_id",
        lambda cell, _row: (f"{quoted(cell)} is nobody of the participants table",
                            "a participant who was enrolled", _whom(cell, names)),
    )  # fmt: skip


def _whom(cell: str, names: list[str]) -> str:
    """Tell who may be meant; ids that differ by a digit only are different people."""
    few = names[:100_000]
    alike = [name for name in few if name.casefold() == cell.casefold()]
    if alike:
        return f"Did you mean `{alike[0]}`?"
    bare = cell.casefold().lstrip("0")
    padded = [name for name in few if bare and name.casefold().lstrip("0") == bare]
    if len(padded) == 1:
        return f"Did you mean `{padded[0]}`? Spreadsheets drop zeros in front of a number."
    return f"Correct the id, or enrol {quoted(cell)} in the participants table."


def _refuse_other_spellings(sheet: Sheet, known: tuple[str, ...]) -> None:
    """Refuse events that differ from a known name by capitals, blanks or signs alone."""
    names = sheet.typed["event"].drop_nulls().unique()
    meant = {
        name: same for name in names if name not in known and (same := close_to(name, known, 1.0))
    }
    sheet.refuse(
        pl.col("event").is_in(list(meant)), "event",
        lambda cell, _row: (f"{quoted(cell)} is another spelling", quoted(meant[cell]),
                            "Write the name as the protocol does."),
    )  # fmt: skip


def _check_events(sheet: Sheet) -> None:
    """Check what events say of each other."""
    rows = sheet.typed
    owner = (
        rows.select(leads_to="record_id", owner="participant_id").drop_nulls().unique("leads_to")
    )
    sheet.typed = rows.join(owner, on="leads_to", how="left", maintain_order="left")
    sheet.refuse(
        pl.col("leads_to").is_not_null() & pl.col("owner").is_null() & pl.lit(not sheet.partial),
        "leads_to",
        lambda cell, _row: (f"{quoted(cell)} is no event's record_id", "the record_id of an event",
                            "Write the record_id of the event that followed."),
    )  # fmt: skip
    sheet.refuse(
        pl.col("owner") != pl.col("participant_id"), "leads_to",
        lambda cell, row: (f"{quoted(cell)} is an event of {quoted(row['owner'])}",
                           f"an event of {quoted(row['participant_id'])}",
                           "Write the record_id of this participant's later event."),
    )  # fmt: skip
    sheet.refuse(
        pl.col("leads_to") == pl.col("record_id"), "leads_to",
        lambda cell, _row: (f"{quoted(cell)} leads to itself", "another event",
                            "Leave it empty where nothing followed."),
    )  # fmt: skip
    both = pl.col("related_to").list.set_intersection("not_related_to")
    sheet.typed = rows.with_columns(both.alias("both"))
    sheet.refuse(
        pl.col("both").list.len() > 0, "not_related_to",
        lambda _cell, row: (f"{', '.join(row['both'])} is related and not related",
                            "each agent once", "Decide for one of the two columns."),
    )  # fmt: skip
    sheet.typed = rows
    deaths = pl.col("event") == "death"
    first = pl.col(LINE).filter(deaths).min().over("participant_id")
    sheet.typed = rows.with_columns(first.alias("\x1ffirst"))
    sheet.refuse(
        deaths & (pl.col(LINE) != pl.col("\x1ffirst")), "event",
        lambda _cell, row: (f"{quoted(row['participant_id'])} dies a second time",
                            f"one death (first on line {row[chr(31) + 'first']})",
                            "Remove one of the two rows."),
    )  # fmt: skip
    sheet.typed = rows


def _check_adjudications(sheet: Sheet, protocol: Protocol) -> None:
    """Check the level, or the status, of adjudications against what their endpoint has."""
    for endpoint in sheet.typed["endpoint"].drop_nulls().unique(maintain_order=True):
        levels = levels_of(protocol, endpoint)
        here = pl.col("endpoint") == endpoint
        sheet.refuse(
            here & pl.col("level").is_not_null() & ~pl.col("level").is_in(list(levels)), "level",
            lambda cell, row, levels=levels: _say_level(cell, row["endpoint"], levels),
        )  # fmt: skip
        timed = pl.col("status").is_in(["event", "competing", "censored"])
        sheet.refuse(
            here & timed & pl.lit(bool(levels)), "status",
            lambda cell, row, levels=levels: (
                f"{quoted(cell)}, but {quoted(row['endpoint'])} has levels", one_of(levels),
                "Leave the status empty and write the `level`."),
        )  # fmt: skip


def _say_level(cell: str, endpoint: str, levels: tuple[str, ...]) -> Said:
    """Tell that an endpoint has no such level."""
    if not levels:
        return (f"{quoted(cell)}, but {quoted(endpoint)} has no levels", "a status",
                "Leave the level empty and write the `status`.")  # fmt: skip
    close = close_to(cell, levels)
    remedy = f"Did you mean `{close}`?" if close else "Use one of these levels."
    return f"{quoted(cell)} is no level of {quoted(endpoint)}", one_of(levels), remedy
