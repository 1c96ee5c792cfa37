"""Which participants an analysis is of, and why the others are not."""

from __future__ import annotations

import polars as pl

from stromal.core import UsageError
from stromal.endpoints.context import Context
from stromal.endpoints.screening import screen
from stromal.protocol.analyses import AnalysisSet

__all__ = ["analysis_set"]


def analysis_set(context: Context, name: str) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Give the members of an analysis set, and those it leaves out with the reason.

    All conditions that the set gives must hold:

    1. `arms`: the participant's planned arm is one of them.
    2. `eligible`: the verdict of screening is `eligible`; `cannot say` is not.
    3. `infused`: at least one infusion of the product was given, completed or not.
    4. `has`: the anchor has a day.
    5. `where`: the column of the participants table has one of the values (numbers are compared as
       numbers).

    What is not recorded excludes, and the reason says so. A participant who fails several
    conditions is excluded once, with all reasons.

    Parameters
    ----------
    context
        Protocol and records, with the endpoints derived that criteria of eligibility rest on.
    name
        The set's name in the protocol.

    Returns
    -------
    members : polars.DataFrame
        `participant_id`, in the order of the participants table.
    excluded : polars.DataFrame
        `participant_id`, `reason`, in the same order.

    Raises
    ------
    UsageError
        The protocol has no set of that name.
    """
    sets = context.protocol.analysis_sets
    if name not in sets:
        raise UsageError(
            f"the protocol has no analysis set `{name}`; it has {', '.join(sorted(sets))}"
        )
    reasons = _reasons(context, sets[name])
    frame = context.participants.select("participant_id").with_columns(reasons)
    failed = [reason.name for reason in reasons]
    joined = pl.concat_str(failed, separator="; ", ignore_nulls=True) if failed else pl.lit("")
    frame = frame.select("participant_id", reason=joined)
    left_out = pl.col("reason") != ""
    return frame.filter(~left_out).select("participant_id"), frame.filter(left_out)


def _reasons(context: Context, chosen: AnalysisSet) -> list[pl.Series]:
    """Give one series of reasons for each condition; null where the condition holds."""
    people = context.participants
    found: list[pl.Series] = []
    if chosen.arms is not None:
        found.append(_unlike(people, "arm", chosen.arms))
    if chosen.eligible:
        verdict = pl.col("verdict")
        found.append(
            screen(context).select(
                pl.when(verdict != "eligible").then(pl.format("{}: {}", verdict, "note"))
            )[:, 0]
        )
    if chosen.infused is not None:
        rows = context.records["infusions"].filter(pl.col("product") == chosen.infused)
        given = pl.col("participant_id").is_in(rows["participant_id"].unique().implode())
        found.append(_told(people, ~given, f"no infusion of {chosen.infused} given"))
    if chosen.has is not None:
        absent = pl.col("anchor_day").is_null()
        words = f"{chosen.has} did not happen or is not recorded"
        found.append(_told(context.anchor(chosen.has), absent, words))
    for column, values in (chosen.where or {}).items():
        found.append(_unlike(people, column, values))
    return [reason.alias(f"reason {i}") for i, reason in enumerate(found)]


def _told(frame: pl.DataFrame, fails: pl.Expr, words: str) -> pl.Series:
    """Say the same of all who fail."""
    return frame.select(pl.when(fails).then(pl.lit(words)))[:, 0]


def _unlike(people: pl.DataFrame, column: str, values: list[str]) -> pl.Series:
    """Say of whom a column has none of the values."""
    if column not in people.columns:
        return pl.Series([f"{column} not recorded"] * people.height, dtype=pl.String)
    held, text = pl.col(column), pl.col(column).cast(pl.String)
    if people.schema[column].is_float():
        text = text.str.strip_suffix(".0")
    if people.schema[column].is_numeric():
        numbers = pl.Series(values, dtype=pl.String).cast(pl.Float64, strict=False).drop_nulls()
        among = held.cast(pl.Float64).is_in(numbers.implode())
    else:
        among = held.cast(pl.String).is_in(values)
    return people.select(
        pl.when(held.is_null())
        .then(pl.lit(f"{column} not recorded"))
        .when(~among)
        .then(pl.format("{} is {}", pl.lit(column), text))
    )[:, 0]
