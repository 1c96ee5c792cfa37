import pytest

from stromal.core import ProtocolError, UnitError, UsageError
from stromal.endpoints.context import Context
from stromal.endpoints.derive import derive_all
from stromal.endpoints.screening import CRITERION_COLUMNS, screen, screen_criteria
from stromal.protocol import read_protocol
from stromal.records import read_records
from support.study_folder import PROTOCOL, make_study

pytestmark = pytest.mark.by_hand
POPULATION = PROTOCOL[PROTOCOL.index("  inclusion:") : PROTOCOL.index("products:")]
YES, NO, UNKNOWN = "yes", "no", "unknown"
AGE = "{id: age, text: Age 18 to 60, rule: {variable: age, from: 18 a, to: 60 a}}"
CONSENT = "{id: consent, text: Consent, attested: true}"


def protocol_with(inclusion=(), exclusion=()) -> str:
    text = f"  inclusion: [{', '.join(inclusion)}]\n  exclusion: [{', '.join(exclusion)}]\n"
    return PROTOCOL.replace(POPULATION, text)


def context_of(folder, text, *, derived=True, **tables) -> Context:
    filled = {name: rows for name, rows in tables.items() if rows}
    study = make_study(folder, protocol_text=text, **filled)
    protocol = read_protocol(study)
    records = read_records(study, protocol)
    return derive_all(protocol, records) if derived else Context(protocol, records)


def people(*rows, **common):
    plain = {"transplanted_day": 0, "enrolled_day": 30, "complete_until_day": 100}
    return [
        {"participant_id": f"P{i}", **plain, **common, **row} for i, row in enumerate(rows, start=1)
    ]


def judged(folder, rule, participants, **tables) -> list[str]:
    text = protocol_with([f"{{id: it, text: It, rule: {rule}}}"])
    context = context_of(folder, text, participants=participants, **tables)
    return screen_criteria(context)["judged"].to_list()


def verdicts(folder, inclusion, exclusion, **tables):
    return screen(context_of(folder, protocol_with(inclusion, exclusion), **tables))


def count(value, day, analyte="PLT", unit="10*9/L", participant="P1", **more):
    return {
        "participant_id": participant, "day": day, "analyte": analyte, "value": value,
        "unit": unit, **more,
    }  # fmt: skip


# --- verdicts --------------------------------------------------------------------------------


def test_every_verdict_names_what_decided_it(tmp_path):
    found = verdicts(
        tmp_path,
        [AGE, CONSENT],
        ["{id: other_trial, text: Another trial, attested: true}"],
        participants=people({"age": 40}, {"age": 70}, {}, {"age": 40}, {"age": 70}),
        attestations=[
            {"participant_id": p, "criterion": c, "value": v, "by": "Dr A", "day": 29}
            for p, c, v in [
                ("P1", "consent", "yes"), ("P1", "other_trial", "no"),
                ("P2", "consent", "yes"), ("P2", "other_trial", "no"),
                ("P3", "consent", "yes"), ("P3", "other_trial", "no"),
                ("P4", "consent", "yes"), ("P4", "other_trial", "yes"),
                ("P5", "other_trial", "yes"),
            ]
        ],
    )  # fmt: skip
    assert found.select("participant_id", "verdict", "decided_by").rows() == [
        ("P1", "eligible", []),
        ("P2", "not eligible", ["age"]),
        ("P3", "cannot say", ["age"]),
        ("P4", "not eligible", ["other_trial"]),
        ("P5", "not eligible", ["age", "other_trial"]),  # whatever is unknown beside it
    ]
    assert found["note"].to_list() == [
        "Meets all 3 criteria.",
        "Not met: age (age 70).",
        "Not known: age (age not recorded).",
        "Excluded by: other_trial (yes by Dr A on day 29 (attestations:9)).",
        (
            "Not met: age (age 70); "
            "excluded by: other_trial (yes by Dr A on day 29 (attestations:10))."
        ),
    ]


def test_without_a_consent_row_eligibility_cannot_be_said(tmp_path):
    found = verdicts(tmp_path, [AGE, CONSENT], [], participants=people({"age": 40}))
    assert found.row(0) == (
        "P1", "cannot say", ["consent"], "Not known: consent (nobody attested it).",
    )  # fmt: skip


