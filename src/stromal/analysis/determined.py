"""What is shown of a reconstruction: only what its publication determines."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import get_args

from stromal.analysis.published import Part, Published, ranges_of
from stromal.analysis.rates import Rate
from stromal.analysis.results import Group, Result, Withheld
from stromal.analysis.summaries import Summary

__all__ = ["keep_determined"]

_OF_INDIVIDUALS = ("contrasts", "models", "tables", "subgroups")


def keep_determined(result: Result, published: Published | None, study: Path | None) -> Result:
    """Keep of a reconstruction's result only what the published numbers determine.

    `published.yaml` of the study folder says for each analysis which parts those are; all others
    are listed as withheld, or have a range. A posterior and a difference of proportions follow from
    the counts, and stay where the proportion does; models, tables, subgroups and other contrasts
    rest on single participants, who are arbitrary, and are always withheld.
    """
    why = "not determined by the published numbers"
    parts = published.determines.get(result.id) if published else None
    ranges = ranges_of(published, result.id, study) if published and study else ()
    if parts is None:
        whole = (Withheld("the whole analysis", why),)
        nothing = replace(result, groups=(), comparisons=(), ranges=ranges, withheld=whole)
        return replace(nothing, contrasts=(), models=(), tables=(), subgroups=())
    groups = tuple(_keep(group, parts) for group in result.groups)
    hidden = [part for part in get_args(Part) if part not in parts and _had(result, part)]
    counted = result.kind == "proportion" and "value" in parts
    hidden += [name for name in _OF_INDIVIDUALS if getattr(result, name)]
    hidden = [name for name in hidden if not (name == "contrasts" and counted)]
    hidden += ["restricted means"] if any(group.mean for group in result.groups) else []
    return replace(
        result,
        groups=groups,
        comparisons=result.comparisons if "comparisons" in parts else (),
        contrasts=result.contrasts if counted else (),
        models=(),
        tables=(),
        subgroups=(),
        ranges=ranges,
        withheld=tuple(Withheld(part, why) for part in hidden),
    )


def _had(result: Result, part: str) -> bool:
    """Say whether a result had such a part before it was withheld."""
    groups = result.groups
    return {
        "value": any(group.estimates for group in groups),
        "standard error": any(group.estimates for group in groups),
        "interval": any(group.estimates for group in groups),
        "curve": any(group.curve for group in groups),
        "median": any(group.median or group.summary for group in groups),
        "quartiles": any(group.summary for group in groups),
        "range": any(group.summary for group in groups),
        "values": any(group.values for group in groups),
        "levels": any(group.levels for group in groups),
        "comparisons": bool(result.comparisons),
    }[part]


def _keep(group: Group, parts: list[Part]) -> Group:
    """Keep the named parts of a group.

    How many events a curve rests on and how many are at risk say more than its value: they go with
    `levels` and `curve`. So does the number of infusions, which goes with `values`.
    """
    estimates = tuple(
        replace(
            estimate,
            events=estimate.events
            if "levels" in parts or (estimate.day is None and "value" in parts)
            else None,
            at_risk=estimate.at_risk if "curve" in parts else None,
            value=estimate.value if "value" in parts else None,
            standard_error=estimate.standard_error if "standard error" in parts else None,
            low=estimate.low if "interval" in parts else None,
            high=estimate.high if "interval" in parts else None,
        )
        for estimate in group.estimates
    )
    return replace(
        group,
        estimates=estimates,
        curve=group.curve if "curve" in parts else None,
        median=group.median if "median" in parts else None,
        bounds=(),
        levels=group.levels if "levels" in parts else {},
        values=group.values if "values" in parts else (),
        summary=_keep_summary(group.summary, group.n, parts),
        rate=_keep_rate(group.rate, parts),
        time_in_state=None,
        mean=None,
        posterior=group.posterior if "value" in parts else None,
    )


def _keep_rate(rate: Rate | None, parts: list[Part]) -> Rate | None:
    """Keep the named parts of a rate; its events and its exposure say more than its value."""
    if rate is None or "value" not in parts:
        return None
    counted, bounded = "levels" in parts, "interval" in parts
    return replace(
        rate,
        events=rate.events if counted else None,
        exposure_days=rate.exposure_days if counted else None,
        low=rate.low if bounded else None,
        high=rate.high if bounded else None,
    )


def _keep_summary(summary: Summary | None, people: int, parts: list[Part]) -> Summary | None:
    """Keep the named parts of a summary."""
    if summary is None:
        return None
    ranged, quartered = "range" in parts, "quartiles" in parts
    return replace(
        summary,
        n=summary.n if summary.n == people or "values" in parts else None,
        median=summary.median if "median" in parts else None,
        low=summary.low if ranged else None,
        high=summary.high if ranged else None,
        lower_quartile=summary.lower_quartile if quartered else None,
        upper_quartile=summary.upper_quartile if quartered else None,
        mean=summary.mean if "value" in parts else None,
    )
