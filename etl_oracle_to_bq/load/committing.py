"""The one atomic job that makes staged rows visible, and the fence that settles it.

The job's id is made of the run, so however often it is sent it takes effect once. Attempt
n + 1 is sent only when job n is DONE with a passing error. `settle` walks the same ids for a
run that is dead: an id that BigQuery does not know is used up by a query that does nothing,
so that a holder who was only paused finds the fence and cannot commit afterwards.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from google.api_core import exceptions as api
from google.cloud import bigquery
from google.cloud.bigquery.job import CopyJob, QueryJob

from etl_oracle_to_bq.errors import DestinationUnavailable
from etl_oracle_to_bq.load import sql
from etl_oracle_to_bq.load.answers import (
    COMMIT_TRIES,
    NEVER_COMMITTED,
    RUN_LABEL,
    STEP_LABEL,
    Committed,
    Settled,
    job_id,
)
from etl_oracle_to_bq.load.failures import translated
from etl_oracle_to_bq.load.jobs import Job, Jobs, is_fence, statistics
from etl_oracle_to_bq.load.tables import missing_labels
from etl_oracle_to_bq.model import CommitMethod, LoadType, PartitionType, Plan, Table

_COPIES = {
    CommitMethod.COPY_APPEND: bigquery.WriteDisposition.WRITE_APPEND,
    CommitMethod.COPY_REPLACE: bigquery.WriteDisposition.WRITE_TRUNCATE,
}

_OF_THE_RUN = (RUN_LABEL, STEP_LABEL)


def commit(
    jobs: Jobs, plan: Plan, staging: Table, run_id: str, fence: Callable[[], None] | None
) -> Committed:
    """Make the staged rows visible in the plan's target, in one atomic job.

    `fence` is called right before each try and may raise, e.g. when the lease is gone.
    Raises DestinationError when BigQuery refused, and then nothing changed;
    DestinationUnavailable when it is not known whether the job took effect: `settle` tells.
    """
    labels = {**plan.target.labels, RUN_LABEL: run_id, STEP_LABEL: "commit"}
    start: Callable[[str], CopyJob | QueryJob]
    if plan.commit in _COPIES:
        start = _copy(jobs, plan, staging, labels)
    else:
        start = _statement(jobs, _sql(jobs, plan, staging, labels), labels)
    job = jobs.run(start, _ids(run_id), f"committing into {plan.target.path}", fence)
    return Committed(job.job_id, *_counts(job), jobs.bytes_billed(run_id))


def settle(jobs: Jobs, run_id: str) -> Settled:
    """Whether a dead run's commit took effect; afterwards it never will.

    Waits for a commit that is still running, and gives a replaced table its labels back, as
    the dead run would have done: without them no run would touch it again. Raises DestinationUnavailable when BigQuery
    cannot be asked or the job does not end, and then nothing is settled.
    """
    doing = f"asking for the commit of run {run_id}"
    for name in _ids(run_id):
        with translated(doing):
            job = _found_or_fenced(jobs, name)
            if job is None or is_fence(job):
                return NEVER_COMMITTED
            job = jobs.wait(job, doing)
            if job.error_result is None:
                _restore_labels(jobs, job)
        if job.error_result is None:
            return Settled(True, job.job_id, *_counts(job), _billed(job))
    return NEVER_COMMITTED


def _restore_labels(jobs: Jobs, job: Job) -> None:
    """A copy may take the target's labels away; those of the job tell what they were."""
    if not isinstance(job, CopyJob):
        return
    wanted = {name: text for name, text in job.labels.items() if name not in _OF_THE_RUN}
    try:
        live = jobs.client.get_table(job.destination, retry=jobs.retry, timeout=jobs.timeout)
    except api.NotFound:
        return
    if missing := missing_labels(live.labels, wanted):
        live.labels = {**live.labels, **missing}
        jobs.client.update_table(live, ["labels"], retry=jobs.retry, timeout=jobs.timeout)


