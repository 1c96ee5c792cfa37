"""The participant timeline: one picture of what was recorded and of what was derived from it."""

from __future__ import annotations

from datetime import date

import polars as pl

from stromal.endpoints.context import Context
from stromal.report.svg import Svg
from stromal.report.timeline_data import Decision, History, Spot, collect_history
from stromal.report.timeline_decisions import decision_title, draw_decisions
from stromal.report.timeline_layout import DayScale, day_ticks, text_width
from stromal.report.timeline_marks import (
    INK,
    LEFT,
    PALE,
    RIGHT,
    SIZE,
    SMALL,
    SOFT,
    WIDTH,
    Sheet,
    draw_assessments,
    draw_bars,
    draw_events,
    draw_infusions,
    draw_panel,
    draw_rug,
)
from stromal.report.words import humanise

__all__ = ["describe_decision", "draw_history", "draw_timeline"]

SPELL, STATE, DRUG = "#f0c27b", "#e3b3c8", "#b9cfe4"
_FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"
_STAMPS = {
    "reconstruction": "RECONSTRUCTION, not observed",
    "synthetic": "SYNTHETIC, not observed",
    "teaching": "TEACHING EXAMPLE, not observed",
}


def draw_timeline(
    context: Context, participant_id: str, infusions: pl.DataFrame | None = None
) -> str:
    """Draw a participant's timeline as an SVG element.

    From top to bottom, each only where there is something to show:

    1. events, their labels in as many lanes as they need;
    2. infusions: given ones filled, planned and missed ones hollow, on the day they were due;
    3. neutrophils and platelets on a logarithmic axis, haemoglobin on a linear one, then other
       counts; dashed lines are the bounds of the protocol's rules on that count; a pale band covers
       the days that the protocol's freedom from transfusion takes away, counts in it are hollow; a
       count known only to be below a bound is a triangle at the bound, a zero a diamond below;
    4. transfusions as strokes with their number;
    5. spells, episodes of the protocol's states (to the last day of which it is known that they
       held), grades of each day of assessment, other assessments, medications;
    6. every derived result on its own line: its mark at its day, a band over the days that decided,
       a whisker from `day_low` to `day_high`;
    7. days from the protocol's day zero. Where late follow-up is much longer than the time with
       counts, the later part is compressed and the picture says so.

    Every mark has a title that tells its day and record in words.

    Parameters
    ----------
    context
        Records and derived endpoints.
    participant_id
        Whose timeline.
    infusions
        The schedule of infusions of all participants; made here where absent.

    Returns
    -------
    str
        One `<svg>` element; the same input gives the same text.

    Raises
    ------
    UsageError
        Nobody has this id.
    """
    return draw_history(collect_history(context, participant_id, infusions))


def draw_history(history: History) -> str:
    """Draw a gathered history; see `draw_timeline`."""
    sheet = Sheet(_day_scale(history))
    draw_events(sheet, _with_contact(history))
    draw_infusions(sheet, history.infusions)
    top = sheet.y
    _draw_counts(sheet, history)
    draw_bars(sheet, "Spells", history.spells, SPELL)
    _draw_states(sheet, history)
    for name, spots in history.assessments.items():
        draw_assessments(sheet, name, spots)
    draw_bars(sheet, "Medication", history.medications, DRUG)
    draw_decisions(sheet, history.decisions)
    _draw_axis(sheet, history, top)
    _draw_key(sheet)
    return _assemble(sheet, history)


def _draw_states(sheet: Sheet, history: History) -> None:
    """Draw the episodes of each state on a line of its own."""
    for number, bars in enumerate(history.states.values()):
        draw_bars(sheet, "" if number else "States", bars, STATE)
        if any(bar.unfinished for bar in bars):
            sheet.signs["unfinished"] = None


def describe_decision(decision: Decision) -> str:
    """Say in words what was derived and which records decided (the title of its mark)."""
    return decision_title(decision)


