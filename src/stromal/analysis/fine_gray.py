"""The Fine-Gray model of a subdistribution hazard, in both of its usual definitions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from stromal.analysis.covariates import Covariates, Missing, References, design_row
from stromal.analysis.distributions import check_confidence, chi_square_tail
from stromal.analysis.intervals import Floats
from stromal.analysis.model_data import choose_event, code_columns, prepare_model
from stromal.analysis.models import ModelFit, tabulate_coefficients
from stromal.analysis.separation import (
    NO_ERROR,
    RiskSets,
    infinite_direction,
    is_suspect,
    standard_errors,
)
from stromal.analysis.survival_library import CoxData, expand_subdistribution, fit_coxph
from stromal.core import UsageError
from stromal.endpoints.outcome import TimeToEvent

__all__ = ["FineGrayDefinition", "estimate_subdistribution_hazard", "fit_fine_gray"]

FineGrayDefinition = Literal["cmprsk", "survival"]
FineGrayTies = Literal["breslow", "efron"]

_TIES = {"cmprsk": ("breslow",), "survival": ("breslow", "efron")}
_STEPS = 60
_HALVINGS = 30
_SMALL = 1e-6  # standard errors that a step moves by; the step that ends squares it
_ROUNDING = 1e-12  # of the log-likelihood


def fit_fine_gray(  # noqa: PLR0913
    outcomes: TimeToEvent,
    *,
    covariates: Sequence[str],
    of: str,
    definition: FineGrayDefinition,
    ties: FineGrayTies,
    confidence: float,
    censoring_groups: str | None = None,
    references: References | None = None,
    missing: Missing = "refuse",
) -> ModelFit:
    """Fit a Fine-Gray model: proportional hazards of the subdistribution of one cause.

    1. Whoever has a competing event stays at risk with the weight G(t-) / G(T-), where G is the
       Kaplan-Meier estimate of remaining uncensored, T their day and t the later day.
    2. `cmprsk`: Fine and Gray's estimating equation, with their robust variance, which allows for G
       being estimated. Ties are Breslow's. With `censoring_groups` G is estimated in each; it is 0
       after the group's last day, and what estimating it costs counts only the group's own events.
    3. `survival`: the weights become weighted periods (R's `finegray`), and a Cox model with robust
       variance is fitted to them, participants as clusters. G is taken as known. With tied days
       coefficients and errors differ from `cmprsk` by about 1e-4 to 1e-3.
    4. Coefficients speak of the incidence's order, not of its mechanism: a treatment that only
       prevents the competing event has a ratio above 1.
    5. An infinite coefficient is null, as in `fit_cox`.

    Parameters
    ----------
    outcomes
        Times to an event.
    covariates
        Columns.
    of
        `event`, `competing`, or a word of the column `cause`; all else that ends observation
        competes with it.
    definition, ties, confidence
        No defaults: definitions and ties give different numbers. `cmprsk` has `breslow` only.
    censoring_groups
        A column: censoring differs between its values.
    references, missing
        As in `fit_cox`.

    Returns
    -------
    ModelFit
        `tests`: Wald's (the weighted likelihood is none, so its ratio has no chi-square
        distribution).

    Raises
    ------
    UsageError
        The definition or ties are not known, participants enter late or have case weights, the
        outcomes are periods, or a covariate is refused as in `fit_cox`.

    References
    ----------
    Fine and Gray (1999); Geskus (2011) for the weighted periods.
    """
    check_confidence(confidence)
    _check_choices(outcomes, definition, ties)
    model = _prepare(outcomes, covariates, of, censoring_groups, references, missing)
    if not model.events:
        return _fit_result(model, definition, ties, confidence, None, "no events")
    fit = _fit_cmprsk(model) if definition == "cmprsk" else _fit_periods(model, ties)
    return _fit_result(model, definition, ties, confidence, fit, _why_not(model, fit))


def estimate_subdistribution_hazard(
    outcomes: TimeToEvent,
    *,
    covariates: Sequence[str],
    of: str,
    at: Mapping[str, float | str | bool] | None = None,
    censoring_groups: str | None = None,
    references: References | None = None,
    missing: Missing = "refuse",
) -> pl.DataFrame:
    """Estimate the cumulative subdistribution hazard and incidence of a Fine-Gray model (`cmprsk`).

    Parameters
    ----------
    outcomes, covariates, of, censoring_groups, references, missing
        As in `fit_fine_gray`.
    at
        A value of every covariate; all are 0 (text at its reference) where absent.

    Returns
    -------
    polars.DataFrame
        One row a day with events: `day`, `growth` (of the hazard on the day), `hazard`,
        `incidence` (1 - exp(-hazard)). Without errors: the reference definition has none.

    Raises
    ------
    UsageError
        There are no events, a coefficient cannot be estimated, or as `fit_fine_gray`.

    References
    ----------
    Fine and Gray (1999).
    """
    _check_choices(outcomes, "cmprsk", "breslow")
    model = _prepare(outcomes, covariates, of, censoring_groups, references, missing)
    if not model.events:
        raise UsageError("there are no events; nothing can be fitted")
    fit = _fit_cmprsk(model)
    why = _why_not(model, fit)
    if why:
        raise UsageError(why)
    row = np.zeros(fit.coefficient.size) if at is None else design_row(model.covariates, at)
    growth = fit.growth * np.exp(float((row - model.centre) @ fit.coefficient))
    days = np.unique(model.day)
    kept = growth > 0
    hazard = np.cumsum(growth[kept])
    return pl.DataFrame(
        {
            "day": days[kept],
            "growth": growth[kept],
            "hazard": hazard,
            "incidence": -np.expm1(-hazard),
        }
    )


@dataclass(frozen=True)
class _Model:
    """The arrays of a model; covariates centred. `status` is 0 censored, 1 event, 2 competing."""

    covariates: Covariates
    columns: Floats
    centre: Floats
    day: Floats
    status: NDArray[np.int64]
    group: NDArray[np.int64] | None
    n: int
    events: int
    notes: tuple[str, ...]


@dataclass(frozen=True)
class _Fit:
    """What a fit found; `growth` is the baseline's on each distinct day."""

    coefficient: Floats
    covariance: Floats
    information_inverse: Floats
    log_likelihood: tuple[float, float]
    growth: Floats
    converged: bool


