"""Posterior distributions of proportions, with the prior shown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

from scipy import integrate, special  # pyright: ignore[reportMissingTypeStubs]

from stromal.analysis.distributions import (
    beta_quantile,
    beta_tail,
    check_confidence,
    find_root,
)
from stromal.analysis.estimate import Contrast, Estimate
from stromal.analysis.proportion_difference import read_two_groups
from stromal.core import UsageError

__all__ = ["Posterior", "compare_posteriors", "estimate_posterior"]

_METHOD = "beta-binomial posterior"

_special = cast("Any", special)
_integrate = cast("Any", integrate)


@dataclass(frozen=True)
class Posterior(Estimate):
    """A posterior mean with its equal-tailed credible interval.

    Parameters
    ----------
    prior
        Shapes of the beta prior: as many responses and others as it is worth.
    above, probability_above
        The value asked about, and the posterior probability to exceed it.
    """

    prior: tuple[float, float] = (0.0, 0.0)
    above: float | None = None
    probability_above: float | None = None


def estimate_posterior(
    successes: int,
    n: int,
    *,
    prior: tuple[float, float],
    confidence: float,
    above: float | None = None,
) -> Posterior:
    """Estimate the posterior of a proportion.

    1. With a beta prior of shapes a and b the posterior is beta with shapes a + successes and
       b + n - successes.
    2. The value is its mean, the standard error its standard deviation, and the limits leave
       (1 - confidence) / 2 on either side.
    3. With `above` the posterior probability that the proportion exceeds it is given.
    4. Without participants the posterior is the prior, and the note says so. The note always names
       the prior.

    Parameters
    ----------
    successes, n
        Participants with the response, and participants in the analysis set.
    prior
        Shapes a and b, positive. They have no default: the protocol names and justifies them.
    confidence
        Posterior probability of the interval.
    above
        A proportion, such as the historical one.

    Raises
    ------
    UsageError
        The counts are impossible, a shape is not positive and finite, `above` is not a proportion.

    References
    ----------
    Gelman et al. (2013), chapter 2.

    Examples
    --------
    >>> e = estimate_posterior(7, 9, prior=(1, 1), confidence=0.95, above=0.5)
    >>> round(e.value, 4), round(e.low, 4), round(e.high, 4), round(e.probability_above, 4)
    (0.7273, 0.4439, 0.9333, 0.9453)
    """
    _check(successes, n, prior)
    check_confidence(confidence)
    if above is not None and not 0 <= above <= 1:
        raise UsageError(f"above is {above}; give a proportion from 0 to 1, such as 0.5")
    a, b = prior[0] + successes, prior[1] + n - successes
    tail = (1 - confidence) / 2
    probability = None if above is None else beta_tail(a, b, above)
    notes = ["" if n else "no participants: the posterior is the prior", _show(prior)]
    if probability is not None:
        notes.append(f"probability to exceed {above:g}: {probability:.3g}")
    return Posterior(
        method=_METHOD,
        value=a / (a + b),
        standard_error=_variance(a, b) ** 0.5,
        low=beta_quantile(a, b, tail),
        high=beta_quantile(a, b, 1 - tail),
        confidence=confidence,
        interval="equal-tailed credible",
        n=n,
        events=successes,
        note="; ".join(note for note in notes if note),
        prior=(float(prior[0]), float(prior[1])),
        above=above,
        probability_above=probability,
    )


def compare_posteriors(
    table: Mapping[str, Sequence[int]], *, prior: tuple[float, float], confidence: float
) -> Contrast:
    """Compare the posteriors of two proportions, the first less the second.

    1. Each group has its own posterior, from the same prior (`estimate_posterior`), independent of
       the other.
    2. The value is the difference of the means. The limits leave (1 - confidence) / 2 of the
       difference's distribution on either side; they and the probability that the first
       proportion exceeds the second (`probability_above`, with `above` 0) are found by numerical
       integration.

    Parameters
    ----------
    table
        For each of the two groups, participants with and without the response.
    prior
        Shapes of the beta prior of each.
    confidence
        Posterior probability of the interval.

    Returns
    -------
    Contrast
        `estimate` is a `Posterior`; there is no p value.

    Raises
    ------
    UsageError
        As in `estimate_posterior` and `estimate_difference`.
    """
    (first, second), (x1, n1, x2, n2) = read_two_groups(table)
    one = estimate_posterior(x1, n1, prior=prior, confidence=confidence)
    two = estimate_posterior(x2, n2, prior=prior, confidence=confidence)
    shapes = (prior[0] + x1, prior[1] + n1 - x1, prior[0] + x2, prior[1] + n2 - x2)
    tail = (1 - confidence) / 2
    low = find_root(lambda d: 1 - _exceeds(shapes, d) - tail, -1.0, 1.0)
    high = find_root(lambda d: _exceeds(shapes, d) - tail, -1.0, 1.0)
    probability = _exceeds(shapes, 0.0)
    said = f"probability that {first} exceeds {second}: {probability:.3g}"
    estimate = replace(
        one,
        value=(one.value or 0.0) - (two.value or 0.0),
        standard_error=(_variance(*shapes[:2]) + _variance(*shapes[2:])) ** 0.5,
        low=low,
        high=high,
        n=n1 + n2,
        events=x1 + x2,
        note=f"{_show(prior)} for each; {said}",
        above=0.0,
        probability_above=probability,
    )
    return Contrast("difference of posterior proportions", first, second, estimate)


def _check(successes: int, n: int, prior: tuple[float, float]) -> None:
    """Refuse counts and shapes that cannot be."""
    if int(successes) != successes or int(n) != n or not 0 <= successes <= n:
        raise UsageError(
            f"{successes} of {n} is not a proportion of participants; "
            "give whole numbers, the first from 0 to the second"
        )
    if len(prior) != 2 or not all(0 < shape < float("inf") for shape in prior):
        raise UsageError(
            f"the prior {prior} is not a pair of positive shapes; (1, 1) is uniform, (a, b) is "
            "worth a responses and b others"
        )


def _show(prior: tuple[float, float]) -> str:
    """Name the prior."""
    return f"prior beta({prior[0]:g}, {prior[1]:g})"


def _variance(a: float, b: float) -> float:
    return a * b / ((a + b) ** 2 * (a + b + 1))


def _exceeds(shapes: tuple[float, float, float, float], difference: float) -> float:
    """Give the probability that the first proportion exceeds the second by more than that.

    The first's tail is integrated over the quantiles of the second, so that no density is infinite.
    """
    a1, b1, a2, b2 = shapes

    def tail(u: float) -> float:
        beyond = float(_special.betaincinv(a2, b2, u)) + difference
        return 1.0 if beyond <= 0 else 0.0 if beyond >= 1 else beta_tail(a1, b1, beyond)

    kinks = [
        float(_special.betainc(a2, b2, at)) for at in (-difference, 1 - difference) if 0 < at < 1
    ]
    value, _ = _integrate.quad(
        tail, 0.0, 1.0, points=kinks or None, epsabs=1e-11, epsrel=1e-11, limit=500
    )
    return min(max(float(value), 0.0), 1.0)
