"""Adverse events as tables: by event, grade and relatedness, and as chains."""

from __future__ import annotations

from collections import Counter
from typing import Any

import polars as pl

from stromal.report.numbers import DASH
from stromal.report.tables import Table
from stromal.report.view import StudyView
from stromal.report.words import humanise, sentence

__all__ = ["event_chains", "tabulate_chains", "tabulate_events"]

Row = dict[str, Any]
FirstInfusions = dict[str, dict[str, int]]
_NEVER = 1_000_000_000


def tabulate_events(view: StudyView) -> Table | None:
    """Tabulate every recorded event: participants by arm, events, grades, relatedness by agent.

    1. An agent is every product that the protocol infuses, and every other one that a row names.
    2. For each agent an event is judged related, judged not related, or not judged; silence is
       never read as "not related".

    Returns
    -------
    Table or None
        One row an event, the most frequent first; None without events.
    """
    events = view.records["events"].join(
        view.context.participants.select("participant_id", "arm"), on="participant_id"
    )
    if events.is_empty():
        return None
    rows = events.to_dicts()
    arms = [arm for arm in view.protocol.arms if arm in set(events["arm"].drop_nulls())] or [None]
    agents = _agents(view, rows)
    first = _first_infusions(view)
    by_name: dict[str, list[Row]] = {}
    for row in rows:
        by_name.setdefault(row["event"], []).append(row)
    order = sorted(by_name, key=lambda name: (-len(by_name[name]), name))
    cells = [_event_row(name, by_name[name], arms, agents, first) for name in order]
    several = len(arms) > 1
    heads = [
        f"Participants: {view.protocol.arms[arm].label}" if arm and several else "Participants"
        for arm in arms
    ]
    columns = (
        "Event", *heads, "Events", "Serious", *(f"G{grade}" for grade in range(1, 6)),
        "No grade", *(f"{humanise(agent)}: related / not / not judged" for agent in agents),
    )  # fmt: skip
    grading = view.protocol.design.monitoring.grading
    note = (
        f"Grades: {grading}. Participants are counted once for each event; the three numbers for "
        "an agent are events judged related to it, judged not related, and not judged; "
        "an event before the first infusion of a product waits for no judgement on it."
    )
    return Table(
        "Events by grade and relatedness", columns, tuple(cells),
        frozenset(range(1, len(columns))), note,
    )  # fmt: skip


def _first_infusions(view: StudyView) -> FirstInfusions:
    """Give the day of each participant's first infusion of every product that is planned."""
    days = (
        view.records["infusions"]
        .group_by("product", "participant_id")
        .agg(pl.col("day").min())
        .drop_nulls("day")
    )
    planned = [plan.product for arm in view.protocol.arms.values() for plan in arm.infuse]
    first: FirstInfusions = {product: {} for product in planned}
    for product, participant, day in days.iter_rows():
        first.setdefault(product, {})[participant] = day
    return first


def _agents(view: StudyView, rows: list[Row]) -> list[str]:
    """Give the products that are infused, and the other agents that rows name."""
    infused = [plan.product for arm in view.protocol.arms.values() for plan in arm.infuse]
    judged: list[list[str] | None] = [
        row[key] for row in rows for key in ("related_to", "not_related_to")
    ]
    named = sorted({agent for agents in judged for agent in agents or []})
    return list(dict.fromkeys([*infused, *named]))


def _event_row(
    name: str,
    rows: list[Row],
    arms: list[str] | list[None],
    agents: list[str],
    first: FirstInfusions,
) -> tuple[str, ...]:
    """Give one row of the table of events."""
    people = [
        len({row["participant_id"] for row in rows if arm is None or row["arm"] == arm})
        for arm in arms
    ]
    grades = Counter(row["grade"] for row in rows)
    serious = sum(row["serious"] == "yes" for row in rows)
    return (
        sentence(humanise(name)),
        *(str(count) for count in people),
        str(len(rows)),
        str(serious),
        *(str(grades[grade]) if grades[grade] else DASH for grade in range(1, 6)),
        str(grades[None] + grades[0]) if grades[None] + grades[0] else DASH,
        *(_judged(rows, agent, first) for agent in agents),
    )


def _judged(rows: list[Row], agent: str, first: FirstInfusions) -> str:
    """Count events judged related to an agent, judged not related, and not judged.

    An event before the participant's first infusion of a product, or without one, waits for no
    judgement on that product.
    """
    related = sum(agent in (row["related_to"] or []) for row in rows)
    unrelated = sum(agent in (row["not_related_to"] or []) for row in rows)
    both = sum(agent in (row["related_to"] or []) and agent in (row["not_related_to"] or [])
               for row in rows)  # fmt: skip
    unexposed = sum(
        agent in first
        and (row["day"] is None or row["day"] < first[agent].get(row["participant_id"], _NEVER))
        and agent not in [*(row["related_to"] or []), *(row["not_related_to"] or [])]
        for row in rows
    )
    return f"{related} / {unrelated} / {len(rows) - related - unrelated + both - unexposed}"


def event_chains(events: pl.DataFrame) -> list[list[Row]]:
    """Follow `leads_to` from every event that nothing led to, as long as it names a next one.

    Examples
    --------
    >>> rows = pl.DataFrame({"record_id": ["a", "b"], "leads_to": ["b", None]})
    >>> [[row["record_id"] for row in chain] for chain in event_chains(rows)]
    [['a', 'b']]
    """
    rows: dict[str, Row] = {row["record_id"]: row for row in events.to_dicts()}
    led_to = {row["leads_to"] for row in rows.values()} - {None}
    chains: list[list[Row]] = []
    for identifier, row in rows.items():
        if identifier in led_to or row["leads_to"] not in rows:
            continue
        chain, seen = [row], {identifier}
        while (following := chain[-1]["leads_to"]) in rows and following not in seen:
            chain.append(rows[following])
            seen.add(following)
        chains.append(chain)
    return chains


def tabulate_chains(view: StudyView, *, individual: bool) -> Table | None:
    """Tabulate chains of events, one row each; without individual data counted by their course."""
    chains = event_chains(view.records["events"])
    if not chains:
        return None
    if individual:
        rows = [
            (
                chain[0]["participant_id"],
                " → ".join(f"{humanise(row['event'])} (day {row['day']})" for row in chain),
            )
            for chain in chains
        ]
        return Table("Chains of events", ("Participant", "Course"), tuple(rows))
    counts = Counter(" → ".join(humanise(row["event"]) for row in chain) for chain in chains)
    rows = [(course, str(count)) for course, count in sorted(counts.items())]
    return Table("Chains of events", ("Course", "Times"), tuple(rows), frozenset({1}))
