"""Write the range of the between-arm statistics of failure-free survival.

The printed estimates fix the order of events within each arm (see reconstruct.py): E, C, E, E, E, E
with stromal cells and E, E, E in the controls, of nine each. They say nothing of the order between
the arms. `python range.py` goes through all 84 interleavings of the two orders without ties,

1. numbers the nine moments 1 to 9, everybody else being censored after the last,
2. computes the log-rank test (Mantel's hypergeometric variance, one degree of freedom), and the
   hazard ratio, stromal cells to control, of the proportional hazards model (partial likelihood,
   Newton's method; its score test is the log-rank test),

and writes the smallest and the largest of each to `ranges.json`. Nothing is random.
"""

from __future__ import annotations

import json
from itertools import combinations
from math import exp
from pathlib import Path

from scipy.stats import chi2

MSC_ORDER = "ECEEEE"
CONTROL_ORDER = "EEE"
AT_RISK = 9
Step = tuple[bool, int, int]
"""One event: was it in the stromal-cell arm; numbers at risk there and in the control arm."""


def list_events(msc_places: frozenset[int]) -> list[Step]:
    """Give the events of one interleaving with the numbers at risk."""
    msc, control = iter(MSC_ORDER), iter(CONTROL_ORDER)
    at_risk = {True: AT_RISK, False: AT_RISK}
    steps: list[Step] = []
    for place in range(len(MSC_ORDER) + len(CONTROL_ORDER)):
        in_msc = place in msc_places
        if next(msc if in_msc else control) == "E":
            steps.append((in_msc, at_risk[True], at_risk[False]))
        at_risk[in_msc] -= 1
    return steps


def compare_logrank(steps: list[Step]) -> float:
    """Give the two-sided p-value of the log-rank test."""
    shares = [msc / (msc + control) for _, msc, control in steps]
    score = sum(in_msc - share for (in_msc, _, _), share in zip(steps, shares, strict=True))
    return float(chi2.sf(score**2 / sum(share * (1 - share) for share in shares), 1))


def estimate_hazard_ratio(steps: list[Step]) -> float:
    """Give the hazard ratio, stromal cells to control."""
    beta = 0.0
    for _ in range(50):
        shares = [msc * exp(beta) / (msc * exp(beta) + control) for _, msc, control in steps]
        score = sum(in_msc - share for (in_msc, _, _), share in zip(steps, shares, strict=True))
        beta += score / sum(share * (1 - share) for share in shares)
    return exp(beta)


def compute_ranges() -> dict[str, object]:
    """Go through all interleavings and give the smallest and the largest of each statistic."""
    places = range(len(MSC_ORDER) + len(CONTROL_ORDER))
    sets = [list_events(frozenset(msc)) for msc in combinations(places, len(MSC_ORDER))]
    p_values = [compare_logrank(steps) for steps in sets]
    ratios = [estimate_hazard_ratio(steps) for steps in sets]
    return {
        "data": "reconstruction",
        "endpoint": "failure_free_survival",
        "method": (
            "all interleavings, without ties, of the two orders of events that the printed "
            "estimates and standard errors determine"
        ),
        "constraints": {
            "msc": f"{MSC_ORDER} of {AT_RISK}: 38.1 +- 17.2 % at 4 years",
            "control": f"{CONTROL_ORDER} of {AT_RISK}: 66.7 +- 15.7 % at 4 years",
        },
        "seed": None,
        "sets": len(sets),
        "statistics": {
            "logrank_p": describe(p_values),
            "hazard_ratio_msc_to_control": describe(ratios),
        },
    }


def describe(values: list[float]) -> dict[str, float]:
    """Give minimum and maximum to eight significant digits."""
    return {"min": float(f"{min(values):.8g}"), "max": float(f"{max(values):.8g}")}


def main() -> None:
    """Write the file."""
    path = Path(__file__).parent / "ranges.json"
    path.write_text(json.dumps(compute_ranges(), indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
