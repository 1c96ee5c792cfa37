"""Two independent estimates, one taken from the other."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

import polars as pl

from stromal.analysis.distributions import chi_square_tail, normal_quantile
from stromal.analysis.estimate import Contrast, Estimate
from stromal.core import UsageError

__all__ = ["split_frame", "subtract_each"]


def subtract_each(
    measure: str,
    read: Mapping[str, Sequence[Estimate]],
    reference: str | None,
    *,
    test: str = "Wald test",
) -> list[Contrast]:
    """Take the estimates of one group from those of every other, in their order.

    Parameters
    ----------
    measure
        What the difference is called.
    read
        The estimates of each group, as many of each.
    reference
        The group that is taken from the others; the first without a choice.
    test
        What the test is called.

    Raises
    ------
    UsageError
        The reference is none of the groups.
    """
    base = _choose_reference(tuple(read), reference)
    return [
        _subtract(measure, (other, a), (base, b), test=test)
        for other in read
        if other != base
        for a, b in zip(read[other], read[base], strict=True)
    ]


def _subtract(
    measure: str, one: tuple[str, Estimate], two: tuple[str, Estimate], *, test: str
) -> Contrast:
    """Take the estimate of one group from that of another.

    1. The variance is the sum of the two, the limits and the two-sided p are normal.
    2. Where either is not estimable all numbers are `None` with its note; where nothing varies
       there is no p.

    Parameters
    ----------
    measure
        What the difference is called.
    one, two
        Name and estimate; the second is taken from the first.
    test
        What the test is called.
    """
    (first, a), (second, b) = one, two
    value = error = low = high = p = None
    note = a.note if a.value is None else b.note if b.value is None else ""
    if a.value is not None and b.value is not None:
        value = a.value - b.value
        error = math.hypot(a.standard_error or 0.0, b.standard_error or 0.0)
        half = normal_quantile(a.confidence) * error
        low, high = value - half, value + half
        p = chi_square_tail((value / error) ** 2, 1) if error > 0 else None
        note = "" if error > 0 else "nothing varies up to that day: no width and no p"
    estimate = replace(
        a,
        value=value,
        standard_error=error,
        low=low,
        high=high,
        interval="plain",
        n=a.n + b.n,
        events=None if a.events is None or b.events is None else a.events + b.events,
        at_risk=None,
        note=note,
    )
    return Contrast(measure, first, second, estimate, p, test)


def split_frame(frame: pl.DataFrame, by: str, *, what: str) -> dict[str, pl.DataFrame]:
    """Give the rows of each group, in sorted order; each participant belongs to one.

    Raises
    ------
    UsageError
        The column is not there or has missing values, a participant stands in two groups, or
        there are fewer than two.
    """
    if by not in frame.columns:
        raise UsageError(f"the {what} have no column {by!r} to compare by")
    if frame[by].is_null().any():
        raise UsageError(f"{frame[by].null_count()} of the {what} have no {by!r}; give it to all")
    twice = frame.group_by("participant_id").agg(pl.col(by).n_unique()).filter(pl.col(by) > 1)
    if not twice.is_empty():
        raise UsageError(
            f"participant {twice['participant_id'].sort()[0]} stands in two groups of {by!r}; "
            "each belongs to one from the beginning"
        )
    parts = frame.sort(by, maintain_order=True).partition_by(by, maintain_order=True)
    if len(parts) < 2:
        raise UsageError(f"column {by!r} has {len(parts)} groups; two or more are compared")
    return {str(part[by][0]): part for part in parts}


def _choose_reference(labels: tuple[str, ...], reference: str | None) -> str:
    """Give the group that others are compared with: the first without a choice.

    Raises
    ------
    UsageError
        It is none of the groups.
    """
    if reference is None:
        return labels[0]
    if reference not in labels:
        raise UsageError(f"the reference {reference!r} is none of the groups {', '.join(labels)}")
    return reference
