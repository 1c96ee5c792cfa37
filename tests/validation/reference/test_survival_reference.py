"""Times to an event against other programs: every case of the reference set, all its values."""

import json

import pytest

from validation.reference.conftest import SHARED, read_data
from validation.reference.survival_cases import KINDS
from validation.reference.survival_differences import compare_values

pytestmark = pytest.mark.reference

PATH = SHARED / "reference" / "survival.json"
CASES = json.loads(PATH.read_text())["cases"] if PATH.exists() else []


@pytest.mark.skipif(not CASES, reason="the reference values are not here")
def test_every_kind_is_computed():
    assert {case["kind"] for case in CASES} - {"exact_logrank"} <= set(KINDS)


@pytest.mark.parametrize("case", CASES, ids=[case["id"] for case in CASES])
def test_case(case):
    if case["kind"] == "exact_logrank" and case["kind"] not in KINDS:
        pytest.xfail("permutation tests are under way")
    found = compare_values(case, KINDS[case["kind"]](case, read_data(case["dataset"])))
    assert sum(one.numbers for one in found) > 0
    off = [
        f"{one.name}: {one.absolute:.3g} (of {one.tolerance:g})" for one in found if not one.agrees
    ]
    assert not off, "; ".join(off)
