"""The site by request: who may what, what is never shown, what an attacker would try."""

from __future__ import annotations

import csv
import io
import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from etl_oracle_to_bq.catalog.rows import named
from etl_oracle_to_bq.errors import ConfigError
from etl_web_admin.catalog import etl, overview
from etl_web_admin.catalog.models import (
    DataSource,
    DataStore,
    EtlTransaction,
    LogError,
    LoginFailure,
)
from tests.web import KEY, SECRET, make_error, make_run, make_source, make_store, make_user

pytestmark = pytest.mark.django_db
ROLES = ("nobody", "viewer", "operator", "administrator", "superuser")
XSS = "<script>alert(1)</script>"


@pytest.fixture(autouse=True)
def _site(settings: Any, tmp_path: Any) -> None:
    settings.ETL_SECRET_KEYS = [KEY]
    settings.DATA_FOLDER = tmp_path
    settings.SECRET_KEY = "a-key-of-the-tests-that-is-long-enough-for-every-check-0123456789"


@pytest.fixture
def history() -> dict[str, Any]:
    """A store, a source, a run that failed with its error, and one that runs."""
    source = make_source()
    failed = make_run(source, "failed", error="boom", error_code="ORA-01555")
    return {
        "store": source.store,
        "source": source,
        "failed": failed,
        "running": make_run(source, "running", step="extract", rows_extracted=1234567),
        "error": make_error(source, transaction=failed, traceback="Traceback …"),
    }


def client_of(role: str, **options: Any) -> Client:
    client = Client(headers={"host": "localhost"}, **options)
    client.force_login(make_user(role))
    return client


def store_form(**values: Any) -> dict[str, Any]:
    return {
        "name": "ERP",
        "host": "erp.example",
        "port": "1521",
        "protocol": "tcp",
        "service_name": "PROD",
        "user": "RO",
        "session_time_zone": "+00:00",
        **values,
    }


def source_form(source: Any, **values: Any) -> dict[str, Any]:
    return {
        "store": source.store_id,
        "view": "apps.xx_gl_v",
        "active": "on",
        "load_order": "100",
        "bigquery_dataset": "finance",
        "target": "",
        "load_mode": "dataframe",
        "write_disposition": "merge",
        "key_columns": "id, line_no",
        "incremental_column": "last_update_date",
        "overlap": "15 min",
        "safety_lag": "0 s",
        "expected_every": "1 d",
        "partition_type": "none",
        "schema_policy": "strict",
        "bad_dates": "fail",
        "bare_numbers": "round",
        "batch_size": "50000",
        "slices": "1",
        **values,
    }


# Who may what

READING = {
    "/": ("nobody", "viewer"),
    "/live/": ("nobody", "viewer"),
    "/catalog/datastore/": ("viewer",),
    "/catalog/datastore/{store}/change/": ("viewer",),
    "/catalog/datastore/add/": ("administrator",),
    "/catalog/datastore/{store}/delete/": ("administrator",),
    "/catalog/datasource/": ("viewer",),
    "/catalog/datasource/{source}/change/": ("viewer",),
    "/catalog/datasource/{source}/check/": ("viewer",),
    "/catalog/datasource/{source}/run/": ("operator",),
    "/catalog/datasource/{source}/watermark/": ("administrator",),
    "/catalog/datasource/add/?copy={source}": ("administrator",),
    "/catalog/datasource/export-configuration/": ("administrator",),
    "/catalog/datasource/import-configuration/": ("administrator",),
    "/catalog/etltransaction/": ("viewer",),
    "/catalog/etltransaction/{failed}/change/": ("viewer",),
    "/catalog/etltransaction/{running}/live/": ("viewer",),
    "/catalog/etltransaction/{running}/stop/": ("operator",),
    "/catalog/etltransaction/purge/": ("administrator",),
    "/catalog/logerror/": ("viewer",),
    "/catalog/logerror/{error}/change/": ("viewer",),
    "/admin/logentry/": ("administrator",),
    "/auth/user/": ("superuser",),
    "/auth/group/": ("superuser",),
}


@pytest.mark.parametrize("role", ROLES)
def test_every_page_is_for_whom_it_is(role: str, history: dict[str, Any]) -> None:
    """200 from the first role that may see it upwards, 403 below."""
    client = client_of(role)
    keys = {name: row.pk for name, row in history.items()}
    for address, allowed in READING.items():
        may = ROLES.index(role) >= ROLES.index(allowed[0])
        answer = client.get(address.format(**keys))
        assert answer.status_code == (200 if may else 403), (role, address)


