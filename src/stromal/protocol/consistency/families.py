"""Endpoints: definitions that are missing, competing events, names of levels, endpoints unused."""

from __future__ import annotations

import re
from collections.abc import Iterator

from stromal.core import Finding
from stromal.protocol.consistency.view import View
from stromal.protocol.consistency.words import listed
from stromal.protocol.endpoints import (
    AdjudicatedEndpoint,
    ChainEndpoint,
    CytopeniaEndpoint,
    Endpoint,
    EventCountEndpoint,
    EventSpec,
    FailureEndpoint,
    GradedEndpoint,
    RecoveryEndpoint,
    ResponseEndpoint,
    StateEndpoint,
    TimeToEventEndpoint,
    UndefinedEndpoint,
)
from stromal.protocol.protocol import Protocol, references

__all__ = ["check_endpoints", "kind_of_result", "levels_of"]

_TIMES = ["event", "competing", "censored"]
_NON_RELAPSE = re.compile(r"non[\s-]?relapse mortality|\bnrm\b")


def check_endpoints(view: View) -> Iterator[Finding]:
    """Check the endpoints.

    1. `endpoint-not-defined`: the source names it without a definition.
    2. `no-competing-events`: nobody who dies can recover, relapse or have the event any more, and
       death is neither among the events nor among the competing ones.
    3. `relapse-not-competing`: mortality without relapse whose competing events lack relapse.
    4. `event-competes-with-itself`: one event is both.
    5. `unknown-level`: a level or status that the endpoint does not have.
    6. `endpoint-rests-on-itself`: endpoints that refer to each other in a circle.
    7. `grade-without-scale`: events counted from a grade on, on no scale.
    8. `endpoint-in-no-analysis`, `anchor-unused`, `set-unused`, `product-unused`,
       `assumption-unused`: declared and used nowhere.
    9. `anchors-circular`: anchors that count from each other.
    """
    protocol = view.protocol
    for name, endpoint in protocol.endpoints.items():
        if isinstance(endpoint, UndefinedEndpoint):
            yield _undefined(name, endpoint)
        elif isinstance(endpoint, EventCountEndpoint):
            yield from _grade(protocol, name, endpoint)
        else:
            yield from _competing(protocol, name, endpoint)
    yield from _unknown_levels(protocol)
    yield from _circles(view)
    yield from _unused(protocol)


def kind_of_result(endpoint: Endpoint) -> str:
    """Say what an endpoint gives: `level`, `time`, `count` or `nothing`."""
    if isinstance(endpoint, UndefinedEndpoint):
        return "nothing"
    if levels_of(endpoint) is not None:
        return "level"
    if isinstance(
        endpoint,
        RecoveryEndpoint
        | CytopeniaEndpoint
        | FailureEndpoint
        | TimeToEventEndpoint
        | AdjudicatedEndpoint
        | StateEndpoint,
    ):
        return "time"
    return "count"


def levels_of(endpoint: Endpoint) -> list[str] | None:
    """Give the levels of a response, `otherwise` included, or grades; None for other endpoints."""
    if isinstance(endpoint, ResponseEndpoint):
        return [*endpoint.response.levels, endpoint.response.otherwise]
    if isinstance(endpoint, AdjudicatedEndpoint):
        return endpoint.adjudicated.levels
    if isinstance(endpoint, GradedEndpoint):
        return endpoint.graded.grades
    return None


def _results_of(endpoint: Endpoint) -> list[str]:
    """Give the results that a participant can have, best or first step first."""
    if isinstance(endpoint, EventCountEndpoint):
        return ["yes", "no"]
    if isinstance(endpoint, ChainEndpoint):
        return ["none", *endpoint.chain.steps]
    return levels_of(endpoint) or _TIMES


def _undefined(name: str, endpoint: UndefinedEndpoint) -> Finding:
    """Say that an endpoint has no definition."""
    return Finding(
        "endpoint-not-defined",
        "gap",
        f"endpoints.{name}",
        f"{endpoint.label}: the endpoint has no definition. {endpoint.not_defined}",
        "Nothing can be derived or analysed, and each reader will count something else.",
        "Name a published definition, or spell the rule out.",
    )


