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
def test_the_page_has_every_case_and_how_many_numbers_were_compared():
    row = r"^\| `([^`]+)` \| `.*` \| `\w+` \| \d+ \| \d+ \| (\d+) \|"
    told = dict(re.findall(row, PAGE.read_text(), re.MULTILINE))
    assert set(told) == {case["id"] for case in CASES}
    for case in CASES:
        if case["kind"] == "exact_logrank":  # every arrangement once is enough
            continue
        found = compare_values(case, KINDS[case["kind"]](case, read_data(case["dataset"])))
        assert int(told[case["id"]]) == sum(one.numbers for one in found), case["id"]
