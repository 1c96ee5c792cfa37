"""One tree of errors, each of which names its place and its remedy.

::

    StromalError
    +-- ProtocolError   the protocol file cannot be read; carries its faults
    +-- RecordError     record files are refused; carries their faults
    +-- UnitError       a number has a unit that does not belong to it
    +-- UsageError      a command or function was asked for something it cannot do
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

__all__ = ["Fault", "ProtocolError", "RecordError", "StromalError", "UnitError", "UsageError"]


@dataclass(frozen=True, order=True)
class Fault:
    """One thing that is wrong with a file, where it is and how to mend it.

    Parameters
    ----------
    file
        The file's name as the user knows it.
    line
        Line of the file, from 1; for a table the line of the row (the header is line 1).
        0 where the fault belongs to the whole file.
    column
        Character (protocol) or name of the column (table); empty where there is none.
    found
        What came.
    expected
        What was expected; empty where `found` already says it.
    remedy
        What the user can do.
    """

    file: str
    line: int
    column: str
    found: str
    expected: str
    remedy: str

    @property
    def place(self) -> str:
        """The place as `file:line:column`, as editors read it."""
        parts = [self.file]
        if self.line:
            parts.append(str(self.line))
        if self.column:
            parts.append(self.column)
        return ":".join(parts)

    def __str__(self) -> str:
        expected = f"; expected {self.expected}" if self.expected else ""
        return f"{self.place}: {self.found}{expected}. {self.remedy}"


class StromalError(Exception):
    """Anything stromal refuses; its text is written for the user."""


class _FaultyFileError(StromalError):
    """A file with faults, all of which are told at once."""

    def __init__(self, faults: Iterable[Fault]) -> None:
        self.faults = tuple(sorted(set(faults)))
        super().__init__("\n".join(str(fault) for fault in self.faults))

    def __reduce__(self) -> tuple[type[_FaultyFileError], tuple[tuple[Fault, ...]]]:
        """Be sent between processes as the faults, not as their text."""
        return type(self), (self.faults,)


class ProtocolError(_FaultyFileError):
    """A protocol file that cannot be read; `faults` says where and why."""


class RecordError(_FaultyFileError):
    """Record files that are refused; `faults` lists every fault of every file."""


class UnitError(StromalError):
    """A number has a unit that does not belong to it."""


class UsageError(StromalError):
    """A command or a function was asked for something it cannot do."""


class PlanError(UsageError):
    """An analysis of a protocol asks for what its endpoint or its tables do not have."""
