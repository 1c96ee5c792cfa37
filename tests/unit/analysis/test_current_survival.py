import math

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stromal.analysis.current_survival import (
    CurrentStates,
    band_current_survival,
    compare_current_curves,
    compare_current_survival,
    compare_current_time,
    estimate_current_survival,
)
from stromal.analysis.estimate import estimate_at
from stromal.analysis.kaplan_meier import estimate_survival
from stromal.analysis.multistate import estimate_occupation
from stromal.core import UsageError
from stromal.endpoints.outcome import StateHistory, TimeToEvent

STATES = CurrentStates(free=("well",), active=("gvhd",), failed=("dead",))

FIVE = [
    ("A", 0, 3, "gvhd"), ("A", 3, 6, "well"), ("A", 6, 10, None),
    ("B", 0, 4, "dead"),
    ("C", 0, 3, "gvhd"), ("C", 3, 5, "dead"),
    ("D", 0, 5, None),
    ("E", 0, 7, "gvhd"), ("E", 7, 9, "well"), ("E", 9, 12, None),
]  # fmt: skip


def history_of(rows, **columns):
    frame = pl.DataFrame(
        {
            "participant_id": [str(row[0]) for row in rows],
            "start": [float(row[1]) for row in rows],
            "stop": [float(row[2]) for row in rows],
            "entered": [row[3] for row in rows],
            "state": [row[4] if len(row) > 4 else "well" for row in rows],
            **columns,
        },
        schema_overrides={"entered": pl.String},
    )
    return StateHistory(frame)


def curve_of(history, states=STATES):
    return estimate_current_survival(history, states=states, confidence=0.95)


@pytest.mark.by_hand
def test_five_participants_by_hand():
    curve = curve_of(history_of(FIVE))
    frame = curve.frame
    assert frame["day"].to_list() == [0, 3, 4, 5, 6, 7, 9, 10, 12]
    # S1, first change or death: days 3 (2 of 5), 4 (1 of 3), censored 5, day 7 (1 of 1):
    #   3/5, 2/5, 2/5, 0
    # S2, second change or death: 4 (1 of 5), 5 (C, 1 of 4; D censored), 6 (A, 1 of 2),
    #   9 (E, 1 of 1): 4/5, 3/5, 3/10, 0
    # S3, failure: 4 (1 of 5), 5 (1 of 4): 4/5, 3/5
    expected = {0: 1, 3: 3 / 5, 4: 2 / 5, 5: 2 / 5, 6: 2 / 5 + 3 / 5 - 3 / 10, 7: 3 / 10, 9: 3 / 5}
    for day, value in expected.items():
        (e,) = estimate_at(curve, (day,))
        assert e.value == pytest.approx(value), day
    counts = frame.filter(pl.col("day") == 5).row(0, named=True)
    assert (counts["at_risk"], counts["competing"], counts["censored"]) == (4, 1, 1)
    assert curve.events == 7  # five changes and two failures


def times_to(rows, number):
    """The k-th times, written out: the k-th row's end for who has it, else the last."""
    people = {}
    for row in rows:
        people.setdefault(row[0], []).append(row)
    ends = [(p[number - 1] if len(p) >= number else p[-1]) for p in people.values()]
    return TimeToEvent(
        pl.DataFrame(
            {
                "participant_id": list(map(str, people)),
                "day": [float(row[2]) for row in ends],
                "status": ["censored" if row[3] is None else "event" for row in ends],
            }
        )
    )


@pytest.fixture(scope="module")
def simulated():
    """A hundred who come and go, some censored."""
    rng = np.random.default_rng(21)
    rows = []
    for i in range(100):
        state, day, end = "well", 0, int(rng.integers(60, 300))
        pace = rng.exponential(1.0) + 0.3  # how often depends on the person: not Markov
        while True:
            later = day + 1 + int(rng.exponential(50 * pace))
            if later >= end:
                rows.append((i, day, end, None))
                break
            after = "dead" if rng.random() < 0.15 else ("well" if state == "gvhd" else "gvhd")
            rows.append((i, day, later, after))
            if after == "dead":
                break
            state, day = after, later
    return rows


