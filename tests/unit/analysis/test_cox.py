import math

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stromal.analysis.cox import check_proportional_hazards, estimate_concordance, fit_cox
from stromal.core import UsageError
from stromal.endpoints.outcome import CountingProcess, TimeToEvent

from . import sixteen

SPLIT = {"covariates": ["x"], "ties": "breslow", "confidence": 0.95}


def fit(outcomes, covariates, ties="efron", **more):
    return fit_cox(outcomes, covariates=covariates, ties=ties, confidence=0.95, **more)


def numbers(model, column="coefficient"):
    return model.coefficients[column].to_list()


@pytest.mark.by_hand
def test_three_participants_on_paper(make_outcomes):
    # Events on days 1 (x 1), 2 (x 0), 3 (x 1). With r = exp(b) the likelihood is
    # r / (2r + 1) * 1 / (1 + r) * 1; its score is 1 - 2r / (2r + 1) - r / (1 + r) = 0: 2r^2 = 1.
    model = fit(make_outcomes([1, 2, 3], "EEE", x=[1, 0, 1]), ["x"])
    r = 1 / math.sqrt(2)
    information = 2 * r / (2 * r + 1) ** 2 + r / (1 + r) ** 2
    assert numbers(model) == pytest.approx([math.log(r)], abs=1e-12)
    assert numbers(model, "standard_error") == pytest.approx([information**-0.5], abs=1e-12)
    assert numbers(model, "ratio") == pytest.approx([r])
    assert model.log_likelihood == pytest.approx(
        (-math.log(6), math.log(r / (2 * r + 1) / (1 + r))), abs=1e-12
    )
    tests = dict(zip(model.tests["test"], model.tests["statistic"], strict=True))
    assert tests["score"] == pytest.approx((1 - 2 / 3 - 1 / 2) ** 2 / (2 / 9 + 1 / 4))
    assert tests["likelihood ratio"] == pytest.approx(
        2 * (model.log_likelihood[1] - model.log_likelihood[0])
    )
    assert tests["Wald"] == pytest.approx(math.log(r) ** 2 * information)
    assert (model.n, model.events, model.scale, model.variance) == (
        3,
        3,
        "hazard ratio",
        "model-based",
    )


@pytest.mark.by_hand
def test_two_tied_events_in_the_three_ways(make_outcomes):
    # Day 1: events in x = 1 and x = 0, at risk too: one x = 0. Day 2: that one alone.
    # Breslow r / (r + 2)^2: 2r = r + 2, so r = 2. Efron r / ((r + 2) (r + 2 - (r + 1) / 2)):
    # 1 - r / (r + 2) - r / (r + 3) = 0, so r^2 = 6. Exact: r / (2r + 1) grows for ever.
    outcomes = make_outcomes([1, 1, 2], "EEE", x=[1, 0, 0])
    for ties, ratio in (("breslow", 2.0), ("efron", math.sqrt(6))):
        assert numbers(fit(outcomes, ["x"], ties), "ratio") == pytest.approx([ratio], abs=1e-9)
    exact = fit(outcomes, ["x"], "exact")
    assert numbers(exact) == [None]
    assert "x goes to infinity" in exact.note


@pytest.mark.reference
@pytest.mark.parametrize(
    ("ties", "coefficient", "error", "likelihood"),
    [
        (
            "efron",
            (0.392928924568306, -0.0145993390018055),
            (0.526244316302648, 0.638255198389486),
            (-20.9680437486736, -20.6541401754396),
        ),
        (
            "breslow",
            (0.370143924724837, -0.0621472816469788),
            (0.520243207220561, 0.632871920670327),
            (-21.2036098199864, -20.9040276550728),
        ),
        (
            "exact",
            (0.391780337619385, -0.0589882862076214),
            (0.536345389448197, 0.650767340575438),
            (-19.5817493875537, -19.266061519948),
        ),
    ],
)
def test_late_entry(make_outcomes, ties, coefficient, error, likelihood):
    # coxph(Surv(en, t, e) ~ x + y, ties = ...)
    outcomes = make_outcomes(
        sixteen.DAYS, sixteen.ANY, **sixteen.COLUMNS, entry=[float(e) for e in sixteen.ENTRY]
    )
    model = fit(outcomes, ["x", "y"], ties)
    assert numbers(model) == pytest.approx(coefficient, abs=1e-8)
    assert numbers(model, "standard_error") == pytest.approx(error, abs=1e-8)
    assert model.log_likelihood == pytest.approx(likelihood, abs=1e-8)


