"""What is planned for virtual participants: who they are, their arm, infusions and draws."""

from __future__ import annotations

from datetime import date, timedelta
from zlib import crc32

import numpy as np
import numpy.typing as npt
import polars as pl

from stromal.core import UsageError
from stromal.design.scenario import Scenario
from stromal.protocol import Protocol
from stromal.protocol.schedule import draw_days, draws_due, planned_infusions
from stromal.protocol.timing import InfusionAnchor, OffsetAnchor, ParticipantAnchor
from stromal.protocol.treatment import FixedDose, PerKilogramDose, RangeDose
from stromal.simulate.assumptions import Shares, Spread
from stromal.simulate.recorded import blood_bits
from stromal.simulate.stream_kernels import normal_table, uniform_table

__all__ = [
    "ORIGIN",
    "allocate",
    "anchors_of",
    "attest",
    "describe_people",
    "plan_draws",
    "plan_infusions",
    "plan_ward",
    "support_of",
    "weekdays_of",
]

Keys = npt.NDArray[np.uint64]
Days = npt.NDArray[np.int32]
_PEOPLE, _ATTESTED, _WEEKDAY, _ALLOCATION, _DELIVERY, _NUMBER = 32, 33, 34, 35, 36, 37
"""Purposes of random numbers, apart from those of `stromal.simulate`."""
ORIGIN = date(2001, 1, 1)
"""The Monday from which virtual calendars count; no number depends on it but the dates shown."""
_WEIGHT = Spread.model_validate({"mean": 70, "sd": 14, "from": 35, "to": 130})


# --- people ----------------------------------------------------------------------------------


def describe_people(keys: Keys, scenario: Scenario) -> pl.DataFrame:
    """Draw the baseline columns of participants; `weight_kg` is always among them (70, SD 14)."""
    columns: dict[str, pl.Series] = {}
    wanted = {"weight_kg": _WEIGHT, **scenario.people}
    for name, drawn in wanted.items():
        number = crc32(name.encode()) % 2**20  # of the name, so that their order changes nothing
        if isinstance(drawn, Shares):
            columns[name] = _words(keys, number, drawn)
            continue
        z = normal_table(keys, number, _PEOPLE, 1)[:, 0]
        values = np.clip(np.round(drawn.mean + drawn.sd * z), drawn.from_, drawn.to)
        columns[name] = pl.Series(values)
    return pl.DataFrame(columns)


def _words(keys: Keys, number: int, drawn: Shares) -> pl.Series:
    """Draw one of several words; numbers where all of them are."""
    shares = dict(sorted(drawn.shares.items()))
    edges = np.cumsum(list(shares.values()))[:-1]
    places = np.searchsorted(edges, uniform_table(keys, number, _PEOPLE, 1)[:, 0], side="right")
    words = pl.Series(list(shares), dtype=pl.String)
    numbers = words.cast(pl.Float64, strict=False)
    return (words if numbers.null_count() else numbers).gather(places)


def attest(keys: Keys, scenario: Scenario, protocol: Protocol, day: Days) -> pl.DataFrame:
    """Give the attestations of all participants: `p`, `criterion`, `value`, `by`, `day`."""
    population = protocol.population
    asked = [c.id for c in (*population.inclusion, *population.exclusion) if c.attested]
    excluding = {c.id for c in population.exclusion}
    drawn = uniform_table(keys, 0, _ATTESTED, max(1, len(asked)))
    rows = [
        pl.DataFrame({"p": np.arange(len(keys)), "day": day}).with_columns(
            criterion=pl.lit(name),
            value=pl.Series(
                np.where(
                    drawn[:, k] < scenario.attested.get(name, 0.0 if name in excluding else 1.0),
                    "yes",
                    "no",
                )
            ),
            by=pl.lit("the virtual site"),
        )
        for k, name in enumerate(asked)
    ]
    if not rows:
        return pl.DataFrame(schema={"p": pl.Int64, "day": pl.Int32, "criterion": pl.String,
                                    "value": pl.String, "by": pl.String})  # fmt: skip
    return pl.concat(rows).sort("p", maintain_order=True)


