"""Rates of events by group and covariates: a negative binomial model of counts over exposure."""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import polars as pl

from stromal.analysis.covariates import (
    Covariates,
    Missing,
    References,
    check_varies,
    read_covariates,
)
from stromal.analysis.distributions import check_confidence, chi_square_tail
from stromal.analysis.intervals import Floats
from stromal.analysis.models import ModelFit, tabulate_coefficients
from stromal.core import UsageError

__all__ = ["fit_event_rates"]

_METHOD = "negative binomial rates"
_POISSON = "Poisson rates"
_INTERCEPT = "intercept"
_ITERATIONS = 200
_GRADIENT = 1e-6  # of the log-likelihood, where the fit counts as converged


def fit_event_rates(
    frame: pl.DataFrame,
    *,
    events: str,
    exposure: str,
    covariates: Sequence[str],
    confidence: float,
    references: References | None = None,
    missing: Missing = "refuse",
) -> ModelFit:
    """Fit the rate of events by a negative binomial regression.

    1. A participant's count has mean exposure * exp(b0 + b x) and variance mean + alpha mean^2:
       people differ in how prone they are to events (alpha is the dispersion, 1/theta in MASS).
    2. b and alpha are fitted by maximum likelihood together. The standard errors are from the
       expected information, in which b and alpha are orthogonal, as in MASS::glm.nb.
    3. Where the counts vary no more than Poisson's (the sum of (count - mean)^2 - count is not
       positive at the Poisson fit), alpha is 0: the Poisson model is given, and the note says so.
    4. Death, or leaving, ends the exposure. The rate is per time alive and observed: an arm whose
       participants die early has less exposure, not fewer events.
    5. Where a coefficient is infinite (a group without any event) it is refused.

    Parameters
    ----------
    frame
        One row a participant.
    events, exposure
        Columns of the number of events and of the time observed (positive; its unit is that of the
        rate).
    covariates
        Columns of groups (text) and numbers; may be empty.
    confidence
        Coverage of the limits.
    references, missing
        As in `read_covariates`.

    Returns
    -------
    ModelFit
        First the intercept (its `ratio` is the rate per unit of exposure of the reference), then
        rate ratios. `tests` has the likelihood ratio test of all covariates (the same model
        without them) and that of over-dispersion, whose p is halved as alpha cannot be negative.
        `note` tells the dispersion.

    Raises
    ------
    UsageError
        A column is missing, a count is no whole number from 0 on, an exposure is not positive,
        there are no events, fewer participants than coefficients, or a group without an event.

    References
    ----------
    Lawless (1987).
    """
    check_confidence(confidence)
    count, time = _numbers(frame, events, exposure)
    chosen = _design(frame, tuple(covariates), references, missing)
    kept = chosen.kept
    count, offset = count[kept], np.log(time[kept])
    design = np.column_stack((np.ones(count.size), chosen.columns))
    if count.sum() == 0:
        raise UsageError("there are no events: a rate has an exact interval (`estimate_rate`)")
    if count.size <= design.shape[1]:
        raise UsageError(
            f"{count.size} participants are too few for {design.shape[1]} coefficients"
        )
    _check_finite(chosen, count)
    fit = _fit(count, design, offset)
    without = _fit(count, design[:, :1], offset)
    poisson = _likelihood(count, _poisson(count, design, offset), offset, design, 0.0)
    terms = (_INTERCEPT, *chosen.terms)
    errors = np.sqrt(np.diag(fit.covariance))
    return ModelFit(
        method=_METHOD if fit.alpha > 0 else _POISSON,
        scale="rate ratio",
        ties="",
        variance="model-based (expected information)",
        coefficients=tabulate_coefficients(terms, fit.coefficient, errors, confidence=confidence),
        covariance=fit.covariance,
        n=int(count.size),
        events=int(count.sum()),
        confidence=confidence,
        log_likelihood=(without.log_likelihood, fit.log_likelihood),
        tests=_tests(len(chosen.terms), without, fit, poisson),
        converged=fit.converged,
        note=_note(fit, chosen, exposure),
    )


@dataclass(frozen=True)
class _Fit:
    """A fitted model of counts."""

    coefficient: Floats
    alpha: float
    covariance: Floats
    log_likelihood: float
    converged: bool


def _numbers(frame: pl.DataFrame, events: str, exposure: str) -> tuple[Floats, Floats]:
    """Read counts and exposures."""
    for name in (events, exposure):
        if name not in frame.columns:
            raise UsageError(f"the table has no column {name!r}; it has {', '.join(frame.columns)}")
    count, time = (
        frame[name].cast(pl.Float64).fill_null(np.nan).to_numpy() for name in (events, exposure)
    )
    if not (np.isfinite(count) & (count >= 0) & (count == np.floor(count))).all():
        raise UsageError(f"{events!r} is missing, negative or no whole number: counts are expected")
    if not (np.isfinite(time) & (time > 0)).all():
        raise UsageError(
            f"{exposure!r} is missing, not finite or not positive: leave out who was not observed"
        )
    return count, time


def _design(
    frame: pl.DataFrame,
    names: tuple[str, ...],
    references: References | None,
    missing: Missing,
) -> Covariates:
    """Read the covariates, of which there may be none."""
    if not names:
        everyone = np.ones(frame.height, dtype=np.bool_)
        return Covariates((), {}, (), np.empty((frame.height, 0)), everyone)
    chosen = read_covariates(frame, names, references=references, missing=missing)
    check_varies(chosen, None)
    return chosen


