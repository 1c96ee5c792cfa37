from itertools import combinations
from pathlib import Path

import polars as pl
import pytest

from stromal.analysis import citations, compare_incidence, compare_survival, times_to_event
from stromal.analysis.permutation import (
    count_arrangements,
    permute_incidence,
    permute_ranks,
    permute_survival,
)
from stromal.core import UsageError

SHARED = Path(__file__).parents[4] / "shared" / "data" / "time_to_event"
DAYS = [3, 5, 5, 8, 10, 12, 12, 15, 20]
MARKS = "EECEXECEC"
ARMS = "aabababbb"


def _every_label(days, marks, make_outcomes, statistic):
    """Give a statistic for each of the 126 ways to put arm a on four of nine participants."""
    found = []
    for chosen in combinations(range(9), 4):
        arms = ["a" if i in chosen else "b" for i in range(9)]
        found.append(statistic(make_outcomes(days, marks, arm=arms)) or 0.0)
    return found


@pytest.mark.by_hand
def test_log_rank_over_126_arrangements(make_outcomes):
    marks = MARKS.replace("X", "C")
    observed = compare_survival(make_outcomes(DAYS, marks, arm=ARMS)).statistic
    found = _every_label(DAYS, marks, make_outcomes, lambda o: compare_survival(o).statistic)
    result = permute_survival(make_outcomes(DAYS, marks, arm=ARMS), statistic="chi-square")
    assert result.statistic == pytest.approx(observed, rel=1e-12)
    assert result.p_value == sum(s >= observed * (1 - 1e-8) for s in found) / 126
    assert result.note == "exact: all 126 arrangements"
    assert result.groups.rows() == [("a", 4, 4), ("b", 5, 1)]


@pytest.mark.by_hand
def test_gray_over_126_arrangements(make_outcomes):
    observed = compare_incidence(make_outcomes(DAYS, MARKS, arm=ARMS)).statistic
    found = _every_label(DAYS, MARKS, make_outcomes, lambda o: compare_incidence(o).statistic)
    result = permute_incidence(make_outcomes(DAYS, MARKS, arm=ARMS))
    assert result.statistic == pytest.approx(observed, rel=1e-12)
    assert result.p_value == sum(s >= observed * (1 - 1e-8) for s in found) / 126


@pytest.mark.by_hand
def test_scores_of_four_by_hand(make_outcomes):
    # events on days 1, 2, 3, 4: hazards 1/4, 7/12, 13/12, 25/12 less 1: -9/12 -5/12 1/12 13/12.
    # first two in a: sum -14/12; of the 6 arrangements the sums of a are -14 -8 4 -4 8 14 twelfths
    outcomes = make_outcomes([1, 2, 3, 4], "EEEE", arm="aabb")
    result = permute_survival(outcomes, statistic="scores")
    # variance: (81 + 25 + 1 + 169) / 144 / 3 x (2 - 4 / 4) = 276 / 432
    assert result.statistic == pytest.approx((14 / 12) ** 2 / (276 / 432), rel=1e-12)
    assert result.p_value == pytest.approx(2 / 6)


@pytest.mark.reference
@pytest.mark.parametrize(
    ("data", "by", "statistic", "z", "p"),
    [
        # R coin: logrank_test(Surv(time, status) ~ x, distribution = "exact")
        ("aml", "x", "scores", 1.8345499270954546, 0.06469301327290294),
        ("small9", "g", "scores", 1.5991479983951622, 0.1031746031746032),
        # R survival: survdiff's chi-square in each of the 126 label sets
        ("small9", "g", "chi-square", 3.623360000000002**0.5, 0.06349206349206349),
    ],
)
def test_against_coin_and_survdiff(data, by, statistic, z, p):
    file = SHARED / f"{data}.csv"
    if not file.exists():
        pytest.skip("the shared data sets are not here")
    outcomes = times_to_event(pl.read_csv(file), time="time", status="status", event=1, censored=0)
    result = permute_survival(outcomes, by=by, statistic=statistic)
    assert result.statistic == pytest.approx(z**2, rel=1e-12)
    assert result.p_value == pytest.approx(p, abs=1e-12)


@pytest.mark.reference
def test_ranks_against_wilcox_test():
    # R: wilcox.test(c(1.1, 2.2, 3.3, 9.1), c(4, 5, 6, 7.5, 8), exact = TRUE)
    values = pl.DataFrame(
        {"arm": ["a"] * 4 + ["b"] * 5, "v": [1.1, 2.2, 3.3, 9.1, 4, 5, 6, 7.5, 8]}
    )
    result = permute_ranks(values, value="v")
    assert result.p_value == pytest.approx(0.285714285714286, abs=1e-12)
    assert result.groups["rank_sum"].to_list() == [15.0, 30.0]


@pytest.mark.by_hand
def test_ranks_with_ties_and_three_groups():
    # 1 1 | 2: mid-ranks 1.5 1.5 3; the third group holds the 3 in 1 of 3 arrangements of
    # (1, 1, 1), and which of the groups holds it does not change the statistic
    values = pl.DataFrame({"arm": ["a", "b", "c"], "v": [1, 1, 2]})
    result = permute_ranks(values, value="v")
    assert result.p_value == 1.0
    assert result.note == "exact: all 6 arrangements"


@pytest.mark.by_hand
def test_labels_stay_in_their_stratum():
    # each stratum of 2 + 1 has 3 arrangements, so 9; the largest sum of ranks of b, 3 + 3 less
    # its mean 4, and the smallest, 1 + 1, are equally far: 2 of 9
    values = pl.DataFrame(
        {"arm": list("aabaab"), "site": list("xxxyyy"), "v": [1, 2, 3, 10, 20, 30]}
    )
    result = permute_ranks(values, value="v", strata=("site",))
    assert result.note == "exact: all 9 arrangements"
    assert result.p_value == pytest.approx(2 / 9)
    assert result.strata == ("site",)


