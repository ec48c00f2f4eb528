"""Table metadata: from and to REST, and the rules that the service checks.

Sources: https://docs.cloud.google.com/bigquery/docs/reference/rest/v2/tables,
https://docs.cloud.google.com/bigquery/docs/schemas (names),
https://docs.cloud.google.com/bigquery/docs/partitioned-tables,
https://docs.cloud.google.com/bigquery/docs/clustered-tables. Error texts are unverified.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

from bqemulator.api.dependencies import AppContext
from bqemulator.catalog.models import (
    Clustering,
    TableFieldSchema,
    TableMeta,
    TableSchema,
    TimePartitioning,
)
from bqemulator.domain.errors import NotFoundError, ValidationError
from bqemulator.storage.sql_identifiers import quoted_table_ref
from bqemulator.storage.type_map import bq_schema_to_duckdb_columns

from tests.sandbox.bigquery import bignumeric
from tests.sandbox.bigquery.failures import NotImitated

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_STANDARD_NAMES = {"INT64": "INTEGER", "FLOAT64": "FLOAT", "BOOL": "BOOLEAN", "STRUCT": "RECORD"}
_TYPES = {
    *_STANDARD_NAMES.values(),
    *("NUMERIC", "BIGNUMERIC", "STRING", "BYTES", "DATE", "TIME", "DATETIME", "TIMESTAMP", "JSON"),
}
_CLUSTER_TYPES = {
    *("BIGNUMERIC", "BOOLEAN", "DATE", "DATETIME", "INTEGER", "NUMERIC", "STRING", "TIMESTAMP"),
}
_MAX_CLUSTERING = 4
_FORBIDDEN = re.compile(r'[!"$()*,./;?@\[\\\]^`{}~]')
_RESERVED = (
    *("_TABLE_", "_FILE_", "_PARTITION", "_ROW_TIMESTAMP", "__ROOT__", "_COLIDENTIFIER"),
    *("_CHANGE_SEQUENCE_NUMBER", "_CHANGE_TYPE", "_CHANGE_TIMESTAMP"),
)
_MAX_NAME = 300
_NUMBERS = {"maxLength": "max_length", "precision": "precision", "scale": "scale"}
_TEXTS = {
    "description": "description",
    "defaultValueExpression": "default_value_expression",
    "roundingMode": "rounding_mode",
}


def fields_from_rest(raw: list[dict[str, Any]]) -> tuple[TableFieldSchema, ...]:
    """Schema fields of a request, types spelled as the REST API answers them."""
    return tuple(_field_from_rest(field) for field in raw)


def _field_from_rest(raw: dict[str, Any]) -> TableFieldSchema:
    kind = str(raw.get("type", "")).upper()
    kind = _STANDARD_NAMES.get(kind, kind)
    if kind not in _TYPES:
        raise NotImitated(f"the sandbox has no column type {kind}")
    numbers = {ours: int(raw[name]) for name, ours in _NUMBERS.items() if raw.get(name)}
    texts = {ours: raw[name] for name, ours in _TEXTS.items() if raw.get(name)}
    return TableFieldSchema(
        name=raw["name"],
        type=kind,
        mode=str(raw.get("mode") or "NULLABLE").upper(),  # type: ignore[arg-type]
        fields=fields_from_rest(raw.get("fields") or []),
        **numbers,
        **texts,
    )


def field_to_rest(field: TableFieldSchema) -> dict[str, Any]:
    """One field as the REST API shows it."""
    rest: dict[str, Any] = {"name": field.name, "type": field.type, "mode": field.mode}
    for name, ours in _TEXTS.items():
        if getattr(field, ours):
            rest[name] = getattr(field, ours)
    for name, ours in _NUMBERS.items():
        if getattr(field, ours) is not None:
            rest[name] = str(getattr(field, ours))
    if field.fields:
        rest["fields"] = [field_to_rest(child) for child in field.fields]
    return rest


def column_definitions(fields: tuple[TableFieldSchema, ...]) -> str:
    """The columns of a DuckDB CREATE TABLE."""
    types = bq_schema_to_duckdb_columns([field_to_rest(field) for field in fields])
    return ", ".join(
        f'"{name}" {duckdb_type}{" NOT NULL" if field.mode == "REQUIRED" else ""}'
        for field, (name, duckdb_type) in zip(fields, types, strict=True)
    )


def described_fields(context: AppContext, meta: TableMeta) -> tuple[TableFieldSchema, ...]:
    """The fields that DuckDB's table really has."""
    ref = quoted_table_ref(meta.project_id, meta.dataset_id, meta.table_id)
    rows = context.engine.execute(f"DESCRIBE {ref}").fetchall()
    return fields_from_rest(
        [
            bignumeric.field_of_duckdb(
                row[0], row[1], mode="REQUIRED" if row[2] == "NO" else "NULLABLE"
            )
            for row in rows
        ]
    )


def partitioning_from_rest(body: dict[str, Any]) -> TimePartitioning | None:
    """`timePartitioning` of a table or load request, `requirePartitionFilter` included."""
    if body.get("rangePartitioning"):
        raise NotImitated("the sandbox has no range partitioning")
    raw = body.get("timePartitioning")
    if not raw:
        if body.get("requirePartitionFilter"):
            raise ValidationError("requirePartitionFilter needs a partitioned table")
        return None
    expiration = raw.get("expirationMs")
    required = body.get("requirePartitionFilter", raw.get("requirePartitionFilter", False))
    kind = str(raw.get("type") or "DAY").upper()
    if kind not in ("HOUR", "DAY", "MONTH", "YEAR"):
        raise ValidationError(f"Invalid value for timePartitioning.type: {kind}")
    return TimePartitioning(
        type=kind,  # type: ignore[arg-type]
        field=raw.get("field"),
        expiration_ms=int(expiration) if expiration else None,
        require_partition_filter=bool(required),
    )


