"""Many trials analyzed at once, for those who simulate: the same numbers as one by one."""

from __future__ import annotations

import itertools
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Literal, cast, get_args

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy import special  # pyright: ignore[reportMissingTypeStubs]

from stromal.analysis.batch_kernels import analyze_stretch
from stromal.analysis.intervals import Floats
from stromal.analysis.ordered import days_as_keys
from stromal.analysis.survival_kernels import COMPETING, EVENT, Codes
from stromal.core import UsageError

__all__ = ["Batch", "BatchAnalysis", "CompetingAs", "analyze_batch", "read_batch"]

CompetingAs = Literal["event", "censored"]

_special = cast("Any", special)
_ROWS = 16_384  # participants of a stretch: they stay in the processor's cache


@dataclass(frozen=True)
class Batch:
    """Times to an event of the participants of many trials, trial after trial.

    Parameters
    ----------
    day
        Days from the anchor, whole or not, not negative; in any order within a trial.
    event, competing
        Whether the event, or a competing event, happened on that day; who has neither is
        censored. Booleans, so that no code can be misread.
    arm
        Whole numbers from 0.
    starts
        Where each trial begins; the last number is that of all participants. Trials may differ in
        size.

    Raises
    ------
    UsageError
        The arrays do not belong together, a day is negative or not finite, somebody has both
        events, or an arm is negative.
    """

    day: NDArray[Any]
    event: NDArray[np.bool_]
    competing: NDArray[np.bool_]
    arm: NDArray[Any]
    starts: NDArray[Any]

    def __post_init__(self) -> None:
        sizes = {part.shape for part in (self.day, self.event, self.competing, self.arm)}
        if len(sizes) != 1 or self.day.ndim != 1:
            raise UsageError(
                f"day, event, competing and arm have the shapes {sorted(sizes)}; one element a "
                "participant is expected of each"
            )
        if self.event.dtype != np.bool_ or self.competing.dtype != np.bool_:
            raise UsageError(
                f"event is {self.event.dtype} and competing {self.competing.dtype}; both are "
                "booleans, because 0 and 1 mean different things in different programs"
            )
        if (self.event & self.competing).any():
            raise UsageError("somebody has the event and a competing event; the first one counts")
        if not np.isfinite(self.day).all() or (self.day < 0).any():
            raise UsageError("a time to an event is missing, not finite or negative")
        if self.arm.dtype.kind not in "iu" or (self.arm < 0).any():
            raise UsageError(f"arms are whole numbers from 0; got {self.arm.dtype} or a negative")
        starts = self.starts
        whole = starts.ndim == 1 and starts.dtype.kind in "iu" and starts.size > 0
        if (
            not whole
            or starts[0] != 0
            or starts[-1] != self.day.size
            or (np.diff(starts) < 0).any()
        ):
            raise UsageError(
                f"starts are where trials begin, rising from 0 to the {self.day.size} participants"
            )


@dataclass(frozen=True)
class BatchAnalysis:
    """What `analyze_batch` found; NaN stands where a single analysis gives `None`.

    Parameters
    ----------
    days
        On which the curves were read.
    competing_as, weight, rho
        What a competing event was to survival and the log-rank test, the Fleming-Harrington weight
        of that test, and rho of Gray's.
    logrank, logrank_df, logrank_p
        Chi-square, degrees of freedom (0 where not computable) and two-sided p, one a trial.
    gray, gray_df, gray_p
        The same of Gray's test of the event's incidence.
    logrank_difference, gray_difference
        Events observed less those expected if the arms were alike, weighted as the test weighs
        them: trials by arms. Above 0 an arm has more events than the others.
    at_risk
        Trials by arms by days: observed until that day or longer.
    survival, survival_error
        Kaplan-Meier and Greenwood's standard error: trials by arms by days.
    incidence, incidence_error_cmprsk, incidence_error_greenwood
        Aalen-Johansen incidence of the event, and its two standard errors.
    """

    days: tuple[float, ...]
    competing_as: CompetingAs
    weight: tuple[float, float]
    rho: float
    logrank: Floats
    logrank_df: Codes
    logrank_p: Floats
    gray: Floats
    gray_df: Codes
    gray_p: Floats
    logrank_difference: Floats
    gray_difference: Floats
    at_risk: Codes
    survival: Floats
    survival_error: Floats
    incidence: Floats
    incidence_error_cmprsk: Floats
    incidence_error_greenwood: Floats


