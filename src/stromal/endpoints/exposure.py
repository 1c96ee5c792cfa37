"""Infusions planned and given, and the dose of each."""

from __future__ import annotations

import polars as pl

from stromal.endpoints.context import Context
from stromal.endpoints.doses import compare_doses, dose_columns
from stromal.protocol import Protocol
from stromal.protocol.schedule import infusions_due
from stromal.protocol.treatment import Times
from stromal.records import anchor_days

__all__ = ["GIVEN_STATES", "INFUSION_COLUMNS", "list_infusions", "summarize_exposure"]

GIVEN_STATES = ("given", "given early", "given late", "extra")
"""The states of infusions that were given."""

_WITHDRAWAL = "withdrawal"

INFUSION_COLUMNS: dict[str, pl.DataType] = {
    "participant_id": pl.String(),
    "arm": pl.String(),
    "product": pl.String(),
    "number": pl.Int32(),
    "required": pl.Boolean(),
    "due_day": pl.Int32(),
    "earliest": pl.Int32(),
    "latest": pl.Int32(),
    "given_day": pl.Int32(),
    "state": pl.String(),
    "planned_dose": pl.String(),
    "planned_per_kg": pl.Float64(),
    "planned_cells": pl.Float64(),
    "delivered_per_kg": pl.Float64(),
    "delivered_cells": pl.Float64(),
    "dose_ratio": pl.Float64(),
    "cap_applied": pl.Boolean(),
    "completed": pl.String(),
    "lot": pl.String(),
    "note": pl.String(),
    "record_id": pl.String(),
}
"""Columns of the infusions; see `list_infusions`."""


def list_infusions(context: Context) -> pl.DataFrame:
    """List every infusion that was planned or given, with its state and its dose.

    1. A participant has the infusions planned for their `arm`. An infusion that was given fills the
       planned one of its product and number; of two rows with one number the earlier does.
    2. The first infusion of a plan is due as the plan says after its anchor. The later ones count
       from the day on which the first was given, or from its due day where it was not given.
    3. Of "2 to 5 infusions" two are required and the others are listed once given. Where the number
       is not stated the first is required and whatever follows it is `given`.
    4. Given: `given early` before the window, `given late` after it, else `given`. Where the window
       is not stated, or the due day is not known, it is `given`; the note says that whether it was
       on time cannot be said. What no plan has is `extra`.
    5. Not given: `not due` where the anchor has not happened, or the participant died or withdrew
       (an event `withdrawal`) on or before the last day of the window (the due day where there is
       none); `due` where that last day lies after the end of what is recorded (`complete_until`,
       else `last_contact`); `missed` where it does not. `cannot say` where the day, or the end of
       what is recorded, is not known, or the coverage table says that the window is not covered.
    6. Doses: see `stromal.endpoints.doses.compare_doses`.

    Parameters
    ----------
    context
        Protocol and records; no endpoint needs to be derived.

    Returns
    -------
    polars.DataFrame
        One row per participant and infusion, in the order of the participants table, then by day
        (given, else due), product and number: `INFUSION_COLUMNS`. `due_day`, `earliest`, `latest`
        and `given_day` count from day zero. `required` is null for what is extra.
    """
    due = _due(context)
    given = _given(context)
    key = ["participant_id", "product", "number", "nth"]
    matched = due.join(given, on=key, how="left", maintain_order="left")
    rest = given.join(due.select(key), on=key, how="anti").join(
        context.participants.select("participant_id", "arm"), on="participant_id"
    )
    first = matched.filter(pl.col("after_first") == 0).select(
        "participant_id", "arm", "plan", base="given_day", base_due="due_day", anchor_day="at"
    )
    following = _following(rest, context.protocol)
    extra = rest.join(following.select(key), on=key, how="anti")
    rows = pl.concat([matched, following], how="diagonal").join(
        first, on=["participant_id", "arm", "plan"], how="left"
    )
    rows = pl.concat([_placed(rows), extra], how="diagonal")
    rows = _with_ends(context, rows)
    rows = rows.join(dose_columns(context.protocol), on=["arm", "plan"], how="left")
    rows = rows.with_columns(state=_state()).filter(
        pl.col("given_day").is_not_null() | pl.col("required")
    )
    rows = compare_doses(rows).with_columns(note=_note())
    return (
        rows.with_columns(on=pl.coalesce("given_day", "due_day"))
        .sort("p", "on", "product", "number", "record_id", nulls_last=True)
        .select(pl.col(name).cast(dtype) for name, dtype in INFUSION_COLUMNS.items())
    )


