import math

import pytest

from stromal.analysis.fixed_time import compare_at_day
from stromal.analysis.restricted_mean import compare_restricted_means, estimate_restricted_mean
from stromal.core import UsageError

SCALES = ("plain", "log", "log-log", "arcsine", "logit")


def mean_of(outcomes, until):
    return estimate_restricted_mean(outcomes, until=until, confidence=0.95)


@pytest.mark.by_hand
def test_area_and_variance_of_four(make_outcomes):
    # curve 1 to day 2, 3/4 to day 4 (one censored on 3), 3/8 to day 6
    e = mean_of(make_outcomes([2, 3, 4, 6], "ECEC"), 6)
    assert e.value == pytest.approx(2 + 2 * 3 / 4 + 2 * 3 / 8)
    # areas after days 2 and 4: 2.25 and 0.75; Greenwood's terms 1/(4*3) and 1/(2*1)
    assert e.standard_error == pytest.approx(math.sqrt(2.25**2 / 12 + 0.75**2 / 2))
    assert e.high == pytest.approx(4.25 + 1.959964 * e.standard_error)
    assert e.day == 6


@pytest.mark.by_hand
def test_without_censoring_it_is_the_mean_of_the_times(make_outcomes):
    e = mean_of(make_outcomes([1, 2, 6], "EEE"), 10)
    assert e.value == pytest.approx(3)
    # the population variance over n: ((1-3)^2 + (2-3)^2 + (6-3)^2) / 9
    assert e.standard_error == pytest.approx(math.sqrt(14 / 9))


def test_a_curve_that_ends_early_is_not_drawn_on(make_outcomes):
    e = mean_of(make_outcomes([2, 5], "EC"), 6)
    assert (e.value, e.standard_error, e.low, e.high) == (None,) * 4
    assert "the curve ends on day 5, before day 6" in e.note
    assert mean_of(make_outcomes([2, 6], "EC"), 6).value == pytest.approx(4)


def test_nobody_and_nothing(make_outcomes):
    assert mean_of(make_outcomes([], ""), 6).value is None
    e = mean_of(make_outcomes([9, 9], "CC"), 6)
    assert (e.value, e.standard_error) == (6, 0)
    assert "no width" in e.note
    assert mean_of(make_outcomes([0, 0], "EE"), 6).value == 0


@pytest.mark.parametrize("until", [0, -1, math.inf, math.nan])
def test_until_is_a_day(make_outcomes, until):
    with pytest.raises(UsageError, match="positive"):
        mean_of(make_outcomes([1], "E"), until)


def test_what_it_cannot_take(make_outcomes):
    with pytest.raises(UsageError, match="competing"):
        mean_of(make_outcomes([1, 2], "EX"), 2)
    with pytest.raises(UsageError, match="weights"):
        mean_of(make_outcomes([1, 2], "EE", case_weight=[1.0, 2.0]), 2)


@pytest.mark.by_hand
def test_difference_and_ratio(make_outcomes):
    both = make_outcomes([1, 2, 6, 2, 4, 9], "EEEEEE", arm=["a"] * 3 + ["b"] * 3)
    difference, ratio = compare_restricted_means(both, until=20, confidence=0.95)
    assert (difference.first, difference.second) == ("b", "a")
    assert difference.estimate.value == pytest.approx(5 - 3)
    assert difference.estimate.standard_error == pytest.approx(math.sqrt(14 / 9 + 26 / 9))
    assert ratio.estimate.value == pytest.approx(5 / 3)
    assert ratio.estimate.standard_error == pytest.approx(math.sqrt(14 / 81 + 26 / 225))
    turned, other = compare_restricted_means(both, until=20, confidence=0.95, reference="b")
    assert turned.estimate.value == pytest.approx(-2)
    assert turned.p_value == pytest.approx(difference.p_value)
    assert other.estimate.low == pytest.approx(1 / ratio.estimate.high)


def test_contrasts_that_cannot_be_made_say_why(make_outcomes):
    both = make_outcomes([1, 5, 2, 9], "ECEC", arm=["a", "a", "b", "b"])
    for contrast in compare_restricted_means(both, until=8, confidence=0.95):
        assert (contrast.estimate.value, contrast.p_value) == (None, None)
        assert "ends on day 5" in contrast.estimate.note
    still = make_outcomes([9, 9], "CC", arm=["a", "b"])
    difference, _ = compare_restricted_means(still, until=8, confidence=0.95)
    assert (difference.estimate.value, difference.p_value) == (0, None)
    at_once = make_outcomes([0, 0], "EE", arm=["a", "b"])
    assert (
        "a mean is 0"
        in compare_restricted_means(at_once, until=8, confidence=0.95)[1].estimate.note
    )


def test_groups_to_compare(make_outcomes):
    one = make_outcomes([1, 2], "EE", arm=["a", "a"])
    with pytest.raises(UsageError, match="two or more"):
        compare_restricted_means(one, until=2, confidence=0.95)
    two = make_outcomes([1, 2], "EE", arm=["a", "b"])
    with pytest.raises(UsageError, match=r"reference \(c\)"):
        compare_restricted_means(two, until=2, confidence=0.95, reference="c")


@pytest.mark.by_hand
def test_survival_on_a_day_by_its_squared_difference(make_outcomes):
    both = make_outcomes([1, 2, 6, 7, 3, 8, 9, 9], "EEEEEEEE", arm=["a"] * 4 + ["b"] * 4)
    result = compare_at_day(both, day=5, scale="plain")  # 1/2 against 3/4, p (1 - p) / n
    assert result.statistic == pytest.approx(0.0625 / (0.25 / 4 + 0.1875 / 4))
    logs = compare_at_day(both, day=5, scale="log")
    assert logs.statistic == pytest.approx(math.log(1.5) ** 2 / (1 / 4 + (1 / 3) / 4))


@pytest.mark.parametrize("scale", SCALES)
def test_three_groups_have_two_degrees_of_freedom(make_outcomes, scale):
    arms = ["a"] * 4 + ["b"] * 4 + ["c"] * 4
    days = [1, 2, 6, 7, 3, 8, 9, 9, 4, 5, 6, 10]
    result = compare_at_day(make_outcomes(days, "E" * 12, arm=arms), day=5, scale=scale)
    assert result.df == 2
    assert 0 < result.p_value < 1
    alike = make_outcomes(days[:4] * 3, "E" * 12, arm=arms)
    assert compare_at_day(alike, day=5, scale=scale).statistic == pytest.approx(0, abs=1e-20)


def test_a_day_that_says_nothing(make_outcomes):
    both = make_outcomes([1, 2, 6, 7], "EEEE", arm=["a", "a", "b", "b"])
    assert "in a survival is 0" in compare_at_day(both, day=5, scale="log").note
    assert "without a variance" in compare_at_day(both, day=0.5, scale="log").note
    ended = make_outcomes([1, 2, 6, 7], "ECEC", arm=["a", "a", "b", "b"])
    assert "last observation is on day 2" in compare_at_day(ended, day=6.5, scale="log").note
    with pytest.raises(UsageError, match="scale"):
        compare_at_day(both, day=1, scale="probit")
    alone = make_outcomes([1, 2], "EE", arm=["a", "a"])
    assert "1 group" in compare_at_day(alone, day=1, scale="log").note
