"""The command `definitions`: the library listed, printed in words, and compared."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.table import Table

from stromal.core import UsageError
from stromal.terminal import out, safe, save

__all__ = ["definitions_command"]

_USAGE = (
    "name one definition; or `compare` and two, such as: stromal definitions compare CIBMTR_ANC "
    "ASTCT_2021_ANC; or `compare` and an outcome, such as: stromal definitions compare "
    "neutrophil_recovery"
)


def definitions_command(names: list[str], output: Path | None) -> None:
    """List the library, print a definition, or say how definitions differ."""
    from stromal.protocol.library import definitions

    library = dict(definitions())
    match names:
        case []:
            _list(library)
            chosen = library
        case ["compare", first, second]:
            _compare(first, second)
            chosen = {name: library[name] for name in (first, second)}
        case ["compare", name] if name in library:
            raise UsageError(f"`{name}` alone cannot be compared; {_USAGE}")
        case ["compare", outcome]:
            chosen = _compare_outcome(outcome)
        case [name] if name != "compare":
            chosen = _print(name)
        case _:
            raise UsageError(_USAGE)
    if output is not None:
        _write(chosen, output, single=len(names) == 1)


# --- the list --------------------------------------------------------------------------------


def _list(library: dict[str, tuple[str, dict[str, Any]]]) -> None:
    """List the definitions by outcome, narrow enough for 80 columns."""
    by_outcome: dict[str, list[str]] = {}
    for name, (_, content) in library.items():
        by_outcome.setdefault(str(content.get("outcome") or ""), []).append(name)
    for outcome in sorted(by_outcome, key=lambda name: (not name, name)):
        heading = outcome or "without an outcome in common"
        out.print(f"\n[bold]{safe(heading)}[/]", highlight=False)
        for name in by_outcome[outcome]:
            family, content = library[name]
            mark = "  [bold yellow]unverified[/]" if _unverified(content) else ""
            out.print(f"  [bold cyan]{safe(name)}[/]  [dim]{safe(_family(family))}[/]{mark}",
                      highlight=False)  # fmt: skip
            _indented(str(content.get("title", "")))
            _indented(_sources(content), style="dim")
    count = sum(_unverified(content) for _, content in library.values())
    out.print(
        f"\n{len(library)} definitions, {count} of them unverified (nobody could read a source). "
        "`stromal definitions NAME` prints one, `stromal definitions compare` two or all of an "
        "outcome.",
        highlight=False,
    )


def _family(family: str) -> str:
    return family.replace("_", " ")


def _unverified(content: dict[str, Any]) -> bool:
    """Say whether none of the sources was read."""
    sources = content.get("sources", [])
    return bool(sources) and all(source["seen"] == "unverified" for source in sources)


def _sources(content: dict[str, Any]) -> str:
    """Name the sources shortly, with their years and how much was read."""
    told: list[str] = []
    for source in content.get("sources", []):
        text = str(source["text"])
        short = text if len(text) <= 90 else f"{text[:88].rsplit(' ', 1)[0]} ..."
        years = re.findall(r"\b(?:19|20)[0-9]{2}\b", text)
        missing = [year for year in dict.fromkeys(years) if year not in short]
        told.append(f"{short}{' ' + missing[0] if missing else ''} [{source['seen']}]")
    return "; ".join(told)


def _indented(text: str, style: str = "none") -> None:
    """Print a text as an indented paragraph."""
    if not text:
        return
    from rich.padding import Padding

    out.print(Padding(f"[{style}]{safe(text)}[/]" if style != "none" else safe(text), (0, 0, 0, 6)),
              highlight=False)  # fmt: skip


# --- one -------------------------------------------------------------------------------------


def _print(name: str) -> dict[str, tuple[str, dict[str, Any]]]:
    """Print one definition in words."""
    from stromal.protocol.comparison import known_definition
    from stromal.protocol.library import definitions
    from stromal.protocol.wording import FAMILY_WORDS, describe_definition

    family, rule = known_definition(name)
    content = definitions()[name][1]
    mark = (
        "  [bold yellow]unverified: nobody could read a source[/]" if _unverified(content) else ""
    )
    out.print(f"[bold cyan]{safe(name)}[/]{mark}", highlight=False)
    if rule.title:
        out.print(f"[bold]{safe(rule.title)}[/]", highlight=False)
    kind = FAMILY_WORDS.get(family, _family(family))
    outcome = f" Outcome: {rule.outcome}." if rule.outcome else ""
    out.print(f"{_family(family).capitalize()}: {safe(kind)}.{safe(outcome)}", highlight=False)
    table = Table(box=SIMPLE_HEAD, pad_edge=False, show_header=False)
    table.add_column(style="dim", max_width=34, overflow="fold")
    table.add_column(overflow="fold")
    for aspect in describe_definition(family, rule):
        table.add_row(safe(aspect.name), safe(aspect.said))
    out.print(table)
    out.print(f"The protocol chooses: {_left_to_protocol(family)}.", highlight=False)
    if rule.leaves_open:
        out.print(f"The source leaves open: {safe(rule.leaves_open)}", highlight=False)
    for source in rule.sources:
        out.print(f"Source: {safe(str(source))}", style="dim", highlight=False)
    return {name: (family, content)}


def _left_to_protocol(family: str) -> str:
    """Say what a definition of a family does not contain."""
    match family:
        case "response" | "adjudicated":
            return "when it is assessed (`assessed`), and what a missing assessment and death mean"
        case "graded":
            return "from when days count (`from`), until when, and how far apart items may lie"
        case _:
            return "from when days count (`from`), until when, and what competes (`competing`)"


# --- comparisons -----------------------------------------------------------------------------


def _compare(first: str, second: str) -> None:
    """Say how two definitions differ."""
    from stromal.protocol.comparison import compare_definitions
    from stromal.protocol.library import definitions

    found = compare_definitions(first, second)
    if found:
        table = Table(box=SIMPLE_HEAD, pad_edge=False, show_lines=True)
        for heading in ("They differ in", first, second):
            table.add_column(safe(heading), overflow="fold")
        for difference in found:
            table.add_row(*map(safe, difference))
        out.print(table)
    else:
        out.print(f"The rules of {first} and {second} are the same.", highlight=False)
    for name in (first, second):
        left = definitions()[name][1].get("leaves_open")
        if left:
            out.print(f"{safe(name)} leaves open: {safe(str(left))}", highlight=False)


def _compare_outcome(outcome: str) -> dict[str, tuple[str, dict[str, Any]]]:
    """Set all definitions of an outcome side by side, aspect by aspect."""
    from stromal.protocol.comparison import compare_outcome
    from stromal.protocol.library import definitions

    rows = compare_outcome(outcome)
    library = dict(definitions())
    names = [name for name, (_, content) in library.items() if content.get("outcome") == outcome]
    out.print(f"[bold]{safe(outcome)}[/]: {len(names)} definitions", highlight=False)
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    table.add_column("They differ in", max_width=24, overflow="fold")
    table.add_column("what is said", max_width=30, overflow="fold")
    table.add_column("by", overflow="fold")
    for row in rows:
        if len(row.said) == 1:
            continue
        for place, (said, by) in enumerate(row.said.items()):
            table.add_row(safe(row.aspect) if place == 0 else "", safe(said), safe(", ".join(by)),
                          end_section=place == len(row.said) - 1)  # fmt: skip
    if table.row_count:
        out.print(table)
    alike = [row for row in rows if len(row.said) == 1]
    if alike:
        told = "; ".join(f"{row.aspect}: {next(iter(row.said))}" for row in alike)
        out.print(f"All alike: {safe(told)}.", highlight=False)
    marked = [name for name in names if _unverified(library[name][1])]
    if marked:
        out.print(f"Unverified: {safe(', '.join(marked))}.", highlight=False)
    return {name: library[name] for name in names}


# --- files -----------------------------------------------------------------------------------


def _write(chosen: dict[str, tuple[str, dict[str, Any]]], output: Path, *, single: bool) -> None:
    """Write definitions as they stand in the library."""
    content: dict[str, Any] = {
        name: {"family": family, **{k: v for k, v in rule.items() if k != "definition"}}
        for name, (family, rule) in chosen.items()
    }
    if single and len(content) == 1:
        name, rule = next(iter(content.items()))
        content = {"definition": name, **rule}
    suffix = output.suffix.lower()
    if suffix == ".json":
        save(output, json.dumps(content, indent=1, ensure_ascii=False) + "\n")
    elif suffix in {".yaml", ".yml"}:
        save(output, _as_yaml(content))
    else:
        raise UsageError(f"definitions are written as .json or .yaml; got `{output.name}`")


def _as_yaml(content: dict[str, Any]) -> str:
    """Write plain data as YAML 1.2."""
    import io

    from ruamel.yaml import YAML

    writer: Any = YAML(typ="safe", pure=True)
    writer.default_flow_style = False
    writer.allow_unicode = True
    writer.width = 100
    writer.sort_base_mapping_type_on_output = False
    stream = io.StringIO()
    writer.dump(content, stream)
    return stream.getvalue()
