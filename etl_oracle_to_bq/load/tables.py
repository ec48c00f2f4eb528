"""BigQuery's tables and fields to the nouns of `model`, and back."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence

from google.cloud import bigquery

from etl_oracle_to_bq.errors import ConfigError
from etl_oracle_to_bq.model import Field, PartitionType, Table

DAY_MS = 24 * 60 * 60 * 1000

# The API answers with the names of the old dialect (rest/v2/tables, TableFieldSchema.type).
_STANDARD = {"INTEGER": "INT64", "FLOAT": "FLOAT64", "BOOLEAN": "BOOL", "RECORD": "STRUCT"}

# What else may bear a table's name (rest/v2/tables, `type`). A clone is a TABLE, and is written to
# as one.
_NO_TABLES = {
    "VIEW": "a view",
    "MATERIALIZED_VIEW": "a materialized view",
    "EXTERNAL": "an external table",
    "SNAPSHOT": "a table snapshot",
}

_PARAMETERS = re.compile(r"(\w+)\((\d+)(?:,(\d+))?\)")


def from_bigquery(live: bigquery.Table) -> Table:
    """A table as BigQuery describes it.

    A declared precision, scale or length is part of the type text, e.g. `NUMERIC(10,2)`.
    A day that has only begun counts as a day of partition expiration. Raises
    ConfigError `not-a-table`, see `refuse_no_table`.
    """
    refuse_no_table(live)
    column, unit, expiration = _partitioning(live)
    return Table(
        dataset=live.dataset_id,
        name=live.table_id,
        fields=tuple(_field(field) for field in live.schema),
        partition_column=column,
        partition_type=unit,
        partition_expiration_days=expiration,
        require_partition_filter=bool(live.require_partition_filter),
        cluster_columns=tuple(live.clustering_fields or ()),
        labels=dict(live.labels),
        rows=live.num_rows,
    )


def refuse_no_table(live: bigquery.Table) -> None:
    """Raise ConfigError `not-a-table` for a view or another thing that takes no rows."""
    if live.table_type in (None, "TABLE"):
        return
    what = _NO_TABLES.get(live.table_type, f"of type {live.table_type}")
    raise ConfigError(
        f"{live.dataset_id}.{live.table_id} is {what}, not a table that rows can be loaded into.",
        code="not-a-table",
    )


def to_bigquery(table: Table, project: str) -> bigquery.Table:
    """The resource that creates this table, with labels, partitioning and clustering."""
    made = bigquery.Table(f"{project}.{table.path}", schema=schema_of(table.fields))
    made.labels = dict(table.labels)
    if table.partition_type is not PartitionType.NONE:
        made.time_partitioning = time_partitioning(table)
    if table.require_partition_filter:
        made.require_partition_filter = True
    if table.cluster_columns:
        made.clustering_fields = list(table.cluster_columns)
    return made


def time_partitioning(table: Table) -> bigquery.TimePartitioning:
    """The partitioning of a partitioned table, expiration included."""
    days = table.partition_expiration_days
    return bigquery.TimePartitioning(
        type_=table.partition_type.name,
        field=table.partition_column,
        expiration_ms=None if days is None else days * DAY_MS,
    )


def schema_of(fields: Sequence[Field]) -> list[bigquery.SchemaField]:
    """The fields in the client's form."""
    return [_schema_field(field) for field in fields]


def missing_labels(live: Mapping[str, str], wanted: Mapping[str, str]) -> dict[str, str]:
    """The labels of `wanted` that are gone or differ."""
    return {name: value for name, value in wanted.items() if live.get(name) != value}


def _partitioning(live: bigquery.Table) -> tuple[str, PartitionType, int | None]:
    time = live.time_partitioning
    if time is None:
        ranged = live.range_partitioning
        return (ranged.field or "" if ranged else "", PartitionType.NONE, None)
    days = None if time.expiration_ms is None else math.ceil(time.expiration_ms / DAY_MS)
    return (time.field or "_PARTITIONTIME", PartitionType(time.type_.lower()), days)


def _field(field: bigquery.SchemaField) -> Field:
    kind = _STANDARD.get(field.field_type, field.field_type)
    parameters = [field.precision, field.scale] if field.precision else [field.max_length]
    text = ",".join(str(number) for number in parameters if number is not None)
    return Field(field.name, f"{kind}({text})" if text else kind, field.mode or "NULLABLE")


def _schema_field(field: Field) -> bigquery.SchemaField:
    found = _PARAMETERS.fullmatch(field.type)
    if not found:
        return bigquery.SchemaField(field.name, field.type, mode=field.mode)
    kind, first, scale = found.groups()
    if kind in ("STRING", "BYTES"):
        return bigquery.SchemaField(field.name, kind, mode=field.mode, max_length=int(first))
    return bigquery.SchemaField(
        field.name, kind, mode=field.mode, precision=int(first), scale=int(scale or 0)
    )
