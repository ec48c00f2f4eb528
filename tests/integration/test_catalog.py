"""The configuration database between processes: leases, records, watermark, failures.

Every worker is a process with a catalog of its own; rows are read with plain SQL. The whole
file runs on SQLite, and on PostgreSQL where it is installed.
"""

from __future__ import annotations

import os
import socket
import sqlite3
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import psutil
import psycopg
import pytest
from cryptography.fernet import Fernet

from tests.installation import Installation
from tests.integration import postgres
from tests.integration.catalog_databases import Database, Told, WorkerProcess
from tests.waiting import until

VIEW, OTHER = "APPS.XX_GL_V", "APPS.XX_AR_V"
LONG_AGO = "lease_expires_at = '2020-01-01 00:00:00'"
FAR_AHEAD = "lease_expires_at = '2999-01-01 00:00:00'"
ELSEWHERE = "host = 'another-server', process = 4711"
EARLY, LATE = "2026-01-01T00:00:00", "2026-02-01T00:00:00"


@pytest.fixture(scope="session")
def postgres_address() -> Iterator[str]:
    folder = postgres.programs()
    if folder is None:
        pytest.skip(postgres.HOW_TO_GET_IT)
    with postgres.server(folder) as address:
        yield address


@pytest.fixture(scope="session")
def postgres_template(
    postgres_address: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[Path], Database]]:
    """Makes a database of one's own from one that was migrated once."""
    _on_server(postgres_address, "CREATE DATABASE template_etl")
    template = Database(tmp_path_factory.mktemp("template"), f"{postgres_address}/template_etl")
    worker = WorkerProcess(template)
    worker.answer()
    worker.kill()
    made: list[str] = []

    def make(folder: Path) -> Database:
        name = f"etl_{len(made)}"
        _on_server(postgres_address, f"CREATE DATABASE {name} TEMPLATE template_etl")
        made.append(name)
        return Database(folder, f"{postgres_address}/{name}")

    yield make


def _on_server(address: str, sql: str) -> None:
    with closing(psycopg.connect(f"{address}/postgres", autocommit=True)) as connection:
        connection.execute(sql)


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Database:
    if request.param == "sqlite":
        return Database.on_sqlite(tmp_path)
    made: Database = request.getfixturevalue("postgres_template")(tmp_path)
    return made


@pytest.fixture
def make_worker() -> Iterator[Callable[[Database], WorkerProcess]]:
    with ExitStack() as stack:

        def make(database: Database) -> WorkerProcess:
            worker = WorkerProcess(database)
            stack.callback(worker.kill)
            worker.answer()
            return worker

        yield make


@pytest.fixture
def worker(database: Database, make_worker: Callable[[Database], WorkerProcess]) -> WorkerProcess:
    made = make_worker(database)
    made.ask("seed", view=VIEW)
    return made


@pytest.fixture
def other(database: Database, make_worker: Callable[[Database], WorkerProcess]) -> WorkerProcess:
    return make_worker(database)


def refused(worker: WorkerProcess, command: str, **arguments: Any) -> Told:
    with pytest.raises(Told) as told:
        worker.ask(command, **arguments)
    return told.value


def watermark(database: Database) -> str:
    (source,) = [row for row in database.rows("data_source") if row["view"] == VIEW]
    return str(source["watermark"])


def loaded(worker: WorkerProcess, mark: str | None, status: str = "succeeded") -> str:
    """One whole run of VIEW."""
    run_id: str = worker.ask("start", view=VIEW)
    worker.ask("save_plan", run_id=run_id, view=VIEW, watermark=mark)
    worker.ask("succeed", run_id=run_id, rows=7, status=status)
    return run_id


# Leases


