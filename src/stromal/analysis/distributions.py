"""What analysis takes from scipy, typed and in one place."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, special, stats  # pyright: ignore[reportMissingTypeStubs]

from stromal.core import UsageError

__all__ = [
    "beta_quantile",
    "beta_quantiles",
    "beta_tail",
    "binomial_mass",
    "binomial_two_sided",
    "check_confidence",
    "chi_square_tail",
    "find_root",
    "fisher_two_sided",
    "gamma_quantile",
    "normal_quantile",
]

_special = cast("Any", special)
_stats = cast("Any", stats)
_optimize = cast("Any", optimize)


def check_confidence(confidence: float) -> float:
    """Refuse a confidence that is not strictly between 0 and 1.

    Raises
    ------
    UsageError
        The confidence is 0, 1, outside, or was given in per cent.
    """
    if not 0 < confidence < 1:
        raise UsageError(
            f"confidence is {confidence}; a number between 0 and 1 is expected, such as 0.95"
        )
    return confidence


def normal_quantile(confidence: float) -> float:
    """Give the two-sided quantile of the normal distribution, 1.96 for 0.95."""
    return float(_special.ndtri((1 + check_confidence(confidence)) / 2))


def beta_quantile(a: float, b: float, probability: float) -> float:
    """Give the quantile of the beta distribution with shapes a and b."""
    return float(_special.betaincinv(a, b, probability))


def beta_quantiles(
    a: NDArray[np.float64], b: NDArray[np.float64], probability: float
) -> NDArray[np.float64]:
    """Give the quantile of each of several beta distributions."""
    return np.asarray(_special.betaincinv(a, b, probability), dtype=np.float64)


def beta_tail(a: float, b: float, value: float) -> float:
    """Give the probability that the beta distribution with shapes a and b exceeds `value`."""
    return float(_special.betainc(b, a, 1 - value))


def binomial_mass(x: int, n: int, p: float) -> float:
    """Give the probability of x successes of n."""
    return float(_stats.binom.pmf(x, n, p))


def binomial_two_sided(x: int, n: int, p: float) -> float:
    """Give the two-sided p of the binomial test: all counts no more probable than this one."""
    return float(_stats.binomtest(x, n, p).pvalue)


def find_root(function: Callable[[float], float], low: float, high: float) -> float:
    """Find where a function crosses 0 between two places where its signs differ, to rounding."""
    return float(_optimize.brentq(function, low, high, xtol=1e-15, rtol=1e-15))


def chi_square_tail(statistic: float, df: int) -> float:
    """Give the probability that chi-square with `df` degrees of freedom exceeds `statistic`."""
    return float(_special.chdtrc(df, statistic))


def gamma_quantile(shape: float, probability: float) -> float:
    """Give the quantile of the gamma distribution of that shape and scale 1."""
    return float(_special.gammaincinv(shape, probability))


def fisher_two_sided(table: tuple[tuple[int, int], tuple[int, int]]) -> float:
    """Give the two-sided p of Fisher's exact test: all tables no more probable than this one."""
    return float(_stats.fisher_exact(table)[1])
