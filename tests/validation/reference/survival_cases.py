"""Each kind of reference case as calls of `stromal.analysis`, under the case's own names.

A function takes the case and its data set; of the case's values it reads only what the case asks
for (days, strata, names of terms), never what it answers.
"""

import math
import re

import numpy as np
import polars as pl
from scipy.optimize import linear_sum_assignment

from stromal.analysis import (
    compare_counts,
    compare_incidence,
    compare_survival,
    count_at_risk,
    estimate_at,
    estimate_incidence,
    estimate_quantile,
    estimate_survival,
    split_outcomes,
)
from stromal.analysis.cumulative_hazard import estimate_cumulative_hazard
from stromal.analysis.fixed_time import compare_at_day
from stromal.analysis.logrank import score_weighted_logrank
from stromal.analysis.max_combo import compare_max_combo, score_weighted_survival
from stromal.analysis.permutation import count_arrangements, permute_survival
from stromal.analysis.pseudo_values import estimate_pseudo_values, fit_pseudo_values
from stromal.analysis.restricted_mean import compare_restricted_means, estimate_restricted_mean
from stromal.analysis.stratified_counts import (
    compare_stratified_counts,
    estimate_common_odds_ratio,
    estimate_odds_ratio,
)
from validation.reference.survival_model_cases import MODELS, SURVIVAL_NAMES, in_order_of
from validation.reference.survival_specs import (
    add_weights,
    columns_of,
    outcomes_of,
    plain,
    read_formula,
)

INCIDENCE_NAMES = {"plain": "linear"}


def by_stratum(outcomes, group):
    """Give outcomes by the name that R gives the stratum."""
    if group in {None, "1"}:
        return {"all": outcomes}
    parts = split_outcomes(outcomes, by=group)
    return {f"{group}={plain(label)}": part for label, part in parts.items()}


def groups_of(spec):
    """Give the column of the groups, as a list of none or one."""
    return [] if spec.get("group") in {None, "1"} else [spec["group"]]


def km(case, data):
    spec, values = case["spec"], case["values"]
    weight = None
    if spec.get("weights"):
        data, weight = add_weights(data, spec["weights"]), "w_"
    asked = {"entry": spec.get("entry"), "weight": weight, "columns": groups_of(spec)}
    outcomes = outcomes_of(data, spec["time"], spec["status"], **asked)
    found = {name: [] for name in ("n_risk", "surv", "std_err_surv", "lower", "upper")}
    found |= {name: [] for name in ("cumhaz", "std_err_cumhaz")} if weight is None else {}
    found |= {name: [] for name in ("quantile", "quantile_lower", "quantile_upper")}
    parts = by_stratum(outcomes, spec.get("group"))
    for part, rows in in_order_of(parts, values["strata"]):
        interval = SURVIVAL_NAMES.get(spec["conf_type"], spec["conf_type"])
        curve = estimate_survival(part, interval=interval, confidence=spec.get("conf_level", 0.95))
        days = tuple(values["time"][i] for i in rows)
        add_estimates(found, estimate_at(curve, days), surv="value", std_err_surv="standard_error")
        if weight is None:
            found["n_risk"] += list(count_at_risk(curve, days))
            add_hazard(found, curve, days)
        else:
            found["n_risk"] += weigh_at_risk(curve, days)
        quantiles = [estimate_quantile(curve, p) for p in spec.get("probs", ())]
        add_nested(found, quantiles, quantile="value", quantile_lower="low", quantile_upper="high")
    return {**found, "strata": values["strata"], "time": values["time"]}


def add_estimates(found, estimates, **names):
    """Add attributes of estimates under the case's names, limits always."""
    for name, attribute in {**names, "lower": "low", "upper": "high"}.items():
        found[name] += [getattr(e, attribute) for e in estimates]


def add_nested(found, estimates, **names):
    """Add attributes of a group's estimates as one row."""
    for name, attribute in names.items():
        found[name].append([getattr(e, attribute) for e in estimates])


def add_hazard(found, curve, days):
    """Add the cumulative hazard on some days."""
    hazard = estimate_cumulative_hazard(curve)
    for day in days:
        steps = hazard.filter(pl.col("day") <= day)
        found["cumhaz"].append(steps["estimate"][-1] if len(steps) else 0.0)
        found["std_err_cumhaz"].append(steps["standard_error"][-1] if len(steps) else 0.0)


def weigh_at_risk(curve, days):
    """Give the sum of the weights of those at risk just before some days."""
    there = [curve.frame.filter(pl.col("day") >= day)["weight_at_risk"] for day in days]
    return [weights[0] if len(weights) else 0.0 for weights in there]


