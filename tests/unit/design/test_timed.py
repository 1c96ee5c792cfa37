"""Decisions on a time to an event: the test of every trial, its direction, and what is counted."""

from math import sqrt
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from scipy.stats import norm

from stromal.analysis import (
    compare_incidence,
    compare_survival,
    estimate_at,
    estimate_incidence,
    estimate_survival,
)
from stromal.core import UsageError
from stromal.design.characteristics import operating_characteristics
from stromal.design.decision import Decision, decided_analysis, directions, p_values
from stromal.design.grid import settings_of
from stromal.design.runs import TRIALS_SCHEMA, trials_schema, truths_schema
from stromal.design.scenario import read_scenario
from stromal.design.simulation import Budget, simulate
from stromal.design.timed import compare_trials, timed_directions, timed_slopes, z_values
from stromal.endpoints.outcome import TimeToEvent
from stromal.protocol.analyses import CumulativeIncidenceAnalysis, SurvivalAnalysis
from support.virtual_trials import NO_TALLIES

GAO = Path(__file__).parents[3] / "studies" / "gao-2016"
COMMON = {"label": "-", "role": "primary", "set": "everyone", "endpoint": "cgvhd", "at": ["50 d"],
          "confidence": 0.95, "by": "arm"}  # fmt: skip


def rule(test="gray", side="two-sided", alpha=0.05):
    return Decision(analysis="cgvhd", test=test, alpha=alpha, side=side, control="control",
                    experimental="msc")  # fmt: skip


def survival(interval="log-log"):
    return SurvivalAnalysis.model_validate({**COMMON, "estimate": "survival", "interval": interval})


def incidence(variance="cmprsk"):
    return CumulativeIncidenceAnalysis.model_validate(
        {**COMMON, "estimate": "cumulative incidence", "interval": "linear", "variance": variance}
    )


def draw(seed, trials=40, size=40, *, competing=True, arms=("msc", "control")):
    """Draw trials in which the arms differ now in one direction, now in the other."""
    rng = np.random.default_rng(seed)
    parts = []
    for trial in range(trials):
        arm = rng.choice(arms, size)
        rate = np.where(arm == "msc", np.exp(rng.normal(0, 0.9)), 1.0)
        day = np.ceil(rng.exponential(60 / rate))
        other = rng.exponential(90, size) if competing else np.full(size, np.inf)
        end = np.minimum(np.minimum(day, np.ceil(other)), 100.0)
        status = np.select([end == 100, end == day], ["censored", "event"], "competing")
        parts.append(pl.DataFrame({"trial": trial, "arm": arm, "day": end, "status": status}))
    return pl.concat(parts)


def outcomes(rows):
    return TimeToEvent(rows.with_columns(participant_id=pl.int_range(pl.len()).cast(pl.String)))


# --- the test of each trial ------------------------------------------------------------------


