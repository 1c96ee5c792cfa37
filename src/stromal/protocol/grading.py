"""Gradings: from what is assessed to stages, and from stages to a grade, as data.

A grading names its `items` (what is assessed), derives `numbers` from them, judges `steps` (a stage
of an organ, a sum, a class) by ordered cases, and gives the value of one step as the result. Every
rule is three-valued: an item that is not recorded is unknown, never normal.
"""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag, model_validator

from stromal.protocol.definition import Definition
from stromal.protocol.fields import Measure, Model, Name, Text
from stromal.protocol.tagged import key_of
from stromal.protocol.timing import Analyte

__all__ = [
    "AllHold",
    "AnyHolds",
    "Case",
    "Condition",
    "Grading",
    "Item",
    "ItemCondition",
    "NotHolds",
    "Number",
    "SomeHold",
    "Step",
    "comparisons_in",
    "names_in",
]


class Item(Model):
    """One thing that is assessed: a number in a unit, or one of some words.

    `analyte` takes the count of the same day from the measurements, `variable` a column of the
    participants table; otherwise it is an item of the scale in the assessments table. `whole`
    rounds the number (half up) before it is compared, where the source bands whole numbers.
    `unrecorded` is the word that silence means, for what counts only where somebody documented it;
    without it an item that is not recorded is unknown. `least` and `most` are what the number can
    be, in its unit: a number outside them is an error of the record and is refused.
    """

    label: Text
    unit: Annotated[Text | None, Field(description="UCUM unit of a number; `1` for a count")] = None
    also: Annotated[
        dict[Text, float],
        Field(description="other units in use, and how many of `unit` one of them is"),
    ] = {}
    words: list[Text] | None = None
    unrecorded: Text | None = None
    analyte: Analyte | None = None
    variable: Name | None = None
    whole: bool = False
    least: Annotated[float | None, Field(allow_inf_nan=False)] = None
    most: Annotated[float | None, Field(allow_inf_nan=False)] = None

    @model_validator(mode="after")
    def _one_kind(self) -> Item:
        if (self.unit is None) == (self.words is None):
            raise ValueError("an item is a number with its `unit`, or one of its `words`")
        limited = self.least is not None or self.most is not None
        if self.words is not None and (self.analyte or self.whole or self.also or limited):
            raise ValueError("`analyte`, `whole`, `also`, `least` and `most` go with a number")
        if limited and (self.analyte or self.variable):
            raise ValueError(
                "`least` and `most` go with what is assessed; counts and columns of the "
                "participants table have limits of their own"
            )
        if self.least is not None and self.most is not None and self.least >= self.most:
            raise ValueError(f"`least: {self.least:g}` is not below `most: {self.most:g}`")
        if self.unrecorded is not None and self.unrecorded not in (self.words or []):
            raise ValueError("`unrecorded` is one of the item's `words`")
        return self

    @property
    def limits(self) -> str:
        """What the number can be, in words and with its unit; empty where nothing limits it."""
        unit = "" if self.unit in {None, "1"} else f" {self.unit}"
        match self.least, self.most:
            case None, None:
                return ""
            case least, None:
                return f"at least {least:g}{unit}"
            case None, most:
                return f"at most {most:g}{unit}"
            case least, most:
                return f"{least:g} to {most:g}{unit}"


class Number(Model):
    """A number derived from items, numbers and steps that are numbers; unknown where a part is.

    `first_known` takes the first part that is known. The parts of `product`, `sum` and `quotient`
    may be plain numbers; a step stands for its value.
    """

    sum: list[Name | float] | None = None
    product: list[Name | float] | None = None
    quotient: tuple[Name | float, Name | float] | None = None
    first_known: list[Name] | None = None
    highest: list[Name] | None = None
    lowest: list[Name] | None = None

    @model_validator(mode="after")
    def _one_way(self) -> Number:
        given = [self.sum, self.product, self.quotient, self.first_known, self.highest, self.lowest]
        if sum(part is not None for part in given) != 1:
            raise ValueError("a number is one of `sum`, `product`, `quotient`, `first_known`, "
                             "`highest`, `lowest`")  # fmt: skip
        return self

    @property
    def parts(self) -> set[str]:
        """Names of what the number is made of."""
        values = (self.sum, self.product, self.quotient, self.first_known, self.highest,
                  self.lowest)  # fmt: skip
        return {part for value in values for part in value or [] if isinstance(part, str)}


