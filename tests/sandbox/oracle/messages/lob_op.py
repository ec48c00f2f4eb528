"""LOB operations (96): length, read, write, trim, open, close, create and free temporary.

Request: u8, ub locator length, u8, ub destination length, ub, ub, u8 has charset, u8, u8, ub
operation, u8, u8, ub source offset, ub destination offset, u8 has amount, 6 raw bytes, the
locator, ub charset if announced, for a write 0E and `clr` data, ub amount if announced.
Reply: for a read 0E and `clr` data; then 08, the locator and what was asked for; end of call.

Source: python-oracledb 26.1, `messages/lob_op.pyx`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.sandbox.oracle import messages, types
from tests.sandbox.oracle.errors import OracleError
from tests.sandbox.oracle.lobs import CHUNK_SIZE
from tests.sandbox.oracle.messages.end_of_call import EndOfCall
from tests.sandbox.oracle.primitives import Writer

if TYPE_CHECKING:
    from tests.sandbox.oracle.connection import Connection

GET_LENGTH = 0x1
READ = 0x2
TRIM = 0x20
WRITE = 0x40
CREATE_TEMP = 0x110
FREE_TEMP = 0x111
GET_CHUNK_SIZE = 0x4000
OPEN = 0x8000
CLOSE = 0x10000
IS_OPEN = 0x11000


@dataclass(frozen=True, slots=True)
class LobOpRequest:
    """One operation. Offsets are 1-based and, like amounts, in UCS-2 units for CLOBs."""

    operation: int
    locator: bytes
    source_offset: int
    destination_offset: int
    amount: int | None
    data: bytes | None

    @classmethod
    def read(cls, connection: Connection) -> LobOpRequest:
        reader = connection.reader
        reader.u8()
        locator_size = reader.ub()
        reader.u8()
        reader.skip_ub(3)
        has_charset = reader.u8()
        reader.skip_u8(2)
        operation = reader.ub()
        reader.skip_u8(2)
        source_offset, destination_offset = reader.ub(), reader.ub()
        has_amount = reader.u8()
        reader.skip_u8(6)
        locator = reader.raw(locator_size)
        if has_charset:
            reader.ub()
        data = None
        if operation == WRITE:
            reader.u8()
            data = reader.clr() or b""
        amount = reader.ub() if has_amount else None
        return cls(operation, locator, source_offset, destination_offset, amount, data)

    def answer(self, connection: Connection) -> None:
        out = Writer()
        if self.operation == CREATE_TEMP:
            empty: str | bytes = b"" if self.destination_offset == types.BLOB else ""
            locator = connection.lobs.create(self.destination_offset, empty)
            out.u8(messages.PARAMETER).raw(locator).ub(types.CHARSET_UTF8).u8(0)
        else:
            self._operate(connection, out)
        connection.write(out)
        connection.end_call(EndOfCall())

    def _operate(self, connection: Connection, out: Writer) -> None:
        lobs = connection.lobs
        if self.operation == FREE_TEMP:
            lobs.free(self.locator)
            out.u8(messages.PARAMETER).raw(self.locator)
            return
        lob = lobs.find(self.locator)
        amount = self.amount or 0
        if self.operation == GET_LENGTH:
            amount = lob.length
        elif self.operation == READ:
            data = lob.read(self.source_offset, amount)
            amount = len(data) // lob.unit
            if data:
                out.u8(messages.LOB_DATA).clr(data)
        elif self.operation == WRITE:
            lob.write(self.source_offset, self.data or b"")
        elif self.operation == TRIM:
            lob.trim(amount)
        elif self.operation == GET_CHUNK_SIZE:
            amount = CHUNK_SIZE
        elif self.operation in (OPEN, CLOSE):
            lob.is_open = self.operation == OPEN
        elif self.operation != IS_OPEN:
            raise OracleError(3115, f"unsupported LOB operation {self.operation:#x}")
        out.u8(messages.PARAMETER).raw(self.locator)
        if self.amount is not None:
            out.sb(amount)
        if self.operation == IS_OPEN:
            out.u8(int(lob.is_open))
