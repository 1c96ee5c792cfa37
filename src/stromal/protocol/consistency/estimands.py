"""Estimands against the endpoints that they are of."""

from __future__ import annotations

from collections.abc import Iterator

from stromal.core import Finding
from stromal.protocol.consistency.view import View
from stromal.protocol.consistency.words import listed
from stromal.protocol.estimability import not_estimable, unnamed_events

__all__ = ["check_estimands"]


def check_estimands(view: View) -> Iterator[Finding]:
    """Check the estimands.

    1. `estimand-not-estimated`: an intercurrent event is handled otherwise than the endpoint does.
    2. `competing-event-not-in-estimand`: the endpoint has a competing event of which the estimand
       says nothing.
    """
    for name, analysis in view.protocol.analyses.items():
        where = f"analyses.{name}.estimand"
        for why in not_estimable(view.protocol, analysis):
            yield Finding(
                "estimand-not-estimated",
                "contradiction",
                where,
                f"{analysis.label}: {why}.",
                "The number would answer another question than the one that is asked.",
                "Change the strategy, or the endpoint.",
            )
        unnamed = unnamed_events(view.protocol, analysis)
        if unnamed:
            yield Finding(
                "competing-event-not-in-estimand",
                "gap",
                where,
                f"{analysis.label}: the estimand does not mention {listed(unnamed)}, which "
                "competes.",
                "Readers will not know that it is handled, and how.",
                "Add it to `intercurrent`, handled `while alive`.",
            )
