"""Levels of a response against each other, bounds of counts, and published thresholds."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

from stromal.core import Finding, Source
from stromal.protocol.consistency.published import PublishedBound, Threshold, thresholds
from stromal.protocol.consistency.view import View
from stromal.protocol.consistency.words import COUNTS, in_words
from stromal.protocol.endpoints import (
    AssessedAt,
    CytopeniaEndpoint,
    Level,
    RecoveryEndpoint,
    Response,
    ResponseEndpoint,
)
from stromal.protocol.rules import ANALYTE_UNITS, CountRule, RunRule

__all__ = ["check_levels"]


def check_levels(view: View) -> Iterator[Finding]:
    """Check bounds of counts and the levels of responses.

    1. `bounds-crossed`: a count must be above one number and below a smaller one.
    2. `levels-overlap`: a lower level has an upper bound that a higher level accepts too.
    3. `levels-leave-a-gap`: values between a lower level's upper bound and the next level's lower
       bound belong to neither.
    4. `level-with-ceiling`: a lower level with an upper bound and a run; counts that hover around
       the bound reach neither level.
    5. `level-never-reached`: whoever meets a lower level meets a higher one too.
    6. `no-response-after-assessment`, `no-response-outlasts-treatment`: the time before no response
       can be said, against the assessment and against the planned infusions.
    7. `threshold-below-published`, `threshold-unlike-published`: remarks on thresholds.
    """
    for name, endpoint in view.protocol.endpoints.items():
        if isinstance(endpoint, ResponseEndpoint):
            yield from _levels(name, endpoint.response)
            yield from _waiting(view, name, endpoint)
            yield from _lowest_level(name, endpoint.response)
        elif isinstance(endpoint, RecoveryEndpoint):
            yield from _crossed(f"endpoints.{name}.recovery", [endpoint.recovery])
            if endpoint.recovery.definition is None:
                yield from _against_published(
                    f"endpoints.{name}.recovery", endpoint.recovery, strict=True
                )
        elif isinstance(endpoint, CytopeniaEndpoint):
            yield from _crossed(f"endpoints.{name}.cytopenia", endpoint.cytopenia.counts)


def _lower(count: CountRule) -> tuple[float, bool] | None:
    """Give the lower bound of a count and whether it is included."""
    above, at_least = count.in_unit("above"), count.in_unit("at_least")
    if above is not None:
        return above, False
    return None if at_least is None else (at_least, True)


def _upper(count: CountRule) -> tuple[float, bool] | None:
    """Give the upper bound of a count and whether it is included."""
    below, at_most = count.in_unit("below"), count.in_unit("at_most")
    if below is not None:
        return below, False
    return None if at_most is None else (at_most, True)


def _number(value: float, count: CountRule) -> str:
    """Write a count with its unit."""
    unit = ANALYTE_UNITS[count.analyte].replace("10*9", "x 10^9")
    return f"{value:g} {unit} ({COUNTS[count.analyte]})"


def _crossed(where: str, counts: Sequence[CountRule | Level]) -> Iterator[Finding]:
    """Find counts whose lower bound is above their upper bound."""
    for count in counts:
        if not isinstance(count, CountRule):
            continue
        low, high = _lower(count), _upper(count)
        if low is None or high is None:
            continue
        if low[0] > high[0] or (low[0] == high[0] and not (low[1] and high[1])):
            yield Finding(
                "bounds-crossed",
                "contradiction",
                where,
                f"A count must be higher than {_number(low[0], count)} and lower than "
                f"{_number(high[0], count)} at once.",
                "No value meets the rule.",
                "Exchange the two bounds or remove one.",
            )


def _levels(name: str, response: Response) -> Iterator[Finding]:
    """Compare every level with every higher one."""
    path = f"endpoints.{name}.response.levels"
    for label, level in response.levels.items():
        yield from _crossed(f"{path}.{label}", level.counts)
    for (high_name, high), (low_name, low) in itertools.combinations(response.levels.items(), 2):
        where = f"{path}.{low_name}"
        for upper, lower in _shared(high, low):
            yield from _edge(where, (high_name, upper), (low_name, lower), low)
        if _implies(low, high):
            yield Finding(
                "level-never-reached",
                "contradiction",
                where,
                f"Whoever meets {low_name} also meets {high_name}, which stands above it.",
                f"{low_name} can never be the level of anybody.",
                "Order the levels from the best to the least, each easier than the one above it.",
            )


def _shared(high: Level, low: Level) -> Iterator[tuple[CountRule, CountRule]]:
    """Give the counts of two levels that are of one analyte."""
    for one in high.counts:
        for other in low.counts:
            if one.analyte == other.analyte:
                yield one, other


def _edge(
    where: str, high: tuple[str, CountRule], low: tuple[str, CountRule], level: Level
) -> Iterator[Finding]:
    """Compare the lower bound of a higher level with the upper bound of a lower one."""
    (high_name, higher), (low_name, lower) = high, low
    floor, ceiling = _lower(higher), _upper(lower)
    if floor is None or ceiling is None or _lower(lower) is None:
        return
    both = floor[0] == ceiling[0] and floor[1] and ceiling[1]
    neither = floor[0] > ceiling[0] or (
        floor[0] == ceiling[0] and not floor[1] and not ceiling[1]
    )  # fmt: skip
    value = _number(ceiling[0], lower)
    if both or floor[0] < ceiling[0]:
        shared = f"a value of exactly {value}" if both else f"values up to {value}"
        yield Finding(
            "levels-overlap",
            "contradiction",
            where,
            f"{low_name} and {high_name} both contain {shared}.",
            "The same participant has two levels; which one is counted decides the response rate.",
            f"End {low_name} below the lower bound of {high_name}, or give it no upper bound: the "
            "highest level that holds is the level.",
        )
    elif neither:
        yield Finding(
            "levels-leave-a-gap",
            "gap",
            where,
            f"Values from {value} to {_number(floor[0], higher)} belong neither to {low_name} nor "
            f"to {high_name}.",
            "A participant with such a value has no level although the counts improved.",
            f"Let {low_name} reach up to {high_name}, or give it no upper bound.",
        )
    if level.held is not None and level.held.span > 0:
        yield Finding(
            "level-with-ceiling",
            "gap",
            where,
            f"{low_name} has an upper bound ({value}) and must hold over a run. Counts that go up "
            f"and down across it meet neither {low_name} nor {high_name}, although they stay above "
            f"the lower bound of {low_name} throughout.",
            "A participant who does better is then counted as not responding.",
            f"Give {low_name} no upper bound: the highest level that holds is the level.",
        )


def _implies(low: Level, high: Level) -> bool:
    """Whether meeting `low` is meeting `high` too (both ask for all of their counts)."""
    if low.lines not in {None, len(low.counts)} or high.lines not in {None, len(high.counts)}:
        return False
    if not _as_long(low.held, high.held):
        return False
    return all(any(_inside(count, wanted) for count in low.counts) for wanted in high.counts)


def _as_long(low: RunRule | None, high: RunRule | None) -> bool:
    """Whether a run by one rule is surely a run by the other."""
    if high is None or low is None:
        return low is None and high is None
    if (low.of, low.gap) != (high.of, high.gap) or (low.lasting is None) != (high.lasting is None):
        return False
    return low.span >= high.span


def _inside(count: CountRule, wanted: CountRule) -> bool:
    """Whether every value that meets `count` meets `wanted`, freedom from transfusion included."""
    if count.analyte != wanted.analyte:
        return False
    freedom = wanted.without_transfusion
    if freedom is not None and freedom != count.without_transfusion:
        return False
    low, floor = _lower(count), _lower(wanted)
    high, ceiling = _upper(count), _upper(wanted)
    if floor is not None and (
        low is None or low[0] < floor[0] or (low[0] == floor[0] and low[1] and not floor[1])
    ):
        return False
    return ceiling is None or (
        high is not None
        and (high[0] < ceiling[0] or (high[0] == ceiling[0] and (ceiling[1] or not high[1])))
    )


def _waiting(view: View, name: str, endpoint: ResponseEndpoint) -> Iterator[Finding]:
    """Compare the time before no response can be said with assessment and treatment."""
    waited = endpoint.response.no_response_after
    if waited is None:
        return
    where = f"endpoints.{name}.response.no_response_after"
    assessed = endpoint.assessed
    end = int(assessed.at if isinstance(assessed, AssessedAt) else assessed.best_until)
    if int(waited) > end:
        yield Finding(
            "no-response-after-assessment",
            "contradiction",
            where,
            f"No response is said only after {in_words(int(waited))}, but the response is assessed "
            f"at {in_words(end)}.",
            "At the assessment nobody can be called a non-responder.",
            "Assess later or shorten the time.",
        )
    lengths = [s.last - s.first for s in view.stretches if s.last is not None]
    if lengths and len(lengths) == len(view.stretches) and max(lengths) < int(waited):
        yield Finding(
            "no-response-outlasts-treatment",
            "gap",
            where,
            f"No response needs {in_words(int(waited))} of treatment, but the planned infusions "
            f"end {in_words(max(lengths))} after the first.",
            "Nobody is treated that long, so it is open whether the time counts from the first or "
            "from the last infusion.",
            "Say from which infusion the time counts.",
        )


def _lowest_level(name: str, response: Response) -> Iterator[Finding]:
    """Compare the lowest level of a response with published thresholds."""
    if response.definition is not None:
        return
    label, level = list(response.levels.items())[-1]
    for count in level.counts:
        yield from _against_published(
            f"endpoints.{name}.response.levels.{label}", count, strict=False
        )


def _against_published(where: str, count: CountRule, *, strict: bool) -> Iterator[Finding]:
    """Compare a lower bound with those of published rules."""
    low = _lower(count)
    if low is None:
        return
    for table in thresholds().values():
        if table.analyte == count.analyte:
            yield from _below_published(where, count, low, table)
            if strict:
                yield from _unlike_published(where, count, low, table)


def _bound(published: PublishedBound, count: CountRule) -> tuple[float, bool]:
    """Give a published lower bound and whether it is included."""
    quantity = published.above or published.at_least
    assert quantity is not None  # noqa: S101  (the data file is checked by a test)
    return quantity.to(ANALYTE_UNITS[count.analyte]), published.above is None


def _cited(sources: list[Source]) -> str:
    """Name sources shortly."""
    return "; ".join(source.text for source in sources)


def _below_published(
    where: str, count: CountRule, low: tuple[float, bool], table: Threshold
) -> Iterator[Finding]:
    """Find a threshold below every published one."""
    least = min(_bound(published, count)[0] for published in table.published)
    if low[0] >= least:
        return
    sources = [p.source for p in table.published if _bound(p, count)[0] == least]
    yield Finding(
        "threshold-below-published",
        "remark",
        where,
        f"The threshold {_number(low[0], count)} for {table.purpose} is lower than in every "
        f"published rule known here; the lowest of them is {_number(least, count)} "
        f"({_cited(sources)}).",
        "The result will look better than, and cannot be compared with, that of other trials.",
        f"Use {_number(least, count)}, or report both.",
    )


def _unlike_published(
    where: str, count: CountRule, low: tuple[float, bool], table: Threshold
) -> Iterator[Finding]:
    """Find a threshold that excludes the value which published rules of the same number accept."""
    same = [p for p in table.published if _bound(p, count) == (low[0], True)]
    if low[1] or not same:
        return
    yield Finding(
        "threshold-unlike-published",
        "remark",
        where,
        f"A value of exactly {_number(low[0], count)} is no {table.purpose} here; it is by "
        f"others ({_cited([published.source for published in same])}).",
        "Counts are printed with one or two decimals, so exactly this value is common, and the day "
        "of recovery differs from that of a registry.",
        "Say `at_least` instead of `above`, or keep it knowingly.",
    )
