"""The story of one view: config, plan, extract, stage, load, commit, record.

Nothing is written to the target before the one commit job; the watermark moves after it.
Whatever dies in between is settled by the next run of the view, which asks BigQuery whether
the dead run's commit job took effect.
"""

from __future__ import annotations

import logging
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from etl_oracle_to_bq import catalog, extract, load, slices, stage
from etl_oracle_to_bq import plan as planning
from etl_oracle_to_bq.errors import (
    Busy,
    CatalogError,
    ConfigError,
    DestinationError,
    EtlError,
    SourceError,
    StageError,
    Stopped,
)
from etl_oracle_to_bq.heart import Heart
from etl_oracle_to_bq.model import (
    CommitMethod,
    Counts,
    Moment,
    OracleView,
    Outcome,
    Plan,
    Request,
    RunStatus,
    Source,
    Table,
    WriteDisposition,
)
from etl_oracle_to_bq.retries import Retries
from etl_oracle_to_bq.settings import Settings
from etl_oracle_to_bq.tools import Tools, limits
from etl_oracle_to_bq.transfer import Slicing, Transfer, move_rows

log = logging.getLogger(__name__)

# With no staged rows these change nothing in the target, so no job is sent.
NOTHING_TO_COMMIT = {CommitMethod.COPY_APPEND, CommitMethod.INSERT_NEW, CommitMethod.MERGE}


# What is said and tidied after a failure must not hold up the views that follow: BigQuery may be
# what failed. A staging table that stays is swept later, and expires by itself.
LAST_WORDS_SECONDS = 10.0


def run_view(tools: Tools, source: Source, request: Request) -> Outcome:
    """Load one view; never raises an EtlError, the outcome carries it.

    On failure the transaction is FAILED, a log error is written, and target and watermark
    stand as before. A KeyboardInterrupt while the view is held is recorded as Stopped, and
    `interrupted` tells of it; before or after that it is raised.
    """
    try:
        run = _claim(tools, source, request)
    except EtlError as error:
        return refused(tools, source, error)
    return run.to_the_end()


def refused(tools: Tools, source: Source, error: EtlError) -> Outcome:
    """The outcome of a view that no run could hold; its error is logged unless it is Busy."""
    error.view = error.view or source.view
    error.step = error.step or "config"
    if not isinstance(error, Busy):
        tools.catalog.record_error(error, _trace(error))
    return Outcome(source.view, "", RunStatus.FAILED, Counts(), error=error)


def not_begun(source: Source) -> Outcome:
    """The outcome of a view that Ctrl-C or a signal kept from being held; nothing is recorded."""
    error = _interrupted(source)
    return Outcome(source.view, "", RunStatus.FAILED, Counts(), error=error, interrupted=True)


def explain(tools: Tools, source: Source, request: Request) -> Plan:
    """Tonight's plan of one view; changes nothing in Oracle, BigQuery or the catalog."""
    with extract.connect(source.store, limits(tools.settings)) as session:
        plan = _plan(tools, source, request, session)
        return _after_probe(plan, source, session.counts(plan.probe))


def _claim(tools: Tools, source: Source, request: Request) -> _Run:
    """Settle what dead runs left, then hold the view. Raises Busy."""
    settle_dead_runs(tools, source)
    handle = tools.catalog.start(source, request)
    return _Run(tools, tools.catalog.source(source.id), request, handle)


def settle_dead_runs(tools: Tools, source: Source) -> None:
    """Settle every run of a view whose end is not known; raises Busy, DestinationError."""
    for dead in tools.catalog.dead_runs(source):
        settle(tools, source, dead)


def settle(tools: Tools, source: Source, dead: catalog.DeadRun) -> None:
    """Find out what became of a dead run's commit, record it and clear its leftovers.

    Its commit job id is used up on the way, so that a holder that was only paused can never
    commit after this. Raises DestinationError when BigQuery cannot be asked.
    """
    settled = tools.warehouse.settle(dead.run_id) if dead.planned else load.NEVER_COMMITTED
    tools.catalog.settle(dead, settled.committed, settled.counts)
    if dead.planned:
        tools.warehouse.drop_staging_of(source.dataset, dead.run_id)
    folder = tools.settings.work_folder / dead.run_id
    _tried("work folder of a dead run", lambda: stage.remove_folder(folder))
    log.warning("run %s of %s settled: committed=%s", dead.run_id, source.view, settled.committed)