def _due(context: Context) -> pl.DataFrame:
    """Give the planned infusions of every participant, placed by their anchor."""
    people = context.participants.select("participant_id", "arm").join(
        anchor_days(context.protocol, context.records), on="participant_id", maintain_order="left"
    )
    return infusions_due(context.protocol, people).select(
        "participant_id",
        "arm",
        "plan",
        "product",
        pl.col("number").cast(pl.Int32),
        "anchor",
        "after_first",
        "due_day",
        nth=pl.lit(0, pl.Int32),
        required=~pl.col("optional"),
        at=pl.col("due_day") - pl.col("due_after"),
        before=pl.col("earliest") - pl.col("due_after"),
        after=pl.col("latest") - pl.col("due_after"),
    )


def _given(context: Context) -> pl.DataFrame:
    """Give the infusions table; `nth` counts the rows with one product and number from 0."""
    return (
        context.records["infusions"]
        .sort("participant_id", "product", "number", "day", "record_id", nulls_last=True)
        .select(
            "participant_id",
            "product",
            "number",
            "record_id",
            "lot",
            "cells",
            "cells_per_kg",
            "completed",
            infusion_weight="weight_kg",
            given_day="day",
            nth=pl.col("number").cum_count().over("participant_id", "product", "number").cast(
                pl.Int32) - 1,
        )
    )  # fmt: skip


def _following(rest: pl.DataFrame, protocol: Protocol) -> pl.DataFrame:
    """Place what was given after the first under a plan whose number is not stated."""
    plans = [
        (arm, index, plan.product, plan.first, _number(plan.every), *_window(plan.window))
        for arm, content in protocol.arms.items()
        for index, plan in enumerate(content.infuse)
        if isinstance(plan.times, str)
    ]
    schema = {
        "arm": pl.String, "plan": pl.Int32, "product": pl.String, "anchor": pl.String,
        "every": pl.Int32, "before": pl.Int32, "after": pl.Int32,
    }  # fmt: skip
    starts = [
        (arm, index, _first_number(protocol, arm, index))
        for arm, index, *_ in plans
    ]  # fmt: skip
    frame = pl.DataFrame(plans, schema=schema, orient="row").join(
        pl.DataFrame(
            starts,
            schema={"arm": pl.String, "plan": pl.Int32, "start": pl.Int32},
            orient="row",
        ),
        on=["arm", "plan"],
    )
    return (
        rest.join(frame, on=["arm", "product"])
        .filter((pl.col("nth") == 0) & (pl.col("number") > pl.col("start")))
        .sort("participant_id", "product", "number", "plan")
        .unique(["participant_id", "product", "number"], keep="last", maintain_order=True)
        .with_columns(
            required=pl.lit(value=False),
            after_first=(pl.col("number") - pl.col("start")) * pl.col("every"),
        )
        .drop("every", "start")
    )


def _number(days: int | str | None) -> int | None:
    """Give an interval in days; None where it is not stated."""
    return int(days) if isinstance(days, int) else None


def _window(window: tuple[int, int] | str) -> tuple[int | None, int | None]:
    """Give a window in days; twice None where it is not stated."""
    return (None, None) if isinstance(window, str) else (int(window[0]), int(window[1]))


def _first_number(protocol: Protocol, arm: str, index: int) -> int:
    """Give the number of the first infusion of a plan, counted through the arm's plans."""
    plans = protocol.arms[arm].infuse
    number = 1
    for plan in plans[:index]:
        if plan.product == plans[index].product:
            times = plan.times
            number += (
                times.to if isinstance(times, Times) else times if isinstance(times, int) else 1
            )
    return number


