"""Adverse events counted by participant, with relatedness to each agent; chains of events."""

from __future__ import annotations

import polars as pl

from stromal.endpoints.context import Context, derived_frame
from stromal.endpoints.observed import days_counted_on
from stromal.protocol.endpoints import ChainEndpoint, EventCountEndpoint

__all__ = ["counted_days", "counted_events", "derive_chain", "derive_event_count"]


def counted_events(context: Context, endpoint: EventCountEndpoint) -> pl.DataFrame:
    """Give the rows of the events table that an event count counts: with `p` and relative `day`.

    Death, as an event of its own, counts only where it is named. With `distinct_after` an event of
    the same name less than so many days after the one before it, or after its recorded end, is
    left out: a chain of such events is one.
    """
    rule = endpoint.event_count
    rows = context.dated("events", endpoint.from_)
    rows = (
        rows.filter(pl.col("event") != "death")
        if rule.events == "any"
        else rows.filter(pl.col("event").is_in(list(rule.events)))
    )
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
    rows = rows.sort("p", "day", "record_id")
    if rule.distinct_after is not None:
        rows = _distinct(rows, int(rule.distinct_after))
    rows = rows.filter(pl.col("day") >= int(endpoint.start))
    if endpoint.until is not None:
        rows = rows.filter(pl.col("day") <= int(endpoint.until))
    return rows


def _distinct(rows: pl.DataFrame, least: int) -> pl.DataFrame:
    """Keep the first of events of one name that follow each other closely."""
    ended = pl.max_horizontal("day", pl.col("ended_day") - pl.col("anchor_day"))
    before = ended.cum_max().shift(1).over("p", "event")
    return rows.filter((pl.col("day") - before >= least).fill_null(value=True))


def counted_days(context: Context, endpoint: EventCountEndpoint) -> pl.DataFrame:
    """Give `p`, `day`, `record_id` of what is counted: events, or days with a transfusion."""
    product = endpoint.event_count.transfused
    if product is None:
        return counted_events(context, endpoint).select("p", "day", "record_id")
    rows = context.dated("transfusions", endpoint.from_).filter(
        pl.col("product") == product, pl.col("day") >= int(endpoint.start)
    )
    if endpoint.until is not None:
        rows = rows.filter(pl.col("day") <= int(endpoint.until))
    return (
        rows.sort("p", "day", "record_id")
        .unique(["p", "day"], keep="first", maintain_order=True)
        .select("p", "day", "record_id")
    )


def derive_event_count(context: Context, name: str, endpoint: EventCountEndpoint) -> pl.DataFrame:
    """Count each participant's events of the named kinds, from the anchor on.

    1. Events before `start` (the anchor itself, where it is not given), after `until`, below the
       grade, or not judged related to any of the named agents do not count. An event whose
       relatedness was not judged for each of the agents is not counted as related; the note tells
       how many such events there were. An event without grade does not count where one is asked.
    2. `status` is `yes` with one event or more (`day` is the first one's), else `no`; `count` is
       the number of events.
    3. Of transfusions the days count on which one was given.
    4. With `per`, who was observed on no day (see `stromal.endpoints.burden.event_rates`) and had
       no event is `not_evaluable`, and the note gives days observed and rate. An event on a day
       that was not observed is counted, but is no part of the rate.

    Returns
    -------
    polars.DataFrame
        The columns of `stromal.endpoints.outcome.DERIVED_COLUMNS` and `count`.
    """
    counted = counted_days(context, endpoint)
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
    frame = _with_rate(context, endpoint, counted, frame)
    said = _what(endpoint)
    one = said.replace("days", "day", 1).replace("events", "event", 1)
    noun = pl.when(pl.col("count") == 1).then(pl.lit(one)).otherwise(pl.lit(said))
    open_ = pl.when(pl.col("unjudged") > 0).then(
        pl.format("; relatedness was not judged for {} more", "unjudged")
    ).otherwise(pl.lit(""))  # fmt: skip
    unseen = known & pl.col("unseen") & (pl.col("count") == 0)
    rows = frame.with_columns(
        status=pl.when(~known)
        .then(pl.lit("not_applicable"))
        .when(unseen)
        .then(pl.lit("not_evaluable"))
        .when(pl.col("count") > 0)
        .then(pl.lit("yes"))
        .otherwise(pl.lit("no")),
        cause=pl.when(~known)
        .then(pl.lit("anchor did not happen"))
        .when(unseen)
        .then(pl.lit("no day was observed")),
        note=pl.when(~known)
        .then(pl.lit("The moment from which days count did not happen."))
        .when(unseen)
        .then(pl.lit("No day on which this would have been recorded was observed."))
        .otherwise(pl.format("{} {}{}{}.", "count", noun, open_, "rated")),
        count=pl.when(known & ~unseen).then("count"),
        day_low=pl.lit(None, pl.Int32),
        day_high=pl.lit(None, pl.Int32),
    )
    return derived_frame(context, name, f"count of {said}", rows)


def _what(endpoint: EventCountEndpoint) -> str:
    """Name what is counted."""
    rule = endpoint.event_count
    if rule.transfused is not None:
        return f"days with a transfusion of {rule.transfused.replace('_', ' ')}"
    agents = " or ".join(rule.related_to or [])
    return f"events related to {agents}" if agents else "events"


def _with_rate(
    context: Context, endpoint: EventCountEndpoint, counted: pl.DataFrame, frame: pl.DataFrame
) -> pl.DataFrame:
    """Add `unseen` (no day was observed) and `rated`, the rate in words; neither without `per`."""
    per = endpoint.event_count.per
    if per is None:
        return frame.with_columns(unseen=pl.lit(value=False), rated=pl.lit(""))
    spans = days_counted_on(context, endpoint)
    inside = (
        counted.join(spans, on="p")
        .filter(pl.col("day").is_between("from_day", "to_day"))
        .group_by("p")
        .agg(inside=pl.len())
    )
    days = spans.group_by("p").agg(days=(pl.col("to_day") - pl.col("from_day") + 1).sum())
    rate = (pl.col("inside").fill_null(0) * float(per) / pl.col("days")).round(2)
    said = pl.format("; {} days observed, {} per {} days", "days", rate, pl.lit(int(per)))
    return (
        frame.join(days, on="p", how="left")
        .join(inside, on="p", how="left")
        .sort("p")
        .with_columns(
            unseen=pl.col("days").is_null(),
            rated=pl.when(pl.col("days").is_null())
            .then(pl.lit("; no day was observed, so there is no rate"))
            .otherwise(said),
        )
    )


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
