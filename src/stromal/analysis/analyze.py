"""The analyses of a protocol, computed from derived endpoints."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any, cast

import polars as pl

from stromal.analysis.analysed import Analysed, immortal_set, immortal_time, select_rows
from stromal.analysis.determined import keep_determined
from stromal.analysis.estimands import describe_estimand, unrecorded
from stromal.analysis.joined import join_tests
from stromal.analysis.protocol_words import in_protocol_words
from stromal.analysis.published import compare_printed, read_published
from stromal.analysis.results import Computed, Result, Results, Subgroup, Withheld
from stromal.core import PlanError, UsageError
from stromal.endpoints.context import Context
from stromal.endpoints.describe import describe_endpoint, leaves_open, sources_of
from stromal.protocol import protocol_version
from stromal.protocol.analyses import Analysis
from stromal.protocol.estimability import not_estimable

__all__ = ["analysed_rows", "analyze"]

_COMPUTED_BY = {
    "proportion": "counted:compute_proportion",
    "survival": "timed:compute_survival",
    "cumulative incidence": "timed:compute_incidence",
    "restricted mean": "timed:compute_restricted_mean",
    "hazards": "modelled:compute_hazards",
    "mean events": "histories:compute_mean_events",
    "state occupation": "histories:compute_occupation",
    "current survival": "histories:compute_current_survival",
    "change": "histories:compute_change",
    "summary": "summarised:compute_summary",
}


def analyze(
    context: Context,
    study: Path | None = None,
    *,
    progress: Callable[[str], None] | None = None,
) -> Results:
    """Compute every analysis that the protocol declares.

    1. Participants of the analysis set; those outside it are listed with the reason.
    2. Those without a result for the endpoint (`not_applicable`, `not_evaluable`) are listed too:
       they are in no denominator, and no time to event.
    3. The estimates, then the comparisons, by the methods that the analysis names. With
       `with_bounds` the curves of the earliest and of the latest possible days stand beside the
       main one, of the same participants; comparisons use the derived days alone.
    4. An estimand that the analysis does not estimate, or that the records do not allow, is
       withheld in words.
    5. Subgroups are the same analysis in parts of the set. Tests that share an error rate are
       adjusted as `multiplicity` says.
    6. For reconstructed records only what the published numbers determine is given
       (`published.yaml` of the study folder says what); the rest is withheld, or shown as a range.

    Parameters
    ----------
    context
        Protocol, records and derived endpoints (`stromal.endpoints.derive.derive_all`).
    study
        The study folder, for its `published.yaml`.
    progress
        Told the label of each analysis before it is computed.

    Raises
    ------
    UsageError
        An analysis asks for something its endpoint does not have.
    """
    published = read_published(study) if study is not None else None
    has_records = context.records.about.data is not None
    found: list[Result] = []
    for name, spec in (context.protocol.analyses if has_records else {}).items():
        if progress is not None:
            progress(spec.label)
        found.append(_result(context, name, spec))
    results = tuple(found)
    if context.records.about.data == "reconstruction":
        results = tuple(keep_determined(result, published, study) for result in results)
    adjusted, joined = join_tests(context.protocol, results) if has_records else ((), "")
    return Results(
        study=context.protocol.study.id,
        protocol_version=protocol_version(context.protocol),
        data=context.records.about.data,
        results=results,
        printed=compare_printed(published, results) if published and has_records else (),
        multiplicity=adjusted,
        joined=joined,
    )


def analysed_rows(context: Context, name: str) -> pl.DataFrame:
    """Give whom an analysis is of, with what was derived: its rows before anything is estimated.

    Returns
    -------
    polars.DataFrame
        `p`, `participant_id`, `group`, `status`, `day`, `cause`, of the participants of the set who
        have a result, as `analyze` takes them.
    """
    return select_rows(context, name, context.protocol.analyses[name]).rows


def _result(context: Context, name: str, spec: Analysis) -> Result:
    """Compute one analysis, or say why it is not."""
    protocol = context.protocol
    if spec.endpoint is not None and spec.endpoint not in context.derived:
        return _described(context, name, spec, withheld="the endpoint is not defined")
    refused = not_estimable(protocol, spec)
    if refused:
        return _described(context, name, spec, withheld="; ".join(refused))
    found = select_rows(context, name, spec)
    refused = [*immortal_time(found), *unrecorded(found)]
    if refused:
        return _described(context, name, spec, withheld="; ".join(refused))
    return _described(context, name, spec, found=found)


def _described(
    context: Context,
    name: str,
    spec: Analysis,
    *,
    found: Analysed | None = None,
    withheld: str = "",
) -> Result:
    """Put the numbers of an analysis, or the reason why there are none, beside what it is."""
    protocol = context.protocol
    endpoint = protocol.endpoints.get(spec.endpoint) if spec.endpoint else None
    computed = _compute(found) if found is not None and not withheld else Computed()
    nobody = pl.DataFrame(schema={"participant_id": pl.String, "reason": pl.String})
    notes = [leaves_open(endpoint) if endpoint and found else "", computed.note]
    notes += [immortal_set(found)] if found is not None else []
    return Result(
        id=name,
        label=spec.label,
        role=spec.role,
        kind=spec.estimate,
        endpoint=spec.endpoint or "",
        endpoint_label=endpoint.label if endpoint else "",
        definition=describe_endpoint(endpoint, protocol.anchors) if endpoint else "",
        sources=sources_of(endpoint) if endpoint and found else (),
        set=spec.set,
        set_label=protocol.analysis_sets[spec.set].label,
        groups=computed.groups,
        comparisons=computed.comparisons,
        excluded=found.excluded if found is not None else nobody,
        contrasts=computed.contrasts,
        models=computed.models,
        tables=computed.tables,
        subgroups=_subgroups(found) if found is not None else (),
        estimand=describe_estimand(protocol, spec),
        withheld=(Withheld("the whole analysis", withheld),) if withheld else computed.withheld,
        note=" ".join(note for note in notes if note),
    )


def _compute(found: Analysed) -> Computed:
    """Compute an analysis by the module of its kind; what the data do not allow is withheld."""
    module, name = _COMPUTED_BY[found.spec.estimate].split(":")
    computing: Any = getattr(import_module(f"stromal.analysis.{module}"), name)
    try:
        return cast("Computed", computing(found, found.spec))
    except PlanError:
        raise
    except UsageError as error:
        return Computed(withheld=(Withheld("the analysis", in_protocol_words(str(error))),))


def _subgroups(found: Analysed) -> tuple[Subgroup, ...]:
    """Compute an analysis again in every level of the columns that make subgroups."""
    columns = found.spec.subgroups or []
    rows = found.with_columns(found.rows, columns)
    return tuple(
        Subgroup(
            column, level, _untested(_compute(found.within(_in_level(found, rows, column, level))))
        )
        for column in columns
        for level in _levels(rows, column)
    )


def _untested(computed: Computed) -> Computed:
    """Leave out the tests: a subgroup describes."""
    contrasts = tuple(replace(contrast, p_value=None, test="") for contrast in computed.contrasts)
    return replace(computed, comparisons=(), contrasts=contrasts)


def _levels(rows: pl.DataFrame, column: str) -> list[str]:
    """Give the levels of a column, in sorted order."""
    return [str(value) for value in rows[column].drop_nulls().unique().sort().to_list()]


def _in_level(found: Analysed, rows: pl.DataFrame, column: str, level: str) -> pl.DataFrame:
    """Give the analysis's rows of one level of a column."""
    kept = rows.filter(pl.col(column).cast(pl.String) == level)
    return found.rows.join(kept, on="participant_id", how="semi", maintain_order="left")
