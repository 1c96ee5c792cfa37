"""The tables of a study folder, declared as data: columns, types, words, limits, moments."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal, cast, get_args

import polars as pl

from stromal.protocol import Protocol
from stromal.protocol.endpoints import (
    AdjudicatedEndpoint,
    GradedEndpoint,
    ResponseEndpoint,
    provisos_of,
)
from stromal.protocol.provisos import AttestedProviso
from stromal.protocol.rules import ANALYTE_UNITS, BloodProduct
from stromal.protocol.timing import ParticipantAnchor

__all__ = [
    "TABLES",
    "Column",
    "Moment",
    "Table",
    "declared_names",
    "event_names",
    "levels_of",
    "tables_for",
]

Kind = Literal["text", "word", "name", "yes_no", "integer", "number", "date", "time", "list"]
NameKind = Literal["product", "arm", "endpoint", "criterion", "table"]

_TYPES: dict[str, pl.DataType] = {
    "integer": pl.Int32(),
    "number": pl.Float64(),
    "date": pl.Date(),
    "list": pl.List(pl.String()),
}


@dataclass(frozen=True)
class Column:
    """One column of a table.

    Parameters
    ----------
    name
        As the header writes it.
    kind
        `text`; `word` (one of `words`); `name` (something the protocol declares, see `of`);
        `yes_no`; `integer`; `number`; `date` (ISO 8601); `time` (of day, HH:MM or HH:MM:SS);
        `list` (texts joined by semicolons).
    needed
        The column must be there and every row must fill it.
    low, high
        Inclusive limits of a number; `zero` says that 0 is accepted below `low`.
    hint
        What the number or word is, for the message.
    """

    name: str
    kind: Kind = "text"
    needed: bool = False
    words: tuple[str, ...] = ()
    of: NameKind | None = None
    low: float | None = None
    high: float | None = None
    zero: bool = False
    hint: str = ""

    @property
    def dtype(self) -> pl.DataType:
        """The polars type in which the column is kept."""
        return _TYPES.get(self.kind, pl.String())


@dataclass(frozen=True)
class Moment:
    """A point in time that is given as a date, as a whole day from day zero, or as both.

    Parameters
    ----------
    date, day
        Names of the two columns.
    needed
        Every row must give one of them.
    began
        The day column of the moment that this one cannot precede.
    """

    date: str
    day: str
    needed: bool = False
    began: str = ""


@dataclass(frozen=True)
class Table:
    """One table of the records.

    Parameters
    ----------
    name
        The stem of its file.
    columns
        What stromal reads; other columns are carried along.
    moments
        Its dates; the first one places the row in time.
    of_participants
        Whether `participant_id` refers to the participants table.
    either
        Of these columns every row must fill at least one.
    """

    name: str
    columns: tuple[Column, ...]
    moments: tuple[Moment, ...] = ()
    of_participants: bool = True
    either: tuple[str, ...] = ()
    kept: Mapping[str, pl.DataType] = field(default_factory=lambda: MappingProxyType({}))

    @property
    def known(self) -> tuple[str, ...]:
        """Names of every column that stromal reads."""
        moments = [name for moment in self.moments for name in (moment.date, moment.day)]
        return (*(column.name for column in self.columns), *moments)

    @property
    def schema(self) -> dict[str, pl.DataType]:
        """Columns and types of the table as it is handed on, without those carried along."""
        found: dict[str, pl.DataType] = {column.name: column.dtype for column in self.columns}
        for moment in self.moments:
            found[moment.day] = pl.Int32()
            found[moment.date] = pl.Date()
        return {**found, **self.kept}


_RECORD = Column("record_id")
_PARTICIPANT = Column("participant_id", needed=True)
_DATED = Moment("date", "day", needed=True)
_SOMETIMES_DATED = Moment("date", "day")
_CELLS = Column(
    "cells", "number", low=1e4, high=1e13, zero=True,
    hint="the number of cells, such as 7e7, not millions of cells",
)  # fmt: skip
_CELLS_PER_KG = Column(
    "cells_per_kg", "number", low=1e2, high=1e11, zero=True,
    hint="the number of cells per kg, such as 1e6, not millions of cells",
)  # fmt: skip
_WEIGHT = Column("weight_kg", "number", low=0.3, high=400, hint="a body weight in kg")
_VIABILITY = Column(
    "viability_percent", "number", low=1, high=100, zero=True,
    hint="a percentage, such as 95, not a fraction",
)  # fmt: skip

_ALL = (
    Table(
        "participants",
        (
            _PARTICIPANT,
            Column("site"),
            Column("sex", "word", words=("female", "male", "other", "unknown"), hint="a sex"),
            Column("birth_date", "date"),
            Column("age", "number", low=0, high=125, hint="an age in years"),
            _WEIGHT,
            Column("arm", "name", of="arm"),
        ),
        (
            Moment("last_contact", "last_contact_day"),
            Moment("complete_until", "complete_until_day"),
        ),
        of_participants=False,
        kept=MappingProxyType({"day_zero_date": pl.Date()}),
    ),
    Table(
        "attestations",
        (
            _RECORD,
            _PARTICIPANT,
            Column("criterion", "name", needed=True, of="criterion"),
            Column("value", "yes_no", needed=True),
            Column("by"),
        ),
        (_SOMETIMES_DATED,),
    ),
    Table("visits", (_RECORD, _PARTICIPANT, Column("encounter", needed=True)), (_DATED,)),
    Table(
        "measurements",
        (
            _RECORD,
            _PARTICIPANT,
            Column(
                "analyte", "word", needed=True, words=tuple(ANALYTE_UNITS),
                hint="an analyte that stromal knows",
            ),
            Column("value", needed=True),
            Column("unit", needed=True),
            Column("time", "time"),
            Column("method"),
            Column("verified", "yes_no"),
        ),
        (_DATED,),
        kept=MappingProxyType(
            {
                "value": pl.Float64(),
                "low": pl.Float64(),
                "high": pl.Float64(),
                "censored": pl.String(),
                "as_read": pl.String(),
            }
        ),
    ),
    Table(
        "transfusions",
        (
            _RECORD,
            _PARTICIPANT,
            Column(
                "product", "word", needed=True, words=get_args(BloodProduct),
                hint="a blood product",
            ),
            Column("units", "number", low=0.01, high=1000, hint="a number of units"),
            Column("reason"),
        ),
        (_DATED,),
    ),
    Table(
        "infusions",
        (
            _RECORD,
            _PARTICIPANT,
            Column("product", "name", needed=True, of="product"),
            Column("number", "integer", needed=True, low=1, high=1000, hint="1 for the first"),
            Column("lot"),
            _CELLS,
            _CELLS_PER_KG,
            _WEIGHT,
            _VIABILITY,
            Column("completed", "yes_no"),
        ),
        (_DATED,),
    ),
    Table(
        "events",
        (
            _RECORD,
            _PARTICIPANT,
            Column("event", needed=True),
            Column("grade", "integer", low=0, high=5, hint="a grade from 0 to 5"),
            Column("serious", "yes_no"),
            Column("related_to", "list"),
            Column("not_related_to", "list"),
            Column("cause"),
            Column("leads_to"),
        ),
        (_DATED, Moment("ended", "ended_day", began="day")),
    ),
    Table(
        "assessments",
        (
            _RECORD,
            _PARTICIPANT,
            Column("scale", needed=True),
            Column("item"),
            Column("value", needed=True),
            Column("assessor"),
        ),
        (_DATED,),
    ),
    Table(
        "adjudications",
        (
            _RECORD,
            _PARTICIPANT,
            Column("endpoint", "name", needed=True, of="endpoint"),
            Column(
                "status", "word",
                words=("event", "competing", "censored", "not_applicable", "not_evaluable"),
                hint="a status",
            ),
            Column("level"),
            Column("assessor"),
            Column("masked", "yes_no"),
            Column("basis"),
        ),
        (_SOMETIMES_DATED,),
        either=("status", "level"),
    ),
    Table(
        "lots",
        (
            Column("lot", needed=True),
            Column("product", "name", needed=True, of="product"),
            Column("donor"),
            Column("passage", "integer", low=0, high=100, hint="a passage number"),
            Column("released_on", "date"),
            _VIABILITY,
        ),
        of_participants=False,
    ),
    Table(
        "allocations",
        (
            _RECORD,
            _PARTICIPANT,
            Column("arm", "name", of="arm"),
            Column("code"),
            Column("stratum"),
        ),
        (_SOMETIMES_DATED,),
        either=("arm", "code"),
    ),
    Table(
        "medications",
        (_RECORD, _PARTICIPANT, Column("drug", needed=True), Column("drug_class")),
        (
            Moment("started", "started_day"),
            Moment("ended", "ended_day", began="started_day"),
        ),
    ),
    Table(
        "coverage",
        (_RECORD, _PARTICIPANT, Column("table", "name", needed=True, of="table")),
        (
            Moment("from", "from_day", needed=True),
            Moment("to", "to_day", needed=True, began="from_day"),
        ),
    ),
)  # fmt: skip
TABLES: Mapping[str, Table] = MappingProxyType({table.name: table for table in _ALL})
"""The thirteen tables by name, in the order in which they are read."""


def tables_for(protocol: Protocol) -> dict[str, Table]:
    """Give the tables as a protocol needs them: participants with one moment for each anchor."""
    anchors = dict.fromkeys(
        anchor.participant
        for anchor in protocol.anchors.values()
        if isinstance(anchor, ParticipantAnchor)
    )
    plain = TABLES["participants"]
    moments = tuple(Moment(f"{name}_on", f"{name}_day") for name in anchors)
    whole = Table(
        plain.name,
        plain.columns,
        (*moments, *plain.moments),
        of_participants=plain.of_participants,
        kept=plain.kept,
    )
    return {**TABLES, "participants": whole}


def declared_names(protocol: Protocol) -> dict[str, tuple[str, ...]]:
    """Give the names that records may refer to, by kind."""
    population = protocol.population
    criteria = [item.id for item in (*population.inclusion, *population.exclusion)]
    for endpoint in protocol.endpoints.values():
        provisos = provisos_of(endpoint)
        criteria += [part.attested for part in provisos if isinstance(part, AttestedProviso)]
    dated = [name for name, table in TABLES.items() if table.moments and name != "participants"]
    return {
        "product": tuple(protocol.products),
        "arm": tuple(protocol.arms),
        "endpoint": tuple(protocol.endpoints),
        "criterion": tuple(dict.fromkeys(criteria)),
        "table": tuple(name for name in dated if name != "coverage"),
    }


def event_names(protocol: Protocol) -> tuple[str, ...]:
    """Give the names of events that the protocol counts on: its anchors, criteria and endpoints.

    `death` is always among them.
    """
    found = {"death"}

    def walk(part: object) -> None:
        if isinstance(part, dict):
            for key, value in cast("dict[str, object]", part).items():
                items = cast("list[object]", value) if isinstance(value, list) else [value]
                if key == "event" or (key in {"events", "steps"} and isinstance(value, list)):
                    found.update(item for item in items if isinstance(item, str))
                walk(items)
        elif isinstance(part, list):
            for value in cast("list[object]", part):
                walk(value)

    walk(protocol.model_dump(mode="json", by_alias=True, exclude_none=True))
    return tuple(sorted(found))


def levels_of(protocol: Protocol, endpoint: str) -> tuple[str, ...]:
    """Give the levels or grades an adjudication of this endpoint may have; empty for a time."""
    found = protocol.endpoints.get(endpoint)
    if isinstance(found, AdjudicatedEndpoint):
        return tuple(found.adjudicated.levels or ())
    if isinstance(found, ResponseEndpoint):
        return (*found.response.levels, found.response.otherwise)
    if isinstance(found, GradedEndpoint):
        return tuple(found.graded.grades)
    return ()
