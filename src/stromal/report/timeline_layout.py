"""Where things stand on a timeline: widths of text, lanes without collisions, scales, ticks."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

__all__ = [
    "DayScale",
    "Flag",
    "PlacedFlag",
    "ValueScale",
    "day_ticks",
    "fit_text",
    "log_ticks",
    "nice_ticks",
    "pack_spans",
    "place_flags",
    "spread",
    "text_width",
    "wrap_text",
]

_NARROW = frozenset("ijl.,:;'|!I ")
_SLIM = frozenset('ftr()-[]"/\\')
_WIDE = frozenset("mwMWOQ@%+=<>≥≤±→×…")
_GAP = 6.0


def text_width(text: str, size: float) -> float:
    """Give the width that a text needs at most, in the units of `size`.

    The widths are those of a wide sans-serif (DejaVu Sans, rounded up), so a label that fits here
    fits in every font the page may fall back on.

    Examples
    --------
    >>> text_width("day 7", 10) > text_width("day", 10) > 0
    True
    """
    total = 0.0
    for sign in text:
        if ord(sign) > 0x2E80:
            total += 1.05
        elif sign in _NARROW:
            total += 0.34
        elif sign in _SLIM:
            total += 0.43
        elif sign in _WIDE:
            total += 1.0
        elif sign.isupper():
            total += 0.72
        else:
            total += 0.64
    return total * size


def wrap_text(text: str, size: float, width: float, lines: int = 2) -> list[str]:
    """Break a text into at most `lines` lines of a width; what is left over ends in an ellipsis.

    Examples
    --------
    >>> wrap_text("umbilical-cord MSC", 10, 100)
    ['umbilical-cord', 'MSC']
    """
    found: list[str] = []
    for word in text.split():
        longer = f"{found[-1]} {word}" if found else word
        if found and text_width(longer, size) <= width:
            found[-1] = longer
        elif len(found) < lines:
            found.append(word)
        else:
            found[-1] = longer
    return [fit_text(line, size, width) for line in found]


def fit_text(text: str, size: float, width: float) -> str:
    """Shorten a text to a width, with an ellipsis where something was cut.

    Examples
    --------
    >>> fit_text("CMV reactivation", 10, 200)
    'CMV reactivation'
    >>> fit_text("CMV reactivation", 10, 60).endswith("…")
    True
    """
    if text_width(text, size) <= width:
        return text
    while text and text_width(text + "…", size) > width:
        text = text[:-1]
    return text.rstrip() + "…"


# --- labels with leader lines ----------------------------------------------------------------


@dataclass(frozen=True)
class Flag:
    """A label that belongs to one place on the horizontal axis.

    Parameters
    ----------
    x
        Where its leader line falls.
    width
        Width of its text.
    """

    x: float
    width: float


@dataclass(frozen=True)
class PlacedFlag:
    """Where a flag's text stands: left and right edge, and its lane counted from the axis up."""

    x: float
    left: float
    right: float
    lane: int


def place_flags(
    flags: Sequence[Flag], low: float, high: float, *, margin: float = 0.0
) -> tuple[PlacedFlag, ...]:
    """Lay labels out so that no text lies on another and no leader line crosses a text.

    1. A text stands to the right of its leader line; where that passes `high + margin`, or where a
       text to the left was turned over for that reason and the two would cross each other's
       leaders, it stands to the left; where that passes `low` it is pushed back inside.
    2. A text that covers the leader line of another one stands in a higher lane than it: the leader
       runs from its text down to the axis and meets nothing.
    3. Each text takes the lowest lane above those that 2 puts below it in which it meets no text.

    Parameters
    ----------
    flags
        The labels, in any order.
    low, high
        The horizontal axis.
    margin
        How far a text may reach beyond `high`.

    Returns
    -------
    tuple of PlacedFlag
        In the order of `flags`.
    """
    boxes = _boxes(flags, low, high + margin)
    below = [
        {
            j
            for j, other in enumerate(flags)
            if i != j and left < other.x < right and not _same_place(flags[i].x, other.x)
        }
        for i, (left, right) in enumerate(boxes)
    ]
    lanes: dict[int, int] = {}
    order = sorted(range(len(flags)), key=lambda i: (-flags[i].x, i))
    while len(lanes) < len(flags):
        i = _next(order, lanes, below)
        lowest = max((lanes[j] + 1 for j in below[i] if j in lanes), default=0)
        taken = {lane for j, lane in lanes.items() if _overlap(boxes[i], boxes[j])}
        while lowest in taken:
            lowest += 1
        lanes[i] = lowest
    return tuple(
        PlacedFlag(flag.x, left, right, lanes[i])
        for i, (flag, (left, right)) in enumerate(zip(flags, boxes, strict=True))
    )


