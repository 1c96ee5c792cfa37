"""What an analysis gives besides its estimates, in tables, texts, figures and JSON."""

import json
import re
from dataclasses import replace
from xml.etree import ElementTree as ET

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stromal.report.figures import plot_curves, plot_estimates, plot_thumbnail
from stromal.report.forest import plot_model, plot_subgroups
from stromal.report.html import render_report
from stromal.report.measures import as_limits, as_value, scale_of, scale_of_contrast
from stromal.report.result_tables import (
    tabulate_contrasts,
    tabulate_estimand,
    tabulate_means,
    tabulate_models,
    tabulate_multiplicity,
    tabulate_posteriors,
    tabulate_shown,
    tabulate_subgroups,
)
from stromal.report.results_json import results_to_json
from stromal.report.text import UNTESTED, describe_contrast, describe_headline, result_rows
from stromal.report.view import build_view
from support import made_results as made


def plain(text):
    return str(text).replace("\xa0", " ")


def cells(table):
    return [[plain(cell) for cell in row] for row in table.rows]


def texts(drawn):
    return [plain("".join(node.itertext())) for node in ET.fromstring(drawn).iter()  # noqa: S314
            if node.tag.endswith("text")]  # fmt: skip


@pytest.fixture(scope="module")
def view(demo_study):
    return replace(build_view(demo_study), results=made.all_results())


@pytest.fixture(scope="module")
def page(view):
    return render_report(view, individual=False)


@pytest.mark.by_hand
def test_a_difference_of_proportions_is_in_points_and_a_ratio_is_bare():
    (contrast,) = made.proportion().contrasts
    assert scale_of_contrast(contrast) == "points"
    assert plain(describe_contrast(contrast)) == (
        "Difference of proportions (MSC − Control): 20.0 points (−10.0 to 46.0 points; 95 % "
        "interval, Newcombe)"
    )
    difference, ratio = made.restricted_mean().contrasts
    assert plain(describe_contrast(difference)).endswith(
        "p = 0.021 (Wald test of restricted means)"
    )
    assert scale_of_contrast(difference) == "days"
    assert "(MSC / Control): 1.17 (1.02 to 1.34" in plain(describe_contrast(ratio))


@pytest.mark.parametrize(
    ("measure", "scale"),
    [
        ("difference of proportions", "points"),
        ("difference of the probability of response", "points"),
        ("difference of current survival", "points"),
        ("difference of the mean time in response", "days"),
        ("difference of restricted means", "days"),
        ("ratio of restricted means", "ratio"),
        ("odds ratio", "ratio"),
        ("rate ratio", "ratio"),
        ("difference of mean numbers of events", "number"),
    ],
)
def test_every_measure_has_its_scale(measure, scale):
    assert scale_of_contrast(made.Contrast(measure, "a", "b", made.estimate(0.5))) == scale


@given(st.floats(-1e6, 1e6), st.sampled_from(["percent", "points", "days", "number", "ratio"]))
def test_a_printed_number_is_close_to_itself(value, scale):
    said = plain(as_value(value, scale)).replace("−", "-").split()
    number = float(said[0])
    if len(said) > 2:
        return  # a power of ten, tested with as_number
    factor = 100 if scale in {"percent", "points"} else 1
    assert abs(number - factor * value) <= max(0.051, 0.006 * abs(factor * value))


def test_limits_name_an_open_end():
    assert plain(as_limits(None, 2.0, "ratio")) == "– to 2.00"
    assert as_limits(None, None, "days") == "–"


@pytest.mark.by_hand
def test_contrasts_stand_in_a_table():
    table = tabulate_contrasts(made.restricted_mean())
    assert table.columns == ("Measure", "Groups", "After", "Value", "95 % interval", "p", "Test")
    assert cells(table)[1] == [
        "Ratio of restricted means", "MSC / Control", "1 year", "1.17", "1.02 to 1.34 (log)",
        "0.021", "Wald test of restricted means",
    ]  # fmt: skip
    assert tabulate_contrasts(made.hazards()) is None


@pytest.mark.by_hand
def test_restricted_means_and_posteriors_stand_in_tables():
    table = tabulate_means(made.restricted_mean())
    assert table.caption == (
        "Mean time without the event up to 1 year (restricted mean survival time)"
    )
    assert cells(table)[0][:5] == ["MSC", "20", "8", "282.5 days", "12.3 days"]
    table = tabulate_posteriors(made.posterior())
    assert "prior beta(1, 1)" in cells(table)[0][-1]
    assert cells(table)[0][3:5] == ["55.0 %", "33.0 to 77.0 %"]


