"""Transactions, flashback, privileges, the dictionary."""

from __future__ import annotations

import threading
from dataclasses import dataclass

import pytest

from tests.sandbox.oracle.engine import Database, EngineSession
from tests.sandbox.oracle.errors import OracleError
from tests.sandbox.oracle.session import Bind, Kind
from tests.unit.sandbox_engine.asking import rows_of

IDS = "SELECT id FROM erp.v_emp ORDER BY id"


def ids(session: EngineSession, sql: str = IDS, *binds: Bind) -> list[object]:
    return [row[0] for row in rows_of(session, sql, *binds)]


def code_of(session: EngineSession, sql: str, *binds: Bind) -> int:
    with pytest.raises(OracleError) as caught:
        for _ in session.execute(sql, list(binds)).batches:
            pass
    return caught.value.code


@pytest.fixture
def reader(database: Database) -> EngineSession:
    return database.open_session("READER", {})


def test_as_of_scn_answers_with_the_rows_of_then(
    database: Database, session: EngineSession, reader: EngineSession
) -> None:
    first = database.scn
    session.execute("INSERT INTO emp (id, pay) VALUES (4, 1)", [])
    session.execute("UPDATE emp SET pay = 99 WHERE id = 1", [])
    session.execute("DELETE FROM emp WHERE id = 2", [])
    session.commit()
    assert database.scn > first
    assert ids(reader) == [1, 3, 4]
    then = "SELECT v.id FROM erp.v_emp AS OF SCN :s v ORDER BY v.id"
    assert ids(reader, then, Bind(Kind.NUMBER, first)) == [1, 2, 3]
    pay = f"SELECT pay FROM erp.v_emp AS OF SCN {first} WHERE id = 1"
    assert str(rows_of(reader, pay)[0][0]) == "10.50"
    both = f"SELECT a.id FROM erp.v_emp AS OF SCN {first} a JOIN erp.v_emp b ON a.id = b.id"
    assert sorted(ids(reader, both)) == [1, 3]


def test_uncommitted_rows_are_seen_by_their_own_session_only(
    session: EngineSession, reader: EngineSession
) -> None:
    session.execute("INSERT INTO emp (id) VALUES (4)", [])
    session.execute("DELETE FROM emp WHERE id = 1", [])
    assert ids(session) == [2, 3, 4]
    assert ids(reader) == [1, 2, 3]
    session.rollback()
    assert ids(session) == [1, 2, 3]
    assert not session.in_transaction


def test_a_late_commit_is_invisible_at_an_earlier_scn(
    database: Database, session: EngineSession, reader: EngineSession
) -> None:
    session.execute("INSERT INTO emp (id) VALUES (4)", [])
    other = database.session_as("ERP")
    other.execute("INSERT INTO emp (id) VALUES (5)", [])
    other.commit()
    between = Bind(Kind.NUMBER, database.scn)
    session.commit()
    then = "SELECT id FROM erp.v_emp AS OF SCN :s ORDER BY id"
    assert ids(reader, then, between) == [1, 2, 3, 5]
    assert ids(reader) == [1, 2, 3, 4, 5]


def test_a_row_changed_by_another_transaction_is_locked(
    database: Database, session: EngineSession
) -> None:
    session.execute("UPDATE emp SET pay = 1 WHERE id = 1", [])
    other = database.session_as("ERP")
    assert code_of(other, "DELETE FROM emp WHERE id = 1") == 54
    session.rollback()
    assert other.execute("DELETE FROM emp WHERE id = 1", []).rows_affected == 1
    other.rollback()


def test_a_read_only_transaction_holds_its_snapshot(
    session: EngineSession, reader: EngineSession
) -> None:
    reader.execute("SET TRANSACTION READ ONLY", [])
    session.execute("INSERT INTO emp (id) VALUES (4)", [])
    session.commit()
    assert ids(reader) == [1, 2, 3]
    assert reader.in_transaction
    reader.commit()
    assert ids(reader) == [1, 2, 3, 4]
    session.execute("SET TRANSACTION READ ONLY", [])
    assert code_of(session, "DELETE FROM emp") == 1456


