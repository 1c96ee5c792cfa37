"""Findings: what may be true but should not be, kept and reported, never used silently."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["Finding"]


@dataclass(frozen=True, order=True)
class Finding:
    """Something in a protocol or in records that a person should look at.

    Parameters
    ----------
    rule
        Name of the general rule that found it, such as `run-cannot-be-shown`.
    weight
        `contradiction` (two statements cannot both hold), `gap` (something needed is absent) or
        `remark` (unusual, perhaps intended).
    where
        Place: a path in the protocol, or table and record.
    what
        What was found, in one sentence.
    why
        Why it matters for the trial or its result.
    remedy
        What would resolve it.
    participant_id
        Whom it concerns; empty for the protocol.
    """

    rule: str
    weight: Literal["contradiction", "gap", "remark"]
    where: str
    what: str
    why: str
    remedy: str
    participant_id: str = ""
