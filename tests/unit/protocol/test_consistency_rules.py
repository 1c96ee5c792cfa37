"""Each rule of the check, by one edit of a protocol that has no finding."""

from pathlib import Path

import pytest

from stromal.protocol import read_protocol
from stromal.protocol.consistency import check_protocol

CLEAN = (Path(__file__).resolve().parent / "data" / "clean.yaml").read_text(encoding="utf-8")
MSC = "{per_kg: 1e6 /kg, weight: at infusion}"
ARM = "  msc:\n    label: MSC\n    role: experimental\n"
CONTROL = "  control:\n    label: Control\n    role: control\n    participants: 15\n"


def check(tmp_path: Path, *edits: tuple[str, str]):
    text = CLEAN
    for old, new in edits:
        assert text.count(old) >= 1, f"the clean protocol has no {old!r}"
        text = text.replace(old, new)
    file = tmp_path / "protocol.yaml"
    file.write_text(text, encoding="utf-8")
    return {finding.rule: finding for finding in check_protocol(read_protocol(file))}


TWO_ARMS = [
    ("kind: single arm", "kind: randomised"),
    ("arms: 1, enrolment: 30", "arms: 2, enrolment: 30"),
    ("    participants: 30\n", "    participants: 15\n"),
    ("arms:\n  msc:\n    label: MSC\n", f"arms:\n{CONTROL}  msc:\n    label: MSC\n"),
]
ALLOCATION = (
    "  monitoring:",
    (
        "  allocation: {method: permuted blocks, ratio: [1, 1], concealment: central, "
        "blinding: opaque bags}\n  monitoring:"
    ),
)


def graded(definition):
    """Add a graded endpoint of the library."""
    return ("endpoints:\n", (
        "endpoints:\n  severity:\n    label: Severity\n"
        f"    graded: {{definition: {definition}}}\n    from: transplant\n"
    ))  # fmt: skip


def at_week_8(*texts):
    """Let the visit assess something."""
    window = "at: 8 wk, window: [-7 d, +7 d]"
    return (f"{window}}}", f"{window}, assess: [{', '.join(texts)}]}}")


