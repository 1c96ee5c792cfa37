"""The part of the multiverse figure that shows participants: one panel a definition."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import polars as pl
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator

from stromal.endpoints.multiverse import Multiverse, summarize_every
from stromal.report.timeline_layout import fit_text

__all__ = [
    "INK",
    "MOST_ROWS",
    "colour_of",
    "draw_panels",
    "height_of_panels",
    "same_answers",
    "sort_participants",
]

MOST_ROWS = 60
"""Most participants that get a row each; of more, distributions are drawn."""
INK = "#1a1a1a"
_COLOURS = ("#0072b2", "#c24e00", "#00805c", "#aa4499", "#4b3fa0", "#8a6a00")
_SOFT, _TINT, _OWN_DAY = "#595959", "#ffe9cc", "#c9c9c9"
_WIDTH, _LEFT, _RIGHT, _GAP = 10.0, 1.35, 0.25, 0.2
_COLUMNS = 4
_AXIS, _NAME, _KEY, _SPREAD = 0.5, 0.15, 0.3, 1.35
_MOST_NAMES = 3
_SEEN = ("event", "competing", "censored")


class _Panel(NamedTuple):
    """Where one panel stands, in inches from the lower left corner."""

    left: float
    bottom: float
    width: float
    height: float


def same_answers(multiverse: Multiverse) -> list[list[str]]:
    """Group the definitions that give every participant the same status, day and bounds."""
    told: dict[tuple[Any, ...], list[str]] = {}
    for name in multiverse.derived():
        rows = multiverse.rows.filter(pl.col("definition") == name)
        answers = rows.select("participant_id", "status", "day", "day_low", "day_high").rows()
        told.setdefault(tuple(answers), []).append(name)
    return list(told.values())


def colour_of(place: int) -> str:
    """Give the colour of a group of definitions: ink for the first, then colours in turn."""
    return INK if place == 0 else _COLOURS[(place - 1) % len(_COLOURS)]


def sort_participants(multiverse: Multiverse) -> list[str]:
    """Sort the participants: events by day as the first definition has them, then the rest."""
    order = {"event": 0, "competing": 1, "censored": 2}
    return (
        multiverse.rows.filter(pl.col("definition") == multiverse.reference)
        .with_columns(kind=pl.col("status").replace_strict(order, default=3, return_dtype=pl.Int32))
        .sort("kind", "day", "participant_id", nulls_last=True)["participant_id"]
        .to_list()
    )


def _row_height(size: int) -> float:
    return 0.165 if size <= 30 else 0.125


def _body(size: int) -> float:
    """Give the height of a panel without its heading and its axis."""
    return _SPREAD if size > MOST_ROWS else max(0.4, _row_height(size) * size)


def _heading(groups: Sequence[Sequence[str]]) -> float:
    """Give the height of the headings of one band of panels."""
    most = max(min(len(group), _MOST_NAMES) for group in groups)
    return _NAME * (most + 1) + 0.22


def _bands(groups: list[list[str]]) -> list[list[tuple[int, list[str]]]]:
    """Break the groups into bands of panels."""
    numbered = list(enumerate(groups))
    return [numbered[at : at + _COLUMNS] for at in range(0, len(numbered), _COLUMNS)]


def height_of_panels(multiverse: Multiverse) -> float:
    """Give the height that the panels and their key need, in inches."""
    size = multiverse.rows["participant_id"].n_unique()
    bands = _bands(same_answers(multiverse))
    return _KEY + sum(
        _heading([group for _, group in band]) + _body(size) + _AXIS for band in bands
    )


def draw_panels(figure: Any, multiverse: Multiverse, *, top: float) -> None:  # noqa: ANN401
    """Draw one panel for each group of definitions, and the key above them.

    Parameters
    ----------
    figure
        A matplotlib figure, 10 inches wide.
    multiverse
        A time to an event.
    top
        Where the panels begin, in inches from below.
    """
    groups = same_answers(multiverse)
    people = sort_participants(multiverse)
    end = _last_day(multiverse)
    by_rows = len(people) <= MOST_ROWS
    _draw_key(figure, top - 0.12, by_rows=by_rows)
    y = top - _KEY
    columns = min(_COLUMNS, len(groups))
    left = _LEFT if by_rows else 0.6
    width = (_WIDTH - left - _RIGHT - _GAP * (columns - 1)) / columns
    for band in _bands(groups):
        heading = _heading([group for _, group in band])
        body = _body(len(people))
        for column, (place, names) in enumerate(band):
            x = left + column * (width + _GAP)
            panel = _Panel(x, y - heading - body, width, body)
            _write_heading(figure, multiverse, names, place, panel)
            axes = _axes(figure, panel, end, multiverse)
            if by_rows:
                _draw_rows(axes, multiverse, names[0], place, people)
                if column == 0:
                    _write_names(axes, people)
            else:
                _draw_spread(axes, multiverse, names[0], place, end)
        y -= heading + body + _AXIS


def _last_day(multiverse: Multiverse) -> float:
    """Give the last day that is drawn."""
    days = multiverse.rows.filter(pl.col("status").is_in(_SEEN)).select(
        pl.max_horizontal("day", "day_high")
    )
    last: Any = days.to_series().max()
    return max(1.0, float(last or 0))


def _axes(figure: Any, panel: _Panel, end: float, multiverse: Multiverse) -> Any:  # noqa: ANN401
    """Make the axes of one panel."""
    height = figure.get_figheight()
    axes = figure.add_axes(
        (panel.left / _WIDTH, panel.bottom / height, panel.width / _WIDTH, panel.height / height)
    )
    axes.set_xlim(-0.02 * end - 0.5, end * 1.03 + 0.5)
    axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    axes.tick_params(axis="x", labelsize=7.5, length=3, pad=2)
    axes.set_xlabel(f"day from {multiverse.anchor.replace('_', ' ')}", fontsize=7.5, labelpad=1)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    return axes


def _write_heading(
    figure: Any,  # noqa: ANN401
    multiverse: Multiverse,
    names: list[str],
    place: int,
    panel: _Panel,
) -> None:
    """Write the names of a panel's definitions, and what they give in total."""
    height = figure.get_figheight()
    row = next(
        row
        for row in summarize_every(multiverse.rows).iter_rows(named=True)
        if row["definition"] == names[0]
    )
    room = panel.width * 72
    top = panel.bottom + panel.height + 0.06
    for line, told in enumerate(reversed(_totals(row, place))):
        figure.text(panel.left / _WIDTH, (top + 0.13 * line) / height,
                    fit_text(told, 7.5, room), fontsize=7.5)  # fmt: skip
    top += 0.13
    shown = names[:_MOST_NAMES]
    if len(names) > _MOST_NAMES:
        shown = [*names[: _MOST_NAMES - 1], f"and {len(names) - _MOST_NAMES + 1} more the same"]
    for line, name in enumerate(reversed(shown)):
        own = " (own)" if name == multiverse.own else ""
        figure.text(panel.left / _WIDTH, (top + _NAME * (line + 1)) / height,
                    fit_text(name + own, 8.5, room / 1.08), fontsize=8.5, fontweight="bold",
                    color=colour_of(place))  # fmt: skip


