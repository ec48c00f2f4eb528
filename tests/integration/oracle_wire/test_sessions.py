"""Login, calls without a statement, interruption, asyncio, pools, the end."""

from __future__ import annotations

import asyncio
import random
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence

import oracledb
import pyarrow as pa
import pytest

from tests.integration.oracle_wire.prepared_database import (
    NUMBERS,
    ROWS,
    PreparedDatabase,
    PreparedSession,
    echo,
    error_of,
    session_of,
)
from tests.sandbox.oracle.server import OracleServer
from tests.sandbox.oracle.session import Bind, Column, Kind, Result
from tests.waiting import SHORT_SECONDS, until


@pytest.mark.parametrize(
    ("user", "password"),
    [("scott", "tiger"), ("Scott", "tiger"), ("old", "elevenG"), ('"Mixed"', "Case รหัส")],
)
def test_login(
    connect: Callable[..., oracledb.Connection], server: OracleServer, user: str, password: str
) -> None:
    connection = connect(user=user, password=password)
    assert connection.version == "19.22.0.0.0"
    assert connection.service_name == "ERP"
    assert session_of(server).user == (user.strip('"') if '"' in user else user.upper())


def test_the_session_knows_its_client(
    connect: Callable[..., oracledb.Connection], server: OracleServer
) -> None:
    connect(program="etl.py", machine="host", osuser="somchai")
    attributes = session_of(server).attributes
    assert attributes["program"] == "etl.py"
    assert attributes["machine"] == "host"
    assert attributes["osuser"] == "somchai"
    assert attributes["service_name"] == "ERP"
    assert attributes["time_zone"][0] in "+-"


def test_a_wrong_password_and_an_unknown_user_are_told_alike(
    connect: Callable[..., oracledb.Connection],
) -> None:
    told = set()
    for user, password in (("scott", "lion"), ("nobody", "tiger"), ("old", "x")):
        with pytest.raises(oracledb.DatabaseError) as error:
            connect(user=user, password=password)
        told.add((error_of(error).full_code, error_of(error).message))
    assert [code for code, _ in told] == ["ORA-01017"]


@pytest.mark.parametrize(("target", "code"), [("SERVICE_NAME", "12514"), ("SID", "12505")])
def test_an_unknown_service_is_refused(
    connect: Callable[..., oracledb.Connection], server: OracleServer, target: str, code: str
) -> None:
    address = f"(ADDRESS=(PROTOCOL=TCP)(HOST=127.0.0.1)(PORT={server.port}))"
    with pytest.raises(oracledb.OperationalError, match=f"ORA-{code}"):
        connect(dsn=f"(DESCRIPTION={address}(CONNECT_DATA=({target}=NOPE)))")
    assert connect(dsn=f"(DESCRIPTION={address}(CONNECT_DATA=({target}=erp)))").is_healthy()


def test_garbage_does_not_stop_the_server(
    server: OracleServer, connect: Callable[..., oracledb.Connection]
) -> None:

    chance = random.Random(1)
    connect_header = bytes.fromhex("003a0000010000000139012c0c41ffffffff4f980000000100000022")
    for length in (0, 1, 7, 8, 30, 5000):
        for start in (b"", connect_header, b"\x00\x0a\x00\x00\x06\x00\x00\x00"):
            with socket.create_connection((server.host, server.port)) as sock:
                sock.sendall(start + chance.randbytes(length))
    assert connect().is_healthy()


def test_ping_commit_rollback(connection: oracledb.Connection, server: OracleServer) -> None:
    session = session_of(server)
    connection.ping()
    session.dirty = True
    connection.ping()
    assert connection.transaction_in_progress
    connection.commit()
    assert session.commits == 1
    assert not connection.transaction_in_progress
    connection.rollback()
    assert session.rollbacks == 1


def test_closing_ends_the_session(
    connect: Callable[..., oracledb.Connection], database: PreparedDatabase
) -> None:
    connection = connect()
    session = database.sessions[-1]
    connection.close()
    until(lambda: session not in database.sessions, "the end of the session")