def partitioning_to_rest(tp: TimePartitioning) -> dict[str, Any]:
    """`timePartitioning` as the REST API shows it."""
    rest: dict[str, Any] = {"type": tp.type, "field": tp.field}
    if tp.expiration_ms is not None:
        rest["expirationMs"] = str(tp.expiration_ms)
    return rest


def clustering_from_rest(body: dict[str, Any]) -> Clustering | None:
    """`clustering` of a table or load request."""
    fields = (body.get("clustering") or {}).get("fields")
    return Clustering(fields=tuple(fields)) if fields else None


def validate(meta: TableMeta) -> None:
    """Raise ValidationError for a schema, partitioning or clustering that the service refuses."""
    _validate_names(meta.schema_.fields)
    columns = {field.name.lower(): field for field in meta.schema_.fields}
    if meta.time_partitioning is not None:
        _validate_partitioning(meta.time_partitioning, columns)
    if meta.clustering is not None:
        _validate_clustering(meta.clustering, columns)


def _validate_names(fields: tuple[TableFieldSchema, ...]) -> None:
    seen: set[str] = set()
    for field in fields:
        name = field.name
        if not name or len(name) > _MAX_NAME or _FORBIDDEN.search(name):
            raise ValidationError(
                f'Invalid field name "{name}". Fields must contain the allowed characters, and '
                "be at most 300 characters long."
            )
        if name.upper().startswith(_RESERVED):
            raise ValidationError(f'Field name "{name}" has a reserved prefix')
        if name.lower() in seen:
            raise ValidationError(f"Duplicate field name: {name}")
        seen.add(name.lower())
        _validate_names(field.fields)


def _validate_partitioning(tp: TimePartitioning, columns: dict[str, TableFieldSchema]) -> None:
    if tp.field is None:
        raise NotImitated("the sandbox has no ingestion-time partitioning")
    field = columns.get(tp.field.lower())
    if field is None:
        raise ValidationError("The field specified for partitioning cannot be found in the schema.")
    if field.type not in ("DATE", "DATETIME", "TIMESTAMP") or field.mode == "REPEATED":
        raise ValidationError(
            f"The field specified for time partitioning can only be of type TIMESTAMP, DATE or "
            f"DATETIME. The type found is: {field.type}."
        )
    if field.type == "DATE" and tp.type == "HOUR":
        raise ValidationError("HOUR partitioning is not supported over a DATE column.")


def _validate_clustering(clustering: Clustering, columns: dict[str, TableFieldSchema]) -> None:
    if len(clustering.fields) > _MAX_CLUSTERING:
        raise ValidationError(
            f"The number of clustering fields exceeds the maximum of {_MAX_CLUSTERING}."
        )
    for name in clustering.fields:
        field = columns.get(name.lower())
        if field is None:
            raise ValidationError(
                "The field specified for clustering cannot be found in the schema. "
                f"Invalid field: {name}"
            )
        if field.type not in _CLUSTER_TYPES or field.mode == "REPEATED":
            raise ValidationError(f"Field {name} of type {field.type} cannot be clustered on.")


def expiration_from_rest(value: Any) -> datetime | None:
    """`expirationTime`: milliseconds since 1970 as text, or nothing."""
    return EPOCH + timedelta(milliseconds=int(value)) if value else None


def milliseconds(moment: datetime) -> str:
    """Milliseconds since 1970, as the REST API writes moments."""
    return str((moment - EPOCH) // timedelta(milliseconds=1))


def touched(context: AppContext, meta: TableMeta) -> TableMeta:
    """`meta`, modified now."""
    return meta.model_copy(update={"last_modified_time": context.clock.now(), "etag": uuid4().hex})


def require_dataset(context: AppContext, project: str, dataset: str) -> Any:
    """The dataset's metadata, or NotFoundError."""
    meta = context.catalog.get_dataset(project, dataset)
    if meta is None:
        raise NotFoundError(f"Not found: Dataset {project}:{dataset}")
    return meta


def not_found(project: str, dataset: str, table: str) -> NotFoundError:
    """The error for a table that does not exist."""
    return NotFoundError(f"Not found: Table {project}:{dataset}.{table}")


def require_table(context: AppContext, project: str, dataset: str, table: str) -> TableMeta:
    """The table's metadata, or NotFoundError."""
    require_dataset(context, project, dataset)
    meta = context.catalog.get_table(project, dataset, table)
    if meta is None:
        raise not_found(project, dataset, table)
    return meta


def new_table(
    context: AppContext,
    ids: tuple[str, str, str],
    fields: tuple[TableFieldSchema, ...],
    **more: Any,
) -> TableMeta:
    """Validated metadata of a table that does not exist yet."""
    dataset = require_dataset(context, ids[0], ids[1])
    now = context.clock.now()
    if dataset.default_table_expiration_ms and more.get("expiration_time") is None:
        more["expiration_time"] = now + timedelta(milliseconds=dataset.default_table_expiration_ms)
    meta = TableMeta(
        project_id=ids[0],
        dataset_id=ids[1],
        table_id=ids[2],
        schema=TableSchema(fields=fields),
        creation_time=now,
        last_modified_time=now,
        etag=uuid4().hex,
        **more,
    )
    validate(meta)
    return meta
