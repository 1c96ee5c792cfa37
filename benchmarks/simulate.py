"""How fast virtual trials are: participants, what is measured of them, and endpoints derived.

    python benchmarks/simulate.py                   # a few minutes
    python benchmarks/simulate.py --trials 10000    # the full size: 68 million days of participants

1. The integrator against scipy. The marrow runs day by day, because what the site gives depends on
   what it saw: a user would restart `scipy.integrate.solve_ivp` every day; its right-hand side is
   compiled here too. Errors are the largest relative ones of the three counts after day 7 against
   DOP853 at 1e-10. Days a second of the whole course count draws, noise, transfusions, infection
   and death too; seconds are those of one thread of the processor. Where jax can be imported, a
   scan in it (`simulate_jax.py`) does the same work.
2. Trials of 68 participants and 100 days in two processes, blood drawn daily and a tenth of it
   missed, with noise and transfusions by what was seen; recovery of neutrophils and of platelets
   to 20 and to 50 derived from what was seen. Wall time begins before the processes do; compiling
   is done before. Memory is the sum of the peaks of the processes.
3. The same with twice the trials, days and scenarios.

Times are of this run and this machine; no test depends on them.
"""

from __future__ import annotations

import argparse
import importlib.util
import multiprocessing
import os
import resource
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import partial

os.environ.setdefault("POLARS_MAX_THREADS", "1")  # each process has one core

import numpy as np
import polars as pl
from scipy.integrate import solve_ivp

from stromal.endpoints.frames import recover
from stromal.simulate.assumptions import Effect, SitePlan
from stromal.simulate.course_kernels import NEVER, Cohort, Course, live, room_for_course
from stromal.simulate.marrow_kernels import (
    ANC,
    HB,
    LANES,
    PLATELETS,
    RATES,
    STATES,
    Marrow,
    change,
    run_day,
    set_rates,
    set_today,
)
from stromal.simulate.population import draw_cohort, hazards_of, site_of, spells_of, with_effect

COUNTS = [ANC, PLATELETS, HB]
RULES = {"CIBMTR_ANC": "anc", "CIBMTR_PLT_20": "platelets", "CIBMTR_PLT_50": "platelets"}
SIZE, DAYS = 68, 100
CHUNK = 50
"""Trials simulated at once."""


def block_of(row: np.ndarray, step: float) -> np.ndarray:
    """Put a marrow into the first lane of a block."""
    rates = np.ones((RATES, LANES))
    set_rates(Marrow(*row), rates, 0)
    set_today(rates, 0, step, 0.0, 1.0, 1.0)
    return rates


def slope_of(row: np.ndarray) -> Callable[[float, np.ndarray], np.ndarray]:
    """Give the right-hand side that scipy calls."""
    rates = block_of(row, 1.0)
    at, out = np.ones((STATES, LANES)), np.empty((STATES, LANES))

    def slope(_: float, x: np.ndarray) -> np.ndarray:
        at[:, 0] = x
        change(rates, at, 1, out)
        return out[:, 0].copy()

    return slope


def by_scipy(
    people: Cohort, days: int, method: str, rtol: float, *, restart: bool
) -> tuple[float, np.ndarray]:
    """Give the seconds, and every day's counts, of a solver of scipy."""
    courses = np.empty((len(people.states), days + 1, 3))
    begin = time.thread_time()
    for p, (row, state) in enumerate(zip(people.marrows, people.states, strict=True)):
        slope, x = slope_of(row), state.copy()
        if not restart:
            found = solve_ivp(slope, (0, days), x, method=method, rtol=rtol, atol=rtol * 1e-2,
                              t_eval=np.arange(days + 1))  # fmt: skip
            courses[p] = found.y.T[:, COUNTS]
            continue
        courses[p, 0] = x[COUNTS]
        for day in range(days):
            x = solve_ivp(slope, (0, 1), x, method=method, rtol=rtol, atol=rtol * 1e-2).y[:, -1]
            courses[p, day + 1] = x[COUNTS]
    return time.thread_time() - begin, courses


def by_steps(people: Cohort, days: int, steps: int) -> np.ndarray:
    """Give every day's counts of the kernel with so many steps a day."""
    courses = np.empty((len(people.states), days + 1, 3))
    work = np.empty((5, STATES, LANES))
    for p, (row, state) in enumerate(zip(people.marrows, people.states, strict=True)):
        rates, x = block_of(row, 1.0 / steps), np.ones((STATES, LANES))
        x[:, 0] = state
        courses[p, 0] = state[COUNTS]
        for day in range(days):
            run_day(rates, x, 1, steps, work)
            courses[p, day + 1] = x[COUNTS, 0]
    return courses


def error(course: np.ndarray, exact: np.ndarray) -> float:
    """Give the largest relative error after day 7."""
    return float(np.abs(course[:, 8:] / exact[:, 8:] - 1).max())


def run_course(cohort: Cohort, days: int, steps: int = 2) -> Course:
    """Let participants live, drawn daily, with MSC on days 20, 27, 34 and 41."""
    people = len(cohort.keys)
    planned = np.ones((people, days), dtype=np.int8)
    doses = np.zeros((people, days))
    doses[:, [day for day in (20, 27, 34, 41) if day < days]] = 1.0
    first, until = np.zeros(people, dtype=np.int32), np.full(people, days, dtype=np.int32)
    course = room_for_course(people, days)
    live(cohort, planned, doses, first, until, site_of(SitePlan(missed=0.1)), hazards_of(),
         spells_of([]), steps, course)  # fmt: skip
    return course


