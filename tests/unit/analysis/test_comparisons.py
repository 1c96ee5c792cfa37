import numpy as np
import pytest

from stromal.analysis import METHOD_SOURCES, compare_incidence, compare_survival, split_outcomes
from stromal.analysis.ordered import group_times
from stromal.analysis.score_kernels import score_gray, score_logrank
from stromal.core import UsageError

BOTH = (compare_survival, compare_incidence)


@pytest.mark.parametrize("compare", BOTH)
@pytest.mark.parametrize(
    ("days", "marks", "arms", "reason"),
    [
        ([1, 2, 3, 4], "CCCC", "AABB", "no events"),
        ([1, 2, 3, 4], "EECE", "AAAA", "1 group, two or more"),
        ([5, 5, 5, 5], "EEEE", "AABB", "events to spare"),
        ([1, 2, 8, 9], "CCEE", "AABB", "events to spare"),
        ([], "", "", "0 group, two or more"),
        ([0, 0, 0, 0], "CCCC", "AABB", "no events"),
    ],
)
def test_what_cannot_be_computed_has_a_reason(make_outcomes, compare, days, marks, arms, reason):
    result = compare(make_outcomes(days, marks, arm=arms))
    assert (result.statistic, result.df, result.p_value) == (None, None, None)
    assert reason in result.note


@pytest.mark.parametrize("compare", BOTH)
def test_a_group_that_left_early_takes_no_degree_of_freedom(make_outcomes, compare):
    three = compare(make_outcomes([1, 1, 3, 4, 5, 6], "CCECEC", arm="AABBCC"))
    two = compare(make_outcomes([3, 4, 5, 6], "ECEC", arm="BBCC"))
    assert three.df == 1
    assert "A" in three.note
    assert "1 instead of 2" in three.note
    assert three.statistic == pytest.approx(two.statistic, rel=1e-12)
    assert three.groups.rows()[0] == ("A", 2, 0, 0.0)


@pytest.mark.parametrize("compare", BOTH)
def test_groups_that_never_share_a_stratum(make_outcomes, compare):
    days, marks = [1, 2, 3, 4, 1, 2, 3, 4], "EECEEECE"
    result = compare(make_outcomes(days, marks, arm="AABBCCDD", site="11112222"), strata=("site",))
    assert result.df == 2
    assert "never share a stratum" in result.note


@pytest.mark.parametrize("compare", BOTH)
def test_a_group_without_events_is_compared(make_outcomes, compare):
    result = compare(make_outcomes([1, 2, 3, 9, 9, 9], "EEECCC", arm="AAABBB"))
    assert result.groups["events"].to_list() == [3, 0]
    assert 0 < result.p_value < 0.05


@pytest.mark.by_hand
def test_an_arm_of_one_participant_is_compared(make_outcomes):
    # B expects 1/3 on day 1 and 1/2 on day 2, where its own event comes: 1 - 5/6 over
    # 1/3 x 2/3 + 1/2 x 1/2; without competing events Gray's score is the same
    outcomes = make_outcomes([1, 2, 3], "EEC", arm="ABA")
    logrank, gray = (compare(outcomes) for compare in BOTH)
    assert logrank.groups["expected"].to_list() == pytest.approx([7 / 6, 5 / 6], abs=1e-15)
    assert logrank.statistic == pytest.approx((1 / 6) ** 2 / (2 / 9 + 1 / 4), rel=1e-13)
    assert gray.groups["expected"].to_list() == pytest.approx([7 / 6, 5 / 6], abs=1e-15)
    assert gray.statistic is not None


@pytest.mark.by_hand
def test_a_pooled_incidence_of_one_leaves_grays_variance_undefined(make_outcomes):
    # pooled incidence: A's four events 1/8 each, then B's two 1/4 each: 1, with C and D at risk
    days, marks = [1, 2, 3, 4, 5, 6, 7, 8], "EEEEEEEC"
    result = compare_incidence(make_outcomes(days, marks, arm="AAAABBCD"))
    assert (result.statistic, result.p_value) == (None, None)
    assert "covariance" in result.note


def test_logrank_refuses_competing_events(make_outcomes):
    with pytest.raises(UsageError, match="Gray's test"):
        compare_survival(make_outcomes([1, 2, 3], "EXC", arm="AAB"))


@pytest.mark.parametrize("compare", BOTH)
def test_a_missing_arm_is_refused(make_outcomes, compare):
    with pytest.raises(UsageError, match="no column 'arm'"):
        compare(make_outcomes([1, 2, 3], "ECC"))
    with pytest.raises(UsageError, match="1 participants have no 'arm'"):
        compare(make_outcomes([1, 2, 3], "ECC", arm=["A", None, "B"]))


@pytest.mark.parametrize("compare", BOTH)
def test_groups_keep_the_order_of_their_values(make_outcomes, compare):
    result = compare(make_outcomes([1, 2, 3], "ECC", arm=[10, 9, 2]))
    assert result.groups["group"].to_list() == ["2", "9", "10"]


@pytest.mark.parametrize("compare", BOTH)
def test_the_test_has_a_source(make_outcomes, compare):
    result = compare(make_outcomes([1, 2, 3, 4], "EECC", arm="ABAB"))
    assert result.method in METHOD_SOURCES


def score_gray_plain(*arguments):
    return score_gray(*arguments, 0.0)


@pytest.mark.parametrize("score", [score_logrank, score_gray_plain])
def test_segments_are_trials_of_their_own(make_outcomes, score):
    rng = np.random.default_rng(5)
    trials = [
        make_outcomes(
            rng.integers(1, 15, 30).tolist(),
            "".join(rng.choice(list("ECX"), 30)),
            arm=rng.choice(list("ABC"), 30).tolist(),
        )
        for _ in range(4)
    ]
    alone = [group_times(trial, by="arm", strata=()) for trial in trials]
    together = score(
        np.concatenate([g.day for g in alone]),
        np.concatenate([g.status for g in alone]),
        np.concatenate([g.group for g in alone]),
        np.array([0, 30, 60, 90, 120]),
        3,
    )
    for i, g in enumerate(alone):
        for one, all_ in zip(score(g.day, g.status, g.group, g.starts, 3), together, strict=True):
            np.testing.assert_array_equal(one[0], all_[i])


def test_outcomes_split_by_arm(make_outcomes):
    outcomes = make_outcomes([1, 2, 3], "ECC", arm=["b", "a", "b"])
    parts = split_outcomes(outcomes)
    assert list(parts) == ["a", "b"]
    assert parts["b"].frame["day"].to_list() == [1, 3]
    with pytest.raises(UsageError, match="no column 'site'"):
        split_outcomes(outcomes, by="site")