def test_attestations_that_disagree_leave_it_unknown(tmp_path):
    rows = [
        {"participant_id": "P1", "criterion": "consent", "value": "yes", "by": "A", "day": 1},
        {"participant_id": "P1", "criterion": "consent", "value": "no", "by": "B", "day": 2},
        {"participant_id": "P2", "criterion": "consent", "value": "no", "by": "A"},
        {"participant_id": "P3", "criterion": "consent", "value": "yes", "by": "A", "day": 1},
        {"participant_id": "P3", "criterion": "consent", "value": "yes", "day": 3},
    ]
    context = context_of(
        tmp_path, protocol_with([CONSENT]), participants=people({}, {}, {}), attestations=rows
    )
    found = screen_criteria(context)
    assert found.columns == list(CRITERION_COLUMNS)
    assert found["judged"].to_list() == [UNKNOWN, NO, YES]
    assert found["detail"][0] == (
        "attestations disagree: yes by A on day 1 (attestations:2), no by B on day 2 "
        "(attestations:3)"
    )
    assert found["by"].to_list() == ["A, B", "A", "A"]
    assert found["day"].to_list() == [2, None, 3]
    assert screen(context)["verdict"].to_list() == ["cannot say", "not eligible", "eligible"]


def test_an_attestation_keeps_its_date_without_day_zero(tmp_path):
    rows = [{"participant_id": "P1", "criterion": "consent", "value": "yes", "date": "2024-03-01"}]
    context = context_of(
        tmp_path,
        protocol_with([CONSENT]),
        participants=[{"participant_id": "P1", "transplanted_on": ""}],
        attestations=rows,
    )
    found = screen_criteria(context).row(0, named=True)
    assert (found["judged"], found["by"], found["day"]) == (YES, None, None)
    assert str(found["date"]) == "2024-03-01"
    assert found["detail"] == "yes on 2024-03-01 (attestations:2)"


def test_narrative_criteria_are_left_to_people_unless_attested(tmp_path):
    narrative = "{id: organs, text: No organ damage, narrative: true}"
    mind = "{id: mind, text: Mental illness, narrative: true}"
    context = context_of(
        tmp_path,
        protocol_with([AGE, narrative], [mind]),
        participants=people({"age": 30}, {"age": 30}, {"age": 30}),
        attestations=[
            {"participant_id": "P2", "criterion": "organs", "value": "yes"},
            {"participant_id": "P3", "criterion": "mind", "value": "yes"},
        ],
    )
    found = screen(context)
    assert found["verdict"].to_list() == ["eligible", "eligible", "not eligible"]
    assert found["note"].to_list() == [
        "Meets the one criterion that can be judged; 2 narrative criteria are left to people.",
        "Meets all 2 criteria that can be judged; 1 narrative criterion is left to people.",
        "Excluded by: mind (yes (attestations:3)); 1 narrative criterion is left to people.",
    ]
    rows = screen_criteria(context).filter(criterion="organs")
    assert rows.select("how", "judged", "weighs", "detail").rows() == [
        ("narrative", UNKNOWN, False, "left to people"),
        ("narrative", YES, True, "yes (attestations:2)"),
        ("narrative", UNKNOWN, False, "left to people"),
    ]


def test_nobody_is_eligible_where_nothing_can_be_judged(tmp_path):
    narrative = "{id: organs, text: No organ damage, narrative: true}"
    found = verdicts(tmp_path / "a", [narrative], [], participants=people({}))
    assert found.row(0)[1:3] == ("cannot say", ["organs"])
    assert found["note"][0].startswith("No criterion can be judged from the records")
    found = verdicts(tmp_path / "b", [], [], participants=people({}))
    assert found.row(0)[1:] == ("cannot say", [], "The protocol states no criteria.")


def test_a_study_without_participants_has_no_verdicts(tmp_path):
    context = context_of(tmp_path, protocol_with([AGE, CONSENT]))
    assert screen(context).height == 0
    assert screen_criteria(context).height == 0


# --- variables -------------------------------------------------------------------------------


def test_age_is_compared_in_completed_years(tmp_path):
    ages = [17.9, 18, 60, 60.9, 61, ""]
    rows = people(*({"age": age} for age in ages))
    rule = "{variable: age, from: 18 a, to: 60 a}"
    assert judged(tmp_path, rule, rows) == [NO, YES, YES, YES, NO, UNKNOWN]


