"""The founding studies from protocol and records to results, against the numbers they print.

`published` marks a printed number, or one that the printed numbers determine; `characterisation`
marks what was fitted or searched for in the reconstructed records.
"""

from __future__ import annotations

import functools
import json
import re
from pathlib import Path

import pytest

from stromal.analysis.analyze import analyze
from stromal.analysis.estimate import Comparison, Estimate
from stromal.analysis.published import read_published
from stromal.analysis.results import Group, Printed, Result, Results
from stromal.core import UsageError
from stromal.endpoints.context import Context
from stromal.endpoints.derive import derive_all
from stromal.endpoints.exposure import list_infusions
from stromal.protocol import Protocol, read_protocol
from stromal.protocol.analyses import SurvivalAnalysis
from stromal.protocol.consistency import check_protocol
from stromal.records import read_records

STUDIES = Path(__file__).parents[3] / "studies"
MEULEMAN, GAO, CLE, SAA = "meuleman-2009", "gao-2016", "cle-2015", "saa-children-2021"
RECONSTRUCTED = (MEULEMAN, GAO, CLE, SAA)

published = pytest.mark.published
characterisation = pytest.mark.characterisation


@functools.cache
def protocol_of(study: str) -> Protocol:
    """Read a study's protocol."""
    return read_protocol(STUDIES / study)


@functools.cache
def context_of(study: str) -> Context:
    """Read a study's records and derive its endpoints."""
    protocol = protocol_of(study)
    return derive_all(protocol, read_records(STUDIES / study, protocol))


@functools.cache
def results_of(study: str) -> Results:
    """Analyse a study."""
    return analyze(context_of(study), STUDIES / study)


def result(study: str, name: str) -> Result:
    """Give one analysis."""
    return next(r for r in results_of(study).results if r.id == name)


def group(study: str, name: str, which: str = "all") -> Group:
    """Give one group of an analysis."""
    return next(g for g in result(study, name).groups if g.id == which)


def estimate(study: str, name: str, which: str = "all") -> Estimate:
    """Give the one estimate of a group."""
    (found,) = group(study, name, which).estimates
    return found


def percent(*numbers: float | None) -> tuple[str, ...]:
    """Write proportions in per cent with one decimal, as the articles do."""
    return tuple("-" if number is None else f"{100 * number:.1f}" for number in numbers)


def printed(study: str, what: str) -> Printed:
    """Give one printed number with its computed counterpart."""
    (found,) = [entry for entry in results_of(study).printed if entry.what == what]
    return found


# --- all four ----------------------------------------------------------------------------------


@pytest.mark.parametrize("study", RECONSTRUCTED)
def test_records_are_a_reconstruction_and_every_analysis_is_of_someone(study: str) -> None:
    results = results_of(study)
    assert results.data == "reconstruction"
    assert context_of(study).records.findings == ()
    assert {r.id for r in results.results} == set(protocol_of(study).analyses)
    assert all(g.n > 0 for r in results.results for g in r.groups)


@published
@pytest.mark.parametrize("study", RECONSTRUCTED)
def test_every_printed_number_is_reproduced_but_those_known_not_to_be(study: str) -> None:
    not_reproduced = [e.what for e in results_of(study).printed if e.reproduced is False]
    expected = {
        GAO: ["Severe chronic GVHD of the lung, difference between the arms"],
    }
    assert not_reproduced == expected.get(study, [])
    assert sum(e.reproduced is True for e in results_of(study).printed) >= 6


@published
@pytest.mark.parametrize("study", RECONSTRUCTED)
def test_what_is_not_reproduced_or_not_computed_says_why(study: str) -> None:
    open_entries = [e for e in results_of(study).printed if e.reproduced is not True]
    assert open_entries
    assert all(len(entry.note) > 20 for entry in open_entries)


@pytest.mark.parametrize("study", RECONSTRUCTED)
def test_a_number_that_names_an_analysis_is_compared_with_it(study: str) -> None:
    numbers = read_published(STUDIES / study)
    assert numbers is not None
    named = {number.what for number in numbers.numbers if number.analysis is not None}
    computed = {entry.what for entry in results_of(study).printed if entry.computed is not None}
    assert computed == named


