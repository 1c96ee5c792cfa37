"""The proportion of participants with a response, and its interval."""

from __future__ import annotations

from math import sqrt
from typing import Literal, get_args

from stromal.analysis.distributions import (
    beta_quantile,
    beta_tail,
    binomial_mass,
    check_confidence,
    find_root,
    normal_quantile,
)
from stromal.analysis.estimate import Estimate
from stromal.core import UsageError

__all__ = ["ProportionInterval", "estimate_proportion"]

ProportionInterval = Literal["clopper-pearson", "wilson", "wald", "jeffreys", "mid-p"]

_NAMES = {
    "clopper-pearson": "Clopper-Pearson",
    "wilson": "Wilson",
    "wald": "Wald",
    "jeffreys": "Jeffreys",
    "mid-p": "mid-p",
}


def estimate_proportion(
    successes: int, n: int, *, interval: ProportionInterval, confidence: float
) -> Estimate:
    """Estimate a binomial proportion.

    1. The value is `successes / n`, its standard error sqrt(p (1 - p) / n).
    2. `clopper-pearson`: each limit leaves (1 - confidence) / 2 in the exact binomial tail; with
       no success the lower limit is 0, with n successes the upper limit is 1, and the other
       limit keeps its one tail.
    3. `wilson`: the proportions whose score test does not reject this one, without continuity
       correction.
    4. `wald`: p plus and minus the normal quantile times the standard error, cut to [0, 1]. With
       no success, or with n, it has no width, and the note says so.
    5. `jeffreys`: equal tails of the beta distribution with shapes `successes + 1/2` and
       `n - successes + 1/2`; with no success the lower limit is 0, with n successes the upper
       limit is 1, and the other limit keeps its one tail.
    6. `mid-p`: as Clopper-Pearson, but what was observed counts half in each tail. Coverage is
       near to what is named, not at least that.
    7. Without participants nothing is estimable, and the note says so.

    Parameters
    ----------
    successes, n
        Participants with the response, and participants in the analysis set.
    interval
        Construction of the interval. It has no default: the protocol names it.
    confidence
        Coverage, such as 0.95.

    Raises
    ------
    UsageError
        A count is not a whole number, is negative, or exceeds `n`; the interval or the confidence
        is not known.

    References
    ----------
    Clopper and Pearson (1934), Wilson (1927), Brown, Cai and DasGupta (2001), Lancaster (1961).

    Examples
    --------
    >>> e = estimate_proportion(2, 6, interval="clopper-pearson", confidence=0.95)
    >>> f"{100 * e.value:.1f} ({100 * e.low:.1f} to {100 * e.high:.1f})"
    '33.3 (4.3 to 77.7)'
    """
    _check(successes, n, interval)
    check_confidence(confidence)
    value = error = low = high = None
    note = "not estimable: no participants"
    if n > 0:
        value = successes / n
        error = sqrt(value * (1 - value) / n)
        low, high = _BOUNDS[interval](successes, n, confidence)
        degenerate = interval == "wald" and successes in {0, n}
        note = "the Wald interval has no width here and says nothing" if degenerate else ""
    return Estimate(
        method="proportion",
        value=value,
        standard_error=error,
        low=low,
        high=high,
        confidence=confidence,
        interval=_NAMES[interval],
        n=n,
        events=successes,
        note=note,
    )


def _check(successes: int, n: int, interval: str) -> None:
    """Refuse counts that cannot be."""
    if interval not in get_args(ProportionInterval):
        raise UsageError(f"interval {interval!r} is not known; choose one of {', '.join(_NAMES)}")
    if int(successes) != successes or int(n) != n or not 0 <= successes <= n:
        raise UsageError(
            f"{successes} of {n} is not a proportion of participants; "
            "give whole numbers, the first from 0 to the second"
        )


def _clopper_pearson(x: int, n: int, confidence: float) -> tuple[float, float]:
    tail = (1 - confidence) / 2
    low = 0.0 if x == 0 else beta_quantile(x, n - x + 1, tail)
    high = 1.0 if x == n else beta_quantile(x + 1, n - x, 1 - tail)
    return low, high


def _wilson(x: int, n: int, confidence: float) -> tuple[float, float]:
    p, z = x / n, normal_quantile(confidence)
    middle = p + z * z / (2 * n)
    half = z * sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    scale = 1 + z * z / n
    low = 0.0 if x == 0 else (middle - half) / scale
    high = 1.0 if x == n else (middle + half) / scale
    return low, high


def _wald(x: int, n: int, confidence: float) -> tuple[float, float]:
    p = x / n
    half = normal_quantile(confidence) * sqrt(p * (1 - p) / n)
    return max(0.0, p - half), min(1.0, p + half)


def _jeffreys(x: int, n: int, confidence: float) -> tuple[float, float]:
    tail = (1 - confidence) / 2
    low = 0.0 if x == 0 else beta_quantile(x + 0.5, n - x + 0.5, tail)
    high = 1.0 if x == n else beta_quantile(x + 0.5, n - x + 0.5, 1 - tail)
    return low, high


def _mid_p(x: int, n: int, confidence: float) -> tuple[float, float]:
    """Find where half of what was observed and all beyond it make up one tail."""
    tail = (1 - confidence) / 2
    low, high = 0.0, 1.0
    if x > 0:  # P(X >= x) - P(X = x) / 2 grows with p
        low = find_root(lambda p: _at_least(x, n, p) - binomial_mass(x, n, p) / 2 - tail, 0.0, 1.0)
    if x < n:  # P(X <= x) - P(X = x) / 2 falls with p
        high = find_root(
            lambda p: 1 - _at_least(x + 1, n, p) - binomial_mass(x, n, p) / 2 - tail, 0.0, 1.0
        )
    return low, high


def _at_least(x: int, n: int, p: float) -> float:
    """Give the probability of x successes or more of n."""
    return 1.0 if x == 0 else 1.0 - beta_tail(x, n - x + 1, p)


_BOUNDS = {
    "clopper-pearson": _clopper_pearson,
    "wilson": _wilson,
    "wald": _wald,
    "jeffreys": _jeffreys,
    "mid-p": _mid_p,
}
