"""States over time: episodes, the derived row of the first onset, and what is known of each day."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from stromal.core import UsageError
from stromal.endpoints.context import Context, derived_frame
from stromal.endpoints.days_kernels import LAST_DAY
from stromal.endpoints.kernels import NONE
from stromal.endpoints.runs import Start, derive_runs, reading_limit
from stromal.endpoints.state_kernels import absences, alternate
from stromal.endpoints.state_rules import Judged, judge_rule, offsets_of, state_series
from stromal.endpoints.state_words import describe_rule, episode_note, onset_columns
from stromal.protocol.endpoints import StateEndpoint
from stromal.protocol.states import CountsHold

if TYPE_CHECKING:
    from stromal.endpoints.kernels import Days, Ints

__all__ = [
    "EPISODE_COLUMNS",
    "days_in_state",
    "derive_episodes",
    "derive_state",
    "episodes",
    "state_intervals",
    "state_on_day",
]

EPISODE_COLUMNS: dict[str, pl.DataType] = {
    "participant_id": pl.String(),
    "endpoint": pl.String(),
    "episode": pl.Int32(),
    "from_day": pl.Int32(),
    "from_low": pl.Int32(),
    "shown_day": pl.Int32(),
    "to_day": pl.Int32(),
    "to_low": pl.Int32(),
    "ended": pl.String(),
    "seen_until": pl.Int32(),
    "because": pl.List(pl.String()),
    "note": pl.String(),
}
"""Columns of an episode. Days count from the endpoint's own anchor, in whole days."""


@dataclass(frozen=True)
class _State:
    """Everything about one state, of all participants."""

    begins: Judged
    ends: Judged
    frame: pl.DataFrame
    last: pl.DataFrame
    start: Days
    stop: Days


def derive_state(context: Context, name: str, endpoint: StateEndpoint) -> pl.DataFrame:
    """Derive the first onset of a state, and how often it began, for every participant.

    1. `event` on the day of the first onset; `count` is the number of episodes (see `episodes`).
    2. A state that begins with counts is judged otherwise as `derive_runs` judges a lasting fall.
    3. Another state: a competing event before an onset is `competing`; otherwise who is known not
       to be in the state from `start` on is `censored` on the last day of which this is known, at
       most on `until`; who is not, `not_evaluable`.

    Returns
    -------
    polars.DataFrame
        The columns of `stromal.endpoints.outcome.DERIVED_COLUMNS` and `count`.

    Raises
    ------
    UsageError
        The state rests on a grade of an endpoint that is not graded.
    """
    rule = endpoint.state
    found = episodes(context, name)
    people = context.participants.select("p", "participant_id")
    counted = (
        people.join(found.group_by("participant_id").len("count"), on="participant_id", how="left")
        .with_columns(pl.col("count").fill_null(0))
        .sort("p")
    )
    if isinstance(rule.begins, CountsHold):
        rows = _by_counts(context, endpoint, rule.begins)
    else:
        rows = _by_moments(context, name, endpoint, found)
    rows = rows.join(counted.select("p", "count"), on="p", how="left").with_columns(
        count=pl.when(pl.col("status").is_in(["event", "competing", "censored"])).then("count"),
        note=pl.when(pl.col("count") > 1)
        .then(pl.format("{} {} episodes.", "note", "count"))
        .otherwise("note"),
    )
    return derived_frame(context, name, rule.definition or rule.title or "spelled out", rows)


def derive_episodes(context: Context) -> pl.DataFrame:
    """Give the episodes of every state of the protocol, in the order of its endpoints."""
    frames = [
        episodes(context, name)
        for name, endpoint in context.protocol.endpoints.items()
        if isinstance(endpoint, StateEndpoint)
    ]
    return pl.concat([pl.DataFrame(schema=EPISODE_COLUMNS), *frames])


