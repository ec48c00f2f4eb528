"""What a run works with, opened once for a process: settings, catalog, BigQuery, progress."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from etl_oracle_to_bq import extract, load, logs
from etl_oracle_to_bq.catalog import Catalog
from etl_oracle_to_bq.model import Counts
from etl_oracle_to_bq.settings import Settings, require_project


@dataclass(frozen=True, slots=True)
class Tools:
    """`progress` is called with a view, its counts and its step while rows move."""

    settings: Settings
    catalog: Catalog
    warehouse: load.Warehouse
    progress: Callable[[str, Counts, str], None]


@contextmanager
def open_catalog(settings: Settings) -> Iterator[Catalog]:
    """The configuration database, and the log file of this process, which it keeps clean.

    Raises CatalogError or ConfigError.
    """
    catalog = Catalog(settings.lease_seconds, settings.started_by, settings.project)
    file = logs.start(settings.log_folder, settings.log_days, catalog.scrub)
    logs.delete_batch_logs(settings.batch_log_folders, settings.log_days)
    catalog.log_file = file.name if file else ""
    try:
        yield catalog
    finally:
        catalog.release_thread()


@contextmanager
def open_tools(
    settings: Settings, catalog: Catalog, progress: Callable[[str, Counts, str], None]
) -> Iterator[Tools]:
    """The tools of this process; raises ConfigError `missing-setting` without a project."""
    access = load.WarehouseSettings(
        project=require_project(settings),
        location=settings.location,
        emulator_host=settings.emulator_host,
        credentials_file=settings.credentials_file,
        request_seconds=settings.bigquery_seconds,
        maximum_bytes_billed=settings.maximum_bytes_billed,
    )
    with load.Warehouse(access) as warehouse:
        yield Tools(settings, catalog, warehouse, progress)


def limits(settings: Settings) -> extract.Limits:
    """The deadlines of a connection to Oracle."""
    return extract.Limits(
        connect_seconds=settings.connect_seconds, call_seconds=settings.call_seconds
    )
