"""The plan computed from the protocol."""

from datetime import date
from pathlib import Path

import polars as pl
import pytest

from stromal.core import parse_quantity
from stromal.protocol import Protocol, read_protocol
from stromal.protocol.rules import RunRule
from stromal.protocol.schedule import (
    PLANNED_COLUMNS,
    dose_in_words,
    draw_days,
    draws_due,
    infusions_due,
    largest_daily_run,
    planned_infusions,
    shortest_run,
    shortest_shown_run,
)
from stromal.protocol.timing import DrawPlan
from stromal.protocol.treatment import (
    FixedDose,
    InfusionPlan,
    PerKilogramDose,
    RangeDose,
    UnstatedDose,
)

CLEAN = Path(__file__).resolve().parent / "data" / "clean.yaml"
MONDAY = date(2024, 1, 1)


def plan(**pattern) -> DrawPlan:
    whole = {"analytes": ["PLT"], "from": "transplant", "until": "8 wk"}
    return DrawPlan.model_validate({**whole, **pattern})


def run(**rule) -> RunRule:
    return RunRule.model_validate(rule)


@pytest.fixture
def clean() -> Protocol:
    return read_protocol(CLEAN)


def with_plans(protocol: Protocol, *plans: dict) -> Protocol:
    arm = protocol.arms["msc"].model_copy(
        update={"infuse": [InfusionPlan.model_validate(p) for p in plans]}
    )
    return protocol.model_copy(update={"arms": {"msc": arm}})


WEEKLY = {"product": "msc", "dose": {"per_kg": "1e6 /kg"}, "first": "enrolment", "every": "7 d"}


@pytest.mark.by_hand
def test_four_weekly_infusions(clean):
    planned = planned_infusions(clean)
    assert dict(planned.schema) == PLANNED_COLUMNS
    assert planned["number"].to_list() == [1, 2, 3, 4]
    assert planned["due_after"].to_list() == [0, 7, 14, 21]
    assert planned["earliest"].to_list() == [-1, 6, 13, 20]
    assert planned["latest"].to_list() == [2, 9, 16, 23]
    assert planned["optional"].to_list() == [False] * 4
    assert planned["dose"].unique().to_list() == ["1 x 10^6 cells/kg (weight at infusion)"]


@pytest.mark.by_hand
def test_two_to_five_infusions_from_day_14(clean):
    protocol = with_plans(
        clean, {**WEEKLY, "times": {"from": 2, "to": 5}, "first_after": "14 d",
                "window": "not stated"},
    )  # fmt: skip
    planned = planned_infusions(protocol)
    assert planned["due_after"].to_list() == [14, 21, 28, 35, 42]
    assert planned["after_first"].to_list() == [0, 7, 14, 21, 28]
    assert planned["optional"].to_list() == [False, False, True, True, True]
    assert planned["earliest"].null_count() == 5


@pytest.mark.by_hand
def test_numbers_go_on_through_the_plans_of_one_product(clean):
    protocol = with_plans(
        clean,
        {**WEEKLY, "times": 2, "window": "not stated"},
        {**WEEKLY, "times": 3, "every": "28 d", "first_after": "60 d", "window": "not stated"},
    )
    planned = planned_infusions(protocol)
    assert planned["number"].to_list() == [1, 2, 3, 4, 5]
    assert planned["plan"].to_list() == [0, 0, 1, 1, 1]
    assert planned["due_after"].to_list() == [0, 7, 60, 88, 116]
    assert planned["after_first"].to_list() == [0, 7, 0, 28, 56]


def test_what_is_not_stated_has_no_day(clean):
    protocol = with_plans(clean, {**WEEKLY, "every": "not stated", "times": 3,
                                  "window": [ "-1 d", "1 d"]})  # fmt: skip
    assert planned_infusions(protocol)["due_after"].to_list() == [0, None, None]
    assert planned_infusions(protocol)["latest"].to_list() == [1, None, None]
    unknown = with_plans(clean, {**WEEKLY, "times": "not stated", "window": "not stated"})
    assert planned_infusions(unknown)["number"].to_list() == [1]
    assert planned_infusions(with_plans(clean)).height == 0