@pytest.mark.parametrize("study", RECONSTRUCTED)
def test_nothing_is_shown_that_depends_on_invented_days(study: str) -> None:
    """No curve, no median time, no number at risk, no follow-up but its median."""
    for found in results_of(study).results:
        for one in found.groups:
            assert one.curve is None
            assert one.median is None
            assert all(e.at_risk is None for e in one.estimates)
            timed = [e for e in one.estimates if e.day is not None]
            assert all(e.events is None for e in timed)
            assert not (timed and one.levels)


@pytest.mark.parametrize("study", RECONSTRUCTED)
def test_every_analysis_declares_what_it_may_show(study: str) -> None:
    numbers = read_published(STUDIES / study)
    assert numbers is not None
    assert set(numbers.determines) == set(protocol_of(study).analyses)
    assert {entry.analysis for entry in numbers.ranges} <= set(numbers.determines)


def test_without_published_numbers_a_reconstruction_shows_nothing() -> None:
    bare = analyze(context_of(SAA), None)
    assert bare.results
    for found in bare.results:
        assert (found.groups, found.comparisons, found.ranges) == ((), (), ())
        assert [withheld.what for withheld in found.withheld] == ["the whole analysis"]


@pytest.mark.parametrize("study", RECONSTRUCTED)
def test_assumptions_are_named_where_they_are_used(study: str) -> None:
    rules = {finding.rule for finding in check_protocol(protocol_of(study))}
    assert "assumption-unused" not in rules
    assert {"no-stopping-rule", "no-basis-of-size"} <= rules


@pytest.mark.parametrize("study", RECONSTRUCTED)
def test_no_infusion_is_called_missed(study: str) -> None:
    """Which infusions were not given is published for nobody."""
    states = set(list_infusions(context_of(study))["state"].to_list())
    assert states <= {"given", "not due"}


# --- Meuleman 2009 -----------------------------------------------------------------------------


@published
def test_meuleman_two_of_six_recovered() -> None:
    found = estimate(MEULEMAN, "response")
    assert (found.events, found.n) == (2, 6)
    assert percent(found.value, found.low, found.high) == ("33.3", "4.3", "77.7")
    assert group(MEULEMAN, "response").levels == {"recovered": 2, "no recovery": 4}


@published
def test_meuleman_recovery_on_days_12_and_21() -> None:
    assert group(MEULEMAN, "recovery_day").values == (12.0, 21.0)


@published
def test_meuleman_recovery_by_remission() -> None:
    first, others = (estimate(MEULEMAN, "response_by_remission", g) for g in ("CR1", "not CR1"))
    assert (first.events, first.n, others.events, others.n) == (2, 2, 0, 4)
    (fisher,) = result(MEULEMAN, "response_by_remission").comparisons
    assert fisher.method == "Fisher's exact test"
    assert fisher.p_value == pytest.approx(1 / 15, abs=1e-12)


@published
def test_meuleman_safety() -> None:
    assert estimate(MEULEMAN, "related_toxicity").events == 0
    assert estimate(MEULEMAN, "cmv_reactivation").events == 1
    assert group(MEULEMAN, "cmv_reactivation_day").values == (12.0,)
    assert group(MEULEMAN, "cmv_death").levels == {"death": 1, "none": 5}


def test_meuleman_chain_names_the_linked_records() -> None:
    rows = context_of(MEULEMAN).derived["cmv_course"].filter(status="death")
    assert rows["because"].to_list() == [["R-M06-E1", "R-M06-E2", "R-M06-E3"]]


def test_meuleman_shows_no_survival_and_no_follow_up() -> None:
    kinds = {r.kind for r in results_of(MEULEMAN).results}
    assert kinds == {"proportion", "summary"}
    summaries = {r.id for r in results_of(MEULEMAN).results if r.kind == "summary"}
    assert summaries == {"recovery_day", "cmv_reactivation_day"}


# --- Gao 2016 ----------------------------------------------------------------------------------


