"""Whom an analysis is of: the rows it takes, its groups, and who is left out and why."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import polars as pl

from stromal.analysis.landmark import take_landmark
from stromal.analysis.time_dependent import check_immortal_time
from stromal.core import UsageError
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
            raise UsageError(
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
            raise UsageError(
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
    UsageError
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
    """Say why groups are not compared that an infusion after the anchor has made.

    Such are the groups of a column other than the planned `arm` where all of one were infused with
    a product, after the anchor, and none of another. Empty with a landmark, or where it is not so.
    """
    spec, context = found.spec, found.context
    if not isinstance(spec, TimedAnalysis) or spec.by in {None, "arm"} or spec.landmark is not None:
        return []
    by, told = str(spec.by), list[str]()
    for product in context.protocol.products:
        exposed = exposure_days(context, product, anchor_of(context, spec.endpoint))
        rows = found.rows.join(exposed, on="p", how="left", maintain_order="left")
        share = rows.group_by("group").agg(pl.col("exposure_day").is_not_null().mean())
        if not {0.0, 1.0} <= set(share["exposure_day"]):
            continue
        try:
            outcomes = TimeToEvent(rows.rename({"group": by}))
            check_immortal_time(outcomes, by=by, exposure_day="exposure_day")
        except UsageError as error:
            told.append(f"{error}. In a protocol: `by_infusion: {product}` with `landmark`, or in "
                        "`estimate: hazards`")  # fmt: skip
    return told


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
        raise UsageError(
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
        return replace(found, rows=found.rows.clear())
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
    left = gone.select(
        "participant_id", reason=pl.lit(f"not at risk any more after the landmark, day {landmark}")
    )
    return replace(found, rows=kept.drop("exposed"), excluded=pl.concat([found.excluded, left]))
