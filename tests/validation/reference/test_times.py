"""Times to an event against R 4.2.2 (survival 3.5-3, cmprsk 2.2-11, etm 1.1.1)."""

import re

import numpy as np
import polars as pl
import pytest

from stromal.analysis import (
    compare_incidence,
    compare_survival,
    count_at_risk,
    estimate_at,
    estimate_incidence,
    estimate_quantile,
    estimate_survival,
    split_outcomes,
)
from stromal.analysis.ordered import group_times
from stromal.analysis.score_kernels import score_logrank
from stromal.endpoints.outcome import TimeToEvent

pytestmark = pytest.mark.reference

SURVIVAL_NAMES = {"arcsin": "arcsine"}
INCIDENCE_NAMES = {"plain": "linear"}
CLOSE = 1e-12


def cases(reference_json, kind):
    return [c for c in reference_json("survival.json")["cases"] if c["kind"] == kind]


def outcomes_of(data, time, status, columns=(), cause=1):
    """Make outcomes of a data set's time and status columns, `cause` being the event."""
    word = (
        pl.when(pl.col(status) == 0)
        .then(pl.lit("censored"))
        .when(pl.col(status) == cause)
        .then(pl.lit("event"))
        .otherwise(pl.lit("competing"))
    )
    return TimeToEvent(
        data.select(
            pl.int_range(pl.len()).cast(pl.String).alias("participant_id"),
            pl.col(time).alias("day"),
            word.alias("status"),
            *columns,
        )
    )


def by_group(data, spec, cause=1):
    """Give outcomes by R's name of the stratum."""
    group = spec["group"]
    if group in {"1", None}:
        return {"all": outcomes_of(data, spec["time"], spec["status"], cause=cause)}
    both = outcomes_of(data, spec["time"], spec["status"], [group], cause)
    parts = split_outcomes(both, by=group)
    return {f"{group}={label}": part for label, part in parts.items()}


def agree(found, expected, tolerance=CLOSE):
    found = np.array([np.nan if x is None else x for x in found], dtype=float)
    expected = np.array([np.nan if x is None else x for x in expected], dtype=float)
    np.testing.assert_allclose(found, expected, rtol=tolerance, atol=tolerance)


def test_kaplan_meier_on_given_days(reference_json, reference_data):
    found = cases(reference_json, "km")
    assert len(found) == 22
    for case in found:
        spec, values = case["spec"], case["values"]
        interval = SURVIVAL_NAMES.get(spec["conf_type"], spec["conf_type"])
        for name, outcomes in by_group(reference_data(case["dataset"]), spec).items():
            rows = [i for i, stratum in enumerate(values["strata"]) if stratum == name]
            assert rows
            curve = estimate_survival(outcomes, interval=interval, confidence=spec["conf_level"])
            days = tuple(values["time"][i] for i in rows)
            estimates = estimate_at(curve, days)
            for column, attribute in (
                ("surv", "value"),
                ("std_err_surv", "standard_error"),
                ("lower", "low"),
                ("upper", "high"),
            ):
                agree([getattr(e, attribute) for e in estimates], [values[column][i] for i in rows])
            assert [e.at_risk for e in estimates] == [values["n_risk"][i] for i in rows]
            assert list(count_at_risk(curve, days)) == [values["n_risk"][i] for i in rows]


def test_quantiles_and_their_limits(reference_json, reference_data):
    for case in cases(reference_json, "km"):
        spec, values = case["spec"], case["values"]
        interval = SURVIVAL_NAMES.get(spec["conf_type"], spec["conf_type"])
        groups = by_group(reference_data(case["dataset"]), spec)
        for i, outcomes in enumerate(groups.values()):
            curve = estimate_survival(outcomes, interval=interval, confidence=0.95)
            found = [estimate_quantile(curve, p) for p in spec["probs"]]
            agree([e.value for e in found], values["quantile"][i])
            agree([e.low for e in found], values["quantile_lower"][i])
            agree([e.high for e in found], values["quantile_upper"][i])


def test_kaplan_meier_whole_curve(reference_json, reference_data):
    (case,) = cases(reference_json, "km_full")
    spec, values = case["spec"], case["values"]
    outcomes = outcomes_of(reference_data(case["dataset"]), spec["time"], spec["status"])
    frame = estimate_survival(outcomes, interval=spec["conf_type"], confidence=0.95).frame
    for column, theirs in (
        ("day", "time"),
        ("at_risk", "n_risk"),
        ("events", "n_event"),
        ("censored", "n_censor"),
        ("estimate", "surv"),
        ("low", "lower"),
        ("high", "upper"),
    ):
        agree(frame[column].to_list(), values[theirs])
    agree((frame["standard_error"] / frame["estimate"]).to_list(), values["std_err_log"])


