"""The multiverse in tables, in a figure and on a page."""

import re
from xml.etree import ElementTree as ET

import polars as pl
import pytest

from stromal.core import Source, UsageError
from stromal.endpoints import derive_all
from stromal.endpoints.multiverse import Multiverse, derive_every
from stromal.endpoints.rivals import Rival
from stromal.protocol import protocol_version, read_protocol
from stromal.protocol.endpoints import EventTimes, Response
from stromal.records import read_records
from stromal.report.multiverse import RECONSTRUCTED, draw_multiverse, render_multiverse
from stromal.report.multiverse_curves import incidence_under
from stromal.report.multiverse_panels import same_answers, sort_participants
from stromal.report.multiverse_tables import (
    definition_version,
    kappa_with_reference,
    tabulate_levels,
    tabulate_participants,
    tabulate_rows,
    tabulate_times,
    tabulate_transitions,
    unjudged,
)
from support.study_folder import PROTOCOL, make_study

SOURCES = [Source(text="A book, 2020", seen="full text")]


def times(rows, *, names=("one", "other"), reasons=None):
    """Make a multiverse of times: (participant, definition, status, day, low, high)."""
    rivals = tuple(
        Rival(name, "time_to_event",
              EventTimes.model_validate({"events": [name], "sources": SOURCES, "outcome": "x"}),
              own=name == names[0], reason=(reasons or {}).get(name, ""))
        for name in (*names, *(reasons or {}))
    )  # fmt: skip
    frame = pl.DataFrame(
        rows, orient="row",
        schema={"participant_id": pl.String, "definition": pl.String, "status": pl.String,
                "day": pl.Int32, "day_low": pl.Int32, "day_high": pl.Int32},
    ).with_columns(endpoint=pl.lit("e"), note=pl.lit(""))  # fmt: skip
    return Multiverse("e", "An endpoint", "x", "transplantation", names[0], rivals, frame)


ROWS = [
    ("A", "one", "event", 10, 9, 10), ("A", "other", "event", 12, None, None),
    ("B", "one", "event", 8, 8, 8), ("B", "other", "event", 8, 8, 8),
    ("C", "one", "competing", 5, None, None), ("C", "other", "competing", 5, None, None),
    ("D", "one", "censored", 20, None, None), ("D", "other", "not_evaluable", None, None, None),
]  # fmt: skip


@pytest.mark.by_hand
def test_participants_that_differ_are_told_by_their_answers():
    assert tabulate_participants(times(ROWS)).rows() == [
        ("A", "event day 10 (9 to 10)", "one *"),
        ("A", "event day 12", "other"),
        ("D", "censored day 20", "one *"),
        ("D", "not evaluable", "other"),
    ]


@pytest.mark.by_hand
def test_totals_count_what_moves():
    own, other = tabulate_times(times(ROWS)).iter_rows(named=True)
    assert (own["definition"], own["event"], own["median day (range)"]) == (
        "one *",
        2,
        "9 (8 to 10)",
    )
    assert (own["other status"], own["largest shift"]) == (None, "")
    assert (other["other status"], other["earlier"], other["later"]) == (1, 0, 1)
    assert (other["largest shift"], other["not evaluable"]) == ("+2 d", 1)


@pytest.mark.by_hand
def test_the_curve_takes_competing_events_into_account():
    """One definition: C's competing event on day 5 leaves 3/4; B and A take a quarter each."""
    found = incidence_under(times(ROWS), "one")
    assert (found.days[-2:], found.n, found.left_out) == ([10.0, 20.0], 4, 0)
    assert found.values[-1] == pytest.approx(0.5)
    assert incidence_under(times(ROWS), "other").values[-1] == pytest.approx(2 / 3)  # D left out
    assert incidence_under(times(ROWS), "other").left_out == 1


def test_a_definition_that_is_not_derived_is_written_with_its_reason():
    rows = tabulate_rows(times(ROWS, reasons={"third": "nobody's PLT was measured"}))
    last = rows.row(-1, named=True)
    assert (last["definition"], last["status"]) == ("third", "not_derived")
    assert last["note"] == "nobody's PLT was measured"
    assert rows["own"].to_list()[0] is True
    assert rows["definition_version"].str.len_chars().unique().to_list() == [12]


def test_a_version_follows_the_content():
    one, other = times(ROWS).rivals
    assert definition_version(one) == definition_version(one)
    assert definition_version(one) != definition_version(other)


def test_participants_are_sorted_by_the_own_definition_and_equal_definitions_share_a_panel():
    assert sort_participants(times(ROWS)) == ["B", "A", "C", "D"]
    assert same_answers(times(ROWS)) == [["one"], ["other"]]
    twice = [(p, name, *rest) for name in ("one", "other") for p, d, *rest in ROWS if d == "one"]
    assert same_answers(times(twice)) == [["one", "other"]]


def levels(rows):
    """Make a multiverse of responses."""

    def rule(names):
        counts = [{"analyte": "PLT", "at_least": "50 10*9/L"}]
        return Response.model_validate(
            {"levels": {name: {"counts": counts} for name in names}, "otherwise": "NR"}
        )

    rivals = (Rival("one", "response", rule(["CR", "PR"]), own=True),
              Rival("other", "response", rule(["CR", "PR"])),
              Rival("few", "response", rule(["OR"])))  # fmt: skip
    frame = pl.DataFrame(
        rows, orient="row",
        schema={"participant_id": pl.String, "definition": pl.String, "status": pl.String},
    )  # fmt: skip
    days = [pl.lit(None, pl.Int32).alias(name) for name in ("day", "day_low", "day_high")]
    frame = frame.with_columns(days).with_columns(note=pl.lit(""))
    return Multiverse("r", "A response", "r", "infusion", "one", rivals, frame)