@pytest.mark.reference
def test_a_covariate_of_text(make_outcomes):
    # coxph(Surv(t, e) ~ y + h, ties = "efron")
    outcomes = make_outcomes(sixteen.DAYS, sixteen.ANY, **sixteen.COLUMNS)
    model = fit(outcomes, ["y", "h"])
    assert model.coefficients["term"].to_list() == ["y", "h: b against a", "h: c against a"]
    assert numbers(model) == pytest.approx(
        [-0.223340390631606, -0.190792440965534, -0.383755480531010], abs=1e-8
    )
    tests = dict(zip(model.tests["test"], model.tests["statistic"], strict=True))
    assert (tests["score"], tests["Wald"]) == pytest.approx((0.560050498752412, 0.551207981879215))
    other = fit(outcomes, ["y", "h"], references={"h": "c"})
    assert other.coefficients["term"].to_list() == ["y", "h: a against c", "h: b against c"]
    assert numbers(other)[1] == pytest.approx(-numbers(model)[2], abs=1e-9)
    assert other.log_likelihood == pytest.approx(model.log_likelihood)


@pytest.mark.reference
def test_a_cluster_makes_the_variance_robust(make_outcomes):
    # coxph(Surv(t, e) ~ y, cluster = g)
    outcomes = make_outcomes(sixteen.DAYS, sixteen.ANY, **sixteen.COLUMNS)
    model = fit(outcomes, ["y"], cluster="g")
    assert numbers(model) == pytest.approx([-0.346262574347177], abs=1e-8)
    assert numbers(model, "standard_error") == pytest.approx([0.672393482679753], abs=1e-8)
    assert model.variance == "robust (sandwich)"
    assert "within g" in model.note
    assert numbers(fit(outcomes, ["y"]), "standard_error") == pytest.approx(
        [0.613479136757096], abs=1e-8
    )


@pytest.mark.reference
def test_proportional_hazards_by_stratum(make_outcomes):
    # cox.zph(coxph(Surv(t, e) ~ y + strata(g)), "log")
    outcomes = make_outcomes(sixteen.DAYS, sixteen.ANY, **sixteen.COLUMNS)
    table = check_proportional_hazards(
        outcomes, covariates=["y"], ties="efron", transform="log", strata=["g"]
    )
    assert table["term"].to_list() == ["y", "all terms"]
    assert table["statistic"].to_list() == pytest.approx([2.29420852416746] * 2, abs=1e-8)
    assert table["df"].to_list() == [1, 1]
    assert table["p_value"].to_list() == pytest.approx([0.129857390857625] * 2, abs=1e-8)


def test_competing_events_make_it_cause_specific(make_outcomes):
    outcomes = make_outcomes(sixteen.DAYS, sixteen.MARKS, **sixteen.COLUMNS)
    model = fit(outcomes, ["y"])
    assert model.method == "cause-specific Cox model"
    censored = make_outcomes(sixteen.DAYS, sixteen.MARKS.replace("X", "C"), **sixteen.COLUMNS)
    assert fit(censored, ["y"]).method == "Cox model"
    assert numbers(fit(censored, ["y"])) == numbers(model)


