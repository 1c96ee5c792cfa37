"""Analyses of a time to an event: curves, restricted means, and their comparisons."""

from __future__ import annotations

from dataclasses import replace
from math import factorial, prod
from typing import Literal

import polars as pl

from stromal.analysis.analysed import Analysed, GroupRows, count_levels
from stromal.analysis.beta_product import bound_survival
from stromal.analysis.cumulative_incidence import estimate_incidence
from stromal.analysis.estimate import Comparison, Contrast, Curve, Estimate, estimate_at
from stromal.analysis.fixed_time import compare_at_day
from stromal.analysis.gray import compare_incidence
from stromal.analysis.kaplan_meier import estimate_quantile, estimate_survival
from stromal.analysis.logrank import compare_survival
from stromal.analysis.max_combo import compare_max_combo
from stromal.analysis.permutation import permute_incidence, permute_survival
from stromal.analysis.restricted_mean import compare_restricted_means, estimate_restricted_mean
from stromal.analysis.results import Bound, Computed, Group
from stromal.core import PlanError, UsageError
from stromal.endpoints.bounded import bounded_times
from stromal.endpoints.outcome import TimeToEvent
from stromal.protocol.analyses import CumulativeIncidenceAnalysis, SurvivalAnalysis
from stromal.protocol.model_analyses import RestrictedMeanAnalysis

__all__ = [
    "MANY",
    "compute_incidence",
    "compute_restricted_mean",
    "compute_survival",
    "landmark_note",
    "needs_groups",
]

MANY = 100_000
"""Arrangements of a Monte Carlo permutation test, where there are too many to try them all."""

_SEED = 20_231
_COMBINED = ((0.0, 0.0), (0.0, 1.0), (1.0, 0.0), (1.0, 1.0))

_Curves = SurvivalAnalysis | CumulativeIncidenceAnalysis


def compute_survival(found: Analysed, spec: SurvivalAnalysis) -> Computed:
    """Estimate survival of each group, and compare."""
    groups = tuple(_curve_group(found, spec, group) for group in found.groups())
    tests: list[Comparison] = []
    if spec.compare:
        needs_groups(found)
        outcomes = found.outcomes(found.rows, spec.strata or ())
        for test in spec.compare:
            tests += _compare_survival(outcomes, spec, test)
    return Computed(groups, tuple(tests), note=landmark_note(spec.landmark))


def compute_incidence(found: Analysed, spec: CumulativeIncidenceAnalysis) -> Computed:
    """Estimate the cumulative incidence of each group, and compare."""
    groups = tuple(_curve_group(found, spec, group) for group in found.groups())
    tests: list[Comparison] = []
    if spec.compare:
        needs_groups(found)
        outcomes = found.outcomes(found.rows, spec.strata or ())
        of = spec.of or "event"
        for test in spec.compare:
            if test == "gray":
                tests.append(compare_incidence(outcomes, of=of, strata=tuple(spec.strata or ())))
            else:
                draws, seed = _arrangements(outcomes)
                tests.append(permute_incidence(outcomes, of=of, draws=draws, seed=seed))
    return Computed(groups, tuple(tests), note=landmark_note(spec.landmark))


def compute_restricted_mean(found: Analysed, spec: RestrictedMeanAnalysis) -> Computed:
    """Estimate the restricted mean of each group, with differences and ratios."""
    until = float(spec.until)
    groups = tuple(
        Group(
            group.id,
            group.label,
            group.rows.height,
            count_levels(group.rows),
            mean=estimate_restricted_mean(
                found.outcomes(group.rows), until=until, confidence=spec.confidence
            ),
        )
        for group in found.groups()
    )
    contrasts: list[Contrast] = []
    if spec.compare:
        needs_groups(found)
        if len(groups) > 1:
            outcomes = found.outcomes(found.rows)
            both = compare_restricted_means(
                outcomes, until=until, confidence=spec.confidence, reference=found.reference()
            )
            contrasts = [c for c in both if any(c.measure.startswith(w) for w in spec.compare)]
    return Computed(groups, contrasts=tuple(contrasts), note=landmark_note(spec.landmark))