def analyze_batch(
    batch: Batch,
    *,
    days: tuple[float, ...],
    competing_as: CompetingAs,
    weight: tuple[float, float] = (0.0, 0.0),
    rho: float = 0.0,
    threads: int | None = None,
) -> BatchAnalysis:
    """Compare the arms of each trial and read their curves, for thousands of trials at once.

    1. Every trial is analyzed alone, by the arithmetic of `compare_survival`, `compare_incidence`,
       `estimate_survival` and `estimate_incidence`; each number equals theirs to the last bit.
       Days that differ by less than 1e-8 of the mean day of the trial (of the arm, for its
       curves) are one day.
    2. The log-rank test and Kaplan-Meier know one kind of event. With `competing_as="event"` a
       competing event is one too (event-free survival); with `"censored"` it censors, so that the
       test compares cause-specific hazards and Kaplan-Meier is no probability that anybody has.
    3. Gray's test and the incidence are those of the event. For the competing event give `Batch`
       the two the other way round.
    4. A curve is read as `estimate_at` does: after an arm's last observation it is not estimable,
       unless everybody has had an event.
    5. The number of threads changes no number.

    Parameters
    ----------
    batch
        The trials.
    days
        Days on which curves are read, rising; none where tests alone are wanted.
    competing_as
        It has no default: the two answer different questions.
    weight, rho
        Rho and gamma of the log-rank test's Fleming-Harrington weight, and rho of Gray's test.
    threads
        As many as the machine has, at most 2, where `None`.

    Returns
    -------
    BatchAnalysis
        Intervals of its estimates: `bound_probability(estimate, error, ...)` takes whole arrays.

    Raises
    ------
    UsageError
        The days do not rise from 0 on, or a choice is not known.

    Examples
    --------
    >>> import numpy as np
    >>> batch = Batch(
    ...     day=np.array([10, 20, 30, 40, 10, 10, 20, 30]),
    ...     event=np.array([True, False, True, True, True, True, False, True]),
    ...     competing=np.zeros(8, dtype=bool),
    ...     arm=np.array([0, 0, 1, 1, 0, 1, 0, 1]),
    ...     starts=np.array([0, 4, 8]),
    ... )
    >>> found = analyze_batch(batch, days=(15,), competing_as="event")
    >>> found.incidence[:, 0, 0].tolist()
    [0.5, 0.5]
    """
    powers, asked = _check_plan(days, competing_as, weight, rho)
    starts = batch.starts.astype(np.int64, copy=False)
    trials = starts.size - 1
    arms = int(batch.arm.max()) + 1 if batch.arm.size else 0
    curves = np.full((trials, arms, asked.size, 6), np.nan)
    tests = np.empty((trials, 4))
    differences = np.empty((trials, 2, arms))
    rows = _rows_of(batch)
    plan = (arms, competing_as == "event", powers, float(rho))
    cuts = _cut(starts)

    def work(piece: tuple[int, int]) -> None:
        first, last = piece
        part = slice(first, last)
        analyze_stretch(
            rows, starts[first : last + 1], asked, plan, curves[part], tests[part],
            differences[part],
        )  # fmt: skip

    with ThreadPoolExecutor(threads or min(2, os.cpu_count() or 1)) as pool:
        list(pool.map(work, cuts))
    logrank, gray = tests[:, 0], tests[:, 2]
    logrank_df, gray_df = tests[:, 1].astype(np.int64), tests[:, 3].astype(np.int64)
    at_risk = np.nan_to_num(curves[..., 0]).astype(np.int64)
    return BatchAnalysis(
        days,
        competing_as,
        weight,
        rho,
        logrank,
        logrank_df,
        np.asarray(_special.chdtrc(logrank_df, logrank), dtype=np.float64),
        gray,
        gray_df,
        np.asarray(_special.chdtrc(gray_df, gray), dtype=np.float64),
        differences[:, 0],
        differences[:, 1],
        at_risk,
        *(curves[..., i] for i in range(1, 6)),
    )


