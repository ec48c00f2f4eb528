"""Arrow columns into the representation that the engine stores (see `types`)."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from tests.sandbox.oracle.engine.types import (
    BINARY_KINDS,
    FLOATING_KINDS,
    NUMBER_KINDS,
    PADDED_KINDS,
    TEXT_KINDS,
    of_column,
)
from tests.sandbox.oracle.engine.zones import zone
from tests.sandbox.oracle.session import Column, Kind

_CANONICAL = r"-?(0|[1-9][0-9]{0,124})(\.[0-9]*[1-9])?"
_PER_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}


def prepared(rows: pa.Table) -> pa.Table:
    """The same rows without Arrow types that DuckDB lacks."""
    columns = [_prepared(column) for column in rows.columns]
    return pa.table(columns, names=[str(i) for i in range(len(columns))])


def _prepared(column: pa.ChunkedArray) -> pa.ChunkedArray:
    if pa.types.is_decimal256(column.type):
        return column.cast(pa.string())
    if pa.types.is_duration(column.type):
        factor = 10**9 // _PER_SECOND[column.type.unit]
        spans = [_span(value, factor) for value in column.cast(pa.int64()).to_pylist()]
        kind = pa.struct([("days", pa.int64()), ("nanos", pa.int64())])
        return pa.chunked_array([pa.array(spans, kind)])
    if pa.types.is_null(column.type):
        return column.cast(pa.string())
    return column


def _span(ticks: int | None, factor: int) -> dict[str, int] | None:
    if ticks is None:
        return None
    sign = -1 if ticks < 0 else 1
    days, nanos = divmod(abs(ticks) * factor, 86400 * 10**9)
    return {"days": sign * days, "nanos": sign * nanos}


def physical_expressions(columns: Sequence[Column], schema: pa.Schema) -> list[str]:
    """DuckDB expressions over a0, a1, ... that give c0, c1, ...

    Raises ValueError when an Arrow type cannot become the Oracle type.
    """
    return [
        f"{_expression(column, field.type, f'a{i}')} AS c{i}"
        for i, (column, field) in enumerate(zip(columns, schema, strict=True))
    ]


def _expression(column: Column, arrow: pa.DataType, name: str) -> str:
    ty = of_column(column)
    if column.kind in TEXT_KINDS:
        text = f"nullif(CAST({name} AS VARCHAR), '')"
        if pa.types.is_nested(arrow):
            text = f"CAST(to_json({name}) AS VARCHAR)"
        if column.kind in PADDED_KINDS:
            chars = str(column.char_semantics).lower()
            return f"pad_char({text}, {column.length or 1}, {chars})"
        return text
    if column.kind in NUMBER_KINDS:
        return _number(ty.duck, arrow, name)
    if column.kind in FLOATING_KINDS | {Kind.INTERVAL_YM}:
        return f"CAST({name} AS {ty.duck})"
    if column.kind in BINARY_KINDS:
        return f"CASE WHEN octet_length(CAST({name} AS BLOB)) > 0 THEN CAST({name} AS BLOB) END"
    if column.kind is Kind.INTERVAL_DS:
        return f"CAST({name} AS {ty.duck})"
    return _moment(column, arrow, name)


def _number(duck: str, arrow: pa.DataType, name: str) -> str:
    if pa.types.is_boolean(arrow):
        name = f"CAST({name} AS INTEGER)"
    if duck != "VARCHAR":
        return f"CAST({name} AS {duck})"
    if pa.types.is_floating(arrow):
        return f"n_double(CAST({name} AS DOUBLE))"
    if pa.types.is_decimal(arrow) and arrow.scale > 0:
        return f"rtrim(rtrim(CAST({name} AS VARCHAR), '0'), '.')"
    text = f"CAST({name} AS VARCHAR)"
    if not pa.types.is_string(arrow) and not pa.types.is_large_string(arrow):
        return text
    canonical = f"regexp_full_match({text}, '{_CANONICAL}') AND {text} <> '-0'"
    return f"CASE WHEN {canonical} AND strlen({text}) <= 39 THEN {text} ELSE n_parse({text}) END"


def _moment(column: Column, arrow: pa.DataType, name: str) -> str:
    ty = of_column(column)
    if pa.types.is_struct(arrow):
        return _from_struct(column, arrow, name)
    utc, nanos = _utc(arrow, name)
    if column.kind is Kind.DATE:
        return f"date_trunc('second', {utc})"
    if column.kind is Kind.TIMESTAMP_TZ:
        where = zone(arrow.tz) if pa.types.is_timestamp(arrow) and arrow.tz else zone("UTC")
        return f"tz_from({utc}, {where.offset(utc)})"
    if ty.fine:
        return f"ns_with(us_seconds({utc}), {nanos})"
    return utc


def _utc(arrow: pa.DataType, name: str) -> tuple[str, str]:
    """(naive microsecond TIMESTAMP, nanoseconds within the second)."""
    utc = f"CAST({name} AS TIMESTAMP)"
    if pa.types.is_timestamp(arrow) and arrow.tz:
        utc = f"make_timestamp(epoch_us({name}))"
    nanos = f"(epoch_us({utc}) - us_seconds({utc}) * 1000000) * 1000"
    if pa.types.is_timestamp(arrow) and arrow.unit == "ns" and not arrow.tz:
        nanos = f"epoch_ns({name}) - us_seconds({utc}) * 1000000000"
    return utc, nanos


def _from_struct(column: Column, arrow: pa.DataType, name: str) -> str:
    ty = of_column(column)
    names = {arrow.field(i).name for i in range(arrow.num_fields)}
    if column.kind is Kind.TIMESTAMP_TZ:
        offset = f"{name}.offset" if "offset" in names else "0"
        return f"tz_pack({name}.seconds, {name}.nanos, {offset})"
    if ty.fine:
        return f"ns_with({name}.seconds, {name}.nanos)"
    return f"make_timestamp({name}.seconds * 1000000 + {name}.nanos // 1000)"


# -- Oracle types from Arrow types --------------------------------------------------------------

_INTEGERS = {1: 3, 2: 5, 4: 10, 8: 20}


def column_of(name: str, arrow: pa.DataType, longest: int, nullable: bool = True) -> str:
    """The Oracle type, as text, for an Arrow column whose longest text has `longest` bytes.

    Raises ValueError for a type without counterpart.
    """
    if pa.types.is_dictionary(arrow):
        arrow = arrow.value_type
    if pa.types.is_boolean(arrow):
        return "NUMBER(1,0)"
    if pa.types.is_integer(arrow):
        return f"NUMBER({_INTEGERS[arrow.bit_width // 8]},0)"
    if pa.types.is_decimal(arrow):
        return f"NUMBER({arrow.precision},{arrow.scale})" if arrow.precision <= 38 else "NUMBER"
    if pa.types.is_floating(arrow):
        return "BINARY_FLOAT" if arrow.bit_width <= 32 else "BINARY_DOUBLE"
    if pa.types.is_date(arrow):
        return "DATE"
    if pa.types.is_timestamp(arrow):
        scale = {"s": 0, "ms": 3, "us": 6, "ns": 9}[arrow.unit]
        return f"TIMESTAMP({scale}){' WITH TIME ZONE' if arrow.tz else ''}"
    if pa.types.is_binary(arrow) or pa.types.is_large_binary(arrow):
        return "RAW(2000)" if longest <= 2000 else "BLOB"
    if pa.types.is_duration(arrow):
        return "INTERVAL DAY(9) TO SECOND(9)"
    if pa.types.is_string(arrow) or pa.types.is_large_string(arrow) or pa.types.is_null(arrow):
        return "VARCHAR2(4000 CHAR)" if longest <= 4000 else "CLOB"
    if pa.types.is_nested(arrow):
        return "CLOB"
    if pa.types.is_time(arrow):
        return "VARCHAR2(18)"
    raise ValueError(f"column {name}: no Oracle type for {arrow}")
