"""The course of virtual participants: by hand where nothing is random, and what always holds."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stromal.endpoints.frames import recover
from stromal.simulate.assumptions import Effect, GrowthFactor, Immune, SitePlan, Spell
from stromal.simulate.course_kernels import ENDED, INFECTED_UNTIL, NEVER, Course
from stromal.simulate.marrow_kernels import ANC, LANES, SUPPORT
from stromal.simulate.population import draw_cohort, hazards_of, site_of, with_effect
from support.courses import CERTAIN, SAFE, alive, go_on, lived

FACTORS = {"gcsf": GrowthFactor(start="5 d", below=0.5, until=1.0),
           "tpo": GrowthFactor(start="8 d", below=30, until=50)}  # fmt: skip
BUSY = site_of(SitePlan(missed=0.1, missed_when_well=0.2, drop_out=0.002, **FACTORS))
"""A site with noise, missed draws, growth factors and loss to follow-up."""
SPELLS = [
    Spell(name="gvhd", rate=0.02, until="60 d", lasting="10 d", wear=0.2, danger=0.01,
          msc_ratio=0.5),
    Spell(name="cmv", rate=0.03, start="10 d", until="50 d", lasting="7 d", wear=0.1, again=True),
]  # fmt: skip
RISKY = hazards_of()._replace(infection=0.02, death=0.002, relapse=0.004, death_relapsed=0.05)


def same(one: Course, other: Course) -> bool:
    """Say whether two courses are the same to the bit."""
    return all(np.array_equal(a, b, equal_nan=True) for a, b in zip(one, other, strict=True))


def rows(course: Course, which) -> Course:
    """Give some participants of a course."""
    return Course(*(column[which] for column in course))


@pytest.mark.by_hand
def test_without_noise_and_events_recovery_is_the_day_on_which_the_marrow_crosses():
    """Daily draws, no noise: the derived day is the first day of three at 0.5 after the nadir."""
    course, _ = lived(range(80), 18)
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
    assert derived["status"].n_unique() == 2
    assert 8 < derived.filter(status="event")["day"].median() < 16


@pytest.mark.by_hand
def test_a_day_without_draws_is_the_marrow_alone():
    """No draw: nothing given, nothing taken, and nothing reported."""
    course, _ = lived(range(5), 20, every=100)  # a draw on day 0 alone
    assert np.isfinite(course.anc).sum() == 5
    assert np.isfinite(course.true_anc).all()
    assert (course.platelets_given[:, 1:] == 0).all()


def test_any_participant_can_be_made_again_alone():
    """Beyond the size of a block too, and in any order."""
    many = {"site": BUSY, "hazards": RISKY, "spells": SPELLS}
    size = LANES + 3
    together, end = lived(range(size), 30, **many)
    for one in (0, 17, LANES - 1, LANES, size - 1):
        alone, last = lived([one], 30, **many)
        assert same(rows(together, slice(one, one + 1)), alone)
        assert np.array_equal(end.states[one], last.states[0])
        assert np.array_equal(end.memory[one], last.memory[0])
    backward, _ = lived(range(size - 1, -1, -1), 30, **many)
    assert same(rows(backward, slice(None, None, -1)), together)


def test_two_draw_schedules_see_the_same_people():
    """Who is who, and what befalls them on equal counts, does not depend on the schedule."""
    site = CERTAIN._replace(
        platelet_trigger=-1.0, platelet_trigger_infected=-1.0, hb_trigger=0.0, blood_drawn=0.0
    )
    more = {"site": site, "hazards": RISKY, "spells": SPELLS}
    daily, _ = lived(range(40), 50, **more)
    weekly, _ = lived(range(40), 50, every=7, **more)
    for name in ("true_anc", "true_platelets", "true_hb", "death", "relapse", "infected", "onset"):
        assert np.array_equal(getattr(daily, name), getattr(weekly, name), equal_nan=True), name
    drawn = ~np.isnan(weekly.anc)
    assert np.array_equal(daily.anc[drawn], weekly.anc[drawn])
    noisy = BUSY._replace(missed=0.0, missed_when_well=0.0)
    first, _ = lived(range(10), 15, site=noisy)
    second, _ = lived(range(10), 15, site=noisy, planned=(np.arange(15) != 4).astype(np.int8))
    same_until = np.s_[:, :4]
    assert np.array_equal(first.anc[same_until], second.anc[same_until])


@settings(max_examples=12)
@given(cut=st.integers(0, 30), begin=st.sampled_from([-10, 0, 3]))
def test_a_course_goes_on_from_any_day_to_the_bit(cut, begin):
    """Noise, spells, growth factors, immune attack and infections under way at the cut."""
    people, days = 8, 30
    more = {"site": BUSY, "spells": SPELLS, "hazards": RISKY._replace(infection=0.1)}
    immune = Immune(wear=0.1, spread=0.3, treated="6 d")
    doses = np.where(np.arange(days) % 7 == 2, 1.0, 0.0)
    cohort = with_effect(draw_cohort(4, 0, range(people), immune=immune), Effect(effect=0.05))
    whole_cohort = alive(cohort)
    whole = go_on(whole_cohort, begin, begin + days, doses=doses, **more)
    before = go_on(cohort, begin, begin + cut, doses=doses[:cut], **more)
    after = go_on(cohort, begin + cut, begin + days, doses=doses[cut:], **more)
    assert whole.infected.any()
    for name, one, two, both in zip(Course._fields, before, after, whole, strict=True):
        joined = np.hstack([one, two]) if one.ndim == 2 else np.maximum(one, two)
        assert np.array_equal(joined, both, equal_nan=True), name
    assert np.array_equal(cohort.states, whole_cohort.states)
    assert np.array_equal(cohort.memory, whole_cohort.memory)


def test_each_participant_has_days_of_their_own():
    """Row i lives from first[i] to until[i]; the days are those of a course of all the days."""
    first = np.array([0, 5, 0, 9, 20])
    until = np.array([30, 25, 0, 10, 30])
    more = {"site": BUSY, "spells": SPELLS}
    together = draw_cohort(6, 0, range(5))
    found = go_on(together, first, until, **more)
    for i in range(5):
        alone = draw_cohort(6, 0, [i])
        own = go_on(alone, first[i], until[i], **more)
        width = until[i] - first[i]
        for name, one, all_of in zip(Course._fields, own, found, strict=True):
            if one.ndim == 2:
                assert np.array_equal(all_of[i, :width], one[0], equal_nan=True), name
                rest = all_of[i, width:]
                assert (np.isnan(rest) if rest.dtype == np.float64 else rest == 0).all(), name
        assert np.array_equal(together.states[i], alone.states[0])
    assert np.isfinite(found.true_anc).sum() == (until - first).sum()


@pytest.mark.by_hand
def test_the_site_transfuses_by_what_it_saw():
    course, _ = lived(range(60), every=3)
    given_on = course.platelets_given == 1
    assert given_on.any()
    assert (course.platelets[given_on] <= 10).all()
    assert (given_on | ~(course.platelets <= 10)).all()
    assert not given_on[np.isnan(course.platelets)].any()
    people, days = np.nonzero(given_on[:, :-1])
    rise = course.true_platelets[people, days + 1] - course.true_platelets[people, days]
    full = rise > 15
    assert (rise < 33).all()  # 33 added, less a day's loss
    refractory = np.unique(people[~full])
    assert (rise[np.isin(people, refractory)] < 0.4 * 33).all()  # in these less is added, always
    assert 0 < refractory.size < 30
    red = course.red_cells == 2
    assert red.any()
    assert (course.hb[red] < 70).all()


@pytest.mark.by_hand
def test_infection_and_leaving_the_ward_raise_the_trigger():
    """10; 20 while infected; 5 more from day 20 on."""
    site = CERTAIN._replace(outpatient_from=20.0, outpatient_rise=5.0)
    course, _ = lived(range(80), 40, site=site, hazards=SAFE._replace(infection=0.05))
    trigger = np.where(course.infected == 1, 20.0, 10.0) + np.where(np.arange(40) >= 20, 5.0, 0.0)
    assert np.array_equal(course.platelets_given == 1, course.platelets <= trigger)
    assert ((course.platelets > 10) & (course.platelets_given == 1)).any()


@pytest.mark.by_hand
def test_blood_drawn_lowers_haemoglobin_by_the_stated_share():
    """Drawn or not, on one day: the day after differs by 0.6 %, but for a day of red cells made."""
    site = CERTAIN._replace(hb_trigger=0.0, bleeding=0.0)
    drawn, _ = lived(range(10), 2, site=site, planned=np.array([1, 0], dtype=np.int8))
    spared, _ = lived(range(10), 2, site=site, planned=0)
    assert np.array_equal(drawn.true_hb[:, 0], spared.true_hb[:, 0])
    share = drawn.true_hb[:, 1] / spared.true_hb[:, 1]
    assert share == pytest.approx(1 - 0.006, abs=1e-4)
    bled, _ = lived(range(10), 2, site=site._replace(bleeding=0.01), planned=0)
    lost = 0.01 / (1 + (bled.true_platelets[:, 0] / 20) ** 2)
    assert bled.true_hb[:, 1] / spared.true_hb[:, 1] == pytest.approx(1 - lost, abs=1e-4)


def test_missed_draws_are_as_many_as_said():
    """Binomial with 200 x 20 draws: 0.1 to within 4 standard errors."""
    course, _ = lived(range(200), 20, site=CERTAIN._replace(missed=0.1))
    missed = np.isnan(course.anc).mean()
    assert abs(missed - 0.1) < 4 * np.sqrt(0.09 / course.anc.size)
    well, _ = lived(range(60), 40, site=CERTAIN._replace(missed=0.0, missed_when_well=0.5))
    seen = np.isfinite(well.anc)
    last = np.zeros(60, dtype=bool)
    missable = np.zeros_like(seen)
    for day in range(40):
        missable[:, day] = last
        fine = (well.anc[:, day] >= 0.5) & (well.platelets[:, day] >= 20)
        last = np.where(seen[:, day], fine, last)
    assert seen[~missable].all()
    share = 1 - seen[missable].mean()
    assert abs(share - 0.5) < 4 * np.sqrt(0.25 / missable.sum())


def test_noise_is_as_wide_as_said_and_rounded():
    """Log-normal with mean 1 around the true count: mean and spread to 4 standard errors."""
    site = CERTAIN._replace(hb_noise=0.028, platelet_noise=0.077, anc_noise=0.16)
    course, _ = lived(range(150), 8, site=site)
    for seen, true, variation, digits in (
        (course.hb, course.true_hb, 0.028, 1.0),
        (course.platelets, course.true_platelets, 0.077, 1.0),
        (course.anc, course.true_anc, 0.16, 100.0),
    ):
        assert np.array_equal(np.round(seen * digits) / digits, seen)
        enough = true * digits > 20  # rounding is small beside the noise
        ratio = (seen / true)[enough]
        n = enough.sum()
        assert abs(ratio.mean() - 1) < 4 * variation / np.sqrt(n) + 0.001
        assert abs(ratio.std() / variation - 1) < 4 / np.sqrt(2 * n) + 0.05


def test_msc_support_helps_the_output():
    doses = np.zeros(60)
    doses[[5, 12, 19, 26]] = 1.0
    courses, ends = [], []
    for given_doses in (doses, 0.0):
        cohort = with_effect(draw_cohort(1, 0, range(20)), Effect(effect=0.05))
        courses.append(go_on(cohort, 0, 60, doses=given_doses))
        ends.append(cohort)
    gain = courses[0].true_anc[:, 59] - courses[1].true_anc[:, 59]
    assert (gain >= 0).all()
    assert (gain > 0).sum() > 10  # the others have a whole niche that nothing can help
    assert (ends[0].states[:, SUPPORT] > 0).all()
    assert (ends[1].states[:, SUPPORT] == 0).all()
    assert np.array_equal(courses[0].true_anc[:, :6], courses[1].true_anc[:, :6])
    assert ends[0].states[:, ANC].min() > 0


@pytest.mark.by_hand
def test_growth_factors_are_given_by_what_was_seen_and_until_the_bound():
    """Day by day from the reported counts alone; a day without a draw changes nothing."""
    site = site_of(SitePlan(missed=0.3, **FACTORS))
    course, _ = lived(range(25), 40, site=site, every=2)
    plain, _ = lived(range(25), 40, site=site._replace(gcsf_boost=1.0, tpo_boost=1.0), every=2)
    for seen, bit, start, below, until in (
        (course.anc, 1, 5, 0.5, 1.0),
        (course.platelets, 2, 8, 30, 50),
    ):
        on = np.zeros(25, dtype=bool)
        for day in range(40):
            count = seen[:, day]
            begins = (count < below) & (day >= start)
            on = np.where(np.isnan(count), on, (on | begins) & ~(count >= until))
            assert np.array_equal(course.drugs[:, day] & bit != 0, on)
        assert on.mean() < 0.5
        assert (course.drugs & bit != 0).any()
    assert np.array_equal(course.true_anc[:, :6], plain.true_anc[:, :6])
    assert np.nanmax(course.true_anc - plain.true_anc) > 0.1
    later = np.nanmean(course.true_platelets - plain.true_platelets, axis=0)
    assert later[:8] == pytest.approx(0, abs=1e-9)
    assert later[20:].max() > 1


@pytest.mark.by_hand
def test_marrow_failure_is_in_balance_until_treatment_relieves_it():
    """Output kappa (1 - w / rho) stays, but for the niche's own repair; treated it comes back."""
    quiet = CERTAIN._replace(platelet_trigger=-1.0, hb_trigger=0.0, blood_drawn=0.0, bleeding=0.0)
    untreated = draw_cohort(2, 0, range(30), immune=Immune(wear=0.26, spread=0.02))
    treated = draw_cohort(2, 0, range(30), immune=Immune(wear=0.26, spread=0.02, treated="0 d"))
    assert np.array_equal(untreated.states, treated.states)
    start, capacity = untreated.states[:, 0].copy(), untreated.states[:, 1].copy()
    rho, wear = untreated.marrows[:, 0], untreated.immune[:, 0]
    balance = np.maximum(capacity * (1 - wear / rho), 0.002)
    assert start == pytest.approx(balance, rel=1e-12)
    in_balance = (balance > 0.002) & (untreated.marrows[:, 2] < 0.001)
    assert in_balance.any()
    low = go_on(untreated, 0, 120, site=quiet, planned=0)
    better = go_on(treated, 0, 120, site=quiet, planned=0)
    drift = untreated.states[:, 0] / start - 1
    assert np.abs(drift[in_balance]).max() < 0.2
    assert np.median(low.true_anc[:, -1]) < 1.6
    assert np.median(low.true_anc[:, -1]) < 0.6 * np.median(better.true_anc[:, -1])
    assert np.median(better.true_anc[:, -1]) > 2.0
    assert (better.true_anc[:, -1] >= low.true_anc[:, -1]).all()
    nobody = draw_cohort(2, 0, range(30), immune=Immune(wear=0.26, spread=0.02, treated="0 d",
                                                        responders=0.0))  # fmt: skip
    assert same(go_on(nobody, 0, 120, site=quiet, planned=0), low)


