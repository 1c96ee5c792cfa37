"""Kinds of reference case that are models: Cox, Fine-Gray, states, events that recur."""

import re

import polars as pl

from stromal.analysis import (
    compare_survival,
    counting_process,
    estimate_at,
    state_history,
    times_to_event,
)
from stromal.analysis.cox import check_proportional_hazards, estimate_concordance, fit_cox
from stromal.analysis.cox_curves import estimate_baseline_hazard, predict_survival
from stromal.analysis.fine_gray import estimate_subdistribution_hazard, fit_fine_gray
from stromal.analysis.landmark import take_landmark
from stromal.analysis.multistate import estimate_occupation
from stromal.analysis.recurrent import estimate_mean_events
from validation.reference.survival_specs import (
    SUBSETS,
    add_weights,
    columns_of,
    mark_events,
    outcomes_of,
    periods_of,
    read_expression,
    read_formula,
    spell_terms,
)

SURVIVAL_NAMES = {"arcsin": "arcsine"}


def in_order_of(parts, strata):
    """Give each part with the rows that are asked of it, in the order of the case."""
    return [
        (parts[name], [i for i, stratum in enumerate(strata) if stratum == name])
        for name in dict.fromkeys(strata)
    ]


def coxph(case, data):
    spec, values = case["spec"], case["values"]
    formula = read_formula(spec["formula"])
    if case["id"] in SUBSETS:
        data = data.filter(read_expression(SUBSETS[case["id"]]))
    data, terms = spell_terms(data, formula, values["names"])
    weight = None
    if spec.get("weights"):
        data, weight = add_weights(data, spec["weights"]), "w_"
    outcomes = cox_outcomes(data, formula, terms, weight)
    model = {"covariates": terms, "ties": spec["ties"], "strata": formula.strata}
    robust = {**model, "cluster": formula.cluster}
    fit = fit_cox(outcomes, confidence=0.95, **robust)
    tests = dict(fit.tests.select("test", "statistic").iter_rows())
    concordance = estimate_concordance(outcomes, confidence=0.95, **robust)
    found = {
        "coef": fit.coefficients["coefficient"].to_list(),
        "names": values["names"],
        "se": fit.coefficients["standard_error"].to_list(),
        "loglik": list(fit.log_likelihood),
        "score_test": tests["score"],
        "wald_test": tests["Wald"],
        "n": len(outcomes.frame),
        "nevent": fit.events,
        "concordance": [concordance.value, concordance.standard_error],
    }
    if weight is None and formula.cluster:
        naive = fit_cox(outcomes, confidence=0.95, **model)
        found["se_naive"] = naive.coefficients["standard_error"].to_list()
    for name in (name for name in values if name.startswith("zph_")):
        frame = check_proportional_hazards(outcomes, transform=name[4:], **robust)
        columns = (frame[column].to_list() for column in ("statistic", "df", "p_value"))
        found[name] = {"rows": values[name]["rows"]}
        found[name] |= dict(zip(("chisq", "df", "p"), columns, strict=True))
    return found


def cox_outcomes(data, formula, terms, weight=None):
    """Make times or periods of a formula, with what its model reads."""
    columns = [*terms, *formula.strata, *([formula.cluster] if formula.cluster else [])]
    if formula.start is None:
        return outcomes_of(data, formula.time, formula.status, weight=weight, columns=columns)
    return periods_of(data, formula, participant=None, columns=columns, weight=weight)


def landmark(case, data):
    """Read from the call whose exposure and its day make the groups, as in `da==1 & ta<=100`.

    The endpoint and the covariates beside it are those that the data set's cases use throughout.
    """
    happened, when = re.search(r"(\w+)==1 & (\w+)<=", case["r_call"]).groups()
    columns, day = columns_of(case), case["spec"]["landmark"]
    exposure = pl.when(pl.col(happened) == 1).then(pl.col(when)).alias("exposure_day")
    covariates = ("exposed", "g2", "g3")[: len(case["values"]["coef"])]
    asked = [columns["time"], columns["status"], *covariates[1:]]
    kept = data.with_columns(exposure).drop_nulls(asked).select(*asked, "exposure_day")
    outcomes = times_to_event(
        kept,
        time=columns["time"],
        status=columns["status"],
        **mark_events(data, columns["status"]),
    )
    followed = take_landmark(outcomes, day=day, exposure_day="exposure_day")
    fit = fit_cox(followed, covariates=covariates, ties="efron", confidence=0.95)
    return {
        "n": len(followed.frame),
        "n_gvhd": int(followed.frame["exposed"].sum()),
        "logrank_chisq": compare_survival(followed, by="exposed").statistic,
        "coef": fit.coefficients["coefficient"].to_list(),
        "se": fit.coefficients["standard_error"].to_list(),
    }


def cox_basehaz(case, data):
    spec, times = case["spec"], case["values"]["times"]
    formula = read_formula(spec["formula"])
    data, terms = spell_terms(data, formula)
    outcomes = cox_outcomes(data, formula, terms)
    ties = spec.get("ties", "efron")
    frame = estimate_baseline_hazard(outcomes, covariates=terms, ties=ties, strata=formula.strata)
    steps = [frame.filter(pl.col("day") <= time)["cumulative_hazard"] for time in times]
    return {"times": times, "cumhaz": [hazard[-1] if len(hazard) else 0.0 for hazard in steps]}


