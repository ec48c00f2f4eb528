"""Export and import of the configuration, on the source list."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone

from etl_web_admin.catalog import exchange
from etl_web_admin.catalog.admin.base import audit, page_action, posted
from etl_web_admin.catalog.forms import ImportForm

if TYPE_CHECKING:
    from etl_web_admin.catalog.admin.base import Admin as _Base
else:
    _Base = object

CONFIGURE = (
    "catalog.add_datastore",
    "catalog.change_datastore",
    "catalog.add_datasource",
    "catalog.change_datasource",
)


class ConfigurationExchange(_Base):
    """Two actions of the source list."""

    def has_configure_permission(self, request: HttpRequest, obj: object = None) -> bool:
        """Who may make and change both stores and sources."""
        return request.user.has_perms(CONFIGURE)

    @page_action(
        description="Export configuration",
        permissions=["configure"],
        icon="download",
        url_path="export-configuration",
    )
    def export_configuration(self, request: HttpRequest) -> HttpResponse:
        """A JSON file without secrets."""
        stamp = timezone.localtime().strftime("%Y%m%d-%H%M%S")
        response = HttpResponse(exchange.export(), content_type="application/json; charset=utf-8")
        response["Content-Disposition"] = f'attachment; filename="etl-configuration-{stamp}.json"'
        return response

    @page_action(
        description="Import configuration",
        permissions=["configure"],
        icon="upload",
        url_path="import-configuration",
    )
    def import_configuration(self, request: HttpRequest) -> HttpResponse:
        """Ask for the file, then take it in wholly or not at all."""
        form = posted(ImportForm, request)
        if request.method == "POST" and form.is_valid():
            try:
                text = form.cleaned_data["file"].read().decode("utf-8-sig")
                return self._imported(request, exchange.load(text))
            except UnicodeDecodeError:
                form.add_error("file", "The file is not UTF-8 text.")
            except ValidationError as error:
                form.add_error("file", error)
        return self.confirm(
            request,
            title="Import configuration",
            text="Data stores are matched by name, data sources by store and view: what exists "
            "is changed, what does not is made, nothing is deleted. Passwords and watermarks "
            "are not part of the file.",
            button="Import",
            form=form,
            multipart=True,
            back=reverse("admin:catalog_datasource_changelist"),
        )

    def _imported(self, request: HttpRequest, outcome: exchange.Outcome) -> HttpResponse:
        for row in (*outcome.created, *outcome.changed):
            audit(request, row, "Imported from a configuration file.")
        messages.success(
            request, f"{len(outcome.created)} rows made, {len(outcome.changed)} rows changed."
        )
        if outcome.without_password:
            messages.warning(
                request, f"Enter the password of: {', '.join(outcome.without_password)}."
            )
        return HttpResponseRedirect(reverse("admin:catalog_datasource_changelist"))