RULES = [
    # population
    ("title-against-exclusion", "contradiction", [
        ("text: Severe acute GVHD that is not controlled", "text: Poor graft function"),
    ]),
    ("inclusion-against-exclusion", "contradiction", [
        ("text: Poor graft function after allogeneic transplantation\n", "text: Graft failure\n"),
        ("text: Severe acute GVHD that is not controlled", 'text: "Pregnancy, graft failure"'),
    ]),
    ("title-and-conditions-differ", "remark", [
        ("conditions: [poor graft function]", "conditions: [cytopenia]"),
    ]),
    ("condition-without-criterion", "gap", [
        ("text: Poor graft function after allogeneic transplantation\n", "text: Low counts\n"),
        ("rule: {endpoint: pgf, is: [event], before: enrolment}", "attested: true"),
    ]),
    ("criterion-before-condition", "gap", [
        ("text: Informed consent", "text: Candidates for allogeneic transplantation"),
    ]),
    ("criterion-never-met", "contradiction", [("from: 18 a, to: 65 a", "from: 65 a, to: 18 a")]),
    ("duplicate-id", "contradiction", [("{id: relapse,", "{id: age,")]),
    ("narrative-criteria", "remark", [
        ("text: Informed consent, attested: true", "text: Good organs, narrative: true"),
    ]),
    # time frames
    ("time-frame-reversed", "contradiction", [("between: [0 d, 63 d]", "between: [63 d, 0 d]")]),
    ("time-frame-closes-before-rule", "contradiction", [
        ("between: [0 d, 63 d]", "between: [0 d, 40 d]"),
    ]),
    ("time-frame-against-treatment", "remark", [
        ("between: [0 d, 63 d]", "between: [0 d, 14 d]"),
    ]),
    ("time-frame-not-in-rule", "remark", [
        ("    time_to_event: {definition: OS}\n", ("    time_to_event: {definition: OS}\n"
         "    time_frame: {from: first_msc, between: [0 d, 100 d]}\n")),
    ]),
    ("analysis-after-time-frame", "gap", [
        ("    time_to_event: {definition: OS}\n", ("    time_to_event: {definition: OS}\n"
         "    time_frame: {from: first_msc, between: [0 d, 100 d]}\n")),
    ]),
    ("rule-longer-than-follow-up", "contradiction", [("    until: 180 d\n", "    until: 40 d\n")]),
    # draws
    ("draws-not-stated", "gap", [
        (CLEAN[CLEAN.index("draws:"):CLEAN.index("endpoints:")], "draws: not stated\n"),
    ]),
    ("analyte-not-drawn", "contradiction", [("analytes: [ANC, PLT, Hb]", "analytes: [ANC, Hb]")]),
    ("run-cannot-be-shown", "contradiction", [
        ("held: {run: 3, of: values on different days, largest_gap: 4 d}",
         "held: {run: 7, of: consecutive days}"),
    ]),
    ("run-shown-in-part", "gap", [
        ("held: {run: 3, of: values on different days, largest_gap: 4 d}",
         "held: {run: 2, of: consecutive days}"),
        ("on: [Mon, Wed, Fri]", "on: [Mon, Tue]"),
    ]),
    ("draws-outside-period", "contradiction", [
        ("{analytes: [ANC, PLT, Hb], from: first_msc, until: 70 d, on: [Mon, Wed, Fri]}",
         "{analytes: [ANC, PLT, Hb], from: first_msc, start: 90 d, until: 120 d, on: daily}"),
        ("{analytes: [ANC, PLT, Hb], from: transplant, until: 100 d, on: [Mon, Thu]}",
         "{analytes: [ANC, Hb], from: transplant, until: 100 d, on: daily}"),
    ]),
    ("draws-end-before-start", "contradiction", [
        ("until: 70 d, on: [Mon, Wed, Fri]", "start: 80 d, until: 70 d, on: [Mon, Wed, Fri]"),
    ]),
    # levels and thresholds
    ("bounds-crossed", "contradiction", [
        ("{analyte: ANC, below: 0.5 10*9/L}", ("{analyte: ANC, at_least: 1 10*9/L, "
         "below: 0.5 10*9/L}")),
    ]),
    ("levels-overlap", "contradiction", [
        ("at_least: 20 10*9/L, without", "at_least: 20 10*9/L, at_most: 60 10*9/L, without"),
    ]),
    ("levels-leave-a-gap", "gap", [
        ("at_least: 20 10*9/L, without", "at_least: 20 10*9/L, at_most: 49 10*9/L, without"),
    ]),
    ("level-with-ceiling", "gap", [
        ("at_least: 20 10*9/L, without", "at_least: 20 10*9/L, below: 50 10*9/L, without"),
    ]),
    ("level-never-reached", "contradiction", [
        ("at_least: 50 10*9/L", "at_least: 10 10*9/L"),
    ]),
    ("no-response-after-assessment", "contradiction", [
        ("      otherwise: NR\n", "      otherwise: NR\n      no_response_after: 12 wk\n"),
    ]),
    ("no-response-outlasts-treatment", "gap", [
        ("      otherwise: NR\n", "      otherwise: NR\n      no_response_after: 4 wk\n"),
    ]),
    ("threshold-below-published", "remark", [("at_least: 20 10*9/L", "at_least: 10 10*9/L")]),
    # endpoints
    ("no-competing-events", "gap", [("competing: [death, relapse]", "competing: []")]),
    ("relapse-not-competing", "contradiction", [
        ("label: Overall survival\n    time", "label: Non-relapse mortality\n    time"),
    ]),
    ("event-competes-with-itself", "contradiction", [
        ("    until: 1 a\n    competing: []", "    until: 1 a\n    competing: [death]"),
    ]),
    ("unknown-level", "contradiction", [("of: [CR, PR]", "of: [CR, VGPR]")]),
    ("endpoint-rests-on-itself", "contradiction", [
        ("      start: 28 d\n", "      start: 28 d\n      after: pgf\n"),
    ]),
    ("anchor-unused", "remark", [
        ("  enrolment: {participant: enrolled", ("  diagnosis: {participant: diagnosed}\n"
         "  enrolment: {participant: enrolled")),
    ]),
    ("anchors-circular", "contradiction", [
        ("  enrolment: {participant: enrolled, label: enrolment}",
         ("  enrolment: {participant: enrolled, label: enrolment}\n"
         "  one: {anchor: two, plus: 3 d}\n  two: {anchor: one, plus: 4 d}")),
    ]),
    ("set-unused", "remark", [
        ("analysis_sets:\n", "analysis_sets:\n  everyone: {label: Everyone}\n"),
    ]),
    ("product-unused", "remark", [
        ("products:\n", ("products:\n  saline: {cells: none, tissue: none, "
         "donor: not applicable, placebo: true}\n")),
    ]),
    ("endpoint-in-no-analysis", "remark", [
        (CLEAN[CLEAN.index("  overall_survival:\n    label: Overall survival\n    role"):
               CLEAN.index("sharing:")], "\n"),
    ]),
    # analyses
    ("analysis-unlike-endpoint", "contradiction", [
        ("    estimate: survival\n    endpoint: overall_survival",
         "    estimate: survival\n    endpoint: platelet_response"),
    ]),
    ("analysis-after-follow-up", "contradiction", [("at: [1 a]", "at: [2 a]")]),
    ("survival-with-competing-events", "contradiction", [
        ("    until: 1 a\n    competing: []", "    until: 1 a\n    competing: [relapse]"),
    ]),
    ("comparison-without-groups", "contradiction", [
        ("of: [CR, PR]", "of: [CR, PR]\n    compare: [fisher]"),
    ]),
    ("by-arm-with-one-arm", "remark", [("of: [CR, PR]", "of: [CR, PR]\n    by: arm")]),
    ("no-primary-analysis", "gap", [("role: primary", "role: exploratory")]),
    ("several-primary-analyses", "gap", [("role: secondary", "role: primary")]),
    ("immortal-time", "gap", [
        ("    from: first_msc\n    until: 1 a", "    from: transplant\n    until: 1 a"),
    ]),
    # treatment
    ("product-tissue-differs", "contradiction", [
        ("as_written: bone-marrow-derived", "as_written: umbilical-cord-derived"),
    ]),
    ("product-tissue-not-stated", "gap", [("tissue: bone marrow", "tissue: not stated")]),
    ("phase-4-not-marketed", "contradiction", [('phase: "2"', 'phase: "4"')]),
    ("maximum-tolerated-dose", "contradiction", [
        ("label: Platelet response at 8 weeks", "label: Platelet response at the MTD"),
    ]),
    ("window-not-stated", "gap", [("window: [-1 d, +2 d]", "window: not stated")]),
    ("range-reversed", "contradiction", [("window: [-1 d, +2 d]", "window: [2 d, -1 d]")]),
    ("window-without-planned-day", "contradiction", [
        ("window: [-1 d, +2 d]", "window: [1 d, 2 d]"),
    ]),
    ("windows-overlap", "gap", [("window: [-1 d, +2 d]", "window: [-3 d, +4 d]")]),
    ("interval-not-stated", "gap", [("every: 7 d", "every: not stated")]),
    ("number-not-stated", "gap", [("times: 4", "times: not stated")]),
    ("weight-not-stated", "remark", [(MSC, "{per_kg: 1e6 /kg}")]),
    ("range-reversed", "contradiction", [(MSC, "{range_per_kg: [4e6 /kg, 1e6 /kg]}")]),
    ("trough-unit-differs", "remark", [
        ("    infuse:\n", ("    background:\n      - {drug: ciclosporin, dose: not stated, "
         "from: enrolment, for: 6 mo, trough: {low: 150, high: 250, unit: ng/mL, "
         "as_printed: 150-250 mg/dl}}\n    infuse:\n")),
    ]),
    ("trough-implausible", "contradiction", [
        ("    infuse:\n", ("    background:\n      - {drug: ciclosporin, dose: 5 mg/kg/d, "
         "from: enrolment, for: 6 mo, trough: {low: 150, high: 250, unit: ng/mL, "
         "as_printed: 150-250 mg/dl}}\n    infuse:\n")),
    ]),
    ("background-confounds", "remark", [
        ("    infuse:\n", ("    background:\n      - {drug: eltrombopag, dose: 50 mg/d, "
         "from: enrolment, for: 56 d, role: conventional}\n    infuse:\n")),
    ]),
    ("infusion-before-condition", "contradiction", [
        ("first: enrolment", "first: transplant"),
    ]),
    # design
    ("arms-against-design", "contradiction", [
        ("kind: single arm\n", ("kind: randomised\n  allocation: {method: blocks, ratio: [1], "
         "concealment: central}\n")),
    ]),
    ("participants-against-enrolment", "contradiction", [
        ("    participants: 30\n", "    participants: 28\n"),
    ]),
    ("enrolment-differs", "contradiction", [
        ("arms: 1, enrolment: 30", "arms: 1, enrolment: 40"),
    ]),
    ("arms-differ", "contradiction", [("arms: 1, enrolment: 30", "arms: 2, enrolment: 30")]),
    ("no-registration", "gap", [
        (CLEAN[CLEAN.index("  registrations:"):CLEAN.index("\ndesign:")], ""),
    ]),
    ("registered-retrospectively", "remark", [
        ("registered: prospectively", "registered: retrospectively"),
    ]),
    ("masking-not-stated", "gap", [("masking: open label", "masking: not stated")]),
    ("allocation-not-stated", "gap", [
        *TWO_ARMS, ("  monitoring:", "  allocation: {method: not stated}\n  monitoring:"),
    ]),
    ("ratio-against-arms", "contradiction", [
        *TWO_ARMS, (ALLOCATION[0], ALLOCATION[1].replace("[1, 1]", "[2, 1, 1]")),
    ]),
    ("blinding-without-comparator", "contradiction", [
        *TWO_ARMS, ALLOCATION, ("masking: open label", "masking: double blind"),
    ]),
    ("blinding-without-comparator", "contradiction", [
        ("masking: open label", "masking: double blind"),
    ]),
    ("blinding-not-stated", "gap", [
        *TWO_ARMS, (ALLOCATION[0], ALLOCATION[1].replace(", blinding: opaque bags", "")),
        ("masking: open label", "masking: double blind"),
        ("products:\n", ("products:\n  saline: {cells: none, tissue: none, "
         "donor: not applicable, placebo: true}\n")),
        ("    role: control\n", ("    role: placebo\n    infuse: [{product: saline, "
         "dose: {none: placebo}, first: enrolment, every: 7 d, times: 4, "
         "window: [-1 d, +2 d]}]\n")),
    ]),
    ("grade-without-scale", "gap", [
        ("grading: CTCAE v5.0", "grading: not stated"),
        ("endpoints:\n", ("endpoints:\n  toxicity:\n    label: Toxicity\n    from: first_msc\n"
         "    event_count: {events: any, grade_at_least: 3}\n")),
    ]),
    ("analysis-of-undefined-endpoint", "contradiction", [
        (CLEAN[CLEAN.index("    response:\n      levels"):CLEAN.index("    time_frame:")],
         "    not_defined: It is open.\n"),
    ]),
    ("scale-not-assessed", "gap", [graded("MAGIC_2016")]),
    ("item-not-assessed", "gap", [graded("MAGIC_2016"), at_week_8("skin_bsa, liver")]),
    ("graded-count-not-drawn", "gap", [graded("SAA_EBMT_2024"), at_week_8("cellularity")]),
    ("disease-in-two-tables", "remark", [
        graded("MAGIC_2016"),
        ("{definition: OS}", "{events: [acute_gvhd, death]}"),
    ]),
    ("individual-data-not-shared", "remark", [('individual_data: "yes"', 'individual_data: "no"')]),
]  # fmt: skip