def test_weights_of_two_are_two_participants(make_outcomes):
    days, marks, x = [1, 2, 3, 4, 5], "EEECE", [1, 0, 1, 0, 0]
    twice = make_outcomes(days * 2, marks * 2, x=x * 2)
    weighted = make_outcomes(days, marks, x=x, case_weight=[2.0] * 5)
    model = fit(weighted, ["x"], "breslow")
    assert numbers(model) == pytest.approx(numbers(fit(twice, ["x"], "breslow")), abs=1e-9)
    assert model.variance == "robust (sandwich)"


def test_infinite_coefficients_are_never_printed(make_outcomes):
    days, marks = [1, 2, 3, 4, 5, 6], "EEECCC"
    outcomes = make_outcomes(days, marks, x=[1, 1, 1, 0, 0, 0], y=[1, 4, 2, 5, 3, 3])
    for covariates in (["x"], ["x", "y"], ["y", "x"]):
        model = fit(outcomes, covariates)
        assert not model.converged
        for column in model.coefficients.columns[1:]:
            assert model.coefficients[column].null_count() == len(covariates)
        assert "x goes to infinity (separation). fit_firth" in model.note
        assert model.tests["test"].to_list() == ["likelihood ratio"]
    # The limit of the likelihood is 1 / (3 * 2 * 1), without x it is 1 / (6 * 5 * 4).
    assert fit(outcomes, ["x"]).log_likelihood == pytest.approx((-math.log(120), -math.log(6)))
    assert fit(outcomes, ["y"]).converged
    with pytest.raises(UsageError, match="fit_firth"):
        estimate_concordance(outcomes, **SPLIT)


def test_a_combination_that_separates_is_found(make_outcomes):
    # Whoever fails has the largest x + y at risk each time, though neither x nor y alone does it.
    x, y = [6, 0, 4, 0, 2, 0], [0, 5, 0, 3, 0, 1]
    model = fit(make_outcomes([1, 2, 3, 4, 5, 6], "EEEEEE", x=x, y=y), ["x", "y"])
    assert numbers(model) == [None, None]
    assert "x, y goes to infinity" in model.note


def test_a_strong_effect_is_not_taken_for_an_infinite_one(make_outcomes):
    x = [1] * 39 + [0] + [0] * 40
    model = fit(make_outcomes(list(range(80)), "E" * 80, x=[*x[:38], 0, 1, *x[40:]]), ["x"])
    assert model.converged
    assert numbers(model, "ratio")[0] > 50


def test_who_leaves_before_the_first_event_tells_nothing(make_outcomes):
    outcomes = make_outcomes([1, 2, 3, 4], "CEEE", x=[1, 0, 0, 0], y=[3, 1, 3, 2])
    model = fit(outcomes, ["x", "y"])
    assert numbers(model) == [None, None]
    assert "x does not vary" in model.note


def test_no_events_and_one_event(make_outcomes):
    none = fit(make_outcomes([1, 2, 3], "CCC", x=[1, 0, 1]), ["x"])
    assert (none.events, numbers(none), none.note) == (0, [None], "no events")
    one = fit(make_outcomes([1, 2, 3], "CEC", x=[1, 2, 3]), ["x"])
    assert numbers(one) == [None]
    # Among x = 1, 2, 3 the one with 2 fails: the score 2 - (r + 2r^2 + 3r^3) / (...) is 0 at r = 1.
    middle = fit(make_outcomes([1, 2, 3], "ECC", x=[2, 1, 3]), ["x"])
    assert numbers(middle) == pytest.approx([0], abs=1e-12)


@pytest.mark.parametrize("word", ["event", "censored"])
def test_an_arm_with_one_participant(make_outcomes, word):
    mark = "E" if word == "event" else "C"
    outcomes = make_outcomes([1, 2, 3, 4], f"EE{mark}E", arm=["a", "a", "b", "a"])
    model = fit(outcomes, ["arm"])
    if word == "event":
        assert numbers(model)[0] is not None
    else:
        assert numbers(model) == [None]
        assert "arm: b against a goes to infinity" in model.note


