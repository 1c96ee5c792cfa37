import math

import pytest

from stromal.analysis.rates import compare_rates, estimate_rate
from stromal.core import UsageError


def _at_most(count, mean):
    """Give the probability of at most `count` events, term by term."""
    return sum(math.exp(-mean) * mean**k / math.factorial(k) for k in range(count + 1))


@pytest.mark.by_hand
def test_a_rate_is_all_events_over_all_exposure():
    # 2 events in 20 days and 1 in 70: 3 in 90, 1 per 30 days (the mean of the rates is 1.71)
    rate = estimate_rate(3, 90, n=2, per=30)
    assert (rate.value, rate.low, rate.high, rate.interval) == (1.0, None, None, "")
    assert (rate.events, rate.exposure_days, rate.n) == (3, 90, 2)


@pytest.mark.by_hand
def test_of_no_event_the_upper_limit_is_a_logarithm():
    # the mean at which no event has probability .025 is -ln .025 = 3.689
    rate = estimate_rate(0, 100, n=4, per=1, confidence=0.95)
    assert (rate.value, rate.low) == (0.0, 0.0)
    assert rate.high == pytest.approx(-math.log(0.025) / 100, rel=1e-12)


@pytest.mark.by_hand
@pytest.mark.parametrize(("events", "confidence"), [(1, 0.95), (3, 0.95), (10, 0.9), (40, 0.99)])
def test_the_limits_put_half_of_what_is_left_in_each_tail(events, confidence):
    rate = estimate_rate(events, 1, n=1, per=1, confidence=confidence)
    tail = (1 - confidence) / 2
    assert 1 - _at_most(events - 1, rate.low) == pytest.approx(tail, rel=1e-8)
    assert _at_most(events, rate.high) == pytest.approx(tail, rel=1e-8)


def test_without_exposure_there_is_no_rate_and_no_zero():
    rate = estimate_rate(0, 0, n=0, per=30, confidence=0.95)
    assert (rate.value, rate.low, rate.high) == (None, None, None)
    assert "no rate" in rate.note


def test_the_interval_says_what_it_ignores():
    assert "participants differ" in estimate_rate(1, 9, n=2, per=30, confidence=0.95).note


@pytest.mark.parametrize(
    ("events", "days", "per", "confidence"),
    [(-1, 9, 30, None), (1, -9, 30, None), (1, 9, 0, None), (1, 0, 30, None), (1, 9, 30, 95)],
)
def test_what_is_no_rate_is_refused(events, days, per, confidence):
    with pytest.raises(UsageError):
        estimate_rate(events, days, n=1, per=per, confidence=confidence)


@pytest.mark.reference
def test_two_rates_against_poisson_test():
    # R: poisson.test(c(11, 21), c(800, 3011))
    contrast = compare_rates({"a": (11, 800), "b": (21, 3011)}, confidence=0.95)
    e = contrast.estimate
    assert contrast.p_value == pytest.approx(0.0796686330333, abs=1e-12)
    assert e.value == pytest.approx(1.9714880952381, abs=1e-12)
    assert (e.low, e.high) == pytest.approx((0.858426403391639, 4.277265943654071), abs=1e-11)
    # R: poisson.test(c(3, 0), c(300, 250))
    none = compare_rates({"a": (3, 300), "b": (0, 250)}, confidence=0.95)
    assert none.p_value == pytest.approx(0.256198347107438, abs=1e-12)
    assert none.estimate.low == pytest.approx(0.344359462525745, abs=1e-12)
    assert (none.estimate.value, none.estimate.high) == (None, None)
    assert "no upper limit" in none.estimate.note


@pytest.mark.by_hand
def test_two_rates_by_hand():
    # 0 and 5 events over equal exposure: p is 2 / 2^5; the upper limit of a share is 1 - .025^(1/5)
    contrast = compare_rates({"a": (0, 100), "b": (5, 100)}, confidence=0.95)
    share = 1 - 0.025 ** (1 / 5)
    assert contrast.p_value == pytest.approx(1 / 16, rel=1e-12)
    assert (contrast.estimate.value, contrast.estimate.low) == (0, 0)
    assert contrast.estimate.high == pytest.approx(share / (1 - share), rel=1e-12)


def test_swapping_the_groups_inverts_the_ratio():
    one, two = (
        compare_rates(counts, confidence=0.9)
        for counts in ({"a": (4, 90), "b": (9, 70)}, {"b": (9, 70), "a": (4, 90)})
    )
    assert one.p_value == pytest.approx(two.p_value, rel=1e-12)
    assert one.estimate.low * two.estimate.high == pytest.approx(1, rel=1e-9)
    assert one.estimate.value * two.estimate.value == pytest.approx(1, rel=1e-12)


def test_no_events_at_all_have_no_ratio():
    contrast = compare_rates({"a": (0, 90), "b": (0, 70)}, confidence=0.9)
    assert (contrast.p_value, contrast.estimate.low) == (None, None)
    assert contrast.estimate.note == "not estimable: no events"


@pytest.mark.parametrize(
    "counts",
    [
        {"a": (1, 90)},
        {"a": (1, 0), "b": (1, 90)},
        {"a": (-1, 10), "b": (1, 90)},
        {"a": (1.5, 10), "b": (1, 90)},
        {"a": (1, float("inf")), "b": (1, 90)},
    ],
)
def test_impossible_rates_are_refused(counts):
    with pytest.raises(UsageError, match=r"two groups|exposure above 0"):
        compare_rates(counts, confidence=0.95)