WRITING = {
    "/catalog/datastore/{store}/test/": "administrator",
    "/catalog/datasource/{source}/run/": "operator",
    "/catalog/datasource/{source}/watermark/": "administrator",
    "/catalog/datasource/oracle/views/": "administrator",
    "/catalog/datasource/oracle/columns/": "administrator",
    "/catalog/datasource/oracle/keys/": "administrator",
    "/catalog/etltransaction/{running}/stop/": "operator",
    "/catalog/etltransaction/purge/": "administrator",
    "/catalog/logerror/{error}/acknowledge/": "operator",
    "/catalog/datastore/add/": "administrator",
    "/catalog/datastore/{store}/change/": "administrator",
    "/catalog/datastore/{store}/delete/": "administrator",
    "/catalog/datasource/{source}/change/": "administrator",
    "/catalog/datasource/import-configuration/": "administrator",
    "/catalog/etltransaction/add/": "nobody at all",
    "/catalog/etltransaction/{failed}/delete/": "nobody at all",
    "/catalog/etltransaction/{failed}/change/": "nobody at all",
    "/catalog/logerror/{error}/change/": "nobody at all",
    "/catalog/logerror/{error}/delete/": "nobody at all",
}


@pytest.mark.parametrize("role", ROLES)
def test_forged_posts_of_lesser_roles_are_refused(role: str, history: dict[str, Any]) -> None:
    """Whatever the page offered: the server decides."""
    client = client_of(role)
    keys = {name: row.pk for name, row in history.items()}
    for address, least in WRITING.items():
        if least in ROLES and ROLES.index(role) >= ROLES.index(least):
            continue
        answer = client.post(address.format(**keys), {"post": "yes"})
        assert answer.status_code == 403, (role, address)
    assert EtlTransaction.objects.filter(cancel_requested=True).count() == 0
    assert LogError.objects.filter(acknowledged_at=None).count() == 1


def test_nothing_without_a_login(history: dict[str, Any]) -> None:
    """Every address leads to the login page."""
    client = Client(headers={"host": "localhost"})
    keys = {name: row.pk for name, row in history.items()}
    for address in {**READING, **WRITING}:
        answer = client.get(address.format(**keys))
        assert answer.status_code == 302 and "/login/" in answer["Location"], address


def test_nothing_without_a_token(history: dict[str, Any]) -> None:
    """Another site cannot make a logged-in browser act."""
    client = client_of("superuser", enforce_csrf_checks=True)
    keys = {name: row.pk for name, row in history.items()}
    for address in WRITING:
        assert client.post(address.format(**keys), {"kind": "run"}).status_code == 403, address


def test_list_actions_of_lesser_roles_do_nothing(history: dict[str, Any]) -> None:
    """A forged action of a viewer is as if it were not there."""
    client = client_of("viewer")
    for action in ("deactivate", "run_chosen", "delete_selected"):
        client.post(
            "/catalog/datasource/", {"action": action, "_selected_action": history["source"].pk}
        )
    client.post(
        "/catalog/logerror/", {"action": "acknowledge", "_selected_action": history["error"].pk}
    )
    assert DataSource.objects.get().active
    assert LogError.objects.get().acknowledged_at is None


def test_rows_that_are_not_there_are_not_found() -> None:
    """No 500 for a guessed number."""
    client = client_of("superuser")
    for address in (
        "/catalog/datasource/999/run/",
        "/catalog/datasource/999/plan/",
        "/catalog/datasource/999/watermark/",
        "/catalog/datasource/add/?copy=999",
        "/catalog/etltransaction/999/live/",
        "/catalog/etltransaction/999/stop/",
    ):
        assert client.get(address).status_code == 404, address
    assert client.get("/catalog/datasource/add/?copy=x").status_code == 200


# Secrets


