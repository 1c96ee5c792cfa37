"""Several states and events taken together, day by day: current survival free of something."""

from __future__ import annotations

import polars as pl

from stromal.core import UsageError
from stromal.endpoints.context import Context
from stromal.endpoints.days_kernels import LAST_DAY
from stromal.endpoints.observed import known_days
from stromal.endpoints.states import state_intervals
from stromal.protocol.endpoints import EventSpec, StateEndpoint

__all__ = ["combine_states"]


def combine_states(
    context: Context,
    anchor: str,
    *,
    without: list[str],
    within: list[str] | None = None,
    never: list[EventSpec],
) -> pl.DataFrame:
    """Give for every participant the days on which several conditions all hold, or do not.

    Current GRFS is `without` the states acute GVHD of grade III-IV and chronic GVHD that needs
    systemic treatment, and `never` relapse and death: who recovers from GVHD counts again.

    1. Day by day from the anchor on. A day is met where every state of `without` is known not to
       hold, every state of `within` is known to hold, and none of the events `never` has come.
    2. It is not met where one state of `without` is known to hold, one of `within` is known not to,
       or one of the events came on that day or before: to the end of what is looked at, because
       relapse and death are not undone.
    3. Otherwise it is not known (null): so from a day on which one of the events may have come
       (`Context.open_events`), such as one without the grade that is asked for. Days after
       `complete_until` are known only where an event came; so are days before the anchor of a
       state.
    4. The end of what is looked at is `complete_until`, or after an event the latest day of
       `complete_until` of all participants.

    Parameters
    ----------
    context
        Protocol and records.
    anchor
        The moment from which days count.
    without, within
        Names of states of the protocol; each counts from its own anchor.
    never
        Events after which nothing is met any more, on or after the anchor.

    Returns
    -------
    polars.DataFrame
        `p`, `participant_id`, `from_day`, `to_day` (both included), `met` (null: not known);
        adjacent stretches differ in `met`.

    Raises
    ------
    UsageError
        A name is not a state of the protocol, or no state is named.
    """
    within = within or []
    names = [*without, *within]
    _refuse(context, names)
    held = _known(context, anchor)
    ends = pl.col("to_day").max()
    horizon = held.select(ends).item() if held.height else 0
    first = context.first_events(never, anchor).select("p", over="day")
    may = context.open_events(never, anchor).select("p", may="open_day")
    marks = [
        _marks(context, name, anchor, bad=name in without) for name in names
    ] + [_span(held, "seen")]  # fmt: skip
    people = context.anchor(anchor).drop_nulls("anchor_day").select("p")
    edges = pl.concat(
        [
            *marks,
            _edge(people.with_columns(day=pl.lit(0))),
            _edge(first.select("p", day="over")),
            _edge(may.select("p", day="may")),
        ],
        how="diagonal_relaxed",
    ).join(people, on="p")
    columns = ("bad", "good", "seen")
    stepped = (
        edges.group_by("p", "day")
        .agg(pl.col(*columns).sum())
        .sort("p", "day")
        .with_columns(pl.col(*columns).cum_sum().over("p"))
        .with_columns(next=pl.col("day").shift(-1).over("p"))
        .join(first, on="p", how="left")
        .join(may, on="p", how="left")
        .sort("p", "day")
    )
    clear = (pl.col("day") < pl.col("may")).fill_null(value=True)
    over = (pl.col("over") <= pl.col("day")).fill_null(value=False)
    seen = pl.col("seen") > 0
    met = (
        pl.when(over)
        .then(pl.lit(value=False))
        .when(seen & (pl.col("bad") > 0))
        .then(pl.lit(value=False))
        .when(seen & clear & (pl.col("good") == len(names)))
        .then(pl.lit(value=True))
    )
    rows = stepped.with_columns(met=met, horizon=pl.lit(horizon)).with_columns(
        from_day=pl.max_horizontal("day", pl.lit(0)),
        to_day=pl.when(over & pl.col("next").is_null())
        .then(pl.max_horizontal("horizon", "day"))
        .otherwise(pl.col("next") - 1),
    )
    rows = rows.drop_nulls("to_day").filter(pl.col("from_day") <= pl.col("to_day"))
    return _joined(rows, context)


def _refuse(context: Context, names: list[str]) -> None:
    """Refuse a name that is not a state."""
    endpoints = context.protocol.endpoints
    states = [name for name, value in endpoints.items() if isinstance(value, StateEndpoint)]
    strange = [name for name in names if name not in states]
    if strange or not names:
        what = f"`{strange[0]}` is no state of this study" if strange else "no state is named"
        raise UsageError(f"{what}; there are: {', '.join(states) or 'none'}")


def _known(context: Context, anchor: str) -> pl.DataFrame:
    """Give the days on which events are recorded completely."""
    never = context.participants.select("p", last=pl.lit(LAST_DAY, pl.Int32))
    rows = known_days(context, "events", anchor, never)
    return rows.filter(pl.col("to_day") >= 0)


def _edge(rows: pl.DataFrame) -> pl.DataFrame:
    """Make an edge that changes nothing but cuts stretches there."""
    return rows.select(
        "p", pl.col("day").cast(pl.Int32), bad=pl.lit(0), good=pl.lit(0), seen=pl.lit(0)
    )


def _span(rows: pl.DataFrame, column: str) -> pl.DataFrame:
    """Turn stretches into steps up and down of one column."""
    zero = {name: pl.lit(0) for name in ("bad", "good", "seen")}
    up = rows.select("p", day="from_day", **{**zero, column: pl.lit(1)})
    down = rows.select("p", day=pl.col("to_day") + 1, **{**zero, column: pl.lit(-1)})
    return pl.concat([up, down], how="vertical_relaxed")


def _marks(context: Context, name: str, anchor: str, *, bad: bool) -> pl.DataFrame:
    """Turn the known stretches of a state into steps, on days from the common anchor."""
    endpoint = context.protocol.endpoints[name]
    shift = (
        context.anchor(getattr(endpoint, "from_", anchor))
        .rename({"anchor_day": "own"})
        .join(context.anchor(anchor), on="p")
        .select("p", shift=pl.col("own") - pl.col("anchor_day"))
    )
    rows = (
        state_intervals(context, name)
        .join(shift, on="p")
        .with_columns(pl.col("from_day", "to_day") + pl.col("shift"))
        .with_columns(wrong=pl.col("holds") == pl.lit(bad))
    )
    return pl.concat(
        [
            _span(rows.filter("wrong"), "bad"),
            _span(rows.filter(~pl.col("wrong")), "good"),
        ]
    )


def _joined(rows: pl.DataFrame, context: Context) -> pl.DataFrame:
    """Join adjacent stretches that say the same."""
    rows = rows.sort("p", "from_day").with_columns(
        new=(~pl.col("met").eq_missing(pl.col("met").shift(1).over("p")))
        | (pl.col("from_day") != pl.col("to_day").shift(1).over("p") + 1)
        | pl.col("from_day").shift(1).over("p").is_null()
    )
    return (
        rows.with_columns(part=pl.col("new").cum_sum().over("p"))
        .group_by("p", "part", maintain_order=True)
        .agg(pl.col("from_day").first(), pl.col("to_day").last(), pl.col("met").first())
        .join(context.participants.select("p", "participant_id"), on="p", maintain_order="left")
        .select(
            "p",
            "participant_id",
            pl.col("from_day").cast(pl.Int32),
            pl.col("to_day").cast(pl.Int32),
            "met",
        )
    )
