"""What `check_protocol` reports of whole protocols."""

import os
from collections import Counter
from pathlib import Path

import pytest

from stromal.protocol import Protocol, read_protocol
from stromal.protocol.consistency import check_protocol

HERE = Path(__file__).resolve().parent
DATA = HERE / "data"
REPOSITORY = HERE.parents[2]
SNAPSHOTS = REPOSITORY / "tests" / "snapshots" / "protocol"


@pytest.fixture(scope="module")
def msc4pgf() -> Protocol:
    return read_protocol(REPOSITORY / "studies" / "msc4pgf")


def found(protocol: Protocol, rule: str):
    return [finding for finding in check_protocol(protocol) if finding.rule == rule]


def only(protocol: Protocol, rule: str):
    findings = found(protocol, rule)
    assert len(findings) == 1, [finding.rule for finding in check_protocol(protocol)]
    return findings[0]


def test_clean_protocol_has_no_finding():
    assert check_protocol(read_protocol(DATA / "clean.yaml")) == []


def test_time_frame_closes_before_the_response_rule_can_be_met(msc4pgf):
    finding = only(msc4pgf, "time-frame-closes-before-rule")
    assert finding.weight == "contradiction"
    assert finding.where == "endpoints.platelet_response.time_frame"
    # mildest published diagnosis: day 28 and 3 successive days, day 30; 30 + 56 = 86 > 40
    for part in ("day 40", "day 86", "8 weeks (56 days)", "day 30", "day 42 (Tang 2018", "21 days"):
        assert part in finding.what


def test_time_frame_does_not_hold_the_treatment(msc4pgf):
    finding = only(msc4pgf, "time-frame-against-treatment")
    assert finding.weight == "contradiction"
    # first infusion not before day 30, the fourth 21 days later
    assert "day 30" in finding.what
    assert "infusion 4 on day 51" in finding.what
    assert "infection_rate" in finding.what


def test_run_cannot_be_judged_without_a_plan_of_draws(msc4pgf):
    finding = only(msc4pgf, "draws-not-stated")
    assert finding.weight == "gap"
    assert "a value of platelets on each of 7 successive days" in finding.what
    assert "daily draws of platelets from first MSC infusion until day 56" in finding.what


@pytest.mark.parametrize("on", [["Mon", "Wed", "Fri"], ["Mon", "Tue", "Wed", "Thu", "Fri"]])
def test_run_that_the_planned_draws_cannot_show(msc4pgf, on):
    data = msc4pgf.model_dump(by_alias=True, exclude_none=True, mode="json")
    plan = {"analytes": ["ANC", "PLT", "Hb"], "from": "transplant", "until": "20 wk", "on": on}
    finding = [
        f
        for f in found(Protocol.model_validate({**data, "draws": [plan]}), "run-cannot-be-shown")
        if f.where.startswith("endpoints.platelet_response")
    ]
    assert len(finding) == 1
    assert finding[0].weight == "contradiction"
    most = {3: "1 day", 5: "5 consecutive days"}[len(on)]
    assert f"which show at most {most}" in finding[0].what


def test_daily_draws_show_every_run(msc4pgf):
    data = msc4pgf.model_dump(by_alias=True, exclude_none=True, mode="json")
    plan = {"analytes": ["ANC", "PLT", "Hb"], "from": "transplant", "until": "1 a", "on": "daily"}
    rules = Counter(
        f.rule for f in check_protocol(Protocol.model_validate({**data, "draws": [plan]}))
    )
    assert not {"draws-not-stated", "run-cannot-be-shown", "run-shown-in-part"} & set(rules)


def test_levels_that_share_fifty(msc4pgf):
    finding = only(msc4pgf, "levels-overlap")
    assert finding.weight == "contradiction"
    assert "exactly 50 x 10^9/L (platelets)" in finding.what


def test_endpoints_without_definition(msc4pgf):
    where = {finding.where for finding in found(msc4pgf, "endpoint-not-defined")}
    assert where == {
        "endpoints.haemogram_recovery",
        "endpoints.infection_rate",
        "endpoints.gvhd",
    }


