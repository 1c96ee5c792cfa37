"""Analyses of hazards: models of groups and covariates, and the check of what they assume."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from stromal.analysis.analysed import Analysed, anchor_of, count_levels, exposure_days
from stromal.analysis.cox import check_proportional_hazards, fit_cox
from stromal.analysis.fine_gray import fit_fine_gray
from stromal.analysis.firth import fit_firth
from stromal.analysis.models import ModelFit
from stromal.analysis.protocol_words import in_protocol_words
from stromal.analysis.results import Computed, Group, Shown, Withheld
from stromal.analysis.time_dependent import split_at_exposure
from stromal.analysis.timed import landmark_note
from stromal.core import PlanError, UsageError
from stromal.endpoints.outcome import CountingProcess, TimeToEvent
from stromal.protocol.model_analyses import HazardsAnalysis

__all__ = ["compute_hazards"]

Outcomes = TimeToEvent | CountingProcess


def compute_hazards(found: Analysed, spec: HazardsAnalysis) -> Computed:
    """Fit the model of hazards that an analysis names.

    Groups are a covariate; exposure by infusion changes on its day, unless a landmark is named.
    """
    groups = tuple(
        Group(group.id, group.label, group.rows.height, count_levels(group.rows))
        for group in found.groups()
    )
    if spec.model == "cox" and (found.rows["status"] == "competing").any():
        raise PlanError(
            f"analysis `{found.name}`: {int((found.rows['status'] == 'competing').sum())} "
            "participants have a competing event, which Cox's model does not know; use "
            "`model: cause-specific` or `model: fine-gray`"
        )
    outcomes, covariates = _outcomes(found, spec)
    reference = found.reference()
    references = {"arm": reference} if "arm" in covariates and reference else {}
    try:
        fit = _fit(outcomes, covariates, spec, references)
    except UsageError as error:  # what these data do not determine; the plan was sound
        return Computed(groups, withheld=(Withheld("the model", in_protocol_words(str(error))),))
    tables, withheld = _checked(outcomes, covariates, spec, references)
    at_once = int((found.rows["day"] == 0).sum()) if isinstance(outcomes, CountingProcess) else 0
    instant = f"{at_once} with no time at risk (day 0) are not in the model." if at_once else ""
    note = " ".join(part for part in (landmark_note(spec.landmark), instant) if part)
    return Computed(groups, models=(fit,), tables=tables, withheld=withheld, note=note)


def _checked(
    outcomes: Outcomes,
    covariates: tuple[str, ...],
    spec: HazardsAnalysis,
    references: Mapping[str, str],
) -> tuple[tuple[Shown, ...], tuple[Withheld, ...]]:
    """Check proportional hazards, where the model supposes them and the check is possible."""
    if spec.model == "fine-gray" or spec.penalty is not None or spec.ties == "exact":
        return (), ()
    try:
        checked = check_proportional_hazards(
            outcomes,
            covariates=covariates,
            ties=spec.ties,
            transform="km",
            strata=tuple(spec.strata),
            missing=spec.missing,
            references=references,
        )
    except UsageError as error:  # as above
        return (), (Withheld("the check of proportional hazards", in_protocol_words(str(error))),)
    shown = Shown(
        "Are hazards proportional? (Grambsch and Therneau, time by Kaplan-Meier)",
        checked,
        "A small p speaks against one ratio for the whole time.",
        "proportional hazards check",
    )
    return (shown,), ()


def _fit(
    outcomes: Outcomes,
    covariates: tuple[str, ...],
    spec: HazardsAnalysis,
    references: Mapping[str, str],
) -> ModelFit:
    """Fit the model."""
    confidence = spec.confidence
    if spec.model == "fine-gray":
        if isinstance(outcomes, CountingProcess):
            raise PlanError("Fine-Gray's model has no exposure that changes; name a landmark")
        return fit_fine_gray(
            outcomes,
            covariates=covariates,
            of="event",
            definition=spec.definition or "cmprsk",
            ties="efron" if spec.ties == "efron" else "breslow",
            confidence=confidence,
            missing=spec.missing,
            references=references,
        )
    if spec.penalty is not None:
        return fit_firth(
            outcomes,
            covariates=covariates,
            confidence=confidence,
            missing=spec.missing,
            references=references,
        )
    return fit_cox(
        outcomes,
        covariates=covariates,
        ties=spec.ties,
        confidence=confidence,
        strata=tuple(spec.strata),
        missing=spec.missing,
        references=references,
    )


def _outcomes(found: Analysed, spec: HazardsAnalysis) -> tuple[Outcomes, tuple[str, ...]]:
    """Give the times with their covariates, those that make groups first."""
    covariates = tuple(spec.covariates)
    rows = found.rows
    outcomes = found.outcomes(rows, (*covariates, *spec.strata))
    frame = outcomes.frame
    if spec.by is not None or (spec.by_infusion and spec.landmark is not None):
        return TimeToEvent(frame), ("arm", *covariates)
    if spec.by_infusion is None:
        return TimeToEvent(frame.drop("arm")), covariates
    exposed = exposure_days(
        found.context, spec.by_infusion, anchor_of(found.context, spec.endpoint)
    )
    ids = found.context.participants.select("p", "participant_id")
    days = exposed.join(ids, on="p").select("participant_id", "exposure_day")
    frame = frame.drop("arm").join(days, on="participant_id", how="left", maintain_order="left")
    name = f"{spec.by_infusion} given"
    process = split_at_exposure(
        TimeToEvent(frame.filter(pl.col("day") > 0)), exposure_day="exposure_day"
    )
    renamed = process.frame.with_columns(pl.col("exposed").cast(pl.Int64)).rename({"exposed": name})
    return CountingProcess(renamed), (name, *covariates)
