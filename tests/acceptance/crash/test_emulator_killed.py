"""BigQuery itself dies in the middle of a load and of a commit, and comes back with its data."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from itertools import islice

import pytest

from tests.acceptance.crash.books import VARIANTS, Book
from tests.acceptance.crash.world import World, rotated
from tests.acceptance.crash.world import world as new_world
from tests.sandbox.bigquery.proxy import Fault, Rule
from tests.waiting import HANG_SECONDS

MOMENTS = {
    "load": ("POST", "/upload/", ""),
    "commit": ("POST", "/jobs", "_commit_"),
    "staging table": ("POST", "/tables", "__stg_"),
}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """One whose BigQuery keeps its data on disk."""
    with new_world(tmp_path_factory.mktemp("world"), durable=True) as running:
        yield running


@pytest.fixture(scope="module")
def books(world: World) -> Iterator[Book]:
    """Loaded tables of each variant, in turn, for ever."""
    made = world.add_all(islice(rotated(), len(VARIANTS)))
    world.settle(*made)
    return (made[turn % len(made)] for turn in range(10_000))


@pytest.mark.parametrize("delay", [0.0, 0.004, 0.02, None], ids=str)
@pytest.mark.parametrize("moment", MOMENTS)
def test_the_service_dies_and_comes_back(
    world: World,
    books: Iterator[Book],
    moment: str,
    delay: float | None,
    tally: Counter[str],
    rounds: int,
) -> None:
    """`delay` seconds after the request began; None: after it was carried out, unanswered."""
    for book in islice(books, rounds):
        world.business(book)
        restarted = threading.Event()

        def restart(_path: str = "", restarted: threading.Event = restarted) -> None:
            world.emulator.restart()
            restarted.set()

        def soon(_path: str) -> None:
            threading.Timer(delay or 0, restart).start()

        hook = {"after": restart} if delay is None else {"before": soon}
        world.proxy.rules.append(Rule(Fault.PASS, *MOMENTS[moment], **hook))
        done = world.run(book.view)
        assert restarted.wait(HANG_SECONDS), "BigQuery has not come back"
        world.proxy.rules.clear()
        assert done.code == 0, done
        world.check(book)
        tally["deaths of BigQuery"] += 1


def test_run_and_service_die_together(
    world: World, books: Iterator[Book], tally: Counter[str]
) -> None:
    for point in ("before:job", "after:job", "before:commit", "after:commit"):
        book = next(books)
        world.business(book)
        assert world.run(book.view, point=point).killed
        world.emulator.restart()
        world.settle(book)
        tally["deaths of BigQuery"] += 1
