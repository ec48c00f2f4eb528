"""The door to the configuration database; the only file that touches Django.

Rows become the frozen dataclasses of `model` here, and nothing else leaves. Every write is
one short statement or transaction, tried again while the database is locked, and none is
held across a call to Oracle or BigQuery. A lease is a conditional UPDATE, so that of two
processes exactly one wins, on SQLite and PostgreSQL alike.
"""

from __future__ import annotations

import functools
import getpass
import logging
import os
import socket
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import psutil

from etl_oracle_to_bq.errors import Busy, CatalogError, ConfigError, EtlError
from etl_oracle_to_bq.model import (
    BadDates,
    BareNumbers,
    Counts,
    EbsContext,
    LoadMode,
    LoadType,
    PartitionType,
    Request,
    RunStatus,
    SchemaPolicy,
    Source,
    Store,
    Watermark,
    WriteDisposition,
)

log = logging.getLogger(__name__)

P = ParamSpec("P")
R = TypeVar("R")

# With the driver's own 20 s of waiting each, these outlast any writer but a stuck one.
LOCKED_TRIES = 6


@dataclass(frozen=True, slots=True)
class RunHandle:
    """A claimed run: the RUNNING row that this process holds."""

    run_id: str
    source_id: int
    view: str


@dataclass(frozen=True, slots=True)
class DeadRun:
    """A run that nobody holds any more and whose end is not known.

    `planned` tells whether it came as far as a plan, before which nothing can have happened.
    """

    run_id: str
    source_id: int
    planned: bool
    watermark: datetime | None


@dataclass(frozen=True, slots=True)
class Progress:
    """What a run shows of itself while it lives."""

    counts: Counts
    step: str
    seconds: Mapping[str, float] = field(default_factory=dict)
    warnings: Sequence[str] = ()
    attempt: int = 1


def _translated(call: Callable[P, R]) -> Callable[P, R]:
    """Try again while the database is locked; turn what remains into CatalogError."""

    @functools.wraps(call)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> R:
        from django.db import DatabaseError, InterfaceError, OperationalError

        for attempt in range(1, LOCKED_TRIES + 1):
            try:
                return call(*args, **kwargs)
            except OperationalError as error:
                if "locked" in str(error) and attempt < LOCKED_TRIES:
                    log.warning("the configuration database is locked, try %d", attempt)
                    continue
                raise _unreachable(error) from error
            except (DatabaseError, InterfaceError) as error:
                raise _unreachable(error) from error
        raise AssertionError("the last try returns or raises")

    return wrapper


def _unreachable(error: Exception) -> CatalogError:
    code = "catalog-locked" if "locked" in str(error) else "catalog-unreachable"
    return CatalogError(f"The configuration database cannot be read or written: {error}", code=code)


