"""The engine that grades: against a plain reference that tries every completion of a record."""

import itertools
import time

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stromal.core import UsageError
from stromal.endpoints.grading import grade
from stromal.protocol.grading import Grading

WORDS = ["low", "mid", "high"]
NUMBERS = [0.0, 1.0, 2.0, 3.0]
ITEMS = {
    "w": {"label": "w", "words": WORDS},
    "v": {"label": "v", "words": WORDS},
    "x": {"label": "x", "unit": "1"},
    "y": {"label": "y", "unit": "1"},
}
DOMAIN = {"w": WORDS, "v": WORDS, "x": NUMBERS, "y": NUMBERS, "seen": ["0", "1", "2"]}


# --- the reference: one complete record, True, False or None (undefined) ----------------------


def holds(condition, values):
    if "not" in condition:
        part = holds(condition["not"], values)
        return None if part is None else not part
    for key in ("all", "any", "of"):
        if key in condition:
            parts = [holds(part, values) for part in condition[key]]
            needed = {"all": len(parts), "any": 1}.get(key) or condition["at_least"]
            sure = sum(part is True for part in parts)
            if sure >= needed:
                return True
            return None if sure + sum(part is None for part in parts) >= needed else False
    value = values[condition["item"]]
    if value is None:
        return None
    if "is" in condition:
        return value in condition["is"]
    value = float(value)
    return all(
        {
            "at_least": lambda b: value >= b,
            "above": lambda b: value > b,
            "at_most": lambda b: value <= b,
            "below": lambda b: value < b,
        }[key](condition[key])
        for key in ("at_least", "above", "at_most", "below")
        if key in condition
    )


def value_of(step, values):
    for case in step["cases"]:
        met = True if case["when"] == "otherwise" else holds(case["when"], values)
        if met is None:
            return None
        if met:
            return case["value"]
    return None


def result(grading, record):
    values = dict(record)
    if "total" in grading["numbers"]:
        values["total"] = record["x"] + record["y"]
        values["most"] = max(record["x"], record["y"])
    for name, step in grading["steps"].items():
        if "cases" in step:
            values[name] = value_of(step, values)
    return values[grading["result"]]


def completions(record):
    unknown = [name for name, value in record.items() if value is None]
    for chosen in itertools.product(*(DOMAIN[name] for name in unknown)):
        yield {**record, **dict(zip(unknown, chosen, strict=True))}


# --- random gradings -------------------------------------------------------------------------


def leaves(names, steps):
    kinds = [
        st.builds(lambda n, w: {"item": n, "is": w}, st.sampled_from(["w", "v"]),
                  st.lists(st.sampled_from(WORDS), min_size=1, max_size=2, unique=True)),
        st.builds(lambda n, k, b: {"item": n, k: b}, st.sampled_from(names),
                  st.sampled_from(["at_least", "above", "at_most", "below"]), st.integers(0, 4)),
        st.builds(lambda n, b: {"item": n, "at_least": b, "below": b + 2}, st.sampled_from(names),
                  st.integers(0, 3)),
    ]  # fmt: skip
    if steps:
        kinds.append(
            st.builds(lambda n, w: {"item": n, "is": w}, st.sampled_from(steps),
                      st.lists(st.sampled_from(["0", "1", "2"]), min_size=1, max_size=2,
                               unique=True))
        )  # fmt: skip
    return st.one_of(kinds)


def conditions(names, steps):
    def join(parts):
        some = st.lists(parts, min_size=1, max_size=3)
        return st.one_of(
            st.builds(lambda p: {"all": p}, some),
            st.builds(lambda p: {"any": p}, some),
            st.builds(lambda p: {"not": p}, parts),
            st.builds(lambda p, k: {"of": p, "at_least": min(k, len(p))}, some, st.integers(1, 3)),
        )

    return st.recursive(leaves(names, steps), join, max_leaves=4)


