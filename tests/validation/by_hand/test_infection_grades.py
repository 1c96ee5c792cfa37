"""Severity of infections (BMT CTN) and cytomegalovirus disease, every row that was read.

BMT CTN Manual of Procedures v3.0, Appendix 4-A (bacterial and fungal rows, read in part);
cytomegalovirus: Clin Infect Dis 79:787, Tables 1, 3 and 4; EBMT Handbook 2024 chapter 38.
"""

import pytest

from support.graded import graded

pytestmark = pytest.mark.by_hand

NO_BACTERIA = {
    "bacteraemia": "none",
    "focus": "no",
    "cellulitis": "none",
    "pneumonia": "none",
    "central_nervous": "no",
    "c_difficile": "no",
}
COLITIS = {"c_difficile": "yes", "c_difficile_worst": "none", "child": "no", "stool": 0.5}
CHILD = {"c_difficile": "yes", "c_difficile_worst": "none", "child": "yes"}
QUIET = {"severe_sepsis": "no", "deep_organ": "no"}


def bacterial(**found):
    return graded("BMT_CTN_BACTERIAL", **{**NO_BACTERIA, **found})


@pytest.mark.parametrize(
    ("found", "grade"),
    [
        ({}, "0"),
        ({"focus": "yes", "focus_treated_for": 14.0}, "1"),
        ({"focus": "yes", "focus_treated_for": 15.0}, "2"),
        ({"bacteraemia": "skin commensal", **QUIET}, "1"),
        ({"bacteraemia": "other", **QUIET}, "2"),
        ({"bacteraemia": "other", **QUIET, "deep_organ": "yes"}, "3"),
        ({"bacteraemia": "other", **QUIET, "severe_sepsis": "yes"}, "3"),
        ({"bacteraemia": "skin commensal", **QUIET, "severe_sepsis": "yes"}, "3"),
        ({"cellulitis": "answered within 14 days"}, "1"),
        ({"cellulitis": "needed a change of therapy or drainage"}, "2"),
        ({"cellulitis": "fasciitis with debridement"}, "3"),
        ({"pneumonia": "yes"}, "2"),
        ({"pneumonia": "intubated"}, "3"),
        ({"central_nervous": "yes"}, "3"),
        ({**COLITIS, "stool": 0.999}, "1"),
        ({**COLITIS, "stool": 1.001}, "2"),
        ({**COLITIS, "c_difficile_worst": "pain"}, "2"),
        ({**COLITIS, "c_difficile_worst": "toxic dilatation"}, "3"),
        ({**COLITIS, "c_difficile_worst": "renal failure"}, "3"),
        ({**CHILD, "stool_per_kg": 19.9}, "1"),
        ({**CHILD, "stool_per_kg": 20.1}, "2"),
        ({"pneumonia": "yes", "focus": "yes", "focus_treated_for": 3.0}, "2"),
        ({"pneumonia": "yes", "central_nervous": "yes"}, "3"),
    ],
)
def test_bacterial_rows(found, grade):
    assert bacterial(**found).grade == grade


@pytest.mark.parametrize("stool", [{**COLITIS, "stool": 1.0}, {**CHILD, "stool_per_kg": 20.0}])
def test_stool_at_the_limit_has_no_row(stool):
    assert bacterial(**stool).grade is None


def test_bacterial_grade_with_unknown_parts():
    row = bacterial(bacteraemia="other", severe_sepsis="no")
    assert (row.grade, row.could_be, row.unknown) == (None, ["2", "3"], ["deep_organ"])
    row = bacterial(focus="yes")
    assert (row.grade, row.could_be, row.unknown) == (None, ["1", "2"], ["focus_treated_for"])
    assert graded("BMT_CTN_BACTERIAL", central_nervous="yes").grade == "3"
    nothing_else = {k: v for k, v in NO_BACTERIA.items() if k != "pneumonia"}
    row = graded("BMT_CTN_BACTERIAL", **nothing_else)
    assert (row.grade, row.could_be) == (None, ["0", "2", "3"])


def test_the_grade_of_one_site_may_be_recorded():
    known = {k: v for k, v in NO_BACTERIA.items() if k != "focus"}
    assert graded("BMT_CTN_BACTERIAL", **known, grade_focus="2").grade == "2"


