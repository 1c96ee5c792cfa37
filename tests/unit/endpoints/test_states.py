"""States: what the language refuses, what the checks find, and the states of graded endpoints."""

import pytest

from stromal.core import ProtocolError, UsageError
from stromal.endpoints import explain
from stromal.endpoints.describe import describe_endpoint
from stromal.endpoints.state_words import describe_rule
from stromal.endpoints.states import (
    EPISODE_COLUMNS,
    days_in_state,
    derive_episodes,
    episodes,
    state_intervals,
)
from stromal.endpoints.status_by import status_by
from stromal.protocol.consistency import check_protocol
from support.derived import context_of, counts, study_of

RUN = "run: 2, of: values on different days, largest_gap: none"
LOW = f"{{counts: [{{analyte: PLT, below: 20 10*9/L}}], lines: 1, {RUN}}}"
LOST = f"{{no_longer: begins, {RUN}}}"
FREE = "{transfused: platelets, none_for: 10 d}"
MANY = "{transfused: platelets, at_least: 2, of: units, within: 10 d}"
ENDED = "{events: ended}"
FEVER = "{events: [fever]}"


def state(begins, ends, start="", anchor="transplant", more=""):
    return (
        f"  low:\n    label: Low\n    state:\n{start}      begins: {begins}\n      ends: {ends}\n"
        f"    from: {anchor}\n    competing: [death]\n{more}"
    )


@pytest.mark.parametrize(
    ("begins", "ends", "start", "said"),
    [
        (LOST, FREE, "", "`no_longer` ends a state"),
        (MANY, LOST, "", "needs a state that begins with `counts`"),
        (ENDED, FREE, "", "`events: ended` ends a state"),
        (LOW, ENDED, "", "needs a state that begins with `events`"),
        (FEVER, "{events: ended, grade_at_least: 3}", "", "goes with names of events"),
        (FEVER, "{}", "", "one of the keys"),
        (FEVER, "{events: []}", "", "at least 1"),
        ("{transfused: platelets}", FREE, "", "by `at_least` with `of` and `within`"),
        ("{transfused: platelets, at_least: 2, within: 9 d}", FREE, "", "by `at_least` with"),
        (MANY, "{transfused: platelets, none_for: 5 d, within: 9 d}", "", "by `at_least` with"),
        (MANY, "{transfused: platelets, none_for: 0 d}", "", "at least 1 d"),
        ("{transfused: platelets, at_least: 9, of: transfusion days, within: 8 d}", FREE, "",
         "can never be met"),
        (LOW.replace("lines: 1", "lines: 2"), FREE, "", "can never be met"),
        (LOW, FREE, "      start: -3 d\n", "on the anchor or after it"),
        ("{graded: agvhd, is: [III]}", FREE, "", "agvhd"),
    ],
)  # fmt: skip
def test_states_that_cannot_be(tmp_path, begins, ends, start, said):
    with pytest.raises(ProtocolError, match=said):
        study_of(tmp_path, state(begins, ends, start))


def test_a_state_of_an_endpoint_without_grades(tmp_path):
    more = "  os:\n    label: OS\n    time_to_event: {definition: OS}\n    from: transplant\n    competing: []\n"  # noqa: E501
    text = state("{graded: os, is: [III]}", FREE, more=more)
    protocol, _ = study_of(tmp_path, text)
    assert "state-of-no-grade" in {finding.rule for finding in check_protocol(protocol)}
    with pytest.raises(UsageError, match="`os`, which is no graded endpoint"):
        context_of(tmp_path / "b", text)


def test_what_begins_and_ends_alike_is_found(tmp_path):
    protocol, _ = study_of(tmp_path, state(FEVER, "{events: [fever, cure]}"))
    assert "state-begins-and-ends-alike" in {finding.rule for finding in check_protocol(protocol)}


def test_draws_that_cannot_show_the_end_of_a_state_are_found(tmp_path):
    daily = (
        "{counts: [{analyte: PLT, at_least: 20 10*9/L}], lines: 1, run: 3, of: consecutive days}"
    )
    draws = "[{analytes: [PLT], from: transplant, until: 90 d, on: [Mon, Thu]}]"
    protocol, _ = study_of(tmp_path, state(LOW, daily), draws=draws)
    where = {f.where for f in check_protocol(protocol) if f.rule == "run-cannot-be-shown"}
    assert where == {"endpoints.low.state.ends"}


def test_without_the_anchor_and_without_records(tmp_path):
    text = state(LOW, LOST, anchor="first_msc") + state(MANY, FREE, anchor="first_msc").replace(
        "low:", "many:"
    )
    msc = [{"participant_id": "P2", "day": 10, "product": "msc", "number": 1, "cells": 7e7}]
    context = context_of(
        tmp_path,
        text,
        people=[{}, {"complete_until_day": 5, "last_contact_day": 5}],
        infusions=msc,
    )
    for name in ("low", "many"):
        assert context.derived[name]["status"].to_list() == ["not_applicable", "not_evaluable"]
        assert context.derived[name]["count"].to_list() == [None, None]
        assert state_intervals(context, name).is_empty()
    assert derive_episodes(context).schema == EPISODE_COLUMNS


