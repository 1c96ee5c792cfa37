"""Time frames and windows against the rules and the treatment that they should hold."""

from __future__ import annotations

from collections.abc import Iterator

from stromal.core import Finding
from stromal.protocol.consistency.published import Condition
from stromal.protocol.consistency.view import PlannedStretch, View
from stromal.protocol.consistency.words import in_words, listed
from stromal.protocol.endpoints import (
    AssessedAt,
    CytopeniaEndpoint,
    Endpoint,
    RecoveryEndpoint,
    ResponseEndpoint,
    TimeFrame,
    TimeToEventEndpoint,
)

__all__ = ["check_time_frames"]


def check_time_frames(view: View) -> Iterator[Finding]:
    """Check time frames.

    1. `time-frame-reversed`: a time frame ends before it begins.
    2. `time-frame-closes-before-rule`: it ends before the earliest day on which the endpoint's rule
       can be decided: days of the rule itself, the planned day of what it counts from, and the
       earliest diagnosis of the trial's condition by the published rules.
    3. `time-frame-against-treatment`: it ends before the first, or before the last, planned
       infusion.
    4. `time-frame-not-in-rule`: the rule goes on counting after the time frame has ended.
    5. `rule-longer-than-follow-up`: the rule needs more days than `until` leaves.
    """
    for name, endpoint in view.protocol.endpoints.items():
        frame = endpoint.time_frame
        if frame is not None:
            yield from _reversed(name, frame)
            yield from _closes_before_rule(view, name, endpoint, frame)
            yield from _not_in_rule(view, name, endpoint, frame)
        yield from _longer_than_follow_up(name, endpoint)
    yield from _against_treatment(view)


def _reversed(name: str, frame: TimeFrame) -> Iterator[Finding]:
    """Find a time frame whose end comes before its beginning."""
    low, high = frame.between
    if low > high:
        yield Finding(
            "time-frame-reversed",
            "contradiction",
            f"endpoints.{name}.time_frame.between",
            f"The time frame begins on day {low} and ends before that, on day {high}.",
            "No day lies in it, so nothing can be observed.",
            "Write the earlier day first.",
        )


def _needs(endpoint: Endpoint) -> tuple[str, int, list[str]] | None:
    """Give what the rule counts from, the fewest days it needs, and the reasons in words."""
    if isinstance(endpoint, RecoveryEndpoint):
        span = endpoint.recovery.span
        return endpoint.from_, span, [f"the run of counts itself takes {in_words(span + 1)}"]
    if isinstance(endpoint, CytopeniaEndpoint):
        days = int(endpoint.cytopenia.start) + endpoint.cytopenia.span
        return endpoint.from_, days, [f"the rule itself needs {in_words(days)}"]
    if isinstance(endpoint, ResponseEndpoint):
        return _response_needs(endpoint)
    return None


def _response_needs(endpoint: ResponseEndpoint) -> tuple[str, int, list[str]]:
    """Give what a response needs before each of its levels, no response included, can be said."""
    reasons: list[tuple[int, str]] = []
    spans = [level.held.span for level in endpoint.response.levels.values() if level.held]
    if spans:
        reasons.append((min(spans), f"the counts must hold for {in_words(min(spans) + 1)}"))
    waited = endpoint.response.no_response_after
    if waited is not None:
        reasons.append(
            (int(waited), f"no response is said only after {in_words(int(waited))} of treatment")
        )
    assessed = endpoint.assessed
    if isinstance(assessed, AssessedAt):
        window = assessed.visit_window
        early = 0 if isinstance(window, str) else min(0, int(window[0]))
        reasons.append(
            (int(assessed.at) + early, f"the response is assessed at {in_words(int(assessed.at))}")
        )
    days = max((days for days, _ in reasons), default=0)
    return assessed.from_, days, [text for _, text in reasons]


def _closes_before_rule(
    view: View, name: str, endpoint: Endpoint, frame: TimeFrame
) -> Iterator[Finding]:
    """Find a time frame that ends before its rule can be decided."""
    needs = _needs(endpoint)
    if needs is None or frame.between[0] > frame.between[1]:
        return
    start, days, reasons = needs
    high = int(frame.between[1])
    offset = view.least.get((frame.from_, start))
    if (offset is not None and offset + days <= high) or days + (offset or 0) <= high:
        return
    opening = (
        f"The time frame of this endpoint closes on day {high} after {view.anchor(frame.from_)}, "
    )
    reason_text = f"{listed(reasons)} after {view.anchor(start)}"
    where = f"endpoints.{name}.time_frame"
    why = (
        "Nobody can be classified by the rule inside the window in which the result is to be read: "
        "either every participant is assessed outside it, or the rule is cut short without saying "
        "so."
    )
    remedy = (
        f"Count the time frame from {view.anchor(start)} and let it reach at least day {days}, or "
        "shorten the rule."
    )
    if offset is None:
        yield Finding(
            "time-frame-closes-before-rule",
            "gap",
            where,
            f"{opening}and its rule cannot be decided before day {days} after "
            f"{view.anchor(start)}: {reason_text}. The two agree only if {view.anchor(start)} "
            f"comes at least {days - high} days before {view.anchor(frame.from_)}, which the "
            "protocol does not say.",
            why,
            remedy,
        )
        return
    yield Finding(
        "time-frame-closes-before-rule",
        "contradiction",
        where,
        f"{opening}but its rule cannot be decided before day {offset + days}: {reason_text}"
        f"{_earliest_in_words(view, frame.from_, start, offset)}.{_schedule_in_words(view)}",
        why,
        remedy,
    )


