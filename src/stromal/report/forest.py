"""Figures of many estimates under each other: terms of a model, subgroups."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

import matplotlib as mpl
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from stromal.analysis.estimate import Estimate
from stromal.analysis.models import ModelFit
from stromal.analysis.results import Computed, Result
from stromal.report.figures import COLOURS, SETTINGS, STAMPS, as_svg
from stromal.report.measures import Scale, as_limits, as_value, scale_of, scale_of_contrast
from stromal.report.numbers import as_duration, as_number
from stromal.report.text import has_interval, terms_of
from stromal.report.timeline_layout import fit_text, text_width
from stromal.report.words import humanise, sentence

__all__ = ["ForestRow", "plot_forest", "plot_model", "plot_subgroups"]

_WIDTH = 7.4  # inches
_LINE = 0.27
_INDENT = "\u2003"
_WIDEST = 200.0
"""A limit of a ratio further than this from 1 is drawn as an arrow at the edge."""


@dataclass(frozen=True)
class ForestRow:
    """One line: its name, its number with limits; without a number it is a heading."""

    label: str
    scale: Scale = "number"
    value: float | None = None
    low: float | None = None
    high: float | None = None
    colour: int = 0
    said: str = ""
    measure: str = ""


def plot_model(result: Result, model: ModelFit, place: int, *, data: str | None) -> str | None:
    """Draw the terms of a model with their intervals.

    Returns
    -------
    str or None
        An SVG element; None where there are not at least two terms with an estimate.
    """
    rows = _terms(model)
    if sum(row.value is not None for row in rows) < 2:
        return None
    return plot_forest(
        rows, key=f"m{place}-{result.id}", described=f"{result.label}, {model.method}", data=data
    )


def plot_subgroups(result: Result, *, data: str | None) -> str | None:
    """Draw an analysis in all, and below it in every level of every column of subgroups.

    What is drawn is the first contrast, or else the first model's first term, or else each group's
    first estimate or mean.

    Returns
    -------
    str or None
        An SVG element; None without subgroups, or where nothing has a number.
    """
    if not result.subgroups:
        return None
    whole = Computed(result.groups, contrasts=result.contrasts, models=result.models)
    columns = list(dict.fromkeys(subgroup.column for subgroup in result.subgroups))
    rows = _named("All", _numbers(whole))
    for column in columns:
        rows.append(ForestRow(sentence(humanise(column))))
        for subgroup in result.subgroups:
            if subgroup.column == column:
                level = f"{_INDENT}{humanise(subgroup.level)}"
                rows += _named(level, _numbers(subgroup.computed), subgroup.computed.note)
    if not any(row.value is not None for row in rows):
        return None
    return plot_forest(
        rows, key=f"s-{result.id}", described=f"{result.label}, subgroups", data=data
    )


def _terms(model: ModelFit) -> list[ForestRow]:
    """Give the terms of a model as lines."""
    plain = model.scale == "difference"
    scale: Scale = "number" if plain else "ratio"
    return [
        ForestRow(
            row["term"], scale, row["coefficient" if plain else "ratio"], row["low"], row["high"],
            said="" if row["coefficient"] is not None else "not estimable",
            measure="Coefficient" if plain else sentence(model.scale),
        )
        for row in terms_of(model).iter_rows(named=True)
    ]  # fmt: skip


def _numbers(computed: Computed) -> list[ForestRow]:
    """Choose what is drawn of an analysis; the label is the group's, if there are several."""
    if computed.contrasts:
        first = computed.contrasts[0]
        signs = "/" if scale_of_contrast(first) == "ratio" else "−"
        after = "" if first.estimate.day is None else f", {as_duration(first.estimate.day)}"
        measure = f"{sentence(first.measure)}{after}: {first.first} {signs} {first.second}"
        return [_row("", first.estimate, scale_of_contrast(first), measure)]
    if computed.models:
        terms = _terms(computed.models[0])[:1]
        return [replace(t, label="", measure=f"{t.measure}: {t.label}") for t in terms]
    rows: list[ForestRow] = []
    for place, group in enumerate(computed.groups):
        estimate = group.mean or next(iter(group.estimates), None)
        if estimate is not None:
            name = group.label if len(computed.groups) > 1 else ""
            after = "" if estimate.day is None else as_duration(estimate.day)
            measure = sentence(estimate.method) + (f", {after}" if after else "")
            scale = scale_of(estimate) if group.mean is None else "days"
            rows.append(replace(_row(name, estimate, scale, measure), colour=place))
    return rows


