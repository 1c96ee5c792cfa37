import polars as pl
import pytest

from stromal.endpoints.context import Context
from stromal.endpoints.exposure import INFUSION_COLUMNS, list_infusions, summarize_exposure
from stromal.protocol import read_protocol
from stromal.records import read_records
from support.study_folder import PROTOCOL, make_study

pytestmark = pytest.mark.by_hand
WEEKLY = "dose: {per_kg: 1e6 /kg}, first: enrolment, every: 7 d, times: 4, window: [-1 d, 2 d]"
OLD_PLAN = PROTOCOL[PROTOCOL.index("      - product: msc") : PROTOCOL.index("    background:")]
CONTROL = "  control: {label: No cells, role: control}\n"


def context_of(folder, plan=WEEKLY, control=CONTROL, **tables) -> Context:
    text = PROTOCOL.replace(OLD_PLAN, f"      - {{product: msc, {plan}}}\n")
    text = text.replace(CONTROL, control)
    filled = {name: rows for name, rows in tables.items() if rows}
    study = make_study(folder, protocol_text=text, **filled)
    protocol = read_protocol(study)
    return Context(protocol, read_records(study, protocol))


def person(name="P1", **row):
    plain = {"transplanted_day": 0, "enrolled_day": 30, "complete_until_day": 200, "arm": "msc"}
    return {"participant_id": name, **plain, **row}


def infusion(number, day, participant="P1", **row):
    return {
        "participant_id": participant, "day": day, "product": "msc", "number": number, **row,
    }  # fmt: skip


def states(folder, days, *, who=None, plan=WEEKLY, **tables):
    """Give (number, due, given, state) of one participant; days by number."""
    context = context_of(
        folder,
        plan,
        participants=[who or person()],
        infusions=[infusion(number, day) for number, day in days.items()],
        **tables,
    )
    return list_infusions(context).select("number", "due_day", "given_day", "state").rows()


# --- due, early, late, missed ----------------------------------------------------------------


def test_later_infusions_count_from_the_first_one_given(tmp_path):
    assert states(tmp_path, {1: 32, 2: 38, 3: 48, 4: 50}) == [
        (1, 30, 32, "given"),  # the window is days 29 to 32
        (2, 39, 38, "given"),  # 32 + 7, from 38 to 41
        (3, 46, 48, "given"),  # the last day of its window
        (4, 53, 50, "given early"),  # 2 days before 52
    ]


def test_an_infusion_after_its_window_is_late(tmp_path):
    context = context_of(
        tmp_path, participants=[person()], infusions=[infusion(1, 33), infusion(2, 44)]
    )
    rows = list_infusions(context)
    assert rows.columns == list(INFUSION_COLUMNS)
    assert rows["state"].to_list() == ["given late", "given late", "missed", "missed"]
    assert rows["earliest"].to_list() == [29, 39, 46, 53]
    assert rows["latest"].to_list() == [32, 42, 49, 56]
    assert rows["note"][0].startswith("1 day after its window")
    assert rows["note"][1].startswith("2 days after its window")
    assert rows["record_id"].to_list() == ["infusions:2", "infusions:3", None, None]


def test_a_gap_in_the_numbers_is_a_missed_infusion(tmp_path):
    assert states(tmp_path, {1: 30, 3: 44}) == [
        (1, 30, 30, "given"),
        (2, 37, None, "missed"),
        (3, 44, 44, "given"),
        (4, 51, None, "missed"),
    ]


def test_without_the_first_the_plan_places_the_others(tmp_path):
    assert states(tmp_path, {2: 37}) == [
        (1, 30, None, "missed"),
        (2, 37, 37, "given"),
        (3, 44, None, "missed"),
        (4, 51, None, "missed"),
    ]


