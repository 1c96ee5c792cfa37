"""Classes of chimerism: exactly 95 % is where the sources part.

Limits: Sureda 2024 Table 1 (above 95 % in both lineages); EBMT Handbook 2024 chapter 21 (above 95,
5 to 95, below 5) and chapter 41 (at least 95); New Zealand handbook (CD3 1 to 95 %, split).
"""

import pytest

from stromal.core import UsageError
from support.graded import graded

pytestmark = pytest.mark.by_hand

ASTCT, EBMT21, EBMT41, NZ = (
    "CHIMERISM_ASTCT_2024",
    "CHIMERISM_EBMT_HANDBOOK_21",
    "CHIMERISM_EBMT_HANDBOOK_41",
    "CHIMERISM_NZ_REDBOOK",
)


@pytest.mark.parametrize(
    ("name", "expected"),
    [(ASTCT, "not full"), (EBMT21, "mixed"), (EBMT41, "full"), (NZ, "mixed")],
)
def test_exactly_95_per_cent_in_both_lineages(name, expected):
    assert graded(name, myeloid=95.0, lymphoid=95.0).grade == expected


@pytest.mark.parametrize(
    ("name", "myeloid", "lymphoid", "expected"),
    [
        (ASTCT, 95.1, 95.1, "full"),
        (ASTCT, 100.0, 95.0, "not full"),
        (ASTCT, 95.0, 100.0, "not full"),
        (ASTCT, 0.0, 0.0, "not full"),
        (EBMT21, 95.1, 95.1, "full"),
        (EBMT21, 95.1, 95.0, "mixed"),
        (EBMT21, 5.0, 5.0, "mixed"),
        (EBMT21, 4.9, 5.0, "mixed"),
        (EBMT21, 4.9, 4.9, "absent"),
        (EBMT21, 0.0, 100.0, "mixed"),
        (EBMT41, 95.0, 94.9, "not full"),
        (EBMT41, 94.9, 95.0, "not full"),
        (NZ, 100.0, 95.1, "full"),
        (NZ, 95.1, 95.1, "full"),
        (NZ, 100.0, 1.0, "mixed"),
        (NZ, 100.0, 0.9, "split"),
        (NZ, 0.9, 95.1, "split"),
        (NZ, 0.9, 0.9, "absent"),
        (NZ, 0.0, 50.0, "mixed"),
    ],
)
def test_classes_at_their_limits(name, myeloid, lymphoid, expected):
    assert graded(name, myeloid=myeloid, lymphoid=lymphoid).grade == expected


@pytest.mark.parametrize(("myeloid", "lymphoid"), [(95.0, 100.0), (1.0, 100.0), (50.0, 0.0)])
def test_a_pattern_without_a_class_has_none(myeloid, lymphoid):
    row = graded(NZ, myeloid=myeloid, lymphoid=lymphoid)
    assert (row.grade, row.could_be, row.unknown) == (None, [], [])


@pytest.mark.parametrize("name", [ASTCT, EBMT21, EBMT41, NZ])
def test_one_lineage_does_not_make_full(name):
    row = graded(name, myeloid=100.0)
    assert (row.grade, row.unknown) == (None, ["lymphoid"])
    assert "full" in row.could_be


def test_one_lineage_suffices_where_it_decides():
    assert graded(ASTCT, myeloid=90.0).grade == "not full"
    assert graded(EBMT41, lymphoid=94.9).grade == "not full"
    assert graded(EBMT21, myeloid=50.0).grade == "mixed"
    assert graded(NZ, lymphoid=50.0).grade == "mixed"


@pytest.mark.parametrize("name", [ASTCT, EBMT21, EBMT41, NZ])
@pytest.mark.parametrize("donor", [150.0, -1.0])
def test_more_than_all_and_less_than_no_donor_cells_are_refused(name, donor):
    with pytest.raises(UsageError, match=f"`myeloid` is 0 to 100 %; got {donor:g}"):
        graded(name, myeloid=donor, lymphoid=100.0)
