"""datasets.delete: contents only when asked for, and all in one change.

Source: https://docs.cloud.google.com/bigquery/docs/reference/rest/v2/datasets/delete
"""

from __future__ import annotations

from bqemulator.api.dependencies import AppContext
from bqemulator.domain.errors import ResourceInUseError
from bqemulator.storage.sql_identifiers import quoted_schema
from fastapi import APIRouter, Request, Response

from tests.sandbox.bigquery import metadata
from tests.sandbox.bigquery.runner import runner_of

router = APIRouter(prefix="/bigquery/v2/projects/{project}")


@router.delete("/datasets/{dataset}", status_code=204)
async def delete(
    project: str, dataset: str, request: Request, deleteContents: bool = False
) -> Response:
    """Delete a dataset; 400 `resourceInUse` when it has tables that may not go with it."""
    runner = runner_of(request.app.state)
    await runner.change(lambda: _delete(runner.context, project, dataset, deleteContents))
    return Response(status_code=204)


def _delete(context: AppContext, project: str, dataset: str, with_contents: bool) -> None:
    metadata.require_dataset(context, project, dataset)
    if context.catalog.list_tables(project, dataset) and not with_contents:
        raise ResourceInUseError(f"Dataset {project}:{dataset} is still in use")
    context.engine.execute(f"DROP SCHEMA {quoted_schema(project, dataset)} CASCADE")
    context.catalog.delete_dataset(project, dataset, delete_contents=True)
