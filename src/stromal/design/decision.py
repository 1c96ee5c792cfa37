"""What a trial is to decide: a rule on the successes counted, and how often it rejects."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Annotated, Any, Literal, TypeAlias, cast

import numpy as np
import polars as pl
from numpy.typing import ArrayLike, NDArray
from pydantic import Field, model_validator

from stromal.core import UsageError
from stromal.design.exact import (
    TIE,
    Floats,
    Side,
    binomial_and_score,
    binomial_p_values,
    fisher_p_values,
)
from stromal.protocol.analyses import (
    CumulativeIncidenceAnalysis,
    ProportionAnalysis,
    SurvivalAnalysis,
)
from stromal.protocol.fields import Model, Name
from stromal.protocol.protocol import Protocol

__all__ = [
    "TIMED_TESTS",
    "Decidable",
    "Decision",
    "Directions",
    "Timed",
    "critical_numbers",
    "decided_analysis",
    "directions",
    "name_curve",
    "p_values",
    "power_and_slopes",
    "probability_of_rejecting",
    "rejection_region",
    "rejects",
]

Ints: TypeAlias = NDArray[np.int64]
Directions: TypeAlias = NDArray[np.int8]
Timed: TypeAlias = SurvivalAnalysis | CumulativeIncidenceAnalysis
Decidable: TypeAlias = ProportionAnalysis | Timed

TIMED_TESTS = {"log-rank": SurvivalAnalysis, "gray": CumulativeIncidenceAnalysis}
"""Tests of a time to an event, with the kind of analysis that each is on."""


class Decision(Model):
    """The decision that a trial is to reach.

    On a proportion of its participants (`binomial`, `fisher`), or on a time to an event between two
    arms: `log-rank` on a survival analysis, `gray` on a cumulative incidence. `greater` is then
    more events than expected in the experimental arm.
    """

    analysis: Annotated[
        Name, Field(description="a proportion, survival or incidence among the analyses")
    ]
    test: Annotated[
        Literal["binomial", "fisher", "log-rank", "gray"],
        Field(description="one arm against p0; two arms by counts, or by a time to an event"),
    ]
    p0: Annotated[float | None, Field(gt=0, lt=1, description="success rate to be refuted")] = None
    alpha: Annotated[float, Field(gt=0, lt=1, description="the level of the test")]
    side: Annotated[Side, Field(description="of the experimental arm, against p0 or the control")]
    control: Name | None = None
    experimental: Name | None = None

    @model_validator(mode="after")
    def _what_the_test_needs(self) -> Decision:
        if self.test == "binomial" and (self.p0 is None or self.control is not None):
            raise ValueError("`binomial` compares one arm with `p0`: give `p0`, and no `control`")
        if self.test == "binomial":
            return self
        if self.control is None or self.experimental is None:
            raise ValueError(f"`{self.test}` compares two arms: name `control` and `experimental`")
        if self.p0 is not None:
            raise ValueError(f"`{self.test}` compares two arms and has no `p0`")
        if self.control == self.experimental:
            raise ValueError(f"`control` and `experimental` are both '{self.control}'")
        return self

    @property
    def timed(self) -> bool:
        """Whether it is on a time to an event."""
        return self.test in TIMED_TESTS


def decided_analysis(decision: Decision, protocol: Protocol) -> Decidable:
    """Find the analysis that the decision is on.

    Raises
    ------
    UsageError
        The protocol has no analysis of that name, it is of another kind than the test, it has
        strata, a landmark or groups by infusion, which virtual trials do not follow, its set lacks
        an arm of the test, or an arm is not known.
    """
    kind = TIMED_TESTS.get(decision.test, ProportionAnalysis)
    found = protocol.analyses.get(decision.analysis)
    if not isinstance(found, kind):
        word = _KINDS[kind]
        known = [name for name, one in protocol.analyses.items() if isinstance(one, kind)]
        raise UsageError(
            f"the decision is on the analysis '{decision.analysis}', which is "
            f"{'not in the protocol' if found is None else f'not a {word}'}; "
            f"its {_PLURALS[kind]} are: {', '.join(known) or 'none'}"
        )
    for arm in (decision.control, decision.experimental):
        if arm is not None and arm not in protocol.arms:
            raise UsageError(
                f"the decision names the arm '{arm}'; the protocol has {', '.join(protocol.arms)}"
            )
    if not isinstance(found, ProportionAnalysis):
        _check_timed(decision, found, protocol)
    return found


def name_curve(estimate: str, day: float) -> str:
    """Name what is read of a curve, such as `Survival at day 365`."""
    return f"{estimate[:1].upper()}{estimate[1:]} at day {day:g}"


_KINDS = {ProportionAnalysis: "proportion", SurvivalAnalysis: "survival",
          CumulativeIncidenceAnalysis: "cumulative incidence"}  # fmt: skip
_PLURALS = {ProportionAnalysis: "proportions", SurvivalAnalysis: "survivals",
            CumulativeIncidenceAnalysis: "cumulative incidences"}  # fmt: skip


def _check_timed(decision: Decision, spec: Timed, protocol: Protocol) -> None:
    """Refuse what the trials of a decision on a time to an event do not follow."""
    for name in ("strata", "landmark", "by_infusion", "of"):
        if getattr(spec, name, None) is not None:
            raise UsageError(
                f"the analysis '{decision.analysis}' has `{name}`, which the decision of a virtual "
                "trial does not follow; decide on an analysis without it"
            )
    arms = protocol.analysis_sets[spec.set].arms
    for arm in (str(decision.control), str(decision.experimental)):
        if arms is not None and arm not in arms:
            raise UsageError(
                f"the decision compares '{arm}', which is not in the set `{spec.set}` of the "
                f"analysis '{decision.analysis}'; decide on an analysis of both arms"
            )
    competing = getattr(protocol.endpoints[spec.endpoint], "competing", None)
    if decision.test == "log-rank" and competing:
        raise UsageError(
            f"the log-rank test knows one kind of event, and the endpoint `{spec.endpoint}` has "
            "competing events; decide by `gray` on a cumulative incidence"
        )


def p_values(decision: Decision, n: int, control_n: int | None = None) -> Floats:
    """Give the p value of every result that a trial of this size can have.

    1. `binomial`: with X of n binomial at p0, `greater` is P(X >= events), `less` is
       P(X <= events), `two-sided` is twice the smaller of the two and at most 1 (it rejects
       where the Clopper-Pearson interval of confidence 1 - alpha leaves out p0).
    2. `fisher`: given how many succeeded in both arms, `greater` is the probability that the
       experimental arm has as many of them or more, `less` as many or fewer, `two-sided` that
       of all divisions no more probable than the one observed.
    3. Without participants in an arm there is nothing to test: the p value is 1.

    Parameters
    ----------
    decision
        The rule.
    n
        Participants analysed, in the experimental arm.
    control_n
        Participants analysed in the control arm, for `fisher`.

    Returns
    -------
    NDArray
        For `binomial` of shape (n + 1): by successes. For `fisher` of shape
        (n + 1, control_n + 1): by successes in the experimental and in the control arm.

    References
    ----------
    Clopper and Pearson (1934); Fisher (1935).
    """
    _check_counted(decision)
    if (decision.test == "fisher") != (control_n is not None):
        raise UsageError("`control_n` is given for two arms (`fisher`), and for no other test")
    if n < 0 or (control_n or 0) < 0:
        raise UsageError(f"a trial has 0 participants or more; got {min(n, control_n or 0)}")
    if n == 0 or control_n == 0:
        return np.ones(n + 1 if control_n is None else (n + 1, control_n + 1))
    if control_n is None:
        return binomial_p_values(n, cast("float", decision.p0), decision.side)
    return fisher_p_values(n, control_n, decision.side)


def _check_counted(decision: Decision) -> None:
    """Refuse a rule that counts of successes do not decide."""
    if decision.timed:
        raise UsageError(
            f"`{decision.test}` is decided by the times of events, not by how many there are"
        )


def rejection_region(decision: Decision, n: int, control_n: int | None = None) -> Directions:
    """Say which results reject, and in which direction.

    1. A result rejects where its p value (see `p_values`) is at most alpha; a p value within
       rounding of alpha is at alpha.
    2. The direction is 1 where the success rate is above p0 or above the control arm's, -1 where
       it is below. `greater` has only the first, `less` only the second.

    Parameters
    ----------
    decision, n, control_n
        As in `p_values`.

    Returns
    -------
    NDArray of int8
        1, -1, or 0 where the result does not reject; of the shape of `p_values`, not writeable.
    """
    if (decision.test == "fisher") != (control_n is not None):
        raise UsageError("`control_n` is given for two arms (`fisher`), and for no other test")
    return _region(cast("Any", decision), n, control_n)  # frozen, hence hashable


@lru_cache(maxsize=4096)
def _region(decision: Decision, n: int, control_n: int | None) -> Directions:
    rejected = p_values(decision, n, control_n) <= decision.alpha * (1 + TIE)
    events = np.arange(n + 1, dtype=np.float64)
    if decision.side != "two-sided":
        above = np.full(rejected.shape, decision.side == "greater")
    elif control_n is None:
        above = events > n * cast("float", decision.p0)
    else:
        above = events[:, None] * control_n > np.arange(control_n + 1) * n
    region = np.where(rejected, np.where(above, 1, -1), 0).astype(np.int8)
    region.flags.writeable = False
    return region


def critical_numbers(decision: Decision, sizes: Iterable[int]) -> pl.DataFrame:
    """Tabulate the binomial rule over numbers of participants.

    Parameters
    ----------
    decision
        A `binomial` rule.
    sizes
        Numbers of participants analysed; each is tabulated once, in ascending order.

    Returns
    -------
    DataFrame
        `n`; `rejects_from`, the smallest number of successes that rejects upwards, null where
        even n do not (or the side is `less`); `rejects_up_to`, the largest number that rejects
        downwards, null likewise; `nominal_alpha`, the probability of rejecting at p0.

    Raises
    ------
    UsageError
        The rule compares two arms: it depends on the successes of both.

    Examples
    --------
    >>> rule = Decision(analysis="response", test="binomial", p0=0.27, alpha=0.025, side="greater")
    >>> critical_numbers(rule, [68]).select("n", "rejects_from", "rejects_up_to").row(0)
    (68, 27, None)
    """
    if decision.test != "binomial":
        raise UsageError(
            f"only a rule against p0 has critical numbers; `{decision.test}` compares two arms"
        )
    listed = sorted(set(sizes))
    regions = [rejection_region(decision, n) for n in listed]
    return pl.DataFrame(
        {
            "n": listed,
            "rejects_from": [_least(np.flatnonzero(region == 1)) for region in regions],
            "rejects_up_to": [_most(np.flatnonzero(region == -1)) for region in regions],
            "nominal_alpha": probability_of_rejecting(
                decision, np.full(len(listed), decision.p0), listed
            ),
        },
        schema={
            "n": pl.Int32,
            "rejects_from": pl.Int32,
            "rejects_up_to": pl.Int32,
            "nominal_alpha": pl.Float64,
        },
    )


def _least(numbers: NDArray[np.intp]) -> int | None:
    return int(numbers[0]) if numbers.size else None


def _most(numbers: NDArray[np.intp]) -> int | None:
    return int(numbers[-1]) if numbers.size else None


def rejects(
    decision: Decision,
    events: ArrayLike,
    n: ArrayLike,
    control_events: ArrayLike | None = None,
    control_n: ArrayLike | None = None,
) -> NDArray[np.bool_]:
    """Say of each trial whether it rejects, in either direction; see `directions`."""
    return directions(decision, events, n, control_events, control_n) != 0


def directions(
    decision: Decision,
    events: ArrayLike,
    n: ArrayLike,
    control_events: ArrayLike | None = None,
    control_n: ArrayLike | None = None,
) -> Directions:
    """Say of each trial whether it rejects, and in which direction.

    The region of each size that occurs is made once (see `rejection_region`) and looked up. A
    trial without participants in an arm does not reject.

    Parameters
    ----------
    decision
        The rule.
    events, n
        Successes and participants analysed, one a trial, in the experimental arm.
    control_events, control_n
        The same of the control arm, for `fisher`.

    Returns
    -------
    NDArray of int8
        One a trial: 1 upwards, -1 downwards, 0 not rejected.

    Raises
    ------
    UsageError
        A number of successes is below 0 or above the participants, or an arm is missing.
    """
    _check_counted(decision)
    e, size = _counts(events, n)
    if (decision.test == "fisher") != (control_events is not None and control_n is not None):
        raise UsageError("`fisher` needs the counts of a control arm, no other test has them")
    if control_events is None or control_n is None:
        control_e, control_size = np.zeros_like(e), np.zeros_like(size)
    else:
        control_e, control_size = _counts(control_events, control_n)
    if control_e.shape != e.shape:
        raise UsageError("the two arms have different numbers of trials")
    if e.size == 0:
        return np.zeros(0, dtype=np.int8)
    pairs, which = _distinct(size, control_size)
    regions = [_matrix(decision, int(a), int(b)).ravel() for a, b in pairs]
    starts = np.concatenate([[0], np.cumsum([region.size for region in regions])[:-1]])
    return np.concatenate(regions)[starts[which] + e * (control_size + 1) + control_e]


def _counts(events: ArrayLike, n: ArrayLike) -> tuple[Ints, Ints]:
    """Check counts: whole, from 0 to n, of one length."""
    e, size = np.atleast_1d(np.asarray(events)), np.atleast_1d(np.asarray(n))
    if e.shape != size.shape:
        raise UsageError(f"{e.size} numbers of successes are given for {size.size} trials")
    if (e != np.floor(e)).any() or (size != np.floor(size)).any():
        raise UsageError("successes and participants are whole numbers")
    if (e < 0).any() or (e > size).any():
        bad = int(np.flatnonzero((e < 0) | (e > size))[0])
        raise UsageError(f"{e[bad]} successes of {size[bad]} participants cannot be")
    return e.astype(np.int64), size.astype(np.int64)


def _distinct(n: Ints, control_n: Ints) -> tuple[Ints, Ints]:
    """Give the distinct sizes, and of each trial which it has."""
    base = int(control_n.max()) + 1
    codes, which = np.unique(n * base + control_n, return_inverse=True)
    return np.stack([codes // base, codes % base], axis=1), which


def _matrix(decision: Decision, n: int, control_n: int) -> Directions:
    """Give the region by successes in both arms; one arm has a control of nobody."""
    if decision.test == "fisher":
        return rejection_region(decision, n, control_n)
    return rejection_region(decision, n)[:, None]


def probability_of_rejecting(
    decision: Decision,
    rate: ArrayLike,
    n: ArrayLike,
    control_rate: ArrayLike | None = None,
    control_n: ArrayLike | None = None,
) -> Floats:
    """Give the exact probability of rejecting where successes are binomial at these rates.

    Parameters
    ----------
    decision
        The rule.
    rate, n
        Success rate and participants of the experimental arm; arrays of one length.
    control_rate, control_n
        The same of the control arm, for `fisher`.

    Examples
    --------
    >>> rule = Decision(analysis="response", test="binomial", p0=0.27, alpha=0.025, side="greater")
    >>> probability_of_rejecting(rule, [0.27, 0.48], [68, 68]).round(3).tolist()
    [0.015, 0.932]
    """
    if control_rate is None or control_n is None:
        control_rate, control_n = np.zeros_like(np.asarray(n)), np.zeros_like(np.asarray(n))
    return power_and_slopes(decision, rate, n, control_rate, control_n)[0]


def power_and_slopes(
    decision: Decision,
    rate: ArrayLike,
    n: ArrayLike,
    control_rate: ArrayLike,
    control_n: ArrayLike,
    *,
    upwards: bool = False,
) -> tuple[Floats, Floats, Floats]:
    """Give the probability of rejecting, and how far a finite bank moves it.

    1. The power is the sum over the rejection region of the binomial probabilities.
    2. The slope of an arm is d power / d rate times sqrt(rate (1 - rate)), by the score of the
       binomial. A bank of B people adds (slope)^2 / B to the variance of the power.

    Parameters
    ----------
    decision, rate, n, control_rate, control_n
        As in `probability_of_rejecting`; for one arm the control arm has nobody.
    upwards
        Count only rejections upwards (see `rejection_region`).

    Returns
    -------
    tuple
        Power, slope of the experimental arm, slope of the control arm; one a row.
    """
    sizes = np.atleast_1d(np.asarray(n, dtype=np.int64))
    control_sizes = np.atleast_1d(np.asarray(control_n, dtype=np.int64))
    q, control_q = (np.atleast_1d(np.asarray(x, dtype=np.float64)) for x in (rate, control_rate))
    if not all(((x >= 0) & (x <= 1)).all() for x in (q, control_q)):
        raise UsageError("a success rate is a number from 0 to 1")
    out = np.zeros((3, sizes.size))
    if sizes.size == 0:
        return out[0], out[1], out[2]
    pairs, which = _distinct(sizes, control_sizes)
    order = np.argsort(which, kind="stable")
    ends = np.cumsum(np.bincount(which))
    for (a, b), rows in zip(pairs, np.split(order, ends[:-1]), strict=True):
        region = _matrix(decision, int(a), int(b))
        hit = (region == 1 if upwards else region != 0).astype(np.float64)
        chance, score = binomial_and_score(int(a), q[rows])
        control_chance, control_score = binomial_and_score(int(b), control_q[rows])
        reached = chance @ hit
        out[0, rows] = (reached * control_chance).sum(axis=1)
        out[1, rows] = ((score @ hit) * control_chance).sum(axis=1)
        out[2, rows] = (reached * control_score).sum(axis=1)
    return np.clip(out[0], 0.0, 1.0), out[1], out[2]
