"""Tasks on Dask: the same numbers, words for what goes wrong, and jobs as Slurm wants them."""

import logging
import os
import subprocess
import sys
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path

import dask
import pytest
from pydantic import ValidationError

from stromal.core.errors import ProtocolError, StromalError, UsageError
from stromal.design.cluster import (
    ONE_THREAD,
    LocalCluster,
    SlurmCluster,
    _slurm,
    _started,
    open_executor,
    slurm_job_script,
)
from stromal.design.pool import run_tasks
from stromal.design.results_folder import checksum, code_version, join_frames
from support.pool_work import Chunk, chunks, circumstances, simulated

PLAN = {"protocol": "3f2a", "seed": 1}
SLURM = SlurmCluster(
    cores=4,
    memory="16 GiB",
    walltime="02:30:00",
    jobs=2,
    queue="short",
    account="haematology",
    interface="lo",
    directives=("--qos=low",),
    before=("module load python",),
)


def test_dask_gives_the_checksum_of_a_serial_run_and_resumes_it(tmp_path: Path) -> None:
    (tmp_path / "log").mkdir()
    tasks = chunks(6, tmp_path / "log")
    expected = checksum(join_frames([simulated(task) for task in chunks(6)]))
    run_tasks(tasks[:2], simulated, tmp_path / "r", plan=PLAN, workers=1)
    told: list[tuple[int, int]] = []
    results = run_tasks(
        tasks,
        simulated,
        tmp_path / "r",
        plan=PLAN,
        cluster=LocalCluster(workers=2),
        progress=lambda *now: told.append(now),
    )
    assert checksum(join_frames(results)) == expected
    assert told == [(2, 6), (3, 6), (4, 6), (5, 6), (6, 6)]
    assert len(list((tmp_path / "log").iterdir())) == 6
    reread = run_tasks(tasks, simulated, tmp_path / "r", plan=PLAN, workers=1)
    assert checksum(join_frames(reread)) == expected
    assert len(list((tmp_path / "log").iterdir())) == 6


def test_dask_workers_are_other_processes_with_one_thread_each() -> None:
    before = {name: os.environ.get(name) for name in ONE_THREAD}
    cluster = LocalCluster(workers=1)
    found = join_frames(run_tasks(chunks(2), circumstances, cluster=cluster))["found"]
    assert os.getpid() not in found["process"].to_list()
    assert found["polars_threads"].to_list() == [1, 1]
    assert found["numba_threads"].to_list() == [1, 1]
    assert {name: os.environ.get(name) for name in ONE_THREAD} == before


