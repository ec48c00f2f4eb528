"""`list`: each source with its last run, its watermark and its freshness."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from etl_oracle_to_bq import listing
from tests.installation import ROOT
from tests.integration.catalog_databases import Database, WorkerProcess
from tests.waiting import run

FRESH, STALE, NEVER = "APPS.FRESH_V", "APPS.STALE_V", "APPS.NEVER_V"
MARK = "2026-02-01T00:00:00"


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    """Three views: one just loaded, one that failed since its last load, one never run."""
    database = Database.on_sqlite(tmp_path_factory.mktemp("listing"))
    worker = WorkerProcess(database)
    worker.answer()
    for order, view in enumerate((FRESH, STALE, NEVER)):
        worker.ask("seed", view=view, load_order=order, active=view != NEVER)
    for view, rows in ((FRESH, 1_234_567), (STALE, 5)):
        run_id = worker.ask("start", view=view)
        worker.ask("save_plan", run_id=run_id, view=view, watermark=MARK)
        worker.ask("succeed", run_id=run_id, rows=rows)
        if view == STALE:
            database.change(run_id, "ended_at = '2026-01-01 00:00:00', started_at = '2026-01-01'")
            worker.ask("fail", run_id=worker.ask("start", view=view))
    worker.kill()
    yield database


def listed(database: Database, *options: str) -> str:
    command = [sys.executable, "-m", "etl_oracle_to_bq", "list", *options]
    done = run(command, cwd=ROOT, env=database.env())
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_machines_get_every_source_in_load_order(database: Database) -> None:
    rows: list[dict[str, Any]] = json.loads(listed(database, "--json"))["sources"]
    fresh, stale, never = rows
    assert [row["view"] for row in rows] == [FRESH, STALE, NEVER]
    assert [row["active"] for row in rows] == [True, True, False]
    assert fresh["target"] == "finance.fresh_v" and fresh["store"] == "ERP"
    assert (fresh["last_run"]["status"], fresh["last_run"]["rows"]) == ("succeeded", 1_234_567)
    assert fresh["watermark"] == MARK
    assert 0 <= fresh["hours_since_success"] < 1
    assert fresh["last_success"].endswith("+00:00")
    assert (stale["last_run"]["status"], stale["last_run"]["error_code"]) == ("failed", "ORA-00942")
    assert stale["last_success"] == "2026-01-01T00:00:00+00:00"
    assert stale["hours_since_success"] > 24
    assert (never["last_run"], never["watermark"], never["last_success"]) == (None, None, None)


def test_people_get_a_table(database: Database) -> None:
    head, fresh, stale, never = listed(database).splitlines()
    assert head.split("  ")[0] == "view"
    place = head.index("last run")
    assert [line[place : place + 9].split()[0] for line in (fresh, stale, never)] == [
        "succeeded",
        "failed",
        "never",
    ]
    assert "1,234,567" in fresh and MARK in fresh
    assert never.split() == [NEVER, "no", "finance.never_v", "never"]


def test_without_sources_there_is_only_the_heading(tmp_path: Path) -> None:
    assert listed(Database.on_sqlite(tmp_path)).splitlines() == ["  ".join(listing.HEADINGS)]
