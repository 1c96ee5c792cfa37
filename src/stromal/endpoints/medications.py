"""Courses of drugs, and the days of which nobody knows whether a drug was given."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

if TYPE_CHECKING:
    from stromal.endpoints.context import Context

__all__ = ["courses", "drug_days", "unlogged_drug_days"]


def courses(
    context: Context, drug: str | None, drug_class: str | None, anchor: str
) -> pl.DataFrame:
    """Give `p`, `begin`, `end` (null where none is recorded), `record_id` of courses of a drug."""
    wanted = pl.col("drug") == drug if drug is not None else pl.col("drug_class") == drug_class
    people = context.participants.select("p", "participant_id").join(context.anchor(anchor), on="p")
    return (
        context.records["medications"]
        .filter(wanted)
        .join(people, on="participant_id")
        .select(
            "p",
            begin=(pl.col("started_day") - pl.col("anchor_day")).cast(pl.Int32),
            end=(pl.col("ended_day") - pl.col("anchor_day")).cast(pl.Int32),
            record_id="record_id",
        )
        .drop_nulls("begin")
    )


def drug_days(found: pl.DataFrame) -> pl.DataFrame:
    """Give `p`, `on`, `record_id`: the days of the courses; of one without end the first."""
    return (
        found.with_columns(on=pl.int_ranges("begin", pl.coalesce("end", "begin") + 1))
        .explode("on")
        .select("p", pl.col("on").cast(pl.Int32), "record_id")
        .sort("p", "on", "record_id")
        .unique(["p", "on"], keep="first", maintain_order=True)
    )


def unlogged_drug_days(
    found: pl.DataFrame, context: Context, anchor: str, length: int
) -> pl.DataFrame:
    """Give `p`, `day` of which, or of whose `length` - 1 days before, a drug is not known.

    The medications table has a hole there, or a course began before and has no recorded end.
    """
    holes = context.uncovered("medications", anchor, length).select("p", "day")
    endless = found.filter(pl.col("end").is_null()).select("p", "begin")
    drawn = context.dated("measurements", anchor).select("p", "day").unique()
    after = drawn.join(endless, on="p").filter(pl.col("day") > pl.col("begin"))
    return pl.concat([holes, after.select("p", "day")]).unique()