@pytest.mark.parametrize(
    ("until", "state"), [(39, "missed"), (38, "due"), (32, "due"), ("", "cannot say")]
)
def test_missed_needs_records_to_the_end_of_the_window(tmp_path, until, state):
    who = person(complete_until_day=until)
    assert states(tmp_path, {1: 30}, who=who)[1] == (2, 37, None, state)


def test_last_contact_stands_in_for_complete_until(tmp_path):
    who = person(complete_until_day="", last_contact_day=45)
    found = [row[3] for row in states(tmp_path, {1: 30}, who=who)]
    assert found == ["given", "missed", "due", "due"]  # windows end on 39, 46, 53


@pytest.mark.parametrize("event", ["death", "withdrawal"])
def test_nothing_is_due_after_death_or_withdrawal(tmp_path, event):
    # the window of the second ends on day 39, before; that of the third on day 46
    events = [{"participant_id": "P1", "day": 46, "event": event}]
    context = context_of(
        tmp_path,
        participants=[person(complete_until_day=46)],
        infusions=[infusion(1, 30)],
        events=events,
    )
    rows = list_infusions(context)
    assert rows["state"].to_list() == ["given", "missed", "not due", "not due"]
    said = "died" if event == "death" else "withdrew"
    assert rows["note"][3] == f"{said} on day 46"


def test_without_the_anchor_nothing_is_due(tmp_path):
    context = context_of(tmp_path, participants=[person(enrolled_day="")])
    rows = list_infusions(context)
    assert rows["state"].to_list() == ["not due"] * 4
    assert set(rows["note"]) == {"enrolment did not happen or is not recorded"}


def test_without_the_anchor_the_first_one_given_places_the_others(tmp_path):
    who = person(enrolled_day="")
    assert states(tmp_path, {1: 30}, who=who) == [
        (1, None, 30, "given"),
        (2, 37, None, "missed"),
        (3, 44, None, "missed"),
        (4, 51, None, "missed"),
    ]


def test_coverage_says_when_silence_means_missed(tmp_path):
    spans = [{"participant_id": "P1", "table": "infusions", "from_day": 0, "to_day": 46}]
    found = states(tmp_path, {1: 30}, coverage=spans)
    assert [row[3] for row in found] == ["given", "missed", "missed", "cannot say"]


def test_an_infusion_before_enrolment_is_told(tmp_path):
    context = context_of(tmp_path, participants=[person()], infusions=[infusion(1, 27)])
    row = list_infusions(context).row(0, named=True)
    assert row["state"] == "given early"
    assert row["note"].startswith("given 3 days before enrolment; 2 days before its window")


def test_two_infusions_on_one_day_are_two(tmp_path):
    assert states(tmp_path, {1: 30, 2: 30})[:2] == [
        (1, 30, 30, "given"),
        (2, 37, 30, "given early"),
    ]


def test_one_number_twice_fills_the_plan_once(tmp_path):
    context = context_of(
        tmp_path, participants=[person()], infusions=[infusion(1, 31), infusion(1, 30)]
    )
    rows = list_infusions(context)
    assert rows.select("number", "given_day", "state").rows()[:2] == [
        (1, 30, "given"),
        (1, 31, "extra"),
    ]
    assert rows["note"][1] == "number 1 is recorded more than once"
    assert rows["required"].to_list() == [True, None, True, True, True]


def test_what_no_plan_has_is_extra(tmp_path):
    context = context_of(
        tmp_path,
        participants=[person(), person("P2", arm=""), person("P3", arm="control"),
                      person("P4", arm="control")],
        infusions=[infusion(5, 60), infusion(1, 30, "P2"), infusion(1, 30, "P3")],
    )  # fmt: skip
    rows = list_infusions(context)
    extra = rows.filter(state="extra").select("participant_id", "arm", "number", "note").rows()
    assert extra == [
        ("P1", "msc", 5, "not planned for this arm"),
        ("P2", None, 1, "no arm is recorded"),
        ("P3", "control", 1, "not planned for this arm"),
    ]
    assert rows.filter(pl.col("participant_id") != "P1").height == 2  # nothing else is planned


