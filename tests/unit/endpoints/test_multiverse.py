"""One outcome under every definition: by hand, and against the endpoints derived alone."""

from dataclasses import replace

import polars as pl
import pytest

from stromal.core import Source, UsageError
from stromal.endpoints import derive_all, rivals
from stromal.endpoints.multiverse import (
    OWN,
    derive_every,
    summarize_every,
    summarize_levels,
    who_differs,
)
from stromal.endpoints.rivals import rival_definitions
from stromal.protocol import read_protocol
from stromal.protocol.library import definitions
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
  count: {label: Events, event_count: {events: any}, from: transplant}
analysis_sets: {all: {label: All}}
sharing: {individual_data: not stated}
"""
LIBRARY = "{definition: CIBMTR_ANC}"
SPELLED = (
    "{analyte: ANC, at_least: 0.5 10*9/L, run: 2, of: consecutive days, "
    "after: {nadir_within: 28 d}}"
)
THREE = {"CIBMTR_ANC", "ASTCT_2021_ANC", "NCT06171906_ANC"}


def context_of(folder, rule, histories, *, text=NEUTROPHILS, **tables):
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
        folder, protocol_text=text.replace("RULE", rule), participants=people,
        measurements=rows, **tables,
    )  # fmt: skip
    protocol = read_protocol(study)
    return derive_all(protocol, read_records(study, protocol))


# daily counts with exactly 0.5 first; draws on days 0, 2, 4, ...; never recovered
HISTORIES = {
    "exact": dict(enumerate([2, 0.1, 0.2, 0.5, 0.6, 0.7, 0.8])),
    "sparse": {0: 2, 2: 0.1, 4: 0.2, 6: 0.6, 8: 0.7, 10: 0.9},
    "never": dict(enumerate([2, 0.1, 0.1, 0.2, 0.2, 0.1, 0.1])),
}


@pytest.fixture
def found(tmp_path):
    (multiverse,) = derive_every(context_of(tmp_path, LIBRARY, HISTORIES), "anc")
    return multiverse


@pytest.mark.by_hand
def test_operator_and_run_move_the_day_and_the_status(found):
    told = {
        (row["definition"], row["participant_id"]): (row["status"], row["day"])
        for row in found.rows.iter_rows(named=True)
    }
    assert told["CIBMTR_ANC", "exact"] == ("event", 3)  # 0.5 on day 3 is at least 0.5
    assert told["NCT06171906_ANC", "exact"] == ("event", 4)  # and does not exceed it
    assert told["CIBMTR_ANC", "sparse"] == ("event", 6)
    assert told["ASTCT_2021_ANC", "sparse"] == ("not_evaluable", None)  # never two days in a row
    assert {told[name, "never"] for name in THREE} == {("censored", 4)}


@pytest.mark.by_hand
def test_the_summary_counts_what_differs_from_the_own_definition(found):
    rows = {row["definition"]: row for row in summarize_every(found.rows).iter_rows(named=True)}
    assert found.own == found.reference == "CIBMTR_ANC"
    own, other = rows["CIBMTR_ANC"], rows["NCT06171906_ANC"]
    assert (own["event"], own["censored"], own["median_day"]) == (2, 1, 4.5)
    assert (own["other_status"], own["earlier"], own["later"]) == (0, 0, 0)
    assert own["largest_shift"] is None
    assert (other["event"], other["not_evaluable"], other["first_day"]) == (1, 1, 4)
    # sparse is no longer evaluable; exact moves from day 3 to day 4; never has no event
    assert (other["other_status"], other["earlier"], other["later"]) == (1, 0, 1)
    assert other["largest_shift"] == 1


@pytest.mark.by_hand
def test_the_largest_shift_keeps_its_sign():
    rows = pl.DataFrame(
        [("A", "one", 10), ("B", "one", 10), ("A", "other", 4), ("B", "other", 13)],
        schema=["participant_id", "definition", "day"], orient="row",
    ).with_columns(status=pl.lit("event"))  # fmt: skip
    other = summarize_every(rows).row(1, named=True)
    assert (other["earlier"], other["later"], other["largest_shift"]) == (1, 1, -6)


@pytest.mark.by_hand
def test_who_differs_has_another_status_or_day_of_an_event():
    rows = pl.DataFrame(
        [("A", "one", "event", 10), ("A", "other", "event", 11),
         ("B", "one", "event", 9), ("B", "other", "event", 9),
         ("C", "one", "censored", 58), ("C", "other", "censored", 60),  # the run is shorter
         ("D", "one", "event", 9), ("D", "other", "not_evaluable", None)],
        schema=["participant_id", "definition", "status", "day"], orient="row",
    )  # fmt: skip
    assert who_differs(rows)["participant_id"].to_list() == ["A", "D"]


@pytest.mark.by_hand
def test_levels_are_counted_against_the_own_levels():
    rows = pl.DataFrame(
        [("A", "one", "CR"), ("B", "one", "CR"), ("C", "one", "NR"),
         ("A", "other", "CR"), ("B", "other", "PR"), ("C", "other", "NR")],
        schema=["participant_id", "definition", "status"], orient="row",
    ).with_columns(day=pl.lit(None, pl.Int32))  # fmt: skip
    assert summarize_levels(rows).rows() == [
        ("one", "CR", "CR", 2),
        ("one", "NR", "NR", 1),
        ("other", "CR", "CR", 1),
        ("other", "CR", "PR", 1),
        ("other", "NR", "NR", 1),
    ]


def test_the_own_definition_gives_the_rows_of_the_endpoint(tmp_path):
    context = context_of(tmp_path, LIBRARY, HISTORIES)
    (multiverse,) = derive_every(context, "anc")
    rows = multiverse.rows.filter(pl.col("definition") == "CIBMTR_ANC")
    assert rows.equals(context.derived["anc"])


def test_every_rival_gives_the_rows_of_an_endpoint_that_names_it(tmp_path):
    (multiverse,) = derive_every(context_of(tmp_path / "own", LIBRARY, HISTORIES), "anc")
    for name in multiverse.derived():
        alone = context_of(tmp_path / name, f"{{definition: {name}}}", HISTORIES)
        mine = multiverse.rows.filter(pl.col("definition") == name)
        assert mine.equals(alone.derived["anc"]), name


def test_a_rule_that_no_definition_says_stands_first_by_itself(tmp_path):
    context = context_of(tmp_path, SPELLED, HISTORIES)
    names = [r.name for r in rival_definitions({"anc": context.protocol.endpoints["anc"]})]
    assert names[0] == OWN
    assert set(names[1:]) >= THREE


@pytest.mark.parametrize("rule", [LIBRARY, "{definition: CIBMTR_PLT_50}"])
def test_rivals_share_the_outcome(tmp_path, rule):
    context = context_of(tmp_path, rule, {"one": {0: 1.0}})
    found = rival_definitions({"anc": context.protocol.endpoints["anc"]})
    assert found[0].own
    assert not any(rival.own for rival in found[1:])
    assert len({rival.rule.outcome for rival in found}) == 1
    shared = found[0].rule.outcome
    library = {n for n, (_, content) in definitions().items() if content.get("outcome") == shared}
    assert {rival.name for rival in found} == library


def test_the_outcome_names_the_endpoints_that_have_it(tmp_path):
    other = (
        "  anc_days: {label: Days, recovery: {definition: ASTCT_2021_ANC}, from: transplant, "
        "competing: [death]}\n  alone: {label: No death, recovery: {definition: CIBMTR_ANC}, "
        "from: transplant, competing: []}\n"
    )
    text = NEUTROPHILS.replace("  count:", other + "  count:")
    context = context_of(tmp_path, LIBRARY, HISTORIES, text=text)
    first, second = derive_every(context, "neutrophil_recovery")
    assert (first.endpoint, second.endpoint) == ("anc", "alone")  # another frame is apart
    assert [rival.name for rival in first.rivals if rival.own] == ["CIBMTR_ANC", "ASTCT_2021_ANC"]
    assert first.reference == "CIBMTR_ANC"
    # nobody died: without competing events the days are the same
    assert first.rows["day"].to_list()[:3] == second.rows["day"].to_list()[:3]


def test_an_outcome_that_the_protocol_does_not_have_needs_an_anchor(tmp_path):
    context = context_of(tmp_path, LIBRARY, HISTORIES)
    with pytest.raises(UsageError, match="--from and one of its anchors: transplant"):
        derive_every(context, "overall_survival")
    with pytest.raises(UsageError, match="`moon` is no anchor of the protocol"):
        derive_every(context, "overall_survival", anchor="moon")
    (found,) = derive_every(context, "overall_survival", anchor="transplant")
    assert found.own is None
    assert found.reference == "OS"
    assert found.rows.filter(pl.col("definition") == "OS")["status"].to_list() == ["censored"] * 3
    with pytest.raises(UsageError, match="leave --from out"):
        derive_every(context, "anc", anchor="transplant")


def test_what_cannot_be_derived_is_told_with_its_reason(tmp_path):
    context = context_of(tmp_path, LIBRARY, HISTORIES)
    with pytest.raises(UsageError, match="nobody's PLT was measured"):
        derive_every(context, "platelet_recovery_20", anchor="transplant")
    with pytest.raises(UsageError, match="scale `agvhd`"):
        derive_every(context, "acute_gvhd", anchor="transplant")


def test_a_definition_of_another_family_takes_the_place_of_the_own(tmp_path):
    rule = "{outcome: poor_graft_function, analyte: ANC, at_least: 0.5 10*9/L, run: 1, of: values on different days, largest_gap: none, after: anchor}"  # noqa: E501  (one line of a protocol)
    text = NEUTROPHILS.replace("from: transplant, competing: [death]}", "from: transplant, until: 100 d, competing: [death]}")  # fmt: skip  # noqa: E501
    (found,) = derive_every(context_of(tmp_path, rule, HISTORIES, text=text), "anc")
    families = {rival.family for rival in found.rivals if not rival.reason}
    assert {"recovery", "cytopenia"} <= families
    assert all("expected a time" not in rival.reason for rival in found.rivals)
    with pytest.raises(UsageError, match="when it is assessed is the protocol's choice"):
        derive_every(
            context_of(tmp_path / "other", rule, HISTORIES),
            "aplastic_anaemia_response",
            anchor="transplant",
        )


def test_a_rival_that_nobody_verified_is_derived_only_on_demand(tmp_path, monkeypatch):
    nobody = [Source(text="a memory", seen="unverified")]
    found = tuple(
        replace(rival, rule=rival.rule.model_copy(update={"sources": nobody}))
        if rival.name == "ASTCT_2021_ANC"
        else rival
        for rival in rivals._library()
    )
    monkeypatch.setattr(rivals, "_library", lambda: found)
    context = context_of(tmp_path, LIBRARY, HISTORIES)
    (without,) = derive_every(context, "anc")
    reasons = {rival.name: rival.reason for rival in without.rivals}
    assert "--unverified includes it" in reasons["ASTCT_2021_ANC"]
    assert "ASTCT_2021_ANC" not in without.rows["definition"].to_list()
    (with_it,) = derive_every(context, "anc", unverified=True)
    assert "ASTCT_2021_ANC" in with_it.rows["definition"].to_list()


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("count", "the library has no other definition of `count`"),
        ("nothing", "no endpoint of this study and no outcome of the library"),
        ("neutrofil_recovery", "did you mean `neutrophil_recovery`"),
    ],
)
def test_what_has_no_rivals(tmp_path, name, said):
    with pytest.raises(UsageError, match=said):
        derive_every(context_of(tmp_path, LIBRARY, HISTORIES), name)


@pytest.mark.by_hand
def test_a_rule_of_one_value_also_waits_for_the_nadir(tmp_path):
    # the counts of the CIBMTR manual's first platelet example, read as neutrophils times 0.025:
    # one low count, three high ones, then the fall whose last lowest count is on day 4
    counts = [c * 0.025 for c in (10, 35, 30, 25, 10, 15, 19, 23, 25, 40, 50)]
    rule = (
        "{title: One value, analyte: ANC, at_least: 0.5 10*9/L, run: 1, "
        "of: values on different days, largest_gap: 3 d, after: {nadir_within: 28 d}}"
    )
    (found,) = derive_every(context_of(tmp_path, rule, {"one": dict(enumerate(counts))}), "anc")
    assert found.rows.filter(pl.col("definition") == OWN)["day"].to_list() == [7]


VERDICTS = """\
  function: {label: Poor graft function, RULE, from: transplant, competing: []}
