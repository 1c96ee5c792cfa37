"""Landmark analysis: groups made by what has happened by a day, followed from that day on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from stromal.core import UsageError
from stromal.endpoints.outcome import TimeToEvent

__all__ = ["Landmark", "read_exposure", "take_landmark"]


@dataclass(frozen=True)
class Landmark(TimeToEvent):
    """Times to an event from a landmark, with what the result must say of them.

    Parameters
    ----------
    frame
        As in `TimeToEvent`: `day` counts from the landmark; `exposed` is true for who was exposed
        by it.
    landmark
        The day it was taken on, from the endpoint's anchor.
    left_out
        Participants who were no longer, or not yet, at risk.
    note
        The same in words.
    """

    landmark: float = 0.0
    left_out: int = 0
    note: str = ""


def take_landmark(outcomes: TimeToEvent, *, day: float, exposure_day: str) -> Landmark:
    """Take the participants at risk on a landmark day, grouped by exposure up to it.

    1. Who had an event, a competing event or was censored on the landmark day or before is left
       out, and so is who entered observation after it. The note says how many.
    2. `exposed` is true where the exposure was on the landmark day or before, false where it was
       later or never: a later exposure does not change the group.
    3. Days count from the landmark; an `entry` before it no longer matters and is dropped.

    So nobody's group depends on what happened after the day from which they are followed.

    Parameters
    ----------
    outcomes
        Times to an event.
    day
        The landmark, from the endpoint's anchor: chosen in the protocol, not from the data.
    exposure_day
        Column: the day of the exposure from the same anchor; missing for who was never exposed.

    Raises
    ------
    UsageError
        The landmark is not a day from the anchor on, the column is not there, is no number or is
        infinite, or nobody is at risk at the landmark.

    References
    ----------
    Anderson, Cain and Gelber (1983).
    """
    if not (np.isfinite(day) and day >= 0):
        raise UsageError(f"the landmark is day {day}; a day from the anchor on is expected")
    exposure = read_exposure(outcomes, exposure_day)
    frame = outcomes.frame
    at_risk = frame["day"].cast(pl.Float64) > day
    if "entry" in frame.columns:
        at_risk = at_risk & (frame["entry"].cast(pl.Float64) <= day)
    if not at_risk.any():
        raise UsageError(f"nobody is at risk after day {day:g}; choose an earlier landmark")
    exposed = (exposure <= day).fill_null(value=False)
    kept = (
        frame.with_columns(exposed.alias("exposed"), pl.col("day").cast(pl.Float64) - day)
        .filter(at_risk)
        .drop("entry", strict=False)
    )
    out = frame.height - kept.height
    return Landmark(
        frame=kept,
        landmark=float(day),
        left_out=out,
        note=(
            f"landmark on day {day:g}: {out} of {frame.height} participants left out, who were not "
            f"at risk on it; {int(kept['exposed'].sum())} of {kept.height} exposed by then"
        ),
    )


def read_exposure(outcomes: TimeToEvent, exposure_day: str) -> pl.Series:
    """Give the days of exposure as floats, missing where there was none.

    Raises
    ------
    UsageError
        The column is not there, is no number or is infinite, or the outcomes are periods.
    """
    if not isinstance(outcomes, TimeToEvent):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise UsageError("an exposure is set against times to an event, one row a participant")
    if exposure_day not in outcomes.frame.columns:
        raise UsageError(
            f"there is no column {exposure_day!r}; there are {', '.join(outcomes.frame.columns)}"
        )
    column = outcomes.frame[exposure_day]
    if not (column.dtype.is_numeric() or column.dtype == pl.Null):
        raise UsageError(
            f"{exposure_day} is {column.dtype}; the day of the exposure from the anchor is "
            "expected, missing for who was never exposed"
        )
    days = column.cast(pl.Float64).fill_nan(None)
    if days.is_infinite().any():
        raise UsageError(f"{exposure_day} is infinite; leave it missing for who was never exposed")
    return days
