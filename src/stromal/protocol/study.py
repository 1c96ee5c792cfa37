"""What the trial is: its identity, registrations, design, sharing plan and open assumptions."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from stromal.core import Source
from stromal.protocol.fields import Model, Name, NotStated, Text

__all__ = [
    "Allocation",
    "Assumption",
    "Design",
    "Monitoring",
    "Publication",
    "Registration",
    "Sharing",
    "StoppingRule",
    "Study",
]

DesignKind = Literal[
    "single arm",
    "randomised",
    "concurrent non-randomised",
    "external control",
    "dose cohorts",
]
Masking = Literal["open label", "single blind", "double blind", "triple blind", "not stated"]


class Study(Model):
    """The trial's identity and what its record says of itself."""

    id: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]*$")]
    title: Text
    conditions: Annotated[list[Text], Field(min_length=1)]
    phase: Literal["1", "1/2", "2", "2/3", "3", "4", "not applicable", "not stated"]
    status: Literal["planned", "recruiting", "completed", "not stated"] = "not stated"
    registrations: list[Registration] = []
    publication: Publication | None = None
    summary: Text | None = None


class Registration(Model):
    """An entry of a trial registry, with what it says where that differs from the protocol."""

    registry: Text
    id: Text
    certainty: Literal["stated", "probable"] = "stated"
    arms: int | None = None
    enrolment: int | None = None
    registered: Literal["prospectively", "retrospectively", "not stated"] = "not stated"


class Publication(Model):
    """The article that reports the trial, with its size and arms as printed."""

    source: Source
    arms: int | None = None
    participants: int | None = None


class Allocation(Model):
    """How participants come to their arm."""

    method: Text | NotStated
    ratio: list[Annotated[int, Field(gt=0)]] = []
    concealment: Text | NotStated = "not stated"
    strata: list[Name] | NotStated = "not stated"
    blinding: Text | None = None
    unblinding: Text | None = None
    selection: Annotated[
        Text | None, Field(description="without randomisation: why a participant is in which arm")
    ] = None


class StoppingRule(Model):
    """A rule that ends or pauses the trial."""

    id: Name
    text: Text


class Monitoring(Model):
    """Who watches over safety, and on which scale events are graded."""

    committee: Text | NotStated
    grading: Text | NotStated


class Design(Model):
    """Arms, masking, size and what would stop the trial."""

    kind: DesignKind
    masking: Masking
    enrolment: Annotated[int, Field(gt=0)]
    basis_of_size: Text | NotStated
    allocation: Allocation | None = None
    monitoring: Monitoring
    stopping: list[StoppingRule] | NotStated

    @model_validator(mode="after")
    def _allocation_where_arms_are_compared(self) -> Design:
        if self.kind in {"randomised", "concurrent non-randomised"} and self.allocation is None:
            raise ValueError(
                f"a {self.kind} design says under `allocation` how participants come to their arm"
            )
        if self.kind == "concurrent non-randomised" and (
            self.allocation is not None and self.allocation.selection is None
        ):
            raise ValueError(
                "without randomisation `allocation` gives the `selection` that led to an arm "
                "(or 'not stated')"
            )
        return self


class Sharing(Model):
    """Whether data of single participants may leave the trial."""

    individual_data: Literal["yes", "no", "not stated"]
    text: Text | None = None


class Assumption(Model):
    """Something the source leaves open and the protocol has to choose."""

    id: Name
    text: Text
    reason: Text


Study.model_rebuild()
