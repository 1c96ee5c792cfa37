"""The difference between two proportions, and its interval."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import acos, copysign, cos, hypot, inf, pi, sqrt
from typing import Literal, get_args

from stromal.analysis.distributions import check_confidence, find_root, normal_quantile
from stromal.analysis.estimate import Contrast, Estimate
from stromal.analysis.proportions import estimate_proportion
from stromal.core import UsageError

__all__ = ["DifferenceInterval", "estimate_difference", "read_two_groups"]

DifferenceInterval = Literal["miettinen-nurminen", "newcombe", "agresti-caffo", "wald"]

_NAMES = {
    "miettinen-nurminen": "Miettinen-Nurminen",
    "newcombe": "Newcombe",
    "agresti-caffo": "Agresti-Caffo",
    "wald": "Wald",
}
_BEYOND = 1e9  # stands for an infinite statistic while a root is searched

_Counts = tuple[int, int, int, int]  # successes and participants of the first, of the second


def estimate_difference(
    table: Mapping[str, Sequence[int]], *, interval: DifferenceInterval, confidence: float
) -> Contrast:
    """Estimate the difference between the proportions of two groups, the first less the second.

    1. The value is p1 - p2, its standard error sqrt(p1 (1 - p1) / n1 + p2 (1 - p2) / n2).
    2. `miettinen-nurminen`: all differences d that the score test does not reject. Its variance is
       p1 (1 - p1) / n1 + p2 (1 - p2) / n2 with the proportions that are likeliest of those that
       differ by d, times N / (N - 1).
    3. `newcombe`: from the limits l1, u1, l2, u2 of Wilson's intervals, without continuity
       correction: p1 - p2 - sqrt((p1 - l1)^2 + (u2 - p2)^2) and
       p1 - p2 + sqrt((u1 - p1)^2 + (p2 - l2)^2).
    4. `agresti-caffo`: Wald's interval after one success and one failure were added to each group;
       its middle is not the value.
    5. `wald`: the value plus and minus the normal quantile times the standard error. Where neither
       proportion lies between 0 and 1 it has no width, and the note says so.
    6. Limits are cut to [-1, 1]. Without participants in a group nothing is estimable.

    Parameters
    ----------
    table
        For each of the two groups, participants with and without the response.
    interval
        It has no default: the protocol names it.
    confidence
        Coverage, such as 0.95.

    Returns
    -------
    Contrast
        Without a p value: the protocol names the test (`compare_counts`).

    Raises
    ------
    UsageError
        There are not two groups with two counts each, a count is negative or fractional, or the
        interval or the confidence is not known.

    References
    ----------
    Miettinen and Nurminen (1985); Newcombe (1998); Agresti and Caffo (2000).

    Examples
    --------
    >>> table = {"msc": (56, 14), "control": (48, 32)}
    >>> e = estimate_difference(table, interval="newcombe", confidence=0.95).estimate
    >>> round(e.value, 4), round(e.low, 4), round(e.high, 4)
    (0.2, 0.0524, 0.3339)
    """
    if interval not in get_args(DifferenceInterval):
        raise UsageError(f"interval {interval!r} is not known; choose one of {', '.join(_NAMES)}")
    check_confidence(confidence)
    (first, second), counts = read_two_groups(table)
    x1, n1, x2, n2 = counts
    value = error = low = high = None
    note = "not estimable: a group has no participants"
    if n1 and n2:
        p1, p2 = x1 / n1, x2 / n2
        value = p1 - p2
        error = sqrt(p1 * (1 - p1) / n1 + p2 * (1 - p2) / n2)
        low, high = _BOUNDS[interval](counts, confidence)
        low, high = max(low, -1.0), min(high, 1.0)
        degenerate = interval == "wald" and error == 0
        note = "the Wald interval has no width here and says nothing" if degenerate else ""
    estimate = Estimate(
        method="difference of proportions",
        value=value,
        standard_error=error,
        low=low,
        high=high,
        confidence=confidence,
        interval=_NAMES[interval],
        n=n1 + n2,
        events=x1 + x2,
        note=note,
    )
    return Contrast("difference of proportions", first, second, estimate)


def read_two_groups(table: Mapping[str, Sequence[int]]) -> tuple[tuple[str, str], _Counts]:
    """Give the names of two groups, and of each its successes and participants.

    Raises
    ------
    UsageError
        There are not two groups with two counts each, or a count is negative or fractional.
    """
    if len(table) != 2 or any(len(row) != 2 for row in table.values()):
        raise UsageError(
            "two groups are expected, each with its participants with and without the response, "
            f"such as {{'msc': (5, 4), 'control': (2, 7)}}; got {dict(table)}"
        )
    if any(int(count) != count or count < 0 for row in table.values() for count in row):
        raise UsageError(f"counts are whole numbers from 0 on; got {dict(table)}")
    first, second = table
    (x1, y1), (x2, y2) = (map(int, table[name]) for name in (first, second))
    return (first, second), (x1, x1 + y1, x2, x2 + y2)


def _miettinen_nurminen(counts: _Counts, confidence: float) -> tuple[float, float]:
    x1, n1, x2, n2 = counts
    value, z = x1 / n1 - x2 / n2, normal_quantile(confidence)
    low, high = -1.0, 1.0
    if value > -1:
        low = find_root(lambda d: _score(counts, d) - z, -1.0, value)
    if value < 1:
        high = find_root(lambda d: _score(counts, d) + z, value, 1.0)
    return low, high


def _score(counts: _Counts, difference: float) -> float:
    """Give how many standard errors the observed difference lies above another."""
    x1, n1, x2, n2 = counts
    above = x1 / n1 - x2 / n2 - difference
    if above == 0:
        return 0.0
    p2 = _likeliest(counts, difference)
    p1 = min(max(p2 + difference, 0.0), 1.0)
    total = n1 + n2
    variance = (p1 * (1 - p1) / n1 + p2 * (1 - p2) / n2) * total / (total - 1)
    score = above / sqrt(variance) if variance > 0 else copysign(inf, above)
    return max(min(score, _BEYOND), -_BEYOND)


def _likeliest(counts: _Counts, d: float) -> float:
    """Give the second proportion of the likeliest pair that differs by d, a root of a cubic."""
    x1, n1, x2, n2 = counts
    total, successes = n1 + n2, x1 + x2
    b = ((n1 + 2 * n2) * d - total - successes) / (3 * total)
    c = ((n2 * d - total - 2 * x2) * d + successes) / total
    e = x2 * d * (1 - d) / total
    q = b**3 - b * c / 2 + e / 2
    r = copysign(sqrt(max(b * b - c / 3, 0.0)), q)
    angle = (pi + acos(max(-1.0, min(1.0, q / r**3)))) / 3 if r != 0 else 0.0
    return min(max(2 * r * cos(angle) - b, 0.0, -d), 1.0, 1.0 - d)


def _newcombe(counts: _Counts, confidence: float) -> tuple[float, float]:
    x1, n1, x2, n2 = counts
    p1, p2 = x1 / n1, x2 / n2
    one = estimate_proportion(x1, n1, interval="wilson", confidence=confidence)
    two = estimate_proportion(x2, n2, interval="wilson", confidence=confidence)
    l1, u1, l2, u2 = (limit or 0.0 for limit in (one.low, one.high, two.low, two.high))
    return p1 - p2 - hypot(p1 - l1, u2 - p2), p1 - p2 + hypot(u1 - p1, p2 - l2)


def _agresti_caffo(counts: _Counts, confidence: float) -> tuple[float, float]:
    x1, n1, x2, n2 = counts
    return _wald((x1 + 1, n1 + 2, x2 + 1, n2 + 2), confidence)


def _wald(counts: _Counts, confidence: float) -> tuple[float, float]:
    x1, n1, x2, n2 = counts
    p1, p2 = x1 / n1, x2 / n2
    half = normal_quantile(confidence) * sqrt(p1 * (1 - p1) / n1 + p2 * (1 - p2) / n2)
    return p1 - p2 - half, p1 - p2 + half


_BOUNDS = {
    "miettinen-nurminen": _miettinen_nurminen,
    "newcombe": _newcombe,
    "agresti-caffo": _agresti_caffo,
    "wald": _wald,
}
