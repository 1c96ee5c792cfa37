"""Counts that must stand without growth factor, worked by hand from the record's rule."""

import pytest

from stromal.core import ProtocolError
from support.derived import counts, row_of

ANC = """\
  anc:
    label: Neutrophils
    recovery: {definition: TRIALX_302777_ANC}
    from: transplant
    competing: [death]
"""
LOW_THEN_HIGH = [0.9, 0.4, 0.1, 0.2, 0.6, 0.8, 0.9, 1.1, 1.2, 1.0, 0.9]


def course(first, last):
    return {
        "drug": "filgrastim",
        "drug_class": "G-CSF",
        "started_day": first,
        "ended_day": last,
    }


@pytest.mark.by_hand
@pytest.mark.parametrize(
    ("courses", "expected"),
    [
        ([], ("event", 4)),
        ([course(1, 5)], ("event", 6)),  # first day after the course
        ([course(1, 3)], ("event", 4)),
        ([course(1, 3), course(6, 6)], ("event", 7)),  # a single day ends the run of days 4 and 5
        ([course(1, 20)], ("censored", 8)),  # low counts apart, no day without growth factor
    ],
)
def test_no_count_on_growth_factor_qualifies(tmp_path, courses, expected):
    tables = {"medications": courses} if courses else {}
    row = row_of(tmp_path, ANC, measurements=counts(LOW_THEN_HIGH), **tables)
    assert (row["status"], row["day"]) == expected


@pytest.mark.by_hand
def test_a_course_without_an_end_says_nothing_of_the_days_after(tmp_path):
    open_ended = {**course(1, None), "ended_day": None}
    row = row_of(tmp_path, ANC, measurements=counts(LOW_THEN_HIGH), medications=[open_ended])
    assert (row["status"], row["day"]) == ("censored", 1)  # the last 3 days that tell: 1, 2, 3
    high = row_of(
        tmp_path / "high", ANC, measurements=counts([0.4, *[0.9] * 9]), medications=[open_ended]
    )
    assert (high["status"], high["cause"]) == ("not_evaluable", "medications were not logged")


@pytest.mark.by_hand
def test_growth_factor_does_not_stand_for_a_fall(tmp_path):
    row = row_of(tmp_path, ANC, measurements=counts([0.9] * 30), medications=[course(1, 3)])
    assert (row["status"], row["cause"]) == ("not_applicable", "never below the threshold")


def test_one_freedom_alone(tmp_path):
    both = ANC.replace(
        "{definition: TRIALX_302777_ANC}",
        "{analyte: PLT, at_least: 20 10*9/L, run: 1, of: consecutive days, after: anchor, "
        "without_drug: {drug: eltrombopag}, "
        "without_transfusion: {product: platelets, when: during}}",
    )
    with pytest.raises(ProtocolError, match="freedom from transfusion or from a drug, not both"):
        row_of(tmp_path, both)
    neither = both.replace("{drug: eltrombopag}", "{}")
    with pytest.raises(ProtocolError, match="name a `drug` or a `drug_class`"):
        row_of(tmp_path, neither)
