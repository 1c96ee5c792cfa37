"""Reading `protocol.yaml`: YAML to `Protocol`, with every fault at its line and column."""

from __future__ import annotations

import dataclasses
import difflib
import functools
import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar, cast

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from stromal.core import Fault, ProtocolError
from stromal.protocol.fields import Model
from stromal.protocol.library import FAMILIES, definitions, expand_definitions
from stromal.protocol.protocol import Protocol, broken_references
from stromal.protocol.yaml_reading import DataPath, Located, read_yaml

__all__ = [
    "PROTOCOL_FILE",
    "amend",
    "canonical_json",
    "json_schema",
    "protocol_version",
    "read_protocol",
    "validated",
]

M = TypeVar("M", bound=Model)

PROTOCOL_FILE = "protocol.yaml"
MOST_FAULTS = 500


def read_protocol(
    study: Path, *, amendments: Sequence[tuple[str, Mapping[str, object]]] = ()
) -> Protocol:
    """Read the protocol of a study folder (or a protocol file itself).

    1. The file is read as YAML 1.2; aliases, tags and doubled keys are refused.
    2. Every `definition: NAME` is replaced by the library's definition of that name.
    3. The whole is validated; all faults are told at once.
    4. Names that refer to nothing (anchors, endpoints, products, sets) are faults too.

    Parameters
    ----------
    study
        The study folder, or the file.
    amendments
        Changes that are made to the file's content before it is read, in their order, each with the
        name of where it stands; see `amend`.

    Raises
    ------
    ProtocolError
        With one fault for each thing that is wrong: file, line, column, what was expected, remedy.
    """
    file = study if study.is_file() else study / PROTOCOL_FILE
    if not file.exists():
        raise ProtocolError(
            [Fault(str(file), 0, "", "cannot be read (there is no such file)", "a study's protocol",
                   "Give the folder that holds `protocol.yaml`.")]
        )  # fmt: skip
    located = read_yaml(file, name=PROTOCOL_FILE if file.name == PROTOCOL_FILE else str(file))
    data: Any = located.data
    if not isinstance(data, dict):
        raise ProtocolError(
            [located.fault((), "no mapping of keys", "a protocol that begins with `stromal: 1`",
                           "Start from the protocol of a study in the documentation.")]
        )  # fmt: skip
    data = cast("dict[str, object]", data)
    for name, changes in amendments:
        data = amend(data, changes)
        located.file = f"{located.file} as amended by {name}"
    located.data = data
    truths = _truth_faults(data, (), located, _truth_keys())
    faults = expand_definitions(located)
    try:
        protocol = Protocol.model_validate(data)
    except ValidationError as error:
        told = [*faults, *_faults_of(error, located)]
        places = {(fault.line, fault.column) for fault in told}
        told += [fault for fault in truths if (fault.line, fault.column) not in places]
        raise ProtocolError(told) from error
    faults.extend(truths)
    faults.extend(_reference_faults(protocol, located))
    if faults:
        raise ProtocolError(faults)
    return protocol


def amend(content: Mapping[str, object], changes: Mapping[str, object]) -> dict[str, object]:
    """Give the content of a protocol file with changes made to it.

    1. A mapping changes the keys it names, at every depth; nothing (null) removes a key.
    2. A key that ends in `+` adds to the end of a list.
    3. Anything else replaces what is there (JSON merge patch, RFC 7386, but for rule 2).

    Examples
    --------
    >>> amend({"a": {"b": 1, "c": 2}, "l": [1]}, {"a": {"b": None, "d": 3}, "l+": [2]})
    {'a': {'c': 2, 'd': 3}, 'l': [1, 2]}
    """
    found = dict(content)
    for key, change in changes.items():
        name = key.removesuffix("+")
        here = found.get(name)
        if key.endswith("+") and isinstance(change, list) and isinstance(here, list):
            found[name] = [*cast("list[object]", here), *cast("list[object]", change)]
        elif change is None:
            found.pop(key, None)
        elif isinstance(change, dict):
            inner = cast("dict[str, object]", here) if isinstance(here, dict) else {}
            found[key] = amend(inner, cast("dict[str, object]", change))
        else:
            found[key] = change
    return found


_PATCHES = {"amend", "scenarios", "axes"}