def test_it_is_the_linear_combination_of_kaplan_meier_curves(simulated):
    curve = curve_of(history_of(simulated))
    most = max(sum(row[0] == i for row in simulated) for i in range(100))
    pieces = [
        estimate_survival(times_to(simulated, k), interval="plain", confidence=0.95)
        for k in range(1, most + 2 - most % 2)
    ]
    days = (10, 50, 90, 120, 200)
    read = [[e.value for e in estimate_at(piece, days)] for piece in pieces]
    for j, e in enumerate(estimate_at(curve, days)):
        total = sum((-1) ** k * piece[j] for k, piece in enumerate(read))
        assert e.value == pytest.approx(total, abs=1e-12)


def test_the_first_piece_alone_has_greenwoods_error():
    rows = [(i, 0, day, end) for i, (day, end) in enumerate(
        [(3, "gvhd"), (4, "dead"), (5, None), (6, "gvhd"), (6, None), (9, "dead"), (11, None)]
    )]  # fmt: skip
    one = curve_of(history_of(rows))
    other = estimate_survival(times_to(rows, 1), interval="plain", confidence=0.95)
    for a, b in zip(estimate_at(one, (3, 5, 6, 9)), estimate_at(other, (3, 5, 6, 9)), strict=True):
        assert (a.value, a.standard_error) == pytest.approx((b.value, b.standard_error))
        assert (a.low, a.high) == pytest.approx((b.low, b.high))


def test_errors_agree_with_leaving_out_each_participant(simulated):
    curve = curve_of(history_of(simulated))
    days = (50, 90, 120)
    left = np.array(
        [
            [e.value for e in estimate_at(curve_of(history_of(rest)), days)]
            for rest in ([row for row in simulated if row[0] != i] for i in range(100))
        ]
    )
    jackknife = np.sqrt(99 / 100 * ((left - left.mean(axis=0)) ** 2).sum(axis=0))
    errors = [e.standard_error for e in estimate_at(curve, days)]
    assert errors == pytest.approx(jackknife, rel=0.04)


def test_it_agrees_with_state_occupation_within_its_error(simulated):
    history = history_of(simulated)
    occupation = estimate_occupation(history, interval="plain", confidence=0.95)["well"]
    days = (50, 90, 120, 150)
    pairs = zip(estimate_at(curve_of(history), days), estimate_at(occupation, days), strict=True)
    for a, b in pairs:
        assert a.value != b.value
        assert abs(a.value - b.value) < b.standard_error
        assert a.standard_error == pytest.approx(b.standard_error, rel=0.15)


def test_with_censoring_it_finds_the_proportion_of_the_uncensored():
    """A process with memory of three kinds of people: both estimators are right without Markov."""
    rng = np.random.default_rng(77)
    rows, free = [], []
    for i in range(1500):
        state, day, pace = "well", 0, (0.4, 1.0, 3.0)[i % 3]
        end, now, whole = int(rng.integers(40, 400)), "well", []
        while day < 400 and state != "dead":
            later = day + 1 + int(rng.exponential(60 * pace))
            after = "dead" if rng.random() < 0.2 else ("well" if state == "gvhd" else "gvhd")
            whole.append((i, day, later, after))
            now = after if later <= 150 else now
            state, day = after, later
        free.append(now == "well")
        for row in whole:
            if row[2] < end:
                rows.append(row)
            elif row[1] < end:
                rows.append((*row[:2], end, None))
    history = history_of(rows)
    (e,) = estimate_at(curve_of(history), (150,))
    occupation = estimate_occupation(history, interval="plain", confidence=0.95)["well"]
    (o,) = estimate_at(occupation, (150,))
    for found in (e, o):
        assert abs(found.value - np.mean(free)) < 3 * found.standard_error
        assert found.standard_error < 0.02


people = st.lists(
    st.tuples(st.lists(st.integers(1, 5), max_size=5), st.booleans()), min_size=1, max_size=12
)


