"""Lasting falls of blood counts: secondary failure, poor graft function."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from stromal.core import UsageError
from stromal.endpoints.context import Context, derived_frame
from stromal.endpoints.days_kernels import LAST_DAY, NO_START
from stromal.endpoints.fall_kernels import qualifying_begins
from stromal.endpoints.provisos import happened, judge_provisos
from stromal.endpoints.runs import Start, derive_runs, describe_run, reading_limit
from stromal.endpoints.series import Series
from stromal.endpoints.support import build_supported, describe_line
from stromal.protocol.endpoints import Cytopenia, CytopeniaEndpoint

__all__ = ["cytopenia_series", "derive_cytopenia"]


def cytopenia_series(context: Context, endpoint: CytopeniaEndpoint) -> tuple[Series, pl.DataFrame]:
    """Build the series that a fall is read from, and the competing events."""
    rule = endpoint.cytopenia
    events, last = reading_limit(context, endpoint.from_, endpoint.competing, list(rule.counts))
    for table in _supports(rule):
        complete = context.last_days(endpoint.from_).select("p", "complete_until")
        covered = pl.col("p").is_in(context.covered(table)["p"].implode())
        end = pl.when(~covered).then("complete_until")
        last = last.join(complete, on="p", maintain_order="left").select(
            "p", last=pl.min_horizontal("last", end)
        )
    return build_supported(rule.counts, rule.lines, context, endpoint.from_, last), events


def _supports(rule: Cytopenia) -> list[str]:
    """Name the tables that the lines' support is read from."""
    supports = [line.or_supported or line.and_supported for line in rule.counts]
    tables = ["transfusions" if part.transfused else "medications" for part in supports if part]
    return list(dict.fromkeys(tables))


def derive_cytopenia(context: Context, name: str, endpoint: CytopeniaEndpoint) -> pl.DataFrame:
    """Derive the time to the first lasting fall of counts, for every participant.

    1. A day counts where at least `lines` of the counts meet their rule on that day; a count that
       was not measured on the day is unknown. For lines that rest on support see
       `stromal.endpoints.support.build_supported`; where support is asked about, nothing is read
       after `complete_until`, because silence then no longer means that none was given.
    2. The search begins on day `start`, or the day after the last of the endpoints named by `after`
       where that is later; who did not have them all is `not_applicable`, and `not_evaluable` where
       one of them could not be judged. Who never fell below one of the thresholds had that
       recovery on day 0; who fell below none of them is `not_applicable`.
    3. The event is the first day of the first run of which no proviso of `provided` is false; every
       day with which a complete run begins is judged, so that a fall that goes on after the reason
       against it has ended is an event from then on. See `judge_provisos`.
    4. Where all provisos of that run are true it is the event; where one is unknown the row is
       `not_evaluable` and its cause names what is missing.
    5. Where every run fails a proviso, the row is competing or censored as if there had been no
       run, and the note says why the first one was none. See `derive_runs` for the rest.

    Returns
    -------
    polars.DataFrame
        The columns of `stromal.endpoints.outcome.DERIVED_COLUMNS`, one row a participant.

    Raises
    ------
    UsageError
        The rule builds on an endpoint that is not derived.
    """
    rule = endpoint.cytopenia
    series, events = cytopenia_series(context, endpoint)
    start = _start(context, endpoint)
    doubts = None
    if rule.provided:
        start, doubts = _provided(context, endpoint, series, start)
    said = _said(rule)
    rows = derive_runs(
        series,
        rule,
        start,
        context,
        anchor=endpoint.from_,
        competing=events,
        until=endpoint.until,
        earliest=int(rule.start),
        analytes=[count.analyte for count in rule.counts if count.or_supported is None],
        said=said,
    )
    rows = rows.with_columns(pl.col("because").list.unique(maintain_order=True))
    if doubts is not None:
        rows = _with_doubts(rows, doubts, f"{said}, {describe_run(rule)}")
    return derived_frame(context, name, rule.definition or rule.title or "spelled out", rows)