def _grade(protocol: Protocol, name: str, endpoint: EventCountEndpoint) -> Iterator[Finding]:
    """Find events counted from a grade on without a scale."""
    count = endpoint.event_count
    unscaled = count.scale == "not stated" and protocol.design.monitoring.grading == "not stated"
    if count.grade_at_least is not None and unscaled:
        yield Finding(
            "grade-without-scale",
            "gap",
            f"endpoints.{name}.event_count.scale",
            f"Events of grade {count.grade_at_least} or more are counted, on no stated scale.",
            "The same event has different grades on different scales and versions.",
            "Name the scale and its version.",
        )


def _competing(protocol: Protocol, name: str, endpoint: Endpoint) -> Iterator[Finding]:
    """Look at the competing events of a time to event."""
    if not isinstance(
        endpoint,
        RecoveryEndpoint
        | CytopeniaEndpoint
        | FailureEndpoint
        | TimeToEventEndpoint
        | AdjudicatedEndpoint
        | StateEndpoint,
    ) or (isinstance(endpoint, AdjudicatedEndpoint) and endpoint.adjudicated.levels is not None):
        return
    events = endpoint.time_to_event.events if isinstance(endpoint, TimeToEventEndpoint) else []
    competing = endpoint.competing
    where = f"endpoints.{name}.competing"
    if not any(_is_event(protocol, spec, "death") for spec in (*events, *competing)):
        others = "" if competing else "; no competing event is named at all"
        yield Finding(
            "no-competing-events",
            "gap",
            where,
            f"{endpoint.label}: death is neither the event nor a competing one{others}.",
            "Who has died can no longer have the event; counted as censored they are treated as if "
            "they still could, and the estimate comes out too high.",
            "Name the competing events, death among them.",
        )
    said = f"{endpoint.label} {getattr(getattr(endpoint, 'time_to_event', None), 'title', '')}"
    if _NON_RELAPSE.search(said.lower()) is not None and not any(
        _is_event(protocol, spec, "relapse") for spec in competing
    ):
        yield Finding(
            "relapse-not-competing",
            "contradiction",
            where,
            f"{endpoint.label}: relapse is not among the competing events.",
            "Deaths after relapse then count as deaths without relapse.",
            "Name relapse (and progression) among the competing events.",
        )
    both = [spec.event for spec in events if spec.event is not None and spec in competing]
    if both:
        yield Finding(
            "event-competes-with-itself",
            "contradiction",
            where,
            f"{listed(both)} is both an event of {name} and a competing one.",
            "What happened to such a participant is not determined.",
            "Remove it from one of the two lists.",
        )


def _is_event(protocol: Protocol, spec: EventSpec, event: str, depth: int = 0) -> bool:
    """Whether an event is this one, itself or through the endpoint that it names."""
    if spec.event is not None:
        return spec.event == event
    endpoint = protocol.endpoints.get(spec.endpoint or "")
    if not isinstance(endpoint, TimeToEventEndpoint) or depth > len(protocol.endpoints):
        return False
    return any(_is_event(protocol, s, event, depth + 1) for s in endpoint.time_to_event.events)


def _uses(protocol: Protocol) -> Iterator[tuple[str, str, list[str]]]:
    """Give every place that takes named results of an endpoint: where, endpoint, names."""
    data = protocol.model_dump(mode="json", by_alias=True, exclude_none=True)
    stack: list[tuple[str, object]] = [("", data)]
    while stack:
        where, part = stack.pop()
        if isinstance(part, dict):
            mapping: dict[str, object] = part  # pyright: ignore[reportUnknownVariableType]
            endpoint, taken = mapping.get("endpoint"), mapping.get("is", mapping.get("of"))
            counted = isinstance(protocol.endpoints.get(str(endpoint)), EventCountEndpoint)
            implied = counted and mapping.get("estimate") == "summary" and taken == ["event"]
            if isinstance(endpoint, str) and isinstance(taken, list) and not implied:
                yield where, endpoint, [str(name) for name in taken]  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
            stack += [(f"{where}.{key}".strip("."), value) for key, value in mapping.items()]
        elif isinstance(part, list):
            stack += [(f"{where}.{i}", value) for i, value in enumerate(part)]  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]