@pytest.mark.parametrize(
    ("fungal", "grade"),
    [
        ("none", "0"),
        ("superficial candida", "1"),
        ("candida oesophagitis proven by biopsy", "2"),
        ("sinusitis without orbit, brain or bone", "2"),
        ("fungaemia", "3"),
        ("proven or probable invasive infection", "3"),
        ("disseminated endemic infection", "3"),
    ],
)
def test_fungal_rows(fungal, grade):
    assert graded("BMT_CTN_FUNGAL", fungal=fungal).grade == grade


def test_fungal_infection_that_nobody_recorded():
    row = graded("BMT_CTN_FUNGAL")
    assert (row.grade, row.could_be, row.unknown) == (None, ["0", "1", "2", "3"], ["fungal"])


@pytest.mark.parametrize(
    ("therapy", "disease", "expected"),
    [
        ("yes", "no", "yes"),
        ("no", "yes", "yes"),
        ("yes", "yes", "yes"),
        ("no", "no", "no"),
        ("yes", None, "yes"),
        ("no", None, None),
        (None, "no", None),
    ],
)
def test_clinically_significant_cytomegalovirus(therapy, disease, expected):
    recorded = {"preemptive_therapy": therapy, "disease": disease}
    row = graded("CMV_CLINICALLY_SIGNIFICANT", **{k: v for k, v in recorded.items() if v})
    assert row.grade == expected
    assert row.unknown == ([] if expected else [k for k, v in recorded.items() if not v])


@pytest.mark.parametrize(
    ("recorded", "expected"),
    [
        ({"signs": "yes", "lung_tissue": "yes"}, "proven"),
        ({"signs": "yes", "lung_tissue": "no"}, "not proven"),
        ({"signs": "no", "lung_tissue": "yes"}, "not proven"),
        ({"lung_tissue": "no"}, "not proven"),
        ({"lung_tissue": "yes"}, None),
    ],
)
def test_pneumonia(recorded, expected):
    row = graded("CMV_2024_PNEUMONIA", **recorded)
    assert row.grade == expected
    assert row.unknown == ([] if expected else ["signs"])


GUT = {"symptoms": "yes", "lesion": "yes", "tissue": "yes", "tissue_pcr": "yes",
       "transplant": "allogeneic"}  # fmt: skip


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, "proven"),
        ({"lesion": "no"}, "probable"),
        ({"tissue": "no"}, "possible"),
        ({"tissue": "no", "lesion": "no"}, "possible"),
        ({"tissue": "no", "transplant": "autologous"}, "none"),
        ({"tissue": "no", "tissue_pcr": "no"}, "none"),
        ({"symptoms": "no"}, "none"),
        ({"transplant": "autologous"}, "proven"),
        ({"transplant": "none", "tissue_pcr": "no"}, "proven"),
    ],
)
def test_gastrointestinal_disease(change, expected):
    assert graded("CMV_2024_GASTROINTESTINAL", **{**GUT, **change}).grade == expected


@pytest.mark.parametrize(
    ("missing", "could_be"),
    [
        ("symptoms", ["none", "proven"]),
        ("lesion", ["probable", "proven"]),
        ("tissue", ["possible", "proven"]),
    ],
)
def test_gastrointestinal_disease_with_one_thing_unknown(missing, could_be):
    row = graded("CMV_2024_GASTROINTESTINAL", **{k: v for k, v in GUT.items() if k != missing})
    assert (row.grade, row.could_be, row.unknown) == (None, could_be, [missing])


@pytest.mark.parametrize(
    ("tissue", "fluid", "imaging", "expected"),
    [
        ("yes", "no", "no", "proven"),
        ("no", "yes", "yes", "probable"),
        ("no", "yes", "no", "none"),
        ("no", "no", "yes", "none"),
        ("no", "yes", None, None),
    ],
)
def test_cytomegalovirus_encephalitis(tissue, fluid, imaging, expected):
    """2024 consensus: tissue proves it; clear fluid with imaging or EEG makes it probable."""
    items = {"brain_tissue": tissue, "cerebrospinal_fluid": fluid, "imaging_or_eeg": imaging}
    row = graded("CMV_2024_ENCEPHALITIS", **{k: v for k, v in items.items() if v is not None})
    assert row.grade == expected
