"""Whether an estimand can be estimated by the analysis that claims it.

ICH E9(R1) asks of every intercurrent event how it is handled. The endpoint's definition already
handles each event in one way; here the two are held against each other.
"""

from __future__ import annotations

from stromal.protocol.analyses import Analysis
from stromal.protocol.endpoints import (
    AdjudicatedEndpoint,
    Endpoint,
    EventCountEndpoint,
    EventSpec,
    EventTimes,
    ResponseEndpoint,
)
from stromal.protocol.estimands import IntercurrentEvent
from stromal.protocol.model_analyses import MeanEventsAnalysis
from stromal.protocol.protocol import Protocol

__all__ = ["not_estimable", "unnamed_events"]


def not_estimable(protocol: Protocol, analysis: Analysis) -> list[str]:
    """Say why the estimand of an analysis is not what it estimates; empty where it is.

    1. `principal stratum`: refused. Who belongs to the stratum is not recorded for anyone.
    2. `treatment policy`, `hypothetical` of death: refused. After death there is no value, and a
       trial does not show what a world without death would.
    3. `composite`: the event is one of those of a time to event; for a response it is death, which
       `assessed` counts as no response.
    4. `while alive`: the event is competing; for a mean number of events it is that of `terminal`;
       for a count it is death.
    5. `treatment policy`: the event is neither among the endpoint's events nor competing.
    6. `hypothetical`: of a time to event whose events and competing events do not have it; the
       analysis then censors on its day.

    References
    ----------
    ICH E9(R1) addendum on estimands and sensitivity analysis in clinical trials (2019).
    """
    endpoint = protocol.endpoints.get(analysis.endpoint or "")
    if analysis.estimand is None or endpoint is None:
        return []
    found: list[str] = []
    for event in analysis.estimand.intercurrent:
        why = _why_not(protocol, analysis, endpoint, event)
        if why:
            found.append(f"{event.words} is handled as {event.handled}, but {why}")
    return found


def unnamed_events(protocol: Protocol, analysis: Analysis) -> list[str]:
    """Name the competing events of an endpoint that the estimand does not mention."""
    endpoint = protocol.endpoints.get(analysis.endpoint or "")
    if analysis.estimand is None or endpoint is None:
        return []
    named = analysis.estimand.intercurrent
    return [
        _words(spec)
        for spec in _competing(endpoint)
        if not any(_same(spec, event) for event in named)
    ]


def _why_not(  # noqa: PLR0911  (one return a strategy)
    protocol: Protocol, analysis: Analysis, endpoint: Endpoint, event: IntercurrentEvent
) -> str:
    """Say why one strategy is not what the analysis does; empty where it is."""
    death = event.event == "death"
    match event.handled:
        case "principal stratum":
            return (
                "nobody's record says in whom it would not happen under the other treatment: the "
                "stratum cannot be found without assumptions that this program does not make"
            )
        case "treatment policy" if death:
            return "after death there is nothing left to observe; use composite or while alive"
        case "hypothetical" if death:
            return "no record shows a world without death; use composite or while alive"
        case "composite":
            return _not_composite(endpoint, event)
        case "while alive":
            return _not_competing(protocol, analysis, endpoint, event)
        case "treatment policy":
            return _ends_it(endpoint, event)
        case "hypothetical":
            if not _is_time(endpoint):
                return (
                    "a result as if it had not happened would have to be imputed, which this "
                    "program does not do"
                )
            return _ends_it(endpoint, event)


def _not_composite(endpoint: Endpoint, event: IntercurrentEvent) -> str:
    """Say why an event is no part of the endpoint."""
    if any(_same(spec, event) for spec in _events(endpoint)):
        return ""
    if isinstance(endpoint, ResponseEndpoint | AdjudicatedEndpoint) and endpoint.assessed:
        if event.event == "death" and endpoint.assessed.death == "no response":
            return ""
        if event.event == "death":
            return "the assessment leaves the dead out of the set; let `death` be no response"
        return "a response counts only death as no response"
    return "it is not among the endpoint's events"


def _not_competing(
    protocol: Protocol, analysis: Analysis, endpoint: Endpoint, event: IntercurrentEvent
) -> str:
    """Say why an event does not end what is asked for."""
    if any(_same(spec, event) for spec in _competing(endpoint)):
        return ""
    if isinstance(analysis, MeanEventsAnalysis):
        terminal = protocol.endpoints.get(analysis.terminal)
        if terminal is not None and any(_same(spec, event) for spec in _events(terminal)):
            return ""
        return "the endpoint `terminal` is not that event"
    if isinstance(endpoint, EventCountEndpoint):
        return "" if event.event == "death" else "only death ends the days on which it counts"
    return "it is not among the endpoint's competing events"


def _ends_it(endpoint: Endpoint, event: IntercurrentEvent) -> str:
    """Say where the endpoint ends at an event that should end nothing."""
    if any(_same(spec, event) for spec in _events(endpoint)):
        return "it is one of the endpoint's events, which is composite"
    if any(_same(spec, event) for spec in _competing(endpoint)):
        return "it is one of the endpoint's competing events, which is while alive"
    return ""


def _events(endpoint: Endpoint) -> list[EventSpec]:
    """Give the events of a time to event."""
    rule = getattr(endpoint, "time_to_event", None)
    return list(rule.events) if isinstance(rule, EventTimes) else []


def _competing(endpoint: Endpoint) -> list[EventSpec]:
    """Give the competing events of an endpoint."""
    found: list[EventSpec] = getattr(endpoint, "competing", [])
    return list(found)


def _is_time(endpoint: Endpoint) -> bool:
    """Whether an endpoint gives a time to an event."""
    assessed = getattr(endpoint, "assessed", None)
    return hasattr(endpoint, "competing") and assessed is None


def _same(one: EventSpec, other: EventSpec) -> bool:
    """Whether two specifications mean the same event."""
    keys = ("event", "grade_at_least", "cause", "endpoint", "is_")
    return all(getattr(one, key) == getattr(other, key) for key in keys)


def _words(spec: EventSpec) -> str:
    return str(spec.event or spec.endpoint).replace("_", " ")
