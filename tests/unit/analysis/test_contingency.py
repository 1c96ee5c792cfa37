from math import comb

import pytest

from stromal.analysis import compare_counts
from stromal.core import UsageError

TESTS = ("fisher", "chi-square", "chi-square yates")


@pytest.mark.by_hand
def test_fisher_of_two_responders_both_in_remission():
    # margins 2 | 4 and 2 | 4: C(6, 2) = 15 tables, of which the observed one is the rarest
    result = compare_counts({"CR1": (2, 0), "other": (0, 4)}, test="fisher")
    assert result.p_value == pytest.approx(1 / 15, rel=1e-14)
    assert (result.statistic, result.df) == (None, None)
    assert result.groups.rows() == [("CR1", 2, 2), ("other", 4, 0)]


@pytest.mark.by_hand
def test_fisher_counts_equally_probable_tables_of_the_other_tail():
    # margins 3 | 3 and 3 | 3: weights 1, 9, 9, 1 of 20; (3,0;0,3) has its mirror: 2 / 20
    result = compare_counts({"a": (3, 0), "b": (0, 3)}, test="fisher")
    assert result.p_value == pytest.approx(0.1, rel=1e-14)


def test_fisher_agrees_with_whole_number_arithmetic():
    for a in range(10):
        for c in range(14):
            drawn = a + c
            if drawn in {0, 22}:
                continue
            weights = [
                comb(9, x) * comb(13, drawn - x)
                for x in range(max(0, drawn - 13), min(9, drawn) + 1)
            ]
            observed = comb(9, a) * comb(13, c)
            exact = sum(w for w in weights if w <= observed) / sum(weights)
            result = compare_counts({"a": (a, 9 - a), "b": (c, 13 - c)}, test="fisher")
            assert result.p_value == pytest.approx(exact, rel=1e-12)


@pytest.mark.by_hand
def test_chi_square_by_the_shortcut_formula():
    # n (ad - bc)^2 / (r1 r2 c1 c2) = 40 (12*11 - 8*9)^2 / (20*20*21*19) = 144000 / 159600
    result = compare_counts({"a": (12, 8), "b": (9, 11)}, test="chi-square")
    assert result.statistic == pytest.approx(144000 / 159600, rel=1e-13)
    assert result.df == 1
    # with Yates: n (|ad - bc| - n/2)^2 / ... = 40 * 40^2 / 159600
    yates = compare_counts({"a": (12, 8), "b": (9, 11)}, test="chi-square yates")
    assert yates.statistic == pytest.approx(64000 / 159600, rel=1e-13)
    assert yates.p_value > result.p_value


@pytest.mark.by_hand
def test_yates_never_turns_the_difference_round():
    # 2 of 5 against 3 of 6: |observed - expected| is 0.27, less than one half
    result = compare_counts({"a": (2, 3), "b": (3, 3)}, test="chi-square yates")
    assert result.statistic == 0.0
    assert result.p_value == 1.0


@pytest.mark.by_hand
def test_chi_square_of_three_groups_and_three_levels():
    # every expected count is 4; differences 2, -1, -1 in each row: 3 * (4 + 1 + 1) / 4
    levels = {"a": (6, 3, 3), "b": (3, 6, 3), "c": (3, 3, 6)}
    result = compare_counts(levels, test="chi-square")
    assert result.statistic == pytest.approx(4.5, rel=1e-14)
    assert result.df == 4
    assert "4.0 expected" in result.note


@pytest.mark.parametrize("test", TESTS)
@pytest.mark.parametrize(
    ("counts", "reason"),
    [
        ({"msc": (0, 9), "control": (0, 9)}, "empty in every group"),
        ({"msc": (9, 0), "control": (9, 0)}, "empty in every group"),
        ({"msc": (0, 0), "control": (3, 6)}, "no participants in msc"),
        ({"msc": (0, 0), "control": (0, 0)}, "no participants in msc, control"),
    ],
)
def test_an_empty_margin_is_a_reason_not_a_crash(test, counts, reason):
    result = compare_counts(counts, test=test)
    assert (result.statistic, result.df, result.p_value) == (None, None, None)
    assert reason in result.note


@pytest.mark.parametrize(
    ("counts", "message"),
    [
        ({"a": (1, 2)}, "two or more groups"),
        ({"a": (1, 2), "b": (1, 2, 3)}, "the same two or more categories"),
        ({"a": (1,), "b": (2,)}, "the same two or more categories"),
        ({"a": (1, -2), "b": (1, 2)}, "whole numbers"),
        ({"a": (1, 2.5), "b": (1, 2)}, "whole numbers"),
        ({"a": (1, 2, 3), "b": (1, 2, 3)}, "join categories"),
    ],
)
def test_impossible_tables_are_refused(counts, message):
    with pytest.raises(UsageError, match=message):
        compare_counts(counts, test="fisher")


def test_yates_is_for_two_by_two():
    with pytest.raises(UsageError, match="2 by 3"):
        compare_counts({"a": (1, 2, 3), "b": (1, 2, 3)}, test="chi-square yates")


def test_an_unknown_test_is_refused():
    with pytest.raises(UsageError, match="fisher, boschloo"):
        compare_counts({"a": (1, 2), "b": (1, 2)}, test="freeman-halton")
