"""The reconstructed records against the numbers that the four articles print.

`published` marks a printed number; `characterisation` marks what was fitted or searched for.
"""

from __future__ import annotations

import importlib.util
import json
import shutil
import statistics
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

from stromal.analysis.contingency import compare_counts
from stromal.analysis.cumulative_incidence import estimate_incidence
from stromal.analysis.estimate import estimate_at
from stromal.analysis.gray import compare_incidence
from stromal.analysis.kaplan_meier import estimate_survival
from stromal.analysis.logrank import compare_survival
from stromal.analysis.ordered import split_outcomes
from stromal.analysis.proportions import estimate_proportion
from stromal.endpoints.outcome import TimeToEvent

STUDIES = Path(__file__).parents[3] / "studies"
MEULEMAN, GAO, CLE, SAA = "meuleman-2009", "gao-2016", "cle-2015", "saa-children-2021"
NAMES = (MEULEMAN, GAO, CLE, SAA)
TWO_YEARS, FOUR_YEARS = 730.5, 1461.0
MONTH = 30.4375


def read(study: str, table: str) -> pl.DataFrame:
    """Read a table of records, every column that is not empty with its own type."""
    return pl.read_csv(STUDIES / study / "records" / f"{table}.csv")


def load(study: str, script: str):
    """Import a script of a study folder."""
    path = STUDIES / study / f"{script}.py"
    spec = importlib.util.spec_from_file_location(f"{script}_{study.replace('-', '_')}", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def time_to_first(study: str, events: tuple[str, ...], competing: tuple[str, ...] = ()):
    """Give the first of the events for everyone, else the last contact."""
    first = (
        read(study, "events")
        .filter(pl.col("event").is_in([*events, *competing]))
        .sort("day", maintain_order=True)
        .group_by("participant_id", maintain_order=True)
        .first()
        .select(
            "participant_id",
            "day",
            pl.when(pl.col("event").is_in(events))
            .then(pl.lit("event"))
            .otherwise(pl.lit("competing"))
            .alias("status"),
        )
    )
    frame = (
        read(study, "participants")
        .select("participant_id", "arm", "last_contact_day")
        .join(first, on="participant_id", how="left")
        .with_columns(
            pl.coalesce("day", "last_contact_day").alias("day"),
            pl.col("status").fill_null("censored"),
        )
    )
    return TimeToEvent(frame.select("participant_id", "arm", "day", "status"))


def survival_at(outcomes: TimeToEvent, day: float) -> str:
    """Give the estimate and its standard error as the article prints them."""
    curve = estimate_survival(outcomes, interval="plain", confidence=0.95)
    (estimate,) = estimate_at(curve, (day,))
    return f"{100 * estimate.value:.1f} +- {100 * estimate.standard_error:.1f}"


def incidence_at(outcomes: TimeToEvent, variance: str) -> str:
    """Give the 2-year incidence and its linear interval as the article prints them."""
    curve = estimate_incidence(outcomes, variance=variance, interval="linear", confidence=0.95)
    (estimate,) = estimate_at(curve, (TWO_YEARS,))
    return f"{100 * estimate.value:.1f} ({100 * estimate.low:.1f}-{100 * estimate.high:.1f})"


@pytest.mark.parametrize("study", NAMES)
def test_script_writes_the_committed_records(study: str, tmp_path: Path):
    shutil.copy(STUDIES / study / "reconstruct.py", tmp_path)
    subprocess.run([sys.executable, tmp_path / "reconstruct.py"], check=True)
    committed = {p.name: p.read_bytes() for p in (STUDIES / study / "records").glob("*.csv")}
    written = {p.name: p.read_bytes() for p in (tmp_path / "records").glob("*.csv")}
    assert written == committed


@pytest.mark.parametrize("study", NAMES)
def test_rows_are_stamped_identified_and_belong_together(study: str):
    about = (STUDIES / study / "records" / "about.yaml").read_text(encoding="utf-8")
    assert about.startswith("data: reconstruction\n")
    people = read(study, "participants")
    last = dict(people.select("participant_id", "last_contact_day").iter_rows())
    assert people["participant_id"].str.starts_with("R-").all()
    assert people["participant_id"].is_unique().all()
    for path in (STUDIES / study / "records").glob("*.csv"):
        if path.stem == "participants":
            continue
        table = read(study, path.stem)
        assert table["record_id"].is_unique().all()
        assert all(
            0 <= day <= last[who] for who, day in table.select("participant_id", "day").iter_rows()
        )
    events = read(study, "events")
    known = dict(events.select("record_id", "day").iter_rows())
    chained = events.filter(pl.col("leads_to").is_not_null())
    assert all(known[to] > day for to, day in chained.select("leads_to", "day").iter_rows())


@pytest.mark.published
def test_meuleman_response_and_remission():
    people = read(MEULEMAN, "participants")
    verdicts = read(MEULEMAN, "adjudications").filter(pl.col("endpoint") == "response")
    recovered = verdicts.filter(pl.col("level") == "recovered")
    assert people.height == verdicts.height == 6
    assert sorted(recovered["day"]) == [12, 21]
    estimate = estimate_proportion(2, 6, interval="clopper-pearson", confidence=0.95)
    assert (f"{100 * estimate.low:.1f}", f"{100 * estimate.high:.1f}") == ("4.3", "77.7")
    table = people.join(verdicts, on="participant_id")
    counts = {
        remission: [
            table.filter(pl.col("remission") == remission, pl.col("level") == level).height
            for level in ("recovered", "no recovery")
        ]
        for remission in ("CR1", "not CR1")
    }
    assert counts == {"CR1": [2, 0], "not CR1": [0, 4]}
    assert compare_counts(counts, test="fisher").p_value == pytest.approx(1 / 15, abs=1e-12)
    assert set(read(MEULEMAN, "infusions")["cells_per_kg"]) == {1_000_000}


@pytest.mark.published
def test_meuleman_cytomegalovirus_chain():
    events = read(MEULEMAN, "events")
    assert events["event"].to_list() == ["cmv_reactivation", "cmv_disease", "death"]
    assert events["day"][0] == 12
    assert events["leads_to"].to_list() == [*events["record_id"][1:], None]
    assert events["cause"][2] == "CMV disease"
    assert events["related_to"].null_count() == events.height


def test_meuleman_two_endpoints_agree():
    verdicts = read(MEULEMAN, "adjudications")
    times = verdicts.filter(pl.col("endpoint") == "recovery")
    levels = verdicts.filter(pl.col("endpoint") == "response")
    assert (times["status"] == "event").to_list() == (levels["level"] == "recovered").to_list()
    assert times["day"].to_list() == levels["day"].to_list()


@pytest.mark.published
def test_gao_incidence_of_chronic_gvhd():
    arms = split_outcomes(time_to_first(GAO, ("cgvhd",), ("death",)))
    assert {name: arm.frame.height for name, arm in arms.items()} == {"msc": 62, "control": 62}
    assert incidence_at(arms["msc"], "cmprsk") == "27.4 (16.2-38.6)"
    assert incidence_at(arms["control"], "greenwood") == "49.0 (36.5-61.5)"
    early = arms["msc"].frame.filter(pl.col("day") <= TWO_YEARS, pl.col("status") == "censored")
    assert early.is_empty()


@pytest.mark.characterisation
def test_gao_other_variance_prints_other_intervals():
    arms = split_outcomes(time_to_first(GAO, ("cgvhd",), ("death",)))
    assert incidence_at(arms["msc"], "greenwood") == "27.4 (16.3-38.5)"
    assert incidence_at(arms["control"], "cmprsk") == "49.0 (36.3-61.7)"


@pytest.mark.published
def test_gao_survival_lung_and_infusions():
    arms = split_outcomes(time_to_first(GAO, ("death",)))
    assert survival_at(arms["msc"], TWO_YEARS).startswith("66.1 ")
    assert survival_at(arms["control"], TWO_YEARS).startswith("61.3 ")
    assert compare_survival(time_to_first(GAO, ("death",))).p_value > 0.05
    lung = read(GAO, "events").filter(pl.col("event") == "severe_lung_cgvhd")
    arm = dict(read(GAO, "participants").select("participant_id", "arm").iter_rows())
    assert [arm[who] for who in lung["participant_id"]] == ["control"] * 7
    infusions = read(GAO, "infusions")
    given = infusions.group_by("participant_id").len()["len"]
    assert len(given) == 62
    assert f"{given.mean():.1f} ({given.min()}-{given.max()})" == "3.7 (2-4)"
    assert set(infusions["cells"]) == {30_000_000}


@pytest.mark.published
@pytest.mark.parametrize("test", ["fisher", "chi-square", "chi-square yates"])
def test_gao_lung_p_value_is_no_test_on_62_and_62(test: str):
    p_value = compare_counts({"msc": [0, 62], "control": [7, 55]}, test=test).p_value
    assert f"{p_value:.3f}" != "0.047"


@pytest.mark.characterisation
def test_gao_p_value_is_fitted_and_lies_within_its_range():
    p_value = compare_incidence(time_to_first(GAO, ("cgvhd",), ("death",))).p_value
    assert f"{p_value:.3f}" == "0.021"
    found = json.loads((STUDIES / GAO / "ranges.json").read_text(encoding="utf-8"))
    ends = found["statistics"]["gray_p"]
    assert ends["min"] < ends["p01"] < p_value < ends["p99"] < ends["max"]
    assert ends["p01"] < 0.001
    assert 0.12 < ends["max"] < 0.15


@pytest.mark.characterisation
def test_gao_search_keeps_only_what_prints_the_published_numbers(monkeypatch):
    script = load(GAO, "range")
    monkeypatch.setattr(script, "CONTROLS", 2)
    monkeypatch.setattr(script, "PARTNERS", 2)
    first, second = script.compute_ranges(), script.compute_ranges()
    assert first == second
    assert first["sets"] == 16
    assert set(first["constraints"]["msc"]["kept_by_variance"]) == {"cmprsk"}
    records = time_to_first(GAO, ("cgvhd",), ("death",))
    codes = {word: code for code, word in script.WORDS.items()}
    for name, arm in split_outcomes(records).items():
        frame = arm.frame.sort("day")
        status = frame["status"].replace_strict(codes, return_dtype=pl.Int64)
        coded = (frame["day"].cast(pl.Float64).to_numpy(), status.to_numpy())
        expected = {"msc": ["cmprsk"], "control": ["Greenwood"]}[name]
        assert script.find_variances(coded, script.PRINTED[name]) == expected
    assert script.find_variances(coded, (49.1, 36.5, 61.5)) == []


def test_gao_events_and_adjudications_agree():
    events = time_to_first(GAO, ("cgvhd",), ("death",)).frame.drop("arm")
    verdicts = read(GAO, "adjudications").select("participant_id", "day", "status")
    assert events.equals(verdicts)


@pytest.mark.published
def test_cle_dose_number_and_follow_up():
    infusions = read(CLE, "infusions")
    dose = infusions["cells_per_kg"]
    assert (dose.median(), dose.min(), dose.max()) == (2_700_000, 1_300_000, 4_500_000)
    people = infusions.group_by("participant_id").agg(pl.len(), pl.col("cells_per_kg").median())
    assert people["cells_per_kg"].median() == 2_700_000
    assert (people["len"].min(), people["len"].max()) == (2, 5)
    days = infusions.sort("participant_id", "number").with_columns(
        pl.col("day").diff().over("participant_id").alias("gap")
    )
    assert set(days["gap"].drop_nulls()) == {7}
    follow_up = read(CLE, "participants")["last_contact_day"]
    assert round(statistics.median(follow_up) / MONTH) == 20
    alive = time_to_first(CLE, ("death",)).frame.filter(pl.col("status") == "censored")
    assert round(alive["day"].median() / MONTH) == 20
    exchanged = {"event": "censored", "censored": "event"}
    reverse = TimeToEvent(
        time_to_first(CLE, ("death",)).frame.with_columns(
            pl.col("status").replace_strict(exchanged)
        )
    )
    curve = estimate_survival(reverse, interval="plain", confidence=0.95).frame
    median = curve.filter(pl.col("estimate") <= 0.5)["day"].min()
    assert round(median / MONTH) == 20


@pytest.mark.published
def test_cle_response_deaths_and_engraftment():
    people = read(CLE, "participants")
    levels = read(CLE, "adjudications")
    assert people.height == levels.height == 9
    assert dict(levels["level"].value_counts().iter_rows()) == {"PR": 2, "NR": 7}
    estimate = estimate_proportion(2, 9, interval="clopper-pearson", confidence=0.95)
    assert (f"{100 * estimate.low:.1f}", f"{100 * estimate.high:.1f}") == ("2.8", "60.0")
    events = read(CLE, "events")
    assert events["event"].to_list() == ["death"] * 4
    assert events["related_to"].null_count() == 4
    assert events["cause"].str.starts_with("individual cause not published").all()
    marrow = read(CLE, "assessments")
    assert set(marrow["day"]) == {30, 90, 180}
    assert set(marrow["value"]) == {"not detected"}


@pytest.mark.published
def test_saa_survival_at_four_years():
    overall = split_outcomes(time_to_first(SAA, ("death",)))
    failure_free = split_outcomes(time_to_first(SAA, ("death", "treatment_failure")))
    assert {name: survival_at(arm, FOUR_YEARS) for name, arm in overall.items()} == {
        "msc": "88.9 +- 10.5",
        "control": "88.9 +- 10.5",
    }
    assert survival_at(failure_free["msc"], FOUR_YEARS) == "38.1 +- 17.2"
    assert survival_at(failure_free["control"], FOUR_YEARS) == "66.7 +- 15.7"


@pytest.mark.by_hand
def test_saa_order_of_events_within_each_arm():
    arms = split_outcomes(time_to_first(SAA, ("death", "treatment_failure")))
    orders = {
        name: "".join(word[0].upper() for word in arm.frame.sort("day")["status"])
        for name, arm in arms.items()
    }
    assert orders == {"msc": "ECEEEECCC", "control": "EEECCCCCC"}


@pytest.mark.published
def test_saa_response_anaphylaxis_age_and_follow_up():
    people = read(SAA, "participants")
    levels = people.join(read(SAA, "adjudications"), on="participant_id")
    for arm, number in (("msc", 1), ("control", 2)):
        chosen = levels.filter(pl.col("arm") == arm)
        assert chosen.height == 9
        assert (chosen["level"] == "PR").sum() == number
        assert set(chosen["day"]) == {90}
    reactions = read(SAA, "events").filter(pl.col("event") == "anaphylaxis")
    assert reactions.height == reactions["participant_id"].n_unique() == 4
    assert set(reactions["related_to"]) == {"ratg"}
    assert set(reactions["not_related_to"]) == {"uc_msc"}
    msc = people.filter(pl.col("arm") == "msc")
    assert set(reactions["participant_id"]) <= set(msc["participant_id"])
    assert msc["age"].median() == 4
    assert people.filter(pl.col("arm") == "control")["age"].null_count() == 9
    assert round(people["last_contact_day"].median() / MONTH) == 48
    infusions = read(SAA, "infusions")
    assert infusions.group_by("participant_id").agg("day")["day"].to_list() == [[14, 21, 28]] * 9
    assert "clonal_evolution" not in read(SAA, "events")["event"].to_list()


@pytest.mark.by_hand
def test_saa_range_is_written_again_and_ends_where_the_logrank_test_does():
    script = load(SAA, "range")
    committed = json.loads((STUDIES / SAA / "ranges.json").read_text(encoding="utf-8"))
    assert script.compute_ranges() == committed
    assert committed["sets"] == 84
    ends = committed["statistics"]
    assert {key: round(end, 2) for key, end in ends["logrank_p"].items()} == {
        "min": 0.10,
        "max": 0.51,
    }
    assert {key: round(end, 1) for key, end in ends["hazard_ratio_msc_to_control"].items()} == {
        "min": 1.6,
        "max": 3.2,
    }
    p_value = compare_survival(time_to_first(SAA, ("death", "treatment_failure"))).p_value
    assert ends["logrank_p"]["min"] <= p_value <= ends["logrank_p"]["max"]


@pytest.mark.by_hand
def test_saa_interleaving_agrees_with_the_logrank_of_the_package():
    script = load(SAA, "range")
    places = frozenset({0, 1, 2, 3, 4, 5})
    orders = {"msc": iter("ECEEEE"), "control": iter("EEE")}
    rows = []
    for place in range(9):
        arm = "msc" if place in places else "control"
        status = {"E": "event", "C": "censored"}[next(orders[arm])]
        rows.append((f"R-{place}", arm, place + 1, status))
    rows += [(f"R-late-{i}", "msc" if i < 3 else "control", 10, "censored") for i in range(9)]
    frame = pl.DataFrame(rows, schema=["participant_id", "arm", "day", "status"], orient="row")
    steps = script.list_events(places)
    expected = compare_survival(TimeToEvent(frame)).p_value
    assert script.compare_logrank(steps) == pytest.approx(expected, abs=1e-12)