def test_an_infusion_that_was_not_completed_was_given(tmp_path):
    context = context_of(
        tmp_path,
        participants=[person(weight_kg=50)],
        infusions=[infusion(1, 30, completed="no", cells="2e7", lot="L1")],
    )
    row = list_infusions(context).row(0, named=True)
    assert (row["state"], row["completed"], row["note"]) == ("given", "no", "not completed")
    assert (row["dose_ratio"], row["lot"]) == (0.4, "L1")


# --- what the plan leaves open ---------------------------------------------------------------


def test_of_a_varying_number_the_smallest_is_required(tmp_path):
    plan = WEEKLY.replace("times: 4", "times: {from: 2, to: 3}")
    assert states(tmp_path / "a", {1: 30}, plan=plan) == [
        (1, 30, 30, "given"),
        (2, 37, None, "missed"),
    ]
    assert states(tmp_path / "b", {1: 30, 2: 37, 3: 44, 4: 51}, plan=plan) == [
        (1, 30, 30, "given"),
        (2, 37, 37, "given"),
        (3, 44, 44, "given"),
        (4, None, 51, "extra"),
    ]


def test_where_the_number_is_not_stated_the_first_is_required(tmp_path):
    plan = WEEKLY.replace("times: 4", "times: not stated")
    assert states(tmp_path / "a", {}, plan=plan) == [(1, 30, None, "missed")]
    assert states(tmp_path / "b", {1: 31, 2: 38, 3: 55}, plan=plan) == [
        (1, 30, 31, "given"),
        (2, 38, 38, "given"),
        (3, 45, 55, "given late"),
    ]


def test_without_a_window_lateness_cannot_be_said(tmp_path):
    plan = WEEKLY.replace("[-1 d, 2 d]", "not stated")
    context = context_of(
        tmp_path,
        plan,
        participants=[person(complete_until_day=44)],
        infusions=[infusion(1, 36, cells_per_kg="1e6")],
    )
    rows = list_infusions(context)
    assert rows.select("due_day", "state").rows() == [
        (30, "given"), (43, "missed"), (50, "due"), (57, "due"),
    ]  # fmt: skip
    assert rows["note"][0] == "no window is stated: whether it was on time cannot be said"
    assert rows["latest"].null_count() == 4


def test_without_an_interval_the_later_ones_have_no_day(tmp_path):
    plan = WEEKLY.replace("every: 7 d", "every: not stated").replace("times: 4", "times: 3")
    context = context_of(
        tmp_path,
        plan,
        participants=[person()],
        infusions=[infusion(1, 30, cells_per_kg="1e6"), infusion(2, 80, cells_per_kg="1e6")],
    )
    rows = list_infusions(context)
    assert rows.select("number", "due_day", "state").rows() == [
        (1, 30, "given"),
        (2, None, "given"),
        (3, None, "cannot say"),
    ]
    assert rows["note"].to_list() == [
        "",
        "its due day is not known: whether it was on time cannot be said",
        "its day is not stated",
    ]


def test_a_second_plan_of_a_product_goes_on_with_the_numbers(tmp_path):
    second = "dose: {per_kg: 2e6 /kg}, first: landmark, every: 7 d, times: 2, window: [0 d, 0 d]"
    first = WEEKLY.replace("times: 4", "times: 2")
    plan = f"{first}}}\n      - {{product: msc, {second}"
    context = context_of(
        tmp_path,
        plan,
        participants=[person()],
        infusions=[infusion(n, d) for n, d in [(1, 31), (2, 38), (3, 102), (4, 109)]],
    )
    rows = list_infusions(context)
    assert rows.select("number", "due_day", "state", "planned_dose").rows() == [
        (1, 30, "given", "1 x 10^6 cells/kg"),
        (2, 38, "given", "1 x 10^6 cells/kg"),
        (3, 100, "given late", "2 x 10^6 cells/kg"),
        (4, 109, "given", "2 x 10^6 cells/kg"),
    ]


