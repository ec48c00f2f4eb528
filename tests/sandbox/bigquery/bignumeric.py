"""BIGNUMERIC with all 76 digits, which no DuckDB number can hold.

A value is stored as a pair of 128-bit integers: the integer part, rounded down, and the rest
times 10^38. The pair compares, sorts, groups, joins and aggregates with MIN and MAX as the number does; SUM and the casts to
STRING, NUMERIC and FLOAT64 go through functions of this file; anything else (arithmetic,
comparison with another type) is refused by DuckDB's type checker, never computed wrongly.

Width: 38 digits before and 38 after the point. The service holds a little more (76.76 digits,
https://docs.cloud.google.com/bigquery/docs/reference/standard-sql/data-types); a value with 39
integer digits is refused here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from decimal import Context, Decimal
from typing import Any

import pyarrow as pa
import sqlglot
from bqemulator.catalog import ddl_sync
from bqemulator.catalog.models import FieldMode, TableFieldSchema
from bqemulator.jobs import executor
from bqemulator.sql import parameters, translator
from bqemulator.sql.rules import _REGISTRY as RULES
from bqemulator.sql.rules import TranslationRule
from bqemulator.storage import arrow_bridge, type_map
from sqlglot import exp

from tests.sandbox.bigquery.corrections import Patch

UNITS = "bignumeric_units"
FRACTION = "bignumeric_fraction"
SCALE = 38
DUCKDB_TYPE = f"STRUCT({UNITS} HUGEINT, {FRACTION} HUGEINT)"
# Arrow has no 128-bit integer: DuckDB exchanges HUGEINT as this.
_HUGEINT = pa.decimal128(38, 0)
ARROW_TYPE = pa.struct([(UNITS, _HUGEINT), (FRACTION, _HUGEINT)])

FROM_TEXT = "sandbox_bignumeric"
TO_TEXT = "sandbox_bignumeric_text"
PLAIN = "sandbox_plain_decimal"
SUM = "sandbox_bignumeric_sum"

_ONE = 10**SCALE
_HALF = 10 ** (SCALE // 2)
_LIMIT = 10 ** (2 * SCALE)
_EXACT = Context(prec=160)

# Written in SQL, not in Python: DuckDB hung in functions of Python that read Arrow data.
_NUMBER = r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)"
_WHOLE = "CAST('0' || regexp_extract(trim(t), '^[+-]?0*([0-9]*)', 1) AS HUGEINT)"
_DIGITS_AFTER = "rtrim(regexp_extract(t, '\\.([0-9]*)', 1), '0')"
_REST = f"CAST('0' || rpad({_DIGITS_AFTER}, {SCALE}, '0') AS HUGEINT)"
_POINT = (
    "CAST(length(regexp_extract(t, '^[+-]?([0-9]*)', 1)) "
    "+ TRY_CAST(regexp_extract(t, '[eE]([+-]?[0-9]{1,3})$', 1) AS INTEGER) AS INTEGER)"
)
_ALL_DIGITS = r"regexp_extract(t, '^[+-]?([0-9]*)', 1) || regexp_extract(t, '\.([0-9]*)', 1)"
_MACROS = f"""
CREATE OR REPLACE MACRO sandbox_with_point(minus, digits, point) AS
    CASE WHEN minus THEN '-' ELSE '' END || CASE
        WHEN point <= 0 THEN '0.' || repeat('0', -point) || digits
        ELSE rpad(left(digits, point), point, '0') || '.' || substr(digits, point + 1) END;
CREATE OR REPLACE MACRO {PLAIN}(t) AS
    CASE WHEN contains(lower(t), 'e') AND regexp_full_match(t, '{_NUMBER}[eE][+-]?[0-9]{{1,3}}')
         THEN sandbox_with_point(starts_with(t, '-'), {_ALL_DIGITS}, {_POINT}) ELSE t END;
CREATE OR REPLACE MACRO sandbox_bignumeric_pair(minus, whole, rest) AS
    CASE WHEN NOT minus THEN {{'{UNITS}': whole, '{FRACTION}': rest}}
         WHEN rest = 0 THEN {{'{UNITS}': -whole, '{FRACTION}': rest}}
         ELSE {{'{UNITS}': -whole - 1, '{FRACTION}': {_ONE} - rest}} END;
