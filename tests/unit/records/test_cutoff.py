from datetime import date

import pytest

from stromal.core import UsageError
from stromal.protocol import read_protocol
from stromal.records import read_records
from support.study_folder import make_study

CUTOFF = date(2024, 3, 1)  # day 60 of P1 and P3
PEOPLE = [
    {
        "participant_id": "P1",
        "arm": "msc",
        "transplanted_on": "2024-01-01",
        "enrolled_on": "2024-03-02",
        "last_contact": "2024-12-31",
        "complete_until": "2024-02-01",
    },
    {"participant_id": "P2", "arm": "msc", "transplanted_on": "2024-03-02", "last_contact": ""},
    {"participant_id": "P3", "arm": "msc", "transplanted_on": "2024-01-01"},
]


def dated(day, **more):
    return {"participant_id": "P1", "day": day, **more}


@pytest.fixture
def study(tmp_path):
    return make_study(
        tmp_path,
        participants=PEOPLE,
        events=[
            dated(60, record_id="E1", event="infection", ended_day=70, leads_to="E2"),
            dated(61, record_id="E2", event="sepsis"),
            dated(62, record_id="E3", event="death"),
        ],
        transfusions=[
            dated(60, product="platelets"),
            dated(61, product="platelets"),
            {"participant_id": "P2", "day": 0, "product": "platelets"},
        ],
        coverage=[{"participant_id": "P1", "table": "transfusions", "from_day": 0, "to_day": 90}],
        attestations=[
            {"participant_id": "P1", "criterion": "consent", "value": "yes"},
            {"participant_id": "P3", "criterion": "consent", "value": "yes", "day": 1},
        ],
        lots=[
            {"lot": "L1", "product": "msc"},
            {"lot": "L2", "product": "msc", "released_on": "2024-03-02"},
        ],
        medications=[dated("", drug="ciclosporin", ended_day=40)],
    )


@pytest.fixture
def records(study):
    return read_records(study, read_protocol(study), data_cutoff=CUTOFF)


def test_rows_after_the_cutoff_are_left_out_and_counted(records):
    assert records["events"]["record_id"].to_list() == ["E1"]
    assert records["transfusions"]["day"].to_list() == [60]
    assert records["lots"]["lot"].to_list() == ["L1"]
    assert records.cut_off == {
        "participants": 1,
        "attestations": 1,
        "transfusions": 2,
        "events": 2,
        "lots": 1,
    }
    assert records.data_cutoff == CUTOFF


def test_what_lasts_beyond_the_cutoff_ends_there_or_is_not_known(records):
    assert records["events"].select("ended_day", "ended", "leads_to").row(0) == (None, None, None)
    assert records["coverage"].select("to_day", "to").row(0) == (60, CUTOFF)
    assert records["medications"]["ended_day"].to_list() == [40]


def test_participants_as_they_stood(records):
    people = records["participants"]
    assert people["participant_id"].to_list() == ["P1", "P3"]
    assert people["last_contact_day"].to_list() == [60, None]
    assert people["last_contact"].to_list() == [CUTOFF, None]
    assert people["complete_until_day"].to_list() == [31, None]
    assert people["enrolled_day"].to_list() == [None, None]
    assert people["transplanted_day"].to_list() == [0, 0]


def test_days_are_unknown_before_day_zero_has_come(tmp_path):
    study = make_study(
        tmp_path,
        participants=[{"participant_id": "P1", "transplanted_on": "2024-03-02"}],
        attestations=[
            {"participant_id": "P1", "date": "2024-02-01", "criterion": "consent", "value": "yes"}
        ],
    )
    records = read_records(study, read_protocol(study), data_cutoff=CUTOFF)
    assert records["participants"].select("day_zero_date", "transplanted_day").row(0) == (None,) * 2
    assert records["attestations"].select("day", "date").row(0) == (None, date(2024, 2, 1))


def test_without_a_cutoff_everything_is_read(study):
    records = read_records(study, read_protocol(study))
    assert records.cut_off == {}
    assert records["transfusions"].height == 3


def test_data_after_the_cutoff_change_nothing(study, records):
    later = make_study(
        study.parent / "later",
        participants=PEOPLE,
        events=[
            dated(60, record_id="E1", event="infection", ended_day=65),
            dated(63, record_id="E2", event="relapse"),
        ],
        transfusions=[dated(60, product="platelets"), dated(99, product="plasma")],
        coverage=[{"participant_id": "P1", "table": "transfusions", "from_day": 0, "to_day": 61}],
        attestations=[{"participant_id": "P3", "criterion": "consent", "value": "yes", "day": 1}],
        lots=[{"lot": "L1", "product": "msc"}],
        medications=[dated("", drug="ciclosporin", ended_day=40)],
    )
    again = read_records(later, read_protocol(later), data_cutoff=CUTOFF)
    for name, table in records.tables.items():
        same = [column for column in table.columns if column != "record_id"]
        assert again[name].select(same).equals(table.select(same)), name
    assert [f.rule for f in again.findings] == [f.rule for f in records.findings]


def test_a_cutoff_needs_dates(tmp_path):
    study = make_study(
        tmp_path,
        participants=[{"participant_id": "P1", "transplanted_day": 0}],
        events=[dated(3, event="fever")],
    )
    protocol = read_protocol(study)
    with pytest.raises(UsageError, match=r"give the date of `transplant`"):
        read_records(study, protocol, data_cutoff=CUTOFF)
    assert read_records(study, protocol)["events"]["date"].to_list() == [None]
