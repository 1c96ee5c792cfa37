"""One recovery under every definition: by hand, and against the endpoints derived alone."""

import polars as pl
import pytest

from stromal.core import UsageError
from stromal.endpoints import derive_all
from stromal.endpoints.multiverse import OWN, derive_every, rival_definitions, summarize_every
from stromal.protocol import read_protocol
from stromal.records import read_records
from support.study_folder import make_study

NEUTROPHILS = """\
stromal: 1
study: {id: rivals, title: Rivals, conditions: [neutropenia], phase: not stated}
design: {kind: single arm, masking: open label, enrolment: 3, basis_of_size: not stated,
         monitoring: {committee: not stated, grading: not stated}, stopping: not stated}
day_zero: transplant
anchors: {transplant: {participant: transplanted}}
population: {judged_at: transplant, inclusion: [{id: all, text: Everyone, narrative: true}]}
arms: {all: {label: All, role: control}}
draws: not stated
endpoints:
  anc: {label: ANC, recovery: RULE, from: transplant, competing: [death]}
  os: {label: OS, time_to_event: {definition: OS}, from: transplant, competing: []}
analysis_sets: {all: {label: All}}
sharing: {individual_data: not stated}
"""
LIBRARY = "{definition: CIBMTR_ANC}"
SPELLED = (
    "{analyte: ANC, at_least: 0.5 10*9/L, run: 2, of: consecutive days, "
    "after: {nadir_within: 28 d}}"
)


def context_of(folder, rule, histories):
    """Derive a small study: counts by participant and day."""
    rows = [
        {"participant_id": who, "day": day, "analyte": "ANC", "value": value, "unit": "10*9/L"}
        for who, counts in histories.items()
        for day, value in counts.items()
    ]
    people = [
        {"participant_id": who, "arm": "all", "transplanted_day": 0, "last_contact_day": 60,
         "complete_until_day": 60}
        for who in histories
    ]  # fmt: skip
    study = make_study(
        folder, protocol_text=NEUTROPHILS.replace("RULE", rule), participants=people,
        measurements=rows,
    )  # fmt: skip
    protocol = read_protocol(study)
    return derive_all(protocol, read_records(study, protocol))


# daily counts with exactly 0.5 first; draws on days 0, 2, 4, ...; never recovered
HISTORIES = {
    "exact": dict(enumerate([2, 0.1, 0.2, 0.5, 0.6, 0.7, 0.8])),
    "sparse": {0: 2, 2: 0.1, 4: 0.2, 6: 0.6, 8: 0.7, 10: 0.9},
    "never": dict(enumerate([2, 0.1, 0.1, 0.2, 0.2, 0.1, 0.1])),
}


@pytest.mark.by_hand
def test_operator_and_run_move_the_day_and_the_status(tmp_path):
    rows = derive_every(context_of(tmp_path, LIBRARY, HISTORIES), "anc")
    told = {
        (row["definition"], row["participant_id"]): (row["status"], row["day"])
        for row in rows.iter_rows(named=True)
    }
    assert told["CIBMTR_ANC", "exact"] == ("event", 3)  # 0.5 on day 3 is at least 0.5
    assert told["NCT06171906_ANC", "exact"] == ("event", 4)  # and does not exceed it
    assert told["CIBMTR_ANC", "sparse"] == ("event", 6)
    assert told["ASTCT_2021_ANC", "sparse"] == ("not_evaluable", None)  # never two days in a row
    assert {told[name, "never"] for name in rows["definition"].unique()} == {("censored", 4)}


@pytest.mark.by_hand
def test_the_summary_counts_what_differs_from_the_own_definition(tmp_path):
    found = summarize_every(derive_every(context_of(tmp_path, LIBRARY, HISTORIES), "anc"))
    rows = {row["definition"]: row for row in found.iter_rows(named=True)}
    assert found["definition"][0] == "CIBMTR_ANC"
    own, other = rows["CIBMTR_ANC"], rows["NCT06171906_ANC"]
    assert (own["event"], own["censored"], own["median_day"]) == (2, 1, 4.5)
    assert (own["other_status"], own["other_day"]) == (0, 0)
    assert (other["event"], other["not_evaluable"], other["first_day"]) == (1, 1, 4)
    assert (other["other_status"], other["other_day"]) == (1, 1)


def test_the_own_definition_gives_the_rows_of_the_endpoint(tmp_path):
    context = context_of(tmp_path, LIBRARY, HISTORIES)
    rows = derive_every(context, "anc").filter(pl.col("definition") == "CIBMTR_ANC")
    assert rows.equals(context.derived["anc"])


def test_a_rule_that_no_definition_says_stands_first_by_itself(tmp_path):
    context = context_of(tmp_path, SPELLED, HISTORIES)
    names = list(rival_definitions(context.protocol.endpoints["anc"]))
    assert names[0] == OWN
    assert sorted(names[1:]) == ["ASTCT_2021_ANC", "CIBMTR_ANC", "NCT06171906_ANC"]


def test_rivals_share_analyte_and_threshold(tmp_path):
    context = context_of(tmp_path, "{definition: CIBMTR_PLT_50}", {"one": {0: 1.0}})
    assert list(rival_definitions(context.protocol.endpoints["anc"])) == ["CIBMTR_PLT_50"]


@pytest.mark.parametrize("endpoint", ["os", "nothing"])
def test_only_recoveries_have_rivals(tmp_path, endpoint):
    with pytest.raises(UsageError, match="there are: anc"):
        derive_every(context_of(tmp_path, LIBRARY, HISTORIES), endpoint)


@pytest.mark.by_hand
def test_a_rule_of_one_value_also_waits_for_the_nadir(tmp_path):
    # the counts of the CIBMTR manual's first platelet example, read as neutrophils times 0.025:
    # one low count, three high ones, then the fall whose last lowest count is on day 4
    counts = [c * 0.025 for c in (10, 35, 30, 25, 10, 15, 19, 23, 25, 40, 50)]
    rule = (
        "{analyte: ANC, at_least: 0.5 10*9/L, run: 1, of: values on different days, "
        "largest_gap: none, after: {nadir_within: 28 d}}"
    )
    rows = derive_every(context_of(tmp_path, rule, {"one": dict(enumerate(counts))}), "anc")
    assert rows.filter(pl.col("definition") == OWN)["day"].to_list() == [7]
