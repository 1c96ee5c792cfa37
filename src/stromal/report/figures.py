"""Statistical figures as SVG to be put into a page: curves with numbers at risk, intervals."""

from __future__ import annotations

import io
import math
import re
from collections.abc import Sequence
from typing import Any, cast

import matplotlib as mpl
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from stromal.analysis.estimate import Curve, Estimate, count_at_risk
from stromal.analysis.results import Group, Result
from stromal.report.measures import MEANS, as_value, scale_of
from stromal.report.numbers import as_duration, as_interval, as_number, as_percent
from stromal.report.svg import clean
from stromal.report.text import has_interval
from stromal.report.timeline_layout import fit_text, spread, text_width, wrap_text

__all__ = [
    "COLOURS",
    "SETTINGS",
    "STAMPS",
    "as_svg",
    "plot_curves",
    "plot_estimates",
    "plot_thumbnail",
]

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#aa4499", "#56b4e9", "#e69f00")
_LINES: tuple[Any, ...] = ("-", (0, (5, 2)), (0, (7, 2, 1.5, 2)), (0, (1.5, 1.5)), "-", (0, (5, 2)))
STAMPS = {
    "reconstruction": "RECONSTRUCTION, not observed",
    "synthetic": "SYNTHETIC DATA, not observed",
    "teaching": "TEACHING DATA, not observed",
}
"""What every table and figure says of data that were not observed."""
SETTINGS: dict[str, Any] = {
    "svg.fonttype": "none",
    "text.parse_math": False,
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#595959",
    "axes.linewidth": 0.8,
    "text.color": "#1a1a1a",
    "axes.labelcolor": "#1a1a1a",
    "xtick.color": "#595959",
    "ytick.color": "#595959",
    "xtick.labelcolor": "#1a1a1a",
    "ytick.labelcolor": "#1a1a1a",
    "lines.solid_capstyle": "butt",
    "figure.dpi": 72,
}
"""How every figure is written: its type, its ink, its lines."""
_WIDTH, _LEFT, _RIGHT = 7.4, 0.85, 1.75  # inches
_ROW = 0.175
_FROM_ZERO = ("Aalen-Johansen", *MEANS)
_UPRIGHT = {
    "survival": "Without the event, %",
    "state occupation": "In the state, %",
    "current survival": "Well at that time, %",
}


def plot_curves(result: Result, *, data: str | None, anchor: str) -> str | None:
    """Draw the curves of an analysis of times to an event.

    1. One step function a group, with its confidence band, a stroke at every day on which somebody
       was censored, and its label at its end; groups differ in colour and in line.
    2. The values at the days that the analysis names are marked, with their interval.
    3. Numbers at risk stand below, under their time. For a reconstruction only at day 0 and at the
       days the analysis names: the times in between are arbitrary.
    4. The curves of the earliest and of the latest possible days, where the analysis asks for them,
       are thin and lighter, without bands.
    5. Data that were not observed are stamped across the figure.

    Parameters
    ----------
    result
        The analysis.
    data
        The kind of data.
    anchor
        The moment from which days count, in words.

    Returns
    -------
    str or None
        An SVG element; None where no group has a curve.
    """
    groups = [group for group in result.groups if group.curve is not None and group.n]
    if not groups:
        return None
    named = sorted({e.day for group in groups for e in group.estimates if e.day is not None})
    end = max([g.curve.last_day or 0 for g in groups if g.curve is not None] + [*named, 1.0])
    unit, length = _unit(end)
    rise = _rise(groups)
    below = 0.55 + _ROW * (2 * len(groups) + 1)
    height = 2.75 + below
    with cast("Any", mpl).rc_context({**SETTINGS, "svg.hashsalt": f"curves {result.id}"}):
        figure: Any = Figure(figsize=(_WIDTH, height))
        FigureCanvasSVG(figure)
        axes = figure.add_axes((
            _LEFT / _WIDTH, below / height, (_WIDTH - _LEFT - _RIGHT) / _WIDTH,
            (height - below - 0.12) / height,
        ))  # fmt: skip
        _stamp(axes, data)
        for index, group in enumerate(groups):
            _draw_curve(axes, group, index, end, (length, rise))
        _label_ends(axes, groups, end, (length, rise))
        ticks = _ticks(end / length)
        _dress(axes, ticks, end / length, f"{unit} from {anchor}")
        _dress_upright(axes, result, groups, rise)
        times = [0.0, *named] if data == "reconstruction" else [tick * length for tick in ticks]
        _write_at_risk(axes, groups, times, length, height - below - 0.12)
        return as_svg(figure, f"c-{result.id}", _described(result, groups))