def test_of_two_processes_that_start_at_once_exactly_one_wins(
    database: Database, worker: WorkerProcess, other: WorkerProcess
) -> None:
    for _ in range(5):
        for racer in (worker, other):
            racer.send("start", view=VIEW)
        won, lost = [], []
        for racer in (worker, other):
            try:
                won.append((racer, racer.answer()))
            except Told as told:
                lost.append(told)
        assert (len(won), [told.code for told in lost]) == (1, ["lease-held"])
        (winner, run_id) = won[0]
        winner.ask("fail", run_id=run_id)
    assert {row["status"] for row in database.rows("etl_transaction")} == {"failed"}


def test_a_live_holder_is_respected_and_named(
    database: Database, worker: WorkerProcess, other: WorkerProcess
) -> None:
    run_id = worker.ask("start", view=VIEW)
    started = str(database.run(run_id)["started_at"])[:16]
    for command in ("dead_runs", "start"):
        told = refused(other, command, view=VIEW)
        assert (told.kind, told.code) == ("Busy", "lease-held")
        for fact in (VIEW, socket.gethostname(), str(worker.process.pid), started, run_id):
            assert fact in str(told)


def test_another_view_is_not_held(worker: WorkerProcess, other: WorkerProcess) -> None:
    worker.ask("seed", view=OTHER)
    assert worker.ask("start", view=VIEW) != other.ask("start", view=OTHER)


def test_a_dead_process_of_this_host_is_taken_over_at_once(
    database: Database, worker: WorkerProcess, other: WorkerProcess
) -> None:
    run_id = worker.ask("start", view=VIEW)
    database.change(run_id, FAR_AHEAD)
    worker.kill()
    assert other.ask("dead_runs", view=VIEW) == [
        {"run_id": run_id, "planned": False, "watermark": None}
    ]
    row = database.run(run_id)
    assert (row["status"], row["process"]) == ("running", other.process.pid)
    assert bool(row["needs_settling"])


def test_the_plan_of_a_dead_run_is_found(worker: WorkerProcess, other: WorkerProcess) -> None:
    run_id = worker.ask("start", view=VIEW)
    worker.ask("save_plan", run_id=run_id, view=VIEW, watermark=LATE)
    worker.kill()
    assert other.ask("dead_runs", view=VIEW) == [
        {"run_id": run_id, "planned": True, "watermark": LATE}
    ]


def test_another_host_is_believed_until_its_lease_expires(
    database: Database, worker: WorkerProcess, other: WorkerProcess
) -> None:
    run_id = worker.ask("start", view=VIEW)
    database.change(run_id, ELSEWHERE)
    worker.kill()
    told = refused(other, "dead_runs", view=VIEW)
    assert told.code == "lease-held" and "process 4711 on another-server" in str(told)
    database.change(run_id, LONG_AGO)
    assert [dead["run_id"] for dead in other.ask("dead_runs", view=VIEW)] == [run_id]


def test_of_two_processes_that_take_over_at_once_exactly_one_wins(
    database: Database,
    worker: WorkerProcess,
    other: WorkerProcess,
    make_worker: Callable[[Database], WorkerProcess],
) -> None:
    third = make_worker(database)
    run_id = worker.ask("start", view=VIEW)
    worker.kill()
    results = []
    for racer in (other, third):
        racer.send("dead_runs", view=VIEW)
    for racer in (other, third):
        try:
            results.append([dead["run_id"] for dead in racer.answer()])
        except Told as told:
            results.append([told.code])
    assert sorted(results) == sorted([[run_id], ["lease-held"]])


def test_a_process_number_given_to_another_program_is_no_holder(
    database: Database, worker: WorkerProcess, other: WorkerProcess
) -> None:
    run_id = worker.ask("start", view=VIEW)
    born = psutil.Process().create_time() - 3600
    database.change(run_id, f"process = {os.getpid()}, process_started = {born}")
    assert [dead["run_id"] for dead in other.ask("dead_runs", view=VIEW)] == [run_id]


def test_a_clock_that_was_set_does_not_make_a_live_holder_dead(
    database: Database, worker: WorkerProcess, other: WorkerProcess
) -> None:
    run_id = worker.ask("start", view=VIEW)
    database.change(run_id, "process_started = process_started + 1.0")
    assert refused(other, "dead_runs", view=VIEW).code == "lease-held"