def validated(model: type[M], located: Located) -> M:
    """Read located data as a model of the language's parts.

    Raises
    ------
    ProtocolError
        With a fault, its line and its remedy, for each thing that is wrong.
    """
    truths = [
        fault
        for key, part in cast("dict[str, object]", located.data).items()
        if key not in _PATCHES  # what changes a protocol is judged when the protocol is read
        for fault in _truth_faults(part, (key,), located, _truth_keys_of(model))
    ]
    try:
        found = model.model_validate(located.data)
    except ValidationError as error:
        raise ProtocolError(_faults_of(error, located)) from error
    if truths:
        raise ProtocolError(truths)
    return found


def canonical_json(protocol: Protocol) -> str:
    """Give the protocol as canonical JSON: sorted keys, no blanks, definitions expanded.

    Levels of a response keep their order, because it says which of them is the best.
    """
    data = protocol.model_dump(mode="json", by_alias=True, exclude_none=True)
    return json.dumps(_sorted(data), separators=(",", ":"), ensure_ascii=False)


def _sorted(value: Any, key: str = "") -> Any:  # noqa: ANN401
    """Sort the keys of mappings, except where the order means something."""
    if isinstance(value, dict):
        content = cast("dict[str, Any]", value)
        names = list(content) if key == "levels" else sorted(content)
        return {name: _sorted(content[name], name) for name in names}
    if isinstance(value, list):
        return [_sorted(part) for part in cast("list[Any]", value)]
    return value


def protocol_version(protocol: Protocol) -> str:
    """Give the version of a protocol: the SHA-256 of its canonical JSON, in hexadecimal.

    Two files that mean the same (order of keys, comments, `7 d` or `1 wk`) have one version; an
    edit of a library definition that the protocol names changes it.
    """
    return hashlib.sha256(canonical_json(protocol).encode()).hexdigest()


def json_schema() -> dict[str, Any]:
    """Give the JSON Schema of protocol files, for editors.

    An endpoint's rule is either spelled out or `{definition: NAME}` with a name of the library.
    """
    schema = Protocol.model_json_schema(by_alias=True)
    parts = cast("dict[str, dict[str, Any]]", schema["$defs"])
    for part in parts.values():
        for family in FAMILIES.keys() & part.get("properties", {}).keys():
            names = definitions().of_family(family)
            named = {
                "type": "object",
                "properties": {"definition": {"enum": names}},
                "required": ["definition"],
                "additionalProperties": False,
            }
            whole = part["properties"][family]
            part["properties"][family] = {"anyOf": [named, whole] if names else [whole]}
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    schema["title"] = "stromal protocol, version 1"
    return schema


@functools.cache
def _known_keys() -> tuple[str, ...]:
    """List every key that the language knows, for 'did you mean'."""
    keys: set[str] = set()

    def walk(part: object) -> None:
        if isinstance(part, dict):
            mapping = cast("dict[str, object]", part)
            properties = mapping.get("properties")
            if isinstance(properties, dict):
                keys.update(cast("dict[str, object]", properties))
            for value in mapping.values():
                walk(value)
        elif isinstance(part, list):
            for value in cast("list[object]", part):
                walk(value)

    walk(json_schema())
    return tuple(sorted(keys))


@functools.cache
def _truth_keys() -> frozenset[str]:
    """List the keys of the language that take `true` or `false`."""
    return _truths_in(json_schema())


@functools.cache
def _truth_keys_of(model: type[Model]) -> frozenset[str]:
    """List the keys of a model that take `true` or `false`."""
    return _truths_in(model.model_json_schema(by_alias=True))


def _truths_in(schema: dict[str, Any]) -> frozenset[str]:
    """List the keys of a schema that take `true` or `false`."""
    keys: set[str] = set()

    def walk(part: object) -> None:
        if isinstance(part, dict):
            mapping = cast("dict[str, object]", part)
            properties = mapping.get("properties")
            if isinstance(properties, dict):
                for key, value in cast("dict[str, object]", properties).items():
                    if '"boolean"' in json.dumps(value) or '"const": true' in json.dumps(value):
                        keys.add(key)
            for value in mapping.values():
                walk(value)
        elif isinstance(part, list):
            for value in cast("list[object]", part):
                walk(value)

    walk(schema)
    return frozenset(keys)


