"""Numbers of simulated trials, with the error of having simulated only so many."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias, cast

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy import special  # pyright: ignore[reportMissingTypeStubs]

__all__ = [
    "KEYS",
    "MONTE_CARLO_CONFIDENCE",
    "TABLE_SCHEMA",
    "Figure",
    "Spread",
    "figure_of",
    "mean_rows",
    "proportion_rows",
    "tabulate_figures",
    "value_rows",
]

Floats: TypeAlias = NDArray[np.float64]

_special = cast("Any", special)

MONTE_CARLO_CONFIDENCE = 0.95
"""Confidence of `low` to `high` of a `Figure`."""

KEYS = ("scenario", "variant", "arm", "endpoint", "status", "truth", "measure")
"""Columns that say which number a row is; those that do not apply to it are null."""

_ROWS: dict[str, pl.DataType] = {
    **{key: pl.String() for key in KEYS},
    "parameter_set": pl.Int32(),
    "value": pl.Float64(),
    "within": pl.Float64(),
    "unbiased": pl.Float64(),
    "extra": pl.Float64(),
    "of": pl.Int64(),
}

TABLE_SCHEMA: dict[str, pl.DataType] = {
    **{key: pl.String() for key in KEYS},
    "value": pl.Float64(),
    "se": pl.Float64(),
    "low": pl.Float64(),
    "high": pl.Float64(),
    "sets": pl.Int32(),
    "sd_between_sets": pl.Float64(),
    "sd_of_set_means": pl.Float64(),
    "p5": pl.Float64(),
    "p95": pl.Float64(),
}
"""Columns of the table of figures."""


@dataclass(frozen=True)
class Spread:
    """How far the parameter sets differ from each other.

    Parameters
    ----------
    sd
        Standard deviation between sets, with the noise within each set taken away; `None` where
        a set has one trial, whose noise cannot be told from the sets' own.
    observed_sd
        Standard deviation of the sets' means as they came out, noise included.
    p5, p95
        5th and 95th percentile of the sets' means, noise included.
    """

    sd: float | None
    observed_sd: float
    p5: float
    p95: float


@dataclass(frozen=True)
class Figure:
    """A number of simulated trials with its Monte Carlo error.

    Parameters
    ----------
    value
        Mean over parameter sets of each set's own value; `None` where there is none.
    se, low, high
        Monte Carlo standard error and 95 % interval; `None` where one number tells nothing.
    sets
        Parameter sets it rests on: those that have such a value.
    spread
        Of the sets; `None` with fewer than two.
    """

    value: float | None
    se: float | None
    low: float | None
    high: float | None
    sets: int
    spread: Spread | None


def proportion_rows(
    frame: pl.DataFrame, events: str, of: str, extra: pl.Expr | None = None
) -> pl.DataFrame:
    """Make rows of a proportion, one a parameter set.

    1. `value` is events / of, null where nobody is counted.
    2. `within`, its variance from a set's own counting, is p (1 - p) / of + extra; `unbiased` the
       same with of - 1. With one counted both are null.

    Parameters
    ----------
    frame
        One row a set: `parameter_set`, some of `KEYS` (the others become null), and two columns
        of counts, named by `events` and `of`.
    extra
        Variance that the counts do not show: that of the bank.
    """
    p = pl.col("value")
    many = pl.col("of") > 1
    extra = pl.lit(0.0) if extra is None else extra
    rows = frame.with_columns(
        of=pl.col(of).cast(pl.Int64),
        value=pl.when(pl.col(of) > 0).then(pl.col(events) / pl.col(of)),
    ).with_columns(extra=extra)
    return _as_rows(
        rows.with_columns(
            within=pl.when(many).then(p * (1 - p) / pl.col("of") + pl.col("extra")),
            unbiased=pl.when(many).then(p * (1 - p) / (pl.col("of") - 1) + pl.col("extra")),
        )
    )


def mean_rows(
    frame: pl.DataFrame, value: str, keys: list[str], extra: pl.Expr | None = None
) -> pl.DataFrame:
    """Make rows of a mean over trials, one a parameter set.

    1. Trials without a value are left out; a set without any has no row.
    2. `within` and `unbiased` are the sample variance over trials / trials + extra, null with one
       trial.

    Parameters
    ----------
    frame
        One row a trial, sorted by `keys` so that equal ones stand together.
    value
        The column that is averaged.
    keys
        `parameter_set` and some of `KEYS`.
    extra
        Variance of what is common to a set's trials, from columns of `frame`.
    """
    there = frame.filter(pl.col(value).is_not_null())
    grouped = there.group_by(keys, maintain_order=True).agg(
        trials=pl.len(), extra=(pl.lit(0.0) if extra is None else extra).first()
    )
    mean, squares = _moments(there[value].to_numpy(), grouped["trials"].to_numpy())
    m = grouped["trials"].to_numpy().astype(np.float64)
    variance = np.where(m > 1, squares / np.where(m > 1, m * (m - 1), 1.0), np.nan)
    within = pl.Series(variance).fill_nan(None) + grouped["extra"]
    return _as_rows(grouped.with_columns(value=pl.Series(mean), within=within, unbiased=within))


def value_rows(frame: pl.DataFrame, value: str, within: str) -> pl.DataFrame:
    """Make rows of numbers whose variance within a set is known, one a parameter set.

    Parameters
    ----------
    frame
        One row a set: `parameter_set`, some of `KEYS`, and the columns named by the others.
    value, within
        Columns of the number and of its variance (null where it cannot be known).
    """
    rows = frame.select(
        *(name for name in ("parameter_set", *KEYS) if name in frame.columns),
        value=pl.col(value),
        within=pl.col(within),
        unbiased=pl.col(within),
        extra=pl.lit(0.0),
    )
    return _as_rows(rows)


def _moments(values: NDArray[Any], lengths: NDArray[Any]) -> tuple[Floats, Floats]:
    """Mean and sum of squared deviations of runs of values; equal values deviate by exactly 0."""
    if values.size == 0:
        return np.zeros(0), np.zeros(0)
    starts = np.concatenate([[0], np.cumsum(lengths)[:-1]]).astype(np.int64)
    first = values[starts].astype(np.float64)
    shifted = values - np.repeat(first, lengths)
    shift = np.add.reduceat(shifted, starts) / lengths
    squares = np.add.reduceat((shifted - np.repeat(shift, lengths)) ** 2, starts)
    return first + shift, squares


def _as_rows(frame: pl.DataFrame) -> pl.DataFrame:
    """Give the columns of a row, those that do not apply as null."""
    return frame.select(
        (pl.col(name) if name in frame.columns else pl.lit(None)).cast(kind).alias(name)
        for name, kind in _ROWS.items()
    )


def tabulate_figures(rows: pl.DataFrame) -> pl.DataFrame:
    """Turn one value a parameter set into one figure over the sets.

    1. The value is the mean over sets, each with equal weight. Sets without a value are left out.
    2. With two sets or more the standard error is the standard deviation of the sets' values over
       the root of their number. It holds the noise of trials and of finite banks. The interval is
       by Student's t; of a proportion it is never narrower than Wilson's of all that were counted
       in all sets together, and it stays within 0 and 1.
    3. With one set the standard error is the root of `within`: trials, and the bank where it is
       known. The interval of a proportion is Wilson's at the number of independent trials that
       would have this error, otherwise it is the normal one. That sets differ it does not know.
    4. The spread has the variance between the sets' values less the mean of `unbiased`, at least
       0; and the 5th and 95th percentiles of the sets' values (definition 7 of Hyndman and Fan).

    Parameters
    ----------
    rows
        As `proportion_rows` and `mean_rows` make them, one after another.

    Returns
    -------
    DataFrame
        Columns of `TABLE_SCHEMA`, sorted by `KEYS`.
    """
    ordered = rows.sort([*KEYS, "parameter_set"])
    there = ordered.filter(pl.col("value").is_not_null())
    grouped = there.group_by(KEYS, maintain_order=True).agg(
        sets=pl.len(),
        of=pl.col("of").sum(),
        counted=pl.col("of").is_not_null().all(),
        one_within=pl.col("within").first(),
        one_extra=pl.col("extra").first(),
        all_known=pl.col("unbiased").is_not_null().all(),
        p5=pl.col("value").quantile(0.05, "linear"),
        p95=pl.col("value").quantile(0.95, "linear"),
    )
    values, lengths = there["value"].to_numpy(), grouped["sets"].to_numpy()
    mean, squares = _moments(values, lengths)
    noise, _ = _moments(there["unbiased"].fill_null(0.0).to_numpy(), lengths)
    found = grouped.with_columns(
        value=pl.Series(mean), squares=pl.Series(squares), noise=pl.Series(noise)
    ).with_columns(_errors())
    return (
        ordered.select(KEYS)
        .unique(maintain_order=True)
        .join(
            _with_limits(found), on=list(KEYS), how="left", nulls_equal=True, maintain_order="left"
        )
        .with_columns(pl.col("sets").fill_null(0))
        .select(pl.col(name).cast(kind) for name, kind in TABLE_SCHEMA.items())
    )


def _errors() -> list[pl.Expr]:
    """Give standard errors and standard deviations between sets."""
    sets, variance = pl.col("sets"), pl.col("squares") / (pl.col("sets") - 1)
    several = sets > 1
    return [
        pl.when(several)
        .then((variance / sets).sqrt())
        .otherwise(pl.col("one_within").sqrt())
        .alias("se"),
        pl.when(several).then(variance.sqrt()).alias("sd_of_set_means"),
        pl.when(several & pl.col("all_known"))
        .then(pl.max_horizontal(variance - pl.col("noise"), pl.lit(0.0)).sqrt())
        .alias("sd_between_sets"),
        *(pl.when(several).then(pl.col(name)).alias(name) for name in ("p5", "p95")),
    ]


def _with_limits(found: pl.DataFrame) -> pl.DataFrame:
    """Add the interval of each figure."""
    numbers = found.select(
        pl.col("value", "se", "sets", "of", "one_extra").cast(pl.Float64).fill_null(np.nan)
    )
    value, se, sets, of, extra = (numbers[name].to_numpy() for name in numbers.columns)
    several = sets > 1
    tail = (1 + MONTE_CARLO_CONFIDENCE) / 2
    z = float(_special.ndtri(tail))
    half = np.where(several, _special.stdtrit(np.where(several, sets - 1, 1), tail), z) * se
    low, high = value - half, value + half
    counted = found["counted"].to_numpy()
    share = np.where(counted, value, 0.5)
    alone_low, alone_high = _wilson(share, of, np.where(several, 0.0, extra), z)
    low = np.where(counted, np.where(several, np.fmin(low, alone_low), alone_low), low)
    high = np.where(counted, np.where(several, np.fmax(high, alone_high), alone_high), high)
    signed = (found["measure"] == "bias").to_numpy()
    low = np.where(signed, low, np.maximum(low, 0.0))
    shares = counted | found["measure"].is_in(["success_rate", "true_rate"]).to_numpy()
    high = np.where(shares, np.minimum(high, 1.0), high)
    return found.with_columns(
        low=pl.Series(low).fill_nan(None), high=pl.Series(high).fill_nan(None)
    )


def _wilson(p: Floats, of: Floats, extra: Floats, z: float) -> tuple[Floats, Floats]:
    """Wilson's limits, with fewer counted where `extra` variance is added to theirs."""
    of = np.maximum(of, 1.0)
    middle = (p * of + z * z / 2) / (of + z * z)  # never 0 or 1: there is some variance
    binomial = middle * (1 - middle)
    size = binomial / (binomial / of + extra)
    scale = 1 + z * z / size
    centre = (p + z * z / (2 * size)) / scale
    half = z * np.sqrt(p * (1 - p) / size + z * z / (4 * size * size)) / scale
    low = np.where(p <= 0, 0.0, centre - half)
    return low, np.where(p >= 1, 1.0, centre + half)


def figure_of(row: dict[str, Any]) -> Figure:
    """Make a figure of a row of the table."""
    spread = None
    if row["sets"] > 1:
        spread = Spread(row["sd_between_sets"], row["sd_of_set_means"], row["p5"], row["p95"])
    return Figure(row["value"], row["se"], row["low"], row["high"], row["sets"], spread)
