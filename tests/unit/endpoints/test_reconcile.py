import pytest

from stromal.core import RecordError
from stromal.endpoints.derive import derive_all
from stromal.endpoints.reconcile import RECONCILED_COLUMNS, reconcile
from stromal.protocol import read_protocol
from stromal.records import read_records
from support.study_folder import PROTOCOL, make_study

pytestmark = pytest.mark.by_hand
RESPONSE = """\
  platelet_response:
    label: Platelet response
    response:
      levels:
        CR: {counts: [{analyte: PLT, at_least: 100 10*9/L}]}
        PR: {counts: [{analyte: PLT, at_least: 20 10*9/L}]}
      otherwise: NR
    assessed: {from: enrolment, at: 28 d, visit_window: [-3 d, 3 d], missing: no response, death: no response}
analysis_sets:
"""  # noqa: E501 (one line of YAML)


def reconciled(folder, adjudications, **tables):
    text = PROTOCOL.replace("analysis_sets:\n", RESPONSE)
    tables = {"adjudications": adjudications, **tables}
    filled = {name: rows for name, rows in tables.items() if rows}
    study = make_study(folder, protocol_text=text, **filled)
    protocol = read_protocol(study)
    return reconcile(derive_all(protocol, read_records(study, protocol)))


def people(*rows):
    return [
        {
            "participant_id": f"P{i}", "transplanted_day": 0, "enrolled_day": 30,
            "last_contact_day": 100, **row,
        }
        for i, row in enumerate(rows, start=1)
    ]  # fmt: skip


def counts(analyte, participant, **by_day):
    return [
        {
            "participant_id": participant, "day": int(day[1:]), "analyte": analyte, "value": value,
            "unit": "10*9/L",
        }
        for day, value in by_day.items()
    ]  # fmt: skip


def verdict(participant, endpoint, **row):
    return {"participant_id": participant, "endpoint": endpoint, **row}


ANC = counts("ANC", "P1", d10=0.1, d15=0.6, d16=0.6, d17=0.6)


def test_an_event_within_the_bounds_agrees(tmp_path):
    # failing on day 10, qualifying on 15 to 17: the run may have begun on days 11 to 15
    days = {"A": 15, "B": 11, "C": 10, "D": 16}
    rows = [
        verdict("P1", "neutrophil_recovery", status="event", day=day, assessor=who, masked="yes",
                basis="chart")
        for who, day in days.items()
    ]  # fmt: skip
    found = reconciled(tmp_path, rows, participants=people({}), measurements=ANC)
    assert found.schema == RECONCILED_COLUMNS
    assert found.select("derived", "derived_day", "day_low", "day_high").unique().rows() == [
        ("event", 15, 11, 15)
    ]
    assert found.select("assessor", "adjudicated_day", "agree", "difference").rows() == [
        ("C", 10, False, "Adjudicated event on day 10, derived event on day 15."),
        ("B", 11, True, None),
        ("A", 15, True, None),
        ("D", 16, False, "Adjudicated event on day 16, derived event on day 15."),
    ]
    assert found["because"][0].to_list() == ["measurements:3", "measurements:4", "measurements:5"]
    assert set(found["masked"]) == {"yes"}
    assert set(found["basis"]) == {"chart"}


def test_another_status_differs(tmp_path):
    rows = [
        verdict("P1", "neutrophil_recovery", status="censored", day=17),
        verdict("P1", "overall_survival", status="censored", day=90),
        verdict("P2", "overall_survival", status="event", day=50),
        verdict("P3", "overall_survival", status="event", day=51),
        verdict("P3", "overall_survival", status="event"),
        verdict("P3", "overall_survival", status="not_evaluable"),
    ]
    deaths = [{"participant_id": "P3", "day": 50, "event": "death"}]
    found = reconciled(
        tmp_path, rows, participants=people({}, {}, {}), measurements=ANC, events=deaths
    )
    assert found.select("participant_id", "endpoint", "agree", "difference").rows() == [
        ("P1", "neutrophil_recovery", False,
         "Adjudicated censored on day 17, derived event on day 15."),
        ("P1", "overall_survival", True, None),  # days of censoring may differ
        ("P2", "overall_survival", False,
         "Adjudicated event on day 50, derived censored on day 100."),
        ("P3", "overall_survival", False, "Adjudicated event on day 51, derived event on day 50."),
        ("P3", "overall_survival", None,
         "Both event, but the adjudication gives no day; derived event on day 50."),
        ("P3", "overall_survival", False,
         "Adjudicated not_evaluable, derived event on day 50."),
    ]  # fmt: skip


