"""The LOBs that one session's client holds locators of.

CLOB and NCLOB data is kept as UTF-16BE, the form in which it travels, so that offsets and
amounts are what Oracle means by characters: UCS-2 units. A locator of 40 bytes names a LOB:

    0   u16be 38        2   u16be 4        4   u8 kind: 1 BLOB, 2 CLOB
    5   u8 0x08         6   u8 0x80 for CLOB and NCLOB: the data is UTF-16BE
    7   u8 0x01: temporary, so that the client says when it has done with it
    16  u64be the LOB's number in this session

Source: python-oracledb 26.1, `impl/thin/lob.pyx`.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from tests.sandbox.oracle.errors import OracleError
from tests.sandbox.oracle.primitives import encode_clr, encode_ub
from tests.sandbox.oracle.types import BLOB, CLOB

LOCATOR_SIZE = 40
CHUNK_SIZE = 8132


@dataclass(slots=True)
class Lob:
    """One LOB; `data` is UTF-16BE for CLOB and NCLOB."""

    type: int
    data: bytearray
    is_open: bool = False

    @property
    def unit(self) -> int:
        """Bytes of one unit of offset, amount and length."""
        return 2 if self.type == CLOB else 1

    @property
    def length(self) -> int:
        return len(self.data) // self.unit

    @property
    def value(self) -> str | bytes:
        return self.data.decode("utf-16-be") if self.type == CLOB else bytes(self.data)

    def read(self, offset: int, amount: int) -> bytes:
        """Up to `amount` units from the 1-based `offset`."""
        start = (max(offset, 1) - 1) * self.unit
        return bytes(self.data[start : start + amount * self.unit])

    def write(self, offset: int, data: bytes) -> None:
        """Overwrite from the 1-based `offset`; a gap becomes blanks, or zeros in a BLOB."""
        start = (max(offset, 1) - 1) * self.unit
        filler = b"\x00 " if self.type == CLOB else b"\x00"
        missing = start // self.unit - self.length
        self.data += filler * max(missing, 0)
        self.data[start : start + len(data)] = data

    def trim(self, length: int) -> None:
        del self.data[length * self.unit :]


class LobStore:
    """LOBs by locator."""

    def __init__(self) -> None:
        self._lobs: dict[int, Lob] = {}
        self._last = 0

    def __len__(self) -> int:
        return len(self._lobs)

    def create(self, wire_type: int, value: str | bytes) -> bytes:
        """Keep a LOB; returns its locator. `wire_type` is `types.CLOB` or `types.BLOB`."""
        data = value.encode("utf-16-be") if isinstance(value, str) else value
        self._last += 1
        self._lobs[self._last] = Lob(wire_type, bytearray(data))
        return _locator(wire_type, self._last)

    def find(self, locator: bytes) -> Lob:
        """Raises OracleError (ORA-22922) for a locator that is not, or no longer, known."""
        try:
            return self._lobs[_number(locator)]
        except KeyError:
            raise OracleError(22922, "nonexistent LOB value") from None

    def free(self, locator: bytes) -> None:
        self._lobs.pop(_number(locator), None)

    def encode(self, wire_type: int, value: str | bytes | None) -> bytes:
        """A LOB as a column or OUT value: counted length, size, chunk size, locator."""
        if value is None:
            return b"\x00"
        locator = self.create(wire_type, value)
        length = self.find(locator).length
        return (encode_ub(LOCATOR_SIZE) + encode_ub(length) + encode_ub(CHUNK_SIZE)) + encode_clr(
            locator
        )


def _locator(wire_type: int, number: int) -> bytes:
    is_blob = wire_type == BLOB
    flags = bytes((1 if is_blob else 2, 0x08, 0 if is_blob else 0x80, 0x01))
    head = struct.pack(">HH4s8xQ", LOCATOR_SIZE - 2, 4, flags, number)
    return head.ljust(LOCATOR_SIZE, b"\x00")


def _number(locator: bytes) -> int:
    return int.from_bytes(locator[16:24], "big")
