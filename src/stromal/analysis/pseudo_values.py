"""Pseudo-values: one number a participant that stands for an estimate, and regression on them."""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Sequence
from typing import Any, Literal, cast

import numpy as np
import polars as pl

from stromal.analysis.covariates import (
    Covariates,
    Missing,
    References,
    check_varies,
    read_covariates,
)
from stromal.analysis.distributions import check_confidence
from stromal.analysis.influence import Days, arrange_days, differentiate, leave_out
from stromal.analysis.intervals import Floats
from stromal.analysis.models import ModelFit, tabulate_coefficients
from stromal.analysis.ordered import group_times
from stromal.analysis.survival_kernels import Codes
from stromal.core import UsageError
from stromal.endpoints.outcome import TimeToEvent

__all__ = ["PseudoLink", "PseudoMethod", "estimate_pseudo_values", "fit_pseudo_values"]

PseudoMethod = Literal["jackknife", "infinitesimal jackknife"]
PseudoLink = Literal["identity", "log", "log-log"]

_METHODS = ("jackknife", "infinitesimal jackknife")
_LINKS = {"identity": "Identity", "log": "Log", "log-log": "CLogLog"}
_CURVES = ("survival", "restricted mean")
_WIDE = 1e-9  # relative: a day asked for as 0.3 finds the event recorded at 0.1 + 0.2


def estimate_pseudo_values(
    outcomes: TimeToEvent, *, days: tuple[float, ...], of: str, method: PseudoMethod
) -> pl.DataFrame:
    """Give each participant's pseudo-value of an estimate, on each of some days.

    1. The estimate on day t is, by `of`: `survival`, the Kaplan-Meier estimate; `restricted mean`,
       the area under it up to t; `event`, `competing` or a word of the column `cause`, the
       Aalen-Johansen incidence of it, with all else competing.
    2. `jackknife`: n times the estimate less n - 1 times the estimate without the participant.
       Where the others' curve ends before t it goes on at its height.
    3. `infinitesimal jackknife`: the estimate plus n times its derivative in the participant's
       weight. The two differ by the order of 1 / n.
    4. Both are found for all participants together, from sums over the days.

    Parameters
    ----------
    outcomes
        Times to an event, of one group or of all together: censoring must not depend on the
        covariates of a regression.
    days
        Days from the anchor.
    of, method
        They have no default: the analysis names them.

    Returns
    -------
    polars.DataFrame
        One row for each participant (in the order given) and day: `participant_id`, `day`,
        `pseudo_value`. Values are not confined to 0 to 1.

    Raises
    ------
    UsageError
        `of` or `method` is not known, a day is negative or after the last observation (unless
        everybody has had an event), there are competing events but none is asked for, or the
        outcomes have entries or weights.

    References
    ----------
    Andersen, Klein and Rosthoj (2003); Parner, Andersen and Overgaard (2023) for the
    infinitesimal jackknife.
    """
    if method not in _METHODS:
        raise UsageError(f"method {method!r} is not known; choose one of {', '.join(_METHODS)}")
    _check_outcomes(outcomes)
    data, row = _arrange(outcomes, of)
    asked = np.array(days, dtype=np.float64)
    _check_days(data, asked)
    values = np.empty((data.n, asked.size), dtype=np.float64)
    what = of if of in _CURVES else "incidence"
    for column, day in enumerate(asked):
        if method == "jackknife":
            whole, without = leave_out(data, float(day), of=what)
            values[row, column] = data.n * whole - (data.n - 1) * without
        else:
            whole, slope = differentiate(data, float(day), of=what)
            values[row, column] = whole + data.n * slope
    ids = outcomes.frame["participant_id"].cast(pl.String)
    return pl.DataFrame(
        {
            "participant_id": ids.gather(np.repeat(np.arange(data.n), asked.size)),
            "day": np.tile(asked, data.n),
            "pseudo_value": values.ravel(),
        }
    )


