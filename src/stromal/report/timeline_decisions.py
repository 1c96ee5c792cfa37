"""Derived results on a timeline: a mark, the deciding days, the bounds, and words."""

from __future__ import annotations

from collections.abc import Sequence

from stromal.report.timeline_data import Decision
from stromal.report.timeline_layout import fit_text, text_width
from stromal.report.timeline_marks import (
    BLUE,
    GREEN,
    INK,
    LEFT,
    PALE,
    SIZE,
    SMALL,
    SOFT,
    VERMILLION,
    WIDTH,
    Sheet,
    mark_data,
)
from stromal.report.words import humanise

__all__ = ["decision_title", "draw_decisions"]


def draw_decisions(sheet: Sheet, decisions: Sequence[Decision]) -> None:
    """Draw each derived result on a line of its own: its mark, its bounds, the deciding days."""
    if not decisions:
        return
    sheet.name("Derived", sheet.y + 12, note="results")
    top = sheet.y
    placed = [decision for decision in decisions if decision.day is not None]
    for index, decision in enumerate(placed):
        if index % 2 == 0:
            sheet.back.add(
                "rect", x=LEFT, y=sheet.y, width=WIDTH - LEFT - 2, height=17.0, fill="#f3f5f7"
            )
        _draw_decision(sheet, decision, sheet.y + 8.5)
        sheet.y += 17
    without = [decision for decision in decisions if decision.day is None]
    _draw_without_day(sheet, sorted(without, key=lambda d: d.status != "not_evaluable"))
    sheet.back.add("line", x1=LEFT, x2=LEFT, y1=top, y2=sheet.y, stroke="#cfcfcf", stroke_width=0.8)
    sheet.y += 6


def _draw_without_day(sheet: Sheet, decisions: Sequence[Decision]) -> None:
    """Write the results that have no day, in as many lines as they need."""
    lines: list[list[Decision]] = []
    room = 0.0
    for decision in decisions:
        width = text_width(_decision_label(decision) + " · ", SMALL)
        if not lines or width > room:
            lines.append([])
            room = WIDTH - LEFT - 12
        lines[-1].append(decision)
        room -= width
    for line in lines:
        sheet.front.open(
            "text",
            x=LEFT + 6,
            y=sheet.y + 11,
            font_size=SMALL,
            fill=SOFT,
            stroke="#fff",
            stroke_width=3.0,
            paint_order="stroke",
        )
        for index, decision in enumerate(line):
            label = fit_text(_decision_label(decision), SMALL, WIDTH - LEFT - 12)
            before = " · " if index else ""
            sheet.front.add("tspan", before + label, title=decision_title(decision))
        sheet.front.close("text")
        sheet.y += 15


def decision_title(decision: Decision) -> str:
    """Say what was derived, from which records, in a few sentences."""
    parts = [f"{decision.label}: {humanise(decision.status)}"]
    if decision.own_day is not None:
        parts[0] += f", day {decision.own_day} from {decision.anchor}"
    if decision.note:
        parts.append(decision.note.rstrip("."))
    if decision.deciding:
        parts.append("Decided by " + "; ".join(decision.deciding))
    return ". ".join(parts) + "."


def _draw_decision(sheet: Sheet, decision: Decision, y: float) -> None:
    """Draw one derived result that has a day."""
    if decision.day is None:
        return
    sheet.front.open(
        "g",
        **mark_data(decision.day),
        data_because="|".join(decision.because) or None,
    )
    sheet.front.title(decision_title(decision))
    label = _decision_label(decision)
    x = sheet.scale(decision.day)
    left, right = _draw_extent(sheet, decision, x, y)
    _draw_sign(sheet, decision, x, y)
    room_right, room_left = WIDTH - 4 - right - 9, left - LEFT - 9
    on_right = text_width(label, SIZE) <= room_right or room_right >= room_left
    sheet.text(
        _fitted_label(decision, room_right if on_right else room_left),
        right + 9 if on_right else left - 9, y + 4,
        text_anchor="start" if on_right else "end",
    )  # fmt: skip
    sheet.front.close("g")


def _decision_label(decision: Decision) -> str:
    """Give the few words beside a mark."""
    told = _told(decision)
    return f"{decision.label}: {told}" if told else decision.label


