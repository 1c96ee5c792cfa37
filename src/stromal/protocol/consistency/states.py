"""States against the grades that they rest on."""

from __future__ import annotations

from collections.abc import Iterator

from stromal.core import Finding
from stromal.protocol.consistency.view import View
from stromal.protocol.consistency.words import listed
from stromal.protocol.endpoints import GradedEndpoint, StateEndpoint
from stromal.protocol.states import EventHappens, GradeHolds

__all__ = ["check_states"]


def check_states(view: View) -> Iterator[Finding]:
    """Check the states.

    1. `state-of-no-grade`: a state rests on the grades of an endpoint that is not graded.
    2. `state-of-unknown-grade`: it names a grade that the grading does not have.
    3. `state-begins-and-ends-alike`: one grade, or one event, both begins and ends it.
    """
    for name, endpoint in view.protocol.endpoints.items():
        if not isinstance(endpoint, StateEndpoint):
            continue
        state = endpoint.state
        for part in ("begins", "ends"):
            rule = getattr(state, part)
            if isinstance(rule, GradeHolds):
                yield from _grades(view, f"endpoints.{name}.state.{part}", rule)
        yield from _alike(f"endpoints.{name}.state", endpoint)


def _grades(view: View, where: str, rule: GradeHolds) -> Iterator[Finding]:
    """Look the endpoint and its grades up."""
    graded = view.protocol.endpoints.get(rule.graded)
    if not isinstance(graded, GradedEndpoint):
        yield Finding(
            "state-of-no-grade",
            "contradiction",
            f"{where}.graded",
            f"`{rule.graded}` is no graded endpoint.",
            "It has no grades at assessments, so the state can neither begin nor end.",
            "Name an endpoint with the key `graded`.",
        )
        return
    strange = [grade for grade in rule.is_ if grade not in graded.graded.grades]
    if strange:
        yield Finding(
            "state-of-unknown-grade",
            "contradiction",
            f"{where}.is",
            f"{listed(strange)} is no grade of {rule.graded}, whose grades are "
            f"{listed(graded.graded.grades, last='or')}.",
            "Nobody ever has that grade.",
            "Use the names of the grading.",
        )


def _alike(where: str, endpoint: StateEndpoint) -> Iterator[Finding]:
    """Look for what both begins and ends a state."""
    begins, ends = endpoint.state.begins, endpoint.state.ends
    both: list[str] = []
    if isinstance(begins, GradeHolds) and isinstance(ends, GradeHolds):
        if begins.graded == ends.graded:
            both = [grade for grade in begins.is_ if grade in ends.is_]
    elif isinstance(begins, EventHappens) and isinstance(ends, EventHappens):
        both = [event for event in begins.events if event in ends.events]
    if both:
        yield Finding(
            "state-begins-and-ends-alike",
            "contradiction",
            where,
            f"{listed(both)} both begins and ends the state.",
            "Whoever has it is in the state and out of it.",
            "Name it in one of the two rules.",
        )
