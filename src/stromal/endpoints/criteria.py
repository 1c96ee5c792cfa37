"""Rules of eligibility, judged for all participants at once: yes, no or unknown."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import polars as pl

from stromal.core import Quantity, UsageError
from stromal.endpoints.context import Context
from stromal.endpoints.status_by import status_by
from stromal.protocol.eligibility import (
    AllOf,
    AnyOf,
    AssessmentRule,
    AtLeastOf,
    EndpointRule,
    EventRule,
    MeasurementRule,
    NotRule,
    Rule,
    VariableRule,
)
from stromal.protocol.endpoints import UndefinedEndpoint
from stromal.protocol.rules import ANALYTE_UNITS

__all__ = ["Judgement", "judge_rule"]

Comparison = VariableRule | MeasurementRule | AssessmentRule
_UNITS_OF_VARIABLES = {"age": "a", "weight_kg": "kg"}


@dataclass(frozen=True)
class Judgement:
    """What a rule says of every participant, in the order of the participants table.

    Parameters
    ----------
    met
        True, false, or null where it is unknown.
    seen
        What was looked at, with the ids of the records.
    """

    met: pl.Series
    seen: pl.Series


def judge_rule(context: Context, rule: Rule) -> Judgement:
    """Judge a rule for every participant; what is not recorded is unknown, never false.

    1. `all` is false as soon as one part is false, else unknown as soon as one is unknown. `any` is
       true as soon as one part is true, else unknown as soon as one is unknown.
    2. `at_least` n `of`: true with n true parts, false where not even all unknown parts together
       with the true ones make n, else unknown. `not`: unknown stays unknown.
    3. `variable`: a column of the participants table. Bounds on `age` that are whole years are
       compared with completed years ("18 to 60" holds until the 61st birthday); `weight_kg` in kg;
       other columns in the unit in which the bound is written. A text where a number is needed is
       unknown.
    4. `measurement`, `assessment`: the rows on the last day that has any, on or before the anchor
       `before` and at most `within` old. Of several counts the latest is taken where each has its
       time; otherwise, and for assessments, all must agree, else it is unknown. "<20" meets
       "below 20", fails "at least 20" and leaves "below 10" unknown.
    5. `event`: recorded from `after` (or ever) to `before`, both days included. That none is
       recorded means that there was none only where the participant's events are complete up to
       `before` (`complete_until`, else `last_contact`), and where the coverage table names the
       events of the participant, only within one of its stretches.
    6. `endpoint`: its status by the day `before`, see `status_by`; its last status without
       `before`. Not evaluable is unknown unless the rule names it.

    Where an anchor did not happen or is not recorded, the rule is unknown.

    Raises
    ------
    UsageError
        A rule names an endpoint that the protocol defines and that is not derived yet.
    UnitError
        A bound has a unit that does not belong to what it is compared with.
    """
    return _JUDGES[type(rule)](context, rule)


def _negate(context: Context, rule: NotRule) -> Judgement:
    """Turn a judgement round; unknown stays unknown."""
    part = judge_rule(context, rule.not_)
    return Judgement(~part.met, part.seen)


def _combine(context: Context, rule: AllOf | AnyOf | AtLeastOf) -> Judgement:
    """Join the judgements of the parts in Kleene's logic."""
    if isinstance(rule, AtLeastOf):
        rules, needed = rule.of, rule.at_least
    elif isinstance(rule, AllOf):
        rules, needed = rule.all, len(rule.all)
    else:
        rules, needed = rule.any, 1
    parts = [judge_rule(context, part) for part in rules]
    met = pl.DataFrame([part.met.alias(str(i)) for i, part in enumerate(parts)])
    surely = pl.sum_horizontal(pl.all().fill_null(value=False).cast(pl.Int32))
    perhaps = pl.sum_horizontal(pl.all().fill_null(value=True).cast(pl.Int32))
    seen = pl.DataFrame([part.seen.alias(str(i)) for i, part in enumerate(parts)])
    return Judgement(
        met.select(pl.when(surely >= needed).then(True).when(perhaps < needed).then(False))
        .to_series()
        .cast(pl.Boolean),
        seen.select(pl.concat_str(pl.all(), separator="; ", ignore_nulls=True)).to_series(),
    )


