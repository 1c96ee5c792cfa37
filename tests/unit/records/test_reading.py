import os
import shutil
from datetime import date

import polars as pl
import pytest

from stromal.core import RecordError
from stromal.protocol import read_protocol
from stromal.records import TABLES, TrialRecords, anchor_days, read_records
from support.study_folder import make_study

PEOPLE = [
    {
        "participant_id": "P1",
        "arm": "msc",
        "transplanted_on": "2024-01-01",
        "enrolled_on": "2024-01-31",
        "last_contact": "2024-06-01",
        "kps": "90",
    },
    {
        "participant_id": "P2",
        "arm": "msc",
        "transplanted_on": "2024-02-01",
        "last_contact": "2024-06-01",
        "kps": "70",
    },
]


def read(study) -> TrialRecords:
    return read_records(study, read_protocol(study))


def test_a_study_without_records_has_thirteen_empty_tables(tmp_path):
    study = make_study(tmp_path)
    (study / "records" / "about.yaml").unlink()
    (study / "records").rmdir()
    records = read(study)
    assert records.about.data is None
    assert list(records.tables) == list(TABLES)
    assert all(table.height == 0 for table in records.tables.values())
    assert records["participants"].schema["transplanted_day"] == pl.Int32
    assert records["measurements"].schema["value"] == pl.Float64


def test_dates_become_days_and_days_become_dates(tmp_path):
    study = make_study(
        tmp_path,
        participants=PEOPLE,
        transfusions=[
            {"participant_id": "P1", "date": "2024-01-11", "product": "platelets"},
            {"participant_id": "P2", "day": "-1", "product": "platelets"},
        ],
    )
    found = read(study)["transfusions"].select("day", "date").rows()
    assert found == [(10, date(2024, 1, 11)), (-1, date(2024, 1, 31))]


def test_values_are_converted_and_bounds_kept(tmp_path):
    rows = [
        ("ANC", "500", "/uL"),
        ("ANC", "<0.1", "10*9/L"),
        ("Hb", "8", "g/dL"),
        ("PLT", ">1000", "K/uL"),
    ]
    study = make_study(
        tmp_path,
        participants=PEOPLE,
        measurements=[
            {"participant_id": "P1", "day": day, "analyte": analyte, "value": value, "unit": unit}
            for day, (analyte, value, unit) in enumerate(rows)
        ],
    )
    found = read(study)["measurements"].select("value", "low", "high", "censored", "as_read")
    assert found.rows() == [
        (0.5, 0.5, 0.5, None, "500 /uL"),
        (None, 0.0, 0.1, "<", "<0.1 10*9/L"),
        (80.0, 80.0, 80.0, None, "8 g/dL"),
        (None, 1000.0, float("inf"), ">", ">1000 K/uL"),
    ]


def test_anchors_of_every_kind(tmp_path):
    study = make_study(
        tmp_path,
        participants=PEOPLE,
        infusions=[
            {
                "participant_id": "P1",
                "day": 40,
                "product": "msc",
                "number": 2,
                "cells_per_kg": "1e6",
            },
            {
                "participant_id": "P1",
                "day": 33,
                "product": "msc",
                "number": 1,
                "cells_per_kg": "1e6",
            },
        ],
        events=[
            {"participant_id": "P2", "day": 90, "event": "relapse"},
            {"participant_id": "P2", "day": 80, "event": "relapse"},
        ],
    )
    protocol = read_protocol(study)
    days = anchor_days(protocol, read_records(study, protocol))
    assert days.columns == ["participant_id", *protocol.anchors]
    assert days.rows() == [("P1", 0, 30, 33, None, 100), ("P2", 0, None, None, 80, 100)]
    assert set(days.dtypes[1:]) == {pl.Int32}


def test_all_faults_of_all_files_are_told_at_once(tmp_path):
    study = make_study(
        tmp_path,
        participants=PEOPLE,
        measurements=[
            {"participant_id": "P1", "day": "1", "analyte": "ANC", "value": "-1", "unit": "10*9/L"},
            {"participant_id": "P9", "day": "2", "analyte": "ANC", "value": "1", "unit": "10*9/L"},
        ],
        infusions=[{"participant_id": "P1", "day": 1, "product": "mcs", "number": 1}],
    )
    with pytest.raises(RecordError) as caught:
        read(study)
    assert [(fault.file, fault.line, fault.column) for fault in caught.value.faults] == [
        ("records/infusions.csv", 2, "product"),
        ("records/measurements.csv", 2, "value"),
        ("records/measurements.csv", 3, "participant_id"),
    ]


def test_zeros_that_a_spreadsheet_dropped_are_named(tmp_path):
    study = make_study(
        tmp_path,
        participants=[{"participant_id": "001", "transplanted_on": "2024-01-01"}],
        events=[{"participant_id": "1", "day": 3, "event": "fever"}],
    )
    with pytest.raises(RecordError) as caught:
        read_records(study, read_protocol(study))
    assert [fault.remedy for fault in caught.value.faults] == [
        "Did you mean `001`? Spreadsheets drop zeros in front of a number."
    ]


def test_a_pipe_is_no_file_and_a_file_no_folder(tmp_path):
    study = make_study(tmp_path)
    protocol = read_protocol(study)
    os.mkfifo(study / "records" / "events.csv")
    with pytest.raises(RecordError, match=r"records/events\.csv: no regular file"):
        read_records(study, protocol)
    shutil.rmtree(study / "records")
    (study / "records").write_text("", encoding="utf-8")
    with pytest.raises(RecordError, match="records: no folder"):
        read_records(study, protocol)
