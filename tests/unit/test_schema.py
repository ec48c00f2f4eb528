"""Oracle → Arrow → BigQuery: nothing a column may hold is lost on the way, and names are safe."""

from __future__ import annotations

import dataclasses
import unicodedata
from decimal import Decimal

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl_oracle_to_bq import schema
from etl_oracle_to_bq.errors import ConfigError, SchemaMismatch
from etl_oracle_to_bq.model import (
    BareNumbers,
    Field,
    OracleColumn,
    OracleView,
    PlannedColumn,
    Source,
    Store,
    Table,
)

STORE = Store(1, "erp", "localhost", 1521, "etl", "secret", service_name="ERP")
SOURCE = Source(1, "ERP.V", STORE, "finance", "v")


def number(precision: int | None = None, scale: int | None = None) -> OracleColumn:
    return OracleColumn("N", "NUMBER", precision, scale)


def planned(column: OracleColumn, **settings: object) -> PlannedColumn:
    source = dataclasses.replace(SOURCE, **settings)
    return schema.plan_columns(OracleView("ERP", "V", (column,)), source)[0]


# Types

DESIGN = [
    (number(1, 0), "INT64", pa.int64()),
    (number(18, 0), "INT64", pa.int64()),
    (number(16, -2), "INT64", pa.int64()),
    (number(17, -2), "NUMERIC", pa.decimal128(38, 9)),
    (number(19, 0), "NUMERIC", pa.decimal128(38, 9)),
    (number(29, 0), "NUMERIC", pa.decimal128(38, 9)),
    (number(38, 9), "NUMERIC", pa.decimal128(38, 9)),
    (number(5, 9), "NUMERIC", pa.decimal128(38, 9)),
    (number(30, 0), "BIGNUMERIC", pa.decimal256(76, 38)),
    (number(12, 10), "BIGNUMERIC", pa.decimal256(76, 38)),
    (number(None, 0), "BIGNUMERIC", pa.decimal256(76, 38)),
    (number(38, -10), "STRING", pa.large_string()),
    (number(10, 39), "STRING", pa.large_string()),
    (number(), "NUMERIC", pa.decimal128(38, 9)),
    (number(None, -127), "NUMERIC", pa.decimal128(38, 9)),
    (OracleColumn("N", "FLOAT", 126), "NUMERIC", pa.decimal128(38, 9)),
    (OracleColumn("N", "BINARY_FLOAT"), "FLOAT64", pa.float64()),
    (OracleColumn("N", "BINARY_DOUBLE"), "FLOAT64", pa.float64()),
    (OracleColumn("N", "DATE"), "DATETIME", pa.timestamp("us")),
    (OracleColumn("N", "TIMESTAMP(6)", None, 6), "DATETIME", pa.timestamp("us")),
    (OracleColumn("N", "TIMESTAMP(3) WITH TIME ZONE"), "TIMESTAMP", pa.timestamp("us", "UTC")),
    (
        OracleColumn("N", "TIMESTAMP(6) WITH LOCAL TIME ZONE"),
        "TIMESTAMP",
        pa.timestamp("us", "UTC"),
    ),
    (OracleColumn("N", "NVARCHAR2", length=30), "STRING", pa.large_string()),
    (OracleColumn("N", "LONG"), "STRING", pa.large_string()),
    (OracleColumn("N", "INTERVAL DAY(2) TO SECOND(6)"), "STRING", pa.large_string()),
    (OracleColumn("N", "INTERVAL YEAR(2) TO MONTH"), "STRING", pa.large_string()),
    (OracleColumn("N", "XMLTYPE"), "STRING", pa.large_string()),
    (OracleColumn("N", "JSON"), "STRING", pa.large_string()),
    (OracleColumn("N", "LONG RAW"), "BYTES", pa.large_binary()),
    (OracleColumn("N", "BLOB"), "BYTES", pa.large_binary()),
    (OracleColumn("N", "BOOLEAN"), "BOOL", pa.bool_()),
]


