"""Batches of trials: every number is that of the trial alone, to the last bit."""

import numpy as np
import polars as pl
import pytest

from stromal.analysis import (
    compare_incidence,
    compare_survival,
    estimate_at,
    estimate_incidence,
    estimate_survival,
)
from stromal.analysis.batch import Batch, analyze_batch, read_batch
from stromal.core import UsageError
from stromal.endpoints.outcome import TimeToEvent

DAYS = (0.0, 3.0, 7.5, 20.0)


def draw(seed, trials=12, arms=2, whole=True):
    """Draw a table of small trials with ties; some arms are empty, some trials have no event."""
    rng = np.random.default_rng(seed)
    parts = []
    for trial in range(trials):
        n = int(rng.integers(1, 40))
        day = rng.integers(0, 12, n) * (1.0 if whole else 0.7)
        day = day if whole else np.where(rng.random(n) < 0.3, day + 1e-13, day + rng.random(n))
        chances = rng.dirichlet([1, 1, 1])
        parts.append(
            pl.DataFrame(
                {
                    "trial": np.full(n, trial),
                    "participant_id": [f"P{i}" for i in range(n)],
                    "day": day,
                    "status": rng.choice(["event", "competing", "censored"], n, p=chances),
                    "arm": [f"arm {a}" for a in rng.integers(0, arms, n)],
                }
            )
        )
    return pl.concat(parts)


def number(value):
    return np.nan if value is None else value


def alone(frame, competing_as, weight, rho):
    """Analyze one trial with the functions for one trial."""
    outcomes = TimeToEvent(frame)
    as_one = pl.col("status").replace("competing", competing_as)
    single = TimeToEvent(frame.with_columns(status=as_one))
    logrank = compare_survival(single, weight=weight)
    gray = compare_incidence(outcomes, rho=rho)
    tests = [number(x) for t in (logrank, gray) for x in (t.statistic, t.df or 0, t.p_value)]
    gaps = [
        {g["group"]: (g.get("observed", g["events"])) - g["expected"] for g in t.groups.to_dicts()}
        for t in (logrank, gray)
    ]
    arms = {}
    for (arm,), part in frame.group_by("arm"):
        survival = estimate_survival(
            TimeToEvent(part.with_columns(status=as_one)), interval="plain", confidence=0.95
        )
        one = [
            [number(e.at_risk), number(e.value), number(e.standard_error)]
            for e in estimate_at(survival, DAYS)
        ]
        for variance in ("cmprsk", "greenwood"):
            curve = estimate_incidence(
                TimeToEvent(part), variance=variance, interval="linear", confidence=0.95
            )
            for row, e in zip(one, estimate_at(curve, DAYS), strict=True):
                row += [number(e.value), number(e.standard_error)]
        arms[arm] = np.array(one)
    return np.array(tests, dtype=float), arms, gaps


@pytest.mark.parametrize(
    ("seed", "arms", "whole", "competing_as", "weight", "rho"),
    [
        (1, 2, True, "event", (0.0, 0.0), 0.0),
        (2, 3, True, "censored", (0.5, 1.0), 0.5),
        (3, 2, False, "censored", (0.0, 0.0), 0.0),
        (4, 4, False, "event", (1.0, 0.0), 1.0),
    ],
)
def test_a_batch_is_its_trials_to_the_last_bit(seed, arms, whole, competing_as, weight, rho):
    frame = draw(seed, arms=arms, whole=whole)
    batch = read_batch(frame.sample(fraction=1, shuffle=True, seed=seed), trial="trial")
    found = analyze_batch(batch, days=DAYS, competing_as=competing_as, weight=weight, rho=rho)
    names = sorted(frame["arm"].unique())
    computed = 0
    for trial in range(frame["trial"].n_unique()):
        tests, by_arm, gaps = alone(frame.filter(trial=trial), competing_as, weight, rho)
        own = [found.logrank, found.logrank_df, found.logrank_p]
        own += [found.gray, found.gray_df, found.gray_p]
        np.testing.assert_array_equal([part[trial] for part in own], tests)
        computed += int(np.isfinite(tests[[0, 3]]).sum())
        for a, name in enumerate(names):
            for part, gap in zip((found.logrank_difference, found.gray_difference), gaps,
                                 strict=True):  # fmt: skip
                assert part[trial, a] == pytest.approx(gap.get(name, 0.0), abs=1e-12)
            if name not in by_arm:
                assert np.isnan(found.incidence[trial, a]).all()
                assert not found.at_risk[trial, a].any()
                continue
            expected = by_arm[name]
            read = [found.at_risk, found.survival, found.survival_error, found.incidence]
            read += [found.incidence_error_cmprsk, found.incidence_error_greenwood]
            got = np.stack([part[trial, a] for part in read], axis=1)
            np.testing.assert_array_equal(got, expected[:, [0, 1, 2, 3, 4, 6]])
    assert computed > 12  # the comparison is not one of NaN with NaN


