import pytest

from stromal.core import UsageError
from stromal.endpoints.analysis_sets import analysis_set
from stromal.endpoints.context import Context
from stromal.protocol import read_protocol
from stromal.records import read_records
from support.study_folder import PROTOCOL, make_study

pytestmark = pytest.mark.by_hand
ALL = "  all: {label: Everyone}\n"


def chosen(folder, conditions, participants, **tables):
    text = PROTOCOL.replace(ALL, f"{ALL}  it: {{label: It, {conditions}}}\n")
    tables = {**tables, "participants": participants}
    filled = {name: rows for name, rows in tables.items() if rows}
    study = make_study(folder, protocol_text=text, **filled)
    protocol = read_protocol(study)
    members, excluded = analysis_set(Context(protocol, read_records(study, protocol)), "it")
    assert members.columns == ["participant_id"]
    assert excluded.columns == ["participant_id", "reason"]
    return members["participant_id"].to_list(), dict(excluded.iter_rows())


def people(*rows):
    return [
        {"participant_id": f"P{i}", "transplanted_day": 0, "enrolled_day": 30, **row}
        for i, row in enumerate(rows, start=1)
    ]


def infusion(participant, product="msc", number=1, **row):
    return {
        "participant_id": participant, "day": 31, "product": product, "number": number, **row,
    }  # fmt: skip


def test_without_a_condition_everyone_is_a_member(tmp_path):
    study = make_study(tmp_path, participants=people({}, {"arm": "msc"}))
    protocol = read_protocol(study)
    members, excluded = analysis_set(Context(protocol, read_records(study, protocol)), "all")
    assert members["participant_id"].to_list() == ["P1", "P2"]
    assert excluded.height == 0


def test_arms(tmp_path):
    rows = people({"arm": "msc"}, {"arm": "control"}, {"arm": ""})
    assert chosen(tmp_path, "arms: [msc]", rows) == (
        ["P1"], {"P2": "arm is control", "P3": "arm not recorded"},
    )  # fmt: skip


def test_eligible_needs_the_verdict_of_screening(tmp_path):
    consent = [
        {"participant_id": p, "criterion": "consent", "value": "yes"} for p in ("P1", "P2", "P3")
    ]
    rows = people({"age": 30}, {"age": 70}, {}, {"age": 30})
    members, excluded = chosen(tmp_path, "eligible: true", rows, attestations=consent)
    assert members == ["P1"]
    assert excluded == {
        "P2": "not eligible: Not met: age (age 70).",
        "P3": "cannot say: Not known: age (age not recorded).",
        "P4": "cannot say: Not known: consent (nobody attested it).",
    }


def test_infused_needs_one_infusion_of_the_product(tmp_path):
    infusions = [
        infusion("P1"), infusion("P1", number=2), infusion("P2", completed="no"),
        infusion("P3", "placebo"),
    ]  # fmt: skip
    found = chosen(tmp_path, "infused: msc", people({}, {}, {}, {}), infusions=infusions)
    assert found == (
        ["P1", "P2"],
        {"P3": "no infusion of msc given", "P4": "no infusion of msc given"},
    )


def test_a_randomised_placebo_arm_has_its_own_infusions(tmp_path):
    rows = people({"arm": "msc"}, {"arm": "control"})
    infusions = [infusion("P1"), infusion("P2", "placebo")]
    found = chosen(tmp_path, "infused: placebo, arms: [control]", rows, infusions=infusions)
    assert found == (["P2"], {"P1": "arm is msc; no infusion of placebo given"})


def test_has_needs_the_anchor(tmp_path):
    rows = people({}, {"enrolled_day": ""})
    assert chosen(tmp_path, "has: enrolment", rows) == (
        ["P1"], {"P2": "enrolment did not happen or is not recorded"},
    )  # fmt: skip


def test_where_compares_words_and_numbers(tmp_path):
    rows = people(
        {"sex": "female", "age": 40, "remission": "CR1"},
        {"sex": "male", "age": 40, "remission": "CR1"},
        {"sex": "female", "age": 41, "remission": ""},
    )
    assert chosen(tmp_path / "a", "where: {sex: [female], remission: [CR1, CR2]}", rows) == (
        ["P1"], {"P2": "sex is male", "P3": "remission not recorded"},
    )  # fmt: skip
    assert chosen(tmp_path / "b", "where: {age: ['40']}", rows) == (
        ["P1", "P2"], {"P3": "age is 41"},
    )  # fmt: skip


def test_a_column_that_nobody_recorded_leaves_everyone_out(tmp_path):
    found = chosen(tmp_path, "where: {stage: [early]}", people({}, {}))
    assert found == ([], {"P1": "stage not recorded", "P2": "stage not recorded"})


def test_a_study_without_participants_has_empty_sets(tmp_path):
    found = chosen(tmp_path, "arms: [msc], eligible: true, where: {stage: [early]}", [])
    assert found == ([], {})


def test_a_set_that_the_protocol_does_not_have_is_refused(tmp_path):
    study = make_study(tmp_path)
    protocol = read_protocol(study)
    context = Context(protocol, read_records(study, protocol))
    with pytest.raises(UsageError, match="no analysis set `infused`; it has all"):
        analysis_set(context, "infused")