def _placed(rows: pl.DataFrame) -> pl.DataFrame:
    """Give every planned infusion its due day and window, counted from the first one given."""
    base = pl.coalesce("base", "base_due")
    due = pl.when(pl.col("after_first") == 0).then("due_day").otherwise(
        base + pl.col("after_first")
    )  # fmt: skip
    return rows.with_columns(due_day=due).with_columns(
        earliest=pl.col("due_day") + pl.col("before"), latest=pl.col("due_day") + pl.col("after")
    )


def _with_ends(context: Context, rows: pl.DataFrame) -> pl.DataFrame:
    """Add `p`, weight, and the days on which following or recording a participant ended."""
    ends = (
        context.records["events"]
        .filter(pl.col("event").is_in(["death", _WITHDRAWAL]))
        .sort("participant_id", "day", "event", nulls_last=True)
        .unique("participant_id", keep="first", maintain_order=True)
        .select("participant_id", end_day="day", end_event="event")
    )
    people = context.participants.select(
        "p",
        "participant_id",
        participant_weight="weight_kg",
        recorded_until=pl.coalesce("complete_until_day", "last_contact_day"),
    ).join(ends, on="participant_id", how="left")
    rows = rows.join(people, on="participant_id").with_row_index("row")
    spans = context.dated_coverage("infusions", context.protocol.day_zero)
    inside = (
        rows.select("row", "p", begin=pl.coalesce("earliest", "due_day"), end=_last_day())
        .join(spans, on="p")
        .filter((pl.col("from_day") <= pl.col("begin")) & (pl.col("end") <= pl.col("to_day")))
    )
    held = pl.col("p").is_in(spans["p"].unique().implode())
    covered = pl.col("row").is_in(inside["row"].unique().implode())
    return rows.with_columns(uncovered=held & ~covered).drop("row")


def _last_day() -> pl.Expr:
    """Give the last day on which an infusion is on time; its due day where no window is stated."""
    return pl.coalesce("latest", "due_day")


def _no_anchor() -> pl.Expr:
    """Say that the plan's anchor has no day and neither was its first infusion given."""
    return pl.col("anchor_day").is_null() & pl.col("base").is_null()


def _state() -> pl.Expr:
    """Say of each infusion whether and how it was given."""
    given, until = pl.col("given_day"), _last_day()
    return (
        pl.when(given.is_not_null() & pl.col("plan").is_null())
        .then(pl.lit("extra"))
        .when(given < pl.col("earliest"))
        .then(pl.lit("given early"))
        .when(given > pl.col("latest"))
        .then(pl.lit("given late"))
        .when(given.is_not_null())
        .then(pl.lit("given"))
        .when(_no_anchor())
        .then(pl.lit("not due"))
        .when(pl.col("end_day") <= until)
        .then(pl.lit("not due"))
        .when(until.is_null() | pl.col("recorded_until").is_null())
        .then(pl.lit("cannot say"))
        .when(pl.col("recorded_until") < until)
        .then(pl.lit("due"))
        .when("uncovered")
        .then(pl.lit("cannot say"))
        .otherwise(pl.lit("missed"))
    )