@published
def test_gao_incidence_of_chronic_gvhd() -> None:
    assert percent(estimate(GAO, "cgvhd", "msc").value) == ("27.4",)
    assert percent(estimate(GAO, "cgvhd", "control").value) == ("49.0",)


@published
def test_gao_each_interval_is_printed_by_one_convention() -> None:
    msc = estimate(GAO, "cgvhd_msc")
    assert percent(msc.value, msc.low, msc.high) == ("27.4", "16.2", "38.6")
    assert msc.interval_text == "95 % interval, linear, cmprsk (Gray-Aalen) variance"
    control = estimate(GAO, "cgvhd_saline")
    assert percent(control.value, control.low, control.high) == ("49.0", "36.5", "61.5")
    assert "Greenwood" in control.interval_text


def test_gao_no_interval_is_shown_that_the_article_does_not_print() -> None:
    for arm in ("msc", "control"):
        shown = estimate(GAO, "cgvhd", arm)
        assert (shown.low, shown.high, shown.standard_error) == (None, None, None)
    assert "interval" in [withheld.what for withheld in result(GAO, "cgvhd").withheld]


@published
def test_gao_interval_conventions_are_named_and_their_disagreement_said() -> None:
    for arm, convention in (("MSC", "the variance of cmprsk"), ("saline", "Greenwood's variance")):
        entry = printed(GAO, f"Chronic GVHD at 2 years, {arm}, interval by {convention}")
        assert entry.reproduced is True
        assert entry.computed == entry.printed
        assert "no single convention prints the intervals of both arms" in entry.note


def test_gao_between_the_arms_gray_is_a_range_and_nothing_else() -> None:
    found = result(GAO, "cgvhd")
    assert found.comparisons == ()
    assert "comparisons" in [withheld.what for withheld in found.withheld]
    file = json.loads((STUDIES / GAO / "ranges.json").read_text(encoding="utf-8"))
    p = file["statistics"]["gray_p"]
    assert [(r.low, r.high) for r in found.ranges] == [(p["min"], p["max"])]
    assert printed(GAO, "Chronic GVHD at 2 years, difference between the arms").computed is None


@characterisation
def test_gao_the_range_of_gray_is_wide_on_both_sides_of_the_fitted_p() -> None:
    (met,) = result(GAO, "cgvhd").ranges
    assert met.low < 0.0015
    assert 0.095 < met.high < 0.14


@published
def test_gao_lung_disease_and_its_p_value_that_no_test_prints() -> None:
    msc, control = (estimate(GAO, "severe_lung_cgvhd", arm) for arm in ("msc", "control"))
    assert (msc.events, msc.n, control.events, control.n) == (0, 62, 7, 62)
    tests: tuple[Comparison, ...] = result(GAO, "severe_lung_cgvhd").comparisons
    assert {t.method: round(t.p_value or 0, 4) for t in tests} == {
        "Fisher's exact test": 0.0131,
        "chi-square test": 0.0065,
        "chi-square test with Yates's correction": 0.0196,
    }
    entry = printed(GAO, "Severe chronic GVHD of the lung, difference between the arms")
    assert (entry.printed, entry.reproduced) == ("P = .047", False)
    assert entry.computed is not None
    assert all(test.method in entry.computed for test in tests)
    assert "Not reproduced by any 2x2 test" in entry.note


@published
def test_gao_survival_without_a_test_between_the_arms() -> None:
    assert percent(estimate(GAO, "overall_survival", "msc").value) == ("66.1",)
    assert percent(estimate(GAO, "overall_survival", "control").value) == ("61.3",)
    found = result(GAO, "overall_survival")
    assert found.comparisons == ()
    assert all(
        e.low is None and e.standard_error is None for g in found.groups for e in g.estimates
    )


@published
def test_gao_infusions_of_the_msc_arm_alone() -> None:
    summary = group(GAO, "infusions").summary
    assert summary is not None
    assert summary.mean is not None
    assert (f"{summary.mean:.1f}", summary.low, summary.high) == ("3.7", 2, 4)
    assert summary.median is None
    assert group(GAO, "infusions").n == 62


