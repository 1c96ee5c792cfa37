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

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from stromal.endpoints.columns import Columns, gather_columns, rows_at_most
from stromal.endpoints.days_kernels import NONE, PASS, UNKNOWN, Room, fill_all, room_for
from stromal.endpoints.series_kernels import find_days, merge_days
from stromal.protocol.rules import CountRule

if TYPE_CHECKING:
    from stromal.endpoints.context import Context
    from stromal.endpoints.days_kernels import Days, Ints, Statuses

__all__ = ["Part", "Series", "build_series", "count_days", "merge_parts"]


@dataclass(frozen=True)
class Part(ABC):
    """Days on which one count, or what supports it, says something.

    Parameters
    ----------
    line
        Number of the line of the rule that it belongs to.
    offsets
        Where each participant's rows begin.
    day, status, drawn
        Day from the anchor, sorted, and what it says; `drawn` is 1 where blood was counted.
    counted
        1 where the row has records.
    """

    line: int
    offsets: Ints
    day: Days
    status: Statuses
    drawn: Statuses
    counted: Statuses

    @abstractmethod
    def records(self, at: Ints) -> pl.DataFrame:
        """Give the records of some rows, those of -1 none: `row` (its place in `at`), `id`."""

    @abstractmethod
    def reasons(self, at: Ints) -> pl.Series:
        """Say why the status of some rows is what it is; null where the row is -1."""


@dataclass(frozen=True)
class Series:
    """Days of all participants, sorted by participant and day, and their offsets.

    Parameters
    ----------
    offsets
        Where each participant's rows begin.
    day, status, drawn
        Day from the endpoint's anchor, what it says, 1 where blood was counted on it.
    counted
        How many counts of the day, or supports of it, have records.
    parts
        What the rows were merged from: their records and reasons are looked up when asked for.
    """

    offsets: Ints
    day: Days
    status: Statuses
    drawn: Statuses
    counted: Statuses
    parts: tuple[Part, ...]

    @property
    def p(self) -> Ints:
        """Participant of each row, by the index in the context."""
        return np.repeat(np.arange(self.offsets.size - 1), np.diff(self.offsets))

    @property
    def source(self) -> Ints:
        """-1 on days without a count, else 0."""
        return np.where(self.counted > 0, 0, -1)

    @property
    def rows(self) -> pl.DataFrame:
        """The rows: `p`, `day`, `status`, `counted`."""
        columns = {"p": self.p, "day": self.day, "status": self.status, "counted": self.counted}
        return pl.DataFrame(columns)

    @property
    def told(self) -> pl.DataFrame:
        """The rows with `records` (ids of the day's counts) and `reason` (in words)."""
        every = np.arange(self.day.size)
        return self.rows.with_columns(records=self.records(every), reason=self._reasons(every))

    def records(self, at: Ints) -> pl.Series:
        """List the ids of the records of some rows."""
        return self._lists(at, np.arange(at.size), at.size).fill_null([])

    def records_of_runs(self, first: Ints, last: Ints) -> pl.Series:
        """List the ids on the passing days of each participant's run; null where there is none.

        `first`, `last`: first and last row of the run; -1 where there is none.
        """
        length = np.where(first >= 0, last - first + 1, 0)
        before = np.cumsum(length) - length
        at: Ints = np.arange(int(np.sum(length))) + np.repeat(first - before, length)
        at = at[self.status[at] == PASS]
        lists = self._lists(at, self._days(at)[0], first.size)
        return lists.zip_with(pl.Series(first < 0), lists.fill_null([]))

    def _lists(self, at: Ints, owner: Ints, size: int) -> pl.Series:
        """List the ids of the records of some rows by the rows' owners, 0 to `size` - 1."""
        p, day = self._days(at)
        ids = pl.concat(
            part.records(find_days(part.offsets, part.day, p, day)) for part in self.parts
        ).sort("row", maintain_order=True)
        lists = ids.group_by(
            pl.Series("owner", owner).gather(ids["row"]), maintain_order=True
        ).agg("id")  # fmt: skip
        owners = pl.DataFrame({"owner": np.arange(size)})
        return owners.join(lists, on="owner", how="left", maintain_order="left")["id"]

    def _days(self, at: Ints) -> tuple[Ints, Days]:
        """Give participant and day of some rows."""
        return np.searchsorted(self.offsets, at, side="right") - 1, self.day[at]

    def _reasons(self, at: Ints) -> pl.Series:
        """Say why the status of some rows is what it is."""
        p, day = self._days(at)
        lines: dict[int, list[pl.Series]] = {}
        for part in self.parts:
            reasons = part.reasons(find_days(part.offsets, part.day, p, day))
            lines.setdefault(part.line, []).append(reasons)
        joined = [_joined(reasons, ", ") for reasons in lines.values()]
        return _joined(joined, "; ")


