"""What is printed decides nothing: code pages, no console, a reader that left, a full disk.

Every command here runs as its users run it, as a process.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from cryptography.fernet import Fernet

from tests.installation import ROOT, Installation, store_row

if TYPE_CHECKING:
    from tests.sandbox.serve import Sandbox

STORE, VIEW, SECRET = "ระบบ ERP", "APPS.XX_รายงาน_V", "geheim-ßรหัส-7"
LOADED = ("ERP.V_AP_PAYMENTS", "ERP.V_AR_RECEIPTS")
SETTINGS = {
    "GOOGLE_CLOUD_PROJECT": "erp",
    "BIGQUERY_EMULATOR_HOST": "http://127.0.0.1:1",
    "ETL_ATTEMPTS": "1",
    "ETL_SECRET_KEYS": Fernet.generate_key().decode("ascii"),
}
MANAGE = str(ROOT / "etl_web_admin" / "manage.py")
# What a console's code page is to Python: 437 of the USA, 874 of Thailand, 1252 of Western
# Europe, 65001, and a Linux without any locale.
CONSOLES: dict[str, dict[str, str]] = {
    **{
        page: {"PYTHONUTF8": "0", "PYTHONIOENCODING": page}
        for page in ("cp437", "cp874", "cp1252", "utf-8")
    },
    "ascii": {"PYTHONUTF8": "0", "LC_ALL": "C"},
}
posix_only = pytest.mark.skipif(
    os.name == "nt",
    reason="on Windows arguments are text, and no directory is removed while somebody is in it",
)


def run(
    installation: Installation, command: list[str], text: str = "", **changed: str
) -> subprocess.CompletedProcess[bytes]:
    """Run it with changes of its environment, and with `text` on standard input."""
    return subprocess.run(
        command,
        cwd=ROOT,
        env={**installation.env(), **changed},
        input=text.encode(),
        capture_output=True,
        check=False,
    )


def manage(*arguments: str) -> list[str]:
    return [sys.executable, MANAGE, *arguments]


def source(view: str, store: str, target: str) -> dict[str, object]:
    return {
        "view": view,
        "store": store,
        "dataset": "finance",
        "target": target,
        "write_disposition": "replace",
    }


@pytest.fixture(scope="module")
def configured(tmp_path_factory: pytest.TempPathFactory) -> Installation:
    """One store with a Thai name that leads nowhere, and one view with a Thai name."""
    made = Installation(tmp_path_factory.mktemp("configured"), {}, SETTINGS)
    nowhere = {"host": "127.0.0.1", "port": 1, "service_name": "P", "user": "U"}
    made.configure([{"name": STORE, **nowhere}], [source(VIEW, STORE, "t")], {STORE: SECRET})
    return made


@pytest.fixture
def installation(configured: Installation, tmp_path: Path) -> Installation:
    made = Installation(tmp_path / "own", {}, SETTINGS)
    shutil.copyfile(configured.database, made.database)
    return made


# Code pages


@pytest.mark.parametrize("console", CONSOLES)
def test_a_console_of_any_code_page_gets_its_answer(
    installation: Installation, console: str
) -> None:
    def etl(*arguments: str) -> subprocess.CompletedProcess[bytes]:
        done = run(installation, installation.command(*arguments), **CONSOLES[console])
        assert b"Traceback" not in done.stderr, done.stderr
        return done

    read = etl("run", VIEW)
    assert read.returncode == 3
    for name in (STORE, VIEW):
        assert name.encode(console, "backslashreplace") in read.stdout
    asked = etl("run", VIEW, "--json")
    assert asked.returncode == 3
    (outcome,) = json.loads(asked.stdout.decode("ascii"))["runs"]
    assert outcome["view"] == VIEW and STORE in outcome["error"]["message"]
    first, second = (row["message"] for row in installation.rows("log_error"))
    assert STORE in first and second == outcome["error"]["message"]
    (listed,) = json.loads(etl("list", "--json").stdout.decode("ascii"))["sources"]
    assert listed["view"] == VIEW
    unknown = etl("run", "ÄÉ_→_🙂", "--json")
    assert unknown.returncode == 2
    assert "ÄÉ_→_🙂" in json.loads(unknown.stdout.decode("ascii"))["error"]["message"]


def site(installation: Installation, console: str, *arguments: str, **changed: str) -> bytes:
    """What a command of the site says on a console; it must succeed."""
    done = run(installation, manage(*arguments), **CONSOLES[console], **changed)
    assert (done.returncode, b"Traceback" in done.stderr) == (0, False), done.stderr
    return done.stdout


@pytest.mark.parametrize("console", CONSOLES)
def test_a_command_of_the_site_answers_on_any_code_page(
    installation: Installation, console: str
) -> None:
    with contextlib.closing(sqlite3.connect(installation.database)) as database, database:
        database.execute("UPDATE data_store SET password = ''")
    exported = installation.folder.parent / "exported.json"
    site(installation, console, "export_configuration", str(exported))
    said = site(installation, console, "import_configuration", str(exported))
    assert f"{STORE!r}".encode(console, "backslashreplace") in said


def test_names_and_passwords_are_taken_as_typed_where_the_locale_is_ascii(
    installation: Installation,
) -> None:
    command = manage("set_store_password", STORE)
    done = run(installation, command, "รหัส-ß-2\n", **CONSOLES["ascii"])
    assert done.returncode == 0, done.stderr
    (stored,) = (row["password"] for row in installation.rows("data_store"))
    assert Fernet(SETTINGS["ETL_SECRET_KEYS"]).decrypt(stored).decode() == "รหัส-ß-2"


def test_a_password_in_another_encoding_is_refused(installation: Installation) -> None:
    """Instead of stored as something else, which would lock the account."""
    before = installation.rows("data_store")
    done = subprocess.run(
        manage("set_store_password", STORE),
        cwd=ROOT,
        env=installation.env(),
        input="รหัส".encode("cp874"),
        capture_output=True,
        check=False,
    )
    assert done.returncode == 1
    assert b"PYTHONUTF8=1" in done.stderr and b"Traceback" not in done.stderr
    assert installation.rows("data_store") == before


@posix_only
def test_an_argument_that_is_no_text_is_refused(installation: Installation) -> None:
    done = run(installation, [*installation.command("run"), os.fsdecode(b"APPS.\xff")])
    assert done.returncode == 2
    assert b"an argument is not text" in done.stderr and b"Traceback" not in done.stderr


# Places that take nothing


@contextlib.contextmanager
def reader_gone() -> Iterator[int]:
    reading, writing = os.pipe()
    os.close(reading)
    yield writing
    os.close(writing)


@contextlib.contextmanager
def full_disk() -> Iterator[int]:
    number = os.open("/dev/full", os.O_WRONLY)
    yield number
    os.close(number)


PLACES = {"a pipe without a reader": reader_gone}
if Path("/dev/full").exists():
    PLACES["a full disk"] = full_disk
NOTHING = ("no console", *PLACES)


def run_into(place: str, installation: Installation, command: list[str], **changed: str) -> int:
    """The exit code of a command whose standard output and error both lead there."""
    env = {**installation.env(), **changed}
    if place == "no console":
        # As pythonw.exe, or a service, starts it; on Linux the three files are closed indeed.
        if os.name == "nt":
            return subprocess.run(
                _without_streams(command), cwd=ROOT, env=env, check=False
            ).returncode
        closed = ["sh", "-c", 'exec "$0" "$@" <&- >&- 2>&-', *command]
        return subprocess.run(closed, cwd=ROOT, env=env, check=False).returncode
    with PLACES[place]() as out:
        return subprocess.run(
            command,
            cwd=ROOT,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            check=False,
        ).returncode


def _without_streams(command: list[str]) -> list[str]:
    python, first, *arguments = command
    what = "run_path(%r" if first == MANAGE else "run_module(%r"
    name = first if first == MANAGE else arguments.pop(0)
    bare = (
        "import runpy, sys; sys.stdin = sys.stdout = sys.stderr = None\n"
        f"sys.argv = [{name!r}, *{arguments!r}]\n"
        f"runpy.{what % name}, run_name='__main__')"
    )
    return [python, "-c", bare]


@pytest.mark.parametrize("place", NOTHING)
@pytest.mark.parametrize("unbuffered", ["", "1"], ids=["", "unbuffered"])
def test_a_failure_is_recorded_and_ends_with_its_code(
    installation: Installation, place: str, unbuffered: str
) -> None:
    def ends(*arguments: str) -> int:
        command = installation.command(*arguments)
        return run_into(place, installation, command, PYTHONUNBUFFERED=unbuffered)

    assert ends("run", VIEW) == 3
    assert ends("run", "NOBODY") == ends("run", "NOBODY", "--json") == 2
    codes = [row["code"] for row in installation.rows("log_error")]
    assert codes == ["ORA-12541", "unknown-view", "unknown-view"]


@pytest.fixture
def working(sandbox: Sandbox, tmp_path: Path) -> Installation:
    """Two views that can be loaded."""
    env = sandbox.env()
    made = Installation(tmp_path, env, {"ETL_ATTEMPTS": "1"})
    name = f"t_{abs(hash(tmp_path))}"
    sources = [source(view, "ERP", f"{name}_{n}") for n, view in enumerate(LOADED)]
    made.configure([store_row("ERP", env)], sources, {"ERP": sandbox.reader_password})
    return made


@pytest.mark.parametrize("place", NOTHING)
def test_a_run_that_nobody_hears_succeeds_and_is_recorded(
    working: Installation, place: str
) -> None:
    """In this process, and in children for slices and for views at once."""
    assert run_into(place, working, working.command("run", LOADED[0], "--slices", "2")) == 0
    assert run_into(place, working, working.command("run", "--all", "--parallel", "2")) == 0
    assert [row["status"] for row in working.rows("etl_transaction")] == 3 * ["succeeded"]
    logs = [path.read_text(encoding="utf-8") for path in (working.folder / "var/log").iterdir()]
    assert not [log for log in logs if "Traceback" in log]


@pytest.mark.skipif("a full disk" not in PLACES, reason="there is no /dev/full here")
def test_what_a_full_disk_did_not_take_is_said(
    installation: Installation, oracle_sandbox: Sandbox
) -> None:
    """A run's exit code stands, because the run does; an answer that nobody got is a failure."""

    control = {"SANDBOX_CONTROL": oracle_sandbox.control.url}

    def told(command: list[str], exit_code: int) -> None:
        with full_disk() as out:
            done = subprocess.run(
                command,
                cwd=ROOT,
                env={**installation.env(), **control},
                stdout=out,
                stderr=subprocess.PIPE,
                encoding="utf-8",
                check=False,
            )
        assert done.returncode == exit_code, done.stderr
        assert done.stderr.splitlines()[-1] == (
            "Standard output is not complete, it could not be written: No space left on device."
        )

    told(installation.command("run", VIEW), 3)
    told(installation.command("list"), 5)
    told(installation.command("list", "--json"), 5)
    told(installation.command("watermark", VIEW), 5)
    told(installation.command("watermark", VIEW, "--reset"), 0)
    told(manage("generate_key"), 1)
    told(manage("migrate"), 0)


