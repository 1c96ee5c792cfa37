"""Late entries, case weights, weighted tests and causes, against plain sums and by hand."""

import numpy as np
import pytest

from stromal.analysis import (
    METHOD_SOURCES,
    compare_incidence,
    compare_survival,
    estimate_incidence,
    estimate_survival,
)
from stromal.analysis.cumulative_incidence import estimate_incidences
from stromal.analysis.logrank import score_weighted_logrank
from stromal.core import UsageError

IJ = "infinitesimal jackknife"


def survival_of(outcomes):
    return estimate_survival(outcomes, interval="plain", confidence=0.95)


def incidence_of(outcomes, variance=IJ, **choices):
    choices = {"interval": "linear", "confidence": 0.95, **choices}
    return estimate_incidence(outcomes, variance=variance, **choices)


def draw(seed, make_outcomes, marks="ECX", **extra):
    rng = np.random.default_rng(seed)
    n = 30
    entry = rng.integers(0, 6, n)
    day = entry + rng.integers(1, 9, n)
    columns = {
        "entry": entry.tolist(),
        "case_weight": rng.uniform(0.2, 3, n).tolist(),
        "arm": rng.choice(list("AB"), n).tolist(),
    }
    chosen = {name: columns[name] for name in extra.pop("columns", ())}
    return make_outcomes(day.tolist(), "".join(rng.choice(list(marks), n)), **chosen)


def plain_estimates(day, status, entry, weight):
    """Give incidence and event-free probability after each day, from their definitions."""
    s, f, curve = 1.0, 0.0, []
    for today in np.unique(day):
        at_risk = weight[(entry < today) & (day >= today)].sum()
        f += s * weight[(day == today) & (status == "event")].sum() / at_risk
        s *= 1 - weight[(day == today) & (status != "censored")].sum() / at_risk
        curve.append((f, s))
    return np.array(curve)


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("columns", [("entry",), ("case_weight",), ("entry", "case_weight")])
def test_the_infinitesimal_jackknife_is_made_of_derivatives(make_outcomes, seed, columns):
    outcomes = draw(seed, make_outcomes, columns=columns)
    frame = outcomes.frame
    day, status = frame["day"].to_numpy(), frame["status"].to_numpy()
    n = day.size
    entry = frame["entry"].to_numpy() if "entry" in columns else np.full(n, -1)
    weight = frame["case_weight"].to_numpy() if "case_weight" in columns else np.ones(n)
    total = 0
    for i in range(n):  # central differences in each weight
        up, down = weight.copy(), weight.copy()
        up[i] += 1e-5
        down[i] -= 1e-5
        move = plain_estimates(day, status, entry, up) - plain_estimates(day, status, entry, down)
        total = total + (weight[i] * move / 2e-5) ** 2
    curve = incidence_of(outcomes).frame
    np.testing.assert_allclose(
        curve.select("estimate", "event_free").to_numpy(),
        plain_estimates(day, status, entry, weight),
        atol=1e-13,
    )
    np.testing.assert_allclose(curve["standard_error"], np.sqrt(total[:, 0]), atol=1e-7)


@pytest.mark.by_hand
def test_late_entries_by_hand(make_outcomes):
    # at risk on day 2: P0, P1; on day 4: P1, P2, P3; on day 6: P2, P3 (P1 left on day 4)
    outcomes = make_outcomes([2, 4, 6, 8], "EEEC", entry=[0, 0, 2, 3])
    frame = survival_of(outcomes).frame
    assert frame["at_risk"].to_list() == [2, 3, 2, 1]
    expected = [1 / 2, 1 / 3, 1 / 6, 1 / 6]
    assert frame["estimate"].to_list() == pytest.approx(expected, abs=1e-15)
    sums = np.array([1 / 2, 1 / 2 + 1 / 6, 1 / 2 + 1 / 6 + 1 / 2, 1 / 2 + 1 / 6 + 1 / 2])
    assert frame["standard_error"].to_list() == pytest.approx(list(expected * np.sqrt(sums)))


@pytest.mark.by_hand
def test_case_weights_by_hand(make_outcomes):
    # weight at risk 4, of events 1: S = 3/4; each (w dS/dw)^2: dS/dw is -1/4 + 1/16 for the
    # event of weight 1, 1/16 for the others of weights 1 and 2
    curve = survival_of(make_outcomes([1, 2, 2], "ECC", case_weight=[1, 1, 2]))
    row = curve.frame.row(0, named=True)
    assert curve.variance == IJ
    assert curve.variance in METHOD_SOURCES
    assert (row["at_risk"], row["weight_at_risk"], row["weight_of_events"]) == (3, 4.0, 1.0)
    assert row["estimate"] == 0.75
    variance = (3 / 16) ** 2 + (1 / 16) ** 2 + (2 / 16) ** 2
    assert row["standard_error"] == pytest.approx(np.sqrt(variance), rel=1e-14)


