"""Provisos on a run of counts, or on a day, in three-valued logic."""

from __future__ import annotations

import polars as pl

from stromal.endpoints.context import Context
from stromal.endpoints.days_kernels import LAST_DAY
from stromal.protocol.endpoints import ResponseEndpoint
from stromal.protocol.provisos import (
    AssessmentProviso,
    AttestedProviso,
    EndpointProviso,
    EventProviso,
    Proviso,
    TransfusionProviso,
)

__all__ = ["describe_proviso", "happened", "judge_provisos"]

_NUMBER = r"^\s*([<>]?)\s*([0-9]+(?:\.[0-9]*)?|\.[0-9]+)\s*%?\s*$"
_SIGNS = {"at_least": "≥", "above": ">", "at_most": "≤", "below": "<"}


def judge_provisos(
    context: Context, anchor: str, provisos: list[Proviso], runs: pl.DataFrame, *, needed: str
) -> pl.DataFrame:
    """Judge provisos for runs.

    1. An assessment: the nearest to the onset, of two equally near the earlier; a value that is no
       number where a number is asked for, or none within the window, is unknown. Several values of
       that day must all hold; one that does not is enough to fail. `>95` holds for "at least 95".
    2. An attestation: what people say of the participant, whenever they said it; those who
       contradict each other leave it unknown.
    3. An event that must not have been recorded: one without the grade that is asked for, or one
       without an end where it must not go on, leaves it unknown. Silence means that there was none
       where the events are complete up to the end of the run, see `Context.last_days`, and within
       the coverage table's stretches for participants it names.
    4. Transfusions from the first to the last day of the run, row by row; too few are too few only
       where the log is complete.
    5. An endpoint: see `happened`.

    Parameters
    ----------
    context
        Protocol and records, with what the provisos build on derived.
    anchor
        The anchor from which the days of `runs` count.
    provisos
        The provisos; none of them is true of every run under `all` and of no run under `any`.
    runs
        `k` (unique), `p`, `onset`, `end`: participant, first and last day.
    needed
        `all` or `any` of the provisos.

    Returns
    -------
    polars.DataFrame
        `k`, `holds` (null where it is unknown), `no` and `unknown` (what told against it, what is
        missing; empty where nothing), `yes`, `records` (ids), in the order of `runs`.
    """
    if not provisos:
        nothing = pl.lit("")
        return runs.select(
            "k", holds=pl.lit(needed == "all"), no=nothing, unknown=nothing, yes=nothing,
            records=pl.lit([], pl.List(pl.String)),
        )  # fmt: skip
    parts = [_judge(context, anchor, proviso, runs) for proviso in provisos]
    wide = runs.select("k")
    for number, part in enumerate(parts):
        renamed = part.rename({name: f"{name}{number}" for name in ("holds", "told", "records")})
        wide = wide.join(renamed, on="k", how="left", maintain_order="left")
    numbers = range(len(parts))
    holds = [pl.col(f"holds{number}") for number in numbers]
    joined = pl.all_horizontal(holds) if needed == "all" else pl.any_horizontal(holds)
    return wide.select(
        "k",
        holds=joined,
        no=_told(numbers, value=False),
        unknown=_told(numbers, value=None),
        yes=_told(numbers, value=True),
        records=pl.concat_list(f"records{number}" for number in numbers).list.unique(
            maintain_order=True
        ),
    )


def _told(numbers: range, *, value: bool | None) -> pl.Expr:
    """Join what was told of the provisos with this verdict."""
    parts = [
        pl.when(
            pl.col(f"holds{number}").is_null()
            if value is None
            else pl.col(f"holds{number}").fill_null(not value) == value
        ).then(pl.col(f"told{number}"))
        for number in numbers
    ]
    return pl.concat_str(parts, separator=", ", ignore_nulls=True)


def _judge(context: Context, anchor: str, proviso: Proviso, runs: pl.DataFrame) -> pl.DataFrame:
    """Judge one proviso: `k`, `holds`, `told`, `records`."""
    match proviso:
        case AssessmentProviso():
            return _assessment(context, anchor, proviso, runs)
        case AttestedProviso():
            return _attested(context, proviso, runs)
        case EventProviso():
            return _event(context, anchor, proviso, runs)
        case TransfusionProviso():
            return _transfusions(context, anchor, proviso, runs)
        case EndpointProviso():
            return _endpoint(context, proviso, runs)


# --- assessments and attestations --------------------------------------------------------------


