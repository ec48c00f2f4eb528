"""Binds: their descriptors and values in a request, OUT values and the I/O vector in a reply.

Descriptor (bind or define): u8 type, u8 flags, u8 x2, ub buffer size, ub array elements, ub
continuation flags, `counted` object id, ub version, ub character set, u8 form, ub LOB
prefetch, and from 12.2 on ub collation.

Source: python-oracledb 26.1, `messages/base.pyx`: `_write_column_metadata`,
`_write_bind_params_row`, `_process_io_vector`, `_process_column_data`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.sandbox.oracle import messages, types
from tests.sandbox.oracle.errors import OracleError
from tests.sandbox.oracle.lobs import LobStore
from tests.sandbox.oracle.primitives import ProtocolError, Reader, Writer, encode_clr
from tests.sandbox.oracle.session import Bind

if TYPE_CHECKING:
    from tests.sandbox.oracle.connection import Connection

FLAG_ARRAY = 0x40
DIRECTION_IN = 32
DIRECTION_IN_OUT = 48
NULL_BOOLEAN = 0xFD


@dataclass(frozen=True, slots=True)
class BindType:
    """One descriptor. `buffer_size` is in bytes; `is_array` marks a PL/SQL index-by table."""

    type: int
    form: int
    buffer_size: int
    is_array: bool


def read_descriptors(reader: Reader, count: int, version: int) -> tuple[BindType, ...]:
    """`count` bind or define descriptors."""
    found = []
    for _ in range(count):
        wire_type, flags = reader.u8(), reader.u8()
        reader.skip_u8(2)
        buffer_size = reader.ub()
        reader.skip_ub(2)
        reader.counted()
        reader.skip_ub(2)
        form = reader.u8()
        reader.ub()
        if version >= messages.VERSION_12_2:
            reader.ub()
        found.append(BindType(wire_type, form, buffer_size, bool(flags & FLAG_ARRAY)))
    return tuple(found)


def refuse_unsupported(binds: Sequence[BindType]) -> None:
    """Raise OracleError (ORA-03115) before values are read that nobody knows to read."""
    for bind in binds:
        types.kind_of(bind.type, bind.form)


def read_row(
    connection: Connection, binds: Sequence[BindType], returning: frozenset[int], is_plsql: bool
) -> list[object]:
    """The values of one execution, in textual order.

    In SQL, values whose buffer is longer than a string may be come after all others.
    `returning` binds of a DML statement have no value.
    """
    if connection.reader.u8() != messages.ROW_DATA:
        raise ProtocolError("bind values without a row")
    sent = [index for index in range(len(binds)) if index not in returning]
    if not is_plsql:
        sent.sort(key=lambda index: binds[index].buffer_size > types.STRING_BYTES_MAX)
    values: list[object] = [None] * len(binds)
    for index in sent:
        values[index] = _read_bind(connection, binds[index])
    return values


def _read_bind(connection: Connection, bind: BindType) -> object:
    if not bind.is_array:
        return _read_value(connection, bind)
    return [_read_value(connection, bind) for _ in range(connection.reader.ub())]


def _read_value(connection: Connection, bind: BindType) -> object:
    reader = connection.reader
    if bind.type in types.LOB_TYPES:
        locator = reader.counted()
        return None if locator is None else connection.lobs.find(locator).value
    if bind.type == types.BOOLEAN and reader.peek() == NULL_BOOLEAN:
        reader.skip_u8(2)
        return None
    data = reader.clr()
    return None if data is None else types.decode_value(data, bind.type, bind.form)


def to_session(binds: Sequence[BindType], values: Sequence[object]) -> list[Bind]:
    """The binds of one execution as the session takes them."""
    return [
        Bind(types.kind_of(bind.type, bind.form), value, bind.buffer_size)
        for bind, value in zip(binds, values, strict=True)
    ]


def io_vector(count: int, out: Mapping[int, object]) -> Writer:
    """Which binds of a PL/SQL block are OUT.

    Every one is called IN OUT, so that a re-execution sends the values of all binds.
    """
    message = Writer().u8(messages.IO_VECTOR, 0).ub(count % 256, count // 256, 0, 0, 0, 0)
    return message.u8(
        *(DIRECTION_IN_OUT if index in out else DIRECTION_IN for index in range(count))
    )


def out_values(binds: Sequence[BindType], out: Mapping[int, object], lobs: LobStore) -> Writer:
    """Row data with the OUT values of a PL/SQL block, each followed by its true length 0."""
    message = Writer().u8(messages.ROW_DATA)
    for index in sorted(out):
        bind, value = binds[index], out[index]
        if bind.is_array:
            elements = list(value) if isinstance(value, list | tuple) else []
            message.ub(len(elements))
            for element in elements:
                message.raw(_encode_out(bind, element, lobs)).sb(0)
        else:
            message.raw(_encode_out(bind, value, lobs)).sb(0)
    return message


def returned_values(binds: Sequence[BindType], out: Mapping[int, object], lobs: LobStore) -> Writer:
    """Row data of a DML statement's RETURNING binds: for each the rows' values, counted."""
    message = Writer().u8(messages.ROW_DATA)
    for index in sorted(out):
        value = out[index]
        rows = value if isinstance(value, list | tuple) else [value]
        message.ub(len(rows))
        for row in rows:
            message.raw(_encode_out(binds[index], row, lobs)).sb(0)
    return message


def _encode_out(bind: BindType, value: object, lobs: LobStore) -> bytes:
    if bind.type in types.LOB_TYPES:
        if not (value is None or isinstance(value, str | bytes)):
            raise OracleError(6502, "PL/SQL: numeric or value error: a LOB is text or bytes")
        return lobs.encode(bind.type, value)
    if value is None or value == "":
        return b"\x00"
    data = types.encode_value(value, bind.type, bind.form)
    limited = bind.type in types.TEXT_TYPES or bind.type in types.BYTES_TYPES
    if limited and len(data) > bind.buffer_size:
        raise OracleError(6502, "PL/SQL: numeric or value error: character string buffer too small")
    return encode_clr(data)


_BIND_OR_WORD = re.compile(
    r"""q'\[.*?\]' | q'\{.*?\}' | q'\(.*?\)' | q'<.*?> ' | '[^']*' | "[^"]*"
      | --[^\n]* | /\*.*?\*/ | (?P<bind>:\s*(?:"[^"]+"|\w[\w$\#]*)) | (?P<word>[A-Za-z_][\w$\#]*)""",
    re.VERBOSE | re.DOTALL | re.IGNORECASE,
)


def returning_binds(sql: str) -> frozenset[int]:
    """Positions of the binds after RETURNING ... INTO, for which a client sends no value."""
    found: set[int] = set()
    position = 0
    words: list[str] = []
    for match in _BIND_OR_WORD.finditer(sql):
        if match["word"]:
            words.append(match["word"].upper())
        elif match["bind"]:
            if "INTO" in words and set(words[: words.index("INTO")]) & {"RETURNING", "RETURN"}:
                found.add(position)
            position += 1
        if match["word"] and words[-1] in ("RETURNING", "RETURN"):
            words = words[-1:]
    return frozenset(found)
