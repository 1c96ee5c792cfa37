"""Analysis data in the manner of ADaM, on the second worked examples."""

from functools import cache
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stromal.analysis.analysis_data import analysis_data, flag_names, parameter_codes
from stromal.endpoints.derive import derive_all
from stromal.protocol import read_protocol
from stromal.records import read_records

STUDY = Path(__file__).resolve().parents[3] / "studies" / "worked-examples-2"


@cache
def context():
    protocol = read_protocol(STUDY)
    return derive_all(protocol, read_records(STUDY, protocol))


@pytest.mark.by_hand
def test_one_row_a_participant_and_parameter():
    data = analysis_data(context())
    assert data.height == context().size * len(context().derived)
    assert not data.select("USUBJID", "PARAMCD").is_duplicated().any()
    died = data.filter((pl.col("SUBJID") == "C03") & (pl.col("PARAMCD") == "OVESUR"))
    row = died.row(0, named=True)
    assert (row["AVAL"], row["AVALU"], row["CNSR"], row["AVALC"]) == (60.0, "DAYS", 0, None)
    assert row["DATAKIND"] == "teaching"
    lives = data.filter((pl.col("SUBJID") == "C01") & (pl.col("PARAMCD") == "OVESUR"))
    assert lives["CNSR"].to_list() == [1]


def test_counts_and_levels_are_no_times():
    data = analysis_data(context())
    counted = data.filter(pl.col("PARAM").str.starts_with("Infections"))
    row = counted.filter(pl.col("SUBJID") == "C08").row(0, named=True)
    assert (row["AVAL"], row["CNSR"], row["AVALC"]) == (2.0, None, "yes")


def test_flags_say_who_is_in_which_set():
    data = analysis_data(context()).unique("SUBJID", maintain_order=True)
    assert set(data[flag_names(context())["everyone"]]) == {"Y"}
    assert set(data[flag_names(context())["infused"]]) == {"Y", "N"}


@given(st.lists(st.from_regex(r"[A-Za-z][A-Za-z0-9_]{0,30}", fullmatch=True), unique=True))
def test_codes_are_different_and_short(names):
    codes = parameter_codes(names)
    assert len(set(codes.values())) == len(names)
    assert all(0 < len(code) <= 8 and code.isalnum() and code.isupper() for code in codes.values())
