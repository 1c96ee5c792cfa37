"""When an assessment is due, and why it may be absent."""

from __future__ import annotations

import polars as pl

from stromal.endpoints.context import Context
from stromal.protocol.endpoints import AssessedAt, AssessedBest

__all__ = ["absent", "assessment_window"]


def absent(context: Context, assessed: AssessedAt | AssessedBest) -> pl.DataFrame:
    """Say why an assessment may be absent.

    Returns
    -------
    polars.DataFrame
        `p`, `death` (day), `died` (before the window's end), `not_due` (followed for less).
    """
    low, high = assessment_window(assessed)
    days = context.last_days(assessed.from_)
    return days.select(
        "p",
        "death",
        died=(pl.col("death") <= high).fill_null(value=False),
        not_due=(pl.min_horizontal("last_contact", "complete_until") < low).fill_null(value=False),
    ).sort("p")


def assessment_window(assessed: AssessedAt | AssessedBest) -> tuple[int, int]:
    """Give the first and last day of the assessment, from its anchor."""
    if isinstance(assessed, AssessedBest):
        return int(assessed.best_until), int(assessed.best_until)
    if assessed.visit_window == "not stated":
        return int(assessed.at), int(assessed.at)
    before, after = assessed.visit_window
    return int(assessed.at) + int(before), int(assessed.at) + int(after)
