"""The main job on Windows: nine views and their increments, in every way that a user starts them.

After each, rows and sums of money of all nine views are equal in Oracle and in BigQuery.
"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.installation import Installation
from tests.sandbox.dataset.views import VIEWS
from tests.sandbox.demo import compare, set_up
from tests.sandbox.serve import Sandbox
from tests.waiting import finish, run, until
from tests.windows.server import WindowsPython

VIEW = "V_AR_RECEIPTS"
Runs = dict[str, dict[str, Any]]


@pytest.fixture(scope="module")
def server(windows: WindowsPython, erp: Sandbox) -> Installation:
    """An installation that knows the nine views, none of them loaded."""
    return set_up(windows.new_folder(), erp, windows)


def outcomes(done: subprocess.CompletedProcess[str], exit_code: int = 0) -> Runs:
    """The runs of `run ... --json` by view, without owner."""
    assert done.returncode == exit_code, f"{done.returncode}: {done.stdout}\n{done.stderr}"
    return {run["view"].partition(".")[2]: run for run in json.loads(done.stdout)["runs"]}


@pytest.fixture(scope="module")
def first(server: Installation, erp: Sandbox) -> Runs:
    """The first load of the nine views."""
    return outcomes(server.etl("run", "--all", "--json"))


@pytest.fixture
def day(first: Runs, erp: Sandbox) -> None:
    """A business day after the first load, which the next increment shall bring."""
    erp.business_day()
    erp.let_a_second_pass()


def all_agree(erp: Sandbox) -> None:
    differing = {view: sides for view, sides in compare(erp).items() if sides[0] != sides[1]}
    assert differing == {}


def newest(server: Installation, number: int) -> list[dict[str, Any]]:
    """The newest rows of ETL Transaction."""
    return server.rows("etl_transaction")[-number:]


def schedule_task(server: Installation, python: WindowsPython) -> subprocess.CompletedProcess[str]:
    """The batch file, started as Task Scheduler starts it: by its path, from elsewhere."""
    batch = python.wine.path(python.checkout / "schedule_task.bat")
    system32 = python.wine.drive_c / "windows" / "system32"
    command = ["wine", "cmd", "/c", batch]
    return run(command, cwd=system32, env=server.env(), encoding="cp437")


def logged(python: WindowsPython) -> str:
    """What the batch file has logged, wherever it may have had to."""
    folders = (python.checkout.parent, python.wine.drive_c / "users")
    files: list[Path] = [f for each in folders for f in each.rglob("*schedule_task*.log")]
    assert files
    return "".join(file.read_text(encoding="utf-8") for file in files)


def test_the_first_load_brings_every_row(first: Runs, erp: Sandbox) -> None:
    assert {run["status"] for run in first.values()} == {"succeeded"}
    assert set(first) == set(VIEWS)
    # The tests after it change the rows, but not what was loaded first.
    assert sum(run["rows"]["loaded"] for run in first.values()) > 1_000


@pytest.mark.usefixtures("day")
def test_the_batch_file_brings_the_increment(
    server: Installation, windows: WindowsPython, erp: Sandbox
) -> None:
    done = schedule_task(server, windows)
    log = logged(windows)
    assert done.returncode == 0, done.stdout + done.stderr + log
    all_agree(erp)
    assert {row["status"] for row in newest(server, len(VIEWS))} <= {"succeeded", "no_rows"}
    assert f"ERP.{VIEW}: succeeded" in log


@pytest.mark.usefixtures("first")
def test_the_batch_file_ends_with_the_exit_code_of_the_run(
    server: Installation, windows: WindowsPython, erp: Sandbox
) -> None:
    erp.faults.set("refuse_service", code=12514)
    server.write_settings(ETL_ATTEMPTS="1")
    done = schedule_task(server, windows)
    server.write_settings(ETL_ATTEMPTS="3")
    assert done.returncode == 3, logged(windows)
    assert "ORA-12514" in logged(windows)


@pytest.mark.usefixtures("day")
def test_views_are_loaded_by_two_processes_at_once(server: Installation, erp: Sandbox) -> None:
    runs = outcomes(server.etl("run", "--all", "--parallel", "2", "--json"))
    assert len(runs) == len(VIEWS)
    assert len({row["process"] for row in newest(server, len(VIEWS))}) == 2
    all_agree(erp)


@pytest.mark.usefixtures("first")
def test_one_view_is_read_over_two_connections(server: Installation, erp: Sandbox) -> None:
    erp.business_day()
    runs = outcomes(server.etl("run", VIEW, "--full", "--slices", "2", "--json"))
    assert runs[VIEW]["slices"] == 2
    oracle, target = compare(erp)[VIEW]
    assert oracle == target and runs[VIEW]["rows"]["loaded"] == oracle.rows


@pytest.mark.usefixtures("day")
def test_a_killed_run_is_settled_by_the_next(
    server: Installation, windows: WindowsPython, erp: Sandbox
) -> None:
    """In the middle of its rows, as the Task Manager ends it; meanwhile the view is busy."""
    erp.faults.set("stall", row=2, match=f'"{VIEW}"', times=1)
    running = server.start("run", VIEW)
    until(lambda: not erp.faults.look("stall", f'"{VIEW}"'), "the run to stand still", running)
    outcomes(server.etl("run", VIEW, "--json"), exit_code=75)
    windows.wine.run("wine", "taskkill", "/F", "/IM", "python.exe")
    finish(running)
    erp.faults.clear()
    assert [row["status"] for row in server.rows("etl_transaction")].count("running") == 1

    outcomes(server.etl("run", "--all", "--json"))
    all_agree(erp)
    assert "running" not in {row["status"] for row in server.rows("etl_transaction")}
    work = server.folder / "var" / "work"
    assert not work.exists() or list(work.iterdir()) == []


@pytest.mark.usefixtures("first")
@pytest.mark.parametrize(
    ("arguments", "exit_code", "code"),
    [(["V_NOBODY"], 2, "unknown-view"), (["--all", "--from", "2026-01-01"], 2, "invalid-request")],
)
def test_a_refusal_has_its_exit_code(
    server: Installation, arguments: list[str], exit_code: int, code: str
) -> None:
    done = server.etl("run", *arguments)
    assert done.returncode == exit_code
    assert done.stderr.startswith(f"{code}: ")
