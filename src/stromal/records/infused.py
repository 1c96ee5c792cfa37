"""Findings about infusions: consent, plan, order, lots and doses."""

from __future__ import annotations

import polars as pl

from stromal.core import Finding
from stromal.protocol import Protocol
from stromal.records.trial_records import TrialRecords

__all__ = ["CONSENT", "find_in_infusions"]

CONSENT = "consent"
"""The id of the criterion whose attestation is the participant's consent."""
_ROUNDING = 0.01


def find_in_infusions(protocol: Protocol, records: TrialRecords) -> list[Finding]:
    """Find infusions that may have been given but should not, or not as they are told.

    1. Before the day of consent, or with consent refused (attestations of criterion `consent`).
    2. A product that the participant's arm does not plan.
    3. Out of the order of their numbers, or two with one number.
    4. From a lot that is not in the lots table (where there is one), of another product, or before
       its release.
    5. Cells per kg that differ from cells divided by weight by more than 1 %. The weight is that of
       the infusion, else that of the participants table.
    """
    infusions = records["infusions"]
    return [
        *_consent(infusions, records["attestations"]),
        *_unplanned(protocol, infusions, records["participants"]),
        *_order(infusions),
        *_numbered_twice(infusions),
        *_lots(infusions, records["lots"]),
        *_doses(infusions, records["participants"]),
    ]


def _consent(infusions: pl.DataFrame, attestations: pl.DataFrame) -> list[Finding]:
    """Find infusions before consent or in spite of its refusal."""
    given = attestations.filter(pl.col("criterion") == CONSENT)
    first = (
        given.sort("day")
        .group_by("participant_id")
        .agg(
            pl.col("day").filter(pl.col("value") == "yes").min().alias("consent"),
            (pl.col("value") == "yes").any().alias("consented"),
        )
    )
    rows = infusions.join(first, on="participant_id", maintain_order="left").filter(
        (pl.col("day") < pl.col("consent")) | ~pl.col("consented")
    )
    return [
        Finding(
            rule="infusion-before-consent",
            weight="contradiction",
            where=f"infusions, record {row['record_id']}",
            what=f"Infusion {row['number']} of {row['product']} on day {row['day']}, "
            + (f"consent on day {row['consent']}." if row["consented"] else "consent refused."),
            why="Nobody may be treated in a trial before consenting. The infusion is read: it was "
            "given.",
            remedy="Correct the day of one of them, or report a deviation.",
            participant_id=row["participant_id"],
        )
        for row in rows.iter_rows(named=True)
    ]


def _unplanned(protocol: Protocol, infusions: pl.DataFrame, people: pl.DataFrame) -> list[Finding]:
    """Find infusions of products that the participant's arm does not plan."""
    planned = pl.DataFrame(
        [
            {"arm": name, "product": plan.product, "planned": True}
            for name, arm in protocol.arms.items()
            for plan in arm.infuse
        ],
        schema={"arm": pl.String, "product": pl.String, "planned": pl.Boolean},
    ).unique()
    rows = (
        infusions.join(people.select("participant_id", arm_of="arm"), on="participant_id")
        .drop_nulls("arm_of")
        .join(planned, left_on=["arm_of", "product"], right_on=["arm", "product"], how="anti")
        .sort("participant_id", "day", "record_id")
    )
    return [
        Finding(
            rule="product-not-planned",
            weight="contradiction",
            where=f"infusions, record {row['record_id']}",
            what=f"{row['product']} on day {row['day']} in arm {row['arm_of']}, which does not "
            "plan it.",
            why="Either the arm or the product is wrong, or treatment crossed over. The "
            "infusion is read: it was given.",
            remedy="Correct the arm or the product, or report a deviation.",
            participant_id=row["participant_id"],
        )
        for row in rows.iter_rows(named=True)
    ]


