"""One job: sent at most once, waited for, and found again after a lost answer.

BigQuery's client repeats requests by itself, with the same job id. What is added here is
what it leaves to its caller: a 409 means that the job is already there, a lost answer means
asking for the job by its id, and a job that ended in a passing error is started again under
another id (docs/error-messages; a failed job cannot be repeated under its own).
"""

from __future__ import annotations

import http.client
import logging
import random
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from threading import Lock
from typing import Any, TypeVar, cast
from uuid import uuid4

import requests.exceptions
import urllib3.exceptions
from google.api_core import exceptions as api
from google.cloud import bigquery
from google.cloud.bigquery.job import CopyJob, LoadJob, QueryJob

from etl_oracle_to_bq.errors import Busy, DestinationUnavailable
from etl_oracle_to_bq.load.answers import COMMIT_TRIES, FENCE_LABEL, RUN_LABEL, WarehouseSettings
from etl_oracle_to_bq.load.failures import (
    TRANSIENT_REASONS,
    job_failure,
    reason_of,
    translated,
    worth_repeating,
)

log = logging.getLogger(__name__)

Job = LoadJob | CopyJob | QueryJob
SomeJob = TypeVar("SomeJob", bound=Job)
Parameter = bigquery.ScalarQueryParameter

# An upload whose session is gone is begun anew, under the same job id, this often.
SENDS = 3
# Longest silence on one connection; a request that hangs longer is repeated by the client.
SILENCE_SECONDS = 120.0
FIRST_PAUSE, LONGEST_PAUSE = 2.0, 30.0
FIRST_POLL, LONGEST_POLL = 0.1, 5.0

# After one of these the request may have been carried out all the same.
ANSWER_LOST = (
    api.GoogleAPIError,
    requests.exceptions.RequestException,
    urllib3.exceptions.HTTPError,
    http.client.HTTPException,
    ConnectionError,
)