@pytest.mark.parametrize(("rule", "weight", "edits"), RULES, ids=[rule for rule, _, _ in RULES])
def test_one_edit_brings_the_finding(tmp_path, rule, weight, edits):
    findings = check(tmp_path, *edits)
    assert rule in findings, sorted(findings)
    assert findings[rule].weight == weight


def test_randomised_open_trial_in_order_has_no_finding(tmp_path):
    assert check(tmp_path, *TWO_ARMS, ALLOCATION) == {}


def test_window_without_stated_edges_raises_no_other_finding(tmp_path):
    assert set(check(tmp_path, ("window: [-1 d, +2 d]", "window: not stated"))) == {
        "window-not-stated"
    }


def test_prevention_asks_nobody_to_have_the_condition(tmp_path):
    findings = check(
        tmp_path,
        ("cells for poor graft function after", ("cells for the prevention of poor graft function "
         "after")),
        ("text: Poor graft function after allogeneic transplantation\n", "text: Low counts\n"),
        ("rule: {endpoint: pgf, is: [event], before: enrolment}", "attested: true"),
        ("text: Severe acute GVHD that is not controlled", "text: Poor graft function"),
        ("first: enrolment", "first: transplant"),
    )  # fmt: skip
    assert not {
        "title-against-exclusion",
        "condition-without-criterion",
        "infusion-before-condition",
    } & set(findings)


