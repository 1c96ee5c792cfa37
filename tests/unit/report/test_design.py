"""Virtual trials in the report: what is read, what is drawn, what is told."""

import copy
import json
import re
from itertools import combinations
from pathlib import Path
from xml.etree import ElementTree as ET

import matplotlib as mpl
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.text import Text

from stromal.cli import main
from stromal.core import ProtocolError, UsageError
from stromal.design.characteristics import EFFECT_IS_ASSUMED, operating_characteristics
from stromal.report import design
from stromal.report.design import MOST_VARIANTS, draw_power
from stromal.report.design_content import SIMULATED_FILE, Assumed, Simulated, read_simulated
from stromal.report.design_tables import show_design
from stromal.report.design_words import (
    describe_budget,
    describe_decision,
    describe_effect,
    describe_undefined,
    undefined_variants,
)
from stromal.report.figures import SETTINGS
from stromal.report.html import render_report
from stromal.report.view import build_view
from support.design_content import (
    DEFINITIONS,
    MEASURED,
    RATES,
    content_of,
    figure,
    grid_content,
    single_content,
)
from support.virtual_trials import NO_TALLIES, against_p0, proportion, trials_of, truths_of

LONG = "{} blood drawn on the ward every day until discharge, then twice a week in the clinic"
NEVER = ("calendar days, Mon, Wed, Fri", "calendar days, weekly")


def two_arms():
    """A run of two arms without a grid."""
    content = single_content()
    content["decision"] |= {"test": "fisher", "p0": None, "control": "usual",
                            "experimental": "msc"}  # fmt: skip
    content["critical_numbers"] = None
    for cell in content["cells"]:
        usual = copy.deepcopy(cell["arms"][0]) | {"arm": "usual", "success_rate": figure(0.26)}
        cell["arms"].append(usual)
    content["rates"][0] |= {"null_rate": figure(0.26), "nominal_at": None}
    return content


def of_times():
    """Two arms decided by the times of events."""
    content = two_arms()
    content["decision"] |= {"test": "gray", "side": "less"}
    content["analysis"] |= {"estimate": "cumulative incidence", "of": ["event"], "day": 731,
                            "label": "Incidence of chronic GVHD", "interval": "linear"}  # fmt: skip
    content["cells"][0]["undecidable"] = 3
    return content


def of_three_axes():
    """Long names, words that no line can break, an axis between, numbers that are not known."""
    unbroken = "Unbrokenwordthatislongerthananycolumnofthefigurecouldeverhold"
    axes = {
        "definition_of_response": [LONG.format("A"), LONG.format("B"), unbroken],
        "site": ["north", "south"],
        "measurement": [LONG.format("C"), "x", unbroken],
    }

    def rates(key):
        unknown = key[1:] == ("north", "x")
        return (None,) * 4 if unknown else (0.4, 0.8, 0.3, 0.04)

    return content_of(axes, rates, scenarios=("weak", "strong"), study="a-long-study-name-" * 4)


def many(number, *, axis="draws"):
    return content_of({axis: [f"plan {k}" for k in range(number)]}, lambda _: (0.4, 0.8, 0.3, 0.04))


CONTENTS = {
    "grid": grid_content,
    "single": single_content,
    "twelve rows": lambda: many(12),
    "twelve marks a row": lambda: content_of(
        {"rule": [f"rule {k}" for k in range(12)], "draws": ["daily", "weekly"]},
        lambda _: (0.4, 0.8, 0.3, 0.04),
    ),
    "three axes": of_three_axes,
    "two arms": two_arms,
    "times": of_times,
}


@pytest.fixture(scope="module", params=CONTENTS)
def content(request):
    return CONTENTS[request.param]()


def texts_of(drawn):
    """The texts of an SVG file."""
    root = ET.fromstring(drawn)  # noqa: S314  (our own output)
    space = "{http://www.w3.org/2000/svg}"
    return ["".join(found.itertext()) for found in root.iter(f"{space}text")]


# --- the figure ------------------------------------------------------------------------------


