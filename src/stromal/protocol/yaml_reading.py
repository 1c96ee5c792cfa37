"""YAML 1.2 to plain data that remembers where every key and value stood.

Refused, each with its line: aliases and anchors, tags, two equal keys of one mapping, keys that are
not text, more than `MAX_DEPTH` levels or `MAX_PARTS` keys and values, integers above `MAX_DIGITS`
digits, files above `MAX_BYTES`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from stromal.core import Fault, ProtocolError

__all__ = ["MAX_BYTES", "MAX_DEPTH", "MAX_DIGITS", "MAX_PARTS", "Located", "read_yaml"]

MAX_BYTES = 2_000_000
MAX_DEPTH = 60
MAX_PARTS = 20_000
MAX_DIGITS = 40
DataPath = tuple[str | int, ...]


@dataclass
class Located:
    """Plain data and, for every path in it, the line and column (from 1) of its key and value."""

    file: str
    data: Any
    keys: dict[DataPath, tuple[int, int]] = field(default_factory=dict[DataPath, tuple[int, int]])
    values: dict[DataPath, tuple[int, int]] = field(default_factory=dict[DataPath, tuple[int, int]])

    def fault(
        self, path: DataPath, found: str, expected: str, remedy: str, *, at_key: bool = False
    ) -> Fault:
        """Make a fault at a path, or at the nearest path above it that exists."""
        places = [self.keys, self.values] if at_key else [self.values, self.keys]
        for length in range(len(path), -1, -1):
            for table in places:
                if path[:length] in table:
                    line, column = table[path[:length]]
                    return Fault(self.file, line, str(column), found, expected, remedy)
        return Fault(self.file, 1, "1", found, expected, remedy)


def read_yaml(file: Path, *, name: str | None = None) -> Located:
    """Read a YAML file into plain data with places.

    Parameters
    ----------
    file
        The file.
    name
        How faults call it; its path where this is absent.

    Raises
    ------
    ProtocolError
        The file is absent, is not UTF-8 or YAML, or has what this language refuses.
    """
    shown = name or str(file)
    if file.exists() and not file.is_file() and not file.is_dir():
        raise ProtocolError(
            [Fault(shown, 0, "", "no regular file", "a YAML file", "Put the file itself here.")]
        )
    try:
        raw = file.read_bytes()
    except OSError as error:
        raise ProtocolError(
            [Fault(shown, 0, "", f"cannot be read ({error.strerror})", "a YAML file",
                   "Give the folder that holds it.")]
        ) from error  # fmt: skip
    text = _decode(raw, shown)
    try:
        _refuse_events(text, shown)
        node = _parser().compose(text)
    except MarkedYAMLError as error:
        raise ProtocolError([_syntax_fault(error, shown)]) from error
    except YAMLError as error:
        raise ProtocolError(
            [Fault(shown, 0, "", f"not YAML: {str(error).splitlines()[0]}", "YAML 1.2",
                   "Mend the file's syntax.")]
        ) from error  # fmt: skip
    located = Located(shown, None)
    if node is not None:
        faults: list[Fault] = []
        located.data = _plain(node, (), located, faults)
        if faults:
            raise ProtocolError(faults)
    return located


def _parser() -> Any:  # noqa: ANN401
    """Make ruamel's YAML 1.2 parser, whose types are not known."""
    return YAML(typ="safe", pure=True)


def _decode(raw: bytes, shown: str) -> str:
    """Decode UTF-8; refuse files that are too large for a protocol."""
    if len(raw) > MAX_BYTES:
        raise ProtocolError(
            [Fault(shown, 0, "", f"{len(raw):,} bytes", f"at most {MAX_BYTES:,} bytes",
                   "A protocol is a page or a few; keep data in records/.")]
        )  # fmt: skip
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        raise ProtocolError(
            [Fault(shown, line, "", f"byte 0x{raw[error.start]:02x} is not UTF-8", "UTF-8 text",
                   "Save the file as UTF-8.")]
        ) from error  # fmt: skip


def _syntax_fault(error: MarkedYAMLError, shown: str) -> Fault:
    """Turn the parser's complaint into a fault with its line."""
    told: Any = error
    mark = told.problem_mark or told.context_mark
    line, column = (mark.line + 1, str(mark.column + 1)) if mark is not None else (0, "")
    problem = " ".join(str(told.problem or told.context or "syntax error").split())
    return Fault(
        shown,
        line,
        column,
        f"not YAML: {problem}",
        "YAML 1.2",
        "Look at the indentation, brackets and quotes of this line and the one above it.",
    )