def _row(label: str, estimate: Estimate, scale: Scale, measure: str) -> ForestRow:
    """Give an estimate as a line; an interval without width is not drawn."""
    low, high = (estimate.low, estimate.high) if has_interval(estimate) else (None, None)
    note = "not estimable" if estimate.value is None else ""
    return ForestRow(label, scale, estimate.value, low, high, said=note, measure=measure)


def _named(name: str, rows: list[ForestRow], note: str = "") -> list[ForestRow]:
    """Name the lines of one level."""
    if not rows:
        return [ForestRow(name, said=note or "nobody has a result")]
    return [replace(row, label=f"{name}, {row.label}".removesuffix(", ")) for row in rows]


def plot_forest(rows: Sequence[ForestRow], *, key: str, described: str, data: str | None) -> str:
    """Draw numbers with their intervals under each other.

    1. Ratios stand on a logarithmic axis around 1, differences around 0, shares from 0 to 100 %.
    2. A limit that is not known, or far outside, ends in an arrow.
    3. The number with its interval stands beside each line in full.
    """
    shown = [row for row in rows if row.value is not None]
    scale: Scale = shown[0].scale if shown else "number"
    height = 0.75 + _LINE * len(rows)
    with cast("Any", mpl).rc_context({**SETTINGS, "svg.hashsalt": f"forest {key}"}):
        figure: Any = Figure(figsize=(_WIDTH, height))
        FigureCanvasSVG(figure)
        longest = max(text_width(row.label, 9.0) for row in rows) / 72
        beside = max(text_width(_said(row), 8.5) for row in rows) / 72
        left, right = min(max(1.2, longest + 0.3), 3.0), min(max(1.5, beside + 0.3), 3.0)
        axes = figure.add_axes((
            left / _WIDTH, 0.58 / height, (_WIDTH - left - right) / _WIDTH, (height - 0.63) / height
        ))  # fmt: skip
        if data in STAMPS:
            figure.text(0.012, 0.05, STAMPS[data], fontsize=7.5, color="#767676",
                        fontweight="bold")  # fmt: skip
        first, last = _limits(shown, scale)
        _dress(axes, scale, first, last, len(rows), shown[0].measure if shown else "")
        for place, row in enumerate(rows):
            _draw(axes, row, len(rows) - 1 - place, (first, last), left)
        return as_svg(figure, f"f-{key}", _described(described, rows))


def _draw(axes: Any, row: ForestRow, y: int, ends: tuple[float, float], left: float) -> None:  # noqa: ANN401
    """Draw one line: its name, its interval, its number."""
    heading = row.value is None and not row.said
    indent = 12 if row.label.startswith(_INDENT) else 0
    name = fit_text(row.label.removeprefix(_INDENT), 9.0, left * 72 - 14 - indent)
    axes.annotate(name, (ends[0], y), xytext=(-left * 72 + 6 + indent, 0),
                  textcoords="offset points", va="center", annotation_clip=False,
                  fontweight="bold" if heading else "normal")  # fmt: skip
    colour = COLOURS[row.colour % 6]
    if row.value is not None:
        _draw_interval(axes, row, y, ends, colour)
    if _said(row):
        said = fit_text(_said(row), 8.5, 3 * 72 - 14)
        axes.annotate(said, (ends[1], y), xytext=(8, 0), textcoords="offset points", va="center",
                      annotation_clip=False, fontsize=8.5)  # fmt: skip


