"""The primitive encodings of TTC: variable-length integers, length-prefixed bytes, text.

There is no alignment and no overall message length, so a request ends where its last field
ends. `Reader` pulls more bytes when it runs dry, so a value may straddle packets anywhere.

    u8              one raw byte
    u16be u16le u32be   fixed width (packet headers, connect, negotiation)
    ub              length byte L, then L bytes big-endian; zero is the single byte 00
    sb              the same, the top bit of L means negative
    clr             length byte 1..252 and the data; 00 or FF is NULL; FE starts chunks, each
                    ub length and data, ended by 00
    counted         ub total length, then clr only when that is not zero
    text            counted UTF-8

Source: python-oracledb 26.1, `impl/base/buffer.pyx` and `impl/thin/packet.pyx`.
"""

from __future__ import annotations

import struct
from collections.abc import Callable

SHORT_LENGTH_MAX = 252  # 253 is reserved, 254 starts chunks, 255 is NULL
LONG_LENGTH = 0xFE
NULL_LENGTH = 0xFF
CHUNK_SIZE = 32767


class ProtocolError(Exception):
    """The bytes of a client make no sense; the request cannot be read further."""


def encode_ub(value: int) -> bytes:
    """`value` (0 .. 2**64-1) as a variable-length unsigned integer."""
    if value < 0:
        raise ValueError(f"not an unsigned integer: {value}")
    size = (value.bit_length() + 7) // 8
    if size > 8:
        raise ValueError(f"too large for the wire: {value}")
    return bytes((size,)) + value.to_bytes(size, "big")


def encode_sb(value: int) -> bytes:
    """`value` as a variable-length signed integer: the sign is the top bit of the length."""
    encoded = encode_ub(abs(value))
    if value >= 0:
        return encoded
    return bytes((encoded[0] | 0x80,)) + encoded[1:]


def encode_clr(data: bytes | None) -> bytes:
    """Bytes with one length; None and empty are the NULL byte 00."""
    if not data:
        return b"\x00"
    if len(data) <= SHORT_LENGTH_MAX:
        return bytes((len(data),)) + data
    parts = [bytes((LONG_LENGTH,))]
    for start in range(0, len(data), CHUNK_SIZE):
        chunk = data[start : start + CHUNK_SIZE]
        parts += [encode_ub(len(chunk)), chunk]
    parts.append(b"\x00")
    return b"".join(parts)


def encode_counted(data: bytes | None) -> bytes:
    """Bytes with two lengths; None and empty are the single byte 00."""
    if not data:
        return b"\x00"
    return encode_ub(len(data)) + encode_clr(data)


class Writer:
    """Collects one message."""

    def __init__(self) -> None:
        self._data = bytearray()

    def u8(self, *values: int) -> Writer:
        self._data += bytes(values)
        return self

    def u16be(self, value: int) -> Writer:
        self._data += struct.pack(">H", value)
        return self

    def u16le(self, value: int) -> Writer:
        self._data += struct.pack("<H", value)
        return self

    def u32be(self, value: int) -> Writer:
        self._data += struct.pack(">I", value)
        return self

    def ub(self, *values: int) -> Writer:
        for value in values:
            self._data += encode_ub(value)
        return self

    def sb(self, value: int) -> Writer:
        self._data += encode_sb(value)
        return self

    def raw(self, data: bytes) -> Writer:
        self._data += data
        return self

    def clr(self, data: bytes | None) -> Writer:
        self._data += encode_clr(data)
        return self

    def counted(self, data: bytes | None) -> Writer:
        self._data += encode_counted(data)
        return self

    def text(self, value: str) -> Writer:
        return self.counted(value.encode("utf-8"))

    def getvalue(self) -> bytes:
        return bytes(self._data)


class Reader:
    """A pull parser over the DATA packets of a request.

    `fill` returns the payload of the next packet; it may raise to end the request.
    """

    def __init__(self, fill: Callable[[], bytes], data: bytes = b"") -> None:
        self._fill = fill
        self._data = data
        self._pos = 0

    @property
    def buffered(self) -> int:
        """Bytes that can be read without asking for another packet."""
        return len(self._data) - self._pos

    def discard(self) -> None:
        """Forget what is buffered."""
        self._data = b""
        self._pos = 0

    def _more(self) -> None:
        self._data = self._fill()
        self._pos = 0

    def raw(self, size: int) -> bytes:
        end = self._pos + size
        if end <= len(self._data):
            piece = self._data[self._pos : end]
            self._pos = end
            return piece
        pieces = []
        while size:
            if self._pos == len(self._data):
                self._more()
            piece = self._data[self._pos : self._pos + size]
            self._pos += len(piece)
            size -= len(piece)
            pieces.append(piece)
        return b"".join(pieces)

    def u8(self) -> int:
        if self._pos == len(self._data):
            self._more()
            return self.u8()
        self._pos += 1
        return self._data[self._pos - 1]

    def peek(self) -> int:
        """The next byte, left where it is."""
        value = self.u8()
        self._pos -= 1
        return value

    def u16be(self) -> int:
        return int.from_bytes(self.raw(2), "big")

    def u16le(self) -> int:
        return int.from_bytes(self.raw(2), "little")

    def ub(self) -> int:
        size = self.u8()
        if size > 8:
            raise ProtocolError(f"an integer of {size} bytes")
        return int.from_bytes(self.raw(size), "big")

    def sb(self) -> int:
        size = self.u8()
        if size & 0x7F > 8:
            raise ProtocolError(f"an integer of {size & 0x7F} bytes")
        value = int.from_bytes(self.raw(size & 0x7F), "big")
        return -value if size & 0x80 else value

    def skip_u8(self, count: int) -> None:
        self.raw(count)

    def skip_ub(self, count: int) -> None:
        for _ in range(count):
            self.ub()

    def clr(self) -> bytes | None:
        """None for NULL; an empty value is NULL too."""
        size = self.u8()
        if size in (0, NULL_LENGTH):
            return None
        if size != LONG_LENGTH:
            return self.raw(size)
        chunks = []
        while length := self.ub():
            chunks.append(self.raw(length))
        return b"".join(chunks)

    def counted(self) -> bytes | None:
        return self.clr() if self.ub() else None

    def text(self) -> str:
        """Text; NULL is the empty string."""
        return (self.counted() or b"").decode("utf-8")

    def null_terminated(self) -> bytes:
        collected = bytearray()
        while byte := self.u8():
            collected.append(byte)
        return bytes(collected)