# --- comparisons -----------------------------------------------------------------------------


def _bounds(rule: Comparison) -> dict[str, Quantity]:
    """Give the bounds of a comparison: `at_least` or `above`, `at_most` or `below`."""
    named = {
        "at_least": rule.at_least or rule.from_,
        "above": rule.above,
        "at_most": rule.at_most or rule.to,
        "below": rule.below,
    }
    return {name: bound for name, bound in named.items() if bound is not None}


def _in_unit(bound: Quantity, unit: str | None) -> float:
    """Give a bound in a unit; a plain number, or where no unit is asked for, as it is."""
    return bound.value if unit is None or bound.unit == "1" else bound.to(unit)


def _compare(rule: Comparison, unit: str | None) -> pl.Expr:
    """Compare the columns `low`, `high`, `censored` with the bounds: true, false or null."""
    low, high = pl.col("low"), pl.col("high")
    over, under = pl.col("censored") == ">", pl.col("censored") == "<"
    parts: list[pl.Expr] = []
    for name, bound in _bounds(rule).items():
        number = _in_unit(bound, unit)
        greater = (low > number) | ((low == number) & over)
        smaller = (high < number) | ((high == number) & under)
        sure, never = {
            "at_least": (greater | (low == number), smaller),
            "above": (greater, smaller | (high == number)),
            "at_most": (smaller | (high == number), greater),
            "below": (smaller, greater | (low == number)),
        }[name]
        parts.append(pl.when(sure).then(True).when(never).then(False))
    return pl.all_horizontal(parts)


def _judge_variable(context: Context, rule: VariableRule) -> Judgement:
    """Judge a column of the participants table."""
    name, people = rule.variable, context.participants
    if name not in people.columns:
        nothing = pl.Series([None] * context.size, dtype=pl.Boolean)
        return Judgement(nothing, _say(context, f"{name} not recorded"))
    text = pl.col(name).cast(pl.String).str.strip_suffix(".0")
    if rule.is_ is not None:
        met = text.is_in(list(rule.is_))
        wrong = pl.lit(value=False)
    else:
        number, unit = _number_of(rule)
        wrong = pl.col(name).is_not_null() & number.is_null()
        people = people.with_columns(low=number, high=number, censored=pl.lit(None, pl.String))
        met = _compare(rule, unit)
    seen = (
        pl.when(pl.col(name).is_null())
        .then(pl.lit(f"{name} not recorded"))
        .when(wrong)
        .then(pl.format("{} '{}' is not a number", pl.lit(name), text))
        .otherwise(pl.format("{} {}", pl.lit(name), text))
    )
    return Judgement(people.select(met.alias("met"))["met"], people.select(seen=seen)["seen"])


def _number_of(rule: VariableRule) -> tuple[pl.Expr, str | None]:
    """Give a column as a number, and the unit in which it is compared."""
    number = pl.col(rule.variable).cast(pl.Float64, strict=False)
    bounds = list(_bounds(rule).values())
    written = next((bound.unit for bound in bounds if bound.unit != "1"), None)
    unit = _UNITS_OF_VARIABLES.get(rule.variable, written)
    if rule.variable == "age" and all(_in_unit(b, unit).is_integer() for b in bounds):
        return number.floor(), unit
    return number, unit


# --- counts and assessments ------------------------------------------------------------------


def _judge_measurement(context: Context, rule: MeasurementRule) -> Judgement:
    """Judge the last count before an anchor."""
    unit = ANALYTE_UNITS[rule.measurement]
    rows = _last_day(context.dated("measurements", rule.before).filter(
        pl.col("analyte") == rule.measurement), rule.within)  # fmt: skip
    timed = pl.col("time").is_not_null().all().over("p")
    rows = rows.filter(~timed | (pl.col("time") == pl.col("time").max().over("p")))
    text = pl.format("{} {}", "analyte", "as_read")
    return _agreed(context, rule, rows, _compare(rule, unit), text, f"no {rule.measurement}")


