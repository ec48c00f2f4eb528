"""What the product relies on in Oracle, each fact one test, through the real driver.

Runs against the sandbox; against a real server when ETL_TEST_ORACLE_DSN, ETL_TEST_ORACLE_USER
and ETL_TEST_ORACLE_PASSWORD are set. Facts that need a view of real rows take it from
ETL_TEST_ORACLE_VIEW (OWNER.NAME, readable, with FLASHBACK) and are skipped without it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

import oracledb
import pyarrow as pa
import pytest

from tests.sandbox.serve import Sandbox
from tests.waiting import SHORT_SECONDS

Connect = Callable[[], oracledb.Connection]
Row = tuple[object, ...]
DSN = os.environ.get("ETL_TEST_ORACLE_DSN", "")


@dataclass(frozen=True)
class Server:
    """What is under test."""

    connect: Connect
    view: str


@pytest.fixture(scope="module")
def server(request: pytest.FixtureRequest) -> Server:
    if DSN:
        user, password = (os.environ[f"ETL_TEST_ORACLE_{n}"] for n in ("USER", "PASSWORD"))
        view = os.environ.get("ETL_TEST_ORACLE_VIEW", "")
        return Server(lambda: oracledb.connect(user=user, password=password, dsn=DSN), view)
    sandbox: Sandbox = request.getfixturevalue("oracle_sandbox")
    return Server(
        lambda: oracledb.connect(
            user=sandbox.reader, password=sandbox.reader_password, dsn=sandbox.oracle_dsn
        ),
        "ERP.V_AR_RECEIPTS",
    )


@pytest.fixture
def connection(server: Server) -> Iterator[oracledb.Connection]:
    with server.connect() as opened:
        opened.cursor().execute("ALTER SESSION SET TIME_ZONE = '+00:00'")
        yield opened


@pytest.fixture
def view(server: Server) -> str:
    if not server.view:
        pytest.skip("ETL_TEST_ORACLE_VIEW is not set")
    return server.view


@pytest.fixture
def row(connection: oracledb.Connection) -> Callable[..., Row]:
    """`row("1 + :a", a=1)`: the values of a select list over DUAL."""

    def ask(items: str, **binds: object) -> Row:
        cursor = connection.cursor()
        cursor.execute(f"SELECT {items} FROM dual", binds)
        return cursor.fetchone()

    return ask


def code_of(connection: oracledb.Connection, sql: str, **binds: object) -> tuple[str, int]:
    """The code and the offset of the error that a statement ends with."""
    with pytest.raises(oracledb.Error) as caught:
        connection.cursor().execute(sql, binds).fetchall()
    return caught.value.args[0].full_code, caught.value.args[0].offset


def exact(connection: oracledb.Connection, expression: str) -> Decimal:
    """A number without any float on the way."""
    cursor = connection.cursor()
    return cursor.execute(f"SELECT {expression} FROM dual", fetch_decimals=True).fetchone()[0]


# -- values -------------------------------------------------------------------------------------


def test_the_empty_string_is_null(row: Callable[..., Row]) -> None:
    assert row("'', NVL('', 'x'), LENGTH(''), 'a' || '' || 'b'") == (None, "x", None, "ab")
    assert row("CASE WHEN :a IS NULL THEN 1 END", a="") == (1,)


def test_integer_division_keeps_decimals(connection: oracledb.Connection) -> None:
    assert exact(connection, "7 / 2") == Decimal("3.5")
    third = exact(connection, "1 / 3")
    assert abs(third * 3 - 1) < Decimal("1E-37")


def test_money_is_exact(connection: oracledb.Connection) -> None:
    total = exact(connection, "CAST(1234567890123456.78 AS NUMBER(18,2)) * 3 + 0.01")
    assert total == Decimal("3703703670370370.35")


def test_round_is_half_away_from_zero(connection: oracledb.Connection) -> None:
    for expression, expected in (
        ("ROUND(2.5)", "3"),
        ("ROUND(-2.5)", "-3"),
        ("ROUND(1.0000000005, 9)", "1.000000001"),
        ("ROUND(-1.0000000005, 9)", "-1.000000001"),
    ):
        assert exact(connection, expression) == Decimal(expected)


@pytest.mark.parametrize(
    "text",
    ["0", "-0.5", "9" * 38, "-" + "9" * 38, "1E125", "-1E125", "1E-130", "123456789.123456789"],
)
def test_numbers_at_their_limits_survive(connection: oracledb.Connection, text: str) -> None:
    assert exact(connection, f"TO_NUMBER('{text}')") == Decimal(text)


def test_tm9_writes_every_digit_without_a_leading_zero(row: Callable[..., Row]) -> None:
    assert row("TO_CHAR(0.5, 'TM9'), TO_CHAR(-12.30, 'TM9')") == (".5", "-12.3")
    assert row("TO_CHAR(12345678901234567890.123456789, 'TM9')") == (
        "12345678901234567890.123456789",
    )


def test_a_bare_number_is_described_without_precision(connection: oracledb.Connection) -> None:
    cursor = connection.cursor()
    cursor.execute("SELECT CAST(1 AS NUMBER) a, CAST(1 AS NUMBER(9,2)) b, 1 + 1 c FROM dual")
    described = [(c.precision, c.scale) for c in cursor.description]
    assert described == [(0, -127), (9, 2), (0, -127)]


def test_char_is_padded_and_a_varchar_bind_compares_unpadded(row: Callable[..., Row]) -> None:
    assert row("CAST('ab' AS CHAR(4))") == ("ab  ",)
    assert row("CASE WHEN CAST('ab' AS CHAR(4)) = 'ab' THEN 1 END") == (1,)
    assert row("CASE WHEN CAST('ab' AS CHAR(4)) = :a THEN 1 END", a="ab") == (None,)


def test_text_of_any_script_survives(row: Callable[..., Row]) -> None:
    text = "ใบแจ้งหนี้ 😀\n\t\"'\\N,;"
    assert row(":a", a=text) == (text,)
    assert row("LENGTH(:a)", a="ไทย") == (3,)


def test_raw_and_hex_are_inverse(row: Callable[..., Row]) -> None:
    assert row("HEXTORAW('00FF10'), RAWTOHEX(HEXTORAW('00ff10'))") == (b"\0\xff\x10", "00FF10")


def test_intervals_as_text(row: Callable[..., Row]) -> None:
    span = "TO_CHAR(CAST(INTERVAL '1 02:03:04.5' DAY TO SECOND AS INTERVAL DAY(2) TO SECOND(6)))"
    assert row(span) == ("+01 02:03:04.500000",)
    years = "TO_CHAR(CAST(INTERVAL '1-2' YEAR TO MONTH AS INTERVAL YEAR(2) TO MONTH))"
    assert row(years) == ("+01-02",)


# -- dates and clocks ---------------------------------------------------------------------------


def test_dates_add_in_days(row: Callable[..., Row]) -> None:
    assert row("DATE '2024-02-28' + 2, DATE '2024-03-01' - DATE '2024-02-28'") == (
        datetime.fromisoformat("2024-03-01"),
        2,
    )


def test_a_date_before_year_one_aborts_the_fetch_and_the_guard_prevents_it(
    row: Callable[..., Row],
) -> None:
    with pytest.raises(ValueError, match="year"):
        row("DATE '-4711-01-01'")
    guard = "CASE WHEN {0} >= DATE '0001-01-01' THEN {0} END"
    assert row(guard.format("DATE '-4711-01-01'")) == (None,)
    assert row(guard.format("DATE '0001-01-01'")) == (datetime.fromisoformat("0001-01-01"),)
    assert row("TO_CHAR(DATE '-4711-01-01', 'SYYYY')") == ("-4711",)


def test_the_last_day_that_there_is_survives(row: Callable[..., Row]) -> None:
    assert row("DATE '9999-12-31', DATE '4712-12-31'") == (
        datetime.fromisoformat("9999-12-31"),
        datetime.fromisoformat("4712-12-31"),
    )


def test_a_datetime_binds_as_date_and_loses_its_fraction(row: Callable[..., Row]) -> None:
    moment = datetime.fromisoformat("2024-01-02 03:04:05.678901")
    assert row("CAST(:a AS DATE)", a=moment) == (moment.replace(microsecond=0),)


def test_a_timestamp_bind_keeps_microseconds(connection: oracledb.Connection) -> None:
    moment = datetime.fromisoformat("2024-01-02 03:04:05.678901")
    cursor = connection.cursor()
    cursor.setinputsizes(a=oracledb.DB_TYPE_TIMESTAMP)
    cursor.execute("SELECT CAST(:a AS TIMESTAMP) FROM dual", a=moment)
    assert cursor.fetchone() == (moment,)


def test_zoned_timestamps_compare_as_instants(row: Callable[..., Row]) -> None:
    left = "TIMESTAMP '2024-01-01 07:00:00 +07:00'"
    bound = "FROM_TZ(CAST(:a AS TIMESTAMP), 'UTC')"
    test = f"CASE WHEN {left} = {bound} THEN 1 END"
    assert row(test, a=datetime.fromisoformat("2024-01-01")) == (1,)


def test_utc_is_extracted_from_any_zone(row: Callable[..., Row]) -> None:
    expected = (datetime.fromisoformat("2023-12-31 17:00"),)
    assert row("SYS_EXTRACT_UTC(TIMESTAMP '2024-01-01 00:00:00 +07:00')") == expected
    assert row("SYS_EXTRACT_UTC(TIMESTAMP '2024-01-01 00:00:00 Asia/Bangkok')") == expected


def test_casting_a_timestamp_rounds_to_its_precision(row: Callable[..., Row]) -> None:
    value = "TIMESTAMP '2024-01-01 00:00:00.1234567'"
    assert row(f"CAST({value} AS TIMESTAMP(6)), CAST({value} AS TIMESTAMP(3))") == (
        datetime.fromisoformat("2024-01-01 00:00:00.123457"),
        datetime.fromisoformat("2024-01-01 00:00:00.123"),
    )


def test_sysdate_and_systimestamp_are_one_clock(row: Callable[..., Row]) -> None:
    day, moment = row("SYSDATE, CAST(SYSTIMESTAMP AS TIMESTAMP)")
    assert abs(day - moment) < timedelta(seconds=2)  # type: ignore[operator]


def test_the_session_zone_moves_current_date_and_not_sysdate(
    connection: oracledb.Connection,
) -> None:
    def clocks(zone: str) -> Row:
        cursor = connection.cursor()
        cursor.execute(f"ALTER SESSION SET TIME_ZONE = '{zone}'")
        cursor.execute("SELECT SYSDATE, CURRENT_DATE FROM dual")
        return cursor.fetchone()

    (west_server, west), (east_server, east) = clocks("-05:00"), clocks("+09:00")
    assert abs(east_server - west_server) < timedelta(seconds=5)  # type: ignore[operator]
    assert abs(east - west - timedelta(hours=14)) < timedelta(seconds=5)  # type: ignore[operator]


def test_to_char_and_to_date_are_inverse(row: Callable[..., Row]) -> None:
    model = "YYYY-MM-DD HH24:MI:SS"
    text = "2024-02-29 23:59:58"
    assert row(f"TO_CHAR(TO_DATE('{text}', '{model}'), '{model}')") == (text,)


def test_nls_settings_rule_implicit_conversion(connection: oracledb.Connection) -> None:
    cursor = connection.cursor()
    cursor.execute("ALTER SESSION SET NLS_DATE_FORMAT = 'YYYY/MM/DD'")
    cursor.execute(
        "SELECT TO_CHAR(DATE '2024-01-02') FROM dual WHERE DATE '2024-01-02' = '2024/01/02'"
    )
    assert cursor.fetchone() == ("2024/01/02",)


# -- order, limits, hashes ------------------------------------------------------------------------


def test_nulls_sort_last_and_text_sorts_by_bytes(connection: oracledb.Connection) -> None:
    three = "SELECT 'b' x FROM dual UNION ALL SELECT NULL FROM dual UNION ALL SELECT 'B' FROM dual"
    cursor = connection.cursor()
    cursor.execute(f"SELECT x FROM ({three}) ORDER BY x")
    assert [x for (x,) in cursor] == ["B", "b", None]


def test_rownum_counts_before_order_by(connection: oracledb.Connection) -> None:
    ten = "SELECT LEVEL n FROM dual CONNECT BY LEVEL <= 10"
    cursor = connection.cursor()
    cursor.execute(f"SELECT n FROM ({ten}) WHERE ROWNUM <= 2 ORDER BY n DESC")
    assert [n for (n,) in cursor] == [2, 1]
    cursor.execute(f"SELECT n FROM ({ten}) ORDER BY n DESC FETCH FIRST 2 ROWS ONLY")
    assert [n for (n,) in cursor] == [10, 9]


def test_ora_hash_is_stable_and_spreads(connection: oracledb.Connection) -> None:
    sql = (
        "SELECT ORA_HASH(n, 3), COUNT(*) FROM "
        "(SELECT LEVEL n FROM dual CONNECT BY LEVEL <= 4000) GROUP BY ORA_HASH(n, 3)"
    )
    first, second = (dict(connection.cursor().execute(sql).fetchall()) for _ in range(2))
    assert first == second
    assert set(first) == {0, 1, 2, 3}
    assert all(800 < count < 1200 for count in first.values())


# -- data frames ----------------------------------------------------------------------------------


def test_data_frames_keep_decimals_exactly(connection: oracledb.Connection) -> None:
    schema = pa.schema([("A", pa.decimal128(38, 9)), ("B", pa.decimal256(76, 38))])
    sql = (
        "SELECT ROUND(TO_NUMBER('12345678901234567890.1234567891'), 9) a, "
        "TO_NUMBER('0.12345678901234567890123456789012345678') b FROM dual"
    )
    frame = connection.fetch_df_all(sql, requested_schema=schema)
    table = pa.table(frame)
    assert table.to_pylist() == [
        {
            "A": Decimal("12345678901234567890.123456789"),
            "B": Decimal("0.12345678901234567890123456789012345678"),
        }
    ]


def test_long_text_and_bytes_arrive_whole(connection: oracledb.Connection) -> None:
    sql = "SELECT TO_CLOB(RPAD('ก', 3000, 'ข')) || RPAD('x', 4000, 'y') AS c FROM dual"
    tables = [pa.table(df) for df in connection.fetch_df_batches(sql, size=10)]
    (text,) = [value for table in tables for value in table.column("C").to_pylist()]
    assert text == "ก" + "ข" * 2999 + "x" + "y" * 3999


# -- errors ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sql", "code", "offset"),
    [
        ("SELECT * FROM no_such_thing", "ORA-00942", 14),
        ("SELECT dummy, nope FROM dual", "ORA-00904", 14),
        ("SELECT 1 FROM dual x y", "ORA-00933", 21),
        ("SELECT FROM dual", "ORA-00936", 7),
        ("SELECT 1 x y FROM dual", "ORA-00923", 11),
        ("SELECT dummy, COUNT(*) FROM dual", "ORA-00937", 7),
    ],
)
def test_parse_errors_say_what_and_where(
    connection: oracledb.Connection, sql: str, code: str, offset: int
) -> None:
    assert code_of(connection, sql) == (code, offset)


@pytest.mark.parametrize(
    ("expression", "code"),
    [
        ("1 / 0", "ORA-01476"),
        ("TO_NUMBER('x')", "ORA-01722"),
        ("TO_DATE('2024-13-01', 'YYYY-MM-DD')", "ORA-01843"),
        ("TO_DATE('2024-02-30', 'YYYY-MM-DD')", "ORA-01839"),
        ("TO_DATE('2024-01-01x', 'YYYY-MM-DD')", "ORA-01830"),
        ("CAST(1000 AS NUMBER(3))", "ORA-01438"),
    ],
)
def test_bad_values_have_their_codes(
    connection: oracledb.Connection, expression: str, code: str
) -> None:
    assert code_of(connection, f"SELECT {expression} FROM dual")[0] == code


def test_a_call_timeout_ends_a_running_query_and_the_connection_lives(
    connection: oracledb.Connection,
) -> None:
    big = ", ".join(f"(SELECT LEVEL n FROM dual CONNECT BY LEVEL <= 1000) t{i}" for i in range(5))
    connection.call_timeout = int(1000 * SHORT_SECONDS)
    with pytest.raises(oracledb.Error, match="DPY-4024"):
        connection.cursor().execute(
            f"SELECT COUNT(*) FROM {big} WHERE t0.n + t1.n + t2.n = t3.n + t4.n"
        ).fetchone()
    connection.call_timeout = 0
    assert connection.cursor().execute("SELECT 1 FROM dual").fetchone() == (1,)


# -- blocks and transactions ----------------------------------------------------------------------


def test_blocks_give_values_out(connection: oracledb.Connection) -> None:
    cursor = connection.cursor()
    number, text = cursor.var(int), cursor.var(str)
    cursor.execute("BEGIN :n := :a * 2; :t := 'x' || :a; END;", n=number, t=text, a=21)
    assert (number.getvalue(), text.getvalue()) == (42, "x21")


def test_a_read_only_transaction_must_come_first_and_ends_with_commit(
    connection: oracledb.Connection,
) -> None:
    cursor = connection.cursor()
    cursor.execute("SET TRANSACTION READ ONLY")
    assert code_of(connection, "SET TRANSACTION READ ONLY")[0] == "ORA-01453"
    connection.commit()
    cursor.execute("SET TRANSACTION READ ONLY")
    connection.rollback()


# -- flashback and the dictionary -----------------------------------------------------------------


def _scn(connection: oracledb.Connection) -> int:
    sql = "SELECT DBMS_FLASHBACK.GET_SYSTEM_CHANGE_NUMBER FROM dual"
    return connection.cursor().execute(sql).fetchone()[0]


def test_a_view_can_be_read_as_of_a_bound_scn_with_its_alias_after_it(
    connection: oracledb.Connection, view: str
) -> None:
    sql = f"SELECT COUNT(v.cash_receipt_id) FROM {view} AS OF SCN :scn v WHERE 1 = 1"
    if DSN:
        sql = sql.replace("v.cash_receipt_id", "*")
    now = connection.cursor().execute(f"SELECT COUNT(*) FROM {view}").fetchone()
    assert connection.cursor().execute(sql, scn=_scn(connection)).fetchone() == now


def test_an_scn_of_the_future_is_refused(connection: oracledb.Connection, view: str) -> None:
    sql = f"SELECT COUNT(*) FROM {view} AS OF SCN :scn"
    assert code_of(connection, sql, scn=_scn(connection) + 10**12)[0] == "ORA-08181"


def test_flashback_mode_can_be_entered_and_left(connection: oracledb.Connection) -> None:
    cursor = connection.cursor()
    block = "BEGIN DBMS_FLASHBACK.ENABLE_AT_SYSTEM_CHANGE_NUMBER(:scn); END;"
    cursor.execute(block, scn=_scn(connection))
    cursor.execute("SELECT 1 FROM dual")
    cursor.execute("BEGIN DBMS_FLASHBACK.DISABLE; END;")


def test_the_dictionary_describes_a_view(connection: oracledb.Connection, view: str) -> None:
    owner, name = view.split(".")
    cursor = connection.cursor()
    cursor.execute(
        "SELECT column_name, data_type, data_precision, data_scale, char_length, nullable"
        " FROM all_tab_columns WHERE owner = :o AND table_name = :t ORDER BY column_id",
        o=owner,
        t=name,
    )
    listed = [(column, kind) for column, kind, *_ in cursor]
    cursor.execute(f"SELECT * FROM {view} WHERE 1 = 0")
    assert [column for column, _ in listed] == [c.name for c in cursor.description]
    dates = [c.name for c in cursor.description if c.type_code is oracledb.DB_TYPE_DATE]
    assert [column for column, kind in listed if kind == "DATE"] == dates


def test_a_read_only_account_sees_no_base_table(connection: oracledb.Connection, view: str) -> None:
    if DSN:
        pytest.skip("the base tables of a real view are not known")
    assert code_of(connection, "SELECT * FROM erp.ar_cash_receipts_all")[0] == "ORA-00942"
