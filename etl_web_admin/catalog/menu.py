"""The menu: what this user may see, with the number of open errors beside Log Error."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from django.urls import reverse

from etl_web_admin.catalog.models import LogError

# Group, then: title, icon, address, permission.
_GROUPS: tuple[tuple[str, tuple[tuple[str, str, str, str], ...]], ...] = (
    (
        "Configuration",
        (
            ("Data Store", "database", "catalog_datastore", "catalog.view_datastore"),
            ("Data Source", "table_view", "catalog_datasource", "catalog.view_datasource"),
        ),
    ),
    (
        "History",
        (
            (
                "ETL Transaction",
                "sync_alt",
                "catalog_etltransaction",
                "catalog.view_etltransaction",
            ),
            ("Log Error", "error", "catalog_logerror", "catalog.view_logerror"),
        ),
    ),
    (
        "Site",
        (
            ("Users", "person", "auth_user", "auth.view_user"),
            ("Roles", "groups", "auth_group", "auth.view_group"),
            ("Audit", "history", "admin_logentry", "admin.view_logentry"),
        ),
    ),
)


def items(request: HttpRequest) -> list[dict[str, Any]]:
    """The menu in unfold's form."""
    dashboard = {"title": "Dashboard", "icon": "monitoring", "link": reverse("admin:index")}
    groups: list[dict[str, Any]] = [{"items": [dashboard]}]
    for title, entries in _GROUPS:
        allowed = [_item(*entry[:3]) for entry in entries if request.user.has_perm(entry[3])]
        if allowed:
            groups.append({"title": title, "separator": True, "items": allowed})
    return groups


def _item(title: str, icon: str, name: str) -> dict[str, Any]:
    item: dict[str, Any] = {
        "title": title,
        "icon": icon,
        "link": reverse(f"admin:{name}_changelist"),
    }
    if title == "Log Error":
        count = LogError.objects.filter(acknowledged_at=None).count()
        if count:
            item |= {"badge": f"{count:,}", "badge_variant": "danger"}
    return item
