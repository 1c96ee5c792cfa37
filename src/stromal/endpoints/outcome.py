"""The types that `endpoints` hands to `analysis`."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from stromal.core import UsageError

__all__ = ["DERIVED_COLUMNS", "TIME_STATUSES", "CountingProcess", "StateHistory", "TimeToEvent"]

TIME_STATUSES = ("event", "competing", "censored")

DERIVED_COLUMNS: dict[str, pl.DataType] = {
    "participant_id": pl.String(),
    "endpoint": pl.String(),
    "definition": pl.String(),
    "status": pl.String(),
    "day": pl.Int32(),
    "date": pl.Date(),
    "day_low": pl.Int32(),
    "day_high": pl.Int32(),
    "cause": pl.String(),
    "because": pl.List(pl.String()),
    "note": pl.String(),
}
"""Columns of a derived row. `day` counts from the endpoint's own anchor, in whole days."""


@dataclass(frozen=True)
class TimeToEvent:
    """Times to an event with competing events and censoring, one row a participant.

    Parameters
    ----------
    frame
        `participant_id` (text), `day` (whole or fractional days from the endpoint's anchor, not
        negative), `status` (the words `event`, `competing` or `censored`, never integers: 0 means
        event in ADaM and censored in R); optionally `arm`, `cause` (which event or competing event
        it was), `entry` (the day from which the participant was under observation, before `day`:
        left truncation), `case_weight` (positive) and covariates.

    Raises
    ------
    UsageError
        A column is missing, a day is missing or negative, a status is another word, a participant
        stands twice, an entry is not before its day, or a weight is not positive and finite.
    """

    frame: pl.DataFrame

    def __post_init__(self) -> None:
        _check_columns(self.frame, ("participant_id", "day", "status"), "times to an event")
        if self.frame["participant_id"].is_duplicated().any():
            raise UsageError(
                "a participant stands twice among the times to an event; one row a participant is "
                "expected (several periods of one participant are a CountingProcess)"
            )
        _check_statuses(self.frame)
        day = self.frame["day"].cast(pl.Float64)
        if day.is_null().any() or not day.is_finite().all() or (day < 0).any():
            raise UsageError("a time to an event is missing, not finite or negative")
        if "entry" in self.frame.columns:
            entry = self.frame["entry"].cast(pl.Float64)
            if entry.is_null().any() or not entry.is_finite().all() or (entry >= day).any():
                raise UsageError(
                    "an entry is missing, not finite or not before its day: who was never under "
                    "observation before the event or censoring is left out"
                )
        _check_weights(self.frame)


@dataclass(frozen=True)
class CountingProcess:
    """Periods of participants, each with what ended it.

    For covariates that change and events that recur.

    Parameters
    ----------
    frame
        `participant_id`, `start`, `stop` (days from the anchor; the period is (start, stop], so
        what happens on day `start` belongs to the period before), `status` at `stop` (`event`;
        `competing`, which for recurrent events is the terminal event, such as death; `censored`
        where nothing happened or observation ended); optionally `arm`, `case_weight`, covariates,
        constant over the period.

    Raises
    ------
    UsageError
        A column is missing, a period ends before it has begun, two periods of a participant
        overlap, something follows a competing event, or a status is another word.
    """

    frame: pl.DataFrame

    def __post_init__(self) -> None:
        _check_columns(self.frame, ("participant_id", "start", "stop", "status"), "periods")
        _check_statuses(self.frame)
        ordered = _check_periods(self.frame)
        follows = pl.col("participant_id").eq(pl.col("participant_id").shift(-1))
        ended = ordered.filter(follows & (pl.col("status") == "competing"))
        if not ended.is_empty():
            raise UsageError(
                f"participant {ended['participant_id'][0]} has a period after a competing event, "
                "which ends observation"
            )
        _check_weights(self.frame)


@dataclass(frozen=True)
class StateHistory:
    """Which state each participant entered when, one row a period of observation.

    Parameters
    ----------
    frame
        `participant_id`, `start`, `stop` (days; the period is (start, stop]), `entered` (the state
        entered at `stop`; null where none was); optionally `state` (the state at `start` of the
        first period; all begin in one state where the column is absent), `arm`.

    Raises
    ------
    UsageError
        A column is missing, a period ends before it has begun, or two periods of a participant
        overlap or leave a gap.
    """

    frame: pl.DataFrame

    def __post_init__(self) -> None:
        _check_columns(self.frame, ("participant_id", "start", "stop", "entered"), "states")
        ordered = _check_periods(self.frame)
        follows = pl.col("participant_id").eq(pl.col("participant_id").shift(1))
        gap = ordered.filter(follows & (pl.col("start") != pl.col("stop").shift(1)))
        if not gap.is_empty():
            row = gap.row(0, named=True)
            raise UsageError(
                f"participant {row['participant_id']} is not observed just before day "
                f"{row['start']:g}: the periods of a state history follow on one another"
            )


def _check_columns(frame: pl.DataFrame, needed: tuple[str, ...], what: str) -> None:
    """Refuse a frame without the columns it needs."""
    missing = sorted(set(needed) - set(frame.columns))
    if missing:
        raise UsageError(f"{what} need the columns {missing}")
    if frame["participant_id"].is_null().any():
        raise UsageError(f"a participant_id is missing among the {what}")


def _check_statuses(frame: pl.DataFrame) -> None:
    """Refuse a status that is no word of the three."""
    others = {str(word) for word in frame["status"].unique().to_list()} - set(TIME_STATUSES)
    if others:
        raise UsageError(
            f"a status is one of {', '.join(TIME_STATUSES)}; got {', '.join(sorted(others))}"
        )


def _check_weights(frame: pl.DataFrame) -> None:
    """Refuse a weight that is not a positive finite number."""
    if "case_weight" not in frame.columns:
        return
    weight = frame["case_weight"].cast(pl.Float64)
    if weight.is_null().any() or not weight.is_finite().all() or (weight <= 0).any():
        raise UsageError(
            "a weight is missing, not finite, zero or negative; give every participant a positive "
            "weight and leave out who has none"
        )


def _check_periods(frame: pl.DataFrame) -> pl.DataFrame:
    """Refuse periods that end before they begin or overlap; give them in order."""
    times = frame.select(pl.col("start", "stop").cast(pl.Float64))
    finite = times.select(pl.all().is_not_null().all() & pl.all().is_finite().all()).row(0)
    if not all(finite):
        raise UsageError("the start or the stop of a period is missing or not finite")
    wrong = frame.filter(pl.col("start") >= pl.col("stop"))
    if not wrong.is_empty():
        row = wrong.row(0, named=True)
        raise UsageError(
            f"a period of participant {row['participant_id']} goes from {row['start']:g} to "
            f"{row['stop']:g}; it must end after it has begun"
        )
    ordered = frame.sort("participant_id", "start", maintain_order=True)
    follows = pl.col("participant_id").eq(pl.col("participant_id").shift(1))
    over = ordered.filter(follows & (pl.col("start") < pl.col("stop").shift(1)))
    if not over.is_empty():
        row = over.row(0, named=True)
        raise UsageError(
            f"two periods of participant {row['participant_id']} overlap at day {row['start']:g}"
        )
    return ordered
