"""What a case's numbers and ours differ by, and what is not compared, with the reason."""

import math
from dataclasses import dataclass

import numpy as np

DEFAULT = 1e-8
FLOOR = 1e-12  # absolute: below it a number that should be 0 is 0

TOLERANCES = {
    ("fh_maxcombo", "p_two_sided"): (2e-6, "the reference integrates to 1e-6, at random"),
    **{
        ("fine_gray", name): (1e-7, "crr stops at a gradient of 1e-9, up to 1e-7 from the end")
        for name in ("coef", "se", "var", "baseline_jumps")
    },
    ("fine_gray", "coef_default_tol"): (1e-4, "crr's own iterations stop early by default"),
    ("tables", "fisher_or"): (1e-3, "R solves the exact equation to 1e-4 (uniroot); ours meets it"),
    ("tables", "fisher_ci"): (1e-3, "R solves the exact equation to 1e-4 (uniroot); ours meets it"),
}
"""Tolerances (of the number, or absolute below 1) other than 1e-8, by kind and value, and why."""

NOT_COMPARED = {
    ("fh_maxcombo", "p_abs_tol"): (lambda _: True, "is the accuracy of the reference's p"),
    ("coxph", "se_naive"): (
        lambda case: "weights" in case["spec"],
        "with case weights only the robust error is given: weights are not numbers of people",
    ),
    ("fine_gray", "converged"): (
        lambda case: not case["values"]["converged"],
        "is about crr's own iterations, where they gave up",
    ),
    ("multistate_aj", "std_err"): (
        lambda case: "std_err_jackknife" in case["values"],
        "leaves out the variance of mixed initial states (survival 3.5-3); the jackknife's is used",
    ),
    ("fine_gray_survival", "se_naive"): (
        lambda _: True,
        "would take the weighted periods of one participant for different people",
    ),
}
"""Values that are not compared, by kind and name: for which cases, and why."""


POINTS = {
    "km": "surv",
    "km_full": "surv",
    "km_weighted": "surv",
    "cox_predict": "surv",
    "aj_survfit": "pstate",
    "cif_etm": "est",
}
"""Where a probability is 0 or 1 without error, limits are a matter of taste: none, 0 or 1."""

ASKED = {"time", "times", "strata", "states", "curves", "groups", "names"}
"""What a case asks for: days, groups, terms. They are answered, not compared."""


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
    settled = _settle(case["values"], computed, POINTS.get(kind))
    for name, expected in settled.items():
        if name in ASKED and kind != "km_full":  # the days of a whole curve are an answer
            continue
        if (kind, name) in NOT_COMPARED and NOT_COMPARED[kind, name][0](case):
            continue
        if name not in computed:
            raise AssertionError(f"{case['id']}: {name} is neither computed nor listed")
        listed = TOLERANCES.get((kind, name))
        found.append(_compare(name, expected, computed[name], listed[0] if listed else None))
    return found


def _settle(values, computed, point):
    """Give the values without the limits of a probability of 0 or 1 that has none to speak of.

    R gives the probability itself, NaN, NA or 0, by the scale and by whether the day lies before
    the first observation. Where either side has none of these, both are compared as they are.
    """
    if point is None:
        return values
    settled = dict(values)
    at = list(_flatten(values[point]))
    for name in {"lower", "upper"} & set(values) & set(computed):
        theirs, ours = list(_flatten(values[name])), list(_flatten(computed[name]))
        bare = [
            p in {0, 1} and a in {None, 0, 1} and b in {None, 0, 1}
            for p, a, b in zip(at, theirs, ours, strict=True)
        ]
        settled[name] = [a for a, skip in zip(theirs, bare, strict=True) if not skip]
        computed[name] = [b for b, skip in zip(ours, bare, strict=True) if not skip]
    return settled


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