def episodes(context: Context, name: str) -> pl.DataFrame:
    """Give the episodes of one state, in the order of the participants table.

    1. An onset is the first day on which the beginning rule begins to be met, from `start` on; for
       a run of counts its first day, for transfusions the first of the days that make up the
       number. `shown_day` is the day on which it was shown: the last of them.
    2. The end is the first day after `shown_day` on which the ending rule begins to be met (the
       first of the run, the first day free of transfusion). The state holds up to the day before
       `to_day`. The next onset comes after the ending rule was shown.
    3. A competing event, or death, closes what is open then (`to_day` is its day), and nothing
       after it is read: `ended` is `resolved`, `death`, or `competing: ` with the event's name.
    4. What is still open has no `to_day`, and `ended` is `still open when last seen`.
       `seen_until` is the last day of which it is known that it held: before `to_day`, before
       counts that an ending run might have begun with, and while transfusions (or events) are
       logged. It is also given for what death or a competing event closed.
    5. `from_low` and `to_low` are the earliest days on which the onset and the end may have come,
       as far as the days are told on which a rule was seen not to be met: the day after the last of
       them. They are empty where no such day stands before.

    Raises
    ------
    UsageError
        There is no state of that name.
    """
    state = _judged(context, name)
    who, onset, shown, to, _ = _alternate(state, context.size)
    rows = pl.DataFrame(
        {"p": who, "from_day": onset, "shown_day": shown, "end_day": to},
        schema={"p": pl.Int64, "from_day": pl.Int32, "shown_day": pl.Int32, "end_day": pl.Int32},
    ).with_columns(pl.col("end_day").replace(NONE, None))
    rows = _closed(rows.join(state.last, on="p", how="left", maintain_order="left"), state)
    rows = rows.with_columns(
        from_low=_after_failing(rows, state.begins, "from_day", pl.lit(0)),
        to_low=pl.when(pl.col("end_day").is_not_null()).then(
            _after_failing(rows, state.ends, "end_day", pl.col("shown_day") + 1)
        ),
        begun_by=_evidence(rows, state.begins, "from_day", "shown_day"),
        ended_by=_evidence(rows, state.ends, "end_day", "end_shown"),
        episode=pl.int_range(1, pl.len() + 1).over("p"),
    )
    people = context.participants.select("p", "participant_id")
    told = rows.join(people, on="p", how="left", maintain_order="left").with_columns(
        endpoint=pl.lit(name),
        because=pl.concat_list("begun_by", "ended_by", "closed_by").list.unique(
            maintain_order=True
        ),
        note=episode_note(),
    )
    return told.select(pl.col(column).cast(dtype) for column, dtype in EPISODE_COLUMNS.items())


def state_intervals(context: Context, name: str) -> pl.DataFrame:
    """Give the stretches of days on which it is known whether a state holds.

    1. It holds from an onset to the day before its end; in an open episode to `seen_until`.
    2. It does not hold from `start` (for counts and grades: from the first of them), and from an
       end, to the day before the next onset; but only as far as the records tell (see
       `stromal.endpoints.state_kernels.absences`): to the last count, the end of the log, `until`,
       or the day before something that may have been the beginning of an onset.
    3. Before `start` it does not hold: the definition does not look there.
    4. From death or a competing event on nothing is said.

    Returns
    -------
    polars.DataFrame
        `p`, `from_day`, `to_day` (both included), `holds`; sorted, without overlap.
    """
    state = _judged(context, name)
    found = episodes(context, name).join(
        context.participants.select("p", "participant_id"), on="participant_id"
    )
    inside = found.select(
        "p",
        "from_day",
        to_day=pl.when(pl.col("ended") == "resolved")
        .then(pl.col("to_day") - 1)
        .otherwise("seen_until"),
        holds=pl.lit(value=True),
    ).filter(pl.col("from_day") <= pl.col("to_day"))
    outside = _absent(state, found, context.size)
    return pl.concat([inside, outside], how="vertical_relaxed").sort("p", "from_day")


def state_on_day(context: Context, name: str, day: int) -> pl.DataFrame:
    """Say whether a state holds on one day, counted from the endpoint's anchor.

    Returns
    -------
    polars.DataFrame
        One row a participant, in the order of their table: `participant_id`, `holds` (null where it
        is not known), `why`.
    """
    last = _judged(context, name).last
    here = state_intervals(context, name).filter(pl.col("from_day") <= day, pl.col("to_day") >= day)
    ended = pl.col("last") <= day
    return (
        context.participants.select("p", "participant_id")
        .join(here, on="p", how="left")
        .join(last, on="p", how="left")
        .sort("p")
        .select(
            "participant_id",
            "holds",
            why=pl.when(pl.col("holds"))
            .then(pl.format("holds since day {}", "from_day"))
            .when(~pl.col("holds"))
            .then(pl.format("known not to hold from day {} to {}", "from_day", "to_day"))
            .when(ended)
            .then(pl.format("{} on day {}", pl.col("name").str.replace_all("_", " "), "last"))
            .otherwise(pl.lit("not known")),
        )
    )


