"""Times to the first of several events, step by step, worked out on paper."""

import pytest

from support.derived import counts, row_of, rows_of

pytestmark = pytest.mark.by_hand


def time_to(events="[relapse, death]", competing="[]", until="", anchor="transplant", before=""):
    until = f"    until: {until}\n" if until else ""
    return (
        f"{before}  time:\n    label: Time\n    time_to_event: {{events: {events}}}\n"
        f"    from: {anchor}\n{until}    competing: {competing}\n"
    )


def happened(**days):
    """Give events by name; the record's id is the name."""
    return [
        {"record_id": name, "day": day, "event": name.rstrip("_")} for name, day in days.items()
    ]


def told(row, *names):
    return tuple(row[name] for name in names)


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        ({"relapse": 30, "death": 50}, ("event", 30, "relapse", ["relapse"])),
        ({"relapse": 50, "death": 50}, ("event", 50, "relapse", ["relapse"])),  # named first
        ({"relapse": 30, "relapse_": 20}, ("event", 20, "relapse", ["relapse_"])),
        ({"relapse": 0}, ("event", 0, "relapse", ["relapse"])),
        ({"relapse": -5}, ("censored", 200, "end of follow-up", [])),  # before the anchor
        ({"cmv": 20}, ("censored", 200, "end of follow-up", [])),
    ],
)
def test_the_first_of_the_events(tmp_path, events, expected):
    row = row_of(tmp_path, time_to(), events=happened(**events))
    assert told(row, "status", "day", "cause", "because") == expected
    assert told(row, "day_low", "day_high") == (None, None)


def test_of_two_on_a_day_the_one_that_the_definition_names_first(tmp_path):
    row = row_of(tmp_path, time_to("[death, relapse]"), events=happened(relapse=50, death=50))
    assert row["cause"] == "death"


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        ({"relapse": 30, "death": 50}, ("event", 30)),
        ({"relapse": 50, "death": 50}, ("event", 50)),  # on one day the event goes first
        ({"death": 20}, ("competing", 20)),
        ({"second_transplant": 10, "relapse": 30}, ("competing", 10)),
        ({"second_transplant": 10, "death": 10}, ("competing", 10)),
    ],
)
def test_competing_events(tmp_path, events, expected):
    text = time_to("[relapse]", "[death, second_transplant]")
    row = row_of(tmp_path, text, events=happened(**events))
    assert told(row, "status", "day") == expected
    if events.keys() == {"second_transplant", "death"}:
        assert row["cause"] == "death"


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        ({"relapse": 100}, ("event", 100, "relapse")),
        ({"relapse": 101}, ("censored", 100, "end of the time observed")),
        ({"death": 101}, ("censored", 100, "end of the time observed")),
        ({"death": 100}, ("competing", 100, "death")),
        ({}, ("censored", 100, "end of the time observed")),
    ],
)
def test_until(tmp_path, events, expected):
    text = time_to("[relapse]", "[death]", until="100 d")
    tables = {"events": happened(**events)} if events else {}
    row = row_of(tmp_path, text, **tables)
    assert told(row, "status", "day", "cause") == expected


@pytest.mark.parametrize(
    ("text", "people", "expected"),
    [
        (time_to("[death]"), {"last_contact_day": 90, "complete_until_day": 60}, 90),
        (time_to("[relapse]"), {"last_contact_day": 90, "complete_until_day": 60}, 60),
        (time_to("[relapse, death]"), {"last_contact_day": 90, "complete_until_day": 60}, 60),
        # relapse competes, so it must be known to be absent
        (time_to("[death]", "[relapse]"), {"last_contact_day": 90, "complete_until_day": 60}, 60),
        (time_to("[relapse]"), {"last_contact_day": 90, "complete_until_day": ""}, 90),
        (time_to("[relapse]", until="30 d"), {"last_contact_day": 90}, 30),
        (time_to("[relapse]", until="100 d"), {"complete_until_day": 60}, 60),
    ],
)
def test_the_end_of_follow_up(tmp_path, text, people, expected):
    row = row_of(tmp_path, text, people=people)
    assert told(row, "status", "day") == ("censored", expected)


