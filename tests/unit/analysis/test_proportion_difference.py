import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stromal.analysis.proportion_difference import estimate_difference
from stromal.core import UsageError

INTERVALS = ("miettinen-nurminen", "newcombe", "agresti-caffo", "wald")

# Newcombe 1998, Statistics in Medicine 17:873-890, table II: contrasts (a) to (h), methods 6 and 10
NEWCOMBE_1998 = [
    ((56, 70, 48, 80), (0.0528, 0.3382), (0.0524, 0.3339)),
    ((9, 10, 3, 10), (0.1700, 0.8406), (0.1705, 0.8090)),
    ((6, 7, 2, 7), (0.0342, 0.8534), (0.0582, 0.8062)),
    ((5, 56, 0, 29), (-0.0326, 0.1933), (-0.0381, 0.1926)),
    ((0, 10, 0, 20), (-0.1658, 0.2844), (-0.1611, 0.2775)),
    ((0, 10, 0, 10), (-0.2879, 0.2879), (-0.2775, 0.2775)),
    ((10, 10, 0, 20), (0.7156, 1.0), (0.6791, 1.0)),
    ((10, 10, 0, 10), (0.6636, 1.0), (0.6075, 1.0)),
]


def _bounds(counts, interval, confidence=0.95):
    x1, n1, x2, n2 = counts
    table = {"first": (x1, n1 - x1), "second": (x2, n2 - x2)}
    estimate = estimate_difference(table, interval=interval, confidence=confidence).estimate
    return estimate.low, estimate.high


@pytest.mark.published
@pytest.mark.parametrize(("counts", "score", "hybrid"), NEWCOMBE_1998)
def test_the_contrasts_of_newcombe(counts, score, hybrid):
    assert _bounds(counts, "miettinen-nurminen") == pytest.approx(score, abs=5.1e-5)
    assert _bounds(counts, "newcombe") == pytest.approx(hybrid, abs=5.1e-5)


@pytest.mark.published
def test_wald_of_newcombe():
    # the same table, method 1
    assert _bounds((56, 70, 48, 80), "wald") == pytest.approx((0.0575, 0.3425), abs=5.1e-5)
    assert _bounds((9, 10, 3, 10), "wald") == pytest.approx((0.2605, 0.9395), abs=5.1e-5)


@pytest.mark.by_hand
def test_agresti_caffo_by_hand():
    # 9/10 and 3/10 become 10/12 and 4/12: 0.5 +- 1.96 sqrt((10 2 + 4 8) / 12^3)
    half = 1.959963984540054 * math.sqrt(52 / 1728)
    assert _bounds((9, 10, 3, 10), "agresti-caffo") == pytest.approx((0.5 - half, 0.5 + half))


@pytest.mark.by_hand
def test_score_limits_of_nobody_in_ten():
    # 0 of 10 twice: at difference d the likeliest pair is (d, 0), so d solves
    # d = z sqrt(d (1 - d) / 10 x 20 / 19), which is z^2 k / (1 + z^2 k) with k = 2 / 19
    k = 1.959963984540054**2 * 2 / 19
    low, high = _bounds((0, 10, 0, 10), "miettinen-nurminen")
    assert high == pytest.approx(k / (1 + k), rel=1e-9)
    assert low == pytest.approx(-k / (1 + k), rel=1e-9)


def test_the_contrast_names_groups_and_method():
    contrast = estimate_difference(
        {"msc": (5, 4), "control": (2, 7)}, interval="newcombe", confidence=0.9
    )
    estimate = contrast.estimate
    assert (contrast.first, contrast.second, contrast.p_value) == ("msc", "control", None)
    assert estimate.value == pytest.approx(3 / 9)
    assert estimate.standard_error == pytest.approx(math.sqrt((20 + 14) / 729))
    assert (estimate.n, estimate.events, estimate.interval) == (18, 7, "Newcombe")


@given(st.data())
@pytest.mark.parametrize("interval", INTERVALS)
def test_swapping_groups_and_responses_mirrors_the_interval(interval, data):
    n1, n2 = data.draw(st.integers(1, 40)), data.draw(st.integers(1, 40))
    x1, x2 = data.draw(st.integers(0, n1)), data.draw(st.integers(0, n2))
    low, high = _bounds((x1, n1, x2, n2), interval)
    value = x1 / n1 - x2 / n2
    assert -1 <= low <= high <= 1
    if interval != "agresti-caffo":
        assert low - 1e-12 <= value <= high + 1e-12
    swapped = _bounds((x2, n2, x1, n1), interval)
    others = _bounds((n1 - x1, n1, n2 - x2, n2), interval)
    assert swapped == pytest.approx((-high, -low), abs=1e-7)
    assert others == pytest.approx((-high, -low), abs=1e-7)


def test_without_participants_nothing_is_estimable():
    contrast = estimate_difference({"a": (0, 0), "b": (2, 7)}, interval="wald", confidence=0.95)
    assert (contrast.estimate.value, contrast.estimate.low) == (None, None)
    assert "no participants" in contrast.estimate.note


def test_wald_without_width_says_so():
    contrast = estimate_difference({"a": (3, 0), "b": (0, 7)}, interval="wald", confidence=0.95)
    assert "no width" in contrast.estimate.note


@pytest.mark.parametrize(
    ("table", "interval", "said"),
    [
        ({"a": (1, 2)}, "wald", "two groups are expected"),
        ({"a": (1, 2), "b": (1, 2, 3)}, "wald", "two groups are expected"),
        ({"a": (1, 2), "b": (-1, 2)}, "wald", "whole numbers from 0"),
        ({"a": (1, 2), "b": (1.5, 2)}, "wald", "whole numbers from 0"),
        ({"a": (1, 2), "b": (1, 2)}, "mee", "choose one of miettinen-nurminen"),
    ],
)
def test_what_cannot_be_is_refused(table, interval, said):
    with pytest.raises(UsageError, match=said):
        estimate_difference(table, interval=interval, confidence=0.95)
