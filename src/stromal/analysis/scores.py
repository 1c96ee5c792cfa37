"""A chi-square test from observed and expected events and their covariance."""

from __future__ import annotations

import numpy as np
import polars as pl

from stromal.analysis.distributions import chi_square_tail
from stromal.analysis.estimate import Comparison
from stromal.analysis.intervals import Floats
from stromal.analysis.ordered import Grouped
from stromal.analysis.score_kernels import solve_scores
from stromal.analysis.survival_kernels import EVENT

__all__ = ["compare_scores"]

_ZERO = 1e-9  # of the largest: below it a variance or an eigenvalue is rounding


def compare_scores(
    method: str,
    grouped: Grouped,
    scores: tuple[Floats, Floats, Floats],
    *,
    strata: tuple[str, ...],
    weight: str = "",
) -> Comparison:
    """Test whether all groups are as expected.

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
        Observed, expected and covariance, the strata added.
    strata
        Columns the segments stand for.
    weight
        How days are weighted, for the note; empty where all count the same.
    """
    observed, expected, covariance = scores
    labels = grouped.labels
    events = np.bincount(grouped.group, grouped.status == EVENT, len(labels)).astype(np.int64)
    columns = {
        "group": list(labels),
        "n": np.bincount(grouped.group, minlength=len(labels)),
        "events": events,
        **({"observed": observed} if weight else {}),
        "expected": expected,
    }
    schema = {"group": pl.String, "n": pl.Int64, "events": pl.Int64}
    groups = pl.DataFrame(columns, schema_overrides=schema)
    chi_square, rank = solve_scores((observed - expected)[None], covariance[None])
    statistic, df = float(chi_square[0]), int(rank[0])
    notes = [weight] if weight else []
    why = _why_not(len(labels), int(events.sum()), df)
    if why:
        note = "; ".join([*notes, why])
        return Comparison(method, None, None, None, groups, note, strata)
    if df < len(labels) - 1:
        silent = _silent(labels, covariance)
        notes.append(f"{df} instead of {len(labels) - 1} degrees of freedom: {silent}")
    p_value = chi_square_tail(statistic, df)
    return Comparison(method, statistic, df, p_value, groups, "; ".join(notes), strata)


def _why_not(groups: int, events: int, df: int) -> str:
    """Say why no test can be computed."""
    if groups < 2:
        return f"not computable: {groups} group, two or more are compared"
    if events == 0:
        return "not computable: no events"
    reasons = {
        -1: "the estimated scores, or their covariance, are not finite",
        0: "at no event were several groups at risk with events to spare",
        -2: "the estimated covariance is not positive",
    }
    return f"not computable: {reasons[df]}" if df in reasons else ""


def _silent(labels: tuple[str, ...], covariance: Floats) -> str:
    """Say which groups take no part in the comparison."""
    variance = covariance.diagonal()
    silent = [
        label for label, own in zip(labels, variance, strict=True) if own <= _ZERO * variance.max()
    ]
    if silent:
        return f"nobody was at risk at an event in {', '.join(silent)}"
    return "some groups never share a stratum"