def test_flashback_mode_moves_every_query(
    database: Database, session: EngineSession, reader: EngineSession
) -> None:
    then = database.scn
    session.execute("DELETE FROM emp WHERE id > 1", [])
    session.commit()
    enable = "BEGIN DBMS_FLASHBACK.ENABLE_AT_SYSTEM_CHANGE_NUMBER(:s); END;"
    reader.execute(enable, [Bind(Kind.NUMBER, then)])
    assert ids(reader) == [1, 2, 3]
    assert code_of(reader, enable, Bind(Kind.NUMBER, then)) == 8184
    reader.execute("BEGIN DBMS_FLASHBACK.DISABLE; END;", [])
    assert ids(reader) == [1]


@pytest.mark.parametrize(
    ("operand", "code"),
    [("SCN 99999999999999", 8181), ("SCN 1", 1466), ("SCN NULL", 8181),
     ("TIMESTAMP SYSTIMESTAMP - INTERVAL '1' DAY", 8180),
     ("TIMESTAMP SYSTIMESTAMP + 1", 8186)],
)  # fmt: skip
def test_impossible_snapshots_are_refused(reader: EngineSession, operand: str, code: int) -> None:
    assert code_of(reader, f"SELECT id FROM erp.v_emp AS OF {operand}") == code


@dataclass
class _Fault:
    flashback_error: int | None = None


def test_flashback_can_be_made_to_fail(database: Database, reader: EngineSession) -> None:
    database.faults = _Fault(1555)
    assert code_of(reader, f"SELECT id FROM erp.v_emp AS OF SCN {database.scn}") == 1555
    database.faults = _Fault(None)
    assert ids(reader, f"SELECT id FROM erp.v_emp AS OF SCN {database.scn}") == [1, 2, 3]


def test_rowids_stay_with_their_rows(session: EngineSession) -> None:
    sql = "SELECT id, ROWIDTOCHAR(ROWID) FROM emp"
    before = dict(rows_of(session, sql))
    session.execute("UPDATE emp SET pay = 5 WHERE id = 2", [])
    session.commit()
    assert dict(rows_of(session, sql)) == before
    assert len(set(before.values())) == 3
    chosen = f"SELECT id FROM emp WHERE ROWID = '{before[2]}'"
    assert ids(session, chosen) == [2]


# -- rights -------------------------------------------------------------------------------------


def test_an_account_sees_only_what_it_was_granted(
    database: Database, reader: EngineSession
) -> None:
    plain = database.open_session("PLAIN", {})
    assert code_of(reader, "SELECT * FROM erp.emp") == 942
    assert code_of(reader, "SELECT * FROM emp") == 942
    assert code_of(reader, "DELETE FROM erp.v_emp") == 1732
    assert code_of(plain, f"SELECT * FROM erp.v_emp AS OF SCN {database.scn}") == 1031
    assert code_of(plain, "SELECT DBMS_FLASHBACK.GET_SYSTEM_CHANGE_NUMBER FROM dual") == 904
    assert code_of(plain, "BEGIN DBMS_FLASHBACK.DISABLE; END;") == 6550
    assert code_of(plain, "SELECT current_scn FROM v$database") == 942
    database.flashback_users.add("PLAIN")
    assert ids(plain, "SELECT current_scn FROM v$database") == [database.scn]


def test_the_dictionary_shows_the_same(reader: EngineSession, session: EngineSession) -> None:
    assert ids(reader, "SELECT view_name FROM all_views") == ["V_EMP"]
    assert ids(reader, "SELECT table_name FROM all_tables") == []
    assert ids(session, "SELECT table_name FROM user_tables") == ["EMP"]
    sql = (
        "SELECT column_name, data_type, data_precision, data_scale, char_length, nullable"
        " FROM all_tab_columns WHERE owner = :o AND table_name = :t ORDER BY column_id"
    )
    binds = (Bind(Kind.VARCHAR2, "ERP"), Bind(Kind.VARCHAR2, "V_EMP"))
    assert rows_of(reader, sql, *binds) == [
        ("ID", "NUMBER", 6, 0, 0, "N"),
        ("NAME", "VARCHAR2", None, None, 10, "Y"),
        ("PAY", "NUMBER", 9, 2, 0, "Y"),
        ("HIRED", "DATE", None, None, 0, "Y"),
        ("TWICE", "NUMBER", None, None, 0, "Y"),
    ]


