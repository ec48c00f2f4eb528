"""The REST methods of jobs: insert, query, get, list, cancel, delete and getQueryResults.

Source: https://docs.cloud.google.com/bigquery/docs/reference/rest/v2/jobs. That a get with
another location answers 404: docs.cloud.google.com/bigquery/docs/troubleshoot-queries.
"""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from bqemulator.domain.errors import ValidationError
from bqemulator.storage.arrow_bridge import arrow_table_to_bq_rows
from fastapi import APIRouter, Request

from tests.sandbox.bigquery.copies import CopyRun
from tests.sandbox.bigquery.failures import NotImitated, request_error
from tests.sandbox.bigquery.queries import QueryRun
from tests.sandbox.bigquery.registry import Job
from tests.sandbox.bigquery.runner import Runner, runner_of

router = APIRouter(prefix="/bigquery/v2/projects/{project}")
_PAGE = 10_000
_RUNS = {"query": QueryRun, "copy": CopyRun}


def new_job(runner: Runner, project: str, body: dict[str, Any]) -> Job:
    """The job that a request asks for, in the location of what it writes.

    Raises ValidationError without exactly one kind of configuration.
    """
    configuration = body.get("configuration") or {}
    kinds = [kind for kind in ("query", "load", "copy", "extract") if kind in configuration]
    if len(kinds) != 1:
        raise ValidationError("Job configuration must contain exactly one job-specific object")
    reference = body.get("jobReference") or {}
    return Job(
        project=reference.get("projectId") or project,
        job_id=reference.get("jobId") or f"sandbox_{uuid4().hex}",
        kind=kinds[0].upper(),
        configuration=configuration,
        location=reference.get("location") or _location(runner, project, configuration[kinds[0]]),
    )


def _location(runner: Runner, project: str, config: dict[str, Any]) -> str:
    table = config.get("destinationTable") or config.get("defaultDataset") or {}
    dataset = runner.context.catalog.get_dataset(
        table.get("projectId") or project, table.get("datasetId", "")
    )
    return str(dataset.location) if dataset is not None else "US"


@router.post("/jobs")
async def insert(project: str, request: Request) -> dict[str, Any]:
    """jobs.insert: answers when the job is done."""
    runner = runner_of(request.app.state)
    job = new_job(runner, project, await request.json())
    run = _RUNS.get(job.kind.lower())
    if run is None:
        raise NotImitated(f"the sandbox has no {job.kind} jobs over this method")
    await runner.run_job(job, run(runner))
    if job.dry_run and job.failed:
        raise request_error(job.errors[0])
    return job.resource()


@router.post("/queries")
async def query(project: str, request: Request) -> dict[str, Any]:
    """jobs.query: a job and the first page of its rows. A repeated requestId repeats nothing."""
    runner = runner_of(request.app.state)
    body = await request.json()
    job_id = f"request_{body['requestId']}" if body.get("requestId") else ""
    known = [job for job in runner.registry.list(project, None) if job.job_id == job_id]
    if known and known[0].state == "DONE":
        job = known[0]
    else:
        job = new_job(runner, project, _as_insert(body, job_id))
        await runner.run_job(job, QueryRun(runner))
    if job.failed:
        raise request_error(job.errors[0])
    limit = int(body.get("maxResults") or _PAGE)
    return {**_results(job, 0, limit), "kind": "bigquery#queryResponse"}


def _as_insert(body: dict[str, Any], job_id: str) -> dict[str, Any]:
    outer = ("dryRun", "labels", "jobTimeoutMs")
    skipped = (*outer, "kind", "location", "maxResults", "requestId", "formatOptions", "timeoutMs")
    config = {name: value for name, value in body.items() if name not in skipped}
    configuration = {name: body[name] for name in outer if name in body}
    reference = {"jobId": job_id, "location": body.get("location")}
    return {"configuration": {**configuration, "query": config}, "jobReference": reference}


@router.get("/queries/{job_id}")
def get_query_results(
    project: str,
    job_id: str,
    request: Request,
    maxResults: int = _PAGE,
    startIndex: int = 0,
    pageToken: str | None = None,
    location: str | None = None,
) -> dict[str, Any]:
    """jobs.getQueryResults."""
    job = runner_of(request.app.state).registry.get(project, job_id, location)
    if job.state != "DONE":
        return {"jobReference": job.reference, "jobComplete": False}
    if job.failed:
        raise request_error(job.errors[0])
    return _results(job, int(pageToken) if pageToken else startIndex, maxResults)


def _results(job: Job, start: int, limit: int) -> dict[str, Any]:
    query_statistics = job.statistics.get("query", {})
    total = job.rows.num_rows if job.rows is not None else 0
    rows = arrow_table_to_bq_rows(job.rows, start, limit) if total and limit else []
    answer: dict[str, Any] = {
        "kind": "bigquery#getQueryResultsResponse",
        "jobReference": job.reference,
        "jobComplete": True,
        "schema": {"fields": job.schema},
        "totalRows": str(total),
        "rows": rows,
        "totalBytesProcessed": query_statistics.get("totalBytesProcessed", "0"),
        "cacheHit": False,
    }
    for name in ("numDmlAffectedRows", "dmlStats", "statementType"):
        if name in query_statistics:
            answer[name] = query_statistics[name]
    if start + len(rows) < total:
        answer["pageToken"] = str(start + len(rows))
    return answer


@router.get("/jobs")
def list_jobs(
    project: str,
    request: Request,
    maxResults: int = 100,
    pageToken: str | None = None,
    parentJobId: str | None = None,
    minCreationTime: int = 0,
    maxCreationTime: int | None = None,
) -> dict[str, Any]:
    """jobs.list, newest first."""
    states = {state.upper() for state in request.query_params.getlist("stateFilter")}
    jobs = [
        job
        for job in runner_of(request.app.state).registry.list(project, parentJobId)
        if job.created >= minCreationTime
        and (maxCreationTime is None or job.created <= maxCreationTime)
        and (not states or job.state in states)
    ]
    start = int(pageToken or 0)
    answer: dict[str, Any] = {
        "kind": "bigquery#jobList",
        "jobs": [_list_item(job) for job in jobs[start : start + maxResults]],
    }
    if start + maxResults < len(jobs):
        answer["nextPageToken"] = str(start + maxResults)
    return answer


def _list_item(job: Job) -> dict[str, Any]:
    resource = job.resource()
    item = {**resource, "state": job.state}
    if job.failed:
        item["errorResult"] = job.errors[0]
    return item


@router.get("/jobs/{job_id}")
def get_job(
    project: str, job_id: str, request: Request, location: str | None = None
) -> dict[str, Any]:
    """jobs.get."""
    return runner_of(request.app.state).registry.get(project, job_id, location).resource()


@router.post("/jobs/{job_id}/cancel")
def cancel(
    project: str, job_id: str, request: Request, location: str | None = None
) -> dict[str, Any]:
    """jobs.cancel: best effort, and here never in time."""
    job = runner_of(request.app.state).registry.get(project, job_id, location)
    return {"kind": "bigquery#jobCancelResponse", "job": job.resource()}
