"""Agreement of two verdicts on the same participants."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from stromal.core import Source

__all__ = ["COHEN_1960", "Agreement", "estimate_agreement"]

COHEN_1960 = Source(
    text="Cohen J (1960), A coefficient of agreement for nominal scales, Educational and "
    "Psychological Measurement 20(1):37-46",
    doi="10.1177/001316446002000104",
    seen="secondary",
)


@dataclass(frozen=True)
class Agreement:
    """How often two verdicts are the same, beyond what chance would give.

    Parameters
    ----------
    n, same
        Pairs of verdicts, and those that are equal.
    kappa
        Cohen's kappa, unweighted; `None` without pairs, or where both always give one and the same
        verdict, so that chance alone would agree always.
    table
        `first`, `second`, `n`: how often each pair of verdicts occurs.
    """

    n: int
    same: int
    kappa: float | None
    table: pl.DataFrame


def estimate_agreement(pairs: Sequence[tuple[str, str]]) -> Agreement:
    """Estimate the agreement of two verdicts.

    1. Observed agreement p is the share of pairs that are equal.
    2. Agreement by chance e is the sum, over verdicts, of the product of the shares with which the
       two give them.
    3. Kappa is (p - e) / (1 - e).

    References
    ----------
    Cohen (1960).

    Examples
    --------
    >>> pairs = [("yes", "yes")] * 20 + [("yes", "no")] * 5 + [("no", "yes")] * 10
    >>> round(estimate_agreement(pairs + [("no", "no")] * 15).kappa, 3)
    0.4
    """
    frame = pl.DataFrame(pairs, schema={"first": pl.String, "second": pl.String}, orient="row")
    table = frame.group_by("first", "second").len("n").sort("first", "second")
    n = frame.height
    same = int((frame["first"] == frame["second"]).sum())
    if n == 0:
        return Agreement(0, 0, None, table)
    shares = [dict(frame[side].value_counts().iter_rows()) for side in ("first", "second")]
    chance = sum(count * shares[1].get(verdict, 0) for verdict, count in shares[0].items()) / n**2
    kappa = None if chance == 1 else (same / n - chance) / (1 - chance)
    return Agreement(n, same, kappa, table)
