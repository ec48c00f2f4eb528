"""Runs the ETL's command line and dies at a given point, as at a power loss.

    python tests/acceptance/crash/dying.py POINT N -- run ERP.V_AR_RECEIPTS

POINT is `before:NAME` or `after:NAME` with a NAME of `NAMES`, and the process ends itself at
the N-th call of that function, `time`, and then it does N milliseconds after the start, or
`never`. Nothing is replaced: the named functions do what they always do.
"""

from __future__ import annotations

import functools
import importlib
import os
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[3]

_CATALOG = "etl_oracle_to_bq.catalog.catalog:Catalog"
_WAREHOUSE = "etl_oracle_to_bq.load.warehouse:Warehouse"
_JOBS = "etl_oracle_to_bq.load.jobs:Jobs"
_STAGE = "etl_oracle_to_bq.stage"
_STAGER = "etl_oracle_to_bq.stage.stager:Stager"

# In the order in which a run comes past them.
NAMES = {
    "dead_runs": f"{_CATALOG}.dead_runs",
    "start": f"{_CATALOG}.start",
    "connect": "etl_oracle_to_bq.extract:connect",
    "describe": f"{_WAREHOUSE}.describe",
    "save_plan": f"{_CATALOG}.save_plan",
    "create_target": f"{_WAREHOUSE}.create_target",
    "create_staging": f"{_WAREHOUSE}.create_staging",
    "work_folder": f"{_STAGE}:work_folder",
    "write_batch": f"{_STAGER}.write",
    "finish_parts": f"{_STAGER}.finish",
    "load_part": f"{_WAREHOUSE}.load_part",
    "staged_rows": f"{_WAREHOUSE}.staged_rows",
    "usual_rows": f"{_CATALOG}.usual_rows",
    "check_keys": f"{_WAREHOUSE}.check_keys",
    "commit": f"{_WAREHOUSE}.commit",
    # A run's jobs in turn: its parts, then the commit.
    "job": f"{_JOBS}.run",
    "verify": "etl_oracle_to_bq.heart:Heart.verify",
    "succeed": f"{_CATALOG}.succeed",
    "move_watermark": f"{_CATALOG}._move_watermark",
    "ensure_ownership": f"{_WAREHOUSE}.ensure_ownership",
    "drop_staging": f"{_WAREHOUSE}.drop_staging",
    "leftovers": f"{_WAREHOUSE}.leftovers",
    "sweep": f"{_STAGE}:sweep",
    "remove_folder": f"{_STAGE}:remove_folder",
    "load_status": f"{_WAREHOUSE}.write_load_status",
    "latest_view": f"{_WAREHOUSE}.refresh_latest_view",
    # Of the run that settles what a dead one left.
    "settle_job": f"{_WAREHOUSE}.settle",
    "fence": f"{_JOBS}.fence",
    "settle_row": f"{_CATALOG}.settle",
    "drop_staging_of": f"{_WAREHOUSE}.drop_staging_of",
}


def die() -> None:
    """End this process at once: no handler, no cleanup, no flushed buffer."""
    # Windows has no SIGKILL; there os.kill ends a process by TerminateProcess.
    os.kill(os.getpid(), getattr(signal, "SIGKILL", signal.SIGTERM))


def arm(point: str, number: int) -> None:
    """Make this process die at `point`."""
    if point == "never":
        return
    if point == "time":
        timer = threading.Timer(number / 1000, die)
        timer.daemon = True
        timer.start()
        return
    when, _, name = point.partition(":")
    module, _, path = NAMES[name].partition(":")
    owner: Any = importlib.import_module(module)
    *outer, attribute = path.split(".")
    for part in outer:
        owner = getattr(owner, part)
    setattr(owner, attribute, _deadly(getattr(owner, attribute), when, number))


def _deadly(call: Callable[..., Any], when: str, number: int) -> Callable[..., Any]:
    calls: list[None] = []

    @functools.wraps(call)
    def wrapper(*args: Any, **named: Any) -> Any:
        calls.append(None)
        mine = len(calls) == number
        if mine and when == "before":
            die()
        answer = call(*args, **named)
        if mine and when == "after":
            die()
        return answer

    return wrapper


def main(arguments: Sequence[str]) -> int:
    """Run the command line after `--`; returns its exit code if it lives that long."""
    point, number, dashes, *command = arguments
    if dashes != "--":
        raise SystemExit(__doc__)
    from etl_oracle_to_bq.cli import main as etl

    arm(point, int(number))
    return etl(command)


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    raise SystemExit(main(sys.argv[1:]))
