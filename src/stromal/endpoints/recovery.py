"""Recovery of blood counts: the first run at the threshold, after the nadir."""

from __future__ import annotations

import numpy as np
import polars as pl

from stromal.endpoints.columns import Columns, Inputs, gather_columns, rows_at_most
from stromal.endpoints.context import Context, derived_frame
from stromal.endpoints.days_kernels import LAST_DAY, NO_START, NONE, Ints, room_for
from stromal.endpoints.kernels import Found, room_for_found
from stromal.endpoints.recovery_kernels import Nadirs, recover_all, room_for_nadirs
from stromal.endpoints.runs import (
    Start,
    can_be_shown,
    compile_run,
    decide_runs,
    describe_count,
    reading_limit,
)
from stromal.endpoints.series import Series, build_series
from stromal.protocol.endpoints import Recovery, RecoveryEndpoint
from stromal.protocol.rules import NadirRule

__all__ = [
    "FEWEST_FOR_LOSS",
    "LONGEST_GAP",
    "derive_recovery",
    "recovery_series",
    "search_recovery",
    "start_of",
    "within_of",
]

LONGEST_GAP = 2
"""Most days in a row without a count that still show that counts never fell (our choice).

Three draws a week leave a weekend of two days; a fall of two days was seen between draws that lay
three days apart in a real series.
"""
FEWEST_FOR_LOSS = 3
"""Fewest low, and then high, counts after which a fall is a loss and not the nadir (our choice)."""


def recovery_series(context: Context, endpoint: RecoveryEndpoint) -> tuple[Series, pl.DataFrame]:
    """Build the series that a recovery is read from, and the competing events."""
    events, last = reading_limit(context, endpoint.from_, endpoint.competing, [endpoint.recovery])
    return build_series([endpoint.recovery], 1, context, endpoint.from_, last), events


def derive_recovery(context: Context, name: str, endpoint: RecoveryEndpoint) -> pl.DataFrame:
    """Derive the time from the anchor to recovery of a count, for every participant.

    1. Day 0 is the anchor. Counts before it, after the first competing event or death, and (where
       the rule asks about transfusions) after `complete_until` are not read. Of several counts on
       a day the lowest is used.
    2. With `after: {nadir_within: N}` the nadir is the last of the lowest counts of days 0 to N.
       Where as many counts as the run needs, and at least `FEWEST_FOR_LOSS`, were below the
       threshold and as many in a row at or above it, what falls later is a loss after recovery and
       is not the nadir.
    3. No count in that time: `not_evaluable`. Counts, none below the threshold and (where the rule
       asks about transfusions) none transfused: `not_applicable`, where no more than `LONGEST_GAP`
       days in a row of that time are without a count; with a longer gap a fall may have gone
       unseen, and where transfusions were not logged throughout one may have been given:
       `not_evaluable`.
    4. The event is the first day of the first run after the nadir; see `derive_runs` for competing
       events, censoring and the two bounds.

    Returns
    -------
    polars.DataFrame
        The columns of `stromal.endpoints.outcome.DERIVED_COLUMNS`, one row a participant.

    References
    ----------
    Stands with the definition (`protocol.endpoints.Recovery.sources`). That the nadir is the last
    of the lowest counts follows from the first worked platelet example of the CIBMTR manual.
    """
    rule = endpoint.recovery
    events, last = reading_limit(context, endpoint.from_, endpoint.competing, [rule])
    columns = gather_columns(rule, context, endpoint.from_, last)
    found, nadirs = room_for_found(context.size), room_for_nadirs(context.size)
    sources, offsets = search_recovery(columns.inputs, rule, endpoint.until, found, nadirs)
    rows = decide_runs(
        found,
        _deciding(columns, sources, offsets),
        rule,
        start_of(rule, nadirs, _unlogged(nadirs, endpoint, context), _shown(columns, nadirs)),
        context.anchor(endpoint.from_),
        competing=events,
        until=endpoint.until,
        earliest=0,
        planned=can_be_shown(rule, context, [rule.analyte]),
        said=describe_count(rule),
        asked=rule.asked_table or "",
    )
    return derived_frame(context, name, rule.definition or rule.title or "spelled out", rows)


def search_recovery(
    inputs: Inputs, rule: Recovery, until: int | None, found: Found, nadirs: Nadirs
) -> tuple[Ints, Ints]:
    """Run the kernel of recovery over sorted columns; see `recover_all` for what it gives."""
    return recover_all(
        *inputs,
        compile_run(rule),
        within_of(rule),
        max(rule.values, FEWEST_FOR_LOSS),
        LAST_DAY if until is None else int(until),
        room_for(int(rows_at_most(inputs).max(initial=0))),
        found,
        nadirs,
    )


def within_of(rule: Recovery) -> int:
    """Give the last day on which the nadir is looked for; -1 where the search begins before."""
    return int(rule.after.nadir_within) if isinstance(rule.after, NadirRule) else -1