def test_a_password_goes_in_and_never_comes_out() -> None:
    """Not in any page, export or audit line; empty keeps it."""
    client = client_of("administrator")
    client.post("/catalog/datastore/add/", store_form(new_password=SECRET))
    store = DataStore.objects.get()
    assert store.password == SECRET
    page = f"/catalog/datastore/{store.pk}/change/"
    client.post(page, store_form(user="RO2"))
    assert DataStore.objects.get().password == SECRET
    client.post(page, store_form(user="RO2", new_password="zweites-9876"))
    assert DataStore.objects.get().password == "zweites-9876"
    shown = [
        client.get(address).content.decode()
        for address in (
            page,
            "/catalog/datastore/",
            f"/catalog/datastore/{store.pk}/history/",
            "/catalog/datasource/export-configuration/",
            "/admin/logentry/",
        )
    ]
    token = DataStore.objects.get().__dict__["password"]
    for text in (*shown, *LogEntry.objects.values_list("change_message", flat=True)):
        assert not any(secret in text for secret in (SECRET, "zweites-9876", str(token)))


def test_a_refused_form_does_not_send_the_password_back() -> None:
    """Nor does it stand in the page when something else was wrong."""
    client = client_of("administrator")
    answer = client.post("/catalog/datastore/add/", store_form(port="0", new_password=SECRET))
    assert answer.status_code == 200 and SECRET not in answer.content.decode()
    assert not DataStore.objects.exists()


def test_a_stored_password_goes_to_no_other_server() -> None:
    """A changed address asks for the password again."""
    store = make_store()
    client = client_of("administrator")
    page = f"/catalog/datastore/{store.pk}/change/"
    answer = client.post(page, store_form(host="evil.example"))
    assert "enter the password again" in answer.content.decode()
    assert DataStore.objects.get().host == "erp.example"
    client.post(page, store_form(host="new.example", new_password="fresh"))
    assert (DataStore.objects.get().host, DataStore.objects.get().password) == (
        "new.example",
        "fresh",
    )


def test_secrets_cannot_be_guessed_by_filters() -> None:
    """Django would let a list be filtered by any column of its own."""
    make_store()
    answer = client_of("viewer").get("/catalog/datastore/?password__startswith=g")
    assert answer.status_code == 302 and "e=1" in answer["Location"]


# What others wrote is text


def test_names_and_messages_cannot_carry_script(history: dict[str, Any]) -> None:
    """View names, errors, warnings, plans and jobs are shown as text."""
    source, run = history["source"], history["failed"]
    DataSource.objects.filter(pk=source.pk).update(view=XSS, target=XSS)
    DataStore.objects.update(name=XSS, host=XSS)
    EtlTransaction.objects.filter(pk=run.pk).update(
        error=XSS,
        error_code=XSS,
        warnings=[XSS],
        job_ids=[XSS],
        step_seconds={XSS: 1.0},
        user=XSS,
        host=XSS,
        window_lower=XSS[:26],
        plan={
            "sql": XSS,
            "columns": [{"name": XSS, "note": XSS}],
            "warnings": [XSS],
            "keys": [XSS],
        },
    )
    LogError.objects.update(code=XSS, message=XSS, action=XSS, traceback=XSS, step=XSS[:16])
    client = client_of("superuser")
    for address in (
        "/",
        "/catalog/datastore/",
        f"/catalog/datastore/{source.store_id}/change/",
        "/catalog/datasource/",
        f"/catalog/datasource/{source.pk}/change/",
        f"/catalog/datasource/{source.pk}/run/",
        f"/catalog/datasource/{source.pk}/check/",
        "/catalog/etltransaction/",
        f"/catalog/etltransaction/{run.pk}/change/",
        f"/catalog/etltransaction/{run.pk}/live/",
        f"/catalog/etltransaction/{history['running'].pk}/stop/",
        "/catalog/logerror/",
        f"/catalog/logerror/{history['error'].pk}/change/",
    ):
        text = client.get(address).content.decode()
        assert XSS not in text, address
        assert "&lt;script&gt;" in text, address


def test_pages_forbid_foreign_servers() -> None:
    """No style, script, picture or request from or to elsewhere."""
    answer = client_of("superuser").get("/")
    assert "default-src 'self'" in answer["Content-Security-Policy"]
    assert "frame-ancestors 'none'" in answer["Content-Security-Policy"]
    assert not re.findall(r'(?:src|href|action)="(?:https?:)?//', answer.content.decode())


# Forms


