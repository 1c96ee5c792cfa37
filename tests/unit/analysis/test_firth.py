import math

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import brentq
from scipy.stats import chi2

from stromal.analysis.cox import fit_cox
from stromal.analysis.firth import fit_firth
from stromal.core import UsageError
from stromal.endpoints.outcome import CountingProcess, TimeToEvent


def fit(outcomes, covariates=("x",), **more):
    return fit_firth(outcomes, covariates=list(covariates), confidence=0.95, **more)


def numbers(model, column="coefficient"):
    return model.coefficients[column].to_list()


def penalised(p):
    """Of one event, in x 1: p is the share of the risk in x 1, its information p (1 - p)."""
    return math.log(p) + 0.5 * math.log(p * (1 - p))


@pytest.mark.by_hand
@pytest.mark.parametrize(("ones", "zeros"), [(1, 1), (2, 1), (1, 5), (4, 4)])
def test_one_event_on_paper(make_outcomes, ones, zeros):
    # The unpenalised coefficient is infinite. 1.5 log p + 0.5 log(1 - p) is largest at p = 3/4,
    # where exp(b) * ones / zeros = 3.
    n = ones + zeros
    outcomes = make_outcomes(range(1, n + 1), "E" + "C" * (n - 1), x=[1] * ones + [0] * zeros)
    model = fit(outcomes)
    assert numbers(model, "ratio") == pytest.approx([3 * zeros / ones], rel=1e-9)
    start = ones / n
    each = math.log(ones)  # of the ones, one has the event: its share is p / ones
    assert model.log_likelihood == pytest.approx(
        (penalised(start) - each, penalised(0.75) - each), abs=1e-10
    )
    ratio = 2 * (penalised(0.75) - penalised(start))
    sign = math.copysign(1, math.log(3 * zeros / ones))
    assert numbers(model, "z") == pytest.approx([sign * math.sqrt(ratio)], abs=1e-8)
    assert numbers(model, "p_value") == pytest.approx([chi2.sf(ratio, 1)], abs=1e-9)
    assert model.tests["statistic"].to_list() == pytest.approx([ratio])
    # The limits: where twice the loss is the quantile, in p and then in exp(b).
    beyond = penalised(0.75) - chi2.ppf(0.95, 1) / 2
    low = brentq(lambda p: penalised(p) - beyond, 1e-9, 0.75, xtol=1e-15)
    high = brentq(lambda q: penalised(1 - q) - beyond, 1e-12, 0.25, xtol=1e-16)
    assert numbers(model, "low") == pytest.approx([low / (1 - low) * zeros / ones], rel=1e-7)
    assert numbers(model, "high") == pytest.approx([(1 - high) / high * zeros / ones], rel=1e-7)
    cox = fit_cox(outcomes, covariates=["x"], ties="breslow", confidence=0.95)
    assert numbers(cox) == [None]


@pytest.mark.by_hand
def test_one_event_in_each_of_two_strata(make_outcomes):
    # The same pair twice: 3 log p - ... : l = 2 log p, information 2 p (1 - p), so
    # 2 log p + 0.5 log(p (1 - p)) is largest at p = 2.5 / 3.
    outcomes = make_outcomes([1, 2, 1, 2], "ECEC", x=[1, 0, 1, 0], s=["a", "a", "b", "b"])
    model = fit(outcomes, strata=["s"])
    assert numbers(model, "ratio") == pytest.approx([5], rel=1e-9)
    assert model.strata == ("s",)


@pytest.mark.reference
def test_against_firthmodels(make_outcomes):
    # firthmodels 0.8.2: FirthCoxPH(backend="numpy", gtol=1e-10, xtol=1e-12, max_iter=500)
    # .fit(X, (event, day)); coef_, bse_, loglik_, conf_int(method="pl"). Its scoring came to
    # within 3e-9 of the maximum.
    outcomes = make_outcomes(
        [1, 2, 3, 3, 5, 6, 7, 8, 9],
        "EEEECCECC",
        x=[1, 1, 1, 1, 1, 0, 0, 0, 0],
        y=[3, 1, 4, 1, 5, 9, 2, 6, 5],
    )
    model = fit(outcomes, ("x", "y"))
    assert numbers(model) == pytest.approx([1.6146807626814101, -0.34325066449669406], abs=5e-9)
    assert numbers(model, "standard_error") == pytest.approx(
        [1.6930362455227614, 0.27313257246988026], abs=5e-9
    )
    assert model.log_likelihood[1] == pytest.approx(-4.881448978841185, abs=1e-11)
    assert [math.log(v) for v in numbers(model, "low")] == pytest.approx(
        [-0.7552726262204911, -0.9401065541824057], abs=1e-7
    )
    assert [math.log(v) for v in numbers(model, "high")] == pytest.approx(
        [6.5359431600440505, 0.13883944190212702], abs=1e-7
    )


def test_separation_has_a_finite_answer(make_outcomes):
    outcomes = make_outcomes([1, 2, 3, 4, 5, 6], "EEECCC", x=[1, 1, 1, 0, 0, 0])
    model = fit(outcomes)
    assert model.converged
    assert 1 < numbers(model, "ratio")[0] < numbers(model, "high")[0] < math.inf
    assert model.method == "Cox model with Firth's penalty"
    assert (model.ties, model.n, model.events) == ("breslow", 6, 3)
    assert "profile penalised likelihood" in model.note