def test_every_label_and_the_warnings_stand_in_the_figure_as_text():
    said = texts_of(draw_power(grid_content(), kind="svg"))
    for label in (*DEFINITIONS, *MEASURED, "Power", "Actual alpha", "Success rate", "definition: ",
                  "Virtual participants (synthetic)",
                  "The effect of MSC in each scenario is an assumption."):  # fmt: skip
        assert label in said
    shown = [rate for key, rates in RATES.items() for rate in rates[1:]
             if ", ".join(key) not in NEVER]  # fmt: skip
    for rate in shown:
        assert f"{100 * rate:.1f} %" in said


def test_the_effect_is_told_to_be_an_assumption_in_the_words_of_every_result():
    content = grid_content()
    content["statements"][0] = EFFECT_IS_ASSUMED
    said = " ".join(texts_of(draw_power(content, kind="svg")))
    assert EFFECT_IS_ASSUMED in said


def test_no_text_touches_another_or_leaves_the_figure(content):
    simulated = Simulated.of(content)
    with mpl.rc_context(SETTINGS):
        drawn = design._figure(simulated)
        FigureCanvasAgg(drawn).draw()
        shown = [one for one in drawn.findobj(Text) if one.get_text().strip()
                 and one.get_visible()]  # fmt: skip
        boxes = [(one.get_text(), one.get_window_extent()) for one in shown]
    width, height = drawn.bbox.width, drawn.bbox.height
    outside = [text for text, box in boxes
               if box.x0 < 0 or box.y0 < 0 or box.x1 > width or box.y1 > height]  # fmt: skip
    touching = [
        (one, other)
        for (one, a), (other, b) in combinations(boxes, 2)
        if min(a.x1, b.x1) - max(a.x0, b.x0) > 0.5 and min(a.y1, b.y1) - max(a.y0, b.y0) > 0.5
    ]
    assert not outside
    assert not touching


def test_the_same_content_gives_the_same_bytes():
    for kind, begins in (("svg", b"<?xml"), ("png", b"\x89PNG"), ("pdf", b"%PDF")):
        drawn = draw_power(grid_content(), kind=kind)
        assert drawn.startswith(begins)
        assert drawn == draw_power(grid_content(), kind=kind)


def test_what_is_not_known_is_told_and_has_no_mark():
    said = texts_of(draw_power(of_three_axes(), kind="svg"))
    # three definitions at one place: power of two scenarios, alpha, success rate
    assert said.count("not known") == 3 * 4


def test_a_power_that_the_draws_cannot_show_is_no_power_of_0():
    said = texts_of(draw_power(grid_content(scenarios=("weak", "assumed")), kind="svg"))
    assert said.count("no defined power") == 2 * len(NEVER)
    assert said.count("–") == 2 * len(NEVER)


def test_without_a_grid_the_scenarios_are_the_rows():
    said = texts_of(draw_power(single_content(), kind="svg"))
    for label in ("no effect of MSC (null)", "assumed", "Trials that reject", "93.0 %", "1.5 %"):
        assert label in said
    assert "Power" not in said


def test_the_axes_are_taken_from_the_variants_where_the_file_has_none():
    content = grid_content()
    without = {key: value for key, value in content.items() if key != "axes"}
    assert draw_power(without, kind="svg") == draw_power(content, kind="svg")


def test_the_order_of_levels_is_that_of_the_axes():
    content = grid_content()
    content["axes"]["measurement"] = MEASURED[::-1]
    said = texts_of(draw_power(content, kind="svg"))
    assert [one for one in said if one in MEASURED] == MEASURED[::-1]


def test_two_arms_without_a_grid_have_a_panel_each():
    said = texts_of(draw_power(two_arms(), kind="svg"))
    assert "measured and latent, MSC" in said
    assert "measured and latent, usual" in said
    assert {"26.0 %", "48.0 %"} <= set(said)


def test_an_event_is_not_called_a_success():
    content = single_content()
    content["analysis"]["of"] = ["event"]
    said = texts_of(draw_power(content, kind="svg"))
    assert "Share with the event" in said
    assert "Success rate" not in said


