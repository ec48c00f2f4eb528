"""Re-execute (4) and re-execute and fetch (78): a cached statement, without descriptors.

Body: ub cursor, ub count (executions, or rows to prefetch), ub options, ub options, then the
bind rows with the types of the last full execute.

Source: python-oracledb 26.1, `messages/execute.pyx`, `_write_reexecute_message`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from tests.sandbox.oracle.cursors import Cursor
from tests.sandbox.oracle.messages import binds
from tests.sandbox.oracle.messages.describe import describe_info
from tests.sandbox.oracle.messages.execute import answer_statement, run
from tests.sandbox.oracle.messages.fetch import send_rows

if TYPE_CHECKING:
    from tests.sandbox.oracle.connection import Connection

OPTION_2_COMMIT = 0x1


@dataclass
class ReexecuteRequest:
    """Run an open cursor again; `rows_wanted` 0 means that no rows are to follow."""

    cursor: Cursor
    commit: bool
    rows_wanted: int
    rows: Sequence[Sequence[object]]

    fetches: ClassVar[bool] = False

    @classmethod
    def read(cls, connection: Connection) -> ReexecuteRequest:
        reader = connection.reader
        cursor_id, count = reader.ub(), reader.ub()
        reader.ub()
        commit = bool(reader.ub() & OPTION_2_COMMIT)
        cursor = connection.cursors.find(cursor_id)
        executions = 1 if cls.fetches else max(1, count)
        rows: list[list[object]] = [[]] * executions
        if len(cursor.returning) < len(cursor.binds):
            rows = [
                binds.read_row(connection, cursor.binds, cursor.returning, cursor.is_plsql)
                for _ in range(executions)
            ]
        elif cursor.binds:
            rows = [[None] * len(cursor.binds)] * executions
        return cls(cursor, commit, count if cls.fetches else 0, rows)

    def answer(self, connection: Connection) -> None:
        connection.cursor_in_use = self.cursor.id
        columns = self.cursor.columns
        outcome = run(connection, self.cursor, self.rows)
        if self.commit:
            connection.session.commit()
        if not outcome.results or outcome.results[0].columns is None:
            answer_statement(connection, self.cursor, outcome, None)
            return
        if self.cursor.columns != columns:
            self.cursor.defines = ()
            connection.write(describe_info(self.cursor.described, connection.field_version))
        send_rows(connection, self.cursor, 0 if self.cursor.needs_define else self.rows_wanted)


class ReexecuteAndFetchRequest(ReexecuteRequest):
    """The same for a query, with its first rows."""

    fetches = True
