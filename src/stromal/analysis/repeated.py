"""Measurements that are repeated: change from baseline at visits, and a random-effects model.

No MMRM is offered: a mixed model for repeated measures has an unstructured covariance of the visits
and small-sample degrees of freedom, which the random-effects model here has not.
"""

from __future__ import annotations

import importlib
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, cast

import numpy as np
import polars as pl

from stromal.analysis.covariates import Missing, References, check_varies, read_covariates
from stromal.analysis.distributions import check_confidence
from stromal.analysis.intervals import Floats
from stromal.analysis.models import ModelFit, tabulate_coefficients
from stromal.core import UsageError

__all__ = ["RandomEffects", "Several", "fit_random_effects", "summarize_change"]

Several = Literal["first", "last", "mean"]
RandomEffects = Literal["random intercept", "random intercept and slope"]

_METHOD = "random-effects model"
_SINGULAR = 1e-5  # smallest eigenvalue of the random effects, relative to the residual variance
_NO_ERROR = 1e-20  # residual variance, relative to that of the response
_STARTS = (0.1, 0.5, 1.0, 3.0)  # standard deviation of random effects, relative to the errors'


def summarize_change(
    measurements: pl.DataFrame,
    participants: pl.DataFrame,
    *,
    baseline: tuple[float, float],
    visits: Mapping[str, tuple[float, float]],
    several: Several,
    confidence: float,
    by: str = "arm",
) -> pl.DataFrame:
    """Describe the change of a measurement from baseline at visits, by arm.

    1. The baseline and a visit are windows of days, both ends included. Values of one day are
       averaged; of several days in a window the first, the last, or the mean of all stands.
    2. The change is the visit's value minus the baseline. Nothing is carried forward.
    3. Who has no change is counted by reason: `no_baseline`; else `dead` (died on or before the
       window's last day); else `left` (last observed before that day); else `missing`. With those
       `measured` they add up to `n`.
    4. The interval of the mean is Student's, from two values on. It speaks of those who were
       measured, alive and able to come: say so beside it.

    Parameters
    ----------
    measurements
        `participant_id`, `day`, `value`; a value may be null (then it was not measured).
    participants
        `participant_id`, the column `by`; optionally `death_day` and `last_day` (the last day
        observed), null where there is none.
    baseline, visits
        First and last day of each window; visits by name, in the order of the result.
    several
        Which of several days in a window. No default: it changes the numbers.
    confidence
        Coverage of the interval of the mean.
    by
        Column of the arms.

    Returns
    -------
    polars.DataFrame
        One row an arm and visit: `by`, `visit`, `first_day`, `last_day`, `n`, `no_baseline`,
        `measured`, `dead`, `left`, `missing`, `baseline_mean` (of those measured), `mean`, `sd`,
        `standard_error`, `median`, `low`, `high` of the change. Null where it cannot be estimated.

    Raises
    ------
    UsageError
        A column is missing, a participant stands twice or is not known, a day or value is not
        finite, or a window ends before it begins.
    """
    check_confidence(confidence)
    values = _values(measurements, participants, several, by)
    windows = {"baseline": baseline, **visits}
    if len(windows) != len(visits) + 1:
        raise UsageError("a visit is called `baseline`; give it another name")
    for name, (first, last) in windows.items():
        if not first <= last:
            raise UsageError(f"the window of {name} goes from {first:g} to {last:g}; turn it round")
    people = _people(participants, by)
    begun = people.join(_inside(values, baseline, several, "base"), on="participant_id", how="left")
    parts: list[pl.DataFrame] = []
    for order, (name, window) in enumerate(visits.items()):
        seen = _inside(values, window, several, "then")
        table = begun.join(seen, on="participant_id", how="left").with_columns(
            change=pl.col("then") - pl.col("base")
        )
        parts.append(_described(table, by, window).with_columns(visit=pl.lit(name), order=order))
    whole = _with_limits(pl.concat(parts), confidence)
    return whole.sort(by, "order").select(
        by,
        "visit",
        "first_day",
        "last_day",
        "n",
        "no_baseline",
        "measured",
        "dead",
        "left",
        "missing",
        "baseline_mean",
        "mean",
        "sd",
        "standard_error",
        "median",
        "low",
        "high",
    )


