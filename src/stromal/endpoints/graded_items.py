"""What a grading reads: items from assessments, measurements and the participants table, by day."""

from __future__ import annotations

import difflib
import math

import numpy as np
import polars as pl

from stromal.core import Fault, RecordError, UnitError, convert_value
from stromal.endpoints.context import Context
from stromal.protocol.endpoints import GradedEndpoint
from stromal.protocol.grading import Grading, Item
from stromal.protocol.library import definitions
from stromal.protocol.rules import ANALYTE_UNITS

__all__ = ["assessed_days"]

_NUMBER = r"^([<>]?)\s*([+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)\s*(.*)$"
_PLAIN_UNITS = ("%", "1", "/d")
"""Units in which a number without a unit is read; every other number says its unit."""
_VALUES = {
    "p": pl.Int64, "day": pl.Int32, "item": pl.String, "word": pl.String, "value": pl.Float64,
    "low": pl.Float64, "high": pl.Float64, "records": pl.List(pl.String), "differs": pl.Boolean,
}  # fmt: skip


def assessed_days(context: Context, endpoint: GradedEndpoint) -> pl.DataFrame:
    """Put the items of each day of assessment side by side.

    1. Items with an `analyte` come from the measurements (the lowest of a day), items with a
       `variable` from the participants table, all others and recorded steps from the rows of the
       assessments table on the definition's scale; a row without an item holds the result.
    2. Numbers are converted to the item's unit. A plain number is read where that unit is a per
       cent, a plain number or a count a day; every other number says its unit. `<` and `>` bound a
       number. Values of an item that differ on one day are told and not used.
    3. Every day from the anchor to `until` with any such value has a row, with the latest value of
       each item of that day and the `within` days before it. Values of days before the anchor are
       read only so. A day whose values all stand in the next day's row has none of its own: it is
       the beginning of that assessment.

    Returns
    -------
    polars.DataFrame
        `p`, `day`, one column an item and a recorded step (with `<item>:low` and `<item>:high` of
        bounded numbers), `records` (ids of what was read), `differing` (items whose values differ).

    Raises
    ------
    RecordError
        A value is no word or number of its item or lies outside what it can be, a number has no
        unit where it needs one, or the name of an item looks like a misspelling.
    """
    grading = endpoint.graded
    values = pl.concat([_assessed(context, endpoint), _measured(context, endpoint)])
    until = pl.lit(None if endpoint.until is None else int(endpoint.until), pl.Int32)
    days = (
        values.filter(pl.col("day") >= 0, (pl.col("day") <= until).fill_null(value=True))
        .select("p", "day")
        .unique()
        .sort("p", "day")
    )
    names = [*_items(grading), *(name for name, item in grading.items.items() if item.analyte)]
    frame = days
    for name in names:
        frame = _with_latest(frame, values.filter(pl.col("item") == name), name, endpoint)
    none = pl.lit([], pl.List(pl.String))
    frame = frame.with_columns(
        records=pl.concat_list(
            [none, *(pl.col(f"{name}:records").fill_null(none) for name in names)]
        ).list.unique(maintain_order=True),
        differing=pl.concat_list(
            [pl.lit(None, pl.String),
             *(pl.when(pl.col(f"{name}:differs")).then(pl.lit(name)) for name in names)]
        ).list.drop_nulls(),
    ).drop(f"{name}:{what}" for name in names for what in ("records", "differs"))  # fmt: skip
    return _with_variables(context, _completed_later(frame, int(endpoint.within)), grading)


def _completed_later(frame: pl.DataFrame, within: int) -> pl.DataFrame:
    """Leave out days whose values all stand in the row of the next day, which completes them."""
    next_day, next_read = (
        pl.col(name).shift(-1).over("p", order_by="day") for name in ("day", "records")
    )
    completed = (next_day - pl.col("day") <= within) & (
        pl.col("records").list.set_difference(next_read).list.len() == 0
    )
    return frame.filter(~completed.fill_null(value=False))


def _items(grading: Grading) -> list[str]:
    """Name what the assessments table can hold: items, and steps that may be recorded."""
    items = [n for n, item in grading.items.items() if not (item.analyte or item.variable)]
    return items + [name for name, step in grading.steps.items() if step.may_be_recorded]


def _with_latest(
    days: pl.DataFrame, values: pl.DataFrame, name: str, endpoint: GradedEndpoint
) -> pl.DataFrame:
    """Add an item's latest value of each day and the `within` days before it."""
    item = endpoint.graded.items.get(name)
    number = item is not None and item.words is None
    columns = {name: "value", f"{name}:low": "low", f"{name}:high": "high"}
    columns = columns if number else {name: "word"}
    columns |= {f"{name}:records": "records", f"{name}:differs": "differs"}
    latest = values.select("p", "day", **{new: pl.col(old) for new, old in columns.items()})
    return days.join_asof(
        latest.sort("p", "day"), on="day", by="p", strategy="backward",
        tolerance=int(endpoint.within), check_sortedness=False,
    )  # fmt: skip


