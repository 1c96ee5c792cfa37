"""Exact probabilities of the binomial and of Fisher's test, for whole tables of results."""

from __future__ import annotations

from typing import Any, Literal, TypeAlias, cast

import numpy as np
from numpy.typing import NDArray
from scipy import special, stats  # pyright: ignore[reportMissingTypeStubs]

__all__ = [
    "TIE",
    "Floats",
    "Side",
    "binomial_and_score",
    "binomial_p_values",
    "fisher_p_values",
]

Floats: TypeAlias = NDArray[np.float64]
Side = Literal["greater", "less", "two-sided"]

TIE = 1e-10
"""Relative: two probabilities this close are equal but for rounding."""

_special = cast("Any", special)
_stats = cast("Any", stats)


def binomial_p_values(n: int, p0: float, side: Side) -> Floats:
    """Give the p value of 0 to n successes against p0; see `stromal.design.decision.p_values`."""
    successes = np.arange(n + 1)
    above: Floats = _stats.binom.sf(successes - 1, n, p0)
    below: Floats = _stats.binom.cdf(successes, n, p0)
    return _of_side(above, below, np.minimum(1.0, 2 * np.minimum(above, below)), side)


def _of_side(above: Floats, below: Floats, both: Floats, side: Side) -> Floats:
    return {"greater": above, "less": below, "two-sided": both}[side]


def fisher_p_values(n: int, control_n: int, side: Side) -> Floats:
    """Give the p value of every table with these arms; see `stromal.design.decision.p_values`."""
    everyone = n + control_n
    succeeded = np.arange(everyone + 1)[:, None]
    chances: Floats = _stats.hypergeom.pmf(np.arange(n + 1), everyone, succeeded, n)
    if side == "greater":
        by_margin = np.cumsum(chances[:, ::-1], axis=1)[:, ::-1]
    elif side == "less":
        by_margin = np.cumsum(chances, axis=1)
    else:
        by_margin = np.array([_no_more_probable(row) for row in chances])
    events = np.arange(n + 1)[:, None]
    return np.minimum(1.0, by_margin[events + np.arange(control_n + 1), events])


def _no_more_probable(chances: Floats) -> Floats:
    """For each outcome the probability of all that are no more probable."""
    ordered = np.sort(chances)
    reached = np.searchsorted(ordered, chances * (1 + TIE), side="right")
    return np.concatenate([[0.0], np.cumsum(ordered)])[reached]


def binomial_and_score(n: int, rates: Floats) -> tuple[Floats, Floats]:
    """Give the probabilities of 0 to n at each rate, and those times the standardised score."""
    events = np.arange(n + 1)
    q = rates[:, None]
    ways = _special.gammaln(n + 1) - _special.gammaln(events + 1) - _special.gammaln(n - events + 1)
    log_chance = ways + _special.xlogy(events, q) + _special.xlog1py(n - events, -q)
    chance: Floats = np.exp(log_chance)
    width = np.sqrt(q * (1 - q))
    inside = width > 0
    score = np.where(inside, chance * (events - n * q) / np.where(inside, width, 1.0), 0.0)
    return chance, score