@pytest.mark.parametrize(("column", "bigquery", "arrow"), DESIGN, ids=str)
def test_each_oracle_type_gets_the_type_of_the_map(
    column: OracleColumn, bigquery: str, arrow: pa.DataType
) -> None:
    plan = planned(column)
    assert plan.type == bigquery
    assert schema.arrow_schema([plan]).field(0).type == arrow


@pytest.mark.parametrize("precision", range(1, 39))
def test_the_largest_and_the_finest_number_of_every_declared_type_fits(precision: int) -> None:
    for scale in range(-84, 128):
        column = planned(number(precision, scale))
        value = Decimal((0, (9,) * precision, -scale))
        if column.type == "STRING":
            assert column.expression == """TO_CHAR(v."N", 'TM9')"""
            continue
        exact = int(value) if column.type == "INT64" else value
        kept = pa.scalar(exact, schema.arrow_schema([column]).field(0).type)
        assert kept.as_py() == value
        assert schema.integer_limit(column) is None


def test_numbers_that_oracle_does_not_bound_have_their_limit_counted() -> None:
    assert schema.integer_limit(planned(number())) == "1" + "0" * 29
    wide = planned(number(), column_types={"N": "BIGNUMERIC"})
    assert schema.integer_limit(wide) == "1" + "0" * 38
    narrow = planned(number(None, 0), column_types={"N": "NUMERIC"})
    assert schema.integer_limit(narrow) == "1" + "0" * 29
    assert schema.integer_limit(planned(OracleColumn("N", "DATE"))) is None


def test_integers_that_oracle_does_not_promise_are_fetched_as_decimals() -> None:
    bare = planned(number(), column_types={"N": "INT64"})
    assert bare.expression == 'v."N"'
    assert schema.fetch_schema([bare]).field(0).type == pa.decimal128(38, 0)
    assert schema.arrow_schema([bare]).field(0).type == pa.int64()
    assert schema.fetch_schema([planned(number(9, 0))]).field(0).type == pa.int64()


def test_the_driver_is_asked_for_naive_timestamps() -> None:
    zoned = planned(OracleColumn("N", "TIMESTAMP(6) WITH TIME ZONE", None, 6))
    assert schema.fetch_schema([zoned]).field(0).type == pa.timestamp("us")


def test_every_row_of_the_map_is_reached_by_some_column() -> None:
    reached = {
        next(row for row in schema.TYPE_MAP if schema.base_type(c) in row.names and row.fits(c))
        for c, _, _ in DESIGN
    }
    assert reached == set(schema.TYPE_MAP)
    for row in schema.TYPE_MAP:
        assert row.bigquery.startswith(row.type)


# Expressions

EXPRESSIONS = [
    (number(), 'ROUND(v."N", 9)'),
    (number(12, 2), 'v."N"'),
    (OracleColumn("N", "DATE"), """CASE WHEN v."N" >= DATE '0001-01-01' THEN v."N" END"""),
    (
        OracleColumn("N", "TIMESTAMP(6)", None, 6),
        """CASE WHEN v."N" >= TIMESTAMP '0001-01-01 00:00:00' THEN v."N" END""",
    ),
    (
        OracleColumn("N", "TIMESTAMP(6) WITH TIME ZONE", None, 6),
        """CASE WHEN SYS_EXTRACT_UTC(v."N") >= TIMESTAMP '0001-01-01 00:00:00' """
        """THEN SYS_EXTRACT_UTC(v."N") END""",
    ),
    (OracleColumn("N", "ROWID"), 'ROWIDTOCHAR(v."N")'),
    (OracleColumn("N", "INTERVAL YEAR(2) TO MONTH"), 'TO_CHAR(v."N")'),
    (OracleColumn("N", "XMLTYPE"), 'XMLSERIALIZE(CONTENT v."N" AS CLOB)'),
    (OracleColumn("N", "CLOB"), 'v."N"'),
]