# --- assessments -----------------------------------------------------------------------------


def _assessed(context: Context, endpoint: GradedEndpoint) -> pl.DataFrame:
    """Give the values of the assessments table on the definition's scale, one an item and day."""
    grading = endpoint.graded
    rows = context.dated("assessments", endpoint.from_).filter(pl.col("scale") == grading.scale)
    of_result = grading.steps[grading.result].may_be_recorded
    rows = rows.with_columns(
        item=pl.col("item").fill_null(pl.lit(grading.result if of_result else None, pl.String)),
        text=pl.col("value").cast(pl.String).str.strip_chars(),
    )
    names = _items(grading)
    faults = _misspelled(rows, grading, names)
    rows = rows.filter(pl.col("item").is_in(names))
    numbers = {name: item for name, item in grading.items.items() if item.words is None}
    worded, numeric = _words(rows, grading, numbers), _numbers(rows, numbers)
    faults += worded[1] + numeric[1]
    if faults:
        raise RecordError(faults)
    return (
        pl.concat([worded[0], numeric[0]])
        .group_by("p", "day", "item", maintain_order=True)
        .agg(
            pl.col("word", "value", "low", "high").first(),
            records="record_id",
            differs=pl.struct("word", "low", "high").n_unique() > 1,
        )
        .with_columns(
            pl.when(~pl.col("differs")).then(pl.col("word", "value", "low", "high")),
        )
        .select(*_VALUES)
        .cast(_VALUES)  # pyright: ignore[reportArgumentType]
    )


def _fault(record: str, found: str, expected: str, remedy: str) -> Fault:
    """Say what is wrong with one assessment."""
    return Fault("assessments", 0, "value", f"record {record}: {found}", expected, remedy)


def _misspelled(rows: pl.DataFrame, grading: Grading, names: list[str]) -> list[Fault]:
    """Find items that no definition of the scale has and that look like one of this definition."""
    known = set(names)
    for family, content in definitions().values():
        if family == "graded" and content["scale"] == grading.scale:
            known |= {*content.get("items", {}), *content["steps"]}
    strange = rows.filter(~pl.col("item").is_in(list(known)))
    found = strange.unique("item", keep="first", maintain_order=True)
    faults: list[Fault] = []
    for item, record in found.select("item", "record_id").iter_rows():
        close = difflib.get_close_matches(str(item), names, 1, 0.85)
        if close:
            faults.append(
                _fault(record, f"the item `{item}` of scale `{grading.scale}` is not known", "",
                       f"Did you mean `{close[0]}`? Correct the item's name.")
            )  # fmt: skip
    return faults


def _words(
    rows: pl.DataFrame, grading: Grading, numbers: dict[str, Item]
) -> tuple[pl.DataFrame, list[Fault]]:
    """Read words and recorded steps."""
    rows = rows.filter(~pl.col("item").is_in(list(numbers)))
    allowed = {name: item.words or [] for name, item in grading.items.items()} | {
        name: step.possible for name, step in grading.steps.items()
    }
    faults = [
        _fault(record, f"{item} is '{text}'", f"one of {', '.join(allowed[item])}",
               "Write one of these words, or remove the row where nothing was assessed.")
        for record, item, text in rows.select("record_id", "item", "text").unique(
            ["item", "text"], maintain_order=True
        ).iter_rows()
        if text not in allowed[item]
    ]  # fmt: skip
    empty = pl.lit(None, pl.Float64)
    return rows.select(
        "p", "day", "item", "record_id", word="text", value=empty, low=empty, high=empty
    ), faults


