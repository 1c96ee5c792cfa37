"""Import of the MIMIC-III demo (counts and transfusions, read through ../shared).

Each person is anchored at the first admission. Blood products are charted in intensive care only,
and the source here has no times of the stays: between the first and the last product charted in a
stay the person was there, and only the whole days in between are `coverage`.
"""

from __future__ import annotations

from pathlib import Path

import polars as pl

from support.study_folder import make_study

__all__ = ["ANALYTES", "MIMIC", "NOT_RESULTED", "PRODUCTS", "covered_days", "import_mimic"]

MIMIC = Path(__file__).resolve().parents[3] / "shared/data/mimic3demo"
ANALYTES = {
    "PLT": ("PLT", None),
    "WBC": ("WBC", None),
    "HGB": ("Hb", None),
    "HGB_BG": ("Hb", "blood gas"),
    "ANC_ABS": ("ANC", "reported"),
    "LYMPH_ABS": ("ALC", "reported"),
}
"""Analyte and method, by the name of the test; percentages are used for ANC only."""
PRODUCTS = {"PLATELETS": "platelets", "RBC": "red_cells", "FFP": "plasma"}
"""Products, by their name in the source. Cryoprecipitate is none of these; OTHER is not known."""
NOT_RESULTED = r"[A-Za-z]{3}"
"""Values such as UNABLE TO REPORT: nothing was measured."""

_PROTOCOL = """\
stromal: 1
study: {id: icu, title: Counts and transfusions around intensive care, conditions: [any],
        phase: not applicable}
design: {kind: single arm, masking: open label, enrolment: 100, basis_of_size: not stated,
         monitoring: {committee: not stated, grading: not stated}, stopping: not stated}
day_zero: admission
anchors: {admission: {participant: admitted, label: first admission}}
population: {judged_at: admission, inclusion: [{id: any, text: Anyone, narrative: true}]}
arms: {all: {label: All, role: control}}
draws: not stated
endpoints:
  anc: {label: Neutrophils, recovery: {definition: CIBMTR_ANC}, from: admission,
        until: 28 d, competing: [death]}
  plt20: {label: Platelets of 20, recovery: {definition: CIBMTR_PLT_20}, from: admission,
          until: 28 d, competing: [death]}
  plt50: {label: Platelets of 50, recovery: {definition: CIBMTR_PLT_50}, from: admission,
          until: 28 d, competing: [death]}
  plt_early:
    label: Platelets of 50, the nadir sought while blood is drawn daily
    recovery: {analyte: PLT, at_least: 50 10*9/L, run: 3, of: values on different days,
               largest_gap: none, without_transfusion: {product: platelets, when: before, for: 7 d},
               after: {nadir_within: 3 d}}
    from: admission
    until: 28 d
    competing: [death]
  plt_during:
    label: Platelets of 100 over 3 values, none transfused meanwhile
    recovery: {analyte: PLT, at_least: 100 10*9/L, run: 3, of: values on different days,
               largest_gap: none, without_transfusion: {product: platelets, when: during},
               after: {nadir_within: 28 d}}
    from: admission
    until: 28 d
    competing: [death]
  hb:
    label: Haemoglobin of 80 without red cells for 7 days
    recovery: {analyte: Hb, at_least: 80 g/L, run: 2, of: values on different days,
               largest_gap: none, without_transfusion: {product: red_cells, when: before, for: 7 d},
               after: anchor}
    from: admission
    until: 28 d
    competing: [death]
analysis_sets: {all: {label: Everyone}}
sharing: {individual_data: not stated}
"""


def _read(name: str, source: Path) -> pl.DataFrame:
    """Read a file of the source as text."""
    return pl.read_csv(source / name, infer_schema=False).with_row_index("line", offset=2)


