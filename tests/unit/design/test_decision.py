"""The rule that a trial decides by, against hand counts, exact sums and the analysis itself."""

from math import comb
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from stromal.analysis import compare_counts, estimate_proportion
from stromal.core import UsageError
from stromal.design.decision import (
    Decision,
    critical_numbers,
    decided_analysis,
    directions,
    p_values,
    power_and_slopes,
    probability_of_rejecting,
    rejection_region,
    rejects,
)
from stromal.protocol.reading import read_protocol

SIDES = ("greater", "less", "two-sided")


def binomial(p0=0.27, alpha=0.025, side="greater"):
    return Decision(analysis="response", test="binomial", p0=p0, alpha=alpha, side=side)


def fisher(alpha=0.05, side="two-sided"):
    return Decision(
        analysis="response",
        test="fisher",
        alpha=alpha,
        side=side,
        control="control",
        experimental="msc",
    )


def upper_tail(n, p, least):
    return sum(comb(n, x) * p**x * (1 - p) ** (n - x) for x in range(least, n + 1))


@pytest.mark.by_hand
def test_smallest_number_that_rejects_of_68():
    # P(X >= 26) = 0.0285 is above 0.025, P(X >= 27) = 0.0154 is not
    assert upper_tail(68, 0.27, 26) == pytest.approx(0.0285, abs=5e-5)
    table = critical_numbers(binomial(), [68])
    assert table.row(0)[:3] == (68, 27, None)
    assert table["nominal_alpha"][0] == pytest.approx(upper_tail(68, 0.27, 27), rel=1e-12)
    assert table["nominal_alpha"][0] == pytest.approx(0.0154, abs=5e-5)


@pytest.mark.by_hand
def test_power_at_a_rate_of_48_per_cent():
    power = probability_of_rejecting(binomial(), [0.48], [68])[0]
    assert power == pytest.approx(upper_tail(68, 0.48, 27), rel=1e-12)
    assert power == pytest.approx(0.9325, abs=5e-5)


@pytest.mark.by_hand
def test_a_trial_too_small_to_reject():
    # 0.5^4 = 0.0625 > 0.05, and 0.5^5 = 0.03125 rejects with all five
    table = critical_numbers(binomial(p0=0.5, alpha=0.05), [5, 4, 0, 5])
    assert table.rows() == [(0, None, None, 0.0), (4, None, None, 0.0), (5, 5, None, 0.03125)]


@pytest.mark.by_hand
def test_sides_of_the_binomial_rule():
    # n = 5, p0 = 0.5: P(X = 0) = P(X = 5) = 1/32, twice it is 1/16
    assert critical_numbers(binomial(0.5, 0.05, "less"), [5]).row(0) == (5, None, 0, 0.03125)
    both = critical_numbers(binomial(0.5, 0.0625, "two-sided"), [5]).row(0)
    assert both[:3] == (5, 5, 0)
    assert both[3] == pytest.approx(0.0625, rel=1e-14)
    assert critical_numbers(binomial(0.5, 0.05, "two-sided"), [5]).row(0) == (5, None, None, 0.0)


@pytest.mark.by_hand
def test_a_p_value_at_alpha_rejects():
    # (3, 0; 0, 3) has p = 2 / 20, which is 0.1 but for rounding
    assert rejects(fisher(0.1), [3], [3], [0], [3]).tolist() == [True]
    assert rejects(fisher(0.0999), [3], [3], [0], [3]).tolist() == [False]
    assert rejects(fisher(0.05, "greater"), [3, 0], [3, 3], [0, 3], [3, 3]).tolist() == [
        True,
        False,
    ]
    assert rejects(binomial(0.1, 0.01), [2], [2]).tolist() == [True]


@pytest.mark.by_hand
def test_one_of_nine_against_two_of_nine():
    # 3 successes over two arms of 9: (1, 2) and (2, 1) are the likeliest tables, so p = 1
    assert p_values(fisher(), 9, 9)[1, 2] == pytest.approx(1.0, rel=1e-14)
    assert not rejects(fisher(), [1], [9], [2], [9])[0]


