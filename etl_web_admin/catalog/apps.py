"""The one Django application of the site."""

from __future__ import annotations

from django.apps import AppConfig


class CatalogConfig(AppConfig):
    """Data stores, data sources, transactions and errors."""

    name = "etl_web_admin.catalog"
    label = "catalog"
    verbose_name = "Oracle ERP → BigQuery"
    default_auto_field = "django.db.models.BigAutoField"
