"""The folders of staged parts: made, kept after a failure, swept, and what a full disk says."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from etl_oracle_to_bq.errors import EtlError, StageError

# ENOSPC and EDQUOT, and what Windows answers: ERROR_HANDLE_DISK_FULL, ERROR_DISK_FULL,
# ERROR_DISK_QUOTA_EXCEEDED. Windows has no EDQUOT in every Python.
DISK_FULL = {errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)}
WINDOWS_DISK_FULL = {39, 112, 1295}


def work_folder(base: Path, run_id: str) -> Path:
    """The empty folder of one attempt of a run, made now; what an earlier one left is removed.

    Raises StageError `disk-full` or `disk-error`.
    """
    folder = base / run_id
    remove_folder(folder)
    with disk_errors():
        folder.mkdir(parents=True)
    return folder


def keep_failed(folder: Path, errors_folder: Path) -> Path | None:
    """Move the parts of a failed run under the error folder, for inspection.

    Returns where they are now, or None when there was no part. Raises StageError.
    """
    if not folder.is_dir() or not any(folder.iterdir()):
        remove_folder(folder)
        return None
    kept = errors_folder / folder.name
    remove_folder(kept)
    with disk_errors():
        errors_folder.mkdir(parents=True, exist_ok=True)
        shutil.move(folder, kept)
    return kept


def sweep(base: Path, live_run_ids: Callable[[], Iterable[str]]) -> list[Path]:
    """Remove the work folders of runs that no longer live; returns those removed.

    The live runs are asked for after the folders were listed, so that a run which begins in
    between keeps its own.
    """
    if not base.is_dir():
        return []
    folders = [folder for folder in base.iterdir() if folder.is_dir()]
    live = set(live_run_ids())
    dead = [folder for folder in folders if folder.name not in live]
    for folder in dead:
        remove_folder(folder)
    return dead


def remove_folder(folder: Path) -> None:
    """Remove a folder and what is in it; harmless when there is none.

    Raises StageError `disk-error`, on Windows also when another program holds a file open.
    """
    while folder.is_dir():
        # Another process of the same server may sweep it too, and be faster at some file.
        with disk_errors(), suppress(FileNotFoundError):
            shutil.rmtree(folder)


@contextmanager
def disk_errors() -> Iterator[None]:
    """Raise what the operating system raises as StageError `disk-full` or `disk-error`."""
    try:
        yield
    except OSError as error:
        raise disk_error(error) from error


def disk_error(error: OSError) -> EtlError:
    """The StageError of an operating system's refusal; `disk-full` when that is why."""
    full = error.errno in DISK_FULL or getattr(error, "winerror", None) in WINDOWS_DISK_FULL
    if full:
        found = StageError(f"The disk is full: {error}", code="disk-full")
    else:
        found = StageError(f"The work folder could not be written: {error}", code="disk-error")
    found.__cause__ = error
    return found
