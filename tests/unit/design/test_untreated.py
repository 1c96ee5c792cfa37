"""Summaries of untreated transplants, worked out by hand on courses of a few people."""

import math
from types import SimpleNamespace

import numpy as np
import pytest

from stromal.design import untreated
from stromal.design.untreated import (
    DAYS,
    infections_of,
    live_untreated,
    mean_of,
    quantile_of,
    recovered_from_failure,
    share_of,
    summarise,
    support_of_transplants,
    survival_of,
)
from stromal.simulate.assumptions import Override
from stromal.simulate.course_kernels import room_for_course
from stromal.simulate.population import overridden


def healthy_course(people, *, daily=True):
    """Everyone has full counts, drawn daily (or on days 0, 2, 4, ...)."""
    course = room_for_course(people, DAYS)
    days = slice(None) if daily else slice(None, None, 2)
    for table, value in ((course.anc, 3.0), (course.platelets, 150.0), (course.hb, 120.0)):
        table[:, days] = value
    for table, value in (
        (course.true_anc, 3.0), (course.true_platelets, 150.0), (course.true_hb, 120.0)
    ):  # fmt: skip
        table[:] = value
    return course


# --- errors ------------------------------------------------------------------------------------


def test_a_share_has_a_binomial_error_that_is_never_0():
    assert share_of(20, 100).value == 0.2
    assert share_of(20, 100).se == pytest.approx(math.sqrt(21 / 102 * 81 / 102 / 100))
    assert share_of(0, 100).se > 0
    assert math.isnan(share_of(0, 0).value)


def test_a_mean_has_its_standard_error():
    # mean 2, squares 1 + 1 + 1 + 1 + 0 over 4 = 1
    found = mean_of(np.array([1.0, 3.0, 1.0, 3.0, 2.0]))
    assert found == (2.0, pytest.approx(1 / math.sqrt(5)))


def test_a_quantile_is_a_whole_day_with_an_error_of_at_least_half_a_day():
    days = np.repeat(np.arange(2, 42, 2, dtype=np.int32), 20)
    # 200 of 400 have come by day 20; one binomial error is 10: the 190th on day 20, the 210th on 22
    assert quantile_of(days, 0.5) == (20.0, 1.0)
    assert quantile_of(np.full(100, 12, dtype=np.int32), 0.5) == (12.0, 0.5)
    assert math.isnan(quantile_of(days[:0], 0.5).value)


# --- courses of a few people --------------------------------------------------------------------


def test_recoveries_and_what_never_fell():
    course = healthy_course(4)
    # 0 and 1 recover on days 10 and 14, 2 not before day 30, 3 never fell
    for p, day in ((0, 10), (1, 14), (2, 30)):
        course.anc[p, 2:day] = course.true_anc[p, 2:day] = 0.1
        course.platelets[p, 2 : day + 4] = 12.0
    found = summarise(course, np.zeros(4, dtype=np.int64))
    assert found["neutrophil_median"].value == 14
    assert found["neutrophil_spread"].value == 30 - 10
    assert found["platelet_median"].value == 18
    assert found["graft_failure"].value == 1 / 4
    assert found["pgf_incidence"].value == 0
    assert math.isnan(found["pgf_recovery"].value)


def test_a_death_before_recovery_is_no_recovery():
    course = healthy_course(2)
    for p in (0, 1):
        course.anc[p, 2:12] = course.true_anc[p, 2:12] = 0.1
    course.death[1] = 8
    for table in (course.anc, course.platelets, course.hb, course.true_anc):
        table[1, 8:] = np.nan
    found = summarise(course, np.zeros(2, dtype=np.int64))
    assert math.isnan(found["neutrophil_median"].value)  # one alone has no median with an error
    # who is dead on day 28 is not among those who can fail
    assert found["graft_failure"].value == 0


def test_poor_graft_function_is_found_by_the_library_and_recovers():
    course = healthy_course(3)
    # all: platelets and neutrophils low on days 5 to 49; 1 and 2 stay low, 2 dies on day 60
    for p, until in ((0, 50), (1, DAYS), (2, DAYS)):
        course.anc[p, 5:until] = course.true_anc[p, 5:until] = 0.2
        course.platelets[p, 5:until] = course.true_platelets[p, 5:until] = 12.0
    course.death[2] = 60
    for table in (course.anc, course.platelets, course.hb, course.true_anc):
        table[2, 60:] = np.nan
    found = summarise(course, np.zeros(3, dtype=np.int64))
    assert found["pgf_incidence"].value == 1
    assert found["pgf_recovery"].value == pytest.approx(1 / 3)
    assert found["pgf_survival"].value == pytest.approx(2 / 3)
    assert math.isnan(found["other_survival"].value)


