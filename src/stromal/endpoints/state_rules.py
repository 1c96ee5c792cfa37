"""What begins or ends a state, as days on which it may begin and what is known of the others.

Every rule, whatever it reads, becomes the same four frames, so that one kernel alternates between
any two of them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from stromal.core import UsageError
from stromal.endpoints.days_kernels import FIRST_DAY
from stromal.endpoints.kernels import FAIL, PASS
from stromal.endpoints.observed import known_days
from stromal.endpoints.runs import reading_limit
from stromal.endpoints.series import Series, build_series
from stromal.endpoints.state_kernels import OPEN, first_within, runs_from
from stromal.protocol.endpoints import GradedEndpoint
from stromal.protocol.states import (
    CountsHold,
    EventHappens,
    GradeHolds,
    NoLonger,
    State,
    StateRule,
    Transfused,
)

if TYPE_CHECKING:
    from stromal.endpoints.context import Context
    from stromal.endpoints.kernels import Ints
    from stromal.protocol.endpoints import StateEndpoint

__all__ = ["Judged", "judge_rule", "offsets_of", "state_series"]

_THOUSANDTHS = 1000


@dataclass(frozen=True)
class Judged:
    """One rule of a state for all participants; days count from the endpoint's anchor.

    `chances`: `p`, `early`, `late`, `length`; on each day from `early` to `late` the rule begins to
    be met, and is shown to be `length` days later. `waiting`: `p`, `day` on which it may have begun
    without being shown. `known`: `p`, `from_day`, `to_day`, the days of which the records tell.
    `failing`: `p`, `day` on which it is seen not to be met. `evidence`: `p`, `day`, `records`.
    """

    chances: pl.DataFrame
    waiting: pl.DataFrame
    known: pl.DataFrame
    failing: pl.DataFrame
    evidence: pl.DataFrame


def judge_rule(context: Context, endpoint: StateEndpoint, rule: StateRule) -> Judged:
    """Judge one rule of a state for all participants.

    1. Nothing after a competing event or death is read.
    2. Counts: a run of passing days, as `stromal.endpoints.series` gives them; it begins on its
       first day and is shown on the one that completes it. `no_longer` takes the failing days of
       the beginning rule for passing ones.
    3. Transfusions, at least so many: begins on the first of the days on which they were given, is
       shown on the last of them. An amount that is not recorded adds nothing, and from the first
       transfusion that it could complete on it is not known whether more was given. None for so
       long: begins on the first free day, shown on the last; every day must be logged.
    4. Grades: an assessment whose grade is surely among those named; one that only might be is no
       onset, and nothing is known from it on.
    5. Events: the day of the event. An event that began before `start` and whose recorded end is on
       or after it begins on `start`. `ended`: the day after the recorded end; of events that
       overlap or touch, the last end; an event without a recorded end has not ended. An event
       without the grade that is asked for, and one that began before `start` and whose end is not
       recorded, may have begun the state, on every day on which it went on.
    """
    match rule:
        case CountsHold() | NoLonger():
            return _runs(state_series(context, endpoint, rule), rule)
        case Transfused(none_for=None):
            return _transfused(context, endpoint, rule)
        case Transfused():
            return _free(context, endpoint, rule)
        case GradeHolds():
            return _graded(context, endpoint, rule)
        case EventHappens():
            return _events(context, endpoint, rule)


def state_series(context: Context, endpoint: StateEndpoint, rule: CountsHold | NoLonger) -> Series:
    """Build the series of a rule on counts; under `no_longer` passing and failing change places."""
    counts = endpoint.state.begins if isinstance(rule, NoLonger) else rule
    assert isinstance(counts, CountsHold)  # noqa: S101  (the protocol's validation says so)
    _, last = reading_limit(context, endpoint.from_, endpoint.competing, counts.counts)
    series = build_series(counts.counts, counts.lines, context, endpoint.from_, last)
    if isinstance(rule, CountsHold):
        return series
    passes, fails = series.status == PASS, series.status == FAIL
    turned = np.select([passes, fails], [FAIL, PASS], series.status)
    return replace(series, status=turned.astype(np.int8))


def offsets_of(rows: pl.DataFrame, size: int) -> Ints:
    """Give where each participant's rows begin in a frame that is sorted by `p`."""
    return np.searchsorted(rows["p"].to_numpy(), np.arange(size + 1)).astype(np.int64)


