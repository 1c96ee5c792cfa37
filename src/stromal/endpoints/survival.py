"""Times to the first of the named events, with competing events."""

from __future__ import annotations

import polars as pl

from stromal.endpoints.context import Context, derived_frame
from stromal.protocol.endpoints import TimeToEventEndpoint

__all__ = ["derive_time_to_event"]


def derive_time_to_event(
    context: Context, name: str, endpoint: TimeToEventEndpoint
) -> pl.DataFrame:
    """Derive the time from the anchor to the first of the events, for every participant.

    1. The first event of any of the names, on or after the anchor. On one day an event goes before
       a competing event, and among events the one that the definition names first.
    2. A competing event before it: `competing`.
    3. Neither by `until`: `censored` on that day, or at the end of follow-up where that is earlier.
       Follow-up ends at `last_contact` where death is the only event and nothing else competes,
       else at `complete_until` (up to then all events are recorded), or at `last_contact` where
       that is not given; in any case at death.
    4. No event and no end of follow-up recorded: `not_evaluable`.
    5. An event of one of the names whose grade, or cause, is asked for and not recorded may be the
       one: where nothing else was decided before it, `not_evaluable`, and the cause names it.
    6. An assessment that could have had a grade named among the events, or nobody having assessed
       it at all, before the day that decided: an event stays one, with `day_low` on that day; what
       is not an event is `not_evaluable`. So is every result before which a competing event of that
       kind may have happened.

    Returns
    -------
    polars.DataFrame
        The columns of `stromal.endpoints.outcome.DERIVED_COLUMNS`, one row a participant.

    References
    ----------
    Stands with the definition (`protocol.endpoints.EventTimes.sources`).
    """
    rule = endpoint.time_to_event
    only_death = all(spec.event == "death" for spec in (*rule.events, *endpoint.competing))
    events = context.first_events(rule.events, endpoint.from_)
    competing = context.first_events(endpoint.competing, endpoint.from_)
    end = "last_contact" if only_death else "complete_until"
    until = pl.lit(None if endpoint.until is None else int(endpoint.until), pl.Int32)
    frame = (
        context.anchor(endpoint.from_)
        .join(_renamed(events, "event"), on="p", how="left")
        .join(_renamed(competing, "competing"), on="p", how="left")
        .join(context.last_days(endpoint.from_), on="p")
        .join(context.open_grades(rule.events, endpoint.from_), on="p", how="left")
        .join(
            context.open_grades(endpoint.competing, endpoint.from_).select(
                "p", open_competing="open_day", open_competing_name="open_name"
            ),
            on="p",
            how="left",
        )
        .with_columns(followed=pl.min_horizontal(end, "death"), until=until)
        .with_columns(
            end=pl.when(pl.col("followed").is_not_null()).then(
                pl.min_horizontal("followed", "until")
            )
        )
        .with_columns(
            event_day=pl.when(pl.col("event_day") <= pl.col("until").fill_null(10**6)).then(
                "event_day"
            ),
            competing_day=pl.when(pl.col("competing_day") <= pl.col("until").fill_null(10**6)).then(
                "competing_day"
            ),
        )
    )
    rows = _unless_open(_decided(frame), _open_events(context, endpoint))
    return derived_frame(context, name, rule.definition or rule.title or "spelled out", rows)


def _open_events(context: Context, endpoint: TimeToEventEndpoint) -> pl.DataFrame:
    """Give `p`, `open_day`, `open_name`, `open_id`: the first event that may be one that counts."""
    rows = context.dated("events", endpoint.from_).filter(pl.col("day") >= 0)
    parts = [rows.clear().with_columns(lacking=pl.lit(""))]
    specs = [*endpoint.time_to_event.events, *endpoint.competing]
    for spec in (spec for spec in specs if spec.event is not None):
        named = rows.filter(pl.col("event") == spec.event)
        if spec.grade_at_least is not None:
            may = pl.lit(value=True) if spec.cause is None else pl.col("cause") == spec.cause
            graded = pl.col("grade").is_null() & may.fill_null(value=True)
            parts.append(named.filter(graded).with_columns(lacking=pl.lit("grade")))
        if spec.cause is not None:
            may = pl.lit(value=True)
            if spec.grade_at_least is not None:
                may = pl.col("grade") >= spec.grade_at_least
            caused = pl.col("cause").is_null() & may.fill_null(value=True)
            parts.append(named.filter(caused).with_columns(lacking=pl.lit("cause")))
    return (
        pl.concat(parts)
        .sort("p", "day", "record_id")
        .unique("p", keep="first", maintain_order=True)
        .select(
            "p",
            open_day="day",
            open_name=pl.format("{} without its {}", "event", "lacking"),
            open_id="record_id",
        )
    )


