"""Faults in the middle of fetches, and what the driver makes of them."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable

import oracledb
import pytest

from tests.integration.oracle_wire.prepared_database import NUMBERS, ROWS, error_of
from tests.sandbox.oracle.server import OracleServer
from tests.waiting import SHORT_SECONDS


def fetch(connection: oracledb.Connection, arraysize: int = 100) -> list[tuple[object, ...]]:
    with connection.cursor() as cursor:
        cursor.arraysize = arraysize
        return cursor.execute(NUMBERS).fetchall()


@pytest.mark.parametrize(("code", "known"), [(12514, "DPY-6001"), (12528, "ORA-12528")])
def test_refuse_service(
    connect: Callable[..., oracledb.Connection], server: OracleServer, code: int, known: str
) -> None:
    server.faults.set("refuse_service", code=code, times=1)
    with pytest.raises(oracledb.OperationalError, match=known):
        connect()
    assert connect().is_healthy()


def test_silent(server: OracleServer) -> None:
    server.faults.set("silent", times=1)

    async def story() -> None:
        with pytest.raises((oracledb.Error, TimeoutError)):
            await asyncio.wait_for(
                oracledb.connect_async(user="scott", password="tiger", dsn=server.dsn("ERP")), 0.5
            )

    asyncio.run(story())
    assert server.faults.as_dict() == {}


@pytest.mark.parametrize("rows", [0, 1, 100, 101, 2000])
def test_drop_after_rows(
    connect: Callable[..., oracledb.Connection], server: OracleServer, rows: int
) -> None:
    connection = connect()
    server.faults.set("drop_after_rows", rows=rows, times=1)
    cursor = connection.cursor()
    cursor.arraysize = 50
    got = []
    with pytest.raises(oracledb.DatabaseError, match="DPY-4011") as error:
        cursor.execute(NUMBERS)
        while batch := cursor.fetchmany():
            got += batch
    assert error_of(error).isrecoverable
    assert rows - 52 <= len(got) <= rows
    assert not connection.is_healthy()
    assert len(fetch(connect())) == ROWS


@pytest.mark.parametrize("size", [0, 1, 500, 40_000])
def test_drop_after_bytes(
    connect: Callable[..., oracledb.Connection], server: OracleServer, size: int
) -> None:
    connection = connect()
    server.faults.set("drop_after_bytes", bytes=size, times=1)
    with pytest.raises(oracledb.DatabaseError, match="DPY-4011"):
        fetch(connection)
    assert len(fetch(connect())) == ROWS


@pytest.mark.parametrize("row", [0, 1, 99, 100, 1500])
def test_error_at_row(connection: oracledb.Connection, server: OracleServer, row: int) -> None:
    server.faults.set("error_at_row", row=row, code=1555, text="snapshot too old", times=1)
    with pytest.raises(oracledb.DatabaseError, match="ORA-01555: snapshot too old"):
        fetch(connection)
    assert len(fetch(connection)) == ROWS


def test_arrow_batches_before_the_error_are_delivered(
    connection: oracledb.Connection, server: OracleServer
) -> None:
    server.faults.set("error_at_row", row=1000, code=1555, text="snapshot too old")
    got = 0
    with pytest.raises(oracledb.DatabaseError, match="ORA-01555"):
        for batch in connection.fetch_df_batches(NUMBERS, size=400):
            got += batch.num_rows()
    assert got == 800


def test_a_fault_strikes_only_the_statement_that_it_names(
    connection: oracledb.Connection, server: OracleServer
) -> None:
    server.faults.set("error_at_row", row=0, code=1555, text="x", match="other_table")
    assert len(fetch(connection)) == ROWS


def test_stall_for_some_seconds(connection: oracledb.Connection, server: OracleServer) -> None:
    server.faults.set("stall", row=700, seconds=0.4)
    before = time.monotonic()
    assert len(fetch(connection)) == ROWS
    assert time.monotonic() - before >= 0.4


def test_stall_until_cleared(connection: oracledb.Connection, server: OracleServer) -> None:
    server.faults.set("stall", row=700, times=1)
    timer = threading.Timer(0.3, server.faults.clear)
    before = time.monotonic()
    timer.start()
    assert len(fetch(connection)) == ROWS
    assert time.monotonic() - before >= 0.25
    timer.join()


def test_a_stall_ends_with_the_call_timeout(
    connection: oracledb.Connection, server: OracleServer
) -> None:
    server.faults.set("stall", row=0)
    connection.call_timeout = int(1000 * SHORT_SECONDS)
    with pytest.raises(oracledb.DatabaseError, match="DPY-4024"):
        fetch(connection)
    server.faults.clear()
    connection.call_timeout = 0
    assert len(fetch(connection)) == ROWS


def test_rows_per_second(connection: oracledb.Connection, server: OracleServer) -> None:
    server.faults.set("rows_per_second", rate=5000)
    before = time.monotonic()
    assert len(fetch(connection, arraysize=1000)) == ROWS
    assert time.monotonic() - before >= 0.9 * ROWS / 5000
