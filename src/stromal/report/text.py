"""Results in words: one cell, one sentence, one row."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import polars as pl

from stromal.analysis.estimate import Comparison, Contrast, Estimate
from stromal.analysis.models import ModelFit
from stromal.analysis.rates import Rate, TimeInState
from stromal.analysis.results import Adjusted, Computed, Group, Result, Results
from stromal.report.labels import with_labels
from stromal.report.measures import (
    Scale,
    as_limits,
    as_value,
    as_value_with_error,
    scale_of,
    scale_of_contrast,
)
from stromal.report.numbers import (
    DASH,
    as_cells,
    as_day,
    as_duration,
    as_median,
    as_number,
    as_p,
    as_percent,
    as_range,
)
from stromal.report.words import humanise, sentence

__all__ = [
    "BOUNDS",
    "UNTESTED",
    "describe_adjusted",
    "describe_comparison",
    "describe_contrast",
    "describe_estimate",
    "describe_group",
    "describe_headline",
    "describe_mean",
    "describe_median",
    "describe_posterior",
    "describe_rate",
    "describe_row",
    "describe_summary",
    "describe_terms",
    "describe_time_in_state",
    "has_interval",
    "is_of_cells",
    "result_rows",
    "terms_of",
]


BOUNDS = {"low": "earliest days", "high": "latest days"}
"""The bounds of the days of a time to event, in words."""
UNTESTED = (
    "Subgroups describe. Nothing is tested here: that one has a larger number than another is no "
    "evidence that they differ."
)
"""What stands with subgroups."""


def describe_estimate(estimate: Estimate, n: int) -> str:
    """Say an estimate with its count or error, without its interval.

    A proportion is given as its count, a point of a curve with its standard error.
    """
    if estimate.value is None:
        return "not shown" if not estimate.note else estimate.note
    if estimate.day is None:
        counted = "" if estimate.events is None else f"{estimate.events} of {n}, "
        return f"{counted}{as_value(estimate.value, scale_of(estimate))}"
    return as_value_with_error(estimate.value, estimate.standard_error or None, scale_of(estimate))


def has_interval(estimate: Estimate) -> bool:
    """Whether an estimate has an interval with a width: one of width zero says nothing."""
    known = estimate.low is not None or estimate.high is not None
    return known and estimate.low != estimate.high


def describe_group(result: Result, group: Group, unit: str = "") -> str:
    """Say a group's numbers in one line, intervals included."""
    parts = [_reading(estimate, group.n) for estimate in group.estimates]
    if group.summary is not None:
        parts.append(describe_summary(result, group, unit))
    if group.rate is not None:
        parts.append(describe_rate(group.rate))
    if group.time_in_state is not None:
        parts.append(describe_time_in_state(group.time_in_state))
    if group.mean is not None:
        parts.append(describe_mean(group.mean))
    if group.posterior is not None:
        parts.append(describe_posterior(group.posterior))
    if group.median is not None and group.median.value is not None:
        parts.append(describe_median(group.median))
    return "; ".join(parts) or DASH


def is_of_cells(result: Result, group: Group) -> bool:
    """Whether a summary is of cells per kg: such numbers are printed in millions."""
    summary = group.summary
    largest = None if summary is None else summary.high or summary.median or summary.mean
    return result.kind == "summary" and not result.endpoint and (largest or 0) >= 1e5


def describe_summary(result: Result, group: Group, unit: str = "") -> str:
    """Say a summary: median with its range, quartiles of more than four numbers, the mean.

    Days of three months and more are given in months too (of 30.4375 days). The mean of
    numbers from a whole one to a whole one has one decimal.
    """
    summary = group.summary
    if summary is None:
        return DASH
    cells = is_of_cells(result, group)
    shown = as_cells if cells else as_number
    parts: list[str] = []
    if summary.median is not None or summary.low is not None:
        bounds = ""
        if summary.low is not None and summary.low != summary.high:
            bounds = f" ({shown(summary.low)} to {shown(summary.high)})"
        said = f"median {shown(summary.median)}{bounds}" if summary.median is not None else (
            f"range{bounds}".replace("(", "").replace(")", "")
        )  # fmt: skip
        parts.append(said + (f" {unit}" if unit else ""))
        if unit == "days" and (summary.median or 0) >= 92:
            median, low, high = (
                None if days is None else days / 30.4375
                for days in (summary.median, summary.low, summary.high)
            )
            parts.append(f"{as_median(median, low, high)} months")
    if summary.lower_quartile is not None and len(group.values) not in {1, 2, 3, 4}:
        low, high = shown(summary.lower_quartile), shown(summary.upper_quartile)
        parts.append(f"quartiles {low} and {high}")
    if 1 < len(group.values) <= 6 and not cells:
        parts.append("values " + ", ".join(as_number(value) for value in group.values))
    if summary.mean is not None and summary.low != summary.high:
        whole = all(end is not None and end == int(end) for end in (summary.low, summary.high))
        counted = whole and not cells
        parts.append(f"mean {summary.mean:.1f}" if counted else f"mean {shown(summary.mean)}")
    if summary.missing:
        parts.append(f"{summary.missing} not recorded")
    return ", ".join(parts) or DASH


