"""Counts compared between groups: exact tests and chi-square."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
import polars as pl

from stromal.analysis.distributions import chi_square_tail, fisher_two_sided
from stromal.analysis.estimate import Comparison
from stromal.analysis.intervals import Floats
from stromal.analysis.unconditional import barnard_two_sided, boschloo_two_sided
from stromal.core import UsageError

__all__ = ["CountTest", "compare_counts"]

CountTest = Literal["fisher", "boschloo", "barnard", "chi-square", "chi-square yates"]

_NAMES = {
    "fisher": "Fisher's exact test",
    "boschloo": "Boschloo's test",
    "barnard": "Barnard's test",
    "chi-square": "chi-square test",
    "chi-square yates": "chi-square test with Yates's correction",
}
_EXACT = {
    "fisher": (fisher_two_sided, ""),
    "boschloo": (boschloo_two_sided, "two-sided: twice the smaller one-sided p"),
    "barnard": (barnard_two_sided, "two-sided: by the size of the pooled z statistic"),
}


def compare_counts(counts: Mapping[str, Sequence[int]], *, test: CountTest) -> Comparison:
    """Compare how participants spread over categories between groups.

    1. `fisher`, two-sided, for two groups and two categories: the probability, with both margins
       fixed, of all tables that are no more probable than the one observed.
    2. `barnard` and `boschloo`, for two by two: only the sizes of the groups are fixed; p is the
       largest probability, over the proportion both groups may share, of tables as extreme as the
       observed one. Barnard's test orders tables by the size of the pooled z statistic;
       Boschloo's by the one-sided p of Fisher's test, and takes twice the smaller one-sided p.
    3. `chi-square`: the sum of (observed - expected)^2 / expected over the cells, with
       (groups - 1)(categories - 1) degrees of freedom; any number of groups and categories.
    4. `chi-square yates`, for two by two: each |observed - expected| less one half, or less
       itself where it is smaller.
    5. A group without participants, or a category that nobody or everybody is in, leaves nothing
       to compare: the p value is `None` and the note says why. Where chi-square expects fewer
       than 5 in a cell the note says so.

    Parameters
    ----------
    counts
        For each group its participants in each category, such as `{"msc": (2, 7), "control":
        (1, 8)}`; the first category is reported as `events`.
    test
        It has no default: the protocol names it.

    Raises
    ------
    UsageError
        The table is ragged, has fewer than two groups or categories, holds a negative or
        fractional count, or is larger than the test serves.

    References
    ----------
    Fisher (1935); Barnard (1947); Boschloo (1970); Pearson (1900); Yates (1934).

    Examples
    --------
    >>> responders = {"CR1": (2, 0), "other": (0, 4)}
    >>> round(compare_counts(responders, test="fisher").p_value, 6)
    0.066667
    """
    table = _table(counts, test)
    reason = _empty_margin(table, tuple(counts))
    statistic = df = p_value = None
    if reason == "" and test in _EXACT:
        (a, b), (c, d) = ((int(x) for x in row) for row in table)
        find_p, reason = _EXACT[test]
        p_value = find_p(((a, b), (c, d)))
    elif reason == "":
        expected = np.outer(table.sum(axis=1), table.sum(axis=0)) / table.sum()
        statistic = _chi_square(table, expected, yates=test == "chi-square yates")
        df = (table.shape[0] - 1) * (table.shape[1] - 1)
        p_value = chi_square_tail(statistic, df)
        reason = _sparse(expected)
    groups = pl.DataFrame(
        {
            "group": list(counts),
            "n": table.sum(axis=1).astype(np.int64),
            "events": table[:, 0].astype(np.int64),
        },
        schema_overrides={"group": pl.String},
    )
    return Comparison(_NAMES[test], statistic, df, p_value, groups, reason)


def _table(counts: Mapping[str, Sequence[int]], test: str) -> Floats:
    """Check the counts and set them out as groups by categories."""
    if test not in _NAMES:
        raise UsageError(f"test {test!r} is not known; choose one of {', '.join(_NAMES)}")
    widths = {len(row) for row in counts.values()}
    if len(counts) < 2 or len(widths) != 1 or widths.pop() < 2:
        raise UsageError(
            "a table of counts needs two or more groups with the same two or more categories; "
            f"got {dict(counts)}"
        )
    table = np.array(list(counts.values()), dtype=np.float64)
    if (table < 0).any() or (table != np.floor(table)).any():
        raise UsageError(f"counts are whole numbers from 0 on; got {dict(counts)}")
    if test != "chi-square" and table.shape != (2, 2):
        raise UsageError(
            f"{_NAMES[test]} compares two groups in two categories, this table is "
            f"{table.shape[0]} by {table.shape[1]}; use chi-square or join categories"
        )
    return table


def _empty_margin(table: Floats, groups: tuple[str, ...]) -> str:
    """Say which margin is empty, if one is."""
    empty = [group for group, n in zip(groups, table.sum(axis=1), strict=True) if n == 0]
    if empty:
        return f"not computable: no participants in {', '.join(empty)}"
    if (table.sum(axis=0) == 0).any():
        return "not computable: a category is empty in every group, so there is nothing to compare"
    return ""


def _chi_square(table: Floats, expected: Floats, *, yates: bool) -> float:
    difference = np.abs(table - expected)
    if yates:
        difference -= np.minimum(0.5, difference)
    return float((difference**2 / expected).sum())


def _sparse(expected: Floats) -> str:
    """Warn where the chi-square distribution approximates poorly."""
    if (expected < 5).any():
        return f"chi-square is approximate here: {expected.min():.1f} expected in a cell"
    return ""
