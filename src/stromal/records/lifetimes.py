"""Findings about time: rows after death or last contact, ends of what is known, day zero."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import polars as pl

from stromal.core import Finding
from stromal.protocol import Protocol
from stromal.records.anchors import anchor_days
from stromal.records.tables import Table
from stromal.records.trial_records import TrialRecords

__all__ = ["find_in_time", "set_aside_after_death"]

_OBSERVED = (
    "visits",
    "measurements",
    "transfusions",
    "infusions",
    "events",
    "assessments",
    "medications",
)
_JUDGED = ("adjudications", "attestations", "allocations")
AFTER_DEATH = "record-after-death"
_APART = "One of the two days is wrong. The rows are kept apart; nothing is derived from them."
_READ = "One of the two days is wrong, or people judged later. The rows are read as told."
_UNUSED = (
    "Nothing happens to a participant after death: one of the two days is wrong. The rows are "
    "kept, and no time to an event uses them."
)
_MEND = "Correct the day of the rows or of the death."


def set_aside_after_death(
    tables: Mapping[str, Table], frames: Mapping[str, pl.DataFrame]
) -> tuple[dict[str, pl.DataFrame], dict[str, pl.DataFrame], list[Finding]]:
    """Set aside what was observed in a participant after the day of death.

    Returns
    -------
    tuple
        The tables without those rows, the rows by table with a column `rule`, and a finding for
        each participant and table. Adjudications, attestations and allocations stay, because people
        may write them later; their findings say so. The day of an adjudicated `status` is the day
        of what happened, which cannot be after death: it stays too, and no time to an event uses it
        (`stromal.endpoints.adjudicated`).
    """
    deaths = frames["events"].filter(pl.col("event") == "death")
    died = deaths.select("participant_id", died="day").drop_nulls()
    kept, aside, findings = dict(frames), dict[str, pl.DataFrame](), list[Finding]()
    for name in (*_OBSERVED, *_JUDGED):
        day = tables[name].moments[0].day
        frame = frames[name].join(died, on="participant_id", how="left", maintain_order="left")
        late = frame.filter(pl.col(day) > pl.col("died"))
        if late.is_empty():
            continue
        stays = name in _JUDGED
        why = _READ if stays else _APART
        told = Finding(AFTER_DEATH, "contradiction", "", "death", why, _MEND)
        if name == "adjudications":
            timed = pl.col("status").is_not_null()
            unused = replace(told, why=_UNUSED)
            findings += _after(late.filter(timed), name, day, "died", unused)
            late = late.filter(~timed)
        findings += _after(late, name, day, "died", told)
        if not stays:
            early = pl.col(day).is_null() | pl.col("died").is_null()
            kept[name] = frame.filter(early | (pl.col(day) <= pl.col("died"))).drop("died")
            aside[name] = late.drop("died").with_columns(rule=pl.lit(AFTER_DEATH))
    return kept, aside, findings


def _after(late: pl.DataFrame, table: str, day: str, end: str, told: Finding) -> list[Finding]:
    """Tell of rows after a moment, once for each participant; `told.what` names the moment."""
    groups = (
        late.sort(day, "record_id")
        .group_by("participant_id", maintain_order=True)
        .agg(pl.len().alias("rows"), pl.col(day, "record_id", end).first())
    )
    return [
        replace(
            told,
            where=f"{table}, record {row['record_id']}",
            what=f"{row['rows']} row{'s' * (row['rows'] > 1)} of {table} after {told.what} on day "
            f"{row[end]}; the first is on day {row[day]}.",
            participant_id=row["participant_id"],
        )
        for row in groups.iter_rows(named=True)
    ]


def find_in_time(
    protocol: Protocol, tables: Mapping[str, Table], records: TrialRecords
) -> list[Finding]:
    """Find what cannot be so in time, and what is not known of it.

    1. Rows after the last contact.
    2. `complete_until` after the last contact.
    3. A participant without last contact who is not known to have died.
    4. A participant without the day-zero anchor.
    5. An anchor or the last contact after death.
    6. An event that leads to an earlier one.
    """
    people = records["participants"]
    ends = people.select("participant_id", "last_contact_day", "complete_until_day")
    died = records["events"].filter(pl.col("event") == "death")
    died = died.select("participant_id", died="day").drop_nulls("died")
    return [
        *_after_last_contact(tables, records, ends),
        *_complete_too_late(ends),
        *_no_last_contact(ends, records["events"]),
        *_no_day_zero(protocol, records),
        *_anchors_after_death(tables["participants"], people.join(died, on="participant_id")),
        *_backward_chains(records["events"]),
    ]


def _after_last_contact(
    tables: Mapping[str, Table], records: TrialRecords, ends: pl.DataFrame
) -> list[Finding]:
    """Find rows after the last contact."""
    told = Finding(
        rule="record-after-last-contact",
        weight="contradiction",
        where="",
        what="the last contact",
        why="The participant was seen later than the last contact says. The rows are kept and "
        "read; the last contact stays as it was told.",
        remedy="Correct the last contact, or the day of the rows.",
    )
    findings: list[Finding] = []
    for name in _OBSERVED:
        day = tables[name].moments[0].day
        rows = records[name].join(ends, on="participant_id")
        late = rows.filter(pl.col(day) > pl.col("last_contact_day"))
        findings += _after(late, name, day, "last_contact_day", told)
    return findings


def _complete_too_late(ends: pl.DataFrame) -> list[Finding]:
    """Find records that are called complete beyond the last contact."""
    rows = ends.filter(pl.col("complete_until_day") > pl.col("last_contact_day"))
    return [
        Finding(
            rule="complete-after-last-contact",
            weight="contradiction",
            where="participants, complete_until",
            what=f"Complete until day {row['complete_until_day']}, but last seen on day "
            f"{row['last_contact_day']}.",
            why="Until the first of these days silence would mean that nothing happened, to a "
            "participant whom nobody saw. Both are kept as told.",
            remedy="Correct one of the two.",
            participant_id=row["participant_id"],
        )
        for row in rows.iter_rows(named=True)
    ]


def _no_last_contact(ends: pl.DataFrame, events: pl.DataFrame) -> list[Finding]:
    """Find participants of whom nobody says until when they were seen."""
    died = events.filter(pl.col("event") == "death").select("participant_id")
    rows = ends.filter(pl.col("last_contact_day").is_null()).join(
        died, on="participant_id", how="anti", maintain_order="left"
    )
    return [
        Finding(
            rule="no-last-contact",
            weight="gap",
            where="participants, last_contact",
            what="Neither a last contact nor a death is recorded.",
            why="Who is not known to be alive on a day cannot be censored on it.",
            remedy="Give `last_contact` or `last_contact_day`.",
            participant_id=row["participant_id"],
        )
        for row in rows.iter_rows(named=True)
    ]


def _no_day_zero(protocol: Protocol, records: TrialRecords) -> list[Finding]:
    """Find participants who never came to day zero."""
    days = anchor_days(protocol, records)
    rows = days.filter(pl.col(protocol.day_zero).is_null())
    return [
        Finding(
            rule="no-day-zero",
            weight="gap",
            where=f"participants, {protocol.day_zero}",
            what=f"`{protocol.day_zero}`, the protocol's day zero, is not recorded.",
            why="Days of this participant count from nothing; endpoints that begin there are not "
            "evaluable.",
            remedy=f"Record `{protocol.day_zero}`, if it happened.",
            participant_id=row["participant_id"],
        )
        for row in rows.iter_rows(named=True)
    ]


def _anchors_after_death(table: Table, people: pl.DataFrame) -> list[Finding]:
    """Find moments of the participants table after death."""
    findings: list[Finding] = []
    for moment in table.moments:
        if moment.date == "complete_until":
            continue  # records may well be complete beyond a death
        rows = people.filter(pl.col(moment.day) > pl.col("died"))
        findings += [
            Finding(
                rule=AFTER_DEATH,
                weight="contradiction",
                where=f"participants, {moment.date}",
                what=f"`{moment.date}` is on day {row[moment.day]}, after death on day "
                f"{row['died']}.",
                why="One of the two days is wrong. Both are kept as told.",
                remedy="Correct one of the two.",
                participant_id=row["participant_id"],
            )
            for row in rows.iter_rows(named=True)
        ]
    return findings


def _backward_chains(events: pl.DataFrame) -> list[Finding]:
    """Find events that lead to an earlier one."""
    later = events.select(leads_to="record_id", next_event="event", next_day="day")
    rows = events.join(later, on="leads_to", maintain_order="left").filter(
        pl.col("next_day") < pl.col("day")
    )
    return [
        Finding(
            rule="leads-to-earlier-event",
            weight="contradiction",
            where=f"events, record {row['record_id']}",
            what=f"{row['event']} on day {row['day']} leads to {row['next_event']} on day "
            f"{row['next_day']}.",
            why="What follows cannot come first. The link is kept as told.",
            remedy="Correct a day, or `leads_to`.",
            participant_id=row["participant_id"],
        )
        for row in rows.iter_rows(named=True)
    ]
