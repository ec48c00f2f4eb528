"""ETL Transaction pages: what every load did, live while it runs."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html

from etl_web_admin.catalog import history
from etl_web_admin.catalog.admin.base import (
    DayRangeFilter,
    ReadOnlyAdmin,
    audit,
    badge,
    csv_action,
    one_line,
    page_action,
    posted,
    require,
)
from etl_web_admin.catalog.admin.plans import plan_parts
from etl_web_admin.catalog.forms import PurgeForm
from etl_web_admin.catalog.models import EtlTransaction
from etl_web_admin.catalog.models.choices import RunStatus
from etl_web_admin.catalog.templatetags.etl import clock, count, moment, span

COLOURS = {
    RunStatus.RUNNING: "info",
    RunStatus.SUCCEEDED: "success",
    RunStatus.NO_ROWS: "muted",
    RunStatus.FAILED: "danger",
    RunStatus.ABANDONED: "warning",
}
EXPORTED = (
    "run_id",
    "source__view",
    "status",
    "load_type",
    "load_mode",
    "window_lower",
    "window_upper",
    "started_at",
    "ended_at",
    "rows_extracted",
    "rows_loaded",
    "rows_inserted",
    "rows_updated",
    "rows_deleted",
    "bytes_billed",
    "user",
    "host",
    "error_code",
    "error",
)


@admin.register(EtlTransaction)
class EtlTransactionAdmin(ReadOnlyAdmin):
    """Loads, the newest first."""

    list_display = (
        "started",
        "view",
        "state",
        "load",
        "window",
        "read",
        "loaded",
        "took",
        "user",
    )
    list_display_links = ("started", "view")
    list_filter = ("status", "load_type", ("started_at", DayRangeFilter), "source")
    list_filter_submit = True
    search_fields = ("run_id", "source__view", "error_code")
    search_help_text = "View, run id or error code"
    ordering = ("-started_at", "-id")
    show_full_result_count = False
    actions = (csv_action("etl-transactions", EXPORTED),)
    actions_list = ("purge",)
    change_form_template = "catalog/transaction.html"
    fields = ("run_id",)
    readonly_fields = ("run_id",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[EtlTransaction]:
        """Rows with their view; the plan, which is large, only where it is shown."""
        rows: QuerySet[EtlTransaction] = super().get_queryset(request)
        return rows.select_related("source").defer("plan")

    def has_purge_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Administrators."""
        return request.user.has_perm("catalog.purge_etltransaction")

    # Columns of the list

    @admin.display(description="started", ordering="started_at")
    def started(self, row: EtlTransaction) -> str:
        """In the site's zone."""
        return one_line(moment(row.started_at))

    @admin.display(description="view", ordering="source__view")
    def view(self, row: EtlTransaction) -> str:
        """Which view."""
        return row.source.view

    @admin.display(description="status", ordering="status")
    def state(self, row: EtlTransaction) -> str:
        """With the step while it runs, with the code when it failed."""
        more = row.step if row.status == RunStatus.RUNNING else row.error_code
        label = badge(row.outcome, _colour(row))
        return format_html('{} <span class="etl-dim">{}</span>', label, more) if more else label

    @admin.display(description="load", ordering="load_type")
    def load(self, row: EtlTransaction) -> str:
        """First, incremental, full or backfill."""
        return row.get_load_type_display() or "–"

    @admin.display(description="window", ordering="window_upper")
    def window(self, row: EtlTransaction) -> str:
        """Half-open: from, included, to, not included."""
        if not row.window_lower and not row.window_upper:
            return "–"
        lower, upper = clock(row.window_lower), clock(row.window_upper)
        return format_html(
            '<span class="etl-nowrap">{}</span> → <span class="etl-nowrap">{}</span>', lower, upper
        )

    @admin.display(description="read", ordering="rows_extracted")
    def read(self, row: EtlTransaction) -> str:
        """Rows read from Oracle."""
        return count(row.rows_extracted)

    @admin.display(description="loaded", ordering="rows_loaded")
    def loaded(self, row: EtlTransaction) -> str:
        """Rows loaded into BigQuery."""
        return count(row.rows_loaded)

    @admin.display(description="took")
    def took(self, row: EtlTransaction) -> str:
        """From start to end, or to now."""
        return one_line(span((row.ended_at or timezone.now()) - row.started_at))

    # The page of one run

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """Everything that is known of one run."""
        row = self.get_object(request, object_id)
        context = dict(extra_context or {})
        if row and self.has_view_permission(request, row):
            context |= {**self._facts(request, row), "plan": plan_parts(row.plan)}
        response: HttpResponse = super().change_view(request, object_id, form_url, context)
        return response

    def _facts(self, request: HttpRequest, row: EtlTransaction) -> dict[str, Any]:
        return {
            "row": row,
            "title": row.source.view,
            "colour": _colour(row),
            "steps": _steps(row),
            "errors_of_run": row.errors.defer("traceback").order_by("-created_at"),
            "may_run": request.user.has_perm("catalog.run_datasource"),
            "took": (row.ended_at or timezone.now()) - row.started_at,
            "silent": _silent(row),
        }

    def get_urls(self) -> list[URLPattern]:
        """With the live piece of page, and "Stop"."""
        wrap = self.admin_site.admin_view
        return [
            path("<int:object_id>/live/", wrap(self.live_view), name="catalog_etltransaction_live"),
            path("<int:object_id>/stop/", wrap(self.stop_view), name="catalog_etltransaction_stop"),
            *super().get_urls(),
        ]

    def live_view(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """What changes while a run lives; the page asks again until it has ended."""
        row = self.found(request, str(object_id))
        return TemplateResponse(request, "catalog/transaction_live.html", self._facts(request, row))

    def stop_view(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """Ask a run to stop; it does so at its next sign of life."""
        row = self.found(request, str(object_id))
        require(request, "run_datasource")
        page = reverse("admin:catalog_etltransaction_change", args=(row.pk,))
        if request.method == "POST":
            running = EtlTransaction.objects.filter(pk=row.pk, status=RunStatus.RUNNING)
            if running.update(cancel_requested=True):
                audit(request, row, "Asked to stop.")
                messages.success(request, "The run was asked to stop; it does so in a moment.")
            else:
                messages.warning(request, "The run has already ended.")
            return HttpResponseRedirect(page)
        return self.confirm(
            request,
            title=f"Stop {row.source.view}",
            text="The run stops within seconds, and the other views of its command go on. The "
            "target table and the watermark stay as they were, and the next load takes the same "
            "window again; a run that is committing already ends as ever.",
            button="Stop the run",
            danger=True,
            back=page,
        )

    # Purge

    @page_action(
        description="Purge old history",
        permissions=["purge"],
        icon="auto_delete",
        url_path="purge",
    )
    def purge(self, request: HttpRequest) -> HttpResponse:
        """Ask how old, say how many, then delete."""
        form = posted(PurgeForm, request)
        found = None
        if request.method == "POST" and form.is_valid():
            before = timezone.now() - timedelta(days=form.cleaned_data["days"])
            if "confirmed" in request.POST:
                gone = history.purge(before)
                told = f"{gone.transactions:,} transactions and {gone.errors:,} errors were deleted"
                days = form.cleaned_data["days"]
                audit(request, EtlTransaction, f"{told}: older than {days} days.")
                messages.success(request, f"{told}.")
                return HttpResponseRedirect(reverse("admin:catalog_etltransaction_changelist"))
            found = history.count(before)
        return self.confirm(
            request,
            title="Purge old history",
            text="Watermarks stay. What is deleted cannot be brought back."
            if found is None
            else f"{found.transactions:,} transactions and {found.errors:,} errors will be deleted.",
            button="Count first" if found is None else "Delete them",
            danger=found is not None,
            form=form,
            confirmed=found is not None,
            back=reverse("admin:catalog_etltransaction_changelist"),
        )


def _colour(row: EtlTransaction) -> str:
    return "warning" if row.stopped else COLOURS[RunStatus(row.status)]


def _steps(row: EtlTransaction) -> list[dict[str, Any]]:
    """The steps with their seconds and their share of the longest, in order."""
    seconds = row.step_seconds if isinstance(row.step_seconds, dict) else {}
    longest = max(seconds.values(), default=0)
    return [
        {"name": name, "seconds": spent, "longest": longest, "current": name == row.step}
        for name, spent in seconds.items()
    ]


def _silent(row: EtlTransaction) -> bool:
    """True when a running row has not been renewed in time: its process is gone."""
    lease = row.lease_expires_at
    return row.status == RunStatus.RUNNING and lease is not None and lease < timezone.now()
