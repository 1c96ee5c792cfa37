"""Analyses against the endpoints, arms and sets that they use."""

from __future__ import annotations

from collections.abc import Iterator

from stromal.core import Finding
from stromal.protocol.analyses import (
    Analysis,
    CumulativeIncidenceAnalysis,
    SurvivalAnalysis,
)
from stromal.protocol.analysis_base import TimedAnalysis
from stromal.protocol.consistency.families import kind_of_result
from stromal.protocol.consistency.view import View
from stromal.protocol.consistency.words import in_words, listed
from stromal.protocol.endpoints import Endpoint, TimeFrame
from stromal.protocol.model_analyses import RestrictedMeanAnalysis
from stromal.protocol.timing import InfusionAnchor

__all__ = ["check_analyses"]


def check_analyses(view: View) -> Iterator[Finding]:
    """Check the analyses.

    1. `analysis-of-undefined-endpoint`, `analysis-unlike-endpoint`: the endpoint has no result, or
       not the kind of result that the estimate needs.
    2. `analysis-after-follow-up`, `analysis-after-time-frame`: an estimate at a time that the
       endpoint does not reach.
    3. `survival-with-competing-events`: Kaplan-Meier where events compete.
    4. `comparison-without-groups`, `by-arm-with-one-arm`.
    5. `no-primary-analysis`, `several-primary-analyses`.
    6. `immortal-time`: time counts from an anchor, and the analysis set asks for something that
       happens later.
    """
    protocol = view.protocol
    for name, analysis in protocol.analyses.items():
        where = f"analyses.{name}"
        endpoint = protocol.endpoints.get(analysis.endpoint or "")
        if endpoint is not None:
            yield from _kinds(where, analysis, endpoint)
            yield from _times(view, where, analysis, endpoint)
            yield from _immortal(view, where, analysis, endpoint)
        yield from _groups(view, where, analysis)
    yield from _primary(view)


def _kinds(where: str, analysis: Analysis, endpoint: Endpoint) -> Iterator[Finding]:
    """Compare the estimate with the kind of the endpoint's result."""
    kind = kind_of_result(endpoint)
    if kind == "nothing":
        yield Finding(
            "analysis-of-undefined-endpoint",
            "contradiction",
            f"{where}.endpoint",
            f"{analysis.label}: the endpoint `{analysis.endpoint}` has no definition.",
            "There is nothing to analyse.",
            "Define the endpoint, or remove the analysis.",
        )
        return
    if isinstance(analysis, TimedAnalysis) and kind != "time":
        yield Finding(
            "analysis-unlike-endpoint",
            "contradiction",
            f"{where}.estimate",
            f"{analysis.label}: {analysis.estimate} needs a time to event, but "
            f"`{analysis.endpoint}` gives a {kind}.",
            "The estimate does not exist.",
            "Estimate a proportion, or define a time to event.",
        )
    competing = getattr(endpoint, "competing", [])
    marginal = isinstance(analysis, SurvivalAnalysis | RestrictedMeanAnalysis)
    if (marginal or getattr(analysis, "model", None) == "cox") and competing:
        yield Finding(
            "survival-with-competing-events",
            "contradiction",
            f"{where}.estimate",
            f"{analysis.label} is estimated as if nothing competed, but `{analysis.endpoint}` has "
            "competing events.",
            "Kaplan-Meier takes a competing event for censoring, as if the participant could still "
            "have the event, and overestimates how many do.",
            "Estimate the cumulative incidence.",
        )