def _rise(groups: Sequence[Group]) -> float:
    """Give the height of 1 on the axis: 100 for a probability, less for a mean number."""
    if not _of_means(groups):
        return 100.0
    curves = [group.curve.frame["estimate"] for group in groups if group.curve is not None]
    tops = [float(values.max() or 0.0) for values in curves]  # pyright: ignore[reportArgumentType]
    tops += [e.high or 0.0 for group in groups for e in group.estimates]
    return 98.0 / (max(tops) or 1.0)


def _of_means(groups: Sequence[Group]) -> bool:
    """Whether curves are of mean numbers of events, which are no probabilities."""
    return any(group.curve is not None and group.curve.method in MEANS for group in groups)


def _unit(days: float) -> tuple[str, float]:
    """Choose the unit of the axis: days, months of 30.4375 or years of 365.25 days."""
    if days > 1100:
        return "Years", 365.25
    return ("Months", 30.4375) if days > 200 else ("Days", 1.0)


def _ticks(end: float) -> list[float]:
    """Choose round places from 0 to the end."""
    steps = (0.5, 1, 2, 3, 5, 6, 7, 10, 12, 14, 20, 24, 28, 30, 50, 60, 100)
    step = next((step for step in steps if end / step <= 8), end / 8)
    return [k * step for k in range(math.floor(end / step + 1e-9) + 1)]


def _steps(curve: Curve, end: float, column: str) -> tuple[list[float], list[float]]:
    """Give a step function from day 0 to its last day, where a value is known."""
    first = curve.frame["day"][0] if curve.frame.height else None
    begins = 0.0 if curve.method in _FROM_ZERO else 1.0
    days, values = ([], []) if first is not None and first <= 0 else ([0.0], [begins])
    for day, value in curve.frame.select("day", column).iter_rows():
        if value is not None:
            days.append(float(day))
            values.append(float(value))
    if not days:
        return [], []
    over = curve.frame.height > 0 and curve.frame["event_free"][-1] == 0
    last = end if over else min(end, float(curve.last_day or 0.0))
    return [*days, max(last, days[-1])], [*values, values[-1]]


def _draw_curve(
    axes: Any,  # noqa: ANN401
    group: Group,
    index: int,
    end: float,
    units: tuple[float, float],
) -> None:
    """Draw one group; `units` are the days of one of the axis, and the height of 1."""
    curve = group.curve
    if curve is None:
        return
    length, rise = units
    colour, line = COLOURS[index % 6], _LINES[index % 6]
    days, values = _steps(curve, end, "estimate")
    axes.step([d / length for d in days], [rise * v for v in values], where="post", color=colour,
              linestyle=line, linewidth=1.7, zorder=4)  # fmt: skip
    _draw_bounds(axes, group, index, end, units)
    low_days, low = _steps(curve, end, "low")
    high_days, high = _steps(curve, end, "high")
    if len(low_days) > 2 and low_days == high_days:
        axes.fill_between([d / length for d in low_days], [rise * v for v in low],
                          [rise * v for v in high], step="post", color=colour, alpha=0.13,
                          linewidth=0, zorder=2)  # fmt: skip
    censored = curve.frame.filter(curve.frame["censored"] > 0).select("day", "estimate")
    marks = [(d / length, rise * v) for d, v in censored.iter_rows() if v is not None]
    if marks:
        axes.plot([x for x, _ in marks], [y for _, y in marks], linestyle="none", marker="|",
                  markersize=7, markeredgewidth=1.2, color=colour, zorder=5)  # fmt: skip
    for estimate in group.estimates:
        if estimate.day is None or estimate.value is None:
            continue
        x = (estimate.day + (index - 0.5) * 0.008 * end) / length
        if estimate.low is not None and estimate.high is not None:
            axes.plot([x, x], [rise * estimate.low, rise * estimate.high], color=colour,
                      linewidth=1.0, zorder=5, clip_on=False)  # fmt: skip
        axes.plot([x], [rise * estimate.value], marker="o", markersize=4.5, color=colour,
                  markeredgecolor="white", markeredgewidth=0.7, zorder=6,
                  clip_on=False)  # fmt: skip


