import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stromal.analysis import citations, estimate_at, estimate_proportion, estimate_quantile
from stromal.analysis.beta_product import bound_survival
from stromal.core import UsageError
from stromal.endpoints.outcome import TimeToEvent


def _bounds(outcomes, **keywords):
    keywords = {"method": "method of moments", "confidence": 0.95, **keywords}
    return bound_survival(outcomes, **keywords)


def _outcomes(days, events):
    return TimeToEvent(
        pl.DataFrame(
            {
                "participant_id": [f"P{i}" for i in range(len(days))],
                "day": np.asarray(days, dtype=float),
                "status": ["event" if event else "censored" for event in events],
            }
        )
    )


@given(st.lists(st.integers(1, 6), min_size=1, max_size=40), st.sampled_from([0.8, 0.95, 0.99]))
def test_without_censoring_it_is_clopper_pearson(days, confidence):
    curve = _bounds(_outcomes(days, [True] * len(days)), confidence=confidence)
    for row in curve.frame.iter_rows(named=True):
        alive = sum(day > row["day"] for day in days)
        exact = estimate_proportion(
            alive, len(days), interval="clopper-pearson", confidence=confidence
        )
        assert (row["low"], row["high"]) == pytest.approx((exact.low, exact.high), abs=1e-9)


@pytest.mark.by_hand
def test_a_censoring_between_two_events_by_hand(make_outcomes):
    # 3 at risk, event on 10, censored on 20, event on 30. Day 10: beta(3, 1) x beta(2, 1) is
    # beta(2, 2): 3 q^2 - 2 q^3 = .025. Upper from day 10: q^3 = .975
    curve = _bounds(make_outcomes([10, 20, 30], "ECE"))
    low, high = (curve.frame[name].to_list() for name in ("low", "high"))
    assert curve.frame["day"].to_list() == [0, 10, 20, 30]
    assert low[0] == pytest.approx(0.025 ** (1 / 3), rel=1e-12)
    assert 3 * low[1] ** 2 - 2 * low[1] ** 3 == pytest.approx(0.025, rel=1e-9)
    assert high[:3] == pytest.approx([1, 0.975 ** (1 / 3), 0.975 ** (1 / 3)], rel=1e-9)
    assert low[3] == 0.0
    # day 30, upper: moments of beta(3, 1) x beta(1, 1): mean 3/8, second moment 3/5 x 1/3 = 1/5,
    # so shapes (3/8 - 1/5) / (1/5 - 9/64) times 3/8 and 5/8
    scale = (3 / 8 - 1 / 5) / (1 / 5 - 9 / 64)
    from scipy import stats  # noqa: PLC0415

    shapes = (scale * 3 / 8, scale * 5 / 8)
    assert high[3] == pytest.approx(stats.beta.ppf(0.975, *shapes), rel=1e-9)
    assert low[2] == pytest.approx(stats.beta.ppf(0.025, *shapes), rel=1e-9)


@pytest.mark.by_hand
def test_monte_carlo_by_hand(make_outcomes):
    # P(X U <= q) for X beta(3, 1), U uniform: 3 q / 2 - q^3 / 2
    curve = _bounds(
        make_outcomes([10, 20, 30], "ECE"), method="monte carlo", draws=200_000, seed=11
    )
    low, high = curve.frame["low"].to_list()[2], curve.frame["high"].to_list()[3]
    # three standard errors of the proportion: 3 sqrt(.025 x .975 / 200000) = .001
    assert 1.5 * low - 0.5 * low**3 == pytest.approx(0.025, abs=0.001)
    assert 1.5 * high - 0.5 * high**3 == pytest.approx(0.975, abs=0.001)
    again = _bounds(
        make_outcomes([10, 20, 30], "ECE"), method="monte carlo", draws=200_000, seed=11
    )
    assert again.frame.equals(curve.frame)


def test_the_two_methods_agree(make_outcomes):
    days, marks = [2, 4, 4, 7, 9, 11, 13, 15, 20], "ECEECECEE"
    moments = _bounds(make_outcomes(days, marks)).frame
    drawn = _bounds(make_outcomes(days, marks), method="monte carlo", draws=100_000, seed=5).frame
    for name in ("low", "high"):
        assert drawn[name].to_list() == pytest.approx(moments[name].to_list(), abs=0.01)


