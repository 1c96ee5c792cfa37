"""Trials decided on a time to an event: their tests and curves, for all of them at once."""

from __future__ import annotations

from typing import Any, TypeAlias, cast

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy import special  # pyright: ignore[reportMissingTypeStubs]

from stromal.analysis.batch import Batch, BatchAnalysis, analyze_batch
from stromal.analysis.intervals import bound_probability
from stromal.core import UsageError
from stromal.design.decision import Decision, Directions, Timed
from stromal.design.exact import TIE, Floats
from stromal.endpoints.outcome import TIME_STATUSES

__all__ = [
    "INTERVALS_LEFT_OUT",
    "compare_trials",
    "limits_of_curves",
    "timed_directions",
    "timed_slopes",
    "z_values",
]

Codes: TypeAlias = NDArray[np.int64]

INTERVALS_LEFT_OUT = frozenset({"beta product"})
"""Intervals that are not of an estimate and its standard error alone: coverage is left out."""

_special = cast("Any", special)
_FARTHEST = 38.0  # a z value whose p no number can hold


def compare_trials(rows: pl.DataFrame, decision: Decision, spec: Timed) -> pl.DataFrame:
    """Compare the two arms of each trial, and read the curve of every arm.

    1. The test is of the control and the experimental arm alone, and of all their time observed;
       each p value is that of `compare_survival` or `compare_incidence` on the trial.
    2. The direction is the sign of the events observed less those expected in the experimental
       arm. Where the test is not computable (an arm without participants, no event) the p value is
       missing and the direction 0.
    3. The estimate is survival, or incidence of the event, on the first day of the analysis's `at`,
       with its standard error; missing where the curve does not reach so far.

    Parameters
    ----------
    rows
        `trial`, `arm`, `status`, `day`, one row a participant analysed.
    decision, spec
        The rule and the analysis it is on.

    Returns
    -------
    DataFrame
        `trial`, `arm`, `n`, `events`, `p_value`, `direction`, `estimate`, `error`, a row a trial
        and arm that has participants.

    Raises
    ------
    UsageError
        A status is none of a time to an event, or the log-rank test meets a competing event.
    """
    _check(rows, decision)
    pair = [str(decision.experimental), str(decision.control)]
    others = sorted(set(rows["arm"].unique()) - set(pair))
    numbers, curves = _analyze(rows, [*pair, *others], (float(spec.at[0]),))
    tests = curves
    if others:
        tested, tests = _analyze(rows.filter(pl.col("arm").is_in(pair)), pair, ())
        numbers_tested = tested
    else:
        numbers_tested = numbers
    logrank = decision.test == "log-rank"
    p = tests.logrank_p if logrank else tests.gray_p
    gap = tests.logrank_difference if logrank else tests.gray_difference
    sign = np.sign(gap[:, 0]) if gap.shape[1] else np.zeros(p.size)
    decided = pl.DataFrame({
        "trial": numbers_tested,
        "p_value": pl.Series(p).fill_nan(None),
        "direction": np.where(np.isnan(p), 0, sign).astype(np.int8),
    })  # fmt: skip
    value, error = _curve(curves, spec)
    arms = [*pair, *others][: value.shape[1]]
    read = pl.concat(
        pl.DataFrame({
            "trial": numbers,
            "arm": pl.Series([arm], dtype=pl.String).new_from_index(0, numbers.size),
            "estimate": pl.Series(value[:, place]).fill_nan(None),
            "error": pl.Series(error[:, place]).fill_nan(None),
        })
        for place, arm in enumerate(arms)
    ) if arms else _NOTHING  # fmt: skip
    return (
        rows.group_by("trial", "arm")
        .agg(n=pl.len(), events=(pl.col("status") == "event").sum())
        .join(decided, on="trial", how="left")
        .join(read, on=["trial", "arm"], how="left")
        .with_columns(pl.col("direction").fill_null(0))
    )


_NOTHING = pl.DataFrame(
    schema={"trial": pl.Int64, "arm": pl.String, "estimate": pl.Float64, "error": pl.Float64}
)


def _check(rows: pl.DataFrame, decision: Decision) -> None:
    """Refuse what the test does not know."""
    found = set(rows["status"].unique())
    others = sorted(found - set(TIME_STATUSES))
    if others:
        raise UsageError(
            f"the decision needs a time to an event; the endpoint of `{decision.analysis}` has the "
            f"statuses {', '.join(map(str, others))}: decide by `binomial` or `fisher` on a "
            "proportion"
        )
    if decision.test == "log-rank" and "competing" in found:
        raise UsageError(
            f"the log-rank test knows one kind of event, and the endpoint of `{decision.analysis}` "
            "has competing events; decide by `gray` on a cumulative incidence, or count them as "
            "events in the protocol"
        )
    if rows["day"].null_count():
        raise UsageError(f"{rows['day'].null_count()} times of `{decision.analysis}` are missing")