def _check_finite(chosen: Covariates, count: Floats) -> None:
    """Refuse a group without an event, whose rate ratio is 0 or infinite."""
    for name, levels in chosen.levels.items():
        places = [chosen.terms.index(f"{name}: {one} against {levels[0]}") for one in levels[1:]]
        members = chosen.columns[:, places] > 0
        inside = {
            levels[0]: ~members.any(axis=1),
            **{level: members[:, i] for i, level in enumerate(levels[1:])},
        }
        empty = [level for level, mask in inside.items() if count[mask].sum() == 0]
        if empty:
            raise UsageError(
                f"{name} {', '.join(empty)} has no event: its rate ratio is 0 or infinite; give "
                "each group's rate with its exact interval, or compare rates exactly"
            )


def _poisson(count: Floats, design: Floats, offset: Floats) -> Floats:
    """Fit Poisson's model by Newton's method."""
    coefficient = np.zeros(design.shape[1])
    coefficient[0] = np.log(count.sum() / np.exp(offset).sum())
    for _ in range(_ITERATIONS):
        mean = np.exp(design @ coefficient + offset)
        step = np.linalg.solve((design.T * mean) @ design, design.T @ (count - mean))
        coefficient = coefficient + step
        if np.abs(step).max() < 1e-13:
            break
    return coefficient


def _fit(count: Floats, design: Floats, offset: Floats) -> _Fit:
    """Fit the negative binomial model, or Poisson's where nothing is over-dispersed."""
    start = _poisson(count, design, offset)
    mean = np.exp(design @ start + offset)
    excess = float(((count - mean) ** 2 - count).sum())
    if excess <= 0:
        return _finished(count, design, offset, start, 0.0, converged=True)
    discrete = cast("Any", importlib.import_module("statsmodels.discrete.discrete_model"))
    model = discrete.NegativeBinomial(count, design, loglike_method="nb2", offset=offset)
    begin = np.append(start, max(excess / float((mean**2).sum()), 1e-3))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # whether it has converged is judged by the gradient below
        rough = model.fit(
            start_params=begin, method="bfgs", maxiter=1000, gtol=1e-8, disp=0, skip_hessian=True
        ).params
        found = _polish(model, np.asarray(rough, dtype=np.float64))
    gradient = np.abs(np.asarray(model.score(found), dtype=np.float64)).max()
    return _finished(
        count, design, offset, found[:-1], float(found[-1]), converged=bool(gradient < _GRADIENT)
    )


def _polish(model: Any, found: Floats) -> Floats:  # noqa: ANN401
    """Take Newton steps as long as the gradient shrinks and the dispersion stays positive."""

    def gradient(at: Floats) -> Floats:
        return np.asarray(model.score(at), dtype=np.float64)

    slope = gradient(found)
    for _ in range(_ITERATIONS):
        curvature = np.asarray(model.hessian(found), dtype=np.float64)
        new: Floats = found - np.asarray(np.linalg.lstsq(curvature, slope)[0], dtype=np.float64)
        if not (new[-1] > 0 and np.abs(gradient(new)).max() < np.abs(slope).max()):
            break
        found, slope = new, gradient(new)
    return found


def _finished(
    count: Floats,
    design: Floats,
    offset: Floats,
    coefficient: Floats,
    alpha: float,
    *,
    converged: bool,
) -> _Fit:
    """Add the covariance from the expected information, and the log-likelihood."""
    mean = np.exp(design @ coefficient + offset)
    information: Floats = (design.T * (mean / (1 + alpha * mean))) @ design
    covariance = np.asarray(np.linalg.inv(information), dtype=np.float64)
    likelihood = _likelihood(count, coefficient, offset, design, alpha)
    return _Fit(coefficient, alpha, covariance, likelihood, converged)


def _likelihood(
    count: Floats, coefficient: Floats, offset: Floats, design: Floats, alpha: float
) -> float:
    """Give the log-likelihood, Poisson's at alpha 0."""
    gammaln: Any = cast("Any", importlib.import_module("scipy.special")).gammaln
    eta = design @ coefficient + offset
    mean = np.exp(eta)
    if alpha == 0:
        return float((count * eta - mean - gammaln(count + 1)).sum())
    theta = 1 / alpha
    terms = (
        gammaln(count + theta)
        - gammaln(theta)
        - gammaln(count + 1)
        - (count + theta) * np.log1p(alpha * mean)
        + count * (eta + np.log(alpha))
    )
    return float(terms.sum())


def _tests(terms: int, without: _Fit, fit: _Fit, poisson: float) -> pl.DataFrame:
    """Give the likelihood ratio tests of the covariates and of over-dispersion."""
    rows: list[dict[str, str | float | int]] = []
    if terms:
        ratio = max(2 * (fit.log_likelihood - without.log_likelihood), 0.0)
        p = chi_square_tail(ratio, terms)
        rows.append({"test": "likelihood ratio", "statistic": ratio, "df": terms, "p_value": p})
    excess = max(2 * (fit.log_likelihood - poisson), 0.0)
    p = chi_square_tail(excess, 1) / 2 if fit.alpha > 0 else 1.0
    rows.append({"test": "over-dispersion", "statistic": excess, "df": 1, "p_value": p})
    return pl.DataFrame(rows)


def _note(fit: _Fit, chosen: Covariates, exposure: str) -> str:
    """Tell the dispersion, how the fit went and whom it leaves out."""
    if fit.alpha > 0:
        dispersion = f"dispersion alpha {fit.alpha:.6g} (theta {1 / fit.alpha:.6g})"
    else:
        dispersion = (
            "the counts vary no more than Poisson's: dispersion 0, so this is a Poisson model"
        )
    parts = [
        f"rate per unit of {exposure}",
        dispersion,
        "" if fit.converged else "the fit has not converged: do not use its numbers",
        chosen.note,
    ]
    return "; ".join(filter(None, parts))
