"""Every number of a study at full precision, as JSON."""

from __future__ import annotations

import dataclasses
import math
from datetime import date
from typing import Any, cast

import numpy as np
import polars as pl
from pydantic import BaseModel

from stromal import __version__
from stromal.report.view import StudyView

__all__ = ["results_to_json"]


def results_to_json(view: StudyView, *, individual: bool = True) -> dict[str, Any]:
    """Give all results of a study as plain lists, mappings, texts and numbers.

    1. `stromal`, `study`, `protocol_version`, `data` (the kind of data), `data_cutoff` and whether
       the analysis is `locked` stand on top, so that no number travels without them;
       `records_checksum` is that of the locked records.
    2. `results`: every analysis with its groups, estimates, curves, comparisons, contrasts, models,
       tables, subgroups and estimand, unrounded. A number that cannot be estimated is null.
       `multiplicity`: the tests that share one error rate, `joined` how. `methods`: the methods in
       words, with the sources by their numbers.
    3. `precision`, for a reconstruction: which digits are published. `printed`, `exposure`,
       `protocol_findings`, and the number of `record_findings`.
    4. `individuals`: derived rows, verdicts of screening, infusions, who is excluded from each set
       and analysis, findings of single participants. Only where `individual` is asked for and the
       protocol's sharing plan does not forbid it, and never of a reconstruction, whose single
       participants are arbitrary (nor `exposure`); `individuals_withheld` says why not.
    """
    shares = individual and view.shares_individuals and view.has_individuals
    results = view.results
    content: dict[str, Any] = {
        "stromal": __version__,
        "study": results.study,
        "title": view.protocol.study.title,
        "protocol_version": results.protocol_version,
        "data": results.data,
        "statement": view.records.about.statement,
        "data_cutoff": plain(view.records.data_cutoff),
        "locked": view.lock is not None,
        "records_checksum": None if view.lock is None else view.lock.checksum,
        "participants": view.context.size,
        "results": [_result(result, shares=shares) for result in results.results],
        "methods": _methods(view),
        "multiplicity": plain(results.multiplicity),
        "joined": results.joined,
        "printed": plain(results.printed),
        "exposure": plain(view.exposure) if view.data != "reconstruction" else None,
        "protocol_findings": plain(view.protocol_findings),
        "record_findings": len(view.records.findings),
    }
    if view.data == "reconstruction":
        content["precision"] = (
            "Digits beyond those that the publication prints belong to one of many data sets "
            "that print the same numbers; only the printed digits are published."
        )
    if shares:
        content["individuals"] = {
            "derived": [row for frame in view.context.derived.values() for row in plain(frame)],
            "screening": plain(view.screening),
            "infusions": plain(view.infusions),
            "excluded": {name: plain(excluded) for name, (_, excluded) in view.sets.items()},
            "reconciled": plain(view.reconciled),
            "record_findings": plain(view.records.findings),
        }
    else:
        content["individuals_withheld"] = _why_withheld(view)
    return content


def _why_withheld(view: StudyView) -> str:
    """Say why data of single participants are not given."""
    if view.data is None:
        return "no records"
    if view.data == "reconstruction":
        return "single participants of a reconstruction are arbitrary"
    return "not asked for" if view.shares_individuals else "the protocol's sharing plan"


def _methods(view: StudyView) -> dict[str, Any]:
    """Give the methods in words, with the sources to which their numbers refer."""
    sources = enumerate(view.methods.sources, start=1)
    return {
        "text": view.methods.text,
        "sources": [{"number": number, **plain(source)} for number, source in sources],
    }


def _result(result: Any, *, shares: bool) -> dict[str, Any]:  # noqa: ANN401
    """Give one analysis; participants it leaves out only where they may be named."""
    content: dict[str, Any] = plain(result)
    if not shares:
        content["excluded"] = len(content["excluded"])
        parts = [content, *[subgroup["computed"] for subgroup in content["subgroups"]]]
        for group in (group for part in parts for group in part["groups"]):
            group.pop("values")
    return content


def plain(value: Any) -> Any:  # noqa: ANN401, PLR0911  (one return a type)
    """Turn frames, arrays, dataclasses, models and dates into JSON; NaN and infinity to null."""
    match value:
        case np.ndarray() | np.generic():
            return plain(cast("Any", value).tolist())
        case pl.DataFrame():
            return [plain(row) for row in value.to_dicts()]
        case BaseModel():
            return value.model_dump(mode="json", exclude_none=True)
        case dict():
            items = cast("dict[Any, Any]", value).items()
            return {str(key): plain(item) for key, item in items}
        case list() | tuple():
            return [plain(item) for item in cast("list[Any]", value)]
        case date():
            return value.isoformat()
        case float():
            return value if math.isfinite(value) else None
        case _ if dataclasses.is_dataclass(value) and not isinstance(value, type):
            names = [field.name for field in dataclasses.fields(value)]
            return {name: plain(getattr(value, name)) for name in names}
        case _:
            return value
