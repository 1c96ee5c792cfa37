"""Estimands in words, and whether the records allow them."""

from __future__ import annotations

import polars as pl

from stromal.analysis.analysed import Analysed, anchor_of
from stromal.analysis.results import Attribute
from stromal.endpoints.describe import describe_endpoint
from stromal.protocol import Protocol
from stromal.protocol.analyses import Analysis
from stromal.protocol.analysis_base import TimedAnalysis
from stromal.protocol.estimands import IntercurrentEvent

__all__ = ["describe_estimand", "unrecorded"]

_HANDLED = {
    "treatment policy": "whatever happens counts: it ends nothing",
    "composite": "it is itself one of the events",
    "while alive": "what would have come after it is not asked for",
    "hypothetical": (
        "as if it had not happened: censored on its day, which supposes that whoever had it would "
        "have gone on like the others"
    ),
    "principal stratum": "only those in whom it would not happen",
}

_MEASURES = {
    "proportion": "the proportion",
    "survival": "the probability to be without the event",
    "cumulative incidence": "the cumulative incidence, competing events apart",
    "restricted mean": "the mean time without the event",
    "hazards": "the hazard ratio",
    "mean events": "the mean number of events",
    "state occupation": "the probability to be in the state",
    "current survival": "the probability to be alive and not in the state",
    "change": "the mean change from baseline",
    "summary": "median and range",
}


def describe_estimand(protocol: Protocol, analysis: Analysis) -> tuple[Attribute, ...]:
    """Give the attributes of an analysis's estimand in words; none without one.

    Population, treatment, variable, each intercurrent event with its strategy, summary measure.
    """
    if analysis.estimand is None:
        return ()
    endpoint = protocol.endpoints.get(analysis.endpoint or "")
    variable = analysis.label
    if endpoint is not None:
        variable = f"{endpoint.label}. {describe_endpoint(endpoint, protocol.anchors)}"
    events = [
        Attribute(
            f"Intercurrent event: {event.words}",
            f"{event.handled}: {_handled(event, analysis)}"
            + (f" ({event.why})" if event.why else ""),
        )
        for event in analysis.estimand.intercurrent
    ]
    return (
        Attribute("Population", protocol.analysis_sets[analysis.set].label),
        Attribute("Treatment", analysis.estimand.treatment),
        Attribute("Variable", variable),
        *events,
        Attribute("Summary measure", _measure(analysis)),
    )


def unrecorded(found: Analysed) -> list[str]:
    """Say which intercurrent events ended observation although they should end nothing.

    Of those who had an event handled by treatment policy, none was observed after its day: what
    happened then was not recorded, and the estimand cannot be estimated from what was.
    """
    spec = found.spec
    if spec.estimand is None or not isinstance(spec, TimedAnalysis) or found.rows.is_empty():
        return []
    anchor = anchor_of(found.context, spec.endpoint)
    policies = [
        event for event in spec.estimand.intercurrent if event.handled == "treatment policy"
    ]
    told = (_ended_by(found, event, anchor) for event in policies)
    return [why for why in told if why]


def _ended_by(found: Analysed, event: IntercurrentEvent, anchor: str) -> str:
    """Say that nobody was observed after an event; empty where somebody was, or nobody had it."""
    first = found.context.first_events([event], anchor).select("p", at="day")
    met = found.rows.join(first, on="p").filter(pl.col("at") <= pl.col("day"))
    if met.is_empty() or (met["day"] > met["at"]).any() or (met["status"] != "censored").any():
        return ""
    return (
        f"{event.words} is handled by treatment policy, but observation of all {met.height} "
        "participants who had it ends on its day: what followed was not recorded"
    )


def _handled(event: IntercurrentEvent, analysis: Analysis) -> str:
    """Say what a strategy comes to in an analysis."""
    if event.handled == "composite" and not isinstance(analysis, TimedAnalysis):
        return "who has it counts as without response"
    return _HANDLED[event.handled]


def _measure(analysis: Analysis) -> str:
    """Say the summary measure of an analysis."""
    measure = _MEASURES[analysis.estimate]
    at = getattr(analysis, "at", None)
    until = getattr(analysis, "until", None) or getattr(analysis, "mean_until", None)
    if at is not None:
        measure += " by day " + ", ".join(str(int(day)) for day in at)
    elif until is not None:
        measure += f" up to day {int(until)}"
    grouped = analysis.by or getattr(analysis, "by_infusion", None)
    compared = f", compared by {', '.join(analysis.tests)}" if analysis.tests else ""
    return measure + (f", by {grouped.replace('_', ' ')}" if grouped else "") + compared
