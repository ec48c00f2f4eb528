"""Partition ids, decorators and limits.

Sources: https://docs.cloud.google.com/bigquery/docs/partitioned-tables (ids; dates before 1960
or after 2159 go to __UNPARTITIONED__) and https://docs.cloud.google.com/bigquery/quotas (4,000
partitions per job, 10,000 per table).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import duckdb
from bqemulator.catalog.models import TableMeta, TimePartitioning
from bqemulator.domain.errors import ValidationError

from tests.sandbox.bigquery.failures import NotImitated

PER_JOB = 4_000
PER_TABLE = 10_000
_FORMATS = {"HOUR": "%Y%m%d%H", "DAY": "%Y%m%d", "MONTH": "%Y%m", "YEAR": "%Y"}
_LENGTHS = {"HOUR": 10, "DAY": 8, "MONTH": 6, "YEAR": 4}


@dataclass(frozen=True, slots=True)
class Partition:
    """One partition of a table, named by a decorator `table$ID`."""

    table: str
    id: str

    def condition(self, meta: TableMeta) -> str:
        """SQL that is true for the rows of this partition.

        Raises ValidationError when the table has no such partitions.
        """
        tp = meta.time_partitioning
        if tp is None:
            raise ValidationError(
                f"Cannot use a partition decorator with the unpartitioned table {self.table}"
            )
        if len(self.id) != _LENGTHS[tp.type] or not self.id.isdigit():
            raise ValidationError(f"Invalid {tp.type} partition id {self.id}")
        return f"{partition_expression(tp)} = '{self.id}'"


def split_decorator(table_id: str) -> tuple[str, Partition | None]:
    """`events$20260101` → ("events", its partition); without a decorator the partition is None."""
    table, separator, partition = table_id.partition("$")
    if not separator:
        return table, None
    if not re.fullmatch(r"\d{4,10}", partition):
        raise NotImitated(f"the sandbox has no partition {partition}")
    return table, Partition(table, partition)


def partition_expression(tp: TimePartitioning) -> str:
    """SQL for the partition id of a row: digits, __NULL__ or __UNPARTITIONED__."""
    if tp.field is None:
        raise NotImitated("the sandbox has no rows in ingestion-time partitions")
    name = '"' + tp.field.replace('"', '""') + '"'
    return (
        f"CASE WHEN {name} IS NULL THEN '__NULL__' "
        f"WHEN year({name}) NOT BETWEEN 1960 AND 2159 THEN '__UNPARTITIONED__' "
        f"ELSE strftime({name}, '{_FORMATS[tp.type]}') END"
    )


def refuse_too_many(
    connection: duckdb.DuckDBPyConnection, relation: str, tp: TimePartitioning | None, limit: int
) -> None:
    """Raise ValidationError when `relation` has rows for more partitions than `limit`."""
    if tp is None or tp.field is None:
        return
    sql = f"SELECT count(DISTINCT {partition_expression(tp)}) FROM {relation}"
    row = connection.execute(sql).fetchone()
    found = int(row[0]) if row else 0
    if found > limit:
        raise ValidationError(
            f"Too many partitions produced by query, allowed {limit}, query produces at least "
            f"{found} partitions"
        )