def test_the_scale_of_a_covariate_does_not_matter(make_outcomes):
    days, marks = [1, 2, 3, 4, 5, 6], "EECEEC"
    x, y = [3.0, 1, 4, 1, 5, 2], [0, 1, 1, 0, 0, 1]
    model = fit(make_outcomes(days, marks, x=x, y=y), ("x", "y"))
    far = fit(make_outcomes(days, marks, x=[100 * v + 7e3 for v in x], y=y), ("x", "y"))
    assert numbers(far)[0] * 100 == pytest.approx(numbers(model)[0], rel=1e-6)
    assert numbers(far, "p_value") == pytest.approx(numbers(model, "p_value"), rel=1e-6)
    # The determinant of the information grows by 100 squared: half its logarithm by log 100.
    assert far.log_likelihood[1] == pytest.approx(model.log_likelihood[1] + math.log(100))


def test_much_data_has_next_to_no_penalty():
    n = 400
    frame = pl.DataFrame(
        {
            "participant_id": [str(i) for i in range(n)],
            "day": [1 + (i * 7919) % 397 for i in range(n)],
            "status": ["censored" if i % 3 == 0 else "event" for i in range(n)],
            "x": [i % 2 for i in range(n)],
        }
    )
    outcomes = TimeToEvent(frame)
    model = fit(outcomes)
    cox = fit_cox(outcomes, covariates=["x"], ties="breslow", confidence=0.95)
    assert numbers(model) == pytest.approx(numbers(cox), abs=2e-3)
    assert numbers(model, "low") == pytest.approx(numbers(cox, "low"), rel=5e-3)
    assert numbers(model, "high") == pytest.approx(numbers(cox, "high"), rel=5e-3)


def test_periods_are_taken_as_coxs_model_takes_them(make_outcomes):
    whole = make_outcomes([4, 5, 6, 7], "EECE", x=[1, 0, 1, 0])
    frame = whole.frame.with_columns(start=pl.lit(0.0), stop=pl.col("day")).drop("day")
    first = frame.with_columns(stop=pl.lit(2.0), status=pl.lit("censored"))
    periods = CountingProcess(pl.concat([first, frame.with_columns(start=pl.lit(2.0))]))
    assert numbers(fit(periods)) == pytest.approx(numbers(fit(whole)), abs=1e-6)


def test_no_events_and_nothing_that_varies(make_outcomes):
    none = fit(make_outcomes([1, 2], "CC", x=[1, 0]))
    assert (numbers(none), none.events, none.note) == ([None], 0, "no events")
    flat = fit(make_outcomes([1, 2, 3], "CEE", x=[1, 0, 0]))
    assert numbers(flat) == [None]
    assert "x does not vary" in flat.note
    # Among those at risk on days 5 and 6, y is 2 - x.
    together = make_outcomes([2, 5, 5, 6], "CCEE", x=[1, 1, 0, 0], y=[3, 1, 2, 2])
    assert "x, y does not vary, or not apart" in fit(together, ("x", "y")).note


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"x": [1, 1, 1]}, "does not vary"),
        ({"x": [1, 2, None]}, "x in 1 of 3 rows"),
        ({"x": [1.0, 2.0, math.inf]}, "infinite"),
        ({"x": [1, 2, 3], "case_weight": [1.0, 2.0, 1.0]}, "leave the weights out"),
    ],
)
def test_what_is_refused(make_outcomes, columns, message):
    with pytest.raises(UsageError, match=message):
        fit(make_outcomes([1, 2, 3], "EEC", **columns))


def test_what_firth_is_not_for():
    n = 6000
    frame = pl.DataFrame(
        {
            "participant_id": [str(i) for i in range(n)],
            "day": range(1, n + 1),
            "status": ["event"] * n,
            "x": [i % 2 for i in range(n)],
        }
    )
    with pytest.raises(UsageError, match="more than Firth's penalty is for"):
        fit(TimeToEvent(frame))
    process = CountingProcess(
        pl.DataFrame(
            {
                "participant_id": ["a", "a", "b"],
                "start": [0, 2, 0],
                "stop": [2, 4, 5],
                "status": ["event", "event", "censored"],
                "x": [1, 1, 0],
            }
        )
    )
    with pytest.raises(UsageError, match="several events"):
        fit(process)


@settings(max_examples=25, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(1, 6), st.sampled_from("EEC"), st.integers(0, 1)),
        min_size=4,
        max_size=9,
    )
)
def test_nine_participants_always_have_a_finite_answer(rows):
    words = {"E": "event", "C": "censored"}
    frame = pl.DataFrame(
        {
            "participant_id": [str(i) for i in range(len(rows))],
            "day": [day for day, _, _ in rows],
            "status": [words[mark] for _, mark, _ in rows],
            "x": [x for _, _, x in rows],
        }
    )
    if frame["x"].n_unique() == 1:
        return
    model = fit(TimeToEvent(frame))
    if not model.converged:
        assert model.events == 0 or "does not vary" in model.note
        return
    (low,), (ratio,), (high,) = (numbers(model, name) for name in ("low", "ratio", "high"))
    assert 0 < low < ratio < high < math.inf
    flipped = fit(TimeToEvent(frame.with_columns(x=1 - pl.col("x"))))
    assert numbers(flipped, "ratio") == pytest.approx([1 / ratio], rel=1e-6)
    assert numbers(flipped, "high") == pytest.approx([1 / low], rel=1e-6)
