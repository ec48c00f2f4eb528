"""Kill a run, at a step or at a request to BigQuery, and see that the target is whole."""

from __future__ import annotations

import random
import threading
from dataclasses import dataclass

import psutil

from tests.acceptance.crash.books import Book
from tests.acceptance.crash.runner import Done, Running
from tests.acceptance.crash.world import World
from tests.sandbox.bigquery.proxy import Fault, Rule
from tests.waiting import HANG_SECONDS


@dataclass(frozen=True)
class Step:
    """A point of `dying`."""

    point: str
    number: int = 1

    def __str__(self) -> str:
        return f"{self.point}-{self.number}"

    def run(self, world: World, book: Book, *options: str) -> Done:
        """Run the view until then."""
        return world.run(book.view, *options, point=self.point, number=self.number)


@dataclass(frozen=True)
class AtRequest:
    """The process dies when a request has left it, or when it has been carried out.

    Either way BigQuery carries it out, and nobody hears the answer.
    """

    name: str
    carried_out: bool
    method: str
    path: str
    body: str = ""

    def __str__(self) -> str:
        return f"{'answered' if self.carried_out else 'sent'}:{self.name}"

    def run(self, world: World, book: Book, *options: str) -> Done:
        """Run the view until then, and wait until BigQuery is done with the request."""
        begun, over = threading.Event(), threading.Event()
        running: list[Running] = []

        def kill(_path: str) -> None:
            begun.wait()
            psutil.Process(running[0].pid).kill()

        def finish(path: str) -> None:
            if self.carried_out:
                kill(path)
            over.set()

        before = None if self.carried_out else kill
        rule = Rule(Fault.PASS, self.method, self.path, self.body, before=before, after=finish)
        world.proxy.rules.append(rule)
        running.append(world.runner.start(world.installation, "run", "--json", book.view, *options))
        begun.set()
        done = running[0].wait()
        if rule.fired:
            assert over.wait(HANG_SECONDS), "BigQuery has not carried the request out"
        world.proxy.rules.remove(rule)
        return done


@dataclass(frozen=True)
class AtRandom:
    """The process dies some time between its start and a little after its usual end."""

    seed: int

    def __str__(self) -> str:
        return f"random-{self.seed}"

    def run(self, world: World, book: Book, *options: str) -> Done:
        """Run the view until then; it may have ended before."""
        moment = random.Random(self.seed).uniform(0.05, 1.5) * world.seconds_of_a_run
        return world.run(book.view, *options, point="time", number=int(1000 * moment))


Death = Step | AtRequest | AtRandom

COMMIT = AtRequest("commit", True, "POST", "/jobs", "_commit_")


def crash(world: World, book: Book, death: Death, *options: str) -> list[str]:
    """Kill a run of this view. The target must be as before or as Oracle is: never between.

    Returns the ids of runs that began, for `tell_the_truth`.
    """
    known = {run["run_id"] for run in world.transactions(book)}
    before, after = world.target_says(book), world.oracle_says(book)
    done = death.run(world, book, *options)
    if isinstance(death, AtRandom) and not done.killed:
        assert done.code == 0, done
    else:
        assert done.killed, f"{death} was not reached: {done}"
    assert world.target_says(book) in (before, after), f"{death} left half of {book}"
    return [r["run_id"] for r in world.transactions(book) if r["run_id"] not in known]


def tell_the_truth(world: World, book: Book, run_ids: list[str]) -> None:
    """A dead run has succeeded when its commit took effect, and else it was abandoned."""
    for run in world.transactions(book):
        if run["run_id"] in run_ids:
            wanted = "succeeded" if world.took_effect(run["run_id"]) else "abandoned"
            assert run["status"] == wanted, run
