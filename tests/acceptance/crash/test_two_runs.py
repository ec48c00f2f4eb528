"""Two runs of one view: at once, after a kill, and with a holder that sleeps and wakes up."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sqlite3
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import psutil
import pytest

from tests.acceptance.crash.books import VARIANTS, Book
from tests.acceptance.crash.world import World, rotated
from tests.acceptance.crash.world import world as new_world
from tests.sandbox.bigquery.proxy import Fault, Rule
from tests.waiting import HANG_SECONDS, finish, until

LONG_AGO = "2020-01-01 00:00:00"
UPLOAD = Rule(Fault.PASS, "POST", "/upload/")
COMMIT = Rule(Fault.PASS, "POST", "/jobs", "_commit_")
STAGING = Rule(Fault.PASS, "POST", "/tables", "__stg_")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """One with leases that last for longer than any of these tests."""
    with new_world(tmp_path_factory.mktemp("world"), ETL_LEASE_SECONDS="3600") as running:
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
        self._database = world.installation.database
        self.started = world.installation.start("run", "--json", book.view)
        self.process = psutil.Process(self.started.pid)

    def sleep(self) -> None:
        """Put it to sleep, but not in the middle of a write: nobody else could write then."""
        until(self._sleeps, "a moment in which the run does not write")

    def _sleeps(self) -> bool:
        self.process.suspend()
        try:
            with contextlib.closing(sqlite3.connect(self._database, timeout=0.1)) as database:
                database.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError:
            self.process.resume()
            return False
        return True

    def end(self) -> tuple[int, str, str]:
        """Wait for it: exit code, output, errors."""
        out, err = finish(self.started)
        return self.started.returncode, out, err


@contextlib.contextmanager
def holder_at(world: World, book: Book, where: Rule, *, carried_out: bool) -> Iterator[Holder]:
    """A run that stands still at a request, before or after BigQuery carries it out.

    Meanwhile its process lives and beats; `Holder.sleep` stops that.
    """
    there, go_on = threading.Event(), threading.Event()

    def stand_still(_path: str) -> None:
        there.set()
        go_on.wait(HANG_SECONDS)

    hook = {"after" if carried_out else "before": stand_still}
    rule = Rule(Fault.PASS, where.method, where.path, where.body, **hook)
    world.proxy.rules.append(rule)
    holder = Holder(world, book)
    try:
        until(there.is_set, "a run at that request", holder.started)
        world.proxy.rules.remove(rule)
        yield holder
    finally:
        go_on.set()
        with contextlib.suppress(psutil.NoSuchProcess):
            holder.process.resume()


def let_lease_expire(world: World, run_id: str) -> None:
    """The row then says what it would after a lease without a sign of life."""
    path = world.installation.database
    with contextlib.closing(sqlite3.connect(path, timeout=HANG_SECONDS)) as database, database:
        database.execute(
            "UPDATE etl_transaction SET lease_expires_at = ? WHERE run_id = ?", (LONG_AGO, run_id)
        )


def test_the_second_run_is_refused_while_the_first_one_lives(
    world: World, books: Iterator[Book], tally: Counter[str]
) -> None:
    book = next(books)
    world.business(book)
    with holder_at(world, book, UPLOAD, carried_out=False) as holder:
        held = world.transactions(book)[-1]
        let_lease_expire(world, held["run_id"])
        until(
            lambda: world.transactions(book)[-1]["lease_expires_at"] > held["started_at"],
            "the holder to renew its lease",
            holder.started,
        )
        refused = world.run(book.view)
        started = str(held["started_at"])[:19]
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
            holder.sleep()
            sleeper = world.transactions(book)[-1]["run_id"]
            let_lease_expire(world, sleeper)
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
    book = next(books)
    world.business(book)
    with holder_at(world, book, COMMIT, carried_out=False) as holder:
        holder.process.kill()
        holder.end()
    world.settle(book)
    tally["meetings of two runs"] += 1


@pytest.mark.skipif(sys.platform == "win32", reason="SIGTERM ends a process at once there")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "Ctrl-C"])
@pytest.mark.parametrize(
    ("where", "carried_out"),
    [(STAGING, True), (UPLOAD, False), (UPLOAD, True), (COMMIT, False), (COMMIT, True)],
    ids=["staging made", "uploading", "uploaded", "committing", "committed"],
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
    if where is STAGING:
        assert world.leftovers() == []
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
