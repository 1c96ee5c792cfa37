"""The part of the multiverse figure that shows levels or grades: one row a definition."""

from __future__ import annotations

from typing import Any

import polars as pl
from matplotlib.patches import Rectangle

from stromal.endpoints.multiverse import Multiverse
from stromal.report.multiverse_panels import MOST_ROWS
from stromal.report.multiverse_tables import kappa_with_reference, level_order
from stromal.report.timeline_layout import fit_text, text_width

__all__ = ["draw_tiles", "height_of_tiles"]

_WIDTH, _LEFT, _RIGHT = 10.0, 2.3, 0.25
_ROW, _NAMES = 0.62, 0.75
_SHADES = ("#08306b", "#2171b5", "#6baed6", "#c6dbef", "#eff3ff")
_BLANK = "#ffffff"


def height_of_tiles(multiverse: Multiverse) -> float:
    """Give the height that the tiles need, in inches."""
    return _ROW * len(multiverse.derived()) + _NAMES


def draw_tiles(figure: Any, multiverse: Multiverse, *, top: float) -> None:  # noqa: ANN401
    """Draw one row a definition: a tile a participant, or of many participants bars of levels.

    1. Participants stand in the same column in every row, sorted by the level of the first
       definition; a tile with an orange frame has another level than there.
    2. Above `MOST_ROWS` participants each row is a bar of its levels, the first level at the left.
    3. The best level, or the most severe grade, is the darkest; white is not evaluable or not
       applicable.
    """
    height = figure.get_figheight()
    tall = _ROW * len(multiverse.derived())
    axes = figure.add_axes(
        (
            _LEFT / _WIDTH,
            (top - tall) / height,
            (_WIDTH - _LEFT - _RIGHT) / _WIDTH,
            tall / height,
        )
    )
    people = _sorted_people(multiverse)
    axes.set_xlim(0, len(people))
    axes.set_ylim(len(multiverse.derived()), 0)
    axes.axis("off")
    own = _levels(multiverse, multiverse.reference)
    for y, name in enumerate(multiverse.derived()):
        levels = _levels(multiverse, name)
        order = _dark_first(multiverse, name)
        _write_name(axes, multiverse, name, y, levels, order)
        if len(people) <= MOST_ROWS:
            for x, person in enumerate(people):
                _tile(axes, (x, y), levels[person], order, moved=levels[person] != own[person],
                      room=(_WIDTH - _LEFT - _RIGHT) * 72 / len(people))  # fmt: skip
        else:
            _bar(axes, y, [levels[person] for person in people], order)
    if len(people) <= MOST_ROWS:
        _write_people(axes, people, len(multiverse.derived()))


def _dark_first(multiverse: Multiverse, name: str) -> list[str]:
    """List the levels of one definition: the best first, of grades the most severe first."""
    order = level_order(multiverse, name)
    rule = next(rival.rule for rival in multiverse.rivals if rival.name == name)
    return order[::-1] if hasattr(rule, "grades") else order


def _levels(multiverse: Multiverse, name: str) -> dict[str, str | None]:
    """Give each participant's level by one definition."""
    rows = multiverse.rows.filter(pl.col("definition") == name)
    return dict(rows.select("participant_id", "status").iter_rows())


def _sorted_people(multiverse: Multiverse) -> list[str]:
    """Sort the participants by the level of the first definition."""
    order = _dark_first(multiverse, multiverse.reference)
    levels = _levels(multiverse, multiverse.reference)
    return sorted(
        levels,
        key=lambda person: (
            order.index(level) if (level := levels[person]) in order else len(order),
            person,
        ),
    )


def _shade(level: str | None, order: list[str]) -> str:
    """Give the colour of a level by its place."""
    if level not in order:
        return _BLANK
    last = max(1, len(order) - 1)
    return _SHADES[round(order.index(level) / last * (len(_SHADES) - 1))]


def _ink(shade: str) -> str:
    return "#ffffff" if shade in _SHADES[:2] else "#1a1a1a"


def _tile(
    axes: Any,  # noqa: ANN401
    at: tuple[int, int],
    level: str | None,
    order: list[str],
    *,
    moved: bool,
    room: float,
) -> None:
    """Draw one participant's tile."""
    x, y = at
    shade = _shade(level, order)
    axes.add_patch(Rectangle((x + 0.06, y + 0.42), 0.88, 0.5, facecolor=shade,
                             edgecolor="#d55e00" if moved else "#b5b5b5",
                             linewidth=2.0 if moved else 0.5))  # fmt: skip
    text = {"not_evaluable": "n.e.", "not_applicable": "n.a.", None: "?"}.get(level, level) or "?"
    size = next((s for s in (8.0, 7.0, 6.0, 5.0) if text_width(text, s) <= 0.84 * room), None)
    if size is not None:
        axes.text(x + 0.5, y + 0.67, text, ha="center", va="center", fontsize=size,
                  color=_ink(shade))  # fmt: skip


def _bar(axes: Any, y: int, levels: list[str | None], order: list[str]) -> None:  # noqa: ANN401
    """Draw the counts of one definition's levels as a bar."""
    x = 0
    others = sorted({str(level) for level in levels if level not in order})
    for level in [*order, *others]:
        count = sum(str(one) == level for one in levels)
        shade = _shade(level, order)
        axes.add_patch(Rectangle((x, y + 0.42), count, 0.5, facecolor=shade, edgecolor="#b5b5b5",
                                 linewidth=0.5))  # fmt: skip
        room = (_WIDTH - _LEFT - _RIGHT) * 72 * count / max(1, len(levels))
        text = level.replace("_", " ")
        if count and text_width(text, 7.0) <= 0.9 * room:
            axes.text(x + count / 2, y + 0.67, text, ha="center", va="center", fontsize=7,
                      color=_ink(shade))  # fmt: skip
        x += count


def _write_name(
    axes: Any,  # noqa: ANN401
    multiverse: Multiverse,
    name: str,
    y: int,
    levels: dict[str, str | None],
    order: list[str],
) -> None:
    """Write a definition's name, its counts, and its agreement with the first."""
    own = name == multiverse.reference
    axes.annotate(fit_text(name, 9.0, _LEFT * 72 - 24), (0, y + 0.67), xytext=(-8, 0),
                  textcoords="offset points", ha="right", va="center", fontsize=9,
                  fontweight="bold" if own else "normal", annotation_clip=False)  # fmt: skip
    counted = [*order, "not_evaluable", "not_applicable"]
    told = ", ".join(
        f"{level.replace('_', ' ')}: {n}"
        for level in counted
        if (n := sum(one == level for one in levels.values()))
    )
    if own:
        told += ". The protocol’s own" if multiverse.own is not None else ". The reference"
    else:
        n, same, kappa = kappa_with_reference(multiverse, name)
        told += f". The same: {same} of {n}"
        told += f", kappa {kappa:.2f}" if kappa is not None else ""
    room = (_WIDTH - _LEFT - _RIGHT) * 72
    axes.text(0, y + 0.28, fit_text(told, 8.0, room), fontsize=8, va="center")


def _write_people(axes: Any, people: list[str], below: int) -> None:  # noqa: ANN401
    """Write the participants below their tiles."""
    for x, person in enumerate(people):
        axes.text(x + 0.5, below + 0.08, fit_text(person, 6.5, 46), fontsize=6.5, rotation=90,
                  ha="center", va="top", clip_on=False)  # fmt: skip
