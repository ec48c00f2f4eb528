"""Oracle → Arrow → BigQuery: which type a column gets, its name, and its SELECT expression.

`TYPE_MAP` is the map; README's table is asserted from it. Everything here is pure.

A column goes three ways: `expression` is what Oracle is asked for, `fetch_schema` what the
driver decodes into, `arrow_schema` what is staged. The last two differ in two places, where
a cast that raises on loss follows the fetch: python-oracledb has no time zones (UTC is put
on afterwards), and its NUMBER to int64 conversion drops decimals without a word (strtoll in
the driver's converters.pyx), so integers that Oracle does not promise are fetched as
decimal128(38, 0), which refuses them.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from etl_oracle_to_bq.errors import ConfigError, SchemaMismatch
from etl_oracle_to_bq.model import (
    BareNumbers,
    Field,
    OracleColumn,
    OracleView,
    PlannedColumn,
    Source,
    Table,
)

if TYPE_CHECKING:
    import pyarrow as pa

IMPORTED_AT = "ImportedAt"
"""The column that the product adds: the moment of the run, in UTC."""

# What BigQuery's types hold: https://docs.cloud.google.com/bigquery/docs/reference/standard-sql/data-types
INT64_DIGITS = 18
NUMERIC_INTEGER_DIGITS = 29
NUMERIC_FRACTION_DIGITS = 9
BIGNUMERIC_DIGITS = 38
FLOAT64_EXACT_DIGITS = 15
MICROSECOND_DIGITS = 6

# https://docs.cloud.google.com/bigquery/docs/schemas (names), read August 2026
MAX_NAME_LENGTH = 300
RESERVED_PREFIXES = (
    "_table_",
    "_file_",
    "_partition",
    "_row_timestamp",
    "__root__",
    "_colidentifier",
    "_change_sequence_number",
    "_change_type",
    "_change_timestamp",
    "_field_",
)

NUMBER_TYPES = frozenset({"NUMBER", "FLOAT"})
ZONED_TYPES = frozenset({"TIMESTAMP WITH TIME ZONE", "TIMESTAMP WITH LOCAL TIME ZONE"})
DATE_TYPES = frozenset({"DATE", "TIMESTAMP"}) | ZONED_TYPES


class Problem(NamedTuple):
    """One thing wrong with a data source: a key of `codes.CODES` and a sentence."""

    code: str
    text: str


def base_type(column: OracleColumn) -> str:
    """The dictionary's type without its numbers: `TIMESTAMP(6) WITH TIME ZONE` loses `(6)`."""
    return " ".join(re.sub(r"\([^)]*\)", " ", column.data_type.upper()).split())


def declared_type(column: OracleColumn) -> str:
    """The type as a CREATE TABLE would spell it: `NUMBER(12,2)`, `VARCHAR2(30)`."""
    name = column.data_type
    if name == "NUMBER" and column.scale is not None:
        return f"NUMBER({'*' if column.precision is None else column.precision},{column.scale})"
    if name in {"NUMBER", "FLOAT"} and column.precision is not None:
        return f"{name}({column.precision})"
    sized = base_type(column) in _CHARACTERS | {"RAW"} and column.length and "(" not in name
    return f"{name}({column.length})" if sized else name


def number_digits(column: OracleColumn) -> tuple[int, int] | None:
    """The most integer and fraction digits a NUMBER may have; None when Oracle sets no limit.

    INTEGER shows precision None with scale 0 and holds 38 digits; FLOAT, and NUMBER without
    a scale (or the scale -127 that marks a binary precision), promise nothing about decimals.
    """
    if base_type(column) == "FLOAT" or column.scale == -127:
        return None
    if column.scale is None:
        return None if column.precision is None else (column.precision, 0)
    precision = 38 if column.precision is None else column.precision
    return max(precision - column.scale, 0), max(column.scale, 0)


def _within(integer_digits: int, fraction_digits: int) -> Callable[[OracleColumn], bool]:
    def fits(column: OracleColumn) -> bool:
        digits = number_digits(column)
        return digits is not None and digits[0] <= integer_digits and digits[1] <= fraction_digits

    return fits


def _declared(column: OracleColumn) -> bool:
    return number_digits(column) is not None


def _always(_: OracleColumn) -> bool:
    return True


