"""Conditions in plain text: spelling, qualifiers, negation and word boundaries."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable
from dataclasses import dataclass

from stromal.protocol.consistency.published import Condition, conditions

__all__ = [
    "COUNTS",
    "Mention",
    "bare_mentions",
    "in_words",
    "level",
    "listed",
    "mentions",
    "same_words",
]

COUNTS = {
    "ANC": "neutrophils",
    "PLT": "platelets",
    "Hb": "haemoglobin",
    "WBC": "leucocytes",
    "ARC": "reticulocytes",
    "ALC": "lymphocytes",
}
"""Analytes in words."""

_SPELLINGS = (
    (r"[\u2010-\u2015\u2212]", "-"),
    (r"anemi", "anaemi"),
    (r"\bhem(?=at|o)", "haem"),
    (r"leukemi", "leukaemi"),
    (r"tumor", "tumour"),
    (r"\bpediatric", "paediatric"),
    (r"graft[\s-]+(?:versus|vs\.?|v\.?)[\s-]+host", "graft-versus-host"),
    (r"\bnon[\s-]*(?=severe\b)", "non-"),
    (r"\bnot severe\b", "non-severe"),
    (r"\bsteroid[\s-]+(?=refractory|sensitive)", "steroid-"),
    (r"\s+", " "),
)
_BETWEEN = (
    "acquired", "idiopathic", "refractory", "relapsed", "newly diagnosed", "paediatric",
    "childhood", "adult", "and", "or", "to", "/", ",",
)  # fmt: skip
_NEGATION = re.compile(
    r"(?<![\w-])(?:no|not|without|absence of|free of|free from|excluding|except|except for|"
    r"other than|never|neither|nor)"
    r"(?: (?:any|a|an|the|known|active|prior|previous|history|of|evidence|diagnosis|diagnosed|with|"
    r"as|having|current|presence|signs|had|has|have|suffering|from|be|being|been))* $"
)
_FILLER = re.compile(
    r"^(?:(?:patients?|participants?|subjects?|children|adults|those|people|known|with|who|have|has|"
    r"had|a|an|the|any|diagnosis|diagnosed|confirmed|of|as|presence|active|current)\b ?)*$"
)


@dataclass(frozen=True)
class Mention:
    """A condition named in a text.

    Parameters
    ----------
    condition
        Key of the condition among the known ones.
    qualifiers
        The qualifiers written beside it, such as `severe`.
    start, end
        Where it stands in the levelled text, qualifiers included.
    negated
        Whether the text says that it is absent.
    """

    condition: str
    qualifiers: frozenset[str]
    start: int
    end: int
    negated: bool


def level(text: str) -> str:
    """Level spelling, hyphens, case and blanks, and write abbreviations out.

    Examples
    --------
    >>> level("Non Severe Aplastic Anemia (NSAA)")
    'non-severe aplastic anaemia (non-severe aplastic anaemia)'
    """
    for short, full in _abbreviations():
        text = re.sub(rf"(?<![\w-]){re.escape(short)}(?![\w-])", full, text)
    text = text.lower()
    for pattern, replacement in _SPELLINGS:
        text = re.sub(pattern, replacement, text)
    return text.strip()


@functools.cache
def _abbreviations() -> tuple[tuple[str, str], ...]:
    """Give abbreviations with what they stand for, the longest first."""
    found: list[tuple[str, str]] = []
    for condition in conditions().values():
        for short, qualifier in condition.abbreviations.items():
            full = condition.name if qualifier == "none" else f"{qualifier} {condition.name}"
            found.append((short, full))
    return tuple(sorted(found, key=lambda pair: -len(pair[0])))


def _any_of(words: Iterable[str], ending: str = "") -> str:
    """Make a pattern for any of these words, the longest first, at word boundaries."""
    parts = "|".join(re.escape(word) for word in sorted(words, key=len, reverse=True))
    return rf"(?<![\w-])(?:{parts}){ending}(?![\w-])"


def mentions(text: str) -> list[Mention]:
    """Find the known conditions in a text, with qualifiers and negation.

    1. The text is levelled (`anemia` and `anaemia` are one word; `SAA` is written out).
    2. `non-severe` is a word of its own and never contains `severe`.
    3. Qualifiers stand before the condition (`severe or very severe acquired ...`) or after it
       (`..., severe`; `... that is non-severe`).
    4. A mention is negated by `no`, `not`, `without`, `except` and the like in front of it.
    """
    levelled = level(text)
    found = [
        _mention(key, condition, levelled, match.start(), match.end())
        for key, condition in conditions().items()
        for match in re.finditer(_any_of(condition.words, "s?"), levelled)
    ]
    return sorted(found, key=lambda mention: mention.start)


def _mention(key: str, condition: Condition, text: str, start: int, end: int) -> Mention:
    """Gather the qualifiers around a condition that stands at start to end."""
    qualifiers: set[str] = set()
    if condition.qualifiers:
        one = _any_of(condition.qualifiers)
        between = "|".join(rf"(?<![\w-]){re.escape(word)}(?![\w-])" for word in _BETWEEN[:-2])
        before = re.search(rf"(?:(?:{one}|{between}|[/,]) ?)+$", text[:start])
        if before is not None and re.search(one, before[0]):
            qualifiers |= set(re.findall(one, before[0]))
            first = re.search(one, before[0])
            start = before.start() + (first.start() if first is not None else 0)
        after = re.match(
            rf" ?\(({one})\)|, ({one})(?= ?(?:$|[;.)]))|,? (?:that|which|who) (?:is|are) ({one})",
            text[end:],
        )
        if after is not None:
            qualifiers |= set(re.findall(one, after[0]))
            end += after.end()
    negated = _NEGATION.search(re.split(r"[.;:]", text[:start])[-1]) is not None
    return Mention(key, frozenset(qualifiers), start, end, negated)


def bare_mentions(text: str) -> list[Mention]:
    """Find the mentions that stand alone, as an item of a list that names nothing more.

    In `severe aplastic anaemia, pregnancy` the condition stands alone; in `severe aplastic anaemia
    with a matched sibling donor` it does not.
    """
    levelled = level(text)
    found = mentions(text)
    marked = levelled
    for number, mention in reversed(list(enumerate(found))):
        marked = f"{marked[: mention.start]}\x00{number}\x00{marked[mention.end :]}"
    marked = re.sub(r"(\x00\d+\x00) ?\((?:\x00\d+\x00)\)", r"\1", marked)
    bare: list[Mention] = []
    for item in re.split(r"[,;.]| or | and/or |^\d+[.)] ", marked):
        alone = re.fullmatch(r"(.*?)\x00(\d+)\x00", item.strip())
        if alone is not None and _FILLER.fullmatch(alone[1]) is not None:
            bare.append(found[int(alone[2])])
    return [mention for mention in bare if not mention.negated]


def same_words(one: str, other: str) -> bool:
    """Whether two texts are the same once levelled, or one stands in the other as whole words."""
    first, second = level(one), level(other)
    return bool(first) and (
        re.search(rf"(?<![\w-]){re.escape(first)}s?(?![\w-])", second) is not None
    )


def listed(items: Iterable[str], *, last: str = "and") -> str:
    """Write a list as people do: `a, b and c`."""
    parts = list(items)
    if len(parts) < 2:
        return "".join(parts)
    return f"{', '.join(parts[:-1])} {last} {parts[-1]}"


def in_words(days: int) -> str:
    """Write a duration for people.

    Examples
    --------
    >>> in_words(56), in_words(40), in_words(1)
    ('8 weeks (56 days)', '40 days', '1 day')
    """
    if days >= 14 and days % 7 == 0:
        return f"{days // 7} weeks ({days} days)"
    return "1 day" if days == 1 else f"{days} days"
