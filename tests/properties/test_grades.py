"""What holds for the grades of every history of assessments."""

import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from stromal.endpoints.graded import graded_days
from support.derived import context_of

GRADED = """\
  agvhd: {label: Acute GVHD, graded: {definition: MAGIC_2016}, from: transplant}
"""
GRADES = ["0", "I", "II", "III", "IV"]
STAGES = {"skin": 4, "liver": 4, "upper_gi": 1, "lower_gi": 4}
DAY = st.fixed_dictionaries(
    {}, optional={item: st.integers(0, most) for item, most in STAGES.items()}
)
HISTORY = st.dictionaries(st.integers(0, 40), DAY, max_size=4)


def rows_of(history, name="P1"):
    return [
        {"record_id": f"{item}{day}", "participant_id": name, "day": day, "scale": "agvhd",
         "item": item, "value": value}
        for day, items in sorted(history.items())
        for item, value in items.items()
    ]  # fmt: skip


def derived(rows, name="P1", **tables):
    """Give the derived row without the order of its records, and what each day could be."""
    tables = {"assessments": rows, **tables}
    with tempfile.TemporaryDirectory() as folder:
        context = context_of(
            Path(folder), GRADED, people={"participant_id": name},
            **{key: table for key, table in tables.items() if table},
        )  # fmt: skip
        row = context.derived["agvhd"].row(0, named=True)
        days = graded_days(context, context.protocol.endpoints["agvhd"])
        could = dict(days.select("day", "could_be").rows())
    return {**row, "because": sorted(row["because"]), "participant_id": ""}, could


@settings(max_examples=6)
@given(HISTORY, st.randoms())
def test_names_and_the_order_of_rows_change_no_grade(history, random):
    rows = rows_of(history, "X9")
    random.shuffle(rows)
    assert derived(rows, "X9") == derived(rows_of(history))


@settings(max_examples=6)
@given(HISTORY, st.integers(0, 40), DAY)
def test_what_follows_death_changes_no_grade(history, day, late):
    before = {d: items for d, items in history.items() if d <= day}
    death = [{"record_id": "D", "day": day, "event": "death"}]
    later = {**before, **{d: items for d, items in history.items() if d > day}, day + 1: late}
    assert derived(rows_of(before), events=death) == derived(
        rows_of(later), events=[dict(line) for line in death]
    )


@settings(max_examples=8)
@given(HISTORY, st.data())
def test_an_organ_more_never_adds_a_grade_that_was_ruled_out(history, data):
    """What is decided holds however the record is completed."""
    row, could = derived(rows_of(history))
    full = {
        day: items | {item: data.draw(st.integers(0, most)) for item, most in STAGES.items()
                      if item not in items}
        for day, items in history.items() if items
    }  # fmt: skip
    whole, decided = derived(rows_of(full))
    assert set(decided) == set(could)
    for day, grades in decided.items():
        assert len(grades) == 1
        assert grades[0] in could[day]
    if row["status"] in GRADES:
        assert whole["status"] == row["status"]
        assert row["day_low"] <= whole["day"] <= row["day"]


@settings(max_examples=6)
@given(HISTORY, st.integers(41, 60), DAY)
def test_an_assessment_more_never_makes_the_worst_grade_milder(history, day, more):
    row, _ = derived(rows_of(history))
    after, _ = derived(rows_of({**history, day: more}))
    if row["status"] in GRADES and after["status"] in GRADES:
        assert GRADES.index(after["status"]) >= GRADES.index(row["status"])
