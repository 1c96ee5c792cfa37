"""Curves with case weights, and the infinitesimal jackknife of any curve."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from stromal.analysis.intervals import Floats
from stromal.analysis.ordered import Ordered, days_as_keys
from stromal.analysis.sort_kernels import order_of
from stromal.analysis.survival_kernels import follow_weighted

__all__ = ["Weighted", "follow_weights"]


@dataclass(frozen=True)
class Weighted:
    """A weighted curve with the infinitesimal jackknife's errors, one element a distinct day.

    Parameters
    ----------
    event_free, incidence
        Probabilities after the day.
    error_free, error
        Their standard errors.
    columns
        `weight_at_risk` and `weight_of_events`, as a `Curve` shows them.
    """

    event_free: Floats
    incidence: Floats
    error_free: Floats
    error: Floats
    columns: dict[str, Floats]


def follow_weights(ordered: Ordered) -> Weighted:
    """Follow survival and incidence with the weights of the participants."""
    entry = ordered.entry
    places = order_of(days_as_keys(entry + 1.0))
    curve = follow_weighted(ordered.day, ordered.status, ordered.weight, entry, places)
    columns = {"weight_at_risk": curve[1], "weight_of_events": curve[2]}
    return Weighted(curve[3], curve[4], np.sqrt(curve[5]), np.sqrt(curve[6]), columns)
