"""What a participant's timeline shows, gathered from records, protocol and derived endpoints."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, get_args

import polars as pl

from stromal.core import UsageError
from stromal.endpoints.context import Context
from stromal.endpoints.exposure import list_infusions
from stromal.protocol import Protocol
from stromal.protocol.endpoints import Endpoint, StateEndpoint
from stromal.protocol.rules import BloodProduct
from stromal.report.timeline_counts import Panel, collect_panels, read_count
from stromal.report.timeline_spans import Bar, Spot, collect_grades, collect_states
from stromal.report.words import humanise, sentence, spell_out

__all__ = [
    "Bar",
    "Decision",
    "Given",
    "History",
    "Spot",
    "collect_history",
]

Row = dict[str, Any]


@dataclass(frozen=True)
class Given:
    """An infusion on the day it was given, or on the day it was due and not given."""

    day: int
    product: str
    number: str
    status: str
    title: str
    record_id: str = ""
    given: bool = True


@dataclass(frozen=True)
class Decision:
    """A derived result: `day`, `low`, `high` count from day zero, `own_day` from its anchor."""

    endpoint: str
    label: str
    status: str
    kind: str
    day: int | None
    own_day: int | None
    low: int | None
    high: int | None
    anchor: str
    decided_on: tuple[int, ...]
    because: tuple[str, ...]
    deciding: tuple[str, ...]
    note: str


@dataclass(frozen=True)
class History:
    """All that the timeline of one participant shows; days count from the protocol's day zero."""

    participant_id: str
    anchor: str
    day_zero: date | None
    panels: tuple[Panel, ...]
    events: tuple[Spot, ...]
    infusions: tuple[Given, ...]
    transfusions: Mapping[str, tuple[Spot, ...]]
    spells: tuple[Bar, ...]
    states: Mapping[str, tuple[Bar, ...]]
    assessments: Mapping[str, tuple[Spot, ...]]
    medications: tuple[Bar, ...]
    decisions: tuple[Decision, ...]
    last_contact: int | None
    complete_until: int | None
    data: str | None = None


def collect_history(
    context: Context, participant_id: str, infusions: pl.DataFrame | None = None
) -> History:
    """Gather what one participant's timeline shows.

    Parameters
    ----------
    context
        Records and derived endpoints.
    participant_id
        Whose timeline.
    infusions
        The schedule of infusions of all participants (`list_infusions`); made here where absent.

    Raises
    ------
    UsageError
        Nobody has this id.
    """
    mine = context.participants.filter(pl.col("participant_id") == participant_id)
    if mine.is_empty():
        raise UsageError(
            f"no participant {participant_id!r}; the participants table has "
            f"{', '.join(context.participants['participant_id'].head(5))} ..."
        )
    person = mine.row(0, named=True)
    tables = {name: _rows(context, name, participant_id) for name in _TABLES}
    anchor = context.protocol.anchors[context.protocol.day_zero]
    lookup = _lookup(tables)
    events, spells = _events(tables["events"])
    grades, read = collect_grades(context, participant_id, tables["assessments"])
    others = [row for row in tables["assessments"] if row["record_id"] not in read]
    return History(
        participant_id=participant_id,
        anchor=anchor.label or humanise(context.protocol.day_zero),
        day_zero=person.get("day_zero_date"),
        panels=tuple(
            collect_panels(context.protocol, tables["measurements"], tables["transfusions"])
        ),
        events=events,
        infusions=_infusions(context, participant_id, infusions),
        transfusions=_transfusions(tables["transfusions"]),
        spells=spells,
        states=collect_states(context, participant_id),
        assessments={**grades, **_assessments(others)},
        medications=tuple(_medications(tables["medications"])),
        decisions=tuple(_decisions(context, participant_id, lookup)),
        last_contact=person.get("last_contact_day"),
        complete_until=person.get("complete_until_day"),
        data=context.records.about.data,
    )


_TABLES = (
    "measurements",
    "transfusions",
    "infusions",
    "events",
    "assessments",
    "medications",
    "adjudications",
)


def _rows(context: Context, table: str, participant_id: str) -> list[Row]:
    """Give a participant's rows of a table, in order of day and record."""
    rows = context.records[table].filter(pl.col("participant_id") == participant_id)
    order = [name for name in ("day", "started_day", "record_id") if name in rows.columns]
    return rows.sort(order, nulls_last=True).to_dicts()


