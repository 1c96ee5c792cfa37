"""What holds for any records: order, format and quoting change nothing; units go both ways."""

import csv
import functools
import io
import tempfile
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stromal.core import RecordError, convert_value
from stromal.core.units import dimension_of
from stromal.protocol import read_protocol
from stromal.records import read_records, write_table
from support.study_folder import ABOUT, PROTOCOL

UNITS = [
    "10*9/L", "10*3/uL", "10*6/mL", "10*12/L", "10*6/L", "/uL", "/mm3", "/mL", "/L", "K/uL",
    "g/L", "g/dL", "mg/dL", "mg/L", "d", "wk", "mo", "a", "h", "/kg", "10*6/kg",
]  # fmt: skip
QUICK = settings(max_examples=25, deadline=None, derandomize=True)

PEOPLE = [
    {"participant_id": f"P{n}", "transplanted_on": f"2024-01-0{n}", "sex": sex, "kps": str(60 + n)}
    for n, sex in [(1, "female"), (2, "male"), (3, "")]
]
VALUES = st.one_of(
    st.decimals(0, 99, places=2, allow_nan=False).filter(lambda x: x == 0 or x >= 1).map(str),
    st.sampled_from(["<0.1", ">90", "< 0.5", "1e1", "0"]),
)
ROW = st.fixed_dictionaries(
    {
        "participant_id": st.sampled_from(["P1", "P2", "P3"]),
        "day": st.integers(-10, 100).map(str),
        "analyte": st.sampled_from(["ANC", "PLT", "WBC"]),
        "value": VALUES,
        "unit": st.sampled_from(["10*9/L", "K/uL", "10^9/L"]),
        "time": st.sampled_from(["", "08:00", "20:15:30"]),
        "ward": st.sampled_from(["", "A", "B 2"]),
    }
)
ROWS = st.lists(ROW, min_size=1, max_size=12).map(
    lambda rows: [{"record_id": f"M{n}", **row} for n, row in enumerate(rows)]
)


@functools.cache
def protocol():
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "protocol.yaml"
        file.write_text(PROTOCOL, encoding="utf-8")
        return read_protocol(file)


def as_csv(rows, quoting=csv.QUOTE_MINIMAL):
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), quoting=quoting, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def read(measurements, people=None):
    """Read records whose measurements are given as CSV text, or as a frame (then Parquet)."""
    with tempfile.TemporaryDirectory() as folder:
        records = Path(folder) / "records"
        records.mkdir()
        (records / "about.yaml").write_text(ABOUT, encoding="utf-8")
        (records / "participants.csv").write_text(as_csv(people or PEOPLE), encoding="utf-8")
        if isinstance(measurements, pl.DataFrame):
            measurements.write_parquet(records / "measurements.parquet")
        else:
            (records / "measurements.csv").write_text(measurements, encoding="utf-8", newline="")
        return read_records(Path(folder), protocol())


def same(one, other):
    assert one.findings == other.findings
    for name, table in one.tables.items():
        assert other[name].equals(table.select(other[name].columns)), name
        assert set(other[name].columns) == set(table.columns)


@given(st.floats(1e-9, 1e12), st.sampled_from(UNITS), st.sampled_from(UNITS))
@settings(max_examples=200, derandomize=True)
def test_units_convert_both_ways(value, unit, other):
    if dimension_of(unit) == dimension_of(other):
        there = convert_value(value, unit, other)
        assert convert_value(there, other, unit) == pytest.approx(value, rel=1e-14)


@given(ROWS, st.randoms(use_true_random=False))
@QUICK
def test_the_order_of_rows_changes_nothing(rows, random):
    shuffled = random.sample(rows, len(rows))
    same(read(as_csv(rows)), read(as_csv(shuffled)))


@given(ROWS, st.randoms(use_true_random=False))
@QUICK
def test_the_order_of_columns_changes_nothing(rows, random):
    names = random.sample(list(rows[0]), len(rows[0]))
    same(read(as_csv(rows)), read(as_csv([{name: row[name] for name in names} for row in rows])))


