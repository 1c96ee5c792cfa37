"""How definitions of the library differ, in words."""

import itertools

import pytest

from stromal.core import UsageError
from stromal.protocol.comparison import compare_definitions, compare_outcome, known_definition
from stromal.protocol.grading import Grading
from stromal.protocol.library import FAMILIES, definitions
from stromal.protocol.wording import describe_definition


@pytest.mark.by_hand
def test_operator_and_run():
    assert compare_definitions("CIBMTR_ANC", "NCT06171906_ANC") == [
        ("lowest count that qualifies", "0.5 10*9/L", "not asked"),
        ("what makes them successive", "values on different days", "consecutive days"),
        ("largest time between two values", "none", "not asked"),
        ("count that must be exceeded", "not asked", "0.5 10*9/L"),
    ]


@pytest.mark.by_hand
def test_only_the_run_separates_two_platelet_rules():
    found = compare_definitions("CIBMTR_PLT_20", "EBMT_HANDBOOK_PLT")
    assert found == [("values in a row", "3", "1")]


@pytest.mark.by_hand
def test_lists_of_events():
    assert compare_definitions("OS", "DFS") == [
        ("events that count", "death", "relapse, progression, death")
    ]


def pairs():
    library = definitions()
    for one, other in itertools.combinations_with_replacement(library, 2):
        family, content = library[one]
        if library[other][0] == family and (
            one == other or content.get("outcome") == library[other][1].get("outcome")
        ):
            yield one, other


def _content(name):
    names = {"definition", "title", "outcome", "sources", "leaves_open"}
    return known_definition(name)[1].model_dump(mode="json", exclude=names)


def test_a_definition_does_not_differ_from_itself_and_differences_are_symmetric():
    for one, other in pairs():
        there = {(a, x, y) for a, x, y in compare_definitions(one, other)}
        back = {(a, y, x) for a, x, y in compare_definitions(other, one)}
        # the labels of stages are those of the first grading
        assert len(there) == len(back)
        if not isinstance(known_definition(one)[1], Grading):
            assert there == back
        assert bool(there) == (_content(one) != _content(other)), (one, other)


@pytest.mark.parametrize("name", list(definitions()))
def test_every_definition_is_said_and_no_aspect_twice(name):
    family, rule = known_definition(name)
    aspects = describe_definition(family, rule)
    assert aspects
    assert len({aspect.name for aspect in aspects}) == len(aspects)
    assert all(aspect.said.strip() for aspect in aspects)
    assert not [aspect for aspect in aspects if "{" in aspect.said or "None" in aspect.said]


def gvhd(gut_4):
    """Make a grading of skin and gut in which gut stage 4 gives a grade of choice."""

    def stage(name, item, bounds):
        cases = [
            {"value": str(n), "when": {"item": item, "above": bound}}
            for n, bound in reversed(list(enumerate(bounds, 1)))
        ]
        return {"label": name, "recorded": True, "cases": [*cases,
                {"value": "0", "when": "otherwise"}]}  # fmt: skip

    def reaches(item, stage):
        return {"item": item, "at_least": stage}

    fourth = [reaches("skin", 4), *([reaches("gut", 4)] if gut_4 == "IV" else [])]
    return Grading.model_validate(
        {
            "scale": "agvhd",
            "items": {"area": {"label": "rash", "unit": "%"},
                      "stool": {"label": "stool", "unit": "1"}},
            "steps": {
                "skin": stage("skin stage", "area", ["0 %", "25 %", "50 %", "80 %"]),
                "gut": stage("lower gut stage", "stool", [500, 1000, 1500, 2000]),
                "overall": {"label": "overall grade", "cases": [
                    {"value": "IV", "when": {"any": fourth}},
                    {"value": "III", "when": reaches("gut", 2)},
                    {"value": "II", "when": {"any": [reaches("skin", 3), reaches("gut", 1)]}},
                    {"value": "I", "when": reaches("skin", 1)},
                    {"value": "0", "when": "otherwise"},
                ]},
            },
            "result": "overall",
            "grades": ["0", "I", "II", "III", "IV"],
        }
    )  # fmt: skip


@pytest.mark.by_hand
def test_gradings_differ_by_the_cases_that_get_another_grade(monkeypatch):
    """Gut 4 is IV in one and III in the other: with each of skin 0 to 3, so in 4 of 25 cases."""
    library = {
        name: ("graded", gvhd(grade).model_dump(mode="json", by_alias=True, exclude_none=True))
        for name, grade in (("ONE", "IV"), ("OTHER", "III"))
    }
    monkeypatch.setattr("stromal.protocol.comparison.definitions", lambda: library)
    assert compare_definitions("ONE", "OTHER") == [
        ("lower gut stage 4", "grade IV", "grade III"),
        ("4 of 25 combinations of all these, such as gut 4", "grade IV", "grade III"),
    ]


def test_an_outcome_sets_its_definitions_side_by_side(monkeypatch):
    library = {
        name: (family, {**content, "outcome": "neutrophil_recovery"})
        for name, (family, content) in definitions().items()
        if name in {"CIBMTR_ANC", "ASTCT_2021_ANC", "NCT06171906_ANC"}
    }
    monkeypatch.setattr("stromal.protocol.comparison.definitions", lambda: library)
    rows = {row.aspect: row.said for row in compare_outcome("neutrophil_recovery")}
    assert rows["lowest count that qualifies"] == {
        "0.5 10*9/L": ["CIBMTR_ANC", "ASTCT_2021_ANC"],
        "not asked": ["NCT06171906_ANC"],
    }
    assert list(rows)[-1] in {"family", "nadir sought up to day", "values in a row", "count"}
    assert rows["count"] == {"ANC": list(library)}
    with pytest.raises(UsageError, match="did you mean `neutrophil_recovery`"):
        compare_outcome("neutrofil_recovery")


@pytest.mark.parametrize(
    ("one", "other", "said"),
    [("CIBMTR_ANCC", "OS", "did you mean `CIBMTR_ANC`"), ("CIBMTR_ANC", "OS", "of one family")],
)
def test_what_cannot_be_compared(one, other, said):
    with pytest.raises(UsageError, match=said):
        compare_definitions(one, other)


def test_every_family_of_the_library_has_words():
    from stromal.protocol.wording import FAMILY_WORDS  # noqa: PLC0415

    assert set(FAMILIES) <= set(FAMILY_WORDS)
