"""Names in records and protocols, as people read them."""

from __future__ import annotations

import re
from collections.abc import Iterable

__all__ = ["PRODUCT_WORDS", "humanise", "sentence", "spell_out"]

_SPELLED = {
    "agvhd": "aGVHD",
    "cgvhd": "cGVHD",
    "gvhd": "GVHD",
    "cmv": "CMV",
    "ebv": "EBV",
    "msc": "MSC",
    "hsct": "HSCT",
    "atg": "ATG",
    "ratg": "rATG",
    "ist": "IST",
    "kps": "KPS",
    "anc": "ANC",
    "plt": "PLT",
    "hb": "Hb",
    "os": "OS",
    "dfs": "DFS",
    "ffs": "FFS",
    "pcr": "PCR",
    "ptld": "PTLD",
    "hla": "HLA",
    "gcsf": "G-CSF",
    "cd34": "CD34",
    "bm": "bone-marrow",
    "uc": "umbilical-cord",
    "ucmsc": "umbilical-cord MSC",
}
PRODUCT_WORDS = {
    "platelets": "Platelets",
    "red_cells": "Red cells",
    "granulocytes": "Granulocytes",
    "plasma": "Plasma",
}
"""Blood products as they are shown."""


def humanise(name: str) -> str:
    """Write a name of the records as words: `cmv_reactivation` is `CMV reactivation`.

    Examples
    --------
    >>> humanise("cmv_reactivation"), humanise("E. coli bacteraemia")
    ('CMV reactivation', 'E. coli bacteraemia')
    """
    if not re.fullmatch(r"[A-Za-z0-9_-]+", name):
        return name
    return " ".join(_SPELLED.get(part.lower(), part) for part in name.split("_") if part)


def spell_out(text: str, names: Iterable[str]) -> str:
    """Write the names that stand in a sentence as words: those given, and all with underscores.

    Examples
    --------
    >>> spell_out("no infusion of ucmsc given", ["ucmsc"])
    'no infusion of umbilical-cord MSC given'
    >>> spell_out("cmv_reactivation (day 31) -> cmv_disease (day 44).", [])
    'CMV reactivation (day 31) → CMV disease (day 44).'
    """
    text = text.replace(" -> ", " → ")
    text = re.sub(r"\b[A-Za-z0-9]+(?:_[A-Za-z0-9]+)+\b", lambda found: humanise(found[0]), text)
    text = re.sub(r"\b(?:[ac]?gvhd|cmv|ebv|r?atg)\b", lambda found: _SPELLED[found[0]], text)
    for name in names:
        text = re.sub(rf"\b{re.escape(name)}\b", lambda found: humanise(found[0]), text)
    return text


def sentence(text: str) -> str:
    """Begin a text with a capital, unless its first word is written in its own way.

    Examples
    --------
    >>> sentence("late infusion"), sentence("aGVHD")
    ('Late infusion', 'aGVHD')
    """
    first = text.split(" ", 1)[0]
    return text if any(sign.isupper() for sign in first) else text[:1].upper() + text[1:]
