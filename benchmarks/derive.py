"""How fast recovery is derived, against the best that polars does.

Three rules on the same counts: `values` (3 values on different days, no gap rule), `days` (3
consecutive days) and `shadow` (3 values, none within 7 days of a platelet transfusion). The kernel
gives, beside the day, its two bounds and when a participant is censored; polars gives the day
alone, by `shift` with comparison of ids and, for the shadow, a keyed `join_asof`. The days are
compared, one by one, before any ratio is printed.

    python benchmarks/derive.py [--participants 1000000] [--counts 60]

A share of copy bandwidth is the bytes of days and counts, divided by the time, over what
`numpy.copyto` moves of the same bytes in this run. Nothing here is a test: timings gate nothing.
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from stromal.endpoints.columns import Inputs, compile_bounds
from stromal.endpoints.days_kernels import LAST_DAY, Counts, DayList, Others
from stromal.endpoints.frames import recover, search_in_threads
from stromal.protocol.endpoints import Recovery

VALUES = {"run": 3, "of": "values on different days", "largest_gap": "none"}
DAYS = {"run": 3, "of": "consecutive days"}
FREE = {"without_transfusion": {"product": "platelets", "when": "before", "for": "7 d"}}
RULES = {
    "values": {"analyte": "ANC", "at_least": "0.5 10*9/L", **VALUES, "after": "anchor"},
    "days": {"analyte": "ANC", "at_least": "0.5 10*9/L", **DAYS, "after": "anchor"},
    "shadow": {"analyte": "PLT", "at_least": "20 10*9/L", **VALUES, **FREE, "after": "anchor"},
}
REPEATS = 5


def make_counts(participants: int, length: int) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Draw falling and rising counts on most days, and some transfusions while they are low."""
    rng = np.random.default_rng(1)
    day = np.tile(np.arange(length, dtype=np.int32), participants)
    back = np.repeat(rng.integers(12, 40, participants).astype(np.float32), length)
    value = np.where(day < back * 0.6, 40 - 1.5 * day, 0.1 * np.exp((day - back * 0.6) * 0.3))
    value *= rng.uniform(0.8, 1.2, day.size)
    shift = np.tile(rng.integers(0, 2, length).cumsum(), participants).astype(np.int32)
    people = np.repeat(np.arange(participants, dtype=np.int32), length)
    counts = pl.DataFrame({"participant_id": people, "day": day + shift, "value": value.clip(0.01)})
    given = pl.DataFrame(
        {
            "participant_id": np.repeat(np.arange(participants, dtype=np.int32), 6),
            "day": np.sort(rng.integers(0, 30, (participants, 6)), axis=1).astype(np.int32).ravel(),
        }
    )
    return counts, given


def best_polars(rule: str, counts: pl.DataFrame, given: pl.DataFrame) -> pl.DataFrame:
    """Find the first day of the first run, as fast as polars can."""
    person, day = pl.col("participant_id"), pl.col("day")
    rows = counts.lazy()
    if rule == "shadow":
        shadows = given.lazy().with_columns(transfused="day")
        rows = rows.join_asof(shadows, on="day", by="participant_id", check_sortedness=False)
        free = (day - pl.col("transfused") >= 7).fill_null(value=True)
        meets = (pl.col("value") >= 20) & free
    else:
        meets = pl.col("value") >= 0.5
    found = meets & meets.shift(-1) & meets.shift(-2) & (person == person.shift(-2))
    if rule == "days":
        found &= day.shift(-2) - day == 2
    if rule == "shadow":  # a transfusion between two values ends the run
        same = pl.col("transfused").shift(-2).fill_null(-1) == pl.col("transfused").fill_null(-1)
        found &= same
    return (
        rows.filter(found)
        .filter((person != person.shift()).fill_null(value=True))
        .select("participant_id", "day")
        .collect()
    )


