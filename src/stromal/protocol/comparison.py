"""How definitions of the library differ, in words."""

from __future__ import annotations

import difflib
from typing import NamedTuple

from stromal.core import UsageError
from stromal.protocol.definition import Definition
from stromal.protocol.grading import Grading
from stromal.protocol.grading_comparison import (
    NOT_ASKED,
    Difference,
    compare_gradings,
    differences,
)
from stromal.protocol.library import FAMILIES, definitions
from stromal.protocol.wording import describe_definition

__all__ = [
    "Difference",
    "SideBySide",
    "compare_definitions",
    "compare_outcome",
    "known_definition",
]


class SideBySide(NamedTuple):
    """One aspect of several definitions: what is said of it, and by which of them."""

    aspect: str
    said: dict[str, list[str]]


def known_definition(name: str) -> tuple[str, Definition]:
    """Look a definition of the library up: its family and its validated rule.

    Raises
    ------
    UsageError
        It is not in the library.
    """
    library = definitions()
    if name not in library:
        close = difflib.get_close_matches(name, library, 1)
        hint = f"did you mean `{close[0]}`?" if close else f"there are: {', '.join(library)}"
        raise UsageError(f"`{name}` is not in the library; {hint}")
    family, content = library[name]
    return family, FAMILIES[family].model_validate(content)


def compare_definitions(first: str, second: str) -> list[Difference]:
    """List what two definitions of one family say differently; names and sources apart.

    1. Aspects are those of `stromal.protocol.wording.describe_definition`.
    2. Two gradings are compared by `stromal.protocol.grading_comparison.compare_gradings`.

    Parameters
    ----------
    first, second
        Names in the library.

    Returns
    -------
    list of Difference
        In the order of the first definition; empty where both say the same.

    Raises
    ------
    UsageError
        A name is not in the library, or the two define different things.

    Examples
    --------
    >>> for aspect, one, other in compare_definitions("CIBMTR_ANC", "ASTCT_2021_ANC"):
    ...     print(f"{aspect}: {one} / {other}")
    what makes them successive: values on different days / consecutive days
    largest time between two values: none / not asked
    """
    (family, one), (other_family, other) = known_definition(first), known_definition(second)
    if family != other_family:
        raise UsageError(
            f"`{first}` defines {family} and `{second}` {other_family}; compare two of one family"
        )
    if isinstance(one, Grading) and isinstance(other, Grading):
        return compare_gradings(one, other)
    return differences(describe_definition(family, one), describe_definition(family, other))


def compare_outcome(outcome: str) -> list[SideBySide]:
    """Set all definitions of an outcome side by side, aspect by aspect.

    Returns
    -------
    list of SideBySide
        First the aspects in which they differ, then those in which all are alike. The family is
        the first aspect where the definitions are of several.

    Raises
    ------
    UsageError
        No definition of the library has that outcome.
    """
    library = definitions()
    names = [name for name, (_, content) in library.items() if content.get("outcome") == outcome]
    if not names:
        known = list(dict.fromkeys(str(c["outcome"]) for _, c in library.values()
                                   if c.get("outcome")))  # fmt: skip
        close = difflib.get_close_matches(outcome, [*known, *library], 1)
        hint = f"did you mean `{close[0]}`? " if close else ""
        raise UsageError(
            f"no definition of the library has the outcome `{outcome}`; {hint}"
            f"there are: {', '.join(known) or 'none'}"
        )
    told: dict[str, dict[str, str]] = {}
    for name in names:
        family, rule = known_definition(name)
        told[name] = {"family": family.replace("_", " ")} | dict(describe_definition(family, rule))
    aspects = dict.fromkeys(aspect for said in told.values() for aspect in said)
    rows = [SideBySide(aspect, _by_answer(told, aspect)) for aspect in aspects]
    return sorted(rows, key=lambda row: len(row.said) == 1)


def _by_answer(told: dict[str, dict[str, str]], aspect: str) -> dict[str, list[str]]:
    """Group definitions by what they say of an aspect."""
    answers: dict[str, list[str]] = {}
    for name, said in told.items():
        answers.setdefault(said.get(aspect, NOT_ASKED), []).append(name)
    return answers