"""
JUDGED = "adjudicated: {outcome: poor_graft_function, criteria: As our committee says}"
COUNTED = (
    "cytopenia: {outcome: poor_graft_function, counts: [{analyte: ANC, below: 0.5 10*9/L}], "
    "lines: 1, run: 2, of: consecutive days}"
)


@pytest.mark.parametrize("rule", [JUDGED, COUNTED])
def test_verdicts_are_not_read_under_a_definition_they_were_not_given_under(tmp_path, rule):
    """A committee judged by its own criteria: that says nothing of the harmonised ones."""
    text = NEUTROPHILS.replace("analysis_sets:", VERDICTS.replace("RULE", rule) + "analysis_sets:")
    verdict = {"participant_id": "exact", "endpoint": "function", "status": "event", "day": 3}
    context = context_of(tmp_path, LIBRARY, HISTORIES, text=text, adjudications=[verdict])
    every = derive_every(context, "function")[0]
    rival = next(rival for rival in every.rivals if rival.name == "ASTCT_2024_PGF")
    assert rival.reason == (
        "people judge it, and the verdicts on `function` were given under the protocol's own "
        "definition"
    )
    assert "ASTCT_2024_PGF" not in every.derived()
    own = every.rows.filter(pl.col("definition") == OWN, pl.col("participant_id") == "exact")
    assert own.select("status", "day").rows() == [("event", 3 if rule == JUDGED else 1)]


def test_nobody_judged_an_outcome_that_the_protocol_does_not_have(tmp_path):
    every = derive_every(
        context_of(tmp_path, LIBRARY, HISTORIES), "poor_graft_function", anchor="transplant"
    )[0]
    rival = next(rival for rival in every.rivals if rival.name == "ASTCT_2024_PGF")
    assert rival.reason == "people judge it, and nobody has judged it here"
