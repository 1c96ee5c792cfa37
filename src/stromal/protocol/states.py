"""States over time: what makes one begin, and what ends it."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag, model_validator

from stromal.protocol.definition import Definition
from stromal.protocol.fields import Duration, Model, Name, Text
from stromal.protocol.rules import BloodProduct, CountRule, RunRule
from stromal.protocol.tagged import key_of

__all__ = [
    "CountsHold",
    "EventHappens",
    "GradeHolds",
    "NoLonger",
    "State",
    "StateRule",
    "Transfused",
]


class CountsHold(RunRule):
    """A run of days on each of which at least `lines` of the counts meet their rule."""

    counts: Annotated[list[CountRule], Field(min_length=1)]
    lines: Annotated[int, Field(ge=1)]

    @model_validator(mode="after")
    def _possible(self) -> CountsHold:
        if self.lines > len(self.counts):
            raise ValueError(f"lines: {self.lines} of {len(self.counts)} counts can never be met")
        return self


class NoLonger(RunRule):
    """A run of days on each of which the counts that began the state are seen not to hold.

    A day with a transfusion that the beginning rule forbids is such a day. It is the loss of a
    response: one value, or a run of them, as `run` says.
    """

    no_longer: Literal["begins"]


class Transfused(Model):
    """Transfusions of a product: at least so many within a time, or none for a time.

    `at_least: 4, of: units, within: 56 d` asks for 4 units on days of which the last is at most 55
    days after the first; of `transfusion days` each day counts once. `none_for: 56 d` asks for 56
    successive days that are logged and without transfusion.
    """

    transfused: BloodProduct
    at_least: Annotated[int | None, Field(ge=1)] = None
    of: Literal["transfusion days", "units"] | None = None
    within: Duration | None = None
    none_for: Duration | None = None

    @model_validator(mode="after")
    def _one_way(self) -> Transfused:
        some = [self.at_least is not None, self.of is not None, self.within is not None]
        if any(some) == (self.none_for is not None) or (any(some) and not all(some)):
            raise ValueError(
                "transfusions are asked for by `at_least` with `of` and `within`, or by `none_for`"
            )
        length = self.within if self.none_for is None else self.none_for
        if length is not None and length < 1:
            raise ValueError(f"a time without or with transfusions is at least 1 d; got {length} d")
        if self.of == "transfusion days" and (self.at_least or 0) > int(self.within or 0):
            raise ValueError(
                f"at_least: {self.at_least} transfusion days within {self.within} days can never "
                "be met"
            )
        return self


class GradeHolds(Model):
    """A graded endpoint surely has one of these grades at an assessment."""

    graded: Name
    is_: Annotated[list[Text], Field(alias="is", min_length=1)]


class EventHappens(Model):
    """An event of one of these names happens, or (as an end) the event that began it has ended.

    `grade_at_least` narrows the names, as it does elsewhere.
    """

    events: Annotated[list[Name], Field(min_length=1)] | Literal["ended"]
    grade_at_least: Annotated[int | None, Field(ge=1, le=5)] = None


_KEYS = ("counts", "no_longer", "transfused", "graded", "events")


def _rule_tag(value: Any) -> str | None:  # noqa: ANN401
    return key_of(value, _KEYS)


StateRule = Annotated[
    Annotated[CountsHold, Tag("counts")]
    | Annotated[NoLonger, Tag("no_longer")]
    | Annotated[Transfused, Tag("transfused")]
    | Annotated[GradeHolds, Tag("graded")]
    | Annotated[EventHappens, Tag("events")],
    Discriminator(
        _rule_tag,
        custom_error_type="state_kind",
        custom_error_message=f"a state's rule has one of the keys {', '.join(_KEYS)}",
    ),
]


class State(Definition):
    """A state that begins, ends, and may begin again.

    `start` is the first day on which it can begin.
    """

    begins: StateRule
    ends: StateRule
    start: Duration = 0

    @model_validator(mode="after")
    def _ends_what_begins(self) -> State:
        if self.start < 0:
            raise ValueError("`start` lies on the anchor or after it")
        if isinstance(self.begins, NoLonger):
            raise ValueError("`no_longer` ends a state; spell out the counts that begin it")  # noqa: TRY004
        if isinstance(self.ends, NoLonger) and not isinstance(self.begins, CountsHold):
            raise ValueError("`no_longer: begins` needs a state that begins with `counts`")  # noqa: TRY004
        if isinstance(self.begins, EventHappens) and self.begins.events == "ended":
            raise ValueError("`events: ended` ends a state; name the events that begin it")
        if isinstance(self.ends, EventHappens) and self.ends.events == "ended":
            if not isinstance(self.begins, EventHappens):
                raise ValueError("`events: ended` needs a state that begins with `events`")
            if self.ends.grade_at_least is not None:
                raise ValueError("`grade_at_least` goes with names of events, not with `ended`")
        return self
