"""Tables of simulated trials become operating characteristics."""

import json
from math import sqrt

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom

from stromal.core import UsageError
from stromal.design.characteristics import EFFECT_IS_ASSUMED, operating_characteristics
from stromal.design.decision import probability_of_rejecting
from stromal.design.monte_carlo import TABLE_SCHEMA
from stromal.design.runs import TALLIES_SCHEMA
from support.virtual_trials import (
    NO_TALLIES,
    NO_TRUTHS,
    against_p0,
    proportion,
    trials_of,
    truths_of,
    two_arms,
)


def evaluate(trials, tallies=NO_TALLIES, truths=NO_TRUTHS, *, decision=None, banked=None, **more):
    return operating_characteristics(
        trials,
        tallies,
        truths,
        decision=decision or against_p0(),
        analysis=proportion(**more),
        banked=banked,
    )


def tallies_of(rows, **more):
    """Make tallies of `(parameter_set, status, day, participants)`."""
    common = {"scenario": "null", "variant": "daily", "arm": "msc", "endpoint": "recovery"} | more
    frame = pl.DataFrame(
        rows, schema=["parameter_set", "status", "day", "participants"], orient="row"
    )
    frame = frame.with_columns(pl.lit(value).alias(name) for name, value in common.items())
    return frame.select(*TALLIES_SCHEMA).cast(dict(TALLIES_SCHEMA))


# --- deciding --------------------------------------------------------------------------------


@pytest.mark.by_hand
def test_two_sets_of_four_trials():
    # 27 of 68 is the smallest number that rejects: 1 of 4 and 3 of 4 trials do
    found = evaluate(trials_of([[26, 27, 10, 18], [30, 31, 27, 26]], 68))
    cell = found.cell("null", "daily")
    assert (cell.trials, cell.parameter_sets, cell.undecidable) == (8, 2, 0)
    assert cell.rejecting.value == 0.5
    assert cell.rejecting.se == pytest.approx(0.25, rel=1e-14)  # SD sqrt(1/8) over sqrt 2
    assert cell.rejecting_in_favour is None
    # SD^2 1/8 less the noise 3/16 / 3
    assert cell.rejecting.spread.sd == pytest.approx(sqrt(1 / 8 - 1 / 16), rel=1e-14)
    q = cell.arms[0].success_rate
    assert q.value == pytest.approx((81 + 114) / 544, rel=1e-14)
    assert q.se == pytest.approx(33 / 272 / 2, rel=1e-13)
    assert cell.nominal_alpha.value == pytest.approx(binom.sf(26, 68, 0.27), rel=1e-12)
    assert cell.nominal_alpha.se == 0.0
    assert (cell.enrolled.value, cell.screened.value, cell.duration_days.value) == (68, 14, 700)
    (rates,) = found.rates
    assert (rates.variant, rates.nominal_at) == ("daily", 0.27)
    assert rates.null_rate == q
    assert rates.actual_alpha == cell.rejecting
    assert rates.nominal_alpha == cell.nominal_alpha
    assert found.critical_numbers.select("n", "rejects_from").rows() == [(68, 27)]


def test_one_set_has_binomial_error_with_the_bank_added():
    # 6 trials with 24 and 44 with 23 successes of 68: q is exactly 0.34 and none rejects
    events = [[23] * 44 + [24] * 6]
    alone = evaluate(trials_of(events, 68)).cell("null", "daily")
    assert (alone.rejecting.value, alone.rejecting.se) == (0.0, 0.0)
    for people, sd in ((500, 0.10), (10_000, 0.023)):
        cell = evaluate(trials_of(events, 68), banked=people).cell("null", "daily")
        assert cell.rejecting.se == pytest.approx(sd, abs=5e-4 if people > 1000 else 5e-3)
        slope = 68 * binom.pmf(26, 67, 0.34)  # d P(X >= 27) / d q
        assert cell.rejecting.se == pytest.approx(slope * sqrt(0.34 * 0.66 / people), rel=1e-9)
        assert cell.rejecting.high > alone.rejecting.high
        q = cell.arms[0].success_rate
        assert q.se == pytest.approx(sqrt(0.34 * 0.66 * (1 / 3400 + 1 / people)), rel=1e-12)


