"""Every neutrophil recovery of the library on real counts, against ten plain lines a rule."""

import csv
from collections import defaultdict
from pathlib import Path

import pytest

from support.liao import LIAO
from support.liao_library import derive_library, neutrophil_definitions, tabulate_library

DOCUMENT = Path(__file__).resolve().parents[3] / "docs" / "validation" / "liao2021.md"
FAIL, PASS, OPEN = "fail", "pass", "open"
WITHIN, UNCOUNTED = 28, 0.6  # days in which the nadir is sought; leucocytes below which ANC is 0

pytestmark = [
    pytest.mark.reference,
    pytest.mark.skipif(not LIAO.exists(), reason=f"the counts {LIAO} are not here"),
]


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    return derive_library(tmp_path_factory.mktemp("library"))


def draws():
    """Give {episode: {day: {test: value}}} from day 0 on."""
    episodes = defaultdict(lambda: defaultdict(dict))
    with (LIAO / "counts.csv").open(encoding="utf-8", newline="") as handle:
        for row in csv.DictReader(handle):
            day, test = int(row["day_from_hct"]), row["test"]
            if day >= 0 and test in {"ANC", "WBC"} and row["value_1e9_per_L"]:
                known = episodes[row["episode"]][day]
                known[test] = min(float(row["value_1e9_per_L"]), known.get(test, 1e9))
    return episodes


def judge(draw, rule):
    """Give status and height of a draw; leucocytes bound neutrophils that nobody counted."""
    strict = "above" in rule
    threshold = float(rule["above" if strict else "at_least"].split()[0])
    count, white = draw.get("ANC"), draw.get("WBC", 1e9)
    if count is not None:
        high = count > threshold if strict else count >= threshold
        return (PASS if high else FAIL), (white if count == 0 and white < UNCOUNTED else count)
    low = white <= threshold if strict else white < threshold
    return (FAIL, white) if low else (OPEN, None)


def first_run(days, start, run, gap):
    """Give the first day of `run` passing days in a row, at most `gap` days apart (0: any)."""
    chain = []
    for day, status in days:
        if day < start:
            continue
        near = not gap or not chain or day - chain[-1] <= gap
        chain = [] if status == FAIL else [*chain, day] if near else [day]
        if len(chain) == run:
            return chain[0]
    return None


def nadir_of(judged, run):
    """Give the day of the last of the lowest counts, before a rise that follows on a fall."""
    lows = highs = 0
    best = None
    for day, (status, height) in sorted(judged.items()):
        if height is None or day > WITHIN:
            continue
        lows, highs = lows + (status == FAIL), highs + 1 if status == PASS else 0
        if best is None or height <= best[0]:
            best = (height, day)
        if lows >= max(run, 3) and highs >= max(run, 3):
            break
    return best[1]


def reference(draw_days, rule):
    """Derive one episode: status, day, low, high."""
    run, gap = rule["run"], 1 if rule["of"] == "consecutive days" else 0
    judged = {day: judge(draw, rule) for day, draw in draw_days.items()}
    start = nadir_of(judged, run) + 1
    days = [(day, status) for day, (status, _) in sorted(judged.items())]
    told = [day for day, status in days if status != OPEN]
    event = first_run([d for d in days if d[1] != OPEN], start, run, gap)
    high = first_run([(d, FAIL if s == OPEN else s) for d, s in days], start, run, gap)
    fails = {day for day, status in days if status == FAIL}
    latest = max(judged) - run + 1 if event is None else event
    free = (
        day for day in range(start, latest + 1) if not fails & set(range(day, day + run))
    )  # fmt: skip
    low = next(free, None)
    if event is not None:
        return ("event", event, low, high)
    could = [
        told[i]
        for i in range(len(told) - run + 1)
        if not gap or told[i + run - 1] - told[i] == run - 1
    ]
    return ("censored", max(could), low, None)


def test_the_library_has_neutrophil_definitions_of_both_shapes():
    shapes = {(content["of"], content["run"]) for content in neutrophil_definitions().values()}
    assert {("consecutive days", 3), ("values on different days", 3)} <= shapes


@pytest.mark.parametrize("name", neutrophil_definitions())
def test_every_episode_is_what_plain_lines_give(found, name):
    rule = neutrophil_definitions()[name]
    expected = {episode: reference(days, rule) for episode, days in draws().items()}
    assert len(expected) == 20
    assert {e: row for (d, e), row in found.items() if d == name} == expected


def test_the_document_has_the_table(found):
    assert tabulate_library(found) in DOCUMENT.read_text(encoding="utf-8")