def _judge_assessment(context: Context, rule: AssessmentRule) -> Judgement:
    """Judge the last assessment before an anchor."""
    rows = context.dated("assessments", rule.before).filter(pl.col("scale") == rule.assessment)
    if rule.item is not None:
        rows = rows.filter(pl.col("item") == rule.item)
    number = pl.col("value").cast(pl.Float64, strict=False)
    rows = _last_day(rows, rule.within).with_columns(
        low=number, high=number, censored=pl.lit(None, pl.String)
    )
    if rule.is_ is not None:
        met = pl.col("value").is_in(list(rule.is_))
    else:
        units = [bound.unit for bound in _bounds(rule).values() if bound.unit != "1"]
        met = _compare(rule, units[0] if units else None)
    text = pl.concat_str("scale", "item", "value", separator=" ", ignore_nulls=True)
    said = " ".join(filter(None, ["no", rule.assessment, rule.item]))
    return _agreed(context, rule, rows, met, text, said)


def _last_day(rows: pl.DataFrame, within: int) -> pl.DataFrame:
    """Keep each participant's rows on the last day from `within` days before the anchor to it."""
    rows = rows.filter(pl.col("day").is_between(-int(within), 0))
    return rows.filter(pl.col("day") == pl.col("day").max().over("p"))


def _agreed(
    context: Context,
    rule: MeasurementRule | AssessmentRule,
    rows: pl.DataFrame,
    met: pl.Expr,
    text: pl.Expr,
    absent: str,
) -> Judgement:
    """Join the rows of one day: what all of them say, else unknown."""
    told = pl.format("{} {} ({})", text, _days_from("day", rule.before), "record_id")
    found = (
        rows.with_columns(met=met, told=told)
        .sort("p", "record_id")
        .group_by("p", maintain_order=True)
        .agg(
            met=pl.when(pl.col("met").n_unique() == 1).then(pl.col("met").first()),
            told=pl.col("told").str.join(" and "),
        )
    )
    frame = context.anchor(rule.before).join(found, on="p", how="left", maintain_order="left")
    since = f"{absent} in the {int(rule.within)} days up to {_name(rule.before)}"
    seen = (
        pl.when(pl.col("anchor_day").is_null())
        .then(pl.lit(_did_not_happen(rule.before)))
        .otherwise(pl.col("told").fill_null(since))
    )
    return Judgement(frame["met"], frame.select(seen=seen)["seen"])


# --- events and endpoints --------------------------------------------------------------------


def _judge_event(context: Context, rule: EventRule) -> Judgement:
    """Judge whether an event was recorded in a stretch of time."""
    frame = _silence(context, rule)
    begin = pl.lit(None, pl.Int32) if rule.after is None else pl.col("begin")
    found = (
        context.dated("events", rule.before)
        .filter((pl.col("event") == rule.event) & (pl.col("day") <= 0))
        .join(frame.select("p", begin=begin), on="p")
        .filter((pl.col("day") >= pl.col("begin")) | pl.lit(rule.after is None))
        .sort("p", "day", "record_id")
        .group_by("p", maintain_order=True)
        .agg(
            told=pl.format(
                "{} {} ({})", "event", _days_from("day", rule.before), "record_id"
            ).str.join(" and "),
        )
    )
    frame = frame.join(found, on="p", how="left", maintain_order="left")
    happened = (
        pl.when(pl.col("anchor_day").is_null() | pl.col("no_begin"))
        .then(None)
        .when(pl.col("told").is_not_null())
        .then(True)
        .when("silent_is_none")
        .then(False)
    )
    up_to = f"{_name(rule.event)} recorded up to {_name(rule.before)}"
    seen = (
        pl.when(pl.col("anchor_day").is_null())
        .then(pl.lit(_did_not_happen(rule.before)))
        .when("no_begin")
        .then(pl.lit(_did_not_happen(rule.after or "")))
        .when(pl.col("told").is_not_null())
        .then("told")
        .when("silent_is_none")
        .then(pl.lit(f"no {up_to}"))
        .otherwise(pl.lit(f"no {up_to}, but the events are not known to be complete until then"))
    )
    met = happened if rule.recorded == "yes" else ~happened
    return Judgement(frame.select(met=met.cast(pl.Boolean))["met"], frame.select(seen=seen)["seen"])


