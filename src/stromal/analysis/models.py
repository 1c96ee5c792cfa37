"""What a fitted model hands on: coefficients that name their method, ties and variance."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from stromal.analysis.distributions import chi_square_tail, normal_quantile
from stromal.analysis.intervals import Floats

__all__ = ["COEFFICIENT_COLUMNS", "ModelFit", "tabulate_coefficients"]

COEFFICIENT_COLUMNS = (
    "term",
    "coefficient",
    "standard_error",
    "ratio",
    "low",
    "high",
    "z",
    "p_value",
)


@dataclass(frozen=True)
class ModelFit:
    """A regression model fitted to times to an event, to counts or to proportions.

    Parameters
    ----------
    method
        The model, as `METHOD_SOURCES` names it.
    scale
        What `ratio` is: `hazard ratio`, `subdistribution hazard ratio`, `rate ratio`, `odds ratio`;
        `difference` where coefficients are not logarithms (`ratio` is then null and the limits are
        those of the coefficient).
    ties
        `efron`, `breslow` or `exact`; empty where the model has none.
    variance
        `model-based`, `robust (sandwich)`, ...
    coefficients
        One row a term: `COEFFICIENT_COLUMNS`. The limits are Wald's, of `ratio` on its log scale,
        unless `note` says otherwise. Null where it cannot be estimated.
    covariance
        Of the coefficients, in their order.
    n, events
        Participants (or rows: the note says so) and events used.
    confidence
        Coverage of the limits.
    log_likelihood
        Without covariates, and fitted; `None` where there is none.
    tests
        Tests of all coefficients together: `test`, `statistic`, `df`, `p_value`.
    converged
        Whether the fit came to its maximum.
    strata
        Columns it was stratified by.
    note
        What a reader must know.
    """

    method: str
    scale: str
    ties: str
    variance: str
    coefficients: pl.DataFrame
    covariance: Floats
    n: int
    events: int
    confidence: float
    log_likelihood: tuple[float, float] | None = None
    tests: pl.DataFrame | None = None
    converged: bool = True
    strata: tuple[str, ...] = ()
    note: str = ""


def tabulate_coefficients(
    terms: tuple[str, ...],
    coefficient: Floats,
    standard_error: Floats,
    *,
    confidence: float,
    logarithms: bool = True,
) -> pl.DataFrame:
    """Give the coefficients of a model with Wald's limits and tests; NaN becomes null.

    Parameters
    ----------
    terms, coefficient, standard_error
        One element a term.
    confidence
        Coverage of the limits.
    logarithms
        Whether the coefficients are logarithms of ratios: then the limits are those of the ratio.
    """
    half = normal_quantile(confidence) * standard_error
    low, high = coefficient - half, coefficient + half
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        z = coefficient / standard_error
        if logarithms:
            low, high = np.exp(low), np.exp(high)
        ratio = np.exp(coefficient) if logarithms else np.full(coefficient.size, np.nan)
    columns = (coefficient, standard_error, ratio, low, high, z)
    p = [chi_square_tail(float(value) ** 2, 1) for value in z]
    named = dict(zip(COEFFICIENT_COLUMNS[1:], (*columns, p), strict=True))
    frame = pl.DataFrame({"term": list(terms), **named}, schema_overrides={"term": pl.String})
    return frame.with_columns(pl.selectors.float().fill_nan(None))