@pytest.mark.by_hand
@pytest.mark.parametrize("test", ["gray", "log-rank"])
@pytest.mark.parametrize("arms", [("msc", "control"), ("another", "control", "msc")])
def test_every_trial_is_decided_as_the_analysis_of_that_trial_alone(test, arms):
    rows = draw(1, competing=test == "gray", arms=arms)
    spec = incidence() if test == "gray" else survival()
    shuffled = rows.sample(fraction=1, shuffle=True, seed=3)
    found = compare_trials(shuffled, rule(test), spec)
    reached = {side: [] for side in ("two-sided", "less", "greater")}
    for (trial,), part in rows.group_by("trial", maintain_order=True):
        pair = outcomes(part.filter(pl.col("arm").is_in(["msc", "control"])))
        single = (compare_incidence if test == "gray" else compare_survival)(pair)
        own = found.filter(trial=trial)
        assert set(own["arm"]) == set(arms)
        assert own["p_value"].unique().to_list() == [pytest.approx(single.p_value, rel=1e-9)]
        groups = {group["group"]: group for group in single.groups.to_dicts()}
        more = groups["msc"]["events"] > groups["msc"]["expected"]
        assert own["direction"].unique().to_list() == [1 if more else -1]
        for arm in arms:
            row = own.row(by_predicate=pl.col("arm") == arm, named=True)
            people = outcomes(part.filter(arm=arm))
            assert row["n"] == people.frame.height
            assert row["events"] == (people.frame["status"] == "event").sum()
            if test == "gray":
                curve = estimate_incidence(
                    people, variance="cmprsk", interval="linear", confidence=0.95
                )
            else:
                curve = estimate_survival(people, interval="log-log", confidence=0.95)
            (there,) = estimate_at(curve, (50.0,))
            assert (row["estimate"], row["error"]) == (there.value, there.standard_error)
        p = single.p_value
        reached["two-sided"].append((1 if more else -1) * (p <= 0.05))
        reached["greater"].append(1 * (more and p / 2 <= 0.05))
        reached["less"].append(-1 * (not more and p / 2 <= 0.05))
    trials = found.filter(arm="msc").sort("trial")
    for side, expected in reached.items():
        got = timed_directions(rule(test, side), trials["p_value"].to_numpy(),
                               trials["direction"].to_numpy())  # fmt: skip
        assert got.tolist() == expected
    assert set(reached["two-sided"]) == {-1, 0, 1}  # all that can be found is among them
    assert reached["less"] != [min(0, one) for one in reached["two-sided"]]  # one side sees more


def test_a_one_sided_p_value_at_alpha_rejects_and_one_above_does_not():
    p = np.array([0.05, 0.0501, 0.1, 0.1001, 0.1, np.nan])
    sign = np.array([1, 1, 1, 1, -1, 0])
    assert timed_directions(rule(), p, sign).tolist() == [1, 0, 0, 0, 0, 0]
    assert timed_directions(rule(side="greater"), p, sign).tolist() == [1, 1, 1, 0, 0, 0]
    assert timed_directions(rule(side="less"), p, sign).tolist() == [0, 0, 0, 0, -1, 0]
    assert timed_directions(rule(side="less", alpha=0.98), p, sign).tolist() == [-1] * 5 + [0]


@pytest.mark.by_hand
@pytest.mark.parametrize("test", ["gray", "log-rank"])
def test_an_empty_arm_or_no_events_rejects_nothing(test):
    # trial 0 has nobody in the control, 1 nobody in the experimental arm, 2 no event
    rows = pl.DataFrame({
        "trial": [0, 0, 1, 1, 2, 2, 2],
        "arm": ["msc", "msc", "control", "control", "msc", "control", "control"],
        "day": [5, 9, 5, 9, 60, 60, 60],
        "status": ["event", "event", "event", "censored", "censored", "censored", "censored"],
    })  # fmt: skip
    found = compare_trials(rows, rule(test), incidence() if test == "gray" else survival())
    assert found["p_value"].null_count() == found.height == 4
    assert set(found["direction"]) == {0}
    got = timed_directions(rule(test, alpha=0.99), np.full(3, np.nan), np.zeros(3))
    assert got.tolist() == [0, 0, 0]
    # who has all had the event is estimable at day 50, who left on day 9 is not, who stays is
    rows = {(r["trial"], r["arm"]): r["estimate"] for r in found.to_dicts()}
    certain = 1.0 if test == "gray" else 0.0
    assert rows == {(0, "msc"): certain, (1, "control"): None,
                    (2, "msc"): 1 - certain if test == "log-rank" else 0.0,
                    (2, "control"): 1 - certain if test == "log-rank" else 0.0}  # fmt: skip


def test_one_arm_in_all_trials_and_nobody_at_all():
    rows = draw(2, trials=3, arms=("control",))
    found = compare_trials(rows, rule(), incidence())
    assert found["p_value"].null_count() == 3
    assert found["estimate"].null_count() == 0
    assert compare_trials(rows.clear(), rule(), incidence()).height == 0


