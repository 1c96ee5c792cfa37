"""The day of every anchor of every participant."""

from __future__ import annotations

import polars as pl

from stromal.core import Fault, ProtocolError
from stromal.protocol import PROTOCOL_FILE, Protocol
from stromal.protocol.timing import (
    EventAnchor,
    InfusionAnchor,
    MedicationAnchor,
    OffsetAnchor,
    ParticipantAnchor,
)
from stromal.records.trial_records import TrialRecords

__all__ = ["anchor_days"]


def anchor_days(protocol: Protocol, records: TrialRecords) -> pl.DataFrame:
    """Give the day, from day zero, of every anchor of every participant.

    1. `participant`: the participants table's `<name>_day`.
    2. `infusion`: the infusion of the product with the anchor's number; the earliest where two
       rows have it.
    3. `event`: the first event of that name.
    4. `medication`: the first start of the drug, or the last end of it; no end where one of its
       rows has none (it is still taken, or nobody knows).
    5. `anchor` with `plus`: that many days after the other anchor, for those who did not die
       before: a landmark that a participant did not live to see did not happen.

    Parameters
    ----------
    protocol
        Whose anchors are looked up.
    records
        The trial's records.

    Returns
    -------
    polars.DataFrame
        `participant_id` and one Int32 column for each anchor, in the order of the participants
        table; null where the moment did not happen or is not recorded.

    Raises
    ------
    ProtocolError
        Anchors are each a time after the other.
    """
    frame = records["participants"].select("participant_id")
    days = {
        name: frame.join(
            _own_days(protocol, records, name, ()), on="participant_id", how="left",
            maintain_order="left",
        )["day"].alias(name)
        for name in protocol.anchors
    }  # fmt: skip
    return frame.with_columns(days.values())


def _own_days(
    protocol: Protocol, records: TrialRecords, name: str, above: tuple[str, ...]
) -> pl.DataFrame:
    """Give one anchor's days: `participant_id`, `day`, for those who have it."""
    anchor = protocol.anchors[name]
    if isinstance(anchor, OffsetAnchor):
        if name in above:
            raise ProtocolError(
                [Fault(PROTOCOL_FILE, 0, f"anchors.{name}", f"`{name}` counts from itself",
                       "an anchor that begins with a record",
                       "Let one of these anchors be a column, an infusion or an event.")]
            )  # fmt: skip
        base = _own_days(protocol, records, anchor.anchor, (*above, name))
        moved = base.with_columns(pl.col("day") + pl.lit(int(anchor.plus), pl.Int32))
        died = records["events"].filter(pl.col("event") == "death").group_by("participant_id").agg(
            died=pl.col("day").min()
        )  # fmt: skip
        alive = (pl.col("day") <= pl.col("died")).fill_null(value=True)
        return moved.join(died, on="participant_id", how="left").filter(alive).drop("died")
    if isinstance(anchor, ParticipantAnchor):
        rows, day = records["participants"], f"{anchor.participant}_day"
    elif isinstance(anchor, InfusionAnchor):
        wanted = (pl.col("product") == anchor.infusion) & (pl.col("number") == anchor.number)
        rows, day = records["infusions"].filter(wanted), "day"
    elif isinstance(anchor, EventAnchor):
        rows, day = records["events"].filter(pl.col("event") == anchor.event), "day"
    else:
        rows, day = _medication(anchor, records["medications"]), f"{anchor.moment}_day"
    last = isinstance(anchor, MedicationAnchor) and anchor.moment == "ended"
    return (
        rows.drop_nulls(day)
        .group_by("participant_id")
        .agg((pl.col(day).max() if last else pl.col(day).min()).alias("day"))
    )


def _medication(anchor: MedicationAnchor, medications: pl.DataFrame) -> pl.DataFrame:
    """Give the rows of a drug; for its end only those of participants whose every row has one."""
    rows = medications.filter(pl.col("drug") == anchor.medication)
    if anchor.moment == "started":
        return rows
    open_ended = rows.filter(pl.col("ended_day").is_null()).select("participant_id")
    return rows.join(open_ended, on="participant_id", how="anti")
