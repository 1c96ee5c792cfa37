"""Burdens and rates, worked out on paper: what counts, and over which days."""

import pytest

from stromal.core import ProtocolError, UsageError
from stromal.endpoints.burden import event_rates, recurrent_events, transfusion_burden
from support.derived import context_of, row_of

pytestmark = pytest.mark.by_hand

NOTHING = "  events:\n    label: Events\n    event_count: {events: any}\n    from: transplant\n"


def given(*days, product="platelets", units=1, participant="P1"):
    return [
        {"record_id": f"{participant}{product}{day}", "participant_id": participant, "day": day,
         "product": product, "units": units}
        for day in days
    ]  # fmt: skip


def window(frame, product, name, participant="P1"):
    rows = frame.filter(product=product, window=name, participant_id=participant)
    return rows.select("exposure_days", "transfusion_days", "units", "days_rate", "units_rate").row(
        0
    )


def test_units_and_days_before_and_after(tmp_path):
    rows = [*given(-31, -30, -1, 0, 29, 30, units=2), *given(-1, product="red_cells", units=1)]
    rows += [{**row, "record_id": f"again{row['record_id']}"} for row in given(0, units=3)]
    found = transfusion_burden(context_of(tmp_path, NOTHING, transfusions=rows), "transplant")
    # before: days -30 and -1; after: day 0 (2 and 3 units, one day) and day 29
    assert window(found, "platelets", "before") == (30, 2, 4.0, 2.0, 4.0)
    assert window(found, "platelets", "after") == (30, 2, 7.0, 2.0, 7.0)
    assert window(found, "red_cells", "before") == (30, 1, 1.0, 1.0, 1.0)
    assert window(found, "red_cells", "after") == (30, 0, 0.0, 0.0, 0.0)


def test_exposure_is_cut_by_death_the_log_and_what_is_complete(tmp_path):
    context = context_of(
        tmp_path / "a",
        NOTHING,
        people=[{}, {"complete_until_day": 9}, {"complete_until_day": -40}, {}],
        transfusions=given(2, 4) + given(3, 20, participant="P2") + given(5, participant="P3"),
        events=[{"record_id": "X", "day": 14, "event": "death"}],
    )
    found = transfusion_burden(context, "transplant")
    # days 0 to 14, the day of death among them: 2 in 15 days are 4 per 30
    assert window(found, "platelets", "after") == (15, 2, 2.0, 4.0, 4.0)
    # complete to day 9: the transfusion of day 20 does not count
    assert window(found, "platelets", "after", "P2") == (10, 1, 1.0, 3.0, 3.0)
    # nothing is observed: no 0, though there is a record
    assert window(found, "platelets", "after", "P3") == (0, None, None, None, None)
    assert window(found, "platelets", "before", "P3") == (0, None, None, None, None)
    hole = [
        {"table": "transfusions", "from_day": 0, "to_day": 4},
        {"table": "transfusions", "from_day": 10, "to_day": 14},
    ]
    found = transfusion_burden(
        context_of(tmp_path / "b", NOTHING, transfusions=given(2, 7, 12), coverage=hole),
        "transplant",
    )
    assert window(found, "platelets", "after") == (10, 2, 2.0, 6.0, 6.0)
    assert window(found, "platelets", "before") == (0, None, None, None, None)


def test_units_that_are_not_recorded(tmp_path):
    rows = given(2, units="") + given(4)
    found = transfusion_burden(context_of(tmp_path, NOTHING, transfusions=rows), "transplant")
    assert window(found, "platelets", "after") == (30, 2, None, 2.0, None)


@pytest.mark.parametrize("wrong", [{"before": 0}, {"after": -3}, {"per": 0}])
def test_a_window_has_days(tmp_path, wrong):
    with pytest.raises(UsageError, match="at least 1"):
        transfusion_burden(context_of(tmp_path, NOTHING), "transplant", **wrong)


def test_who_lacks_the_anchor_is_not_there(tmp_path):
    msc = [{"day": 10, "product": "msc", "number": 1, "cells": 7e7}]
    context = context_of(tmp_path, NOTHING, people=[{}, {}], infusions=msc)
    assert set(transfusion_burden(context, "first_msc")["participant_id"]) == {"P1"}


# --- rates of events ---------------------------------------------------------------------------


def counting(rule, more=""):
    return (
        "  infections:\n    label: Infections\n"
        f"    event_count: {rule}\n    from: transplant\n{more}"
    )


def infections(*rows):
    return [
        {"record_id": f"{event}{day}", "day": day, "event": event, "ended_day": end}
        for day, event, end in rows
    ]


