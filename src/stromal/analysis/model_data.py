"""What a proportional-hazards model is fitted to, made from times to an event or from periods."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from stromal.analysis.covariates import (
    Covariates,
    Missing,
    References,
    check_varies,
    read_covariates,
)
from stromal.analysis.frames import count_missing
from stromal.analysis.survival_library import CoxData
from stromal.core import UsageError
from stromal.endpoints.outcome import CountingProcess, TimeToEvent

__all__ = ["ModelData", "choose_event", "code_columns", "prepare_model"]


@dataclass(frozen=True)
class ModelData:
    """The arrays of a model, and what its result says of them.

    Parameters
    ----------
    data
        The arrays.
    covariates
        The terms.
    frame
        The rows used, with all their columns.
    strata_levels
        The values of the strata's columns, one tuple a stratum, in the order of the codes.
    n, events
        Participants and events used.
    competing
        Whether competing events were taken as censored.
    notes
        What the result must say.
    """

    data: CoxData
    covariates: Covariates
    frame: pl.DataFrame
    strata_levels: tuple[tuple[str, ...], ...]
    n: int
    events: int
    competing: bool
    notes: tuple[str, ...]


def prepare_model(
    outcomes: TimeToEvent | CountingProcess,
    *,
    covariates: Sequence[str],
    strata: Sequence[str],
    cluster: str | None,
    references: References | None,
    missing: Missing,
) -> ModelData:
    """Make the arrays of a model.

    1. Covariates are read by `read_covariates`, of the rows that remain.
    2. A status other than `event` is censored.
    3. Case weights without a named cluster make each participant a cluster.

    Raises
    ------
    UsageError
        A column is not there or has missing values, a covariate is refused or does not vary, or
        nobody is there.
    """
    frame = outcomes.frame
    if frame.is_empty():
        raise UsageError("there are no participants; a model needs times to an event")
    read = read_covariates(frame, covariates, references=references, missing=missing)
    used = frame.filter(pl.Series(read.kept))
    codes, levels = code_columns(used, strata, what="a stratum")
    if set(strata) & set(covariates):
        both = ", ".join(sorted(set(strata) & set(covariates)))
        raise UsageError(f"{both} is a covariate and a stratum; it can be only one of them")
    check_varies(read, codes)
    weighted = "case_weight" in used.columns
    grouped = cluster or ("participant_id" if weighted else None)
    clusters, groups = code_columns(used, (grouped,) if grouped else (), what="a cluster")
    if clusters is not None and len(groups) < 2:
        raise UsageError(
            f"all rows are in one cluster of {grouped}; a robust variance needs two or more, and "
            "many to be trusted"
        )
    data = CoxData(
        stop=_floats(used, "day" if isinstance(outcomes, TimeToEvent) else "stop"),
        event=(used["status"] == "event").to_numpy().astype(np.float64),
        columns=read.columns,
        start=_starts(used, outcomes),
        strata=codes,
        cluster=clusters,
        weight=_floats(used, "case_weight") if weighted else None,
    )
    return ModelData(
        data=data,
        covariates=read,
        frame=used,
        strata_levels=levels,
        n=used["participant_id"].n_unique(),
        events=int(data.event.sum()),
        competing=bool((used["status"] == "competing").any()),
        notes=_notes(used, outcomes, read, cluster=grouped),
    )


def choose_event(frame: pl.DataFrame, of: str) -> pl.DataFrame:
    """Make what is asked for the event, and whatever else ends observation competing.

    Parameters
    ----------
    frame
        `status`, and `cause` where `of` is one of its words.
    of
        `event`, `competing`, or a word of the column `cause`.

    Raises
    ------
    UsageError
        `of` is none of these.
    """
    happened = pl.col("status") != "censored"
    if of in {"event", "competing"}:
        chosen = pl.col("status") == of
    else:
        named = frame["cause"].drop_nulls().unique().to_list() if "cause" in frame.columns else []
        if of not in named:
            words = ", ".join(["event", "competing", *sorted(map(str, named))])
            raise UsageError(f"{of!r} is not what can happen here; choose one of {words}")
        chosen = happened & (pl.col("cause") == of).fill_null(value=False)
    word = pl.when(chosen).then(pl.lit("event")).when(happened).then(pl.lit("competing"))
    return frame.with_columns(word.otherwise(pl.lit("censored")).alias("status"))


def code_columns(
    frame: pl.DataFrame, names: Sequence[str], *, what: str
) -> tuple[NDArray[np.int64] | None, tuple[tuple[str, ...], ...]]:
    """Give the combinations of values of some columns numbers from 0, in sorted order.

    Raises
    ------
    UsageError
        A column is not there or has missing values.
    """
    if isinstance(names, str):
        raise UsageError(f"strata are a list of columns; got the text {names!r}: [{names!r}]")
    if not names:
        return None, ()
    for name in names:
        if name not in frame.columns:
            raise UsageError(f"{what} is to be the column {name!r}, which is not there")
        missing = count_missing(frame[name])
        if missing:
            raise UsageError(f"{name} is missing in {missing} rows; {what} needs it in all")
    keys = frame.select(names)
    levels = keys.unique().sort(names).with_row_index("__code__")
    codes = keys.join(levels, on=list(names), how="left", maintain_order="left")["__code__"]
    listed = tuple(tuple(str(value) for value in row) for row in levels.select(names).rows())
    return codes.to_numpy().astype(np.int64), listed


def _starts(
    frame: pl.DataFrame, outcomes: TimeToEvent | CountingProcess
) -> NDArray[np.float64] | None:
    """Give the beginnings of the periods, or entries; `None` where nobody enters late."""
    if isinstance(outcomes, CountingProcess):
        return _floats(frame, "start")
    return _floats(frame, "entry") if "entry" in frame.columns else None


def _notes(
    frame: pl.DataFrame,
    outcomes: TimeToEvent | CountingProcess,
    read: Covariates,
    *,
    cluster: str | None,
) -> tuple[str, ...]:
    """Say what the result must tell of its rows."""
    notes = [read.note] if read.note else []
    if isinstance(outcomes, CountingProcess):
        people = frame["participant_id"].n_unique()
        notes.append(f"{frame.height} periods of {people} participants")
        several = frame.filter(pl.col("status") == "event")["participant_id"].value_counts()
        more = int((several["count"] > 1).sum())
        if more and cluster is None:
            notes.append(
                f"{more} participants have several events, which the model-based variance takes "
                'as independent; cluster="participant_id" does not'
            )
    if cluster is not None:
        notes.append(f"variance robust to dependence within {cluster}")
    return tuple(notes)


def _floats(frame: pl.DataFrame, name: str) -> NDArray[np.float64]:
    """Give a column as floats."""
    return frame[name].cast(pl.Float64).to_numpy()
