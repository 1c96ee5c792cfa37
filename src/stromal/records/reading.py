"""Reading a study's records: files to checked tables, or every fault at once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from pathlib import Path

import polars as pl

from stromal.core import Fault, Finding, RecordError
from stromal.protocol import Protocol
from stromal.records.about import read_about
from stromal.records.ages import read_ages
from stromal.records.cells import carry_along, read_columns
from stromal.records.consistency import find_between_rows
from stromal.records.cutoff import cut_tables
from stromal.records.dating import date_sheets
from stromal.records.files import RECORDS_FOLDER, find_files, read_sheet
from stromal.records.imputed import bound_imputed_zeros
from stromal.records.infused import find_in_infusions
from stromal.records.lifetimes import find_in_time, set_aside_after_death
from stromal.records.measured import read_values
from stromal.records.references import check_references, name_records
from stromal.records.sheet import LINE, Sheet, close_to
from stromal.records.tables import declared_names, tables_for
from stromal.records.trial_records import About, TrialRecords

__all__ = ["read_records"]


def read_records(
    study: Path, protocol: Protocol, *, data_cutoff: date | None = None
) -> TrialRecords:
    """Read the records of a study folder.

    1. `records/` holds one CSV or Parquet file a table and `about.yaml`. A study without that
       folder has no records yet: its tables are empty.
    2. Every cell is read by what its table declares, or refused.
    3. Dates and days from the protocol's day zero are made one; counts are converted into the
       unit of their analyte.
    4. Rows are checked against each other and against the protocol's names.
    5. With any fault nothing is handed on.
    6. With a data cutoff, what is dated after it is left out (`stromal.records.cutoff`).
    7. What was observed after a death is set aside. Neutrophils that a source wrote as 0 without
       counting them become bounds (`stromal.records.imputed`).
    8. Everything that may be true but should not be becomes a finding.

    Rows of dated tables come in the order of participant, day and record; participants in the order
    of their file.

    Parameters
    ----------
    study
        The study folder (or its protocol file).
    protocol
        The study's protocol.
    data_cutoff
        The last date that is read, inclusive.

    Returns
    -------
    TrialRecords
        The tables, what they are, and the findings.

    Raises
    ------
    RecordError
        With every fault of every file: file, line, column, what came, what was expected, remedy.
    UsageError
        A data cutoff was asked for and a record has no date.
    """
    folder = (study.parent if study.is_file() else study) / RECORDS_FOLDER
    tables = tables_for(protocol)
    if folder.is_dir():
        try:
            about, faults = read_about(folder)
            files, misplaced = find_files(folder, tables)
        except OSError as error:
            raise RecordError([_unreadable(f"cannot be read ({error.strerror})")]) from error
        faults += misplaced
    elif folder.exists() or folder.is_symlink():
        raise RecordError([_unreadable("no folder")])
    else:
        about, faults, files = About(None), [], dict[str, Path]()
    sheets = {name: read_sheet(table, files.get(name)) for name, table in tables.items()}
    _check(protocol, sheets, about)
    faults += [fault for sheet in sheets.values() for fault in sheet.faults]
    if faults:
        raise RecordError(faults)
    frames, counts = _tables(sheets), dict[str, int]()
    if data_cutoff is not None:
        frames, counts = cut_tables(tables, frames, protocol.day_zero, data_cutoff)
    frames, aside, findings = set_aside_after_death(tables, frames)
    frames["measurements"], imputed = bound_imputed_zeros(
        frames["measurements"], frames["participants"]
    )
    records = TrialRecords(about, frames, (), aside, data_cutoff, counts)
    findings += [
        *imputed,
        *find_in_time(protocol, tables, records),
        *find_in_infusions(protocol, records),
        *find_between_rows(protocol, records),
        *_misnamed_columns(sheets),
        *_absent_anchors(sheets["participants"]),
    ]
    return replace(records, findings=tuple(sorted(findings)))


def _unreadable(found: str) -> Fault:
    """Tell that the records folder cannot be read at all."""
    return Fault(RECORDS_FOLDER, 0, "", found, "a folder with one file a table",
                 "Let it be a folder that you may read, or remove it.")  # fmt: skip


def _check(protocol: Protocol, sheets: Mapping[str, Sheet], about: About) -> None:
    """Read and check every cell, then every row against the others."""
    names = declared_names(protocol)
    for sheet in sheets.values():
        read_columns(sheet, names)
        name_records(sheet)
    read_values(sheets["measurements"])
    date_sheets(protocol, sheets)
    read_ages(protocol, sheets)
    check_references(protocol, sheets, about)


def _misnamed_columns(sheets: Mapping[str, Sheet]) -> list[Finding]:
    """Find columns that stromal carries along and that may be meant for one it reads."""
    findings: list[Finding] = []
    for name, sheet in sheets.items():
        known = sheet.table.known
        absent = [column for column in known if column not in sheet.raw.columns]
        for column in sheet.raw.columns:
            close = "" if column == LINE or column in known else close_to(column, absent, 0.85)
            if close:
                findings.append(
                    Finding(
                        rule="column-close-to-known",
                        weight="gap",
                        where=f"{name}, {column}",
                        what=f"The column `{column}` is nearly `{close}`, which is not there.",
                        why=f"It is carried along, and not read as `{close}`.",
                        remedy=f"Rename it to `{close}`, if that is meant.",
                    )
                )
    return findings


def _absent_anchors(people: Sheet) -> list[Finding]:
    """Find anchors of the protocol for which the participants table has no column."""
    return [
        Finding(
            rule="anchor-not-recorded",
            weight="gap",
            where="participants",
            what=f"There is neither a column `{moment.date}` nor `{moment.day}`.",
            why="The protocol counts from that moment; what begins there is known for nobody.",
            remedy=f"Add `{moment.date}` or `{moment.day}`, empty where it did not happen.",
        )
        for moment in people.table.moments
        if people.present
        and not {moment.date, moment.day} & set(people.raw.columns)
        and moment.date.endswith("_on")
    ]


def _tables(sheets: Mapping[str, Sheet]) -> dict[str, pl.DataFrame]:
    """Give the tables: stromal's columns in their order, then those carried along."""
    tables: dict[str, pl.DataFrame] = {}
    for name, sheet in sheets.items():
        frame = sheet.typed.select(
            pl.col(column).cast(dtype) for column, dtype in sheet.table.schema.items()
        ).with_columns(carry_along(sheet))
        if sheet.table.of_participants and sheet.table.moments:
            first = sheet.table.moments[0].day
            frame = frame.sort("participant_id", first, "record_id", maintain_order=True)
        tables[name] = frame
    return tables