@pytest.mark.parametrize(
    ("days", "ids"),
    [
        # 13 days after the one before is the same, 14 days after it another
        ([(10, "cmv", ""), (23, "cmv", "")], ["cmv10"]),
        ([(10, "cmv", ""), (24, "cmv", "")], ["cmv10", "cmv24"]),
        # a chain is one, however long; another name is another infection
        ([(10, "cmv", ""), (20, "cmv", ""), (30, "cmv", "")], ["cmv10"]),
        ([(10, "cmv", ""), (12, "ebv", ""), (20, "cmv", "")], ["cmv10", "ebv12"]),
        # from its recorded end on: 30 to 43 is the same, 44 is not
        ([(10, "cmv", 30), (43, "cmv", "")], ["cmv10"]),
        ([(10, "cmv", 30), (44, "cmv", "")], ["cmv10", "cmv44"]),
        # a short one within a long one does not shorten it
        ([(10, "cmv", 60), (20, "cmv", 21), (40, "cmv", "")], ["cmv10"]),
        # what goes on from before the anchor is not a new one
        ([(-5, "cmv", ""), (3, "cmv", ""), (40, "cmv", "")], ["cmv40"]),
    ],
)
def test_one_infection_or_two(tmp_path, days, ids):
    text = counting("{events: [cmv, ebv], distinct_after: 14 d}")
    assert row_of(tmp_path, text, events=infections(*days))["because"] == ids


def test_rates_and_recurrent_rows(tmp_path):
    text = counting("{events: [cmv], per: 100 d}")
    events = infections((10, "cmv", ""), (10, "cmv", ""), (40, "cmv", ""), (70, "cmv", ""))
    events[1]["record_id"] = "again"
    context = context_of(
        tmp_path,
        text,
        people=[{"complete_until_day": 49}, {"complete_until_day": 99}, {"complete_until_day": -1}],
        events=events,
    )
    # days 0 to 49: three events, 6 per 100 days; the event of day 70 is on no observed day
    assert event_rates(context, "infections").rows() == [
        ("P1", 50, 3, 6.0), ("P2", 100, 0, 0.0), ("P3", 0, None, None),
    ]  # fmt: skip
    rows = context.derived["infections"]
    assert rows["status"].to_list() == ["yes", "no", "not_evaluable"]
    assert rows["count"].to_list() == [4, 0, None]
    assert rows["note"][0] == "4 events; 50 days observed, 6.0 per 100 days."
    assert recurrent_events(context, "infections").drop("because").rows() == [
        ("P1", 1, -1, 10, "event", 2), ("P1", 2, 10, 40, "event", 1),
        ("P1", 3, 40, 49, "censored", 0), ("P2", 1, -1, 99, "censored", 0),
    ]  # fmt: skip


def test_observed_time_with_a_hole(tmp_path):
    hole = [
        {"table": "events", "from_day": 0, "to_day": 9},
        {"table": "events", "from_day": 20, "to_day": 30},
    ]
    events = infections((5, "cmv", ""), (12, "cmv", ""), (30, "cmv", ""))
    context = context_of(tmp_path, counting("{events: [cmv]}"), events=events, coverage=hole)
    assert recurrent_events(context, "infections").drop("because").rows() == [
        ("P1", 1, -1, 5, "event", 1), ("P1", 2, 5, 9, "censored", 0),
        ("P1", 3, 19, 30, "event", 1),
    ]  # fmt: skip
    assert event_rates(context, "infections").row(0) == ("P1", 21, 2, pytest.approx(60 / 21))


def test_transfusions_are_counted_by_day_around_the_anchor(tmp_path):
    text = counting("{transfused: platelets, per: 30 d}", "    start: -30 d\n    until: -1 d\n")
    rows = [*given(-31, -30, -30, -1, 0), *given(-9, product="red_cells")]
    rows[2]["record_id"] = "again"
    row = row_of(tmp_path, text, transfusions=rows)
    assert (row["status"], row["count"], row["day"]) == ("yes", 2, -30)
    assert row["note"] == (
        "2 days with a transfusion of platelets; 30 days observed, 2.0 per 30 days."
    )


@pytest.mark.parametrize(
    ("rule", "more", "said"),
    [
        ("{scale: CTCAE 5}", "", "count `events`"),
        ("{events: any, transfused: platelets}", "", "count `events`"),
        ("{transfused: platelets, grade_at_least: 3}", "", "go with `events`"),
        ("{transfused: platelets, distinct_after: 14 d}", "", "go with `events`"),
        ("{events: any, per: 0 d}", "", "greater than or equal to 1"),
        ("{events: any}", "    start: 5 d\n    until: 4 d\n", "no day is counted"),
    ],
)
def test_what_cannot_be_counted(tmp_path, rule, more, said):
    with pytest.raises(ProtocolError, match=said):
        context_of(tmp_path, counting(rule, more))


@pytest.mark.parametrize("function", [event_rates, recurrent_events])
def test_what_counts_no_events(tmp_path, function):
    with pytest.raises(
        UsageError, match="`os` is no event count of this study; there are: infections"
    ):
        function(context_of(tmp_path, counting("{events: any}")), "os")
