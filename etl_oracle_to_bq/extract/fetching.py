"""Rows as Arrow batches, decoded by the driver straight into the planned types, and exactly.

Two conversions of python-oracledb 26.1 lose digits without an error, so neither is ever asked
for where it could happen (source: its `impl/base/converters.pyx` and nanoarrow's
`ArrowDecimalSetDigits`): a fraction is cut off when int64 is requested, and a decimal whose
digits, padded to the scale, overflow the width wraps around. `requested_type` chooses a
wider type there, and the exact cast that follows refuses what does not fit.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import oracledb
import pyarrow as pa
import pyarrow.compute

from etl_oracle_to_bq.errors import StageError
from etl_oracle_to_bq.extract.binds import bound
from etl_oracle_to_bq.extract.failures import code_of, oracle_errors
from etl_oracle_to_bq.extract.misfits import bad_date, misfit
from etl_oracle_to_bq.model import Query

if TYPE_CHECKING:
    from etl_oracle_to_bq.extract.connecting import RememberingConnection

# The stubs ask for the exact class of each array, which is only known at run time here.
pc: Any = pyarrow.compute

MIB = 1024 * 1024
# Up to seven batches are in memory between the driver and the part. The driver decodes ten
# thousand rows at a time as fast as fifty thousand.
BATCH_BYTES = 8 * MIB
# Declared widths are far above the usual ones; this bounds the worst batch, not the usual.
WORST_BATCH_BYTES = 128 * MIB
# The first batch tells how wide rows really are.
FIRST_ROWS = 4096
# LOBs have no declared width: begin with few, and never fetch so many that a sudden run of
# large ones needs gigabytes. A round trip each 128 rows still passes 100,000 rows a second.
FIRST_LOB_ROWS = 16
MOST_LOB_ROWS = 128
GROWTH = 2
LARGE_TYPES = {
    oracledb.DB_TYPE_CLOB,
    oracledb.DB_TYPE_NCLOB,
    oracledb.DB_TYPE_BLOB,
    oracledb.DB_TYPE_LONG,
    oracledb.DB_TYPE_LONG_RAW,
    oracledb.DB_TYPE_LONG_NVARCHAR,
}
FIXED_BYTES = 16
BARE_SCALE = -127
INT64_DIGITS = 18
ORACLE_DIGITS = 40
# Another text, so another cursor: the driver loses count of a cached statement with LOBs that
# was parsed before it is fetched as Arrow.
DESCRIBE = " /* describe */"
# The driver's refusals to convert a value to the requested Arrow type.
DOES_NOT_FIT = {"DPY-4036", "DPY-4037", "DPY-4038", "DPY-4039", "DPY-4042", "DPY-5015"}


def batches(
    connection: RememberingConnection, query: Query, wanted: pa.Schema, batch_size: int
) -> Iterator[pa.RecordBatch]:
    """See `OracleSession.batches`."""
    with oracle_errors("Preparing the export"), connection.cursor() as cursor:
        cursor.parse(query.sql + DESCRIBE)
        described = list(cursor.description or ())
        binds = bound(cursor, query)
    rows = BatchRows(described, batch_size)
    reader = connection.fetch_df_batches(
        query.sql, binds, rows.now, requested_schema=requested_schema(described, wanted)
    )
    export = _Export(connection, query, wanted, [column.name for column in described])
    fetched = 0
    with closing(cast("Generator[oracledb.DataFrame, None, None]", reader)):
        frame = export.next(reader)
        cursor = connection.newest
        while frame is not None:
            for raw in pa.RecordBatchReader.from_stream(frame):
                if raw.num_rows:
                    yield export.exact(raw, fetched)
                    fetched += raw.num_rows
                    _resize(connection, cursor, rows.after(raw))
            frame = export.next(reader)


@dataclass(frozen=True, slots=True)
class _Export:
    """One query on its way; `names` are its column names in Oracle."""

    connection: oracledb.Connection
    query: Query
    wanted: pa.Schema
    names: list[str]

    def next(self, reader: Iterator[oracledb.DataFrame]) -> oracledb.DataFrame | None:
        """The next frame, None at the end; conversion errors become StageErrors."""
        with oracle_errors("Reading rows"):
            try:
                return next(reader, None)
            except UnicodeDecodeError as error:
                raise StageError(f"A text is not valid: {error}", code="bad-text") from error
            except (ValueError, OverflowError) as error:
                raise self._blamed(bad_date, str(error)) from error
            except oracledb.Error as error:
                if code_of(error) not in DOES_NOT_FIT:
                    raise
                raise self._blamed(misfit, _refused(error)) from error

    def exact(self, raw: pa.RecordBatch, fetched: int) -> pa.RecordBatch:
        """The batch in the wanted types; what does not fit is an error, never changed."""
        arrays = []
        for column, field in zip(raw.columns, self.wanted, strict=True):
            try:
                arrays.append(column if column.type == field.type else pc.cast(column, field.type))
            except pa.ArrowInvalid as error:
                row = _first_refused(column, field.type)
                why = f"{column[row]} in row {fetched + row + 1} of the export does not fit"
                raise self._blamed(misfit, why) from error
        return pa.RecordBatch.from_arrays(arrays, names=self.wanted.names)

    def _blamed(self, blame: Callable[..., StageError], why: str) -> StageError:
        return blame(self.connection, self.query, self.wanted, self.names, why)


def _refused(error: oracledb.Error) -> str:
    """The driver's refusal without its own type, which may be wider than the planned one."""
    match = re.match(r"DPY-\d+: (\S+) cannot be converted", str(error))
    return f"{match.group(1)} does not fit" if match else str(error).splitlines()[0]


