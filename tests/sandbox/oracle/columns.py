"""Arrow columns to the bytes of their wire values, with numpy and without a loop per row.

Every encoder returns `Cells`: how many bytes each value takes, and a way to put all values
of the column into the buffer of finished rows. A NULL is the single byte 00.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from tests.sandbox.oracle import types
from tests.sandbox.oracle.primitives import CHUNK_SIZE, SHORT_LENGTH_MAX, encode_clr
from tests.sandbox.oracle.types import WireColumn

Bytes = npt.NDArray[np.uint8]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

SCATTER_MEAN_MAX = 96  # above this many bytes a value, copying slices beats scattering
INT64_TENTH = (2**63 - 1) // 10
SECONDS_PER_DAY = 86_400
NANOS_PER_SECOND = 1_000_000_000
UNITS_PER_SECOND = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": NANOS_PER_SECOND}


class Cells(Protocol):
    """The encoded values of one column."""

    lengths: Ints

    def put(self, out: Bytes, starts: Ints) -> None:
        """Write value i at `out[starts[i]]`."""


@dataclass(slots=True)
class FixedCells:
    """Values in a matrix of one row each, of which the first `lengths` bytes count."""

    matrix: Bytes
    lengths: Ints

    def put(self, out: Bytes, starts: Ints) -> None:
        width = np.arange(self.matrix.shape[1])
        where = starts[:, None] + width
        used = width < self.lengths[:, None]
        out[where[used]] = self.matrix[used]


@dataclass(slots=True)
class RawCells:
    """Values that are already encoded, one after the other in `data`."""

    data: Bytes
    lengths: Ints

    @classmethod
    def of(cls, values: Sequence[bytes]) -> RawCells:
        lengths = np.fromiter(map(len, values), np.int64, len(values))
        return cls(np.frombuffer(b"".join(values), np.uint8), lengths)

    def put(self, out: Bytes, starts: Ints) -> None:
        _scatter(out, starts, self.data, self.lengths)


@dataclass(slots=True)
class ByteCells:
    """Text or bytes, one after the other in `data`; each gets its length, short or long form."""

    data: Bytes
    sizes: Ints

    @property
    def lengths(self) -> Ints:
        sizes = self.sizes
        lengths = sizes + 1
        lengths[sizes > SHORT_LENGTH_MAX] += 3  # FE 01 n ... 00
        lengths[sizes > 0xFF] += 1  # FE 02 n n ... 00
        huge = np.flatnonzero(sizes > CHUNK_SIZE)
        if len(huge):
            lengths[huge] = [self._chunked_length(int(sizes[row])) for row in huge]
        return lengths

    @staticmethod
    def _chunked_length(size: int) -> int:
        chunks, rest = divmod(size, CHUNK_SIZE)
        tail = 0 if not rest else rest + (2 if rest <= 0xFF else 3)
        return 2 + chunks * (CHUNK_SIZE + 3) + tail

    def put(self, out: Bytes, starts: Ints) -> None:
        sizes = self.sizes
        long = sizes > SHORT_LENGTH_MAX
        out[starts] = np.where(long, 0xFE, sizes).astype(np.uint8)
        first = starts + 1
        if long.any():
            first = self._put_long_lengths(out, starts, first)
        if (sizes > CHUNK_SIZE).any():
            self._put_one_by_one(out, starts)
        else:
            _scatter(out, first, self.data, sizes)

    def _put_long_lengths(self, out: Bytes, starts: Ints, first: Ints) -> Ints:
        """Lengths and closing zeros of long forms; returns where each value's data goes."""
        sizes = self.sizes
        one = (sizes > SHORT_LENGTH_MAX) & (sizes <= 0xFF)
        two = (sizes > 0xFF) & (sizes <= CHUNK_SIZE)
        out[starts[one] + 1] = 1
        out[starts[one] + 2] = sizes[one]
        out[starts[two] + 1] = 2
        out[starts[two] + 2] = sizes[two] >> 8
        out[starts[two] + 3] = sizes[two] & 0xFF
        first = first + 2 * one + 3 * two
        closed = one | two
        out[first[closed] + sizes[closed]] = 0
        return first

    def _put_one_by_one(self, out: Bytes, starts: Ints) -> None:
        position = 0
        for start, size in zip(starts.tolist(), self.sizes.tolist(), strict=True):
            encoded = encode_clr(self.data[position : position + size].tobytes())
            out[start : start + len(encoded)] = np.frombuffer(encoded, np.uint8)
            position += size