def test_who_lost_the_lease_is_told_and_changes_nothing(
    database: Database, worker: WorkerProcess, other: WorkerProcess
) -> None:
    run_id = worker.ask("start", view=VIEW)
    worker.ask("save_plan", run_id=run_id, view=VIEW, watermark=LATE)
    database.change(run_id, f"{ELSEWHERE}, {LONG_AGO}")
    other.ask("dead_runs", view=VIEW)
    held = database.run(run_id)
    for command, arguments in {
        "beat": {},
        "save_plan": {"view": VIEW, "watermark": LATE},
        "succeed": {"rows": 9},
    }.items():
        told = refused(worker, command, run_id=run_id, **arguments)
        assert (told.kind, told.code) == ("Busy", "lease-lost")
    worker.ask("fail", run_id=run_id)
    assert database.run(run_id) == held
    assert watermark(database) == ""
    assert [row["transaction_id"] for row in database.rows("log_error")] == [None]


def test_a_beat_renews_the_lease_shows_progress_and_hears_a_stop_request(
    database: Database, worker: WorkerProcess
) -> None:
    run_id = worker.ask("start", view=VIEW)
    database.change(run_id, LONG_AGO)
    assert worker.ask("beat", run_id=run_id, rows=1234) is False
    row = database.run(run_id)
    assert str(row["lease_expires_at"]) > str(row["heartbeat_at"]) > "2026"
    assert (row["rows_extracted"], row["step"]) == (1234, "extract")
    database.change(run_id, "cancel_requested = true")
    assert worker.ask("beat", run_id=run_id) is True


def test_a_run_that_has_ended_is_not_held_any_more(worker: WorkerProcess) -> None:
    run_id = loaded(worker, LATE)
    assert refused(worker, "beat", run_id=run_id).code == "lease-lost"
    assert refused(worker, "succeed", run_id=run_id).code == "lease-lost"


# The record and the watermark


def test_a_success_ends_the_run_and_moves_the_watermark_together(
    database: Database, worker: WorkerProcess
) -> None:
    run_id = loaded(worker, LATE)
    row = database.run(run_id)
    assert (row["status"], row["rows_loaded"], bool(row["needs_settling"])) == (
        "succeeded",
        7,
        False,
    )
    assert row["ended_at"] is not None and row["user"]
    assert watermark(database) == "2026-02-01T00:00:00.000000"
    (source,) = database.rows("data_source")
    assert source["watermark_scope"] == worker.ask("scope", view=VIEW)
    assert bool(source["target_created"])


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_only_a_success_moves_the_watermark(database: Database, worker: WorkerProcess) -> None:
    run_id = worker.ask("start", view=VIEW)
    worker.ask("save_plan", run_id=run_id, view=VIEW, watermark=LATE)
    worker.ask("beat", run_id=run_id, rows=5)
    assert watermark(database) == ""
    worker.ask("fail", run_id=run_id)
    assert watermark(database) == ""
    loaded(worker, LATE, "no_rows")
    assert watermark(database) == "2026-02-01T00:00:00.000000"
    loaded(worker, None)
    assert watermark(database) == "2026-02-01T00:00:00.000000"


def test_the_watermark_never_moves_back_within_one_scope(
    database: Database, worker: WorkerProcess
) -> None:
    loaded(worker, LATE)
    loaded(worker, EARLY)
    assert watermark(database) == "2026-02-01T00:00:00.000000"
    loaded(worker, "2026-02-01T00:00:00.000001")
    assert watermark(database) == "2026-02-01T00:00:00.000001"


