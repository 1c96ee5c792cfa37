"""The marrow against what can be worked out by hand, and against an exact integrator."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import solve_ivp

from stromal.simulate.marrow_kernels import (
    ANC,
    CAPACITY,
    HB,
    HB_TRANSFUSED,
    LANES,
    OUTPUT,
    PLATELETS,
    PLATELETS_TRANSFUSED,
    RATES,
    STATES,
    SUPPORT,
    change,
    healthy,
    run_day,
    set_rates,
    set_today,
)
from stromal.simulate.parameters import NAMES, marrow_of, parameters

NICHE = {"repair": 0.02, "repaired": 1.0, "msc_effect": 0.05, "msc_decay": 0.1}


def marrow(niche=None, **changed):
    """Make a marrow of the parameters' medians."""
    values = {name: parameters()[name].value for name in NAMES} | changed
    return marrow_of(values, **(niche or NICHE))


def healthy_state(m):
    state = np.empty(STATES)
    healthy(m, state)
    return state


def after_transplantation(output=0.0045, capacity=0.7):
    """Give the state on the day of transplantation: empty chains, few cells, a worn niche."""
    state = np.zeros(STATES)
    state[OUTPUT], state[CAPACITY] = output, capacity
    state[ANC], state[PLATELETS], state[HB] = 1.0, 80.0, 95.0
    return state


def rates_of(m, step=0.5, wear=0.0, anc_boost=1.0, platelet_boost=1.0):
    """Put a marrow into the first lane of a block."""
    rates = np.ones((RATES, LANES))
    set_rates(m, rates, 0)
    set_today(rates, 0, step, wear, anc_boost, platelet_boost)
    return rates


def slope_of(m, state, **today):
    """Give the change of a state, a day."""
    x, out = np.ones((STATES, LANES)), np.empty((STATES, LANES))
    x[:, 0] = state
    change(rates_of(m, **today), x, 1, out)
    return out[:, 0].copy()


def run(m, state, days, steps=2, **today):
    """Carry a state on and give every day's."""
    x, work = np.ones((STATES, LANES)), np.empty((5, STATES, LANES))
    x[:, 0] = state
    rates = rates_of(m, 1 / steps, **today)
    course = [state.copy()]
    for _ in range(days):
        run_day(rates, x, 1, steps, work)
        course.append(x[:, 0].copy())
    return np.array(course)


@pytest.mark.by_hand
def test_nothing_changes_in_health():
    m = marrow()
    assert np.abs(slope_of(m, healthy_state(m))).max() < 1e-12


@pytest.mark.by_hand
def test_support_and_transfused_haemoglobin_fade_exponentially():
    m = marrow()
    state = healthy_state(m)
    state[SUPPORT], state[HB_TRANSFUSED] = 2.0, 12.0
    course = run(m, state, 10)
    assert course[10, SUPPORT] == pytest.approx(2.0 * math.exp(-1.0), rel=1e-5)
    assert course[10, HB_TRANSFUSED] == pytest.approx(12.0 * math.exp(-10 / 50), rel=1e-6)


@pytest.mark.by_hand
def test_transfused_platelets_go_by_age_and_by_fixed_loss():
    """No own platelets: P' = -P/L - c P/(P + 5), which after a day from 30 is worked out here."""
    m = marrow()
    state = np.zeros(STATES)
    state[CAPACITY], state[PLATELETS_TRANSFUSED] = 1.0, 30.0
    exact = solve_ivp(
        lambda _, p: -p / 10.5 - 7.1 * p / (p + 5), (0, 2), [30.0], rtol=1e-12, atol=1e-12
    ).y[0, -1]
    assert run(m, state, 2)[2, PLATELETS_TRANSFUSED] == pytest.approx(exact, rel=1e-5)
    assert run(m, state, 40)[:, PLATELETS_TRANSFUSED].min() >= 0


@pytest.mark.by_hand
def test_output_grows_logistically_in_a_whole_niche():
    m = marrow({**NICHE, "repair": 0.0, "msc_effect": 0.0})
    course = run(m, after_transplantation(0.0045, 1.0), 20)
    grown = math.exp(0.30 * 20)
    assert course[20, OUTPUT] == pytest.approx(
        0.0045 * grown / (1 + 0.0045 * (grown - 1)), rel=1e-4
    )


@pytest.mark.by_hand
def test_the_niche_repairs_itself_and_faster_with_support():
    """Alone: 1 - 0.3 exp(-0.02 t); with support m(t) the rate is 0.02 + 0.05 m(t)."""
    m = marrow()
    state = after_transplantation()
    assert run(m, state, 30)[30, CAPACITY] == pytest.approx(1 - 0.3 * math.exp(-0.6), rel=1e-6)
    state[SUPPORT] = 1.0
    exponent = 0.02 * 30 + 0.05 * (1 - math.exp(-0.1 * 30)) / 0.1
    assert run(m, state, 30)[30, CAPACITY] == pytest.approx(1 - 0.3 * math.exp(-exponent), rel=1e-5)