def km_full(case, data):
    spec = case["spec"]
    outcomes = outcomes_of(data, spec["time"], spec["status"], entry=spec.get("entry"))
    curve = estimate_survival(outcomes, interval=spec["conf_type"], confidence=0.95)
    frame = curve.frame.with_columns(log=pl.col("standard_error") / pl.col("estimate"))
    names = {"time": "day", "n_risk": "at_risk", "n_event": "events", "n_censor": "censored"}
    names |= {"surv": "estimate", "std_err_log": "log", "lower": "low", "upper": "high"}
    hazard = estimate_cumulative_hazard(curve)["estimate"].to_list()
    return {**{theirs: frame[ours].to_list() for theirs, ours in names.items()}, "cumhaz": hazard}


def logrank(case, data):
    formula, values = read_formula(case["spec"]["formula"]), case["values"]
    by = formula.terms[0]
    columns = [*formula.terms, *formula.strata]
    outcomes = outcomes_of(data, formula.time, formula.status, entry=formula.start, columns=columns)
    rho = float(case["spec"].get("rho", 0))
    result = compare_survival(outcomes, by=by, strata=formula.strata, weight=(rho, 0.0))
    scores = score_weighted_logrank(outcomes, by=by, strata=formula.strata, weights=((rho, 0.0),))
    observed, expected = scores.observed[0], scores.expected[0]
    covariance = scores.covariance[0, 0]
    order = match_groups(observed, expected, values)
    return {
        "chisq": result.statistic,
        "df": result.df,
        "p": result.p_value,
        "log10p": math.log10(result.p_value),
        "observed": observed[order],
        "expected": expected[order],
        "var": covariance[np.ix_(order, order)],
    }


def match_groups(observed, expected, values):
    """Find which of our groups is which of the case's, which does not name them.

    R keeps the order of a factor's levels, which a table of text does not have.
    """
    ours = np.stack([observed, expected], axis=1)
    theirs = np.stack([values["observed"], values["expected"]], axis=1)
    away = np.abs(theirs[:, None, :] - ours[None, :, :]).sum(axis=2)
    return linear_sum_assignment(away)[1]


def fh_maxcombo(case, data):
    spec = case["spec"]
    outcomes = outcomes_of(data, spec["time"], spec["status"], columns=[spec["group"]])
    weights = tuple((float(rho), float(gamma)) for rho, gamma in spec["weights"])
    score, covariance = score_weighted_survival(outcomes, by=spec["group"], weights=weights)
    result = compare_max_combo(outcomes, by=spec["group"], weights=weights)
    error = np.sqrt(covariance.diagonal())
    score = score * turn(score[0], case["values"]["U"][0])
    return {
        "U": score,
        "V": covariance.diagonal(),
        "Z": score / error,
        "corr": covariance / np.outer(error, error),
        "max_abs_z": result.statistic,
        "p_two_sided": result.p_value,
    }


def turn(ours, theirs):
    """Give -1 where the case has the groups in the other order, which it does not say."""
    return -1 if ours * theirs < 0 else 1


def exact_logrank(case, data):
    """Permute scores and Mantel's chi-square; the sign of Z is that of the first group's sum."""
    spec, values = case["spec"], case["values"]
    by = spec["group"]
    outcomes = outcomes_of(data, spec["time"], spec["status"], columns=[by])
    linear = permute_survival(outcomes, by=by, statistic="scores")
    scores = score_participants(outcomes)
    first = (outcomes.frame[by].cast(pl.String) == linear.groups["group"][0]).to_numpy()
    z = math.copysign(math.sqrt(linear.statistic), (scores[first] - scores.mean()).sum())
    z *= turn(z, values.get("Z", values.get("Z_coin")))
    found = {
        "Z": z,
        "Z_coin": z,
        "p_exact": linear.p_value,
        "p_coin_exact": linear.p_value,
        "p_asymptotic": math.erfc(abs(z) / math.sqrt(2)),
        "scores": scores,
        "n_perm": count_arrangements((tuple(linear.groups["n"].to_list()),)),
    }
    if "p_perm_chisq" in values:
        found["p_perm_chisq"] = permute_survival(outcomes, by=by, statistic="chi-square").p_value
        found["chisq_survdiff"] = compare_survival(outcomes, by=by).statistic
    return found


def score_participants(outcomes):
    """Give each participant's cumulative hazard up to the own day, less 1 for an event."""
    curve = estimate_survival(outcomes, interval="plain", confidence=0.95)
    hazard = estimate_cumulative_hazard(curve).select("day", "estimate")
    event = (outcomes.frame["status"] == "event").cast(pl.Float64).to_numpy()
    own = outcomes.frame.select("day").join(hazard, on="day", how="left", maintain_order="left")
    return own["estimate"].to_numpy() - event


