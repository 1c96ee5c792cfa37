import math

import polars as pl
import pytest

from stromal.analysis.cox_curves import estimate_baseline_hazard, predict_survival
from stromal.analysis.estimate import estimate_at
from stromal.core import UsageError
from stromal.endpoints.outcome import CountingProcess

from . import sixteen

MODEL = {"covariates": ["x"], "ties": "breslow"}
CURVE = {**MODEL, "interval": "log-log", "confidence": 0.95}


@pytest.mark.by_hand
def test_the_baseline_on_paper(make_outcomes):
    # As in test_cox: r = 1 / sqrt(2); the hazard grows by 1 / (2r + 1), 1 / (1 + r), 1 / r.
    outcomes = make_outcomes([1, 2, 3], "EEE", x=[1, 0, 1])
    r = 1 / math.sqrt(2)
    grown = [1 / (2 * r + 1), 1 / (1 + r), 1 / r]
    table = estimate_baseline_hazard(outcomes, **MODEL)
    assert table["day"].to_list() == [1, 2, 3]
    assert table["cumulative_hazard"].to_list() == pytest.approx(
        [grown[0], sum(grown[:2]), sum(grown)], abs=1e-12
    )
    curve = predict_survival(outcomes, **CURVE, at={"x": 1})
    assert curve.frame["estimate"].to_list() == pytest.approx(
        [math.exp(-r * h) for h in table["cumulative_hazard"]], abs=1e-12
    )
    assert curve.frame["at_risk"].to_list() == [3, 2, 1]
    assert (curve.n, curve.events, curve.last_day) == (3, 3, 3)


@pytest.mark.reference
def test_a_stratum_of_its_own(make_outcomes):
    # summary(survfit(coxph(Surv(t, e) ~ y + strata(g)), newdata = list(y = 1, g = 2),
    #         conf.type = "log-log"), times = c(3, 7))
    outcomes = make_outcomes(sixteen.DAYS, sixteen.ANY, **sixteen.COLUMNS)
    curve = predict_survival(
        outcomes,
        covariates=["y"],
        ties="efron",
        at={"y": 1, "g": 2},
        interval="log-log",
        confidence=0.95,
        strata=["g"],
    )
    early, late = estimate_at(curve, (3, 7))
    assert (early.value, late.value) == pytest.approx((0.779701705992972, 0.646341733906752))
    assert (early.standard_error, late.standard_error) == pytest.approx(
        (0.153047830665692, 0.190326437666590), abs=1e-8
    )
    assert (early.low, late.low, early.high, late.high) == pytest.approx(
        (0.311055725556612, 0.194425041053783, 0.948355034167556, 0.890206520480968), abs=1e-8
    )
    assert (curve.n, late.at_risk) == (8, 4)


def test_each_stratum_has_rows(make_outcomes):
    outcomes = make_outcomes(sixteen.DAYS, sixteen.ANY, **sixteen.COLUMNS)
    table = estimate_baseline_hazard(outcomes, covariates=["y"], ties="efron", strata=["g"])
    assert table.columns[0] == "g"
    assert table["g"].unique().sort().to_list() == ["1", "2"]
    grows = table.group_by("g").agg(pl.col("cumulative_hazard").diff().min())
    assert (grows["cumulative_hazard"] >= 0).all()


def test_late_entry_counts_those_under_observation(make_outcomes):
    outcomes = make_outcomes([3, 4, 5, 6], "EEEE", x=[1, 0, 1, 0], entry=[0.0, 0, 3, 3.5])
    curve = predict_survival(outcomes, **CURVE, at={"x": 0})
    assert curve.frame["at_risk"].to_list() == [2, 3, 2, 1]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"at": {}}, "no value is given for x"),
        ({"at": {"x": math.inf}}, "finite number"),
        ({"at": {"x": "a"}}, "finite number"),
        ({"at": {"x": 1}, "strata": ["s"]}, "strata s"),
        ({"at": {"x": 1, "s": 7}, "strata": ["s"]}, "no stratum 7"),
        ({"at": {"x": 1}, "interval": "linear"}, "plain, log"),
    ],
)
def test_predictions_refused(make_outcomes, change, message):
    outcomes = make_outcomes([1, 2, 3, 4], "EEEE", x=[1, 2, 2, 1], s=[1, 1, 2, 2])
    with pytest.raises(UsageError, match=message):
        predict_survival(outcomes, **{**CURVE, **change})


def test_no_curve_where_it_would_be_no_probability(make_outcomes):
    with pytest.raises(UsageError, match=r"1 competing events.*fit_fine_gray"):
        predict_survival(make_outcomes([1, 2, 3], "EXE", x=[1, 2, 1]), **CURVE, at={"x": 1})
    periods = CountingProcess(
        pl.DataFrame({"participant_id": ["a"], "start": [0], "stop": [1], "status": ["event"]})
    )
    with pytest.raises(UsageError, match="path"):
        predict_survival(periods, **CURVE, at={"x": 1})
    with pytest.raises(UsageError, match="h is 'd'; it is one of a, b, c"):
        predict_survival(
            make_outcomes([1, 2, 3, 4], "EEEE", h=list("abca")),
            **{**CURVE, "covariates": ["h"]},
            at={"h": "d"},
        )
