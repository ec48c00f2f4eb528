"""Columns to rows: the column-wise encoders give the bytes that single values give."""

from __future__ import annotations

import datetime as dt
import itertools
from collections.abc import Callable, Sequence
from decimal import Context, Decimal

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.sandbox.oracle import types
from tests.sandbox.oracle.lobs import LobStore
from tests.sandbox.oracle.primitives import encode_clr
from tests.sandbox.oracle.rows import RowBlock, RowCache, RowSource, encode_block
from tests.sandbox.oracle.session import Column, Kind, Result

EXACT = Context(prec=80)
EPOCH = dt.datetime(1970, 1, 1)  # noqa: DTZ001


def nullable(values: st.SearchStrategy[object]) -> st.SearchStrategy[list[object]]:
    return st.lists(st.none() | values, max_size=20)


def block_of(column: Column, array: pa.Array) -> RowBlock:
    batch = pa.RecordBatch.from_arrays([array], names=[column.name])
    return encode_block(batch, [types.describe(column)], LobStore())


def assert_encodes(
    column: Column, array: pa.Array, values: Sequence[object], encode: Callable[..., bytes]
) -> None:
    """Each row is 07 and the value as `encode` gives it, also of a slice of the array."""
    expected = [
        b"\x07" + (b"\x00" if value is None else encode_clr(encode(value))) for value in values
    ]
    block = block_of(column, array)
    assert bytes(block.data) == b"".join(expected)
    offsets = block.offsets.tolist()
    assert [bytes(block.data[a:b]) for a, b in itertools.pairwise(offsets)] == expected
    assert bytes(block_of(column, array.slice(1)).data) == b"".join(expected[1:])


@given(nullable(st.integers(-(2**63) + 1, 2**63 - 1)))
def test_integers(values: list[object]) -> None:
    array = pa.array(values, pa.int64())
    assert_encodes(Column("A", Kind.NUMBER), array, values, types.encode_number)


@pytest.mark.parametrize("scale", [0, 1, 2, 9, 17, 37])
@given(values=nullable(st.integers(-(10**38) + 1, 10**38 - 1)))
def test_decimals(scale: int, values: list[object]) -> None:
    decimals = [None if v is None else Decimal(v).scaleb(-scale, context=EXACT) for v in values]  # type: ignore[arg-type]
    array = pa.array(decimals, pa.decimal128(38, scale))
    assert_encodes(Column("A", Kind.NUMBER), array, decimals, types.encode_number)


@given(nullable(st.integers(-(10**12), 10**12)))
def test_wide_decimals(values: list[object]) -> None:
    decimals = [None if v is None else Decimal(v).scaleb(-6, context=EXACT) for v in values]  # type: ignore[arg-type]
    array = pa.array(decimals, pa.decimal256(76, 20))
    assert_encodes(Column("A", Kind.NUMBER), array, decimals, types.encode_number)


def test_numbers_as_text() -> None:
    values = ["1E125", "-1E-130", "9" * 38 + "00", None]
    array = pa.array(values)
    assert_encodes(Column("A", Kind.NUMBER), array, values, types.encode_number)


@given(nullable(st.text(max_size=90)))
def test_text(values: list[object]) -> None:
    values = [value or None for value in values]
    for array_type in (pa.string(), pa.large_string()):
        array = pa.array(values, array_type)
        assert_encodes(Column("A", Kind.VARCHAR2, length=400), array, values, str.encode)
    array = pa.array(values, pa.string())
    column = Column("A", Kind.NVARCHAR2, length=400)
    assert_encodes(column, array, values, lambda v: v.encode("utf-16-be"))


@pytest.mark.parametrize("size", [1, 252, 253, 255, 256, 300, 4000, 32767, 32768, 70000, 98301])
def test_text_of_any_length(size: int) -> None:
    values = ["a", "x" * size, None, "ไ", "y" * size]
    array = pa.array(values)
    assert_encodes(Column("A", Kind.VARCHAR2), array, values, str.encode)
    blobs = [None if v is None else v.encode() for v in values]
    assert_encodes(Column("A", Kind.RAW), pa.array(blobs), blobs, bytes)


