"""Permutation tests: the groups compared under all arrangements, or many drawn at random."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import factorial, prod, sqrt
from typing import Literal

import numpy as np
import polars as pl

from stromal.analysis.estimate import Comparison
from stromal.analysis.intervals import Floats
from stromal.analysis.kaplan_meier import check_no_competing
from stromal.analysis.ordered import Grouped, group_times
from stromal.analysis.permutation_kernels import (
    arrange_next,
    follow_gray,
    follow_linear,
    follow_logrank,
)
from stromal.analysis.survival_kernels import CENSORED, EVENT, Codes
from stromal.core import UsageError
from stromal.endpoints.outcome import TimeToEvent

__all__ = [
    "MOST_ARRANGEMENTS",
    "SurvivalStatistic",
    "count_arrangements",
    "permute_incidence",
    "permute_ranks",
    "permute_survival",
]

SurvivalStatistic = Literal["chi-square", "scores"]

MOST_ARRANGEMENTS = 5_000_000
"""Arrangements up to which an exact test tries them all."""

_BATCH = 2_000_000  # labels held at once
_SAME = 1e-8  # relative: statistics this near to the one observed are as extreme

_SURVIVAL_NAMES = {
    "chi-square": "permutation log-rank test (Mantel's chi-square)",
    "scores": "permutation log-rank test (scores)",
}

_Follow = Callable[[Codes], Floats]


@dataclass(frozen=True)
class _Labelled:
    """Labels of participants, sorted by segment, and what is known of each group."""

    group: Codes
    starts: Codes
    groups: pl.DataFrame
    happened: int


def permute_survival(
    outcomes: TimeToEvent,
    *,
    by: str = "arm",
    statistic: SurvivalStatistic,
    strata: tuple[str, ...] = (),
    draws: int | None = None,
    seed: int | None = None,
) -> Comparison:
    """Compare times to an event by a permutation test of the log-rank test.

    1. `chi-square`: Mantel's chi-square, with its hypergeometric covariance, is computed anew for
       each arrangement of the group labels over the participants.
    2. `scores`: each participant's score is the Nelson-Aalen hazard up to the own day less 1 for an
       event (who is tied has the same; who is censored on a day is at risk on it). The statistic
       is the square of the groups' sums, less their means, in the inverse of their covariance over
       all arrangements. With two groups it is the square of the standardized sum.
    3. These are different tests: the first divides by a variance of its own in each arrangement,
       the second by one and the same. Their p values differ.
    4. Without `draws` all arrangements are tried, and p is the proportion with a statistic at
       least as large as the observed one, itself among them. With `draws` as many are drawn at
       random, and p is (1 + b) / (1 + draws) for b as large; the note gives its Monte Carlo error.
    5. A statistic within 1e-8 of the observed one, relative, is as large. An arrangement without a
       statistic (nobody at risk in a group at any event) counts as 0.
    6. With strata labels move only within them, and the strata are added.

    The test is exact where arms were assigned at random, or where censoring is alike in the groups.

    Parameters
    ----------
    outcomes
        Times to an event without competing events, entries or case weights, with the column `by`
        and those of `strata`.
    statistic
        It has no default: the protocol names it.
    strata
        Columns whose combinations are the strata.
    draws, seed
        Arrangements to draw, and where the random numbers begin; none of both for all.

    Returns
    -------
    Comparison
        `statistic` is the observed one; no degrees of freedom. The note has the number of
        arrangements.

    Raises
    ------
    UsageError
        There are too many arrangements to try them all, draws without seed, competing events,
        entries, weights, or a column is missing.

    References
    ----------
    Mantel (1966); Hothorn and Lausen (2003); Hothorn et al. (2008); Phipson and Smyth (2010).
    """
    if statistic not in _SURVIVAL_NAMES:
        known = ", ".join(_SURVIVAL_NAMES)
        raise UsageError(f"statistic {statistic!r} is not known; choose one of {known}")
    check_no_competing(outcomes, "the permutation log-rank test")
    _check_plain(outcomes)
    grouped = group_times(outcomes, by=by, strata=strata)
    labelled, k = _label(grouped), len(grouped.labels)

    def chi_square(arrangements: Codes) -> Floats:
        return follow_logrank(grouped.day, grouped.status, arrangements, grouped.starts, k)

    follow: _Follow = chi_square
    if statistic == "scores":
        follow = _linear(_logrank_scores(grouped), labelled, k)
    return _permute(_SURVIVAL_NAMES[statistic], labelled, follow, strata, (draws, seed))


def permute_incidence(
    outcomes: TimeToEvent,
    *,
    of: str = "event",
    by: str = "arm",
    strata: tuple[str, ...] = (),
    rho: float = 0.0,
    draws: int | None = None,
    seed: int | None = None,
) -> Comparison:
    """Compare cumulative incidences by a permutation test of Gray's chi-square.

    Gray's chi-square (`compare_incidence`) is computed anew for each arrangement; all else is as
    in `permute_survival`.

    Parameters
    ----------
    outcomes
        Times to an event with competing events, without entries or case weights.
    of, rho
        As in `compare_incidence`.
    by, strata, draws, seed
        As in `permute_survival`.

    Raises
    ------
    UsageError
        As in `permute_survival` and `compare_incidence`.

    References
    ----------
    Gray (1988); Phipson and Smyth (2010).
    """
    if not 0 <= rho < float("inf"):
        raise UsageError(f"rho is {rho}; give a number from 0 on, 0 for a weight of 1")
    _check_plain(outcomes)
    grouped = group_times(outcomes, by=by, strata=strata, of=of)
    labelled, k = _label(grouped), len(grouped.labels)

    def chi_square(arrangements: Codes) -> Floats:
        return follow_gray(grouped.day, grouped.status, arrangements, grouped.starts, k, float(rho))

    return _permute("permutation Gray's test", labelled, chi_square, strata, (draws, seed))


def permute_ranks(
    values: pl.DataFrame,
    *,
    value: str,
    by: str = "arm",
    strata: tuple[str, ...] = (),
    draws: int | None = None,
    seed: int | None = None,
) -> Comparison:
    """Compare values by a permutation test of their ranks (Wilcoxon-Mann-Whitney).

    1. Values are ranked, within each stratum; tied values have the mean of their ranks.
    2. The statistic is that of `permute_survival` with `scores`, of the ranks: with two groups the
       square of the standardized rank sum, with more that of Kruskal and Wallis.
    3. p as in `permute_survival`.

    Parameters
    ----------
    values
        One row a participant, with the columns `value`, `by` and those of `strata`.
    value
        Column of the values.
    by, strata, draws, seed
        As in `permute_survival`.

    Raises
    ------
    UsageError
        A column is missing or has missing values, a value is not finite, or as in
        `permute_survival`.

    References
    ----------
    Wilcoxon (1945); Hothorn et al. (2008); Phipson and Smyth (2010).
    """
    for column in (value, by, *strata):
        if column not in values.columns:
            raise UsageError(f"the values have no column {column!r}; it has {values.columns}")
        if values[column].is_null().any():
            raise UsageError(
                f"{values[column].null_count()} participants have no {column!r}; leave them out of "
                "the analysis set, and say so"
            )
    if not values[value].cast(pl.Float64).is_finite().all():
        raise UsageError(f"a value of {value!r} is not a finite number")
    ordered = values.sort(by, maintain_order=True)
    if strata:
        ordered = ordered.sort(strata, maintain_order=True)
        sizes = ordered.group_by(strata, maintain_order=True).len()["len"].to_numpy()
    else:
        sizes = np.array([ordered.height])
    rank = pl.col(value).cast(pl.Float64).rank("average")
    ranks = ordered.select(rank.over(strata) if strata else rank).to_series().to_numpy()
    labels = sorted(ordered[by].unique().to_list())
    place = {label: k for k, label in enumerate(labels)}
    group = np.array([place[label] for label in ordered[by].to_list()], dtype=np.int64)
    counted = np.bincount(group, minlength=len(labels))
    frame = pl.DataFrame(
        {
            "group": [str(label) for label in labels],
            "n": counted,
            "rank_sum": np.bincount(group, weights=ranks, minlength=len(labels)),
        },
        schema_overrides={"group": pl.String, "n": pl.Int64},
    )
    starts = np.concatenate(([0], np.cumsum(sizes))).astype(np.int64)
    labelled = _Labelled(group, starts, frame, len(group))
    follow = _linear(ranks.astype(np.float64), labelled, len(labels))
    return _permute("permutation test of ranks", labelled, follow, strata, (draws, seed))


def count_arrangements(sizes: tuple[tuple[int, ...], ...]) -> int:
    """Count the arrangements of labels: of groups of these sizes, in each stratum.

    Examples
    --------
    >>> count_arrangements(((5, 4),))
    126
    """
    return prod(factorial(sum(row)) // prod(map(factorial, row)) for row in sizes)


def _check_plain(outcomes: TimeToEvent) -> None:
    """Refuse what cannot be permuted."""
    for column, what in (("entry", "late entries"), ("case_weight", "case weights")):
        if column in outcomes.frame.columns:
            raise UsageError(
                f"participants with {what} (column {column}) cannot change places; use a test "
                "that is not a permutation, or leave the column out"
            )


def _label(grouped: Grouped) -> _Labelled:
    """Give the labels of times to an event."""
    k = len(grouped.labels)
    happened = grouped.group[grouped.status == EVENT]
    frame = pl.DataFrame(
        {
            "group": list(grouped.labels),
            "n": np.bincount(grouped.group, minlength=k),
            "events": np.bincount(happened, minlength=k),
        },
        schema={"group": pl.String, "n": pl.Int64, "events": pl.Int64},
    )
    return _Labelled(grouped.group, grouped.starts, frame, happened.size)


def _logrank_scores(grouped: Grouped) -> Floats:
    """Give each participant's Nelson-Aalen hazard less 1 for an event, by stratum."""
    score = np.empty(grouped.day.size)
    for start, stop in zip(grouped.starts[:-1], grouped.starts[1:], strict=True):
        day, event = grouped.day[start:stop], grouped.status[start:stop] != CENSORED
        _, first, tied = np.unique(day, return_index=True, return_inverse=True)
        died = np.bincount(tied, weights=event, minlength=first.size)
        score[start:stop] = np.cumsum(died / (day.size - first))[tied] - event
    return score