def _said(row: ForestRow) -> str:
    """Say the number of a line with its interval."""
    if row.value is None:
        return row.said
    bounded = row.low is not None or row.high is not None
    limits = f" ({as_limits(row.low, row.high, row.scale)})" if bounded else ""
    return f"{as_value(row.value, row.scale)}{limits}".replace("\u00a0", " ")


def _draw_interval(
    axes: Any,  # noqa: ANN401
    row: ForestRow,
    y: int,
    ends: tuple[float, float],
    colour: str,
) -> None:
    """Draw the interval and the square; what lies outside the axis becomes an arrow."""
    value = row.value or 0.0
    if row.low is not None or row.high is not None:
        low = ends[0] if row.low is None else max(row.low, ends[0])
        high = ends[1] if row.high is None else min(row.high, ends[1])
        axes.plot([low, high], [y, y], color=colour, linewidth=1.6, clip_on=False)
        if row.low is None or row.low < ends[0]:
            axes.plot([ends[0]], [y], marker="<", markersize=5, color=colour, clip_on=False)
        if row.high is None or row.high > ends[1]:
            axes.plot([ends[1]], [y], marker=">", markersize=5, color=colour, clip_on=False)
    if ends[0] <= value <= ends[1]:
        axes.plot([value], [y], marker="s", markersize=6, color=colour, clip_on=False)


def _limits(rows: Sequence[ForestRow], scale: Scale) -> tuple[float, float]:
    """Choose the ends of the axis."""
    if scale == "percent":
        return 0.0, 1.0
    numbers = [n for row in rows for n in (row.value, row.low, row.high) if n is not None]
    if scale == "ratio":
        near = [n for n in numbers if 1 / _WIDEST <= n <= _WIDEST] + [0.8, 1.25]
        return min(near) / 1.15, max(near) * 1.15
    least, most = min([*numbers, 0.0]), max([*numbers, 0.0])
    room = 0.06 * (most - least or 1.0)
    return least - (room if least < 0 else 0), most + room


def _dress(
    axes: Any,  # noqa: ANN401
    scale: Scale,
    first: float,
    last: float,
    count: int,
    label: str,
) -> None:
    """Scale and label the axis, and mark where there is no difference."""
    if scale == "ratio":
        axes.set_xscale("log")
    axes.set_xlim(first, last)
    axes.set_ylim(-0.7, count - 0.3)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    ticks = _ticks(scale, first, last)
    factor = 100 if scale in {"percent", "points"} else 1
    axes.set_xticks(ticks, [as_number(factor * tick) for tick in ticks])
    axes.set_xticks([], minor=True)
    unit = {"percent": ", %", "points": ", percentage points", "days": ", days"}.get(scale, "")
    axes.set_xlabel(label + unit, labelpad=3, fontsize=8.5)
    axes.grid(axis="x", color="#ececec", linewidth=0.7)
    axes.set_axisbelow(True)
    none = 1.0 if scale == "ratio" else 0.0
    if scale != "percent" and first <= none <= last:
        axes.axvline(none, color="#595959", linewidth=0.9, linestyle=(0, (3, 2)), zorder=1)


def _ticks(scale: Scale, first: float, last: float) -> list[float]:
    """Choose round places on the axis."""
    if scale == "percent":
        return [0.0, 0.25, 0.5, 0.75, 1.0]
    if scale == "ratio":
        every = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100)
        found = [tick for tick in every if first <= tick <= last]
        return found if len(found) <= 7 else [t for t in found if t in {0.01, 0.1, 1, 10, 100}]
    power = 10.0 ** math.floor(math.log10((last - first) / 4))
    step = next(power * k for k in (1, 2, 2.5, 5, 10) if (last - first) / (power * k) <= 6)
    return [k * step for k in range(math.ceil(first / step), math.floor(last / step) + 1)]


def _described(described: str, rows: Sequence[ForestRow]) -> str:
    """Describe the figure for those who do not see it."""
    parts = [
        f"{row.label.strip()}: {as_value(row.value, row.scale)} "
        f"({as_limits(row.low, row.high, row.scale)})"
        for row in rows
        if row.value is not None
    ]
    return f"{described}. " + "; ".join(parts)
