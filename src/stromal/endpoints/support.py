"""Series of falls that rest on support: transfusions or drugs beside, or instead of, low counts."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from stromal.endpoints.context import Context
from stromal.endpoints.kernels import FAIL, PASS, UNKNOWN, UNLOGGED
from stromal.endpoints.medications import courses, drug_days, unlogged_drug_days
from stromal.endpoints.runs import describe_count
from stromal.endpoints.series import Part, Series, count_days, merge_parts
from stromal.endpoints.series_kernels import find_days
from stromal.protocol.provisos import Line, Support

if TYPE_CHECKING:
    import numpy.typing as npt

    from stromal.endpoints.days_kernels import Ints

__all__ = ["build_supported", "describe_line", "supported_days"]


@dataclass(frozen=True)
class _Supported(Part):
    """Days that are supported: `given` lists the ids of the records, `told` says them."""

    support: pl.DataFrame

    def records(self, at: Ints) -> pl.DataFrame:
        """Give the transfusions or drugs."""
        rows = self._taken(at).select(row=np.arange(at.size), id="given")
        return rows.drop_nulls("id").explode("id")

    def reasons(self, at: Ints) -> pl.Series:
        """Say what was given, and when."""
        return self._taken(at)["told"]

    def _taken(self, at: Ints) -> pl.DataFrame:
        index = pl.Series(at)
        return self.support.select(pl.col("given", "told").gather(index.set(index < 0, None)))


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
    parts: list[Part] = []
    for number, line in enumerate(lines):
        part = count_days(number, line, context, anchor, last)
        support = line.or_supported or line.and_supported
        parts += [part] if support is None else _line(part, line, support, context, anchor, last)
    return merge_parts(parts, needed, len(lines))


def _line(
    count: Part, line: Line, support: Support, context: Context, anchor: str, last: pl.DataFrame
) -> list[Part]:
    """Give the days of a count as its support leaves them, and the days of the support.

    Of the two one judges a day; the other is `UNKNOWN` there, which settles nothing.
    """
    given = (
        supported_days(support, context, anchor)
        .join(last, on="p")
        .filter(pl.col("day").is_between(0, pl.col("last")))
        .sort("p", "day")
    )
    supported = _on_days(count, given)
    hole = _on_days(count, _holes(support, context, anchor))
    if line.or_supported is not None:
        low = count.status == PASS
        status = np.select([supported, low, hole], [UNKNOWN, PASS, UNLOGGED], count.status)
    else:
        fails = count.status == FAIL
        status = np.select([supported | fails, hole], [count.status, UNLOGGED], FAIL)
        given = given.filter(pl.Series(_rows_of(count, given) >= 0))
    judged = replace(count, status=status.astype(np.int8))
    return [judged, _days_given(count, given, PASS if line.or_supported else UNKNOWN)]


def _rows_of(count: Part, days: pl.DataFrame) -> Ints:
    """Find the rows of a count on some days of participants; -1 where it has none."""
    day = days["day"].cast(pl.Int32).to_numpy()
    return find_days(count.offsets, count.day, days["p"].to_numpy(), day)


def _on_days(count: Part, days: pl.DataFrame) -> npt.NDArray[np.bool_]:
    """Say which rows of a count stand on some days of participants."""
    on = np.zeros(count.day.size, dtype=bool)
    rows = _rows_of(count, days)
    on[rows[rows >= 0]] = True
    return on


def _days_given(count: Part, given: pl.DataFrame, status: int) -> Part:
    """Make days of support a part of the line, of which each says the same."""
    size = given.height
    offsets = np.searchsorted(given["p"].to_numpy(), np.arange(count.offsets.size))
    return _Supported(
        count.line,
        offsets.astype(np.int64),
        given["day"].cast(pl.Int32).to_numpy(),
        np.full(size, status, dtype=np.int8),
        np.zeros(size, dtype=np.int8),
        np.ones(size, dtype=np.int8),
        given,
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