def test_a_source_is_made_from_what_was_typed() -> None:
    """Lower case, commas, words for spans."""
    store = make_store()
    other = make_source(store, view="APPS.OTHER", target="other")
    client = client_of("administrator")
    answer = client.post(
        "/catalog/datasource/add/",
        source_form(
            other,
            cluster_columns="b, a",
            column_types="rate = bignumeric",
            partition_type="month",
            partition_column="gl_date",
        ),
    )
    assert answer.status_code == 302, answer.context["errors"]
    source = DataSource.objects.get(view="APPS.XX_GL_V")
    assert source.key_columns == ["ID", "LINE_NO"] and source.cluster_columns == ["B", "A"]
    assert source.overlap == timedelta(minutes=15) and source.target == "xx_gl_v"
    assert source.column_types == {"RATE": "BIGNUMERIC"}


def test_a_wrong_source_says_everything_that_is_wrong() -> None:
    """Field by field, and the rules between fields."""
    other = make_source()
    answer = client_of("administrator").post(
        "/catalog/datasource/add/",
        source_form(other, view="x;y", bigquery_dataset="a-b", key_columns="", overlap="soon"),
    )
    assert set(answer.context["adminform"].form.errors) == {"view", "dataset", "overlap", "__all__"}
    assert "Merge needs key columns." in answer.content.decode()


def test_saving_a_source_does_not_touch_its_watermark() -> None:
    """A run that ends between opening and saving the form keeps what it has moved."""
    source = make_source()
    client = client_of("administrator")
    page = f"/catalog/datasource/{source.pk}/change/"
    moved = "2026-11-22T01:02:03.000000"
    original = DataSource.save

    def save_late(row: DataSource, *args: Any, **kwargs: Any) -> None:
        DataSource.objects.filter(pk=row.pk).update(watermark=moved, watermark_scope="s")
        original(row, *args, **kwargs)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(DataSource, "save", save_late)
        client.post(page, source_form(source, batch_size="1000", watermark="2000-01-01"))
    source.refresh_from_db()
    assert (source.batch_size, source.watermark) == (1000, moved)


def test_a_copy_is_a_form_and_no_row() -> None:
    """Everything but the view, the table and the watermark."""
    source = make_source(cluster_columns=["A"], watermark="2026-11-22T01:02:03.000000")
    client = client_of("administrator")
    answer = client.get(f"/catalog/datasource/{source.pk}/copy/", follow=True)
    initial = answer.context["adminform"].form.initial
    assert initial["cluster_columns"] == ["A"] and initial["store"] == source.store_id
    assert not {"view", "target", "watermark", "id"} & set(initial)
    assert DataSource.objects.count() == 1


def test_many_are_deactivated_with_a_line_in_the_audit() -> None:
    """And only those that were active."""
    source = make_source()
    make_source(source.store, view="APPS.B", target="b", active=False)
    client = client_of("administrator")
    client.post(
        "/catalog/datasource/",
        {"action": "deactivate", "_selected_action": [row.pk for row in DataSource.objects.all()]},
    )
    assert not DataSource.objects.filter(active=True).exists()
    assert LogEntry.objects.filter(change_message="Deactivated.").count() == 1


# Runs and errors


def test_an_increment_is_compared_with_increments() -> None:
    """Few rows after a first load of many are usual; a tenth of the usual increment is not."""
    source = make_source()
    now = timezone.now()
    for hours, kind, rows in ((9, "first", 90_000), (8, "incremental", 100), (7, "full", 90_000),
                              (6, "incremental", 120), (5, "incremental", 110)):  # fmt: skip
        run = make_run(
            source, load_type=kind, rows_loaded=rows, started_at=now - timedelta(hours=hours)
        )
        (line,) = overview.lines(now)
        assert not line.unusual, run
    assert line.usual_rows == 110
    make_run(source, load_type="incremental", rows_loaded=11, started_at=now - timedelta(hours=4))
    (line,) = overview.lines(now)
    assert line.unusual and line.usual_rows == 110


def test_two_stores_may_have_the_same_view(monkeypatch: pytest.MonkeyPatch) -> None:
    """The site names the store too; the command line understands it."""
    first = make_source()
    second = make_source(make_store("ERP test"), target="other")
    asked: list[Any] = []
    monkeypatch.setattr(etl, "ask", lambda *a: asked.append(a) or {"plans": [{}]})
    client_of("viewer").post(f"/catalog/datasource/{second.pk}/plan/")
    assert asked == [("plan", "ERP test:APPS.XX_GL_V")]
    everything = list(DataSource.objects.select_related("store"))
    assert named(everything, "ERP test:apps.xx_gl_v").pk == second.pk
    assert named(everything, "ERP:XX_GL_V").pk == first.pk
    for name, code in (("XX_GL_V", "ambiguous-view"), ("erp:XX_GL_V", "unknown-view")):
        with pytest.raises(ConfigError) as refused:
            named(everything, name)
        assert refused.value.code == code


