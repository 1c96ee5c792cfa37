"""A chi-square test from observed and expected events and their covariance."""

from __future__ import annotations

import numpy as np
import polars as pl

from stromal.analysis.distributions import chi_square_tail
from stromal.analysis.estimate import Comparison
from stromal.analysis.intervals import Floats
from stromal.analysis.ordered import Grouped

__all__ = ["compare_scores"]

_ZERO = 1e-9  # of the largest: below it a variance or an eigenvalue is rounding


def compare_scores(
    method: str,
    grouped: Grouped,
    scores: tuple[Floats, Floats, Floats],
    *,
    strata: tuple[str, ...],
) -> Comparison:
    """Add the scores of the strata and test whether all groups are as expected.

    The statistic is the difference between observed and expected, squared in the inverse of its
    covariance. Its degrees of freedom are the rank of the covariance: groups less one, unless a
    group had left before the first event, or groups never share a stratum.

    Parameters
    ----------
    method
        Name of the test.
    grouped
        The participants compared.
    scores
        Observed, expected and covariance, by segment, as the kernels give them.
    strata
        Columns the segments stand for.
    """
    observed, expected = scores[0].sum(axis=0), scores[1].sum(axis=0)
    covariance = scores[2].sum(axis=0)
    labels = grouped.labels
    groups = pl.DataFrame(
        {
            "group": list(labels),
            "n": np.bincount(grouped.group, minlength=len(labels)),
            "events": observed.astype(np.int64),
            "expected": expected,
        },
        schema_overrides={"group": pl.String, "n": pl.Int64},
    )
    note = ""
    if len(labels) < 2:
        note = f"not computable: {len(labels)} group, two or more are compared"
    elif observed.sum() == 0:
        note = "not computable: no events"
    elif not np.isfinite(covariance).all():
        note = "not computable: the estimated covariance is not finite"
    elif covariance.diagonal().max() <= 0:
        note = "not computable: at no event were several groups at risk with events to spare"
    if note:
        return Comparison(method, None, None, None, groups, note, strata)
    statistic, df = _chi_square(observed - expected, covariance)
    if statistic is None:
        note = "not computable: the estimated covariance is not positive"
        return Comparison(method, None, None, None, groups, note, strata)
    if df < len(labels) - 1:
        note = (
            f"{df} instead of {len(labels) - 1} degrees of freedom: {_silent(labels, covariance)}"
        )
    return Comparison(method, statistic, df, chi_square_tail(statistic, df), groups, note, strata)


def _chi_square(difference: Floats, covariance: Floats) -> tuple[float | None, int]:
    """Give the quadratic form and the rank, by the eigenvalues of the correlation."""
    variance = covariance.diagonal()
    keep = variance > _ZERO * variance.max()
    scale = np.sqrt(variance[keep])
    values, vectors = np.linalg.eigh(covariance[np.ix_(keep, keep)] / np.outer(scale, scale))
    if values.min() < -_ZERO * values.max():
        return None, 0
    used = values > _ZERO * values.max()
    along = vectors[:, used].T @ (difference[keep] / scale)
    return float((along**2 / values[used]).sum()), int(used.sum())


def _silent(labels: tuple[str, ...], covariance: Floats) -> str:
    """Say which groups take no part in the comparison."""
    variance = covariance.diagonal()
    silent = [
        label for label, own in zip(labels, variance, strict=True) if own <= _ZERO * variance.max()
    ]
    if silent:
        return f"nobody was at risk at an event in {', '.join(silent)}"
    return "some groups never share a stratum"
