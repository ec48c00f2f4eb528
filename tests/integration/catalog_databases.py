"""Configuration databases for tests, on SQLite and PostgreSQL, and processes that use them."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from contextlib import AbstractContextManager, closing
from pathlib import Path
from typing import Any

import psycopg
from cryptography.fernet import Fernet
from psycopg.rows import dict_row

from tests.installation import DATABASE, MACHINE, ROOT
from tests.waiting import HANG_SECONDS, next_line


class Told(Exception):
    """A worker's EtlError: `kind`, `code` and the message."""

    def __init__(self, kind: str, code: str, message: str) -> None:
        super().__init__(f"{kind} {code}: {message}")
        self.kind, self.code = kind, code


class Database:
    """One configuration database: its address, and SQL on it as a person would send it."""

    def __init__(self, folder: Path, url: str, settings: dict[str, str] | None = None) -> None:
        self.folder, self.url = folder, url
        self.settings = settings or {}
        self.keys = Fernet.generate_key().decode("ascii")

    @classmethod
    def on_sqlite(cls, folder: Path) -> Database:
        """A copy of the migrated database that the checkout carries."""
        shutil.copyfile(ROOT / DATABASE, folder / DATABASE)
        return cls(folder, f"sqlite:///{(folder / DATABASE).as_posix()}")

    @property
    def path(self) -> Path:
        return self.folder / DATABASE

    def env(self) -> dict[str, str]:
        machine = {name: os.environ[name] for name in MACHINE if name in os.environ}
        (self.folder / ".env").touch()
        return {
            **machine,
            "ETL_ENV_FILE": str(self.folder / ".env"),
            "ETL_DATABASE_URL": self.url,
            "ETL_DATA_DIR": str(self.folder / "var"),
            "ETL_SECRET_KEYS": self.keys,
            "PYTHONUTF8": "1",
            **self.settings,
        }

    def _connection(self) -> AbstractContextManager[Any]:
        if self.url.startswith("postgres"):
            return closing(psycopg.connect(self.url, autocommit=True, row_factory=dict_row))
        connection = sqlite3.connect(self.path, isolation_level=None, timeout=HANG_SECONDS)
        connection.row_factory = sqlite3.Row
        return closing(connection)

    def rows(self, table: str) -> list[dict[str, Any]]:
        """All rows of a table, oldest first."""
        with self._connection() as connection:
            return [dict(row) for row in connection.execute(f"SELECT * FROM {table} ORDER BY id")]

    def run(self, run_id: str) -> dict[str, Any]:
        """One row of ETL Transaction."""
        (row,) = [row for row in self.rows("etl_transaction") if row["run_id"] == run_id]
        return row

    def change(self, run_id: str, assignment: str) -> None:
        """UPDATE one row of ETL Transaction."""
        with self._connection() as connection:
            connection.execute(f"UPDATE etl_transaction SET {assignment} WHERE run_id = '{run_id}'")

    def execute(self, sql: str) -> None:
        with self._connection() as connection:
            connection.execute(sql)

    def said(self) -> str:
        """What the processes of this database have written to standard error."""
        return (self.folder / "stderr.txt").read_text(encoding="utf-8")

    def process(self, command: list[str]) -> subprocess.Popen[str]:
        with (self.folder / "stderr.txt").open("a", encoding="utf-8") as errors:
            return subprocess.Popen(
                command,
                cwd=ROOT,
                env=self.env(),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                encoding="utf-8",
            )


class WorkerProcess:
    """`catalog_worker` as a process: `send` and `answer`, or both as `ask`."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.process = database.process([sys.executable, "-m", "tests.integration.catalog_worker"])

    def send(self, command: str, **arguments: Any) -> None:
        assert self.process.stdin
        self.process.stdin.write(json.dumps([command, arguments]) + "\n")
        self.process.stdin.flush()

    def answer(self) -> Any:
        """The next answer; raises Told."""
        try:
            line = next_line(self.process, "an answer of the worker")
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self._database.said()}") from None
        told = json.loads(line)
        if "error" in told:
            raise Told(**told["error"])
        return told["answer"]

    def ask(self, command: str, **arguments: Any) -> Any:
        self.send(command, **arguments)
        return self.answer()

    def kill(self) -> None:
        """End it without a chance to say goodbye."""
        self.process.kill()
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout):
            if stream:
                stream.close()
