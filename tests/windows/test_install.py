"""README's steps on a server with Windows, up to the first loaded view."""

from __future__ import annotations

import json
import re

import pytest

from tests.installation import Installation, store_row
from tests.sandbox.demo import STORE, source_rows
from tests.sandbox.serve import Sandbox
from tests.windows.python import requirements
from tests.windows.server import WindowsPython

VIEW = "ERP.V_GL_ACCOUNTS"


@pytest.fixture
def server(windows: WindowsPython, erp: Sandbox) -> Installation:
    """The checkout with settings of its own, before the first step."""
    return Installation(windows.new_folder(), erp.env(), python=windows)


def test_pip_finds_nothing_to_install_and_nothing_amiss(windows: WindowsPython) -> None:
    """The wheels that Linux' pip has chosen are those that Windows' pip would choose."""
    server = Installation(windows.new_folder(), {}, python=windows)
    (wheel,) = (windows.wine.drive_c / "Python311/Lib/ensurepip/_bundled").glob("pip-*.whl")
    pip = windows.path(wheel / "pip")
    options = ("--no-deps", "--no-compile", "--only-binary", ":all:", "-r", "requirements.txt")
    installed = server.run(windows.command(pip, "install", "--no-index", *options))
    assert installed.returncode == 0, installed.stderr
    pins = requirements(windows.checkout / "requirements.txt")
    assert installed.stdout.count("Requirement already satisfied: ") == len(pins) > 30
    checked = server.run(windows.command(pip, "check"))
    assert (checked.returncode, checked.stdout) == (0, "No broken requirements found.\n")


def test_the_tests_own_packages_are_not_there_for_the_product(windows: WindowsPython) -> None:
    server = Installation(windows.new_folder(), {}, python=windows)
    done = server.run(windows.command("-c", "import pytest"))
    assert "No module named 'pytest'" in done.stderr


def test_help_and_list_answer(server: Installation) -> None:
    helped = server.etl("--help")
    assert helped.returncode == 0, helped.stderr
    assert helped.stdout.startswith("usage: python -m etl_oracle_to_bq")
    # It has a letter that cp1252 writes otherwise than UTF-8.
    assert "… to before here" in server.etl("run", "--help").stdout
    listed = server.etl("list", "--json")
    assert (listed.returncode, json.loads(listed.stdout)) == (0, {"sources": []})


def test_the_steps_of_readme_lead_to_a_loaded_view(server: Installation, erp: Sandbox) -> None:
    """A key, a database that is not there yet, store and source, plan, run."""
    made = server.manage("generate_key")
    key = re.fullmatch(r"ETL_SECRET_KEYS=(\S+)\n", made.stdout)
    assert key, made.stderr
    server.database = server.folder / "data" / "etl.db"
    server.database.parent.mkdir()
    server.write_settings(
        ETL_SECRET_KEYS=key[1],
        ETL_DATABASE_URL=f"sqlite:///{server.python.path(server.database)}",
    )
    migrated = server.manage("migrate")
    assert migrated.returncode == 0 and "Applying catalog.0001" in migrated.stdout, migrated.stderr
    checked = server.manage("check")
    assert checked.returncode == 0 and "no issues" in checked.stdout, checked.stderr

    env = erp.env()
    (source,) = (row for row in source_rows() if row["view"] == VIEW)
    password = env["SANDBOX_ORACLE_PASSWORD"]
    server.configure([store_row(STORE, env)], [source], {STORE: password})
    answered = server.etl("store-check", STORE, "--json")
    assert answered.returncode == 0, answered.stderr
    assert json.loads(answered.stdout)["user"] == erp.reader

    planned = server.etl("plan", VIEW)
    assert planned.returncode == 0 and "NUMERIC" in planned.stdout, planned.stderr
    ran = server.etl("run", VIEW, "--json")
    assert ran.returncode == 0, ran.stderr
    (run,) = json.loads(ran.stdout)["runs"]
    assert run["status"] == "succeeded" and run["rows"]["loaded"] > 0
    listed = server.etl("list")
    assert re.search(rf"^{VIEW} .*succeeded", listed.stdout, re.MULTILINE), listed.stderr
    written = b"".join(file.read_bytes() for file in server.folder.rglob("*.*") if file.is_file())
    assert password.encode() not in written
