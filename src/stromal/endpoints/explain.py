"""One participant and one endpoint, day by day: what was seen and what it decided."""

from __future__ import annotations

import difflib
from dataclasses import dataclass, replace
from typing import Any

import polars as pl

from stromal.core import Source, UsageError
from stromal.endpoints.assessed import assessment_window
from stromal.endpoints.context import Context
from stromal.endpoints.cytopenia import cytopenia_series
from stromal.endpoints.derive import derive_all
from stromal.endpoints.describe import describe_endpoint, leaves_open, sources_of
from stromal.endpoints.failure import days_of_failure
from stromal.endpoints.graded import explained_days
from stromal.endpoints.kernels import FAIL, PASS, UNKNOWN, UNLOGGED
from stromal.endpoints.recovery import recovery_series
from stromal.endpoints.response import level_series
from stromal.endpoints.series import Series
from stromal.endpoints.state_days import days_of_state
from stromal.endpoints.toxicity import counted_days, counted_events
from stromal.protocol import Protocol
from stromal.protocol.endpoints import (
    AdjudicatedEndpoint,
    CytopeniaEndpoint,
    Endpoint,
    EventCountEndpoint,
    FailureEndpoint,
    GradedEndpoint,
    RecoveryEndpoint,
    ResponseEndpoint,
    StateEndpoint,
)
from stromal.records import TrialRecords

__all__ = ["Explanation", "explain"]

_WORDS = {PASS: "meets the rule", FAIL: "fails", UNKNOWN: "open", UNLOGGED: "open"}


@dataclass(frozen=True)
class Explanation:
    """The reasoning behind one derived row.

    Parameters
    ----------
    participant_id, endpoint, label
        Whom and what it is about.
    definition, sources, leaves_open
        The rule in words, where it comes from and what it leaves open.
    row
        The derived row, with the columns of `DERIVED_COLUMNS`.
    days
        `part` (level of a response, else empty), `day` (from the endpoint's anchor), `date`,
        `seen`, `verdict`, `decided` (whether this day is among those that decided).
    """

    participant_id: str
    endpoint: str
    label: str
    definition: str
    sources: tuple[Source, ...]
    leaves_open: str
    row: dict[str, Any]
    days: pl.DataFrame


def explain(
    protocol: Protocol, records: TrialRecords, participant: str, endpoint: str
) -> Explanation:
    """Explain one derived row day by day.

    The row is derived anew from the participant's records alone, by the functions that derive all.

    Raises
    ------
    UsageError
        No such participant or endpoint, or the endpoint is not defined.
    """
    _known("participant", participant, records["participants"]["participant_id"].to_list())
    _known("endpoint", endpoint, list(protocol.endpoints))
    context = derive_all(protocol, _only(records, participant))
    spec = protocol.endpoints[endpoint]
    if endpoint not in context.derived:
        raise UsageError(
            f"{endpoint}: {describe_endpoint(spec, protocol.anchors)} Nothing can be derived."
        )
    row = context.derived[endpoint].row(0, named=True)
    return Explanation(
        participant,
        endpoint,
        spec.label,
        describe_endpoint(spec, protocol.anchors),
        sources_of(spec),
        leaves_open(spec),
        row,
        _days(context, spec, row),
    )


def _known(kind: str, name: str, names: list[str]) -> None:
    """Refuse a name that is not there, with the nearest that is."""
    if name in names:
        return
    close = difflib.get_close_matches(name, names, 1)
    hint = f"did you mean `{close[0]}`?" if close else f"there are: {', '.join(names[:20])}"
    raise UsageError(f"`{name}` is no {kind} of this study; {hint}")


def _only(records: TrialRecords, participant: str) -> TrialRecords:
    """Keep one participant's records."""
    tables = {
        name: table.filter(pl.col("participant_id") == participant)
        if "participant_id" in table.columns
        else table
        for name, table in records.tables.items()
    }
    return replace(records, tables=tables)


