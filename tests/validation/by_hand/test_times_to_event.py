"""Times to an event worked out on paper."""

from math import exp, log, sqrt

import polars as pl
import pytest

from stromal.analysis import (
    compare_incidence,
    compare_survival,
    estimate_at,
    estimate_incidence,
    estimate_potential_follow_up,
    estimate_quantile,
    estimate_survival,
)
from stromal.endpoints.outcome import TimeToEvent

pytestmark = pytest.mark.by_hand

Z = 1.959963984540054
WORDS = {"E": "event", "C": "censored", "X": "competing"}


def outcomes(days, marks, **columns):
    """Make outcomes: E event, C censored, X competing."""
    return TimeToEvent(
        pl.DataFrame(
            {
                "participant_id": [f"P{i}" for i in range(len(days))],
                "day": days,
                "status": [WORDS[mark] for mark in marks],
                **{name: list(values) for name, values in columns.items()},
            }
        )
    )


# Failure-free survival of nine: E, C, E, E, E, E and three who remain.
# 9 at risk: 8/9. One censored. 7, 6, 5, 4 at risk: 8/9 * 6/7 * 5/6 * 4/5 * 3/4 = 8/9 * 3/7 = 8/21
NINE = ([10, 20, 30, 40, 50, 60, 1500, 1500, 1500], "ECEEEECCC")


def test_kaplan_meier_of_nine():
    curve = estimate_survival(outcomes(*NINE), interval="plain", confidence=0.95)
    (e,) = estimate_at(curve, (1461,))
    assert e.value == pytest.approx(8 / 21, rel=1e-14)
    # Greenwood: 1/(9*8) + 1/(7*6) + 1/(6*5) + 1/(5*4) + 1/(4*3)
    total = 1 / 72 + 1 / 42 + 1 / 30 + 1 / 20 + 1 / 12
    error = 8 / 21 * sqrt(total)
    assert e.standard_error == pytest.approx(error, rel=1e-14)
    assert f"{100 * e.value:.1f} +- {100 * e.standard_error:.1f}" == "38.1 +- 17.2"
    assert (e.low, e.high) == pytest.approx((8 / 21 - Z * error, 8 / 21 + Z * error), rel=1e-13)
    assert (e.n, e.events, e.at_risk) == (9, 5, 3)


def test_kaplan_meier_intervals_on_their_scales():
    s = 8 / 21
    error = s * sqrt(1 / 72 + 1 / 42 + 1 / 30 + 1 / 20 + 1 / 12)
    scales = {
        "log": (s * exp(-Z * error / s), s * exp(Z * error / s)),
        # theta = log(-log s), its error: error / (s |log s|); s = exp(-exp(theta))
        "log-log": (
            exp(-exp(log(-log(s)) + Z * error / (s * -log(s)))),
            exp(-exp(log(-log(s)) - Z * error / (s * -log(s)))),
        ),
        # logit: error / (s (1 - s))
        "logit": (
            1 / (1 + exp(-log(s / (1 - s)) + Z * error / (s * (1 - s)))),
            1 / (1 + exp(-log(s / (1 - s)) - Z * error / (s * (1 - s)))),
        ),
    }
    for interval, limits in scales.items():
        curve = estimate_survival(outcomes(*NINE), interval=interval, confidence=0.95)
        (e,) = estimate_at(curve, (1461,))
        assert (e.low, e.high) == pytest.approx(limits, rel=1e-12), interval


def test_who_is_censored_on_the_day_of_an_event_is_at_risk():
    # 4 at risk on day 5: 3/4. Then 2 at risk on day 7: 3/4 * 1/2
    curve = estimate_survival(outcomes([5, 5, 7, 9], "ECEC"), interval="plain", confidence=0.95)
    assert curve.frame["at_risk"].to_list() == [4, 2, 1]
    assert curve.frame["estimate"].to_list() == pytest.approx([0.75, 0.375, 0.375])


