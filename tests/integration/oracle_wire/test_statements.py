"""Statements with binds of every type and direction, executed again and many times."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from decimal import Decimal

import oracledb
import pyarrow as pa
import pytest

from tests.integration.oracle_wire.prepared_database import (
    NUMBERS,
    ROWS,
    PreparedDatabase,
    PreparedSession,
    echo,
    session_of,
)
from tests.sandbox.oracle.errors import OracleError
from tests.sandbox.oracle.server import OracleServer
from tests.sandbox.oracle.session import Bind, Column, Kind, Result


@pytest.mark.parametrize(
    ("value", "kind", "seen"),
    [
        ("ก🎉", "VARCHAR2", "ก🎉"),
        ("", "VARCHAR2", None),
        (None, "VARCHAR2", None),
        (0, "NUMBER", 0),
        (-(10**39), "NUMBER", -(10**39)),
        (1.5, "NUMBER", Decimal("1.5")),
        (Decimal("-1E-130"), "NUMBER", Decimal("-1E-130")),
        (True, "NUMBER", 1),
        (dt.datetime(2024, 2, 29, 13, 14, 15), "DATE", dt.datetime(2024, 2, 29, 13, 14, 15)),  # noqa: DTZ001
        (dt.date(9999, 12, 31), "DATE", dt.datetime(9999, 12, 31)),  # noqa: DTZ001
        (dt.timedelta(-3, 4, 5), "INTERVAL DAY TO SECOND", dt.timedelta(-3, 4, 5)),
        (b"\x00\xff", "RAW", b"\x00\xff"),
        ("x" * 3000, "VARCHAR2", "x" * 3000),
    ],
)
def test_binds_of_every_type(
    connection: oracledb.Connection,
    database: PreparedDatabase,
    value: object,
    kind: str,
    seen: object,
) -> None:
    database.answers["select :v from dual"] = echo
    for _ in range(3):  # parsed, then from the statement cache
        (row,) = connection.cursor().execute("select :v from dual", v=value)
        assert row == (repr([(kind, seen)]),)


@pytest.mark.parametrize(
    ("db_type", "value", "kind"),
    [
        (oracledb.DB_TYPE_TIMESTAMP, dt.datetime(2024, 1, 2, 3, 4, 5, 678901), "TIMESTAMP"),  # noqa: DTZ001
        (oracledb.DB_TYPE_TIMESTAMP, dt.datetime(2024, 1, 2), "TIMESTAMP"),  # noqa: DTZ001
        (
            oracledb.DB_TYPE_TIMESTAMP_LTZ,
            dt.datetime(2024, 1, 2, 3, 4, 5, 6),  # noqa: DTZ001
            "TIMESTAMP WITH LOCAL TIME ZONE",
        ),
        (oracledb.DB_TYPE_BINARY_DOUBLE, -1.25, "BINARY_DOUBLE"),
        (oracledb.DB_TYPE_BINARY_FLOAT, 0.5, "BINARY_FLOAT"),
        (oracledb.DB_TYPE_NVARCHAR, "ไทย🎉", "NVARCHAR2"),
        (oracledb.DB_TYPE_CHAR, "ab", "CHAR"),
        (oracledb.DB_TYPE_LONG, "ab", "LONG"),
    ],
)
def test_binds_with_input_sizes(
    connection: oracledb.Connection,
    database: PreparedDatabase,
    db_type: oracledb.DbType,
    value: object,
    kind: str,
) -> None:
    database.answers["select :v from dual"] = echo
    cursor = connection.cursor()
    cursor.setinputsizes(v=db_type)
    (row,) = cursor.execute("select :v from dual", v=value)
    assert row == (repr([(kind, value)]),)


@pytest.mark.parametrize("sdu", [512, 8192])
@pytest.mark.parametrize("size", [10, 3000, 20_000])
def test_a_bind_that_cannot_be_read_is_an_error_and_no_more(
    connect: Callable[..., oracledb.Connection], sdu: int, size: int
) -> None:
    """The rest of the request, however many packets it takes, is dropped."""
    connection = connect(sdu=sdu)
    cursor = connection.cursor()
    cursor.setinputsizes(v=oracledb.DB_TYPE_JSON)
    with pytest.raises(oracledb.DatabaseError, match="ORA-03115"):
        cursor.execute("select :v, :w from dual", v={"a": "x" * size}, w=1)
    assert len(connection.cursor().execute(NUMBERS).fetchall()) == ROWS


def test_a_zoned_bind_is_utc(connection: oracledb.Connection, database: PreparedDatabase) -> None:
    """The driver sends the clock fields unchanged and the zone UTC."""
    database.answers["select :v from dual"] = echo
    cursor = connection.cursor()
    cursor.setinputsizes(v=oracledb.DB_TYPE_TIMESTAMP_TZ)
    value = dt.datetime(2024, 1, 2, 3, 4, 5, 6, tzinfo=dt.UTC)
    cursor.execute("select :v from dual", v=value)
    assert database.executed[-1][1] == [value]


def test_binds_named_numbered_and_repeated(
    connection: oracledb.Connection, database: PreparedDatabase
) -> None:
    for sql, given in (
        ("select :a, :b, :a from dual", {"a": 1, "b": "x"}),
        ("select :1, :2, :3 from dual", [1, "x", 1]),
        ("select :a, ':b', :\"q\" -- :c\n, /* :d */ :a from dual", [1, "x", 1]),
    ):
        database.answers[sql] = echo
        connection.cursor().execute(sql, given).fetchall()
        assert database.executed[-1] == (sql, [1, "x", 1])


def test_long_binds_come_last_on_the_wire_and_in_their_place_to_the_session(
    connection: oracledb.Connection, database: PreparedDatabase
) -> None:
    sql = "insert into t values (:1, :2, :3, :4)"
    database.answers[sql] = lambda session, binds: Result(rows_affected=1)
    values = ["ย" * 20_000, 1, b"\x01" * 40_000, "end"]
    for _ in range(2):
        connection.cursor().execute(sql, values)
        assert database.executed[-1][1] == values


def test_a_changed_bind_type_is_seen(
    connection: oracledb.Connection, database: PreparedDatabase
) -> None:
    database.answers["select :v from dual"] = echo
    for value in (1, "x" * 10, "x" * 3000, None, b"\x01", 2):
        connection.cursor().execute("select :v from dual", [value]).fetchall()
        assert database.executed[-1][1] == [value]


def test_executemany(connection: oracledb.Connection, database: PreparedDatabase) -> None:
    sql = "insert into t values (:1, :2)"
    database.answers[sql] = lambda session, binds: Result(rows_affected=1)
    rows = [(i, f"row {i}") for i in range(500)]
    cursor = connection.cursor()
    for _ in range(2):
        cursor.executemany(sql, rows)
        assert cursor.rowcount == 500
    assert [tuple(values) for _, values in database.executed] == rows * 2


def test_executemany_with_batch_errors_and_row_counts(
    connection: oracledb.Connection, database: PreparedDatabase
) -> None:
    def insert(session: PreparedSession, binds: Sequence[Bind]) -> Result:
        if binds[0].value == 3:
            raise OracleError(1, "unique constraint (T.PK) violated")
        return Result(rows_affected=int(str(binds[0].value)))

    database.answers["update t set a = :1"] = insert
    cursor = connection.cursor()
    rows = [(i,) for i in range(1, 6)]
    cursor.executemany("update t set a = :1", rows, batcherrors=True, arraydmlrowcounts=True)
    assert [(e.offset, e.full_code) for e in cursor.getbatcherrors()] == [(2, "ORA-00001")]
    assert cursor.getarraydmlrowcounts() == [1, 2, 4, 5]
    with pytest.raises(oracledb.IntegrityError, match="ORA-00001"):
        cursor.executemany("update t set a = :1", rows)
    connection.ping()


def test_autocommit(connection: oracledb.Connection, server: OracleServer) -> None:
    session = session_of(server)
    session.database.answers["delete t"] = lambda s, b: Result(rows_affected=7)
    connection.autocommit = True
    cursor = connection.cursor()
    for commits in (1, 2):
        cursor.execute("delete t")
        assert cursor.rowcount == 7
        assert session.commits == commits


def test_returning(connection: oracledb.Connection, database: PreparedDatabase) -> None:
    sql = "insert into t values (:a) returning id, b into :id, :b"
    database.answers[sql] = lambda session, binds: Result(rows_affected=1, out={1: [42], 2: ["x"]})
    cursor = connection.cursor()
    for _ in range(2):
        number, text = cursor.var(int), cursor.var(str)
        cursor.execute(sql, a=5, id=number, b=text)
        assert (number.getvalue(), text.getvalue()) == ([42], ["x"])
        assert database.executed[-1][1] == [5, None, None]


def test_plsql_out_and_in_out(connection: oracledb.Connection, database: PreparedDatabase) -> None:
    sql = "begin p(:a, :b, :c); end;"

    def block(session: PreparedSession, binds: Sequence[Bind]) -> Result:
        return Result(out={0: f"<{binds[2].value}>", 1: (int(str(binds[1].value)) + 1)})

    database.answers[sql] = block
    cursor = connection.cursor()
    out, both = cursor.var(str, 100), cursor.var(int)
    both.setvalue(0, 41)
    for expected in (42, 43, 44):
        cursor.execute(sql, a=out, b=both, c="in")
        assert (out.getvalue(), both.getvalue()) == ("<in>", expected)


@pytest.mark.parametrize(
    ("db_type", "value"),
    [
        (oracledb.DB_TYPE_VARCHAR, "ไทย"),
        (oracledb.DB_TYPE_NVARCHAR, "ไทย🎉"),
        (oracledb.DB_TYPE_VARCHAR, None),
        (oracledb.DB_TYPE_NUMBER, 12),
        (oracledb.DB_TYPE_DATE, dt.datetime(2024, 2, 29, 1, 2, 3)),  # noqa: DTZ001
        (oracledb.DB_TYPE_TIMESTAMP, dt.datetime(2024, 2, 29, 1, 2, 3, 4)),  # noqa: DTZ001
        (oracledb.DB_TYPE_INTERVAL_DS, dt.timedelta(1, 2, 3)),
        (oracledb.DB_TYPE_RAW, b"\x00\x01"),
        (oracledb.DB_TYPE_BINARY_DOUBLE, 2.5),
        (oracledb.DB_TYPE_BOOLEAN, True),
    ],
)
def test_out_binds_of_every_type(
    connection: oracledb.Connection,
    database: PreparedDatabase,
    db_type: oracledb.DbType,
    value: object,
) -> None:
    database.answers["begin :r := f(:x); end;"] = lambda s, b: Result(out={0: value})
    cursor = connection.cursor()
    out = cursor.var(db_type)
    for _ in range(2):
        cursor.execute("begin :r := f(:x); end;", r=out, x=1)
        assert out.getvalue() == value


def test_an_out_lob(connection: oracledb.Connection, database: PreparedDatabase) -> None:
    database.answers["begin :r := f; end;"] = lambda s, b: Result(out={0: "ย" * 50_000})
    cursor = connection.cursor()
    out = cursor.var(oracledb.DB_TYPE_CLOB)
    cursor.execute("begin :r := f; end;", r=out)
    assert out.getvalue().read() == "ย" * 50_000


def test_an_out_value_that_does_not_fit(
    connection: oracledb.Connection, database: PreparedDatabase
) -> None:
    database.answers["begin :r := f; end;"] = lambda s, b: Result(out={0: "x" * 300})
    cursor = connection.cursor()
    out = cursor.var(str, 10)
    with pytest.raises(oracledb.DatabaseError, match="ORA-06502"):
        cursor.execute("begin :r := f; end;", r=out)
    connection.ping()


def test_plsql_many_and_without_out(
    connection: oracledb.Connection, database: PreparedDatabase
) -> None:
    database.answers["begin p(:1); end;"] = lambda s, b: Result()
    cursor = connection.cursor()
    cursor.execute("begin p(:1); end;", [0])
    cursor.executemany("begin p(:1); end;", [(i,) for i in range(1, 5)])
    assert [values for _, values in database.executed] == [[i] for i in range(5)]


def test_plsql_tables_in(connection: oracledb.Connection, database: PreparedDatabase) -> None:
    database.answers["begin p(:1); end;"] = lambda s, b: Result()
    cursor = connection.cursor()
    values = cursor.arrayvar(int, [1, 2, 3], 5)
    cursor.execute("begin p(:1); end;", [values])
    assert database.executed[-1][1] == [[1, 2, 3]]


def test_parse(connection: oracledb.Connection, database: PreparedDatabase) -> None:
    database.answers["begin p; end;"] = lambda s, b: Result()
    cursor = connection.cursor()
    cursor.parse(NUMBERS)
    assert [column[0] for column in cursor.description] == ["N", "T"]
    assert cursor.execute(NUMBERS).fetchone() == (0, None)
    cursor.parse("begin p; end;")
    with pytest.raises(oracledb.DatabaseError, match="ORA-00942"):
        cursor.parse("select x from nowhere")


def test_a_statement_that_changes_its_columns(
    connection: oracledb.Connection, database: PreparedDatabase
) -> None:
    database.table("select *", [Column("A", Kind.NUMBER)], [pa.array([1])])
    assert connection.cursor().execute("select *").fetchall() == [(1,)]
    columns = [Column("B", Kind.VARCHAR2, length=5), Column("A", Kind.NUMBER)]
    database.table("select *", columns, [pa.array(["x"]), pa.array([1])])
    cursor = connection.cursor()
    assert cursor.execute("select *").fetchall() == [("x", 1)]
    assert [column[0] for column in cursor.description] == ["B", "A"]


def test_many_cursors_at_once(connection: oracledb.Connection) -> None:
    # More than AUTH_MAX_OPEN_CURSORS (300) at once make the driver raise IndexError.
    cursors = [connection.cursor() for _ in range(290)]
    for cursor in cursors:
        cursor.arraysize = 10
        cursor.execute(NUMBERS)
    assert all(len(cursor.fetchmany(35)) == 35 for cursor in cursors)
    for cursor in cursors:
        cursor.close()
    connection.ping()