def columns_of(counts: pl.DataFrame, given: pl.DataFrame, length: int, rule: Recovery) -> Inputs:
    """Give the sorted columns that the kernel reads."""
    size = counts.height // length
    value = counts["value"].to_numpy()
    nothing = DayList(np.zeros(size + 1, np.int64), np.zeros(0, np.int32))
    shadows = DayList(np.arange(0, 6 * size + 1, 6, dtype=np.int64), given["day"].to_numpy())
    return (
        np.zeros(size, np.int32),
        np.full(size, LAST_DAY, np.int32),
        Counts(np.arange(0, length * size + 1, length), counts["day"].to_numpy(), value, value),
        Others(nothing.offsets, nothing.day, np.zeros(0)),
        nothing,
        nothing if rule.without_transfusion is None else shadows,
        nothing,
        compile_bounds(rule),
    )


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    """Give the shortest of several times, and the answer."""
    answer = work()
    times: list[float] = []
    for _ in range(REPEATS):
        begin = time.perf_counter()
        answer = work()
        times.append(time.perf_counter() - begin)
    return min(times), answer


def copy_bandwidth(counts: pl.DataFrame) -> float:
    """Measure how many bytes a second are copied, once read and once written."""
    value, day = counts["value"].to_numpy(), counts["day"].to_numpy()
    target = (np.empty_like(value), np.empty_like(day))

    def copy() -> None:
        np.copyto(target[0], value)
        np.copyto(target[1], day)

    seconds, _ = timed(copy)
    return (value.nbytes + day.nbytes) / seconds


def compare(participants: int, length: int) -> None:
    """Print one line a rule, for one size of data."""
    counts, given = make_counts(participants, length)
    bandwidth = copy_bandwidth(counts)
    size = counts["value"].to_numpy().nbytes + counts["day"].to_numpy().nbytes
    for name, content in RULES.items():
        rule = Recovery.model_validate(content)
        inputs = columns_of(counts, given, length, rule)
        rival, expected = timed(lambda name=name: best_polars(name, counts, given))
        one, (found, _) = timed(lambda i=inputs, r=rule: search_in_threads(i, r, 1))
        two, _ = timed(lambda i=inputs, r=rule: search_in_threads(i, r, 2))
        day = found.event
        ours = pl.DataFrame({"participant_id": np.flatnonzero(day >= 0).astype(np.int32),
                             "day": day[day >= 0]})  # fmt: skip
        if not ours.equals(expected):
            raise SystemExit(f"{name}: the answers differ; the times mean nothing")
        print(
            f"{participants:>9,} {name:<8} {one:7.3f} s {counts.height / one / 1e6:8.0f} M/s "
            f"{size / one / bandwidth:6.0%} of copy  {two:7.3f} s on two threads   "
            f"polars {rival:6.3f} s  ratio {rival / one:5.1f} ({rival / two:.1f})  "
            f"events {ours.height:,}"
        )
    print(
        f"{'':>9} peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20:.1f} GiB"
    )


def from_disk(participants: int, length: int) -> None:
    """Time Parquet on disk to outcomes on disk, with notes in words."""
    counts, given = make_counts(participants, length)
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        counts.write_parquet(place / "counts.parquet")
        given.write_parquet(place / "given.parquet")
        del counts, given
        begin = time.perf_counter()
        for name, content in RULES.items():
            rows = recover(
                pl.read_parquet(place / "counts.parquet"),
                Recovery.model_validate(content),
                transfusions=pl.read_parquet(place / "given.parquet"),
                threads=2,
            )
            rows.write_parquet(place / f"{name}.parquet")
        seconds = time.perf_counter() - begin
    print(f"{participants:>9,} Parquet to outcomes on disk, three rules: {seconds:.1f} s")


def main() -> None:
    """Read the command line and print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--participants", type=int, default=1_000_000)
    parser.add_argument("--counts", type=int, default=60)
    chosen = parser.parse_args()
    for participants in (10_000, 100_000, chosen.participants):
        compare(participants, chosen.counts)
    from_disk(chosen.participants, chosen.counts)


if __name__ == "__main__":
    main()
