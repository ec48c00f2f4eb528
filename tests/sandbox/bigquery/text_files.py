"""CSV and newline-delimited JSON loads: all options obeyed, every value checked before any is kept.

Sources: https://docs.cloud.google.com/bigquery/docs/loading-data-cloud-storage-csv,
JobConfigurationLoad. Unquoted empty is NULL and quoted empty is '' with the default null
marker: reported by users. Refusing more than nine decimals for NUMERIC is unverified; the strict
reading was taken.
"""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv
from bqemulator.catalog.models import TableFieldSchema
from bqemulator.domain.errors import ValidationError

from tests.sandbox.bigquery import bignumeric, csv_rows, text_values
from tests.sandbox.bigquery.failures import LoadFailed, NotImitated
from tests.sandbox.bigquery.source import Source, quoted

_VIEW = "text_rows"
_GZIP = b"\x1f\x8b"
_BLOCK = 32 << 20
_ENCODINGS = {
    "UTF-8": "utf-8",
    "ISO-8859-1": "iso-8859-1",
    "UTF-16BE": "utf-16-be",
    "UTF-16LE": "utf-16-le",
    "UTF-32BE": "utf-32-be",
    "UTF-32LE": "utf-32-le",
}
_DECIMALS = {"NUMERIC": pa.decimal128(38, 9), "BIGNUMERIC": pa.decimal256(76, 38)}
_NOT_IMITATED = (
    *("sourceColumnMatch", "dateFormat", "datetimeFormat", "timeFormat", "timestampFormat"),
    *("timeZone", "fileSetSpecType", "jsonExtension", "hivePartitioningOptions"),
)


def read_csv(
    connection: duckdb.DuckDBPyConnection,
    path: Path,
    config: dict[str, Any],
    schema: tuple[TableFieldSchema, ...] | None,
) -> Source:
    """The rows of one CSV file, by position in `schema`."""
    fields = _flat(schema)
    _refuse_options(config)
    options = csv_rows.Options.of(config)
    text = _decoded(path, config)
    if b"\0" in text and not config.get("preserveAsciiControlCharacters"):
        raise LoadFailed("Bad character (ASCII 0) encountered.")
    names = [field.name for field in fields]
    if options.tolerant:
        table, warnings = csv_rows.read_tolerantly(text, names, options)
    else:
        table, warnings = _read_strictly(text, names, options), []
    if not options.quoted_newlines:
        _refuse_newlines(table)
    return _checked(connection, table, fields, options, warnings)


def read_json(
    connection: duckdb.DuckDBPyConnection,
    path: Path,
    config: dict[str, Any],
    schema: tuple[TableFieldSchema, ...] | None,
) -> Source:
    """The rows of one file with a JSON object per line, by name."""
    fields = _flat(schema)
    _refuse_options(config)
    lines = _decoded(path, config).decode("utf-8").splitlines()
    objects = [_json_object(line) for line in lines if line.strip()]
    known = {field.name.lower() for field in fields}
    if not config.get("ignoreUnknownValues"):
        for row in objects:
            for name in row:
                if name.lower() not in known:
                    raise LoadFailed(
                        f"JSON table encountered too many errors: No such field: {name}."
                    )
    lowered = [{name.lower(): value for name, value in row.items()} for row in objects]
    table = pa.table(
        {
            field.name: pa.array(
                [_json_text(row.get(field.name.lower())) for row in lowered], pa.string()
            )
            for field in fields
        }
    )
    return _checked(connection, table, fields, csv_rows.Options.of(config), [])


def _flat(schema: tuple[TableFieldSchema, ...] | None) -> tuple[TableFieldSchema, ...]:
    assert schema is not None, "text files have no schema of their own"
    for field in schema:
        if field.mode == "REPEATED" or field.fields:
            raise NotImitated(f"the sandbox loads no nested column {field.name} from text")
    return schema


def _refuse_options(config: dict[str, Any]) -> None:
    for name in _NOT_IMITATED:
        if config.get(name) and config[name] not in (
            "POSITION",
            "FILE_SET_SPEC_TYPE_FILE_SYSTEM_MATCH",
        ):
            raise NotImitated(f"the sandbox has no load option {name}")


def _decoded(path: Path, config: dict[str, Any]) -> bytes:
    raw = path.read_bytes()
    if raw.startswith(_GZIP):
        raw = gzip.decompress(raw)
    encoding = str(config.get("encoding") or "UTF-8").upper()
    if encoding not in _ENCODINGS:
        raise ValidationError(f"Unsupported encoding {encoding}")
    if encoding != "UTF-8":
        raw = raw.decode(_ENCODINGS[encoding], errors="replace").encode("utf-8")
    return raw


