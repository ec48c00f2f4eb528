"""Protocol negotiation (type 1): the server names its character sets and capabilities.

Request: 01, u8 6, u8 0, the driver's name, 00.
Source: python-oracledb 26.1, `messages/protocol.pyx` and `capabilities.pyx`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.sandbox.oracle import messages, types
from tests.sandbox.oracle.primitives import Writer

if TYPE_CHECKING:
    from tests.sandbox.oracle.connection import Connection

BANNER = b"x86_64/Linux 2.4.xx"
COMPILE_CAPABILITIES = 55
COMPILE_FIELD_VERSION = 7
# What this server does and clients such as go-ora go by: python-oracledb takes it for granted.
COMPILE_FEATURES = {
    4: 0xEA,  # logons: O5 with and without padding, session keys by PBKDF2, long names
    15: 0x01,  # the end of a call carries its status
    16: 0x01,  # and the end-to-end sequence number
    27: 0x01,  # data types are negotiated as 16-bit numbers
    37: 0x20,  # lengths of chunks are variable-length integers
}
RUNTIME_CAPABILITIES = 11
RUNTIME_COMPATIBILITY = 0
RUNTIME_TTC = 6
RUNTIME_TTC_32K = 0x04  # strings of 32,767 bytes


def answer(connection: Connection) -> None:
    """Read the request after its type byte, and answer it."""
    while connection.reader.u8():
        pass
    connection.driver = connection.reader.null_terminated().decode("utf-8", "replace")
    compile_caps = bytearray(COMPILE_CAPABILITIES)
    compile_caps[COMPILE_FIELD_VERSION] = connection.field_version
    for index, feature in COMPILE_FEATURES.items():
        compile_caps[index] = feature
    runtime_caps = bytearray(RUNTIME_CAPABILITIES)
    runtime_caps[RUNTIME_COMPATIBILITY] = 2
    runtime_caps[RUNTIME_TTC] = RUNTIME_TTC_32K
    reply = Writer().u8(messages.PROTOCOL, 6, 0).raw(BANNER).u8(0)
    reply.u16le(types.CHARSET_UTF8).u8(1).u16le(0)
    reply.u16be(13).raw(_fdo()).clr(bytes(compile_caps)).clr(bytes(runtime_caps))
    connection.reply(reply)


def _fdo() -> bytes:
    """The client finds the national character set at 6 + fdo[5] + fdo[6] + 3."""
    fdo = bytearray(13)
    fdo[9:11] = types.CHARSET_UTF16.to_bytes(2, "big")
    return bytes(fdo)
