"""Results made by hand: one of every kind that a report can show."""

import numpy as np
import polars as pl

from stromal.analysis.estimate import Comparison, Contrast, Curve, Estimate, estimate_at
from stromal.analysis.models import ModelFit, tabulate_coefficients
from stromal.analysis.results import (
    Adjusted,
    Attribute,
    Computed,
    Group,
    Result,
    Results,
    Shown,
    Subgroup,
    Withheld,
)

NOBODY = pl.DataFrame(schema={"participant_id": pl.String, "reason": pl.String})


def estimate(value, low=None, high=None, *, method="proportion", error=None, **more):
    given = {"interval": "Clopper-Pearson", "confidence": 0.95, "n": 20, "events": 8} | more
    return Estimate(method=method, value=value, standard_error=error, low=low, high=high, **given)


def result(name, kind, **more):
    given = {
        "label": name.replace("_", " ").capitalize(), "role": "secondary", "endpoint": "",
        "endpoint_label": "", "definition": "", "sources": (), "set": "everyone",
        "set_label": "All randomised", "groups": (), "comparisons": (), "excluded": NOBODY,
    } | more  # fmt: skip
    return Result(id=name, kind=kind, **given)


def curve(method, days, values, *, variance, interval):
    frame = pl.DataFrame({
        "day": [float(day) for day in days],
        "at_risk": list(range(20, 20 - len(days), -1)),
        "events": [1] * len(days),
        "competing": [0] * len(days),
        "censored": [0] * len(days),
        "event_free": [0.8] * len(days),
        "estimate": values,
        "standard_error": [0.1 * abs(value) for value in values],
        "low": [0.8 * value for value in values],
        "high": [1.2 * value for value in values],
    })  # fmt: skip
    return Curve(method, variance, interval, 0.95, 20, len(days), frame, float(days[-1]))


def fitted(**more):
    coefficient, error = np.array([np.log(0.5), np.log(1.25), np.nan]), np.array([0.3, 0.2, np.nan])
    given = {
        "method": "cause-specific Cox model", "scale": "hazard ratio", "ties": "efron",
        "variance": "model-based", "n": 40, "events": 17, "confidence": 0.95,
        "tests": pl.DataFrame({"test": ["likelihood ratio test"], "statistic": [6.5], "df": [2],
                               "p_value": [0.0388]}),
    } | more  # fmt: skip
    frame = tabulate_coefficients(
        ("arm: msc", "age", "sex: male"), coefficient, error, confidence=0.95,
        logarithms=given["scale"] != "difference",
    )  # fmt: skip
    return ModelFit(coefficients=frame, covariance=np.diag(error**2), **given)


def difference(value, low, high, **more):
    number = estimate(value, low, high, interval="Newcombe", events=None)
    return Contrast("difference of proportions", "MSC", "Control", number, **more)


def proportion():
    whole = (
        Group("msc", "MSC", 20, {"CR": 12, "NR": 8}, (estimate(0.6, 0.36, 0.81, events=12),)),
        Group("control", "Control", 20, {"CR": 8, "NR": 12}, (estimate(0.4, 0.19, 0.64),)),
    )
    return result(
        "platelet_response", "proportion", role="primary", groups=whole,
        contrasts=(difference(0.2, -0.1, 0.46),),
        estimand=(
            Attribute("Population", "All randomised"),
            Attribute("Treatment", "MSC against none"),
            Attribute("Intercurrent event: relapse", "composite: it is itself an event"),
        ),
        subgroups=(
            Subgroup("sex", "female", Computed(whole, contrasts=(difference(0.3, -0.1, 0.6),))),
            Subgroup("sex", "male", Computed(whole, contrasts=(difference(0.1, None, 0.5),))),
            Subgroup("age_group", "over 40", Computed(note="one arm only")),
        ),
        tables=(
            Shown("Every result of those without one", pl.DataFrame({
                "msc": [0, 1], "control": [0, 0], "p_value": [0.34, 0.0004],
            }), "The test tips with 1 more response.", "tipping point"),
        ),
        comparisons=(
            Comparison("Fisher's exact test", None, None, 0.3431, pl.DataFrame(), "two-sided"),
        ),
    )  # fmt: skip


