"""What every family of endpoints reads: records, with days counted from an anchor."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, TypeVar

import polars as pl

from stromal.core import UsageError
from stromal.protocol import Protocol
from stromal.protocol.endpoints import EventSpec, GradedEndpoint
from stromal.protocol.schedule import days_of_plan
from stromal.protocol.timing import DrawPlan
from stromal.records import TrialRecords, anchor_days

E = TypeVar("E")
T = TypeVar("T")

__all__ = ["COUNTS_MISSING", "DIED_BEFORE", "NO_VERDICT", "Context", "derived_frame", "first_of"]

DIED_BEFORE = "died before the assessment"
COUNTS_MISSING = "counts are missing"
NO_VERDICT = "no adjudication"
_NOT_SEEN = (DIED_BEFORE, COUNTS_MISSING, NO_VERDICT)
"""Causes of a level that the protocol's choice gave, not what was seen."""


@dataclass(frozen=True)
class Context:
    """Protocol and records, with participants numbered `p` = 0, 1, ... in the order of their table.

    Parameters
    ----------
    protocol, records
        What was planned and what was observed.
    derived
        Endpoints that are already derived, by name: other endpoints may build on them.
    """

    protocol: Protocol
    records: TrialRecords
    derived: dict[str, pl.DataFrame] = field(default_factory=dict[str, pl.DataFrame])
    _kept: dict[tuple[str, ...], Any] = field(
        default_factory=dict[tuple[str, ...], Any], repr=False, compare=False
    )

    @cached_property
    def participants(self) -> pl.DataFrame:
        """The participants table with `p`."""
        return self.records["participants"].with_row_index("p").with_columns(pl.col("p").cast(int))

    @property
    def size(self) -> int:
        """Number of participants."""
        return self.participants.height

    def _once(self, key: tuple[str, ...], build: Callable[[], T]) -> T:
        """Build what follows from protocol and records alone once for all endpoints."""
        if key not in self._kept:
            self._kept[key] = build()
        return self._kept[key]

    @property
    def _anchors(self) -> pl.DataFrame:
        return self._once(
            ("anchors",),
            lambda: self.participants.select("p", "participant_id").join(
                anchor_days(self.protocol, self.records), on="participant_id", how="left"
            ),
        )

    def anchor(self, name: str) -> pl.DataFrame:
        """Give `p`, `anchor_day` of all participants; null where the moment did not happen."""
        return self._anchors.select("p", anchor_day=pl.col(name).cast(pl.Int32)).sort("p")

    def dated(self, table: str, anchor: str, *, undated: bool = False) -> pl.DataFrame:
        """Give a dated table with `p` and with `day` counted from an anchor.

        Rows of participants without the anchor, and (unless `undated`) rows without a day, are not
        given. Sorted by participant and day.
        """
        key = ("dated", table, anchor, str(undated))
        return self._once(key, lambda: self._dated(table, anchor, undated=undated))

    def _dated(self, table: str, anchor: str, *, undated: bool) -> pl.DataFrame:
        return (
            self.records[table]
            .join(
                self._anchors.select("p", "participant_id", anchor_day=anchor), on="participant_id"
            )
            .with_columns(day=(pl.col("day") - pl.col("anchor_day")).cast(pl.Int32))
            .filter(pl.col("anchor_day").is_not_null(), pl.col("day").is_not_null() | undated)
            .sort("p", "day", nulls_last=True, maintain_order=True)
        )

    def zero_dated(self, table: str) -> pl.DataFrame:
        """Give a dated table with `p`, its days counted from day zero, sorted; rows with a day."""
        return self._once(("zero", table), lambda: self._zero_dated(table))

    def _zero_dated(self, table: str) -> pl.DataFrame:
        people = self.participants.select("p", "participant_id")
        rows = self.records[table].drop_nulls("day").with_columns(pl.col("day").cast(pl.Int32))
        return rows.join(people, on="participant_id", maintain_order="left").sort(
            "p", "day", maintain_order=True
        )

    def kept(self, name: str, analyte: str, build: Callable[[Context, str], T]) -> T:
        """Give what follows from one analyte's records, built once for all endpoints."""
        return self._once((name, analyte), lambda: build(self, analyte))

    def planned_days(self, analyte: str) -> pl.DataFrame:
        """Give `p`, `day` (from day zero) on which a draw of the analyte was planned.

        Up to the end of what is recorded, sorted, each day once. Draws planned by weekday cannot be
        placed where the date of day zero is unknown; they are then not given.
        """
        draws = self.protocol.draws
        plans = [] if isinstance(draws, str) else [p for p in draws if analyte in p.analytes]
        # most analytes share their plans
        return self._once(("draws", *map(repr, plans)), lambda: self._place_draws(plans))

    def _place_draws(self, plans: list[DrawPlan]) -> pl.DataFrame:
        seen = self.records["measurements"].group_by("participant_id").agg(seen=pl.col("day").max())
        ends = self.participants.select(
            "participant_id", "day_zero_date", "last_contact_day", "complete_until_day"
        )
        people = (
            self._anchors.join(ends, on="participant_id", maintain_order="left")
            .join(seen, on="participant_id", how="left", maintain_order="left")
            .with_columns(until_day=pl.coalesce("complete_until_day", "last_contact_day", "seen"))
            .with_columns(participant_id="p")
        )
        placed = [days_of_plan(plan, people).rename({"participant_id": "p"}) for plan in plans]
        return pl.concat([_NO_DAYS, *placed]).drop_nulls("day").unique().sort("p", "day")

    def uncovered(self, table: str, anchor: str, length: int) -> pl.DataFrame:
        """Give `p`, `day` on which it is not known whether something happened.

        1. Days of measurement of which, or of whose `length` - 1 days before, a table's coverage
           leaves one out; and the first day of every hole.
        2. With coverage rows for that table, of whomever, nobody's silence says anything outside
           their own rows: who has none was never where the table is kept.
        3. Without any, participants are covered by their `complete_until`. Where that, the last
           contact and the day of death are all unknown, no day of measurement is covered.
        """
        held = self.covered(table)
        endless = (
            self.last_days(anchor)
            .filter(pl.col("complete_until").is_null() & pl.col("death").is_null())
            .select("p")
            .join(held, on="p", how="anti")
        )
        silent = pl.concat([held, endless])
        if silent.is_empty():
            return pl.DataFrame(schema={"p": pl.Int64, "day": pl.Int32})
        coverage = self.dated_coverage(table, anchor)
        draws = (
            self.dated("measurements", anchor)
            .select("p", "day")
            .join(silent, on="p", how="semi")
            .unique()
        )
        inside = (
            draws.join(coverage, on="p")
            .filter(
                (pl.col("from_day") <= pl.col("day") - length + 1)
                & (pl.col("day") <= pl.col("to_day"))
            )
            .select("p", "day")
            .unique()
        )
        return pl.concat(
            [
                draws.join(inside, on=["p", "day"], how="anti"),
                coverage.select("p", day=(pl.col("to_day") + 1).cast(pl.Int32)),
            ]
        ).unique()

    def covered(self, table: str) -> pl.DataFrame:
        """Give `p` of the participants for whom coverage rows say what a table's silence means.

        All of them where the coverage table has rows for the table, otherwise none.
        """
        declared = bool((self.records["coverage"]["table"] == table).any())
        return self.participants.select("p").filter(pl.lit(declared))

    def dated_coverage(self, table: str, anchor: str) -> pl.DataFrame:
        """Give `p`, `from_day`, `to_day`: where a table is complete, touching stretches joined."""
        spans = (
            self.records["coverage"]
            .filter(pl.col("table") == table)
            .join(
                self._anchors.select("p", "participant_id", anchor_day=anchor), on="participant_id"
            )
            .select(
                "p",
                from_day=pl.col("from_day") - pl.col("anchor_day"),
                to_day=pl.col("to_day") - pl.col("anchor_day"),
            )
            .drop_nulls()
            .sort("p", "from_day", "to_day")
        )
        reached = pl.col("to_day").cum_max().shift(1).over("p")
        return (
            spans.with_columns(begins=(pl.col("from_day") > reached + 1).fill_null(value=True))
            .with_columns(stretch=pl.col("begins").cum_sum().over("p"))
            .group_by("p", "stretch")
            .agg(pl.col("from_day").min(), pl.col("to_day").max())
            .drop("stretch")
        )

    def last_days(self, anchor: str) -> pl.DataFrame:
        """Give `p`, `death`, `last_contact`, `complete_until`, as days from an anchor."""
        death = first_of(self.dated("events", anchor).filter(pl.col("event") == "death"), "death")
        return (
            self.participants.select("p", "last_contact_day", "complete_until_day")
            .join(self.anchor(anchor), on="p")
            .join(death.select("p", death="day"), on="p", how="left")
            .select(
                "p",
                "death",
                last_contact=pl.col("last_contact_day") - pl.col("anchor_day"),
                complete_until=pl.coalesce("complete_until_day", "last_contact_day")
                - pl.col("anchor_day"),
            )
            .sort("p")
        )

    def first_events(self, specs: list[EventSpec], anchor: str) -> pl.DataFrame:
        """Give each participant's first event of any of the specifications, on or after an anchor.

        Returns
        -------
        polars.DataFrame
            `p`, `day` (from the anchor), `record_id`, `name`. On one day the specification that
            stands first is taken.
        """
        parts = [
            self._one_event(spec, anchor).with_columns(order=pl.lit(order))
            for order, spec in enumerate(specs)
        ]
        if not parts:
            return _NO_EVENTS
        return (
            pl.concat(parts)
            .filter(pl.col("day") >= 0)
            .sort("p", "day", "order", "record_id")
            .unique("p", keep="first", maintain_order=True)
            .drop("order")
        )

    def _one_event(self, spec: EventSpec, anchor: str) -> pl.DataFrame:
        """Give the rows of one specification: events of a name, or a derived endpoint."""
        if spec.endpoint is not None:
            return self._endpoint_event(spec.endpoint, spec.is_ or [], anchor)
        rows = self.dated("events", anchor).filter(pl.col("event") == spec.event)
        if spec.grade_at_least is not None:
            rows = rows.filter(pl.col("grade") >= spec.grade_at_least)
        if spec.cause is not None:
            rows = rows.filter(pl.col("cause") == spec.cause)
        return rows.select("p", "day", "record_id", name="event")

    def _endpoint_event(self, endpoint: str, statuses: list[str], anchor: str) -> pl.DataFrame:
        """Give derived rows with one of the statuses, as events on the day they were decided for.

        A response at a fixed time happens at that time, not on the day of the visit, and the best
        response, where it has no day, at the end of its time. A level that only the protocol's
        choice gave (a missing assessment is no response) is no event after death or last contact.
        A graded endpoint happens on every day that surely has one of the grades.
        """
        if isinstance(self.protocol.endpoints[endpoint], GradedEndpoint):
            return self._graded_event(endpoint, statuses, anchor)
        assessed = getattr(self.protocol.endpoints[endpoint], "assessed", None)
        at, best = (getattr(assessed, name, None) for name in ("at", "best_until"))
        day = pl.coalesce("day", pl.lit(None if best is None else int(best), pl.Int32))
        ends = self.last_days(anchor).select("p", end=pl.min_horizontal("death", "last_contact"))
        return (
            self.derived[endpoint]
            .filter(pl.col("status").is_in(statuses))
            .join(self.participants.select("p", "participant_id"), on="participant_id")
            .join(self.anchor(anchor).rename({"anchor_day": "own"}), on="p")
            .join(ends, on="p")
            .select(
                "p",
                "cause",
                "end",
                day=(
                    pl.col("anchor_day")
                    + (day if at is None else pl.lit(int(at), pl.Int32))
                    - pl.col("own")
                ).cast(pl.Int32),
                record_id=pl.format("{}:{}", pl.lit(endpoint), "participant_id"),
                name=pl.format("{} {}", pl.lit(endpoint), "status"),
            )
            .drop_nulls("day")
            .filter(
                ~pl.col("cause").is_in(_NOT_SEEN).fill_null(value=False)
                | (pl.col("day") <= pl.col("end")).fill_null(value=True)
            )
            .drop("cause", "end")
        )

    def _graded_event(self, endpoint: str, grades: list[str], anchor: str) -> pl.DataFrame:
        """Give the days that surely have one of the grades, whichever of them, as events."""
        could = pl.col("could_be")
        wanted = could.list.set_intersection(pl.lit(grades)).list.len()
        return (
            self._graded_from(endpoint, anchor)
            .filter("covered", (wanted == could.list.len()) & (wanted > 0))
            .select(
                "p",
                "day",
                record_id=pl.format("{}:{}", pl.lit(endpoint), "participant_id"),
                name=pl.format("{} {}", pl.lit(endpoint), could.list.join(" or ")),
            )
        )

    def _graded_from(self, endpoint: str, anchor: str) -> pl.DataFrame:
        """Give the graded days of an endpoint, counted from another anchor."""
        from stromal.endpoints.graded import graded_days  # noqa: PLC0415  (it reads the context)

        spec = self.protocol.endpoints[endpoint]
        if not isinstance(spec, GradedEndpoint):
            raise UsageError(f"`{endpoint}` is no graded endpoint")
        return (
            graded_days(self, spec)
            .join(self.participants.select("p", "participant_id"), on="p")
            .join(self.anchor(spec.from_), on="p")
            .join(self.anchor(anchor).rename({"anchor_day": "own"}), on="p")
            .with_columns(day=(pl.col("day") + pl.col("anchor_day") - pl.col("own")).cast(pl.Int32))
            .drop_nulls("day")
        )

    def open_events(self, specs: list[EventSpec], anchor: str) -> pl.DataFrame:
        """Give each participant's first day that may have been an event and is not decided.

        1. A recorded event of one of the names whose grade, or cause, is asked for and not
           recorded, and which nothing else rules out.
        2. A day of assessment of a graded endpoint that could have one of the grades named, and
           could have another, or that no case of the definition covers.
        3. The day of the anchor for those whom nobody assessed for a graded endpoint.
        4. Another endpoint that is `not_evaluable`: the day of its assessment, or of its anchor.
           One that is `censored`, where events are asked for: the day after.

        Returns
        -------
        polars.DataFrame
            `p`, `open_day` (from the anchor, not negative), `open_name`, `open_said` (the
            same with its day), `open_ids`.
        """
        parts = [_NO_OPEN]
        for spec in specs:
            if spec.event is not None:
                parts += self._open_records(spec, anchor)
            elif isinstance(self.protocol.endpoints.get(spec.endpoint or ""), GradedEndpoint):
                parts += self._open_grades(spec, anchor)
            else:
                parts.append(self._open_derived(spec, anchor))
        return (
            pl.concat(parts)
            .filter(pl.col("open_day") >= 0)
            .sort("p", "open_day", maintain_order=True)
            .unique("p", keep="first", maintain_order=True)
        )

    def known_until(self, specs: list[EventSpec], anchor: str) -> pl.DataFrame:
        """Give `p`, `closed`: the day up to which the endpoints among the events are known.

        Only of those who are censored for one of them, the earliest day.
        """
        parts = [_NO_OPEN.select("p", closed="open_day")]
        for spec in specs:
            graded = isinstance(self.protocol.endpoints.get(spec.endpoint or ""), GradedEndpoint)
            if spec.endpoint is None or graded or "event" not in (spec.is_ or []):
                continue
            parts.append(
                self.derived[spec.endpoint]
                .filter(pl.col("status") == "censored")
                .join(self.participants.select("p", "participant_id"), on="participant_id")
                .join(self.anchor(anchor).rename({"anchor_day": "own"}), on="p")
                .select(
                    "p",
                    closed=(pl.col("day") + pl.col("anchor_day") - pl.col("own")).cast(pl.Int32),
                )
            )
        return pl.concat(parts).drop_nulls().group_by("p").agg(pl.col("closed").min())

    def _open_records(self, spec: EventSpec, anchor: str) -> list[pl.DataFrame]:
        """Give the recorded events that lack the grade or the cause that is asked for."""
        rows = self.dated("events", anchor).filter(pl.col("event") == spec.event)
        lacks, may = pl.lit(""), pl.lit(value=True)
        for column, asked in (("cause", spec.cause), ("grade", spec.grade_at_least)):
            if asked is None:
                continue
            held = pl.col(column) == asked if column == "cause" else pl.col(column) >= asked
            may &= held.fill_null(value=True)
            lacks = pl.when(pl.col(column).is_null()).then(pl.lit(column)).otherwise(lacks)
        return [
            rows.filter(may & (lacks != ""))
            .sort("p", "day", "record_id")
            .select(
                "p",
                open_day="day",
                open_name=pl.format("{} without its {}", "event", lacks),
                open_said=pl.format("{} without its {} on day {}", "event", lacks, "day"),
                open_ids=pl.concat_list("record_id"),
            )
        ]

    def _open_derived(self, spec: EventSpec, anchor: str) -> pl.DataFrame:
        """Give the days from which it is not known whether another endpoint happened."""
        name = spec.endpoint or ""
        assessed = getattr(self.protocol.endpoints[name], "assessed", None)
        at = next((d for key in ("at", "best_until") if (d := getattr(assessed, key, None))), 0)
        unknown = pl.col("status") == "not_evaluable"
        ended = (pl.col("status") == "censored") & pl.lit("event" in (spec.is_ or []))
        day = pl.when(ended).then(pl.col("day") + 1).otherwise(pl.lit(int(at), pl.Int32))
        plain = name.replace("_", " ")
        said = pl.when(ended).then(
            pl.format("nothing is known of {} after day {}", pl.lit(plain), "here")
        ).otherwise(
            pl.concat_str(
                pl.lit(f"{plain} is not known"), pl.format(" ({})", "cause").fill_null("")
            )
        )  # fmt: skip
        return (
            self.derived[name]
            .filter(unknown | ended)
            .join(self.participants.select("p", "participant_id"), on="participant_id")
            .join(self.anchor(anchor).rename({"anchor_day": "own"}), on="p")
            .with_columns(open_day=(day + pl.col("anchor_day") - pl.col("own")).cast(pl.Int32))
            .with_columns(here=pl.col("open_day") - 1)
            .select(
                "p",
                open_day=pl.max_horizontal("open_day", pl.lit(0, pl.Int32)),
                open_name=pl.lit(f"{plain} is not known"),
                open_said=said,
                open_ids=pl.lit([], pl.List(pl.String)),
            )
            .drop_nulls("open_day")
        )

    def _open_grades(self, spec: EventSpec, anchor: str) -> list[pl.DataFrame]:
        """Give the graded days that are not decided, and who was never assessed."""
        name = spec.endpoint or ""
        days = self._graded_from(name, anchor)
        could = pl.col("could_be")
        wanted = could.list.set_intersection(pl.lit(list(spec.is_ or []))).list.len()
        # sure: every grade that the day could have is one of those named
        sure = pl.col("covered") & (wanted == could.list.len()) & (wanted > 0)
        words = pl.format(
            "{} could be {} on day {}",
            pl.lit(name),
            pl.when(could.list.len() > 0)
            .then(could.list.join(" or "))
            .otherwise(pl.lit("any grade")),
            "day",
        )
        undecided = days.filter(~sure & ((wanted > 0) | ~pl.col("covered"))).select(
            "p", open_day="day", open_name=words, open_said=words, open_ids="records"
        )
        never = self.participants.join(days, on="p", how="anti").select(
            "p",
            open_day=pl.lit(0, pl.Int32),
            open_name=pl.lit(f"{name} was not assessed"),
            open_said=pl.lit(f"{name} was not assessed"),
            open_ids=pl.lit([], pl.List(pl.String)),
        )
        return [undecided, never]

    def endpoint_of(self, name: str, family: type[E], said: str) -> E:
        """Look an endpoint of one family up.

        Raises
        ------
        UsageError
            The protocol has none of that name, or it is of another family; `said` names the family.
        """
        endpoints = self.protocol.endpoints
        endpoint = endpoints.get(name)
        if isinstance(endpoint, family):
            return endpoint
        there = ", ".join(key for key, spec in endpoints.items() if isinstance(spec, family))
        raise UsageError(f"`{name}` is no {said} of this study; there are: {there or 'none'}")

    def with_derived(self, name: str, rows: pl.DataFrame) -> Context:
        """Give a context that also knows one more derived endpoint."""
        return replace(self, derived={**self.derived, name: rows})