def fit_random_effects(  # noqa: PLR0913
    measurements: pl.DataFrame,
    *,
    by: str | None,
    random: RandomEffects,
    confidence: float,
    covariates: tuple[str, ...] = (),
    response: str = "value",
    time: str = "day",
    references: References | None = None,
    missing: Missing = "refuse",
) -> ModelFit:
    """Fit a random-effects model of a measurement over time.

    1. The response is linear in time, with an intercept and a slope of each arm (`by`), the
       covariates, a normal random intercept of each participant, with `random intercept and slope`
       also a random slope (correlated with it), and independent normal errors.
    2. Restricted maximum likelihood (Laird and Ware 1982), in time centred and scaled and from
       several starting points, of which the best is taken; told in the units given. The
       covariance of the coefficients is the inverse of X' V^-1 X, as in nlme and lme4.
    3. Limits and p are Wald's and normal: with few participants they are too narrow (there is no
       Satterthwaite or Kenward-Roger correction). The model holds where values are missing at
       random given those measured; the slope is that of a participant who lives on.
    4. A fit at the edge (a random variance of 0, a correlation of 1) is told in the note, and one
       that has not converged; `converged` is false for the latter.

    Parameters
    ----------
    measurements
        One row a measurement: `participant_id`, the columns `response`, `time`, `by` and
        `covariates`. Rows without response are left out, which the note tells.
    by
        Column of the arms, or `None` for one arm.
    random, confidence
        As above; no default.
    covariates
        Further columns, with one coefficient each; values at baseline.
    references, missing
        As in `read_covariates`.

    Returns
    -------
    ModelFit
        `scale` is `difference`; terms: intercept, the time (slope of the reference arm), arms,
        `arm x time` (difference of slopes), covariates. `n` participants, `events` measurements.
        The note has the standard deviations of the random effects.

    Raises
    ------
    UsageError
        A column is missing or not numeric, or there are too few participants or measurements.

    References
    ----------
    Laird and Ware (1982).
    """
    check_confidence(confidence)
    if random not in {"random intercept", "random intercept and slope"}:
        raise UsageError(
            f"random is {random!r}; choose `random intercept` or `random intercept and slope`"
        )
    table, dropped = _measured(measurements, response, time)
    data = _design(table, by, time, covariates, references, missing)
    fit = _fit(data, table[response].cast(pl.Float64).to_numpy()[data.kept], random)
    terms = data.terms
    errors = np.sqrt(np.diag(fit.covariance))
    return ModelFit(
        method=_METHOD,
        scale="difference",
        ties="",
        variance="model-based (restricted maximum likelihood)",
        coefficients=tabulate_coefficients(
            terms, fit.coefficient, errors, confidence=confidence, logarithms=False
        ),
        covariance=fit.covariance,
        n=data.people,
        events=int(data.kept.sum()),
        confidence=confidence,
        converged=bool(fit.converged),
        note="; ".join(filter(None, (random, fit.note, dropped, data.note))),
    )


def _people(participants: pl.DataFrame, by: str) -> pl.DataFrame:
    """Give participants with the days of death and of last observation."""
    for name in ("participant_id", by):
        if name not in participants.columns:
            raise UsageError(f"the participants have no column {name!r}")
        if participants[name].is_null().any():
            raise UsageError(f"a participant has no {name!r}; give it to all")
    if participants["participant_id"].is_duplicated().any():
        raise UsageError("a participant stands twice; one row a participant is expected")
    extra = [
        (pl.col(name) if name in participants.columns else pl.lit(None))
        .cast(pl.Float64)
        .alias(name)
        for name in ("death_day", "last_day")
    ]
    return participants.select("participant_id", by, *extra)