def test_when_all_at_risk_early_have_the_event_nothing_is_left_to_lose(make_outcomes):
    outcomes = make_outcomes([1, 5, 6], "EEC", entry=[0, 2, 2])
    frame = survival_of(outcomes).frame
    assert frame["estimate"].to_list() == [0, 0, 0]
    assert frame["standard_error"].to_list() == [None, None, None]


def test_whole_weights_stand_for_copies(make_outcomes):
    rng = np.random.default_rng(2)
    day, marks = rng.integers(0, 9, 20), rng.choice(list("ECX"), 20)
    times = rng.integers(1, 4, 20)
    weighted = make_outcomes(day.tolist(), marks.tolist(), case_weight=times.tolist())
    copied = make_outcomes(np.repeat(day, times).tolist(), np.repeat(marks, times).tolist())
    np.testing.assert_allclose(
        incidence_of(weighted).frame["estimate"], incidence_of(copied).frame["estimate"], atol=1e-14
    )


@pytest.mark.parametrize("factor", [0.001, 1.0, 7.0])
def test_equal_weights_change_nothing(make_outcomes, factor):
    outcomes = draw(3, make_outcomes)
    weighted = make_outcomes(
        outcomes.frame["day"].to_list(),
        [{"event": "E", "competing": "X", "censored": "C"}[s] for s in outcomes.frame["status"]],
        case_weight=[factor] * 30,
    )
    both = incidence_of(weighted).frame, incidence_of(outcomes, variance="greenwood").frame
    for name in ("estimate", "event_free", "standard_error"):
        np.testing.assert_allclose(both[0][name], both[1][name], atol=1e-14)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("weight", [(0, 0), (1, 0), (0, 1), (0.5, 2)])
def test_weighted_logrank_with_late_entries_from_its_definition(make_outcomes, seed, weight):
    outcomes = draw(seed, make_outcomes, marks="EC", columns=("entry", "arm"))
    frame = outcomes.frame
    day, entry, arm = (frame[name].to_numpy() for name in ("day", "entry", "arm"))
    event = frame["status"].to_numpy() == "event"
    u = v = 0.0
    s = 1.0
    for today in np.unique(day):
        at_risk = (entry < today) & (day >= today)
        now = event & (day == today)
        d, y, y_a = now.sum(), at_risk.sum(), (at_risk & (arm == "A")).sum()
        w = s ** weight[0] * (1 - s) ** weight[1]
        u += w * ((now & (arm == "A")).sum() - d * y_a / y)
        if y > 1:
            v += w**2 * d * (y - d) / (y - 1) * y_a / y * (1 - y_a / y)
        s *= 1 - d / y
    result = compare_survival(outcomes, weight=weight)
    assert result.statistic == pytest.approx(u**2 / v, rel=1e-10)
    assert result.method in METHOD_SOURCES
    plain = weight == (0, 0)
    assert ("observed" in result.groups.columns) != plain
    assert ("weight" in result.note) != plain


def test_several_weights_at_once_are_each_alone(make_outcomes):
    outcomes = draw(1, make_outcomes, marks="EC", columns=("arm",))
    weights = ((0.0, 0.0), (1.0, 0.0), (0.0, 1.0))
    scores = score_weighted_logrank(outcomes, by="arm", weights=weights)
    for i, weight in enumerate(weights):
        u = (scores.observed - scores.expected)[i, 0]
        chi_square = u**2 / scores.covariance[i, i, 0, 0]
        assert chi_square == pytest.approx(compare_survival(outcomes, weight=weight).statistic)
    joint = scores.covariance[:, :, 0, 0]
    np.testing.assert_allclose(joint, joint.T, rtol=1e-13)
    whole = np.array([1.0, -1.0, -1.0])  # 1 = S + (1 - S), so this combination is nothing
    np.testing.assert_allclose(whole @ (scores.observed - scores.expected), 0, atol=1e-12)
    np.testing.assert_allclose(whole @ joint, 0, atol=1e-12)


def three_causes(make_outcomes):
    causes = ["relapse", None, "death", "second transplant", "relapse", "lost", None]
    return make_outcomes([1, 2, 3, 4, 5, 6, 7], "EEXXECC", cause=causes, arm="ABABABA")


