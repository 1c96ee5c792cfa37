"""What is estimated and compared, in which analysis set, with which interval."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag, model_validator

from stromal.protocol.analysis_base import AnalysisBase, AnalysisSet, Confidence, TimedAnalysis
from stromal.protocol.fields import Duration, Model, Name, Text, Window
from stromal.protocol.model_analyses import (
    ChangeAnalysis,
    CurrentSurvivalAnalysis,
    HazardsAnalysis,
    MeanEventsAnalysis,
    OccupationAnalysis,
    RestrictedMeanAnalysis,
)
from stromal.protocol.tagged import key_of

__all__ = [
    "Analysis",
    "AnalysisSet",
    "CumulativeIncidenceAnalysis",
    "Prior",
    "ProportionAnalysis",
    "SummaryAnalysis",
    "SurvivalAnalysis",
]

CountTest = Literal["fisher", "boschloo", "barnard", "chi-square", "chi-square with Yates"]
Fraction = Annotated[float, Field(gt=0, lt=1)]


class Prior(Model):
    """A beta prior of a proportion, shown with what it says: as many responses and others."""

    responses: Annotated[float, Field(gt=0)]
    others: Annotated[float, Field(gt=0)]
    source: Text
    above: Annotated[
        Fraction | None, Field(description="the proportion of which to exceed is asked")
    ] = None


class ProportionAnalysis(AnalysisBase):
    """Participants whose endpoint has one of the levels or statuses, of all in the set.

    `difference` is the interval of the difference between two groups (the first arm minus the
    second). `tipping_point` tries every result of those without one.
    """

    estimate: Literal["proportion"]
    endpoint: Name
    of: Annotated[list[Text], Field(min_length=1)]
    interval: Literal["clopper-pearson", "wilson", "wald", "jeffreys", "mid-p"]
    confidence: Confidence
    compare: list[CountTest] = []
    difference: Literal["miettinen-nurminen", "newcombe", "agresti-caffo", "wald"] | None = None
    prior: Prior | None = None
    tipping_point: Literal[True] | None = None

    @model_validator(mode="after")
    def _groups(self) -> ProportionAnalysis:
        if self.difference is not None and self.by is None:
            raise ValueError("`difference` is between two groups; add `by`, such as `by: arm`")
        if self.tipping_point and self.by is not None and not self.compare:
            raise ValueError(
                "`tipping_point` between groups asks whether a test tips; add `compare`"
            )
        return self


SurvivalTest = Literal[
    "log-rank", "weighted log-rank", "max-combo", "permutation log-rank", "at each time"
]


class SurvivalAnalysis(TimedAnalysis):
    """Kaplan-Meier estimates with Greenwood's standard error at given times.

    `weight: [rho, gamma]` is Fleming and Harrington's, of the weighted log-rank test.
    """

    estimate: Literal["survival"]
    at: Annotated[list[Duration], Field(min_length=1)]
    interval: Literal["plain", "log", "log-log", "logit", "arcsine", "beta product"]
    confidence: Confidence
    compare: list[SurvivalTest] = []
    strata: list[Name] | None = None
    weight: tuple[float, float] | None = None
    with_bounds: Annotated[
        Literal[True] | None,
        Field(description="also the curves of the earliest and of the latest possible days"),
    ] = None

    @model_validator(mode="after")
    def _weighted(self) -> SurvivalAnalysis:
        if (self.weight is None) == ("weighted log-rank" in self.compare):
            raise ValueError("`weight: [rho, gamma]` and `weighted log-rank` go together")
        if self.strata and not {"log-rank", "weighted log-rank"} >= set(self.compare):
            raise ValueError("`strata` are of the log-rank test alone")
        return self


class CumulativeIncidenceAnalysis(TimedAnalysis):
    """Aalen-Johansen estimates of the event, competing events apart, at given times.

    `of` names one of the competing causes, whose incidence is estimated in the event's place.
    """

    estimate: Literal["cumulative incidence"]
    at: Annotated[list[Duration], Field(min_length=1)]
    of: Annotated[Text | None, Field(description="a competing cause, as it is derived")] = None
    variance: Literal["cmprsk", "greenwood"]
    interval: Literal["linear", "log", "log-log", "complementary log-log", "logit", "arcsine"]
    confidence: Confidence
    compare: list[Literal["gray", "permutation gray"]] = []
    strata: list[Name] | None = None
    with_bounds: Annotated[
        Literal[True] | None,
        Field(description="also the curves of the earliest and of the latest possible days"),
    ] = None

    @model_validator(mode="after")
    def _one_kind(self) -> CumulativeIncidenceAnalysis:
        if self.strata and "permutation gray" in self.compare:
            raise ValueError("`strata` are of Gray's own test, not of its permutation")
        if self.of is not None and self.with_bounds:
            raise ValueError("`with_bounds` is of the event; leave it or `of` out")
        return self


class SummaryAnalysis(AnalysisBase):
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


_KINDS = (
    "proportion",
    "survival",
    "cumulative incidence",
    "restricted mean",
    "hazards",
    "mean events",
    "state occupation",
    "current survival",
    "change",
    "summary",
)


def _kind(value: Any) -> str | None:  # noqa: ANN401
    if key_of(value, ("estimate",)) is None:
        return None
    found: object = getattr(value, "estimate", None) or value["estimate"]
    return found if isinstance(found, str) and found in _KINDS else None


Analysis = Annotated[
    Annotated[ProportionAnalysis, Tag("proportion")]
    | Annotated[SurvivalAnalysis, Tag("survival")]
    | Annotated[CumulativeIncidenceAnalysis, Tag("cumulative incidence")]
    | Annotated[RestrictedMeanAnalysis, Tag("restricted mean")]
    | Annotated[HazardsAnalysis, Tag("hazards")]
    | Annotated[MeanEventsAnalysis, Tag("mean events")]
    | Annotated[OccupationAnalysis, Tag("state occupation")]
    | Annotated[CurrentSurvivalAnalysis, Tag("current survival")]
    | Annotated[ChangeAnalysis, Tag("change")]
    | Annotated[SummaryAnalysis, Tag("summary")],
    Discriminator(
        _kind,
        custom_error_type="analysis_kind",
        custom_error_message=f"`estimate` is one of {', '.join(_KINDS)}",
    ),
]
