"""Purge of old history: loads and errors, never what the next load needs."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.db.models import Exists, OuterRef, Q, QuerySet

from etl_web_admin.catalog.models import EtlTransaction, LogError
from etl_web_admin.catalog.models.choices import RunStatus
from etl_web_admin.catalog.overview import SUCCESS

# Many small deletes: a run that wants to record itself meanwhile waits for none of them long.
SLICE = 500


@dataclass(frozen=True, slots=True)
class Purged:
    """How many rows went, or would go."""

    transactions: int
    errors: int


def old_transactions(before: datetime) -> QuerySet[EtlTransaction]:
    """Ended before then, settled, and not the last success of their source."""
    later = EtlTransaction.objects.filter(
        source=OuterRef("source"), status__in=SUCCESS, started_at__gt=OuterRef("started_at")
    )
    return (
        EtlTransaction.objects.filter(started_at__lt=before, needs_settling=False)
        .exclude(status=RunStatus.RUNNING)
        .filter(~Q(status__in=SUCCESS) | Exists(later))
    )


def old_errors(before: datetime) -> QuerySet[LogError]:
    """Written before then."""
    return LogError.objects.filter(created_at__lt=before)


def count(before: datetime) -> Purged:
    """What a purge would delete."""
    return Purged(old_transactions(before).count(), old_errors(before).count())


def purge(before: datetime) -> Purged:
    """Delete it; watermarks belong to the sources and stay."""
    errors = _delete(old_errors(before))
    return Purged(_delete(old_transactions(before)), errors)


def _delete(rows: QuerySet[EtlTransaction] | QuerySet[LogError]) -> int:
    deleted = 0
    while True:
        chosen = list(rows.order_by("pk").values_list("pk", flat=True)[:SLICE])
        if not chosen:
            return deleted
        _, by_model = rows.model._default_manager.filter(pk__in=chosen).delete()
        deleted += by_model.get(rows.model._meta.label, 0)
