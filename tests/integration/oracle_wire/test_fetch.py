"""Rows in any amounts, at any packet size."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import oracledb
import pyarrow as pa
import pytest

from tests.integration.oracle_wire.packet_proxy import PacketProxy
from tests.integration.oracle_wire.prepared_database import (
    NUMBERS,
    ROWS,
    PreparedDatabase,
)
from tests.sandbox.oracle.server import OracleServer
from tests.sandbox.oracle.session import Column, Kind, Result
from tests.waiting import HANG_SECONDS

SDUS = [512, 600, 8192, 65535, 2_000_000]


@pytest.mark.parametrize("sdu", SDUS)
@pytest.mark.parametrize("arraysize", [1, 7, 100, ROWS, 10_000])
@pytest.mark.parametrize("prefetch", [0, 1, 2, ROWS, 5_000])
def test_any_arraysize_and_prefetch_at_any_sdu(
    connect: Callable[..., oracledb.Connection], sdu: int, arraysize: int, prefetch: int
) -> None:
    if arraysize == 1 and prefetch < ROWS and sdu != 512:
        pytest.skip("thousands of round trips; once is enough")
    connection = connect(sdu=sdu)
    for _ in range(2):
        cursor = connection.cursor()
        cursor.arraysize, cursor.prefetchrows = arraysize, prefetch
        rows = cursor.execute(NUMBERS).fetchall()
        assert [row[0] for row in rows] == list(range(ROWS))
        assert rows[89][1] == "row 89 " + "x" * 89
        assert cursor.rowcount == ROWS


@pytest.mark.parametrize("sdu", [512, 600, 8192, 40_000])
def test_no_packet_is_longer_than_the_client_asked(
    connect: Callable[..., oracledb.Connection],
    server: OracleServer,
    database: PreparedDatabase,
    sdu: int,
) -> None:
    database.table("select c", [Column("C", Kind.CLOB)], [pa.array(["ย" * 100_000, "x"])])
    with PacketProxy(server.port) as proxy:
        connection = connect(dsn=f"127.0.0.1:{proxy.port}/ERP", sdu=sdu)
        cursor = connection.cursor()
        cursor.arraysize = 1000
        assert len(cursor.execute(NUMBERS).fetchall()) == ROWS
        assert [len(lob.read()) for (lob,) in cursor.execute("select c")] == [100_000, 1]
        assert connection.fetch_df_all(NUMBERS).num_rows() == ROWS
        connection.close()
    assert max(proxy.lengths) == sdu


def test_rows_arrive_before_the_engine_is_done(
    connection: oracledb.Connection, database: PreparedDatabase
) -> None:
    go_on = threading.Event()

    def batches() -> Iterator[pa.RecordBatch]:
        yield pa.RecordBatch.from_arrays([pa.array(range(100))], ["N"])
        assert go_on.wait(HANG_SECONDS)
        yield pa.RecordBatch.from_arrays([pa.array(range(100, 200))], ["N"])

    columns = (Column("N", Kind.NUMBER, 9, 0),)
    database.answers["select n"] = lambda s, b: Result(columns, batches())
    cursor = connection.cursor()
    cursor.arraysize = cursor.prefetchrows = 50
    cursor.execute("select n")
    assert [n for (n,) in cursor.fetchmany(50)] == list(range(50))
    go_on.set()
    assert [n for (n,) in cursor.fetchall()] == list(range(50, 200))


def test_arrow_batches(connection: oracledb.Connection) -> None:
    batches = [pa.table(batch) for batch in connection.fetch_df_batches(NUMBERS, size=1000)]
    assert [batch.num_rows for batch in batches] == [1000, 1000, 345]
    table = pa.concat_tables(batches)
    assert table.schema.types == [pa.int64(), pa.large_string()]
    assert table["N"].to_pylist() == list(range(ROWS))
    schema = pa.schema([("N", pa.decimal128(38, 9)), ("T", pa.large_string())])
    table = pa.table(connection.fetch_df_all(NUMBERS, requested_schema=schema))
    assert table.schema == schema
    assert table["N"][ROWS - 1].as_py() == ROWS - 1


def test_an_empty_result(connection: oracledb.Connection, database: PreparedDatabase) -> None:
    database.table("select none", [Column("A", Kind.NUMBER)], [pa.array([], pa.int64())])
    assert connection.cursor().execute("select none").fetchall() == []
    assert connection.fetch_df_all("select none").num_rows() == 0


def test_a_cached_result_is_replayed(
    connect: Callable[..., oracledb.Connection], database: PreparedDatabase
) -> None:
    columns = [Column("N", Kind.NUMBER, 9, 0)]
    database.table("select keyed", columns, [pa.array(range(10_000))], cache_key="keyed")
    first = connect().cursor().execute("select keyed").fetchall()
    database.answers["select keyed"] = lambda s, b: Result(
        tuple(columns), iter(()), cache_key="keyed"
    )
    assert connect(sdu=600).cursor().execute("select keyed").fetchall() == first
    assert len(first) == 10_000
