"""Statistical figures: what they show, that they are SVG, that they do not change by themselves."""

import re
from dataclasses import replace
from xml.etree import ElementTree as ET

import pytest

from stromal.report.figures import plot_curves, plot_estimates, plot_thumbnail
from stromal.report.view import build_view

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module")
def results(demo_study):
    return {result.id: result for result in build_view(demo_study).results.results}


def texts(drawn):
    return ["".join(n.itertext()) for n in ET.fromstring(drawn).iter(f"{SVG}text")]  # noqa: S314


@pytest.mark.parametrize("plot", [plot_estimates, plot_thumbnail])
def test_estimates_are_drawn_once_and_for_all(results, plot):
    drawn = plot(results["platelet_response"], data="teaching")
    assert drawn == plot(results["platelet_response"], data="teaching")
    assert not re.search(r"\d{4}-\d\d-\d\dT", drawn)
    assert drawn.startswith("<svg")


def test_curves_do_not_change_by_themselves(results):
    first = plot_curves(results["overall_survival"], data=None, anchor="transplantation")
    assert first == plot_curves(results["overall_survival"], data=None, anchor="transplantation")


def test_estimates_are_written_beside_their_lines(results):
    shown = texts(plot_estimates(results["platelet_response"], data=None))
    assert "20.0 % (0.5 to 71.6 %)" in shown
    assert "MSC with best available care" in shown


def test_numbers_at_risk_stand_below_the_curves(results):
    result = results["overall_survival"]
    shown = texts(plot_curves(result, data=None, anchor="transplantation"))
    assert "Participants at risk" in shown
    assert "Months from transplantation" in shown
    first = [group.curve.frame["at_risk"][0] for group in result.groups]
    assert first == [5, 6]
    assert all(str(n) in shown for n in first)


def test_a_reconstruction_gives_numbers_at_risk_only_where_they_are_meant(results):
    result = results["overall_survival"]

    def written(data):
        shown = texts(plot_curves(result, data=data, anchor="transplantation"))
        below = shown[shown.index("Participants at risk") + 1 :]
        return [text for text in below if text.isdigit()]

    # day 0, day 100 and 1 year in each of two arms
    assert len(written("reconstruction")) == 6
    assert len(written("observed")) > 6


@pytest.mark.parametrize(
    ("data", "stamp"),
    [("reconstruction", "RECONSTRUCTION"), ("synthetic", "SYNTHETIC"), ("teaching", "TEACHING")],
)
def test_what_was_not_observed_is_stamped(results, data, stamp):
    curves = plot_curves(results["overall_survival"], data=data, anchor="x")
    estimates = plot_estimates(results["platelet_response"], data=data)
    for drawn in (curves, estimates):
        assert any(stamp in text for text in texts(drawn))
    observed = plot_curves(results["overall_survival"], data="observed", anchor="x")
    assert not any("not observed" in text for text in texts(observed))


def test_without_curves_and_estimates_there_is_no_figure(results):
    nothing = replace(results["platelet_response"], groups=())
    assert plot_curves(nothing, data=None, anchor="x") is None
    assert plot_estimates(nothing, data=None) is None
    assert plot_thumbnail(nothing, data=None) is None


def test_a_label_with_markup_stays_text(results):
    result = results["platelet_response"]
    groups = tuple(replace(g, label=f"<b>{g.label}&$x^2$") for g in result.groups)
    drawn = plot_estimates(replace(result, groups=groups, label="<script>"), data=None)
    assert any(text.startswith("<b>") for text in texts(drawn))
    assert "<script" not in drawn
