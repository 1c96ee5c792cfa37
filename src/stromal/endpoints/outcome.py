"""The types that `endpoints` hands to `analysis`."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from stromal.core import UsageError

__all__ = ["DERIVED_COLUMNS", "TIME_STATUSES", "TimeToEvent"]

TIME_STATUSES = ("event", "competing", "censored")

DERIVED_COLUMNS: dict[str, pl.DataType] = {
    "participant_id": pl.String(),
    "endpoint": pl.String(),
    "definition": pl.String(),
    "status": pl.String(),
    "day": pl.Int32(),
    "date": pl.Date(),
    "day_low": pl.Int32(),
    "day_high": pl.Int32(),
    "cause": pl.String(),
    "because": pl.List(pl.String()),
    "note": pl.String(),
}
"""Columns of a derived row. `day` counts from the endpoint's own anchor, in whole days."""


@dataclass(frozen=True)
class TimeToEvent:
    """Times to an event with competing events and censoring, one row a participant.

    Parameters
    ----------
    frame
        `participant_id` (text), `day` (whole or fractional days from the endpoint's anchor, not
        negative), `status` (the words `event`, `competing` or `censored`, never integers: 0 means
        event in ADaM and censored in R); optionally `arm` and `cause`.

    Raises
    ------
    UsageError
        A column is missing, a day is missing or negative, a status is another word, or a
        participant stands twice.
    """

    frame: pl.DataFrame

    def __post_init__(self) -> None:
        missing = {"participant_id", "day", "status"} - set(self.frame.columns)
        if missing:
            raise UsageError(f"times to an event need the columns {sorted(missing)}")
        if self.frame["participant_id"].is_duplicated().any():
            raise UsageError("a participant stands twice among the times to an event")
        others = {str(word) for word in self.frame["status"].to_list()} - set(TIME_STATUSES)
        if others:
            raise UsageError(
                f"a status is one of {', '.join(TIME_STATUSES)}; got {', '.join(sorted(others))}"
            )
        day = self.frame["day"].cast(pl.Float64)
        if day.is_null().any() or not day.is_finite().all() or (day < 0).any():
            raise UsageError("a time to an event is missing, not finite or negative")
