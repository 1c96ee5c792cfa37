"""The kernels of the endpoints against plain references, on random histories."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stromal.endpoints.days_kernels import Bounds, Counts, DayList, Others, fill_all, room_for
from stromal.endpoints.kernels import (
    FAIL,
    NONE,
    PASS,
    UNKNOWN,
    UNLOGGED,
    RunCode,
    first_run,
    room_for_found,
    run_ending_within,
    search_runs,
)
from stromal.endpoints.recovery_kernels import nadir_of, recover_all, room_for_nadirs

# --- the kernels ---------------------------------------------------------------------------

STATUSES = st.sampled_from([FAIL, PASS, PASS, PASS, UNKNOWN, UNLOGGED])


@st.composite
def shapes(draw):
    """Draw (run, span, gap) as the three kinds of run rules have them."""
    gap = draw(st.integers(0, 5))
    run = draw(st.integers(1, 5))
    lasting = draw(st.integers(0, 9))
    return draw(st.sampled_from([(run, run - 1, 1), (run, run - 1, gap), (2, lasting, gap)]))


@st.composite
def histories(draw):
    """Draw several participants' rows of (day, status), days rising."""
    people = []
    for _ in range(draw(st.integers(0, 4))):
        days = sorted(draw(st.sets(st.integers(0, 24), max_size=18)))
        people.append([(day, draw(STATUSES)) for day in days])
    return people


def arrays(people):
    """Give offsets, days and statuses of all participants."""
    rows = [row for person in people for row in person]
    offsets = np.cumsum([0, *map(len, people)]).astype(np.int64)
    return (
        offsets,
        np.array([day for day, _ in rows], dtype=np.int32),
        np.array([status for _, status in rows], dtype=np.int8),
    )


def find_nadirs(offsets, day, height, below, run, within):
    """Find the row of each participant's nadir."""
    bounds = itertools.pairwise(offsets)
    return [nadir_of(day, height, below, begin, end, run, within) for begin, end in bounds]


def each(people, value):
    return np.full(len(people), value, dtype=np.int32)


def qualifies(rows, run, span, gap):
    """Whether passing rows that follow each other are long enough and close enough."""
    close = all(b[0] - a[0] <= gap for a, b in itertools.pairwise(rows))
    return len(rows) >= run and rows[-1][0] - rows[0][0] >= span and (gap == 0 or close)


def plain_first_run(rows, start, stop, run, span, gap, against):
    """Try every first and every last row."""
    for i, (day, status) in enumerate(rows):
        if status != PASS or not start <= day <= stop:
            continue
        for j in range(i, len(rows)):
            part = [row for row in rows[i : j + 1] if against or row[1] != UNKNOWN]
            if (
                rows[j][1] == PASS
                and all(row[1] == PASS for row in part)
                and qualifies(part, run, span, gap)
            ):
                return i, j
    return None


@settings(max_examples=200)
@given(histories(), shapes(), st.integers(0, 12), st.integers(0, 24), st.booleans())
def test_the_first_run(people, shape, start, stop, against):
    found = first_run(*arrays(people), each(people, start), each(people, stop), *shape, against)
    offset = 0
    for person, first, last in zip(people, *found, strict=True):
        expected = plain_first_run(person, start, stop, *shape, against)
        assert (first, last) == (
            (-1, -1) if expected is None else (offset + expected[0], offset + expected[1])
        )
        offset += len(person)


@settings(max_examples=300)
@given(histories(), shapes(), st.integers(0, 20), st.integers(0, 6))
def test_the_last_run_that_ends_in_a_window(people, shape, low, width):
    high = low + width
    run, span, gap = shape
    found = run_ending_within(*arrays(people), each(people, low), each(people, high), *shape)
    offset = 0
    for person, first, last, possible in zip(people, *found, strict=True):
        expected = (-1, -1)
        for j, (day, status) in enumerate(person):
            if status != PASS or not low <= day <= high:
                continue
            part = []
            for i in range(j, -1, -1):
                if person[i][1] == UNKNOWN:
                    continue
                if person[i][1] != PASS or (part and gap and part[0][0] - person[i][0] > gap):
                    break
                part.insert(0, person[i])
                begin = i
            if qualifies(part, run, span, gap):
                expected = (offset + begin, offset + j)
        assert (first, last) == expected
        failing = [d for d, status in person if status == FAIL]
        assert possible == any(
            not any(end - span <= failed <= end for failed in failing)
            for end in range(low, high + 1)
        )
        offset += len(person)