def _joined(parts: list[pl.Series], separator: str) -> pl.Series:
    """Join the texts that are there; null where none is."""
    frame = pl.DataFrame([part.alias(str(number)) for number, part in enumerate(parts)])
    text = pl.concat_str(pl.all(), separator=separator, ignore_nulls=True)
    return frame.select(pl.when(~pl.all_horizontal(pl.all().is_null())).then(text)).to_series()


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
    parts = [count_days(n, rule, context, anchor, last) for n, rule in enumerate(counts)]
    return merge_parts(parts, lines, len(counts))


def merge_parts(parts: list[Part], needed: int, lines: int) -> Series:
    """Merge the days of the parts of a rule, of whose `lines` at least `needed` must hold."""
    sizes = np.array([part.day.size for part in parts])
    starts = np.stack([part.offsets for part in parts]) + (np.cumsum(sizes) - sizes)[:, None]
    day, status, drawn, counted = (
        np.concatenate([getattr(part, name) for part in parts])
        for name in ("day", "status", "drawn", "counted")
    )
    out = [np.empty_like(column) for column in (day, status, drawn, counted)]
    offsets = merge_days(starts, day, status, drawn, counted, lines, needed, *out)
    return Series(offsets, *(column[: offsets[-1]] for column in out), parts=tuple(parts))


def count_days(
    line: int, rule: CountRule, context: Context, anchor: str, last: pl.DataFrame
) -> Part:
    """Give the days of one count; parameters are those of `build_series`."""
    columns = gather_columns(rule, context, anchor, last)
    room = room_for(int(rows_at_most(columns.inputs).sum()))
    offsets = fill_all(*columns.inputs, room)
    rows = slice(0, offsets[-1])
    day, status, drawn = room.day[rows], room.status[rows], room.drawn[rows]
    counted = columns.recorded(room.source[rows])
    return _Counted(line, offsets, day, status, drawn, counted, rule, columns, room)


@dataclass(frozen=True)
class _Counted(Part):
    """Days of a count."""

    rule: CountRule
    columns: Columns
    room: Room

    def records(self, at: Ints) -> pl.DataFrame:
        """Give the day's count."""
        ids = self.columns.record_ids(np.append(self.room.source, -1)[at])
        return pl.DataFrame({"row": np.arange(at.size), "id": ids}).drop_nulls("id")

    def reasons(self, at: Ints) -> pl.Series:
        """Say what was counted, planned or transfused."""
        rows = pl.DataFrame(
            {name: np.append(column, -1)[at] for name, column in self.room._asdict().items()}
        ).with_columns(at=at, shown=self.columns.shown(np.append(self.room.source, -1)[at]))
        return rows.select(pl.when(pl.col("at") >= 0).then(_reason(self.rule))).to_series()


def _reason(rule: CountRule) -> pl.Expr:
    """Say why a row's status is what it is."""
    drug, free = rule.without_drug, rule.without_transfusion
    product = "" if free is None else free.product.replace("_", " ")
    given_as = f"{product} transfused" if drug is None else f"{drug.name} given"
    missing = f"{product} transfusions" if drug is None else drug.name
    seen = pl.col("shown").is_not_null()
    drawn = pl.col("drawn") == 1
    counted = (
        pl.when(seen & (pl.col("source") < -1))
        .then(pl.format("{} at most the leucocytes, {}", pl.lit(rule.analyte), "shown"))
        .when(seen)
        .then(pl.format("{} {}", pl.lit(rule.analyte), "shown"))
        .when(drawn)
        .then(pl.lit(f"{rule.analyte} not measured"))
    )
    given = pl.when(pl.col("given") != NONE).then(
        pl.format("{} on day {}", pl.lit(given_as), "given")
    )
    unlogged = pl.when(pl.col("unlogged") == 1).then(pl.lit(f"{missing} not logged"))
    planned = pl.when(~seen & ~drawn & (pl.col("status") == UNKNOWN)).then(
        pl.lit(f"{rule.analyte} planned, not drawn")
    )
    return pl.concat_str(counted, planned, given, unlogged, separator=", ", ignore_nulls=True)
