"""One analysis as a report shows it: its table, its tests, its figures, whom it leaves out."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace

from markupsafe import Markup

from stromal.analysis.estimate import Estimate
from stromal.analysis.results import Group, Result
from stromal.endpoints.describe import leaves_open
from stromal.protocol.analyses import SummaryAnalysis
from stromal.protocol.endpoints import EventCountEndpoint
from stromal.report.figures import plot_curves, plot_estimates
from stromal.report.forest import plot_model, plot_subgroups
from stromal.report.labels import with_labels
from stromal.report.measures import as_limits, as_value, scale_of
from stromal.report.numbers import DASH, as_duration
from stromal.report.result_tables import (
    tabulate_contrasts,
    tabulate_estimand,
    tabulate_means,
    tabulate_models,
    tabulate_posteriors,
    tabulate_shown,
    tabulate_subgroups,
    trimmed,
)
from stromal.report.sources import Cited, cite
from stromal.report.tables import Table
from stromal.report.text import (
    BOUNDS,
    UNTESTED,
    describe_comparison,
    describe_headline,
    describe_median,
    describe_rate,
    describe_summary,
    describe_time_in_state,
    has_interval,
)
from stromal.report.view import StudyView, spell_definition, spell_reason
from stromal.report.words import humanise

__all__ = ["ResultBlock", "show_result", "unit_of"]


@dataclass(frozen=True)
class ResultBlock:
    """One analysis, ready to be written.

    Parameters
    ----------
    result
        The analysis.
    definition, headline, lines, sources, as_written
        Texts.
    leaves_open, note
        What the endpoint's definition leaves open, and what else a reader must know.
    estimand
        Its attributes, which stand above the numbers.
    table
        The estimates.
    beside
        What stands beside them: means, posteriors, contrasts, models, other tables.
    figure, figure_caption
        The curves or the estimates.
    forests
        Figures of models and of subgroups, each with its caption.
    subgroups
        The analysis in parts of its set.
    excluded, excluded_table
        Whom it leaves out, by reason and by name.
    """

    result: Result
    definition: str
    headline: str
    estimand: Table | None
    table: Table | None
    beside: tuple[Table, ...]
    lines: tuple[str, ...]
    sources: tuple[Cited, ...]
    as_written: str
    leaves_open: str
    note: str
    figure: Markup | None
    figure_caption: str
    forests: tuple[tuple[Markup, str], ...]
    subgroups: Table | None
    excluded: tuple[tuple[str, int], ...]
    excluded_table: Table | None


def unit_of(view: StudyView, result: Result) -> str:
    """Give the unit of a summary, where the analysis says what it is of."""
    spec = view.protocol.analyses.get(result.id)
    endpoint = view.protocol.endpoints.get(result.endpoint)
    counts = isinstance(spec, SummaryAnalysis) and not spec.of_days
    if counts and isinstance(endpoint, EventCountEndpoint):
        return "days" if endpoint.event_count.transfused else "events"
    if isinstance(spec, SummaryAnalysis) and (spec.endpoint or spec.follow_up):
        return "days"
    if isinstance(spec, SummaryAnalysis) and spec.exposure:
        return {"infusions": "infusions", "cells per kg": "cells/kg"}[spec.exposure]
    return ""


def show_result(view: StudyView, result: Result, *, individual: bool) -> ResultBlock:
    """Make one analysis ready to be written.

    Parameters
    ----------
    view
        The study.
    result
        One of its analyses.
    individual
        Whether participants may be named.
    """
    result = with_labels(result)
    endpoint = view.protocol.endpoints.get(result.endpoint)
    unit = unit_of(view, result)
    drawn = plot_curves(result, data=view.data, anchor=_counted_from(view, result))
    is_curve = drawn is not None
    drawn = drawn or plot_estimates(result, data=view.data)
    listed = tuple(
        (row["participant_id"], spell_reason(view.protocol, row["reason"]))
        for row in result.excluded.to_dicts()
    )
    reasons = Counter(reason for _, reason in listed).most_common()
    left_open = leaves_open(endpoint) if endpoint else ""
    known = result.note.startswith(left_open)
    return ResultBlock(
        result=result,
        definition=spell_definition(view.protocol, result.definition),
        headline=describe_headline(result, unit),
        estimand=tabulate_estimand(result),
        table=_table(result, unit),
        beside=_beside(result),
        lines=tuple(_lines(result)),
        sources=tuple(cite(source) for source in result.sources),
        as_written=endpoint.as_written or "" if endpoint else "",
        leaves_open=left_open if known else "",
        note=result.note.removeprefix(left_open).strip(),
        figure=Markup(drawn) if drawn else None,  # noqa: S704  (our own, escaped)
        figure_caption=_caption(view, result, is_curve=is_curve) if drawn else "",
        forests=_forests(result, view.data),
        subgroups=tabulate_subgroups(result),
        excluded=tuple(reasons),
        excluded_table=Table("Left out of this analysis", ("Participant", "Because"), listed)
        if individual and listed
        else None,
    )


def _counted_from(view: StudyView, result: Result) -> str:
    """Say from which moment the days of an analysis count: its endpoint's anchor, or a landmark."""
    endpoint = view.protocol.endpoints.get(result.endpoint)
    anchor = str(getattr(endpoint, "from_", None) or view.protocol.day_zero)
    label = view.protocol.anchors[anchor].label or humanise(anchor)
    landmark = getattr(view.protocol.analyses.get(result.id), "landmark", None)
    return label if landmark is None else f"day {int(landmark)} after {label}"


