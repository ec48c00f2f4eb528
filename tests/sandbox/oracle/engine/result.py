"""What DuckDB and Python raise, as Oracle's errors; rows as the seam wants them."""

from __future__ import annotations

import re

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from tests.sandbox.oracle.errors import OracleError

CANCELLED = (1013, "user requested cancel of current operation")
_ORACLE = re.compile(r"ORA-(\d{5}): (.*?)(?:\n|$)")
_KNOWN = (
    (re.compile(r"must appear in the GROUP BY clause"), 979, "not a GROUP BY expression"),
    (
        re.compile(r"More than one row returned by a subquery|Scalar subquery"),
        1427,
        "single-row subquery returns more than one row",
    ),
    (re.compile(r"Division by zero|divide by zero", re.I), 1476, "divisor is equal to zero"),
    (re.compile(r"Could not convert string"), 1722, "invalid number"),
    (re.compile(r"Could not cast value|Overflow|out of range", re.I), 1426, "numeric overflow"),
    (re.compile(r"nested aggregate|aggregate function calls cannot"), 934,
     "group function is not allowed here"),
)  # fmt: skip


def oracle_error(error: Exception) -> OracleError:
    """The Oracle error for anything that went wrong below; ORA-00604 when it is unexpected."""
    if isinstance(error, OracleError):
        return error
    if isinstance(error, duckdb.InterruptException):
        return OracleError(*CANCELLED)
    text = str(error)
    match = _ORACLE.search(text)
    if match:
        return OracleError(int(match.group(1)), match.group(2))
    if isinstance(error, duckdb.Error):
        for pattern, code, message in _KNOWN:
            if pattern.search(text):
                return OracleError(code, message)
    reason = " ".join(text.split())[:400]
    return OracleError(
        604, f"error occurred at recursive SQL level 1: {type(error).__name__}: {reason}"
    )


def with_decimals(batch: pa.RecordBatch, places: list[int]) -> pa.RecordBatch:
    """Columns of decimal text as decimal128 where the whole batch fits: cheaper to send."""
    columns = list(batch.columns)
    for place in places:
        columns[place] = _as_decimal(columns[place])
    return pa.RecordBatch.from_arrays(columns, names=batch.schema.names)


def _as_decimal(texts: pa.Array) -> pa.Array:
    if texts.null_count == len(texts):
        return texts
    sizes = pc.binary_length(texts)
    points = pc.find_substring(texts, ".")
    without = pc.less(points, 0)
    scales = pc.if_else(without, 0, pc.subtract(pc.subtract(sizes, points), 1))
    scale = pc.max(scales).as_py()
    whole = pc.max(pc.subtract(sizes, scales)).as_py()
    return texts.cast(pa.decimal128(38, scale)) if whole + scale <= 38 else texts
