"""Release of stromal cells: each criterion at its limit, with every other one met.

Minimal criteria: ISCT 2006 as restated in PMC7234888 Table 1. Release in practice: J Transl Med
2018 (10.1186/s12967-018-1659-4) Table 2; PMC9289888 Table 1; BMJ Open protocol Table 3; Stem Cell
Res Ther 2020 (10.1186/s13287-020-01696-6) Table 4.
"""

import pytest

from stromal.core import UsageError
from support.graded import graded

pytestmark = pytest.mark.by_hand

TRILINEAGE = {"osteogenic": "yes", "adipogenic": "yes", "chondrogenic": "yes"}
POSITIVE = {"CD73": 99.0, "CD90": 99.0, "CD105": 99.0}
GOOD = {
    "MSC_ISCT_2006": {
        **POSITIVE, "CD45": 0.5, "CD34": 0.5, "CD14": 0.5, "CD79a": 0.5, "HLA_DR": 0.5,
        "adherent": "yes", **TRILINEAGE,
    },
    "MSC_RELEASE_JTM_2018": {
        "viability": 90.0, **POSITIVE, "CD45": 1.0, "CD31": 1.0, **TRILINEAGE,
    },
    "MSC_RELEASE_PMC9289888": {
        **POSITIVE, "negative_markers": 1.0, "viability": 90.0, "inhibition": 40.0,
        "endotoxin": 1.0,
    },
    "MSC_RELEASE_BMJ_OPEN": {
        **POSITIVE, "CD11b": 0.5, "CD19": 0.5, "CD34": 0.5, "CD45": 0.5, "HLA_DR": 0.5,
        "viability": 95.0, "normal_karyotype": "yes", "organisms": "no", "mycoplasma": "no",
        "endotoxin_per_kg": 1.0,
    },
    "MSC_RELEASE_SCRT_2020": {
        "organisms": "no", "endotoxin": 0.1, "viability": 95.0, "bovine_albumin": "no",
    },
}  # fmt: skip
# definition, item, the worst value that passes, the best that fails
LIMITS = [
    *(("MSC_ISCT_2006", marker, 95.0, 94.9) for marker in POSITIVE),
    *(("MSC_ISCT_2006", marker, 2.0, 2.1) for marker in ("CD45", "CD34", "CD14", "CD11b", "CD79a",
                                                         "CD19", "HLA_DR")),
    *(("MSC_ISCT_2006", trait, "yes", "no") for trait in ("adherent", *TRILINEAGE)),
    ("MSC_RELEASE_JTM_2018", "viability", 70.0, 69.9),
    *(("MSC_RELEASE_JTM_2018", marker, 95.0, 94.9) for marker in POSITIVE),
    *(("MSC_RELEASE_JTM_2018", marker, 5.0, 5.1) for marker in ("CD45", "CD31")),
    *(("MSC_RELEASE_JTM_2018", trait, "yes", "no") for trait in TRILINEAGE),
    *(("MSC_RELEASE_PMC9289888", marker, 80.0, 79.9) for marker in POSITIVE),
    ("MSC_RELEASE_PMC9289888", "negative_markers", 2.0, 2.1),
    ("MSC_RELEASE_PMC9289888", "viability", 80.0, 79.9),
    ("MSC_RELEASE_PMC9289888", "inhibition", 20.0, 19.9),
    ("MSC_RELEASE_PMC9289888", "endotoxin", 12.49, 12.5),
    *(("MSC_RELEASE_BMJ_OPEN", marker, 95.1, 95.0) for marker in POSITIVE),
    *(("MSC_RELEASE_BMJ_OPEN", marker, 1.9, 2.0) for marker in ("CD11b", "CD19", "CD34", "CD45",
                                                                "HLA_DR")),
    ("MSC_RELEASE_BMJ_OPEN", "viability", 80.1, 80.0),
    ("MSC_RELEASE_BMJ_OPEN", "normal_karyotype", "yes", "no"),
    ("MSC_RELEASE_BMJ_OPEN", "organisms", "no", "yes"),
    ("MSC_RELEASE_BMJ_OPEN", "mycoplasma", "no", "yes"),
    ("MSC_RELEASE_BMJ_OPEN", "endotoxin_per_kg", 5.0, 5.1),
    ("MSC_RELEASE_SCRT_2020", "organisms", "no", "yes"),
    ("MSC_RELEASE_SCRT_2020", "endotoxin", 0.49, 0.5),
    ("MSC_RELEASE_SCRT_2020", "viability", 85.0, 84.9),
    ("MSC_RELEASE_SCRT_2020", "bovine_albumin", "no", "yes"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "item", "passes", "fails"), LIMITS)
