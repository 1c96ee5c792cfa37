"""Days of several counts put together, against a plain dictionary; and records that are missing."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stromal.endpoints.columns import days_of_participants
from stromal.endpoints.kernels import FAIL, PASS, UNKNOWN, UNLOGGED
from stromal.endpoints.series_kernels import find_days, merge_days
from support.derived import context_of, counts

pytestmark = pytest.mark.by_hand

PEOPLE = 3
PART = st.lists(
    st.dictionaries(st.integers(0, 6), st.tuples(st.sampled_from([0, 1, 2, 3]), st.booleans())),
    min_size=PEOPLE,
    max_size=PEOPLE,
)


def column(parts, field, dtype):
    rows = (row for part in parts for person in part for row in sorted(person.items()))
    return np.array([(day, *said)[field] for day, said in rows], dtype=dtype)


def verdict(said, needed, lines):
    """Count by hand who meets the rule, and who still could."""
    if said.count(PASS) >= needed:
        return PASS
    if lines - said.count(FAIL) < needed:
        return FAIL
    return UNLOGGED if UNLOGGED in said else UNKNOWN


@given(st.lists(PART, min_size=1, max_size=3), st.integers(1, 3))
def test_days_of_parts_are_put_together(parts, needed):
    lengths = np.array([[0, *map(len, part)] for part in parts])
    sizes = lengths.sum(axis=1)
    starts = np.cumsum(lengths, axis=1) + (np.cumsum(sizes) - sizes)[:, None]
    day, status = column(parts, 0, np.int32), column(parts, 1, np.int8)
    drawn = column(parts, 2, np.int8)
    out = [np.empty_like(values) for values in (day, status, drawn, drawn)]
    offsets = merge_days(starts, day, status, drawn, drawn, len(parts), needed, *out)
    for p in range(PEOPLE):
        days = sorted({today for part in parts for today in part[p]})
        rows = [[part[p][today] for part in parts if today in part[p]] for today in days]
        found = [values[offsets[p] : offsets[p + 1]].tolist() for values in out]
        assert found[0] == days
        assert found[1] == [verdict([s for s, _ in row], needed, len(parts)) for row in rows]
        assert found[2] == [max(bled for _, bled in row) for row in rows]
        assert found[3] == [sum(bled for _, bled in row) for row in rows]


@given(PART, st.lists(st.tuples(st.integers(0, PEOPLE - 1), st.integers(-1, 7)), max_size=9))
def test_a_day_is_found_or_not(part, asked):
    day = column([part], 0, np.int32)
    offsets = np.cumsum([0, *map(len, part)])
    p, wanted = (np.array([pair[n] for pair in asked], dtype=kind)
                 for n, kind in ((0, np.int64), (1, np.int32)))  # fmt: skip
    rows = find_days(offsets, day, p, wanted)
    expected = [
        offsets[who] + sorted(part[who]).index(today) if today in part[who] else -1
        for who, today in asked
    ]
    assert rows.tolist() == expected


@given(st.lists(st.tuples(st.integers(0, PEOPLE - 1), st.integers(-9, 9))))
def test_days_are_sorted_and_stand_once(rows):
    frame = pl.DataFrame(rows, schema={"p": pl.Int64, "day": pl.Int32}, orient="row")
    found = days_of_participants(frame, PEOPLE)
    days = [found.day[found.offsets[p] : found.offsets[p + 1]].tolist() for p in range(PEOPLE)]
    assert days == [sorted({day for who, day in rows if who == p}) for p in range(PEOPLE)]


def test_planned_days_of_two_plans_stand_once(tmp_path):
    draws = (
        "[{analytes: [ANC, PLT], from: transplant, until: 2 d, on: daily},"
        " {analytes: [PLT], from: transplant, start: 2 d, until: 9 d, every: 2 d}]"
    )
    endpoint = (
        "  os:\n    label: OS\n    time_to_event: {definition: OS}\n    from: transplant\n"
        "    competing: []\n"
    )
    people = {"last_contact_day": 7, "complete_until_day": 7}
    context = context_of(tmp_path, endpoint, draws=draws, people=people, measurements=counts([1]))
    assert context.planned_days("ANC")["day"].to_list() == [0, 1, 2]
    assert context.planned_days("PLT")["day"].to_list() == [0, 1, 2, 4, 6]
    assert context.planned_days("Hb").is_empty()
