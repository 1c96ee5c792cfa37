"""What is measured of the trials of each parameter set: decisions, sizes, estimates, endpoints."""

from __future__ import annotations

import numpy as np
import polars as pl

from stromal.analysis import estimate_proportion
from stromal.design.decision import Decision, directions, power_and_slopes
from stromal.design.monte_carlo import mean_rows, proportion_rows, value_rows
from stromal.design.runs import NULL_SCENARIO, SET
from stromal.protocol.analyses import ProportionAnalysis

__all__ = [
    "QUARTILES",
    "arm_rows",
    "decision_rows",
    "endpoint_rows",
    "size_rows",
    "success_rows",
    "truth_rows",
]

_TRIAL = [*SET, "trial"]
_SIZES = ["n", "control_n"]
_BANK_OF_RATE = (pl.col("value") * (1 - pl.col("value")) / pl.col("people")).fill_null(0.0)

QUARTILES = {"day_lower_quartile": 0.25, "day_median": 0.5, "day_upper_quartile": 0.75}


def decision_rows(
    trials: pl.DataFrame, decision: Decision, arms: tuple[str, ...], banks: pl.DataFrame
) -> pl.DataFrame:
    """Make the rows of what is decided, one a parameter set.

    1. `rejecting`: the share of trials that reject; `rejecting_in_favour`, of a two-sided test:
       the share that reject upwards. A finite bank adds to the variance the slopes of the exact
       power at the set's own success rate, squared, over the people banked (see
       `power_and_slopes`). That is the most it can be, reached where the banked state alone
       decides who succeeds; the arms count as independent.
    2. `nominal_alpha`: the mean over trials of the probability of rejecting at p0 with the
       trial's n; for two arms at the set's success rate of the control arm under `null`.

    Parameters
    ----------
    trials
        As `check_trials` gives it.
    decision, arms
        The rule, its experimental arm and its control.
    banks
        As `bank_sizes` gives it.
    """
    wide = _decided(trials, decision, arms)
    rates = _rates(trials, arms)
    found = _slopes(wide, rates, decision, banks)
    counted = wide.group_by(SET, maintain_order=True).agg(
        trials=pl.len(),
        rejecting=(pl.col("direction") != 0).sum(),
        rejecting_in_favour=(pl.col("direction") == 1).sum(),
    )
    counted = counted.join(found, on=SET, how="left", maintain_order="left")
    measures = ["rejecting"]
    if decision.side == "two-sided":
        measures.append("rejecting_in_favour")
    rows = [
        proportion_rows(
            counted.with_columns(measure=pl.lit(name)), name, "trials", pl.col(f"bank_{name}")
        )
        for name in measures
    ]
    return pl.concat([*rows, _nominal_rows(wide, rates, decision)])


def _decided(trials: pl.DataFrame, decision: Decision, arms: tuple[str, ...]) -> pl.DataFrame:
    """Set the two arms of a trial side by side, with what the trial decides."""
    wide = trials.filter(pl.col("arm") == arms[0]).select(*_TRIAL, "n", "events")
    if len(arms) == 1:
        direction = directions(decision, wide["events"].to_numpy(), wide["n"].to_numpy())
        wide = wide.with_columns(control_n=pl.lit(0, dtype=pl.Int32))
    else:
        control = trials.filter(pl.col("arm") == arms[1])
        control = control.select(*_TRIAL, control_n="n", control_events="events")
        wide = wide.join(control, on=_TRIAL, how="left", maintain_order="left")
        direction = directions(
            decision,
            *(wide[name].to_numpy() for name in ("events", "n", "control_events", "control_n")),
        )
    return wide.with_columns(direction=pl.Series(direction))


def _rates(trials: pl.DataFrame, arms: tuple[str, ...]) -> pl.DataFrame:
    """Success rates of the arms by set; 0 where nobody was analysed (such a trial is decided)."""

    def rate(arm: str) -> pl.Expr:
        of = pl.col("arm") == arm
        return (
            (pl.col("events").filter(of).sum() / pl.col("n").filter(of).sum())
            .fill_nan(0.0)
            .alias("rate" if arm == arms[0] else "control_rate")
        )

    found = trials.group_by(SET, maintain_order=True).agg(rate(arm) for arm in arms)
    return found if len(arms) == 2 else found.with_columns(control_rate=pl.lit(0.0))