def test_what_a_test_does_not_know_is_refused():
    rows = draw(3, trials=2)
    with pytest.raises(UsageError, match="log-rank test knows one kind of event"):
        compare_trials(rows, rule("log-rank"), survival())
    with pytest.raises(UsageError, match=r"statuses CR: decide by `binomial` or `fisher`"):
        compare_trials(rows.with_columns(status=pl.lit("CR")), rule(), incidence())
    with pytest.raises(UsageError, match="80 times of `cgvhd` are missing"):
        compare_trials(rows.with_columns(day=pl.lit(None, pl.Float64)), rule(), incidence())
    with pytest.raises(UsageError, match="decided by the times of events"):
        directions(rule(), [1], [2], [1], [2])
    with pytest.raises(UsageError, match="decided by the times of events"):
        p_values(rule(), 3, 3)


# --- what the rule may be of -----------------------------------------------------------------


def protocol():
    _, content = read_scenario(GAO)
    return settings_of(GAO, content, None)[0].protocol


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"analysis": "severe_lung_cgvhd"}, r"not a cumulative incidence; its cumulative incid"),
        ({"analysis": "overall_survival"}, "not a cumulative incidence"),
        ({"analysis": "cgvhd_msc"}, "'control', which is not in the set `randomised_to_msc`"),
        ({"control": "nobody"}, "names the arm 'nobody'"),
        ({"test": "log-rank"}, "not a survival; its survivals are: overall_survival"),
    ],
)
def test_the_analysis_is_of_the_kind_of_the_test_and_of_both_arms(changes, said):
    with pytest.raises(UsageError, match=said):
        decided_analysis(rule().model_copy(update=changes), protocol())


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"landmark": 100}, "has `landmark`"),
        ({"strata": ["sex"]}, "has `strata`"),
        ({"of": "death"}, "has `of`"),
    ],
)
def test_what_trials_do_not_follow_is_refused(changes, said):
    plan = protocol()
    spec = plan.analyses["cgvhd"].model_copy(update=changes)
    plan = plan.model_copy(update={"analyses": {**plan.analyses, "cgvhd": spec}})
    with pytest.raises(UsageError, match=said):
        decided_analysis(rule(), plan)


def test_the_log_rank_test_is_refused_where_events_compete():
    plan = protocol()
    spec = plan.analyses["overall_survival"].model_copy(update={"endpoint": "cgvhd"})
    plan = plan.model_copy(update={"analyses": {**plan.analyses, "cgvhd": spec}})
    with pytest.raises(UsageError, match="the endpoint `cgvhd` has competing events"):
        decided_analysis(rule("log-rank"), plan)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"control": None}, "name `control` and `experimental`"),
        ({"p0": 0.5}, "has no `p0`"),
        ({"control": "msc"}, "are both 'msc'"),
    ],
)
@pytest.mark.parametrize("test", ["gray", "log-rank"])
def test_two_arms_are_named(test, changes, said):
    content = rule(test).model_dump() | changes
    with pytest.raises(ValueError, match=said):
        Decision.model_validate(content)


# --- operating characteristics ---------------------------------------------------------------


def table(results, *, scenario="null", n=20):
    """Make trials of `(p value, direction, estimate of msc, of control)`, a list a set."""
    rows = [
        {"scenario": scenario, "variant": "daily", "parameter_set": number, "trial": trial,
         "arm": arm, "n": n, "events": 5, "enrolled": n, "screened": 2.0, "duration_days": 100.0,
         "p_value": p, "direction": sign, "estimate": estimate, "error": 0.1}
        for number, own in enumerate(results)
        for trial, (p, sign, *both) in enumerate(own)
        for arm, estimate in zip(("msc", "control"), both, strict=True)
    ]  # fmt: skip
    return pl.DataFrame(rows, schema=dict(trials_schema(rule())), infer_schema_length=None)


def truth(rates, *, error=0.01):
    return pl.DataFrame([
        {"scenario": "null", "variant": "daily", "parameter_set": number, "arm": arm,
         "truth": "latent", "n": 2000, "events": 700, "rate": rate, "error": error}
        for number, rate in enumerate(rates) for arm in ("msc", "control")
    ], schema=dict(truths_schema(rule())))  # fmt: skip


