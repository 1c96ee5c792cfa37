"""Whom an analysis is of: the rows it takes, its groups, and who is left out and why."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import polars as pl

from stromal.analysis.landmark import take_landmark
from stromal.analysis.protocol_words import in_protocol_words
from stromal.analysis.time_dependent import check_immortal_time
from stromal.core import PlanError, UsageError
from stromal.endpoints.analysis_sets import analysis_set
from stromal.endpoints.context import COUNTS_MISSING, NO_VERDICT, Context
from stromal.endpoints.outcome import TIME_STATUSES, TimeToEvent
from stromal.protocol.analyses import Analysis
from stromal.protocol.analysis_base import TimedAnalysis

__all__ = [
    "Analysed",
    "GroupRows",
    "anchor_of",
    "count_levels",
    "exposure_days",
    "immortal_set",
    "immortal_time",
    "select_rows",
]

UNREAD = (COUNTS_MISSING, NO_VERDICT)
"""Causes for which a result of a response is missing, though the protocol may give a level."""


@dataclass(frozen=True)
class GroupRows:
    """One group of an analysis: its id, its label, its rows."""

    id: str
    label: str
    rows: pl.DataFrame


@dataclass(frozen=True)
class Analysed:
    """The participants of an analysis.

    Parameters
    ----------
    context, name, spec
        Protocol, records and derived endpoints; the analysis.
    rows
        `p`, `participant_id`, `group`, and with an endpoint `status`, `day`, `cause` (and `count`).
    excluded
        `participant_id`, `reason`.
    missing
        `participant_id`, `group`: whose result of a response could not be read, whatever the
        protocol makes of them.
    """

    context: Context
    name: str
    spec: Analysis
    rows: pl.DataFrame
    excluded: pl.DataFrame
    missing: pl.DataFrame

    def groups(self) -> list[GroupRows]:
        """Split the rows into groups: arms in the protocol's order, other groups by name."""
        if self.spec.by is None and getattr(self.spec, "by_infusion", None) is None:
            return [GroupRows("all", "All", self.rows)]
        arms = self.context.protocol.arms if self.spec.by == "arm" else {}
        found = self.rows["group"].unique().to_list()
        order = [arm for arm in arms if arm in found] if arms else sorted(found)
        return [
            GroupRows(
                group,
                arms[group].label if arms else group,
                self.rows.filter(pl.col("group") == group),
            )
            for group in order
        ]

    def reference(self) -> str | None:
        """Give the group that others are set against: control, not infused, or the first level.

        Of arms the first that is not experimental, or else the last of the protocol. `None` with
        one group.
        """
        ids = [group.id for group in self.groups()]
        if len(ids) < 2:
            return None
        if self.spec.by == "arm":
            arms = self.context.protocol.arms
            controls = [name for name in ids if arms[name].role != "experimental"]
            return (controls or ids[-1:])[0]
        return ids[-1] if self.spec.by is None else ids[0]

    def within(self, rows: pl.DataFrame) -> Analysed:
        """Give the same analysis of some of the rows."""
        return replace(self, rows=rows)

    def outcomes(self, rows: pl.DataFrame, columns: Iterable[str] = ()) -> TimeToEvent:
        """Give times to event, with columns of the participants table; a response has none."""
        others = sorted(set(rows["status"].to_list()) - set(TIME_STATUSES))
        if others:
            raise PlanError(
                f"analysis `{self.name}` needs a time to event; endpoint `{self.spec.endpoint}` "
                f"has the statuses {', '.join(others)}: use `estimate: proportion`"
            )
        frame = rows.select("p", "participant_id", "day", "status", "cause", arm="group")
        return TimeToEvent(self.with_columns(frame, columns).drop("p"))

    def with_columns(self, frame: pl.DataFrame, columns: Iterable[str]) -> pl.DataFrame:
        """Add columns of the participants table to rows that have `p`."""
        wanted = [name for name in dict.fromkeys(columns) if name not in frame.columns]
        people = self.context.participants
        missing = [name for name in wanted if name not in people.columns]
        if missing:
            raise PlanError(
                f"analysis `{self.name}` names `{missing[0]}`, which is no column of the "
                f"participants table; it has {', '.join(people.columns)}"
            )
        if not wanted:
            return frame
        return frame.join(people.select("p", *wanted), on="p", how="left", maintain_order="left")


