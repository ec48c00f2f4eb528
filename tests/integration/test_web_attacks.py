"""The site under attack, by request: each class of attack, as each role that could try it."""

from __future__ import annotations

import csv
import io
import json
from contextlib import suppress
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Group, Permission, User
from django.core.exceptions import ValidationError
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import timezone

from etl_web_admin.catalog import etl, exchange
from etl_web_admin.catalog.admin.base import safe_cell
from etl_web_admin.catalog.models import DataSource, DataStore, EtlTransaction, LogError
from tests.web import KEY, SECRET, make_error, make_run, make_source, make_store, make_user

pytestmark = pytest.mark.django_db
ROLES = ("nobody", "viewer", "operator", "administrator")
IMAGE = '"><img src=x onerror=alert(1)>'
CLOSING = "</script><script>alert(1)</script>"
LONG = "9" * 40


@pytest.fixture(autouse=True)
def _site(settings: Any, tmp_path: Any) -> None:
    settings.ETL_SECRET_KEYS = [KEY]
    settings.DATA_FOLDER = tmp_path
    settings.SECRET_KEY = "a-key-of-the-tests-that-is-long-enough-for-every-check-0123456789"


def client_of(role: str, **options: Any) -> Client:
    client = Client(headers={"host": "localhost"}, **options)
    client.force_login(make_user(role))
    return client


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """What reaches the command line; nothing is started."""
    lines: list[list[str]] = []

    def command(*arguments: str) -> list[str]:
        lines.append(list(arguments))
        return ["false"]

    monkeypatch.setattr(etl, "_command", command)
    return lines


# Privileges


def with_permissions(role: str, *names: str) -> Client:
    """Somebody of a role to whom a superuser has given more, one by one."""
    client = client_of(role)
    user = User.objects.get(username=role)
    user.user_permissions.set(Permission.objects.filter(codename__in=names))
    return client


ACCOUNTS = tuple(f"{verb}_{what}" for verb in ("add", "change", "delete", "view")
                 for what in ("user", "group"))  # fmt: skip


def test_nobody_makes_himself_a_superuser() -> None:
    """Not even who was given every right over accounts: he could give himself the rest."""
    client = with_permissions("administrator", *ACCOUNTS)
    me, boss = User.objects.get(username="administrator"), make_user("superuser")
    group = Group.objects.get(name="viewer")
    everything = [permission.pk for permission in Permission.objects.all()]
    forged = {
        f"/auth/user/{me.pk}/change/": {"username": "administrator", "is_superuser": "on"},
        f"/auth/user/{boss.pk}/password/": {"password1": "a-new-1-word", "password2": "a-new-1-word"},
        f"/auth/user/{boss.pk}/delete/": {"post": "yes"},
        "/auth/user/add/": {"username": "x", "password1": "a-new-1-word", "password2": "a-new-1-word"},
        f"/auth/group/{group.pk}/change/": {"name": "viewer", "permissions": everything},
        "/auth/group/add/": {"name": "all", "permissions": everything},
    }  # fmt: skip
    for address, values in forged.items():
        assert client.post(address, values).status_code == 403, address
    client.post(
        "/auth/user/", {"action": "delete_selected", "_selected_action": boss.pk, "post": 1}
    )
    me.refresh_from_db()
    boss.refresh_from_db()
    assert not me.is_superuser and boss.check_password("pass-1234-word")
    assert set(User.objects.values_list("username", flat=True)) == {"administrator", "superuser"}
    assert group.permissions.count() == 4


def test_an_account_gets_its_role_when_it_is_made_and_can_log_in() -> None:
    """Without Django's hidden trap: an account that is not staff could never log in."""
    operator = Group.objects.get(name="operator")
    values = {
        "username": "nok",
        "usable_password": "true",
        "password1": "long-word-17",
        "password2": "long-word-17",
        "groups": [operator.pk],
    }
    answer = client_of("superuser").post("/auth/user/add/", values)
    assert answer.status_code == 302, answer.context["errors"]
    client = Client(headers={"host": "localhost"})
    client.post("/login/", {"username": "nok", "password": "long-word-17"})
    assert client.get("/catalog/datasource/").status_code == 200
    assert User.objects.get(username="nok").has_perm("catalog.run_datasource")