CREATE OR REPLACE MACRO {FROM_TEXT}(t) AS
    CASE WHEN t IS NULL THEN NULL
         WHEN NOT regexp_full_match(trim(t), '{_NUMBER}')
              OR length({_DIGITS_AFTER}) > {SCALE}
              OR length(regexp_extract(trim(t), '^[+-]?0*([0-9]*)', 1)) > {SCALE}
         THEN error('Invalid BIGNUMERIC value: ' || t)
         ELSE sandbox_bignumeric_pair(starts_with(trim(t), '-'), {_WHOLE}, {_REST}) END;
CREATE OR REPLACE MACRO sandbox_bignumeric_spell(minus, whole, rest) AS
    CASE WHEN minus THEN '-' ELSE '' END || CAST(whole AS VARCHAR) || CASE WHEN rest = 0 THEN ''
         ELSE '.' || rtrim(lpad(CAST(rest AS VARCHAR), {SCALE}, '0'), '0') END;
CREATE OR REPLACE MACRO {TO_TEXT}(b) AS
    CASE WHEN b IS NULL THEN NULL
         WHEN b.{UNITS} >= 0 THEN sandbox_bignumeric_spell(false, b.{UNITS}, b.{FRACTION})
         WHEN b.{FRACTION} = 0 THEN sandbox_bignumeric_spell(true, -b.{UNITS}, b.{FRACTION})
         ELSE sandbox_bignumeric_spell(true, -b.{UNITS} - 1, {_ONE} - b.{FRACTION}) END;
