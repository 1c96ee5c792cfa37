"""Tables of people who have no protocol: polars or pandas in, the types of an analysis out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
import polars as pl

from stromal.core import UsageError
from stromal.endpoints.outcome import CountingProcess, StateHistory, TimeToEvent

__all__ = [
    "Code",
    "Codes",
    "count_missing",
    "counting_process",
    "state_history",
    "times_to_event",
    "to_polars",
]

Code: TypeAlias = int | float | str | bool
Codes: TypeAlias = Code | Sequence[Code] | Mapping[Any, str]

_RESERVED = ("entry", "case_weight")  # read where they stand, so they stand there only if named


def times_to_event(  # noqa: PLR0913
    frame: Any,  # noqa: ANN401  (a polars or a pandas frame)
    *,
    time: str,
    status: str,
    event: Codes,
    censored: Codes,
    competing: Codes | None = None,
    participant: str | None = None,
    entry: str | None = None,
    weight: str | None = None,
) -> TimeToEvent:
    """Read times to an event from a table, one row a participant.

    1. The codes of `status` have no default: 1 is an event in one data set and censored in the
       next, and a code that is not named is refused.
    2. A mapping names the causes: `competing={2: "relapse", 3: "second transplant"}`. The column
       `cause` then tells them apart, and `estimate_incidence(..., of="relapse")` takes one of them.
    3. All other columns are kept, for groups, strata and covariates.

    Parameters
    ----------
    frame
        A polars or pandas frame.
    time, status
        Columns of the time (days, or any one unit) and of what ended it.
    event, censored, competing
        The codes, one or several.
    participant, entry, weight
        Columns of the participant's id (where absent the column
        `participant_id`, or else the row's number), of the time from which the
        participant was under observation, and of the weight.

    Raises
    ------
    UsageError
        A column is not there, a code is not named or named twice, or the times are refused
        (`TimeToEvent`).

    Examples
    --------
    >>> import polars as pl
    >>> table = pl.DataFrame({"months": [3, 5, 8], "d": [1, 0, 2], "arm": ["a", "b", "a"]})
    >>> outcomes = times_to_event(
    ...     table, time="months", status="d", event=1, censored=0, competing={2: "relapse"}
    ... )
    >>> outcomes.frame["status"].to_list()
    ['event', 'censored', 'competing']
    """
    table = to_polars(frame)
    renamed = {"day": time, "entry": entry, "case_weight": weight}
    coded = _statuses(table, status, {"event": event, "censored": censored, "competing": competing})
    return TimeToEvent(_arranged(table, renamed, coded, participant, status))


def counting_process(  # noqa: PLR0913
    frame: Any,  # noqa: ANN401
    *,
    participant: str,
    start: str,
    stop: str,
    status: str,
    event: Codes,
    censored: Codes,
    competing: Codes | None = None,
    weight: str | None = None,
) -> CountingProcess:
    """Read periods from a table, several rows a participant, as `times_to_event` reads times.

    `competing` are for recurrent events the codes of the terminal event.

    Raises
    ------
    UsageError
        As `times_to_event`; the periods are refused (`CountingProcess`).
    """
    table = to_polars(frame)
    renamed = {"start": start, "stop": stop, "case_weight": weight}
    coded = _statuses(table, status, {"event": event, "censored": censored, "competing": competing})
    return CountingProcess(_arranged(table, renamed, coded, participant, status))


def state_history(
    frame: Any,  # noqa: ANN401
    *,
    participant: str,
    start: str,
    stop: str,
    entered: str,
    none: Code | None = None,
    state: str | None = None,
) -> StateHistory:
    """Read histories of states from a table, one row a period of observation.

    Parameters
    ----------
    frame
        A polars or pandas frame.
    participant, start, stop
        Columns of the participant and of the period.
    entered, none
        Column of the state entered at the end of the period, and the value that stands for none
        (besides missing values), such as `censor`.
    state
        Column of the state at the beginning; all begin in one state where absent.

    Raises
    ------
    UsageError
        A column is not there, or the periods are refused (`StateHistory`).
    """
    table = to_polars(frame)
    _need(table, entered)
    word = pl.col(entered).cast(pl.String)
    named = word if none is None else pl.when(word == str(none)).then(None).otherwise(word)
    extra = {"entered": table.select(named).to_series()}
    if state is not None:
        _need(table, state)
        extra["state"] = table[state].cast(pl.String)
    renamed = {"start": start, "stop": stop}
    return StateHistory(_arranged(table, renamed, extra, participant, entered))


def to_polars(frame: Any) -> pl.DataFrame:  # noqa: ANN401
    """Give a pandas frame as a polars one; NaN is missing, of either.

    Raises
    ------
    UsageError
        It is neither, or two columns have one name.
    """
    if isinstance(frame, pl.LazyFrame):
        frame = frame.collect()
    if isinstance(frame, pl.DataFrame):
        return frame.with_columns(pl.selectors.float().fill_nan(None))
    if not (hasattr(frame, "columns") and hasattr(frame, "iloc")):
        raise UsageError(
            f"a table is a polars or a pandas frame; got {type(frame).__name__}: "
            "wrap it in polars.DataFrame(...)"
        )
    names = [str(name) for name in frame.columns]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise UsageError(f"the table has two columns {twice[0]!r}; rename one of them")
    columns: dict[str, pl.Series] = {}
    for name in frame.columns:
        column = frame[name]
        values = np.asarray(column)
        if values.dtype.kind in "iufb":
            columns[str(name)] = pl.Series(values, nan_to_null=True)
        else:
            there = np.asarray(column.notna())
            listed = [
                value if here else None for value, here in zip(column.tolist(), there, strict=True)
            ]
            columns[str(name)] = pl.Series(listed, strict=False)
    return pl.DataFrame(columns)


def count_missing(column: pl.Series) -> int:
    """Count the missing values of a column; NaN is one."""
    nan = int(column.is_nan().sum()) if column.dtype.is_float() else 0
    return column.null_count() + nan


def _need(table: pl.DataFrame, *names: str | None) -> None:
    """Refuse a column that is not there."""
    for name in names:
        if name is not None and name not in table.columns:
            raise UsageError(f"the table has no column {name!r}; it has {', '.join(table.columns)}")


def _arranged(
    table: pl.DataFrame,
    renamed: Mapping[str, str | None],
    coded: Mapping[str, pl.Series],
    participant: str | None,
    status: str,
) -> pl.DataFrame:
    """Put the columns under the names an analysis reads; keep the others under their own."""
    if participant is None and "participant_id" in table.columns:
        participant = "participant_id"
    _need(table, participant, *renamed.values())
    ids = (
        table[participant].cast(pl.String)
        if participant is not None
        else pl.int_range(1, table.height + 1, eager=True).cast(pl.String)
    )
    columns: dict[str, pl.Series] = {"participant_id": ids}
    for name, source in renamed.items():
        if source is not None:
            columns[name] = _numbers(table, source)
    columns.update(coded)
    used = {participant, status, *renamed.values()}
    for name in table.columns:
        if name in {*columns, *_RESERVED} and name not in used:
            raise UsageError(
                f"the table's column {name!r} has a name that an analysis reads otherwise; rename "
                "it, or name it as what it is"
            )
    kept = [name for name in table.columns if name not in columns]
    return pl.DataFrame(columns).hstack(table.select(kept)) if kept else pl.DataFrame(columns)


def _numbers(table: pl.DataFrame, name: str) -> pl.Series:
    """Read a column of numbers."""
    if not table[name].dtype.is_numeric():
        raise UsageError(f"column {name!r} holds {table[name].dtype}, numbers are expected")
    return table[name].cast(pl.Float64)


def _statuses(
    table: pl.DataFrame, column: str, meaning: Mapping[str, Codes | None]
) -> dict[str, pl.Series]:
    """Turn codes into words, and causes where they are named."""
    _need(table, column)
    words: dict[Any, str] = {}
    causes: dict[Any, str] = {}
    for word, codes in meaning.items():
        for code in _listed(codes):
            if code in words:
                raise UsageError(f"the code {code!r} of {column!r} is named twice")
            words[code] = word
            if isinstance(codes, Mapping):
                causes[code] = str(codes[code])
    values = table[column]
    if values.is_null().any():
        raise UsageError(f"{values.null_count()} rows have no {column!r}; every row needs a status")
    found = values.unique().to_list()
    unknown = [repr(value) for value in found if value not in words]
    if unknown:
        named = ", ".join(f"{code!r} is {word}" for code, word in words.items())
        raise UsageError(
            f"column {column!r} has the codes {', '.join(sorted(unknown))}, which are not named "
            f"({named}): say of each whether it is `event`, `competing` or `censored`"
        )
    text = values.cast(pl.String)
    by_text = {
        str(pl.Series([value], dtype=values.dtype).cast(pl.String)[0]): value for value in found
    }
    coded = {
        "status": text.replace_strict(
            {key: words[value] for key, value in by_text.items()}, return_dtype=pl.String
        )
    }
    if causes:
        coded["cause"] = text.replace_strict(
            {key: causes.get(value) for key, value in by_text.items()}, return_dtype=pl.String
        )
    return coded


def _listed(codes: Codes | None) -> list[Any]:
    """Give one or several codes as a list."""
    if codes is None:
        return []
    if isinstance(codes, str | int | float | bool | np.generic):
        return [codes]
    return list(codes)
