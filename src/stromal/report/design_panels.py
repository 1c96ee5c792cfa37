"""One panel of the figure of virtual trials: rows of marks with intervals and numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from stromal.design.monte_carlo import Figure as Number
from stromal.report.numbers import DASH, as_percent
from stromal.report.timeline_layout import fit_text, nice_ticks, wrap_text
from stromal.report.words import humanise, sentence

__all__ = [
    "GAP",
    "LEFT",
    "RIGHT",
    "WIDTH",
    "Mark",
    "Panel",
    "Row",
    "draw_panel",
    "draw_row_names",
    "height_of_rows",
]

WIDTH, LEFT, RIGHT, GAP = 8.8, 1.75, 0.62, 0.12
"""Of the figure, of the rows' names, of a panel's numbers, between panels; inches."""
_SIZE, _TEXT = 8.5, 0.14
_SERIES, _PAD, _GROUP = 0.165, 0.12, 0.24
_MOST_LINES = 4
_SOFT = "#595959"


class Mark(NamedTuple):
    """A number, the one it is set beside, and what is said instead of it."""

    number: Number
    beside: Number | None = None
    note: str = ""


class Panel(NamedTuple):
    """A panel: marks by row and series, a line across all rows, the end of the axis."""

    title: str
    subtitle: str
    marks: Mapping[tuple[int, int], Mark]
    line: float | None = None
    end: float = 1.0


class Row(NamedTuple):
    """A row's name, and the heading that begins with it."""

    name: str
    heading: str = ""


def _name_lines(row: Row) -> list[str]:
    return wrap_text(row.name, _SIZE, LEFT * 72 - 18, lines=_MOST_LINES)


def _tall(row: Row, series: int) -> float:
    """Give the height of one row without its heading."""
    return max(_SERIES * series, _TEXT * len(_name_lines(row)), 0.17) + _PAD


def height_of_rows(rows: Sequence[Row], series: int) -> float:
    """Give the height of all rows with their headings, in inches."""
    return sum(_tall(row, series) + (_GROUP if row.heading else 0.0) for row in rows)


def _bounds(rows: Sequence[Row], series: int) -> list[tuple[float, float]]:
    """Give top and bottom of every row, in inches from the top of the panel."""
    found: list[tuple[float, float]] = []
    y = 0.0
    for row in rows:
        y += _GROUP if row.heading else 0.0
        found.append((y, y + _tall(row, series)))
        y += _tall(row, series)
    return found


def draw_row_names(figure: Any, rows: Sequence[Row], series: int, title: str, top: float) -> None:  # noqa: ANN401
    """Write the names of the rows at the left of a band that begins `top` inches from below."""
    height = figure.get_figheight()
    named = fit_text(sentence(humanise(title)), _SIZE, LEFT * 72 / 1.1 - 18)
    figure.text(0.012, (top + 0.08) / height, named, fontsize=_SIZE, fontweight="bold")
    for row, (high, low) in zip(rows, _bounds(rows, series), strict=True):
        if row.heading:
            shown = fit_text(row.heading, _SIZE, (WIDTH * 72 - 20) / 1.1)
            figure.text(0.012, (top - high + 0.06) / height, shown, fontsize=_SIZE,
                        fontweight="bold", color=_SOFT)  # fmt: skip
        figure.text(0.1 / WIDTH, (top - (high + low) / 2) / height, "\n".join(_name_lines(row)),
                    fontsize=_SIZE, va="center", linespacing=1.1)  # fmt: skip