def days_in_state(context: Context, name: str, first: int, last: int) -> pl.DataFrame:
    """Count the days in a state, of the days from `first` to `last` (both included).

    Returns
    -------
    polars.DataFrame
        One row a participant, in the order of their table: `participant_id`, `days` on which the
        state holds (null where nothing is known of any day), `known_days` of which it is known
        whether it does. A share of time is `days / known_days`, never of the whole window.

    Raises
    ------
    UsageError
        `last` lies before `first`.
    """
    if last < first:
        raise UsageError(f"a window of days runs from its first to its last; got {first} to {last}")
    length = pl.min_horizontal("to_day", pl.lit(last)) - pl.max_horizontal(
        "from_day", pl.lit(first)
    ) + 1  # fmt: skip
    parts = (
        state_intervals(context, name)
        .with_columns(length=length)
        .filter(pl.col("length") > 0)
        .group_by("p")
        .agg(
            days=pl.col("length").filter("holds").sum().cast(pl.Int32),
            known_days=pl.col("length").sum().cast(pl.Int32),
        )
    )
    return (
        context.participants.select("p", "participant_id")
        .join(parts, on="p", how="left")
        .sort("p")
        .select("participant_id", "days", pl.col("known_days").fill_null(0))
    )


# --- from rules to episodes ------------------------------------------------------------------


def _judged(context: Context, name: str) -> _State:
    """Judge both rules of a state, and find where the reading of each participant ends."""
    endpoint = context.endpoint_of(name, StateEndpoint, "state")
    rule = endpoint.state
    anchor = endpoint.from_
    events, last = reading_limit(context, anchor, endpoint.competing, [])
    death = context.last_days(anchor).select("p", "death")
    own = context.dated("events", anchor).filter(pl.col("event") == "death").group_by("p").agg(
        died_by=pl.col("record_id").first()
    )  # fmt: skip
    died = (pl.col("death") == pl.col("last")).fill_null(value=False)
    last = (
        last.filter(pl.col("last") < LAST_DAY)
        .join(events.select("p", "name", "record_id"), on="p", how="left")
        .join(death, on="p", how="left")
        .join(own, on="p", how="left")
        .select(
            "p",
            "last",
            name=pl.when(died).then(pl.lit("death")).otherwise("name"),
            record_id=pl.when(died).then("died_by").otherwise("record_id"),
        )
        .sort("p")
    )
    stop = LAST_DAY if endpoint.until is None else int(endpoint.until)
    return _State(
        judge_rule(context, endpoint, rule.begins),
        judge_rule(context, endpoint, rule.ends),
        context.anchor(anchor),
        last,
        np.full(context.size, int(rule.start), dtype=np.int32),
        np.full(context.size, stop, dtype=np.int32),
    )


def _chances(judged: Judged, size: int) -> tuple[Ints, Days, Days, Days]:
    """Give the chances of a rule as arrays."""
    rows = judged.chances
    early, late, length = (
        rows[column].cast(pl.Int32).to_numpy() for column in ("early", "late", "length")
    )
    return offsets_of(rows, size), early, late, length


def _alternate(state: _State, size: int) -> tuple[Ints, Days, Days, Days, Days]:
    """Alternate between the two rules of a state."""
    return alternate(
        *_chances(state.begins, size), *_chances(state.ends, size), state.start, state.stop
    )