def test_banks_may_differ_by_set_and_scenario():
    events = [[23] * 44 + [24] * 6]
    trials = pl.concat([trials_of(events, 68), trials_of(events, 68, scenario="effect")])
    banks = pl.DataFrame(
        {"scenario": ["null", "effect"], "parameter_set": [0, 0], "people": [500, 2000]}
    )
    found = evaluate(trials, banked=banks)
    ratio = found.cell("null", "daily").rejecting.se / found.cell("effect", "daily").rejecting.se
    assert ratio == pytest.approx(2.0, rel=1e-12)
    assert any("banked state" in text for text in found.statements)
    with pytest.raises(UsageError, match="scenario null, variant daily, parameter set 0 has no b"):
        evaluate(trials, banked=banks.filter(pl.col("scenario") == "effect"))
    with pytest.raises(UsageError, match="has two banks"):
        evaluate(trials, banked=pl.concat([banks, banks]))
    with pytest.raises(UsageError, match="is empty"):
        evaluate(trials, banked=0)
    with pytest.raises(UsageError, match="`parameter_set` and `people`"):
        evaluate(trials, banked=banks.drop("people"))


def test_nominal_alpha_is_of_the_numbers_analysed():
    found = evaluate(trials_of([[0, 0, 0, 0]], [[68, 68, 60, 0]]))
    expected = probability_of_rejecting(against_p0(), [0.27] * 4, [68, 68, 60, 0])
    assert expected[3] == 0
    cell = found.cell("null", "daily")
    assert cell.nominal_alpha.value == pytest.approx(expected.mean(), rel=1e-12)
    assert found.critical_numbers["n"].to_list() == [0, 60, 68]


def test_two_sided_rejections_in_favour_are_told_apart():
    decision = against_p0(0.5, 0.0625, "two-sided")  # of 5: rejects 0 and 5
    cell = evaluate(trials_of([[0, 0, 5, 3]], 5), decision=decision).cell("null", "daily")
    assert (cell.rejecting.value, cell.rejecting_in_favour.value) == (0.75, 0.25)
    # in favour the bank moves only the upper end: 5 q^4 sqrt(q (1 - q) / B) at q = 8 / 20
    banked = evaluate(trials_of([[0, 0, 5, 3]], 5), decision=decision, banked=100)
    error = banked.cell("null", "daily").rejecting_in_favour.se
    bank = (5 * 0.4**4) ** 2 * 0.24 / 100
    assert error == pytest.approx(sqrt(0.25 * 0.75 / 4 + bank), rel=1e-12)


def test_two_arms():
    # 9 of 9 against 0 of 9 rejects, 1 against 2 of 9 has p = 1; nobody in an arm rejects nothing
    msc = trials_of([[9, 1, 0], [9, 9, 1]], [[9, 9, 0], [9, 9, 9]])
    control = trials_of([[0, 2, 2], [0, 0, 2]], 9, arm="control")
    found = evaluate(pl.concat([msc, control]), decision=two_arms(), banked=1000)
    cell = found.cell("null", "daily")
    assert cell.rejecting.value == pytest.approx(0.5, rel=1e-14)
    assert cell.rejecting_in_favour == cell.rejecting
    assert (cell.trials, cell.undecidable) == (6, 1)
    assert [(arm.arm, arm.without_estimate) for arm in cell.arms] == [("control", 0), ("msc", 1)]
    assert cell.enrolled.value == pytest.approx((18 + 18 + 9 + 18 * 3) / 6, rel=1e-14)
    assert found.critical_numbers is None
    (rates,) = found.rates
    assert rates.nominal_at is None
    assert rates.null_rate == cell.arms[0].success_rate
    # the nominal alpha is that of both arms at the control's null rate of each set: 4/27, 2/27
    at = [4 / 27, 4 / 27, 4 / 27, 2 / 27, 2 / 27, 2 / 27]
    size = [9, 9, 0, 9, 9, 9]
    expected = probability_of_rejecting(two_arms(), at, size, at, [9] * 6)
    assert cell.nominal_alpha.value == pytest.approx(expected.mean(), rel=1e-12)


