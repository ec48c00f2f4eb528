"""Fetch (5): ub cursor, ub rows. Answered by a row header (6), rows (7) and an end of call.

When rows run out the end of call says 1403, once. A client sizes its buffers to the number
it asked for, so it never gets more.

Source: python-oracledb 26.1, `messages/fetch.pyx`, `messages/base.pyx`.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.sandbox.oracle import messages
from tests.sandbox.oracle.cursors import Cursor
from tests.sandbox.oracle.errors import OracleError
from tests.sandbox.oracle.messages.end_of_call import NO_MORE_ROWS, EndOfCall
from tests.sandbox.oracle.packets import Disconnected
from tests.sandbox.oracle.primitives import Writer
from tests.sandbox.oracle.rows import RowSource

if TYPE_CHECKING:
    from tests.sandbox.oracle.connection import Connection

PACES_PER_SECOND = 20
STALL_LOOK_SECONDS = 0.05
ROW_FAULTS = {"drop_after_rows": "rows", "error_at_row": "row", "stall": "row"}


@dataclass(frozen=True, slots=True)
class FetchRequest:
    """The next rows of an open cursor."""

    cursor_id: int
    rows_wanted: int

    @classmethod
    def read(cls, connection: Connection) -> FetchRequest:
        return cls(connection.reader.ub(), connection.reader.ub())

    def answer(self, connection: Connection) -> None:
        cursor = connection.cursors.find(self.cursor_id)
        connection.cursor_in_use = cursor.id
        send_rows(connection, cursor, self.rows_wanted)


def send_rows(connection: Connection, cursor: Cursor, wanted: int) -> None:
    """Up to `wanted` rows, and the end of call."""
    if wanted == 0:
        connection.end_call(EndOfCall(cursor.id, cursor.rows_sent))
        return
    source = _source(connection, cursor)
    left = wanted
    while left:
        taken = source.take(_limit(connection, cursor, left))
        connection.stream.check()
        if taken is None:
            break
        if left == wanted:
            connection.write(_row_header(len(cursor.columns), wanted))
        rows, count = taken
        connection.stream.write(rows)
        left -= count
        cursor.rows_sent += count
        _keep_pace(connection, cursor)
    error = NO_MORE_ROWS if left else None
    connection.end_call(EndOfCall(cursor.id, cursor.rows_sent, error))


def _source(connection: Connection, cursor: Cursor) -> RowSource:
    """The rows of the last execution, LOBs in the form that is defined by now."""
    if cursor.source is None:
        if cursor.result is None:
            raise OracleError(1002, "fetch out of sequence")
        cursor.source = RowSource(
            cursor.result, cursor.wires, connection.lobs, connection.row_cache
        )
    return cursor.source


def _row_header(columns: int, rows: int) -> Writer:
    """Flags, columns, iteration, rows, buffer length, no bit vector, no rowid."""
    return Writer().u8(messages.ROW_HEADER, 2).ub(columns, 0, rows, 0, 0).counted(None)


# -- faults ----------------------------------------------------------------------------------


def _limit(connection: Connection, cursor: Cursor, wanted: int) -> int:
    """How many rows may leave before a fault is to strike; strikes what is due now."""
    faults = connection.faults
    limit = wanted
    for name, argument in ROW_FAULTS.items():
        if name == "stall" and cursor.stalled:
            continue
        found = faults.look(name, cursor.sql)
        if found is None:
            continue
        distance = int(found[argument] or 0) - cursor.rows_sent
        if distance <= 0:
            _strike(connection, cursor, name)
        else:
            limit = min(limit, distance)
    pace = faults.look("rows_per_second", cursor.sql)
    if pace is not None:
        limit = min(limit, max(1, int(float(pace["rate"] or 0) / PACES_PER_SECOND)))
    return limit


def _strike(connection: Connection, cursor: Cursor, name: str) -> None:
    struck = connection.faults.strike(name, cursor.sql)
    if struck is None:
        return
    if name == "drop_after_rows":
        connection.stream.flush()
        raise Disconnected
    if name == "error_at_row":
        raise OracleError(int(struck["code"] or 0), str(struck["text"]))
    cursor.stalled = True
    _stall(connection, None if struck["seconds"] is None else float(struck["seconds"]))


def _stall(connection: Connection, seconds: float | None) -> None:
    """Stand still for `seconds`, or until the faults are changed. A break ends it too."""
    connection.stream.flush()
    generation = connection.faults.generation
    end = None if seconds is None else time.monotonic() + seconds
    while connection.faults.generation == generation:
        left = (
            STALL_LOOK_SECONDS if end is None else min(STALL_LOOK_SECONDS, end - time.monotonic())
        )
        if left <= 0:
            return
        connection.stream.pause(left)


def _keep_pace(connection: Connection, cursor: Cursor) -> None:
    pace = connection.faults.look("rows_per_second", cursor.sql)
    if pace is None:
        return
    connection.stream.flush()
    due = cursor.started + cursor.rows_sent / max(float(pace["rate"] or 0), 1e-3)
    ahead = due - time.monotonic()
    if ahead > 0:
        connection.stream.pause(ahead)
