"""The timeline: what is drawn, in which way, and that nothing in a record becomes markup."""

import re
from xml.etree import ElementTree as ET

import polars as pl
import pytest

from stromal.core import UsageError
from stromal.endpoints.derive import derive_all
from stromal.protocol import read_protocol
from stromal.records import read_records
from stromal.report.timeline import draw_timeline
from stromal.report.timeline_counts import count_rules
from stromal.report.timeline_data import collect_history

SVG = "{http://www.w3.org/2000/svg}"
HOSTILE = "<script>alert('x')</script>\"><img src=x onerror=alert(1)>&amp;"


def context_of(study):
    protocol = read_protocol(study)
    return derive_all(protocol, read_records(study, protocol))


@pytest.fixture(scope="module")
def demo(demo_study):
    return context_of(demo_study)


@pytest.fixture(scope="module")
def picture(demo):
    return ET.fromstring(draw_timeline(demo, "STR-107"))  # noqa: S314  (our own output)


def titles(picture):
    return [node.text for node in picture.iter(f"{SVG}title")]


def texts(picture):
    return ["".join(node.itertext()) for node in picture.iter(f"{SVG}text")]


def of_record(picture, record):
    return next(node for node in picture.iter() if node.get("data-record") == record)


def test_it_is_one_well_formed_element(picture):
    assert picture.tag == f"{SVG}svg"


def test_the_same_input_gives_the_same_bytes(demo):
    assert draw_timeline(demo, "STR-107") == draw_timeline(demo, "STR-107")


def test_a_count_in_the_transfusion_shadow_is_hollow(picture):
    # transfused on day 57: days 57 to 63 are taken away, day 65 is the first Wednesday after
    assert of_record(picture, "STR-107-PLT-63").get("fill") == "#fff"
    assert of_record(picture, "STR-107-PLT-65").get("fill") != "#fff"
    assert of_record(picture, "STR-107-PLT-8").get("fill") != "#fff"
    assert of_record(picture, "STR-107-PLT-9").get("fill") == "#fff"


def test_the_shadow_is_seven_days_from_the_day_of_the_transfusion(demo):
    panel = next(p for p in collect_history(demo, "STR-107").panels if p.analyte == "PLT")
    assert panel.shadow == ((9, 63),)
    assert panel.shadow_days == 7


def test_haemoglobin_has_no_shadow_because_no_rule_asks_for_one(demo):
    panel = next(p for p in collect_history(demo, "STR-107").panels if p.analyte == "Hb")
    assert panel.shadow == ()


def test_a_value_below_the_limit_is_a_triangle_at_the_bound(picture, demo):
    panel = next(p for p in collect_history(demo, "STR-107").panels if p.analyte == "ANC")
    point = next(p for p in panel.points if p.day == 7)
    assert (point.bound, point.value) == ("<", 0.1)
    assert of_record(picture, "STR-107-ANC-7").tag == f"{SVG}path"
    assert of_record(picture, "STR-107-ANC-6").tag == f"{SVG}circle"


def test_a_zero_is_marked_apart_from_every_count(picture):
    zero, below = of_record(picture, "STR-107-ANC-8"), of_record(picture, "STR-107-ANC-7")
    assert zero.tag == f"{SVG}path"
    assert re.sub(r"[\d.]+", "", zero.get("d")) != re.sub(r"[\d.]+", "", below.get("d"))


def test_thresholds_of_every_rule_on_the_analyte_are_drawn(picture, demo):
    said = [title for title in titles(picture) if title and title.startswith("Threshold ")]
    bounds = {
        f"{bound:g}"
        for _, rule in count_rules(demo.protocol)
        for name in ("at_least", "above", "below", "at_most")
        if (bound := rule.in_unit(name)) is not None
    }
    assert bounds == {"0.5", "20", "50", "70"}
    assert {title.split()[1].rstrip(":") for title in said} == bounds
    assert any("Poor graft function (< 0.5)" in title for title in said)


def test_every_record_of_the_participant_is_told(picture, demo):
    told = {node.get("data-record") for node in picture.iter()} - {None}
    for table in ("measurements", "transfusions", "infusions", "events", "assessments",
                  "medications"):  # fmt: skip
        rows = demo.records[table].filter(pl.col("participant_id") == "STR-107")
        assert set(rows["record_id"]) <= told, table


def test_a_missed_infusion_is_hollow_on_the_day_it_was_due(picture):
    said = next(title for title in titles(picture) if title and "missed" in title)
    assert said.startswith("Day 56: ")
    assert "infusion 3" in said
    assert "3 missed" in texts(picture)


def test_every_derived_result_says_which_records_decided(picture, demo):
    told = [title for title in titles(picture) if title]
    history = collect_history(demo, "STR-107")
    assert len(history.decisions) == len(demo.derived)
    for decision in history.decisions:
        said = next(title for title in told if title.startswith(f"{decision.label}: "))
        assert all(record in said for record in decision.deciding)
    recovery = next(d for d in history.decisions if d.endpoint == "neutrophil_recovery")
    assert recovery.deciding[0] == "day 17: ANC 0.7"


def test_a_day_from_another_anchor_stands_at_its_place_from_day_zero(demo):
    history = collect_history(demo, "STR-107")
    decision = next(d for d in history.decisions if d.endpoint == "platelet_response")
    assert decision.day == decision.own_day + 42


def test_a_history_without_counts_has_no_empty_panels(demo):
    picture = ET.fromstring(draw_timeline(demo, "STR-300"))  # noqa: S314
    assert not any(text.startswith(("ANC", "PLT", "Hb")) for text in texts(picture))
    assert float(picture.get("viewBox").split()[3]) < 330


def test_data_that_were_not_observed_are_stamped(picture):
    assert "TEACHING EXAMPLE, not observed" in texts(picture)


def test_nobody_is_refused_with_the_ids_there_are(demo):
    with pytest.raises(UsageError, match="STR-107"):
        draw_timeline(demo, "nobody")


def test_markup_in_records_stays_text(tmp_path, request):
    conftest = request.getfixturevalue("demo_module")
    tables = conftest.demo_tables()
    for row in tables["events"]:
        row["event"], row["cause"] = HOSTILE, HOSTILE
    for name, column in (("medications", "drug"), ("assessments", "value"),
                         ("transfusions", "reason"), ("infusions", "lot")):  # fmt: skip
        for row in tables[name]:
            row[column] = HOSTILE
    for rows in tables.values():
        for row in rows:
            if row["participant_id"] == "STR-107":
                row["participant_id"] = HOSTILE
    study = conftest.write_study(tmp_path, tables)
    drawn = draw_timeline(context_of(study), HOSTILE)
    picture = ET.fromstring(drawn)  # noqa: S314
    assert "<script" not in drawn
    assert "<img" not in drawn
    allowed = {"svg", "g", "title", "text", "tspan", "path", "line", "rect", "circle"}
    assert {node.tag.removeprefix(SVG) for node in picture.iter()} <= allowed
    assert not any(name.startswith("on") for node in picture.iter() for name in node.attrib)
    assert any(title and HOSTILE in title for title in titles(picture))
