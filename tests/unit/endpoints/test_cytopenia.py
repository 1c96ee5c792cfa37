"""Lasting falls of counts, step by step, worked out on paper."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stromal.core import ProtocolError
from stromal.endpoints.fall_kernels import qualifying_begins
from stromal.endpoints.kernels import PASS, UNKNOWN
from support.derived import counts, row_of, rows_of

pytestmark = pytest.mark.by_hand

THREE = (
    "[{analyte: PLT, below: 20 10*9/L}, {analyte: ANC, below: 0.5 10*9/L}, "
    "{analyte: Hb, below: 70 g/L}]"
)
ANC = "[{analyte: ANC, below: 0.5 10*9/L}]"
TIMES = ("status", "day", "day_low", "day_high")
RECOVERY = """\
  recovery:
    label: Recovery
    recovery: {analyte: ANC, at_least: 0.5 10*9/L, run: 3, of: consecutive days,
               after: {nadir_within: 28 d}}
    from: transplant
    competing: [death]
"""
FALL = [3.2, 2.4, 1.1, 0.6, 0.3, 0.1]


def fall(counts_=ANC, lines=1, run="run: 3, of: consecutive days", more="", until=""):
    until = f"    until: {until}\n" if until else ""
    return (
        "  fall:\n    label: Fall\n"
        f"    cytopenia: {{counts: {counts_}, lines: {lines}, {run}{more}}}\n"
        f"    from: transplant\n{until}    competing: [death, second_transplant]\n"
    )


def told(row, *names):
    return tuple(row[name] for name in names)


@pytest.mark.parametrize(("value", "day"), [(0.5, 4), (0.499, 3), ("<0.5", 3), ("<0.51", 4)])
def test_below_is_strict(tmp_path, value, day):
    row = row_of(tmp_path, fall(), measurements=counts([2, 1, 1, value, 0.4, 0.3, 0.2]))
    assert told(row, "status", "day") == ("event", day)
    assert row["day_low"] == (3 if value == "<0.51" else day)


def test_leucocytes_show_a_fall_that_no_differential_reports(tmp_path):
    """Neutrophils never exceed leucocytes: leucocytes of 0.4 are neutrophils below 0.5."""
    measured = counts([2, 1, 0.4, None, None, 0.9]) + counts({3: 0.3, 4: 0.4, 5: 1.5}, "WBC")
    row = row_of(tmp_path, fall(), measurements=measured)
    assert told(row, *TIMES) == ("event", 2, 2, 2)
    assert row["because"] == ["ANC2", "WBC3", "WBC4"]


def test_leucocytes_above_the_threshold_show_nothing(tmp_path):
    measured = counts([2, 1, 0.4, 0.3, None, 0.9]) + counts({4: 0.6}, "WBC")
    row = row_of(tmp_path, fall(), measurements=measured)
    assert told(row, *TIMES) == ("censored", 1, 2, None)


def test_at_least_two_of_three_on_the_same_day(tmp_path):
    measured = (
        counts([15, 15, 15, 15, 15, 15], "PLT")
        + counts([1, 0.4, 1, 0.4, 0.3, 1])
        + counts([80, 80, 65, 65, 80, 60], "Hb")
    )
    row = row_of(tmp_path, fall(THREE, lines=2), measurements=measured)
    # day 0: platelets alone; days 1 to 5 have two or three
    assert told(row, *TIMES) == ("event", 1, 1, 1)
    assert row["because"] == [
        "PLT1", "ANC1", "Hb1", "PLT2", "ANC2", "Hb2", "PLT3", "ANC3", "Hb3",
    ]  # fmt: skip


def test_a_missing_line_is_unknown_and_not_zero(tmp_path):
    """Platelets 15 with no other count: one more would do, so the day is open."""
    measured = counts([15, 15, 15, 15], "PLT") + counts([0.4, None, 0.4, 0.4])
    row = row_of(tmp_path, fall(THREE, lines=2), measurements=measured)
    assert told(row, *TIMES) == ("not_evaluable", None, 0, None)
    by_values = "run: 3, of: values on different days, largest_gap: none"
    row = row_of(tmp_path / "b", fall(THREE, lines=2, run=by_values), measurements=measured)
    assert told(row, *TIMES) == ("event", 0, 0, None)


def test_two_failing_lines_settle_the_day(tmp_path):
    """Two of three are high: the third cannot make two, and the run ends."""
    measured = counts([15, 50, 15, 15], "PLT") + counts([0.4, 2, 0.4, 0.4])
    by_values = "run: 3, of: values on different days, largest_gap: none"
    row = row_of(tmp_path, fall(THREE, lines=2, run=by_values), measurements=measured)
    assert told(row, "status", "day_low") == ("censored", None)


LASTING = "lasting: 14 d, largest_gap: 4 d"


@pytest.mark.parametrize(
    ("days", "expected"),
    [
        (range(28, 43, 2), ("event", 28)),  # the last value exactly 14 days after the first
        (range(28, 42), ("censored", 27)),  # 13 days only
        ([28, 32, 36, 40, 42], ("event", 28)),
        ([*range(28), 28, 33, 36, 40, 42, 46], ("censored", 27)),  # a gap of 5, then 13 days
        ([28, 33, 36, 40, 42, 46], ("not_evaluable", None)),  # no count shows 14 days
        (range(20, 43), ("event", 28)),  # low before already: it begins on day 28 at the earliest
    ],
)
def test_lasting_from_day_28_on(tmp_path, days, expected):
    row = row_of(
        tmp_path,
        fall(run=LASTING, more=", start: 28 d"),
        measurements=counts({day: 0.3 if day > 20 else 2 for day in days}),
    )
    assert told(row, "status", "day") == expected


@pytest.mark.parametrize(
    ("last", "expected"),
    [
        (20, ("censored", 20)),  # nobody can have had it before day 28
        (27, ("censored", 27)),
        (35, ("censored", 27)),
        (41, ("censored", 27)),
        (42, ("censored", 28)),
        (60, ("censored", 46)),
    ],
)
def test_censored_no_earlier_than_the_rule_looks(tmp_path, last, expected):
    row = row_of(
        tmp_path,
        fall(run=LASTING, more=", start: 28 d"),
        measurements=counts(dict.fromkeys(range(last + 1), 1)),
    )
    assert told(row, "status", "day") == expected


def test_weekly_draws_cannot_show_a_gap_of_four_days(tmp_path):
    row = row_of(
        tmp_path,
        fall(run=LASTING, more=", start: 28 d"),
        measurements=counts(dict.fromkeys(range(0, 60, 7), 0.3)),
    )
    assert told(row, "status", "cause", "day_low") == (
        "not_evaluable", "draws cannot show the run", 28,
    )  # fmt: skip
    assert "too few or too far apart" in row["note"]


def test_after_another_endpoint(tmp_path):
    endpoints = RECOVERY + fall(more=", after: recovery")
    recovered = counts([*FALL, 0.6, 0.9, 1.2, 0.4, 0.4, 0.3])
    rows = rows_of(
        tmp_path,
        endpoints,
        people=[{}, {}, {}, {}],
        measurements=[
            *recovered,
            *counts([*FALL, 0.2, 0.3, 0.2, 0.2], participant="P2"),
            *counts({0: 3, 2: 1, 4: 0.1, 7: 0.9, 9: 1, 11: 0.2, 14: 0.2}, participant="P3"),
            *counts([2] * 29, participant="P4"),
        ],
    )
    assert rows["status"].to_list() == [
        "event",
        "not_applicable",  # never recovered
        "not_evaluable",  # the draws could not show whether there was a recovery
        "not_applicable",  # never fell, so there was nothing to recover
    ]
    assert rows["day"].to_list() == [9, None, None, None]


def test_a_fall_on_the_day_of_the_other_endpoint_is_not_after_it(tmp_path):
    """Recovery on day 6; the search begins on day 7."""
    high = "[{analyte: PLT, below: 20 10*9/L}]"
    measured = counts([*FALL, 0.6, 0.9, 1.2]) + counts(dict.fromkeys(range(12), 10), "PLT")
    row = row_of(tmp_path, RECOVERY + fall(high, more=", after: recovery"), measurements=measured)
    assert told(row, "status", "day") == ("event", 7)


def test_start_and_after_together_take_the_later(tmp_path):
    measured = counts([*FALL, 0.6, 0.9, 1.2, *[0.3] * 10])
    for start, day in ((3, 9), (12, 12)):
        row = row_of(
            tmp_path / str(start),
            RECOVERY + fall(more=f", after: recovery, start: {start} d"),
            measurements=measured,
        )
        assert told(row, "status", "day") == ("event", day)


def test_a_competing_event_and_until(tmp_path):
    measured = counts([*[1] * 10, 0.3, 0.3, 0.3])
    events = [{"record_id": "E", "day": 11, "event": "second_transplant"}]
    row = row_of(tmp_path / "a", fall(), measurements=measured, events=events)
    assert told(row, "status", "day", "because") == ("competing", 11, ["E"])
    row = row_of(tmp_path / "b", fall(until="9 d"), measurements=measured)
    assert told(row, "status", "day") == ("censored", 9)


def test_nothing_counted(tmp_path):
    row = row_of(tmp_path, fall())
    assert told(row, *TIMES, "cause") == ("not_evaluable", None, None, None, "no counts")


PLATELETS = """\
  platelets:
    label: Platelets
    recovery: {definition: CIBMTR_PLT_20}
    from: transplant
    competing: [death]
