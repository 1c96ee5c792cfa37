"""Burdens and rates: transfusions and recurrent events against the days that were observed."""

from __future__ import annotations

from typing import get_args

import polars as pl

from stromal.core import UsageError
from stromal.endpoints.context import Context
from stromal.endpoints.observed import days_counted_on, exposed_days
from stromal.endpoints.toxicity import counted_days
from stromal.protocol.endpoints import EventCountEndpoint
from stromal.protocol.rules import BloodProduct

__all__ = ["event_rates", "recurrent_events", "transfusion_burden"]


def transfusion_burden(
    context: Context, anchor: str, *, before: int = 30, after: int = 30, per: int = 30
) -> pl.DataFrame:
    """Count transfusions before and after an anchor, against the days that are logged.

    1. `before` is days -`before` to -1, `after` days 0 to `after` - 1: the day of the anchor is
       the first day after it.
    2. Exposure is the logged days of the window (see `exposed_days`), cut by death. Only
       transfusions on these days count.
    3. Rates are per `per` days of exposure. Without exposure counts and rates are null, never 0.
    4. Where units of a counted transfusion are not recorded, `units` and its rate are null.

    Returns
    -------
    polars.DataFrame
        For each participant with the anchor, blood product and window: `participant_id`, `product`,
        `window` (`before`, `after`), `exposure_days`, `transfusion_days`, `units`, `days_rate`,
        `units_rate`.

    Raises
    ------
    UsageError
        A window, or `per`, is shorter than a day.
    """
    if min(before, after, per) < 1:
        raise UsageError(
            "windows and rates are of whole days, at least 1; got "
            f"before {before}, after {after}, per {per}"
        )
    windows = [("before", -before, -1), ("after", 0, after - 1)]
    frames = [_window(context, anchor, *window) for window in windows]
    rate = pl.lit(float(per)) / pl.col("exposure_days")
    exposed = pl.col("exposure_days") > 0
    return (
        pl.concat(frames)
        .with_columns(
            transfusion_days=pl.when(exposed).then("transfusion_days"),
            units=pl.when(exposed).then("units"),
        )
        .with_columns(
            days_rate=pl.col("transfusion_days") * rate, units_rate=pl.col("units") * rate
        )
        .sort("p", "product", "first")
        .select(
            "participant_id", "product", "window", "exposure_days", "transfusion_days", "units",
            "days_rate", "units_rate",
        )
    )  # fmt: skip


def _window(context: Context, anchor: str, window: str, first: int, last: int) -> pl.DataFrame:
    """Count the transfusions of one window, for each product."""
    spans = exposed_days(context, "transfusions", anchor, first, last)
    exposure = spans.group_by("p").agg(
        exposure_days=(pl.col("to_day") - pl.col("from_day") + 1).sum()
    )
    units = pl.when(pl.col("units").is_null().any()).then(None).otherwise(pl.col("units").sum())
    given = (
        context.dated("transfusions", anchor)
        .join(spans, on="p")
        .filter(pl.col("day").is_between("from_day", "to_day"))
        .group_by("p", "product")
        .agg(transfusion_days=pl.col("day").n_unique(), units=units)
    )
    products = pl.DataFrame({"product": list(get_args(BloodProduct))})
    return (
        context.anchor(anchor)
        .drop_nulls("anchor_day")
        .join(context.participants.select("p", "participant_id"), on="p")
        .join(products, how="cross")
        .join(exposure, on="p", how="left")
        .join(given, on=["p", "product"], how="left")
        .select(
            "p",
            "participant_id",
            "product",
            pl.lit(window).alias("window"),
            pl.lit(first).alias("first"),
            pl.col("exposure_days").fill_null(0).cast(pl.Int32),
            pl.col("transfusion_days").fill_null(0).cast(pl.Int32),
            pl.when(pl.col("transfusion_days").is_null())
            .then(0.0)
            .otherwise("units")
            .alias("units"),
        )
    )


def event_rates(context: Context, name: str) -> pl.DataFrame:
    """Give how often a counted event came, against the days on which it was looked for.

    1. Events as `derive_event_count` counts them, but only on observed days.
    2. `rate` is per the endpoint's `per`, or per 30 days where it has none; without exposure count
       and rate are null, never 0.

    Returns
    -------
    polars.DataFrame
        One row a participant, in the order of their table: `participant_id`, `exposure_days`,
        `count`, `rate`.

    Raises
    ------
    UsageError
        The endpoint counts no events.
    """
    endpoint = context.endpoint_of(name, EventCountEndpoint, "event count")
    spans = days_counted_on(context, endpoint)
    exposure = spans.group_by("p").agg(
        exposure_days=(pl.col("to_day") - pl.col("from_day") + 1).sum()
    )
    found = (
        counted_days(context, endpoint)
        .join(spans, on="p")
        .filter(pl.col("day").is_between("from_day", "to_day"))
        .group_by("p")
        .agg(count=pl.len())
    )
    per = int(endpoint.event_count.per or 30)
    return (
        context.participants.select("p", "participant_id")
        .join(exposure, on="p", how="left")
        .join(found, on="p", how="left")
        .sort("p")
        .with_columns(pl.col("exposure_days").fill_null(0).cast(pl.Int32))
        .select(
            "participant_id",
            "exposure_days",
            count=pl.when(pl.col("exposure_days") > 0).then(
                pl.col("count").fill_null(0).cast(pl.Int32)
            ),
        )
        .with_columns(rate=pl.col("count") * float(per) / pl.col("exposure_days"))
        .with_columns(pl.when(pl.col("exposure_days") > 0).then("rate").alias("rate"))
    )


def recurrent_events(context: Context, name: str) -> pl.DataFrame:
    """Give observed time cut at every event, as models of recurrent events read it.

    Each row is time after day `start` up to and with day `stop`. It ends with events (`count` of
    them on day `stop`) or, where observation ends, with none. Days that are not observed, and
    events on them, are in no row.

    Returns
    -------
    polars.DataFrame
        `participant_id`, `number` (of the row, from 1), `start`, `stop`, `status` (`event`,
        `censored`), `count`, `because` (the records).

    Raises
    ------
    UsageError
        The endpoint counts no events.
    """
    endpoint = context.endpoint_of(name, EventCountEndpoint, "event count")
    spans = days_counted_on(context, endpoint).with_row_index("span")
    events = (
        counted_days(context, endpoint)
        .join(spans, on="p")
        .filter(pl.col("day").is_between("from_day", "to_day"))
        .group_by("p", "span", stop="day")
        .agg(count=pl.len().cast(pl.Int32), because=pl.col("record_id"))
    )
    ends = spans.select(
        "p", "span", stop="to_day", count=pl.lit(0, pl.Int32),
        because=pl.lit([], pl.List(pl.String)),
    )  # fmt: skip
    ends = ends.join(events, on=["span", "stop"], how="anti")
    return (
        pl.concat([events, ends.select(events.columns)], how="vertical_relaxed")
        .join(spans.select("span", "from_day"), on="span")
        .sort("p", "stop")
        .with_columns(
            start=pl.col("stop").shift(1).over("span").fill_null(pl.col("from_day") - 1),
            number=pl.int_range(1, pl.len() + 1).over("p"),
            status=pl.when(pl.col("count") > 0).then(pl.lit("event")).otherwise(pl.lit("censored")),
        )
        .join(context.participants.select("p", "participant_id"), on="p", maintain_order="left")
        .select("participant_id", "number", "start", "stop", "status", "count", "because")
    )
