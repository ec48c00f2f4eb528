"""Log Error pages: what went wrong, whether it goes on, and who has seen it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin import SimpleListFilter
from django.db.models import (
    DateTimeField,
    Exists,
    OuterRef,
    Q,
    QuerySet,
    Subquery,
    Value,
)
from django.db.models.functions import Coalesce
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.views.decorators.http import require_POST

from etl_web_admin.catalog.admin.base import (
    DayRangeFilter,
    ReadOnlyAdmin,
    audit,
    badge,
    csv_action,
    one_line,
    require,
)
from etl_web_admin.catalog.models import EtlTransaction, LogError
from etl_web_admin.catalog.overview import SUCCESS
from etl_web_admin.catalog.templatetags.etl import moment

EXPORTED = (
    "created_at",
    "source__view",
    "code",
    "step",
    "message",
    "action",
    "transaction__run_id",
    "notified_at",
    "acknowledged_by",
    "acknowledged_at",
)
COURSES = {
    "new": Q(recovered=False, continuing=False),
    "continuing": Q(recovered=False, continuing=True),
    "recovered": Q(recovered=True),
}
COLOURS = {"new": "info", "continuing": "danger", "recovered": "success"}
BEGINNING = datetime(2000, 1, 1, tzinfo=UTC)


def with_course(rows: QuerySet[LogError]) -> QuerySet[LogError]:
    """Add `recovered` and `continuing` to each error.

    Recovered: the view was loaded since. Continuing: the view had the same code before, and
    no success between. What is neither is new.
    """
    won = EtlTransaction.objects.filter(source=OuterRef("source"), status__in=SUCCESS)
    before = won.filter(started_at__lt=OuterRef("created_at")).order_by("-started_at")
    last_success = Coalesce(
        Subquery(before.values("started_at")[:1]),
        Value(BEGINNING),
        output_field=DateTimeField(),
    )
    same = LogError.objects.filter(
        source=OuterRef("source"),
        code=OuterRef("code"),
        created_at__lt=OuterRef("created_at"),
        created_at__gt=OuterRef("last_success"),
    )
    return rows.annotate(
        last_success=last_success,
        recovered=Exists(won.filter(started_at__gt=OuterRef("created_at"))),
        continuing=Exists(same),
    )


class CourseFilter(SimpleListFilter):
    """New, continuing or recovered."""

    title = "course"
    parameter_name = "course"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """The three courses."""
        return [("new", "New"), ("continuing", "Continuing"), ("recovered", "Recovered")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[LogError]) -> QuerySet[LogError]:
        """The errors of the chosen course."""
        chosen = self.value()
        return queryset.filter(COURSES[chosen]) if chosen in COURSES else queryset


class AcknowledgedFilter(SimpleListFilter):
    """Open or acknowledged."""

    title = "acknowledged"
    parameter_name = "acknowledged"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Two states."""
        return [("no", "Open"), ("yes", "Acknowledged")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[LogError]) -> QuerySet[LogError]:
        """The errors in the chosen state."""
        if self.value() not in ("no", "yes"):
            return queryset
        return queryset.filter(acknowledged_at__isnull=self.value() == "no")


