"""The library of published definitions: data files that a protocol names."""

from __future__ import annotations

import difflib
import functools
import re
from collections.abc import Iterator, Mapping
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

__all__ = ["FAMILIES", "TABLES", "Library", "definitions", "expand_definitions", "grading"]

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


class Library(Mapping[str, tuple[str, dict[str, Any]]]):
    """Every definition of the library: name to (family, its content as plain data).

    Which names there are is told by the first lines of every entry; a file is read whole when the
    content of one of its definitions is asked for.
    """

    def __init__(self) -> None:
        folder = files("stromal.protocol") / "definitions"
        self.families: dict[str, str] = {}
        self._file_of: dict[str, str] = {}
        for entry in sorted(folder.iterdir(), key=lambda item: item.name):
            if not entry.name.endswith(".yaml") or entry.name in TABLES:
                continue
            for name, family in _ENTRY.findall(entry.read_text(encoding="utf-8")):
                self.families[name] = family
                self._file_of[name] = entry.name

    def __getitem__(self, name: str) -> tuple[str, dict[str, Any]]:
        return _read_file(self._file_of[name])[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.families)

    def __len__(self) -> int:
        return len(self.families)

    def of_family(self, family: str) -> list[str]:
        """Name the definitions of a family, in the order of the alphabet."""
        return sorted(name for name, kind in self.families.items() if kind == family)


_ENTRY = re.compile(r"^([A-Za-z]\w*):\n  family: (\w+)$", re.MULTILINE)


@functools.cache
def _read_file(name: str) -> dict[str, tuple[str, dict[str, Any]]]:
    """Read the definitions of one file."""
    with as_file(files("stromal.protocol") / "definitions" / name) as path:
        content = cast(
            "dict[str, dict[str, Any]]", read_yaml(path, name=f"definitions/{name}").data
        )
    return {
        key: (family := str(definition.pop("family")), _checked(key, family, definition))
        for key, definition in content.items()
    }


@functools.cache
def definitions() -> Library:
    """Give the library of published definitions.

    Raises
    ------
    ProtocolError
        A file of the library itself is faulty (when it is read).
    """
    return Library()


def grading(name: str) -> Grading:
    """Give a grading of the library by its name.

    Raises
    ------
    UsageError
        There is none of that name.
    """
    library = definitions()
    if library.families.get(name) != "graded":
        there = ", ".join(library.of_family("graded"))
        raise UsageError(f"`{name}` is no grading of the library; there are: {there}")
    return Grading.model_validate(library[name][1])


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
    of_family = library.of_family(family)
    if name not in library:
        close = difflib.get_close_matches(name, of_family, 1)
        remedy = f"Did you mean `{close[0]}`?" if close else "Name one of these or spell it out."
        return located.fault((*path, "definition"), f"`{name}` is not in the library",
                             f"one of: {', '.join(of_family)}", remedy)  # fmt: skip
    actual = library.families[name]
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
    """Give valid content that names nothing else, so that a misused name makes no second fault."""
    library = definitions()
    rules = [library[name][1] for name in library.of_family(family)]
    return dict(next((rule for rule in rules if not _names_endpoints(rule)), rules[0]))


def _names_endpoints(part: object) -> bool:
    """Whether a definition names endpoints that a protocol must declare."""
    if isinstance(part, dict):
        content = cast("dict[str, object]", part)
        if {"endpoint", "graded"} & set(content) or isinstance(content.get("after"), str | list):
            return True
        return any(map(_names_endpoints, content.values()))
    return isinstance(part, list) and any(map(_names_endpoints, cast("list[object]", part)))