CREATE OR REPLACE MACRO sandbox_bignumeric_carried(units, high, low) AS
    CASE WHEN units IS NULL THEN NULL ELSE {{
        '{UNITS}': units + (high + low // {_HALF}) // {_HALF},
        '{FRACTION}': (high + low // {_HALF}) % {_HALF} * {_HALF} + low % {_HALF} }} END;
CREATE OR REPLACE MACRO {SUM}(b) AS
    sandbox_bignumeric_carried(
        sum(b.{UNITS}), sum(b.{FRACTION} // {_HALF}), sum(b.{FRACTION} % {_HALF}));
"""


class DoesNotFit(ValueError):
    """A number with more digits than BIGNUMERIC has here."""


def scaled(number: Decimal) -> int:
    """`number` × 10^38, exactly; raises DoesNotFit for more than 38 digits on either side."""
    shifted = _EXACT.scaleb(number, SCALE)
    if not number.is_finite() or shifted != shifted.to_integral_value(context=_EXACT):
        raise DoesNotFit(f"Invalid BIGNUMERIC value: {number}")
    return _checked(int(shifted))


def text_of(value: dict[str, Decimal]) -> str:
    """The shortest decimal text of a stored pair, without an exponent."""
    number = Decimal(int(value[UNITS]) * _ONE + int(value[FRACTION]))
    text = format(_EXACT.scaleb(number, -SCALE), "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def arrow_column(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Stored pairs from a column of Arrow decimal256 of any scale up to 38."""
    return pa.chunked_array([arrow_from_decimals(c) for c in column.chunks], type=ARROW_TYPE)


def arrow_from_decimals(array: pa.Array) -> pa.StructArray:
    """Stored pairs from an Arrow decimal256 array of any scale up to 38."""
    factor = 10 ** (SCALE - array.type.scale)
    width = array.type.byte_width
    raw = memoryview(array.buffers()[1])
    valid = array.is_valid().to_pylist()
    start = array.offset
    return _pairs(
        int.from_bytes(raw[i * width : (i + 1) * width], "little", signed=True) * factor
        if valid[i - start]
        else None
        for i in range(start, start + len(array))
    )


def register(connection: Any) -> None:
    """Add the functions that DuckDB needs to read, show and add BIGNUMERIC."""
    connection.execute(_MACROS)


def is_bignumeric(arrow_type: pa.DataType) -> bool:
    """True for the Arrow type that DuckDB gives to a stored pair."""
    return (
        pa.types.is_struct(arrow_type)
        and arrow_type.num_fields == len((UNITS, FRACTION))
        and arrow_type.field(0).name == UNITS
        and arrow_type.field(1).name == FRACTION
    )


def _checked(value: int) -> int:
    if not -_LIMIT <= value < _LIMIT:
        raise DoesNotFit("BIGNUMERIC overflow: the sandbox holds 38 digits before the point")
    return value


def _pairs(values: Iterable[int | None]) -> pa.StructArray:
    units = bytearray()
    fractions = bytearray()
    missing = []
    for value in values:
        missing.append(value is None)
        whole, rest = divmod(_checked(value or 0), _ONE)
        units += whole.to_bytes(16, "little", signed=True)
        fractions += rest.to_bytes(16, "little", signed=True)
    return pa.StructArray.from_arrays(
        [
            _decimals(units, ARROW_TYPE.field(0).type, len(missing)),
            _decimals(fractions, ARROW_TYPE.field(1).type, len(missing)),
        ],
        names=[UNITS, FRACTION],
        mask=pa.array(missing, pa.bool_()),
    )


def _decimals(raw: bytearray, arrow_type: pa.DataType, length: int) -> pa.Array:
    return pa.Array.from_buffers(arrow_type, length, [None, pa.py_buffer(bytes(raw))])


# --- SQL: types, casts, literals and parameters --------------------------------------------

_STRUCT_TYPE = exp.DataType.build(f"STRUCT<{UNITS} INT128, {FRACTION} INT128>", dialect="bigquery")


def rewrite_sql(sql: str) -> str:
    """BigQuery SQL in which every BIGNUMERIC type, cast and literal names the stored pair."""
    if "BIGNUMERIC" not in sql.upper():
        return sql
    try:
        tree = sqlglot.parse_one(_rewrite_literals(sql), read="bigquery")
    except sqlglot.errors.ParseError:
        return sql
    return str(tree.transform(_rewrite_node).sql(dialect="bigquery"))


def _rewrite_node(node: exp.Expression) -> exp.Expression:
    if isinstance(node, exp.ParseBignumeric):
        return exp.Anonymous(this=FROM_TEXT, expressions=[node.this])
    if isinstance(node, exp.Cast) and node.to.is_type(exp.DataType.Type.BIGDECIMAL):
        text = exp.cast(node.this, "STRING", dialect="bigquery")
        return exp.Anonymous(this=FROM_TEXT, expressions=[text])
    if isinstance(node, exp.DataType) and node.this == exp.DataType.Type.BIGDECIMAL:
        return _STRUCT_TYPE.copy()
    return node


def _bignumeric_literal(match: Any) -> str:
    quote, literal = match.group(1), match.group(2)
    return f"{FROM_TEXT}({quote}{literal}{quote})"


_stock_rewrite_literals: Callable[[str], str] = translator.rewrite_numeric_literals


def _rewrite_literals(sql: str) -> str:
    from bqemulator.sql.rewriter import numeric_literals

    return str(numeric_literals._BIGNUMERIC_RE.sub(_bignumeric_literal, sql))


def _rewrite_numeric_literals(sql: str) -> str:
    return _stock_rewrite_literals(rewrite_sql(sql))


def _is_pair(node: exp.Expression | None) -> bool:
    kind = node.type if node is not None else None
    return kind is not None and kind.is_type(exp.DataType.Type.STRUCT) and UNITS in kind.sql()


class _CastOfBignumeric(TranslationRule):
    """CAST(bignumeric AS anything) goes through its decimal text."""

    name = "SANDBOX_CAST_BIGNUMERIC"

    def applies_to(self, node: exp.Expression) -> bool:
        return (
            isinstance(node, exp.Cast)
            and _is_pair(node.this)
            and not node.to.is_type(exp.DataType.Type.STRUCT)
        )

    def rewrite(self, node: exp.Expression) -> exp.Expression:
        text = exp.Anonymous(this=TO_TEXT, expressions=[node.this.copy()])
        return exp.Cast(this=text, to=node.args["to"].copy())


class _DigitsOfNumeric(TranslationRule):
    """NUMERIC has nine decimals; DuckDB's DECIMAL without digits has three, and rounds to them."""

    name = "SANDBOX_NUMERIC_DIGITS"

    def applies_to(self, node: exp.Expression) -> bool:
        return (
            isinstance(node, exp.DataType)
            and node.this == exp.DataType.Type.DECIMAL
            # The parser of DuckDB's dialect spells a bare DECIMAL out.
            and [digits.name for digits in node.expressions] in ([], ["18", "3"])
        )

    def rewrite(self, node: exp.Expression) -> exp.Expression:
        return exp.DataType.build("DECIMAL(38, 9)", dialect="duckdb")


class _SumOfBignumeric(TranslationRule):
    """SUM(bignumeric) adds the parts of the pairs and carries."""

    name = "SANDBOX_SUM_BIGNUMERIC"

    def applies_to(self, node: exp.Expression) -> bool:
        return isinstance(node, exp.Sum) and _is_pair(node.this)

    def rewrite(self, node: exp.Expression) -> exp.Expression:
        return exp.Anonymous(this=SUM, expressions=[node.this.copy()])


# --- The emulator's tables of types, and its wire format ------------------------------------

_stock_format = arrow_bridge._format_special_value
_stock_schema_entry = executor._arrow_field_to_schema_entry
_stock_table_field = ddl_sync._arrow_field_to_table_field


def _format_special_value(value: Any, arrow_type: pa.DataType, field: pa.Field | None) -> Any:
    if is_bignumeric(arrow_type):
        return text_of(value)
    return _stock_format(value, arrow_type, field)


def _element(arrow_type: pa.DataType) -> tuple[pa.DataType, str]:
    if pa.types.is_list(arrow_type) or pa.types.is_large_list(arrow_type):
        return arrow_type.value_type, "REPEATED"
    return arrow_type, "NULLABLE"


def _schema_entry(field: pa.Field) -> dict[str, Any]:
    element, mode = _element(field.type)
    if is_bignumeric(element):
        return {"name": field.name, "type": "BIGNUMERIC", "mode": mode}
    entry: dict[str, Any] = _stock_schema_entry(field)
    return entry


def _table_field(field: pa.Field, mode_override: FieldMode | None = None) -> TableFieldSchema:
    element, mode = _element(field.type)
    if is_bignumeric(element):
        return TableFieldSchema(
            name=field.name,
            type="BIGNUMERIC",
            mode="REPEATED" if mode == "REPEATED" else mode_override or "NULLABLE",
        )
    return _stock_table_field(field, mode_override)


def field_of_duckdb(name: str, duckdb_type: str, *, mode: str = "NULLABLE") -> dict[str, Any]:
    """The REST schema field of a DuckDB column."""
    plain = duckdb_type.replace('"', "")
    if plain.startswith(f"STRUCT({UNITS} "):
        repeated = plain.endswith("[]")
        return {"name": name, "type": "BIGNUMERIC", "mode": "REPEATED" if repeated else mode}
    field: dict[str, Any] = type_map.duckdb_type_to_bq_field(name, duckdb_type, mode=mode)
    return field


_DIGITS = "BIGNUMERIC has 76 digits: docs.cloud.google.com/bigquery/docs/reference/standard-sql/data-types"


def patches() -> list[Patch]:
    """The corrections of this file; also fills the emulator's type and rule tables."""
    type_map._BQ_TO_DUCKDB["BIGNUMERIC"] = DUCKDB_TYPE
    parameters._SCALAR_CONVERTERS["BIGNUMERIC"] = _parameter
    rules = (_CastOfBignumeric, _SumOfBignumeric, _DigitsOfNumeric)
    RULES.extend(rules)
    # The executor's translator took its rules when it was imported.
    executor._translator._rules.extend(rule() for rule in rules)
    return [
        Patch(
            "bqemulator.storage.arrow_bridge:_format_special_value", _format_special_value, _DIGITS
        ),
        Patch("bqemulator.jobs.executor:_arrow_field_to_schema_entry", _schema_entry, _DIGITS),
        Patch("bqemulator.catalog.ddl_sync:_arrow_field_to_table_field", _table_field, _DIGITS),
        Patch(
            "bqemulator.sql.translator:rewrite_numeric_literals", _rewrite_numeric_literals, _DIGITS
        ),
    ]


def _parameter(raw: Any) -> Any:
    number = scaled(Decimal(str(raw)))
    whole, rest = divmod(number, _ONE)
    return {UNITS: whole, FRACTION: rest}