def _said(rule: Cytopenia) -> str:
    """Say which lines are asked for."""
    said = ", ".join(describe_line(line) for line in rule.counts)
    return f"At least {rule.lines} of {said}" if len(rule.counts) > 1 else said


# --- provisos ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Doubts:
    """The run that was chosen, for each participant: `p`, `holds`, `unknown`, `records`."""

    rows: pl.DataFrame


def _provided(
    context: Context, endpoint: CytopeniaEndpoint, series: Series, start: Start
) -> tuple[Start, _Doubts]:
    """Move the search to the first run of which no proviso is false."""
    runs = _runs(series, endpoint, start, context)
    first = runs.unique("p", keep="first", maintain_order=True)
    judged = _judged(context, endpoint, first)
    refused = judged.filter(~pl.col("holds").fill_null(value=True))
    later = runs.join(refused.select("p"), on="p", how="semi").join(first, on="k", how="anti")
    judged = pl.concat([judged, _judged(context, endpoint, later)]).sort("p", "onset")
    chosen = judged.filter(pl.col("holds").fill_null(value=True)).unique(
        "p", keep="first", maintain_order=True
    )
    people = (
        context.participants.select("p")
        .join(refused.select("p", refused_on="onset", why="no"), on="p", how="left")
        .join(chosen.select("p", "onset", "holds", "yes", "unknown", "records"), on="p", how="left")
        .sort("p")
        .with_columns(start=pl.Series(start.day), told=start.told)
    )
    day = pl.when(pl.col("onset").is_not_null()).then("onset").when(
        pl.col("why").is_not_null()
    ).then(NO_START).otherwise("start")  # fmt: skip
    told = pl.concat_str(
        pl.when(pl.col("told") != "").then("told"),
        pl.when(pl.col("yes") != "").then("yes"),
        pl.when(pl.col("why").is_not_null()).then(
            pl.format("the fall from day {} was none: {}", "refused_on", "why")
        ),
        separator="; ",
        ignore_nulls=True,
    )
    moved = replace(
        start,
        day=people.select(day.cast(pl.Int32)).to_series().to_numpy(),
        told=people.select(told.fill_null("")).to_series(),
    )
    return moved, _Doubts(people.select("p", "onset", "holds", "unknown", "records"))


def _runs(
    series: Series, endpoint: CytopeniaEndpoint, start: Start, context: Context
) -> pl.DataFrame:
    """Give every run that qualifies: `k`, `p`, `onset`, `end`."""
    rule = endpoint.cytopenia
    until = LAST_DAY if endpoint.until is None else int(endpoint.until)
    stop = np.full(context.size, until, dtype=np.int32)
    ends = qualifying_begins(
        series.offsets, series.day, series.status, start.day, stop, rule.values, rule.span, rule.gap
    )
    begins = np.flatnonzero(ends >= 0)
    return pl.DataFrame(
        {
            "k": begins,
            "p": series.p[begins],
            "onset": series.day[begins],
            "end": series.day[ends[begins]],
        }
    )


def _judged(context: Context, endpoint: CytopeniaEndpoint, runs: pl.DataFrame) -> pl.DataFrame:
    """Add the verdict of the provisos to runs."""
    verdicts = judge_provisos(
        context, endpoint.from_, endpoint.cytopenia.provided, runs, needed="all"
    )
    return runs.join(verdicts, on="k", how="left", maintain_order="left")


