"""A server with Windows: the checkout in a folder with a blank, its virtual environment beside it."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from tests.installation import ROOT
from tests.windows.making import APP
from tests.windows.wine import WindowsUnavailable, Wine

# What a checkout has lying in it, and no clone of it.
NOT_COPIED = shutil.ignore_patterns(
    *(".git", ".venv", ".env", "__pycache__", ".*_cache", ".hypothesis", ".coverage*"),
    *("*.db-wal", "*.db-shm", ".etl_site_secret_key", "staticfiles"),
)


# Holds Wine's services and its desktop, and lives until its standard input ends.
KEEPER = """
import ctypes, sys
ctypes.windll.user32.GetDesktopWindow()
print("ready", flush=True)
sys.stdin.read()
"""


class WindowsPython:
    """The Python of the server's virtual environment; see `tests.installation.Python`.

    Its settings are those of a user who has set nothing: no PYTHONUTF8, no encoding.
    """

    encoding = "cp1252"

    def __init__(self, wine: Wine) -> None:
        self.wine = wine
        self.checkout = wine.prefix / APP
        self._folders = 0

    def take_checkout(self) -> None:
        """Copy the checkout that the tests are in."""
        shutil.copytree(ROOT, self.checkout, ignore=NOT_COPIED, dirs_exist_ok=True)

    @contextlib.contextmanager
    def kept_up(self) -> Iterator[None]:
        """Keep Wine's services up, which would start anew for each program; end them after it.

        They hold the standard streams of the program that they start with, so that is one of
        our own: of any other, nobody would see the end of the output.
        """
        keeper = subprocess.Popen(
            self.command("-c", KEEPER),
            env=self.environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding=self.encoding,
        )
        try:
            assert keeper.stdout is not None
            said = keeper.stdout.readline()
            if said != "ready\n":
                raise WindowsUnavailable(f"no program runs in Wine: {said}{keeper.stdout.read()}")
            yield
        finally:
            self.wine.end()
            keeper.communicate()

    def new_folder(self) -> Path:
        """A folder for a server's data, outside the checkout."""
        self._folders += 1
        folder = self.checkout.parent / f"data {self._folders}"
        folder.mkdir()
        return folder

    def program(self, name: str) -> str:
        """A program of the virtual environment, as Windows names it."""
        return str(self.wine.path(self.checkout / ".venv" / "Scripts" / name))

    def command(self, *arguments: str) -> list[str]:
        return ["wine", self.program("python.exe"), *arguments]

    def environment(self) -> dict[str, str]:
        return self.wine.environment()

    def path(self, path: Path) -> str:
        return self.wine.path(path).as_posix()
