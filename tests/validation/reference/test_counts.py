"""Proportions and tables against R 4.2.2 (binom.test, metafor 3.8.1, fisher.test)."""

import pytest

from stromal.analysis import compare_counts, estimate_proportion

pytestmark = pytest.mark.reference


@pytest.mark.parametrize("interval", ["clopper-pearson", "wilson"])
def test_proportions_of_the_founding_studies(reference_json, interval):
    cases = reference_json("seed_studies.json")["single_arm"].values()
    assert len(cases) >= 10
    for case in cases:
        e = estimate_proportion(case["x"], case["n"], interval=interval, confidence=0.95)
        assert e.value == pytest.approx(case["p"], rel=1e-13)
        expected = case[interval.replace("-", "_")]
        assert (e.low, e.high) == pytest.approx(tuple(expected), abs=2e-15, rel=1e-13)


def test_fisher_of_the_founding_studies(reference_json):
    case = reference_json("seed_studies.json")["S4_PR90"]
    t = case["table"]
    counts = {"msc": (t["ai"], t["n1i"] - t["ai"]), "control": (t["ci"], t["n2i"] - t["ci"])}
    p = compare_counts(counts, test="fisher").p_value
    assert p == pytest.approx(case["fisher"]["p"], rel=1e-13)