def test_a_name_cannot_act_in_the_figure():
    hostile = '<script>alert("x")</script>'
    drawn = draw_power(content_of({"draws": [hostile, "b"]}, lambda _: (0.4, 0.8, 0.3, 0.04)),
                       kind="svg")  # fmt: skip
    assert b"<script" not in drawn
    ET.fromstring(drawn)  # noqa: S314  (our own output)


def test_too_many_variants_and_other_kinds_are_refused():
    with pytest.raises(UsageError, match=f"at most {MOST_VARIANTS}"):
        draw_power(many(MOST_VARIANTS + 1), kind="png")
    with pytest.raises(UsageError, match=r"\.svg, \.png or \.pdf; got `gif`"):
        draw_power(grid_content(), kind="gif")


# --- reading ---------------------------------------------------------------------------------


def characteristics():
    """What the evaluation itself gives of a few made-up trials."""
    counts = [[26, 27, 10, 18], [30, 31, 27, 26]]
    trials = trials_of(counts, 68)
    return operating_characteristics(trials, NO_TALLIES, truths_of([270, 290], 1000),
                                     decision=against_p0(), analysis=proportion(),
                                     banked=None)  # fmt: skip


def test_what_the_evaluation_writes_is_read_back_as_it_was():
    found = characteristics()
    (variant,) = {cell.variant for cell in found.cells}
    first = single_content()
    content = {
        **{key: first[key] for key in ("study", "data", "seed", "trials", "parameter_sets",
                                       "calibrated", "bank", "checksum")},
        "variants": [{"variant": variant, "levels": {}, "protocol_version": "a" * 64}],
        "scenarios": [one for one in first["scenarios"] if one["scenario"] == "null"],
        **found.to_json(),
    }  # fmt: skip
    read = Simulated.of(json.loads(json.dumps(content)))
    assert tuple(read.cells) == found.cells
    assert tuple(read.rates) == found.rates
    assert read.decision == found.decision
    assert "27 successes on" in describe_decision(read)
    assert draw_power(content, kind="svg")


def broken(change):
    content = grid_content()
    change(content)
    return content


def test_a_decision_on_times_is_told_with_its_curve_and_its_level(view):
    content = of_times()
    simulated = Simulated.of(content)
    said = describe_decision(simulated)
    assert said == (
        "Incidence of chronic GVHD: the trial rejects by Gray’s test of MSC against usual over "
        "all the time observed (one-sided, alpha 0.025) for fewer events than expected with MSC. "
        "It has no critical number: it depends on when events come."
    )
    section = show_design(view, simulated)
    rejecting, _, estimates = section.tables
    assert estimates.columns[1] == "Cumulative incidence at day 731"
    assert "of cumulative incidence at day 731; a truth is that curve" in estimates.note
    assert "In 3 of all trials the test could not be computed" in rejecting.note
    assert "an asymptotic test keeps in large trials" in rejecting.note
    assert "Incidence at day 731" in texts_of(draw_power(content, kind="svg"))


def test_nobody_with_the_event_is_told_of_an_incidence_and_not_of_survival():
    content = of_times()
    for cell in content["cells"]:
        cell["rejecting"] = figure(0.0)
        for arm in cell["arms"]:
            arm["success_rate"] = figure(0.0)
    assert "no virtual participant has the event" in describe_undefined(Simulated.of(content))
    content["analysis"]["estimate"] = "survival"
    content["decision"]["test"] = "log-rank"
    simulated = Simulated.of(content)
    assert describe_undefined(simulated) == ""
    assert "the log-rank test of MSC" in describe_decision(simulated)


