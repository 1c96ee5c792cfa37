"""Counts and chains of events, step by step, worked out on paper."""

import pytest

from support.derived import row_of, rows_of

pytestmark = pytest.mark.by_hand

MSC = [{"day": 10, "product": "msc", "number": 1, "cells": 7e7}]
EVENTS = [
    {"record_id": "before", "day": 9, "event": "chills", "grade": 3, "related_to": "msc"},
    {"record_id": "chills", "day": 10, "event": "chills", "grade": 1, "related_to": "msc"},
    {"record_id": "fever", "day": 12, "event": "fever", "grade": 2, "related_to": "msc;ratg"},
    {"record_id": "rash", "day": 14, "event": "rash", "grade": 3, "related_to": "ratg",
     "not_related_to": "msc"},
    {"record_id": "anaemia", "day": 16, "event": "anaemia", "grade": 4, "serious": "yes"},
    {"record_id": "nausea", "day": 18, "event": "nausea", "not_related_to": "msc"},
    {"record_id": "death", "day": 40, "event": "death", "grade": 5, "serious": "yes"},
]  # fmt: skip


def count(events="any", more="", until="", anchor="first_msc"):
    until = f"    until: {until}\n" if until else ""
    return (
        f"  toxicity:\n    label: Toxicity\n    event_count: {{events: {events}{more}}}\n"
        f"    from: {anchor}\n{until}"
    )


def told(row, *names):
    return tuple(row[name] for name in names)


@pytest.mark.parametrize(
    ("text", "ids"),
    [
        (count(), ["chills", "fever", "rash", "anaemia", "nausea"]),  # death is no adverse event
        (count("[death, fever]"), ["fever", "death"]),
        (count("[chills]"), ["chills"]),
        (count(more=", grade_at_least: 2"), ["fever", "rash", "anaemia"]),  # nausea has no grade
        (count(more=", grade_at_least: 4"), ["anaemia"]),
        (count(more=", serious: true"), ["anaemia"]),
        (count(more=", related_to: [msc]"), ["chills", "fever"]),
        (count(more=", related_to: [ratg]"), ["fever", "rash"]),
        (count(more=", related_to: [msc, ratg]"), ["chills", "fever", "rash"]),
        (count(more=", related_to: [msc], grade_at_least: 2"), ["fever"]),
        (count(until="4 d"), ["chills", "fever", "rash"]),
        (count(until="0 d"), ["chills"]),
        (count("[bleeding]"), []),
    ],
)
def test_what_is_counted(tmp_path, text, ids):
    row = row_of(tmp_path, text, infusions=MSC, events=EVENTS)
    assert told(row, "status", "count", "because") == ("yes" if ids else "no", len(ids), ids)
    days = {event["record_id"]: event["day"] - 10 for event in EVENTS}
    assert row["day"] == (days[ids[0]] if ids else None)


@pytest.mark.parametrize(
    ("agents", "unjudged"),
    [
        ("[msc]", 1),  # anaemia alone
        ("[ratg]", 3),  # chills, anaemia and nausea: nobody said anything of ratg
        # chills, fever and rash count; of anaemia nothing, of nausea only half was judged
        ("[msc, ratg]", 2),
    ],
)
def test_relatedness_that_nobody_judged_is_told(tmp_path, agents, unjudged):
    text = count(more=f", related_to: {agents}")
    row = row_of(tmp_path, text, infusions=MSC, events=EVENTS)
    assert f"relatedness was not judged for {unjudged} more" in row["note"]


def test_without_the_anchor_and_without_events(tmp_path):
    rows = rows_of(
        tmp_path,
        count(more=", related_to: [msc]"),
        people=[{}, {}],
        infusions=[{**MSC[0], "participant_id": "P2"}],
    )
    assert rows.select("status", "count", "day").rows() == [
        ("not_applicable", None, None),
        ("no", 0, None),
    ]


# --- chains --------------------------------------------------------------------------------

CHAIN = (
    "  course:\n    label: Course\n"
    "    chain: {steps: [cmv_reactivation, cmv_disease, death]}\n    from: transplant\n"
)


def linked(*rows):
    """Give events from (id, day, event, leads_to)."""
    return [
        {"record_id": id_, "day": day, "event": event, "leads_to": leads_to}
        for id_, day, event, leads_to in rows
    ]


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        (  # the whole chain
            linked(
                ("r", 30, "cmv_reactivation", "d"),
                ("d", 45, "cmv_disease", "x"),
                ("x", 60, "death", ""),
            ),
            ("death", 60, ["r", "d", "x"]),
        ),
        (  # disease and death happened, but nobody links the disease to the death
            linked(
                ("r", 30, "cmv_reactivation", "d"),
                ("d", 45, "cmv_disease", ""),
                ("x", 60, "death", ""),
            ),
            ("cmv_disease", 45, ["r", "d"]),
        ),
        (  # the reactivation led to something that is not the next step
            linked(("r", 30, "cmv_reactivation", "x"), ("x", 60, "death", "")),
            ("cmv_reactivation", 30, ["r"]),
        ),
        (  # without its first step there is no chain
            linked(("d", 45, "cmv_disease", "x"), ("x", 60, "death", "")),
            ("none", None, []),
        ),
        (  # of two chains the furthest, though it began later
            linked(
                ("r1", 20, "cmv_reactivation", ""),
                ("r2", 30, "cmv_reactivation", "d"),
                ("d", 45, "cmv_disease", ""),
            ),
            ("cmv_disease", 45, ["r2", "d"]),
        ),
        (  # of two as far as each other the one that got there first
            linked(
                ("r1", 20, "cmv_reactivation", "d1"),
                ("r2", 30, "cmv_reactivation", "d2"),
                ("d1", 50, "cmv_disease", ""),
                ("d2", 45, "cmv_disease", ""),
            ),
            ("cmv_disease", 45, ["r2", "d2"]),
        ),
        (  # on the same day: the first by its records
            linked(("b", 20, "cmv_reactivation", ""), ("a", 20, "cmv_reactivation", "")),
            ("cmv_reactivation", 20, ["a"]),
        ),
        (  # a first step before the anchor begins nothing
            linked(("r", -3, "cmv_reactivation", "d"), ("d", 45, "cmv_disease", "")),
            ("none", None, []),
        ),
    ],
)
def test_chains(tmp_path, events, expected):
    row = row_of(tmp_path, CHAIN, events=events)
    assert told(row, "status", "day", "because") == expected


def test_a_chain_is_followed_until_its_end_of_time(tmp_path):
    events = linked(
        ("r", 30, "cmv_reactivation", "d"), ("d", 45, "cmv_disease", "x"), ("x", 60, "death", "")
    )
    row = row_of(tmp_path, CHAIN + "    until: 45 d\n", events=events)
    assert told(row, "status", "day", "note") == (
        "cmv_disease", 45, "cmv_reactivation (day 30) -> cmv_disease (day 45).",
    )  # fmt: skip


def test_a_chain_stays_within_a_participant(tmp_path):
    events = linked(("r", 30, "cmv_reactivation", "d"))
    other = [{"record_id": "e", "participant_id": "P2", "day": 45, "event": "cmv_disease"}]
    events[0]["leads_to"] = ""
    rows = rows_of(tmp_path, CHAIN, people=[{}, {}], events=[*events, *other])
    assert rows["status"].to_list() == ["cmv_reactivation", "none"]
    text = CHAIN.replace("from: transplant", "from: first_msc")
    rows = rows_of(tmp_path / "b", text, people=[{}, {}], events=[*events, *other])
    assert rows["status"].to_list() == ["not_applicable", "not_applicable"]
