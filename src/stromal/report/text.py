"""Results in words: one cell, one sentence, one row."""

from __future__ import annotations

from stromal.analysis.estimate import Comparison, Estimate
from stromal.analysis.rates import Rate, TimeInState
from stromal.analysis.results import Group, Result, Results
from stromal.report.numbers import (
    DASH,
    as_cells,
    as_day,
    as_duration,
    as_interval,
    as_median,
    as_number,
    as_p,
    as_percent,
    as_range,
    as_with_error,
)
from stromal.report.words import sentence

__all__ = [
    "BOUNDS",
    "describe_comparison",
    "describe_estimate",
    "describe_group",
    "describe_headline",
    "describe_median",
    "describe_rate",
    "describe_summary",
    "describe_time_in_state",
    "has_interval",
    "is_of_cells",
    "result_rows",
]


BOUNDS = {"low": "earliest days", "high": "latest days"}
"""The bounds of the days of a time to event, in words."""


def describe_estimate(estimate: Estimate, n: int) -> str:
    """Say an estimate with its count or error, without its interval.

    A proportion is given as its count, a point of a curve with its standard error.
    """
    if estimate.value is None:
        return "not shown" if not estimate.note else estimate.note
    if estimate.day is None:
        counted = "" if estimate.events is None else f"{estimate.events} of {n}, "
        return f"{counted}{as_percent(estimate.value)}"
    return as_with_error(estimate.value, estimate.standard_error or None)


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
    if comparison.statistic is not None:
        df = f" on {comparison.df} df" if comparison.df is not None else ""
        said += f" (chi-square {as_number(comparison.statistic)}{df})"
    return said


def describe_headline(result: Result, unit: str = "") -> str:
    """Say a result in a sentence or two: numbers by group, intervals with their method, tests.

    The label of the analysis is not part of it.
    """
    groups = [group for group in result.groups if describe_group(result, group) != DASH]
    if not groups:
        why = result.withheld[0].why if result.withheld else "nobody has a result"
        return f"Not shown: {why}."
    several = len(groups) > 1
    told = [
        (f"{group.label}: " if several else "") + describe_group(result, group, unit)
        for group in groups
    ]
    said = f"{'; '.join(told)}."
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


def result_rows(results: Results) -> list[tuple[str, str, str, str]]:
    """Give every group of every analysis as a row: analysis, group, n, result.

    What is withheld, and the tests, have rows of their own.
    """
    rows: list[tuple[str, str, str, str]] = []
    for result in results.results:
        rows += [
            (result.label, label, str(group.n), said)
            for group in result.groups
            for label, said in [(group.label, _with_method(result, group)), *_bounds(group)]
        ]
        rows += [(result.label, "test", "", describe_comparison(c)) for c in result.comparisons]
        rows += [
            (result.label, "range", "", f"{r.statistic}: {as_range(r.low, r.high)} over {r.over}")
            for r in result.ranges
        ]
        if not result.groups:
            rows += [(result.label, "", "", f"not shown: {w.why}") for w in result.withheld]
    return rows


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
        said += f" ({as_interval(estimate.low, estimate.high)})"
    return said if estimate.day is None else f"{as_duration(estimate.day)}: {said}"


def _with_method(result: Result, group: Group) -> str:
    """Say a group's numbers, and by which method their intervals are."""
    methods = {e.interval_text for e in group.estimates if has_interval(e)}
    said = describe_group(result, group)
    return f"{said}; {', '.join(sorted(methods))}" if methods else said