def test_a_bound_in_months_compares_the_exact_age(tmp_path):
    rows = people({"age": 0.4}, {"age": 0.5}, {"age": 1})
    assert judged(tmp_path, "{variable: age, at_least: 6 mo}", rows) == [NO, YES, YES]


def test_age_comes_from_the_birth_date_on_the_day_of_judging(tmp_path):
    row = {
        "transplanted_on": "2024-01-01",
        "enrolled_on": "2024-01-31",
        "last_contact": "2024-03-01",
    }
    rows = [
        {"participant_id": "P1", "birth_date": "2006-01-31", **row},  # 18 on the day of enrolment
        {"participant_id": "P2", "birth_date": "2006-02-01", **row},  # the day before
        {"participant_id": "P3", "birth_date": "", **row},
    ]
    assert judged(tmp_path, "{variable: age, at_least: 18 a}", rows) == [YES, NO, UNKNOWN]


def test_other_columns_are_plain_numbers_and_words(tmp_path):
    rows = people({"kps": 60, "weight_kg": 50}, {"kps": 70, "weight_kg": 9.5}, {"kps": "good"}, {})
    rows[0]["sex"] = "female"
    rows[1]["sex"] = "male"
    assert judged(tmp_path / "a", "{variable: kps, above: 60}", rows) == [NO, YES, UNKNOWN, UNKNOWN]
    assert judged(tmp_path / "b", "{variable: weight_kg, below: 10 kg}", rows) == [
        NO, YES, UNKNOWN, UNKNOWN,
    ]  # fmt: skip
    assert judged(tmp_path / "c", "{variable: sex, is: [female]}", rows) == [
        YES, NO, UNKNOWN, UNKNOWN,
    ]  # fmt: skip
    assert judged(tmp_path / "d", "{variable: kps, is: ['70']}", rows) == [NO, YES, NO, UNKNOWN]
    assert judged(tmp_path / "e", "{variable: ecog, at_most: 2}", rows) == [UNKNOWN] * 4


def test_a_text_where_a_number_is_needed_is_told(tmp_path):
    text = protocol_with(["{id: kps, text: KPS, rule: {variable: kps, above: 60}}"])
    context = context_of(tmp_path, text, participants=people({"kps": "good"}))
    assert screen_criteria(context)["detail"][0] == "kps 'good' is not a number"


def test_a_unit_that_does_not_belong_is_refused(tmp_path):
    with pytest.raises(UnitError):
        judged(tmp_path, "{variable: age, at_least: 18 kg}", people({"age": 20}))


# --- logic -----------------------------------------------------------------------------------

TRUE, FALSE, OPEN = (f"{{variable: {name}, is: [x]}}" for name in "tfu")
ROW = {"t": "x", "f": "y", "u": ""}


LOGIC = [
    (f"{{all: [{TRUE}, {TRUE}]}}", YES),
    (f"{{all: [{TRUE}, {OPEN}]}}", UNKNOWN),
    (f"{{all: [{FALSE}, {OPEN}]}}", NO),
    (f"{{any: [{FALSE}, {FALSE}]}}", NO),
    (f"{{any: [{FALSE}, {OPEN}]}}", UNKNOWN),
    (f"{{any: [{TRUE}, {OPEN}]}}", YES),
    (f"{{of: [{TRUE}, {TRUE}, {OPEN}], at_least: 2}}", YES),
    (f"{{of: [{TRUE}, {FALSE}, {OPEN}], at_least: 2}}", UNKNOWN),
    (f"{{of: [{FALSE}, {FALSE}, {OPEN}], at_least: 2}}", NO),
    (f"{{not: {TRUE}}}", NO),
    (f"{{not: {FALSE}}}", YES),
    (f"{{not: {OPEN}}}", UNKNOWN),
    (f"{{not: {{all: [{TRUE}, {{any: [{FALSE}, {OPEN}]}}]}}}}", UNKNOWN),
]


def test_unknown_is_neither_true_nor_false(tmp_path):
    criteria = [f"{{id: it{i}, text: It, rule: {rule}}}" for i, (rule, _) in enumerate(LOGIC)]
    context = context_of(tmp_path, protocol_with(criteria), participants=people(ROW))
    found = screen_criteria(context)["judged"].to_list()
    assert list(zip([rule for rule, _ in LOGIC], found, strict=True)) == LOGIC


