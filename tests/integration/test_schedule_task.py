"""schedule_task.bat under wine: what Task Scheduler would see.

A small program of our own stands where `.venv\\Scripts\\python.exe` is: it writes down its
arguments, working directory and PYTHONUTF8, and ends with the code that it is told to.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
COMPILER = "x86_64-w64-mingw32-gcc"
HOW_TO_GET_IT = (
    "the batch file needs Windows, or wine and a compiler for Windows: "
    "apt-get install wine gcc-mingw-w64-x86-64"
)
STUB = r"""
#include <stdio.h>
#include <stdlib.h>
#include <direct.h>
#include <windows.h>
int main(int count, char **arguments) {
    char folder[4096];
    const char *code = getenv("STUB_EXIT_CODE"), *utf8 = getenv("PYTHONUTF8");
    printf("folder=%s\nutf8=%s\n", _getcwd(folder, sizeof folder), utf8 ? utf8 : "");
    for (int n = 1; n < count; n++) printf("argument=%s\n", arguments[n]);
    fprintf(stderr, "from standard error\n");
    return code ? atoi(code) : 0;
}
"""

pytestmark = pytest.mark.skipif(
    not (os.name == "nt" or (shutil.which("wine") and shutil.which(COMPILER))),
    reason=HOW_TO_GET_IT,
)


@pytest.fixture(scope="module")
def stub(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The program that stands in for python.exe."""
    folder = tmp_path_factory.mktemp("stub")
    (folder / "stub.c").write_text(STUB, encoding="ascii")
    compiler = shutil.which(COMPILER) or "gcc"
    subprocess.run([compiler, "-O1", "-o", "python.exe", "stub.c"], cwd=folder, check=True)
    return folder / "python.exe"


@pytest.fixture(scope="module")
def wine_env(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The environment of a wine of our own, started once, because its first start is slow."""
    prefix = tmp_path_factory.mktemp("wine")
    env = {**os.environ, "WINEPREFIX": str(prefix), "WINEDEBUG": "-all", "DISPLAY": ""}
    # Without these wine asks to install components that nothing here needs.
    env["WINEDLLOVERRIDES"] = "mscoree,mshtml=;winemenubuilder.exe=d"
    if os.name != "nt":
        subprocess.run(["wine", "wineboot", "-i"], env=env, check=True, capture_output=True)
    yield env
    if os.name != "nt":
        subprocess.run(["wineserver", "-k"], env=env, check=False, capture_output=True)


class Server:
    """A checkout as it lies on a Windows server, in a folder whose name has blanks."""

    def __init__(self, folder: Path, stub: Path, env: dict[str, str]) -> None:
        self.folder, self._env = folder / "C & Co" / "Oracle ERP (live)", env
        self.python = self.folder / ".venv" / "Scripts" / "python.exe"
        self.python.parent.mkdir(parents=True)
        shutil.copyfile(stub, self.python)
        self.python.chmod(0o755)
        batch = (ROOT / "schedule_task.bat").read_text(encoding="ascii")
        # As git checks it out on Windows (.gitattributes).
        (self.folder / "schedule_task.bat").write_bytes(batch.replace("\n", "\r\n").encode())

    def run(self, exit_code: int = 0) -> subprocess.CompletedProcess[bytes]:
        """Start the batch file from elsewhere, as Task Scheduler does: by its full path."""
        path = str(self.folder / "schedule_task.bat")
        command = [path] if os.name == "nt" else ["wine", "Z:" + path.replace("/", "\\")]
        return subprocess.run(
            command,
            cwd=self.folder.parent,
            env={**self._env, "STUB_EXIT_CODE": str(exit_code)},
            capture_output=True,
            timeout=120,
            check=False,
        )

    def log(self) -> list[str]:
        path = self.folder / "var" / "log" / "schedule_task.log"
        return path.read_text(encoding="utf-8").splitlines()


@pytest.fixture
def server(tmp_path: Path, stub: Path, wine_env: dict[str, str]) -> Server:
    return Server(tmp_path, stub, wine_env)


def test_it_runs_every_active_view_from_its_own_folder_in_utf8(server: Server) -> None:
    done = server.run()
    assert done.returncode == 0, done.stderr
    folder, utf8, *arguments, error = server.log()
    assert folder.replace("\\", "/").endswith("/C & Co/Oracle ERP (live)")
    assert utf8 == "utf8=1"
    assert arguments == [f"argument={a}" for a in ("-m", "etl_oracle_to_bq", "run", "--all")]
    assert error == "from standard error"
    assert b"argument" not in done.stdout


@pytest.mark.parametrize("code", [1, 2, 7, 75, 130])
def test_the_exit_code_is_the_programs(server: Server, code: int) -> None:
    assert server.run(code).returncode == code


def test_each_night_is_added_to_the_log(server: Server) -> None:
    server.run()
    server.run(3)
    assert server.log().count("argument=run") == 2


def test_without_a_virtual_environment_it_says_so_and_ends_with_2(server: Server) -> None:
    server.python.unlink()
    assert server.run().returncode == 2
    (line,) = server.log()
    assert "no virtual environment" in line and "python.exe" in line
