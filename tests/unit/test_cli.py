"""The command line: every command on the bundled studies, and what it says of mistakes."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import polars as pl
import pytest

from stromal import __version__
from stromal.cli import main
from support.study_folder import make_study

STUDIES = Path(__file__).resolve().parents[2] / "studies"
WORKED = STUDIES / "worked-examples"
ALL = sorted(path.parent.name for path in STUDIES.glob("*/protocol.yaml"))


class Ran(NamedTuple):
    code: int
    out: str
    err: str


@pytest.fixture
def stromal(capsys, monkeypatch):
    """Run a command in this process; give its exit status and what it printed."""
    monkeypatch.setenv("COLUMNS", "200")

    def run(*arguments: object) -> Ran:
        monkeypatch.setattr(sys, "argv", ["stromal", *map(str, arguments)])
        try:
            main()
            code = 0
        except SystemExit as ended:
            code = int(ended.code or 0)
        out, err = capsys.readouterr()
        return Ran(code, out, err)

    return run


def test_the_studies_are_those_named_in_the_documentation():
    assert ALL == [
        "cle-2015", "gao-2016", "meuleman-2009", "msc4pgf", "saa-children-2021", "worked-examples",
        "worked-examples-2",
    ]  # fmt: skip


@pytest.mark.parametrize("study", ALL)
@pytest.mark.parametrize("command", ["check", "screen", "schedule", "derive", "analyze"])
def test_every_command_reads_every_study(stromal, command, study):
    ran = stromal(command, STUDIES / study)
    assert ran.code == 0, ran.err
    assert ran.out.strip()


def test_version(stromal):
    assert stromal("--version").out.strip() == __version__


def test_derived_rows_carry_the_kind_of_data_and_the_version(stromal, tmp_path):
    target = tmp_path / "derived.csv"
    assert stromal("derive", WORKED, "-o", target).code == 0
    rows = pl.read_csv(target)
    assert rows["data"].unique().to_list() == ["teaching"]
    assert rows["protocol_version"].str.len_chars().unique().to_list() == [64]
    assert (
        rows.filter((pl.col("participant_id") == "W01") & (pl.col("status") == "event"))["day"][0]
        == 7
    )


def test_episodes_of_a_study_without_states(stromal, tmp_path):
    target = tmp_path / "episodes.csv"
    found = stromal("derive", WORKED, "--episodes", "-o", target)
    assert found.code == 0
    assert "The protocol has no states." in found.out
    assert pl.read_csv(target).is_empty()


def test_explain_marks_the_days_that_decided(stromal, tmp_path):
    days = tmp_path / "days.csv"
    ran = stromal("explain", WORKED, "-p", "W08", "-e", "platelet_recovery_20", "-o", days)
    assert ran.code == 0
    assert "event on day 18" in ran.out
    told = pl.read_csv(days)
    assert told.filter("decided")["day"].to_list() == [18, 19, 20]
    shadow = told.filter(pl.col("seen").str.contains("platelets transfused on day 11"))
    assert shadow["day"].to_list() == list(range(11, 18))
    assert shadow["verdict"].unique().to_list() == ["fails"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("explain", WORKED, "-p", "W99", "-e", "platelet_recovery_20"), "`W99` is no participant"),
        (("explain", WORKED, "-p", "W01", "-e", "platelet_recovery"), "did you mean"),
        (("derive", WORKED, "--endpoint", "nothing"), "`nothing` is no endpoint"),
        (("derive", WORKED, "--cutoff", "1/2/2024"), "YYYY-MM-DD"),
        (("derive", WORKED, "-o", "out.xlsx"), ".xlsx"),
        (("report", WORKED, "-o", "report.pdf"), ".html or .json"),
        (("check", STUDIES / "no-such-study"), "cannot be read"),
        (("demo", STUDIES / "no-such-folder"), "no study folder"),
        (("definitions", "CIBMTR_XYZ"), "not in the library"),
        (("definitions", "compare", "CIBMTR_ANC"), "`compare` and two"),
        (("definitions", "compare", "CIBMTR_ANC", "OS"), "compare two of one family"),
    ],
)  # fmt: skip
def test_a_mistake_ends_with_status_1_and_its_remedy(
    stromal, tmp_path, monkeypatch, arguments, said
):
    monkeypatch.chdir(tmp_path)
    ran = stromal(*arguments)
    assert ran.code == 1
    assert said in ran.err.replace("\n", " ")
    assert "Traceback" not in ran.err
    assert not list(tmp_path.iterdir())


def test_report_writes_the_page_and_the_numbers(stromal, tmp_path):
    target = tmp_path / "r" / "report.html"
    ran = stromal("report", STUDIES / "saa-children-2021", "-o", target)
    assert ran.code == 0, ran.err
    page = target.read_text(encoding="utf-8")
    assert "RECONSTRUCTION" in page.upper()
    numbers = json.loads((tmp_path / "r" / "results.json").read_text(encoding="utf-8"))
    assert numbers["data"] == "reconstruction"


def test_a_recovery_under_every_definition(stromal, tmp_path):
    target = tmp_path / "every.csv"
    ran = stromal("derive", WORKED, "--every", "platelet_recovery_20", "-o", target)
    assert ran.code == 0
    assert "the protocol's own" in ran.out
    assert "of 18 participants are the same throughout" in ran.out
    names = pl.read_csv(target)["definition"].unique(maintain_order=True).to_list()
    assert names[0] == "CIBMTR_PLT_20"
    assert {"ASTCT_2021_PLT", "EBMT_HANDBOOK_PLT"} < set(names)
    assert stromal("derive", WORKED, "--every", "cmv_course").code == 1
    assert "belong to --every" in stromal("derive", WORKED, "--from", "transplant").err


@pytest.mark.parametrize("suffix", ["html", "svg", "png"])
def test_the_choice_of_definition_is_drawn(stromal, tmp_path, suffix):
    target = tmp_path / f"every.{suffix}"
    assert stromal("derive", WORKED, "--every", "neutrophil_recovery", "-o", target).code == 0
    head = target.read_bytes()[:200]
    assert {"html": b"<!doctype html>", "svg": b"<svg", "png": b"PNG"}[suffix] in head


def test_the_library_is_listed_printed_and_written(stromal, tmp_path, monkeypatch):
    monkeypatch.setattr("stromal.terminal.out.width", 80)
    listed = stromal("definitions").out
    assert "neutrophil_recovery" in listed
    assert max(map(len, listed.splitlines())) <= 80
    said = stromal("definitions", "CIBMTR_PLT_20", "-o", tmp_path / "one.json").out
    assert "values on different days" in said
    assert "The protocol chooses" in said
    written = json.loads((tmp_path / "one.json").read_text(encoding="utf-8"))
    assert (written["definition"], written["run"]) == ("CIBMTR_PLT_20", 3)
    assert "All alike" in stromal("definitions", "compare", "neutrophil_recovery").out
    assert "did you mean `neutrophil_recovery`" in stromal(
        "definitions", "compare", "neutrofil_recovery"
    ).err.replace("\n", " ")


def test_two_definitions_are_compared(stromal):
    ran = stromal("definitions", "compare", "CIBMTR_ANC", "NCT06171906_ANC")
    assert ran.code == 0
    assert "count that must be exceeded" in ran.out
    same = stromal("definitions", "compare", "OS", "NRM").out
    assert "rules of OS and NRM are the same" in same
    assert "NRM leaves open: The competing events stand in the protocol" in same.replace("\n", " ")


def test_verdicts_of_people_are_set_beside_derived_ones(stromal, tmp_path):
    text = (STUDIES.parent / "docs" / "minimal-protocol.yaml").read_text(encoding="utf-8")
    people = [
        {"participant_id": who, "age": 40, "arm": "all", "transplanted_day": 0} for who in "AB"
    ]
    counts = {"A": [3, 0.1, 0.6, 0.7, 0.9], "B": [3, 0.1, 0.2, 0.1, 0.2]}
    study = make_study(
        tmp_path / "mine",
        protocol_text=text,
        participants=people,
        measurements=[
            {"participant_id": who, "day": day, "analyte": "ANC", "value": value, "unit": "10*9/L"}
            for who, values in counts.items()
            for day, value in enumerate(values)
        ],
        adjudications=[
            {"participant_id": who, "endpoint": "neutrophil_recovery", "status": "event", "day": 2,
             "assessor": "committee"} for who in "AB"
        ],
    )  # fmt: skip
    ran = stromal("reconcile", study, "-o", tmp_path / "beside.csv")
    assert ran.code == 0
    assert "1 of 2 verdicts the same (Cohen's kappa 0.000)" in ran.out
    assert pl.read_csv(tmp_path / "beside.csv")["agree"].to_list() == [True, False]
    assert "No derived endpoint" in stromal("reconcile", WORKED).out


def test_the_smallest_protocol_of_the_tutorial_derives(stromal, tmp_path):
    text = (STUDIES.parent / "docs" / "minimal-protocol.yaml").read_text(encoding="utf-8")
    counts = [3, 2, 0.1, 0.2, 0.6, 0.7, 0.9]
    make_study(
        tmp_path / "mine",
        protocol_text=text,
        participants=[{"participant_id": "1", "age": 40, "arm": "all", "transplanted_day": 0}],
        measurements=[
            {"participant_id": "1", "day": day, "analyte": "ANC", "value": value, "unit": "10*9/L"}
            for day, value in enumerate(counts)
        ],
    )
    assert "0 contradictions" in stromal("check", tmp_path / "mine").out
    assert stromal("derive", tmp_path / "mine", "-o", tmp_path / "out.csv").code == 0
    assert pl.read_csv(tmp_path / "out.csv")["day"].to_list() == [4]


def test_a_report_of_another_name_has_its_own_numbers(stromal, tmp_path):
    assert stromal("report", STUDIES / "msc4pgf", "-o", tmp_path / "check.html").code == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["check.html", "check.json"]


def test_schema_is_json(stromal):
    assert json.loads(stromal("schema").out)["title"] == "stromal protocol, version 1"


def test_help_does_not_import_what_it_does_not_need():
    code = (
        "import sys; sys.argv=['stromal','--help']\n"
        "from stromal.cli import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "print([m for m in ('numba','polars','scipy','matplotlib','pydantic') if m in sys.modules])"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip().endswith("[]")


@pytest.mark.parametrize(
    "command", [("derive", "out.csv"), ("report", "out.html"), ("analyze", "out.json")]
)
def test_a_place_that_cannot_be_written_is_told(stromal, tmp_path, command):
    (tmp_path / "file").write_text("", encoding="utf-8")
    verb, name = command
    ran = stromal(verb, WORKED, "-o", tmp_path / "file" / name)
    assert ran.code == 1
    assert "cannot write" in ran.err


def test_a_file_is_written_though_nobody_reads_what_is_printed(tmp_path):
    out = tmp_path / "out.csv"
    line = f"{sys.executable} -m stromal.cli derive {WORKED} -o {out} | head -0"
    subprocess.run(["bash", "-c", line], check=True, capture_output=True)
    assert pl.read_csv(out).height > 100


def test_a_terminal_without_unicode_still_gets_the_rule():
    ran = subprocess.run(
        [sys.executable, "-m", "stromal.cli", "explain", str(WORKED), "-p", "W08", "-e",
         "platelet_recovery_20"],
        check=False, capture_output=True, text=True,
        env={**os.environ, "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0", "LC_ALL": "C"},
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    assert "\\u2265 20" in ran.stdout


@pytest.mark.parametrize("cutoff", ["20240301", "2024-W10-1", "2024-02-30", ""])
def test_a_cutoff_is_an_iso_date(stromal, cutoff):
    ran = stromal("derive", WORKED, "--cutoff", cutoff)
    assert (ran.code, "YYYY-MM-DD" in ran.err) == (1, True)


def test_control_characters_never_reach_the_terminal(stromal, tmp_path):
    (tmp_path / "protocol.yaml").write_text('"\\e[2J\\u202e": 1\n', encoding="utf-8")
    ran = stromal("check", tmp_path)
    assert "\x1b" not in ran.err
    assert r"\x1b[2J\u202e" in ran.err


def test_findings_of_the_protocol_are_told_although_records_are_refused(stromal, tmp_path):
    shutil.copytree(STUDIES / "msc4pgf", tmp_path / "s", dirs_exist_ok=True)
    records = tmp_path / "s" / "records"
    records.mkdir(exist_ok=True)
    (records / "participants.csv").write_text("", encoding="utf-8")
    ran = stromal("check", tmp_path / "s")
    assert ran.code == 1
    assert "contradiction" in ran.out
    assert "an empty file" in ran.err


def test_a_locked_analysis_refuses_what_has_changed(stromal, tmp_path):
    study = tmp_path / "study"
    shutil.copytree(WORKED, study)
    free = tmp_path / "free.json"
    assert stromal("analyze", study, "-o", free).code == 0
    assert json.loads(free.read_text(encoding="utf-8"))["locked"] is False
    ran = stromal("analyze", study, "--lock")
    assert ran.code == 0, ran.err
    assert "Locked analysis" in ran.out
    results = tmp_path / "results.json"
    assert stromal("analyze", study, "-o", results).code == 0
    content = json.loads(results.read_text(encoding="utf-8"))
    assert content["locked"] is True
    assert len(content["records_checksum"]) == 64
    file = next((study / "records").glob("events.csv"))
    before = file.read_bytes()
    file.write_bytes(before + b"\n")
    for command in (("analyze", study), ("report", study, "-o", tmp_path / "r.html")):
        ran = stromal(*command)
        assert ran.code == 1
        assert "records/events.csv has changed: restore it" in ran.err
    assert stromal("analyze", study, "--lock").code == 0
    assert stromal("analyze", study).code == 0
    file.write_bytes(before)
    assert "--lock" in stromal("analyze", study).err
    lock = study / "analysis.lock.json"
    lock.write_text("{}", encoding="utf-8")
    assert "remove it and lock anew" in stromal("analyze", study, "--lock").err
    lock.unlink()
    assert stromal("analyze", study, "--lock").code == 0


def test_a_page_says_that_its_analysis_is_locked(stromal, tmp_path):
    study = tmp_path / "study"
    shutil.copytree(WORKED, study)
    assert stromal("analyze", study, "--lock").code == 0
    page = tmp_path / "r.html"
    assert stromal("report", study, "-o", page).code == 0
    assert "Locked:" in page.read_text(encoding="utf-8")


@pytest.mark.parametrize("suffix", ["csv", "parquet", "json"])
def test_analysis_data_are_written(stromal, tmp_path, suffix):
    file = tmp_path / f"adtte.{suffix}"
    assert stromal("analyze", WORKED, "--data", file).code == 0
    read = {"csv": pl.read_csv, "parquet": pl.read_parquet, "json": pl.read_json}[suffix]
    frame = read(file)
    assert {"USUBJID", "PARAMCD", "AVAL", "CNSR"} <= set(frame.columns)
    assert not frame.select("USUBJID", "PARAMCD").is_duplicated().any()


def test_analysis_data_of_another_suffix_are_refused_before_anything_is_computed(stromal, tmp_path):
    ran = stromal("analyze", tmp_path / "nothing here", "--data", tmp_path / "adtte.sas7bdat")
    assert ran.code == 1
    assert ".csv, .parquet, .json" in ran.err


def test_analyze_ends_with_the_methods_and_their_sources(stromal, tmp_path):
    file = tmp_path / "results.json"
    ran = stromal("analyze", WORKED, "-o", file)
    assert "Statistical methods" in ran.out
    told = json.loads(file.read_text(encoding="utf-8"))["methods"]
    assert told["text"].split("\n\n")[0].split(".")[0] in " ".join(ran.out.split())
    assert [source["number"] for source in told["sources"]] == list(
        range(1, len(told["sources"]) + 1)
    )
    for source in told["sources"]:
        assert f"[{source['number']}] {source['text'][:30]}" in ran.out
