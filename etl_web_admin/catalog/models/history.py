"""ETL Transaction: one run. Log Error: what went wrong in it."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.utils import timezone

from etl_web_admin.catalog.models.choices import (
    Clock,
    LoadMode,
    LoadType,
    RunStatus,
    filled,
    one_of,
)
from etl_web_admin.catalog.models.source import DataSource

# The code of a run that somebody stopped on purpose, as in `etl_oracle_to_bq/codes.py`.
STOPPED = "stopped"


class EtlTransaction(models.Model):
    """One attempt to load one view. Counts are NULL while unknown. Moments are UTC.

    The row is the lease of its run: at most one RUNNING row per source (enforced by the
    database), renewed until `lease_expires_at`.
    """

    run_id = models.CharField(max_length=32, unique=True)
    source = models.ForeignKey(
        DataSource, on_delete=models.PROTECT, related_name="transactions", verbose_name="view"
    )
    status = models.CharField(max_length=16, choices=RunStatus.choices, default=RunStatus.RUNNING)
    load_type = models.CharField(max_length=16, choices=LoadType.choices, blank=True)
    load_mode = models.CharField(max_length=16, choices=LoadMode.choices, blank=True)
    window_column = models.CharField(max_length=128, blank=True)
    window_lower = models.CharField(max_length=26, blank=True)
    window_upper = models.CharField(max_length=26, blank=True)
    clock = models.CharField(max_length=16, choices=Clock.choices, blank=True)
    plan = models.JSONField(null=True, blank=True)
    started_at = models.DateTimeField(default=timezone.now)
    ended_at = models.DateTimeField(null=True, blank=True)
    heartbeat_at = models.DateTimeField(null=True, blank=True)
    lease_expires_at = models.DateTimeField(null=True, blank=True)
    attempt = models.PositiveIntegerField(default=1)
    cancel_requested = models.BooleanField(default=False)
    needs_settling = models.BooleanField(
        default=False,
        help_text="Whether its commit took effect is not known yet; the next run of the view asks.",
    )
    rows_extracted = models.PositiveBigIntegerField("rows read", null=True, blank=True)
    rows_staged = models.PositiveBigIntegerField(null=True, blank=True)
    rows_loaded = models.PositiveBigIntegerField(null=True, blank=True)
    rows_inserted = models.PositiveBigIntegerField(null=True, blank=True)
    rows_updated = models.PositiveBigIntegerField(null=True, blank=True)
    rows_deleted = models.PositiveBigIntegerField(null=True, blank=True)
    staged_bytes = models.PositiveBigIntegerField(null=True, blank=True)
    bytes_billed = models.PositiveBigIntegerField(null=True, blank=True)
    step = models.CharField(max_length=16, blank=True)
    step_seconds = models.JSONField(default=dict, blank=True)
    scn = models.BigIntegerField("SCN", null=True, blank=True)
    job_ids = models.JSONField("BigQuery jobs", default=list, blank=True)
    host = models.CharField(max_length=255, blank=True)
    process = models.PositiveIntegerField(null=True, blank=True)
    # A process id alone may have been given to another program since.
    process_started = models.FloatField(null=True, blank=True)
    user = models.CharField(max_length=255, blank=True)
    warnings = models.JSONField(default=list, blank=True)
    error = models.TextField(blank=True)
    error_code = models.CharField(max_length=64, blank=True)
    log_file = models.CharField(max_length=1024, blank=True)

    class Meta:
        db_table = "etl_transaction"
        ordering = ("-started_at", "-id")
        verbose_name = "ETL Transaction"
        verbose_name_plural = "ETL Transaction"
        # Only runs write history; people read it, and administrators purge what is old.
        default_permissions = ("view",)
        permissions = (("purge_etltransaction", "Can purge old history"),)
        indexes = (
            models.Index(fields=("-started_at", "-id"), name="run_started"),
            models.Index(fields=("status", "-started_at"), name="run_status_started"),
            models.Index(fields=("source", "-started_at"), name="run_source_started"),
            models.Index(fields=("source", "status", "-started_at"), name="run_source_status"),
        )
        constraints = (
            *filled("run", ("run_id",)),
            one_of("run", "status", RunStatus),
            one_of("run", "load_type", LoadType, blank=True),
            one_of("run", "load_mode", LoadMode, blank=True),
            one_of("run", "clock", Clock, blank=True),
            models.UniqueConstraint(
                fields=("source",),
                condition=Q(status=RunStatus.RUNNING),
                name="run_one_running_per_source",
                violation_error_message="Another run holds this view.",
            ),
            models.CheckConstraint(
                name="run_ended_unless_running",
                condition=Q(status=RunStatus.RUNNING, ended_at__isnull=True)
                | (~Q(status=RunStatus.RUNNING) & Q(ended_at__isnull=False)),
                violation_error_message="A run that is not running has an end, a running one "
                "has none.",
            ),
        )

    def __str__(self) -> str:
        return f"{self.run_id[:8]} {self.get_status_display()}"

    @property
    def stopped(self) -> bool:
        """True when somebody stopped the run on purpose, here or at the command line."""
        return self.status == RunStatus.FAILED and self.error_code == STOPPED

    @property
    def outcome(self) -> str:
        """The word for people: the status, but "Stopped" for what did not fail by itself."""
        return "Stopped" if self.stopped else self.get_status_display()


class LogError(models.Model):
    """One error: what happened, what can be done, who was told and who has seen it."""

    created_at = models.DateTimeField("time", default=timezone.now)
    transaction = models.ForeignKey(
        EtlTransaction,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="errors",
    )
    source = models.ForeignKey(
        DataSource,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="errors",
        verbose_name="view",
    )
    step = models.CharField(max_length=16, blank=True)
    code = models.CharField(max_length=64)
    message = models.TextField()
    action = models.TextField("what to do", blank=True)
    traceback = models.TextField(blank=True)
    notified_at = models.DateTimeField(null=True, blank=True)
    acknowledged_by = models.CharField(max_length=255, blank=True)
    acknowledged_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        db_table = "log_error"
        ordering = ("-created_at", "-id")
        verbose_name = "Log Error"
        verbose_name_plural = "Log Error"
        default_permissions = ("view",)
        permissions = (("acknowledge_logerror", "Can acknowledge errors"),)
        indexes = (
            models.Index(fields=("-created_at", "-id"), name="error_created"),
            models.Index(fields=("source", "-created_at"), name="error_source_created"),
            models.Index(fields=("code", "-created_at"), name="error_code_created"),
            models.Index(fields=("acknowledged_at", "-created_at"), name="error_open_created"),
        )
        constraints = (
            *filled("error", ("code",)),
            models.CheckConstraint(
                name="error_acknowledged_whole",
                condition=Q(acknowledged_by="", acknowledged_at__isnull=True)
                | (~Q(acknowledged_by="") & Q(acknowledged_at__isnull=False)),
                violation_error_message="Who acknowledged and when belong together.",
            ),
        )

    def __str__(self) -> str:
        return f"{self.code}: {self.message[:80]}"
