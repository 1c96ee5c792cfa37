"""Counts on a timeline: points, the thresholds of the rules on them, the transfusion shadow."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from stromal.protocol import Protocol
from stromal.protocol.rules import ANALYTE_UNITS, CountRule
from stromal.report.words import humanise

__all__ = ["Panel", "Point", "Threshold", "collect_panels", "count_rules", "read_count"]

Row = dict[str, Any]
_ORDER = ("ANC", "PLT", "Hb", "WBC", "ARC", "ALC")
_SIGNS = {"at_least": "≥", "above": ">", "at_most": "≤", "below": "<"}
_UNITS = {"10*9/L": "×10⁹/L"}


@dataclass(frozen=True)
class Point:
    """A count: `bound` is `<` or `>` where only a bound was measured, and `value` that bound."""

    day: int
    value: float
    bound: str
    record_id: str
    shadowed: bool
    title: str


@dataclass(frozen=True)
class Threshold:
    """A bound of the protocol's rules, and which endpoints use it."""

    value: float
    title: str


@dataclass(frozen=True)
class Panel:
    """One analyte: its counts, the thresholds of the rules on it, and its transfusion shadow."""

    analyte: str
    unit: str
    log: bool
    points: tuple[Point, ...]
    thresholds: tuple[Threshold, ...]
    product: str
    shadow: tuple[tuple[int, int], ...]
    shadow_days: int


def count_rules(protocol: Protocol) -> list[tuple[str, CountRule]]:
    """List the rules on counts of every endpoint, with the endpoint's label."""
    return [
        (endpoint.label, rule)
        for endpoint in protocol.endpoints.values()
        for rule in _rules_in(endpoint)
    ]


def _rules_in(part: object) -> Iterable[CountRule]:
    """Find the rules on counts below a part of the protocol."""
    if isinstance(part, CountRule):
        yield part
    elif isinstance(part, BaseModel):
        for name in type(part).model_fields:
            yield from _rules_in(getattr(part, name))
    elif isinstance(part, dict):
        for value in part.values():  # pyright: ignore[reportUnknownVariableType]
            yield from _rules_in(value)  # pyright: ignore[reportUnknownArgumentType]
    elif isinstance(part, list | tuple):
        for value in part:  # pyright: ignore[reportUnknownVariableType]
            yield from _rules_in(value)  # pyright: ignore[reportUnknownArgumentType]


def collect_panels(
    protocol: Protocol, measurements: list[Row], transfusions: list[Row]
) -> Iterable[Panel]:
    """Make a panel for each analyte that was measured."""
    rules = count_rules(protocol)
    for analyte in _ORDER:
        rows = [row for row in measurements if row["analyte"] == analyte]
        if not rows:
            continue
        own = [(label, rule) for label, rule in rules if rule.analyte == analyte]
        product, length = _shadow_rule(rule for _, rule in own)
        given = sorted({row["day"] for row in transfusions if row["product"] == product})
        shadow = _joined([(day, day + length - 1) for day in given])
        yield Panel(
            analyte=analyte,
            unit=_UNITS.get(ANALYTE_UNITS[analyte], ANALYTE_UNITS[analyte]),
            log=analyte != "Hb",
            points=tuple(_point(row, shadow, product) for row in rows),
            thresholds=_thresholds(own),
            product=product,
            shadow=shadow,
            shadow_days=length,
        )


def _shadow_rule(rules: Iterable[CountRule]) -> tuple[str, int]:
    """Give the product and the number of days of the longest freedom from transfusion asked for."""
    lengths = {
        (rule.without_transfusion.product, int(rule.without_transfusion.for_ or 1))
        for rule in rules
        if rule.without_transfusion is not None
    }
    return max(sorted(lengths), key=lambda found: found[1], default=("", 0))


def _joined(spans: list[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
    """Join spans of days that touch or overlap."""
    joined: list[tuple[int, int]] = []
    for start, end in spans:
        if joined and start <= joined[-1][1] + 1:
            joined[-1] = (joined[-1][0], max(joined[-1][1], end))
        else:
            joined.append((start, end))
    return tuple(joined)


def _point(row: Row, shadow: tuple[tuple[int, int], ...], product: str) -> Point:
    """Make a point; one that is only bounded stands at its bound."""
    day, bound = int(row["day"]), row.get("censored") or ""
    value = row["value"]
    if value is None or not math.isfinite(value):
        value = row["high"] if bound == "<" else row["low"]
    shadowed = any(start <= day <= end for start, end in shadow)
    said = f"Day {day}: {row['analyte']} {read_count(row)}"
    if shadowed:
        said += f", soon after a transfusion of {humanise(product)}"
    return Point(day, float(value), bound, str(row["record_id"]), shadowed, said)


def read_count(row: Row, unit: str | None = None) -> str:
    """Give a count in the unit it is compared in; a bound as it was read."""
    if row["value"] is None:
        return str(row.get("as_read") or "")
    known = ANALYTE_UNITS[row["analyte"]]
    said = _UNITS.get(known, known) if unit is None else unit
    return f"{row['value']:g} {said}".strip()


def _thresholds(rules: list[tuple[str, CountRule]]) -> tuple[Threshold, ...]:
    """Give the distinct bounds of rules, each with the endpoints that use it."""
    used: dict[float, list[str]] = {}
    for label, rule in rules:
        for name, sign in _SIGNS.items():
            value = rule.in_unit(name)  # type: ignore[arg-type]
            if value is not None:
                said = f"{label} ({sign} {value:g})"
                if said not in used.setdefault(value, []):
                    used[value].append(said)
    return tuple(
        Threshold(value, f"Threshold {value:g}: " + "; ".join(used[value]))
        for value in sorted(used)
    )
