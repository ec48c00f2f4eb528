"""Piggybacks (type 17): small requests that precede a call and have no reply of their own.

Source: python-oracledb 26.1, `messages/base.pyx`, `_write_*_piggyback`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from tests.sandbox.oracle import messages
from tests.sandbox.oracle.errors import OracleError
from tests.sandbox.oracle.lobs import LOCATOR_SIZE
from tests.sandbox.oracle.primitives import ProtocolError, Reader

if TYPE_CHECKING:
    from tests.sandbox.oracle.connection import Connection


def read(connection: Connection, function: int) -> None:
    """Read one piggyback after its header, and apply it.

    What goes wrong in applying it is told with the reply to the call that follows. Raises
    ProtocolError for an unknown function, whose length nobody knows.
    """
    apply = PIGGYBACKS.get(function)
    if apply is None:
        raise ProtocolError(f"unknown piggyback {function}")
    apply(connection)


def _close_cursors(connection: Connection) -> None:
    reader = connection.reader
    reader.u8()
    for _ in range(reader.ub()):
        connection.cursors.close(reader.ub())


def _end_to_end(connection: Connection) -> None:
    """Client identifier, module, action, client info and database operation."""
    reader = connection.reader
    reader.skip_u8(2)
    reader.ub()
    announced = [
        ("client_identifier", reader.u8(), reader.ub()),
        ("module", reader.u8(), reader.ub()),
        ("action", reader.u8(), reader.ub()),
    ]
    reader.u8()
    reader.ub()
    reader.u8()
    reader.ub()
    announced.append(("client_info", reader.u8(), reader.ub()))
    reader.u8()
    reader.ub()
    reader.u8()
    reader.ub()
    announced.append(("dbop", reader.u8(), reader.ub()))
    changed = {name: _attribute(reader, size) for name, given, size in announced if given}
    connection.set_attributes(changed)


def _attribute(reader: Reader, size: int) -> str:
    """The text of an attribute that was set.

    One set to None sends nothing, one set to '' sends the byte 00: both announce the length
    0, and nothing else that may follow starts with 00.
    """
    if size:
        return (reader.clr() or b"").decode("utf-8")
    if reader.peek() == 0:
        reader.u8()
    return ""


def _current_schema(connection: Connection) -> None:
    reader = connection.reader
    reader.u8()
    schema = reader.text()
    try:
        connection.session.execute(f"ALTER SESSION SET CURRENT_SCHEMA = {schema}", ())
    except OracleError as error:
        connection.piggyback_error = error


def _free_temp_lobs(connection: Connection) -> None:
    reader = connection.reader
    reader.u8()
    total = reader.ub()
    reader.u8()
    reader.skip_ub(3)
    reader.skip_u8(3)
    reader.ub()
    reader.u8()
    reader.skip_ub(3)
    reader.u8()
    for _ in range(3):
        reader.u8()
        reader.ub()
    for _ in range(total // LOCATOR_SIZE):
        connection.lobs.free(reader.raw(LOCATOR_SIZE))
    reader.raw(total % LOCATOR_SIZE)


def _application_context(connection: Connection) -> None:
    reader = connection.reader
    reader.u8()
    reader.ub()
    reader.u8()
    count = reader.ub()
    reader.ub()
    reader.u8()
    namespace = (reader.clr() or b"").decode("utf-8")
    entries = {}
    for _ in range(count):
        key = reader.text()
        entries[f"{namespace}.{key}"] = reader.text()
        reader.ub()
    connection.set_attributes(entries)


def _session_state(connection: Connection) -> None:
    connection.reader.ub()


PIGGYBACKS: dict[int, Callable[[Connection], None]] = {
    messages.FUNC_CLOSE_CURSORS: _close_cursors,
    messages.FUNC_SET_END_TO_END: _end_to_end,
    messages.FUNC_SET_SCHEMA: _current_schema,
    messages.FUNC_LOB_OP: _free_temp_lobs,
    messages.FUNC_APP_CONTEXT: _application_context,
    messages.FUNC_SESSION_STATE: _session_state,
}