def _closed(rows: pl.DataFrame, state: _State) -> pl.DataFrame:
    """Add how and when each episode ended, and until when it is known to have held."""
    resolved = pl.col("end_day").is_not_null()
    shut = ~resolved & pl.col("last").is_not_null()
    limit = _known_until(rows, state.ends)
    end = pl.when(resolved).then("end_day").when(shut).then("last")
    return rows.with_columns(
        to_day=end,
        end_shown=pl.when(resolved).then(
            pl.col("end_day") + _length_at(rows, state.ends, "end_day")
        ),
        ended=pl.when(resolved)
        .then(pl.lit("resolved"))
        .when(shut & (pl.col("name") == "death"))
        .then(pl.lit("death"))
        .when(shut)
        .then(pl.format("competing: {}", pl.col("name").str.replace_all("_", " ")))
        .otherwise(pl.lit("still open when last seen")),
        seen_until=pl.when(resolved)
        .then(pl.col("end_day") - 1)
        .otherwise(
            pl.max_horizontal(
                pl.min_horizontal(limit, pl.col("last") - 1),
                pl.min_horizontal("shown_day", pl.col("last") - 1),
            )
        ),
        closed_by=pl.when(shut).then(pl.concat_list("record_id")).otherwise(
            pl.lit([], pl.List(pl.String))
        ),
    )  # fmt: skip


def _known_until(rows: pl.DataFrame, ends: Judged) -> pl.Series:
    """Give the last day after an onset up to which it is known that the state has not ended."""
    after = rows.select("p", day=pl.col("shown_day") + 1).with_row_index("i")
    spans = after.sort("p", "day").join_asof(
        ends.known.sort("p", "from_day").with_columns(pl.col("from_day").cast(pl.Int32)),
        left_on="day", right_on="from_day", by="p", strategy="backward", check_sortedness=False,
    )  # fmt: skip
    waiting = spans.join_asof(
        ends.waiting.rename({"day": "waits"}), left_on="day", right_on="waits", by="p",
        strategy="forward", check_sortedness=False,
    )  # fmt: skip
    return waiting.sort("i").select(
        pl.min_horizontal("to_day", pl.col("waits") - 1)
    ).to_series()  # fmt: skip


def _length_at(rows: pl.DataFrame, judged: Judged, column: str) -> pl.Series:
    """Give how long the chance on a day takes to be shown."""
    moments = rows.select("p", day=pl.col(column)).with_row_index("i").sort("p", "day")
    found = moments.join_asof(
        judged.chances.sort("p", "early").with_columns(pl.col("early").cast(pl.Int32)),
        left_on="day", right_on="early", by="p", strategy="backward", check_sortedness=False,
    )  # fmt: skip
    return found.sort("i")["length"]


def _after_failing(rows: pl.DataFrame, judged: Judged, column: str, least: pl.Expr) -> pl.Series:
    """Give the day after the last day before a moment on which its rule was seen not to be met."""
    moments = rows.select("p", least=least, day=pl.col(column) - 1).with_row_index("i")
    found = moments.sort("p", "day").join_asof(
        judged.failing.rename({"day": "failed"}), left_on="day", right_on="failed", by="p",
        strategy="backward", check_sortedness=False,
    )  # fmt: skip
    low = pl.max_horizontal(pl.col("failed") + 1, "least")
    return found.sort("i").select(
        pl.when(pl.col("failed").is_not_null()).then(low).cast(pl.Int32)
    ).to_series()  # fmt: skip


def _evidence(rows: pl.DataFrame, judged: Judged, first: str, last: str) -> pl.Series:
    """Collect the records that stand on the days from one moment to another."""
    bounds = rows.select("p", low=pl.col(first), high=pl.col(last)).with_row_index("i")
    records = (
        bounds.join(judged.evidence, on="p")
        .filter(pl.col("day").is_between("low", "high"))
        .sort("i", "day")
        .group_by("i", maintain_order=True)
        .agg(pl.col("records").list.explode(keep_nulls=False, empty_as_null=False))
    )
    return bounds.join(records, on="i", how="left").sort("i").select(
        pl.col("records").fill_null(pl.lit([], pl.List(pl.String)))
    ).to_series()  # fmt: skip


