"""Which Arrow types are text, and which are bytes; constants of Arrow types."""

from __future__ import annotations

import sys
from typing import Any

import pyarrow as pa


def is_text(kind: pa.DataType) -> bool:
    return pa.types.is_string(kind) or pa.types.is_large_string(kind)


def is_bytes(kind: pa.DataType) -> bool:
    return pa.types.is_binary(kind) or pa.types.is_large_binary(kind)


def constant(kind: pa.DataType, value: bytes) -> Any:
    """A scalar of a fixed-width type from its bytes: `pa.scalar` imports pandas on the way."""
    return pa.Array.from_buffers(kind, 1, [None, pa.py_buffer(value)])[0]


def text_constant(text: str) -> Any:
    """A string scalar, likewise."""
    data = text.encode("utf-8")
    offsets = bytes(4) + len(data).to_bytes(4, sys.byteorder)
    return pa.StringArray.from_buffers(1, pa.py_buffer(offsets), pa.py_buffer(data))[0]
