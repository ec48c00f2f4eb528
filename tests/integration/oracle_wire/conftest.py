"""A server over prepared answers, and connections to it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import oracledb
import pyarrow as pa
import pytest

from tests.integration.oracle_wire.prepared_database import NUMBERS, ROWS, PreparedDatabase
from tests.sandbox.oracle.server import OracleServer
from tests.sandbox.oracle.session import Column, Kind


@pytest.fixture(scope="module")
def server() -> Iterator[OracleServer]:
    database = PreparedDatabase(
        passwords={"SCOTT": "tiger", "OLD": "elevenG", "Mixed": "Case รหัส"},
    )
    numbers = [Column("N", Kind.NUMBER, 9, 0), Column("T", Kind.VARCHAR2, length=100)]
    texts = [f"row {i} " + "x" * (i % 90) if i % 7 else None for i in range(ROWS)]
    database.table(NUMBERS, numbers, [pa.array(range(ROWS)), pa.array(texts)])
    database.answers["select slow"] = lambda session, binds: session.wait_for_interrupt()
    with OracleServer(database, verifiers={"OLD": "11g"}) as running:
        yield running


@pytest.fixture
def database(server: OracleServer) -> PreparedDatabase:
    assert isinstance(server.database, PreparedDatabase)
    server.database.executed.clear()
    return server.database


@pytest.fixture
def connect(server: OracleServer) -> Iterator[Callable[..., oracledb.Connection]]:
    opened: list[oracledb.Connection] = []

    def make(**options: object) -> oracledb.Connection:
        given = {"user": "scott", "password": "tiger", "dsn": server.dsn("ERP")} | options
        opened.append(oracledb.connect(**given))
        return opened[-1]

    yield make
    for connection in opened:
        if connection.is_healthy():
            connection.close()


@pytest.fixture
def connection(connect: Callable[..., oracledb.Connection]) -> oracledb.Connection:
    return connect()


@pytest.fixture(autouse=True)
def _no_faults(server: OracleServer) -> Iterator[None]:
    yield
    server.faults.clear()