def _scatter(out: Bytes, starts: Ints, data: Bytes, sizes: Ints) -> None:
    """Copy consecutive pieces of `data`, of `sizes`, to `starts`."""
    if not len(data):
        return
    ends = np.cumsum(sizes)
    begins = ends - sizes
    if len(data) > SCATTER_MEAN_MAX * len(sizes):
        for start, begin, end in zip(starts.tolist(), begins.tolist(), ends.tolist(), strict=True):
            out[start : start + end - begin] = data[begin:end]
        return
    out[np.arange(len(data)) + np.repeat(starts - begins, sizes)] = data


# -- encoders --------------------------------------------------------------------------------


def encode_column(array: pa.Array[Any], wire: WireColumn) -> Cells:
    """The cells of any column but a LOB's locators.

    Raises TypeError when the Arrow type is not one that `session.Kind` names for the column.
    """
    if wire.type in types.TEXT_TYPES:
        return _text_cells(array, wire.form)
    if wire.type in types.BYTES_TYPES:
        return _byte_cells(array)
    if wire.type == types.NUMBER:
        return _number_cells(array)
    if wire.type in (types.BINARY_DOUBLE, types.BINARY_FLOAT):
        return _float_cells(array, wire.type)
    if wire.type in types.ZONELESS_TYPES:
        return _timestamp_cells(array, with_fraction=wire.type != types.DATE)
    if wire.type == types.TIMESTAMP_TZ:
        return _zoned_cells(array)
    if wire.type == types.INTERVAL_DS:
        return _interval_ds_cells(array)
    if wire.type == types.INTERVAL_YM:
        return _interval_ym_cells(array)
    if wire.type == types.ROWID:
        return _rowid_cells(array)
    raise TypeError(f"no encoder for column {wire.name} of type {wire.type}")


def long_cells(cells: ByteCells) -> tuple[Cells, Cells]:
    """A LONG value is followed by its null indicator and return code."""
    null = cells.sizes == 0
    matrix = np.zeros((len(null), 5), np.uint8)
    matrix[null] = (0x81, 0x01, 0x02, 0x05, 0x7D)  # -1, 1405: the column is NULL
    return cells, FixedCells(matrix, np.where(null, 5, 2).astype(np.int64))


def _valid(array: pa.Array[Any]) -> Bools:
    return array.is_valid().to_numpy(zero_copy_only=False)


def _integers(array: pa.Array[Any]) -> Ints:
    filled = pc.fill_null(array, 0) if array.null_count else array
    return filled.to_numpy(zero_copy_only=False).astype(np.int64, copy=False)


def _fixed(body: Bytes, sizes: Ints | int, valid: Bools) -> FixedCells:
    """Put the length byte before each row of `body`; an invalid row is the byte 00."""
    rows, width = body.shape
    matrix = np.empty((rows, width + 1), np.uint8)
    matrix[:, 1:] = body
    matrix[:, 0] = np.where(valid, sizes, 0)
    return FixedCells(matrix, matrix[:, 0].astype(np.int64) + 1)


def _text_cells(array: pa.Array[Any], form: int) -> ByteCells:
    if form == types.FORM_NCHAR:
        values = [None if v is None else v.encode("utf-16-be") for v in array.to_pylist()]
        return _byte_cells(pa.array(values, pa.large_binary()))
    return _byte_cells(array.cast(pa.large_string()).cast(pa.large_binary()))


def _byte_cells(array: pa.Array[Any]) -> ByteCells:
    array = array.cast(pa.large_binary())
    if array.null_count:
        array = pc.fill_null(array, b"")
    _, offset_buffer, data_buffer = array.buffers()
    if not len(array) or offset_buffer is None or data_buffer is None:
        return ByteCells(np.empty(0, np.uint8), np.zeros(len(array), np.int64))
    offsets = np.frombuffer(offset_buffer, np.int64)[array.offset : array.offset + len(array) + 1]
    data = np.frombuffer(data_buffer, np.uint8)[offsets[0] : offsets[-1]]
    return ByteCells(data, np.diff(offsets))


def _number_cells(array: pa.Array[Any]) -> Cells:
    if pa.types.is_integer(array.type) and array.type != pa.uint64():
        return _whole_number_cells(_integers(array), 0, _valid(array))
    if pa.types.is_decimal(array.type):
        return _decimal_cells(array)
    if pa.types.is_uint64(array.type) or pa.types.is_floating(array.type):
        return _numbers_one_by_one(array)
    return _numbers_one_by_one(array.cast(pa.large_string()))


