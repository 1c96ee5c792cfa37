"""Where a definition, a method or a number comes from."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

__all__ = ["Source"]

Seen = Literal[
    "full text", "in part", "table", "label", "record", "abstract", "secondary", "unverified"
]


class Source(BaseModel):
    """A citation and how much of it was read.

    Parameters
    ----------
    text
        Authors or organisation, year, title or place, as a reader would look it up.
    doi, url
        Where it is found.
    seen
        What was read: the full text, a part of it, the table itself, a drug label, a registry
        record, the abstract, or another page that restates it. `unverified` means nobody read it; a
        definition marked so is offered as a choice and never used unless a protocol names it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    text: str
    doi: str | None = None
    url: str | None = None
    seen: Seen

    def __str__(self) -> str:
        where = f" doi:{self.doi}" if self.doi else f" {self.url}" if self.url else ""
        return f"{self.text}{where} [{self.seen}]"