def test_competing_events_are_compared_by_their_day(tmp_path):
    rows = [verdict("P1", "neutrophil_recovery", status="competing", day=day) for day in (20, 21)]
    deaths = [{"participant_id": "P1", "day": 20, "event": "death"}]
    low = counts("ANC", "P1", d9=0.2, d10=0.1, d11=0.1)
    found = reconciled(tmp_path, rows, participants=people({}), measurements=low, events=deaths)
    assert found["derived"].to_list() == ["competing", "competing"]
    assert found["agree"].to_list() == [True, False]


def test_levels_are_compared_without_their_days(tmp_path):
    rows = [
        verdict("P1", "platelet_response", level="PR", day=57, assessor="A"),
        verdict("P1", "platelet_response", level="CR", day=58, assessor="B"),
        verdict("P2", "platelet_response", level="NR"),
        verdict("P3", "platelet_response", status="not_evaluable", day=58),
    ]
    platelets = [
        *counts("PLT", "P1", d58=40), *counts("PLT", "P2", d58=10), *counts("PLT", "P3", d58=120),
    ]  # fmt: skip
    found = reconciled(
        tmp_path, rows, participants=people({}, {}, {}, {}), measurements=platelets
    )  # fmt: skip
    assert found.select("participant_id", "derived", "adjudicated", "agree").rows() == [
        ("P1", "PR", "PR", True),
        ("P1", "PR", "CR", False),
        ("P2", "NR", "NR", True),
        ("P3", "CR", None, None),
    ]
    # enrolment is on day 30: days count from there
    assert found["adjudicated_day"].to_list() == [27, 28, None, 28]
    assert found["difference"].to_list() == [
        None,
        "Adjudicated CR on day 28, derived PR on day 28.",
        None,
        "The adjudication gives no level; derived CR on day 28.",
    ]


def test_grades_are_compared(tmp_path):
    text = PROTOCOL.replace(
        "analysis_sets:\n",
        "  agvhd: {label: GVHD, graded: {definition: MAGIC_2016}, from: transplant}\n"
        "analysis_sets:\n",
    )
    stages = [
        {"participant_id": "P1", "day": 20, "scale": "agvhd", "item": item, "value": value}
        for item, value in (("skin", 3), ("liver", 0), ("upper_gi", 0), ("lower_gi", 0))
    ]
    rows = [verdict("P1", "agvhd", level="II", day=20), verdict("P1", "agvhd", level="III", day=20)]
    study = make_study(tmp_path, protocol_text=text, participants=people({}), assessments=stages,
                       adjudications=rows)  # fmt: skip
    protocol = read_protocol(study)
    found = reconcile(derive_all(protocol, read_records(study, protocol)))
    assert found.select("derived", "adjudicated", "agree").rows() == [
        ("II", "II", True),
        ("II", "III", False),
    ]


@pytest.mark.parametrize(
    ("word", "said"),
    [({"level": "5"}, "`5` is no level of `agvhd`"), ({"status": "event"}, "`agvhd` has levels")],
)
def test_a_verdict_that_is_no_grade_is_refused(tmp_path, word, said):
    text = PROTOCOL.replace(
        "analysis_sets:\n",
        "  agvhd: {label: GVHD, graded: {definition: MAGIC_2016}, from: transplant}\n"
        "analysis_sets:\n",
    )
    study = make_study(tmp_path, protocol_text=text, participants=people({}),
                       adjudications=[verdict("P1", "agvhd", day=20, **word)])  # fmt: skip
    with pytest.raises(RecordError, match=said):
        read_records(study, read_protocol(study))


def test_without_the_anchor_days_cannot_be_compared(tmp_path):
    rows = [verdict("P1", "platelet_response", level="PR", day=57)]
    found = reconciled(tmp_path, rows, participants=people({"enrolled_day": ""}))
    row = found.row(0, named=True)
    assert (row["derived"], row["adjudicated_day"], row["agree"]) == ("not_applicable", None, False)
    assert row["difference"] == "Adjudicated PR, derived not_applicable."


def test_an_endpoint_that_is_adjudicated_has_nothing_to_compare(tmp_path):
    rows = [verdict("P1", "response", level="PR", day=58)]
    infused = [{"participant_id": "P1", "product": "msc", "number": 1, "day": 30}]
    found = reconciled(tmp_path, rows, participants=people({}), infusions=infused)
    assert found.height == 0
    assert found.schema == RECONCILED_COLUMNS
