"""One UTF-8 log file for each process, without passwords, deleted by age.

A file shared by processes loses lines, and cannot be rotated on Windows while another
process has it open.
"""

from __future__ import annotations

import logging
import os
import platform
import sys
import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path

from etl_oracle_to_bq import __version__

DAY_SECONDS = 86_400


class _Scrubbed(logging.Formatter):
    """Formats, then takes every known password out, tracebacks included. Times are UTC."""

    def __init__(self, scrub: Callable[[str], str]) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s")
        self._scrub = scrub

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:
        return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")

    def format(self, record: logging.LogRecord) -> str:
        return self._scrub(super().format(record))


def start(folder: Path, keep_days: int, scrub: Callable[[str], str]) -> Path | None:
    """Log to a new file, and to standard error too unless that is a console.

    Returns the file, or None when the folder cannot be written: a run goes on without it,
    and says so on standard error.
    """
    formatter = _Scrubbed(scrub)
    root = logging.getLogger()
    root.setLevel(logging.INFO)
    console = logging.StreamHandler(sys.stderr)
    console.setLevel(logging.WARNING if sys.stderr.isatty() else logging.INFO)
    root.addHandler(_with(console, formatter))
    path = folder / f"etl-{datetime.now(UTC):%Y%m%d-%H%M%S}-{os.getpid()}.log"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _delete_older(folder, "etl-*.log", keep_days)
        file = _with(logging.FileHandler(path, encoding="utf-8"), formatter)
        file.handle(_first_line())
    except OSError as error:
        root.warning("no log file: %s", error)
        return None
    root.addHandler(file)
    return path


def _first_line() -> logging.LogRecord:
    """What a reader of the file asks first; the console has no use for it."""
    told = (
        f"version {__version__}, Python {platform.python_version()}, {platform.platform()}, "
        f"process {os.getpid()}"
    )
    return logging.LogRecord(__name__, logging.INFO, __file__, 0, told, None, None)


def _with(handler: logging.Handler, formatter: logging.Formatter) -> logging.Handler:
    handler.setFormatter(formatter)
    return handler


def delete_batch_logs(folders: Iterable[Path], keep_days: int) -> None:
    """Delete what `schedule_task.bat` wrote in these folders more than `keep_days` days ago."""
    for folder in folders:
        _delete_older(folder, "etl-schedule_task-*.log", keep_days)


def _delete_older(folder: Path, pattern: str, days: int) -> None:
    oldest = time.time() - days * DAY_SECONDS
    try:
        paths = list(folder.glob(pattern))
    except OSError as error:
        logging.getLogger(__name__).info("old log files stay: %s", error)
        return
    for path in paths:
        try:
            if path.stat().st_mtime < oldest:
                path.unlink()
        except OSError as error:
            # Another process was faster, or still has it open on Windows.
            logging.getLogger(__name__).info("old log file stays: %s", error)
