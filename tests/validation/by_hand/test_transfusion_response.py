"""Corrected count increment: increment per uL x body surface in m2 / dose in 10*11 platelets.

Limits: EBMT Handbook 2024 chapter 24 (5000, 10 to 60 minutes); 7500 at 1 hour (Wisconsin); 4500 at
24 hours (Hindawi 2021).
"""

import pytest

from stromal.protocol.library import grading
from support.derived import row_of
from support.graded import graded

pytestmark = pytest.mark.by_hand

EXAMPLE = {"before": 8.0, "count": 20.0, "body_surface": 1.7, "dose": 3.0}


def test_the_worked_example():
    """12,000 per uL x 1.7 / 3 = 6800: adequate at 5000, inadequate at 7500."""
    early = graded("CCI_5000_1H", **EXAMPLE, after=30.0)
    assert early["CCI"] == pytest.approx(6800.0, rel=1e-12)
    assert early.grade == "adequate"
    assert graded("CCI_7500_1H", **EXAMPLE).grade == "inadequate"
    assert graded("CCI_4500_24H", **EXAMPLE).grade == "adequate"


# rises that give exactly the limit with 1.5 m2 and 3 x 10*11: limit x 3 / 1.5 / 1000
@pytest.mark.parametrize(
    ("name", "rise"), [("CCI_5000_1H", 10.0), ("CCI_7500_1H", 15.0), ("CCI_4500_24H", 9.0)]
)
@pytest.mark.parametrize(("more", "expected"), [(0.0, "adequate"), (-0.1, "inadequate")])
def test_at_the_limit(name, rise, more, expected):
    when = {"after": 20.0} if name == "CCI_5000_1H" else {}
    row = graded(name, before=5.0, count=5.0 + rise + more, body_surface=1.5, dose=3.0, **when)
    assert row.grade == expected


@pytest.mark.parametrize("before", [0.1, 4.3, 8.1, 9.7])
def test_at_the_limit_with_counts_that_binary_numbers_do_not_hold(before):
    """A rise of 10 from any start is a rise of 10."""
    after = round(before + 10.0, 1)
    row = graded("CCI_5000_1H", before=before, count=after, body_surface=1.5, dose=3.0, after=20.0)
    assert row.grade == "adequate"


@pytest.mark.parametrize(
    ("after", "expected"), [(9.0, None), (10.0, "adequate"), (60.0, "adequate"), (61.0, None)]
)
def test_the_time_of_the_count(after, expected):
    row = graded("CCI_5000_1H", **EXAMPLE, after=after)
    assert row.grade == expected
    assert row.could_be == ([expected] if expected else [])


def test_a_count_that_fell_is_inadequate():
    row = graded("CCI_7500_1H", before=20.0, count=8.0, body_surface=1.7, dose=3.0)
    assert row["CCI"] == pytest.approx(-6800.0, rel=1e-12)
    assert row.grade == "inadequate"


@pytest.mark.parametrize("missing", sorted(EXAMPLE))
@pytest.mark.parametrize("name", ["CCI_7500_1H", "CCI_4500_24H"])
def test_what_is_missing_is_asked_for(name, missing):
    row = graded(name, **{k: v for k, v in EXAMPLE.items() if k != missing})
    assert (row.grade, row["CCI"], row.unknown) == (None, None, [missing])
    assert row.could_be == ["adequate", "inadequate"]


def test_the_time_is_asked_for():
    row = graded("CCI_5000_1H", **EXAMPLE)
    assert (row.grade, row.unknown) == (None, ["after"])


def test_a_dose_of_nothing_gives_no_increment():
    row = graded("CCI_7500_1H", **{**EXAMPLE, "dose": 0.0})
    assert (row.grade, row["CCI"]) == (None, None)


@pytest.mark.parametrize("name", ["CCI_5000_1H", "CCI_7500_1H", "CCI_4500_24H"])
def test_other_units(name):
    """8000/uL is 8 x 10*9/L; 300 x 10*9 platelets are 3 x 10*11; an hour has 60 minutes."""
    items = grading(name).items
    assert 8000 * items["before"].also["/uL"] == pytest.approx(8.0)
    assert 20 * items["count"].also["10*3/uL"] == 20
    assert 300 * items["dose"].also["10*9"] == pytest.approx(3.0)
    if "after" in items:
        assert items["after"].also["h"] == 60


@pytest.mark.parametrize(
    ("before", "count", "after", "dose"),
    [
        ("8 10*9/L", "20 10*9/L", "30 min", "3 10*11"),
        ("8000 /uL", "20 10*3/uL", "0.5 h", "300 10*9"),
    ],
)
def test_the_worked_example_from_a_study_folder(tmp_path, before, count, after, dose):
    values = {"before": before, "count": count, "after": after, "dose": dose,
              "body_surface": "1.7 m2"}  # fmt: skip
    rows = [
        {"day": 3, "scale": "platelet_transfusion", "item": item, "value": value}
        for item, value in values.items()
    ]
    endpoint = (
        "  cci:\n    label: Increment\n    graded: {definition: CCI_5000_1H}\n"
        "    from: transplant\n"
    )
    row = row_of(tmp_path, endpoint, assessments=rows)
    assert (row["status"], row["day"]) == ("adequate", 3)
