"""P values of several tests adjusted so that they share one error rate."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, get_args

from stromal.core import UsageError

__all__ = ["Adjustment", "adjust_p_values", "explain_missing_p"]

Adjustment = Literal["holm", "hochberg", "fixed sequence"]


def adjust_p_values(p: Sequence[float | None], *, method: Adjustment) -> tuple[float | None, ...]:
    """Adjust the p values of tests that share one error rate.

    An adjusted p at or below alpha rejects with a familywise error of at most alpha. With m tests:

    1. `holm`: the p values from the smallest to the largest are multiplied by m, m - 1, ..., 1;
       each is at least as large as the one before, and at most 1. Valid however tests depend.
    2. `hochberg`: the same products, but from the largest down each is at most as large as the one
       before. Never larger than Holm's; valid for independent tests and certain positive
       dependence, which tests of one trial usually have but need not.
    3. `fixed sequence`: tests in the order given; each takes the largest p up to and including
       it, so nothing can be rejected after the first test that fails.
    4. A test that could not be computed (`None`) stays `None`. Under Holm and Hochberg it still
       counts among the m, as if its p were 1; in a fixed sequence it stops the sequence, and all
       later tests are `None` too. `explain_missing_p` says so in words.

    Parameters
    ----------
    p
        In the order of the plan; from 0 to 1, or `None`.
    method
        It has no default: the protocol names it.

    Returns
    -------
    tuple
        Adjusted p values, in the order given.

    Raises
    ------
    UsageError
        A p is not from 0 to 1, or the method is not known.

    References
    ----------
    Holm (1979); Hochberg (1988); Maurer, Hothorn and Lehmacher (1995).

    Examples
    --------
    >>> adjust_p_values([0.01, 0.04, 0.03], method="holm")
    (0.03, 0.06, 0.06)
    >>> adjust_p_values([0.01, 0.04, 0.03], method="hochberg")
    (0.03, 0.04, 0.04)
    """
    if method not in get_args(Adjustment):
        known = ", ".join(get_args(Adjustment))
        raise UsageError(f"method {method!r} is not known; choose one of {known}")
    for value in p:
        if value is not None and not 0 <= value <= 1:
            raise UsageError(
                f"{value} is not a p value; give numbers from 0 to 1, and None for a test that "
                "could not be computed"
            )
    if method == "fixed sequence":
        return _in_sequence(p)
    whole = [1.0 if value is None else float(value) for value in p]
    adjusted = _step_down(whole) if method == "holm" else _step_up(whole)
    return tuple(None if raw is None else value for raw, value in zip(p, adjusted, strict=True))


def explain_missing_p(p: Sequence[float | None], *, method: Adjustment) -> str:
    """Say what became of tests without a p value; empty where each has one."""
    missing = [place + 1 for place, value in enumerate(p) if value is None]
    if not missing:
        return ""
    if method == "fixed sequence":
        return f"test {missing[0]} of {len(p)} has no p value: the sequence stops there"
    among = f"among the {len(p)}, as if p were 1"
    if len(missing) == 1:
        return f"test {missing[0]} has no p value and still counts {among}"
    return f"tests {', '.join(map(str, missing))} have no p value and still count {among}"


def _in_sequence(p: Sequence[float | None]) -> tuple[float | None, ...]:
    """Give the largest p so far, and nothing from a missing one on."""
    adjusted: list[float | None] = []
    largest, going = 0.0, True
    for value in p:
        going = going and value is not None
        largest = max(largest, value or 0.0)
        adjusted.append(largest if going else None)
    return tuple(adjusted)


def _step_down(p: list[float]) -> list[float]:
    """Give Holm's adjusted p values."""
    order = sorted(range(len(p)), key=p.__getitem__)
    adjusted, largest = [0.0] * len(p), 0.0
    for rank, place in enumerate(order):
        largest = max(largest, min(1.0, (len(p) - rank) * p[place]))
        adjusted[place] = largest
    return adjusted


def _step_up(p: list[float]) -> list[float]:
    """Give Hochberg's adjusted p values."""
    order = sorted(range(len(p)), key=p.__getitem__, reverse=True)
    adjusted, smallest = [0.0] * len(p), 1.0
    for rank, place in enumerate(order):
        smallest = min(smallest, (rank + 1) * p[place])
        adjusted[place] = smallest
    return adjusted