class ItemCondition(Model):
    """Compare an item or a number with bounds, or an item or a step with words or values.

    `recorded` asks whether an item is recorded at all; that is always known.
    """

    item: Name
    above: Measure | None = None
    at_least: Measure | None = None
    below: Measure | None = None
    at_most: Measure | None = None
    is_: Annotated[list[Text], Field(alias="is")] = []
    than: Annotated[
        Name | None,
        Field(description="bounds are multiples of this item, such as the upper limit of normal"),
    ] = None
    recorded: bool | None = None

    @model_validator(mode="after")
    def _something_is_compared(self) -> ItemCondition:
        bounds = [self.above, self.at_least, self.below, self.at_most]
        ways = (any(b is not None for b in bounds), bool(self.is_), self.recorded is not None)
        if sum(ways) != 1:
            raise ValueError(
                "compare with `above`, `at_least`, `below`, `at_most`, or with `is`, or ask "
                "whether an item is `recorded`"
            )
        if self.than is not None and not ways[0]:
            raise ValueError("`than` goes with bounds")
        if (self.above and self.at_least) or (self.below and self.at_most):
            raise ValueError("a comparison has at most one lower and one upper bound")
        return self


class AllHold(Model):
    """True when every part is true."""

    all: Annotated[list[Condition], Field(min_length=1)]


class AnyHolds(Model):
    """True when one part is true."""

    any: Annotated[list[Condition], Field(min_length=1)]


class SomeHold(Model):
    """True when at least `at_least` of the parts are true."""

    of: Annotated[list[Condition], Field(min_length=1)]
    at_least: Annotated[int, Field(ge=1)]

    @model_validator(mode="after")
    def _can_be_met(self) -> SomeHold:
        if self.at_least > len(self.of):
            raise ValueError(f"at_least {self.at_least} of {len(self.of)} can never be met")
        return self


class NotHolds(Model):
    """True when the part is false."""

    not_: Annotated[Condition, Field(alias="not")]


_CONDITIONS = ("item", "all", "any", "of", "not")


def _condition_tag(value: Any) -> str | None:  # noqa: ANN401
    if isinstance(value, NotHolds):
        return "not"
    return key_of(value, _CONDITIONS)


Condition = Annotated[
    Annotated[ItemCondition, Tag("item")]
    | Annotated[AllHold, Tag("all")]
    | Annotated[AnyHolds, Tag("any")]
    | Annotated[SomeHold, Tag("of")]
    | Annotated[NotHolds, Tag("not")],
    Discriminator(
        _condition_tag,
        custom_error_type="condition_kind",
        custom_error_message=f"a condition has exactly one of the keys {', '.join(_CONDITIONS)}",
    ),
]


class Case(Model):
    """A value and when it holds; `otherwise` holds where no case before it does."""

    value: Text
    when: Condition | Literal["otherwise"]


class Step(Model):
    """Ordered cases, the first that holds gives the value; or values that people record.

    Where a case that comes before the first true one is unknown, the step is not decided; it is
    then known only which values it still could have. `recorded: true` means that people may record
    the value itself, as an item of the step's name. A step with `values` and without `cases` is
    only recorded.
    """

    label: Text
    recorded: bool = False
    cases: list[Case] = []
    values: list[Text] = []

    @model_validator(mode="after")
    def _one_kind(self) -> Step:
        if bool(self.cases) == bool(self.values):
            raise ValueError("a step has `cases`, or the `values` that people record")
        last = [case.when for case in self.cases[:-1]]
        if "otherwise" in last:
            raise ValueError("`otherwise` is the last case; what follows it is never reached")
        return self

    @property
    def may_be_recorded(self) -> bool:
        """Whether people may record the value itself."""
        return self.recorded or bool(self.values)

    @property
    def possible(self) -> list[str]:
        """The values that the step can have, each once."""
        return list(dict.fromkeys([*self.values, *(case.value for case in self.cases)]))