def _note() -> pl.Expr:
    """Tell what a reader of the row must know, in clauses joined by semicolons."""
    given, state = pl.col("given_day").is_not_null(), pl.col("state")
    planned = given & pl.col("plan").is_not_null()
    open_ = state == "cannot say"
    gone = (
        pl.when(pl.col("end_event") == _WITHDRAWAL)
        .then(pl.lit("withdrew"))
        .otherwise(pl.lit("died"))
    )
    anchor = pl.col("anchor").str.replace_all("_", " ")
    clauses = [
        pl.when((state == "extra") & pl.col("arm").is_null()).then(pl.lit("no arm is recorded")),
        pl.when((state == "extra") & (pl.col("nth") > 0)).then(
            pl.format("number {} is recorded more than once", "number")
        ),
        pl.when((state == "extra") & pl.col("arm").is_not_null() & (pl.col("nth") == 0)).then(
            pl.lit("not planned for this arm")
        ),
        pl.when(given & (pl.col("given_day") < pl.col("anchor_day"))).then(
            pl.format("given {} before {}",
                      _days(pl.col("anchor_day") - pl.col("given_day")), anchor)
        ),
        pl.when(planned & pl.col("due_day").is_null()).then(
            pl.lit("its due day is not known: whether it was on time cannot be said")
        ).when(planned & pl.col("latest").is_null()).then(
            pl.lit("no window is stated: whether it was on time cannot be said")
        ),
        pl.when(state == "given late").then(
            pl.format("{} after its window", _days(pl.col("given_day") - pl.col("latest")))
        ),
        pl.when(state == "given early").then(
            pl.format("{} before its window", _days(pl.col("earliest") - pl.col("given_day")))
        ),
        pl.when((state == "not due") & _no_anchor()).then(
            pl.format("{} did not happen or is not recorded", anchor)
        ).when(state == "not due").then(pl.format("{} on day {}", gone, "end_day")),
        pl.when(open_ & _last_day().is_null()).then(pl.lit("its day is not stated"))
        .when(open_ & pl.col("recorded_until").is_null())
        .then(pl.lit("until when infusions are recorded is not known"))
        .when(open_).then(pl.lit("the records of infusions do not cover its window")),
        pl.when(pl.col("completed") == "no").then(pl.lit("not completed")),
        pl.col("dose_note"),
    ]  # fmt: skip
    return pl.concat_str(clauses, separator="; ", ignore_nulls=True)


def _days(count: pl.Expr) -> pl.Expr:
    """Write a number of days."""
    unit = pl.when(count == 1).then(pl.lit("day")).otherwise(pl.lit("days"))
    return pl.format("{} {}", count, unit)


def summarize_exposure(context: Context, infusions: pl.DataFrame) -> pl.DataFrame:
    """Sum up the infusions of each arm and product.

    1. `participants`: those of the arm. `infused`: those with at least one infusion of the product,
       completed or not.
    2. `planned`: required infusions; `given`, of which `early`, `late` and `extra`; `missed`,
       `due`, `not_due` and `cannot_say` of those not given.
    3. `infusions_median`, `_min`, `_max`: infusions per participant, among the infused.
    4. `per_kg_*` and `cells_*`: delivered cells per kg, and cells, per infusion; `_n` is the number
       of infusions for which they are known. The median of an even number is the mean of the two
       in the middle.

    Parameters
    ----------
    context
        Protocol and records.
    infusions
        What `list_infusions` gives.

    Returns
    -------
    polars.DataFrame
        One row per arm and product, in the order in which they first stand in `infusions`.
    """
    state, given = pl.col("state"), pl.col("state").is_in(GIVEN_STATES)
    per = (
        infusions.filter(given)
        .group_by("arm", "product", "participant_id")
        .len()
        .group_by("arm", "product")
        .agg(
            infused=pl.len(),
            infusions_median=pl.col("len").median(),
            infusions_min=pl.col("len").min(),
            infusions_max=pl.col("len").max(),
        )
    )
    size = context.participants.group_by("arm").agg(participants=pl.len())
    counts = {
        "early": "given early", "late": "given late", "extra": "extra", "missed": "missed",
        "due": "due", "not_due": "not due", "cannot_say": "cannot say",
    }  # fmt: skip
    doses = {"per_kg": "delivered_per_kg", "cells": "delivered_cells"}
    summary = infusions.group_by("arm", "product", maintain_order=True).agg(
        pl.col("required").fill_null(value=False).sum().alias("planned"),
        given.sum().alias("given"),
        *((state == word).sum().alias(name) for name, word in counts.items()),
        *(
            getattr(pl.col(column), statistic)().alias(f"{name}_{said}")
            for name, column in doses.items()
            for statistic, said in (
                ("count", "n"), ("median", "median"), ("min", "min"), ("max", "max"),
            )
        ),
    )  # fmt: skip
    joined = summary.join(size, on="arm", how="left", nulls_equal=True, maintain_order="left").join(
        per, on=["arm", "product"], how="left", nulls_equal=True, maintain_order="left"
    )
    first = ["arm", "product", "participants", "infused", "planned", "given", *counts]
    rest = [name for name in joined.columns if name not in first]
    return joined.with_columns(pl.col("infused").fill_null(0)).select(*first, *rest)