def _days(context: Context, endpoint: Endpoint, row: dict[str, Any]) -> pl.DataFrame:
    """Give the days that were looked at, with their verdicts."""
    match endpoint:
        case RecoveryEndpoint():
            parts = [_told("", recovery_series(context, endpoint)[0])]
        case FailureEndpoint():
            parts = [days_of_failure(context, endpoint)]
        case CytopeniaEndpoint():
            parts = [_told("", cytopenia_series(context, endpoint)[0])]
        case ResponseEndpoint(response=rule, assessed=assessed):
            _, high = assessment_window(assessed)
            parts = [
                _told(name, level_series(context, level, assessed)).filter(pl.col("day") <= high)
                for name, level in rule.levels.items()
            ]
        case StateEndpoint():
            parts = [days_of_state(context, endpoint)]
        case GradedEndpoint():
            parts = [explained_days(context, endpoint)]
        case EventCountEndpoint():
            parts = [_counted(context, endpoint)]
        case AdjudicatedEndpoint(from_=anchor):
            parts = [_verdicts(context.dated("adjudications", anchor, undated=True), row)]
        case _:
            anchor = getattr(endpoint, "from_", "")
            parts = [_events(context.dated("events", anchor).sort("day", "record_id"))]
    days = pl.concat(parts)
    zero = context.participants["day_zero_date"][0]
    offset = row["anchor_day"] or 0
    date = pl.lit(zero, pl.Date) + pl.duration(days=pl.col("day") + offset)
    deciding: list[str] = row["because"] or []
    return days.select(
        "part",
        "day",
        date=date,
        seen="seen",
        verdict="verdict",
        decided=pl.col("records").list.eval(pl.element().is_in(deciding)).list.any()
        & (pl.col("verdict") != "fails"),
    )


def _told(part: str, series: Series) -> pl.DataFrame:
    """Put a series into words."""
    return series.told.select(
        pl.lit(part).alias("part"),
        "day",
        pl.col("reason").alias("seen"),
        pl.col("status").replace_strict(_WORDS, return_dtype=pl.String).alias("verdict"),
        "records",
    )


def _counted(context: Context, endpoint: EventCountEndpoint) -> pl.DataFrame:
    """Put what an event count looks at into words: what is counted, and what is merged."""
    rule = endpoint.event_count
    if rule.transfused is not None:
        said = f"{rule.transfused.replace('_', ' ')} transfused"
        return counted_days(context, endpoint).select(
            pl.lit("").alias("part"),
            "day",
            pl.lit(said).alias("seen"),
            pl.lit("counted").alias("verdict"),
            pl.concat_list("record_id").alias("records"),
        )
    merged = rule.model_copy(update={"distinct_after": None})
    every = counted_events(context, endpoint.model_copy(update={"event_count": merged}))
    kept = counted_events(context, endpoint)["record_id"]
    first = pl.col("records").list.first().is_in(kept.implode())
    return _events(every).with_columns(
        verdict=pl.when(first).then(pl.lit("event")).otherwise(pl.lit("one with the one before"))
    )


def _events(rows: pl.DataFrame) -> pl.DataFrame:
    """Put events into words."""
    grade = pl.when(pl.col("grade").is_null()).then(pl.lit("")).otherwise(
        pl.format(", grade {}", "grade")
    )  # fmt: skip
    return rows.select(
        pl.lit("").alias("part"),
        "day",
        pl.format("{}{}", pl.col("event").str.replace_all("_", " "), grade).alias("seen"),
        pl.lit("event").alias("verdict"),
        pl.concat_list("record_id").alias("records"),
    )


def _verdicts(rows: pl.DataFrame, row: dict[str, Any]) -> pl.DataFrame:
    """Put the verdicts on an endpoint into words."""
    by = pl.when(pl.col("assessor").is_null()).then(pl.lit("")).otherwise(
        pl.format(" by {}", "assessor")
    )  # fmt: skip
    return (
        rows.filter(pl.col("endpoint") == row["endpoint"])
        .sort("day", "record_id", nulls_last=True)
        .select(
            pl.lit("").alias("part"),
            "day",
            pl.format("{}{}", pl.coalesce("level", "status"), by).alias("seen"),
            pl.lit("verdict").alias("verdict"),
            pl.concat_list("record_id").alias("records"),
        )
    )