def _unknown_levels(protocol: Protocol) -> Iterator[Finding]:
    """Find levels or statuses that an endpoint does not have."""
    for where, name, taken in _uses(protocol):
        endpoint = protocol.endpoints.get(name)
        if endpoint is None or isinstance(endpoint, UndefinedEndpoint):
            continue
        results = _results_of(endpoint)
        known = {*results, "not_evaluable", "not_applicable"}
        strange = [level for level in taken if level not in known]
        if strange:
            yield Finding(
                "unknown-level",
                "contradiction",
                where,
                f"{listed(strange)} is no result of {name}, whose results are "
                f"{listed(results, last='or')}.",
                "Nobody ever has that result, so it counts as zero.",
                "Use the names of the endpoint's results.",
            )


def _circles(view: View) -> Iterator[Finding]:
    """Find endpoints, or anchors, that refer to each other in a circle."""
    protocol = view.protocol
    edges = {
        name: {
            target
            for path, kind, target in references(protocol)
            if kind == "endpoint" and path[:2] == ("endpoints", name)
        }
        for name in protocol.endpoints
    }
    inside = [name for name in edges if _reaches(edges, name, name)]
    if inside:
        yield Finding(
            "endpoint-rests-on-itself",
            "contradiction",
            f"endpoints.{inside[0]}",
            f"{listed(inside)} rest on each other in a circle.",
            "None of them can be derived first.",
            "Let one of them rest on records alone.",
        )
    if view.circular:
        yield Finding(
            "anchors-circular",
            "contradiction",
            "anchors",
            "Anchors count from each other in a circle.",
            "None of them has a day.",
            "Let one of them come from the records.",
        )


def _reaches(edges: dict[str, set[str]], start: str, goal: str) -> bool:
    """Whether one can come from start to goal along the edges."""
    seen: set[str] = set()
    ahead = list(edges.get(start, ()))
    while ahead:
        name = ahead.pop()
        if name == goal:
            return True
        if name not in seen:
            seen.add(name)
            ahead += edges.get(name, ())
    return False


def _unused(protocol: Protocol) -> Iterator[Finding]:
    """Find what is declared and used nowhere."""
    used: dict[str, set[str]] = {}
    for _, kind, name in references(protocol):
        used.setdefault(kind, set()).add(name)
    declared: list[tuple[str, str, str, set[str]]] = [
        ("anchor", "anchors", "An anchor", set(protocol.anchors) - used.get("anchor", set())),
        ("set", "analysis_sets", "An analysis set",
         set(protocol.analysis_sets) - used.get("analysis set", set())),
        ("product", "products", "A product", set(protocol.products) - used.get("product", set())),
        ("assumption", "assumptions", "An assumption",
         {a.id for a in protocol.assumptions} - used.get("assumption", set())),
    ]  # fmt: skip
    for word, where, label, names in declared:
        if names:
            yield Finding(
                f"{word}-unused",
                "remark",
                where,
                f"{label} is declared and used nowhere: {listed(sorted(names))}.",
                "Something may be missing where it should be used.",
                "Use it, or remove it.",
            )
    idle = [
        name
        for name, endpoint in protocol.endpoints.items()
        if name not in used.get("endpoint", set()) and not isinstance(endpoint, UndefinedEndpoint)
    ]
    if idle:
        yield Finding(
            "endpoint-in-no-analysis",
            "remark",
            "analyses",
            f"No analysis uses {listed(idle)}.",
            "An endpoint without a planned analysis invites one that is chosen when the results "
            "are known.",
            "Plan an analysis, or say that it is only listed.",
        )
