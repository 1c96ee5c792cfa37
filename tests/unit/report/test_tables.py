"""Tables, the flow, chains of events, words and JSON."""

import json
import math
from datetime import date

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stromal.report import numbers
from stromal.report.flow import trace_flow
from stromal.report.results_json import plain, results_to_json
from stromal.report.safety import event_chains, tabulate_chains, tabulate_events
from stromal.report.tables import (
    tabulate_baseline,
    tabulate_criteria,
    tabulate_exposure,
    tabulate_findings,
    tabulate_infusions,
    tabulate_reconciled,
)
from stromal.report.text import describe_headline, result_rows
from stromal.report.view import build_view


@pytest.fixture(scope="module")
def view(demo_study):
    return build_view(demo_study)


def cells(table):
    return {row[0].strip(): row[1:] for row in table.rows}


def test_the_baseline_is_told_by_arm(view):
    told = cells(tabulate_baseline(view))
    # ages of the arm with MSC: 41, and 20 + 5 k for k = 2, 4, 6, 8
    assert told["Age, years"][0] == "41 (30 to 60)"
    assert told["KPS"][1] == "80 (80 to 80); 1 not recorded"
    assert told["female"][0] == "4 (80.0\xa0%)"
    assert not any("day" in name.lower() for name in told)


def test_planned_and_delivered_infusions_add_up(view):
    told = cells(tabulate_exposure(view))
    assert [told[name][0] for name in ("Infusions planned (required)", "Infusions given", "Missed")
            ] == ["20", "19", "1"]  # fmt: skip
    assert told["Planned dose"][0].startswith("1 × 10⁶ cells/kg")
    listed = tabulate_infusions(view)
    missed = [row for row in listed.rows if "missed" in row]
    assert [(row[0], row[2], row[3]) for row in missed] == [("STR-107", "3", "56")]


def test_events_are_counted_by_grade_and_relatedness(view):
    table = tabulate_events(view)
    told = cells(table)
    related = table.columns.index("umbilical-cord MSC: related / not / not judged") - 1
    assert told["Chills"][related] == "1 / 0 / 0"
    assert told["CMV disease"][related] == "0 / 1 / 0"
    assert told["Urticaria"][related] == "0 / 0 / 1"  # nobody judged it: not "not related"
    grade_5 = table.columns.index("G5") - 1
    assert told["Death"][grade_5] == "3"
    assert told["Death"][:2] == ("1", "2")


def test_chains_follow_what_led_to_what(view):
    assert tabulate_chains(view, individual=True).rows == (
        ("STR-107", "CMV reactivation (day 31) → CMV disease (day 44)"),
    )
    assert tabulate_chains(view, individual=False).rows == (
        ("CMV reactivation → CMV disease", "1"),
    )


def test_a_circle_of_events_does_not_run_for_ever():
    rows = pl.DataFrame({"record_id": ["a", "b", "c"], "leads_to": ["b", "c", "b"]})
    (chain,) = event_chains(rows)
    assert [row["record_id"] for row in chain] == ["a", "b", "c"]


def test_the_flow_adds_up(view):
    flow = trace_flow(view)
    assert flow.n == sum(box.n for box in flow.verdicts) == sum(arm.n for arm in flow.arms) == 11
    assert [(box.label, box.n) for box in flow.verdicts] == [
        ("Eligible", 8), ("Not eligible", 2), ("Cannot say", 1),
    ]  # fmt: skip
    assert flow.verdicts[1].reasons == (("Age 18 to 60 years", 2),)
    for arm in flow.arms:
        for box in arm.sets:
            assert box.n + sum(count for _, count in box.reasons) == arm.n


def test_criteria_are_counted_three_valued(view):
    told = cells(tabulate_criteria(view))
    assert told["Karnofsky score above 60"] == ("by rule", "10", "0", "1")


def test_an_adjudication_that_differs_is_told(view):
    (row,) = tabulate_reconciled(view).rows
    assert row[0] == "STR-107"
    assert row[5] == "NO"


def test_findings_come_with_the_weightiest_first_and_counted_without_names(view):
    table = tabulate_findings("x", view.protocol_findings)
    order = ["contradiction", "gap", "remark"]
    weights = [order.index(row[0]) for row in table.rows]
    assert weights == sorted(weights)
    counted = tabulate_findings("x", view.protocol_findings, individual=False)
    assert sum(int(row[2]) for row in counted.rows) == len(view.protocol_findings)


def test_every_group_of_every_result_has_a_row(view):
    rows = result_rows(view.results)
    for result in view.results.results:
        for group in result.groups:
            assert any(row[:3] == (result.label, group.label, str(group.n)) for row in rows)
    assert any("Fisher's exact test" in row[3] for row in rows)


def test_a_headline_names_the_interval_it_gives(view):
    primary = next(result for result in view.results.results if result.role == "primary")
    said = describe_headline(primary).replace("\xa0", " ")
    assert "1 of 5, 20.0 % (0.5 to 71.6 %)" in said
    assert "95 % interval, Clopper-Pearson" in said
    assert "Fisher's exact test: p = 0.455" in said


# --- JSON ------------------------------------------------------------------------------------


def test_numbers_keep_their_full_precision(view):
    content = json.loads(json.dumps(results_to_json(view), allow_nan=False))
    for result, written in zip(view.results.results, content["results"], strict=True):
        for group, told in zip(result.groups, written["groups"], strict=True):
            for estimate, numbers_ in zip(group.estimates, told["estimates"], strict=True):
                assert numbers_["value"] == estimate.value
                assert numbers_["low"] == estimate.low
    assert content["data"] == "teaching"
    assert content["protocol_version"] == view.version
    assert len(content["individuals"]["derived"]) == 11 * len(view.context.derived)


def test_without_individual_data_the_json_names_nobody(view):
    text = json.dumps(results_to_json(view, individual=False), allow_nan=False)
    assert "STR-" not in text
    assert "individuals_withheld" in text


def test_what_json_does_not_hold_becomes_null():
    assert plain({"a": math.inf, "b": math.nan, "c": (1, date(2024, 1, 8))}) == {
        "a": None, "b": None, "c": [1, "2024-01-08"],
    }  # fmt: skip


# --- numbers ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("days", "said"),
    [(730, "2 years"), (731, "2 years"), (365, "1 year"), (183, "6 months"), (90, "90 days"),
     (28, "28 days"), (56, "8 weeks"), (1, "1 day"), (1461, "4 years"), (91, "3 months")],
)  # fmt: skip
def test_times_are_written_as_protocols_write_them(days, said):
    assert numbers.as_duration(days) == said


@given(st.floats(0, 1))
def test_percentages_have_one_decimal_and_no_negative_zero(share):
    said = numbers.as_percent(share)
    assert said.endswith("\xa0%")
    assert len(said.removesuffix("\xa0%").partition(".")[2]) == 1
    assert "−" not in said


@given(st.floats(0, 1))
def test_a_p_value_never_prints_as_zero_or_as_one_it_is_not(p):
    said = numbers.as_p(p)
    assert "0.000" not in said
    assert ("1.000" in said) == (p == 1)


@given(st.floats(-1e6, 1e6))
def test_a_number_is_printed_close_to_itself(value):
    raised = str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹−", "-0123456789-")
    said = numbers.as_number(value).replace("\xa0×\xa010", "e").translate(raised)
    printed = float(said)
    assert printed == pytest.approx(value, rel=0.006, abs=1e-300)
