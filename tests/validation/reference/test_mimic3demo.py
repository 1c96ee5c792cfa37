"""Counts and transfusions of intensive care (MIMIC-III demo): units, words, a log with holes."""

import csv
from collections import defaultdict
from datetime import date, timedelta
from pathlib import Path

import polars as pl
import pytest

from stromal.core import RecordError
from stromal.endpoints import derive_all
from stromal.protocol import read_protocol
from stromal.records import read_records
from support.mimic_demo import MIMIC, import_mimic

PLATELETS = ("plt20", "plt50", "plt_early", "plt_during")
LENGTH = {"plt20": 7, "plt50": 7, "plt_early": 7, "plt_during": 1, "hb": 7}
PRODUCT = {"hb": "RBC"}

pytestmark = [
    pytest.mark.reference,
    pytest.mark.skipif(not MIMIC.exists(), reason=f"the counts {MIMIC} are not here"),
]


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    folder = import_mimic(tmp_path_factory.mktemp("icu"))
    protocol = read_protocol(folder)
    return derive_all(protocol, read_records(folder, protocol))


def rows_of(name):
    with (MIMIC / name).open(encoding="utf-8", newline="") as handle:
        return list(csv.DictReader(handle))


def day_of(moment):
    return date.fromisoformat(moment[:10])


@pytest.fixture(scope="module")
def log():
    """Read the log plainly: {person: days surely charted}, {(person, product): days given}."""
    stays, given, unnamed = defaultdict(list), defaultdict(set), set()
    for row in rows_of("transfusions.csv"):
        person, day = row["subject_id"], day_of(row["starttime"])
        stays[person, row["icustay_id"]].append(day)
        if row["product"] == "OTHER":
            unnamed.add((person, day))
        if row["statusdescription"] != "Rewritten":
            given[person, row["product"]].add(day)
    covered = defaultdict(set)
    for (person, _), days in stays.items():
        day = min(days) + timedelta(days=1)
        while day < max(days):
            if (person, day) not in unnamed:
                covered[person].add(day)
            day += timedelta(days=1)
    return covered, given


@pytest.fixture(scope="module")
def admitted():
    first = {}
    for row in rows_of("admissions.csv"):
        day = day_of(row["admittime"])
        first[row["subject_id"]] = min(first.get(row["subject_id"], day), day)
    return first


def test_counts_in_three_units_are_converted(study):
    found = {row["record_id"]: row for row in study.records["measurements"].iter_rows(named=True)}
    factor = {"K/uL": 1, "#/uL": 1 / 1000, "g/dL": 10}
    units = set()
    for line, row in enumerate(rows_of("counts.csv"), start=2):
        if f"m{line}" not in found or row["value"].startswith("<"):
            continue
        units.add(row["valueuom"])
        value = found[f"m{line}"]["value"]
        assert value == pytest.approx(float(row["valuenum"]) * factor[row["valueuom"]])
    assert units == factor.keys()


def test_every_count_is_imported_once(study):
    absolute = ("PLT", "WBC", "HGB", "HGB_BG", "ANC_ABS", "LYMPH_ABS")
    expected = sum(
        row["test"] in absolute and not row["value"][:3].isalpha() for row in rows_of("counts.csv")
    )
    rows = study.records["measurements"]
    late = study.records.set_aside.get("measurements", rows.clear())
    as_given = pl.col("method").ne_missing("computed")
    assert rows.filter(as_given).height + late.filter(as_given).height == expected


def test_platelets_below_the_limit_of_the_method_stay_bounds(study):
    bounds = study.records["measurements"].filter(pl.col("censored") == "<")
    assert bounds.select("analyte", "low", "high", "value").unique().rows() == [
        ("PLT", 0.0, 5.0, None)
    ]
    assert bounds.height == sum(row["value"] == "<5" for row in rows_of("counts.csv"))


def test_neutrophils_are_computed_only_where_none_are_reported(study):
    draws = defaultdict(dict)
    for row in rows_of("counts.csv"):
        if row["valuenum"]:
            draws[row["subject_id"], row["charttime"]][row["test"]] = float(row["valuenum"])
    expected = {}
    for (person, moment), draw in draws.items():
        if {"WBC", "NEUT_PCT"} <= draw.keys() and "ANC_ABS" not in draw:
            share = draw["NEUT_PCT"] + draw.get("BANDS_PCT", 0)
            expected[person, moment[:10], moment[11:16]] = draw["WBC"] * share / 100
    rows = study.records["measurements"].filter(pl.col("method") == "computed")
    found = {
        (row["participant_id"], row["date"].isoformat(), row["time"][:5]): row["value"]
        for row in rows.iter_rows(named=True)
    }
    assert found.keys() == expected.keys()
    assert all(found[key] == pytest.approx(expected[key], abs=1e-4) for key in found)


