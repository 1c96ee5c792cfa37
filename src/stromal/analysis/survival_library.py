"""The library `survival` behind one door: nothing else imports it.

Numbers go in as arrays and come out as arrays. What the library warns of is handed on as text,
never printed.
"""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar, cast

import numpy as np
import polars as pl
from numpy.typing import NDArray

from stromal.analysis.intervals import Floats
from stromal.core import UsageError

__all__ = [
    "CoxData",
    "CoxFit",
    "ExpandedRows",
    "OccupationFit",
    "concordance_of",
    "expand_subdistribution",
    "fit_coxph",
    "follow_states",
    "load_survival",
    "predict_curves",
    "quietly",
    "score_residual_tests",
]

T = TypeVar("T")

_EPS = 1e-12  # relative change of the log-likelihood: a Newton step later it is exact
_CHOLESKY = 1e-14
_ITERATIONS = 100


@dataclass(frozen=True)
class CoxData:
    """What a Cox model is fitted to, as arrays of one length.

    Parameters
    ----------
    stop, event
        Time, and whether the event was then (1.0 or 0.0).
    columns
        Covariates, one column a term.
    start
        Beginning of the period; `None` where everybody is observed from the anchor on.
    strata, cluster
        Codes 0, 1, ...
    weight
        Case weights.
    """

    stop: Floats
    event: Floats
    columns: Floats
    start: Floats | None = None
    strata: NDArray[np.int64] | None = None
    cluster: NDArray[np.int64] | None = None
    weight: Floats | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """The names that the columns have inside the library."""
        return tuple(f"x{i}" for i in range(self.columns.shape[1]))


@dataclass(frozen=True)
class CoxFit:
    """What the library found.

    Parameters
    ----------
    coefficient, covariance, model_covariance
        The covariance is robust where the data have clusters or weights, `model_covariance`
        never.
    log_likelihood
        Without covariates, and fitted.
    score, wald
        Statistics of the tests of all coefficients together, as R prints them.
    warned
        What the library warned of.
    model
        The library's own object, for the functions of this module.
    """

    coefficient: Floats
    covariance: Floats
    model_covariance: Floats
    log_likelihood: tuple[float, float]
    score: float
    wald: float
    warned: tuple[str, ...]
    model: Any


@dataclass(frozen=True)
class ExpandedRows:
    """Weighted periods that make a Cox model of a subdistribution hazard.

    Parameters
    ----------
    row
        Which participant (0, 1, ...) a period belongs to.
    start, stop, event, weight
        The period, whether the event was at its end, and its weight.
    """

    row: NDArray[np.int64]
    start: Floats
    stop: Floats
    event: Floats
    weight: Floats


@dataclass(frozen=True)
class OccupationFit:
    """Probabilities of states over time.

    Parameters
    ----------
    time
        Distinct days on which a period ends.
    at_risk, entries, probability, error
        One row a day, one column a state: how many are in it just before the day, how many enter it
        on the day, its probability by the end of the day with the standard error.
    initial, initial_error
        The same probabilities at the origin.
    mean, mean_error
        Mean time in each state from the origin to the asked day.
    """

    time: Floats
    at_risk: Floats
    entries: Floats
    probability: Floats
    error: Floats
    initial: Floats
    initial_error: Floats
    mean: Floats
    mean_error: Floats


def load_survival() -> Any:  # noqa: ANN401  (the library has no types to speak of)
    """Import `survival.r`; only who fits a model pays for it."""
    return cast("Any", importlib.import_module("survival.r"))


def quietly(call: Callable[[], T]) -> tuple[T, tuple[str, ...]]:
    """Call the library and catch what it warns of.

    Raises
    ------
    UsageError
        The library refuses; its words are handed on.
    """
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            result = call()
        except (ValueError, TypeError, ArithmeticError, RuntimeError) as error:
            raise UsageError(f"the model cannot be fitted: {str(error).strip()}") from error
    return result, tuple(str(one.message).strip() for one in caught)


