"""Who may enter: every criterion judged, and the verdict with the criteria that decided it."""

from __future__ import annotations

import polars as pl

from stromal.endpoints.context import Context
from stromal.endpoints.criteria import judge_rule
from stromal.protocol.eligibility import Criterion

__all__ = ["CRITERION_COLUMNS", "SCREENING_COLUMNS", "screen", "screen_criteria"]

CRITERION_COLUMNS: dict[str, pl.DataType] = {
    "participant_id": pl.String(),
    "criterion": pl.String(),
    "kind": pl.String(),
    "how": pl.String(),
    "judged": pl.String(),
    "weighs": pl.Boolean(),
    "detail": pl.String(),
    "by": pl.String(),
    "day": pl.Int32(),
    "date": pl.Date(),
}
"""Columns of the judged criteria; see `screen_criteria`."""

SCREENING_COLUMNS: dict[str, pl.DataType] = {
    "participant_id": pl.String(),
    "verdict": pl.String(),
    "decided_by": pl.List(pl.String()),
    "note": pl.String(),
}
"""Columns of the verdicts; see `screen`."""


def screen_criteria(context: Context) -> pl.DataFrame:
    """Judge every criterion of the protocol for every participant.

    1. A `rule` is judged from the records; see `stromal.endpoints.criteria.judge_rule`.
    2. An attested criterion is what the attestations say of it. Without one it is unknown; where
       they contradict each other it is unknown too, and the detail tells what each says.
    3. A narrative criterion cannot be judged by a machine. An attestation on it judges it as it
       does an attested one. Without one it is left to people: it is unknown and does not weigh in
       the verdict.

    Parameters
    ----------
    context
        Protocol and records, with the endpoints derived that criteria rest on.

    Returns
    -------
    polars.DataFrame
        One row per participant and criterion, in the order of the participants table and of the
        protocol: `participant_id`, `criterion` (its id), `kind` (inclusion or exclusion), `how`
        (rule, attested, narrative), `judged` (`yes`: what the criterion says holds, which excludes
        where it is an exclusion; `no`; `unknown`), `weighs`, `detail`, and for attestations `by`
        (who), `day` from day zero and `date` (the last one's).

    Raises
    ------
    UsageError, UnitError
        See `judge_rule`.
    """
    population = context.protocol.population
    criteria = [
        (kind, criterion)
        for kind, group in (
            ("inclusion", population.inclusion),
            ("exclusion", population.exclusion),
        )
        for criterion in group
    ]
    attested = _attested(context)
    frames = [
        _judged(context, criterion, attested).with_columns(
            criterion=pl.lit(criterion.id), kind=pl.lit(kind), order=pl.lit(order)
        )
        for order, (kind, criterion) in enumerate(criteria)
    ]
    if not frames:
        return pl.DataFrame(schema=CRITERION_COLUMNS)
    return (
        pl.concat(frames, how="diagonal")
        .sort("p", "order")
        .select(pl.col(name).cast(dtype) for name, dtype in CRITERION_COLUMNS.items())
    )


def screen(context: Context) -> pl.DataFrame:
    """Say of every participant whether the protocol lets them enter.

    1. `not eligible`: a criterion of inclusion is judged no, or one of exclusion yes. That holds
       whatever is unknown beside it.
    2. `cannot say`: none of these, and a criterion that weighs is unknown. So it is where nothing
       weighs: no criterion can be judged from the records.
    3. `eligible`: every criterion that weighs is met. Narrative criteria on which nobody attested
       do not weigh; the note says how many are left to people.

    Parameters
    ----------
    context
        Protocol and records, with the endpoints derived that criteria rest on.

    Returns
    -------
    polars.DataFrame
        One row per participant, in the order of their table: `participant_id`, `verdict`,
        `decided_by` (ids of the criteria: all that fail, or all that are unknown; none where the
        participant is eligible), `note`.

    Raises
    ------
    UsageError, UnitError
        See `judge_rule`.
    """
    people = context.participants.select("participant_id")
    rows = screen_criteria(context)
    fails = pl.col("weighs") & (
        ((pl.col("kind") == "inclusion") & (pl.col("judged") == "no"))
        | ((pl.col("kind") == "exclusion") & (pl.col("judged") == "yes"))
    )
    unknown = pl.col("weighs") & (pl.col("judged") == "unknown")
    told = pl.format("{} ({})", "criterion", "detail")
    per = rows.group_by("participant_id", maintain_order=True).agg(
        failing=pl.col("criterion").filter(fails),
        not_met=told.filter(fails & (pl.col("kind") == "inclusion")).str.join(", "),
        excluded_by=told.filter(fails & (pl.col("kind") == "exclusion")).str.join(", "),
        unknown=pl.col("criterion").filter(unknown),
        unknown_told=told.filter(unknown).str.join(", "),
        aside=pl.col("criterion").filter(~pl.col("weighs")),
        weighing=pl.col("weighs").sum(),
        all=pl.len(),
    )
    frame = people.join(per, on="participant_id", how="left", maintain_order="left")
    frame = frame.with_columns(verdict=_verdict()).with_columns(
        decided_by=pl.when(pl.col("verdict") == "not eligible")
        .then("failing")
        .when((pl.col("verdict") == "cannot say") & (pl.col("weighing") == 0))
        .then("aside")
        .otherwise("unknown")
        .fill_null(pl.lit([], pl.List(pl.String))),
        note=_note(),
    )
    return frame.select(pl.col(name).cast(dtype) for name, dtype in SCREENING_COLUMNS.items())


