"""Neutrophils that a source wrote as 0 without counting them, because leucocytes were few."""

from __future__ import annotations

import polars as pl

from stromal.core import Finding

__all__ = ["FEWEST_NEAR", "FEWEST_ZEROS", "bound_imputed_zeros"]

FEWEST_ZEROS = 20
"""Fewest zeros below the limit from which imputation is said (our choice)."""
FEWEST_NEAR = 10
"""Fewest draws in the upper half below the limit, and fewest just above it (our choice).

Where half of the draws above the limit have neutrophils, ten draws just below it that have none are
chance in one of a thousand records.
"""
_KEY = ["participant_id", "day", "time"]


def bound_imputed_zeros(
    measurements: pl.DataFrame, participants: pl.DataFrame
) -> tuple[pl.DataFrame, list[Finding]]:
    """Find zeros that stand for neutrophils nobody counted, and keep them as bounds.

    Site by site (all together where no site is recorded), on day zero and after:

    1. A pair is a neutrophil count and the leucocytes of the same participant, day and time, both
       numbers, leucocytes above 0.
    2. The limit is the lowest leucocytes at which a pair has neutrophils above 0. Below it all are
       exactly 0.
    3. The zeros below the limit are imputed where there are at least `FEWEST_ZEROS`, of two or more
       participants; at least `FEWEST_NEAR` of them with leucocytes from half the limit on; and at
       least `FEWEST_NEAR` pairs from the limit to twice the limit, of which at least half have
       neutrophils. Neutrophils that truly vanish come back with a few among few leucocytes: there
       is then no limit below which all are 0 and above which most are not.
    4. Such a zero becomes a bound: more than nothing is not known, and fewer than the leucocytes.
       `value` is empty, `high` the leucocytes, `censored` "<"; `as_read` keeps what was written.
    5. Zeros at or above the limit, without leucocytes of the same blood, or before day zero, and
       counts that the laboratory confirmed (`verified`) stay as they are; a confirmed zero
       below the limit is no evidence of imputation.

    Parameters
    ----------
    measurements, participants
        The tables, in the units of their analytes.

    Returns
    -------
    tuple
        The measurements, and a remark for each site: how many values of how many participants, and
        the limit.
    """
    pairs = _pairs(measurements, participants)
    findings: list[Finding] = []
    found: list[pl.DataFrame] = []
    for (site,), part in pairs.group_by("site", maintain_order=True):
        zeros, limit = _zeros_below(part)
        if not zeros.is_empty():
            found.append(zeros)
            findings.append(_tell(zeros, limit, str(site or "")))
    if not found:
        return measurements, findings
    bounds = pl.concat(found).select("record_id", "leucocytes")
    hit = pl.col("leucocytes").is_not_null()
    return (
        measurements.join(bounds, on="record_id", how="left", maintain_order="left")
        .with_columns(
            value=pl.when(~hit).then("value"),
            high=pl.when(hit).then("leucocytes").otherwise("high"),
            censored=pl.when(hit).then(pl.lit("<")).otherwise("censored"),
        )
        .drop("leucocytes"),
        findings,
    )


def _pairs(measurements: pl.DataFrame, participants: pl.DataFrame) -> pl.DataFrame:
    """Give the neutrophils with the leucocytes of the same blood: `neutrophils`, `leucocytes`."""
    rows = measurements.filter(pl.col("day") >= 0, pl.col("value").is_not_null())
    leucocytes = (
        rows.filter(pl.col("analyte") == "WBC")
        .group_by(_KEY)
        .agg(leucocytes=pl.col("value").max())
        .filter(pl.col("leucocytes") > 0)
    )
    return (
        rows.filter(pl.col("analyte") == "ANC", (pl.col("verified") == "yes").ne_missing(True))
        .select(*_KEY, "record_id", neutrophils="value")
        .join(leucocytes, on=_KEY, nulls_equal=True, maintain_order="left")
        .join(participants.select("participant_id", "site"), on="participant_id",
              maintain_order="left")
    )  # fmt: skip


def _zeros_below(pairs: pl.DataFrame) -> tuple[pl.DataFrame, float]:
    """Give the imputed zeros of one site and the limit; no rows where none are imputed."""
    some, white = pl.col("neutrophils") > 0, pl.col("leucocytes")
    least = pairs.filter(some)["leucocytes"].to_list()
    limit = min(least, default=0.0)
    zeros = pairs.filter(white < limit)
    above = pairs.filter(white.is_between(limit, 2 * limit, closed="left"))
    imputed = (
        zeros.height >= FEWEST_ZEROS
        and zeros["participant_id"].n_unique() > 1
        and zeros.filter(white >= limit / 2).height >= FEWEST_NEAR
        and above.height >= FEWEST_NEAR
        and 2 * above.filter(some).height >= above.height
    )
    return (zeros if imputed else zeros.clear()), limit


def _tell(zeros: pl.DataFrame, limit: float, site: str) -> Finding:
    """Tell of one site's imputed zeros."""
    people = zeros["participant_id"].unique().sort().to_list()
    shown = ", ".join(people[:10]) + (f" and {len(people) - 10} more" if len(people) > 10 else "")
    most = max(zeros["leucocytes"].to_list())
    where = f" at site {site}" if site else ""
    return Finding(
        rule="imputed-zeros",
        weight="remark",
        where="measurements, ANC",
        what=f"All {zeros.height} neutrophil counts on or after day zero with leucocytes up to "
        f"{most:g}{where} are exactly 0, of {len(people)} participants ({shown}); from leucocytes "
        f"of {limit:g} on most are above 0.",
        why="The source seems to write 0 where it did not count neutrophils. These zeros are read "
        "as bounds, from 0 to the leucocytes of the same blood: the height of the nadir is then "
        f"not known, and a threshold below {limit:g} may be left open.",
        remedy="Give the counts, or leave them out where there are none; if they were counted, let "
        "the laboratory confirm it and write `verified` with yes.",
    )