@st.composite
def gradings(draw):
    steps = {"seen": {"label": "seen", "values": ["0", "1", "2"]}}
    numbers = {"total": {"sum": ["x", "y"]}, "most": {"highest": ["x", "y"]}}
    for name in ("first", "second", "last"):
        names = ["x", "y", "total", "most", *steps]
        cases = [
            {"value": value, "when": draw(conditions(names, list(steps)))}
            for value in draw(st.permutations(["0", "1", "2"]))
        ]
        if draw(st.booleans()):
            cases.append({"value": draw(st.sampled_from(["0", "1", "2"])), "when": "otherwise"})
        steps[name] = {"label": name, "cases": cases}
    return {
        "scale": "s", "items": ITEMS, "numbers": numbers, "steps": steps, "result": "last",
        "grades": ["0", "1", "2"],
    }  # fmt: skip


records = st.fixed_dictionaries(
    {name: st.one_of(st.none(), st.sampled_from(domain)) for name, domain in DOMAIN.items()}
)
SCHEMA = {"w": pl.String, "v": pl.String, "x": pl.Float64, "y": pl.Float64, "seen": pl.String}


@settings(max_examples=40, deadline=None)
@given(gradings(), st.lists(records, min_size=1, max_size=40))
def test_never_a_wrong_certainty(grading, rows):
    out = grade(pl.DataFrame(rows, schema=SCHEMA), Grading.model_validate(grading))
    for row, told in zip(rows, out.iter_rows(named=True), strict=True):
        could = {result(grading, record) for record in completions(row)}
        values = could - {None}
        assert values <= set(told["could_be"])
        if told["grade"] is not None:
            assert could == {told["grade"]}
            assert told["could_be"] == [told["grade"]]
            assert told["unknown"] == []
        if told["covered"]:
            assert None not in could
        if not told["could_be"]:
            assert could == {None}
        if len(could) > 1:
            assert told["grade"] is None
            assert told["unknown"]
            assert all(row[name] is None for name in told["unknown"])
        if None not in row.values():  # nothing is missing: exactly the reference
            assert told["grade"] == could.pop()
            assert (told["could_be"] == []) == (told["grade"] is None)


@settings(max_examples=20, deadline=None)
@given(gradings(), st.lists(records, min_size=1, max_size=4))
def test_what_decides_is_among_what_is_asked_for(grading, rows):
    model = Grading.model_validate(grading)
    out = grade(pl.DataFrame(rows, schema=SCHEMA), model)
    for row, told in zip(rows, out.iter_rows(named=True), strict=True):
        others = [n for n, v in row.items() if v is None and n not in told["unknown"]]
        if told["grade"] is not None or not others:
            continue
        # filling what is not asked for leaves what could be as it is
        filled = {**row, **{name: DOMAIN[name][0] for name in others}}
        again = grade(pl.DataFrame([filled], schema=SCHEMA), model).row(0, named=True)
        assert again["could_be"] == told["could_be"]


# --- steps of the docstring, by hand ---------------------------------------------------------

SMALL = {
    "scale": "s",
    "items": {
        "bilirubin": {"label": "bilirubin", "unit": "mg/dL"},
        "fev1": {"label": "FEV1", "unit": "%", "whole": True},
        "cause": {"label": "another cause", "words": ["yes", "no"], "unrecorded": "no"},
    },
    "steps": {
        "liver": {
            "label": "liver",
            "recorded": True,
            "cases": [
                {"value": "2", "when": {"item": "bilirubin", "above": "3 mg/dL"}},
                {"value": "1", "when": {"item": "bilirubin", "at_least": "2 mg/dL",
                                        "at_most": "2.9 mg/dL"}},
                {"value": "0", "when": {"item": "bilirubin", "below": "2 mg/dL"}},
            ],
        },
        "lung": {
            "label": "lung",
            "recorded": True,
            "cases": [
                {"value": "2", "when": {"item": "fev1", "at_most": "59 %"}},
                {"value": "1", "when": {"item": "fev1", "at_least": "60 %", "at_most": "79 %"}},
                {"value": "0", "when": {"item": "fev1", "at_least": "80 %"}},
            ],
        },
        "grade": {
            "label": "grade",
            "cases": [
                {"value": "none", "when": {"item": "cause", "is": ["yes"]}},
                {"value": "severe", "when": {"any": [{"item": "liver", "is": ["2"]},
                                                     {"item": "lung", "is": ["2"]}]}},
                {"value": "mild", "when": {"any": [{"item": "liver", "is": ["1"]},
                                                   {"item": "lung", "is": ["1"]}]}},
                {"value": "none", "when": "otherwise"},
            ],
        },
    },
    "result": "grade",
    "grades": ["none", "mild", "severe"],
}  # fmt: skip


