"""States over time: the kernels against plain references, and what holds for every history."""

import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from stromal.endpoints.kernels import FAIL, NONE, PASS, UNKNOWN, UNLOGGED
from stromal.endpoints.state_kernels import OPEN, alternate, first_within, runs_from
from stromal.endpoints.states import episodes, state_intervals
from support.derived import context_of, counts

STATUSES = st.sampled_from([FAIL, FAIL, PASS, PASS, PASS, UNKNOWN, UNLOGGED])
SHAPES = st.tuples(st.integers(1, 4), st.integers(0, 6), st.integers(0, 4)).map(
    lambda shape: (shape[0], max(shape[0] - 1, shape[1]), shape[2])
)
HISTORIES = st.lists(
    st.dictionaries(st.integers(0, 30), STATUSES, max_size=22).map(
        lambda rows: sorted(rows.items())
    ),
    max_size=4,
)


def arrays(people):
    rows = [row for person in people for row in person]
    offsets = np.cumsum([0, *map(len, people)]).astype(np.int64)
    return (
        offsets,
        np.array([day for day, _ in rows], dtype=np.int32),
        np.array([status for _, status in rows], dtype=np.int8),
    )


def plain_run(rows, i, run, span, gap):
    """Give the index of the row that completes a run from row i; -1, or OPEN where rows end."""
    count, before = 0, rows[i][0]
    if rows[i][1] != PASS:
        return -1
    for j in range(i, len(rows)):
        day, status = rows[j]
        if status == UNKNOWN:
            continue
        if status == UNLOGGED:
            return OPEN
        if status == FAIL or (gap > 0 and day - before > gap):
            return -1
        count, before = count + 1, day
        if count >= run and day - rows[i][0] >= span:
            return j
    return OPEN


@settings(max_examples=200)
@given(HISTORIES, SHAPES)
def test_runs_from_every_row(people, shape):
    offsets, day, status = arrays(people)
    found = runs_from(offsets, day, status, *shape)
    for person, begin, end in zip(people, offsets[:-1], offsets[1:], strict=True):
        expected = [plain_run(person, i, *shape) for i in range(len(person))]
        relative = [int(j) - int(begin) if j >= 0 else int(j) for j in found[begin:end]]
        assert relative == expected


@settings(max_examples=200)
@given(
    st.lists(
        st.dictionaries(st.integers(0, 30), st.integers(0, 4), max_size=15).map(
            lambda rows: sorted(rows.items())
        ),
        max_size=4,
    ),
    st.integers(1, 8),
    st.integers(1, 12),
)
def test_what_comes_together_within_a_time(people, needed, within):
    offsets, day, amount = arrays(people)
    found = first_within(offsets, day, amount.astype(np.int64), needed, within)
    for person, begin in zip(people, offsets[:-1], strict=True):
        for i, (first, _) in enumerate(person):
            reached = [
                j
                for j in range(i, len(person))
                if sum(n for _, n in person[i : j + 1]) >= needed and person[j][0] - first < within
            ]
            assert found[begin + i] == (begin + reached[0] if reached else -1)


def first_run(rows, shape, low, high):
    """Give the day on which the first run from `low` to `high` begins, and is shown."""
    for i, (day, _) in enumerate(rows):
        if low <= day <= high and (j := plain_run(rows, i, *shape)) >= 0:
            return day, rows[j][0]
    return None


def plain_episodes(begins, ends, shape_b, shape_e, start, stop):
    """Alternate between the two rules, day by day."""
    told = []
    while (onset := first_run(begins, shape_b, start, stop)) is not None:
        end = first_run(ends, shape_e, onset[1] + 1, 1000)
        told.append((*onset, *(end or (NONE, NONE))))
        if end is None:
            break
        start = end[1] + 1
    return told


def chances(people, shape):
    offsets, day, status = arrays(people)
    found = runs_from(offsets, day, status, *shape)
    keep = found >= 0
    length = (day[np.clip(found, 0, None)] - day if day.size else day).astype(np.int32)
    who = np.repeat(np.arange(len(people)), np.diff(offsets))[keep]
    early = day[keep]
    return (
        np.searchsorted(who, np.arange(len(people) + 1)).astype(np.int64),
        early,
        early,
        length[keep],
    )


@settings(max_examples=300)
@given(
    st.lists(
        st.tuples(*[st.dictionaries(st.integers(0, 40), STATUSES, max_size=30)] * 2), max_size=4
    ),
    SHAPES,
    SHAPES,
    st.integers(0, 8),
    st.integers(0, 40),
)
def test_episodes_are_those_of_a_plain_alternation(people, shape_b, shape_e, start, stop):
    begins = [sorted(person[0].items()) for person in people]
    ends = [sorted(person[1].items()) for person in people]
    each = np.full(len(people), start, np.int32), np.full(len(people), stop, np.int32)
    who, *days = alternate(*chances(begins, shape_b), *chances(ends, shape_e), *each)
    for p, (b, e) in enumerate(zip(begins, ends, strict=True)):
        expected = plain_episodes(b, e, shape_b, shape_e, start, stop)
        assert [tuple(int(part[i]) for part in days) for i in np.flatnonzero(who == p)] == expected


# --- whole studies -------------------------------------------------------------------------------

