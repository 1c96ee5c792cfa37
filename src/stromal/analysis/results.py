"""What `analyze` hands to `report`: the protocol's analyses with their numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import polars as pl

from stromal.analysis.estimate import Comparison, Curve, Estimate
from stromal.analysis.rates import Rate, TimeInState
from stromal.analysis.summaries import Summary
from stromal.core import Source

__all__ = ["Bound", "Group", "Printed", "Range", "Result", "Results", "Withheld"]


@dataclass(frozen=True)
class Bound:
    """A time to event with the earliest, or the latest, possible days in place of those derived.

    Parameters
    ----------
    days
        `low` or `high`; see `stromal.endpoints.bounded.bounded_times`.
    curve
        The curve of these days.
    estimates
        Its values at the days the analysis names.
    median
        The median time, for a survival.
    """

    days: Literal["low", "high"]
    curve: Curve
    estimates: tuple[Estimate, ...]
    median: Estimate | None = None


@dataclass(frozen=True)
class Group:
    """One arm (or other group, or all participants) in one analysis.

    Parameters
    ----------
    id, label
        The arm's id and its label in the protocol; `all` where the analysis has no `by`.
    n
        Participants of the group in the analysis set that have a result.
    levels
        Participants by level or status of the endpoint.
    estimates
        A proportion, or the curve's values at the days the analysis names.
    curve
        The curve, for a time to event.
    median
        The median time, for a time to event.
    summary
        For a summary: median, quartiles, range.
    values
        For a summary of at most twenty numbers: the numbers, in order.
    bounds
        For a time to event whose analysis asks for them: the low and the high days.
    rate
        For a summary of a count `per` a time: events of the group over the days observed.
    time_in_state
        For a summary of the time in a state: days in it, of the days of which that is known.
    """

    id: str
    label: str
    n: int
    levels: dict[str, int]
    estimates: tuple[Estimate, ...] = ()
    curve: Curve | None = None
    median: Estimate | None = None
    summary: Summary | None = None
    values: tuple[float, ...] = ()
    bounds: tuple[Bound, ...] = ()
    rate: Rate | None = None
    time_in_state: TimeInState | None = None


@dataclass(frozen=True)
class Range:
    """A statistic that the data do not determine: its range over all consistent data sets."""

    statistic: str
    low: float
    high: float
    over: str


@dataclass(frozen=True)
class Withheld:
    """Something that is not shown, and why."""

    what: str
    why: str


@dataclass(frozen=True)
class Result:
    """One analysis of the protocol.

    Parameters
    ----------
    id, label, role, kind
        The analysis as the protocol names it; `kind` is its `estimate`.
    endpoint, endpoint_label
        The endpoint; empty for a summary of something else.
    definition
        The endpoint's definition in words.
    sources
        Where the definition comes from.
    set, set_label
        The analysis set.
    groups, comparisons
        The numbers.
    excluded
        `participant_id`, `reason`: who is not in the analysis, of those in the trial.
    ranges, withheld
        For a reconstruction: what only has a range, and what is not shown.
    note
        What a reader must know.
    """

    id: str
    label: str
    role: str
    kind: str
    endpoint: str
    endpoint_label: str
    definition: str
    sources: tuple[Source, ...]
    set: str
    set_label: str
    groups: tuple[Group, ...]
    comparisons: tuple[Comparison, ...]
    excluded: pl.DataFrame
    ranges: tuple[Range, ...] = ()
    withheld: tuple[Withheld, ...] = ()
    note: str = ""


@dataclass(frozen=True)
class Printed:
    """A number as a publication prints it, set beside the one computed here.

    Parameters
    ----------
    what, printed
        The number in words, and as printed.
    computed
        The number computed here, rounded as printed; `None` where nothing can be computed.
    reproduced
        Whether the two agree; `None` where the number is not computed.
    note
        Why they differ, or which convention prints it.
    """

    what: str
    printed: str
    computed: str | None
    reproduced: bool | None
    note: str = ""


@dataclass(frozen=True)
class Results:
    """All analyses of a study, with the version of the protocol and the kind of data behind them.

    Parameters
    ----------
    study, protocol_version
        The study's id and the hash of its protocol.
    data
        observed, reconstruction, synthetic, teaching; `None` without records.
    results
        In the order of the protocol.
    printed
        Published numbers beside computed ones, where the study folder has `published.yaml`.
    """

    study: str
    protocol_version: str
    data: str | None
    results: tuple[Result, ...]
    printed: tuple[Printed, ...] = ()
