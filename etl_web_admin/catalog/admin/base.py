"""What the pages share: base classes, badges, the audit history, confirmation pages."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.contenttypes.models import ContentType
from django.core.exceptions import PermissionDenied
from django.db.models import Model, QuerySet
from django.forms import Form
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.html import format_html
from unfold.admin import ModelAdmin
from unfold.contrib.filters.admin import RangeDateFilter
from unfold.decorators import action

# A spreadsheet takes a cell that begins with one of these for a formula.
# Excel in East Asian languages takes the full-width forms too.
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


class Admin(ModelAdmin):  # type: ignore[misc]
    """Unfold's model page, with what every page of this site wants."""

    list_fullwidth = True
    list_per_page = 50
    warn_unsaved_form = True
    compressed_fields = True

    def found(self, request: HttpRequest, object_id: str) -> Any:
        """The row, as far as this user may see it; raises Http404 or PermissionDenied."""
        row = self.get_object(request, object_id)
        if row is None:
            raise Http404
        if not self.has_view_permission(request, row):
            raise PermissionDenied
        return row

    def confirm(
        self, request: HttpRequest, *, title: str, text: str, button: str, **more: Any
    ) -> TemplateResponse:
        """A page that says what will happen, with `form` if one is given, and one button."""
        context = {
            **self.admin_site.each_context(request),
            "opts": self.model._meta,
            "title": title,
            "text": text,
            "button": button,
            "back": more.pop("back", "../"),
            **more,
        }
        return TemplateResponse(request, "catalog/confirm.html", context)


class DayRangeFilter(RangeDateFilter):  # type: ignore[misc]
    """From a day to a day, both included, in the site's time zone."""

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any] | None:
        """The rows of those days; None, which unfold takes for "as before", on nonsense."""
        name = self.parameter_name
        try:
            lower = _midnight(self.used_parameters.get(f"{name}_from"))
            upper = _midnight(self.used_parameters.get(f"{name}_to"), plus=timedelta(days=1))
        except (ValueError, OverflowError):
            return None
        if lower:
            queryset = queryset.filter(**{f"{name}__gte": lower})
        if upper:
            queryset = queryset.filter(**{f"{name}__lt": upper})
        return queryset


def _midnight(text: str | None, plus: timedelta = timedelta(0)) -> datetime | None:
    if not text:
        return None
    day = date.fromisoformat(text) + plus
    moment = datetime.combine(day, time(0), tzinfo=timezone.get_current_timezone())
    # The first and the last day of the calendar have no UTC in some zones.
    return moment.astimezone(UTC)


class ReadOnlyAdmin(Admin):
    """Rows that only the ETL writes: nobody adds, changes or deletes them here."""

    warn_unsaved_form = False

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Nobody."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Nobody."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Nobody."""
        return False


def require(request: HttpRequest, permission: str) -> None:
    """Raise PermissionDenied unless the user has `catalog.<permission>`."""
    if not request.user.has_perm(f"catalog.{permission}"):
        raise PermissionDenied


def badge(text: str, colour: str) -> str:
    """A small coloured label; `colour` is success, danger, warning, info or muted."""
    return format_html('<span class="etl-badge etl-{}">{}</span>', colour, text)


def one_line(text: str) -> str:
    """Text of a list that is not broken over lines, such as a moment."""
    return format_html('<span class="etl-nowrap">{}</span>', text)


def audit(request: HttpRequest, row: Model | type[Model], what: str) -> None:
    """Write one line into the history of `row`, or of a whole table; never with a secret."""
    assert request.user.pk is not None
    table = isinstance(row, type)
    LogEntry.objects.create(
        user_id=request.user.pk,
        content_type_id=ContentType.objects.get_for_model(row).pk,
        object_id=None if table else str(row.pk),
        object_repr=str(row._meta.verbose_name if table else row)[:200],
        action_flag=CHANGE,
        change_message=what,
    )


def csv_response(name: str, header: Sequence[str], rows: Iterable[Sequence[Any]]) -> HttpResponse:
    """A CSV file that Excel opens as UTF-8 and in which no cell is taken for a formula."""
    stamp = timezone.localtime().strftime("%Y%m%d-%H%M%S")
    response = HttpResponse(content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="{name}-{stamp}.csv"'
    response.write("\ufeff")
    writer = csv.writer(response)
    writer.writerow(header)
    writer.writerows([safe_cell(cell) for cell in row] for row in rows)
    return response


def safe_cell(value: Any) -> str:
    """The text of one CSV cell; a quote goes before what a spreadsheet would run."""
    text = "" if value is None else str(value)
    return f"'{text}" if text.startswith(FORMULA_STARTS) else text


def csv_action(name: str, columns: Sequence[str]) -> Callable[..., HttpResponse]:
    """A list action that exports the chosen rows, column by column."""

    def export(admin: Admin, request: HttpRequest, rows: QuerySet[Any]) -> HttpResponse:
        return csv_response(name, columns, rows.values_list(*columns).iterator(2000))

    export.short_description = "Export as CSV"  # type: ignore[attr-defined]
    export.__name__ = "export_csv"
    return export


def page_action(
    *, description: str, permissions: Sequence[str], icon: str, url_path: str
) -> Callable[[Callable[..., HttpResponse]], Callable[..., HttpResponse]]:
    """A button of a list or of a row's page, with an address of its own; unfold's, typed."""
    decorate: Callable[[Callable[..., HttpResponse]], Callable[..., HttpResponse]] = action(
        description=description, permissions=permissions, icon=icon, url_path=url_path
    )
    return decorate


def posted(form_class: Callable[..., Form], request: HttpRequest, **kwargs: Any) -> Form:
    """The form of a confirmation page: bound when it was sent, empty before."""
    data = request.POST if request.method == "POST" else None
    files = request.FILES if request.method == "POST" else None
    return form_class(data, files, **kwargs)