def _same_place(one: float, other: float) -> bool:
    return abs(one - other) < 0.5


def _next(order: list[int], lanes: dict[int, int], below: list[set[int]]) -> int:
    """Give the next label whose lower neighbours are placed; the first left where there is none."""
    left = [i for i in order if i not in lanes]
    free = [i for i in left if all(j in lanes for j in below[i])]
    return (free or left)[0]


def _boxes(flags: Sequence[Flag], low: float, high: float) -> list[tuple[float, float]]:
    """Give each text's left and right edge, turned over at the right end of the axis."""
    boxes: dict[int, tuple[float, float]] = {}
    turned: list[int] = []
    for i in sorted(range(len(flags)), key=lambda i: (-flags[i].x, i)):
        x, width = flags[i].x, flags[i].width
        crosses = any(boxes[j][0] < x and flags[j].x < x + width for j in turned)
        if x + width <= high and not crosses:
            boxes[i] = (x, x + width)
            continue
        turned.append(i)
        left = max(low, x - width)
        boxes[i] = (left, left + width)
    return [boxes[i] for i in range(len(flags))]


def _overlap(one: tuple[float, float], other: tuple[float, float]) -> bool:
    return one[0] < other[1] + _GAP and other[0] < one[1] + _GAP


def pack_spans(spans: Sequence[tuple[float, float]]) -> tuple[int, ...]:
    """Give each span the first lane (from 0) in which it meets no span that stands there.

    Examples
    --------
    >>> pack_spans([(0, 50), (60, 90), (40, 70)])
    (0, 0, 1)
    """
    lanes: dict[int, int] = {}
    for i in sorted(range(len(spans)), key=lambda i: (spans[i][0], i)):
        taken = {lane for j, lane in lanes.items() if _overlap(spans[i], spans[j])}
        lane = 0
        while lane in taken:
            lane += 1
        lanes[i] = lane
    return tuple(lanes[i] for i in range(len(spans)))


def spread(positions: Sequence[float], apart: float, low: float, high: float) -> list[float]:
    """Move positions as little as needed so that neighbours are `apart`, within [low, high].

    Examples
    --------
    >>> spread([10, 12, 40], 8, 0, 100)
    [7.0, 15.0, 40.0]
    """
    order = sorted(range(len(positions)), key=lambda i: (positions[i], i))
    groups: list[list[float]] = []  # [sum of wished first places, members]
    for rank, i in enumerate(order):
        groups.append([positions[i] - 0.0, 1, rank])
        while len(groups) > 1 and _first(groups[-2], apart) + groups[-2][1] * apart > _first(
            groups[-1], apart
        ):
            last = groups.pop()
            groups[-1] = [groups[-1][0] + last[0], groups[-1][1] + last[1], groups[-1][2]]
    placed: list[float] = []
    for group in groups:
        first = _first(group, apart)
        placed.extend(first + k * apart for k in range(int(group[1])))
    over = max(0.0, (placed[-1] if placed else low) - high)
    for k in range(len(placed) - 1, -1, -1):
        limit = placed[k + 1] - apart if k + 1 < len(placed) else high
        placed[k] = min(placed[k], limit) if over else placed[k]
    for k in range(len(placed)):
        placed[k] = max(placed[k], placed[k - 1] + apart if k else low)
    result = [0.0] * len(positions)
    for place, i in zip(placed, order, strict=True):
        result[i] = place
    return result


def _first(group: list[float], apart: float) -> float:
    """Give the first place of a group whose mean stays where its members wished to be."""
    return group[0] / group[1] - apart * (group[1] - 1) / 2


