"""When an assessment is due, and why it may be absent."""

from __future__ import annotations

import polars as pl

from stromal.endpoints.context import Context
from stromal.protocol.endpoints import AssessedAt, AssessedBest

__all__ = ["NOT_DUE", "absent", "assessment_window"]

NOT_DUE = "not yet due"


def absent(context: Context, assessed: AssessedAt | AssessedBest) -> pl.DataFrame:
    """Say why an assessment may be absent.

    1. Who died on or before the last day of the window could not be assessed later.
    2. Where the records were read up to a data cutoff, and the date of day zero is known, the
       assessment is not yet due as long as the window is open on the cutoff; afterwards it is
       missing, also of those who were lost before.
    3. Otherwise nobody knows whether who was followed for less than the window was lost or is still
       under way: the assessment is taken to be not yet due.

    Returns
    -------
    polars.DataFrame
        `p`, `death` (day), `died` (before the window's end), `not_due`.
    """
    low, high = assessment_window(assessed)
    days = context.last_days(assessed.from_).join(context.anchor(assessed.from_), on="p")
    zero = context.participants.select("p", "day_zero_date")
    short = pl.min_horizontal("last_contact", "complete_until") < low
    cutoff = pl.lit(context.records.data_cutoff, pl.Date)
    closes = pl.col("day_zero_date") + pl.duration(days=pl.col("anchor_day") + high)
    return (
        days.join(zero, on="p")
        .select(
            "p",
            "death",
            died=(pl.col("death") <= high).fill_null(value=False),
            not_due=pl.coalesce(closes > cutoff, short, pl.lit(value=False)),
        )
        .sort("p")
    )


def assessment_window(assessed: AssessedAt | AssessedBest) -> tuple[int, int]:
    """Give the first and last day of the assessment, from its anchor."""
    if isinstance(assessed, AssessedBest):
        return int(assessed.best_until), int(assessed.best_until)
    if assessed.visit_window == "not stated":
        return int(assessed.at), int(assessed.at)
    before, after = assessed.visit_window
    return int(assessed.at) + int(before), int(assessed.at) + int(after)