class Grading(Definition):
    """Items, what is derived from them, and the step that is the result.

    `grades` are the values of the result from the least to the most severe: the worst of several
    is the one that stands last. `scale` is the scale of the assessments table that holds the items.
    """

    scale: Name
    items: dict[Name, Item] = {}
    numbers: dict[Name, Number] = {}
    steps: Annotated[dict[Name, Step], Field(min_length=1)]
    result: Name
    grades: Annotated[list[Text], Field(min_length=2)]

    @model_validator(mode="after")
    def _names(self) -> Grading:
        if self.result not in self.steps:
            raise ValueError(f"`result: {self.result}` is not one of the steps")
        names = [*self.items, *self.numbers, *self.steps]
        twice = {name for name in names if names.count(name) > 1}
        if twice:
            raise ValueError(f"`{twice.pop()}` names two things; every name is given once")
        taken = {"grade", "could_be", "covered", "unknown", "contradicts"} & set(names)
        if taken - ({"grade"} if self.result == "grade" else set[str]()):
            raise ValueError(f"`{min(taken)}` is the name of a part of every result; take another")
        values = set(self.steps[self.result].possible)
        if values != set(self.grades):
            raise ValueError(
                f"`grades` lists the values of `{self.result}`: {', '.join(sorted(values))}"
            )
        self._order()
        return self

    def _order(self) -> None:
        """Refuse a name that is not there, and what builds on itself."""
        known = {*self.items, *self.numbers, *self.steps}
        for name, number in self.numbers.items():
            self._refuse_unknown(name, number.parts, known)
            for part in sorted(number.parts):
                self._refuse_words(name, part)
        for name, step in self.steps.items():
            for case in step.cases:
                if case.when != "otherwise":
                    self._refuse_unknown(name, set(names_in(case.when)), known)
                    for condition in comparisons_in(case.when):
                        self._refuse_unlike(name, condition)
        self.order()

    def needed(self, name: str) -> set[str]:
        """Name what a number or a step builds on."""
        number = self.numbers.get(name)
        if number is not None:
            return number.parts
        cases = self.steps[name].cases
        return {part for case in cases if case.when != "otherwise" for part in names_in(case.when)}

    def order(self) -> list[str]:
        """Order numbers and steps so that each comes after those it builds on."""
        order: list[str] = []
        waiting = [*self.numbers, *self.steps]
        while waiting:
            ready = [name for name in waiting if not self.needed(name) & set(waiting)]
            if not ready:
                raise ValueError(f"{', '.join(waiting)} build on each other in a circle")
            order.extend(ready)
            waiting = [name for name in waiting if name not in ready]
        return order

    def _refuse_words(self, name: str, part: str) -> None:
        """Refuse words where a number is needed."""
        words = self.items[part].words if part in self.items else None
        if part in self.steps:
            words = self.steps[part].possible
            words = None if all(_is_number(value) for value in words) else words
        if words is not None:
            raise ValueError(f"`{name}` needs a number; `{part}` is one of {', '.join(words)}")

    def _refuse_unlike(self, name: str, condition: ItemCondition) -> None:
        """Refuse a comparison with what the item or the step can never be."""
        item = condition.item
        if condition.recorded is not None and item not in self.items:
            raise ValueError(f"`{name}` asks whether `{item}` is recorded; only items are")
        if condition.is_:
            words = (
                self.steps[item].possible
                if item in self.steps
                else (self.items[item].words if item in self.items else None)
            )
            strange = [word for word in condition.is_ if word not in (words or [])]
            if strange:
                has = f"one of {', '.join(words)}" if words else "a number"
                raise ValueError(f"`{name}` compares `{item}` with {strange[0]!r}; it is {has}")
        elif condition.recorded is None:
            for part in (item, condition.than):
                if part is not None:
                    self._refuse_words(name, part)

    @staticmethod
    def _refuse_unknown(name: str, used: set[str], known: set[str]) -> None:
        missing = sorted(used - known)
        if missing:
            raise ValueError(
                f"`{name}` uses `{missing[0]}`, which is no item, number or step of it"
            )


def _is_number(text: str) -> bool:
    """Whether a value of a step is a number."""
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False


def comparisons_in(condition: Condition) -> list[ItemCondition]:
    """List the comparisons that a condition is made of."""
    match condition:
        case ItemCondition():
            return [condition]
        case NotHolds(not_=part):
            return comparisons_in(part)
        case AllHold(all=parts) | AnyHolds(any=parts) | SomeHold(of=parts):
            return [found for part in parts for found in comparisons_in(part)]


def names_in(condition: Condition) -> list[str]:
    """Name what a condition compares, in the order in which it stands."""
    return [
        name
        for found in comparisons_in(condition)
        for name in (found.item, found.than)
        if name is not None
    ]


for _model in (AllHold, AnyHolds, SomeHold, NotHolds, Case, Step, Grading):
    _model.model_rebuild()
