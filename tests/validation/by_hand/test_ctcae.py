"""CTCAE grades of blood counts and infusion reactions, each limit and both sides of it.

Limits of versions 5 and 6: NCI CTCAE as the pharmaverse package admiral holds them; strict, so that
a count at a limit has the lower grade.
"""

import pytest

from support.derived import counts, row_of
from support.graded import graded

pytestmark = pytest.mark.by_hand

# definition, count, its limits for grades 4, 3, 2, a lower limit of normal above them
V5 = [
    ("CTCAE_V5_ANC", "ANC", (0.5, 1.0, 1.5), 2.0),
    ("CTCAE_V5_PLT", "PLT", (25.0, 50.0, 75.0), 150.0),
    ("CTCAE_V5_ALC", "ALC", (0.2, 0.5, 0.8), 1.0),
    ("CTCAE_V5_WBC", "WBC", (1.0, 2.0, 3.0), 4.0),
]
LIMITS = [(*row, index) for row in V5 for index in range(3)]


@pytest.mark.parametrize(("name", "count", "limits", "lln", "index"), LIMITS)
def test_version_5_at_each_limit(name, count, limits, lln, index):
    at = limits[index]
    grade = 4 - index
    below = graded(name, **{count: at - 0.001, f"{count}_LLN": lln})
    exactly = graded(name, **{count: at, f"{count}_LLN": lln})
    assert (below.grade, exactly.grade) == (str(grade), str(grade - 1))


@pytest.mark.parametrize(("name", "count", "lln"), [(n, c, lln) for n, c, _, lln in V5])
def test_version_5_at_the_lower_limit_of_normal(name, count, lln):
    assert graded(name, **{count: lln - 0.001, f"{count}_LLN": lln}).grade == "1"
    assert graded(name, **{count: lln, f"{count}_LLN": lln}).grade == "0"
    assert graded(name, **{count: lln * 2, f"{count}_LLN": lln}).grade == "0"


@pytest.mark.parametrize(("name", "count", "limits"), [row[:3] for row in V5])
def test_version_5_without_a_lower_limit_of_normal_is_0_or_1(name, count, limits):
    row = graded(name, **{count: limits[2]})
    assert (row.grade, row.could_be, row.unknown) == (None, ["0", "1"], [f"{count}_LLN"])
    assert graded(name, **{count: limits[2] - 0.001}).grade == "2"


@pytest.mark.parametrize(("name", "count", "lln"), [(n, c, lln) for n, c, _, lln in V5])
def test_version_5_without_the_count(name, count, lln):
    row = graded(name, **{f"{count}_LLN": lln})
    assert (row.grade, row.could_be) == (None, ["0", "1", "2", "3", "4"])
    assert row.unknown == [count]


@pytest.mark.parametrize(
    ("anc", "expected"),
    [
        (0.0, "4"),
        (0.099, "4"),
        (0.1, "3"),
        (0.499, "3"),
        (0.5, "2"),
        (0.999, "2"),
        (1.0, "1"),
        (1.499, "1"),
        (1.5, "0"),
    ],
)
def test_version_6_neutrophils(anc, expected):
    assert graded("CTCAE_V6_ANC", ANC=anc).grade == expected


@pytest.mark.parametrize(
    ("anc", "version_5", "version_6"),
    [(0.4, "4", "3"), (0.7, "3", "2"), (1.2, "2", "1"), (0.05, "4", "4"), (1.8, "1", "0")],
)
def test_the_same_count_has_a_lower_grade_in_version_6(anc, version_5, version_6):
    assert graded("CTCAE_V5_ANC", ANC=anc, ANC_LLN=2.0).grade == version_5
    assert graded("CTCAE_V6_ANC", ANC=anc).grade == version_6


def test_version_6_without_the_count():
    row = graded("CTCAE_V6_ANC")
    assert (row.grade, row.unknown) == (None, ["ANC"])


WELL = {"transfusion_indicated": "no", "life_threatening": "no", "Hb_LLN": 120.0}