def fit_coxph(data: CoxData, *, ties: str) -> CoxFit:
    """Fit a Cox model to convergence well beyond the library's default.

    Parameters
    ----------
    data
        Arrays; covariates that vary, none a combination of others.
    ties
        `efron`, `breslow` or `exact`.

    Raises
    ------
    UsageError
        The library refuses.
    """
    library = load_survival()
    formula, table = _formula(data)
    chosen: dict[str, Any] = {"ties": ties}
    chosen.update({key: key for key in ("weights", "cluster") if key in table})
    if data.weight is not None:
        chosen["robust"] = True
    control = {"eps": _EPS, "toler_chol": _CHOLESKY, "iter_max": _ITERATIONS}
    model, warned = quietly(lambda: library.coxph(formula, table, **chosen, **control))
    covariance = _array(model.var)
    naive = covariance if model.naive_var is None else _array(model.naive_var)
    return CoxFit(
        coefficient=_array(model.coefficients),
        covariance=covariance,
        model_covariance=naive,
        log_likelihood=(float(model.loglik[0]), float(model.loglik[-1])),
        score=float(model.score),
        wald=float(np.ravel(_array(model.wald_test))[0]),
        warned=warned,
        model=model,
    )


def score_residual_tests(fit: CoxFit, *, transform: str) -> tuple[tuple[float, float, float], ...]:
    """Test each coefficient, and last all together, for a change with time (R's cox.zph, 3.x).

    Parameters
    ----------
    fit
        What `fit_coxph` gave.
    transform
        `km`, `rank`, `identity` or `log`.

    Returns
    -------
    tuple of (statistic, df, p)
        One for each column, then the global test.
    """
    library = load_survival()
    found, _ = quietly(lambda: library.cox_zph(fit.model, transform, terms=False))
    return tuple((float(row["chisq"]), float(row["df"]), float(row["p"])) for row in found.table)


def concordance_of(fit: CoxFit) -> tuple[float, float]:
    """Give the concordance of a fit, with its standard error."""
    found = fit.model.concordance
    return float(found["concordance"]), float(found["std"])


def predict_curves(fit: CoxFit, at: Sequence[float]) -> tuple[dict[str, Floats], ...]:
    """Give the cumulative hazard at some covariates, with its standard error.

    Parameters
    ----------
    fit
        What `fit_coxph` gave.
    at
        One value a column.

    Returns
    -------
    tuple of dict
        One a stratum, in their order: `time`, `at_risk`, `hazard`, `error`.
    """
    library = load_survival()
    new = {f"x{i}": [float(value)] for i, value in enumerate(at)}
    found, _ = quietly(lambda: library.survfit(fit.model, newdata=new))
    columns = {
        "time": _array(found.time),
        "at_risk": _array(found.n_risk),
        "hazard": np.ravel(_array(found.cumhaz)),
        "error": np.ravel(_array(found.std_chaz)),
    }
    sizes = [columns["time"].size] if not found.strata else list(found.strata.values())
    ends = np.cumsum(sizes)
    return tuple(
        {name: values[end - size : end] for name, values in columns.items()}
        for size, end in zip(sizes, ends, strict=True)
    )


def expand_subdistribution(
    day: Floats, status: Sequence[int], *, groups: NDArray[np.int64] | None
) -> ExpandedRows:
    """Expand times into weighted periods, those with a competing event staying at risk.

    Where nobody is censored, or nothing competes, every weight is 1 and each participant has one
    period: the library takes its first status for censoring, so it is not asked then.

    Parameters
    ----------
    day, status
        Times, and 0 for censored, 1 for the event, 2 for a competing event.
    groups
        Codes of groups with a censoring distribution of their own.
    """
    if not {0, 1, 2} <= set(status):
        return _unweighted(day, np.asarray(status), groups)
    library = load_survival()
    table: dict[str, Any] = {
        "day": day,
        "status": np.array(["0", "1", "2"])[np.asarray(status)].tolist(),
        "row": np.arange(day.size),
    }
    formula = "Surv(day, factor(status)) ~ row"
    if groups is not None:
        table["group"] = groups
        formula += " + strata(group)"
    found, _ = quietly(lambda: library.finegray(formula, table, etype="1"))
    return ExpandedRows(
        row=np.asarray(found["row"]).astype(np.int64),
        start=_array(found["fgstart"]),
        stop=_array(found["fgstop"]),
        event=_array(found["fgstatus"]),
        weight=_array(found["fgwt"]),
    )