def needs_groups(found: Analysed) -> None:
    """Refuse a comparison without groups.

    Raises
    ------
    PlanError
        The analysis has neither `by` nor `by_infusion`.
    """
    if found.spec.by is None and getattr(found.spec, "by_infusion", None) is None:
        raise PlanError(
            f"analysis `{found.name}` compares but has one group; add `by`, such as `by: arm`"
        )


def _curve_group(found: Analysed, spec: _Curves, group: GroupRows) -> Group:
    """Compute a group's curve, and those of the bounds of its days where they are asked for."""
    curve, estimates, median = _timed(spec, found.outcomes(group.rows))
    bounds: tuple[Bound, ...] = ()
    if spec.with_bounds:
        sides: tuple[Literal["low", "high"], ...] = ("low", "high")
        try:
            times = bounded_times(found.context, spec.endpoint)
        except UsageError as error:
            raise PlanError(str(error)) from error
        bounds = tuple(Bound(s, *_timed(spec, _bounded(group.rows, times, s))) for s in sides)
    return Group(
        group.id,
        group.label,
        group.rows.height,
        count_levels(group.rows),
        curve=curve,
        estimates=estimates,
        median=median,
        bounds=bounds,
    )


def _timed(
    spec: _Curves, outcomes: TimeToEvent
) -> tuple[Curve, tuple[Estimate, ...], Estimate | None]:
    """Compute a curve, its values at the named days, and the median of a survival."""
    days = tuple(float(day) for day in spec.at)
    if isinstance(spec, CumulativeIncidenceAnalysis):
        curve = estimate_incidence(
            outcomes,
            variance=spec.variance,
            interval=spec.interval,
            confidence=spec.confidence,
            of=spec.of or "event",
        )
        return curve, estimate_at(curve, days), None
    if spec.interval == "beta product":
        curve = bound_survival(outcomes, confidence=spec.confidence, method="method of moments")
    else:
        curve = estimate_survival(outcomes, interval=spec.interval, confidence=spec.confidence)
    return curve, estimate_at(curve, days), estimate_quantile(curve, 0.5)


def _compare_survival(outcomes: TimeToEvent, spec: SurvivalAnalysis, test: str) -> list[Comparison]:
    """Run one of the comparisons of survival."""
    strata = tuple(spec.strata or ())
    match test:
        case "log-rank":
            return [compare_survival(outcomes, strata=strata)]
        case "weighted log-rank":
            weight = spec.weight or (0.0, 0.0)
            return [compare_survival(outcomes, strata=strata, weight=weight)]
        case "max-combo":
            return [compare_max_combo(outcomes, weights=_COMBINED)]
        case "permutation log-rank":
            draws, seed = _arrangements(outcomes)
            return [permute_survival(outcomes, statistic="chi-square", draws=draws, seed=seed)]
        case _:
            return [_compare_on(outcomes, int(day)) for day in spec.at]


def _compare_on(outcomes: TimeToEvent, day: int) -> Comparison:
    """Compare survival on a day, and name the day in the note."""
    test = compare_at_day(outcomes, day=float(day), scale="log-log")
    return replace(test, note="; ".join(part for part in (f"day {day}", test.note) if part))


def _arrangements(outcomes: TimeToEvent) -> tuple[int | None, int | None]:
    """Say how many arrangements a permutation test tries: all where they are few."""
    sizes = outcomes.frame["arm"].value_counts()["count"].to_list()
    every = factorial(sum(sizes)) // prod(factorial(size) for size in sizes)
    return (None, None) if every <= MANY else (MANY, _SEED)


def _bounded(rows: pl.DataFrame, times: pl.DataFrame, side: str) -> TimeToEvent:
    """Give the times of rows with one bound of each day in its place."""
    return TimeToEvent(
        rows.select("participant_id", arm="group").join(
            times.select("participant_id", day=f"{side}_day", status=f"{side}_status"),
            on="participant_id",
            how="left",
            maintain_order="left",
        )
    )


def landmark_note(day: int | None) -> str:
    """Say from which day an analysis counts."""
    if day is None:
        return ""
    return f"Days count from the landmark, day {int(day)}; only who was at risk after it is in it."
