"""The cursors of one session: what a client may fetch from or execute again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tests.sandbox.oracle import types
from tests.sandbox.oracle.errors import OracleError
from tests.sandbox.oracle.messages.binds import BindType
from tests.sandbox.oracle.rows import RowSource
from tests.sandbox.oracle.session import Column, Result
from tests.sandbox.oracle.types import WireColumn


@dataclass(slots=True)
class Cursor:
    """One statement of a client.

    `binds` are those of the last full execute. `defines` are the types that the client wants
    LOB columns in, empty until it says so. `result` becomes `source` when the first rows are
    asked for, because only then is their form known. `rows_sent` counts since the execution.
    """

    id: int
    sql: str
    is_plsql: bool = False
    binds: Sequence[BindType] = ()
    returning: frozenset[int] = frozenset()
    columns: tuple[Column, ...] = ()
    defines: Sequence[BindType] = ()
    result: Result | None = None
    source: RowSource | None = None
    rows_sent: int = 0
    started: float = 0.0
    stalled: bool = False

    @property
    def described(self) -> list[WireColumn]:
        """The columns as a describe message shows them."""
        return [types.describe(column) for column in self.columns]

    @property
    def needs_define(self) -> bool:
        """A client takes no rows of a LOB query before it has said in which form."""
        lobs = any(wire.type in types.LOB_TYPES for wire in self.described)
        return lobs and not self.defines

    @property
    def wires(self) -> list[WireColumn]:
        """The columns as their values go out: LOBs in the form that was defined."""
        described = self.described
        if len(self.defines) != len(described):
            return described
        return [
            _defined(wire, define) for wire, define in zip(described, self.defines, strict=True)
        ]

    def start(self, result: Result) -> None:
        """Take the result of a new execution in place of the former."""
        self.close()
        self.columns = result.columns or ()
        self.result = result

    def close(self) -> None:
        """Let the engine's cursor go."""
        close = getattr(self.result and self.result.batches, "close", None)
        if close is not None:
            close()
        self.source = None
        self.result = None


def _defined(wire: WireColumn, define: BindType) -> WireColumn:
    if wire.type not in types.LOB_TYPES:
        return wire
    return WireColumn(
        wire.name,
        define.type,
        define.form,
        wire.precision,
        wire.scale,
        wire.buffer_size,
        wire.max_size,
        wire.nullable,
    )


class CursorTable:
    """Cursors by number; 0 is none."""

    def __init__(self) -> None:
        self._cursors: dict[int, Cursor] = {}
        self._last = 0

    def __len__(self) -> int:
        return len(self._cursors)

    def open(self, sql: str) -> Cursor:
        # The client reads a cursor number into 16 bits.
        self._last = self._last % 0xFFFF + 1
        while self._last in self._cursors:
            self._last = self._last % 0xFFFF + 1
        cursor = Cursor(self._last, sql)
        self._cursors[cursor.id] = cursor
        return cursor

    def find(self, cursor_id: int) -> Cursor:
        """Raises OracleError (ORA-01001) for a number that is not, or no longer, open."""
        try:
            return self._cursors[cursor_id]
        except KeyError:
            raise OracleError(1001, "invalid cursor") from None

    def close(self, cursor_id: int) -> None:
        cursor = self._cursors.pop(cursor_id, None)
        if cursor is not None:
            cursor.close()

    def close_all(self) -> None:
        for cursor_id in list(self._cursors):
            self.close(cursor_id)
