"""Agreement of two verdicts."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stromal.analysis.agreement import estimate_agreement

verdicts = st.sampled_from(["CR", "PR", "NR"])
pairs = st.lists(st.tuples(verdicts, verdicts), max_size=30)


@pytest.mark.by_hand
def test_three_levels():
    # 10 pairs, 7 equal: p = .7. Shares CR .4 and .3, PR .3 and .4, NR .3 and .3, so that
    # e = .12 + .12 + .09 = .33 and kappa = (.7 - .33) / (1 - .33)
    found = estimate_agreement(
        [("CR", "CR")] * 2 + [("CR", "PR")] * 2 + [("PR", "PR")] * 2 + [("PR", "CR")]
        + [("NR", "NR")] * 3
    )  # fmt: skip
    assert (found.n, found.same) == (10, 7)
    assert found.kappa == pytest.approx((0.7 - 0.33) / 0.67, rel=1e-12)


@pytest.mark.by_hand
def test_opposite_verdicts_are_worse_than_chance():
    # shares .5 and .5 on both sides: e = .5, p = 0, kappa = -1
    assert estimate_agreement([("yes", "no"), ("no", "yes")]).kappa == -1


def test_one_verdict_alone_cannot_be_told_from_chance():
    found = estimate_agreement([("event", "event")] * 4)
    assert (found.n, found.same, found.kappa) == (4, 4, None)
    assert estimate_agreement([]).kappa is None


@given(pairs)
def test_kappa_is_symmetric_and_at_most_1(drawn):
    found = estimate_agreement(drawn)
    turned = estimate_agreement([(b, a) for a, b in drawn])
    assert (found.n, found.same) == (turned.n, turned.same)
    assert found.kappa == (None if turned.kappa is None else pytest.approx(turned.kappa))
    assert found.kappa is None or -1 - 1e-12 <= found.kappa <= 1 + 1e-12
    assert found.table["n"].sum() == len(drawn)
