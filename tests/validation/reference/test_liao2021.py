"""Real daily counts after transplantation against a hand adjudication (Liao 2021)."""

import re
from functools import cache
from pathlib import Path

import polars as pl
import pytest
from typer.testing import CliRunner

from stromal.cli import app
from stromal.endpoints import derive
from stromal.protocol import read_protocol
from stromal.records import read_records
from support.liao import LIAO, import_liao

DOCUMENT = Path(__file__).resolve().parents[3] / "docs" / "validation" / "liao2021.md"
NEVER = "FMT.0098@665"

pytestmark = [
    pytest.mark.reference,
    pytest.mark.skipif(not LIAO.exists(), reason=f"the counts {LIAO} are not here"),
]


@cache
def adjudicated():
    rows = pl.read_csv(LIAO / "adjudicated.csv").iter_rows(named=True)
    return {row["episode"]: row for row in rows}


def derived(folder, **kwargs):
    """Derive the episodes by values on different days: {episode: row}."""
    study = import_liao(folder, **kwargs)
    protocol = read_protocol(study)
    rows = derive(protocol, read_records(study, protocol)).filter(pl.col("endpoint") == "anc")
    return {row["participant_id"]: row for row in rows.iter_rows(named=True)}


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    return derived(tmp_path_factory.mktemp("whole"))


def test_there_are_twenty_episodes(whole):
    assert len(whole) == 20
    assert whole.keys() == adjudicated().keys()


def test_the_day_and_both_bounds_of_every_episode(whole):
    wrong = {}
    for episode, verdict in adjudicated().items():
        row = whole[episode]
        found = (row["status"], row["day"], row["day_low"], row["day_high"])
        if verdict["day_low"] is None:
            expected = ("censored", 35, None, None)  # the last count is on day 37
        else:
            low, high = int(verdict["day_low"]), int(verdict["day_high"])
            day = high if verdict["day"] is None else int(verdict["day"])
            expected = ("event", day, low, high)
        if found != expected:
            wrong[episode] = (found, expected)
    assert wrong == {}


def test_two_episodes_are_adjudicated_as_intervals_and_one_never_engrafted():
    kinds = [row["status"].split()[0].strip(",") + str(row["day"] is None)
             for row in adjudicated().values()]  # fmt: skip
    assert sorted(set(kinds)) == ["engraftedFalse", "engraftedTrue", "notTrue"]
    assert (kinds.count("engraftedTrue"), kinds.count("notTrue")) == (2, 1)
    assert adjudicated()[NEVER]["status"].startswith("not engrafted")


def test_zeros_that_the_source_imputes_are_below_the_threshold(whole):
    """494@6 has 0 on day 0, then 1.0, 0.8, 0.5: that is the way down, not a recovery.

    The nadir lies where leucocytes were lowest: 0.3 on days 6 to 8.
    """
    assert "0.3 on day 8" in whole["494@6"]["note"]
    assert whole["494@6"]["day"] == 11


def test_the_imputed_zeros_are_a_finding(tmp_path):
    """Count zeros from day 0 on, beside leucocytes below the lowest that have neutrophils."""
    draws = {}
    for row in pl.read_csv(LIAO / "counts.csv").iter_rows(named=True):
        if row["day_from_hct"] >= 0:
            key = (row["episode"], row["day_from_hct"])
            draws.setdefault(key, {})[row["test"]] = row["value_1e9_per_L"]
    pairs = {
        key: (draw["ANC"], draw["WBC"])
        for key, draw in draws.items()
        if draw.get("ANC") is not None and draw.get("WBC")
    }
    limit = min(white for neutrophils, white in pairs.values() if neutrophils > 0)
    zeros = {key for key, (_, white) in pairs.items() if white < limit}
    study = import_liao(tmp_path)
    records = read_records(study, read_protocol(study))
    (finding,) = [found for found in records.findings if found.rule == "imputed-zeros"]
    assert f"All {len(zeros)} neutrophil counts" in finding.what
    assert f"up to {max(pairs[key][1] for key in zeros):g} are exactly 0" in finding.what
    assert f"of {len({episode for episode, _ in zeros})} participants" in finding.what
    assert limit == 0.6


def test_leucocytes_alone_show_the_fall(whole):
    assert "nadir" in whole["FMT.0078@140"]["note"]


def days_of(phase):
    return {(day + phase) % 7 for day in (0, 2, 4)}


def is_right(row, full):
    """Whether the bounds contain the day of all counts, or rightly claim nothing."""
    if full["status"] != "event":
        return row["status"] != "event"
    low, high = row["day_low"], row["day_high"]
    return row["status"] == "event" and high is not None and low <= full["day"] <= high


def documented():
    """Read the table of misses in the document: {phase: (days, right, misses)}."""
    pattern = r"^\| (\d) \| ([\d, ]+) \| (\d+) of 20 \| (.+) \|$"
    found = re.findall(pattern, DOCUMENT.read_text(encoding="utf-8"), re.MULTILINE)
    return {
        int(phase): (
            {int(day) for day in days.split(",")},
            int(right),
            set() if misses == "none" else set(misses.split(", ")),
        )
        for phase, days, right, misses in found
    }


def test_the_document_lists_every_phase():
    assert sorted(documented()) == list(range(7))


@pytest.mark.parametrize("phase", range(7))
def test_three_draws_a_week_contain_the_day_of_all_counts(tmp_path, whole, phase):
    thinned = derived(tmp_path, days=days_of(phase))
    misses = {episode for episode, full in whole.items() if not is_right(thinned[episode], full)}
    assert 20 - len(misses) >= 18
    assert documented()[phase] == (days_of(phase), 20 - len(misses), misses)
    assert all(thinned[episode]["status"] != "event" for episode in misses)


@pytest.mark.parametrize(
    ("phase", "episode", "expected"),
    [
        (0, "FMT.0078@140", ("not_evaluable", None, None, None)),
        (4, "FMT.0080@5", ("not_evaluable", None, None, None)),
        (6, "FMT.0082@92", ("censored", 8, 9, None)),
    ],
)
def test_what_the_document_says_of_each_miss(tmp_path, phase, episode, expected):
    row = derived(tmp_path, days=days_of(phase))[episode]
    assert (row["status"], row["day"], row["day_low"], row["day_high"]) == expected


def test_three_draws_a_week_cannot_show_consecutive_days(tmp_path):
    study = import_liao(tmp_path, days=days_of(0))
    protocol = read_protocol(study)
    rows = derive(protocol, read_records(study, protocol))
    rows = rows.filter(pl.col("endpoint") == "anc_days")
    assert set(rows["status"]) <= {"not_evaluable", "not_applicable"}


def test_the_shell_derives_the_same(tmp_path, whole):
    out = tmp_path / "out.csv"
    result = CliRunner().invoke(
        app, ["derive", str(import_liao(tmp_path / "study")), "-o", str(out)]
    )
    assert result.exit_code == 0, result.output
    rows = pl.read_csv(out).filter(pl.col("endpoint") == "anc")
    columns = ("participant_id", "status", "day", "day_low", "day_high", "note")
    assert rows.select(columns).rows() == [
        tuple(row[name] for name in columns) for row in whole.values()
    ]
    assert set(rows["data"]) == {"observed"}
