import pytest

from stromal.analysis import (
    citations,
    count_at_risk,
    estimate_at,
    estimate_incidence,
    estimate_quantile,
    estimate_survival,
)
from stromal.core import UsageError

INTERVALS = ("plain", "log", "log-log", "logit", "arcsine")


def curve_of(outcomes, interval="log-log"):
    return estimate_survival(outcomes, interval=interval, confidence=0.95)


def test_competing_events_are_refused_with_the_remedy(make_outcomes):
    with pytest.raises(UsageError, match=r"1 competing events.*cumulative incidence"):
        curve_of(make_outcomes([1, 2], "EX"))


def test_after_the_last_observation_nothing_is_estimable(make_outcomes):
    curve = curve_of(make_outcomes([10, 20, 30], "ECC"))
    on, after = estimate_at(curve, (30, 30.5))
    assert on.value == pytest.approx(2 / 3)
    assert (after.value, after.standard_error, after.low, after.high) == (None,) * 4
    assert "last observation is on day 30" in after.note
    assert after.at_risk == 0


@pytest.mark.parametrize("interval", INTERVALS)
def test_a_curve_that_ended_at_zero_stays_there(make_outcomes, interval):
    (e,) = estimate_at(curve_of(make_outcomes([10, 20], "EE"), interval), (1000,))
    assert (e.value, e.standard_error, e.low, e.high) == (0.0, None, None, None)
    assert "everybody at risk" in e.note


@pytest.mark.parametrize(
    ("interval", "limits"),
    [
        ("plain", (1, 1)),
        ("log", (1, 1)),
        ("log-log", (1, 1)),
        ("logit", (1, 1)),
        ("arcsine", (None, None)),
    ],
)
def test_before_the_first_event(make_outcomes, interval, limits):
    curve = curve_of(make_outcomes([5, 20, 30], "CEC"), interval)
    for e in estimate_at(curve, (0, 4, 5, 19)):
        assert (e.value, e.standard_error, (e.low, e.high)) == (1.0, 0.0, limits)
        assert "no event yet" in e.note


def test_nobody(make_outcomes):
    curve = curve_of(make_outcomes([], ""))
    assert (curve.n, curve.events, curve.last_day, curve.frame.height) == (0, 0, None, 0)
    (e,) = estimate_at(curve, (10,))
    assert (e.value, e.at_risk) == (None, 0)
    assert "no participants" in e.note
    median = estimate_quantile(curve, 0.5)
    assert (median.value, median.note) == (None, "not estimable: no participants")


def test_one_participant(make_outcomes):
    died = curve_of(make_outcomes([7], "E"))
    assert estimate_quantile(died, 0.5).value == 7
    assert estimate_at(died, (7,))[0].value == 0
    alive = curve_of(make_outcomes([7], "C"))
    assert estimate_at(alive, (7,))[0].value == 1
    median = estimate_quantile(alive, 0.5)
    assert median.value is None
    assert "survival is 1 at the last observation, day 7" in median.note


def test_an_event_on_day_zero(make_outcomes):
    (e,) = estimate_at(curve_of(make_outcomes([0, 5], "EC")), (0,))
    assert (e.value, e.at_risk) == (0.5, 2)


def test_days_that_differ_in_the_last_digit_are_one_day(make_outcomes):
    curve = curve_of(make_outcomes([0.1 + 0.2, 0.3, 5.5], "ECC"))
    assert curve.frame["at_risk"].to_list() == [3, 1]
    assert estimate_at(curve, (0.3,))[0].value == pytest.approx(2 / 3)
    assert count_at_risk(curve, (0.3,)) == (3,)


def test_numbers_at_risk_count_those_of_the_day_itself(make_outcomes):
    curve = curve_of(make_outcomes([10, 20, 20, 30], "ECEC"))
    assert count_at_risk(curve, (0, 10, 10.5, 20, 25, 30, 31)) == (4, 4, 3, 3, 1, 1, 0)


def test_a_level_end_at_the_median_runs_to_the_last_observation(make_outcomes):
    curve = curve_of(make_outcomes([1, 2, 9, 9], "EECC"))
    assert estimate_quantile(curve, 0.5).value == 5.5


@pytest.mark.parametrize("days", [(-1,), (5, float("nan"))])
def test_days_before_the_anchor_are_refused(make_outcomes, days):
    with pytest.raises(UsageError, match="0 or later"):
        estimate_at(curve_of(make_outcomes([1, 2], "EC")), days)


@pytest.mark.parametrize("probability", [0, 1, 50])
def test_a_quantile_needs_a_probability(make_outcomes, probability):
    with pytest.raises(UsageError, match=r"between 0 and 1"):
        estimate_quantile(curve_of(make_outcomes([1, 2], "EC")), probability)


def test_a_quantile_is_not_read_from_an_incidence(make_outcomes):
    curve = estimate_incidence(
        make_outcomes([1, 2], "EX"), variance="cmprsk", interval="linear", confidence=0.95
    )
    with pytest.raises(UsageError, match="not from an incidence"):
        estimate_quantile(curve, 0.5)


def test_an_interval_of_another_method_is_refused(make_outcomes):
    with pytest.raises(UsageError, match="plain, log, log-log"):
        curve_of(make_outcomes([1, 2], "EC"), "linear")


def test_a_day_that_is_no_number_is_refused(make_outcomes):
    with pytest.raises(UsageError, match="finite"):
        curve_of(make_outcomes([1.0, float("inf")], "EC"))


def test_results_name_their_methods(make_outcomes):
    curve = curve_of(make_outcomes([1, 2, 3], "ECE"))
    (e,) = estimate_at(curve, (2,))
    assert e.interval_text == "95 % interval, log-log, Greenwood variance"
    assert [s.text.split(" (")[0] for s in citations(e)] == [
        "Kaplan EL, Meier P",
        "Greenwood M",
        "Borgan O, Liestol K",
    ]
    median = estimate_quantile(curve, 0.5)
    assert median.interval_text == (
        "95 % interval, Brookmeyer-Crowley, log-log, Greenwood variance"
    )
    assert any("Brookmeyer" in source.text for source in citations(median))