def _slopes(
    wide: pl.DataFrame, rates: pl.DataFrame, decision: Decision, banks: pl.DataFrame
) -> pl.DataFrame:
    """Variance that the bank adds to the share of rejections of each set."""
    sizes = wide.group_by([*SET, *_SIZES], maintain_order=True).agg(weight=pl.len())
    sizes = sizes.join(rates, on=SET, how="left", maintain_order="left")
    values = [sizes[name].to_numpy() for name in ("rate", "n", "control_rate", "control_n")]
    columns: list[pl.Series] = []
    directed = (("rejecting", False), ("rejecting_in_favour", True))
    directed = directed if decision.side == "two-sided" else directed[:1]
    for name, upwards in directed:
        _, slope, control_slope = power_and_slopes(decision, *values, upwards=upwards)
        columns += [pl.Series(name, slope), pl.Series(f"control_{name}", control_slope)]
    weighed = pl.col([column.name for column in columns]) * pl.col("weight")
    mean = (
        sizes.with_columns(columns)
        .group_by(SET, maintain_order=True)
        .agg(weighed.sum() / pl.col("weight").sum())
        .join(banks, on=SET, how="left", maintain_order="left")
    )
    return mean.select(
        *SET,
        *(
            ((pl.col(name) ** 2 + pl.col(f"control_{name}") ** 2) / pl.col("people"))
            .fill_null(0.0)
            .alias(f"bank_{name}")
            for name, _ in directed
        ),
    )


def _nominal_rows(wide: pl.DataFrame, rates: pl.DataFrame, decision: Decision) -> pl.DataFrame:
    """Probability of rejecting at p0, or where both arms have the control's null rate."""
    on = ["variant", "parameter_set"]
    null = rates.filter(pl.col("scenario") == NULL_SCENARIO).select(*on, at="control_rate")
    sizes = wide.select(*SET, *_SIZES).unique(maintain_order=True).join(null, on=on, how="left")
    at = sizes["at"].to_numpy()
    if decision.p0 is not None:
        at = np.full(sizes.height, decision.p0)
    n, control_n = (sizes[name].to_numpy() for name in _SIZES)
    power, _, _ = power_and_slopes(decision, at, n, at, control_n)
    sizes = sizes.select(*SET, *_SIZES, nominal_alpha=pl.Series(power))
    each = wide.join(sizes, on=[*SET, *_SIZES], how="left", maintain_order="left")
    each = each.with_columns(measure=pl.lit("nominal_alpha"))
    return mean_rows(each, "nominal_alpha", [*SET, "measure"])


def size_rows(trials: pl.DataFrame, banks: pl.DataFrame) -> pl.DataFrame:
    """Make the rows of how large trials become: `enrolled`, `screened`, `duration_days`.

    1. Participants of all arms; transplants looked at for each one of them; the longest duration
       of the arms. What nobody was enrolled for is missing in that trial.
    2. How many are looked at for one, s, is counted once, in filling the bank: of B people its
       variance is s (s - 1) / B (looked at until the last of B enters). The duration has that
       share of its own square, which is the most it can be: as if all of it were waiting.
    """
    enrolled = pl.col("enrolled")
    looked_at = (pl.col("screened") * enrolled).sum() / enrolled.filter(
        pl.col("screened").is_not_null()
    ).sum()
    each = trials.group_by(_TRIAL, maintain_order=True).agg(
        enrolled=enrolled.sum().cast(pl.Float64),
        screened=looked_at.fill_nan(None),
        duration_days=pl.col("duration_days").max(),
    )
    means = each.group_by(SET, maintain_order=True).agg(
        s=pl.col("screened").mean(), d=pl.col("duration_days").mean()
    )
    each = each.join(means, on=SET, how="left", maintain_order="left")
    each = each.join(banks, on=SET, how="left", maintain_order="left")
    share = ((pl.col("s") - 1) / (pl.col("s") * pl.col("people"))).clip(0.0).fill_null(0.0)
    extra = {
        "screened": share * pl.col("s") ** 2,
        "duration_days": (share * pl.col("d") ** 2).fill_null(0.0),
    }
    return pl.concat(
        mean_rows(each.with_columns(measure=pl.lit(name)), name, [*SET, "measure"], extra.get(name))
        for name in ("enrolled", "screened", "duration_days")
    )