def describe_rate(rate: Rate) -> str:
    """Say a rate with its interval, its events and the exposure, and what the interval ignores."""
    if rate.value is None:
        return rate.note or "not shown"
    said = f"{as_number(rate.value)} per {rate.per} days"
    if rate.low is not None and rate.high is not None:
        said += (
            f" ({as_number(rate.low)} to {as_number(rate.high)}; {100 * (rate.confidence or 0):g}"
            f"\u00a0% interval, {rate.interval})"
        )
    if rate.events is not None and rate.exposure_days is not None:
        said += f": {rate.events} in {rate.exposure_days} observed days"
    return said + (f"; {rate.note}" if rate.note else "")


def describe_time_in_state(time: TimeInState) -> str:
    """Say the days of a group in a state, of those of which it is known."""
    if not time.known_days:
        return "of no day is it known whether the state held"
    share = as_percent(time.days / time.known_days)
    return (
        f"together {time.days} of {time.known_days} known days ({share}), days {time.first} to "
        f"{time.last}"
    )


def describe_mean(mean: Estimate) -> str:
    """Say a restricted mean, or a mean time in a state, with its interval in days."""
    until = "" if mean.day is None else f" up to {as_duration(mean.day)}"
    if mean.value is None:
        return f"mean{until} {mean.note or 'not shown'}"
    said = f"mean {as_value(mean.value, 'days')}{until}"
    if not has_interval(mean):
        return said
    return f"{said} ({as_limits(mean.low, mean.high, 'days')}; {mean.interval_text})"


def describe_posterior(posterior: Estimate) -> str:
    """Say a posterior mean with its interval and its prior."""
    said = f"posterior mean {as_percent(posterior.value)}"
    if has_interval(posterior):
        said += (
            f" ({as_limits(posterior.low, posterior.high, 'percent')}, "
            f"{100 * posterior.confidence:g}\u00a0% {posterior.interval} interval)"
        )
    return said + (f"; {posterior.note}" if posterior.note else "")


def describe_contrast(contrast: Contrast) -> str:
    """Say a difference or a ratio with its interval and its test."""
    estimate, scale = contrast.estimate, scale_of_contrast(contrast)
    sign = "/" if scale == "ratio" else "−"
    after = "" if estimate.day is None else f", {as_duration(estimate.day)}"
    said = f"{sentence(contrast.measure)}{after} ({contrast.first} {sign} {contrast.second}): "
    if estimate.value is None:
        return said + (estimate.note or "not shown")
    said += as_value(estimate.value, scale)
    if has_interval(estimate):
        said += f" ({as_limits(estimate.low, estimate.high, scale)}; {estimate.interval_text})"
    if contrast.p_value is not None:
        said += f", {as_p(contrast.p_value)}" + (f" ({contrast.test})" if contrast.test else "")
    return said


def describe_terms(model: ModelFit, *, tested: bool = True) -> list[tuple[str, str]]:
    """Say each term of a model with its interval and, unless it is not tested, its p."""
    told: list[tuple[str, str]] = []
    for row in terms_of(model).iter_rows(named=True):
        value = row["coefficient"] if model.scale == "difference" else row["ratio"]
        if value is None:
            told.append((row["term"], f"{model.scale} not estimable"))
            continue
        scale: Scale = "number" if model.scale == "difference" else "ratio"
        said = f"{model.scale} {as_value(value, scale)}"
        if row["low"] is not None or row["high"] is not None:
            said += (
                f" ({as_limits(row['low'], row['high'], scale)}; "
                f"{100 * model.confidence:g}\u00a0% interval)"
            )
        told.append((row["term"], f"{said}, {as_p(row['p_value'])}" if tested else said))
    return told