def whole_course(participants: int, days: int, steps: int) -> float:
    """Give the seconds of the whole course on one thread, drawing the population apart."""
    cohort = draw_cohort(1, 0, range(participants))
    begin = time.thread_time()
    run_course(cohort, days, steps)
    return time.thread_time() - begin


def derive(course: Course) -> list[int]:
    """Derive three recoveries from what was seen; give how many each has."""
    ends = np.where(course.death != NEVER, course.death, course.relapse)
    ended = np.flatnonzero(ends != NEVER).astype(np.int32)
    finish = pl.DataFrame({"participant_id": ended, "day": ends[ended]}).with_columns(
        cause=pl.lit("death or relapse")
    )
    person, given_on = np.nonzero(course.platelets_given)
    given = pl.DataFrame(
        {"participant_id": person.astype(np.int32), "day": given_on.astype(np.int32)}
    )
    found = []
    for rule, column in RULES.items():
        values = getattr(course, column)
        row, day = np.nonzero(np.isfinite(values))
        counts = pl.DataFrame({
            "participant_id": row.astype(np.int32), "day": day.astype(np.int32),
            "value": values[row, day],
        })  # fmt: skip
        outcomes = recover(counts, rule, transfusions=given, ends=finish)
        found.append(int((outcomes["status"] == "event").sum()))
    return found


def run_chunk(days: int, chunk: tuple[int, range]) -> tuple[list[int], float, float, float]:
    """Simulate and derive some trials: events, seconds of each half, peak memory in GiB."""
    scenario, trials = chunk
    numbers = np.arange(trials.start * SIZE, trials.stop * SIZE)
    begin = time.thread_time()
    effect = Effect(effect=0.02 * scenario)
    course = run_course(with_effect(draw_cohort(1, 0, numbers), effect), days)
    half = time.thread_time()
    events = derive(course)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    return events, half - begin, time.thread_time() - half, peak


def run_trials(trials: int, days: int = DAYS, scenarios: int = 1) -> None:
    """Run trials in two processes and print a line."""
    chunks = [(scenario, range(begin, min(begin + CHUNK, trials)))
              for scenario in range(scenarios) for begin in range(0, trials, CHUNK)]  # fmt: skip
    begin = time.perf_counter()
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(2, context) as pool:
        found = list(pool.map(partial(run_chunk, days), chunks))
    wall = time.perf_counter() - begin
    peaks = sorted(peak for *_, peak in found)
    lived = trials * SIZE * days * scenarios
    print(f"{trials:>6} {days:>5} {scenarios:>4}  {wall:8.1f} s {lived / wall:14,.0f} /s"
          f"  {sum(row[1] for row in found):7.1f} s {sum(row[2] for row in found):7.1f} s"
          f"  {2 * peaks[-1]:5.2f} GiB", flush=True)  # fmt: skip


def compare_with_scipy(days: int, participants: int) -> float:
    """Print the table of integrators; give the days a second of the rival."""
    few = draw_cohort(1, 0, range(20))
    by_steps(few, 1, 2)  # compile
    _, exact = by_scipy(few, days, "DOP853", 1e-10, restart=False)
    seconds, rough = by_scipy(few, days, "LSODA", 1e-4, restart=True)
    rate = 20 * days / seconds
    print(f"{'solve_ivp LSODA 1e-4, restarted daily':<42} {rate:12,.0f} participant-days/s"
          f"   error {error(rough, exact):.0e}   ratio 1")  # fmt: skip
    for steps in (2, 4):
        whole_course(LANES, days, steps)
        seconds = min(whole_course(participants, days, steps) for _ in range(3))
        own = participants * days / seconds
        print(f"{f'whole course, {steps} steps a day, one thread':<42} {own:12,.0f} "
              f"participant-days/s   error {error(by_steps(few, days, steps), exact):.0e}   "
              f"ratio {own / rate:,.0f}", flush=True)  # fmt: skip
    return rate


def main() -> None:
    """Read the command line and print the tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--participants", type=int, default=4000, help="of the first table")
    parser.add_argument("--trials", type=int, default=1000, help="of the largest run")
    chosen = parser.parse_args()
    rate = compare_with_scipy(DAYS, chosen.participants)
    if importlib.util.find_spec("jax") is None:
        print("jax is not installed: no comparison with a scan in it")
    else:
        from simulate_jax import days_a_second  # noqa: PLC0415

        own = days_a_second(chosen.participants, DAYS)
        print(f"{'a scan in jax, 2 steps a day':<42} {own:12,.0f} participant-days/s "
              f"                  ratio {own / rate:,.0f}")  # fmt: skip
    run_chunk(2, (0, range(1)))
    print(f"\n{'trials':>6} {'days':>5} {'scen':>4}  {'wall, 2 processes':>25}"
          f"  {'simulate':>9} {'derive':>9}  {'memory':>9}")  # fmt: skip
    part = max(1, chosen.trials // 4)
    for trials, days, scenarios in (
        (part, DAYS, 1), (2 * part, DAYS, 1), (part, 2 * DAYS, 1), (part, DAYS, 2),
        (chosen.trials, DAYS, 1),
    ):  # fmt: skip
        run_trials(trials, days, scenarios)


if __name__ == "__main__":
    main()