@pytest.mark.parametrize(("change", "told"), [
    (lambda c: c["analysis"].update(day=50), "`binomial` is on a proportion"),
    (lambda c: c["analysis"].update(estimate="survival"), "`binomial` is on a proportion"),
    (lambda c: c.pop("cells"), "cells: field required"),
    (lambda c: c.update(cells=[]), "each scenario under each variant once"),
    (lambda c: c["cells"].append(c["cells"][0]), "each scenario under each variant once"),
    (lambda c: c.update(cells=7), "cells: input should be a valid list"),
    (lambda c: c.update(data="observed"), "input should be 'synthetic'"),
    (lambda c: c["cells"][0]["rejecting"].update(value=1.7), "a share is a number from 0 to 1"),
    (lambda c: c["cells"][0]["rejecting"].update(value="much"), "cells.0.rejecting.value"),
    (lambda c: c["cells"][0].update(arms=[]), "lacks an arm"),
    (lambda c: c["rates"].pop(), "`rates` holds not each variant once"),
    (lambda c: c["axes"].update(measurement=["daily"]), "do not lie on the axes"),
    (lambda c: c["variants"][0].update(levels={}), "not those of the axes"),
    (lambda c: c["decision"].update(p0=None), "`binomial` compares one arm"),
    (lambda c: c.update(statements=[]), "statements"),
    (lambda c: c.update(trials=0), "trials: input should be greater"),
])  # fmt: skip
def test_a_malformed_file_is_a_fault_with_a_remedy(tmp_path, change, told):
    (tmp_path / SIMULATED_FILE).write_text(json.dumps(broken(change)), encoding="utf-8")
    with pytest.raises(ProtocolError) as caught:
        read_simulated(tmp_path)
    message = str(caught.value)
    assert told in message
    assert message.startswith(SIMULATED_FILE)
    assert "stromal simulate" in message
    assert caught.value.faults


@pytest.mark.parametrize(("written", "told"), [
    (b"", "is no JSON"),
    (b'{"study": ', "is no JSON"),
    (b"[]", "holds no mapping"),
    (b"\xff\xfe", "UTF-8"),
    (b'{"seed": NaN}', "`NaN` is no number"),
    (b'{"seed": 1e999}', "`1e999` is no number"),
    (b"[" * 100_000, "is no JSON that can be used"),
])  # fmt: skip
def test_a_file_that_is_no_json_is_a_fault_with_a_remedy(tmp_path, written, told):
    (tmp_path / SIMULATED_FILE).write_bytes(written)
    with pytest.raises(ProtocolError, match="Write it anew") as caught:
        read_simulated(tmp_path)
    assert told in str(caught.value)


def test_a_folder_instead_of_the_file_is_told(tmp_path):
    (tmp_path / SIMULATED_FILE).mkdir()
    with pytest.raises(ProtocolError, match="cannot be read"):
        read_simulated(tmp_path)


def test_a_study_without_the_file_has_none(tmp_path):
    assert read_simulated(tmp_path) is None


# --- words -----------------------------------------------------------------------------------


def test_the_rule_is_told_with_its_critical_numbers():
    content = grid_content()
    content["critical_numbers"] += [
        {"n": 66, "rejects_from": 26, "rejects_up_to": None, "nominal_alpha": 0.017},
        {"n": 40, "rejects_from": None, "rejects_up_to": None, "nominal_alpha": 0.0},
    ]
    said = describe_decision(Simulated.of(content)).replace("\u00a0", " ")
    assert said == (
        "Platelet response (counted: CR or PR): the trial rejects a success rate of 27.0 % upwards "
        "by the exact binomial test (one-sided, alpha 0.025): with 68 analysed from 27 successes "
        "on; with 40 analysed never."
    )
    content["decision"]["side"] = "two-sided"
    content["critical_numbers"] = [{"n": 68, "rejects_from": 27, "rejects_up_to": 10,
                                    "nominal_alpha": 0.03}]  # fmt: skip
    assert "with 68 analysed from 27 successes on and up to 10." in describe_decision(
        Simulated.of(content)
    )


def test_two_arms_have_no_critical_number():
    said = describe_decision(Simulated.of(two_arms()))
    assert "Fisher’s exact test of MSC against usual" in said
    assert "above the control’s" in said
    assert "successes of both arms" in said


def assumed(scenario="assumed", spells=(), **msc):
    return Assumed.model_validate({"scenario": scenario, "text": "", "version": "", "msc": msc,
                                   "spells": list(spells)})  # fmt: skip