@pytest.mark.parametrize("until", ["", "100 d"])
def test_follow_up_that_was_never_recorded_is_not_evaluable(tmp_path, until):
    """With an end of the time observed too: nobody knows that the participant reached it."""
    row = row_of(
        tmp_path,
        time_to(until=until),
        people={"last_contact_day": "", "complete_until_day": ""},
    )
    assert told(row, "status", "day", "cause") == (
        "not_evaluable", None, "end of follow-up not recorded",
    )  # fmt: skip


def test_death_ends_the_follow_up_where_it_is_no_event(tmp_path):
    people = {"last_contact_day": "", "complete_until_day": ""}
    row = row_of(tmp_path, time_to("[relapse]"), people=people, events=happened(death=40))
    assert told(row, "status", "day", "cause") == ("censored", 40, "end of follow-up")


def test_follow_up_that_ends_before_the_anchor(tmp_path):
    row = row_of(
        tmp_path,
        time_to(anchor="first_msc"),
        people={"last_contact_day": 10, "complete_until_day": 10},
        infusions=[{"day": 20, "product": "msc", "number": 1, "cells": 7e7}],
    )
    assert told(row, "status", "cause") == ("not_evaluable", "follow-up ends before the anchor")


def test_days_count_from_the_anchor(tmp_path):
    rows = rows_of(
        tmp_path,
        time_to(anchor="first_msc"),
        people=[{}, {}],
        infusions=[{"day": 20, "product": "msc", "number": 1, "cells": 7e7}],
        events=happened(relapse=50),
    )
    assert rows.select("status", "day", "anchor_day").rows() == [
        ("event", 30, 20),
        ("not_applicable", None, None),
    ]


def test_grade_and_cause_narrow_an_event(tmp_path):
    events = [
        {"record_id": "g1", "day": 5, "event": "agvhd", "grade": 1},
        {"record_id": "g3", "day": 9, "event": "agvhd", "grade": 3},
        {"record_id": "d", "day": 30, "event": "death", "cause": "relapse"},
    ]
    row = row_of(tmp_path, time_to("[{event: agvhd, grade_at_least: 2}]"), events=events)
    assert told(row, "day", "because") == (9, ["g3"])
    for cause, status in (("relapse", "event"), ("infection", "censored")):
        text = time_to(f"[{{event: death, cause: {cause}}}]")
        row = row_of(tmp_path / cause, text, events=events)
        assert told(row, "status", "day") == (status, 30)


@pytest.mark.parametrize(
    ("spec", "event", "cause"),
    [
        ("{event: agvhd, grade_at_least: 2}", {"event": "agvhd"}, "agvhd without its grade"),
        ("{event: death, cause: relapse}", {"event": "death"}, "death without its cause"),
    ],
)
def test_an_event_that_lacks_what_is_asked_for_is_unknown(tmp_path, spec, event, cause):
    """It may be the event: neither that it was nor that it was not can be said."""
    row = row_of(tmp_path, time_to(f"[{spec}]"), events=[{"record_id": "g", "day": 7, **event}])
    assert told(row, "status", "day", "cause", "because") == ("not_evaluable", None, cause, ["g"])


def test_two_things_asked_for_and_one_of_them_ruled_out(tmp_path):
    """Of another cause, it is no event whatever its grade."""
    text = time_to("[{event: infection, grade_at_least: 3, cause: CMV}]")
    event = {"record_id": "i", "day": 7, "event": "infection"}
    row = row_of(tmp_path / "a", text, events=[{**event, "cause": "EBV"}])
    assert row["status"] == "censored"
    row = row_of(tmp_path / "b", text, events=[{**event, "cause": "CMV"}])
    assert row["status"] == "not_evaluable"
    row = row_of(tmp_path / "c", text, events=[{**event, "grade": 2}])
    assert row["status"] == "censored"


UNGRADED = {"event": "agvhd"}
GRADED = {"event": "agvhd", "grade": 3}