def told(record, grading=SMALL):
    return grade(pl.DataFrame([record]), Grading.model_validate(grading)).row(0, named=True)


pytestmark = pytest.mark.by_hand


@pytest.mark.parametrize(
    ("record", "expected", "could_be", "unknown"),
    [
        ({"bilirubin": 1.0, "fev1": 90.0}, "none", ["none"], []),
        ({"bilirubin": 4.0}, "severe", ["severe"], []),  # whatever the lung
        ({"bilirubin": 2.0}, None, ["mild", "severe"], ["lung"]),
        ({"bilirubin": 2.95, "fev1": 90.0}, None, [], []),  # no case covers it
        ({"bilirubin": 2.95, "fev1": 50.0}, "severe", ["severe"], []),  # it does not matter
        ({"bilirubin": 2.95, "liver": "1", "fev1": 90.0}, "mild", ["mild"], []),  # people decide
        ({"bilirubin": 1.0, "fev1": 79.5}, "none", ["none"], []),  # rounded half up
        ({"bilirubin": 1.0, "fev1": 79.4}, "mild", ["mild"], []),
        ({"bilirubin": 1.0, "lung": "2"}, "severe", ["severe"], []),
        ({"cause": "yes"}, "none", ["none"], []),
        ({"x": 1}, None, ["none", "mild", "severe"], ["liver", "lung"]),
    ],
)
def test_decided_or_not(record, expected, could_be, unknown):
    row = told(record)
    assert (row["grade"], row["could_be"], row["unknown"]) == (expected, could_be, unknown)
    assert row["contradicts"] == []


def test_a_recorded_stage_that_the_items_rule_out_is_told_and_decides_nothing():
    row = told({"bilirubin": 1.0, "liver": "2", "fev1": 90.0})
    assert (row["grade"], row["could_be"]) == (None, ["none", "severe"])
    assert row["contradicts"] == ["liver"]
    row = told(
        {"bilirubin": 1.0, "liver": "2", "fev1": 50.0}
    )  # severe either way, told all the same
    assert (row["grade"], row["contradicts"]) == ("severe", ["liver"])


@pytest.mark.parametrize(
    ("low", "high", "expected", "could_be"),
    [
        (0.0, 1.9, "none", ["none"]),
        (3.5, None, "severe", ["severe"]),
        (0.0, 2.5, None, ["none", "mild"]),
    ],
)
def test_a_bound_decides_what_it_can(low, high, expected, could_be):
    frame = pl.DataFrame(
        {"bilirubin": [None], "bilirubin:low": [low], "bilirubin:high": [high], "fev1": [90.0]}
    )
    row = grade(frame, Grading.model_validate(SMALL)).row(0, named=True)
    assert (row["grade"], row["could_be"]) == (expected, could_be)