def _earliest_in_words(view: View, origin: str, start: str, offset: int) -> str:
    """Say when what the rule counts from can come at the earliest, and by which published rules."""
    if origin == start:
        return ""
    text = (
        f"; and {view.anchor(start)} comes on day {offset} after {view.anchor(origin)} at the "
        "earliest"
    )
    late = view.late_conditions(origin)
    if late:
        text += f", because {listed(_onset_in_words(condition) for condition in late)}"
    return text


def _onset_in_words(condition: Condition) -> str:
    """Say on which day the published rules allow the diagnosis."""
    by_day: dict[int, list[str]] = {}
    for rule in condition.onset:
        if rule.day is not None:
            by_day.setdefault(rule.day, []).append(rule.source.text.split(" (")[0])
    days = listed((f"day {day} ({'; '.join(by_day[day])})" for day in sorted(by_day)), last="or")
    return (
        f"the published rules that name a day let {condition.name} be diagnosed on {days} at the "
        "earliest"
    )


def _schedule_in_words(view: View) -> str:
    """Say how long the planned infusions take."""
    parts = [
        f"{stretch.infusions} planned infusions of {stretch.product} alone take "
        f"{in_words(stretch.last - stretch.first)} from the first to the last"
        for stretch in view.stretches
        if stretch.last is not None and stretch.last > stretch.first
    ]
    return f" The {listed(dict.fromkeys(parts))}." if parts else ""


def _not_in_rule(view: View, name: str, endpoint: Endpoint, frame: TimeFrame) -> Iterator[Finding]:
    """Find a rule that goes on counting after its time frame."""
    if not isinstance(endpoint, RecoveryEndpoint | CytopeniaEndpoint | TimeToEventEndpoint):
        return
    offset = view.exact(frame.from_, endpoint.from_)
    high = int(frame.between[1])
    if offset is None or frame.between[0] > frame.between[1]:
        return
    until = endpoint.until
    if until is not None and int(until) + offset <= high:
        return
    counted = "without an end" if until is None else f"until day {int(until)}"
    yield Finding(
        "time-frame-not-in-rule",
        "remark",
        f"endpoints.{name}",
        f"The time frame ends on day {high} after {view.anchor(frame.from_)}, but the rule counts "
        f"from {view.anchor(endpoint.from_)} {counted}.",
        "An event after the time frame still counts as an event.",
        "Give the endpoint an `until` that agrees with its time frame, or widen the time frame.",
    )


def _longer_than_follow_up(name: str, endpoint: Endpoint) -> Iterator[Finding]:
    """Find a rule that needs more days than the endpoint's `until` leaves."""
    if not isinstance(endpoint, RecoveryEndpoint | CytopeniaEndpoint) or endpoint.until is None:
        return
    needs = _needs(endpoint)
    if needs is not None and needs[1] > int(endpoint.until):
        yield Finding(
            "rule-longer-than-follow-up",
            "contradiction",
            f"endpoints.{name}.until",
            f"The endpoint ends on day {int(endpoint.until)}, but its rule needs "
            f"{in_words(needs[1])} before it can be met.",
            "No participant can ever have the event.",
            "Lengthen `until` or shorten the rule.",
        )


def _against_treatment(view: View) -> Iterator[Finding]:
    """Find time frames that end before the treatment which they judge; equal ones are told once."""
    frames: dict[tuple[str, int, int], list[str]] = {}
    for name, endpoint in view.protocol.endpoints.items():
        frame = endpoint.time_frame
        if frame is not None and frame.between[0] <= frame.between[1]:
            key = (frame.from_, int(frame.between[0]), int(frame.between[1]))
            frames.setdefault(key, []).append(name)
    for (origin, low, high), names in frames.items():
        for stretch in view.stretches:
            offset = view.least.get((origin, stretch.anchor))
            if offset is not None:
                yield from _one_against_treatment(view, (origin, low, high), names, stretch, offset)


def _one_against_treatment(
    view: View,
    frame: tuple[str, int, int],
    names: list[str],
    stretch: PlannedStretch,
    offset: int,
) -> Iterator[Finding]:
    """Compare one time frame with one stretch of planned infusions."""
    origin, low, high = frame
    first = offset + stretch.first
    last = offset + (stretch.last if stretch.last is not None else stretch.first)
    if high >= last:
        return
    late = view.late_conditions(origin)
    days = [rule.day for condition in late for rule in condition.onset if rule.day is not None]
    impossible = high < first or any(day > high for day in days)
    because = f": {listed(_onset_in_words(condition) for condition in late)}" if late else ""
    number = f"infusion {stretch.infusions}" if stretch.last is not None else "the first infusion"
    others = f" The same time frame stands in {listed(names)}." if len(names) > 1 else ""
    yield Finding(
        "time-frame-against-treatment",
        "contradiction" if impossible else "remark",
        f"endpoints.{names[0]}.time_frame",
        f"The time frame of days {low} to {high} after {view.anchor(origin)} does not hold the "
        f"planned treatment: the first infusion of {stretch.product} falls on day {first} at the "
        f"earliest and {number} on day {last}{because}.{others}",
        "What is read in the time frame is then mostly not an effect of the treatment, whose last "
        "infusions come after it.",
        "Count the time frame from the first infusion and let it reach beyond the last one.",
    )
