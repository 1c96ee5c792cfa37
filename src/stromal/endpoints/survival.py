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
       that is not given; in any case at death, and on the day on which an endpoint among the events
       is censored: from then on it may have happened unseen, so that nothing competes any more.
    4. No event and no end of follow-up recorded: `not_evaluable`.
    5. Something may have been an event and is not decided (`Context.open_events`: a recorded event
       that lacks the grade or cause asked for, an assessment that could have had a grade named,
       nobody having assessed it). Before an event it leaves the day uncertain, not the event:
       `day_low` is that day, `day_high` the day of the event. Before (or on the day of) a competing
       event, and before a censoring or on its day, it leaves the status open: `not_evaluable`.
    6. Something that may have been a competing event, likewise: before an event, and before a
       censoring or on its day, `not_evaluable`; before a competing event only its day is uncertain,
       and the note says so.

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
        .join(context.open_events(rule.events, endpoint.from_), on="p", how="left")
        .join(
            context.open_events(endpoint.competing, endpoint.from_).select(
                "p",
                open_competing="open_day",
                open_competing_name="open_name",
                open_competing_said="open_said",
                open_competing_ids="open_ids",
            ),
            on="p",
            how="left",
        )
        .join(context.known_until(rule.events, endpoint.from_), on="p", how="left")
        .with_columns(followed=pl.min_horizontal(end, "death"), until=until)
        .with_columns(
            end=pl.when(pl.col("followed").is_not_null()).then(
                pl.min_horizontal("followed", "until", "closed")
            )
        )
        .with_columns(
            event_day=pl.when(pl.col("event_day") <= pl.col("until").fill_null(10**6)).then(
                "event_day"
            ),
            competing_day=pl.when(
                pl.col("competing_day") <= pl.min_horizontal("until", "closed").fill_null(10**6)
            ).then("competing_day"),
        )
    )
    return derived_frame(
        context, name, rule.definition or rule.title or "spelled out", _decided(frame)
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
    """Leave open what something undecided before it could change; `open` says what, `ids` where."""
    status, day = pl.col("status"), pl.col("event_day")
    last = pl.when(status == "competing").then("competing_day").when(
        status == "censored"
    ).then("end")  # fmt: skip
    missed = pl.col("open_day") <= last
    overtaken = (
        pl.when(status == "event")
        .then(pl.col("open_competing") < day)
        .when(status == "censored")
        .then(pl.col("open_competing") <= pl.col("end"))
    )
    frame = frame.with_columns(
        open=pl.when(overtaken).then("open_competing_name").when(missed).then("open_name"),
        said=pl.when(overtaken).then("open_competing_said").when(missed).then("open_said"),
        ids=pl.when(overtaken).then("open_competing_ids").when(missed).then("open_ids"),
        earlier=pl.when((status == "event") & (pl.col("open_day") < day))
        .then("open_day")
        .when((status == "competing") & (pl.col("open_competing") < pl.col("competing_day")))
        .then("open_competing"),
        may=pl.when(status == "event").then("open_said").otherwise("open_competing_said"),
    )
    return frame.with_columns(
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
    closed = pl.col("end") == pl.col("closed")
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
            .when(by_status["censored"] & closed)
            .then(pl.lit("end of what is known of an event"))
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
            .then(pl.concat_list("competing_id"))
            .otherwise("ids"),
            day_low=pl.when(by_status["event"]).then("earlier"),
            day_high=pl.when(by_status["event"] & pl.col("earlier").is_not_null()).then(
                "event_day"
            ),
            uncertain=pl.when(
                (by_status["event"] | by_status["competing"]) & pl.col("earlier").is_not_null()
            )
            .then(pl.format(" The day is uncertain: {}.", "may"))
            .otherwise(pl.lit("")),
        )
        .with_columns(
            note=pl.when(by_status["event"])
            .then(pl.format("{} on day {}.{}", "cause", "day", "uncertain"))
            .when(by_status["competing"])
            .then(
                pl.format("{} on day {}, before any of the events.{}", "cause", "day", "uncertain")
            )
            .when(by_status["censored"])
            .then(pl.format("No event by day {} ({}).", "day", "cause"))
            .when(by_status["not_applicable"])
            .then(pl.lit("The moment from which days count did not happen."))
            .when(pl.col("open").is_not_null())
            .then(pl.format("It may have happened: {}.", "said"))
            .when(pl.col("end").is_not_null())
            .then(pl.lit("Follow-up ends before the moment from which days count."))
            .otherwise(pl.lit("No event is recorded and neither is the end of follow-up."))
        )
        .select(
            "p", "anchor_day", "status", "day", "day_low", "day_high", "cause", "because", "note"
        )
    )