@pytest.mark.parametrize(
    ("spec", "competing", "events", "expected"),
    [
        # an undecided one before an event: the day is uncertain, the event is not
        ("agvhd", "[]", [(20, UNGRADED), (40, GRADED)], ("event", 40, 20, 40)),
        ("agvhd", "[]", [(40, UNGRADED), (40, GRADED)], ("event", 40, None, None)),
        ("agvhd", "[]", [(50, UNGRADED), (40, GRADED)], ("event", 40, None, None)),
        # before a competing event, or on its day (an event goes first): nothing can be said
        ("agvhd", "[death]", [(20, UNGRADED), (40, {"event": "death"})],
         ("not_evaluable", None, None, None)),
        ("agvhd", "[death]", [(40, UNGRADED), (40, {"event": "death"})],
         ("not_evaluable", None, None, None)),
        ("agvhd", "[death]", [(41, UNGRADED), (40, {"event": "relapse"})],
         ("not_evaluable", None, None, None)),
        # what may be a competing event, before an event: the event may not have been the first
        ("relapse", "[{event: agvhd, grade_at_least: 2}]", [(20, UNGRADED),
         (40, {"event": "relapse"})], ("not_evaluable", None, None, None)),
        ("relapse", "[{event: agvhd, grade_at_least: 2}]", [(40, UNGRADED),
         (40, {"event": "relapse"})], ("event", 40, None, None)),
        # before a competing event it moves the day alone
        ("relapse", "[{event: agvhd, grade_at_least: 2}]", [(20, UNGRADED), (40, GRADED)],
         ("competing", 40, None, None)),
    ],
)  # fmt: skip
def test_something_undecided_before_what_was_decided(tmp_path, spec, competing, events, expected):
    spec = "{event: agvhd, grade_at_least: 2}" if spec == "agvhd" else spec
    rows = [{"record_id": f"e{i}", "day": day, **event} for i, (day, event) in enumerate(events)]
    row = row_of(tmp_path, time_to(f"[{spec}]", competing), events=rows)
    assert told(row, "status", "day", "day_low", "day_high") == expected


def test_an_uncertain_day_is_told(tmp_path):
    rows = [{"record_id": "a", "day": 20, **UNGRADED}, {"record_id": "b", "day": 40, **GRADED}]
    row = row_of(tmp_path, time_to("[{event: agvhd, grade_at_least: 2}]"), events=rows)
    assert row["note"] == (
        "agvhd on day 40. The day is uncertain: agvhd without its grade on day 20."
    )
    assert row["because"] == ["b"]


@pytest.mark.parametrize("complete", [50, 200])
def test_a_landmark_that_was_not_reached_alive_did_not_happen(tmp_path, complete):
    """Records may be complete beyond death; nobody is at risk from day 100 who died on day 50."""
    people = {"last_contact_day": 50, "complete_until_day": complete}
    row = row_of(tmp_path, time_to("[relapse]", anchor="landmark"), people=people,
                 events=happened(death=50))  # fmt: skip
    assert told(row, "status", "day", "cause") == ("not_applicable", None, "anchor did not happen")
    row = row_of(tmp_path / "b", time_to("[death]", anchor="landmark"), events=happened(death=100))
    assert told(row, "status", "day") == ("event", 0)  # the day of the landmark itself


# --- events that are themselves derived ----------------------------------------------------


def response(missing="no response", assessed="at: 56 d, visit_window: [-3 d, 3 d]"):
    return (
        "  response:\n    label: Response\n    response: {levels: {PR: {counts: "
        "[{analyte: PLT, at_least: 20 10*9/L}]}}, otherwise: NR}\n"
        f"    assessed: {{from: first_msc, {assessed}, missing: {missing}, death: no response}}\n"
    )


MSC = [{"day": 10, "product": "msc", "number": 1, "cells": 7e7}]
FAILURE = "[death, {endpoint: response, is: [NR]}]"


@pytest.mark.parametrize("visit", [63, 66, 69])
def test_no_response_is_an_event_at_its_planned_time(tmp_path, visit):
    """Day 56 from the first infusion on day 10: day 66, whenever the visit was."""
    row = row_of(
        tmp_path,
        time_to(FAILURE, before=response()),
        infusions=MSC,
        measurements=counts({visit: 10}, "PLT"),
    )
    assert told(row, "status", "day", "cause") == ("event", 66, "response NR")
    assert row["because"] == ["response:P1"]


def test_a_response_is_none(tmp_path):
    row = row_of(
        tmp_path,
        time_to(FAILURE, before=response()),
        infusions=MSC,
        measurements=counts({66: 30}, "PLT"),
    )
    assert told(row, "status", "day") == ("censored", 200)


