"""Covariates of a regression: columns of a table in, columns of numbers with labelled terms out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from stromal.analysis.intervals import Floats
from stromal.core import UsageError

__all__ = ["Covariates", "Missing", "References", "check_varies", "design_row", "read_covariates"]

Missing = Literal["refuse", "leave out"]
References = Mapping[str, str]

_DEPENDENT = 1e-9  # relative: what is left of a standardised column once the others are taken out


@dataclass(frozen=True)
class Covariates:
    """The columns of a regression.

    Parameters
    ----------
    names
        The covariates as they were asked for.
    levels
        Of a covariate of text, its values, the reference first.
    terms
        One label a column: the covariate's name, or `arm: msc against control`.
    columns
        One row a kept row of the table.
    kept
        Which rows of the table have every covariate.
    """

    names: tuple[str, ...]
    levels: Mapping[str, tuple[str, ...]]
    terms: tuple[str, ...]
    columns: Floats
    kept: NDArray[np.bool_]

    @property
    def note(self) -> str:
        """How many rows were left out for a missing covariate; empty where none was."""
        out = int((~self.kept).sum())
        return f"{out} of {self.kept.size} rows left out: a covariate is missing" if out else ""


def read_covariates(
    frame: pl.DataFrame,
    names: Sequence[str],
    *,
    references: References | None = None,
    missing: Missing = "refuse",
) -> Covariates:
    """Give covariates as columns of numbers.

    1. Numbers stay as they are; true is 1 and false 0.
    2. A column of text (or a category) becomes one column a value other than the reference: 1
       where it has that value, else 0. The reference is named in `references`, or else the first
       of the values in sorted order.
    3. Missing values are refused with their number; `leave out` leaves those rows out and says in
       the note how many. NaN counts as missing.

    Parameters
    ----------
    frame
        The table.
    names
        Its columns, at least one.
    references
        For a column of text, the value that the others are set against.
    missing
        `refuse` or `leave out`.

    Raises
    ------
    UsageError
        A covariate is not there, stands twice, is missing for somebody, is infinite, is no number,
        truth value or text, or a reference is none of its values.
    """
    names = _asked(frame, names, references or {}, missing)
    kept = _complete(frame, names, missing)
    table = frame.filter(pl.Series(kept))
    levels: dict[str, tuple[str, ...]] = {}
    terms: list[str] = []
    columns: list[Floats] = []
    for name in names:
        column = table[name]
        if _is_number(column):
            terms.append(name)
            columns.append(_finite(column))
            continue
        levels[name] = _levels(column, (references or {}).get(name))
        first, *others = levels[name]
        text = column.cast(pl.String)
        terms += [f"{name}: {other} against {first}" for other in others]
        columns += [(text == other).to_numpy().astype(np.float64) for other in others]
    matrix = np.column_stack(columns) if columns else np.empty((table.height, 0))
    return Covariates(names, levels, tuple(terms), matrix, kept)


def design_row(covariates: Covariates, at: Mapping[str, float | str | bool]) -> Floats:
    """Give one person's covariates as the columns of a regression.

    Raises
    ------
    UsageError
        A covariate has no value, or one that the regression does not know.
    """
    absent = [name for name in covariates.names if name not in at]
    if absent:
        raise UsageError(
            f"no value is given for {', '.join(absent)}: a prediction needs every covariate"
        )
    row: list[float] = []
    for name in covariates.names:
        value = at[name]
        if name not in covariates.levels:
            if isinstance(value, str) or not np.isfinite(value):
                raise UsageError(f"{name} is {value!r}; a finite number is expected")
            row.append(float(value))
            continue
        levels = covariates.levels[name]
        if str(value) not in levels:
            raise UsageError(f"{name} is {value!r}; it is one of {', '.join(levels)}")
        row += [float(value == other) for other in levels[1:]]
    return np.array(row)


def check_varies(covariates: Covariates, strata: NDArray[np.int64] | None) -> None:
    """Refuse a column that does not vary, or that the others determine.

    Parameters
    ----------
    covariates
        What `read_covariates` gave.
    strata
        Codes; a column must vary within at least one stratum.

    Raises
    ------
    UsageError
        Names the columns and the remedy.
    """
    within = _centred(covariates.columns, strata)
    size = np.sqrt((within**2).sum(axis=0))
    flat = [
        term
        for term, spread, largest in zip(
            covariates.terms, size, np.abs(covariates.columns).max(axis=0, initial=0.0), strict=True
        )
        if spread <= _DEPENDENT * max(1.0, float(largest))
    ]
    where = "" if strata is None else " within any stratum"
    if flat or not covariates.terms:
        named = ", ".join(flat or covariates.names)
        raise UsageError(f"{named} does not vary{where}: leave it out of the covariates")
    taken: list[str] = []
    basis = np.empty((within.shape[0], 0))
    for term, column in zip(covariates.terms, (within / size).T, strict=True):
        rest = column - basis @ (basis.T @ column)
        rest = rest - basis @ (basis.T @ rest)
        length = float(np.sqrt(rest @ rest))
        if length < _DEPENDENT:
            raise UsageError(
                f"{term} is determined by {', '.join(taken)}{where}: their coefficients cannot be "
                "told apart; leave one of them out"
            )
        taken.append(term)
        basis = np.column_stack((basis, rest / length))


def _asked(
    frame: pl.DataFrame, names: Sequence[str], references: References, missing: str
) -> tuple[str, ...]:
    """Refuse covariates that cannot be read."""
    if isinstance(names, str):
        raise UsageError(f"covariates are a list of columns; got the text {names!r}: [{names!r}]")
    if not names:
        raise UsageError("no covariates are named; a regression needs at least one")
    absent = sorted({*names, *references} - set(frame.columns))
    if absent:
        raise UsageError(
            f"there is no column {', '.join(absent)}; there are {', '.join(frame.columns)}"
        )
    if len(set(names)) < len(names):
        raise UsageError(f"a covariate stands twice in {', '.join(names)}")
    if missing not in {"refuse", "leave out"}:
        raise UsageError(f"missing is {missing!r}; choose `refuse` or `leave out`")
    return tuple(names)


def _is_number(column: pl.Series) -> bool:
    """Say whether a column holds numbers or truth values; refuse what is not text either."""
    if column.dtype.is_numeric() or column.dtype == pl.Boolean:
        return True
    if column.dtype == pl.String or isinstance(column.dtype, pl.Categorical | pl.Enum):
        return False
    raise UsageError(
        f"covariate {column.name} is {column.dtype}; numbers, truth values or text are expected"
    )


def _complete(frame: pl.DataFrame, names: tuple[str, ...], missing: str) -> NDArray[np.bool_]:
    """Say which rows have every covariate; refuse missing ones unless told to leave them out."""
    absent = {name: _absent(frame[name]) for name in names}
    counts = {name: int(rows.sum()) for name, rows in absent.items() if rows.any()}
    if counts and missing == "refuse":
        told = ", ".join(f"{name} in {count}" for name, count in counts.items())
        raise UsageError(
            f"a covariate is missing: {told} of {frame.height} rows. Complete it, leave the "
            'covariate out, or say missing="leave out", which the note of the result will tell'
        )
    kept = np.ones(frame.height, dtype=np.bool_)
    for rows in absent.values():
        kept &= ~rows
    if not kept.any():
        raise UsageError("nobody has every covariate; nothing is left to fit")
    return kept


def _absent(column: pl.Series) -> NDArray[np.bool_]:
    """Say where a column has no value."""
    rows = column.is_null()
    if column.dtype.is_float():
        rows = rows | column.is_nan().fill_null(value=True)
    return rows.to_numpy()


def _finite(column: pl.Series) -> Floats:
    """Give a column as floats; refuse infinity."""
    values = column.cast(pl.Float64).to_numpy()
    if not np.isfinite(values).all():
        raise UsageError(
            f"covariate {column.name} is infinite in {int((~np.isfinite(values)).sum())} rows; "
            "finite numbers are expected"
        )
    return values


def _levels(column: pl.Series, reference: str | None) -> tuple[str, ...]:
    """Give the values of a column of text, the reference first."""
    found = sorted(str(value) for value in column.unique().to_list())
    if reference is None:
        return tuple(found)
    if reference not in found:
        raise UsageError(
            f"the reference {reference!r} of {column.name} is none of its values: "
            f"{', '.join(found)}"
        )
    return (reference, *(value for value in found if value != reference))


def _centred(columns: Floats, strata: NDArray[np.int64] | None) -> Floats:
    """Take from each column its mean, of each stratum."""
    if strata is None:
        return columns - columns.mean(axis=0)
    size = np.bincount(strata).astype(np.float64)
    centred = columns.copy()
    for i in range(columns.shape[1]):
        centred[:, i] -= (np.bincount(strata, weights=columns[:, i]) / size)[strata]
    return centred