@pytest.mark.parametrize("role", ["viewer", "operator"])
def test_columns_that_no_form_shows_cannot_be_posted(role: str) -> None:
    """Nor does any form take them from who may only look."""
    source = make_source()
    client = client_of(role)
    for field in ("watermark", "target_created", "bigquery_dataset", "transform"):
        answer = client.post(f"/catalog/datasource/{source.pk}/change/", {field: "evil"})
        assert answer.status_code == 403
    client.post(f"/catalog/datastore/{source.store_id}/change/", {"new_password": "evil"})
    assert DataStore.objects.get().password == SECRET


@pytest.mark.parametrize("role", ["nobody", "viewer", "operator"])
def test_an_import_is_no_way_round_a_role(role: str) -> None:
    """Neither the page nor the export."""
    make_source()
    file = configuration({})
    client = client_of(role)
    page = "/catalog/datasource/import-configuration/"
    assert client.post(page, {"file": file}).status_code == 403
    assert client.get("/catalog/datasource/export-configuration/").status_code == 403


def document(store: dict[str, Any], source: dict[str, Any] | None = None) -> str:
    return json.dumps(
        {
            "format": "oracle-erp-to-bigquery configuration",
            "version": 1,
            "data_stores": [store],
            "data_sources": [source] if source else [],
        }
    )


def configuration(store: dict[str, Any]) -> Any:
    return SimpleUploadedFile("c.json", document(store).encode())


@pytest.mark.parametrize("more", [{"password": "x"}, {"wallet_password": "x"}, {"id": 1}, {"pk": 1},
                                  {"sources": []}, {"_state": {}}, {"save": 1}])  # fmt: skip
def test_an_import_sets_no_column_that_is_not_in_an_export(more: dict[str, Any]) -> None:
    """Secrets, keys and attributes of Python are unknown names."""
    store = {"name": "ERP", "host": "h", "service_name": "S", "user": "RO", **more}
    answer = client_of("administrator").post(
        "/catalog/datasource/import-configuration/", {"file": configuration(store)}
    )
    assert "Unknown" in answer.content.decode() and not DataStore.objects.exists()


# Forged and foreign requests


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("method", ["get", "put", "patch", "delete", "options", "head"])
def test_no_other_method_acts(role: str, method: str, asked: list[list[str]]) -> None:
    """What changes something is a POST with a token; a link or a picture starts nothing."""
    source = make_source()
    run, error = make_run(source, "running"), make_error(source)
    client = client_of(role)
    for address in (
        f"/catalog/datasource/{source.pk}/run/?kind=run",
        f"/catalog/datasource/{source.pk}/watermark/?kind=reset",
        f"/catalog/datasource/{source.pk}/plan/",
        f"/catalog/datastore/{source.store_id}/test/",
        "/catalog/datasource/oracle/views/?store=1",
        f"/catalog/etltransaction/{run.pk}/stop/",
        "/catalog/etltransaction/purge/?days=30&confirmed=1",
        f"/catalog/logerror/{error.pk}/acknowledge/",
        "/catalog/datasource/?action=deactivate&_selected_action=1",
        "/logout/",
    ):
        getattr(client, method)(address)
    assert not asked and not LogEntry.objects.exists()
    assert not EtlTransaction.objects.filter(cancel_requested=True).exists()
    assert LogError.objects.filter(acknowledged_at=None).count() == 1
    assert DataSource.objects.get().active and client.session.get("_auth_user_id")


def test_rows_of_another_kind_cannot_be_reached_by_their_number() -> None:
    """A number that exists elsewhere, or none at all, is not found: never an error, never a row."""
    source = make_source()
    error = make_error(source)
    client = client_of("superuser")
    for number in (0, -1, error.pk + 1000, LONG, "1%00", "../1", "1 or 1=1", "²", "١"):
        for address in (
            f"/catalog/datasource/{number}/change/",
            f"/catalog/datasource/{number}/run/",
            f"/catalog/datasource/{number}/plan/",
            f"/catalog/datastore/{number}/test/",
            f"/catalog/etltransaction/{number}/live/",
            f"/catalog/etltransaction/{number}/stop/",
            f"/catalog/logerror/{number}/acknowledge/",
            f"/catalog/datasource/add/?copy={number}",
        ):
            assert client.get(address).status_code in (200, 302, 404, 405), address