"""


def test_after_two_endpoints_of_which_one_had_nothing_to_recover_from(tmp_path):
    """Platelets never fell below 20: the search begins after the recovery of neutrophils, day 6."""
    measured = counts([*FALL, 0.6, 0.9, 1.2, 0.4, 0.4, 0.3]) + counts([100] * 29, "PLT")
    text = RECOVERY + PLATELETS + fall(more=", after: [recovery, platelets]")
    row = row_of(tmp_path / "a", text, measurements=measured)
    assert told(row, "status", "day") == ("event", 9)
    never = counts([2] * 29) + counts([100] * 29, "PLT")
    row = row_of(tmp_path / "b", text, measurements=never)
    assert row["status"] == "not_applicable"
    unseen = counts([*FALL, 0.6, 0.9, 1.2, 0.4, 0.4, 0.3])
    row = row_of(tmp_path / "c", text, measurements=unseen)
    assert told(row, "status", "cause") == ("not_evaluable", "platelets could not be judged")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("or_supported: {transfused: platelets, within: 7 d}", "`at_least` is missing"),
        ("or_supported: {transfused: platelets, at_least: 1, within: 0 d}", "or equal to 1"),
        (
            "or_supported: {transfused: platelets, drug: G-CSF, at_least: 1, within: 7 d}",
            "one of `transfused`, `drug`, `drug_class`",
        ),
        ("and_supported: {drug: G-CSF, at_least: 8, within: 7 d}", "can never be met"),
        (
            (
                "or_supported: {transfused: platelets, at_least: 1, within: 7 d}, "
                "and_supported: {transfused: platelets, at_least: 1, within: 7 d}"
            ),
            "not both",
        ),
        (
            (
                "or_supported: {transfused: platelets, at_least: 1, within: 7 d}, "
                "without_transfusion: {product: platelets, when: during}"
            ),
            "not both",
        ),
    ],
)
def test_faulty_support_is_refused(tmp_path, line, said):
    lines = f"[{{analyte: PLT, below: 20 10*9/L, {line}}}]"
    with pytest.raises(ProtocolError, match=said):
        row_of(tmp_path, fall(lines))


def test_a_drug_without_an_end_is_unknown_after_its_first_day(tmp_path):
    lines = (
        "[{analyte: ANC, below: 0.5 10*9/L, "
        "or_supported: {drug: filgrastim, at_least: 2, within: 7 d}}]"
    )
    drug = {"record_id": "M", "drug": "filgrastim", "started_day": 3}
    for ended, expected in ((5, "event"), ("", "not_evaluable")):
        row = row_of(
            tmp_path / f"x{ended}",
            fall(lines),
            measurements=counts([2] * 8, first=4),
            medications=[{**drug, "ended_day": ended}],
        )
        assert row["status"] == expected


@given(
    st.lists(st.tuples(st.integers(1, 4), st.integers(0, 3)), max_size=25),
    st.integers(1, 4),
    st.integers(0, 8),
    st.integers(0, 4),
)
def test_every_begin_of_a_run_against_plain_python(steps, run, span, gap):
    day = np.cumsum([step for step, _ in steps], dtype=np.int32)
    status = np.array([code for _, code in steps], dtype=np.int8)
    expected = []
    for i in range(len(steps)):
        rows = []
        for j in range(i, len(steps)):
            if status[j] == UNKNOWN:
                continue
            if status[j] != PASS or (rows and gap and day[j] - day[rows[-1]] > gap):
                break
            rows.append(j)
        starts = rows and rows[0] == i and 2 <= day[i] <= 40
        found = [j for n, j in enumerate(rows, 1) if n >= run and day[j] - day[i] >= span]
        expected.append(found[0] if starts and found else -1)
    ends = qualifying_begins(
        np.array([0, len(steps)]), day, status, np.array([2], dtype=np.int32),
        np.array([40], dtype=np.int32), run, span, gap,
    )  # fmt: skip
    assert ends.tolist() == expected


@pytest.mark.parametrize(
    ("event", "when", "expected"),
    [
        # it began before the anchor and went on over the onset: no fall of its own
        ({"day": -3, "ended_day": 30}, "during the run", ("censored", 17)),
        ({"day": -3, "ended_day": 5}, "during the run", ("event", 6)),
        ({"day": -3, "ended_day": -1}, "during the run", ("event", 0)),
        ({"day": -3}, "during the run", ("not_evaluable", None)),  # nobody says when it ended
        ({"day": -3, "ended_day": 30}, "ever", ("event", 0)),  # `ever` looks from the anchor on
    ],
)
def test_an_event_from_before_the_anchor_that_goes_on(tmp_path, event, when, expected):
    text = (
        "  low:\n    label: Low\n    cytopenia: {counts: [{analyte: PLT, below: 20 10*9/L}], "
        "lines: 1, run: 3, of: values on different days, largest_gap: none, provided: "
        f"[{{event: infection, recorded: 'no', when: {when}}}]}}\n"
        "    from: transplant\n    competing: [death]\n"
    )
    row = row_of(tmp_path, text, measurements=counts([10] * 20, "PLT"),
                 events=[{"record_id": "I", "event": "infection", **event}])  # fmt: skip
    assert (row["status"], row["day"]) == expected