def test_median_in_the_middle_of_a_level_stretch():
    # 4 events on days 1, 2, 5, 8: survival is exactly 1/2 from day 2 to day 5
    curve = estimate_survival(outcomes([1, 2, 5, 8], "EEEE"), interval="log", confidence=0.95)
    assert estimate_quantile(curve, 0.5).value == 3.5
    # 3 events: 2/3, 1/3, 0: the median is day 2, the lower quartile day 1
    curve = estimate_survival(outcomes([1, 2, 5], "EEE"), interval="log", confidence=0.95)
    assert estimate_quantile(curve, 0.5).value == 2
    assert estimate_quantile(curve, 0.25).value == 1


def test_limits_of_a_median_are_where_the_limits_of_survival_cross():
    # plain limits at days 1, 2, 3, 4: S = .8, .6, .4, .2, 0; SE = sqrt(S (1 - S) / 5)
    # lower: .449, .171, ... : crosses .5 on day 1; upper: 1, 1, .829, .551, none: never
    curve = estimate_survival(outcomes([1, 2, 3, 4, 5], "EEEEE"), interval="plain", confidence=0.95)
    e = estimate_quantile(curve, 0.5)
    assert (e.low, e.value, e.high) == (1, 3, None)
    assert "no upper limit" in e.note


# Five participants: event 1, competing 2, event 3, censored 4, censored 5.
# S before: 1, 4/5, 3/5. F: 1/5, 1/5, 1/5 + 3/5 * 1/3 = 2/5.
FIVE = ([1, 2, 3, 4, 5], "EXECC")


def test_incidence_of_five():
    curve = estimate_incidence(
        outcomes(*FIVE), variance="greenwood", interval="linear", confidence=0.95
    )
    assert curve.frame["estimate"].to_list() == pytest.approx([0.2, 0.2, 0.4, 0.4, 0.4])
    assert curve.frame["event_free"].to_list() == pytest.approx([0.8, 0.6, 0.4, 0.4, 0.4])


def test_greenwood_variance_of_an_incidence_without_censoring_is_binomial():
    # up to day 3 nobody is censored: 2 of 5, variance 2/5 * 3/5 / 5 = 0.048
    curve = estimate_incidence(
        outcomes(*FIVE), variance="greenwood", interval="linear", confidence=0.95
    )
    (e,) = estimate_at(curve, (3,))
    assert e.standard_error**2 == pytest.approx(0.048, rel=1e-13)
    half = Z * sqrt(0.048)
    assert (e.low, e.high) == pytest.approx((max(0, 0.4 - half), 0.4 + half), rel=1e-13)


def test_cmprsk_variance_of_an_incidence():
    # Single events, so that each has variance 1; F(3) = .4. With w = 1 - (F(3) - F(u)) / S(u):
    # day 1, event:     (1/5)^2 (1 - .2/.8)^2      = .04 * .5625
    # day 2, competing: (.8/4)^2 (-(.2/.6))^2      = .04 / 9
    # day 3, event:     (.6/3)^2 * 1               = .04
    expected = 0.04 * (0.5625 + 1 / 9 + 1)
    curve = estimate_incidence(
        outcomes(*FIVE), variance="cmprsk", interval="linear", confidence=0.95
    )
    (e,) = estimate_at(curve, (3,))
    assert e.standard_error**2 == pytest.approx(expected, rel=1e-13)


def test_tied_events_in_cmprsk_variance():
    # 2 events and 1 competing event of 4 on day 1: F = 1/2, no later days matter.
    # variance (1/4)^2 * 2 (4 - 2) / (4 - 1) = 1/12
    both = {
        variance: estimate_at(
            estimate_incidence(
                outcomes([1, 1, 1, 2], "EEXC"), variance=variance, interval="linear", confidence=0.9
            ),
            (1,),
        )[0]
        for variance in ("cmprsk", "greenwood")
    }
    assert both["cmprsk"].standard_error ** 2 == pytest.approx(1 / 12, rel=1e-14)
    assert both["greenwood"].standard_error ** 2 == pytest.approx(0.25 / 4, rel=1e-14)
    assert "cmprsk" in both["cmprsk"].interval_text
    assert "jackknife" in both["greenwood"].interval_text


