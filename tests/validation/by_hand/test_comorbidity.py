"""Comorbidity index (HCT-CI) and original disease risk index, every row of their tables.

HCT-CI: PDQ table of definitions, Sorror 2013 table (DLCO or FEV1 at most 65 % is severe), EBMT
Handbook 2024 chapter 11. Disease risk: EBMT Handbook 2024, Table 11.1.
"""

import itertools

import numpy as np
import polars as pl
import pytest

from stromal.endpoints.grading import grade
from stromal.protocol.library import grading
from support.derived import row_of
from support.graded import graded

pytestmark = pytest.mark.by_hand

BOTH = ["HCT_CI_2005", "HCT_CI_2013"]
WELL = {
    **dict.fromkeys(
        ["arrhythmia", "cerebrovascular", "diabetes", "inflammatory_bowel", "psychiatric",
         "rheumatologic", "peptic_ulcer", "solid_tumour", "valve", "cardiac", "oxygen",
         "chronic_hepatitis", "cirrhosis", "dialysis", "kidney_transplant"], "no",
    ),
    "ejection_fraction": 60.0, "bmi": 24.0, "bilirubin": 0.6, "bilirubin_uln": 1.2, "alt": 20.0,
    "alt_uln": 40.0, "ast": 20.0, "ast_uln": 40.0, "creatinine": 0.9, "DLCO": 95.0, "FEV1": 95.0,
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
    ({"bilirubin": 3.3, "bilirubin_uln": 2.2}, 1), ({"bilirubin": 3.31, "bilirubin_uln": 2.2}, 3),
    ({"alt": 40.0}, 0), ({"alt": 41.0}, 1), ({"alt": 100.0}, 1), ({"alt": 101.0}, 3),
    ({"ast": 40.0}, 0), ({"ast": 41.0}, 1), ({"ast": 100.0}, 1), ({"ast": 101.0}, 3),
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
    """Two hundred people, comorbidities chosen by chance; points added in plain Python."""
    rng = np.random.default_rng(20240811)
    people = [
        list(itertools.compress(TWO_AND_ONE, chosen))
        for chosen in rng.random((200, len(TWO_AND_ONE))) < 0.3
    ]
    rows = [{**WELL, **OWN[name], **dict.fromkeys(present, "yes")} for present in people]
    derived = grade(pl.DataFrame(rows), grading(name))
    scores = [sum(TWO_AND_ONE[item] for item in present) for present in people]
    assert derived["score"].to_list() == scores
    assert derived["grade"].to_list() == [group_of(score) for score in scores]
    assert set(derived["grade"]) == {"0", "1 or 2", "3 or more"}


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
    """17.1 umol/L of bilirubin and 88.4 umol/L of creatinine are 1 mg/dL."""
    for name in BOTH:
        items = grading(name).items
        assert 17.1 * items["bilirubin"].also["umol/L"] == pytest.approx(1.0, rel=1e-12)
        assert items["bilirubin_uln"].also == items["bilirubin"].also
        assert 88.4 * items["creatinine"].also["umol/L"] == pytest.approx(1.0, rel=1e-12)


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


def test_disease_risk_of_every_disease_and_stage():
    pairs = list(itertools.product(DISEASES, STAGES))
    rows = [{"disease": disease, "stage": stage} for (disease, _), (stage, _) in pairs]
    derived = grade(pl.DataFrame(rows), grading("DRI_ORIGINAL"))
    assert derived["grade"].to_list() == [
        GROUP[risk, of_stage] for (_, risk), (_, of_stage) in pairs
    ]
    assert len(pairs) == 15 * 8


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


@pytest.mark.parametrize(
    ("creatinine", "bilirubin", "uln", "expected"),
    [
        ("176.8 umol/L", "17.1 umol/L", "17.1 umol/L", "0"),  # 2 mg/dL, and not above normal
        ("177 umol/L", "17.1 umol/L", "1 mg/dL", "1 or 2"),
        ("2 mg/dL", "1.5 mg/dL", "17.1 umol/L", "1 or 2"),
        ("2 mg/dL", "1.6 mg/dL", "17.1 umol/L", "3 or more"),
    ],
)
def test_units_in_a_study_folder(tmp_path, creatinine, bilirubin, uln, expected):
    found = {**WELL, **OWN["HCT_CI_2005"], "creatinine": creatinine, "bilirubin": bilirubin,
             "bilirubin_uln": uln, "bmi": "24 kg/m2"}  # fmt: skip
    found |= {item: f"{found[item]} U/L" for item in ("alt", "alt_uln", "ast", "ast_uln")}
    rows = [
        {"day": 0, "scale": "comorbidity", "item": item, "value": str(value)}
        for item, value in found.items()
    ]
    endpoint = (
        "  index:\n    label: Index\n    graded: {definition: HCT_CI_2005}\n    from: transplant\n"
    )
    assert row_of(tmp_path, endpoint, assessments=rows)["status"] == expected
