"""Gradings: from what is assessed to stages, and from stages to a grade, as data.

A grading names its `items` (what is assessed), derives `numbers` from them, judges `steps` (a stage
of an organ, a sum, a class) by ordered cases, and gives the value of one step as the result. Every
rule is three-valued: an item that is not recorded is unknown, never normal.
"""

from __future__ import annotations

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
    "names_in",
]


class Item(Model):
    """One thing that is assessed: a number in a unit, or one of some words.

    `analyte` takes the count of the same day from the measurements, `variable` a column of the
    participants table; otherwise it is an item of the scale in the assessments table. `whole`
    rounds the number (half up) before it is compared, where the source bands whole numbers.
    """

    label: Text
    unit: Annotated[Text | None, Field(description="UCUM unit of a number; `1` for a count")] = None
    also: Annotated[
        dict[Text, float],
        Field(description="other units in use, and how many of `unit` one of them is"),
    ] = {}
    words: list[Text] | None = None
    analyte: Analyte | None = None
    variable: Name | None = None
    whole: bool = False

    @model_validator(mode="after")
    def _one_kind(self) -> Item:
        if (self.unit is None) == (self.words is None):
            raise ValueError("an item is a number with its `unit`, or one of its `words`")
        if self.words is not None and (self.analyte or self.whole or self.also):
            raise ValueError("`analyte`, `whole` and `also` go with a number")
        return self


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
    """Compare an item or a number with bounds, or an item or a step with words or values."""

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

    @model_validator(mode="after")
    def _something_is_compared(self) -> ItemCondition:
        bounds = [self.above, self.at_least, self.below, self.at_most]
        if any(bound is not None for bound in bounds) == bool(self.is_):
            raise ValueError("compare with `above`, `at_least`, `below`, `at_most`, or with `is`")
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
    """Ordered cases: the first that holds gives the value.

    Where a case that comes before the first true one is unknown, the step is not decided; it is
    then known only which values it still could have. `recorded: true` means that people may record
    the value itself, as an item of the step's name; that value is taken as it stands.
    """

    label: Text
    recorded: bool = False
    cases: Annotated[list[Case], Field(min_length=1)]


class Grading(Definition):
    """Items, what is derived from them, and the step that is the result.

    `grades` are the values of the result from the least to the most severe (or from the worst to
    the best class). `scale` is the scale of the assessments table that holds the items.
    """

    scale: Name
    items: Annotated[dict[Name, Item], Field(min_length=1)]
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
        values = {case.value for case in self.steps[self.result].cases}
        if values != set(self.grades):
            raise ValueError(
                f"`grades` lists the values of `{self.result}`: {', '.join(sorted(values))}"
            )
        self._order()
        return self

    def _order(self) -> None:
        """Refuse a name that is not there, or a step that builds on a later one."""
        known = set(self.items)
        for name, number in self.numbers.items():
            self._refuse_unknown(name, number.parts, known | set(self.steps))
            known.add(name)
        known = set(self.items) | set(self.numbers)
        for name, step in self.steps.items():
            for case in step.cases:
                if case.when != "otherwise":
                    self._refuse_unknown(name, set(names_in(case.when)), known)
            known.add(name)

    @staticmethod
    def _refuse_unknown(name: str, used: set[str], known: set[str]) -> None:
        missing = sorted(used - known)
        if missing:
            raise ValueError(
                f"`{name}` uses `{missing[0]}`, which is no item, number or step before it"
            )


def names_in(condition: Condition) -> list[str]:
    """Name what a condition compares, in the order in which it stands."""
    match condition:
        case ItemCondition(item=item, than=than):
            return [item] if than is None else [item, than]
        case NotHolds(not_=part):
            return names_in(part)
        case AllHold(all=parts) | AnyHolds(any=parts) | SomeHold(of=parts):
            return [name for part in parts for name in names_in(part)]


for _model in (AllHold, AnyHolds, SomeHold, NotHolds, Case, Step, Grading):
    _model.model_rebuild()
