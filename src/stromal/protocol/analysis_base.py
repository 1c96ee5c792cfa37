"""What analyses have in common: the set, the groups, the estimand."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from stromal.protocol.estimands import Estimand
from stromal.protocol.fields import Duration, Model, Name, Text

__all__ = ["AnalysisBase", "AnalysisSet", "Confidence", "Multiplicity", "Role", "TimedAnalysis"]

Role = Literal["primary", "secondary", "exploratory", "safety", "descriptive"]
Confidence = Annotated[float, Field(gt=0.5, lt=1)]


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


class AnalysisBase(Model):
    """What every analysis has."""

    label: Text
    role: Role
    set: Name
    by: Annotated[
        Name | None, Field(description="`arm`, or a column of the participants table")
    ] = None
    subgroups: Annotated[
        list[Name] | None,
        Field(description="columns of the participants table: the analysis again in each level"),
    ] = None
    estimand: Estimand | None = None
    assumed: Annotated[list[Name], Field(description="ids of assumptions it rests on")] = []

    @property
    def tests(self) -> list[str]:
        """The comparisons that it names."""
        named: list[str] = getattr(self, "compare", [])
        return list(named)


IMMORTAL = (
    "comparing who was infused with who was not, with time counted from before the infusion, "
    "credits the infused with the time they had to survive to be infused (immortal time): add "
    "`landmark` (groups as they stand on that day, among those still at risk), or use "
    "`estimate: hazards`, where the exposure changes on the day of the infusion"
)


class TimedAnalysis(AnalysisBase):
    """What every analysis of a time to event has.

    `by_infusion: product` compares who was infused with who was not (yet). `landmark` keeps who is
    still at risk on that day and counts from it.
    """

    endpoint: Name
    by_infusion: Annotated[
        Name | None, Field(description="the product: who was infused against who was not")
    ] = None
    landmark: Annotated[
        Duration | None, Field(ge=1, description="day from which the analysis counts")
    ] = None

    @property
    def changes_with_time(self) -> bool:
        """Whether exposure changes on the day of the infusion."""
        return False

    @model_validator(mode="after")
    def _no_immortal_time(self) -> TimedAnalysis:
        if self.by is not None and self.by_infusion is not None:
            raise ValueError("`by` and `by_infusion` both make groups; leave one out")
        if self.by_infusion and self.landmark is None and not self.changes_with_time:
            raise ValueError(IMMORTAL)
        return self


class Multiplicity(Model):
    """Which analyses share one error rate, and how: the p value is that of the first comparison.

    `fixed sequence` tests in the order in which they stand and stops at the first that fails.
    """

    method: Literal["holm", "hochberg", "fixed sequence"]
    alpha: Annotated[float, Field(gt=0, lt=0.5)]
    analyses: Annotated[list[Name], Field(min_length=2)]

    @model_validator(mode="after")
    def _each_once(self) -> Multiplicity:
        if len(set(self.analyses)) != len(self.analyses):
            raise ValueError("an analysis stands twice in `analyses`")
        return self
