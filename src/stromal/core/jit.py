"""Numba for the kernels, with a cache that notices every edit.

Numba keys its cache by the file of the function alone: a kernel that calls another file's kernel
keeps the old answer after that one was edited. Here the cache folder carries a hash of every file
of kernels and of the versions of Python, numba and numpy, so any edit compiles anew.
"""

from __future__ import annotations

import hashlib
import os
import platform
import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeVar, cast

__all__ = ["cache_folder", "inlined", "kernel"]

F = TypeVar("F", bound=Callable[..., Any])

_PACKAGE = Path(__file__).resolve().parent.parent


def cache_folder(package: Path = _PACKAGE) -> Path:
    """Name the folder of compiled kernels, by a hash of all that decides what they compute.

    Parameters
    ----------
    package
        The folder below which files named `kernels.py` or `*_kernels.py` are hashed.
    """
    digest = hashlib.sha256()
    for file in sorted(package.rglob("*kernels.py")):
        digest.update(file.relative_to(package).as_posix().encode())
        digest.update(file.read_bytes())
    for part in (sys.version, platform.machine(), version("numba"), version("numpy")):
        digest.update(part.encode())
    root = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(root) / "stromal" / "kernels" / digest.hexdigest()[:16]


def kernel(function: F) -> F:
    """Compile `function` with numba, cached and without holding the interpreter's lock."""
    return _compiled(function, inline=False)


def inlined(function: F) -> F:
    """Compile a small function as `kernel` does, and put it in the place of each of its calls."""
    return _compiled(function, inline=True)


def _compiled(function: F, *, inline: bool) -> F:
    """Compile a function, to be called or to be put in the place of its calls."""
    import numba  # noqa: PLC0415  (half a second: only who computes pays it)

    config: Any = vars(numba)["config"]
    before = config.CACHE_DIR
    config.CACHE_DIR = str(cache_folder())
    try:
        return cast("F", numba.njit(cache=True, nogil=True, forceinline=inline)(function))
    finally:
        config.CACHE_DIR = before
