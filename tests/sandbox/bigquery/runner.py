"""Runs jobs one after the other in one thread, each in a transaction of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from bqemulator.api.dependencies import AppContext

from tests.sandbox.bigquery import expiry
from tests.sandbox.bigquery.engine import Work, working
from tests.sandbox.bigquery.failures import as_domain_error, error_protos
from tests.sandbox.bigquery.registry import Job, JobRegistry

T = TypeVar("T")


class Runner:
    """The one thread that changes tables.

    A request that goes away does not stop its job, as with the service: the thread finishes
    and records it, and the caller can ask for it by its id.
    """

    def __init__(self, context: AppContext) -> None:
        self.context = context
        self.registry = JobRegistry(context.engine)
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="jobs")

    async def run_job(self, job: Job, body: Callable[[Work, Job], None]) -> None:
        """Claim the id (409 when it is known), then run `body` in a transaction and record it."""
        self.registry.claim(job)
        await self._in_thread(lambda: self._run_job(job, body))

    async def change(self, body: Callable[[], T]) -> T:
        """Run `body`, a change of tables that is no job, in a transaction."""
        return await self._in_thread(lambda: self._change(body))

    async def _in_thread(self, body: Callable[[], T]) -> T:
        future = asyncio.wrap_future(self._thread.submit(body))
        return await asyncio.shield(future)

    def _change(self, body: Callable[[], T]) -> T:
        with working(self.context.engine, self.context.catalog) as work:
            work.begin()
            try:
                expiry.drop_expired(self.context)
                result = body()
                work.commit()
            except Exception as error:
                work.rollback()
                raise as_domain_error(error) from error
        return result

    def _run_job(self, job: Job, body: Callable[[Work, Job], None]) -> None:
        job.start()
        with working(self.context.engine, self.context.catalog) as work:
            try:
                work.begin()
                expiry.drop_expired(self.context)
                body(work, job)
                self._commit(work, job)
            except Exception as error:
                if work.open:
                    work.rollback()
                job.finish(error_protos(error))
                if job.dry_run:
                    self.registry.forget(job.project, job.job_id)
                else:
                    self.registry.save(work.connection, job)

    def _commit(self, work: Work, job: Job) -> None:
        if job.dry_run:
            work.rollback()
            self.registry.forget(job.project, job.job_id)
        else:
            commit_with_record(self.registry, work, job)
        job.finish()


def commit_with_record(registry: JobRegistry, work: Work, job: Job) -> None:
    """Commit the job's changes and, in the same transaction, the record that it is done.

    Between the two there is no moment at which a killed process leaves only one of them.
    """
    if not work.open:
        work.begin()
    done = Job(**vars(job))
    done.finish()
    registry.save(work.connection, done)
    work.commit()


def runner_of(state: Any) -> Runner:
    """The runner that `routes.install` put into the application's state."""
    runner: Runner = state.runner
    return runner
