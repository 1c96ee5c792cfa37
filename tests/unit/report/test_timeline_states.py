"""Episodes and grades on the timeline: where bars begin and end, and what they say in words."""

from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from stromal.endpoints.derive import derive_all
from stromal.protocol import read_protocol
from stromal.records import read_records
from stromal.report.timeline import draw_timeline
from stromal.report.timeline_data import collect_history

STUDY = Path(__file__).resolve().parents[3] / "studies" / "worked-examples-2"
SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module")
def worked():
    protocol = read_protocol(STUDY)
    return derive_all(protocol, read_records(STUDY, protocol))


def test_a_state_has_a_bar_for_each_episode(worked):
    (first, second) = collect_history(worked, "C05").states["Red cell transfusion dependence"]
    assert (first.start, first.end, first.unfinished) == (30, 58, False)
    assert (second.start, second.end, second.label) == (112, 126, "episode 2")
    assert first.title == (
        "Days 30 to 58: Red cell transfusion dependence, episode 1; shown on day 44; over on day 59"
    )


def test_what_was_not_seen_to_end_stops_where_knowledge_stops(worked):
    # the transfusion log of C12 ends on day 35; up to day 28 the dependence is known to have held
    (bar,) = collect_history(worked, "C12").states["Red cell transfusion dependence"]
    assert (bar.start, bar.end, bar.unfinished) == (14, 28, True)
    assert "not shown to have ended" in bar.title
    assert "bar that ends in an arrow" in draw_timeline(worked, "C12")


def test_death_closes_and_does_not_resolve(worked):
    (bar,) = collect_history(worked, "C03").states["Acute GVHD of grade II or more, as a state"]
    assert "closed by death on day 60, not resolved" in bar.title


def test_items_of_a_grading_stand_as_one_grade_a_day(worked):
    shown = collect_history(worked, "C02").assessments
    assert list(shown) == ["acute GVHD, grade"]
    (spot,) = shown["acute GVHD, grade"]
    assert (spot.day, spot.label) == (28, "II or III or IV")
    assert "not recorded: liver" in spot.title
    assert "skin bsa 60 %" in spot.title


def test_what_no_grading_reads_keeps_its_own_line(worked):
    assert "chimerism, unsorted" in collect_history(worked, "C05").assessments


def test_bars_and_their_words_are_in_the_picture(worked):
    picture = ET.fromstring(draw_timeline(worked, "C05"))  # noqa: S314  (our own output)
    titles = [node.text or "" for node in picture.iter(f"{SVG}title")]
    assert sum("episode" in title and title.startswith("Days ") for title in titles) == 4
    assert "Days 112 to 126: Red cell transfusion dependence, episode 2" in picture.get(
        "aria-label"
    )