def test_a_lost_client_interrupts_its_query(
    server: OracleServer, database: PreparedDatabase
) -> None:
    """The process dies while its query runs: nobody may wait for the query's end."""

    code = (
        "import oracledb\n"
        f"oracledb.connect(user='scott', password='tiger', dsn='{server.dsn('ERP')}')"
        ".cursor().execute('select slow')"
    )
    with subprocess.Popen([sys.executable, "-c", code]) as client:
        until(lambda: ("select slow", []) in database.executed, "the query to run")
        session = database.sessions[-1]
        client.kill()
    until(lambda: session not in database.sessions, "the end of the session")


def test_end_to_end_attributes(connection: oracledb.Connection, server: OracleServer) -> None:
    attributes = session_of(server).attributes
    connection.module = "AR"
    connection.action = "extract"
    connection.clientinfo = "ข้อมูล"
    connection.client_identifier = "somchai"
    connection.dbop = "op"
    connection.ping()
    expected = {
        "module": "AR",
        "action": "extract",
        "client_info": "ข้อมูล",
        "client_identifier": "somchai",
        "dbop": "op",
    }
    assert {name: attributes[name] for name in expected} == expected


@pytest.mark.parametrize("module", [None, "", "m"])
@pytest.mark.parametrize("action", [None, "", "a"])
@pytest.mark.parametrize("dbop", [None, "", "d"])
def test_attributes_of_none_and_nothing(
    connection: oracledb.Connection,
    server: OracleServer,
    module: str | None,
    action: str | None,
    dbop: str | None,
) -> None:
    connection.module = module
    connection.action = action
    connection.dbop = dbop
    assert connection.cursor().execute(NUMBERS).fetchone() == (0, None)
    attributes = session_of(server).attributes
    assert [attributes[n] for n in ("module", "action", "dbop")] == [
        value or "" for value in (module, action, dbop)
    ]


def test_current_schema(connection: oracledb.Connection, database: PreparedDatabase) -> None:
    connection.current_schema = "APPS"
    connection.ping()
    assert connection.current_schema == "APPS"
    assert database.executed == [("ALTER SESSION SET CURRENT_SCHEMA = APPS", [])]


def test_an_unsupported_function_is_an_error_and_no_more(connection: oracledb.Connection) -> None:
    with pytest.raises(oracledb.DatabaseError, match="ORA-03115"):
        connection.tpc_begin(connection.xid(1, "g" * 40, "b"))
    assert connection.cursor().execute(NUMBERS).fetchone() == (0, None)


def test_the_unforeseen_is_told_and_the_connection_lives(
    connection: oracledb.Connection, database: PreparedDatabase
) -> None:
    def fail(session: PreparedSession, binds: Sequence[Bind]) -> Result:
        raise RuntimeError("the engine has a bug")

    database.answers["select bug"] = fail
    database.table("select odd", [Column("A", Kind.NUMBER)], [pa.array([[1]])])
    for sql, reason in (("select bug", "the engine has a bug"), ("select odd", "list<")):
        with pytest.raises(oracledb.OperationalError, match="ORA-00604") as error:
            connection.cursor().execute(sql).fetchall()
        assert reason in error_of(error).message
    connection.ping()


def test_an_error_carries_its_offset(connection: oracledb.Connection) -> None:
    with pytest.raises(oracledb.DatabaseError, match="ORA-00942") as error:
        connection.cursor().execute("select 1 from nowhere")
    assert error_of(error).offset == 9


def test_a_call_timeout_interrupts_the_query(connection: oracledb.Connection) -> None:
    connection.call_timeout = int(1000 * SHORT_SECONDS)
    for _ in range(2):
        with pytest.raises(oracledb.DatabaseError, match="DPY-4024"):
            connection.cursor().execute("select slow")
    connection.call_timeout = 0
    assert len(connection.cursor().execute(NUMBERS).fetchall()) == ROWS


def test_cancel_interrupts_the_query(
    connection: oracledb.Connection, database: PreparedDatabase
) -> None:
    def cancel() -> None:
        until(lambda: ("select slow", []) in database.executed, "the query to run")
        connection.cancel()

    thread = threading.Thread(target=cancel)
    thread.start()
    with pytest.raises(oracledb.OperationalError, match="ORA-01013"):
        connection.cursor().execute("select slow")
    thread.join()
    assert len(connection.cursor().execute(NUMBERS).fetchall()) == ROWS


