"""The REST methods of tables: insert, get, list, patch, update and delete.

Source: https://docs.cloud.google.com/bigquery/docs/reference/rest/v2/tables.
"""

from __future__ import annotations

import asyncio
from typing import Any

from bqemulator.api.dependencies import AppContext
from bqemulator.catalog.models import TableFieldSchema, TableMeta, TableSchema
from bqemulator.domain.errors import AlreadyExistsError, ValidationError
from bqemulator.jobs.executor import execute_query_job
from bqemulator.row_access.identity import CallerIdentity
from bqemulator.storage.sql_identifiers import quoted_table_ref
from fastapi import APIRouter, Request, Response

from tests.sandbox.bigquery import cost, ddl, expiry, metadata
from tests.sandbox.bigquery.destination import create_table, relax
from tests.sandbox.bigquery.engine import current_work, new_connection
from tests.sandbox.bigquery.failures import NotImitated, PreconditionFailed
from tests.sandbox.bigquery.partitions import split_decorator
from tests.sandbox.bigquery.runner import runner_of

router = APIRouter(prefix="/bigquery/v2/projects/{project}/datasets/{dataset}")
_CALLER = CallerIdentity(principal="user:sandbox@example.com", is_authenticated=True)
_ANONYMOUS = "_bqemu_anonymous"


@router.post("/tables")
async def insert(project: str, dataset: str, request: Request) -> dict[str, Any]:
    """tables.insert: a table or a view."""
    runner = runner_of(request.app.state)
    body = await request.json()
    table = (body.get("tableReference") or {}).get("tableId", "")
    ids = (project, dataset, table)
    return await runner.change(lambda: _insert(runner.context, ids, body))


def _insert(context: AppContext, ids: tuple[str, str, str], body: dict[str, Any]) -> dict[str, Any]:
    metadata.require_dataset(context, *ids[:2])
    if context.catalog.get_table(*ids) is not None:
        raise AlreadyExistsError(f"Already Exists: Table {ids[0]}:{ids[1]}.{ids[2]}")
    if body.get("externalDataConfiguration") or body.get("materializedView"):
        raise NotImitated("the sandbox has neither external tables nor materialized views")
    if body.get("view"):
        return _rest(context, _create_view(context, ids, body))
    meta = metadata.new_table(
        context,
        ids,
        metadata.fields_from_rest((body.get("schema") or {}).get("fields") or []),
        time_partitioning=metadata.partitioning_from_rest(body),
        clustering=metadata.clustering_from_rest(body),
        description=body.get("description"),
        friendly_name=body.get("friendlyName"),
        labels=body.get("labels") or {},
        expiration_time=_future(context, body.get("expirationTime")),
    )
    create_table(context, meta)
    return _rest(context, meta)


def _future(context: AppContext, value: Any) -> Any:
    moment = metadata.expiration_from_rest(value)
    if moment is not None and moment <= context.clock.now():
        raise ValidationError("Invalid value for expirationTime: it must be in the future")
    return moment


def _create_view(context: AppContext, ids: tuple[str, str, str], body: dict[str, Any]) -> TableMeta:
    query = body["view"]["query"]
    if body["view"].get("useLegacySql", False):
        raise NotImitated("the sandbox has no legacy SQL")
    name = ".".join(ids)
    asyncio.run(
        execute_query_job(
            ids[0],
            "view",
            f"CREATE OR REPLACE VIEW `{name}` AS {query}",
            None,
            context,
            caller=_CALLER,
        )
    )
    meta = metadata.require_table(context, *ids)
    meta = meta.model_copy(
        update={
            "view_query": query,
            "description": body.get("description"),
            "friendly_name": body.get("friendlyName"),
            "labels": body.get("labels") or {},
            "expiration_time": _future(context, body.get("expirationTime")),
        }
    )
    return context.catalog.update_table(meta)


@router.get("/tables/{table}")
def get(project: str, dataset: str, table: str, request: Request) -> dict[str, Any]:
    """tables.get."""
    runner = runner_of(request.app.state)
    if dataset == _ANONYMOUS:
        return _anonymous(runner.registry.list(project, None), project, table)
    name, _ = split_decorator(table)
    if expiry.is_expired(runner.context, project, dataset, name):
        raise metadata.not_found(project, dataset, name)
    return _rest(runner.context, metadata.require_table(runner.context, project, dataset, name))


