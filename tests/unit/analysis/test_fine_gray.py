import math

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stromal.analysis.cox import fit_cox
from stromal.analysis.fine_gray import estimate_subdistribution_hazard, fit_fine_gray
from stromal.core import UsageError
from stromal.endpoints.outcome import CountingProcess, TimeToEvent

from . import sixteen

BOTH = [("cmprsk", "breslow"), ("survival", "breslow"), ("survival", "efron")]


def fit(outcomes, covariates=("x",), definition="cmprsk", ties="breslow", of="event", **more):
    return fit_fine_gray(
        outcomes,
        covariates=list(covariates),
        of=of,
        definition=definition,
        ties=ties,
        confidence=0.95,
        **more,
    )


def numbers(model, column="coefficient"):
    return model.coefficients[column].to_list()


@pytest.mark.by_hand
@pytest.mark.parametrize(("definition", "ties"), BOTH)
def test_who_has_a_competing_event_stays_at_risk(make_outcomes, definition, ties):
    # Day 1: event, x 1. Day 2: competing event, x 1. Day 3: event, x 0. Day 4: censored, x 0.
    # Nobody is censored before, so all weights are 1: r / (2r + 2) on day 1, and on day 3, where
    # the one with the competing event is still at risk, 1 / (r + 2). The score
    # 1 - r / (r + 1) - r / (r + 2) = 0 gives r^2 = 2.
    outcomes = make_outcomes([1, 2, 3, 4], "EXEC", x=[1, 1, 0, 0])
    model = fit(outcomes, definition=definition, ties=ties)
    assert numbers(model) == pytest.approx([math.log(2) / 2], abs=1e-9)
    r = math.sqrt(2)
    assert model.log_likelihood[1] == pytest.approx(math.log(r / (2 * r + 2) / (r + 2)))
    assert model.method == f"Fine-Gray model ({definition})"
    assert (model.n, model.events, model.scale) == (4, 2, "subdistribution hazard ratio")


@pytest.mark.by_hand
@pytest.mark.parametrize(("definition", "ties"), BOTH)
def test_nobody_is_censored(make_outcomes, definition, ties):
    # As above with an event, x 0, on day 4: there 1 / (r + 1), so the score is
    # 1 - r / (r + 1) - r / (r + 2) - r / (r + 1) = 0, which gives r^2 + r = 1.
    outcomes = make_outcomes([1, 2, 3, 4], "EXEE", x=[1, 1, 0, 0])
    model = fit(outcomes, definition=definition, ties=ties)
    assert numbers(model, "ratio") == pytest.approx([(math.sqrt(5) - 1) / 2], abs=1e-9)


@pytest.mark.by_hand
@pytest.mark.parametrize(("definition", "ties"), BOTH)
def test_the_weight_falls_with_censoring(make_outcomes, definition, ties):
    # Day 1: competing, x 1. Day 2: censored, one of three left. Day 3: event, x 1; x 0 on day 4.
    # On day 3 the first has the weight 2/3 and the risks are (2/3) r + r + 1; day 4 has
    # (2/3) r + 1 with the event at x 0. Score: 1 - (5r/3) / (5r/3 + 1) - (2r/3) / (2r/3 + 1) = 0,
    # so 10 r^2 / 9 = 1.
    outcomes = make_outcomes([1, 2, 3, 4], "XCEE", x=[1, 0, 1, 0])
    model = fit(outcomes, definition=definition, ties=ties)
    assert numbers(model, "ratio") == pytest.approx([3 / math.sqrt(10)], abs=1e-9)


@pytest.mark.by_hand
def test_the_baseline_and_its_incidence(make_outcomes):
    outcomes = make_outcomes([1, 2, 3, 4], "EXEC", x=[1, 1, 0, 0])
    r = math.sqrt(2)
    table = estimate_subdistribution_hazard(outcomes, covariates=["x"], of="event")
    assert table["day"].to_list() == [1, 3]
    assert table["growth"].to_list() == pytest.approx([1 / (2 * r + 2), 1 / (r + 2)])
    at = estimate_subdistribution_hazard(outcomes, covariates=["x"], of="event", at={"x": 1})
    assert at["hazard"].to_list() == pytest.approx([r * h for h in table["hazard"]])
    assert at["incidence"].to_list() == pytest.approx([1 - math.exp(-h) for h in at["hazard"]])