def _draw_bounds(
    axes: Any,  # noqa: ANN401
    group: Group,
    index: int,
    end: float,
    units: tuple[float, float],
) -> None:
    """Draw the curves of the earliest and of the latest days, lighter than the curve itself."""
    length, rise = units
    for bound in group.bounds:
        days, values = _steps(bound.curve, end, "estimate")
        axes.step([d / length for d in days], [rise * v for v in values], where="post",
                  color=COLOURS[index % 6], linewidth=0.9, alpha=0.55, zorder=3)  # fmt: skip


def _label_ends(
    axes: Any,  # noqa: ANN401
    groups: Sequence[Group],
    end: float,
    units: tuple[float, float],
) -> None:
    """Write each group's name at the end of its curve, the names apart from each other."""
    length, rise = units
    ends: list[float] = []
    for index, group in enumerate(groups):  # of equal ends the first group's name stands higher
        values = [] if group.curve is None else _steps(group.curve, end, "estimate")[1]
        ends.append(rise * (values[-1] if values else 1.0) - 0.001 * index)
    room = _RIGHT * 72 - 14
    names = [
        wrap_text(group.label if len(groups) > 1 else f"n = {group.n}", 9.0, room, lines=3)
        for group in groups
    ]
    places = spread(ends, 4.0 + 5.5 * max(len(lines) for lines in names), 3.0, 99.0)
    for index, (lines, place) in enumerate(zip(names, places, strict=True)):
        axes.annotate("\n".join(lines), (end / length, place), xytext=(9, 0),
                      textcoords="offset points", va="center", color=COLOURS[index % 6],
                      fontweight="bold", linespacing=1.05, annotation_clip=False)  # fmt: skip


def _dress(axes: Any, ticks: list[float], end: float, label: str) -> None:  # noqa: ANN401
    """Label the axis of days."""
    axes.set_xlim(0, max(end, ticks[-1]))
    axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.set_xlabel(label, labelpad=2)


def _dress_upright(
    axes: Any,  # noqa: ANN401
    result: Result,
    groups: Sequence[Group],
    rise: float,
) -> None:
    """Label the upright axis: per cent of a probability, or a mean number."""
    axes.set_ylim(0, 102)
    if _of_means(groups):
        steps = _ticks(102 / rise) if 102 / rise > 1 else [0.0, 0.25, 0.5, 0.75, 1.0]
        ticks = [step for step in steps if step * rise <= 102]
        axes.set_yticks([step * rise for step in ticks], [f"{step:g}" for step in ticks])
        axes.set_ylabel("Mean number of events")
    else:
        axes.set_yticks([0, 25, 50, 75, 100])
        axes.set_ylabel(_UPRIGHT.get(result.kind, "With the event, %"))
    axes.yaxis.set_label_coords(-36 / 72 / (_WIDTH - _LEFT - _RIGHT), 0.5)
    axes.grid(axis="y", color="#ececec", linewidth=0.7, zorder=0)
    axes.set_axisbelow(True)


def _write_at_risk(
    axes: Any,  # noqa: ANN401
    groups: Sequence[Group],
    times: list[float],
    length: float,
    tall: float,
) -> None:
    """Write each group's name and, below it, its numbers at risk, each under its time."""
    line, top = _ROW / tall, -0.56 / tall
    left = -(_LEFT - 0.06) / (_WIDTH - _LEFT - _RIGHT)
    across = axes.get_xaxis_transform()
    axes.text(left, top, "Participants at risk", transform=axes.transAxes, fontsize=8,
              color="#595959")  # fmt: skip
    for index, group in enumerate(groups):
        y = top - line * (2 * index + 1)
        axes.text(0, y, fit_text(group.label, 8.0, 6 * 72), transform=axes.transAxes, fontsize=8,
                  fontweight="bold", color=COLOURS[index % 6])  # fmt: skip
        counts = count_at_risk(group.curve, tuple(times)) if group.curve is not None else ()
        for time, count in zip(times, counts, strict=False):
            axes.text(time / length, y - line, str(count), transform=across, ha="center",
                      fontsize=8.5)  # fmt: skip