def _with_contact(history: History) -> list[Spot]:
    """Give the events, and where follow-up ended, which is drawn quietly."""
    spots = list(history.events)
    last = history.last_contact
    died = any(spot.label.lower().startswith("death") for spot in spots)
    if last is not None and not died:
        spots.append(Spot(last, "Last contact", f"Day {last}: last contact", quiet=True))
    until = history.complete_until
    if until is not None and until != last and not died:
        title = f"Day {until}: records are complete up to here"
        spots.append(Spot(until, "Records complete to here", title, quiet=True))
    return spots


def _day_scale(history: History) -> DayScale:
    """Choose the scale of days from everything that is drawn."""
    counts = [point.day for panel in history.panels for point in panel.points]
    given = [dose.day for dose in history.infusions]
    transfused = [spot.day for spots in history.transfusions.values() for spot in spots]
    others = [spot.day for spot in history.events]
    others += [spot.day for spots in history.assessments.values() for spot in spots]
    states = [bar for bars in history.states.values() for bar in bars]
    for bar in (*history.spells, *states, *history.medications):
        others += [day for day in (bar.start, bar.end) if day is not None]
    for decision in history.decisions:
        days = (decision.day, decision.low, decision.high)
        others += [day for day in days if day is not None]
    others += [d for d in (history.last_contact, history.complete_until) if d is not None]
    dense = [*counts, *given, *transfused] if counts else []
    return DayScale.over([0, *counts, *given, *transfused, *others], dense, LEFT, RIGHT)


def _draw_counts(sheet: Sheet, history: History) -> None:
    """Draw the panels, each followed by the transfusions that belong to it, then the others."""
    left = dict(history.transfusions)
    for panel in history.panels:
        draw_panel(sheet, panel)
        own = {"PLT": "platelets", "Hb": "red_cells"}.get(panel.analyte)
        if own in left:
            draw_rug(sheet, own, left.pop(own))
    for product, spots in left.items():
        draw_rug(sheet, product, spots)


def _draw_axis(sheet: Sheet, history: History, top: float) -> None:
    """Draw days, day zero, and where the scale changes."""
    y = sheet.y + 2
    for x, start, colour in sheet.guides:
        sheet.back.add(
            "line", x1=x, x2=x, y1=start, y2=y, stroke=colour, stroke_width=0.8,
            stroke_dasharray="1.5 3",
        )  # fmt: skip
    zero = sheet.scale(0)
    sheet.back.add("line", x1=zero, x2=zero, y1=min(top, y), y2=y, stroke=PALE, stroke_width=1.0)
    sheet.front.add("line", x1=LEFT, x2=RIGHT, y1=y, y2=y, stroke=INK, stroke_width=1.0)
    for day in day_ticks(sheet.scale):
        x = sheet.scale(day)
        if any(abs(x - place) < 16 for _, place in sheet.scale.breaks):
            continue
        sheet.front.add("line", x1=x, x2=x, y1=y, y2=y + 4, stroke=INK, stroke_width=1.0)
        sheet.front.add(
            "text", f"{day}".replace("-", "−"), x=x, y=y + 15, text_anchor="middle",
            font_size=SMALL, fill=INK,
        )  # fmt: skip
    for _, x in sheet.scale.breaks:
        sheet.back.add(
            "line", x1=x, x2=x, y1=8.0, y2=y, stroke=PALE, stroke_width=1.0,
            stroke_dasharray="6 4", title="From here on the days are drawn closer together",
        )  # fmt: skip
        sheet.front.add(
            "path", d=f"M{x - 5:.1f},{y + 4:.1f}l4,-8m2,8l4,-8", stroke=INK, stroke_width=1.2,
            fill="none",
        )  # fmt: skip
        sheet.signs["break"] = None
    when = f" ({_written(history.day_zero)})" if history.day_zero else ""
    sheet.front.add(
        "text", f"Days from {history.anchor}{when}", x=(LEFT + RIGHT) / 2, y=y + 30,
        text_anchor="middle", font_size=SIZE, fill=INK,
    )  # fmt: skip
    sheet.y = y + 38


