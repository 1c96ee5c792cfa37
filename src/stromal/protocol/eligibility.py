"""Who may enter: criteria a machine can judge, criteria a person attests, and narrative ones.

Rules are three-valued: what is not recorded is *unknown*, never false. `all` is false as soon as
one part is false, `any` true as soon as one part is true, whatever is unknown beside it.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag, model_validator

from stromal.protocol.fields import Duration, Measure, Model, Name, Text
from stromal.protocol.rules import ANALYTE_UNITS, bound_unit
from stromal.protocol.tagged import key_of
from stromal.protocol.timing import Analyte

__all__ = [
    "AllOf",
    "AnyOf",
    "AssessmentRule",
    "AtLeastOf",
    "Criterion",
    "EndpointRule",
    "EventRule",
    "MeasurementRule",
    "NotRule",
    "Population",
    "Rule",
    "VariableRule",
]


class _Comparison(Model):
    """Bounds on a number, or words that are accepted."""

    above: Measure | None = None
    at_least: Measure | None = None
    below: Measure | None = None
    at_most: Measure | None = None
    from_: Annotated[Measure | None, Field(alias="from")] = None
    to: Measure | None = None
    is_: Annotated[list[Text] | None, Field(alias="is")] = None

    @model_validator(mode="after")
    def _something_is_compared(self) -> _Comparison:
        lower = [self.above, self.at_least, self.from_]
        upper = [self.below, self.at_most, self.to]
        if sum(value is not None for value in lower) > 1 or (
            sum(value is not None for value in upper) > 1
        ):
            raise ValueError("a comparison has at most one lower and one upper bound")
        numeric = any(value is not None for value in lower + upper)
        if numeric == (self.is_ is not None):
            raise ValueError(
                "compare with `above`, `at_least`, `from`, `below`, `at_most`, `to` (numbers), "
                "or with `is` (a list of words)"
            )
        return self


class VariableRule(_Comparison):
    """Compare a baseline column of the participants table. `age` may come from `birth_date`."""

    variable: Name


class MeasurementRule(_Comparison):
    """Compare the last count of an analyte on or before an anchor, at most `within` days old."""

    measurement: Analyte
    before: Name
    within: Duration

    @model_validator(mode="after")
    def _in_the_units_of_the_count(self) -> MeasurementRule:
        if self.is_ is not None:
            raise ValueError("a count is compared with numbers, not with words")
        bounds = [self.above, self.at_least, self.from_, self.below, self.at_most, self.to]
        for bound in bounds:
            if bound is not None:
                bound_unit(bound.unit, ANALYTE_UNITS[self.measurement], self.measurement)
        return self


class AssessmentRule(_Comparison):
    """Compare the last assessment of a scale (and item) on or before an anchor."""

    assessment: Name
    item: Text | None = None
    before: Name
    within: Duration


class EventRule(Model):
    """Whether an event was recorded from one anchor (or ever) up to another, inclusive."""

    event: Name
    recorded: Literal["yes", "no"]
    after: Name | None = None
    before: Name


class EndpointRule(Model):
    """Whether a derived endpoint has one of these statuses on or before an anchor."""

    endpoint: Name
    is_: Annotated[list[Text], Field(alias="is", min_length=1)]
    before: Name | None = None


class AllOf(Model):
    """True when every part is true."""

    all: Annotated[list[Rule], Field(min_length=1)]


class AnyOf(Model):
    """True when one part is true."""

    any: Annotated[list[Rule], Field(min_length=1)]


class AtLeastOf(Model):
    """True when at least `at_least` of the parts are true."""

    of: Annotated[list[Rule], Field(min_length=1)]
    at_least: Annotated[int, Field(ge=1)]

    @model_validator(mode="after")
    def _can_be_met(self) -> AtLeastOf:
        if self.at_least > len(self.of):
            raise ValueError(f"at_least {self.at_least} of {len(self.of)} rules can never be met")
        return self


class NotRule(Model):
    """True when the part is false."""

    not_: Annotated[Rule, Field(alias="not")]


_RULES = (
    "variable",
    "measurement",
    "assessment",
    "event",
    "endpoint",
    "all",
    "any",
    "of",
    "not",
)


def _rule_tag(value: Any) -> str | None:  # noqa: ANN401
    if isinstance(value, NotRule):
        return "not"
    return key_of(value, _RULES)


Rule = Annotated[
    Annotated[VariableRule, Tag("variable")]
    | Annotated[MeasurementRule, Tag("measurement")]
    | Annotated[AssessmentRule, Tag("assessment")]
    | Annotated[EventRule, Tag("event")]
    | Annotated[EndpointRule, Tag("endpoint")]
    | Annotated[AllOf, Tag("all")]
    | Annotated[AnyOf, Tag("any")]
    | Annotated[AtLeastOf, Tag("of")]
    | Annotated[NotRule, Tag("not")],
    Discriminator(
        _rule_tag,
        custom_error_type="rule_kind",
        custom_error_message=f"a rule has exactly one of the keys {', '.join(_RULES)}",
    ),
]


class Criterion(Model):
    """One criterion of inclusion or exclusion.

    Exactly one of three ways says how it is judged: `rule` (by stromal, from the records),
    `attested` (a person says so; the attestations table keeps who and when), or `narrative`
    (text only: not computable, and reported as such).
    """

    id: Name
    text: Text
    rule: Rule | None = None
    attested: Literal[True] | None = None
    narrative: Literal[True] | None = None
    concerns: Annotated[
        list[Text],
        Field(description="conditions of the study that this criterion establishes"),
    ] = []
    assumed: Annotated[list[Name], Field(description="ids of assumptions it rests on")] = []

    @model_validator(mode="after")
    def _one_way(self) -> Criterion:
        ways = [self.rule is not None, self.attested is not None, self.narrative is not None]
        if sum(ways) != 1:
            raise ValueError(
                "a criterion is judged in exactly one way: `rule`, `attested: true` or "
                "`narrative: true`"
            )
        return self


class Population(Model):
    """Criteria of inclusion and exclusion, judged at an anchor."""

    judged_at: Name
    inclusion: list[Criterion]
    exclusion: list[Criterion] = []


for _model in (AllOf, AnyOf, AtLeastOf, NotRule, Criterion, Population):
    _model.model_rebuild()
