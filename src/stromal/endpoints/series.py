"""From measurements and transfusions to series of (day, status) that the kernels read.

One row a participant and day. A day's status is

1. `FAIL` where a count of the day fails its rule, or another analyte of the same blood bounds it
   (neutrophils never exceed leucocytes), or a transfusion covers the day;
2. `PASS` where a count of the day meets its rule;
3. `UNKNOWN` where a draw is missing or tells nothing: another analyte was measured on that day, a
   planned draw was not taken, a bound such as "<38.5" leaves the question open, or the transfusion
   log does not cover the days the rule asks about.

Days without any row are days on which nothing was planned or measured.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from stromal.endpoints.kernels import FAIL, PASS, UNKNOWN
from stromal.protocol.rules import CountRule, WithoutTransfusion

if TYPE_CHECKING:
    from stromal.endpoints.context import Context
    from stromal.endpoints.kernels import Days, Ints, Statuses, Values

__all__ = ["Series", "build_series"]

_BLOOD = ("ANC", "PLT", "Hb", "WBC", "ARC", "ALC")


@dataclass(frozen=True)
class Series:
    """Rows of all participants, sorted by participant and day, and their offsets.

    `rows` has `p` (participant's index in the context), `day` (from the endpoint's anchor),
    `status`, `height` (the single count, NaN for compound rules), `below` (1 where the count itself
    fails), `records` (ids of the counts of the day), `reason` (why the status is what it is).
    """

    rows: pl.DataFrame
    offsets: Ints

    @property
    def day(self) -> Days:
        """Day of each row."""
        return self.rows["day"].to_numpy()

    @property
    def status(self) -> Statuses:
        """Status of each row."""
        return self.rows["status"].to_numpy()

    @property
    def height(self) -> Values:
        """Count of each row, NaN where it has none."""
        return self.rows["height"].to_numpy()

    @property
    def below(self) -> Statuses:
        """1 where the day's count itself fails the rule."""
        return self.rows["below"].to_numpy()


def build_series(
    counts: list[CountRule], lines: int, context: Context, anchor: str, last: pl.DataFrame
) -> Series:
    """Build the series of a rule of one or several counts.

    Parameters
    ----------
    counts
        The counts and their rules.
    lines
        How many of them must hold on the same day.
    context
        Records, anchors and planned draws.
    anchor
        The anchor from which days count; participants without it have no rows.
    last
        `p`, `last`: the last day that is read for each participant (a competing event, the end of
        what is recorded).
    """
    parts = [_one_count(rule, context, anchor) for rule in counts]
    days = pl.concat(parts)
    rows = days.group_by("p", "day").agg(
        passing=(pl.col("status") == PASS).sum(),
        failing=(pl.col("status") == FAIL).sum(),
        height=pl.col("height").first() if len(counts) == 1 else pl.lit(None, pl.Float64).first(),
        below=pl.col("below").max(),
        records=pl.col("record_id").drop_nulls(),
        reason=pl.col("reason").str.join("; "),
    )
    status = (
        pl.when(pl.col("passing") >= lines)
        .then(PASS)
        .when(len(counts) - pl.col("failing").cast(pl.Int32) < lines)
        .then(FAIL)
        .otherwise(UNKNOWN)
        .cast(pl.Int8)
    )
    rows = (
        rows.join(last, on="p", how="inner")
        .filter((pl.col("day") >= 0) & (pl.col("day") <= pl.col("last")))
        .with_columns(status=status, height=pl.col("height").fill_null(float("nan")))
        .select("p", "day", "status", "height", "below", "records", "reason")
        .sort("p", "day")
    )
    offsets = np.searchsorted(rows["p"].to_numpy(), np.arange(context.size + 1)).astype(np.int64)
    return Series(rows, offsets)


def _one_count(rule: CountRule, context: Context, anchor: str) -> pl.DataFrame:
    """Build one count's rows: at most one a participant and day, status of that count alone."""
    values = _values(rule, context, anchor)
    others = _other_days(rule, context, anchor).join(values, on=["p", "day"], how="anti")
    rows = pl.concat([values, others], how="diagonal")
    planned = context.planned_draws(rule.analyte, anchor)
    missed = planned.join(rows, on=["p", "day"], how="anti").with_columns(
        status=pl.lit(UNKNOWN, pl.Int8), reason=pl.lit(f"{rule.analyte} planned, not drawn")
    )
    rows = pl.concat([rows, missed], how="diagonal")
    if rule.without_transfusion is not None:
        rows = _under_transfusions(rows, rule.without_transfusion, context, anchor)
    return rows.with_columns(pl.col("below").fill_null(0)).select(
        "p", "day", "status", "height", "below", "record_id", "reason"
    )


def _values(rule: CountRule, context: Context, anchor: str) -> pl.DataFrame:
    """Give the day's count (the lowest of several) and whether it meets the rule."""
    counts = (
        context.dated("measurements", anchor)
        .filter(pl.col("analyte") == rule.analyte)
        .sort("p", "day", "high", "low", "record_id")
        .unique(["p", "day"], keep="first", maintain_order=True)
    )
    status = _compare(rule)
    return counts.select(
        "p",
        "day",
        status.alias("status"),
        pl.when(status != UNKNOWN).then(pl.col("high")).alias("height"),
        (status == FAIL).cast(pl.Int8).alias("below"),
        "record_id",
        pl.format("{} {}", pl.lit(rule.analyte), _shown()).alias("reason"),
    )


