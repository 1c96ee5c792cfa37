"""A folder of results that a long piece of work can be resumed from, and their checksum.

One Parquet file holds all frames of one task: a single row with one column a frame, each a list
of that frame's rows. So a file is there whole or not at all, and all of a run can be read with
any Parquet reader::

    pl.read_parquet("folder/*.parquet").select("trials").explode("trials").unnest("trials")
"""

from __future__ import annotations

import hashlib
import io
import json
import platform
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final, cast

import numpy as np
import polars as pl

from stromal.core.errors import StromalError, UsageError

__all__ = [
    "Frames",
    "ResultFolder",
    "checksum",
    "code_version",
    "join_frames",
    "open_folder",
    "read_result",
    "write_result",
]

Frames = Mapping[str, pl.DataFrame]
"""Frames by their names, such as `trials`, `tallies` and `truths`."""

_PACKAGE: Final = Path(__file__).resolve().parent.parent
_COMPUTING: Final = ("analysis", "core", "design", "endpoints", "protocol", "records", "simulate")
_LIBRARIES: Final = ("numba", "numpy", "polars", "scipy")
_MANIFEST: Final = "manifest.json"
_SEALED: Final = b"sha256:"
_NO_SEAL: Final = _SEALED + b"0" * 64
_DIFFERENT: Final = "Name another folder, or delete this one to begin anew"


@dataclass(frozen=True)
class ResultFolder:
    """A folder that holds the results of one plan and of no other.

    Parameters
    ----------
    path
        The folder.
    fingerprint
        SHA-256 of the plan and the code, in hexadecimal; every file carries it too.
    """

    path: Path
    fingerprint: str


@lru_cache(maxsize=1)
def code_version() -> str:
    """Hash all that decides what stromal computes.

    1. Every file of the package that computes (source, parameters, definitions), by its path
       and its bytes; commands and documents are left out.
    2. The versions of Python and of the libraries that compute.

    Returns
    -------
    str
        The first 16 hexadecimal digits of the SHA-256.
    """
    digest = hashlib.sha256()
    for part in _COMPUTING:
        for file in sorted((_PACKAGE / part).rglob("*")):
            if file.is_file() and "__pycache__" not in file.parts:
                digest.update(f"{file.relative_to(_PACKAGE).as_posix()}\n".encode())
                digest.update(hashlib.sha256(file.read_bytes()).digest())
    for library in _LIBRARIES:
        digest.update(f"{library} {version(library)}\n".encode())
    digest.update(platform.python_version().encode())
    return digest.hexdigest()[:16]


def checksum(frames: Frames) -> str:
    """Hash the content of frames: equal content gives equal text, however it came about.

    1. Frames are taken in the order of their names, columns in their own order.
    2. Of each column its name, type and length count, then where it is missing, then its values;
       what a computer keeps beneath a missing value does not count.
    3. Text counts as UTF-8 with its lengths, dates as their whole number, every "not a number"
       as the same one. Numbers count bit for bit: 0.0 and -0.0 are different.

    How a frame is cut into pieces in memory, and whether it was written and read, do not count.

    Parameters
    ----------
    frames
        Frames by name, with columns of numbers, truth values, text, categories or dates.

    Returns
    -------
    str
        SHA-256 in hexadecimal.

    Raises
    ------
    TypeError
        A column is of another type (lists, structures, decimals, objects).
    """
    digest = hashlib.sha256()
    for name in sorted(frames):
        frame = frames[name]
        digest.update(json.dumps([name, frame.width, frame.height]).encode())
        for column in frame.iter_columns():
            digest.update(json.dumps([column.name, str(column.dtype)]).encode())
            digest.update(np.packbits(column.is_null().to_numpy()).tobytes())
            _add_values(digest.update, column)
    return digest.hexdigest()


def _add_values(add: Callable[[bytes], None], column: pl.Series) -> None:
    """Give the values of a column, in one spelling each, to a hash."""
    if isinstance(column.dtype, pl.String | pl.Categorical | pl.Enum):
        text = column.cast(pl.String).fill_null("")
        add(text.str.len_bytes().to_numpy().tobytes())
        add("".join(text.to_list()).encode())
    elif isinstance(column.dtype, pl.Boolean | pl.Null):
        add(column.cast(pl.UInt8).fill_null(0).to_numpy().tobytes())
    elif column.dtype.is_float():
        add(column.fill_null(0.0).fill_nan(float("nan")).to_numpy().tobytes())
    elif column.dtype.is_integer() or (column.dtype.is_temporal() and not column.dtype.is_nested()):
        add(column.to_physical().fill_null(0).to_numpy().tobytes())
    else:
        raise TypeError(
            f"column '{column.name}' is of type {column.dtype}; expected numbers, truth values, "
            "text, categories or dates. Spread it over columns of these types"
        )


def join_frames(results: Sequence[Frames]) -> dict[str, pl.DataFrame]:
    """Put the results of many tasks one below the other, frame by frame, in their order.

    Parameters
    ----------
    results
        Results that all hold the same frames with the same columns.
    """
    names = list(results[0]) if results else []
    return {name: pl.concat([result[name] for result in results]) for name in names}


