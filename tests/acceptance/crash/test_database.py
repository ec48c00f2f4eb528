"""The configuration database is locked, gone or full of trouble while a run is on its way."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import pytest

from tests.acceptance.crash.books import VARIANTS, Book
from tests.acceptance.crash.runner import Done
from tests.acceptance.crash.world import World, rotated
from tests.sandbox.bigquery.proxy import Fault, Rule
from tests.waiting import finish, next_line, until

LOCKER = """
import sqlite3, sys, time
database = sqlite3.connect(sys.argv[1], isolation_level=None)
database.execute("BEGIN IMMEDIATE")
print("locked", flush=True)
sys.stdin.readline()
database.execute("ROLLBACK")
"""


@pytest.fixture(scope="module")
def books(world: World) -> Iterator[Book]:
    """Loaded tables of each variant, in turn, for ever."""
    made = world.add_all(islice(rotated(), len(VARIANTS)))
    world.settle(*made)
    return (made[turn % len(made)] for turn in range(10_000))


def test_a_database_that_another_process_has_locked_fails_no_run(
    world: World, books: Iterator[Book], tally: Counter[str]
) -> None:
    book = next(books)
    world.business(book)
    with locked_after_upload(world):
        world.settle(book)
    tally["troubles of the database"] += 1


@contextlib.contextmanager
def locked_after_upload(world: World) -> Iterator[None]:
    """Locks the database from the first upload on, for longer than the driver waits by itself."""
    lockers: list[subprocess.Popen[str]] = []
    waiters: list[threading.Thread] = []

    def lock(_path: str) -> None:
        locker = subprocess.Popen(
            [sys.executable, "-c", LOCKER, str(world.installation.database)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            encoding="utf-8",
        )
        assert next_line(locker, "the lock") == "locked\n"
        lockers.append(locker)
        waiters.append(threading.Thread(target=let_go, args=(locker,)))
        waiters[0].start()

    def let_go(locker: subprocess.Popen[str]) -> None:
        until(lambda: given_up(world) > before, "the driver to give up", locker)
        finish(locker)

    before = given_up(world)
    world.proxy.rules.append(Rule(Fault.PASS, "POST", "/upload/", before=lock))
    yield
    waiters[0].join()
    assert lockers[0].returncode == 0


def given_up(world: World) -> int:
    """How often the driver has found the database locked for as long as it waits."""
    logs = (world.installation.folder / "var" / "log").glob("*.log")
    return sum(log.read_text(encoding="utf-8").count("is locked, try 1") for log in logs)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows keeps an open file where it is")
@pytest.mark.parametrize("how", ["renamed", "removed and restored from a copy"])
def test_a_database_that_is_gone_at_the_end_is_caught_up_with_by_the_next_run(
    world: World, books: Iterator[Book], how: str, tally: Counter[str]
) -> None:
    database = world.installation.database
    aside = database.with_name("aside.db")

    def take_away(_path: str) -> None:
        if how != "renamed":
            with contextlib.closing(sqlite3.connect(database)) as whole:
                whole.execute("VACUUM INTO ?", [str(aside)])
            database.unlink()
        else:
            database.rename(aside)

    for book in islice(books, 3):
        world.business(book)
        world.proxy.rules.append(Rule(Fault.PASS, "POST", "/jobs", "_commit_", after=take_away))
        done = world.run(book.view)
        assert_told(done, book)
        assert not database.exists(), "an empty database was left in its place"
        if how != "renamed":
            # Of another file than the copy: whoever restores one removes them.
            for leftover in ("-wal", "-shm"):
                Path(f"{database}{leftover}").unlink(missing_ok=True)
        aside.rename(database)
        assert world.target_says(book) == world.oracle_says(book)
        dead = world.transactions(book)[-1]
        assert dead["status"] == "running"
        world.settle(book)
        (run,) = (r for r in world.transactions(book) if r["run_id"] == dead["run_id"])
        assert run["status"] == "succeeded"
        world.proxy.rules.clear()
        tally["troubles of the database"] += 1


def assert_told(done: Done, book: Book) -> None:
    """Exit code, console and log say that it was committed and not recorded."""
    (run,) = done.runs
    assert (done.code, run["status"], run["error"]["code"]) == (7, "failed", "catalog-missing"), (
        done
    )
    assert f"{book.view} was committed in BigQuery" in run["error"]["message"]
    assert "was committed in BigQuery" in done.err


def test_a_run_without_a_database_says_so_and_makes_none(
    world: World, books: Iterator[Book]
) -> None:
    book = next(books)
    world.business(book)
    aside = world.installation.database.rename(world.installation.folder / "aside.db")
    done = world.run(book.view)
    assert (done.code, "catalog-missing" in done.out) == (7, True), done
    assert not world.installation.database.exists()
    aside.rename(world.installation.database)
    world.settle(book)


def test_a_full_disk_is_told_and_given_back(
    world: World, books: Iterator[Book], tally: Counter[str]
) -> None:
    full = full_disk()
    if full is None:
        pytest.skip("this system lets nobody mount a small file system")
    book = next(books)
    world.business(book)
    before = world.target_says(book)
    with full as folder:
        world.installation.write_settings(ETL_DATA_DIR=str(folder))
        done = world.run(book.view)
        world.installation.write_settings(ETL_DATA_DIR=str(world.installation.folder / "var"))
        assert (done.code, done.runs[0]["error"]["code"]) == (5, "disk-full"), done
        assert world.target_says(book) == before
        assert not list(folder.rglob("part-*"))
    world.settle(book)
    tally["full disks"] += 1


def full_disk() -> contextlib.AbstractContextManager[Path] | None:
    """A file system without a free byte, mounted for a while; None where that is not allowed."""
    return None if os.name == "nt" or os.geteuid() != 0 else _tmpfs()


@contextlib.contextmanager
def _tmpfs() -> Iterator[Path]:
    import tempfile

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        done = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=64k", "none", name], capture_output=True
        )
        if done.returncode:
            pytest.skip(f"cannot mount: {done.stderr!r}")
        try:
            with contextlib.suppress(OSError), (folder / "ballast").open("wb") as ballast:
                for _ in range(64):
                    ballast.write(b"x" * 1024)
                    ballast.flush()
            yield folder
        finally:
            subprocess.run(["umount", name], check=True)
