import math
from itertools import pairwise
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stromal.analysis.cumulative_incidence import estimate_incidence
from stromal.analysis.estimate import estimate_at
from stromal.analysis.recurrent import (
    compare_mean_curves,
    compare_mean_events,
    estimate_mean_events,
)
from stromal.core import UsageError
from stromal.endpoints.outcome import CountingProcess, TimeToEvent

CGD = Path(__file__).parents[4] / "shared" / "data" / "time_to_event" / "cgd.csv"
WORDS = {0: "censored", 1: "event", 2: "competing"}

# set.seed(11) of a simulation in R; participant, start, stop, 0 censored, 1 event, 2 death
TWELVE = [
    (1, 0, 0.042, 1), (1, 0.042, 4.941, 0), (2, 0, 0.171, 1), (2, 0.171, 2.737, 1),
    (2, 2.737, 3.605, 0), (3, 0, 1.669, 1), (3, 1.669, 3.966, 1), (3, 3.966, 5.35, 2),
    (4, 0, 2.774, 1), (4, 2.774, 3.434, 0), (5, 0, 2.681, 1), (5, 2.681, 6.534, 0),
    (6, 0, 1.601, 1), (6, 1.601, 1.894, 2), (7, 0, 1.842, 1), (7, 1.842, 2.393, 1),
    (7, 2.393, 4.792, 0), (8, 0, 1.303, 2), (9, 0, 1.263, 1), (9, 1.263, 4.638, 1),
    (9, 4.638, 5.026, 1), (9, 5.026, 6.104, 0), (10, 0, 0.319, 1), (10, 0.319, 1.324, 1),
    (10, 1.324, 5.021, 1), (10, 5.021, 8.267, 0), (11, 0, 1.67, 1), (11, 1.67, 2.045, 1),
    (11, 2.045, 2.481, 2), (12, 0, 0.033, 1), (12, 0.033, 3.387, 1), (12, 3.387, 5.548, 0),
]  # fmt: skip


def process_of(rows, arms=None):
    frame = pl.DataFrame(
        {
            "participant_id": [str(row[0]) for row in rows],
            "start": [float(row[1]) for row in rows],
            "stop": [float(row[2]) for row in rows],
            "status": [WORDS[row[3]] for row in rows],
        },
        schema_overrides={"participant_id": pl.String, "status": pl.String},
    )
    if arms is not None:
        frame = frame.with_columns(
            arm=pl.Series([arms[str(row[0])] for row in rows], dtype=pl.String)
        )
    return CountingProcess(frame)


def mean_of(rows, terminal="ghosh-lin", **more):
    return estimate_mean_events(process_of(rows), terminal=terminal, confidence=0.95, **more)


@pytest.mark.by_hand
def test_three_participants_by_hand():
    # A: events on days 1 and 3, seen to day 5; B dies on day 2; C: an event on day 4, dies on 6
    rows = [
        ("A", 0, 1, 1), ("A", 1, 3, 1), ("A", 3, 5, 0), ("B", 0, 2, 2), ("C", 0, 4, 1),
        ("C", 4, 6, 2),
    ]  # fmt: skip
    curve = mean_of(rows)
    frame = curve.frame
    assert frame["day"].to_list() == [1, 2, 3, 4, 5, 6]
    assert frame["at_risk"].to_list() == [3, 3, 2, 2, 2, 1]
    assert frame["events"].to_list() == [1, 0, 1, 1, 0, 0]
    assert frame["competing"].to_list() == [0, 1, 0, 0, 0, 1]
    # 1/3, then S = 2/3 and 2/3 * 1/2 twice: 1/3, 2/3, 1
    assert frame["estimate"].to_list() == pytest.approx([1 / 3, 1 / 3, 2 / 3, 1, 1, 1])
    assert frame["event_free"].to_list() == pytest.approx([1, *[2 / 3] * 4, 0])
    # influences on day 3: A: (1-1/3)/3 - (1/3)(-1/3)/2 + (2/3)(1-1/2)/2 = 2/9 + 1/18 + 1/6 = 4/9
    # B: -1/9 - (1/3)(2/3)/2 = -2/9; C: -1/9 + 1/18 - 1/6 = -2/9
    variance = (16 + 4 + 4) / 81
    assert frame["standard_error"][2] ** 2 == pytest.approx(variance)
    assert curve.events == 3
    assert curve.n == 3


