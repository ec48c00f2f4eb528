"""What the product asks of one open Oracle connection."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import oracledb
import pyarrow as pa

from etl_oracle_to_bq.errors import ConfigError, SourceError
from etl_oracle_to_bq.extract import dictionary, fetching
from etl_oracle_to_bq.extract.binds import bound
from etl_oracle_to_bq.extract.failures import oracle_errors
from etl_oracle_to_bq.model import Moment, OracleView, Query

if TYPE_CHECKING:
    from etl_oracle_to_bq.extract.connecting import RememberingConnection

# How the current SCN is asked for; the first that the account may use wins. EXECUTE on
# DBMS_FLASHBACK needs no DBA role, V$DATABASE needs a grant.
SCN_SOURCES = ("DBMS_FLASHBACK.GET_SYSTEM_CHANGE_NUMBER", "(SELECT current_scn FROM v$database)")
MAY_NOT_ASK = {"ORA-00904", "ORA-00942", "ORA-01031", "ORA-06550", "ORA-06553", "ORA-06575"}
# Answers to AS OF SCN that another try with the same account and view will repeat:
# no privilege, no valid SCN, something under the view that has no past, undo gone at once.
NO_FLASHBACK = {
    "ORA-00942",
    "ORA-01031",
    "ORA-01466",
    "ORA-01555",
    "ORA-08180",
    "ORA-08181",
    "ORA-08182",
    "ORA-08188",
}
PINGS = 3
# V$SESSION.ACTION holds 32 bytes before 12.2, 64 since.
ACTION_LENGTH = 32


@dataclass(frozen=True, slots=True)
class Identity:
    """Who and where the session is. `round_trip_ms` is the quickest of three pings."""

    version: str
    user: str
    time_zone: str
    round_trip_ms: float
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class KeyCheck:
    """Whether columns can be the key of a view: rows, distinct keys, rows with a NULL in it."""

    rows: int
    distinct: int
    nulls: int

    @property
    def unique(self) -> bool:
        """True when every row has a key of its own, without NULLs."""
        return self.rows == self.distinct and not self.nulls


class OracleSession:
    """One set-up connection; made by `connect`. One thread at a time, except `cancel`."""

    def __init__(self, connection: RememberingConnection, user: str) -> None:
        self._connection = connection
        self._user = user

    def identity(self) -> Identity:
        """Version, account, session time zone, speed, and that the password expires soon."""
        with oracle_errors("Asking Oracle who we are"):
            user, zone = self._row("SELECT USER, SESSIONTIMEZONE FROM DUAL")
            quickest = min(self._ping_ms() for _ in range(PINGS))
            version = self._connection.version
        return Identity(version, user, str(zone), quickest, self.warnings())

    def warnings(self) -> tuple[str, ...]:
        """What Oracle said at login: ORA-28002, the password expires soon."""
        warning = self._connection.warning
        return (str(warning).splitlines()[0],) if warning else ()

    def views(self, like: str = "") -> list[tuple[str, str]]:
        """Owner and name of what the account may read, Oracle's own schemas left out.

        `like` is text that OWNER.NAME must contain, in any case; at most 1,000 are returned.
        """
        with oracle_errors("Listing views"), self._connection.cursor() as cursor:
            return dictionary.readable(cursor, like)

    def describe(self, view: str) -> OracleView:
        """The view (or table, or synonym) `OWNER.NAME` with its columns, spelled as in Oracle.

        A name that is not found as written is looked up in capitals. Raises ConfigError
        `unknown-view`, which tells whether the schema exists and what is named alike.
        """
        with oracle_errors(f"Describing {view}"), self._connection.cursor() as cursor:
            found = dictionary.describe(cursor, view)
            self._connection.action = found.name[:ACTION_LENGTH]
            return found

    def moment(self) -> Moment:
        """Oracle's clocks and, where the account may read it, the SCN, in one statement.

        Login warnings (ORA-28002) are among its warnings.
        """
        with oracle_errors("Reading Oracle's clock"):
            for source in SCN_SOURCES:
                try:
                    return self._moment(source)
                except oracledb.DatabaseError as error:
                    if error.args[0].full_code not in MAY_NOT_ASK:
                        raise
            found = self._moment("NULL")
        told = (
            "The account may not read the SCN (no EXECUTE on DBMS_FLASHBACK): the rows are "
            "read in one read-only transaction instead."
        )
        return replace(found, warnings=(*found.warnings, told))

    def flashback_allowed(self, view: OracleView, moment: Moment) -> Moment:
        """The moment as it is when the view can be read as of its SCN, else without SCN.

        Then a warning says why. Raises SourceError for anything but a refusal.
        """
        if moment.scn is None:
            return moment
        sql = f'SELECT 1 FROM "{view.owner}"."{view.name}" AS OF SCN :scn WHERE 1 = 0'
        try:
            with oracle_errors(f"Reading {view.owner}.{view.name} as of SCN {moment.scn}"):
                self._rows(sql, {"scn": moment.scn})
        except SourceError as error:
            if error.code not in NO_FLASHBACK:
                raise
            told = f"{error} The rows are read in one read-only transaction instead."
            return replace(moment, scn=None, warnings=(*moment.warnings, told))
        return moment

    def begin_snapshot(self) -> None:
        """Let every later query see only what is committed now, until `end_snapshot` or close.

        It must be the first statement of its transaction, so an open one is rolled back.
        """
        with oracle_errors("Beginning a read-only transaction"):
            self._connection.rollback()
            with self._connection.cursor() as cursor:
                cursor.execute("SET TRANSACTION READ ONLY")

    def end_snapshot(self) -> None:
        """Give the snapshot up."""
        with oracle_errors("Ending the read-only transaction"):
            self._connection.rollback()

    def counts(self, query: Query) -> dict[str, int]:
        """The one row of whole numbers of a counting query, by lower-case column name.

        NULL, which SUM gives for no rows, counts as 0.
        """
        with oracle_errors("Counting rows"), self._connection.cursor() as cursor:
            cursor.execute(query.sql, bound(cursor, query))
            names = [column.name.lower() for column in cursor.description or ()]
            row = cursor.fetchone() or ()
        return {name: int(value or 0) for name, value in zip(names, row, strict=True)}

    def answer(self, query: Query) -> list[tuple[Any, ...]]:
        """All rows of a query that has few of them, as the driver's own Python values."""
        with oracle_errors("Asking Oracle"), self._connection.cursor() as cursor:
            cursor.execute(query.sql, bound(cursor, query))
            return list(cursor.fetchall())

    def batches(
        self, query: Query, fetch_schema: pa.Schema, batch_size: int
    ) -> Iterator[pa.RecordBatch]:
        """The rows of a query as batches with the types of `fetch_schema`, by position.

        At most `batch_size` rows each, fewer where rows are wide or hold LOBs, so that a
        batch stays near 8 MiB. No batch is empty. Raises SourceError, SourceUnavailable,
        StageError `value-does-not-fit` (column, and a SELECT that finds the rows) or
        `bad-dates`.
        """
        return fetching.batches(self._connection, query, fetch_schema, batch_size)

    def key_check(self, view: OracleView, columns: tuple[str, ...]) -> KeyCheck:
        """Count rows, distinct keys and rows with a NULL key column; reads the whole view.

        Raises ConfigError `unknown-column`.
        """
        names = [f'"{dictionary.column_name(view, column)}"' for column in columns]
        if not names:
            raise ConfigError("No key column was named.", code="unknown-column")
        keys, nulls = ", ".join(names), " OR ".join(f"{name} IS NULL" for name in names)
        sql = (
            f"SELECT NVL(SUM(n), 0), COUNT(*), NVL(SUM(CASE WHEN {nulls} THEN n END), 0) FROM "
            f'(SELECT {keys}, COUNT(*) AS n FROM "{view.owner}"."{view.name}" GROUP BY {keys})'
        )
        with oracle_errors(f"Checking the key of {view.owner}.{view.name}"):
            rows, distinct, null_rows = self._row(sql)
        return KeyCheck(int(rows), int(distinct), int(null_rows))

    def cancel(self) -> None:
        """Make the call that runs in another thread fail with ORA-01013; else harmless.

        The driver of a lost connection has nothing to send a break over, and crashes on it.
        """
        if self._connection.is_healthy():
            with suppress(oracledb.Error, OSError, AttributeError):
                self._connection.cancel()

    def _moment(self, scn: str) -> Moment:
        server, utc, number = self._row(
            f"SELECT SYSDATE, CAST(SYS_EXTRACT_UTC(SYSTIMESTAMP) AS TIMESTAMP), {scn} FROM DUAL"
        )
        return Moment(server, utc, None if number is None else int(number), self.warnings())

    def _row(self, sql: str) -> tuple[Any, ...]:
        (row,) = self._rows(sql, {})
        return row

    def _rows(self, sql: str, binds: dict[str, Any]) -> list[tuple[Any, ...]]:
        with self._connection.cursor() as cursor:
            cursor.execute(sql, binds)
            return list(cursor.fetchall())

    def _ping_ms(self) -> float:
        start = time.perf_counter()
        self._connection.ping()
        return (time.perf_counter() - start) * 1000
