"""Bytes that a query reads: referenced columns of the partitions that its filters leave.

Sizes of types: https://cloud.google.com/bigquery/pricing (data size calculation). The service's
own estimate can differ (clustering, caches); here it is exact for what is described above.
Filters with parameters or script variables prune nothing here (unverified for the service).
"""

from __future__ import annotations

import duckdb
from bqemulator.api.dependencies import AppContext
from bqemulator.catalog.models import TableFieldSchema, TableMeta
from bqemulator.storage.sql_identifiers import quoted_table_ref
from sqlglot import exp

from tests.sandbox.bigquery import partition_filter
from tests.sandbox.bigquery.engine import new_connection
from tests.sandbox.bigquery.partitions import partition_expression

_MEGABYTE = 1 << 20
_MINIMUM = 10 * _MEGABYTE
_FIXED = {
    "BOOLEAN": 1,
    "BOOL": 1,
    "NUMERIC": 16,
    "BIGNUMERIC": 32,
    "INTERVAL": 16,
}
_VARIABLE = {"STRING": "strlen", "BYTES": "octet_length", "JSON": "strlen"}


def estimate(context: AppContext, sql: str, project: str) -> int:
    """Bytes that `sql` would read from catalogued tables; 0 when it reads none."""
    total = 0
    # A connection of its own: a filter that fails here must not abort the job's transaction.
    with new_connection(context.engine) as connection:
        for tree in partition_filter.statements(sql):
            for read in partition_filter.reads(context, tree, project):
                if read.meta.schema_.fields:
                    total += _table_bytes(connection, read)
    return total


def billed(bytes_read: int) -> int:
    """Bytes billed: rounded up to a megabyte, 10 MB at least, nothing for nothing."""
    if bytes_read == 0:
        return 0
    return max(_MINIMUM, -(-bytes_read // _MEGABYTE) * _MEGABYTE)


def table_bytes(connection: duckdb.DuckDBPyConnection, meta: TableMeta) -> int:
    """The logical size of a whole table."""
    return _sum(connection, meta, list(meta.schema_.fields), "")


def _table_bytes(connection: duckdb.DuckDBPyConnection, read: partition_filter.TableRead) -> int:
    constant = [p for p in read.predicates if not p.find(exp.Parameter, exp.Placeholder)]
    where = ""
    tp = read.meta.time_partitioning
    if constant and tp is not None and tp.field:
        partition = partition_expression(tp)
        condition = exp.and_(*(_unqualified(predicate) for predicate in constant))
        where = (
            f" WHERE {partition} IN (SELECT DISTINCT {partition} FROM "
            f"{_ref(read.meta)} WHERE {condition.sql(dialect='duckdb')})"
        )
    try:
        return _sum(connection, read.meta, _columns(read), where)
    except duckdb.Error:
        # A filter that only the emulator's translation understands: counted as not pruning.
        return _sum(connection, read.meta, _columns(read), "")


def _unqualified(predicate: exp.Expression) -> exp.Expression:
    copy = predicate.copy()
    for column in copy.find_all(exp.Column):
        column.set("table", None)
    return copy


def _columns(read: partition_filter.TableRead) -> list[TableFieldSchema]:
    fields = list(read.meta.schema_.fields)
    if isinstance(read.node.parent, exp.Merge | exp.Update | exp.Delete):
        return fields
    root = read.node.root()
    stars = [star for star in root.find_all(exp.Star) if not isinstance(star.parent, exp.Count)]
    if stars:
        return fields
    named = {column.name.lower() for column in root.find_all(exp.Column)}
    return [field for field in fields if field.name.lower() in named]


def _sum(
    connection: duckdb.DuckDBPyConnection,
    meta: TableMeta,
    fields: list[TableFieldSchema],
    where: str,
) -> int:
    if not fields:
        return 0
    sizes = " + ".join(_size(field) for field in fields)
    row = connection.execute(f"SELECT {sizes} FROM {_ref(meta)}{where}").fetchone()
    return int(row[0] or 0) if row else 0


def _size(field: TableFieldSchema) -> str:
    name = '"' + field.name.replace('"', '""') + '"'
    if field.mode == "REPEATED" or field.fields:
        return f"coalesce(sum(strlen({name}::VARCHAR)), 0)"
    length = _VARIABLE.get(field.type.upper())
    if length is not None:
        value = f"{name}::VARCHAR" if field.type.upper() == "JSON" else name
        return f"coalesce(sum(2 + {length}({value})), 0)"
    return f"count({name}) * {_FIXED.get(field.type.upper(), 8)}"


def _ref(meta: TableMeta) -> str:
    return quoted_table_ref(meta.project_id, meta.dataset_id, meta.table_id)