def _truth_faults(
    data: object, path: DataPath, located: Located, keys: frozenset[str]
) -> list[Fault]:
    """Find `true` and `false` where the language has numbers or words: true is not 1."""
    if isinstance(data, bool):
        if path and path[-1] in keys:
            return []
        return [
            located.fault(
                path,
                f"`{_name_of(path)}` is {str(data).lower()}",
                "a number or words",
                'Write the value; a word such as true stands in quotes ("true").',
            )
        ]
    children: list[tuple[str | int, object]] = []
    if isinstance(data, dict):
        children = list(cast("dict[str | int, object]", data).items())
    elif isinstance(data, list):
        children = list(enumerate(cast("list[object]", data)))
    return [
        fault
        for key, part in children
        for fault in _truth_faults(part, (*path, key), located, keys)
    ]


_KINDS = {
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "int_from_float": "a whole number",
    "string_type": "text",
    "list_type": "a list",
    "tuple_type": "a list",
    "dict_type": "a mapping of keys",
    "model_type": "a mapping of keys",
    "model_attributes_type": "a mapping of keys",
    "bool_type": "true or false",
    "float_type": "a number",
    "float_parsing": "a number",
    "string_too_short": "text that is not empty",
}
"""What each complaint about the kind of a value expected, in words."""
_PATTERNS = {
    "^[a-z0-9][a-z0-9-]*$": "small letters, digits and hyphens, such as msc-2024",
    "^[A-Za-z][A-Za-z0-9_]*$": "a name of letters, digits and _, that begins with a letter",
}
_SHALLOW = {*_KINDS, "literal_error"}


def _faults_of(error: ValidationError, located: Located) -> list[Fault]:
    """Turn pydantic's errors into faults, one for each place.

    Where a value may be of several kinds pydantic complains once for each. Complaints about the
    whole of a value give way to those about its inside, and those that say what is wrong with it to
    no other; what is left of one place is told together. Only the first `MOST_FAULTS` are read.
    """
    details = error.errors(include_url=False)[:MOST_FAULTS]
    keys = [(*_path_of(detail, located), *_absent_key(detail)) for detail in details]
    within = {key[:length] for key in keys for length in range(len(key))}
    kept: dict[DataPath, list[ErrorDetails]] = {}
    for detail, key in zip(details, keys, strict=True):
        if not (key in within and detail["type"] in _SHALLOW):
            kept.setdefault(key, []).append(detail)
    return [_joined([_fault_of(d, located) for d in _telling(found)]) for found in kept.values()]


def _path_of(detail: ErrorDetails, located: Located) -> DataPath:
    """Give an error's place in the data."""
    return _path_in(detail["loc"], located.data, detail.get("input"))


def _absent_key(detail: ErrorDetails) -> tuple[str | int, ...]:
    """Give the key that an error says is missing."""
    return detail["loc"][-1:] if detail["type"] == "missing" else ()


def _telling(details: list[ErrorDetails]) -> list[ErrorDetails]:
    """Keep the complaints that say what is wrong with a value, where there are such."""
    telling = [detail for detail in details if detail["type"] not in _SHALLOW]
    return telling[:1] or details


def _joined(faults: list[Fault]) -> Fault:
    """Join the faults of one place: what may stand there is any of what each expected."""
    expected = dict.fromkeys(fault.expected for fault in faults if fault.expected)
    return dataclasses.replace(faults[0], expected=" or ".join(expected))