@pytest.mark.reference
@pytest.mark.parametrize(
    ("of", "groups", "coefficient", "error"),
    [
        # crr(t, st, cov1 = cbind(x), failcode = 1, gtol = 1e-12, maxiter = 50)
        ("event", None, 1.86601877125201, 0.478467234940367),
        # the same with cengroup = g; with cengroup = g and failcode = 2
        ("event", "g", 1.86115273666817, 0.487432327345367),
        ("competing", "g", -1.13994906742501, 0.742038387688842),
    ],
)
def test_ties_and_groups_of_censoring_as_cmprsk(make_outcomes, of, groups, coefficient, error):
    outcomes = make_outcomes(sixteen.DAYS, sixteen.MARKS, **sixteen.COLUMNS)
    model = fit(outcomes, of=of, censoring_groups=groups)
    assert numbers(model) == pytest.approx([coefficient], abs=1e-9)
    assert numbers(model, "standard_error") == pytest.approx([error], abs=1e-9)
    assert "censoring estimated" in model.variance


@pytest.mark.reference
def test_groups_of_censoring_as_survival(make_outcomes):
    # coxph(Surv(fgstart, fgstop, fgstatus) ~ x, weights = fgwt, cluster = id,
    #       data = finegray(Surv(t, factor(st)) ~ x + id + strata(g), etype = "1"))
    outcomes = make_outcomes(sixteen.DAYS, sixteen.MARKS, **sixteen.COLUMNS)
    model = fit(outcomes, definition="survival", ties="efron", censoring_groups="g")
    assert numbers(model) == pytest.approx([1.84611917260736], abs=1e-8)
    assert numbers(model, "standard_error") == pytest.approx([0.494870447708724], abs=1e-8)


def test_a_robust_variance_of_zero_is_no_certainty(make_outcomes):
    # All have the event on one day: at coefficient 0 nobody departs from what is expected.
    outcomes = make_outcomes([1] * 4, "EEEE", x=[0, 1, 0, 1])
    for definition in ("cmprsk", "survival"):
        model = fit(outcomes, definition=definition)
        assert numbers(model) == pytest.approx([0], abs=1e-12)
        assert numbers(model, "standard_error") == numbers(model, "p_value") == [None]
        assert "robust variance is zero" in model.note
        assert model.tests is None


def test_a_cause_is_named_by_its_word(make_outcomes):
    causes = {"E": "relapse", "X": "death", "C": None}
    outcomes = make_outcomes(
        sixteen.DAYS, sixteen.MARKS, **sixteen.COLUMNS, cause=[causes[m] for m in sixteen.MARKS]
    )
    assert numbers(fit(outcomes, of="relapse")) == numbers(fit(outcomes))
    assert numbers(fit(outcomes, of="death")) == numbers(fit(outcomes, of="competing"))
    with pytest.raises(UsageError, match="event, competing, death, relapse"):
        fit(outcomes, of="graft failure")


def test_the_origin_of_a_covariate_does_not_matter(make_outcomes):
    outcomes = make_outcomes(sixteen.DAYS, sixteen.MARKS, **sixteen.COLUMNS)
    moved = TimeToEvent(outcomes.frame.with_columns(pl.col("x") * 1e-3 + 50))
    model, far = fit(outcomes, ("x", "y")), fit(moved, ("x", "y"))
    assert numbers(far)[0] == pytest.approx(1e3 * numbers(model)[0], rel=1e-8)
    assert numbers(far, "z") == pytest.approx(numbers(model, "z"), rel=1e-8)


