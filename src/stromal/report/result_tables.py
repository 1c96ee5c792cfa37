"""Tables of what an analysis gives besides its estimates: contrasts, models, subgroups."""

from __future__ import annotations

from typing import Any

from stromal.analysis.estimate import Contrast, Estimate
from stromal.analysis.models import ModelFit
from stromal.analysis.results import Computed, Group, Result, Results, Shown
from stromal.report.measures import (
    Scale,
    as_limits,
    as_value,
    as_value_with_error,
    scale_of,
    scale_of_contrast,
)
from stromal.report.numbers import DASH, as_duration, as_number, as_p, as_percent
from stromal.report.tables import Table
from stromal.report.text import UNTESTED, has_interval, terms_of
from stromal.report.words import humanise, sentence

__all__ = [
    "tabulate_contrasts",
    "tabulate_estimand",
    "tabulate_means",
    "tabulate_models",
    "tabulate_multiplicity",
    "tabulate_posteriors",
    "tabulate_shown",
    "tabulate_subgroups",
    "trimmed",
]


def trimmed(table: Table, *, least: int = 1) -> Table:
    """Drop columns in which nothing stands, from the column `least` on."""
    kept = [
        place
        for place in range(len(table.columns))
        if place < least or any(len(row) > 1 and row[place] not in {"", DASH} for row in table.rows)
    ]
    rows = tuple(tuple(row[place] for place in kept) if len(row) > 1 else row for row in table.rows)
    numeric = frozenset(new for new, old in enumerate(kept) if old in table.numeric)
    columns = tuple(table.columns[place] for place in kept)
    return Table(table.caption, columns, rows, numeric, table.note)


def tabulate_estimand(result: Result) -> Table | None:
    """Tabulate the attributes of an estimand."""
    rows = tuple((attribute.name, attribute.said) for attribute in result.estimand)
    return Table("What is estimated (the estimand)", ("Attribute", "In this analysis"), rows) if (
        rows
    ) else None  # fmt: skip


def tabulate_means(result: Result) -> Table | None:
    """Tabulate restricted means, or mean times in a state, a row a group."""
    means = [(group, group.mean) for group in result.groups if group.mean is not None]
    if not means:
        return None
    first = means[0][1]
    what = "Mean time in the state" if result.kind == "state occupation" else (
        "Mean time without the event"
    )  # fmt: skip
    until = "" if first.day is None else f" up to {as_duration(first.day)}"
    rows = tuple(
        (
            group.label, str(group.n), _count(mean.events), as_value(mean.value, "days"),
            as_value(mean.standard_error, "days"), _limits(mean, "days"), mean.note,
        )
        for group, mean in means
    )  # fmt: skip
    columns = ("Group", "n", "Events", "Mean", "Standard error", first.interval_text, "Note")
    caption = f"{what}{until} ({first.method})"
    return trimmed(Table(caption, columns, rows, frozenset(range(1, 6))), least=6)


def tabulate_posteriors(result: Result) -> Table | None:
    """Tabulate posterior means with their intervals; the prior stands in the note of each."""
    found = [(group, group.posterior) for group in result.groups if group.posterior is not None]
    if not found:
        return None
    first = found[0][1]
    interval = f"{100 * first.confidence:g} % {first.interval} interval"
    rows = tuple(
        (
            group.label, str(group.n), _count(posterior.events), as_percent(posterior.value),
            _limits(posterior, "percent"), posterior.note,
        )
        for group, posterior in found
    )  # fmt: skip
    columns = ("Group", "n", "With", "Posterior mean", interval, "Prior, and what follows from it")
    return trimmed(
        Table(f"Bayesian estimate ({first.method})", columns, rows, frozenset(range(1, 5)))
    )


def tabulate_contrasts(result: Result) -> Table | None:
    """Tabulate differences and ratios between groups, with interval, p and test."""
    if not result.contrasts:
        return None
    texts = {contrast.estimate.interval_text for contrast in result.contrasts}
    rows = tuple(_contrast_row(contrast, one=len(texts) == 1) for contrast in result.contrasts)
    several = f"{100 * result.contrasts[0].estimate.confidence:g} % interval"
    interval = texts.pop() if len(texts) == 1 else several
    columns = ("Measure", "Groups", "After", "Value", interval, "p", "Test", "Note")
    return trimmed(Table("Between groups", columns, rows, frozenset({2, 3, 4, 5})), least=2)