def _fault_of(detail: ErrorDetails, located: Located) -> Fault:
    """Turn one error into a fault with place, what was expected and the remedy."""
    path = _path_of(detail, located)
    kind, key = detail["type"], str(detail["loc"][-1]) if detail["loc"] else ""
    if kind == "missing" and isinstance(detail["loc"][-1], int):
        few = f"`{_name_of(path)}` is {_shown(detail.get('input'))}"
        return located.fault(path, few, f"at least {int(key) + 1} entries", "Mend this list.")
    if kind == "missing":
        return located.fault(
            path, f"`{key}` is missing", f"`{key}` in `{_name_of(path)}`", f"Add `{key}:` here.",
            at_key=True,
        )  # fmt: skip
    if kind == "extra_forbidden":
        close = difflib.get_close_matches(key, [k for k in _known_keys() if k != key], 1)
        hint = f"Did you mean `{close[0]}`?" if close else "Remove it."
        return located.fault(
            (*path, key) if path[-1:] != (key,) else path,
            f"`{key}` is not a key of `{_name_of(path[:-1] if path[-1:] == (key,) else path)}`",
            "a key that the language knows", hint, at_key=True,
        )  # fmt: skip
    message = str(detail["msg"]).removeprefix("Value error, ").removeprefix("Input should be ")
    message = _expected_of(detail, message)
    came = _shown(detail.get("input"))
    if kind == "literal_error":
        words = str(detail.get("ctx", {}).get("expected", "")).replace("True", "true")
        remedy = "Choose one of these."
        if f"'{came}'" in words:
            remedy = f'Put it in quotes: "{came}".'
        return located.fault(path, f"`{_name_of(path)}` is {came}", words, remedy)
    if kind in {"value_error", "endpoint_family", "analysis_kind", "rule_kind", "anchor_kind",
                "dose_kind", "assessed_kind", "baseline_kind"}:  # fmt: skip
        return located.fault(path, f"`{_name_of(path)}`: {message}", "", "Mend this entry.")
    return located.fault(path, f"`{_name_of(path)}` is {came}",
                         message[:1].lower() + message[1:], "Mend this value.")  # fmt: skip


def _expected_of(detail: ErrorDetails, message: str) -> str:
    """Say in words what was expected."""
    kind, context = detail["type"], detail.get("ctx", {})
    if kind in {"too_long", "too_short"}:
        number = context.get("max_length", context.get("min_length"))
        bound = "at most" if kind == "too_long" else "at least"
        return f"{bound} {number} {'entry' if number == 1 else 'entries'}"
    if kind == "string_pattern_mismatch":
        return _PATTERNS.get(str(context.get("pattern")), message)
    if kind in {"greater_than", "greater_than_equal", "less_than", "less_than_equal"}:
        return f"a number {message}"
    return _KINDS.get(kind, message)


def _path_in(loc: Sequence[str | int], data: object, came: object) -> DataPath:
    """Follow an error's place into the data, passing over the names of union members.

    A member of a union may be called like a key of the data (`anchor: ...` is an anchor of the kind
    `anchor`), so every reading of the place is tried; the one that ends at what came is taken, or
    else the one that leads deepest.
    """
    best: tuple[bool, int, DataPath] = (False, -1, ())
    ahead: list[tuple[int, object, DataPath]] = [(0, data, ())]
    seen: set[tuple[int, DataPath]] = set()
    while ahead:
        index, here, path = ahead.pop()
        if (index, path) in seen:
            continue
        seen.add((index, path))
        if index == len(loc):
            rank = (here is came, len(path))
            if rank > best[:2]:
                best = (*rank, path)
            continue
        ahead.append((index + 1, here, path))
        part = loc[index]
        if isinstance(here, dict) and part in here:
            inner = cast("dict[str | int, object]", here)[part]
            ahead.append((index + 1, inner, (*path, part)))
        elif isinstance(here, list) and isinstance(part, int):
            entries = cast("list[object]", here)
            if 0 <= part < len(entries):
                ahead.append((index + 1, entries[part], (*path, part)))
    return best[2]


def _name_of(path: DataPath) -> str:
    """Name a place for people: `endpoints.platelet_response.assessed`."""
    return ".".join(str(part) for part in path) or "the protocol"


def _shown(value: object) -> str:
    """Show a value shortly."""
    if isinstance(value, dict):
        keys = ", ".join(list(cast("dict[str, object]", value))[:6])
        return f"a mapping with the keys {keys}" if keys else "an empty mapping"
    if isinstance(value, list):
        return f"a list of {len(cast('list[object]', value))}"
    text = str(value).lower() if isinstance(value, bool) else repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _reference_faults(protocol: Protocol, located: Located) -> list[Fault]:
    """Make a fault for every name that refers to nothing."""
    faults: list[Fault] = []
    for path, kind, name, known in broken_references(protocol):
        close = difflib.get_close_matches(name, known, 1)
        remedy = f"Did you mean `{close[0]}`?" if close else f"Declare `{name}` or use another."
        names = ", ".join(known) or f"no {kind} is declared"
        faults.append(
            located.fault(
                path, f"`{name}` is no {kind} of this protocol", f"one of: {names}", remedy
            )
        )
    return faults
