"""Everything that a report of a study is made from, computed once."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import polars as pl

from stromal.analysis.analyze import analyze
from stromal.analysis.methods import Methods, describe_methods
from stromal.analysis.results import Results
from stromal.core import Finding
from stromal.endpoints.analysis_sets import analysis_set
from stromal.endpoints.context import Context
from stromal.endpoints.derive import derive_all
from stromal.endpoints.exposure import list_infusions, summarize_exposure
from stromal.endpoints.reconcile import reconcile
from stromal.endpoints.screening import screen, screen_criteria
from stromal.protocol import Protocol, protocol_version, read_protocol
from stromal.protocol.consistency import check_protocol
from stromal.records import TrialRecords, read_records
from stromal.records.lock import Lock, check_lock, lock_records, read_lock
from stromal.report.words import spell_out

__all__ = ["StudyView", "build_view", "spell_definition", "spell_reason"]


@dataclass(frozen=True)
class StudyView:
    """A study as the report sees it.

    Parameters
    ----------
    folder
        Name of the study folder.
    protocol, version
        The protocol and the hash of its canonical form.
    records
        What was observed; empty tables and `about.data` None where there are no records.
    context
        Records with the derived endpoints.
    screening, criteria
        One verdict a participant, and every criterion judged.
    infusions, exposure
        Every infusion planned or given, and their sums by arm and product.
    sets
        For every analysis set its members, and who is left out with the reason.
    results
        The analyses.
    protocol_findings
        The protocol read against itself. What the records hold stands in `records.findings`.
    reconciled
        Adjudications beside derived results.
    methods
        The statistical methods in words.
    lock
        What the analysis is locked on; `None` where it is not.
    """

    folder: str
    protocol: Protocol
    version: str
    records: TrialRecords
    context: Context
    screening: pl.DataFrame
    criteria: pl.DataFrame
    infusions: pl.DataFrame
    exposure: pl.DataFrame
    sets: Mapping[str, tuple[pl.DataFrame, pl.DataFrame]]
    results: Results
    protocol_findings: tuple[Finding, ...]
    reconciled: pl.DataFrame
    methods: Methods
    lock: Lock | None = None

    @property
    def data(self) -> str | None:
        """What kind of data the records are; None without records."""
        return self.records.about.data

    @property
    def shares_individuals(self) -> bool:
        """Whether data of single participants may leave the trial: by its plan, or as nobody's."""
        return self.data == "synthetic" or self.protocol.sharing.individual_data != "no"

    @property
    def has_individuals(self) -> bool:
        """Whether there are histories to show: those of a reconstruction are nobody's."""
        return self.data is not None and self.data != "reconstruction"


def build_view(
    study: Path,
    *,
    data_cutoff: date | None = None,
    lock: bool = False,
    progress: Callable[[str], None] | None = None,
) -> StudyView:
    """Read a study folder, derive its endpoints and compute its analyses.

    Where the folder holds a lock (`stromal.records.lock`), the records and the protocol must be
    what was locked, and the locked cut-off is taken.

    Parameters
    ----------
    study
        The study folder, or its protocol file.
    data_cutoff
        The last date that is read, inclusive.
    lock
        Whether to lock the analysis anew on what is read; the view holds the lock, nothing is
        written. Without a cut-off that of an older lock is kept.
    progress
        Is told what is under way.

    Raises
    ------
    ProtocolError, RecordError
        A file is refused.
    UsageError
        The protocol asks for something that cannot be computed, or the study is no longer what its
        analysis was locked on.
    """
    folder = study.parent if study.is_file() else study
    protocol = read_protocol(study)
    renewed = lock and data_cutoff is not None  # an older lock then says nothing that is needed
    locked = None if renewed else read_lock(study)
    if locked is not None and lock:
        data_cutoff = data_cutoff or locked.data_cutoff
    elif locked is not None:
        data_cutoff = check_lock(study, protocol, locked, data_cutoff=data_cutoff)
    records = read_records(study, protocol, data_cutoff=data_cutoff)
    if lock:
        locked = lock_records(study, protocol, records)
    if progress is not None:
        progress("Deriving the endpoints")
    context = derive_all(protocol, records)
    infusions = list_infusions(context)
    results = analyze(context, folder, progress=progress)
    return StudyView(
        folder=folder.resolve().name,
        protocol=protocol,
        version=protocol_version(protocol),
        records=records,
        context=context,
        screening=screen(context),
        criteria=screen_criteria(context),
        infusions=infusions,
        exposure=summarize_exposure(context, infusions),
        sets={name: analysis_set(context, name) for name in protocol.analysis_sets},
        results=results,
        protocol_findings=tuple(check_protocol(protocol)),
        reconciled=reconcile(context),
        methods=describe_methods(protocol, results),
        lock=locked,
    )


def spell_reason(protocol: Protocol, reason: str) -> str:
    """Write why somebody is left out with the labels of arms and the words of products."""
    parts: list[str] = []
    for part in reason.split("; "):
        arm = protocol.arms.get(part.removeprefix("arm is "))
        told = arm is not None and part.startswith("arm is ")
        parts.append(f"in the arm “{arm.label}”" if told and arm else spell_out(part, ()))
    return spell_out("; ".join(parts), protocol.products)


def spell_definition(protocol: Protocol, text: str) -> str:
    """Write a definition with the labels of the moments from which its days count."""
    for name, anchor in protocol.anchors.items():
        plain = re.escape(name.replace("_", " "))
        label = anchor.label or name.replace("_", " ")
        rest = re.escape(label.removeprefix(name.replace("_", " ")))
        done = rf"(?!{rest})" if rest and label.startswith(name.replace("_", " ")) else ""
        text = re.sub(
            rf"\b(Days count from|days after|Best level from) {plain}{done}(?=[ .])",
            lambda found, label=label: f"{found[1]} {label}",
            text,
        )
    return spell_out(text, protocol.products)
