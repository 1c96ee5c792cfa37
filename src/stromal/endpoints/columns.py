"""Records as sorted columns that the kernels read, one set a study."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import polars as pl

from stromal.endpoints.days_kernels import (
    NONE,
    Bounds,
    Counts,
    DayList,
    Days,
    Ints,
    Others,
    Statuses,
    Values,
)
from stromal.endpoints.medications import courses, drug_days, unlogged_drug_days
from stromal.protocol.rules import CountRule

if TYPE_CHECKING:
    from stromal.endpoints.context import Context

__all__ = [
    "Columns",
    "Inputs",
    "compile_bounds",
    "days_of_participants",
    "gather_columns",
    "rows_at_most",
]

_BLOOD = ("ANC", "PLT", "Hb", "WBC", "ARC", "ALC")
_BOUNDED = {"ANC", "ALC"}
"""Analytes that the leucocytes of the same day bound from above."""
_BOUND = ("low", "high", "censored", "value", "as_read", "record_id")
"""What is kept of a count: the interval within which it lies, and what shows it."""


@dataclass(frozen=True)
class _Blood:
    """What every rule on one analyte reads, and the rows that it stands for."""

    counts: Counts
    others: Others
    planned: DayList
    counted: pl.DataFrame
    measured: pl.DataFrame


@dataclass(frozen=True)
class Columns:
    """What the kernels read for one count rule, and what the rows stand for.

    Parameters
    ----------
    inputs
        What the kernels take, in their order; days count from day zero, the last day that is read
        from the anchor (which is `NONE` where the participant has none).
    counted, measured
        The rows of the counts and of the other days: `record_id`, and what shows the count.
    """

    inputs: Inputs
    counted: pl.DataFrame
    measured: pl.DataFrame

    def recorded(self, source: Ints) -> Statuses:
        """Say whether counts have a record: 1 or 0, by their source (see `days_kernels.Room`)."""
        own, others = (
            rows.select(pl.col("record_id").is_not_null().cast(pl.Int8)).to_series()
            for rows in (self.counted, self.measured)
        )
        own, others = (np.append(flags.to_numpy(), np.int8(0)) for flags in (own, others))
        return np.maximum(own[np.maximum(source, -1)], others[np.maximum(-2 - source, -1)])

    def record_ids(self, source: Ints) -> pl.Series:
        """Give the record of counts by their source, null for none."""
        return self._tell(source, pl.col("record_id"))

    def shown(self, source: Ints) -> pl.Series:
        """Give counts as they were reported, by their source, null for none."""
        return self._tell(source, _shown())

    def _tell(self, source: Ints, what: pl.Expr) -> pl.Series:
        own = _gathered(self.counted, source, what)
        others = _gathered(self.measured, -2 - source, what)
        return own.zip_with(own.is_not_null(), others)


Inputs: TypeAlias = tuple[Days, Days, Counts, Others, DayList, DayList, DayList, Bounds]
"""Anchors, last days, counts, other days, planned draws, transfusions, unlogged days, the rule."""


def rows_at_most(inputs: Inputs) -> Ints:
    """Give the most rows that each participant can have."""
    _, _, counts, others, planned, given, unlogged, bounds = inputs
    rows = np.diff(counts.offsets)
    for part, times in ((others, 1), (planned, 1), (unlogged, 1), (given, bounds.shadow)):
        if part.day.size:
            rows = rows + np.diff(part.offsets) * times
    return rows


def compile_bounds(rule: CountRule) -> Bounds:
    """Compile a rule on one count."""
    at_least, above = rule.in_unit("at_least"), rule.in_unit("above")
    at_most, below = rule.in_unit("at_most"), rule.in_unit("below")
    lower = -np.inf if at_least is None else at_least
    upper = np.inf if at_most is None else at_most
    free = rule.without_transfusion
    shadow = 1 if rule.asked_table else 0
    return Bounds(
        lower if above is None else float(np.nextafter(above, np.inf)),
        upper if below is None else float(np.nextafter(below, -np.inf)),
        shadow if free is None or free.for_ is None else int(free.for_),
        free is not None,
    )


def gather_columns(rule: CountRule, context: Context, anchor: str, last: pl.DataFrame) -> Columns:
    """Gather the columns of one count rule.

    Parameters
    ----------
    rule
        The count, its bounds and the freedom from transfusion it needs.
    context
        Records, anchors and planned draws.
    anchor
        The anchor from which days count.
    last
        `p`, `last`: the last day that is read for each participant, from the anchor.
    """
    size = context.size
    blood = context.kept("blood", rule.analyte, _build_blood)
    free = rule.without_transfusion
    none = pl.DataFrame(schema={"p": pl.Int64, "day": pl.Int32})
    given = unlogged = none
    bounds = compile_bounds(rule)
    if free is not None:
        given = (
            context.zero_dated("transfusions")
            .filter(pl.col("product") == free.product)
            .select("p", "day")
        )
        unlogged = (
            context.uncovered("transfusions", anchor, bounds.shadow)
            .join(context.anchor(anchor), on="p")
            .select("p", day=pl.col("day") + pl.col("anchor_day"))
        )
    elif rule.without_drug is not None:
        found = courses(context, rule.without_drug.drug, rule.without_drug.drug_class, anchor)
        days = drug_days(found).select("p", day="on")
        given, unlogged = (
            rows.join(context.anchor(anchor), on="p").select(
                "p", day=pl.col("day") + pl.col("anchor_day")
            )
            for rows in (days, unlogged_drug_days(found, context, anchor, 1))
        )
    anchors = context.anchor(anchor)["anchor_day"].fill_null(NONE).cast(pl.Int32)
    until = context.participants.select("p").join(last, on="p", how="left").sort("p")["last"]
    inputs = (
        anchors.to_numpy(),
        until.fill_null(-1).cast(pl.Int32).to_numpy(),
        blood.counts,
        blood.others,
        blood.planned,
        days_of_participants(given, size),
        days_of_participants(unlogged, size),
        bounds,
    )
    return Columns(inputs, blood.counted, blood.measured)


def _build_blood(context: Context, analyte: str) -> _Blood:
    """Build what every rule on one analyte reads, from whatever anchor its days count."""
    size = context.size
    counted, measured = _build_counts(context, analyte), _build_others(context, analyte)
    return _Blood(
        _as_counts(counted, size),
        _as_others(measured, size, bounded=analyte in _BOUNDED),
        days_of_participants(context.planned_days(analyte), size),
        counted,
        measured,
    )


def days_of_participants(rows: pl.DataFrame, size: int) -> DayList:
    """Give `p`, `day` as sorted columns, each day once."""
    keys = rows["p"].cast(pl.Int64).to_numpy() * _DAYS + rows["day"].cast(pl.Int64).to_numpy()
    if not (np.diff(keys) > 0).all():
        keys = np.unique(keys)
    p = (keys + _DAYS // 2) // _DAYS
    return DayList(_offsets(pl.Series(p), size), (keys - p * _DAYS).astype(np.int32))


_DAYS = 2**32
"""More than twice the days, before and after day zero, that a record can hold."""


def _gathered(rows: pl.DataFrame, index: Ints, what: pl.Expr) -> pl.Series:
    """Tell something of rows at an index; null where it is negative."""
    at = pl.Series(index)
    columns = pl.col(what.meta.root_names()).gather(at.set(at < 0, None))
    return rows.select(columns).select(what).to_series()


def _offsets(p: pl.Series, size: int) -> Ints:
    """Find where each participant's rows begin."""
    return np.searchsorted(p.to_numpy(), np.arange(size + 1)).astype(np.int64)