@pytest.mark.parametrize(
    ("rule", "weight", "where"),
    [
        ("condition-without-criterion", "gap", "population.inclusion"),
        ("criterion-before-condition", "gap", "population.inclusion.0"),
        ("no-stopping-rule", "gap", "design.stopping"),
        ("no-monitoring-committee", "gap", "design.monitoring.committee"),
        ("no-grading-scale", "gap", "design.monitoring.grading"),
        ("no-basis-of-size", "gap", "design.basis_of_size"),
        ("narrative-criteria", "remark", "population"),
        ("product-tissue-differs", "contradiction", "products.ucmsc.as_written"),
        ("maximum-tolerated-dose", "contradiction", "endpoints.platelet_response.as_written"),
        ("phase-4-not-marketed", "gap", "study.phase"),
        ("threshold-below-published", "remark", "endpoints.haemoglobin_recovery.recovery"),
        ("threshold-unlike-published", "remark", "endpoints.neutrophil_recovery.recovery"),
        ("individual-data-not-shared", "remark", "sharing.individual_data"),
        ("endpoint-in-no-analysis", "remark", "analyses"),
        ("background-confounds", "remark", "arms.msc.background"),
        ("no-primary-analysis", "gap", "analyses"),
        ("no-response-outlasts-treatment", "gap",
         "endpoints.platelet_response.response.no_response_after"),
        ("level-with-ceiling", "gap", "endpoints.platelet_response.response.levels.PR"),
    ],
)  # fmt: skip
def test_what_else_the_registry_record_yields(msc4pgf, rule, weight, where):
    finding = only(msc4pgf, rule)
    assert (finding.weight, finding.where) == (weight, where)


def test_windows_that_are_not_stated(msc4pgf):
    assert {finding.where for finding in found(msc4pgf, "window-not-stated")} == {
        "arms.msc.infuse.0.window",
        "endpoints.platelet_response.assessed.visit_window",
    }


def test_survival_counted_from_before_the_set_is_entered(msc4pgf):
    assert {finding.where for finding in found(msc4pgf, "immortal-time")} == {
        "analyses.neutrophil_recovery.set",
        "analyses.overall_survival.set",
        "analyses.disease_free_survival.set",
    }


def test_nothing_rests_on_the_name_of_the_study(msc4pgf):
    data = msc4pgf.model_dump(by_alias=True, exclude_none=True, mode="json")
    data["study"] |= {"id": "other", "registrations": [
        {"registry": "another", "id": "X1", "arms": 1, "enrolment": 68}
    ]}  # fmt: skip
    assert check_protocol(Protocol.model_validate(data)) == check_protocol(msc4pgf)


def test_order_of_findings(msc4pgf):
    findings = check_protocol(msc4pgf)
    ranks = [("contradiction", "gap", "remark").index(finding.weight) for finding in findings]
    assert ranks == sorted(ranks)
    assert len(findings) == len(set(findings))


PROTOCOLS = sorted([*(REPOSITORY / "studies").glob("*/protocol.yaml"), *DATA.glob("*.yaml")])


@pytest.mark.parametrize("file", PROTOCOLS, ids=lambda file: f"{file.parent.name}-{file.stem}")
def test_every_finding_is_told_in_sentences(file):
    protocol = read_protocol(file)
    data = protocol.model_dump(by_alias=True, exclude_none=True, mode="json")
    for finding in check_protocol(protocol):
        for text in (finding.what, finding.why, finding.remedy):
            assert text.endswith((".", '."')), text
            assert finding.rule == "endpoint-not-defined" or "None" not in text
            assert "  " not in text
        here = data
        *above, last = finding.where.split(".")
        for part in above:  # all but the last part exists: the last may be what is missing
            here = here[int(part)] if isinstance(here, list) else here[part]
        assert isinstance(here, dict) or int(last) < len(here)


def test_registration_that_contradicts_its_title():
    protocol = read_protocol(DATA / "nct02218437.yaml")
    inclusion = only(protocol, "title-against-inclusion")
    assert (inclusion.weight, inclusion.where) == ("contradiction", "population.inclusion.1")
    assert "severe aplastic anaemia" in inclusion.what
    assert "Non-Severe Aplastic Anemia (NSAA)" in inclusion.what
    exclusion = only(protocol, "title-against-exclusion")
    assert (exclusion.weight, exclusion.where) == ("contradiction", "population.exclusion.0")
    arms = only(protocol, "arms-differ")
    assert "1 in the probable registration NCT02218437 and 2 in the publication" in arms.what
    enrolment = only(protocol, "enrolment-differs")
    assert "20 in the probable registration NCT02218437 and 18" in enrolment.what
    assert only(protocol, "registered-retrospectively").weight == "remark"
    assert only(protocol, "title-and-conditions-differ").weight == "remark"
    # inclusion and exclusion agree with each other; only the title is at odds
    assert not found(protocol, "inclusion-against-exclusion")


def test_findings_of_the_registry_record_as_a_whole(msc4pgf):
    lines = [
        f"{f.weight}: {f.rule} at {f.where}\n  {f.what}\n  {f.why}\n  {f.remedy}\n"
        for f in check_protocol(msc4pgf)
    ]
    compare(SNAPSHOTS / "msc4pgf-findings.txt", "\n".join(lines))


def compare(snapshot: Path, text: str) -> None:
    if os.environ.get("STROMAL_WRITE_SNAPSHOTS"):
        snapshot.write_text(text, encoding="utf-8")
    assert snapshot.read_text(encoding="utf-8") == text
