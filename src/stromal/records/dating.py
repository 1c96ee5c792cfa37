"""Moments: dates and days from day zero, made one. What disagrees is refused."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

import polars as pl

from stromal.protocol import Protocol
from stromal.protocol.timing import (
    Anchor,
    EventAnchor,
    InfusionAnchor,
    MedicationAnchor,
    OffsetAnchor,
    ParticipantAnchor,
)
from stromal.records.cells import LONGEST, read_date, read_day
from stromal.records.sheet import LINE, Sheet, quoted
from stromal.records.tables import Moment

__all__ = ["anchor_dates", "date_sheets"]

_ZERO, _BIRTH, _KNOWN = "\x1fzero", "\x1fbirth", "\x1fknown"
_DATED_WITHOUT_DAY_ZERO = ("participants", "attestations")


def date_sheets(protocol: Protocol, sheets: Mapping[str, Sheet]) -> None:
    """Give every moment of every table its day from day zero and, where it is known, its date.

    1. Day zero of a participant is the date of the protocol's `day_zero` anchor: a column of the
       participants table, the date of an infusion, an event or a medication, or a time after one.
    2. A date becomes a day, a day becomes a date; where both are given they must agree.
    3. A row that must have a moment and has none is refused, and so is a date of a participant
       without day zero: its day is not known. In the participants and attestations tables, which
       also tell of people who never came to day zero, such a date stays without a day.
    4. The day of the day-zero anchor itself must be 0.
    5. A moment before birth is refused, and an end before its beginning; so is a date more than
       100 years from day zero, which stands for none (9999-12-31).
    6. Of a participant whose own date of day zero was refused the other rows are not.
    """
    for sheet in sheets.values():
        for moment in sheet.table.moments:
            sheet.typed = sheet.typed.with_columns(
                read_date(sheet, moment.date).alias(moment.date),
                read_day(sheet, moment.day).alias(moment.day),
            )
    zero = anchor_dates(protocol, protocol.day_zero, sheets).rename({"date": _ZERO})
    people = sheets["participants"]
    known = people.typed.select("participant_id").drop_nulls().unique()
    known = known.join(_refused_day_zero(protocol, sheets), on="participant_id", how="anti")
    zero = known.join(zero, on="participant_id", how="left").with_columns(
        pl.lit(True).alias(_KNOWN)
    )
    _refuse_other_day_zero(protocol, sheets)
    births = (
        people.typed.select("participant_id", "birth_date")
        .drop_nulls()
        .unique("participant_id", keep="first", maintain_order=True)
    )
    for sheet in sheets.values():
        if not sheet.table.moments:
            continue
        before = sheet.typed.columns
        sheet.typed = (
            sheet.typed.join(zero, on="participant_id", how="left", maintain_order="left")
            .join(births.rename({"birth_date": _BIRTH}), on="participant_id", how="left",
                  maintain_order="left")
        )  # fmt: skip
        for moment in sheet.table.moments:
            _resolve(sheet, moment, protocol)
        if sheet is people:
            sheet.typed = sheet.typed.with_columns(pl.col(_ZERO).alias("day_zero_date"))
            before = [*before, "day_zero_date"]
        sheet.typed = sheet.typed.select(before)


def anchor_dates(
    protocol: Protocol, name: str, sheets: Mapping[str, Sheet], depth: int = 0
) -> pl.DataFrame:
    """Give the dates of an anchor: `participant_id`, `date`, for those of whom it is known."""
    anchor = protocol.anchors[name]
    if isinstance(anchor, OffsetAnchor):
        if depth > len(protocol.anchors):
            return pl.DataFrame(schema={"participant_id": pl.String, "date": pl.Date})
        base = anchor_dates(protocol, anchor.anchor, sheets, depth + 1)
        return base.with_columns(pl.col("date") + timedelta(days=int(anchor.plus)))
    rows, date, _ = _anchor_rows(anchor, sheets)
    pick = pl.col(date).max() if date == "ended" else pl.col(date).min()
    return (
        rows.drop_nulls(["participant_id", date])
        .group_by("participant_id", maintain_order=True)
        .agg(pick.alias("date"))
    )


def _anchor_rows(anchor: Anchor, sheets: Mapping[str, Sheet]) -> tuple[pl.DataFrame, str, Sheet]:
    """Give the rows that tell of an anchor, the name of their date column, and their sheet."""
    if isinstance(anchor, InfusionAnchor):
        rows = sheets["infusions"].typed
        wanted = (pl.col("product") == anchor.infusion) & (pl.col("number") == anchor.number)
        return rows.filter(wanted), "date", sheets["infusions"]
    if isinstance(anchor, EventAnchor):
        rows = sheets["events"].typed
        return rows.filter(pl.col("event") == anchor.event), "date", sheets["events"]
    if isinstance(anchor, MedicationAnchor):
        rows = sheets["medications"].typed
        return (
            rows.filter(pl.col("drug") == anchor.medication),
            anchor.moment,
            sheets["medications"],
        )
    if isinstance(anchor, ParticipantAnchor):
        sheet = sheets["participants"]
        return sheet.typed, f"{anchor.participant}_on", sheet
    raise AssertionError("an offset anchor has no rows of its own")


def _refused_day_zero(protocol: Protocol, sheets: Mapping[str, Sheet]) -> pl.DataFrame:
    """Give the participants whose date of day zero is there but was refused."""
    anchor = protocol.anchors[protocol.day_zero]
    for _ in protocol.anchors:
        if isinstance(anchor, OffsetAnchor):
            anchor = protocol.anchors[anchor.anchor]
    if isinstance(anchor, OffsetAnchor):
        return pl.DataFrame(schema={"participant_id": pl.String})
    rows, date, sheet = _anchor_rows(anchor, sheets)
    filled = sheet.raw[LINE].filter(sheet.cells(date).is_not_null())
    refused = rows.filter(pl.col(date).is_null() & pl.col(LINE).is_in(filled.implode()))
    return refused.select("participant_id").drop_nulls().unique()


def _refuse_other_day_zero(protocol: Protocol, sheets: Mapping[str, Sheet]) -> None:
    """Refuse a record of the day-zero anchor whose own day is not 0."""
    anchor = protocol.anchors[protocol.day_zero]
    if isinstance(anchor, OffsetAnchor):
        return
    rows, date, sheet = _anchor_rows(anchor, sheets)
    day = {"date": "day"}.get(date, date.removesuffix("_on") + "_day")
    if isinstance(anchor, ParticipantAnchor):
        named = {date, day} & set(sheet.raw.columns)
        if sheet.present and not named:
            sheet.fault("the column is missing", f"`{date}` or `{day}` in the header",
                        f"Add `{date}` (YYYY-MM-DD): the protocol's day zero is "
                        f"`{protocol.day_zero}`.", line=1, column=date)  # fmt: skip
    first = rows.filter(pl.col(day).is_not_null())
    if date == "ended":
        first = first.sort(day).unique("participant_id", keep="last", maintain_order=True)
    elif date != f"{day.removesuffix('_day')}_on":
        first = first.sort(day).unique("participant_id", keep="first", maintain_order=True)
    lines = first.filter((pl.col(day) != 0) & pl.col(date).is_null())[LINE]
    sheet.refuse(
        sheet.typed[LINE].is_in(lines.implode()), day,
        lambda cell, _row: (f"day {quoted(cell)}", f"0: `{protocol.day_zero}` is day zero",
                            "Count days from it, or name another `day_zero` in the protocol."),
    )  # fmt: skip


def _resolve(sheet: Sheet, moment: Moment, protocol: Protocol) -> None:
    """Make one moment's date and day agree, and refuse what cannot be."""
    date, day = pl.col(moment.date), pl.col(moment.day)
    counted = (date - pl.col(_ZERO)).dt.total_days()
    zero_name = protocol.day_zero
    told_at = moment.day if moment.day in sheet.raw.columns else moment.date
    sheet.refuse(
        day.is_not_null() & (counted != day), told_at,
        lambda _cell, row: (
            f"day {row[moment.day]} beside {row[moment.date]}",
            f"day {(row[moment.date] - row[_ZERO]).days}: `{zero_name}` was on {row[_ZERO]}",
            "Correct one of the two, or leave one empty."),
    )  # fmt: skip
    sheet.refuse(
        counted.abs() > LONGEST, moment.date,
        lambda cell, row: (f"{quoted(cell)} is more than 100 years from day zero",
                           f"a date near `{zero_name}`, {row[_ZERO]}",
                           "Correct one of the two, or leave empty what is not known."),
    )  # fmt: skip
    blank = sheet.cells(moment.date).is_null() & sheet.cells(moment.day).is_null()
    header = {moment.date, moment.day} & set(sheet.raw.columns)
    if moment.needed and header:
        at = moment.date if moment.date in header else moment.day
        sheet.refuse(
            blank, at,
            lambda _cell, _row: ("neither date nor day", f"`{moment.date}` or `{moment.day}`",
                                 "Fill one of them."),
        )  # fmt: skip
    if sheet.table.name not in _DATED_WITHOUT_DAY_ZERO:
        sheet.refuse(
            date.is_not_null() & day.is_null() & pl.col(_ZERO).is_null() & pl.col(_KNOWN),
            moment.date,
            lambda cell, row: (
                f"{quoted(cell)} has no day: {row['participant_id']} has no `{zero_name}` date",
                "a day, or a date of day zero",
                f"Give the date of `{zero_name}`, or write `{moment.day}` here."),
        )  # fmt: skip
    sheet.refuse(
        date.is_not_null() & (date < pl.col(_BIRTH)), moment.date,
        lambda cell, row: (f"{quoted(cell)} is before birth", f"a date from {row[_BIRTH]} on",
                           "Correct it, or the birth date in the participants table."),
    )  # fmt: skip
    sheet.typed = sheet.typed.with_columns(
        pl.coalesce(day, counted.cast(pl.Int32)).alias(moment.day),
        pl.coalesce(date, pl.col(_ZERO) + pl.duration(days=day)).alias(moment.date),
    )
    if moment.began:
        ended_first = pl.col(moment.day) < pl.col(moment.began)
        at = moment.date if moment.date in sheet.raw.columns else moment.day
        sheet.refuse(
            ended_first, at,
            lambda _cell, row: (f"it ends on day {row[moment.day]}",
                                f"day {row[moment.began]}, on which it begins, or later",
                                "Correct one of the two."),
        )  # fmt: skip
