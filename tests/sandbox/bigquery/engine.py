"""One DuckDB connection and transaction per job, instead of one shared by everybody.

The emulator sends every statement of every request to a single connection, so that readers
see half a load and one client's ROLLBACK undoes another's insert. Here the code of a job runs
inside `Work`: a connection of its own whose transaction holds the rows, the catalog and the
job's record, and is committed once. Everything else keeps the shared connection (on the event
loop's thread) or gets a fresh one (on other threads).

Source: a job is atomic (docs.cloud.google.com/bigquery/docs/reference/rest/v2/Job, load, copy
and query write dispositions); transactions are isolated (docs.cloud.google.com/bigquery/docs/
transactions).
"""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

import duckdb
import pyarrow as pa
from bqemulator.storage import engine as stock
from bqemulator.storage.engine import DuckDBEngine

from tests.sandbox.bigquery import bignumeric
from tests.sandbox.bigquery.corrections import Patch
from tests.sandbox.bigquery.statements import DmlCounts, StatementResult, run_statement

_LOOP_THREAD = threading.main_thread()


@dataclass
class Work:
    """What one job does: its connection, and what its statements changed."""

    connection: duckdb.DuckDBPyConnection
    catalog: Any
    open: bool = False
    statements: list[StatementResult] = field(default_factory=list)
    _tables: dict[Any, Any] | None = None

    def begin(self) -> None:
        """Open the transaction."""
        self._tables = dict(_table_cache(self.catalog))
        self.connection.execute("BEGIN TRANSACTION")
        self.open = True

    def commit(self) -> None:
        """Make everything since `begin` visible at once."""
        self.connection.execute("COMMIT")
        self.open = False

    def rollback(self) -> None:
        """Undo everything since `begin`, also in the catalog's cache."""
        self.open = False
        # DuckDB has already rolled back when its own commit failed.
        if _in_transaction(self.connection):
            self.connection.execute("ROLLBACK")
        cache = _table_cache(self.catalog)
        cache.clear()
        cache.update(self._tables or {})

    @property
    def counts(self) -> DmlCounts | None:
        """What the DML statements changed together, or None without DML."""
        changed = [s.counts for s in self.statements if s.counts is not None]
        return sum(changed[1:], changed[0]) if changed else None


_current: ContextVar[Work | None] = ContextVar("work", default=None)


def current_work() -> Work:
    """The work of the running job; RuntimeError outside one."""
    work = _current.get()
    if work is None:
        raise RuntimeError("no job is running here")
    return work


@contextmanager
def working(engine: DuckDBEngine, catalog: Any) -> Iterator[Work]:
    """Give the code inside a connection of its own; whoever begins must commit or roll back."""
    connection = new_connection(engine)
    work = Work(connection, catalog)
    token = _current.set(work)
    try:
        yield work
    finally:
        _current.reset(token)
        connection.close()


def new_connection(engine: DuckDBEngine) -> duckdb.DuckDBPyConnection:
    """Another connection to the same database, in UTC as BigQuery is."""
    main = engine._connection
    if main is None:
        raise RuntimeError("the emulator's engine is not running")
    connection = main.cursor()
    connection.execute("SET TimeZone = 'UTC'")
    # DuckDB's 16 MB make nearly every load write a checkpoint, and the next job wait for it.
    connection.execute("SET GLOBAL checkpoint_threshold = '1GB'")
    return connection


def _table_cache(catalog: Any) -> dict[Any, Any]:
    cache: dict[Any, Any] = getattr(catalog, "_cache", catalog)._tables
    return cache


def _in_transaction(connection: duckdb.DuckDBPyConnection) -> bool:
    try:
        connection.execute("BEGIN TRANSACTION")
    except duckdb.TransactionException:
        return True
    connection.execute("COMMIT")
    return False


def _connection(self: DuckDBEngine) -> duckdb.DuckDBPyConnection:
    work = _current.get()
    if work is not None:
        return work.connection
    if threading.current_thread() is _LOOP_THREAD:
        if self._connection is None:
            raise RuntimeError("the emulator's engine is not running")
        return self._connection
    return new_connection(self)


def _execute(self: DuckDBEngine, sql: str, parameters: list[Any] | None = None) -> Any:
    connection = _connection(self)
    return connection.execute(sql, parameters) if parameters else connection.execute(sql)


def _fetch_arrow(self: DuckDBEngine, sql: str, parameters: list[Any] | None = None) -> pa.Table:
    work = _current.get()
    if work is None:
        result = _execute(self, sql, parameters)
        return stock._annotate_with_duckdb_types(result.to_arrow_table(), result.description)
    outcome = run_statement(work.connection, sql, parameters or [])
    work.statements.append(outcome)
    return stock._annotate_with_duckdb_types(outcome.table, outcome.description)


@asynccontextmanager
async def _write_lock(self: DuckDBEngine) -> AsyncIterator[None]:
    # Jobs and table changes are serialised by jobs.Runner; DuckDB isolates the rest.
    yield


def _no_extension(self: DuckDBEngine) -> None:
    """GEOGRAPHY, the only use of the extension, is not offered: nothing here loads it."""


_stock_register = DuckDBEngine._register_builtin_udfs


def _register_functions(self: DuckDBEngine) -> None:
    _stock_register(self)
    bignumeric.register(self._connection)


def _no_snapshot(*_args: Any, **_options: Any) -> None:
    """No copy of the whole table at each change; FOR SYSTEM_TIME AS OF is not offered."""


def patches() -> list[Patch]:
    """The corrections of this file."""
    target = "bqemulator.storage.engine:DuckDBEngine"
    isolation = "isolation: docs.cloud.google.com/bigquery/docs/transactions"
    ours = "the sandbox's own need: speed and memory"
    functions: list[tuple[str, Callable[..., Any] | property, str]] = [
        ("connection", property(_connection), isolation),
        ("execute", _execute, isolation),
        ("fetch_arrow", _fetch_arrow, isolation),
        ("write_lock", _write_lock, isolation),
        ("_load_spatial", _no_extension, ours),
        ("_register_builtin_udfs", _register_functions, ours),
    ]
    patches = [Patch(f"{target}.{name}", new, source) for name, new, source in functions]
    patches.append(
        Patch("bqemulator.versioning.snapshots:SnapshotManager.capture", _no_snapshot, ours)
    )
    return patches
