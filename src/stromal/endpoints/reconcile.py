"""What people adjudicated beside what is derived from the records."""

from __future__ import annotations

import polars as pl

from stromal.endpoints.context import Context
from stromal.protocol.endpoints import AdjudicatedEndpoint, GradedEndpoint, ResponseEndpoint

__all__ = ["RECONCILED_COLUMNS", "reconcile"]

RECONCILED_COLUMNS: dict[str, pl.DataType] = {
    "participant_id": pl.String(),
    "endpoint": pl.String(),
    "derived": pl.String(),
    "derived_day": pl.Int32(),
    "day_low": pl.Int32(),
    "day_high": pl.Int32(),
    "adjudicated": pl.String(),
    "adjudicated_day": pl.Int32(),
    "assessor": pl.String(),
    "masked": pl.String(),
    "basis": pl.String(),
    "agree": pl.Boolean(),
    "difference": pl.String(),
    "because": pl.List(pl.String()),
    "record_id": pl.String(),
}
"""Columns of the reconciled rows; see `reconcile`."""


def reconcile(context: Context) -> pl.DataFrame:
    """Set every adjudication of a derived endpoint beside the derived row.

    1. Endpoints that are themselves adjudicated derive nothing and have no rows here. Neither have
       participants nobody adjudicated.
    2. The level is compared for a response, the status for every other endpoint.
    3. Two equal levels agree. Two equal statuses agree; for an event and a competing event the day
       must also be the derived one or lie from `day_low` to `day_high`. A bound that is empty is
       the derived day itself.
    4. Where the adjudication gives no level (or status), or no day of an event, `agree` is empty:
       it cannot be said.

    Neither value is preferred and none is changed: people adjudicate, code derives.

    Parameters
    ----------
    context
        Protocol and records, with the endpoints derived.

    Returns
    -------
    polars.DataFrame
        One row per adjudication, in the order of the endpoints in the protocol, the participants
        table and the adjudications: `participant_id`, `endpoint`, `derived` (level or status),
        `derived_day`, `day_low`, `day_high`, `adjudicated`, `adjudicated_day` (all days from the
        endpoint's anchor), `assessor`, `masked`, `basis`, `agree`, `difference` (a sentence; empty
        where they agree), `because` (records that decided the derived row), `record_id` (the
        adjudication).
    """
    protocol = context.protocol
    frames = [
        _compare(
            _pair(context, name, is_level=isinstance(endpoint, ResponseEndpoint | GradedEndpoint))
        )
        for name, endpoint in protocol.endpoints.items()
        if name in context.derived and not isinstance(endpoint, AdjudicatedEndpoint)
    ]
    empty = pl.DataFrame(schema=RECONCILED_COLUMNS)
    return pl.concat([empty, *frames]) if frames else empty


def _pair(context: Context, name: str, *, is_level: bool) -> pl.DataFrame:
    """Put the adjudications of one endpoint beside its derived rows."""
    word = "level" if is_level else "status"
    derived = context.derived[name].select(
        "participant_id",
        "anchor_day",
        "day_low",
        "day_high",
        "because",
        derived="status",
        derived_day="day",
    )
    return (
        context.participants.select("p", "participant_id")
        .join(
            context.records["adjudications"].filter(pl.col("endpoint") == name),
            on="participant_id",
        )
        .join(derived, on="participant_id", how="left")
        .with_columns(
            word=pl.lit(word),
            adjudicated=pl.col(word),
            adjudicated_day=(pl.col("day") - pl.col("anchor_day")).cast(pl.Int32),
            dated=pl.lit(not is_level) & pl.col(word).is_in(["event", "competing"]),
        )
        .sort("p", "day", "assessor", "record_id", nulls_last=True)
    )


def _compare(rows: pl.DataFrame) -> pl.DataFrame:
    """Say whether the two agree, and if not, how they differ."""
    low = pl.coalesce("day_low", "derived_day")
    high = pl.coalesce("day_high", "derived_day")
    there = pl.col("adjudicated_day")
    same = pl.col("derived") == pl.col("adjudicated")
    near = (there == pl.col("derived_day")) | there.is_between(low, high)
    rows = rows.with_columns(
        agree=pl.when(~same).then(False).when("dated").then(near).when(same).then(True)
    )
    derived = _with_day("derived", "derived_day")
    adjudicated = _with_day("adjudicated", "adjudicated_day")
    difference = (
        pl.when(pl.col("agree"))
        .then(None)
        .when(pl.col("adjudicated").is_null())
        .then(pl.format("The adjudication gives no {}; derived {}.", "word", derived))
        .when(pl.col("agree").is_null())
        .then(
            pl.format(
                "Both {}, but the adjudication gives no day; derived {}.", "derived", derived
            )
        )
        .otherwise(pl.format("Adjudicated {}, derived {}.", adjudicated, derived))
    )  # fmt: skip
    rows = rows.with_columns(difference=difference)
    return rows.select(pl.col(name).cast(dtype) for name, dtype in RECONCILED_COLUMNS.items())


def _with_day(status: str, day: str) -> pl.Expr:
    """Write a status with its day, such as `event on day 12`."""
    return (
        pl.when(pl.col(day).is_not_null())
        .then(pl.format("{} on day {}", status, day))
        .otherwise(pl.col(status).fill_null("nothing"))
    )
