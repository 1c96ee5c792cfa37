"""Criteria against the trial's title and conditions, against each other, and as rules."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

from stromal.core import Finding, UnitError
from stromal.protocol.consistency.published import Condition, conditions
from stromal.protocol.consistency.view import View
from stromal.protocol.consistency.words import (
    Mention,
    bare_mentions,
    level,
    listed,
    mentions,
    same_words,
)
from stromal.protocol.eligibility import (
    AllOf,
    AnyOf,
    AssessmentRule,
    AtLeastOf,
    Criterion,
    EndpointRule,
    MeasurementRule,
    NotRule,
    Rule,
    VariableRule,
)

__all__ = ["check_population"]

_BEFORE_TRANSPLANT = re.compile(
    r"\b(?:screen\w*|candidat\w*|scheduled|planned|awaiting|eligib\w*|contraindications?)\b"
    r"[^.;]{0,60}\btransplant"
)


def check_population(view: View) -> Iterator[Finding]:
    """Check the criteria of inclusion and exclusion.

    1. `title-against-inclusion`: the title names a condition with a qualifier, an inclusion asks
       for its opposite (title "severe", inclusion "non-severe").
    2. `title-against-exclusion`: an exclusion rules out the very condition of the title.
    3. `inclusion-against-exclusion`: an inclusion asks for what an exclusion rules out.
    4. `title-and-conditions-differ`: a condition of the title is not among the conditions.
    5. `condition-without-criterion`: no inclusion establishes the condition that is treated.
    6. `criterion-before-condition`: a criterion speaks of people before transplantation, while the
       condition arises after it.
    7. `criterion-never-met`: the bounds of a criterion exclude each other.
    8. `duplicate-criterion`: two criteria have one id.
    9. `narrative-criteria`: criteria that only a person can judge, listed.

    A trial that prevents a condition is not asked for it (2, 3, 5): its participants are free of
    it.
    """
    yield from _title(view)
    yield from _inclusion_against_exclusion(view)
    yield from _title_and_conditions(view)
    yield from _without_criterion(view)
    yield from _before_condition(view)
    yield from _never_met(view)
    yield from _duplicates(view)
    yield from _narrative(view)


def _criteria(view: View, kind: str) -> Iterator[tuple[str, Criterion]]:
    """Give criteria with their places."""
    population = view.protocol.population
    found = population.inclusion if kind == "inclusion" else population.exclusion
    for index, criterion in enumerate(found):
        yield f"population.{kind}.{index}", criterion


def _named(mention: Mention, condition: Condition) -> str:
    """Name a condition with its qualifiers."""
    qualifiers = " or ".join(sorted(mention.qualifiers))
    return f"{qualifiers} {condition.name}".strip()


def _title(view: View) -> Iterator[Finding]:
    """Compare the title with inclusions and exclusions."""
    told: set[tuple[str, str]] = set()
    for named in mentions(view.protocol.study.title):
        if named.condition in view.prevented or named.negated:
            continue
        condition = conditions()[named.condition]
        for where, criterion in _criteria(view, "inclusion"):
            asked = mentions(criterion.text)
            if _opposes(condition, named, asked) and (where, "inclusion") not in told:
                told.add((where, "inclusion"))
                yield _against_inclusion(where, criterion, named, condition)
        for where, criterion in _criteria(view, "exclusion"):
            found = bare_mentions(criterion.text)
            if _rules_out(condition, named, found) and (where, "exclusion") not in told:
                told.add((where, "exclusion"))
                yield _against_exclusion(where, criterion, named, condition)


def _opposes(condition: Condition, named: Mention, found: list[Mention]) -> bool:
    """Whether a text asks for the opposite of the qualifiers named, and for nothing else."""
    asked = {
        qualifier
        for mention in found
        if mention.condition == named.condition and not mention.negated
        for qualifier in mention.qualifiers
    }
    return bool(asked and named.qualifiers) and all(
        condition.opposed(one, other) for one in asked for other in named.qualifiers
    )


def _rules_out(condition: Condition, named: Mention, found: list[Mention]) -> bool:
    """Whether a text rules out everybody with the condition as it is named."""
    for mention in found:
        if mention.condition != named.condition:
            continue
        if not mention.qualifiers:
            return True
        if named.qualifiers and all(
            any(condition.covers(wide, narrow) for wide in mention.qualifiers)
            for narrow in named.qualifiers
        ):
            return True
    return False


def _against_inclusion(
    where: str, criterion: Criterion, named: Mention, condition: Condition
) -> Finding:
    """Say that an inclusion asks for the opposite of the title."""
    return Finding(
        "title-against-inclusion",
        "contradiction",
        where,
        f"The title names {_named(named, condition)}, but inclusion `{criterion.id}` asks for the "
        f'opposite: "{criterion.text}".',
        "It is open who is treated: people of the title would be refused, and the result is "
        "reported for a condition that the participants do not have.",
        "Correct the criterion or the title, and amend the registration.",
    )


def _against_exclusion(
    where: str, criterion: Criterion, named: Mention, condition: Condition
) -> Finding:
    """Say that an exclusion rules out the condition of the title."""
    return Finding(
        "title-against-exclusion",
        "contradiction",
        where,
        f"The title names {_named(named, condition)}, but exclusion `{criterion.id}` rules it out: "
        f'"{criterion.text}".',
        "By this criterion nobody of whom the title speaks may enter.",
        "Correct the criterion or the title, and amend the registration.",
    )


def _inclusion_against_exclusion(view: View) -> Iterator[Finding]:
    """Find an inclusion that asks for what an exclusion rules out."""
    for where, criterion in _criteria(view, "inclusion"):
        for named in mentions(criterion.text):
            if named.negated or named.condition in view.prevented:
                continue
            condition = conditions()[named.condition]
            clash = [
                other
                for _, other in _criteria(view, "exclusion")
                if _rules_out(condition, named, bare_mentions(other.text))
            ]
            if clash and bare_mentions(criterion.text):
                yield Finding(
                    "inclusion-against-exclusion",
                    "contradiction",
                    where,
                    f"Inclusion `{criterion.id}` asks for {_named(named, condition)}, which "
                    f'exclusion `{clash[0].id}` rules out: "{clash[0].text}".',
                    "Nobody can meet both.",
                    "Remove or narrow one of the two.",
                )
                break


def _title_and_conditions(view: View) -> Iterator[Finding]:
    """Find a condition of the title that is missing among the conditions."""
    study = view.protocol.study
    among = {m.condition for text in study.conditions for m in mentions(text)}
    absent = dict.fromkeys(
        conditions()[mention.condition].name
        for mention in mentions(study.title)
        if mention.condition not in among and not mention.negated
    )
    if absent:
        yield Finding(
            "title-and-conditions-differ",
            "remark",
            "study.conditions",
            f"The title names {listed(absent)}; the conditions are {listed(study.conditions)}.",
            "A search of the registry by condition does not find the trial.",
            "Name the condition of the title among the conditions.",
        )


def _without_criterion(view: View) -> Iterator[Finding]:
    """Find treated conditions that no inclusion establishes."""
    for text in view.protocol.study.conditions:
        known = [m.condition for m in mentions(text)]
        if any(key in view.prevented for key in known):
            continue
        if any(_establishes(view, c, text, known) for _, c in _criteria(view, "inclusion")):
            continue
        yield Finding(
            "condition-without-criterion",
            "gap" if known else "remark",
            "population.inclusion",
            f"The trial treats {text}, but no inclusion criterion asks for it"
            + ("." if known else " in these words."),
            "Anybody who meets the other criteria may enter, and each site will decide for itself "
            "who has the condition.",
            f"Add an inclusion with the published rule that defines {text}, or write under "
            "`concerns` which criterion establishes it.",
        )


def _establishes(view: View, criterion: Criterion, text: str, known: list[str]) -> bool:
    """Whether an inclusion establishes a condition."""
    if any(same_words(text, said) or same_words(said, text) for said in criterion.concerns):
        return True
    texts = [criterion.text, *_endpoint_texts(view, criterion.rule)]
    texts += _accepted_words(criterion.rule)
    found = [m for said in (*texts, *criterion.concerns) for m in mentions(said)]
    if any(mention.condition in known and not mention.negated for mention in found):
        return True
    return not known and any(same_words(text, said) for said in texts)


def _accepted_words(rule: Rule | None) -> list[str]:
    """Give the words that a criterion accepts (`is`)."""
    words: list[str] = []
    for part in _rules(rule):
        if isinstance(part, VariableRule | MeasurementRule | AssessmentRule):
            words += part.is_ or []
    return words


def _endpoint_texts(view: View, rule: Rule | None) -> list[str]:
    """Give the names and labels of the endpoints on which a criterion rests."""
    texts: list[str] = []
    for part in _rules(rule):
        if isinstance(part, EndpointRule) and part.endpoint in view.protocol.endpoints:
            endpoint = view.protocol.endpoints[part.endpoint]
            texts += [part.endpoint.replace("_", " "), endpoint.label]
    return texts


def _rules(rule: Rule | None) -> Iterator[Rule]:
    """Walk through a rule and its parts."""
    if rule is None:
        return
    yield rule
    parts: list[Rule] = []
    if isinstance(rule, AllOf):
        parts = rule.all
    elif isinstance(rule, AnyOf):
        parts = rule.any
    elif isinstance(rule, AtLeastOf):
        parts = rule.of
    elif isinstance(rule, NotRule):
        parts = [rule.not_]
    for part in parts:
        yield from _rules(part)


def _before_condition(view: View) -> Iterator[Finding]:
    """Find criteria for people before transplantation in a trial of what comes after it."""
    late = [c for c in view.conditions.values() if c.arises_after is not None]
    if not late:
        return
    found = [
        (where, criterion)
        for where, criterion in _criteria(view, "inclusion")
        if _BEFORE_TRANSPLANT.search(level(criterion.text)) is not None
    ]
    if not found:
        return
    quoted = listed(f'`{criterion.id}` ("{criterion.text}")' for _, criterion in found)
    earliest = late[0].earliest
    days = f", by the mildest rule on day {earliest}," if earliest is not None else ""
    yield Finding(
        "criterion-before-condition",
        "gap",
        found[0][0],
        f"{quoted} speak of people who are yet to be transplanted, but {late[0].name} arises after "
        f"transplantation{days} and is what the trial treats.",
        "It is open whether people enter before transplantation or once they have the condition; "
        "the denominator of every result differs by it.",
        "Say at which moment eligibility is judged, and word the criteria for that moment.",
    )


def _never_met(view: View) -> Iterator[Finding]:
    """Find criteria whose bounds exclude each other."""
    for kind in ("inclusion", "exclusion"):
        for where, criterion in _criteria(view, kind):
            for rule in _rules(criterion.rule):
                if isinstance(rule, VariableRule | MeasurementRule | AssessmentRule) and _empty(
                    rule
                ):
                    yield Finding(
                        "criterion-never-met",
                        "contradiction",
                        where,
                        f"The bounds of criterion `{criterion.id}` exclude each other: the lower "
                        "one is above the upper one.",
                        "The rule is never true, for nobody.",
                        "Exchange or correct the bounds.",
                    )


def _empty(rule: VariableRule | MeasurementRule | AssessmentRule) -> bool:
    """Whether no number meets the bounds of a rule."""
    low = rule.above or rule.at_least or rule.from_
    high = rule.below or rule.at_most or rule.to
    if low is None or high is None:
        return False
    try:
        least = low.to(high.unit)
    except UnitError:
        return False
    strict = rule.above is not None or rule.below is not None
    return least > high.value or (least == high.value and strict)


def _duplicates(view: View) -> Iterator[Finding]:
    """Find ids that stand twice, among criteria, visits and assumptions."""
    population = view.protocol.population
    kinds = {
        "population": [c.id for c in (*population.inclusion, *population.exclusion)],
        "visits": [visit.id for visit in view.protocol.visits],
        "assumptions": [assumption.id for assumption in view.protocol.assumptions],
    }
    for where, ids in kinds.items():
        for name, times in Counter(ids).items():
            if times > 1:
                yield Finding(
                    "duplicate-id",
                    "contradiction",
                    where,
                    f"The id `{name}` stands {times} times under {where}.",
                    "A record that names it could mean any of them.",
                    "Give each its own id.",
                )


def _narrative(view: View) -> Iterator[Finding]:
    """List the criteria that only a person can judge."""
    found = [
        f"`{criterion.id}`"
        for kind in ("inclusion", "exclusion")
        for _, criterion in _criteria(view, kind)
        if criterion.narrative
    ]
    if found:
        yield Finding(
            "narrative-criteria",
            "remark",
            "population",
            f"{_many(len(found))} text that cannot be computed: {listed(found)}.",
            "Screening leaves them to people, and sites may read them differently.",
            "Give each a threshold (`rule`), or let a person answer for it (`attested: true`).",
        )


def _many(count: int) -> str:
    """Say how many criteria are."""
    return "1 criterion is" if count == 1 else f"{count} criteria are"
