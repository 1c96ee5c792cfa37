import pytest

from stromal.protocol import read_protocol
from stromal.records import read_records
from support.study_folder import PROTOCOL, make_study

PERSON = {
    "participant_id": "P1",
    "arm": "msc",
    "weight_kg": "70",
    "transplanted_on": "2024-01-01",
    "enrolled_on": "2024-02-01",
    "last_contact": "2024-12-31",
    "complete_until": "2024-12-31",
}
MSC = {"participant_id": "P1", "product": "msc"}


def read(tmp_path, person=None, **tables):
    study = make_study(tmp_path, participants=[{**PERSON, **(person or {})}], **tables)
    return read_records(study, read_protocol(study))


def rules(records):
    return [finding.rule for finding in records.findings]


def one(records, rule):
    assert rules(records) == [rule]
    return records.findings[0]


def count(day, value, analyte="ANC", **more):
    return {
        "participant_id": "P1",
        "day": day,
        "analyte": analyte,
        "value": value,
        "unit": "10*9/L",
        **more,
    }


def test_sound_records_have_no_findings(tmp_path):
    records = read(
        tmp_path,
        attestations=[{"participant_id": "P1", "day": 30, "criterion": "consent", "value": "yes"}],
        infusions=[
            {**MSC, "day": 31, "number": 1, "cells": "7e7", "cells_per_kg": "1e6"},
            {**MSC, "day": 38, "number": 2, "cells": "7e7", "cells_per_kg": "1e6"},
        ],
        measurements=[count(1, "0.4"), count(1, "0.4", "WBC"), count(2, "<0.1"), count(2, "0.05")],
        events=[
            {
                "record_id": "E1",
                "participant_id": "P1",
                "day": 5,
                "event": "fever",
                "related_to": "msc",
            }
        ],
    )
    assert rules(records) == []
    assert records.set_aside == {}


def test_what_was_observed_after_death_is_set_aside_and_told_once_a_table(tmp_path):
    verdict = {"participant_id": "P1", "endpoint": "response", "level": "NR", "day": 90}
    records = read(
        tmp_path,
        {"last_contact": "2024-01-11", "enrolled_on": "2024-01-02"},
        measurements=[count(9, "1"), count(10, "1"), count(11, "1"), count(12, "1")],
        events=[
            {"participant_id": "P1", "day": 10, "event": "death"},
            {"participant_id": "P1", "day": 20, "event": "relapse"},
        ],
        adjudications=[verdict],
    )
    assert rules(records) == [
        "complete-after-last-contact",
        *["record-after-death"] * 3,
    ]
    told = {finding.where.split(",")[0]: finding.what for finding in records.findings[1:]}
    assert told["measurements"].startswith("2 rows of measurements after death on day 10")
    assert records["measurements"]["day"].to_list() == [9, 10]
    assert records.set_aside["measurements"]["day"].to_list() == [11, 12]
    assert records.set_aside["measurements"]["rule"].to_list() == ["record-after-death"] * 2
    assert records["events"]["event"].to_list() == ["death"]
    assert records["adjudications"].height == 1
    assert "adjudications" not in records.set_aside


def test_a_row_after_last_contact_stays_and_is_told(tmp_path):
    records = read(
        tmp_path,
        {"last_contact": "2024-03-01", "complete_until": ""},
        events=[{"participant_id": "P1", "day": 90, "event": "death"}],
    )
    finding = one(records, "record-after-last-contact")
    assert "the last contact on day 60; the first is on day 90" in finding.what
    assert records["events"].height == 1
    assert records["participants"]["last_contact_day"].to_list() == [60]


def test_complete_until_after_last_contact(tmp_path):
    records = read(tmp_path, {"last_contact": "2024-03-01"})
    assert "Complete until day 365" in one(records, "complete-after-last-contact").what


def test_missing_last_contact_is_a_gap_unless_dead(tmp_path):
    assert one(read(tmp_path / "a", {"last_contact": ""}), "no-last-contact").weight == "gap"
    dead = [{"participant_id": "P1", "day": 90, "event": "death"}]
    assert (
        rules(read(tmp_path / "b", {"last_contact": "", "complete_until": ""}, events=dead)) == []
    )


def test_a_participant_without_day_zero(tmp_path):
    person = {"transplanted_on": "", "enrolled_on": "2024-02-01"}
    records = read(tmp_path, person)
    assert one_of(records, "no-day-zero").weight == "gap"
    assert records["participants"]["enrolled_day"].to_list() == [None]
    assert str(records["participants"]["enrolled_on"][0]) == "2024-02-01"


