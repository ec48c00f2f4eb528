"""A Windows with CPython and the packages, made once and kept; a copy of it for each run.

    ~/.cache/oracle-erp-to-bigquery/   or the folder that ETL_TEST_WINDOWS names
        lock                           held by whoever makes, copies or deletes here
        windows-<key>/                 a made Windows; the key is that of the pins and of the kit
        windows-<key>.making/          one that is being made, or whose making was interrupted
        run-<random>/                  the copy of one run of the tests, by hard links

A copy is a prefix of its own: its registry, its processes and what it writes are nobody else's.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

from tests.installation import ROOT
from tests.windows import dlls, python
from tests.windows.wine import UCRTBASE, Wine

KIT = Path(__file__).resolve().parent
PINS = (ROOT / "requirements.txt", ROOT / "tests" / "requirements.txt")
PYTHON = r"C:\Python311\python.exe"
# In the prefix: where the checkout comes to lie, in a folder with a blank as on many a server,
# and what the unit tests need beside the product's packages.
APP = Path("drive_c") / "ETL server" / "app"
TEST_PACKAGES = Path("drive_c") / "test packages"
UNUSED_DAYS = 14


def cache_folder() -> Path:
    """Where made Windows are kept, outside the checkout."""
    named = os.environ.get("ETL_TEST_WINDOWS")
    caches = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(named) if named else Path(caches) / "oracle-erp-to-bigquery"


def key() -> str:
    """Changes with everything that a made Windows is made of."""
    digest = hashlib.sha256()
    for path in (*PINS, *(KIT / name for name in ("dlls.py", "making.py", "python.py", "wine.py"))):
        digest.update(path.read_bytes())
    digest.update(UCRTBASE.read_bytes())
    return digest.hexdigest()[:16]


def make(folder: Path) -> None:
    """Make a Windows in `folder`; raises WindowsUnavailable when a part cannot be had."""
    wine = Wine(folder / "prefix")
    wine.make()
    dlls.add(wine.drive_c / "windows" / "system32")
    python311 = wine.drive_c / "Python311"
    python.add_python(python311, folder / "scratch")
    app, test_packages = wine.prefix / APP, wine.prefix / TEST_PACKAGES
    # As README says, but with packages that pip of Linux has unpacked.
    wine.run("wine", PYTHON, "-m", "venv", "--without-pip", str(wine.path(app / ".venv")))
    product, tests = (python.requirements(file) for file in PINS)
    site_packages = app / ".venv" / "Lib" / "site-packages"
    python.add_packages(site_packages, product.values(), folder / "scratch")
    test_entries = python.for_unit_tests(tests, product).values()
    python.add_packages(test_packages, test_entries, folder / "scratch")
    python.compile_all(wine, PYTHON, (python311 / "Lib", site_packages, test_packages))
    wine.wait()


@contextlib.contextmanager
def copy(cache: Path, name: str, make: Callable[[Path], None]) -> Iterator[Path]:
    """A copy of the made folder `name` of `cache`, which `make` makes when it is not there.

    The copy is deleted afterwards, and by the next run when this one is killed.
    """
    cache.mkdir(parents=True, exist_ok=True)
    with contextlib.ExitStack() as stack:
        with _locked(cache / "lock"):
            made = _made(cache, name, make)
            _delete_unused(cache, made)
            run = Path(tempfile.mkdtemp(prefix="run-", dir=cache))
            stack.callback(_delete_run, run)
            stack.enter_context(_locked(run / "lock"))
            subprocess.run(["cp", "-a", "--link", f"{made}/.", str(run)], check=True)
        _own_registry(run)
        yield run


def _made(cache: Path, name: str, make: Callable[[Path], None]) -> Path:
    made, making = cache / name, cache / f"{name}.making"
    if not made.exists():
        _delete(making)
        making.mkdir()
        make(making)
        making.rename(made)
    os.utime(made)
    return made


def _delete_unused(cache: Path, made: Path) -> None:
    """Copies of runs that were killed, and what no run has used for a while."""
    for run in cache.glob("run-*"):
        if _is_free(run / "lock"):
            _delete_run(run)
    oldest = time.time() - UNUSED_DAYS * 86_400
    for other in cache.glob("windows-*"):
        if other != made and other.stat().st_mtime < oldest:
            _delete(other)


def _delete_run(run: Path) -> None:
    # Its own process and another may do so at once; what stays, the next run deletes.
    shutil.rmtree(run, ignore_errors=True)


def _own_registry(run: Path) -> None:
    for file in (run / "prefix").glob("*.reg"):
        content = file.read_bytes()
        file.unlink()
        file.write_bytes(content)


def _delete(folder: Path) -> None:
    if folder.exists():
        shutil.rmtree(folder)


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold the lock of a file, which ends with the process, whatever ends it."""
    with path.open("w") as file:
        _lock(file, wait=True)
        yield


def _is_free(path: Path) -> bool:
    """Whether nobody holds the lock of a file; a file that is not there is held by nobody."""
    if not path.exists():
        return True
    with path.open("w") as file:
        return _lock(file, wait=False)


def _lock(file: IO[str], *, wait: bool) -> bool:
    # Not on Windows, where nothing of this is needed.
    import fcntl

    try:
        fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        return False
    return True