def success_rows(trials: pl.DataFrame, banks: pl.DataFrame) -> pl.DataFrame:
    """Make the rows `success_rate` of each arm: all successes of a set over all analysed.

    A bank of B people adds q (1 - q) / B to its variance.
    """
    keys = [*SET, "arm"]
    totals = trials.group_by(keys, maintain_order=True).agg(
        events=pl.col("events").cast(pl.Int64).sum(), n=pl.col("n").cast(pl.Int64).sum()
    )
    totals = totals.join(banks, on=SET, how="left", maintain_order="left")
    return proportion_rows(
        totals.with_columns(measure=pl.lit("success_rate")), "events", "n", _BANK_OF_RATE
    )


def arm_rows(trials: pl.DataFrame) -> pl.DataFrame:
    """Make the rows of each arm: `analysed` and `enrolled`, means of its trials."""
    keys = [*SET, "arm"]
    by_arm = trials.sort([*keys, "trial"])
    return pl.concat(
        mean_rows(
            by_arm.with_columns(pl.col(column).cast(pl.Float64), measure=pl.lit(measure)),
            column,
            [*keys, "measure"],
        )
        for column, measure in (("n", "analysed"), ("enrolled", "enrolled"))
    )


def truth_rows(
    trials: pl.DataFrame, truths: pl.DataFrame, analysis: ProportionAnalysis, banks: pl.DataFrame
) -> pl.DataFrame:
    """Make the rows of how the reported estimate compares with each truth of its own set.

    1. The estimate of a trial is events / n with the analysis's interval. A trial in which nobody
       was analysed reports none and is left out.
    2. `bias`: the mean estimate less the truth. The truth's own error t (1 - t) / n is added as
       if it were of other people than the trials, which is the most it can be; trials and truth
       share a bank, whose error cancels.
    3. `coverage`: the share of trials whose interval holds the truth, limits included.
    4. `true_rate`: the truth itself.
    """
    keys = [*SET, "arm", "truth"]
    truths = truths.with_columns(true=pl.col("events") / pl.col("n"))
    there = truths.join(banks, on=SET, how="left", maintain_order="left")
    rate = proportion_rows(
        there.with_columns(measure=pl.lit("true_rate")), "events", "n", _BANK_OF_RATE
    )
    each = _with_intervals(trials.filter(pl.col("n") > 0), analysis).join(
        truths.select(*keys, "true", true_n="n"), on=[*SET, "arm"], how="inner"
    )
    each = each.with_columns(
        error=pl.col("estimate") - pl.col("true"),
        held=(pl.col("low") <= pl.col("true")) & (pl.col("true") <= pl.col("high")),
    ).sort([*keys, "trial"])
    bias = mean_rows(
        each.with_columns(measure=pl.lit("bias")),
        "error",
        [*keys, "measure"],
        pl.col("true") * (1 - pl.col("true")) / pl.col("true_n"),
    )
    held = each.group_by(keys, maintain_order=True).agg(pl.col("held").sum(), trials=pl.len())
    coverage = proportion_rows(held.with_columns(measure=pl.lit("coverage")), "held", "trials")
    return pl.concat([rate, bias, coverage])


def _with_intervals(trials: pl.DataFrame, analysis: ProportionAnalysis) -> pl.DataFrame:
    """Add the estimate and the interval of each trial; each distinct result is estimated once."""
    distinct = trials.select("events", "n").unique().sort("n", "events")
    found = [
        estimate_proportion(e, n, interval=analysis.interval, confidence=analysis.confidence)
        for e, n in distinct.iter_rows()
    ]
    distinct = distinct.with_columns(
        pl.Series("estimate", [e.value for e in found], dtype=pl.Float64),
        pl.Series("low", [e.low for e in found], dtype=pl.Float64),
        pl.Series("high", [e.high for e in found], dtype=pl.Float64),
    )
    return trials.join(distinct, on=["events", "n"], how="left", maintain_order="left")


