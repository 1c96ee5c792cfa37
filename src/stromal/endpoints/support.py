"""Series of falls that rest on support: transfusions or drugs beside, or instead of, low counts."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from stromal.endpoints.context import Context
from stromal.endpoints.kernels import FAIL, PASS, UNKNOWN, UNLOGGED
from stromal.endpoints.medications import courses, drug_days, unlogged_drug_days
from stromal.endpoints.runs import describe_count
from stromal.endpoints.series import Series, build_series
from stromal.protocol.provisos import Line, Support

__all__ = ["build_supported", "describe_line", "supported_days"]

_ROWS = ("p", "day", "status", "below", "drawn", "records")


@dataclass(frozen=True)
class _Supported(Series):
    """A series whose rows say themselves why their status is what it is."""

    @property
    def reasons(self) -> pl.Series:
        """Why each row's status is what it is, in words."""
        return self.rows["reason"]


def describe_line(line: Line) -> str:
    """Say a line shortly, such as `PLT < 20 × 10⁹/L or platelets transfused within 7 days`."""
    said = describe_count(line)
    if line.or_supported is not None:
        return f"{said} or {_said(line.or_supported)}"
    if line.and_supported is not None:
        return f"{said} with {_said(line.and_supported)}"
    return said


def _said(support: Support) -> str:
    """Say support."""
    within = f"within {int(support.within)} days"
    if support.transfused is not None:
        name = support.transfused.replace("_", " ")
        often = "" if support.at_least == 1 else f" {support.at_least} times"
        return f"{name} transfused{often} {within}"
    drug = support.drug or support.drug_class
    return f"{drug} on {support.at_least} {'day' if support.at_least == 1 else 'days'} {within}"


def build_supported(
    lines: list[Line], needed: int, context: Context, anchor: str, last: pl.DataFrame
) -> Series:
    """Build the series of a rule whose lines may rest on support.

    1. A line with `or_supported` meets its rule on every supported day, whether or not blood was
       counted; on other days its count decides, and where the records of the support have a hole
       in the days looked at (see `Context.uncovered`) a count that is not low enough is unlogged.
    2. A line with `and_supported` meets its rule where the count does and the day is supported; it
       fails where the count fails or the day is known not to be supported, and is unlogged
       otherwise.
    3. A day meets the rule where at least `needed` lines do, and fails where too few still could.

    Parameters are those of `stromal.endpoints.series.build_series`.
    """
    if not any(line.or_supported or line.and_supported for line in lines):
        return build_series(list(lines), needed, context, anchor, last)
    rows = (
        pl.concat(_line(line, context, anchor, last) for line in lines)
        .group_by("p", "day")
        .agg(
            passing=(pl.col("status") == PASS).sum().cast(pl.Int32),
            failing=(pl.col("status") == FAIL).sum().cast(pl.Int32),
            unlogged=(pl.col("status") == UNLOGGED).any(),
            below=pl.col("below").max(),
            drawn=pl.col("drawn").max(),
            records=pl.col("records").list.explode(keep_nulls=False, empty_as_null=False),
            reason=pl.col("reason").str.join("; "),
        )
        .with_columns(
            status=pl.when(pl.col("passing") >= needed)
            .then(PASS)
            .when(len(lines) - pl.col("failing") < needed)
            .then(FAIL)
            .when("unlogged")
            .then(UNLOGGED)
            .otherwise(UNKNOWN)
            .cast(pl.Int8),
            height=pl.lit(float("nan")),
        )
        .select("p", "day", "status", "height", "below", "drawn", "records", "reason")
        .sort("p", "day")
    )
    offsets = np.searchsorted(rows["p"].to_numpy(), np.arange(context.size + 1)).astype(np.int64)
    return _Supported(rows, offsets)