def select_rows(context: Context, name: str, spec: Analysis) -> Analysed:
    """Give the rows an analysis is of.

    1. Participants of the analysis set; those outside it are listed with the reason.
    2. Those without a result for the endpoint (`not_applicable`, `not_evaluable`), and those
       without a value of `by`, are listed too.
    3. An intercurrent event handled as hypothetical censors on its day.
    4. With `landmark`: who is at risk after that day; days count from it. `by_infusion` then makes
       two groups, as they stand on that day.

    Raises
    ------
    PlanError
        `by` is no column, or its groups are made by what happened after the anchor.
    """
    members, excluded = analysis_set(context, spec.set)
    people = context.participants.join(members, on="participant_id", how="semi")
    rows = people.select("p", "participant_id", group=_by(context, name, spec))
    reasons = [excluded.select("participant_id", "reason")]
    missing = rows.clear().select("participant_id", "group")
    if spec.endpoint is not None:
        derived = context.derived[spec.endpoint]
        columns = ["participant_id", "status", "day", "cause"]
        columns += ["count"] if "count" in derived.columns else []
        rows = rows.join(derived.select(columns), on="participant_id", how="left")
        without = (
            pl.col("status").is_in(["not_applicable", "not_evaluable"]) | pl.col("status").is_null()
        )
        unread = (pl.col("status") == "not_evaluable") | pl.col("cause").is_in(list(UNREAD))
        missing = rows.filter(unread).drop_nulls("group").select("participant_id", "group")
        reasons.append(_reasons(rows.filter(without)))
        rows = rows.filter(~without)
    ungrouped = rows.filter(pl.col("group").is_null())
    reasons.append(ungrouped.select("participant_id", reason=pl.lit(f"{spec.by} is not recorded")))
    found = Analysed(context, name, spec, rows.drop_nulls("group"), pl.concat(reasons), missing)
    if isinstance(spec, TimedAnalysis):
        found = _at_landmark(_censored_at_hypothetical(found, spec), spec)
    return found


def immortal_time(found: Analysed) -> list[str]:
    """Say why people are not compared by what an infusion after the anchor has made.

    Such is a column (of groups, covariates, strata or subgroups, other than the planned `arm`) that
    tells who was infused with a product after the anchor: of each level all were, or none.
    Empty with a landmark, or where it is not so.
    """
    spec, context = found.spec, found.context
    if spec.endpoint is None or getattr(spec, "landmark", None) is not None:
        return []
    lists: list[list[str] | None] = [
        getattr(spec, key, None) for key in ("covariates", "strata", "subgroups")
    ]
    columns = [spec.by, *(name for names in lists for name in names or [])]
    told: list[str] = []
    for column in dict.fromkeys(name for name in columns if name not in {None, "arm"}):
        rows = found.with_columns(found.rows.select("p", "participant_id"), [str(column)])
        for product in context.protocol.products:
            why = _made_by(found, rows.drop_nulls(str(column)), str(column), product)
            told += [why] if why else []
    return told


def immortal_set(found: Analysed) -> str:
    """Say that everybody of a set was infused after the day from which time counts."""
    spec = found.spec
    product = found.context.protocol.analysis_sets[spec.set].infused
    if product is None or not isinstance(spec, TimedAnalysis) or spec.landmark is not None:
        return ""
    exposed = exposure_days(found.context, product, anchor_of(found.context, spec.endpoint))
    late = found.rows.join(exposed, on="p").filter(pl.col("exposure_day") > 0)["exposure_day"]
    if late.is_empty():
        return ""
    first, last = min(late.to_list()), max(late.to_list())
    return (
        f"{late.len()} of {found.rows.height} were infused after the day from which time counts "
        f"(on days {first:g} to {last:g}) and had to live and stay until then to be in the set: "
        "the curve is too good (immortal time). Count from the infusion, or name a landmark."
    )


def _made_by(found: Analysed, rows: pl.DataFrame, column: str, product: str) -> str:
    """Say that an infusion made the levels of a column; empty where it did not."""
    anchor = anchor_of(found.context, str(found.spec.endpoint))
    exposed = exposure_days(found.context, product, anchor)
    rows = rows.join(exposed, on="p", how="left", maintain_order="left")
    share = rows.group_by(column).agg(pl.col("exposure_day").is_not_null().mean())
    few = 3 * share.height <= rows.height or share.height == 2  # not an age, of which each has one
    if set(share["exposure_day"]) != {0.0, 1.0} or not few:
        return ""
    stand_in = rows.select("participant_id", column, "exposure_day", day=1.0).with_columns(
        status=pl.lit("censored")
    )
    try:
        check_immortal_time(TimeToEvent(stand_in), by=column, exposure_day="exposure_day")
    except UsageError as error:
        return in_protocol_words(
            f"{error}. In a protocol: `by_infusion: {product}` with `landmark`, or in "
            "`estimate: hazards`"
        )
    return ""


