"""The part of the multiverse figure that shows rates: the event's cumulative incidence."""

from __future__ import annotations

from typing import Any, NamedTuple

import polars as pl
from matplotlib.ticker import MaxNLocator

from stromal.analysis.cumulative_incidence import estimate_incidence
from stromal.endpoints.multiverse import Multiverse
from stromal.endpoints.outcome import TIME_STATUSES, TimeToEvent
from stromal.report.multiverse_panels import colour_of, same_answers
from stromal.report.timeline_layout import fit_text, spread, text_width

__all__ = ["Incidence", "draw_curves", "incidence_under"]

_WIDTH, _LEFT, _RIGHT = 10.0, 0.6, 3.3
_LINES: tuple[Any, ...] = ("-", (0, (5, 2)), (0, (7, 2, 1.5, 2)), (0, (1.5, 1.5)))


class Incidence(NamedTuple):
    """Cumulative incidence of the event under one definition: steps, and who is in it."""

    days: list[float]
    values: list[float]
    n: int
    left_out: int


def incidence_under(multiverse: Multiverse, definition: str) -> Incidence:
    """Estimate the cumulative incidence of the event under one definition.

    1. Aalen-Johansen, competing events taken into account.
    2. Participants who are not evaluable, or to whom the endpoint does not apply, are left out.
    """
    rows = multiverse.rows.filter(pl.col("definition") == definition)
    told = rows.filter(pl.col("status").is_in(TIME_STATUSES), pl.col("day") >= 0)
    days, values = [0.0], [0.0]
    if told.height:
        outcomes = TimeToEvent(told.select("participant_id", "day", "status"))
        curve = estimate_incidence(
            outcomes, variance="greenwood", interval="log-log", confidence=0.95
        )
        for day, value in curve.frame.select("day", "estimate").iter_rows():
            if value is not None:
                days.append(float(day))
                values.append(float(value))
    return Incidence(days, values, told.height, rows.height - told.height)


def draw_curves(figure: Any, multiverse: Multiverse, *, top: float, tall: float) -> None:  # noqa: ANN401
    """Draw the curves over each other, each with its name and what it reaches at its end.

    Parameters
    ----------
    figure
        A matplotlib figure, 10 inches wide.
    multiverse
        A time to an event.
    top, tall
        Where the part begins, and its height, in inches.
    """
    height = figure.get_figheight()
    figure.text(0.012, (top - 0.2) / height, "Cumulative incidence of the event, competing events "
                "taken into account", fontsize=9.5, fontweight="bold")  # fmt: skip
    axes = figure.add_axes(
        (
            _LEFT / _WIDTH,
            (top - tall + 0.55) / height,
            (_WIDTH - _LEFT - _RIGHT) / _WIDTH,
            (tall - 0.95) / height,
        )
    )
    groups = same_answers(multiverse)
    found = [incidence_under(multiverse, names[0]) for names in groups]
    end = max([one.days[-1] for one in found] + [1.0])
    for place in reversed(range(len(groups))):
        one = found[place]
        if not one.n:
            continue
        axes.step([*one.days, end], [100 * v for v in [*one.values, one.values[-1]]],
                  where="post", color=colour_of(place), linewidth=2.6 if place == 0 else 1.5,
                  linestyle=_LINES[place % len(_LINES)], zorder=3 if place == 0 else 4)  # fmt: skip
    axes.set_xlim(0, end * 1.01)
    axes.set_ylim(0, 102)
    axes.set_yticks([0, 25, 50, 75, 100])
    axes.xaxis.set_major_locator(MaxNLocator(8, integer=True))
    axes.set_ylabel("With the event, %")
    axes.set_xlabel(f"day from {multiverse.anchor.replace('_', ' ')}", labelpad=2)
    axes.grid(axis="y", color="#ececec", linewidth=0.7, zorder=0)
    axes.set_axisbelow(True)
    _label(axes, multiverse, groups, found)


def _label(
    axes: Any,  # noqa: ANN401
    multiverse: Multiverse,
    groups: list[list[str]],
    found: list[Incidence],
) -> None:
    """Write the names beside the ends of the curves, apart from each other."""
    ends = [100 * one.values[-1] - 0.01 * place for place, one in enumerate(found)]
    apart = min(9.5, 98.0 / max(1, len(groups)))
    places = spread(ends, apart, 2.0, 100.0)
    room = _RIGHT * 72 - 22
    for place, (names, one) in enumerate(zip(groups, found, strict=True)):
        more = f" and {len(names) - 1} more" if len(names) > 1 else ""
        out = f" ({one.left_out} left out)" if one.left_out else ""
        told = f": {100 * one.values[-1]:.0f} %, n {one.n}{out}"
        if not one.n:
            told = ": nobody can be judged"
        name = fit_text(names[0] + more, 8.0, room - text_width(told, 8.0))
        if one.n:
            axes.plot([1.002, 1.028], [ends[place] / 102, places[place] / 102],
                  transform=axes.transAxes, color=colour_of(place), linewidth=0.9,
                  clip_on=False)  # fmt: skip
        axes.text(1.034, places[place] / 102, name + told, transform=axes.transAxes, fontsize=8,
                  va="center", color=colour_of(place),
                  fontweight="bold" if names[0] == multiverse.reference else "normal")  # fmt: skip
