"""Levels of response, step by step, worked out on paper."""

from datetime import date

import pytest

from stromal.endpoints import derive
from stromal.protocol import read_protocol
from stromal.records import read_records
from support.derived import PERSON, counts, protocol_text, row_of, rows_of
from support.study_folder import make_study

pytestmark = pytest.mark.by_hand

AT = "at: 56 d, visit_window: [-3 d, 3 d]"
HELD = ", held: {run: 7, of: consecutive days}"
DURING = ", without_transfusion: {product: platelets, when: during}"


def response(
    assessed=AT, held="", free="", missing="no response", death="no response", levels=None
):
    levels = levels or (
        f"CR: {{counts: [{{analyte: PLT, at_least: 50 10*9/L{free}}}]{held}}}, "
        f"PR: {{counts: [{{analyte: PLT, at_least: 20 10*9/L{free}}}]{held}}}"
    )
    return (
        "  response:\n    label: Response\n"
        f"    response: {{levels: {{{levels}}}, otherwise: NR}}\n"
        f"    assessed: {{from: transplant, {assessed}, missing: {missing}, death: {death}}}\n"
    )


def platelets(values, **kwargs):
    return counts(values, "PLT", **kwargs)


def told(row, *names):
    return tuple(row[name] for name in names)


@pytest.mark.parametrize(
    ("value", "level"),
    [(49, "PR"), (50, "CR"), (20, "PR"), (19, "NR"), (">100", "CR"), ("<15", "NR")],
)
def test_the_highest_level_that_holds(tmp_path, value, level):
    row = row_of(tmp_path, response(), measurements=platelets({56: value}))
    assert told(row, "status", "day", "cause", "because") == (level, 56, None, ["PLT56"])


def test_a_better_level_left_open_is_said(tmp_path):
    """At least 30: whether it is 50 nobody knows, but 20 it is."""
    row = row_of(tmp_path, response(), measurements=platelets({56: ">30"}))
    assert row["status"] == "PR"
    assert "CR could not be judged" in row["note"]


@pytest.mark.parametrize(
    ("days", "expected"),
    [
        ({52: 60, 60: 60}, ("NR", None)),  # outside the window: missing
        ({53: 60}, ("CR", 53)),
        ({59: 60}, ("CR", 59)),
        ({54: 10, 57: 60}, ("CR", 57)),  # the nearest day, not the first
        ({55: 60, 57: 10}, ("CR", 55)),  # of two equally near the earlier
    ],
)
def test_the_day_of_the_window_nearest_to_the_plan(tmp_path, days, expected):
    row = row_of(tmp_path, response(), measurements=platelets(days))
    assert told(row, "status", "day") == expected


def test_a_day_with_all_counts_goes_before_a_nearer_one(tmp_path):
    levels = (
        "CR: {counts: [{analyte: PLT, at_least: 50 10*9/L}, {analyte: ANC, at_least: 1 10*9/L}]}"
    )
    measured = platelets({56: 10, 58: 60}) + counts({58: 2})
    row = row_of(tmp_path, response(levels=levels), measurements=measured)
    assert told(row, "status", "day") == ("CR", 58)


@pytest.mark.parametrize(("lines", "level"), [("", "NR"), (", lines: 1", "CR")])
def test_some_of_the_counts(tmp_path, lines, level):
    levels = (
        "CR: {counts: [{analyte: PLT, at_least: 50 10*9/L}, {analyte: ANC, at_least: 1 10*9/L}]"
        f"{lines}}}"
    )
    measured = platelets({56: 60}) + counts({56: 0.4})
    assert row_of(tmp_path, response(levels=levels), measurements=measured)["status"] == level


@pytest.mark.parametrize(
    ("choice", "status"), [("no response", "NR"), ("not in set", "not_evaluable")]
)
def test_a_missing_assessment_follows_the_choice(tmp_path, choice, status):
    row = row_of(tmp_path, response(missing=choice), measurements=platelets({40: 60}))
    assert told(row, "status", "cause", "day") == (status, "counts are missing", None)
    # one analyte of two is missing: the same
    levels = (
        "CR: {counts: [{analyte: PLT, at_least: 50 10*9/L}, {analyte: ANC, at_least: 1 10*9/L}]}"
    )
    row = row_of(
        tmp_path / "b",
        response(missing=choice, levels=levels),
        measurements=platelets({56: 60}),
    )
    assert told(row, "status", "cause") == (status, "counts are missing")


@pytest.mark.parametrize(
    ("choice", "status"), [("no response", "NR"), ("not in set", "not_evaluable")]
)
@pytest.mark.parametrize("died", [20, 57, 59])
def test_death_before_the_assessment_follows_its_choice(tmp_path, choice, status, died):
    row = row_of(
        tmp_path, response(death=choice, missing="not in set"), measurements=platelets({10: 60}),
        events=[{"day": died, "event": "death"}],
    )  # fmt: skip
    assert told(row, "status", "cause") == (status, "died before the assessment")