def _contrast_row(contrast: Contrast, *, one: bool) -> tuple[str, ...]:
    """Write a contrast; its interval says how it is built where not all are built alike."""
    estimate, scale = contrast.estimate, scale_of_contrast(contrast)
    limits = _limits(estimate, scale)
    sign = "/" if scale == "ratio" else "−"
    return (
        sentence(contrast.measure),
        f"{contrast.first} {sign} {contrast.second}",
        "" if estimate.day is None else as_duration(estimate.day),
        as_value(estimate.value, scale),
        limits if one or limits == DASH else f"{limits} ({estimate.interval})",
        "" if contrast.p_value is None else _p(contrast.p_value),
        contrast.test if contrast.p_value is not None else "",
        estimate.note,
    )


def tabulate_models(result: Result) -> list[Table]:
    """Tabulate every fitted model, a row a term; how it was fitted stands below."""
    return [_model(model) for model in result.models]


def _model(model: ModelFit) -> Table:
    """Tabulate one model."""
    plain = model.scale == "difference"
    scale: Scale = "number" if plain else "ratio"
    rows = tuple(
        (
            str(row["term"]),
            as_number(row["coefficient"]),
            as_number(row["standard_error"]),
            as_value(None if plain or _constant(row) else row["ratio"], "ratio"),
            DASH if _constant(row) and not plain else as_limits(row["low"], row["high"], scale),
            as_number(row["z"]),
            _p(row["p_value"]),
        )
        for row in model.coefficients.iter_rows(named=True)
    )
    columns = (
        "Term", "Coefficient", "Standard error", sentence(model.scale),
        f"{100 * model.confidence:g} % interval", "z", "p",
    )  # fmt: skip
    table = Table(sentence(model.method), columns, rows, frozenset(range(1, 7)), _fitted(model))
    return trimmed(table, least=3)


def _constant(row: dict[str, Any]) -> bool:
    """Whether a term is the intercept, of which the exponential is no ratio."""
    return row["term"] == "intercept"


def _fitted(model: ModelFit) -> str:
    """Say of whom a model is, how it was fitted, and its tests."""
    said = [f"{model.n} participants, {model.events} events"]
    if model.ties:
        said.append(f"ties: {model.ties}")
    said.append(f"variance: {model.variance}")
    if model.strata:
        said.append(f"strata: {', '.join(model.strata)}")
    told = [f"{'; '.join(said)}."]
    if model.tests is not None:
        told += [
            f"{sentence(row['test'])}: chi-square {as_number(row['statistic'])} on {row['df']} df, "
            f"{as_p(row['p_value'])}."
            for row in model.tests.iter_rows(named=True)
        ]
    if not model.converged:
        told.append("The fit did not come to its maximum: read none of these numbers.")
    if model.note:
        told.append(f"{sentence(model.note.removesuffix('.'))}.")
    return " ".join(told)


def tabulate_shown(shown: Shown) -> Table:
    """Tabulate a frame that stands beside the numbers, with what it comes to."""
    frame = shown.frame
    numeric = frozenset(
        place for place, dtype in enumerate(frame.dtypes) if dtype.is_numeric() and place
    )
    rows = tuple(
        tuple(_cell(name, value) for name, value in row.items())
        for row in frame.iter_rows(named=True)
    )
    columns = tuple(_HEADINGS.get(name, sentence(name.replace("_", " "))) for name in frame.columns)
    return Table(shown.title, columns, rows, numeric, shown.said)


_HEADINGS = {"p_value": "p", "df": "df", "n": "n", "z": "z", "sd": "SD", "chi_square": "Chi-square"}


def _cell(name: str, value: object) -> str:
    """Write one cell of such a frame."""
    if value is None:
        return DASH
    if isinstance(value, bool):
        return "yes" if value else "no"
    if name == "p_value" and isinstance(value, float):
        return _p(value)
    return as_number(float(value)) if isinstance(value, int | float) else humanise(str(value))


