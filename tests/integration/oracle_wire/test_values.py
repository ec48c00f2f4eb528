"""Values of every type, digit for digit, through the row and the Arrow path, and as LOBs."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Callable, Sequence
from decimal import Decimal

import oracledb
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.integration.oracle_wire.prepared_database import PreparedDatabase
from tests.sandbox.oracle.server import OracleServer
from tests.sandbox.oracle.session import Column, Kind
from tests.waiting import until

STAMP = pa.struct([("seconds", pa.int64()), ("nanos", pa.int32())])
ZONED = pa.struct([("seconds", pa.int64()), ("nanos", pa.int32()), ("offset", pa.int16())])
INTERVAL = pa.struct([("days", pa.int64()), ("nanos", pa.int64())])
SQL = "select values"


@pytest.fixture
def put(server: OracleServer) -> Callable[..., None]:
    """Make SQL give one column."""
    database = server.database
    assert isinstance(database, PreparedDatabase)

    def make(column: Column, values: Sequence[object], arrow: pa.DataType) -> None:
        database.table(SQL, [column], [pa.array(values, arrow)])

    return make


def fetched(connection: oracledb.Connection, **defaults: object) -> list[object]:
    with connection.cursor() as cursor:
        cursor.arraysize = 3
        return [value for (value,) in cursor.execute(SQL, **defaults)]


def arrow_of(connection: oracledb.Connection, arrow: pa.DataType | None = None) -> pa.ChunkedArray:
    schema = None if arrow is None else pa.schema([("A", arrow)])
    return pa.table(connection.fetch_df_all(SQL, requested_schema=schema))["A"]


# -- description ---------------------------------------------------------------------------------

T = oracledb
DESCRIPTIONS = [
    (
        Column("A", Kind.VARCHAR2, length=10, nullable=False),
        (T.DB_TYPE_VARCHAR, 10, 10, None, None, False),
    ),
    (
        Column("A", Kind.VARCHAR2, length=10, char_semantics=True),
        (T.DB_TYPE_VARCHAR, 10, 40, None, None, True),
    ),
    (
        Column("A", Kind.VARCHAR2, length=4000),
        (T.DB_TYPE_VARCHAR, 4000, 4000, None, None, True),
    ),
    (
        Column("A", Kind.VARCHAR2, length=32767),
        (T.DB_TYPE_VARCHAR, 32767, 32767, None, None, True),
    ),
    (Column("A", Kind.NVARCHAR2, length=20), (T.DB_TYPE_NVARCHAR, 20, 40, None, None, True)),
    (Column("A", Kind.CHAR, length=3), (T.DB_TYPE_CHAR, 3, 3, None, None, True)),
    (Column("A", Kind.NCHAR, length=3), (T.DB_TYPE_NCHAR, 3, 6, None, None, True)),
    (Column("A", Kind.NUMBER, 7, 2), (T.DB_TYPE_NUMBER, 11, None, 7, 2, True)),
    (Column("A", Kind.NUMBER, 38, 0), (T.DB_TYPE_NUMBER, 39, None, 38, 0, True)),
    (Column("A", Kind.NUMBER, 5, -2), (T.DB_TYPE_NUMBER, 6, None, 5, -2, True)),
    (Column("A", Kind.NUMBER), (T.DB_TYPE_NUMBER, 127, None, 0, -127, True)),
    (Column("A", Kind.FLOAT, 126), (T.DB_TYPE_NUMBER, 127, None, 126, -127, True)),
    (Column("A", Kind.FLOAT, 63), (T.DB_TYPE_NUMBER, 64, None, 63, -127, True)),
    (Column("A", Kind.BINARY_DOUBLE), (T.DB_TYPE_BINARY_DOUBLE, 127, None, None, None, True)),
    (Column("A", Kind.BINARY_FLOAT), (T.DB_TYPE_BINARY_FLOAT, 127, None, None, None, True)),
    (Column("A", Kind.DATE), (T.DB_TYPE_DATE, 23, None, None, None, True)),
    (Column("A", Kind.TIMESTAMP, scale=0), (T.DB_TYPE_TIMESTAMP, 23, None, None, None, True)),
    (Column("A", Kind.TIMESTAMP, scale=9), (T.DB_TYPE_TIMESTAMP, 23, None, 0, 9, True)),
    (Column("A", Kind.TIMESTAMP_TZ, scale=6), (T.DB_TYPE_TIMESTAMP_TZ, 23, None, 0, 6, True)),
    (Column("A", Kind.TIMESTAMP_LTZ, scale=3), (T.DB_TYPE_TIMESTAMP_LTZ, 23, None, 0, 3, True)),
    (
        Column("A", Kind.INTERVAL_DS, 2, 6),
        (T.DB_TYPE_INTERVAL_DS, None, None, 2, 6, True),
    ),
    (Column("A", Kind.INTERVAL_YM, 4), (T.DB_TYPE_INTERVAL_YM, None, None, 4, 0, True)),
    (Column("A", Kind.RAW, length=16), (T.DB_TYPE_RAW, 16, 16, None, None, True)),
    (Column("A", Kind.CLOB), (T.DB_TYPE_CLOB, None, None, None, None, True)),
    (Column("A", Kind.NCLOB), (T.DB_TYPE_NCLOB, None, None, None, None, True)),
    (Column("A", Kind.BLOB), (T.DB_TYPE_BLOB, None, None, None, None, True)),
    (Column("A", Kind.LONG), (T.DB_TYPE_LONG, None, None, None, None, True)),
    (Column("A", Kind.LONG_RAW), (T.DB_TYPE_LONG_RAW, None, None, None, None, True)),
    (Column("A", Kind.ROWID), (T.DB_TYPE_ROWID, None, None, None, None, True)),
]


@pytest.mark.parametrize(("column", "description"), DESCRIPTIONS)
def test_description(
    connection: oracledb.Connection,
    put: Callable[..., None],
    column: Column,
    description: tuple[object, ...],
) -> None:
    put(column, [], pa.null())
    with connection.cursor() as cursor:
        cursor.parse(SQL)
        (described,) = cursor.description
        assert tuple(described) == ("A", *description)


# -- limits --------------------------------------------------------------------------------------

DIGITS_40 = "1234567890" * 4
NUMBERS_AT_LIMITS = [
    "9" * 38,
    "-" + "9" * 38,
    DIGITS_40,
    "-" + DIGITS_40,
    "1E125",
    "-1E125",
    "9.99E125",
    "1E-130",
    "-1E-130",
    "0",
    "0.1",
    "100",
    "-0.01",
    "12345678901234567.89",
    "9223372036854775807",
    "-9223372036854775808",
    "9223372036854775808",
]


def test_numbers_at_their_limits(
    connection: oracledb.Connection, put: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(oracledb.defaults, "fetch_decimals", True)
    put(Column("A", Kind.NUMBER), [*NUMBERS_AT_LIMITS, None], pa.string())
    assert fetched(connection) == [*map(Decimal, NUMBERS_AT_LIMITS), None]


def test_dates_at_their_limits(connection: oracledb.Connection, put: Callable[..., None]) -> None:
    values = [dt.datetime(1, 1, 1), dt.datetime(9999, 12, 31, 23, 59, 59), None]  # noqa: DTZ001
    put(Column("A", Kind.DATE), values, pa.timestamp("s"))
    assert fetched(connection) == values
    assert arrow_of(connection).to_pylist() == values


def test_a_year_before_christ_reaches_the_client(
    connection: oracledb.Connection, put: Callable[..., None]
) -> None:
    """Python has no such year: the driver says so, and the connection goes on."""
    put(Column("A", Kind.DATE), [-210_863_520_000], pa.timestamp("s"))
    with pytest.raises(ValueError, match="year -4712"):
        fetched(connection)
    connection.ping()


def test_nanoseconds(connection: oracledb.Connection, put: Callable[..., None]) -> None:
    """All nine digits are sent (tests/unit/sandbox/test_rows.py); the driver keeps six."""
    values = [{"seconds": 1709212455, "nanos": 123_456_789}, {"seconds": 0, "nanos": 0}, None]
    put(Column("A", Kind.TIMESTAMP, scale=9), values, STAMP)
    expected = [1709212455_123456000, 0, None]
    assert arrow_of(connection).cast(pa.int64()).to_pylist() == expected
    assert fetched(connection)[0] == dt.datetime(2024, 2, 29, 13, 14, 15, 123456)  # noqa: DTZ001


def test_time_zones(connection: oracledb.Connection, put: Callable[..., None]) -> None:
    """The driver adds the offset and gives the local time, naive."""
    moment = {"seconds": 1709212455, "nanos": 5000}
    values = [moment | {"offset": minutes} for minutes in (420, -210, 0, 840, -720)] + [None]
    put(Column("A", Kind.TIMESTAMP_TZ, scale=6), values, ZONED)
    utc = dt.datetime(2024, 2, 29, 13, 14, 15, 5)  # noqa: DTZ001
    expected = [utc + dt.timedelta(minutes=m) for m in (420, -210, 0, 840, -720)] + [None]
    assert fetched(connection) == expected


def test_intervals(connection: oracledb.Connection, put: Callable[..., None]) -> None:
    values = [{"days": -3, "nanos": -4_000_005_000}, {"days": 999_999_999, "nanos": 0}, None]
    put(Column("A", Kind.INTERVAL_DS), values, INTERVAL)
    expected = [dt.timedelta(-3, -4, -5), dt.timedelta(999_999_999), None]
    assert fetched(connection) == expected
    put(Column("A", Kind.INTERVAL_YM), [13, -25, 0, None], pa.int32())
    assert fetched(connection) == [
        oracledb.IntervalYM(1, 1),
        oracledb.IntervalYM(-2, -1),
        oracledb.IntervalYM(0, 0),
        None,
    ]


def test_rowids(connection: oracledb.Connection, put: Callable[..., None]) -> None:
    values = ["AAASdqAAEAAAAInAAA", "D/////P//D/////P//", None]
    put(Column("A", Kind.ROWID), values, pa.string())
    assert fetched(connection) == values


@pytest.mark.parametrize("sdu", [512, 8192])
@pytest.mark.parametrize("kind", [Kind.VARCHAR2, Kind.NVARCHAR2, Kind.LONG])
def test_long_strings(
    connect: Callable[..., oracledb.Connection], put: Callable[..., None], kind: Kind, sdu: int
) -> None:
    sizes = [1, 252, 253, 255, 256, 4000, 16383]
    values = ["ก🎉" * (size // 7) + "x" for size in sizes] + ["y" * 16383, None]
    put(Column("A", kind, length=32767), values, pa.string())
    connection = connect(sdu=sdu)
    assert fetched(connection) == values
    assert arrow_of(connection).to_pylist() == values


def test_a_string_of_32767_bytes(connection: oracledb.Connection, put: Callable[..., None]) -> None:
    values = ["x" * 32767, None, "ย" * 10922]
    put(Column("A", Kind.VARCHAR2, length=32767), values, pa.large_string())
    assert fetched(connection) == values
    put(Column("A", Kind.RAW, length=32767), [b"\x00" * 32767, b"\xff"], pa.binary())
    assert fetched(connection) == [b"\x00" * 32767, b"\xff"]


# -- random values -------------------------------------------------------------------------------

ANY = settings(
    max_examples=40,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


def nullable(values: st.SearchStrategy[object]) -> st.SearchStrategy[list[object]]:
    return st.lists(st.none() | values, min_size=1, max_size=12)


@ANY
@given(values=nullable(st.decimals(-(10**29) + 1, 10**29 - 1, places=9)))
def test_any_decimal(
    connection: oracledb.Connection, put: Callable[..., None], values: list[object]
) -> None:
    put(Column("A", Kind.NUMBER, 38, 9), values, pa.decimal128(38, 9))
    assert arrow_of(connection, pa.decimal128(38, 9)).to_pylist() == values
    assert arrow_of(connection, pa.decimal256(76, 38)).to_pylist() == values


@ANY
@given(values=nullable(st.integers(-(10**38) + 1, 10**38 - 1)))
def test_any_whole_number(
    connection: oracledb.Connection, put: Callable[..., None], values: list[object]
) -> None:
    exact = [None if v is None else Decimal(v) for v in values]  # type: ignore[arg-type]
    put(Column("A", Kind.NUMBER, 38, 0), exact, pa.decimal128(38, 0))
    assert fetched(connection) == values


@ANY
@given(values=nullable(st.text(st.characters(codec="utf-8"), min_size=1, max_size=200)))
def test_any_text(
    connection: oracledb.Connection, put: Callable[..., None], values: list[object]
) -> None:
    for kind in (Kind.VARCHAR2, Kind.NVARCHAR2):
        put(Column("A", kind, length=4000), values, pa.string())
        assert fetched(connection) == values
        assert arrow_of(connection).to_pylist() == values


@ANY
@given(values=nullable(st.binary(min_size=1, max_size=600)))
def test_any_bytes(
    connection: oracledb.Connection, put: Callable[..., None], values: list[object]
) -> None:
    put(Column("A", Kind.RAW, length=2000), values, pa.binary())
    assert fetched(connection) == values
    assert arrow_of(connection).to_pylist() == values


@ANY
@given(values=nullable(st.datetimes()))
def test_any_timestamp(
    connection: oracledb.Connection, put: Callable[..., None], values: list[object]
) -> None:
    for kind in (Kind.TIMESTAMP, Kind.TIMESTAMP_LTZ):
        put(Column("A", kind, scale=6), values, pa.timestamp("us"))
        assert fetched(connection) == values
        assert arrow_of(connection, pa.timestamp("us")).to_pylist() == values


@ANY
@given(values=nullable(st.floats()))
def test_any_double(
    connection: oracledb.Connection, put: Callable[..., None], values: list[object]
) -> None:
    put(Column("A", Kind.BINARY_DOUBLE), values, pa.float64())
    for got in (fetched(connection), arrow_of(connection).to_pylist()):
        assert [repr(value) for value in got] == [
            "nan" if isinstance(v, float) and math.isnan(v) else repr(v) for v in values
        ]


# -- LOBs ----------------------------------------------------------------------------------------

TEXTS = ["สวัสดี 🎉", None, "z", "ก🎉" * 1_000_000]
BLOBS = [b"\x00", None, b"\xff" * 3_000_000, bytes(range(256))]


@pytest.mark.parametrize("sdu", [512, 8192, 65535])
@pytest.mark.parametrize(
    ("kind", "values"), [(Kind.CLOB, TEXTS), (Kind.NCLOB, TEXTS), (Kind.BLOB, BLOBS)]
)
def test_lobs_as_values(
    connect: Callable[..., oracledb.Connection],
    put: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
    kind: Kind,
    values: list[object],
    sdu: int,
) -> None:
    put(Column("A", kind), values, pa.large_binary() if kind is Kind.BLOB else pa.large_string())
    connection = connect(sdu=sdu)
    assert arrow_of(connection).to_pylist() == values
    monkeypatch.setattr(oracledb.defaults, "fetch_lobs", False)
    for _ in range(3):
        assert fetched(connection) == values


def test_the_first_arrow_batch_of_a_lob_query_is_empty(
    connection: oracledb.Connection, put: Callable[..., None]
) -> None:
    put(Column("A", Kind.CLOB), ["x", "y"], pa.string())
    sizes = [batch.num_rows() for batch in connection.fetch_df_batches(SQL, size=1)]
    assert sizes == [0, 1, 1]


@pytest.mark.parametrize(
    ("kind", "values"), [(Kind.CLOB, TEXTS), (Kind.NCLOB, TEXTS), (Kind.BLOB, BLOBS)]
)
def test_lobs_as_locators(
    connection: oracledb.Connection,
    put: Callable[..., None],
    kind: Kind,
    values: list[str | bytes | None],
) -> None:
    put(Column("A", kind), values, pa.large_binary() if kind is Kind.BLOB else pa.large_string())
    for _ in range(2):
        lobs = fetched(connection)
        for lob, value in zip(lobs, values, strict=True):
            if value is None:
                assert lob is None
                continue
            assert lob.read() == value  # type: ignore[attr-defined]
            units = len(value) if isinstance(value, bytes) else len(value.encode("utf-16-be")) // 2
            assert lob.size() == units  # type: ignore[attr-defined]
    tail = lobs[3]
    if kind is Kind.BLOB:
        assert tail.read(11, 5) == bytes(range(10, 15))  # type: ignore[attr-defined]
        assert tail.read(250, 100) == bytes(range(249, 256))  # type: ignore[attr-defined]
        assert tail.read(300, 1) == b""  # type: ignore[attr-defined]
    else:
        assert tail.read(4, 3) == "ก🎉"  # type: ignore[attr-defined]


def test_a_lob_can_be_made_written_and_bound(
    connection: oracledb.Connection, server: OracleServer
) -> None:
    database = server.database
    assert isinstance(database, PreparedDatabase)
    from tests.sandbox.oracle.session import Result

    database.answers["insert into t values (:1, :2)"] = lambda s, b: Result(rows_affected=1)
    clob = connection.createlob(oracledb.DB_TYPE_CLOB, "สวัสดี")
    blob = connection.createlob(oracledb.DB_TYPE_BLOB)
    blob.write(b"abc")
    blob.write(b"Z", 5)
    assert blob.read() == b"abc\x00Z"
    blob.trim(2)
    assert (blob.read(), blob.size()) == (b"ab", 2)
    clob.write("🎉", 7)
    clob.open()
    assert clob.isopen()
    clob.close()
    assert not clob.isopen()
    assert clob.getchunksize() > 0
    connection.cursor().execute("insert into t values (:1, :2)", [clob, blob])
    assert database.executed[-1][1] == ["สวัสดี🎉", b"ab"]


def test_locators_are_let_go(
    connection: oracledb.Connection, server: OracleServer, put: Callable[..., None]
) -> None:
    """The client says when it has done with a LOB; the server must not keep it."""
    put(Column("A", Kind.CLOB), ["x"] * 100, pa.string())
    held = fetched(connection)
    with server._lock:
        lobs = max(server._clients, key=lambda client: client.session_id).lobs
    assert len(lobs) == 100
    del held
    connection.ping()
    until(lambda: len(lobs) == 0, "the end of the temporary LOBs")