def test_each_criterion_at_its_limit(name, item, passes, fails):
    assert graded(name, **{**GOOD[name], item: passes}).grade == "pass"
    assert graded(name, **{**GOOD[name], item: fails}).grade == "fail"


CRITERIA = [(name, item) for name, good in GOOD.items() for item in good]


@pytest.mark.parametrize(("name", "item"), CRITERIA)
def test_a_criterion_that_was_not_tested_is_not_passed(name, item):
    row = graded(name, **{k: v for k, v in GOOD[name].items() if k != item})
    assert (row.grade, row.could_be) == (None, ["pass", "fail"])
    assert item in row.unknown


@pytest.mark.parametrize("name", sorted(GOOD))
def test_one_criterion_that_fails_decides(name):
    _, item, _, fails = next(row for row in LIMITS if row[0] == name)
    assert graded(name, **{item: fails}).grade == "fail"


@pytest.mark.parametrize(
    ("cd14", "cd11b", "expected"),
    [(1.0, None, "pass"), (None, 1.0, "pass"), (1.0, 3.0, "fail"), (3.0, 1.0, "fail"),
     (None, None, None)],
)  # fmt: skip
def test_cd14_or_cd11b(cd14, cd11b, expected):
    """One of the two suffices; where both were measured, the higher counts."""
    recorded = {**GOOD["MSC_ISCT_2006"], "CD14": cd14, "CD11b": cd11b}
    row = graded("MSC_ISCT_2006", **{k: v for k, v in recorded.items() if v is not None})
    assert row.grade == expected


def test_hla_dr_is_told_and_decides_nothing():
    name = "MSC_RELEASE_JTM_2018"
    for hla_dr, told in ((20.0, "at most 20 %"), (20.1, "above 20 %")):
        row = graded(name, **GOOD[name], HLA_DR=hla_dr)
        assert (row.grade, row["HLA_DR_informative"]) == ("pass", told)


def test_the_same_cells_under_every_rule():
    """A lot of 75 % viability and 92 % CD105: what passes depends on the rule."""
    lot = {"viability": 75.0, "CD105": 92.0}
    assert {name: graded(name, **{**good, **lot}).grade for name, good in GOOD.items()} == {
        "MSC_ISCT_2006": "fail",
        "MSC_RELEASE_JTM_2018": "fail",
        "MSC_RELEASE_PMC9289888": "fail",
        "MSC_RELEASE_BMJ_OPEN": "fail",
        "MSC_RELEASE_SCRT_2020": "fail",
    }
    lot = {"viability": 82.0, "CD105": 95.0}
    assert {name: graded(name, **{**good, **lot}).grade for name, good in GOOD.items()} == {
        "MSC_ISCT_2006": "pass",
        "MSC_RELEASE_JTM_2018": "pass",
        "MSC_RELEASE_PMC9289888": "pass",
        "MSC_RELEASE_BMJ_OPEN": "fail",  # CD105 must be above 95
        "MSC_RELEASE_SCRT_2020": "fail",  # viability must be at least 85
    }


@pytest.mark.parametrize(
    ("item", "value", "told"),
    [("adherent", "maybe", "one of no, yes; got 'maybe'"), ("CD73", "high", "a number in %"),
     ("CD73_criterion", "pass", "is derived and cannot be recorded")],
)  # fmt: skip
def test_what_a_criterion_cannot_be_is_refused(item, value, told):
    with pytest.raises(UsageError, match=told):
        graded("MSC_ISCT_2006", **{**GOOD["MSC_ISCT_2006"], item: value})
