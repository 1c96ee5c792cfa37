import pytest
from hypothesis import given
from hypothesis import strategies as st

from stromal.analysis.multiplicity import adjust_p_values, explain_missing_p
from stromal.core import UsageError

P = st.lists(st.floats(0, 1), max_size=12)


@pytest.mark.by_hand
def test_holm_by_hand():
    # sorted .01 .02 .03 times 3 2 1: .03 .04 .03, and never below the one before: .03 .04 .04
    assert adjust_p_values([0.03, 0.01, 0.02], method="holm") == pytest.approx((0.04, 0.03, 0.04))


@pytest.mark.by_hand
def test_hochberg_by_hand():
    # from the largest: .03 x 1, .02 x 2 and never above the one before: .03, .01 x 3 = .03
    assert adjust_p_values([0.03, 0.01, 0.02], method="hochberg") == pytest.approx((0.03,) * 3)


@pytest.mark.reference
def test_against_p_adjust():
    # R: p.adjust(c(.011, .2, .032, .04, .9), "holm"), and "hochberg"
    p = [0.011, 0.2, 0.032, 0.04, 0.9]
    holm, hochberg = (adjust_p_values(p, method=m) for m in ("holm", "hochberg"))
    assert holm == pytest.approx((0.055, 0.4, 0.128, 0.128, 0.9), abs=1e-12)
    assert hochberg == pytest.approx((0.055, 0.4, 0.12, 0.12, 0.9), abs=1e-12)


@pytest.mark.by_hand
def test_a_fixed_sequence_takes_the_largest_so_far_and_ends_where_one_is_missing():
    p = [0.01, 0.2, 0.03, None, 0.001]
    assert adjust_p_values(p, method="fixed sequence") == (0.01, 0.2, 0.2, None, None)
    assert "test 4 of 5 has no p value" in explain_missing_p(p, method="fixed sequence")


@pytest.mark.by_hand
@pytest.mark.parametrize("method", ["holm", "hochberg"])
def test_a_missing_p_counts_as_one(method):
    p = [0.01, None, 0.02]
    without = adjust_p_values([0.01, 1.0, 0.02], method=method)
    assert adjust_p_values(p, method=method) == (without[0], None, without[2])
    assert without[0] == pytest.approx(0.03)
    assert explain_missing_p(p, method=method) == (
        "test 2 has no p value and still counts among the 3, as if p were 1"
    )
    two = explain_missing_p([None, 0.1, None], method=method)
    assert two == "tests 1, 3 have no p value and still count among the 3, as if p were 1"
    assert explain_missing_p([0.1], method=method) == ""


@given(P)
def test_adjusted_values_stand_in_order(p):
    holm, hochberg = (adjust_p_values(p, method=m) for m in ("holm", "hochberg"))
    bonferroni = [min(1.0, len(p) * value) for value in p]
    for raw, h, b, most in zip(p, holm, hochberg, bonferroni, strict=True):
        assert raw <= b <= h <= most


@given(P, st.randoms())
def test_the_order_of_the_tests_changes_nothing(p, random):
    places = list(range(len(p)))
    random.shuffle(places)
    for method in ("holm", "hochberg"):
        straight = adjust_p_values(p, method=method)
        shuffled = adjust_p_values([p[i] for i in places], method=method)
        assert shuffled == tuple(straight[i] for i in places)


@pytest.mark.parametrize("p", [[-0.1], [1.1], [float("nan")]])
def test_what_is_no_p_is_refused(p):
    with pytest.raises(UsageError, match="not a p value"):
        adjust_p_values(p, method="holm")


def test_an_unknown_method_is_refused():
    with pytest.raises(UsageError, match="choose one of holm"):
        adjust_p_values([0.1], method="bonferroni")
    assert adjust_p_values([], method="holm") == ()
