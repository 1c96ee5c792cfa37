"""Endpoints of small study folders: rows of tables in, derived rows out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import polars as pl

from stromal.endpoints import Context, derive_all
from stromal.protocol import Protocol, read_protocol
from stromal.records import TrialRecords, read_records
from support.study_folder import PROTOCOL, make_study

__all__ = ["UNITS", "context_of", "counts", "protocol_text", "row_of", "rows_of", "study_of"]

UNITS = {"Hb": "g/L"}
PERSON = {
    "participant_id": "P1",
    "arm": "msc",
    "transplanted_day": 0,
    "last_contact_day": 200,
    "complete_until_day": 200,
}


def protocol_text(endpoints: str, draws: str = "not stated") -> str:
    """Give the small trial's protocol with other endpoints (the text below `endpoints:`)."""
    begin, end = PROTOCOL.index("endpoints:"), PROTOCOL.index("analysis_sets:")
    text = PROTOCOL[:begin] + "endpoints:\n" + endpoints.rstrip() + "\n" + PROTOCOL[end:]
    return text.replace("draws: not stated", f"draws: {draws}")


def counts(
    values: Mapping[int, object] | Iterable[object],
    analyte: str = "ANC",
    participant: str = "P1",
    first: int = 0,
    unit: str | None = None,
) -> list[dict[str, Any]]:
    """Give rows of measurements, by day or on successive days; record ids such as `ANC8`."""
    by_day = values if isinstance(values, Mapping) else dict(enumerate(values, start=first))
    prefix = "" if participant == "P1" else f"{participant}-"
    return [
        {
            "record_id": f"{prefix}{analyte}{day}",
            "participant_id": participant,
            "day": day,
            "analyte": analyte,
            "value": value,
            "unit": unit or UNITS.get(analyte, "10*9/L"),
        }
        for day, value in by_day.items()
        if value is not None
    ]


def study_of(
    folder: Path, endpoints: str, *, draws: str = "not stated", people: Any = None, **tables: Any
) -> tuple[Protocol, TrialRecords]:
    """Write and read a study folder; `people` change the one participant P1, or are several."""
    people = [people or {}] if people is None or isinstance(people, Mapping) else people
    participants = [
        {**PERSON, "participant_id": f"P{number}", **person}
        for number, person in enumerate(people, start=1)
    ]
    for rows in tables.values():
        for row in rows:
            row.setdefault("participant_id", "P1")
    make_study(
        folder,
        protocol_text=protocol_text(endpoints, draws),
        participants=participants,
        **tables,
    )
    protocol = read_protocol(folder)
    return protocol, read_records(folder, protocol)


def context_of(folder: Path, endpoints: str, **kwargs: Any) -> Context:
    """Derive every endpoint of a small study."""
    return derive_all(*study_of(folder, endpoints, **kwargs))


def rows_of(folder: Path, endpoints: str, **kwargs: Any) -> pl.DataFrame:
    """Give the derived rows of the last endpoint."""
    context = context_of(folder, endpoints, **kwargs)
    return list(context.derived.values())[-1]


def row_of(folder: Path, endpoints: str, **kwargs: Any) -> dict[str, Any]:
    """Give the derived row of P1 and the last endpoint."""
    return rows_of(folder, endpoints, **kwargs).row(0, named=True)
