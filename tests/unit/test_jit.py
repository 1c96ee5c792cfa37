"""The cache of compiled kernels: used again, and never for another source."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import stromal.core.jit

CALLER = """\
from stromal.core.jit import kernel
from stromal.other_kernels import add

@kernel
def outer(x):
    return 10 * add(x)
"""
CALLEE = """\
from stromal.core.jit import kernel

@kernel
def add(x):
    return x + {}
"""


def run(folder: Path) -> int:
    """Call the outer kernel of the small package in a process of its own."""
    environment = {**os.environ, "PYTHONPATH": str(folder), "XDG_CACHE_HOME": str(folder / "cache")}
    environment.pop("NUMBA_DISABLE_JIT", None)
    call = "from stromal.own_kernels import outer; print(outer(1))"
    done = subprocess.run(
        [sys.executable, "-c", call], env=environment, capture_output=True, text=True, check=True
    )
    return int(done.stdout)


def compiled(folder: Path) -> dict[Path, float]:
    """Give the compiled files and when they were written."""
    return {path: path.stat().st_mtime for path in (folder / "cache").rglob("*.nb?")}


def test_an_edited_callee_in_another_file_gives_the_new_answer(tmp_path):
    package = tmp_path / "stromal"
    (package / "core").mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "core" / "__init__.py").touch()
    shutil.copy(stromal.core.jit.__file__, package / "core" / "jit.py")
    (package / "own_kernels.py").write_text(CALLER)
    (package / "other_kernels.py").write_text(CALLEE.format(1))
    assert run(tmp_path) == 20
    first = compiled(tmp_path)
    assert first
    assert run(tmp_path) == 20
    assert compiled(tmp_path) == first
    (package / "other_kernels.py").write_text(CALLEE.format(2))
    assert run(tmp_path) == 30
    assert compiled(tmp_path).keys() > first.keys()
