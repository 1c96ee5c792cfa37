import pytest

from stromal.analysis import (
    estimate_potential_follow_up,
    summarize_follow_up,
    summarize_values,
)
from stromal.core import UsageError


@pytest.mark.by_hand
def test_quartiles_interpolate():
    # 4 values: places 1.75 and 3.25: 1 + .75 * (2 - 1) = 1.75 and 4 + .25 * (10 - 4) = 5.5
    s = summarize_values([10, 1, 4, 2])
    assert (s.lower_quartile, s.median, s.upper_quartile) == (1.75, 3, 5.5)
    assert (s.n, s.missing, s.low, s.high) == (4, 0, 1, 10)


def test_missing_values_are_counted_and_left_out():
    s = summarize_values([None, 3.5, None])
    assert (s.n, s.missing, s.median, s.lower_quartile) == (1, 2, 3.5, 3.5)


@pytest.mark.parametrize("values", [[], [None, None]])
def test_nothing_to_summarise(values):
    s = summarize_values(values)
    assert (s.n, s.missing) == (0, len(values))
    assert (s.median, s.low, s.high, s.lower_quartile, s.upper_quartile) == (None,) * 5


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_what_is_no_number_is_refused(value):
    with pytest.raises(UsageError, match="missing one is None"):
        summarize_values([1.0, value])


def test_observed_and_potential_follow_up_differ(make_outcomes):
    # an early death shortens the observed follow-up and not the potential one
    outcomes = make_outcomes([1, 2, 600, 700, 800], "EXCCC")
    observed = summarize_follow_up(outcomes)
    assert (observed.median, observed.low, observed.high) == (600, 1, 800)
    assert observed.method == "observed follow-up among all participants"
    potential = estimate_potential_follow_up(outcomes, interval="log-log", confidence=0.95)
    assert potential.value == 700
    assert potential.method == "reverse Kaplan-Meier"


def test_potential_follow_up_when_nobody_was_censored(make_outcomes):
    e = estimate_potential_follow_up(make_outcomes([1, 2], "EE"), interval="log", confidence=0.95)
    assert e.value is None
    assert "not reached" in e.note
