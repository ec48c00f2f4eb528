"""Bring the configuration database to this version's schema, after a backup."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from django.core.management import CommandError, call_command
from django.db import connection
from django.db.migrations.executor import MigrationExecutor


def bring_up_to_date() -> Path | None:
    """Migrate if need be; returns the backup that was made, if one was.

    Raises CommandError when a newer version of this product has migrated the database.
    """
    executor = MigrationExecutor(connection)
    applied = set(executor.loader.applied_migrations)
    newer = sorted(
        name for app, name in applied - set(executor.loader.disk_migrations) if app == "catalog"
    )
    if newer:
        raise CommandError(f"The database was migrated by a newer version ({newer[-1]}).")
    if not executor.migration_plan(executor.loader.graph.leaf_nodes()):
        return None
    backup = _back_up() if applied else None
    call_command("migrate", interactive=False, verbosity=0)
    return backup


def _back_up() -> Path | None:
    if connection.vendor != "sqlite":
        return None
    path = Path(str(connection.settings_dict["NAME"]))
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    copy = path.with_name(f"{path.stem}.before-{stamp}{path.suffix}")
    with connection.cursor() as cursor:
        # A plain copy of the file would miss what still is in the write-ahead log.
        cursor.execute("VACUUM INTO %s", [str(copy)])
    return copy