def test_death_after_the_window_or_after_the_visit(tmp_path):
    row = row_of(
        tmp_path / "a", response(missing="not in set"), events=[{"day": 60, "event": "death"}]
    )
    assert told(row, "status", "cause") == ("not_evaluable", "counts are missing")
    row = row_of(
        tmp_path / "b",
        response(),
        measurements=platelets({54: 60}),
        events=[{"day": 56, "event": "death"}],
    )
    assert told(row, "status", "day") == ("CR", 54)


@pytest.mark.parametrize(
    ("last", "status"), [(40, "not_evaluable"), (52, "not_evaluable"), (53, "NR")]
)
def test_without_a_cutoff_who_was_followed_for_less_is_not_yet_due(tmp_path, last, status):
    row = row_of(
        tmp_path,
        response(),
        people={"last_contact_day": last, "complete_until_day": ""},
        measurements=platelets({10: 60}),
    )
    assert row["status"] == status
    assert row["cause"] == ("not yet due" if status == "not_evaluable" else "counts are missing")


@pytest.mark.parametrize(
    ("cutoff", "status", "cause"),
    [
        (date(2024, 2, 28), "not_evaluable", "not yet due"),  # day 58: the window is open
        (date(2024, 2, 29), "NR", "counts are missing"),  # day 59: it closes
        (date(2025, 1, 1), "NR", "counts are missing"),
    ],
)
def test_with_a_cutoff_the_calendar_says_what_is_due(tmp_path, cutoff, status, cause):
    """Lost to follow-up on day 20: missing once the visit was due, by the protocol's choice."""
    people = {
        **PERSON, "transplanted_day": "", "transplanted_on": "2024-01-01",
        "last_contact_day": 20, "complete_until_day": 20,
    }  # fmt: skip
    make_study(
        tmp_path,
        protocol_text=protocol_text(response()),
        participants=[people],
        measurements=[{**row, "participant_id": "P1"} for row in platelets({10: 60})],
    )
    protocol = read_protocol(tmp_path)
    rows = derive(protocol, read_records(tmp_path, protocol, data_cutoff=cutoff))
    assert rows.select("status", "cause").row(0) == (status, cause)


def test_without_the_anchor(tmp_path):
    text = response().replace("from: transplant", "from: first_msc")
    row = row_of(tmp_path, text, measurements=platelets({56: 60}))
    assert told(row, "status", "cause") == ("not_applicable", "anchor did not happen")


# --- held over a run -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("days", "expected"),
    [
        (range(47, 54), ("CR", 47)),  # the seventh day is the first of the window
        (range(46, 53), ("NR", None)),  # it ends a day before, and the next days are missing
        (range(53, 60), ("CR", 53)),  # the seventh day is the last of the window
        (range(54, 61), ("NR", None)),
        (range(30, 70), ("CR", 30)),  # the whole run to which the window's days belong
        ([*range(47, 50), *range(51, 58)], ("CR", 51)),
        ([*range(47, 53), 54, 55], ("NR", None)),
    ],
)
def test_a_run_ends_in_the_window(tmp_path, days, expected):
    measured = platelets(dict.fromkeys(days, 60))
    row = row_of(tmp_path, response(held=HELD), measurements=measured)
    assert told(row, "status", "day") == expected


@pytest.mark.parametrize(
    ("failing", "status"),
    [
        # each run of 7 days that ends on days 53 to 59 has one of these failing days
        ([53, 57], "NR"),
        ([50, 57], "NR"),
        ([52], "not_evaluable"),  # days 53 to 59 may all have been fine
        ([57], "not_evaluable"),  # days 47 to 53 may
        ([46, 54], "not_evaluable"),  # days 47 to 53 again
        ([47, 54], "NR"),
    ],
)
def test_counts_that_exclude_every_run_are_no_response(tmp_path, failing, status):
    row = row_of(
        tmp_path,
        response(held=HELD, missing="not in set"),
        measurements=platelets(dict.fromkeys(failing, 10)),
    )
    assert row["status"] == status


def test_one_failing_day_can_exclude_every_run(tmp_path):
    """Day 53: the runs of days 47-53 to 53-59 all contain it."""
    row = row_of(
        tmp_path,
        response(held=HELD, missing="not in set"),
        measurements=platelets({53: 10}),
    )
    assert told(row, "status", "cause") == ("NR", None)


def test_partial_response_where_the_complete_one_fails(tmp_path):
    values = {**dict.fromkeys(range(47, 60), 60), 50: 30, 55: 30}
    row = row_of(tmp_path, response(held=HELD), measurements=platelets(values))
    assert told(row, "status", "day") == ("PR", 47)


def test_partial_response_while_the_complete_one_is_open(tmp_path):
    values = {**dict.fromkeys(range(47, 60), 60), 50: ">30", 56: ">30"}
    row = row_of(tmp_path, response(held=HELD), measurements=platelets(values))
    assert row["status"] == "PR"
    assert "CR could not be judged" in row["note"]


