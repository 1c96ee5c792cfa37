"""Comorbidity index (HCT-CI) and original disease risk index, every row of their tables.

HCT-CI: PDQ table of definitions, Sorror 2013 table (DLCO or FEV1 at most 65 % is severe), EBMT
Handbook 2024 chapter 11. Disease risk: EBMT Handbook 2024, Table 11.1.
"""

import itertools

import numpy as np
import pytest

from stromal.protocol.library import grading
from support.graded import graded

pytestmark = pytest.mark.by_hand

BOTH = ["HCT_CI_2005", "HCT_CI_2013"]
WELL = {
    **dict.fromkeys(
        ["arrhythmia", "cerebrovascular", "diabetes", "inflammatory_bowel", "psychiatric",
         "rheumatologic", "peptic_ulcer", "solid_tumour", "valve", "cardiac", "oxygen",
         "chronic_hepatitis", "cirrhosis", "dialysis", "kidney_transplant"], "no",
    ),
    "ejection_fraction": 60.0, "bmi": 24.0, "bilirubin": 0.6, "bilirubin_ULN": 1.2, "ALT": 20.0,
    "ALT_ULN": 40.0, "AST": 20.0, "AST_ULN": 40.0, "creatinine": 0.9, "DLCO": 95.0, "FEV1": 95.0,
    "dyspnoea": "none or on more than slight activity",
}  # fmt: skip
OWN = {
    "HCT_CI_2005": {"infection_treated_after_day_0": "no"},
    "HCT_CI_2013": {"infection_treated_around_conditioning": "no", "child": "no"},
}


def index(name, **found):
    recorded = {**WELL, **OWN[name], **found}
    return graded(name, **{k: v for k, v in recorded.items() if v is not None})


def group_of(score):
    return "0" if score == 0 else "1 or 2" if score <= 2 else "3 or more"


SINGLE = [
    *(({item: "yes"}, 1) for item in ("arrhythmia", "cerebrovascular", "diabetes",
                                      "inflammatory_bowel", "psychiatric", "cardiac",
                                      "chronic_hepatitis")),
    *(({item: "yes"}, 2) for item in ("rheumatologic", "peptic_ulcer", "dialysis",
                                      "kidney_transplant")),
    *(({item: "yes"}, 3) for item in ("solid_tumour", "valve", "cirrhosis", "oxygen")),
    ({"ejection_fraction": 50.0}, 1), ({"ejection_fraction": 50.1}, 0),
    ({"bmi": 35.0}, 0), ({"bmi": 35.1}, 1),
    ({"bilirubin": 1.2}, 0), ({"bilirubin": 1.21}, 1), ({"bilirubin": 1.8}, 1),
    ({"bilirubin": 1.81}, 3),
    ({"bilirubin": 3.3, "bilirubin_ULN": 2.2}, 1), ({"bilirubin": 3.31, "bilirubin_ULN": 2.2}, 3),
    ({"ALT": 40.0}, 0), ({"ALT": 41.0}, 1), ({"ALT": 100.0}, 1), ({"ALT": 101.0}, 3),
    ({"AST": 40.0}, 0), ({"AST": 41.0}, 1), ({"AST": 100.0}, 1), ({"AST": 101.0}, 3),
    ({"creatinine": 2.0}, 0), ({"creatinine": 2.01}, 2),
    *(({test: value}, points) for test in ("DLCO", "FEV1")
      for value, points in ((81.0, 0), (80.5, 0), (80.4, 2), (80.0, 2), (66.0, 2), (65.5, 2),
                            (65.4, 3), (65.0, 3), (64.0, 3), (30.0, 3))),
    ({"dyspnoea": "on slight activity"}, 2), ({"dyspnoea": "at rest"}, 3),
    ({"DLCO": 70.0, "FEV1": 60.0}, 3), ({}, 0),
]  # fmt: skip


@pytest.mark.parametrize("name", BOTH)
@pytest.mark.parametrize(("found", "points"), SINGLE)
def test_each_comorbidity_alone(name, found, points):
    row = index(name, **found)
    assert (row["score"], row.grade) == (points, group_of(points))


def test_each_version_has_its_own_infection():
    assert index("HCT_CI_2005", infection_treated_after_day_0="yes")["score"] == 1
    assert index("HCT_CI_2013", infection_treated_around_conditioning="yes")["score"] == 1
    items = {name: set(grading(name).items) for name in BOTH}
    assert items["HCT_CI_2005"] - items["HCT_CI_2013"] == {"infection_treated_after_day_0"}
    assert items["HCT_CI_2013"] - items["HCT_CI_2005"] == {
        "infection_treated_around_conditioning", "child", "bmi_centile",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("found", "points"),
    [
        ({"child": "yes", "bmi_centile": 95.0}, 1),
        ({"child": "yes", "bmi_centile": 94.9}, 0),
        ({"child": "yes", "bmi_centile": 94.9, "bmi": 36.0}, 0),
        ({"child": "no", "bmi": 36.0}, 1),
        ({"child": "no", "bmi_centile": 99.0}, 0),
    ],
)
def test_obesity_of_children_in_2013(found, points):
    assert index("HCT_CI_2013", **found)["score"] == points


