"""Execute (94): parse, bind, define, describe, run and fetch, as its options say.

Source: python-oracledb 26.1, `messages/execute.pyx`, `_write_execute_message`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tests.sandbox.oracle import messages
from tests.sandbox.oracle.cursors import Cursor
from tests.sandbox.oracle.errors import OracleError
from tests.sandbox.oracle.messages import binds
from tests.sandbox.oracle.messages.binds import BindType
from tests.sandbox.oracle.messages.describe import describe_info
from tests.sandbox.oracle.messages.end_of_call import BATCH_ERRORS, EndOfCall
from tests.sandbox.oracle.messages.fetch import send_rows
from tests.sandbox.oracle.primitives import Writer
from tests.sandbox.oracle.session import Result

if TYPE_CHECKING:
    from tests.sandbox.oracle.connection import Connection

OPTION_PARSE = 0x1
OPTION_BIND = 0x8
OPTION_DEFINE = 0x10
OPTION_EXECUTE = 0x20
OPTION_FETCH = 0x40
OPTION_COMMIT = 0x100
OPTION_NOT_PLSQL = 0x8000
OPTION_DESCRIBE = 0x20000
OPTION_BATCH_ERRORS = 0x80000
FLAG_ROW_COUNTS = 0x4000
VECTOR_EXECUTIONS = 1
VECTOR_IS_QUERY = 7
VECTOR_FLAGS = 9


@dataclass(slots=True)
class Outcome:
    """What the executions of one call came to."""

    results: list[Result] = field(default_factory=list)
    errors: list[tuple[int, OracleError]] = field(default_factory=list)
    row_counts: list[int] = field(default_factory=list)

    @property
    def rows_affected(self) -> int:
        return sum(self.row_counts)


@dataclass(slots=True)
class ExecuteRequest:
    """A full execute. `rows` are the bind values of each execution."""

    cursor: Cursor
    is_new: bool
    options: int
    rows_wanted: int
    is_query: bool
    flags: int
    defines: Sequence[BindType]
    rows: Sequence[Sequence[object]]

    @classmethod
    def read(cls, connection: Connection) -> ExecuteRequest:
        reader, version = connection.reader, connection.field_version
        options, cursor_id = reader.ub(), reader.ub()
        reader.u8()
        reader.ub()  # SQL length
        reader.u8()
        vector_size = reader.ub()
        reader.skip_u8(2)
        reader.ub()
        rows_wanted = reader.ub()
        reader.ub()
        reader.u8()
        bind_count = reader.ub()
        reader.skip_u8(5)
        reader.u8()
        define_count = reader.ub()
        _skip_registration(connection)
        sql = (reader.clr() or b"").decode("utf-8") if options & OPTION_PARSE else ""
        vector = [reader.ub() for _ in range(vector_size)]
        defines = binds.read_descriptors(reader, define_count, version)
        bind_types = binds.read_descriptors(reader, bind_count, version)
        binds.refuse_unsupported(bind_types)
        is_plsql = not options & OPTION_NOT_PLSQL
        returning = binds.returning_binds(sql) if sql and not is_plsql else frozenset[int]()
        known = None if sql else connection.cursors.find(cursor_id)
        if known is not None:
            returning = known.returning
        is_query = bool(vector[VECTOR_IS_QUERY])
        executions = 1 if is_query else max(1, vector[VECTOR_EXECUTIONS])
        rows: list[list[object]] = [[]] * executions
        if bind_count and len(returning) < bind_count:
            rows = [
                binds.read_row(connection, bind_types, returning, is_plsql)
                for _ in range(executions)
            ]
        elif bind_count:
            rows = [[None] * bind_count] * executions
        cursor = known or connection.cursors.open(sql)
        if bind_count:
            cursor.binds = bind_types
        if not known:
            cursor.is_plsql, cursor.returning = is_plsql, returning
        return cls(
            cursor,
            known is None,
            options,
            rows_wanted,
            is_query,
            vector[VECTOR_FLAGS],
            defines,
            rows,
        )

    def answer(self, connection: Connection) -> None:
        try:
            self._answer(connection)
        except Exception:
            if self.is_new:
                connection.cursors.close(self.cursor.id)
            raise

    def _answer(self, connection: Connection) -> None:
        cursor = self.cursor
        if self.options & OPTION_EXECUTE:
            outcome = run(connection, cursor, self.rows, bool(self.options & OPTION_BATCH_ERRORS))
            if self.options & OPTION_COMMIT:
                connection.session.commit()
            if outcome.results and outcome.results[0].columns is not None:
                self._answer_query(connection)
            else:
                counts = outcome.row_counts if self.flags & FLAG_ROW_COUNTS else None
                answer_statement(connection, cursor, outcome, counts)
        elif self.options & OPTION_DEFINE:
            self._define(connection)
        else:
            self._describe(connection)

    def _answer_query(self, connection: Connection) -> None:
        connection.write(describe_info(self.cursor.described, connection.field_version))
        wants_rows = self.options & OPTION_FETCH and not self.cursor.needs_define
        send_rows(connection, self.cursor, self.rows_wanted if wants_rows else 0)

    def _define(self, connection: Connection) -> None:
        self.cursor.defines = self.defines
        send_rows(connection, self.cursor, self.rows_wanted if self.options & OPTION_FETCH else 0)

    def _describe(self, connection: Connection) -> None:
        columns = connection.session.describe(self.cursor.sql)
        self.cursor.columns = columns or ()
        if columns is not None:
            connection.write(describe_info(self.cursor.described, connection.field_version))
        connection.end_call(EndOfCall(self.cursor.id))


def _skip_registration(connection: Connection) -> None:
    """Registration id, object list, array-DML row counts, SQL signature, chunk ids."""
    reader, version = connection.reader, connection.field_version
    reader.ub()
    reader.skip_u8(3)
    reader.ub()
    reader.u8()
    reader.skip_ub(2)
    reader.u8()
    reader.ub()
    reader.u8()
    if version >= messages.VERSION_12_2:
        reader.u8()
        reader.ub()
        reader.u8()
        reader.ub()
        reader.u8()
    if version >= messages.VERSION_12_2_EXT1:
        reader.u8()
        reader.ub()


def run(
    connection: Connection,
    cursor: Cursor,
    rows: Sequence[Sequence[object]],
    keep_going: bool = False,
) -> Outcome:
    """Execute once for each of `rows`. With `keep_going`, errors are collected.

    An error that ends the call is raised; rows that were executed before it stay executed.
    """
    outcome = Outcome()
    connection.begin_statement(cursor)
    for iteration, row in enumerate(rows):
        connection.stream.check()
        try:
            result = connection.session.execute(cursor.sql, binds.to_session(cursor.binds, row))
        except OracleError as error:
            if not keep_going or error.code == 1013:
                raise
            outcome.errors.append((iteration, error))
            continue
        outcome.results.append(result)
        outcome.row_counts.append(result.rows_affected)
    connection.stream.check()
    if outcome.results and outcome.results[0].columns is not None:
        cursor.start(outcome.results[0])
    return outcome


def answer_statement(
    connection: Connection, cursor: Cursor, outcome: Outcome, row_counts: Sequence[int] | None
) -> None:
    """The reply to anything but a query: OUT values, row counts, end of call."""
    if cursor.is_plsql and cursor.binds:
        _write_plsql_out(connection, cursor, outcome)
    elif cursor.returning:
        _write_returned(connection, cursor, outcome)
    if row_counts is not None:
        connection.write(_row_counts(row_counts))
    error = BATCH_ERRORS if outcome.errors else None
    connection.end_call(
        EndOfCall(cursor.id, outcome.rows_affected, error, batch_errors=outcome.errors)
    )


def _write_plsql_out(connection: Connection, cursor: Cursor, outcome: Outcome) -> None:
    positions = {index: None for result in outcome.results for index in result.out}
    connection.write(binds.io_vector(len(cursor.binds), positions))
    if positions:
        for result in outcome.results:
            values = {index: result.out.get(index) for index in positions}
            connection.write(binds.out_values(cursor.binds, values, connection.lobs))


def _write_returned(connection: Connection, cursor: Cursor, outcome: Outcome) -> None:
    for result in outcome.results:
        values = {index: result.out.get(index, []) for index in cursor.returning}
        connection.write(binds.returned_values(cursor.binds, values, connection.lobs))


def _row_counts(counts: Sequence[int]) -> Writer:
    """Return parameters (type 8) that carry nothing but the rows affected by each execution."""
    return Writer().u8(messages.PARAMETER).ub(0, 0, 0, 0, len(counts), *counts)
