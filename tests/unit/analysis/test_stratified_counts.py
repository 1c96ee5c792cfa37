import math

import pytest

from stromal.analysis import compare_counts
from stromal.analysis.stratified_counts import (
    compare_stratified_counts,
    estimate_common_odds_ratio,
    estimate_odds_ratio,
)
from stromal.core import UsageError

STRATA = {
    "young": {"msc": (7, 2), "control": (3, 9)},
    "old": {"msc": (4, 4), "control": (1, 7)},
}


@pytest.mark.by_hand
def test_two_strata():
    result = compare_stratified_counts(STRATA)
    expected = 9 * 10 / 21 + 8 * 5 / 16
    variance = 9 * 12 * 10 * 11 / (21**2 * 20) + 8 * 8 * 5 * 11 / (16**2 * 15)
    assert result.groups["expected"][0] == pytest.approx(expected)
    assert result.groups["expected"].sum() == pytest.approx(result.groups["events"].sum())
    assert result.statistic == pytest.approx((11 - expected) ** 2 / variance)
    ratio = estimate_common_odds_ratio(STRATA, confidence=0.95)
    assert ratio.estimate.value == pytest.approx((63 / 21 + 28 / 16) / (6 / 21 + 4 / 16))
    assert ratio.p_value == result.p_value
    assert (ratio.first, ratio.second) == ("msc", "control")


@pytest.mark.by_hand
def test_one_stratum_has_woolfs_limits():
    ratio = estimate_common_odds_ratio({"all": STRATA["young"]}, confidence=0.95).estimate
    assert ratio.value == pytest.approx(7 * 9 / (2 * 3))
    assert ratio.standard_error == pytest.approx(math.sqrt(1 / 7 + 1 / 2 + 1 / 3 + 1 / 9))


def test_a_stratum_that_says_nothing_changes_nothing():
    more = {
        **STRATA,
        "empty": {"msc": (0, 0), "control": (0, 0)},
        "all": {"msc": (3, 0), "control": (2, 0)},
    }
    assert compare_stratified_counts(more).statistic == pytest.approx(
        compare_stratified_counts(STRATA).statistic
    )
    ratio = estimate_common_odds_ratio(more, confidence=0.9).estimate
    assert ratio.value == pytest.approx(
        estimate_common_odds_ratio(STRATA, confidence=0.9).estimate.value
    )


def test_what_has_no_ratio_says_which():
    never = {"all": {"msc": (0, 5), "control": (2, 3)}}
    assert "is 0 here" in estimate_common_odds_ratio(never, confidence=0.95).estimate.note
    always = {"all": {"msc": (5, 0), "control": (2, 3)}}
    assert "is infinite here" in estimate_common_odds_ratio(always, confidence=0.95).estimate.note
    nothing = {"all": {"msc": (5, 0), "control": (2, 0)}}
    found = estimate_common_odds_ratio(nothing, confidence=0.95)
    assert "not defined" in found.estimate.note
    assert (found.p_value, compare_stratified_counts(nothing).p_value) == (None, None)
    assert "both responses" in compare_stratified_counts(nothing).note


@pytest.mark.by_hand
def test_exact_odds_ratio_of_the_smallest_table():
    # 1 of 1 against 0 of 1: P(cell = 1) = w / (1 + w), so the lower limit solves it for 0.025
    found = estimate_odds_ratio({"a": (1, 0), "b": (0, 1)}, confidence=0.95).estimate
    assert found.low == pytest.approx(0.025 / 0.975)
    assert (found.value, found.high) == (None, None)
    assert "no upper limit" in found.note
    even = estimate_odds_ratio({"a": (1, 1), "b": (1, 1)}, confidence=0.95).estimate
    assert even.value == pytest.approx(1)
    assert even.low == pytest.approx(1 / even.high)


@pytest.mark.by_hand
def test_exact_odds_ratio_meets_its_equations():
    # 7 of 10 against 2 of 11: given 9 responders in all, P(k) is as C(10, k) C(11, 9 - k) ratio^k
    found = estimate_odds_ratio({"a": (7, 3), "b": (2, 9)}, confidence=0.95).estimate

    def chances(ratio):
        terms = [math.comb(10, k) * math.comb(11, 9 - k) * ratio**k for k in range(10)]
        return [term / sum(terms) for term in terms]

    mean = sum(k * chance for k, chance in enumerate(chances(found.value)))
    assert mean == pytest.approx(7, abs=1e-10)
    assert sum(chances(found.high)[:8]) == pytest.approx(0.025, abs=1e-10)
    assert sum(chances(found.low)[7:]) == pytest.approx(0.025, abs=1e-10)


def test_exact_odds_ratio_carries_fishers_p():
    found = estimate_odds_ratio(STRATA["young"], confidence=0.95)
    assert found.p_value == compare_counts(STRATA["young"], test="fisher").p_value
    empty = estimate_odds_ratio({"a": (0, 0), "b": (0, 1)}, confidence=0.95)
    assert (empty.estimate.value, empty.p_value) == (None, None)


@pytest.mark.parametrize(
    "counts",
    [
        {},
        {"s": {"a": (1, 2)}},
        {"s": {"a": (1, 2), "b": (1, 2), "c": (1, 2)}},
        {"s": {"a": (1, 2), "b": (1, 2)}, "t": {"a": (1, 2), "c": (1, 2)}},
        {"s": {"a": (1, 2), "b": (1, 2, 3)}},
        {"s": {"a": (1, -2), "b": (1, 2)}},
        {"s": {"a": (1, 2.5), "b": (1, 2)}},
    ],
)
def test_tables_that_are_refused(counts):
    with pytest.raises(UsageError):
        compare_stratified_counts(counts)