def one_of(records, rule):
    return next(finding for finding in records.findings if finding.rule == rule)


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([count(3, "1"), count(3, "2")], ["counts-contradict"]),
        ([count(3, "1", time="08:00"), count(3, "2", time="08:00:00")], ["counts-contradict"]),
        ([count(3, "1", time="08:00"), count(3, "2", time="20:00")], []),
        ([count(3, "1"), count(3, "1")], []),
        ([count(3, "<0.1"), count(3, "0.05")], []),
        ([count(3, "<0.1"), count(3, "0.2")], ["counts-contradict"]),
        ([count(3, "1", method="manual"), count(3, "2", method="analyser")], []),
        ([count(3, "1", "WBC"), count(3, "1.14")], []),
        ([count(3, "1", "WBC"), count(3, "1.16")], ["part-above-leucocytes"]),
        ([count(3, "<1", "WBC"), count(3, "2", "ALC")], ["part-above-leucocytes"]),
        ([count(3, ">1", "WBC"), count(3, "2")], []),
        ([count(3, "1", "WBC"), count(4, "2")], []),
    ],
)
def test_counts_that_exclude_each_other(tmp_path, rows, expected):
    records = read(tmp_path, measurements=rows)
    assert rules(records) == expected
    assert records["measurements"].height == 2


@pytest.mark.parametrize(
    ("attested", "expected"),
    [
        ({"day": 32, "value": "yes"}, ["infusion-before-consent"]),
        ({"day": 31, "value": "yes"}, []),
        ({"day": 1, "value": "no"}, ["infusion-before-consent"]),
        ({"value": "yes"}, []),
    ],
)
def test_infusion_before_consent(tmp_path, attested, expected):
    records = read(
        tmp_path,
        attestations=[{"participant_id": "P1", "criterion": "consent", **attested}],
        infusions=[{**MSC, "day": 31, "number": 1}],
    )
    assert rules(records) == expected
    assert records["infusions"].height == 1


@pytest.mark.parametrize(
    ("infusions", "expected"),
    [
        ([{**MSC, "day": 31, "number": 1, "product": "placebo"}], ["product-not-planned"]),
        (
            [{**MSC, "day": 38, "number": 1}, {**MSC, "day": 31, "number": 2}],
            ["infusions-out-of-order"],
        ),
        (
            [{**MSC, "day": 31, "number": 1}, {**MSC, "day": 38, "number": 1}],
            ["infusion-number-twice"],
        ),
        (
            [{**MSC, "day": 31, "number": 1, "cells": "7e7", "cells_per_kg": "1.02e6"}],
            ["dose-and-weight-disagree"],
        ),
        ([{**MSC, "day": 31, "number": 1, "cells": "7e7", "cells_per_kg": "1.009e6"}], []),
        (
            [
                {
                    **MSC,
                    "day": 31,
                    "number": 1,
                    "cells": "7e7",
                    "cells_per_kg": "1e6",
                    "weight_kg": 60,
                }
            ],
            ["dose-and-weight-disagree"],
        ),
    ],
)
def test_infusions(tmp_path, infusions, expected):
    assert rules(read(tmp_path, infusions=infusions)) == expected


def test_lots(tmp_path):
    lots = [
        {"lot": "L1", "product": "msc", "released_on": "2024-02-10"},
        {"lot": "L2", "product": "placebo"},
    ]
    infusions = [
        {**MSC, "day": 31, "number": 1, "lot": "L1"},
        {**MSC, "day": 40, "number": 2, "lot": "L1"},
        {**MSC, "day": 47, "number": 3, "lot": "L2"},
        {**MSC, "day": 54, "number": 4, "lot": "L3"},
    ]
    records = read(tmp_path, lots=lots, infusions=infusions)
    assert [finding.what.split(", ")[-1] for finding in records.findings] == [
        "was released on 2024-02-10.",
        "is a lot of placebo.",
        "is not in the lots table.",
    ]


def test_a_chain_that_goes_backwards(tmp_path):
    events = [
        {"record_id": "E1", "participant_id": "P1", "day": 20, "event": "cmv", "leads_to": "E2"},
        {"record_id": "E2", "participant_id": "P1", "day": 10, "event": "pneumonia"},
    ]
    finding = one(read(tmp_path, events=events), "leads-to-earlier-event")
    assert finding.what == "cmv on day 20 leads to pneumonia on day 10."