def _order(infusions: pl.DataFrame) -> list[Finding]:
    """Find infusions before one that has a smaller number."""
    key = ["participant_id", "product"]
    rows = (
        infusions.drop_nulls(["day", "number"])
        .sort(*key, "number", "day", "record_id")
        .with_columns(
            pl.col("day").shift(1).over(key).alias("day_before"),
            pl.col("number").shift(1).over(key).alias("number_before"),
        )
        .filter(pl.col("day") < pl.col("day_before"))
    )
    return [
        Finding(
            rule="infusions-out-of-order",
            weight="contradiction",
            where=f"infusions, record {row['record_id']}",
            what=f"Infusion {row['number']} of {row['product']} on day {row['day']}, infusion "
            f"{row['number_before']} on day {row['day_before']}.",
            why="What counts from a numbered infusion counts from the day told for that number.",
            remedy="Correct a number or a day.",
            participant_id=row["participant_id"],
        )
        for row in rows.iter_rows(named=True)
    ]


def _numbered_twice(infusions: pl.DataFrame) -> list[Finding]:
    """Find two infusions of one product with one number."""
    groups = (
        infusions.group_by("participant_id", "product", "number", maintain_order=True)
        .agg(pl.col("record_id"), pl.col("day"))
        .filter(pl.col("record_id").list.len() > 1)
    )
    return [
        Finding(
            rule="infusion-number-twice",
            weight="contradiction",
            where=f"infusions, records {', '.join(row['record_id'])}",
            what=f"{len(row['record_id'])} infusions of {row['product']} have number "
            f"{row['number']}, on days {', '.join(str(day) for day in row['day'])}.",
            why="What counts from that infusion counts from the earliest of them.",
            remedy="Number the infusions, or put the parts of one infusion into one row.",
            participant_id=row["participant_id"],
        )
        for row in groups.iter_rows(named=True)
    ]


def _lots(infusions: pl.DataFrame, lots: pl.DataFrame) -> list[Finding]:
    """Find infusions whose lot is unknown, of another product, or not yet released."""
    if lots.is_empty():
        return []
    known = lots.group_by("lot").agg(
        pl.col("product").alias("products"), pl.col("released_on").min().alias("released")
    )
    rows = (
        infusions.drop_nulls("lot")
        .join(known, on="lot", how="left", maintain_order="left")
        .with_columns(
            pl.when(pl.col("products").is_null())
            .then(pl.lit("is not in the lots table"))
            .when(~pl.col("products").list.contains(pl.col("product")))
            .then(pl.format("is a lot of {}", pl.col("products").list.join(", ")))
            .when(pl.col("date") < pl.col("released"))
            .then(pl.format("was released on {}", "released"))
            .alias("wrong")
        )
        .drop_nulls("wrong")
    )
    return [
        Finding(
            rule="lot-does-not-fit",
            weight="contradiction",
            where=f"infusions, record {row['record_id']}",
            what=f"Lot {row['lot']}, infused as {row['product']} on "
            f"{row['date'] or 'day ' + str(row['day'])}, {row['wrong']}.",
            why="An infusion comes from a released lot of its product. It is read as told.",
            remedy="Correct the lot here, or in the lots table.",
            participant_id=row["participant_id"],
        )
        for row in rows.iter_rows(named=True)
    ]


def _doses(infusions: pl.DataFrame, people: pl.DataFrame) -> list[Finding]:
    """Find doses per kg that disagree with cells and weight."""
    weights = people.select("participant_id", baseline="weight_kg")
    told, computed = pl.col("cells_per_kg"), pl.col("computed")
    rows = (
        infusions.join(weights, on="participant_id", how="left", maintain_order="left")
        .with_columns(weight=pl.coalesce("weight_kg", "baseline"))
        .with_columns(computed=pl.col("cells") / pl.col("weight"))
        .filter((told - computed).abs() > _ROUNDING * pl.max_horizontal(told, computed))
    )
    return [
        Finding(
            rule="dose-and-weight-disagree",
            weight="contradiction",
            where=f"infusions, record {row['record_id']}",
            what=f"{row['cells_per_kg']:.3g} cells/kg as told; {row['cells']:.3g} cells at "
            f"{row['weight']:g} kg are {row['computed']:.3g} cells/kg.",
            why="The delivered dose is that of `cells_per_kg`, as told.",
            remedy="Correct the cells, the weight or the dose.",
            participant_id=row["participant_id"],
        )
        for row in rows.iter_rows(named=True)
    ]
