"""The parts of a timeline: each draws one row on the sheet and moves the pen down."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from stromal.report.svg import Svg
from stromal.report.timeline_counts import Panel, Point
from stromal.report.timeline_data import Bar, Given, Spot
from stromal.report.timeline_layout import (
    DayScale,
    Flag,
    PlacedFlag,
    ValueScale,
    fit_text,
    log_ticks,
    nice_ticks,
    pack_spans,
    place_flags,
    spread,
    text_width,
    wrap_text,
)
from stromal.report.words import PRODUCT_WORDS, humanise, sentence

__all__ = [
    "INK",
    "LEFT",
    "RIGHT",
    "WIDTH",
    "Sheet",
    "draw_assessments",
    "draw_bars",
    "draw_events",
    "draw_infusions",
    "draw_panel",
    "draw_rug",
    "mark_data",
]

WIDTH, LEFT, RIGHT = 860.0, 132.0, 808.0
INK, SOFT, PALE, GRID = "#1a1a1a", "#595959", "#8c8c8c", "#e3e3e3"
# Okabe-Ito, which people with any common colour vision tell apart
BLUE, GREEN, ORANGE = "#0072b2", "#009e73", "#e69f00"
VERMILLION, PURPLE, SHADOW = "#d55e00", "#aa4499", "#f4ead2"
COLOURS = {"ANC": BLUE, "PLT": PURPLE, "Hb": VERMILLION}
HEIGHTS = {"ANC": 92.0, "PLT": 92.0, "Hb": 66.0}
SIZE, SMALL, LANE = 11.0, 10.0, 15.0
GAP_DAYS = 7
NAME_ROOM = LEFT - 44


@dataclass
class Sheet:
    """The page that the parts draw on: where days stand, how far down the pen is."""

    scale: DayScale
    y: float = 8.0
    back: Svg = field(default_factory=Svg)
    front: Svg = field(default_factory=Svg)
    guides: list[tuple[float, float, str]] = field(default_factory=list[tuple[float, float, str]])
    signs: dict[str, None] = field(default_factory=dict[str, None])

    def name(self, text: str, y: float, *, note: str = "", size: float = SIZE) -> None:
        """Write the name of a row in the left margin, and a note below it."""
        lines = [(line, size, "600", INK) for line in wrap_text(text, size, NAME_ROOM)]
        lines += [(line, SMALL, "400", SOFT) for line in wrap_text(note, SMALL, NAME_ROOM)]
        for index, (line, height, weight, colour) in enumerate(lines):
            self.front.add(
                "text", line, x=LEFT - 30, y=y + 12 * index, text_anchor="end", font_size=height,
                font_weight=weight, fill=colour,
            )  # fmt: skip

    def text(self, text: str, x: float, y: float, **style: object) -> None:
        """Write a text with a white rim, so that lines behind it do not disturb."""
        plain: dict[str, object] = {
            "font_size": SIZE, "fill": INK, "stroke": "#fff", "stroke_width": 3.0,
            "paint_order": "stroke", "stroke_linejoin": "round",
        }  # fmt: skip
        self.front.add("text", text, x=x, y=y, **{**plain, **style})


def mark_data(day: object, record: str = "", end: object = None) -> dict[str, object]:
    """Give the attributes from which the page's script reads days and records."""
    return {
        "class_": "tl-mark",
        "data_day": day,
        "data_end": end,
        "data_record": record or None,
    }


# --- events ----------------------------------------------------------------------------------


def draw_events(sheet: Sheet, spots: Sequence[Spot]) -> None:
    """Draw events as labels with leader lines, in as many lanes as they need."""
    if not spots:
        return
    longest = 0.42 * (RIGHT - LEFT)
    labels = [fit_text(spot.label, SIZE, longest) for spot in spots]
    flags = [
        Flag(sheet.scale(spot.day), text_width(label, SIZE) + 6)
        for spot, label in zip(spots, labels, strict=True)
    ]
    placed = place_flags(flags, LEFT, RIGHT, margin=WIDTH - RIGHT - 4)
    lanes = max(flag.lane for flag in placed) + 1
    bottom = sheet.y + lanes * LANE + 4
    sheet.name("Events", sheet.y + 11)
    for spot, label, flag in zip(spots, labels, placed, strict=True):
        _draw_flag(sheet, spot, label, flag, bottom)
    sheet.y = bottom + 10


