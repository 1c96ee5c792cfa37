"""The course of virtual participants: by hand where nothing is random, and what always holds."""

import numpy as np
import polars as pl
import pytest

from stromal.endpoints.frames import recover
from stromal.simulate.course_kernels import NEVER, Hazards, live, room_for_course
from stromal.simulate.marrow_kernels import ANC, SUPPORT
from stromal.simulate.population import Niche, draw_population, hazards_of, site_of

NICHE = Niche(text="for tests", capacity=0.7, capacity_spread=0.3, repair=0.02, repair_spread=0.5,
              msc_effect=0.05, msc_decay=0.1)  # fmt: skip
SAFE = Hazards(0.0, 0.0, 0.3, 7, 0.0, 0.0, 0.0, 0.2, 0.0)
CERTAIN = site_of(missed=0.0, missed_when_well=0.0)._replace(
    anc_noise=0.0, platelet_noise=0.0, hb_noise=0.0
)


def lived(people, days=60, *, site=CERTAIN, hazards=SAFE, every=1, doses=None, first_day=0, seed=1):
    """Let participants live; give the course and the states at the end."""
    population = draw_population(seed, 0, people, NICHE)
    planned = np.zeros((len(people), days), dtype=np.int8)
    planned[:, ::every] = 1
    course = room_for_course(len(people), days)
    given = np.zeros((len(people), days)) if doses is None else doses
    live(population.keys, population.marrows, population.states, planned, given, first_day, site,
         hazards, 2, course)  # fmt: skip
    return course, population.states


@pytest.mark.by_hand
def test_without_noise_and_events_recovery_is_the_day_on_which_the_marrow_crosses():
    """Daily draws, no noise: the derived day is the first day of three at 0.5 after the nadir."""
    course, _ = lived(range(50))
    assert np.array_equal(course.anc, course.true_anc)
    people, days = course.anc.shape
    counts = pl.DataFrame(
        {
            "participant_id": np.repeat(np.arange(people), days),
            "day": np.tile(np.arange(days), people),
            "value": course.anc.ravel(),
        }
    )
    derived = recover(counts, "CIBMTR_ANC")
    for anc, row in zip(course.true_anc, derived.iter_rows(named=True), strict=True):
        nadir = int(np.flatnonzero(anc[:29] == anc[:29].min())[-1])
        crossing = [day for day in range(nadir + 1, days - 2) if (anc[day : day + 3] >= 0.5).all()]
        assert row["status"] == ("event" if crossing else "censored")
        assert not crossing or row["day"] == crossing[0]
    assert derived["status"].n_unique() >= 1
    assert 8 < derived["day"].median() < 25


def test_any_participant_can_be_made_again_alone():
    site, hazards = site_of(missed=0.1, missed_when_well=0.2), hazards_of()
    together, states = lived(range(30), site=site, hazards=hazards)
    alone, state = lived([17], site=site, hazards=hazards)
    for whole, one in zip(together, alone, strict=True):
        assert np.array_equal(whole[17:18], one, equal_nan=True)
    assert np.array_equal(states[17], state[0])


def test_two_draw_schedules_see_the_same_people():
    """Who is who, and who falls ill on a day of equal counts, does not depend on the schedule."""
    site = CERTAIN._replace(platelet_trigger=0.0, platelet_trigger_infected=0.0, hb_trigger=0.0)
    daily, _ = lived(range(40), site=site, hazards=hazards_of())
    weekly, _ = lived(range(40), site=site, hazards=hazards_of(), every=7)
    for name in ("true_anc", "true_platelets", "true_hb", "death", "relapse", "infected"):
        assert np.array_equal(getattr(daily, name), getattr(weekly, name), equal_nan=True), name
    drawn = ~np.isnan(weekly.anc)
    assert np.array_equal(daily.anc[drawn], weekly.anc[drawn])


def test_a_course_goes_on_from_where_it_was_left():
    whole, end = lived(range(10), 40)
    population = draw_population(1, 0, range(10), NICHE)
    planned, doses = np.ones((10, 20), dtype=np.int8), np.zeros((10, 20))
    parts = [room_for_course(10, 20), room_for_course(10, 20)]
    for part, first in zip(parts, (0, 20), strict=True):
        live(population.keys, population.marrows, population.states, planned, doses, first,
             CERTAIN, SAFE, 2, part)  # fmt: skip
    assert np.array_equal(np.hstack([parts[0].anc, parts[1].anc]), whole.anc)
    assert np.array_equal(population.states, end)


@pytest.mark.by_hand
def test_the_site_transfuses_by_what_it_saw():
    site = CERTAIN._replace(refractory=0.0)
    course, _ = lived(range(60), site=site, every=3)
    given = course.platelets_given == 1
    assert given.any()
    assert (course.platelets[given] <= 10).all()
    assert not given[np.isnan(course.platelets)].any()
    people, days = np.nonzero(given[:, :-1])
    rise = course.true_platelets[people, days + 1] - course.true_platelets[people, days]
    assert (rise > 15).all()  # 30 added, less a day's loss
    assert (rise < 30).all()
    assert (course.hb[course.red_cells == 2] < 70).all()


def test_nothing_is_recorded_after_death_or_relapse():
    deadly = hazards_of()._replace(death=0.05, relapse=0.05)
    course, _ = lived(range(100), hazards=deadly)
    end = np.where(course.death != NEVER, course.death, course.relapse)
    assert ((course.death != NEVER) & (course.relapse != NEVER)).sum() == 0
    assert (course.death != NEVER).any()
    assert (course.relapse != NEVER).any()
    for row, day in zip(course.true_anc, end, strict=True):
        assert day == NEVER or np.isnan(row[day + 1 :]).all()
        assert day == NEVER or not np.isnan(row[: day + 1]).any()


def test_missed_draws_are_as_many_as_said():
    """Binomial with 60 x 200 draws: 0.1 to within 4 standard errors."""
    course, _ = lived(range(200), site=CERTAIN._replace(missed=0.1, missed_when_well=0.0))
    missed = np.isnan(course.anc).mean()
    assert abs(missed - 0.1) < 4 * np.sqrt(0.09 / course.anc.size)
    well, _ = lived(range(200), site=CERTAIN._replace(missed=0.0, missed_when_well=0.5))
    assert np.isnan(well.anc[:, :8]).sum() < np.isnan(well.anc[:, -8:]).sum()


def test_msc_support_helps_the_output():
    doses = np.zeros((20, 60))
    doses[:, [5, 12, 19, 26]] = 1.0
    with_msc, states = lived(range(20), doses=doses)
    without, bare = lived(range(20))
    gain = with_msc.true_anc[:, 59] - without.true_anc[:, 59]
    assert (gain >= 0).all()
    assert (gain > 0).sum() > 10  # the others have a whole niche that nothing can help
    assert (states[:, SUPPORT] > 0).all()
    assert (bare[:, SUPPORT] == 0).all()
    assert np.array_equal(with_msc.true_anc[:, :6], without.true_anc[:, :6])
    assert states[:, ANC].min() > 0