def test_incidences_of_all_causes_and_freedom_from_events_add_to_one(make_outcomes):
    outcomes = three_causes(make_outcomes)
    curves = estimate_incidences(
        outcomes, variance="greenwood", interval="log-log", confidence=0.95
    )
    assert list(curves) == ["death", "event", "relapse", "second transplant"]
    assert [curve.events for curve in curves.values()] == [1, 1, 2, 1]
    total = sum(curve.frame["estimate"] for curve in curves.values())
    np.testing.assert_allclose(total + curves["death"].frame["event_free"], 1, atol=1e-14)
    own = incidence_of(outcomes, variance="greenwood", interval="log-log", of="relapse")
    assert own.frame.equals(curves["relapse"].frame)


def test_one_cause_against_all_others(make_outcomes):
    outcomes = three_causes(make_outcomes)
    marks = "EXXXECC"
    plain = make_outcomes([1, 2, 3, 4, 5, 6, 7], marks, arm="ABABABA")
    one, other = compare_incidence(outcomes, of="relapse"), compare_incidence(plain)
    assert one.statistic == other.statistic
    assert incidence_of(outcomes, of="relapse").frame.equals(incidence_of(plain).frame)


def test_nobody_with_an_event_has_no_cause(make_outcomes):
    assert not estimate_incidences(
        make_outcomes([1, 2], "CC"), variance="greenwood", interval="log", confidence=0.95
    )


@pytest.mark.parametrize(
    ("act", "message"),
    [
        (compare_survival, "log-rank test has no case weights"),
        (compare_incidence, "no theory for late entries"),
        (lambda o: incidence_of(o, variance="cmprsk"), "ask for 'infinitesimal jackknife'"),
        (lambda o: incidence_of(o, of="relapse"), "choose event, competing"),
    ],
)
def test_what_has_no_theory_is_refused(make_outcomes, act, message):
    outcomes = draw(1, make_outcomes, marks="EC", columns=("entry", "case_weight", "arm"))
    with pytest.raises(UsageError, match=message):
        act(outcomes)


def test_weights_without_entries_are_refused_by_grays_test(make_outcomes):
    with pytest.raises(UsageError, match="no theory for case weights"):
        compare_incidence(make_outcomes([1, 2], "EX", arm="AB", case_weight=[1, 2]))


@pytest.mark.parametrize("weight", [(-1, 0), (0, float("inf")), (float("nan"), 0)])
def test_powers_that_are_none_are_refused(make_outcomes, weight):
    outcomes = make_outcomes([1, 2], "EC", arm="AB")
    with pytest.raises(UsageError, match="give rho and gamma"):
        compare_survival(outcomes, weight=weight)
    with pytest.raises(UsageError, match="give a number from 0 on"):
        compare_incidence(outcomes, rho=min(weight[0], -weight[1]))


def test_an_entry_that_is_the_day_but_for_rounding_is_refused(make_outcomes):
    outcomes = make_outcomes([0.1 + 0.2, 5, 9], "ECE", entry=[0.3, 0, 0])
    with pytest.raises(UsageError, match="so near to its day"):
        survival_of(outcomes)


@pytest.mark.parametrize("interval", ["logit", "arcsine"])
def test_logit_and_arcsine_limits_of_an_incidence(make_outcomes, interval):
    # two of six events: F = 1/3, SE = sqrt(1/3 x 2/3 / 6)
    outcomes = make_outcomes([1, 2, 9, 9, 9, 9], "EECCCC")
    row = incidence_of(outcomes, variance="greenwood", interval=interval).frame.row(1, named=True)
    p, se, z = 1 / 3, np.sqrt(2 / 54), 1.959963984540054
    if interval == "logit":
        odds = np.log(p / (1 - p)) + np.array([-1, 1]) * z * se / (p * (1 - p))
        expected = 1 / (1 + np.exp(-odds))
    else:
        angle = np.arcsin(np.sqrt(p)) + np.array([-1, 1]) * z * se / (2 * np.sqrt(p * (1 - p)))
        expected = np.sin(np.clip(angle, 0, np.pi / 2)) ** 2
    assert [row["low"], row["high"]] == pytest.approx(list(expected), rel=1e-12)


def test_everybody_censored_at_zero_has_had_nothing(make_outcomes):
    outcomes = make_outcomes([0, 0, 0], "CCC")
    row = survival_of(outcomes).frame.row(0, named=True)
    assert (row["at_risk"], row["estimate"], row["standard_error"]) == (3, 1.0, 0.0)
    for variance in ("cmprsk", "greenwood", IJ):
        row = incidence_of(outcomes, variance=variance).frame.row(0, named=True)
        assert (row["estimate"], row["standard_error"], row["event_free"]) == (0.0, 0.0, 1.0)


def test_one_participant_has_a_curve(make_outcomes):
    row = survival_of(make_outcomes([4], "E")).frame.row(0, named=True)
    assert (row["estimate"], row["standard_error"]) == (0.0, None)
    assert survival_of(make_outcomes([4], "E", case_weight=[2])).frame["estimate"].to_list() == [0]
