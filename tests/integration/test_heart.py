"""The sign of life of a run: it renews the lease, hears a stop request, and notices a loss."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.integration.catalog_databases import Database, Told, WorkerProcess
from tests.waiting import until

VIEW = "APPS.XX_GL_V"
LEASE = 2


@pytest.fixture
def database(tmp_path: Path) -> Database:
    return Database.on_sqlite(tmp_path)


@pytest.fixture
def worker(database: Database) -> Iterator[WorkerProcess]:
    made = WorkerProcess(database)
    made.answer()
    made.ask("seed", view=VIEW)
    yield made
    made.kill()


@pytest.fixture
def run_id(worker: WorkerProcess) -> str:
    """A run whose heart beats."""
    started: str = worker.ask("start", view=VIEW)
    worker.ask("live", run_id=started, lease_seconds=LEASE)
    return started


def raised(worker: WorkerProcess, command: str, **arguments: object) -> Told | None:
    try:
        worker.ask(command, **arguments)
    except Told as told:
        return told
    return None


def test_a_beating_run_renews_its_lease_and_shows_its_rows(
    database: Database, worker: WorkerProcess, run_id: str
) -> None:
    first = database.run(run_id)["lease_expires_at"]
    until(lambda: database.run(run_id)["lease_expires_at"] > first, "a renewed lease")
    assert database.run(run_id)["rows_extracted"] == 7
    worker.ask("check")


def test_a_heart_at_rest_beats_no_more(
    database: Database, worker: WorkerProcess, run_id: str
) -> None:
    first = database.run(run_id)["heartbeat_at"]
    until(lambda: database.run(run_id)["heartbeat_at"] > first, "a beat")
    worker.ask("rest")
    last = database.run(run_id)["heartbeat_at"]
    # Twice the time in which it would have beaten.
    time.sleep(LEASE * 2 / 3)
    assert database.run(run_id)["heartbeat_at"] == last


def test_a_stop_request_reaches_the_run(
    database: Database, worker: WorkerProcess, run_id: str
) -> None:
    worker.ask("check")
    database.change(run_id, "cancel_requested = 1")
    until(lambda: raised(worker, "check") is not None, "the stop request to be heard")
    told = raised(worker, "check")
    assert told and (told.kind, told.code) == ("Stopped", "stopped")


def test_a_stop_request_ends_a_pause(
    database: Database, worker: WorkerProcess, run_id: str
) -> None:
    assert worker.ask("pause", seconds=0.2) >= 0.2
    worker.send("pause", seconds=3600)
    database.change(run_id, "cancel_requested = 1")
    with pytest.raises(Told) as told:
        worker.answer()
    assert told.value.code == "stopped"


@pytest.mark.parametrize("command", ["check", "verify"])
def test_a_lost_lease_reaches_the_run(
    database: Database, worker: WorkerProcess, run_id: str, command: str
) -> None:
    database.change(run_id, "host = 'another-server'")
    until(lambda: raised(worker, command) is not None, "the loss to be noticed")
    told = raised(worker, command)
    assert told and (told.kind, told.code) == ("Busy", "lease-lost")


def test_a_database_that_is_away_for_a_while_does_not_stop_the_run(
    database: Database, worker: WorkerProcess, run_id: str
) -> None:
    with closing(sqlite3.connect(database.path, isolation_level=None)) as person:
        person.execute("ALTER TABLE etl_transaction RENAME TO taken_away")
        until(lambda: "no sign of life" in database.said(), "a beat that failed")
        worker.ask("check")
        told = raised(worker, "verify")
        assert told and told.kind == "CatalogError"
        person.execute("ALTER TABLE taken_away RENAME TO etl_transaction")
    first = database.run(run_id)["heartbeat_at"]
    until(lambda: database.run(run_id)["heartbeat_at"] > first, "a beat")
    worker.ask("check")