def test_a_reader_that_has_seen_enough_is_no_failure(installation: Installation) -> None:
    """As in `list | head -1`."""
    with reader_gone() as out:
        for command in (installation.command("list"), manage("showmigrations")):
            done = subprocess.run(
                command,
                cwd=ROOT,
                env=installation.env(),
                stdout=out,
                stderr=subprocess.PIPE,
                check=False,
            )
            assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.parametrize("place", NOTHING)
def test_the_commands_of_the_site_do_their_work_unheard(
    installation: Installation, tmp_path: Path, place: str
) -> None:
    def ends(*arguments: str, **changed: str) -> int:
        return run_into(place, installation, manage(*arguments), **changed)

    file = tmp_path / "exported.json"
    assert ends("export_configuration", str(file)) == 0
    installation.database.unlink()
    assert ends("migrate") == 0
    assert ends("import_configuration", str(file)) == 0
    assert ends("rotate_keys") == 0
    account = ("--noinput", "--username", "somchai", "--email", "somchai@localhost")
    assert ends("createsuperuser", *account, DJANGO_SUPERUSER_PASSWORD=SECRET) == 0
    assert [row["name"] for row in installation.rows("data_store")] == [STORE]
    assert [row["username"] for row in installation.rows("auth_user")] == ["somchai"]
    # There is nothing to read a password or a name from.
    assert ends("set_store_password", STORE) == 1
    assert ends("createsuperuser") == 1
    assert ends("import_configuration", str(tmp_path / "nothing.json")) == 1


def test_an_account_that_nobody_could_be_asked_for_is_no_success(
    installation: Installation,
) -> None:
    done = run(installation, manage("createsuperuser"))
    assert done.returncode == 1
    assert b"No account was made" in done.stderr and b"--noinput" in done.stderr


@posix_only
@pytest.mark.parametrize("gone", [False, True], ids=["root", "removed"])
def test_the_working_directory_does_not_matter(
    installation: Installation, tmp_path: Path, gone: bool
) -> None:
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    leave = f'cd "{folder if gone else Path("/")}" && {"rmdir" if gone else "test -d"} "{folder}"'
    env: Mapping[str, str] = {**installation.env(), "PYTHONPATH": str(ROOT)}
    for command, code in (
        (installation.command("run", VIEW), 3),
        (installation.command("list"), 0),
        (manage("check"), 0),
        (manage("migrate"), 0),
    ):
        folder.mkdir(exist_ok=True)
        there = ["sh", "-c", f'{leave} && exec "$0" "$@"', *command]
        done = subprocess.run(there, env=env, capture_output=True, check=False)
        assert done.returncode == code, done.stderr
        assert b"Traceback" not in done.stderr