class Jobs:
    """Starts and finds jobs of one project in one location; safe to use from threads."""

    def __init__(self, client: bigquery.Client, settings: WarehouseSettings) -> None:
        self.client = client
        self.settings = settings
        self.timeout = min(SILENCE_SECONDS, settings.request_seconds)
        self.retry = bigquery.DEFAULT_RETRY.with_timeout(settings.request_seconds)
        self._billed: Counter[str] = Counter()
        self._lock = Lock()

    def run(
        self,
        start: Callable[[str], SomeJob],
        ids: Sequence[str],
        doing: str,
        before: Callable[[], None] | None = None,
    ) -> SomeJob:
        """Start a job under the first id and return it when it has succeeded.

        The next id is used only when the job of the one before is DONE with a passing error.
        `before` is called right before each start and may raise. Raises DestinationError,
        DestinationUnavailable, and Busy `lease-lost` when an id was fenced off.
        """
        for number, name in enumerate(ids, start=1):
            if before is not None:
                before()
            with translated(doing):
                job = self.wait(self._started(start, name), doing)
            if is_fence(job):
                raise Busy(
                    f"While {doing}: another run took this one over, so it may not commit.",
                    code="lease-lost",
                )
            self._count_bill(job)
            if job.error_result is None:
                return cast(SomeJob, job)
            if number == len(ids) or not worth_repeating(job.error_result):
                break
            log.warning("job %s failed, trying again: %s", name, job.error_result)
            _pause(number)
        raise job_failure(job.error_result, doing)

    def find(self, name: str) -> Job | None:
        """The job with this id, or None when BigQuery knows of none."""
        try:
            return self._get(name)
        except api.NotFound:
            return None

    def wait(self, job: Job, doing: str) -> Job:
        """The job when it is DONE, whether it succeeded or not.

        Raises DestinationUnavailable `timeout` after `job_seconds`; it may still end well.
        """
        deadline = time.monotonic() + self.settings.job_seconds
        pause = FIRST_POLL
        while job.state != "DONE":
            if time.monotonic() > deadline:
                raise DestinationUnavailable(
                    f"While {doing}: job {job.job_id} is still {job.state} after "
                    f"{self.settings.job_seconds:.0f} s.",
                    code="timeout",
                )
            time.sleep(pause)
            pause = min(pause * 1.5, LONGEST_POLL)
            job = self._get(job.job_id)
        return job

    def fence(self, name: str) -> bool:
        """Use up a job id with a query that does nothing; False when it was used already."""
        try:
            self.query("SELECT 1", name, {FENCE_LABEL: "1"})
        except api.Conflict:
            return False
        return True

    def query(
        self,
        sql: str,
        name: str,
        labels: Mapping[str, str],
        parameters: Sequence[Parameter] = (),
    ) -> QueryJob:
        """Send one query under a given id; raises the client's own exceptions."""
        return self.client.query(
            sql,
            job_config=self._query_config(labels, parameters),
            job_id=name,
            location=self.settings.location,
            retry=self.retry,
            job_retry=None,
            timeout=self.timeout,
        )

    def rows(
        self, sql: str, doing: str, labels: Mapping[str, str] | None = None
    ) -> list[bigquery.Row]:
        """The answer of a SELECT, which changes nothing and may be started again.

        Under ids of its own: without one, the client starts it anew for ten minutes and more.
        """
        read = f"etl_read_{uuid4().hex}"
        ids = [f"{read}_{number}" for number in range(1, COMMIT_TRIES + 1)]
        job = self.run(lambda name: self.query(sql, name, labels or {}), ids, doing)
        with translated(doing):
            return list(job.result(retry=self.retry, timeout=self.timeout))

    def bytes_billed(self, run_id: str) -> int:
        """What the queries labelled with this run were billed so far, in bytes."""
        with self._lock:
            return self._billed[run_id]

    def _query_config(
        self, labels: Mapping[str, str], parameters: Sequence[Parameter]
    ) -> bigquery.QueryJobConfig:
        config = bigquery.QueryJobConfig(
            labels=dict(labels), query_parameters=list(parameters), use_legacy_sql=False
        )
        if self.settings.maximum_bytes_billed is not None:
            config.maximum_bytes_billed = self.settings.maximum_bytes_billed
        return config

    def _started(self, start: Callable[[str], SomeJob], name: str) -> Job:
        for sent in range(1, SENDS + 1):
            try:
                return start(name)
            except api.Conflict:
                return self._get_existing(name)
            except ANSWER_LOST as lost:
                found = self.find(name)
                if found is not None:
                    return found
                if sent == SENDS or not _worth_sending_again(lost):
                    raise
            log.warning("job %s was not received, sending it again", name)
            _pause(sent)
        raise AssertionError("the loop above returns or raises")

    def _get_existing(self, name: str) -> Job:
        """A job that a 409 says is there; for a moment it may still be hidden.

        See https://github.com/googleapis/python-bigquery/issues/2134.
        """
        for number in range(1, SENDS + 1):
            found = self.find(name)
            if found is not None:
                return found
            _pause(number)
        return self._get(name)

    def _get(self, name: str) -> Job:
        job = self.client.get_job(
            name,
            project=self.settings.project,
            location=self.settings.location,
            retry=self.retry,
            timeout=self.timeout,
        )
        return cast(Job, job)

    def _count_bill(self, job: Job) -> None:
        if isinstance(job, QueryJob):
            with self._lock:
                self._billed[job.labels.get(RUN_LABEL, "")] += job.total_bytes_billed or 0


def is_fence(job: Job) -> bool:
    """True when `settle` has used up this job's id."""
    return FENCE_LABEL in (job.labels or {})


def _worth_sending_again(error: BaseException) -> bool:
    """True when the client itself does not repeat what ended in this error.

    The last request of an upload answers 404 or 410 when its session is over: the answer was
    lost, or the session expired (docs/reference/api-uploads). A 404 about a table or dataset
    is an answer. A rate limit told by a 403 is repeated everywhere but in uploads. A line that
    broke while a body was sent is repeated on the same session only, so a new one is worth a try.
    """
    if isinstance(error, api.NotFound):
        return not any(f"Not found: {thing}" in str(error) for thing in ("Table", "Dataset"))
    if isinstance(error, api.Forbidden):
        return reason_of(error) in TRANSIENT_REASONS
    if isinstance(error, api.GoogleAPICallError):
        return error.code == http.client.GONE
    return isinstance(error, requests.exceptions.RequestException | ConnectionError) and not (
        isinstance(error, requests.exceptions.SSLError)
    )


def _pause(number: int) -> None:
    longest = min(FIRST_PAUSE * 2 ** (number - 1), LONGEST_PAUSE)
    time.sleep(longest * random.uniform(0.5, 1.0))  # noqa: S311


def statistics(job: Job) -> Mapping[str, Any]:
    """The statistics as BigQuery sent them; the client has no name for a copy's."""
    return cast(Mapping[str, Any], job._properties.get("statistics", {}))
