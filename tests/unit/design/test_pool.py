"""Tasks come to the same whoever runs them, and no work is lost or mixed when a run is stopped."""

import json
import multiprocessing
import os
import pickle
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from stromal.core.errors import Fault, ProtocolError, StromalError, UsageError
from stromal.design import pool, results_folder
from stromal.design.cluster import ONE_THREAD
from stromal.design.pool import available_workers, run_tasks
from stromal.design.results_folder import checksum, code_version, join_frames
from support.pool_work import Chunk, chunks, circumstances, simulated

PLAN = {"protocol": "3f2a", "seed": 1, "trials_a_task": 10}


def calls(log: Path) -> Counter[str]:
    """Count how often each task was done."""
    return Counter(file.name.split(".")[0] for file in log.iterdir())


def workers_in(log: Path) -> set[int]:
    """Tell which processes did tasks."""
    return {int(file.name.split(".")[1]) for file in log.iterdir()}


def results_in(folder: Path) -> set[str]:
    return {file.stem for file in folder.glob("*.parquet")}


@pytest.fixture
def log(tmp_path: Path) -> Path:
    (tmp_path / "log").mkdir()
    return tmp_path / "log"


def stop_after(done: int, error: type[BaseException]) -> Callable[[int, int], None]:
    def progress(now: int, _total: int) -> None:
        if now == done:
            raise error

    return progress


# --- what comes out --------------------------------------------------------------------------


def test_results_are_in_the_order_of_the_tasks_even_when_the_first_is_done_last() -> None:
    tasks = [Chunk("slow", 0, seconds=1.5), *chunks(3)]
    told: list[tuple[int, int]] = []
    results = run_tasks(tasks, simulated, workers=2, progress=lambda *now: told.append(now))
    alone = [simulated(task) for task in tasks]
    assert [checksum(result) for result in results] == [checksum(result) for result in alone]
    assert told == [(0, 4), (1, 4), (2, 4), (3, 4), (4, 4)]


def test_serial_pool_and_resumed_runs_have_equal_checksums(tmp_path: Path) -> None:
    tasks = chunks(6)
    serial = run_tasks(tasks, simulated, workers=1)
    pooled = run_tasks(tasks, simulated, tmp_path / "a", plan=PLAN, workers=2)
    run_tasks(tasks[1:4], simulated, tmp_path / "b", plan=PLAN, workers=1)
    resumed = run_tasks(tasks, simulated, tmp_path / "b", plan=PLAN, workers=2)
    reread = run_tasks(tasks, simulated, tmp_path / "a", plan=PLAN, workers=1)
    expected = checksum(join_frames(serial))
    for results in (pooled, resumed, reread):
        joined = join_frames(results)
        assert checksum(joined) == expected
        for name, frame in join_frames(serial).items():
            assert joined[name].schema == frame.schema
            assert joined[name].equals(frame)
    assert checksum(join_frames(serial[:-1])) != expected


def test_the_workers_are_other_processes_with_one_thread_each() -> None:
    before = {name: os.environ.get(name) for name in ONE_THREAD}
    found = join_frames(run_tasks(chunks(4), circumstances, workers=2))["found"]
    assert os.getpid() not in found["process"].to_list()
    assert found["polars_threads"].to_list() == [1] * 4
    assert found["numba_threads"].to_list() == [1] * 4
    assert {name: os.environ.get(name) for name in ONE_THREAD} == before


@pytest.mark.parametrize(("count", "workers"), [(3, 1), (1, 8)])
def test_one_worker_or_one_task_stays_in_this_process(count: int, workers: int) -> None:
    found = join_frames(run_tasks(chunks(count), circumstances, workers=workers))["found"]
    assert found["process"].unique().to_list() == [os.getpid()]


def test_no_tasks_no_results() -> None:
    assert run_tasks([], simulated) == []
    assert join_frames([]) == {}


def test_by_default_each_available_processor_has_a_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _process: {0, 3, 5}, raising=False)
    assert available_workers() == 3


# --- resuming --------------------------------------------------------------------------------


