"""What a scenario assumes of participants and sites: the parts of `scenario.yaml`."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Discriminator, Field, Tag, model_validator

from stromal.protocol.fields import Duration, Model, Name, Text
from stromal.protocol.tagged import key_of
from stromal.protocol.timing import DrawPlan
from stromal.simulate.course_kernels import MOST_SPELLS

__all__ = [
    "MOST_SPELLS",
    "Assessed",
    "Baseline",
    "Delivery",
    "Effect",
    "GrowthFactor",
    "Immune",
    "Override",
    "Shares",
    "SitePlan",
    "Spell",
    "Spread",
    "Wait",
    "Ward",
]


def _not_below(least: int) -> AfterValidator:
    """Refuse a time that is shorter."""

    def check(days: int) -> int:
        if days < least:
            raise ValueError(f"expected {least} d or longer; got '{int(days)} d'")
        return days

    return AfterValidator(check)


Wait = Annotated[Duration, _not_below(0)]
"""How long after something else: not before it."""
_OWN_EVENTS = ("death", "relapse", "infection")
Share = Annotated[float, Field(ge=0, le=1)]
Rate = Annotated[float, Field(ge=0, le=10)]


class Override(Model):
    """Another value, or another spread, for one parameter of the virtual participant."""

    value: Annotated[float | None, Field(ge=0, allow_inf_nan=False)] = None
    spread: Annotated[float | None, Field(ge=0, le=3)] = None


class Effect(Model):
    """What MSC are assumed to do: nobody has measured it.

    While all support of 10*6 cells a kg lasts, `effect` is added to the repair of the niche (a
    day), in the share of participants that responds. Support begins `delay` after an infusion and
    fades by `decay` a day.
    """

    effect: Rate
    decay: Annotated[float, Field(gt=0, le=10)] = 0.1
    delay: Wait = 0
    responders: Share = 1.0


class Immune(Model):
    """Immune attack on the marrow, and what immunosuppression relieves of it.

    `wear` is the loss of donor output that the attack causes (a day), with its `spread`; treatment
    begins on day `treated` and in the share `responders` relieves `relieved` of it in the end, at
    `speed` a day.
    """

    wear: Rate
    spread: Annotated[float, Field(ge=0, le=3)] = 0.0
    treated: Duration | None = None
    responders: Share = 1.0
    relieved: Share = 1.0
    speed: Rate = 0.03


class Spell(Model):
    """Something that befalls participants for a while and wears the marrow: GVHD, CMV, a drug.

    It begins with `rate` a day between `start` and `until`, at full MSC support `msc_ratio` times
    as often; it lasts `lasting`, wearing the output by `wear` a day and adding `danger` to the
    chance of death a day. `again` says whether it can come back.
    """

    name: Name
    recorded: Annotated[
        Literal["event", "medication"], Field(description="the table it is written to")
    ] = "event"
    grade: Annotated[int | None, Field(ge=0, le=5)] = None
    rate: Rate
    start: Duration = 0
    until: Duration
    lasting: Annotated[Duration, _not_below(1)]
    wear: Rate = 0.0
    danger: Share = 0.0
    msc_ratio: Annotated[float, Field(ge=0, le=10)] = 1.0
    again: bool = False

    @model_validator(mode="after")
    def _is_no_end(self) -> Spell:
        if self.name in _OWN_EVENTS:
            raise ValueError(
                f"`{self.name}` is simulated apart from spells; its chances are `parameters`"
            )
        return self


class Ward(Model):
    """How blood is drawn before entry: nobody has a protocol for it yet."""

    draws: Annotated[list[DrawPlan], Field(min_length=1)]
    missed: Share = 0.0
    missed_when_well: Share = 0.0


class GrowthFactor(Model):
    """Given from a day on while the count seen is below one bound, until it reaches another."""

    start: Duration
    below: Annotated[float, Field(gt=0)]
    until: Annotated[float, Field(gt=0)]

    @model_validator(mode="after")
    def _ends_above(self) -> GrowthFactor:
        if self.until < self.below:
            raise ValueError("`until` is at least `below`: it is given until the count is there")
        return self


class Delivery(Model):
    """How infusions go: the share given late (by 1 to `by` days), left out, or given in part."""

    late: Share = 0.0
    by: Annotated[Duration, _not_below(1)] = 3
    missed: Share = 0.0
    reduced: Share = 0.0
    reduced_to: Annotated[float, Field(gt=0, le=1)] = 0.5


class SitePlan(Model):
    """What the site does after entry, beside what the protocol plans."""

    missed: Share = 0.0
    missed_when_well: Share = 0.0
    anc_limit: Annotated[float, Field(ge=0, description="10*9/L; lower counts are bounds")] = 0.0
    platelet_limit: Annotated[float, Field(ge=0, description="10*9/L")] = 0.0
    outpatient_from: Duration | None = None
    outpatient_rise: Annotated[float, Field(ge=0)] = 5.0
    gcsf: GrowthFactor | None = None
    tpo: GrowthFactor | None = None
    drop_out: Share = 0.0
    delivery: Delivery = Delivery()

    @model_validator(mode="after")
    def _chances(self) -> SitePlan:
        if self.missed + self.missed_when_well > 1:
            raise ValueError("`missed` and `missed_when_well` together are at most 1")
        return self


class Assessed(Model):
    """An assessment with the same result in everybody, such as full donor chimerism."""

    scale: Name
    item: Text | None = None
    value: Text
    day: Duration


class Spread(Model):
    """A baseline number: normal around `mean`, kept within `from` and `to`, in whole numbers."""

    mean: float
    sd: Annotated[float, Field(ge=0)]
    from_: Annotated[float, Field(alias="from")]
    to: float

    @model_validator(mode="after")
    def _ordered(self) -> Spread:
        if not self.from_ <= self.mean <= self.to:
            raise ValueError("`mean` lies between `from` and `to`")
        return self


class Shares(Model):
    """A baseline word: the share of participants that has each."""

    shares: Annotated[dict[Text, Share], Field(min_length=1)]

    @model_validator(mode="after")
    def _whole(self) -> Shares:
        if abs(sum(self.shares.values()) - 1) > 1e-9:
            raise ValueError(f"the shares sum to {sum(self.shares.values()):g}, not to 1")
        return self


_BASELINES = ("mean", "shares")


def _baseline_tag(value: Any) -> str | None:  # noqa: ANN401
    return key_of(value, _BASELINES)


Baseline = Annotated[
    Annotated[Spread, Tag("mean")] | Annotated[Shares, Tag("shares")],
    Discriminator(
        _baseline_tag,
        custom_error_type="baseline_kind",
        custom_error_message="a baseline column has `mean` (a number) or `shares` (words)",
    ),
]
"""A baseline column: a number, or a word."""
