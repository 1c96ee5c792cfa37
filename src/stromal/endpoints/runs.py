"""What recovery and cytopenia share: from a series and a run rule to derived rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import polars as pl

from stromal.endpoints.context import Context
from stromal.endpoints.days_kernels import LAST_DAY
from stromal.endpoints.kernels import (
    NONE,
    UNLOGGED,
    Days,
    Found,
    RunCode,
    room_for_found,
    search_runs,
)
from stromal.endpoints.series import Series
from stromal.protocol.endpoints import EventSpec
from stromal.protocol.rules import CountRule, RunRule
from stromal.protocol.schedule import shortest_shown_run

__all__ = [
    "Start",
    "can_be_shown",
    "compile_run",
    "decide_runs",
    "derive_runs",
    "describe_count",
    "describe_run",
    "reading_limit",
]

_SIGNS = {"at_least": "≥", "above": ">", "at_most": "≤", "below": "<"}
_BoundName = Literal["at_least", "above", "at_most", "below"]


def describe_count(rule: CountRule) -> str:
    """Say a count's rule shortly, such as `ANC ≥ 0.5 × 10⁹/L`."""
    bounds: tuple[_BoundName, ...] = ("at_least", "above", "at_most", "below")
    parts = [f"{_SIGNS[name]} {getattr(rule, name)}" for name in bounds if getattr(rule, name)]
    return f"{rule.analyte} {' and '.join(parts)}".replace("10*9/L", "× 10⁹/L")


def describe_run(rule: RunRule) -> str:
    """Say a run rule shortly, such as `3 values on different days`."""
    if rule.lasting is not None:
        return f"values over at least {int(rule.lasting)} days"
    return f"{rule.run} {rule.of}"


@dataclass(frozen=True)
class Start:
    """Where each participant's search begins.

    Parameters
    ----------
    day
        First day on which a run may begin; rows of participants without one are not searched.
    told
        A clause for the note, such as `nadir 0.1 on day 8`.
    excluded
        Status for those who cannot be searched (`not_applicable`, `not_evaluable`) or null.
    reason
        Why they are excluded.
    """

    day: Days
    told: pl.Series
    excluded: pl.Series
    reason: pl.Series