def _assessment(
    context: Context, anchor: str, proviso: AssessmentProviso, runs: pl.DataFrame
) -> pl.DataFrame:
    """Judge what was assessed nearest to the onset."""
    rows = context.dated("assessments", anchor).filter(pl.col("scale") == proviso.assessment)
    low, high = (int(day) for day in proviso.within)
    near = runs.join(
        rows.select("p", "item", "value", "record_id", on="day"), on="p", how="inner"
    ).filter((pl.col("on") - pl.col("onset")).is_between(low, high))
    items = proviso.items or [None]
    parts = [_nearest(near, item, proviso) for item in items]
    wide = runs.select("k")
    for number, part in enumerate(parts):
        wide = wide.join(
            part.rename({name: f"{name}{number}" for name in ("met", "said", "ids")}),
            on="k",
            how="left",
            maintain_order="left",
        )
    name = proviso.assessment.replace("_", " ")
    missing = [
        pl.col(f"said{number}").fill_null(
            f"{name}{'' if item is None else f' {item}'} not assessed within days {low:+d} to "
            f"{high:+d} of the onset"
        )
        for number, item in enumerate(items)
    ]
    return wide.select(
        "k",
        holds=pl.all_horizontal(f"met{number}" for number in range(len(items))),
        told=pl.concat_str(missing, separator=", "),
        records=pl.concat_list(
            pl.col(f"ids{number}").fill_null(pl.lit([], pl.List(pl.String)))
            for number in range(len(items))
        ),
    )


def _nearest(near: pl.DataFrame, item: str | None, proviso: AssessmentProviso) -> pl.DataFrame:
    """Judge the nearest day's rows of one item, or of all items: `k`, `met`, `said`, `ids`."""
    if item is not None:
        near = near.filter(pl.col("item") == item)
    away = (pl.col("on") - pl.col("onset")).abs()
    best = away == away.min().over("k")
    first = pl.col("on") == pl.col("on").filter(best).min().over("k")
    text = pl.concat_str(
        pl.lit(proviso.assessment.replace("_", " ")), "item", "value", separator=" ",
        ignore_nulls=True,
    )  # fmt: skip
    return (
        near.filter(first)
        .with_columns(met=_compare(proviso))
        .sort("k", "record_id")
        .group_by("k", maintain_order=True)
        .agg(
            met=pl.when((~pl.col("met")).any())
            .then(pl.lit(value=False))
            .when(pl.col("met").null_count() == 0)
            .then(pl.lit(value=True)),
            said=pl.format("{} on day {}", text, "on").str.join(", "),
            ids=pl.col("record_id"),
        )
    )


def _compare(proviso: AssessmentProviso) -> pl.Expr:
    """Compare values with words or bounds: true, false or null."""
    if proviso.is_ is not None:
        return pl.col("value").str.strip_chars().is_in(list(proviso.is_))
    sign = pl.col("value").str.extract(_NUMBER, 1)
    number = pl.col("value").str.extract(_NUMBER, 2).cast(pl.Float64, strict=False)
    over, under = sign == ">", sign == "<"
    parts: list[pl.Expr] = []
    for name in ("at_least", "above", "at_most", "below"):
        bound = getattr(proviso, name)
        if bound is None:
            continue
        limit = bound.value
        rises = name in {"at_least", "above"}
        strict = name in {"above", "below"}
        beyond = number > limit if rises else number < limit
        short = number < limit if rises else number > limit
        helps, hurts = (over, under) if rises else (under, over)
        sure = (beyond & ~hurts) | ((number == limit) & (helps | (~hurts & (not strict))))
        never = (short & ~helps) | ((number == limit) & ~helps & (hurts | strict))
        parts.append(pl.when(sure).then(pl.lit(value=True)).when(never).then(pl.lit(value=False)))
    return pl.all_horizontal(parts)


def _attested(context: Context, proviso: AttestedProviso, runs: pl.DataFrame) -> pl.DataFrame:
    """Judge what people attest."""
    rows = context.records["attestations"].filter(pl.col("criterion") == proviso.attested)
    name = proviso.attested.replace("_", " ")
    said = (
        rows.join(context.participants.select("p", "participant_id"), on="participant_id")
        .sort("p", "record_id")
        .group_by("p", maintain_order=True)
        .agg(yes=(pl.col("value") == "yes").all(), no=(pl.col("value") == "no").all(),
             ids=pl.col("record_id"))
    )  # fmt: skip
    return runs.join(said, on="p", how="left", maintain_order="left").select(
        "k",
        holds=pl.when("yes").then(pl.lit(value=True)).when("no").then(pl.lit(value=False)),
        told=pl.when("yes")
        .then(pl.lit(f"{name} attested"))
        .when("no")
        .then(pl.lit(f"{name} denied"))
        .when(pl.col("ids").is_null())
        .then(pl.lit(f"{name} not attested"))
        .otherwise(pl.lit(f"{name} attested and denied")),
        records=pl.col("ids").fill_null(pl.lit([], pl.List(pl.String))),
    )


