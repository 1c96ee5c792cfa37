"""Recovery from plain tables of counts, for those who have no study folder."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import polars as pl

from stromal.core import UsageError
from stromal.endpoints.columns import Inputs, compile_bounds
from stromal.endpoints.days_kernels import LAST_DAY, Counts, DayList, Ints, Others, Values
from stromal.endpoints.kernels import Found, room_for_found
from stromal.endpoints.recovery import search_recovery, start_of
from stromal.endpoints.recovery_kernels import Nadirs, room_for_nadirs
from stromal.endpoints.runs import decide_runs, describe_count
from stromal.protocol.endpoints import Recovery
from stromal.protocol.library import definitions

__all__ = ["recover", "search_in_threads"]

_FEWEST_A_THREAD = 1000


def recover(
    counts: pl.DataFrame,
    definition: str | Recovery,
    *,
    transfusions: pl.DataFrame | None = None,
    ends: pl.DataFrame | None = None,
    threads: int = 1,
) -> pl.DataFrame:
    """Find the day of recovery of every participant of a table of counts.

    1. The rules, and the order of decisions, are those of a study folder's recovery endpoint; day 0
       is the anchor. Of several counts on a day the lowest is used; counts before day 0 are not.
    2. Only what the tables hold is known: no planned draws, no other analytes; every transfusion is
       taken to be logged up to the participant's end.

    Parameters
    ----------
    counts
        `participant_id` (any type), `day` (whole days from the anchor), `value` (in the unit in
        which the analyte is kept, such as 10*9/L). Fastest where sorted by participant and day.
    definition
        Name of a recovery in the library, or the rule itself.
    transfusions
        `participant_id`, `day`: transfusions of the product that the rule asks about.
    ends
        `participant_id`, `day`, `cause`: each participant's competing event, or with a null cause
        the end of follow-up. Nothing after that day is read.
    threads
        How many threads search. The result does not depend on it.

    Returns
    -------
    polars.DataFrame
        One row a participant who has counts, in their order: `participant_id`, `status` (event,
        competing, censored, not_applicable, not_evaluable), `day`, `day_low`, `day_high`, `cause`,
        `note`.

    Raises
    ------
    UsageError
        A column is missing or holds no numbers, a day or value is missing, a participant has two
        ends, or the definition is no recovery of the library.

    Examples
    --------
    >>> counts = pl.DataFrame({"participant_id": ["A"] * 6, "day": range(6),
    ...                        "value": [0.9, 0.1, 0.2, 0.5, 0.6, 0.9]})
    >>> recover(counts, "ASTCT_2021_ANC").select("participant_id", "status", "day").row(0)
    ('A', 'event', 3)
    """
    rule = _rule(definition)
    ids, columns = _columns(counts)
    people = pl.DataFrame({"participant_id": ids}).with_row_index("p")
    people = people.with_columns(pl.col("p").cast(pl.Int64))
    asked = rule.without_transfusion is not None
    given = _days_of(transfusions if asked else None, people)
    finish = _ends(ends, people)
    last = finish["day"].fill_null(LAST_DAY).cast(pl.Int32).to_numpy()
    nothing = DayList(np.zeros(ids.len() + 1, np.int64), np.zeros(0, np.int32))
    inputs: Inputs = (
        np.zeros(ids.len(), np.int32), last, columns,
        Others(nothing.offsets, nothing.day, np.zeros(0)), nothing, given, nothing,
        compile_bounds(rule),
    )  # fmt: skip
    found, nadirs = search_in_threads(inputs, rule, threads)
    size = ids.len()
    rows = decide_runs(
        found,
        pl.Series([None], dtype=pl.List(pl.String)).new_from_index(0, size),
        rule,
        start_of(rule, nadirs, pl.Series(np.zeros(size, dtype=bool)), _in_words(nadirs.height)),
        people.select("p", anchor_day=pl.lit(0, pl.Int32)),
        competing=finish.filter(pl.col("cause").is_not_null()).select(
            "p", "day", record_id=pl.lit(None, pl.String), name="cause"
        ),
        until=None,
        earliest=0,
        planned=True,
        said=describe_count(rule),
    )
    return people.join(rows, on="p", maintain_order="left").select(
        "participant_id", "status", "day", "day_low", "day_high", "cause", "note"
    )


def _in_words(heights: Values) -> pl.Series:
    """Say counts as a study folder would, 1 and not 1.0."""
    return pl.Series(heights).cast(pl.String).str.strip_suffix(".0")


def _rule(definition: str | Recovery) -> Recovery:
    """Give the rule of a name."""
    if isinstance(definition, Recovery):
        return definition
    library = definitions()
    if library.families.get(definition) != "recovery":
        there = ", ".join(library.of_family("recovery"))
        raise UsageError(f"`{definition}` is no recovery of the library; there are: {there}")
    return Recovery.model_validate(library[definition][1])


def _checked(frame: pl.DataFrame, name: str, columns: dict[str, Any]) -> pl.DataFrame:
    """Refuse a table without its columns, or with gaps in them."""
    missing = [column for column in columns if column not in frame.columns]
    if missing:
        raise UsageError(f"the {name} need the columns {', '.join(columns)}; there is no "
                         f"`{missing[0]}`")  # fmt: skip
    frame = frame.select(list(columns))
    for column, kind in columns.items():
        if kind is not None and not frame.schema[column].is_numeric():
            raise UsageError(f"`{column}` of the {name} holds {frame.schema[column]}; give numbers")
        holes = frame[column].is_null()
        if frame.schema[column].is_float():
            holes = holes | ~frame[column].is_finite()
        if holes.any():
            row = holes.arg_true()[0] + 1
            raise UsageError(f"`{column}` of the {name} is missing or not finite in row {row}; "
                             "leave the row out or give the number")  # fmt: skip
        if kind is pl.Int32:
            cast = frame[column].cast(pl.Int32, strict=False)
            if cast.null_count() or (cast.cast(frame.schema[column]) != frame[column]).any():
                raise UsageError(f"`{column}` of the {name} is not in whole days")
            frame = frame.with_columns(cast)
        elif kind is not None:
            frame = frame.with_columns(frame[column].cast(kind))
    return frame


def _columns(counts: pl.DataFrame) -> tuple[pl.Series, Counts]:
    """Give the participants, and their counts as sorted columns."""
    counts = _checked(
        counts, "counts", {"participant_id": None, "day": pl.Int32, "value": pl.Float64}
    )
    other = (pl.col("participant_id") != pl.col("participant_id").shift()).fill_null(value=True)
    later = pl.col("day") > pl.col("day").shift()
    marks = counts.select(other=other, later=(other | later).fill_null(value=True))
    starts = marks["other"].arg_true()
    ids = counts["participant_id"].gather(starts)
    if not marks["later"].all() or ids.is_duplicated().any():
        order = counts.select(pl.col("participant_id").unique(maintain_order=True)).with_row_index()
        counts = (
            counts.join(order, on="participant_id", maintain_order="left")
            .group_by("index", "day")
            .agg(pl.col("participant_id").first(), pl.col("value").min())
            .sort("index", "day")
        )
        return _columns(counts)
    offsets = np.append(starts.to_numpy(), counts.height).astype(np.int64)
    value = counts["value"].to_numpy()
    return ids, Counts(offsets, counts["day"].to_numpy(), value, value)


def _days_of(rows: pl.DataFrame | None, people: pl.DataFrame) -> DayList:
    """Give days of participants as sorted columns; participants without counts are passed over."""
    if rows is None:
        return DayList(np.zeros(people.height + 1, np.int64), np.zeros(0, np.int32))
    rows = _checked(rows, "transfusions", {"participant_id": None, "day": pl.Int32})
    days = rows.join(people, on="participant_id", maintain_order="left").select("p", "day")
    same = pl.col("p") == pl.col("p").shift()
    later = (pl.col("p") > pl.col("p").shift()) | (same & (pl.col("day") >= pl.col("day").shift()))
    if not days.select(later).to_series().drop_nulls().all():
        days = days.sort("p", "day")
    days = days.filter(~(same & (pl.col("day") == pl.col("day").shift())).fill_null(value=False))
    return DayList(_from(days["p"], people.height), days["day"].to_numpy())


def _from(p: pl.Series, size: int) -> Ints:
    """Find where each participant's rows begin."""
    return np.searchsorted(p.to_numpy(), np.arange(size + 1)).astype(np.int64)


