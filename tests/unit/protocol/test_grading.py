"""Malformed gradings: what is said of them, and where."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from stromal.core import ProtocolError
from stromal.protocol import read_protocol
from stromal.protocol.grading import AllHold, Grading, Item, ItemCondition, Number, SomeHold, Step

CLEAN = (Path(__file__).resolve().parent / "data" / "clean.yaml").read_text(encoding="utf-8")
ITEMS = {
    "extent": {"label": "Extent", "unit": "%", "least": 0, "most": 100},
    "bullae": {"label": "Bullae", "words": ["yes", "no"]},
}
STAGE = {
    "label": "Stage",
    "cases": [
        {"value": "1", "when": {"item": "extent", "above": 0}},
        {"value": "0", "when": "otherwise"},
    ],
}
GOOD = {
    "scale": "skin", "items": ITEMS, "steps": {"stage": STAGE}, "result": "stage",
    "grades": ["0", "1"],
}  # fmt: skip


def refusal(model, content):
    with pytest.raises(ValidationError) as error:
        model.model_validate(content)
    (only,) = error.value.errors()
    return only["msg"].removeprefix("Value error, "), only["loc"]


def test_the_grading_that_the_others_are_made_of_is_sound():
    assert Grading.model_validate(GOOD).grades == ["0", "1"]


@pytest.mark.parametrize(
    ("item", "message"),
    [
        ({}, "an item is a number with its `unit`, or one of its `words`"),
        ({"unit": "%", "words": ["a"]}, "an item is a number with its `unit`, or one of its"),
        ({"words": ["a"], "whole": True}, "`most` go with a number"),
        ({"words": ["a"], "also": {"g": 2}}, "`most` go with a number"),
        ({"words": ["a"], "least": 0}, "`most` go with a number"),
        ({"words": ["a"], "most": 1}, "`most` go with a number"),
        ({"words": ["a"], "analyte": "ANC"}, "`most` go with a number"),
        ({"words": ["a"], "unrecorded": "b"}, "`unrecorded` is one of the item's `words`"),
        ({"unit": "%", "unrecorded": "b"}, "`unrecorded` is one of the item's `words`"),
        ({"unit": "%", "least": 5, "most": 5}, "`least: 5` is not below `most: 5`"),
        ({"unit": "%", "least": 6, "most": 5}, "`least: 6` is not below `most: 5`"),
        ({"unit": "kg", "variable": "weight_kg", "most": 9}, "have limits of their own"),
        ({"unit": "10*9/L", "analyte": "ANC", "least": 0}, "have limits of their own"),
    ],
)
def test_items(item, message):
    said, where = refusal(Item, {"label": "x", **item})
    assert message in said
    assert where == ()


@pytest.mark.parametrize("limit", [float("inf"), float("nan"), "few"])
def test_a_limit_is_a_number(limit):
    _, where = refusal(Item, {"label": "x", "unit": "%", "most": limit})
    assert where == ("most",)


@pytest.mark.parametrize(
    ("limits", "said"),
    [({}, ""), ({"least": 0}, "at least 0 %"), ({"most": 100}, "at most 100 %"),
     ({"least": 0.5, "most": 100}, "0.5 to 100 %")],
)  # fmt: skip
def test_limits_in_words(limits, said):
    assert Item.model_validate({"label": "x", "unit": "%", **limits}).limits == said
    plain = Item.model_validate({"label": "x", "unit": "1", **limits}).limits
    assert plain == said.removesuffix(" %")


@pytest.mark.parametrize(
    ("model", "content", "message"),
    [
        (Number, {}, "a number is one of `sum`, `product`"),
        (Number, {"sum": ["a"], "highest": ["a"]}, "a number is one of `sum`, `product`"),
        (ItemCondition, {"item": "a"}, "compare with `above`"),
        (ItemCondition, {"item": "a", "above": 1, "is": ["b"]}, "compare with `above`"),
        (ItemCondition, {"item": "a", "is": ["b"], "than": "c"}, "`than` goes with bounds"),
        (ItemCondition, {"item": "a", "above": 1, "at_least": 1}, "at most one lower and one"),
        (ItemCondition, {"item": "a", "below": 1, "at_most": 1}, "at most one lower and one"),
        (SomeHold, {"of": [{"item": "a", "above": 1}], "at_least": 2}, "2 of 1 can never be met"),
        (Step, {"label": "s"}, "a step has `cases`, or the `values` that people record"),
        (Step, {"label": "s", "values": ["1"], "cases": STAGE["cases"]}, "a step has `cases`, or"),
        (Step, {"label": "s", "cases": STAGE["cases"][::-1]}, "`otherwise` is the last case"),
    ],
)
def test_parts(model, content, message):
    said, where = refusal(model, content)
    assert message in said
    assert where == ()


KEYS = "a condition has exactly one of the keys item, all, any, of, not"


@pytest.mark.parametrize(
    ("parts", "message", "where"),
    [
        ([], "at least 1 item", ("all",)),
        ([{"above": 1}], KEYS, ("all", 0)),
        ([{"item": "a", "above": 1}, {"item": "a", "any": []}], KEYS, ("all", 1)),
        ([{"not": {"any": [{"at_least": 1}]}}], KEYS, ("all", 0, "not", "not", "any", "any", 0)),
    ],
)
def test_a_condition_has_one_key_and_says_where_it_stands(parts, message, where):
    said, place = refusal(AllHold, {"all": parts})
    assert message in said
    assert place == where


def case(**condition):
    """Give the good grading with one other condition."""
    cases = [{"value": "1", "when": condition}, STAGE["cases"][1]]
    return {"steps": {"stage": {"label": "Stage", "cases": cases}}}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"result": "grade"}, "`result: grade` is not one of the steps"),
        ({"numbers": {"extent": {"sum": ["extent", 1]}}}, "`extent` names two things"),
        ({"items": {**ITEMS, "unknown": ITEMS["bullae"]}}, "`unknown` is the name of a part"),
        ({"items": {**ITEMS, "grade": ITEMS["bullae"]}}, "`grade` is the name of a part"),
        ({"grades": ["0", "2"]}, "`grades` lists the values of `stage`: 0, 1"),
        ({"grades": ["0", "1", "2"]}, "`grades` lists the values of `stage`: 0, 1"),
        (case(item="extend", above=1), "`stage` uses `extend`, which is no item, number or step"),
        (case(item="extent", above=1, than="uln"), "`stage` uses `uln`, which is no item"),
        (case(item="bullae", above=1), "`stage` needs a number; `bullae` is one of yes, no"),
        (case(item="bullae", **{"is": ["maybe"]}), "compares `bullae` with 'maybe'; it is one of"),
        (case(item="extent", **{"is": ["yes"]}), "compares `extent` with 'yes'; it is a number"),
        (case(item="stage", **{"is": ["1"]}), "circle"),
        ({"numbers": {"n": {"sum": ["missing", 1]}}}, "`n` uses `missing`, which is no item"),
        ({"numbers": {"n": {"sum": ["bullae", 1]}}}, "`n` needs a number; `bullae` is one of"),
        ({"numbers": {"n": {"sum": ["m", 1]}, "m": {"sum": ["n", 1]}}}, "circle"),
    ],
)
def test_gradings(change, message):
    said, where = refusal(Grading, {**GOOD, **change})
    assert message in said
    assert where == ()


def test_whether_a_step_is_recorded_cannot_be_asked():
    first = {"label": "First", "values": ["0", "1"]}
    cases = [{"value": "1", "when": {"item": "first", "recorded": True}}, STAGE["cases"][1]]
    steps = {"first": first, "stage": {"label": "Stage", "cases": cases}}
    said, _ = refusal(Grading, {**GOOD, "steps": steps})
    assert said == "`stage` asks whether `first` is recorded; only items are"


# --- in a protocol ---------------------------------------------------------------------------

SPELT_OUT = """\
endpoints:
  skin:
    label: Skin
    graded:
      scale: skin
      items:
        extent: {label: Extent, unit: "%"}
      steps:
        stage:
          label: Stage
          cases:
            - {value: "1", when: {item: extent, above: 0 %}}
            - {value: "0", when: otherwise}
      result: stage
      grades: ["0", "1"]
    from: transplant
