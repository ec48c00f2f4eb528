"""BIGNUMERIC with all 76 digits, which no DuckDB number can hold.

A value is stored as a pair: the integer part, rounded down, and the rest. The pair compares,
sorts, groups, joins and aggregates with MIN and MAX as the number does; SUM and the casts to
STRING, NUMERIC and FLOAT64 go through functions of this file; anything else (arithmetic,
comparison with another type) is refused by DuckDB's type checker, never computed wrongly.

Width: 38 digits before and 38 after the point. The service holds a little more (76.76 digits,
https://docs.cloud.google.com/bigquery/docs/reference/standard-sql/data-types); a value with 39
integer digits is refused here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from decimal import Context, Decimal, InvalidOperation
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
DUCKDB_TYPE = f"STRUCT({UNITS} DECIMAL(38, 0), {FRACTION} DECIMAL(38, 38))"
ARROW_TYPE = pa.struct([(UNITS, pa.decimal128(38, 0)), (FRACTION, pa.decimal128(38, 38))])

FROM_TEXT = "sandbox_bignumeric"
TO_TEXT = "sandbox_bignumeric_text"
SUM_LIST = "sandbox_bignumeric_sum"

_ONE = 10**SCALE
_LIMIT = 10 ** (2 * SCALE)
_EXACT = Context(prec=160)


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
    number = _EXACT.add(value[UNITS], value[FRACTION])
    text = format(number, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


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
    """Add the functions that DuckDB needs to read and show BIGNUMERIC."""
    connection.create_function(
        FROM_TEXT, _from_texts, ["VARCHAR"], DUCKDB_TYPE, type="arrow", null_handling="special"
    )
    connection.create_function(
        TO_TEXT, _to_texts, [DUCKDB_TYPE], "VARCHAR", type="arrow", null_handling="special"
    )
    connection.create_function(
        SUM_LIST,
        _sums,
        [f"{DUCKDB_TYPE}[]"],
        DUCKDB_TYPE,
        type="arrow",
        null_handling="special",
    )


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


def _from_texts(texts: pa.ChunkedArray) -> pa.Array:
    return _pairs(None if text is None else _parse(text) for text in texts.to_pylist())


def _parse(text: str) -> int:
    try:
        return scaled(Decimal(text.strip()))
    except InvalidOperation:
        raise DoesNotFit(f"Invalid BIGNUMERIC value: {text}") from None


def _to_texts(values: pa.ChunkedArray) -> pa.Array:
    return pa.array([None if v is None else text_of(v) for v in values.to_pylist()], pa.string())


def _sums(lists: pa.ChunkedArray) -> pa.Array:
    return _pairs(_sum(values) for values in lists.to_pylist())


def _sum(values: list[dict[str, Decimal] | None] | None) -> int | None:
    present = [value for value in values or () if value is not None]
    if not present:
        return None
    return sum(int(v[UNITS]) * _ONE + scaled(v[FRACTION]) for v in present)


# --- SQL: types, casts, literals and parameters --------------------------------------------

_STRUCT_TYPE = exp.DataType.build(
    f"STRUCT<{UNITS} NUMERIC(38, 0), {FRACTION} NUMERIC(38, 38)>", dialect="bigquery"
)


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
    """SUM(bignumeric) is added exactly outside DuckDB."""

    name = "SANDBOX_SUM_BIGNUMERIC"

    def applies_to(self, node: exp.Expression) -> bool:
        return isinstance(node, exp.Sum) and _is_pair(node.this)

    def rewrite(self, node: exp.Expression) -> exp.Expression:
        values = exp.ArrayAgg(this=node.this.copy())
        return exp.Anonymous(this=SUM_LIST, expressions=[values])


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
    return {UNITS: Decimal(whole), FRACTION: _EXACT.scaleb(Decimal(rest), -SCALE)}