def _plan(tools: Tools, source: Source, request: Request, session: extract.OracleSession) -> Plan:
    _transform(tools.settings, source)
    view = session.describe(source.view)
    moment = _moment(source, view, request, session)
    existing = tools.warehouse.describe(source.dataset, source.target)
    if moment.scn is None:
        session.begin_snapshot()
    return planning.make(source, view, moment, existing, request)


def _moment(
    source: Source, view: OracleView, request: Request, session: extract.OracleSession
) -> Moment:
    """Now, or the moment of the view's group, as far as the account may go back to it."""
    shared = request.moment
    moment = session.flashback_allowed(view, shared or session.moment())
    if shared is None or moment.scn is not None:
        return moment
    told = f"It may show another moment than the other views of group {source.snapshot_group}."
    return replace(moment, warnings=(*moment.warnings, told))


def _transform(settings: Settings, source: Source) -> stage.Transform | None:
    """The source's registered function; raises ConfigError `unknown-transform`."""
    if not source.transform:
        return None
    registered = stage.load_transforms(settings.transforms_module)
    if source.transform not in registered:
        known = ", ".join(sorted(registered)) or "none"
        raise ConfigError(
            f"{source.view}: the transform {source.transform!r} is not registered; known: {known}.",
            code="unknown-transform",
        )
    return registered[source.transform]


def _after_probe(plan: Plan, source: Source, counted: dict[str, int]) -> Plan:
    verdict = planning.probe_verdict(plan, counted, source)
    return replace(
        plan,
        query=verdict.query,
        window=verdict.window,
        watermark=verdict.watermark,
        expected_rows=verdict.expected_rows,
        date_only=verdict.date_only,
        warnings=(*plan.warnings, *verdict.warnings),
    )


def _trace(error: BaseException) -> str:
    return "".join(traceback.format_exception(error))


