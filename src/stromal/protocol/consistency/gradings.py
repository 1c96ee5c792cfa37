"""Gradings against the visits that assess their items and the draws that count for them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from stromal.core import Finding
from stromal.protocol.consistency.view import View
from stromal.protocol.consistency.words import COUNTS, level, listed
from stromal.protocol.endpoints import EventSpec, GradedEndpoint, TimeToEventEndpoint
from stromal.protocol.grading import Grading

__all__ = ["check_gradings"]


def check_gradings(view: View) -> Iterator[Finding]:
    """Check the graded endpoints.

    1. `scale-not-assessed`: the `assess` of no visit names the scale of a grading, its outcome, its
       definition or any of its items and recorded steps. Names and labels are compared without
       case; a visit that names more than the name alone (`acute GVHD by organ`) assesses it too.
    2. `item-not-assessed`: visits name some items of the scale and not the scale, and the result
       needs others. An item is not needed where the step that it goes into is recorded and named,
       or where silence has a meaning of its own.
    3. `graded-count-not-drawn`: a blood count that a grading reads is in no plan of draws.
    4. `disease-in-two-tables`: a time to event, or what competes with an endpoint, reads a disease
       from the events table that another endpoint grades from the assessments.
    """
    texts = [_plain(text) for visit in view.protocol.visits for text in visit.assess]
    for name, endpoint in view.protocol.endpoints.items():
        if isinstance(endpoint, GradedEndpoint):
            yield from _assessed(f"endpoints.{name}.graded", name, endpoint, texts)
            yield from _drawn(view, f"endpoints.{name}.graded", endpoint)
    yield from _in_two_tables(view)


def _assessed(
    where: str, name: str, endpoint: GradedEndpoint, texts: list[str]
) -> Iterator[Finding]:
    """Look for the items of a grading among what the visits assess."""
    grading = endpoint.graded
    whole = [name, endpoint.label, grading.scale, grading.outcome, grading.definition]
    if any(_named(texts, word) for word in whole if word):
        return
    missing = _missing(grading, texts)
    if not missing:
        return
    every = _missing(grading, [])
    if missing == every and not any(_named(texts, word) for word in _parts(grading)):
        yield Finding(
            "scale-not-assessed",
            "gap",
            where,
            f"{endpoint.label}: no planned visit assesses the scale `{grading.scale}`.",
            "Without a planned assessment the grade is known only of whom somebody happened to "
            "look at, and these are the sicker ones.",
            f"Name `{grading.scale}` under `assess` of the visits at which it is assessed.",
        )
        return
    yield Finding(
        "item-not-assessed",
        "gap",
        where,
        f"{endpoint.label}: no planned visit assesses {listed(missing)}.",
        "What is not assessed is unknown, and leaves the grade open wherever it could decide.",
        f"Name them, or the scale `{grading.scale}`, under `assess` of the visits.",
    )


def _parts(grading: Grading) -> Iterator[str]:
    """Give the names and labels of what can be assessed."""
    for name, item in grading.items.items():
        if item.analyte is None and item.variable is None:
            yield from (name, item.label)
    for name, step in grading.steps.items():
        if step.may_be_recorded:
            yield from (name, step.label)


def _missing(grading: Grading, texts: list[str]) -> list[str]:
    """Name the items and recorded steps that the result needs and nobody assesses."""
    missing: dict[str, None] = {}
    ahead, seen = [grading.result], set[str]()
    while ahead:
        name = ahead.pop()
        if name in seen:
            continue
        seen.add(name)
        item, step = grading.items.get(name), grading.steps.get(name)
        label = item.label if item is not None else "" if step is None else step.label
        if item is not None:
            read = item.analyte or item.variable or item.unrecorded
            if read is None and not _any(texts, (name, label)):
                missing[name] = None
        elif step is not None and step.values:
            if not _any(texts, (name, label)):
                missing[name] = None
        elif step is None or not (step.may_be_recorded and _any(texts, (name, label))):
            ahead += sorted(grading.needed(name))
    return [name for name in (*grading.steps, *grading.items) if name in missing]


def _drawn(view: View, where: str, endpoint: GradedEndpoint) -> Iterator[Finding]:
    """Look for the counts of a grading among the planned draws."""
    draws = view.protocol.draws
    if isinstance(draws, str):
        return
    planned = {str(analyte) for plan in draws for analyte in plan.analytes}
    items = endpoint.graded.items.values()
    counts = dict.fromkeys(str(item.analyte) for item in items if item.analyte is not None)
    missing = [COUNTS[analyte] for analyte in counts if analyte not in planned]
    if missing:
        yield Finding(
            "graded-count-not-drawn",
            "gap",
            where,
            f"{endpoint.label} reads {listed(missing)}, which no plan of draws names.",
            "Without the count the grade stays open wherever it could decide.",
            "Add the count to the planned draws.",
        )


def _in_two_tables(view: View) -> Iterator[Finding]:
    """Look for diseases that are read from events here and graded from assessments there."""
    graded = {
        endpoint.graded.outcome: name
        for name, endpoint in view.protocol.endpoints.items()
        if isinstance(endpoint, GradedEndpoint) and endpoint.graded.outcome
    }
    for name, endpoint in view.protocol.endpoints.items():
        specs: list[EventSpec] = list(getattr(endpoint, "competing", []))
        if isinstance(endpoint, TimeToEventEndpoint):
            specs += endpoint.time_to_event.events
        for event in dict.fromkeys(str(spec.event) for spec in specs if spec.event in graded):
            yield Finding(
                "disease-in-two-tables",
                "remark",
                f"endpoints.{name}",
                f"{endpoint.label} reads `{event}` from the events table, and "
                f"`{graded[event]}` grades it from the assessments.",
                "A participant whose assessments show the disease counts as free of it here, "
                "unless somebody also entered it as an event.",
                f"Name the endpoint `{graded[event]}` with its grades as the event, or see to it "
                "that both tables are kept.",
            )


def _plain(text: str) -> str:
    """Level a text or a name for comparison."""
    return level(text.replace("_", " ")).lower()


def _named(texts: Iterable[str], word: str) -> bool:
    """Whether a visit's text holds a name as a whole."""
    pattern = re.compile(rf"(?<![\w-]){re.escape(_plain(word))}(?![\w-])")
    return any(pattern.search(text) for text in texts)


def _any(texts: list[str], words: Iterable[str]) -> bool:
    """Whether a visit's text holds any of some names."""
    return any(_named(texts, word) for word in words if word)
