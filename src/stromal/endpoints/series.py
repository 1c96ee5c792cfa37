"""From measurements and transfusions to series of (day, status) that the kernels read.

One row a participant and day. A day's status is

1. `FAIL` where a count of the day fails its rule, or a transfusion covers the day;
2. `PASS` where a count of the day meets its rule;
3. `UNKNOWN` where a draw is missing or tells nothing: another analyte was measured on that day, a
   planned draw was not taken, or a bound such as "<38.5" leaves the question open. Where the
   leucocytes of that day, which neutrophils and lymphocytes never exceed, settle the question, the
   day fails or meets the rule all the same;
4. `UNLOGGED` where the transfusion log has a hole in the days the rule asks about, or nothing says
   until when it is kept (no coverage, no `complete_until`, no last contact, no death), and no count
   of the day fails.

Days without any row are days on which nothing was planned or measured.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from stromal.endpoints.kernels import FAIL, PASS, UNKNOWN, UNLOGGED
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
    fails), `drawn` (whether blood was counted on that day), `records` (ids of the counts of the
    day), `reason` (why the status is what it is).
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
    rows = parts[0] if len(parts) == 1 else _together(parts, lines)
    rows = (
        rows.join(last, on="p", how="inner")
        .filter((pl.col("day") >= 0) & (pl.col("day") <= pl.col("last")))
        .select(
            "p",
            "day",
            "status",
            pl.col("height").fill_null(float("nan")),
            "below",
            pl.col("drawn").fill_null(value=False),
            records=pl.concat_list("record_id").list.drop_nulls() if len(parts) == 1 else "records",
            reason="reason",
        )
        .sort("p", "day")
    )
    offsets = np.searchsorted(rows["p"].to_numpy(), np.arange(context.size + 1)).astype(np.int64)
    return Series(rows, offsets)


def _together(parts: list[pl.DataFrame], lines: int) -> pl.DataFrame:
    """Put the rows of several counts together: a day meets the rule where `lines` of them do."""
    rows = (
        pl.concat(parts)
        .group_by("p", "day")
        .agg(
            passing=(pl.col("status") == PASS).sum(),
            failing=(pl.col("status") == FAIL).sum(),
            unlogged=(pl.col("status") == UNLOGGED).any(),
            below=pl.col("below").max(),
            drawn=pl.col("drawn").any(),
            records=pl.col("record_id").drop_nulls(),
            reason=pl.col("reason").str.join("; "),
        )
    )
    status = (
        pl.when(pl.col("passing") >= lines)
        .then(PASS)
        .when(len(parts) - pl.col("failing").cast(pl.Int32) < lines)
        .then(FAIL)
        .when("unlogged")
        .then(UNLOGGED)
        .otherwise(UNKNOWN)
        .cast(pl.Int8)
    )
    return rows.with_columns(status=status, height=pl.lit(None, pl.Float64))


def _one_count(rule: CountRule, context: Context, anchor: str) -> pl.DataFrame:
    """Build one count's rows: at most one a participant and day, status of that count alone."""
    values = _values(rule, context, anchor)
    others = _other_days(rule, context, anchor)
    settled = others.filter(pl.col("status") != UNKNOWN)
    open_ = values.filter(pl.col("status") == UNKNOWN).join(settled, on=["p", "day"], how="semi")
    values = values.join(open_, on=["p", "day"], how="anti")
    others = others.join(values, on=["p", "day"], how="anti")
    rows = pl.concat([values, others]).with_columns(drawn=pl.lit(value=True))
    planned = context.planned_draws(rule.analyte, anchor)
    missed = planned.join(rows, on=["p", "day"], how="anti").with_columns(
        status=pl.lit(UNKNOWN, pl.Int8), reason=pl.lit(f"{rule.analyte} planned, not drawn")
    )
    rows = pl.concat([rows, missed], how="diagonal")
    if rule.without_transfusion is not None:
        rows = _under_transfusions(rows, rule.without_transfusion, context, anchor)
    return rows.with_columns(pl.col("below").fill_null(0)).select(
        "p", "day", "status", "height", "below", "drawn", "record_id", "reason"
    )


def _values(rule: CountRule, context: Context, anchor: str) -> pl.DataFrame:
    """Give the day's count (the lowest of several) and whether it meets the rule."""
    all_counts = context.dated("measurements", anchor).filter(pl.col("analyte") == rule.analyte)
    counts = _lowest(all_counts)
    return _judged(_maybe_lower(counts, all_counts), rule).select(
        "p",
        "day",
        "status",
        pl.when(pl.col("status") != UNKNOWN).then(_known_height()).alias("height"),
        (pl.col("status") == FAIL).cast(pl.Int8).alias("below"),
        "record_id",
        pl.format("{} {}", pl.lit(rule.analyte), _shown()).alias("reason"),
    )


