import json
import math
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stromal.analysis.cumulative_incidence import estimate_incidence
from stromal.analysis.estimate import estimate_at
from stromal.analysis.frames import state_history
from stromal.analysis.multistate import (
    compare_occupation,
    compare_time_in_state,
    count_transitions,
    estimate_occupation,
    estimate_time_in_state,
)
from stromal.core import UsageError
from stromal.endpoints.outcome import StateHistory, TimeToEvent

SHARED = Path(__file__).parents[4] / "shared"
BMT = SHARED / "data" / "time_to_event" / "bmt_kmsurv_ms.csv"
CASES = SHARED / "reference" / "survival.json"
needs_shared = pytest.mark.skipif(not BMT.exists(), reason="the shared data are not there")


def history_of(rows, **columns):
    """Rows of participant, start, stop, entered (None), state."""
    return StateHistory(
        pl.DataFrame(
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
    )


def occupation_of(history, **more):
    return estimate_occupation(history, interval="plain", confidence=0.95, **more)


COMES_AND_GOES = [
    ("A", 0, 3, "ill"), ("A", 3, 6, "well"), ("A", 6, 10, None),
    ("B", 0, 4, "dead"),
    ("C", 0, 3, "ill"), ("C", 3, 5, "dead"),
    ("D", 0, 2, None),
    ("E", 0, 7, "ill"), ("E", 7, 9, "well"), ("E", 9, 12, None),
]  # fmt: skip


@pytest.mark.by_hand
def test_states_that_come_and_go_by_hand():
    curves = occupation_of(history_of(COMES_AND_GOES))
    assert list(curves) == ["dead", "ill", "well"]
    days = curves["ill"].frame["day"].to_list()
    assert days == [0, 2, 3, 4, 5, 6, 7, 9, 10, 12]
    # day 3: 2 of 4 well fall ill: 1/2 each. Day 4: 1 of 2 well dies: 1/4 well, 1/4 dead.
    # day 5: 1 of 2 ill dies: ill 1/4, dead 1/2. Day 6: the one ill is well: well 1/2.
    # day 7: 1 of 2 well is ill: 1/4, 1/4. Day 9: the one ill is well: 1/2.
    assert curves["well"].frame["estimate"].to_list() == pytest.approx(
        [1, 1, 0.5, 0.25, 0.25, 0.5, 0.25, 0.5, 0.5, 0.5]
    )
    assert curves["ill"].frame["estimate"].to_list() == pytest.approx(
        [0, 0, 0.5, 0.5, 0.25, 0, 0.25, 0, 0, 0]
    )
    assert curves["dead"].frame["estimate"].to_list() == pytest.approx([0, 0, 0, 0.25, *[0.5] * 6])
    frame = curves["ill"].frame
    assert frame["at_risk"].to_list() == [5, 5, 4, 4, 3, 2, 2, 2, 2, 1]
    assert frame["in_state"].to_list() == [0, 0, 0, 2, 2, 1, 0, 1, 0, 0]
    assert frame["events"].to_list() == [0, 0, 2, 0, 0, 0, 1, 0, 0, 0]
    assert frame["competing"].to_list() == [0, 0, 0, 1, 1, 1, 0, 1, 0, 0]
    assert frame["censored"].to_list() == [0, 1, 0, 0, 0, 0, 0, 0, 1, 1]
    assert curves["ill"].n == 5
    assert curves["ill"].events == 3


@pytest.mark.by_hand
def test_mean_time_in_a_state_is_the_area():
    means = estimate_time_in_state(history_of(COMES_AND_GOES), until=10, confidence=0.95)
    # ill: 1/2 from day 3 to 5, 1/4 to 6, 1/4 from day 7 to 9
    assert means["ill"].value == pytest.approx(1 + 1 / 4 + 1 / 2)
    assert sum(e.value for e in means.values()) == pytest.approx(10)


@pytest.mark.reference
@needs_shared
@pytest.mark.parametrize("name", ["ms_bmt_all", "ms_bmt_group"])
def test_the_reference_cases_of_survfit(name):
    """survival 3.5-3: survfit(Surv(tstart, tstop, event) ~ ..., id = id)."""
    (values,) = (
        case["values"] for case in json.loads(CASES.read_text())["cases"] if case["id"] == name
    )
    table = pl.read_csv(BMT, infer_schema_length=None)
    for group in sorted(set(values["strata"])):
        rows = table if group == "all" else table.filter(pl.col("group") == int(group[-1]))
        curves = occupation_of(
            state_history(
                rows, participant="id", start="tstart", stop="tstop", entered="event", none="none"
            )
        )
        for i in [i for i, stratum in enumerate(values["strata"]) if stratum == group]:
            for j, state in enumerate(values["states"]):
                word = "initial" if state == "(s0)" else state
                (e,) = estimate_at(curves[word], (values["time"][i],))
                assert e.value == pytest.approx(values["pstate"][i][j], abs=1e-12)
                assert e.standard_error == pytest.approx(values["std_err"][i][j], abs=1e-12)


@pytest.mark.reference
@needs_shared
def test_mean_times_of_survfit():
    """survival 3.5-3: summary(survfit(...), rmean = 365)$table of bmt_kmsurv_ms."""
    table = pl.read_csv(BMT, infer_schema_length=None)
    history = state_history(
        table, participant="id", start="tstart", stop="tstop", entered="event", none="none"
    )
    means = estimate_time_in_state(history, until=365, confidence=0.95)
    expected = {
        "initial": 169.9481039700908, "aGVHD": 24.6861313868613, "cGVHD": 74.3511870625773,
        "relapse": 17.6903653314704, "death": 78.3242122490002,
    }  # fmt: skip
    assert {state: e.value for state, e in means.items()} == pytest.approx(expected, abs=1e-10)


@pytest.fixture(scope="module")
def simulated():
    """Eighty who come and go: some begin ill, some enter late, some are censored."""
    rng = np.random.default_rng(8)
    rows = []
    for i in range(80):
        state, day = ("ill" if rng.random() < 0.3 else "well"), int(rng.choice([0, 0, 0, 5]))
        first, end = state, int(rng.integers(day + 10, 80))
        while True:
            later = day + 1 + int(rng.exponential(15))
            if later >= end:
                rows.append((i, day, end, None, first))
                break
            after = "dead" if rng.random() < 0.2 else ("well" if state == "ill" else "ill")
            rows.append((i, day, later, after, first))
            if after == "dead":
                break
            state, day = after, later
    return rows


def test_errors_agree_with_leaving_out_each_participant(simulated):
    curves = occupation_of(history_of(simulated))
    means = estimate_time_in_state(history_of(simulated), until=40, confidence=0.95)
    out = [history_of([row for row in simulated if row[0] != one]) for one in range(80)]
    others = [occupation_of(history) for history in out]
    for state in ("ill", "well", "dead"):
        for day in (2, 20, 40):
            left = [estimate_at(other[state], (day,))[0].value for other in others]
            jackknife = math.sqrt(79 / 80 * sum((x - np.mean(left)) ** 2 for x in left))
            (e,) = estimate_at(curves[state], (day,))
            assert e.standard_error == pytest.approx(jackknife, rel=0.03, abs=1e-12)
        left = [
            estimate_time_in_state(history, until=40, confidence=0.95)[state].value
            for history in out
        ]
        jackknife = math.sqrt(79 / 80 * sum((x - np.mean(left)) ** 2 for x in left))
        assert means[state].standard_error == pytest.approx(jackknife, rel=0.03)


def test_the_probabilities_are_one_on_every_day(simulated):
    curves = occupation_of(history_of(simulated))
    total = sum(curve.frame["estimate"].to_numpy() for curve in curves.values())
    assert total == pytest.approx(np.ones(total.size), abs=1e-12)


def test_rows_and_names_may_be_shuffled(simulated):
    named = [(f"P{(37 * row[0]) % 80}", *row[1:]) for row in reversed(simulated)]
    one, other = occupation_of(history_of(simulated)), occupation_of(history_of(named))
    for state, curve in one.items():
        for column in ("estimate", "standard_error", "at_risk"):
            assert other[state].frame[column].to_list() == pytest.approx(
                curve.frame[column].to_list(), abs=1e-12
            )


def test_a_first_day_reads_the_state_of_that_day():
    history = history_of(COMES_AND_GOES)
    curves = occupation_of(history, start=3)
    # on day 3: A and C ill (they fell ill on that day itself), B and E well; D has left
    assert curves["ill"].frame["day"][0] == 3
    assert curves["ill"].frame["estimate"][0] == 0.5
    assert curves["ill"].frame["standard_error"][0] == pytest.approx(0.25)
    assert curves["dead"].frame["estimate"].to_list() == pytest.approx([0, 0.25, *[0.5] * 6])
    means = estimate_time_in_state(history, until=9, confidence=0.95, start=3)
    assert sum(e.value for e in means.values()) == pytest.approx(6)


def test_late_entry_counts_from_the_entry():
    rows = [("A", 0, 4, "dead"), ("B", 0, 9, None), ("C", 2, 9, None), ("D", 6, 8, "dead")]
    frame = occupation_of(history_of(rows))["dead"].frame
    # day 4: 1 of 3; day 8: 1 of 3 of the 2/3
    assert frame["estimate"].to_list() == pytest.approx([0, 1 / 3, 5 / 9, 5 / 9])


histories = st.lists(
    st.lists(st.tuples(st.integers(1, 5), st.sampled_from(["ill", "well"])), max_size=4),
    min_size=1,
    max_size=12,
)


@settings(max_examples=25, deadline=None)
@given(histories)
def test_without_censoring_it_is_the_proportion_now_in_the_state(people):
    rows = []
    for i, moves in enumerate(people):
        day = 0
        for length, state in moves:
            rows.append((i, day, day + length, state))
            day += length
        rows.append((i, day, 30, None))
    curves = occupation_of(history_of(rows))
    for day in (2, 7, 20):
        now = []
        for moves in people:
            state, at = "well", 0
            for length, after in moves:
                at += length
                state = after if at <= day else state
            now.append(state)
        share = now.count("ill") / len(now)
        if "ill" not in curves:
            assert share == 0
            continue
        (e,) = estimate_at(curves["ill"], (day,))
        assert e.value == pytest.approx(share, abs=1e-12)
        assert e.standard_error == pytest.approx(
            math.sqrt(share * (1 - share) / len(now)), abs=1e-7
        )


def test_two_ends_are_the_cumulative_incidence():
    rows = [(i, 0, day, end) for i, (day, end) in enumerate(
        [(3, "relapse"), (4, None), (5, "death"), (5, "relapse"), (7, None), (8, "death")]
    )]  # fmt: skip
    words = {"relapse": "event", "death": "competing", None: "censored"}
    outcomes = TimeToEvent(
        pl.DataFrame(
            {
                "participant_id": [str(row[0]) for row in rows],
                "day": [float(row[2]) for row in rows],
                "status": [words[row[3]] for row in rows],
            }
        )
    )
    incidence = estimate_incidence(
        outcomes, variance="infinitesimal jackknife", interval="linear", confidence=0.95
    )
    frame = occupation_of(history_of(rows))["relapse"].frame
    for column in ("estimate", "standard_error", "event_free", "at_risk", "events", "competing"):
        assert frame[column][1:].to_list() == pytest.approx(
            incidence.frame[column].to_list(), abs=1e-12
        )


@pytest.mark.by_hand
def test_transitions_are_counted():
    rows = count_transitions(history_of(COMES_AND_GOES)).rows()
    assert rows == [
        ("dead", None, 2, 2, 0.0),
        ("ill", "dead", 1, 1, 7.0),
        ("ill", "well", 2, 2, 7.0),
        ("well", "dead", 1, 1, 26.0),
        ("well", "ill", 3, 3, 26.0),
        ("well", None, 3, 3, 26.0),
    ]


def test_nothing_happens():
    rows = [("A", 0, 5, None), ("B", 0, 8, None), ("C", 0, 9, None, "ill"), ("D", 0, 9, None)]
    curves = occupation_of(history_of(rows))
    (e,) = estimate_at(curves["ill"], (7,))
    assert (e.value, e.standard_error) == (0.25, pytest.approx(math.sqrt(3) / 8))
    assert estimate_time_in_state(history_of(rows), until=8, confidence=0.95)["ill"].value == 2


def test_one_participant_has_no_width():
    curves = occupation_of(history_of([("A", 0, 5, "ill"), ("A", 5, 9, None)]))
    (e,) = estimate_at(curves["ill"], (6,))
    assert (e.value, e.standard_error) == (1, 0)


def test_after_the_last_observation_nothing_is_estimable():
    history = history_of(COMES_AND_GOES)
    (e,) = estimate_at(occupation_of(history)["ill"], (13,))
    assert e.value is None
    assert "last observation is on day 12" in e.note
    mean = estimate_time_in_state(history, until=13, confidence=0.95)["ill"]
    assert (mean.value, mean.standard_error, mean.low) == (None, None, None)
    assert "day 12" in mean.note


def test_after_everybody_has_died_all_is_known():
    history = history_of([("A", 0, 3, "dead"), ("B", 0, 2, "ill"), ("B", 2, 5, "dead")])
    (e,) = estimate_at(occupation_of(history)["dead"], (50,))
    assert e.value == 1
    means = estimate_time_in_state(history, until=10, confidence=0.95)
    assert [means[s].value for s in ("well", "ill", "dead")] == pytest.approx([2.5, 1.5, 6])


def test_groups_are_compared():
    arm = ["a", "a", "a", "b", "a", "a", "b", "a", "a", "a"]
    history = history_of(COMES_AND_GOES, arm=arm)
    (contrast,) = compare_occupation(history, of="ill", days=(2,), confidence=0.95)
    assert (contrast.estimate.value, contrast.p_value) == (0, None)
    (time,) = compare_time_in_state(history, of="dead", until=2, confidence=0.95)
    assert time.estimate.value == 0
    (dead,) = compare_occupation(history, of="dead", days=(5,), confidence=0.95, reference="a")
    # b: D leaves on day 2, B dies on day 4 as the only one left; a: C dies, one of three
    assert dead.first == "b"
    assert dead.estimate.value == pytest.approx(1 - 1 / 3)
    assert dead.estimate.standard_error == pytest.approx(math.sqrt(2 / 27))


@pytest.mark.parametrize(
    ("rows", "match"),
    [
        ([("A", 0, 3, "ill"), ("A", 4, 6, None)], "not observed just before day 4"),
        ([("A", 0, 3, "ill"), ("A", 2, 6, None)], "overlap at day 2"),
        ([("A", 3, 3, "ill")], "must end after it has begun"),
    ],
)
def test_histories_with_gaps_are_refused(rows, match):
    with pytest.raises(UsageError, match=match):
        history_of(rows)


def test_what_cannot_be_estimated_is_refused():
    late = history_of([("A", 2, 5, "ill"), ("A", 5, 8, None)])
    with pytest.raises(UsageError, match="nobody is under observation on day 0"):
        occupation_of(late)
    unknown = history_of([("A", 0, 5, "ill", None)])
    with pytest.raises(UsageError, match="participant A has no state"):
        occupation_of(unknown)
    with pytest.raises(UsageError, match="until is 0"):
        estimate_time_in_state(history_of(COMES_AND_GOES), until=0, confidence=0.95)
    arm = history_of(COMES_AND_GOES, arm=["a"] * 6 + ["b"] * 4)
    with pytest.raises(UsageError, match="two groups"):
        compare_occupation(
            history_of(COMES_AND_GOES, arm=["a", "b"] * 5), of="ill", days=(3,), confidence=0.95
        )
    with pytest.raises(UsageError, match="'cured' is none of the states dead, ill, well"):
        compare_occupation(arm, of="cured", days=(3,), confidence=0.95)
