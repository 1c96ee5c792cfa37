"""Severity of aplastic anaemia: every limit of every definition, at the limit and beside it.

Limits: Camitta as restated at wjgnet.com v9/i12/219 Table 1; NHLBI, PMC4293077; EBMT Handbook 2024
chapter 78 (2 of 3 counts, reticulocytes below 60, marrow below 30 %); NCT02407470 (at most); ASH
2010 (reticulocytes below 50 automated, below 20 by hand); Howard 2004 (moderate); paper 2030087
(reticulocytes below 20); 78stepshealth (below 40); BMJ Best Practice topic 96; Authorea 590376.
"""

import pytest

from support.derived import counts, row_of
from support.graded import graded

pytestmark = pytest.mark.by_hand

# counts that are low beyond doubt, and counts that are not low by any definition
MARROW = {
    "SAA_CAMITTA": {"cellularity": 10.0, "haematopoietic_cells": 10.0},
    "SAA_NHLBI": {"hypocellular": "yes"},
    "SAA_EBMT_2024": {"cellularity": 10.0},
    "SAA_NCT02407470": {"hypocellular": "yes"},
    "SAA_ASH_2010": {"hypocellular": "yes", "reticulocyte_method": "automated"},
    "SAA_ARC_20": {"cellularity": 10.0, "haematopoietic_cells": 10.0},
    "SAA_ARC_40": {"cellularity": 10.0},
    "SAA_BMJ_BEST_PRACTICE": {"cellularity": 10.0, "haematopoietic_cells": 10.0},
    "SAA_AUTHOREA_590376": {"cellularity": 10.0, "haematopoietic_cells": 10.0},
}
RETICULOCYTES = {
    "SAA_CAMITTA": ("reticulocytes_corrected", 1.0),
    "SAA_NHLBI": ("ARC", 60.0),
    "SAA_EBMT_2024": ("ARC", 60.0),
    "SAA_NCT02407470": ("reticulocytes_corrected", 1.0),
    "SAA_ASH_2010": ("ARC", 50.0),
    "SAA_ARC_20": ("ARC", 20.0),
    "SAA_ARC_40": ("ARC", 40.0),
    "SAA_BMJ_BEST_PRACTICE": ("ARC", 60.0),
    "SAA_AUTHOREA_590376": ("reticulocytes_corrected", 1.0),
}
EVERY = sorted(MARROW)
INCLUSIVE = {"SAA_NCT02407470"}  # the record writes "at most" where the others write "below"


def severity(name, *, anc, plt, retic, **marrow):
    item = RETICULOCYTES[name][0]
    counts = {"ANC": anc, "PLT": plt, item: retic}
    recorded = {k: v for k, v in {**counts, **MARROW[name], **marrow}.items() if v is not None}
    return graded(name, **recorded)


@pytest.mark.parametrize("name", EVERY)
@pytest.mark.parametrize("line", ["anc", "plt", "retic"])
@pytest.mark.parametrize("side", [-1, 0, 1])
def test_each_count_at_its_limit_and_beside_it(name, line, side):
    """One line is low for certain, one is not, so the third decides between 1 and 2 of 3."""
    limit = {"anc": 0.5, "plt": 20.0, "retic": RETICULOCYTES[name][1]}
    low = {"anc": 0.3, "plt": 5.0, "retic": 0.1}
    high = {"anc": 3.0, "plt": 200.0, "retic": 100.0}
    others = [one for one in ("anc", "plt", "retic") if one != line]
    counts = {
        line: limit[line] + side * 0.01,
        others[0]: low[others[0]],
        others[1]: high[others[1]],
    }
    met = side < 0 or (side == 0 and name in INCLUSIVE)
    assert severity(name, **counts).grade == ("severe" if met else "not severe")


@pytest.mark.parametrize("name", EVERY)
@pytest.mark.parametrize(
    ("anc", "plt", "retic", "expected"),
    [
        (0.19, 5.0, 0.5, "very severe"),
        (0.2, 5.0, 0.5, "severe"),  # very severe is below 0.2, not at it
        (0.0, 5.0, 90.0, "very severe"),
        (0.1, 200.0, 90.0, "not severe"),  # neutrophils alone are one line of three
        (0.4, 5.0, 90.0, "severe"),
        (3.0, 5.0, 0.5, "severe"),  # platelets and reticulocytes suffice
        (3.0, 200.0, 90.0, "not severe"),
    ],
)
def test_very_severe_and_two_of_three(name, anc, plt, retic, expected):
    assert severity(name, anc=anc, plt=plt, retic=retic).grade == expected