def rmst(case, data):
    spec, values = case["spec"], case["values"]
    asked = {"entry": spec.get("entry"), "columns": [spec["group"]]}
    outcomes = outcomes_of(data, spec["time"], spec["status"], **asked)
    asked = {"until": spec["tau"], "confidence": 0.95}
    parts = by_stratum(outcomes, spec["group"])
    means = [estimate_restricted_mean(parts[name], **asked) for name in values["groups"]]
    first = values["groups"][0].split("=", 1)[1]
    labels = {plain(label): label for label in split_outcomes(outcomes, by=spec["group"])}
    difference, ratio = compare_restricted_means(
        outcomes, by=spec["group"], reference=labels[first], **asked
    )[:2]
    if ratio.estimate.value is None:
        raise AssertionError(f"no restricted mean: {ratio.estimate.note}")
    return {
        "groups": values["groups"],
        "rmst": [e.value for e in means],
        "se": [e.standard_error for e in means],
        "diff_2_minus_1": difference.estimate.value,
        "se_diff": difference.estimate.standard_error,
        "ci_diff": [difference.estimate.low, difference.estimate.high],
        "p_diff": difference.p_value,
        "log_ratio": math.log(ratio.estimate.value),
        "se_log_ratio": ratio.estimate.standard_error,
    }


def fixed_time_test(case, data):
    spec = case["spec"]
    outcomes = outcomes_of(data, spec["time"], spec["status"], columns=[spec["group"]])
    scales = {"naive": "plain", "log": "log", "cloglog": "log-log"}
    scales |= {"arcsin": "arcsine", "logit": "logit"}
    results = {
        theirs: compare_at_day(outcomes, by=spec["group"], day=spec["t0"], scale=ours)
        for theirs, ours in scales.items()
    }
    groups = results["naive"].groups
    away = np.abs(np.subtract.outer(case["values"]["surv"], groups["survival"].to_numpy()))
    groups = groups[linear_sum_assignment(away)[1].tolist()]
    return {
        "surv": groups["survival"].to_list(),
        "se": groups["standard_error"].to_list(),
        **{f"chisq_{name}": result.statistic for name, result in results.items()},
    }


def cuminc(case, data):
    spec, values = case["spec"], case["values"]
    columns = [*groups_of(spec), *([spec["strata"]] if spec.get("strata") else [])]
    times, found = tuple(values["times"]), {"est": [], "var": []}
    for curve in values["curves"]:
        label, cause = curve.rsplit(" ", 1)
        parts = by_stratum(caused(data, spec, int(cause), columns), spec.get("group"))
        part = parts["all"] if "all" in parts else parts[f"{spec['group']}={label}"]
        ours = estimate_incidence(part, variance="cmprsk", interval="linear", confidence=0.95)
        estimates = estimate_at(ours, times)
        found["est"].append([e.value for e in estimates])
        found["var"].append([squared(e.standard_error) for e in estimates])
    found |= {"curves": values["curves"], "times": values["times"]}
    if "gray" in values:
        found["gray"] = gray(spec, data, columns, values["gray"]["cause"])
    return found


def caused(data, spec, cause, columns=()):
    """Make outcomes with one cause as the event and all others competing."""
    asked = {"cause": cause, "entry": spec.get("entry"), "columns": columns}
    return outcomes_of(data, spec["time"], spec["status"], **asked)


def squared(error):
    return None if error is None else error**2


def gray(spec, data, columns, causes):
    """Give Gray's test of each cause."""
    strata = (spec["strata"],) if spec.get("strata") else ()
    results = [
        compare_incidence(
            caused(data, spec, int(cause), columns),
            of="event",
            by=spec["group"],
            strata=strata,
            rho=float(spec.get("rho", 0)),
        )
        for cause in causes
    ]
    return {
        "cause": causes,
        "chisq": [r.statistic for r in results],
        "p": [r.p_value for r in results],
        "df": [r.df for r in results],
    }


def aj_survfit(case, data):
    spec, values = case["spec"], case["values"]
    found = {name: [] for name in ("n_risk", "pstate", "std_err", "lower", "upper")}
    causes = [int(state) for state in values["states"] if state != "(s0)"]
    columns = groups_of(spec)
    parts = {c: by_stratum(caused(data, spec, c, columns), spec.get("group")) for c in causes}
    for stratum, rows in in_order_of({name: name for name in values["strata"]}, values["strata"]):
        days = tuple(values["time"][i] for i in rows)
        states = [survive_any(parts[causes[0]][stratum], spec, days)]
        for cause in causes:
            curve = estimate_incidence(
                parts[cause][stratum],
                variance="infinitesimal jackknife" if spec.get("entry") else "greenwood",
                interval=INCIDENCE_NAMES.get(spec["conf_type"], spec["conf_type"]),
                confidence=spec.get("conf_level", 0.95),
            )
            states.append(estimate_at(curve, days))
        for row in zip(*states, strict=True):
            found["n_risk"].append([row[0].at_risk, *(0 for _ in causes)])  # nobody leaves a cause
            for name, attribute in (("pstate", "value"), ("std_err", "standard_error")):
                found[name].append([getattr(e, attribute) for e in row])
            found["lower"].append([e.low for e in row])
            found["upper"].append([e.high for e in row])
    return {**found, **{name: values[name] for name in ("strata", "states", "time")}}


