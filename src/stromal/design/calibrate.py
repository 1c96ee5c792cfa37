"""Calibration by history matching: which parameter sets the published figures do not rule out.

`python -m stromal.design.calibrate --seed 1 --keep 300 -o src/stromal/simulate/calibrated.csv`
makes the sets that come with stromal, and beside them the file of their summaries.
"""

from __future__ import annotations

import argparse
import functools
import math
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib.resources import as_file, files
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, cast

import numpy as np
import numpy.typing as npt
import polars as pl
from pydantic import Field, TypeAdapter, model_validator
from scipy.stats import qmc  # pyright: ignore[reportMissingTypeStubs]

from stromal.core import Source, UsageError
from stromal.design.untreated import Summary, live_untreated, summarise
from stromal.protocol.fields import Model, Text
from stromal.protocol.yaml_reading import read_yaml
from stromal.simulate.assumptions import Override
from stromal.simulate.calibrated import SPREAD
from stromal.simulate.parameters import Parameter
from stromal.simulate.population import overridden

__all__ = [
    "RANGES",
    "Calibration",
    "Range",
    "Target",
    "calibrate",
    "distance",
    "main",
    "summaries_beside",
    "targets",
    "try_set",
    "values_of",
    "write_sets",
]

Points = npt.NDArray[np.float64]

FIRST_WAVE = 256
WAVE = 128
_NEAREST = 40
_INFLATION = 1.2
_FIRST_LOOK, _PLAINLY = 5, 3.0
_FEW_DIGITS = 4


class Target(Model):
    """What a summary of untreated transplants is asked to be; see `targets.yaml`."""

    meaning: Text
    unit: Text
    low: float
    high: float
    fitted: Literal["yes", "no"]
    published: Text
    basis: Text
    source: Source
    reached: Annotated[Text | None, Field(description="why it is not fitted")] = None

    @model_validator(mode="after")
    def _ordered(self) -> Target:
        if self.low >= self.high:
            raise ValueError("`low` lies below `high`")
        if (self.fitted == "no") != (self.reached is not None):
            raise ValueError("a target that is not fitted says why under `reached`, and no other")
        return self


class Range(NamedTuple):
    """Between what a parameter is looked for, and why."""

    low: float
    high: float
    reason: str


RANGES: Mapping[str, Range] = {
    "graft_output": Range(0.001, 0.02, "recovery of neutrophils in 10 to 20 days at this growth"),
    "graft_output.spread": Range(0.3, 1.2, "quartiles of recovery 3 to 6 days apart"),
    "expansion": Range(0.2, 0.45, "doubling in 1.5 to 3.5 days"),
    "platelet_maturation": Range(4, 12, "about the 7 days that models of thrombopoiesis use"),
    "platelet_drive": Range(1, 8, "production without platelets 2 to 9 times the normal"),
    "platelet_loss": Range(7.1, 25, "the published loss of the healthy; the sick lose more"),
    "niche_capacity": Range(0.5, 1.0, "half of health to health"),
    "niche_damaged": Range(0.04, 0.3, "poor graft function in 5 to 11 %, and some recover before"),
    "damaged_capacity": Range(0.003, 0.06, "a normal drive keeps all lines up from 0.06 on"),
    "damaged_capacity.spread": Range(0.2, 1.0, "not known"),
    "niche_repair": Range(0.0002, 0.006, "from no recovery in half a year to recovery in days"),
    "niche_repair.spread": Range(0.5, 2.5, "some recover by themselves and some never"),
    "hb_at_start": Range(75, 105, "after conditioning; the start value is 95"),
    "infection": Range(0.0003, 0.004, "a few per cent to a third in 100 days"),
    "infection_neutropenic": Range(0.01, 0.06, "infection in a fifth to a half of neutropenias"),
    "death": Range(0.0001, 0.001, "2 to 17 % in 180 days"),
    "death_infected": Range(0.0005, 0.015, "0.3 to 10 % of an infection of 7 days"),
    "death_neutropenic": Range(0.001, 0.05, "1 to 30 % of an infection without neutrophils"),
    "refractory": Range(0.1, 0.5, "about the share of a quarter at the start"),
    "blood_drawn": Range(0.003, 0.012, "15 to 60 mL a draw of 5 L"),
    "bleeding": Range(0.003, 0.03, "15 to 150 mL a day without platelets"),
}
"""Where each calibrated parameter is looked for, evenly on the scale of its logarithm."""