@pytest.mark.parametrize(
    ("transfused", "expected"),
    [(46, "CR"), (47, "CR"), (52, "CR"), (53, "NR"), (54, "CR"), (56, "CR")],
)
def test_transfused_during_the_run(tmp_path, transfused, expected):
    """Counts of 60 on days 47 to 59: seven free days must be left that end in the window."""
    row = row_of(
        tmp_path,
        response(held=HELD, free=DURING),
        measurements=platelets(dict.fromkeys(range(47, 60), 60)),
        transfusions=[{"day": transfused, "product": "platelets"}],
    )
    assert row["status"] == expected


def test_the_transfusion_log_must_reach_the_window(tmp_path):
    measured = platelets(dict.fromkeys(range(45, 60), 60))
    row = row_of(
        tmp_path / "a", response(held=HELD, free=DURING, missing="not in set"),
        people={"complete_until_day": 54}, measurements=measured,
    )  # fmt: skip
    assert told(row, "status", "day") == ("CR", 45)  # days 45 to 54: complete within the log
    row = row_of(
        tmp_path / "b", response(held=HELD, free=DURING, missing="not in set"),
        people={"complete_until_day": 52}, measurements=measured,
    )  # fmt: skip
    assert told(row, "status", "cause") == ("not_evaluable", "not yet due")


# --- the best response ---------------------------------------------------------------------

BEST = "best_until: 60 d"


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({5: 30, 20: 60, 30: 10}, ("CR", 20)),
        ({5: 30, 20: 25, 30: 10}, ("PR", 5)),
        ({5: 10, 20: 12}, ("NR", None)),
        ({5: 10, 60: 60}, ("CR", 60)),
        ({5: 10, 61: 60}, ("NR", None)),  # too late
    ],
)
def test_the_best_level_reached(tmp_path, values, expected):
    row = row_of(tmp_path, response(BEST, missing="not in set"), measurements=platelets(values))
    assert told(row, "status", "day") == expected


@pytest.mark.parametrize(("first", "level"), [(54, "CR"), (55, "NR")])
def test_the_best_run_is_complete_by_the_end(tmp_path, first, level):
    measured = platelets({**dict.fromkeys(range(54), 10), **dict.fromkeys(range(first, 65), 60)})
    row = row_of(tmp_path, response(BEST, held=HELD), measurements=measured)
    assert row["status"] == level


@pytest.mark.parametrize(
    ("values", "status"),
    [
        ({70: 60}, "not_evaluable"),  # nothing was counted in time
        ({10: 10, 20: "<38.5"}, "not_evaluable"),  # it may have been a partial response
        ({10: 10, 20: "<15"}, "NR"),
    ],
)
def test_the_best_response_is_open(tmp_path, values, status):
    row = row_of(tmp_path, response(BEST, missing="not in set"), measurements=platelets(values))
    assert row["status"] == status


def test_one_missed_draw_cannot_hide_a_run_of_seven_days(tmp_path):
    daily = "[{analytes: [PLT], from: transplant, until: 60 d, on: daily}]"
    values = {day: 10 for day in range(61) if day != 30}
    row = row_of(
        tmp_path, response(BEST, held=HELD, missing="not in set"), draws=daily,
        measurements=platelets(values),
    )  # fmt: skip
    assert told(row, "status", "cause") == ("NR", None)
    for day in range(30, 37):
        del values[day if day != 30 else 37]
    row = row_of(
        tmp_path / "b", response(BEST, held=HELD, missing="not in set"), draws=daily,
        measurements=platelets(values),
    )  # fmt: skip
    assert told(row, "status", "cause") == ("not_evaluable", "counts are missing")


@pytest.mark.parametrize(("last", "cause"), [(59, "not yet due"), (60, "counts are missing")])
def test_the_best_response_needs_the_whole_time(tmp_path, last, cause):
    row = row_of(
        tmp_path,
        response(BEST, missing="not in set"),
        people={"last_contact_day": last, "complete_until_day": last},
        measurements=platelets({10: "<38.5"}),
    )
    assert row["cause"] == cause


def test_each_participant_gets_their_own_level(tmp_path):
    """More participants than rows of one, in an order of their own."""
    values = [60, None, 30, 10, None, 55, 20]
    people = [{"participant_id": f"P{9 - i}"} for i in range(len(values))]
    measured = [
        row
        for i, value in enumerate(values)
        if value is not None
        for row in platelets({56: value}, participant=f"P{9 - i}")
    ]
    rows = rows_of(tmp_path, response(), people=people, measurements=measured[::-1])
    assert rows["participant_id"].to_list() == [f"P{9 - i}" for i in range(7)]
    assert rows["status"].to_list() == ["CR", "NR", "PR", "NR", "NR", "CR", "PR"]