@pytest.mark.parametrize(
    "text",
    [
        "Severe poor graft function with a CD34 boost within 4 weeks",
        "Donor lymphocytes for poor graft function",
        "Never diagnosed with poor graft function",
        "No poor graft function",
    ],
)
def test_exclusion_that_names_the_condition_in_passing(tmp_path, text):
    findings = check(tmp_path, ("text: Severe acute GVHD that is not controlled", f"text: {text}"))
    assert "title-against-exclusion" not in findings


@pytest.mark.parametrize(
    ("title", "inclusion", "clash"),
    [
        ("severe aplastic anaemia", "Non-severe aplastic anaemia", True),
        ("Severe Aplastic Anemia", "nonsevere aplastic anemia", True),
        ("SAA", "Moderate aplastic anaemia", True),
        ("non-severe aplastic anaemia", "severe aplastic anaemia", True),
        ("very severe aplastic anaemia", "non severe aplastic anaemia", True),
        ("severe aplastic anaemia", "Severe or very severe aplastic anaemia", False),
        ("severe aplastic anaemia", "Very severe aplastic anaemia", False),
        ("severe aplastic anaemia", "Severe or non-severe aplastic anaemia", False),
        ("severe aplastic anaemia", "No non-severe aplastic anaemia", False),
        ("severe aplastic anaemia", "Aplastic anaemia", False),
        ("aplastic anaemia", "Non-severe aplastic anaemia", False),
        ("non-severe aplastic anaemia", "Non-severe aplastic anaemia", False),
        ("severe aplastic anaemia", "Non-severe infection at most", False),
    ],
)
def test_title_and_inclusion(tmp_path, title, inclusion, clash):
    findings = check(
        tmp_path,
        ("cells for poor graft function after allogeneic transplantation", f"cells for {title}"),
        ("text: Poor graft function after allogeneic transplantation\n", f"text: {inclusion}\n"),
    )
    assert ("title-against-inclusion" in findings) == clash