def _values(
    measurements: pl.DataFrame, participants: pl.DataFrame, several: str, by: str
) -> pl.DataFrame:
    """Give one value a participant and day."""
    if several not in {"first", "last", "mean"}:
        raise UsageError(f"several is {several!r}; choose `first`, `last` or `mean`")
    for name in ("participant_id", "day", "value"):
        if name not in measurements.columns:
            raise UsageError(f"the measurements have no column {name!r}")
    known = _people(participants, by)["participant_id"]
    stray = measurements.filter(~pl.col("participant_id").is_in(known.to_list()))
    if not stray.is_empty():
        raise UsageError(
            f"participant {stray['participant_id'][0]} has measurements and is none of the "
            "participants; leave the rows out or add the participant"
        )
    there = measurements.filter(pl.col("value").is_not_null()).select(
        "participant_id", pl.col("day", "value").cast(pl.Float64)
    )
    finite = there.select(pl.col("day", "value").is_finite().all()).row(0)
    if there["day"].is_null().any() or not all(finite):
        raise UsageError("a day or a value of a measurement is missing or not finite")
    return there.group_by("participant_id", "day").agg(pl.col("value").mean())


def _inside(
    values: pl.DataFrame, window: tuple[float, float], several: str, name: str
) -> pl.DataFrame:
    """Give each participant's value in a window."""
    rows = values.filter(pl.col("day").is_between(*window)).sort("day")
    chosen = {
        "first": pl.col("value").first(),
        "last": pl.col("value").last(),
        "mean": pl.col("value").mean(),
    }[several]
    return rows.group_by("participant_id", maintain_order=True).agg(chosen.alias(name))


def _described(table: pl.DataFrame, by: str, window: tuple[float, float]) -> pl.DataFrame:
    """Count and describe the changes at one visit."""
    first, last = window
    based, measured = pl.col("base").is_not_null(), pl.col("change").is_not_null()
    open_ = based & ~measured
    dead = (pl.col("death_day") <= last).fill_null(value=False)
    left = (pl.col("last_day") < last).fill_null(value=False)
    change = pl.col("change")
    return table.group_by(by).agg(
        first_day=pl.lit(float(first)),
        last_day=pl.lit(float(last)),
        n=pl.len().cast(pl.Int64),
        no_baseline=(~based).sum().cast(pl.Int64),
        measured=measured.sum().cast(pl.Int64),
        dead=(open_ & dead).sum().cast(pl.Int64),
        left=(open_ & ~dead & left).sum().cast(pl.Int64),
        missing=(open_ & ~dead & ~left).sum().cast(pl.Int64),
        baseline_mean=pl.col("base").filter(measured).mean(),
        mean=change.mean(),
        sd=change.std(),
        median=change.median(),
    )


def _with_limits(table: pl.DataFrame, confidence: float) -> pl.DataFrame:
    """Add the standard error and Student's limits of the mean."""
    special = cast("Any", importlib.import_module("scipy.special"))
    n = table["measured"].cast(pl.Float64).to_numpy()
    df = np.where(n > 1, n - 1, np.nan)
    quantile = np.asarray(special.stdtrit(df, (1 + confidence) / 2), dtype=np.float64)
    half = pl.Series(quantile, nan_to_null=True) * pl.col("standard_error")
    return table.with_columns(
        standard_error=pl.col("sd") / pl.col("measured").cast(pl.Float64).sqrt()
    ).with_columns(low=pl.col("mean") - half, high=pl.col("mean") + half)


@dataclass(frozen=True)
class _Design:
    """The columns of the model, with time centred and scaled."""

    terms: tuple[str, ...]
    columns: Floats
    back: Floats  # takes coefficients of these columns to those of the terms
    time: Floats
    center: float
    spread: float
    group: Floats
    kept: Any
    people: int
    note: str


@dataclass(frozen=True)
class _Fit:
    coefficient: Floats
    covariance: Floats
    converged: bool
    note: str


