"""Graded endpoints: each day's assessment graded, and the worst grade of each participant."""

from __future__ import annotations

import polars as pl

from stromal.endpoints.context import Context, derived_frame
from stromal.endpoints.graded_items import assessed_days
from stromal.endpoints.grading import grade
from stromal.protocol.endpoints import GradedEndpoint

__all__ = ["derive_graded", "explained_days", "graded_days", "graded_table", "worst_grades"]

_NO_ASSESSMENT = "no assessment"


def graded_days(context: Context, endpoint: GradedEndpoint) -> pl.DataFrame:
    """Grade each day of assessment from the anchor on.

    1. A day is one from the anchor to `until` on which any item of the definition was assessed or
       measured. Its items are the latest values of that day and the `within` days before it. A day
       whose values all stand in the next day's assessment is the beginning of that one.
    2. A count is the lowest of its day. Values of an item that differ on one day are no value.
    3. The definition grades the items (`stromal.endpoints.grading.grade`).

    Returns
    -------
    polars.DataFrame
        `p`, `day` (from the endpoint's anchor), `grade` (null where it is not decided), `could_be`
        (the grades it could be; empty where no case of the definition covers the day), `unknown`
        (what was not recorded and could decide), `records` (ids of what was read), `covered`,
        `contradicts` (stages recorded otherwise than their items say), `differing` (items with
        several values on one day); sorted by participant and day.

    Raises
    ------
    RecordError
        A value is no word or number of its item, or a number has no unit where it needs one.
    """
    return graded_table(context, endpoint).select(
        "p", "day", "grade", "could_be", "unknown", "records", "covered", "contradicts", "differing"
    )


def graded_table(context: Context, endpoint: GradedEndpoint) -> pl.DataFrame:
    """Give the graded days with all items, numbers and steps of the definition."""
    return context.kept(
        "graded",
        endpoint.model_dump_json(),
        lambda known, _: grade(assessed_days(known, endpoint), endpoint.graded).sort("p", "day"),
    )


def derive_graded(context: Context, name: str, endpoint: GradedEndpoint) -> pl.DataFrame:
    """Derive the worst grade of each participant, from the anchor to `until`.

    1. Each day of assessment is graded (`graded_days`).
    2. The status is the worst grade that a day surely has, if no other day could be worse; `day` is
       the first day of that grade, `because` what was read for it, and `day_low` the first day that
       could have had it.
    3. Where a day could be worse the participant is `not_evaluable`, and `cause` names the grades
       that are possible. A day that no case of the definition covers could be any grade.
    4. Without assessment: `not_evaluable`. Without the anchor: `not_applicable`.

    Returns
    -------
    polars.DataFrame
        The columns of `stromal.endpoints.outcome.DERIVED_COLUMNS`, one row a participant.

    References
    ----------
    Stands with the definition (`protocol.grading.Grading.sources`).
    """
    days = graded_days(context, endpoint)
    worst = worst_grades(days, endpoint.graded.grades)
    frame = context.anchor(endpoint.from_).join(worst, on="p", how="left")
    known, seen = pl.col("anchor_day").is_not_null(), pl.col("days").is_not_null()
    rows = frame.with_columns(
        status=pl.when(~known)
        .then(pl.lit("not_applicable"))
        .when(pl.col("grade").is_null())
        .then(pl.lit("not_evaluable"))
        .otherwise("grade"),
        cause=pl.when(~known)
        .then(pl.lit("anchor did not happen"))
        .when(~seen)
        .then(pl.lit(_NO_ASSESSMENT))
        .when(pl.col("grade").is_null())
        .then(pl.format("grade {}", "possible")),
        note=pl.when(~known)
        .then(pl.lit("The moment from which days count did not happen."))
        .when(~seen)
        .then(pl.lit("Nothing was assessed."))
        .otherwise(_note()),
        because="records",
        day_high="day",
    ).select("p", "anchor_day", "status", "day", "day_low", "day_high", "cause", "because", "note")
    rule = endpoint.graded
    return derived_frame(context, name, rule.definition or rule.title or "spelled out", rows)


def explained_days(context: Context, endpoint: GradedEndpoint) -> pl.DataFrame:
    """Put the graded days into words: what was assessed, the stages, the grade, what is unknown.

    Returns
    -------
    polars.DataFrame
        `part` (empty), `day`, `seen`, `verdict`, `records`.
    """
    grading = endpoint.graded
    rows = graded_table(context, endpoint)

    def told(names: list[str]) -> pl.Expr:
        return pl.concat_str(
            [
                pl.format("{} {}", pl.lit(name.replace("_", " ")), pl.col(name).cast(pl.String))
                for name in names
            ],
            separator=", ",
            ignore_nulls=True,
        )

    items = [name for name, item in grading.items.items() if item.unrecorded is None]
    items += [
        name
        for name, item in grading.items.items()
        if item.unrecorded is not None and (rows[name] != item.unrecorded).any()
    ]
    steps = [name for name in grading.steps if name != grading.result]
    seen = [told(part) for part in (items, steps) if part]
    grade_ = pl.when(pl.col("grade").is_not_null()).then(pl.format("grade {}", "grade"))
    could = pl.when(pl.col("could_be").list.len() > 0).then(
        pl.format("grade {} ({})", pl.col("could_be").list.join(" or "), _lacking())
    ).otherwise(_lacking())  # fmt: skip
    return rows.select(
        pl.lit("").alias("part"),
        "day",
        pl.concat_str(
            [pl.when(part != "").then(part) for part in seen],
            separator="; ",
            ignore_nulls=True,
        ).alias("seen"),
        pl.coalesce(grade_, could).alias("verdict"),
        "records",
    )


