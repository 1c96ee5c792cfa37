import csv
import json
from datetime import date

import polars as pl
import pytest

from stromal.core import UsageError
from stromal.records import write_table

FRAME = pl.DataFrame(
    {
        "participant_id": ["=SUM(A1:A9)", "+1", "-P3", "@cmd", "\tP5", "\rP6", "P7"],
        "change": [-1.5, 0.1, float("inf"), float("nan"), None, 1e-12, 3.0],
        "because": [["=a", "b"], ["c"], [], None, ["d"], ["e"], ["f"]],
        "date": [date(2024, 1, 1)] * 7,
    }
)


def test_a_text_never_becomes_a_formula_and_numbers_stay_numbers(tmp_path):
    write_table(FRAME, tmp_path / "table.csv")
    with (tmp_path / "table.csv").open(encoding="utf-8", newline="") as handle:
        rows = list(csv.DictReader(handle))
    assert [row["participant_id"] for row in rows] == [
        "'=SUM(A1:A9)", "'+1", "'-P3", "'@cmd", "'\tP5", "'\rP6", "P7",
    ]  # fmt: skip
    assert rows[0]["change"] == "-1.5"
    assert [row["because"] for row in rows[:3]] == ["'=a;b", "c", ""]
    assert rows[0]["date"] == "2024-01-01"


def test_a_column_name_never_becomes_a_formula(tmp_path):
    write_table(pl.DataFrame({"=1+1": [1]}), tmp_path / "table.csv")
    assert (tmp_path / "table.csv").read_text(encoding="utf-8") == "'=1+1\n1\n"


def test_numbers_keep_every_digit(tmp_path):
    values = [0.1 + 0.2, 1 / 3, 1e-300, 123456789.123456789]
    frame = pl.DataFrame({"x": values})
    for name in ("t.csv", "t.parquet", "t.json"):
        write_table(frame, tmp_path / name)
    with (tmp_path / "t.csv").open(encoding="utf-8", newline="") as handle:
        assert [float(row["x"]) for row in csv.DictReader(handle)] == values
    assert pl.read_parquet(tmp_path / "t.parquet")["x"].to_list() == values
    rows = json.loads((tmp_path / "t.json").read_text(encoding="utf-8"))
    assert [row["x"] for row in rows] == values


def test_json_is_strict_and_keeps_lists_and_texts(tmp_path):
    write_table(FRAME, tmp_path / "table.json")
    rows = json.loads(
        (tmp_path / "table.json").read_text(encoding="utf-8"), parse_constant=pytest.fail
    )
    assert rows[0]["because"] == ["=a", "b"]
    assert rows[0]["participant_id"] == "=SUM(A1:A9)"
    assert [row["change"] for row in rows[:4]] == [-1.5, 0.1, None, None]


def test_parquet_comes_back_as_it_was(tmp_path):
    write_table(FRAME, tmp_path / "table.parquet")
    assert pl.read_parquet(tmp_path / "table.parquet").equals(FRAME)


def test_an_unknown_suffix_is_refused_with_those_that_are_known(tmp_path):
    with pytest.raises(UsageError, match=r"\.csv, \.parquet, \.json"):
        write_table(FRAME, tmp_path / "table.xlsx")


def test_an_absent_folder_is_refused_and_nothing_stays(tmp_path):
    with pytest.raises(UsageError, match="cannot write"):
        write_table(FRAME, tmp_path / "nowhere" / "table.csv")
    assert list(tmp_path.iterdir()) == []