def plain_last_begin(person, run, span, gap):
    """Try every pair of telling rows: the last day on which a shown run could have begun."""
    telling = [row for row in person if row[1] in {PASS, FAIL}]
    best = NONE
    for i, row in enumerate(telling):
        for j in range(i, len(telling)):
            hole = any(status == UNLOGGED and row[0] < d < telling[j][0] for d, status in person)
            if not hole and qualifies(telling[i : j + 1], run, span, gap):
                best = row[0]
    if best == NONE and any(status == UNLOGGED for _, status in person):
        return best, UNLOGGED
    return best, int(len(telling) >= run and telling[-1][0] - telling[0][0] >= span)


def plain_low(person, start, stop, span):
    """Try every day: the first without a failing row on it and the days of the run after it."""
    failing = [d for d, status in person if status == FAIL]
    possible = [
        d for d in range(start, stop + 1) if not any(d <= failed <= d + span for failed in failing)
    ]
    return possible[0] if possible else NONE


@settings(max_examples=300)
@given(histories(), shapes(), st.integers(0, 12), st.integers(0, 24))
def test_the_whole_search(people, shape, start, stop):
    offsets, days, statuses = arrays(people)
    found = room_for_found(len(people))
    drawn = (statuses != UNLOGGED).astype(np.int8)
    search_runs(
        offsets, days, statuses, drawn, np.zeros(days.size, dtype=np.int64),
        each(people, start), each(people, stop), RunCode(*shape), found,
    )  # fmt: skip
    for p, person in enumerate(people):
        event = plain_first_run(person, start, stop, *shape, against=False)
        assert found.event[p] == (NONE if event is None else person[event[0]][0])
        if event is not None:
            against = plain_first_run(person, start, stop, *shape, against=True)
            assert found.run_end[p] == person[event[1]][0]
            assert found.high[p] == (NONE if against is None else person[against[0]][0])
            assert found.low[p] == plain_low(person, start, stop, shape[1])
            assert found.low[p] <= found.event[p]
            continue
        last_drawn = max((d for d, status in person if status != UNLOGGED), default=NONE)
        assert found.drawn[p] == last_drawn
        assert found.low[p] == plain_low(person, start, min(stop, last_drawn - shape[1]), shape[1])
        could, enough = plain_last_begin(person, *shape)
        assert found.could[p] == could
        assert could != NONE or found.enough[p] == enough
        telling = [d for d, status in person if status in {PASS, FAIL}]
        assert found.seen[p] == max(telling, default=NONE)
        stretches = [
            len(list(group))
            for _, group in itertools.groupby(enumerate(telling), lambda pair: pair[1] - pair[0])
        ]
        assert found.stretch[p] == max(stretches, default=0)


def plain_nadir(counts, run, within):
    """The last of the lowest counts before `run` counts in a row at 0.5 that follow `run` below."""
    rise = None
    for k, (_, height) in enumerate(counts):
        under = sum(h < 0.5 for _, h in counts[:k])
        streak = counts[k : k + run]
        if height >= 0.5 and under >= run and len(streak) == run and all(
            h >= 0.5 for _, h in streak
        ):  # fmt: skip
            rise = k
            break
    searched = [(h, -d) for d, h in counts[:rise] if d <= within]
    return -min(searched)[1] if searched else None


@settings(max_examples=300)
@given(
    st.lists(
        st.lists(
            st.tuples(st.integers(0, 2), st.sampled_from([0.1, 0.2, 0.3, 0.5, 0.6, math.nan])),
            max_size=14,
        ),
        max_size=4,
    ),
    st.integers(1, 4),
    st.integers(0, 20),
)
def test_the_nadir(people, run, within):
    people = [
        [(int(day), height) for (step, height), day in zip(
            person, np.cumsum([step + 1 for step, _ in person]) - 1, strict=True)]
        for person in people
    ]  # fmt: skip
    rows = [row for person in people for row in person]
    offsets, days, _ = arrays([[(day, PASS) for day, _ in person] for person in people])
    heights = np.array([height for _, height in rows], dtype=np.float64)
    found = find_nadirs(offsets, days, heights, (heights < 0.5).astype(np.int8), run, within)
    for person, nadir in zip(people, found, strict=True):
        expected = plain_nadir([row for row in person if not math.isnan(row[1])], run, within)
        assert (None if nadir < 0 else days[nadir]) == expected


# --- from records to days ------------------------------------------------------------------

HEIGHTS = st.sampled_from([0.1, 0.3, 0.4999, 0.5, 0.6, 2.0])
BOUNDS = st.sampled_from(
    [
        Bounds(0.5, math.inf, 0),
        Bounds(math.nextafter(0.5, 1), math.inf, 3),
        Bounds(0.3, math.nextafter(0.6, 0), 1),
        Bounds(-math.inf, math.nextafter(0.5, 0), 0),
        Bounds(-math.inf, 0.5, 4),
    ]
)


