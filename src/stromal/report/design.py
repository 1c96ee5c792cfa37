"""The figure of virtual trials: power and type I error against how the trial is measured."""

from __future__ import annotations

import io
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, cast

import matplotlib as mpl
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from stromal import __version__
from stromal.core import UsageError
from stromal.design.monte_carlo import Figure as Number
from stromal.design.results import ArmFigures
from stromal.design.runs import NULL_SCENARIO
from stromal.report.design_content import Simulated
from stromal.report.design_panels import (
    GAP,
    LEFT,
    RIGHT,
    WIDTH,
    Mark,
    Panel,
    Row,
    draw_panel,
    draw_row_names,
    height_of_rows,
)
from stromal.report.design_words import (
    VIRTUAL,
    describe_budget,
    describe_decision,
    describe_effect,
    describe_scenario,
    name_rate,
    undefined_variants,
)
from stromal.report.figures import SETTINGS, as_svg
from stromal.report.multiverse_panels import INK, colour_of
from stromal.report.numbers import as_percent
from stromal.report.svg import clean
from stromal.report.timeline_layout import fit_text, text_width, wrap_text
from stromal.report.words import humanise, sentence

__all__ = ["MOST_VARIANTS", "draw_power"]

MOST_VARIANTS = 200
"""Most variants (or scenarios) that one figure shows."""
_COLUMNS = 3
_HEADING, _AXIS = 0.42, 0.42  # inches above and below the rows of a band
_LINE, _TITLE = 0.145, 0.2
_MARKERS = ("o", "s", "^", "v", "P", "X", "p", "h", "<", ">", "*", "8")


def draw_power(
    content: Mapping[str, Any] | Simulated, *, kind: Literal["svg", "png", "pdf"]
) -> bytes:
    """Draw how often trials reject, with and without an effect, and what they measure.

    1. Of a grid the levels of the last axis are rows, those of the first (of several) marks of
       their own colour, shape and place in the row; axes between group the rows. Without a grid the
       scenarios are rows.
    2. One panel a scenario shows the power. Beside them stand two without an effect of MSC: the
       actual alpha with the nominal one, and the success rate as measured with the latent one.
    3. Each mark has its 95 % Monte Carlo interval, the 5th to 95th percentile of the parameter sets
       as a light bar, and its number at the right.
    4. What is not known has no mark and is told. A variant whose rule its draws cannot show has
       the words "no defined power" instead of a power of 0.
    5. The same content gives the same bytes.

    Parameters
    ----------
    content
        `stromal.design.simulation.Run.to_json`, with `axes`: the levels of each axis in order;
        or that as read.
    kind
        `svg`, `png` or `pdf`.

    Raises
    ------
    ProtocolError
        The content is something else.
    UsageError
        There are more than `MOST_VARIANTS`, or the kind is another.
    """
    if kind not in {"svg", "png", "pdf"}:
        raise UsageError(f"a picture is written as .svg, .png or .pdf; got `{kind}`")
    simulated = content if isinstance(content, Simulated) else Simulated.of(content)
    many = max(len(simulated.variants), len(simulated.scenarios))
    if many > MOST_VARIANTS:
        raise UsageError(
            f"a figure shows at most {MOST_VARIANTS} variants or scenarios; there are {many}. "
            "Write the numbers instead (.csv, .parquet, .json), or split the grid"
        )
    told = {**SETTINGS, "svg.hashsalt": f"power {simulated.study}", "pdf.fonttype": 42}
    with cast("Any", mpl).rc_context(told):
        figure = _figure(simulated)
        if kind == "svg":
            FigureCanvasSVG(figure)
            return _svg(figure, simulated)
        FigureCanvasAgg(figure)
        buffer = io.BytesIO()
        nothing: dict[str, Any] = {"Software": None}
        if kind == "pdf":
            nothing = {"Creator": None, "Producer": None, "CreationDate": None}
        figure.savefig(buffer, format=kind, dpi=160, facecolor="white", metadata=nothing)
        return buffer.getvalue()


def _svg(figure: Any, simulated: Simulated) -> bytes:  # noqa: ANN401
    """Write the figure as a file that carries its title and its description."""
    title = f"{_title(simulated)}. {VIRTUAL}."
    opening, rest = as_svg(figure, "power", title).split(">", 1)
    opening = opening.replace(' class="figure"', ' class="figure wide"')
    inside = f"<title>{clean(title)}</title><desc>{clean(_described(simulated))}</desc>"
    return f'<?xml version="1.0" encoding="utf-8"?>\n{opening}>{inside}{rest}'.encode()


def _title(simulated: Simulated) -> str:
    return f"What trials of {simulated.study} would show: {simulated.analysis.label}"


