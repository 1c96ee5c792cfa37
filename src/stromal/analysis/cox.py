"""Cox's proportional hazards model, and the check of its assumption."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
import polars as pl

from stromal.analysis.covariates import Missing, References
from stromal.analysis.distributions import check_confidence, chi_square_tail, normal_quantile
from stromal.analysis.estimate import Estimate
from stromal.analysis.model_data import ModelData, prepare_model
from stromal.analysis.models import ModelFit, tabulate_coefficients
from stromal.analysis.separation import (
    NO_ERROR,
    RiskSets,
    infinite_direction,
    is_suspect,
    standard_errors,
)
from stromal.analysis.survival_library import (
    CoxFit,
    concordance_of,
    fit_coxph,
    score_residual_tests,
)
from stromal.core import UsageError
from stromal.endpoints.outcome import CountingProcess, TimeToEvent

__all__ = [
    "TIE_METHODS",
    "Ties",
    "TimeTransform",
    "check_proportional_hazards",
    "check_ties",
    "estimate_concordance",
    "fit_cox",
    "fit_model",
]

Ties = Literal["efron", "breslow", "exact"]
TimeTransform = Literal["km", "rank", "identity", "log"]

TIE_METHODS = ("efron", "breslow", "exact")
_TRANSFORMS = ("km", "rank", "identity", "log")


def fit_cox(  # noqa: PLR0913
    outcomes: TimeToEvent | CountingProcess,
    *,
    covariates: Sequence[str],
    ties: Ties,
    confidence: float,
    strata: Sequence[str] = (),
    cluster: str | None = None,
    references: References | None = None,
    missing: Missing = "refuse",
) -> ModelFit:
    """Fit a Cox model.

    1. Statuses other than `event` are censored. Where some are competing events the hazard is the
       cause-specific one and the method is called so; it says nothing about probabilities.
    2. Periods (`CountingProcess`) carry covariates that change: (start, stop] belongs to the
       covariates of its row. An `entry` delays being at risk likewise.
    3. Covariates of text become one term a value other than the reference (`read_covariates`).
    4. The variance is the inverse information, or with a `cluster` or with case weights the robust
       (sandwich) one; without a named cluster each participant is one.
    5. Where a coefficient is infinite (someone with every event has the largest covariate among
       those at risk), or none can be told, the coefficients are null and the note says which and
       why; the likelihood ratio test stands.

    Parameters
    ----------
    outcomes
        Times to an event, or periods.
    covariates
        Columns.
    ties
        `efron`, `breslow` or `exact` (the discrete conditional likelihood; without weights and
        clusters). No default: they give different numbers.
    confidence
        Coverage of the limits.
    strata
        Columns; each combination of values has a baseline hazard of its own.
    cluster
        Column of the groups within which rows may depend on one another, such as a site or
        `participant_id` for recurrent events.
    references
        For covariates of text, the value the others are set against.
    missing
        What is done where a covariate is missing: `refuse`, or `leave out` (told in the note).

    Returns
    -------
    ModelFit
        `tests`: likelihood ratio, Wald and score tests of all coefficients together. With a robust
        variance only Wald's allows for dependence.

    Raises
    ------
    UsageError
        A covariate is missing, infinite, does not vary, is determined by others; or as
        `prepare_model`.

    References
    ----------
    Cox (1972); Efron (1977); Breslow (1974); Lin and Wei (1989) for the robust variance.
    """
    check_confidence(confidence)
    check_ties(ties, outcomes, cluster)
    model = _prepare(outcomes, covariates, strata, cluster, references, missing)
    if not model.events:
        return _without_estimate(model, ties, confidence, tuple(strata), "no events")
    fit = fit_coxph(model.data, ties=ties)
    why = _why_not(model, fit, ties)
    if why:
        return _without_estimate(model, ties, confidence, tuple(strata), why, fit)
    error = standard_errors(fit.covariance, fit.model_covariance)
    notes = model.notes if np.isfinite(error).all() else (*model.notes, NO_ERROR)
    return ModelFit(
        method=_method(model),
        scale="hazard ratio",
        ties=ties,
        variance=_variance(model),
        coefficients=tabulate_coefficients(
            model.covariates.terms,
            fit.coefficient,
            error,
            confidence=confidence,
        ),
        covariance=fit.covariance,
        n=model.n,
        events=model.events,
        confidence=confidence,
        log_likelihood=fit.log_likelihood,
        tests=_tests(fit) if np.isfinite(error).all() else None,
        strata=tuple(strata),
        note="; ".join(notes),
    )


def check_proportional_hazards(  # noqa: PLR0913
    outcomes: TimeToEvent | CountingProcess,
    *,
    covariates: Sequence[str],
    ties: Ties,
    transform: TimeTransform,
    strata: Sequence[str] = (),
    cluster: str | None = None,
    references: References | None = None,
    missing: Missing = "refuse",
) -> pl.DataFrame:
    """Test whether the coefficients of a Cox model change with time.

    The score test of a term coefficient x (g(t) - mean g) added to the model (Grambsch and
    Therneau 1994, in the exact form of R's `cox.zph` from survival 3.0 on).

    Parameters
    ----------
    outcomes, covariates, ties, strata, cluster, references, missing
        As in `fit_cox`; ties by `efron` or `breslow`.
    transform
        g: `km` (one minus the Kaplan-Meier estimate before t), `rank`, `identity` or `log`.

    Returns
    -------
    polars.DataFrame
        `term`, `statistic`, `df`, `p_value`, one row a term, and last `all terms`.

    Raises
    ------
    UsageError
        The transform is not known, ties are exact, a coefficient is infinite, there are no events,
        `log` meets a day 0; or as `fit_cox`.
    """
    if transform not in _TRANSFORMS:
        raise UsageError(
            f"transform {transform!r} is not known; choose one of {', '.join(_TRANSFORMS)}"
        )
    check_ties(ties, outcomes, cluster)
    if ties == "exact":
        raise UsageError("proportional hazards are not checked with exact ties; choose efron")
    model, fit = fit_model(outcomes, covariates, ties, strata, cluster, references, missing)
    if transform == "log" and (model.data.stop[model.data.event > 0] <= 0).any():
        raise UsageError("an event on day 0 has no logarithm; choose km, rank or identity")
    rows = score_residual_tests(fit, transform=transform)
    if len(rows) == len(model.covariates.terms):  # of a single term the library gives no global row
        rows = (*rows, rows[0])
    return pl.DataFrame(
        {
            "term": [*model.covariates.terms, "all terms"],
            "statistic": [row[0] for row in rows],
            "df": [int(row[1]) for row in rows],
            "p_value": [row[2] for row in rows],
        }
    )


def estimate_concordance(  # noqa: PLR0913
    outcomes: TimeToEvent | CountingProcess,
    *,
    covariates: Sequence[str],
    ties: Ties,
    confidence: float,
    strata: Sequence[str] = (),
    cluster: str | None = None,
    references: References | None = None,
    missing: Missing = "refuse",
) -> Estimate:
    """Estimate the probability that of two participants the one with the higher hazard fails first.

    Pairs within a stratum whose order is known; ties of the predictor count one half. The standard
    error is the infinitesimal jackknife's, the limits are plain and cut to 0 and 1. It is measured
    on the data the model was fitted to, so it flatters.

    Parameters
    ----------
    outcomes, covariates, ties, confidence, strata, cluster, references, missing
        As in `fit_cox`.

    Raises
    ------
    UsageError
        As `check_proportional_hazards`.
    """
    check_ties(ties, outcomes, cluster)
    half = normal_quantile(confidence)
    model, fit = fit_model(outcomes, covariates, ties, strata, cluster, references, missing)
    value, error = concordance_of(fit)
    known, sure = bool(np.isfinite(value)), bool(np.isfinite(value) and np.isfinite(error))
    why = () if sure else ("no pair of known order" if not known else "no standard error",)
    return Estimate(
        method="concordance",
        value=value if known else None,
        standard_error=error if sure else None,
        low=max(0.0, value - half * error) if sure else None,
        high=min(1.0, value + half * error) if sure else None,
        confidence=confidence,
        interval="plain",
        n=model.n,
        events=model.events,
        variance="infinitesimal jackknife",
        note="; ".join((*why, *model.notes)),
    )


def check_ties(ties: str, outcomes: TimeToEvent | CountingProcess, cluster: str | None) -> None:
    """Refuse a treatment of ties that is not known, or not with what it is asked for.

    Raises
    ------
    UsageError
        Names the choices.
    """
    if ties not in TIE_METHODS:
        raise UsageError(f"ties {ties!r} is not known; choose one of {', '.join(TIE_METHODS)}")
    if ties == "exact" and (cluster is not None or "case_weight" in outcomes.frame.columns):
        raise UsageError("exact ties have no robust variance; choose efron or breslow")


def fit_model(
    outcomes: TimeToEvent | CountingProcess,
    covariates: Sequence[str],
    ties: str,
    strata: Sequence[str],
    cluster: str | None,
    references: References | None,
    missing: Missing,
) -> tuple[ModelData, CoxFit]:
    """Fit a model for what is derived from it, and refuse one without estimates.

    Raises
    ------
    UsageError
        There are no events, or a coefficient cannot be estimated.
    """
    model = _prepare(outcomes, covariates, strata, cluster, references, missing)
    if not model.events:
        raise UsageError("there are no events; nothing can be fitted")
    fit = fit_coxph(model.data, ties=ties)
    why = _why_not(model, fit, ties)
    if why:
        raise UsageError(why)
    return model, fit


def _prepare(
    outcomes: TimeToEvent | CountingProcess,
    covariates: Sequence[str],
    strata: Sequence[str],
    cluster: str | None,
    references: References | None,
    missing: Missing,
) -> ModelData:
    return prepare_model(
        outcomes,
        covariates=covariates,
        strata=strata,
        cluster=cluster,
        references=references,
        missing=missing,
    )


def _method(model: ModelData) -> str:
    return "cause-specific Cox model" if model.competing else "Cox model"


def _variance(model: ModelData) -> str:
    return "model-based" if model.data.cluster is None else "robust (sandwich)"


def _why_not(model: ModelData, fit: CoxFit, ties: str) -> str:
    """Say why a fit has no estimates; empty where it has."""
    variance = np.diag(fit.model_covariance)
    terms = np.array(model.covariates.terms)
    data = model.data
    if is_suspect(data.columns, fit.coefficient, fit.model_covariance):
        direction = infinite_direction(
            RiskSets(
                stop=data.stop,
                event=data.event > 0,
                columns=data.columns,
                start=data.start,
                strata=data.strata,
                exact=ties == "exact",
            )
        )
        if direction is not None:
            runaway = ", ".join(terms[direction != 0])
            return (
                f"no estimate: the likelihood grows for ever as {runaway} goes to infinity "
                "(separation). fit_firth gives finite estimates with intervals"
            )
    flat = ~(np.isfinite(variance) & (variance > 0) & np.isfinite(fit.coefficient))
    if flat.any():
        return (
            f"no estimate: {', '.join(terms[flat])} does not vary, or not apart from the others, "
            "among those at risk when events happen"
        )
    if any("converge" in text for text in fit.warned):
        return f"no estimate: the fit did not come to its maximum ({fit.warned[0]})"
    return ""


def _without_estimate(
    model: ModelData,
    ties: str,
    confidence: float,
    strata: tuple[str, ...],
    why: str,
    fit: CoxFit | None = None,
) -> ModelFit:
    """Give a fit whose coefficients are all null, with the reason."""
    terms = model.covariates.terms
    empty = np.full(len(terms), np.nan)
    return ModelFit(
        method=_method(model),
        scale="hazard ratio",
        ties=ties,
        variance=_variance(model),
        coefficients=tabulate_coefficients(terms, empty, empty, confidence=confidence),
        covariance=np.full((len(terms), len(terms)), np.nan),
        n=model.n,
        events=model.events,
        confidence=confidence,
        log_likelihood=fit.log_likelihood if fit else None,
        tests=_tests(fit).head(1) if fit and "separation" in why else None,
        converged=False,
        strata=strata,
        note="; ".join((why, *model.notes)),
    )


def _tests(fit: CoxFit) -> pl.DataFrame:
    """Test all coefficients together."""
    null, full = fit.log_likelihood
    df = fit.coefficient.size
    statistics = {"likelihood ratio": 2 * (full - null), "Wald": fit.wald, "score": fit.score}
    return pl.DataFrame(
        {
            "test": list(statistics),
            "statistic": list(statistics.values()),
            "df": [df] * 3,
            "p_value": [chi_square_tail(value, df) for value in statistics.values()],
        }
    )