@settings(max_examples=60, deadline=None)
@given(people)
def test_without_censoring_it_is_the_proportion_free_now(followed):
    rows = []
    for i, (lengths, dies) in enumerate(followed):
        day = 0
        for k, length in enumerate(lengths):
            rows.append((i, day, day + length, "well" if k % 2 else "gvhd"))
            day += length
        rows.append((i, day, 26, "dead") if dies else (i, day, 30, None))
    history = history_of(rows)
    curve = curve_of(history)
    occupation = estimate_occupation(history, interval="plain", confidence=0.95)["well"]
    for day in (3, 9, 25, 28):
        free = [
            (not dies or day < 26) and sum(np.cumsum(lengths) <= day) % 2 == 0
            for lengths, dies in followed
        ]
        share = sum(free) / len(free)
        (e,), (o,) = estimate_at(curve, (day,)), estimate_at(occupation, (day,))
        if e.value is None:  # nobody left, and not everybody failed: cannot be, all reach day 30
            assert not all(dies for _, dies in followed)
            continue
        assert e.value == pytest.approx(share, abs=1e-12)
        assert e.value == pytest.approx(o.value, abs=1e-12)
        assert e.standard_error == pytest.approx(
            math.sqrt(share * (1 - share) / len(free)), abs=1e-9
        )


def test_days_that_differ_in_the_last_digit_are_one():
    rows = [("A", 0, 0.3, "dead"), ("B", 0, 0.1 + 0.2, "dead"), ("C", 0, 2, None)]
    frame = curve_of(history_of(rows)).frame
    assert frame["day"].to_list() == [0, 0.3, 2]
    assert frame["estimate"].to_list() == pytest.approx([1, 1 / 3, 1 / 3])


def test_it_ends_where_nobody_is_left_who_was_never_active():
    rows = [("A", 0, 5, None), ("B", 0, 3, "gvhd"), ("B", 3, 6, "well"), ("B", 6, 20, None)]
    curve = curve_of(history_of(rows))
    assert curve.last_day == 5
    on, after = estimate_at(curve, (5, 6))
    assert on.value == 0.5
    assert after.value is None
    assert "last observation is on day 5" in after.note


def test_who_begins_active_is_not_free_on_day_0():
    rows = [
        ("A", 0, 5, "well", "gvhd"),
        ("A", 5, 9, None, "gvhd"),
        ("B", 0, 9, None),
        ("C", 0, 9, None),
    ]
    read = estimate_at(curve_of(history_of(rows)), (0, 4, 5))
    assert [e.value for e in read] == pytest.approx([2 / 3, 2 / 3, 1])


def test_a_band_holds_the_curve_wider_than_the_points(simulated):
    history = history_of(simulated)
    more = {"states": STATES, "first": 30, "last": 200, "confidence": 0.95, "draws": 2000}
    band = band_current_survival(history, seed=5, **more)
    critical = band["critical_value"][0]
    assert 2.3 < critical < 3.5
    assert band["day"][0] == 30
    assert band["day"][-1] <= 200
    frame = curve_of(history).frame
    row = frame.filter(pl.col("day") <= 30).row(-1, named=True)
    assert band["estimate"][0] == row["estimate"]
    assert band["high"][0] == pytest.approx(
        min(row["estimate"] + critical * row["standard_error"], 1)
    )
    assert band_current_survival(history, seed=5, **more).equals(band)
    assert band_current_survival(history, seed=6, **more)["critical_value"][0] == pytest.approx(
        critical, rel=0.05
    )


def test_a_band_over_one_day_is_the_interval(simulated):
    history = history_of(simulated)
    frame = curve_of(history).frame
    day = frame["day"].filter(frame["day"] > 50)[0]
    band = band_current_survival(
        history, states=STATES, first=day, last=day + 0.5, confidence=0.95, draws=40_000, seed=1
    )
    assert band.height == 1
    assert band["critical_value"][0] == pytest.approx(1.96, abs=0.03)


@pytest.fixture(scope="module")
def two_arms(simulated):
    """The simulated, and as many who have no GVHD any more after the first."""
    other = [(f"x{i}", 0, 250 + i, "dead" if i % 9 == 0 else None) for i in range(60)]
    rows = [*simulated, *other]
    return rows, history_of(rows, arm=["a"] * len(simulated) + ["b"] * len(other))


