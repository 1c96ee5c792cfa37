from datetime import date

import pytest

from stromal.core import ProtocolError, RecordError
from stromal.protocol import read_protocol
from stromal.records import anchor_days, read_records
from support.study_folder import PROTOCOL, make_study

P1 = {"participant_id": "P1", "last_contact": "2024-12-31"}
ZERO = "  transplant: {participant: transplanted}\n"


def with_day_zero(anchor):
    return PROTOCOL.replace(ZERO, f"  transplant: {anchor}\n")


def read(tmp_path, protocol_text=PROTOCOL, **tables):
    study = make_study(tmp_path, protocol_text=protocol_text, **tables)
    protocol = read_protocol(study)
    return protocol, read_records(study, protocol)


def refused(tmp_path, protocol_text=PROTOCOL, **tables):
    with pytest.raises(RecordError) as caught:
        read(tmp_path, protocol_text, **tables)
    return [(fault.place, fault.found, fault.expected) for fault in caught.value.faults]


FEVER = {"participant_id": "P1", "date": "2024-01-11", "event": "fever"}


@pytest.mark.parametrize(
    ("anchor", "tables"),
    [
        (
            "{infusion: msc, number: 2}",
            {
                "infusions": [
                    {"participant_id": "P1", "date": "2023-12-25", "product": "msc", "number": 1},
                    {"participant_id": "P1", "date": "2024-01-01", "product": "msc", "number": 2},
                ]
            },
        ),
        (
            "{event: relapse}",
            {
                "events": [
                    {"participant_id": "P1", "date": "2024-01-01", "event": "relapse"},
                    {"participant_id": "P1", "date": "2024-02-01", "event": "relapse"},
                    FEVER,
                ]
            },
        ),
        (
            "{medication: ciclosporin, moment: started}",
            {
                "medications": [
                    {"participant_id": "P1", "started": "2024-01-01", "drug": "ciclosporin"}
                ]
            },
        ),
        (
            "{medication: ciclosporin, moment: ended}",
            {
                "medications": [
                    {"participant_id": "P1", "ended": "2024-01-01", "drug": "ciclosporin"},
                    {"participant_id": "P1", "ended": "2023-01-01", "drug": "ciclosporin"},
                ]
            },
        ),
    ],
)
def test_day_zero_may_be_any_anchor_that_has_a_date(tmp_path, anchor, tables):
    tables = {"events": [FEVER], **tables}
    protocol, records = read(tmp_path, with_day_zero(anchor), participants=[P1], **tables)
    assert records["participants"]["day_zero_date"].to_list() == [date(2024, 1, 1)]
    assert records["participants"]["last_contact_day"].to_list() == [365]
    fever = records["events"].filter(event="fever")
    assert fever["day"].to_list() == [10]
    assert anchor_days(protocol, records)["transplant"].to_list() == [0]


def test_day_zero_may_be_a_time_after_another_anchor(tmp_path):
    text = PROTOCOL.replace("day_zero: transplant", "day_zero: landmark")
    people = [{**P1, "transplanted_on": "2023-09-23"}]
    protocol, records = read(tmp_path, text, participants=people, events=[FEVER])
    assert records["events"]["day"].to_list() == [10]
    days = anchor_days(protocol, records)
    assert days.select("transplant", "landmark").rows() == [(-100, 0)]


def test_the_day_zero_record_itself_is_on_day_0(tmp_path):
    infusion = {"participant_id": "P1", "day": 3, "product": "msc", "number": 1}
    text = with_day_zero("{infusion: msc, number: 1}")
    people = [{"participant_id": "P1"}]
    assert refused(tmp_path, text, participants=people, infusions=[infusion]) == [
        ("records/infusions.csv:2:day", "day `3`", "0: `transplant` is day zero")
    ]


def test_day_zero_of_a_participant_is_day_0(tmp_path):
    people = [{"participant_id": "P1", "transplanted_day": 0}, {"participant_id": "P2"}]
    assert read(tmp_path / "a", participants=people)[1]["participants"].height == 2
    people[1]["transplanted_day"] = -2
    assert [place for place, *_ in refused(tmp_path / "b", participants=people)] == [
        "records/participants.csv:3:transplanted_day"
    ]


def test_participants_without_a_column_for_day_zero_are_refused(tmp_path):
    assert refused(tmp_path, participants=[P1 | {"enrolled_on": "2024-01-01"}])[0] == (
        "records/participants.csv:1:transplanted_on",
        "the column is missing",
        "`transplanted_on` or `transplanted_day` in the header",
    )