@pytest.mark.reference
def test_ghosh_and_lin_variance_against_mets():
    """mets 1.3.2 (R 4.2): recurrentMarginal of two phreg(Surv(start, stop, .) ~ cluster(id))."""
    curve = mean_of(TWELVE, variance="Ghosh-Lin")
    at = estimate_at(curve, (0.033, 1.324, 1.842, 2.045, 2.774, 3.966, 5.021, 5.026))
    assert [e.value for e in at] == pytest.approx(
        [
            0.0833333333333333, 0.4999999999999999, 0.8333333333333334, 0.9166666666666667,
            1.2499999999999998, 1.4404761904761902, 1.6976190476190474, 1.8476190476190473,
        ],
        abs=1e-13,
    )  # fmt: skip
    assert [e.standard_error for e in at] == pytest.approx(
        [
            0.0797855923130282, 0.1861987597645594, 0.1582203673595785, 0.1832443421175856,
            0.1682360989620111, 0.1868598912974342, 0.2459516739989512, 0.2897965593565845,
        ],
        abs=1e-12,
    )  # fmt: skip


def weighted_mean(rows, weights, until):
    """Ghosh and Lin's mean with a weight for each participant, spelled out."""
    days = sorted({row[2] for row in rows if row[2] <= until})
    total, alive = 0.0, 1.0
    for day in days:
        at_risk = sum(weights[row[0]] for row in rows if row[1] < day <= row[2])
        for kind in (1, 2):
            n = sum(weights[row[0]] for row in rows if row[2] == day and row[3] == kind)
            total, alive = (
                (total + alive * n / at_risk, alive)
                if kind == 1
                else (total, alive * (1 - n / at_risk))
            )
    return total


def test_variance_is_the_derivative_by_each_participants_weight():
    curve = mean_of(TWELVE)
    ids = sorted({row[0] for row in TWELVE})
    for day in (1.5, 2.5, 4.0, 5.2):
        slopes = []
        for one in ids:
            up, down = (dict.fromkeys(ids, 1.0) | {one: 1 + step} for step in (1e-5, -1e-5))
            slopes.append(
                (weighted_mean(TWELVE, up, day) - weighted_mean(TWELVE, down, day)) / 2e-5
            )
        (e,) = estimate_at(curve, (day,))
        assert e.standard_error == pytest.approx(math.sqrt(sum(x * x for x in slopes)), rel=1e-7)


def test_variance_agrees_with_leaving_out_each_participant():
    rng = np.random.default_rng(3)
    rows = []
    for i in range(150):
        day, end, dies = 0, int(rng.integers(40, 200)), rng.random() < 0.4
        while (day_next := day + 1 + int(rng.exponential(25))) < end:
            rows.append((i, day, day_next, 1))
            day = day_next
        rows.append((i, day, end, 2 if dies else 0))
    (e,) = estimate_at(mean_of(rows), (120,))
    left_out = []
    for one in range(150):
        (other,) = estimate_at(mean_of([row for row in rows if row[0] != one]), (120,))
        left_out.append(other.value)
    jackknife = math.sqrt(149 / 150 * sum((x - np.mean(left_out)) ** 2 for x in left_out))
    assert e.standard_error == pytest.approx(jackknife, rel=0.02)


@pytest.mark.reference
@pytest.mark.skipif(not CGD.exists(), reason="the shared data set cgd is not there")
@pytest.mark.parametrize("terminal", ["none", "ghosh-lin"])
@pytest.mark.parametrize("treat", ["placebo", "rIFN-g"])
def test_mean_cumulative_function_of_cgd(treat, terminal):
    """survival 3.5-3: survfit(Surv(tstart, tstop, status) ~ 1, id = id), cumhaz and std.chaz."""
    mean, error, at_risk = {
        "placebo": (
            [0.2153846153846154, 0.40793256922289167, 0.7386008453710938, 1.2626577939916699],
            [0.06340368530273405, 0.09346326361399013, 0.15696859360726026, 0.2518384786836419],
            [65, 62, 45, 8],
        ),
        "rIFN-g": (
            [0.031746031746031744, 0.12749615975422426, 0.2544802066233959, 0.3321117855707643],
            [0.022088645799247866, 0.047707994971092335, 0.07012083882645899, 0.10291047663277869],
            [63, 62, 46, 14],
        ),
    }[treat]
    table = pl.read_csv(CGD).filter(pl.col("treat") == treat)
    rows = table.select("id", "tstart", "tstop", "status").rows()
    read = estimate_at(mean_of(rows, terminal), (90, 180, 270, 360))
    assert [e.value for e in read] == pytest.approx(mean, abs=1e-12)
    assert [e.standard_error for e in read] == pytest.approx(error, abs=1e-12)
    assert [e.at_risk for e in read] == at_risk


