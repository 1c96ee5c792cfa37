"""Verdicts that people gave, step by step."""

import pytest

from support.derived import row_of, rows_of

pytestmark = pytest.mark.by_hand


def judged(missing="no response", death="no response"):
    return (
        "  verdict:\n    label: Response\n"
        "    adjudicated: {levels: [CR, PR, NR], criteria: As it says}\n"
        "    from: transplant\n"
        "    assessed: {from: transplant, at: 56 d, visit_window: [-3 d, 3 d], "
        f"missing: {missing}, death: {death}}}\n"
    )


def timed(until=""):
    until = f"    until: {until}\n" if until else ""
    return (
        "  verdict:\n    label: GVHD\n    adjudicated: {criteria: As it says}\n"
        f"    from: transplant\n    competing: [death]\n{until}"
    )


def verdict(**row):
    return {"endpoint": "verdict", **row}


def told(row, *names):
    return tuple(row[name] for name in names)


def test_one_verdict(tmp_path):
    rows = [verdict(record_id="a", level="PR", day=55, assessor="committee", basis="marrow")]
    row = row_of(tmp_path, judged(), adjudications=rows)
    assert told(row, "status", "day", "cause", "because", "note") == (
        "PR", 55, None, ["a"], "PR by committee, marrow.",
    )  # fmt: skip


def test_verdicts_that_agree_are_one_on_the_earliest_day(tmp_path):
    rows = [
        verdict(record_id="b", level="PR", day=57, assessor="B"),
        verdict(record_id="a", level="PR", day=55, assessor="A"),
    ]
    row = row_of(tmp_path, judged(), adjudications=rows)
    assert told(row, "status", "day", "because", "note") == ("PR", 55, ["a", "b"], "PR by A, B.")


def test_assessors_that_disagree(tmp_path):
    rows = [
        verdict(record_id="a", level="PR", day=55, assessor="A"),
        verdict(record_id="b", level="NR", day=55, assessor="B"),
    ]
    row = row_of(tmp_path, judged(), adjudications=rows)
    assert told(row, "status", "day", "cause", "because") == (
        "not_evaluable", None, "assessors disagree", ["a", "b"],
    )  # fmt: skip


def test_a_verdict_without_day_or_assessor_is_read(tmp_path):
    row = row_of(tmp_path, judged(), adjudications=[verdict(record_id="a", level="CR")])
    assert told(row, "status", "day", "date", "note") == ("CR", None, None, "CR.")


@pytest.mark.parametrize(
    ("choice", "status"), [("no response", "NR"), ("not in set", "not_evaluable")]
)
def test_no_verdict(tmp_path, choice, status):
    row = row_of(tmp_path / "a", judged(missing=choice))
    assert told(row, "status", "cause") == (status, "no adjudication")
    row = row_of(tmp_path / "b", judged(death=choice), events=[{"day": 40, "event": "death"}])
    assert told(row, "status", "cause") == (status, "died before the assessment")
    row = row_of(
        tmp_path / "c",
        judged(missing=choice),
        people={"last_contact_day": 30, "complete_until_day": 30},
    )
    assert told(row, "status", "cause") == ("not_evaluable", "not yet due")


def test_a_verdict_after_death_is_read_as_told(tmp_path):
    row = row_of(
        tmp_path,
        judged(),
        events=[{"day": 40, "event": "death"}],
        adjudications=[verdict(level="PR", day=60)],
    )
    assert row["status"] == "PR"


def test_only_the_verdicts_on_this_endpoint_and_participant(tmp_path):
    other = judged().replace("  verdict:", "  another:")
    rows = rows_of(
        tmp_path,
        other + judged(),
        people=[{}, {}, {"transplanted_day": "", "transplanted_on": ""}],
        adjudications=[
            {"endpoint": "another", "level": "CR", "day": 56},
            {"endpoint": "verdict", "level": "PR", "day": 56, "participant_id": "P2"},
        ],
    )
    assert rows["status"].to_list() == ["NR", "PR", "not_applicable"]


@pytest.mark.parametrize(
    ("row", "until", "expected"),
    [
        ({"status": "event", "day": 30, "cause": "gut"}, "", ("event", 30, "gut")),
        ({"status": "censored", "day": 90}, "", ("censored", 90, None)),
        ({"status": "event", "day": 90}, "90 d", ("event", 90, None)),
        (
            {"status": "event", "day": 91},
            "90 d",
            ("censored", 90, "end of the time observed"),
        ),
        (
            {"status": "competing", "day": 91, "cause": "death"},
            "90 d",
            ("censored", 90, "end of the time observed"),
        ),
        ({"status": "event"}, "", ("not_evaluable", None, "the verdict has no day")),
        ({"status": "not_applicable"}, "", ("not_applicable", None, None)),
    ],
)
def test_times_to_an_event(tmp_path, row, until, expected):
    found = row_of(tmp_path, timed(until), adjudications=[verdict(**row)])
    assert told(found, "status", "day", "cause") == expected


