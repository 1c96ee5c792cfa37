"""Events that recur, and states over time, as the types that an analysis reads."""

from __future__ import annotations

import polars as pl

from stromal.core import UsageError
from stromal.endpoints.burden import recurrent_events
from stromal.endpoints.context import Context
from stromal.endpoints.current import combine_states
from stromal.endpoints.outcome import CountingProcess, StateHistory
from stromal.protocol.endpoints import EventCountEndpoint, EventSpec, TimeToEventEndpoint

__all__ = ["ENDED", "FREE", "HELD", "events_process", "states_history"]

FREE, HELD, ENDED = "free", "in the state", "ended"

_SHORT = 1e-3  # of a day: events of one day follow on one another, and death follows them


def events_process(context: Context, name: str, terminal: str | None) -> CountingProcess:
    """Give the periods of a counted event, each with what ended it.

    1. The periods are those of `recurrent_events`: only observed days, and events on them.
    2. Several events of one participant on one day follow on one another by a thousandth of a day,
       which moves no estimate: nobody else has an event or leaves in between.
    3. `terminal` is a time to event. Where it came by the day after the last observed one, the
       last period ends with it (`competing`), a thousandth of a day after an event of that day.
       Where observation of the events ended earlier the participant is censored then.

    Parameters
    ----------
    context
        Protocol, records and derived endpoints.
    name
        An endpoint that counts events.
    terminal
        The time to event after which none can come; `None` where there is none.

    Raises
    ------
    UsageError
        The endpoint counts no events, or `terminal` is no time to event from the same anchor.
    """
    endpoint = context.endpoint_of(name, EventCountEndpoint, "event count")
    rows = recurrent_events(context, name).with_columns(
        pl.col("start", "stop").cast(pl.Float64), times=pl.max_horizontal("count", pl.lit(1))
    )
    place = pl.int_range(pl.len()).over("participant_id", "number")
    each = (
        rows.select(pl.all().repeat_by("times").explode())
        .with_columns(place=place)
        .with_columns(
            start=pl.when(pl.col("place") == 0)
            .then("start")
            .otherwise(pl.col("stop") - (pl.col("times") - pl.col("place")) * _SHORT),
            stop=pl.col("stop") - (pl.col("times") - pl.col("place") - 1) * _SHORT,
        )
        .select("participant_id", "start", "stop", "status")
    )
    if terminal is None:
        return CountingProcess(each)
    ended = _terminal_days(context, terminal, endpoint.from_)
    last = each.group_by("participant_id").agg(pl.col("stop").max(), pl.col("status").last())
    reached = ended.join(last, on="participant_id").filter(pl.col("over") <= pl.col("stop") + 1)
    events = pl.col("status") == "event"
    after = reached.filter(events | (pl.col("over") > pl.col("stop"))).select(
        "participant_id",
        start="stop",
        stop=pl.max_horizontal("over", pl.col("stop") + _SHORT),
        status=pl.lit("competing"),
    )
    at_once = reached.filter(~events & (pl.col("over") <= pl.col("stop")))
    each = each.join(
        at_once.select("participant_id", "stop", closed=pl.lit(value=True)),
        on=["participant_id", "stop"],
        how="left",
        maintain_order="left",
    ).with_columns(status=pl.when(pl.col("closed")).then(pl.lit("competing")).otherwise("status"))
    both = pl.concat([each.drop("closed"), after])
    return CountingProcess(both.sort("participant_id", "start"))


def states_history(context: Context, anchor: str, *, without: list[str], end: str) -> StateHistory:
    """Give who is free of the states, in one of them, or ended, from the anchor on.

    1. The days are those of `combine_states`, with the events of `end` as those after which
       nothing is met.
    2. A participant is followed from day 0 to the last day of which the state is known, or to the
       end. Across days of which it is not known the last known state goes on: a death soon after
       the last count ends the history, and is not lost by censoring at that count.
    3. Who is of unknown state on day 0 is not in the history.

    Returns
    -------
    StateHistory
        With `state` at the beginning: `FREE`, `HELD` or `ENDED`.

    Raises
    ------
    UsageError
        A name of `without` is no state, or `end` is no time to event.
    """
    events = _events_of(context, end)
    days = combine_states(context, anchor, without=without, never=events)
    over = context.first_events(events, anchor).select("p", over="day")
    named = days.join(over, on="p", how="left", maintain_order="left").with_columns(
        state=pl.when(pl.col("met"))
        .then(pl.lit(FREE))
        .when(pl.col("met").is_null())
        .then(None)
        .when((pl.col("from_day") >= pl.col("over")).fill_null(value=False))
        .then(pl.lit(ENDED))
        .otherwise(pl.lit(HELD))
    )
    known = _carried(_split_at_end(named))
    following = known.with_columns(
        entered=pl.col("state").shift(-1).over("p"),
        stop=pl.col("from_day").shift(-1).over("p").fill_null(pl.col("to_day")),
    )
    first = pl.col("state").shift(1).over("p").is_null()
    kept = following.filter(
        (first | (pl.col("state") != ENDED)) & (pl.col("from_day") < pl.col("stop"))
    )
    return StateHistory(
        kept.select(
            "participant_id",
            pl.col("from_day").cast(pl.Float64).alias("start"),
            pl.col("stop").cast(pl.Float64),
            "entered",
            "state",
        )
    )


def _carried(named: pl.DataFrame) -> pl.DataFrame:
    """Let the last known state go on until another is known; drop what comes after all is known.

    Who is of unknown state on day 0 is dropped. Adjacent stretches differ in `state`.
    """
    told = named.filter(
        pl.col("state").first().over("p").is_not_null()
        & pl.col("state").backward_fill().over("p").is_not_null()
        & (pl.col("from_day").first().over("p") == 0)
    ).with_columns(pl.col("state").forward_fill().over("p"))
    change = pl.col("state").ne_missing(pl.col("state").shift(1).over("p"))
    return (
        told.with_columns(part=change.cum_sum().over("p"))
        .group_by("p", "participant_id", "part", maintain_order=True)
        .agg(pl.col("from_day").first(), pl.col("to_day").last(), pl.col("state").first())
        .sort("p", "from_day")
    )


def _split_at_end(named: pl.DataFrame) -> pl.DataFrame:
    """Cut the stretches on which nothing is met at the day of the end.

    A stretch in the state goes on into the end without a change of `met`.
    """
    across = (
        (pl.col("state") == HELD)
        & (pl.col("from_day") < pl.col("over"))
        & (pl.col("to_day") >= pl.col("over"))
    ).fill_null(value=False)
    before = named.with_columns(to_day=pl.when(across).then(pl.col("over") - 1).otherwise("to_day"))
    after = named.filter(across).with_columns(from_day=pl.col("over"), state=pl.lit(ENDED))
    return pl.concat([before, after], how="vertical_relaxed").sort("p", "from_day")


def _events_of(context: Context, name: str) -> list[EventSpec]:
    """Give the events of a time to event."""
    endpoint = context.protocol.endpoints.get(name)
    if not isinstance(endpoint, TimeToEventEndpoint):
        raise UsageError(
            f"`{name}` should end everything, and is no time to event; name an endpoint of "
            "`time_to_event`, such as overall survival"
        )
    return list(endpoint.time_to_event.events)


def _terminal_days(context: Context, name: str, anchor: str) -> pl.DataFrame:
    """Give the day of a terminal event: `participant_id`, `over`."""
    first = context.first_events(_events_of(context, name), anchor)
    people = context.participants.select("p", "participant_id")
    return first.join(people, on="p").select("participant_id", over=pl.col("day").cast(pl.Float64))