@pytest.mark.by_hand
def test_a_model_shows_ratios_and_how_it_was_fitted():
    (table,) = tabulate_models(made.hazards())
    assert table.columns[3:5] == ("Hazard ratio", "95 % interval")
    rows = cells(table)
    assert rows[0][0] == "arm: msc"
    assert rows[0][3:] == ["0.50", "0.28 to 0.90", "−2.31", "0.021"]  # log(0.5) / 0.3, exp(+-1.96)
    assert rows[2][1:] == ["–"] * 6
    assert "40 participants, 17 events; ties: efron; variance: model-based." in table.note
    assert "Likelihood ratio test: chi-square 6.5 on 2 df" in plain(table.note)
    assert "maximum" not in table.note


def test_a_model_that_did_not_converge_says_so_and_differences_have_no_ratio():
    models = (made.fitted(converged=False, scale="difference", method="random-effects model"),)
    (table,) = tabulate_models(replace(made.hazards(), models=models))
    assert "did not come to its maximum" in table.note
    assert "Difference" not in table.columns
    assert cells(table)[0][:4] == ["arm: msc", "−0.693", "0.3", "−1.28 to −0.11"]


def test_other_tables_keep_their_rows_and_their_sentence():
    shown = made.proportion().tables[0]
    table = tabulate_shown(shown)
    assert table.columns == ("Msc", "Control", "p")
    assert cells(table) == [["0", "0", "0.340"], ["1", "0", "< 0.001"]]
    assert table.note == "The test tips with 1 more response."


def test_subgroups_stand_below_the_whole_and_nothing_is_tested():
    tested = made.difference(0.3, -0.1, 0.6, p_value=0.01, test="a test")
    result = made.proportion()
    first = replace(result.subgroups[0], computed=replace(result.subgroups[0].computed,
                                                          contrasts=(tested,)))  # fmt: skip
    result = replace(result, subgroups=(first, *result.subgroups[1:]))
    table = tabulate_subgroups(result)
    heads = [row[0] for row in table.rows if len(row) == 1]
    assert heads == ["All", "Sex: female", "Sex: male", "Age group: over 40"]
    assert table.note == UNTESTED
    assert cells(table)[-1][-1] == "one arm only"
    said = [row for row in result_rows(made.Results("x", "0", None, (result,)))
            if row[1].startswith(("sex", "subgroups"))]  # fmt: skip
    assert said
    assert not any("p = " in plain(row) or "a test" in row[3] for row in said)
    assert not any("0.01" in cell for row in cells(table) for cell in row)


def test_multiplicity_says_what_was_not_reached():
    table = tabulate_multiplicity(made.all_results())
    assert cells(table) == [
        ["Platelet response", "Fisher's exact test", "0.012", "0.025", "yes"],
        ["Death by arm", "log-rank test", "–", "not computable", "no"],
    ]
    assert "two-sided alpha 0.05" in table.caption
    unreached = made.Adjusted("a", "b", 0.04, None, False)
    table = tabulate_multiplicity(replace(made.all_results(), multiplicity=(unreached,)))
    assert cells(table)[0][3] == "not reached"


def test_an_estimand_stands_above_its_result(page):
    assert tabulate_estimand(made.hazards()) is None
    assert page.index("What is estimated (the estimand)") < page.index("Result (proportion)")
    assert "composite: it is itself an event" in page


def test_a_withheld_estimand_is_told_in_words(page):
    assert "observation of all 3 participants who had it ends" in page
    assert describe_headline(made.withheld()).startswith("Not shown: observation of all 3")
    rows = result_rows(made.Results("x", "0", None, (made.withheld(),)))
    assert rows[-1][3].startswith("not shown: observation")


def test_headlines_say_contrasts_and_models():
    assert "hazard ratio 0.50 (0.28 to 0.90" in plain(describe_headline(made.hazards()))
    assert "Difference of restricted means" in describe_headline(made.restricted_mean())
    assert "mean 282.5 days up to 1 year" in plain(describe_headline(made.restricted_mean()))