def tabulate_subgroups(result: Result) -> Table | None:
    """Tabulate an analysis in all and in each subgroup: estimates and contrasts, no tests."""
    if not result.subgroups:
        return None
    whole = Computed(result.groups, contrasts=result.contrasts, models=result.models)
    rows: list[tuple[str, ...]] = [("All",), *_computed_rows(whole)]
    for subgroup in result.subgroups:
        rows.append((f"{sentence(humanise(subgroup.column))}: {humanise(subgroup.level)}",))
        rows += _computed_rows(subgroup.computed)
    levels = [e.confidence for g in result.groups for e in (*g.estimates, *_mean(g))]
    levels += [model.confidence for model in result.models]
    interval = f"{100 * levels[0]:g} % interval" if levels else "Interval"
    columns = ("Group", "n", "Events", "After", "Estimate", interval, "Note")
    table = Table("Subgroups", columns, tuple(rows), frozenset(range(1, 6)), UNTESTED)
    return trimmed(table, least=2)


def _mean(group: Group) -> list[Estimate]:
    return [] if group.mean is None else [group.mean]


def _computed_rows(computed: Computed) -> list[tuple[str, ...]]:
    """Write what an analysis gives: estimates by group, contrasts, terms of models."""
    rows: list[tuple[str, ...]] = []
    for group in computed.groups:
        n = str(group.n)
        rows += [_estimate_row(group.label, n, e, scale_of(e)) for e in group.estimates]
        if group.mean is not None:
            rows.append(_estimate_row(f"{group.label}, mean", n, group.mean, "days"))
    for contrast in computed.contrasts:
        on = scale_of_contrast(contrast)
        groups = f"{contrast.first} {'/' if on == 'ratio' else '−'} {contrast.second}"
        label = f"{sentence(contrast.measure)}, {groups}"
        rows.append(_estimate_row(label, "", contrast.estimate, on))
    for model in computed.models:
        scale: Scale = "number" if model.scale == "difference" else "ratio"
        rows += [
            (
                f"{sentence(model.scale)}, {row['term']}", str(model.n), str(model.events), "",
                as_value(row["coefficient" if scale == "number" else "ratio"], scale),
                as_limits(row["low"], row["high"], scale), "",
            )
            for row in terms_of(model).iter_rows(named=True)
        ]  # fmt: skip
    if computed.note or not rows:
        rows.append((*[""] * 6, computed.note or "nobody has a result"))
    return rows


def _estimate_row(label: str, n: str, estimate: Estimate, scale: Scale) -> tuple[str, ...]:
    """Write one estimate as a row of subgroups."""
    proportion = estimate.day is None and scale == "percent"
    return (
        label,
        n,
        _count(estimate.events) if n else "",
        "" if estimate.day is None else as_duration(estimate.day),
        as_value(estimate.value, scale)
        if proportion
        else as_value_with_error(estimate.value, estimate.standard_error or None, scale),
        _limits(estimate, scale),
        estimate.note,
    )


def tabulate_multiplicity(results: Results) -> Table | None:
    """Tabulate the tests that share an error rate, with their adjusted p."""
    if not results.multiplicity:
        return None
    rows = tuple(
        (
            adjusted.analysis, adjusted.test, _p(adjusted.p_value),
            _p(adjusted.adjusted) if adjusted.adjusted is not None else (
                "not computable" if adjusted.p_value is None else "not reached"
            ),
            "yes" if adjusted.significant else "no",
        )
        for adjusted in results.multiplicity
    )  # fmt: skip
    columns = ("Analysis", "Test", "p", "Adjusted p", "Adjusted p at most alpha")
    caption = f"Tests that share one error rate ({results.joined})"
    return Table(caption, columns, rows, frozenset({2, 3}))


def _p(value: float | None) -> str:
    """Write a p value under a heading that says p."""
    said = as_p(value).replace("\u00a0", " ")
    return said.removeprefix("p: ").removeprefix("p = ").removeprefix("p ")


def _limits(estimate: Estimate, scale: Scale) -> str:
    return as_limits(estimate.low, estimate.high, scale) if has_interval(estimate) else DASH


def _count(count: int | None) -> str:
    return DASH if count is None else str(count)