_NO_DAYS = pl.DataFrame(schema={"p": pl.Int64, "day": pl.Int32})
_NO_EVENTS = pl.DataFrame(
    schema={"p": pl.Int64, "day": pl.Int32, "record_id": pl.String, "name": pl.String}
)


_NO_OPEN = pl.DataFrame(
    schema={
        "p": pl.Int64,
        "open_day": pl.Int32,
        "open_name": pl.String,
        "open_said": pl.String,
        "open_ids": pl.List(pl.String),
    }
)


def first_of(rows: pl.DataFrame, name: str) -> pl.DataFrame:
    """Give each participant's first row on or after day 0: `p`, `day`, `record_id`, `name`."""
    return (
        rows.filter(pl.col("day") >= 0)
        .sort("p", "day", "record_id")
        .unique("p", keep="first", maintain_order=True)
        .select("p", "day", "record_id", name=pl.lit(name))
    )


def derived_frame(
    context: Context, endpoint: str, definition: str, rows: pl.DataFrame
) -> pl.DataFrame:
    """Complete derived rows to the documented columns, one for each participant.

    Parameters
    ----------
    rows
        `p`, `anchor_day`, `status`, `day`, `day_low`, `day_high`, `cause`, `because`, `note`, and
        optionally `count`; days counted from the endpoint's anchor.
    """
    count = pl.col("count") if "count" in rows.columns else pl.lit(None)
    spec = context.protocol.endpoints[endpoint]
    anchor: str = getattr(spec, "from_", "") or vars(spec)["assessed"].from_
    label = context.protocol.anchors[anchor].label or anchor.replace("_", " ")
    told = pl.col("note").str.contains("day") & (pl.col("anchor_day") != 0)
    note = pl.when(told).then(pl.format("{} Days count from {}.", "note", pl.lit(label)))
    return (
        context.participants.select("p", "participant_id", "day_zero_date")
        .join(rows, on="p", how="left")
        .sort("p")
        .select(
            "participant_id",
            endpoint=pl.lit(endpoint),
            definition=pl.lit(definition),
            status="status",
            day=pl.col("day").cast(pl.Int32),
            date=pl.col("day_zero_date") + pl.duration(days=pl.col("anchor_day") + pl.col("day")),
            day_low=pl.col("day_low").cast(pl.Int32),
            day_high=pl.col("day_high").cast(pl.Int32),
            cause=pl.col("cause").cast(pl.String),
            because=pl.col("because").fill_null(pl.lit([], pl.List(pl.String))),
            note=note.otherwise("note"),
            anchor_day=pl.col("anchor_day").cast(pl.Int32),
            count=count.cast(pl.Int32),
        )
    )