def _lowest(counts: pl.DataFrame) -> pl.DataFrame:
    """Keep the lowest count of each participant and day."""
    again = (pl.col("p") == pl.col("p").shift()) & (pl.col("day") == pl.col("day").shift())
    if not counts.select(again.any()).item():  # they come sorted by participant and day
        return counts
    return counts.sort("p", "day", "high", "low", "record_id").unique(
        ["p", "day"], keep="first", maintain_order=True
    )


def _maybe_lower(counts: pl.DataFrame, all_counts: pl.DataFrame) -> pl.DataFrame:
    """Widen a day's count where another of that day, known as a bound only, may be lower yet."""
    bounds = all_counts.filter(pl.col("censored").is_not_null())
    if bounds.is_empty():
        return counts
    lowest = bounds.group_by("p", "day").agg(maybe=pl.col("low").min())
    wider = pl.col("maybe") < pl.col("low")
    return (
        counts.join(lowest, on=["p", "day"], how="left")
        .with_columns(
            pl.when(wider).then("maybe").otherwise("low").alias("low"),
            pl.when(wider & pl.col("censored").is_null())
            .then(pl.lit(">"))
            .otherwise("censored")
            .alias("censored"),
        )
        .drop("maybe")
    )


def _judged(counts: pl.DataFrame, rule: CountRule) -> pl.DataFrame:
    """Add the status of counts under a rule."""
    return counts.with_columns(status=_compare(rule))


def _known_height() -> pl.Expr:
    """Give the count, or of a bound the number that is known."""
    return pl.when(pl.col("high").is_finite()).then("high").otherwise("low")


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

    Leucocytes bound neutrophils and lymphocytes from above. Where they are below what a rule asks
    for at least, the missing count fails; where they are within what a rule asks for at most, it
    meets the rule.
    """
    others = context.dated("measurements", anchor).filter(
        pl.col("analyte").is_in(_BLOOD) & (pl.col("analyte") != rule.analyte)
    )
    if rule.analyte in {"ANC", "ALC"}:
        leucocytes = _settled_by_leucocytes(others.filter(pl.col("analyte") == "WBC"), rule)
    else:
        leucocytes = _no_rows()
    rest = (
        others.select("p", "day")
        .unique()
        .join(leucocytes, on=["p", "day"], how="anti")
        .with_columns(
            status=pl.lit(UNKNOWN, pl.Int8),
            height=pl.lit(None, pl.Float64),
            below=pl.lit(0, pl.Int8),
            record_id=pl.lit(None, pl.String),
            reason=pl.lit(f"{rule.analyte} not measured"),
        )
    )
    return pl.concat([leucocytes, rest])


def _settled_by_leucocytes(leucocytes: pl.DataFrame, rule: CountRule) -> pl.DataFrame:
    """Give the days on which the leucocytes alone settle whether the count meets the rule."""
    lower = rule.model_copy(update={"at_most": None, "below": None})
    upper = rule.model_copy(update={"at_least": None, "above": None})
    status = (
        pl.when(_compare(lower) == FAIL).then(FAIL)
        if rule.rises
        else pl.when(_compare(upper) == PASS).then(PASS)
    )
    return (
        leucocytes.with_columns(status=status.cast(pl.Int8))
        .filter(pl.col("status").is_not_null())
        .sort("p", "day", "high", "record_id")
        .unique(["p", "day"], keep="first", maintain_order=True)
        .select(
            "p",
            "day",
            "status",
            pl.col("high").alias("height"),
            (pl.col("status") == FAIL).cast(pl.Int8).alias("below"),
            "record_id",
            pl.format("{} at most the leucocytes, {}", pl.lit(rule.analyte), _shown()).alias(
                "reason"
            ),
        )
    )


def _no_rows() -> pl.DataFrame:
    """Give no rows, with the columns of counts."""
    return pl.DataFrame(
        schema={
            "p": pl.Int64,
            "day": pl.Int32,
            "status": pl.Int8,
            "height": pl.Float64,
            "below": pl.Int8,
            "record_id": pl.String,
            "reason": pl.String,
        }
    )


def _under_transfusions(
    rows: pl.DataFrame, rule: WithoutTransfusion, context: Context, anchor: str
) -> pl.DataFrame:
    """Make every day that a transfusion covers a failing day, and mark days that are not logged.

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
    rows = rows.drop("transfused")
    unknown = context.uncovered("transfusions", anchor, length)
    if unknown.is_empty():
        return rows
    rows = rows.join(
        unknown.with_columns(unlogged=pl.lit(value=True)),
        on=["p", "day"],
        how="full",
        coalesce=True,
    )
    open_ = pl.col("unlogged") & (pl.col("status").fill_null(UNKNOWN) != FAIL)
    return rows.with_columns(
        status=pl.when(open_).then(UNLOGGED).otherwise("status").cast(pl.Int8),
        reason=pl.when(open_)
        .then(
            pl.concat_str(
                "reason",
                pl.lit(f"{name} transfusions not logged"),
                separator=", ",
                ignore_nulls=True,
            )
        )
        .otherwise("reason"),
    ).drop("unlogged")