def test_values_in_words_are_refused(tmp_path):
    folder = import_mimic(tmp_path, leave_words=True)
    protocol = read_protocol(folder)
    with pytest.raises(RecordError) as raised:
        read_records(folder, protocol)
    used = ("PLT", "WBC", "HGB", "HGB_BG", "ANC_ABS", "LYMPH_ABS")
    words = [r for r in rows_of("counts.csv") if r["test"] in used and r["value"][:3].isalpha()]
    assert len(raised.value.faults) == len(words) > 0
    assert all(fault.remedy.startswith("Remove the row") for fault in raised.value.faults)


def days_of_run(study, row):
    ids = study.records["measurements"].filter(pl.col("record_id").is_in(row["because"]))
    return ids["date"].to_list()


@pytest.mark.parametrize("endpoint", LENGTH)
def test_no_event_rests_on_a_day_without_coverage(study, log, endpoint):
    covered, given = log
    events = study.derived[endpoint].filter(pl.col("status") == "event")
    for row in events.iter_rows(named=True):
        person, days = row["participant_id"], days_of_run(study, row)
        assert days
        transfused = given[person, PRODUCT.get(endpoint, "PLATELETS")]
        day = min(days) - timedelta(days=LENGTH[endpoint] - 1)
        while day <= max(days):
            within = day >= min(days) or LENGTH[endpoint] > 1
            shadow = any(timedelta(0) <= d - day < timedelta(days=LENGTH[endpoint]) for d in days)
            if within and shadow:
                assert day in covered[person], (person, day)
            assert day not in transfused, (person, day)
            day += timedelta(days=1)


@pytest.mark.parametrize("endpoint", PLATELETS)
def test_nobody_is_said_to_be_free_of_transfusion_without_a_log(study, log, admitted, endpoint):
    """`not_applicable` says: never below the threshold and never transfused."""
    covered, _ = log
    rows = study.derived[endpoint].filter(pl.col("status") == "not_applicable")
    for person in rows["participant_id"]:
        counts = study.records["measurements"].filter(
            (pl.col("participant_id") == person) & (pl.col("analyte") == "PLT")
        )
        within = 3 if endpoint == "plt_early" else 28
        last = max(d for d in counts["day"].to_list() if 0 <= d <= within)
        days = {admitted[person] + timedelta(days=d) for d in range(last + 1)}
        assert days <= covered[person]


@pytest.mark.parametrize("endpoint", ["plt20", "plt50"])
def test_most_of_those_alive_are_not_evaluable(study, admitted, log, endpoint):
    covered, _ = log
    rows = {r["participant_id"]: r for r in study.derived[endpoint].iter_rows(named=True)}
    alive = [person for person, row in rows.items() if row["status"] != "competing"]
    open_ = [person for person in alive if rows[person]["status"] == "not_evaluable"]
    assert len(open_) / len(alive) > 0.9
    document = Path(__file__).resolve().parents[3] / "docs/validation/mimic.md"
    assert f"{len(open_)} of {len(alive)} are `not_evaluable`" in document.read_text("utf-8")
    never_logged = {
        person
        for person in alive
        if not any(0 <= (day - admitted[person]).days <= 28 for day in covered[person])
    }
    assert never_logged
    assert not {rows[p]["status"] for p in never_logged} & {"event", "not_applicable"}


def test_the_note_says_that_transfusions_were_not_logged(study, admitted, log):
    """With counts of all of days 0 to 3, none below 50, only the log is missing."""
    covered, given = log
    lowest = defaultdict(lambda: defaultdict(list))
    for row in rows_of("counts.csv"):
        if row["test"] == "PLT" and row["valuenum"]:
            day = (day_of(row["charttime"]) - admitted[row["subject_id"]]).days
            lowest[row["subject_id"]][day].append(float(row["valuenum"]))
    told = 0
    for row in study.derived["plt_early"].iter_rows(named=True):
        person = row["participant_id"]
        early = [lowest[person].get(day) for day in range(4)]
        days = {admitted[person] + timedelta(days=day) for day in range(4)}
        high = all(values and min(values) >= 50 for values in early)
        if high and not days & given[person, "PLATELETS"] and row["status"] != "competing":
            assert not days <= covered[person]
            assert (row["status"], row["cause"]) == (
                "not_evaluable",
                "transfusions were not logged",
            )
            assert "transfusions were not logged throughout" in row["note"]
            told += 1
    assert told >= 20