# --- events and transfusions -------------------------------------------------------------------


def _event(
    context: Context, anchor: str, proviso: EventProviso, runs: pl.DataFrame
) -> pl.DataFrame:
    """Judge that an event was not recorded."""
    grade = pl.lit(value=True)
    if proviso.grade_at_least is not None:
        grade = pl.col("grade") >= proviso.grade_at_least
    rows = context.dated("events", anchor).filter(pl.col("event") == proviso.event)
    rows = rows.select(
        "p", "record_id", on="day", ended=pl.col("ended_day") - pl.col("anchor_day"), graded=grade
    )
    at = runs.join(rows, on="p").filter(pl.col("on") <= pl.col("end"))
    if proviso.when == "ever":
        at = at.filter(pl.col("on") >= 0)
    else:
        began = pl.col("on") >= pl.col("onset")
        lasts = pl.when(began).then(pl.lit(value=True)).otherwise(
            pl.col("ended") >= pl.col("onset")
        )  # fmt: skip
        at = at.with_columns(graded=pl.col("graded") & lasts)
    name = proviso.event.replace("_", " ")
    if proviso.grade_at_least is not None:
        name += f" of grade {proviso.grade_at_least} or more"
    found = (
        at.filter(pl.col("graded").fill_null(value=True))
        .sort("k", "on", "record_id")
        .group_by("k", maintain_order=True)
        .agg(
            sure=pl.col("graded").any(),
            on=pl.coalesce(pl.col("on").filter(pl.col("graded")).first(), pl.col("on").first()),
            ids=pl.col("record_id"),
        )
    )
    frame = runs.join(found, on="k", how="left", maintain_order="left").with_columns(
        silent=_complete(context, "events", anchor, runs.with_columns(onset=pl.lit(0)))
    )
    return frame.select(
        "k",
        holds=pl.when("sure")
        .then(pl.lit(value=False))
        .when(pl.col("ids").is_null() & pl.col("silent"))
        .then(pl.lit(value=True)),
        told=pl.when("sure")
        .then(pl.format("{} on day {}", pl.lit(name), "on"))
        .when(pl.col("ids").is_not_null())
        .then(pl.format("{} on day {} left open", pl.lit(name), "on"))
        .when("silent")
        .then(pl.lit(f"no {name}"))
        .otherwise(pl.lit(f"{name} not known: the events are not complete until then")),
        records=pl.col("ids").fill_null(pl.lit([], pl.List(pl.String))),
    )


def _transfusions(
    context: Context, anchor: str, proviso: TransfusionProviso, runs: pl.DataFrame
) -> pl.DataFrame:
    """Judge that enough transfusions were given during the run."""
    rows = context.dated("transfusions", anchor).filter(
        pl.col("product").is_in(list(proviso.transfused))
    )
    found = (
        runs.join(rows.select("p", "record_id", on="day"), on="p")
        .filter(pl.col("on").is_between("onset", "end"))
        .sort("k", "on", "record_id")
        .group_by("k", maintain_order=True)
        .agg(many=pl.len(), ids=pl.col("record_id"))
    )
    frame = runs.join(found, on="k", how="left", maintain_order="left").with_columns(
        pl.col("many").fill_null(0), silent=_complete(context, "transfusions", anchor, runs)
    )
    enough = pl.col("many") >= proviso.at_least
    name = " or ".join(product.replace("_", " ") for product in proviso.transfused)
    return frame.select(
        "k",
        holds=pl.when(enough)
        .then(pl.lit(value=True))
        .when("silent")
        .then(pl.lit(value=False)),
        told=pl.when(enough | pl.col("silent"))
        .then(pl.format("{} transfusions of {} during the run", "many", pl.lit(name)))
        .otherwise(pl.lit(f"transfusions of {name} during the run not logged throughout")),
        records=pl.col("ids").fill_null(pl.lit([], pl.List(pl.String))),
    )  # fmt: skip


def _complete(context: Context, table: str, anchor: str, runs: pl.DataFrame) -> pl.Series:
    """Say for each run whether a table is complete from its onset to its end."""
    held = context.covered(table)["p"]
    inside = (
        runs.join(context.dated_coverage(table, anchor), on="p")
        .filter((pl.col("from_day") <= pl.col("onset")) & (pl.col("to_day") >= pl.col("end")))
        .select("k")
        .unique()
    )
    days = context.last_days(anchor).select("p", "death", "complete_until")
    frame = runs.join(days, on="p", how="left", maintain_order="left")
    until = (pl.max_horizontal("complete_until", "death") >= pl.col("end")).fill_null(value=False)
    return frame.select(
        pl.when(pl.col("p").is_in(held.implode()))
        .then(pl.col("k").is_in(inside["k"].implode()))
        .otherwise(until)
    ).to_series()


