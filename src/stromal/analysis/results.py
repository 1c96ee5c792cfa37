"""What `analyze` hands to `report`: the protocol's analyses with their numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import polars as pl

from stromal.analysis.estimate import Comparison, Contrast, Curve, Estimate
from stromal.analysis.models import ModelFit
from stromal.analysis.rates import Rate, TimeInState
from stromal.analysis.summaries import Summary
from stromal.core import Source

__all__ = [
    "Adjusted",
    "Attribute",
    "Bound",
    "Computed",
    "Group",
    "Printed",
    "Range",
    "Result",
    "Results",
    "Shown",
    "Subgroup",
    "Withheld",
]


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
    mean
        A restricted mean: of the time without the event, or of the time in a state.
    posterior
        For a proportion with a prior: the posterior mean and its interval.
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
    mean: Estimate | None = None
    posterior: Estimate | None = None


@dataclass(frozen=True)
class Shown:
    """A table beside the numbers: visits, tipping points, the check of proportional hazards.

    Parameters
    ----------
    title
        What it is.
    frame
        Its rows.
    said
        The sentence that it comes to.
    method
        How it was made; a key of `METHOD_SOURCES`, or empty.
    """

    title: str
    frame: pl.DataFrame
    said: str = ""
    method: str = ""


@dataclass(frozen=True)
class Withheld:
    """Something that is not shown, and why."""

    what: str
    why: str


@dataclass(frozen=True)
class Computed:
    """What an analysis gives of the participants it is of, or of those of one subgroup.

    Parameters
    ----------
    groups, comparisons, contrasts, models, tables
        The numbers.
    withheld
        What these data do not determine, and why.
    note
        What a reader must know.
    """

    groups: tuple[Group, ...] = ()
    comparisons: tuple[Comparison, ...] = ()
    contrasts: tuple[Contrast, ...] = ()
    models: tuple[ModelFit, ...] = ()
    tables: tuple[Shown, ...] = ()
    withheld: tuple[Withheld, ...] = ()
    note: str = ""


@dataclass(frozen=True)
class Subgroup:
    """An analysis again, in those of whom a column has one value."""

    column: str
    level: str
    computed: Computed


@dataclass(frozen=True)
class Attribute:
    """One attribute of an estimand, in words."""

    name: str
    said: str


@dataclass(frozen=True)
class Adjusted:
    """A test among those that share one error rate.

    Parameters
    ----------
    analysis, test
        Which, in words.
    p_value, adjusted
        As computed, and adjusted; `None` where not computable, or not reached.
    significant
        Whether the adjusted p is at most alpha.
    """

    analysis: str
    test: str
    p_value: float | None
    adjusted: float | None
    significant: bool


@dataclass(frozen=True)
class Range:
    """A statistic that the data do not determine: its range over all consistent data sets."""

    statistic: str
    low: float
    high: float
    over: str


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
    contrasts, models, tables
        Differences and ratios between groups, fitted models, tables beside them.
    subgroups
        The same analysis in parts of the set. They describe: none is tested against another.
    estimand
        Its attributes in words, where the protocol spells one out.
    ranges, withheld
        For a reconstruction: what only has a range, and what is not shown. An estimand that cannot
        be estimated is withheld too.
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
    contrasts: tuple[Contrast, ...] = ()
    models: tuple[ModelFit, ...] = ()
    tables: tuple[Shown, ...] = ()
    subgroups: tuple[Subgroup, ...] = ()
    estimand: tuple[Attribute, ...] = ()
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
    multiplicity
        The tests that share an error rate, where the protocol joins them; `joined` says how.
    """

    study: str
    protocol_version: str
    data: str | None
    results: tuple[Result, ...]
    printed: tuple[Printed, ...] = ()
    multiplicity: tuple[Adjusted, ...] = ()
    joined: str = ""