NUMBERED = {
    "scale": "s",
    "items": {
        "volume": {"label": "v", "unit": "mL/d"},
        "episodes": {"label": "e", "unit": "/d"},
        "weight": {"label": "w", "unit": "kg"},
        "limit": {"label": "l", "unit": "1"},
    },
    "numbers": {
        "estimate": {"product": ["episodes", 200]},
        "output": {"first_known": ["volume", "estimate"]},
        "per_kg": {"quotient": ["output", "weight"]},
        "least": {"lowest": ["volume", "estimate"]},
    },
    "steps": {
        "high": {
            "label": "high",
            "cases": [
                {"value": "yes", "when": {"item": "per_kg", "above": 20}},
                {"value": "no", "when": "otherwise"},
            ],
        },
        "multiple": {
            "label": "multiple",
            "cases": [
                {"value": "yes", "when": {"item": "least", "at_least": 3, "than": "limit"}},
                {"value": "no", "when": "otherwise"},
            ],
        },
        "both": {
            "label": "both",
            "cases": [
                {"value": "yes", "when": {"all": [{"item": "high", "is": ["yes"]},
                                                  {"item": "multiple", "is": ["yes"]}]}},
                {"value": "no", "when": "otherwise"},
            ],
        },
    },
    "result": "both",
    "grades": ["no", "yes"],
}  # fmt: skip


@pytest.mark.parametrize(
    ("record", "output", "high", "multiple"),
    [
        ({"episodes": 5, "weight": 40}, 1000, "yes", None),
        ({"episodes": 5, "weight": 50}, 1000, "no", None),  # 20 is not above 20
        ({"episodes": 5, "volume": 500, "weight": 40}, 500, "no", None),  # measured wins
        ({"episodes": 5, "volume": 500, "limit": 166}, 500, None, "yes"),  # 498
        ({"episodes": 5, "volume": 500, "limit": 167}, 500, None, "no"),  # 501
        ({"volume": 300, "limit": 101}, 300, None, "no"),  # the lowest is at most 300
        ({"volume": 300, "weight": 0}, 300, None, None),
    ],
)
def test_numbers(record, output, high, multiple):
    row = told({name: float(value) for name, value in record.items()}, NUMBERED)
    assert (row["output"], row["high"], row["multiple"]) == (output, high, multiple)


@pytest.mark.parametrize(
    ("column", "message"),
    [
        ({"bilirubin": "much"}, "`bilirubin` is a number in mg/dL; got 'much'"),
        ({"bilirubin": float("inf")}, "`bilirubin` is a number in mg/dL; got inf"),
        ({"cause": "perhaps"}, "`cause` is one of yes, no; got 'perhaps'"),
        ({"liver": "3"}, "`liver` is one of 2, 1, 0; got '3'"),
        ({"grade": "mild"}, "`grade` is derived and cannot be recorded"),
    ],
)
def test_what_the_definition_does_not_know_is_refused(column, message):
    with pytest.raises(UsageError) as error:
        told(column)
    assert message in str(error.value)


def test_not_a_number_is_unknown_and_no_rows_are_no_rows():
    assert told({"bilirubin": float("nan"), "fev1": 90.0})["grade"] is None
    empty = grade(pl.DataFrame({"bilirubin": []}), Grading.model_validate(SMALL))
    assert empty.height == 0
    assert {"grade", "could_be", "unknown", "covered", "contradicts"} <= set(empty.columns)


def test_a_circle_is_refused():
    circle = {
        **NUMBERED,
        "numbers": {**NUMBERED["numbers"], "score": {"sum": ["both_score", 1]}},
        "steps": {
            **NUMBERED["steps"],
            "both_score": {"label": "b", "cases": [
                {"value": "1", "when": {"item": "score", "above": 1}}]},
        },
    }  # fmt: skip
    with pytest.raises(ValueError, match="score, both_score build on each other in a circle"):
        told({"volume": 1.0}, circle)


def test_a_million_rows_take_seconds():
    n = 1_000_000
    frame = pl.select(
        bilirubin=pl.int_range(n) % 50 / 10,
        fev1=pl.when(pl.int_range(n) % 7 > 0).then(pl.int_range(n) % 101).cast(pl.Float64),
    )
    start = time.perf_counter()
    out = grade(frame, Grading.model_validate(SMALL))
    assert out.height == n
    assert time.perf_counter() - start < 20