def anchor_of(context: Context, endpoint: str) -> str:
    """Name the anchor from which an endpoint's days count."""
    spec = context.protocol.endpoints[endpoint]
    found: str = getattr(spec, "from_", "") or vars(spec)["assessed"].from_
    return found


def exposure_days(context: Context, product: str, anchor: str) -> pl.DataFrame:
    """Give the day of each participant's first infusion of a product: `p`, `exposure_day`."""
    given = context.dated("infusions", anchor).filter(pl.col("product") == product)
    return given.group_by("p").agg(exposure_day=pl.col("day").min().cast(pl.Float64))


def count_levels(rows: pl.DataFrame) -> dict[str, int]:
    """Count the statuses or levels of rows; none without an endpoint."""
    if "status" not in rows.columns:
        return {}
    counts = rows["status"].value_counts().sort("status")
    return dict(zip(counts["status"].to_list(), counts["count"].to_list(), strict=True))


def _by(context: Context, name: str, spec: Analysis) -> pl.Expr:
    """Give the column that makes the groups."""
    by = spec.by
    if by is None:
        return pl.lit("all")
    if by not in context.participants.columns:
        raise PlanError(
            f"analysis `{name}` is by `{by}`, which is no column of the participants "
            "table; use `arm` or a column that is there"
        )
    return pl.col(by).cast(pl.String)


def _reasons(rows: pl.DataFrame) -> pl.DataFrame:
    """Say why participants have no result."""
    return rows.select(
        "participant_id",
        reason=pl.format(
            "{}: {}",
            pl.col("status").fill_null("not derived").str.replace("_", " "),
            pl.col("cause").fill_null("no reason recorded"),
        ),
    )


def _censored_at_hypothetical(found: Analysed, spec: TimedAnalysis) -> Analysed:
    """Censor at intercurrent events that are handled as if they had not happened."""
    events = [
        event
        for event in (spec.estimand.intercurrent if spec.estimand else [])
        if event.handled == "hypothetical"
    ]
    if not events or found.rows.is_empty():
        return found
    first = found.context.first_events(list(events), anchor_of(found.context, spec.endpoint))
    rows = found.rows.join(first.select("p", at="day"), on="p", how="left", maintain_order="left")
    cut = pl.col("at") < pl.col("day")
    rows = rows.with_columns(
        status=pl.when(cut).then(pl.lit("censored")).otherwise("status"),
        day=pl.when(cut).then(pl.col("at").cast(rows.schema["day"])).otherwise("day"),
        cause=pl.when(cut).then(pl.lit("intercurrent event")).otherwise("cause"),
    )
    return replace(found, rows=rows.drop("at"))


def _at_landmark(found: Analysed, spec: TimedAnalysis) -> Analysed:
    """Count from the landmark, and let the groups stand as they are on that day."""
    if spec.landmark is None:
        return found
    landmark = int(spec.landmark)
    rows = found.rows
    anchor = anchor_of(found.context, spec.endpoint)
    if spec.by_infusion is not None:
        exposed = exposure_days(found.context, spec.by_infusion, anchor)
        rows = rows.join(exposed, on="p", how="left", maintain_order="left")
    else:
        rows = rows.with_columns(exposure_day=pl.lit(None, pl.Float64))
    if not (rows["day"] > landmark).any():
        return replace(
            found,
            rows=found.rows.clear(),
            excluded=pl.concat([found.excluded, _gone(found.rows, landmark)]),
        )
    taken = take_landmark(TimeToEvent(rows), day=landmark, exposure_day="exposure_day").frame
    gone = rows.join(taken, on="participant_id", how="anti")
    kept = taken.with_columns(pl.col("day").cast(pl.Float64)).drop("exposure_day")
    if spec.by_infusion is not None:
        product = spec.by_infusion.replace("_", " ")
        kept = kept.with_columns(
            group=pl.when(pl.col("exposed").cast(pl.Boolean))
            .then(pl.lit(f"{product} by day {landmark}"))
            .otherwise(pl.lit(f"no {product} by day {landmark}"))
        )
    left = _gone(gone, landmark)
    return replace(found, rows=kept.drop("exposed"), excluded=pl.concat([found.excluded, left]))


def _gone(rows: pl.DataFrame, landmark: int) -> pl.DataFrame:
    """Say of rows that they are over at the landmark."""
    why = f"not at risk any more after the landmark, day {landmark}"
    return rows.select("participant_id", reason=pl.lit(why))
