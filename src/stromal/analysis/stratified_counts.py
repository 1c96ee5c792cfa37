"""Two by two tables: the odds ratio of one, and of several strata together."""

from __future__ import annotations

import importlib
import math
from collections.abc import Mapping, Sequence
from typing import Any, cast

import numpy as np
import polars as pl

from stromal.analysis.distributions import check_confidence, chi_square_tail, normal_quantile
from stromal.analysis.estimate import Comparison, Contrast, Estimate
from stromal.analysis.intervals import Floats
from stromal.core import UsageError

__all__ = ["compare_stratified_counts", "estimate_common_odds_ratio", "estimate_odds_ratio"]

StrataCounts = Mapping[str, Mapping[str, Sequence[int]]]

_TEST = "Mantel-Haenszel test"


def compare_stratified_counts(counts: StrataCounts) -> Comparison:
    """Compare a yes-or-no response between two groups, within strata (Mantel-Haenszel).

    1. In each stratum with N participants the first group's responders are compared with what the
       margins expect, n1 m1 / N, and their hypergeometric variance n1 n2 m1 m2 / (N^2 (N - 1)).
    2. Chi-square, with one degree of freedom and no correction of continuity, is the squared sum
       of the differences over the sum of the variances.
    3. A stratum in which a margin is empty says nothing and adds nothing.

    Parameters
    ----------
    counts
        For each stratum, for each of the same two groups, those with and those without the
        response, such as `{"site A": {"msc": (7, 2), "control": (3, 9)}}`.

    Returns
    -------
    Comparison
        `groups` has `n`, `events` (with the response) and `expected`, over all strata.

    Raises
    ------
    UsageError
        The strata do not have the same two groups, or a count is negative or fractional.

    References
    ----------
    Mantel and Haenszel (1959).

    Examples
    --------
    >>> strata = {"young": {"msc": (7, 2), "control": (3, 9)}, "old": {"msc": (4, 4),
    ...     "control": (1, 7)}}
    >>> round(compare_stratified_counts(strata).statistic, 3)
    7.846
    """
    labels, tables = _tables(counts)
    used = tables[tables.sum(axis=(1, 2)) > 1]
    rows, columns, total = used.sum(axis=2), used.sum(axis=1), used.sum(axis=(1, 2))
    variance = float((rows.prod(axis=1) * columns.prod(axis=1) / (total**2 * (total - 1))).sum())
    whole = tables.sum(axis=0)
    size = np.maximum(tables.sum(axis=(1, 2)), 1)
    expected = (tables.sum(axis=2) * tables[:, :, 0].sum(axis=1)[:, None] / size[:, None]).sum(0)
    groups = pl.DataFrame(
        {
            "group": list(labels),
            "n": whole.sum(axis=1).astype(np.int64),
            "events": whole[:, 0].astype(np.int64),
            "expected": expected,
        }
    )
    if variance == 0:
        note = "not computable: in no stratum were both groups and both responses seen"
        return Comparison(_TEST, None, None, None, groups, note, ("stratum",))
    statistic = float((whole[0, 0] - expected[0]) ** 2 / variance)
    p_value = chi_square_tail(statistic, 1)
    return Comparison(_TEST, statistic, 1, p_value, groups, strata=("stratum",))


def estimate_common_odds_ratio(counts: StrataCounts, *, confidence: float) -> Contrast:
    """Estimate the odds ratio that strata have in common (Mantel-Haenszel).

    1. With a, b the first group's with and without the response, c, d the second's, and N the
       participants of a stratum, the ratio is the sum of a d / N over the sum of b c / N.
    2. The limits are normal on the logarithm, of which Robins, Breslow and Greenland's variance is
       used; `standard_error` is that of the logarithm.
    3. Where a sum is 0 the ratio is 0 or infinite: it is `None`, and the note says which.

    Parameters
    ----------
    counts
        As in `compare_stratified_counts`.
    confidence
        Coverage of the interval.

    Returns
    -------
    Contrast
        The first group's odds over the second's; `p_value` is the Mantel-Haenszel test's.

    Raises
    ------
    UsageError
        As in `compare_stratified_counts`.

    References
    ----------
    Mantel and Haenszel (1959); Robins, Breslow and Greenland (1986).
    """
    check_confidence(confidence)
    labels, tables = _tables(counts)
    test = compare_stratified_counts(counts)
    used = tables[tables.sum(axis=(1, 2)) > 0]
    total = used.sum(axis=(1, 2))
    for_it = used[:, 0, 0] * used[:, 1, 1] / total
    against = used[:, 0, 1] * used[:, 1, 0] / total
    numbers, note = _pooled(used, total, for_it, against, confidence)
    value, error, low, high = numbers
    estimate = Estimate(
        method="Mantel-Haenszel odds ratio",
        value=value,
        standard_error=error,
        low=low,
        high=high,
        confidence=confidence,
        interval="log",
        n=int(tables.sum()),
        events=int(tables[:, :, 0].sum()),
        variance="Robins-Breslow-Greenland",
        note=note,
    )
    return Contrast("common odds ratio", *labels, estimate, test.p_value, test.method)