def _stamp(axes: Any, data: str | None) -> None:  # noqa: ANN401
    """Write across a figure what the data are, where they were not observed."""
    if data in STAMPS:
        axes.text(0.5, 0.5, STAMPS[data], transform=axes.transAxes, ha="center", va="center",
                  fontsize=15, color="#d4d4d4", fontweight="bold", zorder=1)  # fmt: skip


# --- intervals -------------------------------------------------------------------------------


def plot_estimates(result: Result, *, data: str | None) -> str | None:
    """Draw every probability of an analysis as a point with its interval, one line each.

    Returns
    -------
    str or None
        An SVG element; None where there are not at least two estimates with an interval.
    """
    rows = [
        (group, estimate)
        for group in result.groups
        for estimate in group.estimates
        if estimate.value is not None and has_interval(estimate)
        if scale_of(estimate) == "percent"
    ]
    if len(rows) < 2:
        return None
    height = 0.62 + 0.27 * len(rows)
    with cast("Any", mpl).rc_context({**SETTINGS, "svg.hashsalt": f"estimates {result.id}"}):
        figure: Any = Figure(figsize=(_WIDTH, height))
        FigureCanvasSVG(figure)
        longest = max(text_width(_name_of(result, g, e), 9.0) for g, e in rows) / 72
        left, right = min(max(1.2, longest + 0.25), 3.0), 1.75
        axes = figure.add_axes((
            left / _WIDTH, 0.45 / height, (_WIDTH - left - right) / _WIDTH, (height - 0.5) / height
        ))  # fmt: skip
        if data in STAMPS:
            figure.text(0.012, 0.05, STAMPS[data], fontsize=7.5, color="#767676",
                        fontweight="bold")  # fmt: skip
        groups = [group.id for group in result.groups]
        for place, (group, estimate) in enumerate(rows):
            y = len(rows) - 1 - place
            colour = COLOURS[groups.index(group.id) % 6]
            low = 0.0 if estimate.low is None else 100 * estimate.low
            high = 100.0 if estimate.high is None else 100 * estimate.high
            value = 100 * (estimate.value or 0.0)
            axes.plot([low, high], [y, y], color=colour, linewidth=1.6)
            axes.plot([value], [y], marker="s", markersize=6, color=colour)
            name = _name_of(result, group, estimate)
            said = f"{as_percent(estimate.value)} ({as_interval(estimate.low, estimate.high)})"
            axes.annotate(fit_text(name, 9.0, left * 72 - 14), (0, y), xytext=(-8, 0),
                          textcoords="offset points", ha="right", va="center",
                          annotation_clip=False)  # fmt: skip
            axes.annotate(said.replace("\u00a0", " "), (100, y), xytext=(8, 0),
                          textcoords="offset points", va="center",
                          annotation_clip=False, fontsize=8.5)  # fmt: skip
        axes.set_xlim(0, 100)
        axes.set_ylim(-0.7, len(rows) - 0.3)
        axes.set_yticks([])
        axes.spines["left"].set_visible(False)
        axes.set_xticks([0, 25, 50, 75, 100], ["0", "25", "50", "75", "100 %"])
        axes.grid(axis="x", color="#ececec", linewidth=0.7)
        axes.set_axisbelow(True)
        return as_svg(figure, f"e-{result.id}", _described(result, result.groups))


def _name_of(result: Result, group: Group, estimate: Estimate) -> str:
    """Name the line of an estimate: its group, and its day where it has one."""
    name = group.label if len(result.groups) > 1 or estimate.day is None else ""
    return name if estimate.day is None else f"{name}, {as_duration(estimate.day)}".lstrip(", ")


