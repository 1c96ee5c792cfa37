"""From a protocol with every kind of analysis to its page, its results file and its lock."""

import json
import re
import sys
from xml.etree import ElementTree as ET

import polars as pl
import pytest

from stromal.analysis.method_sources import METHOD_SOURCES
from stromal.cli import main
from stromal.report.html import render_report
from stromal.report.text import UNTESTED, result_rows
from stromal.report.view import build_view
from support.two_arm_study import two_arm_study

COMMON = {"role": "secondary", "set": "everyone", "confidence": 0.95}
SURVIVAL = COMMON | {"estimate": "survival", "endpoint": "survival", "at": ["180 d"],
                     "interval": "log-log"}  # fmt: skip
HAZARDS = COMMON | {"estimate": "hazards", "ties": "efron"}
ESTIMAND = {
    "treatment": "MSC after transplantation, or none",
    "intercurrent": [
        {"event": "relapse", "handled": "treatment policy"},
        {"event": "death", "handled": "composite"},
    ],
}
ANALYSES = {
    "alive": SURVIVAL | {"label": "Overall survival", "role": "primary", "by": "arm",
                         "compare": ["log-rank", "permutation log-rank", "at each time"],
                         "estimand": ESTIMAND, "subgroups": ["site"]},
    "answered": COMMON | {"label": "Response at day 100", "estimate": "proportion",
                          "endpoint": "response", "of": ["CR"], "interval": "wilson", "by": "arm",
                          "compare": ["boschloo"], "difference": "newcombe",
                          "tipping_point": True, "subgroups": ["site"],
                          "prior": {"responses": 1, "others": 1, "source": "flat",
                                    "above": 0.3}},
    "relapsed": COMMON | {"label": "Relapse", "estimate": "cumulative incidence",
                          "endpoint": "relapse", "at": ["180 d"], "variance": "cmprsk",
                          "interval": "log-log", "by": "arm", "compare": ["gray"]},
    "lived": COMMON | {"label": "Mean survival of a half-year", "estimate": "restricted mean",
                       "endpoint": "survival", "until": "180 d", "by": "arm",
                       "compare": ["difference", "ratio"]},
    "cox": HAZARDS | {"label": "Hazard of death", "endpoint": "survival", "model": "cox",
                      "by": "arm", "covariates": ["age"], "strata": ["site"]},
    "given": HAZARDS | {"label": "Hazard of death once infused", "endpoint": "survival",
                        "model": "cox", "by_infusion": "msc"},
    "landmark": SURVIVAL | {"label": "Survival from day 45 by infusion", "by_infusion": "msc",
                            "landmark": "45 d", "compare": ["log-rank"]},
    "fine_gray": HAZARDS | {"label": "Subdistribution hazard of relapse", "endpoint": "relapse",
                            "model": "fine-gray", "definition": "cmprsk", "ties": "breslow",
                            "by": "arm", "covariates": ["age"], "subgroups": ["site"]},
    "infections": COMMON | {"label": "Infections", "estimate": "mean events",
                            "endpoint": "infections", "terminal": "survival",
                            "at": ["100 d", "180 d"], "by": "arm",
                            "compare": ["difference at each time", "negative binomial"]},
}  # fmt: skip
PLAN = {"method": "holm", "alpha": 0.05, "analyses": ["alive", "relapsed", "answered"]}


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    folder = tmp_path_factory.mktemp("plan")
    two_arm_study(folder, ANALYSES, PLAN)
    return folder


@pytest.fixture(scope="module")
def view(study):
    return build_view(study)


@pytest.fixture(scope="module")
def page(view):
    return render_report(view, individual=False)


def result_of(view, name):
    return next(result for result in view.results.results if result.id == name)


def test_every_analysis_is_computed_and_shown(view, page):
    assert [result.id for result in view.results.results] == list(ANALYSES)
    assert not any(result.withheld for result in view.results.results)
    for name in ANALYSES:
        assert f'id="result-{name}"' in page
    for picture in re.findall(r"<svg.*?</svg>", page, flags=re.DOTALL):
        ET.fromstring(picture)  # noqa: S314  (our own output)


