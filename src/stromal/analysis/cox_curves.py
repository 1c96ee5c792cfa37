"""What a Cox model predicts: the baseline hazard, and the survival of a person described."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import polars as pl

from stromal.analysis.covariates import Missing, References, design_row
from stromal.analysis.cox import Ties, check_ties, fit_model
from stromal.analysis.distributions import check_confidence
from stromal.analysis.estimate import Curve, tabulate_curve
from stromal.analysis.intervals import (
    SURVIVAL_INTERVALS,
    Floats,
    SurvivalInterval,
    bound_probability,
)
from stromal.analysis.model_data import ModelData
from stromal.analysis.survival_library import predict_curves
from stromal.core import UsageError
from stromal.endpoints.outcome import CountingProcess, TimeToEvent

__all__ = ["estimate_baseline_hazard", "predict_survival"]

Value = float | str | bool


def estimate_baseline_hazard(
    outcomes: TimeToEvent | CountingProcess,
    *,
    covariates: Sequence[str],
    ties: Ties,
    strata: Sequence[str] = (),
    references: References | None = None,
    missing: Missing = "refuse",
) -> pl.DataFrame:
    """Estimate the cumulative hazard of a Cox model where every covariate is 0.

    With Efron's ties the hazard is Efron's, otherwise Breslow's (as R's `basehaz` with
    `centered=FALSE`). A text covariate is 0 at its reference. Where 0 is far from the data, as for
    an age, the number is an extrapolation: centre the covariate first.

    Parameters
    ----------
    outcomes, covariates, ties, strata, references, missing
        As in `fit_cox`.

    Returns
    -------
    polars.DataFrame
        The strata's columns, `day`, `cumulative_hazard`, `standard_error`; one row a distinct day.

    Raises
    ------
    UsageError
        As `check_proportional_hazards`.

    References
    ----------
    Breslow (1974); Efron (1977); Tsiatis (1981) for the standard error.
    """
    check_ties(ties, outcomes, None)
    model, fit = fit_model(outcomes, covariates, ties, strata, None, references, missing)
    curves = predict_curves(fit, [0.0] * len(model.covariates.terms))
    frames = [
        pl.DataFrame(
            {
                **dict(zip(strata, level, strict=True)),
                "day": curve["time"],
                "cumulative_hazard": curve["hazard"],
                "standard_error": curve["error"],
            }
        )
        for level, curve in zip(model.strata_levels or ((),), curves, strict=True)
    ]
    return pl.concat(frames)


def predict_survival(  # noqa: PLR0913
    outcomes: TimeToEvent,
    *,
    covariates: Sequence[str],
    ties: Ties,
    at: Mapping[str, Value],
    interval: SurvivalInterval,
    confidence: float,
    strata: Sequence[str] = (),
    references: References | None = None,
    missing: Missing = "refuse",
) -> Curve:
    """Predict the survival of a person with given covariates from a Cox model.

    1. exp(-H), with H the cumulative hazard at the covariates. Its standard error allows for both
       the baseline's and the coefficients' uncertainty (Tsiatis 1981).
    2. The counts of the curve are those of everybody the baseline rests on: the stratum.

    Parameters
    ----------
    outcomes, covariates, ties, strata, references, missing
        As in `fit_cox`.
    at
        A value of every covariate, and of every column of the strata.
    interval, confidence
        Construction and coverage of the pointwise intervals.

    Returns
    -------
    Curve
        With the method `Cox model`.

    Raises
    ------
    UsageError
        There are competing events (the survival of a cause-specific hazard is no probability), the
        outcomes are periods (covariates that change have no curve of their own), a value is
        missing, or as `check_proportional_hazards`.
    """
    _check_prediction(outcomes, interval, at, strata)
    check_confidence(confidence)
    check_ties(ties, outcomes, None)
    model, fit = fit_model(outcomes, covariates, ties, strata, None, references, missing)
    which, mine = _stratum(model, at, strata)
    curve = predict_curves(fit, design_row(model.covariates, at).tolist())[which]
    survival = np.exp(-curve["hazard"])
    error = survival * curve["error"]
    low, high = bound_probability(survival, error, interval=interval, confidence=confidence)
    days, counts = _count_days(mine)
    place = np.searchsorted(curve["time"], days * (1 + 1e-12), side="right") - 1
    columns = {
        "event_free": survival,
        "estimate": survival,
        "standard_error": error,
        "low": low,
        "high": high,
    }
    first = {"event_free": 1.0, "estimate": 1.0, "standard_error": 0.0, "low": 1.0, "high": 1.0}
    drawn = {
        name: np.where(place >= 0, values[np.maximum(place, 0)], first[name])
        for name, values in columns.items()
    }
    return Curve(
        method="Cox model",
        variance="Tsiatis" if model.data.cluster is None else "robust (sandwich)",
        interval=interval,
        confidence=confidence,
        n=mine.height,
        events=int(counts[:, 1].sum()),
        frame=tabulate_curve(days, counts, drawn),
        last_day=float(days[-1]),
    )


def _check_prediction(
    outcomes: TimeToEvent, interval: str, at: Mapping[str, Value], strata: Sequence[str]
) -> None:
    """Refuse what has no survival curve."""
    if not isinstance(outcomes, TimeToEvent):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise UsageError(
            "a survival is predicted from times to an event; covariates that change need a path of "
            "their own, which the future does not give"
        )
    if interval not in SURVIVAL_INTERVALS:
        raise UsageError(
            f"interval {interval!r} is not known; choose one of {', '.join(SURVIVAL_INTERVALS)}"
        )
    n = int((outcomes.frame["status"] == "competing").sum())
    if n:
        raise UsageError(
            f"there are {n} competing events: the survival of a cause-specific hazard is no "
            "probability. Use fit_fine_gray, or estimate_baseline_hazard for the hazard itself"
        )
    absent = [name for name in strata if name not in at]
    if absent:
        raise UsageError(f"no value is given for the strata {', '.join(absent)}")


def _stratum(
    model: ModelData, at: Mapping[str, Value], strata: Sequence[str]
) -> tuple[int, pl.DataFrame]:
    """Find the stratum asked for, and its rows."""
    if model.data.strata is None:
        return 0, model.frame
    asked = tuple(str(at[name]) for name in strata)
    if asked not in model.strata_levels:
        known = "; ".join(", ".join(level) for level in model.strata_levels)
        raise UsageError(f"there is no stratum {', '.join(asked)}; there are {known}")
    code = model.strata_levels.index(asked)
    return code, model.frame.filter(pl.Series(model.data.strata == code))


def _count_days(
    frame: pl.DataFrame,
) -> tuple[Floats, np.ndarray[tuple[int, int], np.dtype[np.int64]]]:
    """Count, for each distinct day, who is at risk, has the event or is censored."""
    day = frame["day"].cast(pl.Float64).to_numpy()
    entry = frame["entry"].cast(pl.Float64).to_numpy() if "entry" in frame.columns else None
    days, place = np.unique(day, return_inverse=True)
    event = (frame["status"] == "event").to_numpy()
    events = np.bincount(place, weights=event, minlength=days.size)
    here = np.bincount(place, minlength=days.size)
    at_risk = here[::-1].cumsum()[::-1].astype(np.float64)
    if entry is not None:
        at_risk -= entry.size - np.searchsorted(np.sort(entry), days, side="left")
    counts = np.column_stack((at_risk, events, np.zeros(days.size), here - events))
    return days, counts.astype(np.int64)