def cox_predict(case, data):
    spec, times = case["spec"], case["values"]["times"]
    formula = read_formula(spec["formula"])
    data, terms = spell_terms(data, formula)
    curve = predict_survival(
        cox_outcomes(data, formula, terms),
        covariates=terms,
        ties=spec.get("ties", "efron"),
        at={
            **dict(zip(terms, (spec["newdata"][name] for name in formula.terms), strict=True)),
            **{name: spec["newdata"][name] for name in formula.strata},
        },
        interval=SURVIVAL_NAMES.get(spec.get("conf_type", "log"), spec.get("conf_type", "log")),
        confidence=0.95,
        strata=formula.strata,
    )
    estimates = estimate_at(curve, tuple(times))
    return {
        "times": times,
        "surv": [e.value for e in estimates],
        "std_err": [e.standard_error for e in estimates],
        "lower": [e.low for e in estimates],
        "upper": [e.high for e in estimates],
    }


def multistate_aj(case, data):
    spec, values = case["spec"], case["values"]
    history = history_of(data, spec, values["states"])
    found = {name: [] for name in ("n_risk", "pstate", "std_err")}
    parts = split_rows(history, spec.get("group"))
    for part, rows in in_order_of(parts, values["strata"]):
        days = tuple(values["time"][i] for i in rows)
        curves = estimate_occupation(
            part, interval="plain", confidence=0.95, start=spec.get("start_time")
        )
        curves[spec.get("initial_state", "initial")] = curves.pop("initial", None)
        states = [curves.get(state) for state in values["states"]]
        for day in days:
            now = [read_state(curve, day) for curve in states]
            for name, numbers in zip(found, zip(*now, strict=True), strict=True):
                found[name].append(list(numbers))
    found["std_err_jackknife"] = found["std_err"]
    return {**found, **{name: values[name] for name in ("strata", "states", "time")}}


def read_state(curve, day):
    """Give those in a state just before a day, its probability by its end, and the error."""
    if curve is None:
        return 0, 0.0, 0.0
    there = curve.frame.filter(pl.col("day") >= day)["in_state"]
    (estimate,) = estimate_at(curve, (day,))
    return there[0] if len(there) else 0, estimate.value, estimate.standard_error


def history_of(data, spec, states):
    """Make histories of states; the value that is no state stands for none entered."""
    others = set(data[spec["event"]].drop_nulls().unique().to_list()) - set(states)
    columns = [spec[name] for name in ("id", "tstart", "tstop", "event")]
    columns += [spec[name] for name in ("group", "istate") if spec.get(name)]
    none = others.pop() if others else None
    return state_history(
        data.select(list(dict.fromkeys(columns))),
        participant=spec["id"],
        start=spec["tstart"],
        stop=spec["tstop"],
        entered=spec["event"],
        none=none,
        state=spec.get("istate"),
    )


def split_rows(history, group):
    """Give histories by the name that R gives the stratum."""
    if group in {None, "1"}:
        return {"all": history}
    parts = history.frame.partition_by(group, as_dict=True)
    return {f"{group}={label}": type(history)(part) for (label,), part in parts.items()}


def mcf(case, data):
    spec, times = case["spec"], case["values"]["times"]
    if spec.get("filter"):
        data = data.filter(read_expression(spec["filter"]))
    process = counting_process(
        data.select(spec["id"], spec["tstart"], spec["tstop"], spec["status"]),
        participant=spec["id"],
        start=spec["tstart"],
        stop=spec["tstop"],
        status=spec["status"],
        **mark_events(data, spec["status"]),
    )
    curve = estimate_mean_events(process, terminal="none", confidence=0.95)
    estimates = estimate_at(curve, tuple(times))
    return {
        "times": times,
        "mcf": [e.value for e in estimates],
        "se_robust": [e.standard_error for e in estimates],
        "n_risk": [e.at_risk for e in estimates],
    }


def fine_gray(case, data):
    spec = case["spec"]
    model = {"covariates": spec["covariates"], "of": "event"}
    model["censoring_groups"] = spec.get("cengroup")
    outcomes = subdistribution(data, spec)
    fit = fit_fine_gray(outcomes, definition="cmprsk", ties="breslow", confidence=0.95, **model)
    frame = estimate_subdistribution_hazard(outcomes, **model)
    coefficient = fit.coefficients["coefficient"].to_list()
    return {
        "coef": coefficient,
        "coef_default_tol": coefficient,
        "se": fit.coefficients["standard_error"].to_list(),
        "var": fit.covariance,
        "loglik": fit.log_likelihood[1],
        "loglik_null": fit.log_likelihood[0],
        "converged": fit.converged,
        "baseline_times": frame["day"].to_list(),
        "baseline_jumps": frame["growth"].to_list(),
    }


def fine_gray_survival(case, data):
    spec = case["spec"]
    fit = fit_fine_gray(
        subdistribution(data, spec),
        covariates=spec["covariates"],
        of="event",
        definition="survival",
        ties=spec["ties"],
        confidence=0.95,
    )
    return {
        "coef": fit.coefficients["coefficient"].to_list(),
        "se_robust": fit.coefficients["standard_error"].to_list(),
        "loglik": list(fit.log_likelihood),
    }


def subdistribution(data, spec):
    """Make outcomes with the cause of a Fine-Gray model as the event."""
    columns = [*spec["covariates"], *([spec["cengroup"]] if spec.get("cengroup") else [])]
    return outcomes_of(data, spec["time"], spec["status"], cause=spec["cause"], columns=columns)


MODELS = {
    "coxph": coxph,
    "cox_basehaz": cox_basehaz,
    "cox_predict": cox_predict,
    "fine_gray": fine_gray,
    "fine_gray_survival": fine_gray_survival,
    "landmark": landmark,
    "multistate_aj": multistate_aj,
    "mcf": mcf,
}
"""The kinds, each with the function that computes its values."""
