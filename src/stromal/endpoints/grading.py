"""Grades from what was assessed: stages by organ, overall grades, classes, scores."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from stromal.core import UsageError
from stromal.protocol.grading import (
    AllHold,
    AnyHolds,
    Condition,
    Grading,
    Item,
    ItemCondition,
    NotHolds,
    Number,
    SomeHold,
    Step,
    names_in,
)

__all__ = ["grade"]


@dataclass(frozen=True)
class _Truth:
    """A three-valued condition: surely true, surely false, else unknown. Neither column is null."""

    sure: pl.Expr
    never: pl.Expr


def grade(frame: pl.DataFrame, grading: Grading) -> pl.DataFrame:
    """Grade every row of a wide table, one row an assessment.

    1. A step takes the value of its first case that is true. A case that is unknown before it
       leaves the step undecided between their values; cases after a true one are not reached.
    2. A condition on an undecided step is true where it holds for each value that the step could
       still have, false where it holds for none, else unknown. So liver stage 4 gives grade IV
       whatever was not examined beside it.
    3. A step that people recorded (a column of its name, in steps that allow it) is taken as it
       stands, whatever the items would give.
    4. Items that are whole numbers by their source are rounded half up before they are compared.

    Parameters
    ----------
    frame
        One column an item (numbers in the item's unit, or its words), one a recorded step; columns
        that are absent are unknown throughout. Other columns are kept.
    grading
        The definition.

    Returns
    -------
    polars.DataFrame
        The columns of `frame`, then a column for each number and each step (null where it is not
        decided), `grade` (the result), `could_be` (the values the result could have, in the order
        of `grades`; empty where no case of the definition covers the row) and `unknown` (items
        that were not recorded and that an undecided step asks for).

    Raises
    ------
    UsageError
        A column holds a word, or a recorded value, that the definition does not know, or text where
        a number is needed; or numbers and steps build on each other in a circle.
    """
    frame = _with_items(frame, grading)
    waiting = [*grading.numbers, *grading.steps]
    while waiting:
        ready = [name for name in waiting if not _needed(grading, name) & set(waiting)]
        if not ready:
            raise UsageError(f"the grading builds in a circle on {', '.join(waiting)}")
        for name in ready:
            frame = (
                frame.with_columns(_number(grading.numbers[name]).alias(name))
                if name in grading.numbers
                else _decide(frame, grading, name)
            )
            waiting.remove(name)
    frame = frame.with_columns(
        grade=pl.col(grading.result),
        could_be=_possible_values(grading),
        unknown=_unknown_items(grading),
    )
    return frame.drop(
        _flag(name, value) for name, step in grading.steps.items() for value in _values_of(step)
    )


def _with_items(frame: pl.DataFrame, grading: Grading) -> pl.DataFrame:
    """Add absent items as unknown, and refuse what an item cannot be."""
    for name, item in grading.items.items():
        kind = pl.String if item.words is not None else pl.Float64
        if name not in frame.columns:
            frame = frame.with_columns(pl.lit(None, kind).alias(name))
        else:
            frame = frame.with_columns(_read(frame, name, item))
    for name, step in grading.steps.items():
        if name in frame.columns:
            _refuse_value(frame, name, step)
    return frame


def _read(frame: pl.DataFrame, name: str, item: Item) -> pl.Expr:
    """Give an item's column in its own type."""
    if item.words is not None:
        text = frame[name].cast(pl.String)
        wrong = text.drop_nulls().filter(~text.drop_nulls().is_in(item.words))
        if wrong.len():
            raise UsageError(f"`{name}` is one of {', '.join(item.words)}; got {wrong[0]!r}")
        return pl.col(name).cast(pl.String)
    number = frame[name].cast(pl.Float64, strict=False)
    wrong = frame[name].filter(frame[name].is_not_null() & number.is_null())
    if wrong.len():
        raise UsageError(f"`{name}` is a number in {item.unit}; got {wrong[0]!r}")
    column = pl.col(name).cast(pl.Float64).fill_nan(None)
    return (column + 0.5).floor() if item.whole else column


def _refuse_value(frame: pl.DataFrame, name: str, step: Step) -> None:
    """Refuse a recorded value that the step does not have."""
    if not step.recorded:
        raise UsageError(f"`{name}` is derived and cannot be recorded; leave the column out")
    values = _values_of(step)
    text = frame[name].cast(pl.String).drop_nulls()
    wrong = text.filter(~text.is_in(values))
    if wrong.len():
        raise UsageError(f"`{name}` is one of {', '.join(values)}; got {wrong[0]!r}")


def _needed(grading: Grading, name: str) -> set[str]:
    """Name what a number or a step builds on."""
    number = grading.numbers.get(name)
    if number is not None:
        return number.parts
    cases = grading.steps[name].cases
    return {part for case in cases if case.when != "otherwise" for part in names_in(case.when)}


def _part(part: str | float) -> pl.Expr:
    """Give a part of a number: a constant, a number, or a step's value as a number."""
    if not isinstance(part, str):
        return pl.lit(float(part))
    return pl.col(part).cast(pl.Float64)


def _number(number: Number) -> pl.Expr:
    """Compute a derived number; unknown where a part that it needs is unknown."""

    def parts(names: list[str | float] | list[str]) -> list[pl.Expr]:
        return [_part(name) for name in names]

    if number.sum is not None:
        return pl.sum_horizontal(parts(number.sum), ignore_nulls=False)
    if number.product is not None:
        first, *others = parts(number.product)
        for other in others:
            first = first * other
        return first
    if number.quotient is not None:
        over, under = parts(list(number.quotient))
        return pl.when(under != 0).then(over / under)
    if number.first_known is not None:
        return pl.coalesce(parts(number.first_known))
    every = parts(number.highest or number.lowest or [])
    known = pl.all_horizontal([part.is_not_null() for part in every])
    best = pl.max_horizontal(every) if number.highest else pl.min_horizontal(every)
    return pl.when(known).then(best)


def _flag(step: str, value: str) -> str:
    """Name the column that says whether a step could have a value."""
    return f"{step}\x1f{value}"


def _values_of(step: Step) -> list[str]:
    """List the values of a step, each once."""
    return list(dict.fromkeys(case.value for case in step.cases))


def _decide(frame: pl.DataFrame, grading: Grading, name: str) -> pl.DataFrame:
    """Add a step: for each value whether it is still possible, and the value where it is one."""
    step = grading.steps[name]
    reached = pl.lit(value=True)
    possible: dict[str, pl.Expr] = {}
    for case in step.cases:
        truth = (
            _Truth(pl.lit(value=True), pl.lit(value=False))
            if case.when == "otherwise"
            else _judge(grading, case.when)
        )
        could = reached & ~truth.never
        possible[case.value] = possible.get(case.value, pl.lit(value=False)) | could
        reached = reached & ~truth.sure
    # what no case covers is no value: rows that reach the end undecided keep what was possible
    if step.recorded and name in frame.columns:
        given = pl.col(name).cast(pl.String)
        possible = {
            value: pl.when(given.is_not_null()).then(given == value).otherwise(could)
            for value, could in possible.items()
        }
        covered = given.is_not_null() | ~reached
    else:
        covered = ~reached
    frame = frame.with_columns(
        *(could.alias(_flag(name, value)) for value, could in possible.items()),
        _covered=covered,
    )
    count = pl.sum_horizontal(pl.col(_flag(name, value)).cast(pl.Int32) for value in possible)
    value = pl.coalesce(
        pl.when(pl.col(_flag(name, value))).then(pl.lit(value)) for value in possible
    )
    return frame.with_columns(
        pl.when((count == 1) & pl.col("_covered")).then(value).alias(name)
    ).drop("_covered")


def _judge(grading: Grading, condition: Condition) -> _Truth:
    """Turn a condition into two columns: surely true, surely false."""
    match condition:
        case NotHolds(not_=part):
            truth = _judge(grading, part)
            return _Truth(truth.never, truth.sure)
        case AllHold(all=parts):
            return _count(grading, parts, len(parts))
        case AnyHolds(any=parts):
            return _count(grading, parts, 1)
        case SomeHold(of=parts, at_least=needed):
            return _count(grading, parts, needed)
        case ItemCondition():
            return _compare(grading, condition)


def _count(grading: Grading, parts: list[Condition], needed: int) -> _Truth:
    """Join conditions: at least `needed` of them."""
    truths = [_judge(grading, part) for part in parts]
    sure = pl.sum_horizontal(truth.sure.cast(pl.Int32) for truth in truths)
    never = pl.sum_horizontal(truth.never.cast(pl.Int32) for truth in truths)
    return _Truth(sure >= needed, len(truths) - never < needed)


def _compare(grading: Grading, condition: ItemCondition) -> _Truth:
    """Compare one item, number or step."""
    step = grading.steps.get(condition.item)
    if step is not None:
        return _compare_step(condition, step)
    column = pl.col(condition.item)
    known = column.is_not_null()
    if condition.is_:
        holds = column.is_in(list(condition.is_))
    else:
        holds, known = _within(grading, condition, column, known)
    holds = (holds & known).fill_null(value=False)
    return _Truth(holds, (known & ~holds).fill_null(value=False))


def _within(
    grading: Grading, condition: ItemCondition, column: pl.Expr, known: pl.Expr
) -> tuple[pl.Expr, pl.Expr]:
    """Compare a number with its bounds, which may be multiples of another item."""
    holds = pl.lit(value=True)
    unit = _unit(grading, condition)
    reference = pl.lit(1.0)
    if condition.than is not None:
        reference = pl.col(condition.than).cast(pl.Float64)
        known = known & reference.is_not_null()
    for name in ("at_least", "above", "at_most", "below"):
        bound = getattr(condition, name)
        if bound is None:
            continue
        limit = reference * (
            bound.value if bound.unit == "1" or condition.than or unit is None else bound.to(unit)
        )
        holds = (
            holds
            & {
                "at_least": column >= limit,
                "above": column > limit,
                "at_most": column <= limit,
                "below": column < limit,
            }[name]
        )
    return holds, known


def _unit(grading: Grading, condition: ItemCondition) -> str | None:
    """Give the unit in which a bound is compared."""
    item = grading.items.get(condition.item)
    return None if item is None or item.unit == "1" else item.unit


def _compare_step(condition: ItemCondition, step: Step) -> _Truth:
    """Compare a step: over all values that it could still have."""
    values = _values_of(step)
    meets = {value for value in values if _meets(condition, value)}
    flags = {value: pl.col(_flag(condition.item, value)) for value in values}
    some = pl.any_horizontal(flags.values())
    inside = pl.any_horizontal([flags[value] for value in meets] or [pl.lit(value=False)])
    outside = pl.any_horizontal(
        [flags[value] for value in values if value not in meets] or [pl.lit(value=False)]
    )
    return _Truth(some & ~outside, some & ~inside)


def _meets(condition: ItemCondition, value: str) -> bool:
    """Say whether one value of a step meets a condition."""
    if condition.is_:
        return value in condition.is_
    number = float(value)
    return (
        (condition.at_least is None or number >= condition.at_least.value)
        and (condition.above is None or number > condition.above.value)
        and (condition.at_most is None or number <= condition.at_most.value)
        and (condition.below is None or number < condition.below.value)
    )


def _possible_values(grading: Grading) -> pl.Expr:
    """List the values that the result could have, in the order of the grades."""
    return pl.concat_list(
        pl.when(pl.col(_flag(grading.result, value))).then(pl.lit(value))
        for value in grading.grades
    ).list.drop_nulls()


def _unknown_items(grading: Grading) -> pl.Expr:
    """List the items that are not recorded, that lead to the result, where it is not decided."""
    undecided = pl.col(grading.result).is_null()
    names: dict[str, pl.Expr] = {}

    def follow(name: str, still: pl.Expr) -> None:
        if name in grading.items:
            names[name] = names.get(name, pl.lit(value=False)) | still
        elif name in grading.numbers or name in grading.steps:
            open_ = still & pl.col(name).is_null()
            for part in sorted(_needed(grading, name)):
                follow(part, open_)

    follow(grading.result, undecided)
    return pl.concat_list(
        pl.when(still & pl.col(name).is_null()).then(pl.lit(name)) for name, still in names.items()
    ).list.drop_nulls()
