"""What a site writes down of a course."""

import numpy as np
import polars as pl
import pytest

from stromal.simulate.assumptions import GrowthFactor, SitePlan, Spell
from stromal.simulate.course_kernels import NEVER, room_for_course
from stromal.simulate.population import draw_cohort, hazards_of, site_of
from stromal.simulate.recorded import Stretch, blood_bits, record_course
from support.courses import SAFE, go_on, lived

HAZARDS = hazards_of()._replace(infection=0.05, death=0.005, relapse=0.01, death_relapsed=0.1)


def stretch_of(course, first=0, planned=None):
    """Make a stretch of all participants of a course."""
    people = len(course.death)
    return Stretch(course, np.arange(people), np.full(people, first, dtype=np.int32), planned)


@pytest.mark.by_hand
def test_a_count_below_the_limit_is_a_bound():
    course = room_for_course(2, 3)
    course.anc[0] = [0.05, 0.1, 2.5]
    course.true_anc[:] = 0.07
    found = record_course([stretch_of(course, 4)], limits={"ANC": 0.1})["measurements"]
    expected = {"p": [0, 0, 0], "day": [4, 5, 6], "analyte": ["ANC"] * 3, "value": [None, 0.1, 2.5],
                "low": [0.0, 0.1, 2.5], "high": [0.1, 0.1, 2.5],
                "censored": ["<", None, None]}  # fmt: skip
    assert found.to_dict(as_series=False) == expected
    exact = record_course([stretch_of(course)])["measurements"]
    assert exact["value"].to_list() == [0.05, 0.1, 2.5]
    assert exact["censored"].null_count() == 3


def test_latent_rows_are_the_true_counts_of_every_day():
    course, _ = lived(range(20), 20, every=3, site=site_of(SitePlan()), hazards=HAZARDS)
    true = record_course([stretch_of(course)], limits={"ANC": 9.0}, latent=True)["measurements"]
    assert true["censored"].null_count() == true.height
    for analyte, values in (
        ("ANC", course.true_anc), ("PLT", course.true_platelets), ("Hb", course.true_hb)
    ):  # fmt: skip
        own = true.filter(analyte=analyte)
        assert own.height == np.isfinite(values).sum()
        assert np.array_equal(own["value"], values[own["p"], own["day"]])
    seen = record_course([stretch_of(course)])["measurements"].filter(analyte="Hb")
    assert set(seen["day"]) == set(range(0, 20, 3))
    assert np.array_equal(seen["value"], course.hb[seen["p"], seen["day"]])


@pytest.mark.by_hand
def test_a_draw_reports_what_it_was_for():
    assert blood_bits(["Hb", "ANC"]) == 5
    assert blood_bits(["CRP"]) == 0
    planned = np.array([[blood_bits(["ANC"]), blood_bits(["PLT", "Hb"]), 7, 0]], dtype=np.int8)
    course, _ = lived([0], 4, planned=planned)
    rows = record_course([stretch_of(course, planned=planned)])["measurements"]
    assert rows.select("day", "analyte").rows() == [
        (0, "ANC"), (1, "PLT"), (1, "Hb"), (2, "ANC"), (2, "PLT"), (2, "Hb")
    ]  # fmt: skip
    assert record_course([stretch_of(course, planned=planned)], latent=True)[
        "measurements"
    ].height == 12  # fmt: skip


@pytest.mark.by_hand
def test_transfusions_have_product_and_units():
    course = room_for_course(2, 2)
    course.platelets_given[1, 1], course.red_cells[0, 1] = 1, 2
    found = record_course([stretch_of(course, 10)])["transfusions"]
    assert found.select("p", "day", "product", "units").rows() == [
        (0, 11, "red_cells", 2.0), (1, 11, "platelets", 1.0)
    ]  # fmt: skip


@pytest.mark.by_hand
def test_deaths_have_their_cause():
    course = room_for_course(4, 10)
    course.death[:] = [5, 6, 9, NEVER]
    course.relapse[:] = [3, NEVER, NEVER, 2]
    course.infected[1, 4:7] = 1
    course.infected[2, 1:8] = 1  # over by the death
    found = record_course([stretch_of(course)])["events"]
    assert found.filter(event="death").select("p", "day", "cause").rows() == [
        (0, 5, "relapse"), (1, 6, "infection"), (2, 9, "other")
    ]  # fmt: skip
    assert found.filter(event="relapse").select("p", "day").rows() == [(0, 3), (3, 2)]