def test_a_date_of_somebody_without_day_zero_is_refused_except_attestations(tmp_path):
    people = [{"participant_id": "P1", "transplanted_on": "", "enrolled_on": "2024-01-01"}]
    attested = [
        {"participant_id": "P1", "date": "2024-01-01", "criterion": "consent", "value": "yes"}
    ]
    _, records = read(tmp_path / "a", participants=people, attestations=attested)
    assert records["attestations"].select("day", "date").rows() == [(None, date(2024, 1, 1))]
    found = refused(tmp_path / "b", participants=people, events=[FEVER])
    assert found[0][1] == "`2024-01-11` has no day: P1 has no `transplant` date"


@pytest.mark.parametrize(
    ("born", "judged", "age"),
    [
        ("2006-02-01", "2024-02-01", 18),
        ("2006-02-02", "2024-02-01", 17),
        ("1963-02-02", "2024-02-01", 60),
        ("2004-02-29", "2023-02-28", 18),
        ("2004-02-29", "2023-03-01", 19),
        ("2023-08-01", "2024-02-01", 0.5),
        ("2022-03-01", "2024-02-01", 23 / 12),
        ("2022-02-01", "2024-02-01", 2),
    ],
)
@pytest.mark.by_hand
def test_age_in_completed_years_when_eligibility_is_judged(tmp_path, born, judged, age):
    people = [
        {
            "participant_id": "P1",
            "birth_date": born,
            "enrolled_on": judged,
            "transplanted_on": "2025-01-01",
        }
    ]
    _, records = read(tmp_path, participants=people)
    assert records["participants"]["age"].to_list() == [pytest.approx(age)]


def test_age_on_day_zero_where_nobody_judged_and_unknown_without_either(tmp_path):
    people = [
        {"participant_id": "P1", "birth_date": "2000-01-01", "transplanted_on": "2024-06-01"},
        {"participant_id": "P2", "birth_date": "2000-01-01"},
        {"participant_id": "P3", "age": "33.5"},
    ]
    _, records = read(tmp_path, participants=people)
    assert records["participants"]["age"].to_list() == [24, None, 33.5]


def test_the_end_of_a_medication_is_unknown_while_one_row_is_open(tmp_path):
    text = PROTOCOL.replace(
        ZERO, f"{ZERO}  off: {{medication: ciclosporin, moment: ended}}\n"
        "  on_drug: {medication: ciclosporin, moment: started}\n",
    )  # fmt: skip
    drug = {"drug": "ciclosporin"}
    people = [{"participant_id": p, "transplanted_on": "2024-01-01"} for p in ("P1", "P2", "P3")]
    medications = [
        {"participant_id": "P1", **drug, "started_day": 5, "ended_day": 10},
        {"participant_id": "P1", **drug, "started_day": 20, "ended_day": 30},
        {"participant_id": "P2", **drug, "started_day": 5, "ended_day": 10},
        {"participant_id": "P2", **drug, "started_day": 20},
    ]
    protocol, records = read(tmp_path, text, participants=people, medications=medications)
    days = anchor_days(protocol, records).select("on_drug", "off").rows()
    assert days == [(5, 30), (5, None), (None, None)]


def test_anchors_that_count_from_each_other_are_refused(tmp_path):
    text = PROTOCOL.replace(
        "  landmark: {anchor: transplant, plus: 100 d}\n",
        "  landmark: {anchor: later, plus: 100 d}\n  later: {anchor: landmark, plus: 1 d}\n",
    )
    people = [{**P1, "transplanted_on": "2024-01-01"}]
    study = make_study(tmp_path, protocol_text=text, participants=people)
    protocol = read_protocol(study)
    with pytest.raises(ProtocolError, match="counts from itself"):
        read_records(study, protocol)


@pytest.mark.parametrize("date", ["9999-12-31", "1900-01-01"])
def test_a_date_that_stands_for_none_is_refused(tmp_path, date):
    person = {**P1, "transplanted_on": "2024-01-01"}
    found = refused(tmp_path, participants=[{**person, "last_contact": date}])
    assert found[0][:2] == (
        "records/participants.csv:2:last_contact",
        f"`{date}` is more than 100 years from day zero",
    )


def test_a_spreadsheet_date_is_no_day(tmp_path):
    person = {**P1, "transplanted_on": "2024-01-01"}
    fever = {"participant_id": "P1", "day": "45330", "event": "fever"}
    found = refused(tmp_path, participants=[person], events=[fever])
    assert found == [("records/events.csv:2:day", "`45330` is out of range", "-36,525 to 36,525")]


def test_a_refused_day_zero_is_told_once_and_not_at_every_row(tmp_path):
    person = {**P1, "transplanted_on": "01.02.2024"}
    found = refused(tmp_path, participants=[person], events=[FEVER, FEVER])
    assert [place for place, _, _ in found] == ["records/participants.csv:2:transplanted_on"]
