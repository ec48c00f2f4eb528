"""The command line as a process: exit codes, records, signals and code pages."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.fernet import Fernet

from etl_oracle_to_bq.codes import KIND_ACTIONS
from tests.installation import ROOT, Installation
from tests.waiting import finish, run, until

if TYPE_CHECKING:
    from tests.sandbox.bigquery.launcher import BigQueryEmulator

STORE, VIEW, SECRET = "ERP", "APPS.XX_GL_V", "geheim-ßรหัส-7"
NOWHERE = 1


def store(port: int) -> dict[str, object]:
    return {"name": STORE, "host": "127.0.0.1", "port": port, "service_name": "P", "user": "U"}


def source(**values: object) -> dict[str, object]:
    keys = {"key_columns": ["ID"], "incremental_column": "LAST_UPDATE_DATE"}
    return {"view": VIEW, "store": STORE, "dataset": "finance", **keys, **values}


SETTINGS = {
    "GOOGLE_CLOUD_PROJECT": "erp",
    "ETL_ATTEMPTS": "1",
    "ETL_SECRET_KEYS": Fernet.generate_key().decode("ascii"),
}


@pytest.fixture(scope="module")
def configured(tmp_path_factory: pytest.TempPathFactory) -> Installation:
    """One store that leads nowhere, and one source."""
    made = Installation(tmp_path_factory.mktemp("configured"), {}, SETTINGS)
    made.configure([store(NOWHERE)], [source()], {STORE: SECRET})
    return made


@pytest.fixture
def installation(configured: Installation, tmp_path: Path) -> Installation:
    made = Installation(tmp_path, {}, SETTINGS)
    shutil.copyfile(configured.database, made.database)
    return made


def lead_to(installation: Installation, port: int) -> None:
    """Point the store at another listener."""
    with closing(sqlite3.connect(installation.database)) as connection, connection:
        connection.execute("UPDATE data_store SET port = ?", (port,))


@pytest.fixture
def silent_listener() -> Iterator[int]:
    """Accepts, and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


def told(done: subprocess.CompletedProcess[str], exit_code: int, code: str) -> dict[str, Any]:
    """The error of a --json command; nothing else is on standard output."""
    assert done.returncode == exit_code, done.stderr
    error: dict[str, Any] = json.loads(done.stdout)["error"]
    assert error["code"] == code
    assert error["message"] and error["action"]
    assert SECRET not in done.stdout + done.stderr
    return error


def test_an_unknown_view_is_told_and_recorded(installation: Installation) -> None:
    error = told(installation.etl("run", "NOBODY", "--json"), 2, "unknown-view")
    assert "NOBODY" in error["message"]
    (row,) = installation.rows("log_error")
    assert (row["code"], row["step"], row["message"]) == (
        "unknown-view",
        "config",
        error["message"],
    )
    assert installation.rows("etl_transaction") == []


@pytest.mark.parametrize(("command", "recorded"), [("run", 1), ("plan", 0)])
def test_people_get_the_message_and_what_to_do(
    installation: Installation, command: str, recorded: int
) -> None:
    done = installation.etl(command, "NOBODY")
    assert (done.returncode, done.stdout) == (2, "")
    message, action = done.stderr.splitlines()
    assert message == "unknown-view: NOBODY is not a configured view."
    assert "list" in action
    assert len(installation.rows("log_error")) == recorded


def test_a_missing_project_is_told_and_recorded(installation: Installation) -> None:
    installation.write_settings(GOOGLE_CLOUD_PROJECT="")
    error = told(installation.etl("run", "--all", "--json"), 2, "missing-setting")
    assert "GOOGLE_CLOUD_PROJECT" in error["message"]
    assert [row["code"] for row in installation.rows("log_error")] == ["missing-setting"]


@pytest.mark.parametrize(
    ("name", "value"),
    [("ETL_ATTEMPTS", "many"), ("ETL_SECRET_KEYS", "no-key"), ("ETL_SITE_HTTPS", "yes")],
)
def test_a_setting_that_is_wrong_is_named(
    installation: Installation, name: str, value: str
) -> None:
    installation.write_settings(**{name: value})
    assert name in told(installation.etl("list", "--json"), 2, "invalid-setting")["message"]


def test_a_settings_file_that_is_not_there_is_named(installation: Installation) -> None:
    (installation.folder / ".env").unlink()
    error = told(installation.etl("list", "--json"), 2, "invalid-setting")
    assert str(installation.folder / ".env") in error["message"]


def test_a_listener_that_is_not_there_is_told_and_not_recorded(
    installation: Installation,
) -> None:
    error = told(installation.etl("store-check", STORE, "--json"), 3, "ORA-12541")
    assert STORE in error["message"]
    assert installation.rows("log_error") == []


def test_unknown_stores_are_told(installation: Installation) -> None:
    for command in (["store-check"], ["store-views"], ["store-columns", "X", "A.B"]):
        arguments = [*command, "nobody"] if len(command) == 1 else command
        told(installation.etl(*arguments, "--json"), 2, "unknown-store")


