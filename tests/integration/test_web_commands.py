"""The site's commands, as processes: serve with its first account, keys, deployment check."""

from __future__ import annotations

import os
import re
import socket
import sqlite3
import subprocess
import sys
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path

import pytest

from tests.served import FORM_TOKEN, Site
from tests.waiting import HANG_SECONDS, finish, listens, run, until
from tests.web import KEY

CHECKOUT = Path(__file__).resolve().parent.parent.parent
MANAGE = CHECKOUT / "etl_web_admin" / "manage.py"


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """A server of its own: database, data folder, keys, no `.env`."""
    empty = tmp_path / "empty.env"
    empty.touch()
    inherited = {k: v for k, v in os.environ.items() if not k.startswith(("ETL_", "DJANGO_"))}
    return {
        **inherited,
        "ETL_ENV_FILE": str(empty),
        "ETL_DATABASE_URL": f"sqlite:///{tmp_path / 'site.db'}",
        "ETL_DATA_DIR": str(tmp_path / "data"),
        "ETL_SECRET_KEYS": KEY,
    }


def manage(
    environment: Mapping[str, str], *arguments: str, cwd: Path = CHECKOUT
) -> subprocess.CompletedProcess[str]:
    return run([sys.executable, MANAGE, *arguments], env=dict(environment), cwd=cwd)


def test_a_generated_key_is_a_line_for_the_env_file(environment: dict[str, str]) -> None:
    """Which the site then can use; it works from any folder and without any setting."""
    done = manage({**environment, "ETL_SECRET_KEYS": ""}, "generate_key", cwd=Path("/"))
    assert re.fullmatch(r"ETL_SECRET_KEYS=[\w-]{43}=\n", done.stdout), done.stderr


def test_the_deployment_check_is_clean_behind_tls(environment: dict[str, str]) -> None:
    """No warning is left to be ignored."""
    done = manage(
        {**environment, "ETL_SITE_HTTPS": "1"}, "check", "--deploy", "--fail-level", "WARNING"
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ETL_SITE_HTTPS", "yes"),
        ("EMAIL_PORT", "smtp"),
        ("ETL_SITE_SESSION_HOURS", "0"),
        ("ETL_ENV_FILE", "/nowhere/.env"),
    ],
)
def test_a_wrong_setting_is_named(environment: dict[str, str], name: str, value: str) -> None:
    """Instead of a default that nobody asked for."""
    done = manage({**environment, name: value}, "check")
    assert done.returncode != 0 and name in done.stderr