def _unless_open(rows: pl.DataFrame, unclear: pl.DataFrame) -> pl.DataFrame:
    """Leave open who had, before what was decided, an event that may be one that counts."""
    decided = pl.col("status").is_in(["event", "competing", "censored"])
    same = (pl.col("open_day") == pl.col("day")) & (pl.col("status") != "censored")
    before = (pl.col("open_day") <= pl.col("day")).fill_null(value=False) & ~same.fill_null(
        value=False
    )
    open_ = decided & before
    return (
        rows.join(unclear, on="p", how="left", maintain_order="left")
        .with_columns(
            note=pl.when(open_)
            .then(pl.format("{} on day {} may be the event.", "open_name", "open_day"))
            .otherwise("note"),
            cause=pl.when(open_).then("open_name").otherwise("cause"),
            because=pl.when(open_).then(pl.concat_list("open_id")).otherwise("because"),
            day=pl.when(open_).then(None).otherwise("day"),
            status=pl.when(open_).then(pl.lit("not_evaluable")).otherwise("status"),
        )
        .select(rows.columns)
    )


def _renamed(rows: pl.DataFrame, prefix: str) -> pl.DataFrame:
    """Prefix the columns of first events."""
    return rows.select(
        "p",
        pl.col("day").alias(f"{prefix}_day"),
        pl.col("record_id").alias(f"{prefix}_id"),
        pl.col("name").alias(f"{prefix}_name"),
    )


def _with_open(frame: pl.DataFrame) -> pl.DataFrame:
    """Add `open`, what may have happened before the status, which is then `not_evaluable`."""
    decided = (
        pl.when(pl.col("status") == "event")
        .then("event_day")
        .when(pl.col("status") == "competing")
        .then("competing_day")
        .when(pl.col("status") == "censored")
        .then(pl.col("end") + 1)
    )
    missed = (pl.col("status") != "event") & (pl.col("open_day") < decided)
    open_ = (
        pl.when(pl.col("open_competing") < decided)
        .then("open_competing_name")
        .when(missed)
        .then("open_name")
    )
    return frame.with_columns(open=open_).with_columns(
        status=pl.when(pl.col("open").is_not_null())
        .then(pl.lit("not_evaluable"))
        .otherwise("status")
    )


def _decided(frame: pl.DataFrame) -> pl.DataFrame:
    """Choose each participant's status and say why."""
    first = pl.col("event_day").is_not_null() & (
        pl.col("competing_day").is_null() | (pl.col("event_day") <= pl.col("competing_day"))
    )
    status = (
        pl.when(pl.col("anchor_day").is_null())
        .then(pl.lit("not_applicable"))
        .when(first)
        .then(pl.lit("event"))
        .when(pl.col("competing_day").is_not_null())
        .then(pl.lit("competing"))
        .when(pl.col("end").is_null() | (pl.col("end") < 0))
        .then(pl.lit("not_evaluable"))
        .otherwise(pl.lit("censored"))
    )
    frame = _with_open(frame.with_columns(status=status))
    by_status = {
        word: pl.col("status") == word
        for word in ("event", "competing", "censored", "not_applicable", "not_evaluable")
    }
    reached = pl.col("end") == pl.col("until")
    return (
        frame.with_columns(
            day=pl.when(by_status["event"])
            .then("event_day")
            .when(by_status["competing"])
            .then("competing_day")
            .when(by_status["censored"])
            .then("end"),
            cause=pl.when(by_status["event"])
            .then("event_name")
            .when(by_status["competing"])
            .then("competing_name")
            .when(by_status["censored"] & reached)
            .then(pl.lit("end of the time observed"))
            .when(by_status["censored"])
            .then(pl.lit("end of follow-up"))
            .when(by_status["not_applicable"])
            .then(pl.lit("anchor did not happen"))
            .when(pl.col("open").is_not_null())
            .then("open")
            .when(pl.col("end").is_not_null())
            .then(pl.lit("follow-up ends before the anchor"))
            .otherwise(pl.lit("end of follow-up not recorded")),
            because=pl.when(by_status["event"])
            .then(pl.concat_list("event_id"))
            .when(by_status["competing"])
            .then(pl.concat_list("competing_id")),
            day_low=pl.when(by_status["event"] & (pl.col("open_day") < pl.col("event_day"))).then(
                "open_day"
            ),
            day_high=pl.when(by_status["event"] & (pl.col("open_day") < pl.col("event_day"))).then(
                "event_day"
            ),
        )
        .with_columns(
            note=pl.when(by_status["event"])
            .then(pl.format("{} on day {}.", "cause", "day"))
            .when(by_status["competing"])
            .then(pl.format("{} on day {}, before any of the events.", "cause", "day"))
            .when(by_status["censored"])
            .then(pl.format("No event by day {} ({}).", "day", "cause"))
            .when(by_status["not_applicable"])
            .then(pl.lit("The moment from which days count did not happen."))
            .when(pl.col("open").is_not_null())
            .then(pl.format("It may have happened: {}.", "open"))
            .when(pl.col("end").is_not_null())
            .then(pl.lit("Follow-up ends before the moment from which days count."))
            .otherwise(pl.lit("No event is recorded and neither is the end of follow-up."))
        )
        .select(
            "p", "anchor_day", "status", "day", "day_low", "day_high", "cause", "because", "note"
        )
    )