@functools.cache
def targets() -> dict[str, Target]:
    """Read the targets, in the order of the file."""
    with as_file(files("stromal.design") / "targets.yaml") as path:
        content = cast("dict[str, Any]", read_yaml(path, name=path.name).data)
    return TypeAdapter(dict[str, Target]).validate_python(content)


# --- one parameter set -------------------------------------------------------------------------


def values_of(point: Mapping[str, float]) -> dict[str, Parameter]:
    """Give the parameters with those of a set; a column `<name>.spread` is a spread."""
    found: dict[str, dict[str, float]] = {}
    for column, number in point.items():
        name = column.removesuffix(SPREAD)
        found.setdefault(name, {})["spread" if column != name else "value"] = number
    return overridden({name: Override.model_validate(parts) for name, parts in found.items()})


def try_set(
    point: Mapping[str, float], *, seed: int, biology: int, size: int
) -> dict[str, Summary]:
    """Simulate untreated transplants under a parameter set and summarise them."""
    return summarise(*live_untreated(values_of(point), seed, biology, size))


def distance(summaries: Mapping[str, Summary], errors: float = 1.0) -> float:
    """Say how far summaries lie outside their targets; 0 where none does.

    Each counts by what it lies beyond its interval, widened by so many errors, in units of half
    the interval and the error (added as squares); the distance is the root of the sum of squares.
    A summary that nobody has (nobody failed, so nobody can have recovered) counts as 3.
    """
    total = 0.0
    for name, target in targets().items():
        if target.fitted == "no":
            continue
        value, se = summaries[name]
        if math.isnan(value):
            total += 9.0
            continue
        beyond = max(target.low - errors * se - value, value - target.high - errors * se, 0.0)
        total += beyond**2 / (((target.high - target.low) / 2) ** 2 + se**2)
    return math.sqrt(total)


# --- waves -------------------------------------------------------------------------------------


@dataclass
class Calibration:
    """Sets that were tried, in order: their points (logarithms), distances and summaries."""

    points: list[Points] = field(default_factory=list[Points])
    distances: list[float] = field(default_factory=list[float])
    summaries: list[dict[str, Summary]] = field(default_factory=list[dict[str, Summary]])

    @property
    def accepted(self) -> list[int]:
        """Which of them lie within every target."""
        return [k for k, far in enumerate(self.distances) if far == 0.0]


def calibrate(
    *,
    seed: int,
    keep: int,
    size: int,
    most: int,
    progress: Callable[[Calibration], None] = lambda _: None,
) -> Calibration:
    """Try parameter sets until `keep` are accepted.

    1. The first wave is a Sobol sequence over `RANGES`, on the scale of logarithms.
    2. Each later wave is normal, around the mean of the 40 nearest sets tried so far (all accepted
       ones where these are more) with their covariance, standard deviations 1.2 times as large;
       what falls outside the ranges is drawn again.
    3. Each set is rounded to four digits and simulated with a fifth of `size` transplants of its
       own random numbers. Where a summary lies outside its target by more than three standard
       errors it is ruled out; else it is simulated with all, and accepted where `distance` is 0.

    The accepted sets are those that the targets do not rule out. They are no sample of a posterior:
    their density shows where the waves looked, not how probable a set is.

    Raises
    ------
    UsageError
        After `most` sets fewer than `keep` are accepted.
    """
    rng = np.random.default_rng(np.random.SeedSequence([seed, 0xCA11B]))
    low, high = (np.log([getattr(one, end) for one in RANGES.values()]) for end in ("low", "high"))
    tried = Calibration()
    unit = qmc.Sobol(len(RANGES), rng=rng).random(FIRST_WAVE)
    wave = low + unit * (high - low)
    while True:
        for point in wave:
            _try(tried, point, seed, size)
            progress(tried)
            if len(tried.accepted) >= keep:
                return tried
            if len(tried.points) >= most:
                raise UsageError(
                    f"of {most} parameter sets {len(tried.accepted)} are accepted, and {keep} are "
                    "wanted; try more, or look at which target none reaches"
                )
        wave = _next_wave(tried, rng, low, high)


