"""What the rules look at: the protocol, how its anchors lie to each other, and its conditions."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

import polars as pl

from stromal.protocol.consistency.published import Condition, conditions
from stromal.protocol.consistency.words import level, mentions
from stromal.protocol.endpoints import TimeToEventEndpoint
from stromal.protocol.protocol import Protocol
from stromal.protocol.schedule import planned_infusions
from stromal.protocol.timing import InfusionAnchor, OffsetAnchor, ParticipantAnchor

__all__ = ["PlannedStretch", "View", "origins", "view_of"]

Edges = dict[tuple[str, str], int]
_TRANSPLANT = re.compile(r"transplant|\bhs?ct\b|\bhsct\b|\bbmt\b|stem[ _-]cell[ _-]infusion")
_PREVENTION = re.compile(r"(?:prophyla\w*|prevent\w*|pre-?empt\w*)(?: [\w-]+){0,6} ?$")


@dataclass(frozen=True)
class PlannedStretch:
    """The infusions of one product in one arm that count from one anchor."""

    arm: str
    product: str
    anchor: str
    infusions: int
    first: int
    last: int | None


@dataclass(frozen=True)
class View:
    """A protocol with what the rules need to know of it.

    Parameters
    ----------
    protocol
        The protocol.
    least
        Fewest days from one anchor to another, where the plan or a published rule tells them.
    planned
        The same from the plan alone.
    circular
        Whether the anchors refer to each other in a circle.
    conditions
        The known conditions that the trial treats (not those it prevents).
    prevented
        The known conditions that the trial prevents or counts as events.
    stretches
        Planned infusions, gathered.
    """

    protocol: Protocol
    least: Edges
    planned: Edges
    circular: bool
    conditions: dict[str, Condition]
    prevented: frozenset[str]
    stretches: tuple[PlannedStretch, ...]

    def anchor(self, name: str) -> str:
        """Name an anchor for people."""
        anchor = self.protocol.anchors.get(name)
        return (anchor.label if anchor is not None else None) or name.replace("_", " ")

    def exact(self, one: str, other: str) -> int | None:
        """Give the planned days from one anchor to another, where the plan fixes them."""
        there, back = self.planned.get((one, other)), self.planned.get((other, one))
        return there if there is not None and back is not None and there == -back else None

    def late_conditions(self, anchor: str) -> list[Condition]:
        """Give the treated conditions that arise after this anchor, by a rule with a day."""
        if anchor not in origins(self.protocol):
            return []
        return [
            condition
            for condition in self.conditions.values()
            if condition.arises_after is not None and condition.earliest is not None
        ]


def view_of(protocol: Protocol) -> View:
    """Gather what the rules look at.

    1. Anchors: an offset lies exactly after its base; an infusion on its planned day (between the
       edges of its window where it has one); any infusion on or after the day on which eligibility
       is judged.
    2. A trial that treats a condition which arises after transplantation judges eligibility no
       earlier than the mildest published rule that names a day allows the diagnosis.
    """
    treated, prevented = _conditions(protocol)
    planned = _closed(_plan_edges(protocol), list(protocol.anchors))
    known = _plan_edges(protocol)
    judged = protocol.population.judged_at
    for name, anchor in protocol.anchors.items():
        if isinstance(anchor, InfusionAnchor) and name != judged:
            _widen(known, judged, name, 0)
    for origin in origins(protocol):
        for condition in treated.values():
            if condition.earliest is not None and origin != judged:
                _widen(known, origin, judged, condition.earliest)
    least = _closed(known, list(protocol.anchors))
    return View(
        protocol=protocol,
        least=least if least is not None else planned or {},
        planned=planned or {},
        circular=planned is None,
        conditions=treated,
        prevented=prevented,
        stretches=tuple(_stretches(protocol)),
    )


def _plan_edges(protocol: Protocol) -> Edges:
    """Give fewest days between anchors that the plan fixes; -x back means at most x there."""
    edges: Edges = {}
    planned = planned_infusions(protocol)
    for name, anchor in protocol.anchors.items():
        if isinstance(anchor, OffsetAnchor):
            _widen(edges, anchor.anchor, name, int(anchor.plus))
            _widen(edges, name, anchor.anchor, -int(anchor.plus))
        elif isinstance(anchor, InfusionAnchor):
            rows = planned.filter(
                (pl.col("product") == anchor.infusion) & (pl.col("number") == anchor.number)
            )
            firsts = rows["anchor"].unique().to_list()
            if len(firsts) == 1 and rows["due_after"].null_count() == 0 and firsts[0] != name:
                low = rows.select(pl.coalesce("earliest", "due_after").min()).item()
                high = rows.select(pl.coalesce("latest", "due_after").max()).item()
                _widen(edges, firsts[0], name, int(low))
                _widen(edges, name, firsts[0], -int(high))
    return edges


def _widen(edges: Edges, one: str, other: str, days: int) -> None:
    """Keep the larger of two lower bounds."""
    edges[one, other] = max(days, edges.get((one, other), days))


def _closed(edges: Edges, anchors: list[str]) -> Edges | None:
    """Close lower bounds over all anchors (longest paths); None where they go in a circle."""
    least: Edges = {**edges, **{(name, name): edges.get((name, name), 0) for name in anchors}}
    for middle in anchors:
        for one in anchors:
            for other in anchors:
                first, second = least.get((one, middle)), least.get((middle, other))
                if first is not None and second is not None:
                    _widen(least, one, other, first + second)
    return None if any(least[name, name] > 0 for name in anchors) else least


def origins(protocol: Protocol) -> list[str]:
    """Name the anchors that are the participants' transplantation."""
    return [
        name
        for name, anchor in protocol.anchors.items()
        if isinstance(anchor, ParticipantAnchor)
        and _TRANSPLANT.search(f"{name} {anchor.participant}".lower()) is not None
        and re.search(r"second|re-?transplant", f"{name} {anchor.participant}".lower()) is None
    ]


def _conditions(protocol: Protocol) -> tuple[dict[str, Condition], frozenset[str]]:
    """Give the known conditions that the trial treats, and those that it prevents or counts."""
    study = protocol.study
    named = {m.condition for text in study.conditions for m in mentions(text)}
    prevented = {
        mention.condition
        for text in (study.title, study.summary or "", *study.conditions)
        for mention in mentions(text)
        if _PREVENTION.search(level(text)[: mention.start]) is not None
    }
    for endpoint in protocol.endpoints.values():
        if isinstance(endpoint, TimeToEventEndpoint):
            prevented |= {m.condition for m in mentions(endpoint.label)}
    return {key: conditions()[key] for key in sorted(named - prevented)}, frozenset(prevented)


def _stretches(protocol: Protocol) -> Iterator[PlannedStretch]:
    """Gather the planned infusions of each arm, product and anchor (placebo apart)."""
    planned = planned_infusions(protocol)
    for (arm, product, anchor), rows in planned.group_by(
        "arm", "product", "anchor", maintain_order=True
    ):
        if not protocol.products[str(product)].placebo:
            due = rows["due_after"]
            first, last = due.min(), due.max() if due.null_count() == 0 else None
            yield PlannedStretch(
                str(arm), str(product), str(anchor), rows.height,
                int(first) if isinstance(first, int) else 0,
                int(last) if isinstance(last, int) else None,
            )  # fmt: skip