def test_bytes_under_a_null_are_not_sent() -> None:
    whole = pa.array(["abc", "def", "ghi"])
    masked = pa.Array.from_buffers(
        pa.string(), 3, [pa.py_buffer(b"\x05"), *whole.buffers()[1:]], null_count=1
    )
    assert_encodes(Column("A", Kind.VARCHAR2), masked, ["abc", None, "ghi"], str.encode)


@given(nullable(st.floats(width=32)))
def test_floats(values: list[object]) -> None:
    for kind, arrow, wire in (
        (Kind.BINARY_DOUBLE, pa.float64(), types.BINARY_DOUBLE),
        (Kind.BINARY_FLOAT, pa.float32(), types.BINARY_FLOAT),
    ):
        array = pa.array(values, arrow)
        plain = array.to_pylist()
        assert_encodes(
            Column("A", kind), array, plain, lambda v, wire=wire: types.encode_binary_float(v, wire)
        )


@given(nullable(st.datetimes()))
def test_dates_and_timestamps(values: list[object]) -> None:
    array = pa.array(values, pa.timestamp("us"))
    stamp = lambda v: types.encode_datetime(v, types.TIMESTAMP)  # noqa: E731
    assert_encodes(Column("A", Kind.TIMESTAMP), array, values, stamp)
    date = lambda v: types.encode_datetime(v, types.DATE)  # noqa: E731
    assert_encodes(Column("A", Kind.DATE), array, values, date)
    whole = [None if v is None else v.replace(microsecond=0) for v in values]  # type: ignore[attr-defined]
    assert_encodes(Column("A", Kind.DATE), pa.array(whole, pa.timestamp("s")), whole, date)


@pytest.mark.parametrize(
    ("day", "encoded"), [("-4712-01-01", "3558"), ("0000-12-31", "6464"), ("9999-12-31", "C7C7")]
)
def test_years_that_python_has_not(day: str, encoded: str) -> None:
    import numpy as np

    array = pa.array(np.array([day], "datetime64[s]").astype("int64")).cast(pa.timestamp("s"))
    row = bytes(block_of(Column("A", Kind.DATE), array).data)
    assert row[2:4].hex().upper() == encoded
    assert row[4:6] == bytes((int(day[-5:-3]), int(day[-2:])))


SECONDS = st.integers(-62_000_000_000, 250_000_000_000)
NANOS = st.integers(0, 999_999_999)


@given(nullable(st.tuples(SECONDS, NANOS, st.integers(-899, 899))))
def test_zoned_timestamps_with_nanoseconds(values: list[object]) -> None:
    fields = [("seconds", pa.int64()), ("nanos", pa.int32()), ("offset", pa.int16())]
    rows = [None if v is None else dict(zip(("seconds", "nanos", "offset"), v)) for v in values]  # type: ignore[call-overload]  # noqa: B905

    def encode(value: tuple[int, int, int]) -> bytes:
        seconds, nanos, offset = value
        date = types.encode_datetime(EPOCH + dt.timedelta(seconds=seconds), types.DATE)
        return date + nanos.to_bytes(4, "big") + types.encode_zone(offset)

    array = pa.array(rows, pa.struct(fields))
    assert_encodes(Column("A", Kind.TIMESTAMP_TZ), array, values, encode)


def test_timestamps_with_nanoseconds() -> None:
    fields = [("seconds", pa.int64()), ("nanos", pa.int32())]
    array = pa.array([{"seconds": 0, "nanos": 123_456_789}, None], pa.struct(fields))
    data = bytes(block_of(Column("A", Kind.TIMESTAMP, scale=9), array).data)
    assert data.hex() == "070b77aa0101010101075bcd150700"