def fit_pseudo_values(  # noqa: PLR0913
    outcomes: TimeToEvent,
    *,
    days: tuple[float, ...],
    of: str,
    method: PseudoMethod,
    covariates: Sequence[str],
    link: PseudoLink,
    confidence: float,
    references: References | None = None,
    missing: Missing = "refuse",
) -> ModelFit:
    """Regress an estimate on covariates through its pseudo-values.

    1. What `estimate_pseudo_values` gives, one for each participant and day, are the responses
       of generalised estimating equations with normal variance, working independence and the
       robust (sandwich) covariance, participants as clusters.
    2. Each day has its own intercept: `intercept`, or `intercept day 100` where there are several.
    3. `identity`: coefficients are differences of probabilities or of days. `log`: their
       exponentials are ratios. `log-log`: log(-log(1 - p)), for an incidence; the exponentials
       are subdistribution hazard ratios, if these are constant.

    Parameters
    ----------
    outcomes
        Times to an event with the covariates as columns of numbers.
    days, of, method
        As in `estimate_pseudo_values`.
    covariates, references, missing
        Columns; those of text become one term a value other than the reference
        (`read_covariates`). Who misses one and is left out still counts for the estimate.
    link, confidence
        The scale of the coefficients, and the coverage of their limits.

    Returns
    -------
    ModelFit
        `n` participants, `events` of the kind asked for.

    Raises
    ------
    UsageError
        The link is not known or not one for `of`, a covariate is missing, does not vary or is
        determined by others, or as in `estimate_pseudo_values`.

    References
    ----------
    Andersen, Klein and Rosthoj (2003); Klein and Andersen (2005); Liang and Zeger (1986).
    """
    _check_link(link, of)
    check_confidence(confidence)
    frame = estimate_pseudo_values(outcomes, days=days, of=of, method=method)
    read = read_covariates(outcomes.frame, covariates, references=references, missing=missing)
    check_varies(read, None)
    terms, design = _design(read, days)
    response = frame["pseudo_value"].to_numpy()[np.repeat(read.kept, len(days))]
    cluster = np.repeat(np.arange(int(read.kept.sum())), len(days))
    fitted = _estimate_equations(response, design, cluster, link)
    coefficient = np.asarray(fitted.params, dtype=np.float64)
    covariance = np.asarray(fitted.cov_params(), dtype=np.float64)
    told = f"{of} on {', '.join(f'day {day:g}' for day in days)}, link {link}"
    scales = {"identity": "difference", "log": "ratio", "log-log": "subdistribution hazard ratio"}
    return ModelFit(
        method=f"pseudo-value regression ({method})",
        scale=scales[link],
        ties="",
        variance="robust (sandwich)",
        coefficients=tabulate_coefficients(
            terms,
            coefficient,
            np.sqrt(covariance.diagonal()),
            confidence=confidence,
            logarithms=link != "identity",
        ),
        covariance=covariance,
        n=int(read.kept.sum()),
        events=_count_events(outcomes, of, read),
        confidence=confidence,
        converged=bool(getattr(fitted, "converged", True)),
        note="; ".join(filter(None, (told, read.note))),
    )


def _check_outcomes(outcomes: TimeToEvent) -> None:
    """Refuse what pseudo-values have no theory for here."""
    for column, why in (
        ("entry", "an entry after the anchor (left truncation)"),
        ("case_weight", "case weights"),
    ):
        if column in outcomes.frame.columns:
            raise UsageError(f"pseudo-values are not given with {why}; fit a Cox model instead")
    if outcomes.frame.height < 2:
        raise UsageError("pseudo-values leave one participant out; two or more are needed")


def _arrange(outcomes: TimeToEvent, of: str) -> tuple[Days, Codes]:
    """Count the days, with what is asked for as the event; and say who is who."""
    frame = outcomes.frame.select(
        "participant_id",
        "day",
        _chosen(outcomes.frame, of).alias("status"),
        pl.lit("all").alias("group"),
        pl.int_range(pl.len()).alias("row"),
    ).sort("day", maintain_order=True)
    grouped = group_times(TimeToEvent(frame), by="group", strata=())
    return arrange_days(grouped.day, grouped.status), frame["row"].to_numpy().astype(np.int64)


