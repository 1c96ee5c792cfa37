"""The cumulative hazard by Nelson and Aalen."""

from __future__ import annotations

import numpy as np
import polars as pl

from stromal.analysis.estimate import Curve
from stromal.core import UsageError

__all__ = ["estimate_cumulative_hazard"]


def estimate_cumulative_hazard(curve: Curve) -> pl.DataFrame:
    """Estimate the cumulative hazard of the participants of a Kaplan-Meier curve.

    1. On each day with d events among Y at risk it grows by d / Y (Nelson and Aalen).
    2. Its variance grows by d / Y^2 (Aalen's, as in the R package survival).

    Parameters
    ----------
    curve
        A survival curve of `estimate_survival`, without case weights.

    Returns
    -------
    polars.DataFrame
        One row for each day of the curve: `day`, `at_risk`, `events`, `estimate`,
        `standard_error`.

    Raises
    ------
    UsageError
        The curve is not a Kaplan-Meier curve with Greenwood's variance.

    References
    ----------
    Aalen (1978), Ann Stat 6(4):701-726.
    """
    if curve.method != "Kaplan-Meier" or curve.variance != "Greenwood":
        raise UsageError(
            f"a cumulative hazard is taken from a Kaplan-Meier curve with Greenwood's variance, "
            f"this is {curve.method} with {curve.variance}"
        )
    at_risk = curve.frame["at_risk"].cast(pl.Float64).to_numpy()
    events = curve.frame["events"].cast(pl.Float64).to_numpy()
    return curve.frame.select("day", "at_risk", "events").with_columns(
        pl.Series("estimate", np.cumsum(events / at_risk)),
        pl.Series("standard_error", np.sqrt(np.cumsum(events / at_risk**2))),
    )