def endpoint_rows(tallies: pl.DataFrame, banks: pl.DataFrame) -> pl.DataFrame:
    """Make the rows of every endpoint: shares of its statuses, and the days they came.

    1. `share`: participants with the status, of all tallied in that arm and endpoint. A status
       that occurs anywhere in the run is 0, not absent, where it does not.
    2. `day_lower_quartile`, `day_median`, `day_upper_quartile`: of those with the status and a
       day, by definition 7 of Hyndman and Fan.
    3. Within one set the error of a quantile is half the distance of the days at the levels
       p -+ z sqrt(p (1 - p) (1 / n + 1 / B)), over z; z is 1.96 and B the people banked.
    """
    keys = [*SET, "arm", "endpoint"]
    totals = tallies.group_by(keys, maintain_order=True).agg(of=pl.col("participants").sum())
    totals = totals.join(banks, on=SET, how="left", maintain_order="left")
    statuses = tallies.select("endpoint", "status").unique().sort("endpoint", "status")
    counted = tallies.group_by([*keys, "status"]).agg(events=pl.col("participants").sum())
    shares = (
        totals.join(statuses, on="endpoint", maintain_order="left")
        .join(counted, on=[*keys, "status"], how="left", maintain_order="left")
        .with_columns(pl.col("events").fill_null(0), measure=pl.lit("share"))
    )
    return pl.concat(
        [proportion_rows(shares, "events", "of", _BANK_OF_RATE), _day_rows(tallies, banks)]
    )


def _day_rows(tallies: pl.DataFrame, banks: pl.DataFrame) -> pl.DataFrame:
    """Quartiles of the days of each status."""
    keys = [*SET, "arm", "endpoint", "status"]
    dated = tallies.filter(pl.col("day").is_not_null() & (pl.col("participants") > 0))
    dated = dated.sort([*keys, "day"]).with_columns(
        reached=pl.col("participants").cum_sum().over(keys)
    )
    groups = dated.group_by(keys, maintain_order=True).agg(n=pl.col("participants").sum())
    groups = groups.join(banks, on=SET, how="left", maintain_order="left")
    z, rows = 1.959963984540054, list[pl.DataFrame]()
    for measure, p in QUARTILES.items():
        width = z * (p * (1 - p) * (1 / pl.col("n") + (1 / pl.col("people")).fill_null(0.0))).sqrt()
        levels = groups.with_columns(
            middle=pl.lit(p), below=(p - width).clip(0, 1), above=(p + width).clip(0, 1)
        )
        for name in ("middle", "below", "above"):
            levels = _days_at(levels, dated, keys, name)
        error = (pl.col("above_day") - pl.col("below_day")) / (2 * z)
        levels = levels.with_columns(
            measure=pl.lit(measure), within=pl.when(pl.col("n") > 1).then(error**2)
        )
        rows.append(value_rows(levels, "middle_day", "within"))
    return pl.concat(rows)


def _days_at(levels: pl.DataFrame, dated: pl.DataFrame, keys: list[str], name: str) -> pl.DataFrame:
    """Add the day at a level between 0 and 1, between the two participants it falls between."""
    place = 1 + (pl.col("n") - 1) * pl.col(name)
    wanted = levels.select(*keys, place=place)
    each = dated.join(wanted, on=keys, how="left", maintain_order="left")
    found = each.group_by(keys, maintain_order=True).agg(
        pl.col("place").first(),
        lower=pl.col("day").filter(pl.col("reached") >= pl.col("place").floor()).min(),
        upper=pl.col("day").filter(pl.col("reached") >= pl.col("place").ceil()).min(),
    )
    part = pl.col("place") - pl.col("place").floor()
    day = pl.col("lower") + part * (pl.col("upper") - pl.col("lower"))
    return levels.join(
        found.select(*keys, day.alias(f"{name}_day")), on=keys, how="left", maintain_order="left"
    )