"""


@pytest.mark.parametrize(
    ("old", "new", "place", "message"),
    [
        ("result: stage", "result: stages", "graded", "`result: stages` is not one of the steps"),
        ('unit: "%"', 'unit: "%", least: 2, most: 1', "items.extent", "is not below `most: 1`"),
        ('unit: "%"', 'unit: "%", leest: 2', "items.extent`", "Did you mean `least`?"),
        ("item: extent,", "item: extend,", "graded", "`stage` uses `extend`, which is no item"),
        ("above: 0 %", "above: 0 %, at_least: 1 %", "cases.0.when", "at most one lower and one"),
        ("item: extent, above: 0 %", "above: 0 %", "cases.0.when", "exactly one of the keys"),
    ],
)
def test_a_fault_of_a_protocol_stands_with_its_place(tmp_path, old, new, place, message):
    text = CLEAN.replace("endpoints:\n", SPELT_OUT)
    file = tmp_path / "protocol.yaml"
    file.write_text(text, encoding="utf-8")
    assert read_protocol(file).endpoints["skin"].graded.result == "stage"  # sound without the edit
    file.write_text(text.replace(old, new), encoding="utf-8")
    with pytest.raises(ProtocolError) as error:
        read_protocol(file)
    (fault,) = error.value.faults
    assert message in str(fault)
    assert place in str(fault)
    line = next(i for i, line in enumerate(text.splitlines(), 1) if "graded:" in line)
    assert line <= fault.line <= line + 12