@st.composite
def records(draw, *, exact=False):
    """Draw one participant's counts, leucocytes and lists of days, from day zero."""
    days = st.sets(st.integers(0, 26), max_size=24)
    kinds = ["="] if exact else ["=", "=", "=", "<", ">"]
    leucocytes = {} if exact else {d: draw(HEIGHTS) for d in draw(days) if draw(st.booleans())}
    return {
        "anchor": draw(st.sampled_from([0, 0, 2, None])),
        "last": draw(st.sampled_from([10, 20, 30])),
        "counts": {d: (draw(st.sampled_from(kinds)), draw(HEIGHTS)) for d in draw(days)},
        "others": {} if exact else {d: leucocytes.get(d, math.nan) for d in draw(days)},
        "planned": set() if exact else draw(days),
        "given": draw(st.sets(st.integers(-4, 20), max_size=3)),
        "unlogged": set() if exact else draw(st.sets(st.integers(0, 26), max_size=3)),
    }


def meets(low, high, bounds):
    """The verdict on a number that lies somewhere between two others, by trying some of them."""
    tried = {
        bounds.lower <= value <= bounds.upper for value in (*np.linspace(low, high, 999), high)
    }
    return UNKNOWN if len(tried) > 1 else PASS if tried.pop() else FAIL


def plain_days(person, bounds):
    """Say of every day what the documentation of `fill_days` says."""
    if person["anchor"] is None:
        return []
    rows = []
    for day in range(person["anchor"], person["anchor"] + person["last"] + 1):
        status = None
        if day in person["counts"]:
            kind, value = person["counts"][day]
            low, high = {
                "=": (value, value),
                "<": (0, math.nextafter(value, 0)),
                ">": (math.nextafter(value, 9), 50),
            }[kind]
            status = meets(low, high, bounds)
        if status in {None, UNKNOWN} and day in person["others"]:
            white = person["others"][day]
            bound = UNKNOWN if math.isnan(white) else meets(0, white, bounds)
            wanted = FAIL if bounds.lower > -math.inf else PASS
            low_only = bounds._replace(upper=math.inf) if wanted == FAIL else bounds
            if not math.isnan(white):
                bound = meets(0, white, low_only)
            status = bound if bound == wanted else UNKNOWN if status is None else status
        if day in person["planned"] and status is None:
            status = UNKNOWN
        if day in person["unlogged"] and status != FAIL:
            status = UNLOGGED
        if any(given <= day < given + bounds.shadow for given in person["given"]):
            status = FAIL
        if status is not None:
            rows.append((day - person["anchor"], status))
    return rows


def columns_of(people):
    """Turn drawn records into what the kernels read."""

    def offsets(parts):
        return np.cumsum([0, *map(len, parts)]).astype(np.int64)

    def day_list(name):
        lists = [sorted(person[name]) for person in people]
        return DayList(offsets(lists), np.array([d for x in lists for d in x], dtype=np.int32))

    counts = [sorted(person["counts"].items()) for person in people]
    flat = [(d, kind, value) for person in counts for d, (kind, value) in person]
    ends = {
        "=": lambda value: (value, value),
        "<": lambda value: (0.0, math.nextafter(value, 0)),
        ">": lambda value: (math.nextafter(value, 9), math.inf),
    }
    low = np.array([ends[kind](value)[0] for _, kind, value in flat])
    high = np.array([ends[kind](value)[1] for _, kind, value in flat])
    exact = all(kind == "=" for _, kind, _ in flat)
    others = [sorted(person["others"].items()) for person in people]
    return (
        np.array([NONE if p["anchor"] is None else p["anchor"] for p in people], dtype=np.int32),
        np.array([person["last"] for person in people], dtype=np.int32),
        Counts(
            offsets(counts),
            np.array([d for d, _, _ in flat], dtype=np.int32),
            low,
            low if exact else high,
        ),
        Others(
            offsets(others),
            np.array([d for x in others for d, _ in x], dtype=np.int32),
            np.array([white for x in others for _, white in x], dtype=np.float64),
        ),
        day_list("planned"),
        day_list("given"),
        day_list("unlogged"),
    )