# --- counts ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("bound", "expected"),
    [
        ("at_least: 20", {"20": YES, "19.9": NO, "<20": NO, ">20": YES, "<30": UNKNOWN}),
        ("above: 20", {"20": NO, "20.1": YES, "<20": NO, ">20": YES, "<20.1": UNKNOWN}),
        ("at_most: 20", {"20": YES, "20.1": NO, "<20": YES, ">20": NO, ">19.9": UNKNOWN}),
        ("below: 20", {"20": NO, "19.9": YES, "<20": YES, ">20": NO, ">10": UNKNOWN}),
        ("at_least: 10 10*9/L, below: 20", {"9": NO, "10": YES, "20": NO, "<20": UNKNOWN}),
        ("from: 10 10*9/L, to: 20", {"10": YES, "20": YES, "20.1": NO, "<10": NO}),
        ("at_least: 0", {"<20": YES}),
    ],
)
def test_bounds_of_a_count_are_three_valued(tmp_path, bound, expected):
    rule = f"{{measurement: PLT, {bound} 10*9/L, before: enrolment, within: 7 d}}"
    rows = [count(value, 28, participant=f"P{i}") for i, value in enumerate(expected, start=1)]
    found = judged(tmp_path, rule, people(*[{}] * len(rows)), measurements=rows)
    assert dict(zip(expected, found, strict=True)) == expected


def test_the_last_count_in_time_is_compared(tmp_path):
    cases = [
        ([count("10", 23), count("90", 22)], YES),  # 7 days old, and the last
        ([count("10", 22)], UNKNOWN),  # 8 days old
        ([count("10", 30)], YES),  # on the day itself
        ([count("10", 31)], UNKNOWN),  # after it
        ([count("10", 25), count("90", 29)], NO),  # the last one tells
        ([count("10", 29), count("90", 29)], UNKNOWN),  # two of one day that do not agree
        ([count("10", 29), count("15", 29)], YES),  # two that do
        ([count("10", 29, time="08:00"), count("90", 29, time="17:30")], NO),  # the later one
        ([count("10", 29, time="08:00"), count("90", 29)], UNKNOWN),  # one without its time
        ([count("10", 29, "WBC")], UNKNOWN),  # another analyte
        ([], UNKNOWN),
    ]
    rule = "{measurement: PLT, below: 20 10*9/L, before: enrolment, within: 7 d}"
    rows = [
        {**row, "participant_id": f"P{i}"}
        for i, (counts, _) in enumerate(cases, start=1)
        for row in counts
    ]
    found = judged(tmp_path, rule, people(*[{}] * len(cases)), measurements=rows)
    assert found == [expected for _, expected in cases]


def test_counts_are_compared_in_the_unit_of_the_analyte(tmp_path):
    rule = "{measurement: Hb, below: 8 g/dL, before: enrolment, within: 7 d}"
    rows = [count("79", 30, "Hb", "g/L"), count("8.0", 30, "Hb", "g/dL", participant="P2")]
    assert judged(tmp_path, rule, people({}, {}), measurements=rows) == [YES, NO]


def test_what_was_seen_is_told_with_its_record(tmp_path):
    rule = "{measurement: PLT, below: 20 10*9/L, before: enrolment, within: 7 d}"
    text = protocol_with([f"{{id: it, text: It, rule: {rule}}}"])
    context = context_of(
        tmp_path, text,
        participants=[*people({}, {}), {"participant_id": "P3", "transplanted_day": 0}],
        measurements=[count("<20", 29)],
    )  # fmt: skip
    assert screen_criteria(context)["detail"].to_list() == [
        "PLT <20 10*9/L 1 day before enrolment (measurements:2)",
        "no PLT in the 7 days up to enrolment",
        "enrolment did not happen or is not recorded",
    ]


def test_a_count_cannot_be_compared_with_words_or_plain_numbers(tmp_path):
    rule = "{{measurement: PLT, {}, before: enrolment, within: 7 d}}"
    with pytest.raises(ProtocolError, match="compared with numbers, not with words"):
        judged(tmp_path / "a", rule.format("is: [low]"), people({}))
    with pytest.raises(ProtocolError, match="is compared in 10"):
        judged(tmp_path / "b", rule.format("below: 20"), people({}))