def test_an_arm_that_nobody_of_a_trial_was_allocated_to_has_nobody():
    msc = trials_of([[9, 9]], 9)
    control = trials_of([[0, 0]], 9, arm="control")
    whole = pl.concat([msc, control.with_columns(n=0, enrolled=0).cast(control.schema)])
    lacking = pl.concat([msc, control.filter(pl.col("trial") == 0)])
    with_zero = pl.concat([lacking, whole.filter(arm="control", trial=1)])
    found, same = (evaluate(t, decision=two_arms()) for t in (lacking, with_zero))
    assert found.table.equals(same.table)
    cell = found.cell("null", "daily")
    assert (cell.rejecting.value, cell.undecidable, cell.enrolled.value) == (0.5, 1, 13.5)


def test_one_arm_of_several_is_decided_on():
    trials = pl.concat([trials_of([[27, 0]], 68), trials_of([[0, 0]], 68, arm="control")])
    found = evaluate(trials, decision=against_p0(experimental="msc"))
    assert found.cell("null", "daily").rejecting.value == 0.5
    with pytest.raises(UsageError, match="name it as `experimental`"):
        evaluate(trials)


# --- estimates against the truth -------------------------------------------------------------


@pytest.mark.by_hand
def test_bias_and_coverage_are_of_each_sets_own_truth():
    # estimates .5, .3 against .2, and .5, .7 against .8; Wald limits of 10 at .95:
    # .5 +- .3099, .3 +- .2840 hold .2; .5 +- .3099 (.1901 to .8099) and .7 +- .2840 hold .8
    trials = trials_of([[5, 3], [5, 7]], 10)
    truths = pl.concat([
        truths_of([200, 800], 1000),
        truths_of([150, 850], 1000, truth="measured daily"),
    ])  # fmt: skip
    cell = evaluate(trials, truths=truths, interval="wald").cell("null", "daily")
    latent, daily = cell.arms[0].truths
    assert (latent.truth, daily.truth) == ("latent", "measured daily")
    assert latent.rate.value == 0.5
    assert latent.bias.value == pytest.approx(0.0, abs=1e-15)  # +.2 and -.2
    assert latent.bias.se == pytest.approx(0.2, rel=1e-13)
    assert latent.coverage.value == 1.0
    assert daily.bias.value == pytest.approx(0.0, abs=1e-15)
    assert daily.coverage.value == 0.5  # .5 +- .3099 leaves out .15 and .85
    # noise of a bias: trials SD^2 .02 over 2, truth .2 * .8 / 1000
    spread = latent.bias.spread
    assert spread.sd == pytest.approx(sqrt(0.08 - 0.01 - 0.00016), rel=1e-13)


@pytest.mark.by_hand
def test_bias_of_one_set_has_the_truths_error():
    cell = evaluate(trials_of([[5, 3]], 10), truths=truths_of([30], 100)).cell("null", "daily")
    (latent,) = cell.arms[0].truths
    assert latent.bias.value == pytest.approx(0.1, rel=1e-14)
    assert latent.bias.se == pytest.approx(sqrt(0.02 / 2 + 0.21 / 100), rel=1e-13)


def test_truths_of_several_tasks_are_added_up():
    parts = [truths_of([10], 100), truths_of([30], 100)]
    cell = evaluate(trials_of([[5, 3]], 10), truths=pl.concat(parts)).cell("null", "daily")
    assert cell.arms[0].truths[0].rate.value == 0.2