def test_two_arms_are_compared_on_a_day_over_time_and_by_area(two_arms):
    rows, history = two_arms
    (contrast,) = compare_current_survival(
        history, states=STATES, days=(150,), confidence=0.95, reference="a"
    )
    apart = [
        curve_of(history_of([r for r in rows if str(r[0]).startswith("x") is b]))
        for b in (True, False)
    ]
    one, two = (estimate_at(curve, (150,))[0] for curve in apart)
    assert contrast.estimate.value == pytest.approx(one.value - two.value)
    assert contrast.estimate.standard_error == pytest.approx(
        math.hypot(one.standard_error, two.standard_error)
    )
    test = compare_current_curves(history, states=STATES, first=20, last=200, draws=500, seed=3)
    assert test.p_value == pytest.approx(1 / 501)
    assert "500 draws, seed 3" in test.note
    (area,) = compare_current_time(
        history, states=STATES, until=200, confidence=0.95, reference="a"
    )
    assert area.p_value < 1e-6
    steps = apart[0].frame.filter(pl.col("day") < 200)
    days = np.append(steps["day"].to_numpy(), 200)
    first = float((np.diff(days) * steps["estimate"].to_numpy()).sum())
    steps = apart[1].frame.filter(pl.col("day") < 200)
    days = np.append(steps["day"].to_numpy(), 200)
    second = float((np.diff(days) * steps["estimate"].to_numpy()).sum())
    assert area.estimate.value == pytest.approx(first - second)


def test_the_test_over_time_keeps_its_level():
    rng = np.random.default_rng(2)
    ps = []
    for seed in range(60):
        rows = []
        for i in range(60):
            onset, back = int(rng.integers(5, 60)), int(rng.integers(61, 120))
            rows += [(i, 0, onset, "gvhd"), (i, onset, back, "well"), (i, back, 130, None)]
        arms = [("a", "b")[row[0] % 2] for row in rows]
        test = compare_current_curves(
            history_of(rows, arm=arms), states=STATES, first=10, last=110, draws=200, seed=seed
        )
        ps.append(test.p_value)
    # 60 p-values: 3 expected below 0.05, 9 or more has probability 0.002
    assert sum(p <= 0.05 for p in ps) < 9
    assert 0.35 < np.mean(ps) < 0.65


@pytest.mark.parametrize(
    ("rows", "states", "match"),
    [
        (FIVE, CurrentStates(("well",), (), ("dead",)), "one free and one active"),
        (FIVE, CurrentStates(("well",), ("gvhd", "well"), ("dead",)), "'well' is called free and"),
        (FIVE, CurrentStates(("well",), ("gvhd",), ()), "dead are neither"),
        (
            [("A", 0, 3, "dead"), ("A", 3, 5, "well")],
            STATES,
            "participant A is observed after a failed state",
        ),
        ([("A", 2, 3, "dead")], STATES, "observed from day 2"),
        ([], STATES, "no participants"),
    ],
)
def test_histories_it_cannot_read_are_refused(rows, states, match):
    with pytest.raises(UsageError, match=match):
        curve_of(history_of(rows), states)


def test_bad_days_and_draws_are_refused():
    history = history_of(FIVE)
    more = {"states": STATES, "confidence": 0.95, "seed": 1}
    with pytest.raises(UsageError, match="not in order"):
        band_current_survival(history, first=5, last=5, draws=500, **more)
    with pytest.raises(UsageError, match="draws is 5"):
        band_current_survival(history, first=3, last=9, draws=5, **more)
    with pytest.raises(UsageError, match="nothing varies"):
        band_current_survival(history, first=0, last=2, draws=500, **more)
    one = history_of(FIVE, arm=["a"] * 10)
    with pytest.raises(UsageError, match="1 groups"):
        compare_current_survival(one, states=STATES, days=(3,), confidence=0.95)


def test_no_events_and_an_arm_of_one():
    rows = [("A", 0, 9, None), ("B", 0, 9, None), ("C", 0, 8, None)]
    history = history_of(rows, arm=["a", "b", "b"])
    (e,) = estimate_at(curve_of(history), (5,))
    assert (e.value, e.standard_error) == (1, 0)
    (contrast,) = compare_current_survival(history, states=STATES, days=(5,), confidence=0.95)
    assert (contrast.estimate.value, contrast.p_value) == (0, None)
    test = compare_current_curves(history, states=STATES, first=1, last=8, draws=100, seed=1)
    assert test.p_value is None
    assert "nothing varies" in test.note


def test_after_the_last_observation_nothing_is_estimable():
    (e,) = estimate_at(curve_of(history_of(FIVE)), (13,))
    assert e.value is None
    (area,) = compare_current_time(
        history_of(FIVE, arm=["a"] * 3 + ["b"] * 7), states=STATES, until=13, confidence=0.95
    )
    assert area.estimate.value is None
    assert "not estimable" in area.estimate.note