def _draw_flag(sheet: Sheet, spot: Spot, label: str, flag: PlacedFlag, bottom: float) -> None:
    """Draw one event: its text, its leader, its mark on the line below."""
    base = bottom - flag.lane * LANE - 6
    colour = PALE if spot.quiet else INK
    sheet.front.open("g", **mark_data(spot.day, spot.record_id))
    sheet.front.title(spot.title)
    sheet.front.add(
        "line", x1=flag.x, x2=flag.x, y1=base - 9, y2=bottom + 1, stroke=colour, stroke_width=1.0
    )
    if not spot.quiet:
        sheet.front.add("circle", cx=flag.x, cy=bottom + 1, r=3.0, fill=INK)
    turned = flag.left < flag.x - 3
    sheet.text(
        label, flag.x - 4 if turned and flag.right <= flag.x + 1 else flag.left + 4, base,
        text_anchor="end" if turned and flag.right <= flag.x + 1 else "start",
        fill=SOFT if spot.quiet else INK,
    )  # fmt: skip
    sheet.front.close("g")
    sheet.guides.append((flag.x, bottom + 3, GRID if spot.quiet else "#c9c9c9"))


# --- infusions -------------------------------------------------------------------------------


def draw_infusions(sheet: Sheet, doses: Sequence[Given]) -> None:
    """Draw infusions by product: given ones filled, missed ones hollow and named."""
    for product in dict.fromkeys(dose.product for dose in doses):
        mine = [dose for dose in doses if dose.product == product]
        labels = [_dose_label(dose) for dose in mine]
        spans = [
            (sheet.scale(dose.day) - half, sheet.scale(dose.day) + half)
            for dose, label in zip(mine, labels, strict=True)
            for half in [max(7.0, text_width(label, SMALL) / 2)]
        ]
        lanes = pack_spans(spans)
        sheet.name("Infusions", sheet.y + 11, note=humanise(product))
        for dose, label, lane in zip(mine, labels, lanes, strict=True):
            _draw_dose(sheet, dose, label, lane)
        noted = len(wrap_text(humanise(product), SMALL, NAME_ROOM))
        sheet.y += max(30 + max(lanes) * 12, 16 + 12 * noted)


def _dose_label(dose: Given) -> str:
    return dose.number if dose.status == "given" else f"{dose.number} {dose.status}"


def _draw_dose(sheet: Sheet, dose: Given, label: str, lane: int) -> None:
    """Draw one infusion: a triangle that points at its day, its number below."""
    x, y = sheet.scale(dose.day), sheet.y + 2
    missed = not dose.given
    sheet.front.open("g", **mark_data(dose.day, dose.record_id))
    sheet.front.add(
        "path", title=dose.title, d=f"M{x - 6:.1f},{y:.1f}h12l-6,11z",
        fill="#fff" if missed else GREEN, stroke=VERMILLION if missed else "#00634a",
        stroke_width=1.4, stroke_dasharray="2.5 1.5" if missed else None,
    )  # fmt: skip
    sheet.text(
        label, x, y + 22 + lane * 12, text_anchor="middle", font_size=SMALL,
        fill="#a84300" if missed else INK,
    )  # fmt: skip
    sheet.front.close("g")
    if not missed:
        sheet.guides.append((x, y + 14, "#a8d5c5"))


# --- counts ----------------------------------------------------------------------------------


def draw_panel(sheet: Sheet, panel: Panel) -> None:
    """Draw the counts of one analyte, their thresholds and the shadow of transfusions."""
    height = HEIGHTS.get(panel.analyte, 56.0)
    top, bottom = sheet.y, sheet.y + height
    zeros = panel.log and any(point.value <= 0 for point in panel.points)
    floor = bottom - (9 if zeros else 0)
    values = [p.value for p in panel.points] + [t.value for t in panel.thresholds]
    scale = ValueScale.over(values, top + 3, floor - 3, log=panel.log)
    _draw_frame(sheet, panel, scale, top, bottom)
    _draw_thresholds(sheet, panel, scale)
    colour = COLOURS.get(panel.analyte, SOFT)
    _draw_line(sheet, panel, scale, colour, floor)
    for point in panel.points:
        _draw_point(sheet, point, scale, colour, bottom)
    sheet.y = bottom + 6


def _draw_frame(sheet: Sheet, panel: Panel, scale: ValueScale, top: float, bottom: float) -> None:
    """Draw a panel's frame, its shadow, its grid and the numbers beside it."""
    sheet.back.add("rect", x=LEFT, y=top, width=RIGHT - LEFT, height=bottom - top, fill="#fbfbfb")
    for start, end in panel.shadow:
        left, right = sheet.scale(start - 0.5), sheet.scale(end + 0.5)
        if right > left:
            sheet.back.add(
                "rect", x=left, y=top, width=right - left, height=bottom - top, fill=SHADOW,
                title=f"Days {start} to {end}: within {panel.shadow_days} days of a transfusion "
                f"of {humanise(panel.product)}, its own day counted first",
            )  # fmt: skip
            sheet.signs["shadow"] = None
    ticks = log_ticks(scale.low, scale.high) if panel.log else nice_ticks(scale.low, scale.high, 3)
    for tick in ticks:
        y = scale(tick)
        sheet.back.add("line", x1=LEFT, x2=RIGHT, y1=y, y2=y, stroke=GRID, stroke_width=0.7)
        sheet.front.add(
            "text", f"{tick:g}", x=LEFT - 5, y=y + 3.5, text_anchor="end", font_size=SMALL,
            fill=SOFT,
        )  # fmt: skip
    sheet.back.add(
        "rect", x=LEFT, y=top, width=RIGHT - LEFT, height=bottom - top, fill="none",
        stroke="#cfcfcf", stroke_width=0.8,
    )  # fmt: skip
    sheet.name(panel.analyte, (top + bottom) / 2 - 1, note=panel.unit, size=12.0)


