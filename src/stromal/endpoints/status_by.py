"""The status that a derived endpoint has by a given moment."""

from __future__ import annotations

import polars as pl

from stromal.endpoints.context import Context
from stromal.endpoints.cytopenia import cytopenia_series
from stromal.endpoints.graded import graded_days, worst_grades
from stromal.endpoints.kernels import FAIL
from stromal.endpoints.recovery import recovery_series
from stromal.endpoints.states import state_intervals
from stromal.protocol.endpoints import (
    AdjudicatedEndpoint,
    AssessedAt,
    AssessedBest,
    ChainEndpoint,
    CytopeniaEndpoint,
    EventCountEndpoint,
    GradedEndpoint,
    RecoveryEndpoint,
    ResponseEndpoint,
    StateEndpoint,
)

__all__ = ["status_by"]


def status_by(context: Context, endpoint: str, before: str | None) -> pl.DataFrame:
    """Give the status that an endpoint has by the day of an anchor, that day included.

    1. Without an anchor: the status it has in the end.
    2. A time to event: an event or competing event by that day is its status; one that comes later
       was still `censored` then. Who was censored on that day or later, or at the end of the time
       observed, is `censored`. Who was censored before it is unknown, unless it is a run of counts
       and a count on that day or later ends every run that could have begun: then `censored`.
    3. A level of response counts from the day on which it was reached, or without such a day from
       the planned day of its assessment; before that day it is unknown.
    4. Counts and chains of events: `yes`, or a step, from its day on. `no` and `none` hold as far
       as events are complete (`complete_until`, else `last_contact`), and so does `no` for a count
       whose first event comes later; the step of a chain before its day is unknown.
    5. A state: `event` where it holds on that day, `censored` where it is known not to hold, else
       unknown; whether it ever began is its status without an anchor.
    6. Where the endpoint's own anchor, or the anchor `before`, has no day: unknown.

    Parameters
    ----------
    context
        With the endpoint derived.
    endpoint
        Its name.
    before
        The anchor, or None.

    Returns
    -------
    polars.DataFrame
        `p`, `status` (null where it is unknown), `told` (what was looked at), in the order of the
        participants table.
    """
    frame = context.participants.select("p", "participant_id").join(
        context.derived[endpoint].select(
            "participant_id", "anchor_day", "day", "because", "note", final="status"
        ),
        on="participant_id",
        how="left",
        maintain_order="left",
    )
    if before is None:
        frame = frame.with_columns(status="final")
    else:
        limit = context.anchor(before).select("p", limit_day="anchor_day")
        frame = frame.join(limit, on="p", maintain_order="left").with_columns(
            limit=pl.col("limit_day") - pl.col("anchor_day")
        )
        frame = _as_of(context, endpoint, frame)
    known = pl.col("anchor_day").is_not_null()
    records = pl.when(pl.col("because").list.len() > 0).then(
        pl.format(" ({})", pl.col("because").list.join(", "))
    ).otherwise(pl.lit(""))  # fmt: skip
    return frame.select(
        "p",
        status=pl.when(known).then("status"),
        told=pl.format(
            "{}: {}, {}{}",
            pl.lit(endpoint.replace("_", " ")),
            pl.col("final").fill_null("unknown"),
            pl.col("note").str.strip_suffix(".").fill_null("nothing is known"),
            records,
        ),
    )


def _as_of(context: Context, name: str, frame: pl.DataFrame) -> pl.DataFrame:
    """Add `status`: the one that holds by day `limit`, counted from the endpoint's anchor."""
    endpoint = context.protocol.endpoints[name]
    if isinstance(endpoint, EventCountEndpoint | ChainEndpoint):
        complete = context.last_days(endpoint.from_).select("p", "complete_until")
        frame = frame.join(complete, on="p", maintain_order="left")
        return frame.with_columns(status=_counted(endpoint))
    if isinstance(endpoint, StateEndpoint):
        return _held(context, name, frame)
    if isinstance(endpoint, GradedEndpoint):
        return _graded_by(context, endpoint, frame)
    assessed = (
        endpoint.assessed if isinstance(endpoint, ResponseEndpoint | AdjudicatedEndpoint) else None
    )
    if assessed is not None:
        return frame.with_columns(status=_assessed(assessed))
    frame = _with_last_failure(context, name, frame)
    return frame.with_columns(status=_timed(getattr(endpoint, "until", None)))