@pytest.mark.parametrize(
    ("hb", "change", "expected"),
    [
        (79.9, {}, "3"),
        (80.0, {}, "2"),
        (99.9, {}, "2"),
        (100.0, {}, "1"),
        (119.9, {}, "1"),
        (120.0, {}, "0"),
        (95.0, {"transfusion_indicated": "yes"}, "3"),
        (75.0, {"life_threatening": "yes"}, "4"),
        (30.0, {}, "3"),  # no value alone is grade 4
    ],
)
def test_anaemia_of_version_5(hb, change, expected):
    assert graded("CTCAE_V5_HB", Hb=hb, **{**WELL, **change}).grade == expected


def test_anaemia_asks_for_what_a_value_does_not_tell():
    row = graded("CTCAE_V5_HB", Hb=75.0, Hb_LLN=120.0)
    assert (row.grade, row.could_be, row.unknown) == (None, ["3", "4"], ["life_threatening"])
    row = graded("CTCAE_V5_HB", Hb=90.0, Hb_LLN=120.0, life_threatening="no")
    assert (row.grade, row.could_be) == (None, ["2", "3"])
    assert row.unknown == ["transfusion_indicated"]
    assert graded("CTCAE_V5_HB", life_threatening="yes").grade == "4"


@pytest.mark.parametrize(
    ("hb", "expected"),
    [(30.0, "3"), (79.9, "3"), (80.0, "2"), (99.9, "2"), (100.0, "1"), (119.9, "1"), (120.0, "0")],
)
def test_anaemia_by_the_value_alone(hb, expected):
    assert graded("CTCAE_V5_HB_VALUE", Hb=hb, Hb_LLN=120.0).grade == expected


def test_anaemia_by_the_value_without_a_lower_limit():
    row = graded("CTCAE_V5_HB_VALUE", Hb=130.0)
    assert (row.grade, row.could_be, row.unknown) == (None, ["0", "1"], ["Hb_LLN"])


NOTHING = dict.fromkeys(
    ["interrupted", "prophylaxis", "prolonged", "recurred", "hospitalised", "life_threatening",
     "died"], "no",
)  # fmt: skip


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"reaction": "no"}, "0"),
        ({}, "1"),
        ({"interrupted": "yes"}, "2"),
        ({"prophylaxis": "yes"}, "2"),
        ({"prolonged": "yes"}, "3"),
        ({"recurred": "yes", "interrupted": "yes"}, "3"),
        ({"hospitalised": "yes"}, "3"),
        ({"life_threatening": "yes", "hospitalised": "yes"}, "4"),
        ({"died": "yes", "life_threatening": "yes"}, "5"),
    ],
)
def test_infusion_reaction(change, expected):
    recorded = {"reaction": "yes", **NOTHING, **change}
    assert graded("CTCAE_INFUSION_REACTION", **recorded).grade == expected


def test_infusion_reaction_of_which_little_is_known():
    assert graded("CTCAE_INFUSION_REACTION", reaction="no").grade == "0"
    row = graded("CTCAE_INFUSION_REACTION", **{"reaction": "yes", **NOTHING, "died": "no"})
    assert row.grade == "1"
    known = {k: v for k, v in NOTHING.items() if k != "hospitalised"}
    row = graded("CTCAE_INFUSION_REACTION", reaction="yes", **known)
    assert (row.grade, row.could_be, row.unknown) == (None, ["1", "3"], ["hospitalised"])


def from_records(folder, name, anc, **person):
    endpoint = (
        f"  grade:\n    label: Grade\n    graded: {{definition: {name}}}\n    from: transplant\n"
    )
    row = row_of(folder, endpoint, people=person, measurements=counts({5: anc}, unit="/uL"))
    return row["status"], row["day"], row["cause"]


@pytest.mark.parametrize(("name", "grade"), [("CTCAE_V5_ANC", "4"), ("CTCAE_V6_ANC", "3")])
def test_grades_from_a_study_folder(tmp_path, name, grade):
    """400/uL is 0.4: the grade carries its version."""
    assert from_records(tmp_path, name, 400) == (grade, 5, None)


def test_a_lower_limit_of_normal_from_the_participants_table(tmp_path):
    assert from_records(tmp_path, "CTCAE_V5_ANC", 1700, ANC_LLN="1.8") == ("1", 5, None)


def test_without_a_lower_limit_of_normal_nothing_is_derived(tmp_path):
    status, day, cause = from_records(tmp_path, "CTCAE_V5_ANC", 1700)
    assert (status, day, cause) == ("not_evaluable", None, "grade 0 or 1")
