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

from pydantic import Field, ValidationError

from stromal.analysis.results import Group, Printed, Range, Result
from stromal.core import Fault, ProtocolError, Source
from stromal.protocol.fields import Duration, Model, Name, Text
from stromal.protocol.yaml_reading import read_yaml

__all__ = ["Part", "Published", "compare_printed", "ranges_of", "read_published"]

FILE = "published.yaml"
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
    """One printed number and where its computed counterpart stands."""

    what: Text
    printed: Text
    analysis: Name | None = None
    group: Text = "all"
    statistic: Statistic | None = None
    of: Text | None = None
    at: Duration | None = None
    note: Text | None = None


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
    """Follow a dotted path into JSON."""
    for part in path.split("."):
        content = content[int(part)] if isinstance(content, list) else content[part]
    return float(content)


def compare_printed(published: Published, results: tuple[Result, ...]) -> tuple[Printed, ...]:
    """Set every printed number beside the computed one.

    1. The computed number is rounded to the decimals that are printed; the two are reproduced where
       they then agree.
    2. A printed p value is compared with every test of its analysis: it is reproduced where one of
       them prints it, and the note names all.
    3. A number without an analysis stands alone: nothing here computes it, and the note says why.
    """
    by_id = {result.id: result for result in results}
    return tuple(_compare(number, by_id) for number in published.numbers)


def _compare(number: PublishedNumber, by_id: dict[str, Result]) -> Printed:
    """Compare one number."""
    note = number.note or ""
    if number.analysis is None or number.statistic is None:
        return Printed(number.what, number.printed, None, None, note)
    result = by_id[number.analysis]
    if number.statistic == "p":
        return _compare_p(number, result, note)
    group = next((group for group in result.groups if group.id == number.group), None)
    computed = None if group is None else _computed(number, group)
    if computed is None:
        return Printed(number.what, number.printed, None, None, note)
    decimals = _decimals(number.printed)
    shown = ", ".join(f"{value:.{decimals}f}" for value in computed)
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
    """Look up the computed counterpart."""
    estimate = next(
        (e for e in group.estimates if number.at is None or e.day == int(number.at)), None
    )
    summary = group.summary
    lookup: dict[str, float | int | None] = {"n": group.n}
    if number.of is not None:
        lookup["successes"] = group.levels.get(number.of, 0)
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
    if number.statistic == "values":
        return list(group.values) or None
    value = lookup.get(str(number.statistic))
    return None if value is None else [float(value)]


def _percent(value: float | None) -> float | None:
    """Give a proportion in per cent."""
    return None if value is None else 100 * value


def _decimals(printed: str) -> int:
    """Count the decimals of the first number that is printed."""
    match = re.search(r"\d*\.(\d+)", printed)
    return len(match[1]) if match else 0


def _numbers(text: str) -> list[float]:
    """Read the numbers of a text."""
    return [float(found) for found in re.findall(r"\d+\.\d+|\.\d+|\d+", text)]
