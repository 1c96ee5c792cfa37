"""The lock of an analysis: which records, up to which date, under which protocol."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from stromal.core import UsageError
from stromal.protocol import Protocol, protocol_version
from stromal.records.files import ABOUT_FILE, RECORDS_FOLDER, find_files
from stromal.records.tables import tables_for
from stromal.records.trial_records import TrialRecords

__all__ = ["LOCK_FILE", "Lock", "check_lock", "lock_records", "read_lock", "write_lock"]

LOCK_FILE = "analysis.lock.json"
"""Its name in the study folder."""

_Hash = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


class Lock(BaseModel):
    """What an analysis was locked on. It holds no date of today and no path of a machine.

    Parameters
    ----------
    stromal_lock
        Version of this format.
    study
        The study's id.
    data_cutoff
        The last date that is read, inclusive; `None` where everything is.
    protocol_version
        The hash of the protocol's canonical form.
    files
        SHA-256 of every records file by its name in the study folder, `about.yaml` included.
    rows
        Number of rows of every table that has a file, as read up to the cut-off.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    stromal_lock: Annotated[int, Field(ge=1, le=1)] = 1
    study: str
    data_cutoff: date | None
    protocol_version: _Hash
    files: dict[str, _Hash]
    rows: dict[str, Annotated[int, Field(ge=0)]]

    @property
    def checksum(self) -> str:
        """SHA-256 of the lines `HASH  NAME` of all files in the order of their names.

        In the study folder `sha256sum records/*.csv records/about.yaml | sort -k 2 | sha256sum`
        says the same, with the sorting of the C locale.
        """
        lines = "".join(f"{self.files[name]}  {name}\n" for name in sorted(self.files))
        return hashlib.sha256(lines.encode()).hexdigest()


def lock_records(study: Path, protocol: Protocol, records: TrialRecords) -> Lock:
    """Lock an analysis on what was read.

    Parameters
    ----------
    study
        The study folder, or its protocol file.
    protocol, records
        As read from it, with the records' cut-off.

    Raises
    ------
    UsageError
        The study has no records.
    """
    if records.about.data is None:
        raise UsageError(
            f"there is nothing to lock: the study has no records; add `{RECORDS_FOLDER}/`, or "
            "leave --lock out"
        )
    found = _tables_found(study, protocol)
    return Lock(
        study=protocol.study.id,
        data_cutoff=records.data_cutoff,
        protocol_version=protocol_version(protocol),
        files=_hashes(study, protocol),
        rows={name: records[name].height for name in sorted(found)},
    )


def write_lock(study: Path, lock: Lock) -> Path:
    """Write a lock into its study folder, in place of an older one; give the file."""
    file = _folder(study) / LOCK_FILE
    partial = file.with_name(f".{LOCK_FILE}.part")
    try:
        partial.write_text(lock.model_dump_json(indent=1) + "\n", encoding="utf-8")
        partial.replace(file)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise UsageError(
            f"cannot write `{file}` ({error.strerror or error}); lock a study in a folder that you "
            "may write to"
        ) from error
    return file


def read_lock(study: Path) -> Lock | None:
    """Read the lock of a study folder; `None` where there is none.

    Raises
    ------
    UsageError
        The file is no lock.
    """
    file = _folder(study) / LOCK_FILE
    if not file.exists():
        return None
    try:
        return Lock.model_validate_json(file.read_bytes())
    except OSError as error:
        raise UsageError(f"cannot read `{LOCK_FILE}` ({error.strerror or error})") from error
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or "the file"
        raise UsageError(
            f"`{LOCK_FILE}` is no lock that stromal wrote ({place}: {first['msg']}); restore it, "
            "or remove it and lock anew with --lock"
        ) from error


def check_lock(
    study: Path, protocol: Protocol, lock: Lock, *, data_cutoff: date | None
) -> date | None:
    """Check that a study is still what its analysis was locked on; give the locked cut-off.

    Parameters
    ----------
    study
        The study folder, or its protocol file.
    protocol
        As it is now.
    lock
        As it was written.
    data_cutoff
        The cut-off that is asked for; `None` takes the locked one.

    Raises
    ------
    UsageError
        A records file has changed, is new or missing, the protocol has another version, or another
        cut-off is asked for. All of it is told at once.
    """
    wrong: list[str] = []
    if data_cutoff is not None and data_cutoff != lock.data_cutoff:
        locked = "without a cut-off" if lock.data_cutoff is None else f"at {lock.data_cutoff}"
        wrong.append(
            f"--cutoff {data_cutoff} was asked for and the analysis is locked {locked}: leave "
            "--cutoff out"
        )
    version = protocol_version(protocol)
    if protocol.study.id != lock.study:
        wrong.append(f"the lock is of the study `{lock.study}`, this is `{protocol.study.id}`")
    elif version != lock.protocol_version:
        wrong.append(
            f"the protocol has version {version[:12]}, locked was {lock.protocol_version[:12]}: "
            "restore the protocol"
        )
    wrong += _changes(lock.files, _hashes(study, protocol))
    if wrong:
        told = "".join(f"\n  {fault}" for fault in wrong)
        raise UsageError(
            f"the analysis is locked ({LOCK_FILE}) and the study is no longer the same:{told}\n"
            "or lock anew with `stromal analyze STUDY --lock`."
        )
    return lock.data_cutoff


def _changes(locked: Mapping[str, str], found: Mapping[str, str]) -> list[str]:
    """Say which files are not as they were."""
    said: list[str] = []
    for name in sorted({*locked, *found}):
        if name not in found:
            said.append(f"{name} is missing: restore it")
        elif name not in locked:
            said.append(f"{name} is new: take it out")
        elif found[name] != locked[name]:
            said.append(f"{name} has changed: restore it as it was")
    return said


def _hashes(study: Path, protocol: Protocol) -> dict[str, str]:
    """Give the SHA-256 of every records file by its name in the study folder."""
    folder = _folder(study) / RECORDS_FOLDER
    files = [*_tables_found(study, protocol).values(), folder / ABOUT_FILE]
    names = {f"{RECORDS_FOLDER}/{file.name}": file for file in files if file.is_file()}
    return {name: _hash_of(names[name], name) for name in sorted(names)}


def _tables_found(study: Path, protocol: Protocol) -> dict[str, Path]:
    """Find each table's file; what is misplaced is told where the records are read."""
    folder = _folder(study) / RECORDS_FOLDER
    return find_files(folder, tables_for(protocol))[0] if folder.is_dir() else {}


def _hash_of(file: Path, name: str) -> str:
    """Hash a file."""
    try:
        with file.open("rb") as handle:
            return hashlib.file_digest(handle, "sha256").hexdigest()
    except OSError as error:
        raise UsageError(f"cannot read `{name}` ({error.strerror or error})") from error


def _folder(study: Path) -> Path:
    """Give the folder of a study."""
    return study.parent if study.is_file() else study
