"""Write the range of Gray's test over data sets that print the published estimates.

The article prints the cumulative incidence of chronic GVHD at 2 years in each arm with its
interval, and P = .021 between them. Many sets of 62 and 62 courses print the same estimates and
intervals and give another P. `python range.py` draws such sets (seeded, always the same file) and
writes the smallest and the largest P it met to `ranges.json`.

A set is drawn in these steps.

1. Stromal cells: 17 events, 0 to 21 competing deaths (21 of 62 were dead), nobody censored before 2
   years. Controls: 28 to 30 events, 0 to 24 competing deaths (24 were dead), 1 to 8 censored. Two
   participants of each arm or more are followed beyond 2 years.
2. The times of each kind follow a beta distribution on the 2 years; both its parameters are drawn
   log-uniformly from 1/2 to 5, so that the events may come early, late, at both ends, or evenly.
   Nobody has an event after 2 years (that is not published).
3. The times are left exact, or rounded up to whole months, quarters or half years in both arms
   alike, as assessments at visits are.
4. An arm is kept when estimate and both ends of the 95 % linear interval round to the printed ones
   with one of the two usual variances, cmprsk's or Greenwood's: 27.4 (16.2 to 38.6), 49.0 (36.5 to
   61.5).
5. Every kept control arm is paired with kept arms with stromal cells of the same rounding, and
   Gray's test of equal cumulative incidence is done on each pair.

The ends are those met in this search, with the first, middle and last hundredth beside them. They
depend on steps 1 and 2 (the smallest P comes from sets in which hardly a control is left at risk
when the first event with stromal cells happens) and are no bounds: consistent sets may lie outside.

References
----------
Gray RJ (1988), Ann Stat 16:1141-54 (test and its variance). Aalen O (1978), Ann Stat 6:534-45
(the variance that the R package cmprsk prints).
"""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import numpy as np
import polars as pl

from stromal.analysis.gray import compare_incidence
from stromal.analysis.intervals import bound_probability
from stromal.analysis.survival_kernels import (
    CENSORED,
    COMPETING,
    EVENT,
    follow_incidence,
    tabulate_days,
)
from stromal.endpoints.outcome import TimeToEvent

SEED = 20160824
CONTROLS = 250  # kept for each rounding
PARTNERS = 8
PER_ARM = 62
TWO_YEARS = 730.5
ROUNDINGS = {"exact": None, "month": 24, "quarter": 8, "half year": 4}
BETA_PARAMETERS = (1 / 2, 5.0)
WORDS = {EVENT: "event", COMPETING: "competing", CENSORED: "censored"}
MSC = {"events": (17, 17), "competing": (0, 21), "censored": (0, 0)}
CONTROL = {"events": (28, 30), "competing": (0, 24), "censored": (1, 8)}
PRINTED = {"msc": (27.4, 16.2, 38.6), "control": (49.0, 36.5, 61.5)}
Arm = tuple[np.ndarray, np.ndarray]
"""Times and statuses of the participants of an arm."""


def draw_arm(
    rng: np.random.Generator, numbers: dict[str, tuple[int, int]], visits: int | None
) -> Arm:
    """Draw the courses of one arm, at exact times or at that many visits in 2 years."""
    times: list[np.ndarray] = []
    statuses: list[np.ndarray] = []
    left = PER_ARM - 2
    for kind, status in (("events", EVENT), ("competing", COMPETING), ("censored", CENSORED)):
        low, high = numbers[kind]
        number = min(int(rng.integers(low, high + 1)), left)
        left -= number
        first, second = np.exp(rng.uniform(*np.log(BETA_PARAMETERS), 2))
        share = rng.beta(first, second, number)
        times.append(TWO_YEARS * (share if visits is None else np.ceil(share * visits) / visits))
        statuses.append(np.full(number, status))
    times.append(np.full(left + 2, 2 * TWO_YEARS))
    statuses.append(np.full(left + 2, CENSORED))
    day, status = np.concatenate(times), np.concatenate(statuses)
    order = np.argsort(day, kind="stable")
    return day[order], status[order]


def find_variances(arm: Arm, printed: tuple[float, float, float]) -> list[str]:
    """Name the variances under which estimate and interval round to the printed numbers."""
    _, counts = tabulate_days(*arm)
    _, incidence, *variances = follow_incidence(counts)
    found = []
    for name, variance in zip(("cmprsk", "Greenwood"), variances, strict=True):
        low, high = bound_probability(
            incidence[-1:], np.sqrt(variance[-1:]), interval="linear", confidence=0.95
        )
        values = (incidence[-1], low[0], high[0])
        if tuple(round(100 * float(value), 1) for value in values) == printed:
            found.append(name)
    return found


def compare_gray(msc: Arm, control: Arm) -> float:
    """Give the p-value of Gray's test."""
    frames = [
        pl.DataFrame(
            {
                "participant_id": [f"{name} {i}" for i in range(day.size)],
                "arm": name,
                "day": day,
                "status": [WORDS[code] for code in status],
            }
        )
        for name, (day, status) in (("msc", msc), ("control", control))
    ]
    p_value = compare_incidence(TimeToEvent(pl.concat(frames))).p_value
    if p_value is None:
        raise ValueError("Gray's test is not computable on a drawn set")
    return p_value


def draw_kept(rng: np.random.Generator, name: str, rounding: str, wanted: int) -> list[Arm]:
    """Draw arms until that many print the published numbers."""
    kept: list[Arm] = []
    numbers = MSC if name == "msc" else CONTROL
    while len(kept) < wanted:
        arm = draw_arm(rng, numbers, ROUNDINGS[rounding])
        if find_variances(arm, PRINTED[name]):
            kept.append(arm)
    return kept


def compute_ranges() -> dict[str, object]:
    """Draw the sets and give the smallest and the largest p."""
    rng = np.random.default_rng(SEED)
    p_values: list[float] = []
    variances: dict[str, Counter[str]] = {"msc": Counter(), "control": Counter()}
    for rounding in ROUNDINGS:
        controls = draw_kept(rng, "control", rounding, CONTROLS)
        msc = draw_kept(rng, "msc", rounding, CONTROLS * PARTNERS)
        p_values += [compare_gray(arm, controls[i // PARTNERS]) for i, arm in enumerate(msc)]
        for name, arms in (("msc", msc), ("control", controls)):
            for arm in arms:
                variances[name].update(find_variances(arm, PRINTED[name]))
    return {
        "data": "reconstruction",
        "endpoint": "cgvhd",
        "method": "a random search, see range.py; the ends met are no bounds",
        "constraints": {
            name: {
                "printed": "{} % ({} to {}) at 2 years".format(*PRINTED[name]),
                "numbers": {kind: list(ends) for kind, ends in numbers.items()},
                "kept": len(ROUNDINGS) * CONTROLS * (PARTNERS if name == "msc" else 1),
                "kept_by_variance": dict(sorted(variances[name].items())),
            }
            for name, numbers in (("msc", MSC), ("control", CONTROL))
        },
        "roundings": list(ROUNDINGS),
        "seed": SEED,
        "sets": len(p_values),
        "statistics": {
            "gray_p": {
                name: float(f"{np.quantile(p_values, at):.6g}")
                for name, at in (("min", 0), ("p01", 0.01), ("p50", 0.5), ("p99", 0.99), ("max", 1))
            }
        },
    }


def main() -> None:
    """Write the file."""
    path = Path(__file__).parent / "ranges.json"
    path.write_text(json.dumps(compute_ranges(), indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
