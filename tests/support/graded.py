"""One assessment under a grading of the library, for tables of cases worked out by hand."""

import functools

import polars as pl

from stromal.endpoints.grading import grade
from stromal.protocol.library import grading

__all__ = ["Graded", "graded"]


class Graded(dict):
    """The row that `grade` gives, by column."""

    @property
    def grade(self):
        """The grade; None where it is not decided."""
        return self["grade"]

    @property
    def could_be(self):
        """The grades that it could have."""
        return self["could_be"]

    @property
    def unknown(self):
        """What was not recorded and could decide, sorted."""
        return sorted(self["unknown"])


_definition = functools.cache(grading)


def graded(name: str, /, **recorded: float | str) -> Graded:
    """Grade one assessment in which only these items are recorded."""
    frame = pl.DataFrame({"participant_id": ["P1"], **{k: [v] for k, v in recorded.items()}})
    return Graded(grade(frame, _definition(name)).row(0, named=True))
