"""The flow of participants: in the records, screened, by arm, infused, analysed."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import polars as pl

from stromal.report.view import StudyView, spell_reason
from stromal.report.words import humanise

__all__ = ["ArmFlow", "Box", "Flow", "trace_flow"]


@dataclass(frozen=True)
class Box:
    """A number of participants, and why, with the number for each reason."""

    label: str
    n: int
    reasons: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True)
class ArmFlow:
    """One arm: who is in it, who was infused, who is analysed in each set."""

    label: str
    n: int
    infused: tuple[Box, ...]
    sets: tuple[Box, ...]


@dataclass(frozen=True)
class Flow:
    """The whole flow; `verdicts` are eligible, not eligible, cannot say."""

    n: int
    verdicts: tuple[Box, ...]
    arms: tuple[ArmFlow, ...]


def trace_flow(view: StudyView) -> Flow | None:
    """Follow the participants from the records to the analysis sets.

    1. The verdicts of screening, with the criteria that decided (a participant may fail several).
       Not for a reconstruction: what its participants lack was not published.
    2. The arms, participants without arm last; in each those with at least one infusion.
       A reconstruction without infusions of a product tells nothing of it: they are not published.
    3. For each analysis set its members, and those left out by reason.

    Returns
    -------
    Flow or None
        None where nobody is in the records.
    """
    people = view.context.participants
    if people.is_empty():
        return None
    texts = {
        criterion.id: criterion.text
        for criterion in (*view.protocol.population.inclusion, *view.protocol.population.exclusion)
    }
    verdicts = tuple(
        _verdict(view.screening.filter(pl.col("verdict") == word), word, texts)
        for word in ("eligible", "not eligible", "cannot say")
        if view.data != "reconstruction"
    )
    found = [arm for arm in view.protocol.arms if arm in set(people["arm"].drop_nulls())]
    arms = [_arm(view, arm) for arm in found]
    if people["arm"].null_count():
        arms.append(_arm(view, None))
    return Flow(people.height, verdicts, tuple(arms))


def _verdict(rows: pl.DataFrame, word: str, texts: dict[str, str]) -> Box:
    """Make the box of one verdict."""
    counts: Counter[str] = Counter(rows["decided_by"].explode().drop_nulls().to_list())
    reasons = tuple(
        (texts.get(name, humanise(name)), count) for name, count in counts.most_common()
    )
    return Box(word.capitalize(), rows.height, reasons)


def _arm(view: StudyView, arm: str | None) -> ArmFlow:
    """Follow one arm."""
    mine = view.context.participants.filter(pl.col("arm").eq_missing(pl.lit(arm, pl.String)))
    ids = mine.select("participant_id")
    given = view.records["infusions"].join(ids, on="participant_id", how="semi")
    planned = {plan.product for plan in view.protocol.arms[arm].infuse} if arm else set[str]()
    told = set(given["product"])
    if view.data != "reconstruction":
        told |= planned
    infused = tuple(
        Box(humanise(product), given.filter(product=product)["participant_id"].n_unique())
        for product in view.protocol.products
        if product in told
    )
    sets: list[Box] = []
    for name, (members, excluded) in view.sets.items():
        only = view.protocol.analysis_sets[name].arms
        if only is not None and arm not in only:
            continue
        left = excluded.join(ids, on="participant_id", how="semi")["reason"]
        out = [spell_reason(view.protocol, reason) for reason in left]
        n = members.join(ids, on="participant_id", how="semi").height
        label = view.protocol.analysis_sets[name].label
        sets.append(Box(label, n, tuple(Counter(out).most_common())))
    label = view.protocol.arms[arm].label if arm else "No arm recorded"
    return ArmFlow(label, mine.height, infused, tuple(sets))
