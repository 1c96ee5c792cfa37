import math

import polars as pl
import pytest

from stromal.analysis.event_rates import fit_event_rates
from stromal.core import UsageError

TWENTY = pl.DataFrame(
    {
        "arm": ["control"] * 10 + ["MSC"] * 10,
        "days": [
            100, 90, 60, 100, 30, 100, 80, 100, 45, 100, 100, 100, 70, 100, 50, 100, 95, 100, 20,
            100,
        ],
        "n": [9, 2, 0, 14, 3, 5, 1, 22, 4, 6, 3, 0, 1, 7, 2, 0, 2, 11, 1, 0],
        "age": [34, 51, 22, 60, 45, 38, 29, 66, 41, 55, 33, 27, 48, 52, 39, 61, 44, 58, 31, 25],
    }
)  # fmt: skip


def fit_of(frame=TWENTY, covariates=("arm",), **more):
    chosen = {"events": "n", "exposure": "days", "confidence": 0.95, **more}
    if "arm" in covariates and "references" not in more:
        chosen["references"] = {"arm": "control"}
    return fit_event_rates(frame, covariates=covariates, **chosen)


@pytest.mark.reference
def test_against_glm_nb():
    """MASS 7.3-58.2 (R 4.2): glm.nb(n ~ arm + offset(log(days)))."""
    fit = fit_of()
    rows = fit.coefficients
    assert fit.method == "negative binomial rates"
    assert rows["term"].to_list() == ["intercept", "arm: MSC against control"]
    assert rows["coefficient"].to_list() == pytest.approx(
        [-2.542582431852597, -0.878591671053946], abs=1e-7
    )
    assert rows["standard_error"].to_list() == pytest.approx(
        [0.311517843381968, 0.466195642523622], abs=1e-6
    )
    assert rows["p_value"][1] == pytest.approx(5.94840468890853e-02, abs=1e-6)
    assert rows["ratio"][1] == pytest.approx(math.exp(-0.878591671053946), abs=1e-7)
    assert fit.log_likelihood == pytest.approx((-51.2700670271965, -49.686070637155048), abs=1e-9)
    assert "theta 1.26147)" in fit.note
    assert (fit.n, fit.events, fit.converged) == (20, 93, True)


@pytest.mark.reference
def test_against_glm_nb_with_a_covariate():
    """MASS 7.3-58.2 (R 4.2): glm.nb(n ~ arm + age + offset(log(days)))."""
    rows = fit_of(covariates=("arm", "age")).coefficients
    assert rows["coefficient"].to_list() == pytest.approx(
        [-4.9282660682135759, -0.7737860093622284, 0.0491517839540947], abs=1e-6
    )
    assert rows["standard_error"].to_list() == pytest.approx(
        [0.728883813278678, 0.369123925434618, 0.014440100458452], abs=1e-6
    )


@pytest.mark.reference
def test_over_dispersion_is_tested_against_poisson():
    """R 4.2: logLik of glm(n ~ arm + offset(log(days)), poisson) is -65.8448753014621."""
    fit = fit_of()
    row = fit.tests.filter(pl.col("test") == "over-dispersion").row(0, named=True)
    statistic = 2 * (65.8448753014621 - 49.686070637155048)
    assert row["statistic"] == pytest.approx(statistic, abs=1e-8)
    assert row["p_value"] == pytest.approx(math.erfc(math.sqrt(statistic / 2)) / 2, rel=1e-6)


@pytest.mark.by_hand
def test_without_over_dispersion_it_is_poisson_and_says_so():
    # 5 events of a in 40 days, 7 of b: rates 1/8 and 7/40; log ratio error sqrt(1/5 + 1/7)
    frame = pl.DataFrame({"arm": list("aaaabbbb"), "n": [1, 2, 1, 1, 2, 1, 2, 2], "days": [10] * 8})
    fit = fit_of(frame, references={"arm": "a"})
    rows = fit.coefficients
    assert fit.method == "Poisson rates"
    assert rows["ratio"].to_list() == pytest.approx([1 / 8, 7 / 5])
    assert rows["standard_error"][1] == pytest.approx(math.sqrt(1 / 5 + 1 / 7))
    assert "no more than Poisson's" in fit.note
    assert fit.tests["p_value"].to_list()[-1] == 1


def test_rows_may_be_shuffled_and_the_unit_of_exposure_changes_the_intercept_alone():
    one = fit_of().coefficients
    other = fit_of(
        TWENTY.sample(fraction=1, shuffle=True, seed=4).with_columns(days=pl.col("days") / 30)
    ).coefficients
    assert other["coefficient"][1] == pytest.approx(one["coefficient"][1], abs=1e-7)
    assert other["coefficient"][0] == pytest.approx(one["coefficient"][0] + math.log(30), abs=1e-6)


def test_the_rate_alone():
    fit = fit_of(covariates=())
    assert fit.coefficients["term"].to_list() == ["intercept"]
    assert fit.tests["test"].to_list() == ["over-dispersion"]


def test_an_arm_of_one_participant_with_events_is_fitted():
    frame = TWENTY.with_columns(
        arm=pl.when(pl.int_range(pl.len()) == 0).then(pl.lit("one")).otherwise(pl.lit("rest"))
    )
    assert fit_of(frame, references={"arm": "rest"}).converged


def test_missing_covariates_are_refused_or_told():
    frame = TWENTY.with_columns(
        age=pl.when(pl.int_range(pl.len()) == 3).then(None).otherwise(pl.col("age"))
    )
    with pytest.raises(UsageError, match="age"):
        fit_of(frame, covariates=("age",))
    fit = fit_of(frame, covariates=("age",), missing="leave out")
    assert fit.n == 19
    assert "1 of 20 rows left out" in fit.note


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"n": pl.lit(0)}, "there are no events"),
        ({"n": pl.lit(-1)}, "counts are expected"),
        ({"n": pl.lit(1.5)}, "counts are expected"),
        ({"days": pl.lit(0)}, "leave out who was not observed"),
        ({"days": pl.lit(None, dtype=pl.Float64)}, "leave out who was not observed"),
        (
            {"n": pl.when(pl.col("arm") == "MSC").then(0).otherwise(pl.col("n"))},
            "arm MSC has no event",
        ),
        (
            {"n": pl.when(pl.col("arm") == "control").then(0).otherwise(pl.col("n"))},
            "arm control has no event",
        ),
    ],
)
def test_what_cannot_be_fitted_is_refused(change, match):
    with pytest.raises(UsageError, match=match):
        fit_of(TWENTY.with_columns(**change))


def test_tables_that_are_too_small_or_lack_a_column_are_refused():
    with pytest.raises(UsageError, match="too few for 2 coefficients"):
        fit_of(TWENTY.filter(pl.col("age").is_in([34, 33])))
    with pytest.raises(UsageError, match="no column 'count'"):
        fit_of(events="count")
