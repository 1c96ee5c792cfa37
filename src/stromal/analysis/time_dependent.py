"""Exposures that begin after the anchor: as a covariate that changes, never as a group."""

from __future__ import annotations

import polars as pl

from stromal.analysis.landmark import read_exposure
from stromal.core import UsageError
from stromal.endpoints.outcome import CountingProcess, TimeToEvent

__all__ = ["check_immortal_time", "split_at_exposure"]


def split_at_exposure(outcomes: TimeToEvent, *, exposure_day: str) -> CountingProcess:
    """Split each participant's time at the exposure, before it unexposed and after it exposed.

    1. A participant exposed on day e of (start, stop] gives the periods (start, e] with `exposed`
       0 and without an event, and (e, stop] with `exposed` 1 and the participant's status. `start`
       is the `entry`, or else 0.
    2. Periods are open at the left: an event on the very day of the exposure belongs to the time
       before it. The exposure cannot have prevented what happened on its own day, and which came
       first is not known.
    3. An exposure on or before `start`, such as on day 0, exposes the whole time.
    4. An exposure on or after the last day, and none at all, leave the whole time unexposed.

    Parameters
    ----------
    outcomes
        Times to an event.
    exposure_day
        Column: the day of the exposure from the anchor; missing for who was never exposed.

    Returns
    -------
    CountingProcess
        With `exposed` (0 or 1) and all other columns; fit it by `fit_cox` with the covariate
        `exposed`.

    Raises
    ------
    UsageError
        The column is refused as by `take_landmark`, or a time ends on day 0 and so has no period.

    References
    ----------
    Mantel and Byar (1974).
    """
    exposure = read_exposure(outcomes, exposure_day)
    frame = outcomes.frame
    start = frame["entry"].cast(pl.Float64) if "entry" in frame.columns else pl.lit(0.0)
    framed = frame.with_columns(
        start.alias("start"),
        pl.col("day").cast(pl.Float64).alias("stop"),
        exposure.alias("__exposure__"),
    ).drop("day", "entry", strict=False)
    instant = framed.filter(pl.col("start") >= pl.col("stop"))
    if not instant.is_empty():
        raise UsageError(
            f"{instant.height} participants, such as {instant['participant_id'][0]}, have day "
            f"{instant['stop'][0]:g} as their last and so no time at risk. Leave them out and say "
            "so, or count days so that the first is 1"
        )
    inside = (pl.col("__exposure__") > pl.col("start")) & (pl.col("__exposure__") < pl.col("stop"))
    inside = inside.fill_null(value=False)
    early = (pl.col("__exposure__") <= pl.col("start")).fill_null(value=False)
    before = framed.filter(inside).with_columns(
        pl.col("__exposure__").alias("stop"),
        pl.lit("censored").alias("status"),
        pl.lit(0).alias("exposed"),
        *([pl.lit(None, dtype=pl.String).alias("cause")] if "cause" in frame.columns else []),
    )
    after = framed.filter(inside).with_columns(
        pl.col("__exposure__").alias("start"), pl.lit(1).alias("exposed")
    )
    whole = framed.filter(~inside).with_columns(early.cast(pl.Int32).alias("exposed"))
    order = {name: i for i, name in enumerate(frame["participant_id"].to_list())}
    periods = (
        pl.concat([before, after, whole], how="vertical_relaxed")
        .with_columns(
            pl.col("participant_id").replace_strict(order, return_dtype=pl.Int64).alias("__order__")
        )
        .sort("__order__", "start")
        .drop("__order__", "__exposure__")
    )
    return CountingProcess(periods)


def check_immortal_time(outcomes: TimeToEvent, *, by: str, exposure_day: str) -> None:
    """Refuse a comparison of groups that are made by an exposure after the anchor.

    Whoever is to be exposed on day 40 is in the group "exposed" only because they lived to day 40:
    their first 40 days are without events by construction, and the group looks better than it is.
    Groups that are planned (arms as randomised) are not made by the exposure; ask this only of
    groups that are.

    Parameters
    ----------
    outcomes
        Times to an event.
    by
        Column of the groups.
    exposure_day
        Column: the day from the anchor of the exposure that makes the groups; missing for who was
        never exposed. Day 0 and before, or up to a participant's `entry`, is no harm.

    Raises
    ------
    UsageError
        Somebody was exposed after the anchor. The text explains why and names the two remedies,
        `take_landmark` and `split_at_exposure`.

    References
    ----------
    Anderson, Cain and Gelber (1983); Suissa (2008).
    """
    exposure = read_exposure(outcomes, exposure_day)
    frame = outcomes.frame
    if by not in frame.columns:
        raise UsageError(f"there is no column {by!r}; there are {', '.join(frame.columns)}")
    start = frame["entry"].cast(pl.Float64) if "entry" in frame.columns else pl.lit(0.0)
    late = (
        frame.select(pl.col(by).cast(pl.String).alias("group"), start.alias("start"))
        .with_columns(exposure.alias("exposure"))
        .filter(pl.col("exposure") > pl.col("start"))
    )
    if late.is_empty():
        return
    groups = ", ".join(sorted({str(group) for group in late["group"].to_list()}))
    first, last = late.select(
        pl.col("exposure").min().alias("first"), pl.col("exposure").max().alias("last")
    ).row(0)
    raise UsageError(
        f"the groups of {by!r} are not compared from the anchor: {late.height} of {frame.height} "
        f"participants ({groups}) were exposed after it, on days {first:g} to {last:g}. Until then "
        "they could not have had the event, or they would never have been exposed (immortal time), "
        "so the exposed would look better even if the exposure did nothing. Remedies: "
        "take_landmark compares, from a day fixed in advance, those still at risk by whether they "
        "had been exposed by then; split_at_exposure makes the exposure a covariate that changes "
        "on its day, for fit_cox"
    )