def test_death_before_the_assessment_is_the_event(tmp_path):
    for text, status in ((FAILURE, "event"), ("[{endpoint: response, is: [NR]}]", "censored")):
        row = row_of(
            tmp_path / status,
            time_to(text, before=response()),
            infusions=MSC,
            people={"last_contact_day": 40, "complete_until_day": 40},
            events=happened(death=40),
        )
        assert told(row, "status", "day") == (status, 40)


@pytest.mark.parametrize(("last", "expected"), [(65, ("censored", 65)), (66, ("event", 66))])
def test_an_imputed_level_is_no_event_after_the_last_contact(tmp_path, last, expected):
    row = row_of(
        tmp_path,
        time_to(FAILURE, before=response()),
        infusions=MSC,
        people={"last_contact_day": last, "complete_until_day": last},
        measurements=counts({20: 10}, "PLT"),
    )
    assert told(row, "status", "day") == expected


def test_a_level_that_was_seen_is_an_event_though_follow_up_ends_at_the_visit(tmp_path):
    row = row_of(
        tmp_path,
        time_to(FAILURE, before=response()),
        infusions=MSC,
        people={"last_contact_day": 64, "complete_until_day": 64},
        measurements=counts({64: 10}, "PLT"),
    )
    assert told(row, "status", "day") == ("event", 66)


def test_the_best_response_is_none_at_the_end_of_its_time(tmp_path):
    row = row_of(
        tmp_path,
        time_to(FAILURE, before=response(assessed="best_until: 60 d")),
        infusions=MSC,
        measurements=counts({20: 10, 50: 12}, "PLT"),
    )
    assert told(row, "status", "day") == ("event", 70)


def test_a_derived_time_to_an_event_happens_on_its_own_day(tmp_path):
    recovery = (
        "  recovery:\n    label: Recovery\n    recovery: {analyte: ANC, at_least: 0.5 10*9/L, "
        "run: 3, of: consecutive days, after: anchor}\n    from: first_msc\n    competing: []\n"
    )
    row = row_of(
        tmp_path,
        time_to("[{endpoint: recovery, is: [event]}]", before=recovery),
        infusions=MSC,
        measurements=counts([1, 1, 1, 0.2, 0.6, 0.7, 0.8], first=8),
    )
    # the run begins on day 12, two days after the infusion
    assert told(row, "status", "day", "cause") == ("event", 12, "recovery event")


RECOVERY = """\
  recovery:
    label: Recovery
    recovery: {analyte: ANC, at_least: 0.5 10*9/L, run: 3, of: consecutive days,
               after: {nadir_within: 28 d}}
    from: transplant
    competing: []
"""
LOW = [1, *[0.1] * 29]  # days 0 to 29: a run could have begun up to day 27


@pytest.mark.parametrize(
    ("values", "events", "competing", "expected"),
    [
        (LOW, {}, "[]", ("censored", 27, None, "end of what is known of an event")),
        # nobody knows whether the counts recovered between day 28 and death
        (LOW, {"death": 150}, "[death]",
         ("censored", 27, None, "end of what is known of an event")),
        (LOW, {"second_transplant": 20}, "[second_transplant]",
         ("competing", 20, None, "second_transplant")),
        (LOW, {"relapse": 150}, "[]", ("event", 150, 28, "relapse")),
        (LOW, {"relapse": 25}, "[]", ("event", 25, None, "relapse")),
        # never counted: not that it did not happen
        ([], {}, "[]", ("not_evaluable", None, None, "recovery is not known")),
        ([], {"relapse": 30}, "[]", ("event", 30, 0, "relapse")),
        ([], {"death": 30}, "[death]", ("not_evaluable", None, None, "recovery is not known")),
    ],
)  # fmt: skip
def test_events_that_are_endpoints_nobody_can_tell(tmp_path, values, events, competing, expected):
    text = time_to("[relapse, {endpoint: recovery, is: [event]}]", competing, before=RECOVERY)
    tables = {"measurements": counts(values), "events": happened(**events)}
    row = row_of(tmp_path, text, **{name: rows for name, rows in tables.items() if rows})
    assert told(row, "status", "day", "day_low", "cause") == expected