def test_names_and_windows_that_are_not_there(tmp_path):
    context = context_of(tmp_path, state(LOW, LOST))
    with pytest.raises(UsageError, match="`lo` is no state of this study; there are: low"):
        episodes(context, "lo")
    with pytest.raises(UsageError, match="got 5 to 4"):
        days_in_state(context, "low", 5, 4)


def test_a_state_by_a_given_day_holds_or_does_not(tmp_path):
    values = {0: 90, 5: 9, 7: 9, 20: 90, 25: 90}
    context = context_of(
        tmp_path,
        state(LOW, LOST),
        people=[{"enrolled_day": 10}, {"enrolled_day": 22}, {"enrolled_day": 90}],
        measurements=[row for who in ("P1", "P2", "P3") for row in counts(values, "PLT", who)],
    )
    assert status_by(context, "low", "enrolment")["status"].to_list() == ["event", "censored", None]
    assert status_by(context, "low", None)["status"].to_list() == ["event"] * 3


def test_until_bounds_onsets_and_not_ends(tmp_path):
    values = {0: 90, 5: 9, 7: 9, 20: 90, 25: 90, 30: 9, 33: 9}
    text = state(LOW, LOST, more="    until: 10 d\n")
    context = context_of(tmp_path, text, measurements=counts(values, "PLT"))
    assert episodes(context, "low").select("from_day", "to_day").rows() == [(5, 20)]


@pytest.mark.parametrize(
    ("begins", "ends"), [(LOW, LOST), (LOW, FREE), (MANY, FREE), (FEVER, ENDED)]
)
def test_every_kind_is_said_and_explained(tmp_path, begins, ends):
    protocol, records = study_of(
        tmp_path,
        state(begins, ends),
        measurements=counts({0: 90, 5: 9, 7: 9, 20: 90, 25: 90}, "PLT"),
        transfusions=[
            {"record_id": f"T{day}", "day": day, "product": "platelets", "units": 1}
            for day in (4, 8)
        ],
        events=[{"record_id": "F", "day": 6, "event": "fever", "ended_day": 9}],
    )
    told = explain(protocol, records, "P1", "low")
    assert told.row["status"] == "event"
    assert told.days.filter("decided").height > 0
    said = describe_endpoint(protocol.endpoints["low"], protocol.anchors)
    assert said.startswith("A state that begins with ")
    assert "it may begin again. Days count from transplant." in said
    assert describe_rule(protocol.endpoints["low"].state.ends)


GRADED = (
    "  agvhd:\n    label: Acute GVHD\n    graded: {definition: MAGIC_2016}\n    from: transplant\n"
    "  severe:\n    label: Grade III or IV\n    state:\n"
    "      begins: {graded: agvhd, is: [III, IV]}\n"
    "      ends: {graded: agvhd, is: ['0', I, II]}\n"
    "    from: transplant\n    competing: [death]\n"
)


def test_episodes_of_a_grade(tmp_path):
    def stages(day, **organs):
        return [
            {"record_id": f"{organ}{day}", "day": day, "scale": "agvhd", "item": organ, "value": v}
            for organ, v in organs.items()
        ]

    rows = [
        *stages(10, skin=1, liver=0, lower_gi=0, upper_gi=0),  # I
        *stages(20, skin=1, liver=0, lower_gi=2, upper_gi=0),  # III
        *stages(27, liver=0, upper_gi=0),  # skin and gut not examined: any grade
        *stages(34, skin=1, liver=0, lower_gi=1, upper_gi=0),  # II
        *stages(41, skin=4, liver=0, lower_gi=0, upper_gi=0),  # IV
    ]
    context = context_of(tmp_path, GRADED, assessments=rows)
    found = episodes(context, "severe")
    columns = ("from_day", "from_low", "to_day", "to_low", "ended", "seen_until")
    assert found.select(columns).rows() == [
        (20, 11, 34, 21, "resolved", 33),
        (41, 35, None, None, "still open when last seen", 41),
    ]
    assert state_intervals(context, "severe").rows() == [
        (0, 10, 19, False), (0, 20, 33, True), (0, 34, 40, False), (0, 41, 41, True),
    ]  # fmt: skip


def test_an_assessment_that_tells_too_little_is_neither(tmp_path):
    rows = [
        {"record_id": f"{organ}{day}", "day": day, "scale": "agvhd", "item": organ, "value": v}
        for day, organ, v in [
            *[(5, organ, 0) for organ in ("skin", "liver", "lower_gi", "upper_gi")],
            (12, "skin", 1),
            *[(19, organ, 0) for organ in ("skin", "liver", "lower_gi", "upper_gi")],
        ]
    ]
    context = context_of(tmp_path, GRADED, assessments=rows)
    assert episodes(context, "severe").is_empty()
    # from day 12 on it may have begun; had it, it would have ended on day 19
    assert state_intervals(context, "severe").rows() == [(0, 5, 11, False), (0, 19, 19, False)]
    row = context.derived["severe"].row(0, named=True)
    assert (row["status"], row["day"]) == ("censored", 11)


