"""Import of the Liao 2021 blood counts (read through ../shared) into a study folder."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import polars as pl

__all__ = ["LIAO", "PROTOCOL", "import_liao"]

LIAO = Path(__file__).resolve().parents[3] / "shared" / "data" / "liao2021"

PROTOCOL = """
stromal: 1
study: {id: liao-counts, title: Daily counts after allogeneic transplantation,
        conditions: [neutropenia after transplantation], phase: not applicable}
design: {kind: single arm, masking: open label, enrolment: 20, basis_of_size: not stated,
         monitoring: {committee: not stated, grading: not stated}, stopping: not stated}
day_zero: transplant
anchors: {transplant: {participant: transplanted}}
population: {judged_at: transplant, inclusion: [{id: any, text: Anyone, narrative: true}]}
arms: {all: {label: All, role: control}}
draws: %s
endpoints:
  anc: {label: Neutrophil recovery, recovery: {definition: CIBMTR_ANC},
        from: transplant, competing: []}
  anc_days: {label: Consecutive days, recovery: {definition: ASTCT_2021_ANC},
             from: transplant, competing: []}
analysis_sets: {all: {label: All, arms: [all]}}
sharing: {individual_data: not stated}
"""


def import_liao(
    folder: Path, *, draws: str = "not stated", days: Iterable[int] | None = None
) -> Path:
    """Write the episodes as a study folder; only some weekdays (0 to 6, day modulo 7) if given."""
    counts = pl.read_csv(LIAO / "counts.csv").filter(pl.col("test").is_in(["ANC", "WBC"]))
    if days is not None:
        counts = counts.filter((pl.col("day_from_hct") % 7).is_in(list(days)))
    episodes = pl.read_csv(LIAO / "episodes.csv")["episode"]
    records = folder / "records"
    records.mkdir(parents=True)
    (folder / "protocol.yaml").write_text(PROTOCOL % draws)
    (records / "about.yaml").write_text(
        "{data: observed, statement: Liao 2021, sources: ['Liao 2021, Sci Data 8:71']}"
    )
    pl.DataFrame({"participant_id": episodes, "arm": "all", "transplanted_day": 0}).write_csv(
        records / "participants.csv"
    )
    counts.select(
        participant_id="episode",
        day="day_from_hct",
        analyte="test",
        value="value_1e9_per_L",
        unit=pl.lit("10*9/L"),
    ).write_csv(records / "measurements.csv")
    return folder