def test_without_postgresqls_driver_the_file_that_brings_it_is_named(
    environment: dict[str, str],
) -> None:
    hidden = "import sys; sys.modules['psycopg'] = None; import runpy; "
    listing = f"{hidden}sys.argv[1:] = ['list']; runpy.run_module('etl_oracle_to_bq', run_name='__main__')"
    done = subprocess.run(
        [sys.executable, "-c", listing],
        env={**environment, "ETL_DATABASE_URL": "postgres://etl:geheim@127.0.0.1:1/etl"},
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "-r etl_web_admin/requirements-postgresql.txt" in done.stderr
    assert "Traceback" not in done.stderr and "geheim" not in done.stderr


def test_only_one_session_key_is_made(environment: dict[str, str], tmp_path: Path) -> None:
    """Only its owner can read it, and two processes that start together share it."""
    script = "from django.conf import settings; print(str(settings.SECRET_KEY))"
    command = [sys.executable, "-c", script]
    options = {**environment, "DJANGO_SETTINGS_MODULE": "etl_web_admin.settings"}
    started = [
        subprocess.Popen(command, env=options, cwd=CHECKOUT, stdout=subprocess.PIPE, text=True)
        for _ in range(4)
    ]
    keys = {finish(process)[0] for process in started}
    assert len(keys) == 1 and len(keys.pop().strip()) >= 50
    (file,) = tmp_path.glob(".etl_site_secret_key*")
    assert os.name == "nt" or file.stat().st_mode & 0o777 == 0o600


def test_the_etl_leaves_no_session_key_behind(environment: dict[str, str], tmp_path: Path) -> None:
    """Reading the configuration signs nothing."""
    done = manage(environment, "migrate", "--verbosity=0")
    assert done.returncode == 0, done.stderr
    assert not list(tmp_path.glob(".etl_site_secret_key*"))


def serve(environment: Mapping[str, str]) -> Site:
    return Site.started([sys.executable, "-u", MANAGE], environment)


@pytest.fixture
def site(environment: dict[str, str]) -> Iterator[Site]:
    """A site that starts with no database at all."""
    running = serve(environment)
    yield running
    running.stop()


def test_a_new_site_makes_its_first_account_by_a_link(site: Site) -> None:
    """There is no default account; the printed link works once, and only that link."""
    link = re.search(r"http://\S+/setup/\S+", site.said)
    assert link
    with pytest.raises(urllib.error.HTTPError, match="404"):
        site.get("/setup/guessed/")
    assert "too common" in site.post(
        link[0], username="a", password1="password", password2="password"
    )
    page = site.post(link[0], username="mis", password1="long-word-17", password2="long-word-17")
    assert "The account is made" in page
    with pytest.raises(urllib.error.HTTPError, match="404"):
        site.get(link[0])
    page = site.post("/login/", username="mis", password="long-word-17")
    for menu in ("Data Store", "Data Source", "ETL Transaction", "Log Error"):
        assert menu in page
    sheet = re.search(r'href="(/static/catalog/site\.[0-9a-f]{12}\.css)"', page)
    assert sheet and "etl-card" in site.get(sheet[1])


def test_a_host_name_that_is_not_the_site_s_is_refused(site: Site) -> None:
    """Links in mails and redirects cannot be made to point elsewhere."""
    request = urllib.request.Request(site.address, headers={"Host": "evil.example"})
    with pytest.raises(urllib.error.HTTPError, match="400"):
        site.browser.open(request)


@pytest.mark.parametrize("code_page", ["cp437", "cp874", "cp1252"])
def test_the_site_answers_where_its_name_cannot_be_shown(
    environment: dict[str, str], code_page: str
) -> None:
    """The arrow in it is in none of these code pages."""
    poor = {"PYTHONUTF8": "0", "PYTHONIOENCODING": code_page}
    running = serve({**environment, **poor})
    try:
        assert "Oracle ERP \\u2192 BigQuery answers at" in running.said
        assert "First account" in running.get(running.said.partition(running.address)[2].split()[0])
    finally:
        running.stop()


def test_the_site_answers_when_nobody_reads_what_it_says(environment: dict[str, str]) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, MANAGE, "serve", "--port", str(port)]
    with subprocess.Popen(command, env=environment, stdout=writing, stderr=writing) as serving:
        os.close(writing)
        try:
            until(lambda: listens(port), "a site that listens", serving)
            # The second is written to the log of the site, which is standard error.
            for page, status in (("login/", 200), ("setup/nobody/", 404), ("login/", 200)):
                assert _status(f"http://localhost:{port}/{page}") == status
        finally:
            serving.kill()


def _status(address: str) -> int:
    browser = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with browser.open(address, timeout=HANG_SECONDS) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        error.close()
        return error.code


def test_behind_a_tls_proxy_the_site_answers(environment: dict[str, str]) -> None:
    """It believes the proxy about TLS and about who asks: no redirect for ever, no shared throttle."""
    running = serve({**environment, "ETL_SITE_HTTPS": "1"})
    try:
        headers = {"X-Forwarded-Proto": "https", "X-Forwarded-For": "203.0.113.7"}
        request = urllib.request.Request(running.address + "/login/", headers=headers)
        with running.browser.open(request, timeout=HANG_SECONDS) as answer:
            page = answer.read().decode()
            assert answer.status == 200 and "max-age" in answer.headers["Strict-Transport-Security"]
            cookie = answer.headers["Set-Cookie"].partition(";")[0]
        token = FORM_TOKEN.search(page)
        assert token
        body = urllib.parse.urlencode(
            {"username": "a", "password": "b", "csrfmiddlewaretoken": token[1]}
        ).encode()
        headers |= {"Cookie": cookie, "Referer": running.address.replace("http:", "https:") + "/"}
        request = urllib.request.Request(running.address + "/login/", body, headers)
        with running.browser.open(request, timeout=HANG_SECONDS) as answer:
            assert "Please enter the correct" in answer.read().decode()
    finally:
        running.stop()
    with closing(sqlite3.connect(environment["ETL_DATABASE_URL"][len("sqlite:///") :])) as database:
        assert database.execute("SELECT address FROM login_failure").fetchall() == [
            ("203.0.113.7",)
        ]