def _held(context: Context, name: str, frame: pl.DataFrame) -> pl.DataFrame:
    """Say whether a state holds on day `limit`."""
    here = (
        state_intervals(context, name)
        .join(frame.select("p", "limit"), on="p")
        .filter(pl.col("limit").is_between("from_day", "to_day"))
        .select(
            "p",
            status=pl.when("holds").then(pl.lit("event")).otherwise(pl.lit("censored")),
        )
    )
    return frame.join(here, on="p", how="left", maintain_order="left")


def _graded_by(context: Context, endpoint: GradedEndpoint, frame: pl.DataFrame) -> pl.DataFrame:
    """Add `status`: the worst grade of the days of assessment by day `limit`."""
    days = graded_days(context, endpoint).join(frame.select("p", "limit"), on="p")
    days = days.filter(pl.col("day") <= pl.col("limit"))
    worst = worst_grades(days, endpoint.graded.grades).select("p", status="grade")
    return frame.join(worst, on="p", how="left", maintain_order="left")


def _timed(until: int | None) -> pl.Expr:
    """Give the status of a time to event by day `limit`."""
    day, limit, final = pl.col("day"), pl.col("limit"), pl.col("final")
    over = day >= limit
    if until is not None:
        over |= day >= int(until)
    free = over | (pl.col("last_failure") >= limit).fill_null(value=False)
    return (
        pl.when(limit.is_null())
        .then(None)
        .when(final.is_in(["event", "competing"]) & (day <= limit))
        .then(final)
        .when(final.is_in(["event", "competing"]))
        .then(pl.lit("censored"))
        .when(final != "censored")
        .then(final)
        .when(free)
        .then(final)
    )


def _assessed(assessed: AssessedAt | AssessedBest) -> pl.Expr:
    """Give the level of response by day `limit`."""
    planned = assessed.at if isinstance(assessed, AssessedAt) else assessed.best_until
    reached = pl.col("day").fill_null(int(planned)) <= pl.col("limit")
    return pl.when(reached).then("final")


def _counted(endpoint: EventCountEndpoint | ChainEndpoint) -> pl.Expr:
    """Give the status of a count, or a chain, of events by day `limit`."""
    limit, final, day = pl.col("limit"), pl.col("final"), pl.col("day")
    needed = limit if endpoint.until is None else pl.min_horizontal(limit, int(endpoint.until))
    complete = (pl.col("complete_until") >= needed).fill_null(value=False)
    none = "no" if isinstance(endpoint, EventCountEndpoint) else "none"
    later_is_none = pl.lit(isinstance(endpoint, EventCountEndpoint)) & complete
    return (
        pl.when(limit.is_null())
        .then(None)
        .when((final == none) & complete)
        .then(final)
        .when(final == none)
        .then(None)
        .when(day.is_null() | (day <= limit))
        .then(final)
        .when(later_is_none)
        .then(pl.lit(none))
    )


def _with_last_failure(context: Context, name: str, frame: pl.DataFrame) -> pl.DataFrame:
    """Add `last_failure`: the last day whose counts end every run; null for other endpoints."""
    endpoint = context.protocol.endpoints[name]
    if isinstance(endpoint, RecoveryEndpoint):
        series, _ = recovery_series(context, endpoint)
    elif isinstance(endpoint, CytopeniaEndpoint):
        series, _ = cytopenia_series(context, endpoint)
    else:
        return frame.with_columns(last_failure=pl.lit(None, pl.Int32))
    last = (
        series.rows.filter((pl.col("status") == FAIL) & (pl.col("counted") > 0))
        .group_by("p")
        .agg(last_failure=pl.col("day").max())
    )
    return frame.join(last, on="p", how="left", maintain_order="left")