def test_verdicts_and_attestations_that_differ(tmp_path):
    verdict = {"participant_id": "P1", "endpoint": "response", "day": 90}
    records = read(
        tmp_path,
        adjudications=[
            {**verdict, "level": "CR", "assessor": "A"},
            {**verdict, "level": "PR", "assessor": "A"},
            {**verdict, "level": "NR", "assessor": "B"},
        ],
        attestations=[
            {"participant_id": "P1", "criterion": "age", "value": value} for value in ("yes", "no")
        ],
    )
    assert rules(records) == ["attestations-contradict", "verdicts-contradict"]


def test_names_that_nothing_else_knows(tmp_path):
    events = [
        {"participant_id": "P1", "day": 5, "event": "relapsed", "related_to": "mscs"},
        {"participant_id": "P1", "day": 6, "event": "fever", "not_related_to": "msc; ciclosporin"},
    ]
    visits = [{"participant_id": "P1", "day": 60, "encounter": "week4"}]
    records = read(tmp_path, events=events, visits=visits)
    told = {finding.rule: finding.remedy for finding in records.findings}
    assert told == {
        "event-name-close-to-known": "Write `relapse`, if that is meant.",
        "unknown-agent": "Did you mean `msc`?",
        "encounter-not-planned": "Did you mean `week_4`?",
    }


def test_two_arms(tmp_path):
    records = read(tmp_path, allocations=[{"participant_id": "P1", "arm": "control"}])
    assert one(records, "two-arms").what == "The arm is msc and control."


def test_a_column_that_is_nearly_one_of_stromals(tmp_path):
    records = read(tmp_path, {"wieght_kg": "71"} | {"weight_kg": "70"})
    assert rules(records) == []
    study = make_study(
        tmp_path / "b",
        participants=[{key: value for key, value in PERSON.items() if key != "weight_kg"}
                      | {"wieght_kg": "70"}],
    )  # fmt: skip
    records = read_records(study, read_protocol(study))
    assert one(records, "column-close-to-known").remedy.startswith("Rename it to `weight_kg`")
    assert records["participants"]["wieght_kg"].to_list() == [70]


def test_an_anchor_without_a_column(tmp_path):
    people = [{key: value for key, value in PERSON.items() if key != "enrolled_on"}]
    study = make_study(tmp_path, participants=people)
    records = read_records(study, read_protocol(study))
    assert "`enrolled_on` nor `enrolled_day`" in one(records, "anchor-not-recorded").what


def test_one_id_in_two_tables(tmp_path):
    records = read(
        tmp_path,
        events=[{"record_id": "1", "participant_id": "P1", "day": 5, "event": "fever"}],
        measurements=[count(5, "1", record_id="1")],
    )
    assert "`1` in measurements and events" in one(records, "record-id-in-two-tables").what


def test_findings_are_sorted_and_name_the_participant(tmp_path):
    records = read(tmp_path, {"last_contact": "2024-01-05"}, measurements=[count(9, "1")])
    assert list(records.findings) == sorted(records.findings)
    assert {finding.participant_id for finding in records.findings} == {"P1"}


def test_the_protocol_of_these_tests_counts_on_relapse():
    assert "relapse: {event: relapse}" in PROTOCOL


def event(name, **more):
    return {"participant_id": "P1", "day": 20, "event": name, **more}


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (event("pneumonia", grade="5"), "`pneumonia` on day 20 has grade 5"),
        (event("died"), "`died` on day 20 says that the participant died"),
        (event("death (sepsis)"), "`death (sepsis)` on day 20 says"),
        (event("Exitus letalis"), "`Exitus letalis` on day 20 says"),
    ],
)
def test_a_fatal_event_without_a_death_is_a_contradiction(tmp_path, row, said):
    found = one(read(tmp_path, events=[row]), "fatal-event-without-death")
    assert found.weight == "contradiction"
    assert said in found.what


def test_a_fatal_event_beside_a_death_and_one_that_is_not_fatal_are_no_findings(tmp_path):
    death = {**event("death"), "day": 25}
    last = {"last_contact": "2024-01-26", "complete_until": "", "enrolled_on": "2024-01-02"}
    assert rules(read(tmp_path / "a", last, events=[event("sepsis", grade="5"), death])) == []
    assert rules(read(tmp_path / "b", events=[event("undead_cells", grade="4")])) == []


@pytest.mark.parametrize(("several", "expected"), [(False, []), (True, ["no-arm"])])
def test_a_participant_without_an_arm_is_told_where_there_are_several(tmp_path, several, expected):
    second = "  control: {label: No cells, role: control}\n"
    assert second in PROTOCOL
    text = PROTOCOL if several else PROTOCOL.replace(second, "")
    person = {key: value for key, value in PERSON.items() if key != "arm"}
    study = make_study(tmp_path, protocol_text=text, participants=[person])
    assert rules(read_records(study, read_protocol(study))) == expected