@pytest.mark.parametrize(("column", "expression"), EXPRESSIONS, ids=str)
def test_each_column_is_selected_so_that_nothing_breaks_the_fetch(
    column: OracleColumn, expression: str
) -> None:
    assert planned(column).expression == expression


def test_exact_bare_numbers_are_not_rounded() -> None:
    assert planned(number(), bare_numbers=BareNumbers.EXACT).expression == 'v."N"'
    rounded = planned(number(), column_types={"N": "BIGNUMERIC"})
    assert rounded.expression == 'ROUND(v."N", 38)'
    assert "rounded" in rounded.note


def test_date_columns_become_dates() -> None:
    plan = planned(OracleColumn("N", "DATE"), date_columns=("n",))
    assert plan.type == "DATE"
    assert plan.expression.startswith("TRUNC(")
    assert schema.fetch_schema([plan]).field(0).type == pa.date32()


def test_digits_past_the_microsecond_are_noted() -> None:
    assert "microsecond" in planned(OracleColumn("N", "TIMESTAMP(9)", None, 9)).note
    assert planned(OracleColumn("N", "TIMESTAMP(6)", None, 6)).note == ""


# What is refused


@pytest.mark.parametrize(
    ("column", "settings", "code"),
    [
        (OracleColumn("N", "SDO_GEOMETRY"), {}, "unsupported-type"),
        (OracleColumn("N", "BFILE"), {}, "unsupported-type"),
        (OracleColumn('N"; x', "DATE"), {}, "unsupported-type"),
        (number(), {"column_types": {"N": "DATE"}}, "invalid-type"),
        (number(), {"date_columns": ("N",)}, "invalid-type"),
        (OracleColumn("N", "CLOB"), {"column_types": {"N": "JSON"}}, "invalid-type"),
        (number(), {"column_types": {"GONE": "STRING"}}, "unknown-column"),
    ],
)
def test_what_cannot_be_loaded_is_refused(
    column: OracleColumn, settings: dict[str, object], code: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        planned(column, **settings)
    assert caught.value.code == code
    assert caught.value.exit_code == 2


def test_every_refusal_is_told_at_once() -> None:
    view = OracleView("ERP", "V", (OracleColumn("A", "BFILE"), OracleColumn("B", "ANYDATA")))
    with pytest.raises(ConfigError, match=r"A is a BFILE.*B is a ANYDATA"):
        schema.plan_columns(view, SOURCE)


@pytest.mark.parametrize("names", [("AB", "ab"), ("A$", "A#"), ("IMPORTEDAT", "X")])
def test_names_that_collide_are_refused_with_both(names: tuple[str, str]) -> None:
    view = OracleView("ERP", "V", tuple(OracleColumn(name, "DATE") for name in names))
    with pytest.raises(SchemaMismatch, match=names[0].replace("$", r"\$")) as caught:
        schema.plan_columns(view, SOURCE)
    assert caught.value.code == "column-collision"


# Names


@pytest.mark.parametrize(
    ("oracle", "bigquery"),
    [
        ("INVOICE_ID", "invoice_id"),
        ("SERIAL#", "serial_"),
        ("V$X", "v_x"),
        ("1ST", "_1st"),
        ("ยอดรวม", "ยอดรวม"),
        ("a b.c", "a_b_c"),
        ("_PARTITIONTIME", "c_partitiontime"),
        ("_FIELD_1", "c_field_1"),
    ],
)
def test_names_become_what_bigquery_takes(oracle: str, bigquery: str) -> None:
    assert schema.target_name(oracle) == bigquery


oracle_names = st.text(min_size=1, max_size=128).filter(
    lambda s: len(s.encode("utf-8", "replace")) <= 128
)


@given(oracle_names)
def test_any_name_becomes_one_that_bigquery_takes(name: str) -> None:
    made = schema.target_name(name)
    assert 0 < len(made) <= schema.MAX_NAME_LENGTH
    assert made[0] == "_" or unicodedata.category(made[0])[0] == "L"
    assert not made.startswith(schema.RESERVED_PREFIXES)
    assert all(
        c == "_" or unicodedata.category(c) == "Nd" or unicodedata.category(c)[0] in "LM"
        for c in made
    )
    assert schema.target_name(made) == made


# Existing tables


@pytest.mark.parametrize(
    ("column", "settings", "existing", "fitted"),
    [
        (number(9, 0), {}, "NUMERIC", "NUMERIC"),
        (number(9, 0), {}, "BIGNUMERIC", "BIGNUMERIC"),
        (number(15, 0), {}, "FLOAT64", "FLOAT64"),
        (number(16, 0), {}, "FLOAT64", "INT64"),
        (number(12, 2), {}, "BIGNUMERIC", "BIGNUMERIC"),
        (number(12, 2), {}, "FLOAT64", "NUMERIC"),
        (number(30, 0), {}, "NUMERIC", "BIGNUMERIC"),
        (number(), {}, "INT64", "NUMERIC"),
        (number(), {}, "BIGNUMERIC", "BIGNUMERIC"),
        (OracleColumn("N", "DATE"), {"date_columns": ("N",)}, "DATETIME", "DATETIME"),
        (OracleColumn("N", "DATE"), {}, "DATE", "DATETIME"),
        (OracleColumn("N", "DATE"), {}, "TIMESTAMP", "DATETIME"),
        (OracleColumn("N", "VARCHAR2"), {}, "BYTES", "STRING"),
    ],
)
def test_a_wider_existing_type_wins_and_a_narrower_one_does_not(
    column: OracleColumn, settings: dict[str, object], existing: str, fitted: str
) -> None:
    source = dataclasses.replace(SOURCE, **settings)
    table = Table("finance", "v", (Field("N", existing),))
    columns = schema.plan_columns(OracleView("ERP", "V", (column,)), source)
    found = schema.fit_existing(columns, source, table)[0]
    assert found.type == fitted
    assert found.expression == schema.planned_column(column, fitted, source).expression
    assert found.name == "N"


def test_columns_follow_the_order_of_an_existing_table() -> None:
    view = OracleView("ERP", "V", tuple(OracleColumn(name, "DATE") for name in "ABCD"))
    table = Table("finance", "v", (Field("c", "DATETIME"), Field("A", "DATETIME")))
    columns = schema.fit_existing(schema.plan_columns(view, SOURCE), SOURCE, table)
    assert [column.name for column in columns] == ["c", "A", "b", "d"]


def test_imported_at_comes_last_as_utc_or_naive() -> None:
    columns = [planned(number(9, 0))]
    assert schema.bigquery_fields(columns)[-1] == Field("ImportedAt", "TIMESTAMP")
    assert schema.bigquery_fields(columns, "DATETIME")[-1].type == "DATETIME"
    staged = schema.arrow_schema(columns)
    assert schema.with_imported_at(staged).field("ImportedAt").type == pa.timestamp("us", "UTC")
    naive = schema.with_imported_at(staged, "DATETIME")
    assert naive.field("ImportedAt").type == pa.timestamp("us")


@pytest.mark.parametrize(
    ("column", "text"),
    [
        (number(12, 2), "NUMBER(12,2)"),
        (number(), "NUMBER"),
        (number(None, 0), "NUMBER(*,0)"),
        (OracleColumn("N", "VARCHAR2", length=30), "VARCHAR2(30)"),
        (OracleColumn("N", "TIMESTAMP(6)", None, 6), "TIMESTAMP(6)"),
        (OracleColumn("N", "DATE"), "DATE"),
    ],
)
def test_types_are_spelled_as_in_create_table(column: OracleColumn, text: str) -> None:
    assert schema.declared_type(column) == text