LEVELS = [
    (who, name, level)
    for name, given in (("one", ["CR", "CR", "PR", "NR", "not_evaluable"]),
                        ("other", ["CR", "PR", "PR", "NR", "NR"]),
                        ("few", ["OR", "OR", "OR", "NR", "NR"]))
    for who, level in zip("ABCDE", given, strict=True)
]  # fmt: skip


@pytest.mark.by_hand
def test_levels_are_counted_and_agree_beyond_chance():
    """Of A to D three agree; by chance 2/4 x 1/4 + 1/4 x 2/4 + 1/4 x 1/4 = 5/16: kappa 7/11."""
    found = levels(LEVELS)
    n, same, kappa = kappa_with_reference(found, "other")
    assert (n, same) == (4, 3)
    assert kappa == pytest.approx(7 / 11)
    assert kappa_with_reference(found, "few")[2] is None  # not the same words
    assert tabulate_levels(found)["participants"].to_list() == [
        "CR: 2, PR: 1, NR: 1, not evaluable: 1", "CR: 1, PR: 2, NR: 2", "OR: 3, NR: 2",
    ]  # fmt: skip
    assert ("other", "CR", "PR", 1) in tabulate_transitions(found).rows()


@pytest.mark.parametrize("found", [times(ROWS), levels(LEVELS)], ids=["times", "levels"])
def test_the_figure_says_what_it_shows(found):
    text = draw_multiverse(found, data="teaching", version="f" * 64, kind="svg").decode()
    root = ET.fromstring(text)  # noqa: S314  (our own figure)
    title, described = list(root)[:2]
    assert "under every definition" in title.text
    assert found.reference in described.text
    assert 'role="img"' in text
    assert "f" * 64 in text
    assert "TEACHING DATA" in text
    for rival in found.rivals:
        assert f"{rival.name} {definition_version(rival)}" in re.sub(r"\s+", " ", text)
    assert draw_multiverse(found, data="teaching", version="f" * 64, kind="svg").decode() == text
    assert draw_multiverse(found, data=None, version="f" * 64, kind="png")[1:4] == b"PNG"


@pytest.mark.parametrize("size", [1, 61])
def test_few_and_many_participants(size):
    rows = [
        (f"P{n}", name, "event", 10 + n % 7 + (name == "other"), None, None)
        for name in ("one", "other") for n in range(size)
    ]  # fmt: skip
    text = draw_multiverse(times(rows), data="observed", version="0", kind="svg").decode()
    assert ("P0" in text) == (size == 1)
    tiles = [(f"P{n}", name, "CR") for name in ("one", "other", "few") for n in range(size)]
    text = draw_multiverse(levels(tiles), data="observed", version="0", kind="svg").decode()
    assert ("P0" in text) == (size == 1)


def test_a_reconstruction_shows_nobody():
    with pytest.raises(UsageError, match="never published"):
        draw_multiverse(times(ROWS), data="reconstruction", version="0", kind="svg")
    with pytest.raises(UsageError, match=r"\.svg or \.png"):
        draw_multiverse(times(ROWS), data="observed", version="0", kind="gif")


@pytest.fixture
def study(tmp_path):
    people = [
        {"participant_id": who, "arm": "control", "age": 40, "transplanted_day": 0,
         "enrolled_day": 0, "last_contact_day": 60, "complete_until_day": 60}
        for who in ("<b>one", "P-two")
    ]  # fmt: skip
    counts = {
        "<b>one": [2, 0.1, 0.2, 0.5, 0.6, 0.7, 0.8],
        "P-two": [2, 0.1, 0.2, 0.6, 0.7, 0.8, 0.9],
    }
    rows = [
        {"participant_id": who, "day": day, "analyte": "ANC", "value": value, "unit": "10*9/L"}
        for who, values in counts.items()
        for day, value in enumerate(values)
    ]
    folder = make_study(tmp_path, protocol_text=PROTOCOL, participants=people, measurements=rows)
    protocol = read_protocol(folder)
    return protocol, derive_all(protocol, read_records(folder, protocol))


def test_the_page_escapes_and_loads_nothing(study):
    protocol, context = study
    found = derive_every(context, "neutrophil_recovery")
    page = render_multiverse(found, protocol, data="observed", version=protocol_version(protocol))
    assert "<b>one" not in page
    assert "&lt;b&gt;one" in page
    assert not re.findall(r'(?:src|href)="(?!#)', page)
    assert protocol_version(protocol) in page
    assert "must not leave the trial" in page  # the sharing plan forbids it
    assert "at least" in page or "lowest count that qualifies" in page


def test_the_page_of_a_reconstruction_has_totals_and_nobody(study):
    protocol, context = study
    found = derive_every(context, "neutrophil_recovery")
    page = render_multiverse(found, protocol, data="reconstruction", version="0")
    assert RECONSTRUCTED in page
    assert "<svg" not in page
    assert "P-two" not in re.sub(r"<[^>]+>", " ", page.split("<main>")[1]).split()
    assert "RECONSTRUCTION" in page


@pytest.mark.by_hand
def test_a_definition_that_can_judge_nobody_moves_nobody():
    # A and B are the same under both others; the third cannot judge A, B or C, and D is not its own
    silent = [(who, "silent", "not_evaluable", None, None, None) for who in "ABC"]
    silent.append(("D", "silent", "not_applicable", None, None, None))
    rows = [*(row for row in ROWS if row[0] != "A"), ("A", "one", "event", 10, 9, 10),
            ("A", "other", "event", 10, 9, 10), *silent]  # fmt: skip
    multiverse = times(rows, names=("one", "other", "silent"))
    assert [name for name, _ in unjudged(multiverse)] == ["silent"]
    assert tabulate_participants(multiverse)["participant"].unique().to_list() == ["D"]