people = st.lists(
    st.tuples(st.sets(st.integers(1, 12), max_size=4), st.integers(13, 20)), min_size=1, max_size=20
)


def periods_of(followed, *, last):
    """Periods of participants, each with days of events and the day of what ends observation."""
    rows = []
    for i, (days, end) in enumerate(followed):
        starts = [0, *sorted(days)]
        rows += [(i, a, b, 1) for a, b in pairwise(starts)]
        rows.append((i, starts[-1], end, last))
    return rows


@settings(max_examples=60, deadline=None)
@given(people)
def test_without_censoring_it_is_the_mean_of_counts_and_its_variance(followed):
    curve = mean_of(periods_of(followed, last=2))
    for day in (3, 12, 20):
        counts = np.array([sum(d <= day for d in days) for days, _ in followed])
        (e,) = estimate_at(curve, (day,))
        assert e.value == pytest.approx(counts.mean(), abs=1e-12)
        assert e.standard_error == pytest.approx(counts.std() / math.sqrt(counts.size), abs=1e-9)


@settings(max_examples=40, deadline=None)
@given(people)
def test_without_terminal_events_both_means_are_one(followed):
    rows = periods_of(followed, last=0)
    one, other = (mean_of(rows, terminal).frame for terminal in ("none", "ghosh-lin"))
    assert one.equals(other)


def test_one_event_each_without_censoring_is_the_incidence():
    ends = {0: (3, 1), 1: (5, 2), 2: (5, 1), 3: (8, 2), 4: (9, 1), 5: (9, 2), 6: (11, 2)}
    rows = []
    for i, (day, kind) in ends.items():
        rows.append((i, 0, day, kind))
        if kind == 1:
            rows.append((i, day, 12, 2))
    frame = pl.DataFrame(
        {
            "participant_id": [str(i) for i in ends],
            "day": [float(day) for day, _ in ends.values()],
            "status": [WORDS[kind] for _, kind in ends.values()],
        }
    )
    incidence = estimate_incidence(
        TimeToEvent(frame),
        variance="infinitesimal jackknife",
        interval="log",
        confidence=0.95,
    )
    days = (3.0, 5.0, 8.0, 9.0, 11.0)
    pairs = zip(estimate_at(mean_of(rows), days), estimate_at(incidence, days), strict=True)
    for a, b in pairs:
        assert a.value == pytest.approx(b.value, abs=1e-12)
        assert a.standard_error == pytest.approx(b.standard_error, abs=1e-12)
        assert (a.low, min(a.high, 1)) == pytest.approx((b.low, b.high), abs=1e-12)


def test_rows_and_names_may_be_shuffled():
    names = {i: f"P{97 - 7 * i}" for i in range(1, 13)}
    shuffled = [(names[i], *rest) for i, *rest in reversed(TWELVE)]
    one, other = mean_of(TWELVE).frame, mean_of(shuffled).frame
    for column in one.columns:
        assert other[column].to_list() == pytest.approx(one[column].to_list(), abs=1e-12)


def test_who_is_not_observed_is_not_at_risk():
    rows = [("A", 0, 2, 0), ("A", 6, 9, 1), ("B", 4, 10, 0), ("C", 0, 5, 1)]
    frame = mean_of(rows).frame
    assert frame["day"].to_list() == [2, 5, 9, 10]
    assert frame["at_risk"].to_list() == [2, 2, 2, 1]
    assert frame["estimate"].to_list() == [0, 0.5, 1, 1]


def test_no_events_has_no_limits_and_says_so():
    curve = mean_of([("A", 0, 5, 0), ("B", 0, 7, 2)])
    (e,) = estimate_at(curve, (4,))
    assert (e.value, e.standard_error, e.low, e.high) == (0, 0, None, None)
    assert "no event yet" in e.note
    assert curve.events == 0


