import math

import pytest

from stromal.analysis import citations, estimate_proportion
from stromal.core import UsageError

INTERVALS = ("clopper-pearson", "wilson", "wald", "jeffreys", "mid-p")


@pytest.mark.by_hand
def test_clopper_pearson_with_no_success_is_a_power():
    # 0 of 6: the upper limit p solves (1 - p)^6 = 0.025, the lower is 0.
    e = estimate_proportion(0, 6, interval="clopper-pearson", confidence=0.95)
    assert e.low == 0.0
    assert e.high == pytest.approx(1 - 0.025 ** (1 / 6), rel=1e-13)
    # 6 of 6 mirrors it
    full = estimate_proportion(6, 6, interval="clopper-pearson", confidence=0.95)
    assert full.high == 1.0
    assert full.low == pytest.approx(0.025 ** (1 / 6), rel=1e-13)


@pytest.mark.by_hand
def test_clopper_pearson_of_one_in_two():
    # 1 of 2 at 0.95: P(X >= 1) = 1 - (1 - p)^2 = 0.025 and P(X <= 1) = 1 - p^2 = 0.025
    e = estimate_proportion(1, 2, interval="clopper-pearson", confidence=0.95)
    assert e.low == pytest.approx(1 - math.sqrt(0.975), rel=1e-13)
    assert e.high == pytest.approx(math.sqrt(0.975), rel=1e-13)


@pytest.mark.by_hand
def test_wilson_limits_solve_the_score_equation():
    # |p_hat - p| = z sqrt(p (1 - p) / n) at both limits
    z = 1.959963984540054
    e = estimate_proportion(2, 9, interval="wilson", confidence=0.95)
    for p in (e.low, e.high):
        assert abs(2 / 9 - p) == pytest.approx(z * math.sqrt(p * (1 - p) / 9), rel=1e-12)


@pytest.mark.by_hand
def test_wald_limits():
    # 5 of 20: 0.25 +- 1.95996 sqrt(0.25 * 0.75 / 20) = 0.25 +- 1.95996 * 0.0968246
    e = estimate_proportion(5, 20, interval="wald", confidence=0.95)
    assert e.standard_error == pytest.approx(math.sqrt(0.1875 / 20), rel=1e-15)
    assert (e.low, e.high) == pytest.approx((0.06022730, 0.43977270), abs=1e-8)
    assert e.note == ""


@pytest.mark.parametrize("successes", [0, 7])
def test_wald_without_width_says_so(successes):
    e = estimate_proportion(successes, 7, interval="wald", confidence=0.95)
    assert e.low == e.high == e.value
    assert "no width" in e.note


def test_wald_is_cut_to_probabilities():
    assert estimate_proportion(1, 9, interval="wald", confidence=0.95).low == 0.0
    assert estimate_proportion(8, 9, interval="wald", confidence=0.95).high == 1.0


@pytest.mark.parametrize("interval", INTERVALS)
def test_nobody_gives_no_number_and_a_reason(interval):
    e = estimate_proportion(0, 0, interval=interval, confidence=0.95)
    assert (e.value, e.standard_error, e.low, e.high) == (None, None, None, None)
    assert "no participants" in e.note


@pytest.mark.parametrize("interval", INTERVALS)
@pytest.mark.parametrize("n", [1, 2, 9, 68])
def test_limits_are_probabilities_around_the_value(interval, n):
    for successes in range(n + 1):
        e = estimate_proportion(successes, n, interval=interval, confidence=0.9)
        assert 0 <= e.low <= e.value <= e.high <= 1


@pytest.mark.parametrize("interval", INTERVALS)
def test_successes_and_failures_mirror(interval):
    for successes in range(10):
        e = estimate_proportion(successes, 9, interval=interval, confidence=0.95)
        f = estimate_proportion(9 - successes, 9, interval=interval, confidence=0.95)
        assert e.low == pytest.approx(1 - f.high, abs=1e-12)


def test_the_interval_names_itself_and_its_sources():
    e = estimate_proportion(2, 6, interval="clopper-pearson", confidence=0.95)
    assert e.interval_text == "95 % interval, Clopper-Pearson"
    assert [source.text[:8] for source in citations(e)] == ["Brown LD", "Clopper "]


@pytest.mark.parametrize(("successes", "n"), [(7, 6), (-1, 6), (1.5, 6), (0, -1)])
def test_impossible_counts_are_refused(successes, n):
    with pytest.raises(UsageError, match="whole numbers"):
        estimate_proportion(successes, n, interval="wilson", confidence=0.95)


@pytest.mark.parametrize("confidence", [0, 1, 95, -0.5, float("nan")])
def test_a_confidence_outside_its_range_is_refused(confidence):
    with pytest.raises(UsageError, match=r"such as 0\.95"):
        estimate_proportion(1, 6, interval="wilson", confidence=confidence)


def test_an_unknown_interval_is_refused():
    with pytest.raises(UsageError, match="clopper-pearson, wilson, wald"):
        estimate_proportion(1, 6, interval="exact", confidence=0.95)


@pytest.mark.reference
def test_jeffreys_of_two_in_nine():
    # R: qbeta(c(.025, .975), 2.5, 7.5)
    e = estimate_proportion(2, 9, interval="jeffreys", confidence=0.95)
    assert (e.low, e.high) == pytest.approx((0.049301922976594, 0.543824433119347), abs=1e-12)


@pytest.mark.by_hand
def test_mid_p_by_hand():
    # 1 of 2: P(X = 2) + P(X = 1) / 2 = p^2 + p (1 - p) = p, so the limits are .025 and .975;
    # 0 of 9: half of (1 - p)^9 is .025
    e = estimate_proportion(1, 2, interval="mid-p", confidence=0.95)
    assert (e.low, e.high) == pytest.approx((0.025, 0.975), rel=1e-12)
    none = estimate_proportion(0, 9, interval="mid-p", confidence=0.95)
    assert (none.low, none.high) == pytest.approx((0, 1 - 0.05 ** (1 / 9)), rel=1e-12)


def test_mid_p_lies_inside_clopper_pearson_and_mirrors():
    for x in range(10):
        exact = estimate_proportion(x, 9, interval="clopper-pearson", confidence=0.9)
        e, other = (estimate_proportion(k, 9, interval="mid-p", confidence=0.9) for k in (x, 9 - x))
        assert exact.low <= e.low <= e.value <= e.high <= exact.high
        assert (other.low, other.high) == pytest.approx((1 - e.high, 1 - e.low), abs=1e-12)
