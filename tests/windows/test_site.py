"""The admin site on Windows, its output redirected, on a console whose code page is cp1252."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.installation import Installation
from tests.sandbox.demo import set_up
from tests.sandbox.serve import Sandbox
from tests.served import Site
from tests.waiting import until
from tests.windows.server import WindowsPython

VIEW = "ERP.V_GL_ACCOUNTS"
USER, PASSWORD = "mis", "long-word-17"


@pytest.fixture(scope="module")
def server(windows: WindowsPython, erp: Sandbox) -> Installation:
    """An installation that knows the nine views."""
    return set_up(windows.new_folder(), erp, windows)


@pytest.fixture
def site(server: Installation) -> Iterator[Site]:
    """`manage.py serve`, and somebody who has logged in."""
    running = Site.started(
        server.manage_command(),
        server.env(),
        server.python.encoding,
        server.python.checkout,
    )
    try:
        if "no account yet" in running.said:
            assert "The account is made" in running.make_first_account(USER, PASSWORD)
        assert "Data Source" in running.post("/login/", username=USER, password=PASSWORD)
        yield running
    finally:
        running.stop()


def last_run(server: Installation, view: str) -> dict[str, Any] | None:
    """What `list` tells of a view, asked of Windows: it holds the database open."""
    listed = server.etl("list", "--json")
    assert listed.returncode == 0, listed.stderr
    (row,) = (row for row in json.loads(listed.stdout)["sources"] if row["view"] == view)
    run: dict[str, Any] | None = row["last_run"]
    return run


def ended_run(server: Installation, view: str) -> dict[str, Any]:
    """The last run of a view once it has ended."""
    runs: list[dict[str, Any]] = []

    def ended() -> bool:
        run = last_run(server, view)
        runs[:] = [run] if run else []
        return bool(run) and runs[0]["status"] != "running"

    until(ended, f"the run of {view} to end")
    return runs[0]


def run_page(server: Installation, view: str) -> str:
    """Where the site asks what to load of a view."""
    (row,) = (row for row in server.rows("data_source") if row["view"] == view)
    return f"/catalog/datasource/{row['id']}/run/"


def test_its_first_lines_fit_any_console(site: Site) -> None:
    assert r"Oracle ERP \u2192 BigQuery answers at" in site.said
    page = site.get("/")
    assert "Oracle ERP → BigQuery" in page and "V_GL_ACCOUNTS" in page


def test_a_store_is_tested_from_its_page(site: Site, server: Installation) -> None:
    """The site starts the command line, and reads its answer."""
    (store,) = server.rows("data_store")
    folder = f"/catalog/datastore/{store['id']}/"
    answer = site.post(f"{folder}test/", page=f"{folder}change/")
    assert "ETL_READER" in answer, answer


def test_a_run_that_it_starts_succeeds(site: Site, server: Installation) -> None:
    page = site.post(run_page(server, VIEW), kind="run")
    assert VIEW in page
    run = ended_run(server, VIEW)
    assert (run["status"], run["error_code"]) == ("succeeded", "")
    assert run["rows"] > 0
    assert "Succeeded" in site.get("/catalog/etltransaction/")


def test_a_run_outlives_the_site_that_started_it(
    site: Site, server: Installation, erp: Sandbox
) -> None:
    view = "ERP.V_AR_RECEIPTS"
    erp.faults.set("stall", row=2, match='"V_AR_RECEIPTS"', times=1)
    site.post(run_page(server, view), kind="full")
    until(lambda: not erp.faults.look("stall", '"V_AR_RECEIPTS"'), "a run to stand still")
    site.process.kill()
    site.process.wait()
    run = last_run(server, view)
    assert run is not None and run["status"] == "running"
    erp.faults.clear()
    assert ended_run(server, view)["status"] == "succeeded"
