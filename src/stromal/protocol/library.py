"""The library of published definitions: data files that a protocol names."""

from __future__ import annotations

import difflib
import functools
from importlib.resources import as_file, files
from typing import Any, cast

from pydantic import TypeAdapter, ValidationError

from stromal.core import Fault, ProtocolError, UsageError
from stromal.protocol.definition import Definition
from stromal.protocol.endpoints import (
    Adjudication,
    Cytopenia,
    EventTimes,
    Failure,
    Recovery,
    Response,
)
from stromal.protocol.grading import Grading
from stromal.protocol.states import State
from stromal.protocol.yaml_reading import Located, read_yaml

__all__ = ["FAMILIES", "TABLES", "definitions", "expand_definitions", "grading"]

TABLES = ("conditions.yaml", "thresholds.yaml")
"""Files of the folder that hold what `check` compares with, and no definitions."""

FAMILIES: dict[str, type[Definition]] = {
    "recovery": Recovery,
    "cytopenia": Cytopenia,
    "failure": Failure,
    "response": Response,
    "time_to_event": EventTimes,
    "adjudicated": Adjudication,
    "graded": Grading,
    "state": State,
}


@functools.cache
def definitions() -> dict[str, tuple[str, dict[str, Any]]]:
    """Give every definition of the library: name to (family, its content as plain data).

    Raises
    ------
    ProtocolError
        A file of the library itself is faulty.
    """
    found: dict[str, tuple[str, dict[str, Any]]] = {}
    folder = files("stromal.protocol") / "definitions"
    for entry in sorted(folder.iterdir(), key=lambda item: item.name):
        if not entry.name.endswith(".yaml") or entry.name in TABLES:
            continue
        with as_file(entry) as path:
            content = read_yaml(path, name=f"definitions/{entry.name}").data
        for name, definition in cast("dict[str, dict[str, Any]]", content).items():
            family = str(definition.pop("family"))
            found[name] = (family, _checked(name, family, definition))
    return found


def grading(name: str) -> Grading:
    """Give a grading of the library by its name.

    Raises
    ------
    UsageError
        There is none of that name.
    """
    family, content = definitions().get(name, ("", {}))
    if family != "graded":
        there = ", ".join(key for key, (kind, _) in definitions().items() if kind == "graded")
        raise UsageError(f"`{name}` is no grading of the library; there are: {there}")
    return Grading.model_validate(content)


def _checked(name: str, family: str, definition: dict[str, Any]) -> dict[str, Any]:
    """Validate one definition of the library."""
    content = {"definition": name, **definition}
    try:
        TypeAdapter(FAMILIES[family]).validate_python(content)
    except (ValidationError, KeyError) as error:
        raise ProtocolError(
            [Fault("definitions", 0, name, str(error), "a definition", "Mend the library.")]
        ) from error
    return content


def expand_definitions(located: Located) -> list[Fault]:
    """Replace every `definition: NAME` of a protocol's endpoints by the library's content.

    A named definition stands alone: other keys beside it are a fault, because the name would then
    no longer say what is derived. Changes `located.data` in place and returns the faults.
    """
    endpoints = located.data.get("endpoints")
    faults: list[Fault] = []
    if not isinstance(endpoints, dict):
        return faults
    for endpoint, content in cast("dict[str, Any]", endpoints).items():
        if not isinstance(content, dict):
            continue
        for family in FAMILIES:
            rule = cast("dict[str, dict[str, Any]]", content).get(family)
            if isinstance(rule, dict) and "definition" in rule:
                path = ("endpoints", endpoint, family)
                fault = _misuse(rule, family, path, located)
                if fault is not None:
                    faults.append(fault)
                    rule.clear()
                    rule.update(_placeholder(family))
                else:
                    rule.update(definitions()[str(rule["definition"])][1])
    return faults


def _misuse(
    rule: dict[str, Any], family: str, path: tuple[str, ...], located: Located
) -> Fault | None:
    """Say what is wrong with the use of a definition, if anything."""
    name = str(rule["definition"])
    library = definitions()
    of_family = sorted(key for key, (kind, _) in library.items() if kind == family)
    if name not in library:
        close = difflib.get_close_matches(name, of_family, 1)
        remedy = f"Did you mean `{close[0]}`?" if close else "Name one of these or spell it out."
        return located.fault((*path, "definition"), f"`{name}` is not in the library",
                             f"one of: {', '.join(of_family)}", remedy)  # fmt: skip
    actual = library[name][0]
    if actual != family:
        return located.fault((*path, "definition"), f"`{name}` defines {actual}",
                             "another family", f"Use it under `{actual}`.")  # fmt: skip
    others = sorted(set(rule) - {"definition"})
    if others:
        return located.fault((*path, others[0]), f"`{others[0]}` beside `definition: {name}`",
                             "the definition alone",
                             "Leave the key out, or spell the whole rule out without `definition`.",
                             at_key=True)  # fmt: skip
    return None


def _placeholder(family: str) -> dict[str, Any]:
    """Give any valid content, so that a misused name makes no second fault."""
    return next(dict(rule) for kind, rule in definitions().values() if kind == family)
