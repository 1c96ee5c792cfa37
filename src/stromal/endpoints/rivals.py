"""Which definitions of the library define one thing: the rivals of an endpoint."""

from __future__ import annotations

import difflib
import functools
import json
from dataclasses import dataclass
from typing import Any, cast

from stromal.core import UsageError
from stromal.protocol import Protocol
from stromal.protocol.definition import Definition
from stromal.protocol.endpoints import Cytopenia, Endpoint, EventTimes, Recovery, Response
from stromal.protocol.grading import Grading
from stromal.protocol.library import FAMILIES, definitions
from stromal.protocol.rules import CountRule

__all__ = [
    "OWN",
    "Rival",
    "endpoints_of",
    "family_of",
    "is_unverified",
    "outcomes",
    "rival_definitions",
    "rule_of",
]

OWN = "as the protocol has it"
"""Name of a rule that the protocol spells out and no definition of the library says."""
_NAMES = {"definition", "title", "outcome", "sources", "leaves_open"}


@dataclass(frozen=True)
class Rival:
    """One definition of an outcome.

    Parameters
    ----------
    name
        Its name in the library, or `OWN`, or the name of the endpoint that spells it out.
    family, rule
        What it is.
    own
        Whether an endpoint of the protocol uses it.
    reason
        Why it is not derived; empty where it is.
    remark
        What to know of it where it is derived.
    """

    name: str
    family: str
    rule: Definition
    own: bool = False
    reason: str = ""
    remark: str = ""

    @property
    def unverified(self) -> bool:
        """Whether nobody could read any of its sources."""
        return is_unverified(self.rule)


def is_unverified(rule: Definition) -> bool:
    """Say whether none of the sources of a definition was read."""
    return bool(rule.sources) and all(source.seen == "unverified" for source in rule.sources)


@functools.cache
def _library() -> tuple[Rival, ...]:
    """Validate the definitions of the library once."""
    return tuple(
        Rival(name, family, FAMILIES[family].model_validate(content))
        for name, (family, content) in definitions().items()
    )


def outcomes() -> dict[str, list[Rival]]:
    """Give the definitions of the library by the outcome that they define."""
    found: dict[str, list[Rival]] = {}
    for rival in _library():
        if rival.rule.outcome:
            found.setdefault(rival.rule.outcome, []).append(rival)
    return found


def family_of(spec: Endpoint) -> str | None:
    """Name the family of an endpoint that the library has definitions of; None for another."""
    return next((family for family in FAMILIES if hasattr(spec, family)), None)


def rule_of(spec: Endpoint) -> Definition | None:
    """Give the definition of an endpoint of a family that the library has."""
    family = family_of(spec)
    return None if family is None else cast("Definition", getattr(spec, family))


def endpoints_of(protocol: Protocol, name: str) -> dict[str, Endpoint]:
    """Give the endpoint of that name, or the endpoints of the outcome of that name.

    Returns
    -------
    dict
        Empty where `name` is an outcome of the library that no endpoint of the protocol has.

    Raises
    ------
    UsageError
        The name is neither an endpoint nor an outcome, or no definition rivals the endpoint's.
    """
    spec = protocol.endpoints.get(name)
    if spec is not None:
        if not _of_the_same_kind(spec):
            raise UsageError(_no_rivals(protocol, name))
        return {name: spec}
    if name not in outcomes():
        known = [*_with_rivals(protocol), *outcomes()]
        close = difflib.get_close_matches(name, known, 1)
        hint = f"did you mean `{close[0]}`? " if close else ""
        raise UsageError(
            f"`{name}` is no endpoint of this study and no outcome of the library; {hint}"
            f"{_choices(protocol)}"
        )
    return {key: other for key, other in protocol.endpoints.items() if _outcome_of(other) == name}


def _choices(protocol: Protocol) -> str:
    """List what can be derived under every definition."""
    mine = ", ".join(_with_rivals(protocol)) or "none"
    return f"there are: {mine}; outcomes of the library: {', '.join(outcomes()) or 'none'}"