def _measured(measurements: pl.DataFrame, response: str, time: str) -> tuple[pl.DataFrame, str]:
    """Leave out rows without a response."""
    for name in ("participant_id", response, time):
        if name not in measurements.columns:
            raise UsageError(f"the measurements have no column {name!r}")
    table = measurements.filter(pl.col(response).is_not_null())
    for name in (response, time):
        numbers = table[name].cast(pl.Float64)
        if numbers.is_null().any() or not numbers.is_finite().all():
            raise UsageError(f"{name!r} is missing or not finite for a measurement")
    out = measurements.height - table.height
    return table, f"{out} rows without {response} left out" if out else ""


def _design(
    table: pl.DataFrame,
    by: str | None,
    time: str,
    covariates: tuple[str, ...],
    references: References | None,
    missing: Missing,
) -> _Design:
    """Make the columns: intercept, time, arms, arms x time, covariates."""
    names = (*((by,) if by is not None else ()), *covariates)
    kept = np.ones(table.height, dtype=np.bool_)
    extra, labels, arms, note = np.empty((table.height, 0)), (), 0, ""
    if names:
        chosen = read_covariates(table, names, references=references, missing=missing)
        check_varies(chosen, None)
        kept, extra, labels, note = chosen.kept, chosen.columns, chosen.terms, chosen.note
        arms = len(chosen.levels.get(by or "", ("",))) - 1
        if by is not None and by not in chosen.levels:
            raise UsageError(f"{by!r} is a number; give the arms names")
    days = table[time].cast(pl.Float64).to_numpy()[kept]
    people = table.filter(pl.Series(kept))["participant_id"]
    sizes = people.value_counts()["count"]
    if people.n_unique() < 2 or not (sizes > 1).any() or np.unique(days).size < 2:
        raise UsageError(
            "a random-effects model needs two participants, one of them measured twice, on "
            "different days"
        )
    center, spread = float(days.mean()), float(days.std())
    scaled = ((days - center) / spread)[:, None]
    one = np.ones((days.size, 1))
    columns = np.column_stack(
        (one, scaled, extra[:, :arms], extra[:, :arms] * scaled, extra[:, arms:])
    )
    if days.size <= columns.shape[1] + 1:
        raise UsageError(f"{days.size} measurements are too few for {columns.shape[1]} terms")
    back = np.eye(columns.shape[1])
    for level, slope in [(0, 1), *((2 + i, 2 + arms + i) for i in range(arms))]:
        back[slope, slope], back[level, slope] = 1 / spread, -center / spread
    crossed = tuple(f"{label} x {time}" for label in labels[:arms])
    terms = ("intercept", time, *labels[:arms], *crossed, *labels[arms:])
    group = people.rank("dense").to_numpy().astype(np.float64)
    return _Design(
        terms, columns, back, scaled[:, 0], center, spread, group, kept, people.n_unique(), note
    )


def _fit(data: _Design, response: Floats, random: RandomEffects) -> _Fit:
    """Fit by restricted maximum likelihood, and take the numbers back to the units given."""
    mean, unit = float(response.mean()), float(response.std()) or 1.0
    effects = np.ones((response.size, 1))
    if random != "random intercept":
        effects = np.column_stack((effects, data.time))
    sums = _sum_groups(data, (response - mean) / unit, effects)

    def deviance(packed: Floats) -> float:
        return _profile(sums, _triangle(packed, effects.shape[1])).deviance

    optimize = cast("Any", importlib.import_module("scipy.optimize"))
    size = effects.shape[1]
    tries = [
        optimize.minimize(
            deviance,
            [scale if i == j else 0.0 for i in range(size) for j in range(i + 1)],
            method="Nelder-Mead",
            options={"xatol": 1e-9, "fatol": 1e-12, "maxiter": 5000, "maxfev": 5000},
        )
        for scale in _STARTS
    ]
    best = min(tries, key=lambda one: float(one.fun))
    converged = bool(best.success) and sum(one.fun < best.fun + 1e-6 for one in tries) > 1
    root = _triangle(best.x, size)
    found = _profile(sums, root)
    if found.scale <= _NO_ERROR:
        raise UsageError("the measurements lie on the lines exactly: there is no error to fit")
    turn = np.array([[1.0, -data.center / data.spread], [0.0, 1 / data.spread]])[:size, :size]
    between = turn @ root @ root.T @ turn.T * found.scale * unit**2
    shift = np.zeros(found.coefficient.size)
    shift[0] = mean
    degrees = response.size - found.coefficient.size
    likelihood = (
        -found.deviance / 2 - degrees * math.log(unit) + float(np.linalg.slogdet(data.back)[1])
    )
    note = _spreads(between, found.scale * unit**2) + (
        f"; restricted log-likelihood {likelihood:.8g}"
    )
    if float(np.linalg.eigvalsh(root @ root.T).min()) < _SINGULAR:
        note += (
            "; the fit is singular: a random effect has no variance of its own, so a simpler "
            "model says the same"
        )
    if not converged:
        note += "; the fit has not converged: do not use its numbers"
    covariance = data.back @ found.covariance @ data.back.T * unit**2
    return _Fit(data.back @ (found.coefficient * unit) + shift, covariance, converged, note)