def follow_states(
    columns: Mapping[str, NDArray[Any]], *, states: int, origin: float, until: float
) -> OccupationFit:
    """Follow the probabilities of states (Aalen-Johansen, infinitesimal jackknife errors).

    Parameters
    ----------
    columns
        `person`, `start`, `stop`, `now` (code 1, 2, ... of the state in the period) and `entered`
        (that of the state entered at its end, 0 for none); at least one is entered.
    states
        How many codes there are.
    origin
        Where the probabilities begin, from those under observation there.
    until
        The day to which mean times are taken.
    """
    library = load_survival()
    names = np.array([f"{code:04d}" for code in range(states + 1)])
    levels = pl.Enum(names.tolist())  # declared: where all moved, none would stand for no move
    table: dict[str, Any] = {
        **columns,
        "now": names[columns["now"]].tolist(),
        "entered": pl.Series(names[columns["entered"]], dtype=levels),
    }
    fit, _ = quietly(
        lambda: library.survfit(
            "Surv(start, stop, entered) ~ 1",
            table,
            id="person",
            istate="now",
            start_time=origin,
        )
    )
    place = [int(name) - 1 for name in fit.states]
    means = np.array(quietly(lambda: library.summary_survfit(fit, rmean=until))[0].table.values)
    time = _array(fit.time)
    entries = np.zeros((time.size, states))
    for i, name in enumerate(fit.hazard_names):
        entries[:, place[int(name.split(":")[1]) - 1]] += _array(fit.n_transition)[:, i]

    def by_state(values: Any) -> Floats:  # noqa: ANN401
        given = np.atleast_2d(_array(values))
        ordered = np.zeros((given.shape[0], states))
        ordered[:, place] = given
        return ordered

    initial = by_state(fit.p0)[0]
    error = np.zeros(states) if fit.se0 is None else by_state(fit.se0)[0]
    return OccupationFit(
        time=time,
        at_risk=by_state(fit.n_risk),
        entries=entries,
        probability=by_state(fit.pstate),
        error=by_state(fit.std_err),
        initial=initial,
        initial_error=error,
        mean=by_state(means[:, 2])[0],
        mean_error=by_state(means[:, 3])[0],
    )


def _unweighted(
    day: Floats, status: NDArray[np.int64], groups: NDArray[np.int64] | None
) -> ExpandedRows:
    """Keep whoever has a competing event at risk to the end of the group, with the weight 1."""
    group = np.zeros(day.size, dtype=np.int64) if groups is None else np.asarray(groups)
    lasts = np.full(int(group.max()) + 1, -np.inf)
    np.maximum.at(lasts, group, day)
    last = lasts[group]
    return ExpandedRows(
        row=np.arange(day.size),
        start=np.full(day.size, min(0.0, float(day.min())) - 1),
        stop=np.where(status == 2, last, day),
        event=(status == 1).astype(np.float64),
        weight=np.ones(day.size),
    )


def _formula(data: CoxData) -> tuple[str, Mapping[str, Any]]:
    """Write the model as the library reads it, and the table it is read from."""
    table: dict[str, Any] = {"stop": data.stop, "event": data.event}
    table.update({name: data.columns[:, i] for i, name in enumerate(data.names)})
    response = "Surv(stop, event)"
    if data.start is not None:
        table["start"] = data.start
        response = "Surv(start, stop, event)"
    terms = list(data.names)
    if data.strata is not None:
        table["strata"] = data.strata
        terms.append("strata(strata)")
    if data.cluster is not None:
        table["cluster"] = data.cluster
    if data.weight is not None:
        table["weights"] = data.weight
    return f"{response} ~ {' + '.join(terms)}", table


def _array(values: Any) -> Floats:  # noqa: ANN401
    """Give the library's lists as an array; its missing values as NaN."""
    return np.asarray(values, dtype=np.float64)
