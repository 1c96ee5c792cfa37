"""Published numbers of a study folder: what they determine, and the same numbers computed here.

`published.yaml` in a study folder holds the numbers a publication prints, as data of that study.
For reconstructed records it also says which statistics those numbers determine: nothing else of a
reconstruction is shown, except as a range over all data sets that print the same numbers.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError, model_validator

from stromal.analysis.results import Group, Printed, Range, Result
from stromal.core import Fault, ProtocolError, Source, UsageError
from stromal.protocol.fields import Duration, Measure, Model, Name, Text
from stromal.protocol.yaml_reading import read_yaml

__all__ = ["Part", "Published", "compare_printed", "ranges_of", "read_published"]

FILE = "published.yaml"
_NUMBER = re.compile(r"\d+\.\d+|\.\d+|\d+")
_UNITS = {"time": "d", "cells": "1", "cells per mass": "/kg"}
Part = Literal[
    "value", "standard error", "interval", "curve", "median", "quartiles", "range", "comparisons",
    "levels", "values",
]  # fmt: skip
Statistic = Literal[
    "n", "successes", "value", "percent", "standard error percent", "low percent", "high percent",
    "median", "mean", "minimum", "maximum", "values", "p",
]  # fmt: skip


class PublishedRange(Model):
    """A statistic's range over consistent data sets, read from a JSON file of the study folder."""

    analysis: Name
    statistic: Text
    file: Text
    low: Text
    high: Text
    over: Text


class PublishedNumber(Model):
    """What a publication prints, and where its computed counterpart stands.

    `statistic` names one number of an analysis, or one for each number that is printed. `per` gives
    the unit of the printed numbers where it differs from that of the computed ones: `1 mo` for days
    printed as months, `1e6 /kg` for cells per kg printed in millions.
    """

    what: Text
    printed: Text
    analysis: Name | None = None
    group: Text = "all"
    statistic: Statistic | list[Statistic] | None = None
    per: Measure | None = None
    of: Text | None = None
    at: Duration | None = None
    note: Text | None = None

    @model_validator(mode="after")
    def _unit_is_known(self) -> PublishedNumber:
        if self.per is not None and (self.per.dimension not in _UNITS or self.per.value <= 0):
            raise ValueError("`per` is a time, cells or cells per kg, such as '1 mo' or '1e6 /kg'")
        return self


class Published(Model):
    """The published numbers of a study."""

    source: Source
    determines: dict[Name, list[Part]] = {}
    ranges: list[PublishedRange] = []
    numbers: list[PublishedNumber] = Field(default=[])


def read_published(study: Path) -> Published | None:
    """Read `published.yaml` of a study folder; None where there is none.

    Raises
    ------
    ProtocolError
        The file is faulty.
    """
    file = study / FILE
    if not file.exists():
        return None
    located = read_yaml(file, name=FILE)
    data: Any = located.data
    try:
        return Published.model_validate(data)
    except ValidationError as error:
        raise ProtocolError(
            [
                Fault(FILE, 0, ".".join(map(str, detail["loc"])), str(detail["msg"]), "",
                      "Mend this entry.")
                for detail in error.errors()
            ]
        ) from error  # fmt: skip


def ranges_of(published: Published, analysis: str, study: Path) -> tuple[Range, ...]:
    """Read the ranges of one analysis from the study's JSON files."""
    found: list[Range] = []
    for entry in published.ranges:
        if entry.analysis != analysis:
            continue
        content = json.loads((study / entry.file).read_text(encoding="utf-8"))
        low, high = _at(content, entry.low), _at(content, entry.high)
        found.append(Range(entry.statistic, low, high, entry.over))
    return tuple(found)


def _at(content: Any, path: str) -> float:  # noqa: ANN401
    """Follow a dotted path of names into JSON."""
    for part in path.split("."):
        content = content[part]
    return float(content)


def compare_printed(published: Published, results: tuple[Result, ...]) -> tuple[Printed, ...]:
    """Set every printed number beside the computed one.

    1. Each computed number is rounded to the decimals of the number printed in its place; the two
       texts are reproduced where all their numbers then agree.
    2. A printed p value is compared with every test of its analysis: it is reproduced where one of
       them prints it, and the computed text names all.
    3. A number without an analysis stands alone: nothing here computes it, and the note says why.

    Raises
    ------
    UsageError
        A number names an analysis that the protocol does not have.
    """
    by_id = {result.id: result for result in results}
    return tuple(_compare(number, by_id) for number in published.numbers)


