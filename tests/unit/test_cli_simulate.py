"""The command `simulate`: what it prints and writes, and what it says of mistakes."""

import json
import shutil

import polars as pl
import pytest
from ruamel.yaml import YAML

from stromal.design.cluster import LocalCluster
from stromal.design.grid import settings_of
from stromal.design.scenario import read_scenario
from stromal.design.simulation import Budget, simulate
from unit.test_cli import STUDIES, stromal  # noqa: F401  (a fixture)

OPTIONS = ("--trials", 6, "--bank", 15, "--workers", 1, "--seed", 7)
GRID = """
stromal_grid: 1
text: for tests
axes:
  draws:
    daily: {}
    weekly:
      protocol:
        draws: [{analytes: [ANC, PLT, Hb], from: first_msc, until: 10 wk, every: 7 d}]
"""


@pytest.fixture
def study(tmp_path):
    """Give the study with poor graft function common, so that banks are filled quickly."""
    folder = tmp_path / "msc4pgf"
    shutil.copytree(STUDIES / "msc4pgf", folder)
    yaml = YAML(typ="safe")
    content = yaml.load((folder / "scenario.yaml").read_text())
    content |= {
        "calibrated": False,
        "parameters": {
            "niche_damaged": {"value": 0.9},
            "damaged_capacity": {"value": 0.014},
            "niche_repair": {"value": 0.001},
        },
    }
    with (folder / "scenario.yaml").open("w") as file:
        yaml.dump(content, file)
    return folder


def test_it_prints_every_figure_with_its_error_and_what_is_assumed(stromal, study, tmp_path):  # noqa: F811
    file = tmp_path / "oc.json"
    ran = stromal("simulate", study, *OPTIONS, "-o", file)
    assert ran.code == 0
    for said in ("SYNTHETIC DATA", "How often the trial rejects", "Without an effect of MSC",
                 "Nominal alpha", "at p0 0.5", "measured", "latent", "Screened", "for one",
                 "Endpoints, scenario null", "Endpoints, scenario assumed", "±",
                 "is an assumption"):  # fmt: skip
        assert said in ran.out, said
    content = json.loads(file.read_text())
    assert content["study"] == "msc4pgf"
    assert content["data"] == "synthetic"
    assert content["seed"] == 7
    assert content["trials"] == 6
    assert {cell["scenario"] for cell in content["cells"]} == {"null", "assumed"}
    assert content["cells"][0]["arms"][0]["enrolled"]["value"] == 68
    again = tmp_path / "again.json"
    stromal("simulate", study, *OPTIONS, "-o", again)
    assert again.read_text() == file.read_text()


def test_a_grid_is_shown_and_written_as_table_and_figure(stromal, study, tmp_path):  # noqa: F811
    grid = tmp_path / "grid.yaml"
    grid.write_text(GRID)
    ran = stromal("simulate", study, *OPTIONS, "--grid", grid, "-o", tmp_path / "oc.csv")
    assert ran.code == 0
    assert "weekly" in ran.out
    assert "Endpoints" not in ran.out
    table = pl.read_csv(tmp_path / "oc.csv")
    assert set(table["variant"]) == {"daily", "weekly"}
    ran = stromal("simulate", study, *OPTIONS, "--grid", grid, "-o", tmp_path / "oc.svg")
    assert ran.code == 0
    picture = (tmp_path / "oc.svg").read_text()
    assert "weekly" in picture
    assert "synthetic" in picture


def test_one_trial_is_written_and_every_other_command_takes_it(stromal, study, tmp_path):  # noqa: F811
    folder = tmp_path / "trial"
    ran = stromal("simulate", study, *OPTIONS, "--write", folder, "--trial", 3)
    assert ran.code == 0
    assert "68 participants" in ran.out
    for command in ("check", "screen", "schedule", "derive", "analyze"):
        ran = stromal(command, folder)
        assert ran.code == 0, (command, ran.err)
        assert command == "check" or "SYNTHETIC DATA" in ran.out, command
    page = tmp_path / "page.html"
    assert stromal("report", folder, "-o", page).code == 0
    assert "synthetic" in page.read_text().lower()
    assert stromal("simulate", folder, *OPTIONS).code == 0


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--trials", 0), "expected at least 1 for `trials`; got 0"),
        (("--seed", -1), "expected a seed from 0"),
        (("-o", "oc.pdfx"), "results are written as .json"),
        (("--write", "x", "--trials", 5, "--trial", 5), "the trials 0 to 4; got 5"),
        (("--grid", "nowhere.yaml"), "nowhere.yaml"),
        (("--scenario", "nowhere.yaml"), "there is no such file"),
    ],
)
def test_a_mistake_is_told_with_its_remedy(stromal, study, options, said):  # noqa: F811
    ran = stromal("simulate", study, *options)
    assert ran.code == 1
    assert said in " ".join(ran.err.split())
    assert "Traceback" not in ran.err


def test_a_study_without_a_scenario_is_told_what_to_write(stromal):  # noqa: F811
    ran = stromal("simulate", STUDIES / "worked-examples")
    assert ran.code == 1
    assert "scenario.yaml" in ran.err


def test_dask_gives_the_numbers_of_this_process(study):
    _, content = read_scenario(study)
    settings, budget = settings_of(study, content, None), Budget(trials=4, bank=10, seed=7)
    here = simulate(settings, budget, workers=1)
    there = simulate(settings, budget, cluster=LocalCluster(workers=1))
    assert there.checksum == here.checksum
