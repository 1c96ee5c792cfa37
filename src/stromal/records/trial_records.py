"""The records of a trial, as they are handed to what derives and analyses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Literal

import polars as pl

from stromal.core import Finding

__all__ = ["About", "TrialRecords"]

DataKind = Literal["observed", "reconstruction", "synthetic", "teaching"]


@dataclass(frozen=True)
class About:
    """What the records are, as `records/about.yaml` declares it.

    Parameters
    ----------
    data
        Whether they were observed, reconstructed from a publication, simulated or made for
        teaching; stamped on everything that is shown. None where a study has no records yet.
    statement
        What a reader must know of them.
    sources
        Where they come from.
    """

    data: DataKind | None
    statement: str = ""
    sources: tuple[str, ...] = ()


@dataclass(frozen=True)
class TrialRecords:
    """Every table of a study folder, checked, in one unit and one clock.

    Parameters
    ----------
    about
        What the records are.
    tables
        All thirteen tables by name; empty, with their columns, where there is no file.
    findings
        What may be true but should not be.
    set_aside
        Rows that are kept but that nothing derives from, with a column `rule` that names the
        finding which put them there.
    data_cutoff
        The last date that was read, inclusive; None where everything was.
    cut_off
        Rows of each table that were not read because of `data_cutoff`.
    """

    about: About
    tables: Mapping[str, pl.DataFrame]
    findings: tuple[Finding, ...] = ()
    set_aside: Mapping[str, pl.DataFrame] = field(default_factory=dict[str, pl.DataFrame])
    data_cutoff: date | None = None
    cut_off: Mapping[str, int] = field(default_factory=dict[str, int])

    def __getitem__(self, table: str) -> pl.DataFrame:
        return self.tables[table]
