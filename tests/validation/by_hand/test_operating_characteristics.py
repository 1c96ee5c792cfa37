"""Decisions and their error against exact sums, and against banks that are really drawn."""

from fractions import Fraction
from math import comb, sqrt

import numpy as np
import pytest
from scipy.stats import binom

from stromal.analysis import estimate_proportion
from stromal.design.characteristics import operating_characteristics
from stromal.design.decision import critical_numbers, power_and_slopes, probability_of_rejecting
from support.virtual_trials import NO_TALLIES, against_p0, proportion, trials_of, truths_of


def covered(n, p, interval):
    """Give the probability that the interval holds p, over all results."""
    found = 0.0
    for x in range(n + 1):
        e = estimate_proportion(x, n, interval=interval, confidence=0.95)
        if e.low <= p <= e.high:
            found += binom.pmf(x, n, p)
    return found


@pytest.mark.by_hand
def test_the_rule_for_68_participants_in_whole_numbers():
    p0 = Fraction(27, 100)

    def tail(least):
        return sum(comb(68, x) * p0**x * (1 - p0) ** (68 - x) for x in range(least, 69))

    assert tail(27) <= Fraction(25, 1000) < tail(26)
    row = critical_numbers(against_p0(), [68]).row(0, named=True)
    assert row["rejects_from"] == 27
    assert row["nominal_alpha"] == pytest.approx(float(tail(27)), rel=1e-12)
    rate = Fraction(48, 100)
    power = sum(comb(68, x) * rate**x * (1 - rate) ** (68 - x) for x in range(27, 69))
    found = probability_of_rejecting(against_p0(), [0.48], [68])[0]
    assert found == pytest.approx(float(power), rel=1e-12)
    assert found == pytest.approx(0.93, abs=0.005)


@pytest.mark.by_hand
@pytest.mark.parametrize("rate", [0.34, 0.442])
def test_a_bank_of_500_moves_power_by_a_tenth_and_one_of_10000_by_a_fortieth(rate):
    # Not at the steepest place (rate 0.39, where it is 0.15 and 0.033) but on its two sides,
    # where the power is 0.19 and 0.81.
    power, slope, _ = power_and_slopes(against_p0(), [rate], [68], [0], [0])
    assert slope[0] / sqrt(500) == pytest.approx(0.10, abs=0.005)
    assert slope[0] / sqrt(10_000) == pytest.approx(0.023, abs=0.0005)
    assert power[0] == pytest.approx({0.34: 0.19, 0.442: 0.81}[rate], abs=0.005)
    # 20,000 banks of people who either succeed or do not: the power that each of them gives
    generator = np.random.default_rng(500)
    for people in (500, 10_000):
        rates = generator.binomial(people, rate, 20_000) / people
        powers = binom.sf(26, 68, rates)
        # to first order; with 500 the curve is bent over one SD of the bank
        assert powers.std() == pytest.approx(slope[0] / sqrt(people), rel=0.06)


@pytest.mark.by_hand
@pytest.mark.parametrize("interval", ["clopper-pearson", "wilson", "wald"])
def test_simulated_coverage_is_that_of_all_results(interval):
    sets, trials, q = 20, 1000, 0.27
    events = np.random.default_rng(27).binomial(68, q, size=(sets, trials))
    found = operating_characteristics(
        trials_of(events, 68),
        NO_TALLIES,
        truths_of([27_000] * sets, 100_000),
        decision=against_p0(),
        analysis=proportion(interval),
        banked=None,
    )
    coverage = found.cell("null", "daily").arms[0].truths[0].coverage
    exact = covered(68, q, interval)
    assert abs(coverage.value - exact) < 4 * sqrt(exact * (1 - exact) / (sets * trials))
    assert coverage.low <= exact <= coverage.high


@pytest.mark.published
def test_coverage_of_the_wald_interval_of_ten():
    # Brown, Cai and DasGupta (2001), Table 1: 0.891 for n = 10 at p = 1/2 (seen secondary)
    assert covered(10, 0.5, "wald") == pytest.approx(0.891, abs=5e-4)


@pytest.mark.by_hand
def test_error_between_sets_holds_the_error_of_their_banks():
    # 300 sets with the same true rate, a bank of 500 each, 60 trials a set drawn from it
    generator = np.random.default_rng(7)
    rates = generator.binomial(500, 0.442, 300) / 500
    events = generator.binomial(68, rates[:, None], size=(300, 60))
    found = operating_characteristics(
        trials_of(events, 68),
        NO_TALLIES,
        truths_of([442] * 300, 1000),
        decision=against_p0(),
        analysis=proportion(),
        banked=500,
    )
    rejecting = found.cell("null", "daily").rejecting
    power, slope, _ = power_and_slopes(against_p0(), [0.442], [68], [0], [0])
    expected = sqrt((slope[0] ** 2 / 500 + power[0] * (1 - power[0]) / 60) / 300)
    assert rejecting.se == pytest.approx(expected, rel=0.15)
    # bending lowers the mean a little: the second derivative times the bank's variance over 2
    mean = binom.sf(26, 68, generator.binomial(500, 0.442, 100_000) / 500).mean()
    assert abs(rejecting.value - mean) < 4 * rejecting.se
    # what differs between the sets is their banks alone, and that is taken away
    assert rejecting.spread.observed_sd == pytest.approx(expected * sqrt(300), rel=0.15)
    assert rejecting.spread.sd < 0.05
