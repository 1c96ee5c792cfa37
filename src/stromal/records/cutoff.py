"""Records as they stood at a data cutoff."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

import polars as pl

from stromal.core import UsageError
from stromal.records.tables import Moment, Table

__all__ = ["cut_tables"]

Frames = dict[str, pl.DataFrame]


def cut_tables(
    tables: Mapping[str, Table], frames: Frames, day_zero: str, cutoff: date
) -> tuple[Frames, dict[str, int]]:
    """Leave out what was recorded after a data cutoff.

    1. A row whose date is after the cutoff is not read. A row without a date is not known to be
       on or before it and is not read either; lots without a date of release stay.
    2. An end after the cutoff is not known yet; coverage, last contact and `complete_until` end on
       the cutoff at the latest.
    3. An anchor after the cutoff has not happened. Where that is day zero, days are not known.
    4. A participant of whom nothing is dated on or before the cutoff is not read.
    5. `leads_to` an event that is not read is empty.

    Parameters
    ----------
    tables, frames
        The tables' declarations and their rows, with dates.
    day_zero
        Name of the day-zero anchor, for the remedy.
    cutoff
        The last date that is read, inclusive.

    Returns
    -------
    tuple
        The tables, and the number of rows of each that were left out.

    Raises
    ------
    UsageError
        A row has a day but no date, because a participant's day zero has no date.
    """
    _need_dates(tables, frames, day_zero)
    cut = {name: _cut_rows(tables[name], frame, cutoff) for name, frame in frames.items()}
    cut["participants"] = _cut_participants(tables["participants"], cut, cutoff)
    people = cut["participants"].select("participant_id", "day_zero_date")
    for name, table in tables.items():
        if table.of_participants:
            cut[name] = _of_people(table, cut[name], people)
    kept = cut["events"]["record_id"]
    known = pl.col("leads_to").is_in(kept.implode())
    cut["events"] = cut["events"].with_columns(
        pl.when(known).then(pl.col("leads_to")).alias("leads_to")
    )
    counts = {name: frame.height - cut[name].height for name, frame in frames.items()}
    return cut, {name: count for name, count in counts.items() if count}


def _need_dates(tables: Mapping[str, Table], frames: Frames, day_zero: str) -> None:
    """Refuse a cutoff for records that have days without dates."""
    for name, frame in frames.items():
        for moment in tables[name].moments:
            missing = frame.filter(pl.col(moment.day).is_not_null() & pl.col(moment.date).is_null())
            if missing.height:
                who = missing["participant_id"][0]
                raise UsageError(
                    f"a data cutoff needs dates, and {name} of participant {who} have days only; "
                    f"give the date of `{day_zero}` in the records, or read without a cutoff"
                )


def _cut_rows(table: Table, frame: pl.DataFrame, cutoff: date) -> pl.DataFrame:
    """Leave out the rows of one table, and the ends of those that stay."""
    if table.name == "lots":
        released = pl.col("released_on")
        return frame.filter(released.is_null() | (released <= cutoff))
    if table.name == "participants" or not table.moments:
        return frame
    first, *others = table.moments
    seen = pl.col(first.date)
    if table.name == "medications":
        seen = pl.coalesce(first.date, *(moment.date for moment in others))
    frame = frame.filter(seen <= cutoff)
    for moment in others:
        frame = _end(frame, moment, cutoff, clip=table.name == "coverage")
    return frame


def _end(frame: pl.DataFrame, moment: Moment, cutoff: date, *, clip: bool) -> pl.DataFrame:
    """Clip a moment to the cutoff, or forget it where it is after the cutoff."""
    when, day = pl.col(moment.date), pl.col(moment.day)
    late = when > cutoff
    beyond = (when - pl.lit(cutoff)).dt.total_days().cast(pl.Int32)
    if clip:
        return frame.with_columns(
            pl.when(late).then(day - beyond).otherwise(day).alias(moment.day),
            pl.when(late).then(pl.lit(cutoff)).otherwise(when).alias(moment.date),
        )
    return frame.with_columns(
        pl.when(late).then(None).otherwise(day).alias(moment.day),
        pl.when(late).then(None).otherwise(when).alias(moment.date),
    )


def _cut_participants(table: Table, cut: Frames, cutoff: date) -> pl.DataFrame:
    """Leave out participants of whom nothing was known, and moments that had not come."""
    people = cut["participants"]
    told = pl.concat(
        frame.select("participant_id")
        for name, frame in cut.items()
        if name != "participants" and "participant_id" in frame.columns
    )["participant_id"].unique()
    dates = [moment.date for moment in table.moments]
    early = pl.any_horizontal(pl.col(name) <= cutoff for name in dates).fill_null(value=False)
    people = people.filter(early | pl.col("participant_id").is_in(told.implode()))
    for moment in table.moments:
        clip = moment.date in {"last_contact", "complete_until"}
        people = _end(people, moment, cutoff, clip=clip)
    zero = pl.col("day_zero_date")
    people = people.with_columns(
        pl.when(zero <= cutoff).then(zero).alias("day_zero_date"),
    )
    return _without_days(table, people)


def _of_people(table: Table, frame: pl.DataFrame, people: pl.DataFrame) -> pl.DataFrame:
    """Keep the rows of participants who are read; forget days from a day zero that had not come."""
    before = frame.columns
    joined = frame.join(people, on="participant_id", how="inner", maintain_order="left")
    return _without_days(table, joined).select(before)


def _without_days(table: Table, frame: pl.DataFrame) -> pl.DataFrame:
    """Forget the days of participants without day zero."""
    known = pl.col("day_zero_date").is_not_null()
    return frame.with_columns(
        pl.when(known).then(pl.col(moment.day)).alias(moment.day) for moment in table.moments
    )
