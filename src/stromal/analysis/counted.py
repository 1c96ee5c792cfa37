"""Analyses of a proportion: intervals, tests, differences, a posterior, tipping points."""

from __future__ import annotations

import polars as pl

from stromal.analysis.analysed import Analysed, count_levels
from stromal.analysis.beta_binomial import estimate_posterior
from stromal.analysis.contingency import CountTest, compare_counts
from stromal.analysis.estimate import Comparison, Contrast
from stromal.analysis.proportion_difference import estimate_difference
from stromal.analysis.proportions import estimate_proportion
from stromal.analysis.results import Computed, Group, Shown
from stromal.analysis.timed import needs_groups
from stromal.analysis.tipping_point import find_tipping_point
from stromal.protocol.analyses import ProportionAnalysis

__all__ = ["compute_proportion"]

_TESTS: dict[str, CountTest] = {
    "fisher": "fisher",
    "boschloo": "boschloo",
    "barnard": "barnard",
    "chi-square": "chi-square",
    "chi-square with Yates": "chi-square yates",
}

Table = dict[str, list[int]]


def compute_proportion(found: Analysed, spec: ProportionAnalysis) -> Computed:
    """Estimate the proportion of each group, and compare."""
    groups = tuple(_group(group.id, group.label, group.rows, spec) for group in found.groups())
    reference = found.reference()
    table: Table = {
        group.label: [
            group.estimates[0].events or 0,
            group.n - (group.estimates[0].events or 0),
        ]
        for group in sorted(groups, key=lambda group: group.id == reference)
    }
    tests: tuple[Comparison, ...] = ()
    contrasts: tuple[Contrast, ...] = ()
    note = ""
    if spec.compare:
        needs_groups(found)
        tests = tuple(_compare_table(table, _TESTS[test]) for test in spec.compare)
    if spec.difference is not None and len(table) == 2:
        contrasts = (
            estimate_difference(table, interval=spec.difference, confidence=spec.confidence),
        )
    elif spec.difference is not None:
        note = f"A difference is between two groups; there are {len(table)}."
    if spec.tipping_point and len(table) > 2:
        note = f"{note} Tipping points are of one or two groups; there are {len(table)}.".strip()
    return Computed(groups, tests, contrasts, tables=_tipping(found, spec), note=note)


def _group(name: str, label: str, rows: pl.DataFrame, spec: ProportionAnalysis) -> Group:
    """Estimate the proportion of one group."""
    successes = int(rows["status"].is_in(spec.of).sum())
    n, confidence = rows.height, spec.confidence
    posterior = None
    if spec.prior is not None:
        prior = (spec.prior.responses, spec.prior.others)
        posterior = estimate_posterior(
            successes, n, prior=prior, confidence=confidence, above=spec.prior.above
        )
    estimate = estimate_proportion(successes, n, interval=spec.interval, confidence=confidence)
    return Group(name, label, n, count_levels(rows), estimates=(estimate,), posterior=posterior)


def _compare_table(table: Table, test: CountTest) -> Comparison:
    """Compare counts of groups; one group alone cannot be compared."""
    if len(table) < 2:
        empty = pl.DataFrame(schema={"group": pl.String, "n": pl.Int64, "events": pl.Int64})
        return Comparison(test, None, None, None, empty, "only one group has participants")
    return compare_counts(table, test=test)


def _tipping(found: Analysed, spec: ProportionAnalysis) -> tuple[Shown, ...]:
    """Try every result of those without one (see `tipping_point`)."""
    if not spec.tipping_point:
        return ()
    if len(found.groups()) > 2:
        return ()
    counted: dict[str, tuple[int, int, int]] = {}
    reference = found.reference()
    for group in sorted(found.groups(), key=lambda group: group.id == reference):
        names = found.missing.filter(pl.col("group") == group.id)["participant_id"]
        read = group.rows.filter(~pl.col("participant_id").is_in(names.implode()))
        successes = int(read["status"].is_in(spec.of).sum())
        counted[group.label] = (successes, read.height - successes, len(names))
    told = find_tipping_point(
        counted,
        test=_TESTS[spec.compare[0]] if len(counted) > 1 else None,
        interval=spec.interval,
        confidence=spec.confidence,
    )
    return (Shown("Every result of those without one", told.frame, told.said, "tipping point"),)
