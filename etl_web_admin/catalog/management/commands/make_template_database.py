"""Make the empty database that is committed as `etl_config_transaction.db`."""

from __future__ import annotations

import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path
from typing import Any

from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import connections

ALIAS = "template"


class Command(BaseCommand):
    """Migrate a new SQLite file, compact it, and leave it without `-wal` or `-shm` beside it."""

    help = "Write a new, migrated, empty SQLite database to PATH."
    requires_system_checks: list[str] = []  # noqa: RUF012 (declared so by Django)

    def add_arguments(self, parser: CommandParser) -> None:
        """One argument: the file to write."""
        parser.add_argument("path", type=Path)

    def handle(self, *args: Any, path: Path, **options: Any) -> None:
        """Raise CommandError when the file is already there: it may be somebody's database."""
        if path.exists():
            raise CommandError(f"{path} exists already; delete it first.")
        with tempfile.TemporaryDirectory() as folder:
            draft = Path(folder) / "draft.db"
            _migrate(draft)
            _compact(draft, path)
        self.stdout.write(f"{path} is ready.")


def _migrate(path: Path) -> None:
    settings = {**connections.databases["default"], "ENGINE": "django.db.backends.sqlite3"}
    connections.databases[ALIAS] = {**settings, "NAME": str(path), "OPTIONS": {}}
    try:
        call_command("migrate", database=ALIAS, verbosity=0)
    finally:
        connections[ALIAS].close()
        del connections[ALIAS]
        del connections.databases[ALIAS]


def _compact(draft: Path, path: Path) -> None:
    # A migration's own date would make two builds differ.
    with closing(sqlite3.connect(draft, isolation_level=None)) as database:
        database.execute("UPDATE django_migrations SET applied = '2026-01-01 00:00:00'")
        database.execute("VACUUM INTO ?", (str(path),))
    # The mode that both programs work in. It is written into the file, so a database that
    # came without it would be changed by the first command that only reads.
    with closing(sqlite3.connect(path)) as database:
        database.execute("PRAGMA journal_mode=WAL")