def test_draws_too_short_for_the_rule(tmp_path):
    # 14 days of low counts from day 28 on need draws until day 42 at least
    old = "from: transplant, until: 100 d, on: [Mon, Thu]"
    start = "  - {analytes: [ANC, PLT, Hb], from: first_msc"
    drop = (start, start.replace("ANC, PLT, Hb", "PLT"))
    for last, cannot in ((41, True), (42, False)):
        findings = check(tmp_path, drop, (old, f"from: transplant, until: {last} d, on: daily"))
        where = [f.where for f in findings.values() if f.rule == "run-cannot-be-shown"]
        assert where == (["endpoints.pgf.cytopenia"] if cannot else [])


GRADINGS = {"scale-not-assessed", "item-not-assessed", "graded-count-not-drawn"}


@pytest.mark.parametrize(
    ("definition", "assessed", "missing"),
    [
        ("MAGIC_2016", "agvhd", None),
        ("MAGIC_2016", "Acute GVHD by organ", None),  # the outcome, and more words
        ("MAGIC_2016", "magic_2016", None),
        ("MAGIC_2016", "chronic GVHD", "the scale `agvhd`"),
        ("MAGIC_2016", "subacute GVHD", "the scale `agvhd`"),  # no word of its own
        ("MAGIC_2016", "skin, liver, upper_gi, lower_gi", None),  # stages as people record them
        ("MAGIC_2016", "Skin stage, Liver stage, upper GI, lower_gi", None),
        ("MAGIC_2016", "skin, upper_gi, lower_gi", "bilirubin"),
        ("MAGIC_2016", "skin, bilirubin, upper_gi_signs, lower_gi", None),
        ("KEYSTONE_1995", "skin, liver", "gut"),  # performance: silence has a meaning
        ("CTCAE_V5_ANC", "quality of life", None),  # a count and a column, nothing assessed
        ("SAA_NHLBI", "hypocellular", None),
    ],
)
def test_what_visits_assess_of_a_grading(tmp_path, definition, assessed, missing):
    drawn = ("analytes: [ANC, PLT, Hb]", "analytes: [ANC, PLT, Hb, ARC]")
    findings = check(tmp_path, graded(definition), at_week_8(assessed), drawn)
    found = [finding for rule, finding in findings.items() if rule in GRADINGS]
    assert len(found) == (missing is not None)
    if missing is not None:
        assert f"no planned visit assesses {missing}." in found[0].what
        assert found[0].where == "endpoints.severity.graded"


def test_counts_that_a_grading_reads_are_drawn(tmp_path):
    drawn = ("analytes: [ANC, PLT, Hb]", "analytes: [ANC, PLT, Hb, ARC]")
    edits = [graded("SAA_NHLBI"), at_week_8("hypocellular")]
    finding = check(tmp_path, *edits)["graded-count-not-drawn"]
    assert "reads reticulocytes, which no plan of draws names" in finding.what
    assert not GRADINGS & set(check(tmp_path, *edits, drawn))
