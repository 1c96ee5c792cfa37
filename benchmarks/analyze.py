"""How fast times to an event are analyzed, against what a user would take instead.

    python benchmarks/analyze.py [--trials 10000] [--largest 1000000]

1. Many trials of 124: log-rank test, incidence on day 365 of both arms with its variance, Gray's
   test. The rivals are the best mix of Python libraries with a permissive licence, each called in a
   loop for what it does fastest (survival for the log-rank test, statsmodels for the incidence,
   surpyval for Gray's test), and R (survival and cmprsk), where Rscript is there.
2. One data set of 1,000 to a million participants: Kaplan-Meier, log-rank test, incidence with
   variance, Gray's test, by every one of the libraries that has it. Ours are timed from the type
   `TimeToEvent`, the others from arrays; what it takes to make the type is told apart.
3. Fine and Gray's model at 100,000 participants, against comprisk.

The other libraries are for this script alone (survival, statsmodels, surpyval, comprisk); which are
missing is said. Answers are compared before a ratio is printed: the largest difference
stands beside it. Seconds are those of the processor, all threads together and the shortest of
several, so that a busy machine changes little; with two threads they are those of the clock. No
test depends on them.
"""

from __future__ import annotations

import argparse
import importlib
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from stromal.analysis.batch import Batch, analyze_batch
from stromal.analysis.cumulative_incidence import estimate_incidence
from stromal.analysis.fine_gray import fit_fine_gray
from stromal.analysis.gray import compare_incidence
from stromal.analysis.kaplan_meier import estimate_survival
from stromal.analysis.logrank import compare_survival
from stromal.endpoints.outcome import TimeToEvent

SIZE, DAY = 124, 365.0
REPEATS, PATIENCE = 5, 3.0  # seconds
LIBRARIES = ("survival", "statsmodels", "surpyval", "comprisk")

R_TRIALS = """
suppressMessages({library(survival); library(cmprsk)})
a <- commandArgs(TRUE); n <- as.integer(a[2]); size <- as.integer(a[3])
x <- matrix(readBin(a[1], "double", n * size * 3), ncol = 3); out <- matrix(0, n, 6)
one <- function(i) {
  rows <- ((i - 1) * size + 1):(i * size); t <- x[rows, 1]; s <- x[rows, 2]; g <- x[rows, 3]
  c <- cuminc(t, s, g); p <- timepoints(c, 365)
  c(survdiff(Surv(t, s > 0) ~ g)$chisq, c$Tests[1, 1], p$est[1:2, 1], p$var[1:2, 1])
}
out[1, ] <- one(1)
begin <- sum(proc.time()[1:2])
for (i in 1:n) out[i, ] <- one(i)
cat(sum(proc.time()[1:2]) - begin); writeBin(c(t(out)), a[4])
"""

R_ONE = """
suppressMessages({library(survival); library(cmprsk)})
a <- commandArgs(TRUE); n <- as.integer(a[2])
x <- matrix(readBin(a[1], "double", n * 3), ncol = 3); t <- x[, 1]; s <- x[, 2]; g <- x[, 3]
now <- function() sum(proc.time()[1:2])
clock <- function(work) { b <- now(); r <- work(); list(now() - b, r) }
km <- clock(function() survfit(Surv(t, s > 0) ~ 1))
lr <- clock(function() survdiff(Surv(t, s > 0) ~ g))
ci <- clock(function() cuminc(t, s))
gr <- clock(function() cuminc(t, s, g))
p <- timepoints(ci[[2]], 365)
writeBin(c(km[[1]], lr[[1]], ci[[1]], gr[[1]], summary(km[[2]], times = 365)$surv, lr[[2]]$chisq,
           p$est[1, 1], gr[[2]]$Tests[1, 1]), a[3])
"""


def load(name: str) -> Any:  # noqa: ANN401
    """Import a library, or give None."""
    try:
        return importlib.import_module(name)
    except ImportError:
        return None