def _first_refused(column: pa.Array[Any], kind: pa.DataType) -> int:
    for row in range(len(column)):
        try:
            pc.cast(column.slice(row, 1), kind)
        except pa.ArrowInvalid:
            return row
    return 0


def requested_schema(described: list[oracledb.FetchInfo], wanted: pa.Schema) -> pa.Schema:
    """What the driver is asked for: `wanted`, widened where the driver would lose digits."""
    fields = [
        pa.field(field.name, requested_type(column, field.type))
        for column, field in zip(described, wanted, strict=True)
    ]
    return pa.schema(fields)


def requested_type(column: oracledb.FetchInfo, wanted: pa.DataType) -> pa.DataType:
    """The Arrow type to request for a column so that no value can be changed silently.

    A decimal of `p` digits and scale `s` is safe in the driver when p + s does not pass the
    digits of its width (38 or 76), because it pads every value to the scale after it counted.
    BIGNUMERIC's scale of 38 leaves no such room for the 40 digits that an Oracle number can
    have: there, values of 39 integer digits are kept out by the plan's probe
    (`schema.integer_limit`).
    """
    if column.type_code is not oracledb.DB_TYPE_NUMBER:
        return wanted
    if pa.types.is_int64(wanted):
        return wanted if _whole_digits(column) <= INT64_DIGITS else pa.decimal128(38, 0)
    if pa.types.is_decimal(wanted):
        room = 38 if pa.types.is_decimal128(wanted) else 76
        fits = _integer_digits(column) + wanted.scale <= room
        digits = max(76 - wanted.scale, ORACLE_DIGITS)
        return wanted if fits else pa.decimal256(digits, wanted.scale)
    return wanted


def _is_bare(column: oracledb.FetchInfo) -> bool:
    return column.scale in (None, BARE_SCALE) or not column.precision


def _integer_digits(column: oracledb.FetchInfo) -> int:
    """Most digits before the point; 127 for a NUMBER without declared precision."""
    if _is_bare(column):
        return -BARE_SCALE
    return int(column.precision or 0) - int(column.scale or 0)


def _whole_digits(column: oracledb.FetchInfo) -> int:
    """Most digits of a column that holds whole numbers only, else 127."""
    whole = not _is_bare(column) and int(column.scale or 0) <= 0
    return _integer_digits(column) if whole else -BARE_SCALE


class BatchRows:
    """How many rows the next batch asks for, from declared widths and measured ones."""

    def __init__(self, described: list[oracledb.FetchInfo], batch_size: int) -> None:
        lobs = sum(column.type_code in LARGE_TYPES for column in described)
        width = sum(_declared_bytes(column) for column in described)
        most = min(batch_size, max(1, WORST_BATCH_BYTES // width))
        self.most = min(most, max(1, MOST_LOB_ROWS // lobs)) if lobs else most
        self.now = min(self.most, FIRST_LOB_ROWS if lobs else FIRST_ROWS)

    def after(self, batch: pa.RecordBatch) -> int:
        """The rows of the next batch, after this one: towards 8 MiB, growing step by step."""
        fitting = BATCH_BYTES * batch.num_rows // max(1, batch.nbytes)
        self.now = max(1, min(self.most, fitting, self.now * GROWTH))
        return self.now


def _declared_bytes(column: oracledb.FetchInfo) -> int:
    if column.type_code in LARGE_TYPES:
        return FIXED_BYTES
    return max(FIXED_BYTES, int(column.internal_size or 0))


def _resize(connection: oracledb.Connection, cursor: oracledb.Cursor | None, rows: int) -> None:
    # In thick mode the buffers are laid out once; only thin mode reads the size anew.
    if connection.thin and cursor is not None:
        cursor.arraysize = rows
