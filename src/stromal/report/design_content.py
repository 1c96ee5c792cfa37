"""What virtual trials showed, read back from the file that `stromal simulate` writes."""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from stromal.core import Fault, ProtocolError
from stromal.design.decision import Decision
from stromal.design.results import ArmFigures, Cell, ThreeRates
from stromal.design.runs import NULL_SCENARIO
from stromal.design.study_folder import SIMULATED_FILE
from stromal.simulate.assumptions import Effect, Spell

__all__ = ["SIMULATED_FILE", "Assumed", "Critical", "Simulated", "Variant", "read_simulated"]

_REMEDY = f"Write it anew with `stromal simulate STUDY -o {SIMULATED_FILE}`, or remove it."
_MOST_FAULTS = 20

Count = Annotated[int, Field(ge=0)]


class _Part(BaseModel):
    """A part of the file; keys that a later version may add are passed over."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Variant(_Part):
    """A variant of the trial: its level on every axis, and the version of its protocol."""

    variant: str
    levels: dict[str, str] = {}
    protocol_version: str


class Assumed(_Part):
    """A scenario: what it says in words, and what it assumes of MSC and of what befalls people."""

    scenario: str
    text: str
    msc: Effect
    spells: list[Spell] = []
    version: str


class Reported(_Part):
    """What every trial reports: a proportion, or a curve on a day. The decision is on it."""

    estimate: Literal["proportion", "survival", "cumulative incidence"] = "proportion"
    day: float | None = None
    label: str
    endpoint: str
    of: list[str]
    interval: str
    confidence: float


class Critical(_Part):
    """The rule for one number of participants analysed."""

    n: Count
    rejects_from: Count | None
    rejects_up_to: Count | None
    nominal_alpha: float


class Simulated(_Part):
    """What `stromal.design.simulation.Run.to_json` gives, with the axes of its grid.

    Parameters
    ----------
    axes
        The levels of every axis in their order; where absent they are taken from the variants, in
        the order in which these come.
    """

    study: str
    data: Literal["synthetic"]
    seed: Count
    trials: Annotated[int, Field(ge=1)]
    parameter_sets: Annotated[int, Field(ge=1)]
    calibrated: bool
    bank: Count
    checksum: str
    variants: Annotated[list[Variant], Field(min_length=1)]
    scenarios: Annotated[list[Assumed], Field(min_length=1)]
    statements: Annotated[list[str], Field(min_length=1)]
    decision: Decision
    analysis: Reported
    monte_carlo_confidence: Annotated[float, Field(gt=0, lt=1)]
    critical_numbers: list[Critical] | None
    rates: list[ThreeRates]
    cells: list[Cell]
    axes: dict[str, list[str]] = {}

    @classmethod
    def of(cls, content: Mapping[str, Any], *, name: str = SIMULATED_FILE) -> Simulated:
        """Read the content of a file.

        Raises
        ------
        ProtocolError
            With a fault for each thing that is wrong.
        """
        try:
            return cls.model_validate(content)
        except ValidationError as error:
            raise ProtocolError(_faults(error, name)) from error

    @model_validator(mode="after")
    def _belong_together(self) -> Simulated:
        wanted = {(s.scenario, v.variant) for s in self.scenarios for v in self.variants}
        found = [(cell.scenario, cell.variant) for cell in self.cells]
        if len(found) != len(wanted) or set(found) != wanted:
            raise ValueError("`cells` holds not each scenario under each variant once")
        if NULL_SCENARIO not in {one.scenario for one in self.scenarios}:
            raise ValueError(f"`scenarios` lacks the scenario `{NULL_SCENARIO}`")
        told = [rate.variant for rate in self.rates]
        if sorted(told) != sorted(one.variant for one in self.variants):
            raise ValueError("`rates` holds not each variant once")
        if any(set(one.levels) != set(self.levels) for one in self.variants):
            raise ValueError("the `levels` of a variant are not those of the axes")
        placed = [self.place(one) for one in self.variants]
        allowed = set(itertools.product(*self.levels.values()))
        if len(set(placed)) < len(placed) or not allowed.issuperset(placed):
            raise ValueError("`variants` do not lie on the axes, each at a place of its own")
        return self

    @model_validator(mode="after")
    def _decides_on_what_is_reported(self) -> Simulated:
        kind = {"log-rank": "survival", "gray": "cumulative incidence"}.get(
            self.decision.test, "proportion"
        )
        if self.analysis.estimate != kind or (self.analysis.day is None) == self.decision.timed:
            raise ValueError(
                f"`{self.decision.test}` is on a {kind}, with a `day` where that is a curve; "
                "`analysis` is of another kind"
            )
        return self

    @model_validator(mode="after")
    def _shares_are_shares(self) -> Simulated:
        for cell in self.cells:
            if not {*self.decided_arms} <= {arm.arm for arm in cell.arms}:
                raise ValueError("a cell lacks an arm that the decision is on")
            shares = [cell.rejecting, cell.nominal_alpha, *(a.success_rate for a in cell.arms)]
            shares += [truth.rate for arm in cell.arms for truth in arm.truths]
            if not all(0 <= one.value <= 1 for one in shares if one.value is not None):
                raise ValueError("a share is a number from 0 to 1")
        return self

    @property
    def levels(self) -> dict[str, list[str]]:
        """The axes with their levels in order; none where there is one variant without levels."""
        if self.axes:
            return self.axes
        found: dict[str, dict[str, None]] = {}
        for one in self.variants:
            for axis, level in one.levels.items():
                found.setdefault(axis, {})[level] = None
        return {axis: list(levels) for axis, levels in found.items()}

    @property
    def decided_arms(self) -> tuple[str, ...]:
        """The experimental arm and, for two arms, the control."""
        rule = self.decision
        first = rule.experimental or (self.cells[0].arms[0].arm if self.cells[0].arms else "")
        return (first,) if rule.control is None else (first, rule.control)

    @property
    def effects(self) -> list[Assumed]:
        """The scenarios in which MSC have an effect, or may have one."""
        return [one for one in self.scenarios if one.scenario != NULL_SCENARIO]

    def place(self, variant: Variant) -> tuple[str, ...]:
        """Give the levels of a variant in the order of the axes."""
        return tuple(variant.levels[axis] for axis in self.levels)

    def rate(self, variant: str) -> ThreeRates:
        """Give the three rates of a variant without an effect of MSC."""
        return next(one for one in self.rates if one.variant == variant)

    def cell(self, scenario: str, variant: str) -> Cell:
        """Give the cell of a scenario and a variant."""
        return next(c for c in self.cells if (c.scenario, c.variant) == (scenario, variant))

    def null_arm(self, cell: Cell) -> ArmFigures:
        """Give the arm whose rate is the null rate: the control, or the only arm decided on."""
        return next(arm for arm in cell.arms if arm.arm == self.decided_arms[-1])


def read_simulated(study: Path) -> Simulated | None:
    """Read what virtual trials of a study showed, where its folder holds the file.

    Parameters
    ----------
    study
        The study folder, or its protocol file.

    Raises
    ------
    ProtocolError
        The file cannot be read, is no JSON, or does not hold what `stromal simulate` writes.
    """
    folder = study.parent if study.is_file() else study
    file = folder / SIMULATED_FILE
    if not file.exists():
        return None
    try:
        content = json.loads(
            file.read_text(encoding="utf-8"), parse_float=_finite, parse_constant=_finite
        )
    except OSError as error:
        raise _fault(f"cannot be read ({error.strerror or error})") from error
    except UnicodeDecodeError as error:
        raise _fault("is no text in UTF-8") from error
    except json.JSONDecodeError as error:
        raise _fault(f"is no JSON ({error.msg})", error.lineno, str(error.colno)) from error
    except (ValueError, RecursionError) as error:
        raise _fault(f"is no JSON that can be used ({error})") from error
    if not isinstance(content, dict):
        raise _fault("holds no mapping of keys")
    return Simulated.of(content)  # pyright: ignore[reportUnknownArgumentType]


def _finite(written: str) -> float:
    """Read a number, and refuse what is none."""
    number = float(written)
    if not math.isfinite(number):
        raise ValueError(f"`{written}` is no number")
    return number


def _fault(found: str, line: int = 0, column: str = "") -> ProtocolError:
    """Tell that the file as a whole is of no use."""
    expected = "the JSON that `stromal simulate` writes"
    return ProtocolError([Fault(SIMULATED_FILE, line, column, found, expected, _REMEDY)])


def _faults(error: ValidationError, name: str) -> Iterator[Fault]:
    """Tell what is wrong, each thing with its place."""
    for one in error.errors()[:_MOST_FAULTS]:
        place = ".".join(str(part) for part in one["loc"])
        found = one["msg"].removeprefix("Value error, ")
        yield Fault(name, 0, place, found[:1].lower() + found[1:], "", _REMEDY)