def _written(day: date) -> str:
    """Write a date as people do, the same everywhere."""
    months = (
        "January", "February", "March", "April", "May", "June", "July", "August", "September",
        "October", "November", "December",
    )  # fmt: skip
    return f"day 0 is {day.day} {months[day.month - 1]} {day.year}"


_COUNTS_KEY = {
    "shadow": "sand-coloured band: days that a transfusion takes away from the rule",
    "hollow": "hollow: a count on such a day",
    "below": "▼ known only to be below this value",
    "over": "▲ known only to be above this value",
    "zero": "◆ at the lower edge: zero",
}
_RESULTS_KEY = {
    "good": "◆ recovery",
    "level": "● level of response",
    "event": "▼ event",
    "competing": "✕ competing event",
    "censored": "├→ censored",
    "band": "pale band: from the first to the last day that decided",
    "whisker": "├─┤ earliest to latest day that the missing draws allow",
}
_STATES_KEY = {"unfinished": "bar that ends in an arrow: not shown to have ended"}
_AXIS_KEY = {"break": "// from here on the days are drawn closer together"}


def _draw_key(sheet: Sheet) -> None:
    """Explain the signs that this picture uses, in as many lines as they need."""
    keys = (
        ("Counts", _COUNTS_KEY), ("States", _STATES_KEY), ("Derived results", _RESULTS_KEY),
        ("Days", _AXIS_KEY),
    )  # fmt: skip
    for name, key in keys:
        parts = [said for sign, said in key.items() if sign in sheet.signs]
        lines: list[str] = []
        for part in parts:
            longer = f"{lines[-1]}  ·  {part}" if lines else f"{name}: {part}"
            if lines and text_width(longer, SMALL) > WIDTH - LEFT - 4:
                lines.append(part)
            else:
                lines[-1:] = [longer]
        for line in lines:
            sheet.front.add("text", line, x=LEFT, y=sheet.y + 9, font_size=SMALL, fill=SOFT)
            sheet.y += 14


def _assemble(sheet: Sheet, history: History) -> str:
    """Put the layers into one SVG element with its name and description."""
    height = sheet.y + 4
    svg = Svg()
    svg.open(
        "svg", xmlns="http://www.w3.org/2000/svg", class_="timeline", role="img", tabindex=0,
        viewBox=f"0 0 {WIDTH:.0f} {height:.0f}", font_family=_FONT,
        data_left=LEFT, data_right=RIGHT,
        data_knots=" ".join(f"{day:.2f},{x:.2f}" for day, x in sheet.scale.knots),
        aria_label=f"Timeline of participant {history.participant_id}. {_summary(history)}",
    )  # fmt: skip
    stamp = _STAMPS.get(history.data or "")
    svg.add("rect", x=0.0, y=0.0, width=WIDTH, height=height, fill="#fff")
    if stamp:
        svg.add(
            "text", stamp, x=10.0, y=height - 12, font_size=SMALL, fill=PALE, letter_spacing="0.4",
            transform=f"rotate(-90 10 {height - 12:.1f})",
        )  # fmt: skip
    svg.parts += sheet.back.parts
    svg.parts += sheet.front.parts
    svg.add(
        "line", class_="tl-cursor", x1=LEFT, x2=LEFT, y1=4.0, y2=height - 40, stroke=INK,
        stroke_width=0.8, visibility="hidden", pointer_events="none",
    )  # fmt: skip
    svg.close("svg")
    return str(svg)


def _summary(history: History) -> str:
    """Sum up the picture in words, for those who do not see it."""
    counts = sum(len(panel.points) for panel in history.panels)
    given = sum(dose.given for dose in history.infusions)
    missed = sum(dose.status == "missed" for dose in history.infusions)
    parts = [
        f"{counts} counts",
        f"{given} infusions given" + (f" and {missed} missed" if missed else ""),
        f"{len(history.events) + len(history.spells)} events",
    ]
    if history.states:
        bars = [bar for found in history.states.values() for bar in found]
        parts.append("states: " + "; ".join(bar.title for bar in bars))
    results = "; ".join(f"{d.label}: {humanise(d.status)}" for d in history.decisions)
    return ", ".join(parts) + (f". Derived: {results}." if results else ".")
