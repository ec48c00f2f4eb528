"""The product as a user installs it: own folder, own database, driven by its own commands.

    installation = Installation(folder, sandbox.env())
    installation.configure(stores, sources, passwords)
    done = installation.etl("run", "--all", "--json")

Nothing of the product is imported: every command is a subprocess with a clean environment,
and the database is read as a person with DB Browser would read it.
"""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, Protocol

from cryptography.fernet import Fernet

from tests.waiting import HANG_SECONDS, run

ROOT = Path(__file__).resolve().parent.parent
DATABASE = "etl_config_transaction.db"
# What a process needs of the machine, none of it a setting of the product.
MACHINE = ("PATH", "HOME", "LANG", "TMP", "TEMP", "TMPDIR", "SYSTEMROOT", "USERNAME", "USER")


class Python(Protocol):
    """A Python and the checkout whose commands it runs; its output is in `encoding`."""

    checkout: Path
    encoding: str

    def command(self, *arguments: str) -> list[str]:
        """The command line that runs this Python, to be started in the checkout."""

    def environment(self) -> dict[str, str]:
        """What it needs of its machine, none of it a setting of the product."""

    def path(self, path: Path) -> str:
        """How this Python names a path, with slashes."""


class Here:
    """The Python that runs the tests, on their own checkout."""

    checkout = ROOT
    encoding = "utf-8"

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, *arguments]

    def environment(self) -> dict[str, str]:
        machine = {name: os.environ[name] for name in MACHINE if name in os.environ}
        return {**machine, "PYTHONUTF8": "1"}

    def path(self, path: Path) -> str:
        return path.as_posix()


HERE = Here()


class Installation:
    """One server's worth of the product in `folder`, pointed at a sandbox's environment."""

    def __init__(
        self,
        folder: Path,
        sandbox: Mapping[str, str],
        settings: Mapping[str, str] | None = None,
        python: Python = HERE,
    ) -> None:
        self.folder = folder
        self.database = folder / DATABASE
        self.python = python
        self._settings = {
            "ETL_DATABASE_URL": f"sqlite:///{python.path(self.database)}",
            "ETL_DATA_DIR": python.path(folder / "var"),
            "ETL_SECRET_KEYS": Fernet.generate_key().decode("ascii"),
            "ETL_RETRY_SECONDS": "0",
            # The product's own 30 s are a limit that a busy machine misses.
            "ETL_CONNECT_SECONDS": f"{HANG_SECONDS:.0f}",
            **{name: value for name, value in sandbox.items() if not name.startswith("SANDBOX")},
            **(settings or {}),
        }
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / DATABASE, self.database)
        self.write_settings()

    def write_settings(self, **changed: str) -> None:
        """Write `.env`; a change lasts for the commands that follow."""
        self._settings |= changed
        lines = (f"{name}='{value}'\n" for name, value in self._settings.items())
        (self.folder / ".env").write_text("".join(lines), encoding="utf-8")

    def env(self) -> dict[str, str]:
        """The environment of a command: the machine's, and where the settings are."""
        settings = self.python.path(self.folder / ".env")
        return {**self.python.environment(), "ETL_ENV_FILE": settings}

    def command(self, *arguments: str) -> list[str]:
        """The command line of `python -m etl_oracle_to_bq ARGUMENTS`."""
        return self.python.command("-m", "etl_oracle_to_bq", *arguments)

    def manage_command(self, *arguments: str) -> list[str]:
        """The command line of `manage.py ARGUMENTS`."""
        manage = self.python.path(self.python.checkout / "etl_web_admin" / "manage.py")
        return self.python.command(manage, *arguments)

    def etl(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run the ETL and wait for it."""
        return self.run(self.command(*arguments))

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Start the ETL and return at once."""
        return subprocess.Popen(
            self.command(*arguments),
            cwd=self.python.checkout,
            env=self.env(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding=self.python.encoding,
        )

    def manage(self, *arguments: str, text: str = "") -> subprocess.CompletedProcess[str]:
        """Run a command of the site, with `text` on its standard input."""
        return self.run(self.manage_command(*arguments), text=text)

    def run(self, command: list[str], *, text: str = "") -> subprocess.CompletedProcess[str]:
        """Run a command in this installation's environment, from its checkout."""
        place, encoding = self.python.checkout, self.python.encoding
        return run(command, text=text, cwd=place, env=self.env(), encoding=encoding)

    def configure(
        self,
        stores: Sequence[Mapping[str, object]],
        sources: Iterable[Mapping[str, object]],
        passwords: Mapping[str, str] | None = None,
    ) -> None:
        """Import stores and sources and set the stores' passwords; a refusal raises."""
        document = {
            "format": "oracle-erp-to-bigquery configuration",
            "version": 1,
            "data_stores": list(stores),
            "data_sources": list(sources),
        }
        file = self.folder / "configuration.json"
        file.write_text(json.dumps(document), encoding="utf-8")
        self._demand("import_configuration", self.python.path(file))
        for store, password in (passwords or {}).items():
            self._demand("set_store_password", store, text=password + "\n")

    def _demand(self, *arguments: str, text: str = "") -> None:
        done = self.manage(*arguments, text=text)
        if done.returncode:
            raise RuntimeError(f"{arguments}: {done.stderr}{done.stdout}")

    def rows(self, table: str) -> list[dict[str, Any]]:
        """All rows of a table of the configuration database, oldest first."""
        with closing(sqlite3.connect(self.database)) as connection:
            connection.row_factory = sqlite3.Row
            return [dict(row) for row in connection.execute(f"SELECT * FROM {table} ORDER BY id")]


def store_row(name: str, sandbox: Mapping[str, str]) -> dict[str, object]:
    """The data store that leads to a sandbox, as `configure` wants it."""
    address, _, service = sandbox["SANDBOX_ORACLE_DSN"].partition("/")
    host, _, port = address.partition(":")
    return {
        "name": name,
        "host": host,
        "port": int(port),
        "service_name": service,
        "user": sandbox["SANDBOX_ORACLE_USER"],
    }
