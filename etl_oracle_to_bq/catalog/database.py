"""Opens the database, keeps its schema up to date, and translates its errors."""

from __future__ import annotations

import functools
import logging
import threading
from collections.abc import Callable
from pathlib import Path
from typing import ParamSpec, TypeVar

from etl_oracle_to_bq.errors import CatalogError, ConfigError

log = logging.getLogger(__name__)

P = ParamSpec("P")
R = TypeVar("R")

# With the driver's own 20 s of waiting each, these outlast any writer but a stuck one.
LOCKED_TRIES = 6

# Device and inode of the file that this thread's connection was opened on.
_opened = threading.local()


def translated(call: Callable[P, R]) -> Callable[P, R]:
    """Try again while the database is locked; turn what remains into CatalogError."""

    @functools.wraps(call)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> R:
        from django.core.exceptions import ImproperlyConfigured
        from django.db import DatabaseError, InterfaceError, OperationalError

        from etl_web_admin.catalog.encryption import WrongKey

        _drop_dead_connection()
        _refuse_lost_file()
        for attempt in range(1, LOCKED_TRIES + 1):
            try:
                return call(*args, **kwargs)
            except OperationalError as error:
                if "locked" in str(error) and attempt < LOCKED_TRIES:
                    log.warning("the configuration database is locked, try %d", attempt)
                    continue
                raise _unreachable(error) from error
            except (DatabaseError, InterfaceError) as error:
                raise _unreachable(error) from error
            except (WrongKey, ImproperlyConfigured) as error:
                raise ConfigError(str(error), code="invalid-setting") from error
        raise AssertionError("the last try returns or raises")

    return wrapper


def _drop_dead_connection() -> None:
    """A database server may have ended the connection while Oracle's rows went by."""
    from django.db import connection

    idle = connection.connection is not None and not connection.in_atomic_block
    if idle and not connection.is_usable():
        connection.close()


def _refuse_lost_file() -> None:
    """A database file that was removed or replaced meanwhile still takes writes, on Linux.

    Nobody would ever see them, and a new connection would leave an empty file behind. Raises
    CatalogError `catalog-missing` when the file is gone.
    """
    from django.db import connection

    if connection.vendor != "sqlite":
        return
    path = Path(str(connection.settings_dict["NAME"]))
    try:
        found = path.stat()
    except OSError as error:
        connection.close()
        raise CatalogError(
            f"There is no configuration database at {path}: {error.strerror}.",
            code="catalog-missing",
        ) from error
    file = (found.st_dev, found.st_ino)
    if connection.connection is None:
        _opened.file = file
    elif file != getattr(_opened, "file", file):
        log.warning("the configuration database was replaced: opened anew")
        connection.close()
        _opened.file = file


def _unreachable(error: Exception) -> CatalogError:
    code = "catalog-locked" if "locked" in str(error) else "catalog-unreachable"
    return CatalogError(f"The configuration database cannot be read or written: {error}", code=code)


def open_database() -> None:
    """Set Django up, and bring the schema up to date after a backup.

    Raises CatalogError `catalog-missing` when the file is not there, `catalog-newer` when a
    newer version of this product migrated it.
    """
    import django
    from django.core.exceptions import ImproperlyConfigured

    try:
        django.setup()
    except ImproperlyConfigured as error:
        raise ConfigError(str(error), code="invalid-setting") from error
    _migrated()


@translated
def _migrated() -> None:
    from django.core.management import CommandError

    from etl_web_admin.catalog.migrating import bring_up_to_date

    try:
        backup = bring_up_to_date()
    except CommandError as error:
        raise CatalogError(str(error), code="catalog-newer") from error
    if backup:
        log.warning("the configuration database was migrated; the copy from before: %s", backup)
