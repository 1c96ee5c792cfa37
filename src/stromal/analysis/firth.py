"""Cox models with Firth's penalty: for small trials, and for coefficients that run away."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy import optimize, special  # pyright: ignore[reportMissingTypeStubs]

from stromal.analysis.covariates import Missing, References
from stromal.analysis.distributions import check_confidence, chi_square_tail
from stromal.analysis.intervals import Floats
from stromal.analysis.model_data import ModelData, prepare_model
from stromal.analysis.models import ModelFit, tabulate_coefficients
from stromal.core import UsageError
from stromal.endpoints.outcome import CountingProcess, TimeToEvent

__all__ = ["fit_firth"]

_optimize = cast("Any", optimize)
_special = cast("Any", special)

_LARGEST = 20_000_000  # days of events x rows x terms held at once
_STEPS = 200
_NEAR = 1e-5  # apart, in standardised coefficients: gradients whose difference gives a curvature
_LONGEST = 2.0  # a step, in standard deviations' worth of a coefficient
_SMALL = 1e-9
_FARTHEST = 60
_FLAT = 1e-12  # of the events: what rounding leaves of no information, of standardised columns


def fit_firth(
    outcomes: TimeToEvent | CountingProcess,
    *,
    covariates: Sequence[str],
    confidence: float,
    strata: Sequence[str] = (),
    references: References | None = None,
    missing: Missing = "refuse",
) -> ModelFit:
    """Fit a Cox model by Firth's penalised likelihood.

    1. The log partial likelihood (Breslow's ties) gains half the logarithm of the determinant of
       its information. The maximum is finite even where a coefficient of `fit_cox` is infinite.
    2. Limits are those of the profile penalised likelihood: the values at which twice its loss
       reaches the chi-square quantile. They are not symmetric.
    3. The p-value of a term is that of the penalised likelihood ratio with the term's coefficient
       at 0 and the others maximised; `z` is the signed root of the ratio. The penalty always has
       the information of all terms. `standard_error` is from the information, for information.
    4. Statuses other than `event` are censored, as in `fit_cox`.

    Parameters
    ----------
    outcomes
        Times to an event, or periods; without case weights.
    covariates, confidence, strata, references, missing
        As in `fit_cox`.

    Returns
    -------
    ModelFit
        `log_likelihood`: penalised, with all coefficients 0, and fitted.

    Raises
    ------
    UsageError
        There are case weights, a participant has several events, or more rows than this is for;
        or as `fit_cox`.

    References
    ----------
    Firth (1993); Heinze and Schemper (2001).
    """
    check_confidence(confidence)
    model = _prepare(outcomes, covariates, strata, references, missing)
    if not model.events:
        return _result(model, confidence, tuple(strata), None, "no events")
    penalised = _Penalised.of(model)
    width = len(model.covariates.terms)
    start = np.zeros(width)
    if float(np.linalg.eigvalsh(penalised.look(start).information)[0]) < _FLAT * model.events:
        why = (
            f"no estimate: {', '.join(model.covariates.terms)} does not vary, or not apart from "
            "one another, among those at risk when events happen"
        )
        return _result(model, confidence, tuple(strata), None, why)
    best = _maximise(penalised, start, np.ones(width, dtype=np.bool_))
    if best is None:
        why = "no estimate: the penalised likelihood did not come to its maximum"
        return _result(model, confidence, tuple(strata), None, why)
    found = _profile(penalised, best, float(_special.chdtri(1, 1 - confidence)))
    return _result(model, confidence, tuple(strata), found, "")


@dataclass(frozen=True)
class _Look:
    """The penalised likelihood at some coefficients."""

    value: float
    gradient: Floats
    information: Floats


@dataclass(frozen=True)
class _Penalised:
    """What the likelihood needs: standardised columns, and who is at risk on each day of events."""

    columns: Floats
    spread: Floats
    at_risk: NDArray[np.bool_]
    events: Floats
    happened: Floats

    @classmethod
    def of(cls, model: ModelData) -> _Penalised:
        """Lay out a model's days of events; each stratum has its own."""
        data = model.data
        strata = np.zeros(data.stop.size, dtype=np.int64) if data.strata is None else data.strata
        event = data.event > 0
        keys = np.unique(np.column_stack((strata[event], data.stop[event])), axis=0)
        if keys.shape[0] * data.columns.size > _LARGEST:
            raise UsageError(
                f"{data.stop.size} rows with events on {keys.shape[0]} days are more than Firth's "
                "penalty is for; with so many fit_cox has next to no bias"
            )
        stratum, day = keys[:, :1], keys[:, 1:]
        at_risk = (strata == stratum) & (data.stop >= day)
        if data.start is not None:
            at_risk &= data.start < day
        now = at_risk & event & (data.stop == day)
        spread = data.columns.std(axis=0)
        columns = (data.columns - data.columns.mean(axis=0)) / spread
        return cls(
            columns, spread, at_risk, now.sum(axis=1).astype(float), now.sum(axis=0) @ columns
        )

    def look(self, coefficient: Floats) -> _Look:
        """Give the penalised log-likelihood, its gradient, and the information."""
        score = self.columns @ coefficient
        weight = np.where(self.at_risk, score, -np.inf)
        top = weight.max(axis=1, keepdims=True)
        weight = np.exp(weight - top)
        total = weight.sum(axis=1, keepdims=True)
        weight /= total
        mean = weight @ self.columns
        away = self.columns[None, :, :] - mean[:, None, :]
        weighted = away * (weight * self.events[:, None])[:, :, None]
        information: Floats = np.einsum("jia,jib->ab", weighted, away)
        sign, size = np.linalg.slogdet(information)
        if sign <= 0:
            return _Look(-np.inf, np.zeros_like(coefficient), information)
        plain = float(self.happened @ coefficient - self.events @ (top + np.log(total)).ravel())
        inverse: Floats = np.asarray(np.linalg.inv(information), dtype=np.float64)
        square = np.einsum("jia,ab,jib->ji", away, inverse, away)
        gradient = self.happened - self.events @ mean
        gradient = gradient + 0.5 * np.einsum("jia,ji->a", weighted, square)
        return _Look(plain + 0.5 * float(size), gradient, information)


@dataclass(frozen=True)
class _Found:
    """A fit, in the covariates' own units."""

    coefficient: Floats
    covariance: Floats
    low: Floats
    high: Floats
    ratios: Floats
    likelihoods: tuple[float, float]


def _prepare(
    outcomes: TimeToEvent | CountingProcess,
    covariates: Sequence[str],
    strata: Sequence[str],
    references: References | None,
    missing: Missing,
) -> ModelData:
    """Make the arrays of a model, and refuse what the penalty has no theory for."""
    if "case_weight" in outcomes.frame.columns:
        raise UsageError("Firth's penalty is not given with case weights; leave the weights out")
    events = outcomes.frame.filter(pl.col("status") == "event")
    if events["participant_id"].is_duplicated().any():
        raise UsageError(
            "a participant has several events, which are not independent; Firth's penalty has no "
            "robust variance: keep first events, or fit_cox with a cluster"
        )
    return prepare_model(
        outcomes,
        covariates=covariates,
        strata=strata,
        cluster=None,
        references=references,
        missing=missing,
    )


def _maximise(
    penalised: _Penalised, start: Floats, free: NDArray[np.bool_]
) -> tuple[Floats, _Look] | None:
    """Maximise over the free coefficients by Newton's steps, halved while they overshoot."""
    coefficient, look = start.copy(), penalised.look(start)
    if not free.any():
        return coefficient, look
    for _ in range(_STEPS):
        step = _step(penalised, coefficient, look, free)
        step *= min(1.0, _LONGEST / float(np.abs(step).max(initial=1e-300)))
        if float(np.abs(step).max()) < _SMALL:
            return coefficient, look
        for halving in range(40):
            tried = coefficient.copy()
            tried[free] += step / 2.0**halving
            there = penalised.look(tried)
            if there.value >= look.value - 1e-12 * abs(look.value):
                break
        else:
            return None
        coefficient, look = tried, there
    return None


def _step(
    penalised: _Penalised, coefficient: Floats, look: _Look, free: NDArray[np.bool_]
) -> Floats:
    """Give Newton's step, the curvature by differences; scoring's where it is not a maximum's.

    The information alone is not the curvature of the penalised likelihood: with one event scoring
    would swing about the maximum for ever.
    """
    places = np.flatnonzero(free)
    curvature = np.empty((places.size, places.size))
    for column, place in enumerate(places):
        nudge = np.zeros(coefficient.size)
        nudge[place] = _NEAR
        ahead, behind = penalised.look(coefficient + nudge), penalised.look(coefficient - nudge)
        curvature[:, column] = (behind.gradient - ahead.gradient)[free] / (2 * _NEAR)
    curvature = (curvature + curvature.T) / 2
    if not np.isfinite(curvature).all() or float(np.linalg.eigvalsh(curvature)[0]) <= 0:
        curvature = look.information[np.ix_(free, free)]
    return np.asarray(np.linalg.solve(curvature, look.gradient[free]), dtype=np.float64)


def _profile(penalised: _Penalised, best: tuple[Floats, _Look], quantile: float) -> _Found:
    """Find each coefficient's limits and likelihood ratio along its profile."""
    coefficient, look = best
    width = coefficient.size
    covariance = np.linalg.inv(look.information)
    error = np.sqrt(np.diag(covariance))
    low, high, ratios = np.empty(width), np.empty(width), np.empty(width)
    for k in range(width):
        loss = _loss_along(penalised, best, k)
        ratios[k] = loss(0.0)
        low[k] = _limit(loss, coefficient[k], -error[k], quantile)
        high[k] = _limit(loss, coefficient[k], error[k], quantile)
    null = penalised.look(np.zeros(width)).value
    shift = float(np.log(penalised.spread).sum())
    return _Found(
        coefficient=coefficient / penalised.spread,
        covariance=covariance / np.outer(penalised.spread, penalised.spread),
        low=low / penalised.spread,
        high=high / penalised.spread,
        ratios=ratios,
        likelihoods=(null + shift, look.value + shift),
    )


def _loss_along(
    penalised: _Penalised, best: tuple[Floats, _Look], k: int
) -> Callable[[float], float]:
    """Give twice the loss of the penalised likelihood with coefficient `k` held at a value."""
    coefficient, look = best
    free = np.arange(coefficient.size) != k
    last = coefficient.copy()

    def loss(value: float) -> float:
        nonlocal last
        start = last.copy()
        start[k] = value
        found = _maximise(penalised, start, free)
        if found is None:
            return float("nan")
        last = found[0]
        return 2 * (look.value - found[1].value)

    return loss


def _limit(loss: Callable[[float], float], centre: float, step: float, quantile: float) -> float:
    """Walk from the maximum until the loss exceeds the quantile, then find where it reaches it."""
    inner, outer = centre, centre + step
    for _ in range(_FARTHEST):
        there = loss(outer)
        if np.isnan(there):
            return float("nan")
        if there >= quantile:

            def beyond(value: float) -> float:
                return loss(value) - quantile

            return float(_optimize.brentq(beyond, inner, outer, xtol=1e-10))
        inner, outer = outer, outer + step
        step *= 1.3
    return float("nan")


def _result(
    model: ModelData,
    confidence: float,
    strata: tuple[str, ...],
    found: _Found | None,
    why: str,
) -> ModelFit:
    """Give the result; without estimates the reason."""
    terms = model.covariates.terms
    empty = np.full(len(terms), np.nan)
    coefficient = empty if found is None else found.coefficient
    covariance = np.diag(empty) if found is None else found.covariance
    table = tabulate_coefficients(
        terms, coefficient, np.sqrt(np.diag(covariance)), confidence=confidence
    )
    told = (
        "limits by the profile penalised likelihood, p by the penalised likelihood ratio",
        *model.notes,
    )
    if found is not None:
        ratios = np.maximum(found.ratios, 0.0)
        table = table.with_columns(
            pl.Series("low", np.exp(found.low)),
            pl.Series("high", np.exp(found.high)),
            pl.Series("z", np.sign(coefficient) * np.sqrt(ratios)),
            pl.Series("p_value", [chi_square_tail(float(ratio), 1) for ratio in ratios]),
        ).with_columns(pl.selectors.float().fill_nan(None))
    return ModelFit(
        method="Cox model with Firth's penalty",
        scale="hazard ratio",
        ties="breslow",
        variance="model-based",
        coefficients=table,
        covariance=covariance,
        n=model.n,
        events=model.events,
        confidence=confidence,
        log_likelihood=None if found is None else found.likelihoods,
        tests=None if found is None else _test(found),
        converged=found is not None,
        strata=strata,
        note="; ".join((why, *model.notes) if why else told),
    )


def _test(found: _Found) -> pl.DataFrame:
    """Test all coefficients together."""
    ratio = 2 * (found.likelihoods[1] - found.likelihoods[0])
    df = found.coefficient.size
    return pl.DataFrame(
        {
            "test": ["penalised likelihood ratio"],
            "statistic": [ratio],
            "df": [df],
            "p_value": [chi_square_tail(ratio, df)],
        }
    )