TWO_AND_ONE = {
    "arrhythmia": 1, "diabetes": 1, "cardiac": 1, "psychiatric": 1, "rheumatologic": 2,
    "peptic_ulcer": 2, "dialysis": 2, "solid_tumour": 3, "valve": 3,
}  # fmt: skip


@pytest.mark.parametrize("name", BOTH)
def test_points_add_up(name):
    rng = np.random.default_rng(20240811)
    for chosen in rng.random((40, len(TWO_AND_ONE))) < 0.3:
        present = list(itertools.compress(TWO_AND_ONE, chosen))
        score = sum(TWO_AND_ONE[item] for item in present)
        row = index(name, **dict.fromkeys(present, "yes"))
        assert (row["score"], row.grade) == (score, group_of(score))


def test_known_points_decide_the_group():
    assert graded("HCT_CI_2005", valve="yes").grade == "3 or more"
    row = graded("HCT_CI_2005", rheumatologic="yes")
    assert (row.grade, row.could_be) == (None, ["1 or 2", "3 or more"])
    row = index("HCT_CI_2005", FEV1=None)
    assert (row.grade, row["score"], row.unknown) == (None, None, ["FEV1"])
    assert row.could_be == ["0", "1 or 2", "3 or more"]
    assert index("HCT_CI_2005", FEV1=None, DLCO=60.0).grade == "3 or more"
    assert index("HCT_CI_2005", FEV1=None, DLCO=70.0).could_be == ["1 or 2", "3 or more"]


def test_points_of_an_organ_may_be_recorded():
    lungs = {"DLCO": None, "FEV1": None, "oxygen": None, "dyspnoea": None}
    row = index("HCT_CI_2013", **lungs, pulmonary_points="2")
    assert (row["score"], row.grade) == (2, "1 or 2")


def test_units_of_bilirubin_and_creatinine():
    """A mole of bilirubin is 584.66 g, one of creatinine 113.12 g: 1 umol/L in mg/dL."""
    for name in BOTH:
        items = grading(name).items
        assert items["bilirubin"].also["umol/L"] == pytest.approx(584.66e-4)
        assert items["bilirubin_ULN"].also == items["bilirubin"].also
        assert items["creatinine"].also["umol/L"] == pytest.approx(113.12e-4)


LOW = ["AML favourable", "CLL", "CML", "indolent B-cell lymphoma"]
INTERMEDIATE = [
    "AML intermediate", "MDS intermediate", "myeloproliferative neoplasm", "myeloma",
    "Hodgkin lymphoma", "diffuse large B-cell or transformed lymphoma", "mantle cell lymphoma",
    "nodal T-cell lymphoma",
]  # fmt: skip
HIGH = ["AML adverse", "MDS adverse", "extranodal T-cell lymphoma"]
EARLY = ["first complete remission", "later complete remission", "first partial remission",
         "untreated", "CML chronic phase"]  # fmt: skip
LATE = ["induction failure", "relapse", "CML accelerated or blast phase"]
GROUP = {
    ("low", "low"): "low",
    ("low", "high"): "intermediate",
    ("intermediate", "low"): "intermediate",
    ("intermediate", "high"): "high",
    ("high", "low"): "high",
    ("high", "high"): "very high",
}
DISEASES = [
    *((d, "low") for d in LOW), *((d, "intermediate") for d in INTERMEDIATE),
    *((d, "high") for d in HIGH),
]  # fmt: skip
STAGES = [*((s, "low") for s in EARLY), *((s, "high") for s in LATE)]


@pytest.mark.parametrize(("disease", "risk"), DISEASES)
def test_disease_risk_of_every_disease_and_stage(disease, risk):
    for stage, of_stage in STAGES:
        row = graded("DRI_ORIGINAL", disease=disease, stage=stage)
        assert row.grade == GROUP[risk, of_stage], stage


@pytest.mark.parametrize(
    ("conditioning", "of_stage"), [("reduced", "low"), ("myeloablative", "high")]
)
@pytest.mark.parametrize(
    ("disease", "risk"), [("CLL", "low"), ("myeloma", "intermediate"), ("MDS adverse", "high")]
)
def test_a_later_partial_remission_depends_on_conditioning(conditioning, of_stage, disease, risk):
    row = graded("DRI_ORIGINAL", disease=disease, stage="later partial remission",
                 conditioning=conditioning)  # fmt: skip
    assert row.grade == GROUP[risk, of_stage]


def test_disease_risk_with_unknown_parts():
    row = graded("DRI_ORIGINAL", disease="myeloma", stage="later partial remission")
    assert (row.grade, row.could_be) == (None, ["intermediate", "high"])
    assert row.unknown == ["conditioning"]
    row = graded("DRI_ORIGINAL", disease="AML adverse")
    assert (row.grade, row.could_be) == (None, ["high", "very high"])
    assert "stage" in row.unknown


def test_a_disease_that_is_not_in_the_table_has_no_group():
    row = graded("DRI_ORIGINAL", disease="other", stage="relapse")
    assert (row.grade, row.could_be) == (None, [])
