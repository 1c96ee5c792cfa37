"""The plan computed from the protocol: infusions due, days of planned draws, runs they can show."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from datetime import date, timedelta

import numpy as np
import numpy.typing as npt
import polars as pl

from stromal.core import Quantity
from stromal.protocol.protocol import Protocol
from stromal.protocol.rules import RunRule
from stromal.protocol.timing import DrawPlan
from stromal.protocol.treatment import (
    Dose,
    FixedDose,
    InfusionPlan,
    PerKilogramDose,
    RangeDose,
    Times,
)

__all__ = [
    "PLANNED_COLUMNS",
    "days_of_plan",
    "dose_in_words",
    "draw_days",
    "draws_due",
    "infusions_due",
    "largest_daily_run",
    "planned_infusions",
    "shortest_run",
    "shortest_shown_run",
]

WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
PLANNED_COLUMNS: dict[str, pl.DataType] = {
    "arm": pl.String(),
    "plan": pl.Int32(),
    "product": pl.String(),
    "number": pl.Int32(),
    "optional": pl.Boolean(),
    "anchor": pl.String(),
    "due_after": pl.Int32(),
    "after_first": pl.Int32(),
    "earliest": pl.Int32(),
    "latest": pl.Int32(),
    "dose": pl.String(),
}
"""Columns of the planned infusions; see `planned_infusions`."""

_MOST_PHASES = 3_000
Days = npt.NDArray[np.int64]


# --- infusions -------------------------------------------------------------------------------


def planned_infusions(protocol: Protocol) -> pl.DataFrame:
    """Give every infusion that the protocol plans, arm by arm.

    1. Infusion k of a plan is due `first_after + (k - 1) * every` days after the plan's anchor.
       Where `every` is not stated only the first has a day.
    2. `number` counts the infusions of one product through the plans of an arm, as the infusions
       table does. A plan of "2 to 5" gives five rows, of which those above 2 are `optional`; a plan
       whose number is not stated gives its first infusion alone.
    3. With a window an infusion is on time from `earliest` to `latest`, both included.

    Returns
    -------
    polars.DataFrame
        `arm`, `plan` (from 0, within the arm), `product`, `number`, `optional`, `anchor`,
        `due_after`, `after_first` (days after the first infusion of the plan), `earliest`,
        `latest` (all whole days; the last three and `due_after` count from `anchor`, and are null
        where the protocol does not say), `dose` (in words).
    """
    rows = [
        row
        for arm in protocol.arms
        for row in _infusions_of_arm(arm, list(protocol.arms[arm].infuse))
    ]
    return pl.DataFrame(rows, schema=PLANNED_COLUMNS, orient="row")


def _infusions_of_arm(arm: str, plans: list[InfusionPlan]) -> Iterator[tuple[object, ...]]:
    """Give the rows of one arm."""
    given: dict[str, int] = {}
    for index, plan in enumerate(plans):
        least, most = _how_many(plan)
        before = given.get(plan.product, 0)
        given[plan.product] = before + most
        for k in range(1, most + 1):
            after_first = _after_first(plan, k)
            due = None if after_first is None else int(plan.first_after) + after_first
            low, high = _window(plan, due)
            yield (
                arm, index, plan.product, before + k, k > least, plan.first, due, after_first,
                low, high, dose_in_words(plan.dose),
            )  # fmt: skip


def _how_many(plan: InfusionPlan) -> tuple[int, int]:
    """Give the least and the largest number of infusions; 1 and 1 where it is not stated."""
    if isinstance(plan.times, Times):
        return plan.times.from_, plan.times.to
    return (plan.times, plan.times) if isinstance(plan.times, int) else (1, 1)


def _after_first(plan: InfusionPlan, k: int) -> int | None:
    """Give the days from the first to the k-th infusion of a plan."""
    if k == 1:
        return 0
    return (k - 1) * int(plan.every) if isinstance(plan.every, int) else None


def _window(plan: InfusionPlan, due: int | None) -> tuple[int | None, int | None]:
    """Give the first and the last day on which an infusion is on time."""
    if due is None or isinstance(plan.window, str):
        return None, None
    return due + int(plan.window[0]), due + int(plan.window[1])


def dose_in_words(dose: Dose) -> str:
    """Give a dose in words, such as `1 x 10^6 cells/kg`.

    Examples
    --------
    >>> from stromal.core import parse_quantity
    >>> dose_in_words(FixedDose(fixed=parse_quantity("3e7"), volume="100 mL"))
    '3 x 10^7 cells in 100 mL'
    """
    if isinstance(dose, PerKilogramDose):
        weight = "" if dose.weight == "not stated" else f" (weight {dose.weight})"
        cap = "" if dose.cap is None else f", at most {_cells(dose.cap)} cells"
        return f"{_cells(dose.per_kg)} cells/kg{weight}{cap}"
    if isinstance(dose, FixedDose):
        volume = "" if dose.volume is None else f" in {dose.volume}"
        return f"{_cells(dose.fixed)} cells{volume}"
    if isinstance(dose, RangeDose):
        low, high = (_cells(bound) for bound in dose.range_per_kg)
        return f"{low} to {high} cells/kg"
    return dose.none


def _cells(quantity: Quantity) -> str:
    """Give a number of cells (per kg) as `1.5 x 10^6`."""
    value = quantity.to("/kg" if quantity.dimension == "cells per mass" else "1")
    if value < 10_000:
        return f"{value:g}"
    power = math.floor(math.log10(value))
    return f"{round(value / 10.0**power, 6):g} x 10^{power}"


def infusions_due(protocol: Protocol, participants: pl.DataFrame) -> pl.DataFrame:
    """Place the planned infusions of every participant on study days.

    1. Each participant gets the planned infusions of their `arm`.
    2. `due_day` is the day of the plan's anchor plus `due_after`; null where the participant's
       anchor has not happened or the plan has no day.

    Parameters
    ----------
    protocol
        The protocol.
    participants
        `participant_id`, `arm`, and one whole-number column for every anchor of the protocol (its
        day from `day_zero`, null where it did not happen).

    Returns
    -------
    polars.DataFrame
        `participant_id` and the planned columns, with `due_day`, `earliest_day`, `latest_day` from
        `day_zero`. Participants without arm, or of an arm without infusions, have no row.
    """
    anchors = list(protocol.anchors)
    days = participants.select("participant_id", *(pl.col(a).cast(pl.Int32) for a in anchors))
    long = days.unpivot(anchors, index="participant_id", variable_name="anchor", value_name="_at")
    rows = participants.select("participant_id", "arm").join(
        planned_infusions(protocol), on="arm", how="inner", maintain_order="left_right"
    )
    placed = rows.join(
        long, on=["participant_id", "anchor"], how="left", maintain_order="left"
    ).with_columns(
        due_day=pl.col("_at") + pl.col("due_after"),
        earliest_day=pl.col("_at") + pl.col("earliest"),
        latest_day=pl.col("_at") + pl.col("latest"),
    )
    return placed.drop("_at")


# --- draws -----------------------------------------------------------------------------------


def draw_days(plan: DrawPlan, *, anchor_date: date | None, last: int) -> tuple[int, ...] | None:
    """Give the days on which one plan of draws has blood drawn.

    1. The first day looked at is `start`, in days after the plan's anchor.
    2. The last one is `last`, or the plan's own `until` where that is a time and comes earlier;
       both are included.
    3. `daily` is each of these days; `every` is the first and each `every` days later; weekdays
       are those days of the calendar.

    Parameters
    ----------
    plan
        The plan of draws.
    anchor_date
        Date of the plan's anchor; needed for weekdays alone.
    last
        Last day looked at, after the plan's anchor. Where `until` names an anchor this is the day
        before that anchor.

    Returns
    -------
    tuple of int, or None
        Days after the plan's anchor; None where weekdays cannot be placed without a date.
    """
    end = last if isinstance(plan.until, str) else min(last, int(plan.until))
    days = range(int(plan.start), end + 1)
    if plan.every is not None:
        return tuple(days[:: max(1, int(plan.every))])
    if plan.on == "daily":
        return tuple(days)
    if anchor_date is None:
        return None
    wanted = {WEEKDAYS.index(day) for day in plan.on or ()}
    return tuple(
        day for day in days if (anchor_date + timedelta(days=day)).weekday() in wanted
    )  # fmt: skip


def draws_due(protocol: Protocol, participants: pl.DataFrame) -> pl.DataFrame:
    """Place the planned draws of every participant on study days.

    1. A plan begins `start` days after its anchor and ends at its `until` (a time: that day
       included; an anchor: the day before it), or on the participant's `until_day` where that is
       earlier. An anchor that has not happened ends nothing.
    2. Weekdays need the participant's `day_zero_date`. Without it the plan gives one row with an
       empty day: planned, and not to be placed.
    3. A day on which two plans draw the same analyte is one row.

    Parameters
    ----------
    protocol
        The protocol. Where its draws are not stated there are no rows.
    participants
        `participant_id`, one whole-number column for every anchor (day from `day_zero`),
        `until_day` (last day to list) and `day_zero_date` (date or null).

    Returns
    -------
    polars.DataFrame
        `participant_id`, `analyte`, `day` from `day_zero`, sorted.
    """
    plans = [] if isinstance(protocol.draws, str) else protocol.draws
    schema = {"participant_id": pl.String, "analyte": pl.String, "day": pl.Int32}
    if not plans:
        return pl.DataFrame(schema=schema)
    # millions of rows: sorted by a participant's rank, not by their name
    names = participants["participant_id"].unique().sort()
    ranks = pl.int_range(names.len(), dtype=pl.UInt32, eager=True)
    rank = pl.col("participant_id").replace_strict(names, ranks, return_dtype=pl.UInt32)
    ranked = participants.with_columns(rank)
    analytes = pl.Enum(sorted({analyte for plan in plans for analyte in plan.analytes}))
    frames = [
        days_of_plan(plan, ranked).join(
            pl.DataFrame({"analyte": sorted(set(plan.analytes))}, schema={"analyte": analytes}),
            how="cross",
        ).select("participant_id", "analyte", "day")
        for plan in plans
    ]  # fmt: skip
    rows = frames[0] if len(frames) == 1 else pl.concat(frames).unique()
    return (
        rows.sort("participant_id", "analyte", "day", nulls_last=True)
        .with_columns(pl.col("participant_id").replace_strict(ranks, names, return_dtype=pl.String))
        .cast({"analyte": pl.String, "day": pl.Int32})
    )


def days_of_plan(plan: DrawPlan, participants: pl.DataFrame) -> pl.DataFrame:
    """Place the draws of one plan: `participant_id`, `day` from day zero, as in `draws_due`."""
    begin = pl.col(plan.from_) + int(plan.start)
    planned_end = (
        pl.col(plan.until) - 1
        if isinstance(plan.until, str)
        else pl.col(plan.from_) + int(plan.until)
    )
    stretch = participants.select(
        "participant_id",
        "day_zero_date",
        _begin=begin.cast(pl.Int64),
        _end=pl.min_horizontal(planned_end, pl.col("until_day")).cast(pl.Int64),
    ).filter(pl.col("_begin") <= pl.col("_end"))
    step = 1 if plan.every is None else max(1, int(plan.every))
    rows = stretch.with_columns(
        day=pl.int_ranges(pl.col("_begin"), pl.col("_end") + 1, step)
    ).explode("day")
    if isinstance(plan.on, list):
        rows = _on_weekdays(rows, [WEEKDAYS.index(day) + 1 for day in plan.on])
    return rows.select("participant_id", pl.col("day").cast(pl.Int32))


def _on_weekdays(rows: pl.DataFrame, weekdays: list[int]) -> pl.DataFrame:
    """Keep the days on these ISO weekdays; without a date keep one row, with an empty day."""
    dated = rows.filter(pl.col("day_zero_date").is_not_null())
    on = (pl.col("day_zero_date") + pl.duration(days=pl.col("day"))).dt.weekday().is_in(weekdays)
    undated = (
        rows.filter(pl.col("day_zero_date").is_null())
        .unique("participant_id", maintain_order=True)
        .with_columns(day=pl.lit(None, dtype=pl.Int64))
    )
    return pl.concat([dated.filter(on), undated])


# --- what the draws can show -----------------------------------------------------------------


def shortest_run(days: Sequence[int] | Days, run: RunRule) -> int | None:
    """Give the fewest days from the first to the last value of a run, if all values qualify.

    Parameters
    ----------
    days
        Days on which blood is drawn, each once, rising.
    run
        The rule.

    Returns
    -------
    int or None
        Days from first to last value; None where no run can be shown on these days.
    """
    drawn = np.asarray(days, dtype=np.int64)
    best: int | None = None
    for stretch in _stretches(drawn, run.gap):
        found = _shortest_in(stretch, run)
        if found is not None and (best is None or found < best):
            best = found
    return best


def _stretches(drawn: Days, gap: int) -> list[Days]:
    """Split rising days where two are further apart than the largest gap (0: no limit)."""
    if gap == 0 or drawn.size == 0:
        return [drawn]
    return np.split(drawn, np.flatnonzero(np.diff(drawn) > gap) + 1)


def _shortest_in(stretch: Days, run: RunRule) -> int | None:
    """Give the shortest run within a stretch whose gaps are allowed."""
    if run.lasting is None:
        if stretch.size < run.values:
            return None
        return int((stretch[run.values - 1 :] - stretch[: stretch.size - run.values + 1]).min())
    last = np.searchsorted(stretch, stretch + run.span, side="left")
    within = last < stretch.size
    if not within.any():
        return None
    return int((stretch[last[within]] - stretch[within]).min())


def largest_daily_run(plans: Sequence[DrawPlan]) -> int | None:
    """Give the longest run of consecutive days on which these plans draw blood.

    1. The plans are taken to be in force together and without end (steady state), so this is the
       most that they can show.
    2. Weekdays share one calendar; a plan with `every` may fall on any of its days, so the most
       favourable position is taken.

    Returns
    -------
    int or None
        Number of days; 0 without plans; None where there is no limit (draws on every day).

    Examples
    --------
    >>> plan = {"analytes": ["PLT"], "from": "transplant", "until": "8 wk"}
    >>> largest_daily_run([DrawPlan.model_validate({**plan, "on": ["Mon", "Wed", "Fri"]})])
    1
    """
    longest = 0
    for drawn in _steady_patterns(plans):
        if drawn.size == 0:
            continue
        lengths = [stretch.size for stretch in _stretches(drawn, 1)]
        if len(lengths) == 1 and drawn.size > 1:
            return None
        longest = max(longest, *lengths)
    return longest


def shortest_shown_run(plans: Sequence[DrawPlan], run: RunRule) -> int | None:
    """Give the fewest days from first to last value of a run that these plans can show.

    The plans are taken together and without end, as `largest_daily_run` does.

    Returns
    -------
    int or None
        Days; None where these plans can never show the run, whatever the counts are: a rule that
        rests on it is not evaluable.
    """
    found = [
        span
        for drawn in _steady_patterns(plans, values=run.values, span=run.span)
        if (span := shortest_run(drawn, run)) is not None
    ]
    return min(found, default=None)


def _steady_patterns(
    plans: Sequence[DrawPlan], *, values: int = 1, span: int = 0
) -> Iterator[Days]:
    """Give the days drawn over several periods, for every position of the plans to each other."""
    weekly = {WEEKDAYS.index(day) for plan in plans if isinstance(plan.on, list) for day in plan.on}
    steps = [max(1, int(plan.every)) for plan in plans if plan.every is not None]
    if any(plan.on == "daily" for plan in plans) or 1 in steps or _too_many(steps):
        yield np.arange(64 + values + span, dtype=np.int64)
        return
    horizon = (7 * bool(weekly) + sum(steps)) * (values + 4) + span + 28
    days = np.arange(horizon, dtype=np.int64)
    by_week = np.isin(days % 7, list(weekly)) if weekly else np.zeros(horizon, dtype=np.bool_)
    first, rest = (steps[:1], steps[1:]) if not weekly else ([], steps)
    for phases in itertools.product(*(range(step) for step in rest)):
        drawn = by_week.copy()
        for step, phase in zip([*first, *rest], [0] * len(first) + list(phases), strict=True):
            drawn |= days % step == phase
        yield np.flatnonzero(drawn).astype(np.int64)


def _too_many(steps: list[int]) -> bool:
    """Whether there are too many positions to try; then every day counts as drawn."""
    return math.prod(steps) > _MOST_PHASES