def _table(result: Result, unit: str) -> Table | None:
    """Tabulate the numbers of an analysis, a row a group (and day)."""
    if not result.groups:
        return None
    if result.kind == "summary":
        rows = tuple(
            (g.label, str(g.n), describe_summary(result, g, unit), _together(g))
            for g in result.groups
        )
        columns = ("Group", "n", _summary_of(result), "All together")
        return _trimmed(Table("Result", columns, rows, frozenset({1})))
    estimates = [pair for group in result.groups for pair in _readings(group)]
    if not estimates:
        return None
    interval = next((e.interval_text for _, e in estimates), "Interval")
    method = next((e.method for _, e in estimates), "")
    if result.kind == "proportion":
        rows = tuple(
            (g.label, str(g.n), _count(e.events), _value(e), _interval(e), _remark(e))
            for g, e in estimates
        )
        columns = ("Group", "n", "With", "Proportion", interval, "Note")
        return _trimmed(Table(f"Result ({method})", columns, rows, frozenset({1, 2, 3, 4})))
    rows = tuple(
        (
            g.label, str(g.n), _count(e.events), as_duration(e.day or 0.0), _count(e.at_risk),
            _value(e), _error(e), _interval(e), _remark(e),
        )
        for g, e in estimates
    )  # fmt: skip
    what = _WHAT.get(result.kind, "With the event")
    columns = ("Group", "n", "Events", "After", "At risk", what, "Standard error", interval, "Note")
    return _trimmed(Table(f"Result ({method})", columns, rows, frozenset({1, 2, 3, 4, 5, 6, 7})))


_WHAT = {
    "survival": "Without the event",
    "mean events": "Mean number of events",
    "state occupation": "In the state",
    "current survival": "Well at that time",
}
"""What a value of a curve is of."""


def _beside(result: Result) -> tuple[Table, ...]:
    """Tabulate what stands beside the estimates."""
    found = [
        tabulate_means(result),
        tabulate_posteriors(result),
        tabulate_contrasts(result),
        *tabulate_models(result),
        *[tabulate_shown(shown) for shown in result.tables],
    ]
    return tuple(table for table in found if table is not None)


