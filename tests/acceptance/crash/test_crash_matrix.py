"""kill -9 at every step, at every request and at random moments, in every write disposition.

The full product of points, variants and modes has some 700 cases. One round takes a covering
part of it: each point around the commit with all six variants, each other point with two,
modes in turn; ETL_TEST_ROUNDS=2 and more go on through the rest of the product.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import islice

import pytest

from tests.acceptance.crash.books import MODES, VARIANTS, Book
from tests.acceptance.crash.deaths import (
    COMMIT,
    AtRandom,
    AtRequest,
    Death,
    Step,
    crash,
    tell_the_truth,
)
from tests.acceptance.crash.runner import Runner
from tests.acceptance.crash.world import World, rotated

STEPS = [
    "dead_runs",
    "start",
    "connect",
    "describe",
    "save_plan",
    "create_staging",
    "work_folder",
    "write_batch",
    "finish_parts",
    "load_part",
    "staged_rows",
    "ensure_ownership",
    "drop_staging",
    "leftovers",
    "sweep",
    "remove_folder",
    "load_status",
]
AWAY: list[Death] = [
    *(Step(f"{when}:{name}") for name in STEPS for when in ("before", "after")),
    *(
        AtRequest(name, carried_out, *request)
        for name, request in {
            "describe": ("GET", "/tables/"),
            "staging": ("POST", "/tables", "__stg_"),
            "upload": ("POST", "/upload/"),
            "drop": ("DELETE", "__stg_"),
        }.items()
        for carried_out in (False, True)
    ),
]
AROUND_COMMIT: list[Death] = [
    Step("before:commit"),
    Step("after:verify"),
    AtRequest("commit", False, "POST", "/jobs", "_commit_"),
    COMMIT,
    Step("after:commit"),
    Step("before:succeed"),
    Step("after:move_watermark"),
    Step("after:succeed"),
]
FIRST_LOAD = ["start", "save_plan", "create_target", "create_staging", "load_part", "commit"]
SETTLING: list[Death] = [
    Step(f"{when}:{name}")
    for name in ("settle_job", "settle_row", "drop_staging_of", "start")
    for when in ("before", "after")
]


@pytest.fixture(scope="module")
def shelf(world: World) -> dict[tuple[str, str], Book]:
    """A loaded table for each variant and mode."""
    wanted = [(variant, mode) for variant in VARIANTS.values() for mode in MODES]
    books = world.add_all(wanted)
    world.settle(*books)
    return {(book.variant.name, book.mode): book for book in books}


@pytest.fixture(scope="module")
def turns() -> Iterator[tuple[str, str]]:
    """Variant and mode of the next case."""
    return ((variant.name, mode) for variant, mode in rotated())


def survive(world: World, books: Iterable[Book], death: Death, tally: Counter[str]) -> None:
    """Kill a run of each, then run all as on any night, and see that nothing tells of it."""
    books = list(books)
    world.business(*books)
    dead = [crash(world, book, death) for book in books]
    world.settle(*books)
    for book, run_ids in zip(books, dead, strict=True):
        tell_the_truth(world, book, run_ids)
    tally["kills"] += len(books)


@pytest.mark.parametrize("death", AWAY, ids=str)
def test_a_kill_away_from_the_commit(
    world: World,
    shelf: dict[tuple[str, str], Book],
    turns: Iterator[tuple[str, str]],
    death: Death,
    tally: Counter[str],
    rounds: int,
) -> None:
    for _ in range(rounds):
        survive(world, [shelf[turn] for turn in islice(turns, 2)], death, tally)


@pytest.mark.parametrize("death", AROUND_COMMIT, ids=str)
def test_a_kill_around_the_commit(
    world: World,
    shelf: dict[tuple[str, str], Book],
    turns: Iterator[tuple[str, str]],
    death: Death,
    tally: Counter[str],
    rounds: int,
) -> None:
    for _ in range(rounds):
        survive(world, [shelf[turn] for turn in islice(turns, len(VARIANTS))], death, tally)


def test_a_kill_while_the_keys_of_the_newest_are_shown(
    world: World, shelf: dict[tuple[str, str], Book], tally: Counter[str]
) -> None:
    for point in ("check_keys", "usual_rows", "latest_view"):
        survive(
            world,
            [shelf["merge", "csv"], shelf["versions", "dataframe"]],
            Step(f"after:{point}"),
            tally,
        )


def test_kills_of_first_loads(world: World, tally: Counter[str], rounds: int) -> None:
    deaths = [Step(f"{when}:{name}") for name in FIRST_LOAD for when in ("before", "after")]
    deaths = [*deaths, COMMIT] * rounds
    books = world.add_all(islice(rotated(), len(deaths)))
    dead = [crash(world, book, death) for book, death in zip(books, deaths, strict=True)]
    world.settle(*books)
    for book, run_ids in zip(books, dead, strict=True):
        tell_the_truth(world, book, run_ids)
    tally["kills"] += len(books)


@pytest.mark.parametrize("death", SETTLING, ids=str)
def test_a_kill_of_the_run_that_settles_another(
    world: World,
    shelf: dict[tuple[str, str], Book],
    turns: Iterator[tuple[str, str]],
    death: Death,
    tally: Counter[str],
    rounds: int,
) -> None:
    for first in (Step("before:commit"), COMMIT) * rounds:
        book = shelf[next(turns)]
        world.business(book)
        dead = crash(world, book, first)
        dead += crash(world, book, death)
        world.settle(book)
        tell_the_truth(world, book, dead)
        tally["kills"] += 2


def test_kills_at_random_moments(
    world: World,
    shelf: dict[tuple[str, str], Book],
    turns: Iterator[tuple[str, str]],
    tally: Counter[str],
    rounds: int,
) -> None:
    for round_number in range(4 * rounds):
        books = [shelf[turn] for turn in islice(turns, len(VARIANTS))]
        world.business(*books)
        dead = [
            crash(world, book, AtRandom(100 * round_number + number))
            for number, book in enumerate(books)
        ]
        world.settle(*books)
        for book, run_ids in zip(books, dead, strict=True):
            tell_the_truth(world, book, run_ids)
        tally["kills at random moments"] += len(books)


def test_a_process_from_scratch_dies_alike(
    world: World, shelf: dict[tuple[str, str], Book], tally: Counter[str]
) -> None:
    """As where the system cannot fork, and as a scheduler would start it."""
    book = shelf["append", "csv"]
    world.business(book)
    with Runner(forks=False) as runner:
        done = runner.run(world.installation, "run", book.view, point="after:commit")
        assert done.killed, done
        world.settle(book)
        run = world.transactions(book)[-2]
        assert (run["status"], world.took_effect(run["run_id"])) == ("succeeded", True)
        world.business(book)
        done = runner.run(world.installation, "run", book.view)
        assert done.code == 0, done
    world.check(book)
    tally["kills"] += 1