def test_a_running_load_is_asked_to_stop_once(history: dict[str, Any]) -> None:
    """A confirmation first, then a flag that the run reads."""
    client, run = client_of("operator"), history["running"]
    page = f"/catalog/etltransaction/{run.pk}/stop/"
    assert "Stop the run" in client.get(page).content.decode()
    run.refresh_from_db()
    assert not run.cancel_requested
    client.post(page)
    run.refresh_from_db()
    assert run.cancel_requested
    client.post(f"/catalog/etltransaction/{history['failed'].pk}/stop/")
    history["failed"].refresh_from_db()
    assert not history["failed"].cancel_requested


@pytest.mark.parametrize(
    ("code", "word", "other"),
    [("stopped", "Stopped", "Failed"), ("ORA-01555", "Failed", "Stopped")],
)
def test_a_run_that_somebody_stopped_did_not_fail(code: str, word: str, other: str) -> None:
    """On every page that shows how it ended."""
    run = make_run(make_source(), "failed", error="words", error_code=code)
    client = client_of("viewer")
    for page in (
        "/live/",
        "/catalog/datasource/",
        "/catalog/etltransaction/",
        f"/catalog/etltransaction/{run.pk}/live/",
    ):
        badges = re.findall(r"etl-badge[^>]*>\s*(\w+)", client.get(page).content.decode())
        assert word in badges and other not in badges, (page, badges)


def test_live_rows_are_shown_and_the_page_learns_of_the_end(history: dict[str, Any]) -> None:
    """The mark that ends the polling comes with the end."""
    client, run = client_of("viewer"), history["running"]
    page = f"/catalog/etltransaction/{run.pk}/live/"
    text = client.get(page).content.decode()
    assert "1,234,567" in text and "data-ended" not in text
    assert "data-poll=" in client.get(f"/catalog/etltransaction/{run.pk}/change/").content.decode()
    EtlTransaction.objects.filter(pk=run.pk).update(status="succeeded", ended_at=timezone.now())
    assert "data-ended" in client.get(page).content.decode()
    ended = client.get(f"/catalog/etltransaction/{run.pk}/change/").content.decode()
    assert 'data-poll="' not in ended


def test_an_error_is_acknowledged_with_name_and_time(history: dict[str, Any]) -> None:
    """Once: the first name stays."""
    error = history["error"]
    page = f"/catalog/logerror/{error.pk}/acknowledge/"
    client_of("operator").post(page)
    error.refresh_from_db()
    assert error.acknowledged_by == "operator" and error.acknowledged_at is not None
    client_of("administrator").post(page)
    error.refresh_from_db()
    assert error.acknowledged_by == "operator"


def test_errors_are_new_continuing_or_recovered() -> None:
    """By what the view did before and since."""
    now = timezone.now()
    source = make_source()

    def error(hours: int) -> Any:
        return make_error(source, created_at=now - timedelta(hours=hours))

    old, first, second = error(50), error(20), error(10)
    make_run(source, started_at=now - timedelta(hours=30))
    client = client_of("viewer")

    def found(course: str) -> list[int]:
        answer = client.get(f"/catalog/logerror/?course={course}")
        return [row.pk for row in answer.context["cl"].result_list]

    assert (found("recovered"), found("new"), found("continuing")) == (
        [old.pk],
        [first.pk],
        [second.pk],
    )
    groups = client.get("/catalog/logerror/?course=new").context["groups"]
    assert [(g["course"], g["number"], g["chosen"]) for g in groups] == [
        ("new", 1, True),
        ("continuing", 1, False),
        ("recovered", 1, False),
    ]