def test_a_trial_without_participants_reports_no_estimate():
    cell = evaluate(
        trials_of([[5, 0]], [[10, 0]], screened=[14.0, float("nan")], duration_days=[700, None]),
        truths=truths_of([50], 100),
    ).cell("null", "daily")
    arm = cell.arms[0]
    assert (arm.without_estimate, cell.undecidable) == (1, 1)
    assert arm.truths[0].bias.value == 0.0
    assert arm.truths[0].coverage.value == 1.0
    assert (cell.screened.value, cell.duration_days.value) == (14.0, 700.0)
    assert arm.analysed.value == 5.0


def test_nobody_analysed_in_any_trial():
    found = evaluate(trials_of([[0, 0], [0, 0]], 0), truths=truths_of([5, 5], 10), banked=100)
    cell = found.cell("null", "daily")
    assert cell.rejecting.value == cell.nominal_alpha.value == 0.0
    assert cell.arms[0].success_rate.value is None
    assert cell.arms[0].truths[0].bias.value is None
    json.dumps(found.to_json(), allow_nan=False)


# --- endpoints -------------------------------------------------------------------------------


@pytest.mark.by_hand
def test_shares_and_days_of_an_endpoint():
    # set 0: days 10, 10, 20, 40 and one competing; set 1: day 30 and four censored
    tallies = tallies_of([
        (0, "event", 10, 2), (0, "event", 20, 1), (0, "event", 40, 1), (0, "competing", 5, 1),
        (1, "event", 30, 1), (1, "censored", None, 4),
    ])  # fmt: skip
    cell = evaluate(trials_of([[3, 4], [5, 6]], 68), tallies).cell("null", "daily")
    (endpoint,) = cell.endpoints
    assert (endpoint.endpoint, endpoint.arm) == ("recovery", "msc")
    censored, competing, event = endpoint.statuses
    assert [s.status for s in endpoint.statuses] == ["censored", "competing", "event"]
    assert (event.share.value, censored.share.value, competing.share.value) == pytest.approx(
        (0.5, 0.4, 0.1)
    )
    assert event.share.se == pytest.approx(0.3, rel=1e-13)
    # medians 15 and 30; quartiles of 10, 10, 20, 40 at the places 1.75 and 3.25: 10 and 25
    assert event.median.value == 22.5
    assert event.lower_quartile.value == 20.0
    assert event.upper_quartile.value == 27.5
    assert (censored.median, competing.median.value, competing.median.sets) == (None, 5.0, 1)


@settings(max_examples=15)
@given(st.lists(st.integers(0, 30), min_size=1, max_size=40))
def test_quartiles_are_those_of_the_participants(days):
    tallies = tallies_of([(0, "event", day, 1) for day in days])
    cell = evaluate(trials_of([[3]], 68), tallies).cell("null", "daily")
    (event,) = cell.endpoints[0].statuses
    found = [f.value for f in (event.lower_quartile, event.median, event.upper_quartile)]
    assert found == pytest.approx(np.quantile(days, [0.25, 0.5, 0.75]).tolist(), abs=1e-9)
    assert event.share.value == 1.0


def test_error_of_a_median_within_one_set():
    # normal days with SD 10: the median's SE is 10 sqrt(pi / 2 / n), in whole days about so
    generator = np.random.default_rng(3)
    days = np.round(generator.normal(200, 10, 4000)).astype(int)
    tallies = tallies_of([(0, "event", int(day), 1) for day in days])
    cell = evaluate(trials_of([[3, 3]], 68), tallies).cell("null", "daily")
    assert cell.endpoints[0].statuses[0].median.se == pytest.approx(0.198, rel=0.5)
    banked = evaluate(trials_of([[3, 3]], 68), tallies, banked=40).cell("null", "daily")
    error = banked.endpoints[0].statuses[0].median.se
    assert error == pytest.approx(10 * sqrt(np.pi / 2 * (1 / 40 + 1 / 4000)), rel=0.2)