def terms_of(model: ModelFit) -> pl.DataFrame:
    """Give the coefficients of a model that compare something: the intercept does not."""
    return model.coefficients.filter(pl.col("term") != "intercept")


def describe_adjusted(adjusted: Adjusted) -> str:
    """Say a test among those that share an error rate."""
    if adjusted.adjusted is None:
        why = "not computable" if adjusted.p_value is None else "not reached"
        return f"{adjusted.test}: {as_p(adjusted.p_value)}, adjusted: {why}"
    verdict = "at most alpha" if adjusted.significant else "above alpha"
    said = as_p(adjusted.adjusted)
    return f"{adjusted.test}: {as_p(adjusted.p_value)}, adjusted {said} ({verdict})"


def describe_median(median: Estimate) -> str:
    """Say a median time with its interval in days."""
    said = f"median {as_day(median.value)}"
    if median.low is None and median.high is None:
        return said
    high = "not reached" if median.high is None else as_number(median.high)
    return f"{said} ({as_number(median.low)} to {high})"


def describe_comparison(comparison: Comparison) -> str:
    """Say a test with its p value, such as `Fisher's exact test: p = 0.067`."""
    said = f"{sentence(comparison.method)}: {as_p(comparison.p_value)}"
    if comparison.statistic is not None and comparison.df is not None:
        said += f" (chi-square {as_number(comparison.statistic)} on {comparison.df} df)"
    elif comparison.statistic is not None:
        what = "largest |Z|" if comparison.method == "max-combo test" else "statistic"
        said += f" ({what} {as_number(comparison.statistic)})"
    if comparison.strata:
        said += f", stratified by {', '.join(comparison.strata)}"
    return said


def describe_headline(result: Result, unit: str = "") -> str:
    """Say a result in a sentence or two: numbers by group, intervals with their method, tests.

    The label of the analysis is not part of it.
    """
    groups = [group for group in result.groups if describe_group(result, group) != DASH]
    others = _others(result)
    if not groups and not others:
        why = result.withheld[0].why if result.withheld else "nobody has a result"
        return f"Not shown: {why}."
    several = len(groups) > 1
    told = [
        (f"{group.label}: " if several else "") + describe_group(result, group, unit)
        for group in groups
    ]
    said = " ".join(f"{part}." for part in ["; ".join(told), *others] if part)
    interval = next(
        (e for group in groups for e in group.estimates if has_interval(e)),
        None,
    )
    if any(e.day is not None and e.standard_error for group in groups for e in group.estimates):
        said += " After ± the standard error."
    if interval is not None:
        said += f" In brackets the {interval.interval_text}."
    tests = [test for test in result.comparisons if test.p_value is not None]
    if tests:
        said += " " + "; ".join(describe_comparison(test) for test in tests) + "."
    return said


def _others(result: Result) -> list[str]:
    """Say contrasts, or else the terms of models; no more than a reader takes in at a glance."""
    told = [describe_contrast(contrast) for contrast in result.contrasts]
    if not told:
        told = [
            f"{term}: {said}" for model in result.models for term, said in describe_terms(model)
        ]
    if not told and result.kind == "change":
        told = [said for shown in result.tables for said in _changes(shown.frame)]
    more = [f"{len(told) - _FEW} more below"] if len(told) > _FEW else []
    return [*told[:_FEW], *more]


def _changes(frame: pl.DataFrame) -> list[str]:
    """Say the mean change at each visit, with its interval."""
    if not {"visit", "mean", "low", "high", "measured", "arm"} <= set(frame.columns):
        return []
    several = frame["arm"].n_unique() > 1
    return [
        (f"{row['arm']}, " if several else "")
        + f"{humanise(row['visit'])}: mean change {as_value(row['mean'], 'number')} "
        f"({as_limits(row['low'], row['high'], 'number')}) of {row['measured']} measured"
        for row in frame.iter_rows(named=True)
    ]


_FEW = 3
_MOST_LINES = 12


def describe_row(row: Mapping[str, object]) -> str:
    """Say one row of a table in a line: what it is of, then its numbers by name."""
    words = [str(value) for value in row.values() if isinstance(value, str)]
    numbers = [
        as_p(value) if name == "p_value" else f"{humanise(name)} {as_number(value)}"
        for name, value in row.items()
        if isinstance(value, int | float) and not isinstance(value, bool)
    ]
    return ": ".join(part for part in (", ".join(words), ", ".join(numbers)) if part)