@settings(max_examples=300)
@given(st.lists(records(), max_size=4), BOUNDS)
def test_the_days_that_are_filled(people, bounds):
    if not bounds.shadow:
        people = [{**person, "given": set()} for person in people]
    room = room_for(200 * len(people))
    offsets = fill_all(*columns_of(people), bounds, room)
    for p, person in enumerate(people):
        rows = range(offsets[p], offsets[p + 1])
        assert [(room.day[i], room.status[i]) for i in rows] == plain_days(person, bounds)


@settings(max_examples=400)
@given(
    st.one_of(
        st.lists(records(), max_size=4),
        st.lists(records(exact=True), max_size=4),
        st.lists(records(exact=True).map(lambda person: {**person, "given": set()}), max_size=4),
    ),
    BOUNDS,
    shapes(),
    st.sampled_from([-1, 8, 28]),
    st.integers(1, 3),
    st.sampled_from([12, 1000]),
)
def test_the_recovery_in_one_pass(people, bounds, shape, within, run, stop):
    """One pass over the records gives what its steps give, one after the other."""
    if not bounds.shadow:
        people = [{**person, "given": set()} for person in people]
    columns = columns_of(people)
    found, nadirs = room_for_found(len(people)), room_for_nadirs(len(people))
    sources, source_offsets = recover_all(
        *columns, bounds, RunCode(*shape), within, run, stop, room_for(200), found, nadirs
    )
    room = room_for(200 * len(people))
    offsets = fill_all(*columns, bounds, room)
    nadir = find_nadirs(offsets, room.day, room.height, room.below, run, within)
    start = np.zeros(len(people), dtype=np.int32)
    for p, person in enumerate(people):
        if within < 0 or person["anchor"] is None:
            continue
        given = (day - person["anchor"] for day in person["given"])
        spared = nadir[p] >= 0 and room.below[nadir[p]] == 0 and not any(
            0 <= day <= within for day in given
        )  # fmt: skip
        start[p] = 2_000_000 if nadir[p] < 0 or spared else room.day[nadir[p]] + 1
        assert nadirs.day[p] == (NONE if nadir[p] < 0 else room.day[nadir[p]])
    steps = room_for_found(len(people))
    search_runs(
        offsets, room.day, room.status, room.drawn, room.source,
        start, each(people, stop), RunCode(*shape), steps,
    )  # fmt: skip
    for name in set(found._fields) - {"first", "last"}:
        assert (getattr(found, name) == getattr(steps, name)).all(), name
    for p in range(len(people)):
        own = sources[source_offsets[p] : source_offsets[p + 1]]
        inside = range(steps.first[p], steps.last[p] + 1) if steps.first[p] >= 0 else range(0)
        assert list(own) == [room.source[i] for i in inside if room.status[i] == PASS]


@pytest.mark.by_hand
@pytest.mark.parametrize("plain", [True, False])
def test_a_run_of_very_many_counts_names_them_all(plain):
    """Two counts 150 days apart with every day between them: 151 counts decide, for each of 3."""
    person = {
        "anchor": 0, "last": 300, "counts": dict.fromkeys(range(200), ("=", 0.6)), "others": {},
        "planned": set() if plain else {250}, "given": set(), "unlogged": set(),
    }  # fmt: skip
    found, nadirs = room_for_found(3), room_for_nadirs(3)
    sources, offsets = recover_all(
        *columns_of([person] * 3), Bounds(0.5, math.inf, 0), RunCode(2, 150, 0), -1, 3, 1000,
        room_for(300), found, nadirs,
    )  # fmt: skip
    assert list(offsets) == [0, 151, 302, 453]
    assert list(sources) == [200 * p + i for p in range(3) for i in range(151)]


@pytest.mark.by_hand
def test_a_transfusion_stands_for_a_fall_that_no_count_showed():
    """Never below 0.5: with platelets given on day 3 the search begins after the nadir of day 5."""
    heights = [0.9, 0.8, 0.8, 0.8, 0.7, 0.7, 0.9, 0.9, 0.9, 0.9]
    person = {
        "anchor": 0, "last": 30, "others": {}, "planned": set(), "unlogged": set(),
        "counts": {d: ("=", height) for d, height in enumerate(heights)},
    }  # fmt: skip
    people = [{**person, "given": {3}}, {**person, "given": set()}, {**person, "given": {9}}]
    found, nadirs = room_for_found(3), room_for_nadirs(3)
    recover_all(
        *columns_of(people), Bounds(0.5, math.inf, 2), RunCode(3, 2, 1), 8, 3, 1000,
        room_for(100), found, nadirs,
    )  # fmt: skip
    assert list(nadirs.day) == [5, 5, 5]
    assert list(nadirs.transfused) == [1, 0, 0]
    assert list(found.event) == [6, NONE, NONE]