def _numbers(rows: pl.DataFrame, numbers: dict[str, Item]) -> tuple[pl.DataFrame, list[Fault]]:
    """Read numbers and bounds in the units of their items."""
    rows = rows.filter(pl.col("item").is_in(list(numbers))).with_columns(
        bound=pl.col("text").str.extract(_NUMBER, 1),
        number=pl.col("text").str.extract(_NUMBER, 2).cast(pl.Float64, strict=False),
        unit=pl.col("text").str.extract(_NUMBER, 3),
    )
    faults: list[Fault] = []
    factors: list[tuple[str, str, float]] = []
    kinds = rows.unique(["item", "unit"], maintain_order=True)
    for item, unit, record, text in kinds.select("item", "unit", "record_id", "text").iter_rows():
        factor = None if unit is None else _factor(numbers[item], str(unit))
        if factor is not None:
            factors.append((item, str(unit), factor))
            continue
        needed = numbers[item].unit or "1"
        units = ", ".join([needed, *numbers[item].also])
        faults.append(
            _fault(record, f"{item} is '{text}'", f"a number in {units}",
                   f"Write the number with its unit, such as '1.5 {needed}'.")
        )  # fmt: skip
    table = pl.DataFrame(
        factors, schema={"item": pl.String, "unit": pl.String, "factor": pl.Float64}, orient="row"
    )
    number = (pl.col("number") * pl.col("factor")).round(9)
    below, above = _beside(number, -math.inf), _beside(number, math.inf)
    read = rows.join(table, on=["item", "unit"], maintain_order="left").select(
        "p", "day", "item", "record_id", "text",
        word=pl.lit(None, pl.String),
        value=pl.when(pl.col("bound") == "").then(number),
        low=pl.when(pl.col("bound") == ">").then(above)
        .when(pl.col("bound") == "<").then(pl.lit(-math.inf)).otherwise(number),
        high=pl.when(pl.col("bound") == "<").then(below)
        .when(pl.col("bound") == ">").then(pl.lit(math.inf)).otherwise(number),
    )  # fmt: skip
    return read.drop("text"), faults + _impossible(read, numbers)


def _impossible(read: pl.DataFrame, numbers: dict[str, Item]) -> list[Fault]:
    """Find numbers, and bounds, that leave nothing of what their items can be."""
    limited = {name: item for name, item in numbers.items() if item.limits}
    table = pl.DataFrame(
        [(name, item.least, item.most) for name, item in limited.items()],
        schema={"item": pl.String, "least": pl.Float64, "most": pl.Float64},
        orient="row",
    )
    outside = (pl.col("high") < pl.col("least")) | (pl.col("low") > pl.col("most"))
    return [
        _fault(record, f"{item} is '{text}'", limited[item].limits,
               "Correct the value or its unit, or remove the row.")
        for record, item, text in read.join(table, on="item", maintain_order="left")
        .filter(outside).select("record_id", "item", "text").iter_rows()
    ]  # fmt: skip


def _factor(item: Item, unit: str) -> float | None:
    """Say how many of the item's unit one of another unit is; None where it does not convert."""
    needed = item.unit or "1"
    if unit == needed or (unit == "" and needed in _PLAIN_UNITS):
        return 1.0
    if unit in item.also:
        return item.also[unit]
    try:
        return convert_value(1.0, unit, needed) if unit else None
    except UnitError:
        return None


def _beside(numbers: pl.Expr, towards: float) -> pl.Expr:
    """Give the nearest number on one side: what is below 2 is at most the number before 2."""
    return numbers.map_batches(
        lambda column: pl.Series(np.nextafter(column.to_numpy(), towards)), return_dtype=pl.Float64
    )


# --- measurements and participants -----------------------------------------------------------


def _measured(context: Context, endpoint: GradedEndpoint) -> pl.DataFrame:
    """Give the counts of the measurements table that the definition reads, the lowest of a day."""
    items = {n: i for n, i in endpoint.graded.items.items() if i.analyte is not None}
    parts: list[pl.DataFrame] = []
    for name, item in items.items():
        times = convert_value(1.0, ANALYTE_UNITS[item.analyte or ""], item.unit or "1")
        low, high = ((pl.col(end) * times).round(9) for end in ("low", "high"))
        parts.append(
            context.dated("measurements", endpoint.from_)
            .filter(pl.col("analyte") == item.analyte)
            .with_columns(
                low=pl.when(pl.col("censored") == ">").then(_beside(low, math.inf)).otherwise(low),
                high=pl.when(pl.col("censored") == "<")
                .then(_beside(high, -math.inf))
                .otherwise(high),
            )
            .group_by("p", "day", maintain_order=True)
            .agg(low=pl.col("low").min(), high=pl.col("high").min(), records="record_id")
            .with_columns(
                item=pl.lit(name),
                word=pl.lit(None, pl.String),
                value=pl.when(pl.col("low") == pl.col("high")).then("low"),
                differs=pl.lit(value=False),
            )
            .select(*_VALUES)
            .cast(_VALUES)  # pyright: ignore[reportArgumentType]
        )
    return pl.concat(parts) if parts else pl.DataFrame(schema=_VALUES)


def _with_variables(context: Context, frame: pl.DataFrame, grading: Grading) -> pl.DataFrame:
    """Add the items that are columns of the participants table."""
    people = context.participants
    wanted = {
        name: item.variable
        for name, item in grading.items.items()
        if item.variable is not None and item.variable in people.columns
    }
    columns = people.select("p", **{name: pl.col(column) for name, column in wanted.items()})
    return frame.join(columns, on="p", how="left", maintain_order="left")