class TypeRow(NamedTuple):
    """One row of the map: three cells for README, then the rule itself.

    The row applies to a column whose `base_type` is in `names` and which `fits`; of several
    rows the first one wins. `type` is the BigQuery type it plans.
    """

    oracle: str
    arrow: str
    bigquery: str
    type: str
    names: frozenset[str]
    fits: Callable[[OracleColumn], bool] = _always


_CHARACTERS = frozenset({"VARCHAR2", "NVARCHAR2", "VARCHAR", "CHAR", "NCHAR"})
_LONG_TEXTS = frozenset({"CLOB", "NCLOB", "LONG", "XMLTYPE"})
_ROWIDS = frozenset({"ROWID", "UROWID"})
_INTERVALS = frozenset({"INTERVAL DAY TO SECOND", "INTERVAL YEAR TO MONTH"})

TYPE_MAP: tuple[TypeRow, ...] = (
    TypeRow(
        "NUMBER(p,0), p ≤ 18", "int64", "INT64", "INT64", NUMBER_TYPES, _within(INT64_DIGITS, 0)
    ),
    TypeRow(
        "NUMBER(p,s), at most 29 integer and 9 fractional digits",
        "decimal128(38,9)",
        "NUMERIC",
        "NUMERIC",
        NUMBER_TYPES,
        _within(NUMERIC_INTEGER_DIGITS, NUMERIC_FRACTION_DIGITS),
    ),
    TypeRow(
        "NUMBER(p,s) beyond that, at most 38 integer and 38 fractional digits",
        "decimal256(76,38)",
        "BIGNUMERIC",
        "BIGNUMERIC",
        NUMBER_TYPES,
        _within(BIGNUMERIC_DIGITS, BIGNUMERIC_DIGITS),
    ),
    TypeRow(
        "NUMBER(p,s) beyond that",
        "large_string, `TO_CHAR(col, 'TM9')`",
        "STRING",
        "STRING",
        NUMBER_TYPES,
        _declared,
    ),
    TypeRow(
        "NUMBER, FLOAT without usable precision",
        "decimal128(38,9), `ROUND(col, 9)` in the SELECT",
        "NUMERIC; per column: BIGNUMERIC, INT64, FLOAT64, STRING",
        "NUMERIC",
        NUMBER_TYPES,
    ),
    TypeRow(
        "BINARY_FLOAT, BINARY_DOUBLE",
        "float64",
        "FLOAT64",
        "FLOAT64",
        frozenset({"BINARY_FLOAT", "BINARY_DOUBLE"}),
    ),
    TypeRow(
        "DATE",
        "timestamp[us]",
        "DATETIME; DATE where the column is in the source's date columns",
        "DATETIME",
        frozenset({"DATE"}),
    ),
    TypeRow(
        "TIMESTAMP",
        "timestamp[us], digits past the sixth are cut",
        "DATETIME; DATE where the column is in the source's date columns",
        "DATETIME",
        frozenset({"TIMESTAMP"}),
    ),
    TypeRow(
        "TIMESTAMP WITH (LOCAL) TIME ZONE",
        "timestamp[us, UTC], `SYS_EXTRACT_UTC(col)`",
        "TIMESTAMP",
        "TIMESTAMP",
        ZONED_TYPES,
    ),
    TypeRow(
        "VARCHAR2, NVARCHAR2, CHAR, NCHAR, CLOB, NCLOB, LONG, ROWID, XMLTYPE, INTERVAL",
        "large_string",
        "STRING",
        "STRING",
        _CHARACTERS | _LONG_TEXTS | _ROWIDS | _INTERVALS,
    ),
    TypeRow(
        "RAW, BLOB, LONG RAW",
        "large_binary",
        "BYTES",
        "BYTES",
        frozenset({"RAW", "BLOB", "LONG RAW"}),
    ),
    TypeRow("BOOLEAN (23ai)", "bool", "BOOL", "BOOL", frozenset({"BOOLEAN"})),
    TypeRow("JSON (21c and later)", "large_string", "STRING", "STRING", frozenset({"JSON"})),
)

NUMBER_OVERRIDES = ("INT64", "NUMERIC", "BIGNUMERIC", "FLOAT64", "STRING")
DATE_OVERRIDES = ("DATETIME", "DATE")

