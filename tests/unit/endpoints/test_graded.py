"""Graded endpoints, step by step, on records worked out on paper."""

import polars as pl
import pytest

from stromal.core import RecordError
from stromal.endpoints.explain import explain
from stromal.endpoints.graded import graded_days
from stromal.endpoints.status_by import status_by
from support.derived import context_of, row_of, rows_of, study_of

pytestmark = pytest.mark.by_hand


def endpoint(definition="MAGIC_2016", more="", anchor="transplant"):
    return (
        f"  agvhd:\n    label: Acute GVHD\n    graded: {{definition: {definition}}}\n"
        f"    from: {anchor}\n{more}"
    )


def assessed(day, participant="P1", scale="agvhd", **items):
    return [
        {"record_id": f"{participant}-{item}{day}", "participant_id": participant, "day": day,
         "scale": scale, "item": item, "value": str(value)}
        for item, value in items.items()
    ]  # fmt: skip


def stages(day, skin, liver, upper_gi, lower_gi, **more):
    return assessed(
        day, skin=skin, liver=liver, upper_gi=upper_gi, lower_gi=lower_gi, **more
    )  # fmt: skip


def told(row, *names):
    return tuple(row[name] for name in names)


def test_the_worst_of_the_days_and_its_first_day(tmp_path):
    rows = [
        *stages(10, 1, 0, 0, 0), *stages(20, 2, 2, 0, 0), *stages(30, 0, 3, 0, 0),
        *stages(40, 0, 0, 0, 0),
    ]  # fmt: skip
    row = row_of(tmp_path, endpoint(), assessments=rows)
    assert told(row, "status", "day", "day_low", "cause") == ("III", 20, 20, None)
    assert set(row["because"]) == {"P1-skin20", "P1-liver20", "P1-upper_gi20", "P1-lower_gi20"}
    assert row["note"] == "Grade III, first on day 20, the worst of 4 days of assessment."
    assert row["definition"] == "MAGIC_2016"


def test_a_day_that_could_be_worse_leaves_it_open(tmp_path):
    rows = [*stages(10, 3, 0, 0, 0), *assessed(20, skin=1, liver=1, upper_gi=0)]
    row = row_of(tmp_path, endpoint(), assessments=rows)
    assert told(row, "status", "day", "cause") == ("not_evaluable", None, "grade II or III or IV")
    assert row["note"] == ("Grade II or III or IV, not decided on day 20 (not recorded: lower gi).")


def test_a_day_that_could_only_be_milder_does_not(tmp_path):
    rows = [*stages(10, 0, 2, 0, 0), *assessed(5, skin=3, liver=0, upper_gi=0, lower_gi=1)]
    rows += assessed(20, skin=1, liver=1, lower_gi=0)  # upper GI unknown: II either way
    rows += assessed(30, skin=1, liver=0, lower_gi=0)  # I or II
    row = row_of(tmp_path, endpoint(), assessments=rows)
    assert told(row, "status", "day") == ("III", 10)


def test_open_days_that_agree_at_the_worst_grade(tmp_path):
    rows = [*assessed(10, skin=3, liver=3, upper_gi=0), *stages(20, 4, 0, 0, 0)]
    row = row_of(tmp_path, endpoint(), assessments=rows)
    assert told(row, "status", "day", "day_low") == ("IV", 20, 10)  # day 10 could have been IV


def test_no_assessment_no_anchor_and_until(tmp_path):
    rows = rows_of(
        tmp_path,
        endpoint(more="    until: 15 d\n"),
        people=[{}, {"transplanted_day": None}, {}],
        assessments=[
            *assessed(16, skin=1), *assessed(3, "P2", skin=1), *assessed(-1, "P3", skin=1),
        ],
    )  # fmt: skip
    assert rows["status"].to_list() == ["not_evaluable", "not_applicable", "not_evaluable"]
    assert rows["cause"].to_list() == ["no assessment", "anchor did not happen", "no assessment"]


