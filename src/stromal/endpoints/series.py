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

from stromal.endpoints.columns import gather_columns, rows_at_most
from stromal.endpoints.days_kernels import (
    FAIL,
    NONE,
    PASS,
    UNKNOWN,
    UNLOGGED,
    fill_all,
    room_for,
)
from stromal.protocol.rules import CountRule

if TYPE_CHECKING:
    from stromal.endpoints.context import Context
    from stromal.endpoints.days_kernels import Days, Ints, Statuses, Values

__all__ = ["Series", "build_series"]


@dataclass(frozen=True)
class Series:
    """Rows of all participants, sorted by participant and day, and their offsets.

    `rows` has `p` (participant's index in the context), `day` (from the endpoint's anchor),
    `status`, `height` (the single count, NaN for compound rules), `below` (1 where the count itself
    fails), `drawn` (1 where blood was counted on that day), `records` (ids of the counts of the
    day).
    """

    rows: pl.DataFrame
    offsets: Ints
    parts: tuple[pl.DataFrame, ...] = ()

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
    def drawn(self) -> Statuses:
        """1 on days on which blood was counted."""
        return self.rows["drawn"].to_numpy()

    @property
    def source(self) -> Ints:
        """-1 on days without a count, else 0."""
        return self.rows.select(
            pl.when(pl.col("records").list.len() > 0).then(0).otherwise(-1).cast(pl.Int64)
        ).to_series().to_numpy()  # fmt: skip

    @property
    def reasons(self) -> pl.Series:
        """Why each row's status is what it is, in words."""
        told = pl.concat(part.select("p", "day", reason=_reason()) for part in self.parts)
        if len(self.parts) > 1:
            told = told.group_by("p", "day", maintain_order=True).agg(
                pl.col("reason").str.join("; ")
            )
        return self.rows.select("p", "day").join(
            told, on=["p", "day"], how="left", maintain_order="left"
        )["reason"]  # fmt: skip


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
    parts = tuple(_one_count(rule, context, anchor, last) for rule in counts)
    rows = parts[0].with_columns(
        records=pl.concat_list("record_id").list.drop_nulls()
    ) if len(parts) == 1 else _together(parts, lines)  # fmt: skip
    rows = rows.select("p", "day", "status", "height", "below", "drawn", "records")
    offsets = np.searchsorted(rows["p"].to_numpy(), np.arange(context.size + 1)).astype(np.int64)
    return Series(rows, offsets, parts)


def _together(parts: tuple[pl.DataFrame, ...], lines: int) -> pl.DataFrame:
    """Put the rows of several counts together: a day meets the rule where `lines` of them do."""
    keys = [_keys(part) for part in parts]
    every = np.sort(np.concatenate(keys), kind="stable")  # sorted stretches are merged
    days = every[np.diff(every, prepend=-1) > 0]
    told = {status: np.zeros(days.size, dtype=np.int32) for status in (PASS, FAIL, UNLOGGED)}
    below, drawn = (np.zeros(days.size, dtype=np.int8) for _ in range(2))
    ids: list[pl.Series] = []
    for number, (part, key) in enumerate(zip(parts, keys, strict=True)):
        at = np.searchsorted(days, key)
        for status, count in told.items():
            count[at] += part["status"].to_numpy() == status
        below[at] |= part["below"].to_numpy()
        drawn[at] |= part["drawn"].to_numpy()
        place = np.full(days.size, -1, dtype=np.int64)
        place[at] = np.arange(at.size)
        found = pl.Series(place)
        ids.append(part["record_id"].gather(found.set(found < 0, None)).alias(str(number)))
    status = np.select(
        [told[PASS] >= lines, len(parts) - told[FAIL] < lines, told[UNLOGGED] > 0],
        [PASS, FAIL, UNLOGGED],
        UNKNOWN,
    )
    return pl.DataFrame(
        {
            "p": days // _DAYS,
            "day": (days % _DAYS).astype(np.int32),
            "status": status.astype(np.int8),
            "height": np.full(days.size, np.nan),
            "below": below,
            "drawn": drawn,
            "records": pl.DataFrame(ids).select(
                pl.concat_list(pl.all()).list.drop_nulls()
            ).to_series(),
        }
    )  # fmt: skip


def _keys(part: pl.DataFrame) -> Ints:
    """Give one number for every participant and day, in their order."""
    return part["p"].to_numpy() * _DAYS + part["day"].to_numpy()


_DAYS = 2**32
"""More than the days, which are not negative here, that a series can have."""


def _one_count(rule: CountRule, context: Context, anchor: str, last: pl.DataFrame) -> pl.DataFrame:
    """Build one count's rows: at most one a participant and day, status of that count alone."""
    columns = gather_columns(rule, context, anchor, last)
    room = room_for(int(rows_at_most(columns.inputs).sum()))
    offsets = fill_all(*columns.inputs, room)
    size = int(offsets[-1])
    rows = pl.DataFrame({name: column[:size] for name, column in room._asdict().items()})
    p = np.repeat(np.arange(context.size), np.diff(offsets))
    told = columns.tell(rows["source"])
    given = "" if rule.without_transfusion is None else rule.without_transfusion.product
    drug = "" if rule.without_drug is None else rule.without_drug.name
    return rows.with_columns(
        p=pl.Series(p, dtype=pl.Int64),
        record_id=told["record_id"],
        shown=told["shown"],
        analyte=pl.lit(rule.analyte),
        given_as=pl.lit(f"{drug} given" if drug else f"{given} transfused".replace("_", " ")),
        missing=pl.lit(drug or f"{given} transfusions".replace("_", " ")),
    )


def _reason() -> pl.Expr:
    """Say why a row's status is what it is."""
    source = pl.col("source")
    counted = (
        pl.when(pl.col("shown").is_not_null() & (source < -1))
        .then(pl.format("{} at most the leucocytes, {}", "analyte", "shown"))
        .when(pl.col("shown").is_not_null())
        .then(pl.format("{} {}", "analyte", "shown"))
        .when(pl.col("drawn") == 1)
        .then(pl.format("{} not measured", "analyte"))
    )
    given = pl.when(pl.col("given") != NONE).then(pl.format("{} on day {}", "given_as", "given"))
    unlogged = pl.when(pl.col("unlogged") == 1).then(pl.format("{} not logged", "missing"))
    bare = pl.col("shown").is_null() & (pl.col("drawn") == 0)
    planned = pl.when(bare & (pl.col("status") == UNKNOWN)).then(
        pl.format("{} planned, not drawn", "analyte")
    )
    return pl.concat_str(counted, planned, given, unlogged, separator=", ", ignore_nulls=True)