def _linear(score: Floats, labelled: _Labelled, n_groups: int) -> _Follow:
    """Prepare the statistic of sums of scores: their mean and covariance over all arrangements."""
    centred = score.copy()
    covariance = np.zeros((n_groups, n_groups))
    for start, stop in zip(labelled.starts[:-1], labelled.starts[1:], strict=True):
        if stop - start < 2:
            centred[start:stop] = 0.0
            continue
        centred[start:stop] -= score[start:stop].mean()
        sizes = np.bincount(labelled.group[start:stop], minlength=n_groups).astype(np.float64)
        spread = (centred[start:stop] ** 2).sum() / (stop - start - 1)
        covariance += spread * (np.diag(sizes) - np.outer(sizes, sizes) / (stop - start))
    inverse = np.linalg.pinv(covariance, rcond=1e-10, hermitian=True).astype(np.float64)

    def follow(arrangements: Codes) -> Floats:
        return follow_linear(centred, arrangements, inverse)

    return follow


def _permute(
    method: str,
    labelled: _Labelled,
    follow: _Follow,
    strata: tuple[str, ...],
    drawn: tuple[int | None, int | None],
) -> Comparison:
    """Compare the observed statistic with those of the arrangements."""
    draws, seed = drawn
    _check_draws(draws, seed)
    k = labelled.groups.height
    if k < 2 or labelled.happened == 0:
        why = "no events" if k > 1 else f"{k} group, two or more are compared"
        return Comparison(
            method, None, None, None, labelled.groups, f"not computable: {why}", strata
        )
    bounds = zip(labelled.starts[:-1], labelled.starts[1:], strict=True)
    sizes = tuple(tuple(np.bincount(labelled.group[a:b], minlength=k).tolist()) for a, b in bounds)
    possible = count_arrangements(sizes)
    if draws is None and possible > MOST_ARRANGEMENTS:
        raise UsageError(
            f"{_count(possible)} arrangements are too many to try them all (at most "
            f"{MOST_ARRANGEMENTS:,}); draw some of them, such as draws=100_000 with a seed"
        )
    observed = float(follow(labelled.group[None].copy())[0])
    if not np.isfinite(observed):
        note = "not computable: the statistic of what was observed is not defined"
        return Comparison(method, None, None, None, labelled.groups, note, strata)
    if draws is None or seed is None:
        as_large, undefined, n = _count_larger(observed, follow, _all(labelled, possible))
        p_value, how = as_large / n, f"exact: all {n} arrangements"
    else:
        as_large, undefined, n = _count_larger(observed, follow, _some(labelled, draws, seed))
        p_value = (1 + as_large) / (1 + n)
        error = sqrt(p_value * (1 - p_value) / n)
        how = (
            f"Monte Carlo: {n} of {_count(possible)} arrangements drawn (seed {seed}), "
            f"standard error of p {error:.2g}"
        )
    if undefined:
        how += f"; {undefined} have no statistic and count as 0"
    return Comparison(method, observed, None, p_value, labelled.groups, how, strata)