@pytest.mark.parametrize(
    ("columns", "more", "message"),
    [
        ({"x": [1, 1, 1, 1]}, {}, "x does not vary: leave it out"),
        ({"x": ["a"] * 4}, {}, "x does not vary"),
        ({"x": [1, 2, 3, None]}, {}, r"x in 1 of 4 rows.*leave out"),
        ({"x": [1.0, 2.0, 3.0, math.nan]}, {}, r"x in 1 of 4 rows"),
        ({"x": [1.0, 2.0, 3.0, math.inf]}, {}, "x is infinite in 1 rows"),
        ({"x": [[1], [2], [3], [4]]}, {}, "numbers, truth values or text"),
        ({"x": [1, 2, 3, 4], "s": [1, 1, 2, None]}, {"strata": ["s"]}, "s is missing in 1 rows"),
        ({"x": [1, 1, 2, 2]}, {"strata": ["x"]}, "a covariate and a stratum"),
        ({"x": [1, 1, 2, 2], "s": [1, 1, 2, 2]}, {"strata": ["s"]}, "within any stratum"),
        ({"x": [1, 2, 3, 4]}, {"strata": "x"}, "strata are a list of columns"),
        ({"x": [1, 2, 3, 4]}, {"cluster": "site"}, "'site', which is not there"),
        ({"x": [1, 2, 3, 4], "s": [1] * 4}, {"cluster": "s"}, "all rows are in one cluster of s"),
        ({"x": [1, 2, 3, 4]}, {"ties": "exakt"}, "efron, breslow, exact"),
        ({"x": [1, 2, 3, 4]}, {"ties": "exact", "cluster": "x"}, "no robust variance"),
        ({"x": [1, 2, 3, 4]}, {"confidence": 95}, "0.95"),
        ({"x": list("abca")}, {"references": {"x": "d"}}, "none of its values: a, b, c"),
        ({"z": [1, 2, 3, 4]}, {}, "no column x"),
    ],
)
def test_what_is_refused(make_outcomes, columns, more, message):
    outcomes = make_outcomes([1, 2, 3, 4], "EECE", **columns)
    with pytest.raises(UsageError, match=message):
        fit_cox(outcomes, **{**SPLIT, **more})


def test_covariates_that_determine_one_another(make_outcomes):
    outcomes = make_outcomes([1, 2, 3, 4], "EECE", x=[1, 2, 3, 5], y=[3, 5, 7, 11])
    with pytest.raises(UsageError, match="y is determined by x"):
        fit(outcomes, ["x", "y"])
    with pytest.raises(UsageError, match="no covariates"):
        fit(outcomes, [])
    with pytest.raises(UsageError, match="a list of columns"):
        fit(outcomes, "x")
    with pytest.raises(UsageError, match="no participants"):
        fit(make_outcomes([], "", x=[]), ["x"])


def test_missing_covariates_left_out_are_counted(make_outcomes):
    full = make_outcomes([1, 2, 4, 5, 6], "EECEE", x=[1, 0, 1, 1, 0])
    gaps = make_outcomes([1, 2, 3, 4, 5, 6], "EEECEE", x=[1, 0, None, 1, 1, 0])
    model = fit(gaps, ["x"], missing="leave out")
    assert numbers(model) == numbers(fit(full, ["x"]))
    assert model.note == "1 of 6 rows left out: a covariate is missing"
    assert model.n == 5