def test_cancel_in_the_middle_of_a_fetch(
    connection: oracledb.Connection, server: OracleServer
) -> None:
    server.faults.set("stall", row=300, times=1)
    cursor = connection.cursor()
    cursor.arraysize = 1000
    cursor.execute(NUMBERS)

    def cancel() -> None:
        until(lambda: "stall" not in server.faults.as_dict(), "the fetch to stand still")
        connection.cancel()

    thread = threading.Thread(target=cancel)
    thread.start()
    with pytest.raises(oracledb.OperationalError, match="ORA-01013"):
        cursor.fetchall()
    thread.join()
    server.faults.clear()
    assert len(connection.cursor().execute(NUMBERS).fetchall()) == ROWS


def test_the_drivers_own_error_resets_the_line(
    connection: oracledb.Connection, database: PreparedDatabase
) -> None:
    """A conversion error makes the driver send a break and a reset at once."""
    database.table("select wide", [Column("A", Kind.NUMBER)], [pa.array([1] * 500 + [10**12])])
    schema = pa.schema([("A", pa.int32())])
    with pytest.raises(oracledb.Error):
        connection.fetch_df_all("select wide", requested_schema=schema)
    assert len(connection.cursor().execute(NUMBERS).fetchall()) == ROWS


def test_asyncio(server: OracleServer, database: PreparedDatabase) -> None:
    database.answers["select :v from dual"] = echo

    async def story() -> None:
        async with oracledb.connect_async(
            user="scott", password="tiger", dsn=server.dsn("ERP")
        ) as connection:
            assert connection.version == "19.22.0.0.0"
            await connection.ping()
            rows = await connection.fetchall(NUMBERS)
            assert len(rows) == ROWS
            rows = await connection.fetchall("select :v from dual", ["x"])
            assert rows == [(repr([("VARCHAR2", "x")]),)]
            total = 0
            async for batch in connection.fetch_df_batches(NUMBERS, size=500):
                total += batch.num_rows()
            assert total == ROWS
            connection.call_timeout = int(1000 * SHORT_SECONDS)
            with pytest.raises(oracledb.DatabaseError, match="DPY-4024"):
                await connection.execute("select slow")
            connection.call_timeout = 0
            await connection.commit()
            assert len(await connection.fetchall(NUMBERS)) == ROWS

    asyncio.run(story())


def test_a_pool(server: OracleServer, database: PreparedDatabase) -> None:
    pool = oracledb.create_pool(
        user="scott", password="tiger", dsn=server.dsn("ERP"), min=1, max=3, increment=1
    )
    with pool.acquire() as one, pool.acquire() as two:
        assert one.cursor().execute(NUMBERS).fetchone() == (0, None)
        two.cursor().execute("ALTER SESSION SET TIME_ZONE = '+07:00'")
        session = database.sessions[-1]
        session.dirty = True
        two.ping()
    until(lambda: session.rollbacks == 1, "the rollback")
    with pool.acquire() as again:
        assert len(again.cursor().execute(NUMBERS).fetchall()) == ROWS
    pool.close()


def test_an_async_pool(server: OracleServer) -> None:
    async def count(pool: oracledb.AsyncConnectionPool) -> int:
        async with pool.acquire() as connection:
            return len(await connection.fetchall(NUMBERS))

    async def story() -> None:
        pool = oracledb.create_pool_async(
            user="scott", password="tiger", dsn=server.dsn("ERP"), min=2, max=4
        )
        assert await asyncio.gather(*(count(pool) for _ in range(8))) == [ROWS] * 8
        await pool.close()

    asyncio.run(story())


def test_stopping_ends_every_thread() -> None:
    database = PreparedDatabase()
    database.answers["select slow"] = lambda session, binds: session.wait_for_interrupt()
    server = OracleServer(database)
    server.start()
    idle = oracledb.connect(user="scott", password="tiger", dsn=server.dsn())
    busy = oracledb.connect(user="scott", password="tiger", dsn=server.dsn())
    failures: list[str] = []

    def run() -> None:
        with pytest.raises(oracledb.DatabaseError) as error:
            busy.cursor().execute("select slow")
        failures.append(error_of(error).full_code)

    thread = threading.Thread(target=run)
    thread.start()
    until(lambda: database.executed, "the query to run")
    server.stop()
    thread.join()
    assert failures == ["DPY-4011"]
    assert not [t.name for t in threading.enumerate() if t.name.startswith("oracle-")] or (
        server.connections == 0
    )
    assert database.sessions == []
    with pytest.raises(oracledb.Error):
        idle.ping()
    server.stop()
