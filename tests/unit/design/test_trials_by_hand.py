"""What a run prints, counted again by hand from its tables; and runs of more than one task."""

import math
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from stromal.core import ProtocolError, UsageError
from stromal.design.grid import Grid, settings_of
from stromal.design.plan import allocate
from stromal.design.scenario import read_scenario
from stromal.design.simulation import Budget, simulate
from stromal.simulate.stream_kernels import key_table

STUDIES = Path(__file__).parents[3] / "studies"
COMMON = {
    "calibrated": False,
    "parameters": {
        "niche_damaged": {"value": 0.9},
        "damaged_capacity": {"value": 0.014},
        "niche_repair": {"value": 0.001},
    },
    "msc": {"effect": 0.002},
}
"""Poor graft function in most people, so that a bank is filled quickly."""


def settings(changes=None, study="msc4pgf"):
    """Give the null and the assumed setting of a study, with poor graft function common."""
    _, content = read_scenario(STUDIES / study)
    own = changes or {}
    grid = Grid.model_validate({"stromal_grid": 1, "text": "-", "scenarios": {"assumed": own}})
    return settings_of(STUDIES / study, {**content, **COMMON}, grid)


@pytest.mark.by_hand
def test_rates_and_decisions_of_a_run_are_those_counted_by_hand_from_its_tables():
    """One set with more trials than a task holds (50): truths come from the first task alone.

    The rule: at least so many of 68 that P(X >= so many) <= 0.025 at p0 = 0.5.
    """
    run = simulate(settings(), Budget(trials=52, bank=30, seed=5), workers=1)
    assert run.frames["truths"]["n"].to_list() == [2040] * 4
    trials, truths = run.frames["trials"], run.frames["truths"]
    assert trials.filter(pl.col("scenario") == "null")["trial"].to_list() == list(range(52))

    def tail(n, events):
        return sum(math.comb(n, k) for k in range(events, n + 1)) / 2**n

    for scenario in ("null", "assumed"):
        rows = trials.filter(pl.col("scenario") == scenario).select("n", "events").rows()
        rejected = sum(tail(n, events) <= 0.025 for n, events in rows)
        nominal = [next(p for e in range(n + 1) if (p := tail(n, e)) <= 0.025) for n, _ in rows]
        cell = run.characteristics.cell(scenario, "as planned")
        assert cell.trials == 52
        assert cell.rejecting.value == pytest.approx(rejected / 52)
        assert cell.nominal_alpha.value == pytest.approx(sum(nominal) / 52)
        rate = sum(e for _, e in rows) / sum(n for n, _ in rows)
        assert cell.arms[0].success_rate.value == pytest.approx(rate)
        for told in cell.arms[0].truths:
            of = truths.filter(pl.col("scenario") == scenario, pl.col("truth") == told.truth)
            true = of["events"].item() / of["n"].item()
            assert told.rate.value == pytest.approx(true)
            bias = sum(e / n - true for n, e in rows) / 52
            assert told.bias.value == pytest.approx(bias)


# --- what a scenario may not say -------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"msc": {"delay": "-3 d"}}, "expected 0 d or longer; got '-3 d'"),
        ({"site": {"delivery": {"late": 1, "by": "-3 d"}}}, "expected 1 d or longer"),
        ({"entry": {"after": "-5 d"}}, "expected 0 d or longer"),
        ({"entry": {"after": "91 d"}}, "`after` is no longer than `by`"),
        ({"entry": {"by": "-5 d"}}, "courses begin there"),
        ({"entry": {"endpoint": None, "by": None, "day": "-3 d"}}, "courses begin"),
        ({"people": {"arm": {"shares": {"msc": 1}}}}, "`arm`, a column that the simulation fills"),
        ({"people": {"weight_kg": {"shares": {"60": 1}}}}, "`weight_kg` is a number above 0"),
        ({"people": {"weight_kg": {"mean": 0, "sd": 0, "from": 0, "to": 0}}}, "above 0"),
        ({"accrual": {"screened_per_month": 1e-300}}, "0.001"),
        ({"site": {"drop_out": 2}}, "drop_out"),
        (
            {"spells": [{"name": "death", "rate": 0.1, "until": "50 d", "lasting": "3 d"}]},
            "`death` is simulated apart from spells",
        ),
    ],
)
def test_what_cannot_be_lived_is_refused(changes, said):
    with pytest.raises(ProtocolError, match=said):
        settings(changes)


def test_a_trial_that_nobody_can_enter_is_given_up(monkeypatch):
    """Chimerism is asked by the rule that opens the trial, and nobody's is known."""
    monkeypatch.setattr("stromal.design.bank._LOOKED_AT", 500)
    own = settings({"assessed": []})
    with pytest.raises(UsageError, match=r"only 0 of 500 .* opened the trial for nobody"):
        simulate(own, Budget(trials=1, bank=2), workers=1)


@pytest.mark.parametrize(
    ("parameter", "said"),
    [
        ({"anc_turnover": {"value": 1e6}}, "grew beyond all bounds"),
        ({"platelet_maturation": {"value": 1e-6}}, "grew beyond all bounds"),
        ({"platelet_life": {"value": 0}}, "`platelet_life` is above 0"),
        ({"death": {"spread": 0.5}}, "`death` is the same in all participants"),
    ],
)
def test_parameters_that_no_marrow_can_follow_are_refused(parameter, said):
    """Counts that are no numbers would be read as blood that was not drawn."""
    own = settings({"parameters": {**COMMON["parameters"], **parameter}})
    with pytest.raises(UsageError, match=said):
        simulate(own, Budget(trials=1, bank=2), workers=1)


@pytest.mark.parametrize(
    ("anchor", "said"),
    [("transplant", "day zero, hence day 0"), ("first_msc", "no moment of the participants table")],
)
def test_a_day_for_a_moment_that_cannot_be_moved_is_refused(anchor, said):
    with pytest.raises(UsageError, match=said):
        settings({"anchors": {anchor: "5 d"}})


def test_variants_that_would_have_one_name_are_refused():
    _, content = read_scenario(STUDIES / "msc4pgf")
    axes = {"a": {"p": {}, "p / q": {}}, "b": {"q / r": {}, "r": {}}}
    grid = Grid.model_validate({"stromal_grid": 1, "text": "-", "axes": axes})
    with pytest.raises(UsageError, match="would be called `p / q / r`"):
        settings_of(STUDIES / "msc4pgf", content, grid)


def test_arms_of_which_one_has_no_planned_size_are_alike():
    protocol = settings(study="gao-2016")[0].protocol
    arms = {
        name: arm.model_copy(update={"participants": 62 if place == 0 else None})
        for place, (name, arm) in enumerate(protocol.arms.items())
    }
    found = allocate(
        key_table(1, 1, np.arange(124)), protocol.model_copy(update={"arms": arms}), 124
    )
    assert np.bincount(found).tolist() == [62, 62]