def _compare(number: PublishedNumber, by_id: dict[str, Result]) -> Printed:
    """Compare what is printed in one place."""
    note = number.note or ""
    if number.analysis is None or number.statistic is None:
        return Printed(number.what, number.printed, None, None, note)
    if number.analysis not in by_id:
        raise UsageError(
            f"{FILE} compares '{number.what}' with the analysis `{number.analysis}`, which the "
            f"protocol does not have; name one of {', '.join(by_id)}"
        )
    result = by_id[number.analysis]
    if number.statistic == "p":
        return _compare_p(number, result, note)
    group = next((group for group in result.groups if group.id == number.group), None)
    computed = None if group is None else _computed(number, group)
    if computed is None:
        return Printed(number.what, number.printed, None, None, note)
    shown = _as_printed(computed, number.printed)
    same = _numbers(number.printed) == _numbers(shown)
    return Printed(number.what, number.printed, shown, same, note)


def _compare_p(number: PublishedNumber, result: Result, note: str) -> Printed:
    """Compare a printed p value with every test of its analysis."""
    decimals = _decimals(number.printed)
    tests = [(test.method, test.p_value) for test in result.comparisons if test.p_value is not None]
    if not tests:
        return Printed(number.what, number.printed, None, None, note)
    shown = "; ".join(f"{method} {p:.{decimals}f}" for method, p in tests)
    same = any(_numbers(f"{p:.{decimals}f}") == _numbers(number.printed) for _, p in tests)
    return Printed(number.what, number.printed, shown, same, note)


def _computed(number: PublishedNumber, group: Group) -> list[float] | None:
    """Look up the computed counterparts, in the unit that is printed."""
    lookup = _lookup(number, group)
    statistics = number.statistic if isinstance(number.statistic, list) else [number.statistic]
    found: list[float | int | None] = []
    for statistic in statistics:
        found += group.values if statistic == "values" else [lookup.get(str(statistic))]
    known = [value for value in found if value is not None]
    if not known or len(known) < len(found):
        return None
    unit = 1.0 if number.per is None else number.per.to(_UNITS[number.per.dimension])
    return [float(value) / unit for value in known]


def _lookup(number: PublishedNumber, group: Group) -> dict[str, float | int | None]:
    """Give the numbers of a group by the name that `statistic` gives them."""
    estimate = next(
        (e for e in group.estimates if number.at is None or e.day == int(number.at)), None
    )
    summary = group.summary
    lookup: dict[str, float | int | None] = {"n": group.n}
    if number.of is not None:
        lookup["successes"] = group.levels.get(number.of, 0) if group.levels else None
    elif estimate is not None:
        lookup["successes"] = estimate.events
    if estimate is not None:
        lookup |= {
            "value": estimate.value,
            "percent": _percent(estimate.value),
            "standard error percent": _percent(estimate.standard_error),
            "low percent": _percent(estimate.low),
            "high percent": _percent(estimate.high),
        }
    if summary is not None:
        lookup |= {"median": summary.median, "minimum": summary.low, "maximum": summary.high}
        lookup["mean"] = summary.mean
    return lookup


def _percent(value: float | None) -> float | None:
    """Give a proportion in per cent."""
    return None if value is None else 100 * value


def _as_printed(computed: list[float], printed: str) -> str:
    """Write computed numbers in the places, and with the decimals, of the printed ones."""
    places = _NUMBER.findall(printed)
    if len(places) != len(computed):
        return ", ".join(f"{value:g}" for value in computed)
    values = iter(computed)
    return _NUMBER.sub(lambda place: f"{next(values):.{_decimals(place[0])}f}", printed)


def _decimals(printed: str) -> int:
    """Count the decimals of the first number that is printed."""
    match = _NUMBER.search(printed)
    return len(match[0].partition(".")[2]) if match else 0


def _numbers(text: str) -> list[float]:
    """Read the numbers of a text."""
    return [float(found) for found in _NUMBER.findall(text)]