def test_only_what_is_missing_is_made(tmp_path: Path, log: Path) -> None:
    tasks, folder = chunks(5, log), tmp_path / "results"
    first = run_tasks(tasks, simulated, folder, plan=PLAN, workers=1)
    assert set(calls(log).values()) == {1}
    (folder / "null-001.parquet").unlink()
    (folder / "null-004.parquet").unlink()
    told: list[tuple[int, int]] = []
    again = run_tasks(
        tasks, simulated, folder, plan=PLAN, workers=1, progress=lambda *now: told.append(now)
    )
    expected = {"null-000": 1, "null-001": 2, "null-002": 1, "null-003": 1, "null-004": 2}
    assert calls(log) == expected
    assert told == [(3, 5), (4, 5), (5, 5)]
    assert checksum(join_frames(again)) == checksum(join_frames(first))


def damage_cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-20])


def damage_emptied(file: Path) -> None:
    file.write_bytes(b"")


def damage_one_bit(file: Path) -> None:
    data = bytearray(file.read_bytes())
    data[len(data) // 3] ^= 1
    file.write_bytes(data)


def damage_other_task(file: Path) -> None:
    file.write_bytes((file.parent / "null-000.parquet").read_bytes())


def damage_written_by_another(file: Path) -> None:
    pl.DataFrame({"trials": [1]}).write_parquet(file)


@pytest.mark.parametrize(
    "damage",
    [
        damage_cut,
        damage_emptied,
        damage_one_bit,
        damage_other_task,
        damage_written_by_another,
    ],
)
def test_a_damaged_file_is_made_again(
    tmp_path: Path, log: Path, damage: Callable[[Path], None]
) -> None:
    tasks, folder = chunks(3, log), tmp_path / "results"
    first = run_tasks(tasks, simulated, folder, plan=PLAN, workers=1)
    damage(folder / "null-001.parquet")
    again = run_tasks(tasks, simulated, folder, plan=PLAN, workers=1)
    assert calls(log) == {"null-000": 1, "null-001": 2, "null-002": 1}
    assert checksum(join_frames(again)) == checksum(join_frames(first))


def test_a_file_of_another_plan_is_made_again(tmp_path: Path, log: Path) -> None:
    other = chunks(2, log)
    run_tasks(other, simulated, tmp_path / "other", plan={**PLAN, "seed": 2}, workers=1)
    folder = tmp_path / "results"
    run_tasks(other[:1], simulated, folder, plan=PLAN, workers=1)
    (tmp_path / "other" / "null-001.parquet").rename(folder / "null-001.parquet")
    run_tasks(other, simulated, folder, plan=PLAN, workers=1)
    assert calls(log) == {"null-000": 2, "null-001": 2}


def test_a_longer_run_of_the_same_plan_keeps_what_is_there(tmp_path: Path, log: Path) -> None:
    run_tasks(chunks(2, log), simulated, tmp_path / "results", plan=PLAN, workers=1)
    run_tasks(chunks(4, log), simulated, tmp_path / "results", plan=PLAN, workers=1)
    assert calls(log) == {"null-000": 1, "null-001": 1, "null-002": 1, "null-003": 1}


def test_any_parquet_reader_can_read_the_folder(tmp_path: Path) -> None:
    results = run_tasks(chunks(3), simulated, tmp_path / "r", plan=PLAN, workers=1)
    files = pl.read_parquet(tmp_path / "r" / "*.parquet")
    trials = files.select("trials").explode("trials").unnest("trials")
    assert trials.equals(join_frames(results)["trials"])


# --- another plan ----------------------------------------------------------------------------


def test_a_folder_of_another_plan_is_refused(tmp_path: Path, log: Path) -> None:
    run_tasks(chunks(1), simulated, tmp_path / "r", plan=PLAN, workers=1)
    other = {**PLAN, "seed": 2, "scenario": "late effect"}
    with pytest.raises(UsageError) as caught:
        run_tasks(chunks(1, log), simulated, tmp_path / "r", plan=other, workers=1)
    message = str(caught.value)
    assert 'scenario: nothing there, "late effect" now; seed: 1 there, 2 now' in message
    assert "protocol" not in message
    assert "Name another folder" in message
    assert not calls(log)


def test_a_folder_of_other_work_is_refused(tmp_path: Path) -> None:
    run_tasks(chunks(1), simulated, tmp_path / "r", plan=PLAN, workers=1)
    with pytest.raises(UsageError, match=r"pool_work\.simulated.*there.*pool_work\.circumstances"):
        run_tasks(chunks(1), circumstances, tmp_path / "r", plan=PLAN, workers=1)


def test_a_folder_made_by_other_code_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_tasks(chunks(1), simulated, tmp_path / "r", plan=PLAN, workers=1)
    monkeypatch.setattr(results_folder, "code_version", lambda: "0123456789abcdef")
    with pytest.raises(UsageError, match=r'code: .* there, "0123456789abcdef" now'):
        run_tasks(chunks(1), simulated, tmp_path / "r", plan=PLAN, workers=1)


def test_the_order_of_a_plan_does_not_matter(tmp_path: Path, log: Path) -> None:
    run_tasks(chunks(1, log), simulated, tmp_path / "r", plan=PLAN, workers=1)
    turned = dict(reversed(PLAN.items()))
    run_tasks(chunks(1, log), simulated, tmp_path / "r", plan=turned, workers=1)
    assert calls(log) == {"null-000": 1}


def test_a_folder_with_other_files_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "protocol.yaml").write_text("stromal: 1\n")
    with pytest.raises(UsageError, match=r"holds files but no manifest\.json.*empty folder"):
        run_tasks(chunks(1), simulated, tmp_path, plan=PLAN, workers=1)
    assert [file.name for file in tmp_path.iterdir()] == ["protocol.yaml"]


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"plan": {}}', '{"plan": 1, "work": 1, "code": 1}']
)
def test_a_damaged_manifest_is_refused(tmp_path: Path, text: str) -> None:
    run_tasks(chunks(1), simulated, tmp_path / "r", plan=PLAN, workers=1)
    (tmp_path / "r" / "manifest.json").write_text(text)
    with pytest.raises(UsageError, match=r"cannot be read.*delete this one"):
        run_tasks(chunks(1), simulated, tmp_path / "r", plan=PLAN, workers=1)


