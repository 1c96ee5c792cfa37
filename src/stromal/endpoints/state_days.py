"""What was seen of a state day by day: for the explanation of one participant's row."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from stromal.endpoints.kernels import FAIL, PASS, UNKNOWN, UNLOGGED
from stromal.endpoints.state_rules import judge_rule, state_series
from stromal.endpoints.state_words import describe_rule
from stromal.protocol.states import (
    CountsHold,
    EventHappens,
    GradeHolds,
    NoLonger,
    StateRule,
    Transfused,
)

if TYPE_CHECKING:
    from stromal.endpoints.context import Context
    from stromal.protocol.endpoints import StateEndpoint

__all__ = ["days_of_state"]

_WORDS = {PASS: "meets the rule", FAIL: "fails", UNKNOWN: "open", UNLOGGED: "open"}


def days_of_state(context: Context, endpoint: StateEndpoint) -> pl.DataFrame:
    """Give what was seen of both rules of a state.

    Returns
    -------
    polars.DataFrame
        `part` (`begins` or `ends`), `day` (from the endpoint's anchor), `seen`, `verdict`,
        `records`; the part that begins the state first, then by day.
    """
    state = endpoint.state
    parts = [_days(context, endpoint, "begins", state.begins)]
    same = (
        isinstance(state.begins, Transfused)
        and isinstance(state.ends, Transfused)
        and state.begins.transfused == state.ends.transfused
    )
    if not same:
        parts.append(_days(context, endpoint, "ends", state.ends))
    return pl.concat(parts, how="vertical_relaxed")


def _days(context: Context, endpoint: StateEndpoint, part: str, rule: StateRule) -> pl.DataFrame:
    """Give the days of one rule."""
    if isinstance(rule, CountsHold | NoLonger):
        series = state_series(context, endpoint, rule)
        return series.told.select(
            pl.lit(part).alias("part"),
            "day",
            pl.col("reason").alias("seen"),
            pl.col("status").replace_strict(_WORDS, return_dtype=pl.String).alias("verdict"),
            "records",
        )
    if isinstance(rule, Transfused):
        rows = (
            context.dated("transfusions", endpoint.from_)
            .filter(pl.col("product") == rule.transfused)
            .select("day", records=pl.concat_list("record_id").list.drop_nulls())
        )
        return _told(rows, part, f"{rule.transfused.replace('_', ' ')} transfused", "event")
    judged = judge_rule(context, endpoint, rule)
    if isinstance(rule, EventHappens):
        return _told(judged.evidence, part, describe_rule(rule), "event")
    none = pl.lit([], pl.List(pl.String))
    return pl.concat(
        [
            _told(judged.evidence, part, describe_rule(rule), "meets the rule"),
            _told(judged.failing.with_columns(records=none), part, _other(rule), "fails"),
            _told(judged.waiting.with_columns(records=none), part, _other(rule), "open"),
        ]
    ).sort("day", maintain_order=True)


def _other(rule: GradeHolds) -> str:
    """Say that a grade was assessed."""
    return f"{rule.graded.replace('_', ' ')} assessed"


def _told(rows: pl.DataFrame, part: str, seen: str, verdict: str) -> pl.DataFrame:
    """Put days into words."""
    return rows.select(
        pl.lit(part).alias("part"),
        "day",
        pl.lit(seen).alias("seen"),
        pl.lit(verdict).alias("verdict"),
        "records",
    )