# --- assessments -----------------------------------------------------------------------------


def test_the_last_assessment_is_compared(tmp_path):
    def kps(participant, day, value, item=""):
        return {
            "participant_id": participant, "day": day, "scale": "kps", "item": item, "value": value,
        }  # fmt: skip

    rows = [
        kps("P1", 20, "90"), kps("P1", 29, "60"),
        kps("P2", 29, "70"),
        kps("P3", 29, "not done"),
        kps("P4", 29, "60"), kps("P4", 29, "70"),
        kps("P5", 31, "90"),
    ]  # fmt: skip
    rule = "{assessment: kps, above: 60, before: enrolment, within: 14 d}"
    assert judged(tmp_path, rule, people(*[{}] * 5), assessments=rows) == [
        NO, YES, UNKNOWN, UNKNOWN, UNKNOWN,
    ]  # fmt: skip


def test_an_item_of_a_scale_is_compared_in_words(tmp_path):
    rows = [
        {"participant_id": "P1", "day": 10, "scale": "marrow", "item": i, "value": v}
        for i, v in [("cellularity", "hypocellular"), ("blasts", "none")]
    ]
    words = "item: cellularity, is: [hypocellular]"
    rule = f"{{assessment: marrow, {words}, before: enrolment, within: 30 d}}"
    assert judged(tmp_path / "a", rule, people({}), assessments=rows) == [YES]
    assert judged(tmp_path / "b", rule.replace("hypo", "normo"), people({}), assessments=rows) == [
        NO
    ]


# --- events ----------------------------------------------------------------------------------


def test_silence_about_an_event_counts_while_records_are_complete(tmp_path):
    cases = [
        ({}, [30], YES),  # on the day itself
        ({}, [31], NO),  # after it; the records are complete beyond
        ({}, [0], YES),  # on the day it counts from
        ({}, [-1], NO),  # before it
        ({}, [], NO),
        ({"complete_until_day": 30}, [], NO),
        ({"complete_until_day": 29}, [], UNKNOWN),  # silence says nothing
        ({"complete_until_day": 29}, [10], YES),
        ({"complete_until_day": "", "last_contact_day": 40}, [], NO),
        ({"complete_until_day": ""}, [], UNKNOWN),
        ({"enrolled_day": ""}, [10], UNKNOWN),  # up to when?
    ]
    rows = [
        {"participant_id": f"P{i}", "day": day, "event": "relapse"}
        for i, (_, days, _) in enumerate(cases, start=1)
        for day in days
    ]
    participants = people(*(row for row, _, _ in cases))
    rule = "{event: relapse, recorded: 'yes', after: transplant, before: enrolment}"
    expected = [case[2] for case in cases]
    assert judged(tmp_path / "a", rule, participants, events=rows) == expected
    rule = rule.replace("'yes'", "'no'")
    turned = [{YES: NO, NO: YES, UNKNOWN: UNKNOWN}[word] for word in expected]
    assert judged(tmp_path / "b", rule, participants, events=rows) == turned


def test_an_event_ever_counts_from_before_day_zero(tmp_path):
    rule = "{event: relapse, recorded: 'no', before: enrolment}"
    rows = [{"participant_id": "P1", "day": -300, "event": "relapse"}]
    assert judged(tmp_path, rule, people({}, {}), events=rows) == [NO, YES]


def test_coverage_says_when_silence_means_none(tmp_path):
    spans = [("P1", 0, 30), ("P2", 5, 30), ("P3", 0, 20), ("P4", 0, 14), ("P4", 15, 40)]
    rows = [
        {"participant_id": p, "table": "events", "from_day": a, "to_day": b} for p, a, b in spans
    ]
    rule = "{event: relapse, recorded: 'no', after: transplant, before: enrolment}"
    found = judged(tmp_path, rule, people(*[{}] * 5), coverage=rows)
    assert found == [YES, UNKNOWN, UNKNOWN, YES, YES]  # P5 has no rows: complete_until holds


def test_an_event_after_a_moment_that_did_not_happen_is_unknown(tmp_path):
    rule = "{event: relapse, recorded: 'no', after: first_msc, before: enrolment}"
    assert judged(tmp_path, rule, people({})) == [UNKNOWN]


# --- endpoints -------------------------------------------------------------------------------