# --- doses -----------------------------------------------------------------------------------

DOSES = (
    "planned_per_kg", "planned_cells", "delivered_per_kg", "delivered_cells", "dose_ratio",
    "cap_applied",
)  # fmt: skip


def dose(folder, rule, given, weight=""):
    plan = WEEKLY.replace("{per_kg: 1e6 /kg}", rule).replace("times: 4", "times: 1")
    context = context_of(
        folder,
        plan,
        participants=[person(weight_kg=weight)],
        infusions=[infusion(1, 30, **given)],
    )
    row = list_infusions(context)
    assert row.height == 1
    return row.select(DOSES).row(0), row["note"][0]


def test_a_dose_per_kg_is_compared_by_the_weight_of_the_infusion(tmp_path):
    given = {"cells": "5.4e7", "weight_kg": 60}
    assert dose(tmp_path, "{per_kg: 1e6 /kg}", given, weight=80) == (
        (1e6, 6e7, 9e5, 5.4e7, 0.9, False), "",
    )  # fmt: skip


def test_a_dose_goes_by_the_weight_that_the_plan_names(tmp_path):
    given = {"cells": "6e7", "weight_kg": 60}
    found, _ = dose(tmp_path / "a", "{per_kg: 1e6 /kg, weight: at screening}", given, weight=80)
    assert found == (1e6, 8e7, 1e6, 6e7, 0.75, False)
    found, _ = dose(tmp_path / "b", "{per_kg: 1e6 /kg, weight: at infusion}", given, weight=80)
    assert found == (1e6, 6e7, 1e6, 6e7, 1.0, False)
    given = {"cells": "6e7"}
    found, _ = dose(tmp_path / "c", "{per_kg: 1e6 /kg, weight: at infusion}", given, weight=80)
    assert found == (1e6, None, 7.5e5, 6e7, 0.75, False)
    found, _ = dose(tmp_path / "d", "{per_kg: 1e6 /kg, weight: actual}", given, weight=80)
    assert found == (1e6, 8e7, 7.5e5, 6e7, 0.75, False)


def test_cells_per_kg_need_no_weight(tmp_path):
    assert dose(tmp_path, "{per_kg: 2e6 /kg}", {"cells_per_kg": "1e6"}) == (
        (2e6, None, 1e6, None, 0.5, False), "",
    )  # fmt: skip


def test_without_a_weight_cells_cannot_be_compared(tmp_path):
    assert dose(tmp_path, "{per_kg: 1e6 /kg}", {"cells": "6e7"}) == (
        (1e6, None, None, 6e7, None, False),
        "without a weight the dose cannot be compared with the planned one",
    )


def test_a_cap_lowers_the_planned_dose(tmp_path):
    rule = "{per_kg: 1e6 /kg, cap: 1e8}"
    found, note = dose(tmp_path / "a", rule, {"cells": "1e8", "weight_kg": 125})
    assert found == (8e5, 1e8, 8e5, 1e8, 1.0, True)
    assert note == "the cap on the dose applies"
    found, _ = dose(tmp_path / "b", rule, {"cells": "1e8", "weight_kg": 100})
    assert found == (1e6, 1e8, 1e6, 1e8, 1.0, False)
    found, _ = dose(tmp_path / "c", rule, {"cells_per_kg": "1e6"})
    assert found == (None, None, 1e6, None, None, None)  # it may have been capped


def test_a_fixed_dose_is_compared_in_cells(tmp_path):
    found, _ = dose(tmp_path, "{fixed: 3e7}", {"cells": "2.7e7", "weight_kg": 54})
    assert found == (None, 3e7, 5e5, 2.7e7, pytest.approx(0.9), None)


