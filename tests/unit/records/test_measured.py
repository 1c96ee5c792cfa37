import csv
import math
from pathlib import Path

import pytest

from stromal.core import RecordError, convert_value
from stromal.protocol import read_protocol
from stromal.protocol.rules import ANALYTE_UNITS
from stromal.records import read_records
from stromal.records.measured import PLAUSIBLE
from support.study_folder import make_study

SHARED = Path(__file__).resolve().parents[4] / "shared" / "data"
PEOPLE = "participant_id,transplanted_on,last_contact\nP1,2024-01-01,2025-12-31\n"


def read(tmp_path, rows):
    measurements = [
        {
            "participant_id": "P1",
            "day": day,
            "analyte": analyte,
            "value": value,
            "unit": unit,
            **(rest[0] if rest else {}),
        }
        for day, (analyte, value, unit, *rest) in enumerate(rows)
    ]
    study = make_study(tmp_path, participants=PEOPLE, measurements=measurements)
    return read_records(study, read_protocol(study))["measurements"]


@pytest.mark.by_hand
def test_every_unit_of_counts_on_entry(tmp_path):
    rows = [
        ("ANC", "500", "/uL"),
        ("ANC", "500", "/mm3"),
        ("ANC", "0.5", "K/uL"),
        ("ANC", "0.5", "10^9/L"),
        ("ANC", "500", "10*6/L"),
        ("PLT", "20000", "/uL"),
        ("PLT", "20", "10*3/uL"),
        ("Hb", "8.1", "g/dL"),
        ("Hb", "81", "g/L"),
        ("WBC", "2.3", "10*9/L"),
    ]
    assert read(tmp_path, rows)["value"].to_list() == [
        0.5, 0.5, 0.5, 0.5, 0.5, 20, 20, 81, 81, 2.3,
    ]  # fmt: skip


@pytest.mark.parametrize("unit", ["/uL", "K/uL", "10*9/L", "10*6/L", "10*3/mL"])
@pytest.mark.parametrize("number", ["0.3", "1.1", "7", "0.30000000000000004", "2.999"])
def test_a_column_converts_as_one_value_does(tmp_path, unit, number):
    rows = [("ANC", number, unit, {"verified": "yes"})]
    assert read(tmp_path, rows)["value"].to_list() == [
        convert_value(float(number), unit, ANALYTE_UNITS["ANC"])
    ]


@pytest.mark.by_hand
def test_bounds(tmp_path):
    rows = [
        ("WBC", "<0.1", "10*9/L"),
        ("ANC", "< 38.5", "10*9/L"),
        ("ANC", "<0.30000000000000004", "10*9/L"),
        ("PLT", ">1000", "10*9/L"),
        ("ANC", "<100", "/uL"),
        ("ANC", ">0", "10*9/L"),
    ]
    frame = read(tmp_path, rows)
    assert frame["value"].to_list() == [None] * 6
    assert frame["low"].to_list() == [0, 0, 0, 1000, 0, 0]
    assert frame["high"].to_list() == [0.1, 38.5, 0.30000000000000004, math.inf, 0.1, math.inf]
    assert frame["censored"].to_list() == ["<", "<", "<", ">", "<", ">"]
    assert frame["as_read"].to_list()[1] == "< 38.5 10*9/L"


def test_zero_is_a_count_but_not_a_haemoglobin(tmp_path):
    frame = read(tmp_path / "a", [("ANC", "0", "10*9/L"), ("PLT", "-0.0", "10*9/L")])
    assert [math.copysign(1, value) for value in frame["value"]] == [1, 1]
    with pytest.raises(RecordError, match="`0` g/L makes no sense as Hb"):
        read(tmp_path / "b", [("Hb", "0", "g/L")])


@pytest.mark.parametrize("analyte", list(ANALYTE_UNITS))
def test_limits_themselves_are_plausible_and_beyond_them_only_when_verified(tmp_path, analyte):
    limits, unit = PLAUSIBLE[analyte], ANALYTE_UNITS[analyte]
    edges = [limits.least, limits.most]
    assert (
        read(tmp_path / "a", [(analyte, repr(edge), unit) for edge in edges])["value"].to_list()
        == edges
    )
    beyond = [math.nextafter(limits.least, 0), math.nextafter(limits.most, math.inf)]
    with pytest.raises(RecordError) as caught:
        read(tmp_path / "b", [(analyte, repr(value), unit) for value in beyond])
    assert [fault.line for fault in caught.value.faults] == [2, 3]
    rows = [(analyte, repr(value), unit, {"verified": "yes"}) for value in beyond]
    assert read(tmp_path / "c", rows)["value"].to_list() == beyond


def test_every_analyte_has_limits():
    assert set(PLAUSIBLE) == set(ANALYTE_UNITS)


def liao(name):
    file = SHARED / "liao2021" / name
    if not file.is_file():
        pytest.skip("the real counts are not beside this repository")
    with file.open(encoding="utf-8", newline="") as handle:
        return list(csv.DictReader(handle))


def test_real_counts_pass(tmp_path):
    rows = [
        (row["test"], row["value_1e9_per_L"], "10*9/L")
        for row in liao("counts.csv")
        if row["test"] in ANALYTE_UNITS
    ]
    frame = read(tmp_path, rows)
    assert frame["value"].to_list() == [float(value) for _, value, _ in rows]


def test_values_as_a_real_source_writes_them(tmp_path):
    names = {"WBCtotal": "WBC", "Neutrophils": "ANC"}
    rows = [(names[row["BloodCellType"]], row["Value"], "10*9/L") for row in liao("raw_quirks.csv")]
    with pytest.raises(RecordError) as caught:
        read(tmp_path / "a", rows)
    assert [fault.found for fault in caught.value.faults] == ["`<0.0` is below zero"]
    sound = [row for row in rows if row[1] != "<0.0"]
    frame = read(tmp_path / "b", sound)
    assert frame["high"].to_list() == [float(value.lstrip("<")) for _, value, _ in sound]
    assert frame["censored"].to_list() == ["<" if v[0] == "<" else None for _, v, _ in sound]


def test_real_counts_of_an_intensive_care_unit(tmp_path):
    file = SHARED / "mimic3demo" / "counts.csv"
    if not file.is_file():
        pytest.skip("the real counts are not beside this repository")
    with file.open(encoding="utf-8", newline="") as handle:
        rows = [
            ({"HGB": "Hb"}.get(row["test"], row["test"]), row["value"], row["valueuom"])
            for row in csv.DictReader(handle)
            if row["test"] in {"HGB", "PLT", "WBC"} and "UNABLE" not in row["value"]
        ]
    frame = read(tmp_path, rows)
    assert frame.height == len(rows) > 100


@pytest.mark.parametrize(
    ("value", "unit", "kept"), [(500, "/ul", 0.5), (0.5, "10*9/l", 0.5), (0.5, "10^3/ul", 0.5)]
)
def test_the_litre_is_l_or_L_as_in_ucum(value, unit, kept):  # noqa: N802
    assert convert_value(value, unit, "10*9/L") == kept