def test_every_result_is_on_the_page_and_every_figure_is_well_formed(page, view):
    for result in view.results.results:
        assert f'id="result-{result.id}"' in page
    drawn = re.findall(r"<svg.*?</svg>", page, flags=re.DOTALL)
    # proportions, means over time, states; the models of two, the subgroups of one
    assert len(drawn) == 3 + 2 + 1
    for picture in drawn:
        ET.fromstring(picture)  # noqa: S314  (our own output)
    assert UNTESTED in page
    assert "Tests that share one error rate" in page
    ids = re.findall(r'\bid="([^"]+)"', page)
    assert len(ids) == len(set(ids))


def test_the_axis_of_mean_numbers_is_no_probability():
    drawn = texts(plot_curves(made.mean_events(), data=None, anchor="transplantation"))
    assert "Mean number of events" in drawn
    assert "3" in drawn
    assert "100" not in drawn
    assert not any("%" in said for said in drawn)
    small = texts(plot_thumbnail(made.mean_events(), data=None))
    assert "100" not in small
    assert plot_estimates(made.mean_events(), data=None) is None


def test_the_axis_of_states_says_in_the_state():
    drawn = texts(plot_curves(made.occupation(), data=None, anchor="x"))
    assert "In the state, %" in drawn
    assert scale_of(made.occupation().groups[0].estimates[0]) == "percent"


def test_forests_name_every_line_and_what_is_not_estimable():
    result = made.hazards()
    drawn = texts(plot_model(result, result.models[0], 0, data="teaching"))
    assert {"arm: msc", "age", "sex: male", "not estimable", "Hazard ratio"} <= set(drawn)
    assert "0.50 (0.28 to 0.90)" in drawn
    assert "TEACHING DATA, not observed" in drawn
    few = replace(result.models[0], coefficients=result.models[0].coefficients.head(1))
    assert plot_model(result, few, 0, data=None) is None


def test_a_forest_of_subgroups_has_the_whole_on_top():
    drawn = texts(plot_subgroups(made.proportion(), data=None))
    names = [said for said in drawn if said in {"All", "Sex", "female", "male", "over 40"}]
    assert names == ["All", "Sex", "female", "male", "over 40"]
    assert "one arm only" in drawn
    assert any(said.startswith("10.0 points (– to 50.0") for said in drawn)
    assert plot_subgroups(made.hazards(), data=None) is None


@pytest.mark.parametrize("high", [1e-9, 3.0, 1e12])
def test_a_forest_survives_limits_that_run_away(high):
    frame = made.fitted().coefficients.with_columns(high=high)
    model = made.fitted()
    drawn = plot_model(made.hazards(), replace(model, coefficients=frame), 0, data=None)
    ET.fromstring(drawn)  # noqa: S314  (our own output)
    assert "nan" not in drawn.lower().replace("nanu", "")


def test_json_holds_everything_new_and_no_nan(view):
    content = results_to_json(view, individual=False)
    text = json.dumps(content, allow_nan=False)
    by_id = {result["id"]: result for result in json.loads(text)["results"]}
    covariance = by_id["death_by_arm"]["models"][0]["covariance"]
    assert covariance[0][0] == pytest.approx(0.09)
    assert covariance[2][2] is None
    assert by_id["platelet_response"]["subgroups"][0]["computed"]["contrasts"]
    assert "values" not in by_id["platelet_response"]["subgroups"][0]["computed"]["groups"][0]
    assert content["multiplicity"][0]["adjusted"] == 0.0246
    assert np.isfinite(by_id["months_alive"]["groups"][0]["mean"]["value"])


def test_changes_from_baseline_are_said_by_visit():
    frame = pl.DataFrame({
        "arm": ["all", "all"], "visit": ["month_2", "month_4"], "measured": [10, 8],
        "mean": [40.4, None], "low": [16.6, None], "high": [64.2, None],
    })  # fmt: skip
    shown = made.Shown("PLT: change from baseline", frame, "Of those measured at both times.")
    group = made.Group("all", "All", 12, {})
    result = made.result("platelets", "change", groups=(group,), tables=(shown,))
    assert describe_headline(result) == (
        "month 2: mean change 40.40 (16.60 to 64.20) of 10 measured. month 4: mean change – (–) of "
        "8 measured."
    )
    rows = [row[3] for row in result_rows(made.Results("x", "0", None, (result,)))]
    assert "all, month_2: measured 10, mean 40.4, low 16.6, high 64.2" in rows
    assert rows[-1] == "Of those measured at both times."
