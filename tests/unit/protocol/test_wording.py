"""Definitions in words: what a physician reads of support, assessments and items."""

import pytest

from stromal.protocol.library import FAMILIES, definitions
from stromal.protocol.wording import describe_definition


def said(name):
    family, content = definitions()[name]
    rule = FAMILIES[family].model_validate(content)
    return {aspect.name: aspect.said for aspect in describe_definition(family, rule)}


@pytest.mark.parametrize(
    ("name", "aspect", "words"),
    [
        ("TANG_2018_PGF", "count of PLT",
         "below 20 10*9/L, or with a transfusion of platelets within 7 d up to the day"),
        ("ASH_2012_TCD_PGF", "count of ANC",
         "below 1 10*9/L, or with at least 3 days on G-CSF within 30 d up to the day"),
        ("ASH_2012_TCD_PGF", "count of PLT",
         "below 50 10*9/L, or with at least 4 transfusions of platelets within 30 d up to the day"),
        ("IWG_2018_HTB", "begins with", "at least 8 units of red cells within 112 d"),
        ("IWG_2018_HTB", "ends with", "no transfusion of red cells for 56 d"),
        ("PRIMARY_GF_DAY_28", "also where",
         "chimerism below 5 % (nearest assessment, from 14 d before to 14 d after)"),
        ("MAGIC_2016", "adult estimate", "stool episodes x 200"),
        ("MAGIC_2016", "item bilirubin",
         "Total bilirubin, in mg/dL, from 0 to 100; 17.1 umol/L is 1 mg/dL"),
        ("MAGIC_2016", "item stool volume",
         "Measured volume of diarrhoea a day, in mL/d, from 0 to 50000; 1000 mL/d is 1 L/d"),
    ],
)  # fmt: skip
def test_in_words(name, aspect, words):
    assert said(name)[aspect] == words


def test_provisos_in_words():
    words = said("NCT03437603_PGF_PRIMARY")["only where"]
    assert words.startswith("neutrophil recovery not by 28 d; a transfusion of red cells or ")
    assert "no relapse ever; no acute gvhd of grade 3 or more ever" in words
    assert "a person attests: marrow hypocellular" in words
    assert "no infection during the run" in words
