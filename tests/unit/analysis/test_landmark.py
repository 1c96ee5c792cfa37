import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stromal.analysis.landmark import take_landmark
from stromal.core import UsageError


@pytest.fixture
def outcomes(make_outcomes):
    # Infused on day 10 before the event, on the landmark, after it, never, on day 0.
    return make_outcomes(
        [40, 90, 80, 30, 60, 20, 31], "ECXEEEC", infused=[10, 30, 45, None, 0, 5, None]
    )


@pytest.mark.by_hand
def test_who_is_at_risk_and_who_is_exposed(outcomes):
    taken = take_landmark(outcomes, day=30, exposure_day="infused")
    # P3 has the event on the landmark day itself, P5 before it: neither is followed from it.
    assert taken.frame["participant_id"].to_list() == ["P0", "P1", "P2", "P4", "P6"]
    assert taken.frame["exposed"].to_list() == [True, True, False, True, False]
    assert taken.frame["day"].to_list() == [10, 60, 50, 30, 1]
    assert taken.frame["status"].to_list() == [
        "event",
        "censored",
        "competing",
        "event",
        "censored",
    ]
    assert (taken.left_out, taken.landmark) == (2, 30)
    assert taken.note == (
        "landmark on day 30: 2 of 7 participants left out, who were not at risk on it; "
        "3 of 5 exposed by then"
    )


def test_day_zero_is_a_landmark(outcomes):
    taken = take_landmark(outcomes, day=0, exposure_day="infused")
    assert taken.left_out == 0
    assert taken.frame["exposed"].sum() == 1


def test_who_enters_later_is_left_out(make_outcomes):
    outcomes = make_outcomes([40, 90, 80], "ECE", infused=[10, None, None], entry=[0.0, 30.0, 31.0])
    taken = take_landmark(outcomes, day=30, exposure_day="infused")
    assert taken.frame["participant_id"].to_list() == ["P0", "P1"]
    assert "entry" not in taken.frame.columns
    assert taken.left_out == 1


def test_nobody_exposed(make_outcomes):
    taken = take_landmark(make_outcomes([5, 6], "EC", x=[None, None]), day=1, exposure_day="x")
    assert taken.frame["exposed"].to_list() == [False, False]


@pytest.mark.parametrize(
    ("day", "column", "message"),
    [
        (-1, "x", "from the anchor on"),
        (math.inf, "x", "from the anchor on"),
        (math.nan, "x", "from the anchor on"),
        (6, "x", "nobody is at risk after day 6"),
        (1, "z", "no column 'z'"),
        (1, "word", "missing for who was never exposed"),
        (1, "far", "is infinite"),
    ],
)
def test_what_is_refused(make_outcomes, day, column, message):
    outcomes = make_outcomes([5, 6], "EC", x=[1, 2], word=["a", "b"], far=[1.0, math.inf])
    with pytest.raises(UsageError, match=message):
        take_landmark(outcomes, day=day, exposure_day=column)


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 20), st.integers(0, 30)), min_size=1, max_size=12),
    st.integers(0, 19),
)
def test_nobodys_group_depends_on_what_comes_later(make_outcomes, rows, landmark):
    days = [*(day for day, _ in rows), 25]
    exposures = [*(exposure for _, exposure in rows), None]
    later = [e if e is None or e <= landmark else e + 100 for e in exposures]
    first = make_outcomes(days, "E" * len(days), x=exposures)
    second = make_outcomes(days, "E" * len(days), x=later)
    one, two = (take_landmark(o, day=landmark, exposure_day="x") for o in (first, second))
    assert one.frame.drop("x").equals(two.frame.drop("x"))
    assert (one.frame["day"] > 0).all()
