"""Reading `protocol.yaml`: YAML to `Protocol`, with every fault at its line and column."""

from __future__ import annotations

import difflib
import functools
import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, cast

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from stromal.core import Fault, ProtocolError
from stromal.protocol.library import expand_definitions
from stromal.protocol.protocol import Protocol, broken_references
from stromal.protocol.yaml_reading import DataPath, Located, read_yaml

__all__ = ["PROTOCOL_FILE", "canonical_json", "json_schema", "protocol_version", "read_protocol"]

PROTOCOL_FILE = "protocol.yaml"


def read_protocol(study: Path) -> Protocol:
    """Read the protocol of a study folder (or a protocol file itself).

    1. The file is read as YAML 1.2; aliases, tags and doubled keys are refused.
    2. Every `definition: NAME` is replaced by the library's definition of that name.
    3. The whole is validated; all faults are told at once.
    4. Names that refer to nothing (anchors, endpoints, products, sets) are faults too.

    Raises
    ------
    ProtocolError
        With one fault for each thing that is wrong: file, line, column, what was expected, remedy.
    """
    file = study if study.is_file() else study / PROTOCOL_FILE
    located = read_yaml(file, name=PROTOCOL_FILE if file.name == PROTOCOL_FILE else str(file))
    if not isinstance(located.data, dict):
        raise ProtocolError(
            [located.fault((), "no mapping of keys", "a protocol that begins with `stromal: 1`",
                           "Start from the protocol of a study in the documentation.")]
        )  # fmt: skip
    faults = expand_definitions(located)
    data: object = located.data  # pyright: ignore[reportUnknownMemberType]
    try:
        protocol = Protocol.model_validate(data)
    except ValidationError as error:
        raise ProtocolError([*faults, *_faults_of(error, located)]) from error
    faults.extend(_reference_faults(protocol, located))
    if faults:
        raise ProtocolError(faults)
    return protocol


def canonical_json(protocol: Protocol) -> str:
    """Give the protocol as canonical JSON: sorted keys, no blanks, definitions expanded."""
    data = protocol.model_dump(mode="json", by_alias=True, exclude_none=True)
    return json.dumps(data, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def protocol_version(protocol: Protocol) -> str:
    """Give the version of a protocol: the SHA-256 of its canonical JSON, in hexadecimal.

    Two files that mean the same (order of keys, comments, `7 d` or `1 wk`) have one version; an
    edit of a library definition that the protocol names changes it.
    """
    return hashlib.sha256(canonical_json(protocol).encode()).hexdigest()


def json_schema() -> dict[str, Any]:
    """Give the JSON Schema of protocol files, for editors."""
    schema = Protocol.model_json_schema(by_alias=True)
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


def _faults_of(error: ValidationError, located: Located) -> list[Fault]:
    """Turn pydantic's errors into faults, one for each place."""
    return [_fault_of(detail, located) for detail in error.errors(include_url=False)]


def _fault_of(detail: ErrorDetails, located: Located) -> Fault:
    """Turn one error into a fault with place, what was expected and the remedy."""
    path = _path_in(detail["loc"], located.data)
    kind, key = detail["type"], str(detail["loc"][-1]) if detail["loc"] else ""
    if kind == "missing":
        return located.fault(
            path, f"`{key}` is missing", f"`{key}` in `{_name_of(path)}`", f"Add `{key}:` here.",
            at_key=True,
        )  # fmt: skip
    if kind == "extra_forbidden":
        close = difflib.get_close_matches(key, _known_keys(), 1)
        hint = f"Did you mean `{close[0]}`?" if close else "Remove it."
        return located.fault(
            (*path, key) if path[-1:] != (key,) else path,
            f"`{key}` is not a key of `{_name_of(path[:-1] if path[-1:] == (key,) else path)}`",
            "a key that the language knows", hint, at_key=True,
        )  # fmt: skip
    message = str(detail["msg"]).removeprefix("Value error, ")
    came = _shown(detail.get("input"))
    if kind == "literal_error":
        return located.fault(path, f"`{_name_of(path)}` is {came}",
                             str(detail.get("ctx", {}).get("expected", "")),
                             "Choose one of these.")  # fmt: skip
    if kind in {"value_error", "endpoint_family", "analysis_kind", "rule_kind", "anchor_kind",
                "dose_kind", "assessed_kind"}:  # fmt: skip
        return located.fault(path, f"`{_name_of(path)}`: {message}", "", "Mend this entry.")
    return located.fault(path, f"`{_name_of(path)}` is {came}",
                         message[:1].lower() + message[1:], "Mend this value.")  # fmt: skip


def _path_in(loc: Iterable[str | int], data: object) -> DataPath:
    """Follow an error's place into the data, passing over the names of union members."""
    path: list[str | int] = []
    here = data
    for part in loc:
        if isinstance(here, dict) and part in here:
            here = cast("dict[str | int, object]", here)[part]
        elif (
            isinstance(here, list)
            and isinstance(part, int)
            and part < len(cast("list[object]", here))
        ):
            here = cast("list[object]", here)[part]
        else:
            continue
        path.append(part)
    return tuple(path)


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
    text = repr(value)
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