@given(nullable(st.tuples(st.integers(-999, 999), st.integers(0, 86_399_999_999_999))))
def test_intervals(values: list[object]) -> None:
    signed = [v if v is None else (v[0], -v[1] if v[0] < 0 else v[1]) for v in values]  # type: ignore[index]
    rows = [None if v is None else {"days": v[0], "nanos": v[1]} for v in signed]
    array = pa.array(rows, pa.struct([("days", pa.int64()), ("nanos", pa.int64())]))
    column = Column("A", Kind.INTERVAL_DS)
    assert_encodes(column, array, signed, lambda v: types.encode_interval_ds(*v))


@given(nullable(st.integers(-11_999, 11_999)))
def test_intervals_of_months(values: list[object]) -> None:
    array = pa.array(values, pa.int32())
    assert_encodes(Column("A", Kind.INTERVAL_YM), array, values, types.encode_interval_ym)


def test_long_values_are_followed_by_indicator_and_return_code() -> None:
    block = block_of(Column("A", Kind.LONG), pa.array(["ab", None]))
    assert bytes(block.data).hex() == "0702616200000700810102057d"


def test_a_row_of_several_columns() -> None:
    batch = pa.RecordBatch.from_arrays(
        [pa.array([Decimal("800.5"), None]), pa.array(["x", None])], names=["A", "B"]
    )
    wires = [
        types.describe(column)
        for column in (Column("A", Kind.NUMBER, 7, 2), Column("B", Kind.VARCHAR2, length=10))
    ]
    block = encode_block(batch, wires, LobStore())
    assert bytes(block.data).hex().upper() == "0704C20901330178070000"


def test_an_empty_batch_is_an_empty_block() -> None:
    assert block_of(Column("A", Kind.NUMBER), pa.array([], pa.int64())).rows == 0


def source_of(
    values: range, cache: RowCache, key: str | None, pulled: list[int] | None = None
) -> RowSource:
    column = Column("A", Kind.NUMBER)

    def batches():  # type: ignore[no-untyped-def]
        for start in range(0, len(values), 1000):
            if pulled is not None:
                pulled.append(start)
            part = pa.array(values[start : start + 1000], pa.int64())
            yield pa.RecordBatch.from_arrays([part], names=["A"])

    result = Result((column,), batches(), cache_key=key)
    return RowSource(result, [types.describe(column)], LobStore(), cache)


def drain(source: RowSource, limit: int) -> tuple[bytes, int]:
    data, rows = b"", 0
    while (taken := source.take(limit)) is not None:
        assert 1 <= taken[1] <= limit
        data += taken[0]
        rows += taken[1]
    return data, rows


@pytest.mark.parametrize("limit", [1, 7, 1000, 100_000])
def test_rows_are_the_same_however_they_are_taken(limit: int) -> None:
    cache = RowCache()
    expected = drain(source_of(range(2500), cache, None), 10_000)
    assert expected[1] == 2500
    assert drain(source_of(range(2500), cache, None), limit) == expected
    assert drain(source_of(range(2500), cache, "key"), limit) == expected
    pulled: list[int] = []
    assert drain(source_of(range(2500), cache, "key", pulled), limit) == expected
    assert pulled == []  # replayed: the engine was not asked


def test_rows_leave_before_the_result_was_read() -> None:
    pulled: list[int] = []
    source = source_of(range(10_000), RowCache(), "key", pulled)
    assert source.take(10) is not None
    assert pulled == [0]


def test_a_result_that_was_not_read_to_its_end_is_not_kept() -> None:
    cache = RowCache()
    source_of(range(5000), cache, "key").take(10)
    assert drain(source_of(range(5000), cache, "key"), 100_000)[1] == 5000


def test_the_cache_forgets_the_least_recently_used() -> None:
    sizes = []
    for key in "ab":
        probe = RowCache()
        drain(source_of(range(1000), probe, key), 1000)
        sizes.append(
            sum(b.data.nbytes + b.offsets.nbytes for b in next(iter(probe._entries.values())))
        )
    cache = RowCache(max_bytes=sum(sizes))
    for key in ("a", "b", "a", "c"):
        drain(source_of(range(1000), cache, key), 1000)
    kept = [key[0] for key in cache._entries]  # type: ignore[index]
    assert kept == ["a", "c"]