def test_threads_and_neighbours_change_nothing():
    frame = draw(5, trials=30)
    batch = read_batch(frame, trial="trial")
    many = np.tile(np.arange(30), 60)  # more than one stretch
    rows = np.concatenate([np.arange(batch.starts[t], batch.starts[t + 1]) for t in many])
    sizes = np.diff(batch.starts)[many]
    large = Batch(
        batch.day[rows],
        batch.event[rows],
        batch.competing[rows],
        batch.arm[rows],
        np.concatenate(([0], np.cumsum(sizes))),
    )
    assert rows.size > 2 * 16_384
    small = analyze_batch(batch, days=DAYS, competing_as="event", threads=1)
    for threads in (1, 2):
        found = analyze_batch(large, days=DAYS, competing_as="event", threads=threads)
        np.testing.assert_array_equal(found.gray, small.gray[many])
        np.testing.assert_array_equal(found.logrank_p, small.logrank_p[many])
        np.testing.assert_array_equal(found.incidence, small.incidence[many])


def test_tests_alone_and_no_trials():
    batch = read_batch(draw(6), trial="trial")
    found = analyze_batch(batch, days=(), competing_as="event")
    assert found.incidence.shape == (12, 2, 0)
    assert np.isfinite(found.gray).any()
    nothing = np.zeros(0)
    empty = Batch(nothing, nothing > 0, nothing > 0, nothing.astype(int), np.array([0]))
    assert analyze_batch(empty, days=DAYS, competing_as="event").gray.size == 0


def test_what_cannot_be_computed_is_nan_with_no_degrees_of_freedom():
    # everybody censored at 0, an arm of one without events, one arm alone
    day = np.array([0, 0, 0, 5, 6, 7, 5, 6])
    event = np.array([0, 0, 0, 0, 0, 0, 1, 1], dtype=bool)
    arm = np.array([0, 1, 1, 0, 1, 1, 1, 1])
    batch = Batch(day, event, np.zeros(8, dtype=bool), arm, np.array([0, 3, 6, 8]))
    found = analyze_batch(batch, days=(0, 5), competing_as="event")
    assert np.isnan(found.logrank).all()
    assert np.isnan(found.gray_p).all()
    assert not found.gray_df.any()
    assert found.incidence[0, :, 0].tolist() == [0, 0]  # observed on day 0, nothing happened
    assert np.isnan(found.incidence[0, :, 1]).all()
    assert found.incidence[2, 1].tolist() == [0, 0.5]


def change(**changes):
    """Give the arrays of a batch with some of them replaced."""
    content = {
        "day": np.array([1.0, 2.0]),
        "event": np.array([True, False]),
        "competing": np.array([False, False]),
        "arm": np.array([0, 1]),
        "starts": np.array([0, 2]),
    }
    return {**content, **changes}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"day": np.array([1.0])}, "one element a participant"),
        ({"day": np.array([-1.0, 2.0])}, "negative"),
        ({"day": np.array([np.nan, 2.0])}, "missing"),
        ({"event": np.array([1, 2])}, "booleans"),
        ({"competing": np.array([True, False])}, "the first one counts"),
        ({"arm": np.array([0.0, 1.0])}, "whole numbers from 0"),
        ({"arm": np.array([0, -1])}, "whole numbers from 0"),
        ({"starts": np.array([0, 1])}, "rising from 0 to the 2 participants"),
        ({"starts": np.array([0, 2, 1, 2])}, "rising from 0"),
    ],
)
def test_arrays_that_are_no_batch_are_refused(changes, message):
    with pytest.raises(UsageError, match=message):
        Batch(**change(**changes))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"days": (5, 3)}, "do not rise"),
        ({"days": (-1,)}, "do not rise"),
        ({"competing_as": "ignored"}, "choose event or censored"),
        ({"weight": (-1, 0)}, "from 0 on"),
        ({"rho": np.inf}, "from 0 on"),
    ],
)
def test_unknown_choices_are_refused(changes, message):
    plan = {"days": (1,), "competing_as": "event", **changes}
    with pytest.raises(UsageError, match=message):
        analyze_batch(Batch(**change()), **plan)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"day": [1], "status": ["event"], "arm": ["A"]}, "needs the column 'trial'"),
        ({"day": [1], "status": ["event"], "arm": [None], "trial": [1]}, "have no 'arm'"),
        ({"day": [1], "status": ["dead"], "arm": ["A"], "trial": [1]}, "got dead"),
    ],
)
def test_tables_that_are_no_batch_are_refused(table, message):
    with pytest.raises(UsageError, match=message):
        read_batch(pl.DataFrame(table), trial="trial")
