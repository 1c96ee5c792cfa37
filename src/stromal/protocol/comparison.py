"""How two definitions of the library differ, in words."""

from __future__ import annotations

import difflib
from typing import Any, NamedTuple, cast

from stromal.core import UsageError
from stromal.protocol.library import definitions

__all__ = ["Difference", "compare_definitions"]

_NAMES = {"definition", "title", "outcome", "sources", "leaves_open"}
_ASPECTS = {
    "analyte": "count",
    "at_least": "lowest count that qualifies",
    "above": "count that must be exceeded",
    "at_most": "highest count that qualifies",
    "below": "count that must not be reached",
    "run": "values in a row",
    "of": "what makes them successive",
    "lasting": "shortest time from first to last value",
    "largest_gap": "largest time between two values",
    "without_transfusion": "freedom from transfusion",
    "without_transfusion.product": "freedom from transfusion of",
    "without_transfusion.when": "freedom from transfusion, when",
    "without_transfusion.for": "freedom from transfusion, how long before",
    "after": "where the search begins",
    "after.nadir_within": "nadir sought up to day",
    "events": "events",
    "lines": "counts that must hold together",
    "start": "earliest day",
}


class Difference(NamedTuple):
    """One aspect in which two definitions differ; `not asked` where one does not speak of it."""

    aspect: str
    first: str
    second: str


def compare_definitions(first: str, second: str) -> list[Difference]:
    """List what two definitions of one family say differently; names and sources apart.

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
    (family, one), (other_family, other) = _known(first), _known(second)
    if family != other_family:
        raise UsageError(
            f"`{first}` defines {family} and `{second}` {other_family}; compare two of one family"
        )
    said, rival = _flat(one), _flat(other)
    return [
        Difference(_ASPECTS.get(key, key.replace("_", " ")), _word(said, key), _word(rival, key))
        for key in dict.fromkeys([*said, *rival])
        if said.get(key) != rival.get(key)
    ]


def _known(name: str) -> tuple[str, dict[str, Any]]:
    """Look a definition up."""
    library = definitions()
    if name not in library:
        close = difflib.get_close_matches(name, library, 1)
        hint = f"did you mean `{close[0]}`?" if close else f"there are: {', '.join(library)}"
        raise UsageError(f"`{name}` is not in the library; {hint}")
    return library[name]


def _flat(content: dict[str, Any], before: str = "") -> dict[str, str]:
    """Flatten a definition to aspects and words."""
    flat: dict[str, str] = {}
    for key, value in content.items():
        if key in _NAMES:
            continue
        if isinstance(value, dict):
            flat |= _flat(cast("dict[str, Any]", value), f"{before}{key}.")
        elif isinstance(value, list):
            flat[before + key] = ", ".join(str(item) for item in cast("list[Any]", value))
        else:
            flat[before + key] = str(value)
    return flat


def _word(flat: dict[str, str], key: str) -> str:
    """Give what a definition says of an aspect."""
    return flat.get(key, "not asked")