@admin.register(LogError)
class LogErrorAdmin(ReadOnlyAdmin):
    """Errors, the newest first."""

    list_display = ("time", "view", "course", "code_shown", "step", "short", "seen")
    list_display_links = ("time", "code_shown")
    list_filter = (
        AcknowledgedFilter,
        CourseFilter,
        ("created_at", DayRangeFilter),
        "step",
        "source",
    )
    list_filter_submit = True
    search_fields = ("code", "message", "source__view")
    ordering = ("-created_at", "-id")
    show_full_result_count = False
    actions = ("acknowledge", csv_action("log-errors", EXPORTED))
    change_form_template = "catalog/error.html"
    list_before_template = "catalog/error_groups.html"
    fields = ("code",)
    readonly_fields = ("code",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[LogError]:
        """Rows with their view and course; tracebacks only where they are shown."""
        rows: QuerySet[LogError] = super().get_queryset(request)
        return with_course(rows.select_related("source", "transaction")).defer(
            "traceback", "transaction__plan"
        )

    def has_acknowledge_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Operators and administrators."""
        return request.user.has_perm("catalog.acknowledge_logerror")

    @admin.display(description="time", ordering="created_at")
    def time(self, row: LogError) -> str:
        """In the site's zone."""
        return one_line(moment(row.created_at))

    @admin.display(description="view", ordering="source__view")
    def view(self, row: LogError) -> str:
        """Which view, if any."""
        return row.source.view if row.source else "–"

    @admin.display(description="course")
    def course(self, row: Any) -> str:
        """New, continuing or recovered."""
        return badge(*course_of(row))

    @admin.display(description="code", ordering="code")
    def code_shown(self, row: LogError) -> str:
        """ORA-, DPY-, BigQuery's reason, or the product's own."""
        return one_line(row.code)

    @admin.display(description="message")
    def short(self, row: LogError) -> str:
        """Its beginning."""
        text = row.message.splitlines()[0] if row.message else ""
        return text if len(text) <= 110 else f"{text[:109]}…"

    @admin.display(description="acknowledged", ordering="acknowledged_at")
    def seen(self, row: LogError) -> str:
        """By whom."""
        return row.acknowledged_by or badge("Open", "warning")

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """The list, below how many open errors are new, continuing and recovered."""
        open_errors = with_course(LogError.objects.filter(acknowledged_at=None))
        groups = [
            {"course": course, "word": course.capitalize(), "colour": COLOURS[course],
             "number": open_errors.filter(condition).count(), "chosen": request.GET.get("course") == course}
            for course, condition in COURSES.items()
        ]  # fmt: skip
        context = {**(extra_context or {}), "groups": groups}
        response: HttpResponse = super().changelist_view(request, context)
        return response

    @admin.action(description="Acknowledge", permissions=["acknowledge"])
    def acknowledge(self, request: HttpRequest, rows: QuerySet[LogError]) -> None:
        """Put the user's name and the time on the chosen open errors."""
        chosen = list(rows.filter(acknowledged_at=None).values_list("pk", flat=True))
        messages.success(request, f"{self._acknowledge(request, chosen)} errors acknowledged.")

    def _acknowledge(self, request: HttpRequest, keys: list[int]) -> int:
        open_rows = LogError.objects.filter(pk__in=keys, acknowledged_at=None)
        done = open_rows.update(
            acknowledged_by=request.user.get_username(), acknowledged_at=timezone.now()
        )
        for row in LogError.objects.filter(pk__in=keys).defer("traceback"):
            audit(request, row, "Acknowledged.")
        return done

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """One error with what to do about it."""
        row = self.get_object(request, object_id)
        context = dict(extra_context or {})
        if row and self.has_view_permission(request, row):
            word, colour = course_of(row)
            context |= {
                "row": row,
                "title": row.code,
                "course": word,
                "colour": colour,
                "may_acknowledge": self.has_acknowledge_permission(request),
                "times": LogError.objects.filter(source=row.source_id, code=row.code).count(),
            }
        response: HttpResponse = super().change_view(request, object_id, form_url, context)
        return response

    def get_urls(self) -> list[URLPattern]:
        """With "Acknowledge" of one."""
        one = path(
            "<int:object_id>/acknowledge/",
            self.admin_site.admin_view(require_POST(self.acknowledge_view)),
            name="catalog_logerror_acknowledge",
        )
        return [one, *super().get_urls()]

    def acknowledge_view(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """Put the user's name and the time on one error."""
        row = self.found(request, str(object_id))
        require(request, "acknowledge_logerror")
        if self._acknowledge(request, [row.pk]):
            messages.success(request, "Acknowledged.")
        return HttpResponseRedirect(reverse("admin:catalog_logerror_change", args=(row.pk,)))


def course_of(row: Any) -> tuple[str, str]:
    """The word and the colour of an error's course."""
    course = "recovered" if row.recovered else "continuing" if row.continuing else "new"
    return course.capitalize(), COLOURS[course]