def _draw_thresholds(sheet: Sheet, panel: Panel, scale: ValueScale) -> None:
    """Draw the bounds of the protocol's rules, their numbers apart from each other at the right."""
    wished = [scale(threshold.value) for threshold in panel.thresholds]
    places = spread(wished, 11.0, scale.top + 2, scale.bottom + 2)
    for threshold, y, place in zip(panel.thresholds, wished, places, strict=True):
        sheet.back.add(
            "line", x1=LEFT, x2=RIGHT, y1=y, y2=y, stroke=INK, stroke_width=0.9,
            stroke_dasharray="5 3", title=threshold.title,
        )  # fmt: skip
        if abs(place - y) > 1:
            sheet.back.add(
                "path", d=f"M{RIGHT:.1f},{y:.1f}L{RIGHT + 7:.1f},{place:.1f}", fill="none",
                stroke=PALE, stroke_width=0.8,
            )  # fmt: skip
        sheet.front.add(
            "text", f"{threshold.value:g}", x=RIGHT + 9, y=place + 3.5, font_size=SMALL,
            font_weight="600", fill=INK, title=threshold.title,
        )  # fmt: skip


def _draw_line(sheet: Sheet, panel: Panel, scale: ValueScale, colour: str, floor: float) -> None:
    """Join the lowest counts of each day; over more than a week without counts by a dotted line."""
    lowest: dict[int, float] = {}
    for point in panel.points:
        lowest[point.day] = min(point.value, lowest.get(point.day, point.value))
    days = sorted(lowest)
    places = {
        day: (sheet.scale(day), floor + 3 if panel.log and lowest[day] <= 0 else scale(lowest[day]))
        for day in days
    }
    for dotted in (False, True):
        path = "".join(
            f"M{places[a][0]:.1f},{places[a][1]:.1f}L{places[b][0]:.1f},{places[b][1]:.1f}"
            for a, b in pairwise(days)
            if (b - a > GAP_DAYS) == dotted
        )
        if path:
            sheet.front.add(
                "path", d=path, fill="none", stroke=colour, stroke_width=1.1, opacity=0.75,
                stroke_dasharray="1.5 3" if dotted else None,
            )  # fmt: skip


def _draw_point(sheet: Sheet, point: Point, scale: ValueScale, colour: str, bottom: float) -> None:
    """Draw one count: hollow in the shadow, a triangle at a bound, a diamond for zero."""
    x = sheet.scale(point.day)
    fill = "#fff" if point.shadowed else colour
    look: dict[str, object] = {
        "fill": fill, "stroke": colour, "stroke_width": 1.2, "title": point.title,
        **mark_data(point.day, point.record_id),
    }  # fmt: skip
    if point.shadowed:
        sheet.signs["hollow"] = None
    if scale.log and point.value <= 0:
        sheet.signs["zero"] = None
        y = bottom - 4.5
        path = f"M{x:.1f},{y - 4:.1f}l4,4l-4,4l-4,-4z"
        sheet.front.add("path", d=path, **look)
        return
    y = scale(point.value)
    if point.bound:
        sheet.signs["below" if point.bound == "<" else "over"] = None
        down = 1 if point.bound == "<" else -1
        path = f"M{x - 4:.1f},{y - 3 * down:.1f}h8l-4,{7 * down}z"
        sheet.front.add("path", d=path, **look)
    else:
        sheet.front.add("circle", cx=x, cy=y, r=2.6, **look)


def draw_rug(sheet: Sheet, product: str, spots: Sequence[Spot]) -> None:
    """Draw the days of transfusions as strokes, with their number."""
    y = sheet.y
    name = f"{PRODUCT_WORDS[product]} given"
    sheet.front.add(
        "text", name, x=LEFT - 5, y=y + 9, text_anchor="end", font_size=SMALL, fill=SOFT
    )
    sheet.back.add("line", x1=LEFT, x2=RIGHT, y1=y + 11, y2=y + 11, stroke=GRID, stroke_width=0.8)
    for spot in spots:
        x = sheet.scale(spot.day)
        sheet.front.add(
            "rect", x=x - 1, y=y + 1, width=2.0, height=10.0, fill=INK, title=spot.title,
            **mark_data(spot.day, spot.record_id),
        )  # fmt: skip
    sheet.front.add("text", f"n = {len(spots)}", x=RIGHT + 9, y=y + 9, font_size=SMALL, fill=SOFT)
    sheet.y = y + 18


