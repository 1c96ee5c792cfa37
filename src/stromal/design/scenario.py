"""`scenario.yaml`: what a virtual trial assumes, beside what the protocol plans."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, cast

from pydantic import Field, model_validator

from stromal.core import Fault, ProtocolError
from stromal.design.decision import Decision
from stromal.protocol.fields import Duration, Model, Name, Text
from stromal.protocol.reading import amend, validated
from stromal.protocol.yaml_reading import Located, read_yaml
from stromal.simulate.assumptions import (
    Assessed,
    Baseline,
    Effect,
    Immune,
    Override,
    Shares,
    SitePlan,
    Spell,
    Wait,
    Ward,
)

__all__ = [
    "SCENARIO_FILE",
    "Accrual",
    "Entry",
    "Scenario",
    "read_scenario",
    "scenario_version",
    "with_changes",
]

SCENARIO_FILE = "scenario.yaml"
_OWN_COLUMNS = {"p", "participant_id", "record_id", "arm", "site", "day_zero_date", "zero"}


class Entry(Model):
    """When a participant enters: an endpoint that opens the trial, or a fixed day.

    With `endpoint` the day of screening is the first after the last count that decided it, and
    `after` that; nobody enters after `by`. The criteria of the protocol are judged on that day, on
    what was recorded until then.
    """

    endpoint: Name | None = None
    is_: Annotated[list[Text], Field(alias="is", min_length=1)] = ["event"]
    day: Duration | None = None
    after: Wait = 0
    by: Duration | None = None

    @model_validator(mode="after")
    def _one_way(self) -> Entry:
        if (self.endpoint is None) == (self.day is None):
            raise ValueError("entry is opened by an `endpoint` or comes on a `day`")
        if self.endpoint is not None and self.by is None:
            raise ValueError("entry by an `endpoint` needs `by`: how long one looks for it")
        if self.by is not None and self.after > max(self.by, 0):
            raise ValueError("`after` is no longer than `by`, after which nobody enters")
        return self


class Accrual(Model):
    """How many people a month come to be screened, at all sites together."""

    screened_per_month: Annotated[float, Field(ge=0.001, le=1_000_000)]


class Scenario(Model):
    """What a virtual trial assumes. Nobody has measured most of it, and the results say so."""

    stromal_scenario: Literal[1]
    text: Text
    sources: list[Text] = []
    calibrated: Annotated[
        bool, Field(description="draw people from the calibrated parameter sets")
    ] = True
    parameters: dict[Name, Override] = {}
    immune: Immune | None = None
    msc: Effect
    spells: list[Spell] = []
    begins: Annotated[
        Duration, Field(description="the day, from day zero, on which courses begin")
    ] = 0
    ward: Ward | None = None
    site: SitePlan = SitePlan()
    entry: Entry = Entry.model_validate({"day": "0 d"})
    follow: Annotated[Duration, Field(description="how long participants are followed from entry")]
    accrual: Accrual
    people: dict[Name, Baseline] = {}
    attested: Annotated[
        dict[Name, Annotated[float, Field(ge=0, le=1)]],
        Field(description="share of people of whom a criterion is attested; all where absent"),
    ] = {}
    assessed: list[Assessed] = []
    anchors: Annotated[
        dict[Name, Duration],
        Field(description="days, from day zero, of moments of the participants table"),
    ] = {}
    decision: Decision
    amend: Annotated[
        dict[str, Any], Field(description="changes to the protocol, for what it leaves open")
    ] = {}

    @model_validator(mode="after")
    def _someone_sees_them(self) -> Scenario:
        if self.entry.endpoint is not None and self.ward is None:
            raise ValueError("entry by an `endpoint` needs a `ward` that draws blood before")
        if self.follow < 1:
            raise ValueError("`follow` is at least 1 d")
        if self.begins > 0:
            raise ValueError("`begins` is day zero or earlier")
        self._check_people()
        last = self.entry.by if self.entry.day is None else self.entry.day
        if last is not None and last < self.begins:
            raise ValueError("entry is on the day `begins` or later: courses begin there")
        return self

    def _check_people(self) -> None:
        """Refuse baseline columns that the simulation fills itself, and people without weight."""
        for name in self.people:
            if name in _OWN_COLUMNS or name.endswith("_day"):
                raise ValueError(
                    f"`people` draws `{name}`, a column that the simulation fills itself; give "
                    "the column another name, or leave it out"
                )
        weight = self.people.get("weight_kg")
        if isinstance(weight, Shares) or (weight is not None and weight.from_ <= 0):
            raise ValueError("`weight_kg` is a number above 0: give `mean`, `sd`, `from` and `to`")


def read_scenario(study: Path) -> tuple[Scenario, dict[str, Any]]:
    """Read the scenario of a study folder (or a scenario file itself).

    Returns
    -------
    Scenario
        What it assumes.
    dict
        The file's content, for variants that change it; see `with_changes`.

    Raises
    ------
    ProtocolError
        With one fault for each thing that is wrong: line, what was expected, remedy.
    """
    file = study if study.is_file() else study / SCENARIO_FILE
    if not file.exists():
        raise ProtocolError(
            [Fault(str(file), 0, "", "cannot be read (there is no such file)",
                   "what the simulation assumes",
                   "Write a scenario.yaml beside protocol.yaml; see the page on virtual trials.")]
        )  # fmt: skip
    located = read_yaml(file, name=file.name)
    data: object = located.data
    if not isinstance(data, dict):
        raise ProtocolError(
            [located.fault((), "no mapping of keys", "a scenario that begins with "
                           "`stromal_scenario: 1`", "Start from the scenario of a study.")]
        )  # fmt: skip
    content = cast("dict[str, Any]", data)
    return validated(Scenario, located), content


def with_changes(content: Mapping[str, Any], changes: Mapping[str, Any], name: str) -> Scenario:
    """Give a scenario with changes made to it, in the language of `stromal.protocol.amend`.

    Raises
    ------
    ProtocolError
        The changed scenario is faulty; the fault names where the changes stand.
    """
    located = Located(f"{SCENARIO_FILE} as changed by {name}", amend(content, changes))
    return validated(Scenario, located)


def scenario_version(scenario: Scenario) -> str:
    """Give the version of a scenario: the SHA-256 of its canonical JSON, in hexadecimal."""
    data = scenario.model_dump(mode="json", by_alias=True, exclude_none=True)
    return hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()
