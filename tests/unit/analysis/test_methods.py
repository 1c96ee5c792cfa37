"""The methods in words: every analysis speaks, once, with the numbers of its sources."""

import re
from dataclasses import replace

import pytest

from stromal import __version__
from stromal.analysis.estimate import Comparison
from stromal.analysis.method_sources import METHOD_SOURCES
from stromal.analysis.method_words import (
    DIFFERENCES,
    FITTED,
    INTERVALS,
    PROPORTION_INTERVALS,
    TESTS,
    TIES,
    VARIANCES,
)
from stromal.analysis.methods import describe_methods
from stromal.protocol import read_protocol
from support import made_results as made
from support.study_folder import PROTOCOL, make_study

COMMON = "role: secondary, set: all, confidence: 0.95"
SURVIVAL = (
    "{label: Alive, estimate: survival, endpoint: overall_survival, at: [1 a], interval: log-log, "
    f"{COMMON}"
)
RESPONSE = f"{{label: Answered, estimate: proportion, endpoint: response, of: [CR], {COMMON}"


@pytest.fixture
def described(tmp_path):
    """Describe the methods of analyses given as YAML, as a plan or with results."""

    def describe(*analyses, more="", results=()):
        listed = "".join(f"  a{place}: {text}\n" for place, text in enumerate(analyses))
        text = f"{PROTOCOL}{more}" + (f"analyses:\n{listed}" if analyses else "")
        protocol = read_protocol(make_study(tmp_path / "study", protocol_text=text))
        return describe_methods(protocol, made.Results("x", "0" * 64, None, tuple(results)))

    return describe


def cited(methods, key):
    """The number under which the source of a method stands."""
    return methods.sources.index(METHOD_SOURCES[key]) + 1


def test_without_analyses_there_is_nothing_to_say(described):
    assert described().text == ""
    assert described().sources == ()


@pytest.mark.by_hand
def test_the_whole_text_of_one_survival(described):
    methods = described(f"{SURVIVAL}, by: arm, compare: [log-rank]}}")
    assert methods.text.split("\n\n") == [
        (
            "Participants whose endpoint cannot be derived are in no denominator and in no curve; "
            "they are listed with the reason. Nothing is imputed."
        ),
        (
            "Probabilities to be without the event are Kaplan-Meier estimates [1] with Greenwood's "
            "variance [2] and pointwise 95 % confidence intervals on the log-log scale [3]; "
            "medians have the intervals of Brookmeyer and Crowley [4]. Curves of groups are "
            "compared by the log-rank test [5]."
        ),
        "P values are two-sided and not adjusted for multiplicity.",
        f"The analyses are made with stromal {__version__}.",
    ]
    keys = ["Kaplan-Meier", "Greenwood", "log-log", "Brookmeyer-Crowley", "log-rank test"]
    assert methods.sources == tuple(METHOD_SOURCES[key] for key in keys)


def test_what_two_analyses_share_is_said_once_and_what_differs_with_labels(described):
    other = SURVIVAL.replace("Alive", "Well").replace("log-log", "plain")
    text = described(f"{SURVIVAL}}}", f"{SURVIVAL}}}".replace("Alive", "Living"), f"{other}}}").text
    assert text.count("Kaplan-Meier estimates") == 1
    assert "on the log-log scale [3] (Alive; Living) and" in text
    assert "on the plain scale (Well)" in text
    assert "P values" not in text


def test_missing_responses_deaths_differences_priors_and_tipping_points(described):
    prior = "prior: {responses: 1, others: 1.5, source: A guess., above: 0.3}"
    methods = described(
        f"{RESPONSE}, interval: wilson, by: arm, compare: [boschloo], difference: newcombe, "
        f"{prior}, tipping_point: true}}"
    )
    text = methods.text
    assert "A missing response counts as no response." in text
    assert "Death before the assessment counts as no response." in text
    assert "Nothing else is imputed." in text
    assert f"Boschloo's test [{cited(methods, 'Boschloo' + chr(39) + 's test')}]" in text
    both = f"[{cited(methods, 'Newcombe')}, {cited(methods, 'difference of proportions')}]"
    assert f"with the interval of Newcombe {both}." in text
    assert "the prior is beta(1, 1.5) (A guess)" in text
    assert f"in turn [{cited(methods, 'tipping point')}]" in text


