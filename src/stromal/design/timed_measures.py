"""What is measured of trials decided on a time to an event: decisions, estimates, truths."""

from __future__ import annotations

import polars as pl

from stromal.design.decision import Decision, Timed
from stromal.design.monte_carlo import mean_rows, proportion_rows, value_rows
from stromal.design.runs import SET
from stromal.design.timed import limits_of_curves, timed_directions, timed_slopes, z_values

__all__ = ["reported_rows", "timed_decision_rows", "timed_truth_rows"]

_TRIAL = [*SET, "trial"]
_OF_BANK = (pl.col("value") * (1 - pl.col("value")) / pl.col("people")).fill_null(0.0)


def timed_decision_rows(
    trials: pl.DataFrame, decision: Decision, arms: tuple[str, ...], banks: pl.DataFrame
) -> pl.DataFrame:
    """Make the rows of what is decided by times to an event, one a parameter set.

    1. `rejecting` and, of a two-sided test, `rejecting_in_favour` (upwards: more events in the
       experimental arm), as in `stromal.design.measures.decision_rows`.
    2. Of a bank of B people the normal deviate of a test of n against m participants has the
       variance 2 n m / ((n + m) B), where the banked state alone decides when the event comes and
       the arms count as independent: the most it can be. Times the square of the slope of the power
       at the set's mean deviate (see `timed_slopes`) it is the variance that the bank adds.
    3. `nominal_alpha` is alpha: the tests keep it in large trials, and the size of no trial is in
       it.
    """
    wide = _decided(trials, decision, arms)
    n, m = pl.col("n").cast(pl.Float64), pl.col("control_n").cast(pl.Float64)
    counted = (
        wide.group_by(SET, maintain_order=True)
        .agg(
            trials=pl.len(),
            rejecting=(pl.col("rejects") != 0).sum(),
            rejecting_in_favour=(pl.col("rejects") == 1).sum(),
            mean=pl.col("z").mean().fill_null(0.0),
            tested=pl.col("z").is_not_null().mean(),
            shared=(2 * n * m / (n + m)).filter(pl.col("z").is_not_null()).mean().fill_null(0.0),
        )
        .join(banks, on=SET, how="left", maintain_order="left")
    )
    slopes = timed_slopes(decision, counted["mean"].to_numpy())
    measures = ["rejecting", "rejecting_in_favour"][: 2 if decision.side == "two-sided" else 1]
    rows = [
        proportion_rows(
            counted.with_columns(measure=pl.lit(name), slope=pl.Series(slope)),
            name,
            "trials",
            ((pl.col("slope") * pl.col("tested")) ** 2 * pl.col("shared") / pl.col("people"))
            .fill_null(0.0),
        )
        for name, slope in zip(measures, slopes, strict=False)
    ]  # fmt: skip
    nominal = counted.with_columns(
        measure=pl.lit("nominal_alpha"), alpha=pl.lit(decision.alpha), within=pl.lit(0.0)
    )
    return pl.concat([*rows, value_rows(nominal, "alpha", "within")])


def _decided(trials: pl.DataFrame, decision: Decision, arms: tuple[str, ...]) -> pl.DataFrame:
    """Give one row a trial: both sizes, the deviate, and what it decides."""
    control = trials.filter(pl.col("arm") == arms[1]).select(*_TRIAL, control_n="n")
    wide = trials.filter(pl.col("arm") == arms[0]).join(
        control, on=_TRIAL, how="left", maintain_order="left"
    )
    p = wide["p_value"].fill_null(float("nan")).to_numpy()
    direction = wide["direction"].to_numpy()
    return wide.with_columns(
        rejects=pl.Series(timed_directions(decision, p, direction)),
        z=pl.Series(z_values(p, direction)).fill_nan(None),
    )


def reported_rows(trials: pl.DataFrame, banks: pl.DataFrame) -> pl.DataFrame:
    """Make the rows `success_rate` of each arm: the mean estimate of its trials.

    Trials whose curve does not reach the day report none and are left out. A bank of B people adds
    q (1 - q) / B, the most it can be.
    """
    keys = [*SET, "arm"]
    each = trials.sort([*keys, "trial"]).join(banks, on=SET, how="left", maintain_order="left")
    each = each.with_columns(
        measure=pl.lit("success_rate"), value=pl.col("estimate").mean().over(keys)
    )
    return mean_rows(each, "estimate", [*keys, "measure"], _OF_BANK)


def timed_truth_rows(
    trials: pl.DataFrame, truths: pl.DataFrame, analysis: Timed, banks: pl.DataFrame
) -> pl.DataFrame:
    """Make the rows of how the estimate on the analysis's first day compares with each truth.

    1. The truth is the same curve of many people. `bias`, `coverage` and `true_rate` are as in
       `stromal.design.measures.truth_rows`; the truth's own error is that of its curve.
    2. A trial whose curve does not reach the day is in neither; one whose estimate has no interval
       is not in the coverage.
    """
    keys = [*SET, "arm", "truth"]
    known = truths.filter(pl.col("rate").is_not_null()).with_columns(
        variance=(pl.col("error") ** 2).fill_null(0.0), value=pl.col("rate")
    )
    there = known.join(banks, on=SET, how="left", maintain_order="left")
    rate = value_rows(
        there.with_columns(measure=pl.lit("true_rate"), within=pl.col("variance") + _OF_BANK),
        "rate",
        "within",
    )
    each = trials.filter(pl.col("estimate").is_not_null())
    low, high = limits_of_curves(
        analysis,
        each["estimate"].to_numpy(),
        each["error"].fill_null(float("nan")).to_numpy(),
    )
    each = (
        each.drop("error")
        .with_columns(low=pl.Series(low).fill_nan(None), high=pl.Series(high).fill_nan(None))
        .join(known.select(*keys, "rate", "variance"), on=[*SET, "arm"], how="inner")
        .with_columns(
            error=pl.col("estimate") - pl.col("rate"),
            held=pl.col("rate").is_between(pl.col("low"), pl.col("high")),
        )
        .sort([*keys, "trial"])
    )
    bias = mean_rows(
        each.with_columns(measure=pl.lit("bias")), "error", [*keys, "measure"], pl.col("variance")
    )
    held = (
        each.filter(pl.col("held").is_not_null())
        .group_by(keys, maintain_order=True)
        .agg(pl.col("held").sum(), trials=pl.len())
    )
    coverage = proportion_rows(held.with_columns(measure=pl.lit("coverage")), "held", "trials")
    return pl.concat([rate, bias, coverage])
