"""schedule_task.bat under wine: what Task Scheduler would see.

A small program of our own stands where `.venv\\Scripts\\python.exe` is: it writes down its
arguments, working directory and PYTHONUTF8, and ends with the code that it is told to.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.waiting import HANG_SECONDS

ROOT = Path(__file__).resolve().parent.parent.parent
BATCH = (ROOT / "schedule_task.bat").read_text(encoding="ascii")
COMPILER = "x86_64-w64-mingw32-gcc"
HOW_TO_GET_IT = (
    "the batch file needs Windows, or wine and a compiler for Windows: "
    "apt-get install wine gcc-mingw-w64-x86-64"
)
INSTALL = (
    "py -3 -m venv .venv",
    ".venv\\Scripts\\python -m pip install -q --no-deps --no-compile --only-binary :all: -r requirements.txt",
)
LOG = "etl-schedule_task-{}.log"
STUB = r"""
#include <stdio.h>
#include <stdlib.h>
#include <wchar.h>
#include <windows.h>

static void say(const char *name, const wchar_t *text) {
    char utf8[8192];
    WideCharToMultiByte(CP_UTF8, 0, text, -1, utf8, sizeof utf8, NULL, NULL);
    printf("%s=%s\n", name, utf8);
}

/* Waits until as many of us as STUB_COMPANY says have begun. */
static void meet(void) {
    const wchar_t *company = _wgetenv(L"STUB_COMPANY");
    wchar_t name[100];
    int seen = 0;
    if (!company) return;
    swprintf(name, 100, L"started-%lu", GetCurrentProcessId());
    CloseHandle(CreateFileW(name, GENERIC_WRITE, 0, NULL, CREATE_ALWAYS, 0, NULL));
    while (seen < _wtoi(company)) {
        WIN32_FIND_DATAW found;
        HANDLE search = FindFirstFileW(L"started-*", &found);
        Sleep(50);
        for (seen = 1; FindNextFileW(search, &found); seen++);
        FindClose(search);
    }
}

int wmain(int count, wchar_t **arguments) {
    wchar_t folder[4096];
    const wchar_t *code = _wgetenv(L"STUB_EXIT_CODE"), *utf8 = _wgetenv(L"PYTHONUTF8");
    GetCurrentDirectoryW(4096, folder);
    say("folder", folder);
    say("utf8", utf8 ? utf8 : L"");
    for (int n = 1; n < count; n++) say("argument", arguments[n]);
    say("code", code);
    fflush(stdout);
    fprintf(stderr, "from standard error\n");
    meet();
    return _wtoi(code);
}
"""

pytestmark = pytest.mark.skipif(
    not (os.name == "nt" or (shutil.which("wine") and shutil.which(COMPILER))),
    reason=HOW_TO_GET_IT,
)
wine_only = pytest.mark.skipif(os.name == "nt", reason="stands in for Windows by means of wine")


@pytest.fixture(scope="module")
def stub(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The program that stands in for python.exe."""
    folder = tmp_path_factory.mktemp("stub")
    (folder / "stub.c").write_text(STUB, encoding="ascii")
    compiler = shutil.which(COMPILER) or "gcc"
    command = [compiler, "-municode", "-O1", "-o", "python.exe", "stub.c"]
    subprocess.run(command, cwd=folder, check=True)
    return folder / "python.exe"


class Wine:
    """A wine of our own, started once, because its first start is slow; Windows needs none."""

    def __init__(self, prefix: Path) -> None:
        self.prefix = prefix
        self.env = {**os.environ, "WINEPREFIX": str(prefix), "WINEDEBUG": "-all", "DISPLAY": ""}
        # Without these wine asks to install components that nothing here needs.
        self.env |= {"WINEDLLOVERRIDES": "mscoree,mshtml=;winemenubuilder.exe=d"}
        # Names of files are UTF-8.
        self.env |= {"LC_ALL": "C.UTF-8", "RC": "0"}
        if os.name != "nt":
            self._run("wineboot", "-i")
            told = self._run("cmd", "/c", "echo %TEMP%").strip()
            self._temp = prefix / "drive_c" / told.partition("\\")[2].replace("\\", "/")

    def _run(self, *command: str) -> str:
        done = subprocess.run(["wine", *command], env=self.env, check=True, capture_output=True)
        return done.stdout.decode()

    def set_temp(self, folder: Path) -> None:
        """Make `folder` what %TEMP% is; wine does not take it from its environment."""
        if os.name == "nt":
            self.env["TEMP"] = str(folder)
            return
        if self._temp.is_symlink():
            self._temp.unlink()
        else:
            shutil.rmtree(self._temp)
        self._temp.symlink_to(folder)

    def stop(self) -> None:
        if os.name != "nt":
            subprocess.run(["wineserver", "-k"], env=self.env, check=False, capture_output=True)


