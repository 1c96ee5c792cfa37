"""A virtual trial written down as a study folder that every other command accepts."""

from __future__ import annotations

import io
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import polars as pl
from ruamel.yaml import YAML

from stromal.core import UsageError
from stromal.design.scenario import SCENARIO_FILE
from stromal.design.trials import Trials
from stromal.protocol import PROTOCOL_FILE
from stromal.protocol.reading import amend
from stromal.protocol.rules import ANALYTE_UNITS
from stromal.protocol.yaml_reading import read_yaml
from stromal.records.files import ABOUT_FILE, RECORDS_FOLDER
from stromal.records.tables import TABLES
from stromal.records.trial_records import About, TrialRecords
from stromal.records.writing import write_table

__all__ = ["SIMULATED_FILE", "about_trial", "write_study"]

SIMULATED_FILE = "operating_characteristics.json"
"""What virtual trials of a study showed, kept beside its scenario (`simulate -o`)."""

_KEPT = ("low", "high", "censored", "as_read", "day_zero_date")
"""Columns of the records that reading makes, and no file has."""


def about_trial(trials: Trials, seed: int) -> About:
    """Say what the records of one virtual trial are."""
    return About(
        "synthetic",
        f"Virtual participants of trial {trials.numbers[0]} (seed {seed}): nobody lived this. "
        "Simulated by stromal from protocol.yaml and scenario.yaml. "
        f"{trials.scenario.text} The effect of MSC in it is an assumption.",
        tuple(trials.scenario.sources),
    )


def write_study(
    trials: Trials, study: Path, folder: Path, seed: int,
    amendments: Sequence[tuple[str, dict[str, object]]],
) -> TrialRecords:  # fmt: skip
    """Write one virtual trial as a study folder, and give its records.

    1. `protocol.yaml` is the study's, with the amendments made; `scenario.yaml` the study's,
       without them, so that the folder can be simulated again; what simulating the study showed
       goes along.
    2. `records/` holds what the virtual sites wrote down, `about.yaml` says that it is synthetic.

    Derivation from the folder gives what derivation in memory gives, bit for bit.

    Parameters
    ----------
    trials
        One trial.
    study
        The study that it was simulated from.
    folder
        Where to write: a folder that does not exist, is empty, or was written by this function.

    Raises
    ------
    UsageError
        The folder holds something else, or cannot be written to.
    """
    about = about_trial(trials, seed)
    records = trials.records(named=True, about=about)
    _refuse_foreign(folder, study)
    place = folder / RECORDS_FOLDER
    try:
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir(parents=True)
        _write_protocol(study, folder, amendments)
        content = cast("dict[str, Any]", read_yaml(study / SCENARIO_FILE).data)
        content.pop("amend", None)
        made = f"The scenario of {study.name}; what it amends is made in protocol.yaml."
        _dump(content, folder / SCENARIO_FILE, made)
        if (study / SIMULATED_FILE).is_file():
            shutil.copyfile(study / SIMULATED_FILE, folder / SIMULATED_FILE)
        told = {"data": about.data, "statement": about.statement, "sources": list(about.sources)}
        _dump(told, place / ABOUT_FILE, "Written by stromal simulate.")
    except OSError as error:
        raise UsageError(
            f"cannot write to `{folder}` ({error.strerror or error}); name a folder that you may "
            "write to"
        ) from error
    for name in TABLES:
        rows = _as_written(name, records[name])
        if rows.height:
            write_table(rows, place / f"{name}.csv")
    return records


def _refuse_foreign(folder: Path, study: Path) -> None:
    """Refuse a folder whose content would be lost or mixed."""
    if folder.resolve() == study.resolve():
        raise UsageError("the trial cannot be written into the study's own folder; name another")
    if folder.is_dir() and any(folder.iterdir()):
        about = folder / RECORDS_FOLDER / ABOUT_FILE
        own = about.is_file() and "Written by stromal simulate" in about.read_text("utf-8")
        if not own:
            raise UsageError(
                f"`{folder}` is not empty and holds no virtual trial; name another folder"
            )


def _write_protocol(
    study: Path, folder: Path, amendments: Sequence[tuple[str, dict[str, object]]]
) -> None:
    """Copy the protocol, or write it as amended."""
    source = study / PROTOCOL_FILE
    used = [(name, changes) for name, changes in amendments if changes]
    if not used:
        shutil.copyfile(source, folder / PROTOCOL_FILE)
        return
    content = cast("dict[str, object]", read_yaml(source).data)
    for _, changes in used:
        content = amend(content, changes)
    names = " and ".join(name for name, _ in used)
    told = f"The protocol of {study.name} as amended by {names}."
    _dump(content, folder / PROTOCOL_FILE, told)


def _dump(content: dict[str, Any], file: Path, comment: str) -> None:
    """Write YAML that a person can read."""
    yaml: Any = YAML()
    yaml.width = 120
    yaml.default_flow_style = None
    text = io.StringIO()
    yaml.dump(content, text)
    file.write_text(f"# {comment}\n{text.getvalue()}", encoding="utf-8")


def _as_written(name: str, rows: pl.DataFrame) -> pl.DataFrame:
    """Give a table as a file has it: days where they count, dates of the participants' moments."""
    table = TABLES[name]
    if name == "measurements":
        unit = pl.col("analyte").replace_strict(ANALYTE_UNITS)
        bound = pl.format("<{}", pl.col("high"))
        rows = rows.with_columns(
            value=pl.coalesce(pl.col("value").cast(pl.String), bound), unit=unit
        )
    dates = [moment.date for moment in table.moments] if name != "participants" else []
    if name == "participants":
        moments = [c.removesuffix("_day") for c in rows.columns if c.endswith("_day")]
        rows = rows.with_columns(
            (pl.col("day_zero_date") + pl.duration(days=pl.col(f"{moment}_day"))).alias(
                moment if moment in {"last_contact", "complete_until"} else f"{moment}_on"
            )
            for moment in moments
        ).drop(f"{moment}_day" for moment in moments)
    empty = [c for c in rows.columns if rows[c].null_count() == rows.height]
    return rows.drop(dict.fromkeys([*_KEPT, *dates, *empty]), strict=False)
