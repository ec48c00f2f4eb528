"""Which column, and which rows, when a value cannot be converted: a message that can be used."""

from __future__ import annotations

import re
from contextlib import suppress

import oracledb
import pyarrow as pa

from etl_oracle_to_bq.errors import StageError
from etl_oracle_to_bq.extract.binds import bound
from etl_oracle_to_bq.model import Query

# How long a failed run may look for the guilty column before it names all that it can be.
SEARCH_MILLISECONDS = 60_000
INT64_RANGE = "-9223372036854775808 AND 9223372036854775807"
VIEW = re.compile(r'\bFROM\s+("[^"]+"\."[^"]+")')


def misfit(
    connection: oracledb.Connection, query: Query, wanted: pa.Schema, names: list[str], why: str
) -> StageError:
    """StageError `value-does-not-fit` with the column and a SELECT that finds its rows.

    `names` are the query's column names in Oracle, `wanted` their planned types.
    """
    tests = {
        name: test
        for name, field in zip(names, wanted, strict=True)
        if (test := _number_test(query, name, field.type))
    }
    return _told(connection, query, tests, why, "value-does-not-fit")


def bad_date(
    connection: oracledb.Connection, query: Query, wanted: pa.Schema, names: list[str], why: str
) -> StageError:
    """StageError `bad-dates`: a date outside years 1 to 9999, or one that is corrupt."""
    tests = {
        name: f"\"{name}\" < DATE '0001-01-01'"
        for name, field in zip(names, wanted, strict=True)
        if pa.types.is_timestamp(field.type) or pa.types.is_date(field.type)
    }
    return _told(connection, query, tests, why, "bad-dates")


def _number_test(query: Query, name: str, kind: pa.DataType) -> str:
    column = f'"{name}"'
    if pa.types.is_int64(kind):
        return f"({column} NOT BETWEEN {INT64_RANGE} OR {column} <> TRUNC({column}))"
    if not pa.types.is_decimal(kind):
        return ""
    too_large = f"ABS({column}) >= 1E{kind.precision - kind.scale}"
    if f"ROUND(v.{column}" in query.sql:
        return too_large
    return f"({too_large} OR {column} <> ROUND({column}, {kind.scale}))"


def _told(
    connection: oracledb.Connection, query: Query, tests: dict[str, str], why: str, code: str
) -> StageError:
    guilty = _guilty(connection, query, tests) or list(tests)
    match = VIEW.search(query.sql)
    view = match.group(1) if match else f"({query.sql})"
    finders = " or ".join(f"SELECT * FROM {view} WHERE {tests[name]}" for name in guilty)
    return StageError(f"Column {', '.join(guilty)}: {why}. Rows: {finders}", code=code)


def _guilty(connection: oracledb.Connection, query: Query, tests: dict[str, str]) -> list[str]:
    """The columns that hold such values, by one counting query; empty when it cannot tell."""
    if len(tests) < 2:
        return list(tests)
    counts = ", ".join(f"COUNT(CASE WHEN {test} THEN 1 END)" for test in tests.values())
    # The run has failed already; that the search fails too adds nothing to its message.
    with suppress(oracledb.Error, OSError):
        connection.call_timeout = SEARCH_MILLISECONDS
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT {counts} FROM ({query.sql})", bound(cursor, query))
            row = cursor.fetchone() or ()
        return [name for name, count in zip(tests, row, strict=True) if count]
    return []
