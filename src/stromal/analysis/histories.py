"""Analyses of what comes back: events that recur, states over time, repeated measurements."""

from __future__ import annotations

from dataclasses import replace

import polars as pl

from stromal.analysis.analysed import Analysed, anchor_of, count_levels
from stromal.analysis.current_survival import (
    CurrentStates,
    compare_current_survival,
    estimate_current_survival,
)
from stromal.analysis.estimate import Contrast, Curve, Estimate, estimate_at
from stromal.analysis.event_rates import fit_event_rates
from stromal.analysis.models import ModelFit
from stromal.analysis.multistate import estimate_occupation, estimate_time_in_state
from stromal.analysis.recurrent import compare_mean_events, estimate_mean_events
from stromal.analysis.repeated import fit_random_effects, summarize_change
from stromal.analysis.results import Computed, Group, Shown, Withheld
from stromal.analysis.timed import needs_groups
from stromal.core import UsageError
from stromal.endpoints.burden import event_rates
from stromal.endpoints.outcome import CountingProcess, StateHistory
from stromal.endpoints.processes import ENDED, FREE, HELD, events_process, states_history
from stromal.protocol.model_analyses import (
    ChangeAnalysis,
    CurrentSurvivalAnalysis,
    MeanEventsAnalysis,
    OccupationAnalysis,
)

__all__ = [
    "compute_change",
    "compute_current_survival",
    "compute_mean_events",
    "compute_occupation",
]

_STATES = CurrentStates(free=(FREE,), active=(HELD,), failed=(ENDED,))


def compute_mean_events(found: Analysed, spec: MeanEventsAnalysis) -> Computed:
    """Estimate the mean number of events of each group at the named days, and compare."""
    ends = None if spec.terminal == "none recorded" else spec.terminal
    terminal = "none" if ends is None else "ghosh-lin"
    whole = events_process(found.context, spec.endpoint, ends).frame
    days = tuple(float(day) for day in spec.at)
    groups: list[Group] = []
    for group in found.groups():
        process = CountingProcess(_of(whole, group.rows))
        curve = estimate_mean_events(process, terminal=terminal, confidence=spec.confidence)
        groups.append(
            Group(
                group.id,
                group.label,
                curve.n,
                count_levels(group.rows),
                curve=curve,
                estimates=estimate_at(curve, days),
            )
        )
    contrasts: list[Contrast] = []
    models: tuple[ModelFit, ...] = ()
    if spec.compare:
        needs_groups(found)
    if "difference at each time" in spec.compare and len(groups) > 1:
        process = CountingProcess(_of(whole, found.rows))
        contrasts = compare_mean_events(
            process,
            days=days,
            terminal=terminal,
            confidence=spec.confidence,
            reference=found.reference(),
        )
    if "negative binomial" in spec.compare and len(groups) > 1:
        models = (_rates(found, spec),)
    return Computed(tuple(groups), contrasts=tuple(contrasts), models=models)


def compute_occupation(found: Analysed, spec: OccupationAnalysis) -> Computed:
    """Estimate the probability to be in the state at the named days, and the mean time in it."""
    anchor = anchor_of(found.context, spec.endpoint)
    whole = states_history(found.context, anchor, without=[spec.endpoint], end=spec.end).frame
    days = tuple(float(day) for day in spec.at)
    groups: list[Group] = []
    for group in found.groups():
        rows = _of(whole, group.rows)
        n = rows["participant_id"].n_unique()
        base = Group(group.id, group.label, n, count_levels(group.rows))
        if n:
            curve, mean = _held(StateHistory(rows), spec)
            base = replace(base, curve=curve, estimates=estimate_at(curve, days), mean=mean)
        groups.append(base)
    return Computed(tuple(groups), note=_unknown(found, whole))


def _held(history: StateHistory, spec: OccupationAnalysis) -> tuple[Curve, Estimate | None]:
    """Give the probability to be in the state, and the mean time in it; 0 where nobody ever was."""
    curves = estimate_occupation(history, interval=spec.interval, confidence=spec.confidence)
    curve = curves.get(HELD)
    if curve is None:
        other = next(iter(curves.values()))
        zero = ("in_state", "events", "estimate", "standard_error")
        frame = other.frame.with_columns(
            *(pl.lit(0).cast(other.frame.schema[name]).alias(name) for name in zero),
            low=pl.lit(None, pl.Float64),
            high=pl.lit(None, pl.Float64),
        )
        curve = replace(other, frame=frame, events=0)
    if spec.mean_until is None:
        return curve, None
    until = float(spec.mean_until)
    means = estimate_time_in_state(history, until=until, confidence=spec.confidence)
    if HELD in means:
        return curve, means[HELD]
    known = next(iter(means.values()))
    if known.value is None:
        return curve, known
    note = "nobody was ever in the state: the interval is not defined"
    return curve, replace(
        known, value=0.0, standard_error=0.0, low=None, high=None, events=0, note=note
    )


