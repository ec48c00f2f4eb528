"""What SQL means, where Oracle and DuckDB differ."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pytest

from tests.sandbox.oracle.engine import Database, EngineSession
from tests.sandbox.oracle.errors import OracleError
from tests.sandbox.oracle.session import Bind, Kind
from tests.unit.sandbox_engine.asking import Ask, naive, rows_of

EXPRESSIONS = [
    ("''", None),
    ("'a' || NULL || 'b'", "ab"),
    ("LENGTH('')", None),
    ("NVL('', 'x')", "x"),
    ("REPLACE('aa', 'a')", None),
    ("7 / 2", Decimal("3.5")),
    ("1 / 3", Decimal("0." + "3" * 40)),
    ("0.1 + 0.2", Decimal("0.3")),
    ("TO_CHAR(0.5)", ".5"),
    ("TO_CHAR(1.50)", "1.5"),
    ("'1' + 1", 2),
    ("MOD(-7, 3)", -1),
    ("MOD(7, 0)", 7),
    ("ROUND(2.5)", 3),
    ("ROUND(-2.5)", -3),
    ("TRUNC(-2.9)", -2),
    ("FLOOR(-1.5)", -2),
    ("GREATEST(1, NULL)", None),
    ("GREATEST('b', 'a')", "b"),
    ("DECODE(NULL, NULL, 'same', 'other')", "same"),
    ("DECODE(3, 1, 'a', 2, 'b')", None),
    ("CASE WHEN NULL = NULL THEN 1 ELSE 0 END", 0),
    ("NVL2('', 1, 2)", 2),
    ("SUBSTR('hello', -3, 2)", "ll"),
    ("SUBSTR('hello', 0, 2)", "he"),
    ("SUBSTR('hello', 9)", None),
    ("INSTR('hello', 'l', 1, 2)", 4),
    ("INSTR('hello', 'l', -1)", 4),
    ("LPAD('7', 3, '0')", "007"),
    ("LPAD('1234', 3, '0')", "123"),
    ("INITCAP('ab cd')", "Ab Cd"),
    ("TRIM(LEADING '0' FROM '007')", "7"),
    ("LENGTHB('ไทย')", 9),
    ("RAWTOHEX(HEXTORAW('00FF'))", "00FF"),
    ("DATE '2024-03-01' - DATE '2024-02-28'", 2),
    ("DATE '2024-01-01' + 0.5", naive("2024-01-01 12:00")),
    ("DATE '2024-01-01' + 1/24", naive("2024-01-01 01:00")),
    ("ADD_MONTHS(DATE '2024-01-31', 1)", naive("2024-02-29")),
    ("ADD_MONTHS(DATE '2024-02-29', 12)", naive("2025-02-28")),
    ("LAST_DAY(DATE '2024-02-10')", naive("2024-02-29")),
    ("MONTHS_BETWEEN(DATE '2024-03-31', DATE '2024-02-29')", 1),
    ("NEXT_DAY(DATE '2024-01-01', 'MON')", naive("2024-01-08")),
    ("TRUNC(DATE '2024-05-15', 'Q')", naive("2024-04-01")),
    ("TRUNC(DATE '2024-05-15', 'DAY')", naive("2024-05-12")),
    ("TRUNC(DATE '2024-05-15', 'IW')", naive("2024-05-13")),
    ("ROUND(DATE '2024-07-16', 'MM')", naive("2024-08-01")),
    ("EXTRACT(YEAR FROM DATE '2024-05-15')", 2024),
    ("CAST(2.567 AS NUMBER(3,1))", Decimal("2.6")),
    ("CAST('abcdef' AS VARCHAR2(3))", "abc"),
    ("CAST(SYSTIMESTAMP AS DATE)", naive("2026-03-30 03:30:15")),
    ("SYSDATE", naive("2026-03-30 03:30:15")),
    ("CURRENT_DATE", naive("2026-03-29 20:30:15")),
    ("SYS_EXTRACT_UTC(SYSTIMESTAMP)", naive("2026-03-29 20:30:15.123456")),
    ("SYS_EXTRACT_UTC(FROM_TZ(TIMESTAMP '2024-01-01 07:00:00', 'Asia/Bangkok'))",
     naive("2024-01-01")),
    ("TO_CHAR(TIMESTAMP '2024-01-01 00:00:00 +00:00' AT TIME ZONE '+07:00', 'HH24 TZR')",
     "07 +07:00"),
    ("TO_CHAR(INTERVAL '1 02:03:04.5' DAY TO SECOND)", "+000000001 02:03:04.500000000"),
    ("TO_CHAR(INTERVAL '1-2' YEAR TO MONTH)", "+000000001-02"),
    ("EXTRACT(HOUR FROM (TIMESTAMP '2024-01-01 12:30:00' - TIMESTAMP '2024-01-01 10:00:00'))", 2),
    ("USER", "ERP"),
    ("SYS_CONTEXT('USERENV', 'CURRENT_SCHEMA')", "ERP"),
]  # fmt: skip


@pytest.mark.parametrize(("expression", "expected"), EXPRESSIONS)
def test_expressions(ask: Ask, expression: str, expected: object) -> None:
    got = ask(f"SELECT {expression} FROM dual")[0][0]
    if isinstance(expected, (int, Decimal)) and got is not None:
        got = Decimal(str(got))
    assert got == expected


QUERIES = [
    ("SELECT id FROM emp WHERE name IS NULL", [2]),
    ("SELECT id FROM emp WHERE code = 'AB'", [1]),
    ("SELECT id FROM emp WHERE code IN ('AB  ', 'XX')", [1]),
    ("SELECT id FROM emp ORDER BY pay", [2, 1, 3]),
    ("SELECT id FROM emp ORDER BY pay DESC", [3, 1, 2]),
    ("SELECT id FROM emp ORDER BY pay DESC NULLS LAST", [1, 2, 3]),
    ("SELECT id FROM emp ORDER BY rate", [1, 2, 3]),
    ("SELECT id FROM emp WHERE rate > 1.5", [2]),
    ("SELECT id FROM emp WHERE ROWNUM <= 2 ORDER BY id DESC", [2, 1]),
    ("SELECT id FROM (SELECT id FROM emp ORDER BY id DESC) WHERE ROWNUM = 1", [3]),
    ("SELECT id FROM emp WHERE ROWNUM = 2", []),
    ("SELECT id FROM emp WHERE ROWNUM > 1", []),
    ("SELECT id FROM emp ORDER BY id OFFSET 1 ROWS FETCH NEXT 1 ROWS ONLY", [2]),
    ("SELECT boss FROM emp ORDER BY boss FETCH FIRST 1 ROWS WITH TIES", [1, 1]),
    ("SELECT e.id FROM emp e, emp b WHERE e.boss = b.id(+) AND b.id IS NULL", [1]),
    ("SELECT COUNT(*) FROM emp e, emp b WHERE e.boss = b.id(+) AND b.pay(+) > 100", [3]),
    ("SELECT id FROM emp MINUS SELECT id FROM emp WHERE id > 1", [1]),
    ("SELECT id FROM emp WHERE (id, boss) IN ((2, 1), (3, 2))", [2]),
    ("SELECT id FROM emp WHERE name LIKE 'A_n'", [1]),
    ("SELECT 1 FROM dual WHERE 'a_b' LIKE 'a\\_b' ESCAPE '\\'", [1]),
    ("SELECT 1 FROM dual WHERE 'axb' LIKE 'a\\_b' ESCAPE '\\'", []),
    ("SELECT id FROM emp WHERE id NOT IN (SELECT boss FROM emp WHERE boss IS NOT NULL)", [2, 3]),
    ("WITH a (x) AS (SELECT id FROM emp) SELECT SUM(x) FROM a", [6]),
    ("SELECT (SELECT MAX(b.id) FROM emp b WHERE b.id < e.id) FROM emp e ORDER BY e.id",
     [None, 1, 2]),
    ("SELECT LEVEL FROM dual CONNECT BY LEVEL <= 3", [1, 2, 3]),
    ("SELECT SUM(id) OVER (ORDER BY id) FROM emp", [1, 3, 6]),
    ("SELECT ROW_NUMBER() OVER (ORDER BY pay DESC NULLS LAST) FROM emp ORDER BY id", [1, 2, 3]),
    ("SELECT LISTAGG(id, '-') WITHIN GROUP (ORDER BY id DESC) FROM emp", ["3-2-1"]),
    ("SELECT MAX(name) KEEP (DENSE_RANK LAST ORDER BY id) FROM emp", ["สมชาย"]),
    ("SELECT COUNT(*) FROM emp GROUP BY boss ORDER BY 1", [1, 2]),
    ("SELECT DISTINCT boss FROM emp ORDER BY boss", [1, None]),
    ("SELECT id FROM emp JOIN (SELECT id, name FROM emp) USING (id) ORDER BY id", [1, 2, 3]),
    ("SELECT ORA_HASH(id, 0) FROM emp", [0, 0, 0]),
]  # fmt: skip


@pytest.mark.parametrize(("sql", "expected"), QUERIES)
def test_queries(ask: Ask, sql: str, expected: list[object]) -> None:
    assert [row[0] for row in ask(sql)] == expected


ERRORS = [
    ("SELECT nope FROM emp", 904, '"NOPE": invalid identifier', 7),
    ("SELECT e.nope FROM emp e", 904, '"E"."NOPE": invalid identifier', 7),
    ("SELECT nope(id) FROM emp", 904, '"NOPE": invalid identifier', 7),
    ("SELECT * FROM nope", 942, "table or view does not exist", 14),
    ("SELECT id FROM emp a, emp b", 918, "column ambiguously defined", 7),
    ("SELECT id, COUNT(*) FROM emp", 937, "not a single-group group function", 7),
    ("SELECT id, COUNT(*) FROM emp GROUP BY name", 979, "not a GROUP BY expression", 7),
    ("SELECT 1 / 0 FROM dual", 1476, "divisor is equal to zero", 0),
    ("SELECT id FROM emp WHERE name = 5", 1722, "invalid number", 0),
    ("SELECT TO_DATE('2024-13-01', 'YYYY-MM-DD') FROM dual", 1843, "not a valid month", 0),
    ("SELECT DATE '2024-02-30' FROM dual", 1839, "date not valid for month specified", 7),
    ("SELECT DATE '9999-12-31' + 1 FROM dual", 1841, None, 0),
    ("SELECT CAST(1000 AS NUMBER(3)) FROM dual", 1438, None, 0),
    ("SELECT (SELECT id FROM emp) FROM dual", 1427, None, 0),
    ("SELECT id FROM emp WHERE id IN (SELECT id, pay FROM emp)", 913, "too many values", 32),
    ("SELECT 1 FROM dual UNION SELECT 'a' FROM dual", 1790, None, 19),
    ("SELECT 1 FROM dual UNION SELECT 1, 2 FROM dual", 1789, None, 19),
    ("SELECT id FROM emp ORDER BY 2", 1785, None, 28),
    ("SELECT SUBSTR('a') FROM dual", 938, "not enough arguments for function", 7),
    ("SELECT SYSDATE + SYSDATE FROM dual", 975, None, 15),
    ("SELECT ORA_ROWSCN FROM emp", 904, None, 7),
    ("SELECT * FROM emp FOR UPDATE", 1031, None, 0),
    ("MERGE INTO emp USING dual ON (1 = 1)", 604, None, 0),
    ("CREATE TABLE x (a NUMBER)", 1031, "insufficient privileges", 0),
]


@pytest.mark.parametrize(("sql", "code", "text", "offset"), ERRORS)
def test_errors(ask: Ask, sql: str, code: int, text: str | None, offset: int) -> None:
    with pytest.raises(OracleError) as caught:
        ask(sql)
    assert caught.value.code == code
    assert caught.value.offset == offset
    assert text is None or caught.value.text == text


def test_expression_columns_are_named_by_their_text(session: EngineSession) -> None:
    columns = session.describe(
        "SELECT e.id, id + 1, 'x' || name \"Mixed\", COUNT( * ) OVER () FROM emp e"
    )
    assert columns is not None
    assert [column.name for column in columns] == ["ID", "ID+1", "Mixed", "COUNT(*)OVER()"]


def test_columns_keep_their_declared_type_through_views(session: EngineSession) -> None:
    columns = session.describe("SELECT pay, twice, hired, name FROM (SELECT * FROM v_emp)")
    assert columns is not None
    described = [(c.kind, c.precision, c.scale, c.length) for c in columns]
    assert described == [
        (Kind.NUMBER, 9, 2, None),
        (Kind.NUMBER, None, None, None),
        (Kind.DATE, None, None, None),
        (Kind.VARCHAR2, None, None, 10),
    ]


def test_names_differing_in_case_are_different_columns(ask: Ask) -> None:
    assert ask('SELECT "a" + "A" FROM (SELECT 1 AS "a", 2 AS "A" FROM dual)') == [(3,)]


def test_session_settings_are_in_effect(session: EngineSession) -> None:
    session.execute(
        "ALTER SESSION SET TIME_ZONE = 'Asia/Tokyo' NLS_DATE_FORMAT = 'YYYY/MM/DD'"
        " NLS_NUMERIC_CHARACTERS = ',.'",
        [],
    )
    sql = (
        "SELECT SESSIONTIMEZONE, CURRENT_DATE, TO_CHAR(hired), TO_CHAR(pay), '1,5' + 1 FROM emp"
        " WHERE hired < '2021/01/01'"
    )
    zone, today, hired, pay, total = rows_of(session, sql)[0]
    assert (zone, today) == ("Asia/Tokyo", naive("2026-03-30 05:30:15"))
    assert (hired, pay, total) == ("2020/02/29", "-3,25", Decimal("2.5"))


@pytest.mark.parametrize(
    ("sql", "code"),
    [
        ("ALTER SESSION SET NONSENSE = 1", 2248),
        ("ALTER SESSION SET TIME_ZONE = 'Mars/Base'", 1882),
        ("ALTER SESSION SET CURRENT_SCHEMA = nobody", 1435),
        ("ALTER SESSION SET NLS_DATE_FORMAT = 'FOO'", 1821),
    ],
)
def test_wrong_settings_are_refused(session: EngineSession, sql: str, code: int) -> None:
    with pytest.raises(OracleError) as caught:
        session.execute(sql, [])
    assert caught.value.code == code


def test_binds_must_match_placeholders(ask: Ask) -> None:
    one = Bind(Kind.NUMBER, 1)
    for sql, binds, code in (
        ("SELECT :a FROM dual", (), 1008),
        ("SELECT 1 FROM dual", (one,), 1006),
    ):
        with pytest.raises(OracleError) as caught:
            ask(sql, *binds)
        assert caught.value.code == code


def test_empty_and_varchar_binds_follow_oracle(ask: Ask) -> None:
    assert ask("SELECT 1 FROM dual WHERE :a IS NULL", Bind(Kind.VARCHAR2, "")) == [(1,)]
    by_code = "SELECT id FROM emp WHERE code = :c"
    assert ask(by_code, Bind(Kind.VARCHAR2, "AB")) == []
    assert ask(by_code, Bind(Kind.CHAR, "AB")) == [(1,)]


def test_equal_results_have_equal_keys_and_changing_ones_none(session: EngineSession) -> None:
    def key(sql: str, *binds: Bind) -> object:
        return session.execute(sql, list(binds)).cache_key

    sql = "SELECT id FROM emp WHERE id > :a"
    assert key(sql, Bind(Kind.NUMBER, 1)) == key(sql, Bind(Kind.NUMBER, 1)) is not None
    assert key(sql, Bind(Kind.NUMBER, 1)) != key(sql, Bind(Kind.NUMBER, 2))
    assert key("SELECT SYSDATE FROM dual") is None
    before = key("SELECT id FROM emp")
    session.execute("UPDATE emp SET pay = 1 WHERE id = 1", [])
    assert key("SELECT id FROM emp") is None
    session.commit()
    assert key("SELECT id FROM emp") not in (None, before)


def test_several_results_are_read_in_turn(session: EngineSession) -> None:
    results = [session.execute(f"SELECT {n} AS x FROM emp", []).batches for n in (1, 2)]
    assert [next(batches).column(0).to_pylist() for batches in results] == [[1] * 3, [2] * 3]


def test_long_strings_survive_functions_inside_coalesce(ask: Ask) -> None:
    sql = "SELECT NVL(ROUND(rate * 1, 9), 0) + 0 FROM emp ORDER BY id"
    for _ in range(5):
        assert Decimal(str(ask(sql)[1][0])) == Decimal("1E125")


def test_service_of_time_functions(database: Database) -> None:
    tokyo = database.open_session("ERP", {"time_zone": "+09:00"})
    sql = "SELECT SESSIONTIMEZONE, TO_CHAR(CURRENT_TIMESTAMP, 'HH24:MI TZH:TZM') FROM dual"
    assert rows_of(tokyo, sql) == [("+09:00", "05:30 +09:00")]
    assert isinstance(rows_of(tokyo, "SELECT LOCALTIMESTAMP FROM dual")[0][0], dt.datetime)
