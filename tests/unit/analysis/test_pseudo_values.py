import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stromal.analysis import estimate_incidence, estimate_survival
from stromal.analysis.pseudo_values import estimate_pseudo_values, fit_pseudo_values
from stromal.core import UsageError
from stromal.endpoints.outcome import TimeToEvent

WORDS = {"E": "event", "C": "censored", "X": "competing"}


def outcomes_of(days, marks, **columns):
    return TimeToEvent(
        pl.DataFrame(
            {
                "participant_id": [f"P{i}" for i in range(len(days))],
                "day": [float(day) for day in days],
                "status": [WORDS[mark] for mark in marks],
                **columns,
            }
        )
    )


def wide(outcomes, days, of, method="jackknife"):
    frame = estimate_pseudo_values(outcomes, days=days, of=of, method=method)
    return frame["pseudo_value"].to_numpy().reshape(-1, len(days))


def height(outcomes, day, of):
    """Give an estimate on a day, its curve going on at its last height."""
    if of == "survival":
        frame = estimate_survival(outcomes, interval="plain", confidence=0.95).frame
    else:
        frame = estimate_incidence(
            outcomes, variance="greenwood", interval="linear", confidence=0.95, of=of
        ).frame
    until = frame.filter(pl.col("day") <= day)["estimate"]
    return until[-1] if len(until) else float(of == "survival")


def area(outcomes, day):
    """Give the area under a curve that falls on whole days only."""
    return sum(height(outcomes, step, "survival") for step in range(int(day)))


def without(outcomes, i):
    return TimeToEvent(outcomes.frame.filter(pl.col("participant_id") != f"P{i}"))


@st.composite
def groups(draw, marks="EC"):
    n = draw(st.integers(2, 8))
    days = draw(st.lists(st.integers(0, 6), min_size=n, max_size=n))
    return outcomes_of(days, draw(st.lists(st.sampled_from(marks), min_size=n, max_size=n)))


@given(groups("ECX"), st.sampled_from(["event", "competing"]), st.integers(0, 6))
def test_incidence_without_each_in_turn(outcomes, of, day):
    day = min(day, outcomes.frame["day"].max())
    n, whole = len(outcomes.frame), height(outcomes, day, of)
    by_hand = [n * whole - (n - 1) * height(without(outcomes, i), day, of) for i in range(n)]
    assert wide(outcomes, (day,), of)[:, 0] == pytest.approx(by_hand, abs=1e-12)


@given(groups(), st.sampled_from(["survival", "restricted mean"]), st.integers(0, 6))
def test_survival_and_area_without_each_in_turn(outcomes, of, day):
    day = min(day, outcomes.frame["day"].max())
    n = len(outcomes.frame)

    def estimate(some):
        return area(some, day) if of == "restricted mean" else height(some, day, of)

    whole = estimate(outcomes)
    by_hand = [n * whole - (n - 1) * estimate(without(outcomes, i)) for i in range(n)]
    assert wide(outcomes, (day,), of)[:, 0] == pytest.approx(by_hand, abs=1e-12)


@given(groups("ECX"), st.sampled_from(["event", "competing"]), st.integers(0, 6))
def test_derivatives_agree_with_a_little_more_weight(outcomes, of, day):
    day = min(day, outcomes.frame["day"].max())
    n = len(outcomes.frame)
    whole = weighted(outcomes, day, of, np.ones(n))
    slopes = []
    for i in range(n):
        more, less = np.ones(n), np.ones(n)
        more[i], less[i] = 1 + 1e-5, 1 - 1e-5
        slopes.append(
            (weighted(outcomes, day, of, more) - weighted(outcomes, day, of, less)) / 2e-5
        )
    found = wide(outcomes, (day,), of, "infinitesimal jackknife")[:, 0]
    assert found == pytest.approx(whole + n * np.array(slopes), abs=1e-6)


def weighted(outcomes, until, of, weight):
    """Give an incidence with weights, day by day."""
    frame = outcomes.frame
    day, status = frame["day"].to_numpy(), frame["status"].to_numpy()
    free, incidence = 1.0, 0.0
    for today in np.unique(day[day <= until]):
        at_risk = weight[day >= today].sum()
        incidence += free * weight[(day == today) & (status == of)].sum() / at_risk
        free *= 1 - weight[(day == today) & (status != "censored")].sum() / at_risk
    return incidence


@given(groups(), st.integers(0, 6))
def test_infinitesimal_values_average_to_the_estimate(outcomes, day):
    day = min(day, outcomes.frame["day"].max())
    found = wide(outcomes, (day,), "survival", "infinitesimal jackknife")
    assert found.mean() == pytest.approx(height(outcomes, day, "survival"), abs=1e-12)
    incidence = wide(outcomes, (day,), "event", "infinitesimal jackknife")
    assert found + incidence == pytest.approx(np.ones_like(found), abs=1e-12)


@given(groups(), st.integers(0, 6))
def test_infinitesimal_values_of_the_area_are_the_area_of_those_of_survival(outcomes, day):
    day = min(day, outcomes.frame["day"].max())
    found = wide(outcomes, (day,), "restricted mean", "infinitesimal jackknife")[:, 0]
    steps = tuple(range(int(day)))
    heights = (
        wide(outcomes, steps, "survival", "infinitesimal jackknife")
        if steps
        else found[:, None] * 0
    )
    assert found == pytest.approx(heights.sum(axis=1), abs=1e-12)


