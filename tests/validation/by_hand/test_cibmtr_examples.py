"""The registry's two worked platelet examples, and what every worked history is meant to show.

The two examples are restated from the CIBMTR Forms Instruction Manual, initial platelet recovery:
counts by day, and the dates that the manual reports for them.
"""

import shutil
import subprocess
import sys
from datetime import date, timedelta
from pathlib import Path

import polars as pl
import pytest

from stromal.endpoints import derive
from stromal.protocol import read_protocol
from stromal.records import read_records
from support.derived import PERSON, protocol_text
from support.study_folder import make_study

STUDY = Path(__file__).resolve().parents[3] / "studies" / "worked-examples"

ENDPOINTS = """\
  plt20:
    label: Platelets of at least 20
    recovery: {definition: CIBMTR_PLT_20}
    from: transplant
    competing: [death]
  plt50:
    label: Platelets of at least 50
    recovery: {definition: CIBMTR_PLT_50}
    from: transplant
    competing: [death]
"""
FIRST = [10, 35, 30, 25, 10, 15, 19, 23, 25, 40, 50]  # from 1 January 2008
SECOND = [10, 30, 25, 10, 15, 19, 23, 25, 40, 50, 56, 65, 72]  # from 13 June 2008


def example(folder, zero, values, transfused=None):
    """Derive one example; give {endpoint: (status, date)}."""
    tables = {
        "measurements": [
            {
                "participant_id": "P1",
                "date": zero + timedelta(days=day),
                "analyte": "PLT",
                "value": value,
                "unit": "10*9/L",
            }
            for day, value in enumerate(values)
        ]
    }
    if transfused is not None:
        tables["transfusions"] = [
            {"participant_id": "P1", "date": transfused, "product": "platelets"}
        ]
    make_study(
        folder,
        protocol_text=protocol_text(ENDPOINTS),
        participants=[{**PERSON, "transplanted_day": "", "transplanted_on": zero}],
        **tables,
    )
    protocol = read_protocol(folder)
    rows = derive(protocol, read_records(folder, protocol))
    return {row["endpoint"]: (row["status"], row["date"]) for row in rows.iter_rows(named=True)}


@pytest.mark.published
def test_the_first_example(tmp_path):
    found = example(tmp_path, date(2008, 1, 1), FIRST)
    assert found["plt20"] == ("event", date(2008, 1, 8))


@pytest.mark.published
def test_the_second_example(tmp_path):
    found = example(tmp_path, date(2008, 6, 13), SECOND, transfused=date(2008, 6, 13))
    assert found["plt20"] == ("event", date(2008, 6, 20))
    assert found["plt50"] == ("event", date(2008, 6, 22))


@pytest.mark.by_hand
def test_in_the_second_example_the_transfusion_makes_the_difference(tmp_path):
    """Transfused a day earlier, 23 on 19 June counts; a day later, 21 June is the first day."""
    for shift in (-1, 1):
        day = date(2008, 6, 13) + timedelta(days=shift)
        found = example(tmp_path / day.isoformat(), date(2008, 6, 13), SECOND, transfused=day)
        assert found["plt20"] == ("event", date(2008, 6, 20) + timedelta(days=shift))


# --- the worked histories ------------------------------------------------------------------

