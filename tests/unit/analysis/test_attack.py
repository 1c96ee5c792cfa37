"""Faults that random data sets brought to light; the numbers are R's (cmprsk 2.2, survival 3.5)."""

import math

import numpy as np
import polars as pl
import pytest

from stromal.analysis import (
    compare_incidence,
    compare_survival,
    estimate_concordance,
    estimate_incidence,
    fit_fine_gray,
    times_to_event,
)
from stromal.core import UsageError


def read(columns, **named):
    codes = {"time": "time", "status": "status", "event": 1, "censored": 0, "competing": 2}
    return times_to_event(pl.DataFrame(columns), **codes | named)


def test_weighted_periods_without_censoring_end_with_their_censoring_group():
    outcomes = read(
        {
            "time": [2, 4, 5, 3, 8, 10],
            "status": [2, 1, 2, 2, 1, 1],
            "site": [1, 1, 1, 2, 2, 2],
            "x": [0, 1, 1, 1, 0, 0],
        }
    )
    for definition in ("survival", "cmprsk"):  # finegray(~ strata(site)) and crr(cengroup=site)
        fit = fit_fine_gray(
            outcomes,
            covariates=["x"],
            of="event",
            definition=definition,
            ties="breslow",
            confidence=0.95,
            censoring_groups="site",
        )
        assert fit.coefficients["coefficient"][0] == pytest.approx(-0.4812118, abs=1e-6)


def test_gray_weight_of_an_incidence_that_rounding_lifts_above_one():
    columns = {"time": [0.2, 0.2, 0.5, 0.5, 1.2], "status": [1] * 5, "arm": list("dbcea")}
    result = compare_incidence(read(columns), rho=0.5)
    assert result.statistic is None or math.isfinite(result.statistic)
    assert result.p_value is None or math.isfinite(result.p_value)


def test_weighted_incidence_of_one_has_no_error():
    columns = {
        "time": [4.0, 2.0, 1.0],
        "status": [1, 0, 0],
        "w": [3.6193533395197184, 0.9864514719227859, 2.213210796852279],
    }
    curve = estimate_incidence(
        read(columns, weight="w"),
        variance="infinitesimal jackknife",
        interval="linear",
        confidence=0.95,
    )
    assert curve.frame["estimate"][-1] == 1
    assert curve.frame["standard_error"][-1] == pytest.approx(0, abs=1e-12)


def test_concordance_without_a_comparable_pair_is_none():
    outcomes = read({"time": [3] * 4, "status": [1] * 4, "x": [0, 1, 3, 7]})
    found = estimate_concordance(outcomes, covariates=["x"], ties="breslow", confidence=0.95)
    assert found.value is None
    assert found.standard_error is None
    assert found.low is None
    assert found.note


def test_group_of_nan_is_a_missing_group():
    columns = {"time": [1, 2, 3, 4], "status": [1, 1, 0, 1], "arm": [1.0, 2.0, math.nan, 1.0]}
    with pytest.raises(UsageError, match="1 participants have no 'arm'"):
        compare_survival(read(columns))


def test_group_of_lists_is_refused():
    columns = {"time": [1, 2, 3], "status": [1, 1, 0], "arm": [[1], [2], [1]]}
    with pytest.raises(UsageError):
        compare_survival(read(columns))


def test_code_may_be_a_number_of_numpy():
    outcomes = read({"time": [1, 2], "status": [1, 0]}, event=np.int64(1))
    assert outcomes.frame["status"].to_list() == ["event", "censored"]


def test_pandas_frame_with_a_column_twice_is_refused():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame([[1, 1, 0], [2, 0, 1]], columns=["time", "status", "status"])
    with pytest.raises(UsageError):
        times_to_event(frame, time="time", status="status", event=1, censored=0)
