import pytest

from stromal.analysis import compare_counts, estimate_proportion
from stromal.analysis.tipping_point import find_tipping_point
from stromal.core import UsageError


def _told(counts, test="fisher", interval="clopper-pearson", confidence=0.95):
    return find_tipping_point(counts, test=test, interval=interval, confidence=confidence)


@pytest.mark.by_hand
def test_three_against_three_with_one_missing_each():
    # known: 4 of 4 against 0 of 4, Fisher's p is 2 / C(8, 4) = 2 / 70. With one missing each:
    # 5/5 v 0/5: 2/252; 5/5 v 1/5 and 4/5 v 0/5: (6 of 10 or 4 of 10) 2 x 5 / 210;
    # 4/5 v 1/5: (1 + 25) x 2 / 252 = .206, where the conclusion tips
    told = _told({"msc": (4, 0, 1), "control": (0, 4, 1)})
    p = {row[:2]: row[3] for row in told.frame.rows()}
    assert p[1, 0] == pytest.approx(2 / 252)
    assert p[0, 0] == pytest.approx(10 / 210)
    assert p[1, 1] == pytest.approx(10 / 210)
    assert p[0, 1] == pytest.approx(52 / 252)
    assert told.frame["tips"].to_list() == [False, True, False, False]
    assert told.frame["conclusion"][1] == "no difference shown"
    assert told.frame["difference"].to_list() == pytest.approx([0.8, 0.6, 1.0, 0.8])
    assert told.said == (
        "Of those who are known: msc higher (p = 0.0286, fisher, two-sided 0.05); the conclusion "
        "tips in 1 of 4 combinations of the missing responses, nearest to the known proportions "
        "where 0 of the 1 missing of msc and 1 of the 1 missing of control responded (p = 0.206)"
    )


@pytest.mark.parametrize("test", ["fisher", "boschloo", "barnard", "chi-square"])
def test_every_row_is_the_test_of_its_table(test):
    told = _told({"a": (3, 4, 2), "b": (1, 6, 3)}, test=test)
    assert told.frame.height == 12
    for row in told.frame.iter_rows(named=True):
        one, two = 3 + row["first_responders"], 1 + row["second_responders"]
        p = compare_counts({"x": (one, 9 - one), "y": (two, 10 - two)}, test=test).p_value
        assert row["p_value"] == p
        assert row["difference"] == pytest.approx(one / 9 - two / 10)


@pytest.mark.by_hand
def test_a_p_of_alpha_concludes():
    # 3 of 3 against 0 of 3: Fisher's p is 2 / 20 = .1, which is 1 - .9
    told = _told({"a": (3, 0, 0), "b": (0, 3, 0)}, confidence=0.9)
    assert told.frame["conclusion"].to_list() == ["first higher"]


def test_swapped_groups_swap_the_conclusion():
    told = _told({"control": (0, 4, 1), "msc": (4, 0, 1)})
    assert "msc higher" in told.said
    assert set(told.frame["conclusion"]) == {"second higher", "no difference shown"}


def test_a_conclusion_that_holds():
    told = _told({"a": (20, 0, 1), "b": (0, 20, 1)})
    assert told.said.endswith("holds in all 4 combinations of the missing responses")
    assert "p < 0.0001" in told.said
    none = _told({"a": (2, 1, 0), "b": (1, 2, 0)})
    assert none.said.endswith("no response is missing")
    assert none.frame.height == 1


def test_a_group_without_known_responses_has_no_p_to_begin_with():
    told = _told({"a": (0, 0, 4), "b": (0, 4, 0)})
    assert "no difference shown (no p" in told.said
    assert told.frame["tips"].to_list() == [False, False, False, False, True]


@pytest.mark.by_hand
def test_one_group_is_bounded():
    told = _told({"msc": (5, 2, 2)}, test=None)
    assert told.frame["responders"].to_list() == [0, 1, 2]
    least, most = (
        estimate_proportion(x, 9, interval="clopper-pearson", confidence=0.95) for x in (5, 7)
    )
    assert told.frame["low"][0] == least.low
    assert told.frame["high"][2] == most.high
    # 5/9 and 7/9; the limits of 5 of 9 and 7 of 9 are 21.2 % and 97.2 %
    assert "from 55.6 % to 77.8 %" in told.said
    assert "from 21.2 % to 97.2 %" in told.said


def test_one_group_without_missing_and_without_participants():
    assert _told({"msc": (5, 2, 0)}, test=None).said == "msc: no response is missing"
    empty = _told({"msc": (0, 0, 0)}, test=None)
    assert empty.said == "msc: no participants"
    assert empty.frame["estimate"].to_list() == [None]


@pytest.mark.parametrize(
    ("counts", "test", "said"),
    [
        ({"a": (1, 1, 1), "b": (1, 1, 1), "c": (1, 1, 1)}, "fisher", "two at a time"),
        ({}, None, "one or two groups"),
        ({"a": (1, 1, 1), "b": (1, 1, 1)}, None, "two groups need a test"),
        ({"a": (1, 1, 1)}, "fisher", "one has none"),
        ({"a": (1, 1, -1)}, None, "three whole numbers"),
        ({"a": (1, 1)}, None, "three whole numbers"),
        ({"a": (1, 1, 200), "b": (1, 1, 200)}, "fisher", "40,401 combinations"),
    ],
)
def test_what_cannot_be_tried_is_refused(counts, test, said):
    with pytest.raises(UsageError, match=said):
        _told(counts, test=test)
