"""Analysis data: one row a participant and parameter, in the manner of ADaM."""

from __future__ import annotations

import re

import polars as pl

from stromal.endpoints.analysis_sets import analysis_set
from stromal.endpoints.context import Context
from stromal.endpoints.outcome import TIME_STATUSES
from stromal.protocol import protocol_version
from stromal.protocol.analyses import Analysis

__all__ = ["analysis_data", "flag_names", "parameter_codes"]


def analysis_data(context: Context) -> pl.DataFrame:
    """Give the derived endpoints as analysis data, one row a participant and endpoint.

    Columns in the manner of ADaM's time-to-event and basic data structures; it is no validated
    submission data set.

    1. `STUDYID`, `USUBJID` (study and participant), `SUBJID`, `SITEID`, `TRTP` (the planned arm).
    2. `PARAMCD` (at most eight letters and digits, of the endpoint's name), `PARAM` (its label).
    3. For a time to event `AVAL` is the day from the endpoint's anchor, `AVALU` is `DAYS`, `CNSR`
       is 0 for the event, 1 for censoring, 2 for a competing event, `EVNTDESC` says which or why.
       For a level or a count `AVALC` is the level or status, `AVAL` the count, `ADY` the day.
    4. `ADT` is the date. `DTYPE` is empty: nothing is imputed. `SRCREC` lists the records that
       decided.
    5. One flag for each analysis set (`flag_names`), `Y` or `N`, and every column of the
       participants table that an analysis uses for groups, strata, subgroups or covariates.
    6. `DEFN` is the definition, `PROTVER` the version of the protocol, `DATAKIND` the kind of data.

    Returns
    -------
    polars.DataFrame
        In the order of the endpoints and of the participants table. Who has no result stands with
        an empty `AVAL` and the reason.
    """
    people = _people(context)
    frames = [
        _parameter(context, name, code, people)
        for name, code in parameter_codes(list(context.derived)).items()
    ]
    return pl.concat(frames, how="vertical_relaxed") if frames else people.clear()


def parameter_codes(names: list[str]) -> dict[str, str]:
    """Shorten names to different codes of at most eight letters and digits."""
    codes: dict[str, str] = {}
    for name in names:
        words = [word for word in re.split(r"[^A-Za-z0-9]+", name) if word]
        plain = "".join(words).upper()
        short = plain if len(plain) <= 8 else "".join(word[:3] for word in words).upper()[:8]
        code, number = short, 2
        while code in codes.values():
            tail = str(number)
            code, number = short[: 8 - len(tail)] + tail, number + 1
        codes[name] = code
    return codes


def flag_names(context: Context) -> dict[str, str]:
    """Name the flag of each analysis set: its code, shortened to six, and `FL`."""
    sets = list(context.protocol.analysis_sets)
    codes = parameter_codes([f"{name}"[:40] for name in sets])
    short: dict[str, str] = {}
    for name in sets:
        code, number = codes[name[:40]][:6], 2
        while f"{code}FL" in short.values():
            code, number = codes[name[:40]][:5] + str(number), number + 1
        short[name] = f"{code}FL"
    return short


def _people(context: Context) -> pl.DataFrame:
    """Give what stands of every participant in each of their rows."""
    protocol, people = context.protocol, context.participants
    study = protocol.study.id
    optional = {"SITEID": "site", "TRTP": "arm"}
    frame = people.select(
        pl.lit(study).alias("STUDYID"),
        pl.format("{}-{}", pl.lit(study), "participant_id").alias("USUBJID"),
        pl.col("participant_id").alias("SUBJID"),
        *[
            (pl.col(column) if column in people.columns else pl.lit(None))
            .cast(pl.String)
            .alias(name)
            for name, column in optional.items()
        ],
    )
    flags = [
        pl.when(pl.col("SUBJID").is_in(members["participant_id"].implode()))
        .then(pl.lit("Y"))
        .otherwise(pl.lit("N"))
        .alias(flag)
        for name, flag in flag_names(context).items()
        for members in [analysis_set(context, name)[0]]
    ]
    used = [name for name in _columns_used(context) if name in people.columns]
    return frame.with_columns(flags).hstack(
        people.select(pl.col(name).alias(name.upper()) for name in used)
    )


def _columns_used(context: Context) -> list[str]:
    """List the columns of the participants table that analyses name."""
    used: list[str] = []
    for analysis in context.protocol.analyses.values():
        used += [name for name in _named_by(analysis) if name not in {"arm", "site"}]
    return list(dict.fromkeys(used))


def _named_by(analysis: Analysis) -> list[str]:
    """List the columns that one analysis names."""
    lists: list[list[str] | None] = [
        getattr(analysis, key, None) for key in ("strata", "covariates", "subgroups")
    ]
    single = [analysis.by, getattr(analysis, "variable", None)]
    return [name for names in lists for name in names or []] + [n for n in single if n]


def _parameter(context: Context, name: str, code: str, people: pl.DataFrame) -> pl.DataFrame:
    """Give the rows of one endpoint."""
    endpoint = context.protocol.endpoints[name]
    derived = context.derived[name]
    status = pl.col("status")
    timed = status.is_in(list(TIME_STATUSES))
    count = pl.col("count") if "count" in derived.columns else pl.lit(None, pl.Int32)
    day = pl.col("day").cast(pl.Float64)
    rows = derived.select(
        pl.col("participant_id").alias("SUBJID"),
        pl.lit(code).alias("PARAMCD"),
        pl.lit(endpoint.label).alias("PARAM"),
        pl.when(timed).then(day).otherwise(count.cast(pl.Float64)).alias("AVAL"),
        pl.when(timed).then(pl.lit("DAYS")).alias("AVALU"),
        pl.when(~timed).then(status).alias("AVALC"),
        status.replace_strict(
            {"event": 0, "censored": 1, "competing": 2}, default=None, return_dtype=pl.Int64
        ).alias("CNSR"),
        pl.coalesce("cause", pl.when(timed).then(status)).alias("EVNTDESC"),
        pl.col("day").alias("ADY"),
        pl.col("date").alias("ADT"),
        pl.lit(None, pl.String).alias("DTYPE"),
        pl.col("because").list.join("; ").alias("SRCREC"),
        pl.col("definition").alias("DEFN"),
        pl.lit(protocol_version(context.protocol)).alias("PROTVER"),
        pl.lit(context.records.about.data).alias("DATAKIND"),
    )
    first = ["STUDYID", "USUBJID", "SUBJID", "SITEID", "TRTP"]
    joined = rows.join(people, on="SUBJID", how="left", maintain_order="left")
    others = [column for column in rows.columns if column != "SUBJID"]
    return joined.select(first + others + [c for c in people.columns if c not in first])
