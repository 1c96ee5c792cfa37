"""Days on which silence in a table means that nothing happened: what counts and rates rest on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from stromal.endpoints.days_kernels import FIRST_DAY, LAST_DAY

if TYPE_CHECKING:
    from stromal.endpoints.context import Context
    from stromal.protocol.endpoints import EventCountEndpoint

__all__ = ["days_counted_on", "exposed_days", "known_days"]


def known_days(context: Context, table: str, anchor: str, last: pl.DataFrame) -> pl.DataFrame:
    """Give `p`, `from_day`, `to_day`: the days on which silence in a table means that nothing was.

    The stretches of the coverage table; for participants without rows there, all days up to
    `complete_until` or death; none where neither is known. Never after `last`.
    """
    held = context.covered(table)
    covered = context.dated_coverage(table, anchor).select("p", "from_day", "to_day")
    others = context.last_days(anchor).join(held, on="p", how="anti").select(
        "p",
        from_day=pl.lit(FIRST_DAY, pl.Int32),
        to_day=pl.min_horizontal("complete_until", "death"),
    )  # fmt: skip
    return (
        pl.concat([covered, others], how="vertical_relaxed")
        .drop_nulls()
        .join(last, on="p")
        .select(
            "p",
            pl.col("from_day").cast(pl.Int32),
            to_day=pl.min_horizontal("to_day", "last").cast(pl.Int32),
        )
        .filter(pl.col("from_day") <= pl.col("to_day"))
        .sort("p", "from_day")
    )


def exposed_days(
    context: Context, table: str, anchor: str, first: int, last: int | None
) -> pl.DataFrame:
    """Give the days from `first` to `last` on which silence in a table means that nothing was.

    1. The stretches of the coverage table; without such rows every day up to `complete_until` (or
       `last_contact`), or up to death where neither is given.
    2. Never after death; the day of death is observed.

    Returns
    -------
    polars.DataFrame
        `p`, `from_day`, `to_day` (both included, from the anchor); no rows without exposure.
    """
    death = context.last_days(anchor).select(
        "p", last=pl.col("death").fill_null(LAST_DAY).cast(pl.Int32)
    )
    end = LAST_DAY if last is None else last
    return (
        known_days(context, table, anchor, death)
        .join(context.anchor(anchor).drop_nulls("anchor_day").select("p"), on="p", how="semi")
        .select(
            "p",
            from_day=pl.max_horizontal("from_day", pl.lit(first)).cast(pl.Int32),
            to_day=pl.min_horizontal("to_day", pl.lit(end)).cast(pl.Int32),
        )
        .filter(pl.col("from_day") <= pl.col("to_day"))
        .sort("p", "from_day")
    )


def days_counted_on(context: Context, endpoint: EventCountEndpoint) -> pl.DataFrame:
    """Give the days on which an event count looks for its events, and which are observed."""
    table = "events" if endpoint.event_count.transfused is None else "transfusions"
    until = None if endpoint.until is None else int(endpoint.until)
    return exposed_days(context, table, endpoint.from_, int(endpoint.start), until)