def evaluate(trials, truths=None, *, side="two-sided", banked=None, spec=None):
    empty = pl.DataFrame(schema=dict(truths_schema(rule())))
    return operating_characteristics(
        trials, NO_TALLIES, empty if truths is None else truths, decision=rule(side=side),
        analysis=spec or incidence(), banked=banked,
    )  # fmt: skip


RESULTS = [[(0.04, 1, 0.5, 0.3), (0.04, -1, 0.2, 0.4), (0.9, -1, 0.3, 0.3), (None, 0, None, 0.2)]]


@pytest.mark.by_hand
def test_decisions_and_estimates_counted_by_hand():
    found = evaluate(table(RESULTS), truth([0.3]))
    cell = found.cell("null", "daily")
    assert (cell.trials, cell.undecidable) == (4, 1)
    assert (cell.rejecting.value, cell.rejecting_in_favour.value) == (0.5, 0.25)
    assert cell.rejecting.se == pytest.approx(0.25)  # sqrt(1/4 / 4), no bank
    assert (cell.nominal_alpha.value, cell.nominal_alpha.se) == (0.05, 0.0)
    msc = next(arm for arm in cell.arms if arm.arm == "msc")
    assert msc.success_rate.value == pytest.approx(1 / 3)  # of .5, .2, .3
    assert msc.without_estimate == 1
    (latent,) = msc.truths
    assert latent.rate.value == 0.3
    assert latent.bias.value == pytest.approx(1 / 30)
    # variance of .5, .2, .3 is .07/3; over three trials; with the truth's .01^2
    assert latent.bias.se == pytest.approx(sqrt(0.07 / 3 / 3 + 0.0001))
    assert latent.coverage.value == pytest.approx(2 / 3)  # .5 +- .196 leaves out .3
    assert found.critical_numbers is None
    (rates,) = found.rates
    assert (rates.null_rate.value, rates.nominal_at) == (pytest.approx(0.3), None)
    assert rates.actual_alpha == cell.rejecting
    told = found.to_json()
    assert told["analysis"]["estimate"] == "cumulative incidence"
    assert (told["analysis"]["of"], told["analysis"]["day"]) == (["event"], 50)
    assert any("Gray's test, an asymptotic test: alpha itself" in s for s in found.statements)
    assert any("cumulative incidence at day 50" in s for s in found.statements)


@pytest.mark.parametrize(("side", "rejecting"), [("greater", 0.25), ("less", 0.25)])
def test_one_side_counts_its_own_direction(side, rejecting):
    cell = evaluate(table(RESULTS), side=side).cell("null", "daily")
    assert cell.rejecting.value == rejecting
    assert cell.rejecting_in_favour is None


@pytest.mark.by_hand
def test_the_bank_adds_what_a_shift_of_the_deviate_does():
    # both deviates are -norm.isf(.02): the mean is that; 20 and 20 participants, bank of 100
    own = [[(0.04, -1, 0.2, 0.4)] * 2]
    alone = evaluate(table(own)).cell("null", "daily").rejecting
    banked = evaluate(table(own), banked=100).cell("null", "daily").rejecting
    far, z = norm.isf(0.025), norm.isf(0.02)
    slope = norm.pdf(z - far) - norm.pdf(z + far)
    assert alone.se == 0.0
    assert banked.se == pytest.approx(slope * sqrt(20 / 100), rel=1e-9)
    assert z_values(np.array([0.04, np.nan, 0.0]), np.array([-1, 0, 1]))[[0, 2]].tolist() == (
        pytest.approx([-z, 38.0])
    )


def test_slopes_are_derivatives_of_the_power():
    mean, h = np.array([-2.5, -0.3, 0.0, 1.7]), 1e-6

    def power(side, m):
        far = norm.isf(0.025 if side == "two-sided" else 0.05)
        up, down = norm.cdf(m - far), norm.cdf(-far - m)
        return {"two-sided": up + down, "greater": up, "less": down}[side]

    for side in ("two-sided", "greater", "less"):
        slope, _ = timed_slopes(rule(side=side), mean)
        numeric = (power(side, mean + h) - power(side, mean - h)) / (2 * h)
        assert slope == pytest.approx(numeric, abs=1e-8)


