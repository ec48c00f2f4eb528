"""A small database and a way to ask it things."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

import pyarrow as pa
import pytest

from tests.sandbox.oracle.engine import Database, EngineSession, parse_type
from tests.unit.sandbox_engine.asking import BANGKOK, NOW, Ask, naive, rows_of


@pytest.fixture
def database() -> Iterator[Database]:
    """ERP.EMP with three rows, ERP.V_EMP over it; READER may read the view and look back."""
    made = Database(clock=lambda: NOW, server_zone=BANGKOK)
    for user in ("ERP", "READER", "PLAIN"):
        made.add_user(user, "secret")
    names = {
        "ID": "NUMBER(6)",
        "NAME": "VARCHAR2(10)",
        "PAY": "NUMBER(9,2)",
        "RATE": "NUMBER",
        "HIRED": "DATE",
        "CODE": "CHAR(4)",
        "BOSS": "NUMBER(6)",
    }
    columns = [parse_type(kind, name, name != "ID") for name, kind in names.items()]
    rows = pa.table(
        {
            "ID": [1, 2, 3],
            "NAME": ["Ann", "", "สมชาย"],
            "PAY": pa.array([Decimal("10.50"), Decimal("-3.25"), None], pa.decimal128(9, 2)),
            "RATE": ["1.5", "1E125", None],
            "HIRED": pa.array(
                [naive("2024-01-31 10:30"), naive("2020-02-29"), None],
                pa.timestamp("s"),
            ),
            "CODE": ["AB", "AB12", None],
            "BOSS": pa.array([None, 1, 1]),
        }
    )
    made.create_table("ERP", "EMP", columns, rows)
    made.create_view("ERP", "V_EMP", "SELECT id, name, pay, hired, pay * 2 AS twice FROM emp")
    for user in ("READER", "PLAIN"):
        made.grant(user, "ERP", "V_EMP")
    made.grant("READER", "ERP", "V_EMP", "FLASHBACK")
    yield made
    made.close()


@pytest.fixture
def session(database: Database) -> Iterator[EngineSession]:
    """A session of the owner, in UTC."""
    opened = database.session_as("ERP")
    yield opened
    opened.close()


@pytest.fixture
def ask(session: EngineSession) -> Ask:
    """Rows of a query, asked by the owner."""
    return lambda sql, *binds: rows_of(session, sql, *binds)
