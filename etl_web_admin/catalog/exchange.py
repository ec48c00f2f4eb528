"""The configuration as a file: stores and sources without passwords and without watermarks.

Export on one server, import on another. A store is known by its name, a source by store and
view; what exists is changed, what does not is made, nothing is deleted.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from django.core.exceptions import ValidationError
from django.core.serializers.json import DjangoJSONEncoder
from django.db import models, transaction

from etl_web_admin.catalog.models import DataSource, DataStore

FORMAT = "oracle-erp-to-bigquery configuration"
VERSION = 1
ADDRESS = ("host", "port", "service_name", "sid", "descriptor", "protocol")
_STORE_HIDDEN = {"id", "password", "wallet_password"}
_SOURCE_HIDDEN = {
    "id",
    "store",
    "watermark",
    "watermark_scope",
    "watermark_moved_at",
    "target_created",
}


@dataclass(slots=True)
class Outcome:
    """What an import did, row by row, for the person and for the audit history."""

    created: list[models.Model] = field(default_factory=list)
    changed: list[models.Model] = field(default_factory=list)
    without_password: list[str] = field(default_factory=list)


def export() -> str:
    """The whole configuration as JSON text."""
    stores = [_fields(store, _STORE_HIDDEN) for store in DataStore.objects.order_by("name")]
    sources = [
        {"store": source.store.name, **_fields(source, _SOURCE_HIDDEN)}
        for source in DataSource.objects.select_related("store").order_by("store__name", "view")
    ]
    document = {
        "format": FORMAT,
        "version": VERSION,
        "data_stores": stores,
        "data_sources": sources,
    }
    return json.dumps(document, cls=DjangoJSONEncoder, indent=2, ensure_ascii=False)


def _fields(row: models.Model, hidden: set[str]) -> dict[str, Any]:
    return {
        column.name: column.value_from_object(row)
        for column in row._meta.concrete_fields
        if column.name not in hidden
    }


def load(text: str) -> Outcome:
    """Take a file in, wholly or not at all.

    Raises ValidationError with every fault of every row.
    """
    document = _document(text)
    outcome, faults = Outcome(), list[str]()
    with transaction.atomic():
        for values in document["data_stores"]:
            _collect(faults, values, lambda v: _take_store(v, outcome))
        for values in document["data_sources"]:
            _collect(faults, values, lambda v: _take_source(v, outcome))
        if faults:
            raise ValidationError(faults)
    return outcome


def _document(text: str) -> dict[str, Any]:
    try:
        document = json.loads(text)
        # Infinity and halves of characters are JSON to Python and to no database.
        json.dumps(document, ensure_ascii=False, allow_nan=False).encode()
    except (ValueError, RecursionError) as error:
        raise ValidationError(f"The file is not JSON: {error}") from None
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise ValidationError("The file is not a configuration that this site exported.")
    if document.get("version") != VERSION:
        raise ValidationError(f"The file has version {document.get('version')!r}, not {VERSION}.")
    for key in ("data_stores", "data_sources"):
        rows = document.get(key)
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            raise ValidationError(f"The file holds no list {key}.")
    return document


def _collect(faults: list[str], values: Mapping[str, Any], take: Any) -> None:
    name = values.get("view") or values.get("name") or "a row without a name"
    try:
        take(values)
    except ValidationError as error:
        faults.extend(f"{name}: {message}" for message in _messages(error))


def _messages(error: ValidationError) -> list[str]:
    if not hasattr(error, "message_dict"):
        return error.messages
    return [
        message if column == "__all__" else f"{column}: {message}"
        for column, found in error.message_dict.items()
        for message in found
    ]


def _take_store(values: Mapping[str, Any], outcome: Outcome) -> None:
    name = values.get("name")
    existing = DataStore.objects.filter(name=name).first() if isinstance(name, str) else None
    store = existing or DataStore()
    before = [getattr(store, column) for column in ADDRESS]
    _assign(store, values, _STORE_HIDDEN)
    if existing and before != [getattr(store, column) for column in ADDRESS]:
        # A stored password goes to no other server than the one it was given for.
        store.password = store.wallet_password = ""
    store.full_clean(exclude=["password", "wallet_password"])
    store.save()
    (outcome.changed if existing else outcome.created).append(store)
    if not store.__dict__["password"]:
        outcome.without_password.append(store.name)


def _take_source(values: Mapping[str, Any], outcome: Outcome) -> None:
    name = values.get("store")
    store = DataStore.objects.filter(name=name).first() if isinstance(name, str) else None
    if store is None:
        raise ValidationError(f"There is no data store {values.get('store')!r}.")
    existing = DataSource.objects.filter(store=store, view=str(values.get("view"))).first()
    source = existing or DataSource(store=store)
    _assign(source, {k: v for k, v in values.items() if k != "store"}, _SOURCE_HIDDEN)
    source.full_clean()
    source.save()
    (outcome.changed if existing else outcome.created).append(source)


def _assign(row: models.Model, values: Mapping[str, Any], hidden: set[str]) -> None:
    columns = {c.name: c for c in row._meta.concrete_fields if c.name not in hidden}
    unknown = sorted(set(values) - set(columns))
    if unknown:
        raise ValidationError(f"Unknown: {', '.join(unknown)}.")
    for name, value in values.items():
        setattr(row, name, _converted(columns[name], value))


def _converted(column: Any, value: Any) -> Any:
    if value is None and not column.null:
        raise ValidationError({column.name: "It cannot be null."})
    try:
        return column.to_python(value)
    except (TypeError, ValueError, OverflowError):
        raise ValidationError({column.name: f"{value!r} is not a value for it."}) from None
