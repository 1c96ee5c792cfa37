"""Endpoints in words: what is derived, as a reader of a report needs it."""

from __future__ import annotations

from collections.abc import Mapping

from stromal.core import Source
from stromal.endpoints.provisos import describe_proviso
from stromal.endpoints.runs import describe_count, describe_run
from stromal.endpoints.state_words import describe_rule
from stromal.endpoints.support import describe_line
from stromal.protocol.endpoints import (
    AdjudicatedEndpoint,
    AssessedAt,
    AssessedBest,
    ChainEndpoint,
    Cytopenia,
    CytopeniaEndpoint,
    Endpoint,
    EventCountEndpoint,
    EventSpec,
    Failure,
    FailureEndpoint,
    GradedEndpoint,
    RecoveryEndpoint,
    ResponseEndpoint,
    StateEndpoint,
    TimeToEventEndpoint,
    UndefinedEndpoint,
)
from stromal.protocol.rules import CountRule, NadirRule, RunRule
from stromal.protocol.states import CountsHold, NoLonger, State, StateRule, Transfused
from stromal.protocol.timing import Anchor

__all__ = ["describe_endpoint", "leaves_open", "sources_of"]


def describe_endpoint(endpoint: Endpoint, anchors: Mapping[str, Anchor]) -> str:
    """Say in plain sentences what an endpoint is and from when its days count.

    Parameters
    ----------
    endpoint
        The endpoint.
    anchors
        The protocol's anchors, whose labels name the moments.
    """
    said = _rule_of(endpoint, anchors)
    anchor = getattr(endpoint, "from_", None)
    if anchor is not None:
        said += f" Days count from {_moment(anchor, anchors)}."
    competing: list[EventSpec] = getattr(endpoint, "competing", [])
    if competing:
        said += f" Competing events: {', '.join(_event(spec) for spec in competing)}."
    until = getattr(endpoint, "until", None)
    if until is not None:
        said += f" Looked for up to day {int(until)}."
    return said


def sources_of(endpoint: Endpoint) -> tuple[Source, ...]:
    """Give the sources of an endpoint's definition."""
    definition = _definition(endpoint)
    return tuple(getattr(definition, "sources", ()))


def leaves_open(endpoint: Endpoint) -> str:
    """Say what the source of a definition leaves open, if anything."""
    return getattr(_definition(endpoint), "leaves_open", None) or ""


def _definition(endpoint: Endpoint) -> object:
    """Give the part of an endpoint that holds its definition."""
    for family in (
        "recovery",
        "cytopenia",
        "failure",
        "response",
        "time_to_event",
        "adjudicated",
        "state",
        "graded",
    ):
        definition = getattr(endpoint, family, None)
        if definition is not None:
            return definition
    return None


def _rule_of(endpoint: Endpoint, anchors: Mapping[str, Anchor]) -> str:  # noqa: C901, PLR0911  (one case a family)
    """Say the rule of an endpoint."""
    match endpoint:
        case RecoveryEndpoint(recovery=rule):
            after = (
                f", after the nadir (sought on days 0 to {int(rule.after.nadir_within)})"
                if isinstance(rule.after, NadirRule)
                else ""
            )
            return f"The first day of the first run of {_run(rule)} with {_count(rule)}{after}."
        case CytopeniaEndpoint(cytopenia=rule):
            return _fall(rule)
        case FailureEndpoint(failure=rule):
            return _failure(rule)
        case ResponseEndpoint(response=rule, assessed=assessed):
            levels = [
                f"{name}: {' and '.join(_count(count) for count in level.counts)}"
                + (f", held for {_run(level.held)}" if level.held else "")
                for name, level in rule.levels.items()
            ]
            return (
                f"{'; '.join(levels)}; otherwise {rule.otherwise}. {_assessed(assessed, anchors)}"
            )
        case TimeToEventEndpoint(time_to_event=rule):
            events = ", ".join(_event(spec) for spec in rule.events)
            return f"Time to the first of: {events}."
        case AdjudicatedEndpoint(adjudicated=rule, assessed=assessed):
            due = f" {_assessed(assessed, anchors)}" if assessed is not None else ""
            return f"Judged by people, not derived from counts: {rule.criteria}.{due}"
        case EventCountEndpoint():
            return _counted(endpoint)
        case ChainEndpoint(chain=chain):
            steps = " -> ".join(_plain(step) for step in chain.steps)
            return f"How far each participant went along: {steps}, each event leading to the next."
        case StateEndpoint(state=rule):
            return _state(rule)
        case GradedEndpoint(graded=rule, within=within):
            title = rule.title or rule.definition or "a grading spelled out"
            apart = f", or up to {int(within)} days before" if within else ""
            return (
                f"The worst grade ({', '.join(rule.grades)}) by {title}, of what was assessed on "
                f"one day{apart}."
            )
        case UndefinedEndpoint(not_defined=missing):
            return f"Not defined in the protocol: {missing}"