STATES = """
  low:
    label: Low platelets
    state:
      begins:
        counts: [{analyte: PLT, below: 20 10*9/L}]
        lines: 1
        run: 2
        of: values on different days
        largest_gap: none
      ends: {no_longer: begins, run: 2, of: values on different days, largest_gap: none}
    from: transplant
    competing: [death]
  dependent:
    label: Transfusion dependence
    state:
      begins: {transfused: platelets, at_least: 2, of: transfusion days, within: 10 d}
      ends: {transfused: platelets, none_for: 10 d}
    from: transplant
    competing: [death]
"""
PLATELETS = st.dictionaries(st.integers(0, 60), st.sampled_from([5, 15, 25, 90]), max_size=25)
DAYS = st.sets(st.integers(0, 60), max_size=10)


def study(values, transfused, until):
    rows = [
        {"record_id": f"T{day}", "day": day, "product": "platelets", "units": 1}
        for day in sorted(transfused)
        if day <= until
    ]
    measured = counts({day: v for day, v in sorted(values.items()) if day <= until}, "PLT")
    tables = {"measurements": measured, "transfusions": rows}
    with tempfile.TemporaryDirectory() as folder:
        return context_of(
            Path(folder),
            STATES,
            people={"last_contact_day": until, "complete_until_day": until},
            **{name: table for name, table in tables.items() if table},
        )


@settings(max_examples=25)
@given(PLATELETS, DAYS, st.integers(5, 60))
def test_later_records_change_nothing_that_was_known(values, transfused, cutoff):
    before, after = study(values, transfused, cutoff), study(values, transfused, 60)
    for name in ("low", "dependent"):
        known = state_intervals(before, name)
        later = state_intervals(after, name)
        days = {
            day: row["holds"]
            for row in later.to_dicts()
            for day in range(row["from_day"], row["to_day"] + 1)
        }
        for row in known.to_dicts():
            for day in range(row["from_day"], row["to_day"] + 1):
                assert days[day] == row["holds"], (name, day)


@settings(max_examples=25)
@given(PLATELETS, DAYS)
def test_episodes_and_the_derived_row_agree(values, transfused):
    context = study(values, transfused, 60)
    for name in ("low", "dependent"):
        found, row = episodes(context, name), context.derived[name].row(0, named=True)
        assert (row["count"] or 0) == found.height
        assert (row["status"] == "event") == (found.height > 0)
        if found.height:
            assert row["day"] == found["from_day"][0]
        closed = found.drop_nulls("to_day")
        assert (closed["from_day"] <= closed["shown_day"]).all()
        assert (closed["shown_day"] < closed["to_day"]).all()
        assert (closed["to_low"].fill_null(closed["to_day"]) <= closed["to_day"]).all()
        known = state_intervals(context, name)
        assert (known["from_day"][1:] > known["to_day"][:-1]).all()


@given(PLATELETS, DAYS)
@settings(max_examples=5)
def test_the_order_of_participants_changes_nothing(values, transfused):
    context = study(values, transfused, 60)
    people = pl.concat(
        [context.records["participants"].with_columns(participant_id=pl.lit("P0")),
         context.records["participants"]]
    )  # fmt: skip
    tables = {**context.records.tables, "participants": people}
    twice = replace(context, records=replace(context.records, tables=tables), _kept={}, derived={})
    for name in ("low", "dependent"):
        mine = episodes(twice, name).filter(pl.col("participant_id") == "P1")
        assert mine.equals(episodes(context, name))


@settings(max_examples=8)
@given(PLATELETS, st.randoms())
def test_units_names_and_the_order_of_rows_change_no_state(values, random):
    days = sorted(values)
    found = []
    for unit, factor, name in (("10*9/L", 1, "P1"), ("/uL", 1000, "X9")):
        rows = counts({d: values[d] * factor for d in days}, "PLT", participant=name, unit=unit)
        for row in rows:
            row["record_id"] = f"PLT{row['day']}"
        if factor > 1:
            random.shuffle(rows)
        with tempfile.TemporaryDirectory() as folder:
            context = context_of(
                Path(folder), STATES, people={"participant_id": name},
                **({"measurements": rows} if rows else {}),
            )  # fmt: skip
            found.append((episodes(context, "low").drop("participant_id"),
                          state_intervals(context, "low")))  # fmt: skip
    assert found[0][0].equals(found[1][0])
    assert found[0][1].equals(found[1][1])


@settings(max_examples=15)
@given(PLATELETS)
def test_a_longer_run_never_begins_a_state_earlier(values):
    onset = []
    for run in (2, 3):
        text = STATES.replace("run: 2\n", f"run: {run}\n")
        rows = counts(dict(sorted(values.items())), "PLT")
        with tempfile.TemporaryDirectory() as folder:
            context = context_of(Path(folder), text, **({"measurements": rows} if rows else {}))
            onset.append(episodes(context, "low")["from_day"].to_list())
    assert len(onset[1]) == 0 or onset[0][0] <= onset[1][0]


@settings(max_examples=15)
@given(PLATELETS, DAYS, st.integers(5, 50))
def test_what_follows_a_death_changes_no_state(values, transfused, day):
    found = []
    for more in (False, True):
        rows = counts(
            {d: v for d, v in sorted(values.items()) if more or d <= day}, "PLT"
        )  # fmt: skip
        given_ = [{"record_id": f"T{d}", "day": d, "product": "platelets", "units": 1}
                  for d in sorted(transfused) if more or d <= day]  # fmt: skip
        tables = {"measurements": rows, "transfusions": given_,
                  "events": [{"record_id": "D", "day": day, "event": "death"}]}  # fmt: skip
        with tempfile.TemporaryDirectory() as folder:
            context = context_of(
                Path(folder), STATES, people={"last_contact_day": day, "complete_until_day": day},
                **{name: table for name, table in tables.items() if table},
            )  # fmt: skip
            found += [[episodes(context, name).to_dicts() for name in ("low", "dependent")]]
    assert found[0] == found[1]
