"""Groups by their labels: contrasts and models name them by their ids."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace

import polars as pl

from stromal.analysis.estimate import Contrast
from stromal.analysis.models import ModelFit
from stromal.analysis.results import Group, Result, Shown

__all__ = ["with_labels"]

_TERM = re.compile(r"^arm: (.+) against (.+)$")


def with_labels(result: Result) -> Result:
    """Write the labels of groups in place of their ids in contrasts and terms of models."""
    labels = _labels(result.groups)
    if not labels:
        return result
    return replace(
        result,
        contrasts=_contrasts(result.contrasts, labels),
        models=_models(result.models, labels),
        tables=tuple(_table(shown, labels) for shown in result.tables),
        subgroups=tuple(
            replace(
                subgroup,
                computed=replace(
                    subgroup.computed,
                    contrasts=_contrasts(subgroup.computed.contrasts, labels),
                    models=_models(subgroup.computed.models, labels),
                ),
            )
            for subgroup in result.subgroups
        ),
    )


def _labels(groups: tuple[Group, ...]) -> dict[str, str]:
    """Give the labels that differ from their ids."""
    return {group.id: group.label for group in groups if group.id != group.label}


def _contrasts(contrasts: tuple[Contrast, ...], labels: Mapping[str, str]) -> tuple[Contrast, ...]:
    """Name the groups of contrasts."""
    return tuple(
        replace(
            contrast,
            first=labels.get(contrast.first, contrast.first),
            second=labels.get(contrast.second, contrast.second),
        )
        for contrast in contrasts
    )


def _models(models: tuple[ModelFit, ...], labels: Mapping[str, str]) -> tuple[ModelFit, ...]:
    """Name the groups in the terms of models."""
    return tuple(
        replace(model, coefficients=_terms(model.coefficients, labels)) for model in models
    )


def _table(shown: Shown, labels: Mapping[str, str]) -> Shown:
    """Name the groups in a table of terms."""
    return replace(shown, frame=_terms(shown.frame, labels))


def _terms(frame: pl.DataFrame, labels: Mapping[str, str]) -> pl.DataFrame:
    """Name the groups in a column of terms."""
    if "term" not in frame.columns:
        return frame
    terms = [_term(term, labels) for term in frame["term"].to_list()]
    return frame.with_columns(pl.Series("term", terms, dtype=pl.String))


def _term(term: str, labels: Mapping[str, str]) -> str:
    """Name the groups in one term."""
    found = _TERM.match(term)
    if found is None or not {found[1], found[2]} & set(labels):
        return term
    return f"{labels.get(found[1], found[1])} against {labels.get(found[2], found[2])}"