# --- Clé 2015 ----------------------------------------------------------------------------------


@published
def test_cle_partial_response_with_death_as_no_response() -> None:
    found = estimate(CLE, "response")
    assert (found.events, found.n) == (2, 9)
    assert percent(found.value, found.low, found.high) == ("22.2", "2.8", "60.0")
    assert group(CLE, "response").levels == {"PR": 2, "NR": 7}
    derived = context_of(CLE).derived["haematologic_response"]
    dead = context_of(CLE).records["events"].filter(event="death")
    early = dead.filter(dead["day"] < 183)["participant_id"].to_list()
    assert early
    assert set(derived.filter(derived["participant_id"].is_in(early))["status"]) == {"NR"}


@published
def test_cle_safety() -> None:
    assert (estimate(CLE, "infusion_related").events, estimate(CLE, "infusion_related").n) == (0, 9)
    assert (estimate(CLE, "deaths").events, estimate(CLE, "deaths").n) == (4, 9)


@published
def test_cle_dose_infusions_and_follow_up() -> None:
    dose = group(CLE, "dose").summary
    assert dose is not None
    assert (dose.median, dose.low, dose.high) == (2.7e6, 1.3e6, 4.5e6)
    infusions = group(CLE, "infusions").summary
    assert infusions is not None
    assert (infusions.low, infusions.high) == (2, 5)
    follow_up = group(CLE, "follow_up").summary
    assert follow_up is not None
    assert follow_up.median is not None
    assert f"{follow_up.median / 30.4375:.0f}" == "20"
    assert printed(CLE, "Median follow-up").computed == "20 months"


def test_cle_does_not_tell_how_many_infusions_there_were() -> None:
    assert group(CLE, "dose").n == 9
    for name in ("dose", "infusions", "follow_up"):
        one = group(CLE, name)
        assert one.values == ()
        assert one.summary is not None
        assert one.summary.lower_quartile is None
        assert one.summary.mean is None
    dose, infusions = group(CLE, "dose").summary, group(CLE, "infusions").summary
    assert dose is not None
    assert dose.n is None
    assert infusions is not None
    assert infusions.median is None


def test_cle_trough_unit_is_reported() -> None:
    rules = {finding.rule for finding in check_protocol(protocol_of(CLE))}
    assert {"trough-implausible", "trough-unit-differs"} <= rules


# --- children with severe aplastic anaemia, 2021 -----------------------------------------------


@published
@pytest.mark.parametrize(
    ("name", "arm", "expected"),
    [
        ("overall_survival", "msc", ("88.9", "10.5")),
        ("overall_survival", "control", ("88.9", "10.5")),
        ("failure_free_survival", "msc", ("38.1", "17.2")),
        ("failure_free_survival", "control", ("66.7", "15.7")),
    ],
)
def test_saa_survival_at_four_years(name: str, arm: str, expected: tuple[str, str]) -> None:
    found = estimate(SAA, name, arm)
    assert percent(found.value, found.standard_error) == expected
    assert found.day == 1461
    assert found.n == 9


@published
def test_saa_partial_responses_at_90_days() -> None:
    msc, control = (estimate(SAA, "response", arm) for arm in ("msc", "control"))
    assert (msc.events, msc.n, control.events, control.n) == (1, 9, 2, 9)
    assert group(SAA, "response", "msc").levels == {"PR": 1, "NR": 8}
    assert group(SAA, "response", "control").levels == {"PR": 2, "NR": 7}


@published
def test_saa_anaphylaxis_is_related_to_antithymocyte_globulin_and_not_to_msc() -> None:
    assert (estimate(SAA, "anaphylaxis_atg").events, estimate(SAA, "anaphylaxis_atg").n) == (4, 9)
    assert (estimate(SAA, "anaphylaxis_msc").events, estimate(SAA, "anaphylaxis_msc").n) == (0, 9)
    for name in ("anaphylaxis_atg", "anaphylaxis_msc"):
        left_out = result(SAA, name).excluded
        assert left_out["reason"].unique().to_list() == ["arm is control"]