def neutrophils(values, start=10):
    return [count(value, start + i, "ANC") for i, value in enumerate(values)]


def test_a_time_to_event_is_judged_by_the_anchor(tmp_path):
    cases = [
        ([0.1, 0.6, 0.6, 0.6], 30, YES),  # recovered on day 11
        ([0.1, 0.6, 0.6, 0.6], 11, YES),
        ([0.1, 0.6, 0.6, 0.6], 10, NO),  # a day too late
        ([0.1, 0.1, 0.1, 0.1], 11, NO),  # censored on day 11
        ([0.1, 0.1, 0.1, 0.1], 13, NO),  # day 13 fails: no run can have begun
        ([0.1, 0.1, 0.1, 0.6], 13, UNKNOWN),  # a run may have begun on day 13
        ([0.1, 0.1, 0.1, 0.1], 14, UNKNOWN),  # and here on day 14
        ([], 14, UNKNOWN),
        ([0.1, 0.6, 0.6, 0.6], "", UNKNOWN),
    ]
    rule = "{endpoint: neutrophil_recovery, is: [event], before: enrolment}"
    rows = [
        {**row, "participant_id": f"P{i}"}
        for i, (values, _, _) in enumerate(cases, start=1)
        for row in neutrophils(values)
    ]
    participants = people(*({"enrolled_day": day} for _, day, _ in cases))
    found = judged(tmp_path, rule, participants, measurements=rows)
    assert found == [expected for _, _, expected in cases]


LOW_PLATELETS = """\
  low_platelets:
    label: Platelets below 20 twice
    cytopenia:
      counts: [{analyte: PLT, below: 20 10*9/L}]
      lines: 1
      run: 2
      of: values on different days
      largest_gap: none
    from: transplant
    competing: []
"""


@pytest.mark.parametrize(
    ("until", "expected"),
    [
        ("", [YES, NO, UNKNOWN, UNKNOWN, NO, UNKNOWN]),
        ("    until: 20 d\n", [NO, NO, NO, UNKNOWN, NO, UNKNOWN]),  # what comes later is no event
    ],
)
def test_a_lasting_fall_of_counts_is_judged_by_the_anchor(tmp_path, until, expected):
    cases = [
        {28: 10, 30: 10},
        {28: 90, 30: 90},  # the last count ends any run that had begun
        {28: 90, 30: 10},  # a run may have begun
        {28: 90},  # or on day 29 or 30
        {28: 90, 31: 90, 33: 10, 35: 10},  # it began after enrolment on day 30
        {},
    ]
    rule = "{endpoint: low_platelets, is: [event], before: enrolment}"
    text = protocol_with([f"{{id: it, text: It, rule: {rule}}}"])
    context = context_of(
        tmp_path,
        text.replace("analysis_sets:\n", f"{LOW_PLATELETS}{until}analysis_sets:\n"),
        participants=people(*[{}] * len(cases)),
        measurements=[
            count(value, day, participant=f"P{i}")
            for i, values in enumerate(cases, start=1)
            for day, value in values.items()
        ],
    )
    assert screen_criteria(context)["judged"].to_list() == expected


def test_a_transfusion_after_the_last_count_ends_no_run(tmp_path):
    free = "at_least: 20 10*9/L, without_transfusion: {product: platelets, when: before, for: 3 d}"
    endpoint = LOW_PLATELETS.replace("below: 20 10*9/L", free)
    rule = "{endpoint: low_platelets, is: [event], before: enrolment}"
    text = protocol_with([f"{{id: it, text: It, rule: {rule}}}"])
    context = context_of(
        tmp_path,
        text.replace("analysis_sets:\n", f"{endpoint}analysis_sets:\n"),
        participants=people({}),
        measurements=[count(30, 30)],  # a run may have begun on the day of enrolment
        transfusions=[{"participant_id": "P1", "day": 40, "product": "platelets"}],
    )
    assert screen_criteria(context)["judged"].to_list() == [UNKNOWN]


def test_what_came_later_was_censored_by_the_anchor(tmp_path):
    rule = "{endpoint: overall_survival, is: [censored], before: enrolment}"
    rows = people(*({"last_contact_day": day} for day in (90, 90, 29, 30)))
    deaths = [
        {"participant_id": "P1", "day": 90, "event": "death"},
        {"participant_id": "P2", "day": 30, "event": "death"},
    ]
    assert judged(tmp_path, rule, rows, events=deaths) == [YES, NO, UNKNOWN, YES]


