"""What the coverage table says of a participant's silence."""

import pytest

from support.derived import counts, rows_of

pytestmark = pytest.mark.by_hand

RULE = """\
  plt:
    label: Platelets
    recovery: {analyte: PLT, at_least: 20 10*9/L, run: 3, of: values on different days,
               largest_gap: none, without_transfusion: {product: platelets, when: before, for: 7 d},
               after: anchor}
    from: transplant
    competing: [death]
"""
PEOPLE = [{}, {}]


def derived(tmp_path, **tables):
    """Derive two participants with the same twelve counts of 50."""
    rows = counts([50] * 12, "PLT") + counts([50] * 12, "PLT", participant="P2")
    frame = rows_of(tmp_path, RULE, people=PEOPLE, measurements=rows, **tables)
    return list(zip(frame["status"], frame["day"], strict=True))


def test_without_coverage_silence_is_none_up_to_complete_until(tmp_path):
    assert derived(tmp_path) == [("event", 0), ("event", 0)]


def test_coverage_of_one_participant_says_nothing_of_another(tmp_path):
    """Days 0 to 11 are logged: the first day with seven logged days behind it is day 6."""
    logged = [{"table": "transfusions", "from_day": 0, "to_day": 11}]
    (own, day), (other, _) = derived(tmp_path, coverage=logged)
    assert (own, day) == ("event", 6)
    assert other not in {"event", "not_applicable"}


def test_coverage_of_another_table_changes_nothing(tmp_path):
    logged = [{"table": "medications", "from_day": 0, "to_day": 11}]
    assert derived(tmp_path, coverage=logged) == [("event", 0), ("event", 0)]
