"""One value a parameter set becomes a figure with its error and its spread."""

from math import sqrt

import numpy as np
import polars as pl
import pytest

from stromal.analysis import estimate_proportion
from stromal.design.monte_carlo import (
    TABLE_SCHEMA,
    figure_of,
    mean_rows,
    proportion_rows,
    tabulate_figures,
)


def shares(events, of, extra=0.0, measure="share"):
    frame = pl.DataFrame({"parameter_set": range(len(events)), "events": events, "of": of})
    frame = frame.with_columns(measure=pl.lit(measure), extra_=pl.lit(extra))
    return proportion_rows(frame, "events", "of", pl.col("extra_"))


def only(rows):
    table = tabulate_figures(rows)
    assert dict(table.schema) == TABLE_SCHEMA
    assert table.height == 1
    return figure_of(table.row(0, named=True))


def mean_of(values_by_set, measure="enrolled", extra=None):
    frame = pl.DataFrame(
        [(s, float(v)) for s, values in enumerate(values_by_set) for v in values],
        schema={"parameter_set": pl.Int32, "x": pl.Float64},
        orient="row",
    )
    frame = frame.with_columns(measure=pl.lit(measure))
    return mean_rows(frame, "x", ["parameter_set", "measure"], extra)


@pytest.mark.by_hand
def test_three_sets_of_ten_trials():
    # 2, 4, 9 of 10: mean 0.5, deviations -.3, -.1, .4, variance .26 / 2 = .13
    # noise: (.16 + .24 + .09) / 9 / 3 = .0181481...
    f = only(shares([2, 4, 9], [10, 10, 10]))
    assert f.value == pytest.approx(0.5, rel=1e-15)
    assert f.se == pytest.approx(sqrt(0.13 / 3), rel=1e-14)
    assert f.sets == 3
    assert f.spread.observed_sd == pytest.approx(sqrt(0.13), rel=1e-14)
    assert f.spread.sd == pytest.approx(sqrt(0.13 - 0.49 / 27), rel=1e-14)
    # definition 7 at 5 %: place 1 + 2 * .05 = 1.1, from .2 a tenth of the way to .4
    assert f.spread.p5 == pytest.approx(0.22, rel=1e-14)
    assert f.spread.p95 == pytest.approx(0.85, rel=1e-14)
    # t with 2 degrees of freedom is 4.3027: the interval is cut at 0 and 1
    assert (f.low, f.high) == (0.0, 1.0)


@pytest.mark.by_hand
def test_the_bank_is_taken_from_the_spread_too():
    f = only(shares([2, 4, 9], [10, 10, 10], extra=0.05))
    assert f.se == pytest.approx(sqrt(0.13 / 3), rel=1e-14)  # the sets' means hold it already
    assert f.spread.sd == pytest.approx(sqrt(0.13 - 0.49 / 27 - 0.05), rel=1e-13)
    assert only(shares([2, 4, 9], [10, 10, 10], extra=0.2)).spread.sd == 0.0


@pytest.mark.by_hand
def test_student_interval_of_a_mean():
    # set means 1, 2, 3, 4: SD sqrt(5/3), se sqrt(5/12), t_3 = 3.182446
    f = only(mean_of([[0, 2], [2, 2], [2, 4], [4, 4]], measure="bias"))
    assert f.value == 2.5
    assert f.se == pytest.approx(sqrt(5 / 12), rel=1e-14)
    assert f.high == pytest.approx(2.5 + 3.182446305 * sqrt(5 / 12), rel=1e-9)
    assert f.low == pytest.approx(2.5 - 3.182446305 * sqrt(5 / 12), rel=1e-9)
    # noise: the sets' variances 2, 0, 2, 0 over 2 trials, on average 1/2
    assert f.spread.sd == pytest.approx(sqrt(5 / 3 - 0.5), rel=1e-14)


@pytest.mark.by_hand
def test_one_set_has_the_error_of_its_trials_and_its_bank():
    f = only(shares([30], [100]))
    assert (f.value, f.sets, f.spread) == (0.3, 1, None)
    assert f.se == pytest.approx(sqrt(0.21 / 100), rel=1e-14)
    banked = only(shares([30], [100], extra=0.21 / 100))
    assert banked.se == pytest.approx(sqrt(2 * 0.21 / 100), rel=1e-14)
    assert banked.low < f.low < f.high < banked.high
    g = only(mean_of([[1, 2, 3]]))
    assert (g.value, g.spread) == (2.0, None)
    assert g.se == pytest.approx(sqrt(1 / 3), rel=1e-14)
    assert g.high == pytest.approx(2 + 1.959963985 * sqrt(1 / 3), rel=1e-9)