def plot_thumbnail(result: Result, *, data: str | None) -> str | None:
    """Draw an analysis small, for a card: its curves, or its estimates with their intervals.

    Returns
    -------
    str or None
        An SVG element; None where the analysis has neither.
    """
    curves = [group for group in result.groups if group.curve is not None and group.n]
    rows = [
        (g, e)
        for g in result.groups
        for e in g.estimates
        if e.value is not None and scale_of(e) == "percent"
    ]
    if not curves and not rows:
        return None
    with cast("Any", mpl).rc_context({**SETTINGS, "svg.hashsalt": f"thumbnail {result.id}"}):
        height = 2.2 if curves else 0.75 + 0.5 * len(rows)
        figure: Any = Figure(figsize=(3.6, height))
        FigureCanvasSVG(figure)
        axes = figure.add_axes((0.1, 0.42 / height, 0.82, 1 - 0.52 / height))
        if curves:
            _small_curves(axes, curves)
        else:
            _small_estimates(axes, result, rows)
        if data in STAMPS:
            figure.text(0.99, 0.02, STAMPS[data], fontsize=6.5, color="#767676", ha="right")
        return as_svg(figure, f"t-{result.id}", _described(result, result.groups))


def _small_curves(axes: Any, groups: Sequence[Group]) -> None:  # noqa: ANN401
    """Draw curves without bands and numbers."""
    end = max([g.curve.last_day or 0 for g in groups if g.curve is not None] + [1.0])
    for index, group in enumerate(groups):
        _draw_curve(axes, group, index, end, (_unit(end)[1], _rise(groups)))
    ticks = _ticks(end / _unit(end)[1])
    axes.set_xlim(0, end / _unit(end)[1])
    axes.set_ylim(0, 102)
    axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    if _of_means(groups):
        axes.set_yticks([0, 98], ["0", as_number(98 / _rise(groups), 2)])
    else:
        axes.set_yticks([0, 50, 100])
    axes.text(1, 0.03, _unit(end)[0], transform=axes.transAxes, ha="right", fontsize=8)


def _small_estimates(axes: Any, result: Result, rows: list[tuple[Group, Any]]) -> None:  # noqa: ANN401
    """Draw estimates with their names above the lines."""
    groups = [group.id for group in result.groups]
    for place, (group, estimate) in enumerate(rows):
        y, colour = len(rows) - 1 - place, COLOURS[groups.index(group.id) % 6]
        if has_interval(estimate):
            axes.plot([100 * (estimate.low or 0.0), 100 * (estimate.high or 1.0)], [y, y],
                      color=colour, linewidth=2)  # fmt: skip
        axes.plot([100 * estimate.value], [y], marker="s", markersize=7, color=colour,
                  clip_on=False)  # fmt: skip
        name = group.label if len(groups) > 1 else ""
        said = f"{name} {as_percent(estimate.value, 0)}".strip().replace("\u00a0", " ")
        axes.text(0, y + 0.22, fit_text(said, 8.5, 205.0), fontsize=8.5, color=colour)
    axes.set_xlim(0, 100)
    axes.set_ylim(-0.5, len(rows) - 0.2)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    axes.set_xticks([0, 50, 100], ["0", "50", "100 %"])


def _described(result: Result, groups: Sequence[Group]) -> str:
    """Describe a figure for those who do not see it."""
    parts = [
        f"{group.label}, n = {group.n}: "
        + ", ".join(
            (f"{as_duration(e.day)} " if e.day is not None else "") + as_value(e.value, scale_of(e))
            for e in group.estimates
        )
        for group in groups
    ]
    return f"{result.label}. " + "; ".join(parts)


def as_svg(figure: Any, key: str, described: str) -> str:  # noqa: ANN401
    """Write a figure as an element for a page: no header, no date, ids that occur once."""
    buffer = io.StringIO()
    nothing = {"Date": None, "Creator": None, "Format": None, "Type": None}
    figure.savefig(buffer, format="svg", metadata=nothing, transparent=True)
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>\s*", "", text, flags=re.DOTALL)
    text = re.sub(r'\bid="([^"]+)"', rf'id="{key}-\1"', text)
    text = re.sub(r"url\(#([^)]+)\)", rf"url(#{key}-\1)", text)
    text = re.sub(r'xlink:href="#([^"]+)"', rf'xlink:href="#{key}-\1"', text)
    text = text.replace("'DejaVu Sans'", "system-ui, 'Segoe UI', Arial, 'DejaVu Sans'")
    opening, rest = text.split(">", 1)
    opening = re.sub(r'\b(width|height)="[^"]*pt"', "", opening)
    label = clean(described.replace("\u00a0", " "))
    return f'{opening} role="img" class="figure" aria-label="{label}">{rest}'.strip()