def _try(tried: Calibration, point: Points, seed: int, size: int) -> None:
    """Simulate one set, with the next number as its biology."""
    named, biology = _named(point), len(tried.points)
    summaries = try_set(named, seed=seed, biology=biology, size=size // _FIRST_LOOK)
    if distance(summaries, _PLAINLY) == 0.0:
        summaries = try_set(named, seed=seed, biology=biology, size=size)
    tried.points.append(np.log(list(named.values())))
    tried.distances.append(distance(summaries))
    tried.summaries.append(summaries)


def _named(point: Points) -> dict[str, float]:
    """Give a point as numbers of few digits."""
    rounded = (float(f"{math.exp(x):.{_FEW_DIGITS}g}") for x in point)
    return dict(zip(RANGES, rounded, strict=True))


def _next_wave(tried: Calibration, rng: np.random.Generator, low: Points, high: Points) -> Points:
    """Draw the next wave around the sets that came nearest."""
    points, far = np.array(tried.points), np.array(tried.distances)
    kept = max(_NEAREST, len(tried.accepted))
    near = points[np.argsort(far, kind="stable")[:kept]]
    centre, covariance = near.mean(axis=0), np.cov(near, rowvar=False) * _INFLATION**2
    found: list[Points] = []
    while len(found) < WAVE:
        drawn = rng.multivariate_normal(centre, covariance, size=WAVE, method="cholesky")
        found += list(drawn[((drawn >= low) & (drawn <= high)).all(axis=1)])
    return np.array(found[:WAVE])


# --- files -------------------------------------------------------------------------------------


def summaries_beside(path: Path) -> Path:
    """Name the file of the summaries beside a file of sets."""
    return path.with_name(f"{path.stem}_summaries.csv")


def write_sets(tried: Calibration, path: Path) -> None:
    """Write the accepted sets, and beside them their summaries: `<name>` and `<name>.se`."""
    kept = tried.accepted
    pl.DataFrame([_named(tried.points[k]) for k in kept]).write_csv(path)
    pl.DataFrame([
        {
            f"{name}{end}": float(f"{number:.{_FEW_DIGITS}g}")
            for name, summary in tried.summaries[k].items()
            for end, number in zip(("", ".se"), summary, strict=True)
        }
        for k in kept
    ]).write_csv(summaries_beside(path))  # fmt: skip


def main(arguments: list[str] | None = None) -> None:
    """Calibrate and write the accepted sets; called as a module."""
    parser = argparse.ArgumentParser(prog="python -m stromal.design.calibrate", description=__doc__)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--keep", type=int, default=300, help="sets to accept")
    parser.add_argument("--size", type=int, default=1500, help="transplants a set")
    parser.add_argument("--most", type=int, default=6000, help="sets to try at most")
    parser.add_argument("-o", "--output", type=Path, required=True)
    asked = parser.parse_args(arguments)

    def show(tried: Calibration) -> None:
        near = float(np.median(sorted(tried.distances[-WAVE:])))
        said = f"\r{len(tried.points)} tried, {len(tried.accepted)} accepted, distance {near:.2f} "
        sys.stderr.write(said)
        sys.stderr.flush()

    tried = calibrate(
        seed=asked.seed, keep=asked.keep, size=asked.size, most=asked.most, progress=show
    )
    write_sets(tried, asked.output)
    sys.stderr.write(f"\n{asked.output}: {len(tried.accepted)} of {len(tried.points)} sets\n")


if __name__ == "__main__":
    main()