class _Run:
    """One claimed run; its methods are the steps, in order."""

    def __init__(
        self, tools: Tools, source: Source, request: Request, handle: catalog.RunHandle
    ) -> None:
        self.tools = tools
        self.source = source
        self.handle = handle
        self.counts = Counts()
        self.outcome = Outcome(source.view, handle.run_id, RunStatus.RUNNING, self.counts)
        self.step, self._since = "config", time.monotonic()
        self.unsettled = False
        self.folder: Path = tools.settings.work_folder / handle.run_id
        self.heart = Heart(tools.catalog, handle, tools.settings.lease_seconds, self._pulse)
        self.tries = Retries(
            settings=tools.settings,
            source=source,
            request=request,
            pause=self.heart.pause,
            interrupting=self.heart.interrupting,
            step=lambda: self.step,
            warnings=self.outcome.warnings,
        )

    def to_the_end(self) -> Outcome:
        with self.heart:
            try:
                self.tries.until_it_works(self._attempt)
                self.outcome.rest = self.tries.rest
            except EtlError as error:
                self._failed(self._reason(error))
            except KeyboardInterrupt:
                self.outcome.interrupted = True
                if self.outcome.status is RunStatus.RUNNING:
                    self._failed(_interrupted(self.source))
            # The last line of defence of an unattended run: told, recorded, never swallowed.
            except Exception as bug:  # noqa: BLE001
                self._failed(self._reason(_unexpected(bug)))
        return self.outcome

    def _reason(self, error: EtlError) -> EtlError:
        """Why it failed: a run that was taken over finds its table and its parts gone, and one
        that was asked to stop finds its statement of Oracle cancelled.
        """
        try:
            self.heart.verify()
        except Busy as lost:
            log.warning("%s was noticed first: %s", error.code, error)
            return lost
        except Stopped as stopped:
            return stopped if isinstance(error, SourceError) else error
        except EtlError as other:
            log.info("the lease could not be looked at: %s", other)
        return error

    def _clear_leftovers(self) -> None:
        """What runs left that died after their commit was recorded."""
        source, tools = self.source, self.tools
        label = planning.owner_labels(source)[planning.SOURCE_LABEL]
        leftovers = tools.warehouse.leftovers(source.dataset, label)
        # Asked afterwards: this run no longer holds the view, the next one may have begun.
        live = tools.catalog.live_run_ids()
        for leftover in leftovers:
            if leftover.run_id not in live and leftover.run_id != self.handle.run_id:
                tools.warehouse.drop_staging_of(leftover.dataset, leftover.run_id)
        stage.sweep(tools.settings.work_folder, tools.catalog.live_run_ids)

    def _attempt(self) -> None:
        self.counts.extracted = self.counts.staged = self.counts.loaded = 0
        self.counts.staged_bytes = 0
        self._enter("plan")
        with extract.connect(self.source.store, limits(self.tools.settings)) as session:
            with self.heart.interrupting(session.cancel):
                plan = self._planned(session)
            staging = self._staging(plan)
            with self._dropped_on_failure(staging), self.heart.interrupting(session.cancel):
                self._moved(session, plan, staging)
        with self._dropped_on_failure(staging):
            self._commit(plan, staging)

    @contextmanager
    def _dropped_on_failure(self, staging: Table) -> Iterator[None]:
        """Not while the commit is unsettled: a copy that still runs needs its source."""
        try:
            yield
        except BaseException:
            if not self.unsettled:
                with self.tools.warehouse.for_seconds(LAST_WORDS_SECONDS) as warehouse:
                    self.outcome.warnings += _tried(
                        "staging table", lambda: warehouse.drop_staging(staging)
                    )
            raise

    def _planned(self, session: extract.OracleSession) -> Plan:
        self.tries.plan = plan = _plan(self.tools, self.source, self.tries.request, session)
        self.tries.plan = plan = _after_probe(plan, self.source, session.counts(plan.probe))
        self.outcome.load_type, self.outcome.piece = plan.load_type, plan.piece
        self.outcome.window = plan.window
        self.tools.catalog.save_plan(self.handle, self.source, planning.as_dict(plan))
        return plan

    def _staging(self, plan: Plan) -> Table:
        """The staging table, as the target is or will be."""
        warehouse = self.tools.warehouse
        if plan.creates_target:
            warehouse.create_dataset(plan.target.dataset)
        try:
            return warehouse.create_staging(plan.target, self.handle.run_id, self.tries.number)
        except KeyboardInterrupt:
            # Stopped while BigQuery made it: whether it is there, only BigQuery knows.
            with warehouse.for_seconds(LAST_WORDS_SECONDS) as hurried:
                self.outcome.warnings += _tried(
                    "staging table",
                    lambda: hurried.drop_staging_of(plan.target.dataset, self.handle.run_id),
                )
            raise

    def _prepare_target(self, plan: Plan) -> None:
        """Create or widen the target, only now: a load that failed leaves nothing behind.

        An empty table of a failed first load would hold its layout against the corrections
        that the message asked for.
        """
        warehouse = self.tools.warehouse
        if plan.creates_target:
            warehouse.create_target(plan.target, f"Loaded from Oracle view {plan.view}")
        elif plan.additions:
            warehouse.add_columns(plan.target, plan.additions)

    def _slicing(self, session: extract.OracleSession, plan: Plan) -> Slicing | None:
        """How many connections read the view at once; None for the one that is open."""
        settings, rows = self.tools.settings, plan.expected_rows or 0
        worth = min(self.source.slices, rows // slices.LEAST_ROWS)
        wanted = min(
            worth if self.tries.request.slices is None else self.tries.request.slices, rows
        )
        if wanted < 2:
            return None
        if plan.moment.scn is None:
            told = "Without the right to read as of an SCN the view was read over one connection."
            self.outcome.warnings.append(told)
            return None
        made = slices.choose(session, plan, wanted)
        if len(made) < 2:
            told = (
                "No date, number or key divides the rows of the view, so one connection read them."
            )
            self.outcome.warnings.append(told)
            return None
        self.outcome.slices = len(made)
        return Slicing(made, self.source.store, limits(settings), settings.transforms_module)

    def _moved(self, session: extract.OracleSession, plan: Plan, staging: Table) -> None:
        settings = self.tools.settings
        transfer = Transfer(
            session=session,
            warehouse=self.tools.warehouse,
            plan=plan,
            staging=staging,
            folder=stage.work_folder(settings.work_folder, self.handle.run_id),
            limits=stage.StageLimits(settings.part_bytes, settings.stage_limit_bytes),
            transform=_transform(settings, self.source),
            job_id=lambda part: load.job_id(
                self.handle.run_id, f"part{self.tries.number}x{part:05d}"
            ),
            check=self._check,
            enter=self._enter,
            slicing=self._slicing(session, plan),
        )
        told = self.outcome.warnings
        self.outcome.warnings += [text for text in plan.warnings if text not in told]
        self.outcome.warnings += move_rows(transfer, self.counts)

    def _check(self) -> None:
        self.heart.check()
        self.tools.progress(self.source.view, self.counts, self.step)

    def _commit(self, plan: Plan, staging: Table) -> None:
        self._enter("commit")
        warehouse, counts = self.tools.warehouse, self.counts
        self._counts_agree(plan, staging)
        status = RunStatus.SUCCEEDED if counts.staged else RunStatus.NO_ROWS
        jobs: tuple[str, ...] = ()
        if counts.staged and plan.keys and plan.commit is not CommitMethod.COPY_APPEND:
            every = plan.commit is CommitMethod.INSERT_NEW
            warehouse.check_keys(staging, plan.keys, plan.incremental, every_version=every)
        if counts.staged and planning.appends_a_window(plan):
            warehouse.refuse_filled_window(plan)
        self._prepare_target(plan)
        if counts.staged or plan.commit not in NOTHING_TO_COMMIT:
            jobs = self._committed(plan, staging)
        # Before the end is recorded: a target that lost its labels would be nobody's.
        labelling = _tried("labels of the target", lambda: warehouse.ensure_ownership(plan.target))
        self.outcome.warnings += labelling
        self._enter("record")
        self._record(plan, status, jobs)
        self._tidy(plan, staging)
        self._enter("done")

    def _counts_agree(self, plan: Plan, staging: Table) -> None:
        counts, found = self.counts, self.tools.warehouse.staged_rows(staging)
        numbers = {
            "counted in Oracle": plan.expected_rows,
            "extracted": counts.extracted,
            "staged": counts.staged,
            "loaded": counts.loaded,
            "in the staging table": found,
        }
        if len(set(numbers.values())) > 1:
            told = ", ".join(f"{rows} {where}" for where, rows in numbers.items())
            raise StageError(
                f"The rows of {plan.view} do not agree: {told}. Nothing was committed.",
                code="counts-disagree",
            )
        self._volume_is_usual(plan)

    def _volume_is_usual(self, plan: Plan) -> None:
        """Of a whole load; a piece is as large as it happens to be."""
        if plan.piece is not None:
            return
        rows = self.counts.staged
        if planning.replaces_everything(plan):
            before, disposition = plan.target.rows, WriteDisposition.REPLACE
        else:
            before = self.tools.catalog.usual_rows(self.source, plan.load_type)
            disposition = plan.disposition
        self.outcome.warnings += planning.volume_verdict(self.source, before, rows, disposition)

    def _committed(self, plan: Plan, staging: Table) -> tuple[str, ...]:
        """Send the commit job; when its answer is lost, find out what became of it."""
        warehouse, counts = self.tools.warehouse, self.counts
        # Whatever ends this run from here on, a stop request included: until its outcome is
        # recorded, the next run has to ask for it.
        self.unsettled = True
        try:
            done: load.Committed | load.Settled = warehouse.commit(
                plan, staging, self.handle.run_id, self.heart.verify
            )
        except Busy:
            self.unsettled = False
            raise
        except EtlError as error:
            done = warehouse.settle(self.handle.run_id)
            if not done.committed:
                self.unsettled = False
                raise error
        counts.inserted, counts.updated, counts.deleted = done.inserted, done.updated, done.deleted
        counts.bytes_billed = warehouse.bytes_billed(self.handle.run_id)
        return (done.job_id,)

    def _record(self, plan: Plan, status: RunStatus, jobs: tuple[str, ...]) -> None:
        try:
            self.tools.catalog.succeed(self.handle, self._pulse(), status, jobs)
        except CatalogError as error:
            raise CatalogError(
                f"{plan.view} was committed in BigQuery, but that could not be recorded: {error} "
                "The next run of the view finds it out and records it.",
                code=error.code,
            ) from error
        self.unsettled = False
        self.outcome.status, self.outcome.watermark = status, plan.watermark

    def _tidy(self, plan: Plan, staging: Table) -> None:
        """What follows a recorded commit; trouble here is a warning, the figures are right."""
        warehouse, source = self.tools.warehouse, self.source
        chores: list[tuple[str, Callable[[], object]]] = [
            ("staging table", lambda: warehouse.drop_staging(staging)),
            ("tidiness after dead runs", self._clear_leftovers),
            ("work folder", lambda: stage.remove_folder(self.folder)),
            ("load status", lambda: warehouse.write_load_status(source.dataset, self._status())),
        ]
        if plan.keys:
            chores.append(
                (
                    "view of the latest rows",
                    lambda: warehouse.refresh_latest_view(plan.target, plan.keys, plan.incremental),
                )
            )
        trouble = [text for what, chore in chores for text in _tried(what, chore)]
        if trouble:
            self.outcome.warnings += trouble
            self.tools.catalog.add_warnings(self.handle, self.outcome.warnings)

    def _status(self) -> load.LoadStatus:
        outcome = self.outcome
        loaded = outcome.error is None
        return load.LoadStatus(
            source=self.source.id,
            view=self.source.view,
            target=self.source.target,
            state=str(outcome.status),
            watermark=outcome.watermark,
            loaded=loaded,
            rows=self.counts.loaded if loaded else None,
            message=self.tools.catalog.scrub(str(outcome.error or "")),
        )

    def _failed(self, error: EtlError) -> None:
        error.view, error.run_id = self.source.view, self.handle.run_id
        error.step = error.step or self.step
        self.outcome.status, self.outcome.error = RunStatus.FAILED, error
        self.outcome.unsettled = self.unsettled
        log.error("%s failed at step %s: %s: %s", error.view, error.step, error.code, error)
        errors_folder = self.tools.settings.errors_folder
        _tried("parts for inspection", lambda: stage.keep_failed(self.folder, errors_folder))
        try:
            self.tools.catalog.fail(
                self.handle, self._pulse(), error, _trace(error), self.unsettled
            )
        except CatalogError as gone:
            log.error("the failure could not be recorded either: %s", gone)
            return
        if not isinstance(error, Busy | DestinationError):
            with self.tools.warehouse.for_seconds(LAST_WORDS_SECONDS) as warehouse:
                _tried(
                    "load status",
                    lambda: warehouse.write_load_status(self.source.dataset, self._status()),
                )

    def _enter(self, step: str) -> None:
        """Begin a step; what went by since the last call belongs to the one before."""
        now = time.monotonic()
        seconds = self.outcome.seconds
        seconds[self.step] = seconds.get(self.step, 0.0) + now - self._since
        self.step, self._since = step, now

    def _pulse(self) -> catalog.Progress:
        return catalog.Progress(
            self.counts, self.step, self.outcome.seconds, self.outcome.warnings, self.tries.number
        )


def _tried(what: str, chore: Callable[[], object]) -> list[str]:
    """Do it; what went wrong, as a warning, if anything did."""
    try:
        chore()
    except EtlError as error:
        log.warning("%s: %s", what, error)
        return [f"The {what} could not be brought up to date: {error.code}: {error}"]
    return []


def _interrupted(source: Source) -> Stopped:
    return Stopped(
        f"The load of {source.view} was stopped by Ctrl-C or a signal.",
        code="stopped",
        view=source.view,
    )


def _unexpected(bug: Exception) -> EtlError:
    error = EtlError(f"{type(bug).__name__}: {bug}", code="unexpected")
    error.__cause__ = bug
    return error
