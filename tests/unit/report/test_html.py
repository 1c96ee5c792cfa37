"""The page: everything is there, nothing is loaded, nothing from a record runs."""

import base64
import hashlib
import re
from datetime import date
from html import unescape
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from stromal.report.html import render_report
from stromal.report.index import render_index
from stromal.report.numbers import as_interval, as_p, as_percent
from stromal.report.view import build_view, spell_definition
from stromal.report.words import spell_out

STUDIES = Path(__file__).parents[3] / "studies"
HOSTILE = "<script>alert('x')</script>\"><img src=x onerror=alert(1)>"


class Page(HTMLParser):
    """The tags, attributes and texts of a page."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.said: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.said.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.said).split())


@pytest.fixture(scope="module")
def view(demo_study):
    return build_view(demo_study)


@pytest.fixture(scope="module")
def report(view):
    return render_report(view)


@pytest.fixture(scope="module")
def page(report):
    return Page(report)


def figures(report):
    return re.findall(r"<svg.*?</svg>", report, flags=re.DOTALL)


def test_the_same_study_gives_the_same_bytes(demo_study, report):
    assert render_report(build_view(demo_study)) == report


def test_every_picture_is_well_formed(report):
    drawn = figures(report)
    assert len(drawn) == 11 + 3  # participants, and analyses with a figure
    for picture in drawn:
        ET.fromstring(picture)  # noqa: S314  (our own output)


def test_no_id_stands_twice(page):
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(ids) == len(set(ids))


def test_every_reference_inside_the_page_leads_somewhere(page, report):
    ids = {attributes.get("id") for _, attributes in page.tags}
    links = [a["href"] for tag, a in page.tags if tag == "a" and (a["href"] or "").startswith("#")]
    assert links
    assert {link.removeprefix("#") for link in links} <= ids
    assert set(re.findall(r"url\(#([^)]+)\)", report)) <= ids


def test_nothing_is_loaded(page, report):
    for tag, attributes in page.tags:
        assert tag not in {"link", "img", "iframe", "object", "embed", "image", "base"}
        assert "src" not in attributes
        if tag != "a":
            for name in ("href", "xlink:href"):
                assert (attributes.get(name) or "#").startswith("#")
    assert "@import" not in report
    assert "url(http" not in report


def test_only_the_page_s_own_script_may_run(page, report):
    policy = next(a["content"] for tag, a in page.tags if tag == "meta" and "content" in a
                  and a.get("http-equiv") == "Content-Security-Policy")  # fmt: skip
    (script,) = re.findall(r"<script>(.*?)</script>", report, flags=re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in policy
    assert policy.startswith("default-src 'none'")


def test_every_number_of_every_result_is_printed(view, page):
    text = page.text
    assert view.results.results
    for result in view.results.results:
        for group in result.groups:
            assert group.label in text
            for estimate in group.estimates:
                assert " ".join(as_percent(estimate.value).split()) in text
                if estimate.low != estimate.high:
                    assert " ".join(as_interval(estimate.low, estimate.high).split()) in text
                    assert estimate.interval_text in text
        for comparison in result.comparisons:
            assert " ".join(as_p(comparison.p_value).split()) in text


def test_definitions_name_the_moment_by_its_label(view):
    said = spell_definition(
        view.protocol, "Assessed 56 days after first msc (x). Days count from transplant."
    )
    anchors = view.protocol.anchors
    assert said.startswith(f"Assessed 56 days after {anchors['first_msc'].label} (x).")
    assert said.endswith(f"Days count from {anchors['transplant'].label}.")


def test_definitions_stand_beside_results(view, page):
    for result in view.results.results:
        said = spell_definition(view.protocol, result.definition)
        assert " ".join(said.split()) in page.text
        for source in result.sources:
            assert source.text in page.text
            assert f"[read: {source.seen}]" in page.text


def test_the_version_of_the_protocol_is_given_short_and_in_full(view, page):
    assert view.version in page.text
    assert f" {view.version[:12]} " in page.text


def test_every_table_and_figure_is_stamped(report):
    for table in re.findall(r"<caption>(.*?)</caption>", report, flags=re.DOTALL):
        planned = ("Planned", "The protocol read", "Assumptions")
        assert table.strip().startswith(planned) or "TEACHING DATA, not observed" in table
    for picture in figures(report):
        assert "not observed</text>" in picture


def test_observed_data_carry_no_stamp(tmp_path, demo_module):
    study = demo_module.write_study(tmp_path, demo_module.demo_tables(), data="observed")
    report = render_report(build_view(study))
    assert "not observed" not in report


def test_every_participant_has_a_timeline_and_a_listing(view, page):
    assert sum(tag == "svg" and a.get("class") == "timeline" for tag, a in page.tags) == 11
    for frame in view.context.derived.values():
        for note in frame["note"]:
            assert " ".join(spell_out(note, ["ucmsc"]).split()) in page.text


def test_without_individual_data_nobody_is_named(view):
    report = render_report(view, individual=False)
    assert not re.search(r"STR-\d", report)
    assert "without data of single participants" in report
    assert "Platelet response (CR or PR)" in report


def test_a_sharing_plan_that_forbids_is_told(tmp_path, demo_module):
    text = (Path(__file__).parent / "demo_protocol.yaml").read_text(encoding="utf-8")
    text = text.replace('sharing: {individual_data: "yes"', 'sharing: {individual_data: "no"')
    study = demo_module.write_study(tmp_path, demo_module.demo_tables(), protocol=text)
    view = build_view(study)
    assert "keep it within the trial" in render_report(view)
    assert "keep it within the trial" not in render_report(view, individual=False)


def test_a_large_study_has_a_page_without_timelines(monkeypatch):
    monkeypatch.setattr("stromal.report.html.MOST_TIMELINES", 17)
    report = render_report(build_view(STUDIES / "worked-examples"))
    assert "there are more than 17" in report
    assert 'class="person"' not in report


def test_a_study_without_records_shows_its_check_and_its_schedule():
    page = Page(render_report(build_view(STUDIES / "msc4pgf")))
    assert "The study has no records yet" in page.text
    assert "PR and CR both contain a value of exactly 50" in page.text
    assert "Planned infusions" in page.text
    assert not any(tag == "svg" for tag, _ in page.tags)


@pytest.mark.parametrize("name", ["gao-2016", "saa-children-2021", "cle-2015", "meuleman-2009"])
def test_a_reconstruction_shows_nobody_and_no_statistic_of_its_own_making(name):
    view = build_view(STUDIES / name)
    report = render_report(view)
    assert view.data == "reconstruction"
    assert "RECONSTRUCTION, not observed" in report
    assert not re.search(r"\bR-[A-Z]\d", report.split("<h2>Findings in the records")[0])
    assert 'class="timeline"' not in report
    assert "Infusions planned and given" not in report
    assert "Events by grade" not in report


def test_markup_from_records_and_protocol_never_runs(tmp_path, demo_module):
    tables = demo_module.demo_tables()
    for name, columns in {
        "events": ("event", "cause"), "medications": ("drug", "drug_class"),
        "assessments": ("value", "assessor", "item"), "transfusions": ("reason",),
        "infusions": ("lot",), "adjudications": ("assessor", "basis"), "attestations": ("by",),
    }.items():  # fmt: skip
        for row in tables[name]:
            row.update(dict.fromkeys(columns, HOSTILE))
    for rows in tables.values():
        for row in rows:
            row["participant_id"] = row["participant_id"].replace("STR-107", HOSTILE)
    for row in tables["participants"]:
        row[HOSTILE] = HOSTILE
    text = (Path(__file__).parent / "demo_protocol.yaml").read_text(encoding="utf-8")
    quoted = "'" + HOSTILE.replace("'", "''") + "'"
    text = text.replace("title: Stromal cells for poor graft function, a demonstration",
                        f"title: {quoted}")  # fmt: skip
    text = text.replace("label: MSC with best available care", f"label: {quoted}")
    text = text.replace("label: Platelet response (CR or PR)", f"label: {quoted}")
    text = text.replace("label: transplantation}", f"label: {quoted}}}")
    text = text.replace("text: Informed consent", f"text: {quoted}")
    study = demo_module.write_study(tmp_path, tables, protocol=text)
    view = build_view(study)
    for page_text in (render_report(view), render_index([view])):
        page = Page(page_text)
        scripts = [tag for tag, _ in page.tags if tag == "script"]
        assert len(scripts) == page_text.count("<script>") <= 1
        assert not any(tag == "img" for tag, _ in page.tags)
        assert not any(name.startswith("on") for _, a in page.tags for name in a)
        assert HOSTILE in unescape(page_text)


def test_a_link_of_a_source_is_only_a_web_address(tmp_path, demo_module):
    text = (Path(__file__).parent / "demo_protocol.yaml").read_text(encoding="utf-8")
    text = text.replace("{text: A test, seen: unverified}",
                        "{text: A test, url: 'javascript:alert(1)', seen: unverified}")  # fmt: skip
    study = demo_module.write_study(tmp_path, demo_module.demo_tables(), protocol=text)
    page = Page(render_report(build_view(study)))
    links = [a["href"] for tag, a in page.tags if tag == "a"]
    assert "javascript:alert(1)" in page.text
    assert all(link.startswith(("#", "https://", "http://")) for link in links)


def test_the_index_leads_to_every_report(view):
    others = [build_view(STUDIES / name) for name in ("msc4pgf", "gao-2016")]
    text = render_index([view, *others])
    page = Page(text)
    links = {a["href"] for tag, a in page.tags if tag == "a"}
    assert links == {f"{view.folder}.html", "msc4pgf.html", "gao-2016.html"}
    assert text == render_index([view, *others])
    ids = [a["id"] for _, a in page.tags if "id" in a]
    assert len(ids) == len(set(ids))
    assert not any("src" in a for _, a in page.tags)
    for picture in figures(text):
        ET.fromstring(picture)  # noqa: S314


def test_one_participant_without_anything_has_a_report(tmp_path, demo_module):
    person = {"participant_id": "P-1", "arm": "", "transplanted_on": "2024-01-08",
              "last_contact": "2024-03-01"}  # fmt: skip
    study = demo_module.write_study(tmp_path, {"participants": [person]})
    page = Page(render_report(build_view(study)))
    assert "No arm recorded" in page.text
    assert "P-1" in page.text


def test_a_study_whose_tables_are_empty_has_a_report(tmp_path, demo_module):
    study = demo_module.write_study(tmp_path, {})
    header = "participant_id,arm,transplanted_on,last_contact\n"
    (study / "records" / "participants.csv").write_text(header, encoding="utf-8")
    view = build_view(study)
    assert "0 participants in the records" in Page(render_report(view)).text
    assert render_index([view])


def test_what_lies_after_the_cutoff_is_not_shown(demo_study):
    view = build_view(demo_study, data_cutoff=date(2024, 4, 30))
    page = Page(render_report(view))
    assert "read up to 30 April 2024 inclusive" in page.text
    assert "Chronic GVHD G2" not in page.text


def test_the_methods_are_told_with_numbered_sources(page, report, view):
    section = report[
        report.index('<section id="methods">') : report.index('<section id="sources">')
    ]
    assert section.count("<li>") == len(view.methods.sources) > 3
    assert "Kaplan-Meier estimates [" in section
    assert "competing events (death and second transplant)" in section
    assert 'href="#methods"' in report
    assert "Other methods" not in page.text  # whatever made a result is cited in the section