def test_coverage_of_nine_with_censoring():
    # exponential times of mean 10, uniform censoring up to 25, 9 participants, 1000 data sets: the
    # interval covers exp(-day / 10) in 95 % or more, less 3 standard errors of .0069
    random, days = np.random.default_rng(20), np.array([2.0, 8.0, 15.0])
    truth, covered = np.exp(-days / 10), np.zeros(3)
    for _ in range(1000):
        event, end = random.exponential(10, 9), random.uniform(0, 25, 9)
        frame = _bounds(_outcomes(np.minimum(event, end), event <= end)).frame
        row = np.searchsorted(frame["day"].to_numpy(), days, side="right") - 1
        low, high = (frame[name].to_numpy()[row] for name in ("low", "high"))
        covered += (low <= truth) & (truth <= high)
    assert (covered / 1000 >= 0.929).all()


def test_it_is_read_as_any_curve(make_outcomes):
    curve = _bounds(make_outcomes([10, 20, 30], "ECE"))
    early, late = estimate_at(curve, (5.0, 20.0))
    assert (early.value, early.high) == (1.0, 1.0)
    assert early.low == pytest.approx(0.025 ** (1 / 3))
    assert early.at_risk == 3
    assert early.note == ""
    assert late.value == pytest.approx(2 / 3)
    assert curve.interval == "beta product, method of moments"
    assert any("Brittain" in source.text for source in citations(curve))
    assert estimate_quantile(curve, 0.5).value == 30


def test_leaving_on_day_zero_and_everybody_censored(make_outcomes):
    curve = _bounds(make_outcomes([0, 0, 4], "ECC"))
    assert curve.frame["day"].to_list() == [0, 4]
    assert curve.frame["high"].to_list() == pytest.approx([0.975 ** (1 / 3)] * 2)
    none = _bounds(make_outcomes([0, 0], "CC"))
    assert none.frame.select("low", "high").rows() == [(0.0, 1.0)]
    drawn = _bounds(make_outcomes([3, 5], "CC"), method="monte carlo", draws=100, seed=1)
    assert drawn.frame["high"].to_list() == [1.0, 1.0, 1.0]
    assert _bounds(make_outcomes([], "")).last_day is None


@pytest.mark.parametrize(
    ("keywords", "said"),
    [
        ({"method": "exact"}, "choose one of method of moments, monte carlo"),
        ({"method": "monte carlo"}, "needs both"),
        ({"draws": 100, "seed": 1}, "belong to the method"),
        ({"method": "monte carlo", "draws": 10, "seed": 1}, "100 or more"),
        ({"method": "monte carlo", "draws": 10**9, "seed": 1}, "method of moments"),
        ({"confidence": 95}, "between 0 and 1"),
    ],
)
def test_what_does_not_fit_is_refused(make_outcomes, keywords, said):
    with pytest.raises(UsageError, match=said):
        _bounds(make_outcomes([1, 2], "EC"), **keywords)


def test_weights_and_competing_events_are_refused(make_outcomes):
    with pytest.raises(UsageError, match="no theory for case weights"):
        _bounds(make_outcomes([1, 2], "EC", case_weight=[1.0, 2.0]))
    with pytest.raises(UsageError, match="competing"):
        _bounds(make_outcomes([1, 2], "EX"))


@pytest.mark.by_hand
@pytest.mark.parametrize("drawn", [{}, {"method": "monte carlo", "draws": 40_000, "seed": 5}])
def test_on_the_day_on_which_all_are_censored_they_still_count(make_outcomes, drawn):
    # 4 events, then 8 censored together on day 9: on that day it is 8 of 12, whose limits by
    # Clopper and Pearson are .3489 and .9008; after it nobody is at risk and the lower limit is 0
    curve = _bounds(make_outcomes([1, 2, 3, 4] + [9] * 8, "EEEE" + "C" * 8), **drawn)
    (last,) = estimate_at(curve, (9.0,))
    assert (last.low, last.high) == pytest.approx(
        (0.3489, 0.9008), abs=0.0001 if not drawn else 0.01
    )
    assert curve.frame["low"][-1] == 0.0
