"""Chronic GVHD: every cell of the NIH 2014 form, every pattern of scores, the printed cases.

Expected values are the table and rules of Jagasia 2015 (Figure 1 and Table 2), NIH 2005 as restated
by the page that stands with the definition, and the Seattle classes as NBK12966 prints them.
"""

import itertools

import polars as pl
import pytest

from stromal.endpoints.grading import grade
from stromal.protocol.library import grading

pytestmark = pytest.mark.by_hand

ORGANS = ("skin", "mouth", "eyes", "gi", "liver", "lung", "joints", "genital")
NO_EYES = {"eye_symptoms": "none", "eye_drops": 0.0, "punctal_plugs": "no", "vision_loss": "no",
           "unable_to_work": "no"}  # fmt: skip
NO_GI = {"gi_symptoms": "no", "weight_loss": 0.0, "diarrhoea": "none", "supplement": "no",
         "oesophageal_dilation": "no"}  # fmt: skip
NO_LIVER = {"bilirubin": 0.5, "bilirubin_uln": 1.2, "alt": 1.0, "ap": 1.0}


def graded(rows, definition="NIH_2014"):
    return grade(pl.DataFrame(rows, infer_schema_length=None), grading(definition))


def one(row, definition="NIH_2014"):
    return graded([row], definition).row(0, named=True)


CELLS = [
    # skin: the higher of extent and features
    ("skin", {"skin_bsa": 0.0, "skin_features": "none"}, "0"),
    ("skin", {"skin_bsa": 1.0, "skin_features": "none"}, "1"),
    ("skin", {"skin_bsa": 18.0, "skin_features": "none"}, "1"),
    ("skin", {"skin_bsa": 18.5, "skin_features": "none"}, "2"),
    ("skin", {"skin_bsa": 19.0, "skin_features": "none"}, "2"),
    ("skin", {"skin_bsa": 50.0, "skin_features": "none"}, "2"),
    ("skin", {"skin_bsa": 51.0, "skin_features": "none"}, "3"),
    ("skin", {"skin_bsa": 2.0, "skin_features": "superficial"}, "2"),
    ("skin", {"skin_bsa": 60.0, "skin_features": "superficial"}, "3"),
    ("skin", {"skin_bsa": 0.0, "skin_features": "deep"}, "3"),
    ("skin", {"skin_features": "deep"}, "3"),
    ("skin", {"skin_bsa": 20.0}, None),  # sclerosis could make it 3
    # mouth
    ("mouth", {"mouth_symptoms": "none"}, "0"),
    ("mouth", {"mouth_symptoms": "mild"}, "1"),
    ("mouth", {"mouth_symptoms": "moderate"}, "2"),
    ("mouth", {"mouth_symptoms": "severe"}, "3"),
    # eyes
    ("eyes", NO_EYES, "0"),
    ("eyes", {**NO_EYES, "eye_symptoms": "mild", "eye_drops": 3.0}, "1"),
    ("eyes", {**NO_EYES, "eye_drops": 3.0}, "1"),  # drops up to 3 a day are score 1
    ("eyes", {**NO_EYES, "eye_drops": 4.0}, "2"),
    ("eyes", NO_EYES, "0"),
    ("eyes", {**NO_EYES, "eye_symptoms": "mild", "eye_drops": 4.0}, "2"),
    ("eyes", {**NO_EYES, "eye_symptoms": "mild", "punctal_plugs": "yes"}, "2"),
    ("eyes", {**NO_EYES, "eye_symptoms": "moderate"}, "2"),
    ("eyes", {**NO_EYES, "eye_symptoms": "severe"}, "3"),
    ("eyes", {**NO_EYES, "eye_symptoms": "mild", "unable_to_work": "yes"}, "3"),
    ("eyes", {**NO_EYES, "eye_symptoms": "mild", "vision_loss": "yes"}, "3"),
    # gastrointestinal
    ("gi", NO_GI, "0"),
    ("gi", {**NO_GI, "gi_symptoms": "yes"}, "1"),
    ("gi", {**NO_GI, "gi_symptoms": "yes", "weight_loss": 4.9}, "1"),
    ("gi", {**NO_GI, "gi_symptoms": "yes", "weight_loss": 5.0}, "2"),
    ("gi", {**NO_GI, "gi_symptoms": "yes", "weight_loss": 15.0}, "2"),
    ("gi", {**NO_GI, "gi_symptoms": "yes", "weight_loss": 15.1}, "3"),
    ("gi", {**NO_GI, "gi_symptoms": "yes", "diarrhoea": "moderate"}, "2"),
    ("gi", {**NO_GI, "gi_symptoms": "yes", "diarrhoea": "severe"}, "3"),
    ("gi", {**NO_GI, "supplement": "yes"}, "3"),
    ("gi", {**NO_GI, "oesophageal_dilation": "yes"}, "3"),
    # liver, in multiples of the upper limit of normal
    ("liver", NO_LIVER, "0"),
    ("liver", {**NO_LIVER, "alt": 2.99, "ap": 2.99}, "0"),
    ("liver", {**NO_LIVER, "alt": 3.0}, "1"),
    ("liver", {**NO_LIVER, "alt": 5.0}, "1"),
    ("liver", {**NO_LIVER, "alt": 5.01}, "2"),
    ("liver", {**NO_LIVER, "ap": 3.0}, "1"),
    ("liver", {**NO_LIVER, "ap": 9.0}, "1"),
    ("liver", {**NO_LIVER, "bilirubin": 1.2}, "0"),  # the limit itself is normal
    ("liver", {**NO_LIVER, "bilirubin": 1.3}, "2"),
    ("liver", {**NO_LIVER, "bilirubin": 3.0}, "2"),
    ("liver", {**NO_LIVER, "bilirubin": 3.01}, "3"),
    ("liver", {"bilirubin": 4.0}, "3"),
    # lung: FEV1 in whole per cents
    ("lung", {"fev1": 80.0}, "0"),
    ("lung", {"fev1": 79.5}, "0"),
    ("lung", {"fev1": 79.4}, "1"),
    ("lung", {"fev1": 60.0}, "1"),
    ("lung", {"fev1": 59.5}, "1"),
    ("lung", {"fev1": 59.4}, "2"),
    ("lung", {"fev1": 40.0}, "2"),
    ("lung", {"fev1": 39.5}, "2"),
    ("lung", {"fev1": 39.4}, "3"),
    ("lung", {"fev1": 20.0}, "3"),
    # symptoms only without a lung function test
    ("lung", {"fev1": 90.0, "dyspnoea": "rest or oxygen"}, "0"),
    ("lung", {"pft": "not done", "dyspnoea": "none"}, "0"),
    ("lung", {"pft": "not done", "dyspnoea": "stairs"}, "1"),
    ("lung", {"pft": "not done", "dyspnoea": "flat"}, "2"),
    ("lung", {"pft": "not done", "dyspnoea": "rest or oxygen"}, "3"),
    ("lung", {"dyspnoea": "flat"}, None),
    ("lung", {"pft": "done", "dyspnoea": "flat"}, None),
    # joints and genital tract
    ("joints", {"joint_tightness": "none"}, "0"),
    ("joints", {"joint_tightness": "mild"}, "1"),
    ("joints", {"joint_tightness": "moderate"}, "2"),
    ("joints", {"joint_tightness": "severe"}, "3"),
    ("genital", {"genital_signs": "none"}, "0"),
    ("genital", {"genital_signs": "mild"}, "1"),
    ("genital", {"genital_signs": "moderate"}, "2"),
    ("genital", {"genital_signs": "severe"}, "3"),
    ("genital", {"genital_signs": "not examined"}, "not scored"),
]