# --- scales ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class DayScale:
    """From days to places: linear between knots, so that late follow-up may be compressed.

    Parameters
    ----------
    knots
        (day, x), rising in both.
    """

    knots: tuple[tuple[float, float], ...]

    def __call__(self, day: float) -> float:
        """Give the place of a day; days beyond the ends stand at the ends."""
        first, last = self.knots[0], self.knots[-1]
        if day <= first[0]:
            return first[1]
        for (day_a, x_a), (day_b, x_b) in pairwise(self.knots):
            if day <= day_b:
                return x_a + (day - day_a) * (x_b - x_a) / (day_b - day_a)
        return last[1]

    @classmethod
    def over(
        cls, days: Sequence[float], dense: Sequence[float], left: float, right: float
    ) -> DayScale:
        """Choose a scale: compressed after the dense part where that is a small part of the whole.

        1. The scale covers all `days` with a little room.
        2. `dense` are the days that need room (of counts, infusions, transfusions), `days` all of
           them. The dense part ends where nine in ten of its days are past, and goes on while the
           next one is at most ten days away.
        3. Where there are at least eight dense days and this part is less than two fifths of the
           whole, it takes 72 % of the width and the rest is compressed.
        """
        low, high = min(days, default=0.0), max(days, default=1.0)
        room = max(1.0, 0.015 * (high - low))
        low, high = low - room, high + room
        end = _dense_end(sorted(dense)) if len(dense) >= 8 else high
        if end - low < 0.4 * (high - low):
            middle = left + 0.72 * (right - left)
            return cls(((low, left), (end, middle), (high, right)))
        return cls(((low, left), (high, right)))

    @property
    def breaks(self) -> tuple[tuple[float, float], ...]:
        """The knots at which the scale changes."""
        return self.knots[1:-1]


def _dense_end(days: list[float]) -> float:
    """Give the end of the part of rising days that needs room."""
    place = math.ceil(0.9 * (len(days) - 1))
    while place + 1 < len(days) and days[place + 1] - days[place] <= 10:
        place += 1
    return days[place] + 3.0


def day_ticks(scale: DayScale, spacing: float = 46.0) -> list[int]:
    """Choose days to label, in each part of the scale, at least `spacing` apart."""
    ticks: list[int] = []
    for (day_a, x_a), (day_b, x_b) in pairwise(scale.knots):
        per_day = (x_b - x_a) / (day_b - day_a)
        steps = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000)
        step = next((step for step in steps if step * per_day >= spacing), steps[-1])
        first = math.ceil(day_a / step) * step
        inside = range(first, math.floor(day_b) + 1, step)
        ticks.extend(
            day for day in inside if not ticks or scale(day) - scale(ticks[-1]) >= spacing * 0.6
        )
    return ticks


@dataclass(frozen=True)
class ValueScale:
    """From values to heights, linear or logarithmic; `bottom` is below `top` on the page."""

    low: float
    high: float
    top: float
    bottom: float
    log: bool

    def __call__(self, value: float) -> float:
        """Give the height of a value; values beyond the ends stand at the ends."""
        value = min(max(value, self.low), self.high)
        if self.log:
            share = math.log(value / self.low) / math.log(self.high / self.low)
        else:
            share = (value - self.low) / (self.high - self.low)
        return self.bottom - share * (self.bottom - self.top)

    @classmethod
    def over(cls, values: Iterable[float], top: float, bottom: float, *, log: bool) -> ValueScale:
        """Choose a scale that shows all finite values (on a log scale: those above zero)."""
        shown = [v for v in values if math.isfinite(v) and (v > 0 or not log)]
        low, high = min(shown, default=1.0), max(shown, default=10.0)
        if log:
            low, high = low / 1.5, high * 1.4
            if high / low < 6:
                low, high = low / 1.6, high * 1.6
        else:
            room = max(0.08 * (high - low), 5.0)
            low, high = max(0.0, low - room), high + room
        return cls(low, high, top, bottom, log)


def log_ticks(low: float, high: float) -> list[float]:
    """Choose values to label on a logarithmic axis: decades, with 2 and 5 where there are few.

    Examples
    --------
    >>> log_ticks(0.008, 12)
    [0.01, 0.1, 1.0, 10.0]
    >>> log_ticks(8, 150)
    [10.0, 20.0, 50.0, 100.0]
    """
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    fine = [
        round(m * 10.0**d, 12) for d in decades for m in (1, 2, 5) if low <= m * 10.0**d <= high
    ]
    coarse = [v for v in fine if f"{v:e}"[0] == "1"]
    return coarse if len(coarse) >= 3 else fine


def nice_ticks(low: float, high: float, about: int = 4) -> list[float]:
    """Choose round values on a linear axis.

    Examples
    --------
    >>> nice_ticks(62, 118)
    [80.0, 100.0]
    """
    span = high - low
    step = next(
        (m * 10.0**d for d in range(-6, 12) for m in (1, 2, 5) if span / (m * 10.0**d) <= about),
        span,
    )
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    return [round(k * step, 9) for k in range(first, last + 1)]