def test_a_watermark_of_another_scope_gives_way(database: Database, worker: WorkerProcess) -> None:
    loaded(worker, LATE)
    database.execute("UPDATE data_source SET target = 'elsewhere'")
    loaded(worker, EARLY)
    assert watermark(database) == "2026-01-01T00:00:00.000000"
    (source,) = database.rows("data_source")
    assert source["watermark_scope"].endswith("finance.elsewhere")


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_an_administrator_sets_and_forgets_the_watermark(
    database: Database, worker: WorkerProcess
) -> None:
    loaded(worker, LATE)
    worker.ask("set_watermark", view=VIEW, value=EARLY)
    assert watermark(database) == "2026-01-01T00:00:00.000000"
    worker.ask("set_watermark", view=VIEW, value=None)
    (source,) = database.rows("data_source")
    assert (source["watermark"], source["watermark_scope"]) == ("", "")


def test_a_failure_is_recorded_with_its_log_error(
    database: Database, worker: WorkerProcess
) -> None:
    run_id = worker.ask("start", view=VIEW)
    worker.ask("fail", run_id=run_id, unsettled=True)
    row = database.run(run_id)
    assert (row["status"], row["error_code"], bool(row["needs_settling"])) == (
        "failed",
        "ORA-00942",
        True,
    )
    (told,) = database.rows("log_error")
    assert (told["transaction_id"], told["step"], told["code"]) == (
        row["id"],
        "extract",
        "ORA-00942",
    )
    assert told["action"] and told["traceback"] == "Traceback: gone"
    worker.ask("mark_notified", run_ids=[run_id])
    assert database.rows("log_error")[0]["notified_at"] is not None


def test_a_password_reaches_neither_transaction_nor_log_error(
    database: Database, worker: WorkerProcess
) -> None:
    worker.ask("set_password", password="geheim-ßรหัส-1")
    run_id = worker.ask("start", view=VIEW)
    worker.ask("fail", run_id=run_id, message="login U/geheim-ßรหัส-1 refused")
    stored = [database.run(run_id), *database.rows("log_error"), *database.rows("data_store")]
    assert "geheim" not in str(stored)
    assert database.run(run_id)["error"] == "login U/******** refused"


def test_a_message_that_names_a_path_with_bytes_that_are_no_text_is_recorded(
    database: Database, worker: WorkerProcess
) -> None:
    """As Python reads them from the system: half characters, which no database takes."""
    run_id = worker.ask("start", view=VIEW)
    worker.ask("fail", run_id=run_id, message="/srv/b\udcfcro is full")
    assert database.run(run_id)["error"] == r"/srv/b\udcfcro is full"


# Settling


def settled(worker: WorkerProcess, other: WorkerProcess, *, committed: bool) -> str:
    run_id: str = worker.ask("start", view=VIEW)
    worker.ask("save_plan", run_id=run_id, view=VIEW, watermark=LATE)
    worker.kill()
    other.ask("dead_runs", view=VIEW)
    other.ask("settle", run_id=run_id, committed=committed)
    return run_id


def test_a_dead_run_that_had_committed_succeeds(
    database: Database, worker: WorkerProcess, other: WorkerProcess
) -> None:
    row = database.run(settled(worker, other, committed=True))
    assert (row["status"], bool(row["needs_settling"])) == ("succeeded", False)
    assert (row["rows_inserted"], row["rows_updated"], row["rows_deleted"]) == (3, 2, 1)
    assert watermark(database) == "2026-02-01T00:00:00.000000"
    assert other.ask("dead_runs", view=VIEW) == []
    assert other.ask("start", view=VIEW)


def test_a_dead_run_that_had_not_committed_is_abandoned_and_told(
    database: Database, worker: WorkerProcess, other: WorkerProcess
) -> None:
    row = database.run(settled(worker, other, committed=False))
    assert (row["status"], bool(row["needs_settling"])) == ("abandoned", False)
    assert row["ended_at"] is not None
    assert watermark(database) == ""
    (told,) = database.rows("log_error")
    assert (told["code"], told["transaction_id"]) == ("run-died", row["id"])
    assert str(worker.process.pid) in told["message"]


