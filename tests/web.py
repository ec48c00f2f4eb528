"""Rows of the configuration database, for the tests of the admin site."""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta
from typing import Any

from django.utils import timezone

KEY = "c2l4dGVlbi1ieXRlcy1hbmQtc2l4dGVlbi1tb3JlISE="
OTHER_KEY = "b3RoZXItc2l4dGVlbi1ieXRlcy1hbmQtb25lLW1vcmU="
SECRET = "geheim-1234-ßรหัส"


def make_store(name: str = "ERP", **values: Any) -> Any:
    """A saved data store with a password."""
    from etl_web_admin.catalog.models import DataStore

    defaults = {"host": "erp.example", "service_name": "PROD", "user": "RO", "password": SECRET}
    return DataStore.objects.create(name=name, **{**defaults, **values})


def source_values(**values: Any) -> dict[str, Any]:
    """What a valid data source has, beside its store."""
    return {
        "view": "APPS.XX_GL_V",
        "dataset": "finance",
        "target": "xx_gl_v",
        "key_columns": ["ID"],
        "incremental_column": "LAST_UPDATE_DATE",
        **values,
    }


def make_source(store: Any = None, **values: Any) -> Any:
    """A saved data source."""
    from etl_web_admin.catalog.models import DataSource

    return DataSource.objects.create(store=store or make_store(), **source_values(**values))


def make_run(source: Any, status: str = "succeeded", **values: Any) -> Any:
    """A saved transaction that started an hour ago and took a minute."""
    from etl_web_admin.catalog.models import EtlTransaction

    started: datetime = values.pop("started_at", timezone.now() - timedelta(hours=1))
    ended = None if status == "running" else started + timedelta(minutes=1)
    defaults = {"run_id": uuid.uuid4().hex, "ended_at": ended, "load_type": "incremental"}
    return EtlTransaction.objects.create(
        source=source, status=status, started_at=started, **{**defaults, **values}
    )


def make_error(source: Any = None, **values: Any) -> Any:
    """A saved log error."""
    from etl_web_admin.catalog.models import LogError

    defaults = {"code": "ORA-01555", "message": "snapshot too old", "step": "extract"}
    return LogError.objects.create(source=source, **{**defaults, **values})


def make_user(role: str) -> Any:
    """An account with one of the roles; `superuser` and `nobody` (no role) too."""
    from django.contrib.auth.models import Group, User

    if role == "superuser":
        return User.objects.create_superuser(role, password="pass-1234-word")
    user = User.objects.create_user(role, password="pass-1234-word", is_staff=True)
    if role != "nobody":
        user.groups.add(Group.objects.get(name=role))
    return user