def _fitted_label(decision: Decision, width: float) -> str:
    """Give the words beside a mark in a width: the endpoint's name is cut, the result is not."""
    told = f": {_told(decision)}"
    return fit_text(decision.label, SIZE, width - text_width(told, SIZE)) + told


def _told(decision: Decision) -> str:
    """Give status and day of a result."""
    status = {"event": "", "not_applicable": "not applicable", "not_evaluable": "not evaluable"}
    said = status.get(decision.status, humanise(decision.status))
    day = "" if decision.own_day is None else f"day {decision.own_day}"
    shift = (decision.day or 0) - (decision.own_day or 0)
    if decision.low is not None and decision.high is not None and decision.low != decision.high:
        day += f" ({decision.low - shift} to {decision.high - shift})"
    elif decision.low not in {None, decision.day} and decision.status == "event":
        day += f" (earliest {(decision.low or 0) - shift})"
    if decision.own_day != decision.day:
        day += f" from {decision.anchor}"
    return ", ".join(part for part in (said, day) if part)


def _draw_extent(sheet: Sheet, decision: Decision, x: float, y: float) -> tuple[float, float]:
    """Draw the deciding days as a band and the bounds as a whisker; give how far they reach."""
    left, right = x, x
    if decision.decided_on and decision.kind in {"good", "level", "event"}:
        first, last = decision.decided_on[0], decision.decided_on[-1]
        a, b = sheet.scale(first - 0.5), sheet.scale(last + 0.5)
        if last > first:
            sheet.front.add(
                "rect", x=a, y=y - 4, width=b - a, height=8.0, rx=2.0, fill=_sign_colour(decision),
                opacity=0.28,
            )  # fmt: skip
            left, right = min(left, a), max(right, b)
            sheet.signs["band"] = None
        for day in decision.decided_on if last > first else ():
            place = sheet.scale(day)
            sheet.front.add(
                "line", x1=place, x2=place, y1=y - 4, y2=y + 4, stroke=_sign_colour(decision),
                stroke_width=1.0,
            )  # fmt: skip
    ends = [sheet.scale(day) for day in (decision.low, decision.high) if day is not None]
    if ends and (max(*ends, x) - min(*ends, x)) > 1:
        a, b = min(*ends, x), max(*ends, x)
        path = f"M{a:.1f},{y - 3:.1f}v6m0,-3H{b:.1f}m0,-3v6"
        sheet.front.add("path", d=path, fill="none", stroke=INK, stroke_width=1.0)
        sheet.signs["whisker"] = None
        left, right = min(left, a), max(right, b)
    return min(left, x - 5), max(right, x + 5)


def _sign_colour(decision: Decision) -> str:
    return {"good": GREEN, "level": BLUE, "event": VERMILLION}.get(decision.kind, INK)


def _draw_sign(sheet: Sheet, decision: Decision, x: float, y: float) -> None:
    """Draw the mark of a derived result: shape and colour both say what it is."""
    kind = decision.kind
    sheet.signs[kind] = None
    draw = sheet.front.add
    if kind == "good":
        draw("path", d=f"M{x:.1f},{y - 6:.1f}l6,6l-6,6l-6,-6z", fill=GREEN, stroke="#fff",
             stroke_width=0.8)  # fmt: skip
    elif kind == "level":
        draw("circle", cx=x, cy=y, r=5.0, fill=BLUE, stroke="#fff", stroke_width=0.8)
    elif kind == "event":
        draw("path", d=f"M{x - 6:.1f},{y - 5:.1f}h12l-6,11z", fill=VERMILLION, stroke="#fff",
             stroke_width=0.8)  # fmt: skip
    elif kind == "competing":
        draw("path", d=f"M{x - 4:.1f},{y - 4:.1f}l8,8m0,-8l-8,8", stroke=INK, stroke_width=2.0,
             fill="none")  # fmt: skip
    elif kind == "censored":
        draw("path", d=f"M{x:.1f},{y - 5:.1f}v10m0,-5h7m-3,-3l3,3l-3,3", stroke=INK,
             stroke_width=1.4, fill="none")  # fmt: skip
    else:
        draw("circle", cx=x, cy=y, r=4.0, fill="#fff", stroke=PALE, stroke_width=1.2)
