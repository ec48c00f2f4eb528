"""Scripts: real transactions, automatic rollback, and the statements as child jobs.

Source: https://docs.cloud.google.com/bigquery/docs/transactions (a script that ends without
COMMIT is rolled back; permanent DDL is not allowed inside). After an error inside a transaction
the sandbox has rolled back already when the EXCEPTION handler runs; the service keeps the
transaction open until the handler's own ROLLBACK.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from bqemulator.domain.errors import InvalidQueryError
from bqemulator.scripting.ast import SqlStmt
from bqemulator.scripting.interpreter import ScriptInterpreter
from bqemulator.scripting.parser import parse_script

from tests.sandbox.bigquery.corrections import Patch
from tests.sandbox.bigquery.engine import Work
from tests.sandbox.bigquery.registry import Job, JobRegistry
from tests.sandbox.bigquery.runner import commit_with_record

_DDL = re.compile(r"\s*(CREATE|DROP|ALTER)\s+(?!(OR\s+REPLACE\s+)?TEMP)", re.IGNORECASE)
_running: list[_Script] = []


@dataclass
class _Script:
    """The script that runs now: at most one, since jobs run one after the other."""

    scripted: bool
    work: Work | None = None
    job: Job | None = None
    registry: JobRegistry | None = None
    in_transaction: bool = False
    aborted: bool = False

    @contextmanager
    def running(self, registry: JobRegistry, work: Work, job: Job) -> Iterator[None]:
        """Give a script its own control over the transaction; a single statement has none."""
        if not self.scripted:
            yield
            return
        self.registry, self.work, self.job = registry, work, job
        if not job.dry_run:
            # Outside BEGIN … COMMIT each statement of a script is its own transaction.
            work.commit()
        _running.append(self)
        try:
            yield
        finally:
            _running.remove(self)

    def begin(self) -> None:
        """BEGIN TRANSACTION."""
        if self.in_transaction:
            raise InvalidQueryError("Transaction control statement BEGIN is not nestable")
        self.in_transaction = True
        if self._controls():
            self._work().begin()

    def commit(self) -> None:
        """COMMIT TRANSACTION, with the job's record inside."""
        if not self.in_transaction:
            raise InvalidQueryError(
                "the transaction was rolled back after an error"
                if self.aborted
                else "COMMIT TRANSACTION without BEGIN TRANSACTION"
            )
        self.in_transaction = False
        if self._controls():
            assert self.registry is not None and self.job is not None
            commit_with_record(self.registry, self._work(), self.job)

    def rollback(self) -> None:
        """ROLLBACK TRANSACTION, or the automatic one."""
        was_open, self.in_transaction = self.in_transaction, False
        if was_open and self._controls():
            self._work().rollback()

    def _controls(self) -> bool:
        # A dry run is one transaction from beginning to end, and rolled back.
        assert self.job is not None
        return not self.job.dry_run

    def _work(self) -> Work:
        assert self.work is not None
        return self.work


def script_of(sql: str) -> _Script:
    """What kind of job `sql` is: a script, or one statement."""
    statements = parse_script(sql).statements
    single = len(statements) == 1 and isinstance(statements[0], SqlStmt)
    return _Script(scripted=not single)


async def _handle_transaction(self: ScriptInterpreter, operation: str) -> None:
    script = _running[-1]
    {"BEGIN": script.begin, "COMMIT": script.commit, "ROLLBACK": script.rollback}[operation]()
    self._active_txn = {} if script.in_transaction else None


async def _no_copies(self: ScriptInterpreter, sql: str) -> None:
    if _running and _running[-1].in_transaction and _DDL.match(sql):
        raise InvalidQueryError("DDL statements are not supported in a transaction")


async def _roll_back(self: ScriptInterpreter) -> None:
    """An error inside a transaction, or the script's end without COMMIT."""
    if _running and _running[-1].in_transaction:
        _running[-1].rollback()
        _running[-1].aborted = True
    self._active_txn = None


def patches() -> list[Patch]:
    """The corrections of this file."""
    target = "bqemulator.scripting.interpreter:ScriptInterpreter"
    source = "docs.cloud.google.com/bigquery/docs/transactions"
    return [
        Patch(f"{target}._handle_txn_statement", _handle_transaction, source),
        Patch(f"{target}._snapshot_dml_targets", _no_copies, source),
        Patch(f"{target}._drop_txn_snapshots", _roll_back, source),
        Patch(f"{target}._restore_txn_snapshots", _roll_back, source),
    ]
