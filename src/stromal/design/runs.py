"""What a finished run of virtual trials is made of: three tables, and what must hold of them."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import polars as pl

from stromal.core import UsageError
from stromal.design.decision import Decision

__all__ = [
    "CELL",
    "NULL_SCENARIO",
    "SET",
    "TALLIES_SCHEMA",
    "TRIALS_SCHEMA",
    "TRUTHS_SCHEMA",
    "arms_of",
    "bank_sizes",
    "check_tallies",
    "check_trials",
    "check_truths",
    "trials_schema",
    "truths_schema",
]

NULL_SCENARIO = "null"
"""The scenario in which MSC have no effect, otherwise as the others."""

CELL = ["scenario", "variant"]
SET = [*CELL, "parameter_set"]

_SET_SCHEMA: dict[str, pl.DataType] = {
    "scenario": pl.String(),
    "variant": pl.String(),
    "parameter_set": pl.Int32(),
}

TRIALS_SCHEMA: Mapping[str, pl.DataType] = MappingProxyType(
    {
        **_SET_SCHEMA,
        "trial": pl.Int32(),
        "arm": pl.String(),
        "n": pl.Int32(),
        "events": pl.Int32(),
        "enrolled": pl.Int32(),
        "screened": pl.Float64(),
        "duration_days": pl.Float64(),
    }
)
"""One row a trial and arm: participants analysed and their successes, participants enrolled,
transplants looked at for each one enrolled, days from the first enrolment to the last contact."""

TALLIES_SCHEMA: Mapping[str, pl.DataType] = MappingProxyType(
    {
        **_SET_SCHEMA,
        "arm": pl.String(),
        "endpoint": pl.String(),
        "status": pl.String(),
        "day": pl.Int32(),
        "participants": pl.Int64(),
    }
)
"""Participants of all trials of a set by status and day (from the endpoint's anchor)."""

TRUTHS_SCHEMA: Mapping[str, pl.DataType] = MappingProxyType(
    {
        **_SET_SCHEMA,
        "arm": pl.String(),
        "truth": pl.String(),
        "n": pl.Int64(),
        "events": pl.Int64(),
    }
)
"""Many participants and how many of them succeed, by what is called the truth."""


_TIMED_TRIALS: Mapping[str, pl.DataType] = MappingProxyType(
    {
        **TRIALS_SCHEMA,
        "p_value": pl.Float64(),
        "direction": pl.Int8(),
        "estimate": pl.Float64(),
        "error": pl.Float64(),
    }
)
_TIMED_TRUTHS: Mapping[str, pl.DataType] = MappingProxyType(
    {**TRUTHS_SCHEMA, "rate": pl.Float64(), "error": pl.Float64()}
)
_MAY_MISS = {"screened", "duration_days", "p_value", "estimate", "error"}


def trials_schema(decision: Decision) -> Mapping[str, pl.DataType]:
    """Give the columns of trials: `TRIALS_SCHEMA`, and for a time to an event what decides.

    `p_value` (two-sided) and `direction` (the sign of observed less expected events in the
    experimental arm) are of the trial, equal in its arms; `estimate` and `error` of the arm, on the
    first day of the analysis. What is not computable is missing, the direction then 0.
    """
    return _TIMED_TRIALS if decision.timed else TRIALS_SCHEMA


def truths_schema(decision: Decision) -> Mapping[str, pl.DataType]:
    """Give the columns of truths: with `rate` and its `error` for a time to an event."""
    return _TIMED_TRUTHS if decision.timed else TRUTHS_SCHEMA


def check_trials(trials: pl.DataFrame, decision: Decision) -> pl.DataFrame:
    """Check the table of trials and put it in order.

    1. There are trials, in the columns of `trials_schema`; only `screened` and `duration_days`
       may be missing (nobody was enrolled), and what of a time to an event is not computable.
    2. Successes are from 0 to n. A trial has an arm at most once. Each scenario and variant has
       the arms of the decision; a trial without a row of an arm that its others have had nobody
       in it, and gets a row of zeros.
       P values are from 0 to 1; a trial has one, and one direction.
    3. Each variant has trials of the scenario `null`, with the same parameter sets as the
       variant's other scenarios.

    Raises
    ------
    UsageError
        One of these does not hold; the message names the place.
    """
    keys = [*SET, "trial", "arm"]
    if trials.height == 0:
        raise UsageError("there are no trials to evaluate; simulate at least one")
    schema = trials_schema(decision)
    missing = _MAY_MISS & set(schema)
    frame = _typed(trials, schema, "trials", missing).sort(keys)
    frame = frame.with_columns(pl.col(sorted(missing)).fill_nan(None))
    _refuse_counts(frame, "trials")
    _refuse(
        frame.filter(pl.struct(keys).is_duplicated()), keys, "stands twice among the trials: {}"
    )
    arms = sorted(frame["arm"].unique())
    for arm in arms_of(decision, arms):
        there = frame.group_by(CELL, maintain_order=True).agg((pl.col("arm") == arm).any())
        _refuse(
            there.filter(~pl.col("arm")),
            CELL,
            f"the decision needs the arm '{arm}', which {{}} lacks; arms are {', '.join(arms)}",
        )
    _check_null(frame)
    if decision.timed:
        _check_tests(frame)
    return _with_empty_arms(frame)


def _check_tests(frame: pl.DataFrame) -> None:
    """Refuse p values that are none, and directions that are none or differ within a trial."""
    wrong = ~pl.col("p_value").is_between(0, 1) | ~pl.col("direction").is_in([-1, 0, 1])
    columns = [*SET, "trial", "p_value", "direction"]
    _refuse(frame.filter(wrong.fill_null(value=False)), columns, "no p value or direction: {}")
    several = frame.filter(pl.col("n") > 0).group_by(*SET, "trial", maintain_order=True)
    differing = several.agg(pl.struct("p_value", "direction").n_unique().alias("results"))
    _refuse(differing.filter(pl.col("results") > 1), [*SET, "trial"], "two results of one test: {}")


def _with_empty_arms(frame: pl.DataFrame) -> pl.DataFrame:
    """Add the arms that nobody of a trial was allocated to, where other trials have them."""
    arms = frame.select(*CELL, "arm").unique()
    whole = frame.select(*SET, "trial").unique().join(arms, on=CELL)
    if whole.height == frame.height:
        return frame
    named = [name for name in ("n", "events", "enrolled", "direction") if name in frame.columns]
    counts = pl.col(named).fill_null(0)
    keys = [*SET, "trial", "arm"]
    return whole.join(frame, on=keys, how="left").with_columns(counts).sort(keys)


def _check_null(frame: pl.DataFrame) -> None:
    """Refuse scenarios without their null, or with other parameter sets."""
    sets = frame.select(SET).unique().sort(SET)
    null = sets.filter(pl.col("scenario") == NULL_SCENARIO).drop("scenario")
    _refuse(
        sets.join(null, on="variant", how="anti"),
        ["variant"],
        "{} has no trials of the scenario 'null', which the null success rate and the actual "
        "alpha come from; simulate that too",
    )
    others = sets.join(null, on=["variant", "parameter_set"], how="anti")
    pairs = sets.select(CELL).unique().sort(CELL)
    lacking = pairs.join(null, on="variant").join(sets, on=SET, how="anti").select(SET)
    _refuse(
        pl.concat([others, lacking]).sort(SET),
        SET,
        "scenario 'null' and the other scenarios of a variant need the same parameter sets: {} "
        "is in one and not in the other",
    )


def arms_of(decision: Decision, arms: list[str]) -> tuple[str, ...]:
    """Name the experimental arm and, for two arms, the control.

    Raises
    ------
    UsageError
        There are several arms and a decision on one does not say which.
    """
    if decision.control is not None and decision.experimental is not None:
        return decision.experimental, decision.control
    if decision.experimental is not None:
        return (decision.experimental,)
    if len(arms) != 1:
        raise UsageError(
            f"the decision is on one arm and the trials have {', '.join(arms)}; "
            "name it as `experimental`"
        )
    return (arms[0],)


def check_tallies(tallies: pl.DataFrame, trials: pl.DataFrame) -> pl.DataFrame:
    """Check the tallies of the endpoints, and add up those of one status and day."""
    frame = _typed(tallies, TALLIES_SCHEMA, "tallies", {"day"})
    keys = [name for name in TALLIES_SCHEMA if name != "participants"]
    _refuse(frame.filter(pl.col("participants") < 0), keys, "a tally is below 0: {}")
    strange = frame.join(trials, on=[*SET, "arm"], how="anti").sort(keys)
    _refuse(strange, [*SET, "arm"], "a tally is of what has no trials: {}")
    return frame.group_by(keys).agg(pl.col("participants").sum()).sort(keys)


def check_truths(truths: pl.DataFrame, trials: pl.DataFrame, decision: Decision) -> pl.DataFrame:
    """Check the truths: each of them for every parameter set and arm that has trials.

    Counts of equal keys are added up; a curve stands once, because curves cannot be added.
    """
    frame = _typed(truths, truths_schema(decision), "truths", {"rate", "error"})
    _refuse_counts(frame, "truths")
    keys = [*SET, "arm", "truth"]
    if decision.timed:
        _refuse(frame.filter(pl.struct(keys).is_duplicated()), keys, "{} has two truths")
        frame = frame.with_columns(pl.col("rate", "error").fill_nan(None)).sort(keys)
    else:
        frame = frame.group_by(keys).agg(pl.col("n", "events").sum()).sort(keys)
    needed = trials.select(*SET, "arm").unique().join(frame.select("truth").unique(), how="cross")
    there = frame.filter(pl.col("n") > 0)
    _refuse(
        needed.join(there, on=keys, how="anti").sort(keys),
        keys,
        "no truth to compare the estimates with: {} has no participants among the truths",
    )
    return there.join(needed, on=keys, how="semi").sort(keys)


def bank_sizes(sets: pl.DataFrame, banked: int | pl.DataFrame | None) -> pl.DataFrame:
    """Give the people in the bank of each scenario, variant and parameter set.

    Parameters
    ----------
    sets
        Columns `SET`.
    banked
        A number for all; or a table of `parameter_set`, `people` and, where banks differ by them,
        `scenario`, `variant`; `None` where nothing is banked.

    Returns
    -------
    DataFrame
        `sets` with `people`, null where nothing is banked.

    Raises
    ------
    UsageError
        A set has no bank, two, or an empty one.
    """
    if not isinstance(banked, pl.DataFrame):
        found = sets.with_columns(people=pl.lit(banked, dtype=pl.Float64))
    else:
        on = [name for name in SET if name in banked.columns]
        if "people" not in banked.columns or not on:
            raise UsageError("the table of banks needs the columns `parameter_set` and `people`")
        table = banked.select(*(pl.col(name).cast(_SET_SCHEMA[name]) for name in on), "people")
        _refuse(table.filter(pl.struct(on).is_duplicated()).sort(on), on, "{} has two banks")
        found = sets.join(table.cast({"people": pl.Float64}), on=on, how="left")
        _refuse(found.filter(pl.col("people").is_null()).sort(SET), SET, "{} has no bank")
    _refuse(found.filter(pl.col("people") < 1).sort(SET), SET, "the bank of {} is empty")
    return found.sort(SET)


def _typed(
    frame: pl.DataFrame, schema: Mapping[str, pl.DataType], name: str, may_miss: set[str]
) -> pl.DataFrame:
    """Give the columns of the schema; refuse what lacks one, or a value in one."""
    lacking = [column for column in schema if column not in frame.columns]
    if lacking:
        raise UsageError(f"the table of {name} lacks the columns {', '.join(lacking)}")
    try:
        typed = frame.select(pl.col(column).cast(kind) for column, kind in schema.items())
    except pl.exceptions.PolarsError as error:
        raise UsageError(f"the table of {name} has a column of another kind: {error}") from error
    for column in schema:
        if column not in may_miss and typed[column].null_count():
            raise UsageError(f"a value is missing in the column {column} of the table of {name}")
    return typed


def _refuse_counts(frame: pl.DataFrame, name: str) -> None:
    """Refuse successes that are not from 0 to n."""
    wrong = frame.filter((pl.col("events") < 0) | (pl.col("events") > pl.col("n")))
    columns = [*SET, *(c for c in ("trial", "arm", "truth", "n", "events") if c in frame.columns)]
    _refuse(wrong, columns, f"successes are from 0 to n; among the {name} {{}}")


def _refuse(wrong: pl.DataFrame, columns: list[str], message: str) -> None:
    """Raise with the first wrong row told in words, if there is one."""
    if wrong.height:
        row = wrong.select(columns).row(0, named=True)
        place = ", ".join(f"{key.replace('_', ' ')} {value}" for key, value in row.items())
        more = f" (and {wrong.height - 1} more)" if wrong.height > 1 else ""
        raise UsageError(message.format(place) + more)