def _times(view: View, where: str, analysis: Analysis, endpoint: Endpoint) -> Iterator[Finding]:
    """Compare the times of an estimate with the endpoint's end and its time frame."""
    if not isinstance(analysis, SurvivalAnalysis | CumulativeIncidenceAnalysis):
        return
    latest = max(int(at) for at in analysis.at)
    until = getattr(endpoint, "until", None)
    if until is not None and latest > int(until):
        yield Finding(
            "analysis-after-follow-up",
            "contradiction",
            f"{where}.at",
            f"{analysis.label} is estimated at {in_words(latest)}, but `{analysis.endpoint}` ends "
            f"at {in_words(int(until))}.",
            "Between the two nothing is observed.",
            "Let the endpoint last as long as the estimate needs.",
        )
    frame: TimeFrame | None = endpoint.time_frame
    start = getattr(endpoint, "from_", None)
    offset = None if frame is None or start is None else view.exact(frame.from_, start)
    if frame is not None and offset is not None and latest + offset > int(frame.between[1]):
        yield Finding(
            "analysis-after-time-frame",
            "gap",
            f"{where}.at",
            f"{analysis.label} is estimated at {in_words(latest)} after "
            f"{view.anchor(start or '')}, but its time frame ends on day {frame.between[1]}.",
            "The estimate is not the one that the time frame promises.",
            "Estimate within the time frame, or widen it.",
        )


def _immortal(view: View, where: str, analysis: Analysis, endpoint: Endpoint) -> Iterator[Finding]:
    """Find time that nobody in the set could have died in."""
    start = getattr(endpoint, "from_", None)
    if not isinstance(analysis, TimedAnalysis) or start is None or analysis.landmark is not None:
        return
    chosen = view.protocol.analysis_sets[analysis.set]
    later = [
        name
        for name, anchor in view.protocol.anchors.items()
        if name == chosen.has
        or (isinstance(anchor, InfusionAnchor) and anchor.infusion == chosen.infused)
    ]
    days = [days for name in later if (days := view.least.get((start, name))) is not None]
    if not days or max(days) <= 0:
        return
    yield Finding(
        "immortal-time",
        "gap",
        f"{where}.set",
        f"{analysis.label} counts from {view.anchor(start)}, but the analysis set "
        f"`{analysis.set}` ({chosen.label}) asks for what comes at least {in_words(max(days))} "
        "later.",
        "To be in the set a participant had to live and stay until then. Counting that time as if "
        "it had been at risk biases the estimate, and makes survival look better than it is.",
        f"Count from {view.anchor(later[0])}, or from a landmark that all have reached.",
    )


def _groups(view: View, where: str, analysis: Analysis) -> Iterator[Finding]:
    """Look for groups that a comparison needs."""
    compared = analysis.tests
    grouped = analysis.by is not None or getattr(analysis, "by_infusion", None) is not None
    chosen = view.protocol.analysis_sets[analysis.set].arms
    arms = set(view.protocol.arms) if chosen is None else set(chosen)
    one = len(arms) == 1
    if compared and (not grouped or (analysis.by == "arm" and one)):
        reason = "there is one arm" if grouped else "no groups are named (`by`)"
        yield Finding(
            "comparison-without-groups",
            "contradiction",
            f"{where}.compare",
            f"{analysis.label}: {listed(compared)} compares groups, but {reason}.",
            "There is nothing to compare with.",
            "Name the groups, or remove the comparison.",
        )
    elif analysis.by == "arm" and one:
        yield Finding(
            "by-arm-with-one-arm",
            "remark",
            f"{where}.by",
            f"{analysis.label} is given by arm, and there is one arm.",
            "It repeats the whole.",
            "Remove `by`.",
        )


def _primary(view: View) -> Iterator[Finding]:
    """Look for the primary analysis."""
    primary = [name for name, a in view.protocol.analyses.items() if a.role == "primary"]
    if not primary:
        yield Finding(
            "no-primary-analysis",
            "gap",
            "analyses",
            "No analysis is primary.",
            "Which result answers the trial's question could be chosen when the results are known.",
            "Give one analysis the role primary.",
        )
    joined = view.protocol.multiplicity
    if len(primary) > 1 and not (joined and set(primary) <= set(joined.analyses)):
        yield Finding(
            "several-primary-analyses",
            "gap",
            "analyses",
            f"{len(primary)} analyses are primary ({listed(primary)}), and nothing says how they "
            "are taken together.",
            "With several primary results one of them succeeds by chance more often than planned.",
            "Choose one, or join them by `multiplicity`.",
        )