def _numbers_one_by_one(array: pa.Array[Any]) -> RawCells:
    values = (None if v is None else types.encode_number(v) for v in array.to_pylist())
    return RawCells.of([encode_clr(value) for value in values])


def _decimal_cells(array: pa.Array[Any]) -> Cells:
    """Values whose unscaled integer fits 64 bits go column-wise, the others one by one."""
    if array.type.bit_width < 128:
        array = array.cast(pa.decimal128(array.type.precision, array.type.scale))
    words_per_value = array.type.bit_width // 64
    buffer = array.buffers()[1]
    if buffer is None:
        return _numbers_one_by_one(array)
    words = np.frombuffer(buffer, np.int64).reshape(-1, words_per_value)
    words = words[array.offset : array.offset + len(array)]
    valid = _valid(array)
    low = words[:, 0]
    fits = (words[:, 1:] == (low >> 63)[:, None]).all(axis=1)
    fits &= (low <= INT64_TENTH) & (low >= -INT64_TENTH)
    cells = _whole_number_cells(np.where(fits & valid, low, 0), array.type.scale, valid)
    wide = np.flatnonzero(valid & ~fits)
    return _with_wide_numbers(cells, array, wide) if len(wide) else cells


def _with_wide_numbers(cells: FixedCells, array: pa.Array[Any], wide: Ints) -> FixedCells:
    matrix = np.zeros((len(array), 23), np.uint8)
    matrix[:, : cells.matrix.shape[1]] = cells.matrix
    for row, value in zip(wide.tolist(), array.take(pa.array(wide)).to_pylist(), strict=True):
        encoded = encode_clr(types.encode_number(value))
        matrix[row, : len(encoded)] = np.frombuffer(encoded, np.uint8)
        cells.lengths[row] = len(encoded)
    return FixedCells(matrix, cells.lengths)


def _whole_number_cells(values: Ints, scale: int, valid: Bools) -> FixedCells:
    """NUMBERs of `values` / 10**scale. An odd scale needs room for one more digit."""
    negative = values < 0
    magnitude = np.abs(values).view(np.uint64)
    if scale % 2:
        magnitude = magnitude * np.uint64(10)
        scale += 1
    pairs = _base_100(magnitude)
    count = pairs.shape[1]
    nonzero = pairs != 0
    first = nonzero.argmax(axis=1)
    last = count - 1 - nonzero[:, ::-1].argmax(axis=1)
    zero = magnitude == 0
    used = np.where(zero, 0, last - first + 1)
    gather = np.minimum(first[:, None] + np.arange(count), count - 1)
    digits = np.take_along_axis(pairs, gather, axis=1)
    body = np.empty((len(values), count + 2), np.uint8)
    exponent = count - 1 - first - scale // 2
    body[:, 0] = np.where(zero, 0x80, np.where(negative, 0x3E - exponent, 0xC1 + exponent))
    body[:, 1:-1] = np.where(negative[:, None], 101 - digits, digits + 1)
    rows = np.flatnonzero(negative)
    body[rows, 1 + used[rows]] = 102
    return _fixed(body, 1 + used + negative, valid)


