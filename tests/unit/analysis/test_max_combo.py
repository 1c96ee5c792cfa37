import numpy as np
import polars as pl
import pytest
from scipy import stats

from stromal.analysis import compare_survival
from stromal.analysis.max_combo import (
    _probability_inside,
    compare_max_combo,
    score_weighted_survival,
)
from stromal.core import UsageError

FOUR = ((0, 0), (0, 1), (1, 0), (1, 1))


@pytest.fixture
def two_arms(make_outcomes):
    days = [3, 5, 5, 7, 9, 12, 2, 5, 8, 10, 14, 15]
    return make_outcomes(days, "EECEECEEECEE", arm=["a"] * 6 + ["b"] * 6)


@pytest.mark.by_hand
def test_scores_of_four(make_outcomes):
    # day 1: 4 at risk, 2 of b, event in a; day 2: 3, 2, b; day 3: 2, 1, a
    outcomes = make_outcomes([1, 3, 2, 4], "EEEE", arm=["a", "a", "b", "b"])
    score, covariance = score_weighted_survival(outcomes, weights=((0, 0), (0, 1), (1, 0)))
    steps = np.array([-1 / 2, 1 - 2 / 3, -1 / 2])
    variances = np.array([1 / 4, 2 / 9, 1 / 4])
    early = np.array([1, 3 / 4, 1 / 2])
    assert score == pytest.approx([steps.sum(), steps @ (1 - early), steps @ early])
    assert covariance[0] == pytest.approx(
        [variances.sum(), variances @ (1 - early), variances @ early]
    )
    assert covariance[1, 2] == pytest.approx(variances @ (early * (1 - early)))


def test_one_weight_is_the_logrank_test(two_arms):
    alone, plain = compare_max_combo(two_arms, weights=((0, 0),)), compare_survival(two_arms)
    assert alone.statistic**2 == pytest.approx(plain.statistic)
    assert alone.p_value == pytest.approx(plain.p_value)
    assert alone.groups["events"].to_list() == plain.groups["events"].to_list()


def test_more_weights_cost_something_but_less_than_bonferroni(two_arms):
    single = [compare_max_combo(two_arms, weights=(weight,)).p_value for weight in FOUR]
    together = compare_max_combo(two_arms, weights=FOUR).p_value
    assert min(single) < together < 4 * min(single)


def test_order_of_groups_and_rows_changes_nothing(two_arms):
    frame = two_arms.frame.sort("day", descending=True)
    other = {"a": "z", "b": "b"}
    turned = type(two_arms)(frame.with_columns(frame["arm"].replace(other)))
    one, two = (compare_max_combo(o, weights=FOUR) for o in (two_arms, turned))
    assert one.statistic == pytest.approx(two.statistic)
    assert one.p_value == pytest.approx(two.p_value, abs=1e-6)


def test_an_entry_on_the_anchor_changes_nothing_and_a_late_one_does(two_arms):
    frame = two_arms.frame
    anchored = type(two_arms)(frame.with_columns(entry=np.full(12, -1.0)))
    late = type(two_arms)(frame.with_columns(entry=np.array([2.5] * 6 + [1.0] * 6)))
    asked = {"weights": FOUR}
    assert score_weighted_survival(anchored, **asked)[0] == pytest.approx(
        score_weighted_survival(two_arms, **asked)[0]
    )
    # on day 2 nobody of a is at risk: the event of b is expected
    score, _ = score_weighted_survival(late, weights=((0, 0),))
    before, _ = score_weighted_survival(two_arms, weights=((0, 0),))
    assert before[0] - score[0] == pytest.approx(1 - 6 / 12)


def test_two_strata_add_up(two_arms):
    frame = two_arms.frame
    twice = [
        frame.with_columns(participant_id=frame["participant_id"] + s, half=pl.lit(s)) for s in "xy"
    ]
    both = type(two_arms)(twice[0].vstack(twice[1]))
    one = score_weighted_survival(two_arms, weights=FOUR)
    two = score_weighted_survival(both, weights=FOUR, strata=("half",))
    assert two[0] == pytest.approx(2 * one[0])
    assert two[1] == pytest.approx(2 * one[1])


@pytest.mark.parametrize("limit", [0.5, 1.96, 3.0])
def test_probability_where_it_is_known(limit):
    inside = 2 * stats.norm.cdf(limit) - 1
    assert _probability_inside(np.eye(3), limit) == pytest.approx(inside**3, abs=1e-12)
    assert _probability_inside(np.ones((3, 3)), limit) == pytest.approx(inside, abs=1e-12)
    half = np.array([[1, 0.5], [0.5, 1]])
    square = stats.multivariate_normal.cdf(
        [limit] * 2, cov=half, lower_limit=[-limit] * 2, rng=np.random.default_rng(1)
    )
    assert _probability_inside(half, limit) == pytest.approx(square, abs=1e-6)


def test_probability_of_numbers_that_depend_on_one_another():
    """The third is the scaled sum of two independent ones: a hexagon, measured by a fine grid."""
    c = np.sqrt(0.5)
    correlation = np.array([[1, 0, c], [0, 1, c], [c, c, 1]])
    x = (np.arange(4000) + 0.5) / 4000 * 4 - 2
    low, high = np.maximum(-2, -2 / c - x), np.minimum(2, 2 / c - x)
    density = stats.norm.pdf(x) * (stats.norm.cdf(high) - stats.norm.cdf(low))
    expected = density.sum() * 4 / 4000
    assert _probability_inside(correlation, 2.0) == pytest.approx(expected, abs=1e-6)


def test_nothing_to_compare(make_outcomes):
    outcomes = make_outcomes([1, 2, 3, 4], "CCCC", arm=["a", "a", "b", "b"])
    result = compare_max_combo(outcomes, weights=FOUR)
    assert (result.statistic, result.p_value) == (None, None)
    assert "not computable" in result.note


def test_what_is_refused(two_arms, make_outcomes):
    for weights in ((), ((0, 0), (0, 0)), ((-1, 0),)):
        with pytest.raises(UsageError, match="weights"):
            compare_max_combo(two_arms, weights=weights)
    one = make_outcomes([1, 2], "EE", arm=["a", "a"])
    with pytest.raises(UsageError, match="two groups"):
        compare_max_combo(one, weights=FOUR)
    competing = make_outcomes([1, 2], "EX", arm=["a", "b"])
    with pytest.raises(UsageError, match="competing"):
        compare_max_combo(competing, weights=FOUR)
    weighted = make_outcomes([1, 2], "EE", arm=["a", "b"], case_weight=[1.0, 2.0])
    with pytest.raises(UsageError, match="case weights"):
        compare_max_combo(weighted, weights=FOUR)
