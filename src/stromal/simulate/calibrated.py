"""Parameter sets that calibration did not rule out; see `stromal.design.calibrate`."""

from __future__ import annotations

import functools
from importlib.resources import as_file, files
from pathlib import Path

import polars as pl

from stromal.core import UsageError
from stromal.simulate.assumptions import Override
from stromal.simulate.parameters import parameters

__all__ = ["SPREAD", "calibrated_sets", "read_sets"]

SPREAD = ".spread"
"""What follows a parameter's name in the column of its spread."""


def calibrated_sets() -> list[dict[str, Override]]:
    """Give the accepted parameter sets that come with stromal, in the order of the file.

    They are the sets that the published figures do not rule out, and no sample of how probable each
    is. What a set does not name has the value of the parameter file.

    Raises
    ------
    UsageError
        The file is faulty.
    """
    return list(_packaged())


@functools.cache
def _packaged() -> tuple[dict[str, Override], ...]:
    """Read the file that comes with stromal, once."""
    with as_file(files("stromal.simulate") / "calibrated.csv") as path:
        return tuple(read_sets(path))


def read_sets(path: Path) -> list[dict[str, Override]]:
    """Read parameter sets: one row a set, one column a parameter.

    The column of a parameter's spread between participants is its name followed by `.spread`.

    Raises
    ------
    UsageError
        There is no set, a column is no parameter, or a cell holds no number from 0.
    """
    table = pl.read_csv(path)
    if not table.height:
        raise UsageError(
            f"{path.name} holds no parameter set; make it with `python -m stromal.design.calibrate`"
        )
    for column in table.columns:
        if column.removesuffix(SPREAD) not in parameters():
            raise UsageError(
                f"{path.name}: the column `{column}` is no parameter of the virtual participant; "
                f"there are: {', '.join(parameters())}, and their spreads as `<name>{SPREAD}`"
            )
        cells = table[column].cast(pl.Float64, strict=False).fill_null(-1.0)
        if not (cells.is_finite() & (cells >= 0)).all():
            raise UsageError(f"{path.name}: `{column}` holds cells that are no numbers from 0")
    return [_overrides(row) for row in table.iter_rows(named=True)]


def _overrides(row: dict[str, float]) -> dict[str, Override]:
    """Give a row as overrides of parameters."""
    found: dict[str, dict[str, float]] = {}
    for column, number in row.items():
        name = column.removesuffix(SPREAD)
        found.setdefault(name, {})["spread" if column != name else "value"] = float(number)
    return {name: Override.model_validate(parts) for name, parts in found.items()}