@pytest.mark.by_hand
def test_infusions_of_participants(clean):
    participants = pl.DataFrame(
        {
            "participant_id": ["b", "a", "c"],
            "arm": ["msc", "msc", None],
            "transplant": [0, 0, 0],
            "enrolment": [40, None, 30],
            "first_msc": [None, None, None],
        },
        schema_overrides={"first_msc": pl.Int32},
    )
    due = infusions_due(clean, participants)
    assert due["participant_id"].to_list() == ["b"] * 4 + ["a"] * 4
    assert due["due_day"].to_list() == [40, 47, 54, 61] + [None] * 4
    assert due["earliest_day"].to_list()[:4] == [39, 46, 53, 60]
    assert due["latest_day"].to_list()[:4] == [42, 49, 56, 63]


@pytest.mark.parametrize(
    ("dose", "words"),
    [
        (PerKilogramDose(per_kg=parse_quantity("1e6 /kg")), "1 x 10^6 cells/kg"),
        (PerKilogramDose(per_kg=parse_quantity("2.5 10*6/kg"), cap=parse_quantity("1e8")),
         "2.5 x 10^6 cells/kg, at most 1 x 10^8 cells"),
        (FixedDose(fixed=parse_quantity("3e7"), volume="100 mL"), "3 x 10^7 cells in 100 mL"),
        (RangeDose(range_per_kg=(parse_quantity("1.3e6 /kg"), parse_quantity("4.5e6 /kg"))),
         "1.3 x 10^6 to 4.5 x 10^6 cells/kg"),
        (UnstatedDose(none="saline"), "saline"),
        (FixedDose(fixed=parse_quantity("500")), "500 cells"),
    ],
)  # fmt: skip
def test_doses_in_words(dose, words):
    assert dose_in_words(dose) == words


@pytest.mark.by_hand
def test_days_of_one_plan():
    assert draw_days(plan(on="daily", until="4 d"), anchor_date=None, last=99) == (0, 1, 2, 3, 4)
    assert draw_days(plan(every="3 d", start="1 d"), anchor_date=None, last=9) == (1, 4, 7)
    # the anchor is a Monday: Monday 0, Wednesday 2, Friday 4
    on = plan(on=["Mon", "Wed", "Fri"])
    assert draw_days(on, anchor_date=MONDAY, last=9) == (0, 2, 4, 7, 9)
    assert draw_days(on, anchor_date=date(2024, 1, 3), last=6) == (0, 2, 5)
    assert draw_days(on, anchor_date=None, last=9) is None
    assert draw_days(plan(on="daily", until="discharge"), anchor_date=None, last=2) == (0, 1, 2)
    assert draw_days(plan(on="daily", start="9 d"), anchor_date=None, last=2) == ()


@pytest.mark.by_hand
def test_draws_of_participants(clean):
    protocol = clean.model_copy(
        update={
            "draws": [
                plan(on="daily", until="first_msc", analytes=["PLT", "ANC"]),
                plan(on=["Mon", "Thu"], until="10 d", **{"from": "first_msc"}),
            ]
        }
    )
    participants = pl.DataFrame(
        {
            "participant_id": ["a", "b", "c"],
            "transplant": [0, 0, 0],
            "enrolment": [0, 0, 0],
            "first_msc": [3, 3, None],
            "until_day": [9, 30, 1],
            "day_zero_date": [MONDAY, None, MONDAY],
        }
    )
    due = draws_due(protocol, participants)
    days = {
        (p, analyte): rows["day"].to_list()
        for (p, analyte), rows in due.group_by("participant_id", "analyte", maintain_order=True)
    }
    # a: daily until the day before the infusion (day 3), then Thursdays and Mondays up to day 9
    assert days["a", "ANC"] == [0, 1, 2]
    assert days["a", "PLT"] == [0, 1, 2, 3, 7]
    # b has no date: the weekdays cannot be placed, one row says so
    assert days["b", "PLT"] == [0, 1, 2, None]
    # c was not infused: daily up to the last day looked at
    assert days["c", "PLT"] == [0, 1]
    assert draws_due(clean.model_copy(update={"draws": "not stated"}), participants).is_empty()