@pytest.fixture(scope="module")
def wine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Wine]:
    started = Wine(tmp_path_factory.mktemp("wine"))
    yield started
    started.stop()


def seen_from_windows(path: Path) -> str:
    return str(path) if os.name == "nt" else "Z:" + str(path).replace("/", "\\")


class Server:
    """A checkout as it lies on a Windows server."""

    def __init__(self, folder: Path, stub: Path, wine: Wine, name: str = "app") -> None:
        self.folder, self._wine = folder / name, wine
        self.python = self.folder / ".venv" / "Scripts" / "python.exe"
        self.python.parent.mkdir(parents=True)
        shutil.copyfile(stub, self.python)
        self.python.chmod(0o755)
        self.batch = self.folder / "schedule_task.bat"
        # As git checks it out on Windows (.gitattributes).
        self.batch.write_bytes(BATCH.replace("\n", "\r\n").encode())
        self.temp = folder / "temp"
        self.temp.mkdir()
        wine.set_temp(self.temp)

    def start(self, exit_code: int = 0, company: int = 1, path: str = "") -> subprocess.Popen[str]:
        """Start the batch file from elsewhere, as Task Scheduler does: by its full path.

        The program ends when `company` of them have begun.
        """
        command = [path or seen_from_windows(self.batch)]
        told = {"STUB_EXIT_CODE": str(exit_code), "STUB_COMPANY": str(company)}
        return subprocess.Popen(
            command if os.name == "nt" else ["wine", *command],
            cwd=self.folder.parent,
            env={**self._wine.env, **told},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            errors="replace",
        )

    def run(self, exit_code: int = 0, path: str = "") -> tuple[int, str]:
        """The exit code, and what stood on the console."""
        process = self.start(exit_code, path=path)
        out, _ = process.communicate(timeout=HANG_SECONDS)
        return process.returncode, out

    def logs(self, folder: str = "var/log") -> dict[str, list[str]]:
        """The lines of each log of the batch file."""
        found = sorted((self.folder / folder).glob("*.log"))
        return {path.name: path.read_text(encoding="utf-8").splitlines() for path in found}


@pytest.fixture
def server(tmp_path: Path, stub: Path, wine: Wine) -> Server:
    return Server(tmp_path, stub, wine)


# Not here: "%", which Wine's cmd takes for the begin of a variable where it expands %~dp0. It
# then says that the folder cannot be entered, as is tested below.
@pytest.mark.parametrize(
    "name",
    [
        "app",
        "Oracle ERP (live)",
        "C & Co/a&b",
        "x^y ^ z",
        "Sale! !now!",
        "งบการเงิน ปี ๒๕๖๙/é 🙂",
        "a;b,c=d [e] {f} 'g' `h` ~#@$+_-.i & j ^ k ! (l) m",
    ],
)
def test_it_runs_every_active_view_from_its_own_folder_in_utf8(
    tmp_path: Path, stub: Path, wine: Wine, name: str
) -> None:
    server = Server(tmp_path, stub, wine, name)
    code, console = server.run()
    assert (code, console) == (0, "")
    (lines,) = server.logs().values()
    folder, utf8, *arguments, told, error = lines
    assert folder == "folder=" + seen_from_windows(server.folder)
    assert (utf8, told, error) == ("utf8=1", "code=0", "from standard error")
    assert arguments == [f"argument={a}" for a in ("-m", "etl_oracle_to_bq", "run", "--all")]