# --- everything else that was recorded -------------------------------------------------------


def _said(*parts: object) -> str:
    """Join what is there to a sentence part."""
    return ", ".join(str(part) for part in parts if part not in (None, ""))


def _event_label(row: Row) -> str:
    grade = None if row["event"] == "death" else row.get("grade")
    return sentence(humanise(row["event"])) + (f" G{grade}" if grade is not None else "")


def _events(rows: list[Row]) -> tuple[tuple[Spot, ...], tuple[Bar, ...]]:
    """Split events into those of a day and spells with an end."""
    spots: list[Spot] = []
    bars: list[Bar] = []
    for row in rows:
        if row["day"] is None:
            continue
        ended = row.get("ended_day")
        until = f" to {ended}" if ended is not None and ended > row["day"] else ""
        details = _said(
            _event_label(row),
            "serious" if row.get("serious") == "yes" else "",
            f"cause: {row['cause']}" if row.get("cause") else "",
            _related("related to", row.get("related_to")),
            _related("not related to", row.get("not_related_to")),
        )
        title = f"Day{'s' if until else ''} {row['day']}{until}: {details}"
        if until:
            bars.append(Bar(row["day"], ended, _event_label(row), title, row["record_id"]))
        else:
            spots.append(Spot(row["day"], _event_label(row), title, row["record_id"]))
    return tuple(spots), tuple(bars)


def _related(words: str, agents: list[str] | None) -> str:
    return f"{words} {', '.join(humanise(agent) for agent in agents)}" if agents else ""


def _transfusions(rows: list[Row]) -> dict[str, tuple[Spot, ...]]:
    """Group transfusions by product, in the order in which products are shown."""
    found: dict[str, tuple[Spot, ...]] = {}
    for product in get_args(BloodProduct):
        spots = tuple(
            Spot(
                row["day"],
                "",
                f"Day {row['day']}: {_transfused(row)}",
                row["record_id"],
            )
            for row in rows
            if row["product"] == product and row["day"] is not None
        )
        if spots:
            found[product] = spots
    return found


def _transfused(row: Row) -> str:
    return _said(f"{humanise(row['product'])} transfused", _units(row), row.get("reason"))


def _units(row: Row) -> str:
    units = row.get("units")
    return "" if units is None else f"{units:g} unit{'' if units == 1 else 's'}"


def _assessments(rows: list[Row]) -> dict[str, tuple[Spot, ...]]:
    """Group assessments by scale and item."""
    found: dict[str, list[Spot]] = {}
    for row in rows:
        if row["day"] is None:
            continue
        name = _said(humanise(row["scale"]), humanise(row["item"]) if row.get("item") else "")
        title = f"Day {row['day']}: {name} {row['value']}"
        if row.get("assessor"):
            title += f" (by {row['assessor']})"
        found.setdefault(name, []).append(
            Spot(row["day"], str(row["value"]), title, row["record_id"])
        )
    return {name: tuple(spots) for name, spots in found.items()}


def _medications(rows: list[Row]) -> Iterable[Bar]:
    """Give a bar for each course of a drug."""
    for row in rows:
        start, end = row["started_day"], row["ended_day"]
        began = "start not recorded" if start is None else f"from day {start}"
        until = "end not recorded" if end is None else f"to day {end}"
        title = f"{row['drug']}: {began} {until}"
        yield Bar(start, end, str(row["drug"]), title, row["record_id"])


def _infusions(
    context: Context, participant_id: str, schedule: pl.DataFrame | None
) -> tuple[Given, ...]:
    """Give the infusions that were given, and those that were due and not given."""
    rows = list_infusions(context) if schedule is None else schedule
    mine = rows.filter(pl.col("participant_id") == participant_id).to_dicts()
    return tuple(dose for row in mine if (dose := _dose(row)) is not None)


def _dose(row: Row) -> Given | None:
    """Make the mark of one infusion; none where it was never due or has no day."""
    given = row["given_day"] is not None
    day = row["given_day"] if given else row["due_day"]
    if day is None or row["state"] == "not due":
        return None
    per_kg, cells = row["delivered_per_kg"], row["delivered_cells"]
    what = _said(
        f"{humanise(row['product'])}, infusion {row['number']}",
        row["state"] if given else f"due, {row['state']}".removesuffix(", due"),
        f"{per_kg / 1e6:.2f} ×10⁶ cells/kg" if per_kg else "",
        f"{cells / 1e6:.3g} ×10⁶ cells" if cells else "",
        f"lot {row['lot']}" if row["lot"] else "",
        row["note"],
    )
    status = row["state"].removeprefix("given ")
    return Given(
        day, row["product"], str(row["number"]), status, f"Day {day}: {what}",
        row["record_id"] or "", given=given,
    )  # fmt: skip