# Stored script


def test_script_in_any_text_stays_text() -> None:
    """In attributes, in scripts and in templates; in confirmations, history and messages."""
    for payload in (IMAGE, CLOSING):
        LogError.objects.all().delete()
        EtlTransaction.objects.all().delete()
        DataSource.objects.all().delete()
        DataStore.objects.all().delete()
        source = make_source()
        run = make_run(source, "failed", user=payload, host=payload, log_file=payload)
        error = make_error(source, transaction=run)
        nested = {"column": payload, "lower": payload, "name": payload, "type": payload}
        EtlTransaction.objects.filter(pk=run.pk).update(
            error=payload,
            error_code=payload,
            warnings=[payload, {payload: payload}],
            job_ids=[payload],
            step=payload[:16],
            plan={"sql": payload, "binds": {payload: {"value": payload, "type": payload}},
                  "columns": [nested], "additions": [nested], "window": nested, "target": nested,
                  "load_type": payload, "commit": payload},
        )  # fmt: skip
        LogError.objects.update(code=payload, message=payload, action=payload, traceback=payload)
        LogError.objects.update(acknowledged_by=payload, acknowledged_at=timezone.now())
        DataSource.objects.update(view=payload, target=payload, dataset=payload)
        DataStore.objects.update(name=payload, host=payload, user=payload)
        client = client_of("superuser")
        User.objects.update(first_name=payload, email=payload)
        LogEntry.objects.create(
            user=User.objects.get(), action_flag=2, object_repr=payload, change_message=payload,
            object_id=str(source.pk),
        )  # fmt: skip
        for address in (
            "/",
            "/live/",
            "/catalog/datasource/",
            f"/catalog/datasource/?q={payload}",
            f"/catalog/datasource/{source.pk}/change/",
            f"/catalog/datasource/{source.pk}/delete/",
            f"/catalog/datasource/{source.pk}/history/",
            f"/catalog/datasource/{source.pk}/run/",
            f"/catalog/datasource/{source.pk}/watermark/",
            f"/catalog/datasource/add/?copy={source.pk}&view={payload}",
            f"/catalog/datastore/{source.store_id}/change/",
            f"/catalog/etltransaction/?q={payload}",
            f"/catalog/etltransaction/{run.pk}/change/",
            f"/catalog/logerror/?course={payload}",
            f"/catalog/logerror/{error.pk}/change/",
            "/admin/logentry/",
            "/auth/user/",
            f"/search/?s={payload}",
        ):
            text = client.get(address).content.decode()
            assert payload not in text, address
        User.objects.all().delete()


