"""Analyses by a model, of repeated events, of states over time and of repeated measurements."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from stromal.protocol.analysis_base import AnalysisBase, Confidence, TimedAnalysis
from stromal.protocol.fields import Duration, Name, Text, Window

__all__ = [
    "ChangeAnalysis",
    "CurrentSurvivalAnalysis",
    "HazardsAnalysis",
    "MeanEventsAnalysis",
    "OccupationAnalysis",
    "RestrictedMeanAnalysis",
]

Times = Annotated[list[Duration], Field(min_length=1)]


class RestrictedMeanAnalysis(TimedAnalysis):
    """The mean time without the event up to a day, from the Kaplan-Meier curve."""

    estimate: Literal["restricted mean"]
    until: Annotated[Duration, Field(ge=1)]
    confidence: Confidence
    compare: list[Literal["difference", "ratio"]] = []


class HazardsAnalysis(TimedAnalysis):
    """A regression of hazards on groups and covariates.

    `model: cox` of an endpoint without competing events; `cause-specific` censors at competing
    events; `fine-gray` is of the subdistribution, by the definition that is named. `by_infusion`
    changes on the day of the infusion. `penalty: firth` is for few events, or a covariate that
    separates them. Proportional hazards are checked wherever the model has them.
    """

    estimate: Literal["hazards"]
    model: Literal["cox", "cause-specific", "fine-gray"]
    ties: Literal["efron", "breslow", "exact"]
    definition: Literal["cmprsk", "survival"] | None = None
    covariates: Annotated[list[Name], Field(description="columns of the participants table")] = []
    strata: list[Name] = []
    penalty: Literal["firth"] | None = None
    missing: Annotated[
        Literal["refuse", "leave out"],
        Field(description="what is done about participants without a covariate"),
    ] = "refuse"
    confidence: Confidence

    @property
    def changes_with_time(self) -> bool:
        """Exposure changes on the day of the infusion, unless a landmark is named."""
        return self.landmark is None

    @model_validator(mode="after")
    def _possible(self) -> HazardsAnalysis:
        fine_gray = self.model == "fine-gray"
        if fine_gray != (self.definition is not None):
            raise ValueError("`definition: cmprsk` or `survival` goes with `model: fine-gray`")
        if fine_gray and (self.strata or self.penalty):
            raise ValueError("Fine-Gray's model has here neither `strata` nor `penalty`")
        if fine_gray and self.ties == "exact":
            raise ValueError("Fine-Gray's model has ties by efron or breslow")
        if fine_gray and self.definition == "cmprsk" and self.ties != "breslow":
            raise ValueError("the definition of cmprsk has ties by breslow")
        if fine_gray and self.by_infusion and self.landmark is None:
            raise ValueError(
                "an exposure that changes with time has no subdistribution hazard (who had the "
                "competing event stays at risk, and has no exposure any more): add `landmark`, or "
                "use `model: cause-specific`"
            )
        if self.penalty and (self.strata or self.by_infusion):
            raise ValueError("`penalty: firth` is of a model without strata and fixed in time")
        if self.penalty and self.ties != "breslow":
            raise ValueError("`penalty: firth` has ties by breslow")
        if self.by is None and self.by_infusion is None and not self.covariates:
            raise ValueError("a model needs `by`, `by_infusion` or `covariates`")
        return self


class MeanEventsAnalysis(AnalysisBase):
    """The mean number of events that recur, up to given times.

    `terminal` is the endpoint after which none can come, such as overall survival (Ghosh and Lin's
    mean); `none recorded` is the mean cumulative function of those under observation.
    """

    estimate: Literal["mean events"]
    endpoint: Name
    terminal: Annotated[Text, Field(description="a time-to-event endpoint, or `none recorded`")]
    at: Times
    confidence: Confidence
    compare: list[Literal["difference at each time", "negative binomial"]] = []


class OccupationAnalysis(AnalysisBase):
    """The probability to be in a state, at given times, and the mean time in it.

    `end` is the endpoint that ends everything, such as overall survival.
    """

    estimate: Literal["state occupation"]
    endpoint: Annotated[Name, Field(description="the state")]
    end: Annotated[Name, Field(description="a time to event")]
    at: Times
    interval: Literal["plain", "log", "log-log"]
    confidence: Confidence
    mean_until: Annotated[Duration | None, Field(ge=1)] = None


class CurrentSurvivalAnalysis(AnalysisBase):
    """The probability to be well now: nothing of `end` has come, and no state holds at present.

    With relapse or death as `end`, and acute and chronic GVHD as the states, it is current
    GVHD-free, relapse-free survival: who recovers from GVHD counts again.
    """

    estimate: Literal["current survival"]
    endpoint: Annotated[Name, Field(description="a state that comes and goes")]
    nor: Annotated[list[Name] | None, Field(description="other states")] = None
    end: Annotated[Name, Field(description="a time to event")]
    at: Times
    confidence: Confidence
    compare: list[Literal["difference at each time"]] = []


class ChangeAnalysis(AnalysisBase):
    """A measurement as change from baseline, at visits.

    `model` adds a random-effects model of the measured values over time (not an MMRM).
    """

    estimate: Literal["change"]
    analyte: Text
    anchor: Name
    baseline: Window
    visits: Annotated[dict[Name, Window], Field(min_length=1)]
    several: Annotated[
        Literal["first", "last", "mean"], Field(description="of several days in a window")
    ]
    confidence: Confidence
    model: Literal["random intercept", "random intercept and slope"] | None = None
    endpoint: None = None
