"""What holds for any trial."""

import numpy as np
import polars as pl
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from stromal.analysis import (
    compare_incidence,
    compare_survival,
    estimate_incidence,
    estimate_quantile,
    estimate_survival,
)
from stromal.endpoints.outcome import TimeToEvent

WORDS = ("event", "censored", "competing")


@st.composite
def trials(draw, statuses=WORDS, groups=1, least=1):
    """Draw outcomes with many ties, whole or fractional days, and an arm."""
    n = draw(st.integers(least, 30))
    scale = draw(st.sampled_from([1.0, 0.5, 0.1, 30.4375]))
    days = draw(st.lists(st.integers(0, 12), min_size=n, max_size=n))
    marks = draw(st.lists(st.sampled_from(statuses), min_size=n, max_size=n))
    arms = draw(st.lists(st.sampled_from("ABCD"[:groups]), min_size=n, max_size=n))
    return TimeToEvent(
        pl.DataFrame(
            {
                "participant_id": [f"P{i}" for i in range(n)],
                "day": [scale * day for day in days],
                "status": marks,
                "arm": arms,
            },
            schema_overrides={"status": pl.String},
        )
    )


def survival_of(outcomes, interval="log-log"):
    return estimate_survival(outcomes, interval=interval, confidence=0.95)


def incidence_of(outcomes, of="event", variance="greenwood", interval="linear"):
    return estimate_incidence(
        outcomes, variance=variance, interval=interval, confidence=0.95, of=of
    )


def changed(outcomes, **columns):
    return TimeToEvent(outcomes.frame.with_columns(**columns))


def statistics_of(outcomes):
    """Give both tests' statistics, NaN where there is none."""
    alive = changed(outcomes, status=pl.col("status").replace("competing", "censored"))
    results = (compare_survival(alive), compare_incidence(outcomes))
    return [np.nan if r.statistic is None else r.statistic for r in results]


@given(trials(statuses=("event",)))
def test_without_censoring_survival_is_the_share_still_without_event(outcomes):
    frame = survival_of(outcomes).frame
    days = outcomes.frame["day"].to_numpy()
    share = [(days > day).mean() for day in frame["day"]]
    np.testing.assert_allclose(frame["estimate"], share, atol=1e-14)
    inside = frame.filter(pl.col("standard_error").is_not_null())
    binomial = np.sqrt(inside["estimate"] * (1 - inside["estimate"]) / days.size)
    np.testing.assert_allclose(inside["standard_error"], binomial, atol=1e-14)


@given(trials(statuses=("event",)))
def test_without_censoring_the_median_is_the_median(outcomes):
    median = estimate_quantile(survival_of(outcomes), 0.5).value
    assert median == pytest.approx(np.median(outcomes.frame["day"].to_numpy()))


@given(trials())
def test_incidences_and_freedom_from_events_add_to_one(outcomes):
    one, other = incidence_of(outcomes).frame, incidence_of(outcomes, of="competing").frame
    total = one["estimate"] + other["estimate"] + one["event_free"]
    np.testing.assert_allclose(total, 1, atol=1e-13)
    both = changed(outcomes, status=pl.col("status").replace("competing", "event"))
    np.testing.assert_allclose(one["event_free"], survival_of(both).frame["estimate"], atol=1e-14)


@given(trials(statuses=("event", "censored")))
def test_without_competing_events_incidence_is_one_less_survival(outcomes):
    incidence, survival = incidence_of(outcomes).frame, survival_of(outcomes).frame
    np.testing.assert_allclose(incidence["estimate"], 1 - survival["estimate"], atol=1e-14)
    errors = survival["standard_error"].fill_null(0)
    np.testing.assert_allclose(incidence["standard_error"], errors, atol=1e-13)


@given(trials(statuses=("event", "competing")))
def test_without_censoring_greenwood_variance_is_binomial(outcomes):
    frame = incidence_of(outcomes).frame
    n = outcomes.frame.height
    p = frame["estimate"]
    np.testing.assert_allclose(frame["standard_error"] ** 2, p * (1 - p) / n, atol=1e-14)


@given(trials(), st.sampled_from(["cmprsk", "greenwood"]))
def test_curves_are_monotone_probabilities_within_their_limits(outcomes, variance):
    for interval in ("linear", "log", "log-log", "complementary log-log", "logit", "arcsine"):
        frame = incidence_of(outcomes, variance=variance, interval=interval).frame
        assert frame["estimate"].is_sorted()
        assert frame["estimate"].is_between(0, 1 + 1e-12).all()
        assert (frame["standard_error"] >= 0).all()
        told = frame.drop_nulls()
        assert (told["low"] <= told["estimate"] + 1e-12).all()
        assert (told["high"] >= told["estimate"] - 1e-12).all()


@given(trials(statuses=("event", "censored")))
def test_survival_lies_within_its_limits(outcomes):
    for interval in ("plain", "log", "log-log", "logit", "arcsine"):
        told = survival_of(outcomes, interval).frame.drop_nulls()
        assert (told["low"] <= told["estimate"] + 1e-12).all()
        assert (told["high"] >= told["estimate"] - 1e-12).all()
        assert told["low"].is_between(0, 1).all()
        assert told["high"].is_between(0, 1).all()