def test_the_manifest_says_the_plan_in_words(tmp_path: Path) -> None:
    run_tasks(chunks(1), simulated, tmp_path / "r", plan=PLAN, workers=1)
    told = json.loads((tmp_path / "r" / "manifest.json").read_text())
    assert told == {"plan": PLAN, "work": "support.pool_work.simulated", "code": code_version()}


def test_a_folder_needs_a_plan_and_must_be_one(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="give `plan`"):
        run_tasks(chunks(1), simulated, tmp_path / "r")
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="Name another folder"):
        run_tasks(chunks(1), simulated, tmp_path / "file", plan=PLAN)


# --- what goes wrong -------------------------------------------------------------------------


@pytest.mark.parametrize("workers", [1, 2])
def test_a_failure_names_its_task_and_keeps_what_was_done(
    tmp_path: Path, log: Path, workers: int
) -> None:
    folder = tmp_path / "r"
    tasks = [*chunks(2, log), Chunk("effect-000", 2, log, "fails", after=folder)]
    with pytest.raises(StromalError) as caught:
        run_tasks(tasks, simulated, folder, plan=PLAN, workers=workers)
    message = str(caught.value)
    assert "'effect-000' failed: ZeroDivisionError: no participant was analysed" in message
    assert "start again" in message
    assert results_in(folder) == {"null-000", "null-001"}
    assert not multiprocessing.active_children()


@pytest.mark.parametrize("workers", [1, 2])
def test_a_message_for_the_user_passes_unchanged(workers: int) -> None:
    tasks = [*chunks(1), Chunk("b", 1, fate="refuses")]
    with pytest.raises(ProtocolError) as caught:
        run_tasks(tasks, simulated, workers=workers)
    assert str(caught.value) == (
        "protocol.yaml:3: no arm; expected one. Add it.\n"
        "protocol.yaml:7: no decision; expected one. Add it."
    )
    assert caught.value.faults[0] == Fault("protocol.yaml", 3, "", "no arm", "one", "Add it.")


def test_errors_survive_being_sent_between_processes() -> None:
    error = ProtocolError([Fault("a", 1, "", "x", "y", "z.")])
    sent = pickle.loads(pickle.dumps(error))  # noqa: S301 (our own bytes)
    assert type(sent) is ProtocolError
    assert (sent.faults, str(sent)) == (error.faults, str(error))


def test_a_killed_worker_is_told_in_words(tmp_path: Path) -> None:
    folder = tmp_path / "r"
    tasks = [*chunks(2), Chunk("hungry", 9, fate="killed", after=folder)]
    with pytest.raises(StromalError) as caught:
        run_tasks(tasks, simulated, folder, plan=PLAN, workers=2)
    message = str(caught.value)
    assert "'hungry'" in message
    assert "ran out of memory" in message
    assert "fewer workers or smaller tasks" in message
    assert results_in(folder) == {"null-000", "null-001"}


