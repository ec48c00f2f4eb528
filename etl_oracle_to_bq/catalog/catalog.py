"""`Catalog`: configuration, leases, transactions and log errors.

Every write is one short statement or transaction, tried again while the database is locked,
and none is held across a call to Oracle or BigQuery. A lease is a conditional UPDATE, so
that of two processes exactly one wins, on SQLite and PostgreSQL alike.
"""

from __future__ import annotations

import logging
import os
import socket
import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import psutil

from etl_oracle_to_bq.catalog import rows
from etl_oracle_to_bq.catalog.database import open_database, translated
from etl_oracle_to_bq.catalog.leases import (
    DeadRun,
    Progress,
    RunHandle,
    asked_load_type,
    busy,
    died,
    lost,
    progress_columns,
    provably_gone,
)
from etl_oracle_to_bq.errors import ConfigError, EtlError
from etl_oracle_to_bq.model import Counts, LoadType, Request, RunStatus, Source, Store

log = logging.getLogger(__name__)

# How long a backfill that stopped half-way may go on where it stopped.
RESUME_DAYS = 7


class Catalog:
    """The configuration database, open. Every method may raise CatalogError."""

    def __init__(self, lease_seconds: int, started_by: str, project: str) -> None:
        """`started_by` is who asked for the runs; empty: the account of this process.

        `project` is BigQuery's: a watermark belongs to the target in one project. `log_file`,
        the name of this process's log file, is set by whoever begins it.
        """
        self._project = project
        self.log_file = ""
        self._lease = timedelta(seconds=lease_seconds)
        # Unlike getpass, psutil knows an account without environment or passwd entry.
        self._user = started_by or psutil.Process().username()
        open_database()
        from etl_web_admin.catalog import models

        self._models = models

    # Configuration

    @translated
    def sources(self, views: Sequence[str] = ()) -> list[Source]:
        """The named sources, or all active ones, in load order.

        A name is `OWNER.VIEW`, in any case, or `VIEW` when only one source has it; `STORE:`
        before it tells stores apart that have the same view. Raises ConfigError
        `unknown-view` or `ambiguous-view`.
        """
        sources = self._models.DataSource.objects.select_related("store").order_by(
            "load_order", "view"
        )
        if not views:
            return [self._source(row) for row in sources.filter(active=True)]
        everything = list(sources)
        return [self._source(rows.named(everything, view)) for view in views]

    @translated
    def every_source(self) -> list[Source]:
        """All sources, active or not, in load order."""
        sources = self._models.DataSource.objects.select_related("store")
        return [self._source(row) for row in sources.order_by("load_order", "view")]

    @translated
    def source(self, source_id: int) -> Source:
        """One source as it is configured now."""
        return self._source(
            self._models.DataSource.objects.select_related("store").get(pk=source_id)
        )

    def _source(self, row: Any) -> Source:
        return rows.source(row, self._project)

    @translated
    def store(self, name: str) -> Store:
        """A data store by name; raises ConfigError `unknown-store`."""
        row = self._models.DataStore.objects.filter(name=name).first()
        if row is None:
            raise ConfigError(f"There is no data store named {name!r}.", code="unknown-store")
        return rows.store(row)

    @translated
    def stores(self) -> list[str]:
        """The names of all data stores."""
        return list(self._models.DataStore.objects.order_by("name").values_list("name", flat=True))

    # Leases

    @translated
    def dead_runs(self, source: Source) -> list[DeadRun]:
        """Take over the runs of a view whose end is not known, so that they can be settled.

        Raises Busy `lease-held` when a live process holds the view, or took a run over first.
        """
        from django.db.models import Q

        unknown = self._models.EtlTransaction.objects.filter(
            Q(status=RunStatus.RUNNING) | Q(needs_settling=True), source_id=source.id
        )
        return [self._taken_over(row) for row in unknown]

    def _taken_over(self, row: Any) -> DeadRun:
        from django.db.models.functions import Now

        mine = self._models.EtlTransaction.objects.filter(
            pk=row.pk, status=row.status, lease_expires_at=row.lease_expires_at
        )
        if row.status == RunStatus.RUNNING and not provably_gone(row):
            mine = mine.filter(lease_expires_at__lt=Now())
        if not mine.update(needs_settling=True, **self._claim()):
            raise busy(row)
        plan = row.plan or {}
        return DeadRun(
            run_id=row.run_id,
            source_id=row.source_id,
            holder=f"process {row.process} on {row.host}",
            planned=bool(plan),
            watermark=rows.moment(plan.get("watermark")),
        )

    @translated
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
                    load_type=asked_load_type(request),
                    load_mode=request.load_mode or source.load_mode,
                    started_at=Now(),
                    user=self._user,
                    step="config",
                    log_file=self.log_file,
                    **self._claim(),
                )
        except IntegrityError:
            holder = self._models.EtlTransaction.objects.filter(
                source_id=source.id, status=RunStatus.RUNNING
            ).first()
            raise busy(holder) from None
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

    @translated
    def beat(self, handle: RunHandle, progress: Progress) -> bool:
        """Renew the lease and show the progress; True when somebody asked the run to stop.

        Raises Busy `lease-lost` when the run is no longer this process's.
        """
        held = self._held(handle)
        if not held.update(**self._claim(), **progress_columns(progress)):
            raise lost(handle)
        return bool(held.values_list("cancel_requested", flat=True).first())

    @translated
    def live_run_ids(self) -> list[str]:
        """The runs that somebody holds."""
        running = self._models.EtlTransaction.objects.filter(status=RunStatus.RUNNING)
        return list(running.values_list("run_id", flat=True))

    # The record

    @translated
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
            raise lost(handle)

    @translated
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
            if row is None or not self._held(handle).update(**done, **progress_columns(progress)):
                raise lost(handle)
            self._move_watermark(row)

    def _move_watermark(self, row: Any) -> None:
        """Forward only, unless it belonged to another scope: a window may be loaded twice, not skipped.

        A full load has read everything, so its watermark holds wherever the last one was. What
        an administrator set after the run had begun stands.
        """
        from django.db.models import Q
        from django.db.models.functions import Now

        plan = row.plan or {}
        value, scope = rows.text_of(rows.moment(plan.get("watermark"))), plan.get("scope", "")
        sources = self._models.DataSource.objects.filter(pk=row.source_id)
        sources.update(target_created=True)
        if value:
            sources = sources.exclude(watermark_moved_at__gt=row.started_at)
            behind = Q(watermark="") | Q(watermark__lt=value) | ~Q(watermark_scope=scope)
            full = plan.get("load_type") == LoadType.FULL
            (sources if full else sources.filter(behind)).update(
                watermark=value,
                watermark_scope=scope,
                watermark_moved_at=Now(),
            )

    @translated
    def add_warnings(self, handle: RunHandle, warnings: Sequence[str]) -> None:
        """Replace the warnings of a run that has ended."""
        runs = self._models.EtlTransaction.objects.filter(run_id=handle.run_id)
        runs.update(warnings=list(warnings))

    @translated
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
                self._held(handle).update(**failed, **progress_columns(progress))
            self._log_error(error, trace, row, handle.source_id)

    @translated
    def settle(self, dead: DeadRun, committed: bool, counts: Counts) -> None:
        """Record what became of a dead run: SUCCEEDED with its watermark, or ABANDONED."""
        from django.db import transaction
        from django.db.models.functions import Now

        with transaction.atomic():
            row = self._models.EtlTransaction.objects.get(run_id=dead.run_id)
            row_query = self._models.EtlTransaction.objects.filter(pk=row.pk)
            ended = {"needs_settling": False, "ended_at": Now()}
            if committed:
                row_query.update(
                    status=RunStatus.SUCCEEDED,
                    error="",
                    error_code="",
                    rows_inserted=counts.inserted,
                    rows_updated=counts.updated,
                    rows_deleted=counts.deleted,
                    bytes_billed=counts.bytes_billed,
                    **ended,
                )
                self._move_watermark(row)
                return
            status = RunStatus.ABANDONED if row.status == RunStatus.RUNNING else row.status
            row_query.update(status=status, **ended)
            if status == RunStatus.ABANDONED:
                self._log_error(died(row, dead.holder), "", row, row.source_id)

    @translated
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

    @translated
    def mark_notified(self, run_ids: Sequence[str]) -> None:
        """The log errors of these runs were mailed."""
        from django.db.models.functions import Now

        self._models.LogError.objects.filter(
            transaction__run_id__in=list(run_ids), notified_at=None
        ).update(notified_at=Now())

    # What was

    @translated
    def usual_rows(self, source: Source, load_type: str) -> int | None:
        """Median of the rows of the last five whole loads of this type, None without any."""
        whole = self._loaded(source).filter(load_type=load_type, plan__piece__end__isnull=True)
        last_five = whole.values_list("rows_extracted", flat=True)[:5]
        loaded = sorted(rows for rows in last_five if rows is not None)
        return loaded[len(loaded) // 2] if loaded else None

    @translated
    def last_seconds(self, source: Source) -> float | None:
        """How long the last load of a view took; None when it was never loaded."""
        row = self._loaded(source).first()
        return (row.ended_at - row.started_at).total_seconds() if row else None

    @translated
    def unfinished_first(self, source: Source) -> tuple[datetime, datetime] | None:
        """How far a first load in pieces came, and where it should have ended.

        None when the newest load was another, or when the watermark has moved since.
        """
        row = self._loaded(source).exclude(load_type=LoadType.BACKFILL).first()
        piece = ((row.plan or {}).get("piece") if row else None) or {}
        upper, mark = rows.moment(piece.get("upper")), source.watermark
        if piece.get("load_type") != LoadType.FIRST or upper is None or mark is None:
            return None
        reached, end = rows.moment(row.plan.get("watermark")), rows.moment(piece["end"])
        if end is None or mark.value != reached or row.plan.get("scope") != source.scope:
            return None
        return min(upper, mark.value), end

    @translated
    def backfilled_until(self, source: Source, begin: datetime, end: datetime) -> datetime | None:
        """How far an unfinished backfill of exactly this window came; None: begin anew.

        After `RESUME_DAYS` it begins anew too: what was loaded then is no longer what Oracle says.
        """
        from django.utils import timezone

        row = (
            self._loaded(source)
            .filter(
                plan__piece__load_type=LoadType.BACKFILL,
                plan__piece__begin=begin.isoformat(),
                plan__piece__end=end.isoformat(),
                plan__scope=source.scope,
                started_at__gt=timezone.now() - timedelta(days=RESUME_DAYS),
            )
            .first()
        )
        done = rows.moment(row.plan["piece"]["upper"]) if row else None
        return None if done is None or done >= end else done

    def _loaded(self, source: Source) -> Any:
        """The runs that loaded a view, newest first."""
        return self._models.EtlTransaction.objects.filter(
            source_id=source.id, status__in=(RunStatus.SUCCEEDED, RunStatus.NO_ROWS)
        ).order_by("-started_at", "-id")

    @translated
    def last_run(self, source: Source, *, loaded: bool = False) -> Mapping[str, Any] | None:
        """The newest transaction of a view, or the newest that loaded it."""
        runs = self._models.EtlTransaction.objects.filter(source_id=source.id)
        if loaded:
            runs = runs.filter(status__in=(RunStatus.SUCCEEDED, RunStatus.NO_ROWS))
        columns = "run_id", "status", "started_at", "ended_at", "rows_loaded", "error_code", "error"
        newest: Mapping[str, Any] | None = runs.order_by("-started_at").values(*columns).first()
        return newest

    @translated
    def set_watermark(self, source: Source, value: datetime | None) -> None:
        """Put the watermark where an administrator wants it, for the source as it is now.

        None forgets it: the next run is a first load. A run that began before leaves it there;
        one that is merely kept has not moved.
        """
        from django.db import transaction
        from django.db.models.functions import Now

        text, scope = rows.text_of(value), source.scope if value else ""
        sources = self._models.DataSource.objects.filter(pk=source.id)
        with transaction.atomic():
            sources.exclude(watermark=text).update(watermark=text, watermark_moved_at=Now())
            sources.update(watermark_scope=scope)
        log.warning("watermark of %s set to %s by %s", source.view, value, self._user)

    def scrub(self, text: str) -> str:
        """`text` without any password that this process has read, as any database can hold it."""
        # A path with bytes that are not text would otherwise cost the record that names it.
        text = text.encode("utf-8", "backslashreplace").decode("utf-8")
        # The longest first: a password may be the beginning of another.
        for secret in sorted(rows.SECRETS, key=len, reverse=True):
            text = text.replace(secret, "********")
        return text

    @staticmethod
    def release_thread() -> None:
        """Close the calling thread's connection; every thread that used the catalog does so."""
        from django.db import connections

        connections.close_all()
