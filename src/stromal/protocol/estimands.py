"""Estimands: what exactly an analysis estimates (ICH E9(R1), 2019)."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from stromal.protocol.endpoints import EventSpec
from stromal.protocol.fields import Model, Text

__all__ = ["Estimand", "IntercurrentEvent", "Strategy"]

Strategy = Literal[
    "treatment policy", "composite", "while alive", "hypothetical", "principal stratum"
]


class IntercurrentEvent(EventSpec):
    """What may happen after treatment has begun, and how the analysis handles it.

    `treatment policy`: it ends nothing, what is observed afterwards counts. `composite`: it is one
    of the endpoint's events (for a response: no response). `while alive`: it competes, and what
    would have come after it is not asked for. `hypothetical`: as if it had not happened, by
    censoring on its day. `principal stratum`: only those in whom it would not happen.
    """

    handled: Strategy
    why: Text | None = None

    @property
    def words(self) -> str:
        """The event as a reader names it."""
        if self.event is None:
            return f"{self.endpoint} ({', '.join(self.is_ or [])})".replace("_", " ")
        grade = "" if self.grade_at_least is None else f" of grade {self.grade_at_least} or higher"
        return self.event.replace("_", " ") + grade


class Estimand(Model):
    """The five attributes; population, variable and summary measure stand in the analysis itself.

    The population is the analysis set, the variable is the endpoint, the summary measure follows
    from `estimate`, the groups and the comparison.
    """

    treatment: Annotated[Text, Field(description="the treatment conditions that are compared")]
    intercurrent: list[IntercurrentEvent]

    @model_validator(mode="after")
    def _each_once(self) -> Estimand:
        named = [event.words for event in self.intercurrent]
        twice = sorted({word for word in named if named.count(word) > 1})
        if twice:
            raise ValueError(f"`{twice[0]}` stands twice among the intercurrent events")
        return self