@settings(max_examples=15)
@given(st.floats(0.0005, 0.05), st.floats(0.05, 1.0), st.floats(0.1, 0.6))
def test_half_day_steps_stay_close_to_an_exact_solution(output, capacity, expansion):
    """DOP853 at 1e-10; after day 7, as the model's documentation measures it."""
    m = marrow(expansion=expansion)
    state = after_transplantation(output, capacity)

    exact = solve_ivp(
        lambda _, x: slope_of(m, x),
        (0, 60),
        state,
        method="DOP853",
        rtol=1e-10,
        atol=1e-12,
        t_eval=np.arange(61),
    ).y.T
    counts = [ANC, PLATELETS, HB]
    course = run(m, state, 60)
    error = np.abs(course[7:, counts] / exact[7:, counts] - 1).max()
    assert error < 0.01
    fine = run(m, state, 60, steps=4)
    assert np.abs(fine[7:, counts] / exact[7:, counts] - 1).max() < 1e-3
    assert (course >= 0).all()


@pytest.mark.by_hand
def test_a_worn_niche_keeps_platelets_lowest():
    """At 5 % output the fixed loss takes most of what is made: platelets fall furthest."""
    m = marrow({**NICHE, "repair": 0.0, "msc_effect": 0.0})
    course = run(m, after_transplantation(0.05, 0.05), 400)[400]
    share = {
        "ANC": course[ANC] / m.anc_healthy,
        "PLT": course[PLATELETS] / m.platelets_healthy,
        "Hb": course[HB] / m.hb_healthy,
    }
    assert min(share, key=share.get) == "PLT"


@pytest.mark.by_hand
def test_wear_and_growth_factors_act_as_said():
    """In health wear w changes the output by -w, and a boost makes as many times as many cells."""
    m = marrow()
    state, plain = healthy_state(m), slope_of(m, healthy_state(m))
    worn = slope_of(m, state, wear=0.2)
    assert worn[OUTPUT] == pytest.approx(-0.2, rel=1e-12)
    assert np.array_equal(worn[1:], plain[1:])
    boosted = slope_of(m, state, anc_boost=2.0, platelet_boost=2.5)
    first_anc, first_platelet = 3, 7  # of each chain
    assert boosted[first_anc] == pytest.approx(3 / 5.3 * (2.0 - 1), rel=1e-12)
    assert boosted[first_platelet] == pytest.approx(3 / 8.0 * (2.5 - 1), rel=1e-12)


@settings(max_examples=20)
@given(st.integers(1, LANES), st.randoms(use_true_random=False))
def test_a_lane_gives_the_same_to_the_bit_wherever_it_stands(lanes, chance):
    """Any number of lanes in any order; a step of 0 leaves a state as it is."""
    m = marrow()
    states = [after_transplantation(chance.uniform(0.001, 0.05)) for _ in range(lanes)]
    x, work = np.ones((STATES, LANES)), np.empty((5, STATES, LANES))
    rates = np.ones((RATES, LANES))
    still = chance.randrange(lanes)
    for b, state in enumerate(states):
        x[:, b] = state
        set_rates(m, rates, b)
        set_today(rates, b, 0.0 if b == still else 0.5, 0.01, 1.0, 1.0)
    run_day(rates, x, lanes, 2, work)
    for b, state in enumerate(states):
        expected = state if b == still else run(m, state, 1, wear=0.01)[1]
        assert np.array_equal(x[:, b], expected)
    assert (x[:, lanes:] == 1.0).all()


def test_every_parameter_says_what_stands_behind_it():
    found = parameters()
    assert set(NAMES) <= set(found)
    assert {name for name in NAMES if found[name].status == "published"} == {
        "anc_turnover", "platelet_life", "platelet_loss", "hb_maturation"
    }  # fmt: skip
    assert found["graft_output"].drawn(0.0) == pytest.approx(0.0045, rel=1e-15)
    sigma = math.sqrt(math.log(1 + 0.65**2))
    assert found["graft_output"].drawn(1.0) == pytest.approx(0.0045 * math.exp(sigma))


def test_a_niche_that_can_carry_nothing_keeps_the_numbers_finite():
    """A capacity of a millionth: output falls by at most 2 a day, as the steps can follow."""
    m = marrow({**NICHE, "repair": 0.0})
    course = run(m, after_transplantation(capacity=1e-6), 30)
    assert np.isfinite(course).all()
    assert (course >= 0).all()
    assert course[1, OUTPUT] >= 0.0045 * math.exp(-2.3)