def test_starts_at_one_moment_have_their_own_log_and_exit_code(server: Server) -> None:
    """Also the second start while the first still runs: none ends before all have begun."""
    codes = [0, 1, 2, 3, 7, 75, 130]
    started = [server.start(code, company=len(codes)) for code in codes]
    for process in started:
        process.communicate(timeout=HANG_SECONDS)
    assert [process.returncode for process in started] == codes
    logs = server.logs()
    assert list(logs) == [LOG.format(number) for number in range(1, 1 + len(codes))]
    assert sorted(log[-2] for log in logs.values()) == sorted(f"code={code}" for code in codes)
    assert all(log.count("argument=run") == 1 for log in logs.values())
    assert not server.logs("../temp")


def test_a_log_that_is_there_stays_as_it_is(server: Server) -> None:
    """Whoever has it open, and however old it is."""
    log = server.folder / "var" / "log"
    log.mkdir(parents=True)
    for number in (1, 3):
        (log / LOG.format(number)).write_text("of another night\n", encoding="utf-8")
    assert server.run(3)[0] == 3
    logs = server.logs()
    assert logs[LOG.format(2)][-2] == "code=3"
    assert logs[LOG.format(1)] == logs[LOG.format(3)] == ["of another night"]


def no_folder(server: Server) -> None:
    (server.folder / "var").write_text("a file", encoding="utf-8")


def no_right(server: Server) -> None:
    """Nobody may make a file there, not even root."""
    (server.folder / "var").mkdir()
    (server.folder / "var" / "log").symlink_to("/sys/kernel")


NO_LOG = [no_folder, pytest.param(no_right, marks=wine_only)]


@pytest.mark.parametrize("spoil", NO_LOG)
def test_where_no_log_can_be_written_it_is_written_to_temp(server: Server, spoil: object) -> None:
    spoil(server)  # type: ignore[operator]
    assert server.run(7) == (7, "")
    assert server.run(0) == (0, "")
    logs = server.logs("../temp")
    assert list(logs) == [LOG.format(1), LOG.format(2)]
    assert [log[-2] for log in logs.values()] == ["code=7", "code=0"]


def test_where_no_log_can_be_written_at_all_it_runs_without(server: Server) -> None:
    no_folder(server)
    server.temp.rmdir()
    code, console = server.run(7)
    assert code == 7
    assert "argument=run" in console.splitlines()


@pytest.mark.parametrize("spoil", [None, no_folder], ids=["log", "temp"])
def test_without_a_virtual_environment_it_says_how_to_make_one_and_ends_with_2(
    server: Server, spoil: object
) -> None:
    server.python.unlink()
    if spoil:
        spoil(server)  # type: ignore[operator]
    code, console = server.run()
    assert code == 2
    (log,) = server.logs("../temp" if spoil else "var/log").values()
    assert log == console.splitlines()
    assert log[0].startswith("There is no virtual environment in ")
    assert tuple(log[1:]) == INSTALL


def test_an_environment_whose_python_cannot_start_is_no_success(server: Server) -> None:
    server.python.write_text("not a program", encoding="ascii")
    assert server.run()[0] != 0


@wine_only
def test_it_runs_from_a_network_path(server: Server, wine: Wine) -> None:
    share = wine.prefix / "dosdevices" / "unc" / "server" / "share"
    share.parent.mkdir(parents=True)
    share.symlink_to(server.folder.parent)
    assert server.run(3, path=r"\\server\share\app\schedule_task.bat") == (3, "")
    (log,) = server.logs().values()
    assert log[-2] == "code=3"


@wine_only
def test_a_folder_that_cannot_be_entered_is_said_and_ends_with_2(
    tmp_path: Path, stub: Path, wine: Wine
) -> None:
    """Here because of Wine's cmd and the per cent sign; on Windows that one can be entered."""
    code, console = Server(tmp_path, stub, wine, "100% ours").run()
    assert code == 2
    assert "cannot be entered. Nothing was loaded." in console


def test_the_file_is_plain_enough_for_every_code_page_and_for_wine() -> None:
    """Wine gets && and || wrong; a batch file is read in the code page of its console."""
    assert not re.search(r"&&|\|\||activate|%DATE%|%TIME%", BATCH)
    assert "*.bat text eol=crlf" in (ROOT / ".gitattributes").read_text(encoding="utf-8")