@pytest.mark.by_hand
def test_an_arrangement_without_a_statistic_counts_as_nothing(make_outcomes):
    # one in a: if it is who is censored on day 1, only b is at risk at the event on day 2; if it
    # has the event or outlives it, (1/2)^2 / (1/4) = 1 both times: 2 of 3
    outcomes = make_outcomes([1, 2, 3], "CEC", arm="bab")
    result = permute_survival(outcomes, statistic="chi-square")
    assert (result.statistic, result.p_value) == pytest.approx((1, 2 / 3))
    assert result.note == "exact: all 3 arrangements; 1 have no statistic and count as 0"


def test_who_is_alone_in_a_stratum_changes_nothing():
    values = pl.DataFrame({"arm": list("aabba"), "site": list("xxxxy"), "v": [1, 2, 3, 4, 9]})
    alone = permute_ranks(values, value="v", strata=("site",))
    without = permute_ranks(values.head(4), value="v")
    assert (alone.statistic, alone.p_value) == pytest.approx((without.statistic, without.p_value))


def test_rows_in_any_order_and_labels_swapped(make_outcomes):
    marks = MARKS.replace("X", "C")
    p = permute_survival(make_outcomes(DAYS, marks, arm=ARMS), statistic="scores").p_value
    swapped = ["b" if arm == "a" else "a" for arm in ARMS]
    back = make_outcomes(DAYS[::-1], marks[::-1], arm=swapped[::-1])
    assert permute_survival(back, statistic="scores").p_value == p


def test_monte_carlo_is_near_and_repeats(make_outcomes):
    outcomes = make_outcomes(DAYS, MARKS.replace("X", "C"), arm=ARMS)
    exact = permute_survival(outcomes, statistic="chi-square").p_value
    one, again = (
        permute_survival(outcomes, statistic="chi-square", draws=4000, seed=7) for _ in range(2)
    )
    assert one.p_value == again.p_value
    assert one.p_value == pytest.approx(exact, abs=4 * (exact * (1 - exact) / 4000) ** 0.5 + 1e-3)
    assert (one.p_value * 4001) == pytest.approx(round(one.p_value * 4001), abs=1e-6)
    assert "seed 7" in one.note
    assert "standard error of p" in one.note
    assert permute_survival(outcomes, statistic="scores", draws=1, seed=1).p_value in {0.5, 1.0}


def test_many_are_refused_with_the_remedy(make_outcomes):
    n = 60
    outcomes = make_outcomes(list(range(1, n + 1)), "E" * n, arm="ab" * (n // 2))
    with pytest.raises(UsageError, match="draw some of them"):
        permute_survival(outcomes, statistic="scores")
    result = permute_survival(outcomes, statistic="scores", draws=99, seed=3)
    assert "about 10^17 arrangements" in result.note


@pytest.mark.parametrize(("marks", "arms"), [("CCC", "aab"), ("EEE", "aaa")])
def test_what_cannot_be_compared_has_no_p(make_outcomes, marks, arms):
    outcomes = make_outcomes([1, 2, 3], marks, arm=arms)
    for result in (
        permute_survival(outcomes, statistic="scores"),
        permute_survival(outcomes, statistic="chi-square"),
        permute_incidence(outcomes),
    ):
        assert result.p_value is None
        assert "not computable" in result.note


def test_all_events_on_one_day_have_no_statistic(make_outcomes):
    outcomes = make_outcomes([5, 5, 5], "EEE", arm="aab")
    assert permute_survival(outcomes, statistic="chi-square").p_value is None


def test_bad_input_is_refused(make_outcomes):
    plain = make_outcomes([1, 2, 3], "EEC", arm="aab")
    for draws, seed in ((10, None), (None, 1), (0, 1)):
        with pytest.raises(UsageError, match="draw"):
            permute_survival(plain, statistic="scores", draws=draws, seed=seed)
    with pytest.raises(UsageError, match="choose one of chi-square, scores"):
        permute_survival(plain, statistic="z")
    with pytest.raises(UsageError, match="competing"):
        permute_survival(make_outcomes([1, 2], "EX", arm="ab"), statistic="scores")
    weighted = make_outcomes([1, 2], "EC", arm="ab", case_weight=[1.0, 2.0])
    with pytest.raises(UsageError, match="case weights"):
        permute_survival(weighted, statistic="scores")
    with pytest.raises(UsageError, match="rho is -1"):
        permute_incidence(plain, rho=-1.0)
    values = pl.DataFrame({"arm": ["a", "b"], "v": [1.0, None], "w": [1.0, float("inf")]})
    with pytest.raises(UsageError, match="no column"):
        permute_ranks(values, value="x")
    with pytest.raises(UsageError, match="1 participants have no 'v'"):
        permute_ranks(values, value="v")
    with pytest.raises(UsageError, match="not a finite number"):
        permute_ranks(values, value="w")


def test_each_names_its_source(make_outcomes):
    outcomes = make_outcomes(DAYS, MARKS.replace("X", "C"), arm=ARMS)
    values = pl.DataFrame({"arm": ["a", "b"], "v": [1.0, 2.0]})
    for result in (
        permute_survival(outcomes, statistic="scores"),
        permute_survival(outcomes, statistic="chi-square"),
        permute_incidence(outcomes),
        permute_ranks(values, value="v"),
    ):
        assert len(citations(result)) == 1


def test_arrangements_are_counted():
    assert count_arrangements(((5, 4),)) == 126
    assert count_arrangements(((2, 1), (1, 1, 1))) == 18
