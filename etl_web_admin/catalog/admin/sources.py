"""Data Source pages: views, how they are loaded, and the actions on them."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.db.models import OuterRef, QuerySet, Subquery
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html

from etl_web_admin.catalog import etl
from etl_web_admin.catalog.admin import running
from etl_web_admin.catalog.admin.base import (
    Admin,
    audit,
    badge,
    one_line,
    page_action,
    posted,
)
from etl_web_admin.catalog.admin.exchange import ConfigurationExchange
from etl_web_admin.catalog.admin.oracle import OraclePicker
from etl_web_admin.catalog.forms import RunForm, SourceForm, WatermarkForm
from etl_web_admin.catalog.models import DataSource, EtlTransaction
from etl_web_admin.catalog.overview import SUCCESS, state_of
from etl_web_admin.catalog.templatetags.etl import clock, count, moment

COPIED_NOT = ("id", "view", "target", "watermark", "watermark_scope", "watermark_moved_at")


@admin.register(DataSource)
class DataSourceAdmin(ConfigurationExchange, OraclePicker, Admin):
    """Views and how they are loaded."""

    form = SourceForm
    list_display = (
        "view",
        "state",
        "store",
        "destination",
        "disposition",
        "data_as_of",
        "last_rows",
        "active",
    )
    list_filter = ("active", "store", "load_mode", "write_disposition", "dataset")
    list_filter_submit = False
    list_select_related = ("store",)
    search_fields = ("view", "target", "dataset", "store__name")
    actions = ("run_chosen", "activate", "deactivate")
    actions_detail = ("run_now", "check_plan", "change_watermark", "copy")
    actions_list = ("export_configuration", "import_configuration")
    change_form_before_template = "catalog/source_before.html"
    readonly_fields = ("watermark_shown",)
    fieldsets = (
        (
            None,
            {
                "fields": (
                    ("store", "view"),
                    ("dataset", "target"),
                    ("write_disposition", "load_mode"),
                    "key_columns",
                    ("active", "load_order"),
                    "watermark_shown",
                )
            },
        ),
        (
            "What is loaded",
            {
                "classes": ("tab",),
                "fields": (
                    "incremental_column",
                    ("overlap", "safety_lag"),
                    ("first_load_column", "first_load_date"),
                    "expected_every",
                ),
            },
        ),
        (
            "BigQuery table",
            {
                "classes": ("tab",),
                "fields": (
                    ("partition_column", "partition_type"),
                    ("partition_expiration_days", "require_partition_filter"),
                    "cluster_columns",
                    "schema_policy",
                    "adopt",
                ),
            },
        ),
        (
            "Columns",
            {
                "classes": ("tab",),
                "fields": ("date_columns", "column_types", ("bare_numbers", "bad_dates")),
            },
        ),
        (
            "Guards and speed",
            {
                "classes": ("tab",),
                "fields": (
                    "transform",
                    ("allow_empty", "shrink_limit_percent"),
                    ("batch_size", "slices"),
                    "snapshot_group",
                ),
            },
        ),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[DataSource]:
        """Rows with what their last run and last success were, in the same query."""
        runs = EtlTransaction.objects.filter(source=OuterRef("pk")).order_by("-started_at", "-id")
        won = runs.filter(status__in=SUCCESS)
        rows: QuerySet[DataSource] = super().get_queryset(request)
        return rows.defer("store__password", "store__wallet_password").annotate(
            last_run_id=Subquery(runs.values("pk")[:1]),
            last_status=Subquery(runs.values("status")[:1]),
            last_code=Subquery(runs.values("error_code")[:1]),
            last_success=Subquery(won.values("ended_at")[:1]),
            last_rows_loaded=Subquery(won.values("rows_loaded")[:1]),
        )

    def has_run_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Operators and administrators."""
        return request.user.has_perm("catalog.run_datasource")

    def has_copy_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Who may add one."""
        return self.has_add_permission(request)  # type: ignore[no-any-return]

    # Columns of the list

    @admin.display(description="state")
    def state(self, source: Any) -> str:
        """Fresh, late, failed, stopped …, linked to the run that says so."""
        if not source.active:
            return badge("Inactive", "muted")
        age = timezone.now() - source.last_success if source.last_success else None
        run = None
        if source.last_run_id:
            run = EtlTransaction(status=source.last_status, error_code=source.last_code)
        found = state_of(source, run, age)
        if run is None:
            return badge(found.word, found.colour)
        link = reverse("admin:catalog_etltransaction_change", args=(source.last_run_id,))
        return format_html('<a href="{}">{}</a>', link, badge(found.word, found.colour))

    @admin.display(description="BigQuery table", ordering="target")
    def destination(self, source: DataSource) -> str:
        """Dataset and table."""
        return f"{source.dataset}.{source.target}"

    @admin.display(description="disposition", ordering="write_disposition")
    def disposition(self, source: DataSource) -> str:
        """Its name without the explanation."""
        return source.get_write_disposition_display().partition(":")[0]

    @admin.display(description="data as of", ordering="watermark")
    def data_as_of(self, source: DataSource) -> str:
        """The watermark."""
        return one_line(clock(source.watermark))

    @admin.display(description="rows")
    def last_rows(self, source: Any) -> str:
        """Of the last success."""
        return count(source.last_rows_loaded)

    @admin.display(description="watermark")
    def watermark_shown(self, source: DataSource) -> str:
        """The watermark, and when it moved; it is changed by its own action only."""
        if not source.watermark:
            return "none yet: the next load is a first load"
        return f"{clock(source.watermark)} (moved {moment(source.watermark_moved_at)})"

    # The form

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        """A new source, or a copy of the one that `?copy=` names."""
        original = request.GET.get("copy", "")
        if not original.isdecimal():
            return super().get_changeform_initial_data(request)  # type: ignore[no-any-return]
        source = self.found(request, original)
        return {
            field.name: field.value_from_object(source)
            for field in DataSource._meta.concrete_fields
            if field.name not in COPIED_NOT
        }

    def save_model(self, request: HttpRequest, obj: DataSource, form: Any, change: bool) -> None:
        """Write the form's columns only: a run that ends meanwhile keeps its watermark."""
        if not change:
            super().save_model(request, obj, form, change)
            return
        columns = {field.name for field in DataSource._meta.concrete_fields}
        obj.save(update_fields=columns.intersection([*form.changed_data, "target"]))

    # Actions on many

    @admin.action(description="Run now", permissions=["run"])
    def run_chosen(self, request: HttpRequest, rows: QuerySet[DataSource]) -> None:
        """One process loads all chosen views, in load order."""
        chosen = list(rows.select_related("store").order_by("load_order", "view"))
        running.start(request, chosen, ["run", *map(etl.named, chosen)])

    @admin.action(description="Activate", permissions=["change"])
    def activate(self, request: HttpRequest, rows: QuerySet[DataSource]) -> None:
        """Take them into the night's run."""
        self._set_active(request, rows, True)

    @admin.action(description="Deactivate", permissions=["change"])
    def deactivate(self, request: HttpRequest, rows: QuerySet[DataSource]) -> None:
        """Leave them out of the night's run."""
        self._set_active(request, rows, False)

    def _set_active(self, request: HttpRequest, rows: QuerySet[DataSource], active: bool) -> None:
        changed = list(DataSource.objects.filter(pk__in=rows.values("pk")).exclude(active=active))
        for source in changed:
            audit(request, source, "Activated." if active else "Deactivated.")
        DataSource.objects.filter(pk__in=[source.pk for source in changed]).update(active=active)
        word = "activated" if active else "deactivated"
        messages.success(request, f"{len(changed)} sources {word}.")

    # Actions on one

    @page_action(
        description="Run now",
        permissions=["run"],
        icon="play_arrow",
        url_path="run",
    )
    def run_now(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask what to load, then start it."""
        source = self.found(request, object_id)
        form = posted(RunForm, request)
        if request.method == "POST" and form.is_valid():
            assert isinstance(form, RunForm)
            return running.start(request, [source], form.arguments(etl.named(source)))
        return self.confirm(
            request,
            title=f"Load {source.view}",
            text=f"Rows go from {source.store.name} into {source.dataset}.{source.target}. "
            "The load runs as a process of its own; it can be watched and stopped.",
            button="Start",
            form=form,
            back=reverse("admin:catalog_datasource_change", args=(source.pk,)),
        )

    @page_action(
        description="Watermark",
        permissions=["change"],
        icon="event",
        url_path="watermark",
    )
    def change_watermark(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask where the next load shall begin, then let the command line set it."""
        source = self.found(request, object_id)
        form = posted(WatermarkForm, request)
        if request.method == "POST" and form.is_valid():
            assert isinstance(form, WatermarkForm)
            return self._move_watermark(request, source, form)
        return self.confirm(
            request,
            title=f"Watermark of {source.view}",
            text=f"It stands at {clock(source.watermark)}. Set back, rows are loaded again; set "
            "forward, the rows between are never loaded by an increment.",
            button="Change the watermark",
            danger=True,
            form=form,
            back=reverse("admin:catalog_datasource_change", args=(source.pk,)),
        )

    def _move_watermark(
        self, request: HttpRequest, source: DataSource, form: WatermarkForm
    ) -> HttpResponse:
        before = source.watermark
        try:
            etl.ask(*form.arguments(etl.named(source)))
        except etl.Refusal as refusal:
            messages.error(request, f"{refusal.message} {refusal.action}")
        else:
            after = DataSource.objects.values_list("watermark", flat=True).get(pk=source.pk)
            told = f"Watermark changed from {clock(before)} to {clock(after)}."
            audit(request, source, told)
            messages.success(request, told)
        return HttpResponseRedirect(reverse("admin:catalog_datasource_change", args=(source.pk,)))

    @page_action(
        description="Copy",
        permissions=["copy"],
        icon="content_copy",
        url_path="copy",
    )
    def copy(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """A new form, filled with this source's choices; nothing is written yet."""
        source = self.found(request, object_id)
        return HttpResponseRedirect(f"{reverse('admin:catalog_datasource_add')}?copy={source.pk}")

    @page_action(
        description="Check",
        permissions=["view"],
        icon="fact_check",
        url_path="check",
    )
    def check_plan(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """A page that asks the command line for the plan, and shows it."""
        source = self.found(request, object_id)
        return self.plan_page(request, source)

    def get_urls(self) -> list[URLPattern]:
        """With the addresses of the picker and of import and export."""
        return [
            *self.picker_urls(),
            path(
                "<int:object_id>/plan/",
                self.admin_site.admin_view(self.plan_view),
                name="catalog_datasource_plan",
            ),
            *super().get_urls(),
        ]