def test_splitting_a_time_changes_nothing(make_outcomes):
    whole = make_outcomes(sixteen.DAYS, sixteen.ANY, **sixteen.COLUMNS)
    frame = whole.frame.with_columns(start=pl.lit(0.0), stop=pl.col("day")).drop("day")
    cut = 4.5
    late = pl.col("stop") > cut
    first = frame.with_columns(
        stop=pl.when(late).then(cut).otherwise("stop"),
        status=pl.when(late).then(pl.lit("censored")).otherwise("status"),
    )
    second = frame.filter(late).with_columns(start=pl.lit(cut))
    periods = CountingProcess(pl.concat([first, second]))
    for ties in ("efron", "breslow", "exact"):
        model = fit(periods, ["x", "y"], ties)
        assert numbers(model) == pytest.approx(numbers(fit(whole, ["x", "y"], ties)), abs=1e-9)
    assert model.note == "26 periods of 16 participants"
    assert model.n == 16


def test_several_events_without_a_cluster_are_told():
    process = CountingProcess(
        pl.DataFrame(
            {
                "participant_id": list("aabbc"),
                "start": [0, 3, 0, 4, 0],
                "stop": [3, 7, 4, 9, 8],
                "status": ["event", "event", "event", "censored", "event"],
                "x": [1, 1, 0, 0, 0],
            }
        )
    )
    assert "1 participants have several events" in fit(process, ["x"]).note
    robust = fit(process, ["x"], cluster="participant_id")
    assert "several" not in robust.note
    assert robust.variance == "robust (sandwich)"


@pytest.mark.by_hand
def test_concordance_counts_pairs(make_outcomes):
    # Known pairs: (1,2), (1,3), (1,4), (2,3), (2,4), (3,4); x falls but for the last two.
    model = estimate_concordance(
        make_outcomes([1, 2, 3, 4], "EEEE", x=[4, 3, 1, 2]),
        covariates=["x"],
        ties="efron",
        confidence=0.95,
    )
    assert model.value == pytest.approx(5 / 6)
    assert model.high == 1.0


def test_without_a_pair_of_known_order_there_is_no_concordance(make_outcomes):
    outcomes = make_outcomes([1] * 4, "EEEE", x=[0, 1, 2, 0])
    model = estimate_concordance(outcomes, **SPLIT)
    assert (model.value, model.standard_error, model.low, model.high) == (None,) * 4
    assert model.note == "no pair of known order"


def test_the_check_refuses_what_it_cannot(make_outcomes):
    outcomes = make_outcomes([0, 2, 3, 4], "EECE", x=[2, 1, 4, 3])
    check = {"covariates": ["x"], "ties": "efron", "transform": "km"}
    assert check_proportional_hazards(outcomes, **check).height == 2
    for change, message in (
        ({"transform": "cube"}, "km, rank, identity, log"),
        ({"ties": "exact"}, "exact ties"),
        ({"transform": "log"}, "no logarithm"),
    ):
        with pytest.raises(UsageError, match=message):
            check_proportional_hazards(outcomes, **{**check, **change})
    with pytest.raises(UsageError, match="no events"):
        check_proportional_hazards(make_outcomes([1, 2], "CC", x=[1, 2]), **check)


@settings(max_examples=30, deadline=None)
@given(st.permutations(range(16)), st.sampled_from(["efron", "breslow", "exact"]))
def test_order_and_relabelling_change_nothing(order, ties):
    words = {"E": "event", "C": "censored"}
    frame = pl.DataFrame(
        {
            "participant_id": [str(i) for i in range(16)],
            "day": sixteen.DAYS,
            "status": [words[mark] for mark in sixteen.ANY],
            **sixteen.COLUMNS,
        }
    )
    model = fit(TimeToEvent(frame), ["y", "h"], ties)
    renamed = {"a": "z", "b": "q", "c": "m"}
    shuffled = frame[list(order)].with_columns(pl.col("h").replace(renamed))
    again = fit(TimeToEvent(shuffled), ["y", "h"], ties, references={"h": "z"})
    assert again.log_likelihood == pytest.approx(model.log_likelihood, abs=1e-9)
    assert numbers(again)[0] == pytest.approx(numbers(model)[0], abs=1e-8)
    assert sorted(numbers(again)) == pytest.approx(sorted(numbers(model)), abs=1e-8)