def test_without_an_anchor_the_last_status_is_judged(tmp_path):
    rule = "{endpoint: neutrophil_recovery, is: [event, competing]}"
    apart = [count("0.1", day, "ANC", participant="P2") for day in (10, 13, 16)]
    rows = [*neutrophils([0.1, 0.6, 0.6, 0.6]), *apart]
    found = judged(tmp_path, rule, people({}, {}, {}), measurements=rows)
    assert found == [YES, UNKNOWN, UNKNOWN]  # no three days in a row; no count at all


def test_a_level_counts_from_its_day(tmp_path):
    rule = "{endpoint: response, is: [CR, PR], before: landmark}"
    rows = [
        {"participant_id": "P1", "endpoint": "response", "level": "PR", "day": 98},
        {"participant_id": "P2", "endpoint": "response", "level": "PR", "day": 101},
        {"participant_id": "P3", "endpoint": "response", "level": "NR", "day": 98},
    ]
    infused = [
        {"participant_id": f"P{i}", "product": "msc", "number": 1, "day": 42} for i in (1, 2, 3)
    ]
    found = judged(
        tmp_path, rule, people(*[{}] * 4), adjudications=rows, infusions=infused
    )  # fmt: skip
    assert found == [YES, UNKNOWN, NO, UNKNOWN]  # P4 has no first infusion


def test_a_level_without_a_day_counts_from_the_planned_assessment(tmp_path):
    rule = "{endpoint: response, is: [NR], before: landmark}"  # landmark: day 100
    infused = [
        {"participant_id": p, "product": "msc", "number": 1, "day": day}
        for p, day in (("P1", 44), ("P2", 45))  # 8 weeks later: days 100 and 101
    ]
    assert judged(tmp_path, rule, people({}, {}), infusions=infused) == [YES, UNKNOWN]


COUNTED = """\
  infections:
    label: Infections
    event_count: {events: [infection]}
    from: transplant
  cmv:
    label: From reactivation to disease
    chain: {steps: [cmv_reactivation, cmv_disease]}
    from: transplant
analysis_sets:
"""


def test_counts_and_chains_of_events_are_judged_by_the_anchor(tmp_path):
    def events_of(folder, endpoint, word):
        rule = f"{{endpoint: {endpoint}, is: [{word}], before: enrolment}}"
        text = protocol_with([f"{{id: it, text: It, rule: {rule}}}"])
        context = context_of(
            folder, text.replace("analysis_sets:\n", COUNTED),
            participants=people({}, {}, {}, {"complete_until_day": 20}, {"complete_until_day": ""}),
            events=[
                {"participant_id": "P5", "day": 31, "event": "infection"},
                {"participant_id": "P1", "day": 30, "event": "infection"},
                {"participant_id": "P2", "day": 31, "event": "infection"},
                {"participant_id": "P1", "day": 10, "event": "cmv_reactivation"},
                {"participant_id": "P2", "day": 31, "event": "cmv_reactivation"},
            ],
        )  # fmt: skip
        return screen_criteria(context)["judged"].to_list()

    assert events_of(tmp_path / "a", "infections", "yes") == [YES, NO, NO, UNKNOWN, UNKNOWN]
    assert events_of(tmp_path / "b", "cmv", "cmv_reactivation") == [
        YES, UNKNOWN, NO, UNKNOWN, UNKNOWN,
    ]  # fmt: skip


def test_an_endpoint_must_be_derived_and_defined(tmp_path):
    rule = "{id: it, text: It, rule: {endpoint: neutrophil_recovery, is: [event]}}"
    context = context_of(
        tmp_path / "a", protocol_with([rule]), derived=False, participants=people({})
    )
    with pytest.raises(UsageError, match="not derived yet"):
        screen(context)
    undefined = "  gvhd: {label: GVHD, not_defined: The scale}\nanalysis_sets:\n"
    text = protocol_with([rule.replace("neutrophil_recovery", "gvhd")])
    context = context_of(
        tmp_path / "b", text.replace("analysis_sets:\n", undefined), participants=people({})
    )
    assert screen(context)["note"][0] == "Not known: it (gvhd is not defined by the protocol)."