@pytest.mark.parametrize(("n", "control_n"), [(1, 1), (6, 9), (9, 9), (34, 34), (12, 31)])
def test_fisher_is_that_of_the_analysis(n, control_n):
    values = p_values(fisher(), n, control_n)
    for a in range(n + 1):
        for c in range(control_n + 1):
            counts = {"msc": (a, n - a), "control": (c, control_n - c)}
            p = compare_counts(counts, test="fisher").p_value
            assert values[a, c] == pytest.approx(1.0 if p is None else p, rel=1e-9)


@pytest.mark.parametrize("side", ["greater", "less"])
def test_one_sided_fisher_by_whole_numbers(side):
    values = p_values(fisher(side=side), 7, 10)
    for a in range(8):
        for c in range(11):
            ways = [comb(7, x) * comb(10, a + c - x) if x <= a + c else 0 for x in range(8)]
            tail = ways[a:] if side == "greater" else ways[: a + 1]
            assert values[a, c] == pytest.approx(sum(tail) / sum(ways), rel=1e-12)


def test_two_sided_binomial_rejects_where_the_clopper_pearson_interval_leaves_out_p0():
    rule = binomial(0.27, 0.05, "two-sided")
    for n in (1, 9, 68):
        for x in range(n + 1):
            e = estimate_proportion(x, n, interval="clopper-pearson", confidence=0.95)
            outside = int(e.low > 0.27) - int(e.high < 0.27)
            assert directions(rule, [x], [n])[0] == outside


def test_nobody_in_an_arm_rejects_nothing():
    assert not rejects(binomial(0.5, 0.9), [0], [0])[0]
    assert rejects(fisher(0.9), [0, 5], [0, 5], [9, 0], [9, 0]).tolist() == [False, False]
    assert rejects(binomial(), np.zeros(0, int), np.zeros(0, int)).shape == (0,)


@given(
    n=st.integers(0, 80),
    p0=st.floats(0.01, 0.99),
    alpha=st.floats(0.001, 0.5),
    side=st.sampled_from(SIDES),
)
def test_binomial_regions_are_monotone_and_keep_their_level(n, p0, alpha, side):
    rule = binomial(p0, alpha, side)
    region = rejection_region(rule, n)
    assert (np.diff(region) >= 0).all()
    table = critical_numbers(rule, [n])
    assert table["nominal_alpha"][0] <= alpha * (1 + 1e-9)
    # one success more or less than the rule would break the level
    if side == "greater" and n > 0:
        least = table["rejects_from"][0]
        wider = upper_tail(n, p0, (n + 1 if least is None else least) - 1)
        assert wider > alpha * (1 - 1e-9)


@given(
    n=st.integers(1, 20),
    control_n=st.integers(1, 20),
    q=st.floats(0, 1),
    alpha=st.floats(0.001, 0.3),
    side=st.sampled_from(SIDES),
)
def test_fisher_regions_are_monotone_and_keep_their_level(n, control_n, q, alpha, side):
    rule = fisher(alpha, side)
    region = rejection_region(rule, n, control_n)
    assert region.shape == (n + 1, control_n + 1)
    if side != "two-sided":
        assert (np.diff(region, axis=0) >= 0).all()
        assert (np.diff(region, axis=1) <= 0).all()
    # without a difference, Fisher's test rejects at most at its level, whatever the rate
    assert probability_of_rejecting(rule, [q], [n], [q], [control_n])[0] <= alpha * (1 + 1e-9)


@given(n=st.integers(1, 60), rates=st.tuples(st.floats(0, 1), st.floats(0, 1)))
def test_power_grows_with_the_rate(n, rates):
    low, high = sorted(rates)
    power = probability_of_rejecting(binomial(), [low, high], [n, n])
    assert power[0] <= power[1] + 1e-12


def test_many_trials_are_decided_as_each_alone():
    generator = np.random.default_rng(4)
    n, control_n = generator.integers(0, 12, size=(2, 500))
    good, bad = generator.permuted(np.tile([[0.8], [0.1]], 500), axis=0)
    e, c = generator.binomial(n, good), generator.binomial(control_n, bad)
    for side in SIDES:
        rule = fisher(0.1, side)
        together = directions(rule, e, n, c, control_n)
        alone = [rejection_region(rule, b, d)[a, f] for a, b, f, d in zip(e, n, c, control_n)]  # noqa: B905
        assert together.tolist() == alone
        assert set(together.tolist()) > {0}