def posterior():
    found = estimate(
        0.55, 0.33, 0.77, method="beta-binomial", interval="equal-tailed",
        note="prior beta(1, 1); P(proportion > 0.3) = 0.97",
    )  # fmt: skip
    group = Group("all", "All", 9, {"CR": 5, "NR": 4}, (estimate(5 / 9, 0.21, 0.86, n=9),),
                  posterior=found)  # fmt: skip
    return result("response_with_a_prior", "proportion", groups=(group,))


def restricted_mean():
    def mean(value, low, high):
        return estimate(value, low, high, method="restricted mean survival time", error=12.3,
                        interval="plain", variance="Greenwood", day=365.0)  # fmt: skip

    contrasts = [
        Contrast(f"{kind} of restricted means", "MSC", "Control",
                 estimate(value, low, high, method="restricted mean survival time", day=365.0,
                          interval=interval, variance="Greenwood"), 0.021,
                 "Wald test of restricted means")
        for kind, value, low, high, interval in (
            ("difference", 41.25, 6.2, 76.3, "plain"), ("ratio", 1.171, 1.02, 1.34, "log"))
    ]  # fmt: skip
    return result(
        "months_alive", "restricted mean",
        groups=(Group("msc", "MSC", 20, {}, mean=mean(282.5, 258.4, 306.6)),
                Group("control", "Control", 20, {}, mean=mean(241.25, 217.1, 265.4))),
        contrasts=tuple(contrasts),
    )  # fmt: skip


def hazards():
    return result(
        "death_by_arm", "hazards", models=(fitted(),),
        groups=(Group("msc", "MSC", 20, {}), Group("control", "Control", 20, {})),
        tables=(Shown("Are hazards proportional?", pl.DataFrame({
            "term": ["arm: msc"], "chi_square": [0.41], "df": [1], "p_value": [0.522]}),
            "A small p speaks against one ratio for the whole time."),),
    )  # fmt: skip


def mean_events():
    drawn = curve("Ghosh-Lin mean number of events", [5, 20, 60, 90], [0.2, 0.9, 1.6, 2.4],
                  variance="infinitesimal jackknife", interval="log")  # fmt: skip
    other = curve("Ghosh-Lin mean number of events", [9, 30, 55, 100], [0.4, 1.1, 2.2, 3.1],
                  variance="infinitesimal jackknife", interval="log")  # fmt: skip
    number = estimate(-0.8, -1.9, 0.3, method="Ghosh-Lin mean number of events", interval="plain",
                      day=60.0, error=0.56)  # fmt: skip
    return result(
        "infections", "mean events",
        groups=(Group("msc", "MSC", 20, {}, estimate_at(drawn, (60.0,)), drawn),
                Group("control", "Control", 20, {}, estimate_at(other, (60.0,)), other)),
        contrasts=(Contrast("difference of mean numbers of events", "MSC", "Control", number, 0.15,
                            "Wald test of mean numbers of events"),),
        models=(fitted(method="negative binomial rates", scale="rate ratio", ties=""),),
    )  # fmt: skip


def occupation():
    drawn = curve("state occupation", [0, 10, 40, 90], [1.0, 0.7, 0.3, 0.45],
                  variance="infinitesimal jackknife", interval="plain")  # fmt: skip
    mean = estimate(41.5, 30, 53, method="state occupation", interval="plain", day=90.0)
    return result(
        "in_response", "state occupation",
        groups=(Group("all", "All", 20, {}, estimate_at(drawn, (40.0, 90.0)), drawn, mean=mean),),
    )  # fmt: skip


def withheld():
    return result(
        "relapse_under_treatment_policy", "survival",
        estimand=(Attribute("Population", "All randomised"),),
        withheld=(Withheld("estimand", "observation of all 3 participants who had it ends"),),
    )  # fmt: skip


def all_results():
    """One result of every kind, with two tests that share an error rate."""
    found = (proportion(), posterior(), restricted_mean(), hazards(), mean_events(), occupation(),
             withheld())  # fmt: skip
    return Results(
        "demo", "0" * 64, "teaching", found,
        multiplicity=(
            Adjusted("Platelet response", "Fisher's exact test", 0.0123, 0.0246, True),
            Adjusted("Death by arm", "log-rank test", None, None, False),
        ),
        joined="Holm's method, two-sided alpha 0.05",
    )  # fmt: skip
