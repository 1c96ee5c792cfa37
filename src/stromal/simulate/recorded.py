"""What happened to virtual participants, as the tables of a study folder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from stromal.protocol import Protocol
from stromal.protocol.rules import ANALYTE_UNITS
from stromal.records.tables import Table, tables_for
from stromal.records.trial_records import About, TrialRecords
from stromal.simulate.assumptions import Spell
from stromal.simulate.course_kernels import GCSF, INFECTION, NEVER, TPO, Course

__all__ = ["ANALYTES", "Stretch", "blood_bits", "complete_tables", "record_course", "records_of"]

ANALYTES: Mapping[str, int] = {"ANC": 1, "PLT": 2, "Hb": 4}
"""Analytes that are simulated, and the bit that says that a draw is for them."""
_COUNTS = {"ANC": "anc", "PLT": "platelets", "Hb": "hb"}
_DRUGS = {"G-CSF": GCSF, "thrombopoietin receptor agonist": TPO}


@dataclass(frozen=True)
class Stretch:
    """A stretch of courses: row i is participant `who[i]`, whose column 0 is day `first[i]`.

    `planned` has the bits of the analytes that each draw was for; None where a draw is for all.
    """

    course: Course
    who: npt.NDArray[np.int64]
    first: npt.NDArray[np.int32]
    planned: npt.NDArray[np.int8] | None = None


def blood_bits(analytes: Sequence[str]) -> int:
    """Give the bits of the analytes that are simulated among these."""
    return sum(bit for name, bit in ANALYTES.items() if name in analytes)


def record_course(
    stretches: Sequence[Stretch],
    *,
    spells: Sequence[Spell] = (),
    limits: Mapping[str, float] | None = None,
    latent: bool = False,
) -> dict[str, pl.DataFrame]:
    """Give the rows that a site would have written down: `p` (who), `day`, and what was seen.

    1. A count below the laboratory's limit is a bound. With `latent` the counts are the true ones,
       of every day and without bounds: what a perfect site would have seen of the same course.
    2. Death has a cause: relapse, infection or other. A spell, a relapse and the beginning of an
       infection are events; a spell that is a medication, and growth factors, are medications.

    Parameters
    ----------
    stretches
        Courses, each participant's in the order of days.
    spells
        What the bits of `Course.onset` stand for.
    limits
        The laboratory's lower limit of an analyte (10*9/L); none where absent.

    Returns
    -------
    dict of polars.DataFrame
        `measurements`, `transfusions`, `events`, `medications`, sorted by participant and day.
    """
    parts = [_rows_of(stretch, spells, limits or {}, latent=latent) for stretch in stretches]
    return {
        name: pl.concat([part[name] for part in parts]).sort("p", when, maintain_order=True)
        for name, when in (
            ("measurements", "day"),
            ("transfusions", "day"),
            ("events", "day"),
            ("medications", "started_day"),
        )
    }


def _rows_of(
    stretch: Stretch, spells: Sequence[Spell], limits: Mapping[str, float], *, latent: bool
) -> dict[str, pl.DataFrame]:
    """Give the rows of one stretch."""
    counts = [_counts(stretch, name, limits.get(name, 0.0), latent=latent) for name in ANALYTES]
    events = [_ends(stretch), _infections(stretch)]
    drugs = [_stretches(stretch, name, bit) for name, bit in _DRUGS.items()]
    for k, spell in enumerate(spells):
        rows = _placed(stretch, (stretch.course.onset >> k) & 1 == 1)
        ended = pl.col("day") + max(spell.lasting - 1, 0)
        if spell.recorded == "event":
            events.append(_event(rows, spell.name, spell.grade))
        else:
            drugs.append(
                rows.select("p", started_day="day", ended_day=ended.cast(pl.Int32),
                            drug=pl.lit(spell.name))
            )  # fmt: skip
    return {
        "measurements": pl.concat(counts),
        "transfusions": pl.concat([
            _given(stretch, stretch.course.platelets_given, "platelets"),
            _given(stretch, stretch.course.red_cells, "red_cells"),
        ]),
        "events": pl.concat(events),
        "medications": pl.concat(drugs),
    }  # fmt: skip


def _placed(stretch: Stretch, where: npt.NDArray[np.bool_]) -> pl.DataFrame:
    """Give participant and day of every marked cell."""
    row, column = np.nonzero(where)
    return pl.DataFrame(
        {"p": stretch.who[row], "day": (stretch.first[row] + column).astype(np.int32)}
    )


def _counts(stretch: Stretch, analyte: str, limit: float, *, latent: bool) -> pl.DataFrame:
    """Give the counts of one analyte."""
    name = _COUNTS[analyte]
    values = getattr(stretch.course, f"true_{name}" if latent else name)
    there = ~np.isnan(values)
    if stretch.planned is not None and not latent:
        there &= stretch.planned & ANALYTES[analyte] != 0
    value = pl.Series(values[there])
    below = value < (0.0 if latent else limit)
    return _placed(stretch, there).with_columns(
        analyte=pl.lit(analyte),
        value=pl.select(pl.when(~below).then(value)).to_series(),
        low=pl.select(pl.when(below).then(0.0).otherwise(value)).to_series(),
        high=pl.select(pl.when(below).then(limit).otherwise(value)).to_series(),
        censored=pl.select(pl.when(below).then(pl.lit("<"))).to_series(),
    )


def _given(stretch: Stretch, units: npt.NDArray[np.int8], product: str) -> pl.DataFrame:
    """Give the transfusions of one product."""
    there = units > 0
    return _placed(stretch, there).with_columns(
        product=pl.lit(product), units=pl.Series(units[there]).cast(pl.Float64)
    )


def _event(rows: pl.DataFrame, name: str, grade: int | None = None) -> pl.DataFrame:
    """Name rows as an event."""
    return rows.select(
        "p", "day", event=pl.lit(name), grade=pl.lit(grade, pl.Int32), cause=pl.lit(None, pl.String)
    )


def _infections(stretch: Stretch) -> pl.DataFrame:
    """Give the first day of each infection; one that was under way has begun before."""
    return _event(_placed(stretch, stretch.course.onset & INFECTION != 0), "infection")


def _ends(stretch: Stretch) -> pl.DataFrame:
    """Give relapses, and deaths with their cause."""
    course = stretch.course
    died, relapsed = course.death != NEVER, course.relapse != NEVER
    column = np.where(died, course.death - stretch.first, 0)
    infected = course.infected[np.arange(len(column)), column] == 1
    cause = np.where(relapsed, "relapse", np.where(infected, "infection", "other"))
    deaths = pl.DataFrame({"p": stretch.who[died], "day": course.death[died]}).with_columns(
        event=pl.lit("death"), grade=pl.lit(None, pl.Int32), cause=pl.Series(cause[died])
    )
    relapses = pl.DataFrame({"p": stretch.who[relapsed], "day": course.relapse[relapsed]})
    return pl.concat([_event(relapses, "relapse"), deaths])


def _stretches(stretch: Stretch, drug: str, bit: int) -> pl.DataFrame:
    """Give the stretches of days on which a growth factor was given."""
    on = stretch.course.drugs & bit != 0
    edge = np.zeros((len(on), 1), dtype=bool)
    begins = _placed(stretch, on & ~np.hstack([edge, on[:, :-1]]))
    ends = _placed(stretch, on & ~np.hstack([on[:, 1:], edge]))
    return begins.select("p", started_day="day", ended_day=ends["day"], drug=pl.lit(drug))


def complete_tables(
    protocol: Protocol, tables: Mapping[str, pl.DataFrame], ids: pl.Series, *, named: bool
) -> dict[str, pl.DataFrame]:
    """Give all tables of the records, as reading a study folder would give them.

    Parameters
    ----------
    tables
        Rows with `p`, a participant's place in `ids`; `participants` has one row each, with
        `day_zero_date`.
    ids
        The names of the participants.
    named
        Whether rows are numbered (`record_id`), for people; their record is else their day.
    """
    zero = tables["participants"].select("p", zero="day_zero_date")
    found: dict[str, pl.DataFrame] = {}
    for name, table in tables_for(protocol).items():
        rows = tables.get(name)
        if rows is None:
            found[name] = pl.DataFrame(schema=table.schema)
            continue
        rows = rows.with_columns(participant_id=ids.gather(rows["p"]))
        if table.of_participants and rows.height:
            rows = _dated(table, rows.join(zero, on="p", maintain_order="left"))
        if table.of_participants:
            number = pl.int_range(1, pl.len() + 1).cast(pl.String).str.zfill(7)
            day = pl.col(table.moments[0].day).cast(pl.String)
            mark = pl.concat_str(pl.lit(f"{name}:"), number) if named else day
            rows = rows.with_columns(record_id=mark)
        known = [
            (pl.col(column) if column in rows.columns else pl.lit(None)).cast(dtype).alias(column)
            for column, dtype in table.schema.items()
        ]
        carried = [c for c in rows.columns if c not in {*table.schema, "p", "zero"}]
        found[name] = rows.select(*known, *carried)
    return found


def _dated(table: Table, rows: pl.DataFrame) -> pl.DataFrame:
    """Add the dates of days."""
    return rows.with_columns(
        (pl.col("zero") + pl.duration(days=pl.col(moment.day))).alias(moment.date)
        for moment in table.moments
        if moment.day in rows.columns
    )


def records_of(
    protocol: Protocol,
    tables: Mapping[str, pl.DataFrame],
    ids: pl.Series,
    about: About,
    *,
    named: bool = False,
) -> TrialRecords:
    """Make records in memory; see `complete_tables`."""
    complete = complete_tables(protocol, tables, ids, named=named)
    counts = complete["measurements"]
    if named:
        units = counts["analyte"].replace_strict(ANALYTE_UNITS)
        seen = pl.coalesce(pl.col("value").cast(pl.String), pl.format("<{}", pl.col("high")))
        counts = counts.with_columns(as_read=pl.concat_str(seen, pl.lit(" "), units))
        complete["measurements"] = counts
    return TrialRecords(about, complete)