def reading_limit(
    context: Context, anchor: str, competing: list[EventSpec], counts: list[CountRule]
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Find each participant's competing event and the last day that is read.

    Nothing after a competing event or a death is read; where the rule asks about transfusions,
    nothing after `complete_until` either, because silence then no longer means that none was given.
    Participants whose transfusions have rows in the coverage table are read on: these rows say what
    silence means. A competing event that comes after `complete_until`, or after the last stretch
    for which the coverage table says that measurements are complete, competes with nothing that was
    observed: the event may have happened, unseen, before it.

    Returns
    -------
    tuple of frames
        (`p`, `day`, `record_id`, `name`) of the first competing event; (`p`, `last`).
    """
    events = context.first_events(competing, anchor)
    days = context.last_days(anchor).join(events.select("p", competing="day"), on="p", how="left")
    limits = [pl.col("competing"), pl.col("death")]
    for table in sorted({rule.asked_table for rule in counts if rule.asked_table}):
        covered = pl.col("p").is_in(context.covered(table)["p"].implode())
        limits.append(pl.when(~covered).then("complete_until"))
    last = days.select("p", last=pl.min_horizontal(*limits).fill_null(LAST_DAY).cast(pl.Int32))
    return _observed(events, context, anchor), last


def _observed(events: pl.DataFrame, context: Context, anchor: str) -> pl.DataFrame:
    """Keep the competing events up to which counts are known to be recorded, or nothing is said."""
    ends = (
        context.participants.select("p", "complete_until_day")
        .join(context.anchor(anchor), on="p")
        .select("p", complete=pl.col("complete_until_day") - pl.col("anchor_day"))
    )
    logged = context.dated_coverage("measurements", anchor).group_by("p").agg(
        logged=pl.col("to_day").max() + 1
    )  # fmt: skip
    known = pl.coalesce("logged", "complete")
    return (
        events.join(ends, on="p", how="left", maintain_order="left")
        .join(logged, on="p", how="left", maintain_order="left")
        .filter((pl.col("day") <= known).fill_null(value=True))
        .drop("complete", "logged")
    )


def derive_runs(  # noqa: PLR0913
    series: Series,
    rule: RunRule,
    start: Start,
    context: Context,
    *,
    anchor: str,
    competing: pl.DataFrame,
    until: int | None,
    earliest: int,
    analytes: list[str],
    said: str,
) -> pl.DataFrame:
    """Derive status, day, bounds and reasons from a series, in this order.

    1. Participants without the anchor, or excluded by `start`, are `not_applicable` or
       `not_evaluable`, unless a competing event came first.
    2. The first run that qualifies, begun on or before `until`: `event` on its first day.
    3. Otherwise the competing event: `competing` on its day.
    4. Otherwise, where no count tells anything, where the planned draws, or the draws that were
       taken (often enough and long enough, but too far apart), cannot show a run, or where nowhere
       enough days are logged for one: `not_evaluable`.
    5. Otherwise `censored` at the last day on which a complete run could still have begun: of the
       counts that tell something, the last one from which the counts that follow it, had they all
       met the rule, would have made a run. With a count on every day this is the last count less
       the length of the run; with consecutive days it lies before the draws became too rare. Where
       the rule itself looks no earlier than day `earliest`, nobody can have had the event before,
       and who was seen for less is censored on the last day seen, at most the day before it.

    `day_low` completes every day without a failing row in favour, up to the last day on which blood
    was counted; `day_high` completes every missing draw against.
    """
    stop = np.full(context.size, LAST_DAY if until is None else until, dtype=np.int32)
    found = room_for_found(context.size)
    search_runs(
        series.offsets, series.day, series.status, series.drawn, series.source,
        start.day, stop, compile_run(rule), found,
    )  # fmt: skip
    records = series.records_of_runs(found.first, found.last)
    return decide_runs(
        found, records, rule, start, context.anchor(anchor),
        competing=competing, until=until, earliest=earliest,
        planned=can_be_shown(rule, context, analytes), said=said,
    )  # fmt: skip


def compile_run(rule: RunRule) -> RunCode:
    """Compile a run rule."""
    return RunCode(rule.values, rule.span, rule.gap)


def decide_runs(  # noqa: PLR0913
    found: Found,
    records: pl.Series,
    rule: RunRule,
    start: Start,
    anchors: pl.DataFrame,
    *,
    competing: pl.DataFrame,
    until: int | None,
    earliest: int,
    planned: bool,
    said: str,
    asked: str = "transfusions",
) -> pl.DataFrame:
    """Turn what a search found into derived rows; see `derive_runs` for the order of decisions.

    `anchors` has `p` and `anchor_day`; `planned` says whether the planned draws can show the run,
    `asked` what the rule asks to be free of.
    """
    frame = (
        anchors.join(
            competing.rename({"day": "competing_day", "record_id": "competing_id"}),
            on="p",
            how="left",
        )
        .sort("p")
        .with_columns(
            **{name: pl.Series(column) for name, column in found._asdict().items()},
            records=records,
            told=start.told,
            excluded=start.excluded,
            reason=start.reason,
        )
        .rename({"event": "event_day", "high": "day_high", "low": "day_low"})
    )
    unknown = ["event_day", "run_end", "day_high", "day_low", "seen", "drawn"]
    frame = frame.with_columns(pl.when(pl.col(name) != NONE).then(name) for name in unknown)
    known = pl.min_horizontal("seen", pl.lit(earliest - 1))
    could = pl.min_horizontal("could", pl.lit(LAST_DAY if until is None else until))
    frame = frame.with_columns(
        could=pl.max_horizontal(could, known, pl.lit(0)),
        unshown=(pl.col("could") == NONE) & (pl.col("enough") == 1),
        unlogged=(pl.col("could") == NONE) & (pl.col("enough") == UNLOGGED),
    )
    return _decide(frame, rule, until, said, planned=planned, asked=asked)


def can_be_shown(rule: RunRule, context: Context, analytes: list[str]) -> bool:
    """Say whether the planned draws can show the run for every one of the analytes."""
    draws = context.protocol.draws
    if isinstance(draws, str) or not draws:
        return True
    by_analyte = [[plan for plan in draws if analyte in plan.analytes] for analyte in analytes]
    return all(not plans or shortest_shown_run(plans, rule) is not None for plans in by_analyte)


def _decide(
    frame: pl.DataFrame, rule: RunRule, until: int | None, said: str, *, planned: bool, asked: str
) -> pl.DataFrame:
    """Choose each participant's status and say why."""
    unshown = pl.lit(not planned) | pl.col("unshown")
    status = (
        pl.when(pl.col("anchor_day").is_null())
        .then(pl.lit("not_applicable"))
        .when(pl.col("excluded") == "not_applicable")
        .then(pl.lit("not_applicable"))
        .when(pl.col("event_day").is_not_null())
        .then(pl.lit("event"))
        .when(pl.col("competing_day").is_not_null() & _in_time("competing_day", until))
        .then(pl.lit("competing"))
        .when(pl.col("excluded").is_not_null())
        .then("excluded")
        .when(pl.col("seen").is_null() | unshown | pl.col("unlogged"))
        .then(pl.lit("not_evaluable"))
        .otherwise(pl.lit("censored"))
    )
    frame = frame.with_columns(status=status)
    is_ = {name: pl.col("status") == name for name in ("event", "competing", "censored")}
    timed = pl.col("status").is_in(["event", "competing", "censored", "not_evaluable"])
    frame = frame.with_columns(
        day=pl.when(is_["event"])
        .then("event_day")
        .when(is_["competing"])
        .then("competing_day")
        .when(is_["censored"])
        .then("could"),
        day_low=pl.when(timed).then("day_low"),
        day_high=pl.when(timed).then("day_high"),
        cause=_cause(is_, asked),
        because=pl.when(is_["event"])
        .then("records")
        .when(is_["competing"])
        .then(pl.concat_list("competing_id")),
    )
    return frame.with_columns(note=_note(is_, rule, said, asked)).select(
        "p", "anchor_day", "status", "day", "day_low", "day_high", "cause", "because", "note"
    )


def _in_time(column: str, until: int | None) -> pl.Expr:
    """Say whether a day is within the time in which the event is looked for."""
    return pl.lit(value=True) if until is None else pl.col(column) <= until


def _cause(is_: dict[str, pl.Expr], asked: str) -> pl.Expr:
    """Name the competing event, or why there is no result."""
    return (
        pl.when(is_["competing"])
        .then("name")
        .when(is_["censored"])
        .then(pl.lit("end of counts"))
        .when(is_["event"])
        .then(pl.lit(None))
        .when(pl.col("anchor_day").is_null())
        .then(pl.lit("anchor did not happen"))
        .when(pl.col("excluded").is_not_null())
        .then("reason")
        .when("unlogged")
        .then(pl.lit(f"{asked} were not logged"))
        .when(pl.col("seen").is_null())
        .then(pl.lit("no counts"))
        .otherwise(pl.lit("draws cannot show the run"))
    )


def _note(is_: dict[str, pl.Expr], rule: RunRule, said: str, asked: str) -> pl.Expr:
    """Write one sentence a physician understands."""
    after = pl.when(pl.col("told") != "").then(pl.format("; {}", "told")).otherwise(pl.lit(""))
    span = pl.when(pl.col("event_day") == pl.col("run_end")).then(
        pl.format("day {}", "event_day")
    ).otherwise(pl.format("days {} to {}", "event_day", "run_end"))  # fmt: skip
    rule_said = pl.lit(f"{said}, {describe_run(rule)}")
    inner = rule_said.str.replace("^At least", "at least")
    name = pl.col("name").str.replace_all("_", " ")
    return (
        pl.when(is_["event"])
        .then(pl.format("{}: first met on {}{}.", rule_said, span, after))
        .when(is_["competing"])
        .then(
            pl.format("{} on day {} before {} was met{}.", name, "competing_day", inner, after)
        )
        .when(is_["censored"])
        .then(
            pl.format(
                "Not met by the last count on day {}; a run could still have begun up to day {}{}.",
                "seen", "day", after,
            )
        )
        .when(pl.col("anchor_day").is_null())
        .then(pl.lit("The moment from which days count did not happen."))
        .when(pl.col("excluded").is_not_null())
        .then(pl.format("{}.", "told"))
        .when("unlogged")
        .then(
            pl.format(
                "{} cannot be shown: {} were not logged on enough days.", rule_said, pl.lit(asked)
            )
        )
        .when(pl.col("seen").is_null())
        .then(pl.lit("No count from the anchor on can decide the rule."))
        .otherwise(
            pl.format(
                "{} cannot be shown: the blood was drawn on at most {} successive days.",
                rule_said, pl.col("stretch").fill_null(0),
            )
            if rule.of == "consecutive days"
            else pl.format("{} cannot be shown: the draws are too few or too far apart.", rule_said)
        )
    )  # fmt: skip