def test_synonyms_and_current_schema_find_objects(
    database: Database, reader: EngineSession
) -> None:
    database.create_synonym("PUBLIC", "STAFF", "ERP", "V_EMP")
    assert ids(reader, "SELECT id FROM staff ORDER BY id") == [1, 2, 3]
    assert ids(reader, "SELECT synonym_name FROM all_synonyms") == ["STAFF"]
    reader.execute("ALTER SESSION SET CURRENT_SCHEMA = ERP", [])
    assert ids(reader, "SELECT id FROM v_emp ORDER BY id") == [1, 2, 3]


def test_a_context_view_is_empty_until_the_context_is_set(
    database: Database, reader: EngineSession
) -> None:
    database.context_view("ERP", "V_EMP")
    assert ids(reader) == []
    assert code_of(reader, "BEGIN MO_GLOBAL.INIT('AR'); END;") == 20001
    block = "BEGIN FND_GLOBAL.APPS_INITIALIZE(:u, :r, :a); MO_GLOBAL.INIT(:p); END;"
    numbers = [Bind(Kind.NUMBER, n) for n in (1, 2, 3)]
    reader.execute(block, [*numbers, Bind(Kind.VARCHAR2, "AR")])
    assert ids(reader) == [1, 2, 3]


# -- blocks and cancelling ------------------------------------------------------------------------


def test_blocks_take_in_and_give_out(reader: EngineSession, database: Database) -> None:
    block = """
        DECLARE
          n NUMBER := 2;
        BEGIN
          :scn := DBMS_FLASHBACK.GET_SYSTEM_CHANGE_NUMBER;
          n := n * :factor;
          SELECT COUNT(*) INTO :found FROM erp.v_emp WHERE id < n;
          :text := 'n=' || n;
          DBMS_SESSION.SET_IDENTIFIER('me');
        END;"""
    binds = [
        Bind(Kind.NUMBER, None, 22),
        Bind(Kind.NUMBER, 3),
        Bind(Kind.NUMBER, None, 22),
        Bind(Kind.VARCHAR2, None, 50),
    ]
    assert reader.execute(block, binds).out == {0: database.scn, 2: 3, 3: "n=6"}
    who = "SELECT SYS_CONTEXT('USERENV', 'CLIENT_IDENTIFIER') FROM dual"
    assert ids(reader, who) == ["me"]


@pytest.mark.parametrize(
    ("block", "code"),
    [
        ("BEGIN nothing.here(1); END;", 6550),
        ("BEGIN x := ; END;", 6550),
        ("BEGIN RAISE_APPLICATION_ERROR(-20123, 'no'); END;", 20123),
        ("BEGIN SELECT id INTO :x FROM erp.v_emp; END;", 1422),
        ("BEGIN SELECT id INTO :x FROM erp.v_emp WHERE id = 9; END;", 1403),
    ],
)
def test_blocks_fail_as_plsql_does(reader: EngineSession, block: str, code: int) -> None:
    binds = [Bind(Kind.NUMBER, None, 22)] if ":x" in block else []
    assert code_of(reader, block, *binds) == code


@pytest.mark.parametrize(
    "statement",
    [
        "BEGIN DBMS_SESSION.SLEEP(60); END;",
        "SELECT COUNT(*) FROM " + ", ".join(f"erp.v_emp e{i}" for i in range(25)),
    ],
)
def test_an_interrupt_ends_the_running_call(reader: EngineSession, statement: str) -> None:
    codes: list[int] = []
    running = threading.Thread(target=lambda: codes.append(code_of(reader, statement)))
    running.start()
    while running.is_alive():
        reader.interrupt()
        running.join(0.05)
    assert codes == [1013]
    assert ids(reader) == [1, 2, 3]