def test_effects_are_told_as_assumed():
    said = describe_effect(assumed(effect=0.02, delay="3 d", responders=0.5))
    assert "adds 0.02 a day" in said
    assert "from 3 days after an infusion, in 50.0\u00a0% of participants." in said
    gvhd = {"name": "chronic_gvhd", "rate": 0.01, "until": "2 a", "lasting": "90 d"}
    both = [gvhd | {"msc_ratio": 0.5}, gvhd | {"name": "cmv"}]
    assert describe_effect(assumed("null", both, effect=0)) == "MSC have no effect."
    assert describe_effect(assumed("weak", both, effect=0, delay="3 d")) == (
        "MSC add nothing to the repair of the niche. At full MSC support chronic GVHD begins 0.5 "
        "times as often."
    )


def test_one_uncalibrated_set_is_told():
    content = grid_content() | {"calibrated": False, "parameter_sets": 1, "trials": 1}
    said = describe_budget(Simulated.of(content))
    assert said.startswith("1 virtual trial of each scenario")
    assert "one parameter set (not calibrated)" in said


def test_the_wording_has_no_defined_power_where_nobody_can_succeed():
    simulated = Simulated.of(grid_content())
    assert [name for name, _ in undefined_variants(simulated)] == list(NEVER)
    said = describe_undefined(simulated).replace("\u00a0", " ")
    assert "Under “calendar days, Mon, Wed, Fri”, “calendar days, weekly”" in said
    assert "up to 48.0 % do" in said
    assert (
        "A protocol that says “N consecutive days” without a rule for days without a count has no "
        "defined power when blood is not drawn daily."
    ) in said


@pytest.mark.parametrize("change", [
    lambda arm: arm["success_rate"].update(value=0.001),
    lambda arm: [truth["rate"].update(value=0.0) for truth in arm["truths"]],
    lambda arm: arm.update(truths=[]),
    lambda arm: arm["success_rate"].update(value=None),
])  # fmt: skip
def test_a_low_power_is_a_power(change):
    content = grid_content()
    for cell in content["cells"]:
        if cell["variant"] in NEVER:
            change(cell["arms"][0])
    assert describe_undefined(Simulated.of(content)) == ""


# --- the section -----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def view(demo_study):
    return build_view(demo_study)


def section_of(page):
    found = re.search(r'<section id="design">.*?</section>', page, flags=re.DOTALL)
    return found.group().replace("\u00a0", " ") if found else ""


def test_the_section_shows_what_the_file_says(view):
    study, version = view.protocol.study.id, view.version
    simulated = Simulated.of(grid_content(study=study, version=version))
    page = render_report(view, simulated=simulated)
    shown = section_of(page)
    assert 'href="#design"' in page
    assert shown.count("SYNTHETIC DATA, not observed") == 1 + 3 + 1  # heading, tables, listing
    assert "<svg" in shown
    for said in (
        "The effect of MSC in each scenario is an assumption.", "A second one.", "seed 7",
        "250 people", "A ward that draws blood daily.", "with 68 analysed from 27 successes on",
        "93.0 ± 0.8 %", "4.2 ± 0.8 %", "1.5 ± 0.0 %",  # power, actual and nominal alpha
        "34.0 ± 0.8 %", "not defined",  # null rate; power of what cannot be shown
        "68.0 ± 0.0", "14.7 ± 0.2", "1.51 ± 0.01",  # size, screened, 553 days in years
        "−1.0 ± 0.4", "latent", "measured daily", "94.0 ± 0.8 %",  # bias 0.47 - 0.48; coverage
        "has no defined power when blood is not drawn daily",
        f"Simulated from the protocol of this folder ({version[:12]}).",
    ):  # fmt: skip
        assert said in shown, said
    assert page == render_report(view, simulated=simulated)


def test_a_report_without_the_file_has_no_section(view):
    page = render_report(view)
    assert section_of(page) == ""
    assert 'href="#design"' not in page


def test_results_of_another_study_and_protocol_are_told(view):
    shown = section_of(render_report(view, simulated=Simulated.of(grid_content(study="other"))))
    assert "These are not results of this study" in shown
    assert "“other”" in shown
    assert "The file was made for amended protocols" in shown
    assert "aaaaaaaaaaaa" in shown
    assert view.version[:12] in shown


