import math

import numpy as np
import polars as pl
import pytest

from stromal.analysis.covariates import check_varies, design_row, read_covariates
from stromal.core import UsageError

TABLE = pl.DataFrame(
    {
        "age": [30, 40, None, 50],
        "male": [True, False, True, True],
        "arm": ["msc", "control", "msc", "both"],
        "weight": [60.0, math.nan, 70.0, 80.0],
    }
)


def test_numbers_truth_values_and_text():
    read = read_covariates(TABLE, ["male", "arm"], references={"arm": "control"})
    assert read.terms == ("male", "arm: both against control", "arm: msc against control")
    assert read.columns.tolist() == [[1, 0, 1], [0, 0, 0], [1, 0, 1], [1, 1, 0]]
    assert read.note == ""
    assert design_row(read, {"male": False, "arm": "msc"}).tolist() == [0, 0, 1]


def test_a_category_is_text():
    kinds = pl.Enum(["z", "a", "b"])
    table = pl.DataFrame({"k": pl.Series(["b", "a", "b"], dtype=kinds)})
    assert read_covariates(table, ["k"]).terms == ("k: b against a",)


def test_missing_values_are_counted_or_left_out():
    with pytest.raises(UsageError, match=r"age in 1, weight in 1 of 4 rows"):
        read_covariates(TABLE, ["age", "weight"])
    read = read_covariates(TABLE, ["age", "weight"], missing="leave out")
    assert read.kept.tolist() == [True, False, False, True]
    assert read.columns.tolist() == [[30, 60], [50, 80]]
    assert read.note == "2 of 4 rows left out: a covariate is missing"
    gone = pl.DataFrame({"age": pl.Series([None, None], dtype=pl.Int64)})
    with pytest.raises(UsageError, match="nobody has every covariate"):
        read_covariates(gone, ["age"], missing="leave out")
    with pytest.raises(UsageError, match="`refuse` or `leave out`"):
        read_covariates(TABLE, ["male"], missing="impute")


@pytest.mark.parametrize(
    ("names", "more", "message"),
    [
        (["age", "height"], {}, "no column height"),
        (["male"], {"references": {"sex": "f"}}, "no column sex"),
        (["male", "male"], {}, "stands twice"),
        (["arm"], {"references": {"arm": "placebo"}}, "both, control, msc"),
    ],
)
def test_what_is_refused(names, more, message):
    with pytest.raises(UsageError, match=message):
        read_covariates(TABLE, names, **more)


def test_values_for_a_prediction():
    read = read_covariates(TABLE, ["male", "arm"])
    for at, message in (
        ({"male": 1}, "no value is given for arm"),
        ({"male": 1, "arm": "placebo"}, "it is one of both, control, msc"),
        ({"male": math.nan, "arm": "msc"}, "a finite number"),
    ):
        with pytest.raises(UsageError, match=message):
            design_row(read, at)


@pytest.mark.parametrize("shift", [0.0, 1e6])
def test_dependence_is_found_wherever_the_origin_is(shift):
    rng = np.random.default_rng(1)
    first, second = rng.normal(size=30), rng.normal(size=30)
    table = pl.DataFrame({"a": first + shift, "b": second, "c": first - 2 * second + 5})
    check_varies(read_covariates(table, ["a", "b"]), None)
    with pytest.raises(UsageError, match="c is determined by a, b"):
        check_varies(read_covariates(table, ["a", "b", "c"]), None)
    nearly = table.with_columns(pl.col("c") + 1e-4 * pl.Series(rng.normal(size=30)))
    check_varies(read_covariates(nearly, ["a", "b", "c"]), None)


def test_within_strata():
    table = pl.DataFrame({"a": [1, 1, 2, 2], "b": [1, 2, 3, 4]})
    strata = np.array([0, 0, 1, 1])
    check_varies(read_covariates(table, ["b"]), strata)
    with pytest.raises(UsageError, match="a does not vary within any stratum"):
        check_varies(read_covariates(table, ["a"]), strata)