def _days(rows: pl.DataFrame) -> pl.DataFrame:
    """Keep participant and day, in order."""
    return rows.select("p", pl.col("day").cast(pl.Int32)).sort("p", "day")


def _moments(rows: pl.DataFrame) -> pl.DataFrame:
    """Make chances of single days that are shown at once."""
    return _days(rows).unique(maintain_order=True).select(
        "p", early="day", late="day", length=pl.lit(0, pl.Int32)
    )  # fmt: skip


def _runs(series: Series, rule: CountsHold | NoLonger) -> Judged:
    """Judge runs of counts."""
    complete = runs_from(
        series.offsets, series.day, series.status, rule.values, rule.span, rule.gap
    )
    until = series.day[np.clip(complete, 0, None)] if series.day.size else series.day
    rows = series.rows.with_columns(
        complete=pl.Series(complete), length=pl.Series(until.astype(np.int32)) - pl.col("day")
    )
    begun = rows.filter(pl.col("complete") >= 0)
    shown = series.status == PASS
    telling = rows.filter(pl.col("status").is_in([PASS, FAIL]))
    return Judged(
        chances=begun.select("p", early="day", late="day", length="length"),
        waiting=_days(rows.filter(pl.col("complete") == OPEN)),
        known=telling.group_by("p", maintain_order=True).agg(
            from_day=pl.col("day").min(), to_day=pl.col("day").max()
        ),
        failing=_days(rows.filter(pl.col("status") == FAIL)),
        evidence=rows.filter(pl.Series(shown)).select(
            "p", "day", records=series.records(np.flatnonzero(shown))
        ),
    )


def _last(context: Context, endpoint: StateEndpoint) -> pl.DataFrame:
    """Give `p`, `last`: the day of the competing event or of death."""
    return reading_limit(context, endpoint.from_, endpoint.competing, [])[1]


def _given(
    context: Context, endpoint: StateEndpoint, rule: Transfused, last: pl.DataFrame
) -> pl.DataFrame:
    """Give the days of transfusion with the amount in thousandths, and whether all is recorded."""
    day = pl.lit(_THOUSANDTHS) if rule.of == "transfusion days" else (
        (pl.col("units").sum() * _THOUSANDTHS).round()
    )  # fmt: skip
    unknown = pl.lit(value=False) if rule.of == "transfusion days" else (
        pl.col("units").is_null().any()
    )  # fmt: skip
    return (
        context.dated("transfusions", endpoint.from_)
        .filter(pl.col("product") == rule.transfused)
        .join(last, on="p")
        .filter(pl.col("day") <= pl.col("last"))
        .group_by("p", "day", maintain_order=True)
        .agg(amount=day.cast(pl.Int64), unknown=unknown, records=pl.col("record_id").drop_nulls())
        .sort("p", "day")
    )


def _transfused(context: Context, endpoint: StateEndpoint, rule: Transfused) -> Judged:
    """Judge that enough was transfused within a time."""
    last = _last(context, endpoint)
    given = _given(context, endpoint, rule, last).filter(pl.col("day") >= int(endpoint.state.start))
    within = int(rule.within or 0)
    day = given["day"].to_numpy()
    found = first_within(
        offsets_of(given, context.size), day, given["amount"].to_numpy(),
        int(rule.at_least or 0) * _THOUSANDTHS, within,
    )  # fmt: skip
    length = day[np.clip(found, 0, None)] - day if day.size else day
    rows = given.with_columns(found=pl.Series(found), length=pl.Series(length.astype(np.int32)))
    known = known_days(context, "transfusions", endpoint.from_, last)
    inside = rows.join_asof(
        known, left_on="day", right_on="from_day", by="p", strategy="backward",
        check_sortedness=False,
    )  # fmt: skip
    unseen = pl.col("to_day").is_null() | (pl.col("to_day") < pl.col("day") + within - 1)
    gaps = _days(given.filter("unknown")).rename({"day": "unknown_day"})
    inside = inside.join_asof(
        gaps, left_on="day", right_on="unknown_day", by="p", strategy="forward",
        check_sortedness=False,
    )  # fmt: skip
    unsaid = (pl.col("unknown_day") < pl.col("day") + within).fill_null(value=False)
    open_ = (pl.col("found") < 0) & (unsaid | unseen)
    return Judged(
        chances=rows.filter(pl.col("found") >= 0).select(
            "p", early="day", late="day", length="length"
        ),
        waiting=_days(inside.filter(open_)),
        known=known,
        failing=_days(given.clear()),
        evidence=given.select("p", "day", "records"),
    )