@pytest.mark.by_hand
def test_how_many_are_looked_at_for_one_has_the_error_of_the_bank():
    """14 for each of 300 banked: waiting for 300 has variance 300 (1 - p) / p^2, with p 1/14."""
    trials = trials_of([[30, 31, 29, 30]], 68, screened=14.0, duration_days=700.0)
    cell = evaluate(trials, banked=300).cell("null", "daily")
    assert cell.screened.se == pytest.approx(sqrt(300 * (13 / 14) * 14**2) / 300)
    assert cell.duration_days.se == pytest.approx(700 * cell.screened.se / 14)
    assert cell.enrolled.se == 0.0
    assert evaluate(trials).cell("null", "daily").screened.se == 0.0


# --- what holds for any run ------------------------------------------------------------------


@st.composite
def runs(draw):
    """Draw a null and an effect scenario of two arms over a few sets."""
    sets, trials = draw(st.integers(1, 4)), draw(st.integers(1, 4))
    generator = np.random.default_rng(draw(st.integers(0, 1000)))
    frames, truths, tallies = [], [], []
    for scenario in ("null", "effect"):
        for arm in ("msc", "control"):
            n = generator.integers(0, 12, size=(sets, trials))
            e = generator.binomial(n, 0.3 if arm == "control" or scenario == "null" else 0.8)
            durations = generator.normal(700, 20, sets * trials)
            where = {"scenario": scenario, "arm": arm}
            frames.append(trials_of(e, n, duration_days=durations, **where))
            truths.append(truths_of(generator.integers(0, 100, sets), 100, **where))
            rows = [
                (s, status, int(generator.integers(0, 9)), int(generator.integers(0, 5)))
                for s in range(sets)
                for status in ("event", "censored")
            ]
            tallies.append(tallies_of(rows, **where))
    return pl.concat(frames), pl.concat(tallies), pl.concat(truths)


@settings(max_examples=15)
@given(runs(), st.sampled_from([None, 300]), st.integers(0, 5))
def test_the_order_of_rows_changes_nothing_and_json_is_plain(run, banked, seed):
    found = evaluate(*run, decision=two_arms(), banked=banked)
    mixed = [t.sample(fraction=1, shuffle=True, seed=seed) for t in run]
    again = evaluate(*mixed, decision=two_arms(), banked=banked)
    text = json.dumps(found.to_json(), allow_nan=False)
    assert text == json.dumps(again.to_json(), allow_nan=False)
    assert found.table.equals(again.table)
    assert dict(found.table.schema) == TABLE_SCHEMA
    assert json.loads(text)["statements"][0] == EFFECT_IS_ASSUMED
    assert "assumption" in EFFECT_IS_ASSUMED
    limits = found.table.filter(pl.col("low").is_not_null())
    assert (limits["low"] <= limits["value"] + 1e-12).all()
    assert (limits["value"] <= limits["high"] + 1e-12).all()
    for column in ("value", "se", "low", "high", "sd_between_sets", "p5", "p95"):
        assert found.table[column].drop_nulls().is_finite().all()


@settings(max_examples=15)
@given(
    q=st.floats(0.05, 0.6),
    margin=st.floats(0, 0.2),
    n=st.integers(5, 80),
    seed=st.integers(0, 99),
)
def test_actual_alpha_is_within_the_nominal_when_the_null_rate_is_below_p0(q, margin, n, seed):
    events = np.random.default_rng(seed).binomial(n, q, size=(20, 100))
    found = evaluate(trials_of(events, n), decision=against_p0(p0=q + margin, alpha=0.05))
    (rates,) = found.rates
    nominal = rates.nominal_alpha.value
    assert nominal <= 0.05 * (1 + 1e-9)
    # 5 standard errors of 2000 trials, and a little for the skewness of rare rejections
    assert rates.actual_alpha.value <= nominal + 5 * sqrt(nominal / 2000) + 5 / 2000


