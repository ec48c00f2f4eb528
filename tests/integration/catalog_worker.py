"""A process that holds a catalog: `python -m tests.integration.catalog_worker`.

Leases are about processes, so the tests of the catalog need real ones. Each line of standard
input is `[command, {arguments}]`; each line of standard output is `{"answer": …}` or
`{"error": {kind, code, message}}`. The first answer is the process's number.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from datetime import datetime
from typing import Any

from etl_oracle_to_bq import settings as configuration
from etl_oracle_to_bq.catalog import Catalog, DeadRun, Progress, RunHandle
from etl_oracle_to_bq.errors import EtlError, SourceError
from etl_oracle_to_bq.heart import Heart
from etl_oracle_to_bq.model import Counts, Request, RunStatus


class Worker:
    """One catalog and the runs that this process started or took over."""

    def __init__(self) -> None:
        settings = configuration.load()
        self.catalog = Catalog(settings.lease_seconds, settings.started_by, settings.project)
        self.runs: dict[str, RunHandle] = {}
        self.dead: dict[str, DeadRun] = {}
        self.heart: Heart | None = None

    def seed(self, view: str, **values: Any) -> int:
        from etl_web_admin.catalog.models import DataSource, DataStore

        store, _ = DataStore.objects.get_or_create(
            name="ERP", defaults={"host": "erp", "service_name": "P", "user": "U"}
        )
        defaults = {"target": view.partition(".")[2].lower(), "incremental_column": "CHANGED"}
        row = {"dataset": "finance", "key_columns": ["ID"], **defaults, **values}
        return int(DataSource.objects.create(store=store, view=view, **row).pk)

    def set_password(self, password: str) -> None:
        from etl_web_admin.catalog.models import DataStore

        DataStore.objects.get_or_create(
            name="ERP", defaults={"host": "erp", "service_name": "P", "user": "U"}
        )
        store = DataStore.objects.get()
        store.password = password
        store.save()

    def sources(self, views: list[str]) -> list[str]:
        return [source.view for source in self.catalog.sources(views)]

    def every_source(self) -> list[str]:
        return [source.view for source in self.catalog.every_source()]

    def password(self, store: str) -> str:
        return self.catalog.store(store).password

    def scope(self, view: str) -> str:
        return self.catalog.sources([view])[0].scope

    def start(self, view: str, full: bool = False) -> str:
        (source,) = self.catalog.sources([view])
        handle = self.catalog.start(source, Request(full=full))
        self.runs[handle.run_id] = handle
        return handle.run_id

    def dead_runs(self, view: str) -> list[dict[str, Any]]:
        (source,) = self.catalog.sources([view])
        found = self.catalog.dead_runs(source)
        self.dead |= {dead.run_id: dead for dead in found}
        return [
            {
                "run_id": dead.run_id,
                "planned": dead.planned,
                "watermark": dead.watermark.isoformat() if dead.watermark else None,
            }
            for dead in found
        ]

    def beat(self, run_id: str, rows: int = 0) -> bool:
        return self.catalog.beat(self.runs[run_id], _progress(rows))

    def save_plan(self, run_id: str, view: str, watermark: str | None) -> None:
        (source,) = self.catalog.sources([view])
        plan = {"load_type": "incremental", "load_mode": "csv", "watermark": watermark}
        self.catalog.save_plan(self.runs[run_id], source, plan)

    def succeed(self, run_id: str, rows: int = 0, status: str = "succeeded") -> None:
        self.catalog.succeed(self.runs[run_id], _progress(rows), RunStatus(status), ["job-1"])

    def fail(self, run_id: str, unsettled: bool = False, message: str = "gone") -> None:
        error = SourceError(message, code="ORA-00942", step="extract")
        trace = f"Traceback: {message}"
        self.catalog.fail(self.runs[run_id], _progress(1), error, trace, unsettled)

    def settle(self, run_id: str, committed: bool) -> None:
        self.catalog.settle(self.dead[run_id], committed, Counts(inserted=3, updated=2, deleted=1))

    def set_watermark(self, view: str, value: str | None) -> None:
        (source,) = self.catalog.sources([view])
        self.catalog.set_watermark(source, datetime.fromisoformat(value) if value else None)

    def usual_rows(self, view: str, load_type: str) -> int | None:
        return self.catalog.usual_rows(self.catalog.sources([view])[0], load_type)

    def last_run(self, view: str, loaded: bool) -> str | None:
        found = self.catalog.last_run(self.catalog.sources([view])[0], loaded=loaded)
        return found["status"] if found else None

    def live(self, run_id: str, lease_seconds: int) -> None:
        """Begin to beat."""
        self.heart = Heart(self.catalog, self.runs[run_id], lease_seconds, lambda: _progress(7))
        self.heart.__enter__()

    def check(self) -> None:
        assert self.heart
        self.heart.check()

    def verify(self) -> None:
        assert self.heart
        self.heart.verify()

    def pause(self, seconds: float) -> float:
        """How long it really lasted."""
        assert self.heart
        began = time.monotonic()
        self.heart.pause(seconds)
        return time.monotonic() - began

    def rest(self) -> None:
        assert self.heart
        self.heart.__exit__(None, None, None)

    def mark_notified(self, run_ids: list[str]) -> None:
        self.catalog.mark_notified(run_ids)


def _progress(rows: int) -> Progress:
    counts = Counts(extracted=rows, staged=rows, loaded=rows)
    return Progress(counts, "extract", {"extract": 1.23456}, ["late"], attempt=1)


def _told(call: Callable[[], Any]) -> str:
    try:
        return json.dumps({"answer": call()})
    except EtlError as error:
        kind = type(error).__name__
        return json.dumps({"error": {"kind": kind, "code": error.code, "message": str(error)}})


def main() -> None:
    """Answer until standard input ends."""
    held: dict[str, Worker] = {}

    def begin() -> int:
        held["worker"] = Worker()
        return os.getpid()

    print(_told(begin), flush=True)
    for line in sys.stdin:
        command, arguments = json.loads(line)
        print(_told(lambda c=command, a=arguments: getattr(held["worker"], c)(**a)), flush=True)


if __name__ == "__main__":
    main()