# An existing column of the type on the right holds every value planned for the left.
WIDER_TYPES: Mapping[str, frozenset[str]] = {
    "INT64": frozenset({"NUMERIC", "BIGNUMERIC"}),
    "NUMERIC": frozenset({"BIGNUMERIC"}),
    "DATE": frozenset({"DATETIME"}),
}


def default_type(column: OracleColumn) -> str | None:
    """The BigQuery type that `TYPE_MAP` plans for a column; None when it cannot be loaded."""
    name = base_type(column)
    for row in TYPE_MAP:
        if name in row.names and row.fits(column):
            return row.type
    return None


def allowed_types(column: OracleColumn) -> tuple[str, ...]:
    """Every BigQuery type a data source may choose for a column, its default among them.

    Each is checked value by value and refuses what it cannot hold, except FLOAT64 for a
    NUMBER, which keeps about 15 digits.
    """
    default = default_type(column)
    if base_type(column) in NUMBER_TYPES:
        return NUMBER_OVERRIDES
    if base_type(column) in {"DATE", "TIMESTAMP"}:
        return DATE_OVERRIDES
    return (default,) if default else ()


def target_name(name: str) -> str:
    """The BigQuery column name of an Oracle column: lower case, refused characters `_`.

    Letters, marks and digits of any script stay. A name that would begin with anything but a
    letter or underscore gets an underscore, one with a reserved prefix a leading `c`.
    """
    safe = "".join(
        char if char == "_" or unicodedata.category(char)[0] in "LM" or char.isdecimal() else "_"
        for char in name.lower()
    )
    if not (safe.startswith("_") or unicodedata.category(safe[0])[0] == "L"):
        safe = f"_{safe}"
    return f"c{safe}" if safe.startswith(RESERVED_PREFIXES) else safe


def find_column(view: OracleView, name: str) -> OracleColumn | None:
    """The column of that spelling, else the only one that differs in case alone."""
    exact = [column for column in view.columns if column.name == name]
    alike = [column for column in view.columns if column.name.casefold() == name.casefold()]
    found = exact or alike
    return found[0] if len(found) == 1 else None


def column_problems(view: OracleView, source: Source) -> list[Problem]:
    """What keeps the view's columns from being planned: types and overrides, all at once."""
    return [
        *_unsupported(view),
        *_unknown("date columns", view, source.date_columns),
        *_unknown("column types", view, source.column_types),
        *_bad_overrides(view, source),
    ]


def plan_columns(view: OracleView, source: Source) -> tuple[PlannedColumn, ...]:
    """Name, type and SELECT expression of every column of the view, in the view's order.

    Raises ConfigError with everything that `column_problems` finds, and SchemaMismatch
    `column-collision` when two columns would share a name in BigQuery.
    """
    raise_problems(column_problems(view, source), source.view)
    wanted = chosen_types(view, source)
    planned = tuple(
        planned_column(column, wanted.get(column.name) or _must(default_type(column)), source)
        for column in view.columns
    )
    _refuse_collisions(planned, source.view)
    return planned


def raise_problems(problems: Sequence[Problem], view: str) -> None:
    """Raise one ConfigError that lists all problems, under the first one's code; or nothing."""
    if problems:
        told = " ".join(problem.text for problem in problems)
        raise ConfigError(f"{view}: {told}", code=problems[0].code, view=view, step="plan")


def chosen_types(view: OracleView, source: Source) -> dict[str, str]:
    """The types that the data source chooses, by Oracle column name."""
    chosen = dict.fromkeys(source.date_columns, "DATE") | {
        name: type_.upper() for name, type_ in source.column_types.items()
    }
    columns = ((find_column(view, name), type_) for name, type_ in chosen.items())
    return {column.name: type_ for column, type_ in columns if column}


def planned_column(column: OracleColumn, bigquery_type: str, source: Source) -> PlannedColumn:
    """One column with the SELECT expression that yields exactly that type."""
    expression, note = _expression(column, bigquery_type, source.bare_numbers)
    return PlannedColumn(target_name(column.name), column, expression, bigquery_type, note)


