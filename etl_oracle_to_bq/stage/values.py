"""What is proved of every value before it is written: nothing lossy, nothing unchecked."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pyarrow.compute

from etl_oracle_to_bq.errors import SchemaMismatch, StageError
from etl_oracle_to_bq.stage.kinds import is_bytes, is_text

# The stubs ask for the exact class of each array, which is only known at run time here.
pc: Any = pyarrow.compute

# BigQuery takes no CSV row or cell and no row at all above 100 MB (Quotas and limits, load jobs).
VALUE_BYTES = 100_000_000


def fit(batch: pa.RecordBatch, schema: pa.Schema, rows_before: int) -> pa.RecordBatch:
    """The batch with the names and types of `schema`, matched by position; never lossy.

    Raises SchemaMismatch when the number of columns differs, StageError
    `value-does-not-fit` with column, row and value when a value cannot be held.
    """
    if batch.num_columns != len(schema):
        raise SchemaMismatch(
            f"Oracle returned {batch.num_columns} columns, {len(schema)} were planned.",
            code="schema-mismatch",
            differences=[f"{batch.schema.names} instead of {schema.names}"],
        )
    arrays = [
        column if column.type == field.type else _cast(column, field, rows_before)
        for column, field in zip(batch.columns, schema, strict=True)
    ]
    return pa.RecordBatch.from_arrays(arrays, names=schema.names)


def _cast(column: pa.Array[Any], field: pa.Field[Any], rows_before: int) -> pa.Array[Any]:
    try:
        cast: pa.Array[Any] = pc.cast(column, field.type)
        return cast
    except pa.ArrowInvalid as error:
        row = _first_bad(column, lambda piece: pc.cast(piece, field.type))
        raise StageError(
            f"Column {field.name}, row {rows_before + row + 1} of the export: the value "
            f"{column[row]} does not fit {field.type}.",
            code="value-does-not-fit",
        ) from error


def check_values(batch: pa.RecordBatch, rows_before: int) -> None:
    """Prove that text is UTF-8, decimals keep their precision and values fit BigQuery's row.

    The driver's Arrow path checks none of these. Raises StageError `bad-text`
    or `value-does-not-fit`, naming column and row of the export.
    """
    for field, column in zip(batch.schema, batch.columns, strict=True):
        _check_column(field, column, rows_before)


def _check_column(field: pa.Field[Any], column: pa.Array[Any], rows_before: int) -> None:
    try:
        column.validate(full=True)
    except pa.ArrowInvalid as error:
        row = _first_bad(column, lambda piece: piece.validate(full=True))
        text = is_text(field.type)
        raise StageError(
            f"Column {field.name}, row {rows_before + row + 1} of the export: "
            + ("the text is not valid UTF-8." if text else f"no {field.type} holds the value."),
            code="bad-text" if text else "value-does-not-fit",
        ) from error
    if column.nbytes > VALUE_BYTES and (is_text(field.type) or is_bytes(field.type)):
        _check_lengths(field, column, rows_before)


def _check_lengths(field: pa.Field[Any], column: pa.Array[Any], rows_before: int) -> None:
    lengths = pc.binary_length(column)
    longest = pc.max(lengths).as_py()
    if longest > VALUE_BYTES:
        row = pc.index(lengths, longest).as_py()
        raise StageError(
            f"Column {field.name}, row {rows_before + row + 1} of the export: the value has "
            f"{longest} bytes, BigQuery takes at most {VALUE_BYTES} a row.",
            code="value-does-not-fit",
        )


def _first_bad(column: pa.Array[Any], check: Callable[[pa.Array[Any]], object]) -> int:
    """Index of the first value that `check` refuses; the column as a whole is refused."""
    low, high = 0, len(column)
    while high - low > 1:
        middle = (low + high) // 2
        try:
            # concat_arrays copies, so that validation sees these values only.
            check(pa.concat_arrays([column.slice(low, middle - low)]))
            low = middle
        except pa.ArrowInvalid:
            high = middle
    return low
