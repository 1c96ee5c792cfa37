"""How fast virtual participants live, against scipy restarted every day.

The marrow runs day by day, because what the site gives depends on what it saw. A user would restart
`scipy.integrate.solve_ivp` every day; here its right-hand side is compiled too. Errors are the
largest relative ones of the three counts after day 7 against DOP853 at 1e-10, over some
participants. The last line is the whole course: draws, noise, transfusions, infection and death.

    python benchmarks/simulate.py [--participants 2000] [--days 100]
"""

from __future__ import annotations

import argparse
import time

import numpy as np
from scipy.integrate import solve_ivp

from stromal.simulate.course_kernels import live, room_for_course
from stromal.simulate.marrow_kernels import ANC, HB, PLATELETS, STATES, Marrow, change, run_day
from stromal.simulate.population import Niche, Population, draw_population, hazards_of, site_of

COUNTS = [ANC, PLATELETS, HB]
NICHE = Niche(
    text="for the benchmark", capacity=0.7, capacity_spread=0.3, repair=0.02, repair_spread=0.5,
    msc_effect=0.0, msc_decay=0.1,
)  # fmt: skip


def slope_of(marrow: Marrow):  # noqa: ANN201
    """Give the right-hand side that scipy calls."""
    out = np.empty(STATES)

    def slope(_: float, x: np.ndarray) -> np.ndarray:
        change(marrow, x, out)
        return out.copy()

    return slope


def by_scipy(
    people: Population, days: int, method: str, rtol: float, *, restart: bool
) -> tuple[float, np.ndarray]:
    """Give the seconds, and every day's counts, of a solver of scipy."""
    courses = np.empty((len(people.states), days + 1, 3))
    begin = time.perf_counter()
    for p, (row, state) in enumerate(zip(people.marrows, people.states, strict=True)):
        slope, x = slope_of(Marrow(*row)), state.copy()
        if not restart:
            found = solve_ivp(slope, (0, days), x, method=method, rtol=rtol, atol=rtol * 1e-2,
                              t_eval=np.arange(days + 1))  # fmt: skip
            courses[p] = found.y.T[:, COUNTS]
            continue
        courses[p, 0] = x[COUNTS]
        for day in range(days):
            x = solve_ivp(slope, (0, 1), x, method=method, rtol=rtol, atol=rtol * 1e-2).y[:, -1]
            courses[p, day + 1] = x[COUNTS]
    return time.perf_counter() - begin, courses


def by_steps(people: Population, days: int, steps: int) -> tuple[float, np.ndarray]:
    """Give the seconds, and every day's counts, of the kernel with so many steps a day."""
    courses = np.empty((len(people.states), days + 1, 3))
    work = np.empty((5, STATES))
    seconds = 0.0
    for p, (row, state) in enumerate(zip(people.marrows, people.states, strict=True)):
        marrow, x = Marrow(*row), state.copy()
        courses[p, 0] = x[COUNTS]
        begin = time.perf_counter()
        for day in range(days):
            run_day(marrow, x, steps, work)
            courses[p, day + 1] = x[COUNTS]
        seconds += time.perf_counter() - begin
    return seconds, courses


def error(course: np.ndarray, exact: np.ndarray) -> float:
    """Give the largest relative error after day 7."""
    return float(np.abs(course[:, 8:] / exact[:, 8:] - 1).max())


def whole_course(participants: int, days: int, steps: int) -> float:
    """Give the seconds of the whole course, drawing the population apart."""
    people = draw_population(1, 0, range(participants), NICHE)
    planned = np.ones((participants, days), dtype=np.int8)
    doses = np.zeros((participants, days))
    site, hazards = site_of(missed=0.1, missed_when_well=0.1), hazards_of()
    begin = time.perf_counter()
    live(people.keys, people.marrows, people.states.copy(), planned, doses, 0, site, hazards, steps,
         room_for_course(participants, days))  # fmt: skip
    return time.perf_counter() - begin


def main() -> None:
    """Read the command line and print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--participants", type=int, default=2000)
    parser.add_argument("--days", type=int, default=100)
    chosen = parser.parse_args()
    few = draw_population(1, 0, range(20), NICHE)
    by_steps(few, 1, 2)  # compile
    days = chosen.days
    _, exact = by_scipy(few, days, "DOP853", 1e-10, restart=False)
    rival, rough = by_scipy(few, days, "LSODA", 1e-4, restart=True)
    rate = 20 * days / rival
    print(f"{'solve_ivp LSODA 1e-4, restarted daily':<42} {rate:12,.0f} participant-days/s "
          f"  error {error(rough, exact):.0e}   ratio 1")  # fmt: skip
    for steps in (2, 4):
        _, course = by_steps(few, days, steps)
        whole_course(20, days, steps)
        seconds = min(whole_course(chosen.participants, days, steps) for _ in range(3))
        own = chosen.participants * days / seconds
        print(f"{f'whole course, {steps} steps a day':<42} {own:12,.0f} participant-days/s "
              f"  error {error(course, exact):.0e}   ratio {own / rate:,.0f}")  # fmt: skip


if __name__ == "__main__":
    main()
