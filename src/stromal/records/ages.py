"""Age from the date of birth, and whether the two agree."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from stromal.protocol import Protocol
from stromal.records.dating import anchor_dates
from stromal.records.sheet import Sheet

__all__ = ["read_ages"]

_REFERENCE, _YEARS = "\x1freference", "\x1fyears"


def read_ages(protocol: Protocol, sheets: Mapping[str, Sheet]) -> None:
    """Complete the ages of the participants table from their dates of birth.

    1. The age is that on the date at which eligibility is judged (`population.judged_at`), else
       on day zero; unknown where neither has a date.
    2. It is counted in completed years, as people count; below two years in completed months
       divided by twelve. An age that is given is kept.
    3. An age that differs from the date of birth by more than a year is refused.
    """
    people = sheets["participants"]
    judged = anchor_dates(protocol, protocol.population.judged_at, sheets)
    rows = people.typed.join(
        judged.rename({"date": _REFERENCE}), on="participant_id", how="left", maintain_order="left"
    ).with_columns(pl.coalesce(_REFERENCE, "day_zero_date").alias(_REFERENCE))
    born, now = pl.col("birth_date"), pl.col(_REFERENCE)
    months = (now.dt.year() - born.dt.year()) * 12 + now.dt.month() - born.dt.month()
    months -= (now.dt.day() < born.dt.day()).cast(pl.Int32)
    counted = pl.when(months < 24).then(months / 12).otherwise((months // 12).cast(pl.Float64))
    exact = (now - born).dt.total_days() / 365.25
    before = people.typed.columns
    people.typed = rows.with_columns(counted.alias(_YEARS))
    people.refuse(
        (pl.col("age") - exact).abs() > 1,
        "age",
        lambda _cell, row: (
            f"{row['age']:g} years beside the birth date {row['birth_date']}",
            f"{row[_YEARS]:g} years on {row[_REFERENCE]}",
            "Correct one of the two, or leave the age empty.",
        ),
    )
    people.typed = people.typed.with_columns(pl.coalesce("age", _YEARS).alias("age")).select(before)
