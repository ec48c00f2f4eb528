"""The catalog follows DDL: partitioning, clustering and options of CREATE, ADD COLUMN, SET OPTIONS.

Source: https://docs.cloud.google.com/bigquery/docs/reference/standard-sql/data-definition-language
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import sqlglot
from bqemulator.api.dependencies import AppContext
from bqemulator.catalog import ddl_sync
from bqemulator.catalog.models import Clustering, TableMeta, TableSchema, TimePartitioning
from bqemulator.storage.sql_identifiers import quoted_table_ref
from bqemulator.storage.type_map import bq_schema_to_duckdb_columns
from sqlglot import exp

from tests.sandbox.bigquery import metadata
from tests.sandbox.bigquery.corrections import Patch
from tests.sandbox.bigquery.engine import current_work
from tests.sandbox.bigquery.failures import NotImitated

_DAY_MS = 24 * 60 * 60 * 1000
_stock_created = ddl_sync.sync_created_table
_stock_dropped = ddl_sync.sync_dropped_object


def _created_table(sql: str, project: str, context: AppContext) -> None:
    target = ddl_sync._detect_plain_create_table(sql)
    if target is None:
        return
    tree = sqlglot.parse_one(sql, read="bigquery")
    ids = ddl_sync._split_target(target, project)
    if tree.args.get("exists") and context.catalog.get_table(*ids) is not None:
        return
    _stock_created(sql, project, context)
    meta = context.catalog.get_table(*ids)
    if meta is not None:
        context.catalog.update_table(_with_clauses(context, meta, tree))


def _with_clauses(context: AppContext, meta: TableMeta, tree: exp.Expression) -> TableMeta:
    properties = tree.args.get("properties")
    clauses = properties.expressions if properties is not None else []
    changes: dict[str, Any] = {
        "schema_": TableSchema(fields=metadata.described_fields(context, meta)),
        "time_partitioning": _partitioning(clauses),
        "clustering": _clustering(clauses),
    }
    meta = meta.model_copy(update=changes)
    meta = _with_options(meta, clauses)
    metadata.validate(meta)
    return meta


def _partitioning(clauses: list[exp.Expression]) -> TimePartitioning | None:
    for clause in clauses:
        if isinstance(clause, exp.PartitionedByProperty):
            return _time_partitioning(clause.this)
    return None


def _time_partitioning(node: exp.Expression) -> TimePartitioning:
    unit = "DAY"
    if isinstance(node, exp.DateTrunc | exp.TimestampTrunc | exp.DatetimeTrunc):
        unit, node = node.text("unit").upper(), node.this
    elif isinstance(node, exp.Date | exp.TsOrDsToDate):
        node = node.this
    name = node.name
    if (
        not name
        or name.upper().startswith("_PARTITION")
        or not isinstance(node, exp.Column | exp.Identifier)
    ):
        raise NotImitated(f"the sandbox has no PARTITION BY {node.sql(dialect='bigquery')}")
    return TimePartitioning(type=unit, field=name)  # type: ignore[arg-type]


def _clustering(clauses: list[exp.Expression]) -> Clustering | None:
    for clause in clauses:
        if isinstance(clause, exp.ClusterProperty | exp.Cluster):
            return Clustering(fields=tuple(node.name for node in clause.expressions))
    return None


def _with_options(meta: TableMeta, clauses: list[exp.Expression]) -> TableMeta:
    for clause in clauses:
        if type(clause) is exp.Property:
            meta = _with_option(meta, clause.this.name.lower(), clause.args["value"])
    return meta


def _with_option(meta: TableMeta, name: str, value: exp.Expression) -> TableMeta:
    tp = meta.time_partitioning
    change: dict[str, Any]
    if name in ("description", "friendly_name"):
        change = {name: None if isinstance(value, exp.Null) else value.name}
    elif name == "labels":
        change = {
            "labels": {p.expressions[0].name: p.expressions[1].name for p in value.expressions}
        }
    elif name == "expiration_timestamp":
        change = {"expiration_time": _moment(value)}
    elif name == "require_partition_filter" and tp is not None:
        required = isinstance(value, exp.Boolean) and bool(value.this)
        change = {"time_partitioning": tp.model_copy(update={"require_partition_filter": required})}
    elif name == "partition_expiration_days" and tp is not None:
        ms = None if isinstance(value, exp.Null) else int(float(value.name) * _DAY_MS)
        change = {"time_partitioning": tp.model_copy(update={"expiration_ms": ms})}
    else:
        raise NotImitated(f"the sandbox has no table option {name} here")
    return meta.model_copy(update=change)


def _moment(value: exp.Expression) -> datetime | None:
    if isinstance(value, exp.Null):
        return None
    sql = sqlglot.transpile(
        f"SELECT CAST({value.sql(dialect='bigquery')} AS TIMESTAMP)", "bigquery", "duckdb"
    )[0]
    row = current_work().connection.execute(sql).fetchone()
    moment: datetime = row[0] if row else None  # type: ignore[assignment]
    return moment.astimezone(UTC)


def _dropped_or_altered(sql: str, project: str, context: AppContext) -> None:
    _stock_dropped(sql, project, context)
    try:
        tree = sqlglot.parse_one(sql, read="bigquery")
    except sqlglot.errors.ParseError:
        return
    if isinstance(tree, exp.Alter) and isinstance(tree.this, exp.Table):
        meta = context.catalog.get_table(*ddl_sync._split_target(tree.this, project))
        if meta is not None:
            context.catalog.update_table(_altered(context, meta, tree))


def _altered(context: AppContext, meta: TableMeta, tree: exp.Alter) -> TableMeta:
    for action in tree.args["actions"]:
        if isinstance(action, exp.AlterSet):
            clauses = [p for group in action.expressions for p in group.expressions]
            meta = _with_options(meta, clauses)
        elif isinstance(action, exp.AlterRename):
            raise NotImitated("the sandbox has no ALTER TABLE RENAME TO")
    fields = metadata.described_fields(context, meta)
    known = {field.name.lower(): field for field in meta.schema_.fields}
    kept = tuple(_same(known.get(field.name.lower()), field) for field in fields)
    return metadata.touched(context, meta.model_copy(update={"schema_": TableSchema(fields=kept)}))


def _same(old: Any, new: Any) -> Any:
    """The catalog's own field where the column did not change: it has descriptions."""
    if old is None or old.mode != new.mode:
        return new
    pair = [bq_schema_to_duckdb_columns([metadata.field_to_rest(f)])[0][1] for f in (old, new)]
    return old if pair[0] == pair[1] else new


def add_columns(context: AppContext, meta: TableMeta, fields: Any) -> TableMeta:
    """Add nullable columns at the end of a table; returns its new metadata, not yet stored."""
    ref = quoted_table_ref(meta.project_id, meta.dataset_id, meta.table_id)
    for name, duckdb_type in bq_schema_to_duckdb_columns(
        [metadata.field_to_rest(field) for field in fields]
    ):
        context.engine.execute(f'ALTER TABLE {ref} ADD COLUMN "{name}" {duckdb_type}')
    schema = TableSchema(fields=(*meta.schema_.fields, *fields))
    return metadata.touched(context, meta.model_copy(update={"schema_": schema}))


def patches() -> list[Patch]:
    """The corrections of this file."""
    source = "docs.cloud.google.com/bigquery/docs/reference/standard-sql/data-definition-language"
    return [
        Patch(f"bqemulator.{module}:{name}", replacement, source)
        for module in ("jobs.executor", "scripting.interpreter")
        for name, replacement in (
            ("sync_created_table", _created_table),
            ("sync_dropped_object", _dropped_or_altered),
        )
    ]