def test_every_cell_of_the_form():
    rows = [items for _, items, _ in CELLS]
    names = sorted({name for row in rows for name in row})
    out = graded([{name: row.get(name) for name in names} for row in rows])
    found = [told[organ] for (organ, _, _), told in zip(CELLS, out.to_dicts(), strict=True)]
    assert found == [score for _, _, score in CELLS]


def severity(scores):
    """The rule as printed, over the scored organs."""
    lung = scores.get("lung", 0)
    if 3 in scores.values() or lung >= 2:
        return "severe"
    others = [score for organ, score in scores.items() if organ != "lung"]
    affected = sum(score >= 1 for score in scores.values())
    if lung == 1 or 2 in others or affected >= 3:
        return "moderate"
    return "mild" if affected else "none"


@pytest.mark.parametrize("definition", ["NIH_2014", "NIH_2005"])
def test_every_pattern_of_eight_scores(definition):
    every = list(itertools.product(range(4), repeat=8))
    columns = {organ: [str(e[i]) for e in every] for i, organ in enumerate(ORGANS)}
    if definition == "NIH_2005":
        columns["lung_function"] = columns.pop("lung")
        columns["lung_symptoms"] = ["0"] * len(every)
    out = grade(pl.DataFrame(columns), grading(definition))
    expected = [severity(dict(zip(ORGANS, e, strict=True))) for e in every]
    assert out["grade"].to_list() == expected


def test_every_pattern_of_known_and_unknown_scores():
    """Scores that are not recorded are tried with all their values, in four organs."""
    some = ("skin", "lung", "liver", "mouth")
    rest = dict.fromkeys(set(ORGANS) - set(some), "0")
    every = list(itertools.product([None, 0, 1, 2, 3], repeat=4))
    rows = [
        {**{o: None if v is None else str(v) for o, v in zip(some, e, strict=True)}, **rest}
        for e in every
    ]
    for e, told in zip(every, graded(rows).to_dicts(), strict=True):
        could = {
            severity(dict(zip(some, filled, strict=True)))
            for filled in itertools.product(*(range(4) if v is None else [v] for v in e))
        }
        assert set(told["could_be"]) == could
        assert told["grade"] == (could.pop() if len(could) == 1 else None)


