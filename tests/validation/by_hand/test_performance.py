"""ECOG from Karnofsky: three maps, every value of the scale under each.

Maps: myeloma comorbidity index calculator; PMID 30425939; NIH 2014 form (PMC4329079, Figure 1).
"""

import pytest

from stromal.core import UsageError
from support.graded import graded

pytestmark = pytest.mark.by_hand

MAPS = {
    "ECOG_FROM_KPS_BANDS": {100: "0", 90: "0", 80: "1", 70: "1", 60: "2", 50: "2", 40: "3",
                            30: "3", 20: "4", 10: "4", 0: None},
    "ECOG_FROM_KPS_PMID_30425939": {100: "0", 90: "1", 80: "1", 70: "2", 60: "3", 50: "3",
                                    40: None, 30: None, 20: None, 10: None, 0: None},
    "ECOG_FROM_KPS_NIH_2014": {100: "0", 90: "1", 80: "1", 70: "2", 60: "2", 50: "3 or 4",
                               40: "3 or 4", 30: "3 or 4", 20: "3 or 4", 10: "3 or 4", 0: None},
}  # fmt: skip
ROWS = [(name, kps, ecog) for name, rows in MAPS.items() for kps, ecog in rows.items()]


@pytest.mark.parametrize(("name", "kps", "ecog"), ROWS)
def test_every_value(name, kps, ecog):
    row = graded(name, kps=float(kps))
    assert row.grade == ecog
    assert row.could_be == ([] if ecog is None else [ecog])


BETWEEN = {
    "ECOG_FROM_KPS_BANDS": [85.0, 65.0, 45.0, 25.0],
    "ECOG_FROM_KPS_PMID_30425939": [95.0, 75.0, 65.0, 45.0],
    "ECOG_FROM_KPS_NIH_2014": [95.0, 75.0, 55.0],
}
OUTSIDE = [(name, kps) for name, rows in BETWEEN.items() for kps in [*rows, 9.0]]


@pytest.mark.parametrize(("name", "kps"), OUTSIDE)
def test_between_and_below_the_bands_there_is_no_ecog_status(name, kps):
    row = graded(name, kps=kps)
    assert (row.grade, row.could_be, row.unknown) == (None, [], [])


@pytest.mark.parametrize("name", sorted(MAPS))
def test_an_unknown_karnofsky_status(name):
    row = graded(name)
    assert (row.grade, row.unknown) == (None, ["kps"])
    assert set(row.could_be) == {ecog for ecog in MAPS[name].values() if ecog}


def test_the_maps_do_not_stand_for_each_other():
    """At 90, 70 and 60 no two of the three maps agree everywhere."""
    assert [graded(name, kps=90.0).grade for name in MAPS] == ["0", "1", "1"]
    assert [graded(name, kps=70.0).grade for name in MAPS] == ["1", "2", "2"]
    assert [graded(name, kps=60.0).grade for name in MAPS] == ["2", "3", "2"]


def test_what_is_no_number_is_refused():
    with pytest.raises(UsageError, match="`kps` is a number in 1; got 'good'"):
        graded("ECOG_FROM_KPS_BANDS", kps="good")


@pytest.mark.parametrize("kps", [-10.0, 101.0])
@pytest.mark.parametrize("name", sorted(MAPS))
def test_what_no_karnofsky_status_can_be_is_refused(name, kps):
    with pytest.raises(UsageError, match=f"`kps` is 0 to 100; got {kps:g}"):
        graded(name, kps=kps)