def _absent(state: _State, found: pl.DataFrame, size: int) -> pl.DataFrame:
    """Give the stretches of days on which a state is known not to hold."""
    found = found.sort("p", "from_day")
    resolved = pl.when(pl.col("ended") == "resolved").then("to_day")
    to = found.select(resolved.fill_null(NONE).cast(pl.Int32)).to_series().to_numpy()
    people = state.frame.join(state.last, on="p", how="left").sort("p")
    stop = pl.Series(state.stop)
    high = people.select(
        pl.when(pl.col("anchor_day").is_null())
        .then(NONE)
        .otherwise(pl.min_horizontal(stop, pl.col("last") - 1))
        .cast(pl.Int32)
    ).to_series()  # fmt: skip
    known, waiting = state.begins.known.sort("p", "from_day"), state.begins.waiting
    early, late = (
        state.ends.chances[column].cast(pl.Int32).to_numpy() for column in ("early", "late")
    )
    who, low, until = absences(
        offsets_of(found, size), found["from_day"].to_numpy(), to,
        offsets_of(known, size), known["from_day"].cast(pl.Int32).to_numpy(),
        known["to_day"].cast(pl.Int32).to_numpy(),
        offsets_of(waiting, size), waiting["day"].cast(pl.Int32).to_numpy(),
        offsets_of(state.ends.chances, size), early, late,
        state.start, high.to_numpy(),
    )  # fmt: skip
    before = pl.DataFrame(
        {"p": people["p"], "from_day": 0, "to_day": np.minimum(state.start - 1, high.to_numpy())}
    ).filter(pl.col("to_day") >= 0)
    seen = pl.DataFrame(
        {"p": who, "from_day": low, "to_day": until},
        schema={"p": pl.Int64, "from_day": pl.Int32, "to_day": pl.Int32},
    )
    return pl.concat([before.cast(seen.schema), seen]).with_columns(holds=pl.lit(value=False))


# --- the derived row -------------------------------------------------------------------------


def _by_counts(context: Context, endpoint: StateEndpoint, rule: CountsHold) -> pl.DataFrame:
    """Derive the first onset of a state that begins with a run of counts."""
    earliest = int(endpoint.state.start)
    empty = pl.Series([None] * context.size, dtype=pl.String)
    start = Start(
        np.full(context.size, earliest, dtype=np.int32), empty.fill_null(""), empty, empty
    )
    events, _ = reading_limit(context, endpoint.from_, endpoint.competing, rule.counts)
    said = describe_rule(rule)
    return derive_runs(
        state_series(context, endpoint, rule),
        rule,
        start,
        context,
        anchor=endpoint.from_,
        competing=events,
        until=endpoint.until,
        earliest=earliest,
        analytes=[count.analyte for count in rule.counts],
        said=said[0].upper() + said[1:],
    )


def _by_moments(
    context: Context, name: str, endpoint: StateEndpoint, found: pl.DataFrame
) -> pl.DataFrame:
    """Derive the first onset of a state that begins with transfusions, grades or events."""
    first = found.filter(pl.col("episode") == 1).select(
        "participant_id", "from_day", "because", from_note="note"
    )
    out = (
        state_intervals(context, name)
        .filter(~pl.col("holds"))
        .group_by("p", maintain_order=True)
        .agg(free=pl.col("to_day").first(), since=pl.col("from_day").first())
    )
    events = context.first_events(endpoint.competing, endpoint.from_)
    late = pl.lit(LAST_DAY if endpoint.until is None else int(endpoint.until))
    frame = (
        context.participants.select("p", "participant_id")
        .join(context.anchor(endpoint.from_), on="p")
        .join(first, on="participant_id", how="left")
        .join(out, on="p", how="left")
        .join(
            events.filter(pl.col("day") <= late).rename({"day": "competing_day"}),
            on="p",
            how="left",
        )
        .sort("p")
    )
    status = (
        pl.when(pl.col("anchor_day").is_null())
        .then(pl.lit("not_applicable"))
        .when(pl.col("from_day").is_not_null())
        .then(pl.lit("event"))
        .when(pl.col("competing_day").is_not_null())
        .then(pl.lit("competing"))
        .when(pl.col("free").is_null())
        .then(pl.lit("not_evaluable"))
        .otherwise(pl.lit("censored"))
    )
    said = describe_rule(endpoint.state.begins)
    return frame.with_columns(status=status).with_columns(onset_columns(said)).select(
        "p", "anchor_day", "status", "day", "day_low", "day_high", "cause", "because", "note"
    )  # fmt: skip