def test_failures_on_dask_are_told_as_those_of_a_pool(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    cluster, folder = LocalCluster(workers=1), tmp_path / "r"
    fails = [*chunks(2), Chunk("bad", 2, fate="fails", after=folder)]
    with pytest.raises(StromalError, match="'bad' failed: ZeroDivisionError: no participant"):
        run_tasks(fails, simulated, folder, plan=PLAN, cluster=cluster)
    assert {file.stem for file in folder.glob("*.parquet")} == {"null-000", "null-001"}
    with pytest.raises(ProtocolError) as caught:
        run_tasks([Chunk("b", 1, fate="refuses")], simulated, cluster=cluster)
    assert [fault.line for fault in caught.value.faults] == [3, 7]
    with pytest.raises(StromalError, match=r"ended from outside before the task 'hungry' was done"):
        run_tasks([Chunk("hungry", 1, fate="killed")], simulated, cluster=cluster)
    assert "Traceback" not in capfd.readouterr().err


def test_an_interruption_ends_the_cluster_and_keeps_whole_files(tmp_path: Path) -> None:
    def interrupt(done: int, _total: int) -> None:
        if done == 2:
            raise KeyboardInterrupt

    (tmp_path / "log").mkdir()
    tasks, folder = chunks(5, tmp_path / "log", seconds=0.2), tmp_path / "r"
    cluster = LocalCluster(workers=1)
    with pytest.raises(KeyboardInterrupt):
        run_tasks(tasks, simulated, folder, plan=PLAN, cluster=cluster, progress=interrupt)
    assert len(list(folder.glob("*.parquet"))) == 2
    assert not list(folder.glob(".*"))
    workers = {int(file.name.split(".")[1]) for file in (tmp_path / "log").iterdir()}
    assert len(workers) == 1
    assert not any(Path(f"/proc/{worker}").exists() for worker in workers)


@pytest.mark.parametrize("cluster", [LocalCluster(workers=1), SLURM])
def test_a_cluster_serves_no_pages(cluster: LocalCluster | SlurmCluster) -> None:
    started = _slurm(cluster) if isinstance(cluster, SlurmCluster) else _started(cluster)
    with started:
        server = started.scheduler.http_server
        assert server.address == "127.0.0.1"
        for page in ("status", "health", "info/main/workers.html", "metrics"):
            with closing(HTTPConnection("127.0.0.1", server.port, timeout=10)) as asked:
                asked.request("GET", f"/{page}")
                assert asked.getresponse().status == 404


def test_settings_of_dask_and_of_logs_are_put_back() -> None:
    routes = dask.config.get("distributed.scheduler.http.routes")
    assert routes
    tornado = logging.getLogger("tornado.application")
    before = tornado.level
    with open_executor(LocalCluster(workers=1)):
        assert tornado.level == logging.CRITICAL
    assert tornado.level == before != logging.CRITICAL
    assert dask.config.get("distributed.scheduler.http.routes") == routes


@pytest.mark.parametrize("cluster", [LocalCluster(workers=1), SLURM])
def test_without_the_extra_the_remedy_is_told(
    cluster: LocalCluster | SlurmCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    monkeypatch.setitem(sys.modules, "dask_jobqueue", None)
    with pytest.raises(UsageError, match=r"needs the package 'distributed'.*'stromal\[cluster\]'"):
        run_tasks(chunks(2), simulated, cluster=cluster)


def test_dask_is_not_imported_without_a_cluster() -> None:
    told = "import sys, stromal.design.pool; print({'dask', 'distributed'} & {*sys.modules})"
    done = subprocess.run([sys.executable, "-c", told], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


# --- Slurm -----------------------------------------------------------------------------------


def test_a_job_script_asks_for_what_the_options_say() -> None:
    lines = slurm_job_script(SLURM).splitlines()
    assert lines[0] == "#!/usr/bin/env bash"
    asked = {line for line in lines if line.startswith("#SBATCH")}
    assert asked == {
        "#SBATCH -J stromal",
        "#SBATCH -p short",
        "#SBATCH -A haematology",
        "#SBATCH -n 1",
        "#SBATCH --cpus-per-task=4",
        "#SBATCH --mem=16G",
        "#SBATCH -t 02:30:00",
        "#SBATCH --qos=low",
    }
    worker = next(number for number, line in enumerate(lines) if "dask_worker" in line)
    before = lines[:worker]
    assert "module load python" in before
    assert all(f"export {name}=1" in before for name in ONE_THREAD)
    command = lines[worker].split()
    assert command[0] == sys.executable
    options = " ".join(command[1:])
    assert "--nthreads 1 " in options
    assert "--nworkers 4 " in options
    assert "--memory-limit 4.00GiB " in options
    assert "--no-dashboard" in options
    assert "tcp://127.0.0.1:" in options


def test_a_job_script_leaves_out_what_is_left_to_slurm() -> None:
    script = slurm_job_script(SlurmCluster(cores=1, memory="2 GB", walltime="1-00:00:00", jobs=1))
    assert "#SBATCH -t 1-00:00:00" in script
    assert "#SBATCH -p" not in script
    assert "#SBATCH -A" not in script
    assert "--nworkers" not in script


@pytest.mark.parametrize(
    "wrong",
    [
        {"cores": 0},
        {"jobs": 0},
        {"memory": "16"},
        {"memory": "much"},
        {"walltime": "90"},
        {"walltime": "2 h"},
        {"queue": "short\n#SBATCH --wrap=x"},
        {"directives": ("--qos=low\nrm x",)},
        {"partition": "short"},
    ],
    ids=str,
)
def test_options_that_slurm_would_not_understand_are_refused(wrong: dict[str, object]) -> None:
    good: dict[str, object] = {"cores": 4, "memory": "16 GB", "walltime": "02:00:00", "jobs": 2}
    assert SlurmCluster.model_validate(good)
    with pytest.raises(ValidationError):
        SlurmCluster.model_validate({**good, **wrong})


def test_a_computer_without_slurm_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(UsageError, match="'sbatch' is not found on this computer"):
        run_tasks(chunks(2), simulated, cluster=SLURM)


SBATCH = """\
#!/bin/sh
# stands in for Slurm's own: a job is a session of processes of this computer
if [ "$1" = --test-only ]; then
  grep -q "SBATCH -p short" && exit 0
  echo "sbatch: error: invalid partition specified" >&2
  exit 1
fi
cp "$1" "$0.script.$$"
setsid sh "$0.script.$$" > "$0.log.$$" 2>&1 &
echo "Submitted batch job $!"
"""
SCANCEL = """\
#!/bin/sh
echo "$1" >> "$0.log"
kill -- "-$1"
"""


@pytest.fixture
def slurm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Put stand-ins for Slurm's commands first in the path."""
    commands = tmp_path / "slurm"
    commands.mkdir()
    for name, text in (("sbatch", SBATCH), ("scancel", SCANCEL)):
        (commands / name).write_text(text)
        (commands / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{commands}:{os.environ['PATH']}")
    tests = str(Path(__file__).resolve().parents[2])
    monkeypatch.setenv("PYTHONPATH", tests)  # a job inherits it, as under Slurm
    return commands


def test_jobs_do_the_work_and_are_ended(slurm: Path) -> None:
    cluster = SLURM.model_copy(update={"cores": 1, "before": ()})
    code_version.cache_clear()  # the files may have been edited since the first test
    results = run_tasks(chunks(4), simulated, cluster=cluster)
    expected = checksum(join_frames([simulated(task) for task in chunks(4)]))
    assert checksum(join_frames(results)) == expected
    assert len(list(slurm.glob("sbatch.script.*"))) == 2
    assert len((slurm / "scancel.log").read_text().split()) == 2


def test_a_job_that_slurm_refuses_is_told_at_once(slurm: Path) -> None:
    cluster = SLURM.model_copy(update={"queue": "shrot"})
    with pytest.raises(UsageError, match=r"refuses the job: .*invalid partition.*Mend"):
        run_tasks(chunks(2), simulated, cluster=cluster)
    assert not list(slurm.glob("sbatch.script.*"))
