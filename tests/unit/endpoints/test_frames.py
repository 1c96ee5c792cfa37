"""Recovery from plain tables: the same answers as from a study folder, and refusals."""

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stromal.core import UsageError
from stromal.endpoints import derive
from stromal.endpoints.frames import recover
from support.derived import counts, study_of

ENDPOINTS = """\
  anc:
    label: Neutrophils
    recovery: {definition: CIBMTR_ANC}
    from: transplant
    competing: [death]
  anc_days:
    label: Neutrophils
    recovery: {definition: ASTCT_2021_ANC}
    from: transplant
    competing: [death]
  plt:
    label: Platelets
    recovery: {definition: CIBMTR_PLT_20}
    from: transplant
    competing: [death]
"""
"""Endpoints of a study whose records hold the tables that `recover` takes."""


def days(most):
    return st.sets(st.integers(0, 34), max_size=most).map(sorted)


@st.composite
def people(draw):
    """Draw counts, transfusions and deaths of some participants."""
    return [
        {
            "counts": [(d, draw(st.integers(0, 12))) for d in draw(days(28))],
            "given": draw(days(4)),
            "death": draw(st.one_of(st.none(), st.integers(5, 40))),
        }
        for _ in range(draw(st.integers(1, 5)))
    ]


def table(rows, value=None):
    """Give rows of (participant, day) or (participant, day, value) as a frame."""
    schema = {"participant_id": pl.String, "day": pl.Int32}
    return pl.DataFrame(rows, schema=schema | (value or {}), orient="row")


@settings(max_examples=25)
@given(drawn=people())
def test_the_same_as_from_a_study_folder(drawn, tmp_path_factory):
    drawn = [person for person in drawn if person["counts"]]
    named = {f"P{i}": person for i, person in enumerate(drawn, start=1)}
    if not named:
        return
    scales = {"ANC": 0.1, "PLT": 4.0}
    tables = {
        "measurements": [
            row
            for p, person in named.items()
            for analyte, scale in scales.items()
            for row in counts({d: v * scale for d, v in person["counts"]}, analyte, p)
        ],
        "transfusions": [
            {"participant_id": p, "day": d, "product": "platelets", "units": 1}
            for p, person in named.items()
            for d in person["given"]
        ],
        "events": [
            {"participant_id": p, "day": person["death"], "event": "death"}
            for p, person in named.items()
            if person["death"] is not None
        ],
    }
    folder = tmp_path_factory.mktemp("study")
    filled = {name: rows for name, rows in tables.items() if rows}
    derived = derive(*study_of(folder, ENDPOINTS, people=[{} for _ in named], **filled))
    ends = table(
        [
            (p, 200, None) if person["death"] is None else (p, person["death"], "death")
            for p, person in named.items()
        ],
        {"cause": pl.String},
    )
    given_days = table([(p, d) for p, person in named.items() for d in person["given"]])
    for endpoint, name, analyte in (
        ("anc", "CIBMTR_ANC", "ANC"),
        ("anc_days", "ASTCT_2021_ANC", "ANC"),
        ("plt", "CIBMTR_PLT_20", "PLT"),
    ):
        values = table(
            [(p, d, v * scales[analyte]) for p, person in named.items()
             for d, v in person["counts"]],
            {"value": pl.Float64},
        )  # fmt: skip
        shuffled = values.sample(fraction=1, shuffle=True, seed=1)
        plain = recover(shuffled, name, transfusions=given_days, ends=ends).sort("participant_id")
        expected = derived.filter(pl.col("endpoint") == endpoint).sort("participant_id")
        for column in ("participant_id", "status", "day", "day_low", "day_high", "cause", "note"):
            assert plain[column].to_list() == expected[column].to_list(), (endpoint, column)


@pytest.mark.by_hand
def test_the_second_platelet_example_of_the_cibmtr_manual():
    """Last transfusion on day 0; 23 on day 6 does not count, 25 on day 7 does."""
    values = [10, 30, 25, 10, 15, 19, 23, 25, 40, 50, 56, 65, 72]
    platelets = pl.DataFrame({"participant_id": [7] * 13, "day": range(13), "value": values})
    transfused = pl.DataFrame({"participant_id": [7], "day": [0]})
    days = [
        recover(platelets, name, transfusions=transfused)["day"].item()
        for name in ("CIBMTR_PLT_20", "CIBMTR_PLT_50")
    ]
    assert days == [7, 9]


def test_threads_change_nothing():
    size, length = 3000, 40
    frame = pl.DataFrame({"participant_id": pl.Series(range(size)).repeat_by(length).explode()})
    frame = frame.with_columns(
        day=pl.int_range(pl.len(), dtype=pl.Int32) % length,
        value=((pl.int_range(pl.len()) * 7919) % 97) / 150,
    ).with_columns(value=pl.col("value") + pl.col("day") * (pl.col("participant_id") % 3) / 40)
    one, two = (recover(frame, "CIBMTR_ANC", threads=n) for n in (1, 2))
    assert one.equals(two)
    assert one["status"].n_unique() > 1


GOOD = {"participant_id": ["A", "A"], "day": [0, 1], "value": [0.1, 0.2]}


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"value": None}, "there is no `value`"),
        ({"value": ["a", "b"]}, "`value` of the counts holds String"),
        ({"value": [0.1, float("nan")]}, "`value` of the counts is missing or not finite in row 2"),
        ({"day": [0, None]}, "`day` of the counts is missing or not finite in row 2"),
        ({"day": [0.0, 1.5]}, "`day` of the counts is not in whole days"),
        ({"participant_id": ["A", None]}, "`participant_id` of the counts is missing"),
    ],
)
def test_malformed_counts(change, told):
    columns = {name: column for name, column in {**GOOD, **change}.items() if column is not None}
    with pytest.raises(UsageError, match=told):
        recover(pl.DataFrame(columns), "CIBMTR_ANC")


def test_other_refusals():
    good = pl.DataFrame(GOOD)
    with pytest.raises(
        UsageError, match=r"`OS` is no recovery of the library; there are: .*CIBMTR"
    ):
        recover(good, "OS")
    ends = pl.DataFrame({"participant_id": ["A", "A"], "day": [1, 2], "cause": ["death", None]})
    with pytest.raises(UsageError, match="participant A has more than one end"):
        recover(good, "CIBMTR_ANC", ends=ends)
    with pytest.raises(UsageError, match="the ends need the columns participant_id, day, cause"):
        recover(good, "CIBMTR_ANC", ends=ends.drop("cause"))


def test_no_counts_give_no_rows():
    assert recover(pl.DataFrame(GOOD).clear(), "CIBMTR_ANC").height == 0