def result_rows(results: Results) -> list[tuple[str, str, str, str]]:
    """Give every group of every analysis as a row: analysis, group, n, result.

    What is withheld, tests, contrasts, terms of models, subgroups and the tests that share an error
    rate have rows of their own.
    """
    rows: list[tuple[str, str, str, str]] = []
    for result in map(with_labels, results.results):
        rows += [(result.label, "estimand", "", f"{a.name}: {a.said}") for a in result.estimand]
        rows += [
            (result.label, label, str(group.n), said)
            for group in result.groups
            for label, said in [(group.label, _with_method(result, group)), *_bounds(group)]
        ]
        rows += [(result.label, "test", "", _tested(c)) for c in result.comparisons]
        rows += _beside(result)
        rows += [
            (result.label, "range", "", f"{r.statistic}: {as_range(r.low, r.high)} over {r.over}")
            for r in result.ranges
        ]
        if not result.groups or result.estimand:
            rows += [(result.label, "", "", f"not shown: {w.why}") for w in result.withheld]
    rows += [
        (a.analysis, f"adjusted, {results.joined}", "", describe_adjusted(a))
        for a in results.multiplicity
    ]
    return rows


def _tested(comparison: Comparison) -> str:
    """Say a test with what limits it."""
    said = describe_comparison(comparison)
    return f"{said} ({comparison.note})" if comparison.note else said


def _beside(result: Result) -> list[tuple[str, str, str, str]]:
    """Give contrasts, models, tables and subgroups as rows."""
    rows = [(result.label, "contrast", "", describe_contrast(c)) for c in result.contrasts]
    for model in result.models:
        rows += [
            (result.label, f"{model.method}: {term}", str(model.n), said)
            for term, said in describe_terms(model)
        ]
        if model.note:
            rows.append((result.label, model.method, "", model.note))
    for shown in result.tables:
        if shown.frame.height <= _MOST_LINES:
            lines = map(describe_row, shown.frame.iter_rows(named=True))
            rows += [(result.label, shown.title, "", line) for line in lines]
        if shown.said:
            rows.append((result.label, shown.title, "", shown.said))
    for subgroup in result.subgroups:
        of = f"{humanise(subgroup.column)}: {subgroup.level}"
        rows += [(result.label, *row) for row in _subgroup(result, of, subgroup.computed)]
    if result.subgroups:
        rows.append((result.label, "subgroups", "", UNTESTED))
    return rows


def _subgroup(result: Result, of: str, computed: Computed) -> list[tuple[str, str, str]]:
    """Say what an analysis gives in one subgroup, without tests."""
    rows = [
        (f"{of}, {group.label}", str(group.n), said)
        for group in computed.groups
        for said in [describe_group(result, group)]
    ]
    rows += [(of, "", describe_contrast(replace(c, p_value=None))) for c in computed.contrasts]
    rows += [
        (f"{of}, {term}", str(model.n), said)
        for model in computed.models
        for term, said in describe_terms(model, tested=False)
    ]
    return rows or [(of, "", computed.note or DASH)]


def _bounds(group: Group) -> list[tuple[str, str]]:
    """Say what the earliest and the latest days give, a row each."""
    return [
        (
            f"{group.label}, {BOUNDS[bound.days]}",
            "; ".join(_reading(e, group.n) for e in bound.estimates),
        )
        for bound in group.bounds
    ]


def _reading(estimate: Estimate, n: int) -> str:
    """Say an estimate with its interval, and the time it belongs to."""
    said = describe_estimate(estimate, n)
    if has_interval(estimate):
        said += f" ({as_limits(estimate.low, estimate.high, scale_of(estimate))})"
    return said if estimate.day is None else f"{as_duration(estimate.day)}: {said}"


def _with_method(result: Result, group: Group) -> str:
    """Say a group's numbers, and by which method their intervals are."""
    methods = {e.interval_text for e in group.estimates if has_interval(e)}
    said = describe_group(result, group)
    if said == DASH and group.levels:
        said = ", ".join(f"{humanise(level)}: {count}" for level, count in group.levels.items())
    return f"{said}; {', '.join(sorted(methods))}" if methods else said
