import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stromal.analysis.cox import fit_cox
from stromal.analysis.landmark import take_landmark
from stromal.analysis.time_dependent import check_immortal_time, split_at_exposure
from stromal.core import UsageError


def periods(outcomes):
    frame = split_at_exposure(outcomes, exposure_day="infused").frame
    return frame.select("participant_id", "start", "stop", "status", "exposed").rows()


@pytest.mark.by_hand
def test_the_time_before_the_exposure_is_unexposed(make_outcomes):
    outcomes = make_outcomes([40, 90, 80], "EXC", infused=[10, None, 0])
    assert periods(outcomes) == [
        ("P0", 0, 10, "censored", 0),
        ("P0", 10, 40, "event", 1),
        ("P1", 0, 90, "competing", 0),
        ("P2", 0, 80, "censored", 1),
    ]


def test_an_event_on_the_day_of_the_exposure_is_unexposed(make_outcomes):
    outcomes = make_outcomes([10, 10, 9], "EEE", infused=[10, 9, 20])
    assert periods(outcomes) == [
        ("P0", 0, 10, "event", 0),
        ("P1", 0, 9, "censored", 0),
        ("P1", 9, 10, "event", 1),
        ("P2", 0, 9, "event", 0),
    ]


def test_an_exposure_up_to_the_entry_exposes_the_whole_time(make_outcomes):
    outcomes = make_outcomes([40, 40, 40], "EEE", infused=[5, 6, -3], entry=[5.0, 5.0, 0.0])
    assert periods(outcomes) == [
        ("P0", 5, 40, "event", 1),
        ("P1", 5, 6, "censored", 0),
        ("P1", 6, 40, "event", 1),
        ("P2", 0, 40, "event", 1),
    ]


def test_columns_stay_and_a_cause_belongs_to_the_last_period(make_outcomes):
    outcomes = make_outcomes([40], "X", infused=[10], age=[33], cause=["death"])
    frame = split_at_exposure(outcomes, exposure_day="infused").frame
    assert frame["age"].to_list() == [33, 33]
    assert frame["cause"].to_list() == [None, "death"]
    assert "day" not in frame.columns


def test_a_time_without_a_day_has_no_period(make_outcomes):
    with pytest.raises(UsageError, match="1 participants, such as P1, have day 0"):
        split_at_exposure(make_outcomes([3, 0], "EE", infused=[1, None]), exposure_day="infused")
    with pytest.raises(UsageError, match="infinite"):
        split_at_exposure(make_outcomes([3], "E", infused=[math.inf]), exposure_day="infused")


@settings(max_examples=50, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(1, 20), st.one_of(st.none(), st.integers(-2, 30))),
        min_size=1,
        max_size=12,
    )
)
def test_no_day_is_lost_and_no_event_is_counted_twice(make_outcomes, rows):
    outcomes = make_outcomes(
        [day for day, _ in rows], "E" * len(rows), infused=[exposure for _, exposure in rows]
    )
    frame = split_at_exposure(outcomes, exposure_day="infused").frame
    assert (frame["stop"] - frame["start"]).sum() == sum(day for day, _ in rows)
    assert (frame["status"] == "event").sum() == len(rows)
    exposed = frame.filter(exposed=1)
    after = sum(max(0, day - max(0, e)) for day, e in rows if e is not None)
    assert (exposed["stop"] - exposed["start"]).sum() == after


def test_an_exposure_without_effect_shows_none(make_outcomes):
    # Everybody's hazard is the same and infusion is drawn apart from it; only who lives is infused.
    days = [1 + (i * 37) % 101 for i in range(400)]
    drawn = [5 + (i * 53) % 97 for i in range(400)]
    infused = [d if d < day else None for d, day in zip(drawn, days, strict=True)]
    outcomes = make_outcomes(
        days, "E" * 400, infused=infused, ever=[d is not None for d in infused]
    )
    naive = fit_cox(outcomes, covariates=["ever"], ties="efron", confidence=0.95)
    split = split_at_exposure(outcomes, exposure_day="infused")
    right = fit_cox(split, covariates=["exposed"], ties="efron", confidence=0.95)
    landmark = take_landmark(outcomes, day=30, exposure_day="infused")
    third = fit_cox(landmark, covariates=["exposed"], ties="efron", confidence=0.95)
    assert naive.coefficients["high"][0] < 0.6  # immortal time: a benefit that is none
    for model in (right, third):
        row = model.coefficients.row(0, named=True)
        assert row["low"] < 1 < row["high"]
    with pytest.raises(UsageError, match="immortal time"):
        check_immortal_time(outcomes, by="ever", exposure_day="infused")


def test_immortal_time_is_refused_with_the_explanation(make_outcomes):
    outcomes = make_outcomes(
        [40, 90, 80], "EEC", arm=["msc", "none", "msc"], infused=[10, None, 35]
    )
    with pytest.raises(UsageError) as refused:
        check_immortal_time(outcomes, by="arm", exposure_day="infused")
    text = str(refused.value)
    for part in (
        "2 of 3 participants (msc)",
        "on days 10 to 35",
        "could not have had the event",
        "take_landmark",
        "split_at_exposure",
    ):
        assert part in text


@pytest.mark.parametrize(
    ("infused", "entry"), [([0, None], None), ([-5, 0], None), ([10, None], [10.0, 0.0])]
)
def test_an_exposure_at_the_anchor_is_no_harm(make_outcomes, infused, entry):
    columns = {"entry": entry} if entry else {}
    outcomes = make_outcomes([40, 90], "EE", arm=["a", "b"], infused=infused, **columns)
    check_immortal_time(outcomes, by="arm", exposure_day="infused")


def test_columns_that_are_not_there(make_outcomes):
    outcomes = make_outcomes([40, 90], "EE", infused=[1, 2])
    with pytest.raises(UsageError, match="no column 'arm'"):
        check_immortal_time(outcomes, by="arm", exposure_day="infused")
    with pytest.raises(UsageError, match="no column 'given'"):
        check_immortal_time(outcomes, by="infused", exposure_day="given")