def _forests(result: Result, data: str | None) -> tuple[tuple[Markup, str], ...]:
    """Draw models with several terms, and subgroups."""
    found: list[tuple[str | None, str]] = []
    for place, model in enumerate(result.models):
        said = (
            f"{result.label}, {model.method}. Squares are estimates, lines their "
            f"{100 * model.confidence:g} % intervals; the broken line says no difference."
        )
        found.append((plot_model(result, model, place, data=data), said))
    said = f"{result.label}, in all and by subgroup. {UNTESTED}"
    found.append((plot_subgroups(result, data=data), said))
    return tuple((Markup(drawn), said) for drawn, said in found if drawn)  # noqa: S704  (our own)


def _summary_of(result: Result) -> str:
    """Name the number of which a summary is, where the group has another beside it."""
    if any(group.rate or group.time_in_state for group in result.groups):
        return "Of each participant"
    return "Summary"


def _together(group: Group) -> str:
    """Say what a group has together: its rate, its time in a state."""
    if group.rate is not None:
        return describe_rate(group.rate)
    return describe_time_in_state(group.time_in_state) if group.time_in_state else ""


def _readings(group: Group) -> list[tuple[Group, Estimate]]:
    """Give a group's estimates, each followed by those of the earliest and of the latest days."""
    found: list[tuple[Group, Estimate]] = []
    for place, estimate in enumerate(group.estimates):
        found.append((group, estimate))
        for bound in group.bounds:
            label = f"{group.label}, {BOUNDS[bound.days]}"
            found.append((replace(group, label=label), bound.estimates[place]))
    return found


def _trimmed(table: Table) -> Table:
    """Drop a last column in which nothing stands."""
    return trimmed(table, least=len(table.columns) - 1)


def _count(count: int | None) -> str:
    return DASH if count is None else str(count)


def _value(estimate: Estimate) -> str:
    return as_value(estimate.value, scale_of(estimate))


def _error(estimate: Estimate) -> str:
    error = estimate.standard_error
    missing = error is None or (not error and estimate.note)
    return DASH if missing else as_value(error, scale_of(estimate))


def _interval(estimate: Estimate) -> str:
    if not has_interval(estimate):
        return DASH
    return as_limits(estimate.low, estimate.high, scale_of(estimate))


def _remark(estimate: Estimate) -> str:
    return estimate.note


def _lines(result: Result) -> list[str]:
    """Say levels, medians and tests, a line each."""
    lines: list[str] = []
    several = len(result.groups) > 1
    for group in result.groups:
        name = f"{group.label}: " if several else ""
        if len(group.levels) > 1 or (group.levels and result.kind == "proportion"):
            lines.append(f"{name}{_levels(group)}")
        if group.median is not None:
            said = "median not reached"
            if group.median.value is not None:
                said = f"{describe_median(group.median)}, {group.median.interval_text}"
            lines.append(f"{name}{said}")
        for bound in group.bounds:
            if bound.median is not None:
                value = bound.median.value
                said = "median not reached" if value is None else describe_median(bound.median)
                lines.append(f"{name}{BOUNDS[bound.days]}: {said}")
    for comparison in result.comparisons:
        said = describe_comparison(comparison)
        lines.append(said + (f" ({comparison.note})" if comparison.note else ""))
    return lines


def _levels(group: Group) -> str:
    return ", ".join(f"{humanise(level)}: {count}" for level, count in group.levels.items())


def _caption(view: StudyView, result: Result, *, is_curve: bool) -> str:
    """Say what a figure shows and what its signs mean."""
    if not is_curve:
        return f"{result.label}. Squares are estimates, lines their intervals."
    method = next(g.curve.method for g in result.groups if g.curve is not None)
    interval = next((e.interval_text for g in result.groups for e in g.estimates), "")
    said = (
        f"{result.label} ({method}). Bands are pointwise intervals ({interval}); strokes are "
        "participants censored on that day; dots with bars are the values at the days that the "
        "protocol names."
    )
    if any(group.bounds for group in result.groups):
        said += (
            " Thin lines are the same participants with the earliest and with the latest days that "
            "the records allow."
        )
    if view.data == "reconstruction":
        said += (
            " Only the values at those days are determined by the publication: the times in "
            "between are arbitrary, and so are the strokes."
        )
    return said