def _counted(endpoint: EventCountEndpoint) -> str:
    """Say what is counted."""
    rule = endpoint.event_count
    start = f" From day {int(endpoint.start)} on." if endpoint.start else ""
    rate = f" With the rate per {int(rule.per)} days observed." if rule.per else ""
    if rule.transfused is not None:
        product = _plain(rule.transfused)
        return f"Number of days with a transfusion of {product}.{start}{rate}"
    which = "any adverse event" if rule.events == "any" else ", ".join(map(_plain, rule.events))
    grade = f" of grade {rule.grade_at_least} or more" if rule.grade_at_least else ""
    related = f" related to {' or '.join(rule.related_to)}" if rule.related_to else ""
    once = (
        f" One of the same name less than {int(rule.distinct_after)} days after the one before it "
        "is the same event."
        if rule.distinct_after
        else ""
    )
    return f"Number of events: {which}{grade}{related}. Graded by: {rule.scale}.{once}{start}{rate}"


def _state(rule: State) -> str:
    """Say what begins a state and what ends it."""
    start = f" on day {int(rule.start)} or later" if rule.start else ""
    return (
        f"A state that begins{start} with {_change(rule.begins)} and ends with "
        f"{_change(rule.ends)}; it may begin again."
    )


def _change(rule: StateRule) -> str:
    """Say one rule of a state."""
    if isinstance(rule, NoLonger):
        return f"the first day of the first run of {_run(rule)} on which those are not held"
    if isinstance(rule, CountsHold):
        counts = "; ".join(_count(count) for count in rule.counts)
        which = counts if len(rule.counts) == 1 else f"at least {rule.lines} of: {counts}"
        return f"the first day of the first run of {_run(rule)} with {which}"
    said = describe_rule(rule)
    if isinstance(rule, Transfused):
        return f"the first day of {said}"
    return said


def _fall(rule: Cytopenia) -> str:
    """Say a lasting fall and its provisos."""
    counts = "; ".join(
        describe_line(line) if line.or_supported or line.and_supported else _count(line)
        for line in rule.counts
    )
    which = counts if len(rule.counts) == 1 else f"at least {rule.lines} of: {counts}"
    begun = f", begun on day {int(rule.start)} or later" if rule.start else ""
    after = f", after {' and '.join(map(_plain, rule.after_all))}" if rule.after_all else ""
    said = f"The first day of the first run of {_run(rule)} with {which}{begun}{after}."
    if rule.provided:
        said += f" Provided: {'; '.join(map(describe_proviso, rule.provided))}."
    return said


def _failure(rule: Failure) -> str:
    """Say a failure by a fixed day."""
    causes = [f"no {_plain(rule.endpoint)}"] if rule.endpoint is not None else []
    causes += map(describe_proviso, rule.or_)
    said = f"By day {int(rule.by)}: {', or '.join(causes)}."
    if rule.provided:
        said += f" Provided: {'; '.join(map(describe_proviso, rule.provided))}."
    return said


def _moment(name: str, anchors: Mapping[str, Anchor]) -> str:
    """Name a moment by its label."""
    return anchors[name].label or _plain(name)


def _plain(name: str) -> str:
    """Write a name of the protocol with blanks."""
    return name.replace("_", " ")


def _run(rule: RunRule) -> str:
    """Say a run and its largest gap."""
    if rule.run == 1:
        return "1 day"
    said = describe_run(rule)
    if rule.of == "consecutive days":
        return said
    return said + (f", at most {rule.gap} days apart" if rule.gap else "")


def _count(rule: CountRule) -> str:
    """Say a count and the freedom from transfusion it needs."""
    said = describe_count(rule)
    free = rule.without_transfusion
    if rule.without_drug is not None:
        return f"{said} on days without {_plain(rule.without_drug.name)}"
    if free is None:
        return said
    product = _plain(free.product)
    parts: list[str] = []
    if free.for_ is not None:
        days = int(free.for_)
        parts.append(f"in the {days} days before (first evaluable day: transfusion day + {days})")
    if "during" in free.when:
        parts.append("during the run")
    return f"{said} without transfusion of {product} {' and '.join(parts)}"


def _event(spec: EventSpec) -> str:
    """Say an event."""
    if spec.endpoint is not None:
        return f"{_plain(spec.endpoint)} = {' or '.join(spec.is_ or [])}"
    grade = f" of grade {spec.grade_at_least} or more" if spec.grade_at_least else ""
    cause = f" ({spec.cause})" if spec.cause else ""
    return f"{_plain(spec.event or '')}{grade}{cause}"


def _assessed(assessed: AssessedAt | AssessedBest, anchors: Mapping[str, Anchor]) -> str:
    """Say when a response is assessed and what its absence means."""
    choice = {"no response": "counts as no response", "not in set": "is left out"}
    absence = (
        f"A missing assessment {choice[assessed.missing]}; "
        f"death before it {choice[assessed.death]}."
    )
    moment = _moment(assessed.from_, anchors)
    if isinstance(assessed, AssessedBest):
        return f"Best level from {moment} to day {int(assessed.best_until)}. {absence}"
    window = (
        "visit window not stated"
        if assessed.visit_window == "not stated"
        else f"window {int(assessed.visit_window[0]):+d} to {int(assessed.visit_window[1]):+d} days"
    )
    return f"Assessed {int(assessed.at)} days after {moment} ({window}). {absence}"
