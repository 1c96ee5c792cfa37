"""What published rules say, as data: conditions with their earliest diagnosis, and thresholds."""

from __future__ import annotations

import functools
from importlib.resources import as_file, files
from typing import Any, Literal

from pydantic import TypeAdapter

from stromal.core import Source
from stromal.protocol.fields import Concentration, Duration, Model, Text
from stromal.protocol.timing import Analyte
from stromal.protocol.yaml_reading import read_yaml

__all__ = ["Condition", "Onset", "PublishedBound", "Threshold", "conditions", "thresholds"]


class Onset(Model):
    """One published rule on how early after transplantation a condition can be diagnosed."""

    source: Source
    from_day: Duration | None = None
    lasting: Duration | None = None
    run_days: int | None = None

    @property
    def day(self) -> int | None:
        """First day on which the diagnosis can stand; None where the rule names no day."""
        if self.from_day is None:
            return None
        return int(self.from_day) + int(self.lasting or 0) + max(0, (self.run_days or 1) - 1)


class Qualifier(Model):
    """A word that narrows a condition, and the words it excludes."""

    kind_of: Text | None = None
    opposed_to: list[Text] = []


class Condition(Model):
    """A condition, how it is written, and when it can be diagnosed."""

    name: Text
    words: list[Text]
    abbreviations: dict[str, Text] = {}
    arises_after: Literal["transplantation"] | None = None
    qualifiers: dict[str, Qualifier] = {}
    onset: list[Onset] = []

    @property
    def earliest(self) -> int | None:
        """First day of diagnosis under the mildest rule that names one."""
        return min((rule.day for rule in self.onset if rule.day is not None), default=None)

    def covers(self, wide: str, narrow: str) -> bool:
        """Whether everybody with the qualifier `narrow` has `wide` too."""
        known = self.qualifiers.get(narrow)
        return wide == narrow or (known is not None and known.kind_of == wide)

    def opposed(self, one: str, other: str) -> bool:
        """Whether nobody can be both."""
        known = self.qualifiers.get(one)
        return known is not None and other in known.opposed_to


class PublishedBound(Model):
    """The lower bound of one published rule."""

    source: Source
    above: Concentration | None = None
    at_least: Concentration | None = None


class Threshold(Model):
    """Published lower bounds of one analyte for one purpose."""

    analyte: Analyte
    purpose: Text
    published: list[PublishedBound]


def _table(name: str) -> Any:  # noqa: ANN401
    """Read a data file that lies beside the definitions."""
    with as_file(files("stromal.protocol") / "definitions" / name) as path:
        return read_yaml(path, name=f"definitions/{name}").data


@functools.cache
def conditions() -> dict[str, Condition]:
    """Give the known conditions by name."""
    return TypeAdapter(dict[str, Condition]).validate_python(_table("conditions.yaml"))


@functools.cache
def thresholds() -> dict[str, Threshold]:
    """Give the published thresholds by name."""
    return TypeAdapter(dict[str, Threshold]).validate_python(_table("thresholds.yaml"))
