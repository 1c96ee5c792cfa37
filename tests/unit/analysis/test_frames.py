"""Tables of people who have no protocol."""

import pandas as pd
import polars as pl
import pytest

from stromal.analysis.frames import counting_process, state_history, times_to_event
from stromal.core import UsageError

TABLE = {"months": [3.0, 5.0, 8.0], "d": [1, 0, 2], "who": ["a", "b", "c"], "weight": [50, 60, 70]}


def read(table, **changed):
    named = {"time": "months", "status": "d", "event": 1, "censored": 0, "competing": 2}
    return times_to_event(table, **{**named, **changed}).frame


@pytest.mark.parametrize("library", [pl, pd])
def test_codes_become_words_and_other_columns_stay(library):
    frame = read(library.DataFrame(TABLE), participant="who")
    assert frame["participant_id"].to_list() == ["a", "b", "c"]
    assert frame["status"].to_list() == ["event", "censored", "competing"]
    assert frame["day"].to_list() == [3.0, 5.0, 8.0]
    assert frame["weight"].to_list() == [50, 60, 70]


def test_a_mapping_names_the_causes():
    frame = read(pl.DataFrame(TABLE), event={1: "relapse"}, competing={2: "death"})
    assert frame["cause"].to_list() == ["relapse", None, "death"]


def test_missing_values_of_pandas_are_missing():
    table = pd.DataFrame({**TABLE, "who": ["a", None, "c"], "age": [1.0, float("nan"), 2.0]})
    frame = read(table)
    assert frame["age"].to_list() == [1.0, None, 2.0]
    assert frame["who"].to_list() == ["a", None, "c"]


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"competing": None}, "has the codes 2, which are not named"),
        ({"competing": [1, 2]}, "named twice"),
        ({"time": "day"}, "no column 'day'"),
        ({"time": "who"}, "numbers are expected"),
        ({"weight": "d"}, "zero or negative"),
        ({"entry": "months"}, "not before its day"),
    ],
)
def test_what_cannot_be_read_is_refused(changed, said):
    with pytest.raises(UsageError, match=said):
        read(pl.DataFrame(TABLE), **changed)


@pytest.mark.parametrize("codes", [[1, 2, 2], [2, 2, 1]])
def test_events_coded_one_and_two_are_not_guessed(codes):
    table = pl.DataFrame({"t": [1, 2, 3], "d": codes})
    with pytest.raises(UsageError, match="codes 2"):
        times_to_event(table, time="t", status="d", event=1, censored=0)
    named = times_to_event(table, time="t", status="d", event=2, censored=1)
    assert named.frame["status"].to_list() == ["event" if c == 2 else "censored" for c in codes]


@pytest.mark.parametrize("value", [-1.0, float("nan"), float("inf"), None])
def test_a_time_that_cannot_be_is_refused(value):
    with pytest.raises(UsageError, match="missing, not finite or negative"):
        read(pl.DataFrame({**TABLE, "months": [3.0, value, 8.0]}))


@pytest.mark.parametrize("value", [float("inf"), -1.0, 0.0, float("nan")])
def test_a_weight_that_cannot_be_is_refused(value):
    with pytest.raises(UsageError, match="weight"):
        read(pl.DataFrame({**TABLE, "w": [1.0, value, 1.0]}), weight="w")


PERIODS = {"id": [1, 1, 2], "from": [0, 5, 0], "to": [5, 9, 7], "s": [1, 0, 2]}


def periods(**changed):
    table = pl.DataFrame({**PERIODS, **changed})
    named = {"participant": "id", "start": "from", "stop": "to", "status": "s"}
    return counting_process(table, **named, event=1, censored=0, competing=2).frame


def test_periods_are_read():
    assert periods()["status"].to_list() == ["event", "censored", "competing"]


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"to": [0, 9, 7]}, "must end after it has begun"),
        ({"to": [6, 9, 7]}, "overlap at day 5"),
        ({"s": [2, 0, 1]}, "after a competing event"),
    ],
)
def test_periods_that_cannot_be_are_refused(changed, said):
    with pytest.raises(UsageError, match=said):
        periods(**changed)


def test_a_history_of_states_has_no_gap():
    table = pl.DataFrame({"id": [1, 1], "a": [0, 6], "b": [5, 9], "to": ["sick", "censor"]})
    named = {"participant": "id", "start": "a", "stop": "b", "entered": "to", "none": "censor"}
    with pytest.raises(UsageError, match="not observed just before day 6"):
        state_history(table, **named)
    history = state_history(table.with_columns(a=pl.Series([0, 5])), **named)
    assert history.frame["entered"].to_list() == ["sick", None]


def test_what_is_no_table_is_refused():
    with pytest.raises(UsageError, match="polars or a pandas frame; got list"):
        read([1, 2])