def _analyze(
    rows: pl.DataFrame, arms: list[str], days: tuple[float, ...]
) -> tuple[Codes, BatchAnalysis]:
    """Analyze the trials, arms numbered in the order given; give the trials' numbers too."""
    ordered = rows.sort("trial", maintain_order=True)
    sizes = ordered.group_by("trial", maintain_order=True).agg(size=pl.len())
    codes = pl.DataFrame({"arm": arms, "code": range(len(arms))}, schema={"arm": pl.String,
                          "code": pl.Int64})  # fmt: skip
    arm = ordered.select("arm").join(codes, on="arm", how="left", maintain_order="left")["code"]
    batch = Batch(
        ordered["day"].cast(pl.Float64).to_numpy(),
        (ordered["status"] == "event").to_numpy(),
        (ordered["status"] == "competing").to_numpy(),
        arm.to_numpy(),
        np.concatenate(([0], np.cumsum(sizes["size"].to_numpy()))).astype(np.int64),
    )
    found = analyze_batch(batch, days=days, competing_as="censored", threads=1)
    return sizes["trial"].to_numpy().astype(np.int64), found


def _curve(found: BatchAnalysis, spec: Timed) -> tuple[Floats, Floats]:
    """Give the estimates and their errors: trials by arms."""
    if spec.estimate == "survival":
        value, error = found.survival, found.survival_error
    elif spec.variance == "cmprsk":
        value, error = found.incidence, found.incidence_error_cmprsk
    else:
        value, error = found.incidence, found.incidence_error_greenwood
    return value[..., 0], error[..., 0]


def limits_of_curves(spec: Timed, estimate: Floats, error: Floats) -> tuple[Floats, Floats]:
    """Give the confidence limits that the analysis reports; NaN where it has none."""
    if spec.interval in INTERVALS_LEFT_OUT:
        return np.full(estimate.shape, np.nan), np.full(estimate.shape, np.nan)
    return bound_probability(estimate, error, interval=spec.interval, confidence=spec.confidence)


def z_values(p_value: Floats, direction: NDArray[Any]) -> Floats:
    """Give the normal deviate of each trial, above 0 where direction is; NaN without a p value."""
    size = np.minimum(-np.asarray(_special.ndtri(p_value / 2), dtype=np.float64), _FARTHEST)
    return np.where(np.isnan(p_value), np.nan, direction * size)


def timed_directions(decision: Decision, p_value: Floats, direction: NDArray[Any]) -> Directions:
    """Say of each trial whether it rejects, and in which direction.

    1. `two-sided`: it rejects where the p value is at most alpha, in the direction found.
    2. `greater` (more events than expected in the experimental arm) and `less`: the one-sided p
       value is half of the two-sided one where the direction is that of the side, else 1 less that
       half.
    3. A p value within rounding of alpha is at alpha. Without one (NaN) nothing is rejected.

    Returns
    -------
    NDArray of int8
        1 upwards (more events), -1 downwards, 0 not rejected.
    """
    side = {"greater": 1, "less": -1, "two-sided": 0}[decision.side]
    p = np.asarray(p_value, dtype=np.float64)
    signs = np.asarray(direction, dtype=np.int8)
    if side:
        p = np.where(signs == side, p / 2, np.where(np.isnan(p), np.nan, 1 - p / 2))
        signs = np.full(signs.shape, side, dtype=np.int8)
    with np.errstate(invalid="ignore"):
        return np.where(p <= decision.alpha * (1 + TIE), signs, 0).astype(np.int8)


def timed_slopes(decision: Decision, mean: Floats) -> tuple[Floats, Floats]:
    """Give how the power moves with the mean of the test's normal deviate.

    The deviate is taken as normal with SD 1, which holds for large trials and effects that are not
    extreme. The power is the probability of its region of rejection.

    Returns
    -------
    tuple
        The derivative of the probability of rejecting, and of rejecting upwards.
    """
    two = decision.side == "two-sided"
    far = -float(_special.ndtri(decision.alpha / (2 if two else 1)))
    up = np.exp(-((mean - far) ** 2) / 2) / np.sqrt(2 * np.pi)
    down = np.exp(-((mean + far) ** 2) / 2) / np.sqrt(2 * np.pi)
    if two:
        return up - down, up
    return (up, up) if decision.side == "greater" else (-down, np.zeros_like(down))
