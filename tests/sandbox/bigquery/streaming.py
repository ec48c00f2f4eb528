"""tabledata.insertAll: all rows or none, visible at once.

Source: https://docs.cloud.google.com/bigquery/docs/reference/rest/v2/tabledata/insertAll. There
is no streaming buffer here: DML may change the rows at once, which the service refuses.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from bqemulator.api.dependencies import AppContext
from fastapi import APIRouter, Request

from tests.sandbox.bigquery import metadata, text_files
from tests.sandbox.bigquery.destination import Destination
from tests.sandbox.bigquery.engine import current_work
from tests.sandbox.bigquery.failures import LoadFailed
from tests.sandbox.bigquery.runner import runner_of

router = APIRouter(prefix="/bigquery/v2/projects/{project}/datasets/{dataset}")
_KIND = "bigquery#tableDataInsertAllResponse"


@router.post("/tables/{table}/insertAll")
async def insert_all(project: str, dataset: str, table: str, request: Request) -> dict[str, Any]:
    """Insert the rows of the request; a row that does not fit is answered in `insertErrors`."""
    runner = runner_of(request.app.state)
    rows = [row["json"] for row in (await request.json())["rows"]]
    path: Path = request.app.state.uploads.new_file()
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")
    ids = (project, dataset, table)
    try:
        await runner.change(lambda: _insert(runner.context, ids, path))
    except LoadFailed as error:
        problem = {"reason": "invalid", "message": error.message, "location": "", "debugInfo": ""}
        return {"kind": _KIND, "insertErrors": [{"index": 0, "errors": [problem]}]}
    finally:
        path.unlink()
    return {"kind": _KIND}


def _insert(context: AppContext, ids: tuple[str, str, str], path: Path) -> None:
    fields = metadata.require_table(context, *ids).schema_.fields
    with text_files.read_json(current_work().connection, path, {}, fields) as source:
        Destination(context, ids).write(source.relation, source.fields)