def _as_counts(rows: pl.DataFrame, size: int) -> Counts:
    """Give counts as columns of closed intervals."""
    low = rows["low"].to_numpy()
    high = low
    if rows["censored"].null_count() < rows.height:
        low = np.where(rows["censored"] == ">", np.nextafter(low, np.inf), low)
        high = _closed(rows)
    return Counts(_offsets(rows["p"], size), rows["day"].to_numpy(), low, high)


def _closed(rows: pl.DataFrame) -> Values:
    """Give upper ends that belong to the interval: "<0.1" ends just below 0.1."""
    high = rows["high"].fill_null(np.nan).to_numpy()
    under = (rows["censored"] == "<").fill_null(value=False).to_numpy()
    return np.where(under, np.nextafter(high, -np.inf), high)


def _as_others(rows: pl.DataFrame, size: int, *, bounded: bool) -> Others:
    """Give the other days as columns."""
    high = _closed(rows) if bounded else np.full(rows.height, np.nan)
    return Others(_offsets(rows["p"], size), rows["day"].to_numpy(), high)


def _build_counts(context: Context, analyte: str) -> pl.DataFrame:
    """Give the day's count (the lowest of several): `p`, `day`, bounds, `record_id`, `shown`."""
    every = context.zero_dated("measurements").filter(pl.col("analyte") == analyte)
    return _maybe_lower(_lowest(every), every).select("p", "day", *_BOUND)


def _build_others(context: Context, analyte: str) -> pl.DataFrame:
    """Give the days of other analytes, with the lowest upper bound of the leucocytes."""
    others = context.zero_dated("measurements").filter(
        pl.col("analyte").is_in(_BLOOD) & (pl.col("analyte") != analyte)
    )
    again = (pl.col("p") == pl.col("p").shift()) & (pl.col("day") == pl.col("day").shift())
    days = others.select("p", "day").filter(~again.fill_null(value=False))  # they come sorted
    leucocytes = (
        others.filter((pl.col("analyte") == "WBC") & (analyte in _BOUNDED))
        .sort("p", "day", "high", pl.col("censored") != "<", "record_id", nulls_last=True)
        .unique(["p", "day"], keep="first", maintain_order=True)
        .select("p", "day", *_BOUND)
    )
    return days.join(leucocytes, on=["p", "day"], how="left", maintain_order="left")


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
        counts.join(lowest, on=["p", "day"], how="left", maintain_order="left")
        .with_columns(
            pl.when(wider).then("maybe").otherwise("low").alias("low"),
            pl.when(wider & pl.col("censored").is_null())
            .then(pl.lit(">"))
            .otherwise("censored")
            .alias("censored"),
        )
        .drop("maybe")
    )


def _shown() -> pl.Expr:
    """Show a count, or the bound that is known of it."""

    def number(column: str) -> pl.Expr:
        return pl.col(column).cast(pl.String).str.strip_suffix(".0")

    return (
        pl.when(pl.col("value").is_not_null())
        .then(number("value"))
        .when(pl.col("censored") == "<")
        .then(pl.format("<{}", number("high")))
        .when(pl.col("censored") == ">")
        .then(pl.format(">{}", number("low")))
        .otherwise("as_read")
    )