def test_draws_agree_with_the_days_of_one_plan(clean):
    plans = [plan(on=["Tue", "Sat"], start="3 d"), plan(every="5 d", until="33 d")]
    participants = pl.DataFrame(
        {"participant_id": ["a"], "transplant": [11], "enrolment": [11], "first_msc": [11],
         "until_day": [50], "day_zero_date": [MONDAY]}
    )  # fmt: skip
    due = draws_due(clean.model_copy(update={"draws": plans}), participants)
    expected = {
        11 + day
        for one in plans
        for day in draw_days(one, anchor_date=date(2024, 1, 12), last=39) or ()
    }
    assert due["day"].to_list() == sorted(expected)


@pytest.mark.by_hand
@pytest.mark.parametrize(
    ("plans", "longest"),
    [
        ([plan(on="daily")], None),
        ([plan(every="1 d")], None),
        ([plan(every="2 d")], 1),
        ([plan(every="7 d")], 1),
        ([plan(on=["Mon", "Wed", "Fri"])], 1),
        ([plan(on=["Mon", "Tue", "Wed", "Thu", "Fri"])], 5),
        ([plan(on=["Sat", "Sun", "Mon"])], 3),  # over the end of the week
        ([plan(on=["Mon", "Tue", "Wed", "Thu", "Fri"]), plan(on=["Sat"])], 6),
        ([plan(on=["Mon", "Tue", "Wed", "Thu", "Fri"]), plan(on=["Sat", "Sun"])], None),
        ([plan(every="2 d"), plan(every="2 d")], None),  # on the days between
        ([plan(on=["Mon", "Wed", "Fri"]), plan(every="7 d")], 3),  # Mon Tue Wed
        ([plan(on=["Mon", "Tue", "Wed", "Thu", "Fri", "Sat"]), plan(every="14 d")], 13),
        ([], 0),
    ],
)
def test_largest_daily_run(plans, longest):
    assert largest_daily_run(plans) == longest


@pytest.mark.by_hand
def test_shortest_runs():
    seven = run(run=7, of="consecutive days")
    assert shortest_run(range(10), seven) == 6
    assert shortest_run([0, 1, 2, 4, 5, 6, 7, 8, 9], seven) is None
    three = run(run=3, of="values on different days", largest_gap="none")
    assert shortest_run([0, 7, 9, 12], three) == 5
    close = run(run=3, of="values on different days", largest_gap="3 d")
    assert shortest_run([0, 4, 8, 12], close) is None
    assert shortest_run([0, 3, 7, 10, 13], close) == 6
    lasting = run(lasting="14 d", largest_gap="7 d")
    assert shortest_run([0, 7, 14, 21], lasting) == 14
    assert shortest_run([0, 8, 16], lasting) is None
    assert shortest_run([0, 6, 13, 19], lasting) == 19
    assert shortest_run([], three) is None


@pytest.mark.by_hand
def test_runs_that_plans_can_show():
    seven = run(run=7, of="consecutive days")
    assert shortest_shown_run([plan(on="daily")], seven) == 6
    assert shortest_shown_run([plan(on=["Mon", "Wed", "Fri"])], seven) is None
    three = run(run=3, of="values on different days", largest_gap="none")
    assert shortest_shown_run([plan(on=["Mon", "Wed", "Fri"])], three) == 4
    assert shortest_shown_run([plan(every="7 d")], three) == 14
    close = run(run=3, of="values on different days", largest_gap="3 d")
    assert shortest_shown_run([plan(on=["Mon", "Wed", "Fri"])], close) == 4
    assert shortest_shown_run([plan(on=["Mon", "Thu"])], close) is None
    assert shortest_shown_run([], three) is None
    year = run(lasting="1 a", largest_gap="40 d")
    assert shortest_shown_run([plan(every="28 d")], year) == 392  # 14 x 28, the first past 365


def test_single_value_needs_one_draw():
    assert shortest_shown_run([plan(every="28 d")], run(run=1, of="consecutive days")) == 0


def test_too_many_positions_count_as_daily():
    plans = [plan(every=f"{step} d") for step in (28, 30, 31, 29)]
    assert largest_daily_run(plans) is None
