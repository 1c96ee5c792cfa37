"""The protocol as a whole, and the checks that its names refer to something."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import Field

from stromal.protocol.analyses import Analysis, AnalysisSet
from stromal.protocol.analysis_base import Multiplicity
from stromal.protocol.eligibility import Population
from stromal.protocol.endpoints import Endpoint
from stromal.protocol.fields import Model, Name
from stromal.protocol.study import Assumption, Design, Sharing, Study
from stromal.protocol.timing import Anchor, DrawPlan, Visit
from stromal.protocol.treatment import Arm, Product

__all__ = ["Protocol", "broken_references", "references"]

Path = tuple[str | int, ...]


class Protocol(Model):
    """A trial's protocol, version 1 of the language."""

    stromal: Literal[1]
    study: Study
    design: Design
    day_zero: Annotated[Name, Field(description="the anchor that `day` counts from in records")]
    anchors: Annotated[dict[Name, Anchor], Field(min_length=1, max_length=100)]
    population: Population
    products: dict[Name, Product] = {}
    arms: Annotated[dict[Name, Arm], Field(min_length=1)]
    visits: list[Visit] = []
    draws: list[DrawPlan] | Literal["not stated"]
    endpoints: Annotated[dict[Name, Endpoint], Field(min_length=1)]
    analysis_sets: Annotated[dict[Name, AnalysisSet], Field(min_length=1)]
    analyses: dict[Name, Analysis] = {}
    multiplicity: Multiplicity | None = None
    sharing: Sharing
    assumptions: list[Assumption] = []


def broken_references(protocol: Protocol) -> list[tuple[Path, str, str, list[str]]]:
    """List names that refer to nothing: path, kind of thing, the name, the names that exist.

    Steps: every mapping of the protocol is walked; a key that names an anchor, endpoint, product,
    arm, analysis set or assumption is looked up among those the protocol declares.
    """
    known = {
        "anchor": set(protocol.anchors),
        "endpoint": set(protocol.endpoints),
        "product": set(protocol.products),
        "arm": set(protocol.arms),
        "analysis set": set(protocol.analysis_sets),
        "analysis": set(protocol.analyses),
        "assumption": {assumption.id for assumption in protocol.assumptions},
    }
    return [
        (path, kind, name, sorted(known[kind]))
        for path, kind, name in references(protocol)
        if name not in known[kind]
    ]


_KIND_OF_KEY = {
    ("from",): "anchor",
    ("before",): "anchor",
    ("judged_at",): "anchor",
    ("day_zero",): "anchor",
    ("first",): "anchor",
    ("has",): "anchor",
    ("follow_up",): "anchor",
    ("endpoint",): "endpoint",
    ("graded",): "endpoint",
    ("product",): "product",
    ("infused",): "product",
    ("infusion",): "product",
    ("by_infusion",): "product",
    ("set",): "analysis set",
    ("assumed",): "assumption",
    ("arms",): "arm",
}


_OF_ANALYSES: dict[Path, str] = {
    ("end",): "endpoint",
    ("terminal",): "endpoint",
    ("anchor",): "anchor",
}


def references(protocol: Protocol) -> Iterator[tuple[Path, str, str]]:
    """Yield every reference of a protocol: path, kind of thing, the name it refers to."""
    data = protocol.model_dump(mode="json", by_alias=True, exclude_none=True)
    for path, key, value in _leaves(data, ()):
        kind = _kind_in_analyses(path, value) or _kind_elsewhere(path, key, value)
        if kind is not None and value != "not stated":
            yield path, kind, value


def _kind_in_analyses(path: Path, value: str) -> str | None:
    """Say what a text among the analyses names; None where it is not told by its place."""
    if path[:2] == ("multiplicity", "analyses"):
        return "analysis"
    if path[:1] != ("analyses",) or value == "none recorded":
        return None
    return "endpoint" if path[2:3] == ("nor",) else _OF_ANALYSES.get(path[2:])


def _kind_elsewhere(path: Path, key: str, value: str) -> str | None:
    """Say what a text names by its key; None where it names nothing."""
    kind = _KIND_OF_KEY.get((key,))
    if key == "anchor" and path[:1] == ("anchors",):
        kind = "anchor"
    if key == "after":
        kind = "endpoint" if "cytopenia" in path else "anchor" if "population" in path else None
    if key == "until" and path[:1] == ("draws",) and " " not in value:
        kind = "anchor"
    if (key == "product" and "without_transfusion" in path) or "where" in path:
        kind = None
    if path[:1] == ("endpoints",) and path[2:3] == ("graded",):
        kind = None  # a grading names its own items and steps
    if key == "from" and "population" in path:
        kind = None  # there `from` is the lower bound of a comparison
    if key == "arms" and path[:1] != ("analysis_sets",):
        kind = None
    return kind


def _leaves(data: Any, path: Path) -> Iterator[tuple[Path, str, str]]:  # noqa: ANN401
    """Yield (path, nearest key, text) of every text below `data`."""
    if isinstance(data, dict):
        for key, value in data.items():  # pyright: ignore[reportUnknownVariableType]
            yield from _leaves(value, (*path, str(key)))  # pyright: ignore[reportUnknownArgumentType]
    elif isinstance(data, list):
        for index, value in enumerate(data):  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]
            yield from _leaves(value, (*path, index))
    elif isinstance(data, str):
        keys = [part for part in path if isinstance(part, str)]
        yield path, keys[-1] if keys else "", data
