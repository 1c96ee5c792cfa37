"""What is planned for virtual participants: arms, infusions, draws, baseline."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from stromal.design.grid import settings_of
from stromal.design.plan import (
    allocate,
    anchors_of,
    attest,
    describe_people,
    plan_draws,
    plan_infusions,
    plan_ward,
    support_of,
    weekdays_of,
)
from stromal.design.scenario import read_scenario
from stromal.protocol.schedule import WEEKDAYS
from stromal.protocol.timing import DrawPlan
from stromal.simulate.stream_kernels import key_table

STUDIES = Path(__file__).parents[3] / "studies"


def setting(study, changes=None):
    _, content = read_scenario(STUDIES / study)
    return settings_of(STUDIES / study, {**content, **(changes or {})}, None)[1]


def keys(size, seed=1):
    return key_table(seed, 1, np.arange(size, dtype=np.int64))


def infused(study, size=400, changes=None, entry=43):
    own = setting(study, changes)
    arm = allocate(keys(size), own.protocol, own.protocol.design.enrolment)
    people = describe_people(keys(size), own.scenario)
    days = np.full(size, entry, dtype=np.int32)
    rows = plan_infusions(own.protocol, own.scenario, keys(size), arm, days, people)
    return own, arm, people, rows


@pytest.mark.by_hand
def test_arms_of_equal_size_are_equal_in_every_trial_and_nearly_so_within():
    own = setting("saa-children-2021")
    arm = allocate(keys(18 * 50), own.protocol, 18).reshape(50, 18)
    assert (arm.sum(axis=1) == 9).all()
    running = np.cumsum(np.where(arm == 1, 1, -1), axis=1)
    assert np.abs(running).max() <= 2  # blocks of four
    assert len({tuple(row) for row in arm}) > 40


def test_a_trial_of_one_arm_has_one_arm():
    own = setting("msc4pgf")
    assert (allocate(keys(68), own.protocol, 68) == 0).all()


@pytest.mark.by_hand
def test_four_weekly_infusions_of_a_million_a_kg_from_the_day_of_entry():
    _, _, people, rows = infused("msc4pgf")
    first = rows.filter(pl.col("p") == 0)
    assert first["day"].to_list() == [43, 50, 57, 64]
    assert first["number"].to_list() == [1, 2, 3, 4]
    assert set(first["cells_per_kg"]) == {1e6}
    assert first["cells"][0] == pytest.approx(1e6 * people["weight_kg"][0])


def test_infusions_are_late_and_reduced_as_often_as_said():
    """400 x 4 infusions, shares to within 4 standard errors; the first moves all after it."""
    delivery = {"late": 0.3, "by": "2 d", "reduced": 0.2, "reduced_to": 0.5}
    _, _, _, rows = infused("msc4pgf", changes={"site": {"delivery": delivery}})
    assert rows.height == 1600
    first = rows.filter(pl.col("number") == 1).select("p", first="day")
    rows = rows.join(first, on="p")
    begun = rows["first"] - 43
    later = rows.filter(pl.col("number") > 1)
    own = later["day"] - later["first"] - 7 * (later["number"] - 1)
    for late in (first["first"] - 43, own):
        assert set(late) == {0, 1, 2}
        assert abs((late > 0).mean() - 0.3) < 4 * np.sqrt(0.21 / late.len())
        assert abs((late == 1).mean() - 0.15) < 4 * np.sqrt(0.13 / late.len())
    assert begun.max() == 2
    reduced = rows["cells_per_kg"] == 5e5
    assert set(rows["cells_per_kg"]) == {1e6, 5e5}
    assert abs(reduced.mean() - 0.2) < 4 * np.sqrt(0.16 / rows.height)
    assert (rows.filter(reduced)["completed"] == "no").all()


def test_infusions_that_are_left_out_are_not_counted():
    _, _, _, rows = infused("msc4pgf", changes={"site": {"delivery": {"missed": 0.1}}})
    assert abs(rows.height / 1600 - 0.9) < 4 * np.sqrt(0.09 / 1600)
    assert set((rows["day"] - 43).unique()) == {0, 7, 14, 21}
    assert (rows.group_by("p").agg(pl.col("number").max() == pl.len())["number"]).all()
    assert rows.filter(pl.col("number") == 1)["day"].max() > 43  # the first was left out


def test_a_fixed_dose_is_by_weight_and_saline_has_no_cells():
    own, arm, people, rows = infused("gao-2016", entry=0)
    cells = rows.filter(pl.col("product") == "uc_msc")
    assert (cells["cells"] - 3e7).abs().max() < 1e-6
    weight = people["weight_kg"].gather(cells["p"])
    assert ((cells["cells_per_kg"] - 3e7 / weight).abs() < 1e-6).all()
    saline = rows.filter(pl.col("product") == "saline")
    assert set(saline["cells"]) == {0.0}
    assert not set(saline["p"]) & set(cells["p"])
    # two to four infusions, a third of people each
    many = cells.group_by("p").len()["len"]
    assert set(many) == {2, 3, 4}
    assert abs((many == 3).mean() - 1 / 3) < 4 * np.sqrt(2 / 9 / many.len())
    first = np.zeros(400, dtype=np.int32)
    support = support_of(rows, own.protocol, own.scenario, first, 10)
    names = list(own.protocol.arms)
    assert (support[arm == names.index("control")] == 0).all()
    assert (support[arm == names.index("msc")][:, 0] > 0).all()


@pytest.mark.by_hand
def test_support_begins_with_the_delay_of_the_scenario():
    own, _, _, rows = infused("msc4pgf", size=5)
    support = support_of(rows, own.protocol, own.scenario, np.full(5, 43, np.int32), 30)
    assert np.flatnonzero(support[0]).tolist() == [3, 10, 17, 24]
    assert support[0].sum() == pytest.approx(4.0)


@pytest.mark.by_hand
def test_the_ward_draws_daily_then_on_three_weekdays():
    own = setting("msc4pgf")
    bits = plan_ward(own.protocol, own.scenario, np.array([0, 3]), 60)
    assert (bits[:, :31] == 7).all()
    for weekday, row in zip((0, 3), bits, strict=True):
        days = np.flatnonzero(row[31:]) + 31
        assert {WEEKDAYS[(weekday + day) % 7] for day in days.tolist()} == {"Mon", "Wed", "Fri"}


@pytest.mark.by_hand
def test_draws_of_the_protocol_are_placed_from_its_anchors():
    own = setting("msc4pgf")
    plan = {"analytes": ["PLT"], "from": "first_msc", "until": "21 d", "every": "7 d"}
    protocol = own.protocol.model_copy(update={"draws": [DrawPlan.model_validate(plan)]})
    anchors = pl.DataFrame({
        "p": [0, 1], "transplant": [0, 0], "enrolment": [43, 50], "first_msc": [44, None],
        "day_zero_date": [None, None],
    }, schema_overrides={"day_zero_date": pl.Date})  # fmt: skip
    bits = plan_draws(protocol, anchors, np.array([43, 50], np.int32), 30)
    assert np.flatnonzero(bits[0]).tolist() == [1, 8, 15, 22]
    assert set(bits[0][bits[0] != 0]) == {2}
    assert not bits[1].any()  # no infusion, no draws that count from it


def test_moments_before_entry_are_not_known_and_day_zero_is_day_zero():
    own = setting("msc4pgf")
    before = anchors_of(own.protocol, own.scenario, None, 3)
    assert before["transplanted_day"].to_list() == [0, 0, 0]
    assert before["enrolled_day"].null_count() == 3
    after = anchors_of(own.protocol, own.scenario, np.array([43, 44, 45], np.int32), 3)
    assert after["enrolled_day"].to_list() == [43, 44, 45]
    gao = setting("gao-2016")
    assert anchors_of(gao.protocol, gao.scenario, None, 1)["transplanted_day"][0] == -120


def test_baseline_columns_have_the_shares_and_bounds_of_the_scenario():
    own = setting("msc4pgf")
    people = describe_people(keys(4000), own.scenario)
    assert people["age"].min() == 14
    assert people["age"].max() <= 70
    assert abs(people["age"].mean() - 38) < 1
    shares = people["kps"].value_counts(normalize=True).sort("kps")
    assert shares["kps"].to_list() == [60.0, 70.0, 80.0, 90.0]
    assert np.abs(shares["proportion"].to_numpy() - [0.1, 0.3, 0.35, 0.25]).max() < 0.03
    said = attest(keys(4000), own.scenario, own.protocol, np.zeros(4000, np.int32))
    yes = said.group_by("criterion").agg((pl.col("value") == "yes").mean()).sort("criterion")
    found = dict(yes.iter_rows())
    assert abs(found["consent"] - 0.9) < 0.02
    assert found["contraindication"] == 1.0
    assert found["other_trial"] == 0.0  # nobody is excluded by what the scenario says nothing of
    assert set(weekdays_of(keys(500))) == set(range(7))