def test_competing_events_variance_and_strata(described):
    methods = described(
        "{label: Counts, estimate: cumulative incidence, endpoint: neutrophil_recovery, "
        "at: [28 d], variance: cmprsk, interval: linear, by: arm, compare: [gray], "
        f"strata: [sex], {COMMON}}}"
    )
    assert "competing events (death) are events of their own and do not censor" in methods.text
    assert f"cmprsk has it [{cited(methods, 'cmprsk (Gray-Aalen)')}]" in methods.text
    assert "Gray's test" in methods.text
    assert ", stratified by sex." in methods.text


def test_weights_and_arrangements(described):
    spec = (
        f"{SURVIVAL}, by: arm, weight: [0, 1], "
        "compare: [weighted log-rank, permutation log-rank, max-combo]}"
    )
    assert "(rho 0, gamma 1)" in described(spec).text
    assert "arrangements" not in described(spec).text
    tried = Comparison("permutation log-rank test (Mantel's chi-square)", 4.2, None, 0.04,
                       made.NOBODY, "exact: all 126 arrangements")  # fmt: skip
    group = made.Group("all", "All", 9, {})
    result = made.result("a0", "survival", groups=(group,), comparisons=(tried,))
    methods = described(spec, results=(result,))
    assert "(exact: all 126 arrangements)" in methods.text
    assert f"were made with stromal {__version__}" in methods.text
    withheld = replace(result, groups=(), comparisons=())
    assert described(spec, results=(withheld,)).text == ""


def test_models_of_hazards_name_ties_strata_and_exposure(described):
    cox = (
        "{label: Dying, estimate: hazards, endpoint: overall_survival, model: cox, ties: efron, "
        f"by_infusion: msc, strata: [sex], {COMMON}}}"
    )
    fine_gray = (
        "{label: Counts, estimate: hazards, endpoint: neutrophil_recovery, model: fine-gray, "
        "definition: cmprsk, ties: breslow, by: arm, covariates: [age], missing: leave out, "
        f"{COMMON}}}"
    )
    text = described(cox, fine_gray).text
    assert "ties by Efron's method" in text
    assert "stratified by sex" in text
    assert "The infusion of msc enters as an exposure that changes on its day" in text
    assert "Subdistribution hazard ratios come from Fine and Gray's model as the R package" in text
    assert "left out of the model (Counts)" in text
    assert "Proportional hazards are checked" in text
    assert "Proportional hazards" not in described(fine_gray).text


def test_landmarks_subgroups_estimands_and_multiplicity(described):
    first = (
        f"{SURVIVAL}, by: arm, compare: [log-rank], landmark: 100 d, subgroups: [sex, age_group], "
        "estimand: {treatment: cells or none, intercurrent: "
        "[{event: relapse, handled: treatment policy}]}}"
    )
    second = f"{RESPONSE}, interval: mid-p, by: arm, compare: [fisher]}}"
    plan = "multiplicity: {method: holm, alpha: 0.05, analyses: [a0, a1]}\n"
    methods = described(first, second, more=plan)
    text = methods.text
    assert "Alive: day 100" in text
    assert "by sex and age group are described by the same methods and not tested" in text
    assert "relapse: treatment policy" in text
    assert (
        "The first tests of Alive and Answered share a two-sided error rate of 0.05 by Holm's "
        f"method [{cited(methods, 'holm')}]."
    ) in text
    assert "not adjusted for multiplicity" not in text


def test_numbers_run_from_one_in_the_order_of_the_text_and_no_key_is_left(described):
    methods = described(
        f"{RESPONSE}, interval: clopper-pearson, by: arm, compare: [fisher]}}",
        f"{SURVIVAL}, by: arm, compare: [log-rank]}}",
        f"{{label: Mean, estimate: restricted mean, endpoint: overall_survival, until: 1 a, "
        f"by: arm, compare: [difference, ratio], {COMMON}}}",
    )
    numbers = [int(n) for found in re.findall(r"\[([\d, ]+)\]", methods.text)
               for n in found.split(", ")]  # fmt: skip
    first = list(dict.fromkeys(numbers))
    assert first == list(range(1, len(methods.sources) + 1))
    assert len(set(methods.sources)) == len(methods.sources)
    assert "[[" not in methods.text
    assert "differences and ratios of groups are tested by Wald's test" in methods.text


@pytest.mark.parametrize(
    "words",
    [DIFFERENCES, FITTED, INTERVALS, PROPORTION_INTERVALS, TESTS, TIES, VARIANCES],
)
def test_every_name_in_the_words_has_a_source(words):
    named = [key for text in words.values() for found in re.findall(r"\[\[([^\]]+)\]\]", text)
             for key in found.split("|")]  # fmt: skip
    assert [key for key in named if key not in METHOD_SOURCES] == []
