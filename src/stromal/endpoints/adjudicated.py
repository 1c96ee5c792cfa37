"""Verdicts that people gave: read, completed by the protocol's choices, never re-derived."""

from __future__ import annotations

import polars as pl

from stromal.endpoints.assessed import NOT_DUE, absent
from stromal.endpoints.context import DIED_BEFORE, NO_VERDICT, Context, derived_frame
from stromal.endpoints.outcome import TIME_STATUSES
from stromal.protocol.endpoints import AdjudicatedEndpoint

__all__ = ["derive_adjudicated"]


def derive_adjudicated(context: Context, name: str, endpoint: AdjudicatedEndpoint) -> pl.DataFrame:
    """Read an endpoint's verdicts from the adjudications table, one row a participant.

    1. Verdicts on the endpoint that agree are one verdict, on the earliest of their days; verdicts
       of several assessors that do not agree leave the participant `not_evaluable` until one is
       reached.
    2. A response without a verdict follows the protocol's choices for a missing assessment and for
       death; who is not yet due is `not_evaluable`. A verdict without a day is read all the same.
    3. A time to event without a verdict, or whose verdict has no day, is `not_evaluable`: silence
       does not say that the event had not happened. Neither is one that lies before the anchor. Of
       a response people may say the status `not_evaluable` or `not_applicable` and no level.
    4. What people judged cannot come after what ends the time observed. A recorded event of
       `competing` before the day of the verdict, or on the day up to which people saw nothing
       (`censored`), makes the row `competing` on its day; an event on the same day comes first.
       Where death is not among `competing`, an event or a competing event judged to lie after death
       is `not_evaluable`, and who was seen without the event until after death is censored on the
       day of death.
    5. A verdict later than `until` is `censored` on that day.

    Returns
    -------
    polars.DataFrame
        The columns of `stromal.endpoints.outcome.DERIVED_COLUMNS`.
    """
    verdicts = _verdicts(context, name, endpoint)
    frame = context.anchor(endpoint.from_).join(verdicts, on="p", how="left")
    frame = frame.with_columns(aside=pl.lit(None, pl.String))
    if endpoint.assessed is None:
        frame = frame.with_columns(died=pl.lit(value=False), not_due=pl.lit(value=False))
        without = {"missing": "not_evaluable", "death": "not_evaluable"}
    else:
        frame = frame.join(absent(context, endpoint.assessed), on="p")
        levels = endpoint.adjudicated.levels or []
        without = {
            "missing": levels[-1]
            if endpoint.assessed.missing == "no response"
            else "not_evaluable",
            "death": levels[-1] if endpoint.assessed.death == "no response" else "not_evaluable",
        }
    if endpoint.adjudicated.levels is None:
        frame = _in_time(_in_lifetime(frame, context, endpoint), endpoint.until)
    rows = _completed(frame, without)
    rule = endpoint.adjudicated
    said = f"adjudicated: {rule.definition or rule.title or rule.criteria}"
    return derived_frame(context, name, said, rows)


def _verdicts(context: Context, name: str, endpoint: AdjudicatedEndpoint) -> pl.DataFrame:
    """Give each participant's verdict: `p`, `verdict`, `day`, `verdicts` (how many differ), ids."""
    word = (
        pl.col("status") if endpoint.adjudicated.levels is None else pl.coalesce("level", "status")
    )
    has_cause = "cause" in context.records["adjudications"].columns
    return (
        context.dated("adjudications", endpoint.from_, undated=True)
        .filter(pl.col("endpoint") == name)
        .sort("p", "day", "record_id", nulls_last=True)
        .group_by("p", maintain_order=True)
        .agg(
            verdict=word.first(),
            verdicts=word.n_unique(),
            day=pl.col("day").first(),
            because=pl.col("record_id"),
            assessor=pl.col("assessor").unique().sort().drop_nulls().str.join(", "),
            basis=pl.col("basis").drop_nulls().first(),
            stated_cause=(
                pl.col("cause").first() if has_cause else pl.lit(None, pl.String).first()
            ),
        )
    )


