"""The kernels' running sums against the plain double sums of the same formulas."""

import numpy as np
import pytest

from stromal.analysis.score_kernels import score_gray, score_logrank
from stromal.analysis.survival_kernels import follow_incidence, follow_survival, tabulate_days


def tied(d, y):
    return d * (y - d) / (y - 1) if y > 1 else d


def plain_variances(counts):
    """Sum over all earlier days, for each day: cmprsk's and Greenwood's variance."""
    y, d1, d2 = (counts[:, i].astype(float) for i in range(3))
    after = np.cumprod((y - d1 - d2) / y)
    before = np.concatenate(([1.0], after[:-1]))
    incidence = np.cumsum(before * d1 / y)
    both = []
    for t in range(len(y)):
        cmprsk = greenwood = 0.0
        for u in range(t + 1):
            later = 0.0 if after[u] == 0 else (incidence[t] - incidence[u]) / after[u]
            w1, w2 = 1 - later, -later
            unit = (before[u] / y[u]) ** 2
            cmprsk += unit * (w1**2 * tied(d1[u], y[u]) + w2**2 * tied(d2[u], y[u]))
            own = w1**2 * d1[u] * (y[u] - d1[u]) + w2**2 * d2[u] * (y[u] - d2[u])
            greenwood += unit * (own - 2 * w1 * w2 * d1[u] * d2[u]) / y[u]
        both.append((cmprsk, greenwood))
    return np.array(both).T


def plain_gray(day, status, group, n_groups):
    """Store every day's terms, then sum them once the integral C is known to its end."""
    free, pooled = np.ones(n_groups), 0.0
    incidence = np.zeros(n_groups)
    c = np.zeros((n_groups, n_groups))
    score = np.zeros(n_groups)
    terms = []  # group, variance, jump of each score, factor, C so far
    for today in np.unique(day):
        y = np.array([((day >= today) & (group == k)).sum() for k in range(n_groups)], float)
        on = [(day == today) & (group == k) for k in range(n_groups)]
        d1 = np.array([(status[o] == 1).sum() for o in on], float)
        d2 = np.array([(status[o] == 2).sum() for o in on], float)
        here = y > 0
        h = np.where(here, y / np.where(here, free, 1), 0)
        total, d = h.sum(), d1.sum()
        share = h * (1 - incidence)
        score += d1 - d * share / share.sum()
        after = np.where(here, free * (y - d1 - d2) / np.where(here, y, 1), free)
        if here.sum() > 1:
            pull = np.diag(h) - np.outer(h, h) / total
            c = c + pull * d / (total * (1 - pooled))
            pooled += d / total
            for r in np.flatnonzero(here):
                g = (1 - pooled) / after[r] if after[r] > 0 else 0.0
                if d > 0:
                    ties = 1 - (d - 1) / (total * free[r] - 1) if d > 1 else 1.0
                    unit = ties * free[r] * d / (total * y[r])
                    factor = 1 - g if after[r] > 0 else 0.0
                    terms.append((r, unit, pull[:, r].copy(), factor, c[:, r].copy()))
                unit = (free[r] / y[r]) ** 2 * tied(d2[r], y[r])
                terms.append((r, unit, np.zeros(n_groups), -g, c[:, r].copy()))
        incidence = incidence + np.where(here, free * d1 / np.where(here, y, 1), 0)
        free = after
    covariance = np.zeros((n_groups, n_groups))
    for r, unit, jump, factor, so_far in terms:
        a = jump + factor * (c[:, r] - so_far)
        covariance += unit * np.outer(a, a)
    return score, covariance


def trial(seed):
    rng = np.random.default_rng(seed)
    n = int(rng.integers(4, 40))
    day = np.sort(rng.integers(0, int(rng.integers(3, 30)), n)).astype(float)
    status = rng.choice(3, n, p=rng.dirichlet([1, 1, 1])).astype(np.int64)
    return day, status, rng.integers(0, 3, n).astype(np.int64)


@pytest.mark.parametrize("seed", range(40))
def test_incidence_variances(seed):
    day, status, _ = trial(seed)
    counts = tabulate_days(day, status)[1]
    _, _, cmprsk, greenwood = follow_incidence(counts)
    plain = plain_variances(counts)
    np.testing.assert_allclose(cmprsk, plain[0], rtol=1e-10, atol=1e-15)
    np.testing.assert_allclose(greenwood, plain[1], rtol=1e-10, atol=1e-15)


@pytest.mark.parametrize("seed", range(40))
def test_gray_covariance(seed):
    day, status, group = trial(seed)
    observed, expected, covariance = score_gray(day, status, group, np.array([0, day.size]), 3, 0.0)
    score, plain = plain_gray(day, status, group, 3)
    np.testing.assert_allclose((observed - expected)[0], score, rtol=1e-10, atol=1e-12)
    scale = np.abs(plain).max()
    np.testing.assert_allclose(covariance[0], plain, rtol=1e-9, atol=1e-11 * (1 + scale))
    np.testing.assert_allclose(covariance[0].sum(axis=0), 0, atol=1e-11 * (1 + scale))


def test_a_million_participants_keep_their_variance():
    # no cancellation: without censoring Greenwood's variance is p (1 - p) / n to the end
    n = 1_000_000
    status = np.tile(np.array([1, 2], dtype=np.int64), n // 2)
    counts = tabulate_days(np.arange(n, dtype=float), status)[1]
    _, incidence, cmprsk, greenwood = follow_incidence(counts)
    np.testing.assert_allclose(greenwood, incidence * (1 - incidence) / n, rtol=1e-7)
    np.testing.assert_allclose(cmprsk, greenwood, rtol=1e-4)


def test_no_days():
    days, counts = tabulate_days(np.empty(0), np.empty(0, dtype=np.int64))
    assert days.size == 0
    assert [part.size for part in (*follow_survival(counts), *follow_incidence(counts))] == [0] * 6


def score_gray_plain(*arguments):
    return score_gray(*arguments, 0.0)


@pytest.mark.parametrize("score", [score_logrank, score_gray_plain])
def test_an_empty_stratum_gives_nothing(score):
    day, status, group = trial(3)
    starts = np.array([0, 0, day.size])
    observed, expected, covariance = score(day, status, group, starts, 3)
    assert not observed[0].any()
    assert not expected[0].any()
    assert not covariance[0].any()