@published
def test_saa_clonal_evolution_age_and_follow_up() -> None:
    for arm in ("msc", "control"):
        assert (estimate(SAA, "clonal_evolution", arm).events, 9) == (
            0,
            group(SAA, "clonal_evolution", arm).n,
        )
    age, follow_up = group(SAA, "age").summary, group(SAA, "follow_up").summary
    assert age is not None
    assert (age.median, age.low, age.high, age.mean, age.lower_quartile) == (4, *[None] * 4)
    assert follow_up is not None
    assert follow_up.median == 48 * 30.4375


def test_saa_between_the_arms_there_are_only_ranges() -> None:
    assert all(found.comparisons == () for found in results_of(SAA).results)
    with_range = [found.id for found in results_of(SAA).results if found.ranges]
    assert with_range == ["failure_free_survival"]
    file = json.loads((STUDIES / SAA / "ranges.json").read_text(encoding="utf-8"))["statistics"]
    p, ratio = file["logrank_p"], file["hazard_ratio_msc_to_control"]
    assert [(r.low, r.high) for r in result(SAA, "failure_free_survival").ranges] == [
        (p["min"], p["max"]),
        (ratio["min"], ratio["max"]),
    ]


@published
def test_saa_range_over_all_interleavings() -> None:
    p, ratio = result(SAA, "failure_free_survival").ranges
    assert (f"{p.low:.2f}", f"{p.high:.2f}") == ("0.10", "0.51")
    assert (f"{ratio.low:.1f}", f"{ratio.high:.1f}") == ("1.6", "3.2")


def test_saa_probable_registration_differs_from_the_publication() -> None:
    rules = {finding.rule for finding in check_protocol(protocol_of(SAA))}
    assert {"arms-differ", "enrolment-differs", "registered-retrospectively"} <= rules


# --- a study without records -------------------------------------------------------------------


def test_msc4pgf_has_no_records_and_no_results() -> None:
    context = context_of("msc4pgf")
    assert context.records.about.data is None
    results = analyze(context, STUDIES / "msc4pgf")
    assert results.data is None
    assert (results.results, results.printed) == ((), ())
    assert re.fullmatch(r"[0-9a-f]{64}", results.protocol_version)


# --- printed numbers that fit nothing ----------------------------------------------------------


def _folder_with(tmp_path: Path, text: str) -> Path:
    """Write published numbers into a folder of their own."""
    (tmp_path / "published.yaml").write_text(text, encoding="utf-8")
    return tmp_path


def test_a_printed_number_of_an_unknown_analysis_is_refused(tmp_path: Path) -> None:
    text = (STUDIES / MEULEMAN / "published.yaml").read_text(encoding="utf-8")
    folder = _folder_with(tmp_path, text.replace("analysis: cmv_death", "analysis: cvm"))
    with pytest.raises(UsageError, match=r"the analysis `cvm`, which the protocol does not have"):
        analyze(context_of(MEULEMAN), folder)


def test_a_wrong_printed_number_is_not_reproduced(tmp_path: Path) -> None:
    text = (STUDIES / CLE / "published.yaml").read_text(encoding="utf-8")
    wrong = text.replace("20 months", "21 months").replace("2.7 (1.3-4.5)", "2.71 (1.3-4.6)")
    found = analyze(context_of(CLE), _folder_with(tmp_path, wrong)).printed
    by_what = {entry.what: entry for entry in found}
    follow_up = by_what["Median follow-up"]
    assert (follow_up.computed, follow_up.reproduced) == ("20 months", False)
    dose = by_what["MSC per infusion, median and range, in millions per kg"]
    assert (dose.computed, dose.reproduced) == ("2.70 (1.3-4.5)", False)


def test_survival_of_a_reconstruction_names_its_interval() -> None:
    for study in RECONSTRUCTED:
        for name, analysis in protocol_of(study).analyses.items():
            if isinstance(analysis, SurvivalAnalysis):
                texts = {e.interval_text for g in result(study, name).groups for e in g.estimates}
                assert texts == {"95 % interval, log-log, Greenwood variance"}