def _ids(run_id: str) -> list[str]:
    return [job_id(run_id, "commit", number) for number in range(1, COMMIT_TRIES + 1)]


def _found_or_fenced(jobs: Jobs, name: str) -> Job | None:
    """The job under this id, or None when the id was free and is used up now."""
    for _ in range(COMMIT_TRIES):
        job = jobs.find(name)
        if job is not None:
            return job
        if jobs.fence(name):
            return None
    raise DestinationUnavailable(
        f"BigQuery says that job {name} exists and that it does not.", code="internalError"
    )


def _copy(
    jobs: Jobs, plan: Plan, staging: Table, labels: dict[str, str]
) -> Callable[[str], CopyJob]:
    project = jobs.settings.project
    config = bigquery.CopyJobConfig(
        write_disposition=_COPIES[plan.commit],
        create_disposition=bigquery.CreateDisposition.CREATE_NEVER,
        labels=labels,
    )

    def start(name: str) -> CopyJob:
        return jobs.client.copy_table(
            f"{project}.{staging.path}",
            f"{project}.{plan.target.path}",
            job_id=name,
            location=jobs.settings.location,
            job_config=config,
            retry=jobs.retry,
            timeout=jobs.timeout,
        )

    return start


def _statement(jobs: Jobs, text: str, labels: dict[str, str]) -> Callable[[str], QueryJob]:
    return lambda name: jobs.query(text, name, labels)


def _sql(jobs: Jobs, plan: Plan, staging: Table, labels: dict[str, str]) -> str:
    parts = sql.Merge(
        target=_path(jobs, plan.target),
        staging=_path(jobs, staging),
        columns=sql.written_columns(plan),
        keys=plan.keys,
        incremental=plan.incremental,
    )
    parts = replace(parts, pruning=_pruning(jobs, plan, parts, labels))
    if plan.commit is CommitMethod.INSERT_NEW:
        return sql.insert_new(parts)
    if plan.commit is CommitMethod.MERGE:
        return sql.merge(parts)
    if parts.keys and plan.load_type in {LoadType.FIRST, LoadType.FULL}:
        return sql.replace_all(parts, sql.window_filter(plan))
    return sql.replace_window(parts, sql.window_filter(plan))


def _pruning(jobs: Jobs, plan: Plan, parts: sql.Merge, labels: dict[str, str]) -> str:
    """Constants over the target's partition column that leave out no row the commit touches.

    Where the partition column belongs to what rows are matched by, the staged rows' own
    partitions are enough. Elsewhere a row may have moved: its old version is in another
    partition than the staged one, so the partitions in which the staged keys live are looked
    up in the target first. The lease keeps other writers away between the two.
    """
    target = plan.target
    if target.partition_type is PartitionType.NONE or not parts.keys:
        return ""
    matched = {key.lower() for key in parts.keys}
    if plan.commit is CommitMethod.INSERT_NEW:
        matched.add(parts.incremental.lower())
    if target.partition_column.lower() in matched:
        text = sql.staged_partitions(parts.staging, target)
    else:
        text = sql.lookup_partitions(parts, target)
    rows = jobs.rows(text, f"reading the partitions of {target.path}", labels)
    return sql.partition_filter(target, [row["start"] for row in rows])


def _path(jobs: Jobs, table: Table) -> str:
    return sql.quoted(jobs.settings.project, table.dataset, table.name)


def _counts(job: Job) -> tuple[int | None, int | None, int | None]:
    """Inserted, updated and deleted rows; None where BigQuery does not tell."""
    if isinstance(job, CopyJob):
        copied = statistics(job).get("copy", {}).get("copiedRows")
        return (None if copied is None else int(copied), None, None)
    dml = job.dml_stats if isinstance(job, QueryJob) else None
    if dml is None:
        return (None, None, None)
    return (dml.inserted_row_count, dml.updated_row_count, dml.deleted_row_count)


def _billed(job: Job) -> int:
    return (job.total_bytes_billed or 0) if isinstance(job, QueryJob) else 0