def test_incidence_on_the_log_log_scale():
    # F = .4, variance .048: log(-log F) +- z sqrt(.048) / (F |log F|)
    f, half = 0.4, Z * sqrt(0.048) / (0.4 * -log(0.4))
    curve = estimate_incidence(
        outcomes(*FIVE), variance="greenwood", interval="log-log", confidence=0.95
    )
    (e,) = estimate_at(curve, (3,))
    assert e.low == pytest.approx(exp(-exp(log(-log(f)) + half)), rel=1e-12)
    assert e.high == pytest.approx(exp(-exp(log(-log(f)) - half)), rel=1e-12)


def test_logrank_of_two_and_two():
    # A: events on days 1 and 3. B: event on day 2, censored on day 4.
    # day 1: 4 at risk, 2 in A: e 1/2, v 1/4. day 2: 3 at risk, 1 in A: e 1/3, v 2/9.
    # day 3: 2 at risk, 1 in A: e 1/2, v 1/4. E = 4/3, V = 13/18, O = 2.
    result = compare_survival(outcomes([1, 3, 2, 4], "EEEC", arm="AABB"))
    assert result.statistic == pytest.approx((2 / 3) ** 2 / (13 / 18), rel=1e-13)
    assert result.groups["expected"].to_list() == pytest.approx([4 / 3, 5 / 3])


def test_stratified_logrank_adds_strata():
    # two copies of the trial above as strata: difference and variance both double
    result = compare_survival(
        outcomes([1, 3, 2, 4] * 2, "EEEC" * 2, arm="AABB" * 2, site="11112222"), strata=("site",)
    )
    assert result.statistic == pytest.approx((4 / 3) ** 2 / (13 / 9), rel=1e-13)
    assert result.strata == ("site",)


def test_logrank_ties():
    # 2 events of 4 on day 1, both in A (2 of 4): e 1, v = 2 * 2/3 * 1/2 * 1/2 = 1/3
    result = compare_survival(outcomes([1, 1, 5, 5], "EECC", arm="AABB"))
    assert result.statistic == pytest.approx(1 / (1 / 3), rel=1e-13)


def test_gray_of_two_and_two():
    # A: event 1, competing 3. B: competing 2, event 4. Before day 1: S = 1, h_A = h_B = 2.
    # Day 1 (event in A): expected in A 1/2. F0 = 1/4. S_A = 1/2, F_A = 1/2.
    # Day 2: competing in B, S_B = 1/2. Day 3: competing in A, which is then empty.
    # Day 4: event in B, A has nobody at risk: expected in B 1, nothing varies.
    # O - E in A: 1/2.
    # Variance, pull p = h_A (1 - h_A / h) = 2 * 1/2 = 1 with each group:
    # day 1, in r: S_r d / (h Y_r) = 1 / (4 * 2) = 1/8, twice 1/8 * 1^2 = 1/4.
    # C does not grow again while both groups are at risk, so nothing follows from day 1 to 3.
    result = compare_incidence(outcomes([1, 3, 2, 4], "EXXE", arm="AABB"))
    assert result.groups["expected"].to_list() == pytest.approx([0.5, 1.5])
    assert result.statistic == pytest.approx(0.25 / 0.25, rel=1e-13)
    assert result.df == 1


def test_gray_keeps_those_with_a_competing_event_in_the_denominator():
    # A: competing 1, event 3. B: event 2, event 4, all observed.
    # Day 2: Y_A = 1, S_A = 1/2, F_A = 0: R_A = 1 / (1/2) = 2; Y_B = 2, S_B = 1: R_B = 2.
    #   expected in A 1/2. Day 3: R_A = 2; B: Y 1, S 1/2, F 1/2: R_B = 1; expected in A 2/3.
    # Day 4: A has nobody under observation: all expected in B.
    result = compare_incidence(outcomes([1, 3, 2, 4], "XEEE", arm="AABB"))
    assert result.groups["expected"].to_list() == pytest.approx([7 / 6, 11 / 6])


def test_reverse_kaplan_meier():
    # censored on days 2, 6, 8; an event on day 4 leaves the set at risk.
    # 4 at risk: 3/4; after day 4: 2 at risk on day 6: 3/8. Median potential follow-up: day 6.
    e = estimate_potential_follow_up(
        outcomes([2, 4, 6, 8], "CECC"), interval="log", confidence=0.95
    )
    assert e.value == 6
    assert e.method == "reverse Kaplan-Meier"
