"""The day-by-day reasoning behind a derived row."""

import pytest

from stromal.core import UsageError
from stromal.endpoints import derive, explain
from support.derived import counts, study_of

ENDPOINTS = """\
  recovery:
    label: Platelet recovery
    recovery: {definition: CIBMTR_PLT_20}
    from: transplant
    competing: [death]
  fall:
    label: Fall
    cytopenia: {counts: [{analyte: PLT, below: 20 10*9/L}], lines: 1, run: 2,
                of: consecutive days, after: recovery}
    from: transplant
    competing: []
  response:
    label: Response
    response: {levels: {PR: {counts: [{analyte: PLT, at_least: 20 10*9/L}]}}, otherwise: NR}
    assessed: {from: transplant, at: 12 d, visit_window: [-1 d, 1 d], missing: no response,
               death: no response}
  reactions:
    label: Reactions
    event_count: {events: any, related_to: [msc]}
    from: transplant
  survival:
    label: Survival
    time_to_event: {definition: OS}
    from: transplant
    competing: []
  verdict:
    label: Verdict
    adjudicated: {levels: [CR, NR], criteria: As it says}
    from: transplant
    assessed: {from: transplant, at: 12 d, visit_window: [-1 d, 1 d], missing: no response,
               death: no response}
  gvhd: {label: GVHD, not_defined: The grades.}
"""
PLT = [60, 30, 12, 9, 15, 25, 30, None, 35, 40, 45, 50, 55, 60]


@pytest.fixture
def study(tmp_path):
    return study_of(
        tmp_path,
        ENDPOINTS,
        people=[
            {"transplanted_day": "", "transplanted_on": "2024-01-01"},
            {"transplanted_day": "", "transplanted_on": "2024-02-01"},
        ],
        measurements=[
            *counts(PLT, "PLT"),
            *counts([2.0], "ANC", first=7),
            *counts(PLT[::-1], "PLT", participant="P2"),
        ],
        transfusions=[{"day": 4, "product": "platelets"}],
        events=[
            {"record_id": "chills", "day": 3, "event": "chills", "grade": 1, "related_to": "msc"},
            {"record_id": "fever", "day": 5, "event": "fever"},
            {"record_id": "died", "day": 90, "event": "death"},
        ],
        adjudications=[
            {"record_id": "V1", "endpoint": "verdict", "level": "CR", "day": 12, "assessor": "A"}
        ],
    )


def days_of(explanation, *columns):
    return explanation.days.select(columns).rows()


def test_the_row_is_the_one_that_derive_gives(study):
    rows = derive(*study)
    for row in rows.iter_rows(named=True):
        assert explain(*study, row["participant_id"], row["endpoint"]).row == row


@pytest.mark.by_hand
def test_recovery_day_by_day(study):
    told = explain(*study, "P1", "recovery")
    assert (told.row["status"], told.row["day"]) == ("event", 11)
    assert days_of(told, "day", "seen", "verdict", "decided") == [
        (0, "PLT 60", "meets the rule", False),
        (1, "PLT 30", "meets the rule", False),
        (2, "PLT 12", "fails", False),
        (3, "PLT 9", "fails", False),
        (4, "PLT 15, platelets transfused on day 4", "fails", False),
        (5, "PLT 25, platelets transfused on day 4", "fails", False),
        (6, "PLT 30, platelets transfused on day 4", "fails", False),
        (7, "PLT not measured, platelets transfused on day 4", "fails", False),
        (8, "PLT 35, platelets transfused on day 4", "fails", False),
        (9, "PLT 40, platelets transfused on day 4", "fails", False),
        (10, "PLT 45, platelets transfused on day 4", "fails", False),
        (11, "PLT 50", "meets the rule", True),
        (12, "PLT 55", "meets the rule", True),
        (13, "PLT 60", "meets the rule", True),
    ]
    assert told.days["date"][11].isoformat() == "2024-01-12"
    assert told.sources
    assert "manual" in told.sources[0].text.lower()
    assert "nadir" in told.leaves_open


@pytest.mark.by_hand
def test_the_other_families(study):
    told = explain(*study, "P1", "response")
    assert days_of(told, "part", "day", "decided")[-2:] == [("PR", 12, True), ("PR", 13, False)]
    told = explain(*study, "P1", "reactions")
    assert days_of(told, "day", "seen", "decided") == [(3, "chills, grade 1", True)]
    told = explain(*study, "P1", "survival")
    assert days_of(told, "seen", "decided") == [
        ("chills, grade 1", False), ("fever", False), ("death", True),
    ]  # fmt: skip
    told = explain(*study, "P1", "verdict")
    assert days_of(told, "day", "seen", "decided") == [(12, "CR by A", True)]
    told = explain(*study, "P2", "verdict")
    assert told.days.is_empty()
    told = explain(*study, "P2", "fall")
    assert told.row["status"] == "not_applicable"  # no recovery after the nadir on day 10


COUNTED = """\
  infections:
    label: Infections
    event_count: {events: [infection], distinct_after: 14 d}
    from: transplant
  platelets:
    label: Days with platelets
    event_count: {transfused: platelets, per: 30 d}
    from: transplant
    until: 29 d
"""


@pytest.mark.by_hand
def test_what_a_count_merges_and_what_it_counts(tmp_path):
    study = study_of(
        tmp_path,
        COUNTED,
        events=[{"day": day, "event": "infection"} for day in (3, 12, 40)],
        transfusions=[{"day": day, "product": "platelets"} for day in (5, 5, 9)],
    )
    told = explain(*study, "P1", "infections")
    assert days_of(told, "day", "verdict", "decided") == [
        (3, "event", True), (12, "one with the one before", False), (40, "event", True),
    ]  # fmt: skip
    assert told.row["count"] == 2
    told = explain(*study, "P1", "platelets")
    assert set(days_of(told, "day", "seen")) == {
        (5, "platelets transfused"), (9, "platelets transfused"),
    }  # fmt: skip
    assert told.row["count"] == 2


@pytest.mark.parametrize(
    ("participant", "endpoint", "message"),
    [
        ("P3", "recovery", "`P3` is no participant of this study; there are: P1, P2"),
        ("P1", "recovry", "`recovry` is no endpoint of this study; did you mean `recovery`"),
        ("P1", "zzz", "there are: recovery, fall"),
        ("P1", "gvhd", "gvhd: .*Nothing can be derived"),
    ],
)
def test_what_is_not_there(study, participant, endpoint, message):
    with pytest.raises(UsageError, match=message):
        explain(*study, participant, endpoint)