def _anonymous(jobs: list[Any], project: str, table: str) -> dict[str, Any]:
    """The table of a query's result, which some clients ask for."""
    for job in jobs:
        if table == f"anon{job.job_id.replace('-', '')}" and job.rows is not None:
            reference = {"projectId": project, "datasetId": _ANONYMOUS, "tableId": table}
            return {
                "kind": "bigquery#table",
                "tableReference": reference,
                "type": "TABLE",
                "numRows": str(job.rows.num_rows),
                "schema": {"fields": job.schema},
            }
    raise metadata.not_found(project, _ANONYMOUS, table)


@router.get("/tables")
def list_tables(
    project: str,
    dataset: str,
    request: Request,
    maxResults: int = 1000,
    pageToken: str | None = None,
) -> dict[str, Any]:
    """tables.list."""
    context = runner_of(request.app.state).context
    metadata.require_dataset(context, project, dataset)
    now = context.clock.now()
    tables = [
        table
        for table in sorted(
            context.catalog.list_tables(project, dataset), key=lambda table: table.table_id
        )
        if table.expiration_time is None or table.expiration_time > now
    ]
    start = int(pageToken or 0)
    shown = tables[start : start + maxResults]
    answer: dict[str, Any] = {
        "kind": "bigquery#tableList",
        "tables": [_list_item(table) for table in shown],
        "totalItems": len(tables),
    }
    if start + len(shown) < len(tables):
        answer["nextPageToken"] = str(start + len(shown))
    return answer


def _list_item(meta: TableMeta) -> dict[str, Any]:
    full = _described(meta)
    names = ("kind", "id", "tableReference", "type", "labels", "creationTime", "expirationTime")
    names += ("timePartitioning", "clustering", "requirePartitionFilter", "friendlyName")
    return {name: full[name] for name in names if name in full}


@router.patch("/tables/{table}")
@router.put("/tables/{table}")
async def patch(project: str, dataset: str, table: str, request: Request) -> dict[str, Any]:
    """tables.patch; tables.update is taken as the same."""
    runner = runner_of(request.app.state)
    body = await request.json()
    etag = request.headers.get("if-match")
    ids = (project, dataset, table)
    return await runner.change(lambda: _patch(runner.context, ids, body, etag))


def _patch(
    context: AppContext, ids: tuple[str, str, str], body: dict[str, Any], etag: str | None
) -> dict[str, Any]:
    meta = metadata.require_table(context, *ids)
    if etag is not None and etag not in ("*", meta.etag):
        raise PreconditionFailed("Precondition Failed: the table was changed in between")
    if "schema" in body:
        fields = metadata.fields_from_rest((body["schema"] or {}).get("fields") or [])
        meta = _with_schema(context, meta, fields)
    if body.get("view"):
        context.engine.execute(f"DROP VIEW {quoted_table_ref(*ids)}")
        kept = {"description": meta.description, "labels": meta.labels}
        meta = _create_view(context, ids, {**kept, "view": body["view"]})
    meta = meta.model_copy(update=_changes(context, meta, body))
    metadata.validate(meta)
    return _rest(context, context.catalog.update_table(metadata.touched(context, meta)))


def _changes(context: AppContext, meta: TableMeta, body: dict[str, Any]) -> dict[str, Any]:
    changes: dict[str, Any] = {}
    for name, ours in (("description", "description"), ("friendlyName", "friendly_name")):
        if name in body:
            changes[ours] = body[name]
    if "labels" in body:
        merged = {**meta.labels, **(body["labels"] or {})}
        changes["labels"] = {k: v for k, v in merged.items() if v is not None}
    if "expirationTime" in body:
        changes["expiration_time"] = _future(context, body["expirationTime"])
    if "clustering" in body:
        changes["clustering"] = metadata.clustering_from_rest(body)
    if "timePartitioning" in body or "requirePartitionFilter" in body:
        changes["time_partitioning"] = _new_partitioning(meta, body)
    return changes


def _new_partitioning(meta: TableMeta, body: dict[str, Any]) -> Any:
    old = meta.time_partitioning
    if old is None:
        if body.get("timePartitioning") or body.get("requirePartitionFilter"):
            raise ValidationError("Cannot change partitioning of an existing table")
        return None
    raw = body.get("timePartitioning") or metadata.partitioning_to_rest(old)
    required = body.get("requirePartitionFilter", old.require_partition_filter)
    new = metadata.partitioning_from_rest(
        {"timePartitioning": raw, "requirePartitionFilter": required}
    )
    assert new is not None
    if (new.type, new.field) != (old.type, old.field):
        raise ValidationError("Cannot change partitioning of an existing table")
    return new