def _read_strictly(text: bytes, names: list[str], options: csv_rows.Options) -> pa.Table:
    if not text:
        return pa.table({name: pa.array([], pa.string()) for name in names})
    try:
        return _parse(text, names, options, _BLOCK)
    except pa.ArrowInvalid as error:
        if "straddling" not in str(error):
            raise LoadFailed(f"CSV table encountered too many errors: {error}") from error
    try:
        return _parse(text, names, options, len(text) + 1)
    except pa.ArrowInvalid as error:
        raise LoadFailed(f"CSV table encountered too many errors: {error}") from error


def _parse(text: bytes, names: list[str], options: csv_rows.Options, block: int) -> pa.Table:
    return pacsv.read_csv(
        pa.BufferReader(text),
        read_options=pacsv.ReadOptions(
            column_names=names, skip_rows_after_names=options.skip, block_size=block
        ),
        parse_options=pacsv.ParseOptions(
            delimiter=options.delimiter,
            quote_char=options.quote or False,
            double_quote=True,
            newlines_in_values=True,
        ),
        convert_options=pacsv.ConvertOptions(
            column_types={name: pa.string() for name in names},
            null_values=list(options.null_markers),
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
        ),
    )


def _refuse_newlines(table: pa.Table) -> None:
    for name in table.column_names:
        column = table.column(name)
        if pc.any(pc.match_substring_regex(column, "[\r\n]")).as_py():
            raise LoadFailed('Missing close double quote (") character.')


def _json_object(line: str) -> dict[str, Any]:
    try:
        row = json.loads(line, parse_float=_Number, parse_int=_Number)
    except ValueError as error:
        raise LoadFailed(f"Failed to parse JSON: {error}") from error
    if not isinstance(row, dict):
        raise LoadFailed("Failed to parse JSON: not an object")
    return row


class _Number(str):
    """A JSON number, kept as it was written."""

    __slots__ = ()


def _json_text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return json.dumps(_plain(value))


def _plain(value: Any) -> Any:
    """A nested value with its numbers as numbers again."""
    if isinstance(value, _Number):
        return json.loads(value)
    if isinstance(value, dict):
        return {name: _plain(part) for name, part in value.items()}
    return [_plain(part) for part in value] if isinstance(value, list) else value


def _checked(
    connection: duckdb.DuckDBPyConnection,
    table: pa.Table,
    fields: tuple[TableFieldSchema, ...],
    options: csv_rows.Options,
    warnings: list[str],
) -> Source:
    """Refuse or skip rows with a value that its column cannot hold."""
    table, reading = _decimals_read(table, fields, empty_is_null="" in options.null_markers)
    connection.register(_VIEW, table)
    source = Source(connection, _VIEW, fields, (_VIEW,))
    with_errors = text_values.bad_rows(connection, _VIEW, fields, reading)
    messages = [*warnings, *with_errors.messages]
    if len(messages) > options.max_bad:
        connection.unregister(_VIEW)
        raise LoadFailed(
            "CSV table encountered too many errors, giving up. "
            f"Rows: {table.num_rows}; errors: {len(messages)}.",
            *messages[:5],
        )
    source.warnings = [
        {"reason": "invalid", "message": f"Error while reading data, error message: {text}"}
        for text in messages
    ]
    items = [f"{text_values.converted(field, reading)} AS {quoted(field.name)}" for field in fields]
    source.relation = f"(SELECT {', '.join(items)} FROM {_VIEW}{with_errors.filter})"
    return source


def _decimals_read(
    table: pa.Table, fields: tuple[TableFieldSchema, ...], *, empty_is_null: bool
) -> tuple[pa.Table, text_values.Reading]:
    """Read the decimals of columns without a bad one in Arrow, which is 100 times as fast."""
    ready = set()
    for number, field in enumerate(fields):
        if field.type in _DECIMALS:
            column = table.column(number)
            if empty_is_null:
                column = pc.if_else(pc.equal(column, ""), None, column)
            try:
                values = pc.cast(column, _DECIMALS[field.type])
                if field.type == "BIGNUMERIC":
                    values = bignumeric.arrow_column(values)
            except (pa.ArrowInvalid, bignumeric.DoesNotFit):
                # The slow way finds out which rows are bad.
                continue
            table = table.set_column(number, field.name, values)
            ready.add(field.name)
    return table, text_values.Reading(empty_is_null, frozenset(ready))
