"""Pointwise intervals for a probability that a curve estimates."""

from __future__ import annotations

from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from stromal.analysis.distributions import normal_quantile
from stromal.core import UsageError

__all__ = [
    "INCIDENCE_INTERVALS",
    "SURVIVAL_INTERVALS",
    "Floats",
    "IncidenceInterval",
    "SurvivalInterval",
    "bound_probability",
]

Floats: TypeAlias = NDArray[np.float64]
SurvivalInterval = Literal["plain", "log", "log-log", "logit", "arcsine"]
IncidenceInterval = Literal["linear", "log", "log-log", "complementary log-log", "logit", "arcsine"]

SURVIVAL_INTERVALS = ("plain", "log", "log-log", "logit", "arcsine")
INCIDENCE_INTERVALS = ("linear", "log", "log-log", "complementary log-log", "logit", "arcsine")

_ROUNDING = 1e-12  # an incidence adds up to 1 only to rounding; no step of a curve is this small


def bound_probability(
    estimate: Floats, standard_error: Floats, *, interval: str, confidence: float
) -> tuple[Floats, Floats]:
    """Give confidence limits of probabilities, by a normal interval on a transformed scale.

    The transformations of p, each with the delta method's standard error:

    1. `plain` (for an incidence: `linear`): p itself.
    2. `log`: log p.
    3. `log-log`: log(-log p), of a survival or of an incidence alike.
    4. `complementary log-log`: log(-log(1 - p)), of an incidence.
    5. `logit`: log(p / (1 - p)).
    6. `arcsine`: arcsin(sqrt p).

    Limits are cut to [0, 1]. At 0 only `plain` has limits, at 1 all have but `arcsine` and
    `complementary log-log`; they have no width where the standard error is 0. Otherwise the
    limits are NaN.

    Parameters
    ----------
    estimate, standard_error
        Arrays of one shape; a NaN in either gives NaN limits.
    interval
        One of the six names.
    confidence
        Coverage, such as 0.95.
    """
    z = normal_quantile(confidence)
    p = np.asarray(estimate, dtype=np.float64)
    p = np.where(np.abs(p - 1) < _ROUNDING, 1.0, p)
    width = z * np.asarray(standard_error, dtype=np.float64)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        low, high = _limits(p, width, interval)
    if interval in {"log-log", "logit"}:
        low, high = (np.where((p == 1) & (width == 0), 1.0, limit) for limit in (low, high))
    return np.clip(low, 0.0, 1.0), np.clip(high, 0.0, 1.0)


def _limits(p: Floats, width: Floats, interval: str) -> tuple[Floats, Floats]:
    """Transform, add and take away, transform back."""
    if interval in {"plain", "linear"}:
        return p - width, p + width
    if interval == "log":
        p = np.where(p > 0, p, np.nan)
        factor = np.exp(width / p)
        return p / factor, p * factor
    p = np.where((p > 0) & (p < 1), p, np.nan)
    if interval == "log-log":
        factor = np.exp(width / (p * -np.log(p)))
        return p**factor, p ** (1 / factor)
    if interval == "complementary log-log":
        q = 1 - p
        factor = np.exp(width / (q * -np.log(q)))
        return 1 - q ** (1 / factor), 1 - q**factor
    if interval == "logit":
        odds, factor = p / (1 - p), np.exp(width / (p * (1 - p)))
        return 1 / (1 + factor / odds), 1 / (1 + 1 / (factor * odds))
    if interval == "arcsine":
        angle, half = np.arcsin(np.sqrt(p)), width / (2 * np.sqrt(p * (1 - p)))
        low, high = np.maximum(angle - half, 0.0), np.minimum(angle + half, np.pi / 2)
        return np.sin(low) ** 2, np.sin(high) ** 2
    names = ", ".join(sorted({*SURVIVAL_INTERVALS, *INCIDENCE_INTERVALS}))
    raise UsageError(f"interval {interval!r} is not known; choose one of {names}")