def fit_existing(
    columns: Sequence[PlannedColumn], source: Source, existing: Table
) -> tuple[PlannedColumn, ...]:
    """The columns as an existing table has them: its spelling, order and wider types.

    A type of the table wins where it holds the Oracle type without loss; what remains
    different is left for `target.compare`. Columns that the table lacks come last.
    """
    fields = {field.name.casefold(): (at, field) for at, field in enumerate(existing.fields)}
    at_end = len(existing.fields)

    def fitted(column: PlannedColumn) -> PlannedColumn:
        field = fields.get(column.name.casefold(), (at_end, None))[1]
        if field is None:
            return column
        if field.type != column.type and _holds(field.type, column):
            column = planned_column(column.source, field.type, source)
        return replace(column, name=field.name)

    return tuple(
        sorted(
            (fitted(column) for column in columns),
            key=lambda column: fields.get(column.name.casefold(), (at_end, None))[0],
        )
    )


def bigquery_fields(
    columns: Iterable[PlannedColumn], imported_at_type: str = "TIMESTAMP"
) -> tuple[Field, ...]:
    """The columns of a staged part, in file order: the planned ones, then `ImportedAt`."""
    planned = tuple(Field(column.name, column.type) for column in columns)
    return (*planned, Field(IMPORTED_AT, imported_at_type))


def arrow_schema(columns: Iterable[PlannedColumn], zoned: bool = True) -> pa.Schema:
    """What is staged, without `ImportedAt`; `zoned=False` leaves the zone off TIMESTAMPs."""
    import pyarrow as pa

    return pa.schema([pa.field(column.name, arrow_type(column.type, zoned)) for column in columns])


def fetch_schema(columns: Iterable[PlannedColumn]) -> pa.Schema:
    """What is requested from the driver; cast its batches to `arrow_schema` afterwards."""
    import pyarrow as pa

    return pa.schema([pa.field(column.name, _fetch_type(column)) for column in columns])


def with_imported_at(schema: pa.Schema, bigquery_type: str = "TIMESTAMP") -> pa.Schema:
    """The schema of a staged part: `ImportedAt` last, naive (in UTC) when it is a DATETIME."""
    import pyarrow as pa

    return schema.append(pa.field(IMPORTED_AT, arrow_type(bigquery_type)))


def arrow_type(bigquery_type: str, zoned: bool = True) -> pa.DataType:
    """The Arrow type that carries a BigQuery type without loss."""
    import pyarrow as pa

    types: dict[str, pa.DataType] = {
        "INT64": pa.int64(),
        "NUMERIC": pa.decimal128(38, 9),
        "BIGNUMERIC": pa.decimal256(76, 38),
        "FLOAT64": pa.float64(),
        "DATE": pa.date32(),
        "DATETIME": pa.timestamp("us"),
        "TIMESTAMP": pa.timestamp("us", "UTC" if zoned else None),
        "STRING": pa.large_string(),
        "BYTES": pa.large_binary(),
        "BOOL": pa.bool_(),
    }
    return types[bigquery_type]


def quoted(column: OracleColumn) -> str:
    """The column in SQL, by the alias `v` that every query gives the view."""
    return f'v."{column.name}"'


def in_utc(column: OracleColumn) -> str:
    """The date column in SQL without a zone: zoned ones in UTC, others as they are."""
    value = quoted(column)
    return f"SYS_EXTRACT_UTC({value})" if base_type(column) in ZONED_TYPES else value


def before_year_one(column: OracleColumn) -> str:
    """SQL that is true for dates that BigQuery cannot hold; the planned SELECT makes them NULL.

    Such dates exist in ERP data and end the driver's fetch whatever is asked of it
    (https://github.com/oracle/python-oracledb/issues/345).
    """
    return f"{in_utc(column)} < {_first_day(column)}"


def integer_limit(column: PlannedColumn) -> str | None:
    """The first magnitude, as digits, that the planned decimal cannot hold and Oracle may have.

    None where the declared precision rules it out. The driver compares only the number of
    digits with the Arrow precision, so 30 integer digits in a decimal128(38, 9) overflow it
    silently (converters.pyx and nanoarrow's ArrowDecimalSetDigits, python-oracledb 26.1.0);
    the probe therefore counts such values in Oracle.
    """
    room = {"NUMERIC": NUMERIC_INTEGER_DIGITS, "BIGNUMERIC": BIGNUMERIC_DIGITS}.get(column.type)
    digits = number_digits(column.source)
    if room is None or (digits is not None and digits[0] <= room):
        return None
    return "1" + "0" * room


