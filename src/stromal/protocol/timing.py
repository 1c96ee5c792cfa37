"""Named moments, planned visits and planned draws of blood."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag, model_validator

from stromal.protocol.fields import Duration, Model, Name, Text, Window
from stromal.protocol.tagged import key_of

__all__ = [
    "Analyte",
    "Anchor",
    "DrawPlan",
    "EventAnchor",
    "InfusionAnchor",
    "MedicationAnchor",
    "OffsetAnchor",
    "ParticipantAnchor",
    "Visit",
]

Analyte = Literal["ANC", "PLT", "Hb", "WBC", "ARC", "ALC"]
Weekday = Literal["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"]


class _Anchor(Model):
    """What all anchors share: a label for people."""

    label: Text | None = None
    assumed: Annotated[
        Name | None, Field(description="id of the assumption under which this moment was chosen")
    ] = None


class ParticipantAnchor(_Anchor):
    """A moment that the participants table gives: column `<participant>_on` or `<participant>_day`.

    `{participant: transplanted}` is read from `transplanted_on` (date) or `transplanted_day`.
    """

    participant: Name

    @model_validator(mode="after")
    def _a_column_of_its_own(self) -> ParticipantAnchor:
        if self.participant in {"last_contact", "complete_until"}:
            raise ValueError(
                f"`{self.participant}_day` already says until when a participant was seen; name "
                "the moment otherwise"
            )
        return self


class InfusionAnchor(_Anchor):
    """The day of the first, or of a numbered, infusion of a product."""

    infusion: Name
    number: Annotated[int, Field(ge=1)] = 1


class EventAnchor(_Anchor):
    """The day of a participant's first event of that name."""

    event: Name


class MedicationAnchor(_Anchor):
    """The first start, or the last end, of a drug in the medications table."""

    medication: Name
    moment: Literal["started", "ended"]


class OffsetAnchor(_Anchor):
    """A fixed time after another anchor, such as a landmark."""

    anchor: Name
    plus: Duration


_ANCHORS = ("participant", "infusion", "event", "medication", "anchor")


def _anchor_tag(value: Any) -> str | None:  # noqa: ANN401
    return key_of(value, _ANCHORS)


Anchor = Annotated[
    Annotated[ParticipantAnchor, Tag("participant")]
    | Annotated[InfusionAnchor, Tag("infusion")]
    | Annotated[EventAnchor, Tag("event")]
    | Annotated[MedicationAnchor, Tag("medication")]
    | Annotated[OffsetAnchor, Tag("anchor")],
    Discriminator(
        _anchor_tag,
        custom_error_type="anchor_kind",
        custom_error_message=f"an anchor has exactly one of the keys {', '.join(_ANCHORS)}",
    ),
]


class Visit(Model):
    """A planned contact and its window."""

    id: Name
    label: Text | None = None
    from_: Annotated[Name, Field(alias="from")]
    at: Duration
    window: Window | Literal["not stated"]
    assess: list[Text] = []


class DrawPlan(Model):
    """A stretch of time and the days on which blood is planned to be drawn in it.

    The draws begin on the day of `from` (plus `start`), and end on the day `until` says: a time
    after `from`, or another anchor (that day excluded: the next plan begins there).
    """

    analytes: Annotated[list[Analyte], Field(min_length=1)]
    from_: Annotated[Name, Field(alias="from")]
    start: Duration = 0
    until: Duration | Name
    on: Literal["daily"] | list[Weekday] | None = None
    every: Duration | None = None

    @model_validator(mode="after")
    def _one_pattern(self) -> DrawPlan:
        if (self.on is None) == (self.every is None):
            raise ValueError("planned draws give either `on` (daily, or weekdays) or `every`")
        if self.on == []:
            raise ValueError("`on` names at least one weekday")
        return self