def _totals(row: dict[str, Any], place: int) -> tuple[str, str]:
    """Say in two lines what a definition gives, and what it moves."""
    median = "" if row["median_day"] is None else f", median day {row['median_day']:g}"
    told = f"{row['event']} event{'' if row['event'] == 1 else 's'}{median}"
    if place == 0:
        return told, "reference"
    moved = [f"{row[word]} {word}" for word in ("earlier", "later") if row[word]]
    moved += [f"{row['other_status']} other status"] if row["other_status"] else []
    return told, ", ".join(moved) or "days the same"


def _write_names(axes: Any, people: Sequence[str]) -> None:  # noqa: ANN401
    """Write the participants beside the first panel."""
    size = 7.5 if len(people) <= 30 else 6.2
    for row, name in enumerate(people):
        axes.annotate(fit_text(name, size, _LEFT * 72 - 20), (0, row),
                      xycoords=("axes fraction", "data"),
                      xytext=(-6, 0), textcoords="offset points", ha="right", va="center",
                      fontsize=size, annotation_clip=False)  # fmt: skip


def _draw_rows(
    axes: Any,  # noqa: ANN401
    multiverse: Multiverse,
    name: str,
    place: int,
    people: Sequence[str],
) -> None:
    """Draw one mark a participant: its day, and the days that the record allows."""
    rows = {
        row["participant_id"]: row
        for row in multiverse.rows.filter(pl.col("definition") == name).iter_rows(named=True)
    }
    own = {
        row["participant_id"]: row
        for row in multiverse.rows.filter(pl.col("definition") == multiverse.reference).iter_rows(
            named=True
        )
    }
    axes.set_ylim(len(people) - 0.5, -0.5)
    small = len(people) > 30
    for y, person in enumerate(people):
        row, mine = rows[person], own[person]
        if row["status"] != mine["status"]:
            axes.add_patch(Rectangle((0, y - 0.5), 1, 1, transform=axes.get_yaxis_transform(),
                                     facecolor=_TINT, edgecolor="none", zorder=0))  # fmt: skip
        axes.axhline(y, color="#efefef", linewidth=0.6, zorder=1)
        if mine["status"] == "event" and place:
            axes.plot([mine["day"]] * 2, [y - 0.42, y + 0.42], color=_OWN_DAY, linewidth=2.2,
                      zorder=2, solid_capstyle="butt")  # fmt: skip
        row = {**row, "back": _TINT if row["status"] != mine["status"] else "white"}
        _draw_mark(axes, y, row, place, same=row["day"] == mine["day"], small=small)