def compute_current_survival(found: Analysed, spec: CurrentSurvivalAnalysis) -> Computed:
    """Estimate current survival of each group at the named days, and compare."""
    anchor = anchor_of(found.context, spec.endpoint)
    without = [spec.endpoint, *(spec.nor or [])]
    whole = states_history(found.context, anchor, without=without, end=spec.end).frame
    days = tuple(float(day) for day in spec.at)
    groups: list[Group] = []
    for group in found.groups():
        rows = _of(whole, group.rows)
        n = rows["participant_id"].n_unique()
        base = Group(group.id, group.label, n, count_levels(group.rows))
        if n:
            history = StateHistory(rows)
            curve = estimate_current_survival(history, states=_STATES, confidence=spec.confidence)
            base = replace(base, curve=curve, estimates=estimate_at(curve, days))
        groups.append(base)
    contrasts: list[Contrast] = []
    if spec.compare:
        needs_groups(found)
        if sum(group.n > 0 for group in groups) > 1:
            history = StateHistory(_of(whole, found.rows))
            contrasts = compare_current_survival(
                history,
                states=_STATES,
                days=days,
                confidence=spec.confidence,
                reference=found.reference(),
            )
    return Computed(tuple(groups), contrasts=tuple(contrasts), note=_unknown(found, whole))


def compute_change(found: Analysed, spec: ChangeAnalysis) -> Computed:
    """Describe a measurement as change from baseline at visits, and model it over time."""
    context = found.context
    measured = context.dated("measurements", spec.anchor).filter(pl.col("analyte") == spec.analyte)
    bounded = pl.col("low") != pl.col("high")
    values = measured.join(found.rows.select("p", arm="group"), on="p").select(
        "participant_id", "arm", pl.col("day").cast(pl.Float64),
        value=pl.when(~bounded.fill_null(value=True)).then(pl.col("value")),
    )  # fmt: skip
    people = (
        found.rows.select("p", "participant_id", arm="group")
        .join(context.last_days(spec.anchor), on="p", how="left", maintain_order="left")
        .select("participant_id", "arm", death_day="death", last_day="last_contact")
    )
    visits = {name: (float(a), float(b)) for name, (a, b) in spec.visits.items()}
    table = summarize_change(
        values.drop("arm"),
        people,
        baseline=(float(spec.baseline[0]), float(spec.baseline[1])),
        visits=visits,
        several=spec.several,
        confidence=spec.confidence,
    )
    groups = tuple(Group(g.id, g.label, g.rows.height, {}) for g in found.groups())
    shown = Shown(
        f"{spec.analyte}: change from baseline",
        table,
        "Of those measured at both times; who died, left or was not measured is counted beside "
        "them, and is not in the mean.",
        "change from baseline",
    )
    bounds = measured.filter(bounded)["p"].len()
    note = f"{bounds} values are only known as bounds and are not used." if bounds else ""
    if spec.model is None:
        return Computed(groups, tables=(shown,), note=note)
    end = max(last for _, last in visits.values())
    within = values.filter(pl.col("day").is_between(float(spec.baseline[0]), end))
    by = "arm" if len(groups) > 1 else None
    try:
        fit = fit_random_effects(
            within,
            by=by,
            random=spec.model,
            confidence=spec.confidence,
            references=_references(found),
        )
    except UsageError as error:  # what these data do not determine; the plan was sound
        withheld = (Withheld("the random-effects model", str(error)),)
        return Computed(groups, tables=(shown,), withheld=withheld, note=note)
    return Computed(groups, models=(fit,), tables=(shown,), note=note)


def _of(whole: pl.DataFrame, rows: pl.DataFrame) -> pl.DataFrame:
    """Give the periods of some participants, with the group as `arm`."""
    return whole.join(
        rows.select("participant_id", arm="group"), on="participant_id", maintain_order="left"
    )


def _unknown(found: Analysed, whole: pl.DataFrame) -> str:
    """Say how many have no known state on day 0, and are in no estimate."""
    missing = found.rows.height - _of(whole, found.rows)["participant_id"].n_unique()
    carried = (
        "Across days of which the state is not known the last known one is taken to go on, until "
        "another is known or the end comes."
    )
    if not missing:
        return carried
    verb = "participant is" if missing == 1 else "participants are"
    return (
        f"Of {missing} {verb.split(' ', maxsplit=1)[0]} it is not known on day 0 whether the state "
        f"holds: they are in no estimate. {carried}"
    )


def _rates(found: Analysed, spec: MeanEventsAnalysis) -> ModelFit:
    """Fit a negative binomial model of the counts on observed days."""
    counted = event_rates(found.context, spec.endpoint).filter(pl.col("exposure_days") > 0)
    frame = counted.join(found.rows.select("participant_id", arm="group"), on="participant_id")
    return fit_event_rates(
        frame, events="count", exposure="exposure_days", covariates=("arm",),
        confidence=spec.confidence, references=_references(found),
    )  # fmt: skip


def _references(found: Analysed) -> dict[str, str]:
    """Name the arm that the others are set against."""
    reference = found.reference()
    return {} if reference is None else {"arm": reference}