ANC, DAYS, ABOVE = (
    "neutrophil_recovery", "neutrophil_recovery_days", "neutrophil_recovery_exceeding",
)  # fmt: skip
PLT20, PLT50 = "platelet_recovery_20", "platelet_recovery_50"
# (history, endpoint) -> status, day, day_low, day_high
EXPECTED = {
    # 35, 30, 25 stand before the last of the lowest counts (10 on days 0 and 4)
    ("W01", PLT20): ("event", 7, 7, 7),
    # 23 on day 6 is within seven days of the transfusion on day 0
    ("W02", PLT20): ("event", 7, 7, 7),
    ("W02", PLT50): ("event", 9, 9, 9),
    ("W03", ANC): ("event", 11, 11, 11),
    ("W03", DAYS): ("event", 11, 11, 11),
    ("W03", ABOVE): ("event", 11, 11, 11),
    # a boost: the lowest count is 1.6
    ("W04", ANC): ("not_applicable", None, None, None),
    ("W04", DAYS): ("not_applicable", None, None, None),
    # 0.5 on day 10, 0.6 on day 11
    ("W05", ANC): ("event", 10, 10, 10),
    ("W05", ABOVE): ("event", 11, 11, 11),
    # 0.6 and 0.7 on days 10 and 11, 0.4 on day 12
    ("W06", ANC): ("event", 13, 13, 13),
    # 0.3 on day 12, no differential until 1.3 on day 17; leucocytes of 0.4 on day 12, 0.9 on day 13
    ("W07", ANC): ("event", 17, 13, 17),
    ("W07", DAYS): ("event", 17, 13, 17),
    # 21 on day 10, transfused on day 11: day 18 is the first evaluable one
    ("W08", PLT20): ("event", 18, 18, 18),
    ("W09", ANC): ("competing", 15, None, None),
    ("W09", "overall_survival"): ("event", 15, None, None),
    # fails on Friday 12, qualifies on Monday 14, Wednesday 16 and Friday 18
    ("W10", ANC): ("event", 14, 12, None),
    ("W10", DAYS): ("not_evaluable", None, 12, None),
    # recovery on day 10; 0.4, 0.3, 0.2 on days 20 to 22
    ("W11", ANC): ("event", 10, 10, 10),
    ("W11", "secondary_failure"): ("event", 20, 20, 20),
    # neutrophils recover, platelets and haemoglobin stay low from day 28 on
    ("W12", ANC): ("event", 10, 10, 10),
    ("W12", "poor_graft_function"): ("event", 28, 28, 30),
    # the last platelet transfusion is on day 81
    ("W12", PLT20): ("event", 88, 88, 88),
    ("W12", "platelet_response"): ("PR", 49, None, None),
    ("W12", "infusion_reactions"): ("yes", 0, None, None),
    ("W13", ANC): ("competing", 20, None, None),
    # 480/uL on day 10, 520/uL on day 11
    ("W14", ANC): ("event", 11, 11, 11),
    # the last count, on day 15, leaves room for a run up to day 13
    ("W15", ANC): ("censored", 13, None, None),
    # never below 20, never transfused; below 50 on days 6 to 8
    ("W16", PLT20): ("not_applicable", None, None, None),
    ("W16", PLT50): ("event", 9, 9, 9),
    ("W17", "cmv_course"): ("death", 61, None, None),
    ("W17", "overall_survival"): ("event", 61, None, None),
    ("W18", "poor_graft_function"): ("event", 28, 28, 30),
    ("W18", PLT20): ("censored", 100, None, None),
    ("W18", "platelet_response"): ("NR", None, None, None),
    ("W18", "infusion_reactions"): ("no", None, None, None),
}


@pytest.fixture(scope="module")
def rows():
    protocol = read_protocol(STUDY)
    return derive(protocol, read_records(STUDY, protocol))


def row_of(rows, who, endpoint):
    found = rows.filter((pl.col("participant_id") == who) & (pl.col("endpoint") == endpoint))
    return found.row(0, named=True)


@pytest.mark.by_hand
@pytest.mark.parametrize(("who", "endpoint"), EXPECTED)
def test_what_each_history_shows(rows, who, endpoint):
    row = row_of(rows, who, endpoint)
    found = tuple(row[name] for name in ("status", "day", "day_low", "day_high"))
    assert found == EXPECTED[who, endpoint]


def test_every_history_is_looked_at(rows):
    assert {who for who, _ in EXPECTED} == set(rows["participant_id"])


@pytest.mark.published
def test_the_registry_examples_among_the_histories(rows):
    assert row_of(rows, "W01", PLT20)["date"] == date(2008, 1, 8)
    assert row_of(rows, "W02", PLT20)["date"] == date(2008, 6, 20)
    assert row_of(rows, "W02", PLT50)["date"] == date(2008, 6, 22)


@pytest.mark.by_hand
@pytest.mark.parametrize(
    ("who", "endpoint", "because"),
    [
        ("W07", ANC, ["W07-ANC-17", "W07-ANC-18", "W07-ANC-19"]),
        ("W09", ANC, ["W09-E2"]),
        ("W11", "secondary_failure", ["W11-ANC-20", "W11-ANC-21", "W11-ANC-22"]),
        ("W12", "infusion_reactions", ["W12-E1"]),
        ("W13", ANC, ["W13-E1"]),
        ("W17", "cmv_course", ["W17-E1", "W17-E2", "W17-E3"]),
    ],
)
def test_the_records_that_decided(rows, who, endpoint, because):
    assert row_of(rows, who, endpoint)["because"] == because


@pytest.mark.by_hand
@pytest.mark.parametrize(
    ("who", "endpoint", "part"),
    [
        ("W04", ANC, "lowest count of days 0 to 28 was 1.6 on day 4"),
        ("W07", ANC, "first met on days 17 to 19; nadir 0.05 on day 7"),
        ("W10", DAYS, "drawn on at most 1 successive days"),
        ("W12", "infusion_reactions", "1 event related to msc"),
        ("W15", ANC, "last count on day 15; a run could still have begun up to day 13"),
        ("W17", "cmv_course", "cmv_disease (day 48) -> death (day 61)"),
    ],
)  # fmt: skip
def test_the_sentence_for_a_physician(rows, who, endpoint, part):
    assert part in row_of(rows, who, endpoint)["note"]


def test_the_script_writes_the_committed_records_byte_for_byte(tmp_path):
    shutil.copy(STUDY / "make_records.py", tmp_path)
    subprocess.run([sys.executable, str(tmp_path / "make_records.py")], check=True)
    written = {file.name: file.read_bytes() for file in (tmp_path / "records").glob("*.csv")}
    committed = {file.name: file.read_bytes() for file in (STUDY / "records").glob("*.csv")}
    assert written.keys() == committed.keys()
    assert written == committed
