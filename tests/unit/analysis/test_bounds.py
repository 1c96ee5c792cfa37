"""Curves of the earliest and the latest days beside the main one, by hand, up to the report."""

import json

import pytest

from stromal.analysis.analyze import analyze
from stromal.core import UsageError
from stromal.endpoints import derive_all
from stromal.protocol import read_protocol
from stromal.records import read_records
from stromal.report.figures import plot_curves
from stromal.report.results_json import plain
from support.derived import counts, study_of

pytestmark = pytest.mark.by_hand

ANC = """\
  anc:
    label: Neutrophils
    recovery: {analyte: ANC, at_least: 0.5 10*9/L, run: 3, of: values on different days,
               largest_gap: none, after: {nadir_within: 28 d}}
    from: transplant
    competing: [death]
"""
OS = "  os: {label: OS, time_to_event: {definition: OS}, from: transplant, competing: []}\n"
INCIDENCE = """\
analyses:
  recovery: {label: Recovery, role: secondary, set: all, endpoint: anc, at: [5 d, 7 d, 9 d],
             estimate: cumulative incidence, variance: greenwood, interval: log-log,
             confidence: 0.95, with_bounds: true}
"""
SURVIVAL = """\
analyses:
  recovery: {label: Recovery, role: secondary, set: all, endpoint: %s, at: [7 d],
             estimate: survival, interval: log-log, confidence: 0.95, with_bounds: true}
"""
# P1 has one day, 7. P2: day 6, from 5 to 9. P3: day 6, from 5; at the latest it is not shown, and a
# run could begin up to day 11.
# P4 dies on day 6 without it; its counts of day 5 fail.
ROWS = [
    *counts({6: 0.1, 7: 0.6, 8: 0.6, 9: 0.6}),
    *counts({4: 0.1, 6: 0.6, 7: 0.6, 9: 0.6, 10: 0.6, 11: 0.6}, participant="P2"),
    *counts({8: 3.0}, "WBC", participant="P2"),
    *counts({4: 0.1, 6: 0.6, 7: 0.6, 9: 0.6}, participant="P3"),
    *counts(dict.fromkeys([8, 11, 12, 13], 3.0), "WBC", participant="P3"),
    *counts({4: 0.1, 5: 0.2}, participant="P4"),
]


def analysed(tmp_path, analyses, endpoints=ANC):
    study_of(
        tmp_path, endpoints, people=[{}] * 4, measurements=[dict(row) for row in ROWS],
        events=[{"participant_id": "P4", "day": 6, "event": "death"}],
    )  # fmt: skip
    file = tmp_path / "protocol.yaml"
    text = file.read_text("utf-8").replace("sharing:", f"{analyses}sharing:")
    file.write_text(text, encoding="utf-8")
    protocol = read_protocol(tmp_path)
    return analyze(derive_all(protocol, read_records(tmp_path, protocol)))


def test_three_curves_of_one_incidence(tmp_path):
    """Derived 7, 6, 6, death 6; low 7, 5, 5, death 6; high 7, 9, censored 11, death 6.

    Derived: two of four on day 6 and one of the remaining on day 7: 0, 3/4, 3/4.
    Low: two of four on day 5, death on 6, the last on 7: 2/4, 3/4, 3/4.
    High: death on 6, on day 7 one of three: 3/4 x 1/3 = 1/4, on day 9 one of two: 1/4 more.
    """
    group = analysed(tmp_path, INCIDENCE).results[0].groups[0]
    assert [estimate.value for estimate in group.estimates] == pytest.approx([0, 0.75, 0.75])
    low, high = group.bounds
    assert (low.days, high.days) == ("low", "high")
    assert [estimate.value for estimate in low.estimates] == pytest.approx([0.5, 0.75, 0.75])
    assert [estimate.value for estimate in high.estimates] == pytest.approx([0, 0.25, 0.5])
    assert {curve.n for curve in (group.curve, low.curve, high.curve)} == {4}


def test_a_survival_has_three_medians(tmp_path):
    """Derived 7, 6, 6; low 7, 5, 5; high 7, 9, 11+; the fourth is censored before all of them."""
    endpoints = ANC.replace("[death]", "[]")
    group = analysed(tmp_path, SURVIVAL % "anc", endpoints).results[0].groups[0]
    low, high = group.bounds
    assert (group.median.value, low.median.value) == (6, 5)
    assert high.median.value == 9  # 2/3 after day 7, 1/3 after day 9
    assert low.estimates[0].value <= group.estimates[0].value <= high.estimates[0].value


def test_an_endpoint_without_bounds_is_refused(tmp_path):
    with pytest.raises(UsageError, match="with_bounds"):
        analysed(tmp_path, SURVIVAL % "os", ANC + OS)


def test_the_bounds_are_written_and_drawn(tmp_path):
    (result,) = analysed(tmp_path, INCIDENCE).results
    written = json.loads(json.dumps(plain(result)))["groups"][0]["bounds"]
    assert [bound["days"] for bound in written] == ["low", "high"]
    assert written[1]["curve"]["frame"][-1]["estimate"] == pytest.approx(0.5)
    assert written[1]["estimates"][1]["value"] == pytest.approx(0.25)
    with_lines = plot_curves(result, data="observed", anchor="transplantation")
    assert "opacity: 0.55" in with_lines


def test_without_the_key_there_is_one_curve(tmp_path):
    results = analysed(tmp_path, INCIDENCE.replace(", with_bounds: true", "")).results
    assert results[0].groups[0].bounds == ()
    assert "opacity: 0.55" not in plot_curves(results[0], data="observed", anchor="it")