@pytest.mark.parametrize(("committed", "status"), [(True, "succeeded"), (False, "failed")])
def test_a_failed_run_whose_commit_was_in_doubt_is_settled_too(
    database: Database, worker: WorkerProcess, committed: bool, status: str
) -> None:
    run_id = worker.ask("start", view=VIEW)
    worker.ask("save_plan", run_id=run_id, view=VIEW, watermark=LATE)
    worker.ask("fail", run_id=run_id, unsettled=True)
    assert [dead["run_id"] for dead in worker.ask("dead_runs", view=VIEW)] == [run_id]
    worker.ask("settle", run_id=run_id, committed=committed)
    row = database.run(run_id)
    assert (row["status"], bool(row["needs_settling"])) == (status, False)
    assert bool(watermark(database)) == committed
    assert worker.ask("dead_runs", view=VIEW) == []


# What was


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_the_usual_rows_are_the_median_of_the_last_five_loads_of_the_type(
    worker: WorkerProcess,
) -> None:
    assert worker.ask("usual_rows", view=VIEW, load_type="incremental") is None
    for rows in (1_000_000, 10, 20, 30, 40, 5_000):
        run_id = worker.ask("start", view=VIEW)
        worker.ask("save_plan", run_id=run_id, view=VIEW, watermark=None)
        worker.ask("succeed", run_id=run_id, rows=rows)
    assert worker.ask("usual_rows", view=VIEW, load_type="incremental") == 30
    assert worker.ask("usual_rows", view=VIEW, load_type="full") is None


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_the_last_run_and_the_last_load_are_told_apart(worker: WorkerProcess) -> None:
    assert worker.ask("last_run", view=VIEW, loaded=False) is None
    loaded(worker, LATE)
    worker.ask("fail", run_id=worker.ask("start", view=VIEW))
    assert worker.ask("last_run", view=VIEW, loaded=False) == "failed"
    assert worker.ask("last_run", view=VIEW, loaded=True) == "succeeded"


# Names


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_views_are_found_by_name_and_listed_in_load_order(worker: WorkerProcess) -> None:
    worker.ask("seed", view="GL.XX_GL_V", target="second", load_order=1)
    worker.ask("seed", view=OTHER, load_order=2, active=False)
    assert worker.ask("sources", views=["xx_ar_v", "apps.xx_gl_v"]) == [OTHER, VIEW]
    assert worker.ask("sources", views=[]) == ["GL.XX_GL_V", VIEW]
    assert worker.ask("every_source") == ["GL.XX_GL_V", OTHER, VIEW]
    assert refused(worker, "sources", views=["nobody"]).code == "unknown-view"
    ambiguous = refused(worker, "sources", views=["XX_GL_V"])
    assert ambiguous.code == "ambiguous-view"
    assert VIEW in str(ambiguous) and "GL.XX_GL_V" in str(ambiguous)
    assert refused(worker, "password", store="nobody").code == "unknown-store"


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_a_password_under_another_key_is_refused_in_words(
    database: Database, worker: WorkerProcess, make_worker: Callable[[Database], WorkerProcess]
) -> None:
    worker.ask("set_password", password="geheim")
    assert worker.ask("password", store="ERP") == "geheim"
    for keys in (Fernet.generate_key().decode("ascii"), "", "no-key"):
        database.settings["ETL_SECRET_KEYS"] = keys
        told = refused(make_worker(database), "password", store="ERP")
        assert (told.kind, told.code) == ("ConfigError", "invalid-setting")
        assert "ETL_SECRET_KEYS" in str(told)