def test_slopes_are_the_derivatives_of_the_power():
    rate, other, step = 0.44, 0.2, 1e-5
    rule = fisher(0.05, "greater")
    sizes = {"n": [34], "control_n": [31]}
    _, slope, control_slope = power_and_slopes(rule, [rate], [34], [other], [31])

    def power(q, c):
        return probability_of_rejecting(rule, [q], sizes["n"], [c], sizes["control_n"])[0]

    rise = (power(rate + step, other) - power(rate - step, other)) / (2 * step)
    fall = (power(rate, other + step) - power(rate, other - step)) / (2 * step)
    assert slope[0] == pytest.approx(rise * np.sqrt(rate * (1 - rate)), rel=1e-6)
    assert control_slope[0] == pytest.approx(fall * np.sqrt(other * (1 - other)), rel=1e-6)
    assert fall < 0 < rise


def test_slopes_vanish_where_everyone_or_nobody_succeeds():
    power, slope, control_slope = power_and_slopes(binomial(), [0, 1], [68, 68], [0, 0], [0, 0])
    assert power.tolist() == [0, 1]
    assert slope.tolist() == control_slope.tolist() == [0, 0]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"p0": None}, "give `p0`"),
        ({"control": "a"}, "no `control`"),
        ({"p0": 1.0}, "less than 1"),
        ({"p0": 27}, "less than 1"),
        ({"alpha": 0}, "greater than 0"),
        ({"side": "upper"}, "greater"),
        ({"test": "fisher"}, "name `control` and `experimental`"),
        ({"test": "fisher", "control": "a", "experimental": "b"}, "has no `p0`"),
        ({"test": "fisher", "control": "a", "experimental": "a", "p0": None}, "both 'a'"),
        ({"beta": 0.1}, "Extra inputs"),
    ],
)
def test_a_rule_that_does_not_hang_together_is_refused(changes, words):
    given_ = {"analysis": "r", "test": "binomial", "p0": 0.27, "alpha": 0.025, "side": "greater"}
    with pytest.raises(ValidationError, match=words):
        Decision.model_validate(given_ | changes)


def test_counts_that_cannot_be_are_refused():
    with pytest.raises(UsageError, match="5 successes of 4"):
        rejects(binomial(), [1, 5], [3, 4])
    with pytest.raises(UsageError, match="whole numbers"):
        rejects(binomial(), [1.5], [3])
    with pytest.raises(UsageError, match="2 numbers of successes are given for 1"):
        rejects(binomial(), [1, 1], [3])
    with pytest.raises(UsageError, match="control arm"):
        rejects(fisher(), [1], [3])
    with pytest.raises(UsageError, match="control arm"):
        rejects(binomial(), [1], [3], [1], [3])
    with pytest.raises(UsageError, match="different numbers of trials"):
        rejects(fisher(), [1], [3], [1, 1], [3, 3])
    with pytest.raises(UsageError, match="two arms"):
        critical_numbers(fisher(), [9])
    with pytest.raises(UsageError, match="control_n"):
        p_values(fisher(), 9)
    with pytest.raises(UsageError, match="control_n"):
        rejection_region(binomial(), 9, 9)
    with pytest.raises(UsageError, match="0 participants or more"):
        p_values(binomial(), -1)
    with pytest.raises(UsageError, match="from 0 to 1"):
        probability_of_rejecting(binomial(), [1.2], [9])


def test_no_size_gives_an_empty_table():
    assert critical_numbers(binomial(), []).schema["nominal_alpha"] == pl.Float64


def test_the_analysis_decided_on_is_a_proportion_of_the_protocol():
    protocol = read_protocol(Path(__file__).parents[3] / "studies" / "msc4pgf")
    rule = binomial().model_copy(update={"analysis": "platelet_response"})
    assert decided_analysis(rule, protocol).of == ["CR", "PR"]
    with pytest.raises(UsageError, match=r"'response', which is not in the protocol; its"):
        decided_analysis(binomial(), protocol)
    with pytest.raises(UsageError, match="not a proportion"):
        decided_analysis(rule.model_copy(update={"analysis": "neutrophil_recovery"}), protocol)
    with pytest.raises(UsageError, match="the arm 'placebo'; the protocol has"):
        decided_analysis(rule.model_copy(update={"experimental": "placebo"}), protocol)