def test_nothing_is_recorded_after_an_end_and_after_relapse_death_alone():
    hazards = RISKY._replace(death=0.01, relapse=0.03, death_relapsed=0.2)
    site = BUSY._replace(drop_out=0.01)
    course, cohort = lived(range(150), 50, site=site, hazards=hazards, spells=SPELLS)
    died, relapsed, left = (days != NEVER for days in (course.death, course.relapse, course.left))
    assert not (died & left).any()
    assert (died & relapsed).any()
    assert (course.death[died & relapsed] > course.relapse[died & relapsed]).all()
    assert np.array_equal(cohort.memory[:, ENDED] == 2, died | left)
    assert np.array_equal(cohort.memory[:, ENDED] == 1, relapsed & ~died & ~left)
    last = np.where(relapsed, course.relapse, np.where(died, course.death, course.left))
    last = np.where(last == NEVER, 49, last)
    column = np.arange(50)
    alive_on = column <= last[:, None]
    assert np.array_equal(np.isfinite(course.true_anc), alive_on)
    assert np.isnan(course.anc[~alive_on]).all()
    for name in ("platelets_given", "red_cells", "infected", "drugs", "onset"):
        assert not getattr(course, name)[~alive_on].any(), name


def test_ends_are_as_many_as_said():
    """Geometric with the stated chances: shares after 20 days to 4 standard errors."""
    people = 400
    for hazards, site, name in (
        (SAFE._replace(death=0.02), CERTAIN, "death"),
        (SAFE._replace(relapse=0.02), CERTAIN, "relapse"),
        (SAFE, CERTAIN._replace(drop_out=0.02), "left"),
    ):
        course, _ = lived(range(people), 20, hazards=hazards, site=site, planned=0)
        share = (getattr(course, name) != NEVER).mean()
        expected = 1 - 0.98**20
        assert abs(share - expected) < 4 * np.sqrt(expected * (1 - expected) / people), name


@pytest.mark.by_hand
def test_infections_last_as_long_as_said_and_strike_the_neutropenic():
    hazards = SAFE._replace(infection_neutropenic=0.2)
    course, cohort = lived(range(60), 40, hazards=hazards)
    infected = course.infected == 1
    onset = infected.copy()
    onset[:, 1:] &= ~infected[:, :-1]
    people, days = np.nonzero(onset)
    whole = days <= 40 - 7
    assert whole.sum() > 20
    for p, day in zip(people[whole], days[whole], strict=True):
        assert infected[p, day : day + 7].all()
    began = course.true_anc[people, days - 1]
    assert np.median(began) < 0.3
    assert np.median(course.true_anc) > 1
    assert cohort.memory[:, INFECTED_UNTIL].max() <= 39 + 7
    deadly, _ = lived(range(60), 40, hazards=hazards._replace(death_neutropenic=0.3))
    died = np.flatnonzero(deadly.death != NEVER)
    assert died.size > 5
    assert deadly.infected[died, deadly.death[died]].all()
