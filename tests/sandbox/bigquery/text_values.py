"""How the text of a CSV or JSON value becomes a typed value, and when it cannot.

Accepted forms: https://docs.cloud.google.com/bigquery/docs/loading-data-cloud-storage-csv.
"""

from __future__ import annotations

from dataclasses import dataclass

import duckdb
from bqemulator.catalog.models import TableFieldSchema

from tests.sandbox.bigquery import bignumeric
from tests.sandbox.bigquery.source import literal, quoted

_DAY = r"\d{4}[-/]\d{1,2}[-/]\d{1,2}"
_CLOCK = r"\d{1,2}:\d{1,2}(:\d{1,2}(\.\d{1,6})?)?"
_ZONE = r"( ?(Z|UTC|[+-]\d{1,2}(:\d{2})?))?"
_DECIMAL = r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?"
_TRUE = "('1', 'true', 't', 'yes', 'y')"
_FALSE = "('0', 'false', 'f', 'no', 'n')"
_YEARS = "BETWEEN 1 AND 9999"


@dataclass(frozen=True, slots=True)
class _Rule:
    """SQL with `{v}` for the text: `accept` says whether it fits, `convert` gives the value."""

    accept: str
    convert: str


def _matches(pattern: str) -> str:
    return f"regexp_full_match({{v}}, {literal(pattern)})"


def _typed(pattern: str, duckdb_type: str) -> _Rule:
    cast = f"TRY_CAST({{v}} AS {duckdb_type})"
    return _Rule(f"{_matches(pattern)} AND {cast} IS NOT NULL", cast)


def _dated(pattern: str, duckdb_type: str) -> _Rule:
    rule = _typed(pattern, duckdb_type)
    return _Rule(f"{rule.accept} AND year({rule.convert}) {_YEARS}", rule.convert)


# Exponents are spelled out: 1E-9 is a NUMERIC, as in SQL's casts (for CSV: unverified).
_PLAIN = f"{bignumeric.PLAIN}({{v}})"
# Nine decimals at most, zeros at the end not counted.
_NINE = rf"regexp_full_match({_PLAIN}, '[^.]*(\.\d{{0,9}}0*)?')"
_SLASHES = "replace({v}, '/', '-')"

_RULES = {
    "STRING": _Rule("TRUE", "{v}"),
    "INTEGER": _typed(r"[+-]?\d+", "BIGINT"),
    "FLOAT": _typed(rf"(?i){_DECIMAL}|[+-]?(inf|infinity|nan)", "DOUBLE"),
    "NUMERIC": _Rule(
        f"{_matches(_DECIMAL)} AND TRY_CAST({_PLAIN} AS DECIMAL(38, 9)) IS NOT NULL AND {_NINE}",
        f"TRY_CAST({_PLAIN} AS DECIMAL(38, 9))",
    ),
    "BIGNUMERIC": _Rule(
        f"{_matches(_DECIMAL)} AND regexp_full_match({_PLAIN}, "
        r"'[+-]?0*\d{0,38}(\.\d{0,38}0*)?')",
        f"{bignumeric.FROM_TEXT}({_PLAIN})",
    ),
    "BOOLEAN": _Rule(
        f"lower({{v}}) IN {_TRUE} OR lower({{v}}) IN {_FALSE}", f"lower({{v}}) IN {_TRUE}"
    ),
    "BYTES": _Rule(
        "regexp_full_match({v}, '([A-Za-z0-9+/]{4})*([A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?')",
        "from_base64({v})",
    ),
    "DATE": _dated(r"\d{4}-\d{1,2}-\d{1,2}", "DATE"),
    "DATETIME": _dated(rf"\d{{4}}-\d{{1,2}}-\d{{1,2}}([ T]{_CLOCK})?", "TIMESTAMP"),
    "TIMESTAMP": _Rule(
        f"{_matches(f'{_DAY}([ T]{_CLOCK}{_ZONE})?')} AND TRY_CAST({_SLASHES} AS TIMESTAMPTZ) "
        f"IS NOT NULL AND year(TRY_CAST({_SLASHES} AS TIMESTAMPTZ)) {_YEARS}",
        f"TRY_CAST({_SLASHES} AS TIMESTAMPTZ)",
    ),
    "TIME": _typed(r"\d{1,2}:\d{1,2}:\d{1,2}(\.\d{1,6})?", "TIME"),
    "JSON": _Rule("json_valid({v})", "CAST({v} AS JSON)"),
}
_KEEP_EMPTY = ("STRING", "BYTES")


@dataclass(frozen=True, slots=True)
class Reading:
    """How a view of text columns is read; the columns in `ready` have their type already."""

    empty_is_null: bool
    ready: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class BadRows:
    """One message per row that cannot be loaded, and SQL that leaves those rows out."""

    messages: list[str]
    filter: str


def converted(field: TableFieldSchema, reading: Reading) -> str:
    """SQL for the typed value of the column of that name."""
    if field.name in reading.ready:
        return quoted(field.name)
    rule, value = _RULES[field.type], _value(field, reading)
    return rule.convert.replace("{v}", value)


def bad_rows(
    connection: duckdb.DuckDBPyConnection,
    view: str,
    fields: tuple[TableFieldSchema, ...],
    reading: Reading,
) -> BadRows:
    """Find the rows with a value that its column cannot hold."""
    accepted = [_accepted(field, reading) for field in fields]
    everything = " AND ".join(f"({test})" for test in accepted)
    cases = " ".join(
        f"WHEN NOT ({test}) THEN {_complaint(field, position)}"
        for position, (field, test) in enumerate(zip(fields, accepted, strict=True))
    )
    rows = connection.execute(
        f"SELECT CASE {cases} END FROM {view} WHERE NOT ({everything})"
    ).fetchall()
    return BadRows([str(row[0]) for row in rows], f" WHERE {everything}" if rows else "")


def _value(field: TableFieldSchema, reading: Reading) -> str:
    name = quoted(field.name)
    if field.type in _KEEP_EMPTY or not reading.empty_is_null or field.name in reading.ready:
        return name
    return f"nullif({name}, '')"


def _accepted(field: TableFieldSchema, reading: Reading) -> str:
    value = _value(field, reading)
    accept = "TRUE" if field.name in reading.ready else _RULES[field.type].accept
    test = f"({accept.replace('{v}', value)})"
    if field.mode == "REQUIRED":
        return f"{value} IS NOT NULL AND {test}"
    return f"{value} IS NULL OR {test}"


def _complaint(field: TableFieldSchema, position: int) -> str:
    name = quoted(field.name)
    text = f" for field {field.name} (position {position})"
    missing = literal(f"Required column value is missing{text}")
    ending = literal(f"' as {field.type}{text}")
    return (
        f"CASE WHEN {name} IS NULL THEN {missing} "
        f"ELSE 'Could not parse ''' || left({name}::VARCHAR, 100) || {ending} END"
    )