def _free(context: Context, endpoint: StateEndpoint, rule: Transfused) -> Judged:
    """Judge that nothing was transfused for a time; every day of it must be logged."""
    last = _last(context, endpoint)
    given = _given(context, endpoint, rule, last)
    known = known_days(context, "transfusions", endpoint.from_, last)
    length = int(rule.none_for or 0)
    inside = given.join_asof(
        known, left_on="day", right_on="from_day", by="p", strategy="backward",
        check_sortedness=False,
    ).filter(pl.col("day") <= pl.col("to_day"))  # fmt: skip
    edges = pl.concat(
        [
            known.select("p", "from_day", day=pl.col("from_day") - 1),
            inside.select("p", "from_day", "day"),
            known.select("p", "from_day", day=pl.col("to_day") + 1),
        ],
        how="vertical_relaxed",
    ).sort("p", "from_day", "day")
    stretches = (
        edges.with_columns(next=pl.col("day").shift(-1).over("p", "from_day"))
        .drop_nulls("next")
        .with_columns(early=pl.col("day") + 1, late=pl.col("next") - length)
    )
    closing = known.select("p", "from_day", closes=pl.col("to_day") + 1)
    trailing = stretches.join(closing, on=["p", "from_day"]).filter(
        (pl.col("next") == pl.col("closes")) & (pl.col("early") < pl.col("closes"))
    )
    return Judged(
        chances=stretches.filter(pl.col("early") <= pl.col("late")).select(
            "p",
            pl.col("early").cast(pl.Int32),
            pl.col("late").cast(pl.Int32),
            length=pl.lit(length - 1, pl.Int32),
        ).sort("p", "early"),
        waiting=_days(
            trailing.with_columns(
                day=pl.int_ranges(pl.max_horizontal("early", pl.col("late") + 1), "closes")
            ).explode("day")
        ),
        known=known,
        failing=_days(given),
        evidence=given.select("p", pl.col("day") + 1, "records"),
    )  # fmt: skip


def _graded(context: Context, endpoint: StateEndpoint, rule: GradeHolds) -> Judged:
    """Judge that an assessment has one of the grades."""
    from stromal.endpoints.graded import graded_days  # noqa: PLC0415

    graded = context.protocol.endpoints.get(rule.graded)
    if not isinstance(graded, GradedEndpoint):
        raise UsageError(
            f"a state rests on the grades of `{rule.graded}`, which is no graded endpoint; name one"
        )
    own = context.anchor(endpoint.from_).rename({"anchor_day": "own"})
    wanted = pl.lit(list(rule.is_))
    count = pl.col("could_be").list.len()
    among = pl.col("could_be").list.set_intersection(wanted).list.len()
    rows = (
        graded_days(context, graded)
        .join(context.anchor(graded.from_), on="p")
        .join(own, on="p")
        .join(_last(context, endpoint), on="p")
        .with_columns(
            day=(pl.col("day") + pl.col("anchor_day") - pl.col("own")).cast(pl.Int32),
            sure=pl.col("covered") & (count > 0) & (among == count),
            never=pl.col("covered") & (count > 0) & (among == 0),
        )
        .filter(pl.col("day").is_between(int(endpoint.state.start), "last"))
        .sort("p", "day")
    )
    told = rows.filter(pl.col("sure") | pl.col("never"))
    return Judged(
        chances=_moments(rows.filter("sure")),
        waiting=_days(rows.filter(~pl.col("sure") & ~pl.col("never"))),
        known=told.group_by("p", maintain_order=True).agg(
            from_day=pl.col("day").min(), to_day=pl.col("day").max()
        ),
        failing=_days(rows.filter("never")),
        evidence=rows.filter("sure").select("p", "day", "records"),
    )


