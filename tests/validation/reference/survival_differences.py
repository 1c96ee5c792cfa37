"""What a case's numbers and ours differ by, and what is not compared, with the reason."""

import math
from dataclasses import dataclass

import numpy as np

DEFAULT = 1e-8
FLOOR = 1e-12  # absolute: below it a number that should be 0 is 0

TOLERANCES = {
    ("fh_maxcombo", "p_two_sided"): (2e-6, "the reference integrates to 1e-6, at random"),
    ("fine_gray", "coef_default_tol"): (1e-4, "crr's own iterations stop early by default"),
    ("tables", "fisher_or"): (1e-3, "R solves for it to 1e-4 (uniroot)"),
    ("tables", "fisher_ci"): (1e-3, "R solves for it to 1e-4 (uniroot)"),
}
"""Tolerances (of the number, or absolute below 1) other than 1e-8, by kind and value, and why."""

NOT_COMPARED = {
    ("fh_maxcombo", "p_abs_tol"): (lambda _: True, "is the accuracy of the reference's p"),
    ("coxph", "se_naive"): (
        lambda case: "weights" in case["spec"],
        "with case weights only the robust error is given: weights are not numbers of people",
    ),
    ("fine_gray_survival", "se_naive"): (
        lambda _: True,
        "would take the weighted periods of one participant for different people",
    ),
}
"""Values that are not compared, by kind and name: for which cases, and why."""


@dataclass(frozen=True)
class Difference:
    """What one value of a case differs by."""

    name: str
    numbers: int
    absolute: float
    excess: float
    tolerance: float

    @property
    def agrees(self):
        return self.excess <= 1


def compare_values(case, computed):
    """Compare every value of a case, but those that are listed."""
    kind, found = case["kind"], []
    for name, expected in case["values"].items():
        if (kind, name) in NOT_COMPARED and NOT_COMPARED[kind, name][0](case):
            continue
        if name not in computed:
            raise AssertionError(f"{case['id']}: {name} is neither computed nor listed")
        listed = TOLERANCES.get((kind, name))
        found.append(_compare(name, expected, computed[name], listed[0] if listed else None))
    return found


def _compare(name, expected, computed, listed):
    """Compare the numbers of one value, to the listed tolerance or to the one of all others."""
    theirs, ours = list(_flatten(expected)), list(_flatten(computed))
    if len(theirs) != len(ours):
        raise AssertionError(f"{name}: {len(ours)} values against {len(theirs)}")
    absolute = excess = 0.0
    numbers = 0
    for a, b in zip(theirs, ours, strict=True):
        if isinstance(a, str) or a is None or b is None or isinstance(b, str):
            if a != b:
                raise AssertionError(f"{name}: {b!r} against {a!r}")
            continue
        numbers += 1
        away = abs(float(a) - float(b))
        if math.isnan(away):
            raise AssertionError(f"{name}: {b!r} against {a!r}")
        absolute = max(absolute, away)
        size = abs(float(a))
        allowed = DEFAULT * size + FLOOR if listed is None else listed * max(size, 1)
        excess = max(excess, away / allowed)
    return Difference(name, numbers, absolute, excess, listed or DEFAULT)


def _flatten(value):
    """Give the numbers and words of a nested value, in order."""
    if isinstance(value, dict):
        for key in sorted(value):
            yield key
            yield from _flatten(value[key])
    elif isinstance(value, list | tuple | np.ndarray):
        for part in value:
            yield from _flatten(part)
    elif isinstance(value, np.generic):
        yield value.item()
    else:
        yield value
