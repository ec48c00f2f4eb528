"""Parquet files as tables, and what columns refuse."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.sandbox.oracle.engine import Database, EngineSession, parse_type
from tests.sandbox.oracle.engine.types import of_column, type_text
from tests.sandbox.oracle.errors import OracleError
from tests.sandbox.oracle.session import Kind
from tests.unit.sandbox_engine.asking import naive, rows_of


def test_a_parquet_file_becomes_a_table(
    database: Database, session: EngineSession, tmp_path: Path
) -> None:
    path = tmp_path / "sales.parquet"
    table = pa.table(
        {
            "id": pa.array([1, 2], pa.int64()),
            "amount": pa.array([Decimal("1.50"), None], pa.decimal128(10, 2)),
            "big": pa.array([Decimal(10) ** 50, None], pa.decimal256(60, 3)),
            "note": pa.array(["ไทย", ""]),
            "day": pa.array([naive("2024-01-02").date(), None]),
            "at": pa.array([naive("2024-01-02 03:04:05.000006"), None], pa.timestamp("us")),
            "ok": pa.array([True, False]),
            "rate": pa.array([0.1, None]),
        }
    )
    pq.write_table(table, path)
    database.load_parquet("ERP", "SALES", path)
    columns = session.describe("SELECT * FROM sales")
    assert columns is not None
    assert {column.name: column.kind for column in columns} == {
        "ID": Kind.NUMBER, "AMOUNT": Kind.NUMBER, "BIG": Kind.NUMBER, "NOTE": Kind.VARCHAR2,
        "DAY": Kind.DATE, "AT": Kind.TIMESTAMP, "OK": Kind.NUMBER, "RATE": Kind.BINARY_DOUBLE,
    }  # fmt: skip
    first, second = rows_of(session, "SELECT id, amount, big, note, day, at, ok, rate FROM sales")
    assert first == (
        1, Decimal("1.50"), "1" + "0" * 50, "ไทย", naive("2024-01-02"),
        naive("2024-01-02 03:04:05.000006"), 1, 0.1,
    )  # fmt: skip
    assert second == (2, None, None, None, None, None, 0, None)


def test_types_can_be_given_beside_the_file(
    database: Database, session: EngineSession, tmp_path: Path
) -> None:
    path, types = tmp_path / "x.parquet", tmp_path / "x.json"
    pq.write_table(pa.table({"n": [1, 2], "d": ["2024-01-02", None], "c": ["a", "b"]}), path)
    types.write_text(
        json.dumps({"N": "NUMBER(12,2)", "D": "DATE", "C": "CHAR(3)"}), encoding="utf-8"
    )
    database.load_parquet("ERP", "X", path, types)
    assert rows_of(session, "SELECT * FROM x") == [
        (Decimal("1.00"), naive("2024-01-02"), "a  "),
        (Decimal("2.00"), None, "b  "),
    ]


@pytest.mark.parametrize(
    "text",
    [
        "NUMBER", "DATE", "CLOB", "NCLOB", "BLOB", "LONG", "LONG RAW", "RAW", "FLOAT", "ROWID",
        "VARCHAR2", "NVARCHAR2", "CHAR", "NCHAR", "BINARY_FLOAT", "BINARY_DOUBLE",
        "TIMESTAMP(0)", "TIMESTAMP(6) WITH TIME ZONE", "TIMESTAMP(9) WITH LOCAL TIME ZONE",
        "INTERVAL DAY(3) TO SECOND(2)", "INTERVAL YEAR(4) TO MONTH",
    ],
)  # fmt: skip
def test_type_names_are_read_and_written(text: str) -> None:
    assert type_text(of_column(parse_type(text))) == text


def test_type_details_are_read() -> None:
    assert (parse_type("NUMBER(12, 2)").precision, parse_type("number(12,2)").scale) == (12, 2)
    assert parse_type("NUMBER(*,0)").precision == 38
    assert parse_type("VARCHAR2(10 CHAR)").char_semantics
    assert not parse_type("VARCHAR2(10 BYTE)").char_semantics
    with pytest.raises(OracleError, match="ORA-00902"):
        parse_type("NUMBERS(1)")


@pytest.mark.parametrize(
    ("values", "code"),
    [
        ("'x', 'a', 1", 1722),
        ("NULL, 'a', 1", 1400),
        ("1, 'far too long a name', 1", 12899),
        ("1, 'a', 12345678.9", 1438),
        ("1, 'a'", 947),
        ("1, 'a', 1, 1", 913),
    ],
)
def test_columns_refuse_what_does_not_fit(session: EngineSession, values: str, code: int) -> None:
    with pytest.raises(OracleError) as caught:
        session.execute(f"INSERT INTO emp (id, name, pay) VALUES ({values})", [])
    assert caught.value.code == code
    assert not session.in_transaction
