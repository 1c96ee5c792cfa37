"""How two gradings differ: the stages that get another grade, and the stages themselves."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from typing import Any, NamedTuple

from stromal.protocol.grading import (
    AllHold,
    AnyHolds,
    Condition,
    Grading,
    ItemCondition,
    NotHolds,
    SomeHold,
    names_in,
)
from stromal.protocol.wording import Aspect, describe_definition

__all__ = ["NOT_ASKED", "Difference", "compare_gradings", "differences"]

NOT_ASKED = "not asked"
"""What stands where a definition does not speak of an aspect."""
_MOST_COMBINATIONS = 50_000
_SAME_ORGAN = {"lower_gi": "gut", "lower_gut": "gut", "gi": "gut"}
"""Names under which gradings stage one organ."""


class Difference(NamedTuple):
    """One aspect in which two definitions differ; `not asked` where one does not speak of it."""

    aspect: str
    first: str
    second: str


class _Input(NamedTuple):
    """What a grade follows from: a stage that people record, or an item in words."""

    label: str
    values: list[str]
    least: str


class _UnknownError(Exception):
    """The grade follows from a number, which has no few values."""


def differences(said: list[Aspect], rival: list[Aspect]) -> list[Difference]:
    """List the aspects that two descriptions do not say alike, in the order of the first."""
    ours, theirs = dict(said), dict(rival)
    return [
        Difference(aspect, ours.get(aspect, NOT_ASKED), theirs.get(aspect, NOT_ASKED))
        for aspect in dict.fromkeys([*ours, *theirs])
        if ours.get(aspect) != theirs.get(aspect)
    ]


def compare_gradings(one: Grading, other: Grading) -> list[Difference]:
    """List how two gradings differ.

    1. Where the grade of both follows from stages (or words) that people can record: each stage
       that gets another grade, all others at their least; and, where both give the same grades, how
       many of all combinations get another one. The stage of the lower gut is one stage, whatever
       its name.
    2. Where it follows from numbers: when each grade is given, in words.
    3. Each further step that differs: case by case where both define it, else what it is made of.
    4. Items that both have and do not say alike, and whatever else the definitions carry.
    """
    judged = _graded_differently(one, other)
    said, rival = describe_definition("graded", one), describe_definition("graded", other)
    result = {f"{g.steps[g.result].label} {grade}" for g in (one, other) for grade in g.grades}
    found = differences(
        [aspect for aspect in said if _stands_alone(one, aspect)],
        [aspect for aspect in rival if _stands_alone(other, aspect)],
    )
    if judged is None:
        judged = differences(
            [aspect for aspect in said if aspect.name in result],
            [aspect for aspect in rival if aspect.name in result],
        )
    return [*judged, *found, *_other_steps(one, other), *_other_items(said, rival)]


def _stands_alone(grading: Grading, aspect: Aspect) -> bool:
    """Say whether an aspect is none of a step, a number or an item."""
    parts = [f"{step.label}" for step in grading.steps.values()]
    numbers = [name.replace("_", " ") for name in grading.numbers]
    return not (
        aspect.name.startswith("item ")
        or aspect.name in numbers
        or any(aspect.name.startswith(part) for part in parts)
    )


def _other_items(said: list[Aspect], rival: list[Aspect]) -> list[Difference]:
    """List the items that both have and do not say alike."""
    ours = {aspect.name: aspect for aspect in said if aspect.name.startswith("item ")}
    theirs = {aspect.name: aspect for aspect in rival if aspect.name.startswith("item ")}
    both = [name for name in ours if name in theirs]
    return differences([ours[name] for name in both], [theirs[name] for name in both])


def _other_steps(one: Grading, other: Grading) -> list[Difference]:
    """Compare the steps that lead to the result."""
    ours = {_organ(name): name for name in one.steps if name != one.result}
    theirs = {_organ(name): name for name in other.steps if name != other.result}
    found: list[Difference] = []
    for organ in dict.fromkeys([*ours, *theirs]):
        mine, his = ours.get(organ), theirs.get(organ)
        if mine and his and one.steps[mine].cases and other.steps[his].cases:
            found += differences(
                _renamed(describe_definition("graded", one), one, mine, one.steps[mine].label),
                _renamed(describe_definition("graded", other), other, his, one.steps[mine].label),
            )
            continue
        made = _made_of(one, mine), _made_of(other, his)
        if made[0] != made[1]:
            step = one.steps[mine] if mine else other.steps[str(his)]
            found.append(Difference(step.label, *made))
    return found


def _renamed(aspects: list[Aspect], grading: Grading, step: str, label: str) -> list[Aspect]:
    """Pick the aspects of a step, under the label that it has in the first grading."""
    own = grading.steps[step].label
    values = {f"{own} {value}": f"{label} {value}" for value in grading.steps[step].possible}
    return [Aspect(values[aspect.name], aspect.said) for aspect in aspects if aspect.name in values]


def _made_of(grading: Grading, name: str | None) -> str:
    """Say what a step is made of."""
    if name is None:
        return NOT_ASKED
    step = grading.steps[name]
    if not step.cases:
        return "as people recorded it"
    names = [n for case in step.cases if case.when != "otherwise" for n in names_in(case.when)]
    return "made of " + ", ".join(dict.fromkeys(n.replace("_", " ") for n in names))


# --- which stages get which grade ------------------------------------------------------------


def _organ(name: str) -> str:
    """Give the name under which a stage is compared."""
    return _SAME_ORGAN.get(name, name)


def _inputs(grading: Grading) -> dict[str, _Input]:
    """List what the result follows from: recorded steps and items in words."""
    found: dict[str, _Input] = {}

    def follow(name: str) -> None:
        step, item = grading.steps.get(name), grading.items.get(name)
        if step is not None and step.may_be_recorded and name != grading.result:
            values = step.possible
            numbers = all(_is_number(value) for value in values)
            least = min(values, key=float) if numbers else values[-1]
            found[_organ(name)] = _Input(step.label, values, least)
        elif step is not None:
            for case in step.cases:
                for part in names_in(case.when) if case.when != "otherwise" else []:
                    follow(part)
        elif item is not None and item.words is not None:
            least = item.unrecorded or item.words[0]
            found[_organ(name)] = _Input(item.label, list(item.words), least)
        else:
            raise _UnknownError

    follow(grading.result)
    return found


def _is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False


def _graded_differently(one: Grading, other: Grading) -> list[Difference] | None:
    """List the stages that two gradings give another grade; None where that cannot be said."""
    try:
        ours, theirs = _inputs(one), _inputs(other)
    except _UnknownError:
        return None
    if not set(ours) & set(theirs):
        return None
    inputs = {name: _shared(ours.get(name), theirs.get(name)) for name in {**ours, **theirs}}
    least = {name: given.least for name, given in inputs.items()}
    found: list[Difference] = []
    for name, given in inputs.items():
        for value in sorted(set(given.values) - {given.least}, key=given.values.index):
            stages = least | {name: value}
            first, second = _grade(one, stages), _grade(other, stages)
            if first != second:
                found.append(Difference(f"{given.label} {value}", _word(first), _word(second)))
    return [*found, *_combinations(one, other, inputs)]


def _shared(one: _Input | None, other: _Input | None) -> _Input:
    """Join what two gradings know of a stage: the values of both."""
    if one is None or other is None:
        return one or other or _Input("", [], "")
    return _Input(one.label, [value for value in one.values if value in other.values], one.least)


def _combinations(one: Grading, other: Grading, inputs: Mapping[str, _Input]) -> list[Difference]:
    """Count the combinations of stages that get another grade."""
    total = math.prod(len(given.values) for given in inputs.values())
    if set(one.grades) != set(other.grades) or total > _MOST_COMBINATIONS:
        return []
    found: list[tuple[dict[str, str], str | None, str | None]] = []
    for combination in itertools.product(*(given.values for given in inputs.values())):
        stages = dict(zip(inputs, combination, strict=True))
        first, second = _grade(one, stages), _grade(other, stages)
        if first != second:
            found.append((stages, first, second))
    if not found:
        return []
    stages, first, second = min(
        found, key=lambda one: sum(value != inputs[name].least for name, value in one[0].items())
    )
    changed = [(name, value) for name, value in stages.items() if value != inputs[name].least]
    told = ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in changed) or "none"
    aspect = f"{len(found)} of {total} combinations of all these, such as {told}"
    return [Difference(aspect, _word(first), _word(second))]


def _grade(grading: Grading, stages: Mapping[str, str]) -> str | None:
    """Give the grade that stages have; None where no case covers them."""
    return _value(grading, grading.result, stages)


def _value(grading: Grading, name: str, stages: Mapping[str, str]) -> str | None:
    """Give the value of a step: as it is given, or by its cases."""
    if _organ(name) in stages and name != grading.result:
        return stages[_organ(name)]
    for case in grading.steps[name].cases:
        if case.when == "otherwise" or _holds(grading, case.when, stages):
            return case.value
    return None


def _holds(grading: Grading, condition: Condition, stages: Mapping[str, str]) -> bool:
    """Judge a condition on stages that are all known."""
    match condition:
        case NotHolds(not_=part):
            return not _holds(grading, part, stages)
        case AllHold(all=parts):
            return all(_holds(grading, part, stages) for part in parts)
        case AnyHolds(any=parts):
            return any(_holds(grading, part, stages) for part in parts)
        case SomeHold(of=parts, at_least=needed):
            return sum(_holds(grading, part, stages) for part in parts) >= needed
        case ItemCondition():
            value = _value(grading, condition.item, stages)
            return value is not None and _compares(condition, value)


def _compares(condition: ItemCondition, value: str) -> bool:
    """Judge a comparison of a stage."""
    if condition.is_:
        return value in condition.is_
    number = float(value)

    def bound(name: str) -> Any:  # noqa: ANN401
        given = getattr(condition, name)
        return None if given is None else given.value

    low, above, high, below = (bound(n) for n in ("at_least", "above", "at_most", "below"))
    return (
        (low is None or number >= low)
        and (above is None or number > above)
        and (high is None or number <= high)
        and (below is None or number < below)
    )


def _word(grade: str | None) -> str:
    """Name a grade: `grade IV`; a word as it stands."""
    if grade is None:
        return "not covered"
    return f"grade {grade}" if len(grade) <= 3 else grade