def _described(simulated: Simulated) -> str:
    """Say in sentences what the figure shows."""
    said = [
        f"{cell.variant}, {describe_scenario(cell.scenario)}: "
        f"{as_percent(cell.rejecting.value)} of trials reject, rate "
        + " and ".join(
            f"{as_percent(arm.success_rate.value)}"
            for arm in cell.arms
            if arm.arm in simulated.decided_arms
        )
        for cell in simulated.cells
    ]
    return ". ".join(said).replace("\u00a0", " ") + "."


# --- what is shown ---------------------------------------------------------------------------


@dataclass(frozen=True)
class _Plan:
    """Rows, series (marks of a row), panels in bands, and the names of the two axes."""

    rows: list[Row]
    series: list[str]
    bands: list[list[Panel]]
    of_rows: str
    of_series: str

    def tall(self) -> float:
        """Give the height of all bands, in inches."""
        rows = height_of_rows(self.rows, len(self.series))
        return len(self.bands) * (_HEADING + rows + _AXIS)


def _plan(simulated: Simulated) -> _Plan:
    """Decide what stands where."""
    levels = simulated.levels
    if not levels:
        return _plan_of_scenarios(simulated)
    names = list(levels)
    series = levels[names[0]] if len(names) > 1 else [""]
    middle = names[1:-1]
    rows: list[Row] = []
    places: dict[tuple[str, ...], tuple[int, int]] = {}
    for between in itertools.product(*(levels[name] for name in middle)):
        told = " · ".join(f"{humanise(n)}: {v}" for n, v in zip(middle, between, strict=True))
        for k, level in enumerate(levels[names[-1]]):
            for number, one in enumerate(series):
                first = (one,) if len(names) > 1 else ()
                places[*first, *between, level] = (len(rows), number)
            rows.append(Row(level, told if k == 0 else ""))
    where = {one.variant: places[simulated.place(one)] for one in simulated.variants}
    bands = _bands(_powers(simulated, where), _without_effect(simulated, where))
    return _Plan(rows, series, bands, names[-1], names[0] if len(names) > 1 else "")


def _bands(powers: list[Panel], null: list[Panel]) -> list[list[Panel]]:
    """Set panels side by side where there is room, the null scenario's together."""
    if len(powers) + len(null) <= _COLUMNS:
        return [[*powers, *null]]
    return [*(powers[k : k + _COLUMNS] for k in range(0, len(powers), _COLUMNS)), null]


def _powers(simulated: Simulated, where: Mapping[str, tuple[int, int]]) -> list[Panel]:
    """Make one panel of the power a scenario."""
    undefined = {name for name, _ in undefined_variants(simulated)}
    found: list[Panel] = []
    for one in simulated.effects:
        marks = {
            place: Mark(
                simulated.cell(one.scenario, variant).rejecting,
                note="no defined power" if variant in undefined else "",
            )
            for variant, place in where.items()
        }
        found.append(Panel("Power", f"scenario: {humanise(one.scenario)}", marks))
    return found


def _without_effect(simulated: Simulated, where: Mapping[str, tuple[int, int]]) -> list[Panel]:
    """Make the panels of the null scenario: alpha, and the success rate."""
    alpha: dict[tuple[int, int], Mark] = {}
    rate: dict[tuple[int, int], Mark] = {}
    for variant, place in where.items():
        told = simulated.rate(variant)
        alpha[place] = Mark(told.actual_alpha, told.nominal_alpha)
        rate[place] = _measured(simulated.null_arm(simulated.cell(NULL_SCENARIO, variant)))
    rule, arms = simulated.decision, simulated.decided_arms
    named = f", {humanise(arms[-1])}" if len(arms) > 1 else ""
    return [
        Panel("Actual alpha", "no effect of MSC", alpha, rule.alpha, _end(alpha, rule.alpha)),
        Panel(name_rate(simulated, short=True), f"no effect of MSC{named}", rate, rule.p0),
    ]