def test_work_that_cannot_be_sent_names_its_task() -> None:
    with pytest.raises(StromalError, match=r"'null-000' cannot be sent.*top of a module"):
        run_tasks(chunks(2), lambda chunk: simulated(chunk), workers=2)  # noqa: PLW0108


def test_a_worker_with_other_code_is_refused() -> None:
    task = chunks(1)[0]
    assert checksum(pool._SameCode(simulated, code_version())(task)) == checksum(simulated(task))
    with pytest.raises(UsageError, match=r"another version of stromal.*same versions everywhere"):
        pool._SameCode(simulated, "0123456789abcdef")(task)


@pytest.mark.parametrize("key", ["", "a/b", "../a", ".a", "a b", "null:1", "é", "a" * 151, "a\n"])
def test_a_key_that_is_no_file_name_is_refused(key: str) -> None:
    with pytest.raises(UsageError, match=r"not fit for a file.*Rename it"):
        run_tasks([Chunk(key, 0)], simulated)


def test_two_tasks_must_not_share_a_file() -> None:
    with pytest.raises(UsageError, match="two tasks are named alike: 'null' and 'Null'"):
        run_tasks([Chunk("null", 0), Chunk("Null", 1)], simulated)


@pytest.mark.parametrize("workers", [0, -1])
def test_there_must_be_a_worker(workers: int) -> None:
    with pytest.raises(UsageError, match="at least 1 worker; got"):
        run_tasks(chunks(2), simulated, workers=workers)


def test_a_full_disk_is_told_in_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_room(_file: Path, _data: bytes) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", no_room)
    with pytest.raises(StromalError, match=r"'null-000' cannot be written.*No space.*Make room"):
        run_tasks(chunks(1), simulated, tmp_path / "r", plan=PLAN, workers=1)


# --- stopped in the middle -------------------------------------------------------------------


@pytest.mark.parametrize("workers", [1, 2])
def test_an_interruption_leaves_whole_files_and_no_worker(
    tmp_path: Path, log: Path, workers: int
) -> None:
    tasks, folder = chunks(6, log, seconds=0.1), tmp_path / "r"
    with pytest.raises(KeyboardInterrupt):
        run_tasks(
            tasks,
            simulated,
            folder,
            plan=PLAN,
            workers=workers,
            progress=stop_after(2, KeyboardInterrupt),
        )
    assert not multiprocessing.active_children()
    kept = results_in(folder)
    assert len(kept) == 2
    assert {file.name for file in folder.iterdir()} == {
        "manifest.json",
        *(f"{key}.parquet" for key in kept),
    }
    before = calls(log)
    resumed = run_tasks(tasks, simulated, folder, plan=PLAN, workers=1)
    again = calls(log) - before
    assert again == {task.key: 1 for task in tasks if task.key not in kept}
    assert checksum(join_frames(resumed)) == checksum(join_frames([simulated(t) for t in tasks]))


SCRIPT = """\
import sys
from pathlib import Path
from support.pool_work import chunks, simulated
from stromal.design.pool import run_tasks

if __name__ == "__main__":
    log, folder = map(Path, sys.argv[1:])
    plan = {"protocol": "3f2a", "seed": 1, "trials_a_task": 10}
    run_tasks(chunks(40, log, seconds=0.4), simulated, folder, plan=plan, workers=2)
"""