@dataclass(frozen=True)
class _Sums:
    """Cross-products of each participant's columns: all that the likelihood needs."""

    inner: Floats  # Z'Z of each participant
    outer: Floats  # Z'[X y] of each participant
    whole: Floats  # [X y]'[X y] of all
    rows: int


@dataclass(frozen=True)
class _Profile:
    """The fit at given random effects."""

    deviance: float
    coefficient: Floats
    covariance: Floats
    scale: float


def _sum_groups(data: _Design, response: Floats, effects: Floats) -> _Sums:
    """Add up the cross-products of each participant."""
    joined = np.column_stack((data.columns, response))
    group = data.group.astype(np.int64) - 1
    inner = np.zeros((data.people, effects.shape[1], effects.shape[1]))
    outer = np.zeros((data.people, effects.shape[1], joined.shape[1]))
    np.add.at(inner, group, effects[:, :, None] * effects[:, None, :])
    np.add.at(outer, group, effects[:, :, None] * joined[:, None, :])
    return _Sums(inner, outer, joined.T @ joined, response.size)


def _triangle(packed: Floats, size: int) -> Floats:
    """Give the root of the covariance of the random effects, relative to the errors' variance."""
    root = np.zeros((size, size))
    root[np.tril_indices(size)] = packed
    return root


def _profile(sums: _Sums, root: Floats) -> _Profile:
    """Give -2 times the restricted log-likelihood, coefficients and variance profiled out."""
    middle = np.eye(root.shape[0]) + root.T @ sums.inner @ root
    outer = root.T @ sums.outer
    product = np.linalg.solve(middle, outer)
    cross = sums.whole - np.einsum("ikp,ikq->pq", outer, product)
    fixed = cross[:-1, :-1]
    inverse = np.asarray(np.linalg.inv(fixed), dtype=np.float64)
    coefficient = inverse @ cross[:-1, -1]
    degrees = sums.rows - coefficient.size
    scale = max(float(cross[-1, -1] - cross[:-1, -1] @ coefficient), 1e-300) / degrees
    logs = float(np.linalg.slogdet(middle)[1].sum()) + float(np.linalg.slogdet(fixed)[1])
    deviance = degrees * (1 + math.log(2 * math.pi * scale)) + logs
    return _Profile(deviance, coefficient, inverse * scale, scale)


def _spreads(between: Floats, residual: float) -> str:
    """Tell the standard deviations of the random effects and of the errors."""
    deviations = np.sqrt(np.maximum(np.diag(between), 0.0))
    parts = [f"standard deviations: intercept {deviations[0]:.6g}"]
    if deviations.size > 1:
        parts.append(f"slope {deviations[1]:.6g}")
        if deviations.min() > 0:
            parts.append(f"their correlation {between[0, 1] / deviations.prod():.4g}")
    return ", ".join([*parts, f"residual {math.sqrt(residual):.6g}"])
