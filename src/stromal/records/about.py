"""Reading `records/about.yaml`: what the records are."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast, get_args

from stromal.core import Fault, ProtocolError
from stromal.protocol.yaml_reading import Located, read_yaml
from stromal.records.files import ABOUT_FILE, RECORDS_FOLDER
from stromal.records.sheet import close_to, one_of, quoted
from stromal.records.trial_records import About, DataKind

__all__ = ["read_about"]

_KEYS = ("data", "statement", "sources")
_KINDS: tuple[str, ...] = get_args(DataKind)
_SHOWN = f"{RECORDS_FOLDER}/{ABOUT_FILE}"


def read_about(folder: Path) -> tuple[About, list[Fault]]:
    """Read what a records folder says of itself, and what is wrong with it.

    The file has `data` (observed, reconstruction, synthetic or teaching), `statement` (text) and
    optionally `sources` (a list of texts). Records without it are refused: nobody could tell
    observed participants from invented ones.
    """
    file = folder / ABOUT_FILE
    nothing = About(None)
    if not file.is_file():
        return nothing, [
            Fault(_SHOWN, 0, "", "the file is missing", "what the records are",
                  f"Write it with `data:` ({', '.join(_KINDS)}) and `statement:`.")
        ]  # fmt: skip
    try:
        located = read_yaml(file, name=_SHOWN)
    except ProtocolError as error:
        return nothing, list(error.faults)
    data = cast("dict[str, Any]", located.data)
    if not isinstance(data, dict):  # pyright: ignore[reportUnnecessaryIsInstance]
        return nothing, [
            located.fault((), "no mapping of keys", "`data:` and `statement:`",
                          "Write `data: observed` and a statement.")
        ]  # fmt: skip
    faults = [*_key_faults(data, located), *_value_faults(data, located)]
    if faults:
        return nothing, faults
    sources = tuple(source.strip() for source in cast("list[str]", data.get("sources") or []))
    return About(data["data"], data["statement"].strip(), sources), []


def _key_faults(data: dict[str, Any], located: Located) -> list[Fault]:
    """Tell of keys that are unknown or missing."""
    faults: list[Fault] = []
    for key in data:
        if key not in _KEYS:
            close = close_to(key, _KEYS)
            remedy = f"Did you mean `{close}`?" if close else "Remove it."
            faults.append(
                located.fault((key,), f"{quoted(key)} is not a key of this file", one_of(_KEYS),
                              remedy, at_key=True)
            )  # fmt: skip
    faults.extend(
        located.fault((), f"`{key}` is missing", f"`{key}:`", f"Add `{key}:`.")
        for key in ("data", "statement")
        if key not in data
    )
    return faults


def _value_faults(data: dict[str, Any], located: Located) -> list[Fault]:
    """Tell of values that are not what their key needs."""
    faults: list[Fault] = []
    if "data" in data and data["data"] not in _KINDS:
        faults.append(
            located.fault(("data",), f"{quoted(data['data'])} is not a kind of data",
                          one_of(_KINDS), "Use one of these words.")
        )  # fmt: skip
    statement = data.get("statement", "x")
    if not isinstance(statement, str) or not statement.strip():
        faults.append(
            located.fault(("statement",), "no text", "one or more sentences",
                          "Say what the records are and where they come from.")
        )  # fmt: skip
    sources = cast("list[object]", data.get("sources") or [])
    if not isinstance(sources, list) or not all(isinstance(source, str) for source in sources):  # pyright: ignore[reportUnnecessaryIsInstance]
        faults.append(
            located.fault(("sources",), "not a list of texts", "a list of texts",
                          "Write one source a line, each after `- `.")
        )  # fmt: skip
    return faults