def _refuse_events(text: str, shown: str) -> None:
    """Walk the parser's events, before anything is built, and refuse aliases, tags and depth."""
    depth = 0
    for count, event in enumerate(_parser().parse(text)):
        mark = event.start_mark
        kind = type(event).__name__
        place = (mark.line + 1, str(mark.column + 1))
        if kind == "DocumentStartEvent" and event.version not in {None, (1, 2)}:
            raise ProtocolError(
                [Fault(shown, *place, "a directive for another version of YAML", "YAML 1.2",
                       "Remove the line that begins with %YAML: 1.1 reads NO as false.")]
            )  # fmt: skip
        if kind != "DocumentStartEvent" and getattr(event, "tag", None) is not None:
            raise ProtocolError(
                [Fault(shown, *place, f"the tag {_tag_text(event.tag)}", "plain values",
                       "Remove the tag.")]
            )  # fmt: skip
        if kind == "AliasEvent" or getattr(event, "anchor", None) is not None:
            raise ProtocolError(
                [Fault(shown, *place, "a YAML anchor or alias (& or *)", "plain values",
                       "Write the value out where it is needed.")]
            )  # fmt: skip
        if kind in {"MappingStartEvent", "SequenceStartEvent"}:
            depth += 1
        elif kind in {"MappingEndEvent", "SequenceEndEvent"}:
            depth -= 1
        if count > MAX_PARTS:
            raise ProtocolError(
                [Fault(shown, *place, "too many keys and values", f"at most {MAX_PARTS:,}",
                       "A protocol is a page or a few; keep data in records/.")]
            )  # fmt: skip
        if depth > MAX_DEPTH:
            raise ProtocolError(
                [Fault(shown, *place, "too many levels", f"at most {MAX_DEPTH} levels",
                       "Write the protocol with fewer nested levels.")]
            )  # fmt: skip


def _tag_text(tag: Any) -> str:  # noqa: ANN401
    """Show a tag as the file writes it."""
    return str(tag).replace("tag:yaml.org,2002:", "!!")


def _plain(node: Any, path: DataPath, located: Located, faults: list[Fault]) -> Any:  # noqa: ANN401
    """Turn a node into plain data, noting places and faults on the way."""
    place = (node.start_mark.line + 1, node.start_mark.column + 1)
    located.values[path] = place
    if node.id == "mapping":
        return _plain_mapping(node, path, located, faults)
    if node.id == "sequence":
        items: list[Any] = node.value
        return [_plain(item, (*path, i), located, faults) for i, item in enumerate(items)]
    return _plain_scalar(node, path, located, faults)


def _plain_mapping(
    node: Any,  # noqa: ANN401
    path: DataPath,
    located: Located,
    faults: list[Fault],
) -> dict[str, Any]:
    """Turn a mapping into a dict; refuse a key that is not text and a second equal key."""
    out: dict[str, Any] = {}
    pairs: list[tuple[Any, Any]] = node.value
    for key_node, value_node in pairs:
        line, column = key_node.start_mark.line + 1, key_node.start_mark.column + 1
        if key_node.id != "scalar":
            faults.append(
                Fault(located.file, line, str(column), "a key that is not text", "a word",
                      "Write a plain word before the colon.")
            )  # fmt: skip
            continue
        key = str(key_node.value)
        if key in out:
            first = located.keys[(*path, key)][0]
            faults.append(
                Fault(located.file, line, str(column), f"the key `{key}` stands here again",
                      f"each key once (first on line {first})", "Remove one of the two.")
            )  # fmt: skip
            continue
        located.keys[(*path, key)] = (line, column)
        out[key] = _plain(value_node, (*path, key), located, faults)
    return out


def _plain_scalar(
    node: Any,  # noqa: ANN401
    path: DataPath,
    located: Located,
    faults: list[Fault],
) -> str | int | float | bool | None:
    """Turn a scalar into text, number, truth value or nothing, by YAML 1.2's rules."""
    kind = str(node.tag).rsplit(":", 1)[-1]
    text = str(node.value)
    if kind == "null":
        return None
    if kind == "bool":
        return text.lower() == "true"
    if kind == "int":
        if len(text) > MAX_DIGITS:
            line, column = located.values[path]
            faults.append(
                Fault(located.file, line, str(column), f"a number of {len(text):,} digits",
                      f"at most {MAX_DIGITS} digits", "Write the number that is meant.")
            )  # fmt: skip
            return 0
        return _integer(text)
    if kind == "float":
        return float(text.replace(".inf", "inf").replace(".nan", "nan").replace("_", ""))
    return text


def _integer(text: str) -> int:
    """Read a YAML 1.2 integer: decimal, 0o octal or 0x hexadecimal."""
    plain = text.replace("_", "")
    if plain.lstrip("+-").lower().startswith(("0o", "0x", "0b")):
        return int(plain, 0)
    return int(plain)
