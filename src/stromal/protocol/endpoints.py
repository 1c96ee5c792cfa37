"""What is observed: endpoints, one family a key.

An endpoint has exactly one of the keys `recovery`, `cytopenia`, `failure`, `response`,
`time_to_event`, `adjudicated`, `event_count`, `chain`, `graded`, `state`, `not_defined`.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Discriminator, Field, Tag, model_validator

from stromal.protocol.definition import Definition
from stromal.protocol.fields import Duration, Model, Name, Text, Window
from stromal.protocol.grading import Grading
from stromal.protocol.provisos import Line, Proviso
from stromal.protocol.rules import BloodProduct, CountRule, NadirRule, RunRule
from stromal.protocol.states import State
from stromal.protocol.tagged import key_of

__all__ = [
    "AdjudicatedEndpoint",
    "AssessedAt",
    "AssessedBest",
    "ChainEndpoint",
    "Cytopenia",
    "CytopeniaEndpoint",
    "Endpoint",
    "EventCountEndpoint",
    "EventSpec",
    "GradedEndpoint",
    "Level",
    "RecoveryEndpoint",
    "ResponseEndpoint",
    "StateEndpoint",
    "TimeFrame",
    "TimeToEventEndpoint",
    "UndefinedEndpoint",
    "provisos_of",
]


class TimeFrame(Model):
    """The time frame as a registry or protocol states it, for the check against the rule."""

    from_: Annotated[Name, Field(alias="from")]
    between: Window
    text: Text | None = None


class _Endpoint(Model):
    """What every endpoint has."""

    label: Text
    as_written: Annotated[Text | None, Field(description="the endpoint in the source's words")] = (
        None
    )
    time_frame: TimeFrame | None = None
    assumed: Annotated[list[Name], Field(description="ids of assumptions it rests on")] = []


class EventSpec(Model):
    """Which rows of the events table, or which derived result, count as the event.

    `event` names events; `grade_at_least` and `cause` narrow them. `endpoint` with `is` takes a
    derived endpoint instead: for a response the day of its assessment, for a time to event its day.
    """

    event: Name | None = None
    grade_at_least: Annotated[int | None, Field(ge=1, le=5)] = None
    cause: Text | None = None
    endpoint: Name | None = None
    is_: Annotated[list[Text] | None, Field(alias="is")] = None

    @model_validator(mode="after")
    def _one_source(self) -> EventSpec:
        if (self.event is None) == (self.endpoint is None):
            raise ValueError("an event is given by `event` (a name in the events table) or by "
                             "`endpoint` and `is`")  # fmt: skip
        if (self.endpoint is None) != (self.is_ is None):
            raise ValueError("`endpoint` goes with `is`, the statuses or levels that count")
        return self


def _spell_out(value: object) -> object:
    """Read a bare word as the name of an event."""
    return {"event": value} if isinstance(value, str) else value


Event = Annotated[EventSpec, BeforeValidator(_spell_out, json_schema_input_type=str | EventSpec)]


class Recovery(Definition, CountRule, RunRule):
    """First run of counts at the threshold, after the nadir or from the anchor on."""

    after: NadirRule | Literal["anchor"]


class Cytopenia(Definition, RunRule):
    """First run in which at least `lines` of the counts meet their rule on the same day.

    Only a run of which every proviso of `provided` holds is the event.
    """

    counts: Annotated[list[Line], Field(min_length=1)]
    lines: Annotated[int, Field(ge=1)]
    start: Duration = 0
    after: Annotated[
        Name | Annotated[list[Name], Field(min_length=1)] | None,
        Field(description="the endpoint, or all of the endpoints, that must have happened before"),
    ] = None
    provided: list[Proviso] = []

    @model_validator(mode="after")
    def _possible(self) -> Cytopenia:
        if self.lines > len(self.counts):
            raise ValueError(f"lines: {self.lines} of {len(self.counts)} counts can never be met")
        return self

    @property
    def after_all(self) -> list[str]:
        """The endpoints that must have happened before; none, one or several."""
        if self.after is None:
            return []
        return [self.after] if isinstance(self.after, str) else self.after


class Failure(Definition):
    """That something did not come by a fixed day, in who was alive and observed until then.

    `endpoint` is what did not come, such as neutrophil recovery. Each proviso of `or` is failure
    too, whatever the endpoint says; without `endpoint` they alone decide. All of `provided` must
    hold besides.
    """

    endpoint: Name | None = None
    by: Annotated[Duration, Field(ge=1)]
    or_: Annotated[list[Proviso], Field(alias="or")] = []
    provided: list[Proviso] = []

    @model_validator(mode="after")
    def _decided_by_something(self) -> Failure:
        if self.endpoint is None and not self.or_:
            raise ValueError("failure is that an `endpoint` did not come, or one of `or`")
        return self


class Level(Model):
    """One level of a response: counts on one day of the visit, or held over a run."""

    counts: Annotated[list[CountRule], Field(min_length=1)]
    lines: Annotated[
        int | None, Field(ge=1, description="how many of the counts; all where it is absent")
    ] = None
    held: RunRule | None = None


class Response(Definition):
    """Ordered levels, the best first: the highest that holds is the level."""

    levels: Annotated[dict[Name, Level], Field(min_length=1)]
    otherwise: Name
    no_response_after: Annotated[
        Duration | None,
        Field(description="how long treatment must have lasted before no response can be said"),
    ] = None

    @model_validator(mode="after")
    def _distinct(self) -> Response:
        if self.otherwise in self.levels:
            raise ValueError(f"`otherwise: {self.otherwise}` is also one of the levels")
        return self


Missing = Literal["no response", "not in set"]


class AssessedAt(Model):
    """Assessment at one planned time, with its visit window.

    `missing` and `death` are clinical choices: `no response` puts the participant among the
    non-responders, `not in set` leaves them out of the denominator.
    """

    from_: Annotated[Name, Field(alias="from")]
    at: Duration
    visit_window: Window | Literal["not stated"]
    missing: Missing
    death: Missing


class AssessedBest(Model):
    """The best level reached from an anchor up to a time after it."""

    from_: Annotated[Name, Field(alias="from")]
    best_until: Duration
    missing: Missing
    death: Missing


def _assessed_tag(value: Any) -> str | None:  # noqa: ANN401
    return key_of(value, ("at", "best_until"))


Assessed = Annotated[
    Annotated[AssessedAt, Tag("at")] | Annotated[AssessedBest, Tag("best_until")],
    Discriminator(
        _assessed_tag,
        custom_error_type="assessed_kind",
        custom_error_message="an assessment has `at` (a fixed time) or `best_until`",
    ),
]


class _FromAnchor(_Endpoint):
    """An endpoint whose days count from an anchor."""

    from_: Annotated[Name, Field(alias="from")]
    until: Annotated[
        Duration | None, Field(description="last day on which the event can happen, inclusive")
    ] = None


class RecoveryEndpoint(_FromAnchor):
    """Time to recovery of a count."""

    recovery: Recovery
    competing: list[Event]


class CytopeniaEndpoint(_FromAnchor):
    """Time to a lasting fall of counts (secondary failure, poor graft function)."""

    cytopenia: Cytopenia
    competing: list[Event]


class FailureEndpoint(_FromAnchor):
    """Failure by a fixed day (primary graft failure)."""

    failure: Failure
    competing: list[Event]

    @model_validator(mode="after")
    def _ends_by_itself(self) -> FailureEndpoint:
        if self.until is not None:
            raise ValueError("a failure is judged on its day `by`; leave `until` out")
        return self


class ResponseEndpoint(_Endpoint):
    """Level of response at a fixed time, or the best level."""

    response: Response
    assessed: Assessed


class EventTimes(Definition):
    """The events of a time to event; the first of any ends it."""

    events: Annotated[list[Event], Field(min_length=1)]


class TimeToEventEndpoint(_FromAnchor):
    """Time to the first of the named events, with competing events."""

    time_to_event: EventTimes
    competing: list[Event]


class Adjudication(Definition):
    """A verdict that people gave; stromal reads it and derives nothing.

    With `levels` it is a response, without them a time to event.
    """

    levels: Annotated[list[Text] | None, Field(description="best first")] = None
    criteria: Text


class AdjudicatedEndpoint(_FromAnchor):
    """An endpoint whose verdict stands in the adjudications table."""

    adjudicated: Adjudication
    assessed: Assessed | None = None
    competing: list[Event] = []

    @model_validator(mode="after")
    def _response_is_assessed(self) -> AdjudicatedEndpoint:
        if (self.adjudicated.levels is None) != (self.assessed is None):
            raise ValueError("`levels` and `assessed` go together: a response has both")
        return self


class EventCount(Model):
    """Which events are counted: names (or any), grade, relatedness; or days with a transfusion.

    `distinct_after: 14 d` takes an event of the same name for the same one where it comes less than
    14 days after the one before it (after its end, where that is recorded). `per: 30 d` adds the
    rate to the count: who was observed on no day has then neither.
    """

    events: list[Name] | Literal["any"] = []
    transfused: BloodProduct | None = None
    grade_at_least: Annotated[int | None, Field(ge=1, le=5)] = None
    serious: Literal[True] | None = None
    related_to: Annotated[
        list[Text] | None, Field(description="agents; an event related to any of them counts")
    ] = None
    scale: Text | Literal["not stated"] = "not stated"
    distinct_after: Annotated[Duration | None, Field(ge=1)] = None
    per: Annotated[Duration | None, Field(ge=1)] = None

    @model_validator(mode="after")
    def _one_table(self) -> EventCount:
        if bool(self.events) == (self.transfused is not None):
            raise ValueError("count `events` (names, or `any`) or days on which was `transfused`")
        narrowed = [self.grade_at_least, self.serious, self.related_to, self.distinct_after]
        if self.transfused is not None and any(part is not None for part in narrowed):
            raise ValueError(
                "`grade_at_least`, `serious`, `related_to` and `distinct_after` go with `events`"
            )
        return self


class EventCountEndpoint(_FromAnchor):
    """How many events each participant had, from day `start` (which may lie before the anchor)."""

    event_count: EventCount
    start: Duration = 0

    @model_validator(mode="after")
    def _some_days(self) -> EventCountEndpoint:
        if self.until is not None and self.until < self.start:
            raise ValueError("`until` lies before `start`; no day is counted")
        return self


class Chain(Model):
    """Events each of which led to the next, as `leads_to` records it."""

    steps: Annotated[list[Name], Field(min_length=2)]


class ChainEndpoint(_FromAnchor):
    """How far along a chain of events a participant went."""

    chain: Chain


class GradedEndpoint(_FromAnchor):
    """The worst grade from the anchor on, of what was assessed on one day."""

    graded: Grading
    within: Annotated[
        Duration, Field(description="how far apart the items of one assessment may lie")
    ] = 0


class StateEndpoint(_FromAnchor):
    """A state over time, with its episodes."""

    state: State
    competing: list[Event]


class UndefinedEndpoint(_Endpoint):
    """An endpoint that the source names without defining it; nothing can be derived."""

    not_defined: Annotated[Text, Field(description="what is missing")]


_FAMILIES: dict[str, type[_Endpoint]] = {
    "recovery": RecoveryEndpoint,
    "cytopenia": CytopeniaEndpoint,
    "failure": FailureEndpoint,
    "response": ResponseEndpoint,
    "time_to_event": TimeToEventEndpoint,
    "adjudicated": AdjudicatedEndpoint,
    "event_count": EventCountEndpoint,
    "chain": ChainEndpoint,
    "graded": GradedEndpoint,
    "state": StateEndpoint,
    "not_defined": UndefinedEndpoint,
}


def _family_tag(value: Any) -> str | None:  # noqa: ANN401
    return key_of(value, tuple(_FAMILIES))


Endpoint = Annotated[
    Annotated[RecoveryEndpoint, Tag("recovery")]
    | Annotated[CytopeniaEndpoint, Tag("cytopenia")]
    | Annotated[FailureEndpoint, Tag("failure")]
    | Annotated[ResponseEndpoint, Tag("response")]
    | Annotated[TimeToEventEndpoint, Tag("time_to_event")]
    | Annotated[AdjudicatedEndpoint, Tag("adjudicated")]
    | Annotated[EventCountEndpoint, Tag("event_count")]
    | Annotated[ChainEndpoint, Tag("chain")]
    | Annotated[GradedEndpoint, Tag("graded")]
    | Annotated[StateEndpoint, Tag("state")]
    | Annotated[UndefinedEndpoint, Tag("not_defined")],
    Discriminator(
        _family_tag,
        custom_error_type="endpoint_family",
        custom_error_message=f"an endpoint has exactly one of the keys {', '.join(_FAMILIES)}",
    ),
]


def provisos_of(endpoint: Endpoint) -> list[Proviso]:
    """Give the provisos on which an endpoint rests; empty for families without them."""
    match endpoint:
        case CytopeniaEndpoint(cytopenia=fall):
            return fall.provided
        case FailureEndpoint(failure=failure):
            return [*failure.or_, *failure.provided]
        case _:
            return []
