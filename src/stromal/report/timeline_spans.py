"""Marks of a day and bars of a time; the states and the grades of a participant as such."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import polars as pl

from stromal.endpoints.context import Context
from stromal.endpoints.graded import graded_days
from stromal.endpoints.states import episodes
from stromal.protocol.endpoints import Endpoint, GradedEndpoint, StateEndpoint
from stromal.report.words import humanise

__all__ = ["Bar", "Spot", "collect_grades", "collect_states"]

Row = dict[str, Any]


@dataclass(frozen=True)
class Spot:
    """Something on one day; `record_id` may be several ids, joined by a stroke."""

    day: int
    label: str
    title: str
    record_id: str = ""
    quiet: bool = False


@dataclass(frozen=True)
class Bar:
    """Something from one day to another; an end that is not recorded is open.

    An `unfinished` bar ends on the last day of which anything is known, and is drawn as an arrow.
    """

    start: int | None
    end: int | None
    label: str
    title: str
    record_id: str = ""
    unfinished: bool = False


def collect_states(context: Context, participant_id: str) -> dict[str, tuple[Bar, ...]]:
    """Give a bar for each episode of each state, by the state's label, in days from day zero.

    It reaches from the onset to the last day on which the state is known to have held. The first
    bar of a state bears its label, the others their number.
    """
    found: dict[str, tuple[Bar, ...]] = {}
    for name, endpoint in context.protocol.endpoints.items():
        zero = _zero(context, name, participant_id)
        if not isinstance(endpoint, StateEndpoint) or zero is None:
            continue
        frame = context.kept("episodes", name, episodes)
        rows = frame.filter(pl.col("participant_id") == participant_id).to_dicts()
        if rows:
            found[endpoint.label] = tuple(_episode(endpoint, row, zero) for row in rows)
    return found


def _episode(endpoint: StateEndpoint, row: Row, zero: int) -> Bar:
    """Make the bar of one episode, and say in words when it was shown and how it ended."""
    first, seen = row["from_day"] + zero, row["seen_until"] + zero
    days = f"Day {first}" if first == seen else f"Days {first} to {seen}"
    said = [f"{days}: {endpoint.label}, episode {row['episode']}"]
    if row["from_low"] is not None and row["from_low"] < row["from_day"]:
        said.append(f"it may have begun on day {row['from_low'] + zero}")
    if row["shown_day"] != row["from_day"]:
        said.append(f"shown on day {row['shown_day'] + zero}")
    if row["to_day"] is None:
        said.append("not shown to have ended")
    elif row["ended"] == "resolved":
        said.append(f"over on day {row['to_day'] + zero}")
    else:
        ending = humanise(row["ended"].removeprefix("competing: "))
        said.append(f"closed by {ending} on day {row['to_day'] + zero}, not resolved")
    label = endpoint.label if row["episode"] == 1 else f"episode {row['episode']}"
    return Bar(
        first, seen, label, "; ".join(said), "|".join(row["because"]),
        unfinished=row["ended"] != "resolved",
    )  # fmt: skip


def collect_grades(
    context: Context, participant_id: str, assessments: Iterable[Row]
) -> tuple[dict[str, tuple[Spot, ...]], set[str]]:
    """Give the grade of each day of assessment, for each graded endpoint.

    Returns
    -------
    tuple of (dict, set)
        By the endpoint's name the grades, with what was read in their titles; and the records of
        `assessments` that stand in them.
    """
    words = {row["record_id"]: _assessed(row) for row in assessments}
    found: dict[str, tuple[Spot, ...]] = {}
    read: set[str] = set()
    for name, endpoint in context.protocol.endpoints.items():
        zero = _zero(context, name, participant_id)
        if not isinstance(endpoint, GradedEndpoint) or zero is None:
            continue
        rows = _days_of(context, endpoint, participant_id)
        spots = tuple(_grade(endpoint, row, zero, words) for row in rows)
        if spots:
            found[f"{humanise(name)}, grade"] = spots
            read |= {record for row in rows for record in row["records"]} & words.keys()
    return found, read


def _days_of(context: Context, endpoint: GradedEndpoint, participant_id: str) -> list[Row]:
    """Give the graded days of one participant."""
    mine = context.participants.filter(pl.col("participant_id") == participant_id).select("p")
    return graded_days(context, endpoint).join(mine, on="p", how="semi").sort("day").to_dicts()


def _grade(endpoint: Endpoint, row: Row, zero: int, words: dict[str, str]) -> Spot:
    """Make the mark of one graded day: the grade, or the grades that it could be."""
    label = row["grade"] or " or ".join(row["could_be"]) or "no grade"
    said = [f"Day {row['day'] + zero}: {endpoint.label}: {label}"]
    if row["grade"] is None and row["unknown"]:
        said.append("not recorded: " + ", ".join(humanise(name) for name in row["unknown"]))
    items = [words[record] for record in row["records"] if record in words]
    if items:
        said.append("read: " + ", ".join(items))
    return Spot(row["day"] + zero, label, "; ".join(said), "|".join(row["records"]))


def _assessed(row: Row) -> str:
    """Say what was assessed."""
    parts = (humanise(row["item"]) if row.get("item") else "", row["value"])
    return " ".join(str(part) for part in parts if part)


def _zero(context: Context, name: str, participant_id: str) -> int | None:
    """Give the day from day zero of an endpoint's anchor."""
    frame = context.derived.get(name)
    if frame is None:
        return None
    mine = frame.filter(pl.col("participant_id") == participant_id)["anchor_day"]
    return None if mine.is_empty() else mine[0]
