"""Two runs of one view: at once, after a kill, and with a holder that sleeps and wakes up."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path

import psutil
import pytest

from tests.acceptance.crash.books import VARIANTS, Book
from tests.acceptance.crash.dying import ROOT
from tests.acceptance.crash.world import World, rotated
from tests.acceptance.crash.world import world as new_world
from tests.sandbox.bigquery.proxy import Fault, Rule

LEASE_SECONDS = 2
UPLOAD = Rule(Fault.PASS, "POST", "/upload/")
COMMIT = Rule(Fault.PASS, "POST", "/jobs", "_commit_")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """One with short leases."""
    settings = {"ETL_LEASE_SECONDS": str(LEASE_SECONDS)}
    with new_world(tmp_path_factory.mktemp("world"), **settings) as running:
        yield running


@pytest.fixture(scope="module")
def books(world: World) -> Iterator[Book]:
    """Loaded tables of each variant, in turn, for ever."""
    made = world.add_all(islice(rotated(), len(VARIANTS)))
    world.settle(*made)
    return (made[turn % len(made)] for turn in range(10_000))


class Holder:
    """A run in a process of its own that can be put to sleep."""

    def __init__(self, world: World, book: Book) -> None:
        command = [*world.installation.command("run", "--json", book.view)]
        self._process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=world.installation.env(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
        )
        self.process = psutil.Process(self._process.pid)

    def end(self) -> tuple[int, str, str]:
        """Wait for it: exit code, output, errors."""
        out, err = self._process.communicate(timeout=120)
        return self._process.returncode, out, err


@contextlib.contextmanager
def holder_at(world: World, book: Book, where: Rule, *, carried_out: bool) -> Iterator[Holder]:
    """A run that stands still at a request, before or after BigQuery carries it out.

    Meanwhile its process lives and beats; `asleep` stops that.
    """
    import threading

    there, go_on = threading.Event(), threading.Event()

    def stand_still(_path: str) -> None:
        there.set()
        go_on.wait(120)

    hook = {"after" if carried_out else "before": stand_still}
    rule = Rule(Fault.PASS, where.method, where.path, where.body, **hook)
    world.proxy.rules.append(rule)
    holder = Holder(world, book)
    try:
        assert there.wait(60), "the holder never came there"
        world.proxy.rules.remove(rule)
        yield holder
    finally:
        go_on.set()
        with contextlib.suppress(psutil.NoSuchProcess):
            holder.process.resume()


def wait_for(what: Callable[[], bool], seconds: float = 30) -> None:
    """Until it is true."""
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def lease_is_over(world: World, book: Book) -> bool:
    import sqlite3

    with contextlib.closing(sqlite3.connect(world.installation.database)) as database:
        (over,) = database.execute(
            "SELECT MAX(lease_expires_at) < STRFTIME('%Y-%m-%d %H:%M:%f', 'now') "
            "FROM etl_transaction WHERE status = 'running'"
        ).fetchone()
    return bool(over)


def test_the_second_run_is_refused_while_the_first_one_lives(
    world: World, books: Iterator[Book], tally: Counter[str]
) -> None:
    book = next(books)
    world.business(book)
    with holder_at(world, book, UPLOAD, carried_out=False) as holder:
        # Longer than a lease: the holder renews it.
        time.sleep(1.5 * LEASE_SECONDS)
        refused = world.run(book.view)
        started = str(world.transactions(book)[-1]["started_at"])[:19]
    assert refused.code == 75, refused
    error = refused.runs[0]["error"]
    assert error["code"] == "lease-held"
    assert f"process {holder.process.pid} on" in error["message"]
    assert f"since {started} UTC" in error["message"]
    code, _, errors = holder.end()
    assert code == 0, errors
    world.check(book)
    tally["meetings of two runs"] += 1


def test_many_runs_at_once_load_the_view_once(
    world: World, books: Iterator[Book], tally: Counter[str]
) -> None:
    for book in islice(books, 2):
        world.business(book)
        runs = [Holder(world, book) for _ in range(4)]
        codes = [run.end()[0] for run in runs]
        assert set(codes) <= {0, 75}, codes
        assert 0 in codes
        world.check(book)
        tally["meetings of two runs"] += len(runs)


@pytest.mark.skipif(not hasattr(signal, "SIGSTOP"), reason="Windows cannot put processes to sleep")
@pytest.mark.parametrize(
    ("where", "carried_out"),
    [(UPLOAD, False), (UPLOAD, True), (COMMIT, False), (COMMIT, True)],
    ids=["uploading", "uploaded", "committing", "committed"],
)
def test_a_sleeper_that_was_taken_over_cannot_commit(
    world: World,
    books: Iterator[Book],
    where: Rule,
    carried_out: bool,
    tally: Counter[str],
    rounds: int,
) -> None:
    for book in islice(books, 3 * rounds):
        world.business(book)
        with holder_at(world, book, where, carried_out=carried_out) as holder:
            holder.process.suspend()
            sleeper = world.transactions(book)[-1]["run_id"]
            wait_for(lambda book=book: lease_is_over(world, book))
            world.settle(book)
            world.business(book)
            world.settle(book)
        code, out, errors = holder.end()
        assert code == 75, out + errors
        assert json.loads(out)["runs"][0]["error"]["code"] == "lease-lost", out
        world.check(book)
        took = world.took_effect(sleeper)
        (run,) = (run for run in world.transactions(book) if run["run_id"] == sleeper)
        assert run["status"] == ("succeeded" if took else "abandoned")
        assert took == (where is COMMIT and carried_out)
        tally["sleepers"] += 1


def test_a_killed_holder_is_taken_over_at_once(
    world: World, books: Iterator[Book], tally: Counter[str]
) -> None:
    world.installation.write_settings(ETL_LEASE_SECONDS="600")
    try:
        book = next(books)
        world.business(book)
        with holder_at(world, book, COMMIT, carried_out=False) as holder:
            holder.process.kill()
            holder.end()
        world.settle(book)
        tally["meetings of two runs"] += 1
    finally:
        world.installation.write_settings(ETL_LEASE_SECONDS=str(LEASE_SECONDS))


@pytest.mark.skipif(sys.platform == "win32", reason="SIGTERM ends a process at once there")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "Ctrl-C"])
@pytest.mark.parametrize(
    ("where", "carried_out"),
    [(UPLOAD, False), (UPLOAD, True), (COMMIT, False), (COMMIT, True)],
    ids=["uploading", "uploaded", "committing", "committed"],
)
def test_a_stop_signal_is_recorded_and_nothing_is_lost(
    world: World,
    books: Iterator[Book],
    where: Rule,
    carried_out: bool,
    number: signal.Signals,
    tally: Counter[str],
) -> None:
    book = next(books)
    world.business(book)
    with holder_at(world, book, where, carried_out=carried_out) as holder:
        os.kill(holder.process.pid, number)
    code, out, errors = holder.end()
    assert code == 130, out + errors
    run = world.transactions(book)[-1]
    assert (run["status"], run["error_code"]) == ("failed", "stopped")
    world.business(book)
    world.settle(book)
    (run,) = (r for r in world.transactions(book) if r["run_id"] == run["run_id"])
    assert run["status"] == ("succeeded" if world.took_effect(run["run_id"]) else "failed")
    tally["stop signals"] += 1


def test_a_folder_of_another_living_run_is_left_alone(
    world: World, books: Iterator[Book], tally: Counter[str]
) -> None:
    first, second = islice(books, 2)
    world.business(first, second)
    with holder_at(world, first, UPLOAD, carried_out=False) as holder:
        done = world.run(second.view)
        assert done.code == 0, done
        work: Path = world.installation.folder / "var" / "work"
        assert [folder.name for folder in work.iterdir()] == [
            world.transactions(first)[-1]["run_id"]
        ]
    assert holder.end()[0] == 0
    world.check(first, second)
    tally["meetings of two runs"] += 1