def _with_doubts(rows: pl.DataFrame, doubts: _Doubts, said: str) -> pl.DataFrame:
    """Turn events of which a proviso is unknown into rows that are not evaluable."""
    frame = rows.join(doubts.rows, on="p", how="left", maintain_order="left")
    event = pl.col("status") == "event"
    open_ = event & pl.col("holds").is_null()
    because = pl.when(event).then(
        pl.concat_list("because", pl.col("records").fill_null(pl.lit([], pl.List(pl.String))))
    ).otherwise("because")  # fmt: skip
    return frame.with_columns(
        status=pl.when(open_).then(pl.lit("not_evaluable")).otherwise("status"),
        day=pl.when(open_).then(None).otherwise("day"),
        day_high=pl.when(open_).then(None).otherwise("day_high"),
        cause=pl.when(open_).then("unknown").otherwise("cause"),
        because=because.list.unique(maintain_order=True),
        note=pl.when(open_)
        .then(
            pl.format(
                "{}: met from day {}, but {}.", pl.lit(said), "onset", "unknown"
            )
        )
        .otherwise("note"),
    ).select(rows.columns)  # fmt: skip


# --- where the search begins -------------------------------------------------------------------


def _start(context: Context, endpoint: CytopeniaEndpoint) -> Start:
    """Begin on day `start`, or after the endpoints that must have happened."""
    rule = endpoint.cytopenia
    earliest = np.full(context.size, int(rule.start), dtype=np.int32)
    empty = pl.Series([None] * context.size, dtype=pl.String)
    if not rule.after_all:
        return Start(earliest, empty.fill_null(""), empty, empty)
    frame = context.participants.select("p").sort("p")
    for number, name in enumerate(rule.after_all):
        if name not in context.derived:
            raise UsageError(
                f"the rule looks after the endpoint `{name}`, which is not derived; declare an "
                "endpoint of that name, or spell the rule out with another"
            )
        frame = frame.join(_happened_before(context, name, endpoint.from_, number), on="p")
    numbers = range(len(rule.after_all))
    days = [pl.col(f"day{number}") for number in numbers]
    unfallen = pl.all_horizontal(pl.col(f"unfallen{number}") for number in numbers)
    missed = pl.any_horizontal(day.is_null() for day in days) | unfallen
    never = pl.any_horizontal(pl.col(f"never{number}") for number in numbers) | unfallen
    frame = frame.sort("p").select(
        day=pl.max_horizontal(*(day + 1 for day in days), pl.lit(int(rule.start))),
        missed=missed,
        excluded=pl.when(~missed)
        .then(pl.lit(None, pl.String))
        .when(never)
        .then(pl.lit("not_applicable"))
        .otherwise(pl.lit("not_evaluable")),
        told=pl.when(missed)
        .then(pl.coalesce(
            *(pl.when(f"never{number}").then(pl.col(f"told{number}")) for number in numbers),
            *(pl.when(day.is_null()).then(pl.col(f"told{number}"))
              for number, day in enumerate(days)),
            pl.col("told0"),
        ))
        .otherwise(pl.concat_str([pl.col(f"told{number}") for number in numbers], separator=", ")),
    )  # fmt: skip
    return Start(
        frame["day"].set(frame["missed"], NO_START).cast(pl.Int32).to_numpy(),
        frame["told"],
        frame["excluded"],
        frame.select(pl.when("missed").then("told")).to_series(),
    )


def _happened_before(context: Context, name: str, anchor: str, number: int) -> pl.DataFrame:
    """Say when one endpoint happened: `p`, and numbered `day`, `never`, `unfallen`, `told`."""
    before = context.derived[name].select("participant_id", "status")
    judged = pl.col("status") != "not_evaluable"
    return (
        context.participants.select("p", "participant_id")
        .join(before, on="participant_id", how="left")
        .join(happened(context, name, anchor), on="p")
        .select(
            "p",
            pl.col("at").cast(pl.Int32).alias(f"day{number}"),
            (pl.col("at").is_null() & judged).alias(f"never{number}"),
            (pl.col("status") == "not_applicable").alias(f"unfallen{number}"),
            pl.when(pl.col("at").is_null() & judged)
            .then(pl.lit(f"{name} did not happen before"))
            .when(~judged)
            .then(pl.lit(f"{name} could not be judged"))
            .when(pl.col("status") == "not_applicable")
            .then(pl.lit(f"nothing to recover from for {name}"))
            .otherwise(pl.format(f"{name} on day {{}}", "at"))
            .alias(f"told{number}"),
        )
    )