def test_an_infection_is_one_event_even_across_a_cut():
    hazards = SAFE._replace(infection=0.1)
    whole, _ = lived(range(40), 30, hazards=hazards)
    found = record_course([stretch_of(whole)])["events"]
    infected = np.pad(whole.infected, ((0, 0), (1, 0)))
    people, days = np.nonzero(np.diff(infected.astype(int), axis=1) == 1)
    assert found.select("p", "day").rows() == list(zip(people, days, strict=True))
    assert set(found["event"]) == {"infection"}
    cohort = draw_cohort(1, 0, range(40))
    parts = [stretch_of(go_on(cohort, 0, 12, hazards=hazards)),
             stretch_of(go_on(cohort, 12, 30, hazards=hazards), 12)]  # fmt: skip
    assert (whole.infected[:, 11] & whole.infected[:, 12]).any()
    assert record_course(parts)["events"].equals(found)


@pytest.mark.by_hand
def test_spells_are_events_or_medications():
    course = room_for_course(2, 6)
    course.onset[0, 2], course.onset[1, 4] = 0b11, 0b10
    spells = [Spell(name="GVHD", grade=3, rate=0.1, until="9 d", lasting="7 d"),
              Spell(name="ganciclovir", recorded="medication", rate=0.1, until="9 d",
                    lasting="14 d")]  # fmt: skip
    found = record_course([stretch_of(course, 20)], spells=spells)
    assert found["events"].select("p", "day", "event", "grade").rows() == [(0, 22, "GVHD", 3)]
    assert found["medications"].rows(named=True) == [
        {"p": 0, "started_day": 22, "ended_day": 35, "drug": "ganciclovir"},
        {"p": 1, "started_day": 24, "ended_day": 37, "drug": "ganciclovir"},
    ]


@pytest.mark.by_hand
def test_growth_factors_are_stretches_of_days():
    course = room_for_course(2, 8)
    course.drugs[0] = [0, 1, 1, 3, 2, 0, 1, 1]
    course.drugs[1] = [1, 0, 0, 0, 0, 0, 0, 2]
    found = record_course([stretch_of(course, 10)])["medications"]
    agonist = "thrombopoietin receptor agonist"
    assert found.select("p", "drug", "started_day", "ended_day").sort("p", "drug").rows() == [
        (0, "G-CSF", 11, 13), (0, "G-CSF", 16, 17), (0, agonist, 13, 14),
        (1, "G-CSF", 10, 10), (1, agonist, 17, 17),
    ]  # fmt: skip


def test_rows_of_two_stretches_are_those_of_the_whole():
    """But for growth factors under way at the cut, whose stretch is written in two."""
    site = site_of(SitePlan(missed=0.1, gcsf=GrowthFactor(start="3 d", below=0.5, until=1.0)))
    cohort = draw_cohort(3, 0, range(25))
    quiet = HAZARDS._replace(death_relapsed=0.0, relapse=0.0)
    whole, _ = lived(range(25), 24, seed=3, site=site, hazards=quiet)
    parts = [stretch_of(go_on(cohort, 0, 10, site=site, hazards=quiet)),
             stretch_of(go_on(cohort, 10, 24, site=site, hazards=quiet), 10)]  # fmt: skip
    one, two = record_course([stretch_of(whole)]), record_course(parts)
    for name in ("measurements", "transfusions", "events"):
        order = [
            "p",
            "day",
            *(c for c in ("analyte", "product", "event") if c in one[name].columns),
        ]
        assert one[name].sort(order).equals(two[name].sort(order)), name
        assert one[name]["p"].is_sorted()
    assert covered(one["medications"]).equals(covered(two["medications"]))


def covered(medications):
    """Give every day on which each had a medication."""
    days = pl.int_ranges("started_day", pl.col("ended_day") + 1)
    return medications.select("p", day=days).explode("day").sort("p", "day")