def _ends(rows: pl.DataFrame | None, people: pl.DataFrame) -> pl.DataFrame:
    """Give `p`, `day`, `cause` of all participants; null where there is no end."""
    if rows is None:
        return people.select("p", day=pl.lit(None, pl.Int32), cause=pl.lit(None, pl.String))
    if "cause" not in rows.columns:
        raise UsageError("the ends need the columns participant_id, day, cause")
    rows = _checked(rows, "ends", {"participant_id": None, "day": pl.Int32}).with_columns(
        cause=rows["cause"].cast(pl.String)
    )
    twice = rows.filter(rows["participant_id"].is_duplicated())
    if twice.height:
        raise UsageError(f"participant {twice['participant_id'][0]} has more than one end")
    return people.join(rows, on="participant_id", how="left", maintain_order="left")


def search_in_threads(inputs: Inputs, rule: Recovery, threads: int) -> tuple[Found, Nadirs]:
    """Search in several threads, each its own stretch of participants."""
    size = inputs[0].size
    found, nadirs = room_for_found(size), room_for_nadirs(size)
    parts = max(1, min(threads, size // _FEWEST_A_THREAD))
    cuts = [int(cut) for cut in np.linspace(0, size, parts + 1)]

    def search(begin: int, end: int) -> None:
        own = Found._make(column[begin:end] for column in found)
        lows = Nadirs._make(column[begin:end] for column in nadirs)
        search_recovery(_piece(inputs, begin, end), rule, None, own, lows)

    with ThreadPoolExecutor(parts) as pool:
        list(pool.map(search, cuts[:-1], cuts[1:]))
    return found, nadirs


def _piece(inputs: Inputs, begin: int, end: int) -> Inputs:
    """Cut out a stretch of participants; the rows stay where they are."""

    def cut(part: Any) -> Any:  # noqa: ANN401
        return part._replace(offsets=part.offsets[begin : end + 1])

    anchors, last, *lists, bounds = inputs
    return (anchors[begin:end], last[begin:end], *map(cut, lists), bounds)  # type: ignore[return-value]