@pytest.mark.parametrize(
    ("within", "status"), [("", "not_evaluable"), ("    within: 2 d\n", "II"),
                           ("    within: 1 d\n", "not_evaluable")],
)  # fmt: skip
def test_items_within_so_many_days_are_one_assessment(tmp_path, within, status):
    rows = [*assessed(8, skin=3, upper_gi=0), *assessed(10, liver=0, lower_gi=0)]
    row = row_of(tmp_path, endpoint(more=within), assessments=rows)
    assert row["status"] == status
    if status == "II":
        assert told(row, "day", "because") == (
            10,
            ["P1-skin8", "P1-liver10", "P1-upper_gi8", "P1-lower_gi10"],
        )


def test_a_later_value_wins_and_an_older_one_is_forgotten(tmp_path):
    rows = [*stages(8, 3, 0, 0, 0), *assessed(10, skin=1), *assessed(12, skin=2)]
    context = context_of(tmp_path, endpoint(more="    within: 2 d\n"), assessments=rows)
    days = graded_days(context, context.protocol.endpoints["agvhd"])
    assert days["day"].to_list() == [8, 10, 12]  # each has a skin stage of its own
    assert days["grade"].to_list() == ["II", "I", None]
    assert days["could_be"].to_list()[2] == ["I", "II", "III", "IV"]
    assert days["unknown"].to_list()[2] == ["liver", "upper_gi", "lower_gi"]
    assert set(days["records"].to_list()[1]) == {
        "P1-skin10", "P1-liver8", "P1-upper_gi8", "P1-lower_gi8",
    }  # fmt: skip


CLEAR = {"upper_gi": 0, "lower_gi": 0, "skin": 0}


@pytest.mark.parametrize(
    ("value", "status"),
    [
        ("1.9 mg/dL", "0"), ("2 mg/dL", "II"), ("3.05 mg/dL", "III"), ("34.2 umol/L", "II"),
        ("51.3 umol/L", "II"), ("52 umol/L", "III"), ("0.03 g/L", "II"), ("<2 mg/dL", "0"),
        (">15 mg/dL", "IV"), ("<3 mg/dL", "not_evaluable"), ("15mg/dL", "III"),
    ],
)  # fmt: skip
def test_numbers_with_units_and_bounds(tmp_path, value, status):
    row = row_of(tmp_path, endpoint(), assessments=assessed(5, bilirubin=value, **CLEAR))
    assert row["status"] == status