@pytest.mark.parametrize(
    ("low_until", "fails"), [(41, False), (42, True)], ids=["13 days", "14 days"]
)
def test_fourteen_days_from_day_28_decide(low_until, fails):
    course = healthy_course(2)
    for p in (0, 1):
        # the last low day is day `low_until`; from day 28 that is 13 or 14 days later
        course.anc[p, 5 : low_until + 1] = 0.2
        course.hb[p, 5 : low_until + 1] = 60.0
    found = summarise(course, np.zeros(2, dtype=np.int64))
    assert found["pgf_incidence"].value == fails


def test_support_stands_for_a_low_count_for_7_and_14_days():
    course = healthy_course(2)
    course.platelets_given[:, 30:60:7] = 1
    course.red_cells[:, 20:60:14] = 2
    # last platelets on day 58, last red cells on day 48: supported to day 62
    onset = np.array([30, 30], dtype=np.int32)
    assert recovered_from_failure(course, onset).value == 1
    course.anc[0, 31:] = 0.4  # one line low for ever
    assert recovered_from_failure(course, onset).value == 0.5
    assert recovered_from_failure(course, onset, still_low=1).value == 1
    # transfused every 7 days to the end: never three draws in a row without support
    course.platelets_given[1, 30::7] = 1
    assert recovered_from_failure(course, onset).value == 0


def test_recovery_needs_three_successive_draws():
    course = healthy_course(2, daily=False)
    course.platelets[:, 30::6] = 15.0  # days 30, 36, 42: two good draws between them
    onset = np.array([28, -1], dtype=np.int32)
    assert recovered_from_failure(course, onset).value == 0
    course.platelets[:, 42] = 25.0  # days 38 to 46 are good
    assert recovered_from_failure(course, onset) == share_of(1, 1)


def test_survival_counts_who_was_alive_on_day_42():
    course = healthy_course(5)
    course.death[:3] = [41, 42, 179]
    failed = np.array([False, True, True, True, False])
    found = survival_of(course, failed)
    assert found["pgf_survival"] == share_of(1, 3)
    assert found["other_survival"] == share_of(1, 1)


def test_infections_and_deaths_of_them():
    course = healthy_course(5)
    course.infected[0, 100:107] = 1
    course.infected[1, 101:108] = 1  # after day 100
    course.infected[2, 25:33] = 1
    course.death[2] = 30
    course.infected[3, 40:47] = 1
    course.death[3] = 45
    course.relapse[3] = 44  # a death after relapse is not of infection
    course.infected[4, 60:64] = 1
    course.death[4] = 62
    found = infections_of(course)
    assert found["infection"] == share_of(4, 5)
    assert found["infection_death_30"] == share_of(1, 5)
    assert found["infection_death_100"] == share_of(2, 5)


def test_units_and_intervals():
    course = healthy_course(3)
    course.platelets_given[0, [3, 6, 12]] = 1  # intervals 3 and 6
    course.platelets_given[1, [3, 5, 31, 100, 101]] = 1  # interval 2; day 31 on is not daily
    course.red_cells[2, [4, 100, 101]] = 2
    found = support_of_transplants(course)
    assert found["platelet_units"].value == pytest.approx((3 + 4) / 3)
    assert found["red_cell_units"].value == pytest.approx(4 / 3)
    assert found["platelet_interval"].value == pytest.approx((9 + 2) / 3)
    # residuals 9 - 2 * 11/3 = 5/3 and 2 - 11/3 = -5/3, over 3 intervals
    assert found["platelet_interval"].se == pytest.approx(math.sqrt(2) * (5 / 3) / 3)


# --- simulated ----------------------------------------------------------------------------------


def test_leaving_out_who_cannot_fail_changes_nothing(monkeypatch):
    """Nobody whom the derivation is not asked about would have had the event."""
    values = overridden({
        "niche_damaged": Override(value=0.5), "damaged_capacity": Override(value=0.02),
        "niche_repair": Override(value=0.001),
    })  # fmt: skip
    course, weekday = live_untreated(values, 1, 0, 150)
    few = summarise(course, weekday)
    monkeypatch.setattr(untreated, "_low_lines", lambda c: np.full(c.anc.shape, 2))
    everyone = summarise(course, weekday)
    assert few["pgf_incidence"] == everyone["pgf_incidence"]
    assert few["pgf_incidence"].value > 0.1


def test_blood_is_drawn_daily_to_day_30_and_then_three_times_a_week():
    quiet = overridden({})
    course, weekday = live_untreated(quiet, 1, 0, 60)
    alive = (course.death < 0) & (course.relapse < 0)
    drawn = ~np.isnan(course.anc[alive])
    assert 0.96 < drawn[:, :31].mean() < 1
    later = (weekday[alive][:, None] + np.arange(DAYS)) % 7
    assert set(later[:, 31:][drawn[:, 31:]]) == {0, 2, 4}


def test_the_same_numbers_again():
    one = live_untreated(overridden({}), 3, 7, 20)
    two = live_untreated(overridden({}), 3, 7, 20)
    assert np.array_equal(one[0].anc, two[0].anc, equal_nan=True)
    assert SimpleNamespace(**summarise(*one)) == SimpleNamespace(**summarise(*two))