def _plan_of_scenarios(simulated: Simulated) -> _Plan:
    """Decide what stands where if there is one variant: the scenarios are rows."""
    variant = simulated.variants[0].variant
    undefined = bool(undefined_variants(simulated))
    arms = simulated.decided_arms
    rejecting: dict[tuple[int, int], Mark] = {}
    rates: dict[str, dict[tuple[int, int], Mark]] = {arm: {} for arm in arms}
    for k, one in enumerate(simulated.scenarios):
        cell = simulated.cell(one.scenario, variant)
        null = one.scenario == NULL_SCENARIO
        note = "no defined power" if undefined and not null else ""
        rejecting[k, 0] = Mark(cell.rejecting, cell.nominal_alpha if null else None, note)
        for arm in cell.arms:
            if arm.arm in rates:
                rates[arm.arm][k, 0] = _measured(arm)
    rule = simulated.decision
    panels = [Panel("Trials that reject", "null: the actual alpha", rejecting, rule.alpha)]
    for arm, marks in rates.items():
        named = f", {humanise(arm)}" if len(arms) > 1 else ""
        panels.append(
            Panel(name_rate(simulated, short=True), f"measured and latent{named}", marks, rule.p0)
        )
    rows = [Row(describe_scenario(one.scenario)) for one in simulated.scenarios]
    return _Plan(rows, [""], [panels], "scenario", "")


def _measured(arm: ArmFigures) -> Mark:
    """Set the success rate as it is measured beside the latent one."""
    latent = next((truth.rate for truth in arm.truths if truth.truth == "latent"), None)
    return Mark(arm.success_rate, latent)


def _end(marks: Mapping[tuple[int, int], Mark], least: float) -> float:
    """Give the end of an axis that holds all marks."""
    shown = [4 * least]
    for mark in marks.values():
        for number in (mark.number, mark.beside):
            if number is not None:
                shown += [number.value or 0.0, number.high or 0.0]
                shown.append(number.spread.p95 if number.spread else 0.0)
    return min(1.0, 1.06 * max(shown))


# --- drawing ---------------------------------------------------------------------------------


def _figure(simulated: Simulated) -> Any:  # noqa: ANN401
    """Lay the parts of the figure out from the top down."""
    plan = _plan(simulated)
    head, foot = _head_lines(simulated), _foot_lines(simulated)
    series = _series_lines(plan)
    key = 0.16 + _LINE * 1.25 * len(series) + 0.4
    top = 0.42 + _TITLE * (len(_title_lines(simulated)) - 1) + _LINE * len(head)
    height = top + key + plan.tall() + 0.14 + _LINE * 0.95 * len(foot)
    figure: Any = Figure(figsize=(WIDTH, height))
    _write_head(figure, simulated, head)
    _draw_key(figure, simulated, plan, series, height - top - 0.1)
    y = height - top - key
    body = height_of_rows(plan.rows, len(plan.series))
    width = (WIDTH - LEFT - GAP * _COLUMNS) / _COLUMNS
    for band in plan.bands:
        y -= _HEADING
        draw_row_names(figure, plan.rows, len(plan.series), plan.of_rows, y)
        for column, panel in enumerate(band):
            box = (LEFT + column * (width + GAP), y - body, width - RIGHT, body)
            draw_panel(figure, panel, plan.rows, _styles(plan), box)
        y -= body + _AXIS
    for place, line in enumerate(foot):
        at = (0.1 + _LINE * 0.95 * (len(foot) - 1 - place)) / height
        figure.text(0.012, at, line, fontsize=7, color="#595959")
    return figure


def _styles(plan: _Plan) -> list[tuple[str, str]]:
    """Give colour and marker of each series."""
    if len(plan.series) == 1 and not plan.of_series:
        return [(INK, "o")]
    return [(colour_of(k + 1), _MARKERS[k % len(_MARKERS)]) for k in range(len(plan.series))]


def _title_lines(simulated: Simulated) -> list[str]:
    room = (WIDTH - 0.35) * 72 / 1.12 - text_width(VIRTUAL, 9.0)
    begun, label = _title(simulated).split(": ", 1)
    return [fit_text(begun, 12.0, room), fit_text(label, 12.0, (WIDTH * 72 - 14) / 1.12)]


def _head_lines(simulated: Simulated) -> list[str]:
    room = WIDTH * 72 - 14
    return [
        *wrap_text(describe_budget(simulated), 8.0, room, lines=2),
        *wrap_text(simulated.statements[0], 8.0, room, lines=4),
    ]


def _foot_lines(simulated: Simulated) -> list[str]:
    """Write the rule, what the scenarios assume of MSC, and what made the figure."""
    room = WIDTH * 72 - 14
    assumed = " ".join(
        f"{sentence(humanise(one.scenario))}: {describe_effect(one)}" for one in simulated.effects
    )
    said = (describe_decision(simulated), f"Scenarios. {assumed}" if assumed else "")
    lines = [line for text in said for line in wrap_text(text, 7.0, room, lines=6)]
    made = f"Data: {simulated.data}. stromal {__version__}. Results {simulated.checksum[:12]}."
    return [*lines, made]