def _base_100(magnitude: npt.NDArray[np.uint64]) -> Bytes:
    """Digits of base 100, most significant first, as many columns as the largest needs."""
    largest = int(magnitude.max(initial=0))
    count = max(1, (len(str(largest)) + 1) // 2)
    pairs = np.empty((len(magnitude), count), np.uint8)
    hundred = np.uint64(100)
    for column in range(count - 1, -1, -1):
        rest = magnitude // hundred
        pairs[:, column] = magnitude - rest * hundred
        magnitude = rest
    return pairs


def _float_cells(array: pa.Array[Any], wire_type: int) -> FixedCells:
    """IEEE big-endian, with the sign bit turned so that the bytes sort like the numbers."""
    form = ">f8" if wire_type == types.BINARY_DOUBLE else ">f4"
    filled = pc.fill_null(array, 0.0) if array.null_count else array
    values = filled.to_numpy(zero_copy_only=False).astype(form)
    body = values.view(np.uint8).reshape(len(values), values.dtype.itemsize)
    negative = (body[:, 0] & 0x80).astype(bool)
    body = np.where(negative[:, None], ~body, body)
    body[~negative, 0] |= 0x80
    return _fixed(body, body.shape[1], _valid(array))


def _seconds_and_nanos(array: pa.Array[Any]) -> tuple[Ints, Ints]:
    """Seconds since 1970 and nanoseconds within the second, of any type `Kind` allows."""
    if pa.types.is_struct(array.type):
        children = array.flatten()
        return _integers(children[0]), _integers(children[1])
    if pa.types.is_date(array.type):
        return _integers(array.cast(pa.date32()).cast(pa.int32())) * SECONDS_PER_DAY, np.zeros(
            len(array), np.int64
        )
    per_second = UNITS_PER_SECOND[array.type.unit]
    ticks = _integers(array.cast(pa.timestamp(array.type.unit)).cast(pa.int64()))
    seconds = ticks // per_second
    return seconds, (ticks - seconds * per_second) * (NANOS_PER_SECOND // per_second)


def _date_bytes(seconds: Ints, out: Bytes) -> None:
    """The seven bytes of a DATE into the first seven columns of `out`."""
    days = seconds // SECONDS_PER_DAY
    clock = seconds - days * SECONDS_PER_DAY
    dates = days.astype("datetime64[D]")
    months = dates.astype("datetime64[M]")
    years = months.astype("datetime64[Y]").astype(np.int64) + 1970
    century = np.trunc(years / 100).astype(np.int64)
    out[:, 0] = century + 100
    out[:, 1] = years - century * 100 + 100
    out[:, 2] = months.astype(np.int64) % 12 + 1
    out[:, 3] = (dates - months.astype("datetime64[D]")).astype(np.int64) + 1
    out[:, 4] = clock // 3600 + 1
    out[:, 5] = clock // 60 % 60 + 1
    out[:, 6] = clock % 60 + 1


def _big_endian(values: Ints) -> Bytes:
    """The low 32 bits of each value, as four bytes."""
    return (values & 0xFFFFFFFF).astype(">u4").view(np.uint8).reshape(len(values), 4)


def _timestamp_cells(array: pa.Array[Any], with_fraction: bool) -> FixedCells:
    seconds, nanos = _seconds_and_nanos(array)
    body = np.empty((len(array), 11 if with_fraction else 7), np.uint8)
    _date_bytes(seconds, body)
    sizes: Ints | int = 7
    if with_fraction:
        body[:, 7:] = _big_endian(nanos)
        sizes = np.where(nanos == 0, 7, 11)
    return _fixed(body, sizes, _valid(array))


def _zoned_cells(array: pa.Array[Any]) -> FixedCells:
    seconds, nanos = _seconds_and_nanos(array)
    offset = _integers(array.flatten()[2])
    hours = np.trunc(offset / 60).astype(np.int64)
    body = np.empty((len(array), 13), np.uint8)
    _date_bytes(seconds, body)
    body[:, 7:11] = _big_endian(nanos)
    body[:, 11] = hours + 20
    body[:, 12] = offset - hours * 60 + 60
    return _fixed(body, 13, _valid(array))


def _interval_ds_cells(array: pa.Array[Any]) -> FixedCells:
    days, nanos = (_integers(child) for child in array.flatten()[:2])
    sign = np.where(nanos < 0, -1, 1)
    seconds, fraction = np.divmod(np.abs(nanos), NANOS_PER_SECOND)
    body = np.empty((len(array), 11), np.uint8)
    body[:, :4] = _big_endian(days + types.INTERVAL_BIAS)
    body[:, 4] = sign * (seconds // 3600) + 60
    body[:, 5] = sign * (seconds // 60 % 60) + 60
    body[:, 6] = sign * (seconds % 60) + 60
    body[:, 7:] = _big_endian(sign * fraction + types.INTERVAL_BIAS)
    return _fixed(body, 11, _valid(array))


def _interval_ym_cells(array: pa.Array[Any]) -> FixedCells:
    months = _integers(array)
    sign = np.where(months < 0, -1, 1)
    years, rest = np.divmod(np.abs(months), 12)
    body = np.empty((len(array), 5), np.uint8)
    body[:, :4] = _big_endian(sign * years + types.INTERVAL_BIAS)
    body[:, 4] = sign * rest + 60
    return _fixed(body, 5, _valid(array))


def _rowid_cells(array: pa.Array[Any]) -> RawCells:
    return RawCells.of(
        [b"\x00" if text is None else types.encode_rowid(text) for text in array.to_pylist()]
    )