def _deciding(columns: Columns, sources: Ints, offsets: Ints) -> pl.Series:
    """List the record ids of every participant's run; null where there is none."""
    counts = np.diff(offsets)
    ids = columns.record_ids(sources)
    owner = np.repeat(np.arange(counts.size), counts)
    lists = pl.DataFrame({"p": owner, "id": ids}).group_by("p", maintain_order=True).agg("id")
    return (
        pl.DataFrame({"p": np.arange(counts.size)})
        .join(lists, on="p", how="left", maintain_order="left")["id"]
        .cast(pl.List(pl.String))
    )


def start_of(rule: Recovery, nadirs: Nadirs, unlogged: pl.Series, shown: pl.Series) -> Start:
    """Say where each participant's search began: at the anchor, or on the day after the nadir.

    `unlogged` says of whom transfusions went unlogged before the last count, `shown` the nadir's
    count in words.
    """
    within = within_of(rule)
    if within < 0:
        empty = pl.Series([None] * nadirs.day.size, dtype=pl.String)
        return Start(np.zeros(nadirs.day.size, np.int32), empty.fill_null(""), empty, empty)
    frame = pl.DataFrame(nadirs._asdict()).with_columns(
        pl.when(pl.col("day") != NONE).then("day").alias("day")
    )
    told = rule.without_transfusion is not None
    never = (pl.col("below") == 0) & ((pl.col("transfused") == 0) | pl.lit(not told))
    frame = frame.with_columns(
        never=pl.when(pl.col("day").is_not_null()).then(never),
        unlogged=unlogged,
        shown=shown,
    )
    frame = _judge_nadir(frame, within)
    day = np.where(nadirs.day == NONE, NO_START, nadirs.day + 1).astype(np.int32)
    return Start(day, frame["told"], frame["excluded"], frame["reason"])


def _shown(columns: Columns, nadirs: Nadirs) -> pl.Series:
    """Say each nadir's count as it was reported, or as what the leucocytes leave of it."""
    told = pl.DataFrame({"shown": columns.shown(nadirs.source), "source": nadirs.source})
    bound = pl.format("at most {} (the leucocytes)", "shown")
    return told.select(pl.when(pl.col("source") < -1).then(bound).otherwise("shown")).to_series()


def _judge_nadir(frame: pl.DataFrame, within: int) -> pl.DataFrame:
    """Say who has a nadir to recover from: `day`, `excluded`, `reason`, `told`."""
    unseen = pl.col("day").is_null()
    sparse = pl.col("never") & (pl.col("gap") > LONGEST_GAP)
    unlogged = pl.col("never") & pl.col("unlogged")
    return frame.select(
        "day",
        excluded=pl.when(unseen | sparse | unlogged)
        .then(pl.lit("not_evaluable"))
        .when("never")
        .then(pl.lit("not_applicable")),
        reason=pl.when(unseen)
        .then(pl.lit("no nadir was measured"))
        .when(sparse)
        .then(pl.lit("too few counts to show a fall"))
        .when(unlogged)
        .then(pl.lit("transfusions were not logged"))
        .when("never")
        .then(pl.lit("never below the threshold")),
        told=pl.when(unseen)
        .then(pl.lit(f"No count on days 0 to {within} shows the nadir"))
        .when(sparse)
        .then(
            pl.format(
                "No count of days 0 to {} is below the threshold, but {} days in a row are "
                "without a count: a fall may have gone unseen{}",
                pl.lit(within), "gap",
                pl.when(unlogged)
                .then(pl.lit("; nor were transfusions logged throughout"))
                .otherwise(pl.lit("")),
            )
        )
        .when(unlogged)
        .then(
            pl.lit(
                f"No count of days 0 to {within} is below the threshold, but transfusions were "
                "not logged throughout"
            )
        )
        .when("never")
        .then(
            pl.format(
                "Never below the threshold: the lowest count of days 0 to {} was {} on day {}",
                pl.lit(within), "shown", "day",
            )
        )
        .otherwise(pl.format("nadir {} on day {}", "shown", "day")),
    )  # fmt: skip


def _unlogged(nadirs: Nadirs, endpoint: RecoveryEndpoint, context: Context) -> pl.Series:
    """Say for each participant whether transfusions went unlogged on days up to the last count."""
    rule = endpoint.recovery
    within = within_of(rule)
    if rule.without_transfusion is None or within < 0:
        return pl.Series(np.zeros(context.size, dtype=bool))
    seen = context.participants.select("p", seen=pl.Series(nadirs.counted))
    holes = context.uncovered("transfusions", endpoint.from_, 1).join(seen, on="p")
    holes = holes.filter(pl.col("day").is_between(0, pl.min_horizontal("seen", pl.lit(within))))
    return context.participants["p"].is_in(holes["p"].unique().implode())
