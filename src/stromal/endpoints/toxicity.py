"""Adverse events counted by participant, with relatedness to each agent; chains of events."""

from __future__ import annotations

import polars as pl

from stromal.endpoints.context import Context, derived_frame
from stromal.protocol.endpoints import ChainEndpoint, EventCountEndpoint

__all__ = ["counted_events", "derive_chain", "derive_event_count"]


def counted_events(context: Context, endpoint: EventCountEndpoint) -> pl.DataFrame:
    """Give the rows of the events table that an event count counts: with `p` and relative `day`.

    Death, as an event of its own, counts only where it is named.
    """
    rule = endpoint.event_count
    rows = context.dated("events", endpoint.from_).filter(pl.col("day") >= 0)
    rows = (
        rows.filter(pl.col("event") != "death")
        if rule.events == "any"
        else rows.filter(pl.col("event").is_in(list(rule.events)))
    )
    if endpoint.until is not None:
        rows = rows.filter(pl.col("day") <= int(endpoint.until))
    if rule.grade_at_least is not None:
        rows = rows.filter(pl.col("grade") >= rule.grade_at_least)
    if rule.serious:
        rows = rows.filter(pl.col("serious").cast(pl.String).is_in(["yes", "true"]))
    if rule.related_to is not None:
        wanted = list(rule.related_to)
        rows = rows.filter(
            pl.col("related_to")
            .list.eval(pl.element().is_in(wanted))
            .list.any()
            .fill_null(value=False)
        )
    return rows.sort("p", "day", "record_id")


def derive_event_count(context: Context, name: str, endpoint: EventCountEndpoint) -> pl.DataFrame:
    """Count each participant's events of the named kinds, from the anchor on.

    1. Events before the anchor, after `until`, below the grade, or not judged related to any of the
       named agents do not count. An event whose relatedness was not judged for each of the agents
       is not counted as related; the note tells how many such events there were. An event without
       grade does not count where a grade is asked for.
    2. `status` is `yes` with one event or more (`day` is the first one's), else `no`; `count` is
       the number of events.

    Returns
    -------
    polars.DataFrame
        The columns of `stromal.endpoints.outcome.DERIVED_COLUMNS` and `count`.
    """
    rule = endpoint.event_count
    counted = counted_events(context, endpoint)
    per = counted.group_by("p", maintain_order=True).agg(
        count=pl.len(), day=pl.col("day").first(), because=pl.col("record_id")
    )
    frame = (
        context.anchor(endpoint.from_)
        .join(per, on="p", how="left")
        .join(_unjudged(context, endpoint), on="p", how="left")
        .with_columns(pl.col("count").fill_null(0), pl.col("unjudged").fill_null(0))
    )
    known = pl.col("anchor_day").is_not_null()
    agents = " or ".join(rule.related_to or [])
    said = f"events related to {agents}" if agents else "events"
    noun = pl.when(pl.col("count") == 1).then(pl.lit(said.replace("events", "event", 1))).otherwise(
        pl.lit(said)
    )  # fmt: skip
    open_ = pl.when(pl.col("unjudged") > 0).then(
        pl.format("; relatedness was not judged for {} more", "unjudged")
    ).otherwise(pl.lit(""))  # fmt: skip
    rows = frame.with_columns(
        status=pl.when(~known)
        .then(pl.lit("not_applicable"))
        .when(pl.col("count") > 0)
        .then(pl.lit("yes"))
        .otherwise(pl.lit("no")),
        cause=pl.when(~known).then(pl.lit("anchor did not happen")),
        note=pl.when(known).then(pl.format("{} {}{}.", "count", noun, open_)).otherwise(
            pl.lit("The moment from which days count did not happen.")
        ),
        count=pl.when(known).then("count"),
        day_low=pl.lit(None, pl.Int32),
        day_high=pl.lit(None, pl.Int32),
    )  # fmt: skip
    return derived_frame(context, name, f"count of {said}", rows)


def _unjudged(context: Context, endpoint: EventCountEndpoint) -> pl.DataFrame:
    """Count the events that might count: related to no agent, and not judged for every one."""
    rule = endpoint.event_count
    if rule.related_to is None:
        return pl.DataFrame(schema={"p": pl.Int64, "unjudged": pl.UInt32})
    open_rule = rule.model_copy(update={"related_to": None})
    wanted = list(rule.related_to)
    related = pl.col("related_to").list.eval(pl.element().is_in(wanted)).list.any()
    excluded = pl.all_horizontal(pl.col("not_related_to").list.contains(name) for name in wanted)
    return (
        counted_events(context, endpoint.model_copy(update={"event_count": open_rule}))
        .filter(~related.fill_null(value=False) & ~excluded.fill_null(value=False))
        .group_by("p")
        .agg(unjudged=pl.len())
    )


def derive_chain(context: Context, name: str, endpoint: ChainEndpoint) -> pl.DataFrame:
    """Follow a chain of events, each linked to the next by `leads_to`.

    1. Step 1 is each event of the first name on or after the anchor; step k + 1 is the event of the
       next name that the event of step k says it led to.
    2. `status` is the name of the furthest step that a participant reached, or `none`; `day` is the
       day of that step; `because` names the linked records. With several chains the furthest, then
       the earliest, is taken.

    Returns
    -------
    polars.DataFrame
        The columns of `stromal.endpoints.outcome.DERIVED_COLUMNS`.
    """
    events = context.dated("events", endpoint.from_).filter(pl.col("day") >= 0)
    if endpoint.until is not None:
        events = events.filter(pl.col("day") <= int(endpoint.until))
    links = events.select("p", "record_id", "event", "day", "leads_to")
    here = links.filter(pl.col("event") == endpoint.chain.steps[0]).select(
        "p", "day", "leads_to", status="event", step=pl.lit(1), because=pl.concat_list("record_id"),
        path=pl.format("{} (day {})", "event", "day"),
    )  # fmt: skip
    reached = [here]
    for number, step in enumerate(endpoint.chain.steps[1:], start=2):
        nexts = links.filter(pl.col("event") == step).rename(
            {"record_id": "next_id", "day": "next_day", "leads_to": "next_leads_to"}
        )
        here = (
            here.join(nexts, left_on=["p", "leads_to"], right_on=["p", "next_id"])
            .with_columns(next_id=pl.col("leads_to"))
            .select(
                "p",
                day="next_day",
                leads_to="next_leads_to",
                status="event",
                step=pl.lit(number),
                because=pl.concat_list("because", "next_id"),
                path=pl.format("{} -> {} (day {})", "path", "event", "next_day"),
            )
        )
        reached.append(here)
    best = (
        pl.concat(reached)
        .sort(
            "p",
            "step",
            "day",
            pl.col("because").list.join(" "),
            descending=[False, True, False, False],
        )
        .unique("p", keep="first", maintain_order=True)
        .drop("leads_to", "step")
    )
    known = pl.col("anchor_day").is_not_null()
    rows = context.anchor(endpoint.from_).join(best, on="p", how="left").with_columns(
        status=pl.when(~known).then(pl.lit("not_applicable")).otherwise(
            pl.col("status").fill_null("none")
        ),
        cause=pl.when(~known).then(pl.lit("anchor did not happen")),
        note=pl.when(~known)
        .then(pl.lit("The moment from which days count did not happen."))
        .otherwise(pl.format("{}.", pl.col("path").fill_null("None of the chain's events"))),
        day_low=pl.lit(None, pl.Int32),
        day_high=pl.lit(None, pl.Int32),
    )  # fmt: skip
    return derived_frame(context, name, " -> ".join(endpoint.chain.steps), rows)