def test_a_time_to_an_event_that_nobody_judged(tmp_path):
    row = row_of(tmp_path, timed(), events=[{"day": 40, "event": "death"}])
    assert told(row, "status", "cause") == ("not_evaluable", "no adjudication")


DEATH = {"record_id": "d", "day": 40, "event": "death"}


def ended(tmp_path, status, day, *, competing="[death]", until="", event=DEATH):
    """Derive a verdict of `status` on `day` beside one recorded event."""
    rows = [verdict(record_id="v", status=status, day=day, cause="as judged")]
    text = timed(until).replace("[death]", competing)
    return row_of(tmp_path, text, adjudications=rows, events=[dict(event)])


@pytest.mark.parametrize(
    ("status", "day", "expected", "because", "note"),
    [
        ("event", 39, ("event", 39, "as judged"), ["v"], "event."),
        ("event", 40, ("event", 40, "as judged"), ["v"], "event."),
        ("event", 41, ("competing", 40, "death"), ["d"],
         "Death on day 40; the verdict (event on day 41) lies after it and is not used."),
        ("competing", 41, ("competing", 40, "death"), ["d"],
         "Death on day 40; the verdict (competing on day 41) lies after it and is not used."),
        ("censored", 39, ("censored", 39, "as judged"), ["v"], "censored."),
        ("censored", 40, ("competing", 40, "death"), ["d"],
         "Death on day 40, without the event before."),
        ("censored", 60, ("competing", 40, "death"), ["d"],
         "Death on day 40, without the event before."),
    ],
)  # fmt: skip
def test_death_competes_with_a_verdict(tmp_path, status, day, expected, because, note):
    row = ended(tmp_path, status, day)
    assert told(row, "status", "day", "cause", "because", "note") == (*expected, because, note)


def test_any_competing_event_ends_the_time(tmp_path):
    relapse = {"record_id": "r", "day": 20, "event": "relapse"}
    row = ended(tmp_path, "event", 30, competing="[relapse]", event=relapse)
    assert told(row, "status", "day", "cause") == ("competing", 20, "relapse")


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ("event", ("not_evaluable", None, "the verdict lies after death")),
        ("competing", ("not_evaluable", None, "the verdict lies after death")),
        ("censored", ("censored", 40, "death")),
    ],
)
def test_a_verdict_after_death_where_death_does_not_compete(tmp_path, status, expected):
    row = ended(tmp_path, status, 60, competing="[relapse]")
    assert told(row, "status", "day", "cause") == expected


def test_a_death_after_the_time_observed_does_not_compete(tmp_path):
    row = ended(tmp_path, "event", 60, until="30 d")
    assert told(row, "status", "day", "cause", "note") == (
        "censored", 30, "end of the time observed", "censored.",
    )  # fmt: skip


def test_a_verdict_that_assessors_disagree_on_stays_open_after_death(tmp_path):
    rows = [verdict(status="event", day=60), verdict(status="censored", day=60)]
    row = row_of(tmp_path, timed(), adjudications=rows, events=[dict(DEATH)])
    assert told(row, "status", "day", "cause") == ("not_evaluable", None, "assessors disagree")


def test_people_may_say_that_a_response_cannot_be_judged(tmp_path):
    """That is a verdict: the protocol's choice for a missing one does not replace it."""
    rows = [verdict(record_id="a", status="not_evaluable", day=55, assessor="A")]
    row = row_of(tmp_path, judged(), adjudications=rows)
    assert told(row, "status", "note") == ("not_evaluable", "not_evaluable by A.")
    rows.append(verdict(record_id="b", level="PR", day=55, assessor="B"))
    row = row_of(tmp_path / "b", judged(), adjudications=rows)
    assert told(row, "status", "cause") == ("not_evaluable", "assessors disagree")


@pytest.mark.parametrize("status", ["event", "competing", "censored"])
def test_a_verdict_before_the_anchor_says_nothing_of_what_follows(tmp_path, status):
    rows = [verdict(record_id="a", status=status, day=-5)]
    row = row_of(tmp_path, timed(), adjudications=rows)
    assert told(row, "status", "day", "cause", "note") == (
        "not_evaluable", None, "the verdict lies before the anchor",
        f"The verdict ({status} on day -5) lies before the anchor and is not used.",
    )  # fmt: skip
    row = row_of(tmp_path / "b", timed(), adjudications=[{**rows[0], "day": 0}])
    assert told(row, "status", "day") == (status, 0)
