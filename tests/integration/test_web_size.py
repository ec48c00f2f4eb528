"""The site with 200 sources and 100,000 transactions: as many questions as with none."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from etl_web_admin.catalog.models import DataSource, EtlTransaction, LogError
from tests.web import KEY, make_error, make_run, make_source, make_store, make_user, source_values

pytestmark = pytest.mark.django_db
SOURCES = 200
RUNS = 100_000
PAGES = (
    "/",
    "/live/",
    "/catalog/datasource/",
    "/catalog/datasource/?q=V7",
    "/catalog/etltransaction/",
    "/catalog/etltransaction/?status__exact=failed",
    "/catalog/etltransaction/?p=500",
    "/catalog/etltransaction/?source__id__exact={source}",
    "/catalog/etltransaction/?started_at_from=2020-01-01",
    "/catalog/etltransaction/{run}/change/",
    "/catalog/logerror/",
    "/catalog/logerror/?course=continuing&acknowledged=no",
    "/catalog/logerror/{error}/change/",
)


@pytest.fixture
def client(settings: Any, tmp_path: Any) -> Client:
    settings.ETL_SECRET_KEYS = [KEY]
    settings.DATA_FOLDER = tmp_path
    settings.SECRET_KEY = "a-key-of-the-tests-that-is-long-enough-for-every-check-0123456789"
    found = Client(headers={"host": "localhost"})
    found.force_login(make_user("administrator"))
    return found


def grow(store: Any) -> None:
    """200 sources; runs every few minutes for a year, one of fifty failed; 2,000 errors."""
    DataSource.objects.bulk_create(
        DataSource(store=store, **source_values(view=f"APPS.V{n}", target=f"v{n}"))
        for n in range(SOURCES)
    )
    keys = list(DataSource.objects.order_by("pk").values_list("pk", flat=True))
    model = make_run(DataSource.objects.get(pk=keys[0]), "failed", error_code="ORA-01555")
    columns = [field.column for field in EtlTransaction._meta.concrete_fields]
    varied = {
        "id": f"{model.pk} + n",
        "run_id": "printf('%032x', n)",
        "source_id": f"{keys[0]} + n % {len(keys)}",
        "status": "CASE WHEN n % 50 = 0 THEN 'failed' ELSE 'succeeded' END",
        "started_at": "datetime(started_at, '-' || (n * 5) || ' minutes')",
        "ended_at": "datetime(started_at, '-' || (n * 5 - 1) || ' minutes')",
        "rows_loaded": "n",
    }
    chosen = ", ".join(varied.get(name, name) for name in columns)
    with connection.cursor() as cursor:
        cursor.execute(
            "WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers "
            f"WHERE n < {RUNS}) INSERT INTO etl_transaction ({', '.join(columns)}) "
            f"SELECT {chosen} FROM numbers, etl_transaction AS model WHERE model.id = %s",
            [model.pk],
        )
    failed = EtlTransaction.objects.filter(status="failed").order_by("-started_at")
    LogError.objects.bulk_create(
        LogError(source_id=s, transaction_id=r, code="ORA-01555", message="old", created_at=at)
        for s, r, at in failed.values_list("source_id", "pk", "started_at")
    )


def test_a_hundred_thousand_transactions_cost_no_query_more(client: Client) -> None:
    """Of the dashboard, of each list with its filters, of the pages of one row."""
    store = make_store()
    source = make_source(store)
    run = make_run(source, "failed")
    error = make_error(source, transaction=run)
    make_run(source, "running", heartbeat_at=timezone.now())
    pages = [page.format(source=source.pk, run=run.pk, error=error.pk) for page in PAGES]

    def asked() -> dict[str, int]:
        counts = {}
        for page in pages:
            with CaptureQueriesContext(connection) as captured:
                assert client.get(page).status_code == 200, page
            counts[page] = len(captured)
        return counts

    asked()  # the first page of a process fills the cache of content types
    few = asked()
    grow(store)
    assert DataSource.objects.count() > SOURCES and EtlTransaction.objects.count() > RUNS
    assert asked() == few
    assert max(few.values()) <= 40