def test_a_range_of_doses_has_no_ratio(tmp_path):
    rule = "{range_per_kg: [1.3e6 /kg, 4.5e6 /kg]}"
    cases = {"1.2e6": "below the planned range", "1.3e6": "", "4.5e6": "",
             "4.6e6": "above the planned range"}  # fmt: skip
    for value, said in cases.items():
        found, note = dose(tmp_path / value, rule, {"cells_per_kg": value})
        assert found == (None, None, float(value), None, None, None)
        assert note == said


def test_a_dose_that_is_not_recorded_is_told(tmp_path):
    assert dose(tmp_path, "{per_kg: 1e6 /kg}", {}, weight=60) == (
        (1e6, 6e7, None, None, None, False), "no dose is recorded",
    )  # fmt: skip


# --- summary ---------------------------------------------------------------------------------

PLACEBO = """\
  control:
    label: Saline
    role: placebo
    infuse:
      - product: placebo
        dose: {none: saline}
        first: enrolment
        every: 7 d
        times: 2
        window: [-1 d, 2 d]
"""


def test_exposure_is_summed_up_by_arm_and_product(tmp_path):
    context = context_of(
        tmp_path,
        WEEKLY.replace("times: 4", "times: 2"),
        PLACEBO,
        participants=[
            person(), person("P2"), person("P3"), person("P4", complete_until_day=30),
            person("C1", arm="control"), person("C2", arm="control"), person("N1", arm=""),
        ],
        infusions=[
            infusion(1, 30, cells_per_kg="1e6"), infusion(2, 37, cells_per_kg="2e6"),
            infusion(3, 44, cells_per_kg="4e6"),
            infusion(1, 36, "P2", cells_per_kg="8e6"),
            {**infusion(1, 30, "C1"), "product": "placebo"},
            {**infusion(2, 33, "C1"), "product": "placebo"},
            infusion(1, 30, "N1", cells_per_kg="1e6"),
        ],
        events=[{"participant_id": "P2", "day": 40, "event": "death"}],
    )  # fmt: skip
    rows = list_infusions(context)
    assert set(rows.filter(product="placebo")["note"]) == {"", "3 days before its window"}
    found = summarize_exposure(context, rows)
    counts = found.select(
        "arm", "product", "participants", "infused", "planned", "given", "early", "late", "extra",
        "missed", "due", "not_due", "cannot_say",
    )  # fmt: skip
    assert counts.rows() == [
        # P1 three (one extra), P2 one late and died, P3 missed two, P4 has both still due
        ("msc", "msc", 4, 2, 8, 4, 0, 1, 1, 2, 2, 1, 0),
        ("control", "placebo", 2, 1, 4, 2, 1, 0, 0, 2, 0, 0, 0),
        (None, "msc", 1, 1, 0, 1, 0, 0, 1, 0, 0, 0, 0),
    ]
    numbers = found.select(
        "infusions_median", "infusions_min", "infusions_max",
        "per_kg_n", "per_kg_median", "per_kg_min", "per_kg_max", "cells_n",
    )  # fmt: skip
    assert numbers.rows() == [
        (2.0, 1, 3, 4, 3e6, 1e6, 8e6, 0),
        (2.0, 2, 2, 0, None, None, None, 0),
        (1.0, 1, 1, 1, 1e6, 1e6, 1e6, 0),
    ]


def test_an_arm_that_nobody_of_was_infused_stands_with_nothing(tmp_path):
    context = context_of(tmp_path, participants=[person(enrolled_day="")])
    found = summarize_exposure(context, list_infusions(context)).row(0, named=True)
    assert (found["infused"], found["given"], found["not_due"]) == (0, 0, 4)
    assert found["infusions_median"] is None


def test_a_study_without_participants_has_no_infusions(tmp_path):
    context = context_of(tmp_path)
    rows = list_infusions(context)
    assert rows.schema == INFUSION_COLUMNS
    assert rows.height == 0
    assert summarize_exposure(context, rows).height == 0
