"""Findings between rows: counts and verdicts that contradict each other, names nobody knows."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from stromal.core import Finding
from stromal.protocol import Protocol
from stromal.protocol.endpoints import EventCountEndpoint
from stromal.records.sheet import close_to
from stromal.records.tables import event_names
from stromal.records.trial_records import TrialRecords

__all__ = ["find_between_rows"]

_MARGIN, _SHARE = 0.1, 0.05
_FATAL = 5
_DEATH_WORDS = r"(?i)(^|[^a-z])(death|died|dead|deceased|exitus)([^a-z]|$)"


def find_between_rows(protocol: Protocol, records: TrialRecords) -> list[Finding]:
    """Find rows that may each be true but not together, and names that nothing else knows.

    1. Two counts of one analyte, method, day and time of which at most one can be true: numbers
       that differ, or bounds that exclude each other.
    2. Neutrophils or lymphocytes above the leucocytes of the same blood, by more than
       0.1 10*9/L and 5 %: both are rounded, and that much is taken for rounding.
    3. Two different verdicts of one assessor on one endpoint, and a criterion attested yes and no.
    4. Two arms for one participant; none, where the protocol has several.
    5. An agent, an event or an encounter that the protocol does not know.
    6. One record_id in two tables.
    7. An event of grade 5, or one whose name says death in other words, of a participant without an
       event `death`: survival would count a dead participant as alive.
    """
    return [
        *_contradicting_counts(records["measurements"]),
        *_parts_above_whole(records["measurements"]),
        *_contradicting_verdicts(records["adjudications"]),
        *_contradicting_attestations(records["attestations"]),
        *_two_arms(records),
        *_no_arm(protocol, records["participants"]),
        *_unknown_agents(protocol, records),
        *_unknown_events(protocol, records["events"]),
        *_unknown_encounters(protocol, records["visits"]),
        *_shared_ids(records),
        *_fatal_without_death(records["events"]),
    ]


def _clock(time: str = "time") -> pl.Expr:
    """Give a time of day in one spelling: HH:MM:SS."""
    at = pl.col(time)
    return pl.when(at.str.len_chars() == 5).then(at + ":00").otherwise(at)


def _contradicting_counts(measurements: pl.DataFrame) -> list[Finding]:
    """Find counts of one blood that exclude each other."""
    key = ["participant_id", "day", "analyte", "clock", "method"]
    groups = (
        measurements.drop_nulls("day")
        .with_columns(clock=_clock())
        .group_by(key, maintain_order=True)
        .agg(
            pl.col("low").max(),
            pl.col("high").min(),
            pl.len().alias("rows"),
            pl.col("record_id", "as_read"),
        )
        .filter((pl.col("rows") > 1) & (pl.col("low") > pl.col("high")))
    )
    return [
        Finding(
            rule="counts-contradict",
            weight="contradiction",
            where=f"measurements, records {', '.join(row['record_id'])}",
            what=f"{row['analyte']} on day {row['day']}"
            + (f" at {row['clock']}" if row["clock"] else "")
            + f" is {' and '.join(row['as_read'])}.",
            why="At most one of them is right, unless the blood was drawn twice. Where a day has "
            "several counts, derivation reads the lowest.",
            remedy="Correct them, or give each its `time`.",
            participant_id=row["participant_id"],
        )
        for row in groups.iter_rows(named=True)
    ]


def _parts_above_whole(measurements: pl.DataFrame) -> list[Finding]:
    """Find neutrophils or lymphocytes above the leucocytes of the same blood."""
    blood = ["participant_id", "day", "clock"]
    rows = measurements.drop_nulls("day").with_columns(clock=_clock())
    whole = (
        rows.filter(pl.col("analyte") == "WBC")
        .group_by(blood)
        .agg(pl.col("high").max().alias("whole"), pl.col("as_read").first().alias("whole_as_read"))
    )
    above = (
        rows.filter(pl.col("analyte").is_in(["ANC", "ALC"]))
        .join(whole, on=blood, nulls_equal=True, maintain_order="left")
        .filter(pl.col("low") > pl.col("whole") * (1 + _SHARE) + _MARGIN)
    )
    return [
        Finding(
            rule="part-above-leucocytes",
            weight="contradiction",
            where=f"measurements, record {row['record_id']}",
            what=f"{row['analyte']} on day {row['day']} is {row['as_read']}, the leucocytes of the "
            f"same blood are {row['whole_as_read']}.",
            why="A part cannot exceed the whole. Both are read as they stand.",
            remedy="Correct one of the two, or its unit.",
            participant_id=row["participant_id"],
        )
        for row in above.iter_rows(named=True)
    ]


def _contradicting_verdicts(adjudications: pl.DataFrame) -> list[Finding]:
    """Find verdicts of one assessor that differ."""
    groups = (
        adjudications.with_columns(verdict=pl.coalesce("level", "status"))
        .group_by("participant_id", "endpoint", "assessor", maintain_order=True)
        .agg(pl.struct("verdict", "day").n_unique().alias("n"), pl.col("record_id", "verdict"))
        .filter(pl.col("n") > 1)
    )
    return [
        Finding(
            rule="verdicts-contradict",
            weight="contradiction",
            where=f"adjudications, records {', '.join(row['record_id'])}",
            what=f"{row['assessor'] or 'An unnamed assessor'} judged {row['endpoint']} "
            f"{len(row['record_id'])} times and not alike: {', '.join(row['verdict'])}.",
            why="One verdict a participant and endpoint can be analysed. All are kept as told.",
            remedy="Keep the verdict that holds, and say in `basis` why it changed.",
            participant_id=row["participant_id"],
        )
        for row in groups.iter_rows(named=True)
    ]


def _contradicting_attestations(attestations: pl.DataFrame) -> list[Finding]:
    """Find criteria that are attested and denied."""
    groups = (
        attestations.group_by("participant_id", "criterion", maintain_order=True)
        .agg(pl.col("value").n_unique().alias("n"), pl.col("record_id"))
        .filter(pl.col("n") > 1)
    )
    return [
        Finding(
            rule="attestations-contradict",
            weight="contradiction",
            where=f"attestations, records {', '.join(row['record_id'])}",
            what=f"`{row['criterion']}` is attested yes and no.",
            why="Whether the participant is eligible depends on which of them holds.",
            remedy="Keep the attestation that holds.",
            participant_id=row["participant_id"],
        )
        for row in groups.iter_rows(named=True)
    ]


def _two_arms(records: TrialRecords) -> list[Finding]:
    """Find participants whose arm differs between two tables or two rows."""
    told = pl.concat(
        [
            records["participants"].select("participant_id", "arm"),
            records["allocations"].select("participant_id", "arm"),
        ]
    ).drop_nulls()
    groups = (
        told.group_by("participant_id", maintain_order=True)
        .agg(pl.col("arm").unique(maintain_order=True))
        .filter(pl.col("arm").list.len() > 1)
    )
    return [
        Finding(
            rule="two-arms",
            weight="contradiction",
            where="participants and allocations, arm",
            what=f"The arm is {' and '.join(row['arm'])}.",
            why="A participant is analysed in one arm: that of the participants table.",
            remedy="Correct the arm that is wrong.",
            participant_id=row["participant_id"],
        )
        for row in groups.iter_rows(named=True)
    ]


def _no_arm(protocol: Protocol, people: pl.DataFrame) -> list[Finding]:
    """Find participants without an arm in a trial of several."""
    several = len(protocol.arms) > 1
    rows = people.filter(pl.col("arm").is_null() & several)
    return [
        Finding(
            rule="no-arm",
            weight="gap",
            where="participants, arm",
            what="The arm is not recorded, and the protocol has "
            f"{len(protocol.arms)}: {', '.join(protocol.arms)}.",
            why="Whoever has no arm is in no group of a comparison and is not counted there.",
            remedy="Give the arm to which the participant was allocated, whatever was given.",
            participant_id=who,
        )
        for who in rows["participant_id"]
    ]


def _close_hint(name: str, known: Sequence[str], otherwise: str) -> str:
    """Suggest the known name that may be meant."""
    close = close_to(name, known)
    return f"Did you mean `{close}`?" if close else otherwise


def _unknown_agents(protocol: Protocol, records: TrialRecords) -> list[Finding]:
    """Find agents that are neither products nor drugs of the protocol or of the records."""
    drugs = [drug.drug for arm in protocol.arms.values() for drug in arm.background]
    counted = [
        agent
        for endpoint in protocol.endpoints.values()
        if isinstance(endpoint, EventCountEndpoint)
        for agent in endpoint.event_count.related_to or []
    ]
    taken: list[str] = records["medications"]["drug"].unique().to_list()
    known = sorted({*protocol.products, *drugs, *counted, *taken})
    events = records["events"]
    agents = pl.concat([events["related_to"].explode(), events["not_related_to"].explode()])
    unknown = sorted(set(agents.drop_nulls().to_list()) - set(known))
    return [
        Finding(
            rule="unknown-agent",
            weight="gap",
            where="events, related_to and not_related_to",
            what=f"`{agent}` is neither a product nor a drug of the protocol or the medications.",
            why="Events related to an agent are counted by its exact name; these are not counted "
            "for any other.",
            remedy=_close_hint(agent, known, "Declare it, or use the name that is declared."),
        )
        for agent in unknown
    ]


def _unknown_events(protocol: Protocol, events: pl.DataFrame) -> list[Finding]:
    """Find events whose name nearly is one that the protocol counts on."""
    known = event_names(protocol)
    names = events["event"].unique(maintain_order=True).drop_nulls().to_list()
    pairs = [(name, close_to(name, known, 0.85)) for name in names if name not in known]
    return [
        Finding(
            rule="event-name-close-to-known",
            weight="remark",
            where="events, event",
            what=f"`{name}` is nearly `{close}`, which the protocol counts on.",
            why=f"Endpoints read events by their exact name: `{name}` is not counted as `{close}`.",
            remedy=f"Write `{close}`, if that is meant.",
        )
        for name, close in pairs
        if close
    ]


def _fatal_without_death(events: pl.DataFrame) -> list[Finding]:
    """Find fatal events of participants of whom no `death` is recorded."""
    died = events.filter(pl.col("event") == "death").select("participant_id")
    rows = events.join(died, on="participant_id", how="anti", maintain_order="left").filter(
        (pl.col("grade") == _FATAL) | pl.col("event").str.contains(_DEATH_WORDS)
    )
    return [
        Finding(
            rule="fatal-event-without-death",
            weight="contradiction",
            where=f"events, record {row['record_id']}",
            what=f"`{row['event']}`"
            + (f" on day {row['day']}" if row["day"] is not None else "")
            + (" has grade 5" if row["grade"] == _FATAL else " says that the participant died")
            + ", and no event `death` is recorded.",
            why="Survival reads the event `death` alone: without it the participant counts as "
            "alive up to the last contact.",
            remedy="Record the death as an event named `death`, or correct this row.",
            participant_id=row["participant_id"],
        )
        for row in rows.iter_rows(named=True)
    ]


def _unknown_encounters(protocol: Protocol, visits: pl.DataFrame) -> list[Finding]:
    """Find encounters that are not among the planned visits."""
    planned = [visit.id for visit in protocol.visits]
    names = visits["encounter"].unique(maintain_order=True).drop_nulls().to_list()
    return [
        Finding(
            rule="encounter-not-planned",
            weight="remark",
            where="visits, encounter",
            what=f"`{name}` is not among the planned visits.",
            why="A visit is compared with its plan by this name.",
            remedy=_close_hint(name, planned, "Leave it, if the visit was not planned."),
        )
        for name in names
        if planned and name not in planned
    ]


def _shared_ids(records: TrialRecords) -> list[Finding]:
    """Find record ids that stand in several tables."""
    ids = pl.concat(
        frame.select("record_id", table=pl.lit(name))
        for name, frame in records.tables.items()
        if "record_id" in frame.columns
    )
    shared = (
        ids.group_by("record_id")
        .agg(pl.col("table"))
        .filter(pl.col("table").list.len() > 1)
        .sort("record_id")
    )
    if shared.is_empty():
        return []
    name, tables = shared.row(0)
    return [
        Finding(
            rule="record-id-in-two-tables",
            weight="remark",
            where="record_id",
            what=f"{shared.height} record ids stand in more than one table; the first is `{name}` "
            f"in {' and '.join(tables)}.",
            why="A derived row names the records that decided it by these ids.",
            remedy="Give every record its own id, such as one that begins with its table.",
        )
    ]