def test_what_the_page_says_is_what_was_computed(view, page):
    shown = page.replace("\xa0", " ")
    mean = result_of(view, "lived").groups[0].mean
    assert f"{mean.value:.1f} days" in shown
    ratio = result_of(view, "cox").models[0].coefficients.row(0, named=True)["ratio"]
    assert f">{ratio:.2f}<" in shown
    assert "Comparison at a fixed day, log-log: p = " in shown
    assert "(day 180)" in shown
    p = result_of(view, "relapsed").comparisons[0].p_value
    assert f"p = {p:.3f}" in shown
    number = result_of(view, "infections").groups[0].estimates[1].value
    assert f">{number:.2f}<" in shown


def test_groups_have_the_labels_of_the_arms_everywhere(view, page):
    assert "Without MSC − With MSC" in page or "With MSC − Without MSC" in page
    assert not re.search(r"\((none − msc|msc − none|none / msc|msc / none)\)", page)
    said = [row[3] for row in result_rows(view.results)]
    assert not any(re.search(r"\((none|msc) [−/] (none|msc)\)", text) for text in said)


def test_subgroups_and_shared_error_rates_are_on_the_page(view, page):
    assert UNTESTED in page
    assert "Tests that share one error rate" in page
    assert len(view.results.multiplicity) == 3
    assert "Site: north" in page


def test_the_estimand_and_the_landmark_are_told(page):
    assert "What is estimated (the estimand)" in page
    assert "treatment policy: whatever happens counts" in page
    assert "landmark, day 45" in page
    assert "from day 45 after transplant" in page  # the axis of its curves


def test_an_intercept_is_no_ratio(view, page):
    (model,) = result_of(view, "infections").models
    assert model.coefficients["term"][0] == "intercept"
    rate = f"{model.coefficients['ratio'][0]:.5f}"
    assert rate not in page
    assert not any("intercept" in row[1] for row in result_rows(view.results))


def test_the_methods_name_what_was_used(view):
    text = view.methods.text
    for words in (
        "Newcombe", "Boschloo's test", "beta(1, 1)", "tipping-point", "permutation log-rank",
        "arrangements", "Gray's test", "mean time without",
        "Cox's proportional-hazards model", "ties by Efron's method", "stratified by site",
        "exposure that changes", "Landmark analyses", "Fine and Gray's model",
        "survival as the end",
        "negative binomial", "Subgroups by site", "Holm's method", "relapse: treatment policy",
        "Monte Carlo", "survival on each named day on the log-log scale",
    ):  # fmt: skip
        assert words in text, words
    assert METHOD_SOURCES["landmark"] in view.methods.sources


def test_the_commands_lock_write_and_refuse(study, tmp_path, monkeypatch, capsys):
    def stromal(*arguments):
        monkeypatch.setattr(sys, "argv", ["stromal", *map(str, arguments)])
        try:
            main()
        except SystemExit as ended:
            return int(ended.code or 0), *capsys.readouterr()
        return 0, *capsys.readouterr()

    monkeypatch.setenv("COLUMNS", "200")
    data, results = tmp_path / "adtte.parquet", tmp_path / "results.json"
    code, out, err = stromal("analyze", study, "--lock", "--data", data, "-o", results)
    assert code == 0, err
    assert "Holm" in out
    assert pl.read_parquet(data)["PARAMCD"].n_unique() == 4
    content = json.loads(results.read_text(encoding="utf-8"))
    assert content["locked"] is True
    assert [one["id"] for one in content["results"]] == list(ANALYSES)
    assert content["methods"]["text"]
    protocol = study / "protocol.yaml"
    before = protocol.read_text(encoding="utf-8")
    protocol.write_text(before.replace("at: [180 d]", "at: [181 d]", 1), encoding="utf-8")
    assert protocol.read_text(encoding="utf-8") != before or "- 180 d" in before
    if protocol.read_text(encoding="utf-8") == before:
        protocol.write_text(before.replace("- 180 d", "- 181 d", 1), encoding="utf-8")
    code, _, err = stromal("report", study, "-o", tmp_path / "report.html")
    protocol.write_text(before, encoding="utf-8")
    assert code == 1
    assert "restore the protocol" in err
    (study / "analysis.lock.json").unlink()