def _draw_mark(
    axes: Any,  # noqa: ANN401
    y: int,
    row: dict[str, Any],
    place: int,
    *,
    same: bool,
    small: bool,
) -> None:
    """Draw what one definition gives one participant."""
    status, day = row["status"], row["day"]
    size = 4.2 if small else 5.2
    if status == "event":
        colour = colour_of(place)
        low = day if row["day_low"] is None else row["day_low"]
        high = day if row["day_high"] is None else row["day_high"]
        if low < high:
            axes.plot([low, high], [y, y], color=colour, linewidth=1.3, zorder=3,
                      solid_capstyle="butt")  # fmt: skip
            for bound in (low, high):
                axes.plot([bound] * 2, [y - 0.22, y + 0.22], color=colour, linewidth=1.1, zorder=3)
        axes.plot([day], [y], marker="D" if place == 0 else "o", linestyle="none",
                  markersize=size, color=colour,
                  markerfacecolor="white" if same and place else colour,
                  markeredgewidth=1.1, zorder=4)  # fmt: skip
    elif status == "competing" and day is not None:
        axes.plot([day], [y], marker="x", linestyle="none", markersize=size, color=INK,
                  markeredgewidth=1.3, zorder=4)  # fmt: skip
    elif status == "censored" and day is not None:
        axes.plot([day], [y], marker=">", linestyle="none", markersize=size, color=_SOFT,
                  markerfacecolor="white", zorder=4)  # fmt: skip
    else:
        back = row["back"]
        told = "no verdict" if status is None else str(status).replace("_", " ")
        axes.annotate(told, (0, y), xycoords=("axes fraction", "data"), xytext=(3, 0),
                      textcoords="offset points", va="center", color=_SOFT,
                      fontsize=5.6 if small else 6.4, fontstyle="italic", zorder=5,
                      bbox={"facecolor": back, "edgecolor": "none", "pad": 0.6})  # fmt: skip


def _draw_spread(
    axes: Any,  # noqa: ANN401
    multiverse: Multiverse,
    name: str,
    place: int,
    end: float,
) -> None:
    """Draw the distribution of the days of the event, over that of the first definition."""
    width = max(1, math.ceil((end + 1) / 45))
    bins = [edge - 0.5 for edge in range(0, int(end) + width + 1, width)]
    events = multiverse.rows.filter(pl.col("status") == "event")
    own = events.filter(pl.col("definition") == multiverse.reference)["day"].to_list()
    these = events.filter(pl.col("definition") == name)["day"].to_list()
    axes.hist(own, bins=bins, color="#c9c9c9", zorder=1)
    axes.hist(these, bins=bins, histtype="step", color=colour_of(place), linewidth=1.5, zorder=2)
    most = max(
        (
            events.filter(pl.col("definition") == definition)["day"]
            .hist(bins=bins, include_breakpoint=False)["count"]
            .max()
            or 1
            for definition in multiverse.derived()
        ),
        default=1,
    )
    axes.set_ylim(0, float(most) * 1.08)  # pyright: ignore[reportArgumentType]
    axes.spines["left"].set_visible(True)
    axes.yaxis.set_major_locator(MaxNLocator(4, integer=True))
    axes.tick_params(axis="y", labelsize=7.5, length=3, pad=2)


def _draw_key(figure: Any, y: float, *, by_rows: bool) -> None:  # noqa: ANN401
    """Draw what the marks mean, in one line."""
    height = figure.get_figheight()
    axes = figure.add_axes((0, (y - 0.1) / height, 1, 0.2 / height))
    axes.set_xlim(0, _WIDTH)
    axes.set_ylim(-1, 1)
    axes.axis("off")
    blue = _COLOURS[0]
    x = 0.2

    def say(text: str, room: float) -> None:
        nonlocal x
        axes.text(x + 0.14, 0, text, fontsize=7.5, va="center")
        x += room

    if not by_rows:
        axes.add_patch(Rectangle((x - 0.08, -0.6), 0.16, 1.2, facecolor="#c9c9c9"))
        say("participants by day of the event, the reference", 3.2)
        axes.add_patch(Rectangle((x - 0.08, -0.6), 0.16, 1.2, facecolor="white", edgecolor=blue))
        say("this definition", 1.0)
        return
    marks: tuple[tuple[dict[str, Any], str, float], ...] = (
        ({"marker": "D", "color": INK}, "event, reference", 1.3),
        ({"marker": "o", "color": blue, "markerfacecolor": "white"}, "the same day", 1.1),
        ({"marker": "o", "color": blue}, "another day", 1.05),
        ({"marker": "|", "color": _OWN_DAY, "markersize": 10, "markeredgewidth": 2.2},
         "reference day", 1.15),
        ({"marker": "_", "color": blue, "markersize": 10}, "days the record allows", 1.65),
        ({"marker": "x", "color": INK}, "competing", 0.95),
        ({"marker": ">", "color": _SOFT, "markerfacecolor": "white"}, "censored", 0.95),
    )  # fmt: skip
    for style, text, room in marks:
        axes.plot([x], [0], linestyle="none", **{"markersize": 5.2, **style})
        say(text, room)
    axes.add_patch(Rectangle((x - 0.08, -0.6), 0.16, 1.2, facecolor=_TINT))
    say("another status", 1.0)