def test_history_is_purged_by_age_but_not_what_is_needed() -> None:
    """Counted first; the last success, running loads and unsettled ones stay."""
    now = timezone.now()
    source = make_source()
    days = {"started_at": now - timedelta(days=400)}
    older = make_run(source, started_at=now - timedelta(days=500))
    last = make_run(source, **days)
    failed = make_run(source, "failed", **days)
    unsettled = make_run(source, "failed", needs_settling=True, **days)
    running = make_run(source, "running", **days)
    make_error(source, created_at=now - timedelta(days=400), transaction=failed)
    young = make_error(source)
    client = client_of("administrator")
    counted = client.post("/catalog/etltransaction/purge/", {"days": 365}).content.decode()
    assert "2 transactions and 1 errors will be deleted" in counted
    assert EtlTransaction.objects.count() == 5
    assert client.post("/catalog/etltransaction/purge/", {"days": 1, "confirmed": 1}).context
    assert EtlTransaction.objects.count() == 5
    client.post("/catalog/etltransaction/purge/", {"days": 365, "confirmed": 1})
    left = set(EtlTransaction.objects.values_list("pk", flat=True))
    assert left == {last.pk, unsettled.pk, running.pk} and older.pk not in left
    assert list(LogError.objects.values_list("pk", flat=True)) == [young.pk]


def test_an_export_is_no_spreadsheet_program(history: dict[str, Any]) -> None:
    """A message that begins like a formula is text to Excel."""
    LogError.objects.update(message='=HYPERLINK("http://evil","x")', code="@SUM(1)")
    answer = client_of("viewer").post(
        "/catalog/logerror/", {"action": "export_csv", "_selected_action": history["error"].pk}
    )
    text = answer.content.decode("utf-8-sig")
    (row,) = csv.DictReader(io.StringIO(text))
    assert row["message"].startswith("'=") and row["code"] == "'@SUM(1)"
    assert row["source__view"] == "APPS.XX_GL_V"


@pytest.mark.parametrize("page", ["etltransaction", "logerror", "datasource", "datastore"])
@pytest.mark.parametrize(
    "query",
    ["?q=x", "?o=1.-2", "?p=9", "?status__exact=failed", "?e=1", "?started_at_from=2026-01-01",
     "?started_at_from=nonsense&created_at_to=x", "?course=new&acknowledged=no", "?course=x",
     "?source__id__exact=1", "?created_at_from=2026-01-01&created_at_to=2026-12-31"],
)  # fmt: skip
def test_lists_answer_any_question(page: str, query: str, history: dict[str, Any]) -> None:
    """A filter of another page or nonsense gives a list or a redirect, never an error."""
    assert client_of("viewer").get(f"/catalog/{page}/{query}").status_code in (200, 302)


def test_days_are_whole_and_in_the_zone_of_the_site(settings: Any) -> None:
    """From a day to the same day is that day, midnight to midnight."""
    settings.TIME_ZONE = "Asia/Bangkok"
    source = make_source()
    for hour in (16, 17, 40, 41):  # UTC, from 22 November: Bangkok's 23rd is 17:00 to 17:00
        make_run(source, started_at=datetime(2026, 11, 22, tzinfo=UTC) + timedelta(hours=hour))
    client = client_of("viewer")
    answer = client.get(
        "/catalog/etltransaction/?started_at_from=2026-11-23&started_at_to=2026-11-23"
    )
    assert answer.context["cl"].result_count == 2


# Configuration files


def exported(client: Client) -> dict[str, Any]:
    return json.loads(client.get("/catalog/datasource/export-configuration/").content)


def send(client: Client, document: Any) -> Any:
    text = document if isinstance(document, bytes) else json.dumps(document).encode()
    file = SimpleUploadedFile("configuration.json", text)
    return client.post("/catalog/datasource/import-configuration/", {"file": file})


def test_a_configuration_moves_to_another_server() -> None:
    """Export, empty, import: the same rows, without password and watermark."""
    make_source(
        watermark="2026-11-22T01:02:03.000000",
        overlap=timedelta(minutes=15),
        column_types={"RATE": "STRING"},
    )
    client = client_of("administrator")
    document = exported(client)
    DataSource.objects.all().delete()
    DataStore.objects.all().delete()
    assert send(client, document).status_code == 302
    assert exported(client) == document
    source = DataSource.objects.select_related("store").get()
    assert (source.watermark, source.store.password) == ("", "")
    assert source.overlap == timedelta(minutes=15)


