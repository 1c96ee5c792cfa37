"""Times to an event against other programs: every case of the reference set, all its values."""

import re
from pathlib import Path

import pytest

from validation.reference.conftest import SHARED, read_cases, read_data
from validation.reference.survival_cases import KINDS
from validation.reference.survival_differences import (
    NOT_COMPARED,
    TOLERANCES,
    compare_values,
)
from validation.survival_page import METHODS

pytestmark = pytest.mark.reference

PAGE = Path(__file__).parents[3] / "docs" / "validation" / "survival.md"
CASES = read_cases()


def test_every_kind_is_computed():
    assert {case["kind"] for case in CASES} <= set(KINDS)


@pytest.mark.parametrize("case", CASES, ids=[case["id"] for case in CASES])
def test_case(case):
    found = compare_values(case, KINDS[case["kind"]](case, read_data(case["dataset"])))
    assert sum(one.numbers for one in found) > 0
    off = [
        f"{one.name}: {one.absolute:.3g} (of {one.tolerance:g})" for one in found if not one.agrees
    ]
    assert not off, "; ".join(off)


def test_every_kind_and_exception_is_told():
    page = PAGE.read_text()
    assert set(METHODS) == set(KINDS)
    assert all(f"## {method.title}\n" in page for method in METHODS.values())
    for kind, name in (*TOLERANCES, *NOT_COMPARED):
        assert f"| {METHODS[kind].title} | `{name}` |" in page


HERE = (SHARED / "reference" / "survival.json").exists()


@pytest.mark.skipif(not HERE, reason="the reference values are not here")
def test_the_page_says_how_many_numbers_were_compared():
    # of the cases it was made from: another reference set may lie beside the project
    row = r"^\| `([^`]+)` \| `.*` \| `\w+` \| \d+ \| \d+ \| (\d+) \|"
    told = dict(re.findall(row, PAGE.read_text(), re.MULTILINE))
    assert {case["kind"] for case in CASES if case["id"] in told} == set(KINDS)
    for case in CASES:
        if case["kind"] == "exact_logrank" or case["id"] not in told:
            continue  # every arrangement once is enough
        found = compare_values(case, KINDS[case["kind"]](case, read_data(case["dataset"])))
        assert int(told[case["id"]]) == sum(one.numbers for one in found), case["id"]


def test_a_number_that_is_off_a_word_or_a_missing_value_is_seen():
    case = {"id": "x", "kind": "logrank", "values": {"chisq": 3.0, "p": None, "cause": ["1"]}}
    right = {"chisq": 3.0 + 1e-9, "p": None, "cause": ["1"]}
    assert all(one.agrees for one in compare_values(case, right))
    assert not compare_values(case, {**right, "chisq": 3.0 + 1e-7})[0].agrees
    for wrong in ({"p": 0.5}, {"cause": ["2"]}, {"cause": ["1", "2"]}, {"chisq": float("nan")}):
        with pytest.raises(AssertionError):
            compare_values(case, {**right, **wrong})
    with pytest.raises(AssertionError, match="neither computed nor listed"):
        compare_values(case, {"chisq": 3.0, "p": None})
    limits = {"surv": [1, 0.5], "lower": [None, 0.2]}
    curve = {"id": "y", "kind": "km", "values": limits}
    assert compare_values(curve, {"surv": [1, 0.5], "lower": [1, 0.2]})[1].numbers == 1
    with pytest.raises(AssertionError):
        compare_values(curve, {"surv": [1, 0.5], "lower": [1, None]})
