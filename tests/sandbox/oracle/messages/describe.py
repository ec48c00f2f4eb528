"""Describe (type 16): the columns of a query.

Source: python-oracledb 26.1, `messages/base.pyx`, `_process_describe_info`, `_process_metadata`.
"""

from __future__ import annotations

from collections.abc import Sequence

from tests.sandbox.oracle import messages, types
from tests.sandbox.oracle.primitives import Writer
from tests.sandbox.oracle.types import WireColumn


def describe_info(columns: Sequence[WireColumn], version: int) -> Writer:
    """The message that tells the client of `columns`."""
    out = Writer().u8(messages.DESCRIBE_INFO).clr(bytes(16)).ub(0, len(columns))
    if columns:
        out.u8(1)
    for position, column in enumerate(columns, 1):
        _write_column(out, column, position, version)
    return out.counted(None).ub(0, 0, 0, 0).counted(None)  # date, flags, query cache key


def _write_column(out: Writer, column: WireColumn, position: int, version: int) -> None:
    name = column.name.encode("utf-8")
    out.u8(column.type, 0, column.precision & 0xFF, column.scale & 0xFF)
    out.ub(column.buffer_size, 0, 0).counted(None).ub(0)  # array, flags, object id, version
    out.ub(charset_of(column.form)).u8(column.form).ub(column.max_size)
    if version >= messages.VERSION_12_2:
        out.ub(0)  # collation
    out.u8(int(column.nullable), min(len(name), 0xFF)).counted(name)
    out.counted(None).counted(None).ub(position, 0)  # type schema, type name, position, flags


def charset_of(form: int) -> int:
    """The character set number that goes with a character set form."""
    if form == types.FORM_NONE:
        return 0
    return types.CHARSET_UTF16 if form == types.FORM_NCHAR else types.CHARSET_UTF8