def _with_schema(
    context: AppContext, meta: TableMeta, fields: tuple[TableFieldSchema, ...]
) -> TableMeta:
    """Columns may be added, relaxed and described; never dropped, moved or retyped."""
    path = f"{meta.project_id}:{meta.dataset_id}.{meta.table_id}"
    problem = f"Provided Schema does not match Table {path}."
    new = {field.name.lower(): field for field in fields}
    for old in meta.schema_.fields:
        field = new.get(old.name.lower())
        if field is None:
            raise ValidationError(f"{problem} Field {old.name} is missing in new schema")
        if (field.type, field.mode == "REPEATED") != (old.type, old.mode == "REPEATED"):
            raise ValidationError(
                f"{problem} Field {old.name} has changed type from {old.type} to {field.type}"
            )
        if old.mode == "NULLABLE" and field.mode == "REQUIRED":
            raise ValidationError(
                f"{problem} Field {old.name} has changed mode from NULLABLE to REQUIRED"
            )
        if old.mode == "REQUIRED" and field.mode == "NULLABLE":
            meta = relax(context, meta, old.name)
    known = {field.name.lower() for field in meta.schema_.fields}
    additions = [field for field in fields if field.name.lower() not in known]
    for field in additions:
        if field.mode == "REQUIRED":
            raise ValidationError(
                f"{problem} Cannot add required fields to an existing schema. (field: {field.name})"
            )
    if additions:
        meta = ddl.add_columns(context, meta, additions)
    described = tuple(new[field.name.lower()] for field in meta.schema_.fields)
    return meta.model_copy(update={"schema_": TableSchema(fields=described)})


@router.delete("/tables/{table}", status_code=204)
async def delete(project: str, dataset: str, table: str, request: Request) -> Response:
    """tables.delete: a table, a view, or one partition of a table."""
    runner = runner_of(request.app.state)
    await runner.change(lambda: _delete(runner.context, project, dataset, table))
    return Response(status_code=204)


def _delete(context: AppContext, project: str, dataset: str, table: str) -> None:
    name, partition = split_decorator(table)
    meta = metadata.require_table(context, project, dataset, name)
    ref = quoted_table_ref(project, dataset, name)
    if partition is not None:
        context.engine.execute(f"DELETE FROM {ref} WHERE {partition.condition(meta)}")
        return
    context.engine.execute(f"DROP {'VIEW' if meta.table_type == 'VIEW' else 'TABLE'} {ref}")
    context.catalog.delete_table(project, dataset, name)


def _rest(context: AppContext, meta: TableMeta) -> dict[str, Any]:
    """The table resource, rows and bytes counted now."""
    rest = _described(meta)
    dataset = metadata.require_dataset(context, meta.project_id, meta.dataset_id)
    rest["location"] = dataset.location
    if meta.table_type == "TABLE":
        rows, size = _counted(context, meta)
        rest.update(numRows=str(rows), numBytes=str(size), numLongTermBytes="0")
    return rest


def _counted(context: AppContext, meta: TableMeta) -> tuple[int, int]:
    try:
        connection = current_work().connection
        return _count(connection, meta)
    except RuntimeError:
        with new_connection(context.engine) as connection:
            return _count(connection, meta)


def _count(connection: Any, meta: TableMeta) -> tuple[int, int]:
    ref = quoted_table_ref(meta.project_id, meta.dataset_id, meta.table_id)
    row = connection.execute(f"SELECT count(*) FROM {ref}").fetchone()
    return int(row[0]), cost.table_bytes(connection, meta)


def _described(meta: TableMeta) -> dict[str, Any]:
    reference = {
        "projectId": meta.project_id,
        "datasetId": meta.dataset_id,
        "tableId": meta.table_id,
    }
    rest: dict[str, Any] = {
        "kind": "bigquery#table",
        "id": f"{meta.project_id}:{meta.dataset_id}.{meta.table_id}",
        "etag": meta.etag,
        "tableReference": reference,
        "type": meta.table_type,
        "creationTime": metadata.milliseconds(meta.creation_time),
        "lastModifiedTime": metadata.milliseconds(meta.last_modified_time),
        "schema": {"fields": [metadata.field_to_rest(field) for field in meta.schema_.fields]},
    }
    optional = {
        "description": meta.description,
        "friendlyName": meta.friendly_name,
        "labels": dict(meta.labels),
        "expirationTime": meta.expiration_time and metadata.milliseconds(meta.expiration_time),
        "clustering": meta.clustering and {"fields": list(meta.clustering.fields)},
        "view": meta.view_query and {"query": meta.view_query, "useLegacySql": False},
    }
    rest.update({name: value for name, value in optional.items() if value})
    if meta.time_partitioning is not None:
        rest["timePartitioning"] = metadata.partitioning_to_rest(meta.time_partitioning)
        rest["requirePartitionFilter"] = meta.time_partitioning.require_partition_filter
    return rest
