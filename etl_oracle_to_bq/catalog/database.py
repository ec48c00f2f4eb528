"""Opens the database, keeps its schema up to date, and translates its errors."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable
from pathlib import Path
from typing import ParamSpec, TypeVar

from etl_oracle_to_bq.errors import CatalogError, ConfigError

log = logging.getLogger(__name__)

P = ParamSpec("P")
R = TypeVar("R")

# With the driver's own 20 s of waiting each, these outlast any writer but a stuck one.
LOCKED_TRIES = 6


def translated(call: Callable[P, R]) -> Callable[P, R]:
    """Try again while the database is locked; turn what remains into CatalogError."""

    @functools.wraps(call)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> R:
        from django.core.exceptions import ImproperlyConfigured
        from django.db import DatabaseError, InterfaceError, OperationalError

        from etl_web_admin.catalog.encryption import WrongKey

        _drop_dead_connection()
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
    from django.db import connection

    from etl_web_admin.catalog.migrating import bring_up_to_date

    path = Path(str(connection.settings_dict["NAME"]))
    if connection.vendor == "sqlite" and not path.is_file():
        raise CatalogError(f"There is no configuration database at {path}.", code="catalog-missing")
    try:
        backup = bring_up_to_date()
    except CommandError as error:
        raise CatalogError(str(error), code="catalog-newer") from error
    if backup:
        log.warning("the configuration database was migrated; the copy from before: %s", backup)