@pytest.mark.parametrize(
    ("items", "message"),
    [
        ({"bilirubin": "2.5"}, "bilirubin is '2.5'; expected a number in mg/dL, umol/L. Write"),
        ({"bilirubin": "2.5 mmHg"}, "bilirubin is '2.5 mmHg'"),
        ({"bilirubin": "high"}, "bilirubin is 'high'"),
        ({"bullae": "maybe"}, "bullae is 'maybe'; expected one of yes, no"),
        ({"skin": "5"}, "skin is '5'; expected one of 4, 3, 2, 1, 0"),
        ({"lowergi": "1"}, "Did you mean `lower_gi`?"),
        ({"skin_bsa": "150 %"}, "skin_bsa is '150 %'; expected 0 to 100 %. Correct the value or"),
        ({"skin_bsa": "-1 %"}, "skin_bsa is '-1 %'; expected 0 to 100 %"),
        ({"skin_bsa": ">100 %"}, "skin_bsa is '>100 %'; expected 0 to 100 %"),
        ({"skin_bsa": "<0 %"}, "skin_bsa is '<0 %'; expected 0 to 100 %"),
        ({"bilirubin": "1711 umol/L"}, "expected 0 to 100 mg/dL"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_refused_with_its_record(tmp_path, items, message):
    with pytest.raises(RecordError) as error:
        row_of(tmp_path, endpoint(), assessments=assessed(5, **items))
    assert message in str(error.value)
    assert f"record P1-{next(iter(items))}5" in str(error.value)


def test_all_faults_are_told_at_once(tmp_path):
    with pytest.raises(RecordError) as error:
        row_of(tmp_path, endpoint(), assessments=assessed(5, bullae="x", bilirubin="y", skin=9))
    assert len(error.value.faults) == 3


def test_plain_numbers_items_of_others_and_other_scales(tmp_path):
    rows = assessed(5, skin_bsa=30, bullae="no", desquamation=0, liver=0, upper_gi=0)
    rows += assessed(5, stool_episodes="5", severe_abdominal_pain="no", bloody_stool="no")
    rows += assessed(5, remark="tired")  # no item of any definition
    rows += assessed(5, scale="cgvhd", skin=3)
    row = row_of(tmp_path, endpoint(), people={"weight_kg": 70}, assessments=rows)
    assert told(row, "status", "day") == ("III", 5)  # 1000 mL: lower GI stage 2


def test_two_values_of_a_day_that_differ_decide_nothing(tmp_path):
    rows = [*stages(5, 1, 0, 0, 0), {**stages(5, 3, 0, 0, 0)[0], "record_id": "other"}]
    row = row_of(tmp_path, endpoint(), assessments=rows)
    assert told(row, "status", "cause") == ("not_evaluable", "grade 0 or I or II or IV")
    assert "several values on one day: skin" in row["note"]
    same = [*stages(5, 1, 0, 0, 0), {**stages(5, 1, 0, 0, 0)[0], "record_id": "other"}]
    row = row_of(tmp_path / "same", endpoint(), assessments=same)
    assert row["status"] == "I"
    assert "other" in row["because"]


def test_a_contradicted_stage_is_told(tmp_path):
    rows = assessed(5, bilirubin="1 mg/dL", liver=3, **CLEAR)
    row = row_of(tmp_path, endpoint(), assessments=rows)
    assert told(row, "status", "cause") == ("not_evaluable", "grade 0 or III")
    assert "A recorded stage contradicts its items on day 5." in row["note"]
    rows += assessed(6, bilirubin="1 mg/dL", liver=3, skin=4)
    row = row_of(tmp_path / "four", endpoint(), assessments=rows)
    assert row["status"] == "IV"
    assert "A recorded stage contradicts its items on day 5, 6." in row["note"]


def test_a_weight_that_belongs_to_no_table(tmp_path):
    items = {"severe_abdominal_pain": "no", "bloody_stool": "no", "skin": 0, "liver": 0,
             "upper_gi": 0, "stool_episodes": 5}  # fmt: skip
    row = row_of(tmp_path, endpoint(), people={"weight_kg": 50}, assessments=assessed(5, **items))
    assert row["status"] == "not_evaluable"
    assert "no case of the definition covers what was recorded" in row["note"]
    rows = assessed(5, stool_table="adult", **items)
    row = row_of(tmp_path / "b", endpoint(), people={"weight_kg": 50}, assessments=rows)
    assert row["status"] == "III"


def test_counts_of_the_measurements(tmp_path):
    text = """\
  agvhd:
    label: Low counts
    graded:
      scale: counts
      items: {anc: {label: ANC, unit: /uL, analyte: ANC}}
      steps:
        depth:
          label: Depth
          cases:
            - {value: deep, when: {item: anc, below: 100 /uL}}
            - {value: low, when: {item: anc, below: 500 /uL}}
            - {value: enough, when: otherwise}
      result: depth
      grades: [enough, low, deep]
    from: transplant
"""
    rows = [
        {"record_id": f"m{day}{value}", "day": day, "analyte": "ANC", "value": value,
         "unit": "10*9/L"}
        for day, value in [(1, "0.6"), (2, "0.5"), (2, "0.4"), (3, "<0.1"), (4, "<0.5")]
    ]  # fmt: skip
    context = context_of(tmp_path, text, measurements=rows)
    days = graded_days(context, context.protocol.endpoints["agvhd"])
    assert days["grade"].to_list() == ["enough", "low", "deep", None]
    assert days["could_be"].to_list()[3] == ["low", "deep"]
    assert context.derived["agvhd"]["status"].to_list() == ["deep"]


def test_explained_day_by_day(tmp_path):
    rows = [*assessed(5, bilirubin="4 mg/dL", skin=1), *stages(9, 1, 0, 0, 0)]
    protocol, records = study_of(tmp_path, endpoint(), assessments=rows)
    told_ = explain(protocol, records, "P1", "agvhd")
    assert told_.days["day"].to_list() == [5, 9]
    seen, verdict = told_.days["seen"].to_list(), told_.days["verdict"].to_list()
    assert seen[0] == "bilirubin 4.0; skin 1, liver 2"
    assert verdict == ["grade III or IV (not recorded: lower gi)", "grade I"]
    assert told_.definition.startswith("The worst grade (0, I, II, III, IV) by Acute GVHD, MAGIC")
    assert told_.sources
    assert told_.leaves_open


def test_the_status_that_held_by_an_anchor(tmp_path):
    rows = [*stages(10, 1, 0, 0, 0), *stages(120, 0, 4, 0, 0)]
    context = context_of(tmp_path, endpoint(), assessments=rows)
    assert status_by(context, "agvhd", "landmark")["status"].to_list() == ["I"]  # day 100
    assert status_by(context, "agvhd", None)["status"].to_list() == ["IV"]
    assert status_by(context, "agvhd", "transplant")["status"].to_list() == [None]


SEVERE = (
    endpoint()
    + """\
  severe:
    label: Time to grade III or IV
    time_to_event: {events: [{endpoint: agvhd, is: [III, IV]}, death]}
    from: FROM
    competing: [relapse]
"""
)


@pytest.mark.parametrize(
    ("anchor", "rows", "events", "expected"),
    [
        ("transplant", [*stages(10, 3, 0, 0, 0), *stages(20, 0, 2, 0, 0), *stages(30, 4, 0, 0, 0)],
         [], ("event", 20, None)),
        ("landmark", [*stages(20, 0, 2, 0, 0), *stages(130, 4, 0, 0, 0)], [], ("event", 30, None)),
        ("transplant", stages(10, 3, 0, 0, 0), [], ("censored", 200, None)),
        ("transplant", stages(20, 0, 2, 0, 0), [{"day": 15, "event": "relapse"}],
         ("competing", 15, None)),
        # not decided: may have been III on day 10
        ("transplant", assessed(10, skin=3, liver=0, upper_gi=0), [],
         ("not_evaluable", None, None)),
        ("transplant", assessed(10, skin=3, liver=0, upper_gi=0), [{"day": 50, "event": "death"}],
         ("event", 50, 10)),
        # died before anybody looked: the event may have come earlier
        ("transplant", [], [{"day": 9, "event": "death"}],
         ("event", 9, 0)),
        ("transplant", assessed(10, skin=3, liver=0, upper_gi=0), [{"day": 9, "event": "relapse"}],
         ("competing", 9, None)),
        ("transplant", assessed(10, skin=3, liver=0, upper_gi=0), [{"day": 19, "event": "relapse"}],
         ("not_evaluable", None, None)),
        # an upper GI stage that is missing changes nothing: II or less
        ("transplant", assessed(10, skin=1, liver=0, lower_gi=0), [], ("censored", 200, None)),
        ("transplant", [], [], ("not_evaluable", None, None)),  # nobody looked
    ],
)  # fmt: skip
def test_time_to_a_grade(tmp_path, anchor, rows, events, expected):
    text = SEVERE.replace("FROM", anchor)
    tables = {"assessments": rows, "events": events}
    context = context_of(tmp_path, text, **{name: part for name, part in tables.items() if part})
    row = context.derived["severe"].row(0, named=True)
    assert told(row, "status", "day", "day_low") == expected


def test_reordered_rows_change_nothing(tmp_path):
    rows = [*stages(10, 1, 0, 0, 0), *stages(20, 2, 2, 0, 0), *assessed(30, skin=1)]
    there = rows_of(tmp_path / "a", endpoint(), assessments=rows)
    back = rows_of(tmp_path / "b", endpoint(), assessments=rows[::-1])
    columns = pl.all().exclude("because")
    assert there.select(columns).equals(back.select(columns))


def test_a_weight_that_nobody_has_is_refused(tmp_path):
    with pytest.raises(RecordError, match="weight_kg: `7000` is out of range"):
        row_of(tmp_path, endpoint(), people={"weight_kg": 7000}, assessments=assessed(5, skin=1))