def import_mimic(folder: Path, *, source: Path = MIMIC, leave_words: bool = False) -> Path:
    """Write the people as a study folder.

    1. Counts keep their values, bounds (`<5`) and units (K/uL, #/uL, g/dL) as they came; stromal
       converts them. Values in words are left out, unless `leave_words`.
    2. Neutrophils are those reported (`ANC_ABS`). Where none were reported for a draw, they are
       leucocytes times segmented and band forms in per cent, of the same person and minute.
    3. Rows that intensive care rewrote (`Rewritten`) are replaced by others and left out.
    4. Coverage of transfusions is `covered_days`.
    """
    admissions = _read("admissions.csv", source).sort("admittime").unique(
        "subject_id", keep="first", maintain_order=True
    )  # fmt: skip
    measurements = _measurements(_read("counts.csv", source), leave_words=leave_words)
    given = _read("transfusions.csv", source).filter(
        pl.col("statusdescription").ne_missing("Rewritten") & pl.col("product").is_in(PRODUCTS)
    )
    seen = pl.concat(
        [
            measurements.select("participant_id", "date"),
            given.select(participant_id="subject_id", date=_day("starttime")),
            admissions.select(participant_id="subject_id", date=_day("dischtime")),
        ]
    ).group_by("participant_id").agg(last=pl.col("date").max())  # fmt: skip
    death = _day("dod")
    people = admissions.join(seen, left_on="subject_id", right_on="participant_id").select(
        participant_id="subject_id",
        arm=pl.lit("all"),
        admitted_on=_day("admittime"),
        last_contact=pl.coalesce(death, "last"),
    )
    return make_study(
        folder,
        protocol_text=_PROTOCOL,
        about="{data: observed, statement: 'People of an intensive care unit', "
        "sources: ['MIMIC-III clinical database demo 1.4, PhysioNet, ODbL 1.0']}\n",
        participants=people.to_dicts(),
        measurements=measurements.to_dicts(),
        transfusions=given.select(
            record_id=pl.format("t{}", "line"),
            participant_id="subject_id",
            date=_day("starttime"),
            product=pl.col("product").replace_strict(PRODUCTS),
        ).to_dicts(),
        events=admissions.drop_nulls("dod")
        .select(participant_id="subject_id", date=death, event=pl.lit("death"))
        .to_dicts(),
        coverage=[
            {"participant_id": person, "table": "transfusions", "from": day, "to": day}
            for person, day in covered_days(source)
        ],
    )


def _day(column: str) -> pl.Expr:
    """Give the date of a moment."""
    return pl.col(column).str.slice(0, 10)


def _measurements(counts: pl.DataFrame, *, leave_words: bool) -> pl.DataFrame:
    """Give the rows of the measurements table."""
    if not leave_words:
        counts = counts.filter(~pl.col("value").str.contains(NOT_RESULTED))
    absolute = counts.filter(pl.col("test").is_in(ANALYTES)).with_columns(
        analyte=pl.col("test").replace_strict({k: v[0] for k, v in ANALYTES.items()}),
        method=pl.col("test").replace_strict({k: v[1] for k, v in ANALYTES.items()}),
    )
    rows = pl.concat([absolute, _computed(counts)], how="diagonal")
    return rows.select(
        record_id=pl.format("m{}", "line") + pl.col("suffix").fill_null(""),
        participant_id="subject_id",
        date=_day("charttime"),
        time=pl.col("charttime").str.slice(11, 5),
        analyte="analyte",
        value="value",
        unit="valueuom",
        method="method",
    )


def _computed(counts: pl.DataFrame) -> pl.DataFrame:
    """Compute neutrophils from leucocytes and the differential where none were reported."""
    key = ["subject_id", "charttime"]
    part = {
        test: counts.filter(pl.col("test") == test)
        .unique(key, keep="first", maintain_order=True)
        .select(*key, pl.col("valuenum").cast(pl.Float64).alias(test))
        for test in ("WBC", "NEUT_PCT", "BANDS_PCT")
    }
    lines = counts.filter(pl.col("test") == "NEUT_PCT").unique(
        key, keep="first", maintain_order=True
    )
    reported = counts.filter(pl.col("test") == "ANC_ABS")
    return (
        part["NEUT_PCT"]
        .drop_nulls()
        .join(part["WBC"].drop_nulls(), on=key)
        .join(part["BANDS_PCT"], on=key, how="left")
        .join(reported, on=key, how="anti")
        .join(lines.select(*key, "line"), on=key)
        .select(
            *key,
            "line",
            value=(
                (pl.col("WBC") * (pl.col("NEUT_PCT") + pl.col("BANDS_PCT").fill_null(0)) / 100)
                .round(4)
                .cast(pl.String)
            ),
            valueuom=pl.lit("K/uL"),
            analyte=pl.lit("ANC"),
            method=pl.lit("computed"),
            suffix=pl.lit("-anc"),
        )
    )


def covered_days(source: Path = MIMIC) -> list[tuple[str, str]]:
    """Give (person, date) of every whole day on which products are known to be charted.

    The days after the first and before the last product of a stay, without those on which a product
    that is not named was given.
    """
    rows = _read("transfusions.csv", source).with_columns(date=_day("starttime").str.to_date())
    unknown = rows.filter(pl.col("product") == "OTHER").select("subject_id", "date").unique()
    stays = rows.group_by("subject_id", "icustay_id").agg(
        begin=pl.col("date").min(), end=pl.col("date").max()
    )
    days = (
        stays.filter(pl.col("end") - pl.col("begin") > pl.duration(days=1))
        .select(
            "subject_id",
            date=pl.date_ranges(
                pl.col("begin") + pl.duration(days=1), pl.col("end") - pl.duration(days=1)
            ),
        )
        .explode("date")
        .unique()
        .join(unknown, on=["subject_id", "date"], how="anti")
        .sort("subject_id", "date")
    )
    return days.select("subject_id", pl.col("date").cast(pl.String)).rows()