def _silence(context: Context, rule: EventRule) -> pl.DataFrame:
    """Say for whom silence means that the event did not happen.

    Returns
    -------
    polars.DataFrame
        `p`, `anchor_day`, `begin` (the day of `after`, counted from `before`), `no_begin` (it is
        asked for and did not happen), `silent_is_none`.
    """
    frame = context.anchor(rule.before).join(
        context.last_days(rule.before).select("p", "complete_until"), on="p", maintain_order="left"
    )
    if rule.after is None:
        frame = frame.with_columns(begin=pl.lit(None, pl.Int32), no_begin=pl.lit(value=False))
    else:
        after = context.anchor(rule.after).select("p", after="anchor_day")
        frame = frame.join(after, on="p", maintain_order="left").with_columns(
            begin=pl.col("after") - pl.col("anchor_day"), no_begin=pl.col("after").is_null()
        )
    spans = context.dated_coverage("events", rule.before)
    within = (
        spans.join(frame.select("p", "begin"), on="p")
        .filter((pl.col("from_day") <= pl.col("begin")) & (pl.col("to_day") >= 0))
        .select("p")
        .unique()
    )
    held = pl.col("p").is_in(spans["p"].unique().implode())
    return frame.with_columns(
        silent_is_none=(pl.col("complete_until") >= 0).fill_null(value=False)
        & (~held | pl.col("p").is_in(within["p"].implode()))
    )


def _judge_endpoint(context: Context, rule: EndpointRule) -> Judgement:
    """Judge the status of a derived endpoint."""
    endpoint = context.protocol.endpoints[rule.endpoint]
    if isinstance(endpoint, UndefinedEndpoint):
        nothing = pl.Series([None] * context.size, dtype=pl.Boolean)
        return Judgement(nothing, _say(context, f"{rule.endpoint} is not defined by the protocol"))
    if rule.endpoint not in context.derived:
        raise UsageError(
            f"a criterion rests on the endpoint `{rule.endpoint}`, which is not derived yet; "
            "screen with the context that `derive_all` gives"
        )
    frame = status_by(context, rule.endpoint, rule.before)
    status = pl.col("status")
    met = (
        pl.when(status.is_in(list(rule.is_)))
        .then(True)
        .when(status.is_null() | (status == "not_evaluable"))
        .then(None)
        .otherwise(False)
    )
    return Judgement(frame.select(met=met.cast(pl.Boolean))["met"], frame["told"])


_JUDGES: dict[type, Callable[[Context, Any], Judgement]] = {
    AllOf: _combine,
    AnyOf: _combine,
    AtLeastOf: _combine,
    NotRule: _negate,
    VariableRule: _judge_variable,
    MeasurementRule: _judge_measurement,
    AssessmentRule: _judge_assessment,
    EventRule: _judge_event,
    EndpointRule: _judge_endpoint,
}

# --- words -----------------------------------------------------------------------------------


def _say(context: Context, text: str) -> pl.Series:
    """Say the same of everyone."""
    return pl.Series([text] * context.size, dtype=pl.String)


def _name(name: str) -> str:
    """Write a name of the protocol as words."""
    return name.replace("_", " ")


def _did_not_happen(anchor: str) -> str:
    """Tell that an anchor has no day."""
    return f"{_name(anchor)} did not happen or is not recorded"


def _days_from(day: str, anchor: str) -> pl.Expr:
    """Say a day in words, such as `3 days before enrolment`."""
    count = pl.col(day).abs()
    unit = pl.when(count == 1).then(pl.lit("day")).otherwise(pl.lit("days"))
    side = pl.when(pl.col(day) < 0).then(pl.lit("before")).otherwise(pl.lit("after"))
    return (
        pl.when(pl.col(day) == 0)
        .then(pl.lit(f"on the day of {_name(anchor)}"))
        .otherwise(pl.format("{} {} {} {}", count, unit, side, pl.lit(_name(anchor))))
    )