def test_logrank_plain_and_stratified(reference_json, reference_data):
    found = [c for c in cases(reference_json, "logrank") if c["spec"]["rho"] == 0]
    assert len(found) == 7
    for case in found:
        time, status, by, stratum = re.fullmatch(
            r"Surv\((\w+),(\w+)\) ~ (\w+)(?: \+ strata\((\w+)\))?", case["spec"]["formula"]
        ).groups()
        strata = (stratum,) if stratum else ()
        data = reference_data(case["dataset"])
        outcomes = outcomes_of(data, time, status, [by, *strata])
        result = compare_survival(outcomes, by=by, strata=strata)
        values = case["values"]
        agree([result.statistic, result.p_value], [values["chisq"], values["p"]], 1e-11)
        assert result.df == values["df"]
        order = np.arange(len(values["observed"]))
        if by == "celltype":  # R keeps the order of the factor, here it is the alphabet's
            factor = ["squamous", "smallcell", "adeno", "large"]
            order = [factor.index(label) for label in result.groups["group"]]
        agree(result.groups["events"].to_list(), np.array(values["observed"])[order])
        agree(result.groups["expected"].to_list(), np.array(values["expected"])[order])
        g = group_times(outcomes, by=by, strata=strata)
        scores = score_logrank(g.day, g.status, g.group, g.starts, len(g.labels))
        agree(
            scores[2].sum(axis=0).ravel(),
            np.array(values["var"])[np.ix_(order, order)].ravel(),
            1e-11,
        )


def test_logrank_of_nine_participants(reference_json, reference_data):
    (case,) = [c for c in cases(reference_json, "exact_logrank") if c["dataset"] == "small9"]
    outcomes = outcomes_of(reference_data("small9"), "time", "status", ["g"])
    agree([compare_survival(outcomes, by="g").statistic], [case["values"]["chisq_survdiff"]])


def test_logrank_after_a_landmark(reference_json, reference_data):
    (case,) = cases(reference_json, "landmark")
    data = reference_data(case["dataset"]).filter(pl.col("t2") > 100)
    data = data.with_columns(
        pl.col("t2") - 100, ((pl.col("da") == 1) & (pl.col("ta") <= 100)).alias("gvhd")
    )
    assert (len(data), data["gvhd"].sum()) == (case["values"]["n"], case["values"]["n_gvhd"])
    result = compare_survival(outcomes_of(data, "t2", "d3", ["gvhd"]), by="gvhd")
    agree([result.statistic], [case["values"]["logrank_chisq"]], 1e-11)


def test_incidence_with_cmprsk_variance(reference_json, reference_data):
    found = cases(reference_json, "cuminc")
    assert len(found) == 5
    for case in found:
        spec, values = case["spec"], case["values"]
        data = reference_data(case["dataset"])
        curves = [
            estimate_incidence(part, variance="cmprsk", interval="linear", confidence=0.95)
            for cause in (1, 2)
            for part in by_group(data, spec, cause).values()
        ]
        assert len(curves) == len(values["curves"])
        for curve, estimates, variances in zip(curves, values["est"], values["var"], strict=True):
            ours = estimate_at(curve, tuple(values["times"]))
            agree([e.value for e in ours], estimates)
            agree([e.standard_error**2 for e in ours], variances)


def test_gray_plain_and_stratified(reference_json, reference_data):
    found = [c for c in cases(reference_json, "cuminc") if c["spec"]["group"]]
    found = [c for c in found if c["spec"]["rho"] == 0]
    assert len(found) == 3
    for case in found:
        spec, gray = case["spec"], case["values"]["gray"]
        strata = (spec["strata"],) if spec["strata"] else ()
        columns = [spec["group"], *strata]
        data = reference_data(case["dataset"])
        outcomes = outcomes_of(data, spec["time"], spec["status"], columns)
        for i, of in enumerate(("event", "competing")):
            result = compare_incidence(outcomes, of=of, by=spec["group"], strata=strata)
            agree([result.statistic, result.p_value], [gray["chisq"][i], gray["p"][i]], 1e-11)
            assert result.df == gray["df"][i]


def test_incidence_with_greenwood_variance_as_survfit(reference_json, reference_data):
    found = cases(reference_json, "aj_survfit")
    assert len(found) == 4
    for case in found:
        spec, values = case["spec"], case["values"]
        interval = INCIDENCE_NAMES.get(spec["conf_type"], spec["conf_type"])
        for name, outcomes in by_group(reference_data(case["dataset"]), spec).items():
            rows = [i for i, stratum in enumerate(values["strata"]) if stratum == name]
            days = tuple(values["time"][i] for i in rows)
            for state, of in ((1, "event"), (2, "competing")):
                curve = estimate_incidence(
                    outcomes, variance="greenwood", interval=interval, confidence=0.95, of=of
                )
                ours = estimate_at(curve, days)
                for attribute, theirs in (
                    ("value", "pstate"),
                    ("standard_error", "std_err"),
                    ("low", "lower"),
                    ("high", "upper"),
                ):
                    expected = [values[theirs][i][state] for i in rows]
                    agree([getattr(e, attribute) for e in ours], expected)
                assert [e.at_risk for e in ours] == [values["n_risk"][i][0] for i in rows]
            free = curve.frame.filter(pl.col("day") <= days[-1])["event_free"][-1]
            agree([free], [values["pstate"][rows[-1]][0]])


def test_incidence_with_greenwood_variance_as_etm(reference_json, reference_data):
    found = cases(reference_json, "cif_etm")
    assert len(found) == 2
    for case in found:
        spec, values = case["spec"], case["values"]
        data = reference_data(case["dataset"])
        curve = estimate_incidence(
            outcomes_of(data, spec["time"], spec["status"], cause=spec["cause"]),
            variance="greenwood",
            interval="complementary log-log",
            confidence=0.95,
        )
        ours = estimate_at(curve, tuple(values["times"]))
        agree([e.value for e in ours], values["est"])
        agree([e.standard_error**2 for e in ours], values["var"])
        agree([e.low for e in ours], values["lower"])
        agree([e.high for e in ours], values["upper"])
