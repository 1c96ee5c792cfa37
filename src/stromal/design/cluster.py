"""Many computers: where tasks run on Dask, on this machine or through Slurm.

Needs the extra `cluster` (`pip install 'stromal[cluster]'`), which is imported only here and
only when a cluster is asked for. Dask's dashboard is off. As always with Dask, whoever can reach
the scheduler's port can run code there: use it inside a cluster's own network.
"""

from __future__ import annotations

import logging
import shutil
import subprocess
import sys
from collections.abc import Generator
from concurrent.futures import Executor
from contextlib import AbstractContextManager, contextmanager
from importlib import import_module
from types import ModuleType
from typing import Annotated, Any, Final, Literal

from pydantic import Field, StringConstraints

from stromal.core.errors import UsageError
from stromal.protocol.fields import Model

__all__ = [
    "ONE_THREAD",
    "Cluster",
    "LocalCluster",
    "SlurmCluster",
    "is_lost_worker",
    "open_executor",
    "slurm_job_script",
]

ONE_THREAD: Final = {
    "POLARS_MAX_THREADS": "1",
    "NUMBA_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
}
"""What keeps the libraries of one worker to one processor, so that workers do not compete."""

_NO_DASHBOARD: Final = {"dashboard": False, "dashboard_address": "127.0.0.1:0"}
_Word = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.,:+-]+$")]
_Line = Annotated[str, StringConstraints(pattern=r"^[^\n\r]+$")]


class LocalCluster(Model):
    """Dask workers on this machine: the way to try what will run on a cluster.

    Parameters
    ----------
    workers
        Number of worker processes, one thread each.
    """

    kind: Literal["local"] = "local"
    workers: int = Field(ge=1)


class SlurmCluster(Model):
    """Dask workers in Slurm jobs, which find Python and stromal where this computer has them.

    Parameters
    ----------
    cores
        Processors of one job; each runs one worker process with one thread.
    memory
        Memory of one job, shared equally by its workers, such as "16 GB".
    walltime
        The time after which Slurm ends a job, "hours:minutes:seconds" or "days-hours:...".
    jobs
        Number of jobs to submit.
    queue
        The partition; None leaves it to Slurm.
    account
        The account that is charged; None leaves it to Slurm.
    interface
        The network interface of scheduler and workers, such as "ib0"; None lets Dask choose.
    directives
        Further options of `sbatch`, one a line, without "#SBATCH".
    before
        Commands of the job before a worker starts, such as "module load python".
    """

    kind: Literal["slurm"] = "slurm"
    cores: int = Field(ge=1)
    memory: Annotated[str, StringConstraints(pattern=r"^[1-9][0-9]*(\.[0-9]+)? ?[KMGT]i?B$")]
    walltime: Annotated[str, StringConstraints(pattern=r"^([0-9]+-)?[0-9]{1,3}:[0-9]{2}:[0-9]{2}$")]
    jobs: int = Field(ge=1)
    queue: _Word | None = None
    account: _Word | None = None
    interface: _Word | None = None
    directives: tuple[_Line, ...] = ()
    before: tuple[_Line, ...] = ()


Cluster = LocalCluster | SlurmCluster


@contextmanager
def open_executor(cluster: Cluster) -> Generator[Executor, None, None]:
    """Start a cluster and give what submits tasks to it; end it afterwards.

    When the block is left by an exception (an interruption among them) tasks that have not run
    are cancelled and jobs that were submitted are ended.

    Raises
    ------
    UsageError
        The extra `cluster` is not installed.
    """
    distributed: Any = _imported("distributed")
    with _quiet(), _started(cluster) as started, distributed.Client(started) as client:
        executor: Executor = client.get_executor(pure=False)
        try:
            yield executor
        except BaseException:
            executor.shutdown(wait=False)
            raise


@contextmanager
def _quiet() -> Generator[None, None, None]:
    """Keep tornado from printing what a cancelled task leaves behind."""
    logger = logging.getLogger("tornado.application")
    before = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(before)


def slurm_job_script(cluster: SlurmCluster) -> str:
    """Write the script that each Slurm job would run; nothing is submitted.

    The address of the scheduler in it is one that was opened to write it and closed again.
    """
    with _slurm(cluster) as started:
        return str(started.job_script())


def is_lost_worker(error: BaseException) -> bool:
    """Tell whether Dask gave a task up because the workers that ran it were ended."""
    distributed: Any = sys.modules.get("distributed")
    return distributed is not None and isinstance(error, distributed.KilledWorker)


def _started(cluster: Cluster) -> AbstractContextManager[Any]:
    """Start the workers of a cluster."""
    if isinstance(cluster, SlurmCluster):
        if shutil.which("sbatch") is None:
            raise UsageError(
                "Slurm's command 'sbatch' is not found on this computer. Start on a computer of "
                "the cluster that submits jobs, or run without a cluster"
            )
        started = _slurm(cluster)
        try:
            _refuse_what_slurm_refuses(str(started.job_script()))
        except UsageError:
            started.close()
            raise
        started.scale(jobs=cluster.jobs)
        return started
    distributed: Any = _imported("distributed")
    with _settings():
        return distributed.LocalCluster(
            n_workers=cluster.workers,
            threads_per_worker=1,
            processes=True,
            dashboard_address=None,
            scheduler_kwargs=_NO_DASHBOARD,
            silence_logs=logging.CRITICAL,
        )


def _settings() -> AbstractContextManager[Any]:
    """Give the settings of Dask: nothing is served over HTTP, workers keep to one thread."""
    dask: Any = _imported("dask")
    return dask.config.set(
        {
            "distributed.scheduler.http.routes": [],
            "distributed.worker.http.routes": [],
            "distributed.nanny.pre-spawn-environ": ONE_THREAD,
        }
    )


def _refuse_what_slurm_refuses(script: str) -> None:
    """Let Slurm judge a script before it is submitted: Dask waits for a refused job for ever."""
    judged = subprocess.run(
        ["sbatch", "--test-only"],  # noqa: S607 (wherever the cluster keeps it)
        input=script,
        capture_output=True,
        text=True,
        check=False,
    )
    if judged.returncode != 0:
        raise UsageError(
            f"Slurm refuses the job: {judged.stderr.strip()}. Mend the cluster's options (queue, "
            "account, cores, memory, walltime, directives) and start again"
        )


def _slurm(cluster: SlurmCluster) -> Any:  # noqa: ANN401 (dask-jobqueue has no types)
    """Open a Slurm cluster without jobs."""
    jobqueue: Any = _imported("dask_jobqueue")
    environment = {**ONE_THREAD, "DASK_DISTRIBUTED__WORKER__HTTP__ROUTES": "[]"}
    with _settings():
        return jobqueue.SLURMCluster(
            queue=cluster.queue,
            account=cluster.account,
            cores=cluster.cores,
            processes=cluster.cores,
            memory=cluster.memory,
            walltime=cluster.walltime,
            interface=cluster.interface,
            job_name="stromal",
            job_extra_directives=list(cluster.directives),
            job_script_prologue=[
                *(f"export {name}={value}" for name, value in environment.items()),
                *cluster.before,
            ],
            worker_extra_args=["--no-dashboard"],
            scheduler_options=_NO_DASHBOARD,
            silence_logs="critical",
        )


def _imported(name: str) -> ModuleType:
    """Import a package of the extra `cluster`, or say how to install it."""
    try:
        return import_module(name)
    except ImportError as error:
        raise UsageError(
            f"a cluster needs the package '{error.name}', which is not installed. Install it with "
            "pip install 'stromal[cluster]', or run without a cluster"
        ) from error