def alive(process: int) -> bool:
    """Tell whether a process runs (one that has ended but was not asked after does not)."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks at processes in /proc")
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_a_run_that_is_killed_is_resumed(
    tmp_path: Path, log: Path, how: signal.Signals, monkeypatch: pytest.MonkeyPatch
) -> None:
    script, folder = tmp_path / "script.py", tmp_path / "r"
    script.write_text(SCRIPT)
    tests = str(Path(__file__).resolve().parents[2])
    running = subprocess.Popen(
        [sys.executable, script, log, folder],
        env={**os.environ, "PYTHONPATH": tests},
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    deadline = time.monotonic() + 60
    while len(results_in(folder)) < 3 or len(workers_in(log)) < 2:
        assert time.monotonic() < deadline, "no results within a minute"
        assert running.poll() is None
        time.sleep(0.02)
    if how is signal.SIGINT:
        os.killpg(running.pid, how)  # as a terminal does: every process of the run hears Ctrl-C
    else:
        running.kill()
    _, told = running.communicate(timeout=30)
    assert told.count("Traceback") == (1 if how is signal.SIGINT else 0), told
    workers = workers_in(log)
    assert len(workers) == 2
    while any(alive(worker) for worker in workers):
        assert time.monotonic() < deadline, "workers outlive their parent"
        time.sleep(0.02)
    code = json.loads((folder / "manifest.json").read_text())["code"]
    monkeypatch.setattr(results_folder, "code_version", lambda: code)  # someone may edit meanwhile
    kept, before = results_in(folder), calls(log)
    assert 3 <= len(kept) < 40
    tasks = chunks(40, log)
    # seconds are no part of what a task means, only of how long the test's work takes
    resumed = run_tasks(tasks, simulated, folder, plan=PLAN, workers=1)
    assert calls(log) - before == {task.key: 1 for task in tasks if task.key not in kept}
    assert checksum(join_frames(resumed)) == checksum(
        join_frames([simulated(t) for t in chunks(40)])
    )


# --- checksums -------------------------------------------------------------------------------

BASE = pl.DataFrame(
    {"arm": ["msc", None, "a"], "n": [1, 0, None], "day": [1.5, None, float("nan")]}
)


def test_a_checksum_does_not_see_pieces_or_names_in_another_order() -> None:
    pieces = pl.concat([BASE[:1], BASE[1:2], BASE[2:]], rechunk=False)
    assert pieces.n_chunks() == 3
    assert checksum({"t": pieces}) == checksum({"t": BASE})
    other = pl.DataFrame({"x": [1]})
    assert checksum({"a": BASE, "b": other}) == checksum({"b": other, "a": BASE})


@pytest.mark.by_hand
def test_a_checksum_is_sha256_of_what_its_steps_say() -> None:
    import hashlib  # noqa: PLC0415

    frame = pl.DataFrame({"n": pl.Series([3, None, 1], dtype=pl.Int16), "arm": ["msc", "é", None]})
    spelled = (
        b'["t", 2, 3]'
        b'["n", "Int16"]' + bytes([0b01000000]) + b"\x03\0\0\0\x01\0"
        b'["arm", "String"]' + bytes([0b00100000]) + b"\x03\0\0\0\x02\0\0\0\0\0\0\0"
        b"msc\xc3\xa9"
    )
    assert checksum({"t": frame}) == hashlib.sha256(spelled).hexdigest()


@pytest.mark.parametrize(
    "other",
    [
        BASE.with_columns(n=pl.Series([1, None, 0])),
        BASE.with_columns(n=pl.col("n").cast(pl.Int32)),
        BASE.with_columns(arm=pl.Series(["ms", None, "ca"])),
        BASE.with_columns(arm=pl.Series(["msc", "", "a"])),
        BASE.with_columns(day=pl.Series([1.5, float("nan"), None])),
        BASE.with_columns(day=pl.col("day") + 2e-16),
        BASE.rename({"n": "events"}),
        BASE.select("n", "arm", "day"),
        BASE.reverse(),
        BASE[:2],
        BASE.clear(),
    ],
    ids=lambda frame: str(frame.rows()),
)
def test_a_checksum_sees_every_difference(other: pl.DataFrame) -> None:
    assert checksum({"t": other}) != checksum({"t": BASE})
    assert checksum({"t": BASE}) != checksum({"u": BASE})


def test_a_checksum_refuses_what_it_cannot_spell_in_one_way() -> None:
    with pytest.raises(TypeError, match=r"column 'x' is of type List.*Spread it"):
        checksum({"t": pl.DataFrame({"x": [[1, 2]]})})


def test_the_version_of_the_code_sees_an_edit_of_what_computes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("simulate/parameters.yaml", "design/pool.py", "report/html.py"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_text("1")
    monkeypatch.setattr(results_folder, "_PACKAGE", tmp_path)
    version = code_version.__wrapped__
    first = version()
    (tmp_path / "report/html.py").write_text("2")
    assert version() == first
    (tmp_path / "simulate/parameters.yaml").write_text("2")
    second = version()
    assert second != first
    (tmp_path / "design/pool.py").rename(tmp_path / "design/tub.py")
    assert version() not in {first, second}