@pytest.mark.parametrize("payload", [IMAGE, CLOSING])
def test_what_the_command_line_answers_is_text(
    payload: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Oracle's own texts come through it: a version, a warning, an error."""
    source = make_source()
    client = client_of("superuser")
    test = f"/catalog/datastore/{source.store_id}/test/"
    plan = f"/catalog/datasource/{source.pk}/plan/"
    told = {"version": payload, "user": payload, "warnings": [payload], "round_trip_ms": payload}
    monkeypatch.setattr(etl, "ask", lambda *a: told)
    assert payload not in client.post(test).content.decode()
    monkeypatch.setattr(etl, "ask", lambda *a: {"plans": [{"sql": payload, "warnings": [payload]}]})
    assert payload not in client.post(plan).content.decode()

    def refuse(*arguments: str) -> Any:
        raise etl.Refusal(payload, payload, payload, [payload])

    monkeypatch.setattr(etl, "ask", refuse)
    for address in (test, plan):
        text = client.post(address).content.decode()
        assert (payload not in text and "onerror" in text) or "alert" in text
    answer = client.post("/catalog/datasource/oracle/views/", {"store": source.store_id})
    assert answer["Content-Type"] == "application/json" and answer["X-Content-Type-Options"]


# Elsewhere


@pytest.mark.parametrize("target", ["https://evil.example/", "//evil.example/", "/\\evil.example",
                                    "https:evil.example", "javascript:alert(1)"])  # fmt: skip
def test_no_page_leads_to_another_site(target: str) -> None:
    """Neither `next`, nor the remembered filters, nor a Referer."""
    source = make_source()
    client = client_of("administrator")
    anonymous = Client(headers={"host": "localhost"})
    login = {"username": "administrator", "password": "pass-1234-word", "next": target}
    for answer in (
        anonymous.post(f"/login/?next={target}", login),
        client.post(f"/catalog/datasource/{source.pk}/run/?next={target}", {"kind": "x"}),
        client.get(f"/catalog/datasource/{source.pk}/copy/?_changelist_filters={target}"),
        client.post(f"/password_change/?next={target}", {}),
        client.get(
            f"/catalog/datasource/{LONG}/change/?next={target}", headers={"referer": target}
        ),
    ):
        assert "evil" not in answer.headers.get("Location", "")
        assert f'href="{target}"' not in answer.content.decode()


# Secrets


def test_no_page_answer_or_line_of_the_audit_holds_a_secret(
    settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """Every page that an administrator can open, and the log of the site."""
    source = make_source(make_store(password=SECRET, wallet_password=f"{SECRET}-wallet"))
    tokens = DataStore.objects.values_list("password", "wallet_password").get()
    client = client_of("superuser")
    for address in (
        "/catalog/datastore/",
        f"/catalog/datastore/{source.store_id}/change/",
        f"/catalog/datastore/{source.store_id}/history/",
        f"/catalog/datastore/{source.store_id}/delete/",
        f"/catalog/datasource/{source.pk}/change/",
        f"/catalog/datasource/add/?copy={source.pk}",
        "/catalog/datasource/export-configuration/",
        "/catalog/datastore/add/?new_password=x&password=y",
        "/search/?s=ERP",
        "/auth/user/",
        "/admin/logentry/",
    ):
        text = client.get(address).content.decode()
        for secret in (SECRET, KEY, settings.SECRET_KEY, *tokens, "pbkdf2_sha256$"):
            assert secret not in text, address
    assert SECRET not in caplog.text


@pytest.mark.parametrize(
    "question",
    ["/catalog/datastore/?password__startswith=g", "/catalog/datastore/?wallet_password__gt=a",
     "/catalog/datastore/?password__isnull=0", "/catalog/datasource/?store__password__startswith=g",
     "/catalog/etltransaction/?source__store__password__contains=g",
     "/admin/logentry/?user__password__startswith=pbkdf2",
     "/catalog/logerror/?transaction__source__store__wallet_password__regex=.",
     "/catalog/datastore/?o=99", "/search/?s=geheim", "/catalog/datastore/?q=geheim"],
)  # fmt: skip
def test_a_list_answers_no_question_about_a_secret(question: str) -> None:
    """The answer is the same whether the guess is right or wrong."""
    source = make_source()
    make_run(source)
    answer = client_of("superuser").get(question)
    assert answer.status_code in (200, 302, 400)
    if answer.status_code == 200 and "cl" in (answer.context or {}):
        assert "q=" not in question or not answer.context["cl"].result_list


def test_a_failure_shows_nothing_of_the_inside(monkeypatch: pytest.MonkeyPatch) -> None:
    """The page of an error has no traceback, and the log no password that was typed."""

    def fail(*arguments: Any, **named: Any) -> Any:
        raise RuntimeError("inside")

    monkeypatch.setattr(DataStore, "full_clean", fail)
    client = client_of("administrator", raise_request_exception=False)
    values = {"name": "ERP", "host": "h", "port": "1", "new_password": SECRET}
    answer = client.post("/catalog/datastore/add/", values)
    text = answer.content.decode()
    assert answer.status_code == 500 and "Something went wrong" in text
    assert "inside" not in text and SECRET not in text and "Traceback" not in text


# Files and programs


@pytest.mark.parametrize(
    "descriptor",
    ["(DESCRIPTION=(ADDRESS=(PROTOCOL=BEQ)(PROGRAM=/bin/sh)(ARGV0=sh)(ARGS='-c id')))",
     "(DESCRIPTION=(ADDRESS = ( PROTOCOL = BEQ )(PROGRAM=/bin/sh)))",
     "(DESCRIPTION=(ADDRESS=(PROTOCOL=TCP)(HOST=h)(PORT=1))(ADDRESS=(PROTOCOL=beq)))",
     '(DESCRIPTION=(ADDRESS=(PROTOCOL="BEQ")))', "(DESCRIPTION=(ADDRESS=(PROTOCOL=IPC)(KEY=x)))",
     "(DESCRIPTION=(IFILE=/etc/passwd)(ADDRESS=(PROTOCOL=TCP)))", "config-file:///etc/passwd",
     "ALIAS", "tcps://evil/x", "(DESCRIPTION=)", "(DESCRIPTION=(ADDRESS=(PROTOCOL=TCP)))\0"],
)  # fmt: skip
def test_a_descriptor_names_no_program_and_no_file(descriptor: str) -> None:
    """Oracle Client runs PROGRAM of a BEQ address; python-oracledb opens config-file."""
    client = client_of("administrator")
    values = {"name": "ERP", "descriptor": descriptor, "user": "RO", "port": "1521",
              "protocol": "tcp", "session_time_zone": "+00:00", "new_password": "x", "thick": "on"}  # fmt: skip
    assert client.post("/catalog/datastore/add/", values).status_code == 200
    store = {"name": "ERP", "descriptor": descriptor, "user": "RO", "thick": True}
    client.post("/catalog/datasource/import-configuration/", {"file": configuration(store)})
    assert not DataStore.objects.exists()


def test_a_descriptor_for_failover_is_taken() -> None:
    """What RAC needs, over lines as people paste it."""
    values = {
        "name": "ERP", "user": "RO", "port": "1521", "protocol": "tcp", "new_password": "x",
        "session_time_zone": "+00:00",
        "descriptor": "(DESCRIPTION =\n (ADDRESS_LIST = (FAILOVER = on)\n"
        "  (ADDRESS = (PROTOCOL = TCP)(HOST = a)(PORT = 1521))\n"
        "  (ADDRESS = (PROTOCOL = tcps)(HOST = b)(PORT = 2484)))\n"
        " (CONNECT_DATA = (SERVICE_NAME = PROD)))\n",
    }  # fmt: skip
    answer = client_of("administrator").post("/catalog/datastore/add/", values)
    assert answer.status_code == 302, answer.context["errors"]


@pytest.mark.parametrize("field", ["service_name", "sid", "wallet_location"])
def test_a_part_of_an_address_stays_a_part(field: str) -> None:
    """Brackets in it would become another address."""
    inside = "X)))(ADDRESS=(PROTOCOL=BEQ)(PROGRAM=/bin/sh))"
    values = {"name": "ERP", "host": "h", "port": "1521", "protocol": "tcp", "user": "RO",
              "session_time_zone": "+00:00", "new_password": "x", field: inside}  # fmt: skip
    if field == "wallet_location":
        values["service_name"] = "PROD"
    answer = client_of("administrator").post("/catalog/datastore/add/", values)
    assert answer.status_code == 200 and field in answer.context["adminform"].form.errors


@pytest.mark.parametrize(
    "evil", ["--all", "-x", "a b; rm", "$(id)", "X.Y\n--json", "../../etc", ""]
)
def test_nothing_but_names_reaches_the_command_line(evil: str, asked: list[list[str]]) -> None:
    """Words of an attacker never become an option, another argument or a path."""
    source = make_source()
    client = client_of("administrator")
    at = {"store": source.store_id}
    client.post("/catalog/datasource/oracle/columns/", {**at, "view": evil})
    client.post("/catalog/datasource/oracle/keys/", {**at, "view": "A.B", "columns": evil})
    client.post(f"/catalog/datasource/{source.pk}/watermark/", {"kind": "set", "moment": evil})
    client.post(f"/catalog/datasource/{source.pk}/watermark/", {"kind": evil, "moment": ""})
    client.post(f"/catalog/datasource/{source.pk}/run/", {"kind": evil})
    client.post(f"/catalog/datasource/{source.pk}/run/",
                {"kind": "backfill", "lower": evil, "upper": "2026-01-01"})  # fmt: skip
    assert asked == []
    client.post("/catalog/datasource/oracle/views/", {**at, "like": evil})
    assert all(line[0] == "store-views" and line[1] == "ERP" for line in asked)
    assert all(line[2] == f"--like={evil}" for line in asked if len(line) > 3)


def test_no_address_reads_a_file() -> None:
    """Static files come from their folder only."""
    client = Client(headers={"host": "localhost"})
    for path in ("/static/../settings.py", "/static/%2e%2e/settings.py", "/static//etc/passwd",
                 "/static/..%2f..%2fetl_config_transaction.db", "/static/%00"):  # fmt: skip
        answer = client.get(path)
        assert answer.status_code in (302, 404), path


# Spreadsheets


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠"])
def test_no_cell_of_an_export_is_a_formula(start: str) -> None:
    """Whatever the ETL or Oracle wrote there."""
    assert safe_cell(f"{start}cmd|' /C calc'!A0").startswith("'")
    source = make_source()
    run = make_run(source, "failed", error=f"{start}1+1", user=f"{start}x")
    answer = client_of("viewer").post(
        "/catalog/etltransaction/", {"action": "export_csv", "_selected_action": run.pk}
    )
    (row,) = csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"), newline=""))
    assert row["error"] == f"'{start}1+1" and row["user"] == f"'{start}x"


# Nonsense must not break a page


NONSENSE = [None, True, -1, 0, 1.5, 10**400, 1e308, "", "x", "\0", "=1", [], [[]], {}, {"a": {}},
            "9" * 400, "99999999999 00:00:00", "P99999999999D", "0000-00-00", "9999-12-31"]  # fmt: skip


@pytest.mark.parametrize("value", NONSENSE, ids=lambda value: repr(value)[:20])
def test_an_import_of_nonsense_is_refused_in_words(value: Any) -> None:
    """Column by column: a sentence or a row, never another exception."""
    make_source()
    good = json.loads(exchange.export())
    store, source = good["data_stores"][0], good["data_sources"][0]
    for column in store:
        with suppress(ValidationError):
            exchange.load(document({**store, column: value}, source))
    for column in source:
        with suppress(ValidationError):
            exchange.load(document(store, {**source, column: value}))


@pytest.mark.parametrize(
    "text", [b"[" * 200_000, b'{"a":' * 100_000, b'{"format": "\\ud800"}', b'{"a": Infinity}',
             b"9" * 10_000, b"\xef\xbb\xbf{}", b"\0"],
)  # fmt: skip
def test_a_file_that_would_break_a_parser_is_refused(text: bytes) -> None:
    """Deep nesting, half a character, infinity, huge numbers."""
    file = SimpleUploadedFile("c.json", text)
    page = "/catalog/datasource/import-configuration/"
    answer = client_of("administrator").post(page, {"file": file})
    assert answer.status_code == 200 and answer.context["form"].errors["file"]


@pytest.mark.parametrize(
    "span", ["99999999999 00:00:00", "999999 d " * 2000, "3654 d", "-1 d", "²d"]
)
def test_no_span_breaks_the_form(span: str) -> None:
    """Longer than any database holds."""
    source = make_source()
    values = {"overlap": span, "expected_every": span, "safety_lag": span}
    answer = client_of("administrator").post(f"/catalog/datasource/{source.pk}/change/", values)
    assert answer.status_code == 200
    assert set(values) <= set(answer.context["adminform"].form.errors) | {"overlap"}
    assert DataSource.objects.get().expected_every.days == 1


@pytest.mark.parametrize("day", ["9999-12-31", "0001-01-01", "2026-02-30", "x", "%00", LONG])
@pytest.mark.parametrize("zone", ["Asia/Bangkok", "America/New_York"])
def test_no_day_breaks_a_list(day: str, zone: str, settings: Any) -> None:
    """The first and the last day of the calendar have no UTC in some zones."""
    settings.TIME_ZONE = zone
    make_run(make_source())
    client = client_of("viewer")
    for end in ("from", "to"):
        page = f"/catalog/etltransaction/?started_at_{end}={day}"
        assert client.get(page).status_code == 200


def test_a_silent_oracle_does_not_take_the_whole_site(monkeypatch: pytest.MonkeyPatch) -> None:
    """Four questions wait at the same time; the next one is told so and does not join them."""
    monkeypatch.setattr(etl, "WAIT_SECONDS", 0.1)
    store = make_store()
    client = client_of("administrator")
    for _ in range(4):
        assert etl.AT_ONCE.acquire(blocking=False)
    try:
        text = client.post(f"/catalog/datastore/{store.pk}/test/").content.decode()
        assert "Too many questions" in text
    finally:
        for _ in range(4):
            etl.AT_ONCE.release()


# Traces


def test_a_purge_stands_in_the_audit() -> None:
    """Who deletes history leaves a line that the purge cannot take."""
    client = client_of("administrator")
    client.post("/catalog/etltransaction/purge/", {"days": 365, "confirmed": 1})
    entry = LogEntry.objects.select_related("user").get()
    assert entry.user.username == "administrator" and "older than 365 days" in entry.change_message
    assert "older than 365 days" in client.get("/admin/logentry/").content.decode()


def test_a_page_that_refreshes_itself_does_not_keep_a_session_alive() -> None:
    """Eight hours after the last page that a person asked for, not after the last poll."""
    run = make_run(make_source(), "running")
    client = client_of("viewer")
    session = client.cookies["sessionid"].value
    for poll in ("/live/", f"/catalog/etltransaction/{run.pk}/live/"):
        assert "sessionid" not in client.get(poll).cookies
    assert client.get("/").cookies["sessionid"]["max-age"] == 8 * 3600
    assert client.cookies["sessionid"].value == session


def test_a_login_gives_a_new_session_and_a_logout_ends_it() -> None:
    """A session that was planted before the login is worth nothing after it."""
    make_user("viewer")
    client = Client(headers={"host": "localhost"})
    client.cookies["sessionid"] = "planted-by-somebody-else-0123456"
    client.post("/login/", {"username": "viewer", "password": "pass-1234-word"})
    session = client.cookies["sessionid"].value
    assert session != "planted-by-somebody-else-0123456"
    client.post("/logout/")
    client.cookies["sessionid"] = session
    assert client.get("/").status_code == 302


# Commands beside the site


def test_the_commands_for_configuration_files_say_what_is_wrong(tmp_path: Any, capsys: Any) -> None:
    """A missing folder, a file in another encoding, a file with a byte order mark."""
    make_source()
    with pytest.raises(CommandError, match="cannot be written"):
        call_command("export_configuration", str(tmp_path / "none" / "c.json"))
    file = tmp_path / "c.json"
    call_command("export_configuration", str(file))
    text = file.read_text(encoding="utf-8")
    assert SECRET not in text and "password" not in text
    file.write_text(text, encoding="utf-8-sig")
    call_command("import_configuration", str(file))
    assert "0 created, 2 changed." in capsys.readouterr().out
    file.write_bytes(text.encode("utf-16"))
    with pytest.raises(CommandError, match="not UTF-8"):
        call_command("import_configuration", str(file))
    assert DataStore.objects.get().password == SECRET


def test_a_password_is_set_from_standard_input(
    monkeypatch: pytest.MonkeyPatch, settings: Any, capsys: Any
) -> None:
    """To the letter, blanks included; without a key it is refused, and never shown."""
    store = make_store()
    monkeypatch.setattr("sys.stdin", io.StringIO(" päss wörd \r\n"))
    call_command("set_store_password", "ERP")
    assert DataStore.objects.get().password == " päss wörd "
    monkeypatch.setattr("sys.stdin", io.StringIO("\n"))
    with pytest.raises(CommandError, match="empty"):
        call_command("set_store_password", store.name)
    with pytest.raises(CommandError, match="no data store"):
        call_command("set_store_password", "nowhere")
    assert "wörd" not in capsys.readouterr().out
    settings.ETL_SECRET_KEYS = []
    monkeypatch.setattr("sys.stdin", io.StringIO("other"))
    with pytest.raises(CommandError, match="ETL_SECRET_KEYS") as refused:
        call_command("set_store_password", "ERP")
    assert refused.value.__cause__ is None and "other" not in str(refused.value)
