"""States over time: what makes one begin, and what ends it."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag

from stromal.protocol.definition import Definition
from stromal.protocol.fields import Duration, Model, Name, Text
from stromal.protocol.rules import BloodProduct, CountRule, RunRule
from stromal.protocol.tagged import key_of

__all__ = ["CountsHold", "EventHappens", "GradeHolds", "State", "StateRule", "Transfused"]


class CountsHold(RunRule):
    """A run of days on each of which at least `lines` of the counts meet their rule."""

    counts: Annotated[list[CountRule], Field(min_length=1)]
    lines: Annotated[int, Field(ge=1)]


class Transfused(Model):
    """Transfusions of a product: at least so many days within a time, or none for a time."""

    transfused: BloodProduct
    at_least: Annotated[int | None, Field(ge=1)] = None
    within: Duration | None = None
    none_for: Duration | None = None


class GradeHolds(Model):
    """A graded endpoint has one of these grades at an assessment."""

    graded: Name
    is_: Annotated[list[Text], Field(alias="is", min_length=1)]


class EventHappens(Model):
    """An event of one of these names happens, or (as an end) the event that began it has ended."""

    events: list[Name] | Literal["ended"]


def _rule_tag(value: Any) -> str | None:  # noqa: ANN401
    return key_of(value, ("counts", "transfused", "graded", "events"))


StateRule = Annotated[
    Annotated[CountsHold, Tag("counts")]
    | Annotated[Transfused, Tag("transfused")]
    | Annotated[GradeHolds, Tag("graded")]
    | Annotated[EventHappens, Tag("events")],
    Discriminator(
        _rule_tag,
        custom_error_type="state_kind",
        custom_error_message="a state's rule has one of the keys counts, transfused, graded, "
        "events",
    ),
]


class State(Definition):
    """A state that begins, ends, and may begin again."""

    begins: StateRule
    ends: StateRule
    start: Duration = 0
