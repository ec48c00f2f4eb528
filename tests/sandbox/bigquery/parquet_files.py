"""Parquet loads: columns by name, types as the service converts them, nothing rounded.

Sources: https://docs.cloud.google.com/bigquery/docs/loading-data-cloud-storage-parquet (types,
case-insensitive names, schema taken from the file), JobConfigurationLoad (ignoreUnknownValues,
decimalTargetTypes). Matching by name, and refusing INT64 into NUMERIC, zoned timestamps into
DATETIME, nanoseconds and JSON, are unverified: the strict reading was taken.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
from bqemulator.catalog.models import TableFieldSchema
from bqemulator.domain.errors import ValidationError

from tests.sandbox.bigquery import bignumeric
from tests.sandbox.bigquery.failures import LoadFailed
from tests.sandbox.bigquery.source import Source, literal, quoted

_VIEW = "parquet_rows"
_NUMERIC_SCALE = 9
_NUMERIC_WHOLE = 29
_NARROW = 38


def read(
    connection: duckdb.DuckDBPyConnection,
    path: Path,
    config: dict[str, Any],
    schema: tuple[TableFieldSchema, ...] | None,
) -> Source:
    """The rows of one Parquet file, typed by `schema` or, without it, by the file."""
    arrow = _schema_of(path)
    fields = schema if schema is not None else _inferred(arrow, config)
    wanted = {field.name.lower(): field for field in fields}
    columns = {column.name.lower(): column for column in arrow}
    if len(columns) != len(arrow):
        raise LoadFailed("two column names differ only in case")
    extra = [column.name for key, column in columns.items() if key not in wanted]
    if extra and not config.get("ignoreUnknownValues"):
        raise ValidationError(
            f"Provided Schema does not match the file. Cannot add fields (field: {extra[0]})"
        )
    present = tuple(field for field in fields if field.name.lower() in columns)
    relation, views = _relation(connection, path, arrow)
    items = [_item(columns[field.name.lower()], field) for field in present]
    _refuse_out_of_range(connection, relation, columns, present)
    rows = f"(SELECT {', '.join(items)} FROM {relation})" if items else relation
    # The job's columns that the file lacks become NULL in the table.
    return Source(connection, rows, fields, views)


def _schema_of(path: Path) -> pa.Schema:
    try:
        return pq.read_schema(path)
    except (pa.ArrowInvalid, OSError) as error:
        raise LoadFailed(f"Input file is not in Parquet format: {error}") from error


def _relation(
    connection: duckdb.DuckDBPyConnection, path: Path, arrow: pa.Schema
) -> tuple[str, tuple[str, ...]]:
    """DuckDB reads the file itself, except for decimals that are wider than its own."""
    wide = [column.name for column in arrow if pa.types.is_decimal256(column.type)]
    if not wide:
        return f"read_parquet({literal(str(path))})", ()
    table = pq.read_table(path)
    for name in wide:
        number = table.schema.get_field_index(name)
        table = table.set_column(number, name, bignumeric.arrow_column(table.column(name)))
    connection.register(_VIEW, table)
    return _VIEW, (_VIEW,)


def _inferred(arrow: pa.Schema, config: dict[str, Any]) -> tuple[TableFieldSchema, ...]:
    targets = [str(t).upper() for t in config.get("decimalTargetTypes") or ["NUMERIC"]]
    return tuple(_inferred_field(column, targets) for column in arrow)


def _inferred_field(column: pa.Field, targets: list[str]) -> TableFieldSchema:
    kind, mode = column.type, "NULLABLE" if column.nullable else "REQUIRED"
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    if pa.types.is_decimal(kind):
        name = _decimal_target(kind, targets)
    else:
        name = next((bq for test, bq in _INFERRED if test(kind)), "")
    if not name:
        raise LoadFailed(f"Unsupported type {kind} of column {column.name}")
    return TableFieldSchema(name=column.name, type=name, mode=mode)  # type: ignore[arg-type]


_INFERRED = (
    (pa.types.is_integer, "INTEGER"),
    (pa.types.is_floating, "FLOAT"),
    (pa.types.is_boolean, "BOOLEAN"),
    (lambda t: pa.types.is_string(t) or pa.types.is_large_string(t), "STRING"),
    (lambda t: pa.types.is_binary(t) or pa.types.is_large_binary(t), "BYTES"),
    (pa.types.is_date, "DATE"),
    # Zone-less ones too: a DATETIME needs a schema in the job.
    (pa.types.is_timestamp, "TIMESTAMP"),
    (pa.types.is_time, "TIME"),
)


def _decimal_target(kind: Any, targets: list[str]) -> str:
    order = [name for name in ("NUMERIC", "BIGNUMERIC", "STRING") if name in targets]
    for name in order:
        if name == "STRING" or _holds(name, kind):
            return name
    return order[-1]


def _holds(name: str, kind: Any) -> bool:
    if name == "NUMERIC":
        whole = kind.precision - kind.scale
        return bool(kind.scale <= _NUMERIC_SCALE and whole <= _NUMERIC_WHOLE)
    return bool(kind.scale <= bignumeric.SCALE)


def _item(column: pa.Field, field: TableFieldSchema) -> str:
    expression = _converted(column, field)
    return f"{expression} AS {quoted(field.name)}"


def _converted(column: pa.Field, field: TableFieldSchema) -> str:
    """SQL that turns the file's column into the field's type, or LoadFailed."""
    name, kind, target = quoted(column.name), column.type, field.type
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    if pa.types.is_list(kind) or pa.types.is_struct(kind):
        return name
    if pa.types.is_decimal(kind):
        return _converted_decimal(name, kind, field)
    if pa.types.is_timestamp(kind):
        return _converted_timestamp(name, kind, field)
    accepted = next((bq for test, bq in _INFERRED if test(kind)), "")
    if accepted != target:
        raise LoadFailed(
            f"Field {field.name} has type {target} in the schema, but the file's type is {kind}"
        )
    return name


def _converted_decimal(name: str, kind: Any, field: TableFieldSchema) -> str:
    wide = pa.types.is_decimal256(kind)
    if field.type == "NUMERIC":
        if kind.scale > _NUMERIC_SCALE:
            raise LoadFailed(
                f"Invalid NUMERIC value of field {field.name}: "
                "Value will lose precision after scaling down to NUMERIC type"
            )
        text = f"{bignumeric.TO_TEXT}({name})"
        return f"CAST({text if wide else name} AS DECIMAL(38, 9))"
    if field.type == "BIGNUMERIC":
        return name if wide else f"{bignumeric.FROM_TEXT}(CAST({name} AS VARCHAR))"
    raise LoadFailed(f"Field {field.name} has type {field.type}, but the file has {kind}")


def _converted_timestamp(name: str, kind: Any, field: TableFieldSchema) -> str:
    if kind.unit == "ns":
        raise LoadFailed(f"Field {field.name} has nanoseconds, which TIMESTAMP does not hold")
    if field.type == "TIMESTAMP":
        return name if kind.tz else f"CAST({name} AS TIMESTAMP) AT TIME ZONE 'UTC'"
    if field.type == "DATETIME" and kind.tz is None:
        return f"CAST({name} AS TIMESTAMP)"
    raise LoadFailed(f"Field {field.name} has type {field.type}, but the file has {kind}")


def _refuse_out_of_range(
    connection: duckdb.DuckDBPyConnection,
    relation: str,
    columns: dict[str, pa.Field],
    fields: tuple[TableFieldSchema, ...],
) -> None:
    """Dates of BigQuery run from year 1 to year 9999."""
    for field in fields:
        if field.type in ("DATE", "DATETIME", "TIMESTAMP") and field.mode != "REPEATED":
            name = quoted(columns[field.name.lower()].name)
            bad = f"{name} < DATE '0001-01-01' OR {name} >= DATE '9999-12-31' + INTERVAL 1 DAY"
            row = connection.execute(f"SELECT {name} FROM {relation} WHERE {bad} LIMIT 1")
            if row.fetchone() is not None:
                raise LoadFailed(
                    f"Invalid {field.type.lower()} value in field {field.name}: "
                    "outside 0001-01-01 to 9999-12-31"
                )