def survive_any(outcomes, spec, days):
    """Give the probability that nothing has happened, on some days."""
    frame = outcomes.frame.with_columns(pl.col("status").replace("competing", "event"))
    if spec.get("entry"):  # weights of 1 ask for the infinitesimal jackknife
        frame = frame.with_columns(case_weight=pl.lit(1.0))
    interval = SURVIVAL_NAMES.get(spec["conf_type"], spec["conf_type"])
    curve = estimate_survival(
        type(outcomes)(frame), interval=interval, confidence=spec.get("conf_level", 0.95)
    )
    return estimate_at(curve, days)


def cif_etm(case, data):
    spec, times = case["spec"], case["values"]["times"]
    curve = estimate_incidence(
        caused(data, spec, spec["cause"]),
        variance="greenwood",
        interval="complementary log-log",
        confidence=0.95,
    )
    estimates = estimate_at(curve, tuple(times))
    return {
        "times": times,
        "est": [e.value for e in estimates],
        "var": [squared(e.standard_error) for e in estimates],
        "lower": [e.low for e in estimates],
        "upper": [e.high for e in estimates],
    }


def pseudo(case, data):
    spec = case["spec"]
    outcomes = outcomes_of(data, spec["time"], spec["status"], cause=spec.get("cause"))
    frame = estimate_pseudo_values(
        outcomes,
        days=tuple(spec["times"]),
        of="event" if "cause" in spec else "survival",
        method="jackknife" if "jackknife(" in case["r_call"] else "infinitesimal jackknife",
    )
    return {"pseudo": frame["pseudo_value"].to_numpy().reshape(-1, len(spec["times"]))}


def pseudo_gee(case, data):
    spec, columns = case["spec"], columns_of(case)
    call = re.search(r"geeglm\((1-)?\w+\([^)]*\)\s*~\s*([^,]*),\s*(\w+) link", case["r_call"])
    covariates = tuple(name.strip() for name in call[2].split("+"))
    outcomes = outcomes_of(data, columns["time"], columns["status"], columns=covariates)
    fit = fit_pseudo_values(
        outcomes,
        days=(spec["t0"],),
        of="event" if call[1] else "survival",
        method="jackknife",
        covariates=covariates,
        link={"cloglog": "log-log"}.get(call[3], call[3]),
        confidence=0.95,
    )
    rows = fit.coefficients
    return {"coef": rows["coefficient"].to_list(), "se": rows["standard_error"].to_list()}


def tables(case, data):
    """Read the two tables of the call: one written out, filled by column, and one of columns."""
    written = re.search(r"matrix\(c\(([^)]*)\)", case["r_call"])
    a, b, c, d = (int(number) for number in written[1].split(","))
    counts = {"1": (a, c), "2": (b, d)}
    row, column, stratum = re.search(r"table\(([^)]*)\)", case["r_call"])[1].split(",")
    kept = data.select(row, column, stratum).drop_nulls()
    levels = {name: sorted(kept[name].unique().to_list()) for name in (row, column, stratum)}
    strata = {
        str(s): {
            str(r): tuple(
                kept.filter(pl.col(row) == r, pl.col(column) == k, pl.col(stratum) == s).height
                for k in levels[column]
            )
            for r in levels[row]
        }
        for s in levels[stratum]
    }
    ratio = estimate_odds_ratio(counts, confidence=0.95).estimate
    test, common = (
        compare_stratified_counts(strata),
        estimate_common_odds_ratio(strata, confidence=0.95),
    )
    return {
        "fisher_p": compare_counts(counts, test="fisher").p_value,
        "fisher_or": ratio.value,
        "fisher_ci": [ratio.low, ratio.high],
        "mh_stat": test.statistic,
        "mh_p": test.p_value,
        "mh_or": common.estimate.value,
        "mh_ci": [common.estimate.low, common.estimate.high],
    }


KINDS = {
    "km": km,
    "km_full": km_full,
    "km_weighted": km,
    "logrank": logrank,
    "fh_maxcombo": fh_maxcombo,
    "exact_logrank": exact_logrank,
    "rmst": rmst,
    "fixed_time_test": fixed_time_test,
    "cuminc": cuminc,
    "aj_survfit": aj_survfit,
    "cif_etm": cif_etm,
    "pseudo": pseudo,
    "pseudo_gee": pseudo_gee,
    "tables": tables,
    **MODELS,
}
"""The kinds of case, each with the function that computes its values."""
