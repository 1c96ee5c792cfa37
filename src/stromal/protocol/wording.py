"""Definitions in words: every operator, unit and run rule, as a reader needs it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, cast

from stromal.protocol.definition import Definition

__all__ = ["FAMILY_WORDS", "Aspect", "describe_definition"]

FAMILY_WORDS = {
    "recovery": "first run of counts that are high enough",
    "cytopenia": "first run of counts that are too low",
    "failure": "something that did not come by a fixed day",
    "response": "ordered levels of response",
    "time_to_event": "time to the first of some events",
    "graded": "grade of what was assessed",
    "state": "state that begins and ends",
    "adjudicated": "verdict that people give",
    "event_count": "number of events",
    "chain": "events that lead to each other",
}
"""What a definition of each family gives."""
_NAMES = {"definition", "title", "outcome", "sources", "leaves_open"}
_BOUNDS = {
    "at_least": "at least {}",
    "above": "above {}",
    "at_most": "at most {}",
    "below": "below {}",
}
_RUN = ("run", "of", "lasting", "largest_gap")
_ASPECTS = {
    "analyte": "count",
    "counts": "counts",
    "at_least": "lowest count that qualifies",
    "above": "count that must be exceeded",
    "at_most": "highest count that qualifies",
    "below": "count that must not be reached",
    "run": "values in a row",
    "of": "what makes them successive",
    "lasting": "shortest time from first to last value",
    "largest_gap": "largest time between two values",
    "without_transfusion.product": "freedom from transfusion of",
    "without_transfusion.when": "freedom from transfusion, when",
    "without_transfusion.for": "freedom from transfusion, how long before",
    "without_drug.drug": "freedom from the drug",
    "without_drug.drug_class": "freedom from drugs of the class",
    "after": "where the search begins",
    "after.nadir_within": "nadir sought up to day",
    "events": "events that count",
    "lines": "counts that must hold together",
    "start": "earliest day",
    "begins": "begins with",
    "ends": "ends with",
    "otherwise": "otherwise",
    "provided": "only where",
    "or": "also where",
    "endpoint": "what did not come",
    "by": "judged on",
    "no_response_after": "no response can be said after",
    "scale": "scale of the assessments",
    "grades": "grades in order",
    "result": "result",
}


class Aspect(NamedTuple):
    """One thing that a definition says: what it is about, and what it says of it."""

    name: str
    said: str


def describe_definition(family: str, rule: Definition) -> list[Aspect]:
    """Say what a definition says, one aspect at a time; names and sources apart.

    1. Each bound, run and freedom from transfusion is an aspect of its own for a rule on one count;
       a rule on several counts has one aspect a count, a response one a level, a grading one a case
       of each step.
    2. Values are those of the validated rule, so `1 wk` and `7 d` are the same.

    Parameters
    ----------
    family
        The family of the definition.
    rule
        The definition.
    """
    data = rule.model_dump(mode="json", by_alias=True, exclude_none=True, exclude=_NAMES)
    if family == "graded":
        return _grading(data)
    order = list(_ASPECTS)
    keys = sorted(data, key=lambda key: order.index(key) if key in order else len(order))
    return [aspect for key in keys for aspect in _aspects(key, data[key])]


def _aspects(key: str, value: Any) -> list[Aspect]:  # noqa: ANN401
    """Say one key of a definition."""
    if value in ([], {}, False) or (key == "start" and value == "0 d"):
        return []
    if key == "counts":
        return [Aspect(f"count of {_analyte(count)}", _say_count(count)) for count in value]
    if key == "levels" and isinstance(value, dict):
        levels = cast("dict[str, Any]", value)
        return [Aspect(f"level {name}", _level(level)) for name, level in levels.items()]
    if isinstance(value, dict) and key in {"without_transfusion", "without_drug", "after"}:
        parts = cast("dict[str, Any]", value)
        return [Aspect(_named(f"{key}.{part}"), _say(said)) for part, said in parts.items()]
    if isinstance(value, list) and key not in {"events", "grades", "levels"}:
        value = "; ".join(_say(part) for part in cast("list[Any]", value))
    return [Aspect(_named(key), _say(value))]


def _named(key: str) -> str:
    """Name an aspect."""
    return _ASPECTS.get(key, key.replace(".", ", ").replace("_", " "))


def _analyte(count: Mapping[str, Any]) -> str:
    return str(count.get("analyte", "blood"))


def _bounds(data: Mapping[str, Any]) -> str:
    """Say the bounds of a count or an item."""
    return " and ".join(
        words.format(data[name]) for name, words in _BOUNDS.items() if data.get(name) is not None
    )


def _say_count(count: Mapping[str, Any]) -> str:
    """Say what one count must be, and the freedom from transfusion or the support it asks for."""
    said = _bounds(count)
    free = count.get("without_transfusion")
    if free:
        said += f" {_free(free)}"
    drug = count.get("without_drug")
    if drug:
        said += f" on days without {drug.get('drug') or drug.get('drug_class')}"
    for key, joined in (("or_supported", ", or with"), ("and_supported", " together with")):
        if count.get(key):
            said += f"{joined} {_transfused(count[key])} up to the day"
    known = {"analyte", "without_transfusion", "without_drug", "or_supported", "and_supported",
             *_BOUNDS}  # fmt: skip
    rest = {key: value for key, value in count.items() if key not in known}
    return f"{said}, {_say(rest)}" if rest else said


def _free(free: Mapping[str, Any]) -> str:
    """Say a freedom from transfusion."""
    product = str(free["product"]).replace("_", " ")
    before = f" for {free['for']} before" if free.get("for") else ""
    during = " during the run" if "during" in str(free["when"]) else ""
    joined = " and" if before and during else ""
    return f"without transfusion of {product}{before}{joined}{during}"


def _run(data: Mapping[str, Any]) -> str:
    """Say a run rule."""
    if data.get("lasting") is not None:
        said = f"values over at least {data['lasting']}"
    else:
        said = f"{data['run']} {data['of']}"
    gap = data.get("largest_gap")
    return said if gap in {None, "none"} else f"{said}, at most {gap} apart"


def _level(level: Mapping[str, Any]) -> str:
    """Say one level of a response."""
    counts = [f"{_analyte(count)} {_say_count(count)}" for count in level["counts"]]
    lines = level.get("lines")
    joined = " and ".join(counts)
    if lines is not None and lines < len(counts):
        joined = f"at least {lines} of: {'; '.join(counts)}"
    held = level.get("held")
    return f"{joined}, held for {_run(held)}" if held else joined


def _say(value: Any) -> str:  # noqa: ANN401
    """Say any part of a definition in words."""
    if isinstance(value, list):
        return ", ".join(_say(part) for part in cast("list[Any]", value))
    if isinstance(value, dict):
        return _say_mapping(cast("dict[str, Any]", value))
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)


def _say_mapping(data: dict[str, Any]) -> str:
    """Say a part of a definition that has keys of its own."""
    data = {key: value for key, value in data.items() if value not in (None, [], {}, False)}
    if _is_condition(data):
        return _condition(data)
    if "counts" in data and "lines" in data:
        counts = "; ".join(f"{_analyte(count)} {_say_count(count)}" for count in data["counts"])
        which = counts if len(data["counts"]) == 1 else f"at least {data['lines']} of: {counts}"
        return f"{which}, on {_run(data)}"
    if "analyte" in data:
        return f"{_analyte(data)} {_say_count(data)}"
    ways = {
        _transfused: {"transfused", "drug", "drug_class"},
        _assessment: {"assessment"},
        _attested: {"attested"},
        _event: {"event", "endpoint"},
    }
    for way, keys in ways.items():
        if keys & set(data):
            return way(data)
    return ", ".join(f"{key.replace('_', ' ')} {_say(value)}" for key, value in data.items())


def _transfused(data: Mapping[str, Any]) -> str:
    """Say how much support was given, or that none was."""
    product: Any = data.get("transfused") or data.get("drug") or data.get("drug_class")
    what = _say(product).replace(", ", " or ").replace("_", " ")
    if data.get("none_for"):
        return f"no transfusion of {what} for {data['none_for']}"
    within = f" within {data['within']}" if data.get("within") else " during the run"
    number, drug = data["at_least"], "transfused" not in data
    if data.get("of") == "units":
        return f"at least {number} {'unit' if number == 1 else 'units'} of {what}{within}"
    if number == 1:
        return f"{'a day on' if drug else 'a transfusion of'} {what}{within}"
    many = "days on" if drug else "transfusions of"
    many = "days with transfusion of" if data.get("of") == "transfusion days" else many
    return f"at least {number} {many} {what}{within}"


def _attested(data: Mapping[str, Any]) -> str:
    """Say what a person attests."""
    return f"a person attests: {str(data['attested']).replace('_', ' ')}"


def _assessment(data: Mapping[str, Any]) -> str:
    """Say what an assessment near the day must show."""
    items = f" of {', '.join(data['items'])} cells" if data.get("items") else ""
    said = " or ".join(map(str, data["is"])) if data.get("is") else _bounds(data)
    before, after = (str(end).lstrip("-+") for end in data["within"])
    near = f"nearest assessment, from {before} before to {after} after"
    return f"{str(data['assessment']).replace('_', ' ')}{items} {said} ({near})"


def _event(spec: Mapping[str, Any]) -> str:
    """Say which event or derived result counts."""
    said = str(spec.get("event", spec.get("endpoint"))).replace("_", " ")
    if spec.get("is"):
        said += f" is {' or '.join(map(str, spec['is']))}"
    if spec.get("grade_at_least"):
        said += f" of grade {spec['grade_at_least']} or more"
    if spec.get("cause"):
        said += f" by {spec['cause']}"
    if spec.get("recorded") == "no":
        said = f"no {said} {spec['when']}"
    if spec.get("happened"):
        said += f" {'not ' if spec['happened'] == 'no' else ''}by {spec['by']}"
    known = {"event", "endpoint", "is", "grade_at_least", "cause", "happened"}
    known |= {"recorded", "when"} if spec.get("recorded") == "no" else set[str]()
    known |= {"by"} if spec.get("happened") else set[str]()
    rest = {key: value for key, value in spec.items() if key not in known}
    return f"{said} ({_say_mapping(rest)})" if rest else said


# --- gradings --------------------------------------------------------------------------------


def _is_condition(data: Mapping[str, Any]) -> bool:
    """Say whether data are a condition of a grading."""
    return bool(set(data) & {"item", "all", "any", "not"}) or (
        isinstance(data.get("of"), list) and "at_least" in data
    )


def _condition(data: Mapping[str, Any], *, inside: bool = False) -> str:
    """Say a condition; one that joins others stands in brackets inside another."""
    if "item" in data:
        return _comparison(data)
    if "not" in data:
        return f"not ({_condition(data['not'])})"
    if "of" in data:
        parts = "; ".join(_condition(part, inside=True) for part in data["of"])
        said = f"at least {data['at_least']} of: {parts}"
        return f"({said})" if inside else said
    key = "all" if "all" in data else "any"
    parts = [_condition(part, inside=len(data[key]) > 1) for part in data[key]]
    joined = (" and " if key == "all" else " or ").join(parts)
    return f"({joined})" if inside and len(parts) > 1 else joined


def _comparison(data: Mapping[str, Any]) -> str:
    """Say a comparison of one item, number or step."""
    name = str(data["item"]).replace("_", " ")
    if data.get("is"):
        return f"{name} is {' or '.join(map(str, data['is']))}"
    said = f"{name} {_bounds(data)}"
    than = data.get("than")
    return f"{said} times {str(than).replace('_', ' ')}" if than else said


def _number(data: Mapping[str, Any]) -> str:
    """Say how a number is made."""
    for key, word in (("sum", " + "), ("product", " x "), ("quotient", " / ")):
        if data.get(key):
            return word.join(_part(part) for part in data[key])
    for key in ("first_known", "highest", "lowest"):
        if data.get(key):
            names = ", ".join(str(part).replace("_", " ") for part in data[key])
            return f"{key.replace('_', ' ')} of {names}"
    return _say(dict(data))


def _part(part: float | str) -> str:
    """Say a part of a number."""
    return part.replace("_", " ") if isinstance(part, str) else _plainly(part)


def _item(item: Mapping[str, Any]) -> str:
    """Say what an item is, in which unit or words, and where it is read."""
    kind = f"in {item['unit']}" if item.get("unit") else f"one of {', '.join(item['words'])}"
    if item.get("unit") == "1":
        kind = "a number"
    said = f"{item['label']}, {kind}{_limits(item)}"
    for unit, factor in item.get("also", {}).items():
        more, fewer = (unit, item["unit"]) if factor < 1 else (item["unit"], unit)
        said += f"; {_plainly(max(factor, 1 / factor))} {more} is 1 {fewer}"
    if item.get("whole"):
        said += "; rounded to a whole number"
    if item.get("unrecorded"):
        said += f"; {item['unrecorded']} where nothing is recorded"
    if item.get("analyte"):
        said += "; from the blood counts"
    if item.get("variable"):
        said += f"; column {item['variable']} of the participants table"
    return said


def _limits(item: Mapping[str, Any]) -> str:
    """Say what a number can be."""
    least, most = item.get("least"), item.get("most")
    if least is None:
        return "" if most is None else f", at most {_plainly(most)}"
    if most is None:
        return f", at least {_plainly(least)}"
    return f", from {_plainly(least)} to {_plainly(most)}"


def _plainly(number: float) -> str:
    """Write a number without what rounding of binary numbers adds."""
    return f"{number:.6g}"


def _grading(data: Mapping[str, Any]) -> list[Aspect]:
    """Say a grading: its steps case by case, then what they are made of."""
    result = str(data["result"])
    found = [Aspect("scale of the assessments", str(data["scale"])),
             Aspect("grades in order", ", ".join(data["grades"]))]  # fmt: skip
    steps: dict[str, Any] = data["steps"]
    for name in [result, *(step for step in steps if step != result)]:
        step = steps[name]
        for value, said in _cases(step).items():
            found.append(Aspect(f"{step['label']} {value}", said))
        if step.get("recorded"):
            found.append(Aspect(f"{step['label']}, recorded by people", "taken as it stands"))
    for name, number in data.get("numbers", {}).items():
        found.append(Aspect(name.replace("_", " "), _number(number)))
    for name, item in data["items"].items():
        found.append(Aspect(f"item {name.replace('_', ' ')}", _item(item)))
    return [*found, *_rest(data)]


def _cases(step: Mapping[str, Any]) -> dict[str, str]:
    """Say when a step takes each of its values."""
    said: dict[str, list[str]] = {
        str(value): ["as people recorded it"] for value in step.get("values", [])
    }
    for case in step.get("cases", []):
        when = case["when"]
        told = "otherwise" if when == "otherwise" else _condition(when)
        said.setdefault(str(case["value"]), []).append(told)
    return {value: "; or ".join(parts) for value, parts in said.items()}


def _rest(data: Mapping[str, Any]) -> list[Aspect]:
    """Say what else a grading carries."""
    known = {"scale", "grades", "steps", "numbers", "items", "result"}
    return [
        aspect for key, value in data.items() if key not in known for aspect in _aspects(key, value)
    ]
