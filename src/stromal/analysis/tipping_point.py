"""Tipping points: every response that those without a known one could have had."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl

from stromal.analysis.contingency import CountTest, compare_counts
from stromal.analysis.distributions import check_confidence
from stromal.analysis.proportions import ProportionInterval, estimate_proportion
from stromal.core import UsageError

__all__ = ["MOST_COMBINATIONS", "TippingPoint", "find_tipping_point"]

MOST_COMBINATIONS = 2_500
"""Combinations of responders up to which each is tried."""

_SAME = 1e-9  # relative: a p this near to alpha is alpha

_Counts = tuple[int, int, int]  # responders, others, missing


@dataclass(frozen=True)
class TippingPoint:
    """What becomes of an estimate or a test as the missing responses are filled in.

    Parameters
    ----------
    frame
        One row a combination. Of one group: `responders` among the missing, `estimate`, `low`,
        `high`. Of two: `first_responders` and `second_responders` among the missing of each,
        `difference` (first less second), `p_value`, `conclusion` (`first higher`, `second higher`
        or `no difference shown`), and `tips` (whether it differs from that of those who are
        known).
    said
        A sentence that tells where the conclusion tips.
    """

    frame: pl.DataFrame
    said: str


def find_tipping_point(
    counts: Mapping[str, _Counts],
    *,
    test: CountTest | None,
    interval: ProportionInterval,
    confidence: float,
) -> TippingPoint:
    """Try every number of responders among the participants whose response is missing.

    1. Of one group with m missing: for 0 to m responders among them, the proportion of all and its
       interval. The lowest lower and the highest upper limit hold whatever the missing were.
    2. Of two groups: for every pair of numbers, the difference of the proportions and the p of
       `test`. A p at or below 1 - confidence concludes that the group with the larger proportion is
       higher; otherwise, or without p, no difference is shown.
    3. The conclusion tips where it differs from the one of those who are known. Of the pairs where
       it does, the sentence names the one nearest to where the missing respond as often as the
       known of their group, by the sum of both distances in participants.

    Parameters
    ----------
    counts
        For each group its participants with the response, without it, and with it missing.
    test
        The test of two groups; none for one group.
    interval
        Construction of the interval of one group.
    confidence
        Coverage of the interval; the test concludes at 1 - confidence.

    Raises
    ------
    UsageError
        There are more than two groups, a count is negative or fractional, a test is missing or not
        wanted, or there are more than 2,500 combinations.

    References
    ----------
    Yan, Lee and Li (2009).

    Examples
    --------
    >>> told = find_tipping_point(
    ...     {"msc": (8, 1, 2), "control": (2, 8, 1)},
    ...     test="fisher",
    ...     interval="wilson",
    ...     confidence=0.95,
    ... )
    >>> told.frame["tips"].sum(), told.frame.height
    (1, 6)
    """
    check_confidence(confidence)
    _check(counts, test)
    if len(counts) == 1 or test is None:
        ((name, one),) = counts.items()
        return _one_group(name, one, interval, confidence)
    return _two_groups(counts, test, round(1 - confidence, 12))


def _check(counts: Mapping[str, _Counts], test: str | None) -> None:
    """Refuse what cannot be tried."""
    if len(counts) not in {1, 2}:
        raise UsageError(
            f"a tipping point is of one or two groups; got {len(counts)}: {', '.join(counts)}. "
            "Compare them two at a time"
        )
    if (test is None) != (len(counts) == 1):
        raise UsageError(
            f"{len(counts)} group(s) and test={test!r}: two groups need a test, one has none"
        )
    combinations = 1
    for group, row in counts.items():
        if len(row) != 3 or any(int(count) != count or count < 0 for count in row):
            raise UsageError(
                f"{group}: {row} are not participants with the response, without it, and with it "
                "missing; give three whole numbers from 0 on"
            )
        combinations *= row[2] + 1
    if combinations > MOST_COMBINATIONS:
        raise UsageError(
            f"{combinations:,} combinations of responders are more than {MOST_COMBINATIONS:,}: "
            "with so many missing no table of them answers the question; say how they are to be "
            "handled, or take fewer groups"
        )


def _one_group(
    name: str, counts: _Counts, interval: ProportionInterval, confidence: float
) -> TippingPoint:
    """Try the missing of one group."""
    yes, no, missing = counts
    n = yes + no + missing
    tried = [
        estimate_proportion(yes + more, n, interval=interval, confidence=confidence)
        for more in range(missing + 1)
    ]
    frame = pl.DataFrame(
        {
            "responders": list(range(missing + 1)),
            "estimate": [e.value for e in tried],
            "low": [e.low for e in tried],
            "high": [e.high for e in tried],
        },
        schema={
            "responders": pl.Int64,
            "estimate": pl.Float64,
            "low": pl.Float64,
            "high": pl.Float64,
        },
    )
    if n == 0:
        return TippingPoint(frame, f"{name}: no participants")
    if not missing:
        return TippingPoint(frame, f"{name}: no response is missing")
    least, most = tried[0], tried[-1]
    said = (
        f"{name}: whatever the {missing} missing responses were, the proportion lies from "
        f"{_percent(least.value)} to {_percent(most.value)}, and its "
        f"{100 * confidence:g} % intervals ({least.interval}) from {_percent(least.low)} to "
        f"{_percent(most.high)}"
    )
    return TippingPoint(frame, said)


def _two_groups(counts: Mapping[str, _Counts], test: CountTest, alpha: float) -> TippingPoint:
    """Try the missing of two groups."""
    names = (first, second) = tuple(counts)
    one, two = counts[first], counts[second]
    known, p = _conclude(one, two, (0, 0), (0, 0), test, alpha)[1:]
    missing = (one[2], two[2])
    rows: list[tuple[int, int, float | None, float | None, str, bool]] = []
    for a in range(one[2] + 1):
        for b in range(two[2] + 1):
            difference, found, p_value = _conclude(one, two, (a, b), missing, test, alpha)
            rows.append((a, b, difference, p_value, found, found != known))
    frame = pl.DataFrame(
        rows,
        schema={
            "first_responders": pl.Int64,
            "second_responders": pl.Int64,
            "difference": pl.Float64,
            "p_value": pl.Float64,
            "conclusion": pl.String,
            "tips": pl.Boolean,
        },
        orient="row",
    )
    shown = f"{names[_HIGHER.index(known)]} higher" if known in _HIGHER else known
    start = f"Of those who are known: {shown} ({_p_text(p)}, {test}, two-sided {alpha:.3g})"
    return TippingPoint(frame, f"{start}; {_tell(frame, names, (one, two))}")


_HIGHER = ("first higher", "second higher")


def _conclude(
    one: _Counts,
    two: _Counts,
    responders: tuple[int, int],
    missing: tuple[int, int],
    test: CountTest,
    alpha: float,
) -> tuple[float | None, str, float | None]:
    """Give the difference, the conclusion and p where as many of the missing responded."""
    tables = [
        (group[0] + yes, group[1] + absent - yes)
        for group, yes, absent in zip((one, two), responders, missing, strict=True)
    ]
    (a, b), (c, d) = tables
    p = compare_counts({"first": (a, b), "second": (c, d)}, test=test).p_value
    if a + b == 0 or c + d == 0:
        return None, "no difference shown", p
    difference = a / (a + b) - c / (c + d)
    if p is None or p > alpha * (1 + _SAME) or difference == 0:
        return difference, "no difference shown", p
    return difference, _HIGHER[difference < 0], p


def _tell(frame: pl.DataFrame, names: tuple[str, ...], counts: tuple[_Counts, _Counts]) -> str:
    """Say where the conclusion tips."""
    if not any(row[2] for row in counts):
        return "no response is missing"
    tips = frame.filter("tips")
    if tips.is_empty():
        return f"the conclusion holds in all {frame.height} combinations of the missing responses"
    distance = sum(
        (pl.col(column) - row[2] * (row[0] / max(row[0] + row[1], 1))).abs()
        for column, row in zip(("first_responders", "second_responders"), counts, strict=True)
    )
    nearest = tips.sort(distance, maintain_order=True).row(0, named=True)
    where = " and ".join(
        f"{nearest[column]} of the {row[2]} missing of {name}"
        for column, name, row in zip(
            ("first_responders", "second_responders"), names, counts, strict=True
        )
    )
    return (
        f"the conclusion tips in {tips.height} of {frame.height} combinations of the missing "
        f"responses, nearest to the known proportions where {where} responded "
        f"({_p_text(nearest['p_value'])})"
    )


def _percent(value: float | None) -> str:
    return "" if value is None else f"{100 * value:.1f} %"


def _p_text(p: float | None) -> str:
    return "no p" if p is None else f"p = {p:.3g}" if p >= 0.0001 else "p < 0.0001"