# Trouble with the database itself


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_a_writer_that_holds_the_database_for_long_fails_no_beat_and_no_record(
    database: Database, worker: WorkerProcess, other: WorkerProcess
) -> None:
    worker.ask("seed", view=OTHER)
    beating, ending = worker.ask("start", view=OTHER), other.ask("start", view=VIEW)
    with closing(sqlite3.connect(database.path, isolation_level=None)) as rival:
        rival.execute("BEGIN IMMEDIATE")
        worker.send("beat", run_id=beating, rows=77)
        other.send("succeed", run_id=ending, rows=88)
        # Longer than the driver waits by itself: that is the point of the test.
        until(lambda: database.said().count("is locked, try 1") == 2, "two tries that failed")
        rival.execute("COMMIT")
    assert worker.answer() is False
    assert other.answer() is None
    assert database.run(beating)["rows_extracted"] == 77
    assert database.run(ending)["status"] == "succeeded"


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
def test_a_connection_that_the_server_ended_is_made_anew(
    database: Database, worker: WorkerProcess
) -> None:
    run_id = worker.ask("start", view=VIEW)
    database.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    assert worker.ask("beat", run_id=run_id, rows=3) is False
    worker.ask("succeed", run_id=run_id, rows=3)
    assert database.run(run_id)["status"] == "succeeded"


def test_two_writers_at_once_wait_for_each_other(
    database: Database, worker: WorkerProcess, other: WorkerProcess
) -> None:
    worker.ask("seed", view=OTHER)
    runs = {worker: worker.ask("start", view=VIEW), other: other.ask("start", view=OTHER)}

    def beat_often(beating: WorkerProcess) -> None:
        for rows in range(40):
            beating.ask("beat", run_id=runs[beating], rows=rows)

    threads = [threading.Thread(target=beat_often, args=(beating,)) for beating in runs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [database.run(run_id)["rows_extracted"] for run_id in runs.values()] == [39, 39]


@pytest.fixture
def installation(tmp_path: Path) -> Installation:
    return Installation(tmp_path, {})


def ended(done: subprocess.CompletedProcess[str], exit_code: int, code: str) -> None:
    assert done.returncode == exit_code, done.stderr
    assert f"{code}: " in done.stderr
    assert "Traceback" not in done.stderr + done.stdout


def test_a_missing_database_is_told_and_not_made(installation: Installation) -> None:
    installation.database.unlink()
    done = installation.etl("list")
    ended(done, 7, "catalog-missing")
    assert str(installation.database) in done.stderr
    assert not installation.database.exists()


def test_a_file_that_is_no_database_is_told(installation: Installation) -> None:
    installation.database.write_text("hello " * 1000, encoding="utf-8")
    ended(installation.etl("list"), 7, "catalog-unreachable")


def test_a_server_that_does_not_answer_is_told(installation: Installation) -> None:
    installation.write_settings(ETL_DATABASE_URL="postgres://etl:geheim@127.0.0.1:1/etl")
    done = installation.etl("list")
    ended(done, 7, "catalog-unreachable")
    assert "geheim" not in done.stderr


def test_a_database_of_a_newer_version_is_refused(installation: Installation) -> None:
    with closing(sqlite3.connect(installation.database)) as connection:
        connection.execute(
            "INSERT INTO django_migrations (app, name, applied) "
            "VALUES ('catalog', '9999_future', '2026-01-01')"
        )
        connection.commit()
    before = installation.rows("django_migrations")
    done = installation.etl("list")
    ended(done, 7, "catalog-newer")
    assert "9999_future" in done.stderr
    assert installation.rows("django_migrations") == before
    assert not list(installation.folder.glob("*.before-*"))


def test_an_older_database_is_copied_and_then_migrated(installation: Installation) -> None:
    older = installation.manage("migrate", "catalog", "0001")
    assert older.returncode == 0, older.stderr
    before = {row["name"] for row in installation.rows("django_migrations")}
    done = installation.etl("list")
    assert done.returncode == 0, done.stderr
    assert {row["name"] for row in installation.rows("django_migrations")} > before
    (copy,) = installation.folder.glob("etl_config_transaction.before-*.db")
    with closing(sqlite3.connect(copy)) as connection:
        kept = {name for (name,) in connection.execute("SELECT name FROM django_migrations")}
    assert kept == before
    assert copy.name in done.stderr
    installation.etl("list")
    assert len(list(installation.folder.glob("*.before-*"))) == 1