def _events(context: Context, endpoint: StateEndpoint, rule: EventHappens) -> Judged:
    """Judge that an event happens, or that those that began the state have ended."""
    begins = endpoint.state.begins
    ended = rule.events == "ended"
    named = begins if ended else rule
    assert isinstance(named, EventHappens)  # noqa: S101  (the protocol's validation says so)
    last = _last(context, endpoint)
    start = int(endpoint.state.start)
    rows = context.dated("events", endpoint.from_).filter(pl.col("event").is_in(list(named.events)))
    rows = (
        rows.with_columns(end=pl.col("ended_day") - pl.col("anchor_day"))
        .join(last, on="p")
        .filter(pl.col("day") <= pl.col("last"))
    )
    known = known_days(context, "events", endpoint.from_, last)
    waiting = _days(rows.clear())
    if rule is begins:
        waiting = _unclear(rows, endpoint.state, start, known)
    rows = (
        rows.filter((pl.col("day") >= start) | (pl.col("end") >= start))
        .with_columns(day=pl.max_horizontal("day", pl.lit(start)).cast(pl.Int32))
        .sort("p", "day", "record_id")
    )
    sure, least = rows, named.grade_at_least
    if least is not None:
        sure, rows = (rows.filter(pl.col("grade") >= least),
                      rows.filter((pl.col("grade") >= least).fill_null(value=True)))  # fmt: skip
    moments = sure.select("p", "day", "record_id")
    if ended:  # what lacks its grade ends too: had it begun the state, the state ends with it
        moments = pl.concat([_ends(sure), _ends(rows)]).unique(["p", "day"], keep="first")
    moments = moments.join(last, on="p").filter(pl.col("day") <= pl.col("last"))
    moments = moments.sort("p", "day", "record_id")
    return Judged(
        chances=_moments(moments),
        waiting=waiting,
        known=known,
        failing=_days(rows.select("p", "day").clear()),
        evidence=moments.group_by("p", "day", maintain_order=True).agg(
            records=pl.col("record_id").drop_nulls()
        ),
    )


def _unclear(rows: pl.DataFrame, state: State, start: int, known: pl.DataFrame) -> pl.DataFrame:
    """Give the days on which an event that lacks its grade, or its end, may have begun the state.

    Where the state ends with the event these are all its days, up to the last that is known where
    it has no end; otherwise the day of the event, or `start` where it began before.
    """
    rule = state.begins
    assert isinstance(rule, EventHappens)  # noqa: S101
    graded = pl.lit(value=True)
    if rule.grade_at_least is not None:
        graded = pl.col("grade") >= rule.grade_at_least
    before = (pl.col("day") < start) & pl.col("end").is_null()
    first = pl.max_horizontal("day", pl.lit(start))
    until = first
    if isinstance(state.ends, EventHappens) and state.ends.events == "ended":
        until = pl.max_horizontal(
            first, pl.min_horizontal(pl.coalesce("end", "horizon", first), "last")
        )
    ends = known.group_by("p").agg(horizon=pl.col("to_day").max())
    return _days(
        rows.join(ends, on="p", how="left")
        .filter(graded.is_null() | (graded & before))
        .filter(pl.col("end").is_null() | (pl.col("end") >= start), first <= pl.col("last"))
        .with_columns(day=pl.int_ranges(first, until + 1))
        .explode("day")
    ).unique(maintain_order=True)


def _ends(rows: pl.DataFrame) -> pl.DataFrame:
    """Give the day after the last end of events that overlap or touch, none where one goes on."""
    far = pl.col("end").fill_null(-FIRST_DAY)
    reach = far.cum_max().over("p")
    parts = rows.with_columns(reach=reach).with_columns(
        part=(pl.col("day") > pl.col("reach").shift(1).over("p") + 1)
        .fill_null(value=True)
        .cum_sum()
        .over("p")
    )
    return (
        parts.sort("p", "part", far, "record_id")
        .group_by("p", "part", maintain_order=True)
        .agg(day=far.last() + 1, record_id=pl.col("record_id").last())
        .filter(pl.col("day") < -FIRST_DAY)
        .select("p", pl.col("day").cast(pl.Int32), "record_id")
    )