def _verdict() -> pl.Expr:
    """Decide from the criteria that fail and those that are unknown."""
    return (
        pl.when(pl.col("failing").list.len() > 0)
        .then(pl.lit("not eligible"))
        .when((pl.col("weighing") > 0) & (pl.col("unknown").list.len() == 0))
        .then(pl.lit("eligible"))
        .otherwise(pl.lit("cannot say"))
    )


def _note() -> pl.Expr:
    """Say in one sentence what decided."""
    left = pl.col("aside").list.len()
    are = pl.when(left == 1).then(pl.lit("criterion is")).otherwise(pl.lit("criteria are"))
    aside = (
        pl.when(left > 0)
        .then(pl.format("; {} narrative {} left to people", left, are))
        .otherwise(pl.lit(""))
    )
    met = (
        pl.when(pl.col("weighing") == 1)
        .then(pl.lit("Meets the one criterion"))
        .otherwise(pl.format("Meets all {} criteria", "weighing"))
    )
    fails, excludes = pl.col("not_met") != "", pl.col("excluded_by") != ""
    none = pl.lit("")
    not_met = pl.when(fails).then(pl.format("Not met: {}", "not_met")).otherwise(none)
    begins = pl.when(fails).then(pl.lit("; excluded by")).otherwise(pl.lit("Excluded by"))
    excluded_by = pl.when(excludes).then(pl.format("{}: {}", begins, "excluded_by"))
    excluded_by = excluded_by.otherwise(none)
    every = pl.when(left > 0).then(pl.lit(" that can be judged")).otherwise(pl.lit(""))
    return (
        pl.when(pl.col("all").is_null())
        .then(pl.lit("The protocol states no criteria."))
        .when(pl.col("verdict") == "not eligible")
        .then(pl.format("{}{}{}.", not_met, excluded_by, aside))
        .when(pl.col("weighing") == 0)
        .then(pl.format("No criterion can be judged from the records{}.", aside))
        .when(pl.col("verdict") == "cannot say")
        .then(pl.format("Not known: {}{}.", "unknown_told", aside))
        .otherwise(pl.format("{}{}{}.", met, every, aside))
    )


def _judged(context: Context, criterion: Criterion, attested: pl.DataFrame) -> pl.DataFrame:
    """Judge one criterion: `p`, `participant_id`, and the columns it fills."""
    people = context.participants.select("p", "participant_id")
    if criterion.rule is not None:
        judgement = judge_rule(context, criterion.rule)
        return people.with_columns(met=judgement.met, detail=judgement.seen).select(
            "p",
            "participant_id",
            "detail",
            judged=_word(pl.col("met")),
            how=pl.lit("rule"),
            weighs=pl.lit(value=True),
            by=pl.lit(None, pl.String),
            day=pl.lit(None, pl.Int32),
            date=pl.lit(None, pl.Date),
        )
    rows = people.join(
        attested.filter(pl.col("criterion") == criterion.id).drop("criterion"),
        on="participant_id",
        how="left",
        maintain_order="left",
    )
    narrative = criterion.narrative is True
    absent = "left to people" if narrative else "nobody attested it"
    return rows.with_columns(
        judged=pl.col("judged").fill_null("unknown"),
        how=pl.lit("narrative" if narrative else "attested"),
        weighs=pl.lit(not narrative) | pl.col("judged").is_not_null(),
        detail=pl.col("detail").fill_null(absent),
    )


def _word(met: pl.Expr) -> pl.Expr:
    """Write a three-valued judgement as a word."""
    return (
        pl.when(met).then(pl.lit("yes")).when(~met).then(pl.lit("no")).otherwise(pl.lit("unknown"))
    )


def _attested(context: Context) -> pl.DataFrame:
    """Join the attestations on each criterion: what they say, who said it and when."""
    who = pl.when(pl.col("by").is_null()).then(pl.lit("")).otherwise(pl.format(" by {}", "by"))
    when = (
        pl.when(pl.col("date").is_not_null())
        .then(pl.format(" on {}", pl.col("date").cast(pl.String)))
        .when(pl.col("day").is_not_null())
        .then(pl.format(" on day {}", "day"))
        .otherwise(pl.lit(""))
    )
    split = pl.col("value").n_unique() > 1
    return (
        context.records["attestations"]
        .with_columns(told=pl.format("{}{}{} ({})", "value", who, when, "record_id"))
        .sort("participant_id", "criterion", "day", "date", "record_id", nulls_last=True)
        .group_by("participant_id", "criterion", maintain_order=True)
        .agg(
            judged=pl.when(split).then(pl.lit("unknown")).otherwise(pl.col("value").first()),
            detail=pl.when(split)
            .then(pl.format("attestations disagree: {}", pl.col("told").str.join(", ")))
            .otherwise(pl.col("told").str.join(", ")),
            by=pl.col("by").drop_nulls().unique(maintain_order=True).str.join(", "),
            day=pl.col("day").max(),
            date=pl.col("date").max(),
        )
        .with_columns(by=pl.col("by").replace("", None))
    )