ZERO = dict.fromkeys(ORGANS, "0")


@pytest.mark.parametrize(
    ("scores", "expected"),
    [
        ({"fev1": 79.0, "lung": None}, "moderate"),  # FEV1 79 % alone
        ({"skin": "1", "mouth": "1", "eyes": "1"}, "moderate"),
        ({"skin": "1", "mouth": "1"}, "mild"),
        ({"skin": "1", "mouth": "1", "platelets": 80.0}, "mild"),  # platelets are not read
        ({"skin": "1", "performance": "3"}, "mild"),  # nor is performance
        ({"skin": "3", "skin_other_cause": "yes"}, "none"),  # wholly another cause
        ({"skin": "1", "mouth": "1", "eyes": "1", "eyes_other_cause": "yes"}, "mild"),
        ({"skin": "3", "skin_other_cause": "no"}, "severe"),
        ({"lung": "2", "lung_other_cause": "yes", "skin": "1"}, "mild"),
        ({"genital": "not scored", "skin": "1"}, "mild"),
        ({"genital": None, "skin": "1"}, None),  # not recorded is not "not examined"
        ({"genital": None, "skin": "3"}, "severe"),
    ],
)
def test_printed_cases(scores, expected):
    assert one({**ZERO, **scores})["grade"] == expected


@pytest.mark.parametrize("organ", ORGANS)
@pytest.mark.parametrize("score", ["1", "2", "3"])
def test_an_organ_of_another_cause_does_not_count(organ, score):
    row = {**ZERO, organ: score, f"{organ}_other_cause": "yes"}
    assert one(row)["grade"] == "none"


@pytest.mark.parametrize("symptoms", range(4))
@pytest.mark.parametrize("function", range(4))
def test_nih_2005_takes_the_higher_lung_score(symptoms, function):
    row = {organ: "0" for organ in ORGANS if organ != "lung"}
    row |= {"lung_symptoms": str(symptoms), "lung_function": str(function)}
    told = one(row, "NIH_2005")
    assert told["lung"] == str(max(symptoms, function))
    assert told["grade"] == severity({"lung": max(symptoms, function)})


NO_MORE = {"aggressive_liver": "no", "schirmer": 12.0, "mouth_biopsy": "no", "other_organ": "no"}


@pytest.mark.parametrize(
    ("items", "expected", "could_be"),
    [
        ({"skin_extent": "none", "hepatic_dysfunction": "no", **NO_MORE}, "none", ["none"]),
        ({"skin_extent": "localised", "hepatic_dysfunction": "no", **NO_MORE}, "limited",
         ["limited"]),
        ({"skin_extent": "none", "hepatic_dysfunction": "yes", **NO_MORE}, "limited", ["limited"]),
        ({"skin_extent": "localised", "hepatic_dysfunction": "yes", **NO_MORE}, "limited",
         ["limited"]),
        ({"skin_extent": "generalised"}, "extensive", ["extensive"]),
        *(
            ({"skin_extent": "localised", **NO_MORE, **more}, "extensive", ["extensive"])
            for more in ({"aggressive_liver": "yes"}, {"schirmer": 4.9}, {"mouth_biopsy": "yes"},
                         {"other_organ": "yes"})
        ),
        ({"skin_extent": "localised", **NO_MORE, "schirmer": 5.0}, "limited", ["limited"]),
        # an eye alone stands in neither class
        ({**NO_MORE, "skin_extent": "none", "hepatic_dysfunction": "no", "schirmer": 2.0}, None,
         []),
        ({"skin_extent": "localised"}, None, ["limited", "extensive"]),
    ],
)  # fmt: skip
def test_seattle_classes(items, expected, could_be):
    told = one(items, "SEATTLE_LIMITED_EXTENSIVE")
    assert (told["grade"], told["could_be"]) == (expected, could_be)


GLOSS = {"hepatic_dysfunction": "no", "cirrhosis": "no", "other_organ": "no"}


@pytest.mark.parametrize(
    ("items", "expected"),
    [
        ({**GLOSS, "skin_bsa": 0.0}, "none"),
        ({**GLOSS, "skin_bsa": 1.0}, "limited"),
        ({**GLOSS, "skin_bsa": 49.9}, "limited"),
        ({**GLOSS, "skin_bsa": 50.0}, None),  # neither class as printed
        ({**GLOSS, "skin_bsa": 50.1}, "extensive"),
        ({**GLOSS, "skin_bsa": 0.0, "hepatic_dysfunction": "yes"}, "limited"),
        ({"skin_bsa": 0.0, "cirrhosis": "yes"}, "extensive"),
        ({"skin_bsa": 0.0, "other_organ": "yes"}, "extensive"),
    ],
)
def test_the_later_gloss(items, expected):
    assert one(items, "LIMITED_EXTENSIVE_50_BSA")["grade"] == expected