def test_nobody():
    curve = estimate_mean_events(process_of([]), terminal="ghosh-lin", confidence=0.95)
    assert (curve.n, curve.events, curve.last_day) == (0, 0, None)


def test_after_the_last_day_only_the_dead_are_known():
    lives, dies = mean_of([("A", 0, 5, 1)]), mean_of([("A", 0, 5, 1), ("A", 5, 6, 2)])
    assert estimate_at(lives, (8,))[0].value is None
    assert estimate_at(dies, (8,))[0].value == 1


def test_an_event_after_death_is_refused():
    with pytest.raises(UsageError, match="after a competing event"):
        process_of([("A", 0, 3, 2), ("A", 3, 5, 1)])


def test_death_is_not_censoring():
    with pytest.raises(UsageError, match=r"3 terminal events are not censoring.*ghosh-lin"):
        mean_of([row for row in TWELVE if row[0] in {3, 6, 8}], "none")


def test_weights_and_unknown_words_are_refused():
    weighted = process_of(TWELVE).frame.with_columns(case_weight=2.0)
    with pytest.raises(UsageError, match="no case weights"):
        estimate_mean_events(CountingProcess(weighted), terminal="ghosh-lin", confidence=0.95)
    with pytest.raises(UsageError, match="`ghosh-lin` or `none`"):
        mean_of(TWELVE, "death")
    with pytest.raises(UsageError, match="`infinitesimal jackknife` or `Ghosh-Lin`"):
        mean_of(TWELVE, variance="robust")
    with pytest.raises(UsageError, match=r"0\.95"):
        estimate_mean_events(process_of(TWELVE), terminal="ghosh-lin", confidence=95)


ARMS = {str(i): "MSC" if i % 2 else "control" for i in range(1, 13)}


@pytest.mark.by_hand
def test_difference_of_means_on_a_day():
    process = process_of(TWELVE, ARMS)
    (contrast,) = compare_mean_events(
        process, days=(3.0,), terminal="ghosh-lin", confidence=0.95, reference="control"
    )
    apart = [mean_of([r for r in TWELVE if ARMS[str(r[0])] == arm]) for arm in ("MSC", "control")]
    one, two = (estimate_at(curve, (3.0,))[0] for curve in apart)
    assert (contrast.first, contrast.second) == ("MSC", "control")
    assert contrast.estimate.value == pytest.approx(one.value - two.value)
    assert contrast.estimate.standard_error == pytest.approx(
        math.hypot(one.standard_error, two.standard_error)
    )
    z = contrast.estimate.value / contrast.estimate.standard_error
    assert contrast.p_value == pytest.approx(math.erfc(abs(z) / math.sqrt(2)))


def test_an_arm_of_one_participant_is_compared_without_width_of_its_own():
    arms = {str(i): "one" if i == 1 else "rest" for i in range(1, 13)}
    (contrast,) = compare_mean_events(
        process_of(TWELVE, arms),
        days=(2.0,),
        terminal="ghosh-lin",
        confidence=0.95,
        reference="rest",
    )
    assert contrast.first == "one"
    assert contrast.estimate.value is not None
    (late,) = compare_mean_events(
        process_of(TWELVE, arms), days=(6.0,), terminal="ghosh-lin", confidence=0.95
    )
    assert late.estimate.value is None
    assert "last observation is on day 4.941" in late.estimate.note


@pytest.mark.by_hand
def test_score_of_two_curves_by_hand():
    # without deaths: day 1: Y 1 and 2, an event in B: W = 2/3; day 2: Y 1 and 2, A: 2/3 * 1;
    # day 3: Y 1 and 1, an event in B: W = 1/2. Score A - B = -2/3/2 + 2/3 - 1/2 = -1/6.
    rows = [
        ("a", 0, 2, 1), ("a", 2, 5, 0), ("b", 0, 1, 1), ("b", 1, 3, 1), ("b", 3, 5, 0),
        ("c", 0, 2, 0),
    ]  # fmt: skip
    arms = {"a": "A", "b": "B", "c": "B"}
    test = compare_mean_curves(process_of(rows, arms), until=5, terminal="none")
    # influences: a: day 2: 2/3 (1 - 1)/1 = 0; b: day 1: 2/3 (1 - 1/2)/2 = 1/6, day 3: 0;
    # c: 2/3 (-1/2)/2 = -1/6
    assert test.statistic == pytest.approx((1 / 36) / (2 / 36))
    assert test.df == 1
    assert test.groups["events"].to_list() == [1, 2]