def _fetch_type(column: PlannedColumn) -> pa.DataType:
    import pyarrow as pa

    if column.type == "INT64" and default_type(column.source) != "INT64":
        return pa.decimal128(38, 0)
    return arrow_type(column.type, zoned=False)


def _holds(existing_type: str, column: PlannedColumn) -> bool:
    if existing_type in WIDER_TYPES.get(column.type, frozenset()):
        return True
    small = _within(FLOAT64_EXACT_DIGITS, 0)(column.source)
    return existing_type == "FLOAT64" and column.type == "INT64" and small


def _expression(column: OracleColumn, type_: str, bare: BareNumbers) -> tuple[str, str]:
    """The SELECT item of a column and a note for the plan."""
    name = base_type(column)
    if name in NUMBER_TYPES:
        return _number_expression(column, type_, bare)
    if name in DATE_TYPES:
        return _date_expression(column, type_)
    form = {
        "ROWID": "ROWIDTOCHAR({})",
        "UROWID": "CAST({} AS VARCHAR2(4000))",
        "XMLTYPE": "XMLSERIALIZE(CONTENT {} AS CLOB)",
        "JSON": "JSON_SERIALIZE({} RETURNING CLOB)",
    } | dict.fromkeys(_INTERVALS, "TO_CHAR({})")
    return form.get(name, "{}").format(quoted(column)), ""


def _number_expression(column: OracleColumn, type_: str, bare: BareNumbers) -> tuple[str, str]:
    value = quoted(column)
    if type_ == "STRING":
        return f"TO_CHAR({value}, 'TM9')", "exact text"
    if type_ == "FLOAT64":
        return value, "about 15 digits are kept"
    places = {"NUMERIC": NUMERIC_FRACTION_DIGITS, "BIGNUMERIC": BIGNUMERIC_DIGITS}.get(type_)
    if places is None or number_digits(column) is not None:
        return value, ""
    if bare is BareNumbers.EXACT:
        return value, f"more than {places} decimals stop the run"
    return f"ROUND({value}, {places})", f"rounded by Oracle to {places} decimals"


def _date_expression(column: OracleColumn, type_: str) -> tuple[str, str]:
    value = in_utc(column)
    guarded = f"CASE WHEN {value} >= {_first_day(column)} THEN {value} END"
    if type_ == "DATE":
        return f"TRUNC({guarded})", "the time of day is dropped"
    finer = base_type(column) != "DATE" and (column.scale or 0) > MICROSECOND_DIGITS
    return guarded, "digits past the microsecond are cut" if finer else ""


def _first_day(column: OracleColumn) -> str:
    return "DATE '0001-01-01'" if base_type(column) == "DATE" else "TIMESTAMP '0001-01-01 00:00:00'"


def _unsupported(view: OracleView) -> list[Problem]:
    return [
        Problem(
            "unsupported-type",
            f"Column {column.name} is a {column.data_type}, which cannot be loaded.",
        )
        for column in view.columns
        if default_type(column) is None or '"' in column.name
    ]


def _unknown(what: str, view: OracleView, names: Iterable[str]) -> list[Problem]:
    return [
        Problem("unknown-column", f"The {what} name {name!r}, which the view does not have.")
        for name in names
        if find_column(view, name) is None
    ]


def _bad_overrides(view: OracleView, source: Source) -> list[Problem]:
    problems = []
    for name, type_ in chosen_types(view, source).items():
        column = find_column(view, name)
        if column and type_ not in allowed_types(column):
            allowed = ", ".join(allowed_types(column)) or "none"
            problems.append(
                Problem(
                    "invalid-type",
                    f"Column {name} ({column.data_type}) cannot become {type_}; possible: {allowed}.",
                )
            )
    return problems


def _refuse_collisions(columns: Sequence[PlannedColumn], view: str) -> None:
    taken = {IMPORTED_AT.casefold(): "the product itself"}
    clashes = []
    for column in columns:
        key = column.name.casefold()
        if key in taken:
            clashes.append(f"{column.source.name} and {taken[key]} both become {column.name}")
        taken.setdefault(key, column.source.name)
    if clashes:
        raise SchemaMismatch(
            f"{view}: column names collide in BigQuery: {'; '.join(clashes)}.",
            code="column-collision",
            differences=clashes,
            view=view,
            step="plan",
        )


def _must(type_: str | None) -> str:
    if type_ is None:
        raise ValueError("a column without a type was not refused")
    return type_