def worst_grades(days: pl.DataFrame, grades: list[str]) -> pl.DataFrame:
    """Give the worst grade of each participant's days.

    Parameters
    ----------
    days
        The columns of `graded_days`.
    grades
        The grades of the definition, the worst last.

    Returns
    -------
    polars.DataFrame
        `p`, `grade` (null where a day could be worse than the worst that is sure), `possible` (in
        words), `day`, `day_low`, `records`, `days` (how many), `open_day`, `lacking` (what is not
        known on that first day which could be worse), `opposed` (days on which a recorded stage
        contradicts its items).
    """
    rank = {value: number for number, value in enumerate(grades)}

    def rank_of(value: pl.Expr) -> pl.Expr:
        return value.replace_strict(rank, default=None, return_dtype=pl.Int32)

    ranked = days.with_columns(
        least=pl.when("covered").then(rank_of(pl.col("could_be").list.first())).fill_null(0),
        most=rank_of(pl.col("could_be").list.last()).fill_null(len(grades) - 1),
        could_be=pl.when(pl.col("could_be").list.len() > 0)
        .then("could_be")
        .otherwise(pl.lit(grades, pl.List(pl.String))),
        lacking=_lacking(),
    ).with_columns(floor=pl.col("least").max().over("p"), top=pl.col("most").max().over("p"))
    possible = (
        ranked.select("p", "floor", value="could_be")
        .explode("value")
        .filter(rank_of(pl.col("value")) >= pl.col("floor"))
        .unique()
        .sort("p", rank_of(pl.col("value")))
        .group_by("p", maintain_order=True)
        .agg(possible=pl.col("value").str.join(" or "))
    )
    floor_grade = pl.col("floor").replace_strict(
        dict(enumerate(grades)), default=None, return_dtype=pl.String
    )
    sure = pl.col("floor") == pl.col("top")
    has, could = pl.col("grade") == floor_grade, pl.col("could_be").list.contains(floor_grade)
    open_ = pl.col("most") > pl.col("floor")
    return (
        ranked.sort("p", "day")
        .group_by("p", maintain_order=True)
        .agg(
            grade=pl.when(sure.first()).then(floor_grade.first()),
            day=pl.when(sure.first()).then(pl.col("day").filter(has).first()),
            day_low=pl.when(sure.first()).then(pl.col("day").filter(could).first()),
            records=pl.when(sure.first())
            .then(pl.col("records").filter(has).first())
            .otherwise(pl.col("records").filter(open_).first()),
            days=pl.len(),
            open_day=pl.col("day").filter(open_).first(),
            lacking=pl.col("lacking").filter(open_).first(),
            opposed=pl.col("day").filter(pl.col("contradicts").list.len() > 0),
        )
        .join(possible, on="p", how="left", maintain_order="left")
    )


def _lacking() -> pl.Expr:
    """Say in words why a day is not decided."""

    def some(column: str, before: str) -> pl.Expr:
        return pl.when(pl.col(column).list.len() > 0).then(
            pl.format(before + "{}", pl.col(column).list.join(", ").str.replace_all("_", " "))
        )

    said = pl.concat_str(
        some("unknown", "not recorded: "),
        some("differing", "several values on one day: "),
        some("contradicts", "recorded otherwise than the items say: "),
        separator="; ",
        ignore_nulls=True,
    )
    return pl.when(said != "").then(said).otherwise(
        pl.lit("no case of the definition covers what was recorded")
    )  # fmt: skip


def _note() -> pl.Expr:
    """Say in a sentence what the worst grade is, or why there is none."""
    several = pl.when(pl.col("days") > 1).then(
        pl.format(", the worst of {} days of assessment", "days")
    ).otherwise(pl.lit(""))  # fmt: skip
    opposed = pl.when(pl.col("opposed").list.len() > 0).then(
        pl.format(
            " A recorded stage contradicts its items on day {}.",
            pl.col("opposed").cast(pl.List(pl.String)).list.join(", "),
        )
    ).otherwise(pl.lit(""))  # fmt: skip
    decided = pl.format("Grade {}, first on day {}{}.{}", "grade", "day", several, opposed)
    undecided = pl.format(
        "Grade {}, not decided on day {} ({}).{}", "possible", "open_day", "lacking", opposed
    )
    return pl.when(pl.col("grade").is_not_null()).then(decided).otherwise(undecided)
