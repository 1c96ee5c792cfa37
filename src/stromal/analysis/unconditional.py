"""Unconditional exact tests of two proportions: Barnard's and Boschloo's."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from scipy import stats  # pyright: ignore[reportMissingTypeStubs]

from stromal.analysis.intervals import Floats
from stromal.core import UsageError

__all__ = ["barnard_two_sided", "boschloo_two_sided"]

_LARGEST = 4_000_000  # tables of two groups; 2000 participants in each
_GRID = 1024
_FINER = 33
_ROUNDS = 8
_SAME = 1e-10  # relative: tables this near to the one observed are as extreme

_Table = tuple[tuple[int, int], tuple[int, int]]
_Region = NDArray[np.bool_]
_stats = cast("Any", stats)


def barnard_two_sided(table: _Table) -> float:
    """Give Barnard's p: tables at least as far from equality by the pooled z statistic.

    Of all proportions that both groups may share, the one that makes such tables likeliest.
    """
    x1, n1, x2, n2 = _sizes(table)
    first, second = np.arange(n1 + 1)[:, None], np.arange(n2 + 1)[None, :]
    pooled = (first + second) / (n1 + n2)
    variance = pooled * (1 - pooled) * (1 / n1 + 1 / n2)
    far = np.abs(first / n1 - second / n2)
    z = np.divide(far, np.sqrt(variance), out=np.zeros_like(far), where=variance > 0)
    return _largest(z >= z[x1, x2] * (1 - _SAME), n1, n2)


def boschloo_two_sided(table: _Table) -> float:
    """Give Boschloo's p: twice the smaller one-sided p, at most 1.

    The one-sided p is the largest probability of tables whose one-sided Fisher p is at most the
    observed one.
    """
    x1, n1, x2, n2 = _sizes(table)
    first, second = np.arange(n1 + 1)[:, None], np.arange(n2 + 1)[None, :]
    drawn = first + second
    fewer: Floats = _stats.hypergeom.cdf(first, n1 + n2, drawn, n1)
    more: Floats = _stats.hypergeom.sf(first - 1, n1 + n2, drawn, n1)
    sides = [_largest(p <= p[x1, x2] * (1 + _SAME), n1, n2) for p in (fewer, more)]
    return min(1.0, 2 * min(sides))


def _sizes(table: _Table) -> tuple[int, int, int, int]:
    """Give successes and participants of both groups."""
    (x1, y1), (x2, y2) = table
    n1, n2 = x1 + y1, x2 + y2
    if (n1 + 1) * (n2 + 1) > _LARGEST:
        raise UsageError(
            f"groups of {n1} and {n2} have more than {_LARGEST} tables, too many for an "
            "unconditional exact test; use fisher or chi-square"
        )
    return x1, n1, x2, n2


def _largest(region: _Region, n1: int, n2: int) -> float:
    """Give the largest probability of a region of tables over the proportion both groups share.

    A grid, even on the scale of arcsin sqrt p, then finer grids around its three highest points.
    """
    grid = np.linspace(0.0, np.pi / 2, _GRID + 1)
    found = _probability(region, n1, n2, grid)
    best = float(found.max())
    for place in np.argsort(-found)[:3]:
        middle, step = float(grid[place]), float(grid[1])
        for _ in range(_ROUNDS):
            near = np.clip(np.linspace(middle - step, middle + step, _FINER), 0.0, np.pi / 2)
            high = _probability(region, n1, n2, near)
            middle, step = float(near[high.argmax()]), step * 4 / _FINER
            best = max(best, float(high.max()))
    return min(best, 1.0)


def _probability(region: _Region, n1: int, n2: int, angle: Floats) -> Floats:
    """Give the probability of a region at proportions sin^2 of the angles."""
    p = np.sin(angle) ** 2
    one: Floats = _stats.binom.pmf(np.arange(n1 + 1)[:, None], n1, p)
    two: Floats = _stats.binom.pmf(np.arange(n2 + 1)[:, None], n2, p)
    return (one * (region.astype(np.float64) @ two)).sum(axis=0)