def test_rejections_are_binomial_at_the_rate_that_is_measured():
    generator = np.random.default_rng(12)
    trials = pl.concat([
        trials_of(generator.binomial(68, q, size=(50, 100)), 68, scenario=name, variant=variant)
        for variant, null, effect in (("daily", 0.27, 0.48), ("weekly", 0.19, 0.40))
        for name, q in (("null", null), ("effect", effect))
    ])  # fmt: skip
    found = evaluate(trials)
    for variant, null, effect in (("daily", 0.27, 0.48), ("weekly", 0.19, 0.40)):
        for name, q in (("null", null), ("effect", effect)):
            figure = found.cell(name, variant).rejecting
            expected = binom.sf(26, 68, q)
            assert abs(figure.value - expected) < 4 * sqrt(expected * (1 - expected) / 5000) + 1e-9
            assert figure.spread.sd < 0.02  # all sets are the same: no spread but noise
    # the actual alpha moves with what is measured, the nominal does not
    daily, weekly = found.rates
    assert weekly.actual_alpha.high < daily.actual_alpha.low
    assert weekly.nominal_alpha == daily.nominal_alpha
    assert any("no error" in text for text in found.statements)


# --- what is refused -------------------------------------------------------------------------


def test_statements_of_one_set():
    one, two = (evaluate(trials_of([[1, 2]] * k, 68)).statements for k in (1, 2))
    assert any("one parameter set" in text for text in one)
    assert not any("one parameter set" in text for text in two)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda t: t.clear(), "there are no trials"),
        (lambda t: t.drop("enrolled"), "lacks the columns enrolled"),
        (lambda t: t.with_columns(scenario=pl.lit("effect")), "daily has no trials of"),
        (lambda t: pl.concat([t, t]), "twice among the trials: .*trial 0"),
        (lambda t: t.with_columns(events=pl.lit(69)), "n 68, events 69"),
        (lambda t: t.with_columns(n=pl.lit(None)), "missing in the column n"),
        (lambda t: t.with_columns(n=pl.lit("many")), "column of another kind"),
        (
            lambda t: pl.concat([t, t.filter(parameter_set=0).with_columns(scenario=pl.lit("a"))]),
            "scenario a, variant daily, parameter set 1",
        ),
        (
            lambda t: pl.concat(
                [t.filter(parameter_set=0), t.with_columns(scenario=pl.lit("a"))]
            ),
            "scenario a, variant daily, parameter set 1",
        ),
    ],
)  # fmt: skip
def test_trials_that_cannot_be_evaluated_are_refused(change, words):
    trials = trials_of([[1, 2], [3, 4]], 68)
    with pytest.raises(UsageError, match=words):
        evaluate(change(trials))


def test_an_arm_of_the_decision_that_is_nowhere_is_refused():
    with pytest.raises(UsageError, match="the arm 'control', which scenario null, variant daily l"):
        evaluate(trials_of([[1, 2]], 68), decision=two_arms())
    with pytest.raises(UsageError, match="the arm 'other'"):
        evaluate(trials_of([[1, 2]], 68), decision=against_p0(experimental="other"))


def test_truths_and_tallies_that_do_not_belong_are_refused():
    trials = trials_of([[1, 2], [3, 4]], 68)
    with pytest.raises(UsageError, match="parameter set 1, arm msc, truth latent has no partic"):
        evaluate(trials, truths=truths_of([5], 10))
    with pytest.raises(UsageError, match="truth latent has no participants"):
        evaluate(trials, truths=truths_of([5, 0], [10, 0]))
    with pytest.raises(UsageError, match="among the truths"):
        evaluate(trials, truths=truths_of([5, 11], 10))
    with pytest.raises(UsageError, match="a tally is below 0"):
        evaluate(trials, tallies_of([(0, "event", 3, -1)]))
    with pytest.raises(UsageError, match=r"what has no trials: .*arm placebo"):
        evaluate(trials, tallies_of([(0, "event", 3, 1)], arm="placebo"))
    with pytest.raises(UsageError, match="missing in the column status"):
        evaluate(trials, tallies_of([(0, "event", 3, 1), (0, None, 3, 1)]))
