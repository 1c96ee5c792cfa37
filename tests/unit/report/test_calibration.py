"""The figure and tables of calibration."""

from pathlib import Path

import polars as pl
import pytest

from stromal.design.calibrate import RANGES, targets
from stromal.report.calibration import (
    draw_calibration,
    packaged_sets,
    pages_of,
    tabulate_ranges,
    tabulate_targets,
)

PAGE = Path(__file__).resolve().parents[3] / "docs/validation/calibration.md"


def test_the_figure_has_a_panel_for_each_target_with_its_interval_and_all_sets():
    _, summaries = packaged_sets()
    figure = draw_calibration(summaries, targets())
    assert len(figure.axes) == len(targets())
    for axes, (name, one) in zip(figure.axes, targets().items(), strict=True):
        scale = 100 if one.unit == "%" else 1
        band, *bars = axes.patches
        assert band.get_x() == pytest.approx(one.low * scale)
        assert band.get_x() + band.get_width() == pytest.approx(one.high * scale)
        assert sum(bar.get_height() for bar in bars) == summaries.height, name


def test_a_target_that_was_not_fitted_says_so():
    _, summaries = packaged_sets()
    name, one = next(iter(targets().items()))
    asked = {name: one.model_copy(update={"fitted": "no", "reached": "the structure cannot"})}
    (axes,) = draw_calibration(summaries, asked).axes
    assert "not fitted" in [text.get_text() for text in axes.texts]


def test_the_ranges_are_tabulated_with_what_calibration_left_of_them():
    low, high = RANGES["death"].low, RANGES["death"].high
    # evenly over the logarithm of the whole range: nothing was learnt
    even = [low * (high / low) ** (k / 1000) for k in range(1001)]
    sets = pl.DataFrame(dict.fromkeys(RANGES, even))
    row = tabulate_ranges(sets).row(by_predicate=pl.col("parameter") == "death", named=True)
    assert row["narrowed"] == pytest.approx(0, abs=1e-9)
    assert row["median"] == pytest.approx((low * high) ** 0.5)
    assert (row["low"], row["high"], row["unit"]) == (low, high, "/d")


def test_the_targets_are_tabulated():
    summaries = pl.DataFrame({
        name: [one.low, one.high, one.high] for name, one in targets().items()
    }).with_columns(pl.lit(0.5).alias(f"{name}.se") for name in targets())  # fmt: skip
    row = tabulate_targets(summaries, targets()).row(0, named=True)
    assert row["target"] == "neutrophil_median"
    assert (row["least"], row["median"], row["most"], row["se"]) == (11, 15, 15, 0.5)


def test_the_page_shows_the_tables_of_the_sets_that_come_with_stromal():
    page = PAGE.read_text("utf-8")
    for table in pages_of(*packaged_sets()):
        assert table in page, "run python -m stromal.report.calibration and put its tables there"
