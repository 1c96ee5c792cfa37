"""The calibrated parameter sets against what they were calibrated to: a figure and two tables.

`python -m stromal.report.calibration -o docs/_static/calibration.png` draws the figure of the sets
that come with stromal and prints the tables of the page on calibration.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Mapping
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any, cast

import matplotlib as mpl
import numpy as np
import polars as pl
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from stromal.design.calibrate import RANGES, Target, summaries_beside, targets
from stromal.report.figures import COLOURS, SETTINGS
from stromal.report.timeline_layout import wrap_text
from stromal.simulate.calibrated import SPREAD
from stromal.simulate.parameters import parameters

__all__ = [
    "draw_calibration",
    "main",
    "packaged_sets",
    "pages_of",
    "tabulate_ranges",
    "tabulate_targets",
]

_COLUMNS = 3
_WIDTH, _TALL, _HEAD = 10.0, 1.65, 0.65  # inches
_BINS = 24
_INTERVAL, _SETS = "#d9d9d9", COLOURS[0]


def packaged_sets() -> tuple[pl.DataFrame, pl.DataFrame]:
    """Read the sets that come with stromal, and their summaries: one row a set in both."""
    with as_file(files("stromal.simulate") / "calibrated.csv") as path:
        sets = pl.read_csv(path)
    with as_file(files("stromal.simulate") / summaries_beside(Path("calibrated.csv")).name) as path:
        return sets, pl.read_csv(path)


# --- the figure --------------------------------------------------------------------------------


def draw_calibration(summaries: pl.DataFrame, asked: Mapping[str, Target]) -> Any:  # noqa: ANN401
    """Draw one panel a target: the accepted sets' summaries over the interval asked for.

    1. The grey band is the target's interval; the bars count the accepted sets.
    2. A target that was not fitted says so.

    Parameters
    ----------
    summaries
        One row a set; a column for each target, and its Monte Carlo error as `<name>.se`.
    asked
        The targets; see `stromal.design.calibrate.targets`.
    """
    rows = math.ceil(len(asked) / _COLUMNS)
    height = _HEAD + rows * _TALL
    with cast("Any", mpl).rc_context({**SETTINGS, "figure.dpi": 110}):
        figure: Any = Figure(figsize=(_WIDTH, height))
        FigureCanvasAgg(figure)
        for number, (name, target) in enumerate(asked.items()):
            row, column = divmod(number, _COLUMNS)
            axes = figure.add_axes((
                (0.25 + column * 3.25) / _WIDTH,
                (rows - 1 - row) * _TALL / height + 0.45 / height,
                2.95 / _WIDTH,
                0.72 / height,
            ))  # fmt: skip
            _panel(axes, name, target, summaries)
        figure.text(
            0.25 / _WIDTH, 1 - 0.2 / height, "Accepted parameter sets against their targets",
            fontsize=12, fontweight="bold", va="top",
        )  # fmt: skip
        figure.text(
            0.25 / _WIDTH, 1 - 0.45 / height,
            f"Bars: {summaries.height} sets of untreated virtual transplants. Grey: the interval "
            "asked for. Not ruled out, and no sample of what is probable.",
            va="top", color="#595959",
        )  # fmt: skip
    return figure


def _panel(axes: Any, name: str, target: Target, summaries: pl.DataFrame) -> None:  # noqa: ANN401
    """Draw one target."""
    scale = 100.0 if target.unit == "%" else 1.0
    values = summaries[name].drop_nulls().drop_nans().to_numpy() * scale
    low, high = target.low * scale, target.high * scale
    axes.axvspan(low, high, color=_INTERVAL, lw=0)
    edges = _edges(
        values, low, high, whole=target.unit == "d" and name.endswith(("median", "spread"))
    )
    axes.hist(values, bins=edges, color=_SETS)
    unit = {"1": "", "d": " (days)"}.get(target.unit, f" ({target.unit})")
    title = wrap_text(f"{target.meaning}{unit}", 8, 205, 3)
    axes.text(0, 1.06, "\n".join(title), transform=axes.transAxes, fontsize=8, va="bottom")
    if target.fitted == "no":
        axes.text(1, 0.95, "not fitted", transform=axes.transAxes, ha="right", va="top",
                  fontsize=8, color=COLOURS[1])  # fmt: skip
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    axes.tick_params(labelsize=8, length=2)


def _edges(values: Any, low: float, high: float, *, whole: bool) -> Any:  # noqa: ANN401
    """Give the edges of the bars; between whole days where the numbers are days."""
    least, most = min(low, values.min(initial=low)), max(high, values.max(initial=high))
    if whole:
        return np.arange(math.floor(least) - 0.5, math.ceil(most) + 1)
    return np.linspace(least, most, _BINS + 1)


# --- the tables --------------------------------------------------------------------------------


def tabulate_ranges(sets: pl.DataFrame) -> pl.DataFrame:
    """Tabulate the parameters: start value, where they were looked for, and the accepted sets.

    Columns: `parameter`, `unit`, `start`, `low`, `high` (looked for), `p5`, `median`, `p95` (of the
    accepted sets), `narrowed` (one less the 5th to 95th percentile of the accepted on the scale of
    logarithms, of that of the range: 0 where the targets say nothing), `reason`.
    """
    rows: list[dict[str, object]] = []
    for name, one in RANGES.items():
        base = parameters()[name.removesuffix(SPREAD)]
        p5, median, p95 = np.quantile(sets[name].to_numpy(), [0.05, 0.5, 0.95])
        whole = 0.9 * math.log(one.high / one.low)
        rows.append({
            "parameter": name,
            "unit": "1" if name.endswith(SPREAD) else base.unit,
            "start": base.spread if name.endswith(SPREAD) else base.value,
            "low": one.low, "high": one.high,
            "p5": float(p5), "median": float(median), "p95": float(p95),
            "narrowed": 1 - math.log(p95 / p5) / whole,
            "reason": one.reason,
        })  # fmt: skip
    return pl.DataFrame(rows)


def tabulate_targets(summaries: pl.DataFrame, asked: Mapping[str, Target]) -> pl.DataFrame:
    """Tabulate the targets: what was asked, and what the accepted sets give.

    Columns: `target`, `meaning`, `unit`, `low`, `high` (asked for), `least`, `median`, `most` (of
    the accepted sets), `se` (median Monte Carlo error), `fitted`.
    """
    rows: list[dict[str, object]] = []
    for name, one in asked.items():
        values = summaries[name].drop_nulls().drop_nans()
        rows.append({
            "target": name, "meaning": one.meaning, "unit": one.unit,
            "low": one.low, "high": one.high,
            "least": values.min(), "median": values.median(), "most": values.max(),
            "se": summaries[f"{name}.se"].median(), "fitted": one.fitted,
        })  # fmt: skip
    return pl.DataFrame(rows)


def _in_markdown(table: pl.DataFrame, head: list[str]) -> str:
    """Write a table in Markdown; a share in per cent."""
    lines = [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
    lines += [f"| {' | '.join(row)} |" for row in table.iter_rows()]
    return "\n".join(lines)


def pages_of(sets: pl.DataFrame, summaries: pl.DataFrame) -> tuple[str, str]:
    """Write the tables of the page on calibration: of the targets, and of the parameters."""

    def number(name: str) -> pl.Expr:
        scaled = pl.when(pl.col("unit") == "%").then(pl.col(name) * 100).otherwise(pl.col(name))
        return scaled.map_elements(lambda x: f"{x:.3g}", return_dtype=pl.String).alias(name)

    asked = tabulate_targets(summaries, targets()).select(
        pl.format("`{}`", "target"), pl.format("{} ({})", "meaning", "unit"),
        pl.format("{} to {}", number("low"), number("high")),
        pl.format("{} ({} to {})", number("median"), number("least"), number("most")),
        number("se"),
    )  # fmt: skip

    def plain(name: str) -> pl.Expr:
        return pl.col(name).map_elements(lambda x: f"{x:.3g}", return_dtype=pl.String).alias(name)

    ranges = tabulate_ranges(sets).select(
        pl.format("`{}`", "parameter"), "unit", plain("start"),
        pl.format("{} to {}", plain("low"), plain("high")), "reason",
        pl.format("{} ({} to {})", plain("median"), plain("p5"), plain("p95")),
        (pl.col("narrowed") * 100).round(0).cast(pl.Int32).cast(pl.String),
    )  # fmt: skip
    return (
        _in_markdown(
            asked,
            [
                "target",
                "what it is",
                "asked",
                "accepted sets: median (least to most)",
                "Monte Carlo error",
            ],
        ),
        _in_markdown(
            ranges,
            [
                "parameter",
                "unit",
                "start",
                "looked for",
                "because",
                "accepted sets: median (5 to 95 %)",
                "narrowed by, %",
            ],
        ),
    )


def main(arguments: list[str] | None = None) -> None:
    """Draw the figure and print the tables; called as a module."""
    parser = argparse.ArgumentParser(prog="python -m stromal.report.calibration")
    parser.add_argument("-o", "--output", type=Path, required=True)
    asked = parser.parse_args(arguments)
    sets, summaries = packaged_sets()
    draw_calibration(summaries, targets()).savefig(asked.output)
    print("\n\n".join(pages_of(sets, summaries)))  # noqa: T201


if __name__ == "__main__":
    main()