def known_of(folder, text, **tables):
    """Give the known stretches of the state of P1: first day, last day, whether it holds."""
    context = context_of(folder, text, **tables)
    return state_intervals(context, "low").select("from_day", "to_day", "holds").rows()


SEVERE = state("{events: [infection], grade_at_least: 3}", ENDED)


def infections(*rows):
    return [
        {"record_id": f"I{i}", "event": "infection", **row} for i, row in enumerate(rows, start=1)
    ]


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([{"day": 10, "ended_day": 19, "grade": 2}], [(0, 200, False)]),
        ([{"day": 10, "ended_day": 19, "grade": 3}],
         [(0, 9, False), (10, 19, True), (20, 200, False)]),
        # without its grade it may have been one, on each of its days
        ([{"day": 10, "ended_day": 19}], [(0, 9, False), (20, 200, False)]),
        ([{"day": 10}], [(0, 9, False)]),
        ([{"day": 10, "ended_day": 19, "grade": 3}, {"day": 15, "ended_day": 40}],
         [(0, 9, False), (10, 19, True), (41, 200, False)]),
        ([{"day": 10, "ended_day": 19, "grade": 3}, {"day": 15}], [(0, 9, False), (10, 19, True)]),
        # from before the anchor: with its end it holds on day 0, without it nobody knows
        ([{"day": -9, "ended_day": 19, "grade": 3}], [(0, 19, True), (20, 200, False)]),
        ([{"day": -9, "ended_day": -1, "grade": 3}], [(0, 200, False)]),
        ([{"day": -9, "grade": 3}], []),
        ([{"day": -9, "ended_day": 19}], [(20, 200, False)]),
        ([{"day": -9, "ended_day": -1}], [(0, 200, False)]),
    ],
)  # fmt: skip
def test_events_that_lack_their_grade_or_their_end(tmp_path, rows, expected):
    assert known_of(tmp_path, SEVERE, events=infections(*rows)) == expected


@pytest.mark.by_hand
def test_the_first_onset_of_an_event_without_grade(tmp_path):
    row = context_of(tmp_path / "a", SEVERE, events=infections({"day": 10})).derived["low"].row(
        0, named=True
    )  # fmt: skip
    assert (row["status"], row["day"]) == ("censored", 9)
    row = context_of(tmp_path / "b", SEVERE, events=infections({"day": 0})).derived["low"].row(
        0, named=True
    )  # fmt: skip
    assert (row["status"], row["day"]) == ("not_evaluable", None)


@pytest.mark.by_hand
def test_units_that_are_not_recorded_may_complete_what_was_given_before(tmp_path):
    """2 units within 10 days: 1 on day 10 and an unknown number on day 15 may be enough."""
    text = state(MANY, FREE)
    rows = [{"record_id": "a", "day": 10, "product": "platelets", "units": 1},
            {"record_id": "b", "day": 15, "product": "platelets"}]  # fmt: skip
    found = known_of(tmp_path / "a", text, transfusions=rows)
    assert found == [(0, 9, False), (16, 200, False)]  # none for 10 days from day 16 ends it
    rows[1]["day"] = 20  # days 10 to 19 are ten days: day 20 completes nothing of day 10
    found = known_of(tmp_path / "b", text, transfusions=rows)
    assert found == [(0, 19, False), (21, 200, False)]


GAPS = """\
  agvhd:
    label: Depth
    graded:
      scale: counts
      items: {anc: {label: ANC, unit: /uL, analyte: ANC}}
      steps:
        depth:
          label: Depth
          cases:
            - {value: deep, when: {item: anc, below: 100 /uL}}
            - {value: low, when: {item: anc, at_least: 100 /uL, below: 500 /uL}}
      result: depth
      grades: [low, deep]
    from: transplant
"""


@pytest.mark.by_hand
@pytest.mark.parametrize(
    ("value", "expected", "time"),
    [
        ("0.3", ("event", 5), ("event", 5)),
        # above 0.2: low, or above 0.5 and then no case covers it: not sure
        (">0.2", ("not_evaluable", None), ("not_evaluable", None)),
        ("<0.1", ("event", 5), ("event", 5)),
    ],
)
def test_a_grade_that_no_case_may_cover_is_not_sure(tmp_path, value, expected, time):
    text = (
        GAPS + "  time:\n    label: Time\n    time_to_event: {events: [{endpoint: agvhd, is: [low, "
        "deep]}]}\n    from: transplant\n    competing: []\n"
        + state("{graded: agvhd, is: [low, deep]}", "{events: [cure]}")
    )
    context = context_of(tmp_path, text, measurements=counts({5: value}))
    row = context.derived["low"].row(0, named=True)
    assert (row["status"], row["day"]) == expected
    row = context.derived["time"].row(0, named=True)
    assert (row["status"], row["day"]) == time
