"""Arrow columns → the text form in which a CSV part is exact for BigQuery."""

from __future__ import annotations

import base64
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute

from etl_oracle_to_bq.stage.kinds import constant, is_bytes, text_constant

# The stubs ask for the exact class of each array, which is only known at run time here.
pc: Any = pyarrow.compute

MINUS, ZULU, NOTHING = text_constant("-"), text_constant("Z"), text_constant("")
NO_LENGTH = constant(pa.int64(), bytes(8))


def as_text(column: pa.Array[Any]) -> pa.Array[Any]:
    """The column in the form in which pyarrow's CSV writer is exact for BigQuery.

    Decimals become plain digits (pyarrow writes 0E-9), bytes base64, and moments in UTC end
    in Z (pyarrow's own way there takes ten times as long); the other types are written right
    as they are.
    """
    if pa.types.is_decimal(column.type):
        return _plain_digits(column)
    if _is_zoned(column.type):
        return _utc_text(column)
    return _base64(column) if is_bytes(column.type) else column


def text_type(kind: pa.DataType) -> pa.DataType:
    if pa.types.is_decimal(kind) or _is_zoned(kind):
        return pa.string()
    return pa.large_string() if is_bytes(kind) else kind


def _is_zoned(kind: pa.DataType) -> bool:
    return isinstance(kind, pa.TimestampType) and kind.tz is not None


def _utc_text(column: pa.Array[Any]) -> pa.Array[Any]:
    naive = pc.cast(column.view(pa.timestamp("us")), pa.string())
    text: pa.Array[Any] = pc.binary_join_element_wise(naive, ZULU, NOTHING)
    return text


def _plain_digits(column: pa.Array[Any]) -> pa.Array[Any]:
    """-0.05 of decimal(38, 9) → "-0.05": never an exponent, no trailing zeros."""
    scale = column.type.scale
    whole = pa.decimal128(38, 0) if pa.types.is_decimal128(column.type) else pa.decimal256(76, 0)
    # The same bits read as integers: a decimal without a scale is written without exponent.
    unscaled = pa.Array.from_buffers(
        whole, len(column), column.buffers(), column.null_count, column.offset
    )
    if scale == 0:
        whole_digits: pa.Array[Any] = pc.cast(unscaled, pa.string())
        return whole_digits
    digits = pc.cast(pc.abs(unscaled), pa.string())
    digits = pc.ascii_lpad(digits, scale + 1, "0")
    digits = pc.binary_replace_slice(digits, -scale, -scale, ".")
    digits = pc.ascii_rtrim(pc.ascii_rtrim(digits, "0"), ".")
    zero = constant(whole, bytes(whole.bit_width // 8))
    sign = pc.if_else(pc.less(unscaled, zero), MINUS, NOTHING)
    signed: pa.Array[Any] = pc.binary_join_element_wise(sign, digits, NOTHING)
    return signed


def _base64(column: pa.Array[Any]) -> pa.Array[Any]:
    """Base64 of each value, encoded in one call for the whole column.

    Each value is padded with zero bytes to a multiple of three, so that the values stay apart
    in the encoded text; the digits that stand for padding are then overwritten with "=".
    """
    column = pc.cast(column, pa.large_binary())
    lengths = _numbers(pc.fill_null(pc.binary_length(column), NO_LENGTH))
    pads = -lengths % 3
    ends = np.cumsum(lengths + pads)
    padded = np.zeros(int(ends[-1]) if len(ends) else 0, dtype=np.uint8)
    is_data = np.ones(len(padded), dtype=np.bool_)
    is_data[ends[pads >= 1] - 1] = False
    is_data[ends[pads == 2] - 2] = False
    padded[is_data] = _bytes_of(column)
    text = np.frombuffer(base64.b64encode(padded.data), dtype=np.uint8).copy()
    text_ends = ends // 3 * 4
    text[text_ends[pads >= 1] - 1] = ord("=")
    text[text_ends[pads == 2] - 2] = ord("=")
    offsets = np.concatenate([np.zeros(1, dtype=np.int64), text_ends])
    encoded = pa.LargeStringArray.from_buffers(len(column), _buffer(offsets), _buffer(text))
    with_nulls: pa.Array[Any] = pc.if_else(column.is_valid(), encoded, pa.nulls(1, encoded.type)[0])
    return with_nulls


def _numbers(column: pa.Array[Any]) -> np.ndarray[Any, np.dtype[np.int64]]:
    """An int64 column without NULLs; Arrow's own conversion would import pandas."""
    values = column.buffers()[1]
    if values is None or not len(column):
        return np.zeros(0, dtype=np.int64)
    numbers = np.frombuffer(memoryview(values), dtype=np.int64)
    return numbers[column.offset : column.offset + len(column)]


def _bytes_of(column: pa.Array[Any]) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """All bytes of a large_binary column's values, one after another, without those of NULLs."""
    packed = column.drop_null()
    packed = pa.concat_arrays([packed]) if packed.offset else packed
    _, offsets_buffer, data = packed.buffers()
    if not len(packed) or offsets_buffer is None or data is None:
        return np.zeros(0, dtype=np.uint8)
    offsets = np.frombuffer(memoryview(offsets_buffer), dtype=np.int64)
    return np.frombuffer(memoryview(data), dtype=np.uint8)[offsets[0] : offsets[len(packed)]]


def _buffer(array: Any) -> pa.Buffer:
    return pa.py_buffer(memoryview(array))
