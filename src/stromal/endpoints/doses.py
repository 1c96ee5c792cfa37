"""Planned and delivered doses of infusions."""

from __future__ import annotations

import polars as pl

from stromal.protocol import Protocol
from stromal.protocol.schedule import dose_in_words
from stromal.protocol.treatment import FixedDose, PerKilogramDose, RangeDose

__all__ = ["compare_doses", "dose_columns"]

_SCHEMA: dict[str, pl.DataType] = {
    "arm": pl.String(),
    "plan": pl.Int32(),
    "planned_dose": pl.String(),
    "weight_basis": pl.String(),
    "rule_per_kg": pl.Float64(),
    "rule_cap": pl.Float64(),
    "rule_cells": pl.Float64(),
    "rule_low": pl.Float64(),
    "rule_high": pl.Float64(),
}
_NEARLY = 1e-9


def dose_columns(protocol: Protocol) -> pl.DataFrame:
    """Give the dose of every plan as numbers.

    Returns
    -------
    polars.DataFrame
        `arm`, `plan`, `planned_dose` (in words), `weight_basis`, and in cells or cells per kg, null
        where the dose is of another kind: `rule_per_kg`, `rule_cap`, `rule_cells` (a fixed dose),
        `rule_low` and `rule_high` (a range of cells per kg).
    """
    rows: list[dict[str, object]] = []
    for arm, content in protocol.arms.items():
        for index, plan in enumerate(content.infuse):
            dose = plan.dose
            row: dict[str, object] = {
                "arm": arm, "plan": index, "planned_dose": dose_in_words(dose),
            }  # fmt: skip
            if isinstance(dose, PerKilogramDose):
                row["weight_basis"] = dose.weight
                row["rule_per_kg"] = dose.per_kg.to("/kg")
                row["rule_cap"] = None if dose.cap is None else dose.cap.to("1")
            elif isinstance(dose, FixedDose):
                row["rule_cells"] = dose.fixed.to("1")
            elif isinstance(dose, RangeDose):
                row["rule_low"], row["rule_high"] = (bound.to("/kg") for bound in dose.range_per_kg)
            rows.append(row)
    return pl.DataFrame(rows, schema=_SCHEMA)


def compare_doses(rows: pl.DataFrame) -> pl.DataFrame:
    """Add the planned and the delivered dose of each infusion, and their ratio.

    1. The weight of a planned dose per kg is the participant's where it goes by the weight at
       screening, the infusion's where it goes by that at infusion; otherwise the infusion's, or the
       participant's where that is not recorded.
    2. `planned_cells` is that weight times the dose per kg, at most the cap; or the fixed dose.
       `planned_per_kg` is the dose per kg, or the cap over the weight where the cap applies; it is
       empty where there is a cap and no weight, and for every other kind of dose.
    3. `delivered_per_kg` and `delivered_cells` are as recorded, or converted by the infusion's
       weight, or the participant's where that is not recorded.
    4. `dose_ratio` is delivered over planned: in cells where both are known, else in cells per kg.
       A range, and no dose, have none.

    Parameters
    ----------
    rows
        Infusions with the columns of `dose_columns`, `cells`, `cells_per_kg`, `infusion_weight`,
        `participant_weight`, `given_day`.

    Returns
    -------
    polars.DataFrame
        With `planned_per_kg`, `planned_cells`, `delivered_per_kg`, `delivered_cells`, `dose_ratio`,
        `cap_applied` (null where the weight is needed and not known, or no dose is per kg),
        `dose_note`.
    """
    here, person = pl.col("infusion_weight"), pl.col("participant_weight")
    rows = rows.with_columns(
        planned_weight=pl.when(pl.col("weight_basis") == "at screening")
        .then(person)
        .when(pl.col("weight_basis") == "at infusion")
        .then(here)
        .otherwise(pl.coalesce(here, person)),
        weight=pl.coalesce(here, person),
    )
    rule, cap = pl.col("rule_per_kg"), pl.col("rule_cap")
    uncapped = rule * pl.col("planned_weight")
    capped = pl.when(rule.is_not_null() & cap.is_null()).then(False).otherwise(uncapped > cap)
    rows = rows.with_columns(cap_applied=capped).with_columns(
        planned_cells=pl.coalesce(
            "rule_cells", pl.when("cap_applied").then(cap).otherwise(uncapped)
        ),
        planned_per_kg=pl.when("cap_applied")
        .then(cap / pl.col("planned_weight"))
        .when(~pl.col("cap_applied"))
        .then(rule),
        delivered_cells=pl.coalesce("cells", pl.col("cells_per_kg") * pl.col("weight")),
        delivered_per_kg=pl.coalesce("cells_per_kg", pl.col("cells") / pl.col("weight")),
    )
    return rows.with_columns(
        dose_ratio=pl.coalesce(
            pl.col("delivered_cells") / pl.col("planned_cells"),
            pl.col("delivered_per_kg") / pl.col("planned_per_kg"),
        )
    ).with_columns(dose_note=_dose_note())


def _dose_note() -> pl.Expr:
    """Tell what a reader of the dose must know."""
    given = pl.col("given_day").is_not_null()
    numeric = pl.any_horizontal(
        pl.col(name).is_not_null() for name in ("rule_per_kg", "rule_cells", "rule_low")
    )
    unrecorded = pl.col("cells").is_null() & pl.col("cells_per_kg").is_null()
    ranged = pl.col("rule_low").is_not_null()
    unknown = pl.col("dose_ratio").is_null() & ~ranged
    dose = pl.col("delivered_per_kg")
    clauses = [
        pl.when("cap_applied").then(pl.lit("the cap on the dose applies")),
        pl.when(given & numeric & unrecorded)
        .then(pl.lit("no dose is recorded"))
        .when(given & numeric & (unknown | (ranged & dose.is_null())))
        .then(pl.lit("without a weight the dose cannot be compared with the planned one"))
        .when(given & (dose < pl.col("rule_low") * (1 - _NEARLY)))
        .then(pl.lit("below the planned range"))
        .when(given & (dose > pl.col("rule_high") * (1 + _NEARLY)))
        .then(pl.lit("above the planned range")),
    ]
    joined = pl.concat_str(clauses, separator="; ", ignore_nulls=True)
    return pl.when(joined != "").then(joined)