def _write_head(figure: Any, simulated: Simulated, lines: Sequence[str]) -> None:  # noqa: ANN401
    """Write the title, that nobody lived this, how much was simulated, what is assumed."""
    height = figure.get_figheight()
    for place, line in enumerate(_title_lines(simulated)):
        figure.text(0.012, 1 - (0.27 + _TITLE * place) / height, line, fontsize=12,
                    fontweight="bold")  # fmt: skip
    figure.text(0.988, 1 - 0.26 / height, VIRTUAL, fontsize=9, fontweight="bold",
                color="#6b4a00", ha="right",
                bbox={"facecolor": "#fff3d6", "edgecolor": "#b07a00", "pad": 3})  # fmt: skip
    under = 0.47 + _TITLE * (len(_title_lines(simulated)) - 1)
    for place, line in enumerate(lines):
        figure.text(0.012, 1 - (under + _LINE * place) / height, line, fontsize=8)


def _series_lines(plan: _Plan) -> list[list[tuple[int, str]]]:
    """Break the names of the series into lines that fit."""
    room = WIDTH * 72 - 14 - text_width(humanise(plan.of_series) + ": ", 8.5) * 1.1
    lines: list[list[tuple[int, str]]] = []
    used = room
    for number, name in enumerate(plan.series):
        if not plan.of_series:
            continue
        shown = fit_text(name, 8.5, (room - 34) / 1.12)
        need = text_width(shown, 8.5) * 1.12 + 34
        if used + need > room:
            lines.append([])
            used = 0.0
        lines[-1].append((number, shown))
        used += need
    return lines


def _draw_key(
    figure: Any,  # noqa: ANN401
    simulated: Simulated,
    plan: _Plan,
    series: Sequence[Sequence[tuple[int, str]]],
    top: float,
) -> None:
    """Draw what colours, shapes and lines mean."""
    height, styles = figure.get_figheight(), _styles(plan)
    tall = _LINE * 1.25 * len(series) + 0.4
    axes = figure.add_axes((0, (top - tall) / height, 1, tall / height))
    axes.set_xlim(0, WIDTH * 72)
    axes.set_ylim(-tall * 72, 0)
    axes.axis("off")
    name = humanise(plan.of_series) + ": "
    first = 8.0 + (text_width(name, 8.5) * 1.1 if plan.of_series else 0.0)
    for place, line in enumerate(series):
        x, y = first, -72 * _LINE * 1.25 * (place + 0.5)
        if place == 0:
            axes.text(8, y, name, fontsize=8.5, fontweight="bold", va="center")
        for number, shown in line:
            colour, marker = styles[number]
            axes.plot([x + 6], [y], marker=marker, markersize=6, color=colour)
            axes.text(x + 15, y, shown, fontsize=8.5, color=colour, fontweight="bold",
                      va="center")  # fmt: skip
            x += text_width(shown, 8.5) * 1.12 + 34
    _draw_signs(axes, simulated, -72 * (_LINE * 1.25 * len(series) + 0.12))


def _draw_signs(axes: Any, simulated: Simulated, y: float) -> None:  # noqa: ANN401
    """Draw what point, line, bar and diamond mean."""
    x, room = 8.0, WIDTH * 72 - 8
    p0 = simulated.decision.p0
    level = f"level {as_percent(simulated.decision.alpha)}"
    level += f"; p0 {as_percent(p0)}" if p0 is not None else ""
    sure = as_percent(simulated.monte_carlo_confidence, 0)
    signs = [("interval", f"simulated, {sure} Monte Carlo interval")]
    if any(_has_spread(cell.rejecting) for cell in simulated.cells):
        signs.append(("bar", "5 to 95 % of parameter sets"))
    signs += [("diamond", "nominal alpha; latent rate"), ("dashes", level)]
    for sign, said in signs:
        need = 22 + text_width(said, 7.5) + 12
        if x + need > room:
            x, y = 8.0, y - 72 * _LINE
        if sign == "bar":
            axes.plot([x, x + 16], [y, y], color=INK, alpha=0.16, linewidth=7,
                      solid_capstyle="butt")  # fmt: skip
        elif sign == "diamond":
            axes.plot([x + 8], [y], marker="D", markersize=5.5, color=INK, markerfacecolor="white")
        elif sign == "dashes":
            axes.plot([x, x + 16], [y, y], color="#595959", linewidth=1, linestyle=(0, (3, 2)))
        else:
            axes.plot([x, x + 16], [y, y], color=INK, linewidth=1.4)
            axes.plot([x + 8], [y], marker="o", markersize=5, color=INK)
        axes.text(x + 21, y, said.replace("\u00a0", " "), fontsize=7.5, va="center")
        x += need


def _has_spread(number: Number) -> bool:
    return number.spread is not None