def _line(line: Line, context: Context, anchor: str, last: pl.DataFrame) -> pl.DataFrame:
    """Build the rows of one line."""
    series = build_series([line], 1, context, anchor, last)
    rows = series.rows.select(_ROWS).with_columns(reason=series.reasons)
    support = line.or_supported or line.and_supported
    if support is None:
        return rows
    given = (
        supported_days(support, context, anchor)
        .join(last, on="p")
        .filter(pl.col("day").is_between(0, pl.col("last")))
        .select("p", "day", "given", "told")
    )
    holes = _holes(support, context, anchor).with_columns(hole=pl.lit(value=True))
    instead = line.or_supported is not None
    rows = (
        rows.join(given, on=["p", "day"], how="full" if instead else "left", coalesce=True)
        .join(holes, on=["p", "day"], how="left")
        .with_columns(
            supported=pl.col("given").is_not_null(), hole=pl.col("hole").fill_null(value=False)
        )
    )
    return rows.select(
        "p",
        "day",
        status=(_instead() if instead else _beside()).cast(pl.Int8),
        below=pl.col("below").fill_null(0),
        drawn=pl.col("drawn").fill_null(0).cast(pl.Int8),
        records=pl.concat_list(
            pl.col("records").fill_null(pl.lit([], pl.List(pl.String))),
            pl.col("given").fill_null(pl.lit([], pl.List(pl.String))),
        ),
        reason=pl.concat_str("reason", "told", separator=", ", ignore_nulls=True),
    )


def _instead() -> pl.Expr:
    """Judge a line whose support stands for a low count."""
    status = pl.col("status")
    return (
        pl.when(pl.col("supported") | (status == PASS).fill_null(value=False))
        .then(PASS)
        .when("hole")
        .then(UNLOGGED)
        .otherwise(status)
    )


def _beside() -> pl.Expr:
    """Judge a line whose support is asked for beside a low count."""
    status = pl.col("status")
    return (
        pl.when(pl.col("supported") | (status == FAIL))
        .then(status)
        .when("hole")
        .then(UNLOGGED)
        .otherwise(FAIL)
    )


def supported_days(support: Support, context: Context, anchor: str) -> pl.DataFrame:
    """Give the days on which a participant is supported.

    Transfusions count row by row, drugs day by day. A drug without an end counts on its first day.

    Returns
    -------
    polars.DataFrame
        `p`, `day`, `given` (ids of the records), `told`.
    """
    given = _given(support, context, anchor)
    many = support.at_least - 1
    earlier = pl.col("on").shift(many).over("p") if many else pl.col("on")
    first = pl.col("record_id").shift(many).over("p") if many else pl.col("record_id")
    spans = (
        given.sort("p", "on", "record_id")
        .with_columns(until=earlier + int(support.within) - 1, first=first)
        .filter(pl.col("until") >= pl.col("on"))
        .with_columns(day=pl.int_ranges("on", pl.col("until") + 1))
        .explode("day")
    )
    name = (support.transfused or support.drug or support.drug_class or "").replace("_", " ")
    verb = "transfused on day" if support.transfused else "given on day"
    return (
        spans.group_by("p", pl.col("day").cast(pl.Int32))
        .agg(
            given=pl.concat_list("first", "record_id").list.explode(
                keep_nulls=False, empty_as_null=False
            ),
            on=pl.col("on").max(),
        )
        .select(
            "p",
            "day",
            given=pl.col("given").list.unique(maintain_order=True),
            told=pl.format("{} {} {}", pl.lit(name), pl.lit(verb), "on"),
        )
    )


def _given(support: Support, context: Context, anchor: str) -> pl.DataFrame:
    """Give `p`, `on`, `record_id` of each transfusion, or of each day on a drug."""
    if support.transfused is not None:
        return (
            context.dated("transfusions", anchor)
            .filter(pl.col("product") == support.transfused)
            .select("p", pl.col("day").alias("on"), "record_id")
        )
    return drug_days(courses(context, support.drug, support.drug_class, anchor))


def _holes(support: Support, context: Context, anchor: str) -> pl.DataFrame:
    """Give `p`, `day` on which nobody knows whether support was given."""
    within = int(support.within)
    if support.transfused is not None:
        return context.uncovered("transfusions", anchor, within).select("p", "day").unique()
    found = courses(context, support.drug, support.drug_class, anchor)
    return unlogged_drug_days(found, context, anchor, within)
