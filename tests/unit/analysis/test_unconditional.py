import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from stromal.analysis import compare_counts
from stromal.core import UsageError


def _p(first, second, test):
    return compare_counts({"a": first, "b": second}, test=test).p_value


@pytest.mark.published
def test_barnard_of_mehta_and_senchaudhuri():
    # Conditional versus unconditional exact tests for comparing two binomials (2003): 7 of 15 and
    # 12 of 15 infected, one-sided p 0.034; equal groups, so the two-sided is twice that
    assert _p((7, 8), (12, 3), "barnard") / 2 == pytest.approx(0.0341, abs=5e-5)


@pytest.mark.by_hand
@pytest.mark.parametrize("test", ["barnard", "boschloo"])
def test_three_against_none(test):
    # as extreme are all in one group and none in the other: p^3 (1 - p)^3 both ways, most at 1/2
    assert _p((3, 0), (0, 3), test) == pytest.approx(2 / 64, rel=1e-12)


@pytest.mark.by_hand
def test_one_against_two_has_its_peak_off_the_middle():
    # (1, 0) and (0, 2): p (1 - p)^2 one-sided, most at 1/3: 4 / 27; twice it for Boschloo.
    # Barnard: with its mirror p (1 - p)^2 + (1 - p) p^2 = p (1 - p), most at 1/2
    assert _p((1, 0), (0, 2), "boschloo") == pytest.approx(8 / 27, rel=1e-10)
    assert _p((1, 0), (0, 2), "barnard") == pytest.approx(1 / 4, rel=1e-12)


@pytest.mark.reference
@pytest.mark.parametrize(
    "table", [((74, 43), (31, 32)), ((1, 8), (6, 3)), ((2, 3), (7, 2)), ((0, 5), (4, 5))]
)
def test_against_scipy(table):
    # scipy.stats.barnard_exact and boschloo_exact, groups as columns, a fine search
    columns = [list(row) for row in zip(*table, strict=True)]
    barnard = stats.barnard_exact(columns, n=256).pvalue
    boschloo = stats.boschloo_exact(columns, n=256).pvalue
    assert _p(*table, "barnard") == pytest.approx(barnard, rel=1e-6)
    assert _p(*table, "boschloo") == pytest.approx(boschloo, rel=1e-6)


@settings(max_examples=25, deadline=None)
@given(st.tuples(*[st.integers(0, 9)] * 4))
@pytest.mark.parametrize("test", ["barnard", "boschloo"])
def test_relabelling_changes_nothing_and_no_proportion_has_more(test, counts):
    a, b, c, d = counts
    p = _p((a, b), (c, d), test)
    if p is None:
        assert a + b == 0 or c + d == 0 or a + c == 0 or b + d == 0
        return
    assert 0 < p <= 1
    assert _p((c, d), (a, b), test) == pytest.approx(p, rel=1e-9)
    assert _p((b, a), (d, c), test) == pytest.approx(p, rel=1e-9)
    if test == "boschloo":
        one_sided = min(
            stats.fisher_exact([[a, b], [c, d]], alternative=side)[1]
            for side in ("less", "greater")
        )
        assert p <= 2 * one_sided + 1e-9


@pytest.mark.parametrize("test", ["barnard", "boschloo"])
def test_degenerate_tables_have_no_p(test):
    for table in ({"a": (3, 0), "b": (4, 0)}, {"a": (0, 0), "b": (2, 2)}):
        result = compare_counts(table, test=test)
        assert result.p_value is None
        assert "not computable" in result.note
    assert "two-sided" in compare_counts({"a": (1, 2), "b": (2, 1)}, test=test).note


def test_too_many_tables_are_refused():
    with pytest.raises(UsageError, match="use fisher or chi-square"):
        _p((1500, 1500), (1600, 1400), "barnard")