def test_variants_that_amend_the_protocol_are_told_apart(view):
    content = grid_content(study=view.protocol.study.id)
    content["variants"][0]["protocol_version"] = view.version
    shown = section_of(render_report(view, simulated=Simulated.of(content)))
    assert "is that of “calendar days, daily”; the other variants amend it." in shown
    assert "not results of this study" not in shown


def test_two_arms_are_shown_apart(view):
    made = show_design(view, Simulated.of(two_arms()))
    power, sizes, estimates = made.tables
    assert sizes.rows[1][2].replace("\u00a0", " ") == "68.0 ± 0.0 / 68.0 ± 0.0"
    assert [row[2] for row in estimates.rows if len(row) > 1][:4] == [
        "MSC, latent", "MSC, measured daily", "usual, latent", "usual, measured daily",
    ]  # fmt: skip
    assert "Nominal alpha" in power.columns


def test_a_long_rule_is_listed_and_a_large_grid_has_tables_only(view):
    content = many(MOST_VARIANTS + 1)
    content["critical_numbers"] = [
        {"n": n, "rejects_from": n - 40, "rejects_up_to": None, "nominal_alpha": 0.02}
        for n in range(60, 70)
    ]
    made = show_design(view, Simulated.of(content))
    assert made.picture is None
    assert made.critical is not None
    assert len(made.critical.rows) == 10
    assert len([row for row in made.tables[0].rows if len(row) > 1]) == MOST_VARIANTS + 1


# --- what was not observed -------------------------------------------------------------------


def test_every_printed_page_of_virtual_participants_is_stamped(tmp_path, demo_module):
    study = demo_module.write_study(tmp_path / "virtual", demo_module.demo_tables(),
                                    data="synthetic")  # fmt: skip
    page = render_report(build_view(study))
    assert '<p class="running" aria-hidden="true">SYNTHETIC DATA, not observed</p>' in page
    assert '@top-center { content: "SYNTHETIC DATA, not observed"' in page
    printed = re.search(r"\.running \{([^}]*position: fixed[^}]*)\}", page)
    assert printed is not None
    assert "display: block" in printed.group(1)


def test_observed_participants_are_not_stamped(tmp_path, demo_module):
    study = demo_module.write_study(tmp_path / "observed", demo_module.demo_tables(),
                                    data="observed")  # fmt: skip
    page = render_report(build_view(study))
    assert 'class="running"' not in page
    assert "@top-center" not in page


def test_virtual_participants_may_leave_a_trial_that_shares_nothing(tmp_path, demo_module):
    own = (Path(__file__).parent / "demo_protocol.yaml").read_text(encoding="utf-8")
    closed = own.replace('individual_data: "yes"', 'individual_data: "no"')
    assert closed != own
    warned = {}
    for data in ("synthetic", "teaching"):
        study = demo_module.write_study(tmp_path / data, demo_module.demo_tables(), data=data,
                                        protocol=closed)  # fmt: skip
        warned[data] = "does not let data of single participants leave" in render_report(
            build_view(study)
        )
    assert warned == {"synthetic": False, "teaching": True}


def test_the_command_finds_the_file_and_refuses_a_malformed_one(
    tmp_path, demo_module, capsys, monkeypatch
):
    study = demo_module.write_study(tmp_path / "virtual", demo_module.demo_tables(),
                                    data="synthetic")  # fmt: skip
    file, made, refused = study / SIMULATED_FILE, tmp_path / "r.html", tmp_path / "s.html"
    file.write_text(json.dumps(grid_content()), encoding="utf-8")
    monkeypatch.setattr("sys.argv", ["stromal", "report", str(study), "-o", str(made)])
    with pytest.raises(SystemExit) as ended:
        main()
    assert not ended.value.code
    assert section_of(made.read_text(encoding="utf-8"))
    file.write_text("{", encoding="utf-8")
    capsys.readouterr()
    monkeypatch.setattr("sys.argv", ["stromal", "report", str(study), "-o", str(refused)])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 1
    told = capsys.readouterr().err
    assert "Write it anew" in told
    assert "Traceback" not in told
    assert not refused.exists()