def assess(size: int, scenario: Scenario, until: Days) -> pl.DataFrame:
    """Give the assessments of all participants up to a day each: `p`, `day`, `scale`, ..."""
    rows = [
        pl.DataFrame({"p": np.arange(size)})
        .with_columns(
            day=pl.lit(one.day, pl.Int32),
            scale=pl.lit(one.scale),
            item=pl.lit(one.item, pl.String),
            value=pl.lit(one.value),
        )
        .filter(one.day <= pl.Series(until))
        for one in scenario.assessed
    ]
    if not rows:
        return pl.DataFrame(schema={"p": pl.Int64, "day": pl.Int32, "scale": pl.String,
                                    "item": pl.String, "value": pl.String})  # fmt: skip
    return pl.concat(rows).sort("p", maintain_order=True)


def weekdays_of(keys: Keys) -> npt.NDArray[np.int64]:
    """Draw the weekday (Monday is 0) of every participant's day zero."""
    return (uniform_table(keys, 0, _WEEKDAY, 1)[:, 0] * 7).astype(np.int64)


def allocate(keys: Keys, protocol: Protocol, size: int) -> npt.NDArray[np.int64]:
    """Allocate participants, `size` a trial one after the other, to arms (their place).

    Permuted blocks of the ratio of the arms' planned sizes, or of twice that where a trial is made
    of whole blocks so; of a last block that is not whole the first places of its permutation are
    taken. Arms are alike where the size of one is not planned. A trial whose arms were not
    randomised is allocated in the same way: the simulation knows no reason for any other.
    """
    sizes = [arm.participants for arm in protocol.arms.values()]
    planned = [1 if None in sizes else size or 1 for size in sizes]
    ratio = np.array(planned) // int(np.gcd.reduce(planned))
    block = np.repeat(np.arange(ratio.size), ratio)
    if size % (2 * block.size) == 0:
        block = np.tile(block, 2)
    blocks = -(-size // block.size)
    first = np.ascontiguousarray(keys[::size])
    drawn = uniform_table(first, 0, _ALLOCATION, blocks * block.size)
    order = np.argsort(drawn.reshape(-1, blocks, block.size), axis=2)
    return block[order].reshape(-1, blocks * block.size)[:, :size].ravel()[: len(keys)]


# --- moments ---------------------------------------------------------------------------------


def anchors_of(
    protocol: Protocol, scenario: Scenario, entry: Days | None, size: int
) -> dict[str, pl.Series]:
    """Give the days of the moments of the participants table: `<name>_day` each.

    Day zero's own moment is day 0. The moment at which the population is judged, and any other
    that the scenario gives no day for, is the day of entry; before entry they have no day.
    """
    found: dict[str, pl.Series] = {}
    for name, anchor in protocol.anchors.items():
        if not isinstance(anchor, ParticipantAnchor):
            continue
        column = f"{anchor.participant}_day"
        fixed = scenario.anchors.get(name)
        if name == protocol.day_zero:
            found[column] = pl.Series(np.zeros(size, dtype=np.int32))
        elif fixed is not None:
            found[column] = pl.Series(np.full(size, fixed, dtype=np.int32))
        elif entry is None:
            found[column] = pl.Series([None] * size, dtype=pl.Int32)
        else:
            found[column] = pl.Series(entry)
    return found


def plan_infusions(
    protocol: Protocol, scenario: Scenario, keys: Keys, arm: npt.NDArray[np.int64],
    entry: Days, people: pl.DataFrame,
) -> pl.DataFrame:  # fmt: skip
    """Give the infusions as they will go: `p`, `day`, `product`, `number`, doses, `completed`.

    1. Each is due as the protocol plans it from its anchor: a moment of the participants table, or
       an infusion of its own product, which is the day of entry.
    2. By the participant's own numbers it is late, left out or reduced; a plan whose first infusion
       is late comes late as a whole. Of "2 to 5" infusions a number between is drawn, all alike.
       `number` counts those that are given.
    3. Where the protocol gives a range of doses one is drawn between its ends.
    """
    parts: list[pl.DataFrame] = []
    anchored = anchors_of(protocol, scenario, entry, len(keys))
    planned = planned_infusions(protocol)
    for place, name in enumerate(protocol.arms):
        rows = planned.filter(pl.col("arm") == name)
        who = np.flatnonzero(arm == place)
        begun: dict[int, npt.NDArray[np.int32]] = {}
        for k, row in enumerate(rows.iter_rows(named=True)):
            base = _base_day(protocol, row["anchor"], anchored, entry)
            if row["due_after"] is None:
                continue
            drawn = uniform_table(keys[who], k, _DELIVERY, 4)
            given = _delivered(protocol, scenario, row, drawn, people[who.tolist()])
            late = given["late"].to_numpy()
            shift = begun.setdefault(int(row["plan"]), late)
            due = base[who] + row["due_after"] + (0 if shift is late else shift)
            parts.append(
                given.with_columns(p=pl.Series(who), due=pl.Series(due))
                .filter(
                    "given",
                    pl.lit(value=not row["optional"]) | pl.Series(
                        _times(keys[who], rows, int(row["plan"])) >= row["number"]
                    ),
                )
            )  # fmt: skip
    if not parts:
        return pl.DataFrame(schema=_INFUSIONS)
    frame = pl.concat(parts).with_columns(day=(pl.col("due") + pl.col("late")).cast(pl.Int32))
    frame = frame.sort("p", "day", "product", "number", maintain_order=True)
    counted = pl.int_range(1, pl.len() + 1).over("p", "product").cast(pl.Int32)
    return frame.with_columns(number=counted).select(*_INFUSIONS)


_INFUSIONS = {
    "p": pl.Int64, "day": pl.Int32, "product": pl.String, "number": pl.Int32,
    "cells": pl.Float64, "cells_per_kg": pl.Float64, "weight_kg": pl.Float64,
    "completed": pl.String,
}  # fmt: skip


def _base_day(protocol: Protocol, name: str, anchored: dict[str, pl.Series], entry: Days) -> Days:
    """Give the day from which an infusion is counted."""
    anchor = protocol.anchors[name]
    if isinstance(anchor, ParticipantAnchor):
        return anchored[f"{anchor.participant}_day"].to_numpy()
    if isinstance(anchor, OffsetAnchor):
        return (_base_day(protocol, anchor.anchor, anchored, entry) + anchor.plus).astype(np.int32)
    if isinstance(anchor, InfusionAnchor):
        return entry
    raise UsageError(
        f"infusions counted from `{name}` cannot be simulated: a virtual participant has no such "
        "moment; amend the protocol so that they count from a moment of the participants table"
    )


def _times(keys: Keys, rows: pl.DataFrame, plan: int) -> npt.NDArray[np.float64]:
    """Draw how many infusions of a plan each participant gets."""
    numbers = rows.filter(pl.col("plan") == plan)
    fixed = numbers.filter(~pl.col("optional"))["number"]
    least = int(fixed.max()) if fixed.len() else 0  # type: ignore[arg-type]
    most = int(numbers["number"].max())  # type: ignore[arg-type]
    u = uniform_table(keys, plan, _NUMBER, 1)[:, 0]
    return least + np.floor(u * (most - least + 1))


def _delivered(
    protocol: Protocol, scenario: Scenario, row: dict[str, object],
    drawn: npt.NDArray[np.float64], people: pl.DataFrame,
) -> pl.DataFrame:  # fmt: skip
    """Give one infusion of every participant as it goes."""
    delivery = scenario.site.delivery
    plan = protocol.arms[str(row["arm"])].infuse[int(str(row["plan"]))]
    weight = people["weight_kg"].to_numpy()
    per_kg = np.zeros(len(drawn))
    if isinstance(plan.dose, PerKilogramDose):
        per_kg += plan.dose.per_kg.to("/kg")
        if plan.dose.cap is not None:
            per_kg = np.minimum(per_kg, plan.dose.cap.to("1") / weight)
    elif isinstance(plan.dose, FixedDose):
        per_kg += plan.dose.fixed.to("1") / weight
    elif isinstance(plan.dose, RangeDose):
        low, high = (bound.to("/kg") for bound in plan.dose.range_per_kg)
        per_kg += low + (high - low) * drawn[:, 3]
    reduced = drawn[:, 2] < delivery.reduced
    per_kg = np.where(reduced, per_kg * delivery.reduced_to, per_kg)
    late = drawn[:, 0] < delivery.late
    # the first `late` share of the unit interval, stretched, says by how many days
    stretched = np.minimum(drawn[:, 0] / (delivery.late or 1.0), 1.0)
    days = np.minimum(np.floor(stretched * delivery.by) + 1, delivery.by).astype(np.int32)
    return pl.DataFrame({
        "late": np.where(late, days, 0).astype(np.int32),
        "given": drawn[:, 1] >= delivery.missed,
        "cells": per_kg * weight,
        "cells_per_kg": per_kg,
        "weight_kg": weight,
        "completed": np.where(reduced, "no", "yes"),
    }).with_columns(
        product=pl.lit(row["product"]), number=pl.lit(row["number"], pl.Int32)
    )  # fmt: skip


def support_of(
    infusions: pl.DataFrame, protocol: Protocol, scenario: Scenario, first: Days, width: int
) -> npt.NDArray[np.float64]:
    """Give the MSC that begin to act on each day (10*6 cells a kg): one row a participant.

    Products of other cells do nothing in this model.
    """
    found = np.zeros((len(first), width))
    acting = [
        name
        for name, product in protocol.products.items()
        if "mesenchymal" in product.cells.lower()
    ]
    rows = infusions.filter(pl.col("product").is_in(acting))
    p = rows["p"].to_numpy()
    column = rows["day"].to_numpy() + scenario.msc.delay - first[p]
    there = (column >= 0) & (column < width)
    np.add.at(found, (p[there], column[there]), rows["cells_per_kg"].to_numpy()[there] / 1e6)
    return found


# --- draws -----------------------------------------------------------------------------------


def plan_ward(
    protocol: Protocol, scenario: Scenario, weekdays: npt.NDArray[np.int64], width: int
) -> npt.NDArray[np.int8]:
    """Give the ward's draws before entry, as bits of analytes: one row a participant.

    The first column is day `begins` of the scenario. Draws count from day zero.
    """
    table = np.zeros((7, width), dtype=np.int8)
    for plan in scenario.ward.draws if scenario.ward else []:
        if plan.from_ != protocol.day_zero:
            raise UsageError(
                f"the ward of the scenario draws from `{plan.from_}`; before entry only "
                f"`{protocol.day_zero}`, day zero, has happened: count from it"
            )
        for weekday in range(7):
            zero = ORIGIN + timedelta(days=weekday)
            last = width + scenario.begins
            days = np.array(draw_days(plan, anchor_date=zero, last=last) or (), dtype=np.int64)
            columns = days - scenario.begins
            table[weekday, columns[(columns >= 0) & (columns < width)]] |= blood_bits(plan.analytes)
    return table[weekdays]


def plan_draws(
    protocol: Protocol, anchors: pl.DataFrame, first: Days, width: int
) -> npt.NDArray[np.int8]:
    """Give the protocol's draws from entry on, as bits of analytes: one row a participant.

    Parameters
    ----------
    anchors
        `p`, one column for every anchor of the protocol, and `day_zero_date`.
    first
        The day of each participant's first column.

    Raises
    ------
    UsageError
        The protocol does not state its draws.
    """
    if isinstance(protocol.draws, str):
        raise UsageError(
            "the protocol does not state on which days blood is drawn, and counts cannot be "
            "simulated without; let the scenario amend it: `amend: {draws: [...]}`"
        )
    people = anchors.with_columns(
        participant_id=pl.col("p").cast(pl.String).str.zfill(9),
        until_day=pl.Series(first + (width - 1)).cast(pl.Int32),
    )
    due = draws_due(protocol, people).drop_nulls("day")
    found = np.zeros((len(first), width), dtype=np.int8)
    for (analyte,), rows in due.group_by("analyte"):
        p = rows["participant_id"].cast(pl.Int64).to_numpy()
        column = rows["day"].to_numpy() - first[p]
        there = column >= 0
        np.bitwise_or.at(found, (p[there], column[there]), np.int8(blood_bits([str(analyte)])))
    return found
