"""Each new result names a method, a variance and a source."""

import pytest

from stromal.analysis import METHOD_SOURCES
from stromal.analysis.fixed_time import compare_at_day
from stromal.analysis.max_combo import compare_max_combo
from stromal.analysis.pseudo_values import fit_pseudo_values
from stromal.analysis.restricted_mean import compare_restricted_means
from stromal.analysis.stratified_counts import (
    compare_stratified_counts,
    estimate_common_odds_ratio,
    estimate_odds_ratio,
)


@pytest.fixture
def arms(make_outcomes):
    days = [3, 5, 5, 7, 9, 12, 2, 5, 8, 10, 14, 15]
    return make_outcomes(days, "EECEECEEECEE", arm=["a"] * 6 + ["b"] * 6)


def test_every_word_has_a_source(arms):
    table = {"msc": (7, 2), "control": (3, 9)}
    named = {compare_max_combo(arms, weights=((0, 0), (1, 0))).method}
    named |= {compare_at_day(arms, day=6, scale=s).method for s in ("plain", "log-log", "arcsine")}
    named.add(compare_stratified_counts({"all": table}).method)
    for contrast in (
        *compare_restricted_means(arms, until=9, confidence=0.95),
        estimate_common_odds_ratio({"all": table}, confidence=0.95),
        estimate_odds_ratio(table, confidence=0.95),
    ):
        named |= {contrast.estimate.method, contrast.estimate.variance} - {""}
    for method in ("jackknife", "infinitesimal jackknife"):
        fit = fit_pseudo_values(
            arms,
            days=(6,),
            of="event",
            method=method,
            covariates=("arm",),
            link="identity",
            confidence=0.95,
        )
        named |= {fit.method, fit.variance}
    assert named <= set(METHOD_SOURCES)