def test_banks_of_people_whose_days_are_settled_move_the_power_as_told():
    """Each arm has a bank of its own, whose people have the day of their event for good."""
    rng = np.random.default_rng(5)
    banks, many, size, people = 60, 150, 25, 100
    power, told = np.zeros(banks), np.zeros(banks)
    for number in range(banks):
        days = {"msc": rng.exponential(60, people) / 1.6, "control": rng.exponential(60, people)}
        drawn = pl.concat(
            pl.DataFrame({"trial": np.repeat(np.arange(many), size), "arm": arm,
                          "day": np.ceil(rng.choice(own, many * size)), "status": "event"})
            for arm, own in days.items()
        )  # fmt: skip
        found = compare_trials(drawn, rule("log-rank"), survival()).filter(arm="msc")
        p, sign = found["p_value"].to_numpy(), found["direction"].to_numpy()
        power[number] = (timed_directions(rule(), p, sign) != 0).mean()
        slope, _ = timed_slopes(rule(), z_values(p, sign).mean(keepdims=True))
        told[number] = slope[0] ** 2 * size / people
    between = power.var(ddof=1) - (power * (1 - power) / (many - 1)).mean()
    assert 0.2 < power.mean() < 0.6
    assert between == pytest.approx(told.mean(), rel=0.5)  # 60 banks: SD of a variance 18 %


def test_tables_that_contradict_themselves_are_refused():
    whole = table(RESULTS)
    with pytest.raises(UsageError, match="lacks the columns p_value"):
        evaluate(whole.select(list(TRIALS_SCHEMA)))
    with pytest.raises(UsageError, match=r"no p value or direction: .*p value 1\.5"):
        evaluate(table([[(1.5, 1, 0.2, 0.2)]]))
    two = whole.with_columns(direction=pl.when(arm="msc").then("direction").otherwise(0)
                             .cast(pl.Int8))  # fmt: skip
    with pytest.raises(UsageError, match=r"two results of one test: .*trial 0"):
        evaluate(two)
    with pytest.raises(UsageError, match="has two truths"):
        evaluate(whole, pl.concat([truth([0.3]), truth([0.3])]))


def test_an_interval_that_is_not_computed_of_trials_gives_no_coverage():
    found = evaluate(table(RESULTS), truth([0.3]), spec=survival("beta product"))
    (latent,) = found.cell("null", "daily").arms[0].truths
    assert latent.coverage.value is None
    assert latent.bias.value is not None
    assert any("`beta product`" in said for said in found.statements)


# --- a run -----------------------------------------------------------------------------------


def test_the_published_trial_of_chronic_gvhd_keeps_its_level_and_has_power():
    """200 trials a scenario and one parameter set: limits are 4 standard errors."""
    _, content = read_scenario(GAO)
    run = simulate(settings_of(GAO, content, None), Budget(trials=200, sets=1, bank=100, seed=11),
                   workers=1)  # fmt: skip
    found = run.characteristics
    null, assumed = (found.cell(name, "as planned") for name in ("null", "assumed"))
    assert abs(null.rejecting.value - 0.05) < 4 * sqrt(0.05 * 0.95 / 200)
    assert assumed.rejecting.value > 0.5
    assert assumed.rejecting_in_favour.value == 0.0  # upwards: more chronic GVHD with MSC
    assert null.undecidable == assumed.undecidable == 0
    for cell in (null, assumed):
        for arm in cell.arms:
            for told in arm.truths:
                assert abs(told.bias.value) < 0.05
                assert 0.88 < told.coverage.value <= 1.0
    assert found.rates[0].nominal_alpha.value == 0.05
    assert set(run.frames["trials"].columns) == set(trials_schema(rule()))
