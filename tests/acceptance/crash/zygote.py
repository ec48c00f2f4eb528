"""Hundreds of processes of the ETL without importing its libraries hundreds of times.

`python -m tests.acceptance.crash.zygote` imports them once and forks a process for each line
of standard input, `{"arguments": [...], "env": {...}, "out": FILE, "err": FILE}`, which runs
`dying.main(arguments)`. It answers with two lines: the process's number when it has begun,
and its exit code (negative: the signal that ended it). Nothing of a run exists before the
fork: no connection, no thread, no Django. Where there is no fork, `Runner` starts processes
the ordinary way.
"""

from __future__ import annotations

import importlib
import json
import os
import signal
import sys
from typing import Any

from tests.waiting import HANG_SECONDS

HEAVY = (
    "django.db.models",
    "django.core.management",
    "django.db.backends.sqlite3.base",
    "django.db.migrations.executor",
    "google.cloud.bigquery",
    "oracledb",
    "pandas",
    "pyarrow.parquet",
    "pyarrow.csv",
    "pyarrow.compute",
    "tqdm",
    "etl_oracle_to_bq.batch",
    "etl_oracle_to_bq.cli",
    "etl_oracle_to_bq.progress",
    "etl_oracle_to_bq.explain",
    "tests.acceptance.crash.dying",
)
# A little before its test stops waiting for it, which then shows what the process has printed.
LONGEST_SECONDS = int(0.9 * HANG_SECONDS)


def main() -> None:
    """Serve until standard input ends."""
    for name in HEAVY:
        importlib.import_module(name)
    for line in sys.stdin:
        _serve(json.loads(line))


def _serve(order: dict[str, Any]) -> None:
    process = os.fork()
    if process == 0:
        _become(order)
    _answer(process)
    _, status = os.waitpid(process, 0)
    _answer(os.waitstatus_to_exitcode(status))


def _answer(number: int) -> None:
    print(number, flush=True)


def _become(order: dict[str, Any]) -> None:
    """Never returns."""
    code = 70
    # The default action of SIGALRM ends a process that hangs.
    signal.alarm(LONGEST_SECONDS)
    try:
        _take_streams(order)
        os.environ.clear()
        os.environ.update(order["env"])
        from tests.acceptance.crash import dying

        code = dying.main(order["arguments"])
    except SystemExit as stop:
        code = stop.code if isinstance(stop.code, int) else 1
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _take_streams(order: dict[str, Any]) -> None:
    writing = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
    for path, mode, number in (
        (os.devnull, os.O_RDONLY, 0),
        (order["out"], writing, 1),
        (order["err"], writing, 2),
    ):
        opened = os.open(path, mode, 0o600)
        os.dup2(opened, number)
        os.close(opened)


if __name__ == "__main__":
    main()