class Catalog:
    """The configuration database, open. Every method may raise CatalogError."""

    def __init__(self, lease_seconds: int) -> None:
        self._lease = timedelta(seconds=lease_seconds)
        _open_database()
        from etl_web_admin.catalog import models

        self._models = models

    # Configuration

    @_translated
    def sources(self, views: Sequence[str] = ()) -> list[Source]:
        """The named sources, or all active ones, in load order.

        A name is `OWNER.VIEW`, in any case, or `VIEW` when only one source has it. Raises
        ConfigError `unknown-view` or `ambiguous-view`.
        """
        rows = self._models.DataSource.objects.select_related("store").order_by(
            "load_order", "view"
        )
        if not views:
            return [_source(row) for row in rows.filter(active=True)]
        everything = list(rows)
        return [_source(_named(everything, view)) for view in views]

    @_translated
    def source(self, source_id: int) -> Source:
        """One source as it is configured now."""
        return _source(self._models.DataSource.objects.select_related("store").get(pk=source_id))

    @_translated
    def store(self, name: str) -> Store:
        """A data store by name; raises ConfigError `unknown-store`."""
        row = self._models.DataStore.objects.filter(name=name).first()
        if row is None:
            raise ConfigError(f"There is no data store named {name!r}.", code="unknown-store")
        return _store(row)

    @_translated
    def stores(self) -> list[str]:
        """The names of all data stores."""
        return list(self._models.DataStore.objects.order_by("name").values_list("name", flat=True))

    # Leases

    @_translated
    def dead_runs(self, source: Source) -> list[DeadRun]:
        """Take over the runs of a view whose end is not known, so that they can be settled.

        Raises Busy `lease-held` when a live process holds the view, or took a run over first.
        """
        from django.db.models import Q

        rows = self._models.EtlTransaction.objects.filter(
            Q(status=RunStatus.RUNNING) | Q(needs_settling=True), source_id=source.id
        )
        return [self._taken_over(row) for row in rows]

    def _taken_over(self, row: Any) -> DeadRun:
        from django.db.models.functions import Now

        mine = self._models.EtlTransaction.objects.filter(
            pk=row.pk, status=row.status, lease_expires_at=row.lease_expires_at
        )
        if row.status == RunStatus.RUNNING and not _provably_gone(row):
            mine = mine.filter(lease_expires_at__lt=Now())
        if not mine.update(needs_settling=True, **self._claim()):
            raise _busy(row)
        plan = row.plan or {}
        return DeadRun(
            run_id=row.run_id,
            source_id=row.source_id,
            planned=bool(plan),
            watermark=_moment(plan.get("watermark")),
        )

    @_translated
    def start(self, source: Source, request: Request) -> RunHandle:
        """Hold the view with a RUNNING row; raises Busy `lease-held` when another has one."""
        from django.db import IntegrityError, transaction
        from django.db.models.functions import Now

        handle = RunHandle(uuid.uuid4().hex, source.id, source.view)
        try:
            with transaction.atomic():
                self._models.EtlTransaction.objects.create(
                    run_id=handle.run_id,
                    source_id=source.id,
                    status=RunStatus.RUNNING,
                    load_type=_asked_load_type(request),
                    load_mode=request.load_mode or source.load_mode,
                    started_at=Now(),
                    user=getpass.getuser(),
                    step="config",
                    **self._claim(),
                )
        except IntegrityError:
            holder = self._models.EtlTransaction.objects.filter(
                source_id=source.id, status=RunStatus.RUNNING
            ).first()
            raise _busy(holder) from None
        return handle

    def _claim(self) -> dict[str, object]:
        """The columns that say who holds a run, and until when by the database's clock."""
        from django.db.models import DateTimeField, ExpressionWrapper
        from django.db.models.functions import Now

        until = ExpressionWrapper(Now() + self._lease, output_field=DateTimeField())
        return {
            "host": socket.gethostname(),
            "process": os.getpid(),
            "process_started": psutil.Process().create_time(),
            "heartbeat_at": Now(),
            "lease_expires_at": until,
        }

    def _held(self, handle: RunHandle) -> Any:
        return self._models.EtlTransaction.objects.filter(
            run_id=handle.run_id,
            status=RunStatus.RUNNING,
            host=socket.gethostname(),
            process=os.getpid(),
        )

    @_translated
    def beat(self, handle: RunHandle, progress: Progress) -> bool:
        """Renew the lease and show the progress; True when somebody asked the run to stop.

        Raises Busy `lease-lost` when the run is no longer this process's.
        """
        held = self._held(handle)
        if not held.update(**self._claim(), **_progress_columns(progress)):
            raise _lost(handle)
        return bool(held.values_list("cancel_requested", flat=True).first())

    # The record

    @_translated
    def save_plan(self, handle: RunHandle, source: Source, plan: Mapping[str, Any]) -> None:
        """Keep the plan before a row moves; raises Busy `lease-lost`.

        `plan` is `plan.as_dict`'s; what settling needs of it is `watermark` and `scope`.
        """
        window = plan.get("window") or {}
        columns = {
            "plan": {**plan, "scope": source.scope},
            "load_type": plan["load_type"],
            "load_mode": plan["load_mode"],
            "window_column": window.get("column", ""),
            "window_lower": window.get("lower") or "",
            "window_upper": window.get("upper") or "",
            "clock": window.get("clock", ""),
            "scn": plan.get("scn"),
        }
        if not self._held(handle).update(**columns):
            raise _lost(handle)

    @_translated
    def succeed(
        self, handle: RunHandle, progress: Progress, status: RunStatus, jobs: Sequence[str]
    ) -> None:
        """Record a committed run and move the watermark, together; raises Busy `lease-lost`."""
        from django.db import transaction
        from django.db.models.functions import Now

        with transaction.atomic():
            row = self._held(handle).first()
            done = {
                "status": status,
                "ended_at": Now(),
                "job_ids": list(jobs),
                "needs_settling": False,
            }
            if row is None or not self._held(handle).update(**done, **_progress_columns(progress)):
                raise _lost(handle)
            self._move_watermark(row)

    def _move_watermark(self, row: Any) -> None:
        """Forward only, unless it belonged to another scope: a window may be loaded twice, not skipped."""
        from django.db.models import Q
        from django.db.models.functions import Now

        value, scope = (row.plan or {}).get("watermark"), (row.plan or {}).get("scope", "")
        sources = self._models.DataSource.objects.filter(pk=row.source_id)
        sources.update(target_created=True)
        if value:
            behind = Q(watermark="") | Q(watermark__lt=value) | ~Q(watermark_scope=scope)
            sources.filter(behind).update(
                watermark=value,
                watermark_scope=scope,
                watermark_moved_at=Now(),
            )

    @_translated
    def add_warnings(self, handle: RunHandle, warnings: Sequence[str]) -> None:
        """Replace the warnings of a run that has ended."""
        runs = self._models.EtlTransaction.objects.filter(run_id=handle.run_id)
        runs.update(warnings=list(warnings))

    @_translated
    def fail(
        self, handle: RunHandle, progress: Progress, error: EtlError, trace: str, unsettled: bool
    ) -> None:
        """Record a failed run and its log error, together.

        `unsettled` says that the commit's outcome could not be learned: the next run will ask.
        """
        from django.db import transaction
        from django.db.models.functions import Now

        failed = {
            "status": RunStatus.FAILED,
            "ended_at": Now(),
            "error": self.scrub(str(error)),
            "error_code": error.code,
            "needs_settling": unsettled,
        }
        with transaction.atomic():
            row = self._held(handle).first()
            if row is not None:
                self._held(handle).update(**failed, **_progress_columns(progress))
            self._log_error(error, trace, row, handle.source_id)

    @_translated
    def settle(self, dead: DeadRun, committed: bool, counts: Mapping[str, int | None]) -> None:
        """Record what became of a dead run: SUCCEEDED with its watermark, or ABANDONED."""
        from django.db import transaction
        from django.db.models.functions import Now

        with transaction.atomic():
            row = self._models.EtlTransaction.objects.get(run_id=dead.run_id)
            row_query = self._models.EtlTransaction.objects.filter(pk=row.pk)
            ended = {"needs_settling": False, "ended_at": Now()}
            if committed:
                row_query.update(
                    status=RunStatus.SUCCEEDED, error="", error_code="", **ended, **counts
                )
                self._move_watermark(row)
                return
            status = RunStatus.ABANDONED if row.status == RunStatus.RUNNING else row.status
            row_query.update(status=status, **ended)
            if status == RunStatus.ABANDONED:
                self._log_error(_died(row), "", row, row.source_id)

    @_translated
    def record_error(self, error: EtlError, trace: str, source: Source | None = None) -> None:
        """A log error of something that failed before a run could begin."""
        self._log_error(error, trace, None, source.id if source else None)

    def _log_error(self, error: EtlError, trace: str, row: Any, source_id: int | None) -> None:
        self._models.LogError.objects.create(
            transaction=row,
            source_id=source_id,
            step=error.step,
            code=error.code,
            message=self.scrub(str(error)),
            action=error.action,
            traceback=self.scrub(trace),
        )

    @_translated
    def mark_notified(self, run_ids: Sequence[str]) -> None:
        """The log errors of these runs were mailed."""
        from django.db.models.functions import Now

        self._models.LogError.objects.filter(
            transaction__run_id__in=list(run_ids), notified_at=None
        ).update(notified_at=Now())

    # What was

    @_translated
    def usual_rows(self, source: Source, load_type: str) -> int | None:
        """Median of the rows of the last five loads of this type, None without any."""
        rows = sorted(
            self._models.EtlTransaction.objects.filter(
                source_id=source.id,
                load_type=load_type,
                status__in=(RunStatus.SUCCEEDED, RunStatus.NO_ROWS),
            )
            .order_by("-started_at")
            .values_list("rows_extracted", flat=True)[:5]
        )
        return rows[len(rows) // 2] if rows else None

    @_translated
    def last_run(self, source: Source, *, loaded: bool = False) -> Mapping[str, Any] | None:
        """The newest transaction of a view, or the newest that loaded it."""
        rows = self._models.EtlTransaction.objects.filter(source_id=source.id)
        if loaded:
            rows = rows.filter(status__in=(RunStatus.SUCCEEDED, RunStatus.NO_ROWS))
        columns = "run_id", "status", "started_at", "ended_at", "rows_loaded", "error_code", "error"
        return rows.order_by("-started_at").values(*columns).first()

    @_translated
    def set_watermark(self, source: Source, value: datetime | None) -> None:
        """Put the watermark where an administrator wants it, for the source as it is now.

        None forgets it: the next run is a first load.
        """
        from django.db.models.functions import Now

        self._models.DataSource.objects.filter(pk=source.id).update(
            watermark=_text(value),
            watermark_scope=source.scope if value else "",
            watermark_moved_at=Now(),
        )
        log.warning("watermark of %s set to %s by %s", source.view, value, getpass.getuser())

    def scrub(self, text: str) -> str:
        """`text` without any password that this process has read."""
        for secret in _SECRETS:
            text = text.replace(secret, "********")
        return text

    @staticmethod
    def release_thread() -> None:
        """Close the calling thread's connection; every thread that used the catalog does so."""
        from django.db import connections

        connections.close_all()


# Passwords that this process has decrypted; `Catalog.scrub` keeps them out of every text.
_SECRETS: set[str] = set()


def _source(row: Any) -> Source:
    mark = _moment(row.watermark)
    return Source(
        id=row.pk,
        view=row.view,
        store=_store(row.store),
        active=row.active,
        load_order=row.load_order,
        dataset=row.dataset,
        target=row.target,
        load_mode=LoadMode(row.load_mode),
        write_disposition=WriteDisposition(row.write_disposition),
        key_columns=tuple(row.key_columns),
        incremental_column=row.incremental_column,
        overlap=row.overlap,
        safety_lag=row.safety_lag,
        first_load_column=row.first_load_column,
        first_load_date=row.first_load_date,
        partition_column=row.partition_column,
        partition_type=PartitionType(row.partition_type),
        partition_expiration_days=row.partition_expiration_days,
        require_partition_filter=row.require_partition_filter,
        cluster_columns=tuple(row.cluster_columns),
        date_columns=tuple(row.date_columns),
        column_types=dict(row.column_types),
        schema_policy=SchemaPolicy(row.schema_policy),
        bad_dates=BadDates(row.bad_dates),
        bare_numbers=BareNumbers(row.bare_numbers),
        batch_size=row.batch_size,
        transform=row.transform,
        adopt=row.adopt,
        allow_empty=row.allow_empty,
        shrink_limit_percent=row.shrink_limit_percent,
        snapshot_group=row.snapshot_group,
        slices=row.slices,
        watermark=Watermark(mark, row.watermark_scope) if mark else None,
    )


def _store(row: Any) -> Store:
    _SECRETS.update(secret for secret in (row.password, row.wallet_password) if secret)
    return Store(
        id=row.pk,
        name=row.name,
        host=row.host,
        port=row.port,
        user=row.user,
        password=row.password,
        service_name=row.service_name,
        sid=row.sid,
        descriptor=row.descriptor,
        protocol=row.protocol,
        wallet_location=row.wallet_location,
        wallet_password=row.wallet_password,
        thick=row.thick,
        session_time_zone=row.session_time_zone,
        current_schema=row.current_schema,
        ebs=_ebs(row),
    )


def _ebs(row: Any) -> EbsContext | None:
    if not row.ebs_product:
        return None
    return EbsContext(
        user_id=row.ebs_user_id,
        responsibility_id=row.ebs_responsibility_id,
        application_id=row.ebs_application_id,
        security_group_id=row.ebs_security_group_id,
        product=row.ebs_product,
    )


def _named(rows: Sequence[Any], name: str) -> Any:
    wanted = name.upper()
    found = [r for r in rows if wanted in (r.view.upper(), r.view.upper().partition(".")[2])]
    if len(found) > 1:
        full = ", ".join(f"{row.view} of {row.store.name}" for row in found)
        raise ConfigError(f"{name} is ambiguous: {full}.", code="ambiguous-view", view=name)
    if not found:
        raise ConfigError(
            f"{name} is not a configured view.", code="unknown-view", view=name, step="config"
        )
    return found[0]


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def _text(value: datetime | None) -> str:
    return value.isoformat(timespec="microseconds") if value else ""


def _asked_load_type(request: Request) -> str:
    if request.backfill:
        return LoadType.BACKFILL
    return LoadType.FULL if request.full else ""


def _progress_columns(progress: Progress) -> dict[str, object]:
    counts = progress.counts
    return {
        "rows_extracted": counts.extracted,
        "rows_staged": counts.staged,
        "rows_loaded": counts.loaded,
        "rows_inserted": counts.inserted,
        "rows_updated": counts.updated,
        "rows_deleted": counts.deleted,
        "staged_bytes": counts.staged_bytes,
        "bytes_billed": counts.bytes_billed,
        "step": progress.step,
        "step_seconds": {step: round(spent, 3) for step, spent in progress.seconds.items()},
        "warnings": list(progress.warnings),
        "attempt": progress.attempt,
    }


def _provably_gone(row: Any) -> bool:
    """True when the holder was a process of this host and that process is no more."""
    if row.host != socket.gethostname() or row.process is None:
        return False
    try:
        return psutil.Process(row.process).create_time() != row.process_started
    except psutil.NoSuchProcess:
        return True
    except psutil.AccessDenied:
        return False


def _busy(row: Any) -> Busy:
    if row is None:
        return Busy("Another run has just held this view; it has ended.", code="lease-held")
    return Busy(
        f"{row.source.view} is being loaded by process {row.process} on {row.host} "
        f"since {row.started_at:%Y-%m-%d %H:%M:%S} UTC (run {row.run_id}).",
        code="lease-held",
        view=row.source.view,
        step="config",
    )


def _lost(handle: RunHandle) -> Busy:
    return Busy(
        f"Run {handle.run_id} of {handle.view} gave no sign of life for so long that another "
        "run took the view over.",
        code="lease-lost",
        view=handle.view,
    )


def _died(row: Any) -> EtlError:
    return CatalogError(
        f"Run {row.run_id} of {row.source.view} died at step {row.step or 'config'} "
        f"(process {row.process} on {row.host}). It committed nothing; its window is loaded again.",
        code="run-died",
        view=row.source.view,
        step=row.step,
    )


def _open_database() -> None:
    """Set Django up, and bring the schema up to date after a backup.

    Raises CatalogError `catalog-missing` when the file is not there, `catalog-newer` when a
    newer version of this product migrated it.
    """
    import django
    from django.core.exceptions import ImproperlyConfigured

    try:
        django.setup()
    except ImproperlyConfigured as error:
        raise ConfigError(str(error), code="invalid-setting") from error
    _migrated()


@_translated
def _migrated() -> None:
    from django.core.management import call_command
    from django.db import connection
    from django.db.migrations.executor import MigrationExecutor

    if connection.vendor == "sqlite" and not _file_of(connection).is_file():
        raise CatalogError(
            f"There is no configuration database at {_file_of(connection)}.",
            code="catalog-missing",
        )
    executor = MigrationExecutor(connection)
    known, applied = set(executor.loader.disk_migrations), set(executor.loader.applied_migrations)
    newer = sorted(name for app, name in applied - known if app == "catalog")
    if newer:
        raise CatalogError(
            f"The configuration database was migrated by a newer version ({newer[-1]}).",
            code="catalog-newer",
        )
    if executor.migration_plan(executor.loader.graph.leaf_nodes()):
        _back_up(connection)
        call_command("migrate", interactive=False, verbosity=0)


def _file_of(connection: Any) -> Path:
    return Path(connection.settings_dict["NAME"])


def _back_up(connection: Any) -> None:
    """A consistent copy beside the file; a plain copy would miss what is in the WAL."""
    if connection.vendor != "sqlite" or not connection.introspection.table_names():
        return
    path = _file_of(connection)
    copy = path.with_name(f"{path.stem}.before-{datetime.now():%Y%m%d-%H%M%S}{path.suffix}")  # noqa: DTZ005
    with connection.cursor() as cursor:
        cursor.execute("VACUUM INTO %s", [str(copy)])
    log.warning("the configuration database is being migrated; backup: %s", copy)
