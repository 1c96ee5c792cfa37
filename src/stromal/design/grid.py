"""`grid.yaml`: scenarios, and variants of how a trial is done, tried out side by side."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from stromal.core import Fault, ProtocolError, UsageError
from stromal.design.decision import decided_analysis
from stromal.design.runs import NULL_SCENARIO
from stromal.design.scenario import SCENARIO_FILE, Scenario, with_changes
from stromal.protocol import Protocol, read_protocol
from stromal.protocol.fields import Model, Name, Text
from stromal.protocol.reading import amend, validated
from stromal.protocol.timing import ParticipantAnchor
from stromal.protocol.yaml_reading import Located, read_yaml

__all__ = ["AS_PLANNED", "Change", "Grid", "Setting", "read_grid", "settings_of"]

AS_PLANNED = "as planned"
"""The one variant of a run without a grid."""
ASSUMED = "assumed"
"""The one scenario, beside `null`, of a run without a grid."""


class Change(Model):
    """What one level of an axis changes: the protocol, the scenario, or both."""

    label: Text | None = None
    protocol: dict[str, Any] = {}
    scenario: dict[str, Any] = {}


class Grid(Model):
    """Scenarios to be told apart, and axes along which the trial is varied.

    Every combination of the axes' levels is a variant. A change is written as `amend` of a scenario
    is (`stromal.protocol.reading.amend`); the axes' changes are made in their order. The scenario
    `null` (no effect of MSC) is always there.
    """

    stromal_grid: Literal[1]
    text: Text
    scenarios: Annotated[dict[Name, dict[str, Any]], Field(max_length=50)] = {}
    axes: Annotated[
        dict[Name, Annotated[dict[Text, Change], Field(min_length=1)]], Field(max_length=5)
    ] = {}


@dataclass(frozen=True)
class Setting:
    """One scenario under one variant of the protocol: what a virtual trial is made from."""

    name: str
    variant: str
    levels: Mapping[str, str]
    protocol: Protocol
    scenario: Scenario


def read_grid(file: Path) -> Grid:
    """Read a grid.

    Raises
    ------
    ProtocolError
        With one fault for each thing that is wrong.
    """
    located = read_yaml(file, name=file.name)
    if not isinstance(located.data, dict):
        raise ProtocolError(
            [located.fault((), "no mapping of keys", "a grid that begins with `stromal_grid: 1`",
                           "Start from the grid of a study.")]
        )  # fmt: skip
    grid = validated(Grid, located)
    if NULL_SCENARIO in grid.scenarios:
        raise ProtocolError([_named_null(located)])
    return grid


def _named_null(located: Located) -> Fault:
    """Tell that a scenario has a name that is taken."""
    return located.fault(
        ("scenarios", NULL_SCENARIO), f"a scenario is called `{NULL_SCENARIO}`", "another name",
        "The scenario without an effect of MSC is always there under that name.", at_key=True,
    )  # fmt: skip


def settings_of(study: Path, content: Mapping[str, Any], grid: Grid | None) -> list[Setting]:
    """Make every scenario and variant of a run, the scenario `null` first.

    Parameters
    ----------
    study
        The study folder.
    content
        The content of its scenario file.
    grid
        The grid; without one there is the scenario as assumed and the protocol as planned.

    Raises
    ------
    ProtocolError
        A change makes a protocol or a scenario faulty.
    UsageError
        The decision is on no proportion of the protocol.
    """
    scenarios: dict[str, dict[str, Any]] = {ASSUMED: {}}
    axes: dict[str, dict[str, Change]] = {}
    if grid is not None:
        scenarios = dict(grid.scenarios) or scenarios
        axes = dict(grid.axes)
    found: list[Setting] = []
    for levels in itertools.product(*axes.values()):
        chosen = dict(zip(axes, levels, strict=True))
        variant = " / ".join(levels) or AS_PLANNED
        if any(one.variant == variant for one in found):
            raise UsageError(
                f"two variants of the grid would be called `{variant}`; give the levels of its "
                "axes names without ` / `"
            )
        changes = [axes[axis][level] for axis, level in chosen.items()]
        found += _settings(study, content, scenarios, variant, chosen, changes)
    return found


def _settings(
    study: Path,
    content: Mapping[str, Any],
    scenarios: Mapping[str, Mapping[str, Any]],
    variant: str,
    levels: Mapping[str, str],
    changes: list[Change],
) -> list[Setting]:
    """Make all scenarios of one variant."""
    here = dict(content)
    for change in changes:
        here = amend(here, change.scenario)
    found: list[Setting] = []
    protocols: dict[str, Protocol] = {}
    nothing: dict[str, Any] = {}
    for name, own in {NULL_SCENARIO: nothing, **scenarios}.items():
        scenario = with_changes(here, own, f"the grid ({name}, {variant})")
        if name == NULL_SCENARIO:
            scenario = _without_effect(scenario)
        key = repr(scenario.amend)
        if key not in protocols:
            amendments = [
                (SCENARIO_FILE, scenario.amend),
                *((f"the grid ({variant})", change.protocol) for change in changes),
            ]
            used = [(where, change) for where, change in amendments if change]
            protocols[key] = read_protocol(study, amendments=used)
        decided_analysis(scenario.decision, protocols[key])
        _check_entry(scenario, protocols[key])
        found.append(Setting(name, variant, levels, protocols[key], scenario))
    return found


def _without_effect(scenario: Scenario) -> Scenario:
    """Give the scenario in which MSC do nothing."""
    spells = [spell.model_copy(update={"msc_ratio": 1.0}) for spell in scenario.spells]
    idle = scenario.msc.model_copy(update={"effect": 0.0})
    return scenario.model_copy(update={"msc": idle, "spells": spells})


def _check_entry(scenario: Scenario, protocol: Protocol) -> None:
    """Refuse a scenario that names what the protocol does not have."""
    entry = scenario.entry.endpoint
    if entry is not None and entry not in protocol.endpoints:
        raise UsageError(
            f"the scenario lets people enter by `{entry}`, which is no endpoint of the protocol; "
            f"there are: {', '.join(protocol.endpoints)}"
        )
    for name in scenario.anchors:
        if name not in protocol.anchors:
            raise UsageError(
                f"the scenario gives a day for `{name}`, which is no anchor of the protocol; "
                f"there are: {', '.join(protocol.anchors)}"
            )
        moved = isinstance(protocol.anchors[name], ParticipantAnchor)
        if not moved or name == protocol.day_zero:
            raise UsageError(
                f"the scenario gives a day for `{name}`, which is "
                f"{'day zero, hence day 0' if moved else 'no moment of the participants table'}; "
                "leave it out of `anchors`"
            )
    criteria = (*protocol.population.inclusion, *protocol.population.exclusion)
    attested = [criterion.id for criterion in criteria if criterion.attested]
    for name in scenario.attested:
        if name not in attested:
            raise UsageError(
                f"the scenario says of how many `{name}` is attested, which is no attested "
                f"criterion of the protocol; there are: {', '.join(attested) or 'none'}"
            )