def test_an_import_changes_what_is_there_and_keeps_its_password_and_watermark() -> None:
    """Unless the address is another one: then the password is forgotten."""
    make_source(watermark="2026-11-22T01:02:03.000000")
    client = client_of("administrator")
    document = exported(client)
    document["data_sources"][0]["batch_size"] = 1234
    send(client, document)
    source = DataSource.objects.select_related("store").get()
    assert source.batch_size == 1234 and source.watermark and source.store.password == SECRET
    document["data_stores"][0]["host"] = "evil.example"
    send(client, document)
    assert DataStore.objects.get().password == ""


def test_a_faulty_import_changes_nothing_and_names_every_fault() -> None:
    """All rows or none."""
    make_source()
    client = client_of("administrator")
    document = exported(client)
    good = document["data_sources"][0]
    document["data_sources"] = [
        {**good, "batch_size": 1},
        {**good, "view": "APPS.B", "target": "b", "key_columns": []},
        {**good, "view": "APPS.C", "target": "c", "store": "nowhere"},
        {**good, "view": "APPS.D", "target": "d", "watermark": "2026-01-01"},
    ]
    text = send(client, document).content.decode()
    for told in ("Merge needs key columns", "nowhere", "Unknown: watermark"):
        assert told in text
    assert DataSource.objects.get().batch_size == 50_000


@pytest.mark.parametrize(
    "document",
    [b"", b"\xff\xfe", b"[]", b"{}", {"format": "other"}, b"null",
     {"format": "oracle-erp-to-bigquery configuration", "version": 1, "data_stores": [1],
      "data_sources": {}},
     {"format": "oracle-erp-to-bigquery configuration", "version": 1, "data_stores": [{"name": {}}],
      "data_sources": [{"view": 7, "store": []}]}],
)  # fmt: skip
def test_what_is_no_configuration_is_refused_in_words(document: Any) -> None:
    """No 500 for any file."""
    answer = send(client_of("administrator"), document)
    assert answer.status_code == 200 and answer.context["form"].errors["file"]


# Login


def attempt(client: Client, password: str, name: str = "operator") -> Any:
    return client.post("/login/", {"username": name, "password": password})


def test_logins_are_throttled() -> None:
    """After five failures even the right password is not looked at; time heals."""
    make_user("operator")
    client = Client(headers={"host": "localhost"})
    for _ in range(5):
        assert "Please enter the correct" in attempt(client, "wrong").content.decode()
    refused = attempt(client, "pass-1234-word")
    assert refused.status_code == 200 and "Too many failed logins" in refused.content.decode()
    LoginFailure.objects.update(failed_at=timezone.now() - timedelta(minutes=16))
    assert attempt(client, "pass-1234-word").status_code == 302


def test_a_success_forgets_the_failures_and_sessions_expire() -> None:
    """Eight hours after the last page, and the cookie is not for scripts."""
    make_user("operator")
    client = Client(headers={"host": "localhost"})
    attempt(client, "wrong")
    answer = attempt(client, "pass-1234-word")
    assert not LoginFailure.objects.exists()
    cookie = answer.cookies["sessionid"]
    assert cookie["max-age"] == 8 * 3600 and cookie["httponly"]
    assert answer["Location"] == "/"


def test_a_login_leads_to_no_other_site() -> None:
    """`next` is checked."""
    make_user("operator")
    client = Client(headers={"host": "localhost"})
    answer = client.post(
        "/login/?next=https://evil.example/",
        {"username": "operator", "password": "pass-1234-word", "next": "https://evil.example/"},
    )
    assert "evil" not in answer["Location"]


# Size


def test_lists_and_dashboard_ask_a_constant_number_of_questions() -> None:
    """Ten times the rows, not one query more."""
    client = client_of("superuser")
    store = make_store()
    pages = (
        "/",
        "/catalog/datastore/",
        "/catalog/datasource/",
        "/catalog/etltransaction/",
        "/catalog/logerror/",
        "/admin/logentry/",
        "/auth/user/",
    )

    def grow(numbers: range) -> None:
        for number in numbers:
            source = make_source(store, view=f"APPS.V{number}", target=f"v{number}")
            make_run(source, rows_loaded=number)
            run = make_run(source, "failed")
            make_error(source, transaction=run)

    def questions(page: str) -> int:
        with CaptureQueriesContext(connection) as captured:
            assert client.get(page).status_code == 200
        return len(captured)

    grow(range(3))
    few = {page: questions(page) for page in pages}
    grow(range(3, 33))
    assert {page: questions(page) for page in pages} == few
    assert max(few.values()) < 45