def _with_rivals(protocol: Protocol) -> list[str]:
    """Name the endpoints of a protocol that the library has definitions of."""
    return [name for name, spec in protocol.endpoints.items() if _of_the_same_kind(spec)]


def _no_rivals(protocol: Protocol, name: str) -> str:
    """Say that an endpoint has no rivals, and what to do."""
    return (
        f"the library has no other definition of `{name}`; where it is one of the library's "
        f"outcomes, write `outcome:` into its rule. With rivals {_choices(protocol)}"
    )


def _outcome_of(spec: Endpoint) -> str | None:
    """Name the outcome of an endpoint: as its rule says, or that of the library's like rules."""
    rule = rule_of(spec)
    if rule is None:
        return None
    if rule.outcome:
        return rule.outcome
    return next((rival.rule.outcome for rival in _alike(spec) if rival.rule.outcome), None)


def _of_the_same_kind(spec: Endpoint) -> list[Rival]:
    """List the definitions of the library that define what an endpoint observes."""
    outcome = _outcome_of(spec)
    return outcomes().get(outcome, []) if outcome is not None else _alike(spec)


def _alike(spec: Endpoint) -> list[Rival]:
    """List the definitions with the same family, counts and thresholds."""
    family, rule = family_of(spec), rule_of(spec)
    if family is None or rule is None:
        return []
    key = _kind(rule)
    return [
        rival
        for rival in _library()
        if rival.family == family and (_kind(rival.rule) == key or rival.name == rule.definition)
    ]


def _kind(rule: Definition) -> object:
    """Give what rules have in common that define the same, whatever operators and runs say."""
    match rule:
        case Recovery():
            return _threshold(rule)
        case Cytopenia():
            return frozenset(_threshold(count) for count in rule.counts)
        case Response():
            levels = rule.levels.values()
            return frozenset(_threshold(count) for level in levels for count in level.counts)
        case EventTimes():
            return frozenset(spec.model_dump_json() for spec in rule.events)
        case Grading():
            return rule.scale
        case _:
            return _content(rule)


def _threshold(rule: CountRule) -> tuple[str, float | None, float | None]:
    """Give the analyte and its bounds, whatever the operators."""

    def first(*names: Any) -> float | None:  # noqa: ANN401
        return next((value for name in names if (value := rule.in_unit(name)) is not None), None)

    return rule.analyte, first("at_least", "above"), first("at_most", "below")


def _content(rule: Definition) -> str:
    """Give what a rule does, without its name and its sources."""
    return json.dumps(rule.model_dump(mode="json", exclude=_NAMES), sort_keys=True)


def rival_definitions(specs: dict[str, Endpoint]) -> list[Rival]:
    """Give the definitions that define what endpoints of a protocol observe.

    1. The rule of the first endpoint stands first, then those of the others: under their library
       name, or, where they are spelled out and no definition of the library says the same, as
       `OWN` (the first) or under the endpoint's name.
    2. Then the definitions of the library with the same `outcome`. An endpoint whose rule names no
       outcome has that of the definitions of its family with the same counts and thresholds, and
       where those have none, they are the rivals.

    Parameters
    ----------
    specs
        Endpoints of one protocol, by name.
    """
    found: dict[str, Rival] = {}
    others: dict[str, Rival] = {}
    for spec in specs.values():
        others |= {rival.name: rival for rival in _of_the_same_kind(spec)}
    for endpoint, spec in specs.items():
        family, rule = family_of(spec), rule_of(spec)
        if family is None or rule is None:
            continue
        alike = [name for name, rival in others.items() if _content(rival.rule) == _content(rule)]
        if rule.definition in alike:
            alike = [rule.definition]
        same = next(iter(alike), OWN if not found else endpoint)
        found.setdefault(same, Rival(same, family, rule, own=True))
    return [*found.values(), *(rival for name, rival in others.items() if name not in found)]
