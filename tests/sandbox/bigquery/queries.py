"""Query jobs: the emulator translates and executes, this file decides what a job may do.

Sources: https://docs.cloud.google.com/bigquery/docs/reference/rest/v2/Job
(JobConfigurationQuery), https://docs.cloud.google.com/bigquery/docs/transactions.
"""

from __future__ import annotations

import asyncio
import re
from typing import Any

import pyarrow as pa
from bqemulator.api.routes.jobs import _apply_default_dataset
from bqemulator.domain.errors import InvalidQueryError, ValidationError
from bqemulator.jobs.executor import (
    JOB_RESULTS,
    JOB_SCHEMAS,
    classify_statement_type,
    execute_query_job,
)
from bqemulator.row_access.identity import CallerIdentity

from tests.sandbox.bigquery import cost, metadata, partition_filter
from tests.sandbox.bigquery.destination import Destination
from tests.sandbox.bigquery.engine import Work
from tests.sandbox.bigquery.failures import NotImitated
from tests.sandbox.bigquery.registry import Job
from tests.sandbox.bigquery.runner import Runner
from tests.sandbox.bigquery.scripts import script_of
from tests.sandbox.bigquery.statements import DmlCounts

_CALLER = CallerIdentity(principal="user:sandbox@example.com", is_authenticated=True)
_TRANSACTION = re.compile(r"\s*(BEGIN|START|COMMIT|ROLLBACK|END)(\s+TRANSACTION)?\s*;?\s*\Z", re.I)
_LEGACY = "legacy SQL"


class QueryRun:
    """One query job."""

    def __init__(self, runner: Runner) -> None:
        self._runner = runner
        self._context = runner.context

    def __call__(self, work: Work, job: Job) -> None:
        """Execute `job` in `work`: the body that `Runner.run_job` wants."""
        config = job.configuration["query"]
        refuse_what_is_not_imitated(config)
        sql = _apply_default_dataset(config["query"], config, request_project_id=job.project)
        if _TRANSACTION.match(sql):
            raise InvalidQueryError(
                "Transaction control statements are supported only in scripts or sessions",
                location="query",
            )
        partition_filter.check(self._context, sql, job.project)
        bytes_read = cost.estimate(self._context, sql, job.project)
        _refuse_expensive(config, bytes_read)
        script = script_of(sql)
        with script.running(self._runner.registry, work, job):
            statistics = self._execute(job, sql, config.get("queryParameters"))
        self._write_destination(work, job, config)
        _describe(job, work, statistics, bytes_read)
        if script.scripted:
            self._add_children(job, work)

    def _add_children(self, job: Job, work: Work) -> None:
        """One finished job per statement of a script, as jobs.list(parentJobId) shows them.

        They are kept in memory only, and a failed script has none here.
        """
        for number, statement in enumerate(work.statements):
            child = Job(job.project, f"script_job_{number}_{job.job_id}", "QUERY", {"query": {}})
            child.parent, child.location = job.job_id, job.location
            counts = statement.counts
            child.statistics = {"query": dml_fields(counts) if counts is not None else {}}
            child.start()
            child.finish()
            self._runner.registry.claim(child)
        job.statistics["numChildJobs"] = str(len(work.statements))

    def _execute(self, job: Job, sql: str, parameters: Any) -> dict[str, Any]:
        try:
            meta = asyncio.run(
                execute_query_job(
                    job.project, job.job_id, sql, parameters, self._context, caller=_CALLER
                )
            )
            job.rows = JOB_RESULTS[job.job_id]
            job.schema = JOB_SCHEMAS[job.job_id]
        finally:
            JOB_RESULTS.pop(job.job_id, None)
            JOB_SCHEMAS.pop(job.job_id, None)
        target = (meta.configuration.get("query") or {}).get("destinationTable")
        if target is not None:
            job.configuration["query"].setdefault("destinationTable", target)
        statistics: dict[str, Any] = meta.statistics
        return statistics

    def _write_destination(self, work: Work, job: Job, config: dict[str, Any]) -> None:
        target = config.get("destinationTable")
        if not target or target["datasetId"].startswith("_") or job.rows is None:
            return
        if classify_statement_type(config["query"]) != "SELECT":
            return
        destination = Destination.of_query(self._context, job.project, config)
        fields = metadata.fields_from_rest(job.schema)
        work.connection.register("query_result", job.rows)
        try:
            destination.write("query_result", fields)
        finally:
            work.connection.unregister("query_result")


def refuse_what_is_not_imitated(config: dict[str, Any]) -> None:
    """Raise NotImitated for options that would silently do something else here."""
    sessions = [p for p in config.get("connectionProperties") or () if p.get("key") == "session_id"]
    if config.get("createSession") or sessions:
        raise NotImitated("the sandbox has no sessions: use one script")
    if config.get("useLegacySql"):
        raise NotImitated(f"the sandbox has no {_LEGACY}")
    if not str(config.get("query", "")).strip():
        raise ValidationError("Required parameter is missing: query")


def _refuse_expensive(config: dict[str, Any], bytes_read: int) -> None:
    limit = config.get("maximumBytesBilled")
    billed = cost.billed(bytes_read)
    if limit is not None and billed > int(limit):
        raise BytesBilledExceeded(
            f"Query exceeded limit for bytes billed: {limit}. {billed} or higher required."
        )


class BytesBilledExceeded(ValidationError):
    """maximumBytesBilled is lower than the estimate."""

    bq_reason = "bytesBilledLimitExceeded"


def _describe(job: Job, work: Work, statistics: dict[str, Any], bytes_read: int) -> None:
    query = dict(statistics["query"])
    counts = work.counts
    scripted = query.get("statementType") == "SCRIPT"
    if counts is not None and not scripted:
        query.update(dml_fields(counts))
    query["totalBytesProcessed"] = str(bytes_read)
    query["totalBytesBilled"] = "0" if job.dry_run else str(cost.billed(bytes_read))
    if job.dry_run:
        query["totalBytesProcessedAccuracy"] = "PRECISE"
        query["schema"] = {"fields": job.schema}
    job.statistics = {
        **statistics,
        "totalBytesProcessed": str(bytes_read),
        "query": query,
    }
    if job.rows is None:
        job.rows = pa.table({})


def dml_fields(counts: DmlCounts) -> dict[str, Any]:
    """numDmlAffectedRows and dmlStats of JobStatistics2."""
    return {
        "numDmlAffectedRows": str(counts.total),
        "dmlStats": {
            "insertedRowCount": str(counts.inserted),
            "updatedRowCount": str(counts.updated),
            "deletedRowCount": str(counts.deleted),
        },
    }