@settings(max_examples=40, deadline=None, report_multiple_bugs=False)
@given(
    st.lists(
        st.tuples(st.integers(1, 12), st.sampled_from("EC"), st.integers(0, 5)),
        min_size=8,
        max_size=30,
    )
)
def test_without_competing_events_it_is_coxs_model(rows):
    words = {"E": "event", "C": "censored"}
    frame = pl.DataFrame(
        {
            "participant_id": [str(i) for i in range(len(rows))],
            "day": [day for day, _, _ in rows],
            "status": [words[mark] for _, mark, _ in rows],
            "x": [x for _, _, x in rows],
        }
    )
    if frame["x"].n_unique() == 1:
        return
    cox = fit_cox(TimeToEvent(frame), covariates=["x"], ties="breslow", confidence=0.95)
    robust = TimeToEvent(frame.with_columns(case_weight=pl.lit(1.0)))
    error = fit_cox(robust, covariates=["x"], ties="breslow", confidence=0.95)
    for definition in ("cmprsk", "survival"):
        model = fit(TimeToEvent(frame), definition=definition)
        assert model.converged == cox.converged
        if cox.converged:
            assert numbers(model) == pytest.approx(numbers(cox), abs=1e-7)
            mine, other = numbers(model, "standard_error"), numbers(error, "standard_error")
            assert mine == (other if other == [None] else pytest.approx(other, abs=1e-7))


@settings(max_examples=15, deadline=None)
@given(st.permutations(range(16)), st.sampled_from(BOTH))
def test_the_order_of_rows_does_not_matter(order, which):
    words = {"E": "event", "C": "censored", "X": "competing"}
    frame = pl.DataFrame(
        {
            "participant_id": [str(i) for i in range(16)],
            "day": sixteen.DAYS,
            "status": [words[mark] for mark in sixteen.MARKS],
            **sixteen.COLUMNS,
        }
    )
    definition, ties = which
    model = fit(TimeToEvent(frame), ("x", "y"), definition, ties)
    again = fit(TimeToEvent(frame[list(order)]), ("x", "y"), definition, ties)
    assert numbers(again) == pytest.approx(numbers(model), abs=1e-9)
    assert numbers(again, "standard_error") == pytest.approx(
        numbers(model, "standard_error"), abs=1e-9
    )


@pytest.mark.parametrize(("definition", "ties"), BOTH)
def test_infinite_coefficients_are_never_printed(make_outcomes, definition, ties):
    outcomes = make_outcomes([1, 2, 3, 4, 5, 6], "EEEXCX", x=[1, 1, 1, 0, 0, 0])
    model = fit(outcomes, definition=definition, ties=ties)
    assert (numbers(model), numbers(model, "p_value"), model.converged) == ([None], [None], False)
    assert "x goes to infinity" in model.note
    assert "Gray's test" in model.note
    assert model.tests is None
    with pytest.raises(UsageError, match="x goes to infinity"):
        estimate_subdistribution_hazard(outcomes, covariates=["x"], of="event")


def test_after_the_last_day_of_a_group_nobody_of_it_stays(make_outcomes):
    # P0 stays at risk to day 2 only, the last of its group; the events come later.
    columns = {"x": [2, 2, 1, 1, 0, 0], "g": ["a", "a", "b", "b", "b", "b"]}
    outcomes = make_outcomes([1, 2, 3, 4, 5, 6], "XCEECC", **columns)
    assert numbers(fit(outcomes, censoring_groups="g")) == [None]
    assert numbers(fit(outcomes))[0] is not None


@pytest.mark.parametrize(("definition", "ties"), BOTH)
def test_one_who_stays_at_risk_keeps_it_finite(make_outcomes, definition, ties):
    # Without the competing event at x 1 on day 1, who stays at risk, x would be infinite.
    outcomes = make_outcomes([1, 2, 3, 4, 5], "XEECC", x=[2, 1, 1, 0, 0])
    assert numbers(fit(outcomes, definition=definition, ties=ties))[0] is not None
    model = fit_cox(outcomes, covariates=["x"], ties="efron", confidence=0.95)
    assert numbers(model) == [None]