def _check_choices(outcomes: TimeToEvent, definition: str, ties: str) -> None:
    """Refuse what the model has no theory for here."""
    if definition not in _TIES:
        raise UsageError(
            f"definition {definition!r} is not known; choose `cmprsk` or `survival` (they differ "
            "with ties and in the variance)"
        )
    if ties not in _TIES[definition]:
        raise UsageError(
            f"ties {ties!r} are not in the definition {definition}; "
            f"choose {' or '.join(_TIES[definition])}"
        )
    if not isinstance(outcomes, TimeToEvent):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise UsageError(
            "a Fine-Gray model takes times to an event, one row a participant: whoever has had a "
            "competing event stays at risk, with covariates that would no longer change"
        )
    for column, why in (("entry", "late entry (left truncation)"), ("case_weight", "case weights")):
        if column in outcomes.frame.columns:
            raise UsageError(
                f"a Fine-Gray model is not fitted with {why} here; fit_cox gives the "
                "cause-specific hazard"
            )


def _prepare(
    outcomes: TimeToEvent,
    covariates: Sequence[str],
    of: str,
    censoring_groups: str | None,
    references: References | None,
    missing: Missing,
) -> _Model:
    """Make the arrays of a model."""
    chosen = TimeToEvent(choose_event(outcomes.frame, of))
    model = prepare_model(
        chosen,
        covariates=covariates,
        strata=(),
        cluster=None,
        references=references,
        missing=missing,
    )
    groups = (censoring_groups,) if censoring_groups else ()
    words = {"censored": 0, "event": 1, "competing": 2}
    centre = model.data.columns.mean(axis=0)
    return _Model(
        covariates=model.covariates,
        columns=np.ascontiguousarray(model.data.columns - centre),
        centre=centre,
        day=model.data.stop,
        status=model.frame["status"].replace_strict(words, return_dtype=pl.Int64).to_numpy(),
        group=code_columns(model.frame, groups, what="a censoring group")[0],
        n=model.n,
        events=model.events,
        notes=model.notes,
    )


def _fit_cmprsk(model: _Model) -> _Fit:
    """Solve Fine and Gray's estimating equation by Newton's steps, halved while they overshoot."""
    from stromal.analysis.fine_gray_kernels import (  # noqa: PLC0415  (numba: who computes pays)
        censoring_survival,
        likelihood,
        robust_middle,
    )

    days, place = np.unique(model.day, return_inverse=True)
    place = place.astype(np.int64)
    group = np.zeros(place.size, dtype=np.int64) if model.group is None else model.group
    stays = censoring_survival(place, model.status, group, days.size)
    fixed = (place, model.status, group, stays)
    width = model.columns.shape[1]
    coefficient = np.zeros(width)
    value, gradient, information = likelihood(model.columns, coefficient, *fixed)
    null, converged = value, False
    for _ in range(_STEPS):
        step = np.linalg.lstsq(information, gradient, rcond=None)[0]
        small = float(gradient @ step) < _SMALL**2
        best, moved = value, coefficient
        for halving in range(_HALVINGS):
            tried = coefficient + step / 2.0**halving
            best, slope, curve = likelihood(model.columns, tried, *fixed)
            if small or best >= value - _ROUNDING * abs(value):
                moved, gradient, information = tried, slope, curve
                break
        coefficient, value = moved, best
        if small:
            converged = True
            break
    inverse = _inverse(information)
    middle, growth = robust_middle(model.columns, coefficient, *fixed)
    return _Fit(coefficient, inverse @ middle @ inverse, inverse, (null, value), growth, converged)


