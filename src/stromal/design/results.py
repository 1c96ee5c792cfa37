"""Operating characteristics as they are handed on: figures by cell, arm, truth and endpoint."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import polars as pl

from stromal.design.decision import Decidable, Decision, name_curve
from stromal.design.monte_carlo import MONTE_CARLO_CONFIDENCE, Figure
from stromal.protocol.analyses import ProportionAnalysis

__all__ = [
    "ArmFigures",
    "Cell",
    "EndpointFigures",
    "OperatingCharacteristics",
    "StatusFigures",
    "ThreeRates",
    "TruthFigures",
]


@dataclass(frozen=True)
class TruthFigures:
    """How the reported estimate of an arm compares with one truth.

    Parameters
    ----------
    truth
        `latent` (the rule on the true daily counts of the same course) or `measured daily` (the
        same people drawn daily, none missed).
    rate
        The truth.
    bias
        Mean reported estimate less the truth of the same parameter set.
    coverage
        Share of trials whose interval holds the truth of the same parameter set.
    """

    truth: str
    rate: Figure
    bias: Figure
    coverage: Figure


@dataclass(frozen=True)
class ArmFigures:
    """One arm of a cell.

    Parameters
    ----------
    arm
        Its name.
    success_rate
        Successes of those analysed; of a time to an event the mean estimate on the first day of
        the analysis.
    analysed, enrolled
        Participants a trial.
    without_estimate
        Trials in which nobody was analysed, or whose curve does not reach the day; they are in no
        bias and no coverage.
    truths
        The estimate against each truth.
    """

    arm: str
    success_rate: Figure
    analysed: Figure
    enrolled: Figure
    without_estimate: int
    truths: tuple[TruthFigures, ...]


@dataclass(frozen=True)
class StatusFigures:
    """One status of an endpoint.

    Parameters
    ----------
    status
        The status or level.
    share
        Of all participants of the arm.
    lower_quartile, median, upper_quartile
        Days from the endpoint's anchor, of those with the status; `None` where it has no day.
    """

    status: str
    share: Figure
    lower_quartile: Figure | None
    median: Figure | None
    upper_quartile: Figure | None


@dataclass(frozen=True)
class EndpointFigures:
    """One endpoint in one arm: its statuses, in alphabetical order."""

    endpoint: str
    arm: str
    statuses: tuple[StatusFigures, ...]


@dataclass(frozen=True)
class Cell:
    """One scenario under one variant of the protocol.

    Parameters
    ----------
    scenario, variant, trials, parameter_sets
        Which, and how many were simulated.
    undecidable
        Trials in which an arm of the decision had nobody analysed, or a test of a time to an event
        cannot be computed; they do not reject.
    rejecting
        Share of trials that reject: the power, or under `null` the actual alpha.
    rejecting_in_favour
        Of a two-sided test the share that reject upwards (a higher rate, more events, than p0 or
        the control), otherwise `None`.
    nominal_alpha
        Probability that the rule rejects at p0 (two arms: at the control's null rate in both; of
        a time to an event: alpha, which an asymptotic test keeps in large trials).
    enrolled, screened, duration_days
        Participants; transplants looked at for each; days from the first enrolment to the last
        planned contact.
    arms, endpoints
        In alphabetical order.
    """

    scenario: str
    variant: str
    trials: int
    parameter_sets: int
    undecidable: int
    rejecting: Figure
    rejecting_in_favour: Figure | None
    nominal_alpha: Figure
    enrolled: Figure
    screened: Figure
    duration_days: Figure
    arms: tuple[ArmFigures, ...]
    endpoints: tuple[EndpointFigures, ...]


@dataclass(frozen=True)
class ThreeRates:
    """Three rates of a variant without an effect of MSC that are not the same.

    Parameters
    ----------
    variant
        The variant of the protocol.
    null_rate
        q: success rate as measured, of the one arm or of the control arm.
    nominal_alpha
        Probability of rejecting at `nominal_at`.
    nominal_at
        p0; `None` for two arms, where it is q of each parameter set (of a time to an event:
        alpha whatever q is).
    actual_alpha
        Share of null trials that reject.
    """

    variant: str
    null_rate: Figure
    nominal_alpha: Figure
    nominal_at: float | None
    actual_alpha: Figure


@dataclass(frozen=True)
class OperatingCharacteristics:
    """What many virtual trials show.

    Parameters
    ----------
    decision
        The rule.
    analysis
        The estimate that is reported, with its interval.
    critical_numbers
        The rule over the numbers analysed that occurred (see `critical_numbers`); `None` for two
        arms.
    rates
        One a variant.
    cells
        One a scenario and variant.
    table
        The same figures as one flat table (`TABLE_SCHEMA`), for CSV or Parquet.
    statements
        What must be read with the numbers. The first is `EFFECT_IS_ASSUMED`.
    """

    decision: Decision
    analysis: Decidable
    critical_numbers: pl.DataFrame | None
    rates: tuple[ThreeRates, ...]
    cells: tuple[Cell, ...]
    table: pl.DataFrame
    statements: tuple[str, ...]

    @property
    def rate_name(self) -> str:
        """What `success_rate` is: a success rate, or a curve on a day."""
        if isinstance(self.analysis, ProportionAnalysis):
            return "Success rate"
        return name_curve(self.analysis.estimate, self.analysis.at[0])

    def cell(self, scenario: str, variant: str) -> Cell:
        """Give the cell of a scenario and a variant."""
        return next(c for c in self.cells if (c.scenario, c.variant) == (scenario, variant))

    def to_json(self) -> dict[str, Any]:
        """Give all but the table as plain JSON: no NaN, what is unknown is null.

        ::

            {"statements": [text, ...],
             "decision": {"analysis", "test": "binomial" | "fisher" | "log-rank" | "gray", "p0",
                          "alpha", "side": "greater" | "less" | "two-sided", "control",
                          "experimental"},
             "analysis": {"estimate": "proportion" | "survival" | "cumulative incidence", "label",
                          "endpoint", "of": [level, ...], "day": number | null, "set",
                          "interval", "confidence"},
             "monte_carlo_confidence": 0.95,
             "critical_numbers": null |
                 [{"n", "rejects_from", "rejects_up_to", "nominal_alpha"}, ...],
             "rates": [{"variant", "null_rate": FIGURE, "nominal_alpha": FIGURE,
                        "nominal_at": number | null, "actual_alpha": FIGURE}, ...],
             "cells": [{"scenario", "variant", "trials", "parameter_sets", "undecidable",
                        "rejecting": FIGURE, "rejecting_in_favour": FIGURE | null,
                        "nominal_alpha": FIGURE, "enrolled": FIGURE, "screened": FIGURE,
                        "duration_days": FIGURE,
                        "arms": [{"arm", "success_rate": FIGURE, "analysed": FIGURE,
                                  "enrolled": FIGURE, "without_estimate",
                                  "truths": [{"truth", "rate": FIGURE, "bias": FIGURE,
                                              "coverage": FIGURE}, ...]}, ...],
                        "endpoints": [{"endpoint", "arm", "statuses":
                            [{"status", "share": FIGURE, "lower_quartile": FIGURE | null,
                              "median": FIGURE | null, "upper_quartile": FIGURE | null},
                             ...]}, ...]}, ...]}

        FIGURE is `{"value", "se", "low", "high", "sets", "spread"}`, numbers or null, and the
        spread null or `{"sd", "observed_sd", "p5", "p95"}`.
        """
        described = ("estimate", "label", "endpoint", "set", "interval", "confidence")
        numbers = self.critical_numbers
        return {
            "statements": list(self.statements),
            "decision": self.decision.model_dump(mode="json"),
            "analysis": {k: getattr(self.analysis, k) for k in described} | self._counted(),
            "monte_carlo_confidence": MONTE_CARLO_CONFIDENCE,
            "critical_numbers": None if numbers is None else numbers.to_dicts(),
            "rates": [_plain(asdict(rates)) for rates in self.rates],
            "cells": [_plain(asdict(cell)) for cell in self.cells],
        }

    def _counted(self) -> dict[str, Any]:
        """Give the levels that count, and of a curve the day."""
        if isinstance(self.analysis, ProportionAnalysis):
            return {"of": list(self.analysis.of), "day": None}
        return {"of": ["event"], "day": self.analysis.at[0]}


def _plain(value: Any) -> Any:  # noqa: ANN401 (JSON)
    """Give lists for tuples, all the way down."""
    if isinstance(value, dict):
        return {key: _plain(v) for key, v in value.items()}  # pyright: ignore[reportUnknownVariableType]
    if isinstance(value, tuple | list):
        return [_plain(v) for v in value]  # pyright: ignore[reportUnknownVariableType]
    return value
