"""Every view of the sandbox's ERP, staged in both modes: the same table, cell by cell."""

from __future__ import annotations

import base64
import decimal
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import oracledb
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
import pytest

from etl_oracle_to_bq import extract, schema, stage
from etl_oracle_to_bq.model import LoadMode, PlannedColumn, Query, Source, Store
from tests.sandbox.dataset.views import VIEWS
from tests.sandbox.serve import Sandbox

NOW = datetime(2026, 11, 23, 4, 5, 6, 789, tzinfo=UTC)


def reader(sandbox: Sandbox) -> Store:
    address, _, service = sandbox.oracle_dsn.partition("/")
    host, _, port = address.partition(":")
    return Store(
        1, "erp", host, int(port), sandbox.reader, sandbox.reader_password, service_name=service
    )


@pytest.fixture
def session(oracle_sandbox: Sandbox) -> Iterator[extract.OracleSession]:
    with extract.connect(reader(oracle_sandbox)) as found:
        yield found


def staged(
    session: extract.OracleSession,
    query: Query,
    columns: tuple[PlannedColumn, ...],
    mode: LoadMode,
    folder: Path,
) -> Path:
    stager = stage.Stager(folder, schema.arrow_schema(columns), mode=mode, imported_at=NOW)
    try:
        for batch in session.batches(query, schema.fetch_schema(columns), 500):
            stager.write(batch)
        (part,) = stager.finish()
    finally:
        stager.discard()
    return part.path


def read_csv(path: Path, wanted: pa.Schema) -> list[dict[str, object]]:
    """As BigQuery reads it; bytes are base64, BIGNUMERIC is text that pyarrow cannot read."""
    own = [field.name for field in wanted if pa.types.is_large_binary(field.type)]
    wide = [field.name for field in wanted if pa.types.is_decimal256(field.type)]
    types = {field.name: field.type for field in wanted}
    types |= {name: pa.large_string() for name in own + wide}
    table = pa_csv.read_csv(
        path,
        parse_options=pa_csv.ParseOptions(newlines_in_values=True),
        convert_options=pa_csv.ConvertOptions(
            column_types=types,
            null_values=[""],
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
        ),
    )
    rows = table.to_pylist()
    for row in rows:
        row |= {name: base64.b64decode(row[name]) for name in own if row[name] is not None}
        row |= {name: decimal.Decimal(row[name]) for name in wide if row[name] is not None}
    return rows


@pytest.mark.parametrize("name", VIEWS)
def test_both_modes_stage_the_same_cells(
    oracle_sandbox: Sandbox, session: extract.OracleSession, tmp_path: Path, name: str
) -> None:
    source = Source(1, f"ERP.{name}", reader(oracle_sandbox), "d", "t")
    columns = schema.plan_columns(session.describe(source.view), source)
    items = ", ".join(f'{column.expression} AS "{column.source.name}"' for column in columns)
    query = Query(f'SELECT {items} FROM "ERP"."{name}" v', {})
    parquet = pq.read_table(staged(session, query, columns, LoadMode.DATAFRAME, tmp_path))
    csv = staged(session, query, columns, LoadMode.CSV, tmp_path)
    rows = parquet.to_pylist()
    assert exact(read_csv(csv, parquet.schema)) == exact(rows)
    assert [row[stage.IMPORTED_AT] for row in rows] == [NOW] * len(rows)
    assert_same_as_oracle(oracle_sandbox, query, [list(row.values())[:-1] for row in rows])


def assert_same_as_oracle(sandbox: Sandbox, query: Query, rows: list[list[object]]) -> None:
    """The rows as the driver's own row interface gives them: another decoder, other types."""
    with oracledb.connect(
        user=sandbox.reader, password=sandbox.reader_password, dsn=sandbox.oracle_dsn
    ) as connection:
        cursor = connection.cursor()
        cursor.execute("ALTER SESSION SET TIME_ZONE = '+00:00'")
        cursor.execute(query.sql, fetch_decimals=True, fetch_lobs=False)
        for ours, theirs in zip(rows, cursor.fetchall(), strict=True):
            assert [plain(cell) for cell in ours] == [plain(cell) for cell in theirs]


def exact(rows: list[dict[str, object]]) -> list[dict[str, object]]:
    """Decimals without their trailing zeros, floats by their digits so that NaN equals itself."""
    return [{name: number(cell) for name, cell in row.items()} for row in rows]


def number(cell: object) -> object:
    if isinstance(cell, decimal.Decimal):
        return cell.normalize(decimal.Context(prec=80))
    return repr(cell) if isinstance(cell, float) else cell


def plain(cell: object) -> object:
    if isinstance(cell, int | decimal.Decimal) and not isinstance(cell, bool):
        return decimal.Decimal(cell).normalize(decimal.Context(prec=80))
    if isinstance(cell, datetime):
        return cell.replace(tzinfo=None)
    return repr(cell) if isinstance(cell, float) else cell
