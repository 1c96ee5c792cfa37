"""Lasting falls of blood counts: secondary failure, poor graft function."""

from __future__ import annotations

import numpy as np
import polars as pl

from stromal.endpoints.context import Context, derived_frame
from stromal.endpoints.runs import Start, derive_runs, describe_count, reading_limit
from stromal.endpoints.series import Series, build_series
from stromal.protocol.endpoints import CytopeniaEndpoint

__all__ = ["cytopenia_series", "derive_cytopenia"]

_NO_START = 2_000_000


def cytopenia_series(context: Context, endpoint: CytopeniaEndpoint) -> tuple[Series, pl.DataFrame]:
    """Build the series that a fall is read from, and the competing events."""
    rule = endpoint.cytopenia
    events, last = reading_limit(context, endpoint.from_, endpoint.competing, rule.counts)
    return build_series(rule.counts, rule.lines, context, endpoint.from_, last), events


def derive_cytopenia(context: Context, name: str, endpoint: CytopeniaEndpoint) -> pl.DataFrame:
    """Derive the time to the first lasting fall of counts, for every participant.

    1. A day counts where at least `lines` of the counts meet their rule on that day; a count that
       was not measured on the day is unknown.
    2. The search begins on day `start`, or the day after the endpoint named by `after` where that
       is later; who did not have that endpoint is `not_applicable`, and `not_evaluable` where that
       endpoint could not be judged.
    3. The event is the first day of the first run; see `derive_runs` for the rest.

    Returns
    -------
    polars.DataFrame
        The columns of `stromal.endpoints.outcome.DERIVED_COLUMNS`, one row a participant.
    """
    rule = endpoint.cytopenia
    series, events = cytopenia_series(context, endpoint)
    rows = derive_runs(
        series,
        rule,
        _start(context, endpoint),
        context,
        anchor=endpoint.from_,
        competing=events,
        until=endpoint.until,
        earliest=int(rule.start),
        analytes=[count.analyte for count in rule.counts],
        said=f"At least {rule.lines} of " + ", ".join(describe_count(c) for c in rule.counts)
        if len(rule.counts) > 1
        else describe_count(rule.counts[0]),
    )
    return derived_frame(context, name, rule.definition or rule.title or "spelled out", rows)


def _start(context: Context, endpoint: CytopeniaEndpoint) -> Start:
    """Begin on day `start`, or after the endpoint that must have happened."""
    rule = endpoint.cytopenia
    earliest = np.full(context.size, int(rule.start), dtype=np.int32)
    empty = pl.Series([None] * context.size, dtype=pl.String)
    if rule.after is None:
        return Start(earliest, empty.fill_null(""), empty, empty)
    before = context.derived[rule.after]
    frame = (
        context.participants.select("p", "participant_id")
        .join(before, on="participant_id", how="left")
        .rename({"anchor_day": "other_anchor"})
        .join(context.anchor(endpoint.from_), on="p")
        .sort("p")
        .with_columns(
            happened=pl.when(pl.col("status") == "event").then(
                pl.col("other_anchor") + pl.col("day") - pl.col("anchor_day")
            )
        )
        .select(
            day=pl.max_horizontal(pl.col("happened") + 1, pl.lit(int(rule.start))),
            missed=pl.col("happened").is_null(),
            excluded=pl.when(pl.col("happened").is_not_null())
            .then(pl.lit(None, pl.String))
            .when(pl.col("status") == "not_evaluable")
            .then(pl.lit("not_evaluable"))
            .otherwise(pl.lit("not_applicable")),
            told=pl.when(pl.col("happened").is_null() & (pl.col("status") == "not_evaluable"))
            .then(pl.lit(f"{rule.after} could not be judged"))
            .when(pl.col("happened").is_null())
            .then(pl.lit(f"{rule.after} did not happen before"))
            .otherwise(pl.format(f"{rule.after} on day {{}}", "happened")),
        )
    )
    return Start(
        frame["day"].set(frame["missed"], _NO_START).cast(pl.Int32).to_numpy(),
        frame["told"],
        frame["excluded"],
        frame.select(pl.when("missed").then("told")).to_series(),
    )
