"""Wine, and how a program of Windows is run in it.

Each run of the tests has a prefix of its own: a folder with a drive C and a registry.

The pipe rule: Python under Wine starts only when each of its standard streams is a pipe or
/dev/null. On a file or a terminal of Linux it ends with "can't initialize sys standard streams".
"""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from pathlib import Path, PureWindowsPath

COMPILER = "x86_64-w64-mingw32-gcc"
UCRTBASE = Path("/usr/lib/x86_64-linux-gnu/wine/x86_64-windows/ucrtbase.dll")
HOW_TO_GET_IT = "apt-get install wine wine64 gcc-mingw-w64-x86-64, on Debian 12 for amd64"
# The machine's other variables name files of Linux, which Windows' Python would look for.
PASSED_ON = ("PATH", "USER", "LOGNAME")


class WindowsUnavailable(RuntimeError):
    """No Windows can be made on this machine; the text says why, and how to get one."""


def check_machine() -> None:
    """Raise WindowsUnavailable when this machine lacks a program that the kit needs."""
    if os.name == "nt":
        raise WindowsUnavailable("this is Windows: the other rings run here")
    if platform.machine() != "x86_64" or not (
        shutil.which("wine") and shutil.which(COMPILER) and UCRTBASE.is_file()
    ):
        raise WindowsUnavailable(f"there is no Wine, or no compiler for Windows: {HOW_TO_GET_IT}")


class Wine:
    """The Windows in `prefix`; its drive C is the folder `drive_c` there."""

    def __init__(self, prefix: Path) -> None:
        self.prefix = prefix
        self.drive_c = prefix / "drive_c"

    def path(self, path: Path) -> PureWindowsPath:
        """How Windows names a path on its drive C."""
        return PureWindowsPath("C:/") / path.relative_to(self.drive_c)

    def environment(self) -> dict[str, str]:
        """What every program gets: Wine's settings, and a locale whose code page is cp1252."""
        return {
            **{name: os.environ[name] for name in PASSED_ON if name in os.environ},
            "HOME": str(self.prefix),
            "LC_ALL": "C.UTF-8",
            "WINEPREFIX": str(self.prefix),
            "WINEARCH": "win64",
            "WINEDEBUG": "-all",
            # Our DLLs before Wine's; nothing that offers to install Mono and Gecko, or makes menus.
            "WINEDLLOVERRIDES": "mscoree,mshtml,winemenubuilder.exe=;ucrtbase,bcryptprimitives=n,b",
        }

    def run(self, program: str, *arguments: str) -> str:
        """Standard output of a program that must succeed.

        Raises WindowsUnavailable, with what the program said, when it does not.
        """
        return _said([program, *arguments], self.environment(), self.drive_c.parent)

    def make(self) -> None:
        """Make the prefix, with what Wine puts there; the folder must not exist yet."""
        self.prefix.mkdir(parents=True)
        self.run("wineboot", "-i")
        # As Windows 10, CPython offers TCP_KEEPIDLE, which Wine 8 refuses (WinError 10042): then
        # every Oracle login ends in DPY-4011. As Windows 8.1 it does not offer it.
        self.run("wine", "reg", "add", r"HKCU\Software\Wine", "/v", "Version", "/d", "win81", "/f")
        self.wait()
        self._own_folders()

    def _own_folders(self) -> None:
        """Folders in place of links to those of Linux' user, which a moved prefix would lose."""
        for link in (self.drive_c / "users").glob("*/*"):
            if link.is_symlink():
                link.unlink()
                link.mkdir()

    def wait(self) -> None:
        """Wait until all programs have ended: only then is the registry written."""
        self.run("wineserver", "-w")

    def end(self) -> None:
        """End all programs that still run."""
        subprocess.run(["wineserver", "-k"], env=self.environment(), check=False)
        self.wait()


def _said(command: list[str], environment: dict[str, str], cwd: Path) -> str:
    done = subprocess.run(
        command,
        env=environment,
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        errors="backslashreplace",
        check=False,
    )
    if done.returncode:
        raise WindowsUnavailable(
            f"{' '.join(command)} ended with exit code {done.returncode}: "
            f"{done.stdout}{done.stderr}"
        )
    return done.stdout