def draw_panel(
    figure: Any,  # noqa: ANN401
    panel: Panel,
    rows: Sequence[Row],
    styles: Sequence[tuple[str, str]],
    box: tuple[float, float, float, float],
) -> None:
    """Draw one panel.

    Parameters
    ----------
    figure
        A matplotlib figure.
    panel, rows
        What is drawn.
    styles
        Colour and marker of each series.
    box
        Left, bottom, width and height of the axes in inches; the numbers stand at their right.
    """
    wide, tall = figure.get_figwidth(), figure.get_figheight()
    left, bottom, width, height = box
    axes = figure.add_axes((left / wide, bottom / tall, width / wide, height / tall))
    axes.set_xlim(-0.025 * panel.end, panel.end * 1.025)
    axes.set_ylim(height, 0)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    ticks = nice_ticks(0.0, 100 * panel.end, about=5)
    axes.set_xticks([tick / 100 for tick in ticks], [f"{tick:g}" for tick in ticks])
    axes.tick_params(axis="x", labelsize=7.5, length=3, pad=2)
    axes.set_xlabel("%", fontsize=7.5, labelpad=0)
    axes.grid(axis="x", color="#e4e4e4", linewidth=0.6)
    axes.set_axisbelow(True)
    _write_heading(figure, panel, left, bottom + height, width + RIGHT)
    bounds = _bounds(rows, len(styles))
    for number, (high, low) in enumerate(bounds):
        if number % 2 == 0:
            axes.axhspan(high, low, color="#f5f5f5", linewidth=0, zorder=0)
    if panel.line is not None and panel.line <= panel.end:
        for high, low in bounds:
            axes.plot([panel.line] * 2, [high, low], color=_SOFT, linewidth=0.9,
                      linestyle=(0, (3, 2)), zorder=2)  # fmt: skip
    for (row, series), mark in panel.marks.items():
        high, low = bounds[row]
        share = _SERIES * len(styles)
        y = (high + low - share) / 2 + _SERIES * (series + 0.5)
        _draw_mark(axes, mark, y, styles[series], panel.end)


def _write_heading(figure: Any, panel: Panel, left: float, top: float, room: float) -> None:  # noqa: ANN401
    wide, tall = figure.get_figwidth(), figure.get_figheight()
    shown = fit_text(panel.title, 9.0, room * 72 / 1.1)
    figure.text(left / wide, (top + 0.21) / tall, shown, fontsize=9, fontweight="bold")
    under = fit_text(panel.subtitle, 7.5, room * 72)
    figure.text(left / wide, (top + 0.075) / tall, under, fontsize=7.5, color=_SOFT)


def _draw_mark(axes: Any, mark: Mark, y: float, style: tuple[str, str], end: float) -> None:  # noqa: ANN401
    """Draw a number with its interval and spread, what it is set beside, and write it."""
    colour, marker = style
    number, value = mark.number, mark.number.value
    if mark.beside is not None and mark.beside.value is not None:
        if value is not None:
            axes.plot([mark.beside.value, value], [y, y], color=colour, linewidth=0.8,
                      linestyle=(0, (1, 1.5)), zorder=3)  # fmt: skip
        axes.plot([mark.beside.value], [y], marker="D", markersize=6, color=colour,
                  markerfacecolor="white", markeredgewidth=1.1, zorder=4)  # fmt: skip
    if mark.note:
        axes.text(0.02 * end, y, mark.note, fontsize=7, fontstyle="italic", color=_SOFT,
                  va="center", zorder=7)  # fmt: skip
    if value is not None and not mark.note:
        if number.spread is not None:
            axes.plot([number.spread.p5, number.spread.p95], [y, y], color=colour, alpha=0.2,
                      linewidth=7, solid_capstyle="butt", zorder=2)  # fmt: skip
        if number.low is not None and number.high is not None:
            axes.plot([number.low, number.high], [y, y], color=colour, linewidth=1.4,
                      zorder=5)  # fmt: skip
        axes.plot([value], [y], marker=marker, markersize=4.6, color=colour,
                  markeredgecolor="white", markeredgewidth=0.5, zorder=6)  # fmt: skip
    said = DASH if mark.note else as_percent(value).replace("\u00a0", " ")
    size = 8.0
    if value is None:
        said, size = "not known", 6.5
    axes.annotate(said, (1, y), xycoords=("axes fraction", "data"), xytext=(6, 0),
                  textcoords="offset points", va="center", fontsize=size, color=colour,
                  annotation_clip=False)  # fmt: skip
