import math

import pytest

from stromal.analysis.rates import estimate_rate
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