# --- derived results -------------------------------------------------------------------------


def _lookup(tables: dict[str, list[Row]]) -> dict[str, tuple[int | None, str]]:
    """Give the day and the words of each record, for `because`."""
    return {
        str(row["record_id"]): (row.get("day"), _record_in_words(name, row))
        for name, rows in tables.items()
        for row in rows
    }


def _record_in_words(table: str, row: Row) -> str:
    """Say what a record says."""
    words = {
        "measurements": lambda: f"{row['analyte']} {read_count(row, unit='')}",
        "transfusions": lambda: f"{humanise(row['product'])} transfused",
        "infusions": lambda: f"{humanise(row['product'])} infusion {row['number']}",
        "events": lambda: _event_label(row),
        "assessments": lambda: " ".join(
            str(part)
            for part in (humanise(row["scale"]), humanise(row["item"] or ""), row["value"])
            if part
        ),
        "medications": lambda: str(row["drug"]),
        "adjudications": lambda: _said(
            f"adjudicated {row.get('level') or row.get('status')}", row.get("assessor")
        ),
    }
    return words[table]()


def _decisions(
    context: Context, participant_id: str, lookup: dict[str, tuple[int | None, str]]
) -> Iterable[Decision]:
    """Give every derived result of a participant, with the days that decided it."""
    protocol = context.protocol
    for name, endpoint in protocol.endpoints.items():
        if name not in context.derived:
            continue
        rows = context.derived[name].filter(pl.col("participant_id") == participant_id)
        for row in rows.to_dicts():
            yield _decision(protocol, name, endpoint, row, lookup)


def _decision(
    protocol: Protocol,
    name: str,
    endpoint: Endpoint,
    row: Row,
    lookup: dict[str, tuple[int | None, str]],
) -> Decision:
    """Place one derived row on the participant's days."""
    zero = row["anchor_day"]
    because = tuple(row["because"] or [])
    deciding = [_deciding(record, lookup) for record in because]
    days = [day for day, _ in deciding if day is not None]
    anchor = str(getattr(endpoint, "from_", "") or getattr(endpoint, "assessed").from_)  # noqa: B009
    status = row["status"]
    shown = _counted(endpoint, status, row.get("count"))
    return Decision(
        endpoint=name,
        label=endpoint.label,
        status=shown,
        kind=_kind(endpoint, status),
        day=_shift(row["day"], zero),
        own_day=row["day"],
        low=_shift(row["day_low"], zero),
        high=_shift(row["day_high"], zero),
        anchor=protocol.anchors[anchor].label or humanise(anchor),
        decided_on=tuple(sorted(set(days))),
        because=because,
        deciding=tuple(said for _, said in deciding),
        note=spell_out(row["note"] or "", protocol.products),
    )


def _counted(endpoint: Endpoint, status: str, count: int | None) -> str:
    """Give a status with the number that belongs to it: of events, of episodes."""
    if isinstance(endpoint, StateEndpoint):
        return f"{count} episodes" if status == "event" and (count or 0) > 1 else status
    return f"{status} ({count})" if count else status


def _shift(day: int | None, zero: int | None) -> int | None:
    return None if day is None or zero is None else day + zero


def _deciding(record: str, lookup: dict[str, tuple[int | None, str]]) -> tuple[int | None, str]:
    """Say in words which record decided, and on which day."""
    if record in lookup:
        day, said = lookup[record]
        return day, said if day is None else f"day {day}: {said}"
    endpoint = record.split(":", 1)[0]
    return None, f"the derived result {humanise(endpoint)}"


def _kind(endpoint: Endpoint, status: str) -> str:
    """Sort a derived result into how it is drawn."""
    if status in {"competing", "censored"}:
        return status
    if status in {"not_applicable", "not_evaluable", "no", "none"}:
        return "nothing"
    if any(getattr(endpoint, key, None) for key in ("response", "assessed", "graded")):
        return "level"
    if getattr(endpoint, "recovery", None):
        return "good"
    return "event"
