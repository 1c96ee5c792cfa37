"""What a fall of counts must also be: support that counts as a fall, and provisos on its onset.

A rule may say that a line also counts where it is supported (transfusions, growth factor), and that
a fall is an event only under provisos: donor chimerism, a marrow that a person attests, no relapse
before it. Provisos are three-valued; what is not recorded is unknown, never false.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag, model_validator

from stromal.protocol.fields import Duration, Measure, Model, Name, Text, Window
from stromal.protocol.rules import BloodProduct, CountRule
from stromal.protocol.tagged import key_of

__all__ = [
    "AssessmentProviso",
    "AttestedProviso",
    "EndpointProviso",
    "EventProviso",
    "Line",
    "Proviso",
    "Support",
    "TransfusionProviso",
]


class Support(Model):
    """Transfusions of a product, or days on a drug: at least so many within a time.

    A day is supported where at least `at_least` of them lie on the `within` days that end with it:
    with `at_least: 1, within: 7 d` the day of a transfusion and the 6 days after it.
    """

    transfused: BloodProduct | None = None
    drug: Text | None = None
    drug_class: Text | None = None
    at_least: Annotated[int, Field(ge=1)]
    within: Annotated[Duration, Field(ge=1)]

    @model_validator(mode="after")
    def _one_kind(self) -> Support:
        given = [self.transfused, self.drug, self.drug_class]
        if sum(part is not None for part in given) != 1:
            raise ValueError("support is one of `transfused`, `drug`, `drug_class`")
        if self.transfused is None and self.at_least > int(self.within):
            raise ValueError(
                f"{self.at_least} days on a drug within {int(self.within)} days can never be met"
            )
        return self


class Line(CountRule):
    """A count and its rule; support may stand for a low count, or be asked for beside it."""

    or_supported: Annotated[
        Support | None, Field(description="the line counts on supported days too")
    ] = None
    and_supported: Annotated[
        Support | None, Field(description="the line counts on supported days only")
    ] = None

    @model_validator(mode="after")
    def _one_way(self) -> Line:
        if self.or_supported is not None and self.and_supported is not None:
            raise ValueError("support counts instead of the count or beside it, not both")
        if (self.or_supported or self.and_supported) and self.asked_table is not None:
            raise ValueError("a line asks for support or for freedom from it, not both")
        return self


class AssessmentProviso(Model):
    """What was assessed nearest to the onset, within a window of days around it.

    Each of `items` is looked up by itself; without them every row of the scale on the nearest day
    must hold.
    """

    assessment: Name
    items: Annotated[list[Text] | None, Field(min_length=1)] = None
    above: Measure | None = None
    at_least: Measure | None = None
    below: Measure | None = None
    at_most: Measure | None = None
    is_: Annotated[list[Text] | None, Field(alias="is", min_length=1)] = None
    within: Window

    @model_validator(mode="after")
    def _something_is_compared(self) -> AssessmentProviso:
        bounds = [self.above, self.at_least, self.below, self.at_most]
        if any(bound is not None for bound in bounds) == (self.is_ is not None):
            raise ValueError("compare with `above`, `at_least`, `below`, `at_most`, or with `is`")
        if (self.above and self.at_least) or (self.below and self.at_most):
            raise ValueError("a comparison has at most one lower and one upper bound")
        if int(self.within[0]) > int(self.within[1]):
            raise ValueError("`within` ends before it begins")
        return self


class AttestedProviso(Model):
    """What a person says of the participant, in the attestations table."""

    attested: Name


class EventProviso(Model):
    """That an event was not recorded.

    `ever`: on no day from the anchor to the last day of the run. `during the run`: it neither began
    during the run nor went on when it began.
    """

    event: Name
    grade_at_least: Annotated[int | None, Field(ge=1, le=5)] = None
    recorded: Literal["no"]
    when: Literal["ever", "during the run"]


class TransfusionProviso(Model):
    """That at least so many transfusions of any of the products were given during the run."""

    transfused: Annotated[list[BloodProduct], Field(min_length=1)]
    at_least: Annotated[int, Field(ge=1)]


class EndpointProviso(Model):
    """Whether an endpoint of the protocol had happened by a day, counted from its own anchor."""

    endpoint: Name
    happened: Literal["yes", "no"]
    by: Duration


_PROVISOS = ("assessment", "attested", "event", "transfused", "endpoint")


def _proviso_tag(value: Any) -> str | None:  # noqa: ANN401
    return key_of(value, _PROVISOS)


Proviso = Annotated[
    Annotated[AssessmentProviso, Tag("assessment")]
    | Annotated[AttestedProviso, Tag("attested")]
    | Annotated[EventProviso, Tag("event")]
    | Annotated[TransfusionProviso, Tag("transfused")]
    | Annotated[EndpointProviso, Tag("endpoint")],
    Discriminator(
        _proviso_tag,
        custom_error_type="proviso_kind",
        custom_error_message=f"a proviso has exactly one of the keys {', '.join(_PROVISOS)}",
    ),
]