@given(ROWS)
@QUICK
def test_quoting_every_cell_changes_nothing(rows):
    same(read(as_csv(rows)), read(as_csv(rows, csv.QUOTE_ALL)))


@given(ROWS)
@QUICK
def test_a_parquet_twin_gives_the_same_tables(rows):
    text = as_csv(rows)
    typed = pl.read_csv(io.StringIO(text), schema_overrides={"value": pl.String})
    same(read(text), read(typed))


@given(ROWS)
@QUICK
def test_numbers_of_a_parquet_twin_keep_every_digit(rows):
    numbers = [row for row in rows if row["value"][0] not in "<>"]
    if numbers:
        text = as_csv(numbers)
        typed = pl.read_csv(io.StringIO(text), schema_overrides={"value": pl.Float64})
        as_number = [column for column in read(text)["measurements"].columns if column != "as_read"]
        one, other = read(text)["measurements"], read(typed)["measurements"]
        assert one.select(as_number).equals(other.select(as_number))


@given(ROWS)
@QUICK
def test_an_analyte_in_another_unit_is_the_same_count(rows):
    plain = [row for row in rows if row["value"][0] not in "<>"]
    if plain:
        scaled = [{**row, "value": f"{row['value']}e3", "unit": "/uL"} for row in plain
                  if "e" not in row["value"]]  # fmt: skip
        ids = [row["record_id"] for row in scaled]
        if scaled:
            one = read(as_csv(plain))["measurements"].filter(pl.col("record_id").is_in(ids))
            assert one["value"].equals(read(as_csv(scaled))["measurements"]["value"])


@given(ROWS)
@QUICK
def test_renamed_participants_change_nothing_but_their_names(rows):
    renamed = [{**row, "participant_id": "X" + row["participant_id"]} for row in rows]
    people = [{**row, "participant_id": "X" + row["participant_id"]} for row in PEOPLE]
    one, other = read(as_csv(rows)), read(as_csv(renamed), people)
    for name, table in one.tables.items():
        unnamed = [column for column in table.columns if column != "participant_id"]
        assert table.select(unnamed).equals(other[name].select(unnamed)), name


@given(ROWS)
@QUICK
def test_an_exported_table_is_read_as_it_was(rows):
    first = read(as_csv(rows))
    columns = ["record_id", "participant_id", "day", "analyte", "value", "time", "method", "ward"]
    exact = first["measurements"].drop_nulls("value").select(columns)
    if exact.height:
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "measurements.csv"
            write_table(exact.with_columns(unit=pl.lit("10*9/L")), file)
            again = read(file.read_text(encoding="utf-8"))["measurements"].select(columns)
        assert again.select(columns[:-1]).equals(exact.select(columns[:-1]))


CELL = st.one_of(
    st.sampled_from(
        ["", "P1", "1", "ANC", "10*9/L", "-1", "<", "<0.1", "1e400", "2024-01-01", '"']
    ),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=8),
)
HEADER = ["participant_id", "day", "analyte", "value", "unit"]


def read_or_faults(text):
    try:
        return (), read(text)
    except RecordError as error:
        return error.faults, None


@given(st.lists(st.lists(CELL, min_size=1, max_size=7), max_size=6), st.booleans())
@settings(max_examples=150, deadline=None, derandomize=True)
def test_whatever_a_file_holds_it_is_read_or_refused(rows, with_header):
    lines = [",".join(row) for row in [HEADER, *rows][not with_header :]]
    faults, records = read_or_faults("\n".join(lines))
    assert all(fault.found and fault.remedy for fault in faults)
    if records is not None:
        assert records["measurements"].select("participant_id", "day").null_count().row(0) == (0, 0)
        assert records["measurements"]["low"].is_between(0, records["measurements"]["high"]).all()
