"""Work for the tests of the pool: at the top of a module, so that other processes can import it."""

import os
import signal
import time
import uuid
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from stromal.core.errors import Fault, ProtocolError


@dataclass(frozen=True)
class Chunk:
    """Some trials of a run. `log` gets a file a call.

    `fate` is what befalls the worker, once `after` two results are in that folder.
    """

    key: str
    number: int
    log: Path | None = None
    fate: str = ""
    seconds: float = 0.0
    after: Path | None = None


def chunks(count: int, log: Path | None = None, seconds: float = 0.0) -> list[Chunk]:
    return [Chunk(f"null-{number:03}", number, log, "", seconds) for number in range(count)]


def simulated(chunk: Chunk) -> dict[str, pl.DataFrame]:
    """Make frames of every type that results have, from the chunk's number alone."""
    if chunk.log is not None:
        (chunk.log / f"{chunk.key}.{os.getpid()}.{uuid.uuid4().hex}").touch()
    time.sleep(chunk.seconds)
    deadline = time.monotonic() + 60
    while chunk.after is not None and len(list(chunk.after.glob("*.parquet"))) < 2:
        if time.monotonic() > deadline:
            raise TimeoutError("the other results did not come within a minute")
        time.sleep(0.02)
    if chunk.fate == "fails":
        raise ZeroDivisionError("no participant was analysed")
    if chunk.fate == "refuses":
        raise ProtocolError(
            [
                Fault("protocol.yaml", 7, "", "no decision", "one", "Add it."),
                Fault("protocol.yaml", 3, "", "no arm", "one", "Add it."),
            ]
        )
    if chunk.fate == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    generator = np.random.default_rng(chunk.number)
    size = 5 + chunk.number % 3
    durations = generator.normal(400, 30, size)
    trials = pl.DataFrame(
        {
            "scenario": ["null"] * size,
            "trial": pl.Series(np.arange(size) + 10 * chunk.number, dtype=pl.Int32),
            "duration_days": pl.Series(durations).set(pl.Series(durations > 430), None),
            "rejected": durations > 400,
        }
    )
    tallies = pl.DataFrame({"status": ["event", "é", None], "participants": [chunk.number, 2, 3]})
    truths = pl.DataFrame(schema={"truth": pl.String, "n": pl.Int64})  # a chunk without rows
    return {"trials": trials, "tallies": tallies, "truths": truths}


def circumstances(_chunk: Chunk) -> dict[str, pl.DataFrame]:
    """Tell where the work was done."""
    import numba  # noqa: PLC0415

    found = {
        "process": os.getpid(),
        "polars_threads": pl.thread_pool_size(),
        "numba_threads": numba.config.NUMBA_NUM_THREADS,
    }
    return {"found": pl.DataFrame(found)}
