"""What is estimated and compared, in which analysis set, with which interval."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag, model_validator

from stromal.protocol.fields import Duration, Model, Name, Text, Window
from stromal.protocol.tagged import key_of

__all__ = [
    "Analysis",
    "AnalysisSet",
    "CumulativeIncidenceAnalysis",
    "ProportionAnalysis",
    "SummaryAnalysis",
    "SurvivalAnalysis",
]

Role = Literal["primary", "secondary", "exploratory", "safety", "descriptive"]
CountTest = Literal["fisher", "chi-square", "chi-square with Yates"]


class AnalysisSet(Model):
    """Which participants are analysed. All conditions that are given must hold.

    Those a set leaves out are listed with the condition that left them out.
    """

    label: Text
    arms: list[Name] | None = None
    eligible: Literal[True] | None = None
    infused: Annotated[Name | None, Field(description="at least one infusion of this product")] = (
        None
    )
    has: Annotated[Name | None, Field(description="an anchor that the participant has")] = None
    where: Annotated[
        dict[Name, list[str]] | None,
        Field(description="columns of the participants table and the values that are included"),
    ] = None


class _Analysis(Model):
    """What every analysis has."""

    label: Text
    role: Role
    set: Name
    by: Annotated[
        Name | None, Field(description="`arm`, or a column of the participants table")
    ] = None
    assumed: Annotated[list[Name], Field(description="ids of assumptions it rests on")] = []


class ProportionAnalysis(_Analysis):
    """Participants whose endpoint has one of the levels or statuses, of all in the set."""

    estimate: Literal["proportion"]
    endpoint: Name
    of: Annotated[list[Text], Field(min_length=1)]
    interval: Literal["clopper-pearson", "wilson", "wald"]
    confidence: Annotated[float, Field(gt=0.5, lt=1)]
    compare: list[CountTest] = []


class SurvivalAnalysis(_Analysis):
    """Kaplan-Meier estimates with Greenwood's standard error at given times."""

    estimate: Literal["survival"]
    endpoint: Name
    at: Annotated[list[Duration], Field(min_length=1)]
    interval: Literal["plain", "log", "log-log"]
    confidence: Annotated[float, Field(gt=0.5, lt=1)]
    compare: list[Literal["log-rank"]] = []
    with_bounds: Annotated[
        Literal[True] | None,
        Field(description="also the curves of the earliest and of the latest possible days"),
    ] = None


class CumulativeIncidenceAnalysis(_Analysis):
    """Aalen-Johansen estimates of the event, competing events apart, at given times."""

    estimate: Literal["cumulative incidence"]
    endpoint: Name
    at: Annotated[list[Duration], Field(min_length=1)]
    variance: Literal["cmprsk", "greenwood"]
    interval: Literal["linear", "log-log"]
    confidence: Annotated[float, Field(gt=0.5, lt=1)]
    compare: list[Literal["gray"]] = []
    with_bounds: Annotated[
        Literal[True] | None,
        Field(description="also the curves of the earliest and of the latest possible days"),
    ] = None


class SummaryAnalysis(_Analysis):
    """Median, quartiles and range of a number that each participant has.

    One of: `variable` (a baseline column), `endpoint` (days of those with one of the statuses
    `of`), `exposure` (infusions per participant, or cells per kg per infusion), `follow_up` (from
    an anchor). Of an endpoint that counts, the number is the count of each participant (with
    `of: [yes]` the day of the first), and where it counts `per` a time the rate of the group is
    given too, with `interval` and `confidence`. Of a state, `time_in_state` gives the days from its
    first to its second day on which it holds.
    """

    estimate: Literal["summary"]
    variable: Name | None = None
    endpoint: Name | None = None
    of: Annotated[
        list[Text], Field(description="statuses or levels of the endpoint whose days are taken")
    ] = ["event"]
    exposure: Literal["infusions", "cells per kg"] | None = None
    product: Name | None = None
    follow_up: Annotated[Name | None, Field(description="the anchor it counts from")] = None
    interval: Annotated[
        Literal["exact Poisson"] | None, Field(description="of the rate of a count `per` a time")
    ] = None
    confidence: Annotated[float | None, Field(gt=0.5, lt=1)] = None
    time_in_state: Annotated[
        Window | None,
        Field(description="first and last day, from the state's anchor, whose days are counted"),
    ] = None

    @property
    def of_days(self) -> bool:
        """Whether `of` is spelled out: then the days of those with such a status are taken."""
        return "of" in self.model_fields_set

    @model_validator(mode="after")
    def _of_an_endpoint(self) -> SummaryAnalysis:
        if (self.interval is None) != (self.confidence is None):
            raise ValueError("`interval` goes with `confidence`")
        if self.endpoint is None and (self.interval or self.time_in_state):
            raise ValueError("`interval` and `time_in_state` are of an `endpoint`")
        if self.interval and self.time_in_state:
            raise ValueError("`interval` is of the rate of a count, `time_in_state` of a state")
        if self.time_in_state and int(self.time_in_state[0]) > int(self.time_in_state[1]):
            raise ValueError("`time_in_state` ends before it begins")
        return self

    @model_validator(mode="after")
    def _one_number(self) -> SummaryAnalysis:
        given = [self.variable, self.endpoint, self.exposure, self.follow_up]
        if sum(value is not None for value in given) != 1:
            raise ValueError(
                "a summary is of one of `variable`, `endpoint`, `exposure` or `follow_up`"
            )
        if (self.exposure is None) != (self.product is None):
            raise ValueError("`exposure` goes with `product`")
        return self


_KINDS = ("proportion", "survival", "cumulative incidence", "summary")


def _kind(value: Any) -> str | None:  # noqa: ANN401
    if key_of(value, ("estimate",)) is None:
        return None
    found: object = getattr(value, "estimate", None) or value["estimate"]
    return found if isinstance(found, str) and found in _KINDS else None


Analysis = Annotated[
    Annotated[ProportionAnalysis, Tag("proportion")]
    | Annotated[SurvivalAnalysis, Tag("survival")]
    | Annotated[CumulativeIncidenceAnalysis, Tag("cumulative incidence")]
    | Annotated[SummaryAnalysis, Tag("summary")],
    Discriminator(
        _kind,
        custom_error_type="analysis_kind",
        custom_error_message=f"`estimate` is one of {', '.join(_KINDS)}",
    ),
]
