"""Times to an event with the bounds of the day in its place: what a record with holes allows."""

from __future__ import annotations

import polars as pl

from stromal.core import UsageError
from stromal.endpoints.context import Context
from stromal.endpoints.runs import reading_limit
from stromal.protocol.endpoints import CytopeniaEndpoint, RecoveryEndpoint
from stromal.protocol.rules import RunRule

__all__ = ["bounded_times"]


def bounded_times(context: Context, name: str) -> pl.DataFrame:
    """Give each participant's time under the earliest and under the latest possible day.

    With the low days, every day that no value contradicts is completed in favour of the run:

    1. With a `day_low`, whatever the status: `event` on that day.
    2. Without one: as derived.

    With the high days, every missing draw is completed against the run:

    1. An event with a `day_high`: `event` on that day.
    2. An event without one, which is then not shown: the competing event, if one is recorded by
       `until`. Otherwise `censored`, as everybody is, on the last day on which a complete run could
       still have begun: of the days on which blood was counted, the last one from which those that
       follow would have made a run; never before the derived day, nor after `until`. Censored on
       the derived day, such a participant would be left out of the time in which, so completed, the
       event did not happen.
    3. No event: as derived.

    Who has no result (`not_applicable`, `not_evaluable`) has none here either: the three curves are
    of the same participants.

    Parameters
    ----------
    context
        Protocol and records, with the endpoint derived.
    name
        A recovery or a cytopenia.

    Returns
    -------
    polars.DataFrame
        `participant_id`, `low_status`, `low_day`, `high_status`, `high_day`; days from the
        endpoint's anchor, in the order of the participants table.

    Raises
    ------
    UsageError
        The endpoint is of another family: its days have no bounds.
    """
    endpoint = context.protocol.endpoints[name]
    if isinstance(endpoint, RecoveryEndpoint):
        rule, counts = endpoint.recovery, [endpoint.recovery]
    elif isinstance(endpoint, CytopeniaEndpoint):
        rule, counts = endpoint.cytopenia, endpoint.cytopenia.counts
    else:
        raise UsageError(
            f"endpoint `{name}` is not read from runs of counts and its days have no bounds; leave "
            "`with_bounds` out of its analyses"
        )
    events, last = reading_limit(context, endpoint.from_, endpoint.competing, list(counts))
    until = pl.lit(endpoint.until, pl.Int32)
    could = _last_begin(context, endpoint.from_, last, rule)
    frame = (
        context.participants.select("p", "participant_id")
        .join(context.derived[name].drop("anchor_day", "count"), on="participant_id", how="left")
        .join(could, on="p", how="left")
        .join(events.select("p", ends="day"), on="p", how="left")
        .sort("p")
    )
    timed = pl.col("status").is_in(["event", "competing", "censored"])
    early = timed & pl.col("day_low").is_not_null()
    unshown = (pl.col("status") == "event") & pl.col("day_high").is_null()
    ended = unshown & pl.col("ends").is_not_null() & (pl.col("ends") <= until).fill_null(value=True)
    return frame.select(
        "participant_id",
        low_status=pl.when(early).then(pl.lit("event")).otherwise("status"),
        low_day=pl.when(early).then("day_low").otherwise("day"),
        high_status=pl.when(ended)
        .then(pl.lit("competing"))
        .when(unshown)
        .then(pl.lit("censored"))
        .otherwise("status"),
        high_day=pl.when(ended)
        .then("ends")
        .when(unshown)
        .then(pl.min_horizontal(pl.max_horizontal("day", "could"), until))
        .when(pl.col("status") == "event")
        .then("day_high")
        .otherwise("day"),
    )


def _last_begin(context: Context, anchor: str, last: pl.DataFrame, rule: RunRule) -> pl.DataFrame:
    """Give `p`, `could`: the last day of a draw from which the draws could have shown a run."""
    far = pl.lit(value=False) if not rule.gap else pl.col("day").diff().over("p") > rule.gap
    stretch = ["p", "stretch"]
    return (
        context.dated("measurements", anchor)
        .join(last, on="p")
        .filter(pl.col("day").is_between(0, pl.col("last")))
        .select("p", "day")
        .unique()
        .sort("p", "day")
        .with_columns(far=far.fill_null(value=False).cast(pl.Int32))
        .with_columns(stretch=pl.col("far").cum_sum().over("p"))
        .filter(
            pl.len().over(stretch) - pl.int_range(pl.len()).over(stretch) >= rule.values,
            pl.col("day").max().over(stretch) - pl.col("day") >= rule.span,
        )
        .group_by("p")
        .agg(could=pl.col("day").max())
    )