def estimate_odds_ratio(counts: Mapping[str, Sequence[int]], *, confidence: float) -> Contrast:
    """Estimate the odds ratio of one two by two table, with its exact interval.

    1. Given both margins, the first cell has the noncentral hypergeometric distribution; the
       estimate is the ratio under which it is most probable (not a d / (b c)).
    2. The limits are those ratios under which a cell as extreme has the probability
       (1 - confidence) / 2 in either tail.
    3. Where the cell is as small or large as the margins allow the estimate and one limit are 0
       or infinite: infinite is `None`, which the note tells.

    Parameters
    ----------
    counts
        For each of two groups, those with and those without the response.
    confidence
        Coverage of the interval.

    Returns
    -------
    Contrast
        The first group's odds over the second's; `p_value` is Fisher's, two-sided, whose verdict
        may differ from the interval's in rare tables.

    Raises
    ------
    UsageError
        There are other than two groups, or a count is negative or fractional.

    References
    ----------
    Fisher (1935); Agresti (1992).
    """
    check_confidence(confidence)
    labels, tables = _tables({"all": counts})
    table = tables[0].astype(np.int64)
    note, value, low, high, p_value = "", None, None, None, None
    if (table.sum(axis=0) == 0).any() or (table.sum(axis=1) == 0).any():
        note = "not computable: a group or a response is empty"
    else:
        stats = cast("Any", importlib.import_module("scipy.stats"))
        found = stats.contingency.odds_ratio(table, kind="conditional")
        limits = found.confidence_interval(confidence_level=confidence)
        raw = (float(found.statistic), float(limits.low), float(limits.high))
        value, low, high = (x if math.isfinite(x) else None for x in raw)
        p_value = float(stats.fisher_exact(table)[1])
        if value is None or high is None:
            note = "the odds ratio has no upper limit: a cell is as large as the margins allow"
    estimate = Estimate(
        method="exact conditional odds ratio",
        value=value,
        standard_error=None,
        low=low,
        high=high,
        confidence=confidence,
        interval="exact conditional",
        n=int(table.sum()),
        events=int(table[:, 0].sum()),
        note=note,
    )
    return Contrast("odds ratio", *labels, estimate, p_value, "Fisher's exact test")


def _tables(counts: StrataCounts) -> tuple[tuple[str, str], Floats]:
    """Check the counts and set them out as strata by groups by responses."""
    groups = {tuple(table) for table in counts.values()}
    wide = {len(row) for table in counts.values() for row in table.values()}
    if len(groups) != 1 or wide != {2} or len(next(iter(groups))) != 2:
        raise UsageError(
            "each stratum needs the same two groups in the same order, each with two counts (with "
            f"and without the response); got {counts}"
        )
    tables = np.array([[list(row) for row in table.values()] for table in counts.values()], float)
    if not np.isfinite(tables).all() or (tables < 0).any() or (tables != np.floor(tables)).any():
        raise UsageError(f"counts are whole numbers from 0 on; got {counts}")
    first, second = next(iter(groups))
    return (first, second), tables


def _pooled(
    tables: Floats, total: Floats, for_it: Floats, against: Floats, confidence: float
) -> tuple[tuple[float | None, ...], str]:
    """Give ratio, standard error of its logarithm and limits, or why there are none."""
    r, s = float(for_it.sum()), float(against.sum())
    if r == 0 or s == 0:
        which = {(True, True): "not defined", (True, False): "0"}.get((r == 0, s == 0), "infinite")
        return (None,) * 4, f"not estimable: the common odds ratio is {which} here"
    same = (tables[:, 0, 0] + tables[:, 1, 1]) / total
    other = 1 - same
    variance = (
        (same * for_it).sum() / (2 * r**2)
        + (same * against + other * for_it).sum() / (2 * r * s)
        + (other * against).sum() / (2 * s**2)
    )
    center, error = math.log(r / s), math.sqrt(float(variance))
    half = normal_quantile(confidence) * error
    note = "the standard error is that of the logarithm of the ratio"
    return (r / s, error, math.exp(center - half), math.exp(center + half)), note