def open_folder(path: Path, plan: Mapping[str, object], work: str) -> ResultFolder:
    """Take a folder for the results of a plan, or go on with those that it has.

    1. A folder that is missing or empty is given a `manifest.json` with the plan, the name of
       the work and the version of the code.
    2. A folder with a manifest is taken when all of these are the same as now.
    3. Anything else is refused: numbers of two plans never stand in one folder.

    Parameters
    ----------
    path
        The folder; it is made where it is missing, with those above it.
    plan
        All that decides the results and is not code: versions of protocols, hashes of scenarios,
        seed, size of a task. Values that JSON can hold.
    work
        The name of the function that makes the results.

    Raises
    ------
    UsageError
        The folder belongs to another plan, is no folder of results, or cannot be written.
    """
    planned: dict[str, Any] = json.loads(json.dumps(plan))
    told = {"plan": planned, "work": work, "code": code_version()}
    fingerprint = hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()
    manifest = path / _MANIFEST
    try:
        path.mkdir(parents=True, exist_ok=True)
        if manifest.exists():
            _refuse_other_plan(manifest, told)
        elif any(not file.name.startswith(".") for file in path.iterdir()):
            raise UsageError(
                f"the folder '{path}' holds files but no {_MANIFEST}: they are not results that "
                "can be resumed. Name an empty folder, or one that does not exist yet"
            )
        else:
            partial = path / f".{_MANIFEST}.{uuid.uuid4().hex}.part"
            partial.write_text(json.dumps(told, indent=2) + "\n", encoding="utf-8")
            partial.replace(manifest)
    except OSError as error:
        raise UsageError(
            f"the folder '{path}' cannot be used for results: {error}. Name another folder"
        ) from error
    return ResultFolder(path, fingerprint)


def _refuse_other_plan(manifest: Path, told: dict[str, Any]) -> None:
    """Compare a folder's manifest with what is asked for now, and tell what differs."""
    try:
        kept: Any = json.loads(manifest.read_text(encoding="utf-8"))
        before = {**kept["plan"], "work": kept["work"], "code": kept["code"]}
    except (ValueError, KeyError, TypeError) as error:
        raise UsageError(
            f"'{manifest}' cannot be read ({type(error).__name__}), so nobody knows which plan "
            f"the results beside it belong to. {_DIFFERENT}"
        ) from error
    now = {**told["plan"], "work": told["work"], "code": told["code"]}
    differences = [
        f"{name}: {_shown(before, name)} there, {_shown(now, name)} now"
        for name in sorted({*before, *now})
        if before.get(name) != now.get(name)
    ]
    if differences:
        raise UsageError(
            f"the folder '{manifest.parent}' holds results of another plan "
            f"({'; '.join(differences)}). {_DIFFERENT}, or go back to the plan it was made for"
        )


def _shown(values: Mapping[str, Any], name: str) -> str:
    """Show one value of a plan, shortened."""
    if name not in values:
        return "nothing"
    text = json.dumps(values[name])
    return text if len(text) <= 60 else f"{text[:57]}..."


def write_result(folder: ResultFolder, key: str, frames: Frames) -> None:
    """Write one task's frames into one file, whole or not at all.

    The file is written under a name of its own and then renamed, so that a run which is stopped
    at any moment leaves no half-written result. Its metadata carry its key, the fingerprint of
    the plan and a seal: the SHA-256 of the file's bytes, taken with zeros where the seal stands.

    Raises
    ------
    StromalError
        The file cannot be written (no room, no permission).
    """
    row = pl.DataFrame([_as_one_row(name, frame) for name, frame in frames.items()])
    buffer = io.BytesIO()
    row.write_parquet(buffer, metadata={**_labels(folder, key), "stromal.seal": _NO_SEAL.decode()})
    data = buffer.getvalue()
    partial = folder.path / f".{key}.{uuid.uuid4().hex}.part"
    try:
        partial.write_bytes(_with_seal(data, _seal(data)))
        partial.replace(_file(folder, key))
    except OSError as error:
        raise StromalError(
            f"the result '{key}' cannot be written to '{folder.path}': {error}. Make room or "
            "grant permission and start again: what is already there is kept"
        ) from error
    finally:
        partial.unlink(missing_ok=True)


def read_result(folder: ResultFolder, key: str) -> dict[str, pl.DataFrame] | None:
    """Read one task's frames; None when they have to be made (again).

    A file that is missing, cut short, damaged, renamed or of another plan has to be made again.
    The seal is looked at before anything is decoded: a Parquet reader may fall over damage.
    """
    try:
        data = _file(folder, key).read_bytes()
    except OSError:
        return None
    if _SEALED not in data or _with_seal(data, _seal(_with_seal(data, _NO_SEAL))) != data:
        return None
    labels = pl.read_parquet_metadata(io.BytesIO(data))
    if any(labels.get(name) != value for name, value in _labels(folder, key).items()):
        return None
    row = pl.read_parquet(io.BytesIO(data))
    return {
        column.name: cast("pl.Series", column[0]).struct.unnest() for column in row.iter_columns()
    }


def _seal(data: bytes) -> bytes:
    """Hash the bytes of a file that has no seal yet."""
    return _SEALED + hashlib.sha256(data).hexdigest().encode()


def _with_seal(data: bytes, seal: bytes) -> bytes:
    """Put a seal where the last one stands (metadata end a Parquet file)."""
    place = data.rindex(_SEALED)
    return data[:place] + seal + data[place + len(seal) :]


def _file(folder: ResultFolder, key: str) -> Path:
    """Name the file of a task."""
    return folder.path / f"{key}.parquet"


def _labels(folder: ResultFolder, key: str) -> dict[str, str]:
    """Say what a file is, for its own metadata."""
    return {"stromal.key": key, "stromal.plan": folder.fingerprint}


def _as_one_row(name: str, frame: pl.DataFrame) -> pl.Series:
    """Put a whole frame into one cell: a list of its rows."""
    rows = frame.to_struct(name)
    return pl.Series(name, [rows], dtype=pl.List(rows.dtype))