@pytest.mark.by_hand
@pytest.mark.parametrize("method", ["jackknife", "infinitesimal jackknife"])
def test_without_censoring_a_pseudo_value_is_what_happened(method):
    outcomes = outcomes_of([4, 1, 3], "EEX")
    assert wide(outcomes, (2, 3), "event", method) == pytest.approx(
        np.array([[0, 0], [1, 1], [0, 0]])
    )
    survival = outcomes_of([4, 1, 3], "EEE")
    assert wide(survival, (2,), "restricted mean", method)[:, 0] == pytest.approx([2, 1, 2])


def test_a_cause_by_its_word():
    outcomes = outcomes_of([1, 2, 3, 4], "EXXC", cause=["death", "relapse", "graft failure", None])
    assert wide(outcomes, (4,), "relapse")[:, 0] == pytest.approx(
        wide(outcomes_of([1, 2, 3, 4], "XEXC"), (4,), "event")[:, 0]
    )
    with pytest.raises(UsageError, match=r"'rejection'.*relapse"):
        estimate_pseudo_values(outcomes, days=(1,), of="rejection", method="jackknife")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"method": "bootstrap"}, "bootstrap"),
        ({"days": ()}, "one or more"),
        ({"days": (-1,)}, "one or more"),
        ({"days": (9,)}, "last observation"),
    ],
)
def test_what_is_refused(change, message):
    asked = {"days": (1,), "of": "survival", "method": "jackknife", **change}
    with pytest.raises(UsageError, match=message):
        estimate_pseudo_values(outcomes_of([1, 2], "EC"), **asked)


def test_outcomes_that_are_refused():
    asked = {"days": (1,), "of": "survival", "method": "jackknife"}
    with pytest.raises(UsageError, match="competing"):
        estimate_pseudo_values(outcomes_of([1, 2], "EX"), **asked)
    with pytest.raises(UsageError, match="left truncation"):
        estimate_pseudo_values(outcomes_of([1, 2], "EC", entry=[0.0, 1.0]), **asked)
    with pytest.raises(UsageError, match="weights"):
        estimate_pseudo_values(outcomes_of([1, 2], "EC", case_weight=[1.0, 1.0]), **asked)
    with pytest.raises(UsageError, match="two or more"):
        estimate_pseudo_values(outcomes_of([1], "E"), **asked)


def fit(outcomes, **change):
    asked = {"days": (2,), "of": "event", "method": "jackknife", "covariates": ("x",)}
    return fit_pseudo_values(outcomes, link="identity", confidence=0.95, **{**asked, **change})


@pytest.mark.by_hand
def test_without_censoring_it_is_the_difference_of_proportions():
    outcomes = outcomes_of([1, 2, 3, 4, 1, 3, 4, 5], "E" * 8, x=[1] * 4 + [0] * 4)
    found = fit(outcomes)
    rows = found.coefficients
    assert rows["term"].to_list() == ["intercept", "x"]
    assert rows["coefficient"].to_list() == pytest.approx([0.25, 0.25])
    assert rows["standard_error"][1] == pytest.approx(np.sqrt(0.25 / 4 + 0.1875 / 4))
    assert (found.n, found.events, found.scale) == (8, 8, "difference")
    with_days = fit(outcomes, days=(2, 3)).coefficients["term"].to_list()
    assert with_days == ["intercept day 2", "intercept day 3", "x"]


def test_covariates_of_text_and_missing_ones():
    days, sex = [1, 2, 3, 4, 1, 3, 4, 5], ["m"] * 4 + ["f"] * 4
    numbers = outcomes_of(days, "E" * 8, x=[1] * 4 + [0] * 4)
    words = outcomes_of(days, "E" * 8, x=sex)
    one, two = fit(numbers), fit(words)
    assert two.coefficients["term"].to_list() == ["intercept", "x: m against f"]
    assert two.covariance == pytest.approx(one.covariance)
    fewer = outcomes_of(days, "E" * 8, x=[1, 1, 1, None, 0, 0, 0, None])
    with pytest.raises(UsageError, match="missing"):
        fit(fewer)
    left = fit(fewer, missing="leave out")
    assert (left.n, left.events) == (6, 6)
    assert "2 of 8 rows left out" in left.note
    assert left.coefficients["coefficient"][0] == pytest.approx(1 / 3)


@pytest.mark.parametrize("link", ["log", "log-log"])
def test_one_covariate_of_two_values_saturates_any_link(link):
    outcomes = outcomes_of([1, 2, 3, 4, 1, 3, 4, 5], "E" * 8, x=[1] * 4 + [0] * 4)
    asked = {"days": (2,), "of": "event", "method": "jackknife", "covariates": ("x",)}
    found = fit_pseudo_values(outcomes, link=link, confidence=0.95, **asked)
    scale = {"log": np.log, "log-log": lambda p: np.log(-np.log(1 - p))}[link]
    expected = [scale(0.25), scale(0.5) - scale(0.25)]
    assert found.converged
    assert found.coefficients["coefficient"].to_list() == pytest.approx(expected)


def test_covariates_that_are_refused():
    outcomes = outcomes_of([1, 2, 3], "EEC", x=[1, 1, 1])
    with pytest.raises(UsageError, match="does not vary"):
        fit(outcomes)
    with pytest.raises(UsageError, match="no column age"):
        fit(outcomes, covariates=("age",))
    asked = {"days": (2,), "method": "jackknife", "covariates": ("x",), "confidence": 0.95}
    with pytest.raises(UsageError, match="link 'probit'"):
        fit_pseudo_values(outcomes, of="event", link="probit", **asked)
    with pytest.raises(UsageError, match="incidence of `event`"):
        fit_pseudo_values(outcomes, of="survival", link="log-log", **asked)