# --- endpoints ---------------------------------------------------------------------------------


def happened(context: Context, endpoint: str, anchor: str) -> pl.DataFrame:
    """Say when a derived endpoint happened, or up to when it is known not to have happened.

    1. An event has its day; a response has the day of its level, unless that is the level that
       stands for no response.
    2. Who never fell below the threshold of a recovery had nothing to recover from: it counts as
       having happened, on day 0.
    3. Censored: not by that day. Competing: not at all. What is not evaluable is unknown.

    Returns
    -------
    polars.DataFrame
        `p`, `at` (the day, from `anchor`; null where it did not happen), `free_until` (last day by
        which it is known not to have happened; null where that is not known), `unknown`.
    """
    spec = context.protocol.endpoints[endpoint]
    status = pl.col("status")
    if isinstance(spec, ResponseEndpoint):
        levels = list(spec.response.levels)
        event, none = status.is_in(levels), status == spec.response.otherwise
    else:
        event, none = status == "event", pl.lit(value=False)
    shift = pl.col("other") - pl.col("own")
    never_fell = (status == "not_applicable") & (pl.col("cause") == "never below the threshold")
    never = (status == "competing") | none
    return (
        context.participants.select("p", "participant_id")
        .join(
            context.derived[endpoint].select(
                "participant_id", "status", "cause", "day", other="anchor_day"
            ),
            on="participant_id",
            how="left",
        )
        .join(context.anchor(anchor).rename({"anchor_day": "own"}), on="p")
        .sort("p")
        .select(
            "p",
            at=pl.when(event).then(pl.col("day") + shift).when(never_fell).then(shift),
            free_until=pl.when(event)
            .then(pl.col("day") + shift - 1)
            .when(never)
            .then(pl.lit(LAST_DAY, pl.Int32))
            .when(status == "censored")
            .then(pl.col("day") + shift),
            unknown=~(event | never_fell | never | (status == "censored")).fill_null(value=False),
        )
    )


def _endpoint(context: Context, proviso: EndpointProviso, runs: pl.DataFrame) -> pl.DataFrame:
    """Judge whether an endpoint had happened by a day."""
    spec = context.protocol.endpoints[proviso.endpoint]
    own = getattr(spec, "from_", None) or vars(spec)["assessed"].from_
    seen = happened(context, proviso.endpoint, own)
    by = int(proviso.by)
    yes = (pl.col("at") <= by).fill_null(value=False)
    no = (pl.col("free_until") >= by).fill_null(value=False)
    name = proviso.endpoint.replace("_", " ")
    verdict = pl.when(yes).then(pl.lit(value=True)).when(no).then(pl.lit(value=False))
    return runs.join(seen, on="p", how="left", maintain_order="left").select(
        "k",
        holds=verdict if proviso.happened == "yes" else ~verdict,
        told=pl.when(yes)
        .then(pl.format("{} on day {}", pl.lit(name), "at"))
        .when(no)
        .then(pl.lit(f"no {name} by day {by}"))
        .otherwise(pl.lit(f"{name} by day {by} not known")),
        records=pl.lit([], pl.List(pl.String)),
    )


# --- words -------------------------------------------------------------------------------------


def describe_proviso(proviso: Proviso) -> str:
    """Say a proviso in words."""
    match proviso:
        case AssessmentProviso():
            bounds = [
                f"{sign} {getattr(proviso, name)}"
                for name, sign in _SIGNS.items()
                if getattr(proviso, name) is not None
            ]
            what = " or ".join(proviso.is_) if proviso.is_ is not None else " and ".join(bounds)
            items = f" ({' and '.join(proviso.items)})" if proviso.items is not None else ""
            low, high = (int(day) for day in proviso.within)
            name = proviso.assessment.replace("_", " ")
            return f"{name}{items} {what}, assessed within days {low:+d} to {high:+d} of it"
        case AttestedProviso(attested=name):
            return f"{name.replace('_', ' ')}, as a person attests"
        case EventProviso():
            grade = f" of grade {proviso.grade_at_least} or more" if proviso.grade_at_least else ""
            when = "before its end" if proviso.when == "ever" else "during it"
            return f"no {proviso.event.replace('_', ' ')}{grade} {when}"
        case TransfusionProviso():
            products = " or ".join(product.replace("_", " ") for product in proviso.transfused)
            return f"at least {proviso.at_least} transfusions of {products} during it"
        case EndpointProviso():
            sign = "" if proviso.happened == "yes" else "no "
            return f"{sign}{proviso.endpoint.replace('_', ' ')} by day {int(proviso.by)}"