def _check_draws(draws: int | None, seed: int | None) -> None:
    """Refuse draws that cannot be repeated, and a seed for nothing."""
    if (draws is None) != (seed is None):
        raise UsageError(
            "draws and seed belong together: give both for arrangements drawn at random, neither "
            "to try them all"
        )
    if draws is not None and draws < 1:
        raise UsageError(f"draws is {draws}; draw at least one arrangement, better 10,000")


def _count(number: int) -> str:
    """Write a number of arrangements."""
    return f"{number:,}" if number < 10**12 else f"about 10^{len(str(number)) - 1}"


def _count_larger(
    observed: float, follow: _Follow, batches: Iterator[Codes]
) -> tuple[int, int, int]:
    """Count arrangements with a statistic as large, without one, and all."""
    as_large = undefined = n = 0
    for arrangements in batches:
        statistic = follow(arrangements)
        missing = np.isnan(statistic)
        statistic[missing] = 0.0
        as_large += int((statistic >= observed * (1 - _SAME) - 1e-12).sum())
        undefined += int(missing.sum())
        n += len(statistic)
    return as_large, undefined, n


def _rows(labelled: _Labelled) -> int:
    """Give how many arrangements are held at once."""
    return max(1, min(20_000, _BATCH // labelled.group.size))


def _all(labelled: _Labelled, possible: int) -> Iterator[Codes]:
    """Give all arrangements, in batches."""
    present = labelled.group.copy()
    for start, stop in zip(labelled.starts[:-1], labelled.starts[1:], strict=True):
        present[start:stop].sort()
    left, rows = possible, _rows(labelled)
    while left:
        batch = np.empty((min(rows, left), present.size), dtype=np.int64)
        arrange_next(present, labelled.starts, batch)
        left -= len(batch)
        yield batch


def _some(labelled: _Labelled, draws: int, seed: int) -> Iterator[Codes]:
    """Give arrangements drawn at random, in batches."""
    random = np.random.default_rng(seed)
    left, rows = draws, _rows(labelled)
    while left:
        batch = np.tile(labelled.group, (min(rows, left), 1))
        for start, stop in zip(labelled.starts[:-1], labelled.starts[1:], strict=True):
            batch[:, start:stop] = random.permuted(batch[:, start:stop], axis=1)
        left -= len(batch)
        yield batch