@given(trials(groups=3, least=2), st.randoms(use_true_random=False))
def test_order_and_names_of_participants_change_nothing(outcomes, random):
    order = list(range(outcomes.frame.height))
    random.shuffle(order)
    shuffled = TimeToEvent(
        outcomes.frame[order].with_columns(participant_id=pl.int_range(pl.len()).cast(pl.String))
    )
    assert incidence_of(shuffled).frame.equals(incidence_of(outcomes).frame)
    np.testing.assert_allclose(
        statistics_of(shuffled), statistics_of(outcomes), rtol=1e-9, atol=1e-12
    )


@given(trials(groups=3, least=2), st.permutations("ABC"))
def test_names_of_arms_change_no_test(outcomes, names):
    renamed = changed(outcomes, arm=pl.col("arm").replace(dict(zip("ABC", names, strict=True))))
    np.testing.assert_allclose(
        statistics_of(renamed), statistics_of(outcomes), rtol=1e-7, atol=1e-10
    )


@given(trials(groups=3, least=2), st.floats(1e-3, 1e3))
def test_the_unit_of_time_changes_no_test(outcomes, factor):
    scaled = changed(outcomes, day=pl.col("day") * factor)
    np.testing.assert_allclose(statistics_of(scaled), statistics_of(outcomes), rtol=1e-12)


@given(trials(groups=2, least=2))
def test_grays_test_without_competing_events_expects_what_the_logrank_test_expects(outcomes):
    alive = changed(outcomes, status=pl.col("status").replace("competing", "censored"))
    expected = [
        compare(alive).groups["expected"] for compare in (compare_survival, compare_incidence)
    ]
    np.testing.assert_allclose(*expected, atol=1e-12)


@given(trials(groups=3, least=2))
def test_expected_events_add_up_to_those_observed(outcomes):
    groups = compare_incidence(outcomes).groups
    assert groups["expected"].sum() == pytest.approx(groups["events"].sum(), abs=1e-9)


@given(trials(groups=2, least=2))
def test_one_stratum_is_no_stratum(outcomes):
    plain = compare_incidence(outcomes)
    one = compare_incidence(changed(outcomes, site=pl.lit("1")), strata=("site",))
    assume(plain.statistic is not None)
    assert one.statistic == pytest.approx(plain.statistic, rel=1e-12)


@given(trials(groups=3, least=2), st.sampled_from([(0.0, 0.0), (1.0, 0.0), (0.0, 1.0)]))
def test_everybody_entering_at_the_beginning_is_nobody_entering_late(outcomes, weight):
    late = changed(
        TimeToEvent(outcomes.frame.with_columns(day=pl.col("day") + 0.25)),
        entry=pl.lit(0.0),
    )
    plain = TimeToEvent(late.frame.drop("entry"))
    for variance in ("cmprsk", "greenwood", "infinitesimal jackknife"):
        both = incidence_of(late, variance=variance), incidence_of(plain, variance=variance)
        assert both[0].frame.equals(both[1].frame)
    alive = pl.col("status").replace("competing", "censored")
    late, plain = changed(late, status=alive), changed(plain, status=alive)
    assert survival_of(late).frame.equals(survival_of(plain).frame)
    both = compare_survival(late, weight=weight), compare_survival(plain, weight=weight)
    assert both[0].statistic == both[1].statistic


@given(trials())
def test_the_infinitesimal_jackknife_is_greenwoods_variance(outcomes):
    one = incidence_of(outcomes, variance="infinitesimal jackknife").frame["standard_error"]
    other = incidence_of(outcomes, variance="greenwood").frame["standard_error"]
    np.testing.assert_allclose(one**2, other**2, atol=1e-13)


@given(trials(groups=2, least=2), st.sampled_from([0.5, 1.0]))
def test_order_and_names_change_no_weighted_test(outcomes, rho):
    turned = TimeToEvent(
        outcomes.frame.reverse().with_columns(
            participant_id=pl.int_range(pl.len()).cast(pl.String),
            arm=pl.col("arm").replace({"A": "B", "B": "A"}),
        )
    )
    one, other = compare_incidence(outcomes, rho=rho), compare_incidence(turned, rho=rho)
    assert (one.statistic is None) == (other.statistic is None)
    if one.statistic is not None:
        assert other.statistic == pytest.approx(one.statistic, rel=1e-9, abs=1e-12)


@given(trials(groups=2, least=2))
def test_grays_weighted_score_without_competing_events_adds_up(outcomes):
    alive = changed(outcomes, status=pl.col("status").replace("competing", "censored"))
    weighted = compare_survival(alive, weight=(1.0, 0.0)).groups
    assert weighted["observed"].sum() == pytest.approx(weighted["expected"].sum(), abs=1e-9)
    gray = compare_incidence(outcomes, rho=1.0).groups
    assert gray["observed"].sum() == pytest.approx(gray["expected"].sum(), abs=1e-9)