def _chosen(frame: pl.DataFrame, of: str) -> pl.Expr:
    """Give the status with what is asked for as the event."""
    status = pl.col("status").cast(pl.String)
    if of in _CURVES:
        n = int((frame["status"] == "competing").sum())
        if n:
            raise UsageError(
                f"{of} cannot take the {n} competing events: they are not censoring. Ask for the "
                "incidence of `event`, of `competing` or of a cause"
            )
        return status
    if of in {"event", "competing"}:
        other = pl.when(status == "censored").then(status).otherwise(pl.lit("competing"))
        return pl.when(status == of).then(pl.lit("event")).otherwise(other)
    causes = frame["cause"].drop_nulls().unique().to_list() if "cause" in frame.columns else []
    if of not in causes:
        words = ["survival", "restricted mean", "event", "competing", *sorted(map(str, causes))]
        raise UsageError(f"pseudo-values of {of!r} are not known; choose one of {words}")
    happened = pl.when(pl.col("cause") == of).then(pl.lit("event")).otherwise(pl.lit("competing"))
    return pl.when(status == "censored").then(status).otherwise(happened)


def _count_events(outcomes: TimeToEvent, of: str, read: Covariates) -> int:
    """Count the events of the participants that a regression uses."""
    happened = outcomes.frame.select(_chosen(outcomes.frame, of).alias("status"))["status"]
    return int((happened.filter(pl.Series(read.kept)) == "event").sum())


def _check_days(data: Days, asked: Floats) -> None:
    """Refuse days on which the estimate does not stand."""
    if asked.size == 0 or not (asked >= 0).all() or not np.isfinite(asked).all():
        raise UsageError(f"days are {asked.tolist()}; give one or more, from the anchor on")
    if data.free[-1] > 0 and asked.max() > data.day[-1] * (1 + _WIDE):
        raise UsageError(
            f"day {asked.max():g} is after the last observation, day {data.day[-1]:g}; choose "
            "days that the curve reaches"
        )


def _check_link(link: str, of: str) -> None:
    """Refuse a link that is not known or means nothing for the estimate."""
    if link not in _LINKS:
        raise UsageError(f"link {link!r} is not known; choose one of {', '.join(_LINKS)}")
    if link == "log-log" and of in _CURVES:
        raise UsageError(
            "the link log-log is log(-log(1 - p)) of an incidence; without competing events ask "
            "for the incidence of `event`, which is 1 - survival"
        )


def _design(covariates: Covariates, days: tuple[float, ...]) -> tuple[tuple[str, ...], Floats]:
    """Give the terms and the design: an intercept a day, then the covariates."""
    several = len(days) > 1
    names = tuple(f"intercept day {day:g}" if several else "intercept" for day in days)
    own = np.tile(np.eye(len(days)), (covariates.columns.shape[0], 1))
    design = np.hstack([own, np.repeat(covariates.columns, len(days), axis=0)])
    return (*names, *covariates.terms), design


def _estimate_equations(response: Floats, design: Floats, cluster: Codes, link: str) -> Any:  # noqa: ANN401
    """Solve generalised estimating equations with working independence."""
    models = cast(
        "Any", importlib.import_module("statsmodels.genmod.generalized_estimating_equations")
    )
    families = cast("Any", importlib.import_module("statsmodels.genmod.families"))
    covstruct = cast("Any", importlib.import_module("statsmodels.genmod.cov_struct"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a normal variance with log-log: as intended
        family = families.Gaussian(link=getattr(families.links, _LINKS[link])(), check_link=False)
        model = models.GEE(
            response, design, groups=cluster, family=family, cov_struct=covstruct.Independence()
        )
        return model.fit(maxiter=200, ctol=1e-12, cov_type="robust")