def test_a_watermark_is_shown_set_kept_and_reset(installation: Installation) -> None:
    def shown(*change: str) -> object:
        done = installation.etl("watermark", "xx_gl_v", *change, "--json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    assert shown() == {"view": VIEW, "watermark": None}
    told(installation.etl("watermark", VIEW, "--keep", "--json"), 2, "no-watermark")
    assert shown("--set", "2026-01-31T18:00:00") == {
        "view": VIEW,
        "watermark": "2026-01-31T18:00:00",
    }
    (row,) = installation.rows("data_source")
    assert row["watermark"] == "2026-01-31T18:00:00.000000"
    assert shown("--keep") == shown()
    assert shown("--reset") == {"view": VIEW, "watermark": None}
    log = "".join(
        path.read_text(encoding="utf-8") for path in (installation.folder / "var/log").iterdir()
    )
    assert f"watermark of {VIEW} set to 2026-01-31 18:00:00 by " in log


def test_any_command_deletes_old_logs_of_the_batch_file(
    installation: Installation, tmp_path: Path
) -> None:
    """They are beside the batch file or in %TEMP%, wherever ETL_DATA_DIR leads."""
    beside, temporary = ROOT / "var" / "log", tmp_path / "temp"
    old = [folder / f"etl-schedule_task-{os.getpid()}.log" for folder in (beside, temporary)]
    for path in old:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
        os.utime(path, (0, 0))
    new = temporary / "etl-schedule_task-1.log"
    new.touch()
    env = {**installation.env(), "TEMP": str(temporary)}
    subprocess.run(installation.command("list"), cwd=ROOT, env=env, check=True)
    assert [path.exists() for path in (*old, new)] == [False, False, True]


def test_transforms_are_listed_with_their_first_line(
    installation: Installation, tmp_path: Path
) -> None:
    assert json.loads(installation.etl("transforms", "--json").stdout) == {"transforms": []}
    installation.write_settings(ETL_TRANSFORMS="no_such_module")
    told(installation.etl("transforms", "--json"), 2, "unknown-transform")


def test_every_program_starts_from_any_folder(installation: Installation, tmp_path: Path) -> None:
    """By its path, and with a database whose path is relative to the checkout."""
    elsewhere = tmp_path / "else where"
    elsewhere.mkdir()
    database = Path(os.path.relpath(installation.database, ROOT)).as_posix()
    installation.write_settings(ETL_DATABASE_URL=f"sqlite:///{database}")

    def started(program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, ROOT / program, *arguments]
        return run(command, cwd=elsewhere, env=installation.env())

    listed = started("etl_oracle_to_bq", "list", "--json")
    assert listed.returncode == 0, listed.stderr
    assert [row["view"] for row in json.loads(listed.stdout)["sources"]] == [VIEW]
    assert started("etl_oracle_to_bq", "run", "NOBODY").returncode == 2
    assert started("etl_web_admin/manage.py", "check").returncode == 0


unix_signals = pytest.mark.skipif(
    os.name == "nt", reason="Windows ends a process without asking; there is no SIGTERM to hear"
)


@unix_signals
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_a_question_at_once(
    installation: Installation, silent_listener: int, number: int
) -> None:
    lead_to(installation, silent_listener)
    log = installation.folder / "var" / "log"
    before = set(log.glob("*.log"))
    asking = installation.start("store-check", STORE)
    until(lambda: set(log.glob("*.log")) > before, "the log file of the question", asking)
    asking.send_signal(number)
    out, err = finish(asking)
    assert (asking.returncode, out) == (130, "")
    told = "stopped: The command was stopped by Ctrl-C or a signal."
    assert err.splitlines()[-2:] == [told, KIND_ACTIONS["Stopped"]]
    assert "Traceback" not in err


@unix_signals
def test_a_signal_ends_a_run_that_says_so(
    installation: Installation, silent_listener: int, bigquery_sandbox: BigQueryEmulator
) -> None:
    installation.write_settings(
        BIGQUERY_EMULATOR_HOST=bigquery_sandbox.host, GOOGLE_CLOUD_PROJECT=bigquery_sandbox.project
    )
    lead_to(installation, silent_listener)
    running = installation.start("run", VIEW)
    until(
        lambda: any(row["step"] == "plan" for row in installation.rows("etl_transaction")),
        "a run at its plan",
        running,
    )
    running.send_signal(signal.SIGTERM)
    out, _ = finish(running)
    assert running.returncode == 130
    assert out.splitlines()[0] == f"{VIEW}: STOPPED at step plan"
    (row,) = installation.rows("etl_transaction")
    assert (row["status"], row["error_code"], row["step"]) == ("failed", "stopped", "plan")
    assert row["ended_at"] is not None
    assert [each["code"] for each in installation.rows("log_error")] == ["stopped"]


def test_who_pressed_the_button_is_who_started_the_run(
    installation: Installation, silent_listener: int
) -> None:
    installation.write_settings(ETL_CONNECT_SECONDS="1")
    installation.write_settings(BIGQUERY_EMULATOR_HOST=f"http://127.0.0.1:{NOWHERE}")
    lead_to(installation, silent_listener)
    running = subprocess.Popen(
        installation.command("run", VIEW),
        cwd=ROOT,
        env={**installation.env(), "ETL_STARTED_BY": "somchai"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        until(lambda: len(installation.rows("etl_transaction")) == 1, "the run's row", running)
        (row,) = installation.rows("etl_transaction")
        assert (row["user"], row["process"]) == ("somchai", running.pid)
    finally:
        running.kill()
        running.wait()
