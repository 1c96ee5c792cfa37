"""Ordered levels of response, at a fixed time or the best one reached."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from stromal.endpoints.assessed import NOT_DUE, absent, assessment_window
from stromal.endpoints.context import COUNTS_MISSING, DIED_BEFORE, Context, derived_frame
from stromal.endpoints.kernels import FAIL, PASS, first_run, run_ending_within
from stromal.endpoints.runs import describe_count, reading_limit
from stromal.endpoints.series import Series, build_series
from stromal.protocol.endpoints import AssessedAt, AssessedBest, Level, ResponseEndpoint

if TYPE_CHECKING:
    import numpy.typing as npt

    from stromal.endpoints.kernels import Ints

__all__ = ["derive_response", "level_series"]


@dataclass(frozen=True)
class _Judged:
    """One level for all participants: three-valued verdict, day, records that decided."""

    holds: pl.Series
    day: pl.Series
    end: pl.Series
    records: pl.Series


def level_series(context: Context, level: Level, assessed: AssessedAt | AssessedBest) -> Series:
    """Build the series that one level is judged on: nothing after the assessment is read."""
    _, last = reading_limit(context, assessed.from_, [], level.counts)
    _, high = assessment_window(assessed)
    last = last.with_columns(pl.min_horizontal("last", pl.lit(high, pl.Int32)))
    lines = level.lines or len(level.counts)
    return build_series(level.counts, lines, context, assessed.from_, last)


def derive_response(context: Context, name: str, endpoint: ResponseEndpoint) -> pl.DataFrame:
    """Derive each participant's level of response.

    1. Levels are ordered, the best first: the highest that holds is the level, so no level needs a
       ceiling. A level with `held` needs a run of counts, one without needs its counts on one day.
    2. At a fixed time: a run must end on a day of the visit window; a level without a run is judged
       on the day of the window nearest to the planned one on which most of its counts were
       measured (of two equally near the earlier). The best response: the first run, or day, that
       is complete on the days from the anchor to `best_until`; nothing later is read.
    3. No level holds and all are excluded by counts: `otherwise`. Counts leave a level open, at a
       fixed time, where no failing day forbids a run that ends in the window; for the best
       response, where it would hold if the open days (a missed draw, an analyte not measured, a
       bound) were met, or where nothing was counted.
    4. No level holds and one is left open: the protocol's choice `missing`. Died before the end of
       the window: the choice `death`. Not yet due (see `absent`): `not_evaluable`, whatever the
       choice.

    A level that holds while a better one is left open is given, and the note says so.

    Returns
    -------
    polars.DataFrame
        The columns of `stromal.endpoints.outcome.DERIVED_COLUMNS`, one row a participant; `status`
        is the level.
    """
    judged = {
        level_name: _judge(context, level, endpoint)
        for level_name, level in endpoint.response.levels.items()
    }
    frame = context.anchor(endpoint.assessed.from_).join(absent(context, endpoint.assessed), on="p")
    frame = frame.sort("p")
    columns = [
        series.alias(f"{level}.{part}")
        for level, verdict in judged.items()
        for part, series in (
            ("holds", verdict.holds),
            ("day", verdict.day),
            ("end", verdict.end),
            ("records", verdict.records),
        )
    ]
    rows = _choose(frame.with_columns(columns), endpoint)
    rule = endpoint.response
    return derived_frame(context, name, rule.definition or rule.title or "spelled out", rows)


def _judge(context: Context, level: Level, endpoint: ResponseEndpoint) -> _Judged:
    """Judge one level for all participants."""
    assessed, held = endpoint.assessed, level.held
    series = level_series(context, level, assessed)
    if isinstance(assessed, AssessedBest):
        return _best(series, level, int(assessed.best_until))
    low, high = assessment_window(assessed)
    if held is None:
        return _on_one_day(series, level, low, int(assessed.at))
    size = context.size
    bounds = (np.full(size, low, dtype=np.int32), np.full(size, high, dtype=np.int32))
    first, last, possible = run_ending_within(
        series.offsets, series.day, series.status, *bounds, held.values, held.span, held.gap
    )
    return _judged(series, first, last, possible == 1)


def _best(series: Series, level: Level, until: int) -> _Judged:
    """Judge one level from the anchor to `until`: the first run, or day, complete by then."""
    offsets, held = series.offsets, level.held
    rule = (held.values, held.span, held.gap) if held is not None else (1, 0, 0)
    start = np.zeros(offsets.size - 1, dtype=np.int32)
    stop = np.full(offsets.size - 1, until, dtype=np.int32)
    first, last = first_run(offsets, series.day, series.status, start, stop, *rule, False)
    favour = np.where(series.status == FAIL, FAIL, PASS).astype(np.int8)
    could, _ = first_run(offsets, series.day, favour, start, stop, *rule, False)
    counted = np.append(0, np.cumsum(series.counted > 0))[offsets]
    return _judged(series, first, last, (could >= 0) | (np.diff(counted) == 0))


def _judged(series: Series, first: Ints, last: Ints, open_: npt.NDArray[np.bool_]) -> _Judged:
    """Turn the rows that decided into a verdict: true, unknown where left open, else false."""
    found = pl.DataFrame(
        {"met": first >= 0, "open": open_, "first": first, "last": last}
    ).with_columns(pl.col("first", "last").replace(-1, None))
    day = pl.Series(series.day)
    return _Judged(
        found.select(
            pl.when("met").then(True).when("open").then(None).otherwise(False)
        ).to_series(),
        day.gather(found["first"]),
        day.gather(found["last"]),
        series.records_of_runs(first, last),
    )  # fmt: skip


def _on_one_day(series: Series, level: Level, low: int, target: int) -> _Judged:
    """Judge a level on the day of the window nearest to the target with most of its counts."""
    visit = (
        series.rows.with_row_index("row")
        .filter((pl.col("day") >= low) & (pl.col("counted") > 0))
        .with_columns(
            missing=len(level.counts) - pl.col("counted").cast(pl.Int32),
            away=(pl.col("day") - target).abs(),
        )
        .sort("p", "missing", "away", "day")
        .unique("p", keep="first", maintain_order=True)
    )
    visit = visit.with_columns(records=series.records(visit["row"].to_numpy()))
    people = pl.DataFrame({"p": np.arange(series.offsets.size - 1)})
    found = people.join(visit, on="p", how="left", maintain_order="left")
    holds = found.select(
        pl.when(pl.col("status") == PASS)
        .then(True)
        .when(pl.col("status") == FAIL)
        .then(False)
        .otherwise(None)
    ).to_series()
    return _Judged(holds, found["day"], found["day"], found["records"])


def _choose(frame: pl.DataFrame, endpoint: ResponseEndpoint) -> pl.DataFrame:
    """Choose the highest level that holds, or what the protocol says of its absence."""
    levels = list(endpoint.response.levels)
    holds = {level: pl.col(f"{level}.holds").fill_null(value=False) for level in levels}
    opened = pl.any_horizontal([pl.col(f"{level}.holds").is_null() for level in levels])
    otherwise = endpoint.response.otherwise
    assessed = endpoint.assessed
    level_of = pl.coalesce([pl.when(holds[level]).then(pl.lit(level)) for level in levels])
    absent_as = {
        "missing": otherwise if assessed.missing == "no response" else "not_evaluable",
        "death": otherwise if assessed.death == "no response" else "not_evaluable",
    }
    frame = frame.with_columns(level=level_of, opened=opened)
    status = (
        pl.when(pl.col("anchor_day").is_null())
        .then(pl.lit("not_applicable"))
        .when(pl.col("level").is_not_null())
        .then("level")
        .when(pl.col("opened") & pl.col("died"))
        .then(pl.lit(absent_as["death"]))
        .when(pl.col("opened") & pl.col("not_due"))
        .then(pl.lit("not_evaluable"))
        .when(pl.col("opened"))
        .then(pl.lit(absent_as["missing"]))
        .otherwise(pl.lit(otherwise))
    )
    cause = (
        pl.when(pl.col("anchor_day").is_null())
        .then(pl.lit("anchor did not happen"))
        .when(pl.col("level").is_not_null() | ~pl.col("opened"))
        .then(pl.lit(None))
        .when("died")
        .then(pl.lit(DIED_BEFORE))
        .when("not_due")
        .then(pl.lit(NOT_DUE))
        .otherwise(pl.lit(COUNTS_MISSING))
    )

    def of_level(part: str) -> pl.Expr:
        return pl.coalesce([pl.when(holds[level]).then(f"{level}.{part}") for level in levels])

    seen = pl.coalesce([pl.col(f"{level}.records") for level in levels])
    frame = frame.with_columns(
        status=status,
        cause=cause,
        day=pl.coalesce(of_level("day"), pl.coalesce([f"{level}.day" for level in levels])),
        end=of_level("end"),
        because=pl.coalesce(of_level("records"), seen),
        better=_better_open(levels),
    )
    return frame.with_columns(
        note=_note(endpoint),
        day_low=pl.lit(None, pl.Int32),
        day_high=pl.lit(None, pl.Int32),
    ).select("p", "anchor_day", "status", "day", "day_low", "day_high", "cause", "because", "note")


def _better_open(levels: list[str]) -> pl.Expr:
    """Name the levels above the one that holds which are left open."""
    parts = [
        pl.when(
            pl.col(f"{level}.holds").is_null()
            & (pl.col("level").replace_strict(levels, range(len(levels)), default=-1) > rank)
        ).then(pl.lit(level))
        for rank, level in enumerate(levels)
    ]
    return pl.concat_str(parts, separator=", ", ignore_nulls=True)


def _note(endpoint: ResponseEndpoint) -> pl.Expr:
    """Write one sentence a physician understands."""
    rules = {
        level: " and ".join(describe_count(count) for count in rule.counts)
        for level, rule in endpoint.response.levels.items()
    }
    said = pl.col("level").replace_strict(list(rules), list(rules.values()), default=None)
    days = pl.when(pl.col("day") == pl.col("end")).then(pl.format("day {}", "day")).otherwise(
        pl.format("days {} to {}", "day", "end")
    )  # fmt: skip
    opened = pl.when(pl.col("better") != "").then(
        pl.format(" {} could not be judged.", "better")
    ).otherwise(pl.lit(""))  # fmt: skip
    return (
        pl.when(pl.col("anchor_day").is_null())
        .then(pl.lit("The moment from which days count did not happen."))
        .when(pl.col("level").is_not_null())
        .then(pl.format("{}: {} on {}.{}", "level", said, days, opened))
        .when(pl.col("cause").is_not_null())
        .then(pl.format("{}: {}.", "status", "cause"))
        .otherwise(pl.format("{}: no level was met in the assessment window.", "status"))
    )
