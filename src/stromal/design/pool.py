"""Many independent tasks: in this process, in a pool of processes or on a cluster.

What comes out depends on the tasks alone, never on where, by how many or in which order they
were run, nor on whether the run was stopped and resumed.
"""

from __future__ import annotations

import multiprocessing
import os
import pickle
import re
import signal
import threading
import traceback
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from concurrent.futures import (
    BrokenExecutor,
    CancelledError,
    Executor,
    Future,
    ProcessPoolExecutor,
    as_completed,
)
from contextlib import closing, contextmanager
from dataclasses import dataclass
from multiprocessing.connection import wait
from multiprocessing.context import SpawnContext, SpawnProcess
from pathlib import Path
from typing import Any, Final, Generic, Protocol, TypeVar

from polars.exceptions import PanicException

from stromal.core.errors import StromalError, UsageError
from stromal.design.cluster import ONE_THREAD, Cluster, SlurmCluster, is_lost_worker, open_executor
from stromal.design.results_folder import (
    Frames,
    code_version,
    open_folder,
    read_result,
    write_result,
)

__all__ = ["Task", "available_workers", "run_tasks"]


class Task(Protocol):
    """One piece of work: frozen, picklable, small, and all that its result depends on."""

    @property
    def key(self) -> str:
        """Its name within the plan, fit for a file: letters, digits, dot, hyphen, underscore."""
        ...


T = TypeVar("T", bound=Task)
_KEY: Final = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,149}")