def read_batch(frame: pl.DataFrame, *, trial: str, by: str = "arm") -> Batch:
    """Read a batch from a table of times to an event with a column of trials.

    Parameters
    ----------
    frame
        `day` and `status` (the words `event`, `competing`, `censored`), and the two columns below.
        Trials and arms are numbered in sorted order; arms over all trials together.
    trial, by
        Columns of the trial and of the arm.

    Raises
    ------
    UsageError
        A column is missing or has missing values, or a status is another word.
    """
    for name in ("day", "status", trial, by):
        if name not in frame.columns:
            raise UsageError(f"a batch of trials needs the column {name!r}; it is not there")
        if frame[name].is_null().any():
            raise UsageError(
                f"{frame[name].null_count()} rows have no {name!r}; every row needs one"
            )
    rows = frame.sort(trial, maintain_order=True)
    others = sorted(set(rows["status"].unique()) - {"event", "competing", "censored"})
    if others:
        raise UsageError(
            f"a status is one of event, competing, censored; got {', '.join(map(str, others))}"
        )
    sizes = rows.group_by(trial, maintain_order=True).len()["len"].to_numpy()
    return Batch(
        rows["day"].cast(pl.Float64).to_numpy(),
        (rows["status"] == "event").to_numpy(),
        (rows["status"] == "competing").to_numpy(),
        (rows[by].rank("dense").cast(pl.Int64) - 1).to_numpy(),
        np.concatenate(([0], np.cumsum(sizes))).astype(np.int64),
    )


def _check_plan(
    days: tuple[float, ...], competing_as: str, weight: tuple[float, float], rho: float
) -> tuple[Floats, Floats]:
    """Refuse what cannot be analyzed; give the powers and the days as arrays."""
    if competing_as not in get_args(CompetingAs):
        raise UsageError(f"competing_as is {competing_as!r}; choose event or censored")
    powers = np.array([weight], dtype=np.float64).reshape(1, 2)
    if not (np.isfinite([*powers[0], rho]).all() and min(*weight, rho) >= 0):
        raise UsageError(f"weight is {weight} and rho {rho}; give numbers from 0 on")
    asked = np.array(days, dtype=np.float64)
    if not np.isfinite(asked).all() or (asked < 0).any() or (np.diff(asked) <= 0).any():
        raise UsageError(f"days {days} do not rise from 0 on; give each day once, in order")
    return powers, asked


def _rows_of(batch: Batch) -> tuple[Floats, Codes, Codes, Codes]:
    """Give the arrays that the kernel reads."""
    day = batch.day.astype(np.float64, copy=False)
    status = np.where(batch.event, EVENT, np.where(batch.competing, COMPETING, 0))
    return day, days_as_keys(day), status, batch.arm.astype(np.int64, copy=False)


def _cut(starts: Codes) -> list[tuple[int, int]]:
    """Cut the trials into stretches of about as many participants, at least one trial each."""
    trials = starts.size - 1
    wanted = np.arange(0, int(starts[-1]) + _ROWS, _ROWS)
    edges = np.unique(np.clip(np.searchsorted(starts, wanted), 0, trials))
    edges = np.unique(np.concatenate(([0], edges, [trials])))
    return [(int(a), int(b)) for a, b in itertools.pairwise(edges)]
