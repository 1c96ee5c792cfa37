"""How two definitions of the library differ."""

import itertools

import pytest

from stromal.core import UsageError
from stromal.protocol.comparison import compare_definitions
from stromal.protocol.library import definitions


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


def test_a_definition_does_not_differ_from_itself_and_differences_are_symmetric():
    library = definitions()
    for one, other in itertools.combinations_with_replacement(library, 2):
        if library[one][0] != library[other][0]:
            continue
        there = {(a, x, y) for a, x, y in compare_definitions(one, other)}
        back = {(a, y, x) for a, x, y in compare_definitions(other, one)}
        assert there == back
        assert bool(there) == (one != other) or {one, other} == {"OS", "NRM"}


@pytest.mark.parametrize(
    ("one", "other", "said"),
    [("CIBMTR_ANCC", "OS", "did you mean `CIBMTR_ANC`"), ("CIBMTR_ANC", "OS", "of one family")],
)
def test_what_cannot_be_compared(one, other, said):
    with pytest.raises(UsageError, match=said):
        compare_definitions(one, other)