def weighted_score(weights):
    """The score of the twelve in two arms, with the weights W of the unweighted."""
    days = sorted({row[2] for row in TWELVE})
    at_risk = {
        (arm, day): sum(r[1] < day <= r[2] and ARMS[str(r[0])] == arm for r in TWELVE)
        for arm in ("MSC", "control")
        for day in days
    }
    score = 0.0
    for arm, sign in (("MSC", 1), ("control", -1)):
        rows = [row for row in TWELVE if ARMS[str(row[0])] == arm]
        before = 0.0
        for day in days:
            y1, y2 = at_risk["MSC", day], at_risk["control", day]
            if at_risk[arm, day] == 0:
                continue
            mean = weighted_mean([r for r in rows if r[1] < day], weights, day)
            score += sign * (y1 * y2 / (y1 + y2)) * (mean - before)
            before = mean
    return score


def test_variance_of_the_score_is_the_derivative_by_each_participants_weight():
    ids = sorted({row[0] for row in TWELVE})
    slopes = []
    for one in ids:
        up, down = (dict.fromkeys(ids, 1.0) | {one: 1 + step} for step in (1e-5, -1e-5))
        slopes.append((weighted_score(up) - weighted_score(down)) / 2e-5)
    test = compare_mean_curves(process_of(TWELVE, ARMS), until=20, terminal="ghosh-lin")
    score = weighted_score(dict.fromkeys(ids, 1.0))
    assert test.statistic == pytest.approx(score**2 / sum(x * x for x in slopes), rel=1e-6)


@pytest.mark.reference
@pytest.mark.skipif(not CGD.exists(), reason="the shared data set cgd is not there")
def test_score_of_cgd_against_the_robust_score_of_coxph():
    """survival 3.5-3: summary(coxph(Surv(tstart, tstop, status) ~ treat + cluster(id),
    ties = "breslow", iter = 0)) has the same score, with the pooled rate in its influences.
    """
    table = pl.read_csv(CGD)
    arms = dict(table.select(pl.col("id").cast(pl.String), "treat").unique().rows())
    rows = table.select("id", "tstart", "tstop", "status").rows()
    test = compare_mean_curves(process_of(rows, arms), until=440, terminal="none")
    assert test.statistic == pytest.approx(10.2372012971989, rel=0.15)
    assert test.p_value < 0.01


def test_groups_that_cannot_be_compared():
    with pytest.raises(UsageError, match="no column 'arm'"):
        compare_mean_curves(process_of(TWELVE), until=5, terminal="ghosh-lin")
    one = dict.fromkeys(ARMS, "MSC")
    with pytest.raises(UsageError, match="1 groups"):
        compare_mean_curves(process_of(TWELVE, one), until=5, terminal="ghosh-lin")
    three = ARMS | {"1": "third"}
    with pytest.raises(UsageError, match="compares two"):
        compare_mean_curves(process_of(TWELVE, three), until=5, terminal="ghosh-lin")
    with pytest.raises(UsageError, match="until is 0"):
        compare_mean_curves(process_of(TWELVE, ARMS), until=0, terminal="ghosh-lin")
    with pytest.raises(UsageError, match="reference 'x' is none"):
        compare_mean_events(
            process_of(TWELVE, ARMS),
            days=(2,),
            terminal="ghosh-lin",
            confidence=0.95,
            reference="x",
        )
    mixed = process_of(TWELVE, ARMS).frame.with_columns(
        arm=pl.when(pl.int_range(pl.len()) == 0).then(pl.lit("control")).otherwise(pl.col("arm"))
    )
    with pytest.raises(UsageError, match="participant 1 stands in two groups"):
        compare_mean_curves(CountingProcess(mixed), until=5, terminal="ghosh-lin")


def test_nothing_varies():
    rows = [("a", 0, 5, 0), ("b", 0, 5, 0)]
    process = process_of(rows, {"a": "A", "b": "B"})
    test = compare_mean_curves(process, until=5, terminal="none")
    assert (test.statistic, test.p_value) == (None, None)
    assert "nothing varies" in test.note
    (contrast,) = compare_mean_events(process, days=(3,), terminal="none", confidence=0.95)
    assert (contrast.estimate.value, contrast.p_value) == (0, None)