def test_reticulocytes_of_55_are_low_under_60_and_not_under_50():
    """Published rules, one set of counts: ANC 0.4, platelets 30, reticulocytes 55."""
    counts = {"anc": 0.4, "plt": 30.0, "retic": 55.0}
    assert severity("SAA_NHLBI", **counts).grade == "severe"
    assert severity("SAA_EBMT_2024", **counts).grade == "severe"
    for name in ("SAA_ASH_2010", "SAA_ARC_40", "SAA_ARC_20"):
        assert severity(name, **counts).grade == "not severe"


@pytest.mark.parametrize(
    ("cellularity", "haematopoietic", "met"),
    [
        (24.9, 90.0, True),
        (24.9, None, True),
        (25.0, 29.9, True),
        (25.0, 30.0, False),
        (50.0, 29.9, True),
        (50.0, 30.0, False),
        (50.1, 10.0, False),
        (50.1, None, False),
    ],
)
def test_marrow_of_camitta(cellularity, haematopoietic, met):
    row = severity("SAA_CAMITTA", anc=0.3, plt=5.0, retic=0.5,
                   cellularity=cellularity, haematopoietic_cells=haematopoietic)  # fmt: skip
    assert row.grade == ("severe" if met else "not severe")


@pytest.mark.parametrize(
    ("name", "cellularity", "haematopoietic", "met"),
    [
        # paper 2030087 and BMJ: below 25 %, or below 50 % with below 30 % haematopoietic cells
        ("SAA_ARC_20", 24.9, 90.0, True),
        ("SAA_ARC_20", 49.9, 29.9, True),
        ("SAA_ARC_20", 49.9, 30.0, False),
        ("SAA_ARC_20", 50.0, 29.9, False),  # Camitta's range holds 50 %
        ("SAA_BMJ_BEST_PRACTICE", 24.9, None, True),
        ("SAA_BMJ_BEST_PRACTICE", 25.0, 29.9, True),
        ("SAA_BMJ_BEST_PRACTICE", 50.0, 29.9, False),
        # preprint 590376: below 25 %, or 25 to 50 % with below 25 % haematopoietic elements
        ("SAA_AUTHOREA_590376", 24.9, 90.0, True),
        ("SAA_AUTHOREA_590376", 25.0, 24.9, True),
        ("SAA_AUTHOREA_590376", 25.0, 25.0, False),
        ("SAA_AUTHOREA_590376", 50.0, 24.9, True),
        ("SAA_AUTHOREA_590376", 50.1, 24.9, False),
        # 78stepshealth: below 25 % alone
        ("SAA_ARC_40", 24.9, None, True),
        ("SAA_ARC_40", 25.0, None, False),
    ],
)
def test_marrow_of_the_others(name, cellularity, haematopoietic, met):
    seen = {"cellularity": cellularity}
    if "haematopoietic_cells" in MARROW[name]:
        seen["haematopoietic_cells"] = haematopoietic
    row = severity(name, anc=0.3, plt=5.0, retic=0.5, **seen)
    assert row.grade == ("severe" if met else "not severe")


@pytest.mark.parametrize(("cellularity", "met"), [(29.9, True), (30.0, False), (30.1, False)])
def test_marrow_of_the_ebmt(cellularity, met):
    row = severity("SAA_EBMT_2024", anc=0.3, plt=5.0, retic=10.0, cellularity=cellularity)
    assert row.grade == ("severe" if met else "not severe")


@pytest.mark.parametrize("name", sorted(name for name in EVERY if "hypocellular" in MARROW[name]))
def test_a_marrow_that_is_not_hypocellular_is_not_severe(name):
    assert severity(name, anc=0.1, plt=5.0, retic=0.5, hypocellular="no").grade == "not severe"


@pytest.mark.parametrize(
    ("method", "arc", "expected"),
    [
        ("automated", 49.9, "severe"),
        ("automated", 50.0, "not severe"),
        ("manual", 19.9, "severe"),
        ("manual", 20.0, "not severe"),
        ("manual", 30.0, "not severe"),
        (None, 19.9, "severe"),
        (None, 50.0, "not severe"),
    ],
)
def test_method_of_counting_reticulocytes(method, arc, expected):
    row = severity("SAA_ASH_2010", anc=0.3, plt=100.0, retic=arc, reticulocyte_method=method)
    assert row.grade == expected


def test_a_method_that_matters_and_is_not_known():
    row = severity("SAA_ASH_2010", anc=0.3, plt=100.0, retic=30.0, reticulocyte_method=None)
    assert row.grade is None
    assert row.could_be == ["not severe", "severe"]
    assert row.unknown == ["reticulocyte_method"]


