from math import comb

import pytest

from stromal.analysis import METHOD_SOURCES
from stromal.analysis.beta_binomial import compare_posteriors, estimate_posterior
from stromal.core import UsageError


@pytest.mark.by_hand
def test_uniform_prior_by_hand():
    # 7 of 9 and a uniform prior: beta(8, 3), mean 8 / 11; P(p > 1/2) is that of at most 7 of 10
    # fair coins: 1 - (45 + 10 + 1) / 1024
    e = estimate_posterior(7, 9, prior=(1, 1), confidence=0.95, above=0.5)
    assert e.value == pytest.approx(8 / 11)
    assert e.probability_above == pytest.approx(1 - 56 / 1024, rel=1e-12)
    assert e.standard_error == pytest.approx((8 * 3 / (121 * 12)) ** 0.5)
    assert e.note.startswith("prior beta(1, 1); probability to exceed 0.5: 0.945")
    assert e.method in METHOD_SOURCES
    assert estimate_posterior(7, 9, prior=(1, 1), confidence=0.9).probability_above is None


@pytest.mark.by_hand
def test_limits_of_no_response():
    # 0 of 4, uniform: beta(1, 5), so (1 - p)^5 is .975 and .025
    e = estimate_posterior(0, 4, prior=(1, 1), confidence=0.95)
    assert (e.low, e.high) == pytest.approx((1 - 0.975**0.2, 1 - 0.025**0.2), rel=1e-12)


def test_without_participants_it_is_the_prior():
    e = estimate_posterior(0, 0, prior=(2, 3), confidence=0.95)
    assert e.value == pytest.approx(0.4)
    assert e.note == "no participants: the posterior is the prior; prior beta(2, 3)"


@pytest.mark.by_hand
@pytest.mark.parametrize(
    ("one", "two"), [((7, 2), (3, 6)), ((0, 5), (0, 9)), ((20, 1), (4, 4)), ((0, 0), (0, 0))]
)
def test_one_exceeds_the_other_as_a_finite_sum(one, two):
    # beta(a1, b1) exceeds beta(a2, b2), whole shapes: the a2-th of n2 = a2 + b2 - 1 uniforms lies
    # below the a1-th of n1: of the first a1 + a2 + k - 1 in order a1 - 1 are of the first sample
    a1, b1, a2, b2 = one[0] + 1, one[1] + 1, two[0] + 1, two[1] + 1
    n1, n2 = a1 + b1 - 1, a2 + b2 - 1
    # in order, the a1-th of the first comes after j of the second; it exceeds if j >= a2
    exact = sum(
        comb(a1 - 1 + j, j) * comb(n1 - a1 + n2 - j, n2 - j) for j in range(a2, n2 + 1)
    ) / comb(n1 + n2, n1)
    contrast = compare_posteriors({"msc": one, "control": two}, prior=(1, 1), confidence=0.95)
    assert contrast.estimate.probability_above == pytest.approx(exact, abs=1e-9)


@pytest.mark.by_hand
def test_limits_of_the_difference_of_two_uniforms():
    # no participants: the difference of two uniforms; P(D > d) = (1 - d)^2 / 2
    e = compare_posteriors({"a": (0, 0), "b": (0, 0)}, prior=(1, 1), confidence=0.95).estimate
    assert e.high == pytest.approx(1 - 0.05**0.5, abs=1e-8)
    assert e.low == pytest.approx(0.05**0.5 - 1, abs=1e-8)
    assert (e.value, e.standard_error) == pytest.approx((0, (1 / 6) ** 0.5))


def test_swapping_groups_mirrors():
    one, two = (
        compare_posteriors(t, prior=(0.5, 0.5), confidence=0.9).estimate
        for t in ({"a": (7, 2), "b": (0, 8)}, {"b": (0, 8), "a": (7, 2)})
    )
    assert (one.low, one.high) == pytest.approx((-two.high, -two.low), abs=1e-7)
    assert one.probability_above + two.probability_above == pytest.approx(1, abs=1e-9)
    assert "prior beta(0.5, 0.5) for each" in one.note


@pytest.mark.parametrize(
    ("counts", "prior", "above", "said"),
    [
        ((3, 2), (1, 1), None, "not a proportion"),
        ((1, 2), (0, 1), None, "positive shapes"),
        ((1, 2), (1, float("inf")), None, "positive shapes"),
        ((1, 2), (1, 1), 50, "from 0 to 1"),
    ],
)
def test_what_cannot_be_is_refused(counts, prior, above, said):
    with pytest.raises(UsageError, match=said):
        estimate_posterior(*counts, prior=prior, confidence=0.95, above=above)
