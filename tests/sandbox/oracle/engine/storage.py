"""Row versions in DuckDB: each row says from which SCN to which it was true.

A row that a transaction inserted and has not committed carries the transaction's id in
`scn_from`; one that it deleted carries it in `scn_to`. Ids are above every SCN, so nobody
else sees the one or misses the other. Commit replaces ids by the new SCN.
"""

from __future__ import annotations

import datetime as dt
import shutil
import tempfile
import threading
import weakref
from bisect import bisect_right
from collections.abc import Callable, Sequence
from pathlib import Path

import duckdb
import pyarrow as pa

from tests.sandbox.oracle.engine import macros
from tests.sandbox.oracle.engine.catalogue import Table
from tests.sandbox.oracle.engine.loading import physical_expressions
from tests.sandbox.oracle.errors import OracleError

FOREVER = 2**63 - 1
FIRST_TRANSACTION = 2**62
FIRST_SCN = 8_200_000_000_000
_MEMORY_LIMIT = "1500MB"


class Storage:
    """The DuckDB database below, its SCN, and who writes to it. Thread-safe."""

    def __init__(self, clock: Callable[[], dt.datetime]) -> None:
        self.clock = clock
        self.lock = threading.RLock()
        self.scn = FIRST_SCN
        spill = tempfile.mkdtemp(prefix="oracle-stand-in-")
        self._clean_up = weakref.finalize(self, shutil.rmtree, spill, ignore_errors=True)
        self.connection = duckdb.connect(
            config={
                "memory_limit": _MEMORY_LIMIT,
                "temp_directory": spill,
                "autoinstall_known_extensions": "false",
                "autoload_known_extensions": "false",
            }
        )
        self.connection.execute("SET TimeZone = 'UTC'")
        macros.install(self.connection)
        self._times: list[dt.datetime] = [clock()]
        self._scns: list[int] = [self.scn]
        self._next_transaction = FIRST_TRANSACTION
        self._install_clock_functions()

    def _install_clock_functions(self) -> None:
        for name, function, argument, result in (
            ("py_scn_at", self._scn_of, "TIMESTAMP", "BIGINT"),
            ("py_scn_time", self._time_of, "BIGINT", "TIMESTAMP"),
        ):
            self.connection.create_function(
                name, function, [argument], result, null_handling="special", side_effects=True
            )

    def cursor(self) -> duckdb.DuckDBPyConnection:
        """A connection of its own to the same data."""
        cursor = self.connection.cursor()
        cursor.execute("SET TimeZone = 'UTC'")
        return cursor

    def close(self) -> None:
        """Let go of memory and of the spill folder."""
        self.connection.close()
        self._clean_up()

    # -- SCN and time -----------------------------------------------------------------------

    def advance(self) -> int:
        """The next SCN, taken now."""
        with self.lock:
            self.scn += 1
            self._scns.append(self.scn)
            self._times.append(self.clock())
            return self.scn

    def scn_at(self, moment: dt.datetime) -> int:
        """The SCN that was current at an aware moment. Raises ORA-08180, 08186."""
        with self.lock:
            if moment > self.clock() + dt.timedelta(seconds=3):
                raise OracleError(8186, "invalid timestamp specified")
            index = bisect_right(self._times, moment) - 1
            if index < 0:
                raise OracleError(8180, "no snapshot found based on specified time")
            return self._scns[index]

    def _scn_of(self, moment: dt.datetime | None) -> int | None:
        return None if moment is None else self.scn_at(moment.replace(tzinfo=dt.UTC))

    def _time_of(self, scn: int | None) -> dt.datetime | None:
        if scn is None:
            return None
        with self.lock:
            index = bisect_right(self._scns, scn) - 1
            if index < 0 or scn > self.scn:
                raise OracleError(8181, "specified number is not a valid system change number")
            return self._times[index].astimezone(dt.UTC).replace(tzinfo=None)

    # -- tables -----------------------------------------------------------------------------

    def create(self, table: Table) -> None:
        """An empty table."""
        columns = [f"c{i} {output.ty.duck}" for i, output in enumerate(table.outputs)]
        columns += ["rid BIGINT", "scn_from BIGINT", "scn_to BIGINT"]
        with self.lock:
            self.connection.execute(f"CREATE TABLE {table.storage} ({', '.join(columns)})")

    def load(self, table: Table, rows: pa.Table, scn_from: int) -> int:
        """Append Arrow rows, columns in the table's order; how many there were."""
        arrow = rows.rename_columns([f"a{i}" for i in range(rows.num_columns)])
        with self.lock:
            return self._append(table, arrow.schema, "loaded_rows", scn_from, arrow)

    def load_parquet(self, table: Table, path: Path, scn_from: int) -> int:
        """Append the rows of a Parquet file without holding them in memory."""
        import pyarrow.parquet as pq

        schema = pq.read_schema(path)
        names = ", ".join(f"a{i}" for i in range(len(schema)))
        literal = str(path).replace("'", "''")
        source = f"(SELECT * FROM read_parquet('{literal}')) AS loaded_rows({names})"
        renamed = pa.schema([pa.field(f"a{i}", f.type) for i, f in enumerate(schema)])
        with self.lock:
            return self._append(table, renamed, source, scn_from, None)

    def _append(
        self, table: Table, schema: pa.Schema, source: str, scn_from: int, rows: pa.Table | None
    ) -> int:
        cursor = self.cursor()
        try:
            if rows is not None:
                cursor.register("loaded_rows", rows)
            items = ", ".join(physical_expressions(table.columns, schema))
            cursor.execute(
                f"INSERT INTO {table.storage} SELECT {items}, {table.rows} + "
                f"row_number() OVER (), {scn_from}, {FOREVER} FROM {source}"
            )
            row = cursor.fetchone()
        finally:
            cursor.close()
        count = int(row[0]) if row else 0
        table.rows += count
        return count

    # -- transactions -----------------------------------------------------------------------

    def begin(self) -> int:
        """A new transaction's id."""
        with self.lock:
            self._next_transaction += 1
            return self._next_transaction

    def commit(self, transaction: int, tables: Sequence[Table]) -> int:
        """Make a transaction's rows true from the next SCN on; that SCN."""
        with self.lock:
            scn = self.scn + 1
            self.connection.execute("BEGIN")
            for table in tables:
                for column in ("scn_from", "scn_to"):
                    self.connection.execute(
                        f"UPDATE {table.storage} SET {column} = {scn} WHERE {column} = {transaction}"
                    )
            self.connection.execute("COMMIT")
            return self.advance()

    def rollback(self, transaction: int, tables: Sequence[Table]) -> None:
        """Undo a transaction."""
        with self.lock:
            self.connection.execute("BEGIN")
            for table in tables:
                self.connection.execute(
                    f"DELETE FROM {table.storage} WHERE scn_from = {transaction}"
                )
                self.connection.execute(
                    f"UPDATE {table.storage} SET scn_to = {FOREVER} WHERE scn_to = {transaction}"
                )
            self.connection.execute("COMMIT")