# --- spells, assessments, medications --------------------------------------------------------


def draw_bars(sheet: Sheet, name: str, bars: Sequence[Bar], colour: str) -> None:
    """Draw things that last as bars; an end that is not recorded is drawn open, as an arrow."""
    if not bars:
        return
    ends = [_ends(sheet, bar) for bar in bars]
    outside = [text_width(b.label, SIZE) + 8 > e[1] - e[0] for b, e in zip(bars, ends, strict=True)]
    boxes: list[tuple[float, float]] = []
    for bar, (left, right), out in zip(bars, ends, outside, strict=True):
        width = text_width(bar.label, SIZE) + 6
        fits = not out or right + width <= WIDTH - 2
        boxes.append((left - (0 if fits else width), right + (width if out and fits else 0)))
    lanes = pack_spans(boxes)
    sheet.name(name, sheet.y + 11)
    for bar, span, box, lane in zip(bars, ends, boxes, lanes, strict=True):
        _draw_bar(sheet, bar, span, box, lane, colour)
    sheet.y += (max(lanes) + 1) * 17 + 6


def _ends(sheet: Sheet, bar: Bar) -> tuple[float, float]:
    left = LEFT if bar.start is None else sheet.scale(bar.start - 0.5)
    right = RIGHT if bar.end is None else sheet.scale(bar.end + 0.5)
    return left, max(right, left + 2)


def _draw_bar(
    sheet: Sheet,
    bar: Bar,
    span: tuple[float, float],
    box: tuple[float, float],
    lane: int,
    colour: str,
) -> None:
    """Draw one bar with its name inside, or beside it where it is too short."""
    (left, right), y = span, sheet.y + lane * 17
    open_end = bar.end is None or bar.unfinished
    tip_right = "l6,7l-6,7" if open_end else "v14"
    body_left = left + (6 if bar.start is None else 0)
    body_right = max(right - (6 if open_end else 0), body_left)
    start = bar.start if bar.start is not None else ""
    sheet.front.open(
        "g", **mark_data(start, bar.record_id, end=bar.end if bar.end is not None else "")
    )
    closing = "z" if bar.start is not None else "l-6,-7z"
    sheet.front.add(
        "path", title=bar.title,
        d=f"M{body_left:.1f},{y:.1f}H{body_right:.1f}{tip_right}H{body_left:.1f}{closing}",
        fill=colour, stroke="#fff", stroke_width=0.5,
    )  # fmt: skip
    inside = box == span
    before = box[0] < left
    x = left + 8 if inside else (left - 4 if before else right + 4)
    sheet.text(
        bar.label, x, y + 11, text_anchor="end" if before else "start",
        stroke="none" if inside else "#fff",
    )  # fmt: skip
    sheet.front.close("g")


def draw_assessments(sheet: Sheet, name: str, spots: Sequence[Spot]) -> None:
    """Draw the values of one scale at the days on which they were judged."""
    labels = [fit_text(spot.label, SIZE, 150.0) for spot in spots]
    flags = [
        Flag(sheet.scale(spot.day), text_width(label, SIZE) + 8)
        for spot, label in zip(spots, labels, strict=True)
    ]
    placed = place_flags(flags, LEFT, RIGHT, margin=WIDTH - RIGHT - 4)
    lanes = max(flag.lane for flag in placed) + 1
    sheet.name(sentence(name), sheet.y + lanes * 13 - 2)
    lines = len(wrap_text(name, SIZE, NAME_ROOM))
    y = sheet.y + lanes * 13
    for spot, label, flag in zip(spots, labels, placed, strict=True):
        base = y - flag.lane * 13 - 2
        sheet.front.open("g", **mark_data(spot.day, spot.record_id))
        sheet.front.add(
            "line", x1=flag.x, x2=flag.x, y1=base - 8, y2=y, stroke=PALE, stroke_width=0.8
        )
        sheet.front.add(
            "rect", x=flag.x - 2.5, y=y - 2.5, width=5.0, height=5.0, fill=ORANGE, stroke=INK,
            stroke_width=0.7, title=spot.title,
        )  # fmt: skip
        turned = flag.right <= flag.x + 1
        sheet.text(
            label, flag.x - 5 if turned else flag.left + 5, base,
            text_anchor="end" if turned else "start",
        )  # fmt: skip
        sheet.front.close("g")
    sheet.y = y + 12 * lines
