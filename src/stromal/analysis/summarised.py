"""Analyses that summarise a number of each participant: values, counts, rates, time in a state."""

from __future__ import annotations

from dataclasses import replace

import polars as pl

from stromal.analysis.analysed import Analysed, count_levels
from stromal.analysis.rates import Rate, TimeInState, estimate_rate
from stromal.analysis.results import Computed, Group
from stromal.analysis.summaries import summarize_values
from stromal.core import PlanError
from stromal.endpoints.burden import event_rates
from stromal.endpoints.states import days_in_state
from stromal.protocol.analyses import SummaryAnalysis
from stromal.protocol.endpoints import EventCountEndpoint, StateEndpoint

__all__ = ["compute_summary"]

_FEW = 20


def compute_summary(found: Analysed, spec: SummaryAnalysis) -> Computed:
    """Summarise the numbers of each group (see `protocol.analyses.SummaryAnalysis`)."""
    groups: list[Group] = []
    for group in found.groups():
        values = _values(found, group.rows, spec)
        per_participant = spec.exposure != "cells per kg"
        groups.append(
            Group(
                group.id,
                group.label,
                len(values) - values.count(None) if per_participant else group.rows.height,
                count_levels(group.rows),
                summary=summarize_values(values),
                values=_few(values),
                rate=_rate(found, group.rows, spec),
                time_in_state=_time_in_state(found, group.rows, spec),
            )
        )
    return Computed(tuple(groups))


def _values(found: Analysed, rows: pl.DataFrame, spec: SummaryAnalysis) -> list[float | None]:
    """Give the numbers that a summary is of."""
    context = found.context
    if spec.endpoint is not None:
        return _of_endpoint(found, rows, spec).cast(pl.Float64).to_list()
    people = context.participants.join(rows.select("p"), on="p", how="semi")
    if spec.variable is not None:
        return _numeric(people, spec.variable, found.name)
    if spec.follow_up is not None:
        days = people.select("p", "last_contact_day").join(context.anchor(spec.follow_up), on="p")
        return days.select(
            (pl.col("last_contact_day") - pl.col("anchor_day")).cast(pl.Float64)
        ).to_series().to_list()  # fmt: skip
    infusions = context.records["infusions"].filter(pl.col("product") == spec.product)
    mine = infusions.join(people.select("participant_id"), on="participant_id", how="semi")
    if spec.exposure == "infusions":
        per = people.select("participant_id").join(
            mine.group_by("participant_id").len(), on="participant_id", how="left"
        )
        return per["len"].fill_null(0).cast(pl.Float64).to_list()
    per_kg = pl.coalesce("cells_per_kg", pl.col("cells") / pl.col("weight_kg"))
    return mine.select(per_kg.cast(pl.Float64)).to_series().to_list()


def _of_endpoint(found: Analysed, rows: pl.DataFrame, spec: SummaryAnalysis) -> pl.Series:
    """Give days in a state, counts, or the days of an event."""
    if spec.time_in_state is not None:
        return _state_days(found, rows, spec)["days"]
    if _counting(found, spec) is not None:
        return rows["count"]
    return rows.filter(pl.col("status").is_in(spec.of))["day"]


def _counting(found: Analysed, spec: SummaryAnalysis) -> EventCountEndpoint | None:
    """Give the endpoint of a summary of counts; the interval of another is refused."""
    endpoint = found.context.protocol.endpoints[str(spec.endpoint)]
    counted = endpoint if isinstance(endpoint, EventCountEndpoint) and not spec.of_days else None
    if spec.interval is not None and (counted is None or counted.event_count.per is None):
        raise PlanError(
            f"analysis `{found.name}` asks for the interval of a rate; endpoint "
            f"`{spec.endpoint}` counts nothing `per` a time: add `per: 30 d` to it, or leave "
            "`interval` and `confidence` out"
        )
    return counted


def _rate(found: Analysed, rows: pl.DataFrame, spec: SummaryAnalysis) -> Rate | None:
    """Estimate the rate of a group, where the endpoint counts `per` a time."""
    if spec.endpoint is None or spec.time_in_state is not None:
        return None
    endpoint = _counting(found, spec)
    if endpoint is None or endpoint.event_count.per is None:
        return None
    observed = event_rates(found.context, spec.endpoint).join(
        rows.select("participant_id", counted="count"), on="participant_id"
    )
    events = int(observed["count"].sum())
    rate = estimate_rate(
        events,
        int(observed["exposure_days"].sum()),
        n=int((observed["exposure_days"] > 0).sum()),
        per=int(endpoint.event_count.per),
        confidence=spec.confidence,
    )
    unseen = int(observed["counted"].sum()) - events
    if not unseen:
        return rate
    verb = "is" if unseen == 1 else "are"
    said = f"{unseen} more on days that were not observed {verb} not in the rate"
    return replace(rate, note="; ".join(part for part in (rate.note, said) if part))


def _state_days(found: Analysed, rows: pl.DataFrame, spec: SummaryAnalysis) -> pl.DataFrame:
    """Count the days in a state of the participants of a group."""
    name, window = str(spec.endpoint), spec.time_in_state
    if window is None or not isinstance(found.context.protocol.endpoints[name], StateEndpoint):
        raise PlanError(
            f"analysis `{found.name}` asks for the time in a state; endpoint `{name}` is none"
        )
    days = days_in_state(found.context, name, int(window[0]), int(window[1]))
    return rows.select("participant_id").join(
        days, on="participant_id", how="left", maintain_order="left"
    )


def _time_in_state(
    found: Analysed, rows: pl.DataFrame, spec: SummaryAnalysis
) -> TimeInState | None:
    """Add up the days of a group in a state, and those of which it is known."""
    window = spec.time_in_state
    if window is None:
        return None
    days = _state_days(found, rows, spec)
    return TimeInState(
        int(window[0]),
        int(window[1]),
        n=int((days["known_days"] > 0).sum()),
        days=int(days["days"].sum()),
        known_days=int(days["known_days"].sum()),
    )


def _numeric(people: pl.DataFrame, variable: str, analysis: str) -> list[float | None]:
    """Read a baseline column as numbers."""
    if variable not in people.columns:
        raise PlanError(
            f"analysis `{analysis}` summarises `{variable}`, which is no column of the "
            "participants table"
        )
    try:
        return people[variable].cast(pl.Float64, strict=True).to_list()
    except pl.exceptions.InvalidOperationError as error:
        raise PlanError(
            f"analysis `{analysis}` summarises `{variable}`, which holds words; summarise a column "
            "of numbers"
        ) from error


def _few(values: list[float | None]) -> tuple[float, ...]:
    """Give the numbers in order where they are few enough to be listed."""
    present = sorted(value for value in values if value is not None)
    return tuple(present) if len(present) <= _FEW else ()