def _shown() -> pl.Expr:
    """Show a count, or the text it was given as where it is only a bound."""
    return pl.coalesce(pl.col("value").cast(pl.String).str.strip_suffix(".0"), pl.col("as_read"))


def _compare(rule: CountRule) -> pl.Expr:
    """Compare a count, or the bounds within which it lies, with the rule."""
    low, high = pl.col("low"), pl.col("high")
    under = pl.col("censored") == "<"
    over = pl.col("censored") == ">"
    sure: list[pl.Expr] = []
    never: list[pl.Expr] = []
    for name, strict in (("at_least", False), ("above", True)):
        bound = rule.in_unit(name)  # type: ignore[arg-type]
        if bound is not None:
            beyond = (low > bound) | ((low == bound) & over)
            sure.append(beyond if strict else beyond | (low == bound))
            short = (high < bound) | ((high == bound) & under)
            never.append(short | (high == bound) if strict else short)
    for name, strict in (("at_most", False), ("below", True)):
        bound = rule.in_unit(name)  # type: ignore[arg-type]
        if bound is not None:
            short = (high < bound) | ((high == bound) & under)
            sure.append(short if strict else short | (high == bound))
            beyond = (low > bound) | ((low == bound) & over)
            never.append(beyond | (low == bound) if strict else beyond)
    return (
        pl.when(pl.all_horizontal([part.fill_null(value=False) for part in sure]))
        .then(PASS)
        .when(pl.any_horizontal([part.fill_null(value=False) for part in never]))
        .then(FAIL)
        .otherwise(UNKNOWN)
        .cast(pl.Int8)
    )


def _other_days(rule: CountRule, context: Context, anchor: str) -> pl.DataFrame:
    """Give the days on which another analyte of the blood was measured.

    Leucocytes bound neutrophils and lymphocytes from above: where they already fail a rule that
    asks for a high enough count, the missing count fails too.
    """
    others = context.dated("measurements", anchor).filter(
        pl.col("analyte").is_in(_BLOOD) & (pl.col("analyte") != rule.analyte)
    )
    bounded = rule.analyte in {"ANC", "ALC"} and rule.rises
    fails = (pl.col("analyte") == "WBC") & (_compare(rule) == FAIL) & pl.lit(bounded)
    return (
        others.with_columns(fails=fails)
        .sort("p", "day", "fails", "record_id", descending=[False, False, True, False])
        .unique(["p", "day"], keep="first", maintain_order=True)
        .select(
            "p",
            "day",
            pl.when("fails").then(FAIL).otherwise(UNKNOWN).cast(pl.Int8).alias("status"),
            pl.when("fails").then("record_id").alias("record_id"),
            pl.when("fails")
            .then(pl.format("{} at most the leucocytes, {}", pl.lit(rule.analyte), _shown()))
            .otherwise(pl.format("{} not measured", pl.lit(rule.analyte)))
            .alias("reason"),
        )
    )


def _under_transfusions(
    rows: pl.DataFrame, rule: WithoutTransfusion, context: Context, anchor: str
) -> pl.DataFrame:
    """Make every day that a transfusion covers a failing day, and unlogged days unknown.

    `before`: the day of the transfusion (day 0) to day `for - 1`. `during`: the day alone.
    """
    length = 1 if rule.for_ is None else int(rule.for_)
    given = (
        context.dated("transfusions", anchor)
        .filter(pl.col("product") == rule.product)
        .select("p", "day", transfused="day")
        .unique()
    )
    covered = (
        given.with_columns(pl.int_ranges("day", pl.col("day") + length).alias("day"))
        .explode("day")
        .group_by("p", pl.col("day").cast(pl.Int32))
        .agg(pl.col("transfused").max())
    )
    name = rule.product.replace("_", " ")
    rows = rows.join(covered, on=["p", "day"], how="full", coalesce=True)
    hit = pl.col("transfused").is_not_null()
    told = pl.format("{} transfused on day {}", pl.lit(name), "transfused")
    rows = rows.with_columns(
        status=pl.when(hit).then(FAIL).otherwise("status").cast(pl.Int8),
        reason=pl.when(hit & pl.col("reason").is_not_null())
        .then(pl.format("{}, {}", "reason", told))
        .when(hit)
        .then(told)
        .otherwise("reason"),
    )
    unknown = context.uncovered("transfusions", anchor, length)
    if unknown.is_empty():
        return rows.drop("transfused")
    return (
        rows.join(unknown.with_columns(unlogged=pl.lit(value=True)), on=["p", "day"], how="left")
        .with_columns(
            status=pl.when(pl.col("unlogged") & (pl.col("status") == PASS))
            .then(UNKNOWN)
            .otherwise("status")
            .cast(pl.Int8),
            reason=pl.when(pl.col("unlogged") & (pl.col("status") == PASS))
            .then(pl.format("{}, transfusions not logged", "reason"))
            .otherwise("reason"),
        )
        .drop("transfused", "unlogged")
    )
