"""Conditions of a grading as columns: what each could be, given what is not known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from stromal.protocol.grading import (
    AllHold,
    AnyHolds,
    Condition,
    Grading,
    ItemCondition,
    NotHolds,
    SomeHold,
    names_in,
)

__all__ = [
    "Truth",
    "count_truths",
    "flag",
    "highest",
    "is_recorded",
    "judge",
    "lowest",
    "may_be_uncovered",
    "parts_of",
]

_TRUE, _FALSE = pl.lit(value=True), pl.lit(value=False)


@dataclass(frozen=True)
class Truth:
    """What a condition could be, one column each; more than one is true where it is not decided.

    A condition is `undefined` where it asks for a step that no case of the definition covers; None
    where that cannot be.
    """

    true: pl.Expr
    false: pl.Expr
    undefined: pl.Expr | None = None

    @property
    def decided(self) -> pl.Expr:
        """Whether the condition can be one thing only."""
        if self.undefined is None:
            return self.true != self.false
        return pl.sum_horizontal(
            part.cast(pl.Int8) for part in (self.true, self.false, self.undefined)
        ).eq(1)


def lowest(name: str) -> str:
    """Name the column of the least number that an item or a number could be."""
    return f"{name}\x1f<"


def highest(name: str) -> str:
    """Name the column of the largest number that an item or a number could be."""
    return f"{name}\x1f>"


def is_recorded(name: str) -> str:
    """Name the column that says whether an item is recorded."""
    return f"{name}\x1f?"


def flag(step: str, value: str | None) -> str:
    """Name the column that says whether a step could have a value; None: no case covers it."""
    return f"{step}\x1f{'' if value is None else '=' + value}"


def parts_of(condition: Condition) -> list[Condition]:
    """Give the conditions that a condition joins; none for a comparison."""
    match condition:
        case AllHold(all=parts) | AnyHolds(any=parts) | SomeHold(of=parts):
            return parts
        case NotHolds(not_=part):
            return [part]
        case ItemCondition():
            return []


def judge(grading: Grading, condition: Condition) -> Truth:
    """Turn a condition into columns.

    1. A comparison with a number could be true where a number between the least and the largest
       that it could be meets it; one with words, where one of the words that it could be does.
    2. A comparison with a step could be what it is for any value that the step could still have.
    3. `all`, `any`, `of` and `not` could be what some choice among their parts makes them.
    """
    match condition:
        case NotHolds(not_=part):
            truth = judge(grading, part)
            return Truth(truth.false, truth.true, truth.undefined)
        case AllHold(all=parts):
            return count_truths([judge(grading, part) for part in parts], len(parts))
        case AnyHolds(any=parts):
            return count_truths([judge(grading, part) for part in parts], 1)
        case SomeHold(of=parts, at_least=needed):
            return count_truths([judge(grading, part) for part in parts], needed)
        case ItemCondition(item=item):
            if item in grading.steps:
                return _compare_step(grading, condition)
            return _compare(grading, condition)


def count_truths(truths: Sequence[Truth], needed: int) -> Truth:
    """Join conditions: at least `needed` of them are true.

    Undefined where too few are true, and the undefined ones could make it enough.
    """

    def number(parts: list[pl.Expr]) -> pl.Expr:
        return pl.sum_horizontal(part.cast(pl.Int32) for part in parts)

    could = number([t.true for t in truths])
    never_false = number([~t.false for t in truths])
    undefined = [t.undefined for t in truths if t.undefined is not None]
    if not undefined:
        return Truth(could >= needed, never_false < needed)
    whole = [(t, _FALSE if t.undefined is None else t.undefined) for t in truths]
    surely = number([t.true & ~t.false & ~u for t, u in whole])
    open_ = number(undefined)
    chosen = number([t.true & t.false & ~u for t, u in whole])
    return Truth(
        could >= needed,
        never_false < needed,
        (surely < needed) & (open_ >= 1) & (surely + chosen + open_ >= needed),
    )


def _compare(grading: Grading, condition: ItemCondition) -> Truth:
    """Compare one item or number."""
    item = condition.item
    if condition.recorded is not None:
        known = pl.col(is_recorded(item)) == condition.recorded
        return Truth(known, ~known)
    if condition.is_:
        words = set((grading.items[item].words if item in grading.items else None) or [])
        column = pl.col(item)
        holds = column.is_in(list(condition.is_))
        return Truth(
            holds.fill_null(value=bool(words & set(condition.is_))),
            (~holds).fill_null(value=bool(words - set(condition.is_))),
        )
    return _within(grading, condition)


def _within(grading: Grading, condition: ItemCondition) -> Truth:
    """Compare a number with its bounds, which may be multiples of another item."""
    low, high = pl.col(lowest(condition.item)), pl.col(highest(condition.item))
    true, false = _TRUE, _FALSE
    for name in ("at_least", "above", "at_most", "below"):
        bound = getattr(condition, name)
        if bound is None:
            continue
        unit = _unit(grading, condition)
        limit = bound.value if bound.unit == "1" or unit is None else bound.to(unit)
        least, most = pl.lit(limit), pl.lit(limit)
        if condition.than is not None:
            # rounded: 1.5 x 1.2 is 1.8, and not the binary number just below it
            least, most = (
                (limit * pl.col(end(condition.than))).round_sig_figs(12)
                for end in (lowest, highest)
            )
        holds, fails = {
            "at_least": (high >= least, low < most),
            "above": (high > least, low <= most),
            "at_most": (low <= most, high > least),
            "below": (low < most, high >= least),
        }[name]
        true, false = true & holds, false | fails
    return Truth(true, false)


def _unit(grading: Grading, condition: ItemCondition) -> str | None:
    """Give the unit in which a bound is compared; None for a plain number or a multiple."""
    item = grading.items.get(condition.item)
    return None if item is None or item.unit == "1" or condition.than else item.unit


def _compare_step(grading: Grading, condition: ItemCondition) -> Truth:
    """Compare a step: over all values that it could still have."""
    step = grading.steps[condition.item]
    meets = {value for value in step.possible if _meets(condition, value)}

    def some(values: list[str]) -> pl.Expr:
        return pl.any_horizontal([_FALSE, *(pl.col(flag(condition.item, v)) for v in values)])

    return Truth(
        some([value for value in step.possible if value in meets]),
        some([value for value in step.possible if value not in meets]),
        pl.col(flag(condition.item, None)) if may_be_uncovered(grading, condition.item) else None,
    )


def may_be_uncovered(grading: Grading, name: str) -> bool:
    """Say whether a step can be without a value: some completion may meet none of its cases."""
    cases = grading.steps[name].cases
    if not cases:
        return False
    asked = [part for case in cases if case.when != "otherwise" for part in names_in(case.when)]
    return cases[-1].when != "otherwise" or any(
        may_be_uncovered(grading, part) for part in set(asked) if part in grading.steps
    )


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