def test_interval_of_one_set_without_bank_is_wilsons():
    for events in (0, 1, 30, 100):
        f = only(shares([events], [100]))
        e = estimate_proportion(events, 100, interval="wilson", confidence=0.95)
        assert (f.low, f.high) == pytest.approx((e.low, e.high), abs=1e-12)


def test_no_rejection_in_any_set_is_not_certainty():
    f = only(shares([0] * 20, [50] * 20))
    assert (f.value, f.se, f.low, f.spread.sd) == (0.0, 0.0, 0.0, 0.0)
    e = estimate_proportion(0, 1000, interval="wilson", confidence=0.95)
    assert f.high == pytest.approx(e.high, rel=1e-12)


def test_equal_sets_have_exactly_no_spread():
    f = only(shares([7] * 9, [23] * 9))
    assert (f.se, f.spread.observed_sd, f.spread.sd) == (0.0, 0.0, 0.0)
    assert f.value == 7 / 23
    assert f.low < 7 / 23 < f.high
    assert only(mean_of([[0.1, 0.1]] * 7)).se == 0.0


def test_sets_without_a_value_are_left_out_and_told():
    f = only(shares([0, 3, 5], [0, 10, 10]))
    assert (f.value, f.sets) == (0.4, 2)
    nothing = only(shares([0, 0], [0, 0]))
    assert (nothing.value, nothing.se, nothing.low, nothing.high) == (None,) * 4
    assert (nothing.sets, nothing.spread) == (0, None)


def test_one_trial_a_set_cannot_tell_noise_from_spread():
    f = only(shares([0, 1, 1], [1, 1, 1]))
    assert f.se == pytest.approx(1 / 3, rel=1e-14)
    assert f.spread.sd is None
    assert only(mean_of([[1], [2]])).spread.sd is None
    alone = only(mean_of([[5]]))
    assert (alone.value, alone.se, alone.low, alone.high) == (5.0, None, None, None)
    one = only(shares([1], [1]))
    assert (one.value, one.se) == (1.0, None)


def test_a_mean_that_cannot_be_negative_has_no_negative_limit():
    assert only(mean_of([[1, 1], [9, 9]])).low == 0.0
    assert only(mean_of([[1, 1], [9, 9]], measure="bias")).low < 0


def test_figures_are_kept_apart_and_in_order():
    rows = pl.concat([shares([1, 2], [4, 4], measure=name) for name in ("share", "coverage")])
    table = tabulate_figures(rows)
    assert table["measure"].to_list() == ["coverage", "share"]
    assert tabulate_figures(rows.reverse()).equals(table)


def test_spread_is_found_again():
    # 400 sets with rates of SD 0.08, 40 trials each; the SD of an SD is about SD / sqrt(2 * 400)
    generator = np.random.default_rng(2)
    rates = 0.5 + 0.08 * generator.standard_normal(400)
    f = only(shares(generator.binomial(40, rates).tolist(), [40] * 400))
    noise = 0.25 / 40
    error = (0.08**2 + noise) * sqrt(2 / 399) / (2 * 0.08)
    assert abs(f.spread.sd - 0.08) < 4 * error
    assert f.spread.observed_sd == pytest.approx(sqrt(0.08**2 + noise), rel=0.15)
    assert abs(f.value - 0.5) < 4 * f.se


def test_interval_covers_at_its_level():
    # 5 sets a run, 2000 runs: the error of a coverage of 0.95 is 0.0049
    generator = np.random.default_rng(8)
    rates = generator.normal(0.5, 0.1, size=(2000, 5))
    counts = generator.binomial(200, rates)
    frame = pl.DataFrame({
        "scenario": np.repeat(np.arange(2000), 5).astype(str),
        "parameter_set": np.tile(np.arange(5), 2000),
        "events": counts.ravel(),
        "of": 200,
        "measure": "share",
    })  # fmt: skip
    table = tabulate_figures(proportion_rows(frame, "events", "of"))
    held = ((table["low"] <= 0.5) & (table["high"] >= 0.5)).mean()
    assert abs(held - 0.95) < 4 * 0.0049
