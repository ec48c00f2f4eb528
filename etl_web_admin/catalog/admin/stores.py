"""Data Store pages: connections, their write-only passwords, and "Test connection"."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import Count, QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.views.decorators.http import require_POST

from etl_web_admin.catalog import etl
from etl_web_admin.catalog.admin.base import Admin, audit, require
from etl_web_admin.catalog.forms import StoreForm
from etl_web_admin.catalog.models import DataStore


@admin.register(DataStore)
class DataStoreAdmin(Admin):
    """Connections to Oracle."""

    form = StoreForm
    list_display = ("name", "address", "account", "driver", "session_time_zone", "source_count")
    search_fields = ("name", "host", "service_name", "user")
    change_form_before_template = "catalog/store_test.html"
    fieldsets = (
        (None, {"fields": ("name",)}),
        (
            "Address",
            {
                "fields": (
                    "host",
                    ("port", "protocol"),
                    ("service_name", "sid"),
                    "descriptor",
                    "wallet_location",
                    "new_wallet_password",
                ),
                "description": "Exactly one of service name, SID and connect descriptor.",
            },
        ),
        ("Account", {"fields": ("user", "new_password")}),
        ("Session", {"fields": (("session_time_zone", "current_schema"), "thick")}),
        (
            "E-Business Suite context",
            {
                "fields": (
                    ("ebs_user_id", "ebs_responsibility_id"),
                    ("ebs_application_id", "ebs_security_group_id"),
                    "ebs_product",
                ),
                "description": "Multi-org views return no rows, without any error, until this "
                "context is set. All five or none.",
            },
        ),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[DataStore]:
        """Rows without their secrets, with the number of their sources."""
        rows: QuerySet[DataStore] = super().get_queryset(request)
        return rows.defer("password", "wallet_password").annotate(sources_=Count("sources"))

    def get_fieldsets(self, request: HttpRequest, obj: DataStore | None = None) -> Any:
        """Who may only look sees no password fields at all."""
        sets = super().get_fieldsets(request, obj)
        if self.has_change_permission(request, obj) or (
            obj is None and self.has_add_permission(request)
        ):
            return sets
        return [
            (name, {**options, "fields": _without_secrets(options["fields"])})
            for name, options in sets
        ]

    @admin.display(description="address")
    def address(self, store: DataStore) -> str:
        """Where the listener is."""
        if store.descriptor:
            return "connect descriptor"
        return f"{store.protocol}://{store.host}:{store.port}/{store.service_name or store.sid}"

    @admin.display(description="user", ordering="user")
    def account(self, store: DataStore) -> str:
        """As whom."""
        return store.user

    @admin.display(description="driver", ordering="thick")
    def driver(self, store: DataStore) -> str:
        """Thin or thick."""
        return "thick" if store.thick else "thin"

    @admin.display(description="views", ordering="sources_")
    def source_count(self, store: DataStore) -> str:
        """How many sources read from it, with a link to them."""
        link = f"{reverse('admin:catalog_datasource_changelist')}?store__id__exact={store.pk}"
        return format_html('<a class="etl-link" href="{}">{}</a>', link, store.sources_)  # type: ignore[attr-defined]

    def get_urls(self) -> list[URLPattern]:
        """With the address of "Test connection"."""
        test = path(
            "<int:object_id>/test/",
            self.admin_site.admin_view(require_POST(self.test_view)),
            name="catalog_datastore_test",
        )
        return [test, *super().get_urls()]

    def test_view(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """Connect as configured, and answer with a piece of page."""
        require(request, "change_datastore")
        store = self.found(request, str(object_id))
        context: dict[str, Any] = {"store": store}
        try:
            context["answer"] = etl.ask("store-check", store.name)
            audit(request, store, "Tested the connection: it works.")
        except etl.Refusal as refusal:
            context["refusal"] = refusal
            audit(request, store, f"Tested the connection: {refusal.code}.")
        return TemplateResponse(request, "catalog/store_tested.html", context)


def _without_secrets(fields: Any) -> tuple[Any, ...]:
    return tuple(name for name in fields if name not in ("new_password", "new_wallet_password"))
