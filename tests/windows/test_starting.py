"""How Windows starts a program: without a console, and wherever it happens to stand."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.installation import Installation
from tests.sandbox.demo import set_up
from tests.sandbox.serve import Sandbox
from tests.waiting import run
from tests.windows.server import WindowsPython

VIEW = "ERP.V_GL_ACCOUNTS"
# What a service does: no console, and no standard streams for its children.
START_DETACHED = """
import subprocess, sys
started = subprocess.Popen(sys.argv[1:], creationflags=subprocess.DETACHED_PROCESS)
sys.exit(started.wait())
"""
STREAMS = "import sys; sys.exit([sys.stdin, sys.stdout, sys.stderr].count(None))"


@pytest.fixture(scope="module")
def server(windows: WindowsPython, erp: Sandbox) -> Installation:
    """An installation that knows the nine views."""
    return set_up(windows.new_folder(), erp, windows)


@pytest.fixture(scope="module")
def exit_code_of(server: Installation, windows: WindowsPython) -> Callable[..., int]:
    """Runs pythonw.exe as a service does, and tells its exit code.

    Not python.exe: that of a virtual environment starts another, which then has a console.
    """

    def exit_code_of(*arguments: str) -> int:
        program = windows.program("pythonw.exe")
        done = server.run(windows.command("-c", START_DETACHED, program, *arguments))
        assert done.stdout + done.stderr == ""
        return done.returncode

    assert exit_code_of("-c", STREAMS) == 3
    return exit_code_of


def test_a_run_without_any_stream_ends_with_its_exit_code(
    exit_code_of: Callable[..., int], server: Installation, erp: Sandbox
) -> None:
    before = len(server.rows("etl_transaction"))
    assert exit_code_of("-m", "etl_oracle_to_bq", "run", VIEW, "--parallel", "2") == 0
    (run,) = server.rows("etl_transaction")[before:]
    assert run["status"] == "succeeded"
    assert exit_code_of("-m", "etl_oracle_to_bq", "run", "NOBODY") == 2
    assert server.rows("log_error")[-1]["code"] == "unknown-view"
    erp.faults.set("error_at_row", row=1, code=1722, text="invalid number", match="V_GL_ACCOUNTS")
    assert exit_code_of("-m", "etl_oracle_to_bq", "run", VIEW, "--full") == 3
    assert server.rows("log_error")[-1]["code"] == "ORA-01722"


def test_the_sites_commands_need_no_stream(exit_code_of: Callable[..., int]) -> None:
    assert exit_code_of("etl_web_admin/manage.py", "check") == 0
    missing = ("import_configuration", "C:/no/such/file.json")
    assert exit_code_of("etl_web_admin/manage.py", *missing) == 1


def elsewhere(server: Installation, folder: Path, *arguments: str) -> str:
    """Standard output of a command that must succeed, started in another folder."""
    command, encoding = server.python.command(*arguments), server.python.encoding
    done = run(command, cwd=folder, env=server.env(), encoding=encoding)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_programs_start_from_any_folder(server: Installation, windows: WindowsPython) -> None:
    """By their paths, also with processes of their own."""
    system32 = windows.wine.drive_c / "windows" / "system32"
    etl = windows.path(windows.checkout / "etl_oracle_to_bq")
    manage = windows.path(windows.checkout / "etl_web_admin" / "manage.py")
    listed = json.loads(elsewhere(server, system32, etl, "list", "--json"))
    assert VIEW in [row["view"] for row in listed["sources"]]
    ran = elsewhere(server, system32, etl, "run", VIEW, "--full", "--slices", "2", "--json")
    (run,) = json.loads(ran)["runs"]
    assert (run["status"], run["slices"]) == ("succeeded", 2)
    assert "no issues" in elsewhere(server, system32, manage, "check")
