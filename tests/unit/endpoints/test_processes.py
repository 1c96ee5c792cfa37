"""Events that recur and states over time, as analyses read them, on the second worked examples."""

from functools import cache
from pathlib import Path

import polars as pl
import pytest

from stromal.core import UsageError
from stromal.endpoints.derive import derive_all
from stromal.endpoints.processes import events_process, states_history
from stromal.protocol import read_protocol
from stromal.records import read_records

STUDY = Path(__file__).resolve().parents[3] / "studies" / "worked-examples-2"


@cache
def context():
    protocol = read_protocol(STUDY)
    return derive_all(protocol, read_records(STUDY, protocol))


def of(frame, participant):
    return frame.filter(pl.col("participant_id") == participant).drop("participant_id").rows()


@pytest.mark.by_hand
def test_infections_end_periods_and_death_ends_all():
    # C08 has distinct infections on days 20 and 90 and is observed to day 180; C03 dies on day 60
    frame = events_process(context(), "infections", "overall_survival").frame
    assert of(frame, "C08") == [
        (-1.0, 20.0, "event"),
        (20.0, 90.0, "event"),
        (90.0, 180.0, "censored"),
    ]
    assert of(frame, "C03") == [(-1.0, 60.0, "competing")]


@pytest.mark.by_hand
def test_without_a_terminal_event_death_ends_observation_alone():
    frame = events_process(context(), "infections", None).frame
    assert of(frame, "C03") == [(-1.0, 60.0, "censored")]


@pytest.mark.by_hand
def test_two_events_of_one_day_and_death_on_it(monkeypatch):
    rows = pl.DataFrame(
        {
            "participant_id": ["C03", "C03"],
            "number": [1, 2],
            "start": [-1, 10],
            "stop": [10, 60],
            "status": ["event", "event"],
            "count": [2, 1],
        },
        schema_overrides={"count": pl.Int32},
    )
    monkeypatch.setattr(
        "stromal.endpoints.processes.recurrent_events", lambda *_: rows.with_columns(because=None)
    )
    frame = events_process(context(), "infections", "overall_survival").frame
    assert of(frame, "C03") == [
        (-1.0, 9.999, "event"),
        (9.999, 10.0, "event"),
        (10.0, 60.0, "event"),
        (60.0, 60.001, "competing"),
    ]


@pytest.mark.by_hand
def test_a_state_that_comes_and_goes_and_a_death():
    # C05 depends on red cells from day 30 to 58 and from 112 to 126; C03 dies on day 60 without;
    # C12 begins on day 14 and is known to day 28
    frame = states_history(
        context(), "transplant", without=["red_cell_dependence"], end="overall_survival"
    ).frame.select("participant_id", "start", "stop", "entered")
    assert of(frame, "C05") == [
        (0.0, 30.0, "in the state"),
        (30.0, 59.0, "free"),
        (59.0, 112.0, "in the state"),
        (112.0, 127.0, "free"),
        (127.0, 182.0, None),
    ]
    assert of(frame, "C03") == [(0.0, 60.0, "ended")]
    assert of(frame, "C12") == [(0.0, 14.0, "in the state"), (14.0, 28.0, None)]


def test_who_is_of_unknown_state_on_day_0_is_not_in_it():
    # the first assessment of acute GVHD comes after day 0: nothing is known before
    history = states_history(
        context(), "transplant", without=["acute_gvhd_episode"], end="overall_survival"
    )
    assert history.frame.is_empty()


def test_what_ends_everything_is_a_time_to_event():
    with pytest.raises(UsageError, match="`infections` should end everything"):
        states_history(context(), "transplant", without=["red_cell_dependence"], end="infections")


@pytest.mark.by_hand
def test_a_death_after_the_last_known_day_ends_the_history():
    # the counts of C03 tell of poor graft function up to day 27; death comes on day 60
    frame = states_history(
        context(), "transplant", without=["poor_graft_function_state"], end="overall_survival"
    ).frame.select("participant_id", "start", "stop", "entered")
    assert of(frame, "C03") == [(0.0, 60.0, "ended")]
    assert of(frame, "C04") == [(0.0, 27.0, None)]  # lives on: followed as long as it is known