def draw(people: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Draw whole days, statuses (0 censored, 1 event, 2 competing) and arms 0 and 1 in turn."""
    rng = np.random.default_rng(1)
    arm = np.arange(people) % 2
    happens = rng.exponential(400 * (1 + 0.3 * arm))
    leaves = rng.uniform(200, 1000, people)
    which = np.where(rng.random(people) < 0.4, 2, 1)
    status = np.where(happens <= leaves, which, 0)
    return np.ceil(np.minimum(happens, leaves)), status, arm


def timed(
    work: Callable[[], Any], clock: Callable[[], float] = time.process_time
) -> tuple[float, Any]:
    """Give the shortest of several times after a first one that warms up, and the answer."""
    answer = work()
    times: list[float] = []
    while len(times) < REPEATS and sum(times) < PATIENCE:
        begin = clock()
        answer = work()
        times.append(clock() - begin)
    return min(times), answer


def apart(ours: Any, theirs: Any) -> str:  # noqa: ANN401
    """Give the largest difference of two answers."""
    difference = np.abs(np.asarray(ours, dtype=float) - np.asarray(theirs, dtype=float))
    return f"{np.nanmax(difference):.0e}"


def ask_r(script: str, columns: tuple[np.ndarray, ...], *words: int) -> tuple[str, np.ndarray]:
    """Run an R script on the columns; give what it printed and the numbers it wrote."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        (place / "script.R").write_text(script)
        np.concatenate([column.astype(float) for column in columns]).tofile(place / "in")
        command = ["Rscript", str(place / "script.R"), str(place / "in"), *map(str, words)]
        done = subprocess.run([*command, str(place / "out")], capture_output=True, check=True)  # noqa: S603
        return done.stdout.decode(), np.fromfile(place / "out")


def compare_trials(trials: int) -> None:
    """Time many small trials."""
    day, status, arm = draw(trials * SIZE)
    starts = np.arange(0, trials * SIZE + 1, SIZE)
    batch = Batch(day, status == 1, status == 2, arm, starts)

    def work(threads: int) -> Any:  # noqa: ANN401
        return analyze_batch(batch, days=(DAY,), competing_as="event", threads=threads)

    seconds, ours = timed(lambda: work(1))
    wall, _ = timed(lambda: work(2), time.perf_counter)
    print(f"{'stromal':<34} {seconds:8.3f} s {trials / seconds:9,.0f} trials a second")
    print(f"{'  two threads, by the clock':<34} {wall:8.3f} s {trials / wall:9,.0f}")
    pieces = [slice(i, i + SIZE) for i in range(0, trials * SIZE, SIZE)]
    mix = [
        _mix_logrank(pieces, day, status, arm, ours),
        _mix_incidence(pieces, day, status, arm, ours),
        _mix_gray(pieces, day, status, arm, ours),
    ]
    if None not in mix:
        total = sum(part for part in mix if part)
        _tell("the three libraries", total, trials, seconds)
    if shutil.which("Rscript"):
        spent, out = ask_r(R_TRIALS, (day, status, arm), trials, SIZE)
        found = out.reshape(trials, 6)
        _tell("R (survdiff, cuminc, timepoints)", float(spent), trials, seconds)
        print(
            f"  apart from R: log-rank {apart(ours.logrank, found[:, 0])}, Gray "
            f"{apart(ours.gray, found[:, 1])}, incidence "
            f"{apart(ours.incidence[:, :, 0], found[:, 2:4])}, its variance "
            f"{apart(ours.incidence_error_cmprsk[:, :, 0] ** 2, found[:, 4:6])}"
        )
    else:
        print("R is not here (no Rscript)")


def _tell(name: str, spent: float, trials: int, ours: float) -> None:
    """Print a rival's time and how many times as long it takes."""
    rate = f"{trials / spent:9,.0f} trials a second"
    print(f"{name:<34} {spent:8.2f} s {rate}: {spent / ours:.0f} times as long")


def _mix_logrank(pieces: Any, day: Any, status: Any, arm: Any, ours: Any) -> float | None:  # noqa: ANN401
    """Time survival's log-rank test in a loop."""
    library = load("survival.surv_analysis")
    if library is None:
        return None
    happened, group = (status > 0).astype(int), arm.astype(int)
    days, events, groups = ([part[p].tolist() for p in pieces] for part in (day, happened, group))
    seconds, found = timed(
        lambda: [library.survdiff(*one) for one in zip(days, events, groups, strict=True)]
    )
    chi_squares = [one.chisq for one in found]
    print(f"  survival, log-rank {seconds:.2f} s, apart {apart(ours.logrank, chi_squares)}")
    return seconds


def _mix_incidence(pieces: Any, day: Any, status: Any, arm: Any, ours: Any) -> float | None:  # noqa: ANN401
    """Time statsmodels' incidence with its standard error, of both arms, in a loop."""
    library = load("statsmodels.duration.survfunc")
    if library is None:
        return None

    def one(piece: slice, group: int) -> tuple[float, float]:
        mine = arm[piece] == group
        curve = library.CumIncidenceRight(day[piece][mine], status[piece][mine])
        place = np.searchsorted(curve.times, DAY, side="right") - 1
        return curve.cinc[0][place], curve.cinc_se[0][place]

    with np.errstate(all="ignore"):
        seconds, found = timed(lambda: [[one(p, group) for group in (0, 1)] for p in pieces])
    difference = apart(ours.incidence[:, :, 0], np.array(found)[:, :, 0])
    print(f"  statsmodels, incidence {seconds:.2f} s, apart {difference} (its variance is another)")
    return seconds


def _mix_gray(pieces: Any, day: Any, status: Any, arm: Any, ours: Any) -> float | None:  # noqa: ANN401
    """Time surpyval's Gray test in a loop."""
    library = load("surpyval")
    if library is None:
        return None
    cause = np.where(status > 0, status.astype(float), np.nan)
    seconds, found = timed(
        lambda: [library.gray_test(day[p], cause[p], arm[p], 1).statistic for p in pieces]
    )
    print(f"  surpyval, Gray's test {seconds:.2f} s, apart {apart(ours.gray, found)}")
    return seconds


def compare_sizes(people: int) -> None:
    """Time one data set."""
    day, status, arm = draw(people)
    words = np.array(["censored", "event", "competing"])
    frame = pl.DataFrame(
        {
            "participant_id": np.arange(people).astype(str),
            "day": day,
            "status": words[status],
            "arm": np.where(arm == 0, "A", "B"),
        }
    )
    making, outcomes = timed(lambda: TimeToEvent(frame))
    any_event = TimeToEvent(
        frame.with_columns(status=pl.col("status").replace("competing", "event"))
    )
    print(f"{people:,} participants (the type is made in {making:.3f} s)")
    rivals = _rivals(day, status, arm)
    if shutil.which("Rscript"):
        _, out = ask_r(R_ONE, (day, status, arm), people)
        for name, spent, found in zip(rivals, out[:4], out[4:], strict=True):
            rivals[name]["R"] = (float(spent), float(found))
    choices = {"interval": "log", "confidence": 0.95}
    ours: dict[str, tuple[Callable[[], Any], Callable[[Any], float]]] = {
        "Kaplan-Meier": (lambda: estimate_survival(any_event, **choices), _at_day),
        "log-rank test": (lambda: compare_survival(any_event), lambda x: x.statistic),
        "incidence": (lambda: estimate_incidence(outcomes, variance="cmprsk", **choices), _at_day),
        "Gray's test": (lambda: compare_incidence(outcomes), lambda x: x.statistic),
    }
    for name, (work, read) in ours.items():
        spent, answer = timed(work)
        parts = [
            f"{rival} {other:.4f} s (x{other / spent:.1f}, apart {apart(read(answer), value)})"
            for rival, (other, value) in rivals[name].items()
        ]
        print(f"  {name:<14} {spent:.4f} s   {'; '.join(parts)}")


def compare_regression(people: int) -> None:
    """Time Fine and Gray's model with three covariates, cmprsk's definition and robust errors."""
    day, status, arm = draw(people)
    rng = np.random.default_rng(2)
    covariates = {"arm": arm.astype(float), "age": rng.normal(size=people)}
    covariates["risk"] = rng.integers(0, 3, people).astype(float)
    words = np.array(["censored", "event", "competing"])
    outcomes = TimeToEvent(
        pl.DataFrame(
            {
                "participant_id": np.arange(people).astype(str),
                "day": day,
                "status": words[status],
                **covariates,
            }
        )
    )
    seconds, ours = timed(
        lambda: fit_fine_gray(
            outcomes,
            covariates=tuple(covariates),
            of="event",
            definition="cmprsk",
            ties="breslow",
            confidence=0.95,
        )
    )
    print(f"Fine and Gray's model, {people:,} participants: {seconds:.3f} s")
    library = load("comprisk")
    if library is not None:
        table = np.column_stack(list(covariates.values()))
        model = library.FineGrayRegression(robust_se=True)
        spent, theirs = timed(lambda: model.fit(table, time=day, event=status))
        difference = apart(ours.coefficients["coefficient"], theirs.coef_)
        errors = apart(ours.coefficients["standard_error"], theirs.se_)
        print(
            f"  comprisk {spent:.3f} s (x{spent / seconds:.1f}, coefficients apart {difference}, "
            f"their standard errors {errors})"
        )


def _at_day(curve: Any) -> float:  # noqa: ANN401
    """Read a curve on the day."""
    return float(curve.frame.filter(pl.col("day") <= DAY)["estimate"][-1])


def _step(times: Any, values: Any) -> float:  # noqa: ANN401
    """Read a step function on the day."""
    return float(np.asarray(values)[np.searchsorted(np.asarray(times), DAY, side="right") - 1])


def _rivals(day: Any, status: Any, arm: Any) -> dict[str, dict[str, tuple[float, float]]]:  # noqa: ANN401
    """Time every library on one data set; give seconds and the answer by analysis."""
    found: dict[str, dict[str, tuple[float, float]]] = {
        name: {} for name in ("Kaplan-Meier", "log-rank test", "incidence", "Gray's test")
    }
    happened = (status > 0).astype(int)

    def add(
        analysis: str, library: str, work: Callable[[], Any], read: Callable[[Any], float]
    ) -> None:
        with np.errstate(all="ignore"):
            seconds, answer = timed(work)
        found[analysis][library] = (seconds, read(answer))

    rust = load("survival.surv_analysis")
    if rust is not None:
        add("Kaplan-Meier", "survival", lambda: rust.survfitkm(day, happened),
            lambda x: _step(x.time, x.surv))  # fmt: skip
        add("log-rank test", "survival", lambda: rust.survdiff(day, happened, arm),
            lambda x: float(x.chisq))  # fmt: skip
    stats = load("statsmodels.duration.survfunc")
    if stats is not None:
        add("Kaplan-Meier", "statsmodels", lambda: stats.SurvfuncRight(day, happened),
            lambda x: _step(x.surv_times, x.surv_prob))  # fmt: skip
        add("log-rank test", "statsmodels", lambda: stats.survdiff(day, happened, arm),
            lambda x: float(x[0]))  # fmt: skip
        add("incidence", "statsmodels", lambda: stats.CumIncidenceRight(day, status),
            lambda x: _step(x.times, x.cinc[0]))  # fmt: skip
    comprisk = load("comprisk")
    if comprisk is not None:
        add("incidence", "comprisk", lambda: comprisk.CumulativeIncidence([1]).fit(day, status),
            lambda x: float(x.timepoints([DAY])[0][0, 0]))  # fmt: skip
        add("Gray's test", "comprisk", lambda: comprisk.gray_test(day, status, arm),
            lambda x: float(x.stat))  # fmt: skip
    surpyval = load("surpyval")
    if surpyval is not None:
        cause = np.where(status > 0, status.astype(float), np.nan)
        add("Gray's test", "surpyval", lambda: surpyval.gray_test(day, cause, arm, 1),
            lambda x: float(x.statistic))  # fmt: skip
    return found


def main() -> None:
    """Read the command line and print the tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--trials", type=int, default=10_000)
    parser.add_argument("--largest", type=int, default=1_000_000)
    chosen = parser.parse_args()
    missing = [name for name in LIBRARIES if load(name) is None]
    if missing:
        print(f"not installed, left out: {', '.join(missing)}")
    print(f"{chosen.trials:,} trials of {SIZE}: log-rank, incidence of both arms, Gray")
    compare_trials(chosen.trials)
    for people in (1_000, 100_000, 1_000_000):
        if people <= chosen.largest:
            compare_sizes(people)
    compare_regression(min(100_000, chosen.largest))


if __name__ == "__main__":
    main()
