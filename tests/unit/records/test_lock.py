"""The lock of an analysis: what it holds, and that nothing changes unnoticed."""

import hashlib
import json
from datetime import date

import polars as pl
import pytest

from stromal.core import UsageError
from stromal.protocol import protocol_version, read_protocol
from stromal.records import read_records
from stromal.records.lock import LOCK_FILE, check_lock, lock_records, read_lock, write_lock
from support.study_folder import make_study

PEOPLE = [
    {"participant_id": name, "sex": "female", "age": 40, "arm": "msc", "weight_kg": 60,
     "transplanted_on": "2024-01-10", "enrolled_on": "2024-02-10", "last_contact": "2024-09-01",
     "complete_until": "2024-09-01"}
    for name in ("P1", "P2")
]  # fmt: skip
DEATHS = [
    {"record_id": "E1", "participant_id": "P1", "date": "2024-03-01", "event": "death"},
    {"record_id": "E2", "participant_id": "P2", "date": "2024-08-01", "event": "death"},
]
CUTOFF = date(2024, 6, 30)


@pytest.fixture
def study(tmp_path):
    return make_study(tmp_path, participants=PEOPLE, events=DEATHS)


def locked(study, cutoff=CUTOFF):
    protocol = read_protocol(study)
    lock = lock_records(study, protocol, read_records(study, protocol, data_cutoff=cutoff))
    write_lock(study, lock)
    return lock


def checked(study, cutoff=None):
    return check_lock(study, read_protocol(study), read_lock(study), data_cutoff=cutoff)


def test_a_lock_holds_hashes_rows_and_no_place_or_time(study):
    lock = locked(study)
    names = ["records/about.yaml", "records/events.csv", "records/participants.csv"]
    assert list(lock.files) == names
    assert (
        lock.files[names[1]]
        == hashlib.sha256((study / "records/events.csv").read_bytes()).hexdigest()
    )
    assert lock.rows == {"events": 1, "participants": 2}  # the second death is after the cut-off
    assert lock.protocol_version == protocol_version(read_protocol(study))
    written = (study / LOCK_FILE).read_text(encoding="utf-8")
    assert str(study) not in written
    assert set(json.loads(written)) == {
        "stromal_lock", "study", "data_cutoff", "protocol_version", "files", "rows",
    }  # fmt: skip


def test_the_same_records_give_the_same_lock(study):
    first = locked(study)
    text = (study / LOCK_FILE).read_bytes()
    assert locked(study) == first == read_lock(study)
    assert (study / LOCK_FILE).read_bytes() == text


@pytest.mark.by_hand
def test_the_checksum_is_that_of_sha256sum(study):
    lock = locked(study)
    lines = "".join(
        f"{hashlib.sha256((study / name).read_bytes()).hexdigest()}  {name}\n"
        for name in sorted(lock.files)
    )
    assert lock.checksum == hashlib.sha256(lines.encode()).hexdigest()


def test_the_locked_cut_off_is_taken(study):
    locked(study)
    assert checked(study) == CUTOFF
    assert checked(study, CUTOFF) == CUTOFF


@pytest.mark.parametrize("cutoff", [date(2024, 6, 29), date(2024, 7, 1)])
def test_another_cut_off_is_refused(study, cutoff):
    locked(study)
    with pytest.raises(UsageError, match=r"locked at 2024-06-30: leave --cutoff out"):
        checked(study, cutoff)


def test_a_lock_without_cut_off_refuses_one(study):
    assert locked(study, None).data_cutoff is None
    assert checked(study) is None
    with pytest.raises(UsageError, match="locked without a cut-off"):
        checked(study, CUTOFF)


def test_every_change_is_told_at_once(study):
    locked(study)
    with (study / "records/events.csv").open("a", encoding="utf-8") as handle:
        handle.write("\n")
    about = study / "records/about.yaml"
    about.write_text(about.read_text(encoding="utf-8") + "# more\n", encoding="utf-8")
    (study / "records/visits.csv").write_text("participant_id,date,encounter\n", encoding="utf-8")
    with pytest.raises(UsageError) as told:
        checked(study)
    said = str(told.value)
    assert "records/about.yaml has changed: restore it" in said
    assert "records/events.csv has changed: restore it" in said
    assert "records/visits.csv is new: take it out" in said
    assert "participants" not in said
    assert "--lock" in said


def test_a_missing_file_is_told_and_the_same_rows_in_parquet_are_another_file(study):
    locked(study)
    frame = pl.read_csv(study / "records/events.csv")
    (study / "records/events.csv").unlink()
    with pytest.raises(UsageError, match=r"records/events.csv is missing: restore it"):
        checked(study)
    frame.write_parquet(study / "records/events.parquet")
    with pytest.raises(UsageError, match=r"records/events.parquet is new"):
        checked(study)


def test_parquet_is_locked_as_csv_is(study):
    frame = pl.read_csv(study / "records/events.csv")
    (study / "records/events.csv").unlink()
    frame.write_parquet(study / "records/events.parquet")
    assert "records/events.parquet" in locked(study).files
    frame.head(1).write_parquet(study / "records/events.parquet")
    with pytest.raises(UsageError, match=r"records/events.parquet has changed"):
        checked(study)


def test_another_protocol_is_refused_and_a_comment_is_not_one(study):
    locked(study)
    file = study / "protocol.yaml"
    text = file.read_text(encoding="utf-8")
    file.write_text(text + "# nothing that changes a number\n", encoding="utf-8")
    assert checked(study) == CUTOFF
    file.write_text(text.replace("nadir_within: 28 d", "nadir_within: 27 d"), encoding="utf-8")
    with pytest.raises(UsageError, match=r"the protocol has version .*: restore the protocol"):
        checked(study)


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"stromal_lock": 2}', '{"stromal_lock": 1, "files": {"a": "b"}}']
)
def test_what_is_no_lock_is_refused(study, text):
    (study / LOCK_FILE).write_text(text, encoding="utf-8")
    with pytest.raises(UsageError, match="is no lock that stromal wrote"):
        read_lock(study)


def test_a_study_without_a_lock_or_without_records(study, tmp_path):
    assert read_lock(study) is None
    bare = tmp_path / "bare"
    bare.mkdir()
    (bare / "protocol.yaml").write_bytes((study / "protocol.yaml").read_bytes())
    protocol = read_protocol(bare)
    with pytest.raises(UsageError, match="nothing to lock"):
        lock_records(bare, protocol, read_records(bare, protocol))
