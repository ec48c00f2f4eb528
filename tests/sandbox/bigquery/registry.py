"""The jobs that were ever submitted, by the caller's ids, across restarts.

An id can be used once: `claim` of a known one is 409 `duplicate`, as jobs.insert answers
(https://docs.cloud.google.com/bigquery/docs/error-messages). A job is written to the database
in the transaction of its own changes, so that a job that died with the process is not found,
and one that is found DONE has all its effects.
"""

from __future__ import annotations

import json
import threading
import time
from dataclasses import dataclass, field
from typing import Any

import duckdb
import pyarrow as pa
from bqemulator.domain.errors import AlreadyExistsError, NotFoundError
from bqemulator.storage.engine import DuckDBEngine

from tests.sandbox.bigquery.engine import new_connection

_SCHEMA = "_sandbox"
_TABLE = f'"{_SCHEMA}"."jobs"'
_RESULTS_KEPT = 200


@dataclass
class Job:
    """A job resource; times are milliseconds since 1970, of the emulator's clock."""

    project: str
    job_id: str
    kind: str
    configuration: dict[str, Any]
    location: str = "US"
    state: str = "PENDING"
    errors: list[dict[str, Any]] = field(default_factory=list)
    failed: bool = False
    statistics: dict[str, Any] = field(default_factory=dict)
    created: int = field(default_factory=lambda: _now())
    started: int | None = None
    ended: int | None = None
    schema: list[dict[str, Any]] = field(default_factory=list)
    parent: str | None = None
    rows: pa.Table | None = field(default=None, repr=False)

    @property
    def dry_run(self) -> bool:
        """True when the job must not change anything, and is not kept."""
        return bool(self.configuration.get("dryRun"))

    def start(self) -> None:
        """Mark the job as running."""
        self.state, self.started = "RUNNING", _now()

    def finish(self, errors: list[dict[str, Any]] | None = None) -> None:
        """Mark the job as done; with `errors` it failed."""
        self.state, self.ended = "DONE", _now()
        if errors:
            self.errors, self.failed = errors, True

    def resource(self) -> dict[str, Any]:
        """The job as the REST API shows it."""
        status: dict[str, Any] = {"state": self.state}
        if self.errors:
            status["errors"] = self.errors
        if self.failed:
            status["errorResult"] = self.errors[0]
        return {
            "kind": "bigquery#job",
            "id": f"{self.project}:{self.location}.{self.job_id}",
            "etag": f"{self.job_id}-{self.ended}",
            "jobReference": self.reference,
            "configuration": {**self.configuration, "jobType": self.kind},
            "status": status,
            "statistics": self._statistics(),
            "user_email": "sandbox@example.com",
        }

    @property
    def reference(self) -> dict[str, str]:
        """The jobReference."""
        return {"projectId": self.project, "jobId": self.job_id, "location": self.location}

    def _statistics(self) -> dict[str, Any]:
        statistics = {"creationTime": str(self.created), **self.statistics}
        if self.started is not None:
            statistics["startTime"] = str(self.started)
        if self.ended is not None:
            statistics["endTime"] = str(self.ended)
        if self.parent is not None:
            statistics["parentJobId"] = self.parent
        return statistics


class JobRegistry:
    """All jobs in memory; the finished ones also in the database."""

    def __init__(self, engine: DuckDBEngine) -> None:
        self._lock = threading.Lock()
        self._jobs: dict[tuple[str, str], Job] = {}
        with new_connection(engine) as connection:
            connection.execute(f'CREATE SCHEMA IF NOT EXISTS "{_SCHEMA}"')
            connection.execute(
                f"CREATE TABLE IF NOT EXISTS {_TABLE} "
                "(project VARCHAR, job_id VARCHAR, resource VARCHAR)"
            )
            rows = connection.execute(f"SELECT resource FROM {_TABLE} ORDER BY rowid").fetchall()
        for (text,) in rows:
            job = Job(**json.loads(text))
            self._jobs[job.project, job.job_id] = job

    def claim(self, job: Job) -> None:
        """Register a new job; AlreadyExistsError when its id was used before."""
        with self._lock:
            self.refuse_known(job.project, job.job_id, job.location)
            self._jobs[job.project, job.job_id] = job
            self._forget_old_results()

    def refuse_known(self, project: str, job_id: str, location: str) -> None:
        """Raise AlreadyExistsError when the id was used before."""
        if (project, job_id) in self._jobs:
            raise AlreadyExistsError(f"Already Exists: Job {project}:{location}.{job_id}")

    def get(self, project: str, job_id: str, location: str | None = None) -> Job:
        """The job, or NotFoundError; outside its location it is not found either."""
        job = self._jobs.get((project, job_id))
        if job is None or (location and location.upper() != job.location.upper()):
            raise NotFoundError(f"Not found: Job {project}:{location or 'US'}.{job_id}")
        return job

    def forget(self, project: str, job_id: str) -> None:
        """Drop a dry run, which the service does not keep."""
        with self._lock:
            self._jobs.pop((project, job_id), None)

    def list(self, project: str, parent: str | None) -> list[Job]:
        """Jobs, newest first: top-level ones, or the statements of one script."""
        with self._lock:
            jobs = [j for (p, _), j in self._jobs.items() if p == project and j.parent == parent]
        return jobs[::-1]

    def save(self, connection: duckdb.DuckDBPyConnection, job: Job) -> None:
        """Write a finished job within the connection's transaction."""
        kept = {name: value for name, value in vars(job).items() if name != "rows"}
        connection.execute(
            f"DELETE FROM {_TABLE} WHERE project = ? AND job_id = ?", [job.project, job.job_id]
        )
        connection.execute(
            f"INSERT INTO {_TABLE} VALUES (?, ?, ?)", [job.project, job.job_id, json.dumps(kept)]
        )

    def _forget_old_results(self) -> None:
        with_rows = [job for job in self._jobs.values() if job.rows is not None]
        for job in with_rows[:-_RESULTS_KEPT]:
            job.rows = None


def _now() -> int:
    return int(time.time() * 1000)
