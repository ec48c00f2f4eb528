"""Start a load from the site, and take the person to its row."""

from __future__ import annotations

import time
from collections.abc import Sequence

from django.contrib import messages
from django.db.models import Max
from django.http import HttpRequest, HttpResponseRedirect
from django.urls import reverse

from etl_web_admin.catalog import etl
from etl_web_admin.catalog.admin.base import audit, require
from etl_web_admin.catalog.models import DataSource, EtlTransaction

# A load needs a second or two before its row is there; a person should see it at once.
APPEAR_SECONDS = 10.0


def start(
    request: HttpRequest, sources: Sequence[DataSource], arguments: Sequence[str]
) -> HttpResponseRedirect:
    """Start the command line and answer with the page of the run that appeared."""
    require(request, "run_datasource")
    newest = EtlTransaction.objects.aggregate(newest=Max("pk"))["newest"] or 0
    try:
        started = etl.launch(request.user.get_username(), *arguments)
    except etl.Refusal as refusal:
        messages.error(request, refusal.message)
        return _listing(sources)
    for source in sources:
        audit(request, source, f"Started: {' '.join(arguments)[:500]}")
    row = _appeared(started, sources, newest)
    if row is not None:
        messages.success(request, f"{row.source.view} is being loaded.")
        return HttpResponseRedirect(reverse("admin:catalog_etltransaction_change", args=(row.pk,)))
    if started.process.poll() is None:
        messages.info(request, "The load is starting; its row appears here in a moment.")
    elif started.process.returncode == 0:
        messages.success(request, "The load has ended.")
    else:
        told = etl.failure_of(started)
        messages.error(request, f"{told.message} {told.action}")
    return _listing(sources)


def _appeared(
    started: etl.Started, sources: Sequence[DataSource], newest: int
) -> EtlTransaction | None:
    deadline = time.monotonic() + APPEAR_SECONDS
    wanted = [source.pk for source in sources]
    rows = EtlTransaction.objects.filter(pk__gt=newest, source__in=wanted).select_related("source")
    while True:
        ended = started.process.poll() is not None
        row = rows.defer("plan").order_by("pk").first()
        if row is not None or ended or time.monotonic() > deadline:
            return row
        time.sleep(0.1)


def _listing(sources: Sequence[DataSource]) -> HttpResponseRedirect:
    listing = reverse("admin:catalog_etltransaction_changelist")
    if len(sources) == 1:
        return HttpResponseRedirect(f"{listing}?source__id__exact={sources[0].pk}")
    return HttpResponseRedirect(listing)