def _inverse(information: Floats) -> Floats:
    """Invert the information; NaN where it is singular."""
    size = np.sqrt(np.clip(np.diag(information), 0.0, None))
    if (size == 0).any():
        return np.full(information.shape, np.nan)
    scaled = information / np.outer(size, size)
    if np.linalg.cond(scaled) > 1e12:
        return np.full(information.shape, np.nan)
    return np.linalg.inv(scaled) / np.outer(size, size)


def _fit_periods(model: _Model, ties: str) -> _Fit:
    """Fit a Cox model with robust variance to weighted periods."""
    rows = expand_subdistribution(model.day, model.status.tolist(), groups=model.group)
    fit = fit_coxph(
        CoxData(
            stop=rows.stop,
            event=rows.event,
            columns=model.columns[rows.row],
            start=rows.start,
            cluster=rows.row,
            weight=rows.weight,
        ),
        ties=ties,
    )
    return _Fit(
        fit.coefficient,
        fit.covariance,
        fit.model_covariance,
        fit.log_likelihood,
        np.empty(0),
        not any("converge" in text for text in fit.warned),
    )


def _why_not(model: _Model, fit: _Fit) -> str:
    """Say why a fit has no estimates; empty where it has."""
    terms = np.array(model.covariates.terms)
    if is_suspect(model.columns, fit.coefficient, fit.information_inverse):
        last = np.full(model.day.size, model.day.max())
        if model.group is not None:
            ends = np.zeros(int(model.group.max()) + 1)
            np.maximum.at(ends, model.group, model.day)
            last = ends[model.group]
        stays = np.where(model.status == 2, last, model.day)
        direction = infinite_direction(_risk_sets(model, stays))
        if direction is not None:
            return (
                "no estimate: the likelihood grows for ever as "
                f"{', '.join(terms[direction != 0])} goes to infinity (separation). Compare the "
                "incidences by Gray's test, or fit_firth for the cause-specific hazard"
            )
    variance = np.diag(fit.information_inverse)
    flat = ~(np.isfinite(variance) & (variance > 0))
    if flat.any():
        return (
            f"no estimate: {', '.join(terms[flat])} does not vary, or not apart from the others, "
            "among those at risk when events happen"
        )
    return "" if fit.converged else "no estimate: the fit did not come to its maximum"


def _risk_sets(model: _Model, stays: Floats) -> RiskSets:
    """Give the risk sets, in which whoever has a competing event stays.

    Events keep their day; one who stays is at risk until `stays` without an event.
    """
    return RiskSets(stop=stays, event=model.status == 1, columns=model.columns)


def _fit_result(
    model: _Model,
    definition: str,
    ties: str,
    confidence: float,
    fit: _Fit | None,
    why: str,
) -> ModelFit:
    """Give the result; its coefficients are null where `why` says so."""
    terms = model.covariates.terms
    empty = np.full(len(terms), np.nan)
    told = fit is not None and not why
    coefficient = fit.coefficient if fit is not None and told else empty
    covariance = fit.covariance if fit is not None and told else np.diag(empty)
    error = empty if fit is None else standard_errors(covariance, fit.information_inverse)
    sure = told and bool(np.isfinite(error).all())
    words = ([why] if why else []) + ([NO_ERROR] if told and not sure else [])
    result = ModelFit(
        method=f"Fine-Gray model ({definition})",
        scale="subdistribution hazard ratio",
        ties=ties,
        variance="Fine-Gray (robust, censoring estimated)"
        if definition == "cmprsk"
        else "robust (sandwich)",
        coefficients=tabulate_coefficients(terms, coefficient, error, confidence=confidence),
        covariance=covariance,
        n=model.n,
        events=model.events,
        confidence=confidence,
        log_likelihood=fit.log_likelihood if fit is not None else None,
        converged=told,
        note="; ".join((*words, *model.notes)),
    )
    return replace(result, tests=_wald(coefficient, covariance)) if sure else result


def _wald(coefficient: Floats, covariance: Floats) -> pl.DataFrame:
    """Test all coefficients together."""
    statistic = float(coefficient @ np.linalg.solve(covariance, coefficient))
    df = coefficient.size
    return pl.DataFrame(
        {
            "test": ["Wald"],
            "statistic": [statistic],
            "df": [df],
            "p_value": [chi_square_tail(statistic, df)],
        }
    )
