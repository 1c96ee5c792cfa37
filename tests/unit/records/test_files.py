import polars as pl
import pytest

from stromal.core import RecordError
from stromal.protocol import read_protocol
from stromal.records import read_records
from support.study_folder import make_study

PEOPLE = "participant_id,transplanted_on,last_contact\nP1,2024-01-01,2024-08-01\n"
HEADER = "record_id,participant_id,day,event,cause\n"


def read(tmp_path, **tables):
    study = make_study(tmp_path, participants=PEOPLE, **tables)
    return read_records(study, read_protocol(study))


def faults(tmp_path, **tables):
    with pytest.raises(RecordError) as caught:
        read(tmp_path, **tables)
    return [(fault.line, fault.column, fault.found) for fault in caught.value.faults]


def test_byte_order_mark_carriage_returns_blanks_and_empty_lines_are_passed_over(tmp_path):
    text = "\ufeff record_id , participant_id,day,event\r\n\r\n E1 , P1 , 3 ,fever\r\n   \r\n"
    events = read(tmp_path, events=text)["events"]
    assert events.select("record_id", "participant_id", "day", "event").rows() == [
        ("E1", "P1", 3, "fever")
    ]


def test_quoted_commas_quotes_and_newlines_are_kept(tmp_path):
    text = HEADER + 'E1,P1,3,fever,"a, ""b""\nand c"\n"E2","P1","4","fever",\n'
    events = read(tmp_path, events=text)["events"]
    assert events["cause"].to_list() == ['a, "b"\nand c', None]


@pytest.mark.parametrize("quote", ["", '"'])
def test_lines_are_those_of_the_file(tmp_path, quote):
    text = HEADER + f"\nE1,P1,3,{quote}fever{quote},\n\n\nE2,P1,x,fever,\n"
    assert faults(tmp_path, events=text) == [(6, "day", "`x` is not a number")]


def test_lines_count_newlines_inside_quotes(tmp_path):
    text = HEADER + 'E1,P1,3,fever,"one\ntwo\nthree"\nE2,P1,x,fever,\n'
    assert faults(tmp_path, events=text) == [(5, "day", "`x` is not a number")]


@pytest.mark.parametrize("quote", ["", '"'])
def test_ragged_rows_are_told_the_same_with_and_without_quotes(tmp_path, quote):
    text = HEADER + f"E1,P1,3,{quote}fever{quote},,\nE2,P1,4\n"
    assert [found for _, _, found in faults(tmp_path, events=text)] == ["6 cells", "3 cells"]


def test_a_participants_file_with_faults_makes_no_strangers_elsewhere(tmp_path):
    study = make_study(
        tmp_path,
        participants="participant_id,transplanted_on\nP1,2024-01-01\nP2,2024-01-01,,\n",
        events=HEADER + "E1,P2,3,fever,\n",
    )
    with pytest.raises(RecordError) as caught:
        read_records(study, read_protocol(study))
    assert [fault.file for fault in caught.value.faults] == ["records/participants.csv"]


def test_one_table_as_csv_and_as_parquet_is_refused(tmp_path):
    study = make_study(tmp_path, participants=PEOPLE)
    pl.DataFrame({"participant_id": ["P1"]}).write_parquet(
        study / "records" / "participants.parquet"
    )
    with pytest.raises(RecordError, match="stands here twice"):
        read_records(study, read_protocol(study))


def test_a_file_that_is_no_parquet_is_refused(tmp_path):
    study = make_study(tmp_path, participants=PEOPLE)
    (study / "records" / "events.parquet").write_bytes(b"PAR1 no")
    with pytest.raises(RecordError, match=r"events\.parquet: not a Parquet file"):
        read_records(study, read_protocol(study))


def test_parquet_types_are_read_as_what_they_mean(tmp_path):
    study = make_study(tmp_path, participants=PEOPLE)
    frame = pl.DataFrame(
        {
            "participant_id": pl.Series(["P1", "P1"], dtype=pl.Categorical),
            "date": pl.Series(["2024-01-04", "2024-01-05"]).str.to_datetime("%Y-%m-%d"),
            "event": ["fever", "rash"],
            "serious": [True, None],
            "grade": [2.0, 3.0],
            "related_to": [["msc", "ratg"], None],
        }
    )
    frame.write_parquet(study / "records" / "events.parquet")
    events = read_records(study, read_protocol(study))["events"]
    assert events.select("record_id", "day", "serious", "grade", "related_to").rows() == [
        ("events:2", 3, "yes", 2, ["msc", "ratg"]),
        ("events:3", 4, None, 3, None),
    ]


def test_a_parquet_column_of_structures_is_refused(tmp_path):
    study = make_study(tmp_path, participants=PEOPLE)
    pl.DataFrame({"participant_id": ["P1"], "day": [1], "event": [{"a": 1}]}).write_parquet(
        study / "records" / "events.parquet"
    )
    with pytest.raises(RecordError, match=r"events\.parquet:event: a column of type Struct"):
        read_records(study, read_protocol(study))


def test_a_header_alone_is_an_empty_table(tmp_path):
    assert read(tmp_path, events=HEADER)["events"].height == 0


def test_unknown_columns_are_carried_along_as_what_they_are(tmp_path):
    study = make_study(
        tmp_path,
        participants="participant_id,transplanted_on,kps,hla,code,remission,empty\n"
        "P1,2024-01-01,90,9.5,007,CR1,\nP2,2024-01-01,,10,008,CR2,\n",
    )
    people = read_records(study, read_protocol(study))["participants"]
    assert people["kps"].to_list() == [90, None]
    assert people["hla"].to_list() == [9.5, 10.0]
    assert people["code"].to_list() == ["007", "008"]
    assert people["remission"].to_list() == ["CR1", "CR2"]
    assert people.schema["empty"] == pl.String


def test_a_file_that_cannot_be_opened_is_told(tmp_path):
    study = make_study(tmp_path, participants=PEOPLE)
    (study / "records" / "events.csv").symlink_to(study / "nowhere.csv")
    with pytest.raises(RecordError, match="cannot be read"):
        read_records(study, read_protocol(study))


def test_a_folder_in_the_place_of_a_file_is_told(tmp_path):
    study = make_study(tmp_path, participants=PEOPLE)
    (study / "records" / "events.parquet").mkdir()
    (study / "records" / "scans").mkdir()
    with pytest.raises(RecordError) as caught:
        read_records(study, read_protocol(study))
    assert [fault.file for fault in caught.value.faults] == ["records/events.parquet"]