def test_an_unknown_marrow_leaves_severe_undecided():
    row = severity("SAA_NHLBI", anc=0.3, plt=5.0, retic=10.0, hypocellular=None)
    assert (row.grade, row.unknown) == (None, ["hypocellular"])
    assert row.could_be == ["not severe", "severe"]


def test_unknown_neutrophils_leave_very_severe_possible():
    row = severity("SAA_NHLBI", anc=None, plt=5.0, retic=10.0)
    assert (row.grade, row.unknown) == (None, ["ANC"])
    assert row.could_be == ["severe", "very severe"]


def test_what_is_not_known_does_not_matter_where_the_rest_decides():
    assert severity("SAA_NHLBI", anc=0.3, plt=5.0, retic=None).grade == "severe"
    assert severity("SAA_NHLBI", anc=3.0, plt=90.0, retic=None).grade == "not severe"
    assert severity("SAA_NHLBI", anc=3.0, plt=90.0, retic=5.0, hypocellular=None).grade == (
        "not severe"
    )
    half = severity("SAA_CAMITTA", anc=0.3, plt=5.0, retic=0.5, haematopoietic_cells=None)
    assert half.grade == "severe"
    open_ = severity(
        "SAA_CAMITTA", anc=0.3, plt=5.0, retic=0.5, cellularity=40.0, haematopoietic_cells=None
    )
    assert (open_.grade, open_.unknown) == (None, ["haematopoietic_cells"])


HOWARD = {"cellularity": 40.0, "low_for": 8.0, "ANC": 1.0, "PLT": 50.0, "ARC": 100.0}


@pytest.mark.parametrize(
    ("change", "met"),
    [
        ({}, True),
        ({"cellularity": 49.9}, True),
        ({"cellularity": 50.0}, False),
        ({"low_for": 6.0}, True),
        ({"low_for": 5.9}, False),
        ({"ANC": 1.49}, True),
        ({"ANC": 1.5}, False),
        ({"PLT": 99.9}, True),
        ({"PLT": 100.0}, False),
        ({"PLT": 100.0, "ARC": 39.9}, True),
        ({"PLT": 100.0, "ARC": 40.0}, False),
        ({"ARC": 10.0}, True),
    ],
)
def test_moderate(change, met):
    row = graded("MODERATE_AA_HOWARD_2004", **{**HOWARD, **change})
    assert row.grade == ("moderate at least" if met else "criteria not met")


def test_moderate_asks_how_long():
    row = graded("MODERATE_AA_HOWARD_2004", **{k: v for k, v in HOWARD.items() if k != "low_for"})
    assert (row.grade, row.unknown) == (None, ["low_for"])


DIAGNOSIS = {"hypocellular": "yes", "Hb": 90.0, "PLT": 40.0, "ANC": 3.0}


@pytest.mark.parametrize(
    ("change", "met"),
    [
        ({}, True),
        ({"Hb": 99.9}, True),
        ({"Hb": 100.0}, False),
        ({"PLT": 49.9}, True),
        ({"PLT": 50.0}, False),
        ({"PLT": 50.0, "ANC": 1.49}, True),
        ({"PLT": 50.0, "ANC": 1.5}, False),
        ({"hypocellular": "no"}, False),
    ],
)
def test_diagnosis(change, met):
    row = graded("AA_DIAGNOSIS", **{**DIAGNOSIS, **change})
    assert row.grade == ("criteria met" if met else "criteria not met")


def test_diagnosis_asks_for_the_marrow():
    row = graded("AA_DIAGNOSIS", Hb=90.0, PLT=40.0)
    assert (row.grade, row.unknown) == (None, ["hypocellular"])


@pytest.mark.parametrize(
    ("name", "expected"), [("SAA_NHLBI", "severe"), ("SAA_ARC_40", "not severe")]
)
def test_severity_from_a_study_folder(tmp_path, name, expected):
    """Counts of day 4 and the marrow of day 1 are one assessment, 7 days wide."""
    item, value = next(iter(MARROW[name].items()))
    marrow = {"day": 1, "scale": "marrow", "item": item, "value": str(value)}
    measured = [
        *counts({4: 400}, "ANC", unit="/uL"),
        *counts({4: 30}, "PLT"),
        *counts({4: 55}, "ARC"),
    ]
    endpoint = (
        f"  severity:\n    label: Severity\n    graded: {{definition: {name}}}\n"
        "    from: transplant\n    within: 7 d\n"
    )
    row = row_of(tmp_path, endpoint, measurements=measured, assessments=[marrow])
    assert (row["status"], row["day"]) == (expected, 4)
