"""Recorded recovery days of children after transplantation (UCI): verdicts, deaths, never."""

from pathlib import Path

import polars as pl
import pytest

from stromal.analysis.analyze import analyze
from stromal.core import RecordError
from stromal.endpoints import derive_all
from stromal.protocol import read_protocol
from stromal.records import read_records
from support.uci_children import CHILDREN, NEVER, TIMES, import_children, read_children

pytestmark = [
    pytest.mark.reference,
    pytest.mark.skipif(not CHILDREN.exists(), reason=f"the children {CHILDREN} are not here"),
]


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    folder = import_children(tmp_path_factory.mktemp("children"))
    protocol = read_protocol(folder)
    return derive_all(protocol, read_records(folder, protocol))


@pytest.fixture(scope="module")
def source():
    return read_children()


def expected_of(row, endpoint):
    """Give status and day of one child as the columns alone say them."""
    day, last = int(float(row[TIMES[endpoint]])), int(row["survival_time"])
    died = row["survival_status"] == "1"
    if endpoint == "agvhd" and (day == NEVER) != (row["aGvHDIIIIV"] == "1"):
        return ("not_evaluable", None)
    if day != NEVER and not (died and day > last):
        return ("event", day)
    return ("competing", last) if died else ("censored", last)


@pytest.mark.parametrize("endpoint", TIMES)
def test_every_child(study, source, endpoint):
    found = {
        row["participant_id"]: (row["status"], row["day"])
        for row in study.derived[endpoint].iter_rows(named=True)
    }
    assert found == {row["id"]: expected_of(row, endpoint) for row in source}


def test_deaths_without_neutrophil_recovery_compete(study, source):
    early = {
        row["id"]: int(row["survival_time"])
        for row in source
        if float(row["ANCrecovery"]) == NEVER and row["survival_status"] == "1"
    }
    assert len(early) == 5
    rows = study.derived["anc"].filter(pl.col("status") == "competing")
    assert dict(zip(rows["participant_id"], rows["day"], strict=True)) == early
    assert set(rows["cause"]) == {"death"}
    assert all("without the event before" in note for note in rows["note"])


def late_recoveries(source):
    return {
        row["id"]: (int(row["survival_time"]), int(float(row["PLTrecovery"])))
        for row in source
        if row["survival_status"] == "1"
        and int(row["survival_time"]) < float(row["PLTrecovery"]) < NEVER
    }


def test_platelet_recoveries_after_death_are_findings_and_no_events(study, source):
    late = late_recoveries(source)
    assert len(late) == 2
    told = {f.participant_id: f for f in study.records.findings if f.rule == "record-after-death"}
    assert told.keys() == late.keys()
    rows = {row["participant_id"]: row for row in study.derived["plt"].iter_rows(named=True)}
    kept = study.records["adjudications"].filter(pl.col("endpoint") == "plt")
    for child, (died, day) in late.items():
        assert told[child].weight == "contradiction"
        assert f"on day {died}; the first is on day {day}" in told[child].what
        assert "no time to an event uses them" in told[child].why
        assert (rows[child]["status"], rows[child]["day"]) == ("competing", died)
        assert (
            f"the verdict (event on day {day}) lies after it and is not used"
            in (rows[child]["note"])
        )
        assert kept.filter(pl.col("participant_id") == child)["day"].to_list() == [day]


def test_the_flag_of_gvhd_and_its_time_contradict_each_other_twice(study, source):
    """1 means without GVHD: all but these agree with it, and the other reading has 185 against."""
    split = [
        row["id"]
        for row in source
        if (row["aGvHDIIIIV"] == "1") != (float(row["time_to_aGvHD_III_IV"]) == NEVER)
    ]
    assert len(split) == 2
    rows = study.derived["agvhd"].filter(pl.col("participant_id").is_in(split))
    assert rows["cause"].to_list() == ["assessors disagree"] * 2


def test_children_alive_who_never_recovered_are_censored_at_last_contact(tmp_path):
    """The file has none for counts, so a copy of one child is made so, beside the child itself."""
    header = CHILDREN.read_text(encoding="utf-8").splitlines()
    names = header[0].split(",")
    alive = next(line for line in header[1:] if line.split(",")[-1] == "0")
    cells = alive.split(",")
    cells[names.index("ANCrecovery")] = "1.00E+06"
    file = tmp_path / "source.csv"
    file.write_text("\n".join([header[0], ",".join(cells), alive]) + "\n", encoding="utf-8")
    folder = import_children(tmp_path / "study", source=file)
    protocol = read_protocol(folder)
    rows = derive_all(protocol, read_records(folder, protocol)).derived["anc"]
    last = int(cells[names.index("survival_time")])
    assert rows.select("status", "day").rows()[0] == ("censored", last)
    assert rows["status"].to_list() == ["censored", "event"]


def test_the_number_that_stands_for_never_is_refused(tmp_path, source):
    folder = import_children(tmp_path, leave_sentinel=True)
    protocol = read_protocol(folder)
    with pytest.raises(RecordError) as raised:
        read_records(folder, protocol)
    faults = raised.value.faults
    never = sum(float(row[column]) == NEVER for row in source for column in TIMES.values())
    assert len(faults) == 21  # twenty rows one by one, the others together
    assert f"{never - 20} more rows" in faults[-1].found
    assert {fault.column for fault in faults} == {"day"}
    assert "out of range" in faults[0].found
    assert "what never happened has no day" in faults[0].remedy


def incidence(pairs, day):
    """Give the Aalen-Johansen estimate of the event by a day, by the textbook sum."""
    free, total = 1.0, 0.0
    for time in sorted({t for _, t in pairs if t <= day}):
        at_risk = sum(t >= time for _, t in pairs)
        events = sum(t == time and s == "event" for s, t in pairs)
        others = sum(t == time and s == "competing" for s, t in pairs)
        total += free * events / at_risk
        free *= 1 - (events + others) / at_risk
    return total


def test_curves_are_those_of_the_columns(study, source):
    results = {result.id: result for result in analyze(study).results}
    for endpoint in TIMES:
        pairs = [expected_of(row, endpoint) for row in source]
        pairs = [pair for pair in pairs if pair[0] != "not_evaluable"]
        for estimate in results[endpoint].groups[0].estimates:
            assert estimate.n == len(pairs)
            assert estimate.value == pytest.approx(incidence(pairs, estimate.day), abs=1e-12)


def test_survival_is_that_of_the_columns(study, source):
    (result,) = [result for result in analyze(study).results if result.id == "os"]
    deaths = [int(row["survival_time"]) for row in source if row["survival_status"] == "1"]
    free = 1.0
    for day in sorted({day for day in deaths if day <= 365}):
        at_risk = sum(int(row["survival_time"]) >= day for row in source)
        free *= 1 - deaths.count(day) / at_risk
    estimate = result.groups[0].estimates[0]
    assert estimate.value == pytest.approx(free, abs=1e-12)
    assert estimate.events == len(deaths)


def test_the_document_counts_what_is_derived(study):
    text = (Path(__file__).resolve().parents[3] / "docs/validation/uci.md").read_text("utf-8")
    rows = {"anc": "neutrophil recovery", "plt": "platelet recovery", "agvhd": "acute GVHD III-IV"}
    words = ("event", "competing", "censored", "not_evaluable")
    for endpoint, label in rows.items():
        statuses = study.derived[endpoint]["status"].to_list()
        counts = " | ".join(str(statuses.count(word)) for word in words)
        assert f"| {label} | {counts} |" in text
