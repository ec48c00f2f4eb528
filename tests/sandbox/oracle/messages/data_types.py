"""Data types negotiation (type 2): the client lists the representations it understands.

Request: 02, u16le character set, u16le national character set, u8 flags, `clr` compile
capabilities, `clr` run-time capabilities, then entries of u16be type, conversion,
representation and 0, ended by a u16be 0. Everything the client lists is agreed to, by an
empty list of exceptions.

Source: python-oracledb 26.1, `messages/data_types.pyx`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.sandbox.oracle import messages
from tests.sandbox.oracle.messages.protocol import COMPILE_FIELD_VERSION
from tests.sandbox.oracle.primitives import Writer

if TYPE_CHECKING:
    from tests.sandbox.oracle.connection import Connection


def answer(connection: Connection) -> None:
    """Read the request after its type byte, and answer it."""
    reader = connection.reader
    reader.u16le()
    reader.u16le()
    reader.u8()
    compile_caps = reader.clr() or b""
    reader.clr()
    if len(compile_caps) > COMPILE_FIELD_VERSION:
        wanted = compile_caps[COMPILE_FIELD_VERSION]
        connection.field_version = min(connection.field_version, wanted)
    # Clients differ in how they write an entry without conversion; nothing follows the list.
    connection.discard_request()
    connection.reply(Writer().u8(messages.DATA_TYPES).u16be(0))