def run_tasks(
    tasks: Sequence[T],
    work: Callable[[T], Frames],
    folder: Path | None = None,
    *,
    plan: Mapping[str, object] | None = None,
    workers: int | None = None,
    cluster: Cluster | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> list[Frames]:
    """Do every task once and give the results in the order of the tasks.

    1. With a `folder`, results that are there, whole and of the same plan are read; the others
       are made and written, one file a task, as soon as each is done.
    2. What is missing is made on the `cluster`; without one by `workers` processes; with one
       worker, or one task left, in this process. Each worker keeps to one thread.
    3. The first failure ends the run. So does Ctrl-C. Workers are ended at once; files that were
       written stay, and the next run goes on from them.

    Parameters
    ----------
    tasks
        The tasks, each with a `key` of its own. They are sent to the workers by pickle.
    work
        A function at the top of a module that turns a task into frames by name. It must depend
        on the task alone.
    folder
        Where results are kept; None keeps them in memory only.
    plan
        All that decides the results, apart from the code: versions of protocols, hashes of
        scenarios, seed, size of a task. Needed with a folder, which is refused for another plan.
        A key must mean the same task in every run with the same plan.
    workers
        Number of processes; None takes one for each processor that is available.
    cluster
        A cluster to run on instead; needs the extra `cluster`.
    progress
        Called in this process with how many tasks are done and how many there are: once before
        the first, and after each.

    Returns
    -------
    list
        One result a task, in the order of `tasks`: frames by name.

    Raises
    ------
    UsageError
        Keys that are not fit or not unique, a folder of another plan, no plan for a folder, a
        cluster without its packages.
    StromalError
        A task failed: its key and the reason. A StromalError raised by `work` passes unchanged.

    Notes
    -----
    A script that uses a pool or a cluster must do so below `if __name__ == "__main__":`, because
    workers import it anew. Processes of different kinds may round differently in the last digit:
    equal checksums are promised on equal hardware.
    """
    keys = _checked_keys(tasks)
    if workers is not None and workers < 1:
        raise UsageError(f"expected at least 1 worker; got {workers}. Leave it out to use all")
    store = None
    if folder is not None:
        if plan is None:
            raise UsageError("results in a folder need the plan that they belong to: give `plan`")
        store = open_folder(folder, plan, f"{work.__module__}.{work.__qualname__}")
    results: dict[str, Frames] = {}
    if store is not None:
        found = ((key, read_result(store, key)) for key in keys)
        results.update((key, frames) for key, frames in found if frames is not None)
    tell = progress or _tell_nobody
    tell(len(results), len(keys))
    missing = [task for task in tasks if task.key not in results]
    with closing(_made(missing, work, workers or available_workers(), cluster)) as made:
        for key, frames in made:
            if store is not None:
                write_result(store, key, frames)
            results[key] = frames
            tell(len(results), len(keys))
    return [results[key] for key in keys]


def _tell_nobody(_done: int, _total: int) -> None:
    """Show no progress."""


def available_workers() -> int:
    """Count the processors that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _checked_keys(tasks: Sequence[Task]) -> list[str]:
    """Give the keys of the tasks; each must be fit for a file name and differ from the others."""
    keys = [task.key for task in tasks]
    seen: dict[str, str] = {}
    for key in keys:
        if not _KEY.fullmatch(key):
            raise UsageError(
                f"the name '{key}' of a task is not fit for a file: expected at most 150 letters "
                "(A to Z), digits, dots, hyphens and underscores, no dot first. Rename it"
            )
        if key.lower() in seen:
            raise UsageError(
                f"two tasks are named alike: '{seen[key.lower()]}' and '{key}' (capital letters "
                "do not tell files apart). Give each a name of its own"
            )
        seen[key.lower()] = key
    return keys


def _made(
    tasks: Sequence[T], work: Callable[[T], Frames], workers: int, cluster: Cluster | None
) -> Generator[tuple[str, Frames], None, None]:
    """Make the results of tasks, each with its key, in the order in which they are done."""
    if not tasks:
        return
    if cluster is not None:
        elsewhere = isinstance(cluster, SlurmCluster)
        with open_executor(cluster) as executor:
            sent = _SameCode(work, code_version()) if elsewhere else work
            yield from _completed(executor, tasks, sent)
    elif min(workers, len(tasks)) == 1:
        for task in tasks:
            yield task.key, _raised(_done(work, task))
    else:
        _refuse_what_cannot_be_sent(tasks, work)
        with _process_pool(min(workers, len(tasks))) as executor:
            yield from _completed(executor, tasks, work)


def _refuse_what_cannot_be_sent(tasks: Sequence[T], work: Callable[[T], Frames]) -> None:
    """Try to pickle all that will be sent: a pool that finds out in a thread ends untidily."""
    for task in tasks:
        try:
            pickle.dumps((work, task))
        except Exception as error:
            raise StromalError(
                f"the task '{task.key}' cannot be sent to another process: {error}. Its work must "
                "be a function at the top of a module and its values plain; or use 1 worker"
            ) from error


def _completed(
    executor: Executor, tasks: Sequence[T], work: Callable[[T], Frames]
) -> Iterator[tuple[str, Frames]]:
    """Submit all tasks and give each result as it comes."""
    waiting: dict[Future[Frames | StromalError], str] = {}
    try:
        with _one_thread_each():  # workers of a pool are started while tasks are submitted
            for task in tasks:
                waiting[executor.submit(_done, work, task)] = task.key
    except BrokenExecutor as error:
        raise _lost(tasks[0].key) from error
    for future in as_completed(list(waiting)):
        key = waiting.pop(future)
        yield key, _outcome(future, key)


def _outcome(future: Future[Frames | StromalError], key: str) -> Frames:
    """Give what a task came to, or say in words what happened to it."""
    try:
        result = future.result()
    except (BrokenExecutor, CancelledError) as error:
        raise _lost(key) from error
    except Exception as error:
        raise (_lost(key) if is_lost_worker(error) else _failed(key, error)) from error
    return _raised(result)


def _raised(result: Frames | StromalError) -> Frames:
    """Raise what was given back as an error."""
    if isinstance(result, StromalError):
        raise result
    return result


@dataclass(frozen=True)
class _SameCode(Generic[T]):
    """Work on another computer, done only where it computes what it would here."""

    work: Callable[[T], Frames]
    version: str

    def __call__(self, task: T) -> Frames:
        if code_version() != self.version:
            raise UsageError(
                f"a worker has another version of stromal or its libraries ({code_version()}) "
                f"than the process that sent it work ({self.version}): their numbers may differ. "
                "Install the same versions everywhere and start again"
            )
        return self.work(task)


def _done(work: Callable[[T], Frames], task: T) -> Frames | StromalError:
    """Do a task; a failure is given back as a message for the user, not raised in a worker."""
    try:
        return work(task)
    except StromalError as error:
        return error
    except (Exception, PanicException) as error:  # noqa: BLE001 (told with the task's name)
        failure = _failed(task.key, error)
        failure.add_note(traceback.format_exc())  # for those who look for the fault in the code
        return failure


def _failed(key: str, error: BaseException) -> StromalError:
    """Say that a task failed, why, and what to do."""
    return StromalError(
        f"the task '{key}' failed: {type(error).__name__}: {error}. Results that were written are "
        "kept; when the cause is mended, start again to go on from them"
    )


def _lost(key: str) -> StromalError:
    """Say that a worker was ended from outside, and what to do."""
    return StromalError(
        f"a worker process was ended from outside before the task '{key}' was done; most often "
        "the system ran out of memory. Results that were written are kept: start again with "
        "fewer workers or smaller tasks (on a cluster, with more memory or time for a job). "
        "If it happens at once in a script of yours, put the call below "
        'if __name__ == "__main__":'
    )


class _Spawning(SpawnContext):
    """Starts fresh processes (numba and polars do not survive a fork) and remembers them."""

    def __init__(self) -> None:
        super().__init__()
        self.started: list[SpawnProcess] = []

    def Process(self, *args: Any, **keywords: Any) -> SpawnProcess:  # type: ignore[override]  # noqa: ANN401, N802
        process = SpawnProcess(*args, **keywords)
        self.started.append(process)
        return process


@contextmanager
def _process_pool(workers: int) -> Generator[Executor, None, None]:
    """Open a pool of processes, which are ended at once when the block fails."""
    context = _Spawning()
    executor = ProcessPoolExecutor(workers, mp_context=context, initializer=_prepare_worker)
    try:
        yield executor
    except BaseException:
        for process in context.started:
            process.terminate()
        raise
    finally:
        executor.shutdown(cancel_futures=True)


def _prepare_worker() -> None:
    """Leave Ctrl-C to the parent process, and end with it whatever ends it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """Wait for the parent process to end, then end this one."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)


@contextmanager
def _one_thread_each() -> Generator[None, None, None]:
    """Let processes that start in the block keep to one thread each."""
    before = {name: os.environ.get(name) for name in ONE_THREAD}
    os.environ.update(ONE_THREAD)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