def _in_lifetime(
    frame: pl.DataFrame, context: Context, endpoint: AdjudicatedEndpoint
) -> pl.DataFrame:
    """Let what ends the time observed come before a later verdict; `aside` says why.

    A verdict of several that differ is left: it is not evaluable whatever was recorded.
    """
    ends = context.first_events(endpoint.competing, endpoint.from_)
    deaths = context.last_days(endpoint.from_).select("p", "death")
    frame = frame.join(
        ends.select("p", end_day="day", end_id="record_id", end_name="name"), on="p", how="left"
    ).join(deaths, on="p", how="left")
    told = pl.col("verdict").is_in(TIME_STATUSES) & pl.col("day").is_not_null()
    told = (told & (pl.col("verdicts") == 1)).fill_null(value=False)
    seen_until = pl.col("verdict") == "censored"
    ended = told & (pl.col("end_day") < pl.col("day") + seen_until.cast(pl.Int32))
    ended = ended.fill_null(value=False)
    dead = told & ~ended & (pl.col("death") < pl.col("day")).fill_null(value=False)
    name = pl.col("end_name").str.replace_all("_", " ")
    later = pl.format("; the verdict ({} on day {}) lies after it and is not used.",
                      "verdict", "day")  # fmt: skip
    until = pl.when(seen_until).then(pl.lit(", without the event before.")).otherwise(later)
    return frame.with_columns(
        aside=pl.when(ended)
        .then(pl.concat_str(pl.format("{} on day {}", name, "end_day"), until))
        .when(dead)
        .then(
            pl.when(seen_until)
            .then(pl.format("No event by death on day {}.", "death"))
            .otherwise(pl.concat_str(pl.format("Death on day {}", "death"), later))
        ),
        stated_cause=pl.when(ended)
        .then("end_name")
        .when(dead & seen_until)
        .then(pl.lit("death"))
        .when(dead)
        .then(pl.lit("the verdict lies after death"))
        .otherwise("stated_cause"),
        because=pl.when(ended).then(pl.concat_list("end_id")).otherwise("because"),
        verdict=pl.when(ended)
        .then(pl.lit("competing"))
        .when(dead & ~seen_until)
        .then(pl.lit("not_evaluable"))
        .otherwise("verdict"),
        day=pl.when(ended)
        .then("end_day")
        .when(dead & seen_until)
        .then("death")
        .when(~dead)
        .then("day"),
    )


def _in_time(frame: pl.DataFrame, until: int | None) -> pl.DataFrame:
    """Judge verdicts on a time to event by their days: none is not evaluable, a late one censored.

    Who is `not_applicable` or `not_evaluable` needs no day.
    """
    timed = pl.col("verdict").is_in(TIME_STATUSES)
    undated = timed & pl.col("day").is_null()
    early = timed & (pl.col("day") < 0).fill_null(value=False)
    late = timed & (pl.col("day") > pl.lit(until, pl.Int32)).fill_null(value=False)
    before = pl.format(
        "The verdict ({} on day {}) lies before the anchor and is not used.", "verdict", "day"
    )
    frame = frame.with_columns(aside=pl.when(early).then(before).when(~late).then("aside"))
    return frame.with_columns(
        verdict=pl.when(undated | early)
        .then(pl.lit("not_evaluable"))
        .when(late)
        .then(pl.lit("censored"))
        .otherwise("verdict"),
        stated_cause=pl.when(undated)
        .then(pl.lit("the verdict has no day"))
        .when(early)
        .then(pl.lit("the verdict lies before the anchor"))
        .when(late)
        .then(pl.lit("end of the time observed"))
        .otherwise("stated_cause"),
        day=pl.when(late).then(pl.lit(until, pl.Int32)).when(~early).then("day"),
    )


def _completed(frame: pl.DataFrame, without: dict[str, str]) -> pl.DataFrame:
    """Complete verdicts by what the protocol says of their absence."""
    known = pl.col("anchor_day").is_not_null()
    split = pl.col("verdicts") > 1
    status = (
        pl.when(~known)
        .then(pl.lit("not_applicable"))
        .when(split)
        .then(pl.lit("not_evaluable"))
        .when(pl.col("verdict").is_not_null())
        .then("verdict")
        .when("died")
        .then(pl.lit(without["death"]))
        .when("not_due")
        .then(pl.lit("not_evaluable"))
        .otherwise(pl.lit(without["missing"]))
    )
    cause = (
        pl.when(~known)
        .then(pl.lit("anchor did not happen"))
        .when(split)
        .then(pl.lit("assessors disagree"))
        .when(pl.col("verdict").is_not_null())
        .then("stated_cause")
        .when("died")
        .then(pl.lit(DIED_BEFORE))
        .when("not_due")
        .then(pl.lit(NOT_DUE))
        .otherwise(pl.lit(NO_VERDICT))
    )
    by = pl.when(pl.col("assessor") != "").then(pl.format(" by {}", "assessor")).otherwise(
        pl.lit("")
    )  # fmt: skip
    basis = pl.when(pl.col("basis").is_null()).then(pl.lit("")).otherwise(
        pl.format(", {}", "basis")
    )  # fmt: skip
    return frame.with_columns(
        status=status,
        cause=cause,
        day=pl.when(~split.fill_null(value=False)).then("day"),
        note=pl.when(pl.col("aside").is_not_null())
        .then(
            pl.concat_str(
                pl.col("aside").str.slice(0, 1).str.to_uppercase(), pl.col("aside").str.slice(1)
            )
        )
        .when(pl.col("verdict").is_not_null() & ~split)
        .then(pl.format("{}{}{}.", "verdict", by, basis))
        .otherwise(pl.format("{}.", cause)),
        day_low=pl.lit(None, pl.Int32),
        day_high=pl.lit(None, pl.Int32),
    ).select("p", "anchor_day", "status", "day", "day_low", "day_high", "cause", "because", "note")