def test_no_events_and_one_event(make_outcomes):
    none = fit(make_outcomes([1, 2, 3], "CXC", x=[1, 0, 1]))
    assert (none.events, numbers(none), none.note) == (0, [None], "no events")
    assert numbers(fit(make_outcomes([1, 2, 3], "EXC", x=[2, 1, 3]))) == pytest.approx(
        [0], abs=1e-9
    )
    with pytest.raises(UsageError, match="no events"):
        estimate_subdistribution_hazard(
            make_outcomes([1, 2], "CX", x=[1, 0]), covariates=["x"], of="event"
        )


@pytest.mark.parametrize("definition", ["cmprsk", "survival"])
def test_a_term_nobody_at_risk_varies_in(make_outcomes, definition):
    outcomes = make_outcomes([1, 2, 3, 4], "CEEX", x=[1, 0, 0, 0], y=[3, 1, 3, 2])
    model = fit(outcomes, ("x", "y"), definition)
    assert numbers(model) == [None, None]
    assert "x" in model.note


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"definition": "stata"}, "choose `cmprsk` or `survival`"),
        ({"ties": "efron"}, "definition cmprsk; choose breslow"),
        ({"definition": "survival", "ties": "exact"}, "breslow or efron"),
        ({"of": "relapse"}, "event, competing"),
        ({"covariates": ["z"]}, "no column z"),
        ({"covariates": ["one"]}, "one does not vary"),
        ({"covariates": ["x", "twice"]}, "twice is determined by x"),
        ({"censoring_groups": "site"}, "'site', which is not there"),
    ],
)
def test_what_is_refused(make_outcomes, change, message):
    x = [1, 2, 3, 5]
    columns = {"x": x, "one": [1] * 4, "twice": [2 * v for v in x]}
    with pytest.raises(UsageError, match=message):
        fit(make_outcomes([1, 2, 3, 4], "EXCE", **columns), **change)


def test_what_has_no_theory_here_is_refused(make_outcomes):
    for column, message in (("entry", "late entry"), ("case_weight", "case weights")):
        columns = {"x": [1, 2, 3], column: [0.5, 0.5, 0.5]}
        with pytest.raises(UsageError, match=message):
            fit(make_outcomes([1, 2, 3], "EXC", **columns))
    periods = CountingProcess(
        pl.DataFrame(
            {"participant_id": ["a"], "start": [0], "stop": [1], "status": ["event"], "x": [1]}
        )
    )
    with pytest.raises(UsageError, match="one row a participant"):
        fit(periods)


def test_a_large_tied_and_a_large_untied_set_agree_with_the_slow_sums():
    # The same estimating equation from all pairs of participants and days, without running sums.
    rng = np.random.default_rng(5)
    n = 150
    x = np.column_stack((rng.normal(size=n), rng.integers(0, 2, n)))
    day = np.ceil(rng.exponential(20, n))
    status = rng.choice(["event", "competing", "censored"], n)
    frame = pl.DataFrame(
        {
            "participant_id": [str(i) for i in range(n)],
            "day": day,
            "status": status,
            "x": x[:, 0],
            "y": x[:, 1],
        }
    )
    model = fit(TimeToEvent(frame), ("x", "y"))
    score = _slow_score(day, status, x, np.array(numbers(model)))
    assert score == pytest.approx([0, 0], abs=1e-8)


def _slow_score(day, status, x, coefficient):
    """Fine and Gray's score, as printed."""
    censored = status == "censored"

    def stays(until):
        earlier = np.unique(day[censored & (day < until)])
        return math.prod(1 - (censored & (day == u)).sum() / (day >= u).sum() for u in earlier)

    risk, total = np.exp(x @ coefficient), np.zeros(2)
    for i in np.flatnonzero(status == "event"):
        weight = np.where(day >= day[i], 1.0, 0.0)
        for j in np.flatnonzero((status == "competing") & (day < day[i])):
            weight[j] = stays(day[i]) / stays(day[j])
        total += x[i] - (weight * risk) @ x / (weight @ risk)
    return total
